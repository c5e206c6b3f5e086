/*
 * buddy.c - buddy allocator over page numbers.  The idea is in buddy.h.
 */
#include "alloc/buddy.h"

/* Largest k with 2^k <= n; n > 0. */
static inline uint32_t
buddy_floor_log2(uint32_t n)
{
	return 31 - (uint32_t)__builtin_clz(n);
}

/* Smallest k with 2^k >= n; n > 0. */
static inline uint32_t
buddy_ceil_log2(uint32_t n)
{
	return n == 1 ? 0 : buddy_floor_log2(n - 1) + 1;
}

/* Words of the bitmap of one order. */
static inline size_t
buddy_order_words(uint32_t npages, uint32_t order)
{
	return ((npages >> order) + 63) / 64;
}

static inline bool
buddy_get(const StrataBuddy *b, uint32_t order, uint32_t block)
{
	return b->words[b->first_word[order] + block / 64] >> (block % 64) & 1;
}

/* Marks a block free, without looking at its buddy. */
static inline void
buddy_set(StrataBuddy *b, uint32_t order, uint32_t block)
{
	b->words[b->first_word[order] + block / 64] |= UINT64_C(1) << (block % 64);
	b->nfree[order]++;
	if (block / 64 < b->hint[order])
		b->hint[order] = block / 64;
}

static inline void
buddy_clear(StrataBuddy *b, uint32_t order, uint32_t block)
{
	b->words[b->first_word[order] + block / 64] &= ~(UINT64_C(1) << (block % 64));
	b->nfree[order]--;
}

/* Lowest free block of an order that has one. */
static uint32_t
buddy_first(StrataBuddy *b, uint32_t order)
{
	const uint64_t *words = b->words + b->first_word[order];
	size_t w = b->hint[order];

	while (words[w] == 0)
		w++;
	b->hint[order] = w;
	return (uint32_t)(w * 64 + (size_t)__builtin_ctzll(words[w]));
}

/* Gives back one aligned block, merging it with its buddy for as long as that one is free as a whole. */
static void
buddy_free_block(StrataBuddy *b, uint32_t page, uint32_t order)
{
	uint32_t block = page >> order;

	while (order + 1 < b->norders && (block ^ 1) < (b->npages >> order) && buddy_get(b, order, block ^ 1))
	{
		buddy_clear(b, order, block ^ 1);
		block >>= 1;
		order++;
	}
	buddy_set(b, order, block);
}

/* Gives back any run of pages: the fewest aligned blocks that make it up. */
static void
buddy_free_run(StrataBuddy *b, uint32_t page, uint32_t n)
{
	b->free_pages += n;
	while (n > 0)
	{
		uint32_t order = buddy_floor_log2(n);

		if (page != 0 && (uint32_t)__builtin_ctz(page) < order)
			order = (uint32_t)__builtin_ctz(page);
		buddy_free_block(b, page, order);
		page += UINT32_C(1) << order;
		n -= UINT32_C(1) << order;
	}
}

/*
 * Does any free block overlap the run?  Either a free block of some order covers its first page, or a free
 * block begins inside it.  Looks at every block of every order in the run: about 2n bits, read by words.
 */
static bool
buddy_overlaps_free(const StrataBuddy *b, uint32_t page, uint32_t n)
{
	for (uint32_t order = 0; order < b->norders; order++)
	{
		uint32_t first = page >> order;
		uint32_t last = (page + n - 1) >> order;
		uint32_t nblocks = b->npages >> order;

		for (uint32_t block = first; block <= last && block < nblocks;)
		{
			uint64_t word = b->words[b->first_word[order] + block / 64] >> (block % 64);
			uint32_t left = 64 - block % 64;

			if (last - block + 1 < left)
				word &= (UINT64_C(1) << (last - block + 1)) - 1;
			if (word != 0)
				return true;
			block += left;
		}
	}
	return false;
}

size_t
strata_buddy_words(uint32_t npages)
{
	size_t words = 0;

	for (uint32_t order = 0; order < STRATA_BUDDY_ORDERS && (npages >> order) > 0; order++)
		words += buddy_order_words(npages, order);
	return words;
}

void
strata_buddy_init(StrataBuddy *b, uint32_t npages, uint64_t *zeroed_words)
{
	size_t word = 0;

	*b = (StrataBuddy){.npages = npages, .words = zeroed_words};
	for (uint32_t order = 0; order < STRATA_BUDDY_ORDERS && (npages >> order) > 0; order++)
	{
		b->first_word[order] = word;
		word += buddy_order_words(npages, order);
		b->norders = order + 1;
	}
}

/* Takes the first n pages of a free block of that order. */
static uint32_t
buddy_take(StrataBuddy *b, uint32_t order, uint32_t block, uint32_t n)
{
	uint32_t page = block << order;
	uint32_t size = UINT32_C(1) << order;

	buddy_clear(b, order, block);
	b->free_pages -= size;
	/* Splitting and trimming are one thing: what lies behind the request goes back. */
	if (size > n)
		buddy_free_run(b, page + n, size - n);
	return page;
}

uint32_t
strata_buddy_alloc(StrataBuddy *b, uint32_t n)
{
	uint32_t order;

	if (n == 0 || n > b->free_pages)
		return STRATA_BUDDY_NONE;
	for (order = buddy_ceil_log2(n); order < b->norders && b->nfree[order] == 0; order++)
		;
	if (order >= b->norders)
		return STRATA_BUDDY_NONE;
	return buddy_take(b, order, buddy_first(b, order), n);
}

uint32_t
strata_buddy_alloc_cheapest(StrataBuddy *b, uint32_t n, uint32_t tries,
							uint32_t (*cost)(void *arg, uint32_t page, uint32_t n), void *arg)
{
	uint32_t best_order = 0, best_block = 0, best_cost = UINT32_MAX;

	if (n == 0 || n > b->free_pages)
		return STRATA_BUDDY_NONE;
	for (uint32_t order = buddy_ceil_log2(n); order < b->norders && tries > 0 && best_cost > 0; order++)
	{
		const uint64_t *words = b->words + b->first_word[order];
		uint32_t left = b->nfree[order] < tries ? b->nfree[order] : tries;

		tries -= left;
		if (left == 0)
			continue;
		for (size_t w = buddy_first(b, order) / 64; left > 0; w++)
			for (uint64_t bits = words[w]; bits != 0 && left > 0; bits &= bits - 1, left--)
			{
				uint32_t block = (uint32_t)(w * 64 + (size_t)__builtin_ctzll(bits));
				uint32_t c = cost(arg, block << order, n);

				if (c < best_cost)
				{
					best_cost = c;
					best_order = order;
					best_block = block;
				}
				if (c == 0)
					left = 1;
			}
	}
	return best_cost == UINT32_MAX ? STRATA_BUDDY_NONE : buddy_take(b, best_order, best_block, n);
}

bool
strata_buddy_free(StrataBuddy *b, uint32_t page, uint32_t n)
{
	if (n == 0 || page >= b->npages || n > b->npages - page || buddy_overlaps_free(b, page, n))
		return false;
	buddy_free_run(b, page, n);
	return true;
}

bool
strata_buddy_covers(const StrataBuddy *b, uint32_t page, uint32_t order)
{
	for (; order < b->norders; order++)
		if ((page >> order) < (b->npages >> order) && buddy_get(b, order, page >> order))
			return true;
	return false;
}

uint32_t
strata_buddy_largest(const StrataBuddy *b)
{
	for (uint32_t order = b->norders; order-- > 0;)
		if (b->nfree[order] > 0)
			return UINT32_C(1) << order;
	return 0;
}
