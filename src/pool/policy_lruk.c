/*
 * policy_lruk.c - LRU-K: E. J. O'Neil, P. E. O'Neil, G. Weikum, The LRU-K page replacement algorithm for
 * database disk buffering, SIGMOD 1993.
 *
 * The page goes whose K-th last reference lies furthest back.  HIST(i) of a page is the time of its i-th last
 * reference, counted in references of all pages; LAST is the time of its very last one.  References closer to
 * LAST than the correlated reference period count as one: they move LAST only, and the time they took is
 * squeezed out of the history when the next uncorrelated one comes.  Pages with fewer than K references have
 * an infinite distance and go first, by LRU among themselves.  A page may not go within the correlated period
 * of its last reference; if nothing else is left, one goes all the same, in the same order.
 *
 * History outlives residence, as in the paper ("retained information"); the paper bounds it by time, here the
 * pages it is kept of weigh at most lru_k_history_ratio of the capacity, and the one whose LAST is oldest
 * goes first, which is the one the paper's period would end for first.
 *
 * Victims come from a pairing heap (Fredman et al. 1986).  A hit only writes the node and flags it stale: the
 * key of a page only ever grows, so the heap is put right when it is next asked for its least page.  For that
 * to be right it must hold that
 *
 *     a page not flagged has no page below it, at any depth, whose key is less than its own.
 *
 * Keys below it only grow, so this stays true until the page itself is flagged.  Linking two trees keeps it:
 * an unflagged root goes below the lesser root, and anything may go below a flagged one.  A flagged page that
 * comes up is taken apart: its children join those to be linked, and it goes in anew with its key of now.
 */
#include "pool/policy_list.h"

/* StrataPolicyNode.list. */
enum
{
	LRUK_UNKNOWN,
	LRUK_RESIDENT,
	LRUK_GHOST,
};

/* StrataPolicyNode.flags. */
#define LRUK_STALE	1 /* the key has grown since the page was last linked */
#define LRUK_WANTED 2 /* between miss() and admit() */

/* Time and history in the node: HIST(i) is hist[i - 1], valid for i <= refs; LAST is last. */

/* A pairing heap.  Links of a page: left sibling, or parent of the first child; right sibling; first child.
 */
#define heap_left(node)	 ((node)->link[0].prev)
#define heap_right(node) ((node)->link[0].next)
#define heap_child(node) ((node)->link[1].next)

typedef struct LrukHeap
{
	uint64_t root;
	uint64_t count, weight;
} LrukHeap;

typedef struct LrukState
{
	LrukHeap resident; /* by HIST(K), then LAST */
	LrukHeap ghosts;   /* by LAST */
} LrukState;

_Static_assert(sizeof(LrukState) <= sizeof(((StrataPolicy *)0)->word), "the state fits");

static inline LrukState *
lruk_state(const StrataPolicy *p)
{
	return (LrukState *)p->word;
}

static inline int
lruk_k(const StrataPolicy *p)
{
	int k = p->params.lru_k;

	return k < 1 ? 1 : k > STRATA_LRU_K_MAX ? STRATA_LRU_K_MAX : k;
}

static uint64_t
lruk_history(const StrataPolicy *p)
{
	return (uint64_t)(p->params.lru_k_history_ratio * (double)p->capacity);
}

/* Does a go before b?  Both resident, or both ghosts. */
static bool
lruk_before(const StrataPolicy *p, const StrataPolicyNode *a, const StrataPolicyNode *b)
{
	if (a->list == LRUK_RESIDENT)
	{
		int k = lruk_k(p);
		uint64_t hist_a = a->refs >= k ? a->hist[k - 1] : 0, hist_b = b->refs >= k ? b->hist[k - 1] : 0;

		if (hist_a != hist_b)
			return hist_a < hist_b;
	}
	return a->last < b->last;
}

/* ---- the heap ---- */

