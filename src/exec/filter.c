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

#include "exec/expr.h"

/* Btree operator families whose order our kernels share and that have no symbol in 15's headers. */
#define DATETIME_FAM_OID 434
#define FLOAT_FAM_OID	 1970
#define NUMERIC_FAM_OID	 1988
#define TIME_FAM_OID	 1996
#define MONEY_FAM_OID	 2099

/* So many codes are compared with one by one, packed as they are. */
#define MAX_FEW 4

typedef enum PredKind
{
	PRED_AND,
	PRED_OR,
	PRED_NOT,
	PRED_CMP,	   /* l cmp r */
	PRED_NULLTEST, /* l or column is [not] null */
	PRED_TRUTH,	   /* a boolean expression by itself */
	PRED_IN,	   /* l = ANY (list), l <> ALL (list) */
	PRED_TEXT,	   /* l, a string, against constants */
	PRED_TEXTS,	   /* two strings */
	PRED_DISTINCT, /* l is [not] distinct from r; kids: l = r, l is null, r is null */
	PRED_BOOLTEST, /* kid is [not] true, false, unknown */
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
	/* PRED_IN: the items in the terms of a vector's scale */
	StrataArray *list;
	bool	list_ready;
	int		items_scale;
	int		nitems;
	int64  *items; /* ascending, distinct */
	double *floats;
	bool	list_null; /* some item is NULL */
	/* PRED_TEXT, PRED_TEXTS */
	StrataTextTest *test;
	bool	bpchar;
	Oid		collation;
	/* PRED_BOOLTEST */
	BoolTestType truth;
	/* What to ask where the only column has codes, or remembers by value */
	StrataPred *coded;
	/* PRED_EXPR */
	ExprState *state;
	int		   ncols;
	int		  *cols;
	bool	   cacheable;
	bool	   quiet; /* raises no error, whatever row it is asked for */
	StrataMatch *match; /* what kernels can do instead where the column has no codes, or NULL */
	StrataZoneTest *zone; /* what zone maps tell, or NULL */
	int8	  *by_code; /* -1 unknown, 0 false, 1 true, 2 null; the entry after the codes is for NULL */
	uint32	   room;	/* of by_code */
	uint64	   dict_id; /* what by_code is of */
	/* PRED_TEXT by codes: those that pass, when they are few, or their complement */
	int		   nfew;
	bool	   few_fail;
	uint32	   few[MAX_FEW];
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
	p->quiet = strata_node_quiet(node);
	if (p->ncols == 1 && p->cacheable)
		p->col = p->cols[0];
	if (p->col >= 0)
	{
		p->match = strata_match_compile(node);
		p->zone = strata_zone_compile(node);
	}
	return p;
}

