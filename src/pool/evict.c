/*
 * evict.c - making room: which pages move down, and how.
 *
 * One round of eviction takes the pool's lock once, asks the policy for a few victims and marks them (CLAIM),
 * lets the lock go, and then moves the victims one by one without any lock.  A victim that is pinned before
 * its turn has lost its mark: it is saved, and given back to the policy at the end of the round.  So a scan
 * that wants a page waits for that page's own move at most, never for the rest of the round, and never for
 * the I/O of a page it does not want.
 *
 * Down goes a page to WARM when LZ4 saves at least an eighth of its frames and the page is worth it: it was
 * used again since it was loaded, or it is dirty, so that letting it go would cost a write.  Pages that were
 * read once by a scan and have their copy in the cold file are just let go.  The compressed image is put back
 * into the first frames of the page's own run and the rest of the run is freed: making room needs no room.
 * The oldest warm pages leave for the cold file when strata.warm_ratio is reached.
 *
 * When the cold file takes nothing (disk full), dirty pages stay, clean ones go first, and when only dirty
 * ones are left one write a call is tried.
 *
 * Interrupts are held off by the callers throughout, so a page in work never loses its owner.  How much there
 * is to move has no bound (strata.memory may have been halved), so who was told to cancel or to terminate
 * stops between two rounds: he hears "no memory", and whoever called him obeys the interrupt.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/wait_event.h"

#include "alloc/memory.h"
#include "pool/pool_internal.h"
#include "ring/publish.h"

#define EVICT_WAIT_MS	   10	/* how long one wait for other evictions takes at most */
#define EVICT_WAITS_MS	   1000 /* and all of them together, before a caller hears "no memory" */
#define EVICT_SAVED_ROUNDS 100	/* rounds in a row whose victims were all saved, before he does */
#define EVICT_WARM_LOOKS   256	/* warm pages in a row, dirty or at work, that are passed under the lock */
#define LZ4_SAVES		   8	/* LZ4 must save one frame in eight */
#define CAPACITY_DRIFT	   64 /* of its size: the policy is told of a change by more than one part in so many */

/* The ways down. */
typedef enum EvictWay
{
	EVICT_HOT_WARM,
	EVICT_HOT_COLD,
	EVICT_WARM_COLD,
	EVICT_WAYS
} EvictWay;

/* One eviction, in rounds of up to POOL_BATCH victims. */
typedef struct Eviction
{
	uint32 incoming;  /* page that room is made for, or 0 */
	bool keep_warm;	  /* LZ4 is tried */
	bool clean_only;  /* the cold file takes nothing */
	bool stuck;		  /* and refused a page in this round */
	bool awaited_too; /* there was no other victim than pages that a scan will come to */
	int nvictims;
	struct
	{
		uint32 number, version;
		bool back; /* to the policy: it was saved or cannot leave */
	} victim[POOL_BATCH];
	uint32 moved[EVICT_WAYS];
	StrataPageId last[EVICT_WAYS];
	uint64 freed; /* frames */
} Eviction;

bool
pool_interrupted(void)
{
	return QueryCancelPending || ProcDiePending;
}

/* Hot frames allowed now. */
static uint64
hot_limit(void)
{
	return Max(1, (uint64)(strata_hot_ratio * pg_atomic_read_u64(&pool->capacity)));
}

static uint64
warm_limit(void)
{
	return (uint64)(strata_warm_ratio * pg_atomic_read_u64(&pool->capacity));
}

static void
evict_note(Eviction *e, EvictWay way, StrataPageId id, uint32 frames)
{
	e->moved[way]++;
	e->last[way] = id;
	e->freed += frames;
	pg_atomic_fetch_add_u64(&pool->evictions, 1);
	pg_atomic_fetch_add_u64(&pool->evicted_bytes, (uint64)frames * pool->frame);
	strata_counter_add(STRATA_C_POOL_EVICTIONS, 1);
}

/* ---- to the cold file ---- */

/* Writes what the owner of a dirty page has.  False: the page cannot leave. */
static bool
evict_write(PoolPage *page, const char *data, uint32 bytes, bool lz4, uint32 frames)
{
	if (pool_cold_write(page, data, bytes, lz4) != POOL_COLD_OK)
	{
		pool_cold_note_write(errno);
		return false;
	}
	pg_atomic_fetch_sub_u64(&pool->dirty_pages, 1);
	pg_atomic_fetch_sub_u64(&pool->dirty_frames, frames);
	return true;
}

