/*
 * scalar.c - what each kernel means, in plain C; every other level is tested against this file.
 */
#include "simd/levels.h"

static void
scalar_unpack_i64(const uint64_t *packed, unsigned width, unsigned n, int64_t base, int64_t *out)
{
	for (unsigned i = 0; i < n; i++)
		out[i] = (int64_t)((uint64_t)base + (width ? simd_code(packed, width, i) : 0));
}

static void
scalar_unpack_u32(const uint64_t *packed, unsigned width, unsigned n, uint32_t *out)
{
	for (unsigned i = 0; i < n; i++)
		out[i] = width ? (uint32_t)simd_code(packed, width, i) : 0;
}

static void
scalar_prefix_sum_i64(int64_t *v, unsigned n, int64_t start)
{
	uint64_t sum = (uint64_t)start;

	for (unsigned i = 0; i < n; i++)
	{
		sum += (uint64_t)v[i];
		v[i] = (int64_t)sum;
	}
}

/* Sets mask bit i to `test`, an expression in i, for the rows 0..n-1. */
#define SCALAR_MASK(test)                                                                                    \
	for (unsigned w = 0; w < simd_mask_words(n); w++)                                                        \
	{                                                                                                        \
		unsigned end = n - w * 64 < 64 ? n : w * 64 + 64;                                                    \
		uint64_t bits = 0;                                                                                   \
                                                                                                             \
		for (unsigned i = w * 64; i < end; i++)                                                              \
			bits |= (uint64_t)(test) << (i - w * 64);                                                        \
		mask[w] = bits;                                                                                      \
	}

/* One loop an operator, so that the operator is not tested once a row. */
#define SCALAR_CMP(eq, lt, gt)                                                                               \
	switch (op)                                                                                              \
	{                                                                                                        \
		case STRATA_EQ:                                                                                      \
			SCALAR_MASK(eq) break;                                                                           \
		case STRATA_NE:                                                                                      \
			SCALAR_MASK(!(eq)) break;                                                                        \
		case STRATA_LT:                                                                                      \
			SCALAR_MASK(lt) break;                                                                           \
		case STRATA_LE:                                                                                      \
			SCALAR_MASK(!(gt)) break;                                                                        \
		case STRATA_GT:                                                                                      \
			SCALAR_MASK(gt) break;                                                                           \
		case STRATA_GE:                                                                                      \
			SCALAR_MASK(!(lt)) break;                                                                        \
	}

static void
scalar_cmp_i64(const int64_t *v, unsigned n, StrataCmp op, int64_t k, uint64_t *mask)
{
	SCALAR_CMP(v[i] == k, v[i]<k, v[i]> k)
}

static void
scalar_cmp_u32(const uint32_t *v, unsigned n, StrataCmp op, uint32_t k, uint64_t *mask)
{
	SCALAR_CMP(v[i] == k, v[i]<k, v[i]> k)
}

static void
scalar_range_i64(const int64_t *v, unsigned n, int64_t lo, int64_t hi, uint64_t *mask)
{
	SCALAR_MASK((lo <= v[i]) & (v[i] <= hi))
}

static void
scalar_cmp_i64_i64(const int64_t *a, const int64_t *b, unsigned n, StrataCmp op, uint64_t *mask)
{
	SCALAR_CMP(a[i] == b[i], a[i]<b[i], a[i]> b[i])
}

/* float8 as PostgreSQL orders it: total, NaN above everything and equal to itself. */
static inline bool
f64_eq(double a, double b)
{
	return a == b || (a != a && b != b);
}

static inline bool
f64_lt(double a, double b)
{
	return a == a && (b != b || a < b);
}

static void
scalar_cmp_f64(const double *v, unsigned n, StrataCmp op, double k, uint64_t *mask)
{
	SCALAR_CMP(f64_eq(v[i], k), f64_lt(v[i], k), f64_lt(k, v[i]))
}

