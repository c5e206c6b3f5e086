/*
 * expr_arith.c - arithmetic and casts between numbers and dates, over vectors.
 *
 * Bounds of the operands (of a vector's encoding, of constants) are carried along: where they prove that
 * nothing overflows, products of 32-bit factors take one instruction and results need no check against their
 * type.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "nodes/nodeFuncs.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

#include "exec/expr.h"

enum
{
	OP_ADD,
	OP_SUB,
	OP_MUL,
	OP_DIV,
	OP_MOD,
	OP_QUOTIENT, /* of numerics: as many decimals as PostgreSQL gives each row */
	OP_NEG,
	OP_ABS,
	OP_COPY,	 /* same value, other type or class (INT to INT, INT to NUM, float4 to float8) */
	OP_NONZERO,	 /* INT to bool */
	OP_TO_F64,	 /* INT or NUM to float8; small INT to float4 */
	OP_FROM_F64, /* float to INT */
	OP_ROUND,	 /* NUM to `param` decimals, or to INT; floats to integral values */
	OP_TRUNC,
	OP_CEIL,
	OP_FLOOR,
	OP_SIGN,
	OP_TYPMOD,		 /* numeric(p, s), param being the type modifier */
	OP_DATE_ADD,	 /* date + int4 */
	OP_DATE_SUB,	 /* date - int4 */
	OP_DATE_DIFF,	 /* date - date */
	OP_TO_TIMESTAMP, /* date to timestamp */
	OP_TO_DATE		 /* timestamp to date */
};

/* Finite dates, as date.h's IS_VALID_DATE has them. */
#define DATE_FIRST (DATETIME_MIN_JULIAN - POSTGRES_EPOCH_JDATE)
#define DATE_LAST  (DATE_END_JULIAN - POSTGRES_EPOCH_JDATE - 1)
/* Dates that are timestamps too. */
#define TIMESTAMP_DATE_LAST (TIMESTAMP_END_JULIAN - POSTGRES_EPOCH_JDATE - 1)

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
	{F_NUMERIC_DIV, OP_QUOTIENT},
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
	{F_INT4ABS, OP_ABS},
	{F_INT2ABS, OP_ABS},
	{F_INT8ABS, OP_ABS},
	{F_ABS_INT4, OP_ABS},
	{F_ABS_INT2, OP_ABS},
	{F_ABS_INT8, OP_ABS},
	{F_MOD_INT2_INT2, OP_MOD},
	{F_MOD_INT4_INT4, OP_MOD},
	{F_MOD_INT8_INT8, OP_MOD},
	{F_INT2_INT8, OP_COPY},
	{F_INT8_OID, OP_COPY},
	{F_INT4_BOOL, OP_COPY},
	{F_BOOL_INT4, OP_NONZERO},
	{F_NUMERIC_ABS, OP_ABS},
	{F_ABS_NUMERIC, OP_ABS},
	{F_NUMERIC_UPLUS, OP_COPY},
	{F_NUMERIC_MOD, OP_MOD},
	{F_MOD_NUMERIC_NUMERIC, OP_MOD},
	{F_NUMERIC_NUMERIC_INT4, OP_TYPMOD},
	{F_ROUND_NUMERIC_INT4, OP_ROUND},
	{F_TRUNC_NUMERIC_INT4, OP_TRUNC},
	{F_CEIL_NUMERIC, OP_CEIL},
	{F_CEILING_NUMERIC, OP_CEIL},
	{F_FLOOR_NUMERIC, OP_FLOOR},
	{F_INT2_NUMERIC, OP_ROUND},
	{F_INT4_NUMERIC, OP_ROUND},
	{F_INT8_NUMERIC, OP_ROUND},
	{F_INT2_FLOAT8, OP_FROM_F64},
	{F_INT4_FLOAT8, OP_FROM_F64},
	{F_INT8_FLOAT8, OP_FROM_F64},
	{F_INT2_FLOAT4, OP_FROM_F64},
	{F_INT4_FLOAT4, OP_FROM_F64},
	{F_INT8_FLOAT4, OP_FROM_F64},
	{F_FLOAT8ABS, OP_ABS},
	{F_FLOAT4ABS, OP_ABS},
	{F_ABS_FLOAT8, OP_ABS},
	{F_ABS_FLOAT4, OP_ABS},
	{F_DROUND, OP_ROUND},
	{F_ROUND_FLOAT8, OP_ROUND},
	{F_DTRUNC, OP_TRUNC},
	{F_TRUNC_FLOAT8, OP_TRUNC},
	{F_CEIL_FLOAT8, OP_CEIL},
	{F_CEILING_FLOAT8, OP_CEIL},
	{F_FLOOR_FLOAT8, OP_FLOOR},
	{F_SIGN_FLOAT8, OP_SIGN},
	{F_TIMESTAMP_DATE, OP_TO_TIMESTAMP},
	{F_DATE_TIMESTAMP, OP_TO_DATE},
	{F_FLOAT4_INT2, OP_TO_F64},
	{F_FLOAT4_INT4, OP_TO_F64},
};

