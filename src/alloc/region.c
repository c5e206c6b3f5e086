/*
 * region.c - the shared region: mapping, limit, exact accounting.  Which pages are free is buddy.c.
 *
 * The postmaster maps strata.memory_max bytes before it has any child, so every process sees the region at
 * the same address and pointers into it may be shared.  The mapping is not reserved (MAP_NORESERVE): a page
 * that nobody was given costs address space and no memory.  Page 0 is the region's first; the allocator's own
 * bitmaps lie in the first pages, which are never handed out.
 *
 * Committed memory.  The kernel gives memory when a page is first touched and keeps it until told otherwise,
 * so what counts against strata.memory is not what is handed out but what may have been touched since it was
 * last given back.  That is kept for each commit unit, the smallest piece the kernel may make resident at
 * once: a page of ours (or the kernel's, where that is larger), and 2 MB where transparent huge pages are on,
 * since there one touch, or khugepaged later, brings in all of it.  Two bitmaps:
 *
 *     committed   the unit may hold memory.  Set when a run over it is handed out, before anyone can touch
 * it. idle        committed, and every page in it is free.
 *
 * Freed memory stays committed, for using it again is cheaper than a system call now and page faults later.
 * Idle units are cut out of the mapping (MADV_REMOVE) when a request would bring committed memory over the
 * limit, when memory is freed while it is over the limit (which was lowered), and by strata_region_trim().  A
 * request first looks at some free blocks for one that is committed already.  So at any moment
 * resident <= committed, and committed <= limit unless the limit has just been lowered below what is handed
 * out.
 *
 * Explicit huge pages are never cut: the kernel set all of them aside when the server started, and cutting
 * would drop that reservation, so that a later touch could find none left and kill the process.  There the
 * limit counts pages handed out, and committed is the whole mapping.
 *
 * The limit.  Every process has its own copy of the setting and reads a change of it when it comes round to
 * it; a backend that is late must not allocate by the old one.  The postmaster reads it first and writes it
 * to shared memory, from where all take it.
 *
 * Crash restart.  The postmaster survives and keeps the mapping; shmem_startup runs again and must find an
 * empty region.  Unmapping would not free the memory while the syslogger, which survives as well, has it
 * mapped; so the contents are cut out (or the bitmaps cleared, with huge pages) and the same mapping is used
 * again.
 *
 * Locking: one LWLock over RegionShared and the bitmaps.  Nothing inside can ERROR, so it is never held when
 * an error is thrown.
 */
#include "postgres.h"

#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/lwlock.h"
#include "storage/pg_shmem.h"
#include "storage/shmem.h"
#include "utils/guc.h"

#include "alloc/buddy.h"
#include "alloc/hugepages.h"
#include "alloc/region.h"

#ifdef EXEC_BACKEND
#error "the shared region must be inherited by fork"
#endif

#define REGION_TRANCHE "StrataRegion"
#define PIECE_BYTES	   ((Size)2 * 1024 * 1024)
#define GIGABYTE	   ((Size)1024 * 1024 * 1024)
/* Free blocks that a request looks at for one that is committed already. */
#define ALLOC_TRIES 16
/* Memory that is cut out without letting go of the lock, but for what a request needs: well below a
 * millisecond's work. */
#define TRIM_STEP ((Size)4 * 1024 * 1024)

typedef struct RegionShared
{
	pg_atomic_uint32 limit; /* strata.memory, kB; written by the postmaster alone */
	uint64 used_pages;		/* handed out */
	uint64 requested;		/* bytes asked for by live blocks */
	uint64 allocs, frees, failures;
	uint64 committed_units, idle_units; /* bits set in the bitmaps */
	uint64 cut_cursor;					/* word of the idle bitmap where the last cut ended */
	uint64 cut_bytes;					/* given back to the kernel since start */
	StrataRegionAccount account[STRATA_REGION_ACCOUNTS];
	StrataBuddy buddy;
} RegionShared;

/* Settings. */
static int strata_memory = 1024 * 1024;			/* kB */
static int strata_memory_max = 4 * 1024 * 1024; /* kB */
static int strata_page_size = 8;				/* kB */
static int strata_huge_pages = HUGE_PAGES_TRY;

