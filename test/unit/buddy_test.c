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
