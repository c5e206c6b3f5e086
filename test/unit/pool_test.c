/*
 * pool_test.c - the page pool: each promise of pool.h alone, and all of them at once by several processes.
 *
 * Compiled in are the pool's own .c files, with assertions; policies and buddy allocator are linked.  Stood
 * in: PostgreSQL (server.h), region, ring and files (pool_server.h).  page_state_test.c is the exhaustive
 * check of what these tests meet by chance.
 */
#define USE_ASSERT_CHECKING 1
#include "server.h"

/* Small, so that stores of these tests take several and reach the end. */
#define POOL_COLD_EXTENT  ((Size)8 << 20)
#define POOL_COLD_EXTENTS 16
#include "pool_server.h"
#include "tap.h"

static const StrataPageTag no_tag = {1, 2, 3, 4};

static uint64 seed = 88172645463325252;

static uint32
rnd(uint32 below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32)((seed >> 11) % below);
}

/* ---- pages with a content that tells whose it is ---- */

/* Every third page compresses well. */
static uint64
word_of(uint64 salt, uint32 i)
{
	uint64 x = salt * UINT64CONST(0x9e3779b97f4a7c15) + (salt % 3 == 0 ? i / 512 : i);

	x ^= x >> 31;
	x *= UINT64CONST(0xbf58476d1ce4e5b9);
	return x ^ x >> 29;
}

static void
fill(char *image, uint64 salt, uint32 bytes)
{
	uint64 *words = (uint64 *)image;

	words[0] = salt;
	words[1] = bytes;
	for (uint32 i = 2; i < bytes / 8; i++)
		words[i] = word_of(salt, i);
}

static bool
right(const char *image, uint64 salt)
{
	const uint64 *words = (const uint64 *)image;

	if (words[0] != salt || words[1] < 16)
		return false;
	for (uint32 i = 2; i < words[1] / 8; i++)
		if (words[i] != word_of(salt, i))
			return false;
	return true;
}

static StrataPageId
make(uint64 salt, uint32 bytes)
{
	void *image;
	StrataPageId id = strata_pool_create(bytes, &no_tag, &image);

	if (id != STRATA_PAGE_NONE)
	{
		fill(image, salt, bytes);
		strata_pool_unpin(id);
	}
	return id;
}

/* Pins, looks and unpins. */
static StrataPinResult
look(StrataPageId id, uint64 salt, bool *content)
{
	StrataPinResult result;
	const char *image = strata_pool_pin(id, &result);

	*content = image != NULL && right(image, salt);
	if (image != NULL)
		strata_pool_unpin(id);
	return result;
}

static bool
reads(StrataPageId id, uint64 salt)
{
	bool content;

	return look(id, salt, &content) == STRATA_PIN_OK && content;
}

static StrataTier
tier_of(StrataPageId id)
{
	StrataTier tier = 99;
	Size memory;

	strata_pool_where(id, &tier, &memory);
	return tier;
}

/* ---- what is so whenever nobody works ---- */

static const char *
check_pool(void)
{
	uint64 pages[3] = {0}, held[3] = {0}, image_bytes[3] = {0}, dirty = 0, dirty_frames = 0, cold = 0;
	uint32 numbers = pool_numbers();
	uint32 extents = pg_atomic_read_u32(&pool->cold_extents);
	const char *said;

	for (uint32 number = 1; number < numbers; number++)
	{
		PoolPage *page = pool_page(number);
		uint64 s = pg_atomic_read_u64(&page->state);
		int t = (int)(pool_state_tier(s) >> POOL_TIER_SHIFT) - 1;

		if (t < 0)
		{
			if (s & ~(~UINT64CONST(0) << POOL_VERSION_SHIFT))
				return "a free number with marks";
			if (page->cold_at != POOL_COLD_NOWHERE || page->listed || page->resident)
				return "a free number that has something";
			continue;
		}
		if (s & (POOL_BUSY | POOL_WRITING | POOL_CLAIM | POOL_DOOMED))
			return "a mark is left behind";
		if (page->resident != (t == STRATA_TIER_HOT))
			return "resident and hot differ";
		if (((page->listed >> POOL_LIST_WARM) & 1) != (t == STRATA_TIER_WARM))
			return "the list of warm pages is wrong";
		if (((page->listed >> POOL_LIST_DIRTY) & 1) != ((s & POOL_DIRTY) != 0))
			return "the list of dirty pages is wrong";
		if (!(s & POOL_DIRTY) && page->cold_at == POOL_COLD_NOWHERE)
			return "a clean page that the cold file does not have";
		pages[t]++;
		held[t] += pool_frames_now(s, page);
		image_bytes[t] += page->bytes;
		if (s & POOL_DIRTY)
		{
			dirty++;
			dirty_frames += pool_frames_now(s, page);
		}
		if (page->cold_at != POOL_COLD_NOWHERE)
			cold += pool_frames_of(page->cold_bytes);
	}
	for (int t = 0; t < 3; t++)
		if (pages[t] != pg_atomic_read_u64(&pool->tier[t].pages) ||
			held[t] != pg_atomic_read_u64(&pool->tier[t].frames) ||
			image_bytes[t] != pg_atomic_read_u64(&pool->tier[t].image_bytes))
			return "the figures of a tier are wrong";
	if (dirty != pg_atomic_read_u64(&pool->dirty_pages) || dirty != pool->list[POOL_LIST_DIRTY].count)
		return "the count of dirty pages is wrong";
	if (dirty_frames != pg_atomic_read_u64(&pool->dirty_frames))
		return "the count of dirty frames is wrong";
	if (cold != pg_atomic_read_u64(&pool->cold_used_frames))
		return "space of the cold file leaks";
	if (extents < POOL_COLD_EXTENTS && (uint64)extents * cold_extent_frames() < cold_wanted())
		return "the cold file has no room for what is in memory";
	if (held[0] != pool->policy.resident)
		return "the policy counts other frames";
	said = strata_policy_ops(pool->policy.kind)->check(&pool->policy, &pool_nodes);
	if (said != NULL)
		return said;
	if (pg_atomic_read_u64(&pool->held_frames) * FRAME != frames->used - frames->others)
		return "frames leak";
	if (frames->faults)
		return "frames were freed twice";
	if (frames->used > frames->limit)
		return "over the limit";
	if (server_locks_held || InterruptHoldoffCount)
		return "a lock or the interrupts are held";
	return NULL;
}

static void
check_ok(const char *name)
{
	const char *said = check_pool();

	ok(said == NULL, "%s: %s", name, said ? said : "all adds up");
}

/* ---- one process ---- */

