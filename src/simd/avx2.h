/*
 * avx2.h - what the kernels with 256-bit vectors share: loads at the end of an array and the loops over
 * masks.
 *
 * Included by: src/simd/avx2*.c.  Memory and locking: none.
 * Not here: the kernels.
 */
#ifndef STRATA_SIMD_AVX2_H
#define STRATA_SIMD_AVX2_H

#include <immintrin.h>

#define TARGET STRATA_TARGET_AVX2
#define INLINE static inline __attribute__((always_inline))

/* The low n of four 64-bit lanes (n <= 4), or of eight 32-bit lanes, as a lane mask for masked loads. */
INLINE __m256i TARGET
lanes64(unsigned n)
{
	return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
}

INLINE __m256i TARGET
lanes32(unsigned n)
{
	return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/*
 * Fills the mask word by word from `test`, an expression that gives the bits of the LANES rows from row i on;
 * loads take k and whole.  Words are xored with flip, a variable of the caller.
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
				const __m256i k = _mm256_set1_epi64x(-1);                                                    \
				const bool whole = true;                                                                     \
                                                                                                             \
				word_ |= (uint64_t)(unsigned)(test) << j;                                                    \
			}                                                                                                \
		else                                                                                                 \
			for (unsigned j = 0; j < rows_; j += LANES)                                                      \
			{                                                                                                \
				unsigned i = w_ * 64 + j;                                                                    \
				const __m256i k = LANES == 8 ? lanes32(rows_ - j) : lanes64(rows_ - j);                      \
				const bool whole = false;                                                                    \
                                                                                                             \
				word_ |= (uint64_t)(unsigned)(test) << j;                                                    \
			}                                                                                                \
		word_ ^= flip;                                                                                       \
		mask[w_] = w_ + 1 == simd_mask_words(n) ? word_ & simd_tail_bits(n) : word_;                         \
	}

INLINE __m256i TARGET
load_i64(const int64_t *p, __m256i k, bool whole)
{
	return whole ? _mm256_loadu_si256((const __m256i *)p) : _mm256_maskload_epi64((const long long *)p, k);
}

INLINE __m256i TARGET
load_u32(const uint32_t *p, __m256i k, bool whole)
{
	return whole ? _mm256_loadu_si256((const __m256i *)p) : _mm256_maskload_epi32((const int *)p, k);
}

INLINE __m256d TARGET
load_f64(const double *p, __m256i k, bool whole)
{
	return whole ? _mm256_loadu_pd(p) : _mm256_maskload_pd(p, k);
}

#define LOAD64(p) load_i64((p) + i, k, whole)
#define LOADPD(p) load_f64((p) + i, k, whole)
#define BITS64(x) _mm256_movemask_pd(_mm256_castsi256_pd(x))
#define BITS32(x) _mm256_movemask_ps(_mm256_castsi256_ps(x))

static inline uint64_t
flip_of(StrataCmp op)
{
	return op == STRATA_NE || op == STRATA_LE || op == STRATA_GE ? ~UINT64_C(0) : 0;
}

INLINE unsigned TARGET
count_bits(const uint64_t *mask, unsigned n)
{
	uint64_t count = 0;

	for (unsigned w = 0; w < simd_mask_words(n); w++)
		count += (uint64_t)_mm_popcnt_u64(simd_mask_word(mask, n, w));
	return (unsigned)count;
}

/* Is it better to walk the mask bit by bit? */
INLINE bool TARGET
sparse(const uint64_t *mask, unsigned n)
{
	return mask && count_bits(mask, n) < n / (SIMD_SPARSE / 2);
}

/* The low four bits of `bits` as a lane mask. */
INLINE __m256i TARGET
expand_bits(uint64_t bits)
{
	__m256i lane = _mm256_setr_epi64x(1, 2, 4, 8);

	return _mm256_cmpeq_epi64(_mm256_and_si256(_mm256_set1_epi64x((int64_t)bits), lane), lane);
}

/* Runs `body` on x = four rows of v with k = those selected, skipping words of 64 that have none. */
#define SELECTED_LOOP(body)                                                                                  \
	for (unsigned w = 0; w < simd_mask_words(n); w++)                                                        \
	{                                                                                                        \
		uint64_t bits = simd_mask_word(mask, n, w);                                                          \
                                                                                                             \
		if (bits == 0)                                                                                       \
			continue;                                                                                        \
		for (unsigned j = 0; j < 64; j += 4)                                                                 \
		{                                                                                                    \
			__m256i k = expand_bits(bits >> j);                                                              \
			__m256i x = _mm256_maskload_epi64((const long long *)(v + w * 64 + j), k);                       \
                                                                                                             \
			body;                                                                                            \
		}                                                                                                    \
	}

INLINE StrataInt128 TARGET
add_lanes(__m256i v)
{
	return (StrataInt128)_mm256_extract_epi64(v, 0) + _mm256_extract_epi64(v, 1) +
		   _mm256_extract_epi64(v, 2) + _mm256_extract_epi64(v, 3);
}

#endif