/* The owner's page, hot or warm with so many frames, is cold from now on. */
static void
evict_to_cold(uint32 number, PoolPage *page, uint64 from, uint32 frames, Eviction *e)
{
	char *run = page->image;
	uint64 s = pg_atomic_read_u64(&page->state);

	page->image = NULL;
	pool_count(from, page, -1, frames);
	pool_count(POOL_COLD, page, 1, 0);
	pg_atomic_fetch_add_u64(&pool->tier[(from >> POOL_TIER_SHIFT) - 1].demotions, 1);
	if (s & POOL_AHEAD)
		pg_atomic_fetch_add_u64(&pool->prefetch_wasted, 1);
	evict_note(e, from == POOL_HOT ? EVICT_HOT_COLD : EVICT_WARM_COLD, pool_id(pool_state_version(s), number),
			   frames);
	pool_frames_give(run, frames);
	pool_settle(number, page, POOL_COLD, false, false, 0);
}

/* Takes the page that is warm for longest down to the cold file.  False: there is none, or it cannot leave.
 */
static bool
evict_warm(Eviction *e)
{
	uint32 number;
	PoolPage *page = NULL;
	uint64 s, new;
	uint32 frames;
	int looks = 0;

	LWLockAcquire(pool_lock, LW_EXCLUSIVE);
	for (number = pool->list[POOL_LIST_WARM].first; number != 0; number = page->link[POOL_LIST_WARM].next)
	{
		/* Where all are dirty and the disk is full, each request would look at all of them. */
		if (looks++ == EVICT_WARM_LOOKS)
		{
			number = 0;
			break;
		}
		page = pool_page(number);
		s = pg_atomic_read_u64(&page->state);
		if ((!e->clean_only || !(s & POOL_DIRTY)) && pool_state_cool(s, &new) &&
			pg_atomic_compare_exchange_u64(&page->state, &s, new))
			break;
	}
	if (number != 0)
		pool_list_remove(POOL_LIST_WARM, number);
	LWLockRelease(pool_lock);
	if (number == 0)
		return false;

	frames = pool_frames_of(page->warm_bytes);
	if ((s & POOL_DIRTY) && !evict_write(page, page->image, page->warm_bytes, true, frames))
	{
		e->clean_only = e->stuck = true;
		LWLockAcquire(pool_lock, LW_EXCLUSIVE);
		pool_list_add(POOL_LIST_WARM, number);
		LWLockRelease(pool_lock);
		pool_settle(number, page, POOL_WARM, true, false, 0);
		return false;
	}
	if (s & POOL_DIRTY)
	{
		LWLockAcquire(pool_lock, LW_EXCLUSIVE);
		pool_list_remove(POOL_LIST_DIRTY, number);
		LWLockRelease(pool_lock);
	}
	evict_to_cold(number, page, POOL_WARM, frames, e);
	return true;
}

/* ---- to LZ4 ---- */

/*
 * Sets frames aside among the warm ones for a victim before it is owned, for room may have to be made there
 * by writing others, and nobody should wait for those who wants this one.  As many as it takes at most; 0: it
 * is not to become warm.  What is read of a page that is not owned yet is a guess, and evict_victim() makes
 * sure of it.
 */
static uint32
evict_reserve_warm(const PoolPage *page, bool dirty, Eviction *e)
{
	PoolTierFigures *warm = &pool->tier[STRATA_TIER_WARM];
	uint32 frames = page->frames;
	uint32 reserved = frames - Max(1, frames / LZ4_SAVES);
	uint64 limit = warm_limit();

	if (!e->keep_warm || page->stubborn || frames < 2 || (!dirty && !page->reused) || reserved > limit)
		return 0;
	pg_atomic_fetch_add_u64(&warm->frames, reserved);
	while (pg_atomic_read_u64(&warm->frames) > limit)
		if (!evict_warm(e))
		{
			pg_atomic_fetch_sub_u64(&warm->frames, reserved);
			return 0;
		}
	return reserved;
}

/* The owner's hot page becomes warm in the first frames of its run.  False: it does not fit the frames
 * reserved. */
