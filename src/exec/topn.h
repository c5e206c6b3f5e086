/*
 * topn.h - StrataTopN: the first rows of an order, out of batches.
 *
 * Included by: src/exec/ only.
 * Memory: the query's; some thousand rows, or twice as many as are asked for.
 * Locking: none.
 * Not here: which plans it is offered for (path_sort.c).
 */
#ifndef STRATA_EXEC_TOPN_H
#define STRATA_EXEC_TOPN_H

#include "exec/exec.h"

extern CustomScanMethods strata_topn_methods;

#endif
