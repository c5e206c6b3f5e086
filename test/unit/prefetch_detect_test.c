/*
 * prefetch_detect_test.c - the detector of access patterns: each pattern, noise, the ends of int64, and the
 * window against a simple cache with a slow reader.
 */
#include <stdlib.h>

#include "pool/prefetch_detect.h"
#include "tap.h"

static uint64_t seed = 88172645463325252u;

static uint64_t
rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static StrataDetector d;
static int64_t ahead[STRATA_PREFETCH_MAX];

static int
go(int64_t position)
{
	return strata_detect_next(&d, position, ahead, STRATA_PREFETCH_MAX);
}

/* ---- runs and strides ---- */

/* A run or stride from `start`: nothing before it is believed, then each position once, in order, and all of
 * them. */
static bool
stride_is_followed(int64_t start, int64_t step, int threshold, StrataPattern want)
{
	int believed = threshold < 2 && step != 1 && step != -1 ? 2 : threshold;
	int64_t position = start;
	int64_t next_asked = 0; /* number of steps from start */

	strata_detect_start(&d, threshold, 64);
	for (int i = 0; i < 500; i++, position += step)
	{
		int n = go(position);

		if (i < believed)
		{
			if (n != 0 || d.pattern != STRATA_PATTERN_NONE)
				return false;
			next_asked = i + 2;
			continue;
		}
		if (d.pattern != want || (i == believed && n != 2))
			return false;
		for (int k = 0; k < n; k++)
			if (ahead[k] != start + step * next_asked++)
				return false;
		if (next_asked != i + 1 + d.window) /* asked up to the window, not beyond */
			return false;
		strata_detect_outcome(&d, STRATA_FORESEEN_READY);
	}
	return d.window == 64;
}

static void
test_strides(void)
{
	static const int64_t strides[] = {2, 3, 7, 100, 4096, INT64_C(1) << 40};
	bool right = true;

	for (int threshold = 1; threshold <= 6; threshold++)
		for (int sign = -1; sign <= 1; sign += 2)
			right &= stride_is_followed(1000, sign, threshold, STRATA_PATTERN_SEQUENTIAL);
	ok(right, "runs up and down, thresholds 1 to 6: asked in order, once, from the threshold on");

	right = true;
	for (size_t i = 0; i < sizeof(strides) / sizeof(strides[0]); i++)
		for (int threshold = 1; threshold <= 4; threshold++)
			for (int sign = -1; sign <= 1; sign += 2)
				right &= stride_is_followed(-77, sign * strides[i], threshold, STRATA_PATTERN_STRIDED);
	ok(right, "strides of 2 to 2^40, both ways: asked in order, once, from the threshold on");

	/* Three workers that take units from one counter in turn. */
	right = true;
	for (int worker = 0; worker < 3; worker++)
		right &= stride_is_followed(worker, 3, 2, STRATA_PATTERN_STRIDED);
	ok(right, "a parallel worker's every third unit is a stride");
}

static void
test_ends_of_int64(void)
{
	int n;
	bool right = true;

	strata_detect_start(&d, 2, 16);
	for (int64_t p = INT64_MAX - 6; p < INT64_MAX; p++)
	{
		n = go(p);
		for (int k = 0; k < n; k++)
			right &= ahead[k] > p;
		strata_detect_outcome(&d, STRATA_FORESEEN_READY);
	}
	ok(right && d.pattern == STRATA_PATTERN_SEQUENTIAL,
	   "a run to the last position asks for nothing behind it");
	is_int(go(INT64_MAX), 0, "nothing is asked for at the last position");

	strata_detect_start(&d, 1, 16);
	for (int64_t p = INT64_MIN + 5; p > INT64_MIN; p--)
	{
		n = go(p);
		for (int k = 0; k < n; k++)
			right &= ahead[k] < p;
	}
	ok(right, "a run down to the first position asks for nothing before it");
	is_int(go(INT64_MIN), 0, "nothing is asked for at the first position");

	/* Steps that are no 64-bit numbers, and the one whose negation is none. */
	strata_detect_start(&d, 1, 16);
	n = 0;
	for (int i = 0; i < 3; i++)
		n += go(INT64_MIN) + go(INT64_MAX);
	is_int(d.pattern, STRATA_PATTERN_CYCLE, "from one end to the other and back is a cycle of two");
	strata_detect_start(&d, 1, 16);
	n = go(0) + go(-1) + go(INT64_MIN) + go(0) + go(INT64_MAX) + go(-2);
	is_int(d.pattern, STRATA_PATTERN_NONE, "jumps between the ends are no pattern");
	strata_detect_start(&d, 1, 16);
	right = true;
	for (int i = 0; i < 5; i++) /* wraps around when taken modulo 2^64 */
		n = go((int64_t)(UINT64_C(0x6000000000000000) * (uint64_t)i));
	ok(d.pattern != STRATA_PATTERN_STRIDED, "a step that wraps around is no stride");
}