static void
test_life(void)
{
	StrataPinResult result;
	StrataPageId id, again;
	StrataPageInfo info;
	const void *image;
	void *fresh;

	pool_begin(4 * 1024 * 1024);
	id = strata_pool_create(20000, &no_tag, &fresh);
	ok((int64)id > 0, "a page id is positive");
	ok(strata_pool_pin(id, &result) == NULL && result == STRATA_PIN_GONE,
	   "nobody may pin it before it is filled");
	fill(fresh, 7, 20000);
	is_int(strata_pool_flush(10, NULL), 0, "nor is it written");
	strata_pool_unpin(id);
	image = strata_pool_pin(id, &result);
	ok(image == fresh && right(image, 7), "pinned where it was made");
	ok(strata_pool_page(id, &info) && info.pins == 1 && info.frames == 3 && info.frames_now == 3 &&
		   info.dirty && !info.on_disk && info.bytes == 20000 && info.tag.attnum == 4 &&
		   info.policy_state != NULL,
	   "and described");
	strata_pool_drop(id);
	ok(right(image, 7), "dropped while pinned, it stays");
	ok(strata_pool_pin(id, &result) == NULL && result == STRATA_PIN_GONE, "but takes no new pin");
	ok(!strata_pool_page(id, &info), "and is not shown");
	strata_pool_unpin(id);
	is_int(pg_atomic_read_u64(&pool->tier[0].pages), 0, "the last unpin frees it");
	strata_pool_drop(id);
	again = make(8, 100);
	is_int(pool_id_number(again), pool_id_number(id), "its number is used again");
	ok(again != id && strata_pool_pin(id, &result) == NULL && result == STRATA_PIN_GONE,
	   "with another version");
	ok(strata_pool_pin(0, &result) == NULL && result == STRATA_PIN_GONE, "no page 0");
	ok(strata_pool_pin(UINT64CONST(0x7fffffffffffffff), &result) == NULL && result == STRATA_PIN_GONE,
	   "nor one of any odd number");
	is_int(strata_pool_create(0, &no_tag, &fresh), 0, "no empty page");
	is_int(strata_pool_create((Size)2 << 30, &no_tag, &fresh), 0,
		   "nor one larger than an extent of the cold file");
	is_int(make(9, 8 * 1024 * 1024), 0, "nor one larger than the pool");
	is_int(tier_of(again), STRATA_TIER_HOT, "for which nothing is evicted");
	check_ok("life");
	pool_end();
}

#define N 300

static StrataPageId ids[N];

static bool
all_read(int n)
{
	for (int i = 0; i < n; i++)
		if (ids[i] != 0 && !reads(ids[i], i + 1))
			return false;
	return true;
}

static void
make_all(int n, uint32 bytes)
{
	for (int i = 0; i < n; i++)
		ids[i] = make(i + 1, bytes);
}

static bool
all_made(int n)
{
	for (int i = 0; i < n; i++)
		if (ids[i] == 0)
			return false;
	return true;
}

/* A store four times the pool, under each policy. */
static void
test_tiers(StrataPolicyKind kind, double warm_ratio, const char *name)
{
	StrataPoolStats s;
	bool seen_warm = false;

	pool_begin(4 * 1024 * 1024);
	strata_eviction_policy = kind;
	strata_warm_ratio = warm_ratio;
	strata_pool_apply_settings();
	make_all(N, 56000);
	ok(all_made(N), "%s: %d pages of 7 frames in 512 frames", name, N);
	for (int round = 0; round < 3; round++)
	{
		ok(all_read(N), "%s: all are read back, round %d", name, round);
		for (int i = 0; i < N; i++)
			seen_warm |= tier_of(ids[i]) == STRATA_TIER_WARM;
	}
	for (int i = 0; i < 2000; i++)
	{
		int page = rnd(4) == 0 ? rnd(N) : rnd(20);

		if (!reads(ids[page], page + 1))
			break;
	}
	is_int(seen_warm, warm_ratio > 0, "%s: warm pages there %s", name, warm_ratio > 0 ? "are" : "are not");
	strata_pool_stats(&s);
	ok(s.used_frames <= s.total_frames && s.evictions > 0 && s.page_reads > 0 && s.page_writes > 0 &&
		   s.misses > 0,
	   "%s: figures", name);
	ok(s.tier[1].frames <= warm_ratio * s.total_frames, "%s: strata.warm_ratio is obeyed", name);
	check_ok(name);
	for (int i = 0; i < N; i++)
		strata_pool_drop(ids[i]);
	is_int(pg_atomic_read_u64(&pool->cold_used_frames), 0,
		   "%s: the cold file is empty when all pages are gone", name);
	ok(strata_pool_trim_cold() > 0, "%s: and gives its space back", name);
	check_ok("dropped");
	strata_warm_ratio = 0.25;
	strata_eviction_policy = STRATA_POLICY_ARC;
	pool_end();
}

static void
test_hot_ratio(void)
{
	bool obeyed = true;

	pool_begin(4 * 1024 * 1024);
	strata_hot_ratio = 0.3;
	strata_pool_apply_settings();
	for (int i = 0; i < N; i++)
	{
		ids[i] = make(i + 1, 24000);
		obeyed &= pg_atomic_read_u64(&pool->tier[0].frames) <= hot_limit();
	}
	ok(obeyed && all_made(N), "strata.hot_ratio is obeyed after every create");
	for (int i = 0; i < N; i++)
	{
		obeyed &= reads(ids[i], i + 1);
		obeyed &= pg_atomic_read_u64(&pool->tier[0].frames) <= hot_limit();
	}
	ok(obeyed, "and after every load");
	strata_hot_ratio = 1;
	strata_pool_apply_settings();
	all_read(N);
	ok(pg_atomic_read_u64(&pool->tier[0].frames) > 400, "raised, the pool fills");
	strata_hot_ratio = 0.1;
	strata_warm_ratio = 0.05;
	strata_pool_apply_settings();
	ok(pg_atomic_read_u64(&pool->tier[0].frames) <= hot_limit(), "lowered, the pool empties");
	ok(pg_atomic_read_u64(&pool->tier[1].frames) <= warm_limit(), "of warm pages, too");
	check_ok("ratios");
	strata_hot_ratio = 1;
	strata_warm_ratio = 0.25;
	pool_end();
}