static int
find_function(Oid func)
{
	for (int i = 0; i < lengthof(functions); i++)
		if (functions[i].func == func)
			return functions[i].op;
	return -1;
}

/* ---- bounds ---- */

/* The results of live rows lie in [lo, hi], if that is of 64 bits. */
static void
set_bounds(StrataExpr *e, StrataInt128 lo, StrataInt128 hi)
{
	e->bounded = lo >= PG_INT64_MIN && hi <= PG_INT64_MAX;
	if (e->bounded)
	{
		e->min = (int64)lo;
		e->max = (int64)hi;
	}
}

static void
bound_product(StrataExpr *e, const StrataExpr *a, const StrataExpr *b)
{
	StrataInt128 p[4] = {(StrataInt128)a->min * b->min, (StrataInt128)a->min * b->max,
						 (StrataInt128)a->max * b->min, (StrataInt128)a->max * b->max};
	StrataInt128 lo = p[0], hi = p[0];

	for (int i = 1; i < 4; i++)
	{
		lo = Min(lo, p[i]);
		hi = Max(hi, p[i]);
	}
	set_bounds(e, lo, hi);
}

static bool
within(const StrataExpr *e, int64 lo, int64 hi)
{
	return e->bounded && e->min >= lo && e->max <= hi;
}

#define FITS_INT32(e) within(e, PG_INT32_MIN, PG_INT32_MAX)

/* Is some live row outside [lo, hi]? */
static bool
out_of_range(const StrataBatch *in, const int64 *v, const uint64 *live, int64 lo, int64 hi)
{
	if (mask_empty(live))
		return false;
	return strata_kernels->min_i64(v, live, in->n) < lo || strata_kernels->max_i64(v, live, in->n) > hi;
}

static bool
fits_type(const StrataBatch *in, StrataExpr *e, const uint64 *live)
{
	if (e->cls != STRATA_CLASS_INT || (e->lo == PG_INT64_MIN && e->hi == PG_INT64_MAX) ||
		within(e, e->lo, e->hi))
		return true;
	return !out_of_range(in, e->vi, live, e->lo, e->hi);
}

/* ---- scales ---- */

static bool eval_integer(StrataBatch *in, StrataExpr *e, const uint64 *mask);

const int64 *
strata_rescale(const int64 *v, int from, int to, const uint64 *live, unsigned n, int64 *tmp)
{
	int64 p;

	if (from == to)
		return v;
	if (to - from > STRATA_MAX_SCALE)
		return NULL;
	p = strata_pow10[to - from];
	if (!strata_kernels->mul_const_i64(v, p, n, tmp))
		return tmp;
	/* Perhaps it was a row that does not count. */
	FOREACH_ROW(live, i, {
		if (__builtin_mul_overflow(v[i], p, &tmp[i]))
			return NULL;
	});
	return tmp;
}

/* Display scales row by row, where an operand has them: the sum (products) or the larger one. */
static void
merge_scales(StrataBatch *in, StrataExpr *e)
{
	const StrataExpr *a = e->args[0], *b = e->nargs > 1 ? e->args[1] : NULL;
	uint8 *out;

	if (!a->vscale && !(b && b->vscale))
		return;
	out = strata_expr_scales_room(e);
	for (unsigned i = 0; i < in->n; i++)
	{
		uint8 sa = a->vscale ? a->vscale[i] : a->scale;
		uint8 sb = !b ? 0 : b->vscale ? b->vscale[i] : b->scale;

		out[i] = e->op == OP_MUL ? sa + sb : Max(sa, sb);
	}
	e->vscale = out;
}

