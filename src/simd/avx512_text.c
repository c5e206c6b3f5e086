/*
 * avx512_text.c - searching strings with 512-bit vectors.
 */
#include <string.h>

#include "simd/levels.h"

#ifdef STRATA_SIMD_X86
#include "simd/avx512.h"

/* The first 64 bytes of a needle, and the two that it is searched by. */
typedef struct Needle
{
	const char *bytes;
	size_t len;
	__m512i head, first, last;
	__mmask64 head_lanes;
} Needle;

INLINE Needle TARGET
needle_setup(const char *bytes, size_t len)
{
	Needle s = {.bytes = bytes, .len = len};

	s.head_lanes = low64(len < 64 ? (unsigned)len : 64);
	s.head = _mm512_maskz_loadu_epi8(s.head_lanes, bytes);
	s.first = _mm512_set1_epi8(bytes[0]);
	s.last = _mm512_set1_epi8(bytes[len - 1]);
	return s;
}

INLINE bool TARGET
needle_at(const Needle *s, const char *at)
{
	__m512i x = _mm512_maskz_loadu_epi8(s->head_lanes, at);

	return _mm512_mask_cmpneq_epi8_mask(s->head_lanes, x, s->head) == 0 &&
		   (s->len <= 64 || memcmp(at + 64, s->bytes + 64, s->len - 64) == 0);
}

/*
 * Where first and last byte of the needle stand at the right distance, 64 places at once, all of it is
 * compared (Mula's generic SIMD search).
 */
INLINE const char *TARGET
find_needle(const Needle *s, const char *text, size_t len)
{
	for (size_t i = 0; i + s->len <= len; i += 64)
	{
		size_t places = len - s->len + 1 - i;
		__mmask64 k = low64(places < 64 ? (unsigned)places : 64);
		__mmask64 hit = _mm512_mask_cmpeq_epi8_mask(k, _mm512_maskz_loadu_epi8(k, text + i), s->first);

		hit = _mm512_mask_cmpeq_epi8_mask(hit, _mm512_maskz_loadu_epi8(k, text + i + s->len - 1), s->last);
		for (; hit; hit &= hit - 1)
		{
			const char *at = text + i + __builtin_ctzll(hit);

			if (needle_at(s, at))
				return at;
		}
	}
	return NULL;
}

const char *TARGET
avx512_find(const char *text, size_t len, const char *needle, size_t needle_len)
{
	Needle s = needle_setup(needle, needle_len);

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
	s = needle_setup(needle, needle_len);
	SIMD_MATCH_RUNS(find_needle(&s, text, text_len))
}

/* Is the needle the beginning of a string that has at least its length?  What lies past the needle is not
 * read; shorter strings are not read at all. */
#define MATCH_LOOP(fits)                                                                                     \
	Needle s = {.len = needle_len};                                                                          \
                                                                                                             \
	if (needle_len > 0)                                                                                      \
		s = needle_setup(needle, needle_len);                                                                \
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