static void
test_pinned(void)
{
	StrataPinResult result;
	int pinned = 0;

	pool_begin(2 * 1024 * 1024);
	server_pool_failures = 0;
	make_all(100, 64 * 1024);
	is_int(server_pool_failures, 0, "a request that is served after an eviction is no failure");
	for (int i = 0; i < 100; i++)
		if (strata_pool_pin(ids[i], &result) == NULL)
		{
			is_int(result, STRATA_PIN_NO_MEMORY, "with %d pages pinned there is no memory", i);
			break;
		}
		else
			pinned++;
	ok(pinned >= 20, "nearly all of the pool can be pinned");
	is_int(server_pool_failures, 1, "which counts as a failure");
	is_int(make(1000, 64 * 1024), 0, "nothing can be made then");
	is_int(server_pool_failures, 2, "which is another");
	for (int i = 0; i < pinned; i++)
		ok(right(pool_page(pool_id_number(ids[i]))->image, i + 1), "a pinned page is not touched");
	for (int i = 0; i < pinned; i++)
		strata_pool_unpin(ids[i]);
	ok(all_read(100), "and all is well when they are unpinned");
	check_ok("pinned");
	pool_end();
}

static int rescues; /* rounds of eviction whose victims are all pinned before their turn */

static void
rescue(LWLock *lock)
{
	bool rescued = false;
	uint64 new;

	if (lock != pool_lock || rescues == 0)
		return;
	for (uint32 number = 1; number < pool_numbers(); number++)
	{
		PoolPage *page = pool_page(number);
		uint64 s = pg_atomic_read_u64(&page->state);

		if ((s & POOL_CLAIM) && pool_state_pin(s, pool_state_version(s), &new) == POOL_PIN_TAKEN)
		{
			/* Pinned and unpinned. */
			pg_atomic_write_u64(&page->state, new - 1);
			rescued = true;
		}
	}
	rescues -= rescued;
}

/* Victims that scans pin before they are moved. */
static void
test_rescue(void)
{
	pool_begin(2 * 1024 * 1024);
	strata_warm_ratio = 0;
	make_all(100, 64 * 1024);
	server_released = rescue;
	rescues = 20;
	ok(make(1000, 64 * 1024) != 0, "twenty rounds of victims are saved by pins, and the next gives room");
	is_int(rescues, 0, "they were");
	rescues = 100000;
	is_int(make(1001, 64 * 1024), 0, "when victims are saved again and again it ends some time");
	ok(rescues > 99000, "after %d rounds", 100000 - rescues);
	server_released = NULL;
	ok(all_read(100), "nothing is lost");
	check_ok("rescue");
	strata_warm_ratio = 0.25;
	pool_end();
}

/* Many wake-ups that bring nothing are no reason to give up. */
static void
test_room_wait(void)
{
	instr_time since, begin, took;
	int wakeups = 0;

	pool_begin(2 * 1024 * 1024);
	INSTR_TIME_SET_ZERO(since);
	ok(!pool_room_wait(&since), "nobody moves anything: no wait");
	pg_atomic_write_u32(&pool->moving, 1);
	INSTR_TIME_SET_CURRENT(begin);
	while (pool_room_wait(&since))
		wakeups++;
	INSTR_TIME_SET_CURRENT(took);
	INSTR_TIME_SUBTRACT(took, begin);
	ok(INSTR_TIME_GET_MILLISEC(took) >= EVICT_WAITS_MS,
	   "others move pages: waits a second, through %d wake-ups", wakeups);
	pg_atomic_write_u32(&pool->moving, 0);
	pool_end();
}

static void
test_disk_full(void)
{
	int made = 0;
	int clean;
	bool failed;
	StrataPageId id;

	pool_begin(4 * 1024 * 1024);
	strata_warm_ratio = 0;
	disk->write_errno = ENOSPC;
	server_warnings = 0;
	for (int i = 0; i < N; i++)
		if ((ids[i] = make(i + 1, 80000)) != 0)
			made++;
	ok(made >= 45 && made <= 51, "no space on disk: pages are made while there is memory (%d)", made);
	is_int(server_warnings, 1, "one warning");
	ok(strstr(server_warning, "could not write to the cold file") != NULL, "that says so: %s",
	   server_warning);
	ok(all_read(N), "nothing is lost");
	is_int(strata_pool_flush(5, &failed), 0, "nothing is flushed");
	ok(failed, "and the flusher hears of it");
	check_ok("disk full");

	disk->write_errno = 0;
	clean = strata_pool_flush(10, &failed);
	ok(clean == 10 && !failed, "space again: flushed");
	disk->write_errno = ENOSPC;
	for (int i = 0; i < 10; i++)
		if ((id = make(1000 + i, 80000)) != 0)
			strata_pool_drop(id);
	is_int(made - (int)pg_atomic_read_u64(&pool->tier[0].pages), 1,
		   "full again: a clean page leaves for a new one");
	for (int i = 0; i < 9; i++)
		ok(make(2000 + i, 80000) != 0, "clean pages leave, one after the other");
	ok(make(3000, 80000) == 0 || make(3001, 80000) == 0, "then there is no more");
	disk->write_errno = 0;
	server_now += 61 * USECS_PER_SEC;
	ok(make(4000, 80000) != 0, "space again: all goes on");
	disk->write_errno = ENOSPC;
	make(4001, 80000);
	make(4002, 80000);
	is_int(server_warnings, 2, "a minute later there is another warning");
	disk->write_errno = 0;
	ok(all_read(N), "nothing is lost");
	check_ok("disk had been full");
	strata_warm_ratio = 0.25;
	pool_end();
}

static uint64
frames_in_memory(void)
{
	return pg_atomic_read_u64(&pool->tier[STRATA_TIER_HOT].frames) +
		   pg_atomic_read_u64(&pool->tier[STRATA_TIER_WARM].frames);
}

#define MAKERS 4

/* Several processes make n pages of so many frames. */
static void
make_by_processes(int n, uint32 least, uint32 most)
{
	StrataPageId *made = server_shared(n * sizeof(StrataPageId));

	for (int p = 0; p < MAKERS; p++)
		if (fork() == 0)
		{
			server_be(p);
			server_exits = 0;
			for (int i = p; i < n; i += MAKERS)
				made[i] = make(i + 1, (least + rnd(most - least + 1)) * FRAME);
			_exit(0);
		}
	for (int p = 0; p < MAKERS; p++)
		wait(NULL);
	memcpy(ids, made, n * sizeof(StrataPageId));
}

