/*
 * policy.c - the table of policies, how one starts, and the simulation of one over a trace.
 */
#include "pool/policy.h"

#include <string.h>
#include <strings.h>

static const StrataPolicyOps *const policy_table[STRATA_POLICY_COUNT] = {
	[STRATA_POLICY_CLOCK] = &strata_policy_clock, [STRATA_POLICY_LRU] = &strata_policy_lru,
	[STRATA_POLICY_2Q] = &strata_policy_2q,		  [STRATA_POLICY_LRU_K] = &strata_policy_lru_k,
	[STRATA_POLICY_LIRS] = &strata_policy_lirs,	  [STRATA_POLICY_ARC] = &strata_policy_arc,
};

const StrataPolicyParams strata_policy_defaults = {
	.twoq_in_ratio = 0.25,
	.twoq_out_ratio = 0.5,
	.lru_k = 2,
	.lru_k_correlated = 0,
	.lru_k_history_ratio = 1.0,
	.lirs_hir_ratio = 0.01,
	.lirs_history_ratio = 2.0,
};

const StrataPolicyOps *
strata_policy_ops(StrataPolicyKind kind)
{
	return policy_table[kind];
}

const StrataPolicyOps *
strata_policy_find(const char *name)
{
	for (int kind = 0; kind < STRATA_POLICY_COUNT; kind++)
		if (strcasecmp(name, policy_table[kind]->name) == 0)
			return policy_table[kind];
	return NULL;
}

void
strata_policy_start(StrataPolicy *p, StrataPolicyKind kind, uint64_t capacity,
					const StrataPolicyParams *params)
{
	memset(p, 0, sizeof(*p));
	p->kind = kind;
	p->params = *params;
	p->capacity = capacity;
	policy_table[kind]->init(p);
}

/* ---- simulation ---- */

/*
 * The memory of a run: the policy's nodes, numbered in the order of first appearance, the trace's own number
 * of each page, whether it is resident, and a hash table (linear probing, at most half full) from the trace's
 * number to ours.
 */
typedef struct Simulation
{
	StrataPolicy policy;
	StrataPolicyNode *node; /* 1 .. pages */
	int64_t *name;
	uint32_t *table; /* 0: empty */
	uint8_t *resident;
	uint64_t mask; /* of the table */
	uint32_t pages;
} Simulation;

static uint64_t
simulation_table_size(uint64_t n)
{
	uint64_t size = 16;

	while (size < 2 * n)
		size *= 2;
	return size;
}

size_t
strata_policy_simulation_bytes(uint64_t n)
{
	return sizeof(Simulation) + (n + 1) * (sizeof(StrataPolicyNode) + sizeof(int64_t) + sizeof(uint8_t)) +
		   simulation_table_size(n) * sizeof(uint32_t);
}

static StrataPolicyNode *
simulation_node(void *arg, uint32_t page)
{
	return &((Simulation *)arg)->node[page];
}

static bool
simulation_may(void *arg, uint32_t page)
{
	return true;
}

/* Our number of a page of the trace. */
static uint32_t
simulation_page(Simulation *sim, int64_t name)
{
	/* Fibonacci hashing, and the high half folded in because the mask keeps the low bits. */
	uint64_t hash = (uint64_t)name * UINT64_C(0x9e3779b97f4a7c15);
	uint64_t slot = (hash ^ hash >> 32) & sim->mask;

	while (sim->table[slot] != 0)
	{
		if (sim->name[sim->table[slot]] == name)
			return sim->table[slot];
		slot = (slot + 1) & sim->mask;
	}
	sim->table[slot] = ++sim->pages;
	sim->name[sim->pages] = name;
	return sim->pages;
}

static void
simulation_lay_out(Simulation *sim, uint64_t n)
{
	char *at = (char *)(sim + 1);

	sim->node = (StrataPolicyNode *)at;
	at += (n + 1) * sizeof(StrataPolicyNode);
	sim->name = (int64_t *)at;
	at += (n + 1) * sizeof(int64_t);
	sim->table = (uint32_t *)at;
	at += simulation_table_size(n) * sizeof(uint32_t);
	sim->resident = (uint8_t *)at;
	sim->mask = simulation_table_size(n) - 1;
}

/* One access.  *victim is the page that left, or NONE; returns whether it was a hit. */
static bool
simulation_access(Simulation *sim, const StrataPolicyOps *ops, uint32_t page, uint32_t *victim)
{
	StrataPolicyNodes nodes = {simulation_node, sim};
	StrataPolicy *p = &sim->policy;

	*victim = STRATA_POLICY_NONE;
	if (sim->resident[page])
	{
		ops->hit(p, &nodes, page);
		return true;
	}
	ops->miss(p, &nodes, page, 1);
	if (p->resident >= p->capacity)
	{
		*victim = ops->victim(p, &nodes, page, simulation_may, NULL);
		sim->resident[*victim] = 0;
	}
	if (p->resident < p->capacity)
	{
		ops->admit(p, &nodes, page, 1);
		sim->resident[page] = 1;
	}
	return false;
}

void
strata_policy_simulate(StrataPolicyKind kind, const StrataPolicyParams *params, uint64_t frames,
					   const int64_t *trace, uint64_t n, void *memory, StrataSimulationStep step, void *arg,
					   StrataSimulation *out)
{
	const StrataPolicyOps *ops = strata_policy_ops(kind);
	Simulation *sim = memory;

	memset(memory, 0, strata_policy_simulation_bytes(n));
	memset(out, 0, sizeof(*out));
	simulation_lay_out(sim, n);
	strata_policy_start(&sim->policy, kind, frames, params);
	for (uint64_t i = 0; i < n; i++)
	{
		uint32_t victim;
		bool hit = simulation_access(sim, ops, simulation_page(sim, trace[i]), &victim);

		out->accesses++;
		if (step != NULL && !step(arg, i, hit, trace[i], sim->name[victim], victim != STRATA_POLICY_NONE))
			break;
	}
	out->hits = sim->policy.hits;
	out->misses = sim->policy.misses;
	out->evictions = sim->policy.evictions;
	out->ghost_hits = sim->policy.ghost_hits;
	out->nstats = ops->stats(&sim->policy, out->stats);
}
