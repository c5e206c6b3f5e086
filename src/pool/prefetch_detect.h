/*
 * prefetch_detect.h - from the positions a scan was at, the positions it will be at: patterns and window.
 *
 * Included by: pool/prefetch.h, unit tests (plain C11; no postgres.h).
 * Memory: one struct, given by the caller, private to one scan; nothing is allocated.  Locking: none.
 * Not here: what lies at a position, and reading it.
 *
 * The rules, in short; prefetch_detect.c says why.
 *
 * - A run (+1 or -1) is believed after `threshold` equal steps, another stride after at least two, a cycle
 * when a sequence of up to STRATA_PREFETCH_CYCLE positions has come twice in full.  A cycle wins over the
 * others.
 * - The window starts at 2.  It doubles each time that as many foreseen positions as it is wide were used,
 * and halves when positions were asked for in vain: passed over, or evicted before the scan came.
 * - A position asked for is in flight until the scan comes to it, or, once the scan has passed it over or
 * left the pattern, for STRATA_DETECT_MEMORY more steps; it is not asked for again while in flight.
 */
#ifndef STRATA_POOL_PREFETCH_DETECT_H
#define STRATA_POOL_PREFETCH_DETECT_H

#include <stdbool.h>
#include <stdint.h>

#define STRATA_PREFETCH_CYCLE 64  /* longest cycle that is found */
#define STRATA_PREFETCH_MAX	  256 /* widest window; bound of strata.prefetch_pages */
#define STRATA_DETECT_HISTORY (2 * STRATA_PREFETCH_CYCLE)
#define STRATA_DETECT_MEMORY  64 /* steps */
/* Windows halve with each break and grow by no more than is used, so no more than this go astray in that
 * time. */
#define STRATA_DETECT_STRAYS (2 * STRATA_PREFETCH_MAX + STRATA_DETECT_MEMORY)

typedef enum StrataPattern
{
	STRATA_PATTERN_NONE,
	STRATA_PATTERN_SEQUENTIAL,
	STRATA_PATTERN_STRIDED,
	STRATA_PATTERN_CYCLE
} StrataPattern;

/* How a page at a foreseen position fared. */
typedef enum StrataForesight
{
	STRATA_FORESEEN_READY, /* it was in memory when it was needed */
	STRATA_FORESEEN_LATE,  /* it had to be waited for: foreseen, but not early enough */
	STRATA_FORESEEN_LOST   /* it had been loaded, and evicted again before it was needed */
} StrataForesight;

typedef struct StrataDetectAsked
{
	int64_t position;
	unsigned generation; /* of the window that let it be asked for */
	bool silent; /* nobody was asked to read it (it comes twice, or is not there): passing over it is no waste
				  */
} StrataDetectAsked;

typedef struct StrataDetector
{
	int threshold; /* steps that make a run */
	int limit;	   /* the window is never wider */
	StrataPattern pattern;
	int window;
	int used; /* foreseen positions used since the window last changed */
	int wall; /* how wide it was when pages were last lost; 0: they were not, or it was wider since */
	unsigned generation; /* how often the window has halved */

	uint64_t steps;							/* changes of position so far */
	int64_t last;							/* where the scan is; meaningless before the first call */
	int64_t step;							/* how it came there; 0: unknown, or not a 64-bit number */
	int run;								/* equal steps up to now */
	int64_t history[STRATA_DETECT_HISTORY]; /* the latest at (nhistory - 1) modulo its length */
	uint64_t nhistory;

	int64_t stride;						  /* SEQUENTIAL, STRIDED */
	int64_t cycle[STRATA_PREFETCH_CYCLE]; /* CYCLE */
	int cycle_length, cycle_at;

	/* Asked for on the present pattern: the first `nasked` positions ahead, nearest at asked_first. */
	StrataDetectAsked asked[STRATA_PREFETCH_MAX];
	int asked_first, nasked;
	/* Asked for and not reached, oldest at stray_first; each forgotten at a step number. */
	struct
	{
		int64_t position;
		uint64_t until;
	} stray[STRATA_DETECT_STRAYS];
	int stray_first, nstray;

	/* The position the scan is at: was it foreseen, and how did its pages fare? */
	bool foreseen;
	unsigned foreseen_generation;
	int ready, late, lost;
} StrataDetector;

/* threshold and limit are taken to the bounds they must keep (at least 1; at most STRATA_PREFETCH_MAX). */
extern void strata_detect_start(StrataDetector *d, int threshold, int limit);
/* The window in positions may be at most so wide from now on. */
extern void strata_detect_limit(StrataDetector *d, int limit);
/* The scan is at `position`.  Writes the positions to fetch now, nearest first; returns how many, at most
 * max. */
extern int strata_detect_next(StrataDetector *d, int64_t position, int64_t *ahead, int max);
/* There is nothing to fetch at a position that next() gave: passing over it is no waste. */
extern void strata_detect_nothing_at(StrataDetector *d, int64_t position);
/* How one page at the present position fared; ignored when the position was not foreseen. */
extern void strata_detect_outcome(StrataDetector *d, StrataForesight outcome);

#endif
