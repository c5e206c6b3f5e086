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
#include "optimizer/optimizer.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/syscache.h"

#include "exec/agg.h"

static const struct
{
	Oid			  func;
	StrataAggKind kind;
} aggregates[] = {
	{F_COUNT_, AGG_COUNT_STAR},
	{F_COUNT_ANY, AGG_COUNT},
	{F_SUM_INT2, AGG_SUM},
	{F_SUM_INT4, AGG_SUM},
	{F_SUM_INT8, AGG_SUM},
	{F_SUM_NUMERIC, AGG_SUM},
	{F_SUM_FLOAT4, AGG_SUM_F64},
	{F_SUM_FLOAT8, AGG_SUM_F64},
	{F_AVG_INT2, AGG_AVG},
	{F_AVG_INT4, AGG_AVG},
	{F_AVG_INT8, AGG_AVG},
	{F_AVG_NUMERIC, AGG_AVG},
	{F_AVG_FLOAT4, AGG_AVG_F64},
	{F_AVG_FLOAT8, AGG_AVG_F64},
	{F_MIN_INT2, AGG_MIN},
	{F_MIN_INT4, AGG_MIN},
	{F_MIN_INT8, AGG_MIN},
	{F_MIN_FLOAT4, AGG_MIN},
	{F_MIN_FLOAT8, AGG_MIN},
	{F_MIN_NUMERIC, AGG_MIN},
	{F_MIN_DATE, AGG_MIN},
	{F_MIN_TIMESTAMP, AGG_MIN},
	{F_MIN_TIMESTAMPTZ, AGG_MIN},
	{F_MIN_TEXT, AGG_CHOOSE},
	{F_MIN_BPCHAR, AGG_CHOOSE},
	{F_MIN_TIME, AGG_CHOOSE},
	{F_MIN_TIMETZ, AGG_CHOOSE},
	{F_MIN_INTERVAL, AGG_CHOOSE},
	{F_MIN_OID, AGG_CHOOSE},
	{F_MIN_MONEY, AGG_CHOOSE},
	{F_MIN_INET, AGG_CHOOSE},
	{F_MIN_TID, AGG_CHOOSE},
	{F_MIN_PG_LSN, AGG_CHOOSE},
	{F_MIN_XID8, AGG_CHOOSE},
	{F_MIN_ANYENUM, AGG_CHOOSE},
	{F_MIN_ANYARRAY, AGG_CHOOSE},
	{F_MAX_INT2, AGG_MAX},
	{F_MAX_INT4, AGG_MAX},
	{F_MAX_INT8, AGG_MAX},
	{F_MAX_FLOAT4, AGG_MAX},
	{F_MAX_FLOAT8, AGG_MAX},
	{F_MAX_NUMERIC, AGG_MAX},
	{F_MAX_DATE, AGG_MAX},
	{F_MAX_TIMESTAMP, AGG_MAX},
	{F_MAX_TIMESTAMPTZ, AGG_MAX},
	{F_MAX_TEXT, AGG_CHOOSE},
	{F_MAX_BPCHAR, AGG_CHOOSE},
	{F_MAX_TIME, AGG_CHOOSE},
	{F_MAX_TIMETZ, AGG_CHOOSE},
	{F_MAX_INTERVAL, AGG_CHOOSE},
	{F_MAX_OID, AGG_CHOOSE},
	{F_MAX_MONEY, AGG_CHOOSE},
	{F_MAX_INET, AGG_CHOOSE},
	{F_MAX_TID, AGG_CHOOSE},
	{F_MAX_PG_LSN, AGG_CHOOSE},
	{F_MAX_XID8, AGG_CHOOSE},
	{F_MAX_ANYENUM, AGG_CHOOSE},
	{F_MAX_ANYARRAY, AGG_CHOOSE},
	{F_BOOL_AND, AGG_AND},
	{F_EVERY, AGG_AND},
	{F_BOOL_OR, AGG_OR},
	{F_BIT_AND_INT2, AGG_BIT_AND},
	{F_BIT_AND_INT4, AGG_BIT_AND},
	{F_BIT_AND_INT8, AGG_BIT_AND},
	{F_BIT_OR_INT2, AGG_BIT_OR},
	{F_BIT_OR_INT4, AGG_BIT_OR},
	{F_BIT_OR_INT8, AGG_BIT_OR},
	{F_BIT_XOR_INT2, AGG_BIT_XOR},
	{F_BIT_XOR_INT4, AGG_BIT_XOR},
	{F_BIT_XOR_INT8, AGG_BIT_XOR},
	{F_VAR_POP_INT2, AGG_VARIANCE},
	{F_VAR_POP_INT4, AGG_VARIANCE},
	{F_VAR_POP_INT8, AGG_VARIANCE},
	{F_VAR_POP_NUMERIC, AGG_VARIANCE},
	{F_VAR_POP_FLOAT4, AGG_VARIANCE_F64},
	{F_VAR_POP_FLOAT8, AGG_VARIANCE_F64},
	{F_VAR_SAMP_INT2, AGG_VARIANCE},
	{F_VAR_SAMP_INT4, AGG_VARIANCE},
	{F_VAR_SAMP_INT8, AGG_VARIANCE},
	{F_VAR_SAMP_NUMERIC, AGG_VARIANCE},
	{F_VAR_SAMP_FLOAT4, AGG_VARIANCE_F64},
	{F_VAR_SAMP_FLOAT8, AGG_VARIANCE_F64},
	{F_VARIANCE_INT2, AGG_VARIANCE},
	{F_VARIANCE_INT4, AGG_VARIANCE},
	{F_VARIANCE_INT8, AGG_VARIANCE},
	{F_VARIANCE_NUMERIC, AGG_VARIANCE},
	{F_VARIANCE_FLOAT4, AGG_VARIANCE_F64},
	{F_VARIANCE_FLOAT8, AGG_VARIANCE_F64},
	{F_STDDEV_POP_INT2, AGG_VARIANCE},
	{F_STDDEV_POP_INT4, AGG_VARIANCE},
	{F_STDDEV_POP_INT8, AGG_VARIANCE},
	{F_STDDEV_POP_NUMERIC, AGG_VARIANCE},
	{F_STDDEV_POP_FLOAT4, AGG_VARIANCE_F64},
	{F_STDDEV_POP_FLOAT8, AGG_VARIANCE_F64},
	{F_STDDEV_SAMP_INT2, AGG_VARIANCE},
	{F_STDDEV_SAMP_INT4, AGG_VARIANCE},
	{F_STDDEV_SAMP_INT8, AGG_VARIANCE},
	{F_STDDEV_SAMP_NUMERIC, AGG_VARIANCE},
	{F_STDDEV_SAMP_FLOAT4, AGG_VARIANCE_F64},
	{F_STDDEV_SAMP_FLOAT8, AGG_VARIANCE_F64},
	{F_STDDEV_INT2, AGG_VARIANCE},
	{F_STDDEV_INT4, AGG_VARIANCE},
	{F_STDDEV_INT8, AGG_VARIANCE},
	{F_STDDEV_NUMERIC, AGG_VARIANCE},
	{F_STDDEV_FLOAT4, AGG_VARIANCE_F64},
	{F_STDDEV_FLOAT8, AGG_VARIANCE_F64},
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

/* Does a value that comes twice count twice? */
static bool
counts_repeats(StrataAggKind kind)
{
	switch (kind)
	{
		case AGG_MIN:
		case AGG_MAX:
		case AGG_CHOOSE:
		case AGG_AND:
		case AGG_OR:
		case AGG_BIT_AND:
		case AGG_BIT_OR:
			return false;
		default:
			return true;
	}
}

/* Does the result depend on the order in which rows are added?  DISTINCT sorts them. */
static bool
depends_on_order(StrataAggKind kind)
{
	return kind == AGG_SUM_F64 || kind == AGG_AVG_F64 || kind == AGG_VARIANCE_F64;
}

bool
strata_agg_supported(const Aggref *ref)
{
	int			  i = find_aggregate(ref->aggfnoid);
	Node		 *arg = argument(ref);
	StrataAggKind kind;
	StrataRep	  rep;

	if (i < 0 || ref->aggorder || ref->aggdirectargs || ref->aggvariadic || ref->agglevelsup != 0 ||
		ref->aggkind != AGGKIND_NORMAL || list_length(ref->args) > 1)
		return false;
	kind = aggregates[i].kind;
	if (ref->aggfilter && contain_volatile_functions((Node *) ref->aggfilter))
		return false;
	if (!arg)
		return kind == AGG_COUNT_STAR;
	if (contain_volatile_functions(arg))
		return false;
	if (ref->aggdistinct && counts_repeats(kind) &&
		(depends_on_order(kind) ||
		 !strata_group_key_supported((Node *) linitial_node(TargetEntry, ref->args)->expr)))
		return false;
	if (kind == AGG_CHOOSE || kind == AGG_COUNT)
		return (IsA(arg, Var) && ((Var *) arg)->varattno > 0 && strata_column_rep(((Var *) arg)->vartype, &rep)) ||
			(kind == AGG_COUNT && strata_expr_speaks(arg));
	return strata_expr_speaks(arg);
}

static void
init_functions(StrataAgg *agg)
{
	HeapTuple		  tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(agg->ref->aggfnoid));
	Form_pg_aggregate form;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for aggregate %u", agg->ref->aggfnoid);
	form = (Form_pg_aggregate) GETSTRUCT(tuple);
	if (agg->kind == AGG_CHOOSE)
		fmgr_info(form->aggtransfn, &agg->chooser);
	if (agg->kind == AGG_VARIANCE || agg->kind == AGG_VARIANCE_F64)
		fmgr_info(form->aggfinalfn, &agg->final);
	if (OidIsValid(form->aggdeserialfn))
		fmgr_info(form->aggdeserialfn, &agg->deserial);
	ReleaseSysCache(tuple);
}

