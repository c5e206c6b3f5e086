/*
 * ring_reader.c - following the event ring of a server with pread() alone.
 *
 * The cursor is the claim word that we expect next (ring_layout.h, "Claims").  It names a slot in each lane;
 * the event lies in the one whose `claimed` and `written` are that very word.  If neither is, then the writer
 * is still at it (wait, for a grace time), or gave up, or the slot belongs to a later lap: then the cursor
 * moves to the first event after it that can be read, found by binary search in each lane, and the seqs
 * between are reported as a gap.
 *
 * A batch of slots is read three times: for `written`, for the bodies, and for `claimed`.  Only a slot that
 * showed the same claim in the first and the last look is whole, for its writer stores `claimed` before and
 * `written` after everything else.  The fences keep our looks in that order.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "abi/ring_layout.h"
#include "abi/ring_reader.h"

/* Slots of one look: 16 kB, so that the three looks stay in the L1 and L2 caches. */
#define WINDOW_SLOTS 32

/* A claimed slot is written some 50 ns later; a writer that lost the CPU inside needs some time slices. */
#define DEFAULT_GRACE_US 100000
/* The server beats once a second. */
#define DEFAULT_STALE_US 5000000
/* A server that is stale and whose process is not there needs less. */
#define DEAD_PID_STALE_US 2000000
/* How often to look for a new segment under our name while the old one is silent. */
#define REATTACH_EVERY_US 200000

/* Descriptions beyond this are not believed. */
#define MAX_TEXT_ROWS	1024
#define MAX_TEXT_STRIDE 4096

/* The latest look at a run of slots of one lane. */
typedef struct Window
{
	uint16_t first; /* position of slots[0] */
	int count;
	uint64_t written[WINDOW_SLOTS];		/* as of the first look */
	uint64_t claimed[WINDOW_SLOTS];		/* as of the last */
	StrataRingSlot slots[WINDOW_SLOTS]; /* as of the one between */
} Window;

/* The words of the header that change. */
typedef struct Live
{
	uint64_t claim;
	char pad[56];
	uint64_t heartbeat_count;
	int64_t heartbeat_us;
	uint64_t closed;
} Live;

_Static_assert(offsetof(Live, heartbeat_count) ==
				   offsetof(StrataRingHeader, heartbeat_count) - offsetof(StrataRingHeader, claim),
			   "Live is the end of the header");

struct StrataRingReader
{
	char *path;
	int fd; /* -1: lost, waiting for a new segment */
	StrataRingArea lanes[STRATA_LANE_COUNT];
	StrataRingArea counter_values;
	StrataRingInfo info;

	StrataRingEventInfo *events;
	StrataRingFieldInfo *fields;
	StrataRingCounterInfo *counters;
	int event_count;
	int field_count;
	int counter_count;

	uint64_t cursor; /* claim of the next event; of a cursor that is not `placed`, only the seq */
	bool placed;
	bool say_reset;					 /* the next poll tells the epoch */
	int64_t waiting_since_us;		 /* since when the event at the cursor is overdue; 0: it is not */
	uint64_t aim[STRATA_LANE_COUNT]; /* the event of a lane that lapped us from which we meant to go on */
	Window windows[STRATA_LANE_COUNT];

	int64_t grace_us;
	int64_t stale_us;
	int64_t alive_at_us; /* when claim or heartbeat last moved, by our clock */
	int64_t reattach_at_us;
	uint64_t seen_claim;
	uint64_t seen_heartbeat;
	const char *gone; /* why the server counts as gone; NULL: it does not */

	StrataRingSlot look[WINDOW_SLOTS]; /* scratch of the first and last look */
};

