/*
 * policy_arc.c - ARC: N. Megiddo, D. S. Modha, ARC: a self-tuning, low overhead replacement cache, FAST 2003.
 *
 * Two LRU lists of pages: those seen once recently (L1 = T1 + B1) and those seen at least twice (L2 = T2 +
 * B2). The upper parts T1 and T2 are resident, the lower parts B1 and B2 are ghosts.  T1 should have p
 * frames, and p learns: a miss that B1 still remembers says that T1 was too small, one that B2 remembers says
 * the same of T2.
 *
 *        L1: seen once            L2: seen twice or more
 *     <-- B1 -- | -- T1 -->    <-- T2 -- | -- B2 -->
 *               '----- resident, c -----'
 *
 * Kept, as in the paper: |T1| + |B1| <= c and |T1| + |B1| + |T2| + |B2| <= 2c.  The paper makes room in B1 or
 * B2 before it moves a page there; here the lists are trimmed after the move.  Both drop the same page, since
 * the ghost list that is trimmed was not empty before.  A miss takes its page off the ghosts at once and
 * leaves a flag for victim() and admit(), so that pages loaded side by side do not disturb each other.
 */
#include "pool/policy_list.h"

/* StrataPolicyNode.list. */
enum
{
	ARC_UNKNOWN,
	ARC_T1,
	ARC_T2,
	ARC_B1,
	ARC_B2,
	ARC_LISTS
};

/* StrataPolicyNode.flags of a page between miss() and admit(): the ghost list that remembered it. */
#define ARC_WAS_B1 1
#define ARC_WAS_B2 2

typedef struct ArcState
{
	PolicyList list[ARC_LISTS];
	double target; /* p of the paper: frames that T1 should have */
	uint64_t b1_hits, b2_hits;
} ArcState;

_Static_assert(sizeof(ArcState) <= sizeof(((StrataPolicy *)0)->word), "the state fits");

static inline ArcState *
arc_state(const StrataPolicy *p)
{
	return (ArcState *)p->word;
}

static inline bool
arc_resident(const StrataPolicyNode *node)
{
	return node->list == ARC_T1 || node->list == ARC_T2;
}

static void
arc_init(StrataPolicy *p)
{
	memset(p->word, 0, sizeof(p->word));
}

static void
arc_push(ArcState *s, const StrataPolicyNodes *nodes, uint32_t page, StrataPolicyNode *node, uint8_t list)
{
	node->list = list;
	policy_list_push_first(nodes, &s->list[list], 0, page, node);
}

static void
arc_take(ArcState *s, const StrataPolicyNodes *nodes, StrataPolicyNode *node)
{
	policy_list_take(nodes, &s->list[node->list], 0, node);
	node->list = ARC_UNKNOWN;
}

/* Forgets the oldest ghost of a list; false: it has none. */
static bool
arc_drop_last(ArcState *s, const StrataPolicyNodes *nodes, uint8_t list)
{
	StrataPolicyNode *node;

	if (s->list[list].count == 0)
		return false;
	node = policy_node(nodes, s->list[list].last);
	arc_take(s, nodes, node);
	policy_forget(node);
	return true;
}

static uint64_t
arc_total(const ArcState *s)
{
	return s->list[ARC_T1].weight + s->list[ARC_T2].weight + s->list[ARC_B1].weight + s->list[ARC_B2].weight;
}

/* Drops ghosts until the lists are as long as the paper allows. */
static void
arc_trim(StrataPolicy *p, const StrataPolicyNodes *nodes)
{
	ArcState *s = arc_state(p);

	while (s->list[ARC_T1].weight + s->list[ARC_B1].weight > p->capacity && arc_drop_last(s, nodes, ARC_B1))
		;
	while (arc_total(s) > 2 * p->capacity &&
		   (arc_drop_last(s, nodes, ARC_B2) || arc_drop_last(s, nodes, ARC_B1)))
		;
}

static void
arc_resize(StrataPolicy *p, const StrataPolicyNodes *nodes)
{
	ArcState *s = arc_state(p);

	if (s->target > (double)p->capacity)
		s->target = (double)p->capacity;
	arc_trim(p, nodes);
}

/* Case I. */
static void
arc_hit(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page)
{
	ArcState *s = arc_state(p);
	StrataPolicyNode *node = policy_node(nodes, page);

	if (!arc_resident(node))
		return;
	p->clock++;
	p->hits++;
	if (node->list == ARC_T2)
		policy_list_refresh(nodes, &s->list[ARC_T2], 0, page, node);
	else
	{
		arc_take(s, nodes, node);
		arc_push(s, nodes, page, node, ARC_T2);
	}
}

/* Cases II and III: the target moves by one page towards the list whose ghost was asked for, faster when the
 * other ghost list is the longer one. */
static void
arc_miss(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page, uint32_t weight)
{
	ArcState *s = arc_state(p);
	StrataPolicyNode *node = policy_node(nodes, page);
	double b1 = (double)s->list[ARC_B1].weight, b2 = (double)s->list[ARC_B2].weight;

	p->clock++;
	p->misses++;
	if (node->list == ARC_B1)
	{
		s->target += (b1 >= b2 ? 1 : b2 / b1) * weight;
		if (s->target > (double)p->capacity)
			s->target = (double)p->capacity;
		s->b1_hits++;
		node->flags = ARC_WAS_B1;
	}
	else if (node->list == ARC_B2)
	{
		s->target -= (b2 >= b1 ? 1 : b1 / b2) * weight;
		if (s->target < 0)
			s->target = 0;
		s->b2_hits++;
		node->flags = ARC_WAS_B2;
	}
	else
		return;
	p->ghost_hits++;
	arc_take(s, nodes, node);
}