/* ---- cycles ---- */

/* A cycle of `length` positions that are not the same and no stride. */
static void
make_cycle(int64_t *cycle, int length)
{
	for (int i = 0; i < length; i++)
		cycle[i] = (int64_t)((rnd() & 0xffffffffffff) << 8 | (uint64_t)i);
}

static void
test_cycles(void)
{
	int64_t cycle[STRATA_PREFETCH_CYCLE + 1];
	bool right = true;
	int n;

	for (int length = 2; length <= STRATA_PREFETCH_CYCLE; length++)
	{
		int flights[STRATA_PREFETCH_CYCLE] = {0};

		make_cycle(cycle, length);
		strata_detect_start(&d, 2, 32);
		for (int i = 0; i < 10 * length; i++)
		{
			int at = i % length;

			n = go(cycle[at]);
			if (i < 2 * length - 1 && n != 0)
				right = false; /* before two turns are full */
			if (i >= 2 * length - 1 && (d.pattern != STRATA_PATTERN_CYCLE || d.cycle_length != length))
				right = false;
			if (i >= 2 * length && flights[at] != 1)
				right = false; /* comes to a position that it was not asked for, or twice */
			flights[at] = 0;
			for (int k = 0; k < n; k++)
			{
				int which = (int)(ahead[k] & 0xff);

				if (cycle[which] != ahead[k] || flights[which]++ > 0 || which == at)
					right = false;
			}
			strata_detect_outcome(&d, STRATA_FORESEEN_READY);
		}
	}
	ok(right, "cycles of 2 to 64: found after two turns, then each position foreseen once a turn");

	make_cycle(cycle, STRATA_PREFETCH_CYCLE + 1);
	strata_detect_start(&d, 2, 32);
	n = 0;
	for (int i = 0; i < 10 * (STRATA_PREFETCH_CYCLE + 1); i++)
		n += go(cycle[i % (STRATA_PREFETCH_CYCLE + 1)]);
	is_int(n, 0, "a cycle of 65 is not found");

	/* 1 2 1 3 1 2 1 3: the same position twice a turn. */
	strata_detect_start(&d, 8, 32);
	right = true;
	for (int i = 0; i < 40; i++)
	{
		int64_t at = i % 2 == 0 ? 1 : 2 + i / 2 % 2;

		n = go(at);
		for (int k = 0; k < n; k++)
			for (int j = 0; j < k; j++)
				right &= ahead[k] != ahead[j] && ahead[k] != at;
		strata_detect_outcome(&d, STRATA_FORESEEN_READY);
	}
	ok(right && d.pattern == STRATA_PATTERN_CYCLE && d.cycle_length == 4,
	   "a cycle that has a position twice does not ask for it twice");

	/* 1 2 3 4 3 4: a cycle with a smaller one inside, which is found first. */
	strata_detect_start(&d, 8, 32);
	n = 0;
	for (int i = 0; i < 60; i++)
	{
		static const int64_t outer[] = {1, 2, 3, 4, 3, 4};

		go(outer[i % 6]);
		if (i >= 12)
			n += d.pattern == STRATA_PATTERN_CYCLE && d.cycle_length == 6;
	}
	is_int(n, 48, "a cycle inside another does not hide it for long");

	/* A small table scanned again and again: a run at first, then a cycle that also knows what follows the
	 * end. */
	strata_detect_start(&d, 2, 4);
	for (int i = 0; i < 10 * 5; i++)
		n = go(i % 10);
	is_int(d.pattern, STRATA_PATTERN_CYCLE, "ten units in a loop become a cycle");
	go(8);
	ok(d.last == 8 && d.pattern == STRATA_PATTERN_NONE, "leaving the cycle ends it");
}

