/*
 * prefetch_detect.c - from the positions a scan was at, the positions it will be at: patterns and window.
 *
 * Strides need no search: the detector counts equal steps.  A worker of a parallel scan, which takes every
 * n-th unit, shows a stride too.  A cycle is what the longest stretch of latest positions has gone through
 * twice in full (the longest, since a cycle may have smaller ones inside).  The prefix function of Knuth,
 * Morris and Pratt over the history read backwards finds it in one pass of some 128 comparisons.  One turn
 * and a bit would find cycles earlier, but also many that are none.
 *
 * While a pattern holds, the positions asked for are always the nearest ones ahead on it.  So a queue is
 * enough to know them, and what is to be asked for next is only what lies between its end and the window.  A
 * scan that jumps over some of them (to a position still in the queue) keeps its pattern; a scan that leaves
 * it loses the pattern.  What it passed or left is stray: wasted, but perhaps still on its way, so not asked
 * for again at once.
 *
 * The window.  Doubling after a window's worth of used positions is slow start as TCP has it, and so is the
 * memory of the width at which it failed.  A page that was foreseen but not there in time calls for a longer
 * look ahead, so it counts as used.  A page loaded and evicted before it was needed says that the window is
 * larger than what the pool can keep for this scan; positions passed over say that the pattern is less true
 * than it looks.  Both halve, but what was asked for before the window last halved has been answered by that:
 * each position remembers the generation of its window.
 */
#include "pool/prefetch_detect.h"

#include <limits.h>

#define FIRST_WINDOW 2
/* Windowfuls used before the window goes back to a width that the pool could not keep: it then loses about
 * one windowful in so many, and learns in as many that the pool has grown. */
#define WALL_PATIENCE 32
/* So many equal steps along a pattern that pass over some of it are a pattern of their own. */
#define PASSING_STRIDE 4

static int
clamp(int value, int low, int high)
{
	return value < low ? low : value > high ? high : value;
}

void
strata_detect_start(StrataDetector *d, int threshold, int limit)
{
	*d = (StrataDetector){0};
	d->threshold = clamp(threshold, 1, INT_MAX);
	d->window = FIRST_WINDOW;
	strata_detect_limit(d, limit);
}

void
strata_detect_limit(StrataDetector *d, int limit)
{
	d->limit = clamp(limit, 1, STRATA_PREFETCH_MAX);
	if (d->window > d->limit)
	{
		d->window = d->limit;
		d->used = 0;
	}
}

/* ---- the window ---- */

static void
narrow(StrataDetector *d)
{
	d->window = d->window > 1 ? d->window / 2 : 1;
	d->used = 0;
	d->generation++;
}

static void
widen(StrataDetector *d)
{
	int wider = clamp(d->window * 2, 1, d->limit);

	d->used++;
	if (d->used >= d->window && d->window >= d->wall)
		d->wall = 0; /* a windowful was used, none was lost */
	if (d->used < (d->wall > 0 && wider >= d->wall ? WALL_PATIENCE : 1) * d->window)
		return;
	d->window = wider;
	d->used = 0;
}

/* The scan leaves the position it was at: what its pages say about the window. */
static void
judge_outcomes(StrataDetector *d)
{
	int timely = d->ready + d->late;

	if (d->foreseen && d->lost > timely)
	{
		if (d->foreseen_generation == d->generation)
		{
			d->wall = d->window;
			narrow(d);
		}
	}
	else if (d->foreseen && timely > 0)
		widen(d);
	d->foreseen = false;
	d->ready = d->late = d->lost = 0;
}

/* ---- positions in flight ---- */

static StrataDetectAsked *
asked_at(StrataDetector *d, int i)
{
	return &d->asked[(d->asked_first + i) % STRATA_PREFETCH_MAX];
}

static void
drop_first_asked(StrataDetector *d)
{
	d->asked_first = (d->asked_first + 1) % STRATA_PREFETCH_MAX;
	d->nasked--;
}

static void
add_stray(StrataDetector *d, int64_t position)
{
	int slot;

	if (d->nstray == STRATA_DETECT_STRAYS)
	{
		d->stray_first = (d->stray_first + 1) % STRATA_DETECT_STRAYS;
		d->nstray--;
	}
	slot = (d->stray_first + d->nstray++) % STRATA_DETECT_STRAYS;
	d->stray[slot].position = position;
	d->stray[slot].until = d->steps + STRATA_DETECT_MEMORY;
}

