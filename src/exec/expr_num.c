/*
 * expr_num.c - numerics as scaled integers: there and back.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "column/numeric_image.h"
#include "exec/exec.h"

/* Scales that strata_pow10 can bring together. */
#define MAX_SCALE 18

const int64 strata_pow10[MAX_SCALE + 1] = {
	INT64CONST(1),
	INT64CONST(10),
	INT64CONST(100),
	INT64CONST(1000),
	INT64CONST(10000),
	INT64CONST(100000),
	INT64CONST(1000000),
	INT64CONST(10000000),
	INT64CONST(100000000),
	INT64CONST(1000000000),
	INT64CONST(10000000000),
	INT64CONST(100000000000),
	INT64CONST(1000000000000),
	INT64CONST(10000000000000),
	INT64CONST(100000000000000),
	INT64CONST(1000000000000000),
	INT64CONST(10000000000000000),
	INT64CONST(100000000000000000),
	INT64CONST(1000000000000000000),
};

StrataInt128
strata_wide_pow10(int n)
{
	return n <= MAX_SCALE ? strata_pow10[n] : (StrataInt128)strata_pow10[MAX_SCALE] * strata_pow10[n - MAX_SCALE];
}

bool
strata_numeric_i64(const struct varlena *image, int64 *value, int *scale)
{
	StrataInt128 v;

	if (strata_column_numeric_known())
		return strata_numeric_parse(VARDATA_ANY(image), VARSIZE_ANY_EXHDR(image), value, scale);
	if (!strata_numeric_split(PointerGetDatum(image), &v, scale) || *scale > MAX_SCALE || v < -PG_INT64_MAX ||
		v > PG_INT64_MAX)
		return false;
	*value = (int64)v;
	return true;
}

/* Goes through the decimal text: only constants and what is no 64-bit integer come here. */
bool
strata_numeric_split(Datum numeric, StrataInt128 *value, int *scale)
{
	char *text = DatumGetCString(DirectFunctionCall1(numeric_out, numeric));
	char *p = text;
	bool negative = *p == '-';
	StrataInt128 v = 0;
	int digits = 0;
	bool fraction = false;

	*scale = 0;
	if (negative)
		p++;
	if (*p < '0' || *p > '9')
		return false;
	for (; *p; p++)
	{
		if (*p == '.')
		{
			fraction = true;
			continue;
		}
		if (v != 0 || *p != '0')
			digits++;
		if (digits > 38)
			return false;
		v = v * 10 + (*p - '0');
		if (fraction)
			(*scale)++;
	}
	pfree(text);
	*value = negative ? -v : v;
	return true;
}

/* ---- comparing with any numeric ---- */

/* A value of so many digits that 128 bits do not hold it. */
static void
bound_of_long(Datum numeric, StrataNumericBound *b)
{
	StrataInt128 v;
	Datum cut;
	int order;

	/* NaN is greater than everything, as infinity is. */
	if (DatumGetInt32(DirectFunctionCall2(numeric_cmp, numeric, NumericGetDatum(int64_to_numeric(PG_INT64_MAX)))) > 0)
		b->beyond = 1;
	else if (DatumGetInt32(DirectFunctionCall2(numeric_cmp, numeric, NumericGetDatum(int64_to_numeric(PG_INT64_MIN)))) < 0)
		b->beyond = -1;
	if (b->beyond != 0)
		return;
	cut = DirectFunctionCall2(numeric_trunc, numeric, Int32GetDatum(MAX_SCALE));
	if (!strata_numeric_split(cut, &v, &b->scale))
		elog(ERROR, "numeric of 19 digits and %d decimals cannot be split", MAX_SCALE);
	b->floor = v;
	order = DatumGetInt32(DirectFunctionCall2(numeric_cmp, numeric, cut));
	b->more = order != 0;
	if (order < 0)
		b->floor--;
}

void
strata_numeric_bound(Datum numeric, StrataNumericBound *b)
{
	StrataInt128 v;
	int scale;

	memset(b, 0, sizeof(*b));
	if (!strata_numeric_split(numeric, &v, &scale) || scale > MAX_SCALE)
	{
		bound_of_long(numeric, b);
		return;
	}
	b->floor = v;
	b->scale = scale;
}

