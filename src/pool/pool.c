/*
 * pool.c - pages: created, pinned, loaded, unpinned, dropped.
 *
 * A pin of a hot page is one compare-and-exchange on its descriptor, and an entry in a buffer of the process
 * by which the policy hears of it later.  Everything else is the slow path: wait for the page's owner, or
 * become its owner and load it.
 *
 * Between becoming owner and settling, interrupts are held off: a cancel or a terminate takes effect where
 * the page is nobody's, that is, while waiting.  So there is no state to restore when a query is cancelled,
 * and a FATAL exit cannot leave a page without an owner who settles it.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/wait_event.h"

#include "alloc/memory.h"
#include "pool/pool_internal.h"
#include "ring/publish.h"

PoolShared *pool;
LWLock *pool_lock, *pool_cold_lock, *pool_table_lock, *pool_session_lock;

/* ---- hits on their way to the policy ---- */

/*
 * BP-Wrapper (Ding, Jiang, Zhang 2009): a process collects its hits and hands over many for one acquisition
 * of the policy's lock, and only when the lock is free.  While it is busy the buffer grows to twice its size;
 * then the older half is forgotten.  A pin never waits for the policy; the policy may miss a few references
 * that were made while it was busiest, which moves no page far.
 */
static StrataPageId hits[2 * POOL_HIT_BUFFER];
static int nhits = 0;
static bool exit_registered = false;

static void
hits_tell(void)
{
	const StrataPolicyOps *ops = strata_policy_ops(pool->policy.kind);

	for (int i = 0; i < nhits; i++)
	{
		uint32 number = pool_id_number(hits[i]);
		PoolPage *page = pool_page(number);

		/* It may have left, or be another's, since. */
		if (page->resident &&
			pool_state_version(pg_atomic_read_u64(&page->state)) == pool_id_version(hits[i]))
		{
			page->reused = true;
			ops->hit(&pool->policy, &pool_nodes, number);
		}
	}
}

static void hits_exit(int code, Datum arg);

/* Called when the buffer begins, and when a half of it is full. */
static void
hits_turn(void)
{
	if (!exit_registered)
	{
		before_shmem_exit(hits_exit, (Datum)0);
		exit_registered = true;
	}
	if (nhits % POOL_HIT_BUFFER != 0)
		return;
	if (nhits == 2 * POOL_HIT_BUFFER)
	{
		memmove(hits, hits + POOL_HIT_BUFFER, POOL_HIT_BUFFER * sizeof(hits[0]));
		nhits = POOL_HIT_BUFFER;
	}
	pg_atomic_fetch_add_u64(&pool->hits, POOL_HIT_BUFFER);
	strata_counter_add(STRATA_C_POOL_HITS, POOL_HIT_BUFFER);
	if (LWLockConditionalAcquire(pool_lock, LW_EXCLUSIVE))
	{
		hits_tell();
		LWLockRelease(pool_lock);
		nhits = 0;
	}
}

void
pool_tell_hits(void)
{
	pg_atomic_fetch_add_u64(&pool->hits, nhits % POOL_HIT_BUFFER);
	strata_counter_add(STRATA_C_POOL_HITS, nhits % POOL_HIT_BUFFER);
	LWLockAcquire(pool_lock, LW_EXCLUSIVE);
	hits_tell();
	LWLockRelease(pool_lock);
	nhits = 0;
}

static void
hits_exit(int code, Datum arg)
{
	pool_tell_hits();
}

static inline void
hit(StrataPageId id)
{
	hits[nhits++] = id;
	if (unlikely(nhits % POOL_HIT_BUFFER <= 1))
		hits_turn();
}

/* ---- owners ---- */

void
pool_count(uint64 tier, const PoolPage *page, int sign, uint32 frames)
{
	PoolTierFigures *f = &pool->tier[(tier >> POOL_TIER_SHIFT) - 1];

	pg_atomic_fetch_add_u64(&f->pages, sign);
	pg_atomic_fetch_add_u64(&f->frames, (int64)sign * frames);
	pg_atomic_fetch_add_u64(&f->image_bytes, (int64)sign * page->bytes);
}

uint32
pool_frames_now(uint64 state, const PoolPage *page)
{
	switch (pool_state_tier(state))
	{
		case POOL_HOT:
			return page->frames;
		case POOL_WARM:
			return pool_frames_of(page->warm_bytes);
		default:
			return 0;
	}
}

