/*
 * buddy_test.c - the buddy allocator against a plain map of who owns each page.
 */
#include <stdlib.h>

#include "alloc/buddy.h"
#include "tap.h"

#define MAX_BLOCKS 4096

typedef struct Block
{
	uint32_t page, n;
} Block;

static uint64_t seed;

static uint32_t
rnd(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)((seed >> 11) % below);
}

/* Every free block lies inside, overlaps no other and no owned page; their pages add up. */
static const char *
check_bitmaps(const StrataBuddy *b, const uint8_t *owned)
{
	uint8_t *seen = calloc(b->npages, 1);
	uint64_t total = 0;
	const char *wrong = NULL;

	for (uint32_t order = 0; order < b->norders; order++)
	{
		uint32_t count = 0;

		for (uint32_t block = 0; block < (b->npages >> order); block++)
		{
			if (!(b->words[b->first_word[order] + block / 64] >> (block % 64) & 1))
				continue;
			count++;
			for (uint32_t p = block << order; p < (block + 1) << order; p++)
			{
				if (owned[p])
					wrong = "a page is owned and free";
				if (seen[p]++)
					wrong = "a page is free twice";
				total++;
			}
			if ((block ^ 1) < (b->npages >> order) && order + 1 < b->norders &&
				(b->words[b->first_word[order] + (block ^ 1) / 64] >> ((block ^ 1) % 64) & 1))
				wrong = "two free buddies were not merged";
		}
		if (count != b->nfree[order])
			wrong = "a count of free blocks is wrong";
	}
	if (total != b->free_pages)
		wrong = "free_pages is wrong";
	for (uint32_t p = 0; p < b->npages; p++)
		if (!owned[p] && !seen[p])
			wrong = "a page is neither owned nor free";
	free(seen);
	return wrong;
}

/* Random requests and frees over npages pages, checked after every one. */
static void
property(uint32_t npages, uint32_t largest, int steps)
{
	StrataBuddy b;
	uint64_t *words = calloc(strata_buddy_words(npages) + 1, sizeof(uint64_t));
	uint8_t *owned = calloc(npages, 1);
	static Block blocks[MAX_BLOCKS];
	uint32_t nblocks = 0, used = 0, initial_largest;
	const char *wrong = NULL;

	words[strata_buddy_words(npages)] = UINT64_C(0xdeadbeefdeadbeef);
	strata_buddy_init(&b, npages, words);
	if (!strata_buddy_free(&b, 0, npages))
		wrong = "the first free failed";
	initial_largest = strata_buddy_largest(&b);
	for (int step = 0; step < steps && !wrong; step++)
	{
		if (nblocks == 0 || (nblocks < MAX_BLOCKS && rnd(100) < (step / 500 % 2 ? 40 : 60)))
		{
			uint32_t n = 1 + rnd(rnd(4) == 0 ? largest : 8);
			uint32_t page = strata_buddy_alloc(&b, n);

			if (page == STRATA_BUDDY_NONE)
			{
				if (strata_buddy_largest(&b) >= n)
					wrong = "a request that fits was refused";
				continue;
			}
			if (page + n > npages)
				wrong = "a block lies outside";
			for (uint32_t p = page; p < page + n && !wrong; p++)
				if (owned[p]++)
					wrong = "a page was handed out twice";
			blocks[nblocks++] = (Block){page, n};
			used += n;
		}
		else
		{
			uint32_t i = rnd(nblocks);

			for (uint32_t p = blocks[i].page; p < blocks[i].page + blocks[i].n; p++)
				owned[p] = 0;
			if (!strata_buddy_free(&b, blocks[i].page, blocks[i].n))
				wrong = "a free failed";
			else if (strata_buddy_free(&b, blocks[i].page, blocks[i].n))
				wrong = "a second free was accepted";
			used -= blocks[i].n;
			blocks[i] = blocks[--nblocks];
		}
		if (!wrong && used + b.free_pages != npages)
			wrong = "used + free is not everything";
		if (!wrong && step % 7 == 0)
			wrong = check_bitmaps(&b, owned);
	}
	for (uint32_t i = 0; i < nblocks && !wrong; i++)
		if (!strata_buddy_free(&b, blocks[i].page, blocks[i].n))
			wrong = "a last free failed";
	if (!wrong && (b.free_pages != npages || strata_buddy_largest(&b) != initial_largest))
		wrong = "the end is not one coalesced whole";
	if (words[strata_buddy_words(npages)] != UINT64_C(0xdeadbeefdeadbeef))
		wrong = "the bitmaps overran their words";
	ok(wrong == NULL, "%u pages, requests up to %u: %s", npages, largest, wrong ? wrong : "sound");
	free(words);
	free(owned);
}

