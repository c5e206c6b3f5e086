/*
 * region_test.c - the shared region against a map of who owns each page, and against what the kernel says.
 *
 * Stood in: the server (server.h), and what the system says about huge pages: the test decides whether there
 * are any.  The mapping, its commitment and MADV_REMOVE are the kernel's own.
 */
#include "server.h"

#include "alloc/hugepages.h"
#include "tap.h"

static size_t thp;				/* of shared memory, as the system says */
static StrataHugePool gigantic; /* 1 GB pages, as the system says */
static size_t explicit_kept;	/* bytes of explicit huge pages that the system has; 0: none */
static int explicit_flags;		/* of the mapping that got them */

static size_t
test_shmem_thp(const char *sys)
{
	return thp;
}

static bool
test_pool(const char *sys, size_t page_bytes, StrataHugePool *out)
{
	*out = gigantic;
	return gigantic.page_bytes == page_bytes;
}

/* Explicit huge pages are played by ordinary ones. */
static void *
test_mmap(void *addr, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	if (flags & MAP_HUGETLB)
	{
		if (bytes > explicit_kept)
		{
			errno = ENOMEM;
			return MAP_FAILED;
		}
		explicit_flags = flags;
		flags = MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE;
	}
	return mmap(addr, bytes, prot, flags, fd, offset);
}

static void
test_huge_page_size(Size *size, int *flags)
{
	*size = (Size)2 * 1024 * 1024;
	*flags = MAP_HUGETLB;
}

static size_t cut_in_hold, cut_in_hold_max; /* bytes cut while the lock was not let go of */

static int
test_madvise(void *addr, size_t bytes, int advice)
{
	if (advice == MADV_REMOVE)
	{
		cut_in_hold += bytes;
		cut_in_hold_max = Max(cut_in_hold_max, cut_in_hold);
	}
	return madvise(addr, bytes, advice);
}

static void
test_release(LWLock *lock)
{
	cut_in_hold = 0;
	LWLockRelease(lock);
}

#define madvise					   test_madvise
#define LWLockRelease			   test_release
#define strata_hugepages_shmem_thp test_shmem_thp
#define strata_hugepages_pool	   test_pool
#define mmap					   test_mmap
#define GetHugePageSize			   test_huge_page_size
#include "alloc/region.c"
#undef mmap
#undef madvise
#undef LWLockRelease

bool strata_preloaded = true;

#define MB		   ((Size)1024 * 1024)
#define MAX_BLOCKS 4096

static uint64 seed = 1;

static uint32
rnd(uint32 below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32)((seed >> 11) % below);
}

/* Begins a server's life with a region of that many MB. */
static void
start(int max_mb, int limit_mb, int page_kb)
{
	if (region_base != NULL)
		munmap(region_base, region_bytes);
	region_base = NULL;
	region_huge_page = 0;
	region_transparent = false;
	strata_memory_max = max_mb * 1024;
	strata_memory = limit_mb * 1024;
	strata_page_size = page_kb;
	region_shmem_startup();
}

/* As ALTER SYSTEM and a reload in the postmaster. */
static void
set_limit(Size bytes)
{
	IsUnderPostmaster = false;
	region_assign_memory((int)(bytes / 1024), NULL);
	IsUnderPostmaster = true;
}

/* Bytes of the mapping that are in memory, whichever process touched them. */
static Size
resident(void)
{
	Size page = (Size)sysconf(_SC_PAGESIZE);
	Size n = region_bytes / page;
	unsigned char *in = malloc(n);
	Size bytes = 0;

	if (mincore(region_base, region_bytes, in) != 0)
		printf("Bail out! mincore: %m\n");
	for (Size i = 0; i < n; i++)
		bytes += (in[i] & 1) * page;
	free(in);
	return bytes;
}

/* What must be true of the figures at any time. */
static const char *
check_status(void)
{
	StrataRegionStatus s;
	Size current = 0, allocated = 0, freed = 0;
	uint64 allocs = 0, frees = 0;

	strata_region_status(&s);
	for (int i = 0; i < STRATA_REGION_ACCOUNTS; i++)
	{
		const StrataRegionAccount *a = &s.account[i];

		if (a->allocated - a->freed != a->current || a->peak < a->current)
			return "an account contradicts itself";
		current += a->current;
		allocated += a->allocated;
		freed += a->freed;
		allocs += a->allocs;
		frees += a->frees;
	}
	if (current != s.used || allocated - freed != s.used)
		return "the accounts do not add up to used";
	if (allocs != s.allocs || frees != s.frees)
		return "the accounts' counts do not add up";
	if (s.limit >= s.used + s.overhead && s.used + s.overhead + s.free != s.limit)
		return "used, overhead and free do not add up to the limit";
	if (s.huge_page_size == 0 && s.committed < s.used + s.overhead)
		return "less is committed than used";
	if (s.huge_page_size == 0 && s.committed - s.idle < s.used)
		return "something used is idle";
	return NULL;
}

