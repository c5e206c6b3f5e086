/*
 * filter.c - predicates over a batch, with SQL's three truth values, and what zone maps say about them.
 *
 * A predicate is evaluated under a mask, and gives two masks within it: rows where it is true and rows where
 * it is null.  AND and OR pass on only the rows that are still undecided, so that PostgreSQL's order of
 * evaluation is kept and nothing is computed for a row that an earlier condition settled.
 *
 * What the vector language does not know becomes PRED_EXPR: PostgreSQL's own evaluator, called once a row, or
 * once a distinct value when the expression reads a single column whose segment has codes.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/sysattr.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "exec/exec.h"

/* Btree operator families whose order our kernels share; datetime_ops has no symbol in 15's headers. */
#define DATETIME_FAM_OID 434
#define FLOAT_FAM_OID	 1970
#define NUMERIC_FAM_OID	 1988

typedef enum PredKind
{
	PRED_AND,
	PRED_OR,
	PRED_NOT,
	PRED_CMP,	   /* l cmp r */
	PRED_NULLTEST, /* l or column is [not] null */
	PRED_TRUTH,	   /* a boolean expression by itself */
	PRED_IN,	   /* l = ANY (list), l <> ALL (list) */
	PRED_EXPR
} PredKind;

struct StrataPred
{
	PredKind	 kind;
	int			 nkids;
	StrataPred **kids;
	StrataExpr	*l, *r;
	StrataCmp	 cmp;
	bool		 date_timestamp; /* PRED_CMP: l is a date, r a constant timestamp */
	int			 col;			 /* NULLTEST, or EXPR over one column; else -1 */
	bool		 is_not;		 /* IS NOT NULL, <> ALL */
	/* PRED_IN */
	int	   nitems;
	int64 *items; /* ascending, distinct */
	bool   list_null;
	/* PRED_EXPR */
	ExprState *state;
	int		   ncols;
	int		  *cols;
	bool	   cacheable;
	StrataMatch *match; /* what kernels can do instead where the column has no codes, or NULL */
	StrataZoneTest *zone; /* what zone maps tell, or NULL */
	int8	  *by_code; /* -1 unknown, 0 false, 1 true, 2 null; the entry after the codes is for NULL */
	uint32	   room;	/* of by_code */
	uint64	   dict_id; /* what by_code is of */
};

/* ---- compiling ---- */

static StrataPred *
pred_new(PredKind kind)
{
	StrataPred *p = palloc0(sizeof(StrataPred));

	p->kind = kind;
	p->col = -1;
	return p;
}

static StrataPred *
compile_evaluator(StrataBatch *in, Node *node)
{
	StrataPred *p = pred_new(PRED_EXPR);
	List	   *cols = NIL;
	ListCell   *lc;
	Node	   *local = strata_batch_localize(in, node, &cols);

	p->cols = palloc0(sizeof(int) * Max(list_length(cols), 1));
	foreach (lc, cols)
		p->cols[p->ncols++] = lfirst_int(lc);
	p->state = ExecInitExpr((Expr *) local, in->ps);
	p->cacheable = !contain_volatile_functions(node) && !contain_subplans(node);
	if (p->ncols == 1 && p->cacheable)
		p->col = p->cols[0];
	if (p->col >= 0)
	{
		p->match = strata_match_compile(node);
		p->zone = strata_zone_compile(node);
	}
	return p;
}

static StrataPred *
compile_list(StrataBatch *in, PredKind kind, List *args)
{
	StrataPred *p = pred_new(kind);
	ListCell   *lc;

	p->kids = palloc(sizeof(StrataPred *) * list_length(args));
	foreach (lc, args)
		p->kids[p->nkids++] = strata_pred_compile(in, lfirst(lc));
	return p;
}