void
pool_free(uint32 number, PoolPage *page)
{
	uint64 s = pg_atomic_read_u64(&page->state);
	uint64 tier = pool_state_tier(s);
	uint32 frames = pool_frames_now(s, page);

	Assert((s & POOL_BUSY) && pool_state_pins(s) == 0);
	LWLockAcquire(pool_lock, LW_EXCLUSIVE);
	strata_policy_ops(pool->policy.kind)->remove(&pool->policy, &pool_nodes, number);
	page->resident = false;
	pool_list_remove(POOL_LIST_DIRTY, number);
	pool_list_remove(POOL_LIST_WARM, number);
	LWLockRelease(pool_lock);

	if (s & POOL_DIRTY)
	{
		pg_atomic_fetch_sub_u64(&pool->dirty_pages, 1);
		pg_atomic_fetch_sub_u64(&pool->dirty_frames, frames);
	}
	if (s & POOL_AHEAD)
		pg_atomic_fetch_add_u64(&pool->prefetch_wasted, 1);
	pool_count(tier, page, -1, frames);
	if (frames > 0)
		pool_frames_give(page->image, frames);
	page->image = NULL;
	pool_cold_forget(page);

	/* Only the owner changes the word of a page that is BUSY and DOOMED. */
	pg_write_barrier();
	pg_atomic_write_u64(&page->state, pool_state_free(s));
	pool_wake(number);
	pool_number_give(number);
}

bool
pool_settle(uint32 number, PoolPage *page, uint64 tier, bool dirty, bool ahead, uint32 pins)
{
	uint64 s = pg_atomic_read_u64(&page->state);
	uint64 new;

	Assert(s & POOL_BUSY);
	for (;;)
	{
		if (pool_state_settle(s, tier, dirty, ahead, pins, &new))
		{
			/* Free what it has now; pool_free() goes by the word. */
			new = (s & ~(POOL_TIER_MASK | POOL_DIRTY | POOL_AHEAD)) | tier | (dirty ? POOL_DIRTY : 0);
			pg_atomic_write_u64(&page->state, new);
			pool_free(number, page);
			return false;
		}
		if (pg_atomic_compare_exchange_u64(&page->state, &s, new))
			break;
	}
	pool_wake(number);
	return true;
}

/* ---- loading ---- */

/*
 * The caller owns a warm or cold page.  Afterwards it owns it no more: the page is hot with so many pins, or
 * as it was, or gone.
 */
static StrataPinResult
load(uint32 number, PoolPage *page, uint32 pins)
{
	uint64 s = pg_atomic_read_u64(&page->state);
	uint64 tier = pool_state_tier(s);
	bool dirty = (s & POOL_DIRTY) != 0;
	StrataPageId id = pool_id(pool_state_version(s), number);
	PoolColdResult cold = POOL_COLD_OK;
	int error = 0;
	/* What a dirty page takes when it is hot and did not while it was warm. */
	uint32 warm_frames = pool_frames_now(s, page);
	uint32 dirty_frames = dirty ? page->frames - warm_frames : 0;
	char *image;
	bool there;

	HOLD_INTERRUPTS();
	LWLockAcquire(pool_lock, LW_EXCLUSIVE);
	strata_policy_ops(pool->policy.kind)->miss(&pool->policy, &pool_nodes, number, page->frames);
	LWLockRelease(pool_lock);
	if (pins > 0)
	{
		pg_atomic_fetch_add_u64(&pool->misses, 1);
		strata_counter_add(STRATA_C_POOL_MISSES, 1);
	}

	image = pool_room(page->frames, dirty_frames, number);
	if (image == NULL)
	{
		there = pool_settle(number, page, tier, dirty, false, 0);
		RESUME_INTERRUPTS();
		return there ? STRATA_PIN_NO_MEMORY : STRATA_PIN_GONE;
	}

	if (tier == POOL_COLD)
	{
		cold = pool_cold_read(page, image);
		error = errno;
	}
	else if (!pool_lz4_unpack(page->image, page->warm_bytes, image, page->bytes))
		cold = POOL_COLD_CORRUPT;
	if (cold != POOL_COLD_OK)
	{
		pool_room_undo(image, page->frames, dirty_frames);
		pg_atomic_fetch_add_u64(&pool->lost_pages, 1);
		strata_counter_add(STRATA_C_POOL_LOST, 1);
		pool_settle(number, page, tier, dirty, false, 0);
		pool_cold_warn_read(id, cold, error);
		RESUME_INTERRUPTS();
		return STRATA_PIN_LOST;
	}

	/* The frames of the hot page were counted when room was made, also those that are dirty. */
	pool_count(tier, page, -1, warm_frames);
	pool_count(POOL_HOT, page, 1, 0);
	pg_atomic_fetch_add_u64(&pool->tier[(tier >> POOL_TIER_SHIFT) - 1].promotions, 1);
	if (warm_frames > 0)
		pool_frames_give(page->image, warm_frames);
	page->image = image;
	page->ahead_at = pg_atomic_read_u64(&pool->evicted_bytes);

	LWLockAcquire(pool_lock, LW_EXCLUSIVE);
	pool_list_remove(POOL_LIST_WARM, number);
	strata_policy_ops(pool->policy.kind)->admit(&pool->policy, &pool_nodes, number, page->frames);
	page->resident = true;
	page->reused = false;
	LWLockRelease(pool_lock);

	there = pool_settle(number, page, POOL_HOT, dirty, pins == 0, pins);
	RESUME_INTERRUPTS();
	return there ? STRATA_PIN_OK : STRATA_PIN_GONE;
}

