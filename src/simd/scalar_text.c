/*
 * scalar_text.c - what the kernels over strings mean.
 */
#include <string.h>

#include "simd/scalar.h"

const char *
scalar_find(const char *text, size_t len, const char *needle, size_t needle_len)
{
	const char *at = text;

	while ((size_t)(text + len - at) >= needle_len)
	{
		at = memchr(at, needle[0], (size_t)(text + len - at) - needle_len + 1);
		if (!at)
			return NULL;
		if (memcmp(at, needle, needle_len) == 0)
			return at;
		at++;
	}
	return NULL;
}

void
scalar_match_substring(const char *const *p, const uint32_t *len, unsigned n, const char *needle,
					   uint32_t needle_len, uint64_t *mask)
{
	SCALAR_MASK(needle_len == 0 || scalar_find(p[i], len[i], needle, needle_len) != NULL)
}

void
scalar_match_prefix(const char *const *p, const uint32_t *len, unsigned n, const char *needle,
					uint32_t needle_len, uint64_t *mask)
{
	SCALAR_MASK(len[i] >= needle_len && (needle_len == 0 || memcmp(p[i], needle, needle_len) == 0))
}

void
scalar_match_equal(const char *const *p, const uint32_t *len, unsigned n, const char *needle,
				   uint32_t needle_len, uint64_t *mask)
{
	SCALAR_MASK(len[i] == needle_len && (needle_len == 0 || memcmp(p[i], needle, needle_len) == 0))
}
