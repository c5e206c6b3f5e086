/*
 * simd_arrays.c - SIMD operators on arrays: filter, sum, min, max, avg, count; hashes of bytea.
 *
 * Results and errors are those of PostgreSQL's operators and aggregates over unnest(array).  Integers (and
 * dates and times, which are integers) and floats are compared by kernels and integers added up by them.
 * Floats are added one after the other, since the order of additions is part of their sum; numerics, and
 * values of other types, go through PostgreSQL's own functions.
 *
 * The elements of an array lie one behind the other, NULLs left out; so what is not NULL is an array to a
 * kernel, without a copy where the type is as wide as the kernel's.
 */
#include "postgres.h"

#include "access/tupmacs.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/typcache.h"

#include "base/compat.h"
#include "exec/metrics.h"
#include "simd/hash.h"
#include "simd/simd.h"

STRATA_FUNCTION(strata_simd_filter);
STRATA_FUNCTION(strata_simd_sum);
STRATA_FUNCTION(strata_simd_avg);
STRATA_FUNCTION(strata_simd_min);
STRATA_FUNCTION(strata_simd_max);
STRATA_FUNCTION(strata_simd_count_values);
STRATA_FUNCTION(strata_xxh3_64);
STRATA_FUNCTION(strata_wyhash_64);

/* Values handed to a kernel at a time: they and their mask stay in the first-level cache. */
#define CHUNK		1024
#define CHUNK_WORDS (CHUNK / 64)

/* ---- the array ---- */

typedef enum ElementClass
{
	CLASS_INT,	/* an integer of `len` bytes, signed */
	CLASS_UINT, /* the same, unsigned: oid */
	CLASS_FLOAT,
	CLASS_OTHER
} ElementClass;

typedef struct Elements
{
	ArrayType *array;
	Oid type;
	int16 len;
	bool byval;
	char align;
	ElementClass class;
	int all;  /* elements, the NULLs included */
	int n;	  /* that are not NULL */
	char *at; /* the first of these */
	instr_time start;
} Elements;

static ElementClass
class_of(Oid type)
{
	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case DATEOID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case CASHOID:
			return CLASS_INT;
		case OIDOID:
			return CLASS_UINT;
		case FLOAT4OID:
		case FLOAT8OID:
			return CLASS_FLOAT;
		default:
			return CLASS_OTHER;
	}
}

static void
open_array(Elements *e, ArrayType *array)
{
	bits8 *bitmap = ARR_NULLBITMAP(array);

	INSTR_TIME_SET_CURRENT(e->start);
	e->array = array;
	e->type = ARR_ELEMTYPE(array);
	e->class = class_of(e->type);
	get_typlenbyvalalign(e->type, &e->len, &e->byval, &e->align);
	e->all = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	e->at = ARR_DATA_PTR(array);
	e->n = e->all;
	if (bitmap)
		for (int i = 0; i < e->all; i++)
			e->n -= !(bitmap[i / 8] >> i % 8 & 1);
}

/* Values from .. from + count of the elements that are not NULL, as 64-bit integers; buffer has room for
 * CHUNK. */
static const int64 *
int_values(const Elements *e, int from, int count, int64 *buffer)
{
	switch (e->len)
	{
		case 2:
			for (int i = 0; i < count; i++)
				buffer[i] = ((const int16 *)e->at)[from + i];
			return buffer;
		case 4:
			if (e->class == CLASS_UINT)
				for (int i = 0; i < count; i++)
					buffer[i] = ((const uint32 *)e->at)[from + i];
			else
				for (int i = 0; i < count; i++)
					buffer[i] = ((const int32 *)e->at)[from + i];
			return buffer;
		default:
			return (const int64 *)e->at + from;
	}
}

static const double *
float_values(const Elements *e, int from, int count, double *buffer)
{
	if (e->len == sizeof(float8))
		return (const double *)e->at + from;
	for (int i = 0; i < count; i++)
		buffer[i] = ((const float4 *)e->at)[from + i];
	return buffer;
}

static int64
int_datum(const Elements *e, Datum d)
{
	switch (e->len)
	{
		case 2:
			return DatumGetInt16(d);
		case 4:
			return e->class == CLASS_UINT ? (int64)DatumGetUInt32(d) : (int64)DatumGetInt32(d);
		default:
			return DatumGetInt64(d);
	}
}

static Datum
datum_of_int(const Elements *e, int64 value)
{
	switch (e->len)
	{
		case 2:
			return Int16GetDatum((int16)value);
		case 4:
			return e->class == CLASS_UINT ? UInt32GetDatum((uint32)value) : Int32GetDatum((int32)value);
		default:
			return Int64GetDatum(value);
	}
}