/* ---- integers and numerics ---- */

/* Runs a kernel whose overflow may have been that of a row that does not count; then row by row. */
static bool
check_rows(const StrataExpr *e, const int64 *a, const int64 *b, const uint64 *live)
{
	bool bad = false;

	FOREACH_ROW(live, i, {
		bad |= e->op == OP_ADD	 ? __builtin_add_overflow(a[i], b[i], &e->buf[i])
			   : e->op == OP_SUB ? __builtin_sub_overflow(a[i], b[i], &e->buf[i])
								 : __builtin_mul_overflow(a[i], b[i], &e->buf[i]);
	});
	return !bad;
}

static bool
eval_add(StrataBatch *in, StrataExpr *e, const uint64 *live)
{
	const StrataExpr *x = e->args[0], *y = e->args[1];
	int64 tmp[STRATA_VECTOR];
	const int64 *a = x->vi, *b = y->vi;
	bool overflow;
	int d = x->scale - y->scale;

	e->scale = Max(x->scale, y->scale);
	if (d > 0)
		b = strata_rescale(b, y->scale, x->scale, live, in->n, tmp);
	else if (d < 0)
		a = strata_rescale(a, x->scale, y->scale, live, in->n, tmp);
	if (!a || !b)
		return false;
	if (x->bounded && y->bounded && abs(d) <= STRATA_MAX_SCALE)
	{
		StrataInt128 pa = strata_pow10[d < 0 ? -d : 0], pb = strata_pow10[d > 0 ? d : 0];

		if (e->op == OP_ADD)
			set_bounds(e, pa * x->min + pb * y->min, pa * x->max + pb * y->max);
		else
			set_bounds(e, pa * x->min - pb * y->max, pa * x->max - pb * y->min);
	}
	if (e->op == OP_ADD)
		overflow = strata_kernels->add_i64(a, b, in->n, e->buf);
	else if (strata_expr_is_const(x) && d >= 0)
		overflow = strata_kernels->const_sub_i64(x->const_i, b, in->n, e->buf);
	else
		overflow = strata_kernels->sub_i64(a, b, in->n, e->buf);
	return !overflow || check_rows(e, a, b, live);
}

static bool
eval_mul(StrataBatch *in, StrataExpr *e, const uint64 *live)
{
	const StrataExpr *x = e->args[0], *y = e->args[1];

	e->scale = x->scale + y->scale;
	if (e->scale > STRATA_MAX_SCALE)
		return false;
	if (x->bounded && y->bounded)
		bound_product(e, x, y);
	if (FITS_INT32(x) && FITS_INT32(y))
	{
		strata_kernels->mul_i32x32(x->vi, y->vi, in->n, e->buf);
		return true;
	}
	if (strata_expr_is_const(y) ? !strata_kernels->mul_const_i64(x->vi, y->const_i, in->n, e->buf)
								: !strata_kernels->mul_i64(x->vi, y->vi, in->n, e->buf))
		return true;
	return check_rows(e, x->vi, y->vi, live);
}

/* ---- 128 bits ---- */

bool
strata_arith_can_widen(const StrataExpr *e)
{
	if (e->kind != STRATA_EXPR_CALL || e->cls != STRATA_CLASS_NUM || e->eval != eval_integer)
		return false;
	switch (e->op)
	{
		case OP_ADD:
		case OP_SUB:
		case OP_MUL:
		case OP_NEG:
		case OP_QUOTIENT:
			return true;
		default:
			return false;
	}
}

bool
strata_arith_is_quotient(const StrataExpr *e)
{
	return e->kind == STRATA_EXPR_CALL && e->eval == eval_integer && e->op == OP_QUOTIENT;
}

static bool
wide_mul(StrataBatch *in, StrataExpr *e, const uint64 *live, StrataSum *out)
{
	const StrataExpr *x = e->args[0], *y = e->args[1];

	e->scale = x->scale + y->scale;
	if (!x->vw && !y->vw)
	{
		for (unsigned i = 0; i < in->n; i++)
			out[i] = (StrataInt128)x->vi[i] * y->vi[i];
		return true;
	}
	FOREACH_ROW(live, i, {
		StrataInt128 product;

		if (__builtin_mul_overflow(strata_wide_at(x, i), strata_wide_at(y, i), &product))
			return false;
		out[i] = product;
	});
	return true;
}

