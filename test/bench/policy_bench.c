/*
 * policy_bench.c - the six eviction policies: nanoseconds a hit, and hit ratios over known traces.
 *
 * Hits come as the pool sends them: in batches of 64, under one lock.  The working set is 10,000 resident
 * pages. The hit ratios are those of docs/internals/policies.md.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../unit/policy_traces.h"
#include "pool/policy.h"

#define PAGES 10000
#define BATCH 64
#define HITS  (UINT64_C(1) << 20)
#define RUNS  5 /* of which the best counts: other processes only ever make it longer */

static StrataPolicyNode bench_nodes[PAGES + 1];

static StrataPolicyNode *
bench_node(void *arg, uint32_t page)
{
	return &bench_nodes[page];
}

static bool
bench_may(void *arg, uint32_t page)
{
	return true;
}

static double
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

/* Nanoseconds a hit in batches under a lock.  With victims: one page leaves and comes back after every batch,
 * so that what a hit left undone is done and counted. */
static double
hit_ns_once(StrataPolicyKind kind, const uint32_t *order, bool victims)
{
	const StrataPolicyOps *ops = strata_policy_ops(kind);
	StrataPolicyNodes nodes = {bench_node, NULL};
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	StrataPolicy p;
	double begun;

	memset(bench_nodes, 0, sizeof(bench_nodes));
	strata_policy_start(&p, kind, PAGES, &strata_policy_defaults);
	for (uint32_t page = 1; page <= PAGES; page++)
	{
		ops->miss(&p, &nodes, page, 1);
		ops->admit(&p, &nodes, page, 1);
	}
	for (uint64_t i = 0; i < PAGES; i++)
		ops->hit(&p, &nodes, order[i]);
	begun = now_ns();
	for (uint64_t i = 0; i < HITS; i += BATCH)
	{
		pthread_mutex_lock(&lock);
		for (int j = 0; j < BATCH; j++)
			ops->hit(&p, &nodes, order[i + (uint64_t)j]);
		if (victims)
		{
			uint32_t page = ops->victim(&p, &nodes, STRATA_POLICY_NONE, bench_may, NULL);

			ops->miss(&p, &nodes, page, 1);
			ops->admit(&p, &nodes, page, 1);
		}
		pthread_mutex_unlock(&lock);
	}
	return (now_ns() - begun) / (double)HITS;
}

static double
hit_ns(StrataPolicyKind kind, const uint32_t *order, bool victims)
{
	double best = 1e9;

	for (int run = 0; run < RUNS; run++)
	{
		double ns = hit_ns_once(kind, order, victims);

		if (ns < best)
			best = ns;
	}
	return best;
}

static void
hits(void)
{
	uint32_t *order = malloc(HITS * sizeof(*order));
	int64_t *zipf = malloc(HITS * sizeof(*zipf));
	uint64_t seed = 42;

	printf("ns a hit, %d resident pages, batches of %d under a lock\n", PAGES, BATCH);
	printf("%-8s %10s %10s %24s\n", "policy", "uniform", "Zipf 1.0", "Zipf, a miss a batch");
	trace_zipf(zipf, HITS, PAGES, 1.0, 1, 7);
	for (int kind = 0; kind < STRATA_POLICY_COUNT; kind++)
	{
		double uniform, skewed, with_victims;

		for (uint64_t i = 0; i < HITS; i++)
			order[i] = 1 + (uint32_t)(trace_random(&seed) % PAGES);
		uniform = hit_ns((StrataPolicyKind)kind, order, false);
		/* The pages lie about in memory, not in the order of their skew. */
		for (uint64_t i = 0; i < HITS; i++)
			order[i] = 1 + (uint32_t)((uint64_t)zipf[i] * 7919 % PAGES);
		skewed = hit_ns((StrataPolicyKind)kind, order, false);
		with_victims = hit_ns((StrataPolicyKind)kind, order, true);
		printf("%-8s %10.1f %10.1f %24.1f\n", strata_policy_ops((StrataPolicyKind)kind)->name, uniform,
			   skewed, with_victims);
	}
	free(order);
	free(zipf);
}

/* ---- hit ratios ---- */

#define ACCESSES UINT64_C(400000)

static void
ratio(const char *name, const int64_t *trace, void *memory, const uint64_t *frames, int nframes)
{
	for (int f = 0; f < nframes; f++)
	{
		printf("| %s | %d |", name, (int)frames[f]);
		for (int kind = 0; kind < STRATA_POLICY_COUNT; kind++)
		{
			StrataSimulation sum;

			strata_policy_simulate((StrataPolicyKind)kind, &strata_policy_defaults, frames[f], trace,
								   ACCESSES, memory, NULL, NULL, &sum);
			printf(" %.3f |", (double)sum.hits / (double)sum.accesses);
		}
		printf("\n");
	}
}