/* Pages that begin at an odd multiple of 8 cost nothing, all others one each: where would a run lie best? */
static uint32_t
odd_cost(void *arg, uint32_t page, uint32_t n)
{
	++*(uint32_t *)arg;
	return page / 8 % 2 == 1 && n <= 8 ? 0 : n;
}

/* The cheapest of the blocks looked at, and no more looks than allowed. */
static void
cheapest(void)
{
	StrataBuddy b;
	uint64_t words[64] = {0};
	uint32_t looks = 0;

	strata_buddy_init(&b, 256, words);
	strata_buddy_free(&b, 0, 8);
	strata_buddy_free(&b, 16, 8);
	strata_buddy_free(&b, 40, 8);
	strata_buddy_free(&b, 64, 64);
	is_int(strata_buddy_alloc_cheapest(&b, 8, 16, odd_cost, &looks), 40, "the block that costs nothing");
	is_int(looks, 3, "ends the search");
	looks = 0;
	is_int(strata_buddy_alloc_cheapest(&b, 8, 2, odd_cost, &looks), 0, "the first of equals");
	is_int(looks, 2, "no more than so many are looked at");
	looks = 0;
	is_int(strata_buddy_alloc_cheapest(&b, 8, 1, odd_cost, &looks), 16, "best-fitting ones first");
	is_int(strata_buddy_alloc_cheapest(&b, 65, 16, odd_cost, &looks), STRATA_BUDDY_NONE,
		   "none is large enough");
	is_int(strata_buddy_alloc_cheapest(&b, 30, 16, odd_cost, &looks), 64, "a larger one is cut");
	is_int(b.free_pages, 64 - 30, "and its tail comes back");
	is_int(strata_buddy_alloc(&b, 2), 94, "in blocks of its own");
}

/*
 * The bound of buddy.h: a request of n pages is served whenever the runs in use, each counted once for every
 * block of B pages that it needs, are fewer than the blocks of B pages.
 */
static void
fragmentation(uint32_t npages, uint32_t largest, int steps)
{
	StrataBuddy b;
	uint64_t *words = calloc(strata_buddy_words(npages), sizeof(uint64_t));
	static Block blocks[MAX_BLOCKS];
	uint32_t nblocks = 0;
	int decided = 0, refused = 0;
	const char *wrong = NULL;

	strata_buddy_init(&b, npages, words);
	strata_buddy_free(&b, 0, npages);
	for (int step = 0; step < steps && !wrong; step++)
	{
		uint32_t n = 1 + rnd(rnd(3) == 0 ? largest : 4);
		uint32_t B = 1, counted = 0, page;

		while (B < n)
			B *= 2;
		for (uint32_t i = 0; i < nblocks; i++)
			counted += (blocks[i].n + B - 1) / B;
		page = strata_buddy_alloc(&b, n);
		decided += counted < npages / B && counted > 0;
		refused += page == STRATA_BUDDY_NONE;
		if (page == STRATA_BUDDY_NONE && counted < npages / B)
			wrong = "a request within the bound was refused";
		if (page != STRATA_BUDDY_NONE)
		{
			if (page % B != 0)
				wrong = "a run does not begin at a multiple of its power of two";
			blocks[nblocks++] = (Block){page, n};
		}
		while (nblocks > 0 && (nblocks == MAX_BLOCKS || rnd(100) < (page == STRATA_BUDDY_NONE ? 90 : 30)))
		{
			uint32_t i = rnd(nblocks);

			strata_buddy_free(&b, blocks[i].page, blocks[i].n);
			blocks[i] = blocks[--nblocks];
		}
	}
	ok(wrong == NULL && decided > 0 && refused > 0,
	   "%u pages, requests up to %u: %s (%d within the bound, %d refused)", npages, largest,
	   wrong ? wrong : "the bound holds", decided, refused);
	free(words);
}