/* Gives p the evaluator to ask once a code, if one column is all that it reads. */
static void
attach_coded(StrataBatch *in, StrataPred *p, Node *node)
{
	StrataPred *coded;

	if (contain_volatile_functions(node) || contain_subplans(node))
		return;
	coded = compile_evaluator(in, node);
	if (coded->col >= 0)
		p->coded = coded;
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
			case OID_BTREE_FAM_OID:
			case TIME_FAM_OID:
			case MONEY_FAM_OID:
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

/* Dates and timestamps are counted in other units; with timestamptz the time zone matters. */
static bool
same_units(Oid left, Oid right)
{
	return left == right ||
		!(left == DATEOID || right == DATEOID || left == TIMESTAMPTZOID || right == TIMESTAMPTZOID);
}

static StrataPred *
compile_texts(StrataBatch *in, OpExpr *op)
{
	StrataPred *p;
	StrataCmp	cmp;
	bool		bpchar;
	StrataExpr *l, *r;

	if (!strata_text_operator(op->opno, &cmp, &bpchar) || !OidIsValid(op->inputcollid))
		return NULL;
	l = strata_expr_compile(in, linitial(op->args));
	r = l ? strata_expr_compile(in, lsecond(op->args)) : NULL;
	if (!l || !r || l->cls != STRATA_CLASS_TEXT || r->cls != STRATA_CLASS_TEXT)
		return NULL;
	p = pred_new(PRED_TEXTS);
	p->l = l;
	p->r = r;
	p->cmp = cmp;
	p->bpchar = bpchar;
	p->collation = op->inputcollid;
	return p;
}

static StrataPred *
compile_text(StrataBatch *in, Node *node)
{
	StrataExpr	   *l;
	StrataTextTest *t = strata_text_test_compile(in, node, &l);
	StrataPred	   *p;

	if (!t)
		return NULL;
	p = pred_new(PRED_TEXT);
	p->l = l;
	p->test = t;
	if (strata_expr_is_column(l))
	{
		p->col = l->col;
		p->match = strata_match_compile(node);
	}
	return p;
}

static StrataPred *
compile_comparison(StrataBatch *in, OpExpr *op)
{
	StrataPred *p;
	StrataCmp	cmp;
	Oid			left, right;
	StrataExpr *l, *r;
	bool		date_timestamp = false;

	if (list_length(op->args) != 2)
		return NULL;
	if (!strata_operator_meaning(op->opno, &cmp, &left, &right))
	{
		p = compile_text(in, (Node *) op);
		return p ? p : compile_texts(in, op);
	}
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
	if (!same_units(left, right))
	{
		if ((left != DATEOID || right != TIMESTAMPOID) && (left != TIMESTAMPOID || right != DATEOID))
			return NULL;
		date_timestamp = left == DATEOID && strata_expr_is_const(r);
		if (left == DATEOID && !date_timestamp)
			l = strata_time_of_date(l);
		if (right == DATEOID)
			r = strata_time_of_date(r);
	}
	p = pred_new(PRED_CMP);
	p->l = l;
	p->r = r;
	p->cmp = cmp;
	p->date_timestamp = date_timestamp;
	return p;
}

/* IS DISTINCT FROM, by way of the equality. */
static StrataPred *
compile_distinct(StrataBatch *in, DistinctExpr *d)
{
	StrataPred *p = pred_new(PRED_DISTINCT);
	OpExpr	   *op = makeNode(OpExpr);

	*op = *(OpExpr *) d;
	NodeSetTag(op, T_OpExpr);
	p->nkids = 3;
	p->kids = palloc0(sizeof(StrataPred *) * 3);
	p->kids[0] = strata_pred_native(in, (Node *) op);
	if (!p->kids[0])
		return NULL;
	for (int k = 0; k < 2; k++)
	{
		NullTest *test = makeNode(NullTest);

		test->arg = list_nth(d->args, k);
		test->nulltesttype = IS_NULL;
		test->location = -1;
		p->kids[k + 1] = strata_pred_native(in, (Node *) test);
		if (!p->kids[k + 1])
			return NULL;
	}
	return p;
}

static StrataPred *
compile_truth_test(StrataBatch *in, BooleanTest *test)
{
	StrataPred *p = pred_new(PRED_BOOLTEST);

	p->truth = test->booltesttype;
	p->nkids = 1;
	p->kids = palloc(sizeof(StrataPred *));
	p->kids[0] = strata_pred_compile(in, (Node *) test->arg);
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
		case OIDOID:
			return DatumGetObjectId(d);
		default:
			return DatumGetInt64(d);
	}
}

static StrataPred *
compile_in(StrataBatch *in, ScalarArrayOpExpr *op)
{
	StrataPred	*p = compile_text(in, (Node *) op);
	StrataCmp	 cmp;
	Oid			 left, right;
	StrataExpr	*l;
	StrataArray *list;

	if (p)
		return p;
	if (!strata_operator_meaning(op->opno, &cmp, &left, &right) || cmp != (op->useOr ? STRATA_EQ : STRATA_NE) ||
		!same_units(left, right))
		return NULL;
	list = strata_array_compile(in, lsecond(op->args));
	l = list ? strata_expr_compile(in, linitial(op->args)) : NULL;
	if (!l || l->cls == STRATA_CLASS_TEXT || list->element != right)
		return NULL;
	p = pred_new(PRED_IN);
	p->l = l;
	p->list = list;
	p->is_not = !op->useOr;
	return p;
}