/* The bitmaps against the definition: a unit is idle when it is committed and all its pages are free. */
static const char *
check_units(void)
{
	uint64 committed = 0, idle = 0;

	for (uint64 unit = 0; region_unit_pages != 0 && unit < region_nunits; unit++)
	{
		bool all_free = true;

		for (uint32 p = 0; p < region_unit_pages; p++)
			all_free &= strata_buddy_covers(&region->buddy, (uint32)unit * region_unit_pages + p, 0);
		committed += bit_get(region_committed, unit);
		idle += bit_get(region_idle, unit);
		if (bit_get(region_idle, unit) != (bit_get(region_committed, unit) && all_free))
			return "a unit is not idle but should be, or is but should not";
		if (!all_free && !bit_get(region_committed, unit))
			return "a page in use is not committed";
	}
	if (committed != region->committed_units || idle != region->idle_units)
		return "the count of units is wrong";
	return NULL;
}

typedef struct Block
{
	char *p;
	Size bytes;
	int account;
	uint64 stamp;
} Block;

static void
stamp(const Block *b)
{
	memset(b->p, (int)b->stamp, b->bytes);
	memcpy(b->p, &b->stamp, Min(sizeof(b->stamp), b->bytes));
}

static bool
stamped(const Block *b)
{
	if (b->bytes < sizeof(b->stamp))
		return true;
	return memcmp(b->p, &b->stamp, sizeof(b->stamp)) == 0 &&
		   (b->bytes == sizeof(b->stamp) || (unsigned char)b->p[b->bytes - 1] == (unsigned char)b->stamp);
}

/* Random blocks, all written to, while the limit moves; after every step nothing overlaps and the kernel
 * agrees. */
static void
property(int max_mb, int limit_mb, int page_kb, size_t system_thp, int steps)
{
	static Block blocks[MAX_BLOCKS];
	static uint8 *owned;
	uint32 nblocks = 0;
	Size most = 0, page;
	uint64 refused = 0;
	bool over = false; /* the limit was lowered below what is used */
	const char *wrong = NULL;

	thp = system_thp;
	strata_huge_pages = system_thp ? HUGE_PAGES_TRY : HUGE_PAGES_OFF;
	start(max_mb, limit_mb, page_kb);
	page = region_page;
	owned = calloc(region_bytes / page, 1);
	for (int step = 0; step < steps && !wrong; step++)
	{
		StrataRegionStatus s;

		if (rnd(100) < 1)
		{
			Size before;

			set_limit(Max(8 * MB, (Size)limit_mb * MB * (1 + rnd(16)) / 8));
			strata_region_status(&s);
			before = resident();
			if (s.committed > s.limit)
			{
				Size freed = strata_region_trim(s.committed - s.limit);

				strata_region_status(&s);
				if (s.committed > s.limit && s.idle > 0)
					wrong = "trim left idle memory while over the limit";
				if (freed > 0 && system_thp == 0 && before - resident() > freed)
					wrong = "trim gave back more than it said";
			}
			over = s.committed > s.limit;
		}
		if (nblocks == 0 || (nblocks < MAX_BLOCKS && rnd(100) < (step / 400 % 2 ? 40 : 60)))
		{
			Block b = {.bytes = 1 + rnd(rnd(4) == 0 ? 200 * 8192 : 5 * 8192),
					   .account = (int)rnd(STRATA_REGION_ACCOUNTS),
					   .stamp = seed};
			Size n = (b.bytes + page - 1) / page;
			Size first;

			strata_region_status(&s);
			b.p = strata_region_alloc_for(b.account, b.bytes);
			if (b.p == NULL)
			{
				refused++;
				if (s.free >= n * page && strata_buddy_largest(&region->buddy) >= n && system_thp == 0)
					wrong = "a request that fits was refused";
				continue;
			}
			if (!strata_region_contains(b.p, b.bytes))
				wrong = "a block lies outside";
			first = (Size)(b.p - region_base) / page;
			for (Size i = first; i < first + n && !wrong; i++)
				if (i < region_head || owned[i]++)
					wrong = "a page was handed out twice";
			for (Size power = page; power < 2 * MB; power *= 2)
				if (power < b.bytes && (uintptr_t)b.p % (power * 2) != 0 && power * 2 <= 2 * MB)
					wrong = "a block is not aligned to its power of two";
			stamp(&b);
			blocks[nblocks++] = b;
			over = false; /* what was granted was granted within the limit */
		}
		else
		{
			uint32 i = rnd(nblocks);
			Block *b = &blocks[i];

			if (!stamped(b))
				wrong = "a block lost its contents";
			memset(owned + (Size)(b->p - region_base) / page, 0, (b->bytes + page - 1) / page);
			strata_region_free_for(b->account, b->p, b->bytes);
			*b = blocks[--nblocks];
		}
		if (!wrong)
			wrong = check_status();
		if (!wrong && step % 16 == 0)
		{
			Size in = resident();

			strata_region_status(&s);
			most = Max(most, in);
			if (in > s.committed)
				wrong = "more is resident than committed";
			if (!over && s.committed > s.limit)
				wrong = "more is committed than the limit allows";
			if (!over && in > s.limit)
				wrong = "more is resident than the limit allows";
		}
		if (!wrong && step % 64 == 0)
			wrong = check_units();
	}
	while (nblocks > 0 && !wrong)
	{
		nblocks--;
		strata_region_free_for(blocks[nblocks].account, blocks[nblocks].p, blocks[nblocks].bytes);
	}
	if (!wrong)
	{
		StrataRegionStatus s;
		Size unit = region_unit_bytes();

		strata_region_trim(SIZE_MAX);
		strata_region_status(&s);
		if (s.used != 0 || s.requested != 0 || s.idle != 0 || s.committed != TYPEALIGN(unit, s.overhead) ||
			resident() > TYPEALIGN(unit, s.overhead))
			wrong = "memory is left when all is freed and trimmed";
	}
	ok(wrong == NULL && refused > 0,
	   "limit about %d MB of %d MB, pages of %d kB, units of %zu kB: %s (%" PRIu64
	   " refused, at most %zu kB resident)",
	   limit_mb, max_mb, page_kb, region_unit_bytes() / 1024, wrong ? wrong : "sound", refused, most / 1024);
	free(owned);
}

