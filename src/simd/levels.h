/*
 * levels.h - the kernel tables by level, and the target attributes of their functions.
 *
 * Included by: src/simd/ only.  Memory and locking: the tables are const.
 * Not here: which table is in use (cpu.c).
 *
 * A level is one file.  Each of its functions carries a target attribute, so the library as a whole is
 * compiled for the plain architecture and runs on a CPU without the level; nothing is called before cpu.c
 * has seen that the CPU and the operating system allow it.
 */
#ifndef STRATA_SIMD_LEVELS_H
#define STRATA_SIMD_LEVELS_H

#include <string.h>

#include "simd/simd.h"

#if defined(__x86_64__)
#define STRATA_SIMD_X86		1
#define STRATA_TARGET_SSE42 __attribute__((target("sse4.2,popcnt")))
#define STRATA_TARGET_AVX2	__attribute__((target("avx2,bmi,bmi2,popcnt")))
#define STRATA_TARGET_AVX512                                                                                 \
	__attribute__((target("avx2,bmi,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")))

extern const StrataKernels strata_kernels_sse42;
extern const StrataKernels strata_kernels_avx2;
extern const StrataKernels strata_kernels_avx512;
#endif

extern const StrataKernels strata_kernels_scalar;

/*
 * The kernels by family.  A level has the first, and its table, in LEVEL.c and the others in LEVEL_FAMILY.c;
 * a kernel that gains nothing at a level is another's, by a #define before the table.
 */
#define SIMD_COLUMNS(X, level)                                                                               \
	X(level, unpack_i64)                                                                                     \
	X(level, unpack_u32)                                                                                     \
	X(level, prefix_sum_i64)                                                                                 \
	X(level, cmp_i64)                                                                                        \
	X(level, cmp_u32)                                                                                        \
	X(level, range_i64)                                                                                      \
	X(level, cmp_i64_i64)                                                                                    \
	X(level, cmp_f64)                                                                                        \
	X(level, cmp_f64_f64)                                                                                    \
	X(level, select)                                                                                         \
	X(level, count)                                                                                          \
	X(level, sum_i64)                                                                                        \
	X(level, min_i64)                                                                                        \
	X(level, max_i64)                                                                                        \
	X(level, add_i64)                                                                                        \
	X(level, sub_i64)                                                                                        \
	X(level, mul_i64)
#define SIMD_PACKED(X, level) X(level, cmp_packed) X(level, range_packed) X(level, sum_packed)
#define SIMD_VALUES(X, level)                                                                                \
	X(level, add_const_i64)                                                                                  \
	X(level, const_sub_i64)                                                                                  \
	X(level, mul_const_i64)                                                                                  \
	X(level, mul_i32x32)                                                                                     \
	X(level, sum_small_i64)                                                                                  \
	X(level, blend_i64)                                                                                      \
	X(level, add_f64)                                                                                        \
	X(level, sub_f64)                                                                                        \
	X(level, mul_f64)                                                                                        \
	X(level, div_f64)
#define SIMD_KEYS(X, level)                                                                                  \
	X(level, hash_i64)                                                                                       \
	X(level, hash_combine)                                                                                   \
	X(level, gather_i64)                                                                                     \
	X(level, gather_u32)                                                                                     \
	X(level, in_i64)                                                                                         \
	X(level, probe_bits)                                                                                     \
	X(level, bloom_add)                                                                                      \
	X(level, bloom_test)                                                                                     \
	X(level, group_add_i64)                                                                                  \
	X(level, group_count)
#define SIMD_TEXT(X, level)                                                                                  \
	X(level, match_substring)                                                                                \
	X(level, match_prefix)                                                                                   \
	X(level, match_equal)                                                                                    \
	X(level, find)
#define SIMD_KERNELS(X, level)                                                                               \
	SIMD_COLUMNS(X, level) SIMD_PACKED(X, level) SIMD_VALUES(X, level) SIMD_KEYS(X, level) SIMD_TEXT(X, level)

#define SIMD_DECLARE(level, kernel) extern __typeof__(*((StrataKernels *)0)->kernel) level##_##kernel;
#define SIMD_MEMBER(level, kernel)	.kernel = level##_##kernel,

SIMD_KERNELS(SIMD_DECLARE, scalar)
#ifdef STRATA_SIMD_X86
SIMD_KERNELS(SIMD_DECLARE, sse42)
SIMD_KERNELS(SIMD_DECLARE, avx2)
SIMD_KERNELS(SIMD_DECLARE, avx512)
#endif

/* Words of a mask over n rows, and the valid bits of its last word. */
static inline unsigned
simd_mask_words(unsigned n)
{
	return (n + 63) / 64;
}

static inline uint64_t
simd_tail_bits(unsigned n)
{
	return n % 64 ? (UINT64_C(1) << n % 64) - 1 : ~UINT64_C(0);
}

/* The selected rows of the 64 rows from w * 64 on: all of them when there is no mask. */
static inline uint64_t
simd_mask_word(const uint64_t *mask, unsigned n, unsigned w)
{
	uint64_t bits = mask ? mask[w] : ~UINT64_C(0);

	return w + 1 == simd_mask_words(n) ? bits & simd_tail_bits(n) : bits;
}

/*
 * A mask with few rows is cheaper walked bit by bit than in vectors: measured on Zen 4, below one row in
 * SIMD_SPARSE for both select and the aggregates.
 */
#define SIMD_SPARSE 24

#define SIMD_FOREACH_BIT(i, mask, n)                                                                         \
	for (unsigned w_ = 0; w_ < simd_mask_words(n); w_++)                                                     \
		for (uint64_t bits_ = simd_mask_word(mask, n, w_), i = 0;                                            \
			 bits_ && (i = w_ * 64 + (unsigned)__builtin_ctzll(bits_), true); bits_ &= bits_ - 1)