/* The comparison that a btree operator of a family we share stands for. */
bool
strata_operator_meaning(Oid opno, StrataCmp *cmp, Oid *left, Oid *right)
{
	ListCell *lc;

	foreach (lc, get_op_btree_interpretation(opno))
	{
		OpBtreeInterpretation *in = lfirst(lc);

		switch (in->opfamily_id)
		{
			case BOOL_BTREE_FAM_OID:
			case INTEGER_BTREE_FAM_OID:
			case DATETIME_FAM_OID:
			case FLOAT_FAM_OID:
			case NUMERIC_FAM_OID:
				break;
			default:
				continue;
		}
		switch (in->strategy)
		{
			case BTLessStrategyNumber:
				*cmp = STRATA_LT;
				break;
			case BTLessEqualStrategyNumber:
				*cmp = STRATA_LE;
				break;
			case BTEqualStrategyNumber:
				*cmp = STRATA_EQ;
				break;
			case BTGreaterEqualStrategyNumber:
				*cmp = STRATA_GE;
				break;
			case BTGreaterStrategyNumber:
				*cmp = STRATA_GT;
				break;
			case ROWCOMPARE_NE:
				*cmp = STRATA_NE;
				break;
			default:
				continue;
		}
		*left = in->oplefttype;
		*right = in->oprighttype;
		return true;
	}
	return false;
}

static StrataCmp
commute(StrataCmp cmp)
{
	static const StrataCmp other[] = {STRATA_EQ, STRATA_NE, STRATA_GT, STRATA_GE, STRATA_LT, STRATA_LE};

	return other[cmp];
}

static StrataPred *
compile_comparison(StrataBatch *in, OpExpr *op)
{
	StrataPred *p;
	StrataCmp	cmp;
	Oid			left, right;
	StrataExpr *l, *r;
	bool		date_timestamp = false;

	if (list_length(op->args) != 2 || !strata_operator_meaning(op->opno, &cmp, &left, &right))
		return NULL;
	l = strata_expr_compile(in, linitial(op->args));
	r = l ? strata_expr_compile(in, lsecond(op->args)) : NULL;
	if (!l || !r || l->cls != r->cls)
		return NULL;
	if (strata_expr_is_const(l) && !strata_expr_is_const(r))
	{
		StrataExpr *t = l;
		Oid			o = left;

		l = r;
		r = t;
		left = right;
		right = o;
		cmp = commute(cmp);
	}
	if (left != right && (left == DATEOID || right == DATEOID || left == TIMESTAMPTZOID || right == TIMESTAMPTZOID))
	{
		/* Between date or timestamp and timestamptz the time zone matters: PostgreSQL's business. */
		if (left != DATEOID || right != TIMESTAMPOID || !strata_expr_is_const(r))
			return NULL;
		date_timestamp = true;
	}
	p = pred_new(PRED_CMP);
	p->l = l;
	p->r = r;
	p->cmp = cmp;
	p->date_timestamp = date_timestamp;
	return p;
}

static StrataPred *
compile_null_test(StrataBatch *in, NullTest *test)
{
	StrataPred *p;
	Node	   *arg = (Node *) test->arg;

	if (test->argisrow)
		return NULL;
	while (IsA(arg, RelabelType))
		arg = (Node *) ((RelabelType *) arg)->arg;
	p = pred_new(PRED_NULLTEST);
	p->is_not = test->nulltesttype == IS_NOT_NULL;
	if (IsA(arg, Var))
	{
		p->col = in->column(in, (Var *) arg);
		return p->col >= 0 && in->cols[p->col]->storable ? p : NULL;
	}
	p->l = strata_expr_compile(in, arg);
	return p->l ? p : NULL;
}