/* ---- noise and change ---- */

static void
test_noise(void)
{
	int n = 0;
	bool right = true;

	strata_detect_start(&d, 2, 64);
	for (int i = 0; i < 100000; i++)
		n += go((int64_t)rnd());
	is_int(n, 0, "100,000 random positions: nothing is asked for");

	strata_detect_start(&d, 2, 64);
	for (int i = 0; i < 100; i++)
		n += go(42);
	is_int(n, 0, "staying at a position is no pattern");

	/* A run with one foreign position: the pattern is lost and found again. */
	strata_detect_start(&d, 2, 64);
	for (int i = 0; i < 20; i++)
		go(i);
	right = go(1000000) == 0 && d.pattern == STRATA_PATTERN_NONE;
	right &= go(20) == 0 && go(21) == 0;
	n = go(22);
	ok(right && d.pattern == STRATA_PATTERN_SEQUENTIAL,
	   "a foreign position ends the run, a new run is found");
	ok(n > 0 && ahead[n - 1] == 22 + d.window, "and reaches as far as the window again");
}

static void
test_direction_change(void)
{
	int window, n;
	bool right = true;

	strata_detect_start(&d, 2, 64);
	for (int i = 0; i <= 200; i++)
	{
		go(i);
		strata_detect_outcome(&d, STRATA_FORESEEN_READY);
	}
	window = d.window;
	is_int(window, 64, "the window has grown to its bound");
	is_int(go(199), 0, "turning round asks for nothing");
	is_int(d.window, window / 2, "what was asked for in the old direction halves the window, once");
	n = go(198);
	ok(d.pattern == STRATA_PATTERN_SEQUENTIAL && d.stride == -1 && n == d.window && ahead[0] == 197,
	   "after the threshold the new direction is asked for");
	for (int i = 197; i >= 100; i--)
	{
		n = go(i);
		for (int k = 0; k < n; k++)
			right &= ahead[k] < i;
		strata_detect_outcome(&d, STRATA_FORESEEN_READY);
	}
	ok(right && d.window == 64, "and the window grows again");

	/* There and back at once: what is still in flight is not asked for again. */
	strata_detect_start(&d, 1, 8);
	go(10);
	n = go(11); /* asks for 12 and 13 */
	ok(n == 2 && ahead[0] == 12 && ahead[1] == 13, "a run is asked for");
	go(1000);
	go(10);
	n = go(11);
	ok(n == 0 && d.pattern == STRATA_PATTERN_SEQUENTIAL,
	   "a position in flight is not asked for by a new run");
	n = go(12);
	ok(n == 0 && d.nasked == 1, "nor later");
	n = go(13);
	ok(n == 1 && ahead[0] == 14, "but what is new is");
}

static void
test_passing_over(void)
{
	int window, n = 0;

	strata_detect_start(&d, 2, 32);
	for (int i = 0; i <= 100; i++)
	{
		go(i);
		strata_detect_outcome(&d, STRATA_FORESEEN_READY);
	}
	window = d.window;
	go(103);
	ok(d.pattern == STRATA_PATTERN_SEQUENTIAL && d.window == window / 2,
	   "passing over two positions keeps the run and halves the window");
	go(105);
	is_int(d.window, window / 2, "what was asked for under the wider window does not halve it again");

	strata_detect_start(&d, 2, 32);
	for (int i = 0; i <= 300; i += 1 + (i % 7 == 0))
	{
		n = go(i);
		for (int k = 0; k < n; k++)
			if ((ahead[k] - 1) % 7 == 0)
				strata_detect_nothing_at(&d, ahead[k]);
		strata_detect_outcome(&d, STRATA_FORESEEN_READY);
	}
	ok(d.pattern == STRATA_PATTERN_SEQUENTIAL && d.window == 32,
	   "passing over positions that have nothing is no waste");

	strata_detect_start(&d, 2, 32);
	for (int i = 0; i <= 100; i++)
	{
		go(i);
		strata_detect_outcome(&d, STRATA_FORESEEN_READY);
	}
	go(102);
	go(104);
	n = go(105);
	ok(d.pattern == STRATA_PATTERN_SEQUENTIAL && d.nasked > 0,
	   "passing over every second position for a while is no stride yet");

	strata_detect_start(&d, 2, 32);
	for (int i = 0; i <= 60; i++)
		go(i);
	for (int i = 62; i <= 160; i += 2)
	{
		go(i);
		strata_detect_outcome(&d, STRATA_FORESEEN_READY);
	}
	ok(d.pattern == STRATA_PATTERN_STRIDED && d.stride == 2 && d.window == 32,
	   "every second position of a run, for long, is a stride");
}

