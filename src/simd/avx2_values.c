/*
 * avx2_values.c - arithmetic and choice with 256-bit vectors.
 */
#include <math.h>

#include "simd/levels.h"

#ifdef STRATA_SIMD_X86
#include "simd/avx2.h"

#define LOADU(p)	 _mm256_loadu_si256((const __m256i *)(p))
#define STOREU(p, x) _mm256_storeu_si256((__m256i *)(p), x)

/* Overflow shows in the signs, as in avx512.c; with one operand fixed. */
bool TARGET
avx2_add_const_i64(const int64_t *a, int64_t c, unsigned n, int64_t *out)
{
	const __m256i y = _mm256_set1_epi64x(c);
	__m256i over = _mm256_setzero_si256();
	bool tail = false;
	unsigned i = 0;

	for (; i + 4 <= n; i += 4)
	{
		__m256i x = LOADU(a + i);
		__m256i r = _mm256_add_epi64(x, y);

		over = _mm256_or_si256(over, _mm256_and_si256(_mm256_xor_si256(x, r), _mm256_xor_si256(y, r)));
		STOREU(out + i, r);
	}
	for (; i < n; i++)
		tail |= __builtin_add_overflow(a[i], c, &out[i]);
	return tail || BITS64(over) != 0;
}

bool TARGET
avx2_const_sub_i64(int64_t c, const int64_t *a, unsigned n, int64_t *out)
{
	const __m256i x = _mm256_set1_epi64x(c);
	__m256i over = _mm256_setzero_si256();
	bool tail = false;
	unsigned i = 0;

	for (; i + 4 <= n; i += 4)
	{
		__m256i y = LOADU(a + i);
		__m256i r = _mm256_sub_epi64(x, y);

		over = _mm256_or_si256(over, _mm256_and_si256(_mm256_xor_si256(x, y), _mm256_xor_si256(x, r)));
		STOREU(out + i, r);
	}
	for (; i < n; i++)
		tail |= __builtin_sub_overflow(c, a[i], &out[i]);
	return tail || BITS64(over) != 0;
}

/* The low 64 bits of a product from three of 32 bits. */
bool TARGET
avx2_mul_const_i64(const int64_t *a, int64_t c, unsigned n, int64_t *out)
{
	SimdFactor f = simd_factor(c);
	const __m256i c_lo = _mm256_set1_epi64x((int64_t)((uint64_t)c & UINT32_MAX));
	const __m256i c_hi = _mm256_set1_epi64x((int64_t)((uint64_t)c >> 32));
	const __m256i lo = _mm256_set1_epi64x(f.lo);
	const __m256i hi = _mm256_set1_epi64x(f.hi);
	__m256i over = _mm256_setzero_si256();
	bool tail = false;
	unsigned i = 0;

	for (; i + 4 <= n; i += 4)
	{
		__m256i x = LOADU(a + i);
		__m256i cross =
			_mm256_add_epi64(_mm256_mul_epu32(x, c_hi), _mm256_mul_epu32(_mm256_srli_epi64(x, 32), c_lo));

		over = _mm256_or_si256(over, _mm256_or_si256(_mm256_cmpgt_epi64(lo, x), _mm256_cmpgt_epi64(x, hi)));
		STOREU(out + i, _mm256_add_epi64(_mm256_mul_epu32(x, c_lo), _mm256_slli_epi64(cross, 32)));
	}
	for (; i < n; i++)
		tail |= __builtin_mul_overflow(a[i], c, &out[i]);
	return tail || BITS64(over) != 0;
}

void TARGET
avx2_mul_i32x32(const int64_t *a, const int64_t *b, unsigned n, int64_t *out)
{
	unsigned i = 0;

	for (; i + 4 <= n; i += 4)
		STOREU(out + i, _mm256_mul_epi32(LOADU(a + i), LOADU(b + i)));
	for (; i < n; i++)
		out[i] = (int64_t)(int32_t)a[i] * (int32_t)b[i];
}

int64_t TARGET
avx2_sum_small_i64(const int64_t *v, const uint64_t *mask, unsigned n)
{
	__m256i sum = _mm256_setzero_si256();

	if (sparse(mask, n))
	{
		uint64_t one = 0;

		SIMD_FOREACH_BIT(i, mask, n)
		{
			one += (uint64_t)v[i];
		}
		return (int64_t)one;
	}
	SELECTED_LOOP((void)k; sum = _mm256_add_epi64(sum, x))
	return (int64_t)add_lanes(sum);
}

