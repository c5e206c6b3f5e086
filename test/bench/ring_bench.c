/*
 * ring_bench.c - what one event costs its publisher, and what a reader can take.
 *
 * Built and run by ring.sh; prints nanoseconds an event.
 *
 * A publisher does here what strata_event_publish does: reads the clock, writes a slot, counts.  The event
 * is that of a plan node: eleven fields, some 200 bytes.  Contended writers fill the same lane.
 */
#include "ring_testing.h"

#define EVENTS 2000000
#define RUNS   5

static double
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Builds and writes `count` events; `build` 0 leaves the body as it was. */
static void
publish(int count, bool build, bool clock_too)
{
	static char database[STRATA_EVENT_DATABASE_MAX] __attribute__((aligned(8))) = "bench";
	static char body[STRATA_EVENT_BODY_MAX] __attribute__((aligned(8)));
	StrataRingRecord record = {.lane = STRATA_LANE_CHATTER,
							   .type = STRATA_EV_SIMD_SCAN,
							   .pid = getpid(),
							   .database = database,
							   .body = body};

	for (int i = 0; i < count; i++)
	{
		struct timespec ts;
		int64_t number = i;

		if (build || i == 0)
		{
			record.body_len = 0;
			for (uint16_t field = STRATA_F_ROWS_PROCESSED; field <= STRATA_F_VECTOR_WIDTH; field++)
				strata_body_append(body, &record.body_len, field, STRATA_FIELD_INT, &number, sizeof(number));
			strata_body_append(body, &record.body_len, STRATA_F_OPERATION_TYPE, STRATA_FIELD_TEXT, "filter",
							   6);
			strata_body_append(body, &record.body_len, STRATA_F_TABLE_NAME, STRATA_FIELD_TEXT,
							   "public.lineitem", 15);
		}
		if (clock_too)
		{
			clock_gettime(CLOCK_REALTIME, &ts);
			record.time_us = (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
		}
		if (strata_ring_write(&ring, &record) != 0)
			__atomic_fetch_add(&ring.counters[STRATA_C_EVENTS_PUBLISHED].value, 1, __ATOMIC_RELAXED);
	}
}

/* Nanoseconds an event and writer, the best of some runs. */
static double
measure(int writers, bool build, bool clock_too)
{
	double best = 1e9;

	for (int run = 0; run < RUNS; run++)
	{
		double start = seconds();
		double ns;

		for (int w = 0; w < writers; w++)
			if (fork() == 0)
			{
				publish(EVENTS, build, clock_too);
				_exit(0);
			}
		while (wait(NULL) > 0)
			;
		ns = (seconds() - start) * 1e9 / EVENTS;
		best = ns < best ? ns : best;
	}
	return best;
}

/* A full ring, read from end to end again and again. */
static void
measure_reader(void)
{
	StrataRingItem item;
	uint64_t events = 0;
	double start = seconds(), polls;
	static char line[STRATA_RING_JSON_MAX];
	StrataRingReader *reader = open_reader(0);
	int idle = 1000000;

	for (int run = 0; run < 100; run++)
	{
		strata_ring_start(reader, 0);
		while (strata_ring_poll(reader, &item) != STRATA_RING_NOTHING)
			events++;
	}
	printf("reading:  %6.0f ns an event\n", (seconds() - start) * 1e9 / (double)events);
	start = seconds();
	for (int i = 0; i < 200000; i++)
		strata_ring_event_json(reader, &item.event, line, sizeof(line));
	printf("as JSON:  %6.0f ns an event\n", (seconds() - start) * 1e9 / 200000);
	start = seconds();
	for (int i = 0; i < idle; i++)
		strata_ring_poll(reader, &item);
	polls = (seconds() - start) * 1e9 / idle;
	printf("no news:  %6.0f ns a poll\n", polls);
	strata_ring_close(reader);
}

int
main(void)
{
	start_testing(600);
	if (!make_ring(8192, 1))
	{
		perror(ring_path);
		return 1;
	}
	printf("1 writer:  %5.1f ns slot write, %5.1f with clock and counter, %5.1f with building the event\n",
		   measure(1, false, false), measure(1, false, true), measure(1, true, true));
	printf("2 writers: %5.1f ns slot write, %5.1f with clock and counter, %5.1f with building the event\n",
		   measure(2, false, false), measure(2, false, true), measure(2, true, true));
	measure_reader();
	printf("dropped: %d of %d\n",
		   (int)(strata_claim_seq(ring.head->claim) - 1 - ring.counters[STRATA_C_EVENTS_PUBLISHED].value),
		   (int)strata_claim_seq(ring.head->claim) - 1);
	end_ring();
	return 0;
}