static bool
evict_to_warm(uint32 number, PoolPage *page, bool dirty, uint32 reserved, Eviction *e)
{
	uint64 s = pg_atomic_read_u64(&page->state);
	uint32 packed_bytes, frames;
	char *packed;

	packed_bytes = pool_lz4_pack(page->image, page->bytes, reserved * pool->frame, &packed);
	if (packed_bytes == 0)
	{
		page->stubborn = true;
		return false;
	}
	frames = pool_frames_of(packed_bytes);
	memcpy(page->image, packed, packed_bytes);
	page->warm_bytes = packed_bytes;
	pool_count(POOL_HOT, page, -1, page->frames);
	pool_count(POOL_WARM, page, 1, 0);
	pg_atomic_fetch_sub_u64(&pool->tier[STRATA_TIER_WARM].frames, reserved - frames);
	pg_atomic_fetch_add_u64(&pool->tier[STRATA_TIER_HOT].demotions, 1);
	if (dirty)
		pg_atomic_fetch_sub_u64(&pool->dirty_frames, page->frames - frames);
	if (s & POOL_AHEAD)
		pg_atomic_fetch_add_u64(&pool->prefetch_wasted, 1);
	evict_note(e, EVICT_HOT_WARM, pool_id(pool_state_version(s), number), page->frames - frames);
	pool_frames_give(page->image + frames * pool->frame, page->frames - frames);

	LWLockAcquire(pool_lock, LW_EXCLUSIVE);
	pool_list_add(POOL_LIST_WARM, number);
	LWLockRelease(pool_lock);
	pool_settle(number, page, POOL_WARM, dirty, false, 0);
	return true;
}

/* ---- rounds ---- */

/*
 * A page that was read ahead and not used yet is kept for a while: to a policy that tells pages used again
 * from others it is the best victim there is, and would leave before the scan comes to it.  The while is half
 * a turnover of the pool.  So what a scan that stopped early left is ordinary soon, and what is kept was
 * loaded in place of the half that left since: it cannot be much more than half of the pool.
 */
static bool
evict_awaited(const PoolPage *page, uint64 s)
{
	return (s & POOL_AHEAD) && pg_atomic_read_u64(&pool->evicted_bytes) - page->ahead_at <
								   pg_atomic_read_u64(&pool->capacity) * pool->frame / 2;
}

/* Only asks: a policy may ask about a page and then take another. */
static bool
evict_may(void *arg, uint32_t number)
{
	const Eviction *e = arg;
	PoolPage *page = pool_page(number);
	uint64 s = pg_atomic_read_u64(&page->state);
	uint64 new;

	return pool_state_claim(s, &new) && !(e->clean_only && (s & POOL_DIRTY)) &&
		   (e->awaited_too || !evict_awaited(page, s));
}

/* A page that was pinned since the policy asked stays unmarked, and is found to be saved when its turn comes.
 */
static void
evict_claim(PoolPage *page)
{
	uint64 s = pg_atomic_read_u64(&page->state);
	uint64 new;

	while (pool_state_claim(s, &new) && !pg_atomic_compare_exchange_u64(&page->state, &s, new))
		;
}

/* Marks victims of together at least so many frames, as far as there are any. */
static void
evict_choose(Eviction *e, uint64 frames)
{
	const StrataPolicyOps *ops;
	uint64 chosen = 0;

	e->nvictims = 0;
	LWLockAcquire(pool_lock, LW_EXCLUSIVE);
	ops = strata_policy_ops(pool->policy.kind);
	while (e->nvictims < POOL_BATCH && chosen < frames)
	{
		uint32 number = ops->victim(&pool->policy, &pool_nodes, e->incoming, evict_may, e);
		PoolPage *page;

		if (number == STRATA_POLICY_NONE && !e->awaited_too)
		{
			e->awaited_too = true;
			continue;
		}
		if (number == STRATA_POLICY_NONE)
			break;
		page = pool_page(number);
		page->resident = false;
		evict_claim(page);
		chosen += page->frames;
		e->victim[e->nvictims].number = number;
		e->victim[e->nvictims].version = pool_state_version(pg_atomic_read_u64(&page->state));
		e->victim[e->nvictims++].back = false;
	}
	LWLockRelease(pool_lock);
}

