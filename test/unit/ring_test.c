/*
 * ring_test.c - the event ring in peace: claims, order, replay, laps, counters, JSON.
 */
#include "ring_testing.h"
#include "tap.h"

#include <math.h>

/* Positions in both lanes stay right when the 16 bits of the rare count wrap. */
static void
test_claims(void)
{
	uint64_t claim = 1;
	uint16_t rare = 0, chatter = 1;
	bool right = true;

	for (uint64_t i = 0; i < 300000; i++)
	{
		StrataLane lane = i * 2654435761u >> 7 & 1 ? STRATA_LANE_RARE : STRATA_LANE_CHATTER;

		right = right && strata_claim_seq(claim) == i + 1 &&
				strata_claim_position(claim, STRATA_LANE_RARE) == rare &&
				strata_claim_position(claim, STRATA_LANE_CHATTER) == chatter;
		claim += strata_claim_step(lane);
		if (lane == STRATA_LANE_RARE)
			rare++;
		else
			chatter++;
	}
	ok(right, "claims name seq and positions, beyond 2^16 events a lane");
}

static void
test_size(void)
{
	is_int(strata_ring_lane_slots(0), STRATA_RING_MIN_SLOTS, "a ring of no size has the fewest slots");
	is_int(strata_ring_lane_slots(8 << 20), 8192, "8 MB are 8192 slots a lane");
	is_int(strata_ring_lane_slots((8 << 20) - 1), 4096, "slots are rounded down to a power of two");
	is_int(strata_ring_lane_slots((size_t)1 << 40), STRATA_RING_MAX_SLOTS,
		   "there are at most 2^15 slots a lane");
}

static void
test_order(void)
{
	StrataRingReader *reader;
	StrataRingItem item;
	Books books = {.next = 1};

	make_ring(64, 7);
	reader = open_reader(0);
	is_int(strata_ring_poll(reader, &item), STRATA_RING_NOTHING, "a new ring has no news");
	for (int i = 1; i <= 100; i++)
	{
		write_numbered(i % 3 == 0 ? STRATA_LANE_RARE : STRATA_LANE_CHATTER, i, i);
		if (i % 7 == 0)
			drain(reader, &books);
	}
	drain(reader, &books);
	is_int(books.events, 100, "all events of both lanes come");
	is_int(books.misplaced + books.torn + books.lost, 0, "in the order of their seq, whole");
	is_int(strata_ring_poll(reader, &item), STRATA_RING_NOTHING, "and then no more");
	is_int(strata_ring_info(reader)->last_seq, 100, "info knows the last seq");
	is_int(strata_ring_info(reader)->epoch, 7, "and the epoch");
	strata_ring_close(reader);
	end_ring();
}

/* From each place in the ring, replay and then live: no hole, no repeat. */
static void
test_since(uint64_t history)
{
	uint64_t wrong = 0;
	uint64_t last = history;

	make_ring(64, 1);
	for (uint64_t i = 1; i <= history; i++)
		write_numbered(i % 5 == 0 ? STRATA_LANE_RARE : STRATA_LANE_CHATTER, (int64_t)i, 40);
	for (uint64_t since = 0; since <= last && since<history + 100; since += history> 1000 ? 61 : 1)
	{
		StrataRingReader *reader = open_reader(since);
		Books books = {.next = since + 1};

		for (int live = 0; live < 3; live++)
		{
			drain(reader, &books);
			write_numbered(live % 2 ? STRATA_LANE_RARE : STRATA_LANE_CHATTER, live, 10);
		}
		drain(reader, &books);
		wrong += books.misplaced || books.torn || books.resets ||
				 books.next != strata_ring_info(reader)->last_seq + 1 ||
				 (last - since < 60 && books.lost > 0);
		last = books.next - 1;
		strata_ring_close(reader);
	}
	is_int(wrong, 0, "since: replay and live without hole or repeat, after %d events", (int)history);
	end_ring();
}

static void
test_since_ends(void)
{
	StrataRingReader *reader;
	StrataRingItem item;
	Books books = {.next = 1};

	make_ring(64, 99);
	for (int i = 1; i <= 10; i++)
		write_numbered(STRATA_LANE_CHATTER, i, 5);
	reader = open_reader(STRATA_RING_NOW);
	is_int(strata_ring_poll(reader, &item), STRATA_RING_NOTHING, "since now: nothing of before");
	write_numbered(STRATA_LANE_RARE, 11, 5);
	is_int(strata_ring_poll(reader, &item), STRATA_RING_EVENT, "but what comes after");
	is_int(item.event.seq, 11, "from the right place");
	strata_ring_start(reader, 5000);
	is_int(strata_ring_poll(reader, &item), STRATA_RING_RESET, "a since of another epoch is a reset");
	is_int(item.epoch, 99, "that tells the epoch");
	drain(reader, &books);
	is_int(books.events, 11, "and replays all");
	strata_ring_close(reader);
	end_ring();
}