static bool
init_argument(StrataAgg *agg, StrataBatch *in)
{
	Node *arg = argument(agg->ref);
	Node *full;

	if (!arg)
		return true;
	full = (Node *) linitial_node(TargetEntry, agg->ref->args)->expr;
	agg->argument = full;
	agg->state = ExecInitExpr((Expr *) strata_batch_localize(in, full, NULL), in->ps);
	agg->argtype = exprType(full);
	get_typlenbyval(agg->argtype, &agg->typlen, &agg->typbyval);
	/* Equal strings are the same but under such a collation; char(n) keeps the first of equals, the others the last. */
	if (agg->argtype == TEXTOID || agg->argtype == VARCHAROID)
		agg->last_of_equals = OidIsValid(agg->collation) && !get_collation_isdeterministic(agg->collation);
	else
		agg->last_of_equals = agg->argtype != BPCHAROID;
	if (IsA(arg, Var) && (agg->kind == AGG_CHOOSE || agg->kind == AGG_COUNT))
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

bool
strata_agg_init(StrataAgg *agg, Aggref *ref, StrataBatch *in)
{
	agg->kind = aggregates[find_aggregate(ref->aggfnoid)].kind;
	agg->ref = ref;
	agg->partial = DO_AGGSPLIT_SKIPFINAL(ref->aggsplit);
	agg->collation = ref->inputcollid;
	agg->col = -1;
	agg->set = -1;
	agg->source = agg->evaluated = agg;
	agg->distinct = ref->aggdistinct != NIL && counts_repeats(agg->kind);
	init_functions(agg);
	if (ref->aggfilter)
	{
		Node *filter = (Node *) ref->aggfilter;

		agg->filter_state = ExecInitQual(list_make1(strata_batch_localize(in, filter, NULL)), in->ps);
		agg->filter = strata_pred_compile(in, filter);
	}
	return init_argument(agg, in);
}

/* Accumulators of one can answer the other. */
static bool
same_accumulators(StrataAggKind a, StrataAggKind b)
{
	if (a == b)
		return true;
	if (a > b)
		return same_accumulators(b, a);
	return (a == AGG_SUM && b == AGG_AVG) || (a == AGG_AVG_F64 && b == AGG_VARIANCE_F64);
}

/* Calls with the same argument over the same rows: evaluate once, and keep once where the accumulators are the same. */
void
strata_agg_share(StrataAgg *aggs, int n)
{
	for (int i = 1; i < n; i++)
		for (int j = i - 1; j >= 0; j--)
		{
			if (aggs[i].distinct != aggs[j].distinct || !equal(aggs[i].argument, aggs[j].argument) ||
				!equal(aggs[i].ref->aggfilter, aggs[j].ref->aggfilter))
				continue;
			if (aggs[i].expr && aggs[j].expr)
			{
				aggs[i].evaluated = aggs[j].evaluated;
				aggs[i].expr = aggs[j].expr;
			}
			if (same_accumulators(aggs[i].kind, aggs[j].kind) &&
				(aggs[i].kind != AGG_CHOOSE ||
				 (aggs[i].ref->aggfnoid == aggs[j].ref->aggfnoid && aggs[i].collation == aggs[j].collation)))
				aggs[i].source = aggs[j].source;
		}
}

/* Arguments that are summed, and nothing else, may come in 128 bits. */
void
strata_agg_widen(StrataAgg *aggs, int n)
{
	for (int i = 0; i < n; i++)
	{
		bool sums = aggs[i].expr && aggs[i].cls == STRATA_CLASS_NUM;

		for (int j = 0; j < n && sums; j++)
			if (aggs[j].expr == aggs[i].expr)
				sums = (aggs[j].kind == AGG_SUM || aggs[j].kind == AGG_AVG || aggs[j].kind == AGG_COUNT) &&
					!aggs[j].distinct;
		if (sums)
			strata_expr_widen(aggs[i].expr);
	}
}

/* ---- exact sums ---- */

static void
add_numeric(Datum *to, bool *has, Datum d, MemoryContext cxt)
{
	MemoryContext old = MemoryContextSwitchTo(cxt);
	Datum		  sum = *has ? DirectFunctionCall2(numeric_add, *to, d) : datumCopy(d, false, -1);

	if (*has)
		pfree(DatumGetPointer(*to));
	*to = sum;
	*has = true;
	MemoryContextSwitchTo(old);
}

/* What the 128 bits hold goes over to the numeric part. */
static void
flush_sum(StrataAccum *a, MemoryContext cxt)
{
	add_numeric(&a->datum, &a->has_datum, strata_numeric_make(a->sum, a->scale), cxt);
	a->sum = 0;
}

/*
 * Calls one of core's transition functions.  They only run for an aggregate node, to which an empty one is good enough:
 * all they ask of it is the memory that states live in.
 */
static Datum
call_for_aggregate(PGFunction function, int nargs, Datum first, bool null, Datum second, MemoryContext cxt)
{
	LOCAL_FCINFO(fcinfo, 2);
	static AggState	   *node = NULL;
	static ExprContext *econtext = NULL;

	if (!node)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		econtext = makeNode(ExprContext);
		node = makeNode(AggState);
		node->curaggcontext = econtext;
		MemoryContextSwitchTo(old);
	}
	econtext->ecxt_per_tuple_memory = cxt;
	InitFunctionCallInfoData(*fcinfo, NULL, nargs, InvalidOid, (Node *) node, NULL);
	fcinfo->args[0].value = first;
	fcinfo->args[0].isnull = null;
	fcinfo->args[1].value = second;
	fcinfo->args[1].isnull = false;
	return function(fcinfo);
}

