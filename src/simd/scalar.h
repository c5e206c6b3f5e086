/*
 * scalar.h - the loops of the scalar kernels.
 *
 * Included by: src/simd/scalar*.c.  Memory and locking: none.
 * Not here: the kernels.
 */
#ifndef STRATA_SIMD_SCALAR_H
#define STRATA_SIMD_SCALAR_H

#include "simd/levels.h"

/* Sets mask bit i to `test`, an expression in i, for the rows 0..n-1. */
#define SCALAR_MASK(test)                                                                                    \
	for (unsigned w_ = 0; w_ < simd_mask_words(n); w_++)                                                     \
	{                                                                                                        \
		unsigned end_ = n - w_ * 64 < 64 ? n : w_ * 64 + 64;                                                 \
		uint64_t word_ = 0;                                                                                  \
                                                                                                             \
		for (unsigned i = w_ * 64; i < end_; i++)                                                            \
			word_ |= (uint64_t)(test) << (i - w_ * 64);                                                      \
		mask[w_] = word_;                                                                                    \
	}

/* One loop an operator, so that the operator is not tested once a row. */
#define SCALAR_CMP(eq, lt, gt)                                                                               \
	switch (op)                                                                                              \
	{                                                                                                        \
		case STRATA_EQ:                                                                                      \
			SCALAR_MASK(eq) break;                                                                           \
		case STRATA_NE:                                                                                      \
			SCALAR_MASK(!(eq)) break;                                                                        \
		case STRATA_LT:                                                                                      \
			SCALAR_MASK(lt) break;                                                                           \
		case STRATA_LE:                                                                                      \
			SCALAR_MASK(!(gt)) break;                                                                        \
		case STRATA_GT:                                                                                      \
			SCALAR_MASK(gt) break;                                                                           \
		case STRATA_GE:                                                                                      \
			SCALAR_MASK(!(lt)) break;                                                                        \
	}

/* Runs `body` with i = each selected row, ascending. */
#define SCALAR_SELECTED(body)                                                                                \
	for (unsigned w = 0; w < simd_mask_words(n); w++)                                                        \
		for (uint64_t bits = simd_mask_word(mask, n, w); bits; bits &= bits - 1)                             \
		{                                                                                                    \
			unsigned i = w * 64 + __builtin_ctzll(bits);                                                     \
                                                                                                             \
			body;                                                                                            \
		}

#endif