/* Links two trees; either may be NONE.  Returns the root. */
static uint32_t
heap_link(const StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t a, uint32_t b)
{
	StrataPolicyNode *above, *below;

	if (a == STRATA_POLICY_NONE || b == STRATA_POLICY_NONE)
		return a == STRATA_POLICY_NONE ? b : a;
	above = policy_node(nodes, a);
	below = policy_node(nodes, b);
	if ((below->flags & LRUK_STALE) || (!(above->flags & LRUK_STALE) && lruk_before(p, below, above)))
	{
		StrataPolicyNode *node = above;
		uint32_t page = a;

		above = below;
		a = b;
		below = node;
		b = page;
	}
	heap_left(below) = a;
	heap_right(below) = heap_child(above);
	if (heap_child(above) != STRATA_POLICY_NONE)
		heap_left(policy_node(nodes, heap_child(above))) = b;
	heap_child(above) = b;
	return a;
}

/* Takes the first tree off a chain of siblings.  A stale root is taken apart: its children join the chain. */
static uint32_t
heap_next_tree(const StrataPolicyNodes *nodes, uint32_t *chain)
{
	uint32_t page = *chain;
	StrataPolicyNode *node;

	if (page == STRATA_POLICY_NONE)
		return STRATA_POLICY_NONE;
	node = policy_node(nodes, page);
	*chain = heap_right(node);
	if ((node->flags & LRUK_STALE) && heap_child(node) != STRATA_POLICY_NONE)
	{
		StrataPolicyNode *last = policy_node(nodes, heap_child(node));

		while (heap_right(last) != STRATA_POLICY_NONE)
			last = policy_node(nodes, heap_right(last));
		heap_right(last) = *chain;
		*chain = heap_child(node);
		heap_child(node) = STRATA_POLICY_NONE;
	}
	node->flags &= ~LRUK_STALE;
	heap_left(node) = heap_right(node) = STRATA_POLICY_NONE;
	return page;
}

/* One tree of a chain of siblings: linked in pairs from the left, then all from the right. */
static uint32_t
heap_join(const StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t chain)
{
	uint32_t pairs = STRATA_POLICY_NONE, root = STRATA_POLICY_NONE;

	while (chain != STRATA_POLICY_NONE)
	{
		uint32_t a = heap_next_tree(nodes, &chain), b = heap_next_tree(nodes, &chain);
		uint32_t pair = heap_link(p, nodes, a, b);

		heap_right(policy_node(nodes, pair)) = pairs;
		pairs = pair;
	}
	while (pairs != STRATA_POLICY_NONE)
	{
		StrataPolicyNode *node = policy_node(nodes, pairs);
		uint32_t next = heap_right(node);

		heap_right(node) = STRATA_POLICY_NONE;
		root = heap_link(p, nodes, root, pairs);
		pairs = next;
	}
	return root;
}

static void
heap_insert(const StrataPolicy *p, const StrataPolicyNodes *nodes, LrukHeap *heap, uint32_t page,
			StrataPolicyNode *node)
{
	node->flags &= ~LRUK_STALE;
	heap_left(node) = heap_right(node) = heap_child(node) = STRATA_POLICY_NONE;
	heap->root = heap_link(p, nodes, (uint32_t)heap->root, page);
	heap->count++;
	heap->weight += node->weight;
}

static void
heap_take(const StrataPolicy *p, const StrataPolicyNodes *nodes, LrukHeap *heap, uint32_t page,
		  StrataPolicyNode *node)
{
	uint32_t below = heap_join(p, nodes, heap_child(node));

	heap->count--;
	heap->weight -= node->weight;
	if (heap->root == page)
	{
		heap->root = below;
		return;
	}
	if (heap_right(node) != STRATA_POLICY_NONE)
		heap_left(policy_node(nodes, heap_right(node))) = heap_left(node);
	if (heap_child(policy_node(nodes, heap_left(node))) == page)
		heap_child(policy_node(nodes, heap_left(node))) = heap_right(node);
	else
		heap_right(policy_node(nodes, heap_left(node))) = heap_right(node);
	heap->root = heap_link(p, nodes, (uint32_t)heap->root, below);
}

