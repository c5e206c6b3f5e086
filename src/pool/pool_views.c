/*
 * pool_views.c - what the pool says of itself: single pages, lists of them, figures.
 *
 * Everything is read while others work.  A page's facts are one cut as far as its state word goes; what lies
 * beside the word is taken when the word is the same before and after.
 */
#include "postgres.h"

#include "pool/pool_internal.h"
#include "ring/publish.h"

static StrataTier
view_tier(uint64 s)
{
	return (StrataTier)((pool_state_tier(s) >> POOL_TIER_SHIFT) - 1);
}

bool
strata_pool_where(StrataPageId id, StrataTier *tier, Size *memory)
{
	PoolPage *page = pool_find(id);
	uint64 s;

	if (page == NULL)
		return false;
	s = pg_atomic_read_u64(&page->state);
	if (!pool_state_is(s, pool_id_version(id)))
		return false;
	*tier = view_tier(s);
	*memory = pool_frames_now(s, page) * pool->frame;
	return true;
}

/* False: the number has no page, or one that goes. */
static bool
view_page(uint32 number, StrataPageInfo *out)
{
	PoolPage *page = pool_page(number);
	uint64 s = pg_atomic_read_u64(&page->state);
	uint64 again;

	do
	{
		again = s;
		if (pool_state_tier(s) == POOL_FREE || (s & POOL_DOOMED))
			return false;
		pg_read_barrier();
		out->id = pool_id(pool_state_version(s), number);
		out->tag = page->tag;
		out->tier = view_tier(s);
		out->bytes = page->bytes;
		out->frames = page->frames;
		out->frames_now = pool_frames_now(s, page);
		out->pins = pool_state_pins(s);
		out->dirty = (s & POOL_DIRTY) != 0;
		out->on_disk = page->cold_at != POOL_COLD_NOWHERE;
		pg_read_barrier();
		s = pg_atomic_read_u64(&page->state);
	} while ((s ^ again) & ~POOL_PINS_MASK);
	return true;
}

static const char *
view_policy_state(uint32 number)
{
	return strata_policy_ops(pool->policy.kind)
		->state(&pool->policy, pool_nodes.node(pool_nodes.arg, number));
}

bool
strata_pool_page(StrataPageId id, StrataPageInfo *out)
{
	if (pool_find(id) == NULL || !view_page(pool_id_number(id), out) || out->id != id)
		return false;
	LWLockAcquire(pool_lock, LW_SHARED);
	out->policy_state = view_policy_state(pool_id_number(id));
	LWLockRelease(pool_lock);
	return true;
}

int
strata_pool_list(uint32 *cursor, StrataPageInfo *out, int max)
{
	uint32 end;
	int n = 0;

	if (pool == NULL)
		return 0;
	end = pool_numbers();
	LWLockAcquire(pool_lock, LW_SHARED);
	for (; *cursor < end && n < max; (*cursor)++)
		if (view_page(*cursor, &out[n]))
			out[n++].policy_state = view_policy_state(*cursor);
	LWLockRelease(pool_lock);
	return n;
}

static void
view_tiers(StrataPoolStats *out)
{
	for (int t = 0; t < 3; t++)
	{
		out->tier[t].pages = pg_atomic_read_u64(&pool->tier[t].pages);
		out->tier[t].frames = pg_atomic_read_u64(&pool->tier[t].frames);
		out->tier[t].bytes = out->tier[t].frames * pool->frame;
		out->tier[t].image_bytes = pg_atomic_read_u64(&pool->tier[t].image_bytes);
		out->tier[t].promotions = pg_atomic_read_u64(&pool->tier[t].promotions);
		out->tier[t].demotions = pg_atomic_read_u64(&pool->tier[t].demotions);
		out->pages += out->tier[t].pages;
	}
	out->used_frames = out->tier[STRATA_TIER_HOT].frames + out->tier[STRATA_TIER_WARM].frames;
	out->free_frames = out->total_frames > out->used_frames ? out->total_frames - out->used_frames : 0;
}

/* Nobody counts pinned pages, since a pin writes nothing but the page's word: they are looked for. */
void
strata_pool_pinned(uint64 *pages, uint64 *frames, uint64 *looked)
{
	uint32 end = pool == NULL ? 1 : pool_numbers();

	*pages = *frames = 0;
	if (looked != NULL)
		*looked = end - 1;
	for (uint32 number = 1; number < end; number++)
	{
		uint64 s = pg_atomic_read_u64(&pool_page(number)->state);

		if (pool_state_pins(s) > 0)
		{
			(*pages)++;
			*frames += pool_page(number)->frames;
		}
	}
}

