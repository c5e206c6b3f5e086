/*
 * ring_crash_test.c - the event ring with several processes: writers side by side, writers killed inside a
 * slot, servers that end, die or come back.
 */
#include "ring_testing.h"
#include "tap.h"

/* How far a writer gets before it is killed. */
typedef enum Death
{
	BEFORE_THE_SLOT,
	INSIDE_THE_SLOT
} Death;

/* A child claims the next event of the lane and dies; its seq. */
static uint64_t
writer_dies(StrataLane lane, Death death)
{
	uint64_t seq = strata_claim_seq(ring.head->claim);
	pid_t child = fork();
	int status;

	if (child == 0)
	{
		uint64_t claim;

		if (death == BEFORE_THE_SLOT)
			__atomic_fetch_add(&ring.head->claim, strata_claim_step(lane), __ATOMIC_RELAXED);
		else
		{
			StrataRingSlot *slot = strata_ring_claim(&ring, lane, &claim);

			memset(slot->body, 'X', sizeof(slot->body) / 2);
		}
		kill(getpid(), SIGKILL);
	}
	waitpid(child, &status, 0);
	return seq;
}

static void
test_killed_writer(StrataLane lane, Death death, const char *name)
{
	StrataRingReader *reader;
	StrataRingItem item;
	Books books = {.next = 1};
	uint64_t dead, given_up = 0;

	make_ring(64, 1);
	reader = open_reader(0);
	for (int i = 1; i <= 5; i++)
		write_numbered(i % 2, i, 20);
	drain(reader, &books);
	dead = writer_dies(lane, death);
	is_int(strata_ring_poll(reader, &item), STRATA_RING_NOTHING,
		   "%s: an event that may still come is waited for", name);
	for (int i = 7; i <= 10; i++)
		write_numbered(i % 2, i, 20);
	is_int(strata_ring_poll(reader, &item), STRATA_RING_NOTHING, "%s: for a grace time", name);
	drain(reader, &books);
	is_int(books.lost, 1, "%s: then it is lost, and nothing else is", name);
	is_int(books.gaps, 1, "%s: in one gap", name);
	is_int(books.events, 9, "%s: the events after it come", name);
	is_int(books.misplaced + books.torn, 0, "%s: in order (the dead one was %d)", name, (int)dead);

	/* Further laps: the slot stays with the dead, once a lap an event is given up for it. */
	for (int i = 0; i < 64 * 5; i++)
	{
		given_up += write_numbered(lane, i, 20) == 0;
		if (i % 20 == 0)
			drain(reader, &books);
	}
	drain(reader, &books);
	is_int(given_up, death == INSIDE_THE_SLOT ? 5 : 0, "%s: writers go round a slot that is held", name);
	is_int(books.lost, 1 + given_up, "%s: readers are told of each event that was given up", name);
	is_int(books.misplaced + books.torn, 0, "%s: and get all others", name);
	strata_ring_close(reader);

	/* Who comes now finds the place all the same. */
	reader = open_reader(strata_claim_seq(ring.head->claim) - 30);
	books = (Books){.next = strata_claim_seq(ring.head->claim) - 29};
	drain(reader, &books);
	is_int(books.misplaced + books.torn, 0, "%s: replay goes over the dead slot", name);
	ok(books.events >= 28 && books.events + books.lost == 29, "%s: and holds the rest", name);
	strata_ring_close(reader);
	end_ring();
}

/* The writer stopped inside its slot is overtaken, wakes up and finishes: nobody sees half of anything. */
static void
test_slow_writer(void)
{
	StrataRingReader *reader;
	StrataRingSlot *slot;
	Books books = {.next = 1};
	uint64_t claim;

	make_ring(64, 1);
	reader = open_reader(0);
	slot = strata_ring_claim(&ring, STRATA_LANE_CHATTER, &claim);
	for (int i = 0; i < 200; i++)
		write_numbered(STRATA_LANE_CHATTER, i, 50);
	drain(reader, &books);
	is_int(books.torn + books.misplaced, 0, "an overtaken writer does no harm");
	__atomic_store_n(&slot->written, claim, __ATOMIC_RELEASE);
	for (int i = 0; i < 64; i++)
		ok(write_numbered(STRATA_LANE_CHATTER, i, 50) != 0 || i > 64, "its slot serves again (%d)", i);
	drain(reader, &books);
	is_int(books.torn + books.misplaced, 0, "nor when it is done");
	strata_ring_close(reader);

	claim = ring.head->claim;
	ring.head->claim += 1;
	for (int i = 0; i < 64; i++)
		write_numbered(STRATA_LANE_CHATTER, i, 50);
	slot = &ring.lanes[STRATA_LANE_CHATTER][strata_claim_position(claim, STRATA_LANE_CHATTER) & 63];
	ok(strata_claim_seq(slot->claimed) > strata_claim_seq(claim),
	   "a writer that comes a lap late finds its slot taken");
	end_ring();
}