static void
test_max(void)
{
	int n;

	strata_detect_start(&d, 1, 8);
	go(0);
	n = strata_detect_next(&d, 1, ahead, 1);
	ok(n == 1 && ahead[0] == 2, "no more positions than there is room for");
	n = strata_detect_next(&d, 1, ahead, 8);
	ok(n == 1 && ahead[0] == 3, "the rest comes when asked again at the same position");
	is_int(strata_detect_next(&d, 1, ahead, 8), 0, "and then nothing");
	is_int(strata_detect_next(&d, 2, ahead, 0), 0, "no room, no positions");
	n = strata_detect_next(&d, 3, ahead, 8);
	ok(n == 2 && ahead[0] == 4 && ahead[1] == 5, "nothing is lost by having had no room");

	strata_detect_start(&d, 1, 100000);
	is_int(d.limit, STRATA_PREFETCH_MAX, "the window has a bound of its own");
	strata_detect_start(&d, -5, -5);
	ok(d.limit == 1 && d.threshold == 1 && d.window == 1, "settings out of range are taken to the bounds");
	go(0);
	n = go(1);
	ok(n == 1 && ahead[0] == 2, "a window of one asks for the next position only");
}

/* ---- the window ---- */

static void
test_window(void)
{
	static const StrataForesight good[] = {STRATA_FORESEEN_READY, STRATA_FORESEEN_LATE};
	int at = 0, halvings = 0, before;
	bool right = true;

	for (int kind = 0; kind < 2; kind++)
	{
		int expected = 2, used = 0;

		strata_detect_start(&d, 1, 100);
		go(0);
		for (at = 1; at < 400; at++)
		{
			/* The first foreseen position is 2, and counts when the scan leaves it. */
			if (at >= 4 && ++used == expected)
			{
				expected = expected * 2 < 100 ? expected * 2 : 100;
				used = 0;
			}
			else if (at == 3)
				used = 1;
			go(at);
			right &= d.window == expected;
			strata_detect_outcome(&d, good[kind]);
		}
		right &= d.window == 100;
	}
	ok(right, "pages that were wanted, in time or late, double the window to its bound");

	right = true;
	before = d.window;
	for (int i = 0; i < 1000; i++)
	{
		go(at++);
		halvings += d.window != before;
		right &= d.window == before || d.window == (before > 1 ? before / 2 : 1);
		before = d.window;
		strata_detect_outcome(&d, STRATA_FORESEEN_LOST);
	}
	ok(right && d.window == 1, "pages evicted before they are needed halve it down to one");
	is_int(halvings, 6, "100, 50, 25, 12, 6, 3, 1");

	/* All that 256 positions in flight can say at once is one thing. */
	strata_detect_start(&d, 1, 256);
	for (at = 0; at < 2000; at++)
	{
		go(at);
		strata_detect_outcome(&d, STRATA_FORESEEN_READY);
	}
	right = d.window == 256;
	for (int i = 0; i < 250; i++)
	{
		go(at++);
		strata_detect_outcome(&d, STRATA_FORESEEN_LOST);
	}
	ok(right && d.window == 128, "one window lost halves once");

	/* The pool has grown: after some patience at the old width the window opens as fast as ever. */
	strata_detect_start(&d, 1, 256);
	for (at = 0; d.window < 16; at++)
	{
		go(at);
		strata_detect_outcome(&d, STRATA_FORESEEN_READY);
	}
	strata_detect_outcome(&d, STRATA_FORESEEN_LOST);
	strata_detect_outcome(&d, STRATA_FORESEEN_LOST);
	go(at++);
	is_int(d.window, 8, "lost at 16");
	for (int i = 0; i < 200; i++)
	{
		strata_detect_outcome(&d, STRATA_FORESEEN_READY);
		go(at++);
	}
	is_int(d.window, 8, "it does not go back at once");
	for (int i = 0; i < 400; i++)
	{
		strata_detect_outcome(&d, STRATA_FORESEEN_READY);
		go(at++);
	}
	is_int(d.window, 256, "but when 16 goes well, it goes on");

	strata_detect_limit(&d, 10);
	is_int(d.window, 10, "a lower bound holds at once");
	for (int i = 0; i < 50; i++)
	{
		go(at++);
		for (int k = 0; k < 3; k++)
			strata_detect_outcome(&d, k == 0 ? STRATA_FORESEEN_LOST : STRATA_FORESEEN_READY);
	}
	is_int(d.window, 10, "the majority of a position's pages counts");

	strata_detect_start(&d, 5, 64);
	for (int i = 0; i < 5; i++)
	{
		go(i);
		strata_detect_outcome(&d, STRATA_FORESEEN_LOST);
	}
	go(5);
	is_int(d.window, 2, "outcomes at positions that were not foreseen say nothing");
}

