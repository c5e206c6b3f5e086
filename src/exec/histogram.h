/*
 * histogram.h - durations in log-linear buckets: 16 for each power of two, so a bucket is within 6 % of its values.
 *
 * Included by: src/exec/metrics.*, unit tests (plain C11; no postgres.h).
 * Memory: counts are the caller's array of STRATA_HISTOGRAM_BUCKETS.  Locking: none, pure functions.
 * Not here: counting (metrics.c).
 */
#ifndef STRATA_EXEC_HISTOGRAM_H
#define STRATA_EXEC_HISTOGRAM_H

#include <stdint.h>

/* Nanoseconds below 16 have a bucket each; from 2^48 (78 hours) on there is one for all. */
#define STRATA_HISTOGRAM_BUCKETS (16 + (48 - 4) * 16 + 1)

extern unsigned strata_histogram_bucket(uint64_t ns);
/* The middle of a bucket. */
extern double strata_histogram_value(unsigned bucket);
/* The value that `fraction` of all counted ones do not exceed, give or take the width of its bucket; 0 when
 * nothing was counted. */
extern double strata_histogram_percentile(const uint64_t *counts, double fraction);

#endif