/* The worst case is reached: one page in use in every block of B leaves nothing for n, and one fewer is
 * enough. */
static void
worst_case(uint32_t npages, uint32_t B)
{
	StrataBuddy b;
	uint64_t *words = calloc(strata_buddy_words(npages), sizeof(uint64_t));

	strata_buddy_init(&b, npages, words);
	for (uint32_t page = 0; page < npages; page += B)
		strata_buddy_free(&b, page, B - 1);
	is_int(b.free_pages, npages - npages / B, "%u pages, one of every %u in use", npages, B);
	is_int(strata_buddy_alloc(&b, B / 2 + 1), STRATA_BUDDY_NONE, "leave nothing for %u", B / 2 + 1);
	strata_buddy_free(&b, B - 1, 1);
	is_int(strata_buddy_alloc(&b, B), 0, "one fewer leaves room for %u", B);
	free(words);
}

/* Small cases whose results are known by hand. */
static void
by_hand(void)
{
	StrataBuddy b;
	uint64_t words[16] = {0};

	strata_buddy_init(&b, 64, words);
	is_int(strata_buddy_alloc(&b, 1), STRATA_BUDDY_NONE, "nothing is free at first");
	ok(strata_buddy_free(&b, 0, 64), "all pages go in");
	is_int(strata_buddy_largest(&b), 64, "as one block");
	is_int(strata_buddy_alloc(&b, 33), 0, "33 of 64");
	is_int(b.free_pages, 31, "the tail came back");
	is_int(strata_buddy_alloc(&b, 1), 33, "the best-fitting block is used first");
	is_int(strata_buddy_largest(&b), 16, "16 pages are left in one block");
	is_int(strata_buddy_alloc(&b, 17), STRATA_BUDDY_NONE, "17 do not fit");
	ok(strata_buddy_covers(&b, 48, 4), "48..63 is free");
	ok(strata_buddy_covers(&b, 50, 1), "so is 50..51");
	ok(!strata_buddy_covers(&b, 32, 0), "32 is not");
	ok(!strata_buddy_free(&b, 33, 2), "a run that holds a free page is refused");
	ok(!strata_buddy_free(&b, 60, 8), "a run past the end is refused");
	ok(!strata_buddy_free(&b, 0, 0), "an empty run is refused");
	ok(strata_buddy_free(&b, 0, 33), "33 back");
	ok(strata_buddy_free(&b, 33, 1), "1 back");
	is_int(strata_buddy_largest(&b), 64, "one block again");
}

int
main(void)
{
	by_hand();
	cheapest();
	worst_case(4096, 2);
	worst_case(4096, 64);
	seed = 4;
	fragmentation(512, 64, 20000);
	fragmentation(1000, 200, 20000);
	fragmentation(4096, 1024, 20000);
	for (seed = 1; seed <= 3; seed++)
	{
		uint64_t keep = seed;

		property(1, 1, 100);
		property(63, 20, 3000);
		property(64, 64, 3000);
		property(1000, 200, 6000);
		property(4096, 1500, 6000);
		property(5001, 37, 6000);
		seed = keep;
	}
	return tap_done();
}