static int64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* Reads exactly `length` bytes; false with errno 0 when the file is too short. */
static bool
read_at(int fd, void *buffer, size_t length, uint64_t offset)
{
	char *out = buffer;

	while (length > 0)
	{
		ssize_t got = pread(fd, out, length, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
		{
			if (got == 0)
				errno = 0;
			return false;
		}
		out += got;
		offset += (uint64_t)got;
		length -= (size_t)got;
	}
	return true;
}

/* ---- opening ---- */

/* Whether an area of rows at least `row` bytes long lies in the segment after the header. */
static bool
area_is_sane(const StrataRingArea *area, const StrataRingHeader *head, size_t row, uint32_t max_rows)
{
	uint64_t bytes = (uint64_t)area->count * area->stride;

	return area->count <= max_rows && area->stride >= row && area->stride <= MAX_TEXT_STRIDE &&
		   area->stride % 8 == 0 && area->offset % 8 == 0 && area->offset >= head->header_bytes &&
		   area->offset <= head->segment_bytes && bytes <= head->segment_bytes - area->offset;
}

static bool
lane_is_sane(const StrataRingArea *lane, const StrataRingHeader *head)
{
	return area_is_sane(lane, head, sizeof(StrataRingSlot), STRATA_RING_MAX_SLOTS) &&
		   lane->stride == head->slot_bytes && lane->count >= STRATA_RING_MIN_SLOTS &&
		   (lane->count & (lane->count - 1)) == 0;
}

/* Reads the header and judges every field of it. */
static StrataRingStatus
read_header(int fd, StrataRingHeader *head)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return STRATA_RING_SYSTEM;
	if (!S_ISREG(st.st_mode))
		return STRATA_RING_CORRUPT;
	if (st.st_size == 0)
		return STRATA_RING_NOT_READY;
	/* `magic` is written last: see it first, then the rest. */
	if (!read_at(fd, &head->magic, sizeof(head->magic), 0))
		return errno ? STRATA_RING_SYSTEM : STRATA_RING_CORRUPT;
	if (head->magic == 0)
		return STRATA_RING_NOT_READY;
	if (head->magic != STRATA_RING_MAGIC)
		return STRATA_RING_CORRUPT;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (!read_at(fd, head, sizeof(*head), 0))
		return errno ? STRATA_RING_SYSTEM : STRATA_RING_CORRUPT;
	if (head->magic != STRATA_RING_MAGIC)
		return STRATA_RING_CORRUPT;
	if (head->layout_version != STRATA_RING_LAYOUT_VERSION)
		return STRATA_RING_VERSION;
	if (head->header_bytes < sizeof(*head) || head->slot_bytes != sizeof(StrataRingSlot) ||
		head->body_max != STRATA_EVENT_BODY_MAX || head->segment_bytes > (uint64_t)st.st_size ||
		head->header_bytes > head->segment_bytes)
		return STRATA_RING_CORRUPT;
	for (int lane = 0; lane < STRATA_LANE_COUNT; lane++)
		if (!lane_is_sane(&head->lanes[lane], head))
			return STRATA_RING_CORRUPT;
	if (!area_is_sane(&head->counters, head, sizeof(StrataRingCounterValue), MAX_TEXT_ROWS) ||
		!area_is_sane(&head->counter_texts, head, sizeof(StrataRingCounterText), MAX_TEXT_ROWS) ||
		!area_is_sane(&head->event_texts, head, sizeof(StrataRingEventText), MAX_TEXT_ROWS) ||
		!area_is_sane(&head->field_texts, head, sizeof(StrataRingFieldText), MAX_TEXT_ROWS))
		return STRATA_RING_CORRUPT;
	return STRATA_RING_OK;
}

/* Copies text up to its NUL or the size of the target, which always ends in NUL. */
static void
copy_text(char *to, size_t size, const char *from)
{
	size_t length = 0;

	while (length < size - 1 && from[length] != '\0')
		length++;
	memcpy(to, from, length);
	memset(to + length, 0, size - length);
}

/* The same for what is used as a key: other characters than [a-z0-9_] become '_'. */
static void
copy_name(char *to, size_t size, const char *from)
{
	copy_text(to, size, from);
	for (char *c = to; *c; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '_'))
			*c = '_';
}