/* Sleeps until the page may be pinned or loaded, or is gone.  Cancels here. */
static void
wait_for_owner(PoolPage *page, uint32 number, uint32 version)
{
	ConditionVariable *cv = &pool->wait[number % POOL_WAITS].cv;
	uint64 new;

	ConditionVariablePrepareToSleep(cv);
	while (pool_state_pin(pg_atomic_read_u64(&page->state), version, &new) == POOL_PIN_WAIT)
		ConditionVariableSleep(cv, PG_WAIT_EXTENSION);
	ConditionVariableCancelSleep();
}

/* A pin that is not the plain case.  The clock is asked from the first wait or load on. */
static const void *
pin_slow(PoolPage *page, StrataPageId id, StrataPinResult *result)
{
	uint32 number = pool_id_number(id);
	uint32 version = pool_id_version(id);
	instr_time begin, end;
	bool timed = false;
	instr_time waits = {0};

	for (;;)
	{
		uint64 s = pg_atomic_read_u64(&page->state);
		uint64 new;
		PoolPinAnswer answer = pool_state_pin(s, version, &new);

		if ((answer == POOL_PIN_TAKEN || answer == POOL_PIN_LOAD) &&
			!pg_atomic_compare_exchange_u64(&page->state, &s, new))
			continue;
		if (!timed && (answer == POOL_PIN_LOAD || answer == POOL_PIN_WAIT))
		{
			INSTR_TIME_SET_CURRENT(begin);
			timed = true;
		}

		*result = STRATA_PIN_OK;
		switch (answer)
		{
			case POOL_PIN_TAKEN:
				if (s & POOL_AHEAD)
				{
					/* The policy was told when the page was loaded; this is the same reference. */
					pg_atomic_fetch_add_u64(&pool->prefetch_hits, 1);
					pg_atomic_fetch_add_u64(&pool->hits, 1);
					strata_counter_add(STRATA_C_POOL_HITS, 1);
				}
				else
					hit(id);
				break;
			case POOL_PIN_LOAD:
				*result = load(number, page, 1);
				if (*result == STRATA_PIN_NO_MEMORY && pool_room_wait(&waits))
					continue;
				if (*result == STRATA_PIN_NO_MEMORY)
					strata_memory_failed(STRATA_MEM_POOL);
				break;
			case POOL_PIN_WAIT:
				wait_for_owner(page, number, version);
				continue;
			case POOL_PIN_GONE:
				*result = STRATA_PIN_GONE;
				break;
			case POOL_PIN_FULL:
				*result = STRATA_PIN_NO_MEMORY;
				break;
		}
		break;
	}
	pool_cold_tell_write();
	if (timed)
	{
		INSTR_TIME_SET_CURRENT(end);
		INSTR_TIME_SUBTRACT(end, begin);
		pg_atomic_fetch_add_u64(&pool->io_wait_us, INSTR_TIME_GET_MICROSEC(end));
	}
	return *result == STRATA_PIN_OK ? page->image : NULL;
}

bool
strata_pool_load_ahead(StrataPageId id)
{
	PoolPage *page = pool_find(id);
	uint64 s, new;
	bool loaded;

	if (page == NULL)
		return false;
	s = pg_atomic_read_u64(&page->state);
	/* Whatever is not there for the taking is someone else's work already. */
	if (pool_state_pin(s, pool_id_version(id), &new) != POOL_PIN_LOAD ||
		!pg_atomic_compare_exchange_u64(&page->state, &s, new))
		return false;
	/* Counted first: who sees the page in memory sees it counted. */
	pg_atomic_fetch_add_u64(&pool->prefetched, 1);
	loaded = load(pool_id_number(id), page, 0) == STRATA_PIN_OK;
	if (!loaded)
		pg_atomic_fetch_sub_u64(&pool->prefetched, 1);
	pool_cold_tell_write();
	return loaded;
}

uint64
strata_pool_prefetch_wasted(void)
{
	return pool == NULL ? 0 : pg_atomic_read_u64(&pool->prefetch_wasted);
}