/* A boolean value as a condition. */
static StrataPred *
compile_value(StrataBatch *in, Node *node)
{
	StrataExpr *e = NULL;
	StrataPred *p;

	switch (nodeTag(node))
	{
		case T_Const:
		case T_Param:
			e = strata_expr_compile(in, node);
			break;
		case T_Var:
		case T_CaseExpr:
		case T_CoalesceExpr:
		case T_NullIfExpr:
		case T_MinMaxExpr:
		case T_FuncExpr:
			e = strata_expr_native(in, node);
			break;
		default:
			return NULL;
	}
	if (!e || e->type != BOOLOID)
		return NULL;
	p = pred_new(PRED_TRUTH);
	p->l = e;
	return p;
}

bool
strata_pred_heavy(const StrataPred *p)
{
	if (p->kind == PRED_EXPR || p->kind == PRED_TEXT || p->kind == PRED_TEXTS || strata_expr_heavy(p->l) ||
		strata_expr_heavy(p->r))
		return true;
	for (int i = 0; i < p->nkids; i++)
		if (strata_pred_heavy(p->kids[i]))
			return true;
	return false;
}

StrataPred *
strata_pred_native(StrataBatch *in, Node *node)
{
	StrataPred *p = NULL;
	BoolExpr   *b = (BoolExpr *) node;

	check_stack_depth();
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
		case T_DistinctExpr:
			p = compile_distinct(in, (DistinctExpr *) node);
			break;
		case T_BooleanTest:
			return compile_truth_test(in, (BooleanTest *) node);
		default:
			p = compile_value(in, node);
	}
	/* What is said of strings of one column is asked once a code, where it has codes. */
	if (p && p->kind != PRED_TEXT && p->kind != PRED_DISTINCT && strata_pred_heavy(p))
		attach_coded(in, p, node);
	else if (p && p->kind == PRED_TEXT && p->col < 0)
		attach_coded(in, p, node);
	return p;
}

StrataPred *
strata_pred_compile(StrataBatch *in, Node *node)
{
	List	   *outside = list_copy(in->outside);
	StrataPred *p = strata_pred_native(in, node);

	if (p)
		return p;
	in->outside = outside;
	strata_note_outside(in, node);
	return compile_evaluator(in, node);
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
	return (p->kind != PRED_EXPR || p->match || p->zone) && expr_safe(p->l) && expr_safe(p->r) &&
		(!p->list || strata_array_plain(p->list)) && (!p->test || strata_text_test_plain(p->test));
}

bool
strata_pred_quiet(const StrataPred *p)
{
	for (int i = 0; i < p->nkids; i++)
		if (!strata_pred_quiet(p->kids[i]))
			return false;
	return (p->kind != PRED_EXPR || p->match || p->zone || p->quiet) && strata_expr_quiet(p->l) &&
		strata_expr_quiet(p->r) && (!p->coded || strata_pred_quiet(p->coded)) &&
		(!p->list || strata_array_plain(p->list)) && (!p->test || strata_text_test_plain(p->test));
}