/* strata.memory falls to a small part of what pages hold: from then on the region hands out nothing. */
static void
test_lowered(int n, uint32 least, uint32 most, int holes)
{
	StrataPageId left[2000];
	uint32 extents;
	int free = 0;

	pool_begin(52 * 1024 * 1024);
	strata_warm_ratio = 0;
	/* A file in pieces: of seven frames in eight nothing is left. */
	for (int i = 0; i < holes; i++)
		left[i] = make(N + 1 + i, FRAME);
	strata_pool_shrink(0, STRATA_TIER_COLD);
	for (int i = 0; i < holes; i++)
		if (i % 8 != 0)
			strata_pool_drop(left[i]);
	make_by_processes(n, least, most);
	ok(all_made(n) && pg_atomic_read_u64(&pool->dirty_pages) == n,
	   "%d pages of %d to %d frames are made, and none was written", n, (int)least, (int)most);
	check_ok("made");
	frames->limit = 2 * 1024 * 1024;
	server_warnings = 0;
	extents = pg_atomic_read_u32(&pool->cold_extents);
	for (uint32 i = 0; i < extents; i++)
		free += pool->cold_extent[i]->buddy.free_pages == cold_extent_frames();
	strata_pool_shrink(1024 * 1024, STRATA_TIER_COLD);
	ok(frames_in_memory() * FRAME <= 1024 * 1024,
	   "they leave for the file when the limit is lowered (%d kB stay)",
	   (int)(frames_in_memory() * FRAME / 1024));
	is_int(server_warnings, 0, "without a warning");
	ok(free >= 6, "by the extents that were there: %d of %d were empty", free, (int)extents);
	ok(frames->used <= frames->limit, "the limit is kept again");
	ok(all_read(n), "all of them are read back");
	for (int i = 0; i < holes; i += 8)
		if (!reads(left[i], N + 1 + i))
			free = 0;
	ok(free > 0, "so are those that were there before");
	check_ok("lowered");
	strata_warm_ratio = 0.25;
	pool_end();
}

/* A warm page that nobody wrote takes more place when it is hot. */
static void
test_warm_grows(void)
{
	uint32 extents;

	pool_begin(52 * 1024 * 1024);
	strata_warm_ratio = 1;
	for (int i = 0; i < 60; i++)
		ids[i] = make((i + 1) * 3, 100 * FRAME); /* these compress */
	strata_pool_shrink(400 * FRAME, STRATA_TIER_WARM);
	ok(pg_atomic_read_u64(&pool->tier[STRATA_TIER_WARM].pages) >= 56 &&
		   pg_atomic_read_u64(&pool->dirty_pages) == 60,
	   "%d pages are warm", (int)pg_atomic_read_u64(&pool->tier[STRATA_TIER_WARM].pages));
	/* What their creation had made room for. */
	extents = (uint32)(cold_wanted() / cold_extent_frames() + 1);
	while (pg_atomic_read_u32(&pool->cold_extents) > extents)
	{
		uint32 last = pg_atomic_read_u32(&pool->cold_extents) - 1;

		pg_atomic_write_u32(&pool->cold_extents, last);
		pool_table_memory_free(pool->cold_extent[last],
							   offsetof(PoolColdExtent, words) +
								   strata_buddy_words(cold_extent_frames()) * sizeof(uint64));
	}
	for (int i = 0; i < 60; i++)
		ok(reads(ids[i], (i + 1) * 3), "page %d is read", i);
	ok(pg_atomic_read_u32(&pool->cold_extents) > extents,
	   "the file has room for what they take when they are hot");
	check_ok("warm pages became hot");
	strata_warm_ratio = 0.25;
	pool_end();
}

/* No extent can be had: no page, and nothing is left behind. */
static void
test_no_extent(void)
{
	uint32 extents, room;
	int made = 0;

	pool_begin(52 * 1024 * 1024);
	disk->write_errno = ENOSPC;
	extents = pg_atomic_read_u32(&pool->cold_extents);
	room = extents * cold_extent_frames();
	while (cold_wanted() + 2 * 40 <= room && made < N)
	{
		ids[made] = make(made + 1, 40 * FRAME);
		made++;
	}
	is_int(pg_atomic_read_u32(&pool->cold_extents), extents, "%d pages need no other extent", made);
	frames->limit = frames->used;
	is_int(make(made + 1, 40 * FRAME), 0, "one more, for which there is no memory, is not made");
	is_int(pg_atomic_read_u32(&pool->cold_extents), extents, "nor is an extent");
	check_ok("no extent");
	frames->limit += 41 * FRAME;
	ids[made] = make(made + 1, 40 * FRAME);
	ok(all_made(made + 1) && all_read(made + 1), "with memory for both it is");
	is_int(pg_atomic_read_u32(&pool->cold_extents), extents + 1, "and there is another extent");
	check_ok("an extent");
	disk->write_errno = 0;
	pool_end();
}

/* The last extent is in use, as when the others are in pieces: another is made as soon as there is memory for
 * it. */
static void
test_last_extent(void)
{
	uint32 at;

	pool_begin(4 * 1024 * 1024);
	make_all(10, 80000);
	at = cold_take(cold_extent_frames() / 2 + 1);
	frames->limit = frames->used - 100 * FRAME;
	strata_pool_shrink(90 * FRAME, STRATA_TIER_COLD);
	is_int(pg_atomic_read_u32(&pool->cold_extents), 1, "over the limit no extent can be had");
	strata_pool_shrink(0, STRATA_TIER_COLD);
	frames->limit = 4 * 1024 * 1024;
	ok(reads(ids[0], 1), "a page is read");
	strata_pool_shrink(0, STRATA_TIER_COLD);
	is_int(pg_atomic_read_u32(&pool->cold_extents), 2, "an eviction that frees memory makes one");
	cold_give(at, cold_extent_frames() / 2 + 1);
	ok(all_read(10), "nothing is lost");
	check_ok("last extent");
	pool_end();
}

/* The file is as large as it gets: memory fills behind it. */
static void
test_largest(void)
{
	StrataPageId some[3000];
	int made = 0;
	int found = 0;

	pool_begin(4 * 1024 * 1024);
	strata_warm_ratio = 0;
	server_warnings = 0;
	while (made < 3000 && (some[made] = make(made + 1, 8 * FRAME)) != 0)
		made++;
	is_int(pg_atomic_read_u32(&pool->cold_extents), POOL_COLD_EXTENTS,
		   "the cold file is as large as it gets");
	is_int(pg_atomic_read_u64(&pool->tier[STRATA_TIER_COLD].pages),
		   POOL_COLD_EXTENTS * POOL_COLD_EXTENT / FRAME / 8, "and full");
	ok(frames_in_memory() > 400, "pages were made while there was memory (%d frames)",
	   (int)frames_in_memory());
	ok(server_warnings == 1 && strstr(server_warning, strerror(EFBIG)) != NULL, "one warning: %s",
	   server_warning);
	check_ok("largest file");
	for (int i = 0; i < made; i += 2)
		strata_pool_drop(some[i]);
	for (int i = 1; i < made; i += 2)
		found += reads(some[i], i + 1);
	is_int(found, made / 2, "with half of them dropped, the others are read");
	ok(make(made + 1, 8 * FRAME) != 0, "and more are made");
	check_ok("half of it");
	strata_warm_ratio = 0.25;
	pool_end();
}

