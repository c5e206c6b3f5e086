/*
 * hash.h - 64-bit hashes of strings: wyhash and XXH3, one string or a batch.
 *
 * Included by: column/, exec/, api/, unit tests (plain C11; no postgres.h).
 * Memory: callers own every array.  Locking: none, pure functions.
 * Both give the values that their authors publish; neither is safe against an adversary who knows the seed.
 * Not here: hashes of integers (hash_i64 in simd.h).
 */
#ifndef STRATA_SIMD_HASH_H
#define STRATA_SIMD_HASH_H

#include <stddef.h>
#include <stdint.h>

/* wyhash, final version 4, with its default secret. */
extern uint64_t strata_wyhash(const void *bytes, size_t len, uint64_t seed);
/* XXH3_64bits_withSeed. */
extern uint64_t strata_xxh3(const void *bytes, size_t len, uint64_t seed);

/* out[i] = the wyhash of p[i][0..len[i]): of the two the faster one at all lengths from 8 to 200
 * (docs/internals/ simd.md), so the one that groups use.  Results may go through hash_combine with those of
 * hash_i64. */
extern void strata_hash_bytes(const char *const *p, const uint32_t *len, unsigned n, uint64_t seed,
							  uint64_t *out);
extern void strata_hash_bytes_xxh3(const char *const *p, const uint32_t *len, unsigned n, uint64_t seed,
								   uint64_t *out);

#endif
