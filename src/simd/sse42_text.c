/*
 * sse42_text.c - searching strings with 128-bit vectors.
 */
#include <string.h>

#include "simd/levels.h"

#ifdef STRATA_SIMD_X86
#include "simd/sse42.h"

#define PLACES	 16u
#define LOADU(p) _mm_loadu_si128((const __m128i *)(p))

/*
 * Where two bytes of the needle stand at the right distance, PLACES at once, all of it is compared (after
 * Mula's generic SIMD search).  Of the last places some are looked at twice: vectors may not reach past the
 * text.
 */
INLINE const char *TARGET
find_needle(const char *needle, size_t needle_len, SimdPlaces at, const char *text, size_t len)
{
	const __m128i low = _mm_set1_epi8(needle[at.low]);
	const __m128i high = _mm_set1_epi8(needle[at.high]);
	size_t places = len < needle_len ? 0 : len - needle_len + 1;

	if (places < PLACES)
		return scalar_find(text, len, needle, needle_len);
	for (size_t i = 0; i < places; i += PLACES)
	{
		unsigned hit;

		if (i > places - PLACES)
			i = places - PLACES;
		hit = (unsigned)_mm_movemask_epi8(_mm_and_si128(_mm_cmpeq_epi8(LOADU(text + i + at.low), low),
														_mm_cmpeq_epi8(LOADU(text + i + at.high), high)));
		for (; hit; hit &= hit - 1)
		{
			const char *found = text + i + __builtin_ctz(hit);

			if (memcmp(found, needle, needle_len) == 0)
				return found;
		}
	}
	return NULL;
}

const char *TARGET
sse42_find(const char *text, size_t len, const char *needle, size_t needle_len)
{
	return find_needle(needle, needle_len, (SimdPlaces){0, needle_len - 1}, text, len);
}

void TARGET
sse42_match_substring(const char *const *p, const uint32_t *len, unsigned n, const char *needle,
					  uint32_t needle_len, uint64_t *mask)
{
	SimdPlaces at;

	simd_fill_mask(mask, n, needle_len == 0);
	if (needle_len == 0)
		return;
	at = simd_needle_places(needle, needle_len);
	SIMD_MATCH_RUNS(find_needle(needle, needle_len, at, text, text_len))
}
#endif