static void
test_no_cold_file(void)
{
	int made = 0;
	int wrong = 0;
	bool content;

	pool_begin(4 * 1024 * 1024);
	disk->open_errno = EACCES;
	for (int i = 0; i < N; i++)
		if ((ids[i] = make(i + 1, 80000)) != 0)
			made++;
	/* Every third one compresses to next to nothing, but warm pages have their share, too. */
	ok(made >= 45 && made < 100, "the cold file cannot be made: memory fills (%d)", made);
	for (int i = 0; i < N; i++)
	{
		StrataPinResult result = ids[i] == 0 ? STRATA_PIN_OK : look(ids[i], i + 1, &content);

		/* A warm page may find no frames to be hot in. */
		wrong += ids[i] != 0 && !(result == STRATA_PIN_OK && content) &&
				 !(result == STRATA_PIN_NO_MEMORY && tier_of(ids[i]) == STRATA_TIER_WARM);
	}
	is_int(wrong, 0, "nothing is lost");
	check_ok("no cold file");
	disk->open_throws = true;
	(void)make(N + 1, 400000);
	check_ok("an error while it is opened");
	disk->open_throws = false;
	pool_end();
}

static void
test_damage(void)
{
	bool content;
	char byte;
	StrataPageId lost;
	PoolPage *page;
	off_t at;

	pool_begin(4 * 1024 * 1024);
	strata_warm_ratio = 0;
	make_all(50, 80000);
	strata_pool_shrink(0, STRATA_TIER_COLD);
	is_int(pg_atomic_read_u64(&pool->tier[2].pages), 50, "all pages are cold");
	page = pool_page(pool_id_number(ids[3]));
	at = cold_offset(page->cold_at) + 40000;
	ok(pread(disk_fd, &byte, 1, at) == 1, "a byte is read");
	byte ^= 1;
	ok(pwrite(disk_fd, &byte, 1, at) == 1, "and damaged");
	server_warnings = 0;
	is_int(look(ids[3], 4, &content), STRATA_PIN_LOST, "the page is lost");
	ok(server_warnings == 1 && strstr(server_warning, "damaged") != NULL, "with a warning: %s",
	   server_warning);
	is_int(pg_atomic_read_u64(&pool->lost_pages), 1, "and counted");
	check_ok("damage");
	disk->read_errno = EIO;
	is_int(look(ids[4], 5, &content), STRATA_PIN_LOST, "a read error loses the page as well");
	ok(strstr(server_warning, "could not read page") != NULL, "with another warning: %s", server_warning);
	disk->read_errno = 0;
	ok(reads(ids[4], 5), "when it works again, so does the page");
	ok(ftruncate(disk_fd, 100000) == 0, "the file is cut");
	lost = ids[49];
	is_int(look(lost, 50, &content), STRATA_PIN_LOST, "what was behind the cut is lost");
	for (int i = 0; i < 50; i++)
		strata_pool_drop(ids[i]);
	check_ok("all dropped");

	disk->short_transfer = 5000;
	make_all(50, 80000);
	strata_pool_shrink(0, STRATA_TIER_COLD);
	ok(all_read(50), "short reads and writes are repeated");
	disk->short_transfer = 0;
	strata_warm_ratio = 0.25;
	pool_end();
}

static int
files_in(const char *path)
{
	DIR *directory = opendir(path);
	int n = 0;

	while (readdir(directory) != NULL)
		n++;
	closedir(directory);
	return n - 2;
}

/* Several servers keep their files in one directory. */
static void
test_whose_file(void)
{
	char first[MAXPGPATH], second[MAXPGPATH], third[MAXPGPATH], fourth[MAXPGPATH];
	bool content;
	char *image;

	pool_begin(4 * 1024 * 1024);
	make_all(2, 80000);
	strata_pool_shrink(0, STRATA_TIER_COLD);
	strcpy(first, cold_path);
	ok(strlen(strrchr(first, '/')) <= NAMEDATALEN, "the name has the length that strata.cold_path leaves");
	server_system++;
	pool_cold_start();
	strcpy(second, cold_path);
	ok(strcmp(first, second) != 0 && access(first, F_OK) == 0, "another cluster's file is left alone");
	server_system--;
	PostPortNumber++;
	pool_cold_start();
	strcpy(third, cold_path);
	ok(strcmp(first, third) != 0 && access(first, F_OK) == 0, "so is that of one at another port");
	PostPortNumber--;
	DataDir = "/";
	pool_cold_start();
	ok(strcmp(first, cold_path) != 0 && access(first, F_OK) == 0, "and with another data directory");
	DataDir = "/tmp";
	pool_cold_start();
	strcpy(fourth, cold_path);
	ok(access(first, F_OK) != 0 && files_in(disk_directory) == 0, "its own of an earlier life is removed");
	ok(strcmp(first, fourth) != 0, "and no name comes twice");

	/* A stale image: another page's in the place of this one's. */
	image = malloc(80000);
	ok(pread(disk_fd, image, 80000, cold_offset(pool_page(pool_id_number(ids[0]))->cold_at)) == 80000 &&
		   pwrite(disk_fd, image, 80000, cold_offset(pool_page(pool_id_number(ids[1]))->cold_at)) == 80000,
	   "one page's image is copied over another's");
	free(image);
	is_int(look(ids[1], 2, &content), STRATA_PIN_LOST, "which is refused");
	ok(reads(ids[0], 1), "the first page is well");
	pool_end();
}

static void
test_flush(void)
{
	pool_begin(4 * 1024 * 1024);
	strata_warm_ratio = 0;
	strata_dirty_ratio = 0.25;
	make_all(10, 80000);
	is_int(strata_pool_flush_due(), 0, "nothing to flush below strata.dirty_ratio");
	make_all(20, 80000);
	is_int(strata_pool_flush_due(), strata_flush_batch, "a batch above it");
	is_int(strata_pool_flush(5, NULL), 5, "five pages are written");
	is_int(server_events[STRATA_EV_PAGE_FLUSHED], 1, "one event tells it");
	is_int(pg_atomic_read_u64(&pool->tier[0].pages), 30, "and stay hot");
	is_int(strata_pool_flush(1000, NULL), 25, "the rest");
	is_int(strata_pool_flush(1000, NULL), 0, "nothing is left to write");
	is_int(pg_atomic_read_u64(&pool->page_writes), 30, "each was written once");
	strata_pool_shrink(0, STRATA_TIER_COLD);
	is_int(pg_atomic_read_u64(&pool->page_writes), 30, "leaving costs no write then");
	check_ok("flush");
	strata_dirty_ratio = 0.5;
	strata_warm_ratio = 0.25;
	pool_end();
}