/* Reads a table of descriptions as it lies there; malloc'ed, NULL when it cannot be had. */
static char *
read_area(int fd, const StrataRingArea *area)
{
	size_t bytes = (size_t)area->count * area->stride;
	char *rows = malloc(bytes ? bytes : 1);

	if (rows && !read_at(fd, rows, bytes, area->offset))
	{
		free(rows);
		rows = NULL;
	}
	return rows;
}

static bool
load_events(StrataRingReader *ring, int fd, const StrataRingArea *area)
{
	char *rows = read_area(fd, area);

	if (!rows)
		return false;
	ring->events = calloc(area->count ? area->count : 1, sizeof(*ring->events));
	for (uint32_t i = 0; ring->events && i < area->count; i++)
	{
		StrataRingEventText row;
		StrataRingEventInfo *info = &ring->events[i];

		memcpy(&row, rows + (size_t)i * area->stride, sizeof(row));
		info->code = row.code;
		info->lane = row.lane == STRATA_LANE_RARE ? STRATA_LANE_RARE : STRATA_LANE_CHATTER;
		copy_name(info->name, sizeof(info->name), row.name);
		copy_name(info->topic, sizeof(info->topic), row.topic);
		copy_text(info->text, sizeof(info->text), row.text);
		copy_text(info->fields, sizeof(info->fields), row.fields);
	}
	ring->event_count = (int)area->count;
	free(rows);
	return ring->events != NULL;
}

static bool
load_fields(StrataRingReader *ring, int fd, const StrataRingArea *area)
{
	char *rows = read_area(fd, area);

	if (!rows)
		return false;
	ring->fields = calloc(area->count ? area->count : 1, sizeof(*ring->fields));
	for (uint32_t i = 0; ring->fields && i < area->count; i++)
	{
		StrataRingFieldText row;

		memcpy(&row, rows + (size_t)i * area->stride, sizeof(row));
		ring->fields[i].code = row.code;
		ring->fields[i].type = (StrataFieldType)row.type;
		copy_name(ring->fields[i].name, sizeof(ring->fields[i].name), row.name);
	}
	ring->field_count = (int)area->count;
	free(rows);
	return ring->fields != NULL;
}

static bool
load_counters(StrataRingReader *ring, int fd, const StrataRingArea *area)
{
	char *rows = read_area(fd, area);

	if (!rows)
		return false;
	ring->counters = calloc(area->count ? area->count : 1, sizeof(*ring->counters));
	for (uint32_t i = 0; ring->counters && i < area->count; i++)
	{
		StrataRingCounterText row;
		StrataRingCounterInfo *info = &ring->counters[i];

		memcpy(&row, rows + (size_t)i * area->stride, sizeof(row));
		info->code = row.code;
		info->kind = row.kind == STRATA_KIND_GAUGE ? STRATA_KIND_GAUGE : STRATA_KIND_COUNTER;
		copy_name(info->name, sizeof(info->name), row.name);
		copy_text(info->unit, sizeof(info->unit), row.unit);
		copy_text(info->text, sizeof(info->text), row.text);
	}
	ring->counter_count = (int)area->count;
	free(rows);
	return ring->counters != NULL;
}

static void
forget_segment(StrataRingReader *ring)
{
	if (ring->fd >= 0)
		close(ring->fd);
	ring->fd = -1;
	free(ring->events);
	free(ring->fields);
	free(ring->counters);
	ring->events = NULL;
	ring->fields = NULL;
	ring->counters = NULL;
	ring->event_count = ring->field_count = ring->counter_count = 0;
}

/* Takes what changes in the segment into info, and notes signs of life. */
static void
take_live(StrataRingReader *ring, const Live *live, int64_t now)
{
	if (live->claim != ring->seen_claim || live->heartbeat_count != ring->seen_heartbeat)
	{
		ring->seen_claim = live->claim;
		ring->seen_heartbeat = live->heartbeat_count;
		ring->alive_at_us = now;
		ring->gone = NULL;
	}
	ring->info.heartbeat_count = live->heartbeat_count;
	ring->info.heartbeat_us = live->heartbeat_us;
	ring->info.closed = live->closed != 0;
	ring->info.last_seq = strata_claim_seq(live->claim - 1);
}

