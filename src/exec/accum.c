/*
 * accum.c - accumulators: what each aggregate keeps, how vectors and single values go in, what comes out.
 *
 * Sums and averages of integers and numerics are exact in 128 bits at a decimal scale that grows with the widest
 * input, which is also the display scale that PostgreSQL gives the result.  What is no scaled integer (NaN,
 * infinities, very long numerics) is added up aside as a numeric Datum.  Floats are added in the order of rows,
 * with PostgreSQL's own steps and checks, so that a scan without parallelism gives the same last digit.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_aggregate.h"
#include "catalog/pg_type.h"
#include "libpq/pqformat.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

#include "exec/agg.h"

static const struct
{
	Oid			  func;
	StrataAggKind kind;
	PGFunction	  chooser;
} aggregates[] = {
	{F_COUNT_, AGG_COUNT_STAR, NULL},
	{F_COUNT_ANY, AGG_COUNT, NULL},
	{F_SUM_INT2, AGG_SUM, NULL},
	{F_SUM_INT4, AGG_SUM, NULL},
	{F_SUM_INT8, AGG_SUM, NULL},
	{F_SUM_NUMERIC, AGG_SUM, NULL},
	{F_SUM_FLOAT4, AGG_SUM_F64, NULL},
	{F_SUM_FLOAT8, AGG_SUM_F64, NULL},
	{F_AVG_INT2, AGG_AVG, NULL},
	{F_AVG_INT4, AGG_AVG, NULL},
	{F_AVG_INT8, AGG_AVG, NULL},
	{F_AVG_NUMERIC, AGG_AVG, NULL},
	{F_AVG_FLOAT4, AGG_AVG_F64, NULL},
	{F_AVG_FLOAT8, AGG_AVG_F64, NULL},
	{F_MIN_INT2, AGG_MIN, NULL},
	{F_MIN_INT4, AGG_MIN, NULL},
	{F_MIN_INT8, AGG_MIN, NULL},
	{F_MIN_FLOAT4, AGG_MIN, NULL},
	{F_MIN_FLOAT8, AGG_MIN, NULL},
	{F_MIN_NUMERIC, AGG_MIN, NULL},
	{F_MIN_DATE, AGG_MIN, NULL},
	{F_MIN_TIMESTAMP, AGG_MIN, NULL},
	{F_MIN_TIMESTAMPTZ, AGG_MIN, NULL},
	{F_MIN_TEXT, AGG_MIN, text_smaller},
	{F_MIN_BPCHAR, AGG_MIN, bpchar_smaller},
	{F_MAX_INT2, AGG_MAX, NULL},
	{F_MAX_INT4, AGG_MAX, NULL},
	{F_MAX_INT8, AGG_MAX, NULL},
	{F_MAX_FLOAT4, AGG_MAX, NULL},
	{F_MAX_FLOAT8, AGG_MAX, NULL},
	{F_MAX_NUMERIC, AGG_MAX, NULL},
	{F_MAX_DATE, AGG_MAX, NULL},
	{F_MAX_TIMESTAMP, AGG_MAX, NULL},
	{F_MAX_TIMESTAMPTZ, AGG_MAX, NULL},
	{F_MAX_TEXT, AGG_MAX, text_larger},
	{F_MAX_BPCHAR, AGG_MAX, bpchar_larger},
	{F_BOOL_AND, AGG_AND, NULL},
	{F_EVERY, AGG_AND, NULL},
	{F_BOOL_OR, AGG_OR, NULL},
};

static int
find_aggregate(Oid func)
{
	for (int i = 0; i < lengthof(aggregates); i++)
		if (aggregates[i].func == func)
			return i;
	return -1;
}

/* The argument without relabelling; NULL for count(*). */
static Node *
argument(const Aggref *ref)
{
	Node *arg;

	if (ref->args == NIL)
		return NULL;
	arg = (Node *) linitial_node(TargetEntry, ref->args)->expr;
	while (IsA(arg, RelabelType))
		arg = (Node *) ((RelabelType *) arg)->arg;
	return arg;
}

