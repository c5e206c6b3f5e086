/*
 * vmbits.h - reading the visibility map's bytes as a plain bitmap.
 *
 * Included by: column/, exec/recall.c, unit tests (plain C11; no postgres.h).  Memory: the caller's.  Locking: none.
 * Not here: map buffers and what the bits mean (freshness.c).
 *
 * The map has two bits a heap block, all-visible in the lower; four blocks a byte, lowest first.  A map page
 * has room for 32,672 heap blocks (8 kB pages): a multiple of 32, not of 64.
 */
#ifndef STRATA_COLUMN_VMBITS_H
#define STRATA_COLUMN_VMBITS_H

#include <stdint.h>

/* The lower bits of 32 pairs, together: bit i of the result is bit 2i of `pairs`. */
static inline uint32_t
strata_vm_lower_bits(uint64_t pairs)
{
	uint64_t x = pairs & UINT64_C(0x5555555555555555);

	x = (x | x >> 1) & UINT64_C(0x3333333333333333);
	x = (x | x >> 2) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	x = (x | x >> 4) & UINT64_C(0x00ff00ff00ff00ff);
	x = (x | x >> 8) & UINT64_C(0x0000ffff0000ffff);
	x = (x | x >> 16) & UINT64_C(0x00000000ffffffff);
	return (uint32_t)x;
}

/* Map bytes (8 a word of 32 blocks) to nwords words of all-visible bits. */
extern void strata_vm_extract(const uint8_t *map, uint32_t nwords, uint32_t *bits);

/* Bits [0, n) of a bitmap of 64-bit words set, the rest of the last word clear. */
static inline uint64_t
strata_low_mask(uint32_t n)
{
	return n >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1;
}

/* Of word w of a bitmap, which begins before `end` and ends behind `first`, those bits that are among [first, end). */
static inline uint64_t
strata_range_mask(uint32_t w, uint32_t first, uint32_t end)
{
	uint64_t mask = strata_low_mask(end - w * 64);

	return w * 64 < first ? mask & ~strata_low_mask(first - w * 64) : mask;
}

/* The first bit set in [from, n) of a bitmap; n when there is none. */
static inline uint32_t
strata_next_bit(const uint64_t *bits, uint32_t n, uint32_t from)
{
	for (uint32_t w = from / 64; w * 64 < n; w++)
	{
		uint64_t left = bits[w] & strata_low_mask(n - w * 64);

		if (w == from / 64)
			left &= ~strata_low_mask(from % 64);
		if (left != 0)
			return w * 64 + (uint32_t)__builtin_ctzll(left);
	}
	return n;
}

#endif
