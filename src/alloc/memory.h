/*
 * memory.h - the memory manager: one door to the allocators, one accounting, and who gives back when
 * memory is short.
 *
 * Included by: alloc/, pool/, column/, api/.
 * Memory: everything comes from the shared region (region.h).
 * Locking: inside.  Reclaimers are called without any lock of alloc/ held.
 * Not here: pressure levels (pressure.h), the pool's pages (they come from the region by way of
 * strata_memory_alloc() with the POOL consumer).
 */
#ifndef STRATA_ALLOC_MEMORY_H
#define STRATA_ALLOC_MEMORY_H

#include "postgres.h"

#include "base/module.h"

extern const StrataModule strata_memory_module;

/* Every byte of the region that is in use belongs to one of these. */
typedef enum StrataConsumer
{
	STRATA_MEM_SLAB,  /* slabs, whether their objects are in use or not */
	STRATA_MEM_ARENA, /* blocks of arenas that are no slab objects */
	STRATA_MEM_LARGE, /* large objects of others */
	STRATA_MEM_POOL,  /* frames of hot and warm pages */
	STRATA_MEM_CONSUMERS
} StrataConsumer;

extern const char *strata_consumer_name(StrataConsumer consumer);

/* Pages of the region on a consumer's account; as strata_region_alloc_for/free_for.  When the region is at
 * its limit the reclaimers are asked first (not for POOL, which makes its own room).  NULL: exhausted.  Never
 * ERRORs. */
extern void *strata_memory_pages(StrataConsumer consumer, Size bytes);
/* Counts a request of POOL that failed though it evicted; those of others are counted where they fail. */
extern void strata_memory_failed(StrataConsumer consumer);
extern void strata_memory_pages_free(StrataConsumer consumer, void *p, Size bytes);

/* Any size: a slab object up to STRATA_SLAB_MAX, else a large object.  Sized free.  With strata.memory_debug
 * on, the allocation is recorded with the place that asked. */
#define strata_memory_alloc(bytes) strata_memory_alloc_at(bytes, __FILE__, __LINE__)
extern void *strata_memory_alloc_at(Size bytes, const char *file, int line);
extern void strata_memory_free(void *p, Size bytes);

/* ---- reclaimers: who gives memory back, and in which order ---- */

typedef enum StrataReclaimStep
{
	STRATA_RECLAIM_GHOSTS,	   /* ghosts of the eviction policy: under pressure only, as they hold no memory */
	STRATA_RECLAIM_ARENAS,	   /* blocks kept by arenas, empty slabs */
	STRATA_RECLAIM_WARM,	   /* hot pages become warm */
	STRATA_RECLAIM_COLD,	   /* pages go to the cold file */
	STRATA_RECLAIM_POPULATION, /* population stops until the pressure is gone; frees nothing by itself */
	STRATA_RECLAIM_KERNEL,	   /* free memory of the region goes back to the kernel */
	STRATA_RECLAIM_STEPS
} StrataReclaimStep;

extern const char *strata_reclaim_name(StrataReclaimStep step);

/* Tries to give back `wanted` bytes; returns what it gave (to the region, or for KERNEL to the kernel). */
typedef Size (*StrataReclaimer)(Size wanted);

/* Called at load, by the modules that own the step (each process has the same table, inherited). */
extern void strata_memory_on_reclaim(StrataReclaimStep step, StrataReclaimer reclaimer);
/* Runs steps first .. last in order until `wanted` bytes came back; freed[step] (may be NULL) gets what each
 * gave. */
extern Size strata_memory_reclaim(Size wanted, StrataReclaimStep first, StrataReclaimStep last,
								  Size freed[STRATA_RECLAIM_STEPS]);

/* ---- accounting ---- */

typedef struct StrataConsumerStats
{
	Size allocated_bytes, freed_bytes; /* since start */
	Size current_bytes, peak_bytes;
	uint64 allocs, frees, failures;
} StrataConsumerStats;

typedef struct StrataMemoryStatus
{
	Size reserved;	/* strata.memory_max as mapped */
	Size limit;		/* strata.memory now */
	Size committed; /* memory the kernel has given for the region: what smaps counts */
	Size used;		/* = sum of consumers' current_bytes + overhead */
	Size overhead;	/* the region's own tables */
	Size free;		/* limit - used, never below 0 */
	Size largest_free;
	StrataConsumerStats consumer[STRATA_MEM_CONSUMERS];
} StrataMemoryStatus;

/* One consistent cut: the sums hold to the byte. */
extern void strata_memory_status_get(StrataMemoryStatus *out);

#endif