void
strata_pool_frames(StrataPoolFrames *out)
{
	memset(out, 0, sizeof(*out));
	if (pool == NULL)
		return;
	out->hot = pg_atomic_read_u64(&pool->tier[STRATA_TIER_HOT].frames);
	out->warm = pg_atomic_read_u64(&pool->tier[STRATA_TIER_WARM].frames);
	out->dirty = pg_atomic_read_u64(&pool->dirty_frames);
}

void
strata_pool_stats(StrataPoolStats *out)
{
	memset(out, 0, sizeof(*out));
	if (pool == NULL)
		return;
	pool_tell_hits();
	pool_tell_capacity();

	out->total_frames = pg_atomic_read_u64(&pool->capacity);
	view_tiers(out);
	strata_pool_pinned(&out->pinned_pages, &out->pinned_frames, NULL);
	out->dirty_pages = pg_atomic_read_u64(&pool->dirty_pages);
	out->dirty_frames = pg_atomic_read_u64(&pool->dirty_frames);
	out->hits = pg_atomic_read_u64(&pool->hits);
	out->misses = pg_atomic_read_u64(&pool->misses);
	out->page_reads = pg_atomic_read_u64(&pool->page_reads);
	out->page_writes = pg_atomic_read_u64(&pool->page_writes);
	out->read_bytes = pg_atomic_read_u64(&pool->read_bytes);
	out->write_bytes = pg_atomic_read_u64(&pool->write_bytes);
	out->evictions = pg_atomic_read_u64(&pool->evictions);
	out->evicted_bytes = pg_atomic_read_u64(&pool->evicted_bytes);
	out->lost_pages = pg_atomic_read_u64(&pool->lost_pages);
	out->io_wait_us = pg_atomic_read_u64(&pool->io_wait_us);
	out->prefetched = pg_atomic_read_u64(&pool->prefetched);
	out->prefetch_hits = pg_atomic_read_u64(&pool->prefetch_hits);
	out->prefetch_wasted = pg_atomic_read_u64(&pool->prefetch_wasted);
	out->ghosts_dropped = pg_atomic_read_u64(&pool->ghosts_dropped);
	out->cold_file_bytes = pg_atomic_read_u64(&pool->cold_end);
	out->cold_used_bytes = pg_atomic_read_u64(&pool->cold_used_frames) * pool->frame;
	/* Space in the file is held for clean hot and warm pages as well; a cold page has no other memory. */
	out->tier[STRATA_TIER_COLD].bytes = out->cold_used_bytes;

	LWLockAcquire(pool_lock, LW_SHARED);
	out->examined = pool->policy.examined;
	out->policy = pool->policy.kind;
	LWLockRelease(pool_lock);
}

int
strata_pool_policy_stats(StrataPolicyKind *kind, StrataPolicyStat out[STRATA_POLICY_STATS])
{
	int n;

	if (pool == NULL)
		return 0;
	pool_tell_hits();
	LWLockAcquire(pool_lock, LW_SHARED);
	*kind = pool->policy.kind;
	n = strata_policy_ops(pool->policy.kind)->stats(&pool->policy, out);
	LWLockRelease(pool_lock);
	return n;
}

void
strata_pool_publish_stats(void)
{
	StrataPoolStats s;
	StrataEvent ev;

	if (pool == NULL)
		return;
	strata_pool_stats(&s);
	strata_gauge_set(STRATA_C_POOL_DIRTY_PAGES, s.dirty_pages);
	strata_gauge_set(STRATA_C_POOL_HOT_BYTES, s.tier[STRATA_TIER_HOT].bytes);
	strata_gauge_set(STRATA_C_POOL_WARM_BYTES, s.tier[STRATA_TIER_WARM].bytes);
	strata_gauge_set(STRATA_C_POOL_COLD_BYTES, s.cold_used_bytes);
	strata_gauge_set(STRATA_C_POOL_FRAMES, s.total_frames);
	strata_gauge_set(STRATA_C_POOL_PINNED_PAGES, s.pinned_pages);

	strata_event_begin(&ev, STRATA_EV_STATS_UPDATE);
	strata_event_int(&ev, STRATA_F_NUM_PAGES, s.pages);
	strata_event_text(&ev, STRATA_F_EVICTION_POLICY, strata_policy_ops(s.policy)->name);
	strata_event_int(&ev, STRATA_F_FREE_FRAMES, s.free_frames);
	strata_event_int(&ev, STRATA_F_TOTAL_FRAMES, s.total_frames);
	strata_event_double(&ev, STRATA_F_HIT_RATIO,
						s.hits + s.misses > 0 ? (double)s.hits / (s.hits + s.misses) : 0);
	strata_event_publish(&ev);
}
