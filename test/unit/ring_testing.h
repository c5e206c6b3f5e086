/*
 * ring_testing.h - what the tests of the event ring have in common: a ring of their own, and the books.
 *
 * Included by: test/unit/ring_*_test.c and test/bench/ring_bench.c.  Plain C.
 * Memory: one ring a program at a time, removed at exit.  Locking: none.
 * Not here: assertions (tap.h).
 */
#ifndef STRATA_RING_TESTING_H
#define STRATA_RING_TESTING_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "abi/ring_reader.h"
#include "abi/ring_writer.h"

static char ring_path[64];
static StrataRing ring;
static pid_t ring_owner;

static inline void
drop_ring(void)
{
	if (getpid() == ring_owner)
		shm_unlink(ring_path);
}

/* A deadline, so that a reader that hangs is a failure; and a name that no other test has. */
static inline void
start_testing(int seconds)
{
	snprintf(ring_path, sizeof(ring_path), "/strata_ring_test.%ld", (long)getpid());
	ring_owner = getpid();
	atexit(drop_ring);
	alarm((unsigned)seconds);
}

static inline bool
make_ring(uint32_t slots, uint64_t epoch)
{
	StrataRingMaker maker = {.epoch = epoch,
							 .now_us = (int64_t)time(NULL) * 1000000,
							 .postmaster_pid = getpid(),
							 .server_version_num = 150000};

	return strata_ring_create(ring_path, slots, &maker, &ring);
}

static inline void
end_ring(void)
{
	strata_ring_destroy(ring_path, &ring);
}

/* An event whose text is `length` bytes that all depend on `number`, so that a torn one shows. */
static inline uint64_t
write_numbered(StrataLane lane, int64_t number, int length)
{
	static char database[STRATA_EVENT_DATABASE_MAX] __attribute__((aligned(8))) = "unit";
	char body[STRATA_EVENT_BODY_MAX] __attribute__((aligned(8)));
	char text[STRATA_EVENT_BODY_MAX];
	uint16_t used = 0;
	StrataRingRecord record = {
		.lane = lane, .type = STRATA_EV_TABLE_EVICTED, .pid = getpid(), .time_us = number};

	memset(text, 'a' + (int)(number % 26), sizeof(text));
	strata_body_append(body, &used, STRATA_F_ROWS_EVICTED, STRATA_FIELD_INT, &number, sizeof(number));
	strata_body_append(body, &used, STRATA_F_TABLE_NAME, STRATA_FIELD_TEXT, text, length);
	record.body = body;
	record.body_len = used;
	record.database = database;
	return strata_ring_write(&ring, &record);
}

/* The number of such an event; -1 when its parts do not agree. */
static inline int64_t
read_number(const StrataRingEvent *event)
{
	StrataFieldValue number, text;
	int at = 0;

	if (!strata_body_next(event->body, event->body_len, &at, &number) ||
		number.code != STRATA_F_ROWS_EVICTED || !strata_body_next(event->body, event->body_len, &at, &text) ||
		text.code != STRATA_F_TABLE_NAME || at != event->body_len || event->time_us != number.value.i ||
		strcmp(event->database, "unit") != 0)
		return -1;
	for (int i = 0; i < text.text_len; i++)
		if (text.text[i] != 'a' + (int)(number.value.i % 26))
			return -1;
	return number.value.i;
}

/* What a reader was given: every seq must come once, in order, as an event or inside a gap. */
typedef struct Books
{
	uint64_t next; /* the seq that must come now */
	uint64_t events;
	uint64_t lost;
	uint64_t gaps;
	uint64_t torn;
	uint64_t misplaced; /* not `next` */
	uint64_t resets;
} Books;

static inline void
enter(Books *books, StrataRingStatus status, const StrataRingItem *item)
{
	if (status == STRATA_RING_EVENT)
	{
		books->misplaced += item->event.seq != books->next;
		books->next = item->event.seq + 1;
		books->events++;
		books->torn += read_number(&item->event) < 0;
	}
	else if (status == STRATA_RING_GAP)
	{
		books->misplaced += item->gap.from_seq != books->next || item->gap.to_seq < item->gap.from_seq ||
							item->gap.lost != item->gap.to_seq - item->gap.from_seq + 1;
		books->next = item->gap.to_seq + 1;
		books->lost += item->gap.lost;
		books->gaps++;
	}
	else if (status == STRATA_RING_RESET)
	{
		books->next = 1;
		books->resets++;
	}
}

/* Polls until there is no more, and a little longer than the grace time when something is overdue. */
static inline StrataRingStatus
drain(StrataRingReader *reader, Books *books)
{
	StrataRingItem item;
	StrataRingStatus status;
	int quiet = 0;

	for (;;)
	{
		status = strata_ring_poll(reader, &item);
		enter(books, status, &item);
		if (status == STRATA_RING_GONE)
			return status;
		if (status == STRATA_RING_NOTHING)
		{
			if (strata_ring_info(reader)->last_seq + 1 == books->next || ++quiet > 200)
				return status;
			usleep(1000); /* poll */
		}
	}
}

static inline StrataRingReader *
open_reader(uint64_t since)
{
	StrataRingReader *reader = NULL;

	if (strata_ring_open(ring_path, &reader) != STRATA_RING_OK)
	{
		fprintf(stderr, "cannot open %s\n", ring_path);
		exit(1);
	}
	strata_ring_set_patience(reader, 20000, 5000000);
	strata_ring_start(reader, since);
	return reader;
}

#endif
