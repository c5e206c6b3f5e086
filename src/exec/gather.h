/*
 * gather.h - StrataGather: the rows of a partial plan of ours from several processes.
 *
 * Included by: src/exec/ only.
 * Memory and locking: none of its own.
 * Not here: the processes (query_workers.h), which plans it is offered for (path_gather.c).
 */
#ifndef STRATA_EXEC_GATHER_H
#define STRATA_EXEC_GATHER_H

#include "exec/exec.h"

extern CustomScanMethods strata_gather_methods;

/* May query workers evaluate this, or do only parallel workers of PostgreSQL?  An expression or a list of
 * them; NULL: yes. */
extern bool strata_crew_evaluates(Node *node);

#endif
