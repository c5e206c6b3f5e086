/*
 * memory.c - the memory manager: consumers' accounts, the reclaim chain, and one door for any size.
 *
 * The accounts themselves lie in the region (region.c), under the region's lock and changed together with the
 * pages they count, so a status read under that lock adds up to the byte:
 *
 *     used = overhead + slab + arena + large + pool
 *
 * Only failures are counted here, for only here is it known that a request failed for good.
 *
 * When the region refuses a request, those that hold memory they can do without are asked for it, cheapest
 * first (StrataReclaimStep).  Ghosts of the eviction policy are not: they hold no memory of the region, and are
 * forgotten under pressure only.  A process does that outside every lock of alloc/, since reclaimers allocate,
 * free and do I/O; a request that a reclaimer makes in turn is served from what there is or fails, so the
 * chain never calls itself.  The pool makes its own room: its eviction is the chain's own last resort.
 */
#include "postgres.h"

#include "port/atomics.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "alloc/debug.h"
#include "alloc/memory.h"
#include "alloc/region.h"
#include "alloc/slab.h"

StaticAssertDecl(STRATA_MEM_CONSUMERS == STRATA_REGION_ACCOUNTS, "one account a consumer");

/* Of several modules for one step. */
#define RECLAIMERS_A_STEP 4
/* How often a request is tried again; what was given back may lie in pieces too small for it. */
#define RECLAIM_ROUNDS 4

typedef struct MemoryShared
{
	pg_atomic_uint64 failures[STRATA_MEM_CONSUMERS];
} MemoryShared;

static MemoryShared *memory;

/* Filled at load, the same in all processes. */
static StrataReclaimer reclaimers[STRATA_RECLAIM_STEPS][RECLAIMERS_A_STEP];
/* This process runs the chain. */
static bool reclaiming = false;

const char *
strata_consumer_name(StrataConsumer consumer)
{
	static const char *const names[] = {"slab", "arena", "large_object", "pool"};

	return names[consumer];
}

const char *
strata_reclaim_name(StrataReclaimStep step)
{
	static const char *const names[] = {"drop_ghosts",	  "shrink_arenas",	 "demote_to_warm",
										"demote_to_cold", "stop_population", "return_to_kernel"};

	return names[step];
}

/* ---- reclaim ---- */

void
strata_memory_on_reclaim(StrataReclaimStep step, StrataReclaimer reclaimer)
{
	for (int i = 0; i < RECLAIMERS_A_STEP; i++)
		if (reclaimers[step][i] == NULL || reclaimers[step][i] == reclaimer)
		{
			reclaimers[step][i] = reclaimer;
			return;
		}
	elog(ERROR, "too many reclaimers for step %s", strata_reclaim_name(step));
}

Size
strata_memory_reclaim(Size wanted, StrataReclaimStep first, StrataReclaimStep last,
					  Size freed[STRATA_RECLAIM_STEPS])
{
	volatile Size total = 0;

	if (freed)
		memset(freed, 0, sizeof(Size) * STRATA_RECLAIM_STEPS);
	if (reclaiming)
		return 0;

	reclaiming = true;
	PG_TRY();
	{
		for (int step = first; step <= (int)last && total < wanted; step++)
			for (int i = 0; i < RECLAIMERS_A_STEP && reclaimers[step][i] && total < wanted; i++)
			{
				Size got = reclaimers[step][i](wanted - total);

				total += got;
				if (freed)
					freed[step] += got;
			}
	}
	PG_FINALLY();
	{
		reclaiming = false;
	}
	PG_END_TRY();
	return total;
}

/* ---- allocating ---- */

/* Could the request be served if everything else were given back? */
static bool
memory_could_hold(Size bytes)
{
	StrataRegionStatus region;

	strata_region_status(&region);
	return bytes <= region.limit && strata_region_round(bytes) + region.overhead <= region.limit;
}

