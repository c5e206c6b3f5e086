/*
 * avx512_text.c - searching strings with 512-bit vectors.
 */
#include <string.h>

#include "simd/levels.h"

#ifdef STRATA_SIMD_X86
#include "simd/avx512.h"

/* The first 64 bytes of a needle, and the two bytes that it is searched by. */
typedef struct Needle
{
	const char *bytes;
	size_t len;
	SimdPlaces at;
	__m512i head, low, high;
	__mmask64 head_lanes;
} Needle;

INLINE Needle TARGET
needle_setup(const char *bytes, size_t len, SimdPlaces at)
{
	Needle s = {.bytes = bytes, .len = len, .at = at};

	s.head_lanes = low64(len < 64 ? (unsigned)len : 64);
	s.head = _mm512_maskz_loadu_epi8(s.head_lanes, bytes);
	s.low = _mm512_set1_epi8(bytes[at.low]);
	s.high = _mm512_set1_epi8(bytes[at.high]);
	return s;
}

INLINE bool TARGET
needle_at(const Needle *s, const char *at)
{
	__m512i x = _mm512_maskz_loadu_epi8(s->head_lanes, at);

	return _mm512_mask_cmpneq_epi8_mask(s->head_lanes, x, s->head) == 0 &&
		   (s->len <= 64 || memcmp(at + 64, s->bytes + 64, s->len - 64) == 0);
}

/* The first of the places from text on, those of the mask, where the needle stands. */
INLINE const char *TARGET
first_of(const Needle *s, const char *text, __mmask64 places)
{
	for (; places; places &= places - 1)
		if (needle_at(s, text + __builtin_ctzll(places)))
			return text + __builtin_ctzll(places);
	return NULL;
}

/*
 * Where two bytes of the needle stand at the right distance, 64 places at once, all of it is compared (after
 * Mula's generic SIMD search).
 */
INLINE const char *TARGET
find_needle(const Needle *s, const char *text, size_t len)
{
	const char *end;
	const char *found;
	__mmask64 hit, k;

	if (len < s->len)
		return NULL;
	end = text + len - s->len + 1;
	for (; end - text >= 64; text += 64)
	{
		hit = _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(text + s->at.low), s->low);
		hit = _mm512_mask_cmpeq_epi8_mask(hit, _mm512_loadu_si512(text + s->at.high), s->high);
		if (hit && (found = first_of(s, text, hit)) != NULL)
			return found;
	}
	if (text == end)
		return NULL;
	k = low64((unsigned)(end - text));
	hit = _mm512_mask_cmpeq_epi8_mask(k, _mm512_maskz_loadu_epi8(k, text + s->at.low), s->low);
	hit = _mm512_mask_cmpeq_epi8_mask(hit, _mm512_maskz_loadu_epi8(k, text + s->at.high), s->high);
	return first_of(s, text, hit);
}

/* For one text it is not worth while to look for rare bytes. */
const char *TARGET
avx512_find(const char *text, size_t len, const char *needle, size_t needle_len)
{
	Needle s = needle_setup(needle, needle_len, (SimdPlaces){0, needle_len - 1});

	return find_needle(&s, text, len);
}

void TARGET
avx512_match_substring(const char *const *p, const uint32_t *len, unsigned n, const char *needle,
					   uint32_t needle_len, uint64_t *mask)
{
	Needle s;

	simd_fill_mask(mask, n, needle_len == 0);
	if (needle_len == 0)
		return;
	s = needle_setup(needle, needle_len, simd_needle_places(needle, needle_len));
	SIMD_MATCH_RUNS(find_needle(&s, text, text_len))
}

/* Is the needle the beginning of a string that has at least its length?  What lies past the needle is not
 * read; shorter strings are not read at all. */
#define MATCH_LOOP(fits)                                                                                     \
	Needle s = {.len = needle_len};                                                                          \
                                                                                                             \
	if (needle_len > 0)                                                                                      \
		s = needle_setup(needle, needle_len, (SimdPlaces){0, 0});                                            \
	for (unsigned w = 0; w < simd_mask_words(n); w++)                                                        \
	{                                                                                                        \
		unsigned end = n - w * 64 < 64 ? n - w * 64 : 64;                                                    \
		uint64_t word = 0;                                                                                   \
                                                                                                             \
		for (unsigned j = 0; j < end; j++)                                                                   \
		{                                                                                                    \
			unsigned i = w * 64 + j;                                                                         \
                                                                                                             \
			if (fits)                                                                                        \
				word |= (uint64_t)(needle_len == 0 || needle_at(&s, p[i])) << j;                             \
		}                                                                                                    \
		mask[w] = word;                                                                                      \
	}

void TARGET
avx512_match_prefix(const char *const *p, const uint32_t *len, unsigned n, const char *needle,
					uint32_t needle_len, uint64_t *mask)
{
	MATCH_LOOP(len[i] >= needle_len)
}

void TARGET
avx512_match_equal(const char *const *p, const uint32_t *len, unsigned n, const char *needle,
				   uint32_t needle_len, uint64_t *mask)
{
	MATCH_LOOP(len[i] == needle_len)
}
#endif
