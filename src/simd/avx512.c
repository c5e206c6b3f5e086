/*
 * avx512.c - the kernels with 512-bit vectors (AVX-512 F, BW, DQ, VL and VBMI).
 *
 * Loads and stores at the end of an array are masked, so nothing is read or written past it: a masked-off
 * lane does not fault.
 */
#include "simd/levels.h"

#ifdef STRATA_SIMD_X86
#include "simd/avx512.h"

/* ---- unpack ---- */

INLINE void TARGET
unpack64(const uint64_t *packed, unsigned width, unsigned n, int64_t base, int64_t *out, bool nine)
{
	const char *in = (const char *)packed;
	Unpack u = unpack64_setup(width);
	__m512i add = _mm512_set1_epi64(base);
	unsigned i = 0;

	for (; i + 8 <= n; i += 8, in += width)
	{
		__m512i code = unpack64_step(&u, _mm512_maskz_loadu_epi8(u.load, in), nine);

		_mm512_storeu_si512(out + i, _mm512_add_epi64(code, add));
	}
	if (i < n)
	{
		__mmask64 load = low64(((n - i) * width + 7) / 8);
		__m512i code = unpack64_step(&u, _mm512_maskz_loadu_epi8(load, in), nine);

		_mm512_mask_storeu_epi64(out + i, low8(n - i), _mm512_add_epi64(code, add));
	}
}

void TARGET
avx512_unpack_i64(const uint64_t *packed, unsigned width, unsigned n, int64_t base, int64_t *out)
{
	if (width == 0)
	{
		for (unsigned i = 0; i < n; i += 8)
			_mm512_mask_storeu_epi64(out + i, n - i < 8 ? low8(n - i) : 0xff, _mm512_set1_epi64(base));
	}
	else if (width <= 57)
		unpack64(packed, width, n, base, out, false);
	else
		unpack64(packed, width, n, base, out, true);
}

/* Sixteen codes of up to 25 bits: four bytes a lane are enough. */
INLINE void TARGET
unpack32(const uint64_t *packed, unsigned width, unsigned n, uint32_t *out)
{
	const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	const char *in = (const char *)packed;
	__m512i bit = _mm512_mullo_epi32(lanes, _mm512_set1_epi32(width));
	__m512i byte = _mm512_srli_epi32(bit, 3);
	__m512i shift = _mm512_and_si512(bit, _mm512_set1_epi32(7));
	__m512i mask = _mm512_set1_epi32((int)((UINT64_C(1) << width) - 1));
	__mmask64 load = low64(2 * width);
	unsigned i = 0;

	byte = _mm512_shuffle_epi8(
		byte, _mm512_broadcast_i32x4(_mm_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12)));
	byte = _mm512_add_epi8(byte, _mm512_set1_epi32(0x03020100));
	for (; i + 16 <= n; i += 16, in += 2 * width)
	{
		__m512i code = _mm512_permutexvar_epi8(byte, _mm512_maskz_loadu_epi8(load, in));

		_mm512_storeu_si512(out + i, _mm512_and_si512(_mm512_srlv_epi32(code, shift), mask));
	}
	if (i < n)
	{
		__m512i code = _mm512_maskz_loadu_epi8(low64(((n - i) * width + 7) / 8), in);

		code = _mm512_srlv_epi32(_mm512_permutexvar_epi8(byte, code), shift);
		_mm512_mask_storeu_epi32(out + i, low16(n - i), _mm512_and_si512(code, mask));
	}
}

void TARGET
avx512_unpack_u32(const uint64_t *packed, unsigned width, unsigned n, uint32_t *out)
{
	const char *in = (const char *)packed;
	unsigned i = 0;
	Unpack u;

	if (width <= 25)
	{
		/* width 0 falls out as zeroes: no byte is loaded. */
		unpack32(packed, width, n, out);
		return;
	}
	u = unpack64_setup(width);
	for (; i + 8 <= n; i += 8, in += width)
		_mm256_storeu_si256((__m256i *)(out + i), _mm512_cvtepi64_epi32(unpack64_step(
													  &u, _mm512_maskz_loadu_epi8(u.load, in), false)));
	if (i < n)
	{
		__m512i code = _mm512_maskz_loadu_epi8(low64(((n - i) * width + 7) / 8), in);

		_mm256_mask_storeu_epi32(out + i, low8(n - i), _mm512_cvtepi64_epi32(unpack64_step(&u, code, false)));
	}
}

/*
 * Prefix sum: three shifted additions inside a vector, and the sum so far on top.  The running sum waits for
 * one addition a step only, since the total of a vector does not depend on what came before it.
 */