static void
scalar_cmp_f64_f64(const double *a, const double *b, unsigned n, StrataCmp op, uint64_t *mask)
{
	SCALAR_CMP(f64_eq(a[i], b[i]), f64_lt(a[i], b[i]), f64_lt(b[i], a[i]))
}

static unsigned
scalar_select(const uint64_t *mask, unsigned n, uint16_t *out)
{
	unsigned count = 0;

	for (unsigned w = 0; w < simd_mask_words(n); w++)
		for (uint64_t bits = simd_mask_word(mask, n, w); bits; bits &= bits - 1)
			out[count++] = (uint16_t)(w * 64 + __builtin_ctzll(bits));
	return count;
}

static unsigned
scalar_count(const uint64_t *mask, unsigned n)
{
	unsigned count = 0;

	for (unsigned w = 0; w < simd_mask_words(n); w++)
		count += __builtin_popcountll(simd_mask_word(mask, n, w));
	return count;
}

/* Runs `body` with i = each selected row, ascending. */
#define SCALAR_SELECTED(body)                                                                                \
	for (unsigned w = 0; w < simd_mask_words(n); w++)                                                        \
		for (uint64_t bits = simd_mask_word(mask, n, w); bits; bits &= bits - 1)                             \
		{                                                                                                    \
			unsigned i = w * 64 + __builtin_ctzll(bits);                                                     \
                                                                                                             \
			body;                                                                                            \
		}

static StrataInt128
scalar_sum_i64(const int64_t *v, const uint64_t *mask, unsigned n)
{
	StrataInt128 sum = 0;

	SCALAR_SELECTED(sum += v[i])
	return sum;
}

static int64_t
scalar_min_i64(const int64_t *v, const uint64_t *mask, unsigned n)
{
	int64_t min = INT64_MAX;

	SCALAR_SELECTED(min = v[i] < min ? v[i] : min)
	return min;
}

static int64_t
scalar_max_i64(const int64_t *v, const uint64_t *mask, unsigned n)
{
	int64_t max = INT64_MIN;

	SCALAR_SELECTED(max = v[i] > max ? v[i] : max)
	return max;
}

static bool
scalar_add_i64(const int64_t *a, const int64_t *b, unsigned n, int64_t *out)
{
	bool overflow = false;

	for (unsigned i = 0; i < n; i++)
		overflow |= __builtin_add_overflow(a[i], b[i], &out[i]);
	return overflow;
}

static bool
scalar_sub_i64(const int64_t *a, const int64_t *b, unsigned n, int64_t *out)
{
	bool overflow = false;

	for (unsigned i = 0; i < n; i++)
		overflow |= __builtin_sub_overflow(a[i], b[i], &out[i]);
	return overflow;
}

static bool
scalar_mul_i64(const int64_t *a, const int64_t *b, unsigned n, int64_t *out)
{
	bool overflow = false;

	for (unsigned i = 0; i < n; i++)
		overflow |= __builtin_mul_overflow(a[i], b[i], &out[i]);
	return overflow;
}

const StrataKernels strata_kernels_scalar = {
	.name = "scalar",
	.vector_width = 64,
	.unpack_i64 = scalar_unpack_i64,
	.unpack_u32 = scalar_unpack_u32,
	.prefix_sum_i64 = scalar_prefix_sum_i64,
	.cmp_i64 = scalar_cmp_i64,
	.cmp_u32 = scalar_cmp_u32,
	.range_i64 = scalar_range_i64,
	.cmp_i64_i64 = scalar_cmp_i64_i64,
	.cmp_f64 = scalar_cmp_f64,
	.cmp_f64_f64 = scalar_cmp_f64_f64,
	.select = scalar_select,
	.count = scalar_count,
	.sum_i64 = scalar_sum_i64,
	.min_i64 = scalar_min_i64,
	.max_i64 = scalar_max_i64,
	.add_i64 = scalar_add_i64,
	.sub_i64 = scalar_sub_i64,
	.mul_i64 = scalar_mul_i64,
};
