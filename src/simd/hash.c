/*
 * hash.c - 64-bit hashes of strings.
 *
 * wyhash (Wang Yi, public domain) is a chain of "multiply to 128 bits and fold the halves"; there is one
 * product for every 16 bytes, in three chains for strings of 48 bytes and more.  XXH3 (Yann Collet) is
 * libxxhash's, taken inline from its header: for the short strings that columns hold, a call into the shared
 * library would cost more than the hash.
 */
#include <stdbool.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "simd/hash.h"

#define INLINE static inline __attribute__((always_inline))

/* The default secret of the fourth version. */
#define SECRET0 UINT64_C(0x2d358dccaa6c78a5)
#define SECRET1 UINT64_C(0x8bb84b93962eacc9)
#define SECRET2 UINT64_C(0x4b33a62ed433d4a3)
#define SECRET3 UINT64_C(0x4d5a2da51de1aa47)

INLINE uint64_t
fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Little-endian wherever we run. */
INLINE uint64_t
read64(const unsigned char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	x = __builtin_bswap64(x);
#endif
	return x;
}

INLINE uint64_t
read32(const unsigned char *p)
{
	uint32_t x;

	memcpy(&x, p, sizeof(x));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	x = __builtin_bswap32(x);
#endif
	return x;
}

/* The words that a string of up to 16 bytes is reduced to: all of its bytes, some of them twice. */
INLINE void
short_words(const unsigned char *p, size_t len, uint64_t *a, uint64_t *b)
{
	*a = *b = 0;
	if (len >= 4)
	{
		/* Zero below eight bytes, else four. */
		size_t inner = len / 8 * 4;

		*a = read32(p) << 32 | read32(p + inner);
		*b = read32(p + len - 4) << 32 | read32(p + len - 4 - inner);
	}
	else if (len > 0)
		*a = (uint64_t)p[0] << 16 | (uint64_t)p[len / 2] << 8 | p[len - 1];
}

/* `state` after all but the last 16 bytes, or fewer, of a string of more than 16. */
INLINE uint64_t
long_words(const unsigned char *p, size_t n, uint64_t state)
{
	if (__builtin_expect(n >= 48, 0))
	{
		uint64_t second = state, third = state;

		for (; n >= 48; p += 48, n -= 48)
		{
			state = fold(read64(p) ^ SECRET1, read64(p + 8) ^ state);
			second = fold(read64(p + 16) ^ SECRET2, read64(p + 24) ^ second);
			third = fold(read64(p + 32) ^ SECRET3, read64(p + 40) ^ third);
		}
		state ^= second ^ third;
	}
	for (; n > 16; p += 16, n -= 16)
		state = fold(read64(p) ^ SECRET1, read64(p + 8) ^ state);
	return state;
}

INLINE uint64_t
wyhash(const unsigned char *p, size_t len, uint64_t seed)
{
	uint64_t state = seed ^ fold(seed ^ SECRET0, SECRET1);
	unsigned __int128 product;
	uint64_t a, b;

	if (len <= 16)
		short_words(p, len, &a, &b);
	else
	{
		state = long_words(p, len, state);
		/* The last 16 bytes, some of which may have been counted already. */
		a = read64(p + len - 16);
		b = read64(p + len - 8);
	}
	product = (unsigned __int128)(a ^ SECRET1) * (b ^ state);
	return fold((uint64_t)product ^ SECRET0 ^ len, (uint64_t)(product >> 64) ^ SECRET1);
}

uint64_t
strata_wyhash(const void *bytes, size_t len, uint64_t seed)
{
	return wyhash(bytes, len, seed);
}

uint64_t
strata_xxh3(const void *bytes, size_t len, uint64_t seed)
{
	return XXH3_64bits_withSeed(bytes, len, seed);
}

void
strata_hash_bytes(const char *const *p, const uint32_t *len, unsigned n, uint64_t seed, uint64_t *out)
{
	for (unsigned i = 0; i < n; i++)
		out[i] = wyhash((const unsigned char *)p[i], len[i], seed);
}

void
strata_hash_bytes_xxh3(const char *const *p, const uint32_t *len, unsigned n, uint64_t seed, uint64_t *out)
{
	for (unsigned i = 0; i < n; i++)
		out[i] = XXH3_64bits_withSeed(p[i], len[i], seed);
}