/* Chatter laps the reader; the rare lane keeps what it has, and the gaps name exactly the rest. */
static void
test_lapped(int chatter)
{
	StrataRingReader *reader;
	Books books = {.next = 1};

	make_ring(64, 1);
	reader = open_reader(0);
	write_numbered(STRATA_LANE_CHATTER, 1, 5);
	drain(reader, &books);
	for (int i = 0; i < chatter; i++)
	{
		if (i % (chatter / 40) == 0)
			write_numbered(STRATA_LANE_RARE, 1000000 + i, 5);
		write_numbered(STRATA_LANE_CHATTER, i, 100);
	}
	drain(reader, &books);
	is_int(books.misplaced + books.torn, 0, "lapped by %d: events and gaps hold every seq once", chatter);
	ok(books.gaps > 0 && books.events + books.lost == books.next - 1, "all is accounted for");
	ok(books.events >= 40 + 64 - 1, "rare events and the last lap are there (%d)", (int)books.events);
	strata_ring_close(reader);

	/* A reader that comes late sees the same. */
	reader = open_reader(0);
	books = (Books){.next = 1};
	drain(reader, &books);
	is_int(books.misplaced + books.torn, 0, "a late reader is told what it missed");
	ok(books.events >= 40 + 64, "and has both lanes in full (%d)", (int)books.events);
	strata_ring_close(reader);
	end_ring();
}

static void
test_counters(void)
{
	StrataRingReader *reader;
	const StrataRingCounterInfo *info;
	uint64_t values[STRATA_C_COUNT];
	int rows = 0;
	int count;

#define COUNTER(code, NAME, name, kind, unit, text) rows++;
#include "abi/counters.def"
#undef COUNTER
	make_ring(64, 1);
	__atomic_fetch_add(&ring.counters[STRATA_C_ROWS_POPULATED].value, 42, __ATOMIC_RELAXED);
	__atomic_store_n(&ring.counters[STRATA_C_COLUMN_BYTES].value, 4096, __ATOMIC_RELAXED);
	reader = open_reader(0);
	info = strata_ring_counters(reader, &count);
	is_int(count, rows, "the segment describes every counter");
	ok(strata_ring_read_counters(reader, values), "counters can be read");
	for (int i = 0; i < count; i++)
		if (info[i].code == STRATA_C_ROWS_POPULATED)
		{
			is_str(info[i].name, "rows_populated", "a counter has its name");
			is_int(info[i].kind, STRATA_KIND_COUNTER, "and kind");
			is_int(values[i], 42, "and value");
		}
		else if (info[i].code == STRATA_C_COLUMN_BYTES)
		{
			is_str(info[i].unit, "bytes", "a gauge has its unit");
			is_int(info[i].kind, STRATA_KIND_GAUGE, "and kind");
			is_int(values[i], 4096, "and value");
		}
	is_str(strata_ring_event_info(reader, STRATA_EV_SIMD_SCAN)->topic, "simd", "an event type has its topic");
	ok(strata_ring_event_info(reader, 9999) == NULL, "an unknown event type has no description");
	strata_ring_close(reader);
	end_ring();
}

