/*
 * avx2_packed.c - comparing and adding up packed codes with 256-bit vectors.
 *
 * Codes of 8 and 16 bits are compared as they lie.  Others are unpacked, a stretch at a time, into a buffer
 * in the first-level cache.
 */
#include "simd/levels.h"

#ifdef STRATA_SIMD_X86
#include "simd/avx2.h"

/* Rows unpacked at a time: a multiple of 64, so that each stretch begins at a word of codes and of the mask.
 */
#define STRETCH 512

/* Bit i of the result: byte i, of 64 from p on, is within the range. */
INLINE uint64_t TARGET
range_bytes(const char *p, __m256i lo, __m256i span)
{
	uint64_t word = 0;

	for (unsigned j = 0; j < 64; j += 32)
	{
		__m256i x = _mm256_sub_epi8(_mm256_loadu_si256((const __m256i *)(p + j)), lo);

		word |= (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(x, span), x)) << j;
	}
	return word;
}

INLINE uint64_t TARGET
range_shorts(const char *p, __m256i lo, __m256i span)
{
	uint64_t word = 0;

	for (unsigned j = 0; j < 64; j += 32)
	{
		__m256i a = _mm256_sub_epi16(_mm256_loadu_si256((const __m256i *)(p + 2 * j)), lo);
		__m256i b = _mm256_sub_epi16(_mm256_loadu_si256((const __m256i *)(p + 2 * j + 32)), lo);

		a = _mm256_cmpeq_epi16(_mm256_min_epu16(a, span), a);
		b = _mm256_cmpeq_epi16(_mm256_min_epu16(b, span), b);
		/* Packing works within halves of the vector: put the quarters right. */
		a = _mm256_permute4x64_epi64(_mm256_packs_epi16(a, b), 0xd8);
		word |= (uint64_t)(uint32_t)_mm256_movemask_epi8(a) << j;
	}
	return word;
}

/* Whole words of 64 rows of codes of 8 or 16 bits; returns how many rows that were. */
INLINE unsigned TARGET
range_whole(const uint64_t *packed, unsigned width, unsigned n, uint64_t lo, uint64_t span, uint64_t flip,
			uint64_t *mask)
{
	const char *p = (const char *)packed;
	__m256i low = width == 8 ? _mm256_set1_epi8((char)lo) : _mm256_set1_epi16((short)lo);
	__m256i len = width == 8 ? _mm256_set1_epi8((char)span) : _mm256_set1_epi16((short)span);

	for (unsigned w = 0; w < n / 64; w++, p += 8 * width)
		mask[w] = (width == 8 ? range_bytes(p, low, len) : range_shorts(p, low, len)) ^ flip;
	return n / 64 * 64;
}

/* Rows of x (unsigned) outside the range. */
INLINE unsigned TARGET
outside32(__m256i x, __m256i lo, __m256i span)
{
	x = _mm256_sub_epi32(x, lo);
	return (unsigned)BITS32(_mm256_cmpeq_epi32(_mm256_min_epu32(x, span), x)) ^ 0xff;
}

INLINE unsigned TARGET
outside64(__m256i x, __m256i lo, __m256i span)
{
	/* Unsigned order is signed order with the top bit turned round; it is in span already. */
	const __m256i top = _mm256_set1_epi64x(INT64_MIN);

	return (unsigned)BITS64(_mm256_cmpgt_epi64(_mm256_xor_si256(_mm256_sub_epi64(x, lo), top), span));
}

/* `flip` turns rows outside into rows inside. */
INLINE void TARGET
range_stretch(const uint64_t *packed, unsigned width, unsigned n, uint64_t lo, uint64_t span, uint64_t flip,
			  uint64_t *mask)
{
	flip = ~flip;
	if (width <= 32)
	{
		uint32_t v[STRETCH];
		__m256i low = _mm256_set1_epi32((int)lo);
		__m256i len = _mm256_set1_epi32((int)span);

		strata_kernels_avx2.unpack_u32(packed, width, n, v);
		MASK_LOOP(8, outside32(load_u32(v + i, k, whole), low, len))
	}
	else
	{
		int64_t v[STRETCH];
		__m256i low = _mm256_set1_epi64x((int64_t)lo);
		__m256i len = _mm256_set1_epi64x((int64_t)(span ^ UINT64_C(1) << 63));

		strata_kernels_avx2.unpack_i64(packed, width, n, 0, v);
		MASK_LOOP(4, outside64(LOAD64(v), low, len))
	}
}

