/*
 * avx512_keys.c - kernels over keys with 512-bit vectors.
 */
#include "simd/levels.h"

#ifdef STRATA_SIMD_X86
#include "simd/avx512.h"
#include "simd/mix.h"

/* The low `rest` lanes of eight or sixteen, or all of them. */
#define LANES8(rest)  ((rest) < 8 ? low8(rest) : (__mmask8)0xff)
#define LANES16(rest) ((rest) < 16 ? low16(rest) : (__mmask16)0xffff)

INLINE __m512i TARGET
mix_round(__m512i x, int shift, uint64_t mul)
{
	return _mm512_mullo_epi64(_mm512_xor_si512(x, _mm512_srli_epi64(x, shift)),
							  _mm512_set1_epi64((int64_t)mul));
}

void TARGET
avx512_hash_i64(const int64_t *v, unsigned n, uint64_t seed, uint64_t *out)
{
	const __m512i begin = _mm512_set1_epi64((int64_t)(seed + MIX_BEGIN));

	for (unsigned i = 0; i < n; i += 8)
	{
		__mmask8 k = LANES8(n - i);
		__m512i x = _mm512_add_epi64(_mm512_maskz_loadu_epi64(k, v + i), begin);

		x = mix_round(x, 27, MIX_MUL1);
		x = mix_round(x, 33, MIX_MUL2);
		_mm512_mask_storeu_epi64(out + i, k, _mm512_xor_si512(x, _mm512_srli_epi64(x, 27)));
	}
}

void TARGET
avx512_hash_combine(uint64_t *h, const uint64_t *more, unsigned n)
{
	for (unsigned i = 0; i < n; i += 8)
	{
		__mmask8 k = LANES8(n - i);
		__m512i x = mix_round(_mm512_maskz_loadu_epi64(k, h + i), 32, MIX_MUL1);

		_mm512_mask_storeu_epi64(h + i, k, _mm512_add_epi64(x, _mm512_maskz_loadu_epi64(k, more + i)));
	}
}

#define STREAMS 4

/*
 * Each row that equals no entry so far stays in its group's mask.  Four groups of eight rows go through the
 * list together: alone, one would wait for the mask of its last comparison all the time.
 */
INLINE uint32_t TARGET
not_in_list(const __m512i *x, const int64_t *list, unsigned nlist)
{
	__mmask8 rest[STREAMS];
	uint32_t bits = 0;

	_Pragma("GCC unroll 4") for (unsigned s = 0; s < STREAMS; s++) rest[s] = 0xff;
	for (unsigned j = 0; j < nlist; j++)
	{
		__m512i key = _mm512_set1_epi64(list[j]);

		_Pragma("GCC unroll 4") for (unsigned s = 0; s < STREAMS; s++) rest[s] =
			_mm512_mask_cmpneq_epi64_mask(rest[s], x[s], key);
	}
	_Pragma("GCC unroll 4") for (unsigned s = 0; s < STREAMS; s++) bits |= (uint32_t)rest[s] << 8 * s;
	return bits;
}

void TARGET
avx512_in_i64(const int64_t *v, unsigned n, const int64_t *list, unsigned nlist, uint64_t *mask)
{
	for (unsigned w = 0; w < simd_mask_words(n); w++)
	{
		uint64_t word = 0;

		for (unsigned j = 0; j < 64 && w * 64 + j < n; j += 8 * STREAMS)
		{
			unsigned left = n - w * 64 - j;
			uint32_t k = left < 32 ? (1u << left) - 1 : ~0u;
			__m512i x[STREAMS];

			_Pragma("GCC unroll 4") for (unsigned s = 0; s < STREAMS; s++) x[s] =
				_mm512_maskz_loadu_epi64((__mmask8)(k >> 8 * s), v + w * 64 + j + 8 * s);
			word |= (uint64_t)(k & ~not_in_list(x, list, nlist)) << j;
		}
		mask[w] = word;
	}
}