void
strata_pred_rescan(StrataPred *p)
{
	strata_expr_rescan(p->l);
	strata_expr_rescan(p->r);
	if (p->test)
		strata_text_test_rescan(p->test);
	if (p->list)
		p->list->ready = false;
	p->list_ready = false;
	/* A parameter may be another. */
	p->dict_id = 0;
	if (p->coded)
		strata_pred_rescan(p->coded);
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

/* v cmp a number right after `bound` and before the next value */
static Bound
bound_between(StrataCmp *cmp)
{
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

/* v cmp k in whole steps of d */
static Bound
round_bound(int64 k, int64 d, StrataCmp *cmp, int64 *bound)
{
	*bound = floor_div(k, d);
	return *bound * d == k ? BOUND_OK : bound_between(cmp);
}

static Bound
numeric_bound(StrataPred *p, int scale, StrataCmp *cmp, int64 *bound)
{
	bool less = *cmp == STRATA_LT || *cmp == STRATA_LE;

	if (scale > STRATA_MAX_SCALE)
		return BOUND_UNKNOWN;
	switch (strata_numeric_place(&p->r->const_bound, scale, bound))
	{
		case STRATA_PLACE_AT:
			return BOUND_OK;
		case STRATA_PLACE_AFTER:
			return bound_between(cmp);
		case STRATA_PLACE_ABOVE:
			return less || *cmp == STRATA_NE ? BOUND_ALWAYS : BOUND_NEVER;
		default:
			return less || *cmp == STRATA_EQ ? BOUND_NEVER : BOUND_ALWAYS;
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
	if (p->l->cls == STRATA_CLASS_NUM)
		return numeric_bound(p, scale, cmp, bound);
	return BOUND_OK;
}

/* Evaluates the constant on the right.  False: there is nothing that vectors can be compared with. */
static bool
constant_ready(StrataPred *p)
{
	return strata_expr_const(p->r) || p->r->cls == STRATA_CLASS_NUM;
}

/* What a range of values says about `value cmp k`, nulls aside. */
#define RANGE_VERDICT(lo, hi, cmp, k)                                                                             \
	((cmp) == STRATA_EQ	  ? ((k) < (lo) || (k) > (hi) ? STRATA_NONE : (lo) == (hi) ? STRATA_ALL : STRATA_SOME)       \
	 : (cmp) == STRATA_NE ? ((k) < (lo) || (k) > (hi) ? STRATA_ALL : (lo) == (hi) ? STRATA_NONE : STRATA_SOME)       \
	 : (cmp) == STRATA_LT ? ((hi) < (k) ? STRATA_ALL : (lo) >= (k) ? STRATA_NONE : STRATA_SOME)                      \
	 : (cmp) == STRATA_LE ? ((hi) <= (k) ? STRATA_ALL : (lo) > (k) ? STRATA_NONE : STRATA_SOME)                      \
	 : (cmp) == STRATA_GT ? ((lo) > (k) ? STRATA_ALL : (hi) <= (k) ? STRATA_NONE : STRATA_SOME)                      \
						  : ((lo) >= (k) ? STRATA_ALL : (hi) < (k) ? STRATA_NONE : STRATA_SOME))

/* One item of a list in steps of 10^-scale; false: no value of that scale equals it. */
static bool
list_item(StrataPred *p, Datum d, int scale, int64 *item)
{
	StrataNumericBound b;

	if (p->l->cls != STRATA_CLASS_NUM)
	{
		*item = integer_datum(p->list->element, d);
		return true;
	}
	strata_numeric_bound(d, &b);
	return strata_numeric_place(&b, scale, item) == STRATA_PLACE_AT;
}

static double
float_item(Oid type, Datum d)
{
	return type == FLOAT4OID ? DatumGetFloat4(d) : DatumGetFloat8(d);
}

/* Brings the list to a scale.  False: the array itself is NULL. */
static bool
ready_list(StrataBatch *in, StrataPred *p, int scale)
{
	StrataArray *list = p->list;
	int			 n = 0;

	strata_array_ready(list);
	if (list->null)
		return false;
	if (p->list_ready && (p->items_scale == scale || p->l->cls != STRATA_CLASS_NUM))
		return true;
	p->items = MemoryContextAlloc(list->cxt, sizeof(int64) * Max(list->n, 1));
	p->floats = (double *) p->items;
	p->list_null = false;
	for (int i = 0; i < list->n; i++)
	{
		if (list->nulls[i])
			p->list_null = true;
		else if (p->l->cls == STRATA_CLASS_F64)
			p->floats[n++] = float_item(list->element, list->items[i]);
		else if (list_item(p, list->items[i], scale, &p->items[n]))
			n++;
	}
	p->nitems = n;
	if (p->l->cls != STRATA_CLASS_F64)
	{
		qsort(p->items, n, sizeof(int64), compare_int64);
		p->nitems = 0;
		for (int i = 0; i < n; i++)
			if (p->nitems == 0 || p->items[p->nitems - 1] != p->items[i])
				p->items[p->nitems++] = p->items[i];
	}
	p->items_scale = scale;
	p->list_ready = true;
	return true;
}

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
	if (!zone || !constant_ready(p))
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

	if (p->is_not || !strata_expr_is_column(p->l) || !strata_array_plain(p->list) || p->l->cls == STRATA_CLASS_F64)
		return STRATA_SOME;
	zone = in->cols[p->l->col]->zone;
	if (!zone || zone->phys != STRATA_PHYS_INT || !(zone->flags & STRATA_SEG_HAS_RANGE) || !ready_list(in, p, zone->scale))
		return STRATA_SOME;
	for (int i = 0; i < p->nitems; i++)
		if (p->items[i] >= zone->min.i && p->items[i] <= zone->max.i)
			return STRATA_SOME;
	return STRATA_NONE;
}

static StrataVerdict
text_verdict(StrataBatch *in, StrataPred *p)
{
	const StrataSegment *zone = p->col >= 0 ? in->cols[p->col]->zone : NULL;
	StrataVerdict		 v;

	if (!zone || !strata_text_test_plain(p->test) || !strata_text_test_ready(p->test))
		return STRATA_SOME;
	v = strata_text_test_prune(p->test, zone);
	return v == STRATA_ALL && zone->null_count > 0 ? STRATA_SOME : v;
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
		case PRED_TEXT:
			return text_verdict(in, p);
		case PRED_DISTINCT:
			/* Where no side is NULL and the equality is settled. */
			if (strata_pred_safe(p) && strata_pred_prune(in, p->kids[0]) == STRATA_ALL)
				return STRATA_NONE;
			return STRATA_SOME;
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
		if (!constant_ready(p))
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
				fill_words(raw, false);
				break;
			case BOUND_ALWAYS:
				fill_words(raw, true);
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
		uint64 live[BATCH_WORDS];

		strata_expr_live(mask, p->l->vnulls, live);
		strata_expr_live(live, p->r->vnulls, live);
		if (d > 0)
			b = strata_rescale(b, p->r->scale, p->l->scale, live, in->n, tmp);
		else
			a = strata_rescale(a, p->l->scale, p->r->scale, live, in->n, tmp);
		if (!a || !b)
			return false;
	}
	strata_kernels->cmp_i64_i64(a, b, in->n, p->cmp, raw);
	settle(mask, raw, p->l->vnulls, p->r->vnulls, is_true, is_null);
	return true;
}

/* Longer lists are searched by halves, row by row. */
#define IN_KERNEL 16

static void
find_items(StrataBatch *in, StrataPred *p, const uint64 *mask, uint64 *found)
{
	uint64 one[BATCH_WORDS] = {0};

	if (p->l->cls == STRATA_CLASS_F64)
	{
		for (int k = 0; k < p->nitems; k++)
		{
			strata_kernels->cmp_f64(p->l->vf, in->n, STRATA_EQ, p->floats[k], one);
			for (int w = 0; w < BATCH_WORDS; w++)
				found[w] |= one[w];
		}
	}
	else if (p->nitems > 0 && p->nitems <= IN_KERNEL)
		strata_kernels->in_i64(p->l->vi, in->n, p->items, p->nitems, found);
	else if (p->nitems > 0)
		FOREACH_ROW(mask, i, {
			if (bsearch(&p->l->vi[i], p->items, p->nitems, sizeof(int64), compare_int64))
				found[i / 64] |= UINT64CONST(1) << (i % 64);
		});
}

/* A short list and a column that nobody has decoded: compared with as it is packed. */
static bool
find_packed(StrataBatch *in, StrataPred *p, uint64 *found)
{
	StrataColumn *col = strata_expr_is_column(p->l) ? in->cols[p->l->col] : NULL;
	uint64		  one[BATCH_WORDS] = {0};

	if (!col || col->source != STRATA_FROM_SEGMENT || col->have_i64 || strata_col_phys(col) != STRATA_PHYS_INT ||
		strata_col_scale(col) > STRATA_MAX_SCALE)
		return false;
	if (!ready_list(in, p, strata_col_scale(col)) || p->nitems > MAX_FEW)
		return false;
	for (int k = 0; k < p->nitems; k++)
	{
		strata_segment_cmp_i64(col->seg, col->owner->cur_vector, STRATA_EQ, p->items[k], one);
		for (int w = 0; w < BATCH_WORDS; w++)
			found[w] |= one[w];
	}
	p->l->vnulls = col->nulls;
	return true;
}

static bool
eval_in(StrataBatch *in, StrataPred *p, const uint64 *mask, uint64 *is_true, uint64 *is_null)
{
	uint64 found[BATCH_WORDS] = {0};
	bool   packed = find_packed(in, p, found);

	if (!packed && !strata_expr_eval(in, p->l, mask))
		return false;
	in->counts->vector_values += in->n;
	if (!packed)
	{
		if (!ready_list(in, p, p->l->cls == STRATA_CLASS_NUM ? p->l->scale : 0))
		{
			fill_words(is_true, false);
			memcpy(is_null, mask, BATCH_WORDS * sizeof(uint64));
			return true;
		}
		find_items(in, p, mask, found);
	}
	for (int w = 0; w < BATCH_WORDS; w++)
	{
		/* With an empty list even a null operand gives an answer. */
		uint64 null = p->l->vnulls && p->list->n > 0 ? p->l->vnulls[w] : 0;
		uint64 hit = found[w] & ~(p->l->vnulls ? p->l->vnulls[w] : 0);

		is_null[w] = mask[w] & (null | (p->list_null ? ~hit : 0));
		is_true[w] = mask[w] & (p->is_not ? ~hit : hit) & ~is_null[w];
	}
	return true;
}

/* ---- strings ---- */

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
	p->nfew = -1;
	p->dict_id = col->dict_id;
}

