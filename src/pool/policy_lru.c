/*
 * policy_lru.c - LRU: the page that was used longest ago goes.
 *
 * One list, most recently used first.  No ghosts.  This is the policy that the others are measured against.
 */
#include "pool/policy_list.h"

#define LRU_RESIDENT 1

typedef struct LruState
{
	PolicyList list;
} LruState;

_Static_assert(sizeof(LruState) <= sizeof(((StrataPolicy *)0)->word), "the state fits");

static inline LruState *
lru_state(const StrataPolicy *p)
{
	return (LruState *)p->word;
}

static void
lru_init(StrataPolicy *p)
{
	memset(p->word, 0, sizeof(p->word));
}

static void
lru_resize(StrataPolicy *p, const StrataPolicyNodes *nodes)
{
}

static void
lru_hit(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page)
{
	StrataPolicyNode *node = policy_node(nodes, page);

	if (node->list != LRU_RESIDENT)
		return;
	p->clock++;
	p->hits++;
	policy_list_refresh(nodes, &lru_state(p)->list, 0, page, node);
}

static void
lru_miss(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page, uint32_t weight)
{
	p->clock++;
	p->misses++;
}

static void
lru_take(StrataPolicy *p, const StrataPolicyNodes *nodes, StrataPolicyNode *node)
{
	policy_list_take(nodes, &lru_state(p)->list, 0, node);
	p->resident -= node->weight;
	policy_forget(node);
}

static uint32_t
lru_victim(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t incoming, StrataPolicyMay may,
		   void *may_arg)
{
	uint32_t page = policy_list_leaver(p, nodes, &lru_state(p)->list, 0, may, may_arg);

	if (page == STRATA_POLICY_NONE)
		return STRATA_POLICY_NONE;
	p->evictions++;
	lru_take(p, nodes, policy_node(nodes, page));
	return page;
}

static void
lru_admit(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page, uint32_t weight)
{
	StrataPolicyNode *node = policy_node(nodes, page);

	if (node->list == LRU_RESIDENT)
		return;
	node->weight = weight;
	p->resident += weight;
	node->list = LRU_RESIDENT;
	policy_list_push_first(nodes, &lru_state(p)->list, 0, page, node);
}

static void
lru_remove(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page)
{
	StrataPolicyNode *node = policy_node(nodes, page);

	if (node->list == LRU_RESIDENT)
		lru_take(p, nodes, node);
}

static uint64_t
lru_drop_ghosts(StrataPolicy *p, const StrataPolicyNodes *nodes, uint64_t n)
{
	return 0;
}

static int
lru_stats(const StrataPolicy *p, StrataPolicyStat out[STRATA_POLICY_STATS])
{
	const LruState *s = lru_state(p);

	out[0] = (StrataPolicyStat){"pages", (double)s->list.count};
	out[1] = (StrataPolicyStat){"frames", (double)s->list.weight};
	return 2;
}

static const char *
lru_place(const StrataPolicy *p, const StrataPolicyNode *node)
{
	return node->list == LRU_RESIDENT ? "LRU" : NULL;
}

static const char *
lru_check(const StrataPolicy *p, const StrataPolicyNodes *nodes)
{
	const LruState *s = lru_state(p);
	const char *wrong = policy_list_check(nodes, &s->list, 0, LRU_RESIDENT);

	if (wrong == NULL && s->list.weight != p->resident)
		wrong = "the list and the resident weight differ";
	return wrong;
}

const StrataPolicyOps strata_policy_lru = {
	.name = "LRU",
	.paper = "least recently used; Belady, A study of replacement algorithms for a virtual-storage computer, "
			 "IBM Systems Journal 1966",
	.init = lru_init,
	.resize = lru_resize,
	.hit = lru_hit,
	.miss = lru_miss,
	.victim = lru_victim,
	.admit = lru_admit,
	.remove = lru_remove,
	.drop_ghosts = lru_drop_ghosts,
	.stats = lru_stats,
	.state = lru_place,
	.check = lru_check,
};
