/*
 * flush.c - writing dirty pages to the cold file ahead of need, so that evictions find clean ones.
 *
 * A page is dirty from its creation to its first write, and never again, since images do not change.  Dirty
 * pages are on a list by age.  Warm ones are nearest to leaving and go first, in the order in which they will
 * leave; then the oldest.  (The policy's own order is not asked: CLOCK, for one, cannot be asked without
 * changing it.) A page is marked (WRITING) for its own write only, so that one who wants to move it waits for
 * one page's I/O.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "pool/pool_internal.h"
#include "ring/publish.h"

/* How many pages in a row that cannot be written, being clean (warm ones) or at work, are passed under the
 * lock. */
#define FLUSH_LOOKS 256

/* The next dirty page that can be written; *new is its word, in place.  0: there is none. */
static uint32
flush_next(PoolListKind list)
{
	uint32 number;
	int looks = 0;

	LWLockAcquire(pool_lock, LW_EXCLUSIVE);
	for (number = pool->list[list].first; number != 0; number = pool_page(number)->link[list].next)
	{
		PoolPage *page = pool_page(number);
		uint64 s = pg_atomic_read_u64(&page->state);
		uint64 new;

		if (pool_state_write(s, pool_state_version(s), &new) &&
			pg_atomic_compare_exchange_u64(&page->state, &s, new))
			break;
		if (++looks == FLUSH_LOOKS)
		{
			number = 0;
			break;
		}
	}
	LWLockRelease(pool_lock);
	return number;
}

/* The caller writes the page (WRITING).  False, with errno: it stays dirty. */
static bool
flush_page(uint32 number)
{
	PoolPage *page = pool_page(number);
	uint64 s = pg_atomic_read_u64(&page->state);
	bool warm = pool_state_tier(s) == POOL_WARM;
	uint32 frames = pool_frames_now(s, page);
	bool clean, own;
	uint64 new;
	int error;

	clean = pool_cold_write(page, page->image, warm ? page->warm_bytes : page->bytes, warm) == POOL_COLD_OK;
	error = errno;
	if (clean)
	{
		pg_atomic_fetch_sub_u64(&pool->dirty_pages, 1);
		pg_atomic_fetch_sub_u64(&pool->dirty_frames, frames);
		/* Off the list while it is ours: afterwards the number may be another page's. */
		LWLockAcquire(pool_lock, LW_EXCLUSIVE);
		pool_list_remove(POOL_LIST_DIRTY, number);
		LWLockRelease(pool_lock);
	}
	s = pg_atomic_read_u64(&page->state);
	do
		own = pool_state_written(s, clean, &new);
	while (!pg_atomic_compare_exchange_u64(&page->state, &s, new));
	pool_wake(number);
	if (own)
		pool_free(number, page);
	errno = error;
	return clean;
}

static void
flush_tell(int written, StrataPageId last)
{
	uint64 total = pg_atomic_read_u64(&pool->capacity);
	uint64 used = pg_atomic_read_u64(&pool->tier[STRATA_TIER_HOT].frames) +
				  pg_atomic_read_u64(&pool->tier[STRATA_TIER_WARM].frames);
	StrataEvent ev;

	strata_event_begin(&ev, STRATA_EV_PAGE_FLUSHED);
	if (written == 1)
		strata_event_int(&ev, STRATA_F_PAGE_ID, last);
	strata_event_int(&ev, STRATA_F_NUM_PAGES, written);
	strata_event_text(&ev, STRATA_F_EVICTION_POLICY, strata_policy_ops(pool->policy.kind)->name);
	strata_event_int(&ev, STRATA_F_DIRTY_PAGES_FLUSHED, written);
	strata_event_int(&ev, STRATA_F_FREE_FRAMES, total > used ? total - used : 0);
	strata_event_int(&ev, STRATA_F_TOTAL_FRAMES, total);
	strata_event_publish(&ev);
}

int
strata_pool_flush(int n, bool *failed)
{
	int written = 0;
	bool stopped = false;
	StrataPageId last = STRATA_PAGE_NONE;

	if (failed != NULL)
		*failed = false;
	if (pool == NULL)
		return 0;
	HOLD_INTERRUPTS();
	while (written < n && !stopped && !pool_interrupted())
	{
		uint32 number = pool->list[POOL_LIST_WARM].count > 0 ? flush_next(POOL_LIST_WARM) : 0;

		if (number == 0)
			number = flush_next(POOL_LIST_DIRTY);
		if (number == 0)
			break;
		last = pool_id(pool_state_version(pg_atomic_read_u64(&pool_page(number)->state)), number);
		if (flush_page(number))
			written++;
		else
		{
			stopped = true;
			pool_cold_note_write(errno);
		}
	}
	if (written > 0)
		flush_tell(written, last);
	RESUME_INTERRUPTS();
	pool_cold_tell_write();
	if (failed != NULL)
		*failed = stopped;
	return written;
}

int
strata_pool_flush_due(void)
{
	if (pool == NULL)
		return 0;
	/* The share is of what the pool may have now; this is asked several times a second. */
	pool_tell_capacity();
	if (pg_atomic_read_u64(&pool->dirty_frames) <=
		(uint64)(strata_dirty_ratio * pg_atomic_read_u64(&pool->capacity)))
		return 0;
	return strata_flush_batch;
}
