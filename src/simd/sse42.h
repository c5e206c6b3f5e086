/*
 * sse42.h - what the kernels with 128-bit vectors share: loads at the end of an array and the loops over
 * masks.
 *
 * Included by: src/simd/sse42*.c.  Memory and locking: none.
 * Not here: the kernels.
 */
#ifndef STRATA_SIMD_SSE42_H
#define STRATA_SIMD_SSE42_H

#include <nmmintrin.h>
#include <string.h>

#define TARGET STRATA_TARGET_SSE42
#define INLINE static inline __attribute__((always_inline))

#define LOADU(p)	 _mm_loadu_si128((const __m128i *)(p))
#define STOREU(p, x) _mm_storeu_si128((__m128i *)(p), x)

/* What there is of a vector, and zeroes; nothing past it is read. */
INLINE __m128i TARGET
load_part(const void *p, unsigned bytes)
{
	char part[16] = {0};

	memcpy(part, p, bytes);
	return LOADU(part);
}

/*
 * Fills the mask word by word from `test`, an expression that gives the bits of the LANES rows from row i on,
 * of which `there` are there; words are xored with flip, a variable of the caller.
 */
#define MASK_LOOP(LANES, test)                                                                               \
	for (unsigned w_ = 0; w_ < simd_mask_words(n); w_++)                                                     \
	{                                                                                                        \
		unsigned rows_ = n - w_ * 64 < 64 ? n - w_ * 64 : 64;                                                \
		uint64_t word_ = 0;                                                                                  \
                                                                                                             \
		if (rows_ == 64)                                                                                     \
			for (unsigned j = 0; j < 64; j += LANES)                                                         \
			{                                                                                                \
				unsigned i = w_ * 64 + j;                                                                    \
				const unsigned there = LANES;                                                                \
                                                                                                             \
				word_ |= (uint64_t)(unsigned)(test) << j;                                                    \
			}                                                                                                \
		else                                                                                                 \
			for (unsigned j = 0; j < rows_; j += LANES)                                                      \
			{                                                                                                \
				unsigned i = w_ * 64 + j;                                                                    \
				const unsigned there = rows_ - j < LANES ? rows_ - j : LANES;                                \
                                                                                                             \
				word_ |= (uint64_t)(unsigned)(test) << j;                                                    \
			}                                                                                                \
		word_ ^= flip;                                                                                       \
		mask[w_] = w_ + 1 == simd_mask_words(n) ? word_ & simd_tail_bits(n) : word_;                         \
	}

#define LOAD64(p) (there == 2 ? LOADU((p) + i) : load_part((p) + i, 8))
#define LOAD32(p) (there == 4 ? LOADU((p) + i) : load_part((p) + i, 4 * there))
#define LOADPD(p) _mm_castsi128_pd(LOAD64(p))
#define BITS64(x) _mm_movemask_pd(_mm_castsi128_pd(x))
#define BITS32(x) _mm_movemask_ps(_mm_castsi128_ps(x))

INLINE unsigned TARGET
count_bits(const uint64_t *mask, unsigned n)
{
	uint64_t count = 0;

	for (unsigned w = 0; w < simd_mask_words(n); w++)
		count += (uint64_t)_mm_popcnt_u64(simd_mask_word(mask, n, w));
	return (unsigned)count;
}

/* The low two bits of `bits` as a lane mask. */
INLINE __m128i TARGET
expand_bits(uint64_t bits)
{
	const __m128i lane = _mm_set_epi64x(2, 1);

	return _mm_cmpeq_epi64(_mm_and_si128(_mm_set1_epi64x((int64_t)bits), lane), lane);
}

/* Is it better to walk the mask bit by bit?  Two rows a step are soon not worth it. */
INLINE bool TARGET
sparse(const uint64_t *mask, unsigned n)
{
	return mask && count_bits(mask, n) < n / (SIMD_SPARSE / 4);
}

/* Runs `body` on x = two rows of v with k = those selected.  Rows of the last word that is not whole, and of
 * words with a row or two, go to `one`, with x1 the row. */
#define SELECTED_LOOP(body, one)                                                                             \
	for (unsigned w = 0; w < simd_mask_words(n); w++)                                                        \
	{                                                                                                        \
		uint64_t bits = simd_mask_word(mask, n, w);                                                          \
                                                                                                             \
		if (n - w * 64 < 64 || !(bits & (bits - 1)))                                                         \
			for (; bits; bits &= bits - 1)                                                                   \
			{                                                                                                \
				int64_t x1 = v[w * 64 + (unsigned)__builtin_ctzll(bits)];                                    \
                                                                                                             \
				one;                                                                                         \
			}                                                                                                \
		else                                                                                                 \
			for (unsigned j = 0; j < 64; j += 2)                                                             \
			{                                                                                                \
				__m128i k = expand_bits(bits >> j);                                                          \
				__m128i x = LOADU(v + w * 64 + j);                                                           \
                                                                                                             \
				body;                                                                                        \
			}                                                                                                \
	}

INLINE StrataInt128 TARGET
add_lanes(__m128i v)
{
	return (StrataInt128)_mm_cvtsi128_si64(v) + _mm_extract_epi64(v, 1);
}

#endif