bool
strata_agg_supported(const Aggref *ref)
{
	int		  i = find_aggregate(ref->aggfnoid);
	Node	 *arg = argument(ref);
	StrataRep rep;

	if (i < 0 || ref->aggorder || ref->aggdistinct || ref->aggfilter || ref->aggdirectargs || ref->aggvariadic ||
		ref->agglevelsup != 0 || ref->aggkind != AGGKIND_NORMAL || list_length(ref->args) > 1)
		return false;
	if (!arg)
		return aggregates[i].kind == AGG_COUNT_STAR;
	if (aggregates[i].chooser || aggregates[i].kind == AGG_COUNT)
		return (IsA(arg, Var) && strata_column_rep(((Var *) arg)->vartype, &rep)) ||
			(aggregates[i].kind == AGG_COUNT && strata_expr_speaks(arg));
	return strata_expr_speaks(arg);
}

/* False when the argument cannot be computed by vectors after all. */
bool
strata_agg_init(StrataAgg *agg, Aggref *ref, StrataBatch *in)
{
	int	  i = find_aggregate(ref->aggfnoid);
	Node *arg = argument(ref);

	agg->kind = aggregates[i].kind;
	agg->chooser = aggregates[i].chooser;
	agg->ref = ref;
	agg->partial = DO_AGGSPLIT_SKIPFINAL(ref->aggsplit);
	agg->collation = ref->inputcollid;
	agg->col = -1;
	if (!arg)
		return true;
	agg->state = ExecInitExpr((Expr *) strata_batch_localize(in, (Node *) linitial_node(TargetEntry, ref->args)->expr, NULL), in->ps);
	agg->argtype = exprType((Node *) linitial_node(TargetEntry, ref->args)->expr);
	agg->is_text = agg->chooser != NULL;
	agg->last_of_equals = agg->is_text && agg->argtype != BPCHAROID && OidIsValid(agg->collation) &&
		!get_collation_isdeterministic(agg->collation);
	if (IsA(arg, Var) && (agg->is_text || agg->kind == AGG_COUNT))
	{
		agg->col = in->column(in, (Var *) arg);
		return agg->col >= 0 && in->cols[agg->col]->storable;
	}
	agg->expr = strata_expr_compile(in, arg);
	if (!agg->expr)
		return false;
	agg->cls = agg->expr->cls;
	return true;
}

/* ---- exact sums ---- */

static void
add_numeric(StrataAccum *a, Datum d, MemoryContext cxt)
{
	MemoryContext old = MemoryContextSwitchTo(cxt);
	Datum		  sum = a->has_datum ? DirectFunctionCall2(numeric_add, a->datum, d) : datumCopy(d, false, -1);

	if (a->has_datum)
		pfree(DatumGetPointer(a->datum));
	a->datum = sum;
	a->has_datum = true;
	MemoryContextSwitchTo(old);
}

/* What the 128 bits hold goes over to the numeric part. */
static void
flush_sum(StrataAccum *a, MemoryContext cxt)
{
	add_numeric(a, strata_numeric_make(a->sum, a->scale), cxt);
	a->sum = 0;
}

static void
add_exact(StrataAccum *a, StrataInt128 v, int scale, MemoryContext cxt)
{
	StrataInt128 t;

	if (scale != a->scale)
	{
		int	 d = abs(scale - a->scale);
		bool grow = scale > a->scale;

		if (d > 18 || __builtin_mul_overflow(grow ? a->sum : v, (StrataInt128) strata_pow10[d], &t))
		{
			add_numeric(a, strata_numeric_make(v, scale), cxt);
			return;
		}
		if (grow)
		{
			a->sum = t;
			a->scale = scale;
		}
		else
			v = t;
	}
	if (__builtin_add_overflow(a->sum, v, &t))
	{
		flush_sum(a, cxt);
		t = v;
	}
	a->sum = t;
}

