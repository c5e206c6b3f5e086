/*
 * scalar_packed.c - what the kernels over packed codes mean.
 */
#include "simd/scalar.h"

/* Code i of an array of any width, 0 included. */
static inline uint64_t
code_at(const uint64_t *packed, unsigned width, unsigned i)
{
	return width ? simd_code(packed, width, i) : 0;
}

void
scalar_cmp_packed(const uint64_t *packed, unsigned width, unsigned n, StrataCmp op, uint64_t k,
				  uint64_t *mask)
{
#define CODE code_at(packed, width, i)
	SCALAR_CMP(CODE == k, CODE<k, CODE> k)
#undef CODE
}

void
scalar_range_packed(const uint64_t *packed, unsigned width, unsigned n, uint64_t lo, uint64_t hi,
					uint64_t *mask)
{
	uint64_t span = hi - lo;

	if (lo > hi)
		simd_fill_mask(mask, n, false);
	else
		SCALAR_MASK(code_at(packed, width, i) - lo <= span)
}

StrataInt128
scalar_sum_packed(const uint64_t *packed, unsigned width, unsigned n, const uint64_t *mask)
{
	StrataInt128 sum = 0;

	SCALAR_SELECTED(sum += code_at(packed, width, i))
	return sum;
}