/* Makes a claimed victim the caller's.  False: it was saved by a pin, or dropped. */
static bool
evict_own(PoolPage *page, uint32 version)
{
	uint64 s = pg_atomic_read_u64(&page->state);
	uint64 new;

	do
	{
		if (!pool_state_evict(s, version, &new))
			return false;
	} while (!pg_atomic_compare_exchange_u64(&page->state, &s, new));
	return true;
}

/* Moves one victim down.  False: it stays hot, or is gone. */
static bool
evict_victim(Eviction *e, int i)
{
	uint32 number = e->victim[i].number;
	PoolPage *page = pool_page(number);
	uint64 s = pg_atomic_read_u64(&page->state);
	bool dirty = (s & POOL_DIRTY) != 0; /* stays so while the claim stands */
	uint32 reserved = (s & POOL_CLAIM) ? evict_reserve_warm(page, dirty, e) : 0;
	bool owned = evict_own(page, e->victim[i].version);

	if (reserved > 0)
	{
		if (owned && reserved < page->frames && evict_to_warm(number, page, dirty, reserved, e))
			return true;
		pg_atomic_fetch_sub_u64(&pool->tier[STRATA_TIER_WARM].frames, reserved);
	}
	if (!owned)
	{
		e->victim[i].back = true;
		return false;
	}
	if (dirty)
	{
		if (e->clean_only || !evict_write(page, page->image, page->bytes, false, page->frames))
		{
			e->clean_only = e->stuck = true;
			e->victim[i].back = true;
			pool_settle(number, page, POOL_HOT, true, (s & POOL_AHEAD) != 0, 0);
			return false;
		}
		LWLockAcquire(pool_lock, LW_EXCLUSIVE);
		pool_list_remove(POOL_LIST_DIRTY, number);
		LWLockRelease(pool_lock);
	}
	evict_to_cold(number, page, POOL_HOT, page->frames, e);
	return true;
}

/* Victims that stay go back to the policy, unless their owner dropped them meanwhile. */
static void
evict_readmit(Eviction *e)
{
	const StrataPolicyOps *ops;

	LWLockAcquire(pool_lock, LW_EXCLUSIVE);
	ops = strata_policy_ops(pool->policy.kind);
	for (int i = 0; i < e->nvictims; i++)
	{
		uint32 number = e->victim[i].number;
		PoolPage *page = pool_page(number);
		uint64 s = pg_atomic_read_u64(&page->state);

		/*
		 * A page that is hot and nobody's can become neither cold nor another's while the lock is held: the
		 * one takes a claim and the other takes pool_free(), and both need the lock first.
		 */
		if (e->victim[i].back && pool_state_is(s, e->victim[i].version) && pool_state_tier(s) == POOL_HOT &&
			!(s & POOL_BUSY) && !page->resident)
		{
			ops->admit(&pool->policy, &pool_nodes, number, page->frames);
			page->resident = true;
		}
	}
	LWLockRelease(pool_lock);
}

/* One event a way: page_evicted for a single page, batch_evicted for several. */
static void
evict_tell(const Eviction *e)
{
	static const struct
	{
		StrataTier from, to;
	} ways[EVICT_WAYS] = {{STRATA_TIER_HOT, STRATA_TIER_WARM},
						  {STRATA_TIER_HOT, STRATA_TIER_COLD},
						  {STRATA_TIER_WARM, STRATA_TIER_COLD}};
	uint64 total = pg_atomic_read_u64(&pool->capacity);
	uint64 used = pg_atomic_read_u64(&pool->tier[STRATA_TIER_HOT].frames) +
				  pg_atomic_read_u64(&pool->tier[STRATA_TIER_WARM].frames);
	StrataEvent ev;

	for (int way = 0; way < EVICT_WAYS; way++)
	{
		if (e->moved[way] == 0)
			continue;
		strata_event_begin(&ev, e->moved[way] == 1 ? STRATA_EV_PAGE_EVICTED : STRATA_EV_BATCH_EVICTED);
		if (e->moved[way] == 1)
			strata_event_int(&ev, STRATA_F_PAGE_ID, e->last[way]);
		strata_event_int(&ev, STRATA_F_NUM_PAGES, e->moved[way]);
		strata_event_text(&ev, STRATA_F_EVICTION_POLICY, strata_policy_ops(pool->policy.kind)->name);
		strata_event_text(&ev, STRATA_F_FROM_TIER, strata_tier_name(ways[way].from));
		strata_event_text(&ev, STRATA_F_TO_TIER, strata_tier_name(ways[way].to));
		strata_event_int(&ev, STRATA_F_FREE_FRAMES, total > used ? total - used : 0);
		strata_event_int(&ev, STRATA_F_TOTAL_FRAMES, total);
		strata_event_publish(&ev);
	}
}