static void
choose_exact(const StrataAgg *agg, StrataAccum *a, StrataInt128 v, int scale)
{
	StrataInt128 x = a->sum, y = v;

	if (a->has_value && scale != a->scale)
	{
		/* 64-bit values times at most 10^18 */
		if (scale > a->scale)
			x *= strata_pow10[scale - a->scale];
		else
			y *= strata_pow10[a->scale - scale];
	}
	/* Of equal values PostgreSQL's numeric_smaller and numeric_larger keep the later one. */
	if (!a->has_value || (agg->kind == AGG_MIN ? y <= x : y >= x))
	{
		a->sum = v;
		a->scale = scale;
		a->has_value = true;
	}
}

/* ---- floats, step by step as float.c does ---- */

static void
float_sum(const StrataAgg *agg, StrataAccum *a, double v)
{
	double r;

	if (!a->has_value)
		r = v;
	else if (agg->argtype == FLOAT4OID)
		r = float4_pl((float4) a->f, (float4) v);
	else
		r = float8_pl(a->f, v);
	a->f = r;
	a->has_value = true;
}

/* float8_accum: Youngs and Cramer's update. */
static void
float_avg(StrataAccum *a, double v)
{
	double n_before = a->count - 1, n = a->count;
	double sx = a->f, sxx = a->f2;

	sx += v;
	if (n_before > 0)
	{
		double tmp = v * n - sx;

		sxx += tmp * tmp / (n * n_before);
		if (isinf(sx) || isinf(sxx))
		{
			if (!isinf(a->f) && !isinf(v))
				float_overflow_error();
			sxx = get_float8_nan();
		}
	}
	else if (isnan(v) || isinf(v))
		sxx = get_float8_nan();
	a->f = sx;
	a->f2 = sxx;
}

static void
float_choose(const StrataAgg *agg, StrataAccum *a, double v)
{
	bool keep = a->has_value && (agg->kind == AGG_MIN ? float8_lt(a->f, v) : float8_gt(a->f, v));

	if (!keep)
		a->f = v;
	a->has_value = true;
}

static inline void
add_float(const StrataAgg *agg, StrataAccum *a, double v)
{
	a->count++;
	if (agg->kind == AGG_SUM_F64)
		float_sum(agg, a, v);
	else if (agg->kind == AGG_AVG_F64)
		float_avg(a, v);
	else
		float_choose(agg, a, v);
}

static void
choose_text(const StrataAgg *agg, StrataAccum *a, Datum d, MemoryContext cxt)
{
	if (a->has_datum)
	{
		Datum best = DirectFunctionCall2Coll(agg->chooser, agg->collation, a->datum, d);

		if (best == a->datum)
			return;
		d = best;
	}
	{
		MemoryContext old = MemoryContextSwitchTo(cxt);
		Datum		  copy = PointerGetDatum(PG_DETOAST_DATUM_COPY(d));

		if (a->has_datum)
			pfree(DatumGetPointer(a->datum));
		a->datum = copy;
		a->has_datum = true;
		MemoryContextSwitchTo(old);
	}
}

static inline void
add_integer(const StrataAgg *agg, StrataAccum *a, int64 v, int scale, MemoryContext cxt)
{
	a->count++;
	switch (agg->kind)
	{
		case AGG_SUM:
		case AGG_AVG:
			add_exact(a, v, scale, cxt);
			break;
		case AGG_AND:
			a->sum = a->has_value ? (a->sum && v) : v;
			a->has_value = true;
			break;
		case AGG_OR:
			a->sum = a->has_value ? (a->sum || v) : v;
			a->has_value = true;
			break;
		default:
			choose_exact(agg, a, v, scale);
	}
}

