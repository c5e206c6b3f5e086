/*
 * policy_test.c - the six eviction policies: invariants under everything that the pool may do to them, and
 * the results that they are known for.  That they do what their papers say is policy_model_test.c.
 */
#include <unistd.h>

#include "policy_traces.h"
#include "pool/policy.h"
#include "tap.h"

#define PAGES 400

/* ---- one policy over PAGES pages, with an account of our own ---- */

typedef struct Bench
{
	const StrataPolicyOps *ops;
	StrataPolicy p;
	StrataPolicyNode node[PAGES + 1];
	uint32_t resident[PAGES + 1]; /* weight; 0: not resident */
	uint64_t weight, asked;
	uint64_t pinned_share; /* per cent of answers that are no; pins below are on top */
	bool pinned[PAGES + 1];
	uint64_t seed;
} Bench;

static Bench b;
static StrataPolicyNodes nodes;

static StrataPolicyNode *
bench_node(void *arg, uint32_t page)
{
	return &((Bench *)arg)->node[page];
}

static uint32_t
rnd(uint32_t below)
{
	return (uint32_t)(trace_random(&b.seed) % below);
}

static bool
bench_may(void *arg, uint32_t page)
{
	b.asked++;
	return !b.pinned[page] && rnd(100) >= b.pinned_share;
}

static void
bench_start(StrataPolicyKind kind, uint64_t capacity, const StrataPolicyParams *params, uint64_t seed)
{
	memset(&b, 0, sizeof(b));
	nodes = (StrataPolicyNodes){bench_node, &b};
	b.ops = strata_policy_ops(kind);
	b.seed = seed;
	strata_policy_start(&b.p, kind, capacity, params);
}

/* One victim, taken off our account; NONE too when it was none of ours, which *wrong then says. */
static uint32_t
bench_evict(uint32_t incoming, const char **wrong)
{
	uint32_t page = b.ops->victim(&b.p, &nodes, incoming, bench_may, NULL);

	if (page == STRATA_POLICY_NONE)
		return page;
	if (b.resident[page] == 0)
		*wrong = "the victim was not resident";
	if (b.pinned[page])
		*wrong = "the victim was pinned";
	b.weight -= b.resident[page];
	b.resident[page] = 0;
	return page;
}

static void
bench_admit(uint32_t page, uint32_t weight)
{
	b.ops->admit(&b.p, &nodes, page, weight);
	b.resident[page] = weight;
	b.weight += weight;
}

/* An access as the pool makes it.  Returns whether it was a hit. */
static bool
bench_use(uint32_t page, uint32_t weight, const char **wrong)
{
	if (b.resident[page] != 0)
	{
		b.ops->hit(&b.p, &nodes, page);
		return true;
	}
	b.ops->miss(&b.p, &nodes, page, weight);
	while (b.p.resident + weight > b.p.capacity && bench_evict(page, wrong) != STRATA_POLICY_NONE)
		;
	if (b.p.resident + weight <= b.p.capacity)
		bench_admit(page, weight);
	return false;
}

/* ---- invariants ---- */

static StrataPolicyParams
random_params(void)
{
	return (StrataPolicyParams){.twoq_in_ratio = rnd(11) / 10.0,
								.twoq_out_ratio = rnd(16) / 10.0,
								.lru_k = 1 + (int)rnd(STRATA_LRU_K_MAX),
								.lru_k_correlated = rnd(3) * 4,
								.lru_k_history_ratio = rnd(5) / 2.0,
								.lirs_hir_ratio = rnd(11) / 10.0,
								.lirs_history_ratio = rnd(5) / 2.0};
}

#define IN_FLIGHT 8

/* Pages that were missed and are still being loaded; 0: free. */
static uint32_t flying[IN_FLIGHT];

static bool
is_flying(uint32_t page)
{
	for (int i = 0; i < IN_FLIGHT; i++)
		if (flying[i] == page)
			return true;
	return false;
}

/* Starts a load, or ends one: well (admit), or not. */
static void
fly(uint32_t page, uint32_t max_weight, const char **wrong)
{
	int i = (int)rnd(IN_FLIGHT);
	uint32_t weight = 1 + rnd(max_weight);

	if (flying[i] != 0)
	{
		while (b.p.resident + weight > b.p.capacity && bench_evict(flying[i], wrong) != STRATA_POLICY_NONE)
			;
		if (rnd(4) != 0)
			bench_admit(flying[i], weight);
		else if (rnd(2) != 0)
			b.ops->remove(&b.p, &nodes, flying[i]);
		flying[i] = 0;
	}
	else if (b.resident[page] == 0 && !is_flying(page))
	{
		b.ops->miss(&b.p, &nodes, page, weight);
		flying[i] = page;
	}
}

