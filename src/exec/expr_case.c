/*
 * expr_case.c - CASE, COALESCE, NULLIF, GREATEST and LEAST over vectors.
 *
 * Each branch is evaluated under the mask of the rows that reach it, so that what it guards against does not
 * happen; the results are then put together row by row from the branches' vectors.
 */
#include "postgres.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#include "exec/expr.h"

/* ---- putting branches together ---- */

/* Their common scale; *mixed: they differ, or one is mixed by itself. */
static int
common_scale(StrataExpr *const *from, const uint64 (*rows)[BATCH_WORDS], int n, bool *mixed)
{
	int scale = -1;

	*mixed = false;
	for (int k = 0; k < n; k++)
	{
		if (mask_empty(rows[k]))
			continue;
		*mixed |= from[k]->vscale != NULL || (scale >= 0 && from[k]->scale != scale);
		scale = Max(scale, from[k]->scale);
	}
	return Max(scale, 0);
}

/* A branch of numerics into e's 128 bits.  False: they do not fit. */
static bool
blend_wide(StrataExpr *e, const StrataExpr *x, int scale, const uint64 *live)
{
	StrataSum *out = strata_expr_wide_room(e);
	StrataInt128 p;

	if (scale > STRATA_WIDE_SCALE)
		return false;
	p = strata_wide_pow10(scale - x->scale);
	FOREACH_ROW(live, i, {
		StrataInt128 v;

		if (__builtin_mul_overflow(strata_wide_at(x, i), p, &v))
			return false;
		out[i] = v;
	});
	return true;
}

/* Must the result be wide?  Some branch is, or the common scale asks for it. */
static bool
wide_branch(const StrataExpr *e, StrataExpr *const *from, const uint64 (*rows)[BATCH_WORDS], int n, int scale)
{
	if (!e->widens)
		return false;
	for (int k = 0; k < n; k++)
		if (!mask_empty(rows[k]) && from[k]->vw)
			return true;
	return scale > STRATA_MAX_SCALE;
}

/* Branch k's values where rows[k] is set; the rows are disjoint.  What no branch has is NULL. */
static bool
blend(StrataBatch *in, StrataExpr *e, StrataExpr *const *from, const uint64 (*rows)[BATCH_WORDS], int n)
{
	bool mixed = false;
	int scale = 0;
	uint64 some[BATCH_WORDS] = {0};
	bool bounded = true, wide;
	int64 min = PG_INT64_MAX, max = PG_INT64_MIN;

	strata_expr_own(e);
	if (e->cls == STRATA_CLASS_NUM)
		scale = common_scale(from, rows, n, &mixed);
	wide = wide_branch(e, from, rows, n, scale);
	for (int k = 0; k < n; k++)
	{
		const StrataExpr *x = from[k];
		uint64 live[BATCH_WORDS];

		if (mask_empty(rows[k]))
			continue;
		strata_expr_live(rows[k], x->vnulls, live);
		for (int w = 0; w < BATCH_WORDS; w++)
			some[w] |= live[w];
		if (mask_empty(live))
			continue;
		bounded &=
			x->bounded && (e->cls == STRATA_CLASS_INT || x->scale == scale || (x->min == 0 && x->max == 0));
		min = Min(min, x->min);
		max = Max(max, x->max);
		switch (e->cls)
		{
			case STRATA_CLASS_F64:
				strata_kernels->blend_i64(live, (const int64 *)x->vf, (const int64 *)e->fbuf, in->n,
										  (int64 *)e->fbuf);
				break;
			case STRATA_CLASS_TEXT:
				FOREACH_ROW(live, i, { e->tbuf[i] = x->vt[i]; });
				break;
			default:
			{
				int64 tmp[STRATA_VECTOR];
				const int64 *v;

				if (wide)
				{
					if (!blend_wide(e, x, scale, live))
						return false;
					break;
				}
				v = strata_rescale(x->vi, x->scale, scale, live, in->n, tmp);

				if (!v)
					return false;
				strata_kernels->blend_i64(live, v, e->buf, in->n, e->buf);
			}
		}
		if (mixed)
		{
			uint8 *scales = strata_expr_scales_room(e);

			FOREACH_ROW(live, i, { scales[i] = x->vscale ? x->vscale[i] : x->scale; });
		}
	}
	for (int w = 0; w < BATCH_WORDS; w++)
		e->nbuf[w] = ~some[w];
	e->vnulls = e->nbuf;
	e->scale = scale;
	e->vscale = mixed ? e->sbuf : NULL;
	if (wide)
	{
		e->vw = strata_expr_wide_room(e);
		e->vi = NULL;
	}
	e->bounded = bounded && !wide && min <= max;
	e->min = min;
	e->max = max;
	return true;
}