void TARGET
avx512_prefix_sum_i64(int64_t *v, unsigned n, int64_t start)
{
	const __m512i zero = _mm512_setzero_si512();
	const __m512i last = _mm512_set1_epi64(7);
	__m512i sum = _mm512_set1_epi64(start);

	for (unsigned i = 0; i < n; i += 8)
	{
		__mmask8 k = n - i < 8 ? low8(n - i) : 0xff;
		__m512i x = _mm512_maskz_loadu_epi64(k, v + i);

		x = _mm512_add_epi64(x, _mm512_alignr_epi64(x, zero, 7));
		x = _mm512_add_epi64(x, _mm512_alignr_epi64(x, zero, 6));
		x = _mm512_add_epi64(x, _mm512_alignr_epi64(x, zero, 4));
		_mm512_mask_storeu_epi64(v + i, k, _mm512_add_epi64(x, sum));
		sum = _mm512_add_epi64(sum, _mm512_permutexvar_epi64(last, x));
	}
}

/* ---- compare ---- */

void TARGET
avx512_cmp_i64(const int64_t *v, unsigned n, StrataCmp op, int64_t key, uint64_t *mask)
{
	__m512i c = _mm512_set1_epi64(key);

#define CMP(pred) _mm512_mask_cmp_epi64_mask((__mmask8)k, LOAD64(v), c, pred)
	CMP_SWITCH(8, CMP)
#undef CMP
}

void TARGET
avx512_cmp_u32(const uint32_t *v, unsigned n, StrataCmp op, uint32_t key, uint64_t *mask)
{
	__m512i c = _mm512_set1_epi32((int)key);

#define CMP(pred) _mm512_mask_cmp_epu32_mask((__mmask16)k, LOAD32(v), c, pred)
	CMP_SWITCH(16, CMP)
#undef CMP
}

void TARGET
avx512_range_i64(const int64_t *v, unsigned n, int64_t lo, int64_t hi, uint64_t *mask)
{
	/* lo <= x <= hi is one unsigned comparison once lo is subtracted, unless the range is empty. */
	__m512i low = _mm512_set1_epi64(lo);
	__m512i span = _mm512_set1_epi64((int64_t)((uint64_t)hi - (uint64_t)lo));
	uint32_t any = lo <= hi ? UINT32_MAX : 0;

	MASK_LOOP(8, _mm512_mask_cmple_epu64_mask((__mmask8)(k & any), _mm512_sub_epi64(LOAD64(v), low), span))
}

void TARGET
avx512_cmp_i64_i64(const int64_t *a, const int64_t *b, unsigned n, StrataCmp op, uint64_t *mask)
{
#define CMP(pred) _mm512_mask_cmp_epi64_mask((__mmask8)k, LOAD64(a), LOAD64(b), pred)
	CMP_SWITCH(8, CMP)
#undef CMP
}

/* Against NaN a comparison asks only which values are NaN too; all other values are less. */
static void TARGET
avx512_cmp_f64_nan(const double *v, unsigned n, StrataCmp op, uint64_t *mask)
{
	switch (op)
	{
		case STRATA_EQ:
		case STRATA_GE:
			MASK_LOOP(8, _mm512_mask_cmp_pd_mask((__mmask8)k, LOADPD(v), LOADPD(v), _CMP_UNORD_Q)) break;
		case STRATA_NE:
		case STRATA_LT:
			MASK_LOOP(8, _mm512_mask_cmp_pd_mask((__mmask8)k, LOADPD(v), LOADPD(v), _CMP_ORD_Q)) break;
		case STRATA_LE:
			MASK_LOOP(8, k + 0 * i) break;
		case STRATA_GT:
			MASK_LOOP(8, 0 * k * i) break;
	}
}

void TARGET
avx512_cmp_f64(const double *v, unsigned n, StrataCmp op, double key, uint64_t *mask)
{
	__m512d c = _mm512_set1_pd(key);

	if (key != key)
	{
		avx512_cmp_f64_nan(v, n, op, mask);
		return;
	}
	/* A NaN in v is unordered with the key, and must count as greater. */
#define CMP(pred) _mm512_mask_cmp_pd_mask((__mmask8)k, LOADPD(v), c, pred)
	switch (op)
	{
		case STRATA_EQ:
			MASK_LOOP(8, CMP(_CMP_EQ_OQ)) break;
		case STRATA_NE:
			MASK_LOOP(8, CMP(_CMP_NEQ_UQ)) break;
		case STRATA_LT:
			MASK_LOOP(8, CMP(_CMP_LT_OQ)) break;
		case STRATA_LE:
			MASK_LOOP(8, CMP(_CMP_LE_OQ)) break;
		case STRATA_GT:
			MASK_LOOP(8, CMP(_CMP_NLE_UQ)) break;
		case STRATA_GE:
			MASK_LOOP(8, CMP(_CMP_NLT_UQ)) break;
	}
#undef CMP
}

