/*
 * histogram_test.c - buckets of durations, and percentiles from them.
 */
#include <math.h>

#include "exec/histogram.h"
#include "tap.h"

int
main(void)
{
	static uint64_t counts[STRATA_HISTOGRAM_BUCKETS];
	unsigned before = 0;
	bool grows = true, close = true, exact = true;
	double p50, p99;

	for (uint64_t ns = 0; ns < 16; ns++)
		exact &= strata_histogram_bucket(ns) == ns && strata_histogram_value((unsigned)ns) == (double)ns;
	ok(exact, "below 16 ns a bucket a value");
	for (uint64_t ns = 1; ns < UINT64_C(1) << 48; ns += ns / 40 + 1)
	{
		unsigned b = strata_histogram_bucket(ns);

		grows &= b >= before && b <= before + 1 && b < STRATA_HISTOGRAM_BUCKETS;
		close &= fabs(strata_histogram_value(b) - (double)ns) <= 0.0625 * (double)ns;
		before = b;
	}
	ok(grows, "buckets follow each other without a gap");
	ok(close, "a bucket's value is within 6 %% of what is in it");
	is_int(strata_histogram_bucket((UINT64_C(1) << 48) - 1), STRATA_HISTOGRAM_BUCKETS - 2,
		   "the last but one");
	ok(strata_histogram_bucket(UINT64_C(1) << 48) == STRATA_HISTOGRAM_BUCKETS - 1 &&
		   strata_histogram_bucket(UINT64_MAX) == STRATA_HISTOGRAM_BUCKETS - 1,
	   "and one for all that is longer");

	ok(strata_histogram_percentile(counts, 0.5) == 0, "no percentile of nothing");
	for (uint64_t us = 1; us <= 1000; us++)
		counts[strata_histogram_bucket(us * 1000)]++;
	p50 = strata_histogram_percentile(counts, 0.5);
	p99 = strata_histogram_percentile(counts, 0.99);
	ok(fabs(p50 - 500e3) < 32e3 && fabs(p99 - 990e3) < 62e3, "1 to 1000 us: median %.0f, 99 %% %.0f ns", p50,
	   p99);
	memset(counts, 0, sizeof(counts));
	counts[7] = 99;
	counts[100] = 1;
	ok(strata_histogram_percentile(counts, 0.99) == 7 && strata_histogram_percentile(counts, 0.995) > 7 &&
		   strata_histogram_percentile(counts, 0) == 7 &&
		   strata_histogram_percentile(counts, 1) == strata_histogram_value(100),
	   "the edges");
	return tap_done();
}