/* ---- CASE ---- */

/* preds: the conditions; args: their results, and that of ELSE. */
static bool
eval_case(StrataBatch *in, StrataExpr *e, const uint64 *mask)
{
	uint64(*rows)[BATCH_WORDS] = palloc0(sizeof(*rows) * e->nargs);
	uint64 open[BATCH_WORDS], null[BATCH_WORDS];
	bool ok = true;

	memcpy(open, mask, sizeof(open));
	for (int k = 0; ok && k < e->npreds && !mask_empty(open); k++)
	{
		ok = strata_pred_eval(in, e->preds[k], open, rows[k], null);
		for (int w = 0; w < BATCH_WORDS; w++)
			open[w] &= ~rows[k][w];
		if (ok && !mask_empty(rows[k]))
			ok = strata_expr_eval(in, e->args[k], rows[k]);
	}
	if (ok && !mask_empty(open))
	{
		memcpy(rows[e->npreds], open, sizeof(open));
		ok = strata_expr_eval(in, e->args[e->npreds], open);
	}
	ok = ok && blend(in, e, e->args, (const uint64(*)[BATCH_WORDS])rows, e->nargs);
	pfree(rows);
	return ok;
}

typedef struct Replace
{
	Node *by;
} Replace;

static Node *
replace_test_mutator(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, CaseTestExpr))
		return copyObject(((Replace *)context)->by);
	/* One inside has an operand of its own. */
	if (IsA(node, CaseExpr) && ((CaseExpr *)node)->arg)
		return node;
	return expression_tree_mutator(node, replace_test_mutator, context);
}

/* Conditions of CASE x WHEN y: x = y, x being computed for each, which is all the same as it is not volatile.
 */
static Node *
condition_of(const CaseExpr *c, const CaseWhen *when)
{
	Replace r = {(Node *)c->arg};

	if (!c->arg)
		return (Node *)when->expr;
	return replace_test_mutator((Node *)when->expr, &r);
}

static bool
same_class(const StrataExpr *e)
{
	for (int k = 0; k < e->nargs; k++)
		if (e->args[k]->cls != e->cls || e->args[k]->f32 != e->f32)
			return false;
	return true;
}

static StrataExpr *
compile_case(StrataBatch *in, CaseExpr *c)
{
	StrataExpr *e;
	List *results = NIL;
	ListCell *lc;

	/* A costly operand is computed once by the evaluator, and a volatile one must be. */
	if (c->arg && !IsA(c->arg, Var) && !IsA(c->arg, RelabelType))
		return NULL;
	foreach (lc, c->args)
		results = lappend(results, lfirst_node(CaseWhen, lc)->result);
	results = lappend(results, c->defresult ? (Node *)c->defresult
											: (Node *)makeNullConst(c->casetype, -1, c->casecollid));
	e = strata_expr_call(in, c->casetype, results, eval_case);
	if (!e || !same_class(e))
		return NULL;
	e->preds = palloc(sizeof(StrataPred *) * list_length(c->args));
	foreach (lc, c->args)
		e->preds[e->npreds++] = strata_pred_compile(in, condition_of(c, lfirst_node(CaseWhen, lc)));
	return e;
}

/* ---- COALESCE ---- */

static bool
eval_coalesce(StrataBatch *in, StrataExpr *e, const uint64 *mask)
{
	uint64(*rows)[BATCH_WORDS] = palloc0(sizeof(*rows) * e->nargs);
	uint64 open[BATCH_WORDS];
	bool ok = true;

	memcpy(open, mask, sizeof(open));
	for (int k = 0; ok && k < e->nargs && !mask_empty(open); k++)
	{
		ok = strata_expr_eval(in, e->args[k], open);
		if (!ok)
			break;
		strata_expr_live(open, e->args[k]->vnulls, rows[k]);
		for (int w = 0; w < BATCH_WORDS; w++)
			open[w] &= ~rows[k][w];
	}
	ok = ok && blend(in, e, e->args, (const uint64(*)[BATCH_WORDS])rows, e->nargs);
	pfree(rows);
	return ok;
}