static void
test_shrink(void)
{
	uint64 before;

	pool_begin(4 * 1024 * 1024);
	for (int i = 0; i < 30; i++)
		ids[i] = make((i + 1) * 3, 80000); /* these compress */
	QueryCancelPending = true;
	strata_pool_shrink(0, STRATA_TIER_COLD);
	strata_pool_flush(30, NULL);
	QueryCancelPending = false;
	is_int(pg_atomic_read_u64(&pool->tier[0].pages), 30, "who is told to cancel moves nothing more");
	is_int(pg_atomic_read_u64(&pool->dirty_pages), 30, "and writes nothing");
	strata_pool_shrink((Size)200 * FRAME, STRATA_TIER_WARM);
	ok((pg_atomic_read_u64(&pool->tier[0].frames) + pg_atomic_read_u64(&pool->tier[1].frames)) <= 200,
	   "shrunk to 200 frames");
	ok(pg_atomic_read_u64(&pool->tier[1].pages) > 0, "by LZ4");
	is_int(pg_atomic_read_u64(&pool->kept_frames), 0, "the cores keep nothing");
	before = frames->used;
	ok(strata_pool_shrink((Size)100 * FRAME, STRATA_TIER_COLD) >= before - frames->used,
	   "what it says went back");
	is_int(pg_atomic_read_u64(&pool->tier[1].pages), 0, "the warm ones left first");
	strata_pool_shrink(0, STRATA_TIER_WARM);
	is_int(pg_atomic_read_u64(&pool->tier[0].pages), 0, "to nothing");
	for (int i = 0; i < 30; i++)
		ok(reads(ids[i], (i + 1) * 3), "and back");
	frames->limit /= 4; /* as strata.memory lowered: the next request would move most of the pool */
	ProcDiePending = true;
	ok(make(1, FRAME) == STRATA_PAGE_NONE, "who is told to terminate gets no page");
	ProcDiePending = false;
	ok(pg_atomic_read_u64(&pool->tier[0].pages) >= 22, "after one round of eviction");
	ok(make(1, FRAME) != STRATA_PAGE_NONE, "others do, after as many as it takes");
	frames->limit *= 4;
	for (int i = 0; i < 30; i++)
		ok(reads(ids[i], (i + 1) * 3), "and back");
	check_ok("shrink");
	pool_end();
}

/* Each policy to each other while pages are in every tier: none is lost, and the next victim stays the next.
 */
static void
test_switch(void)
{
	bool well = true;
	uint64 misses;

	pool_begin(4 * 1024 * 1024);
	make_all(N, 56000);
	for (int from = 0; from < STRATA_POLICY_COUNT; from++)
		for (int to = 0; to < STRATA_POLICY_COUNT; to++)
		{
			strata_eviction_policy = from;
			strata_pool_apply_settings();
			for (int i = 0; i < 200; i++)
			{
				int page = rnd(2) ? rnd(N) : rnd(10);

				well &= reads(ids[page], page + 1);
			}
			pool_tell_hits();
			misses = pg_atomic_read_u64(&pool->tier[0].pages);
			strata_eviction_policy = to;
			strata_pool_apply_settings();
			well &= misses == pg_atomic_read_u64(&pool->tier[0].pages) && check_pool() == NULL &&
					pool->policy.kind == to;
		}
	ok(well, "every change of policy keeps every page");
	strata_warm_ratio = 0;
	strata_eviction_policy = STRATA_POLICY_LRU;
	strata_pool_apply_settings();
	for (int i = 0; i < 20; i++)
		reads(ids[i], i + 1);
	for (int i = 0; i < 20; i++)
		reads(ids[i], i + 1);
	pool_tell_hits();
	strata_eviction_policy = STRATA_POLICY_CLOCK;
	strata_pool_apply_settings();
	for (int i = 100; i < 130; i++)
		reads(ids[i], i + 1);
	for (int i = 0; i < 20; i++)
		well &= tier_of(ids[i]) == STRATA_TIER_HOT;
	ok(well, "what the old policy would have kept longest the new one keeps longest");
	lru_k = 3;
	strata_pool_apply_settings();
	is_int(pool->policy.params.lru_k, 3, "a changed parameter reaches the policy");
	lru_k = 2;
	strata_eviction_policy = STRATA_POLICY_ARC;
	strata_warm_ratio = 0.25;
	check_ok("switch");
	pool_end();
}

/* A session with no room for what it is to do at its end. */
static bool
refused(StrataPageId id)
{
	volatile bool thrown = false;

	server_no_exits = true;
	PG_TRY();
	{
		strata_pool_session_pin(id, 0);
	}
	PG_CATCH();
	{
		thrown = true;
	}
	PG_END_TRY();
	server_no_exits = false;
	return thrown;
}

static void
test_session_pins(void)
{
	StrataPageInfo info;
	int taken = 0;
	StrataPageId extra;

	pool_begin(32 * 1024 * 1024);
	make_all(2, 1000);
	ok(refused(ids[0]) && strata_pool_page(ids[0], &info) && info.pins == 0,
	   "a session that cannot register its end pins nothing");
	is_int(strata_pool_session_pin(ids[0], 0), STRATA_PIN_OK, "a session pins a page");
	is_int(strata_pool_session_pin(ids[0], 100), STRATA_PIN_OK, "and again, for a while");
	ok(strata_pool_page(ids[0], &info) && info.pins == 2, "two pins");
	is_int(strata_pool_expire_pins(99), 0, "not over yet");
	is_int(strata_pool_expire_pins(100), 1, "over");
	ok(strata_pool_session_unpin(ids[0]), "unpinned");
	ok(!strata_pool_session_unpin(ids[0]), "once");
	ok(!strata_pool_session_unpin(ids[1]), "not what was never pinned");
	ok(strata_pool_page(ids[0], &info) && info.pins == 0, "no pin is left");
	strata_pool_session_pin(ids[0], 0);
	strata_pool_drop(ids[0]);
	MyProcPid++;
	ok(!strata_pool_session_unpin(ids[0]), "not what another session pinned");
	MyProcPid--;
	session_exit(0, 0);
	is_int(pg_atomic_read_u64(&pool->tier[0].pages), 1, "the session's end frees the page that was dropped");
	is_int(strata_pool_session_pin(ids[0], 0), STRATA_PIN_GONE, "which is gone");
	while (strata_pool_session_pin(ids[1], 0) == STRATA_PIN_OK)
		taken++;
	is_int(taken, POOL_SESSION_PINS, "pins from SQL are bounded");
	ok(strata_pool_page(ids[1], &info) && info.pins == POOL_SESSION_PINS, "and the one too many is not kept");
	session_exit(0, 0);
	extra = make(5, 100);
	ok(strata_pool_page(ids[1], &info) && info.pins == 0 && extra != 0, "all of them end");
	check_ok("session pins");
	pool_end();
}

