/*
 * policy_2q.c - 2Q, full version: T. Johnson, D. Shasha, 2Q: a low overhead high performance buffer
 * management replacement algorithm, VLDB 1994.
 *
 * A new page goes to the FIFO queue A1in.  What is used again while it is there counts as one use (correlated
 * references).  When it leaves A1in its name is kept in A1out; a page that is wanted while A1out still has
 * its name goes to Am, an LRU list.  So a scan passes through A1in, at most Kin frames of it, and never
 * reaches Am.
 *
 *     new --> A1in (FIFO, Kin) --> A1out (names only, Kout)
 *                                    | wanted again
 *                                    '--> Am (LRU) --> gone, no name kept
 *
 * The paper takes from A1in while it is larger than Kin, else from Am.  Where the chosen queue is empty or
 * all pinned, the other one is taken from.  As in the paper, a page that returns stays in A1out while room is
 * made for it, and may be the one that falls off its end; the flag says that it goes to Am all the same.
 */
#include "pool/policy_list.h"

/* StrataPolicyNode.list. */
enum
{
	TWOQ_UNKNOWN,
	TWOQ_A1IN,
	TWOQ_A1OUT,
	TWOQ_AM,
	TWOQ_LISTS
};

/* StrataPolicyNode.flags of a page between miss() and admit(): A1out had its name. */
#define TWOQ_RETURNS 1

typedef struct TwoqState
{
	PolicyList list[TWOQ_LISTS];
} TwoqState;

_Static_assert(sizeof(TwoqState) <= sizeof(((StrataPolicy *)0)->word), "the state fits");

static inline TwoqState *
twoq_state(const StrataPolicy *p)
{
	return (TwoqState *)p->word;
}

static inline bool
twoq_resident(const StrataPolicyNode *node)
{
	return node->list == TWOQ_A1IN || node->list == TWOQ_AM;
}

static uint64_t
twoq_kin(const StrataPolicy *p)
{
	return (uint64_t)(p->params.twoq_in_ratio * (double)p->capacity);
}

static uint64_t
twoq_kout(const StrataPolicy *p)
{
	return (uint64_t)(p->params.twoq_out_ratio * (double)p->capacity);
}

static void
twoq_init(StrataPolicy *p)
{
	memset(p->word, 0, sizeof(p->word));
}

static void
twoq_push(TwoqState *s, const StrataPolicyNodes *nodes, uint32_t page, StrataPolicyNode *node, uint8_t list)
{
	node->list = list;
	policy_list_push_first(nodes, &s->list[list], 0, page, node);
}

static void
twoq_take(TwoqState *s, const StrataPolicyNodes *nodes, StrataPolicyNode *node)
{
	policy_list_take(nodes, &s->list[node->list], 0, node);
	node->list = TWOQ_UNKNOWN;
}

/* Forgets the oldest name of A1out, but not that the page is on its way in; false: there is none. */
static bool
twoq_drop_last(TwoqState *s, const StrataPolicyNodes *nodes)
{
	StrataPolicyNode *node;
	uint8_t flags;

	if (s->list[TWOQ_A1OUT].count == 0)
		return false;
	node = policy_node(nodes, s->list[TWOQ_A1OUT].last);
	flags = node->flags;
	twoq_take(s, nodes, node);
	policy_forget(node);
	node->flags = flags;
	return true;
}

static void
twoq_trim(StrataPolicy *p, const StrataPolicyNodes *nodes)
{
	TwoqState *s = twoq_state(p);

	while (s->list[TWOQ_A1OUT].weight > twoq_kout(p) && twoq_drop_last(s, nodes))
		;
}

static void
twoq_resize(StrataPolicy *p, const StrataPolicyNodes *nodes)
{
	twoq_trim(p, nodes);
}

static void
twoq_hit(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page)
{
	StrataPolicyNode *node = policy_node(nodes, page);

	if (!twoq_resident(node))
		return;
	p->clock++;
	p->hits++;
	if (node->list == TWOQ_AM)
		policy_list_refresh(nodes, &twoq_state(p)->list[TWOQ_AM], 0, page, node);
}

static void
twoq_miss(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page, uint32_t weight)
{
	StrataPolicyNode *node = policy_node(nodes, page);

	p->clock++;
	p->misses++;
	node->flags = 0;
	if (node->list == TWOQ_A1OUT)
	{
		p->ghost_hits++;
		node->flags = TWOQ_RETURNS;
	}
}

