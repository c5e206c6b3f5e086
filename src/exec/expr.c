/*
 * expr.c - typed vector expressions over the columns of a batch.
 *
 * A compiled expression is a small tree; each node fills an array of 1024 results.  Integers, dates and
 * timestamps are int64, numerics are int64 scaled by a power of ten that may differ from unit to unit, floats
 * are double (float4 results are rounded to float at each step; the double result of one operation on two
 * floats rounds to the same float as the float operation, because 53 >= 2 * 24 + 2).  What the tree cannot
 * hold makes the batch irregular (see exec.h): no error is ever raised here but by constants.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/numeric.h"

#include "exec/exec.h"

enum
{
	OP_COL,
	OP_CONST,
	OP_ADD,
	OP_SUB,
	OP_MUL,
	OP_DIV,
	OP_MOD,
	OP_NEG,
	OP_COPY,	 /* same value, other type or class (INT to INT, INT to NUM, float4 to float8) */
	OP_TO_F64,	 /* INT or NUM to float8 */
	OP_DATE_ADD, /* date + int4 */
	OP_DATE_SUB, /* date - int4 */
	OP_DATE_DIFF /* date - date */
};

/* Scales that strata_pow10 can bring together. */
#define MAX_SCALE 18

/* Finite dates, as date.h's IS_VALID_DATE has them. */
#define DATE_FIRST (DATETIME_MIN_JULIAN - POSTGRES_EPOCH_JDATE)
#define DATE_LAST  (DATE_END_JULIAN - POSTGRES_EPOCH_JDATE - 1)

const int64 strata_pow10[19] = {
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

/* ---- numeric and scaled integers ---- */

/* Goes through the decimal text: only constants and stray rows come here. */
bool
strata_numeric_split(Datum numeric, StrataInt128 *value, int *scale)
{
	char		*text = DatumGetCString(DirectFunctionCall1(numeric_out, numeric));
	char		*p = text;
	bool		 negative = *p == '-';
	StrataInt128 v = 0;
	int			 digits = 0;
	bool		 fraction = false;

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
		if (digits > 36)
			return false;
		v = v * 10 + (*p - '0');
		if (fraction)
			(*scale)++;
	}
	pfree(text);
	*value = negative ? -v : v;
	return true;
}

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
	char			  buf[64];
	char			 *p = buf + sizeof(buf) - 1;
	bool			  negative = value < 0;
	unsigned __int128 v = negative ? -(unsigned __int128) value : (unsigned __int128) value;
	int				  digits = 0;

	if (scale == 0 && value >= PG_INT64_MIN && value <= PG_INT64_MAX)
		return NumericGetDatum(int64_to_numeric((int64) value));
	/* it multiplies by up to 10^3 on the way */
	if (value > -PG_INT64_MAX / 1000 && value < PG_INT64_MAX / 1000 && fast_constructor_keeps(scale))
		return NumericGetDatum(int64_div_fast_to_numeric((int64) value, scale));
	if (scale > 18)
	{
		/* Products of products: past what buf holds. */
		StringInfoData s;

		initStringInfo(&s);
		for (; v != 0 || digits <= scale; v /= 10, digits++)
		{
			if (digits == scale)
				appendStringInfoChar(&s, '.');
			appendStringInfoChar(&s, '0' + (int) (v % 10));
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
		*--p = '0' + (int) (v % 10);
	}
	if (negative)
		*--p = '-';
	return DirectFunctionCall3(numeric_in, CStringGetDatum(p), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

/* ---- compiling ---- */

static bool
set_class(StrataExpr *e, Oid type)
{
	e->type = type;
	e->lo = PG_INT64_MIN;
	e->hi = PG_INT64_MAX;
	e->cls = STRATA_CLASS_INT;
	switch (type)
	{
		case BOOLOID:
			e->lo = 0;
			e->hi = 1;
			return true;
		case INT2OID:
			e->lo = PG_INT16_MIN;
			e->hi = PG_INT16_MAX;
			return true;
		case INT4OID:
		case DATEOID:
			e->lo = PG_INT32_MIN;
			e->hi = PG_INT32_MAX;
			return true;
		case INT8OID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return true;
		case NUMERICOID:
			e->cls = STRATA_CLASS_NUM;
			return true;
		case FLOAT4OID:
			e->cls = STRATA_CLASS_F64;
			e->f32 = true;
			return true;
		case FLOAT8OID:
			e->cls = STRATA_CLASS_F64;
			return true;
		default:
			return false;
	}
}

static StrataExpr *
expr_new(int op, Oid type)
{
	StrataExpr *e = palloc0(sizeof(StrataExpr));

	e->op = op;
	e->col = -1;
	if (!set_class(e, type))
	{
		pfree(e);
		return NULL;
	}
	if (op == OP_COL)
		return e;
	if (e->cls == STRATA_CLASS_F64)
		e->fbuf = palloc0(STRATA_VECTOR * sizeof(double));
	else
		e->buf = palloc0(STRATA_VECTOR * sizeof(int64));
	e->nbuf = palloc0(BATCH_WORDS * sizeof(uint64));
	return e;
}

static StrataExpr *
compile_column(StrataBatch *in, const Var *var)
{
	StrataExpr *e;
	int			col;

	col = in->column(in, var);
	if (col < 0 || !in->cols[col]->storable || in->cols[col]->type != var->vartype)
		return NULL;
	e = expr_new(OP_COL, var->vartype);
	if (e)
		e->col = col;
	return e;
}

/* Something that may differ from row to row, or that must not run out of its place? */
static bool
varying_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var) || IsA(node, SubPlan) || IsA(node, AlternativeSubPlan) || IsA(node, Aggref) ||
		IsA(node, CurrentOfExpr) || IsA(node, CaseTestExpr) || IsA(node, CoerceToDomainValue))
		return true;
	return expression_tree_walker(node, varying_walker, context);
}

