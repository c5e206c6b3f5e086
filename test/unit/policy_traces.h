/*
 * policy_traces.h - traces of page accesses that eviction policies are known by.
 *
 * Included by: policy_test.c, policy_model_test.c, test/bench/policy_bench.c.
 * Memory: filled in by the caller's array.  Locking: none.
 * Not here: the policies.
 *
 * Every trace is the same in each run: the generator starts from the seed it is given.
 */
#ifndef STRATA_TEST_POLICY_TRACES_H
#define STRATA_TEST_POLICY_TRACES_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

/* Pages of different parts of a trace do not meet. */
#define TRACE_AREA INT64_C(1000000000)

static inline uint64_t
trace_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed >> 11;
}

/* Zipf: page i (0 ..) is used in proportion to 1 / (i + 1)^skew. */
static inline void
trace_zipf(int64_t *trace, uint64_t n, uint32_t pages, double skew, int64_t first, uint64_t seed)
{
	double *sum = malloc(pages * sizeof(double)), total = 0;

	for (uint32_t i = 0; i < pages; i++)
		sum[i] = total += pow(i + 1, -skew);
	for (uint64_t a = 0; a < n; a++)
	{
		double at = (double)trace_random(&seed) / (double)(UINT64_C(1) << 53) * total;
		uint32_t low = 0, high = pages - 1;

		while (low < high)
		{
			uint32_t middle = (low + high) / 2;

			if (sum[middle] > at)
				high = middle;
			else
				low = middle + 1;
		}
		trace[a] = first + low;
	}
	free(sum);
}

/* A sequential scan of so many pages, again and again. */
static inline void
trace_loop(int64_t *trace, uint64_t n, uint32_t pages, int64_t first)
{
	for (uint64_t a = 0; a < n; a++)
		trace[a] = first + (int64_t)(a % pages);
}

/*
 * A hot set used at random, and after every `between` such uses a scan of `scan` pages that come only once,
 * among as many more uses of the hot set.
 */
static inline void
trace_scans(int64_t *trace, uint64_t n, uint32_t hot, uint32_t between, uint32_t scan, uint64_t seed)
{
	int64_t next = TRACE_AREA;

	for (uint64_t a = 0; a < n; a++)
	{
		uint64_t at = a % (between + 2 * (uint64_t)scan);

		if (at < between || at % 2 == 0)
			trace[a] = (int64_t)(trace_random(&seed) % hot);
		else
			trace[a] = next++;
	}
}

/* A hot set used at random, and in turn with it a loop over so many pages. */
static inline void
trace_hot_loop(int64_t *trace, uint64_t n, uint32_t hot, uint32_t loop, uint64_t seed)
{
	for (uint64_t a = 0; a < n; a++)
		trace[a] = a % 2 ? TRACE_AREA + (int64_t)(a / 2 % loop) : (int64_t)(trace_random(&seed) % hot);
}

/* Zipf, where each use of a page is one to four, close together and mixed with those of other pages. */
static inline void
trace_correlated(int64_t *trace, uint64_t n, uint32_t pages, double skew, uint64_t seed)
{
	enum
	{
		OPEN = 4
	};
	int64_t open[OPEN];
	uint64_t left[OPEN] = {0}, used = 0;
	int64_t *fresh = malloc(n * sizeof(int64_t));

	trace_zipf(fresh, n, pages, skew, 0, seed);
	for (uint64_t a = 0; a < n; a++)
	{
		uint64_t i = trace_random(&seed) % OPEN;

		if (left[i] == 0)
		{
			open[i] = fresh[used++];
			left[i] = 1 + trace_random(&seed) % 4;
		}
		trace[a] = open[i];
		left[i]--;
	}
	free(fresh);
}

/* Four phases: a skewed set, a loop, another skewed set, all pages alike. */
static inline void
trace_phases(int64_t *trace, uint64_t n, uint32_t pages, uint32_t loop, uint64_t seed)
{
	uint64_t quarter = n / 4;

	trace_zipf(trace, quarter, pages, 1.0, 0, seed);
	trace_loop(trace + quarter, quarter, loop, TRACE_AREA);
	trace_zipf(trace + 2 * quarter, quarter, pages, 0.8, 2 * TRACE_AREA, seed + 1);
	for (uint64_t a = 3 * quarter; a < n; a++)
		trace[a] = 2 * TRACE_AREA + (int64_t)(trace_random(&seed) % pages);
}

#endif
