/*
 * sort.h - StrataSort: all rows of batches in order.
 *
 * Included by: src/exec/ only.
 * Memory: work_mem; what does not fit goes to temporary files.
 * Locking: none.
 * Not here: which plans it is offered for (path_sort.c).
 */
#ifndef STRATA_EXEC_SORT_H
#define STRATA_EXEC_SORT_H

#include "exec/exec.h"

extern CustomScanMethods strata_sort_methods;

#endif
