/*
 * avx512_values.c - arithmetic and choice with 512-bit vectors.
 */
#include "simd/levels.h"

#ifdef STRATA_SIMD_X86
#include "simd/avx512.h"

#define LANES8(rest) ((rest) < 8 ? low8(rest) : (__mmask8)0xff)

/* Overflow shows in the signs, as in avx512.c; with one operand fixed. */
bool TARGET
avx512_add_const_i64(const int64_t *a, int64_t c, unsigned n, int64_t *out)
{
	const __m512i y = _mm512_set1_epi64(c);
	__m512i over = _mm512_setzero_si512();

	for (unsigned i = 0; i < n; i += 8)
	{
		__mmask8 k = LANES8(n - i);
		__m512i x = _mm512_maskz_loadu_epi64(k, a + i);
		__m512i r = _mm512_add_epi64(x, y);

		/* Zero in the lanes past the end: 0 + c does not overflow. */
		over = _mm512_or_si512(over, _mm512_and_si512(_mm512_xor_si512(x, r), _mm512_xor_si512(y, r)));
		_mm512_mask_storeu_epi64(out + i, k, r);
	}
	return _mm512_movepi64_mask(over) != 0;
}

bool TARGET
avx512_const_sub_i64(int64_t c, const int64_t *a, unsigned n, int64_t *out)
{
	const __m512i x = _mm512_set1_epi64(c);
	__m512i over = _mm512_setzero_si512();

	for (unsigned i = 0; i < n; i += 8)
	{
		__mmask8 k = LANES8(n - i);
		__m512i y = _mm512_maskz_loadu_epi64(k, a + i);
		__m512i r = _mm512_sub_epi64(x, y);

		over = _mm512_or_si512(over, _mm512_and_si512(_mm512_xor_si512(x, y), _mm512_xor_si512(x, r)));
		_mm512_mask_storeu_epi64(out + i, k, r);
	}
	return _mm512_movepi64_mask(over) != 0;
}

bool TARGET
avx512_mul_const_i64(const int64_t *a, int64_t c, unsigned n, int64_t *out)
{
	SimdFactor f = simd_factor(c);
	const __m512i y = _mm512_set1_epi64(c);
	const __m512i lo = _mm512_set1_epi64(f.lo);
	const __m512i hi = _mm512_set1_epi64(f.hi);
	unsigned over = 0;

	for (unsigned i = 0; i < n; i += 8)
	{
		__mmask8 k = LANES8(n - i);
		__m512i x = _mm512_maskz_loadu_epi64(k, a + i);

		over |= _mm512_cmplt_epi64_mask(x, lo) | _mm512_cmpgt_epi64_mask(x, hi);
		_mm512_mask_storeu_epi64(out + i, k, _mm512_mullo_epi64(x, y));
	}
	return over != 0;
}

void TARGET
avx512_mul_i32x32(const int64_t *a, const int64_t *b, unsigned n, int64_t *out)
{
	for (unsigned i = 0; i < n; i += 8)
	{
		__mmask8 k = LANES8(n - i);

		_mm512_mask_storeu_epi64(out + i, k, _mm512_mul_epi32(LOAD64(a), LOAD64(b)));
	}
}

int64_t TARGET
avx512_sum_small_i64(const int64_t *v, const uint64_t *mask, unsigned n)
{
	__m512i sum = _mm512_setzero_si512();

	if (sparse(mask, n))
	{
		uint64_t one = 0;

		SIMD_FOREACH_BIT(i, mask, n)
		{
			one += (uint64_t)v[i];
		}
		return (int64_t)one;
	}
	SELECTED_LOOP(sum = _mm512_add_epi64(sum, x))
	return (int64_t)wrap_lanes(sum);
}

void TARGET
avx512_blend_i64(const uint64_t *mask, const int64_t *a, const int64_t *b, unsigned n, int64_t *out)
{
	for (unsigned i = 0; i < n; i += 8)
	{
		__mmask8 k = LANES8(n - i);
		__mmask8 first = (__mmask8)(mask[i / 64] >> i % 64);
		__m512i x = _mm512_mask_loadu_epi64(_mm512_maskz_loadu_epi64(k & ~first, b + i), k & first, a + i);

		_mm512_mask_storeu_epi64(out + i, k, x);
	}
}

/* ---- floats ---- */

/* Classes of vfpclasspd. */
#define ZERO		 0x06
#define INFINITE	 0x18
#define NOT_A_NUMBER 0x81
#define IS(x, class) _mm512_fpclass_pd_mask(x, class)

/* Runs the operation over all rows, then `judge` with k = the rows that count, which sets over, under, zero.
 */
#define F64_LOOP(operation, judge)                                                                           \
	unsigned over = 0, under = 0, zero = 0;                                                                  \
                                                                                                             \
	for (unsigned i = 0; i < n; i += 8)                                                                      \
	{                                                                                                        \
		__mmask8 k = LANES8(n - i);                                                                          \
		__m512d x = LOADPD(a), y = LOADPD(b), r = operation(x, y);                                           \
                                                                                                             \
		_mm512_mask_storeu_pd(out + i, k, r);                                                                \
		if (mask)                                                                                            \
			k &= (__mmask8)(mask[i / 64] >> i % 64);                                                         \
		judge;                                                                                               \
	}                                                                                                        \
	return (over ? STRATA_F64_OVERFLOW : 0) | (under ? STRATA_F64_UNDERFLOW : 0) |                           \
		   (zero ? STRATA_F64_ZERO_DIVIDE : 0)

unsigned TARGET
avx512_add_f64(const double *a, const double *b, const uint64_t *mask, unsigned n, double *out)
{
	F64_LOOP(_mm512_add_pd, over |= k & IS(r, INFINITE) & ~IS(x, INFINITE) & ~IS(y, INFINITE));
}

unsigned TARGET
avx512_sub_f64(const double *a, const double *b, const uint64_t *mask, unsigned n, double *out)
{
	F64_LOOP(_mm512_sub_pd, over |= k & IS(r, INFINITE) & ~IS(x, INFINITE) & ~IS(y, INFINITE));
}

unsigned TARGET
avx512_mul_f64(const double *a, const double *b, const uint64_t *mask, unsigned n, double *out)
{
	F64_LOOP(_mm512_mul_pd, over |= k & IS(r, INFINITE) & ~IS(x, INFINITE) & ~IS(y, INFINITE);
			 under |= k & IS(r, ZERO) & ~IS(x, ZERO) & ~IS(y, ZERO));
}

unsigned TARGET
avx512_div_f64(const double *a, const double *b, const uint64_t *mask, unsigned n, double *out)
{
	F64_LOOP(_mm512_div_pd, zero |= k & IS(y, ZERO) & ~IS(x, NOT_A_NUMBER); k &= ~IS(y, ZERO);
			 over |= k & IS(r, INFINITE) & ~IS(x, INFINITE);
			 under |= k & IS(r, ZERO) & ~IS(x, ZERO) & ~IS(y, INFINITE));
}
#endif