static void
test_json(void)
{
	static char database[STRATA_EVENT_DATABASE_MAX] __attribute__((aligned(8))) = "d\"b";
	char body[STRATA_EVENT_BODY_MAX] __attribute__((aligned(8)));
	uint16_t used = 0;
	int64_t big = INT64_MIN;
	double tenth = 0.1, nan_value = NAN;
	char yes = 1;
	const char *text = "a\"\\\n\x01\xc3\xa9\xff\xed\xa0\x80\xf0\x9f\x90\x98";
	char line[STRATA_RING_JSON_MAX];
	char when[STRATA_RING_TIME_MAX];
	StrataRingReader *reader;
	StrataRingItem item;
	StrataRingRecord record = {.lane = STRATA_LANE_RARE,
							   .type = STRATA_EV_POPULATION_COMPLETED,
							   .pid = 17,
							   .time_us = INT64_C(1767182400000001),
							   .database = database,
							   .body = body};

	make_ring(64, 1);
	strata_body_append(body, &used, STRATA_F_TABLE_NAME, STRATA_FIELD_TEXT, text, (int)strlen(text));
	strata_body_append(body, &used, STRATA_F_ROWS_POPULATED, STRATA_FIELD_INT, &big, 8);
	strata_body_append(body, &used, STRATA_F_DURATION_MS, STRATA_FIELD_DOUBLE, &tenth, 8);
	strata_body_append(body, &used, STRATA_F_COMPRESSION_RATIO, STRATA_FIELD_DOUBLE, &nan_value, 8);
	strata_body_append(body, &used, 999, STRATA_FIELD_BOOL, &yes, 1);
	strata_body_append(body, &used, 998, STRATA_FIELD_LIST, "cold\0\"\xff\0\0kernel", 15);
	strata_body_append(body, &used, 997, STRATA_FIELD_LIST, "", 0);
	record.body_len = used;
	strata_ring_write(&ring, &record);
	reader = open_reader(0);
	strata_ring_poll(reader, &item);
	strata_ring_event_json(reader, &item.event, line, sizeof(line));
	is_str(line,
		   "{\"event_type\":\"population_completed\",\"seq\":1,\"timestamp\":\"2025-12-31T12:00:00.000001Z\","
		   "\"pid\":17,\"database\":\"d\\\"b\",\"table_name\":"
		   "\"a\\\"\\\\\\n\\u0001\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd"
		   "\xef\xbf\xbd\xef\xbf\xbd\xf0\x9f\x90\x98\",\"rows_populated\":-9223372036854775808,\"duration_"
		   "ms\":0.1,"
		   "\"compression_ratio\":null,\"field_999\":true,\"field_998\":[\"cold\",\"\\\"\xef\xbf\xbd\","
		   "\"kernel\"],"
		   "\"field_997\":[]}",
		   "an event as JSON: escapes, invalid UTF-8, NaN, unknown field, lists");
	ok(strata_ring_event_json(reader, &item.event, line, 10) > 10 && strlen(line) == 9,
	   "a small buffer is not overrun");
	strata_ring_time_text(INT64_C(-1), when);
	is_str(when, "1969-12-31T23:59:59.999999Z", "a time before 1970");
	strata_ring_time_text(INT64_C(951782400000000), when);
	is_str(when, "2000-02-29T00:00:00.000000Z", "a leap day");
	strata_ring_time_text(INT64_MIN, when);
	is_str(when, "0001-01-01T00:00:00.000000Z", "times out of range are clamped at the start");
	strata_ring_time_text(INT64_MAX, when);
	is_str(when, "9999-12-31T23:59:59.999999Z", "and at the end");
	item.gap.from_seq = 3;
	item.gap.to_seq = 5;
	item.gap.lost = 3;
	strata_ring_item_json(STRATA_RING_GAP, &item, line, sizeof(line));
	is_str(line, "{\"event_type\":\"gap\",\"from_seq\":3,\"to_seq\":5,\"lost\":3}", "a gap as JSON");
	item.epoch = 0xabc;
	strata_ring_item_json(STRATA_RING_RESET, &item, line, sizeof(line));
	is_str(line, "{\"event_type\":\"stream_reset\",\"epoch\":\"0000000000000abc\"}", "a reset as JSON");
	strata_ring_close(reader);
	end_ring();
}

/* A body takes what fits and no byte more. */
static void
test_body(void)
{
	char body[STRATA_EVENT_BODY_MAX + 8] = {0};
	char text[STRATA_EVENT_BODY_MAX];
	uint16_t used = 0;
	int64_t number = 1;
	int at = 0;
	StrataFieldValue field;

	memset(text, 'x', sizeof(text));
	ok(strata_body_append(body, &used, 1, STRATA_FIELD_TEXT, text, strata_body_room(0)),
	   "text as long as the room fits");
	is_int(used, STRATA_EVENT_BODY_MAX, "and fills the body");
	is_int(strata_body_room(used), 0, "a full body has no room");
	ok(!strata_body_append(body, &used, 2, STRATA_FIELD_INT, &number, 8), "and takes nothing more");
	is_int(used, STRATA_EVENT_BODY_MAX, "nor changes");
	ok(strata_body_next(body, used, &at, &field) &&
		   field.text_len == STRATA_EVENT_BODY_MAX - STRATA_FIELD_HEAD,
	   "it reads back");
	ok(!strata_body_next(body, used, &at, &field), "and ends");
}

int
main(void)
{
	start_testing(120);
	test_claims();
	test_size();
	test_body();
	test_order();
	test_since(0);
	test_since(40);
	test_since(63);
	test_since(64);
	test_since(500);
	test_since(70000);
	test_since_ends();
	test_lapped(1000);
	test_lapped(100000);
	test_counters();
	test_json();
	return tap_done();
}