/* The figures the kernel shows to the outside. */
static void
smaps(void)
{
	StrataMappingUse use;
	StrataRegionStatus s;
	Size most = 0;
	FILE *f;

	thp = 0;
	strata_huge_pages = HUGE_PAGES_OFF;
	start(64, 8, 8);
	/* Filled with one size, every second block freed, then filled with a larger one that fits no hole; and
	 * again. */
	for (int round = 1; round <= 8; round++)
	{
		char *p[2000];
		int n = 0, last = 0;
		Size bytes[2] = {(Size)round * 8 * 1024, (Size)round * 16 * 1024 + 1};

		for (int size = 0; size < 2; size++)
		{
			while (n < 2000 && (p[n] = strata_region_alloc_for(3, bytes[size])) != NULL)
				memset(p[n++], 1, bytes[size]);
			f = fopen(STRATA_SMAPS, "re");
			strata_hugepages_smaps(f, (uintptr_t)region_base, region_bytes, &use);
			fclose(f);
			most = Max(most, use.resident);
			for (int i = 0; size == 0 && i < n; i += 2)
				strata_region_free_for(3, p[i], bytes[0]);
			last = size == 0 ? n : last;
		}
		for (int i = 0; i < n; i++)
			if (i >= last || i % 2 == 1)
				strata_region_free_for(3, p[i], bytes[i >= last]);
	}
	ok(check_status() == NULL && region->used_pages == 0, "all is freed");
	strata_region_status(&s);
	ok(most > 6 * MB && most <= 8 * MB, "smaps: at most %zu kB resident, the limit being 8192 kB",
	   most / 1024);
	ok(s.returned > 0, "by giving free memory back (%zu kB)", s.returned / 1024);
}

