/*
 * numeric_image.c - a stored numeric as a scaled 64-bit integer.
 *
 * The layout is private to PostgreSQL's numeric.c, but it is on disk, so it has been the same since 9.1 and
 * cannot change without pg_upgrade knowing.  Even so populate.c compares this reading with numeric_out for a
 * list of numbers before a process uses it, and without agreement keeps numerics as bytes.
 *
 * First a 16-bit header word, native byte order.  Its two highest bits:
 *   10  short: sign 0x2000, display scale 0x1f80, weight 0x007f as a 7-bit two's complement number
 *   0x  long: 0x4000 is the sign, 0x3fff the display scale; a second word is the weight, signed
 *   11  NaN and the infinities
 * Then 16-bit digits base 10000, most significant first; digit i counts 10000^(weight - i).  Leading and
 * trailing zero digits are stripped; zero has no digits.
 */
#include "column/numeric_image.h"

#include <string.h>

#define KIND_MASK		0xc000
#define KIND_SHORT		0x8000
#define KIND_SPECIAL	0xc000
#define SHORT_NEGATIVE	0x2000
#define SHORT_SCALE(h)	(((h)&0x1f80) >> 7)
#define SHORT_WEIGHT(h) (((h)&0x0040) ? (int)((h)&0x003f) - 64 : (int)((h)&0x003f))
#define LONG_NEGATIVE	0x4000
#define LONG_SCALE(h)	((h)&0x3fff)

static const int64_t power_of_ten[] = {
	1,
	10,
	100,
	1000,
	10000,
	100000,
	1000000,
	10000000,
	100000000,
	1000000000,
	10000000000,
	100000000000,
	1000000000000,
	10000000000000,
	100000000000000,
	1000000000000000,
	10000000000000000,
	100000000000000000,
	1000000000000000000,
};

static inline uint16_t
load16(const char *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/*
 * The last digit, which may reach up to three decimals past the display scale: they are zeros, and left out.
 * Divisors that the compiler knows cost a multiplication.
 */
static inline bool
add_last_digit(int64_t *acc, uint32_t digit, int exponent)
{
	uint32_t kept = digit, unit = 1;
	int64_t base = 10000;

	switch (exponent)
	{
		case -1:
			kept = digit / 10;
			unit = 10;
			base = 1000;
			break;
		case -2:
			kept = digit / 100;
			unit = 100;
			base = 100;
			break;
		case -3:
			kept = digit / 1000;
			unit = 1000;
			base = 10;
			break;
	}
	if (kept * unit != digit)
		return false;
	if (*acc > (INT64_MAX - 9999) / 10000 && *acc > (INT64_MAX - 9999) / base)
		return false;
	*acc = *acc * base + kept;
	return true;
}

bool
strata_numeric_parse(const char *data, uint32_t len, int64_t *value, int *scale)
{
	uint16_t h;
	int weight, dscale, exponent;
	uint32_t ndigits;
	int64_t acc = 0;
	bool negative;
	const char *digits;

	if (len < 2)
		return false;
	h = load16(data);
	if ((h & KIND_MASK) == KIND_SHORT)
	{
		negative = (h & SHORT_NEGATIVE) != 0;
		dscale = SHORT_SCALE(h);
		weight = SHORT_WEIGHT(h);
		digits = data + 2;
	}
	else if ((h & KIND_MASK) == KIND_SPECIAL || len < 4)
		return false;
	else
	{
		negative = (h & LONG_NEGATIVE) != 0;
		dscale = LONG_SCALE(h);
		weight = (int16_t)load16(data + 2);
		digits = data + 4;
	}
	if (dscale > STRATA_NUMERIC_MAX_SCALE)
		return false;
	*scale = dscale;
	ndigits = (uint32_t)(data + len - digits) / 2;
	if (ndigits == 0)
	{
		*value = 0;
		return true;
	}

	/* All digits together count 10000^(weight - ndigits + 1); wanted is the count of 10^-dscale. */
	exponent = 4 * (weight - (int)ndigits + 1) + dscale;
	if (exponent < -3 || exponent > STRATA_NUMERIC_MAX_SCALE)
		return false;
	for (uint32_t i = 0; i + 1 < ndigits; i++)
	{
		/* Four digits and what they may be multiplied with below are 10^16 at most. */
		if (i >= 3 && acc > (INT64_MAX - 9999) / 10000)
			return false;
		acc = acc * 10000 + load16(digits + i * 2);
	}
	if (!add_last_digit(&acc, load16(digits + (ndigits - 1) * 2), exponent))
		return false;
	if (exponent > 0)
	{
		if (acc > INT64_MAX / power_of_ten[exponent])
			return false;
		acc *= power_of_ten[exponent];
	}
	*value = negative ? -acc : acc;
	return true;
}

void
strata_numeric_form(int scale, StrataNumericForm *form)
{
	/* Bits that are looked at do not have this one. */
	*form = (StrataNumericForm){.header = SHORT_NEGATIVE};
	if (scale < 0)
		return;
	form->header = (uint16_t)(KIND_SHORT | scale << 7);
	form->digits = (scale + 3) / 4;
	form->unit = (uint64_t)power_of_ten[form->digits * 4 - scale];
	form->reciprocal = ((UINT64_C(1) << 63) + form->unit - 1) / form->unit;
}