static void
ratios(void)
{
	static const uint64_t sizes[] = {500, 2000}, one[] = {1000};
	int64_t *trace = malloc(ACCESSES * sizeof(*trace));
	void *memory = malloc(strata_policy_simulation_bytes(ACCESSES));
	char name[80];

	printf("\n| trace | frames |");
	for (int kind = 0; kind < STRATA_POLICY_COUNT; kind++)
		printf(" %s |", strata_policy_ops((StrataPolicyKind)kind)->name);
	printf("\n|---|---:|---:|---:|---:|---:|---:|---:|\n");
	for (int skew = 6; skew <= 12; skew += 2)
	{
		snprintf(name, sizeof(name), "Zipf %.1f, 10,000 pages", skew / 10.0);
		trace_zipf(trace, ACCESSES, 10000, skew / 10.0, 0, 1);
		ratio(name, trace, memory, sizes, 2);
	}
	trace_loop(trace, ACCESSES, 1100, 0);
	ratio("loop over 1,100 pages", trace, memory, one, 1);
	trace_loop(trace, ACCESSES, 1500, 0);
	ratio("loop over 1,500 pages", trace, memory, one, 1);
	trace_zipf(trace, ACCESSES / 20, 3000, 1.0, 0, 2);
	trace_loop(trace + ACCESSES / 20, ACCESSES - ACCESSES / 20, 1500, 0);
	ratio("the same after 5 % Zipf 1.0", trace, memory, one, 1);
	trace_hot_loop(trace, ACCESSES, 600, 1500, 3);
	ratio("loop over 1,500 pages beside a hot set of 600", trace, memory, one, 1);
	trace_scans(trace, ACCESSES, 600, 5000, 2000, 3);
	ratio("hot set of 600, scans of 2,000", trace, memory, one, 1);
	trace_scans(trace, ACCESSES, 900, 5000, 20000, 4);
	ratio("hot set of 900, scans of 20,000", trace, memory, one, 1);
	trace_correlated(trace, ACCESSES, 10000, 0.8, 5);
	ratio("Zipf 0.8, each use 1 to 4 times", trace, memory, one, 1);
	trace_phases(trace, ACCESSES, 5000, 1500, 6);
	ratio("phases: Zipf 1.0, loop, Zipf 0.8, uniform", trace, memory, one, 1);
	free(trace);
	free(memory);
}

/* What the parameters do, at 1,000 frames. */
static void
parameters(void)
{
	enum
	{
		TRACES = 5
	};
	const StrataPolicyParams d = strata_policy_defaults;
	const struct
	{
		StrataPolicyKind kind;
		const char *name;
		StrataPolicyParams params;
	} rows[] = {
		{STRATA_POLICY_2Q, "2Q, Kin 0.1, Kout 0.5", {.twoq_in_ratio = 0.1, .twoq_out_ratio = 0.5}},
		{STRATA_POLICY_2Q, "2Q, Kin 0.25, Kout 0.5", d},
		{STRATA_POLICY_2Q, "2Q, Kin 0.25, Kout 2", {.twoq_in_ratio = 0.25, .twoq_out_ratio = 2}},
		{STRATA_POLICY_2Q, "2Q, Kin 0.5, Kout 0.5", {.twoq_in_ratio = 0.5, .twoq_out_ratio = 0.5}},
		{STRATA_POLICY_LRU_K, "LRU-1", {.lru_k = 1, .lru_k_history_ratio = 1}},
		{STRATA_POLICY_LRU_K, "LRU-2", d},
		{STRATA_POLICY_LRU_K, "LRU-2, history 3", {.lru_k = 2, .lru_k_history_ratio = 3}},
		{STRATA_POLICY_LRU_K,
		 "LRU-2, correlated period 30",
		 {.lru_k = 2, .lru_k_correlated = 30, .lru_k_history_ratio = 1}},
		{STRATA_POLICY_LRU_K, "LRU-3", {.lru_k = 3, .lru_k_history_ratio = 1}},
		{STRATA_POLICY_LRU_K, "LRU-4", {.lru_k = 4, .lru_k_history_ratio = 1}},
		{STRATA_POLICY_LIRS, "LIRS, HIR 0.01, history 2", d},
		{STRATA_POLICY_LIRS, "LIRS, HIR 0.05, history 2", {.lirs_hir_ratio = 0.05, .lirs_history_ratio = 2}},
		{STRATA_POLICY_LIRS, "LIRS, HIR 0.1, history 2", {.lirs_hir_ratio = 0.1, .lirs_history_ratio = 2}},
		{STRATA_POLICY_LIRS, "LIRS, HIR 0.3, history 2", {.lirs_hir_ratio = 0.3, .lirs_history_ratio = 2}},
		{STRATA_POLICY_LIRS,
		 "LIRS, HIR 0.05, history 0.5",
		 {.lirs_hir_ratio = 0.05, .lirs_history_ratio = 0.5}},
		{STRATA_POLICY_LIRS, "LIRS, HIR 0.05, history 1", {.lirs_hir_ratio = 0.05, .lirs_history_ratio = 1}},
	};
	int64_t *trace[TRACES];
	void *memory = malloc(strata_policy_simulation_bytes(ACCESSES));

	for (int t = 0; t < TRACES; t++)
		trace[t] = malloc(ACCESSES * sizeof(int64_t));
	trace_zipf(trace[0], ACCESSES, 10000, 0.8, 0, 1);
	trace_loop(trace[1], ACCESSES, 1500, 0);
	trace_hot_loop(trace[2], ACCESSES, 600, 1500, 3);
	trace_correlated(trace[3], ACCESSES, 10000, 0.8, 5);
	trace_phases(trace[4], ACCESSES, 5000, 1500, 6);
	printf("\n| parameters, 1,000 frames | Zipf 0.8 | loop | loop beside hot set | correlated | phases |\n");
	printf("|---|---:|---:|---:|---:|---:|\n");
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++)
	{
		printf("| %s |", rows[r].name);
		for (int t = 0; t < TRACES; t++)
		{
			StrataSimulation sum;

			strata_policy_simulate(rows[r].kind, &rows[r].params, 1000, trace[t], ACCESSES, memory, NULL,
								   NULL, &sum);
			printf(" %.3f |", (double)sum.hits / (double)sum.accesses);
		}
		printf("\n");
	}
	for (int t = 0; t < TRACES; t++)
		free(trace[t]);
	free(memory);
}