/* Runs the block with i = the number of each chunk's first value and m = how many it has. */
#define FOREACH_CHUNK(e, i, m)                                                                               \
	for (int i = 0, m; i < (e)->n && (m = Min(CHUNK, (e)->n - i), true); i += CHUNK)

/* Runs the block with `d` = each value that is not NULL. */
#define FOREACH_VALUE(e, d)                                                                                  \
	for (int i_ = 0; i_ < (e)->n && (d = fetch_att(at_, (e)->byval, (e)->len), true);                        \
		 i_++, at_ = next_value(e, at_))

static char *
next_value(const Elements *e, char *at)
{
	CHECK_FOR_INTERRUPTS();
	at = att_addlength_pointer(at, e->len, at);
	return (char *)att_align_nominal(at, e->align);
}

/* The call is over: one row of its work in the metrics. */
static void
count_work(const Elements *e, StrataSimdOp op, uint64 selected, bool kernels)
{
	StrataSimdWork work = {.op = op, .rows = e->all, .selected = selected};
	instr_time took;

	INSTR_TIME_SET_CURRENT(took);
	INSTR_TIME_SUBTRACT(took, e->start);
	work.ns = INSTR_TIME_GET_DOUBLE(took) * 1e9;
	work.bytes = VARSIZE(e->array) - ARR_DATA_OFFSET(e->array);
	if (kernels && strata_kernels->vector_width > 64)
		work.vector_ops = e->n;
	else
		work.scalar_ops = e->n;
	strata_simd_count(&work);
}

static TypeCacheEntry *
comparison_of(Oid type)
{
	TypeCacheEntry *t = lookup_type_cache(type, TYPECACHE_CMP_PROC_FINFO);

	if (!OidIsValid(t->cmp_proc_finfo.fn_oid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("could not identify a comparison function for type %s", format_type_be(type))));
	return t;
}

/* ---- filter ---- */

static StrataCmp
operator_of(text *name)
{
	static const struct
	{
		const char *name;
		StrataCmp op;
	} operators[] = {{"=", STRATA_EQ},	{"<>", STRATA_NE}, {"!=", STRATA_NE}, {"<", STRATA_LT},
					 {"<=", STRATA_LE}, {">", STRATA_GT},  {">=", STRATA_GE}};
	char *s = text_to_cstring(name);

	for (int i = 0; i < lengthof(operators); i++)
		if (strcmp(s, operators[i].name) == 0)
			return operators[i].op;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("there is no comparison operator \"%s\"", s),
			 errhint("The operators are =, <>, !=, <, <=, > and >=.")));
}

static bool
cmp_says(int cmp, StrataCmp op)
{
	switch (op)
	{
		case STRATA_EQ:
			return cmp == 0;
		case STRATA_NE:
			return cmp != 0;
		case STRATA_LT:
			return cmp < 0;
		case STRATA_LE:
			return cmp <= 0;
		case STRATA_GT:
			return cmp > 0;
		default:
			return cmp >= 0;
	}
}

/* Sets the bit of each matching value, counted without the NULLs. */
static void
match_by_kernels(const Elements *e, StrataCmp op, Datum key, uint64 *mask)
{
	int64 ints[CHUNK];
	double floats[CHUNK];

	FOREACH_CHUNK(e, i, m)
	{
		CHECK_FOR_INTERRUPTS();
		if (e->class == CLASS_FLOAT)
			strata_kernels->cmp_f64(float_values(e, i, m, floats), m, op,
									e->len == sizeof(float8) ? DatumGetFloat8(key) : DatumGetFloat4(key),
									mask + i / 64);
		else
			strata_kernels->cmp_i64(int_values(e, i, m, ints), m, op, int_datum(e, key), mask + i / 64);
	}
}

static void
match_by_comparison(const Elements *e, StrataCmp op, Datum key, Oid collation, uint64 *mask)
{
	TypeCacheEntry *t = comparison_of(e->type);
	char *at_ = e->at;
	int i = 0;
	Datum d;

	FOREACH_VALUE(e, d)
	{
		int cmp = DatumGetInt32(FunctionCall2Coll(&t->cmp_proc_finfo, collation, d, key));

		mask[i / 64] |= (uint64)cmp_says(cmp, op) << i % 64;
		i++;
	}
}

/* The places, from 1 on and NULLs counted, of the values whose bit is set. */
static ArrayType *
places(const Elements *e, const uint64 *mask, int *found)
{
	bits8 *bitmap = ARR_NULLBITMAP(e->array);
	Datum *place = palloc(sizeof(Datum) * Max(strata_kernels->count(mask, e->n), 1));
	int value = 0;

	*found = 0;
	for (int i = 0; i < e->all; i++)
	{
		if (bitmap && !(bitmap[i / 8] >> i % 8 & 1))
			continue;
		if (mask[value / 64] >> value % 64 & 1)
			place[(*found)++] = Int32GetDatum(i + 1);
		value++;
	}
	return construct_array(place, *found, INT4OID, sizeof(int32), true, TYPALIGN_INT);
}