/* The page that goes before all others; NONE: the heap is empty. */
static uint32_t
heap_least(const StrataPolicy *p, const StrataPolicyNodes *nodes, LrukHeap *heap)
{
	if (heap->root != STRATA_POLICY_NONE && (policy_node(nodes, (uint32_t)heap->root)->flags & LRUK_STALE))
		heap->root = heap_join(p, nodes, (uint32_t)heap->root);
	return (uint32_t)heap->root;
}

/* ---- the policy ---- */

static void
lruk_init(StrataPolicy *p)
{
	memset(p->word, 0, sizeof(p->word));
}

/* Forgets the history that lay unused longest; false: there is none. */
static bool
lruk_drop_last(StrataPolicy *p, const StrataPolicyNodes *nodes)
{
	LrukHeap *ghosts = &lruk_state(p)->ghosts;
	uint32_t page = heap_least(p, nodes, ghosts);
	StrataPolicyNode *node;

	if (page == STRATA_POLICY_NONE)
		return false;
	node = policy_node(nodes, page);
	heap_take(p, nodes, ghosts, page, node);
	policy_forget(node);
	return true;
}

static void
lruk_trim(StrataPolicy *p, const StrataPolicyNodes *nodes)
{
	while (lruk_state(p)->ghosts.weight > lruk_history(p) && lruk_drop_last(p, nodes))
		;
}

static void
lruk_resize(StrataPolicy *p, const StrataPolicyNodes *nodes)
{
	lruk_trim(p, nodes);
}

/* A new reference at time t: the older ones move up one place, later by as much as `squeeze`. */
static void
lruk_shift(const StrataPolicy *p, StrataPolicyNode *node, uint64_t squeeze, uint64_t t)
{
	int k = lruk_k(p);

	if (node->refs < k)
		node->refs++;
	for (int i = node->refs - 1; i > 0; i--)
		node->hist[i] = node->hist[i - 1] + squeeze;
	node->hist[0] = t;
	node->last = t;
}

static void
lruk_hit(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page)
{
	StrataPolicyNode *node = policy_node(nodes, page);

	if (node->list != LRUK_RESIDENT)
		return;
	p->clock++;
	p->hits++;
	if (p->clock - node->last > p->params.lru_k_correlated)
		lruk_shift(p, node, node->last - node->hist[0], p->clock);
	else
		node->last = p->clock;
	node->flags |= LRUK_STALE;
}

static void
lruk_miss(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page, uint32_t weight)
{
	StrataPolicyNode *node = policy_node(nodes, page);

	p->clock++;
	p->misses++;
	if (node->list == LRUK_GHOST)
	{
		/* The history stays in the node, for admit(). */
		p->ghost_hits++;
		heap_take(p, nodes, &lruk_state(p)->ghosts, page, node);
		node->list = LRUK_UNKNOWN;
	}
	node->flags |= LRUK_WANTED;
}

static bool
lruk_eligible(const StrataPolicy *p, const StrataPolicyNode *node)
{
	return p->clock - node->last > p->params.lru_k_correlated;
}

/*
 * The first page in the order of the heap that is eligible and may leave, or else the first that may leave.
 * The pages passed over are taken out of the heap into a chain and put back in the end.
 */
static uint32_t
lruk_choose(StrataPolicy *p, const StrataPolicyNodes *nodes, StrataPolicyMay may, void *may_arg)
{
	LrukHeap *heap = &lruk_state(p)->resident;
	uint32_t passed = STRATA_POLICY_NONE, passed_last = STRATA_POLICY_NONE, found = STRATA_POLICY_NONE, page;

	while (found == STRATA_POLICY_NONE && (page = heap_least(p, nodes, heap)) != STRATA_POLICY_NONE)
	{
		StrataPolicyNode *node = policy_node(nodes, page);

		p->examined++;
		if (lruk_eligible(p, node) && may(may_arg, page))
		{
			found = page;
			break;
		}
		heap_take(p, nodes, heap, page, node);
		heap_right(node) = STRATA_POLICY_NONE;
		if (passed_last == STRATA_POLICY_NONE)
			passed = page;
		else
			heap_right(policy_node(nodes, passed_last)) = page;
		passed_last = page;
	}
	while (passed != STRATA_POLICY_NONE)
	{
		StrataPolicyNode *node = policy_node(nodes, passed);
		uint32_t next = heap_right(node);

		if (found == STRATA_POLICY_NONE && !lruk_eligible(p, node) && may(may_arg, passed))
			found = passed;
		heap_insert(p, nodes, heap, passed, node);
		passed = next;
	}
	return found;
}