static StrataExpr *
compile_constant(StrataBatch *in, Node *node)
{
	StrataExpr *e;

	if (varying_walker(node, NULL) || contain_volatile_functions(node))
		return NULL;
	e = expr_new(OP_CONST, exprType(node));
	if (!e)
		return NULL;
	e->const_state = ExecInitExpr((Expr *) node, in->ps);
	e->const_econtext = in->econtext;
	e->const_static = IsA(node, Const) || IsA(node, Param);
	e->const_param =
		IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXEC ? ((Param *) node)->paramid : -1;
	return e;
}

static const struct
{
	Oid func;
	int op;
} functions[] = {
	{F_INT2PL, OP_ADD},
	{F_INT4PL, OP_ADD},
	{F_INT8PL, OP_ADD},
	{F_INT24PL, OP_ADD},
	{F_INT42PL, OP_ADD},
	{F_INT28PL, OP_ADD},
	{F_INT82PL, OP_ADD},
	{F_INT48PL, OP_ADD},
	{F_INT84PL, OP_ADD},
	{F_INT2MI, OP_SUB},
	{F_INT4MI, OP_SUB},
	{F_INT8MI, OP_SUB},
	{F_INT24MI, OP_SUB},
	{F_INT42MI, OP_SUB},
	{F_INT28MI, OP_SUB},
	{F_INT82MI, OP_SUB},
	{F_INT48MI, OP_SUB},
	{F_INT84MI, OP_SUB},
	{F_INT2MUL, OP_MUL},
	{F_INT4MUL, OP_MUL},
	{F_INT8MUL, OP_MUL},
	{F_INT24MUL, OP_MUL},
	{F_INT42MUL, OP_MUL},
	{F_INT28MUL, OP_MUL},
	{F_INT82MUL, OP_MUL},
	{F_INT48MUL, OP_MUL},
	{F_INT84MUL, OP_MUL},
	{F_INT2DIV, OP_DIV},
	{F_INT4DIV, OP_DIV},
	{F_INT8DIV, OP_DIV},
	{F_INT24DIV, OP_DIV},
	{F_INT42DIV, OP_DIV},
	{F_INT28DIV, OP_DIV},
	{F_INT82DIV, OP_DIV},
	{F_INT48DIV, OP_DIV},
	{F_INT84DIV, OP_DIV},
	{F_INT2MOD, OP_MOD},
	{F_INT4MOD, OP_MOD},
	{F_INT8MOD, OP_MOD},
	{F_INT2UM, OP_NEG},
	{F_INT4UM, OP_NEG},
	{F_INT8UM, OP_NEG},
	{F_FLOAT8PL, OP_ADD},
	{F_FLOAT4PL, OP_ADD},
	{F_FLOAT48PL, OP_ADD},
	{F_FLOAT84PL, OP_ADD},
	{F_FLOAT8MI, OP_SUB},
	{F_FLOAT4MI, OP_SUB},
	{F_FLOAT48MI, OP_SUB},
	{F_FLOAT84MI, OP_SUB},
	{F_FLOAT8MUL, OP_MUL},
	{F_FLOAT4MUL, OP_MUL},
	{F_FLOAT48MUL, OP_MUL},
	{F_FLOAT84MUL, OP_MUL},
	{F_FLOAT8DIV, OP_DIV},
	{F_FLOAT4DIV, OP_DIV},
	{F_FLOAT48DIV, OP_DIV},
	{F_FLOAT84DIV, OP_DIV},
	{F_FLOAT8UM, OP_NEG},
	{F_FLOAT4UM, OP_NEG},
	{F_NUMERIC_ADD, OP_ADD},
	{F_NUMERIC_SUB, OP_SUB},
	{F_NUMERIC_MUL, OP_MUL},
	{F_NUMERIC_UMINUS, OP_NEG},
	{F_DATE_PLI, OP_DATE_ADD},
	{F_DATE_MII, OP_DATE_SUB},
	{F_DATE_MI, OP_DATE_DIFF},
	{F_INT8_INT2, OP_COPY},
	{F_INT8_INT4, OP_COPY},
	{F_INT4_INT2, OP_COPY},
	{F_INT4_INT8, OP_COPY},
	{F_INT2_INT4, OP_COPY},
	{F_NUMERIC_INT2, OP_COPY},
	{F_NUMERIC_INT4, OP_COPY},
	{F_NUMERIC_INT8, OP_COPY},
	{F_FLOAT8_FLOAT4, OP_COPY},
	{F_FLOAT8_INT2, OP_TO_F64},
	{F_FLOAT8_INT4, OP_TO_F64},
	{F_FLOAT8_INT8, OP_TO_F64},
	{F_FLOAT8_NUMERIC, OP_TO_F64},
};

