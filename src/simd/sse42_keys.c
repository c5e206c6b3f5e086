/*
 * sse42_keys.c - kernels over keys with 128-bit vectors.  (Hashes gain nothing: a product of 64 bits is one
 * instruction outside vectors.)
 */
#include "simd/levels.h"

#ifdef STRATA_SIMD_X86
#include "simd/mix.h"
#include "simd/sse42.h"

INLINE unsigned TARGET
in_list(__m128i x, const int64_t *list, unsigned nlist)
{
	__m128i found = _mm_setzero_si128();

	for (unsigned j = 0; j < nlist; j++)
		found = _mm_or_si128(found, _mm_cmpeq_epi64(x, _mm_set1_epi64x(list[j])));
	return (unsigned)BITS64(found);
}

void TARGET
sse42_in_i64(const int64_t *v, unsigned n, const int64_t *list, unsigned nlist, uint64_t *mask)
{
	const uint64_t flip = 0;

	MASK_LOOP(2, in_list(LOAD64(v), list, nlist))
}

/* 1 << bit in each lane, by way of the exponent of a float: 2^bit is a float, and as an integer it is 1 <<
 * bit (2^31 is out of range and comes out as the top bit alone, which is 1 << 31). */
INLINE __m128i TARGET
one_bit(__m128i bit)
{
	__m128i exponent = _mm_slli_epi32(_mm_add_epi32(bit, _mm_set1_epi32(127)), 23);

	return _mm_cvttps_epi32(_mm_castsi128_ps(exponent));
}

INLINE __m128i TARGET
bloom_bits(uint64_t hash, __m128i salts)
{
	return one_bit(_mm_srli_epi32(_mm_mullo_epi32(_mm_set1_epi32((int)(uint32_t)hash), salts), 27));
}

static const uint32_t bloom_salts[STRATA_BLOOM_WORDS] = {BLOOM_SALTS};

void TARGET
sse42_bloom_add(StrataBloomBlock *filter, uint32_t nblocks, const uint64_t *hash, unsigned n)
{
	const __m128i lo = LOADU(bloom_salts), hi = LOADU(bloom_salts + 4);

	for (unsigned i = 0; i < n; i++)
	{
		__m128i *block = (__m128i *)&filter[bloom_block(hash[i], nblocks)];

		block[0] = _mm_or_si128(block[0], bloom_bits(hash[i], lo));
		block[1] = _mm_or_si128(block[1], bloom_bits(hash[i], hi));
	}
}

void TARGET
sse42_bloom_test(const StrataBloomBlock *filter, uint32_t nblocks, const uint64_t *hash, unsigned n,
				 uint64_t *mask)
{
	const __m128i lo = LOADU(bloom_salts), hi = LOADU(bloom_salts + 4);

	for (unsigned w = 0; w < simd_mask_words(n); w++)
	{
		unsigned end = n - w * 64 < 64 ? n - w * 64 : 64;
		uint64_t word = 0;

		for (unsigned j = 0; j < end; j++)
		{
			uint64_t h = hash[w * 64 + j];
			const __m128i *block = (const __m128i *)&filter[bloom_block(h, nblocks)];
			int all =
				_mm_testc_si128(block[0], bloom_bits(h, lo)) & _mm_testc_si128(block[1], bloom_bits(h, hi));

			word |= (uint64_t)(unsigned)all << j;
		}
		mask[w] = word;
	}
}
#endif