static void
write_many(int writer, int count)
{
	for (int i = 0; i < count; i++)
		write_numbered(i % 16 == 0 ? STRATA_LANE_RARE : STRATA_LANE_CHATTER, (int64_t)writer << 32 | i,
					   i % 380);
}

/*
 * `writers` processes write at once while we read.  Each event comes whole or is in a gap, and those of one
 * writer in its order.  In a ring that holds them all, none is lost.
 */
static void
test_writers(int writers, int count, uint32_t slots, bool may_lose)
{
	StrataRingReader *reader;
	Books books = {.next = 1};
	StrataRingItem item;
	int64_t last[8] = {-1, -1, -1, -1, -1, -1, -1, -1};
	uint64_t disorder = 0;
	int running = writers, status;
	uint64_t total = (uint64_t)writers * count;

	make_ring(slots, 1);
	reader = open_reader(0);
	strata_ring_set_patience(reader, 2000000, 50000000);
	for (int w = 0; w < writers; w++)
		if (fork() == 0)
		{
			write_many(w, count);
			_exit(0);
		}
	while (running > 0 || books.next <= total)
	{
		StrataRingStatus answer = strata_ring_poll(reader, &item);

		enter(&books, answer, &item);
		if (answer == STRATA_RING_EVENT)
		{
			int64_t number = read_number(&item.event);
			int writer = (int)(number >> 32) & 7;

			disorder += number <= last[writer];
			last[writer] = number;
		}
		else if (answer == STRATA_RING_NOTHING && running > 0 && waitpid(-1, &status, WNOHANG) > 0)
			running--;
	}
	is_int(books.torn, 0, "%d writers, %d slots: no event is torn", writers, (int)slots);
	is_int(books.misplaced + disorder, 0, "all in order, of each writer too");
	is_int(books.events + books.lost, total, "each is received or in a gap");
	if (!may_lose)
		is_int(books.lost, 0, "none is lost in a ring that is large enough");
	note("%d writers, %d slots: %d events, %d lost in %d gaps", writers, (int)slots, (int)books.events,
		 (int)books.lost, (int)books.gaps);
	strata_ring_close(reader);
	end_ring();
}

/* Shutdown and start again: the old ring is read to its end, then comes the new one. */
static void
test_epochs(void)
{
	StrataRingReader *reader;
	StrataRingItem item;
	Books books = {.next = 1};
	StrataRing old;
	StrataRingMaker maker = {
		.epoch = 3, .postmaster_pid = 2000000000, .now_us = (int64_t)time(NULL) * 1000000};

	make_ring(64, 1);
	reader = open_reader(0);
	write_numbered(STRATA_LANE_RARE, 1, 5);
	write_numbered(STRATA_LANE_RARE, 2, 5);
	writer_dies(STRATA_LANE_RARE, INSIDE_THE_SLOT);
	end_ring();
	is_int(strata_ring_poll(reader, &item), STRATA_RING_EVENT, "after a shutdown the ring is still read");
	is_int(strata_ring_poll(reader, &item), STRATA_RING_EVENT, "to its end");
	is_int(strata_ring_poll(reader, &item), STRATA_RING_GAP, "what was never finished is lost at once");
	is_int(strata_ring_poll(reader, &item), STRATA_RING_GONE, "then the server is gone");
	is_str(item.reason, "the server has shut down", "and how");
	make_ring(64, 2);
	write_numbered(STRATA_LANE_RARE, 1, 5);
	usleep(250000); /* outlasts the interval between looks for a new ring */
	is_int(strata_ring_poll(reader, &item), STRATA_RING_RESET, "a new ring is a reset");
	is_int(item.epoch, 2, "with its epoch");
	drain(reader, &books);
	is_int(books.events, 1, "and its events from the first");

	/* A server that died without a word left its ring behind; the next one takes the name over. */
	old = ring;
	old.head->postmaster_pid = 2000000000;
	ok(strata_ring_create(ring_path, 64, &maker, &ring), "the ring of a dead server is replaced");
	is_int(old.head->closed, 1, "and closed, so that its readers know");
	is_int(strata_ring_poll(reader, &item), STRATA_RING_RESET, "they go over at once");
	is_int(item.epoch, 3, "to the new epoch");
	munmap(old.head, old.bytes);
	strata_ring_close(reader);
	end_ring();
}