/* One random thing that may happen.  Returns what is wrong afterwards, or NULL. */
static const char *
random_step(uint32_t universe, uint32_t max_weight)
{
	const char *wrong = NULL;
	uint32_t page = 1 + rnd(universe), what = rnd(100);

	if (what < 60)
	{
		if (!is_flying(page))
			bench_use(page, 1 + rnd(max_weight), &wrong);
	}
	else if (what < 80)
		fly(page, max_weight, &wrong);
	else if (what < 85)
		b.ops->hit(&b.p, &nodes, page); /* late, perhaps: resident or not */
	else if (what < 92)
	{
		b.ops->remove(&b.p, &nodes, page);
		b.weight -= b.resident[page];
		b.resident[page] = 0;
	}
	else if (what < 94)
	{
		b.p.capacity = rnd(universe * max_weight);
		b.ops->resize(&b.p, &nodes);
	}
	else if (what < 95)
		b.ops->drop_ghosts(&b.p, &nodes, rnd(10));
	else if (what < 96)
		b.pinned_share = rnd(3) * 50;
	else if (what < 98)
		b.pinned[page] = !b.pinned[page];
	else if (what < 99)
		bench_evict(STRATA_POLICY_NONE, &wrong);
	else
	{
		uint32_t weight[PAGES + 1];

		/* Taken, but it stays after all. */
		memcpy(weight, b.resident, sizeof(weight));
		if ((page = bench_evict(STRATA_POLICY_NONE, &wrong)) != STRATA_POLICY_NONE)
			bench_admit(page, weight[page]);
	}
	if (wrong == NULL && b.weight != b.p.resident)
		wrong = "the resident weight is not the sum of the resident pages";
	return wrong != NULL ? wrong : b.ops->check(&b.p, &nodes);
}

static void
test_invariants(StrataPolicyKind kind)
{
	const char *wrong = NULL;
	uint64_t rounds = 0, steps = 0;

	for (; rounds < 60 && wrong == NULL; rounds++)
	{
		uint32_t universe = rounds % 3 == 0 ? 8 : rounds % 3 == 1 ? 60 : 200, max_weight = rounds % 2 ? 9 : 1;
		StrataPolicyParams params;

		b.seed = 1 + rounds * 7919 + (uint64_t)kind;
		params = random_params();
		memset(flying, 0, sizeof(flying));
		bench_start(kind, 1 + rnd(universe), &params, b.seed);
		for (int i = 0; i < 1500 && wrong == NULL; i++, steps++)
			wrong = random_step(universe, max_weight);
	}
	if (!ok(wrong == NULL, "%s: invariants and weights hold after every one of %" PRIu64 " steps",
			b.ops->name, steps))
		note("round %" PRIu64 ", step %" PRIu64 ": %s", rounds, steps, wrong);
}

/* All that the policy knew is gone after remove() of every page. */
static void
test_remove_all(StrataPolicyKind kind)
{
	static const StrataPolicyNode unknown;
	const char *wrong = NULL;
	bool clean = true;

	bench_start(kind, 50, &strata_policy_defaults, 5);
	for (int i = 0; i < 3000; i++)
		bench_use(1 + rnd(120), 1 + rnd(3), &wrong);
	for (uint32_t page = 1; page <= 120; page++)
	{
		b.ops->remove(&b.p, &nodes, page);
		clean &= memcmp(&b.node[page], &unknown, sizeof(unknown)) == 0;
	}
	ok(clean && b.p.resident == 0 && wrong == NULL && b.ops->check(&b.p, &nodes) == NULL,
	   "%s: knows nothing of removed pages", b.ops->name);
	is_int(b.ops->drop_ghosts(&b.p, &nodes, UINT64_MAX), 0, "%s: ... and has no ghosts of them", b.ops->name);
}

/* ---- pinned pages ---- */

static void
fill_at_random(StrataPolicyKind kind, const char **wrong)
{
	bench_start(kind, 40, &strata_policy_defaults, 11);
	for (int i = 0; i < 2000; i++)
		bench_use(1 + rnd(70), 1, wrong);
}

