/*
 * scalar.c - what each kernel means, in plain C; every other level is tested against this file.
 */
#include "simd/scalar.h"

void
scalar_unpack_i64(const uint64_t *packed, unsigned width, unsigned n, int64_t base, int64_t *out)
{
	for (unsigned i = 0; i < n; i++)
		out[i] = (int64_t)((uint64_t)base + (width ? simd_code(packed, width, i) : 0));
}

void
scalar_unpack_u32(const uint64_t *packed, unsigned width, unsigned n, uint32_t *out)
{
	for (unsigned i = 0; i < n; i++)
		out[i] = width ? (uint32_t)simd_code(packed, width, i) : 0;
}

void
scalar_prefix_sum_i64(int64_t *v, unsigned n, int64_t start)
{
	uint64_t sum = (uint64_t)start;

	for (unsigned i = 0; i < n; i++)
	{
		sum += (uint64_t)v[i];
		v[i] = (int64_t)sum;
	}
}

void
scalar_cmp_i64(const int64_t *v, unsigned n, StrataCmp op, int64_t k, uint64_t *mask)
{
	SCALAR_CMP(v[i] == k, v[i]<k, v[i]> k)
}

void
scalar_cmp_u32(const uint32_t *v, unsigned n, StrataCmp op, uint32_t k, uint64_t *mask)
{
	SCALAR_CMP(v[i] == k, v[i]<k, v[i]> k)
}

void
scalar_range_i64(const int64_t *v, unsigned n, int64_t lo, int64_t hi, uint64_t *mask)
{
	SCALAR_MASK((lo <= v[i]) & (v[i] <= hi))
}

void
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

void
scalar_cmp_f64(const double *v, unsigned n, StrataCmp op, double k, uint64_t *mask)
{
	SCALAR_CMP(f64_eq(v[i], k), f64_lt(v[i], k), f64_lt(k, v[i]))
}

void
scalar_cmp_f64_f64(const double *a, const double *b, unsigned n, StrataCmp op, uint64_t *mask)
{
	SCALAR_CMP(f64_eq(a[i], b[i]), f64_lt(a[i], b[i]), f64_lt(b[i], a[i]))
}

unsigned
scalar_select(const uint64_t *mask, unsigned n, uint16_t *out)
{
	unsigned count = 0;

	for (unsigned w = 0; w < simd_mask_words(n); w++)
		for (uint64_t bits = simd_mask_word(mask, n, w); bits; bits &= bits - 1)
			out[count++] = (uint16_t)(w * 64 + __builtin_ctzll(bits));
	return count;
}

unsigned
scalar_count(const uint64_t *mask, unsigned n)
{
	unsigned count = 0;

	for (unsigned w = 0; w < simd_mask_words(n); w++)
		count += __builtin_popcountll(simd_mask_word(mask, n, w));
	return count;
}

StrataInt128
scalar_sum_i64(const int64_t *v, const uint64_t *mask, unsigned n)
{
	StrataInt128 sum = 0;

	SCALAR_SELECTED(sum += v[i])
	return sum;
}

int64_t
scalar_min_i64(const int64_t *v, const uint64_t *mask, unsigned n)
{
	int64_t min = INT64_MAX;

	SCALAR_SELECTED(min = v[i] < min ? v[i] : min)
	return min;
}

int64_t
scalar_max_i64(const int64_t *v, const uint64_t *mask, unsigned n)
{
	int64_t max = INT64_MIN;

	SCALAR_SELECTED(max = v[i] > max ? v[i] : max)
	return max;
}

bool
scalar_add_i64(const int64_t *a, const int64_t *b, unsigned n, int64_t *out)
{
	bool overflow = false;

	for (unsigned i = 0; i < n; i++)
		overflow |= __builtin_add_overflow(a[i], b[i], &out[i]);
	return overflow;
}

bool
scalar_sub_i64(const int64_t *a, const int64_t *b, unsigned n, int64_t *out)
{
	bool overflow = false;

	for (unsigned i = 0; i < n; i++)
		overflow |= __builtin_sub_overflow(a[i], b[i], &out[i]);
	return overflow;
}

bool
scalar_mul_i64(const int64_t *a, const int64_t *b, unsigned n, int64_t *out)
{
	bool overflow = false;

	for (unsigned i = 0; i < n; i++)
		overflow |= __builtin_mul_overflow(a[i], b[i], &out[i]);
	return overflow;
}

const StrataKernels strata_kernels_scalar = {
	.name = "scalar", .vector_width = 64, SIMD_KERNELS(SIMD_MEMBER, scalar)};
