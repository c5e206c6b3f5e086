/*
 * ring_writer.c - making, describing and removing the shared segment.
 *
 * Runs in the postmaster before it has children, so nothing here is hot or concurrent; only readers may be
 * looking, and they wait for `magic`.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#endif

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/ring_writer.h"

/* A heartbeat (one a second) younger than this belongs to a server that lives. */
#define FRESH_HEARTBEAT_US 10000000

#define ALIGN_64(n)		(((n) + 63) & ~(size_t)63)
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The compiled-in tables as rows of the segment; a text that does not fit its row does not compile. */
#define FITS(Row, member, string)                                                                            \
	_Static_assert(sizeof(string) <= sizeof(((Row *)0)->member), "too long for the segment: " string);

#define COUNTER(code, NAME, the_name, kind, the_unit, the_text)                                              \
	FITS(StrataRingCounterText, name, the_name)                                                              \
	FITS(StrataRingCounterText, unit, the_unit)                                                              \
	FITS(StrataRingCounterText, text, the_text)
#include "abi/counters.def"
#undef COUNTER
#define EVENT(code, NAME, the_name, the_topic, lane, the_text, the_fields)                                   \
	FITS(StrataRingEventText, name, the_name)                                                                \
	FITS(StrataRingEventText, topic, the_topic)                                                              \
	FITS(StrataRingEventText, text, the_text)                                                                \
	FITS(StrataRingEventText, fields, the_fields)
#include "abi/events.def"
#undef EVENT
#define FIELD(code, NAME, the_name, type) FITS(StrataRingFieldText, name, the_name)
#include "abi/fields.def"
#undef FIELD

static const StrataRingCounterText counter_texts[] = {
#define COUNTER(code, NAME, name, kind, unit, text) {code, STRATA_KIND_##kind, name, unit, text},
#include "abi/counters.def"
#undef COUNTER
};