/* The order in which pages leave when one may not: the order without it; once it may, it is the next. */
static void
test_pinned_order(StrataPolicyKind kind)
{
	const char *wrong = NULL;
	uint32_t order[40];
	int same = 0;

	fill_at_random(kind, &wrong);
	for (int i = 0; i < 40; i++)
		order[i] = bench_evict(STRATA_POLICY_NONE, &wrong);
	is_int(bench_evict(STRATA_POLICY_NONE, &wrong), STRATA_POLICY_NONE, "%s: nothing leaves an empty pool",
		   b.ops->name);
	fill_at_random(kind, &wrong);
	b.pinned[order[3]] = true;
	for (int i = 0; i < 30; i++)
		same += bench_evict(STRATA_POLICY_NONE, &wrong) == order[i < 3 ? i : i + 1];
	is_int(same, 30, "%s: a pinned page is passed over and the others keep their order", b.ops->name);
	b.pinned[order[3]] = false;
	if (kind == STRATA_POLICY_CLOCK)
	{
		/* The hand has gone past it, and comes back after a round. */
		bool left = false;

		same = 0;
		for (int i = 31, n = 0; n < 10; n++)
		{
			uint32_t page = bench_evict(STRATA_POLICY_NONE, &wrong);

			if (page == order[3])
				left = true;
			else
				same += page == order[i++];
		}
		ok(left && same == 9, "CLOCK: it leaves when the hand comes round, once it may");
	}
	else
		is_int(bench_evict(STRATA_POLICY_NONE, &wrong), order[3], "%s: and leaves first once it may",
			   b.ops->name);
	ok(wrong == NULL && b.ops->check(&b.p, &nodes) == NULL, "%s: all is well afterwards", b.ops->name);
}

static void
test_all_pinned(StrataPolicyKind kind)
{
	const char *wrong = NULL;
	uint32_t first;

	fill_at_random(kind, &wrong);
	first = bench_evict(STRATA_POLICY_NONE, &wrong);
	fill_at_random(kind, &wrong);
	memset(b.pinned, true, sizeof(b.pinned));
	b.asked = 0;
	is_int(bench_evict(STRATA_POLICY_NONE, &wrong), STRATA_POLICY_NONE, "%s: gives up when all are pinned",
		   b.ops->name);
	is_int(b.asked, 40, "%s: having asked for each page once", b.ops->name);
	memset(b.pinned, false, sizeof(b.pinned));
	is_int(bench_evict(STRATA_POLICY_NONE, &wrong), first, "%s: the same page as before leaves afterwards",
		   b.ops->name);
}

/* Among pinned pages, all just used, the only one that is not is found. */
static void
test_one_unpinned(StrataPolicyKind kind)
{
	const char *wrong = NULL;

	fill_at_random(kind, &wrong);
	memset(b.pinned, true, sizeof(b.pinned));
	for (uint32_t page = 1; page <= PAGES; page++)
		if (b.resident[page] != 0)
			bench_use(page, 1, &wrong);
	for (uint32_t page = 1; page <= PAGES; page++)
		if (b.resident[page] != 0)
		{
			b.pinned[page] = false;
			is_int(bench_evict(STRATA_POLICY_NONE, &wrong), page, "%s: finds the only page that may leave",
				   b.ops->name);
			return;
		}
}

/* ---- pages that stay, and pages that come from another policy ---- */

/* A page that victim() took and that stays is no reference, and makes nothing better of the page. */
static void
test_stays(StrataPolicyKind kind)
{
	const char *wrong = NULL, *place;
	StrataPolicy before;
	uint32_t first;
	StrataPolicyNode node;

	fill_at_random(kind, &wrong);
	first = bench_evict(STRATA_POLICY_NONE, &wrong);
	fill_at_random(kind, &wrong);
	before = b.p;
	node = b.node[first];
	place = b.ops->state(&b.p, &node);
	bench_evict(STRATA_POLICY_NONE, &wrong);
	bench_admit(first, 1);
	ok(before.clock == b.p.clock && before.misses == b.p.misses && before.hits == b.p.hits &&
		   before.ghost_hits == b.p.ghost_hits &&
		   memcmp(node.hist, b.node[first].hist, sizeof(node.hist)) == 0,
	   "%s: that a victim stays is no reference", b.ops->name);
	if (kind != STRATA_POLICY_CLOCK)
		is_str(b.ops->state(&b.p, &b.node[first]),
			   kind == STRATA_POLICY_2Q		? "A1in"
			   : kind == STRATA_POLICY_LIRS ? "HIR in S"
											: place,
			   "%s: a victim that stays is what it was, as far as that is known", b.ops->name);
}