static void
test_heartbeat(void)
{
	StrataRingReader *reader;
	StrataRingItem item;

	make_ring(64, 1);
	reader = open_reader(0);
	strata_ring_set_patience(reader, 1000, 30000);
	is_int(strata_ring_poll(reader, &item), STRATA_RING_NOTHING, "at first the server lives");
	usleep(50000); /* outlasts the patience for a heartbeat */
	is_int(strata_ring_poll(reader, &item), STRATA_RING_GONE, "without a heartbeat it is gone");
	is_str(item.reason, "the server's heartbeat has stopped", "and why");
	strata_ring_beat(&ring, 5);
	is_int(strata_ring_poll(reader, &item), STRATA_RING_NOTHING, "a heartbeat brings it back");
	is_int(strata_ring_info(reader)->heartbeat_us, 5, "info has the time of the heartbeat");
	usleep(50000); /* outlasts the patience for a heartbeat */
	write_numbered(STRATA_LANE_RARE, 1, 1);
	is_int(strata_ring_poll(reader, &item), STRATA_RING_EVENT, "events come from a silent server too");
	is_int(strata_ring_poll(reader, &item), STRATA_RING_NOTHING, "and are a sign of life");
	strata_ring_close(reader);
	end_ring();
}

/* A name that is not ours to take stays as it is. */
static void
test_taken_name(void)
{
	StrataRingMaker maker = {
		.epoch = 9, .postmaster_pid = 2000000000, .now_us = (int64_t)time(NULL) * 1000000};
	StrataRing other;
	char path[] = "/tmp/strata_ring_test.XXXXXX";
	int fd = mkstemp(path);
	struct stat st;
	mode_t mask = umask(0077);

	make_ring(64, 1);
	fd = fd < 0 ? fd : (write(fd, "precious data", 13) == 13 ? fd : -1);
	ok(!strata_ring_create(ring_path, 64, &maker, &other) && errno == EBUSY,
	   "the ring of a live server is left alone");
	ok(!strata_ring_create(path, 64, &maker, &other) && errno == EEXIST, "and so is a file that is no ring");
	ok(fd >= 0 && fstat(fd, &st) == 0 && st.st_size == 13 && st.st_nlink == 1,
	   "which keeps its bytes and name");
	ok(!strata_ring_create("/tmp/no/such/directory", 64, &maker, &other) && errno == ENOENT,
	   "no directory, no ring");
	unlink(path);
	ok(strata_ring_create(path, 64, &maker, &other), "a ring may be a file");
	ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0640, "of mode 0640 whatever the umask");
	strata_ring_destroy(path, &other);
	ok(stat(path, &st) != 0, "destroy removes it");
	close(fd);
	umask(mask);
	end_ring();
}

int
main(void)
{
	start_testing(240);
	test_killed_writer(STRATA_LANE_CHATTER, INSIDE_THE_SLOT, "chatter writer killed inside a slot");
	test_killed_writer(STRATA_LANE_RARE, INSIDE_THE_SLOT, "rare writer killed inside a slot");
	test_killed_writer(STRATA_LANE_CHATTER, BEFORE_THE_SLOT, "chatter writer killed before its slot");
	test_killed_writer(STRATA_LANE_RARE, BEFORE_THE_SLOT, "rare writer killed before its slot");
	test_slow_writer();
	test_writers(2, 10000, 32768, false);
	test_writers(2, 200000, 64, true);
	test_writers(4, 50000, 1024, true);
	test_epochs();
	test_heartbeat();
	test_taken_name();
	return tap_done();
}
