/*
 * policy_list.h - doubly linked lists of pages, by number, that carry the sum of their weights.
 *
 * Included by: the six policy_*.c files.
 * Memory: the links are in the nodes, the heads in StrataPolicy.word; nothing is allocated.
 * Locking: as in policy.h.
 * Not here: what the lists mean.
 *
 * "First" is the most recent end and "last" the end that pages leave from.  `link` says which of a node's two
 * pairs of links the list uses.
 */
#ifndef STRATA_POOL_POLICY_LIST_H
#define STRATA_POOL_POLICY_LIST_H

#include <string.h>

#include "pool/policy.h"

typedef struct PolicyList
{
	uint32_t first, last;
	uint64_t count;	 /* pages */
	uint64_t weight; /* frames */
} PolicyList;

static inline StrataPolicyNode *
policy_node(const StrataPolicyNodes *nodes, uint32_t page)
{
	return nodes->node(nodes->arg, page);
}

static inline void
policy_list_push_first(const StrataPolicyNodes *nodes, PolicyList *list, int link, uint32_t page,
					   StrataPolicyNode *node)
{
	node->link[link].prev = STRATA_POLICY_NONE;
	node->link[link].next = list->first;
	if (list->first != STRATA_POLICY_NONE)
		policy_node(nodes, list->first)->link[link].prev = page;
	else
		list->last = page;
	list->first = page;
	list->count++;
	list->weight += node->weight;
}

/* Before `before`, that is on its more recent side; NONE: at the last place. */
static inline void
policy_list_insert(const StrataPolicyNodes *nodes, PolicyList *list, int link, uint32_t page,
				   StrataPolicyNode *node, uint32_t before)
{
	uint32_t prev = before == STRATA_POLICY_NONE ? list->last : policy_node(nodes, before)->link[link].prev;

	node->link[link].prev = prev;
	node->link[link].next = before;
	if (prev != STRATA_POLICY_NONE)
		policy_node(nodes, prev)->link[link].next = page;
	else
		list->first = page;
	if (before != STRATA_POLICY_NONE)
		policy_node(nodes, before)->link[link].prev = page;
	else
		list->last = page;
	list->count++;
	list->weight += node->weight;
}

static inline void
policy_list_take(const StrataPolicyNodes *nodes, PolicyList *list, int link, StrataPolicyNode *node)
{
	StrataPolicyLink at = node->link[link];

	if (at.prev != STRATA_POLICY_NONE)
		policy_node(nodes, at.prev)->link[link].next = at.next;
	else
		list->first = at.next;
	if (at.next != STRATA_POLICY_NONE)
		policy_node(nodes, at.next)->link[link].prev = at.prev;
	else
		list->last = at.prev;
	list->count--;
	list->weight -= node->weight;
}

static inline void
policy_list_refresh(const StrataPolicyNodes *nodes, PolicyList *list, int link, uint32_t page,
					StrataPolicyNode *node)
{
	if (list->first == page)
		return;
	policy_list_take(nodes, list, link, node);
	policy_list_push_first(nodes, list, link, page, node);
}

/* The page nearest to the last place that may leave; NONE: none may. */
static inline uint32_t
policy_list_leaver(StrataPolicy *p, const StrataPolicyNodes *nodes, const PolicyList *list, int link,
				   StrataPolicyMay may, void *may_arg)
{
	for (uint32_t page = list->last; page != STRATA_POLICY_NONE;
		 page = policy_node(nodes, page)->link[link].prev)
	{
		p->examined++;
		if (may(may_arg, page))
			return page;
	}
	return STRATA_POLICY_NONE;
}

/* NULL, or what is wrong with the links and sums of a list whose nodes all say `tag` in node->list (0: any).
 */
static inline const char *
policy_list_check(const StrataPolicyNodes *nodes, const PolicyList *list, int link, uint8_t tag)
{
	uint64_t count = 0, weight = 0;
	uint32_t prev = STRATA_POLICY_NONE;

	for (uint32_t page = list->first; page != STRATA_POLICY_NONE;
		 page = policy_node(nodes, page)->link[link].next)
	{
		const StrataPolicyNode *node = policy_node(nodes, page);

		if (++count > list->count)
			return "a list is longer than its count";
		if (node->link[link].prev != prev)
			return "a link back does not match";
		if (tag != 0 && node->list != tag)
			return "a page of a list says that it is elsewhere";
		if (node->weight == 0)
			return "a known page weighs nothing";
		weight += node->weight;
		prev = page;
	}
	if (prev != list->last)
		return "the last page of a list is not its last";
	if (count != list->count)
		return "a list is shorter than its count";
	if (weight != list->weight)
		return "the weight of a list is not the sum of its pages";
	return NULL;
}

/* The policy knows the page no more. */
static inline void
policy_forget(StrataPolicyNode *node)
{
	memset(node, 0, sizeof(*node));
}

#endif
