/*
 * frames.c - runs of frames: from the region and back, with a short list of each size kept by every core.
 *
 * A page that leaves makes room for one of its size, sooner or later: a scan of a store larger than the pool
 * evicts what it loads, column by column.  So freed runs of up to POOL_KEPT_SIZES frames are kept, by size,
 * in the lists of the core that freed them.  They are found there without the region's lock, and, what
 * matters more, without the region: its free memory is soon in pieces, a run of another place has to be cut out
 * and given to the kernel for each new one, and comes back a page fault at a time (half the time of reading a page
 * from the file's cache, measured).  What the cores keep is bounded; it goes to the region when
 * evicting leaves no run of the size wanted.
 *
 * A list is guarded by a spinlock held for a few instructions.  A process may be moved to another core
 * between asking where it is and taking the lock; it then uses a neighbour's list, which is as right and a
 * little slower.
 */
#include "postgres.h"

#include <sched.h>

#include "alloc/memory.h"
#include "alloc/region.h"
#include "pool/pool_internal.h"

static void *
frames_from_region(uint64 frames)
{
	void *run = strata_memory_pages(STRATA_MEM_POOL, frames * pool->frame);

	if (run != NULL)
		pg_atomic_fetch_add_u64(&pool->held_frames, frames);
	return run;
}

static void
frames_to_region(void *run, uint64 frames)
{
	strata_memory_pages_free(STRATA_MEM_POOL, run, frames * pool->frame);
	pg_atomic_fetch_sub_u64(&pool->held_frames, frames);
}

static PoolCore *
frames_core(void)
{
	int cpu = sched_getcpu();

	return &pool->core[cpu < 0 ? 0 : cpu % pool->ncores];
}

/* What one core may keep. */
static uint32
frames_kept_limit(void)
{
	return pg_atomic_read_u64(&pool->capacity) / POOL_KEPT_SHARE / pool->ncores;
}

static char *
frames_from_core(PoolCore *core, uint32 n)
{
	char *run;

	SpinLockAcquire(&core->lock);
	run = core->run[n];
	if (run != NULL)
	{
		core->run[n] = *(void **)run;
		core->frames -= n;
	}
	SpinLockRelease(&core->lock);
	if (run != NULL)
		pg_atomic_fetch_sub_u64(&pool->kept_frames, n);
	return run;
}

char *
pool_frames_take(uint32 n)
{
	char *run = NULL;

	if (n <= POOL_KEPT_SIZES)
	{
		PoolCore *own = frames_core();

		run = frames_from_core(own, n);
		/* The others are looked through without their locks first: a run missed now is found the next time. */
		for (int c = 0; run == NULL && c < pool->ncores; c++)
			if (&pool->core[c] != own && pool->core[c].run[n] != NULL)
				run = frames_from_core(&pool->core[c], n);
	}
	return run != NULL ? run : frames_from_region(n);
}

bool
pool_frames_kept_amply(uint32 n)
{
	return pg_atomic_read_u64(&pool->kept_frames) >=
		   Max(n, pg_atomic_read_u64(&pool->capacity) / POOL_KEPT_SHARE / 2);
}

void
pool_frames_give(char *run, uint32 n)
{
	if (n <= POOL_KEPT_SIZES)
	{
		PoolCore *core = frames_core();
		uint32 limit = frames_kept_limit();
		bool kept = false;

		SpinLockAcquire(&core->lock);
		if (core->frames + n <= limit)
		{
			*(void **)run = core->run[n];
			core->run[n] = run;
			core->frames += n;
			kept = true;
		}
		SpinLockRelease(&core->lock);
		if (kept)
		{
			pg_atomic_fetch_add_u64(&pool->kept_frames, n);
			return;
		}
	}
	frames_to_region(run, n);
}

uint64
pool_frames_release(void)
{
	uint64 released = 0;

	if (pg_atomic_read_u64(&pool->kept_frames) == 0)
		return 0;
	for (int c = 0; c < pool->ncores; c++)
	{
		PoolCore *core = &pool->core[c];

		for (uint32 n = 1; n <= POOL_KEPT_SIZES; n++)
		{
			void *run;

			SpinLockAcquire(&core->lock);
			run = core->run[n];
			core->run[n] = NULL;
			for (void *r = run; r != NULL; r = *(void **)r)
				core->frames -= n;
			SpinLockRelease(&core->lock);

			while (run != NULL)
			{
				void *next = *(void **)run;

				frames_to_region(run, n);
				pg_atomic_fetch_sub_u64(&pool->kept_frames, n);
				released += n;
				run = next;
			}
		}
	}
	return released;
}

void *
pool_table_memory(Size bytes)
{
	void *p = frames_from_region(pool_frames_of(bytes));

	if (p == NULL && pool_frames_release() > 0)
		p = frames_from_region(pool_frames_of(bytes));
	return p;
}

void
pool_table_memory_free(void *p, Size bytes)
{
	frames_to_region(p, pool_frames_of(bytes));
}

uint64
pool_capacity(void)
{
	StrataRegionStatus region;
	uint64 pages, others, own, held;

	/* Held is read first: memory taken in between counts as others', and makes the answer a little small. */
	held = pg_atomic_read_u64(&pool->held_frames) * pool->frame;
	strata_region_status(&region);
	pages = pg_atomic_read_u64(&pool->tier[STRATA_TIER_HOT].frames) +
			pg_atomic_read_u64(&pool->tier[STRATA_TIER_WARM].frames);
	own = (pages + pg_atomic_read_u64(&pool->kept_frames)) * pool->frame;
	others = region.used + region.overhead - Min(held, own);
	return region.limit > others ? (region.limit - others) / pool->frame : 0;
}
