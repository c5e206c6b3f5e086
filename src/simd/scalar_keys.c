/*
 * scalar_keys.c - what the kernels over keys mean: hash, gather, membership, Bloom filter, groups.
 */
#include "simd/mix.h"
#include "simd/scalar.h"

void
scalar_hash_i64(const int64_t *v, unsigned n, uint64_t seed, uint64_t *out)
{
	for (unsigned i = 0; i < n; i++)
		out[i] = mix_key((uint64_t)v[i], seed);
}

void
scalar_hash_combine(uint64_t *h, const uint64_t *more, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		h[i] = mix_pair(h[i], more[i]);
}

void
scalar_gather_i64(const int64_t *base, const uint32_t *idx, unsigned n, int64_t *out)
{
	for (unsigned i = 0; i < n; i++)
		out[i] = base[idx[i]];
}

void
scalar_gather_u32(const uint32_t *base, const uint32_t *idx, unsigned n, uint32_t *out)
{
	for (unsigned i = 0; i < n; i++)
		out[i] = base[idx[i]];
}

void
scalar_in_i64(const int64_t *v, unsigned n, const int64_t *list, unsigned nlist, uint64_t *mask)
{
	for (unsigned w = 0; w < simd_mask_words(n); w++)
		mask[w] = 0;
	for (unsigned i = 0; i < n; i++)
		for (unsigned j = 0; j < nlist; j++)
			if (v[i] == list[j])
			{
				mask[i / 64] |= UINT64_C(1) << i % 64;
				break;
			}
}

/* v - base modulo 2^64 is the difference wherever v is not below base. */
static inline bool
probe_bit(const uint64_t *bits, uint64_t nbits, int64_t v, int64_t base)
{
	uint64_t bit = (uint64_t)v - (uint64_t)base;

	return v >= base && bit < nbits && (bits[bit / 64] >> bit % 64 & 1);
}

void
scalar_probe_bits(const uint64_t *bits, uint64_t nbits, const int64_t *v, int64_t base, unsigned n,
				  uint64_t *mask)
{
	SCALAR_MASK(probe_bit(bits, nbits, v[i], base))
}

static const uint32_t bloom_salts[STRATA_BLOOM_WORDS] = {BLOOM_SALTS};

void
scalar_bloom_add(StrataBloomBlock *filter, uint32_t nblocks, const uint64_t *hash, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
	{
		StrataBloomBlock *b = &filter[bloom_block(hash[i], nblocks)];

		for (unsigned w = 0; w < STRATA_BLOOM_WORDS; w++)
			b->word[w] |= UINT32_C(1) << ((uint32_t)hash[i] * bloom_salts[w] >> 27);
	}
}

static inline bool
bloom_has(const StrataBloomBlock *filter, uint32_t nblocks, uint64_t hash)
{
	const StrataBloomBlock *b = &filter[bloom_block(hash, nblocks)];
	uint32_t all = 1;

	for (unsigned w = 0; w < STRATA_BLOOM_WORDS; w++)
		all &= b->word[w] >> ((uint32_t)hash * bloom_salts[w] >> 27);
	return all & 1;
}

void
scalar_bloom_test(const StrataBloomBlock *filter, uint32_t nblocks, const uint64_t *hash, unsigned n,
				  uint64_t *mask)
{
	SCALAR_MASK(bloom_has(filter, nblocks, hash[i]))
}

void
scalar_group_add_i64(int64_t *acc, unsigned ngroups, const uint32_t *group, const int64_t *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		acc[group[i]] = (int64_t)((uint64_t)acc[group[i]] + (uint64_t)v[i]);
}

void
scalar_group_count(int64_t *acc, unsigned ngroups, const uint32_t *group, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		acc[group[i]]++;
}
