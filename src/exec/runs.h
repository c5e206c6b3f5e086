/*
 * runs.h - sorted rows in temporary files, and their merge.
 *
 * Included by: src/exec/ only.
 * Memory: a context of its own; blocks of the runs that are being merged, within what is given at the
 * beginning where that is enough for six of them. Locking: none.  The files belong to the resource owner that
 * is current when the first run is added. Not here: sorting (order.h).
 */
#ifndef STRATA_EXEC_RUNS_H
#define STRATA_EXEC_RUNS_H

#include "exec/order.h"

typedef struct StrataRuns StrataRuns;

/* like: rows with the columns that all runs will have. */
extern StrataRuns *strata_runs_begin(MemoryContext parent, const StrataRows *like, StrataOrderKey *keys,
									 int nkeys, Size memory);
extern void strata_runs_end(StrataRuns *runs);
/* The rows in this order are written as a run. */
extern void strata_runs_add(StrataRuns *runs, const StrataRows *rows, const uint32 *order);
/* All runs are there.  Merges some into longer ones while there are too many to read at once. */
extern void strata_runs_merge(StrataRuns *runs);
/* The next row of all, good until the next call; false at the end. */
extern bool strata_runs_next(StrataRuns *runs, const StrataRows **rows, uint32 *row);
/* From the first row again. */
extern void strata_runs_rewind(StrataRuns *runs);
/* The most bytes that files had at a time, and how many runs were added. */
extern uint64 strata_runs_bytes(const StrataRuns *runs);
extern uint32 strata_runs_count(const StrataRuns *runs);
/* How often each row is written when `bytes` of them are sorted within `memory`: for the planner. */
extern double strata_runs_writes(double bytes, double memory);

#endif
