/*
 * sse42_values.c - arithmetic and choice with 128-bit vectors.
 */
#include <math.h>

#include "simd/levels.h"

#ifdef STRATA_SIMD_X86
#include "simd/sse42.h"

bool TARGET
sse42_add_const_i64(const int64_t *a, int64_t c, unsigned n, int64_t *out)
{
	const __m128i y = _mm_set1_epi64x(c);
	__m128i over = _mm_setzero_si128();
	bool tail = false;
	unsigned i = 0;

	for (; i + 2 <= n; i += 2)
	{
		__m128i x = LOADU(a + i);
		__m128i r = _mm_add_epi64(x, y);

		over = _mm_or_si128(over, _mm_and_si128(_mm_xor_si128(x, r), _mm_xor_si128(y, r)));
		STOREU(out + i, r);
	}
	if (i < n)
		tail = __builtin_add_overflow(a[i], c, &out[i]);
	return tail || BITS64(over) != 0;
}

bool TARGET
sse42_const_sub_i64(int64_t c, const int64_t *a, unsigned n, int64_t *out)
{
	const __m128i x = _mm_set1_epi64x(c);
	__m128i over = _mm_setzero_si128();
	bool tail = false;
	unsigned i = 0;

	for (; i + 2 <= n; i += 2)
	{
		__m128i y = LOADU(a + i);
		__m128i r = _mm_sub_epi64(x, y);

		over = _mm_or_si128(over, _mm_and_si128(_mm_xor_si128(x, y), _mm_xor_si128(x, r)));
		STOREU(out + i, r);
	}
	if (i < n)
		tail = __builtin_sub_overflow(c, a[i], &out[i]);
	return tail || BITS64(over) != 0;
}

void TARGET
sse42_mul_i32x32(const int64_t *a, const int64_t *b, unsigned n, int64_t *out)
{
	unsigned i = 0;

	for (; i + 2 <= n; i += 2)
		STOREU(out + i, _mm_mul_epi32(LOADU(a + i), LOADU(b + i)));
	if (i < n)
		out[i] = (int64_t)(int32_t)a[i] * (int32_t)b[i];
}

int64_t TARGET
sse42_sum_small_i64(const int64_t *v, const uint64_t *mask, unsigned n)
{
	__m128i sum = _mm_setzero_si128();
	uint64_t one = 0;

	if (sparse(mask, n))
		return scalar_sum_small_i64(v, mask, n);
	SELECTED_LOOP(sum = _mm_add_epi64(sum, _mm_and_si128(x, k)), one += (uint64_t)x1)
	return (int64_t)(one + (uint64_t)add_lanes(sum));
}

void TARGET
sse42_blend_i64(const uint64_t *mask, const int64_t *a, const int64_t *b, unsigned n, int64_t *out)
{
	unsigned i = 0;

	for (; i + 2 <= n; i += 2)
		STOREU(out + i, _mm_blendv_epi8(LOADU(b + i), LOADU(a + i), expand_bits(mask[i / 64] >> i % 64)));
	if (i < n)
		out[i] = mask[i / 64] >> i % 64 & 1 ? a[i] : b[i];
}

/* ---- floats ---- */

#define INFINITE(x) _mm_cmpeq_pd(_mm_andnot_pd(sign, x), infinity)
#define ZERO(x)		_mm_cmpeq_pd(x, nothing)

/* k and yes and neither not1 nor not2 */
INLINE __m128d TARGET
only(__m128d k, __m128d yes, __m128d not1, __m128d not2)
{
	return _mm_andnot_pd(_mm_or_pd(not1, not2), _mm_and_pd(k, yes));
}

/* Runs the operation over all rows, then `judge` with k = the rows that count, which sets over, under, zero.
 */
#define F64_LOOP(operation, judge)                                                                           \
	const __m128d sign = _mm_set1_pd(-0.0);                                                                  \
	const __m128d infinity = _mm_set1_pd(INFINITY);                                                          \
	const __m128d nothing = _mm_setzero_pd();                                                                \
	__m128d over = nothing, under = nothing, zero = nothing;                                                 \
                                                                                                             \
	for (unsigned i = 0; i < n; i += 2)                                                                      \
	{                                                                                                        \
		const unsigned there = n - i < 2 ? 1 : 2;                                                            \
		__m128d k =                                                                                          \
			_mm_castsi128_pd(expand_bits((mask ? mask[i / 64] >> i % 64 : 3) & (there == 2 ? 3 : 1)));       \
		__m128d x = LOADPD(a), y = LOADPD(b), r = operation(x, y);                                           \
                                                                                                             \
		if (there == 2)                                                                                      \
			_mm_storeu_pd(out + i, r);                                                                       \
		else                                                                                                 \
			_mm_store_sd(out + i, r);                                                                        \
		judge;                                                                                               \
	}                                                                                                        \
	return (_mm_movemask_pd(over) ? STRATA_F64_OVERFLOW : 0) |                                               \
		   (_mm_movemask_pd(under) ? STRATA_F64_UNDERFLOW : 0) |                                             \
		   (_mm_movemask_pd(zero) ? STRATA_F64_ZERO_DIVIDE : 0)

unsigned TARGET
sse42_add_f64(const double *a, const double *b, const uint64_t *mask, unsigned n, double *out)
{
	F64_LOOP(_mm_add_pd, over = _mm_or_pd(over, only(k, INFINITE(r), INFINITE(x), INFINITE(y))));
}

unsigned TARGET
sse42_sub_f64(const double *a, const double *b, const uint64_t *mask, unsigned n, double *out)
{
	F64_LOOP(_mm_sub_pd, over = _mm_or_pd(over, only(k, INFINITE(r), INFINITE(x), INFINITE(y))));
}

unsigned TARGET
sse42_mul_f64(const double *a, const double *b, const uint64_t *mask, unsigned n, double *out)
{
	F64_LOOP(_mm_mul_pd, over = _mm_or_pd(over, only(k, INFINITE(r), INFINITE(x), INFINITE(y)));
			 under = _mm_or_pd(under, only(k, ZERO(r), ZERO(x), ZERO(y))));
}

unsigned TARGET
sse42_div_f64(const double *a, const double *b, const uint64_t *mask, unsigned n, double *out)
{
	F64_LOOP(_mm_div_pd, zero = _mm_or_pd(zero, only(k, ZERO(y), _mm_cmpunord_pd(x, x), nothing));
			 over = _mm_or_pd(over, only(k, INFINITE(r), INFINITE(x), ZERO(y)));
			 under = _mm_or_pd(under, only(k, ZERO(r), ZERO(x), INFINITE(y))));
}
#endif
