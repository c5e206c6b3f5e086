/*
 * policy_lirs.c - LIRS: S. Jiang, X. Zhang, LIRS: an efficient low inter-reference recency set replacement
 * policy to improve buffer cache performance, SIGMETRICS 2002.
 *
 * A page is judged by how many other pages were used between its last two uses (inter-reference recency,
 * IRR), not by how long ago the last one was.  Pages of low IRR (LIR) are always resident; the others (HIR)
 * pass through a small queue Q.  The stack S has the pages by recency: all LIR pages, and the HIR pages,
 * resident or not, that were used since the LIR page at its bottom.  A HIR page used again while still in S
 * has an IRR lower than the recency of that LIR page, so the two change places.
 *
 *     stack S  top    L H(resident) L H(gone) H(gone) L    bottom: always LIR ("pruning")
 *     queue Q  end    H H H                                front: the next victim
 *
 * The paper bounds S only in passing.  Here the HIR pages of S that are not resident weigh at most
 * lirs_history_ratio of the capacity; the one that was evicted first is dropped first.
 *
 * A miss takes its page out of S and leaves a flag for admit(), so that nothing that happens meanwhile
 * matters.
 *
 * While all resident pages fit among the LIR pages (at the start, as in the paper, and after pages were
 * removed or the cache grew), a page becomes LIR at once.  When every page of Q is pinned, the LIR page
 * lowest in S goes instead, and is forgotten; its place among the LIR pages is then filled by pages that are
 * used again, not by whatever is loaded next.
 *
 * Pages from another policy come in its order: each becomes LIR, and those that came first make room in Q.
 */
#include "pool/policy_list.h"

/* StrataPolicyNode.list. */
enum
{
	LIRS_UNKNOWN,
	LIRS_LIR,	/* in S */
	LIRS_HIR,	/* in Q, and in S when flagged so */
	LIRS_GHOST, /* HIR, not resident: in S and in the list of ghosts */
};

/* StrataPolicyNode.flags. */
#define LIRS_IN_STACK 1 /* of a resident HIR page */
#define LIRS_RETURNS  2 /* between miss() and admit(): the page was in S */
#define LIRS_WANTED	  4 /* between miss() and admit() */
#define LIRS_LEFT	  8 /* of a page not known: victim() has taken it */

/* Which links of the node. */
#define LIRS_S 0
#define LIRS_Q 1 /* of ghosts too: they are not in Q */

typedef struct LirsState
{
	PolicyList stack;  /* by LIRS_S; its weight and count are of all three kinds */
	PolicyList queue;  /* by LIRS_Q */
	PolicyList ghosts; /* by LIRS_Q, in the order of eviction */
	uint64_t lir_count, lir_weight;
} LirsState;

_Static_assert(sizeof(LirsState) <= sizeof(((StrataPolicy *)0)->word), "the state fits");

static inline LirsState *
lirs_state(const StrataPolicy *p)
{
	return (LirsState *)p->word;
}

/* Frames for LIR pages: all but the share of Q, which is at least one. */
static uint64_t
lirs_limit(const StrataPolicy *p)
{
	uint64_t hir = (uint64_t)(p->params.lirs_hir_ratio * (double)p->capacity);

	if (hir == 0)
		hir = 1;
	return p->capacity > hir ? p->capacity - hir : 0;
}

static uint64_t
lirs_history(const StrataPolicy *p)
{
	return (uint64_t)(p->params.lirs_history_ratio * (double)p->capacity);
}

static void
lirs_init(StrataPolicy *p)
{
	memset(p->word, 0, sizeof(p->word));
}

/* Takes a ghost out of S and of the list of ghosts. */
static void
lirs_take_ghost(LirsState *s, const StrataPolicyNodes *nodes, StrataPolicyNode *node)
{
	policy_list_take(nodes, &s->stack, LIRS_S, node);
	policy_list_take(nodes, &s->ghosts, LIRS_Q, node);
	policy_forget(node);
}