StrataPlace
strata_numeric_place(const StrataNumericBound *b, int scale, int64 *at)
{
	StrataInt128 v = b->floor, rest = 0;

	Assert(scale >= 0 && scale <= MAX_SCALE);
	if (b->beyond != 0)
		return b->beyond > 0 ? STRATA_PLACE_ABOVE : STRATA_PLACE_BELOW;
	if (b->scale > scale)
	{
		StrataInt128 p = strata_pow10[b->scale - scale];

		rest = v % p;
		v = v / p - (rest < 0);
	}
	/* One of 20 digits and more has no product to compute, which might not fit. */
	else if (v <= PG_INT64_MAX && v >= PG_INT64_MIN)
		v *= strata_pow10[scale - b->scale];
	if (v > PG_INT64_MAX)
		return STRATA_PLACE_ABOVE;
	/* PG_INT64_MIN - 1 and a fraction is less than all, too. */
	if (v < PG_INT64_MIN)
		return STRATA_PLACE_BELOW;
	*at = (int64)v;
	return rest != 0 || b->more ? STRATA_PLACE_AFTER : STRATA_PLACE_AT;
}

/* ---- back ---- */

/*
 * numeric.c has a fast constructor that is used for the scales where first calls show that it keeps the
 * display scale; the rest goes through text.
 */
static bool
fast_constructor_keeps(int scale)
{
	static int8 known[32]; /* 0: not tried, 1: yes, -1: no */

	if (scale >= lengthof(known))
		return false;
	if (known[scale] == 0)
	{
		const int64 probes[] = {0, 1, 10000, -1234567};

		known[scale] = 1;
		for (int i = 0; i < lengthof(probes); i++)
		{
			Datum d = NumericGetDatum(int64_div_fast_to_numeric(probes[i], scale));

			if (DatumGetInt32(DirectFunctionCall1(numeric_scale, d)) != scale)
				known[scale] = -1;
		}
	}
	return known[scale] > 0;
}

Datum
strata_numeric_make(StrataInt128 value, int scale)
{
	char buf[64];
	char *p = buf + sizeof(buf) - 1;
	bool negative = value < 0;
	unsigned __int128 v = negative ? -(unsigned __int128)value : (unsigned __int128)value;
	int digits = 0;

	if (scale == 0 && value >= PG_INT64_MIN && value <= PG_INT64_MAX)
		return NumericGetDatum(int64_to_numeric((int64)value));
	/* it multiplies by up to 10^3 on the way */
	if (value > -PG_INT64_MAX / 1000 && value < PG_INT64_MAX / 1000 && fast_constructor_keeps(scale))
		return NumericGetDatum(int64_div_fast_to_numeric((int64)value, scale));
	if (scale > 18)
	{
		/* Products of products: past what buf holds. */
		StringInfoData s;

		initStringInfo(&s);
		for (; v != 0 || digits <= scale; v /= 10, digits++)
		{
			if (digits == scale)
				appendStringInfoChar(&s, '.');
			appendStringInfoChar(&s, '0' + (int)(v % 10));
		}
		if (negative)
			appendStringInfoChar(&s, '-');
		for (int i = 0, j = s.len - 1; i < j; i++, j--)
		{
			char c = s.data[i];

			s.data[i] = s.data[j];
			s.data[j] = c;
		}
		return DirectFunctionCall3(numeric_in, CStringGetDatum(s.data), ObjectIdGetDatum(InvalidOid),
								   Int32GetDatum(-1));
	}

	*p = '\0';
	for (; v != 0 || digits <= scale; v /= 10, digits++)
	{
		if (digits == scale && scale > 0)
			*--p = '.';
		*--p = '0' + (int)(v % 10);
	}
	if (negative)
		*--p = '-';
	return DirectFunctionCall3(numeric_in, CStringGetDatum(p), ObjectIdGetDatum(InvalidOid),
							   Int32GetDatum(-1));
}
