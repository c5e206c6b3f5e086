/*
 * levels.h - the kernel tables by level, and the target attributes of their functions.
 *
 * Included by: src/simd/ only.  Memory and locking: the tables are const.
 * Not here: which table is in use (cpu.c).
 *
 * A level is one file.  Each of its functions carries a target attribute, so the library as a whole is
 * compiled for the plain architecture and runs on a CPU without the level; nothing is called before cpu.c
 * has seen that the CPU and the operating system allow it.
 */
#ifndef STRATA_SIMD_LEVELS_H
#define STRATA_SIMD_LEVELS_H

#include "simd/simd.h"

#if defined(__x86_64__)
#define STRATA_SIMD_X86	   1
#define STRATA_TARGET_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define STRATA_TARGET_AVX512                                                                                 \
	__attribute__((target("avx2,bmi,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")))

extern const StrataKernels strata_kernels_avx2;
extern const StrataKernels strata_kernels_avx512;
#endif

extern const StrataKernels strata_kernels_scalar;

/* Words of a mask over n rows, and the valid bits of its last word. */
static inline unsigned
simd_mask_words(unsigned n)
{
	return (n + 63) / 64;
}

static inline uint64_t
simd_tail_bits(unsigned n)
{
	return n % 64 ? (UINT64_C(1) << n % 64) - 1 : ~UINT64_C(0);
}

/* The selected rows of the 64 rows from w * 64 on: all of them when there is no mask. */
static inline uint64_t
simd_mask_word(const uint64_t *mask, unsigned n, unsigned w)
{
	uint64_t bits = mask ? mask[w] : ~UINT64_C(0);

	return w + 1 == simd_mask_words(n) ? bits & simd_tail_bits(n) : bits;
}

/*
 * A mask with few rows is cheaper walked bit by bit than in vectors: measured on Zen 4, below one row in
 * SIMD_SPARSE for both select and the aggregates.
 */
#define SIMD_SPARSE 24

#define SIMD_FOREACH_BIT(i, mask, n)                                                                         \
	for (unsigned w_ = 0; w_ < simd_mask_words(n); w_++)                                                     \
		for (uint64_t bits_ = simd_mask_word(mask, n, w_), i = 0;                                            \
			 bits_ && (i = w_ * 64 + (unsigned)__builtin_ctzll(bits_), true); bits_ &= bits_ - 1)

/* The i-th code of a packed array; what unpack means.  width is 1..64. */
static inline uint64_t
simd_code(const uint64_t *packed, unsigned width, unsigned i)
{
	uint64_t bit = (uint64_t)i * width;
	unsigned shift = bit % 64;
	uint64_t code = packed[bit / 64] >> shift;

	if (shift + width > 64)
		code |= packed[bit / 64 + 1] << (64 - shift);
	return width < 64 ? code & ((UINT64_C(1) << width) - 1) : code;
}

#endif