static int
find_function(Oid func)
{
	for (int i = 0; i < lengthof(functions); i++)
		if (functions[i].func == func)
			return functions[i].op;
	return -1;
}

static StrataExpr *
compile_call(StrataBatch *in, Oid func, List *args, Oid result)
{
	StrataExpr *a, *b = NULL, *e;
	int			op = find_function(func);

	if (op < 0 || list_length(args) > 2)
		return NULL;
	a = strata_expr_compile(in, linitial(args));
	if (!a)
		return NULL;
	if (list_length(args) == 2)
	{
		b = strata_expr_compile(in, lsecond(args));
		if (!b)
			return NULL;
	}
	e = expr_new(op, result);
	if (!e)
		return NULL;
	e->a = a;
	e->b = b;
	return e;
}

StrataExpr *
strata_expr_compile(StrataBatch *in, Node *node)
{
	StrataExpr *e = compile_constant(in, node);

	if (e)
		return e;
	switch (nodeTag(node))
	{
		case T_Var:
			return compile_column(in, (Var *) node);
		case T_OpExpr:
			set_opfuncid((OpExpr *) node);
			return compile_call(in, ((OpExpr *) node)->opfuncid, ((OpExpr *) node)->args,
								((OpExpr *) node)->opresulttype);
		case T_FuncExpr:
			return compile_call(in, ((FuncExpr *) node)->funcid, ((FuncExpr *) node)->args,
								((FuncExpr *) node)->funcresulttype);
		default:
			return NULL;
	}
}