/* A change of policy keeps the order in which pages leave. */
static void
test_moves(StrataPolicyKind kind)
{
	const char *wrong = NULL;
	int same = 0;

	bench_start(kind, 40, &strata_policy_defaults, 1);
	for (uint32_t page = 1; page <= 40; page++)
		bench_admit(page, 1);
	for (uint32_t page = 1; page <= 40; page++)
		same += bench_evict(STRATA_POLICY_NONE, &wrong) == page;
	is_int(same, 40, "%s: pages from another policy leave in the order in which they came", b.ops->name);
}

/* ---- lateness and loss ---- */

static void
test_late_hits(StrataPolicyKind kind)
{
	const char *wrong = NULL;
	StrataPolicy before;

	bench_start(kind, 10, &strata_policy_defaults, 3);
	for (uint32_t page = 1; page <= 20; page++)
		bench_use(page, 1, &wrong);
	before = b.p;
	for (uint32_t page = 1; page <= PAGES; page++)
		if (b.resident[page] == 0)
			b.ops->hit(&b.p, &nodes, page);
	ok(memcmp(&before, &b.p, sizeof(before)) == 0, "%s: hits of pages that are gone change nothing",
	   b.ops->name);
}

static void
test_drop_ghosts(StrataPolicyKind kind)
{
	bool keeps = kind != STRATA_POLICY_CLOCK && kind != STRATA_POLICY_LRU;
	const char *wrong = NULL;
	uint64_t some, rest, hits;

	bench_start(kind, 40, &strata_policy_defaults, 9);
	for (int i = 0; i < 4000; i++)
		bench_use(1 + rnd(100), 1, &wrong);
	hits = b.p.ghost_hits;
	ok((hits > 0) == keeps, "%s: %" PRIu64 " ghost hits", b.ops->name, hits);
	some = b.ops->drop_ghosts(&b.p, &nodes, 3);
	rest = b.ops->drop_ghosts(&b.p, &nodes, UINT64_MAX);
	ok(some == (keeps ? 3 : 0) && (rest > 0) == keeps, "%s: drops three ghosts, then the other %" PRIu64,
	   b.ops->name, rest);
	for (uint32_t page = 1; page <= 100; page++)
		if (b.resident[page] == 0)
			b.ops->miss(&b.p, &nodes, page, 1);
	is_int(b.p.ghost_hits, hits, "%s: and remembers none of them", b.ops->name);
}

/* Figures are named, and each place has a name as long as the page is known. */
static void
test_stats(StrataPolicyKind kind)
{
	StrataPolicyStat stats[STRATA_POLICY_STATS];
	const char *wrong = NULL;
	bool named = true, placed = true;
	int n;

	fill_at_random(kind, &wrong);
	n = b.ops->stats(&b.p, stats);
	for (int i = 0; i < n; i++)
		named &= stats[i].name != NULL && stats[i].value >= 0;
	for (uint32_t page = 1; page <= PAGES; page++)
		placed &= (b.ops->state(&b.p, &b.node[page]) != NULL) == (b.node[page].list != 0);
	ok(n > 0 && n <= STRATA_POLICY_STATS && named, "%s: has %d statistics", b.ops->name, n);
	ok(placed, "%s: names the place of every page that it knows", b.ops->name);
}

/* ---- the results they are known for ---- */

#define N	   40000
#define FRAMES 1000

static int64_t trace[N];
static void *memory;

/* Hits among the accesses from..to to pages below `below`. */
typedef struct Window
{
	uint64_t from, to, seen, hits;
	int64_t below;
} Window;

static bool
count_window(void *arg, uint64_t access, bool hit, int64_t page, int64_t victim, bool has_victim)
{
	Window *w = arg;

	if (access < w->from || access >= w->to || page >= w->below)
		return true;
	w->seen++;
	w->hits += hit;
	return true;
}

static double
window_ratio(StrataPolicyKind kind, uint64_t from, uint64_t to, int64_t below)
{
	Window w = {.from = from, .to = to, .below = below};
	StrataSimulation sum;

	strata_policy_simulate(kind, &strata_policy_defaults, FRAMES, trace, N, memory, count_window, &w, &sum);
	return (double)w.hits / (double)w.seen;
}

static double
ratio(StrataPolicyKind kind)
{
	return window_ratio(kind, 0, N, INT64_MAX);
}

