/*
 * sse42_packed.c - comparing and adding up packed codes with 128-bit vectors: unpacked, a stretch at a time,
 * into a buffer in the first-level cache.
 */
#include "simd/levels.h"

#ifdef STRATA_SIMD_X86
#include "simd/sse42.h"

/* Rows unpacked at a time: a multiple of 64, so that each stretch begins at a word of codes and of the mask.
 */
#define STRETCH 512

/* Runs `narrow` with v = some codes of at most 32 bits, `wide` with v = longer ones; at and m are the codes
 * and the mask of these rows. */
#define STRETCHES(narrow, wide)                                                                              \
	for (unsigned i_ = 0; i_ < n; i_ += STRETCH)                                                             \
	{                                                                                                        \
		const uint64_t *at = packed + (size_t)i_ / 64 * width;                                               \
		unsigned rows = n - i_ < STRETCH ? n - i_ : STRETCH;                                                 \
		unsigned word = i_ / 64;                                                                             \
                                                                                                             \
		if (width <= 32)                                                                                     \
		{                                                                                                    \
			uint32_t v[STRETCH];                                                                             \
                                                                                                             \
			sse42_unpack_u32(at, width, rows, v);                                                            \
			narrow;                                                                                          \
		}                                                                                                    \
		else                                                                                                 \
		{                                                                                                    \
			int64_t v[STRETCH];                                                                              \
                                                                                                             \
			sse42_unpack_i64(at, width, rows, 0, v);                                                         \
			wide;                                                                                            \
		}                                                                                                    \
	}

INLINE void TARGET
range32(const uint32_t *v, unsigned n, uint64_t lo, uint64_t span, uint64_t flip, uint64_t *mask)
{
	const __m128i low = _mm_set1_epi32((int)lo), len = _mm_set1_epi32((int)span);

#define INSIDE(x) BITS32(_mm_cmpeq_epi32(_mm_min_epu32(x, len), x))
	MASK_LOOP(4, INSIDE(_mm_sub_epi32(LOAD32(v), low)))
#undef INSIDE
}

INLINE void TARGET
range64(const int64_t *v, unsigned n, uint64_t lo, uint64_t span, uint64_t flip, uint64_t *mask)
{
	/* Unsigned order is signed order with the top bit turned round on both sides. */
	const __m128i top = _mm_set1_epi64x(INT64_MIN);
	const __m128i low = _mm_set1_epi64x((int64_t)lo);
	const __m128i len = _mm_xor_si128(_mm_set1_epi64x((int64_t)span), top);

	flip = ~flip;
	MASK_LOOP(2, BITS64(_mm_cmpgt_epi64(_mm_xor_si128(_mm_sub_epi64(LOAD64(v), low), top), len)))
}

static void TARGET
packed_range(const uint64_t *packed, unsigned width, unsigned n, SimdRange r, uint64_t *mask)
{
	uint64_t most = width == 0 ? 0 : UINT64_MAX >> (64 - width);
	uint64_t span = (r.hi < most ? r.hi : most) - r.lo;

	if (r.lo > r.hi || r.lo > most)
	{
		simd_fill_mask(mask, n, r.flip);
		return;
	}
	STRETCHES(range32(v, rows, r.lo, span, r.flip, mask + word),
			  range64(v, rows, r.lo, span, r.flip, mask + word))
}

void TARGET
sse42_range_packed(const uint64_t *packed, unsigned width, unsigned n, uint64_t lo, uint64_t hi,
				   uint64_t *mask)
{
	packed_range(packed, width, n, (SimdRange){lo, hi, 0}, mask);
}

void TARGET
sse42_cmp_packed(const uint64_t *packed, unsigned width, unsigned n, StrataCmp op, uint64_t k, uint64_t *mask)
{
	packed_range(packed, width, n, simd_range_of(op, k), mask);
}

/* Walks the mask: with four lanes and no masked load, vectors gain nothing. */
#define SUM_SELECTED(v)                                                                                      \
	do                                                                                                       \
	{                                                                                                        \
		const uint64_t *m = mask ? mask + word : NULL;                                                       \
                                                                                                             \
		SIMD_FOREACH_BIT(i, m, rows)                                                                         \
		{                                                                                                    \
			sum += v;                                                                                        \
		}                                                                                                    \
	} while (0)

StrataInt128 TARGET
sse42_sum_packed(const uint64_t *packed, unsigned width, unsigned n, const uint64_t *mask)
{
	StrataInt128 sum = 0;

	STRETCHES(SUM_SELECTED(v[i]), SUM_SELECTED((uint64_t)v[i]))
	return sum;
}
#endif
