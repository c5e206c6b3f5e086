/*
 * prefetch_queue.h - page ids on their way to who reads them: a ring without repeats.
 *
 * Included by: pool/prefetch.c, unit tests (plain C11; no postgres.h).
 * Memory: given by the caller, zeroed; shared.  Locking: none inside; the caller holds one lock around every
 * call. Not here: what the ids mean, waking the reader (prefetch.c).
 */
#ifndef STRATA_POOL_PREFETCH_QUEUE_H
#define STRATA_POOL_PREFETCH_QUEUE_H

#include <stdint.h>

/* Some windows of the widest kind: a reader that is further behind than this is of no use to any scan. */
#define STRATA_PREFETCH_QUEUE 1024

typedef enum StrataQueued
{
	STRATA_QUEUED,
	STRATA_QUEUE_HAS_IT, /* not queued again */
	STRATA_QUEUE_FULL
} StrataQueued;

typedef struct StrataPrefetchQueue
{
	uint32_t first, n;
	uint64_t ring[STRATA_PREFETCH_QUEUE]; /* no id is 0 */
	/*
	 * The ids that wait, each in the one place that its hash gives it.  Of two ids with the same place the
	 * later has it, and the earlier could come in once more, which costs the reader one look.
	 */
	uint64_t waiting[2 * STRATA_PREFETCH_QUEUE];
} StrataPrefetchQueue;

extern StrataQueued strata_prefetch_queue_put(StrataPrefetchQueue *q, uint64_t id);
/* The oldest id; 0: the queue is empty. */
extern uint64_t strata_prefetch_queue_take(StrataPrefetchQueue *q);

#endif