static bool
wide_add(StrataExpr *e, const uint64 *live, StrataSum *out)
{
	const StrataExpr *x = e->args[0], *y = e->args[1];
	StrataInt128 px, py;

	e->scale = Max(x->scale, y->scale);
	if (e->scale > STRATA_WIDE_SCALE)
		return false;
	px = strata_wide_pow10(e->scale - x->scale);
	py = strata_wide_pow10(e->scale - y->scale);
	FOREACH_ROW(live, i, {
		StrataInt128 a, b, sum;

		if (__builtin_mul_overflow(strata_wide_at(x, i), px, &a) ||
			__builtin_mul_overflow(strata_wide_at(y, i), py, &b) ||
			(e->op == OP_ADD ? __builtin_add_overflow(a, b, &sum) : __builtin_sub_overflow(a, b, &sum)))
			return false;
		out[i] = sum;
	});
	return true;
}

/* What a node that widens does when 64 bits are not enough, or an argument is wide already. */
static bool
eval_wide(StrataBatch *in, StrataExpr *e, const uint64 *live)
{
	const StrataExpr *x = e->args[0];
	StrataSum *out = strata_expr_wide_room(e);
	bool ok = true;

	strata_expr_own(e);
	e->vw = out;
	e->vi = NULL;
	switch (e->op)
	{
		case OP_MUL:
			ok = wide_mul(in, e, live, out);
			merge_scales(in, e);
			break;
		case OP_NEG:
			e->scale = x->scale;
			e->vscale = x->vscale;
			FOREACH_ROW(live, i, {
				StrataInt128 negated;

				ok &= !__builtin_sub_overflow((StrataInt128)0, strata_wide_at(x, i), &negated);
				out[i] = negated;
			});
			break;
		default:
			ok = wide_add(e, live, out);
			merge_scales(in, e);
	}
	in->counts->scalar_values += in->n;
	return ok && e->scale <= STRATA_WIDE_SCALE;
}

/* ---- quotients of numerics ---- */

static inline int
decimal_digits(uint64 v)
{
	int n = (64 - __builtin_clzll(v | 1)) * 1233 >> 12;

	return n + (n < lengthof(strata_pow10) && v >= (uint64)strata_pow10[n]);
}

/*
 * The first digit that is not zero, to base 10000, of v / 10^scale, and its weight: what numeric.c reckons the length of
 * a quotient from.
 */
static inline int
first_digit(uint64 v, int scale, int *weight)
{
	int top, unit;

	*weight = 0;
	if (v == 0)
		return 0;
	top = decimal_digits(v) - 1 - scale;
	*weight = (top >= 0 ? top : top - 3) / 4;
	unit = scale + 4 * *weight;
	return (int)(unit >= 0 ? v / (uint64)strata_pow10[unit] : v * (uint64)strata_pow10[-unit]);
}

/* numeric.c's select_div_scale(): sixteen significant digits at least, and no fewer decimals than the operands show. */
static inline int
quotient_scale(uint64 a, int a_scale, uint64 b, int b_scale)
{
	int a_weight, b_weight, a_first, b_first;

	a_first = first_digit(a, a_scale, &a_weight);
	b_first = first_digit(b, b_scale, &b_weight);
	return 16 - 4 * (a_weight - b_weight - (a_first <= b_first));
}