static const struct config_enum_entry huge_pages_options[] = {{"off", HUGE_PAGES_OFF, false},
															  {"on", HUGE_PAGES_ON, false},
															  {"try", HUGE_PAGES_TRY, false},
															  {NULL, 0, false}};

/* Set once by the postmaster, inherited by its children; constant from then on. */
static char *region_base;		 /* 2 MB aligned; NULL when there is no region */
static Size region_bytes;		 /* whole pieces */
static Size region_page;		 /* strata.page_size */
static uint32 region_head;		 /* pages of the allocator itself, at the start */
static uint32 region_unit_pages; /* pages of a commit unit; 0: explicit huge pages, nothing is ever cut */
static uint64 region_nunits;	 /* commit units in the region */
static uint64 *region_committed; /* bit a unit; behind the buddy's words */
static uint64 *region_idle;		 /* bit a unit; behind region_committed */
static Size region_huge_page;	 /* of explicit huge pages, else 0 */
static bool region_transparent;	 /* the kernel may use transparent huge pages for the mapping */
static LWLock *region_lock;
static RegionShared *region;

/* ---- settings ---- */

static bool
region_check_page_size(int *newval, void **extra, GucSource source)
{
	if ((*newval & (*newval - 1)) == 0)
		return true;
	GUC_check_errdetail("\"strata.page_size\" must be a power of two.");
	return false;
}

/* The postmaster is the first to read the file; its word is everyone's. */
static void
region_assign_memory(int newval, void *extra)
{
	if (region != NULL && !IsUnderPostmaster)
		pg_atomic_write_u32(&region->limit, (uint32)newval);
}

static void
region_settings(void)
{
	/* The server refuses settings that need a restart once it has started. */
	if (!strata_preloaded)
		return;
	DefineCustomIntVariable(
		"strata.memory", "Memory that pg_strata may hold in its shared region.",
		"Resident memory of the region stays below it.  Lowering it evicts and gives memory "
		"back to the system at once.",
		&strata_memory, 1024 * 1024, 8 * 1024, INT_MAX, PGC_SIGHUP, GUC_UNIT_KB, NULL, region_assign_memory,
		NULL);
	DefineCustomIntVariable(
		"strata.memory_max", "Address space reserved for the shared region at server start.",
		"strata.memory can be raised up to this without a restart.", &strata_memory_max, 4 * 1024 * 1024,
		8 * 1024, INT_MAX, PGC_POSTMASTER, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("strata.page_size", "Size of the steps in which the shared region is handed out.",
							"A power of two.", &strata_page_size, 8, 4, 1024, PGC_POSTMASTER, GUC_UNIT_KB,
							region_check_page_size, NULL, NULL);
	DefineCustomEnumVariable(
		"strata.huge_pages", "Use of huge pages for the shared region.",
		"With \"try\" and no huge pages set aside, transparent huge pages are asked for.", &strata_huge_pages,
		HUGE_PAGES_TRY, huge_pages_options, PGC_POSTMASTER, 0, NULL, NULL, NULL);
}

/* ---- bitmaps of commit units ---- */

static inline bool
bit_get(const uint64 *words, uint64 bit)
{
	return words[bit / 64] >> (bit % 64) & 1;
}

/* The bits of word w that lie in first .. last. */
static inline uint64
bits_mask(uint64 w, uint64 first, uint64 last)
{
	uint64 mask = ~UINT64CONST(0);

	if (w == first / 64)
		mask &= ~UINT64CONST(0) << (first % 64);
	if (w == last / 64)
		mask &= ~UINT64CONST(0) >> (63 - last % 64);
	return mask;
}

/* How many of first .. last are set. */
static uint64
bits_count(const uint64 *words, uint64 first, uint64 last)
{
	uint64 n = 0;

	for (uint64 w = first / 64; w <= last / 64; w++)
		n += pg_popcount64(words[w] & bits_mask(w, first, last));
	return n;
}

/* Sets all of them; returns how many were not. */
static uint64
bits_set(uint64 *words, uint64 first, uint64 last)
{
	uint64 n = last - first + 1 - bits_count(words, first, last);

	for (uint64 w = first / 64; w <= last / 64; w++)
		words[w] |= bits_mask(w, first, last);
	return n;
}

static void
bits_clear(uint64 *words, uint64 first, uint64 last)
{
	for (uint64 w = first / 64; w <= last / 64; w++)
		words[w] &= ~bits_mask(w, first, last);
}

/* ---- start ---- */

static Size
region_shmem_size(void)
{
	return MAXALIGN(sizeof(RegionShared));
}

static void
region_shmem_request(void)
{
	RequestNamedLWLockTranche(REGION_TRANCHE, 1);
}

/* Maps explicit huge pages of that size.  False, with errno, when the system has not enough of them. */
static bool
region_map_huge_size(Size huge, int flags)
{
	/* Reserved (no MAP_NORESERVE): running out at the first touch would be a SIGBUS. */
	Size bytes = TYPEALIGN(Max(huge, PIECE_BYTES), region_bytes);
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | flags, -1, 0);

	if (p == MAP_FAILED)
		return false;
	region_base = p;
	region_huge_page = huge;
	return true;
}