/* Rows k of a[i..] = b[i..]: equal, or both NaN. */
INLINE uint32_t TARGET
f64_eq(__m512d a, __m512d b, uint32_t k)
{
	__mmask8 nan =
		_mm512_mask_cmp_pd_mask(_mm512_mask_cmp_pd_mask((__mmask8)k, a, a, _CMP_UNORD_Q), b, b, _CMP_UNORD_Q);

	return nan | _mm512_mask_cmp_pd_mask((__mmask8)k, a, b, _CMP_EQ_OQ);
}

/* a < b: a is a number, and less than b or b is NaN. */
INLINE uint32_t TARGET
f64_lt(__m512d a, __m512d b, uint32_t k)
{
	return _mm512_mask_cmp_pd_mask(_mm512_mask_cmp_pd_mask((__mmask8)k, a, a, _CMP_ORD_Q), a, b, _CMP_NGE_UQ);
}

void TARGET
avx512_cmp_f64_f64(const double *a, const double *b, unsigned n, StrataCmp op, uint64_t *mask)
{
	switch (op)
	{
		case STRATA_EQ:
			MASK_LOOP(8, f64_eq(LOADPD(a), LOADPD(b), k)) break;
		case STRATA_NE:
			MASK_LOOP(8, k & ~f64_eq(LOADPD(a), LOADPD(b), k)) break;
		case STRATA_LT:
			MASK_LOOP(8, f64_lt(LOADPD(a), LOADPD(b), k)) break;
		case STRATA_LE:
			MASK_LOOP(8, k & ~f64_lt(LOADPD(b), LOADPD(a), k)) break;
		case STRATA_GT:
			MASK_LOOP(8, f64_lt(LOADPD(b), LOADPD(a), k)) break;
		case STRATA_GE:
			MASK_LOOP(8, k & ~f64_lt(LOADPD(a), LOADPD(b), k)) break;
	}
}

/* ---- masks ---- */

unsigned TARGET
avx512_count(const uint64_t *mask, unsigned n)
{
	return count_bits(mask, n);
}

/*
 * Sixteen rows a step: their numbers as 32-bit lanes, compressed to the front and narrowed to 16 bits.  All
 * sixteen lanes are stored and the place moves on by the number of set bits, so only words of zeroes cost a
 * branch.  (vpcompressw would take 32 rows a step but needs VBMI2; compressing to memory is slow on Zen 4.)
 */
unsigned TARGET
avx512_select(const uint64_t *mask, unsigned n, uint16_t *out)
{
	const __m512i sixteen = _mm512_set1_epi32(16);
	const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	unsigned count = 0;

	if (sparse(mask, n))
	{
		SIMD_FOREACH_BIT(i, mask, n)
		{
			out[count++] = (uint16_t)i;
		}
		return count;
	}
	for (unsigned w = 0; w < simd_mask_words(n); w++)
	{
		uint64_t bits = simd_mask_word(mask, n, w);
		__m512i row = _mm512_add_epi32(lanes, _mm512_set1_epi32((int)(w * 64)));

		if (bits == 0)
			continue;
		for (unsigned j = 0; j < 4; j++, bits >>= 16)
		{
			__m512i found = _mm512_maskz_compress_epi32((__mmask16)bits, row);

			_mm256_storeu_si256((__m256i *)(out + count), _mm512_cvtepi32_epi16(found));
			count += (unsigned)_mm_popcnt_u32((uint16_t)bits);
			row = _mm512_add_epi32(row, sixteen);
		}
	}
	return count;
}

/* ---- aggregates ---- */

/*
 * The exact sum.  Two sums a lane: of the values modulo 2^64, and of their signed upper halves.  A lane adds
 * less than 2^29 values, so the second cannot overflow, and neither can the sum of the unsigned lower halves:
 * that is what the first leaves when the upper halves are taken off, modulo 2^64, which is exact.
 */
StrataInt128 TARGET
avx512_sum_i64(const int64_t *v, const uint64_t *mask, unsigned n)
{
	__m512i hi = _mm512_setzero_si512();
	__m512i all = _mm512_setzero_si512();

	if (sparse(mask, n))
	{
		StrataInt128 sum = 0;

		SIMD_FOREACH_BIT(i, mask, n)
		{
			sum += v[i];
		}
		return sum;
	}
	SELECTED_LOOP(hi = _mm512_add_epi64(hi, _mm512_srai_epi64(x, 32)); all = _mm512_add_epi64(all, x))
	return add_lanes(hi) * ((StrataInt128)1 << 32) +
		   add_lanes(_mm512_sub_epi64(all, _mm512_slli_epi64(hi, 32)));
}

