/*
 * policy.h - how the pool picks a page to give up: the contract of the six eviction policies.
 *
 * Included by: pool/, unit tests, benchmarks (plain C11; no postgres.h).
 * Memory: nodes are given by the caller (StrataPolicy.node), shared or private; a policy allocates nothing.
 * Locking: none inside; the caller holds one exclusive lock around every call but strata_policy_node().
 * Not here: reading, writing, pinning or moving pages (pool.c); where the nodes lie.
 *
 * A policy knows pages by number (1 .. n; 0 is "none") and by weight in frames; in the papers every weight
 * is 1, and with weights of 1 each policy here does exactly what its paper says, access by access.  Sizes of
 * lists, targets and capacities are sums of weights.
 *
 * The life of a page in a policy, and the order of calls:
 *
 *     used while resident:     hit(page)
 *     used while not resident: miss(page); victim(incoming = page) as often as room is needed; admit(page)
 *     gone for good:           remove(page)      (resident, ghost or unknown)
 *
 * Between miss() and admit() of one page, other pages may be hit, missed, admitted or removed (processes load
 * pages side by side); miss(page) may also be followed by no admit() when loading failed: remove() or another
 * miss() ends that.  Hits come late, from buffers of the processes: hit() of a page that is not resident any
 * more is ignored and not counted.
 *
 * admit() without miss() is no reference: a page that victim() took stays after all, or it comes from another
 * policy.  As far as the policy still knows, the page keeps its standing.
 *
 * All nodes are zero when a policy starts.  To change the policy, K or the correlated period: zero
 * them, start anew, and admit the resident pages again, those to be kept longest last.  To change a ratio:
 * write p->params and call resize().  A page that is loaded ahead of its use (prefetch) is a miss like any
 * other; then its first use must not be reported as a hit, or every policy takes a scan for pages that are
 * used twice.
 */
#ifndef STRATA_POOL_POLICY_H
#define STRATA_POOL_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STRATA_POLICY_NONE	0u /* no page */
#define STRATA_LRU_K_MAX	4
#define STRATA_POLICY_STATS 12

typedef enum StrataPolicyKind
{
	STRATA_POLICY_CLOCK,
	STRATA_POLICY_LRU,
	STRATA_POLICY_2Q,
	STRATA_POLICY_LRU_K,
	STRATA_POLICY_LIRS,
	STRATA_POLICY_ARC,
	STRATA_POLICY_COUNT
} StrataPolicyKind;

typedef struct StrataPolicyLink
{
	uint32_t prev, next;
} StrataPolicyLink;

/* A policy's record of one page: links of up to two lists or a heap, and what the papers keep a page. */
typedef struct StrataPolicyNode
{
	StrataPolicyLink link[2]; /* main list; second list (LIRS: stack S and queue Q; LRU-K: heap) */
	uint32_t weight;		  /* frames; >= 1 while the policy knows the page */
	uint8_t list;			  /* private to the policy: which list, resident or ghost; 0: unknown page */
	uint8_t flags;			  /* private to the policy (reference bit, LIR/HIR, ...) */
	uint16_t refs;			  /* private (LRU-K: valid entries of hist) */
	uint64_t hist[STRATA_LRU_K_MAX]; /* private (LRU-K: times of reference; others: what they like) */
	uint64_t last;					 /* private */
} StrataPolicyNode;

_Static_assert(sizeof(StrataPolicyNode) == 64, "one cache line a page");

/* Settings of all policies; each reads its own.  Ratios are shares of the capacity. */
typedef struct StrataPolicyParams
{
	double twoq_in_ratio;		/* 2Q: Kin, 0.25 */
	double twoq_out_ratio;		/* 2Q: Kout, 0.5 */
	int lru_k;					/* LRU-K: K, 1 .. STRATA_LRU_K_MAX, 2 */
	uint64_t lru_k_correlated;	/* LRU-K: correlated reference period, in references, 0 */
	double lru_k_history_ratio; /* LRU-K: history of pages not resident, 1.0 */
	double lirs_hir_ratio;		/* LIRS: share for resident HIR pages, 0.01 (at least one frame) */
	double lirs_history_ratio;	/* LIRS: non-resident HIR pages kept in S, 2.0 */
} StrataPolicyParams;

extern const StrataPolicyParams strata_policy_defaults;

/* Where the node of a page is. */
typedef StrataPolicyNode *(*StrataPolicyNodeFn)(void *arg, uint32_t page);

typedef struct StrataPolicyStat
{
	const char *name; /* static; unit in the name where there is one */
	double value;
} StrataPolicyStat;

