/*
 * prefetch.c - reading ahead: what a scan has to do with it, and the queue to the worker that reads.
 *
 * The detector (prefetch_detect.c) sees positions only; here it gets its settings, and is told how pages
 * fared. A page that was asked for and is not in memory when the scan comes is either late or lost, and the
 * scan cannot tell.  The pool can: it counts prefetched pages that were evicted without use.  When that
 * number has grown since the scan looked last, the page is taken to be lost, else late.  It may have been
 * another scan's; then pool and worker are short all the same, and narrower windows are right for both.
 *
 * The queue (prefetch_queue.c) lies in PostgreSQL's shared memory under one lock, which is held for a few
 * dozen ids at most.  The worker's latch is set when the queue had been empty; until it has taken everything
 * it comes back without that.
 */
#include "postgres.h"

#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/guc.h"

#include "pool/prefetch.h"
#include "pool/prefetch_queue.h"
#include "ring/publish.h"

#define PREFETCH_TRANCHE "StrataPrefetch"
#define QUEUE_BATCH		 64 /* ids queued while the lock is held */

typedef struct PrefetchShared
{
	struct Latch *worker; /* NULL: nobody reads */
	StrataPrefetchQueue queue;
} PrefetchShared;

struct StrataPrefetch
{
	StrataDetector detector;
	uint64 wasted; /* strata_pool_prefetch_wasted() when the scan looked last */
};

/* Settings. */
static bool strata_prefetch = true;
static int strata_prefetch_pages = 32;
static int strata_prefetch_sequential_threshold = 2;

static PrefetchShared *shared; /* NULL: not preloaded */
static LWLock *prefetch_lock;  /* over everything in it */

/* ---- start ---- */

