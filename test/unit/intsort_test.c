/*
 * intsort_test.c - the two integer sorts against qsort(), over orders that quicksorts are known to dislike.
 */
#include <stdio.h>
#include <stdlib.h>

#include "exec/intsort.h"
#include "tap.h"

extern bool strata_intsort_no_luck;

static unsigned long polls;

static void
poll(void)
{
	polls++;
}

static uint64_t
random_u64(void)
{
	static uint64_t s = 88172645463325252u;

	s ^= s << 13;
	s ^= s >> 7;
	s ^= s << 17;
	return s;
}

/* Values whose low 32 bits are the position, as rows have them: distinct, the high part of any order. */
static uint64_t
value(int order, size_t i, size_t n)
{
	uint64_t high;

	switch (order)
	{
		case 0:
			high = random_u64() >> 32;
			break;
		case 1:
			high = i;
			break;
		case 2:
			high = n - i;
			break;
		case 3:
			high = 7;
			break;
		case 4:
			high = i % 3;
			break;
		case 5: /* organ pipe */
			high = i < n / 2 ? i : n - i;
			break;
		case 6:
			high = i % 1024;
			break;
		case 7: /* ascending but for a few */
			high = i % 97 == 0 ? random_u64() % (n + 1) : i;
			break;
		default: /* extremes */
			high = i % 5 == 0 ? UINT32_MAX : random_u64() % 2;
	}
	return high << 32 | (uint32_t)i;
}

static int
by_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int
by_wide(const void *a, const void *b)
{
	const StrataWide *x = a, *y = b;

	return x->hi != y->hi ? (x->hi < y->hi ? -1 : 1) : x->lo < y->lo ? -1 : x->lo > y->lo;
}

static bool
sorts_u64(int order, size_t n)
{
	uint64_t *a = malloc((n + 1) * sizeof(uint64_t)), *b = malloc((n + 1) * sizeof(uint64_t));
	bool same;

	for (size_t i = 0; i < n; i++)
		a[i] = b[i] = value(order, i, n);
	a[n] = 4711;
	strata_sort_u64(a, n, poll);
	qsort(b, n, sizeof(uint64_t), by_u64);
	same = memcmp(a, b, n * sizeof(uint64_t)) == 0 && a[n] == 4711;
	free(a);
	free(b);
	return same;
}

/* The order is in the high word, in the low one, or across both. */
static bool
sorts_wide(int order, size_t n, int shift)
{
	StrataWide *a = malloc((n + 1) * sizeof(StrataWide)), *b = malloc((n + 1) * sizeof(StrataWide));
	bool same;

	for (size_t i = 0; i < n; i++)
	{
		unsigned __int128 v = (unsigned __int128)value(order, i, n) << shift;

		a[i] = b[i] = (StrataWide){(uint64_t)(v >> 64) & INT64_MAX, (uint64_t)v | (shift > 32 ? i : 0)};
	}
	strata_sort_wide(a, n, poll);
	qsort(b, n, sizeof(StrataWide), by_wide);
	same = memcmp(a, b, n * sizeof(StrataWide)) == 0;
	free(a);
	free(b);
	return same;
}

int
main(void)
{
	static const size_t sizes[] = {0, 1, 2, 3, 23, 24, 25, 26, 100, 499, 500, 501, 1023, 4096, 50001};

	for (int order = 0; order <= 8; order++)
	{
		bool narrow = true, wide = true;

		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
		{
			narrow &= sorts_u64(order, sizes[s]);
			for (int shift = 0; shift <= 63; shift += 21)
				wide &= sorts_wide(order, sizes[s], shift);
		}
		ok(narrow, "64 bits, order %d", order);
		ok(wide, "128 bits, order %d", order);
	}
	{
		bool all = true;

		for (size_t n = 0; n < 300; n++)
			all &= sorts_u64(0, n) && sorts_wide(0, n, 40);
		ok(all, "every length below 300");
	}
	strata_intsort_no_luck = true;
	ok(sorts_u64(0, 50001) && sorts_wide(0, 50001, 21) && sorts_u64(2, 101) && sorts_wide(4, 1000, 63),
	   "bad luck with pivots");
	strata_intsort_no_luck = false;
	polls = 0;
	ok(sorts_u64(0, 1000000) && polls > 10, "a large sort polls: %lu times", polls);
	return tap_done();
}