static void TARGET
packed_range(const uint64_t *packed, unsigned width, unsigned n, SimdRange r, uint64_t *mask)
{
	uint64_t most = width == 0 ? 0 : UINT64_MAX >> (64 - width);
	uint64_t span = (r.hi < most ? r.hi : most) - r.lo;
	unsigned i = 0;

	if (r.lo > r.hi || r.lo > most)
	{
		simd_fill_mask(mask, n, r.flip);
		return;
	}
	if (width == 8 || width == 16)
		i = range_whole(packed, width, n, r.lo, span, r.flip, mask);
	for (; i < n; i += STRETCH)
		range_stretch(packed + (size_t)i / 64 * width, width, n - i < STRETCH ? n - i : STRETCH, r.lo, span,
					  r.flip, mask + i / 64);
}

void TARGET
avx2_range_packed(const uint64_t *packed, unsigned width, unsigned n, uint64_t lo, uint64_t hi,
				  uint64_t *mask)
{
	packed_range(packed, width, n, (SimdRange){lo, hi, 0}, mask);
}

void TARGET
avx2_cmp_packed(const uint64_t *packed, unsigned width, unsigned n, StrataCmp op, uint64_t k, uint64_t *mask)
{
	packed_range(packed, width, n, simd_range_of(op, k), mask);
}

/* The sum of n codes of at most 32 bits in 32-bit lanes. */
INLINE uint64_t TARGET
sum_u32(const uint32_t *v, unsigned n, const uint64_t *mask)
{
	const __m256i lanes = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
	const __m256i low = _mm256_set1_epi64x(UINT32_MAX);
	__m256i sum = _mm256_setzero_si256();

	for (unsigned w = 0; w < simd_mask_words(n); w++)
	{
		uint64_t bits = simd_mask_word(mask, n, w);

		for (unsigned j = 0; bits; j += 8, bits >>= 8)
		{
			__m256i k = _mm256_and_si256(_mm256_set1_epi32((int)(bits & 0xff)), lanes);
			__m256i x = _mm256_maskload_epi32((const int *)(v + w * 64 + j), _mm256_cmpeq_epi32(k, lanes));

			sum = _mm256_add_epi64(sum, _mm256_and_si256(x, low));
			sum = _mm256_add_epi64(sum, _mm256_srli_epi64(x, 32));
		}
	}
	return (uint64_t)add_lanes(sum);
}

/* The sum of n codes of any width. */
INLINE StrataInt128 TARGET
sum_u64(const int64_t *v, unsigned n, const uint64_t *mask)
{
	const __m256i low = _mm256_set1_epi64x(UINT32_MAX);
	__m256i lo = _mm256_setzero_si256();
	__m256i hi = _mm256_setzero_si256();

	SELECTED_LOOP((void)k; lo = _mm256_add_epi64(lo, _mm256_and_si256(x, low));
				  hi = _mm256_add_epi64(hi, _mm256_srli_epi64(x, 32)))
	return add_lanes(lo) + add_lanes(hi) * ((StrataInt128)1 << 32);
}

StrataInt128 TARGET
avx2_sum_packed(const uint64_t *packed, unsigned width, unsigned n, const uint64_t *mask)
{
	StrataInt128 sum = 0;

	for (unsigned i = 0; i < n && width > 0; i += STRETCH)
	{
		unsigned rows = n - i < STRETCH ? n - i : STRETCH;
		const uint64_t *at = packed + (size_t)i / 64 * width;
		const uint64_t *m = mask ? mask + i / 64 : NULL;

		if (width <= 32)
		{
			uint32_t v[STRETCH];

			strata_kernels_avx2.unpack_u32(at, width, rows, v);
			sum += sum_u32(v, rows, m);
		}
		else
		{
			int64_t v[STRETCH];

			strata_kernels_avx2.unpack_i64(at, width, rows, 0, v);
			sum += sum_u64(v, rows, m);
		}
	}
	return sum;
}
#endif