/* The nearest position asked for will not be come to.  True: waste that the window has not answered yet. */
static bool
waste_first_asked(StrataDetector *d)
{
	StrataDetectAsked a = *asked_at(d, 0);

	drop_first_asked(d);
	if (a.silent)
		return false;
	add_stray(d, a.position);
	return a.generation == d->generation;
}

static void
forget_old_strays(StrataDetector *d)
{
	while (d->nstray > 0 && d->stray[d->stray_first].until <= d->steps)
	{
		d->stray_first = (d->stray_first + 1) % STRATA_DETECT_STRAYS;
		d->nstray--;
	}
}

/* The scan has come to the position, or wants it on the new pattern: was it a stray?  It is none any more. */
static bool
take_stray(StrataDetector *d, int64_t position)
{
	int kept = 0;

	for (int i = 0; i < d->nstray; i++)
	{
		int from = (d->stray_first + i) % STRATA_DETECT_STRAYS;

		if (d->stray[from].position != position)
			d->stray[(d->stray_first + kept++) % STRATA_DETECT_STRAYS] = d->stray[from];
	}
	if (kept == d->nstray)
		return false;
	d->nstray = kept;
	return true;
}

/* The pattern is over.  What was asked for on it was in vain, and may still be on its way. */
static void
abandon(StrataDetector *d)
{
	bool waste = false;

	while (d->nasked > 0)
		waste |= waste_first_asked(d);
	d->pattern = STRATA_PATTERN_NONE;
	if (waste)
		narrow(d);
}

/* ---- patterns ---- */

/* The i-th position ahead on the pattern, 1 the nearest.  False: there is none. */
static bool
foresee(const StrataDetector *d, int i, int64_t *position)
{
	int64_t way;

	switch (d->pattern)
	{
		case STRATA_PATTERN_SEQUENTIAL:
		case STRATA_PATTERN_STRIDED:
			return !__builtin_mul_overflow(d->stride, (int64_t)i, &way) &&
				   !__builtin_add_overflow(d->last, way, position);
		case STRATA_PATTERN_CYCLE:
			if (i >= d->cycle_length)
				return false; /* once around is everything */
			*position = d->cycle[(d->cycle_at + i) % d->cycle_length];
			return true;
		case STRATA_PATTERN_NONE:
			break;
	}
	return false;
}

/*
 * Which of the positions ahead is this one?  0: none.  Looks at what was asked for, and at the next position
 * in any case; each step of the scan can be compared with few, since a scan passes over what it did not need.
 */
static int
place_ahead(const StrataDetector *d, int64_t position)
{
	int n = d->nasked > 0 ? d->nasked : 1;
	int64_t foreseen;

	for (int i = 1; i <= n && foresee(d, i, &foreseen); i++)
		if (foreseen == position)
			return i;
	return 0;
}

/* The scan came to the i-th position ahead: it and those before it are in flight no more. */
static void
follow(StrataDetector *d, int i)
{
	bool waste = false;

	for (int k = 1; k < i; k++)
		waste |= waste_first_asked(d);
	if (d->nasked > 0)
	{
		d->foreseen = !asked_at(d, 0)->silent;
		d->foreseen_generation = asked_at(d, 0)->generation;
		drop_first_asked(d);
	}
	if (d->pattern == STRATA_PATTERN_CYCLE)
		d->cycle_at = (d->cycle_at + i) % d->cycle_length;
	if (waste)
		narrow(d);
}

static void
remember(StrataDetector *d, int64_t position)
{
	int64_t step = 0;

	if (d->nhistory > 0 && __builtin_sub_overflow(position, d->last, &step))
		step = 0;
	d->run = step == 0 ? 0 : step != d->step ? 1 : d->run == INT_MAX ? INT_MAX : d->run + 1;
	d->step = step;
	d->last = position;
	d->history[d->nhistory++ % STRATA_DETECT_HISTORY] = position;
	d->steps++;
}