/* Puts the cursor after seq `since`; the first poll finds the place. */
static void
place_after(StrataRingReader *ring, uint64_t since)
{
	ring->cursor = since + 1;
	ring->placed = false;
	ring->waiting_since_us = 0;
	for (int lane = 0; lane < STRATA_LANE_COUNT; lane++)
	{
		ring->windows[lane].count = 0;
		ring->aim[lane] = 0;
	}
}

/* Makes `fd`, which has a good header, the segment of this reader. */
static StrataRingStatus
adopt_segment(StrataRingReader *ring, int fd, const StrataRingHeader *head)
{
	Live live;

	forget_segment(ring);
	if (!load_events(ring, fd, &head->event_texts) || !load_fields(ring, fd, &head->field_texts) ||
		!load_counters(ring, fd, &head->counter_texts))
	{
		forget_segment(ring);
		return errno ? STRATA_RING_SYSTEM : STRATA_RING_CORRUPT;
	}
	ring->fd = fd;
	memcpy(ring->lanes, head->lanes, sizeof(ring->lanes));
	ring->counter_values = head->counters;
	ring->info = (StrataRingInfo){
		.epoch = head->epoch,
		.layout_version = head->layout_version,
		.postmaster_pid = head->postmaster_pid,
		.server_version_num = head->server_version_num,
		.segment_bytes = head->segment_bytes,
		.slot_bytes = head->slot_bytes,
		.slots = {head->lanes[STRATA_LANE_RARE].count, head->lanes[STRATA_LANE_CHATTER].count},
		.created_us = head->created_us,
	};
	ring->gone = NULL;
	ring->alive_at_us = now_us();
	memcpy(&live, &head->claim, sizeof(live));
	take_live(ring, &live, ring->alive_at_us);
	place_after(ring, 0);
	return STRATA_RING_OK;
}

/* Opens and checks what is at the path now. */
static StrataRingStatus
open_segment(const char *path, int *fd, StrataRingHeader *head)
{
	StrataRingStatus status;

	*fd = strata_ring_is_file(path) ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
									: shm_open(path, O_RDONLY, 0);
	if (*fd < 0)
		switch (errno)
		{
			case ENOENT:
			case ENOTDIR:
			case EINVAL:
			case ENAMETOOLONG:
				return STRATA_RING_MISSING;
			case EACCES:
			case EPERM:
				return STRATA_RING_DENIED;
			default:
				return STRATA_RING_SYSTEM;
		}
	status = read_header(*fd, head);
	if (status != STRATA_RING_OK)
	{
		int saved = errno;

		close(*fd);
		*fd = -1;
		errno = saved;
	}
	return status;
}

StrataRingStatus
strata_ring_open(const char *path, StrataRingReader **out)
{
	StrataRingReader *ring;
	StrataRingHeader head;
	StrataRingStatus status;
	int fd;

	*out = NULL;
	status = open_segment(path, &fd, &head);
	if (status != STRATA_RING_OK)
		return status;
	ring = calloc(1, sizeof(*ring));
	if (ring)
	{
		ring->fd = -1;
		ring->grace_us = DEFAULT_GRACE_US;
		ring->stale_us = DEFAULT_STALE_US;
		ring->path = strdup(path);
	}
	if (!ring || !ring->path)
		status = STRATA_RING_SYSTEM;
	else
		status = adopt_segment(ring, fd, &head);
	if (status != STRATA_RING_OK)
	{
		int saved = errno;

		close(fd);
		strata_ring_close(ring);
		errno = saved;
		return status;
	}
	*out = ring;
	return STRATA_RING_OK;
}

void
strata_ring_close(StrataRingReader *ring)
{
	if (!ring)
		return;
	forget_segment(ring);
	free(ring->path);
	free(ring);
}