Datum
strata_simd_filter(PG_FUNCTION_ARGS)
{
	StrataCmp op = operator_of(PG_GETARG_TEXT_PP(1));
	ArrayType *result;
	uint64 *mask;
	Elements e;
	int found;

	open_array(&e, PG_GETARG_ARRAYTYPE_P(0));
	mask = palloc0(sizeof(uint64) * (e.n / CHUNK + 1) * CHUNK_WORDS);
	if (e.class == CLASS_OTHER)
		match_by_comparison(&e, op, PG_GETARG_DATUM(2), PG_GET_COLLATION(), mask);
	else
		match_by_kernels(&e, op, PG_GETARG_DATUM(2), mask);
	result = places(&e, mask, &found);
	count_work(&e, STRATA_SIMD_FILTER, found, e.class != CLASS_OTHER);
	PG_RETURN_ARRAYTYPE_P(result);
}

/* ---- sum and avg ---- */

static Datum
numeric_of_int128(StrataInt128 value)
{
	bool negative = value < 0;
	unsigned __int128 v = negative ? -(unsigned __int128)value : (unsigned __int128)value;
	char digits[48];
	char *p = digits + sizeof(digits) - 1;

	*p = '\0';
	do
	{
		*--p = '0' + (int)(v % 10);
		v /= 10;
	} while (v > 0);
	if (negative)
		*--p = '-';
	return DirectFunctionCall3(numeric_in, CStringGetDatum(p), ObjectIdGetDatum(InvalidOid),
							   Int32GetDatum(-1));
}

static StrataInt128
sum_ints(const Elements *e)
{
	StrataInt128 sum = 0;
	int64 buffer[CHUNK];

	FOREACH_CHUNK(e, i, m)
	{
		CHECK_FOR_INTERRUPTS();
		sum += strata_kernels->sum_i64(int_values(e, i, m, buffer), NULL, m);
	}
	return sum;
}

/* sum(real) adds in real, sum(double precision) in double precision; both in order. */
static Datum
sum_floats(const Elements *e)
{
	const float4 *four = (const float4 *)e->at;
	const float8 *eight = (const float8 *)e->at;

	if (e->type == FLOAT4OID)
	{
		float4 sum = four[0];

		for (int i = 1; i < e->n; i++)
			sum = float4_pl(sum, four[i]);
		return Float4GetDatum(sum);
	}
	else
	{
		float8 sum = eight[0];

		for (int i = 1; i < e->n; i++)
			sum = float8_pl(sum, eight[i]);
		return Float8GetDatum(sum);
	}
}

static Datum
sum_numerics(const Elements *e)
{
	Datum sum = (Datum)0;
	char *at_ = e->at;
	Datum d;
	bool first = true;

	FOREACH_VALUE(e, d)
	{
		sum = first ? d : DirectFunctionCall2(numeric_add, sum, d);
		first = false;
	}
	return sum;
}

static void
no_aggregate(const char *name, Oid type)
{
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
					errmsg("function %s is not defined for arrays of %s", name, format_type_be(type))));
}

/* The declarations in SQL say what each type's sum is; numbers only. */
Datum
strata_simd_sum(PG_FUNCTION_ARGS)
{
	Elements e;
	Datum sum = (Datum)0;

	open_array(&e, PG_GETARG_ARRAYTYPE_P(0));
	if (e.n > 0)
		switch (e.type)
		{
			case INT2OID:
			case INT4OID:
				/* At most 2^30 values of 32 bits: it fits. */
				sum = Int64GetDatum((int64)sum_ints(&e));
				break;
			case INT8OID:
				sum = numeric_of_int128(sum_ints(&e));
				break;
			case FLOAT4OID:
			case FLOAT8OID:
				sum = sum_floats(&e);
				break;
			case NUMERICOID:
				sum = sum_numerics(&e);
				break;
			default:
				no_aggregate("strata.simd_sum", e.type);
		}
	count_work(&e, STRATA_SIMD_AGGREGATE, e.n, e.class == CLASS_INT);
	if (e.n == 0)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(sum);
}

/*
 * avg() of floats carries the sum of squared deviations along (Youngs and Cramer), though it does not use it,
 * and raises an error when that overflows: float8_accum() does, and so must we.
 */
