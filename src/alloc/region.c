/*
 * region.c - the shared region: mapping, limit, exact accounting.  Which pages are free is buddy.c.
 *
 * The postmaster maps strata.memory_max bytes before it has any child, so every process sees the region at
 * the same address and pointers into it may be shared.  The mapping is not reserved (MAP_NORESERVE): a page
 * that nobody was given costs address space and no memory.  Page 0 is the region's first; the allocator's own
 * bitmaps lie in the first pages, which are never handed out.
 *
 * Giving memory back to the kernel.  A freed page stays resident until the 2 MB piece around it is wholly
 * free; the piece is then cut out of the mapping's memory with MADV_REMOVE.  Pieces are the size because that
 * is the huge page (a smaller hole would break one up), because a hole for every 8 kB page would cost a
 * system call a page, and because units come and go in megabytes anyway.  `piece_touched` remembers which
 * pieces hold memory, so a piece is cut once and not again each time it merges with a neighbour.  Explicit
 * huge pages are never cut: the kernel set them aside when the server started, and cutting would drop that
 * reservation, so that a later touch could find none left and kill the process.
 *
 * Crash restart.  The postmaster survives and keeps the mapping; shmem_startup runs again and must find an
 * empty region.  Unmapping would not free the memory while the syslogger, which survives as well, has it
 * mapped; so the contents are cut out (or the bitmaps cleared, with huge pages) and the same mapping is used
 * again.
 *
 * Locking: one LWLock over RegionShared, the bitmaps and piece_touched.  Nothing inside can ERROR, so it is
 * never held when an error is thrown.
 */
#include "postgres.h"

#include <fcntl.h>
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
#include "alloc/region.h"

#ifdef EXEC_BACKEND
#error "the shared region must be inherited by fork"
#endif

#define REGION_TRANCHE "StrataRegion"
#define PIECE_BYTES	   ((Size)2 * 1024 * 1024)