/* The same question at plan time, when there is no scan to compile for. */
bool
strata_expr_speaks(Node *node)
{
	StrataExpr probe = {0};
	Oid		   func;
	List	  *args;

	if (!set_class(&probe, exprType(node)))
		return false;
	if (!varying_walker(node, NULL))
		return !contain_volatile_functions(node);
	switch (nodeTag(node))
	{
		case T_Var:
			return ((Var *) node)->varattno > 0 && ((Var *) node)->varlevelsup == 0;
		case T_OpExpr:
			set_opfuncid((OpExpr *) node);
			func = ((OpExpr *) node)->opfuncid;
			args = ((OpExpr *) node)->args;
			break;
		case T_FuncExpr:
			func = ((FuncExpr *) node)->funcid;
			args = ((FuncExpr *) node)->args;
			break;
		default:
			return false;
	}
	if (find_function(func) < 0 || list_length(args) > 2)
		return false;
	return strata_expr_speaks(linitial(args)) && (list_length(args) < 2 || strata_expr_speaks(lsecond(args)));
}

bool
strata_expr_is_const(const StrataExpr *e)
{
	return e->op == OP_CONST;
}

bool
strata_expr_is_column(const StrataExpr *e)
{
	return e->op == OP_COL;
}

bool
strata_expr_is_plain(const StrataExpr *e)
{
	if (e->op != OP_CONST)
		return false;
	if (e->const_ready)
		return true;
	return e->const_static &&
		(e->const_param < 0 || e->const_econtext->ecxt_param_exec_vals[e->const_param].execPlan == NULL);
}

/* ---- constants ---- */

static void
const_fill(StrataExpr *e)
{
	for (int i = 0; i < STRATA_VECTOR; i++)
	{
		if (e->cls == STRATA_CLASS_F64)
			e->fbuf[i] = e->const_f;
		else
			e->buf[i] = e->const_i;
	}
	memset(e->nbuf, e->const_null ? 0xff : 0, BATCH_WORDS * sizeof(uint64));
}

static void
const_store(StrataExpr *e, Datum d)
{
	StrataInt128 v;

	switch (e->type)
	{
		case BOOLOID:
			e->const_i = DatumGetBool(d);
			break;
		case INT2OID:
			e->const_i = DatumGetInt16(d);
			break;
		case INT4OID:
		case DATEOID:
			e->const_i = DatumGetInt32(d);
			break;
		case FLOAT4OID:
			e->const_f = DatumGetFloat4(d);
			break;
		case FLOAT8OID:
			e->const_f = DatumGetFloat8(d);
			break;
		case NUMERICOID:
			if (!strata_numeric_split(d, &v, &e->const_scale) || v > PG_INT64_MAX || v < PG_INT64_MIN ||
				e->const_scale > MAX_SCALE)
				e->const_irregular = true;
			else
				e->const_i = (int64) v;
			break;
		default:
			e->const_i = DatumGetInt64(d);
	}
}

bool
strata_expr_const(StrataExpr *e)
{
	if (!e->const_ready)
	{
		Datum d = ExecEvalExprSwitchContext(e->const_state, e->const_econtext, &e->const_null);

		e->const_irregular = false;
		e->const_i = 0;
		e->const_f = 0;
		e->const_scale = 0;
		if (!e->const_null)
			const_store(e, d);
		e->const_ready = true;
		const_fill(e);
	}
	return !e->const_irregular;
}

void
strata_expr_rescan(StrataExpr *e)
{
	if (!e)
		return;
	e->const_ready = false;
	strata_expr_rescan(e->a);
	strata_expr_rescan(e->b);
}

/* ---- evaluation ---- */

/* Rows that count: in mask and not null. */
static void
live_rows(const StrataExpr *e, const uint64 *mask, uint64 *live)
{
	for (int w = 0; w < BATCH_WORDS; w++)
		live[w] = e->vnulls ? mask[w] & ~e->vnulls[w] : mask[w];
}