/* Each row with decimals of its own, then all brought to the most of them. */
static bool
eval_quotient(StrataBatch *in, StrataExpr *e, const uint64 *live)
{
	const StrataExpr *x = e->args[0], *y = e->args[1];
	StrataSum *out = strata_expr_wide_room(e);
	uint8 *scales = strata_expr_scales_room(e);
	int most = 0;

	FOREACH_ROW(live, i, {
		uint64 a = x->vi[i] < 0 ? -(uint64)x->vi[i] : (uint64)x->vi[i];
		uint64 b = y->vi[i] < 0 ? -(uint64)y->vi[i] : (uint64)y->vi[i];
		int scale, more;
		unsigned __int128 dividend, q;
		uint64 rest;

		if (b == 0)
			return false;
		scale = quotient_scale(a, x->scale, b, y->scale);
		scale = Max(scale, x->vscale ? x->vscale[i] : x->scale);
		scale = Max(scale, y->vscale ? y->vscale[i] : y->scale);
		more = scale - x->scale + y->scale;
		if (scale > STRATA_WIDE_SCALE || more < 0 || more + decimal_digits(a) > 38 || more > STRATA_WIDE_SCALE)
			return false;
		dividend = a * (unsigned __int128)strata_wide_pow10(more);
		q = dividend / b;
		rest = (uint64)(dividend - q * b);
		/* away from zero at half */
		q += rest >= b - rest;
		out[i] = (x->vi[i] < 0) != (y->vi[i] < 0) ? -(StrataInt128)q : (StrataInt128)q;
		scales[i] = (uint8)scale;
		most = Max(most, scale);
	});
	FOREACH_ROW(live, i, {
		StrataInt128 v;

		if (scales[i] == most)
			continue;
		if (__builtin_mul_overflow(out[i], strata_wide_pow10(most - scales[i]), &v))
			return false;
		out[i] = v;
	});
	e->vw = out;
	e->vi = NULL;
	e->vscale = scales;
	e->scale = most;
	return true;
}

/* Quotients have a vector form where 128 bits are welcome, which they soon need.  Else PostgreSQL divides. */
static bool
eval_division(StrataBatch *in, StrataExpr *e, const uint64 *mask)
{
	uint64 live[BATCH_WORDS];

	if (e->widens)
	{
		if (!strata_expr_begin(in, e, mask, live))
			return false;
		in->counts->vector_values += in->n;
		if (!e->args[0]->vw && !e->args[1]->vw && eval_quotient(in, e, live))
			return true;
	}
	if (!strata_value_eval(in, e->coded, mask))
		return false;
	strata_expr_share(e, e->coded);
	return true;
}

/* Division and remainder, C's; of numerics the remainder only. */
static bool
eval_divide(StrataBatch *in, StrataExpr *e, const uint64 *live)
{
	const StrataExpr *x = e->args[0], *y = e->args[1];
	int64 tmp[STRATA_VECTOR];
	const int64 *a = x->vi, *b = y->vi;

	e->scale = Max(x->scale, y->scale);
	if (x->scale < e->scale)
		a = strata_rescale(a, x->scale, e->scale, live, in->n, tmp);
	else
		b = strata_rescale(b, y->scale, e->scale, live, in->n, tmp);
	if (!a || !b)
		return false;
	memset(e->buf, 0, in->n * sizeof(int64));
	FOREACH_ROW(live, i, {
		if (b[i] == 0 || (b[i] == -1 && a[i] == PG_INT64_MIN))
			return false;
		e->buf[i] = e->op == OP_DIV ? a[i] / b[i] : a[i] % b[i];
	});
	return true;
}

/* One value from scale `from` to `to`, as numeric.c does it. */
static inline int64
to_scale(int op, int64 v, int64 p)
{
	int64 q = v / p, r = v % p;

	switch (op)
	{
		case OP_CEIL:
			return q + (r > 0);
		case OP_FLOOR:
			return q - (r < 0);
		case OP_TRUNC:
			return q;
		default: /* away from zero at half */
			return llabs(r) >= p - llabs(r) ? (v < 0 ? q - 1 : q + 1) : q;
	}
}

static bool
eval_round(StrataBatch *in, StrataExpr *e, const uint64 *live)
{
	const StrataExpr *x = e->args[0];
	int to = (int)e->param;
	int from = x->scale;

	e->scale = to;
	if (to >= from)
	{
		const int64 *v = strata_rescale(x->vi, from, to, live, in->n, e->buf);

		if (!v)
			return false;
		e->vi = v;
		if (to == from && x->bounded)
			set_bounds(e, x->min, x->max);
		return true;
	}
	FOREACH_ROW(live, i, { e->buf[i] = to_scale(e->op, x->vi[i], strata_pow10[from - to]); });
	return true;
}

static bool
eval_typmod(StrataBatch *in, StrataExpr *e, const uint64 *live)
{
	int32 typmod = (int32)e->param;
	int precision = ((typmod - VARHDRSZ) >> 16) & 0xffff;
	bool ok;

	e->param = (((typmod - VARHDRSZ) & 0x7ff) ^ 1024) - 1024;
	ok = eval_round(in, e, live);
	e->param = typmod;
	return ok && (precision > 18 ||
				  !out_of_range(in, e->vi, live, -strata_pow10[precision] + 1, strata_pow10[precision] - 1));
}