typedef struct RegionShared
{
	uint64 used_pages; /* handed out */
	uint64 requested;  /* bytes asked for by live blocks */
	uint64 allocs, frees, failures;
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
static char *region_base;	   /* 2 MB aligned; NULL when there is no region */
static Size region_bytes;	   /* whole pieces */
static Size region_page;	   /* strata.page_size */
static uint32 region_head;	   /* pages of the allocator itself, at the start */
static uint64 *region_touched; /* bit a piece; behind the buddy's words */
static Size region_huge_page;  /* of explicit huge pages, else 0 */
static const char *region_huge_text = "none";
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

static void
region_settings(void)
{
	/* The server refuses settings that need a restart once it has started. */
	if (!strata_preloaded)
		return;
	DefineCustomIntVariable("strata.memory", "Memory that pg_strata may hold in its shared region.",
							"Beyond it nothing new is stored; what is stored stays until it is evicted.",
							&strata_memory, 1024 * 1024, 1024, INT_MAX, PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL,
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

/* Does the kernel give transparent huge pages to shared memory that asks for them? */
static bool
region_kernel_has_shmem_thp(void)
{
	char text[128];
	ssize_t n;
	int fd = open("/sys/kernel/mm/transparent_hugepage/shmem_enabled", O_RDONLY);

	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return strstr(text, "[advise]") || strstr(text, "[always]") || strstr(text, "[within_size]") ||
		   strstr(text, "[force]");
}

/* Maps explicit huge pages.  False, with errno, when the system has not enough of them. */
static bool
region_map_huge(void)
{
#ifdef MAP_HUGETLB
	Size huge;
	int flags;
	Size bytes;
	void *p;

	GetHugePageSize(&huge, &flags);
	if (huge == 0)
	{
		errno = ENOSYS;
		return false;
	}
	/* Reserved (no MAP_NORESERVE): running out at the first touch would be a SIGBUS. */
	bytes = TYPEALIGN(Max(huge, PIECE_BYTES), region_bytes);
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | flags, -1, 0);
	if (p == MAP_FAILED)
		return false;
	region_base = p;
	region_huge_page = huge;
	region_huge_text = "explicit";
	return true;
#else
	errno = ENOSYS;
	return false;
#endif
}

/* Maps ordinary pages, aligned to a piece, and asks for transparent huge ones. */
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
	if (strata_huge_pages != HUGE_PAGES_OFF && madvise(region_base, region_bytes, MADV_HUGEPAGE) == 0 &&
		region_kernel_has_shmem_thp())
		region_huge_text = "transparent";
#endif
}

/* Called once in the life of a postmaster. */
static void
region_map(void)
{
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
		region_map_ordinary();
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
	uint32 npages;
	Size buddy_words, touched_words;

	if (first)
		region_map();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	region = ShmemInitStruct("pg_strata region", sizeof(RegionShared), &found);
	region_lock = &GetNamedLWLockTranche(REGION_TRANCHE)->lock;
	if (!found)
	{
		npages = region_bytes / region_page;
		buddy_words = strata_buddy_words(npages);
		touched_words = (region_bytes / PIECE_BYTES + 63) / 64;
		region_head =
			(uint32)(((buddy_words + touched_words) * sizeof(uint64) + region_page - 1) / region_page);
		region_touched = (uint64 *)region_base + buddy_words;

		if (!first)
			region_clear(region_head * region_page);
		memset(region, 0, sizeof(RegionShared));
		strata_buddy_init(&region->buddy, npages, (uint64 *)region_base);
		strata_buddy_free(&region->buddy, region_head, npages - region_head);
	}
	LWLockRelease(AddinShmemInitLock);
}

/* ---- handing out ---- */

static inline uint64
region_limit(void)
{
	return Min((uint64)strata_memory * 1024, region_bytes);
}

static inline uint64
region_pages(Size bytes)
{
	return bytes / region_page + (bytes % region_page != 0);
}

/* Remembers that the pieces under the run may hold memory. */
static void
region_touch(uint32 page, uint64 npages)
{
	Size first = page * region_page / PIECE_BYTES;
	Size last = ((page + npages) * region_page - 1) / PIECE_BYTES;

	for (Size piece = first; piece <= last; piece++)
		region_touched[piece / 64] |= UINT64CONST(1) << (piece % 64);
}

/* After the run was freed: gives the kernel those pieces under it that are now wholly free. */
static void
region_release_pieces(uint32 page, uint64 npages)
{
	Size first = page * region_page / PIECE_BYTES;
	Size last = ((page + npages) * region_page - 1) / PIECE_BYTES;
	uint32 pages_a_piece = PIECE_BYTES / region_page;
	uint32 order = pg_leftmost_one_pos32(pages_a_piece);

	if (region_huge_page != 0)
		return;
	for (Size piece = first; piece <= last; piece++)
	{
		uint64 bit = UINT64CONST(1) << (piece % 64);

		if ((region_touched[piece / 64] & bit) &&
			strata_buddy_covers(&region->buddy, piece * pages_a_piece, order) &&
			madvise(region_base + piece * PIECE_BYTES, PIECE_BYTES, MADV_REMOVE) == 0)
			region_touched[piece / 64] &= ~bit;
	}
}

void *
strata_region_alloc(Size bytes)
{
	uint64 npages;
	uint32 page = STRATA_BUDDY_NONE;

	if (region == NULL || bytes == 0)
		return NULL;
	npages = region_pages(bytes);

	LWLockAcquire(region_lock, LW_EXCLUSIVE);
	if (npages <= region_bytes / region_page &&
		(region_head + region->used_pages + npages) * region_page <= region_limit())
		page = strata_buddy_alloc(&region->buddy, (uint32)npages);
	if (page != STRATA_BUDDY_NONE)
	{
		region->used_pages += npages;
		region->requested += bytes;
		region->allocs++;
		region_touch(page, npages);
	}
	else
		region->failures++;
	LWLockRelease(region_lock);

	return page == STRATA_BUDDY_NONE ? NULL : region_base + page * region_page;
}

void
strata_region_free(void *p, Size bytes)
{
	uint64 npages = region_pages(bytes);
	uint32 page;
	bool freed;

	Assert(strata_region_contains(p, bytes) && ((char *)p - region_base) % region_page == 0);
	page = (uint32)(((char *)p - region_base) / region_page);

	LWLockAcquire(region_lock, LW_EXCLUSIVE);
	freed = strata_buddy_free(&region->buddy, page, (uint32)npages);
	if (freed)
	{
		region->used_pages -= npages;
		region->requested -= bytes;
		region->frees++;
		region_release_pieces(page, npages);
	}
	LWLockRelease(region_lock);

	/* Cannot happen.  Callers free in abort paths, where an ERROR would only make it worse. */
	Assert(freed);
	if (!freed)
		elog(WARNING, "block of %zu bytes of the pg_strata region was freed twice", bytes);
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
strata_region_status(StrataRegionStatus *out)
{
	uint64 limit, held;

	memset(out, 0, sizeof(*out));
	out->huge_pages = region_huge_text;
	if (region == NULL)
		return;

	LWLockAcquire(region_lock, LW_SHARED);
	limit = region_limit();
	out->reserved = region_bytes;
	out->limit = limit;
	out->page_size = region_page;
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
	LWLockRelease(region_lock);
}

const StrataModule strata_region_module = {
	.name = "region",
	.settings = region_settings,
	.shmem_size = region_shmem_size,
	.shmem_request = region_shmem_request,
	.shmem_startup = region_shmem_startup,
};