/* The answers for all codes: they raise no error, so those of rows that do not count may be asked too. */
static void
learn_codes(StrataBatch *in, StrataPred *p, const StrataColumn *col)
{
	uint32 n = strata_col_ncodes(col), pass = 0, fail = 0;
	bool   null = false;
	int8   want;

	p->nfew = -1;
	for (uint32 c = 0; c < n; c++)
	{
		int8 r = strata_text_test(p->test, strata_code_bytes(col, c));

		p->by_code[c] = r;
		pass += r == 1;
		fail += r == 0;
		null |= r == 2;
	}
	in->counts->scalar_values += n;
	if (null || (pass > MAX_FEW && fail > MAX_FEW))
		return;
	p->few_fail = pass > MAX_FEW;
	want = p->few_fail ? 0 : 1;
	p->nfew = 0;
	for (uint32 c = 0; c < n; c++)
		if (p->by_code[c] == want)
			p->few[p->nfew++] = c;
}

/* Few codes pass, or fail: their places, from the packed codes. */
static bool
few_codes(StrataBatch *in, StrataPred *p, StrataColumn *col, uint64 *hit)
{
	unsigned	  width;
	int64		  base;
	const uint64 *packed;
	uint64		  one[BATCH_WORDS] = {0};

	fill_words(hit, p->few_fail);
	if (p->nfew == 0)
		return true;
	packed = col->source == STRATA_FROM_SEGMENT ? strata_segment_packed(col->seg, col->owner->cur_vector, &width, &base)
												: NULL;
	if (!packed)
		return false;
	for (int k = 0; k < p->nfew; k++)
	{
		strata_kernels->cmp_packed(packed, width, in->n, STRATA_EQ, p->few[k], one);
		for (int w = 0; w < BATCH_WORDS; w++)
			hit[w] = p->few_fail ? hit[w] & ~one[w] : hit[w] | one[w];
	}
	return true;
}