/* reclaimfor() of the paper. */
static uint32_t
twoq_victim(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t incoming, StrataPolicyMay may,
			void *may_arg)
{
	TwoqState *s = twoq_state(p);
	bool from_in = s->list[TWOQ_A1IN].weight > twoq_kin(p);
	uint32_t page = policy_list_leaver(p, nodes, &s->list[from_in ? TWOQ_A1IN : TWOQ_AM], 0, may, may_arg);
	StrataPolicyNode *node;

	if (page == STRATA_POLICY_NONE)
		page = policy_list_leaver(p, nodes, &s->list[from_in ? TWOQ_AM : TWOQ_A1IN], 0, may, may_arg);
	if (page == STRATA_POLICY_NONE)
		return STRATA_POLICY_NONE;
	node = policy_node(nodes, page);
	p->evictions++;
	p->resident -= node->weight;
	if (node->list == TWOQ_A1IN)
	{
		twoq_take(s, nodes, node);
		twoq_push(s, nodes, page, node, TWOQ_A1OUT);
		twoq_trim(p, nodes);
	}
	else
	{
		twoq_take(s, nodes, node);
		policy_forget(node);
	}
	return page;
}

static void
twoq_admit(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page, uint32_t weight)
{
	TwoqState *s = twoq_state(p);
	StrataPolicyNode *node = policy_node(nodes, page);
	bool returns = (node->flags & TWOQ_RETURNS) != 0;

	if (twoq_resident(node))
		return;
	if (node->list == TWOQ_A1OUT)
		twoq_take(s, nodes, node);
	node->flags = 0;
	node->weight = weight;
	p->resident += weight;
	twoq_push(s, nodes, page, node, returns ? TWOQ_AM : TWOQ_A1IN);
}

static void
twoq_remove(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page)
{
	StrataPolicyNode *node = policy_node(nodes, page);

	if (twoq_resident(node))
		p->resident -= node->weight;
	if (node->list != TWOQ_UNKNOWN)
		twoq_take(twoq_state(p), nodes, node);
	policy_forget(node);
}

static uint64_t
twoq_drop_ghosts(StrataPolicy *p, const StrataPolicyNodes *nodes, uint64_t n)
{
	uint64_t dropped = 0;

	while (dropped < n && twoq_drop_last(twoq_state(p), nodes))
		dropped++;
	return dropped;
}

static int
twoq_stats(const StrataPolicy *p, StrataPolicyStat out[STRATA_POLICY_STATS])
{
	const TwoqState *s = twoq_state(p);

	out[0] = (StrataPolicyStat){"a1in_frames", (double)s->list[TWOQ_A1IN].weight};
	out[1] = (StrataPolicyStat){"a1out_frames", (double)s->list[TWOQ_A1OUT].weight};
	out[2] = (StrataPolicyStat){"am_frames", (double)s->list[TWOQ_AM].weight};
	out[3] = (StrataPolicyStat){"kin_frames", (double)twoq_kin(p)};
	out[4] = (StrataPolicyStat){"kout_frames", (double)twoq_kout(p)};
	return 5;
}

static const char *
twoq_place(const StrataPolicy *p, const StrataPolicyNode *node)
{
	static const char *const name[TWOQ_LISTS] = {NULL, "A1in", "A1out ghost", "Am"};

	return name[node->list];
}

static const char *
twoq_check(const StrataPolicy *p, const StrataPolicyNodes *nodes)
{
	const TwoqState *s = twoq_state(p);

	for (uint8_t list = TWOQ_A1IN; list < TWOQ_LISTS; list++)
	{
		const char *wrong = policy_list_check(nodes, &s->list[list], 0, list);

		if (wrong != NULL)
			return wrong;
	}
	if (s->list[TWOQ_A1IN].weight + s->list[TWOQ_AM].weight != p->resident)
		return "A1in and Am and the resident weight differ";
	if (s->list[TWOQ_A1OUT].weight > twoq_kout(p))
		return "A1out is larger than Kout";
	return NULL;
}

const StrataPolicyOps strata_policy_2q = {
	.name = "2Q",
	.paper =
		"T. Johnson, D. Shasha, 2Q: a low overhead high performance buffer management replacement algorithm, "
		"VLDB 1994",
	.init = twoq_init,
	.resize = twoq_resize,
	.hit = twoq_hit,
	.miss = twoq_miss,
	.victim = twoq_victim,
	.admit = twoq_admit,
	.remove = twoq_remove,
	.drop_ghosts = twoq_drop_ghosts,
	.stats = twoq_stats,
	.state = twoq_place,
	.check = twoq_check,
};
