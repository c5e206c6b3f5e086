/*
 * histogram.c - durations in log-linear buckets.
 */
#include "exec/histogram.h"

unsigned
strata_histogram_bucket(uint64_t ns)
{
	unsigned power;

	if (ns < 16)
		return (unsigned)ns;
	if (ns >= UINT64_C(1) << 48)
		return STRATA_HISTOGRAM_BUCKETS - 1;
	/* The four bits after the highest one count within a power of two. */
	power = 63 - (unsigned)__builtin_clzll(ns);
	return 16 + (power - 4) * 16 + (unsigned)(ns >> (power - 4) & 15);
}

double
strata_histogram_value(unsigned bucket)
{
	unsigned power, step;

	if (bucket < 16)
		return bucket;
	power = (bucket - 16) / 16;
	step = (bucket - 16) % 16;
	return (double)(UINT64_C(1) << power) * (16 + step + 0.5);
}

double
strata_histogram_percentile(const uint64_t *counts, double fraction)
{
	uint64_t all = 0, seen = 0;

	for (unsigned b = 0; b < STRATA_HISTOGRAM_BUCKETS; b++)
		all += counts[b];
	for (unsigned b = 0; b < STRATA_HISTOGRAM_BUCKETS; b++)
	{
		seen += counts[b];
		if (counts[b] > 0 && (double)seen >= fraction * (double)all)
			return strata_histogram_value(b);
	}
	return 0;
}