typedef enum EvictRound
{
	EVICT_MOVED,
	EVICT_SAVED, /* all victims were pinned, or dropped, before their turn: there may be others */
	EVICT_STUCK	 /* there is no victim, or none can be written */
} EvictRound;

/* Chooses and moves victims of about so many frames; falls back on warm pages. */
static EvictRound
evict_round(Eviction *e, uint64 frames)
{
	int moved = 0;

	evict_choose(e, frames);
	for (int i = 0; i < e->nvictims; i++)
		if (evict_victim(e, i))
			moved++;
	if (moved < e->nvictims)
		evict_readmit(e);
	if (moved == 0 && !evict_warm(e))
		return e->nvictims > 0 && !e->stuck ? EVICT_SAVED : EVICT_STUCK;
	pool_cold_grow_early();
	pool_tell_capacity();
	return EVICT_MOVED;
}

/*
 * Evicts until `enough` says so.  A round that could move nothing but clean pages, because the cold file
 * failed before, is followed by one that tries a dirty one: the disk may have room again.
 */
static bool
evict_until(Eviction *e, bool (*enough)(void *arg), void *arg, uint64 frames)
{
	bool done = false;
	bool tried_dirty = false;
	int saved = 0;

	e->clean_only = pg_atomic_read_u32(&pool->cold_failing) != 0;
	pg_atomic_fetch_add_u32(&pool->moving, 1);
	while (!done)
	{
		EvictRound round;

		e->stuck = false;
		round = evict_round(e, frames);
		saved = round == EVICT_SAVED ? saved + 1 : 0;
		if (round == EVICT_MOVED || (round == EVICT_SAVED && saved < EVICT_SAVED_ROUNDS))
		{
			/* After a round that moved nothing, too: victims that were dropped gave their frames back. */
			done = enough(arg);
			if (pool_interrupted())
				break;
		}
		else if (e->clean_only && !tried_dirty)
		{
			tried_dirty = true;
			e->clean_only = false;
		}
		else
			break;
	}
	pg_atomic_fetch_sub_u32(&pool->moving, 1);
	ConditionVariableBroadcast(&pool->room);
	evict_tell(e);
	return done;
}

/* ---- room for a page ---- */

typedef struct RoomWanted
{
	Size bytes;
	bool table;
	char *run;
} RoomWanted;

static bool
room_taken(void *arg)
{
	RoomWanted *wanted = arg;

	uint32 n;

	if (wanted->table)
		wanted->run = pool_table_memory(wanted->bytes);
	else
	{
		n = pool_frames_of(wanted->bytes);
		wanted->run = pool_frames_take(n);
		/* What is kept is of other sizes.  Let it grow to half of what may be kept before it is given up. */
		if (wanted->run == NULL && pool_frames_kept_amply(n) && pool_frames_release() > 0)
			wanted->run = pool_frames_take(n);
	}
	return wanted->run != NULL;
}

/* The last resort when nothing more can be evicted. */
static bool
room_taken_from_kept(RoomWanted *wanted)
{
	return pool_frames_release() > 0 && room_taken(wanted);
}

static bool
room_hot_fits(void *arg)
{
	return pg_atomic_read_u64(&pool->tier[STRATA_TIER_HOT].frames) <= hot_limit();
}

/* Counted before room is made, so that several who do this at once do not all fit. */
static void
room_count(int64 sign, uint32 n, uint32 dirty)
{
	pg_atomic_fetch_add_u64(&pool->tier[STRATA_TIER_HOT].frames, sign * n);
	pg_atomic_fetch_add_u64(&pool->dirty_frames, sign * dirty);
}

