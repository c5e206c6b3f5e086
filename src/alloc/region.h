/*
 * region.h - the shared region: one MAP_SHARED mapping that all of pg_strata's big memory lies in.
 *
 * Included by: ring/, column/, api/ (server only).
 * Memory: reserved by the postmaster at start (strata.memory_max), inherited at the same address by every
 * child, so pointers into it may be shared.  Committed by use up to strata.memory.
 * Locking: one LWLock inside guards the allocator; callers hold no lock that the allocator could want.
 * Not here: who owns a block (column/store.c), events.
 */
#ifndef STRATA_ALLOC_REGION_H
#define STRATA_ALLOC_REGION_H

#include "postgres.h"

#include "base/module.h"

extern const StrataModule strata_region_module;

/* A run of whole pages (strata.page_size each), zeroing not promised.  NULL when strata.memory or the
 * region is exhausted: the caller says so to the user.  Never ERRORs. */
extern void *strata_region_alloc(Size bytes);
/* `bytes` as given to alloc. */
extern void strata_region_free(void *p, Size bytes);
/* What a block of that many bytes takes: whole pages. */
extern Size strata_region_round(Size bytes);
/* True when p..p+bytes lies wholly inside the region. */
extern bool strata_region_contains(const void *p, Size bytes);

typedef struct StrataRegionStatus
{
	Size reserved; /* strata.memory_max as mapped */
	Size limit;	   /* strata.memory now */
	Size page_size;
	Size used;		/* handed out, in whole pages */
	Size requested; /* sum of bytes asked for by live blocks */
	Size overhead;	/* the region's own tables */
	Size free;		/* limit - used - overhead; reserved = used + overhead + free + beyond the limit */
	Size largest_free;
	uint64 allocs, frees, failures;
	Size huge_page_size;	/* 0: ordinary pages (THP advice may still apply) */
	const char *huge_pages; /* "explicit", "transparent" (asked for, the kernel decides) or "none" */
} StrataRegionStatus;

extern void strata_region_status(StrataRegionStatus *out);

#endif
