/*
 * avx512.h - what the kernels with 512-bit vectors share: masked loads and the loops over masks.
 *
 * Included by: src/simd/avx512*.c.  Memory and locking: none.
 * Not here: the kernels.
 */
#ifndef STRATA_SIMD_AVX512_H
#define STRATA_SIMD_AVX512_H

#include <immintrin.h>

#define TARGET STRATA_TARGET_AVX512
#define INLINE static inline __attribute__((always_inline))

/* A mask of the low n lanes (n <= 8, 16, 64). */
INLINE __mmask8 TARGET
low8(unsigned n)
{
	return (__mmask8)((1u << n) - 1);
}

INLINE __mmask16 TARGET
low16(unsigned n)
{
	return (__mmask16)((1u << n) - 1);
}

INLINE __mmask64 TARGET
low64(unsigned n)
{
	return n < 64 ? (UINT64_C(1) << n) - 1 : ~UINT64_C(0);
}

/*
 * Fills the mask word by word from `test`, an expression that gives the bits of the LANES rows from row i on;
 * k has a bit for each row that is there.
 */
#define MASK_LOOP(LANES, test)                                                                               \
	for (unsigned w_ = 0; w_ < simd_mask_words(n); w_++)                                                     \
	{                                                                                                        \
		unsigned rows_ = n - w_ * 64 < 64 ? n - w_ * 64 : 64;                                                \
		uint64_t word_ = 0;                                                                                  \
                                                                                                             \
		if (rows_ == 64)                                                                                     \
			_Pragma("GCC unroll 8") for (unsigned j = 0; j < 64; j += LANES)                                 \
			{                                                                                                \
				unsigned i = w_ * 64 + j;                                                                    \
				const uint32_t k = (1u << LANES) - 1;                                                        \
                                                                                                             \
				word_ |= (uint64_t)(test) << j;                                                              \
			}                                                                                                \
		else                                                                                                 \
			for (unsigned j = 0; j < rows_; j += LANES)                                                      \
			{                                                                                                \
				unsigned i = w_ * 64 + j;                                                                    \
				uint32_t k = rows_ - j < LANES ? (1u << (rows_ - j)) - 1 : (1u << LANES) - 1;                \
                                                                                                             \
				word_ |= (uint64_t)(test) << j;                                                              \
			}                                                                                                \
		mask[w_] = word_;                                                                                    \
	}

#define LOAD64(p) _mm512_maskz_loadu_epi64((__mmask8)k, (p) + i)
#define LOAD32(p) _mm512_maskz_loadu_epi32((__mmask16)k, (p) + i)
#define LOADPD(p) _mm512_maskz_loadu_pd((__mmask8)k, (p) + i)

/* The predicate of a compare instruction is part of the instruction: one loop for each. */
#define CMP_SWITCH(LANES, CMP)                                                                               \
	switch (op)                                                                                              \
	{                                                                                                        \
		case STRATA_EQ:                                                                                      \
			MASK_LOOP(LANES, CMP(_MM_CMPINT_EQ)) break;                                                      \
		case STRATA_NE:                                                                                      \
			MASK_LOOP(LANES, CMP(_MM_CMPINT_NE)) break;                                                      \
		case STRATA_LT:                                                                                      \
			MASK_LOOP(LANES, CMP(_MM_CMPINT_LT)) break;                                                      \
		case STRATA_LE:                                                                                      \
			MASK_LOOP(LANES, CMP(_MM_CMPINT_LE)) break;                                                      \
		case STRATA_GT:                                                                                      \
			MASK_LOOP(LANES, CMP(_MM_CMPINT_NLE)) break;                                                     \
		case STRATA_GE:                                                                                      \
			MASK_LOOP(LANES, CMP(_MM_CMPINT_NLT)) break;                                                     \
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
	return mask && count_bits(mask, n) < n / SIMD_SPARSE;
}

