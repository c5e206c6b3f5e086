/*
 * ring_layout.h - the bytes of the shared segment: header, counters, descriptions and two lanes of slots.
 *
 * Included by: ring_writer and ring_reader, and nobody else.  Plain C11, no postgres.h.
 * Memory: one POSIX segment (or file), made by the postmaster, mapped by it and inherited by its children.
 * Readers do not map it, they pread() it: see ring_reader.h.
 * Locking: none.  Words that change after the start are 8 bytes, aligned, and written atomically; all
 * else is written once, before `magic`.
 * Not here: how an event's fields look inside a body (event_body.h), names and codes (events.h).
 *
 * Claims.  One 64-bit word, `claim`, hands out sequence numbers and slots in one fetch-add:
 *
 *      63            48 47                                             0
 *     +----------------+------------------------------------------------+
 *     |  rare, mod 2^16|  seq of the next event                         |
 *     +----------------+------------------------------------------------+
 *
 * An event of the CHATTER lane adds 1, an event of the RARE lane adds 1 and bumps `rare`.  The value before
 * the addition is the event's claim: its seq, and how many RARE events came before it.  What is not rare is
 * chatter, so the claim also says how many CHATTER events came before it (mod 2^16), and with that the slot
 * in either lane.  Hence seqs rise along each lane, the two lanes merge into one order without a gap, and a
 * reader needs no more state than the claim that it expects next.  The seq has 48 bits: 8.9 years at a
 * million events a second; `rare` may wrap, for a lane has at most 2^15 slots, so that 16 bits also tell a
 * lap from the next one.
 *
 * Slots.  `claimed` and `written` are a sequence lock in two words.  A slot is whole when both are the same
 * claim.  The writer sets `claimed` by compare-and-swap, fills the rest, and sets `written` with release; a
 * reader sees `written`, copies, and looks whether `claimed` is still that.  Two words, because a reader
 * may copy byte by byte: a torn `written` can never look like a claim that was not stored whole.
 * A writer that finds its slot busy (the lap before is still being written, or its writer died there) or
 * taken by a later lap gives its event up and counts it.  So a dead writer costs its slot and nothing else.
 */
#ifndef STRATA_ABI_RING_LAYOUT_H
#define STRATA_ABI_RING_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "abi/events.h"

/* "StrRing1", read as a little-endian word; a reader of the other byte order does not know it. */
#define STRATA_RING_MAGIC UINT64_C(0x31676e6952727453)

/* Raised when a reader of the old layout would misread the new one.  Tables that grow at their end, longer
 * table rows and new codes do not raise it: counts and strides are in the header. */
#define STRATA_RING_LAYOUT_VERSION 1

#define STRATA_RING_MIN_SLOTS 64	/* a lane */
#define STRATA_RING_MAX_SLOTS 32768 /* a lane; see "Claims" */

#define STRATA_CLAIM_SEQ_BITS 48
#define STRATA_CLAIM_SEQ_MASK ((UINT64_C(1) << STRATA_CLAIM_SEQ_BITS) - 1)
#define STRATA_CLAIM_RARE	  (UINT64_C(1) << STRATA_CLAIM_SEQ_BITS)

/* A name with more than its leading slash is a file, any other a POSIX shared memory segment. */
static inline bool
strata_ring_is_file(const char *path)
{
	return path[0] != '\0' && strchr(path + 1, '/') != NULL;
}

/* What one event adds to the claim word. */
static inline uint64_t
strata_claim_step(StrataLane lane)
{
	return lane == STRATA_LANE_RARE ? STRATA_CLAIM_RARE + 1 : 1;
}

static inline uint64_t
strata_claim_seq(uint64_t claim)
{
	return claim & STRATA_CLAIM_SEQ_MASK;
}

/* How many events of the lane came before the claim, mod 2^16: the position of an event of that lane. */
static inline uint16_t
strata_claim_position(uint64_t claim, StrataLane lane)
{
	uint16_t rare = (uint16_t)(claim >> STRATA_CLAIM_SEQ_BITS);

	return lane == STRATA_LANE_RARE ? rare : (uint16_t)(claim - rare);
}