/* ---- prefetch ---- */

/*
 * A table of `pages` is scanned again and again, and `window` pages ahead of the scan are loaded.  A page
 * loaded ahead is a miss, its first use is not reported (policy.h).  Returns the reads a page used; *waits
 * gets the share of uses that found nothing: with a window, pages that were loaded ahead and evicted before
 * their use.
 */
static double
prefetching_scan(StrataPolicyKind kind, const StrataPolicyParams *params, uint64_t capacity, uint32_t pages,
				 uint32_t window, double *waits)
{
	static uint8_t resident[PAGES + 1], ahead[PAGES + 1];
	const StrataPolicyOps *ops = strata_policy_ops(kind);
	StrataPolicyNodes nodes = {bench_node, NULL};
	StrataPolicy p;
	uint64_t uses = 20 * (uint64_t)pages, reads = 0, waited = 0;

	memset(bench_nodes, 0, sizeof(bench_nodes));
	memset(resident, 0, sizeof(resident));
	memset(ahead, 0, sizeof(ahead));
	strata_policy_start(&p, kind, capacity, params);
	for (uint64_t use = 0; use < uses; use++)
		for (uint32_t i = 0; i <= window; i++)
		{
			/* The page in use first, then those ahead of it. */
			uint32_t page = 1 + (uint32_t)((use + i) % pages);

			if (resident[page])
			{
				if (i > 0)
					continue;
				if (!ahead[page])
					ops->hit(&p, &nodes, page);
				ahead[page] = 0;
				continue;
			}
			ops->miss(&p, &nodes, page, 1);
			if (p.resident == p.capacity)
				resident[ops->victim(&p, &nodes, page, bench_may, NULL)] = 0;
			ops->admit(&p, &nodes, page, 1);
			resident[page] = 1;
			ahead[page] = i > 0;
			reads++;
			waited += i == 0;
		}
	*waits = (double)waited / (double)uses;
	return (double)reads / (double)uses;
}

static void
prefetching(void)
{
	static const uint32_t window[] = {0, 4, 16, 64};
	StrataPolicyParams params[] = {strata_policy_defaults, strata_policy_defaults, strata_policy_defaults};

	params[1].lirs_hir_ratio = 0.05;
	params[2].lirs_hir_ratio = 0.1;
	printf("\n| scans of 400 pages, 300 frames: reads (waits) a use | none ahead | 4 | 16 | 64 |\n");
	printf("|---|---:|---:|---:|---:|\n");
	for (int kind = 0; kind < STRATA_POLICY_COUNT; kind++)
		for (int v = 0; v < (kind == STRATA_POLICY_LIRS ? 3 : 1); v++)
		{
			printf("| %s", strata_policy_ops((StrataPolicyKind)kind)->name);
			if (kind == STRATA_POLICY_LIRS)
				printf(", HIR %.2f", params[v].lirs_hir_ratio);
			printf(" |");
			for (int w = 0; w < 4; w++)
			{
				double waits,
					reads = prefetching_scan((StrataPolicyKind)kind, &params[v], 300, 400, window[w], &waits);

				printf(" %.2f (%.2f) |", reads, waits);
			}
			printf("\n");
		}
}

int
main(void)
{
	hits();
	ratios();
	parameters();
	prefetching();
	return 0;
}
