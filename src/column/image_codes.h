/*
 * image_codes.h - images with short headers told apart: hash, equality, and numbers for the values of a
 * column that come again and again.
 *
 * Included by: column/, unit tests (plain C11; no postgres.h).  Memory: the caller's.  Locking: none, private
 * to one build.
 * Not here: columns of more values (segment_distinct.c).
 *
 * Numbers are given while a column's values are gathered: then a value that was there before need be neither
 * copied nor looked for again.  Values are numbered in the order of their first rows.  Whoever meets more
 * than STRATA_CODES_MAX gives it up; until then that cost next to nothing.
 */
#ifndef STRATA_COLUMN_IMAGE_CODES_H
#define STRATA_COLUMN_IMAGE_CODES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Odd constants with well mixed bits (from the fractions of the golden ratio and of sqrt 3). */
#define STRATA_HASH_1 UINT64_C(0x9e3779b97f4a7c15)
#define STRATA_HASH_2 UINT64_C(0xbb67ae8584caa73b)

/* Folds the 128-bit product: every bit of both sides reaches every bit of the result. */
static inline uint64_t
strata_hash_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t
strata_load64(const char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

static inline uint32_t
strata_load32(const char *p)
{
	uint32_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

/* Of one byte at least. */
static inline __attribute__((always_inline)) uint64_t
strata_image_hash(const char *p, uint32_t len)
{
	uint64_t h = STRATA_HASH_1 ^ len;
	const char *end = p + len;

	if (len < 4)
		return strata_hash_mix(h ^ ((uint64_t)(unsigned char)p[0] << 16 |
									(uint64_t)(unsigned char)p[len / 2] << 8 | (unsigned char)p[len - 1]),
							   STRATA_HASH_2);
	if (len < 8)
		return strata_hash_mix(h ^ strata_load32(p), STRATA_HASH_2 ^ strata_load32(end - 4));
	if (len <= 16)
		return strata_hash_mix(h ^ strata_load64(p), STRATA_HASH_2 ^ strata_load64(end - 8));
	for (; end - p > 16; p += 16)
		h = strata_hash_mix(h ^ strata_load64(p), STRATA_HASH_2 ^ strata_load64(p + 8));
	/* The last 16 bytes, which may overlap those before. */
	return strata_hash_mix(h ^ strata_load64(end - 16), STRATA_HASH_2 ^ strata_load64(end - 8));
}

/* Are the 16 bytes the same? */
static inline bool
strata_same16(const char *a, const char *b)
{
	return ((strata_load64(a) ^ strata_load64(b)) | (strata_load64(a + 8) ^ strata_load64(b + 8))) == 0;
}

/* Equality without a call for what is short, which most values are. */
static inline __attribute__((always_inline)) bool
strata_image_same(const char *a, uint32_t a_len, const char *b, uint32_t b_len)
{
	if (a_len != b_len)
		return false;
	if (a_len > 64)
		return memcmp(a, b, a_len) == 0;
	if (a_len >= 16)
	{
		for (uint32_t i = 0; i + 16 < a_len; i += 16)
			if (!strata_same16(a + i, b + i))
				return false;
		return strata_same16(a + a_len - 16, b + a_len - 16);
	}
	if (a_len >= 8)
		return ((strata_load64(a) ^ strata_load64(b)) |
				(strata_load64(a + a_len - 8) ^ strata_load64(b + a_len - 8))) == 0;
	if (a_len >= 4)
		return ((strata_load32(a) ^ strata_load32(b)) |
				(strata_load32(a + a_len - 4) ^ strata_load32(b + a_len - 4))) == 0;
	/* One to three bytes: the first, the middle and the last are all. */
	return a[0] == b[0] && a[a_len / 2] == b[a_len / 2] && a[a_len - 1] == b[a_len - 1];
}

/* ---- numbers ---- */

#define STRATA_CODES_MAX	   1024
#define STRATA_CODES_SLOT_BITS 12

typedef struct StrataCodedImage
{
	const char *image;
	uint32_t len;
	uint32_t row; /* the first */
} StrataCodedImage;

typedef struct StrataImageCodes
{
	uint32_t n;
	uint32_t *code; /* a row; NULL rows have the code of the row before, leading ones 0 */
	StrataCodedImage value[STRATA_CODES_MAX];
	uint16_t slot[1 << STRATA_CODES_SLOT_BITS]; /* hash table, open: code + 1 */
} StrataImageCodes;

/* No values.  `code` is for the caller to set, with room for all rows. */
static inline void
strata_codes_begin(StrataImageCodes *codes)
{
	codes->n = 0;
	codes->code = NULL;
	memset(codes->slot, 0, sizeof(codes->slot));
}

/* The slot where the image's code is, or where it would be. */
static inline __attribute__((always_inline)) uint32_t
strata_codes_slot(const StrataImageCodes *codes, const char *image, uint32_t len)
{
	uint32_t at;

	/* Single letters, which many columns consist of, are their own hash. */
	if (len == 2)
		at = (uint32_t)(unsigned char)image[1] << (STRATA_CODES_SLOT_BITS - 8);
	else
		at = (uint32_t)(strata_image_hash(image, len) >> (64 - STRATA_CODES_SLOT_BITS));
	for (; codes->slot[at]; at = (at + 1) % (1 << STRATA_CODES_SLOT_BITS))
	{
		const StrataCodedImage *value = &codes->value[codes->slot[at] - 1];

		if (strata_image_same(value->image, value->len, image, len))
			break;
	}
	return at;
}

/* Gives the image of `row` the next code, at the slot that was found for it.  It must stay where it is. */
static inline void
strata_codes_add(StrataImageCodes *codes, uint32_t at, const char *image, uint32_t len, uint32_t row)
{
	codes->value[codes->n] = (StrataCodedImage){image, len, row};
	codes->code[row] = codes->n;
	codes->slot[at] = (uint16_t)++codes->n;
}

static inline void
strata_codes_null(StrataImageCodes *codes, uint32_t row)
{
	codes->code[row] = row > 0 ? codes->code[row - 1] : 0;
}

#endif
