/*
 * region.h - the shared region: one MAP_SHARED mapping that all of pg_strata's big memory lies in.
 *
 * Included by: alloc/, pool/, column/, api/ (server only); only memory.c and slab.c allocate by it.
 * Memory: reserved by the postmaster at start (strata.memory_max), inherited at the same address by every
 * child, so pointers into it may be shared.  Committed by use up to strata.memory.
 * Locking: one LWLock inside guards the allocator; it is a leaf.
 * Not here: what the accounts mean and who gives back when memory is short (memory.h), events.
 */
#ifndef STRATA_ALLOC_REGION_H
#define STRATA_ALLOC_REGION_H

#include "postgres.h"

#include "base/module.h"

extern const StrataModule strata_region_module;

/* Every block is on one of these accounts; memory.h gives them their meaning (StrataConsumer). */
#define STRATA_REGION_ACCOUNTS 4

typedef struct StrataRegionAccount
{
	Size allocated, freed; /* bytes since start, in whole pages */
	Size current, peak;
	Size requested; /* of current: the bytes asked for */
	uint64 allocs, frees;
} StrataRegionAccount;

/* A run of whole pages (strata.page_size each), at an address that is a multiple of its size rounded up to a
 * power of two (at most 2 MB); zeroing not promised.  NULL when strata.memory or the region is exhausted.
 * Never ERRORs. */
extern void *strata_region_alloc_for(int account, Size bytes);
/* `account` and `bytes` as given to alloc. */
extern void strata_region_free_for(int account, void *p, Size bytes);
/* Gives free memory back to the kernel until `wanted` bytes went; returns how many did (in whole commit
 * units). */
extern Size strata_region_trim(Size wanted);
/* What a block of that many bytes takes: whole pages. */
extern Size strata_region_round(Size bytes);
/* True when p..p+bytes lies wholly inside the region. */
extern bool strata_region_contains(const void *p, Size bytes);
/* Where it lies; base NULL: there is none. */
extern void strata_region_extent(void **base, Size *bytes);

typedef struct StrataRegionStatus
{
	Size reserved; /* strata.memory_max as mapped */
	Size limit;	   /* strata.memory now */
	Size page_size;
	Size committed; /* memory the kernel may have given: never less than what is resident */
	Size idle;		/* of it: free here, and given back to the kernel when something else needs it */
	Size returned;	/* given back to the kernel since start */
	Size used;		/* handed out, in whole pages; the sum of the accounts' current bytes */
	Size requested; /* sum of bytes asked for by live blocks */
	Size overhead;	/* the region's own tables */
	Size free;		/* limit - used - overhead; reserved = used + overhead + free + beyond the limit */
	Size largest_free;
	uint64 allocs, frees,
		failures; /* failures: requests refused, those tried again after a reclaim included */
	StrataRegionAccount account[STRATA_REGION_ACCOUNTS];
	Size huge_page_size;	/* 0: ordinary pages (THP advice may still apply) */
	const char *huge_pages; /* "explicit", "transparent" (asked for, the kernel decides) or "none" */
} StrataRegionStatus;

extern void strata_region_status(StrataRegionStatus *out);

#endif