/* Stack pruning: HIR pages leave the bottom of S until a LIR page is there. */
static void
lirs_prune(LirsState *s, const StrataPolicyNodes *nodes)
{
	while (s->stack.count != 0)
	{
		StrataPolicyNode *node = policy_node(nodes, s->stack.last);

		if (node->list == LIRS_LIR)
			return;
		if (node->list == LIRS_GHOST)
			lirs_take_ghost(s, nodes, node);
		else
		{
			policy_list_take(nodes, &s->stack, LIRS_S, node);
			node->flags &= ~LIRS_IN_STACK;
		}
	}
}

/* Makes HIR pages of the lowest LIR pages, at the end of Q, until the LIR pages fit. */
static void
lirs_settle(StrataPolicy *p, const StrataPolicyNodes *nodes)
{
	LirsState *s = lirs_state(p);

	while (s->lir_weight > lirs_limit(p))
	{
		uint32_t page = s->stack.last;
		StrataPolicyNode *node = policy_node(nodes, page);

		policy_list_take(nodes, &s->stack, LIRS_S, node);
		s->lir_count--;
		s->lir_weight -= node->weight;
		node->list = LIRS_HIR;
		policy_list_push_first(nodes, &s->queue, LIRS_Q, page, node);
		lirs_prune(s, nodes);
	}
}

/* A page in neither S nor Q becomes the LIR page on top of S. */
static void
lirs_push_lir(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page, StrataPolicyNode *node)
{
	LirsState *s = lirs_state(p);

	node->list = LIRS_LIR;
	node->flags = 0;
	s->lir_count++;
	s->lir_weight += node->weight;
	policy_list_push_first(nodes, &s->stack, LIRS_S, page, node);
	lirs_settle(p, nodes);
}

/* A page in neither S nor Q becomes a HIR page on top of S and at the end of Q. */
static void
lirs_push_hir(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page, StrataPolicyNode *node)
{
	LirsState *s = lirs_state(p);

	node->list = LIRS_HIR;
	node->flags = LIRS_IN_STACK;
	policy_list_push_first(nodes, &s->queue, LIRS_Q, page, node);
	policy_list_push_first(nodes, &s->stack, LIRS_S, page, node);
	if (s->lir_count == 0)
		lirs_prune(s, nodes);
}

/* Takes a resident page out of S and Q. */
static void
lirs_take(LirsState *s, const StrataPolicyNodes *nodes, StrataPolicyNode *node)
{
	if (node->list == LIRS_LIR)
	{
		s->lir_count--;
		s->lir_weight -= node->weight;
		policy_list_take(nodes, &s->stack, LIRS_S, node);
	}
	else
	{
		policy_list_take(nodes, &s->queue, LIRS_Q, node);
		if (node->flags & LIRS_IN_STACK)
			policy_list_take(nodes, &s->stack, LIRS_S, node);
	}
}

static void
lirs_trim(StrataPolicy *p, const StrataPolicyNodes *nodes)
{
	LirsState *s = lirs_state(p);

	while (s->ghosts.weight > lirs_history(p))
		lirs_take_ghost(s, nodes, policy_node(nodes, s->ghosts.last));
}

static void
lirs_resize(StrataPolicy *p, const StrataPolicyNodes *nodes)
{
	lirs_settle(p, nodes);
	lirs_trim(p, nodes);
}

static void
lirs_hit(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page)
{
	LirsState *s = lirs_state(p);
	StrataPolicyNode *node = policy_node(nodes, page);

	if (node->list != LIRS_LIR && node->list != LIRS_HIR)
		return;
	p->clock++;
	p->hits++;
	if (node->list == LIRS_LIR)
	{
		bool bottom = s->stack.last == page;

		policy_list_refresh(nodes, &s->stack, LIRS_S, page, node);
		if (bottom)
			lirs_prune(s, nodes);
	}
	else if ((node->flags & LIRS_IN_STACK) || s->lir_weight + node->weight <= lirs_limit(p))
	{
		lirs_take(s, nodes, node);
		lirs_push_lir(p, nodes, page, node);
	}
	else
	{
		lirs_take(s, nodes, node);
		lirs_push_hir(p, nodes, page, node);
	}
}