static void
text_by_code(StrataBatch *in, StrataPred *p, StrataColumn *col, const uint64 *live, uint64 *is_true, uint64 *is_null)
{
	uint64		  hit[BATCH_WORDS];
	const uint32 *codes;

	refresh_codes(in, p, col);
	if (p->by_code[strata_col_ncodes(col)] < 0)
	{
		learn_codes(in, p, col);
		p->by_code[strata_col_ncodes(col)] = 2;
	}
	in->counts->vector_values += in->n;
	if (p->nfew >= 0 && few_codes(in, p, col, hit))
	{
		for (int w = 0; w < BATCH_WORDS; w++)
			is_true[w] = live[w] & hit[w];
		return;
	}
	codes = strata_col_codes(col);
	for (unsigned w = 0; w * 64 < in->n; w++)
	{
		unsigned end = Min(64, in->n - w * 64);
		uint64	 t = 0, n = 0;

		if (live[w] == 0)
			continue;
		for (unsigned i = 0; i < end; i++)
		{
			uint8 r = (uint8) p->by_code[codes[w * 64 + i]];

			t |= (uint64) (r & 1) << i;
			n |= (uint64) (r >> 1) << i;
		}
		is_true[w] = live[w] & t;
		is_null[w] = live[w] & n;
	}
}

