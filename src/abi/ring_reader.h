/*
 * ring_reader.h - reading events and counters of a server from outside it.
 *
 * Included by: sidecar/, api/events.c, tests.  Plain C11, no postgres.h.
 * Memory: a reader is malloc'ed by open and freed by close; results are copies in the caller's memory, names
 * live as long as the reader (and until a RESET is returned).  Locking: none; a reader belongs to one thread.
 * Any number of readers may be open, and none can slow the server: they take no lock and write nothing.
 * Not here: the layout (ring_layout.h), writing (ring_writer.h).
 *
 * The segment is hostile input.  It is never mapped: every look is a pread() into private memory, so a file
 * that is truncated under us gives a short read and not a SIGBUS, and what was checked cannot change before
 * it is used.  An idle poll is one pread of 128 bytes; events come in batches.
 *
 *     StrataRingReader *ring;
 *     StrataRingItem    item;
 *     status = strata_ring_open(path, &ring);           STRATA_RING_OK, or why not
 *     strata_ring_start(ring, since);
 *     for (;;)
 *         switch (strata_ring_poll(ring, &item)) ...
 *
 * Events come in the order of their seq, each once.  For every seq that is passed over there is a GAP that
 * names it: between `since` and the last event delivered, events and gaps together hold every number once.
 * A seq is passed over when its slot was overwritten before we came (lapped), when the writer gave it up, or
 * when it was claimed and not written within a grace time.
 */
#ifndef STRATA_ABI_RING_READER_H
#define STRATA_ABI_RING_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/event_body.h"
#include "abi/events.h"

/* A `since` for strata_ring_start: only what is published from now on. */
#define STRATA_RING_NOW UINT64_MAX

/* Enough for any event as a JSON line (strata_ring_event_json), with the NUL. */
#define STRATA_RING_JSON_MAX 16384

typedef enum StrataRingStatus
{
	/* Answers of open. */
	STRATA_RING_OK,
	STRATA_RING_MISSING,   /* no such segment */
	STRATA_RING_DENIED,	   /* not readable by this user */
	STRATA_RING_NOT_READY, /* being made just now; try again */
	STRATA_RING_CORRUPT,   /* not a ring, or its header contradicts itself */
	STRATA_RING_VERSION,   /* a ring of another layout version */
	STRATA_RING_SYSTEM,	   /* out of memory or descriptors, or an I/O error; errno says */
	/* Answers of poll. */
	STRATA_RING_EVENT,	 /* item->event */
	STRATA_RING_NOTHING, /* no news */
	STRATA_RING_GAP,	 /* item->gap: these seqs will not come */
	STRATA_RING_RESET,	 /* item->epoch: the server made a new ring; we read that one now, from its start */
	STRATA_RING_GONE	 /* the server is away; item->reason.  Repeated until it is back */
} StrataRingStatus;

typedef struct StrataRingEvent
{
	uint64_t seq;
	int64_t time_us; /* since 1970-01-01 UTC */
	int32_t pid;
	uint16_t type; /* StrataEventType, or one we do not know */
	uint16_t body_len;
	char database[STRATA_EVENT_DATABASE_MAX]; /* ends in NUL; "" when none */
	char body[STRATA_EVENT_BODY_MAX];		  /* strata_body_next() */
} StrataRingEvent;

typedef struct StrataRingItem
{
	StrataRingEvent event;
	struct
	{
		uint64_t from_seq; /* the first lost */
		uint64_t to_seq;   /* the last lost */
		uint64_t lost;	   /* to_seq - from_seq + 1 */
	} gap;
	uint64_t epoch;
	const char *reason;
} StrataRingItem;

/* What the segment says of itself; as of the last poll where it changes. */
typedef struct StrataRingInfo
{
	uint64_t epoch;
	uint32_t layout_version;
	int32_t postmaster_pid;
	uint32_t server_version_num;
	uint64_t segment_bytes;
	uint32_t slot_bytes;
	uint32_t slots[STRATA_LANE_COUNT];
	int64_t created_us;
	int64_t heartbeat_us;
	uint64_t heartbeat_count;
	uint64_t last_seq; /* 0: none yet */
	bool closed;
} StrataRingInfo;