static void
lirs_miss(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page, uint32_t weight)
{
	StrataPolicyNode *node = policy_node(nodes, page);

	p->clock++;
	p->misses++;
	if (node->list == LIRS_GHOST)
	{
		p->ghost_hits++;
		lirs_take_ghost(lirs_state(p), nodes, node);
		node->flags = LIRS_RETURNS;
	}
	node->flags = LIRS_WANTED | (node->flags & LIRS_RETURNS);
}

/* The LIR page lowest in S that may leave. */
static uint32_t
lirs_lowest(StrataPolicy *p, const StrataPolicyNodes *nodes, StrataPolicyMay may, void *may_arg)
{
	const StrataPolicyNode *node;

	for (uint32_t page = lirs_state(p)->stack.last; page != STRATA_POLICY_NONE;
		 page = node->link[LIRS_S].prev)
	{
		node = policy_node(nodes, page);
		if (node->list != LIRS_LIR)
			continue;
		p->examined++;
		if (may(may_arg, page))
			return page;
	}
	return STRATA_POLICY_NONE;
}

static uint32_t
lirs_victim(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t incoming, StrataPolicyMay may,
			void *may_arg)
{
	LirsState *s = lirs_state(p);
	uint32_t page = policy_list_leaver(p, nodes, &s->queue, LIRS_Q, may, may_arg);
	StrataPolicyNode *node;

	if (page == STRATA_POLICY_NONE)
		page = lirs_lowest(p, nodes, may, may_arg);
	if (page == STRATA_POLICY_NONE)
		return STRATA_POLICY_NONE;
	node = policy_node(nodes, page);
	p->evictions++;
	p->resident -= node->weight;
	if (node->list == LIRS_HIR && (node->flags & LIRS_IN_STACK))
	{
		policy_list_take(nodes, &s->queue, LIRS_Q, node);
		node->list = LIRS_GHOST;
		node->flags = 0;
		policy_list_push_first(nodes, &s->ghosts, LIRS_Q, page, node);
		lirs_trim(p, nodes);
	}
	else
	{
		lirs_take(s, nodes, node);
		policy_forget(node);
		lirs_prune(s, nodes);
	}
	if (node->list == LIRS_UNKNOWN)
		node->flags = LIRS_LEFT;
	return page;
}

static void
lirs_admit(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page, uint32_t weight)
{
	LirsState *s = lirs_state(p);
	StrataPolicyNode *node = policy_node(nodes, page);
	bool stays = node->list == LIRS_GHOST || (node->flags & LIRS_LEFT); /* has not left after all */
	bool moves = !stays && !(node->flags & LIRS_WANTED);				/* comes from another policy */
	bool returns = (node->flags & LIRS_RETURNS) != 0;

	if (node->list == LIRS_LIR || node->list == LIRS_HIR)
		return;
	if (node->list == LIRS_GHOST)
		lirs_take_ghost(s, nodes, node);
	node->weight = weight;
	p->resident += weight;
	if (returns || moves || p->resident <= lirs_limit(p))
		lirs_push_lir(p, nodes, page, node);
	else
		lirs_push_hir(p, nodes, page, node);
}

static void
lirs_remove(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page)
{
	LirsState *s = lirs_state(p);
	StrataPolicyNode *node = policy_node(nodes, page);

	if (node->list == LIRS_GHOST)
		lirs_take_ghost(s, nodes, node);
	else if (node->list != LIRS_UNKNOWN)
	{
		p->resident -= node->weight;
		lirs_take(s, nodes, node);
		lirs_prune(s, nodes);
	}
	policy_forget(node);
}

static uint64_t
lirs_drop_ghosts(StrataPolicy *p, const StrataPolicyNodes *nodes, uint64_t n)
{
	LirsState *s = lirs_state(p);
	uint64_t dropped = 0;

	for (; dropped < n && s->ghosts.count != 0; dropped++)
		lirs_take_ghost(s, nodes, policy_node(nodes, s->ghosts.last));
	return dropped;
}