/*
 * Maps explicit huge pages: of the size that PostgreSQL's huge_page_size says; without it of 1 GB where they
 * fill the region exactly and the system has enough of them unused; else of the system's default size.
 */
static bool
region_map_huge(void)
{
#ifdef MAP_HUGETLB
	Size huge;
	int flags;

#ifdef MAP_HUGE_SHIFT
	StrataHugePool gigantic;

	if (huge_page_size == 0 && region_bytes % GIGABYTE == 0 &&
		strata_hugepages_pool(STRATA_SYS, GIGABYTE, &gigantic) && gigantic.free >= gigantic.reserved &&
		gigantic.free - gigantic.reserved >= region_bytes / GIGABYTE &&
		region_map_huge_size(GIGABYTE, MAP_HUGETLB | (30 << MAP_HUGE_SHIFT)))
		return true;
#endif
	GetHugePageSize(&huge, &flags);
	if (huge == 0)
	{
		errno = ENOSYS;
		return false;
	}
	return region_map_huge_size(huge, flags);
#else
	errno = ENOSYS;
	return false;
#endif
}

/*
 * Maps ordinary pages, aligned to a piece.  Transparent huge pages are asked for where the kernel gives them
 * now, and refused where it does not: were it told to later, memory would grow in steps that we do not count.
 */
static void
region_map_ordinary(void)
{
	char *p = mmap(NULL, region_bytes + PIECE_BYTES, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *aligned;

	if (p == MAP_FAILED)
		ereport(
			FATAL,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("could not map %zu bytes for the shared region of pg_strata: %m", region_bytes),
			 errhint("Reduce strata.memory_max.  With vm.overcommit_memory = 2 all of it counts against the "
					 "commit limit.")));
	aligned = (char *)TYPEALIGN(PIECE_BYTES, p);
	if (aligned > p)
		munmap(p, aligned - p);
	if (aligned + region_bytes < p + region_bytes + PIECE_BYTES)
		munmap(aligned + region_bytes, p + PIECE_BYTES - aligned);
	region_base = aligned;
#ifdef MADV_HUGEPAGE
	region_transparent = strata_huge_pages != HUGE_PAGES_OFF &&
						 strata_hugepages_shmem_thp(STRATA_SYS) == PIECE_BYTES &&
						 madvise(region_base, region_bytes, MADV_HUGEPAGE) == 0;
	if (!region_transparent)
		madvise(region_base, region_bytes, MADV_NOHUGEPAGE);
#endif
}

/* Called once in the life of a postmaster. */
static void
region_map(void)
{
	Size unit = 0;

	region_page = (Size)strata_page_size * 1024;
	region_bytes = TYPEALIGN_DOWN(PIECE_BYTES, (Size)strata_memory_max * 1024);

	if (strata_huge_pages != HUGE_PAGES_OFF && !region_map_huge() && strata_huge_pages == HUGE_PAGES_ON)
		ereport(FATAL,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not map %zu bytes of huge pages for the shared region of pg_strata: %m",
						region_bytes),
				 errhint("Set aside more huge pages (vm.nr_hugepages), reduce strata.memory_max, or set "
						 "strata.huge_pages to \"try\".")));
	if (region_base == NULL)
	{
		region_map_ordinary();
		unit = Max(region_page, region_transparent ? PIECE_BYTES : (Size)sysconf(_SC_PAGESIZE));
	}
	region_unit_pages = unit / region_page;
	region_nunits = unit == 0 ? 0 : region_bytes / unit;
}

