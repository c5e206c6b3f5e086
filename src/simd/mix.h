/*
 * mix.h - the constants and the scalar form of the hashes of 64-bit keys, and of the Bloom filter.
 *
 * Included by: src/simd/ only.  Memory and locking: none.
 * Not here: hashes of strings (hash.h).
 */
#ifndef STRATA_SIMD_MIX_H
#define STRATA_SIMD_MIX_H

#include <stdint.h>

/*
 * "moremur" by Pelle Evensen (2019): the finaliser of MurmurHash3 with constants found by search.  Two
 * multiplications of 64 bits, which AVX-512 has, where the multiply-and-fold of wyhash would need the upper
 * half of a product, which it has not.  The seed and an odd constant (2^64 divided by the golden ratio) go on
 * first, so that a key of zero does not hash to zero.
 */
#define MIX_BEGIN UINT64_C(0x9e3779b97f4a7c15)
#define MIX_MUL1  UINT64_C(0x3c79ac492ba7b653)
#define MIX_MUL2  UINT64_C(0x1c69b3f74ac4ae35)

static inline uint64_t
mix_key(uint64_t v, uint64_t seed)
{
	uint64_t x = v + (seed + MIX_BEGIN);

	x = (x ^ x >> 27) * MIX_MUL1;
	x = (x ^ x >> 33) * MIX_MUL2;
	return x ^ x >> 27;
}

/* Both are mixed already: one multiplication keeps (a, b) from (b, a), and (a, a) from nothing. */
static inline uint64_t
mix_pair(uint64_t h, uint64_t more)
{
	return (h ^ h >> 32) * MIX_MUL1 + more;
}

/* The odd constants of Parquet's split-block filter, one a word. */
#define BLOOM_SALTS                                                                                          \
	0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31

static inline uint32_t
bloom_block(uint64_t hash, uint32_t nblocks)
{
	return (uint32_t)((hash >> 32) * nblocks >> 32);
}

#endif
