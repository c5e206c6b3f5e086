/*
 * prefetch_queue.c - page ids on their way to who reads them: a ring without repeats.
 */
#include "pool/prefetch_queue.h"

#define PLACES (2 * STRATA_PREFETCH_QUEUE)

static uint64_t *
place_of(StrataPrefetchQueue *q, uint64_t id)
{
	/* Fibonacci hashing; the high bits are the good ones. */
	return &q->waiting[(id * UINT64_C(0x9e3779b97f4a7c15) >> 32) % PLACES];
}

StrataQueued
strata_prefetch_queue_put(StrataPrefetchQueue *q, uint64_t id)
{
	uint64_t *place = place_of(q, id);

	if (*place == id)
		return STRATA_QUEUE_HAS_IT;
	if (q->n == STRATA_PREFETCH_QUEUE)
		return STRATA_QUEUE_FULL;
	q->ring[(q->first + q->n++) % STRATA_PREFETCH_QUEUE] = id;
	*place = id;
	return STRATA_QUEUED;
}

uint64_t
strata_prefetch_queue_take(StrataPrefetchQueue *q)
{
	uint64_t id;
	uint64_t *place;

	if (q->n == 0)
		return 0;
	id = q->ring[q->first];
	q->first = (q->first + 1) % STRATA_PREFETCH_QUEUE;
	q->n--;
	place = place_of(q, id);
	if (*place == id)
		*place = 0;
	return id;
}