/* Makes the pages of the allocator itself zero again, and everything else too where that frees memory. */
static void
region_clear(Size head_bytes)
{
	if (region_huge_page == 0 && madvise(region_base, region_bytes, MADV_REMOVE) == 0)
		return;
	memset(region_base, 0, head_bytes);
}

/* Lays out an empty region; after a crash restart over the old one. */
static void
region_shmem_startup(void)
{
	bool found;
	bool first = region_base == NULL;

	if (first)
		region_map();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	region = ShmemInitStruct("pg_strata region", sizeof(RegionShared), &found);
	region_lock = &GetNamedLWLockTranche(REGION_TRANCHE)->lock;
	if (!found)
	{
		uint32 npages = region_bytes / region_page;
		Size buddy_words = strata_buddy_words(npages);
		Size unit_words = (region_nunits + 63) / 64;

		region_head =
			(uint32)(((buddy_words + 2 * unit_words) * sizeof(uint64) + region_page - 1) / region_page);
		region_committed = (uint64 *)region_base + buddy_words;
		region_idle = region_committed + unit_words;

		if (!first)
			region_clear(region_head * region_page);
		memset(region, 0, sizeof(RegionShared));
		pg_atomic_init_u32(&region->limit, (uint32)strata_memory);
		strata_buddy_init(&region->buddy, npages, (uint64 *)region_base);
		strata_buddy_free(&region->buddy, region_head, npages - region_head);
		if (region_unit_pages != 0)
			region->committed_units = bits_set(region_committed, 0, (region_head - 1) / region_unit_pages);
	}
	LWLockRelease(AddinShmemInitLock);
}

/* ---- committed memory; the lock is held ---- */

static inline uint64
region_limit(void)
{
	return Min((uint64)pg_atomic_read_u32(&region->limit) * 1024, region_bytes);
}

static inline uint64
region_pages(Size bytes)
{
	return bytes / region_page + (bytes % region_page != 0);
}

static inline Size
region_unit_bytes(void)
{
	return region_unit_pages * region_page;
}

/*
 * Gives the kernel up to `units` idle units, going on where the last cut ended; returns how many.  Neighbours
 * go in one call.
 */
static uint64
region_cut(uint64 units)
{
	Size unit = region_unit_bytes();
	uint64 words = (region_nunits + 63) / 64;
	uint64 cut = 0;

	for (uint64 look = 0; look <= words && cut < units && region->idle_units > 0; look++)
	{
		uint64 w = (region->cut_cursor + look) % words;

		while (region_idle[w] != 0 && cut < units)
		{
			uint64 first = w * 64 + pg_rightmost_one_pos64(region_idle[w]);
			uint64 n = 1;

			while (cut + n < units && first + n < region_nunits && bit_get(region_idle, first + n))
				n++;
			if (madvise(region_base + first * unit, n * unit, MADV_REMOVE) != 0)
				return cut;
			bits_clear(region_idle, first, first + n - 1);
			bits_clear(region_committed, first, first + n - 1);
			region->idle_units -= n;
			region->committed_units -= n;
			region->cut_bytes += n * unit;
			cut += n;
			look += (first + n - 1) / 64 - w;
			w = (first + n - 1) / 64;
		}
		if (cut >= units)
			region->cut_cursor = w;
	}
	return cut;
}

/* What a run would commit: units under it that hold no memory.  For strata_buddy_alloc_cheapest(). */
static uint32
region_fresh_units(void *arg, uint32 page, uint32 npages)
{
	uint64 first = page / region_unit_pages;
	uint64 last = (page + npages - 1) / region_unit_pages;

	return (uint32)(last - first + 1 - bits_count(region_committed, first, last));
}

