/*
 * simd_testing.h - what the tests of the SIMD kernels share: values, lengths, arrays that end at a guard
 * page.
 *
 * Included by: simd_*test.c.  Memory: mappings to the end of the process.  Locking: none.
 *
 * Lengths from 0 to past three of the widest vectors and around a segment's vector, each with the arrays at
 * several alignments and so that they end where a page without access begins: a kernel that reads or writes
 * past what it was given dies.  Values are random, full of equal neighbours, and the extremes.
 */
#ifndef SIMD_TESTING_H
#define SIMD_TESTING_H

#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "simd/simd.h"
#include "tap.h"

#define MAX_N	   4100
#define MAX_WORDS  ((MAX_N + 63) / 64)
#define MAX_PACKED (MAX_N + 1) /* words at width 64, and the slack */

static uint64_t rng_state = 88172645463325252;

static uint64_t
rng(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state * UINT64_C(0x2545f4914f6cdd1d);
}

/* The end of a new mapping of at least `bytes`, before a page that cannot be touched. */
static char *
guarded(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = (bytes + page - 1) / page * page;
	char *p = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + size, page, PROT_NONE) != 0)
		abort();
	return p + size;
}

/* Lengths worth trying. */
static unsigned lengths[400];
static unsigned nlengths;

static void
make_lengths(void)
{
	for (unsigned n = 0; n <= 3 * 64 + 3; n++)
		lengths[nlengths++] = n;
	for (unsigned n = 1022; n <= 1026; n++)
		lengths[nlengths++] = n;
	lengths[nlengths++] = 2047;
	lengths[nlengths++] = 4099;
}

/* An array of n that ends `gap` elements before the guard page, as an l-value in the tests. */
#define TAIL(end, type, n, gap) ((type *)(end) - (n) - (gap))

static char *end_a, *end_b, *end_out, *end_mask;
static const StrataKernels *scalar = NULL;

static const int64_t special_ints[] = {
	0,
	1,
	-1,
	2,
	INT64_MAX,
	INT64_MIN,
	INT64_MAX - 1,
	INT64_MIN + 1,
	INT32_MAX,
	INT32_MIN,
	(int64_t)INT32_MAX + 1,
	(int64_t)INT32_MIN - 1,
	UINT32_MAX,
	3037000499,
	3037000500,
	-3037000500,
	INT64_C(1) << 62,
};
#define NSPECIAL_INTS (sizeof(special_ints) / sizeof(special_ints[0]))

static inline int64_t
random_int(void)
{
	switch (rng() % 4)
	{
		case 0:
			return special_ints[rng() % NSPECIAL_INTS];
		case 1:
			return (int64_t)(rng() % 5) - 2;
		case 2:
			return (int32_t)rng();
		default:
			return (int64_t)rng();
	}
}

static inline double
random_double(void)
{
	static const double specials[] = {0.0,		 -0.0, 1.0,	 -1.0,	 INFINITY,
									  -INFINITY, NAN,  -NAN, 5e-324, 1.7976931348623157e308};
	uint64_t bits = rng();
	double d;

	if (bits % 3)
		return specials[(bits >> 8) % 10];
	/* any bits at all: NaNs with payloads, subnormals */
	bits = rng();
	memcpy(&d, &bits, sizeof(d));
	return d;
}

/* Counts disagreements of one kernel; the first is remembered for the message. */
static unsigned bad;
static char first_bad[200];

#define expect(cond, ...)                                                                                    \
	do                                                                                                       \
	{                                                                                                        \
		if (!(cond) && bad++ == 0)                                                                           \
			snprintf(first_bad, sizeof(first_bad), __VA_ARGS__);                                             \
	} while (0)

static void
verdict(const char *level, const char *kernel)
{
	if (!ok(bad == 0, "%s: %s", level, kernel))
		note("%u disagree; first: %s", bad, first_bad);
	bad = 0;
}

/* Runs the block for each length and gap. */
#define FOR_ALL_CASES(...)                                                                                   \
	for (unsigned l_ = 0; l_ < nlengths; l_++)                                                               \
		for (unsigned gap = 0; gap < 4; gap++)                                                               \
		{                                                                                                    \
			unsigned n = lengths[l_];                                                                        \
			unsigned words = (n + 63) / 64;                                                                  \
                                                                                                             \
			(void)words;                                                                                     \
			__VA_ARGS__                                                                                      \
		}

static inline void
pack(const uint64_t *code, unsigned n, unsigned width, uint64_t *out)
{
	memset(out, 0, ((size_t)n * width + 63) / 64 * 8);
	for (unsigned i = 0; i < n; i++)
		for (unsigned b = 0; b < width; b++)
			if (code[i] >> b & 1)
				out[((uint64_t)i * width + b) / 64] |= UINT64_C(1) << ((uint64_t)i * width + b) % 64;
}

static const char *const op_names[] = {"=", "<>", "<", "<=", ">", ">="};

/* A word before the guard page tells a kernel that writes too many mask words. */
#define CHECK_MASK(call_scalar, call_level, what)                                                            \
	do                                                                                                       \
	{                                                                                                        \
		uint64_t want[MAX_WORDS];                                                                            \
		uint64_t *mask = TAIL(end_mask, uint64_t, words, gap);                                               \
                                                                                                             \
		memset(mask, 0x5a, words * 8);                                                                       \
		if (gap)                                                                                             \
			mask[words] = 4711;                                                                              \
		call_scalar;                                                                                         \
		call_level;                                                                                          \
		expect(memcmp(mask, want, words * 8) == 0 && (!gap || mask[words] == 4711), "%s, %u rows", what, n); \
		expect(words == 0 || n % 64 == 0 || mask[words - 1] >> n % 64 == 0, "bits past %u rows", n);         \
	} while (0)

static inline uint64_t
random_word(unsigned density)
{
	switch (density)
	{
		case 0:
			return 0;
		case 1:
			return rng() & rng() & rng() & rng();
		case 2:
			return rng();
		case 3:
			return rng() | rng() | rng();
		default:
			return UINT64_MAX;
	}
}

static const char *const level_names[] = {"scalar", "sse42", "avx2", "avx512"};

static void
simd_testing_begin(void)
{
	make_lengths();
	end_a = guarded(MAX_PACKED * 8 + 64);
	end_b = guarded(MAX_PACKED * 8 + 64);
	end_out = guarded(MAX_PACKED * 8 + 64);
	end_mask = guarded(MAX_WORDS * 8 + 64);
	scalar = strata_simd_table(STRATA_SIMD_SCALAR);
}

#endif