static void
choose_numeric(const StrataAgg *agg, StrataAccum *a, Datum d, MemoryContext cxt)
{
	MemoryContext old = MemoryContextSwitchTo(cxt);

	if (a->has_datum)
		d = agg->kind == AGG_MIN ? DirectFunctionCall2(numeric_smaller, a->datum, d)
								 : DirectFunctionCall2(numeric_larger, a->datum, d);
	if (!a->has_datum || d != a->datum)
	{
		Datum copy = datumCopy(d, false, -1);

		if (a->has_datum)
			pfree(DatumGetPointer(a->datum));
		a->datum = copy;
		a->has_datum = true;
	}
	MemoryContextSwitchTo(old);
}

void
strata_accum_datum(const StrataAgg *agg, StrataAccum *a, Datum d, bool null, MemoryContext cxt)
{
	StrataInt128 v;
	int			 scale;

	if (agg->kind == AGG_COUNT_STAR)
	{
		a->count++;
		return;
	}
	if (null)
		return;
	if (agg->kind == AGG_COUNT)
	{
		a->count++;
		return;
	}
	if (agg->is_text)
	{
		a->count++;
		choose_text(agg, a, d, cxt);
		return;
	}
	switch (agg->argtype)
	{
		case FLOAT4OID:
			add_float(agg, a, DatumGetFloat4(d));
			break;
		case FLOAT8OID:
			add_float(agg, a, DatumGetFloat8(d));
			break;
		case NUMERICOID:
			d = PointerGetDatum(PG_DETOAST_DATUM(d));
			if (strata_numeric_split(d, &v, &scale) && scale <= 18 && v >= PG_INT64_MIN && v <= PG_INT64_MAX)
				add_integer(agg, a, (int64) v, scale, cxt);
			else
			{
				a->count++;
				if (agg->kind == AGG_MIN || agg->kind == AGG_MAX)
					choose_numeric(agg, a, d, cxt);
				else
					add_numeric(a, d, cxt);
			}
			break;
		case BOOLOID:
			add_integer(agg, a, DatumGetBool(d), 0, cxt);
			break;
		case INT2OID:
			add_integer(agg, a, DatumGetInt16(d), 0, cxt);
			break;
		case INT4OID:
		case DATEOID:
			add_integer(agg, a, DatumGetInt32(d), 0, cxt);
			break;
		default:
			add_integer(agg, a, DatumGetInt64(d), 0, cxt);
	}
}

/* ---- vectors ---- */

static const uint64 *
argument_nulls(StrataBatch *in, const StrataAgg *agg)
{
	return agg->col >= 0 ? in->cols[agg->col]->nulls : agg->expr ? agg->expr->vnulls : NULL;
}

static void
forget_seen(StrataBatch *in, StrataAgg *agg, const StrataColumn *col)
{
	uint32 n = Max(strata_col_ncodes(col), 1);

	if (agg->seen_room < n)
	{
		agg->seen = agg->seen ? repalloc(agg->seen, n) : MemoryContextAlloc(in->ps->state->es_query_cxt, n);
		agg->seen_room = n;
	}
	memset(agg->seen, 0, n);
	agg->dict_id = col->dict_id;
}

/* A code's value is compared once a unit, raw strings one by one. */
static void
text_vector(StrataBatch *in, StrataAgg *agg, StrataAccum *a, const uint64 *live, MemoryContext cxt)
{
	StrataColumn	  *col = in->cols[agg->col];
	const uint32	  *codes = agg->last_of_equals ? NULL : strata_col_codes(col);
	const char *const *bytes;

	if (codes)
	{
		if (!agg->seen || agg->dict_id != col->dict_id)
			forget_seen(in, agg, col);
		FOREACH_ROW(live, i, {
			if (!agg->seen[codes[i]])
			{
				agg->seen[codes[i]] = true;
				choose_text(agg, a, PointerGetDatum(strata_code_bytes(col, codes[i])), cxt);
			}
		});
		return;
	}
	bytes = strata_col_bytes(col);
	FOREACH_ROW(live, i, { choose_text(agg, a, PointerGetDatum(bytes[i]), cxt); });
}