/* Freed memory is used again before new memory is touched, and is given back when the limit falls. */
static void
by_hand(void)
{
	StrataRegionStatus s;
	void *p, *q, *r;
	Size head;

	thp = 0;
	start(64, 16, 8);
	head = region_head * region_page;
	p = strata_region_alloc_for(0, 4 * MB);
	q = strata_region_alloc_for(1, 4 * MB);
	strata_region_status(&s);
	is_int(s.committed, head + 8 * MB, "handed out is committed");
	strata_region_free_for(0, p, 4 * MB);
	strata_region_status(&s);
	is_int(s.committed, head + 8 * MB, "freed memory stays committed");
	is_int(s.idle, 4 * MB, "but idle");
	r = strata_region_alloc_for(2, 3 * MB);
	strata_region_status(&s);
	is_int(s.committed, head + 8 * MB, "and is used first");
	is_int(s.account[2].current, 3 * MB, "on the account of the new owner");
	is_int(strata_region_trim(100 * 1024), 104 * 1024, "trim gives what is asked for, in whole pages");
	is_int(strata_region_trim(SIZE_MAX), MB - 104 * 1024, "and all that is idle when asked for all");
	is_int(strata_region_trim(1), 0, "and nothing when nothing is");
	ok(strata_region_alloc_for(3, 9 * MB) == NULL, "a request over the limit is refused");
	set_limit(8 * MB);
	strata_region_free_for(1, q, 4 * MB);
	strata_region_status(&s);
	is_int(s.idle, 4 * MB, "under the lowered limit freed memory stays");
	set_limit(MB);
	strata_region_free_for(2, r, 3 * MB);
	strata_region_status(&s);
	ok(s.committed <= MB, "over the lowered limit it goes back at once");
	is_int(s.failures, 1, "one request was refused");
	p = strata_region_alloc_for(0, 100);
	strata_region_free_for(0, p, 100);
	strata_region_free_for(0, p, 100);
	ok(strstr(server_warning, "freed twice") != NULL, "a second free is refused with a warning");
	is_int(server_messages_interruptible, 0, "which no cancel makes an error");
	ok(check_status() == NULL, "and changes nothing");
	IsUnderPostmaster = true;
	region_assign_memory(64 * 1024, NULL);
	strata_region_status(&s);
	is_int(s.limit, MB, "a child's reading of the setting changes nothing");

	/* The postmaster's restart after a crash. */
	set_limit(16 * MB);
	p = strata_region_alloc_for(0, 4 * MB);
	memset(p, 1, 4 * MB);
	region_shmem_startup();
	strata_region_status(&s);
	is_int(s.used, 0, "after a crash restart nothing is used");
	is_int(s.committed, head, "nor committed");
	ok(resident() <= head, "nor resident");
}

/* Much idle memory and a limit lowered: whoever comes next gives it back, but keeps nobody waiting for all. */
static void
lowered(bool by_alloc)
{
	StrataRegionStatus s;
	void *p, *q;

	thp = 0;
	start(256, 192, 8);
	q = strata_region_alloc_for(1, 8192);
	p = strata_region_alloc_for(0, 128 * MB);
	strata_region_free_for(0, p, 128 * MB);
	set_limit(16 * MB);
	cut_in_hold_max = 0;
	if (by_alloc)
		(void)strata_region_alloc_for(0, 8192);
	else
		strata_region_free_for(1, q, 8192);
	strata_region_status(&s);
	ok(s.committed <= 16 * MB, "the next %s cuts down to a lowered limit", by_alloc ? "request" : "free");
	ok(cut_in_hold_max > 0 && cut_in_hold_max <= TRIM_STEP, "in steps with the lock let go: %zu bytes at most",
	   cut_in_hold_max);
	ok(check_status() == NULL, "the accounts add up");
}

static void explicit(void)
{
	StrataRegionStatus s;
	void *p;

	thp = 0;
	strata_huge_pages = HUGE_PAGES_TRY;
	explicit_kept = 64 * MB;
	start(64, 16, 8);
	strata_region_status(&s);
	is_int(s.huge_page_size, 2 * MB, "explicit huge pages of the default size");
	is_str(s.huge_pages, "explicit", "are reported");
	is_int(s.committed, 64 * MB, "the kernel has set all of them aside");
	p = strata_region_alloc_for(0, 15 * MB);
	ok(p != NULL, "the limit counts what is handed out");
	ok(strata_region_alloc_for(0, 2 * MB) == NULL, "and holds");
	strata_region_free_for(0, p, 15 * MB);
	is_int(strata_region_trim(SIZE_MAX), 0, "nothing is given back");
	ok(check_status() == NULL, "the accounts add up");

	explicit_kept = 1024 * MB;
	gigantic = (StrataHugePool){.page_bytes = 1024 * MB, .total = 2, .free = 2, .reserved = 1};
	start(1024, 16, 8);
	strata_region_status(&s);
	is_int(s.huge_page_size, 1024 * MB, "a page of 1 GB where one fits and is free");
	is_int(explicit_flags >> MAP_HUGE_SHIFT & 63, 30, "was asked for");
	gigantic.reserved = 2;
	start(1024, 16, 8);
	strata_region_status(&s);
	is_int(s.huge_page_size, 2 * MB, "not when all are promised to others");
	gigantic.reserved = 0;
	start(1000, 16, 8);
	strata_region_status(&s);
	is_int(s.huge_page_size, 2 * MB, "nor when it does not divide the region");
	huge_page_size = 2048;
	start(1024, 16, 8);
	strata_region_status(&s);
	is_int(s.huge_page_size, 2 * MB, "nor when huge_page_size says otherwise");
	huge_page_size = 0;
	explicit_kept = 0;
	start(64, 16, 8);
	strata_region_status(&s);
	is_int(s.huge_page_size, 0, "without explicit pages: ordinary ones");
	is_str(s.huge_pages, "none", "without transparent ones: none");
	thp = 2 * MB;
	start(64, 16, 8);
	strata_region_status(&s);
	is_str(s.huge_pages, "transparent", "with them: transparent");
	is_int(region_unit_bytes(), 2 * MB, "and memory is counted in such pages");
}