static void
test_loops(void)
{
	double best = (double)(FRAMES - 10) / 1500;

	trace_loop(trace, N, 1500, 0);
	ok(ratio(STRATA_POLICY_LRU) == 0 && ratio(STRATA_POLICY_CLOCK) == 0,
	   "a loop larger than the cache: LRU and CLOCK never hit");
	/* The first round cannot hit, and one more brings the LIR pages to rest. */
	ok(window_ratio(STRATA_POLICY_LIRS, 3000, N, INT64_MAX) >= best - 0.01,
	   "a loop larger than the cache: LIRS hits as often as is possible with its share of LIR pages: %.3f of "
	   "%.3f",
	   window_ratio(STRATA_POLICY_LIRS, 3000, N, INT64_MAX), best);
	ok(ratio(STRATA_POLICY_2Q) > 0.4, "a loop larger than the cache: 2Q hits %.3f", ratio(STRATA_POLICY_2Q));
	trace_hot_loop(trace, N, 600, 1500, 3);
	for (int kind = STRATA_POLICY_2Q; kind <= STRATA_POLICY_ARC; kind++)
		ok(ratio((StrataPolicyKind)kind) > ratio(STRATA_POLICY_LRU) + 0.1,
		   "a loop beside a hot set: %s hits %.3f, LRU %.3f", strata_policy_ops((StrataPolicyKind)kind)->name,
		   ratio((StrataPolicyKind)kind), ratio(STRATA_POLICY_LRU));
}

/* Of the uses of the hot set during and after scans, how many hit: nearly all where the policy resists. */
static void
test_scans(void)
{
	for (int kind = STRATA_POLICY_2Q; kind <= STRATA_POLICY_ARC; kind++)
	{
		const char *name = strata_policy_ops((StrataPolicyKind)kind)->name;
		double hot, lru;

		trace_scans(trace, N, 600, 3000, 3000, 4);
		hot = window_ratio((StrataPolicyKind)kind, 12000, N, 600);
		lru = window_ratio(STRATA_POLICY_LRU, 12000, N, 600);
		ok(hot >= 0.98 && lru < 0.9, "scans past a hot set of 600: %s keeps %.3f of its hits, LRU %.3f", name,
		   hot, lru);
		trace_zipf(trace, N, 10000, 0.9, 0, 6);
		ok(ratio((StrataPolicyKind)kind) > ratio(STRATA_POLICY_LRU) + 0.02,
		   "Zipf 0.9: %s hits %.3f, LRU %.3f", name, ratio((StrataPolicyKind)kind), ratio(STRATA_POLICY_LRU));
	}
}

static void
test_correlated(void)
{
	StrataPolicyParams params = strata_policy_defaults;
	StrataSimulation with, without;

	trace_correlated(trace, N, 10000, 0.8, 5);
	strata_policy_simulate(STRATA_POLICY_LRU_K, &params, FRAMES, trace, N, memory, NULL, NULL, &without);
	params.lru_k_correlated = 30;
	strata_policy_simulate(STRATA_POLICY_LRU_K, &params, FRAMES, trace, N, memory, NULL, NULL, &with);
	ok(with.hits > without.hits + N / 50,
	   "correlated references: LRU-K hits %.3f with a correlated period, %.3f without", (double)with.hits / N,
	   (double)without.hits / N);
}

static double
arc_target(uint64_t n)
{
	StrataSimulation sum;

	strata_policy_simulate(STRATA_POLICY_ARC, &strata_policy_defaults, FRAMES, trace, n, memory, NULL, NULL,
						   &sum);
	return sum.stats[0].value;
}

/*
 * ARC adapts.  A hot set among scans; then a drift, where every page is used twice, 900 accesses apart, and
 * never again (good for recency alone); then a new hot set among scans.
 */
