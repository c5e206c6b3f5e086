/*
 * avx2_keys.c - kernels over keys with 256-bit vectors.
 */
#include "simd/levels.h"

#ifdef STRATA_SIMD_X86
#include "simd/avx2.h"
#include "simd/mix.h"

#define LOADU(p)	 _mm256_loadu_si256((const __m256i *)(p))
#define STOREU(p, x) _mm256_storeu_si256((__m256i *)(p), x)

/* (x ^ x >> shift) * mul: the low 64 bits of a product from three of 32 bits. */
INLINE __m256i TARGET
mix_round(__m256i x, int shift, uint64_t mul)
{
	const __m256i lo = _mm256_set1_epi64x((int64_t)(mul & UINT32_MAX));
	const __m256i hi = _mm256_set1_epi64x((int64_t)(mul >> 32));
	__m256i cross;

	x = _mm256_xor_si256(x, _mm256_srli_epi64(x, shift));
	cross = _mm256_add_epi64(_mm256_mul_epu32(x, hi), _mm256_mul_epu32(_mm256_srli_epi64(x, 32), lo));
	return _mm256_add_epi64(_mm256_mul_epu32(x, lo), _mm256_slli_epi64(cross, 32));
}

void TARGET
avx2_hash_i64(const int64_t *v, unsigned n, uint64_t seed, uint64_t *out)
{
	const __m256i begin = _mm256_set1_epi64x((int64_t)(seed + MIX_BEGIN));
	unsigned i = 0;

	for (; i + 4 <= n; i += 4)
	{
		__m256i x = _mm256_add_epi64(LOADU(v + i), begin);

		x = mix_round(x, 27, MIX_MUL1);
		x = mix_round(x, 33, MIX_MUL2);
		STOREU(out + i, _mm256_xor_si256(x, _mm256_srli_epi64(x, 27)));
	}
	for (; i < n; i++)
		out[i] = mix_key((uint64_t)v[i], seed);
}

void TARGET
avx2_hash_combine(uint64_t *h, const uint64_t *more, unsigned n)
{
	unsigned i = 0;

	for (; i + 4 <= n; i += 4)
		STOREU(h + i, _mm256_add_epi64(mix_round(LOADU(h + i), 32, MIX_MUL1), LOADU(more + i)));
	for (; i < n; i++)
		h[i] = mix_pair(h[i], more[i]);
}

INLINE unsigned TARGET
in_list(__m256i x, const int64_t *list, unsigned nlist)
{
	__m256i found = _mm256_setzero_si256();

	for (unsigned j = 0; j < nlist; j++)
		found = _mm256_or_si256(found, _mm256_cmpeq_epi64(x, _mm256_set1_epi64x(list[j])));
	return (unsigned)BITS64(found);
}

void TARGET
avx2_in_i64(const int64_t *v, unsigned n, const int64_t *list, unsigned nlist, uint64_t *mask)
{
	const uint64_t flip = 0;

	MASK_LOOP(4, in_list(LOAD64(v), list, nlist))
}

/* Rows of x with 0 <= x - base < nbits whose bit is set; k and whole as of MASK_LOOP. */
INLINE unsigned TARGET
probe(const uint64_t *bits, __m256i last, __m256i x, __m256i base, __m256i k)
{
	const __m256i top = _mm256_set1_epi64x(INT64_MIN);
	__m256i bit = _mm256_sub_epi64(x, base);
	/* Outside: below base, or more than `last` above it (unsigned, hence the top bits turned round). */
	__m256i outside =
		_mm256_or_si256(_mm256_cmpgt_epi64(base, x), _mm256_cmpgt_epi64(_mm256_xor_si256(bit, top), last));
	__m256i inside = _mm256_andnot_si256(outside, k);
	__m256i word = _mm256_mask_i64gather_epi64(_mm256_setzero_si256(), (const long long *)bits,
											   _mm256_srli_epi64(bit, 6), inside, 8);

	/* The bit asked for becomes the sign. */
	bit = _mm256_sub_epi64(_mm256_set1_epi64x(63), _mm256_and_si256(bit, _mm256_set1_epi64x(63)));
	return (unsigned)BITS64(_mm256_sllv_epi64(word, bit));
}

void TARGET
avx2_probe_bits(const uint64_t *bits, uint64_t nbits, const int64_t *v, int64_t base, unsigned n,
				uint64_t *mask)
{
	const uint64_t flip = 0;
	__m256i last = _mm256_set1_epi64x((int64_t)((nbits - 1) ^ (UINT64_C(1) << 63)));
	__m256i first = _mm256_set1_epi64x(base);

	if (nbits == 0)
	{
		simd_fill_mask(mask, n, false);
		return;
	}
	MASK_LOOP(4, probe(bits, last, LOAD64(v), first, k))
}

INLINE __m256i TARGET
bloom_bits(uint64_t hash)
{
	__m256i salts = _mm256_setr_epi32(BLOOM_SALTS);
	__m256i bit = _mm256_srli_epi32(_mm256_mullo_epi32(_mm256_set1_epi32((int)(uint32_t)hash), salts), 27);

	return _mm256_sllv_epi32(_mm256_set1_epi32(1), bit);
}

void TARGET
avx2_bloom_add(StrataBloomBlock *filter, uint32_t nblocks, const uint64_t *hash, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
	{
		__m256i *block = (__m256i *)&filter[bloom_block(hash[i], nblocks)];

		*block = _mm256_or_si256(*block, bloom_bits(hash[i]));
	}
}

void TARGET
avx2_bloom_test(const StrataBloomBlock *filter, uint32_t nblocks, const uint64_t *hash, unsigned n,
				uint64_t *mask)
{
	for (unsigned w = 0; w < simd_mask_words(n); w++)
	{
		unsigned end = n - w * 64 < 64 ? n - w * 64 : 64;
		uint64_t word = 0;

		for (unsigned j = 0; j < end; j++)
		{
			uint64_t h = hash[w * 64 + j];
			__m256i block = *(const __m256i *)&filter[bloom_block(h, nblocks)];

			word |= (uint64_t)_mm256_testc_si256(block, bloom_bits(h)) << j;
		}
		mask[w] = word;
	}
}
#endif