/* The cheap figures are those of the dear ones; the pins are found. */
static void
test_frames(const StrataPoolStats *s)
{
	StrataPoolFrames f;
	StrataPinResult result;
	uint64 pages, pinned, looked;

	strata_pool_frames(&f);
	ok(f.hot == s->tier[0].frames && f.warm == s->tier[1].frames && f.dirty == s->dirty_frames && f.hot > 0,
	   "frames by three reads");
	strata_pool_pin(ids[7], &result);
	strata_pool_pin(ids[7], &result);
	strata_pool_pinned(&pages, &pinned, &looked);
	ok(pages == 1 && pinned == pool_page(pool_id_number(ids[7]))->frames && looked == pool_numbers() - 1,
	   "a pinned page counts once");
	strata_pool_unpin(ids[7]);
	strata_pool_unpin(ids[7]);
	strata_pool_pinned(&pages, &pinned, NULL);
	ok(pages == 0 && pinned == 0, "and no more when it is unpinned");
}

static void
test_ahead(void)
{
	StrataPoolStats s;
	uint64 before;

	pool_begin(4 * 1024 * 1024);
	strata_warm_ratio = 0;
	make_all(100, 80000);
	strata_pool_shrink(0, STRATA_TIER_COLD);
	ok(strata_pool_load_ahead(ids[0]) && strata_pool_load_ahead(ids[1]), "loaded ahead");
	ok(!strata_pool_load_ahead(ids[0]), "not twice");
	pool_tell_hits();
	before = pg_atomic_read_u64(&pool->hits);
	ok(reads(ids[0], 1) && reads(ids[0], 1), "used");
	for (int i = 2; i < 100; i++)
		reads(ids[i], i + 1);
	strata_pool_stats(&s);
	is_int(s.prefetched, 2, "two prefetched");
	is_int(s.prefetch_hits, 1, "one hit");
	is_int(s.prefetch_wasted, 1, "one wasted");
	is_int(s.misses, 98, "no miss of them");
	test_frames(&s);
	is_int(s.hits - before, 2, "the first use is a hit in the figures");
	strata_pool_drop(ids[5]);
	ok(!strata_pool_load_ahead(ids[5]), "not what is gone");
	check_ok("ahead");
	strata_warm_ratio = 0.25;
	pool_end();
}

/* Pages of 10 frames in 512, under a policy that gives up first what was used once. */
static void
test_awaited(StrataPolicyKind kind)
{
	const char *name = strata_policy_ops(kind)->name;
	int kept = 0;
	int loaded = 0;

	pool_begin(4 * 1024 * 1024);
	strata_warm_ratio = 0;
	strata_eviction_policy = kind;
	strata_pool_apply_settings();
	make_all(200, 80000);
	strata_pool_shrink(0, STRATA_TIER_COLD);
	/* A working set that every policy would keep. */
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < 45; i++)
			reads(ids[i], i + 1);
	pool_tell_hits();
	for (int i = 100; i < 110; i++)
		strata_pool_load_ahead(ids[i]);
	for (int i = 120; i < 132; i++)
		reads(ids[i], i + 1);
	for (int i = 100; i < 110; i++)
		kept += tier_of(ids[i]) == STRATA_TIER_HOT;
	is_int(kept, 10, "%s: pages read ahead are there when a scan comes to them", name);
	is_int(strata_pool_prefetch_wasted(), 0, "%s: none was loaded in vain", name);

	/* The scan does not come, and others read on. */
	for (int round = 0; round < 3; round++)
		for (int i = 120; i < 200; i++)
			reads(ids[i], i + 1);
	kept = 0;
	for (int i = 100; i < 110; i++)
		kept += tier_of(ids[i]) == STRATA_TIER_HOT;
	is_int(kept, 0, "%s: when no scan comes they go", name);

	for (int i = 0; i < 100; i++)
		loaded += strata_pool_load_ahead(ids[i]);
	kept = 0;
	for (int i = 0; i < 200; i++)
		kept += tier_of(ids[i]) == STRATA_TIER_HOT;
	ok(loaded > 60 && kept >= 49, "%s: a pool that is full of them has room for more", name);
	ok(reads(ids[199], 200) && make(1000, 80000) != 0, "%s: and for others", name);
	check_ok("awaited");
	strata_warm_ratio = 0.25;
	strata_eviction_policy = STRATA_POLICY_ARC;
	pool_end();
}

/* ---- several processes ---- */

#define SLOTS	  160
#define PROCESSES 4
#define HELD	  4

typedef struct Shared
{
	pg_atomic_uint64 slot[SLOTS]; /* page, or 0 */
	pg_atomic_uint64 salt[SLOTS]; /* of the page */
	pg_atomic_uint64 wrong, operations, cancels, lost, no_memory;
	pg_atomic_uint32 stop;
} Shared;

static Shared *shared;

/* Pins of this process, as a hold would know them. */
static StrataPageId held[HELD];
static uint64 held_salt[HELD];

static void
fault(const char *text)
{
	if (pg_atomic_fetch_add_u64(&shared->wrong, 1) == 0)
		printf("# %s\n", text);
}

static void
drop_slot(uint32 i)
{
	uint64 id = pg_atomic_exchange_u64(&shared->slot[i], 0);

	if (id != 0)
		strata_pool_drop(id);
}

static void
make_slot(uint32 i)
{
	static uint64 next_salt;
	uint64 none = 0;
	uint64 salt = ++next_salt * PROCESSES + MyProcPid % PROCESSES;
	StrataPageId id;

	if (pg_atomic_read_u64(&shared->slot[i]) != 0)
		return;
	/* The salt goes with the id in the image's first word: who pins reads it there. */
	id = make(salt, 16 + rnd(rnd(4) == 0 ? 120000 : 30000) / 8 * 8);
	if (id == 0)
		return;
	if (!pg_atomic_compare_exchange_u64(&shared->slot[i], &none, id))
		strata_pool_drop(id);
}