/* Infinite dates, and results out of the range of dates, are left to PostgreSQL. */
static bool
eval_date(StrataBatch *in, StrataExpr *e, const uint64 *live)
{
	const int64 *a = e->args[0]->vi, *b = e->nargs > 1 ? e->args[1]->vi : NULL;

	if (e->op == OP_TO_DATE)
	{
		FOREACH_ROW(live, i, {
			if (TIMESTAMP_NOT_FINITE(a[i]))
				return false;
			e->buf[i] = to_scale(OP_FLOOR, a[i], USECS_PER_DAY);
		});
		return true;
	}
	if (out_of_range(in, a, live, DATE_FIRST, e->op == OP_TO_TIMESTAMP ? TIMESTAMP_DATE_LAST : DATE_LAST))
		return false;
	switch (e->op)
	{
		case OP_TO_TIMESTAMP:
			FOREACH_ROW(live, i, { e->buf[i] = a[i] * USECS_PER_DAY; });
			return true;
		case OP_DATE_DIFF:
			return !out_of_range(in, b, live, DATE_FIRST, DATE_LAST) &&
				   !strata_kernels->sub_i64(a, b, in->n, e->buf);
		case OP_DATE_ADD:
			if (strata_kernels->add_i64(a, b, in->n, e->buf))
				return false;
			break;
		default:
			if (strata_kernels->sub_i64(a, b, in->n, e->buf))
				return false;
	}
	return !out_of_range(in, e->buf, live, DATE_FIRST, DATE_LAST);
}

/* rint() first, then the range of the type, as dtoi4() and its like do. */
static bool
eval_from_float(StrataExpr *e, const uint64 *live)
{
	const double *v = e->args[0]->vf;

	FOREACH_ROW(live, i, {
		double r = rint(v[i]);

		if (!(r >= (double)e->lo && r < -(double)e->lo))
			return false;
		e->buf[i] = (int64)r;
	});
	return true;
}

static bool
eval_integer(StrataBatch *in, StrataExpr *e, const uint64 *mask)
{
	const StrataExpr *a = e->args[0];
	uint64 live[BATCH_WORDS];
	bool ok = true;

	if (e->op == OP_QUOTIENT)
		return eval_division(in, e, mask);
	if (!strata_expr_begin(in, e, mask, live))
		return false;
	in->counts->vector_values += in->n;
	for (int k = 0; k < e->nargs; k++)
		if (e->args[k]->vw)
			return eval_wide(in, e, live);
	switch (e->op)
	{
		case OP_ADD:
		case OP_SUB:
			ok = eval_add(in, e, live);
			merge_scales(in, e);
			break;
		case OP_MUL:
			ok = eval_mul(in, e, live);
			merge_scales(in, e);
			break;
		case OP_DIV:
		case OP_MOD:
			ok = eval_divide(in, e, live);
			merge_scales(in, e);
			break;
		case OP_NEG:
		case OP_ABS:
			e->scale = a->scale;
			FOREACH_ROW(live, i, {
				ok &= a->vi[i] != PG_INT64_MIN;
				e->buf[i] = e->op == OP_NEG || a->vi[i] < 0 ? 0 - (uint64)a->vi[i] : (uint64)a->vi[i];
			});
			e->vscale = a->vscale;
			break;
		case OP_COPY:
			e->vi = a->vi;
			e->scale = a->scale;
			e->vscale = a->vscale;
			if (a->bounded)
				set_bounds(e, a->min, a->max);
			break;
		case OP_NONZERO:
			for (unsigned i = 0; i < in->n; i++)
				e->buf[i] = a->vi[i] != 0;
			break;
		case OP_FROM_F64:
			return eval_from_float(e, live);
		case OP_ROUND:
		case OP_TRUNC:
		case OP_CEIL:
		case OP_FLOOR:
			ok = eval_round(in, e, live);
			break;
		case OP_TYPMOD:
			return eval_typmod(in, e, live);
		default:
			return eval_date(in, e, live);
	}
	if (!ok && e->widens)
		return eval_wide(in, e, live);
	return ok && fits_type(in, e, live);
}

/* ---- floats ---- */