/* ---- NULLIF ---- */

static bool
eval_nullif(StrataBatch *in, StrataExpr *e, const uint64 *mask)
{
	const StrataExpr *a = e->args[0];
	uint64 equal[BATCH_WORDS], null[BATCH_WORDS];

	if (!strata_pred_eval(in, e->preds[0], mask, equal, null) || !strata_expr_eval(in, e->args[0], mask))
		return false;
	strata_expr_own(e);
	e->vi = a->vi;
	e->vf = a->vf;
	e->vt = a->vt;
	e->scale = a->scale;
	e->vscale = a->vscale;
	e->bounded = a->bounded;
	e->min = a->min;
	e->max = a->max;
	for (int w = 0; w < BATCH_WORDS; w++)
		e->nbuf[w] = equal[w] | (a->vnulls ? a->vnulls[w] : 0);
	e->vnulls = e->nbuf;
	return true;
}

static StrataExpr *
compile_nullif(StrataBatch *in, NullIfExpr *n)
{
	StrataExpr *e;
	StrataPred *p;
	OpExpr *op = makeNode(OpExpr);

	*op = *(OpExpr *)n;
	NodeSetTag(op, T_OpExpr);
	op->opresulttype = BOOLOID;
	p = strata_pred_native(in, (Node *)op);
	e = p ? strata_expr_call(in, exprType(linitial(n->args)), list_make1(linitial(n->args)), eval_nullif)
		  : NULL;
	if (!e || e->type != n->opresulttype)
		return NULL;
	e->preds = palloc(sizeof(StrataPred *));
	e->preds[0] = p;
	e->npreds = 1;
	return e;
}

/* ---- GREATEST, LEAST ---- */

/* NULLs are passed over; of equal values the first counts. */
static bool
eval_min_max(StrataBatch *in, StrataExpr *e, const uint64 *mask)
{
	uint64(*rows)[BATCH_WORDS] = palloc0(sizeof(*rows) * e->nargs);
	bool ok = strata_expr_args(in, e, mask);

	if (ok)
		FOREACH_ROW(mask, i, {
			int best = -1;

			for (int k = 0; k < e->nargs; k++)
			{
				const StrataExpr *x = e->args[k];
				bool better;

				if (strata_row_null(x->vnulls, i))
					continue;
				if (best < 0)
					better = true;
				else if (e->cls == STRATA_CLASS_INT)
					better = e->op == IS_GREATEST ? x->vi[i] > e->args[best]->vi[i]
												  : x->vi[i] < e->args[best]->vi[i];
				else
				{
					/* NaN is the greatest of floats. */
					double a = x->vf[i], b = e->args[best]->vf[i];

					better =
						e->op == IS_GREATEST ? (a != a ? b == b : a > b) : (a != a ? false : b != b || a < b);
				}
				if (better)
					best = k;
			}
			if (best >= 0)
				rows[best][i / 64] |= UINT64CONST(1) << (i % 64);
		});
	ok = ok && blend(in, e, e->args, (const uint64(*)[BATCH_WORDS])rows, e->nargs);
	pfree(rows);
	return ok;
}

bool
strata_case_can_widen(const StrataExpr *e)
{
	return e->kind == STRATA_EXPR_CALL && e->cls == STRATA_CLASS_NUM &&
		   (e->eval == eval_case || e->eval == eval_coalesce);
}

StrataExpr *
strata_case_compile(StrataBatch *in, Node *node)
{
	StrataExpr *e;

	switch (nodeTag(node))
	{
		case T_CaseExpr:
			return compile_case(in, (CaseExpr *)node);
		case T_NullIfExpr:
			return compile_nullif(in, (NullIfExpr *)node);
		case T_CoalesceExpr:
			e = strata_expr_call(in, ((CoalesceExpr *)node)->coalescetype, ((CoalesceExpr *)node)->args,
								 eval_coalesce);
			return e && same_class(e) ? e : NULL;
		default:
		{
			MinMaxExpr *m = (MinMaxExpr *)node;

			e = strata_expr_call(in, m->minmaxtype, m->args, eval_min_max);
			if (!e || !same_class(e) || (e->cls != STRATA_CLASS_INT && e->cls != STRATA_CLASS_F64))
				return NULL;
			e->op = m->op;
			return e;
		}
	}
}