static void
merge_nulls(StrataExpr *e)
{
	const uint64 *a = e->a->vnulls;
	const uint64 *b = e->b ? e->b->vnulls : NULL;

	e->vnulls = a ? a : b;
	if (a && b)
	{
		for (int w = 0; w < BATCH_WORDS; w++)
			e->nbuf[w] = a[w] | b[w];
		e->vnulls = e->nbuf;
	}
}

static bool
eval_column(StrataBatch *in, StrataExpr *e)
{
	StrataColumn *col = in->cols[e->col];

	e->vnulls = col->nulls;
	if (e->cls == STRATA_CLASS_F64)
	{
		e->vf = strata_col_f64(col);
		return e->vf != NULL;
	}
	e->vi = strata_col_i64(col);
	e->scale = strata_col_scale(col);
	return e->vi != NULL && e->scale <= MAX_SCALE;
}

/* Is some live row outside [lo, hi]? */
static bool
out_of_range(const StrataBatch *in, const int64 *v, const uint64 *live, int64 lo, int64 hi)
{
	if (mask_empty(live))
		return false;
	return strata_kernels->min_i64(v, live, in->n) < lo || strata_kernels->max_i64(v, live, in->n) > hi;
}

/* Brings both operands to the larger scale.  tmp has room for a vector. */
static bool
align_scales(const StrataBatch *in, StrataExpr *e, const int64 **a, const int64 **b, int64 *tmp)
{
	int			  d = e->a->scale - e->b->scale;
	const int64 **low = d > 0 ? b : a;

	e->scale = Max(e->a->scale, e->b->scale);
	if (d == 0)
		return true;
	for (unsigned i = 0; i < in->n; i++)
		if (__builtin_mul_overflow((*low)[i], strata_pow10[abs(d)], &tmp[i]))
			return false;
	*low = tmp;
	return true;
}

static bool
eval_divide(StrataBatch *in, StrataExpr *e, const uint64 *live)
{
	const int64 *a = e->a->vi, *b = e->b->vi;

	memset(e->buf, 0, in->n * sizeof(int64));
	FOREACH_ROW(live, i, {
		if (b[i] == 0 || (b[i] == -1 && a[i] == PG_INT64_MIN))
			return false;
		e->buf[i] = e->op == OP_DIV ? a[i] / b[i] : a[i] % b[i];
	});
	return !out_of_range(in, e->buf, live, e->lo, e->hi);
}

/* Infinite dates, and results out of the range of dates, are left to PostgreSQL. */
static bool
eval_date(StrataBatch *in, StrataExpr *e, const uint64 *live)
{
	const int64 *a = e->a->vi, *b = e->b->vi;

	if (out_of_range(in, a, live, DATE_FIRST, DATE_LAST))
		return false;
	if (e->op == OP_DATE_DIFF)
		return !out_of_range(in, b, live, DATE_FIRST, DATE_LAST) &&
			!strata_kernels->sub_i64(a, b, in->n, e->buf);
	if (e->op == OP_DATE_ADD ? strata_kernels->add_i64(a, b, in->n, e->buf)
							 : strata_kernels->sub_i64(a, b, in->n, e->buf))
		return false;
	return !out_of_range(in, e->buf, live, DATE_FIRST, DATE_LAST);
}

