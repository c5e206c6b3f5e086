/*
 * page_state.h - the state word of a page, and every change it can make.
 *
 * Included by: pool/, and test/unit, which steps through all interleavings of these very functions (plain
 * C11; no postgres.h). Memory: none.  Each function is given the word as it was read and answers what may be
 * done, and with which new word; the caller puts it in place by compare-and-exchange, and reads again when it
 * was beaten to it. Locking: none; what the word guards, and what the pool's lock guards, is told in
 * README.md. Not here: what is done between two changes (pool.c, evict.c, flush.c).
 *
 *      63 ............ 32 | 31 .... 22 | 21 20 | 19 ....... 0
 *          version            flags      tier       pins
 *
 * The bits that say who may do what:
 *
 * BUSY    One process owns the page: it alone moves it between tiers or frees it.  There are no pins, and
 * none can be added.  Who wants the page waits on its condition variable. WRITING One process writes the
 * image to the cold file.  Readers may pin and unpin; nobody becomes owner, for the image has to stay where
 * it is.  Never together with BUSY. CLAIM   An eviction has chosen the page and will own it soon.  A pin
 * takes the mark away and so saves the page: a scan never waits for the pages that are evicted before the one
 * it wants. FILLING Between create and the creator's first unpin: nobody else may pin, write or evict. DOOMED
 * Dropped by its owner: no new pins.  Whoever takes the last of {pins, BUSY, WRITING} away frees it. DIRTY
 * The cold file has no copy. AHEAD   Loaded by the prefetcher and not pinned since.
 *
 * The version changes each time the number gets a new page.  It has 31 bits and wraps.  A stale id could be
 * mistaken for a page 2^31 creations later under the same number: free numbers are handed out last in, first
 * out, so one number could be that far after some hours of nothing but create and drop.  It does no harm: the
 * column store holds an id for as long as the page exists, since it is the one who drops it; the hit buffers
 * and the prefetch queue live for seconds and a wrong entry costs a wrong reference or a needless load; an id
 * that a user kept pins a page that he may pin anyway.
 */
#ifndef STRATA_POOL_PAGE_STATE_H
#define STRATA_POOL_PAGE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#define POOL_PINS_MASK	   UINT64_C(0xFFFFF)
#define POOL_TIER_SHIFT	   20
#define POOL_TIER_MASK	   (UINT64_C(3) << POOL_TIER_SHIFT)
#define POOL_FREE		   UINT64_C(0) /* no page has this number */
#define POOL_HOT		   (UINT64_C(1) << POOL_TIER_SHIFT)
#define POOL_WARM		   (UINT64_C(2) << POOL_TIER_SHIFT)
#define POOL_COLD		   (UINT64_C(3) << POOL_TIER_SHIFT)
#define POOL_BUSY		   (UINT64_C(1) << 22)
#define POOL_WRITING	   (UINT64_C(1) << 23)
#define POOL_CLAIM		   (UINT64_C(1) << 24)
#define POOL_FILLING	   (UINT64_C(1) << 25)
#define POOL_DOOMED		   (UINT64_C(1) << 26)
#define POOL_DIRTY		   (UINT64_C(1) << 27)
#define POOL_AHEAD		   (UINT64_C(1) << 28)
#define POOL_VERSION_SHIFT 32
#define POOL_VERSION_MAX   UINT32_C(0x7FFFFFFF) /* an id is positive as a bigint */

/* A pin needs nothing but one added when all of these are so. */
#define POOL_FAST_MASK (POOL_TIER_MASK | POOL_BUSY | POOL_CLAIM | POOL_FILLING | POOL_DOOMED | POOL_AHEAD)

static inline uint32_t
pool_state_version(uint64_t s)
{
	return (uint32_t)(s >> POOL_VERSION_SHIFT);
}

static inline uint64_t
pool_state_tier(uint64_t s)
{
	return s & POOL_TIER_MASK;
}

static inline uint32_t
pool_state_pins(uint64_t s)
{
	return (uint32_t)(s & POOL_PINS_MASK);
}

/* Is it the page meant, and alive? */
static inline bool
pool_state_is(uint64_t s, uint32_t version)
{
	return pool_state_version(s) == version && pool_state_tier(s) != POOL_FREE && !(s & POOL_DOOMED);
}

/* Has the last of pins, BUSY and WRITING gone from a page that was dropped? */
static inline bool
pool_state_orphan(uint64_t s)
{
	return (s & POOL_DOOMED) && pool_state_pins(s) == 0 && !(s & (POOL_BUSY | POOL_WRITING));
}

/* ---- create: by the process that took the number from the list of free ones ---- */

static inline uint64_t
pool_state_create(uint64_t s)
{
	uint64_t version = pool_state_version(s) >= POOL_VERSION_MAX ? 1 : pool_state_version(s) + 1;

	return version << POOL_VERSION_SHIFT | POOL_HOT | POOL_DIRTY | POOL_FILLING | 1;
}

/* ---- pin: by anyone ---- */