static void
test_adapts(void)
{
	uint64_t third = N / 3;
	double recent, frequent, arc, lru;

	trace_scans(trace, third, 900, 1000, 3000, 7);
	for (uint64_t a = third; a < 2 * third; a++)
	{
		uint64_t i = a - third;

		trace[a] = 2 * TRACE_AREA + (int64_t)(i / 1800 * 900 + i % 900);
	}
	trace_scans(trace + 2 * third, N - 2 * third, 900, 1000, 3000, 8);
	for (uint64_t a = 2 * third; a < N; a++)
		trace[a] += trace[a] < TRACE_AREA ? 3 * TRACE_AREA : 4 * TRACE_AREA;
	recent = arc_target(2 * third);
	frequent = arc_target(N);
	ok(recent > 0.7 * FRAMES, "ARC: pages used twice shortly move the target to recency: %.0f of %d frames",
	   recent, FRAMES);
	ok(frequent < 0.3 * FRAMES, "ARC: a hot set among scans moves it to frequency: %.0f", frequent);
	arc = window_ratio(STRATA_POLICY_ARC, third, 2 * third, INT64_MAX);
	lru = window_ratio(STRATA_POLICY_LRU, third, 2 * third, INT64_MAX);
	ok(arc >= lru - 0.1, "ARC: hits %.3f after the change to recency, LRU %.3f", arc, lru);
	arc = window_ratio(STRATA_POLICY_ARC, third + third / 2, 2 * third, INT64_MAX);
	lru = window_ratio(STRATA_POLICY_LRU, third + third / 2, 2 * third, INT64_MAX);
	ok(arc >= lru - 0.01, "ARC: hits %.3f once it has adapted, LRU %.3f", arc, lru);
	arc = window_ratio(STRATA_POLICY_ARC, 2 * third, N, INT64_MAX);
	lru = window_ratio(STRATA_POLICY_LRU, 2 * third, N, INT64_MAX);
	ok(arc > lru, "ARC: hits %.3f after the change to frequency, LRU %.3f", arc, lru);
}

/* ---- the simulation itself, and the table ---- */

static bool
stop_at_five(void *arg, uint64_t access, bool hit, int64_t page, int64_t victim, bool has_victim)
{
	return access < 5;
}

static void
test_simulation(void)
{
	static const int64_t odd[] = {INT64_MIN, 0, INT64_MAX, -1, INT64_MIN, 0, INT64_MAX, -1};
	StrataSimulation sum;

	for (int kind = 0; kind < STRATA_POLICY_COUNT; kind++)
	{
		const char *name = strata_policy_ops((StrataPolicyKind)kind)->name;

		strata_policy_simulate((StrataPolicyKind)kind, &strata_policy_defaults, 4, odd, 8, memory, NULL, NULL,
							   &sum);
		ok(sum.accesses == 8 && sum.hits == 4 && sum.misses == 4 && sum.evictions == 0,
		   "%s: any 64-bit number is a page; what fits is hit", name);
		strata_policy_simulate((StrataPolicyKind)kind, &strata_policy_defaults, 0, odd, 8, memory, NULL, NULL,
							   &sum);
		ok(sum.hits == 0 && sum.misses == 8 && sum.evictions == 0, "%s: nothing fits no frames", name);
		strata_policy_simulate((StrataPolicyKind)kind, &strata_policy_defaults, 2, odd, 8, memory,
							   stop_at_five, NULL, &sum);
		is_int(sum.accesses, 6, "%s: a run stops when it is told to", name);
	}
	strata_policy_simulate(STRATA_POLICY_LRU, &strata_policy_defaults, 2, odd, 0, memory, NULL, NULL, &sum);
	is_int(sum.accesses, 0, "an empty trace is no trouble");
}

static void
test_table(void)
{
	static const char *const names[] = {"CLOCK", "LRU", "2Q", "LRU-K", "LIRS", "ARC"};

	for (int kind = 0; kind < STRATA_POLICY_COUNT; kind++)
		ok(strata_policy_find(names[kind]) == strata_policy_ops((StrataPolicyKind)kind), "%s is in the table",
		   names[kind]);
	ok(strata_policy_find("lru-k") == &strata_policy_lru_k, "names are found in lower case");
	ok(strata_policy_find("FIFO") == NULL, "there is no policy FIFO");
}

int
main(void)
{
	/* A policy that goes round for ever fails, too. */
	alarm(300);
	memory = malloc(strata_policy_simulation_bytes(N));
	test_table();
	for (int kind = 0; kind < STRATA_POLICY_COUNT; kind++)
	{
		test_invariants((StrataPolicyKind)kind);
		test_remove_all((StrataPolicyKind)kind);
		test_pinned_order((StrataPolicyKind)kind);
		test_all_pinned((StrataPolicyKind)kind);
		test_one_unpinned((StrataPolicyKind)kind);
		test_stays((StrataPolicyKind)kind);
		test_moves((StrataPolicyKind)kind);
		test_late_hits((StrataPolicyKind)kind);
		test_drop_ghosts((StrataPolicyKind)kind);
		test_stats((StrataPolicyKind)kind);
	}
	test_simulation();
	test_loops();
	test_scans();
	test_correlated();
	test_adapts();
	free(memory);
	return tap_done();
}