static void
prefetch_settings(void)
{
	/* Without shared memory there is nothing to read ahead. */
	if (!strata_preloaded)
		return;
	DefineCustomBoolVariable("strata.prefetch", "Scans of the column store have pages read ahead.",
							 "A background worker brings pages that are compressed or on disk into memory.",
							 &strata_prefetch, true, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"strata.prefetch_pages", "Pages that a scan may have read ahead at a time, at most.",
		"It begins with two and goes up while they are used, down when they are not.", &strata_prefetch_pages,
		32, 1, STRATA_PREFETCH_MAX, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("strata.prefetch_sequential_threshold",
							"Steps in a row that a scan takes before pages are read ahead.",
							"A stride other than one takes two steps at least, a cycle two full turns.",
							&strata_prefetch_sequential_threshold, 2, 1, 64, PGC_SIGHUP, 0, NULL, NULL, NULL);
}

static Size
prefetch_shmem_size(void)
{
	return MAXALIGN(sizeof(PrefetchShared));
}

static void
prefetch_shmem_request(void)
{
	RequestNamedLWLockTranche(PREFETCH_TRANCHE, 1);
}

static void
prefetch_shmem_startup(void)
{
	bool found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("pg_strata prefetch queue", prefetch_shmem_size(), &found);
	if (!found)
		memset(shared, 0, sizeof(*shared));
	prefetch_lock = &GetNamedLWLockTranche(PREFETCH_TRANCHE)->lock;
	LWLockRelease(AddinShmemInitLock);
}

const StrataModule strata_prefetch_module = {.name = "prefetch",
											 .settings = prefetch_settings,
											 .shmem_size = prefetch_shmem_size,
											 .shmem_request = prefetch_shmem_request,
											 .shmem_startup = prefetch_shmem_startup};

/* ---- scans ---- */

StrataPrefetch *
strata_prefetch_begin(MemoryContext context)
{
	StrataPrefetch *pf;

	if (!shared || !strata_prefetch)
		return NULL;
	pf = MemoryContextAlloc(context, sizeof(StrataPrefetch));
	strata_detect_start(&pf->detector, strata_prefetch_sequential_threshold, strata_prefetch_pages);
	pf->wasted = strata_pool_prefetch_wasted();
	return pf;
}

void
strata_prefetch_pages_each(StrataPrefetch *pf, int pages)
{
	if (pf)
		strata_detect_limit(&pf->detector, strata_prefetch_pages / Max(pages, 1));
}

int
strata_prefetch_next(StrataPrefetch *pf, int64 position, int64 *ahead, int max)
{
	return pf ? strata_detect_next(&pf->detector, position, ahead, max) : 0;
}

void
strata_prefetch_nothing_at(StrataPrefetch *pf, int64 position)
{
	if (pf)
		strata_detect_nothing_at(&pf->detector, position);
}

StrataPattern
strata_prefetch_pattern(const StrataPrefetch *pf)
{
	return pf ? pf->detector.pattern : STRATA_PATTERN_NONE;
}

int
strata_prefetch_window(const StrataPrefetch *pf)
{
	return pf ? pf->detector.window : 0;
}

void
strata_prefetch_outcome(StrataPrefetch *pf, bool was_hot)
{
	StrataForesight outcome = STRATA_FORESEEN_READY;

	if (!pf)
		return;
	if (!was_hot)
	{
		uint64 wasted = strata_pool_prefetch_wasted();

		outcome = wasted == pf->wasted ? STRATA_FORESEEN_LATE : STRATA_FORESEEN_LOST;
		pf->wasted = wasted;
	}
	strata_detect_outcome(&pf->detector, outcome);
}

/* ---- the queue ---- */

/* Of these pages, those that are not in memory as they are. */
static int
pick_not_hot(const StrataPageId *ids, int n, StrataPageId *out)
{
	int found = 0;

	for (int i = 0; i < n; i++)
	{
		StrataTier tier;
		Size memory;

		if (strata_pool_where(ids[i], &tier, &memory) && tier != STRATA_TIER_HOT)
			out[found++] = ids[i];
	}
	return found;
}

static int
queue_batch(const StrataPageId *ids, int n)
{
	struct Latch *wake = NULL;
	int queued = 0;
	int dropped = 0;

	LWLockAcquire(prefetch_lock, LW_EXCLUSIVE);
	if (shared->queue.n == 0)
		wake = shared->worker;
	for (int i = 0; i < n; i++)
	{
		switch (shared->worker ? strata_prefetch_queue_put(&shared->queue, ids[i]) : STRATA_QUEUE_FULL)
		{
			case STRATA_QUEUED:
				queued++;
				break;
			case STRATA_QUEUE_HAS_IT:
				break;
			case STRATA_QUEUE_FULL:
				dropped++;
				break;
		}
	}
	LWLockRelease(prefetch_lock);

	if (wake && queued > 0)
		SetLatch(wake);
	if (queued > 0)
		strata_counter_add(STRATA_C_PREFETCH_QUEUED, queued);
	if (dropped > 0)
		strata_counter_add(STRATA_C_PREFETCH_DROPPED, dropped);
	return queued;
}

int
strata_prefetch_queue(const StrataPageId *ids, int n)
{
	StrataPageId batch[QUEUE_BATCH];
	int queued = 0;

	if (!shared)
		return 0;
	for (int i = 0; i < n; i += QUEUE_BATCH)
	{
		int wanted = pick_not_hot(ids + i, Min(n - i, QUEUE_BATCH), batch);

		if (wanted > 0)
			queued += queue_batch(batch, wanted);
	}
	return queued;
}

int
strata_prefetch_take(StrataPageId *ids, int max)
{
	int n = 0;

	LWLockAcquire(prefetch_lock, LW_EXCLUSIVE);
	while (n < max && shared->queue.n > 0)
		ids[n++] = strata_prefetch_queue_take(&shared->queue);
	LWLockRelease(prefetch_lock);
	return n;
}

bool
strata_prefetch_load(StrataPageId id)
{
	return strata_pool_load_ahead(id);
}

/* What an earlier worker left in the queue is read too, or forgotten when it is no longer wanted. */
void
strata_prefetch_set_worker(struct Latch *latch)
{
	bool waiting;

	LWLockAcquire(prefetch_lock, LW_EXCLUSIVE);
	shared->worker = latch;
	waiting = shared->queue.n > 0;
	LWLockRelease(prefetch_lock);
	if (latch && waiting)
		SetLatch(latch);
}