/*
 * Commits the units under a run that was just taken from the buddy, cutting idle ones elsewhere where the
 * limit asks for it.  False, and nothing changed, when there are not enough of those.
 */
static bool
region_commit(uint32 page, uint32 npages)
{
	uint64 first, last, fresh, reused, limit_units;

	if (region_unit_pages == 0)
		return true;

	first = page / region_unit_pages;
	last = (page + npages - 1) / region_unit_pages;
	fresh = last - first + 1 - bits_count(region_committed, first, last);
	reused = bits_count(region_idle, first, last);
	limit_units = region_limit() / region_unit_bytes();
	if (region->committed_units + fresh - (region->idle_units - reused) > limit_units)
		return false;

	/* From here on the run's own units are not idle, so the cut leaves them alone. */
	region->idle_units -= reused;
	bits_clear(region_idle, first, last);
	if (region->committed_units + fresh > limit_units &&
		region_cut(region->committed_units + fresh - limit_units) <
			region->committed_units + fresh - limit_units)
		return false;
	region->committed_units += fresh;
	bits_set(region_committed, first, last);
	return true;
}

/* After the run went back to the buddy: its units are idle if they are committed and all free. */
static void
region_idle_run(uint32 page, uint32 npages)
{
	uint64 first, last;
	uint32 order;

	if (region_unit_pages == 0)
		return;
	order = pg_leftmost_one_pos32(region_unit_pages);
	first = page / region_unit_pages;
	last = (page + npages - 1) / region_unit_pages;
	for (uint64 unit = first; unit <= last; unit++)
	{
		/* Only the run's ends can share a unit with others. */
		if ((unit == first || unit == last) && region_unit_pages > 1 &&
			!strata_buddy_covers(&region->buddy, (uint32)unit * region_unit_pages, order))
			continue;
		if (bit_get(region_committed, unit) && !bit_get(region_idle, unit))
		{
			bits_set(region_idle, unit, unit);
			region->idle_units++;
		}
	}
}

/*
 * Cuts idle memory down to the limit, which was lowered.  In steps, and the lock, which the caller holds, is
 * let go in between: nobody waits for all of it.
 */
static void
region_keep_limit(void)
{
	Size unit = region_unit_bytes();
	uint64 limit_units, over;

	if (unit == 0)
		return;
	for (;;)
	{
		limit_units = region_limit() / unit;
		if (region->committed_units <= limit_units || region->idle_units == 0)
			return;
		over = region->committed_units - limit_units;
		if (region_cut(Min(over, Max(TRIM_STEP / unit, 1))) == 0)
			return;
		LWLockRelease(region_lock);
		LWLockAcquire(region_lock, LW_EXCLUSIVE);
	}
}

/* ---- handing out ---- */

void *
strata_region_alloc_for(int account, Size bytes)
{
	StrataRegionAccount *a;
	uint64 npages;
	uint32 page = STRATA_BUDDY_NONE;

	Assert(account >= 0 && account < STRATA_REGION_ACCOUNTS);
	if (region == NULL || bytes == 0)
		return NULL;
	npages = region_pages(bytes);

	LWLockAcquire(region_lock, LW_EXCLUSIVE);
	region_keep_limit();
	if (npages <= region_bytes / region_page &&
		(region_head + region->used_pages + npages) * region_page <= region_limit())
	{
		if (region_unit_pages == 0)
			page = strata_buddy_alloc(&region->buddy, (uint32)npages);
		else
			page = strata_buddy_alloc_cheapest(&region->buddy, (uint32)npages, ALLOC_TRIES,
											   region_fresh_units, NULL);
		if (page != STRATA_BUDDY_NONE && !region_commit(page, (uint32)npages))
		{
			strata_buddy_free(&region->buddy, page, (uint32)npages);
			region_idle_run(page, (uint32)npages);
			page = STRATA_BUDDY_NONE;
		}
	}
	if (page != STRATA_BUDDY_NONE)
	{
		region->used_pages += npages;
		region->requested += bytes;
		region->allocs++;
		a = &region->account[account];
		a->allocs++;
		a->requested += bytes;
		a->allocated += npages * region_page;
		a->current += npages * region_page;
		a->peak = Max(a->peak, a->current);
	}
	else
		region->failures++;
	LWLockRelease(region_lock);

	return page == STRATA_BUDDY_NONE ? NULL : region_base + page * region_page;
}