static uint32_t
lruk_victim(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t incoming, StrataPolicyMay may,
			void *may_arg)
{
	LrukState *s = lruk_state(p);
	uint32_t page = lruk_choose(p, nodes, may, may_arg);
	StrataPolicyNode *node;

	if (page == STRATA_POLICY_NONE)
		return STRATA_POLICY_NONE;
	node = policy_node(nodes, page);
	p->evictions++;
	p->resident -= node->weight;
	heap_take(p, nodes, &s->resident, page, node);
	node->list = LRUK_GHOST;
	heap_insert(p, nodes, &s->ghosts, page, node);
	lruk_trim(p, nodes);
	return page;
}

static void
lruk_admit(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page, uint32_t weight)
{
	LrukState *s = lruk_state(p);
	StrataPolicyNode *node = policy_node(nodes, page);

	if (node->list == LRUK_RESIDENT)
		return;
	if (node->list == LRUK_GHOST)
		heap_take(p, nodes, &s->ghosts, page, node); /* has not left after all: no reference */
	else
	{
		/* A page from another policy comes with a time of its own, to keep its place among the others. */
		if (!(node->flags & LRUK_WANTED))
			p->clock++;
		lruk_shift(p, node, 0, p->clock);
	}
	node->flags = 0;
	node->list = LRUK_RESIDENT;
	node->weight = weight;
	p->resident += weight;
	heap_insert(p, nodes, &s->resident, page, node);
}

static void
lruk_remove(StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page)
{
	LrukState *s = lruk_state(p);
	StrataPolicyNode *node = policy_node(nodes, page);

	if (node->list == LRUK_RESIDENT)
	{
		p->resident -= node->weight;
		heap_take(p, nodes, &s->resident, page, node);
	}
	else if (node->list == LRUK_GHOST)
		heap_take(p, nodes, &s->ghosts, page, node);
	policy_forget(node);
}

static uint64_t
lruk_drop_ghosts(StrataPolicy *p, const StrataPolicyNodes *nodes, uint64_t n)
{
	uint64_t dropped = 0;

	while (dropped < n && lruk_drop_last(p, nodes))
		dropped++;
	return dropped;
}

static int
lruk_stats(const StrataPolicy *p, StrataPolicyStat out[STRATA_POLICY_STATS])
{
	const LrukState *s = lruk_state(p);

	out[0] = (StrataPolicyStat){"k", (double)lruk_k(p)};
	out[1] = (StrataPolicyStat){"pages", (double)s->resident.count};
	out[2] = (StrataPolicyStat){"frames", (double)s->resident.weight};
	out[3] = (StrataPolicyStat){"history_pages", (double)s->ghosts.count};
	out[4] = (StrataPolicyStat){"history_frames", (double)s->ghosts.weight};
	out[5] = (StrataPolicyStat){"history_limit_frames", (double)lruk_history(p)};
	return 6;
}

static const char *
lruk_place(const StrataPolicy *p, const StrataPolicyNode *node)
{
	if (node->list == LRUK_RESIDENT)
		return node->refs >= lruk_k(p) ? "K references" : "fewer than K references";
	return node->list == LRUK_GHOST ? "history" : NULL;
}