typedef enum PoolPinAnswer
{
	POOL_PIN_TAKEN, /* *new has one pin more */
	POOL_PIN_LOAD,	/* *new makes the caller owner: it loads the page */
	POOL_PIN_WAIT,	/* wait for the owner or the writer, and look again */
	POOL_PIN_GONE,	/* no such page */
	POOL_PIN_FULL	/* a million pins already */
} PoolPinAnswer;

static inline PoolPinAnswer
pool_state_pin(uint64_t s, uint32_t version, uint64_t *new)
{
	if (!pool_state_is(s, version) || (s & POOL_FILLING))
		return POOL_PIN_GONE;
	if (s & POOL_BUSY)
		return POOL_PIN_WAIT;
	if (pool_state_tier(s) == POOL_HOT)
	{
		if (pool_state_pins(s) == POOL_PINS_MASK)
			return POOL_PIN_FULL;
		*new = (s & ~(POOL_CLAIM | POOL_AHEAD)) + 1;
		return POOL_PIN_TAKEN;
	}
	if (s & POOL_WRITING)
		return POOL_PIN_WAIT;
	*new = s | POOL_BUSY;
	return POOL_PIN_LOAD;
}

/* ---- unpin: by who has a pin ---- */

/* True: the caller owns the page now and frees it. */
static inline bool
pool_state_unpin(uint64_t s, uint64_t *new)
{
	*new = (s & ~POOL_FILLING) - 1;
	if (!pool_state_orphan(*new))
		return false;
	*new |= POOL_BUSY;
	return true;
}

/* ---- drop: once a page, by its owner in the column store ---- */

typedef enum PoolDropAnswer
{
	POOL_DROP_OWNED, /* *new makes the caller owner: it frees the page */
	POOL_DROP_LATER, /* *new has DOOMED: another frees it */
	POOL_DROP_GONE
} PoolDropAnswer;

static inline PoolDropAnswer
pool_state_drop(uint64_t s, uint32_t version, uint64_t *new)
{
	if (!pool_state_is(s, version))
		return POOL_DROP_GONE;
	*new = (s & ~POOL_CLAIM) | POOL_DOOMED;
	if (!pool_state_orphan(*new))
		return POOL_DROP_LATER;
	*new |= POOL_BUSY;
	return POOL_DROP_OWNED;
}

/* ---- eviction of a hot page: chosen (with the pool's lock held), then owned ---- */

static inline bool
pool_state_claim(uint64_t s, uint64_t *new)
{
	if (pool_state_tier(s) != POOL_HOT || pool_state_pins(s) != 0 ||
		(s & (POOL_BUSY | POOL_WRITING | POOL_CLAIM | POOL_FILLING | POOL_DOOMED)))
		return false;
	*new = s | POOL_CLAIM;
	return true;
}

/* False: saved by a pin, or dropped. */
static inline bool
pool_state_evict(uint64_t s, uint32_t version, uint64_t *new)
{
	if (pool_state_version(s) != version || !(s & POOL_CLAIM))
		return false;
	*new = (s & ~POOL_CLAIM) | POOL_BUSY;
	return true;
}

/* ---- eviction of a warm page: owned at once ---- */

static inline bool
pool_state_cool(uint64_t s, uint64_t *new)
{
	if (pool_state_tier(s) != POOL_WARM || (s & (POOL_BUSY | POOL_WRITING | POOL_DOOMED)))
		return false;
	*new = s | POOL_BUSY;
	return true;
}

/* ---- the owner is done: the page is in `tier` now ---- */

/* True: it was dropped meanwhile; the caller stays owner and frees it, and *new is not to be used. */
static inline bool
pool_state_settle(uint64_t s, uint64_t tier, bool dirty, bool ahead, uint32_t pins, uint64_t *new)
{
	if (s & POOL_DOOMED)
		return true;
	*new = (s & ~(POOL_TIER_MASK | POOL_BUSY | POOL_DIRTY | POOL_AHEAD)) | tier | (dirty ? POOL_DIRTY : 0) |
		   (ahead ? POOL_AHEAD : 0) | pins;
	return false;
}

/* The owner has freed everything: the number has no page.  The version stays, for the next create to raise.
 */
static inline uint64_t
pool_state_free(uint64_t s)
{
	return s >> POOL_VERSION_SHIFT << POOL_VERSION_SHIFT;
}

/* ---- writing a dirty page to the cold file while it stays ---- */

static inline bool
pool_state_write(uint64_t s, uint32_t version, uint64_t *new)
{
	if (!pool_state_is(s, version) || pool_state_tier(s) == POOL_COLD || !(s & POOL_DIRTY) ||
		(s & (POOL_BUSY | POOL_WRITING | POOL_CLAIM | POOL_FILLING)))
		return false;
	*new = s | POOL_WRITING;
	return true;
}

/* True: the caller owns the page now and frees it. */
static inline bool
pool_state_written(uint64_t s, bool clean, uint64_t *new)
{
	*new = s & ~(POOL_WRITING | (clean ? POOL_DIRTY : 0));
	if (!pool_state_orphan(*new))
		return false;
	*new |= POOL_BUSY;
	return true;
}

#endif
