/*
 * numeric_image.h - a stored numeric as a scaled 64-bit integer.
 *
 * Included by: column/, exec/, unit tests (plain C11; no postgres.h).  Memory: the caller's.  Locking: none.
 * Not here: the way back (exec/), when a column is kept as integers (populate.c).
 */
#ifndef STRATA_COLUMN_NUMERIC_IMAGE_H
#define STRATA_COLUMN_NUMERIC_IMAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Largest display scale that is kept as an integer: 10^18 is the last power of ten in 63 bits. */
#define STRATA_NUMERIC_MAX_SCALE 18

/*
 * data..data+len is the payload of a numeric varlena, header excluded, at any alignment.  On success value =
 * the number times 10^scale, where scale is its display scale.  False for NaN, infinities, scales above
 * STRATA_NUMERIC_MAX_SCALE and numbers at or beyond the end of 63 bits.
 */
extern bool strata_numeric_parse(const char *data, uint32_t len, int64_t *value, int *scale);

/* ---- numbers of a scale that is known ----
 *
 * Nearly all numerics of a column have the short header, the same scale and a few digits; for these the
 * general way is long.  Here they are read in units of a whole digit base 10000 that the last decimal falls
 * into, and then divided by what that is too fine: a power of ten that is the same for all of the column.
 */

typedef struct StrataNumericForm
{
	uint16_t header; /* of such numbers, without sign and weight */
	int digits;		 /* base 10000 behind the point */
	uint64_t unit;
	uint64_t reciprocal; /* 2^63 / unit, rounded up */
} StrataNumericForm;

/* For numbers of this scale, which strata_numeric_parse() accepts; -1: for none. */
extern void strata_numeric_form(int scale, StrataNumericForm *form);

/* Horner's scheme over `n` digits, and as many zero digits as make the form's unit. */
static inline __attribute__((always_inline)) uint64_t
strata_numeric_digits(const char *digit, int n, unsigned zeros)
{
	static const uint64_t power[] = {1, 10000, 100000000, 1000000000000};
	uint64_t acc = 0;

	for (int i = 0; i < n; i++)
	{
		uint16_t d;

		memcpy(&d, digit + 2 * i, sizeof(d));
		acc = acc * 10000 + d;
	}
	return acc * power[zeros];
}

/*
 * The same as strata_numeric_parse(), for most numbers of the form's scale; false for all others, and for
 * those that are longer than four digits with the zeros behind them: below 10^16, all of this is exact.
 */
static inline __attribute__((always_inline)) bool
strata_numeric_parse_form(const StrataNumericForm *form, const char *data, uint32_t len, int64_t *value)
{
	uint16_t h;
	int weight, zeros;
	uint64_t acc, quotient;
	int64_t sign;

	if (len < 2 || len > 10)
		return false;
	memcpy(&h, data, sizeof(h));
	if ((h & 0xdf80) != form->header)
		return false;
	if (len == 2)
	{
		*value = 0;
		return true;
	}
	/* Seven bits, two's complement. */
	weight = (int)((h & 0x7f) ^ 0x40) - 0x40;
	zeros = weight + form->digits - (int)(len - 4) / 2;
	if (zeros < 0 || weight + form->digits > 3)
		return false;
	switch (len)
	{
		case 4:
			acc = strata_numeric_digits(data + 2, 1, zeros);
			break;
		case 6:
			acc = strata_numeric_digits(data + 2, 2, zeros);
			break;
		case 8:
			acc = strata_numeric_digits(data + 2, 3, zeros);
			break;
		case 10:
			acc = strata_numeric_digits(data + 2, 4, zeros);
			break;
		default: /* no whole number of digits */
			return false;
	}
	quotient = (uint64_t)((unsigned __int128)(acc * 2) * form->reciprocal >> 64);
	sign = -(int64_t)(h >> 13 & 1);
	*value = ((int64_t)quotient ^ sign) - sign;
	return quotient * form->unit == acc;
}

#endif
