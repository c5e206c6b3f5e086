/*
 * append.h - StrataAppend: the partitions of a table, one after another, as one maker of batches.
 *
 * Included by: src/exec/ only.
 * Memory and locking: none of its own.
 * Not here: which plans it is offered for (path_append.c).
 */
#ifndef STRATA_EXEC_APPEND_H
#define STRATA_EXEC_APPEND_H

#include "exec/exec.h"

extern CustomScanMethods strata_append_methods;
/* The batch of a StrataAppend, NULL for other nodes. */
extern StrataBatch *strata_append_batch(PlanState *ps);

#endif
