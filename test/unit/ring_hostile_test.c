/*
 * ring_hostile_test.c - the reader against segments that lie: damaged headers, truncated files, random slots.
 *
 * The reader must answer, end, and stay inside its memory; ASan and valgrind watch the last (make asan).
 */
#include "ring_testing.h"
#include "tap.h"

#define SLOTS 64

static uint64_t random_state = 20260131;

/* xorshift64*, so that a failure can be repeated. */
static uint64_t
random_word(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * UINT64_C(2685821657736338717);
}

/*
 * Uses a reader in every way for a bounded number of polls.  Seqs must rise, whatever the segment says, and
 * JSON must fit its buffer.  Returns whether that held.
 */
static bool
exercise(StrataRingReader *reader, int polls)
{
	static char line[STRATA_RING_JSON_MAX];
	static uint64_t values[2048];
	StrataRingItem item;
	StrataFieldValue field;
	uint64_t next = 0;
	bool right = true;
	int idle = 0;

	strata_ring_set_patience(reader, 0, 5000000);
	for (int i = 0; i < polls && idle < 3; i++)
	{
		StrataRingStatus status = strata_ring_poll(reader, &item);
		int at = 0;

		idle = status == STRATA_RING_NOTHING ? idle + 1 : 0;

		if (status == STRATA_RING_EVENT)
		{
			right = right && item.event.seq >= next && item.event.body_len <= STRATA_EVENT_BODY_MAX &&
					memchr(item.event.database, 0, sizeof(item.event.database)) != NULL;
			next = item.event.seq + 1;
			while (strata_body_next(item.event.body, item.event.body_len, &at, &field))
				right = right && at <= item.event.body_len;
			right = right && strata_ring_event_json(reader, &item.event, line, sizeof(line)) < sizeof(line);
		}
		else if (status == STRATA_RING_GAP)
		{
			right = right && item.gap.from_seq >= next && item.gap.to_seq >= item.gap.from_seq;
			next = item.gap.to_seq + 1;
		}
		else if (status == STRATA_RING_RESET)
			next = 0;
		else if (status == STRATA_RING_GONE)
			break;
	}
	strata_ring_read_counters(reader, values);
	strata_ring_start(reader, random_word() % 200);
	return right;
}

/* Opens what is there now and uses it; whether nothing went wrong. */
static bool
open_and_exercise(StrataRingStatus *status)
{
	StrataRingReader *reader;
	bool right = true;

	*status = strata_ring_open(ring_path, &reader);
	if (*status == STRATA_RING_OK)
	{
		right = exercise(reader, 400);
		strata_ring_close(reader);
	}
	else
		right = reader == NULL;
	return right;
}

static void
fill_ring(int events)
{
	for (int i = 1; i <= events; i++)
		write_numbered(i % 4 == 0, i, (int)(random_word() % 300));
}

static void
test_refusals(void)
{
	StrataRingReader *reader;
	int fd;
	char path[] = "/tmp/strata_ring_test.XXXXXX";

	is_int(strata_ring_open("/strata_no_such_ring", &reader), STRATA_RING_MISSING, "no segment");
	is_int(strata_ring_open("", &reader), STRATA_RING_MISSING, "no name");
	is_int(strata_ring_open("/tmp/no/such/file", &reader), STRATA_RING_MISSING, "no file");
	is_int(strata_ring_open("/dev/zero", &reader), STRATA_RING_CORRUPT, "a device");
	is_int(strata_ring_open("/tmp/", &reader), STRATA_RING_CORRUPT, "a directory");
	fd = mkstemp(path);
	is_int(strata_ring_open(path, &reader), STRATA_RING_NOT_READY, "an empty file");
	ok(ftruncate(fd, 4096) == 0, "truncate");
	is_int(strata_ring_open(path, &reader), STRATA_RING_NOT_READY, "a file without a magic yet");
	ok(pwrite(fd, "garbage!", 8, 0) == 8, "write");
	is_int(strata_ring_open(path, &reader), STRATA_RING_CORRUPT, "another file");
	if (geteuid() != 0)
	{
		fchmod(fd, 0);
		is_int(strata_ring_open(path, &reader), STRATA_RING_DENIED, "a file of someone else");
	}
	else
		tap_skip(1, "root may read everything");
	close(fd);
	unlink(path);

	make_ring(SLOTS, 1);
	ring.head->layout_version++;
	is_int(strata_ring_open(ring_path, &reader), STRATA_RING_VERSION, "a newer layout");
	ring.head->layout_version = 0;
	is_int(strata_ring_open(ring_path, &reader), STRATA_RING_VERSION, "an older layout");
	ring.head->layout_version = STRATA_RING_LAYOUT_VERSION;
	is_int(strata_ring_open(ring_path, &reader), STRATA_RING_OK, "our layout");
	strata_ring_close(reader);
	end_ring();
}

