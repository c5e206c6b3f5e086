/*
 * numeric_image_test.c - stored numerics as scaled integers, over images made here digit by digit.
 *
 * That the layout is PostgreSQL's own is tested by the server when it first reads one (populate.c).
 */
#include <stdlib.h>

#include "column/numeric_image.h"
#include "tap.h"

/* Writes the image of sign * digits * 10000^weight...; returns its length.  offset makes it unaligned. */
static uint32_t
image(char *out, bool as_short, bool negative, int dscale, int weight, const uint16_t *digits, int ndigits)
{
	uint16_t h, w = (uint16_t)weight;
	char *p = out;

	if (as_short)
	{
		h = (uint16_t)(0x8000 | (negative ? 0x2000 : 0) | dscale << 7 | (weight & 0x7f));
		memcpy(p, &h, 2);
		p += 2;
	}
	else
	{
		h = (uint16_t)((negative ? 0x4000 : 0) | dscale);
		memcpy(p, &h, 2);
		memcpy(p + 2, &w, 2);
		p += 4;
	}
	if (ndigits > 0)
		memcpy(p, digits, (size_t)ndigits * 2);
	return (uint32_t)(p - out) + (uint32_t)ndigits * 2;
}

static void
expect(const char *name, bool as_short, bool negative, int dscale, int weight, const uint16_t *digits,
	   int ndigits, bool want, int64_t value)
{
	/* Odd and even places, with nothing readable behind (checked by ASan). */
	for (int offset = 0; offset < 2; offset++)
	{
		char build[64];
		uint32_t len = image(build, as_short, negative, dscale, weight, digits, ndigits);
		char *place = malloc(len + offset);
		int64_t got = 0;
		int scale = -1;
		bool fits;

		memcpy(place + offset, build, len);
		fits = strata_numeric_parse(place + offset, len, &got, &scale);
		ok(fits == want && (!want || (got == value && scale == dscale)), "%s (%s, offset %d)", name,
		   as_short ? "short" : "long", offset);
		free(place);
	}
}

/*
 * What is read by a form is what the general way reads: all scales, weights and counts of digits, some with
 * digits that are too fine for the scale, some with a byte too many, at odd places with nothing behind.
 */
static void
test_form(void)
{
	unsigned seed = 1, taken = 0, usual = 0, usual_taken = 0, strange = 0;
	bool same = true;

	for (unsigned round = 0; round < 400000; round++)
	{
		int scale = (int)(round % (STRATA_NUMERIC_MAX_SCALE + 1));
		int other = rand_r(&seed) % 8 ? scale : rand_r(&seed) % (STRATA_NUMERIC_MAX_SCALE + 1);
		int weight = rand_r(&seed) % 10 - 5;
		int ndigits = rand_r(&seed) % 6;
		bool negative = rand_r(&seed) % 3 == 0, as_short = rand_r(&seed) % 16 != 0;
		bool odd = rand_r(&seed) % 64 == 0;
		int64_t want = 0, got = 0;
		int want_scale = 0;
		uint16_t digits[6];
		char build[64], *place;
		StrataNumericForm form;
		uint32_t len;
		bool fits, fast;

		for (int i = 0; i < ndigits; i++)
			digits[i] = (uint16_t)(rand_r(&seed) % 4 ? rand_r(&seed) % 10000 : rand_r(&seed) % 100 * 100);
		/* The last digit such that it ends with the scale. */
		if (ndigits > 0 && weight - ndigits + 1 < 0 && rand_r(&seed) % 8)
			for (int cut = -4 * (weight - ndigits + 1) - other, ten = 10; cut > 0 && ten <= 1000;
				 cut--, ten *= 10)
				digits[ndigits - 1] -= digits[ndigits - 1] % ten;
		len = image(build, as_short, negative, other, weight, digits, ndigits);
		if (odd)
			build[len++] = 0;
		place = malloc(len + 1);
		memcpy(place + 1, build, len);
		fits = strata_numeric_parse(place + 1, len, &want, &want_scale);
		strata_numeric_form(scale, &form);
		fast = strata_numeric_parse_form(&form, place + 1, len, &got);
		if (fast && (!fits || got != want || want_scale != scale))
			same = false;
		taken += fast;
		strange += fast && (!as_short || other != scale || odd);
		if (fits && as_short && !odd && other == scale && scale <= 8 && weight + (scale + 3) / 4 <= 3)
		{
			usual++;
			usual_taken += fast;
		}
		strata_numeric_form(-1, &form);
		if (strata_numeric_parse_form(&form, place + 1, len, &got))
			strange++;
		free(place);
	}
	ok(same, "read by a form, %u numbers are what they are", taken);
	ok(usual > 10000 && usual == usual_taken, "all usual ones are (%u of %u)", usual_taken, usual);
	ok(strange == 0, "no others are: %u", strange);
}

#define D(...) (const uint16_t[]){__VA_ARGS__}, (int)(sizeof((uint16_t[]){__VA_ARGS__}) / 2)

int
main(void)
{
	int64_t value;
	int scale;

	for (int as_short = 0; as_short < 2; as_short++)
	{
		expect("zero", as_short, false, 2, 0, NULL, 0, true, 0);
		expect("1", as_short, false, 0, 0, D(1), true, 1);
		expect("-12.34", as_short, true, 2, 0, D(12, 3400), true, -1234);
		expect("0.05", as_short, false, 2, -1, D(500), true, 5);
		expect("0.0001", as_short, false, 4, -1, D(1), true, 1);
		expect("0.00001", as_short, false, 5, -2, D(1000), true, 1);
		expect("100000000 (trailing zeros stripped)", as_short, false, 0, 2, D(1), true, 100000000);
		expect("1.00", as_short, false, 2, 0, D(1), true, 100);
		expect("9999999999999999.99", as_short, false, 2, 3, D(9999, 9999, 9999, 9999, 9900), true,
			   INT64_C(999999999999999999));
		expect("99999999999999999.99", as_short, false, 2, 4, D(9, 9999, 9999, 9999, 9999, 9900), false, 0);
		expect("99999999999999.99", as_short, false, 2, 3, D(99, 9999, 9999, 9999, 9900), true,
			   INT64_C(9999999999999999));
		expect("10^18", as_short, false, 0, 4, D(100), true, INT64_C(1000000000000000000));
		expect("10^19", as_short, false, 0, 4, D(1000), false, 0);
		expect("1 with 18 decimals", as_short, false, 18, 0, D(1), true, INT64_C(1000000000000000000));
		expect("10 with 18 decimals", as_short, false, 18, 0, D(10), false, 0);
		expect("1 with 19 decimals", as_short, false, 19, 0, D(1), false, 0);
		expect("digits past the display scale", as_short, false, 1, 0, D(1, 1234), false, 0);
	}
	for (int i = 0; i < 3; i++)
	{
		static const uint16_t special[] = {0xc000, 0xd000, 0xf000};

		ok(!strata_numeric_parse((const char *)&special[i], 2, &value, &scale), "special header %04x",
		   special[i]);
	}
	ok(!strata_numeric_parse("", 0, &value, &scale), "no bytes");
	ok(!strata_numeric_parse("\0\0", 2, &value, &scale), "a long header cut short");
	test_form();
	return tap_done();
}