static uint32_t
arc_leaver(StrataPolicy *p, const StrataPolicyNodes *nodes, uint8_t list, StrataPolicyMay may, void *may_arg)
{
	return policy_list_leaver(p, nodes, &arc_state(p)->list[list], 0, may, may_arg);
}

/* REPLACE of the paper.  Its case IV (A) for an L1 that is all resident needs nothing of its own: T2 is empty
 * then, and the ghost that the page leaves is trimmed when the new page enters T1. */
static uint32_t
arc_victim(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t incoming, StrataPolicyMay may,
		   void *may_arg)
{
	ArcState *s = arc_state(p);
	uint8_t asked_for = incoming == STRATA_POLICY_NONE ? 0 : policy_node(nodes, incoming)->flags;
	double t1 = (double)s->list[ARC_T1].weight;
	bool from_t1 = t1 > s->target || (asked_for == ARC_WAS_B2 && t1 == s->target);
	uint32_t page = arc_leaver(p, nodes, from_t1 ? ARC_T1 : ARC_T2, may, may_arg);
	StrataPolicyNode *node;

	if (page == STRATA_POLICY_NONE)
		page = arc_leaver(p, nodes, from_t1 ? ARC_T2 : ARC_T1, may, may_arg);
	if (page == STRATA_POLICY_NONE)
		return STRATA_POLICY_NONE;
	node = policy_node(nodes, page);
	from_t1 = node->list == ARC_T1;
	p->evictions++;
	p->resident -= node->weight;
	arc_take(s, nodes, node);
	arc_push(s, nodes, page, node, from_t1 ? ARC_B1 : ARC_B2);
	arc_trim(p, nodes);
	return page;
}

static void
arc_admit(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page, uint32_t weight)
{
	ArcState *s = arc_state(p);
	StrataPolicyNode *node = policy_node(nodes, page);
	/* A ghost that was not missed has not left after all. */
	bool seen = node->flags != 0 || node->list == ARC_B2;

	if (arc_resident(node))
		return;
	if (node->list != ARC_UNKNOWN)
		arc_take(s, nodes, node);
	node->flags = 0;
	node->weight = weight;
	p->resident += weight;
	arc_push(s, nodes, page, node, seen ? ARC_T2 : ARC_T1);
	arc_trim(p, nodes);
}

static void
arc_remove(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page)
{
	StrataPolicyNode *node = policy_node(nodes, page);

	if (arc_resident(node))
		p->resident -= node->weight;
	if (node->list != ARC_UNKNOWN)
		arc_take(arc_state(p), nodes, node);
	policy_forget(node);
}

/* From the longer list first: their ages cannot be compared. */
static uint64_t
arc_drop_ghosts(StrataPolicy *p, const StrataPolicyNodes *nodes, uint64_t n)
{
	ArcState *s = arc_state(p);
	uint64_t dropped = 0;

	while (dropped < n &&
		   arc_drop_last(s, nodes, s->list[ARC_B1].count > s->list[ARC_B2].count ? ARC_B1 : ARC_B2))
		dropped++;
	return dropped;
}

static int
arc_stats(const StrataPolicy *p, StrataPolicyStat out[STRATA_POLICY_STATS])
{
	const ArcState *s = arc_state(p);

	out[0] = (StrataPolicyStat){"target_frames", s->target};
	out[1] = (StrataPolicyStat){"t1_frames", (double)s->list[ARC_T1].weight};
	out[2] = (StrataPolicyStat){"t2_frames", (double)s->list[ARC_T2].weight};
	out[3] = (StrataPolicyStat){"b1_frames", (double)s->list[ARC_B1].weight};
	out[4] = (StrataPolicyStat){"b2_frames", (double)s->list[ARC_B2].weight};
	out[5] = (StrataPolicyStat){"b1_hits", (double)s->b1_hits};
	out[6] = (StrataPolicyStat){"b2_hits", (double)s->b2_hits};
	return 7;
}

static const char *
arc_place(const StrataPolicy *p, const StrataPolicyNode *node)
{
	static const char *const name[ARC_LISTS] = {NULL, "T1", "T2", "B1 ghost", "B2 ghost"};

	return name[node->list];
}

static const char *
arc_check(const StrataPolicy *p, const StrataPolicyNodes *nodes)
{
	const ArcState *s = arc_state(p);

	for (uint8_t list = ARC_T1; list < ARC_LISTS; list++)
	{
		const char *wrong = policy_list_check(nodes, &s->list[list], 0, list);

		if (wrong != NULL)
			return wrong;
	}
	if (s->list[ARC_T1].weight + s->list[ARC_T2].weight != p->resident)
		return "T1 and T2 and the resident weight differ";
	if (s->list[ARC_B1].count != 0 && s->list[ARC_T1].weight + s->list[ARC_B1].weight > p->capacity)
		return "T1 and B1 are larger than the cache";
	if (s->list[ARC_B1].count + s->list[ARC_B2].count != 0 && arc_total(s) > 2 * p->capacity)
		return "the four lists are larger than two caches";
	if (!(s->target >= 0 && s->target <= (double)p->capacity))
		return "the target is outside the cache";
	return NULL;
}

const StrataPolicyOps strata_policy_arc = {
	.name = "ARC",
	.paper = "N. Megiddo, D. S. Modha, ARC: a self-tuning, low overhead replacement cache, FAST 2003",
	.init = arc_init,
	.resize = arc_resize,
	.hit = arc_hit,
	.miss = arc_miss,
	.victim = arc_victim,
	.admit = arc_admit,
	.remove = arc_remove,
	.drop_ghosts = arc_drop_ghosts,
	.stats = arc_stats,
	.state = arc_place,
	.check = arc_check,
};