/*
 * A cache of `size` pages (least recently used goes) and one reader that needs `read` ticks a page; the scan
 * works `work` ticks on a page and reads it itself when the reader has not come to it.
 */
typedef struct Cache
{
	int size, n;
	int64_t page[512]; /* most recent first */
	int64_t queue[4096], loaded_at;
	int head, tail;
	int read;
	int64_t ever[512]; /* loaded by the reader, latest first */
	int never;
} Cache;

typedef struct Fared
{
	int ready, late, lost, width;
} Fared;

static bool
cached(const Cache *c, int64_t page)
{
	for (int i = 0; i < c->n; i++)
		if (c->page[i] == page)
			return true;
	return false;
}

static void
touch(Cache *c, int64_t page)
{
	int i;

	for (i = 0; i < c->n && c->page[i] != page; i++)
		;
	if (i == c->n && c->n < c->size)
		c->n++;
	if (i == c->size)
		i--;
	memmove(&c->page[1], &c->page[0], (size_t)i * sizeof(c->page[0]));
	c->page[0] = page;
}

/* The reader works until `now`. */
static void
reader(Cache *c, int64_t now)
{
	while (c->head != c->tail && c->loaded_at + c->read <= now)
	{
		c->loaded_at += c->read;
		memmove(&c->ever[1], &c->ever[0], 511 * sizeof(c->ever[0]));
		c->ever[0] = c->queue[c->head % 4096];
		touch(c, c->queue[c->head++ % 4096]);
	}
	if (c->head == c->tail)
		c->loaded_at = now;
}

/* adapt: tell the detector how pages fared, or keep the window as wide as the limit. */
static Fared
scan(int pages, int size, int read, int work, int limit, bool adapt)
{
	static Cache c;
	Fared fared = {0};
	int64_t now = 0;

	memset(&c, 0, sizeof(c));
	memset(c.ever, -1, sizeof(c.ever));
	c.size = size;
	c.read = read;
	strata_detect_start(&d, 2, limit);
	for (int64_t p = 0; p < pages; p++)
	{
		bool loaded = false;
		int n;

		if (!adapt)
			d.window = limit;
		n = go(p);
		reader(&c, now);
		for (int k = 0; k < n; k++)
			c.queue[c.tail++ % 4096] = ahead[k];
		for (int i = 0; i < 512; i++)
			loaded |= c.ever[i] == p;
		if (cached(&c, p))
			fared.ready++;
		else
		{
			if (loaded)
				fared.lost++;
			else
				fared.late++;
			now += read;
		}
		if (adapt)
			strata_detect_outcome(&d, cached(&c, p) ? STRATA_FORESEEN_READY
									  : loaded		? STRATA_FORESEEN_LOST
													: STRATA_FORESEEN_LATE);
		touch(&c, p);
		now += work;
		fared.width = d.window > fared.width ? d.window : fared.width;
	}
	return fared;
}

