/*
 * vmbits_test.c - all-visible bits out of the visibility map's pairs, against a bit-by-bit reading.
 */
#include <stdlib.h>

#include "column/vmbits.h"
#include "tap.h"

#define WORDS 1021 /* of a map page with 8 kB pages */

int
main(void)
{
	static uint8_t map[WORDS * 8];
	static uint32_t bits[WORDS + 1];
	int wrong = 0;

	is_int(strata_vm_lower_bits(0), 0, "no bits");
	is_int(strata_vm_lower_bits(UINT64_C(0x5555555555555555)), UINT32_MAX, "all-visible alone, everywhere");
	is_int(strata_vm_lower_bits(UINT64_C(0xaaaaaaaaaaaaaaaa)), 0, "all-frozen bits do not count");
	is_int(strata_vm_lower_bits(UINT64_C(1) << 62), INT64_C(1) << 31, "the last block of a word");

	srand(1);
	for (int round = 0; round < 50; round++)
	{
		for (size_t i = 0; i < sizeof(map); i++)
			map[i] = (uint8_t)(rand() >> 3);
		bits[WORDS] = 0xfeedface;
		strata_vm_extract(map, WORDS, bits);
		for (int block = 0; block < WORDS * 32; block++)
			if ((bits[block / 32] >> (block % 32) & 1) != (map[block / 4] >> (block % 4 * 2) & 1u))
				wrong++;
		if (bits[WORDS] != 0xfeedface)
			wrong++;
	}
	is_int(wrong, 0, "random map pages, bit by bit");

	is_int(strata_low_mask(0), 0, "no low bits");
	is_int(strata_low_mask(1), 1, "one low bit");
	is_int(strata_low_mask(63), INT64_MAX, "63 low bits");
	ok(strata_low_mask(64) == UINT64_MAX && strata_low_mask(1000) == UINT64_MAX,
	   "64 and more are all of the word");

	wrong = 0;
	for (uint32_t first = 0; first < 200; first++)
		for (uint32_t end = first; end < 200; end++)
			for (uint32_t w = first / 64; w * 64 < end; w++)
				for (uint32_t bit = 0; bit < 64; bit++)
					wrong += (strata_range_mask(w, first, end) >> bit & 1) !=
							 (w * 64 + bit >= first && w * 64 + bit < end);
	is_int(wrong, 0, "ranges, bit by bit");

	wrong = 0;
	for (int round = 0; round < 200; round++)
	{
		uint64_t some[3];
		uint32_t n = (uint32_t)(rand() % 193);

		for (int w = 0; w < 3; w++)
			some[w] = rand() % 3 == 0 ? 0 : UINT64_C(1) << (rand() % 64) | UINT64_C(1) << (rand() % 64);
		for (uint32_t from = 0; from < 195; from++)
		{
			uint32_t next = from;

			while (next < n && !(some[next / 64] >> (next % 64) & 1))
				next++;
			wrong += strata_next_bit(some, n, from) != (next < n ? next : n);
		}
	}
	is_int(wrong, 0, "the next bit, from each place");
	return tap_done();
}