static bool
eval_text(StrataBatch *in, StrataPred *p, const uint64 *mask, uint64 *is_true, uint64 *is_null)
{
	StrataColumn *col = p->col >= 0 ? in->cols[p->col] : NULL;
	uint64		  live[BATCH_WORDS];
	const uint64 *nulls;

	fill_words(is_true, false);
	fill_words(is_null, false);
	if (!strata_text_test_ready(p->test))
		return false;
	if (!col && !strata_expr_eval(in, p->l, mask))
		return false;
	nulls = col ? col->nulls : p->l->vnulls;
	strata_expr_live(mask, nulls, live);
	if (strata_text_test_always_null(p->test))
	{
		memcpy(is_null, mask, BATCH_WORDS * sizeof(uint64));
		return true;
	}
	if (col && strata_col_coded(col) && strata_col_phys(col) == STRATA_PHYS_BYTES)
		text_by_code(in, p, col, live, is_true, is_null);
	else if (col && p->match && strata_col_phys(col) == STRATA_PHYS_BYTES)
		strata_match_eval(in, p->match, col, live, is_true, is_null);
	else
	{
		if (col && !strata_expr_eval(in, p->l, mask))
			return false;
		strata_text_test_rows(p->test, p->l->vt, live, in->n, is_true, is_null);
		in->counts->vector_values += in->n;
	}
	if (strata_text_test_empty(p->test))
	{
		/* An empty list has an answer for NULL as for all. */
		int8 r = strata_text_test(p->test, "\003");

		for (int w = 0; w < BATCH_WORDS; w++)
			is_true[w] = r == 1 ? mask[w] : 0;
		return true;
	}
	for (int w = 0; w < BATCH_WORDS; w++)
		is_null[w] |= mask[w] & ~live[w];
	return true;
}

static bool
eval_texts(StrataBatch *in, StrataPred *p, const uint64 *mask, uint64 *is_true, uint64 *is_null)
{
	fill_words(is_true, false);
	if (!strata_expr_eval(in, p->l, mask) || !strata_expr_eval(in, p->r, mask))
		return false;
	for (int w = 0; w < BATCH_WORDS; w++)
		is_null[w] = mask[w] & ((p->l->vnulls ? p->l->vnulls[w] : 0) | (p->r->vnulls ? p->r->vnulls[w] : 0));
	for (int w = 0; w < BATCH_WORDS; w++)
		for (uint64 m = mask[w] & ~is_null[w]; m; m &= m - 1)
		{
			unsigned i = w * 64 + __builtin_ctzll(m);

			if (strata_text_compare(p->l->vt[i], p->r->vt[i], p->cmp, p->collation, p->bpchar))
				is_true[w] |= UINT64CONST(1) << (i % 64);
		}
	in->counts->scalar_values += in->n;
	return true;
}

