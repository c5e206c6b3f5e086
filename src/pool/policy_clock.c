/*
 * policy_clock.c - CLOCK: F. J. Corbato, A paging experiment with the Multics system, MIT 1968.
 *
 * The pages stand in a ring, each with a usage bit that a reference sets.  To find a victim the hand goes
 * round: a page whose bit is on gets it turned off and stays, the first one whose bit is off goes.  A new
 * page is put just behind the hand, where it is looked at last, with its bit on: the reference that brought
 * it in counts.
 *
 * The ring is a list that the hand wraps around.  Pages that may not leave are passed with their bit as it
 * is.
 */
#include "pool/policy_list.h"

#define CLOCK_RESIDENT	 1
#define CLOCK_REFERENCED 1 /* in flags: the usage bit */

typedef struct ClockState
{
	PolicyList ring;	 /* the hand moves from first to last */
	uint64_t hand;		 /* the page to be looked at next; NONE: the ring is empty */
	uint64_t referenced; /* pages whose bit is on */
} ClockState;

_Static_assert(sizeof(ClockState) <= sizeof(((StrataPolicy *)0)->word), "the state fits");

static inline ClockState *
clock_state(const StrataPolicy *p)
{
	return (ClockState *)p->word;
}

static void
clock_init(StrataPolicy *p)
{
	memset(p->word, 0, sizeof(p->word));
}

static void
clock_resize(StrataPolicy *p, const StrataPolicyNodes *nodes)
{
}

static void
clock_hit(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page)
{
	StrataPolicyNode *node = policy_node(nodes, page);

	if (node->list != CLOCK_RESIDENT)
		return;
	p->clock++;
	p->hits++;
	if (!(node->flags & CLOCK_REFERENCED))
	{
		node->flags |= CLOCK_REFERENCED;
		clock_state(p)->referenced++;
	}
}

static void
clock_miss(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page, uint32_t weight)
{
	p->clock++;
	p->misses++;
}

/* The page after this one, round the ring. */
static uint32_t
clock_after(const ClockState *s, const StrataPolicyNode *node)
{
	return node->link[0].next != STRATA_POLICY_NONE ? node->link[0].next : s->ring.first;
}

static void
clock_take(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page, StrataPolicyNode *node)
{
	ClockState *s = clock_state(p);

	if (s->hand == page)
		s->hand = s->ring.count == 1 ? STRATA_POLICY_NONE : clock_after(s, node);
	if (node->flags & CLOCK_REFERENCED)
		s->referenced--;
	policy_list_take(nodes, &s->ring, 0, node);
	p->resident -= node->weight;
	policy_forget(node);
}

static uint32_t
clock_victim(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t incoming, StrataPolicyMay may,
			 void *may_arg)
{
	ClockState *s = clock_state(p);
	uint64_t passed = 0; /* pages in a row that may not leave; a whole ring of them: none may */

	while (passed < s->ring.count)
	{
		uint32_t page = (uint32_t)s->hand;
		StrataPolicyNode *node = policy_node(nodes, page);

		p->examined++;
		if (!may(may_arg, page))
			passed++;
		else if (node->flags & CLOCK_REFERENCED)
		{
			node->flags &= ~CLOCK_REFERENCED;
			s->referenced--;
			passed = 0;
		}
		else
		{
			p->evictions++;
			clock_take(p, nodes, page, node);
			return page;
		}
		s->hand = clock_after(s, node);
	}
	return STRATA_POLICY_NONE;
}

static void
clock_admit(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page, uint32_t weight)
{
	ClockState *s = clock_state(p);
	StrataPolicyNode *node = policy_node(nodes, page);

	if (node->list == CLOCK_RESIDENT)
		return;
	node->weight = weight;
	p->resident += weight;
	node->list = CLOCK_RESIDENT;
	node->flags = CLOCK_REFERENCED;
	s->referenced++;
	policy_list_insert(nodes, &s->ring, 0, page, node, (uint32_t)s->hand);
	if (s->hand == STRATA_POLICY_NONE)
		s->hand = page;
}

static void
clock_remove(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page)
{
	StrataPolicyNode *node = policy_node(nodes, page);

	if (node->list == CLOCK_RESIDENT)
		clock_take(p, nodes, page, node);
}

static uint64_t
clock_drop_ghosts(StrataPolicy *p, const StrataPolicyNodes *nodes, uint64_t n)
{
	return 0;
}

static int
clock_stats(const StrataPolicy *p, StrataPolicyStat out[STRATA_POLICY_STATS])
{
	const ClockState *s = clock_state(p);

	out[0] = (StrataPolicyStat){"pages", (double)s->ring.count};
	out[1] = (StrataPolicyStat){"frames", (double)s->ring.weight};
	out[2] = (StrataPolicyStat){"hand_page", (double)s->hand};
	out[3] = (StrataPolicyStat){"referenced_pages", (double)s->referenced};
	out[4] =
		(StrataPolicyStat){"search_length", p->evictions ? (double)p->examined / (double)p->evictions : 0};
	return 5;
}

static const char *
clock_place(const StrataPolicy *p, const StrataPolicyNode *node)
{
	if (node->list != CLOCK_RESIDENT)
		return NULL;
	return node->flags & CLOCK_REFERENCED ? "referenced" : "unreferenced";
}

static const char *
clock_check(const StrataPolicy *p, const StrataPolicyNodes *nodes)
{
	const ClockState *s = clock_state(p);
	const char *wrong = policy_list_check(nodes, &s->ring, 0, CLOCK_RESIDENT);
	uint64_t referenced = 0;
	bool hand_found = false;

	if (wrong != NULL)
		return wrong;
	if (s->ring.weight != p->resident)
		return "the ring and the resident weight differ";
	for (uint32_t page = s->ring.first; page != STRATA_POLICY_NONE;
		 page = policy_node(nodes, page)->link[0].next)
	{
		referenced += policy_node(nodes, page)->flags & CLOCK_REFERENCED;
		hand_found |= page == s->hand;
	}
	if (referenced != s->referenced)
		return "the count of usage bits is wrong";
	if (!hand_found && (s->ring.count != 0 || s->hand != STRATA_POLICY_NONE))
		return "the hand points outside the ring";
	return NULL;
}

const StrataPolicyOps strata_policy_clock = {
	.name = "CLOCK",
	.paper = "F. J. Corbato, A paging experiment with the Multics system, 1968",
	.init = clock_init,
	.resize = clock_resize,
	.hit = clock_hit,
	.miss = clock_miss,
	.victim = clock_victim,
	.admit = clock_admit,
	.remove = clock_remove,
	.drop_ghosts = clock_drop_ghosts,
	.stats = clock_stats,
	.state = clock_place,
	.check = clock_check,
};