static void
test_cache(void)
{
	Fared f = scan(2000, 500, 1, 10, 64, true);

	note("roomy cache, fast reader: %d ready, %d late, %d lost, window up to %d", f.ready, f.late, f.lost,
		 f.width);
	ok(f.ready >= 1990 && f.lost == 0 && f.width == 64,
	   "a roomy cache and a fast reader: all but the first are ready");

	f = scan(2000, 500, 30, 10, 64, true);
	note("slow reader: %d ready, %d late, %d lost, window up to %d", f.ready, f.late, f.lost, f.width);
	ok(f.lost < 20 && f.ready + f.late >= 1980, "a reader slower than the scan loses nothing");

	f = scan(2000, 8, 1, 300, 256, false);
	note("small cache, fixed window: %d ready, %d late, %d lost", f.ready, f.late, f.lost);
	ok(f.ready < 200 && f.lost > 1500,
	   "a window of 256 over a cache of 8 loses nearly all (so the next test can fail)");
	f = scan(2000, 8, 1, 300, 256, true);
	note("small cache: %d ready, %d late, %d lost, window up to %d", f.ready, f.late, f.lost, f.width);
	ok(f.ready > 1700 && f.width <= 32, "the adaptive window keeps to what the cache holds");
}

/*
 * Random mixtures of everything.  The rules that always hold, seen from outside: no position is asked for
 * again within STRATA_DETECT_MEMORY steps unless the scan was there in between; never the present one; no
 * more than the window at a time; the window between 1 and the limit.
 */
static void
test_mixture(void)
{
	enum
	{
		STEPS = 300000,
		SPACE = 4096
	};
	static int asked_step[SPACE];
	const char *wrong = NULL;
	int64_t at = 0, step = 1;
	int left = 0, patterns[4] = {0}, limit = 64;

	for (int i = 0; i < SPACE; i++)
		asked_step[i] = -1000;
	strata_detect_start(&d, 2, limit);
	for (int i = 0; i < STEPS && !wrong; i++)
	{
		int n;
		bool moved = true;

		if (left-- == 0)
		{
			left = (int)(rnd() % 60);
			step = (int64_t)(rnd() % 9) - 4;
			if (rnd() % 4 == 0)
				at = (int64_t)(rnd() % SPACE);
		}
		else if (step == 4) /* a cycle */
			at = at / 8 * 8 + (at + 3) % 8;
		else
		{
			moved = step != 0;
			at += step + (rnd() % 50 == 0 ? (int64_t)(rnd() % 3) : 0);
		}
		at = (at % SPACE + SPACE) % SPACE;
		n = go(at);
		if (moved)
			asked_step[at] = -1000;
		for (int k = 0; k < n; k++)
		{
			if (ahead[k] == at)
				wrong = "asked for the position it is at";
			if (ahead[k] < 0 || ahead[k] >= SPACE)
				continue;
			if (i - asked_step[ahead[k]] < STRATA_DETECT_MEMORY)
				wrong = "asked for a position in flight";
			asked_step[ahead[k]] = i;
		}
		if (n > d.window || d.window < 1 || d.window > limit)
			wrong = "the window is out of bounds";
		patterns[d.pattern]++;
		strata_detect_outcome(&d, rnd() % 10 == 0 ? STRATA_FORESEEN_LOST : STRATA_FORESEEN_READY);
	}
	ok(!wrong, "%d steps of mixed patterns: %s", STEPS, wrong ? wrong : "all rules hold");
	note("steps without pattern %d, runs %d, strides %d, cycles %d", patterns[0], patterns[1], patterns[2],
		 patterns[3]);
	ok(patterns[0] > 1000 && patterns[1] > 1000 && patterns[2] > 1000 && patterns[3] > 1000,
	   "all patterns took part");
}

int
main(void)
{
	test_strides();
	test_ends_of_int64();
	test_cycles();
	test_noise();
	test_direction_change();
	test_passing_over();
	test_max();
	test_window();
	test_cache();
	test_mixture();
	return tap_done();
}