/* ---- the contract ---- */

const void *
strata_pool_pin(StrataPageId id, StrataPinResult *result)
{
	PoolPage *page = pool_find(id);
	uint64 s;

	if (unlikely(page == NULL))
	{
		*result = STRATA_PIN_GONE;
		return NULL;
	}
	s = pg_atomic_read_u64(&page->state);
	if (likely((s & POOL_FAST_MASK) == POOL_HOT && pool_state_version(s) == pool_id_version(id) &&
			   pool_state_pins(s) != POOL_PINS_MASK &&
			   pg_atomic_compare_exchange_u64(&page->state, &s, s + 1)))
	{
		hit(id);
		*result = STRATA_PIN_OK;
		return page->image;
	}
	return pin_slow(page, id, result);
}

void
strata_pool_unpin(StrataPageId id)
{
	PoolPage *page = pool_find(id);
	uint64 s, new;
	bool own;

	Assert(page != NULL);
	s = pg_atomic_read_u64(&page->state);
	do
	{
		Assert(pool_state_version(s) == pool_id_version(id) && pool_state_pins(s) > 0);
		own = pool_state_unpin(s, &new);
	} while (!pg_atomic_compare_exchange_u64(&page->state, &s, new));
	if (own)
	{
		HOLD_INTERRUPTS();
		pool_free(pool_id_number(id), page);
		RESUME_INTERRUPTS();
	}
}

void
strata_pool_drop(StrataPageId id)
{
	PoolPage *page = pool_find(id);
	uint64 s, new;
	PoolDropAnswer answer;

	if (page == NULL)
		return;
	s = pg_atomic_read_u64(&page->state);
	do
	{
		answer = pool_state_drop(s, pool_id_version(id), &new);
		if (answer == POOL_DROP_GONE)
			return;
	} while (!pg_atomic_compare_exchange_u64(&page->state, &s, new));
	if (answer == POOL_DROP_OWNED)
	{
		HOLD_INTERRUPTS();
		pool_free(pool_id_number(id), page);
		RESUME_INTERRUPTS();
	}
}

/* One try; the number and the frames are both there or neither. */
static StrataPageId
create(Size bytes, const StrataPageTag *tag, void **image)
{
	uint32 frames = pool_frames_of(bytes);
	uint32 number = pool_number_take();
	const StrataPolicyOps *ops;
	PoolPage *page;
	uint64 s;

	if (number == 0)
		return STRATA_PAGE_NONE;
	LWLockAcquire(pool_lock, LW_EXCLUSIVE);
	strata_policy_ops(pool->policy.kind)->miss(&pool->policy, &pool_nodes, number, frames);
	LWLockRelease(pool_lock);

	page = pool_page(number);
	page->image = pool_room(frames, frames, number);
	if (page->image == NULL)
	{
		LWLockAcquire(pool_lock, LW_EXCLUSIVE);
		strata_policy_ops(pool->policy.kind)->remove(&pool->policy, &pool_nodes, number);
		LWLockRelease(pool_lock);
		pool_number_give(number);
		return STRATA_PAGE_NONE;
	}
	page->bytes = bytes;
	page->frames = frames;
	page->warm_bytes = 0;
	page->cold_at = POOL_COLD_NOWHERE;
	page->stubborn = false;
	page->tag = *tag;
	pool_count(POOL_HOT, page, 1, 0);
	pg_atomic_fetch_add_u64(&pool->dirty_pages, 1);

	s = pool_state_create(pg_atomic_read_u64(&page->state));
	LWLockAcquire(pool_lock, LW_EXCLUSIVE);
	pg_atomic_write_u64(&page->state, s);
	ops = strata_policy_ops(pool->policy.kind);
	ops->admit(&pool->policy, &pool_nodes, number, frames);
	page->resident = true;
	page->reused = false;
	pool_list_add(POOL_LIST_DIRTY, number);
	LWLockRelease(pool_lock);

	*image = page->image;
	return pool_id(pool_state_version(s), number);
}

StrataPageId
strata_pool_create(Size bytes, const StrataPageTag *tag, void **image)
{
	StrataPageId id;
	instr_time waits = {0};

	if (pool == NULL || bytes == 0 || bytes > POOL_MAX_BYTES)
		return STRATA_PAGE_NONE;
	do
	{
		HOLD_INTERRUPTS();
		id = create(bytes, tag, image);
		RESUME_INTERRUPTS();
	} while (id == STRATA_PAGE_NONE && pool_room_wait(&waits));
	pool_cold_tell_write();
	if (id == STRATA_PAGE_NONE)
		strata_memory_failed(STRATA_MEM_POOL);
	return id;
}