const char *
strata_ring_status_text(StrataRingStatus status)
{
	switch (status)
	{
		case STRATA_RING_OK:
			return "the event ring is open";
		case STRATA_RING_MISSING:
			return "there is no event ring of this name";
		case STRATA_RING_DENIED:
			return "no permission to read the event ring";
		case STRATA_RING_NOT_READY:
			return "the event ring is being made";
		case STRATA_RING_CORRUPT:
			return "this is not an event ring, or it is damaged";
		case STRATA_RING_VERSION:
			return "the event ring has a layout of another version";
		case STRATA_RING_SYSTEM:
			return "the event ring cannot be read";
		case STRATA_RING_EVENT:
			return "an event";
		case STRATA_RING_NOTHING:
			return "no news";
		case STRATA_RING_GAP:
			return "events were lost";
		case STRATA_RING_RESET:
			return "the server made a new event ring";
		case STRATA_RING_GONE:
			return "the server is gone";
	}
	return "unknown status";
}

/* ---- reading slots ---- */

static bool
read_live(StrataRingReader *ring, Live *live)
{
	if (!read_at(ring->fd, live, sizeof(*live), offsetof(StrataRingHeader, claim)))
		return false;
	take_live(ring, live, now_us());
	/* Everything that was written before this claim word is seen from here on. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return true;
}

static uint64_t
slot_offset(const StrataRingReader *ring, StrataLane lane, uint16_t position)
{
	const StrataRingArea *area = &ring->lanes[lane];

	return area->offset + (uint64_t)(position & (area->count - 1)) * sizeof(StrataRingSlot);
}

/* Looks at the lane from the cursor on, as far as events may lie there. */
static bool
fill_window(StrataRingReader *ring, StrataLane lane, uint64_t head)
{
	Window *w = &ring->windows[lane];
	uint64_t ahead = strata_claim_seq(head) - strata_claim_seq(ring->cursor);
	uint16_t first = strata_claim_position(ring->cursor, lane);
	uint32_t slots = ring->lanes[lane].count;
	uint32_t count = WINDOW_SLOTS;
	uint64_t offset = slot_offset(ring, lane, first);

	/* Beyond 2^16 events the distance along one lane is not known; a full window is right then. */
	if (ahead <= UINT16_MAX)
	{
		uint16_t distance = (uint16_t)(strata_claim_position(head, lane) - first);

		if (distance < count)
			count = distance;
	}
	if (count > slots - (first & (slots - 1)))
		count = slots - (first & (slots - 1));
	w->first = first;
	w->count = 0;
	if (count == 0)
		return true;

	if (!read_at(ring->fd, ring->look, count * sizeof(StrataRingSlot), offset))
		return false;
	for (uint32_t i = 0; i < count; i++)
		w->written[i] = ring->look[i].written;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (!read_at(ring->fd, w->slots, count * sizeof(StrataRingSlot), offset))
		return false;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (!read_at(ring->fd, ring->look, count * sizeof(StrataRingSlot), offset))
		return false;
	for (uint32_t i = 0; i < count; i++)
		w->claimed[i] = ring->look[i].claimed;
	w->count = (int)count;
	return true;
}

/* Copies the event at the cursor into *event if a window holds it whole, and moves on. */
static bool
take_event(StrataRingReader *ring, StrataRingEvent *event)
{
	for (int lane = 0; lane < STRATA_LANE_COUNT; lane++)
	{
		Window *w = &ring->windows[lane];
		uint16_t i = (uint16_t)(strata_claim_position(ring->cursor, lane) - w->first);
		const StrataRingSlot *slot;

		if (i >= w->count || w->written[i] != ring->cursor || w->claimed[i] != ring->cursor)
			continue;
		slot = &w->slots[i];
		event->seq = strata_claim_seq(ring->cursor);
		event->time_us = slot->time_us;
		event->pid = slot->pid;
		event->type = slot->type;
		/* No writer of ours stores more; an event of another one keeps its head. */
		event->body_len = slot->body_len <= STRATA_EVENT_BODY_MAX ? slot->body_len : 0;
		copy_text(event->database, sizeof(event->database), slot->database);
		memcpy(event->body, slot->body, event->body_len);
		ring->cursor += strata_claim_step(lane);
		ring->waiting_since_us = 0;
		return true;
	}
	return false;
}

/* What the slots at the cursor say about an event that is not there. */
typedef struct Overdue
{
	bool lapped[STRATA_LANE_COUNT]; /* a later event has the slot */
	bool in_flight;					/* its writer is at it */
} Overdue;

static Overdue
judge_overdue(const StrataRingReader *ring)
{
	Overdue result = {{false, false}, false};

	for (int lane = 0; lane < STRATA_LANE_COUNT; lane++)
	{
		const Window *w = &ring->windows[lane];
		uint16_t i = (uint16_t)(strata_claim_position(ring->cursor, lane) - w->first);

		if (i >= w->count)
			continue;
		/* A later event at the same position only tells that ours is of the other lane. */
		if (w->claimed[i] == ring->cursor)
			result.in_flight = true;
		else if (strata_claim_seq(w->claimed[i]) > strata_claim_seq(ring->cursor) &&
				 strata_claim_position(w->claimed[i], lane) != strata_claim_position(ring->cursor, lane))
			result.lapped[lane] = true;
	}
	return result;
}

/* The two words of one slot. */
typedef struct SlotWords
{
	uint64_t claimed;
	uint64_t written;
} SlotWords;

/*
 * The claim of the first whole event of the lane with a seq of at least `seq`; 0 when there is none.
 * Seqs rise along the positions head-count .. head-1, except for slots that are being written or were given
 * up; a probe that meets such a slot takes the next one.  (A slot that no event has used yet has seq 0 and
 * the position of the lap before the first: ring_writer.c.)  With `leap` the older half is left alone:
 * its events are overwritten before we come to read them.  Every loop ends whatever the slots hold.
 */
static bool
seek_lane(StrataRingReader *ring, StrataLane lane, uint64_t head, uint64_t seq, bool leap, uint64_t *found)
{
	uint32_t slots = ring->lanes[lane].count;
	uint16_t oldest = (uint16_t)(strata_claim_position(head, lane) - slots);
	uint32_t low = leap ? slots / 2 : 0;
	uint32_t high = slots;

	*found = 0;
	while (low < high)
	{
		uint32_t middle = low + (high - low) / 2;
		uint32_t probe;
		SlotWords words;

		for (probe = middle; probe < high; probe++)
		{
			uint16_t position = (uint16_t)(oldest + probe);

			if (!read_at(ring->fd, &words, sizeof(words), slot_offset(ring, lane, position)))
				return false;
			if (words.claimed == words.written && strata_claim_position(words.claimed, lane) == position)
				break;
		}
		if (probe == high)
			high = middle;
		else if (strata_claim_seq(words.claimed) < seq)
			low = probe + 1;
		else
		{
			*found = words.claimed;
			high = middle;
		}
	}
	return true;
}

/* ---- the server's life ---- */

static StrataRingStatus
say_gone(StrataRingReader *ring, StrataRingItem *item, const char *reason)
{
	ring->gone = reason;
	item->reason = reason;
	return STRATA_RING_GONE;
}

/* The segment that we have is of no more use, or silent: RESET when there is a new one under its name. */
static StrataRingStatus
look_for_successor(StrataRingReader *ring, StrataRingItem *item, const char *reason)
{
	int64_t now = now_us();
	StrataRingHeader head;
	int fd;

	if (ring->gone && now - ring->reattach_at_us < REATTACH_EVERY_US)
		return say_gone(ring, item, reason);
	ring->reattach_at_us = now;
	if (open_segment(ring->path, &fd, &head) != STRATA_RING_OK)
		return say_gone(ring, item, reason);
	if (head.epoch == ring->info.epoch || adopt_segment(ring, fd, &head) != STRATA_RING_OK)
	{
		close(fd);
		return say_gone(ring, item, reason);
	}
	item->epoch = ring->info.epoch;
	return STRATA_RING_RESET;
}

/* There is no news: is anybody there to make some? */
static StrataRingStatus
check_alive(StrataRingReader *ring, StrataRingItem *item)
{
	int64_t silent = now_us() - ring->alive_at_us;

	if (ring->info.closed)
		return look_for_successor(ring, item, "the server has shut down");
	if (silent > ring->stale_us)
		return look_for_successor(ring, item, "the server's heartbeat has stopped");
	/* In another pid namespace the postmaster has another number; then the heartbeat alone tells. */
	if (silent > DEAD_PID_STALE_US && ring->info.postmaster_pid > 0 &&
		kill(ring->info.postmaster_pid, 0) != 0 && errno == ESRCH)
		return look_for_successor(ring, item, "the postmaster is dead");
	return STRATA_RING_NOTHING;
}

/* Reading failed: the file is shorter than its header said, or worse. */
static StrataRingStatus
segment_failed(StrataRingReader *ring, StrataRingItem *item)
{
	ring->info.closed = true;
	if (ring->fd >= 0)
		close(ring->fd);
	ring->fd = -1;
	return look_for_successor(ring, item, "the event ring was truncated");
}

/* ---- polling ---- */

static StrataRingStatus
report_gap(StrataRingReader *ring, StrataRingItem *item, uint64_t next_claim)
{
	item->gap.from_seq = strata_claim_seq(ring->cursor);
	item->gap.to_seq = strata_claim_seq(next_claim) - 1;
	item->gap.lost = item->gap.to_seq - item->gap.from_seq + 1;
	ring->cursor = next_claim;
	ring->placed = true;
	ring->waiting_since_us = 0;
	return STRATA_RING_GAP;
}

/* Whether an overdue event has been waited for long enough. */
static bool
grace_is_over(StrataRingReader *ring)
{
	int64_t now = now_us();

	if (ring->waiting_since_us == 0)
		ring->waiting_since_us = now;
	return now - ring->waiting_since_us >= ring->grace_us;
}

/*
 * The event at the cursor was claimed and is not there, or the cursor is not placed yet.  Waits while the
 * event may still come; otherwise moves the cursor to the next one that can be read.
 * OK: nothing was passed over, the cursor is at a whole event.
 */
static StrataRingStatus
pass_over(StrataRingReader *ring, StrataRingItem *item, uint64_t head)
{
	uint64_t seq = strata_claim_seq(ring->cursor);
	uint64_t ahead = strata_claim_seq(head) - seq;
	Overdue overdue = {{false, false}, false};
	uint64_t next = 0;
	bool may_come;

	if (ring->placed)
	{
		overdue = judge_overdue(ring);
		may_come =
			overdue.in_flight || !(overdue.lapped[STRATA_LANE_RARE] || overdue.lapped[STRATA_LANE_CHATTER]);
	}
	else
		may_come =
			ahead < ring->lanes[STRATA_LANE_RARE].count && ahead < ring->lanes[STRATA_LANE_CHATTER].count;
	if (ring->info.closed)
		may_come = false;

	if (ring->placed && may_come && !grace_is_over(ring))
		return STRATA_RING_NOTHING;
	for (int lane = 0; lane < STRATA_LANE_COUNT; lane++)
	{
		uint64_t found;

		if (!seek_lane(ring, lane, head, seq, false, &found))
			return segment_failed(ring, item);
		if (overdue.lapped[lane])
		{
			/* We aim at the oldest event; when that has been overwritten before we came, further ahead. */
			if (strata_claim_seq(ring->aim[lane]) >= seq && found != ring->aim[lane] &&
				!seek_lane(ring, lane, head, seq, true, &found))
				return segment_failed(ring, item);
			ring->aim[lane] = found;
		}
		if (found != 0 && (next == 0 || strata_claim_seq(found) < strata_claim_seq(next)))
			next = found;
	}
	if (next != 0 && strata_claim_seq(next) == seq)
	{
		ring->cursor = next;
		ring->placed = true;
		return STRATA_RING_OK;
	}
	if (may_come && !grace_is_over(ring))
		return STRATA_RING_NOTHING;
	if (next != 0)
		return report_gap(ring, item, next);
	/* Nothing after it either; and of a closed ring nothing more will come. */
	if (ring->info.closed)
		return report_gap(ring, item, head);
	return check_alive(ring, item);
}

/* The claim word may be torn in our copy; looking again tells that from a ring that runs backwards. */
static bool
read_head(StrataRingReader *ring, Live *live)
{
	for (int attempt = 0; attempt < 3; attempt++)
	{
		if (!read_live(ring, live))
			return false;
		if (strata_claim_seq(live->claim) >= strata_claim_seq(ring->cursor))
			return true;
	}
	return false;
}

StrataRingStatus
strata_ring_poll(StrataRingReader *ring, StrataRingItem *item)
{
	if (ring->say_reset)
	{
		ring->say_reset = false;
		item->epoch = ring->info.epoch;
		return STRATA_RING_RESET;
	}
	if (ring->fd < 0)
		return look_for_successor(ring, item, ring->gone);

	/* A second round after the cursor was placed; hostile slots may want more, and do not get it. */
	for (int round = 0; round < 2; round++)
	{
		StrataRingStatus status;
		Live live;

		if (ring->placed && take_event(ring, &item->event))
			return STRATA_RING_EVENT;
		if (!read_head(ring, &live))
			return segment_failed(ring, item);
		if (strata_claim_seq(live.claim) == strata_claim_seq(ring->cursor))
		{
			if (!ring->placed)
				ring->cursor = live.claim;
			ring->placed = true;
			return check_alive(ring, item);
		}
		if (ring->placed)
		{
			for (int lane = 0; lane < STRATA_LANE_COUNT; lane++)
				if (!fill_window(ring, lane, live.claim))
					return segment_failed(ring, item);
			if (take_event(ring, &item->event))
				return STRATA_RING_EVENT;
		}
		status = pass_over(ring, item, live.claim);
		if (status != STRATA_RING_OK)
			return status;
	}
	return STRATA_RING_NOTHING;
}

void
strata_ring_start(StrataRingReader *ring, uint64_t since)
{
	Live live;

	ring->say_reset = false;
	place_after(ring, 0);
	if (ring->fd < 0 || !read_live(ring, &live))
		return;
	if (since == STRATA_RING_NOW)
		since = strata_claim_seq(live.claim) - 1;
	if (since >= strata_claim_seq(live.claim))
		ring->say_reset = true;
	else
		place_after(ring, since);
}

void
strata_ring_set_patience(StrataRingReader *ring, int64_t grace_us, int64_t stale_us)
{
	ring->grace_us = grace_us;
	ring->stale_us = stale_us;
}

/* ---- what the segment says of itself ---- */

const StrataRingInfo *
strata_ring_info(const StrataRingReader *ring)
{
	return &ring->info;
}

const char *
strata_ring_path(const StrataRingReader *ring)
{
	return ring->path;
}

const StrataRingEventInfo *
strata_ring_event_info(const StrataRingReader *ring, uint16_t code)
{
	for (int i = 0; i < ring->event_count; i++)
		if (ring->events[i].code == code)
			return &ring->events[i];
	return NULL;
}

const StrataRingFieldInfo *
strata_ring_field_info(const StrataRingReader *ring, uint16_t code)
{
	for (int i = 0; i < ring->field_count; i++)
		if (ring->fields[i].code == code)
			return &ring->fields[i];
	return NULL;
}

const StrataRingEventInfo *
strata_ring_events(const StrataRingReader *ring, int *count)
{
	*count = ring->event_count;
	return ring->events;
}

const StrataRingCounterInfo *
strata_ring_counters(const StrataRingReader *ring, int *count)
{
	*count = ring->counter_count;
	return ring->counters;
}

bool
strata_ring_read_counters(StrataRingReader *ring, uint64_t *values)
{
	for (int i = 0; i < ring->counter_count; i++)
	{
		uint32_t code = ring->counters[i].code;

		if (ring->fd < 0 || code >= ring->counter_values.count ||
			!read_at(ring->fd, &values[i], sizeof(values[i]),
					 ring->counter_values.offset + (uint64_t)code * ring->counter_values.stride))
			return false;
	}
	return true;
}