static inline void
simd_fill_mask(uint64_t *mask, unsigned n, bool set)
{
	for (unsigned w = 0; w < simd_mask_words(n); w++)
		mask[w] = !set ? 0 : w + 1 == simd_mask_words(n) ? simd_tail_bits(n) : ~UINT64_C(0);
}

/* The places of the two bytes that a needle is searched by, low <= high: what stands there should be rare. */
typedef struct SimdPlaces
{
	size_t low, high;
} SimdPlaces;

static inline SimdPlaces
simd_needle_places(const char *needle, size_t len)
{
	/* The commonest bytes of text, the most frequent one last; all others are rarer. */
	static const char common[] = "yvkbpgfwmucldrhsnioate ";
	SimdPlaces p = {0, len - 1};
	unsigned best = 256, second = 256;

	/* Most needles are decided by their first letters. */
	for (size_t i = 0; i < len && i < 32; i++)
	{
		const char *c = needle[i] ? strchr(common, needle[i]) : NULL;
		unsigned rank = c ? (unsigned)(c - common) + 1 : 0;

		if (rank < best)
		{
			second = best;
			p.high = best == 256 ? i : p.low;
			best = rank;
			p.low = i;
		}
		else if (rank < second)
		{
			second = rank;
			p.high = i;
		}
	}
	return p.low <= p.high ? p : (SimdPlaces){p.high, p.low};
}

/*
 * Searches strings that lie one behind the other as one text: short strings would cost more to begin with
 * than to search.  `search` looks for the needle in text[0..text_len).  A match that reaches over the end of
 * a string is none; one inside it settles the string, and the search goes on behind it.
 */
#define SIMD_RUN_GAP 16

static inline unsigned
simd_run_end(const char *const *p, const uint32_t *len, unsigned n, unsigned i)
{
	for (i++; i < n && (uintptr_t)p[i] - ((uintptr_t)p[i - 1] + len[i - 1]) <= SIMD_RUN_GAP; i++)
		;
	return i;
}

#define SIMD_MATCH_RUNS(search)                                                                              \
	for (unsigned i = 0, end; i < n; i = end)                                                                \
	{                                                                                                        \
		const char *text = p[i], *stop, *hit;                                                                \
		size_t text_len;                                                                                     \
                                                                                                             \
		end = simd_run_end(p, len, n, i);                                                                    \
		stop = p[end - 1] + len[end - 1];                                                                    \
		while (text_len = (size_t)(stop - text), (hit = search) != NULL)                                     \
		{                                                                                                    \
			while (p[i] + len[i] <= hit)                                                                     \
				i++;                                                                                         \
			if (hit >= p[i] && hit + needle_len <= p[i] + len[i])                                            \
			{                                                                                                \
				mask[i / 64] |= UINT64_C(1) << i % 64;                                                       \
				text = p[i] + len[i];                                                                        \
			}                                                                                                \
			else                                                                                             \
				text = hit + 1;                                                                              \
		}                                                                                                    \
	}

/* The values whose product with k fits 64 bits. */
typedef struct SimdFactor
{
	int64_t lo, hi;
} SimdFactor;

static inline SimdFactor
simd_factor(int64_t k)
{
	/* C divides towards zero, which for a bound on either side is inwards. */
	if (k > 0)
		return (SimdFactor){INT64_MIN / k, INT64_MAX / k};
	if (k < -1)
		return (SimdFactor){INT64_MAX / k, INT64_MIN / k};
	return (SimdFactor){k == -1 ? -INT64_MAX : INT64_MIN, INT64_MAX};
}

/* The codes that pass an unsigned comparison: those from lo to hi, or with flip (all ones) the others. */
typedef struct SimdRange
{
	uint64_t lo, hi, flip;
} SimdRange;

static inline SimdRange
simd_range_of(StrataCmp op, uint64_t k)
{
	SimdRange r = {0, k, 0};

	/* = and <> are the range of k alone and its complement, <= and > the one from 0 to k, < and >= the one
	 * from 0 to the value before k, which is empty when there is none. */
	if (op == STRATA_EQ || op == STRATA_NE)
		r.lo = k;
	else if (op == STRATA_LT || op == STRATA_GE)
		r = k == 0 ? (SimdRange){1, 0, 0} : (SimdRange){0, k - 1, 0};
	if (op == STRATA_NE || op == STRATA_GE || op == STRATA_GT)
		r.flip = ~UINT64_C(0);
	return r;
}

/* Codes of one bit are a mask already. */
static inline void
simd_range_bits(const uint64_t *packed, unsigned n, SimdRange r, uint64_t *mask)
{
	uint64_t zeroes = r.lo == 0 ? ~UINT64_C(0) : 0;
	uint64_t ones = r.lo <= 1 && r.hi >= 1 ? ~UINT64_C(0) : 0;

	for (unsigned w = 0; w < simd_mask_words(n); w++)
		mask[w] = ((~packed[w] & zeroes) | (packed[w] & ones)) ^ r.flip;
	if (n % 64)
		mask[n / 64] &= simd_tail_bits(n);
}

/* The i-th code of a packed array; what unpack means.  width is 1..64. */
static inline uint64_t
simd_code(const uint64_t *packed, unsigned width, unsigned i)
{
	uint64_t bit = (uint64_t)i * width;
	unsigned shift = bit % 64;
	uint64_t code = packed[bit / 64] >> shift;

	if (shift + width > 64)
		code |= packed[bit / 64 + 1] << (64 - shift);
	return width < 64 ? code & ((UINT64_C(1) << width) - 1) : code;
}

#endif