char *
pool_room(uint32 n, uint32 dirty, uint32 incoming)
{
	Eviction e = {.incoming = incoming, .keep_warm = true};
	RoomWanted wanted = {.bytes = n * pool->frame};

	/* Nothing is evicted for a page that can never fit. */
	if (n > hot_limit())
	{
		pool_tell_capacity();
		if (n > hot_limit())
			return NULL;
	}
	room_count(1, n, dirty);
	if (strata_hot_ratio < 1)
		pool_tell_capacity();
	if ((strata_hot_ratio >= 1 || room_hot_fits(NULL) || evict_until(&e, room_hot_fits, NULL, n)) &&
		(dirty == 0 || pool_cold_prepare()) &&
		(room_taken(&wanted) || evict_until(&e, room_taken, &wanted, n) || room_taken_from_kept(&wanted)))
		return wanted.run;
	room_count(-1, n, dirty);
	return NULL;
}

void
pool_room_undo(char *run, uint32 n, uint32 dirty)
{
	pool_frames_give(run, n);
	room_count(-1, n, dirty);
}

void *
pool_room_for_table(Size bytes)
{
	Eviction e = {.keep_warm = true};
	RoomWanted wanted = {.bytes = bytes, .table = true};

	if (room_taken(&wanted) || evict_until(&e, room_taken, &wanted, pool_frames_of(bytes)))
		return wanted.run;
	return NULL;
}

bool
pool_room_wait(instr_time *since)
{
	instr_time now;

	if (pg_atomic_read_u32(&pool->moving) == 0)
		return false;
	/* By the clock: a wake-up says that something has moved, not that there is room for the caller. */
	INSTR_TIME_SET_CURRENT(now);
	if (INSTR_TIME_IS_ZERO(*since))
		*since = now;
	INSTR_TIME_SUBTRACT(now, *since);
	if (INSTR_TIME_GET_MILLISEC(now) >= EVICT_WAITS_MS)
		return false;
	ConditionVariablePrepareToSleep(&pool->room);
	ConditionVariableTimedSleep(&pool->room, EVICT_WAIT_MS, PG_WAIT_EXTENSION);
	ConditionVariableCancelSleep();
	return true;
}

void
pool_tell_capacity(void)
{
	uint64 capacity = pool_capacity();
	uint64 hot, told;

	pg_atomic_write_u64(&pool->capacity, capacity);
	hot = hot_limit();
	told = pool->policy.capacity; /* read without the lock: a value of a moment ago will do */
	if (hot - Min(hot, told) + told - Min(hot, told) <= hot / CAPACITY_DRIFT)
		return;
	LWLockAcquire(pool_lock, LW_EXCLUSIVE);
	pool->policy.capacity = hot;
	strata_policy_ops(pool->policy.kind)->resize(&pool->policy, &pool_nodes);
	LWLockRelease(pool_lock);
}

/* ---- the contract ---- */

static bool
shrink_holds(void *arg)
{
	uint64 frames = pg_atomic_read_u64(&pool->tier[STRATA_TIER_HOT].frames) +
					pg_atomic_read_u64(&pool->tier[STRATA_TIER_WARM].frames);

	return frames * pool->frame <= *(Size *)arg;
}

Size
strata_pool_shrink(Size bytes, StrataTier to)
{
	Eviction e = {.keep_warm = to == STRATA_TIER_WARM};
	uint64 kept;

	if (pool == NULL)
		return 0;
	HOLD_INTERRUPTS();
	kept = pg_atomic_read_u64(&pool->kept_frames);
	if (to == STRATA_TIER_COLD)
		while (!shrink_holds(&bytes) && !pool_interrupted() && evict_warm(&e))
			;
	if (!shrink_holds(&bytes) && !pool_interrupted())
		evict_until(&e, shrink_holds, &bytes, POOL_BATCH);
	else
		evict_tell(&e);
	pool_frames_release();
	RESUME_INTERRUPTS();
	pool_cold_tell_write();
	return (e.freed + kept) * pool->frame;
}

static bool
obey_warm_fits(void *arg)
{
	return pg_atomic_read_u64(&pool->tier[STRATA_TIER_WARM].frames) <= warm_limit();
}

void
strata_pool_obey_ratios(void)
{
	Eviction e = {.keep_warm = true};

	if (pool == NULL)
		return;
	HOLD_INTERRUPTS();
	pool_tell_capacity();
	while (!obey_warm_fits(NULL) && !pool_interrupted() && evict_warm(&e))
		;
	if (!room_hot_fits(NULL) && !pool_interrupted())
		evict_until(&e, room_hot_fits, NULL, POOL_BATCH);
	else
		evict_tell(&e);
	RESUME_INTERRUPTS();
	pool_cold_tell_write();
}