/* One float4 operation; false where PostgreSQL raises overflow, underflow or division by zero.  The double
 * result of one operation on two floats rounds to the same float as the float operation, because 53 >= 2 * 24
 * + 2. */
static bool
float4_op(int op, double a, double b, double *result)
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
	r = (float)r;
	*result = r;
	if (isinf(r) && !isinf(a) && !isinf(b))
		return false;
	return !(r == 0 && ((op == OP_MUL && a != 0 && b != 0) || (op == OP_DIV && a != 0 && !isinf(b))));
}

static bool
eval_to_float(StrataBatch *in, StrataExpr *e, const uint64 *live)
{
	const StrataExpr *a = e->args[0];
	const int64 *v = a->vi;
	double divisor;

	if (a->cls == STRATA_CLASS_INT)
	{
		for (unsigned i = 0; i < in->n; i++)
			e->fbuf[i] = e->f32 ? (double)(float)v[i] : (double)v[i];
		return true;
	}
	/* Both operands exact in a double, so that the quotient is the correctly rounded value. */
	if (e->f32 || a->scale > 15 ||
		(!within(a, -(INT64CONST(1) << 53), INT64CONST(1) << 53) &&
		 out_of_range(in, v, live, -(INT64CONST(1) << 53), INT64CONST(1) << 53)))
		return false;
	divisor = (double)strata_pow10[a->scale];
	for (unsigned i = 0; i < in->n; i++)
		e->fbuf[i] = (double)v[i] / divisor;
	return true;
}

static bool
eval_float(StrataBatch *in, StrataExpr *e, const uint64 *mask)
{
	const StrataExpr *a = e->args[0], *b = e->nargs > 1 ? e->args[1] : NULL;
	uint64 live[BATCH_WORDS];
	bool ok = true;

	if (!strata_expr_begin(in, e, mask, live))
		return false;
	in->counts->vector_values += in->n;
	switch (e->op)
	{
		case OP_COPY:
			e->vf = a->vf;
			return true;
		case OP_NEG:
			for (unsigned i = 0; i < in->n; i++)
				e->fbuf[i] = -a->vf[i];
			return true;
		case OP_ABS:
			for (unsigned i = 0; i < in->n; i++)
				e->fbuf[i] = fabs(a->vf[i]);
			return true;
		case OP_ROUND:
			for (unsigned i = 0; i < in->n; i++)
				e->fbuf[i] = rint(a->vf[i]);
			return true;
		case OP_TRUNC:
			for (unsigned i = 0; i < in->n; i++)
				e->fbuf[i] = a->vf[i] >= 0 ? floor(a->vf[i]) : -floor(-a->vf[i]);
			return true;
		case OP_CEIL:
			for (unsigned i = 0; i < in->n; i++)
				e->fbuf[i] = ceil(a->vf[i]);
			return true;
		case OP_FLOOR:
			for (unsigned i = 0; i < in->n; i++)
				e->fbuf[i] = floor(a->vf[i]);
			return true;
		case OP_SIGN:
			for (unsigned i = 0; i < in->n; i++)
				e->fbuf[i] = a->vf[i] > 0 ? 1.0 : a->vf[i] < 0 ? -1.0 : 0.0;
			return true;
		case OP_TO_F64:
			return eval_to_float(in, e, live);
		default:
			break;
	}
	if (e->f32)
	{
		FOREACH_ROW(live, i, { ok &= float4_op(e->op, a->vf[i], b->vf[i], &e->fbuf[i]); });
		return ok;
	}
	switch (e->op)
	{
		case OP_ADD:
			return strata_kernels->add_f64(a->vf, b->vf, live, in->n, e->fbuf) == 0;
		case OP_SUB:
			return strata_kernels->sub_f64(a->vf, b->vf, live, in->n, e->fbuf) == 0;
		case OP_MUL:
			return strata_kernels->mul_f64(a->vf, b->vf, live, in->n, e->fbuf) == 0;
		default:
			return strata_kernels->div_f64(a->vf, b->vf, live, in->n, e->fbuf) == 0;
	}
}

/* ---- compiling ---- */

/* A constant second argument of the functions that take a number of decimals: false when there is none to
 * use. */
