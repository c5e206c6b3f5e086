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

/* One column to sort by, as custom_private has it: a list of ints (column of custom_scan_tlist, sort operator, collation,
 * nulls first). */
#define STRATA_TOPN_KEY 4

#endif