/* The i-th latest position, 0 the present one. */
static int64_t
latest(const StrataDetector *d, int i)
{
	return d->history[(d->nhistory - 1 - (uint64_t)i) % STRATA_DETECT_HISTORY];
}

/* Length of the cycle that most of the latest positions have gone through twice; 0: none. */
static int
find_cycle(const StrataDetector *d)
{
	int border[STRATA_DETECT_HISTORY]; /* longest proper border of the latest i + 1 positions */
	int n = d->nhistory < STRATA_DETECT_HISTORY ? (int)d->nhistory : STRATA_DETECT_HISTORY;
	int best = 0;

	if (n == 0)
		return 0;
	border[0] = 0;
	for (int i = 1; i < n; i++)
	{
		int b = border[i - 1];
		int period;

		while (b > 0 && latest(d, i) != latest(d, b))
			b = border[b - 1];
		if (latest(d, i) == latest(d, b))
			b++;
		border[i] = b;
		period = i + 1 - b;
		if (2 * period <= i + 1)
			best = period;
	}
	return best;
}

/* The positions up to now show a pattern that is not the present one. */
static void
look_for_pattern(StrataDetector *d)
{
	int length = d->pattern == STRATA_PATTERN_CYCLE ? 0 : find_cycle(d);
	bool unit_step = d->step == 1 || d->step == -1;

	if (length > 0)
	{
		abandon(d);
		d->pattern = STRATA_PATTERN_CYCLE;
		d->cycle_length = length;
		for (int i = 0; i < length; i++)
			d->cycle[i] = latest(d, length - 1 - i);
		d->cycle_at = length - 1;
		return;
	}
	/* Two points make a stride of any distance, so that takes three. */
	if (d->pattern == STRATA_PATTERN_CYCLE || d->run < d->threshold || (!unit_step && d->run < 2))
		return;
	if (d->pattern != STRATA_PATTERN_NONE && (d->stride == d->step || d->run < PASSING_STRIDE))
		return;
	abandon(d);
	d->pattern = unit_step ? STRATA_PATTERN_SEQUENTIAL : STRATA_PATTERN_STRIDED;
	d->stride = d->step;
}

/* Is the position where the scan is, or asked for already?  Strides never come back, cycles may. */
static bool
no_need_to_ask(StrataDetector *d, int64_t position)
{
	if (position == d->last)
		return true;
	if (d->pattern == STRATA_PATTERN_CYCLE)
		for (int i = 0; i < d->nasked; i++)
			if (asked_at(d, i)->position == position)
				return true;
	return false;
}

/* Fills the queue of positions asked for up to the window. */
static int
ask(StrataDetector *d, int64_t *ahead, int max)
{
	int n = 0;
	int64_t position;

	while (n < max && d->nasked < d->window && foresee(d, d->nasked + 1, &position))
	{
		bool silent = no_need_to_ask(d, position);

		if (!silent && !take_stray(d, position))
			ahead[n++] = position;
		*asked_at(d, d->nasked++) = (StrataDetectAsked){position, d->generation, silent};
	}
	return n;
}

int
strata_detect_next(StrataDetector *d, int64_t position, int64_t *ahead, int max)
{
	int place;

	if (d->nhistory > 0 && position == d->last)
		return ask(d, ahead, max);
	judge_outcomes(d);
	place = place_ahead(d, position);
	if (place > 0)
		follow(d, place);
	else
		abandon(d);
	if (take_stray(d, position))
	{
		d->foreseen = true;
		d->foreseen_generation = d->generation - 1; /* its waste is answered */
	}
	remember(d, position);
	forget_old_strays(d);
	look_for_pattern(d);
	return ask(d, ahead, max);
}

void
strata_detect_nothing_at(StrataDetector *d, int64_t position)
{
	for (int i = 0; i < d->nasked; i++)
		if (asked_at(d, i)->position == position)
			asked_at(d, i)->silent = true;
}

void
strata_detect_outcome(StrataDetector *d, StrataForesight outcome)
{
	switch (outcome)
	{
		case STRATA_FORESEEN_READY:
			d->ready++;
			break;
		case STRATA_FORESEEN_LATE:
			d->late++;
			break;
		case STRATA_FORESEEN_LOST:
			d->lost++;
			break;
	}
}