void
strata_accum_vector(StrataBatch *in, StrataAgg *agg, StrataAccum *a, const uint64 *mask, MemoryContext cxt)
{
	const uint64 *nulls = argument_nulls(in, agg);
	uint64		  live[BATCH_WORDS];
	unsigned	  n;

	for (int w = 0; w < BATCH_WORDS; w++)
		live[w] = nulls ? mask[w] & ~nulls[w] : mask[w];
	n = strata_kernels->count(live, in->n);
	if (n == 0)
		return;
	if (agg->kind == AGG_COUNT_STAR || agg->kind == AGG_COUNT)
	{
		a->count += n;
		return;
	}
	if (agg->is_text)
	{
		a->count += n;
		text_vector(in, agg, a, live, cxt);
		in->counts->scalar_values += n;
		return;
	}
	if (agg->cls == STRATA_CLASS_F64)
	{
		FOREACH_ROW(live, i, { add_float(agg, a, agg->expr->vf[i]); });
		in->counts->scalar_values += n;
		return;
	}
	in->counts->vector_values += n;
	a->count += n;
	switch (agg->kind)
	{
		case AGG_SUM:
		case AGG_AVG:
			add_exact(a, strata_kernels->sum_i64(agg->expr->vi, live, in->n), agg->expr->scale, cxt);
			break;
		case AGG_AND:
		case AGG_MIN:
			a->count--;
			add_integer(agg, a, strata_kernels->min_i64(agg->expr->vi, live, in->n), agg->expr->scale, cxt);
			break;
		default:
			a->count--;
			add_integer(agg, a, strata_kernels->max_i64(agg->expr->vi, live, in->n), agg->expr->scale, cxt);
	}
}

void
strata_accum_grouped(StrataBatch *in, StrataAgg *agg, char *base, Size stride, Size offset,
					 const uint16 *rows, const uint32 *gids, unsigned n, MemoryContext cxt)
{
	const uint64 *nulls = argument_nulls(in, agg);
	const int64	 *vi = agg->expr ? agg->expr->vi : NULL;
	const char *const *bytes;

#define ACCUM(k) ((StrataAccum *) (base + (Size) gids[k] * stride + offset))
#define SKIP(k)	 (gids[k] == STRATA_NO_GROUP || strata_row_null(nulls, rows[k]))
	in->counts->scalar_values += n;
	if (agg->kind == AGG_COUNT_STAR || agg->kind == AGG_COUNT)
	{
		for (unsigned k = 0; k < n; k++)
			if (!SKIP(k))
				ACCUM(k)->count++;
		return;
	}
	if (agg->is_text)
	{
		bytes = strata_col_bytes(in->cols[agg->col]);
		for (unsigned k = 0; k < n; k++)
			if (!SKIP(k))
			{
				ACCUM(k)->count++;
				choose_text(agg, ACCUM(k), PointerGetDatum(bytes[rows[k]]), cxt);
			}
		return;
	}
	if (agg->cls == STRATA_CLASS_F64)
	{
		for (unsigned k = 0; k < n; k++)
			if (!SKIP(k))
				add_float(agg, ACCUM(k), agg->expr->vf[rows[k]]);
		return;
	}
	if (agg->kind == AGG_SUM || agg->kind == AGG_AVG)
	{
		int scale = agg->expr->scale;

		/* The common case in the open: same scale, no overflow of 128 bits. */
		for (unsigned k = 0; k < n; k++)
		{
			StrataAccum *a;

			if (SKIP(k))
				continue;
			a = ACCUM(k);
			a->count++;
			if (unlikely(a->scale != scale || __builtin_add_overflow(a->sum, (StrataInt128) vi[rows[k]], &a->sum)))
			{
				/* An overflowing addition has wrapped: undo it. */
				if (a->scale == scale)
					a->sum -= vi[rows[k]];
				add_exact(a, vi[rows[k]], scale, cxt);
			}
		}
		return;
	}
	for (unsigned k = 0; k < n; k++)
		if (!SKIP(k))
			add_integer(agg, ACCUM(k), vi[rows[k]], agg->expr->scale, cxt);
#undef ACCUM
#undef SKIP
}