/* All state but the nodes; lies where the caller wants it (shared memory), so no pointers of its own. */
typedef struct StrataPolicy
{
	StrataPolicyKind kind;
	StrataPolicyParams params;
	uint64_t capacity; /* frames */
	uint64_t resident; /* frames of resident pages */
	uint64_t hits, misses, evictions, ghost_hits;
	uint64_t examined; /* pages looked at by victim(): examined / evictions is the search length */
	uint64_t clock;	   /* references so far */
	uint64_t word[40]; /* the policy's own: list heads, sizes, targets, hands (each .c file lays a
						* struct over it and asserts that it fits) */
} StrataPolicy;

/* How the calls below reach nodes: passed at each call, since it differs between processes. */
typedef struct StrataPolicyNodes
{
	StrataPolicyNodeFn node;
	void *arg;
} StrataPolicyNodes;

/* May this resident page leave now?  Asked by victim(); no: pinned or in work, the next best is tried. */
typedef bool (*StrataPolicyMay)(void *arg, uint32_t page);

typedef struct StrataPolicyOps
{
	const char *name; /* as in strata.eviction_policy: CLOCK, LRU, 2Q, LRU-K, LIRS, ARC */
	const char *paper;

	/* Empties p->word; kind, params and capacity are set. */
	void (*init)(StrataPolicy *p);
	/* p->capacity has changed (strata.memory moved).  Evicts nothing; ghosts beyond the new size may go. */
	void (*resize)(StrataPolicy *p, const StrataPolicyNodes *nodes);
	void (*hit)(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page);
	/* A page that is not resident is wanted.  Adapts; makes it neither resident nor known. */
	void (*miss)(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page, uint32_t weight);
	/* Takes one resident page out, making it a ghost where the policy keeps ghosts.  incoming: the page that
	 * room is made for, or NONE (shrinking, pressure).  NONE when no page may leave. */
	uint32_t (*victim)(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t incoming,
					   StrataPolicyMay may, void *may_arg);
	/* The page is resident from now on. */
	void (*admit)(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page, uint32_t weight);
	/* The page does not exist any more. */
	void (*remove)(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page);
	/* Forgets up to n ghosts, oldest first (memory pressure, GC).  Returns how many. */
	uint64_t (*drop_ghosts)(StrataPolicy *p, const StrataPolicyNodes *nodes, uint64_t n);
	/* The policy's own statistics.  Returns how many were written. */
	int (*stats)(const StrataPolicy *p, StrataPolicyStat out[STRATA_POLICY_STATS]);
	/* What the policy calls the page's place now (such as "T1", "B2 ghost", "LIR"); NULL: unknown. */
	const char *(*state)(const StrataPolicy *p, const StrataPolicyNode *node);
	/* For tests: NULL, or a static text that says which invariant is broken. */
	const char *(*check)(const StrataPolicy *p, const StrataPolicyNodes *nodes);
} StrataPolicyOps;

extern const StrataPolicyOps strata_policy_clock, strata_policy_lru, strata_policy_2q, strata_policy_lru_k,
	strata_policy_lirs, strata_policy_arc;

/* By kind; by name (case ignored), NULL when there is none. */
extern const StrataPolicyOps *strata_policy_ops(StrataPolicyKind kind);
extern const StrataPolicyOps *strata_policy_find(const char *name);
/* Sets everything and calls init. */
extern void strata_policy_start(StrataPolicy *p, StrataPolicyKind kind, uint64_t capacity,
								const StrataPolicyParams *params);

/* ---- simulation: the same ops over a trace, in private memory ---- */

typedef struct StrataSimulation
{
	uint64_t accesses, hits, misses, evictions, ghost_hits;
	int nstats;
	StrataPolicyStat stats[STRATA_POLICY_STATS];
} StrataSimulation;

/* Called for each access in turn: was it a hit, and which page left (STRATA_POLICY_NONE: none).  May be NULL.
 * Returning false stops the run (query cancel). */
typedef bool (*StrataSimulationStep)(void *arg, uint64_t access, bool hit, int64_t page, int64_t victim,
									 bool has_victim);

/* Bytes that a simulation of n accesses needs, and the run itself in that memory (8-aligned).  Pages of the
 * trace are any 64-bit numbers, all of weight 1. */
extern size_t strata_policy_simulation_bytes(uint64_t n);
extern void strata_policy_simulate(StrataPolicyKind kind, const StrataPolicyParams *params, uint64_t frames,
								   const int64_t *trace, uint64_t n, void *memory, StrataSimulationStep step,
								   void *arg, StrataSimulation *out);

#endif