static int
lirs_stats(const StrataPolicy *p, StrataPolicyStat out[STRATA_POLICY_STATS])
{
	const LirsState *s = lirs_state(p);

	out[0] = (StrataPolicyStat){"lir_frames", (double)s->lir_weight};
	out[1] = (StrataPolicyStat){"lir_limit_frames", (double)lirs_limit(p)};
	out[2] = (StrataPolicyStat){"hir_frames", (double)s->queue.weight};
	out[3] = (StrataPolicyStat){"ghost_frames", (double)s->ghosts.weight};
	out[4] = (StrataPolicyStat){"stack_pages", (double)s->stack.count};
	out[5] = (StrataPolicyStat){"queue_pages", (double)s->queue.count};
	return 6;
}

static const char *
lirs_place(const StrataPolicy *p, const StrataPolicyNode *node)
{
	switch (node->list)
	{
		case LIRS_LIR:
			return "LIR";
		case LIRS_HIR:
			return node->flags & LIRS_IN_STACK ? "HIR in S" : "HIR";
		case LIRS_GHOST:
			return "HIR ghost";
		default:
			return NULL;
	}
}

/* The stack as it should be, given that the three lists by themselves are sound. */
static const char *
lirs_check_stack(const StrataPolicy *p, const StrataPolicyNodes *nodes)
{
	const LirsState *s = lirs_state(p);
	uint64_t lirs = 0, lir_weight = 0, ghosts = 0, hirs = 0;

	for (uint32_t page = s->stack.first; page != STRATA_POLICY_NONE;
		 page = policy_node(nodes, page)->link[LIRS_S].next)
	{
		const StrataPolicyNode *node = policy_node(nodes, page);

		if (node->list == LIRS_LIR)
		{
			lirs++;
			lir_weight += node->weight;
		}
		else if (node->list == LIRS_GHOST)
			ghosts++;
		else if (node->list == LIRS_HIR && (node->flags & LIRS_IN_STACK))
			hirs++;
		else
			return "a page of S is of no kind that S has";
	}
	for (uint32_t page = s->queue.first; page != STRATA_POLICY_NONE;
		 page = policy_node(nodes, page)->link[LIRS_Q].next)
		hirs -= policy_node(nodes, page)->flags & LIRS_IN_STACK;
	if (hirs != 0)
		return "a page of Q is wrong about being in S";
	if (lirs != s->lir_count || lir_weight != s->lir_weight)
		return "the count or the weight of LIR pages is wrong";
	if (ghosts != s->ghosts.count)
		return "a ghost is not in S";
	if (s->stack.count != 0 && policy_node(nodes, s->stack.last)->list != LIRS_LIR)
		return "the bottom of S is no LIR page";
	return NULL;
}

static const char *
lirs_check(const StrataPolicy *p, const StrataPolicyNodes *nodes)
{
	const LirsState *s = lirs_state(p);
	const char *wrong;

	if ((wrong = policy_list_check(nodes, &s->stack, LIRS_S, 0)) != NULL ||
		(wrong = policy_list_check(nodes, &s->queue, LIRS_Q, LIRS_HIR)) != NULL ||
		(wrong = policy_list_check(nodes, &s->ghosts, LIRS_Q, LIRS_GHOST)) != NULL ||
		(wrong = lirs_check_stack(p, nodes)) != NULL)
		return wrong;
	if (s->lir_weight + s->queue.weight != p->resident)
		return "LIR and HIR pages and the resident weight differ";
	if (s->lir_weight > lirs_limit(p))
		return "there are more LIR pages than allowed";
	if (s->ghosts.weight > lirs_history(p))
		return "there are more ghosts than allowed";
	return NULL;
}

const StrataPolicyOps strata_policy_lirs = {
	.name = "LIRS",
	.paper = "S. Jiang, X. Zhang, LIRS: an efficient low inter-reference recency set replacement policy to "
			 "improve "
			 "buffer cache performance, SIGMETRICS 2002",
	.init = lirs_init,
	.resize = lirs_resize,
	.hit = lirs_hit,
	.miss = lirs_miss,
	.victim = lirs_victim,
	.admit = lirs_admit,
	.remove = lirs_remove,
	.drop_ghosts = lirs_drop_ghosts,
	.stats = lirs_stats,
	.state = lirs_place,
	.check = lirs_check,
};
