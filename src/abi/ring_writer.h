/*
 * ring_writer.h - making the shared segment and writing events to it.
 *
 * Included by: ring/ and tests.  Plain C11, no postgres.h.
 * Memory: the segment is mapped by who creates it and inherited by fork; a StrataRing is that process's view,
 * and stays valid in its children.  Locking: none; any number of processes and threads may write.
 * Not here: reading (ring_reader.h), what an event means (ring/publish.h).
 */
#ifndef STRATA_ABI_RING_WRITER_H
#define STRATA_ABI_RING_WRITER_H

#include "abi/ring_layout.h"

/* Where things are in this process.  `head` is NULL when there is no ring. */
typedef struct StrataRing
{
	StrataRingHeader *head;
	StrataRingCounterValue *counters; /* STRATA_C_COUNT of them */
	StrataRingSlot *lanes[STRATA_LANE_COUNT];
	uint16_t masks[STRATA_LANE_COUNT]; /* slots of the lane - 1 */
	size_t bytes;
} StrataRing;

/* Who makes the ring. */
typedef struct StrataRingMaker
{
	uint64_t epoch;
	int64_t now_us;
	int32_t postmaster_pid;
	uint32_t server_version_num;
} StrataRingMaker;

/* The slots of one lane, a power of two, when both lanes together may have `bytes`. */
extern uint32_t strata_ring_lane_slots(size_t bytes);

/* Bytes of a segment with that many slots a lane. */
extern size_t strata_ring_bytes(uint32_t lane_slots);

/* Lays a ring out in `memory`, which is zeroed and of strata_ring_bytes, and fills *ring. */
extern void strata_ring_format(void *memory, uint32_t lane_slots, const StrataRingMaker *maker,
							   StrataRing *ring);

/*
 * Makes the segment `path` (see strata_ring_open) with mode 0640 and all its memory in place, and maps it.
 * An old ring of the same owner that nobody serves any more is closed and replaced.  False and errno
 * otherwise: EEXIST when the name belongs to something that is not ours to remove, EBUSY when another live
 * server uses it, ENOSPC when there is no room.
 */
extern bool strata_ring_create(const char *path, uint32_t lane_slots, const StrataRingMaker *maker,
							   StrataRing *ring);

/* The same layout in memory without a name, shared with children; nobody else can read it. */
extern bool strata_ring_create_unnamed(uint32_t lane_slots, const StrataRingMaker *maker, StrataRing *ring);

/* Tells the readers that no more will come, removes the name (if not NULL) and the mapping. */
extern void strata_ring_destroy(const char *path, StrataRing *ring);

/* One event as the caller has it; the ring adds claim and seq. */
typedef struct StrataRingRecord
{
	StrataLane lane;
	uint16_t type;
	uint16_t body_len; /* at most STRATA_EVENT_BODY_MAX */
	int32_t pid;
	int64_t time_us;
	const char *database; /* STRATA_EVENT_DATABASE_MAX bytes, 8-byte aligned, padded with NUL */
	const char *body;	  /* 8-byte aligned */
} StrataRingRecord;

/*
 * Copies whole words, each stored atomically: a reader may be looking (and will throw away what it saw).
 * The rest of the last word becomes zero.
 */
static inline void
strata_ring_copy_words(void *to, const void *from, size_t bytes)
{
	uint64_t *target = to;
	const uint64_t *source = from;
	size_t words = bytes / 8;
	uint64_t last = 0;

	for (size_t i = 0; i < words; i++)
		__atomic_store_n(&target[i], source[i], __ATOMIC_RELAXED);
	if (bytes % 8 != 0)
	{
		memcpy(&last, &source[words], bytes % 8);
		__atomic_store_n(&target[words], last, __ATOMIC_RELAXED);
	}
}

/* Claims a slot; NULL when it is busy or already belongs to a later lap, and the event is to be given up. */
static inline StrataRingSlot *
strata_ring_claim(StrataRing *ring, StrataLane lane, uint64_t *claim)
{
	StrataRingSlot *slot;
	uint64_t held;

	*claim = __atomic_fetch_add(&ring->head->claim, strata_claim_step(lane), __ATOMIC_RELAXED);
	slot = &ring->lanes[lane][strata_claim_position(*claim, lane) & ring->masks[lane]];
	held = __atomic_load_n(&slot->claimed, __ATOMIC_RELAXED);
	if (held != __atomic_load_n(&slot->written, __ATOMIC_ACQUIRE) ||
		strata_claim_seq(held) >= strata_claim_seq(*claim))
		return NULL;
	if (!__atomic_compare_exchange_n(&slot->claimed, &held, *claim, false, __ATOMIC_RELAXED,
									 __ATOMIC_RELAXED))
		return NULL;
	/* `claimed` is seen before any of what follows it. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	return slot;
}

/* Writes one event; its seq, or 0 when it had to be given up. */
static inline uint64_t
strata_ring_write(StrataRing *ring, const StrataRingRecord *record)
{
	uint64_t claim;
	StrataRingSlot *slot = strata_ring_claim(ring, record->lane, &claim);
	uint64_t words[2];
	uint16_t kind[2] = {record->type, record->body_len};

	if (!slot)
		return 0;
	words[0] = (uint64_t)record->time_us;
	memcpy(&words[1], &record->pid, sizeof(record->pid));
	memcpy((char *)&words[1] + sizeof(record->pid), kind, sizeof(kind));
	strata_ring_copy_words(&slot->time_us, words, sizeof(words));
	strata_ring_copy_words(slot->database, record->database, STRATA_EVENT_DATABASE_MAX);
	strata_ring_copy_words(slot->body, record->body, record->body_len);
	__atomic_store_n(&slot->written, claim, __ATOMIC_RELEASE);
	return strata_claim_seq(claim);
}

/* The sign of life that readers watch. */
static inline void
strata_ring_beat(StrataRing *ring, int64_t now_us)
{
	__atomic_store_n(&ring->head->heartbeat_us, now_us, __ATOMIC_RELAXED);
	__atomic_fetch_add(&ring->head->heartbeat_count, 1, __ATOMIC_RELEASE);
}

#endif