static int
compare_int64(const void *a, const void *b)
{
	int64 x = *(const int64 *) a, y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

static int64
integer_datum(Oid type, Datum d)
{
	switch (type)
	{
		case BOOLOID:
			return DatumGetBool(d);
		case INT2OID:
			return DatumGetInt16(d);
		case INT4OID:
		case DATEOID:
			return DatumGetInt32(d);
		default:
			return DatumGetInt64(d);
	}
}

static StrataPred *
compile_in(StrataBatch *in, ScalarArrayOpExpr *op)
{
	StrataPred *p;
	StrataCmp	cmp;
	Oid			left, right;
	StrataExpr *l;
	Const	   *list = lsecond(op->args);
	ArrayType  *array;
	int16		len;
	bool		byval, *nulls;
	char		align;
	Datum	   *items;
	int			n;

	if (!IsA(list, Const) || list->constisnull || !strata_operator_meaning(op->opno, &cmp, &left, &right) ||
		cmp != (op->useOr ? STRATA_EQ : STRATA_NE))
		return NULL;
	l = strata_expr_compile(in, linitial(op->args));
	array = DatumGetArrayTypeP(list->constvalue);
	if (!l || l->cls != STRATA_CLASS_INT || ARR_ELEMTYPE(array) != right)
		return NULL;
	if (left != right && (left == DATEOID || right == DATEOID || left == TIMESTAMPTZOID || right == TIMESTAMPTZOID))
		return NULL;
	if (right != BOOLOID && right != INT2OID && right != INT4OID && right != INT8OID && right != DATEOID &&
		right != TIMESTAMPOID && right != TIMESTAMPTZOID)
		return NULL;

	get_typlenbyvalalign(right, &len, &byval, &align);
	deconstruct_array(array, right, len, byval, align, &items, &nulls, &n);
	p = pred_new(PRED_IN);
	p->l = l;
	p->is_not = !op->useOr;
	p->items = palloc(sizeof(int64) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			p->list_null = true;
		else
			p->items[p->nitems++] = integer_datum(right, items[i]);
	}
	qsort(p->items, p->nitems, sizeof(int64), compare_int64);
	n = p->nitems;
	p->nitems = 0;
	for (int i = 0; i < n; i++)
		if (p->nitems == 0 || p->items[p->nitems - 1] != p->items[i])
			p->items[p->nitems++] = p->items[i];
	return p;
}

StrataPred *
strata_pred_compile(StrataBatch *in, Node *node)
{
	StrataPred *p = NULL;
	BoolExpr   *b = (BoolExpr *) node;

	switch (nodeTag(node))
	{
		case T_BoolExpr:
			return compile_list(in,
								b->boolop == AND_EXPR	? PRED_AND
									: b->boolop == OR_EXPR ? PRED_OR
														   : PRED_NOT,
								b->args);
		case T_OpExpr:
			p = compile_comparison(in, (OpExpr *) node);
			break;
		case T_NullTest:
			p = compile_null_test(in, (NullTest *) node);
			break;
		case T_ScalarArrayOpExpr:
			p = compile_in(in, (ScalarArrayOpExpr *) node);
			break;
		case T_Var:
		case T_Const:
		case T_Param:
		{
			StrataExpr *e = strata_expr_compile(in, node);

			if (e && e->type == BOOLOID)
			{
				p = pred_new(PRED_TRUTH);
				p->l = e;
			}
			break;
		}
		default:
			break;
	}
	return p ? p : compile_evaluator(in, node);
}

/* A comparison or null test of bare columns and plain constants raises nothing. */
static bool
expr_safe(const StrataExpr *e)
{
	return !e || strata_expr_is_column(e) || strata_expr_is_plain(e);
}

bool
strata_pred_safe(const StrataPred *p)
{
	for (int i = 0; i < p->nkids; i++)
		if (!strata_pred_safe(p->kids[i]))
			return false;
	return (p->kind != PRED_EXPR || p->match || p->zone) && expr_safe(p->l) && expr_safe(p->r);
}

void
strata_pred_rescan(StrataPred *p)
{
	strata_expr_rescan(p->l);
	strata_expr_rescan(p->r);
	for (int i = 0; i < p->nkids; i++)
		strata_pred_rescan(p->kids[i]);
}

/* ---- constants on the column's terms ---- */

typedef enum Bound
{
	BOUND_OK,
	BOUND_NEVER,  /* the comparison is false for every value */
	BOUND_ALWAYS, /* true for every value */
	BOUND_UNKNOWN
} Bound;

static int64
floor_div(int64 a, int64 b)
{
	int64 q = a / b;

	return (a % b != 0 && (a < 0) != (b < 0)) ? q - 1 : q;
}

/* v cmp (quotient, remainder of k by d) in whole steps of d */
static Bound
round_bound(int64 k, int64 d, StrataCmp *cmp, int64 *bound)
{
	*bound = floor_div(k, d);
	if (*bound * d == k)
		return BOUND_OK;
	switch (*cmp)
	{
		case STRATA_EQ:
			return BOUND_NEVER;
		case STRATA_NE:
			return BOUND_ALWAYS;
		case STRATA_LT:
		case STRATA_LE:
			*cmp = STRATA_LE;
			return BOUND_OK;
		default:
			*cmp = STRATA_GT;
			return BOUND_OK;
	}
}

/* Restates `value cmp p->r` for integer values that carry `scale` decimal digits. */
static Bound
integer_bound(StrataPred *p, int scale, StrataCmp *cmp, int64 *bound)
{
	int64 k = p->r->const_i;

	*cmp = p->cmp;
	*bound = k;
	if (p->date_timestamp)
		return TIMESTAMP_NOT_FINITE(k) ? BOUND_UNKNOWN : round_bound(k, USECS_PER_DAY, cmp, bound);
	if (p->l->cls == STRATA_CLASS_NUM && p->r->const_scale != scale)
	{
		int d = p->r->const_scale - scale;

		if (abs(d) > 18)
			return BOUND_UNKNOWN;
		if (d > 0)
			return round_bound(k, strata_pow10[d], cmp, bound);
		if (__builtin_mul_overflow(k, strata_pow10[-d], bound))
			return BOUND_UNKNOWN;
	}
	return BOUND_OK;
}

/* What a range of values says about `value cmp k`, nulls aside. */
#define RANGE_VERDICT(lo, hi, cmp, k)                                                                             \
	((cmp) == STRATA_EQ	  ? ((k) < (lo) || (k) > (hi) ? STRATA_NONE : (lo) == (hi) ? STRATA_ALL : STRATA_SOME)       \
	 : (cmp) == STRATA_NE ? ((k) < (lo) || (k) > (hi) ? STRATA_ALL : (lo) == (hi) ? STRATA_NONE : STRATA_SOME)       \
	 : (cmp) == STRATA_LT ? ((hi) < (k) ? STRATA_ALL : (lo) >= (k) ? STRATA_NONE : STRATA_SOME)                      \
	 : (cmp) == STRATA_LE ? ((hi) <= (k) ? STRATA_ALL : (lo) > (k) ? STRATA_NONE : STRATA_SOME)                      \
	 : (cmp) == STRATA_GT ? ((lo) > (k) ? STRATA_ALL : (hi) <= (k) ? STRATA_NONE : STRATA_SOME)                      \
						  : ((lo) >= (k) ? STRATA_ALL : (hi) < (k) ? STRATA_NONE : STRATA_SOME))

/* ---- zone maps ---- */

/* A float segment: its range leaves the NaNs out, and NaN is greater than everything. */
static StrataVerdict
float_verdict(const StrataSegment *seg, StrataCmp cmp, double k)
{
	bool		  nan = seg->flags & STRATA_SEG_HAS_NAN;
	StrataVerdict v;

	if (k != k || !(seg->flags & STRATA_SEG_HAS_RANGE))
		return STRATA_SOME;
	v = RANGE_VERDICT(seg->min.d, seg->max.d, cmp, k);
	if (nan)
	{
		bool nan_passes = cmp == STRATA_GT || cmp == STRATA_GE || cmp == STRATA_NE;

		if ((v == STRATA_NONE && nan_passes) || (v == STRATA_ALL && !nan_passes))
			return STRATA_SOME;
	}
	return v;
}

static StrataVerdict
comparison_verdict(StrataBatch *in, StrataPred *p)
{
	const StrataSegment *zone;
	StrataVerdict		 v;
	StrataCmp			 cmp;
	int64				 k;

	if (!strata_expr_is_column(p->l) || !strata_expr_is_plain(p->r))
		return STRATA_SOME;
	zone = in->cols[p->l->col]->zone;
	if (!zone || !strata_expr_const(p->r))
		return STRATA_SOME;
	if (p->r->const_null || (zone->flags & STRATA_SEG_ALL_NULL))
		return STRATA_NONE;
	if (p->l->cls == STRATA_CLASS_F64)
		v = zone->phys == STRATA_PHYS_F32 || zone->phys == STRATA_PHYS_F64 ? float_verdict(zone, p->cmp, p->r->const_f)
																		  : STRATA_SOME;
	else if (zone->phys != STRATA_PHYS_INT || !(zone->flags & STRATA_SEG_HAS_RANGE))
		return STRATA_SOME;
	else
		switch (integer_bound(p, zone->scale, &cmp, &k))
		{
			case BOUND_NEVER:
				return STRATA_NONE;
			case BOUND_ALWAYS:
				v = STRATA_ALL;
				break;
			case BOUND_UNKNOWN:
				return STRATA_SOME;
			default:
				v = RANGE_VERDICT(zone->min.i, zone->max.i, cmp, k);
		}
	return v == STRATA_ALL && zone->null_count > 0 ? STRATA_SOME : v;
}

static StrataVerdict
in_verdict(StrataBatch *in, StrataPred *p)
{
	const StrataSegment *zone;

	if (p->is_not || !strata_expr_is_column(p->l) || p->nitems == 0)
		return STRATA_SOME;
	zone = in->cols[p->l->col]->zone;
	if (!zone || zone->phys != STRATA_PHYS_INT || !(zone->flags & STRATA_SEG_HAS_RANGE))
		return STRATA_SOME;
	for (int i = 0; i < p->nitems; i++)
		if (p->items[i] >= zone->min.i && p->items[i] <= zone->max.i)
			return STRATA_SOME;
	return STRATA_NONE;
}

StrataVerdict
strata_pred_prune(StrataBatch *in, StrataPred *p)
{
	const StrataSegment *zone;
	bool				 all = true, none = true;

	switch (p->kind)
	{
		case PRED_CMP:
			return comparison_verdict(in, p);
		case PRED_IN:
			return in_verdict(in, p);
		case PRED_NULLTEST:
			zone = p->col >= 0 ? in->cols[p->col]->zone : NULL;
			if (!zone)
				return STRATA_SOME;
			if (zone->null_count == 0)
				return p->is_not ? STRATA_ALL : STRATA_NONE;
			if (zone->null_count == zone->nrows)
				return p->is_not ? STRATA_NONE : STRATA_ALL;
			return STRATA_SOME;
		case PRED_AND:
		case PRED_OR:
			/* A kid's verdict counts only while the kids before it raise no error. */
			for (int i = 0; i < p->nkids; i++)
			{
				StrataVerdict v = strata_pred_prune(in, p->kids[i]);

				if (p->kind == PRED_AND && v == STRATA_NONE)
					return STRATA_NONE;
				if (p->kind == PRED_OR && v == STRATA_ALL)
					return STRATA_ALL;
				all &= v == STRATA_ALL;
				none &= v == STRATA_NONE;
				if (!strata_pred_safe(p->kids[i]))
					return STRATA_SOME;
			}
			return p->kind == PRED_AND && all ? STRATA_ALL : p->kind == PRED_OR && none ? STRATA_NONE : STRATA_SOME;
		case PRED_EXPR:
			zone = p->zone ? in->cols[p->col]->zone : NULL;
			return zone ? strata_zone_verdict(p->zone, zone) : STRATA_SOME;
		default:
			return STRATA_SOME;
	}
}

/* ---- evaluation ---- */

/* raw: the comparison without regard to nulls */
static void
settle(const uint64 *mask, const uint64 *raw, const uint64 *nulls, const uint64 *more_nulls, uint64 *is_true,
	   uint64 *is_null)
{
	for (int w = 0; w < BATCH_WORDS; w++)
	{
		uint64 null = (nulls ? nulls[w] : 0) | (more_nulls ? more_nulls[w] : 0);

		is_true[w] = mask[w] & raw[w] & ~null;
		is_null[w] = mask[w] & null;
	}
}

static void
fill_words(uint64 *words, bool value)
{
	memset(words, value ? 0xff : 0, BATCH_WORDS * sizeof(uint64));
}

/* column cmp constant: bounds of the vector first, so that most vectors of a clustered column stay packed */
static bool
eval_column_constant(StrataBatch *in, StrataPred *p, const uint64 *mask, uint64 *raw, const uint64 **nulls)
{
	StrataColumn *col = in->cols[p->l->col];
	const int64	 *v;
	StrataCmp	  cmp;
	int64		  k, lo, hi;

	if (strata_col_phys(col) != STRATA_PHYS_INT)
		return false;
	*nulls = col->nulls;
	switch (integer_bound(p, strata_col_scale(col), &cmp, &k))
	{
		case BOUND_NEVER:
			fill_words(raw, false);
			return true;
		case BOUND_ALWAYS:
			fill_words(raw, true);
			return true;
		case BOUND_UNKNOWN:
			return false;
		default:
			break;
	}
	if (col->source == STRATA_FROM_SEGMENT && !col->have_i64 && (col->seg->flags & STRATA_SEG_HAS_RANGE))
	{
		strata_segment_vector_bounds(col->seg, col->owner->cur_vector, &lo, &hi);
		switch (RANGE_VERDICT(lo, hi, cmp, k))
		{
			case STRATA_NONE:
				fill_words(raw, false);
				return true;
			case STRATA_ALL:
				fill_words(raw, true);
				return true;
			default:
				break;
		}
	}
	/* Nobody has asked for the values yet, and perhaps nobody will. */
	if (col->source == STRATA_FROM_SEGMENT && !col->have_i64)
	{
		strata_segment_cmp_i64(col->seg, col->owner->cur_vector, cmp, k, raw);
		return true;
	}
	v = strata_col_i64(col);
	if (!v)
		return false;
	strata_kernels->cmp_i64(v, in->n, cmp, k, raw);
	return true;
}

static bool
eval_comparison(StrataBatch *in, StrataPred *p, const uint64 *mask, uint64 *is_true, uint64 *is_null)
{
	uint64		  raw[BATCH_WORDS] = {0};
	int64		  tmp[STRATA_VECTOR];
	const int64	 *a, *b;
	const uint64 *nulls;
	int			  d;

	in->counts->vector_values += in->n;
	if (strata_expr_is_const(p->r))
	{
		if (!strata_expr_const(p->r))
			return false;
		if (p->r->const_null)
		{
			/* The left side may still raise an error. */
			if (!strata_expr_eval(in, p->l, mask))
				return false;
			fill_words(is_true, false);
			memcpy(is_null, mask, BATCH_WORDS * sizeof(uint64));
			return true;
		}
		if (p->l->cls != STRATA_CLASS_F64 && strata_expr_is_column(p->l))
		{
			if (!eval_column_constant(in, p, mask, raw, &nulls))
				return false;
			settle(mask, raw, nulls, NULL, is_true, is_null);
			return true;
		}
	}
	if (!strata_expr_eval(in, p->l, mask) || !strata_expr_eval(in, p->r, mask))
		return false;
	if (p->l->cls == STRATA_CLASS_F64)
	{
		if (strata_expr_is_const(p->r))
			strata_kernels->cmp_f64(p->l->vf, in->n, p->cmp, p->r->const_f, raw);
		else
			strata_kernels->cmp_f64_f64(p->l->vf, p->r->vf, in->n, p->cmp, raw);
		settle(mask, raw, p->l->vnulls, p->r->vnulls, is_true, is_null);
		return true;
	}
	a = p->l->vi;
	b = p->r->vi;
	if (strata_expr_is_const(p->r))
	{
		StrataCmp cmp;
		int64	  k;

		switch (integer_bound(p, p->l->scale, &cmp, &k))
		{
			case BOUND_NEVER:
			case BOUND_ALWAYS:
				fill_words(raw, p->cmp == STRATA_NE);
				break;
			case BOUND_UNKNOWN:
				return false;
			default:
				strata_kernels->cmp_i64(a, in->n, cmp, k, raw);
		}
		settle(mask, raw, p->l->vnulls, NULL, is_true, is_null);
		return true;
	}
	d = p->l->cls == STRATA_CLASS_NUM ? p->l->scale - p->r->scale : 0;
	if (d != 0)
	{
		const int64 *low = d > 0 ? b : a;

		if (abs(d) > 18)
			return false;
		for (unsigned i = 0; i < in->n; i++)
			if (__builtin_mul_overflow(low[i], strata_pow10[abs(d)], &tmp[i]))
				return false;
		if (d > 0)
			b = tmp;
		else
			a = tmp;
	}
	strata_kernels->cmp_i64_i64(a, b, in->n, p->cmp, raw);
	settle(mask, raw, p->l->vnulls, p->r->vnulls, is_true, is_null);
	return true;
}

/* Longer lists are searched by halves, row by row. */
#define IN_KERNEL 16

static bool
eval_in(StrataBatch *in, StrataPred *p, const uint64 *mask, uint64 *is_true, uint64 *is_null)
{
	uint64 found[BATCH_WORDS] = {0};

	if (!strata_expr_eval(in, p->l, mask))
		return false;
	in->counts->vector_values += in->n;
	if (p->nitems <= IN_KERNEL)
		strata_kernels->in_i64(p->l->vi, in->n, p->items, p->nitems, found);
	else
		FOREACH_ROW(mask, i, {
			if (bsearch(&p->l->vi[i], p->items, p->nitems, sizeof(int64), compare_int64))
				found[i / 64] |= UINT64CONST(1) << (i % 64);
		});
	for (int w = 0; w < BATCH_WORDS; w++)
	{
		/* With an empty list even a null operand gives an answer. */
		uint64 null = p->l->vnulls && (p->nitems > 0 || p->list_null) ? p->l->vnulls[w] : 0;
		uint64 hit = found[w] & ~null;

		is_null[w] = mask[w] & (null | (p->list_null ? ~hit : 0));
		is_true[w] = mask[w] & (p->is_not ? ~hit : hit) & ~is_null[w];
	}
	return true;
}

static bool
eval_null_test(StrataBatch *in, StrataPred *p, const uint64 *mask, uint64 *is_true, uint64 *is_null)
{
	const uint64 *nulls;

	if (p->col < 0 && !strata_expr_eval(in, p->l, mask))
		return false;
	nulls = p->col >= 0 ? in->cols[p->col]->nulls : p->l->vnulls;
	for (int w = 0; w < BATCH_WORDS; w++)
	{
		uint64 n = nulls ? nulls[w] : 0;

		is_true[w] = mask[w] & (p->is_not ? ~n : n);
		is_null[w] = 0;
	}
	return true;
}

static bool
eval_list(StrataBatch *in, StrataPred *p, const uint64 *mask, uint64 *is_true, uint64 *is_null)
{
	bool   is_and = p->kind == PRED_AND;
	uint64 open[BATCH_WORDS], t[BATCH_WORDS], n[BATCH_WORDS];

	memcpy(open, mask, sizeof(open)); /* AND: not yet false; OR: not yet true */
	fill_words(is_null, false);
	for (int i = 0; i < p->nkids && !mask_empty(open); i++)
	{
		if (!strata_pred_eval(in, p->kids[i], open, t, n))
			return false;
		for (int w = 0; w < BATCH_WORDS; w++)
		{
			is_null[w] |= n[w];
			open[w] &= is_and ? t[w] | n[w] : ~t[w];
		}
	}
	for (int w = 0; w < BATCH_WORDS; w++)
	{
		is_null[w] &= open[w];
		is_true[w] = is_and ? open[w] & ~is_null[w] : mask[w] & ~open[w];
	}
	return true;
}

static int8
evaluate_row(StrataBatch *in, StrataPred *p, unsigned i)
{
	bool  null;
	Datum d;

	strata_batch_fill_some(in, p->cols, p->ncols, i);
	in->econtext->ecxt_scantuple = in->slot;
	d = ExecEvalExprSwitchContext(p->state, in->econtext, &null);
	return null ? 2 : DatumGetBool(d);
}

/* What is known by code is forgotten when the codes mean other values. */
static void
refresh_codes(StrataBatch *in, StrataPred *p, const StrataColumn *col)
{
	uint32 ncodes = strata_col_ncodes(col);

	if (p->by_code && p->dict_id == col->dict_id)
		return;
	if (p->room < ncodes + 1)
	{
		p->room = ncodes + 1;
		p->by_code = p->by_code ? repalloc(p->by_code, p->room)
								: MemoryContextAlloc(in->ps->state->es_query_cxt, p->room);
	}
	memset(p->by_code, -1, ncodes + 1);
	p->dict_id = col->dict_id;
}

static bool
eval_evaluator(StrataBatch *in, StrataPred *p, const uint64 *mask, uint64 *is_true, uint64 *is_null)
{
	StrataColumn *col = p->col >= 0 ? in->cols[p->col] : NULL;
	const uint32 *codes = NULL;
	uint32		  ncodes = 0;

	fill_words(is_true, false);
	fill_words(is_null, false);
	if (col && strata_col_coded(col))
	{
		codes = strata_col_codes(col);
		ncodes = strata_col_ncodes(col);
		refresh_codes(in, p, col);
	}
	else if (p->match && strata_col_phys(col) == STRATA_PHYS_BYTES)
	{
		strata_match_eval(in, p->match, col, mask, is_true, is_null);
		return true;
	}
	FOREACH_ROW(mask, i, {
		int8 r = -1;
		int8 *known = NULL;

		if (codes)
		{
			known = &p->by_code[strata_row_null(col->nulls, i) ? ncodes : codes[i]];
			r = *known;
		}
		if (r < 0)
		{
			r = evaluate_row(in, p, i);
			ResetExprContext(in->econtext);
			in->counts->scalar_values++;
			if (known)
				*known = r;
		}
		is_true[i / 64] |= (uint64) (r == 1) << (i % 64);
		is_null[i / 64] |= (uint64) (r == 2) << (i % 64);
	});
	if (codes)
		in->counts->scalar_values += strata_kernels->count(mask, in->n);
	return true;
}

bool
strata_pred_eval(StrataBatch *in, StrataPred *p, const uint64 *mask, uint64 *is_true, uint64 *is_null)
{
	uint64 raw[BATCH_WORDS] = {0};

	switch (p->kind)
	{
		case PRED_AND:
		case PRED_OR:
			return eval_list(in, p, mask, is_true, is_null);
		case PRED_NOT:
			if (!strata_pred_eval(in, p->kids[0], mask, is_true, is_null))
				return false;
			for (int w = 0; w < BATCH_WORDS; w++)
				is_true[w] = mask[w] & ~is_true[w] & ~is_null[w];
			return true;
		case PRED_CMP:
			return eval_comparison(in, p, mask, is_true, is_null);
		case PRED_NULLTEST:
			return eval_null_test(in, p, mask, is_true, is_null);
		case PRED_TRUTH:
			if (!strata_expr_eval(in, p->l, mask))
				return false;
			strata_kernels->cmp_i64(p->l->vi, in->n, STRATA_NE, 0, raw);
			settle(mask, raw, p->l->vnulls, NULL, is_true, is_null);
			return true;
		case PRED_IN:
			return eval_in(in, p, mask, is_true, is_null);
		default:
			return eval_evaluator(in, p, mask, is_true, is_null);
	}
}