/* Blocks that processes pass to each other; each is checked by who takes it. */
#define SLOTS 256

typedef struct Shared
{
	LWLock lock;
	Block slot[SLOTS];
	pg_atomic_uint32 wrong, done, refused;
} Shared;

static void
work(Shared *shared, int number, int steps)
{
	seed = (uint64)number * 7919 + 1;
	for (int i = 0; i < steps; i++)
	{
		Block b = {.p = NULL};
		Block *slot = &shared->slot[rnd(SLOTS)];
		Block old;

		if (rnd(3) > 0)
		{
			b.bytes = 1 + rnd(rnd(8) == 0 ? 1024 * 1024 : 64 * 1024);
			b.account = (int)rnd(STRATA_REGION_ACCOUNTS);
			b.stamp = seed;
			b.p = strata_region_alloc_for(b.account, b.bytes);
			if (b.p != NULL)
				stamp(&b);
			else
				pg_atomic_fetch_add_u32(&shared->refused, 1);
		}
		LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
		old = *slot;
		*slot = b;
		LWLockRelease(&shared->lock);
		if (old.p != NULL)
		{
			if (!stamped(&old))
				pg_atomic_write_u32(&shared->wrong, 1);
			strata_region_free_for(old.account, old.p, old.bytes);
		}
		if (rnd(500) == 0)
			strata_region_trim(1024 * 1024);
	}
	pg_atomic_fetch_add_u32(&shared->done, 1);
}

static void
processes(size_t system_thp)
{
	Shared *shared = server_shared(sizeof(Shared));
	StrataRegionStatus s;
	Size most = 0;
	int status, failed = 0;

	thp = system_thp;
	strata_huge_pages = system_thp ? HUGE_PAGES_TRY : HUGE_PAGES_OFF;
	start(64, 12, 8);
	for (int i = 1; i <= 4; i++)
	{
		fflush(stdout);
		if (fork() == 0)
		{
			work(shared, i, 4000);
			_exit(0);
		}
	}
	/*
	 * mincore() goes from page to page; with the lock held nothing moves from what it has not seen to what it
	 * has.
	 */
	for (bool more = true; more;)
	{
		more = pg_atomic_read_u32(&shared->done) < 4 && failed == 0;
		LWLockAcquire(region_lock, LW_SHARED);
		most = Max(most, resident());
		LWLockRelease(region_lock);
		for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
			failed += status != 0;
	}
	while (wait(&status) > 0)
		failed += status != 0;
	ok(failed == 0 && pg_atomic_read_u32(&shared->wrong) == 0,
	   "four processes, units of %zu kB: no block is shared", region_unit_bytes() / 1024);
	ok(most <= 12 * MB && most > 4 * MB, "at most %zu kB resident at any look, the limit being 12288 kB",
	   most / 1024);
	ok(pg_atomic_read_u32(&shared->refused) > 0, "the limit was met");
	for (int i = 0; i < SLOTS; i++)
		if (shared->slot[i].p != NULL)
			strata_region_free_for(shared->slot[i].account, shared->slot[i].p, shared->slot[i].bytes);
	strata_region_status(&s);
	is_int(s.used, 0, "all came back");
	ok(check_status() == NULL && check_units() == NULL, "and everything adds up");
}

int
main(void)
{
	server_start();
	by_hand();
	property(64, 16, 8, 0, 6000);
	property(64, 64, 4, 0, 4000);
	property(128, 16, 64, 0, 4000);
	property(128, 16, 1024, 0, 3000);
	property(128, 24, 8, 2 * MB, 6000);
	smaps();
	processes(0);
	processes(2 * MB);
	lowered(true);
	lowered(false);
	explicit();
	is_int(server_locks_held, 0, "no lock is held at the end");
	return tap_done();
}