typedef struct StrataRingEventInfo
{
	uint16_t code;
	StrataLane lane;
	char name[44]; /* [a-z0-9_] only */
	char topic[16];
	char text[160];
	char fields[288];
} StrataRingEventInfo;

typedef struct StrataRingFieldInfo
{
	uint16_t code;
	StrataFieldType type;
	char name[44]; /* [a-z0-9_] only */
} StrataRingFieldInfo;

typedef struct StrataRingCounterInfo
{
	uint32_t code;
	StrataCounterKind kind;
	char name[48]; /* [a-z0-9_] only */
	char unit[16];
	char text[184];
} StrataRingCounterInfo;

typedef struct StrataRingReader StrataRingReader;

/*
 * Opens the ring at `path`: a segment name ("/pg_strata...") or, when it has more than the leading slash, a
 * file.  Reads from the oldest event on until strata_ring_start says otherwise.  *ring is NULL unless OK.
 */
extern StrataRingStatus strata_ring_open(const char *path, StrataRingReader **ring);
extern void strata_ring_close(StrataRingReader *ring);

/* One sentence for people, without a full stop. */
extern const char *strata_ring_status_text(StrataRingStatus status);

/*
 * Goes on after seq `since`: 0 is everything that the ring still holds.  A `since` that the ring has not
 * reached was of an earlier epoch: the next poll says RESET and all events follow.
 */
extern void strata_ring_start(StrataRingReader *ring, uint64_t since);

/* The next event, gap or change; never blocks, never sleeps. */
extern StrataRingStatus strata_ring_poll(StrataRingReader *ring, StrataRingItem *item);

/* How long a claimed slot may stay unwritten before it counts as lost (100 ms), and how long the heartbeat
 * may rest before the server counts as gone (5 s).  For tests and the impatient. */
extern void strata_ring_set_patience(StrataRingReader *ring, int64_t grace_us, int64_t stale_us);

extern const StrataRingInfo *strata_ring_info(const StrataRingReader *ring);
extern const char *strata_ring_path(const StrataRingReader *ring);

/* Descriptions by code (NULL: the segment has none), or all. */
extern const StrataRingEventInfo *strata_ring_event_info(const StrataRingReader *ring, uint16_t code);
extern const StrataRingFieldInfo *strata_ring_field_info(const StrataRingReader *ring, uint16_t code);
extern const StrataRingEventInfo *strata_ring_events(const StrataRingReader *ring, int *count);
extern const StrataRingCounterInfo *strata_ring_counters(const StrataRingReader *ring, int *count);

/* The values of all counters, in the order of strata_ring_counters.  False when they cannot be read. */
extern bool strata_ring_read_counters(StrataRingReader *ring, uint64_t *values);

/*
 * One event as a flat JSON object without a newline:
 *     {"event_type":"...","seq":1,"timestamp":"2026-01-31T12:00:00.000000Z","pid":1,"database":"...", fields}
 * Invalid UTF-8 becomes U+FFFD; a number that JSON cannot say is null.  Returns the length; `size` should be
 * STRATA_RING_JSON_MAX, and with less the text may be cut (returned length >= size).
 */
extern size_t strata_ring_event_json(const StrataRingReader *ring, const StrataRingEvent *event, char *out,
									 size_t size);
/* The gap or reset of an item in the same form: event_type gap {from_seq, to_seq, lost}, stream_reset
 * {epoch}. */
extern size_t strata_ring_item_json(StrataRingStatus status, const StrataRingItem *item, char *out,
									size_t size);

/* Writes `length` bytes of text as a JSON string with quotes, made valid UTF-8. */
extern size_t strata_ring_json_string(const char *text, size_t length, char *out, size_t size);
/* RFC 3339, UTC, microseconds; 27 characters and the NUL.  Other times become the nearest. */
#define STRATA_RING_TIME_MAX 28
extern void strata_ring_time_text(int64_t time_us, char out[STRATA_RING_TIME_MAX]);
/* 16 hexadecimal digits and the NUL. */
#define STRATA_RING_EPOCH_MAX 17
extern void strata_ring_epoch_text(uint64_t epoch, char out[STRATA_RING_EPOCH_MAX]);

#endif