/* A reader of today, a writer of tomorrow: more events, fields and counters, and longer rows for them. */
static void
test_newer_tables(void)
{
	StrataRingReader *reader;
	StrataRingItem item;
	char line[STRATA_RING_JSON_MAX];
	StrataRingEventText *events;
	static char database[STRATA_EVENT_DATABASE_MAX] __attribute__((aligned(8)));
	static char body[8] __attribute__((aligned(8)));
	StrataRingRecord record = {.lane = STRATA_LANE_RARE, .type = 777, .database = database, .body = body};

	make_ring(SLOTS, 1);
	events = (StrataRingEventText *)((char *)ring.head + ring.head->event_texts.offset);
	events[0].code = 777;
	strcpy(events[0].name, "from_the_future");
	strata_ring_write(&ring, &record);
	reader = open_reader(0);
	strata_ring_poll(reader, &item);
	strata_ring_event_json(reader, &item.event, line, sizeof(line));
	ok(strstr(line, "\"event_type\":\"from_the_future\"") != NULL,
	   "an event that we do not know has its name from the segment");
	strata_ring_close(reader);

	strcpy(events[0].name, "evil\",\"x\":\"");
	reader = open_reader(0);
	strata_ring_poll(reader, &item);
	strata_ring_event_json(reader, &item.event, line, sizeof(line));
	ok(strstr(line, "\"event_type\":\"evil___x___\"") != NULL, "but no name breaks out of JSON");
	strata_ring_close(reader);

	memset(events[0].name, 'n', sizeof(events[0].name));
	memset(events[0].topic, 't', sizeof(events[0].topic));
	reader = open_reader(0);
	is_int(strlen(strata_ring_event_info(reader, 777)->name), sizeof(events[0].name) - 1,
		   "a name without an end is cut");
	strata_ring_close(reader);
	end_ring();
}

/* Every byte of the header, three ways wrong each. */
static void
test_header_bytes(void)
{
	unsigned char *head;
	int wrong = 0, opened = 0, refused = 0;

	make_ring(SLOTS, 1);
	fill_ring(150);
	head = (unsigned char *)ring.head;
	for (size_t i = 0; i < sizeof(StrataRingHeader); i++)
	{
		unsigned char good = head[i];
		unsigned char bad[] = {0, 0xff, good ^ 0x40, good + 1, good - 1};
		StrataRingStatus status;

		for (size_t k = 0; k < sizeof(bad); k++)
		{
			head[i] = bad[k];
			wrong += !open_and_exercise(&status);
			opened += status == STRATA_RING_OK;
			refused += status != STRATA_RING_OK;
		}
		head[i] = good;
	}
	is_int(wrong, 0, "each byte of the header damaged: an answer, no harm");
	ok(opened > 0 && refused > 300, "%d refused, %d opened", refused, opened);
	end_ring();
}

/* Whole words of the header, random and near the limits. */
static void
test_header_words(void)
{
	static const uint64_t odd[] = {
		0,			1,			63,			64,		   511, 512, INT64_MAX, UINT64_MAX, UINT64_MAX - 63,
		UINT32_MAX, 1ull << 47, 1ull << 48, 1ull << 32};
	StrataRingHeader good;
	int wrong = 0;

	make_ring(SLOTS, 1);
	fill_ring(150);
	good = *ring.head;
	for (size_t i = 0; i < sizeof(good) / 8; i++)
		for (size_t k = 0; k < 40; k++)
		{
			StrataRingStatus status;

			((uint64_t *)ring.head)[i] = k < sizeof(odd) / sizeof(odd[0]) ? odd[k] : random_word();
			wrong += !open_and_exercise(&status);
			memcpy(ring.head, &good, sizeof(good));
		}
	is_int(wrong, 0, "each word of the header replaced: an answer, no harm");
	end_ring();
}

static void
test_truncated(void)
{
	size_t full;
	int wrong = 0, fd, refused = 0;
	StrataRingStatus status;
	StrataRingReader *reader;
	StrataRingItem item;

	make_ring(SLOTS, 1);
	full = ring.bytes;
	end_ring();
	for (size_t length = 0; length < full; length += length < 512 ? 7 : 1021)
	{
		make_ring(SLOTS, 1);
		fd = shm_open(ring_path, O_RDWR, 0);
		wrong += ftruncate(fd, (off_t)length) != 0;
		close(fd);
		wrong += !open_and_exercise(&status);
		refused += status != STRATA_RING_OK;
		wrong += status == STRATA_RING_OK;
		munmap(ring.head, ring.bytes);
		shm_unlink(ring_path);
	}
	is_int(wrong, 0, "a truncated segment is refused at every length (%d)", refused);

	/* And while it is being read: a mapping would get a SIGBUS here. */
	for (size_t length = 0; length < full; length += 9001)
	{
		make_ring(SLOTS, 1);
		fill_ring(100);
		reader = open_reader(0);
		strata_ring_poll(reader, &item);
		fd = shm_open(ring_path, O_RDWR, 0);
		wrong += ftruncate(fd, (off_t)length) != 0;
		close(fd);
		for (int i = 0; i < 300; i++)
			status = strata_ring_poll(reader, &item);
		wrong += length < sizeof(StrataRingHeader) && status != STRATA_RING_GONE;
		munmap(ring.head, ring.bytes);
		shm_unlink(ring_path);
		make_ring(SLOTS, 2);
		usleep(210000); /* outlasts the interval between looks for a new ring */
		for (int i = 0; i < 300 && status != STRATA_RING_RESET; i++)
		{
			if (strata_ring_info(reader)->closed == 0)
				break;
			status = strata_ring_poll(reader, &item);
		}
		wrong += strata_ring_info(reader)->closed && status != STRATA_RING_RESET;
		strata_ring_close(reader);
		end_ring();
	}
	is_int(wrong, 0, "truncated while it is read: the server is gone, until there is a new ring");
}