static double
avg_floats(const Elements *e)
{
	double buffer[CHUNK];
	double n = 0, sum = 0, squares = 0;

	FOREACH_CHUNK(e, i, m)
	{
		const double *v = float_values(e, i, m, buffer);

		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < m; j++)
		{
			double before = sum;

			n += 1;
			sum += v[j];
			if (n > 1)
			{
				double deviation = v[j] * n - sum;

				squares += deviation * deviation / (n * (n - 1));
				if (isinf(sum) || isinf(squares))
				{
					if (!isinf(before) && !isinf(v[j]))
						float_overflow_error();
					squares = get_float8_nan();
				}
			}
			else if (isnan(v[j]) || isinf(v[j]))
				squares = get_float8_nan();
		}
	}
	return sum / n;
}

Datum
strata_simd_avg(PG_FUNCTION_ARGS)
{
	Elements e;
	Datum avg = (Datum)0;

	open_array(&e, PG_GETARG_ARRAYTYPE_P(0));
	if (e.n > 0)
		switch (e.type)
		{
			case INT2OID:
			case INT4OID:
			case INT8OID:
				avg = DirectFunctionCall2(numeric_div, numeric_of_int128(sum_ints(&e)),
										  NumericGetDatum(int64_to_numeric(e.n)));
				break;
			case FLOAT4OID:
			case FLOAT8OID:
				avg = Float8GetDatum(avg_floats(&e));
				break;
			case NUMERICOID:
				avg = DirectFunctionCall2(numeric_div, sum_numerics(&e),
										  NumericGetDatum(int64_to_numeric(e.n)));
				break;
			default:
				no_aggregate("strata.simd_avg", e.type);
		}
	count_work(&e, STRATA_SIMD_AGGREGATE, e.n, e.class == CLASS_INT);
	if (e.n == 0)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(avg);
}

/* ---- min, max, count ---- */

/* Of two equal values the later one stays, as with min() and max(): they may look different (0 and -0). */
static Datum
extreme_by_comparison(const Elements *e, bool max, Oid collation)
{
	TypeCacheEntry *t = comparison_of(e->type);
	Datum best = (Datum)0;
	char *at_ = e->at;
	bool first = true;
	Datum d;

	FOREACH_VALUE(e, d)
	{
		int cmp = first ? 0 : DatumGetInt32(FunctionCall2Coll(&t->cmp_proc_finfo, collation, best, d));

		if (max ? cmp <= 0 : cmp >= 0)
			best = d;
		first = false;
	}
	return best;
}

static Datum
extreme_int(const Elements *e, bool max)
{
	int64 best = max ? PG_INT64_MIN : PG_INT64_MAX;
	int64 buffer[CHUNK];

	FOREACH_CHUNK(e, i, m)
	{
		const int64 *v = int_values(e, i, m, buffer);
		int64 x = max ? strata_kernels->max_i64(v, NULL, m) : strata_kernels->min_i64(v, NULL, m);

		CHECK_FOR_INTERRUPTS();
		best = max ? Max(best, x) : Min(best, x);
	}
	return datum_of_int(e, best);
}

static Datum
extreme(FunctionCallInfo fcinfo, bool max)
{
	bool kernels;
	Elements e;
	Datum best = (Datum)0;

	open_array(&e, PG_GETARG_ARRAYTYPE_P(0));
	kernels = e.class == CLASS_INT || e.class == CLASS_UINT;
	if (e.n > 0)
		best = kernels ? extreme_int(&e, max) : extreme_by_comparison(&e, max, PG_GET_COLLATION());
	count_work(&e, STRATA_SIMD_AGGREGATE, e.n, kernels);
	if (e.n == 0)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(best);
}

Datum
strata_simd_min(PG_FUNCTION_ARGS)
{
	return extreme(fcinfo, false);
}

Datum
strata_simd_max(PG_FUNCTION_ARGS)
{
	return extreme(fcinfo, true);
}

/* Values that are not NULL. */
Datum
strata_simd_count_values(PG_FUNCTION_ARGS)
{
	Elements e;

	open_array(&e, PG_GETARG_ARRAYTYPE_P(0));
	count_work(&e, STRATA_SIMD_AGGREGATE, e.n, false);
	PG_RETURN_INT64(e.n);
}

/* ---- hashes ---- */

Datum
strata_xxh3_64(PG_FUNCTION_ARGS)
{
	bytea *data = PG_GETARG_BYTEA_PP(0);

	PG_RETURN_INT64(
		(int64)strata_xxh3(VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data), (uint64)PG_GETARG_INT64(1)));
}

Datum
strata_wyhash_64(PG_FUNCTION_ARGS)
{
	bytea *data = PG_GETARG_BYTEA_PP(0);

	PG_RETURN_INT64(
		(int64)strata_wyhash(VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data), (uint64)PG_GETARG_INT64(1)));
}
