/*
 * buddy.h - buddy allocator over page numbers 0..n-1: which pages of the region are free.
 *
 * Included by: alloc/, unit tests (plain C11; no postgres.h).
 * Memory: the caller gives one array of words for the bitmaps (strata_buddy_words()), zeroed.  The pages
 * themselves are never touched, so a page that nobody asked for costs nothing.
 * Locking: the caller's; every call but strata_buddy_words() needs the same exclusive lock.
 * Not here: addresses, limits, accounting in bytes (region.c).
 *
 * One bitmap an order k, a bit for each aligned block of 2^k pages, set when exactly that block is free. That
 * is 2 bits a page in all and needs no links inside free memory, which a linked list of free blocks would
 * commit by writing to it.  (Knuth, TAOCP 1, 2.5 C, with bitmaps for the AVAIL lists.)
 *
 * Requests are not rounded up to a power of two: the smallest free block that holds the request is split, and
 * the pages behind the request's end are given back at once as smaller blocks.  A request may therefore be
 * any number of pages, and is freed by the same number; it has no header.
 *
 * Fragmentation.  Let B be n rounded up to a power of two.  A run of m <= B pages lies inside one aligned
 * block of B pages, a longer one touches ceil(m / B) of them at most, since every run begins at a multiple of
 * its own power of two.  A request of n pages therefore fails only when the runs in use, each counted ceil(m
 * / B) times, number at least floor(npages / B).  The worst case is one page in use in every block of B: all
 * but 1/B of the pages free, and none of it of use for n.  No allocator that cannot move its blocks does
 * better against an adversary; what helps is address space beyond the memory that may be used: with s times
 * as much (strata.memory_max to strata.memory, 4 by default) a request can fail for want of a block only when
 * the runs in use are shorter than B / s pages on average.
 */
#ifndef STRATA_ALLOC_BUDDY_H
#define STRATA_ALLOC_BUDDY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STRATA_BUDDY_ORDERS 32
#define STRATA_BUDDY_NONE	UINT32_MAX

typedef struct StrataBuddy
{
	uint32_t npages;
	uint32_t norders;						/* orders in use: 0 .. norders - 1 */
	uint32_t free_pages;					/* sum over all free blocks */
	uint32_t nfree[STRATA_BUDDY_ORDERS];	/* free blocks of each order */
	size_t first_word[STRATA_BUDDY_ORDERS]; /* of the order's bitmap in words[] */
	size_t hint[STRATA_BUDDY_ORDERS]; /* no bit is set in words before this one (counted in the order) */
	uint64_t *words;
} StrataBuddy;

/* Words that the bitmaps of npages pages take. */
extern size_t strata_buddy_words(uint32_t npages);
/* All pages in use; strata_buddy_free() them to begin. */
extern void strata_buddy_init(StrataBuddy *b, uint32_t npages, uint64_t *zeroed_words);
/* First of n consecutive pages, lowest address first among the best-fitting blocks; STRATA_BUDDY_NONE. */
extern uint32_t strata_buddy_alloc(StrataBuddy *b, uint32_t n);
/*
 * The same, but of the first `tries` free blocks that would do (best-fitting first, then by address) takes
 * the one for which cost(arg, page, n) is least, the first with cost 0 at once.
 */
extern uint32_t strata_buddy_alloc_cheapest(StrataBuddy *b, uint32_t n, uint32_t tries,
											uint32_t (*cost)(void *arg, uint32_t page, uint32_t n),
											void *arg);
/* False, and nothing done, when one of the pages is free already or does not exist. */
extern bool strata_buddy_free(StrataBuddy *b, uint32_t page, uint32_t n);
/* Are all of the 2^order pages at `page` (aligned) free as one block? */
extern bool strata_buddy_covers(const StrataBuddy *b, uint32_t page, uint32_t order);
/* Pages of the largest free block: the largest request that would be served. */
extern uint32_t strata_buddy_largest(const StrataBuddy *b);

#endif