typedef struct StrataRingSlot
{
	uint64_t claimed;
	uint64_t written;
	int64_t time_us; /* since 1970-01-01 UTC */
	int32_t pid;
	uint16_t type;	   /* StrataEventType */
	uint16_t body_len; /* bytes of body in use */
	char database[STRATA_EVENT_DATABASE_MAX];
	char body[STRATA_EVENT_BODY_MAX];
} StrataRingSlot;

_Static_assert(sizeof(StrataRingSlot) == 512, "a slot is 512 bytes");
_Static_assert(offsetof(StrataRingSlot, body) == 96, "no padding in a slot");

/* A table in the segment: `count` rows of `stride` bytes from `offset` on. */
typedef struct StrataRingArea
{
	uint64_t offset;
	uint32_t count;
	uint32_t stride;
} StrataRingArea;

/*
 * The start of the segment.  Everything before `claim` is written once; `magic` last of all, with release, so
 * a reader that sees it sees the rest.  `claim` and the heartbeat have cache lines of their own.
 */
typedef struct StrataRingHeader
{
	uint64_t magic;
	uint32_t layout_version;
	uint32_t header_bytes;	/* sizeof(StrataRingHeader) */
	uint64_t segment_bytes; /* of header, tables and lanes */
	uint64_t epoch;			/* random, another one for each start and crash restart */
	int64_t created_us;
	int32_t postmaster_pid;
	uint32_t server_version_num;
	uint32_t slot_bytes;
	uint32_t body_max;
	StrataRingArea lanes[STRATA_LANE_COUNT]; /* StrataRingSlot */
	StrataRingArea counters;				 /* StrataRingCounterValue, by counter code */
	StrataRingArea counter_texts;			 /* StrataRingCounterText */
	StrataRingArea event_texts;				 /* StrataRingEventText */
	StrataRingArea field_texts;				 /* StrataRingFieldText */
	char reserved[104];

	uint64_t claim; /* of the next event; see "Claims" */
	char pad_claim[56];

	uint64_t heartbeat_count; /* rises while the server lives */
	int64_t heartbeat_us;	  /* time of the last one */
	uint64_t closed;		  /* not 0: the server is done with this segment */
	char pad_heartbeat[40];
} StrataRingHeader;

_Static_assert(offsetof(StrataRingHeader, claim) == 256, "claim has a cache line");
_Static_assert(offsetof(StrataRingHeader, heartbeat_count) == 320, "the heartbeat has a cache line");
_Static_assert(sizeof(StrataRingHeader) == 384, "no padding in the header");

/* One counter or gauge, with a cache line of its own. */
typedef struct StrataRingCounterValue
{
	uint64_t value;
	char pad[56];
} StrataRingCounterValue;

_Static_assert(sizeof(StrataRingCounterValue) == 64, "a counter has a cache line");

/* Descriptions, so that a reader of another version can name what it does not know.  Texts end in NUL. */
typedef struct StrataRingCounterText
{
	uint32_t code;
	uint32_t kind; /* StrataCounterKind */
	char name[48];
	char unit[16];
	char text[184];
} StrataRingCounterText;

_Static_assert(sizeof(StrataRingCounterText) == 256, "no padding in a counter's description");

typedef struct StrataRingEventText
{
	uint16_t code;
	uint16_t lane; /* StrataLane */
	char name[44];
	char topic[16];
	char text[160];
	char fields[288]; /* names, separated by blanks; ? after an optional one */
} StrataRingEventText;

_Static_assert(sizeof(StrataRingEventText) == 512, "no padding in an event's description");

typedef struct StrataRingFieldText
{
	uint16_t code;
	uint16_t type; /* StrataFieldType */
	char name[44];
} StrataRingFieldText;

_Static_assert(sizeof(StrataRingFieldText) == 48, "no padding in a field's description");

#endif