/* v - base modulo 2^64 is the difference wherever v is not below base. */
INLINE uint32_t TARGET
probe(const uint64_t *bits, __m512i nbits, __m512i x, __m512i base, uint32_t k)
{
	__m512i bit = _mm512_sub_epi64(x, base);
	__mmask8 inside = _mm512_mask_cmpge_epi64_mask((__mmask8)k, x, base);
	__m256i word, low;

	inside = _mm512_mask_cmplt_epu64_mask(inside, bit, nbits);
	word = _mm512_mask_i64gather_epi32(_mm256_setzero_si256(), inside, _mm512_srli_epi64(bit, 5), bits, 4);
	low = _mm256_and_si256(_mm512_cvtepi64_epi32(bit), _mm256_set1_epi32(31));
	return _mm256_mask_test_epi32_mask(inside, word, _mm256_sllv_epi32(_mm256_set1_epi32(1), low));
}

void TARGET
avx512_probe_bits(const uint64_t *bits, uint64_t nbits, const int64_t *v, int64_t base, unsigned n,
				  uint64_t *mask)
{
	__m512i end = _mm512_set1_epi64((int64_t)nbits);
	__m512i first = _mm512_set1_epi64(base);

	MASK_LOOP(8, probe(bits, end, LOAD64(v), first, k))
}

/* ---- Bloom filter: one block of eight words a key; what takes time is to fetch it ---- */

INLINE __m256i TARGET
bloom_bits(uint64_t hash)
{
	__m256i salts = _mm256_setr_epi32(BLOOM_SALTS);
	__m256i bit = _mm256_srli_epi32(_mm256_mullo_epi32(_mm256_set1_epi32((int)(uint32_t)hash), salts), 27);

	return _mm256_sllv_epi32(_mm256_set1_epi32(1), bit);
}

void TARGET
avx512_bloom_add(StrataBloomBlock *filter, uint32_t nblocks, const uint64_t *hash, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
	{
		__m256i *block = (__m256i *)&filter[bloom_block(hash[i], nblocks)];

		*block = _mm256_or_si256(*block, bloom_bits(hash[i]));
	}
}

void TARGET
avx512_bloom_test(const StrataBloomBlock *filter, uint32_t nblocks, const uint64_t *hash, unsigned n,
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

/* ---- groups: few of them are kept in registers, each row compared with all ---- */

#define FEW_GROUPS 8

INLINE void TARGET
add_to_few(int64_t *acc, unsigned ngroups, const uint32_t *group, const int64_t *v, unsigned n, unsigned few)
{
	__m512i sum[FEW_GROUPS];

	_Pragma("GCC unroll 8") for (unsigned g = 0; g < few; g++) sum[g] = _mm512_setzero_si512();
	for (unsigned i = 0; i < n; i += 8)
	{
		__mmask8 k = LANES8(n - i);
		__m512i x = _mm512_maskz_loadu_epi64(k, v + i);
		__m256i at = _mm256_maskz_loadu_epi32(k, group + i);

		/* Rows past the end add zero to group 0. */
		_Pragma("GCC unroll 8") for (unsigned g = 0; g < few; g++) sum[g] =
			_mm512_mask_add_epi64(sum[g], _mm256_cmpeq_epi32_mask(at, _mm256_set1_epi32((int)g)), sum[g], x);
	}
	_Pragma("GCC unroll 8") for (unsigned g = 0; g < few; g++) if (g < ngroups) acc[g] =
		(int64_t)((uint64_t)acc[g] + wrap_lanes(sum[g]));
}

void TARGET
avx512_group_add_i64(int64_t *acc, unsigned ngroups, const uint32_t *group, const int64_t *v, unsigned n)
{
	if (ngroups <= FEW_GROUPS / 2)
		add_to_few(acc, ngroups, group, v, n, FEW_GROUPS / 2);
	else if (ngroups <= FEW_GROUPS)
		add_to_few(acc, ngroups, group, v, n, FEW_GROUPS);
	else
		scalar_group_add_i64(acc, ngroups, group, v, n);
}

void TARGET
avx512_group_count(int64_t *acc, unsigned ngroups, const uint32_t *group, unsigned n)
{
	if (ngroups > FEW_GROUPS)
	{
		scalar_group_count(acc, ngroups, group, n);
		return;
	}
	for (unsigned i = 0; i < n; i += 16)
	{
		__mmask16 k = LANES16(n - i);
		__m512i at = _mm512_maskz_loadu_epi32(k, group + i);

		for (unsigned g = 0; g < ngroups; g++)
			acc[g] += _mm_popcnt_u32(_mm512_mask_cmpeq_epi32_mask(k, at, _mm512_set1_epi32((int)g)));
	}
}
#endif