void
strata_region_free_for(int account, void *p, Size bytes)
{
	StrataRegionAccount *a;
	uint64 npages = region_pages(bytes);
	uint32 page;
	bool freed;

	Assert(account >= 0 && account < STRATA_REGION_ACCOUNTS);
	Assert(strata_region_contains(p, bytes) && ((char *)p - region_base) % region_page == 0);
	page = (uint32)(((char *)p - region_base) / region_page);

	LWLockAcquire(region_lock, LW_EXCLUSIVE);
	freed = strata_buddy_free(&region->buddy, page, (uint32)npages);
	if (freed)
	{
		region->used_pages -= npages;
		region->requested -= bytes;
		region->frees++;
		a = &region->account[account];
		Assert(a->current >= npages * region_page);
		a->frees++;
		a->requested -= bytes;
		a->freed += npages * region_page;
		a->current -= npages * region_page;
		region_idle_run(page, (uint32)npages);
		region_keep_limit();
	}
	LWLockRelease(region_lock);

	/* Cannot happen.  Callers free in abort paths, where an ERROR would only make it worse. */
	Assert(freed);
	if (!freed)
	{
		/* A message checks for interrupts; freeing throws nothing. */
		HOLD_INTERRUPTS();
		elog(WARNING, "block of %zu bytes of the pg_strata region was freed twice", bytes);
		RESUME_INTERRUPTS();
	}
}

Size
strata_region_trim(Size wanted)
{
	Size unit = region_unit_bytes();
	Size freed = 0;

	if (region == NULL || unit == 0)
		return 0;
	while (freed < wanted)
	{
		uint64 want = Min((wanted - freed - 1) / unit + 1, Max(TRIM_STEP / unit, 1));
		uint64 cut;

		LWLockAcquire(region_lock, LW_EXCLUSIVE);
		cut = region_cut(want);
		LWLockRelease(region_lock);
		freed += cut * unit;
		if (cut < want)
			break;
	}
	return freed;
}

bool
strata_region_contains(const void *p, Size bytes)
{
	const char *c = p;

	return region_base != NULL && c >= region_base && bytes <= region_bytes &&
		   (Size)(c - region_base) <= region_bytes - bytes;
}

Size
strata_region_round(Size bytes)
{
	return region_page == 0 ? bytes : region_pages(bytes) * region_page;
}

void
strata_region_extent(void **base, Size *bytes)
{
	*base = region_base;
	*bytes = region_bytes;
}

void
strata_region_status(StrataRegionStatus *out)
{
	uint64 limit, held;

	memset(out, 0, sizeof(*out));
	out->huge_pages = region_huge_page != 0 ? "explicit" : region_transparent ? "transparent" : "none";
	if (region == NULL)
		return;

	LWLockAcquire(region_lock, LW_SHARED);
	limit = region_limit();
	out->reserved = region_bytes;
	out->limit = limit;
	out->page_size = region_page;
	out->committed = region_unit_pages == 0 ? region_bytes : region->committed_units * region_unit_bytes();
	out->idle = region->idle_units * region_unit_bytes();
	out->returned = region->cut_bytes;
	out->used = region->used_pages * region_page;
	out->requested = region->requested;
	out->overhead = region_head * region_page;
	held = out->used + out->overhead;
	/* A limit lowered below what is held leaves nothing free, not less than nothing. */
	out->free = limit > held ? limit - held : 0;
	out->largest_free = Min((Size)strata_buddy_largest(&region->buddy) * region_page, out->free);
	out->allocs = region->allocs;
	out->frees = region->frees;
	out->failures = region->failures;
	out->huge_page_size = region_huge_page;
	memcpy(out->account, region->account, sizeof(out->account));
	LWLockRelease(region_lock);
}

const StrataModule strata_region_module = {
	.name = "region",
	.settings = region_settings,
	.shmem_size = region_shmem_size,
	.shmem_request = region_shmem_request,
	.shmem_startup = region_shmem_startup,
};
