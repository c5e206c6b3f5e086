/*
 * prefetch.h - what a scan will read next: pattern detection, an adaptive window, and the queue of pages
 * that workers load ahead.
 *
 * Included by: pool/, column/ (detection, queueing), api/ (the worker; strata.pool_prefetch).
 * Memory: a StrataPrefetch is private to one scan, in the memory context given; the queue is shared.
 * Locking: none to detect; queueing takes a short lock and never waits for room.
 * Not here: which pages a position has (column/), loading (pool.c).
 *
 * Positions are what the scan walks over (unit numbers, page ordinals).  Detected: runs (+1 or -1, after
 * strata.prefetch_sequential_threshold steps), strides (any constant step), and cycles (a sequence that comes
 * again, up to STRATA_PREFETCH_CYCLE long).  The window starts small, doubles while prefetched pages are
 * used, halves when they are not, and never exceeds strata.prefetch_pages pages.
 */
#ifndef STRATA_POOL_PREFETCH_H
#define STRATA_POOL_PREFETCH_H

#include "postgres.h"

#include "base/module.h"
#include "pool/pool.h"
#include "pool/prefetch_detect.h"

extern const StrataModule strata_prefetch_module;

typedef struct StrataPrefetch StrataPrefetch;

/* NULL when strata.prefetch is off; all calls below accept that. */
extern StrataPrefetch *strata_prefetch_begin(MemoryContext context);
/* The scan is at `position` now.  Writes the positions to fetch now (not yet asked for, nearest first) and
 * returns how many, at most max. */
extern int strata_prefetch_next(StrataPrefetch *pf, int64 position, int64 *ahead, int max);
/* How many pages the scan reads at a position (1 unless told): strata.prefetch_pages bounds their number. */
extern void strata_prefetch_pages_each(StrataPrefetch *pf, int pages);
/* A position that next() gave has nothing to fetch (no such unit, pruned): passing over it is no waste. */
extern void strata_prefetch_nothing_at(StrataPrefetch *pf, int64 position);
extern StrataPattern strata_prefetch_pattern(const StrataPrefetch *pf);
/* Positions of look-ahead now. */
extern int strata_prefetch_window(const StrataPrefetch *pf);
/* How a page fared that was asked for ahead: it was hot when it was needed, or had to be waited for. */
extern void strata_prefetch_outcome(StrataPrefetch *pf, bool was_hot);

/* Asks the workers to load pages that are not hot.  Returns how many were queued (a full queue drops the rest). */
extern int strata_prefetch_queue(const StrataPageId *ids, int n);
/* For the worker: takes up to max ids off the queue; and loads one (no pin is kept).  False: not loaded. */
extern int strata_prefetch_take(StrataPageId *ids, int max);
extern bool strata_prefetch_load(StrataPageId id);
/* The worker's latch, to be set when something is queued; NULL: no worker. */
extern void strata_prefetch_set_worker(struct Latch *latch);

#endif
