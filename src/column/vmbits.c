/*
 * vmbits.c - reading the visibility map's bytes as a plain bitmap.
 */
#include "column/vmbits.h"

void
strata_vm_extract(const uint8_t *map, uint32_t nwords, uint32_t *bits)
{
	for (uint32_t w = 0; w < nwords; w++)
	{
		uint64_t pairs = 0;

		/* Byte by byte, so that the machine's byte order does not matter; compilers make one load of it. */
		for (int i = 0; i < 8; i++)
			pairs |= (uint64_t)map[w * 8 + i] << (8 * i);
		bits[w] = strata_vm_lower_bits(pairs);
	}
}