/* Slots and claim words that no writer of ours would make, changing while we read. */
static void
test_random_slots(void)
{
	int wrong = 0;
	StrataRingStatus status;

	make_ring(SLOTS, 1);
	for (int round = 0; round < 1000; round++)
	{
		StrataRingSlot *slots = ring.lanes[random_word() % 2];
		int kind = (int)(random_word() % 4);

		ring.head->claim = kind == 0 ? random_word() : (random_word() % 500) | (random_word() % 500) << 48;
		for (int i = 0; i < SLOTS; i++)
		{
			uint64_t *words = (uint64_t *)&slots[i];

			if (kind == 1)
				for (size_t k = 0; k < sizeof(*slots) / 8; k++)
					words[k] = random_word();
			slots[i].claimed = (random_word() % 500) | (random_word() % 500) << 48;
			slots[i].written = random_word() % 3 ? slots[i].claimed : random_word();
			slots[i].body_len = (uint16_t)random_word();
		}
		wrong += !open_and_exercise(&status) || status != STRATA_RING_OK;
	}
	is_int(wrong, 0, "random slots: an answer, seqs rise, JSON fits");
	end_ring();
}

/* The same from another process, at full speed, under an open reader. */
static void
test_random_writer(void)
{
	StrataRingReader *reader;
	int wrong = 0, status;
	pid_t child;

	make_ring(SLOTS, 1);
	fill_ring(100);
	reader = open_reader(0);
	child = fork();
	if (child == 0)
		for (;;)
		{
			char *bytes = (char *)ring.lanes[0];

			((uint64_t *)bytes)[random_word() % (2 * SLOTS * sizeof(StrataRingSlot) / 8)] =
				random_word() % 300;
			if (random_word() % 50 == 0)
				ring.head->claim = random_word() % 400;
		}
	for (int i = 0; i < 300; i++)
	{
		StrataRingReader *other;

		wrong += !exercise(reader, 50);
		if (strata_ring_open(ring_path, &other) == STRATA_RING_OK)
		{
			wrong += !exercise(other, 50);
			strata_ring_close(other);
		}
	}
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	is_int(wrong, 0, "a writer gone wild: an answer, seqs rise, JSON fits");
	strata_ring_close(reader);
	end_ring();
}

/* Bodies of random bytes: parsing ends, and JSON is at most as long as its buffer. */
static void
test_random_bodies(void)
{
	StrataRingReader *reader;
	StrataRingEvent event = {.seq = UINT64_MAX, .time_us = INT64_MIN, .pid = INT32_MIN, .type = 0xffff};
	static char line[STRATA_RING_JSON_MAX];
	size_t longest = 0;

	make_ring(SLOTS, 1);
	reader = open_reader(0);
	for (int round = 0; round < 20000; round++)
	{
		uint16_t used = 0;
		size_t length;

		event.body_len = (uint16_t)(random_word() % (STRATA_EVENT_BODY_MAX + 1));
		for (int i = 0; i < STRATA_EVENT_BODY_MAX; i++)
			event.body[i] = round % 2 ? (char)random_word() : '\x01';
		memset(event.database, '\x01', sizeof(event.database) - 1);
		event.database[sizeof(event.database) - 1] = '\0';
		/* Well-formed fields too, as many as fit: the longest keys, numbers and escapes. */
		if (round % 4 == 0)
		{
			double number = -1.7976931348623157e308 / (1 + round % 7);

			while (strata_body_append(event.body, &used, STRATA_F_THROUGHPUT_ROWS_PER_SEC,
									  STRATA_FIELD_DOUBLE, &number, 8))
				;
			event.body_len = used;
		}
		length = strata_ring_event_json(reader, &event, line, sizeof(line));
		longest = length > longest ? length : longest;
	}
	ok(longest < sizeof(line), "JSON of any body fits (longest %d)", (int)longest);
	strata_ring_close(reader);
	end_ring();
}

int
main(void)
{
	start_testing(240);
	test_refusals();
	test_newer_tables();
	test_header_bytes();
	test_header_words();
	test_truncated();
	test_random_slots();
	test_random_writer();
	test_random_bodies();
	return tap_done();
}