int64_t TARGET
avx512_min_i64(const int64_t *v, const uint64_t *mask, unsigned n)
{
	__m512i min = _mm512_set1_epi64(INT64_MAX);

	if (sparse(mask, n))
	{
		int64_t one = INT64_MAX;

		SIMD_FOREACH_BIT(i, mask, n)
		{
			one = v[i] < one ? v[i] : one;
		}
		return one;
	}
	SELECTED_LOOP(min = _mm512_mask_min_epi64(min, k, min, x))
	return _mm512_reduce_min_epi64(min);
}

int64_t TARGET
avx512_max_i64(const int64_t *v, const uint64_t *mask, unsigned n)
{
	__m512i max = _mm512_set1_epi64(INT64_MIN);

	if (sparse(mask, n))
	{
		int64_t one = INT64_MIN;

		SIMD_FOREACH_BIT(i, mask, n)
		{
			one = v[i] > one ? v[i] : one;
		}
		return one;
	}
	SELECTED_LOOP(max = _mm512_mask_max_epi64(max, k, max, x))
	return _mm512_reduce_max_epi64(max);
}

/* ---- arithmetic ---- */

/* Signed overflow of a sum: both operands have the sign that the result has not; of a difference: a and b
 * differ in sign and a and the result do. */
bool TARGET
avx512_add_i64(const int64_t *a, const int64_t *b, unsigned n, int64_t *out)
{
	__m512i over = _mm512_setzero_si512();

	for (unsigned i = 0; i < n; i += 8)
	{
		__mmask8 k = n - i < 8 ? low8(n - i) : 0xff;
		__m512i x = LOAD64(a);
		__m512i y = LOAD64(b);
		__m512i r = _mm512_add_epi64(x, y);

		over = _mm512_or_si512(over, _mm512_and_si512(_mm512_xor_si512(x, r), _mm512_xor_si512(y, r)));
		_mm512_mask_storeu_epi64(out + i, k, r);
	}
	return _mm512_movepi64_mask(over) != 0;
}

bool TARGET
avx512_sub_i64(const int64_t *a, const int64_t *b, unsigned n, int64_t *out)
{
	__m512i over = _mm512_setzero_si512();

	for (unsigned i = 0; i < n; i += 8)
	{
		__mmask8 k = n - i < 8 ? low8(n - i) : 0xff;
		__m512i x = LOAD64(a);
		__m512i y = LOAD64(b);
		__m512i r = _mm512_sub_epi64(x, y);

		over = _mm512_or_si512(over, _mm512_and_si512(_mm512_xor_si512(x, y), _mm512_xor_si512(x, r)));
		_mm512_mask_storeu_epi64(out + i, k, r);
	}
	return _mm512_movepi64_mask(over) != 0;
}

/*
 * The product in doubles is off by less than one part in 2^51, so below 2^63 * (1 - 2^-50) in size it proves
 * that the true product fits.  What it cannot prove (or what does overflow) is multiplied one by one.
 */
#define MUL_SAFE (9223372036854775808.0 * (1 - 1.0 / (UINT64_C(1) << 50)))

bool TARGET
avx512_mul_i64(const int64_t *a, const int64_t *b, unsigned n, int64_t *out)
{
	const __m512d safe = _mm512_set1_pd(MUL_SAFE);

	for (unsigned i = 0; i < n; i += 8)
	{
		__mmask8 k = n - i < 8 ? low8(n - i) : 0xff;
		__m512i x = LOAD64(a);
		__m512i y = LOAD64(b);
		__m512d size = _mm512_abs_pd(_mm512_mul_pd(_mm512_cvtepi64_pd(x), _mm512_cvtepi64_pd(y)));

		if (_mm512_cmp_pd_mask(size, safe, _CMP_NLT_UQ))
		{
			for (unsigned j = i; j < n && j < i + 8; j++)
				if (__builtin_mul_overflow(a[j], b[j], &out[j]))
					return true;
			continue;
		}
		_mm512_mask_storeu_epi64(out + i, k, _mm512_mullo_epi64(x, y));
	}
	return false;
}

/* What gains nothing here, as in avx2.c. */
#define avx512_gather_i64 scalar_gather_i64
#define avx512_gather_u32 scalar_gather_u32

const StrataKernels strata_kernels_avx512 = {
	.name = "avx512", .vector_width = 512, SIMD_KERNELS(SIMD_MEMBER, avx512)};
#endif