/* Runs `body` on x = eight rows of v with k = those selected, skipping words of 64 that have none. */
#define SELECTED_LOOP(body)                                                                                  \
	for (unsigned w = 0; w < simd_mask_words(n); w++)                                                        \
	{                                                                                                        \
		uint64_t bits = simd_mask_word(mask, n, w);                                                          \
                                                                                                             \
		if (bits == 0)                                                                                       \
			continue;                                                                                        \
		_Pragma("GCC unroll 8") for (unsigned j = 0; j < 64; j += 8)                                         \
		{                                                                                                    \
			__mmask8 k = (__mmask8)(bits >> j);                                                              \
			__m512i x = _mm512_maskz_loadu_epi64(k, v + w * 64 + j);                                         \
                                                                                                             \
			body;                                                                                            \
		}                                                                                                    \
	}

/* The sum of the lanes modulo 2^64.  (_mm512_reduce_add_epi64 adds them as signed numbers.) */
INLINE uint64_t TARGET
wrap_lanes(__m512i v)
{
	uint64_t lane[8], sum = 0;

	_mm512_storeu_si512(lane, v);
	for (int i = 0; i < 8; i++)
		sum += lane[i];
	return sum;
}

INLINE StrataInt128 TARGET
add_lanes(__m512i v)
{
	int64_t lane[8];
	StrataInt128 sum = 0;

	_mm512_storeu_si512(lane, v);
	for (int i = 0; i < 8; i++)
		sum += lane[i];
	return sum;
}

/*
 * Unpacking into 64-bit lanes.
 *
 * Eight codes of `width` bits are exactly `width` bytes, so each step of eight begins at a whole byte.  One
 * vpermb moves to each 64-bit lane the eight bytes in which its code begins; a shift by the rest of the bit
 * position and a mask finish it.  A code of more than 57 bits may end in a ninth byte, which a second vpermb
 * brings.  vpermb takes six bits of an index: positions past the 64 bytes loaded wrap, harmlessly, as only
 * bytes that the mask drops can lie there.
 */

typedef struct Unpack
{
	__m512i bytes; /* vpermb index: the eight bytes from the one that lane's code begins in */
	__m512i shift;
	__m512i mask;
	__mmask64 load;
} Unpack;

INLINE Unpack TARGET
unpack64_setup(unsigned width)
{
	const __m512i lanes = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
	__m512i bit = _mm512_mullo_epi64(lanes, _mm512_set1_epi64(width));
	__m512i byte = _mm512_srli_epi64(bit, 3);
	Unpack u;

	/* The low byte of each lane to all eight of it, and 0..7 on top. */
	byte = _mm512_shuffle_epi8(
		byte, _mm512_broadcast_i32x4(_mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 8, 8, 8, 8, 8, 8, 8, 8)));
	u.bytes = _mm512_add_epi8(byte, _mm512_set1_epi64(0x0706050403020100));
	u.shift = _mm512_and_si512(bit, _mm512_set1_epi64(7));
	u.mask = _mm512_set1_epi64(width < 64 ? (int64_t)((UINT64_C(1) << width) - 1) : -1);
	u.load = low64(width);
	return u;
}

INLINE __m512i TARGET
unpack64_step(const Unpack *u, __m512i in, bool nine)
{
	__m512i code = _mm512_srlv_epi64(_mm512_permutexvar_epi8(u->bytes, in), u->shift);

	if (nine)
	{
		/* Byte eight of the lane's bytes: shifted by 64 - shift, which for shift 0 gives zero. */
		__m512i next = _mm512_permutexvar_epi8(_mm512_add_epi8(u->bytes, _mm512_set1_epi8(8)), in);

		code =
			_mm512_or_si512(code, _mm512_sllv_epi64(next, _mm512_sub_epi64(_mm512_set1_epi64(64), u->shift)));
	}
	return _mm512_and_si512(code, u->mask);
}

#endif
