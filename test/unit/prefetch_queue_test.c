/*
 * prefetch_queue_test.c - the queue of pages to read ahead, against a plain list.
 */
#include <stdlib.h>

#include "pool/prefetch_queue.h"
#include "tap.h"

static uint64_t seed = 88172645463325252u;

static uint64_t
rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static StrataPrefetchQueue q;
static uint64_t model[STRATA_PREFETCH_QUEUE];
static int nmodel;

static int
times_in_model(uint64_t id)
{
	int n = 0;

	for (int i = 0; i < nmodel; i++)
		n += model[i] == id;
	return n;
}

/* Ids as the pool makes them: a version above a number. */
static void
test_random(int numbers, const char *what)
{
	const char *wrong = NULL;
	int queued = 0, repeats = 0, full = 0, twice = 0;

	memset(&q, 0, sizeof(q));
	nmodel = 0;
	for (int i = 0; i < 300000 && !wrong; i++)
	{
		/* More comes than goes for a while, then the other way round, so that it gets full and empty. */
		if (rnd() % 100 < (i / 20000 % 2 ? 70 : 30))
		{
			uint64_t id = (1 + rnd() % 3) << 32 | (1 + rnd() % numbers);
			int before = times_in_model(id);

			switch (strata_prefetch_queue_put(&q, id))
			{
				case STRATA_QUEUED:
					if (nmodel == STRATA_PREFETCH_QUEUE)
						wrong = "took more than it has room for";
					else
						model[nmodel++] = id;
					queued++;
					twice += before > 0;
					break;
				case STRATA_QUEUE_HAS_IT:
					if (before == 0)
						wrong = "says that it has an id which it has not";
					repeats++;
					break;
				case STRATA_QUEUE_FULL:
					if (nmodel < STRATA_PREFETCH_QUEUE)
						wrong = "says that it is full, and is not";
					full++;
					break;
			}
		}
		else
		{
			uint64_t id = strata_prefetch_queue_take(&q);

			if (id != (nmodel > 0 ? model[0] : 0))
				wrong = "gives another id than the oldest";
			if (nmodel > 0)
				memmove(&model[0], &model[1], (size_t)--nmodel * sizeof(model[0]));
		}
		if (q.n != (uint32_t)nmodel)
			wrong = "has another number of ids";
	}
	ok(!wrong, "%s: %s", what, wrong ? wrong : "as a plain list");
	note("%d queued, %d of them a second time, %d known, %d while full", queued, twice, repeats, full);
	ok(queued > 10000 && repeats > 100, "%s: ids are queued, and known again", what);
	ok(twice * 4 < repeats, "%s: most of the known do not get in twice", what);
}

int
main(void)
{
	uint64_t left = 0;

	is_int(strata_prefetch_queue_take(&q), 0, "a new queue is empty");
	for (uint64_t i = 1; i <= STRATA_PREFETCH_QUEUE; i++)
		left += strata_prefetch_queue_put(&q, i << 32 | 7) == STRATA_QUEUED;
	is_int(left, STRATA_PREFETCH_QUEUE, "it takes as many as it says");
	is_int(strata_prefetch_queue_put(&q, 7), STRATA_QUEUE_FULL, "and no more");
	is_int(strata_prefetch_queue_take(&q), (int64_t)1 << 32 | 7, "first in, first out");
	is_int(strata_prefetch_queue_put(&q, 7), STRATA_QUEUED, "then there is room for one");
	is_int(strata_prefetch_queue_put(&q, 7), STRATA_QUEUE_HAS_IT, "but not for the same one again");
	for (left = 0; strata_prefetch_queue_take(&q) != 0;)
		left++;
	is_int(left, STRATA_PREFETCH_QUEUE, "all come out");
	left = 0;
	for (int i = 0; i < 2 * STRATA_PREFETCH_QUEUE; i++)
		left += q.waiting[i] != 0;
	is_int(left, 0, "nothing is remembered of ids that have been taken");
	is_int(strata_prefetch_queue_put(&q, 7), STRATA_QUEUED, "so they can come again");

	test_random(500, "few pages");
	test_random(100000, "many pages");
	return tap_done();
}
