/*
 * slab.h - small objects in the shared region, by size class.
 *
 * Included by: alloc/, unit tests and benchmarks by way of memory.h; others use memory.h.
 * Memory: slabs of STRATA_SLAB_BYTES (strata.page_size where that is more), aligned, from the region.
 * Locking: inside.  A process takes from and gives to its own magazine without any atomic operation;
 * magazines are exchanged with the depot of the core it runs on, the depot with the slabs of the class. Not
 * here: limits and owners (arena.h), objects beyond STRATA_SLAB_MAX (region.h).
 *
 * After Bonwick & Adams, "Magazines and Vmem" (USENIX 2001).
 */
#ifndef STRATA_ALLOC_SLAB_H
#define STRATA_ALLOC_SLAB_H

#include "postgres.h"

#include "base/module.h"

#define STRATA_SLAB_BYTES (64 * 1024)
#define STRATA_SLAB_MAX	  8192 /* largest object */

extern const StrataModule strata_slab_module;

/* 16-aligned; contents undefined; NULL when the region is exhausted.  Never ERRORs. */
extern void *strata_slab_alloc(Size bytes);
/* `bytes` as given to alloc (checked against the class in assert builds).  Never ERRORs. */
extern void strata_slab_free(void *p, Size bytes);
/* What an object of that many bytes takes. */
extern Size strata_slab_round(Size bytes);
/* Empty slabs back to the region; all: the magazines of this process and all depots are emptied first.  Bytes
 * freed. */
extern Size strata_slab_reclaim(bool all);

/*
 * One class.  Slabs and objects_total are what is; objects_used = allocs - frees, which a process adds up
 * when it exchanges magazines and at the end of each transaction: exact for this process and for all that are
 * between transactions, behind by at most two magazines for the others.  objects_cached is the rest:
 * magazines and depots.
 */
typedef struct StrataSlabClassStats
{
	Size object_bytes;
	bool magazines; /* the class that the magazines themselves come from */
	uint64 slabs, objects_used, objects_cached,
		objects_total; /* cached: in magazines; total: room in slabs */
	uint64 allocs, frees;
} StrataSlabClassStats;

/* Returns how many classes, at most `max` of which are in out, which may be NULL. */
extern int strata_slab_stats(StrataSlabClassStats *out, int max);

#endif