static void
pin_slot(uint32 i)
{
	uint64 id = pg_atomic_read_u64(&shared->slot[i]);
	uint32 h = rnd(HELD);
	StrataPinResult result;
	const char *image;

	if (held[h] != 0)
	{
		image = pool_page(pool_id_number(held[h]))->image;
		if (!right(image, held_salt[h]))
			fault("a pinned page changed");
		strata_pool_unpin(held[h]);
		held[h] = 0;
	}
	if (id == 0)
		return;
	image = strata_pool_pin(id, &result);
	if (image != NULL)
	{
		held[h] = id;
		held_salt[h] = *(const uint64 *)image;
		if (!right(image, held_salt[h]))
			fault("a page has not its content");
	}
	else if (result == STRATA_PIN_GONE && pg_atomic_read_u64(&shared->slot[i]) == id)
		fault("a page is gone that was not dropped");
	else if (result == STRATA_PIN_LOST)
		pg_atomic_fetch_add_u64(&shared->lost, 1);
	else if (result == STRATA_PIN_NO_MEMORY)
		pg_atomic_fetch_add_u64(&shared->no_memory, 1);
}

static void
operate(void)
{
	StrataPageInfo info[32];
	uint32 cursor;

	switch (rnd(200))
	{
		case 0:
			strata_pool_flush(10, NULL);
			break;
		case 1:
			strata_pool_shrink((Size)rnd(512) * FRAME, rnd(2) ? STRATA_TIER_WARM : STRATA_TIER_COLD);
			break;
		case 2:
			strata_eviction_policy = rnd(STRATA_POLICY_COUNT);
			strata_pool_apply_settings();
			break;
		case 3:
			strata_pool_trim_cold();
			break;
		case 4:
			for (cursor = 0; strata_pool_list(&cursor, info, 32) > 0;)
				;
			break;
		case 5:
			strata_pool_drop_ghosts();
			break;
		case 6:
			frames->limit = (3 + rnd(2)) * 1024 * 1024;
			strata_pool_shrink(2 * 1024 * 1024, STRATA_TIER_WARM);
			break;
		case 7:
			disk->write_errno = rnd(4) == 0 ? ENOSPC : 0;
			break;
		case 8:
			strata_pool_session_pin(pg_atomic_read_u64(&shared->slot[rnd(SLOTS)]), rnd(2) ? 1 : 0);
			strata_pool_expire_pins(2);
			break;
		case 9:
			strata_pool_session_unpin(pg_atomic_read_u64(&shared->slot[rnd(SLOTS)]));
			break;
		case 10 ... 25:
			drop_slot(rnd(SLOTS));
			break;
		case 26 ... 50:
			make_slot(rnd(SLOTS));
			break;
		case 51 ... 60:
			strata_pool_load_ahead(pg_atomic_read_u64(&shared->slot[rnd(SLOTS)]));
			break;
		default:
			/* Some pages are wanted more. */
			pin_slot(rnd(3) ? rnd(SLOTS / 8) : rnd(SLOTS));
	}
}

static void
process(int n, int steps)
{
	volatile int done = 0;

	server_be(n);
	seed ^= (uint64)getpid() * 7919;
	server_cancel_dice = getpid();
	nhits = 0;
	server_exits = 0;
	exit_registered = session_exit_registered = false;
	/* A cancel lands here, as in the main loop of a backend: pins of the query go. */
	if (sigsetjmp(server_cancel_to, 0) != 0)
		pg_atomic_fetch_add_u64(&shared->cancels, 1);
	server_cancel_armed = true;
	while (done < steps)
	{
		done++;
		operate();
	}
	server_cancel_armed = false;
	for (int h = 0; h < HELD; h++)
		if (held[h] != 0)
			strata_pool_unpin(held[h]);
	pg_atomic_fetch_add_u64(&shared->operations, steps);
	server_leave();
	if (server_locks_held || InterruptHoldoffCount)
		fault("a process ends with a lock");
	_exit(0);
}

static void
test_processes(int steps)
{
	bool died = false;

	pool_begin(4 * 1024 * 1024);
	shared = server_shared(sizeof(Shared));
	disk->slow = 20;
	/* Each process opens the file; none was opened yet. */
	for (int n = 0; n < PROCESSES; n++)
		if (fork() == 0)
			process(n, steps);
	for (int n = 0; n < PROCESSES; n++)
	{
		int status;

		wait(&status);
		died |= status != 0;
	}
	ok(!died, "%d processes do %d operations each", PROCESSES, steps);
	is_int(pg_atomic_read_u64(&shared->wrong), 0, "every page read has its content, or was dropped");
	is_int(pg_atomic_read_u64(&shared->lost), 0, "none is lost");
	ok(pg_atomic_read_u64(&shared->cancels) > 0, "queries were cancelled while they waited (%d)",
	   (int)pg_atomic_read_u64(&shared->cancels));
	ok(pg_atomic_read_u64(&pool->evictions) > 0 && pg_atomic_read_u64(&pool->tier[1].demotions) > 0 &&
		   pg_atomic_read_u64(&pool->prefetched) > 0,
	   "pages went up and down: %d evictions, %d reads, %d writes, %d warm pages written, %d refusals",
	   (int)pg_atomic_read_u64(&pool->evictions), (int)pg_atomic_read_u64(&pool->page_reads),
	   (int)pg_atomic_read_u64(&pool->page_writes), (int)pg_atomic_read_u64(&pool->tier[1].demotions),
	   (int)pg_atomic_read_u64(&shared->no_memory));
	frames->limit = 4 * 1024 * 1024;
	strata_pool_expire_pins(2);
	check_ok("after the processes");
	disk->write_errno = 0;
	for (int i = 0; i < SLOTS; i++)
		drop_slot(i);
	is_int(pg_atomic_read_u64(&pool->tier[0].pages) + pg_atomic_read_u64(&pool->tier[1].pages) +
			   pg_atomic_read_u64(&pool->tier[2].pages),
		   0, "no page is left when all are dropped");
	check_ok("at the end");
	pool_end();
}

int
main(int argc, char **argv)
{
	test_life();
	for (int kind = 0; kind < STRATA_POLICY_COUNT; kind++)
		test_tiers(kind, kind % 2 ? 0.25 : 0.0, strata_policy_ops(kind)->name);
	test_hot_ratio();
	test_pinned();
	test_rescue();
	test_room_wait();
	test_disk_full();
	test_lowered(N, 1, 36, 0);
	test_lowered(80, 65, 65, 0);
	test_lowered(200, 5, 36, 2000);
	test_warm_grows();
	test_no_extent();
	test_last_extent();
	test_largest();
	test_no_cold_file();
	test_damage();
	test_whose_file();
	test_flush();
	test_shrink();
	test_switch();
	test_session_pins();
	test_ahead();
	for (int kind = 0; kind < STRATA_POLICY_COUNT; kind++)
		test_awaited(kind);
	test_processes(argc > 1 ? atoi(argv[1]) : 20000);
	return tap_done();
}