void TARGET
avx2_blend_i64(const uint64_t *mask, const int64_t *a, const int64_t *b, unsigned n, int64_t *out)
{
	unsigned i = 0;

	for (; i + 4 <= n; i += 4)
		STOREU(out + i, _mm256_blendv_epi8(LOADU(b + i), LOADU(a + i), expand_bits(mask[i / 64] >> i % 64)));
	for (; i < n; i++)
		out[i] = mask[i / 64] >> i % 64 & 1 ? a[i] : b[i];
}

/* ---- floats ---- */

#define CMP(x, pred, y) _mm256_cmp_pd(x, y, pred)
#define INFINITE(x)		CMP(_mm256_andnot_pd(sign, x), _CMP_EQ_OQ, infinity)
#define ZERO(x)			CMP(x, _CMP_EQ_OQ, nothing)

/* Runs the operation over all rows, then `judge` with k = the rows that count, which sets over, under, zero.
 */
#define F64_LOOP(operation, judge)                                                                           \
	const __m256d sign = _mm256_set1_pd(-0.0);                                                               \
	const __m256d infinity = _mm256_set1_pd(INFINITY);                                                       \
	const __m256d nothing = _mm256_setzero_pd();                                                             \
	__m256d over = nothing, under = nothing, zero = nothing;                                                 \
                                                                                                             \
	(void)nothing;                                                                                           \
	for (unsigned i = 0; i < n; i += 4)                                                                      \
	{                                                                                                        \
		const bool whole = n - i >= 4;                                                                       \
		const __m256i there = lanes64(whole ? 4 : n - i);                                                    \
		__m256d k = _mm256_castsi256_pd(there);                                                              \
		__m256d x = load_f64(a + i, there, whole), y = load_f64(b + i, there, whole), r = operation(x, y);   \
                                                                                                             \
		if (whole)                                                                                           \
			_mm256_storeu_pd(out + i, r);                                                                    \
		else                                                                                                 \
			_mm256_maskstore_pd(out + i, there, r);                                                          \
		if (mask)                                                                                            \
			k = _mm256_and_pd(k, _mm256_castsi256_pd(expand_bits(mask[i / 64] >> i % 64)));                  \
		judge;                                                                                               \
	}                                                                                                        \
	return (_mm256_movemask_pd(over) ? STRATA_F64_OVERFLOW : 0) |                                            \
		   (_mm256_movemask_pd(under) ? STRATA_F64_UNDERFLOW : 0) |                                          \
		   (_mm256_movemask_pd(zero) ? STRATA_F64_ZERO_DIVIDE : 0)

/* k and yes and neither not1 nor not2 */
INLINE __m256d TARGET
only(__m256d k, __m256d yes, __m256d not1, __m256d not2)
{
	return _mm256_andnot_pd(_mm256_or_pd(not1, not2), _mm256_and_pd(k, yes));
}

unsigned TARGET
avx2_add_f64(const double *a, const double *b, const uint64_t *mask, unsigned n, double *out)
{
	F64_LOOP(_mm256_add_pd, over = _mm256_or_pd(over, only(k, INFINITE(r), INFINITE(x), INFINITE(y))));
}

unsigned TARGET
avx2_sub_f64(const double *a, const double *b, const uint64_t *mask, unsigned n, double *out)
{
	F64_LOOP(_mm256_sub_pd, over = _mm256_or_pd(over, only(k, INFINITE(r), INFINITE(x), INFINITE(y))));
}

unsigned TARGET
avx2_mul_f64(const double *a, const double *b, const uint64_t *mask, unsigned n, double *out)
{
	F64_LOOP(_mm256_mul_pd, over = _mm256_or_pd(over, only(k, INFINITE(r), INFINITE(x), INFINITE(y)));
			 under = _mm256_or_pd(under, only(k, ZERO(r), ZERO(x), ZERO(y))));
}

unsigned TARGET
avx2_div_f64(const double *a, const double *b, const uint64_t *mask, unsigned n, double *out)
{
	F64_LOOP(_mm256_div_pd, zero = _mm256_or_pd(zero, only(k, ZERO(y), CMP(x, _CMP_UNORD_Q, x), nothing));
			 over = _mm256_or_pd(over, only(k, INFINITE(r), INFINITE(x), ZERO(y)));
			 under = _mm256_or_pd(under, only(k, ZERO(r), ZERO(x), INFINITE(y))));
}
#endif