/* ---- whole units ---- */

bool
strata_accum_can_take(const StrataAgg *agg, StrataBatch *in)
{
	const StrataSegment *zone;

	if (agg->kind == AGG_COUNT_STAR)
		return true;
	if (agg->kind == AGG_COUNT && agg->col >= 0)
		return true;
	if (!agg->expr || !strata_expr_is_column(agg->expr))
		return false;
	zone = in->cols[agg->expr->col]->zone;
	if (zone->phys != STRATA_PHYS_INT)
		return false;
	if (zone->null_count == zone->nrows)
		return true;
	switch (agg->kind)
	{
		case AGG_SUM:
		case AGG_AVG:
			return (zone->flags & STRATA_SEG_HAS_SUM) != 0;
		case AGG_MIN:
		case AGG_MAX:
		case AGG_AND:
		case AGG_OR:
			return (zone->flags & STRATA_SEG_HAS_RANGE) != 0;
		default:
			return false;
	}
}

void
strata_accum_take(const StrataAgg *agg, StrataBatch *in, StrataAccum *a, uint32 nrows)
{
	const StrataSegment *zone;
	uint32				 n;

	if (agg->kind == AGG_COUNT_STAR)
	{
		a->count += nrows;
		return;
	}
	zone = in->cols[agg->col >= 0 ? agg->col : agg->expr->col]->zone;
	n = zone->nrows - zone->null_count;
	if (n == 0)
		return;
	if (agg->kind == AGG_COUNT)
	{
		a->count += n;
		return;
	}
	a->count += n - 1;
	if (agg->kind == AGG_SUM || agg->kind == AGG_AVG)
	{
		a->count++;
		add_exact(a, (StrataInt128) (((unsigned __int128) (uint64) zone->sum_hi << 64) | zone->sum_lo), zone->scale,
				  in->ps->state->es_query_cxt);
		return;
	}
	add_integer(agg, a, agg->kind == AGG_MIN || agg->kind == AGG_AND ? zone->min.i : zone->max.i, zone->scale,
				in->ps->state->es_query_cxt);
}

/* ---- results ---- */

/* The exact sum as a numeric with PostgreSQL's display scale. */
static Datum
sum_numeric(const StrataAccum *a)
{
	Datum d = strata_numeric_make(a->sum, a->scale);

	return a->has_datum ? DirectFunctionCall2(numeric_add, d, a->datum) : d;
}

static Datum
integer_result(Oid type, int64 v)
{
	switch (type)
	{
		case BOOLOID:
			return BoolGetDatum(v != 0);
		case INT2OID:
			return Int16GetDatum((int16) v);
		case INT4OID:
		case DATEOID:
			return Int32GetDatum((int32) v);
		default:
			return Int64GetDatum(v);
	}
}

static Datum
extreme_result(const StrataAgg *agg, const StrataAccum *a)
{
	if (agg->is_text)
		return a->datum;
	if (agg->cls == STRATA_CLASS_F64)
		return agg->argtype == FLOAT4OID ? Float4GetDatum((float4) a->f) : Float8GetDatum(a->f);
	if (agg->argtype == NUMERICOID)
	{
		Datum d;

		if (!a->has_value)
			return a->datum;
		d = strata_numeric_make(a->sum, a->scale);
		if (a->has_datum)
			d = agg->kind == AGG_MIN ? DirectFunctionCall2(numeric_smaller, a->datum, d)
									 : DirectFunctionCall2(numeric_larger, a->datum, d);
		return d;
	}
	return integer_result(agg->argtype, (int64) a->sum);
}