void *
strata_memory_pages(StrataConsumer consumer, Size bytes)
{
	void *p = strata_region_alloc_for(consumer, bytes);

	if (p == NULL && memory != NULL && consumer != STRATA_MEM_POOL && memory_could_hold(bytes))
	{
		Size wanted = strata_region_round(bytes);

		for (int round = 0; round < RECLAIM_ROUNDS && p == NULL; round++)
		{
			if (strata_memory_reclaim(wanted, STRATA_RECLAIM_ARENAS, STRATA_RECLAIM_COLD, NULL) == 0)
				break;
			p = strata_region_alloc_for(consumer, bytes);
			wanted *= 2;
		}
	}
	/* The pool evicts and comes again: it says itself what failed for good. */
	if (p == NULL && consumer != STRATA_MEM_POOL)
		strata_memory_failed(consumer);
	return p;
}

void
strata_memory_failed(StrataConsumer consumer)
{
	if (memory != NULL)
		pg_atomic_fetch_add_u64(&memory->failures[consumer], 1);
}

void
strata_memory_pages_free(StrataConsumer consumer, void *p, Size bytes)
{
	strata_region_free_for(consumer, p, bytes);
}

void *
strata_memory_alloc_at(Size bytes, const char *file, int line)
{
	Size padded = strata_debug_padded(bytes);
	bool small = padded <= STRATA_SLAB_MAX;
	void *raw;

	if (bytes > MaxAllocHugeSize)
		return NULL;
	raw = small ? strata_slab_alloc(padded) : strata_memory_pages(STRATA_MEM_LARGE, padded);
	if (raw == NULL)
		return NULL;
	return strata_debug_allocated(raw, bytes, small ? STRATA_DEBUG_OBJECT : STRATA_DEBUG_LARGE, file, line);
}

void
strata_memory_free(void *p, Size bytes)
{
	void *raw = strata_debug_freeing(p, &bytes);
	Size padded = strata_debug_padded(bytes);

	if (raw == NULL)
		return;
	if (padded <= STRATA_SLAB_MAX)
		strata_slab_free(raw, padded);
	else
		strata_memory_pages_free(STRATA_MEM_LARGE, raw, padded);
}

/* ---- accounting ---- */

void
strata_memory_status_get(StrataMemoryStatus *out)
{
	StrataRegionStatus region;

	memset(out, 0, sizeof(*out));
	strata_region_status(&region);
	out->reserved = region.reserved;
	out->limit = region.limit;
	out->committed = region.committed;
	out->overhead = region.overhead;
	out->used = region.used + region.overhead;
	out->free = region.free;
	out->largest_free = region.largest_free;
	for (int i = 0; i < STRATA_MEM_CONSUMERS; i++)
	{
		const StrataRegionAccount *a = &region.account[i];

		out->consumer[i] = (StrataConsumerStats){
			.allocated_bytes = a->allocated,
			.freed_bytes = a->freed,
			.current_bytes = a->current,
			.peak_bytes = a->peak,
			.allocs = a->allocs,
			.frees = a->frees,
			.failures = memory != NULL ? pg_atomic_read_u64(&memory->failures[i]) : 0,
		};
	}
}

/* ---- start ---- */

static Size
memory_shmem_size(void)
{
	return MAXALIGN(sizeof(MemoryShared));
}

static void
memory_shmem_startup(void)
{
	bool found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	memory = ShmemInitStruct("pg_strata memory manager", sizeof(MemoryShared), &found);
	if (!found)
		for (int i = 0; i < STRATA_MEM_CONSUMERS; i++)
			pg_atomic_init_u64(&memory->failures[i], 0);
	LWLockRelease(AddinShmemInitLock);
}

static void
memory_start(bool preloaded)
{
	if (!preloaded)
		return;
	strata_memory_on_reclaim(STRATA_RECLAIM_KERNEL, strata_region_trim);
}

const StrataModule strata_memory_module = {
	.name = "memory",
	.shmem_size = memory_shmem_size,
	.shmem_startup = memory_shmem_startup,
	.start = memory_start,
};