static const StrataRingEventText event_texts[] = {
#define EVENT(code, NAME, name, topic, lane, text, fields)                                                   \
	{code, STRATA_LANE_##lane, name, topic, text, fields},
#include "abi/events.def"
#undef EVENT
};

static const StrataRingFieldText field_texts[] = {
#define FIELD(code, NAME, name, type) {code, STRATA_FIELD_##type, name},
#include "abi/fields.def"
#undef FIELD
};

/* Where each part lies. */
typedef struct Plan
{
	StrataRingArea lanes[STRATA_LANE_COUNT];
	StrataRingArea counters;
	StrataRingArea counter_texts;
	StrataRingArea event_texts;
	StrataRingArea field_texts;
	size_t bytes;
} Plan;

static StrataRingArea
place(size_t *at, size_t count, size_t stride)
{
	StrataRingArea area = {*at, (uint32_t)count, (uint32_t)stride};

	*at = ALIGN_64(*at + count * stride);
	return area;
}

static Plan
make_plan(uint32_t lane_slots)
{
	Plan plan;

	plan.bytes = sizeof(StrataRingHeader);
	plan.counters = place(&plan.bytes, STRATA_C_COUNT, sizeof(StrataRingCounterValue));
	plan.counter_texts = place(&plan.bytes, COUNT_OF(counter_texts), sizeof(StrataRingCounterText));
	plan.event_texts = place(&plan.bytes, COUNT_OF(event_texts), sizeof(StrataRingEventText));
	plan.field_texts = place(&plan.bytes, COUNT_OF(field_texts), sizeof(StrataRingFieldText));
	for (int lane = 0; lane < STRATA_LANE_COUNT; lane++)
		plan.lanes[lane] = place(&plan.bytes, lane_slots, sizeof(StrataRingSlot));
	return plan;
}

uint32_t
strata_ring_lane_slots(size_t bytes)
{
	uint32_t slots = STRATA_RING_MIN_SLOTS;

	while (slots < STRATA_RING_MAX_SLOTS &&
		   (size_t)slots * 2 * STRATA_LANE_COUNT * sizeof(StrataRingSlot) <= bytes)
		slots *= 2;
	return slots;
}

size_t
strata_ring_bytes(uint32_t lane_slots)
{
	return make_plan(lane_slots).bytes;
}

/*
 * The claim that a slot of `position` would have if it were whole and of seq 0, before all events: a slot
 * that no event has used yet looks to a reader like one of the lap before the first.
 */
static uint64_t
claim_before_all(StrataLane lane, uint16_t position)
{
	uint16_t rare = lane == STRATA_LANE_RARE ? position : (uint16_t)-position;

	return (uint64_t)rare << STRATA_CLAIM_SEQ_BITS;
}

static void
format_lane(StrataRingSlot *slots, uint32_t count, StrataLane lane, uint16_t first)
{
	for (uint32_t i = 0; i < count; i++)
	{
		uint16_t position = (uint16_t)(first + i);
		StrataRingSlot *slot = &slots[position & (count - 1)];

		slot->claimed = slot->written = claim_before_all(lane, (uint16_t)(position - count));
	}
}

/* Where the parts of a segment are in this process. */
static void
attach(void *memory, const Plan *plan, StrataRing *ring)
{
	ring->head = memory;
	ring->bytes = plan->bytes;
	ring->counters = (StrataRingCounterValue *)((char *)memory + plan->counters.offset);
	for (int lane = 0; lane < STRATA_LANE_COUNT; lane++)
	{
		ring->lanes[lane] = (StrataRingSlot *)((char *)memory + plan->lanes[lane].offset);
		ring->masks[lane] = (uint16_t)(plan->lanes[lane].count - 1);
	}
}

void
strata_ring_format(void *memory, uint32_t lane_slots, const StrataRingMaker *maker, StrataRing *ring)
{
	Plan plan = make_plan(lane_slots);
	StrataRingHeader *head = memory;

	attach(memory, &plan, ring);
	head->layout_version = STRATA_RING_LAYOUT_VERSION;
	head->header_bytes = sizeof(*head);
	head->segment_bytes = plan.bytes;
	head->epoch = maker->epoch;
	head->created_us = maker->now_us;
	head->postmaster_pid = maker->postmaster_pid;
	head->server_version_num = maker->server_version_num;
	head->slot_bytes = sizeof(StrataRingSlot);
	head->body_max = STRATA_EVENT_BODY_MAX;
	memcpy(head->lanes, plan.lanes, sizeof(plan.lanes));
	head->counters = plan.counters;
	head->counter_texts = plan.counter_texts;
	head->event_texts = plan.event_texts;
	head->field_texts = plan.field_texts;
	memcpy((char *)memory + plan.counter_texts.offset, counter_texts, sizeof(counter_texts));
	memcpy((char *)memory + plan.event_texts.offset, event_texts, sizeof(event_texts));
	memcpy((char *)memory + plan.field_texts.offset, field_texts, sizeof(field_texts));

	head->claim = 1; /* the first event has seq 1 */
	for (int lane = 0; lane < STRATA_LANE_COUNT; lane++)
		format_lane(ring->lanes[lane], lane_slots, lane, strata_claim_position(head->claim, lane));
	strata_ring_beat(ring, maker->now_us);
	__atomic_store_n(&head->magic, STRATA_RING_MAGIC, __ATOMIC_RELEASE);
}

static int
open_segment(const char *path, int flags)
{
	if (strata_ring_is_file(path))
		return open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
	return shm_open(path, flags, 0640);
}

static int
unlink_segment(const char *path)
{
	return strata_ring_is_file(path) ? unlink(path) : shm_unlink(path);
}

/* Whether another server is writing to a ring with this header. */
static bool
is_served(const StrataRingHeader *head, const StrataRingMaker *maker)
{
	int64_t age = maker->now_us - head->heartbeat_us;

	return head->magic == STRATA_RING_MAGIC && head->closed == 0 && head->postmaster_pid > 0 &&
		   head->postmaster_pid != maker->postmaster_pid && age < FRESH_HEARTBEAT_US &&
		   age > -FRESH_HEARTBEAT_US && (kill(head->postmaster_pid, 0) == 0 || errno == EPERM);
}

/* Removes what a dead server left under our name, and tells those who still read it.  False and errno. */
static bool
remove_leftover(const char *path, const StrataRingMaker *maker)
{
	StrataRingHeader head;
	struct stat st;
	uint64_t yes = 1;
	ssize_t got;
	int fd = open_segment(path, O_RDWR);

	if (fd < 0)
		return errno == ENOENT;
	memset(&head, 0, sizeof(head));
	got = pread(fd, &head, sizeof(head), 0);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || got < 0 ||
		(head.magic != STRATA_RING_MAGIC && head.magic != 0))
	{
		close(fd);
		errno = EEXIST;
		return false;
	}
	if (is_served(&head, maker))
	{
		close(fd);
		errno = EBUSY;
		return false;
	}
	if (head.magic == STRATA_RING_MAGIC && got == (ssize_t)sizeof(head))
		got = pwrite(fd, &yes, sizeof(yes), offsetof(StrataRingHeader, closed));
	close(fd);
	return unlink_segment(path) == 0 || errno == ENOENT;
}

bool
strata_ring_create(const char *path, uint32_t lane_slots, const StrataRingMaker *maker, StrataRing *ring)
{
	size_t bytes = strata_ring_bytes(lane_slots);
	void *memory = MAP_FAILED;
	int fd;
	int error;

	memset(ring, 0, sizeof(*ring));
	if (!remove_leftover(path, maker))
		return false;
	fd = open_segment(path, O_RDWR | O_CREAT | O_EXCL);
	if (fd < 0)
		return false;
	/* The umask of a server is 0077; and memory that is not there now would be a SIGBUS later. */
	error = fchmod(fd, 0640) != 0 ? errno : 0;
	if (error == 0)
		do
			error = posix_fallocate(fd, 0, (off_t)bytes);
		while (error == EINTR);
	if (error == 0)
	{
		memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (memory == MAP_FAILED)
			error = errno;
	}
	close(fd);
	if (error != 0)
	{
		unlink_segment(path);
		errno = error;
		return false;
	}
	strata_ring_format(memory, lane_slots, maker, ring);
	return true;
}

bool
strata_ring_create_unnamed(uint32_t lane_slots, const StrataRingMaker *maker, StrataRing *ring)
{
	void *memory =
		mmap(NULL, strata_ring_bytes(lane_slots), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	memset(ring, 0, sizeof(*ring));
	if (memory == MAP_FAILED)
		return false;
	strata_ring_format(memory, lane_slots, maker, ring);
	return true;
}

void
strata_ring_destroy(const char *path, StrataRing *ring)
{
	if (!ring->head)
		return;
	__atomic_store_n(&ring->head->closed, 1, __ATOMIC_RELEASE);
	if (path)
		unlink_segment(path);
	munmap(ring->head, ring->bytes);
	memset(ring, 0, sizeof(*ring));
}