static bool
eval_integer(StrataBatch *in, StrataExpr *e, const uint64 *mask)
{
	const int64 *a = e->a->vi, *b = e->b ? e->b->vi : NULL;
	int64		 tmp[STRATA_VECTOR];
	uint64		 live[BATCH_WORDS];
	bool		 overflow = false;

	merge_nulls(e);
	live_rows(e, mask, live);
	e->vi = e->buf;
	switch (e->op)
	{
		case OP_ADD:
		case OP_SUB:
			if (e->cls == STRATA_CLASS_NUM && !align_scales(in, e, &a, &b, tmp))
				return false;
			overflow = e->op == OP_ADD ? strata_kernels->add_i64(a, b, in->n, e->buf)
									   : strata_kernels->sub_i64(a, b, in->n, e->buf);
			break;
		case OP_MUL:
			e->scale = e->a->scale + e->b->scale;
			if (e->scale > MAX_SCALE)
				return false;
			overflow = strata_kernels->mul_i64(a, b, in->n, e->buf);
			break;
		case OP_DIV:
		case OP_MOD:
			return eval_divide(in, e, live);
		case OP_NEG:
			e->scale = e->a->scale;
			memset(tmp, 0, in->n * sizeof(int64));
			overflow = strata_kernels->sub_i64(tmp, a, in->n, e->buf);
			break;
		case OP_COPY:
			e->vi = a;
			e->scale = 0;
			break;
		default:
			return eval_date(in, e, live);
	}
	if (overflow)
		return false;
	if (e->cls == STRATA_CLASS_INT && (e->lo > PG_INT64_MIN || e->hi < PG_INT64_MAX))
		return !out_of_range(in, e->vi, live, e->lo, e->hi);
	return true;
}

/* One float operation; false where PostgreSQL raises overflow, underflow or division by zero. */
static bool
float_op(int op, bool f32, double a, double b, double *result)
{
	double r;

	switch (op)
	{
		case OP_ADD:
			r = a + b;
			break;
		case OP_SUB:
			r = a - b;
			break;
		case OP_MUL:
			r = a * b;
			break;
		default:
			if (b == 0)
				return false;
			r = a / b;
	}
	if (f32)
		r = (float) r;
	*result = r;
	if (isinf(r) && !isinf(a) && !isinf(b))
		return false;
	return !(r == 0 && ((op == OP_MUL && a != 0 && b != 0) || (op == OP_DIV && a != 0 && !isinf(b))));
}

static bool
eval_to_float(StrataBatch *in, StrataExpr *e, const uint64 *live)
{
	const int64 *v = e->a->vi;
	double		 divisor;

	if (e->a->cls == STRATA_CLASS_INT)
	{
		for (unsigned i = 0; i < in->n; i++)
			e->fbuf[i] = (double) v[i];
		return true;
	}
	/* Both operands exact in a double, so that the quotient is the correctly rounded value. */
	if (e->a->scale > 15 || out_of_range(in, v, live, -(INT64CONST(1) << 53), INT64CONST(1) << 53))
		return false;
	divisor = (double) strata_pow10[e->a->scale];
	for (unsigned i = 0; i < in->n; i++)
		e->fbuf[i] = (double) v[i] / divisor;
	return true;
}

static bool
eval_float(StrataBatch *in, StrataExpr *e, const uint64 *mask)
{
	uint64 live[BATCH_WORDS];
	bool   ok = true;

	merge_nulls(e);
	live_rows(e, mask, live);
	e->vf = e->fbuf;
	switch (e->op)
	{
		case OP_COPY:
			e->vf = e->a->vf;
			return true;
		case OP_NEG:
			for (unsigned i = 0; i < in->n; i++)
				e->fbuf[i] = -e->a->vf[i];
			return true;
		case OP_TO_F64:
			return eval_to_float(in, e, live);
		default:
			FOREACH_ROW(live, i, { ok &= float_op(e->op, e->f32, e->a->vf[i], e->b->vf[i], &e->fbuf[i]); });
			return ok;
	}
}

bool
strata_expr_eval(StrataBatch *in, StrataExpr *e, const uint64 *mask)
{
	if (e->op == OP_COL)
		return eval_column(in, e);
	if (e->op == OP_CONST)
	{
		if (!strata_expr_const(e))
			return false;
		e->vi = e->buf;
		e->vf = e->fbuf;
		e->vnulls = e->const_null ? e->nbuf : NULL;
		e->scale = e->const_scale;
		return true;
	}
	if (!strata_expr_eval(in, e->a, mask) || (e->b && !strata_expr_eval(in, e->b, mask)))
		return false;
	if (e->cls == STRATA_CLASS_F64)
	{
		in->counts->scalar_values += in->n;
		return eval_float(in, e, mask);
	}
	in->counts->vector_values += in->n;
	return eval_integer(in, e, mask);
}