/* A numeric in the form of numeric.c's transition states: 32-bit header fields, then the base-10000 digits. */
static void
send_numeric_state(StringInfo buf, Datum numeric)
{
	bytea	   *sent = DatumGetByteaPP(DirectFunctionCall1(numeric_send, numeric));
	StringInfoData in;
	int			   ndigits;

	in.data = VARDATA_ANY(sent);
	in.len = VARSIZE_ANY_EXHDR(sent);
	in.maxlen = in.len;
	in.cursor = 0;
	ndigits = pq_getmsgint(&in, 2);
	pq_sendint32(buf, ndigits);
	pq_sendint32(buf, (int16) pq_getmsgint(&in, 2)); /* weight */
	pq_sendint32(buf, pq_getmsgint(&in, 2));		  /* sign */
	pq_sendint32(buf, pq_getmsgint(&in, 2));		  /* display scale */
	for (int i = 0; i < ndigits; i++)
		pq_sendint16(buf, pq_getmsgint(&in, 2));
}

/* int8_avg_serialize and numeric_avg_serialize: what sum and avg of bigint and numeric hand to Finalize. */
static Datum
serialized_state(const StrataAgg *agg, const StrataAccum *a)
{
	StringInfoData buf;
	Datum		   sum = sum_numeric(a);
	bool		   nan = false, inf = false, negative = false;
	char		  *text = DatumGetCString(DirectFunctionCall1(numeric_out, sum));

	nan = strcmp(text, "NaN") == 0;
	negative = text[0] == '-';
	inf = strcmp(text + negative, "Infinity") == 0;
	pq_begintypsend(&buf);
	pq_sendint64(&buf, nan || inf ? a->count - 1 : a->count);
	send_numeric_state(&buf, nan || inf ? strata_numeric_make(0, 0) : sum);
	if (agg->argtype == NUMERICOID)
	{
		pq_sendint32(&buf, a->scale); /* maxScale */
		pq_sendint64(&buf, a->count); /* maxScaleCount */
		pq_sendint64(&buf, nan);
		pq_sendint64(&buf, inf && !negative);
		pq_sendint64(&buf, inf && negative);
	}
	return PointerGetDatum(pq_endtypsend(&buf));
}

static Datum
partial_average(const StrataAgg *agg, const StrataAccum *a)
{
	Datum values[3];

	if (agg->kind == AGG_AVG_F64)
	{
		values[0] = Float8GetDatum((float8) a->count);
		values[1] = Float8GetDatum(a->f);
		values[2] = Float8GetDatum(a->f2);
		return PointerGetDatum(construct_array(values, 3, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	}
	values[0] = Int64GetDatum(a->count);
	values[1] = Int64GetDatum((int64) a->sum);
	return PointerGetDatum(construct_array(values, 2, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

Datum
strata_accum_result(const StrataAgg *agg, StrataAccum *a, bool *null)
{
	bool small = agg->argtype == INT2OID || agg->argtype == INT4OID;

	*null = false;
	if (agg->kind == AGG_COUNT || agg->kind == AGG_COUNT_STAR)
		return Int64GetDatum(a->count);
	/* The averages of small integers and floats start from an array, not from NULL. */
	if (agg->partial && (agg->kind == AGG_AVG_F64 || (agg->kind == AGG_AVG && small)))
		return partial_average(agg, a);
	if (a->count == 0)
	{
		*null = true;
		return (Datum) 0;
	}
	if (agg->partial && !small && (agg->kind == AGG_SUM || agg->kind == AGG_AVG))
		return serialized_state(agg, a);
	switch (agg->kind)
	{
		case AGG_SUM:
			return small ? Int64GetDatum((int64) a->sum) : sum_numeric(a);
		case AGG_AVG:
			return DirectFunctionCall2(numeric_div, sum_numeric(a), NumericGetDatum(int64_to_numeric(a->count)));
		case AGG_SUM_F64:
			return agg->argtype == FLOAT4OID ? Float4GetDatum((float4) a->f) : Float8GetDatum(a->f);
		case AGG_AVG_F64:
			return Float8GetDatum(a->f / (double) a->count);
		case AGG_AND:
		case AGG_OR:
			return BoolGetDatum(a->sum != 0);
		default:
			return extreme_result(agg, a);
	}
}