static void
add_to_core(StrataAccum *a, Datum d, MemoryContext cxt)
{
	a->core = DatumGetPointer(call_for_aggregate(numeric_accum, 2, PointerGetDatum(a->core), a->core == NULL, d, cxt));
}

static void
add_square(StrataAccum *a, StrataInt128 v, int scale, MemoryContext cxt)
{
	StrataInt128 square, t;

	if (a->scale == scale && !__builtin_mul_overflow(v, v, &square) && !__builtin_add_overflow(a->square, square, &t))
	{
		a->square = t;
		return;
	}
	{
		Datum d = strata_numeric_make(v, scale);

		add_numeric(&a->square_datum, &a->has_square, DirectFunctionCall2(numeric_mul, d, d), cxt);
	}
}

static void
add_exact(StrataAccum *a, StrataInt128 v, int scale, MemoryContext cxt)
{
	StrataInt128 t;

	/* Nothing is there to be brought to the scale. */
	if (scale > a->scale && a->sum == 0 && a->square == 0)
		a->scale = scale;
	if (scale != a->scale)
	{
		int	 d = abs(scale - a->scale);
		bool grow = scale > a->scale;

		if (d > 18 || __builtin_mul_overflow(grow ? a->sum : v, (StrataInt128) strata_pow10[d], &t))
		{
			add_numeric(&a->datum, &a->has_datum, strata_numeric_make(v, scale), cxt);
			return;
		}
		if (grow)
		{
			if (a->square != 0)
			{
				add_numeric(&a->square_datum, &a->has_square, strata_numeric_make(a->square, 2 * a->scale), cxt);
				a->square = 0;
			}
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

void
strata_agg_overflow(const StrataAgg *agg)
{
	if (!agg->overflow)
		float_overflow_error();
	*agg->overflow = true;
}

static void
float_sum(const StrataAgg *agg, StrataAccum *a, double v)
{
	double r = a->has_value ? a->f + v : v;

	if (agg->argtype == FLOAT4OID)
		r = (float4) r;
	if (unlikely(isinf(r)) && a->has_value && !isinf(a->f) && !isinf(v))
		strata_agg_overflow(agg);
	a->f = r;
	a->has_value = true;
}

/* float8_accum: Youngs and Cramer's update. */
static void
float_avg(const StrataAgg *agg, StrataAccum *a, double v)
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
				strata_agg_overflow(agg);
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
	else if (agg->kind == AGG_AVG_F64 || agg->kind == AGG_VARIANCE_F64)
		float_avg(agg, a, v);
	else
		float_choose(agg, a, v);
}

/* The type's own function says which of the two is kept. */
static void
choose(const StrataAgg *agg, StrataAccum *a, Datum d, MemoryContext cxt)
{
	MemoryContext old;

	if (a->has_datum)
	{
		Datum best = FunctionCall2Coll((FmgrInfo *) &agg->chooser, agg->collation, a->datum, d);

		if (best == a->datum)
			return;
		d = best;
	}
	old = MemoryContextSwitchTo(cxt);
	if (agg->typlen == -1)
		d = PointerGetDatum(PG_DETOAST_DATUM_COPY(d));
	else
		d = datumCopy(d, agg->typbyval, agg->typlen);
	if (a->has_datum && !agg->typbyval)
		pfree(DatumGetPointer(a->datum));
	a->datum = d;
	a->has_datum = true;
	MemoryContextSwitchTo(old);
}

/* A number: `count` inputs' worth. */
void
strata_accum_add(const StrataAgg *agg, StrataAccum *a, StrataInt128 v, int scale, int64 count, MemoryContext cxt)
{
	a->count += count;
	switch (agg->kind)
	{
		case AGG_SUM:
		case AGG_AVG:
			add_exact(a, v, scale, cxt);
			break;
		case AGG_VARIANCE:
			/* the sum first: it brings the accumulator to the scale */
			add_exact(a, v, scale, cxt);
			add_square(a, v, scale, cxt);
			break;
		case AGG_AND:
			a->sum = a->has_value ? (a->sum && v) : v;
			a->has_value = true;
			break;
		case AGG_OR:
			a->sum = a->has_value ? (a->sum || v) : v;
			a->has_value = true;
			break;
		case AGG_BIT_AND:
			a->sum = a->has_value ? (a->sum & v) : v;
			a->has_value = true;
			break;
		case AGG_BIT_OR:
			a->sum |= v;
			break;
		case AGG_BIT_XOR:
			a->sum ^= v;
			break;
		default:
			choose_exact(agg, a, v, scale);
	}
}

static inline void
add_integer(const StrataAgg *agg, StrataAccum *a, int64 v, int scale, MemoryContext cxt)
{
	strata_accum_add(agg, a, v, scale, 1, cxt);
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
	if (agg->kind == AGG_CHOOSE)
	{
		a->count++;
		choose(agg, a, d, cxt);
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
			else if (agg->kind == AGG_VARIANCE)
				add_to_core(a, d, cxt);
			else
			{
				a->count++;
				if (agg->kind == AGG_MIN || agg->kind == AGG_MAX)
				{
					choose_numeric(agg, a, d, cxt);
					break;
				}
				add_numeric(&a->datum, &a->has_datum, d, cxt);
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

const uint64 *
strata_agg_nulls(StrataBatch *in, const StrataAgg *agg)
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

/* A code's value is compared once a unit, others one by one. */
static void
choose_vector(StrataBatch *in, StrataAgg *agg, StrataAccum *a, const uint64 *live, MemoryContext cxt)
{
	StrataColumn *col = in->cols[agg->col];
	const uint32 *codes = agg->last_of_equals || agg->by_rows ? NULL : strata_col_codes(col);

	if (codes)
	{
		if (!agg->seen || agg->dict_id != col->dict_id)
			forget_seen(in, agg, col);
		FOREACH_ROW(live, i, {
			if (!agg->seen[codes[i]])
			{
				agg->seen[codes[i]] = true;
				choose(agg, a, strata_col_datum(col, i), cxt);
			}
		});
		return;
	}
	FOREACH_ROW(live, i, { choose(agg, a, strata_col_datum(col, i), cxt); });
}

/* Row i of an argument whose rows differ in display scale. */
static void
add_mixed(const StrataAgg *agg, StrataAccum *a, unsigned i, MemoryContext cxt)
{
	int			 scale = agg->expr->vscale[i];
	StrataInt128 v = agg->expr->vw ? agg->expr->vw[i] : agg->expr->vi[i];

	strata_accum_add(agg, a, v / strata_wide_pow10(agg->expr->scale - scale), scale, 1, cxt);
}

/* Sums of 128 bits that need more are added one by one. */
static void
sum_wide(const StrataAgg *agg, StrataAccum *a, const uint64 *live, int64 n, MemoryContext cxt)
{
	const StrataExpr *e = agg->expr;
	int				  scale = strata_expr_scale(e, live);
	StrataInt128	  divisor = strata_wide_pow10(e->scale - scale), sum = 0;
	bool			  fits = true;

	FOREACH_ROW(live, i, { fits &= !__builtin_add_overflow(sum, e->vw[i], &sum); });
	if (fits)
		strata_accum_add(agg, a, sum / divisor, scale, n, cxt);
	else
		FOREACH_ROW(live, i, { strata_accum_add(agg, a, e->vw[i] / divisor, scale, 1, cxt); });
}

void
strata_accum_vector(StrataBatch *in, StrataAgg *agg, StrataAccum *a, const uint64 *mask, MemoryContext cxt)
{
	const uint64 *nulls = strata_agg_nulls(in, agg);
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
	if (agg->kind == AGG_CHOOSE)
	{
		a->count += n;
		choose_vector(in, agg, a, live, cxt);
		in->counts->scalar_values += n;
		return;
	}
	if (agg->cls == STRATA_CLASS_F64)
	{
		FOREACH_ROW(live, i, { add_float(agg, a, agg->expr->vf[i]); });
		in->counts->scalar_values += n;
		return;
	}
	if (agg->kind == AGG_VARIANCE || agg->kind == AGG_BIT_AND || agg->kind == AGG_BIT_OR || agg->kind == AGG_BIT_XOR)
	{
		FOREACH_ROW(live, i, { strata_accum_value(in, agg, a, i, cxt); });
		in->counts->scalar_values += n;
		return;
	}
	in->counts->vector_values += n;
	if (agg->expr->vscale && agg->kind != AGG_SUM && agg->kind != AGG_AVG)
	{
		FOREACH_ROW(live, i, { add_mixed(agg, a, i, cxt); });
		return;
	}
	switch (agg->kind)
	{
		case AGG_SUM:
		case AGG_AVG:
		{
			/* A sum has the largest of the rows' display scales, which all of them are multiples of. */
			int scale = strata_expr_scale(agg->expr, live);

			if (agg->expr->vw)
			{
				sum_wide(agg, a, live, n, cxt);
				break;
			}
			strata_accum_add(agg, a,
							 strata_kernels->sum_i64(agg->expr->vi, live, in->n) /
								 strata_pow10[agg->expr->scale - scale],
							 scale, n, cxt);
			break;
		}
		case AGG_AND:
		case AGG_MIN:
			strata_accum_add(agg, a, strata_kernels->min_i64(agg->expr->vi, live, in->n), agg->expr->scale, n, cxt);
			break;
		default:
			strata_accum_add(agg, a, strata_kernels->max_i64(agg->expr->vi, live, in->n), agg->expr->scale, n, cxt);
	}
}

void
strata_accum_value(StrataBatch *in, const StrataAgg *agg, StrataAccum *a, unsigned i, MemoryContext cxt)
{
	if (agg->kind == AGG_COUNT_STAR || agg->kind == AGG_COUNT)
		a->count++;
	else if (agg->kind == AGG_CHOOSE)
	{
		a->count++;
		choose(agg, a, strata_col_datum(in->cols[agg->col], i), cxt);
	}
	else if (agg->cls == STRATA_CLASS_F64)
		add_float(agg, a, agg->expr->vf[i]);
	else if (agg->expr->vscale)
		add_mixed(agg, a, i, cxt);
	else if (agg->expr->vw)
		strata_accum_add(agg, a, agg->expr->vw[i], agg->expr->scale, 1, cxt);
	else
		add_integer(agg, a, agg->expr->vi[i], agg->expr->scale, cxt);
}

/* ---- whole units ---- */

/* Index of the column whose zone map answers, if one does; 0 when none can. */
int
strata_accum_column(const StrataAgg *agg)
{
	if (agg->col >= 0)
		return agg->col;
	return agg->expr && strata_expr_is_column(agg->expr) ? agg->expr->col : 0;
}

bool
strata_accum_can_take(const StrataAgg *agg, StrataBatch *in)
{
	const StrataSegment *zone;

	if (agg->filter || agg->set >= 0)
		return false;
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
	if (agg->kind == AGG_SUM || agg->kind == AGG_AVG)
		strata_accum_add(agg, a, (StrataInt128) (((unsigned __int128) (uint64) zone->sum_hi << 64) | zone->sum_lo),
						 zone->scale, n, in->ps->state->es_query_cxt);
	else
		strata_accum_add(agg, a, agg->kind == AGG_MIN || agg->kind == AGG_AND ? zone->min.i : zone->max.i, zone->scale,
						 n, in->ps->state->es_query_cxt);
}

/* About what core's state takes for numbers of some hundred digits. */
#define CORE_STATE_BYTES 2048

Size
strata_accum_bytes(const StrataAgg *agg, const StrataAccum *a)
{
	Size bytes = 0;

	if (a->has_square)
		bytes += VARSIZE_ANY(DatumGetPointer(a->square_datum));
	if (a->core)
		bytes += CORE_STATE_BYTES;
	if (a->has_datum && !(agg->kind == AGG_CHOOSE && agg->typbyval))
		bytes += agg->kind == AGG_CHOOSE && agg->typlen > 0 ? agg->typlen : VARSIZE_ANY(DatumGetPointer(a->datum));
	return bytes;
}

void
strata_accum_free(const StrataAgg *agg, StrataAccum *a)
{
	if (a->has_square)
		pfree(DatumGetPointer(a->square_datum));
	if (a->has_datum && !(agg->kind == AGG_CHOOSE && agg->typbyval))
		pfree(DatumGetPointer(a->datum));
	a->has_datum = a->has_square = false;
	a->core = NULL; /* goes with its context */
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
square_numeric(const StrataAccum *a)
{
	Datum d = strata_numeric_make(a->square, 2 * a->scale);

	return a->has_square ? DirectFunctionCall2(numeric_add, d, a->square_datum) : d;
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
	if (agg->kind == AGG_CHOOSE)
		return a->datum;
	if (agg->argtype == FLOAT4OID || agg->argtype == FLOAT8OID)
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

/*
 * int8_avg_serialize and numeric_avg_serialize, numeric_serialize and numeric_poly_serialize: what sums, averages and
 * variances hand to Finalize.
 */
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
	if (agg->kind == AGG_VARIANCE)
		send_numeric_state(&buf, nan || inf ? strata_numeric_make(0, 0) : square_numeric(a));
	if (agg->argtype == NUMERICOID || (agg->kind == AGG_VARIANCE && agg->argtype == INT8OID))
	{
		pq_sendint32(&buf, a->scale); /* maxScale */
		pq_sendint64(&buf, a->count); /* maxScaleCount */
		pq_sendint64(&buf, nan);
		pq_sendint64(&buf, inf && !negative);
		pq_sendint64(&buf, inf && negative);
	}
	return PointerGetDatum(pq_endtypsend(&buf));
}

/* The aggregate's transition state as core has it, in the current context. */
static Datum
core_state(const StrataAgg *agg, const StrataAccum *a)
{
	Datum state = call_for_aggregate(agg->deserial.fn_addr, 2, serialized_state(agg, a), false, (Datum) 0, CurrentMemoryContext);

	return a->core ? call_for_aggregate(numeric_combine, 2, state, false, PointerGetDatum(a->core), CurrentMemoryContext)
				   : state;
}

/* Core's own final function, over core's own state. */
static Datum
variance(const StrataAgg *agg, const StrataAccum *a, bool *null)
{
	LOCAL_FCINFO(fcinfo, 1);
	Datum result;

	InitFunctionCallInfoData(*fcinfo, (FmgrInfo *) &agg->final, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = core_state(agg, a);
	fcinfo->args[0].isnull = false;
	result = FunctionCallInvoke(fcinfo);
	*null = fcinfo->isnull;
	return result;
}

static Datum
partial_average(const StrataAgg *agg, const StrataAccum *a)
{
	Datum values[3];

	if (agg->kind == AGG_AVG_F64 || agg->kind == AGG_VARIANCE_F64)
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

static Datum
float_variance(const StrataAgg *agg, const StrataAccum *a, bool *null)
{
	LOCAL_FCINFO(fcinfo, 1);
	Datum d;

	InitFunctionCallInfoData(*fcinfo, (FmgrInfo *) &agg->final, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = partial_average(agg, a);
	fcinfo->args[0].isnull = false;
	d = FunctionCallInvoke(fcinfo);
	*null = fcinfo->isnull;
	return d;
}

Datum
strata_accum_result(const StrataAgg *agg, const StrataAccum *a, bool *null)
{
	bool small = agg->argtype == INT2OID || agg->argtype == INT4OID;

	*null = false;
	if (agg->kind == AGG_COUNT || agg->kind == AGG_COUNT_STAR)
		return Int64GetDatum(a->count);
	/* The averages of small integers and floats start from an array, not from NULL. */
	if (agg->partial && (agg->kind == AGG_AVG_F64 || agg->kind == AGG_VARIANCE_F64 || (agg->kind == AGG_AVG && small)))
		return partial_average(agg, a);
	if (a->count == 0 && !a->core)
	{
		*null = true;
		return (Datum) 0;
	}
	if (agg->partial && a->core)
		return call_for_aggregate(numeric_serialize, 1, core_state(agg, a), false, (Datum) 0, CurrentMemoryContext);
	if (agg->partial && (agg->kind == AGG_VARIANCE || (!small && (agg->kind == AGG_SUM || agg->kind == AGG_AVG))))
		return serialized_state(agg, a);
	switch (agg->kind)
	{
		case AGG_SUM:
			return small ? Int64GetDatum((int64) a->sum) : sum_numeric(a);
		case AGG_AVG:
			return DirectFunctionCall2(numeric_div, sum_numeric(a), NumericGetDatum(int64_to_numeric(a->count)));
		case AGG_VARIANCE:
			return variance(agg, a, null);
		case AGG_SUM_F64:
			return agg->argtype == FLOAT4OID ? Float4GetDatum((float4) a->f) : Float8GetDatum(a->f);
		case AGG_AVG_F64:
			return Float8GetDatum(a->f / (double) a->count);
		case AGG_VARIANCE_F64:
			return float_variance(agg, a, null);
		case AGG_AND:
		case AGG_OR:
			return BoolGetDatum(a->sum != 0);
		case AGG_BIT_AND:
		case AGG_BIT_OR:
		case AGG_BIT_XOR:
			return integer_result(agg->argtype, (int64) a->sum);
		default:
			return extreme_result(agg, a);
	}
}