static bool
take_parameter(int op, Oid func, List **args, int64 *param)
{
	Const *c;

	*param = 0;
	if (op != OP_TYPMOD && (op != OP_ROUND || func != F_ROUND_NUMERIC_INT4) &&
		(op != OP_TRUNC || func != F_TRUNC_NUMERIC_INT4))
		return true;
	c = lsecond_node(Const, *args);
	if (!IsA(c, Const) || c->constisnull)
		return false;
	*param = DatumGetInt32(c->constvalue);
	*args = list_make1(linitial(*args));
	if (op == OP_TYPMOD)
	{
		int32 typmod = (int32)*param;
		int scale = (((typmod - VARHDRSZ) & 0x7ff) ^ 1024) - 1024;

		return typmod >= (int32)VARHDRSZ && scale >= 0 && scale <= STRATA_MAX_SCALE;
	}
	return *param >= 0 && *param <= STRATA_MAX_SCALE;
}

StrataExpr *
strata_arith_compile(StrataBatch *in, Oid func, List *args, Oid result)
{
	int op = find_function(func);
	int64 param;
	StrataExpr *e;

	if (op < 0 || (list_length(args) == 2 && !IsA(lsecond(args), Const) &&
				   (func == F_ROUND_NUMERIC_INT4 || func == F_TRUNC_NUMERIC_INT4 || op == OP_TYPMOD)))
		return NULL;
	if (!take_parameter(op, func, &args, &param) || list_length(args) > 2)
		return NULL;
	e = strata_expr_call(in, result, args, eval_integer);
	if (!e)
		return NULL;
	if (e->cls == STRATA_CLASS_F64)
		e->eval = eval_float;
	e->op = op;
	e->param = param;
	return e;
}

/* ---- display scales that are known before there are values ---- */

static int
typmod_scale(int32 typmod)
{
	int scale;

	if (typmod < (int32)VARHDRSZ)
		return -1;
	scale = (((typmod - VARHDRSZ) & 0x7ff) ^ 1024) - 1024;
	return scale >= 0 && scale <= STRATA_MAX_SCALE ? scale : -1;
}

static int
call_scale(Oid func, List *args)
{
	int a = strata_expr_static_scale(linitial(args));
	int b = list_length(args) > 1 ? strata_expr_static_scale(lsecond(args)) : 0;
	List *rest = args;
	int64 param;

	if (exprType(linitial(args)) == TEXTOID)
		return -1;
	switch (find_function(func))
	{
		case OP_ADD:
		case OP_SUB:
		case OP_MOD:
			return a < 0 || b < 0 ? -1 : Max(a, b);
		case OP_MUL:
			return a < 0 || b < 0 || a + b > STRATA_MAX_SCALE ? -1 : a + b;
		case OP_NEG:
		case OP_ABS:
		case OP_COPY:
			return a;
		case OP_CEIL:
		case OP_FLOOR:
			return 0;
		case OP_ROUND:
		case OP_TRUNC:
			if (list_length(args) != 2 || !IsA(lsecond(args), Const) ||
				!take_parameter(find_function(func), func, &rest, &param))
				return -1;
			return (int)param;
		case OP_TYPMOD:
			return IsA(lsecond(args), Const)
					   ? typmod_scale(DatumGetInt32(lsecond_node(Const, args)->constvalue))
					   : -1;
		default:
			return -1;
	}
}

int
strata_expr_static_scale(Node *node)
{
	StrataInt128 v;
	int scale;

	if (exprType(node) == INT2OID || exprType(node) == INT4OID || exprType(node) == INT8OID)
		return 0;
	if (exprType(node) != NUMERICOID)
		return -1;
	switch (nodeTag(node))
	{
		case T_Var:
			return typmod_scale(((Var *)node)->vartypmod);
		case T_Const:
			if (((Const *)node)->constisnull ||
				!strata_numeric_split(((Const *)node)->constvalue, &v, &scale))
				return -1;
			return scale <= STRATA_MAX_SCALE ? scale : -1;
		case T_OpExpr:
			set_opfuncid((OpExpr *)node);
			return call_scale(((OpExpr *)node)->opfuncid, ((OpExpr *)node)->args);
		case T_FuncExpr:
			scale = strata_time_scale(((FuncExpr *)node)->funcid, ((FuncExpr *)node)->args);
			if (scale >= 0)
				return scale;
			return call_scale(((FuncExpr *)node)->funcid, ((FuncExpr *)node)->args);
		default:
			return -1;
	}
}