/* ---- tests for NULL and truth ---- */

static bool
eval_distinct(StrataBatch *in, StrataPred *p, const uint64 *mask, uint64 *is_true, uint64 *is_null)
{
	uint64 equal[BATCH_WORDS], open[BATCH_WORDS], left[BATCH_WORDS], right[BATCH_WORDS], none[BATCH_WORDS];

	if (!strata_pred_eval(in, p->kids[0], mask, equal, open))
		return false;
	if (!strata_pred_eval(in, p->kids[1], open, left, none) || !strata_pred_eval(in, p->kids[2], open, right, none))
		return false;
	for (int w = 0; w < BATCH_WORDS; w++)
	{
		is_true[w] = mask[w] & ~equal[w] & ~(open[w] & left[w] & right[w]);
		is_null[w] = 0;
	}
	return true;
}

static bool
eval_truth_test(StrataBatch *in, StrataPred *p, const uint64 *mask, uint64 *is_true, uint64 *is_null)
{
	uint64 t[BATCH_WORDS], n[BATCH_WORDS];

	if (!strata_pred_eval(in, p->kids[0], mask, t, n))
		return false;
	for (int w = 0; w < BATCH_WORDS; w++)
	{
		uint64 f = mask[w] & ~t[w] & ~n[w];

		is_null[w] = 0;
		switch (p->truth)
		{
			case IS_TRUE:
				is_true[w] = t[w];
				break;
			case IS_NOT_TRUE:
				is_true[w] = mask[w] & ~t[w];
				break;
			case IS_FALSE:
				is_true[w] = f;
				break;
			case IS_NOT_FALSE:
				is_true[w] = mask[w] & ~f;
				break;
			case IS_UNKNOWN:
				is_true[w] = n[w];
				break;
			default:
				is_true[w] = mask[w] & ~n[w];
		}
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
	CHECK_FOR_INTERRUPTS();
	d = ExecEvalExprSwitchContext(p->state, in->econtext, &null);
	ResetExprContext(in->econtext);
	in->counts->scalar_values++;
	return null ? 2 : DatumGetBool(d);
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
	if (!codes && p->match && strata_col_phys(col) == STRATA_PHYS_BYTES)
	{
		strata_match_eval(in, p->match, col, mask, is_true, is_null);
		return true;
	}
	if (!codes)
	{
		FOREACH_ROW(mask, i, {
			int8 r = evaluate_row(in, p, i);

			is_true[i / 64] |= (uint64) (r == 1) << (i % 64);
			is_null[i / 64] |= (uint64) (r == 2) << (i % 64);
		});
		return true;
	}
	in->counts->vector_values += in->n;
	FOREACH_ROW(mask, i, {
		int8 *known = &p->by_code[strata_row_null(col->nulls, i) ? ncodes : codes[i]];

		if (*known < 0)
			*known = evaluate_row(in, p, i);
		is_true[i / 64] |= (uint64) (*known & 1) << (i % 64);
		is_null[i / 64] |= (uint64) (*known >> 1) << (i % 64);
	});
	return true;
}

bool
strata_pred_eval(StrataBatch *in, StrataPred *p, const uint64 *mask, uint64 *is_true, uint64 *is_null)
{
	uint64 raw[BATCH_WORDS] = {0};

	if (p->coded && strata_col_coded(in->cols[p->coded->col]))
		return eval_evaluator(in, p->coded, mask, is_true, is_null);
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
		case PRED_TEXT:
			return eval_text(in, p, mask, is_true, is_null);
		case PRED_TEXTS:
			return eval_texts(in, p, mask, is_true, is_null);
		case PRED_DISTINCT:
			return eval_distinct(in, p, mask, is_true, is_null);
		case PRED_BOOLTEST:
			return eval_truth_test(in, p, mask, is_true, is_null);
		default:
			return eval_evaluator(in, p, mask, is_true, is_null);
	}
}
