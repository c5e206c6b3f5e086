/*
 * scalar_values.c - what the kernels of arithmetic and choice mean.
 */
#include <math.h>

#include "simd/scalar.h"

bool
scalar_add_const_i64(const int64_t *a, int64_t k, unsigned n, int64_t *out)
{
	bool overflow = false;

	for (unsigned i = 0; i < n; i++)
		overflow |= __builtin_add_overflow(a[i], k, &out[i]);
	return overflow;
}

bool
scalar_const_sub_i64(int64_t k, const int64_t *a, unsigned n, int64_t *out)
{
	bool overflow = false;

	for (unsigned i = 0; i < n; i++)
		overflow |= __builtin_sub_overflow(k, a[i], &out[i]);
	return overflow;
}

bool
scalar_mul_const_i64(const int64_t *a, int64_t k, unsigned n, int64_t *out)
{
	bool overflow = false;

	for (unsigned i = 0; i < n; i++)
		overflow |= __builtin_mul_overflow(a[i], k, &out[i]);
	return overflow;
}

void
scalar_mul_i32x32(const int64_t *a, const int64_t *b, unsigned n, int64_t *out)
{
	for (unsigned i = 0; i < n; i++)
		out[i] = (int64_t)(int32_t)a[i] * (int32_t)b[i];
}

int64_t
scalar_sum_small_i64(const int64_t *v, const uint64_t *mask, unsigned n)
{
	uint64_t sum = 0;

	SCALAR_SELECTED(sum += (uint64_t)v[i])
	return (int64_t)sum;
}

void
scalar_blend_i64(const uint64_t *mask, const int64_t *a, const int64_t *b, unsigned n, int64_t *out)
{
	for (unsigned i = 0; i < n; i++)
		out[i] = mask[i / 64] >> i % 64 & 1 ? a[i] : b[i];
}

/*
 * The checks of float8.c.  Results are computed for all rows, judged for those of the mask: what stands where
 * a value is NULL raises nothing.
 */
#define SCALAR_F64(expr, judge)                                                                              \
	unsigned errors = 0;                                                                                     \
                                                                                                             \
	for (unsigned i = 0; i < n; i++)                                                                         \
	{                                                                                                        \
		double x = a[i], y = b[i], r = expr;                                                                 \
                                                                                                             \
		if (!mask || (mask[i / 64] >> i % 64 & 1))                                                           \
			errors |= judge(x, y, r);                                                                        \
		out[i] = r;                                                                                          \
	}                                                                                                        \
	return errors

static inline unsigned
judge_sum(double x, double y, double r)
{
	return isinf(r) && !isinf(x) && !isinf(y) ? STRATA_F64_OVERFLOW : 0;
}

static inline unsigned
judge_product(double x, double y, double r)
{
	return judge_sum(x, y, r) | (r == 0 && x != 0 && y != 0 ? STRATA_F64_UNDERFLOW : 0);
}

static inline unsigned
judge_quotient(double x, double y, double r)
{
	if (y == 0)
		return isnan(x) ? 0 : STRATA_F64_ZERO_DIVIDE;
	if (isinf(r) && !isinf(x))
		return STRATA_F64_OVERFLOW;
	return r == 0 && x != 0 && !isinf(y) ? STRATA_F64_UNDERFLOW : 0;
}

unsigned
scalar_add_f64(const double *a, const double *b, const uint64_t *mask, unsigned n, double *out)
{
	SCALAR_F64(x + y, judge_sum);
}

unsigned
scalar_sub_f64(const double *a, const double *b, const uint64_t *mask, unsigned n, double *out)
{
	SCALAR_F64(x - y, judge_sum);
}

unsigned
scalar_mul_f64(const double *a, const double *b, const uint64_t *mask, unsigned n, double *out)
{
	SCALAR_F64(x * y, judge_product);
}

unsigned
scalar_div_f64(const double *a, const double *b, const uint64_t *mask, unsigned n, double *out)
{
	SCALAR_F64(x / y, judge_quotient);
}