/* The parent of a page in the heap; NONE: it is the root. */
static uint32_t
heap_parent(const StrataPolicyNodes *nodes, uint32_t page)
{
	uint32_t left = heap_left(policy_node(nodes, page));

	while (left != STRATA_POLICY_NONE && heap_child(policy_node(nodes, left)) != page)
	{
		page = left;
		left = heap_left(policy_node(nodes, page));
	}
	return left;
}

/* One page of a heap: its links, and the rule of the file's head against the next page above that is not
 * stale. */
static const char *
heap_check_page(const StrataPolicy *p, const StrataPolicyNodes *nodes, uint32_t page, uint8_t tag)
{
	const StrataPolicyNode *node = policy_node(nodes, page);
	uint32_t above = page;

	if (node->list != tag)
		return "a page of a heap says that it is elsewhere";
	if (node->weight == 0)
		return "a known page weighs nothing";
	if (node->refs == 0 || node->refs > lruk_k(p) || node->hist[0] > node->last || node->last > p->clock)
		return "the history of a page is impossible";
	if (heap_child(node) != STRATA_POLICY_NONE && heap_left(policy_node(nodes, heap_child(node))) != page)
		return "a first child does not know its parent";
	if (heap_right(node) != STRATA_POLICY_NONE && heap_left(policy_node(nodes, heap_right(node))) != page)
		return "a sibling does not know its left one";
	while ((above = heap_parent(nodes, above)) != STRATA_POLICY_NONE)
		if (!(policy_node(nodes, above)->flags & LRUK_STALE))
			return lruk_before(p, node, policy_node(nodes, above)) ? "a page is above one that goes before it"
																   : NULL;
	return NULL;
}

static const char *
heap_check(const StrataPolicy *p, const StrataPolicyNodes *nodes, const LrukHeap *heap, uint8_t tag)
{
	uint64_t count = 0, weight = 0;
	uint32_t page = (uint32_t)heap->root;

	while (page != STRATA_POLICY_NONE)
	{
		const StrataPolicyNode *node = policy_node(nodes, page);
		const char *wrong = heap_check_page(p, nodes, page, tag);

		if (wrong != NULL)
			return wrong;
		if (++count > heap->count)
			return "a heap has more pages than its count";
		weight += node->weight;
		/* Down, else to the right, else to the right of the nearest page above that has one. */
		if (heap_child(node) != STRATA_POLICY_NONE)
			page = heap_child(node);
		else
		{
			while (page != STRATA_POLICY_NONE && heap_right(policy_node(nodes, page)) == STRATA_POLICY_NONE)
				page = heap_parent(nodes, page);
			if (page != STRATA_POLICY_NONE)
				page = heap_right(policy_node(nodes, page));
		}
	}
	if (count != heap->count)
		return "a heap has fewer pages than its count";
	if (weight != heap->weight)
		return "the weight of a heap is not the sum of its pages";
	return NULL;
}

static const char *
lruk_check(const StrataPolicy *p, const StrataPolicyNodes *nodes)
{
	const LrukState *s = lruk_state(p);
	const char *wrong;

	if ((wrong = heap_check(p, nodes, &s->resident, LRUK_RESIDENT)) != NULL ||
		(wrong = heap_check(p, nodes, &s->ghosts, LRUK_GHOST)) != NULL)
		return wrong;
	if (s->resident.weight != p->resident)
		return "the heap and the resident weight differ";
	if (s->ghosts.weight > lruk_history(p))
		return "there is more history than allowed";
	return NULL;
}

const StrataPolicyOps strata_policy_lru_k = {
	.name = "LRU-K",
	.paper = "E. J. O'Neil, P. E. O'Neil, G. Weikum, The LRU-K page replacement algorithm for database disk "
			 "buffering, SIGMOD 1993",
	.init = lruk_init,
	.resize = lruk_resize,
	.hit = lruk_hit,
	.miss = lruk_miss,
	.victim = lruk_victim,
	.admit = lruk_admit,
	.remove = lruk_remove,
	.drop_ghosts = lruk_drop_ghosts,
	.stats = lruk_stats,
	.state = lruk_place,
	.check = lruk_check,
};
