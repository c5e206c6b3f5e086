/*
 * expr.c - typed vector expressions over the columns of a batch: compiling, columns, constants.
 *
 * A compiled expression is a small tree; each node fills an array of 1024 results.  Integers, dates and
 * timestamps are int64, numerics are int64 scaled by a power of ten that may differ from unit to unit, floats
 * are double, texts are pointers to varlena images.  What has a vector form is in expr_arith.c, expr_time.c,
 * expr_case.c and expr_text.c; a part that has none is a VALUE, which asks PostgreSQL's evaluator
 * (expr_value.c).  What the tree cannot hold makes the batch irregular (see exec.h): no error is ever raised
 * here but by constants and by PostgreSQL's evaluator.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "exec/expr.h"

/* ---- nodes ---- */

bool
strata_is_text(Oid type)
{
	return type == TEXTOID || type == VARCHAROID || type == BPCHAROID;
}

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
		case OIDOID:
			e->lo = 0;
			e->hi = PG_UINT32_MAX;
			return true;
		case INT8OID:
		case CASHOID:
		case TIMEOID:
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
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			e->cls = STRATA_CLASS_TEXT;
			return true;
		default:
			return false;
	}
}

StrataExpr *
strata_expr_new(StrataExprKind kind, Oid type)
{
	StrataExpr *e = palloc0(sizeof(StrataExpr));

	e->kind = kind;
	e->col = -1;
	if (!set_class(e, type))
	{
		pfree(e);
		return NULL;
	}
	if (kind == STRATA_EXPR_COLUMN)
		return e;
	switch (e->cls)
	{
		case STRATA_CLASS_F64:
			e->fbuf = palloc0(STRATA_VECTOR * sizeof(double));
			break;
		case STRATA_CLASS_TEXT:
			e->tbuf = palloc0(STRATA_VECTOR * sizeof(char *));
			break;
		default:
			e->buf = palloc0(STRATA_VECTOR * sizeof(int64));
	}
	e->nbuf = palloc0(BATCH_WORDS * sizeof(uint64));
	return e;
}

uint8 *
strata_expr_scales_room(StrataExpr *e)
{
	if (!e->sbuf)
		e->sbuf = MemoryContextAllocZero(GetMemoryChunkContext(e), STRATA_VECTOR);
	return e->sbuf;
}

StrataSum *
strata_expr_wide_room(StrataExpr *e)
{
	if (!e->wbuf)
		e->wbuf = MemoryContextAllocZero(GetMemoryChunkContext(e), STRATA_VECTOR * sizeof(StrataSum));
	return e->wbuf;
}

void
strata_expr_widen(StrataExpr *e)
{
	if (!strata_arith_can_widen(e) && !strata_case_can_widen(e))
		return;
	e->widens = true;
	if (e->outside)
		e->outside->why = NULL;
	if (strata_arith_is_quotient(e))
		return;
	for (int i = 0; i < e->nargs; i++)
		strata_expr_widen(e->args[i]);
}

void
strata_expr_own(StrataExpr *e)
{
	e->vw = NULL;
	e->vi = e->buf;
	e->vf = e->fbuf;
	e->vt = e->tbuf;
	e->vscale = NULL;
	e->scale = 0;
	e->bounded = false;
}

void
strata_expr_share(StrataExpr *e, const StrataExpr *from)
{
	e->vi = from->vi;
	e->vw = NULL;
	e->vf = from->vf;
	e->vt = from->vt;
	e->vnulls = from->vnulls;
	e->scale = from->scale;
	e->vscale = from->vscale;
	e->bounded = false;
}

bool
strata_expr_heavy(const StrataExpr *e)
{
	if (!e)
		return false;
	if (e->kind == STRATA_EXPR_VALUE || (e->kind == STRATA_EXPR_CALL && e->cls == STRATA_CLASS_TEXT))
		return true;
	for (int i = 0; i < e->nargs; i++)
		if (strata_expr_heavy(e->args[i]) ||
			(e->kind == STRATA_EXPR_CALL && e->args[i]->cls == STRATA_CLASS_TEXT &&
			 e->args[i]->kind != STRATA_EXPR_CONST))
			return true;
	for (int i = 0; i < e->npreds; i++)
		if (strata_pred_heavy(e->preds[i]))
			return true;
	return false;
}

/* ---- compiling ---- */

static StrataExpr *
compile_column(StrataBatch *in, const Var *var)
{
	StrataExpr *e;
	int col;

	col = in->column(in, var);
	if (col < 0 || !in->cols[col]->storable || in->cols[col]->type != var->vartype)
		return NULL;
	e = strata_expr_new(STRATA_EXPR_COLUMN, var->vartype);
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

bool
strata_node_is_const(Node *node)
{
	return !varying_walker(node, NULL) && !contain_volatile_functions(node);
}

static StrataExpr *
compile_constant(StrataBatch *in, Node *node)
{
	StrataExpr *e;

	if (!strata_node_is_const(node))
		return NULL;
	e = strata_expr_new(STRATA_EXPR_CONST, exprType(node));
	if (!e)
		return NULL;
	e->const_state = ExecInitExpr((Expr *)node, in->ps);
	e->const_econtext = in->econtext;
	e->const_fixed = IsA(node, Const);
	e->const_static = IsA(node, Const) || IsA(node, Param);
	e->const_param =
		IsA(node, Param) && ((Param *)node)->paramkind == PARAM_EXEC ? ((Param *)node)->paramid : -1;
	return e;
}

StrataExpr *
strata_expr_call(StrataBatch *in, Oid type, List *args,
				 bool (*eval)(StrataBatch *, StrataExpr *, const uint64 *))
{
	StrataExpr *e = strata_expr_new(STRATA_EXPR_CALL, type);
	ListCell *lc;

	if (!e)
		return NULL;
	e->eval = eval;
	e->args = palloc(sizeof(StrataExpr *) * Max(list_length(args), 1));
	foreach (lc, args)
	{
		StrataExpr *a = strata_expr_compile(in, lfirst(lc));

		if (!a)
			return NULL;
		e->args[e->nargs++] = a;
	}
	return e;
}

static StrataExpr *
compile_function(StrataBatch *in, Node *node, Oid func, List *args, Oid result)
{
	StrataExpr *e = strata_arith_compile(in, func, args, result);

	if (e && strata_arith_is_quotient(e))
	{
		e->coded = strata_value_compile(in, node);
		if (!e->coded)
			return NULL;
		strata_note_outside(in, node);
		e->outside = llast(in->outside);
		e->outside->why = "quotients of numerics have a vector form in sums and averages only";
	}
	if (!e)
		e = strata_time_compile(in, node, func, args, result);
	if (!e)
		e = strata_text_compile(in, func, args, result, exprInputCollation(node));
	return e;
}

/* The same value under another name. */
static StrataExpr *
compile_relabel(StrataBatch *in, RelabelType *relabel)
{
	StrataExpr *a = strata_expr_compile(in, (Node *)relabel->arg);
	StrataExpr probe = {0};

	if (!a || !set_class(&probe, relabel->resulttype) || probe.cls != a->cls || probe.lo != a->lo ||
		probe.hi != a->hi || (a->type == BPCHAROID) != (relabel->resulttype == BPCHAROID))
		return NULL;
	return a;
}

/* A condition as a value. */
static bool
eval_condition(StrataBatch *in, StrataExpr *e, const uint64 *mask)
{
	uint64 is_true[BATCH_WORDS];

	strata_expr_own(e);
	if (!strata_pred_eval(in, e->preds[0], mask, is_true, e->nbuf))
		return false;
	for (unsigned i = 0; i < in->n; i++)
		e->buf[i] = is_true[i / 64] >> (i % 64) & 1;
	e->vnulls = e->nbuf;
	return true;
}

static StrataExpr *
compile_condition(StrataBatch *in, Node *node)
{
	StrataPred *p = strata_pred_native(in, node);
	StrataExpr *e;

	if (!p)
		return NULL;
	e = strata_expr_new(STRATA_EXPR_CALL, BOOLOID);
	e->eval = eval_condition;
	e->npreds = 1;
	e->preds = palloc(sizeof(StrataPred *));
	e->preds[0] = p;
	return e;
}

StrataExpr *
strata_expr_native(StrataBatch *in, Node *node)
{
	StrataExpr *e = NULL;

	check_stack_depth();
	switch (nodeTag(node))
	{
		case T_Var:
			return compile_column(in, (Var *)node);
		case T_RelabelType:
			return compile_relabel(in, (RelabelType *)node);
		case T_OpExpr:
			if (exprType(node) == BOOLOID)
				return compile_condition(in, node);
			set_opfuncid((OpExpr *)node);
			e = compile_function(in, node, ((OpExpr *)node)->opfuncid, ((OpExpr *)node)->args,
								 ((OpExpr *)node)->opresulttype);
			break;
		case T_FuncExpr:
			e = compile_function(in, node, ((FuncExpr *)node)->funcid, ((FuncExpr *)node)->args,
								 ((FuncExpr *)node)->funcresulttype);
			break;
		case T_BoolExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_ScalarArrayOpExpr:
		case T_DistinctExpr:
			return compile_condition(in, node);
		case T_CaseExpr:
		case T_CoalesceExpr:
		case T_NullIfExpr:
		case T_MinMaxExpr:
			e = strata_case_compile(in, node);
			break;
		default:
			return NULL;
	}
	/* Work on strings is done once a code where one column says it all. */
	if (e && !e->coded && strata_expr_heavy(e))
	{
		e->coded = strata_value_compile(in, node);
		if (e->coded && e->coded->col < 0)
			e->coded = NULL;
	}
	return e;
}

StrataExpr *
strata_expr_compile(StrataBatch *in, Node *node)
{
	List *outside = list_copy(in->outside);
	StrataExpr *e = compile_constant(in, node);

	if (!e)
		e = strata_expr_native(in, node);
	if (e)
		return e;
	in->outside = outside;
	e = strata_value_compile(in, node);
	if (e)
		strata_note_outside(in, node);
	return e;
}

/* Is there anything that neither a vector form nor PostgreSQL's evaluator can be asked at any row? */
static bool
unspeakable_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
			return ((Var *)node)->varattno <= 0 || ((Var *)node)->varlevelsup != 0;
		case T_SubPlan:
		case T_AlternativeSubPlan:
		case T_SubLink:
		case T_Aggref:
		case T_GroupingFunc:
		case T_WindowFunc:
		case T_CurrentOfExpr:
		case T_PlaceHolderVar:
		case T_NextValueExpr:
			return true;
		default:
			return expression_tree_walker(node, unspeakable_walker, context);
	}
}

/* The same question at plan time, when there is no scan to compile for. */
bool
strata_expr_speaks(Node *node)
{
	StrataExpr probe = {0};

	return set_class(&probe, exprType(node)) && !unspeakable_walker(node, NULL) &&
		   !contain_volatile_functions(node) && !expression_returns_set(node);
}

bool
strata_expr_is_const(const StrataExpr *e)
{
	return e->kind == STRATA_EXPR_CONST;
}

bool
strata_expr_is_column(const StrataExpr *e)
{
	return e->kind == STRATA_EXPR_COLUMN;
}

bool
strata_expr_is_plain(const StrataExpr *e)
{
	if (e->kind != STRATA_EXPR_CONST)
		return false;
	if (e->const_ready)
		return true;
	return e->const_static &&
		   (e->const_param < 0 || e->const_econtext->ecxt_param_exec_vals[e->const_param].execPlan == NULL);
}

bool
strata_expr_quiet(const StrataExpr *e)
{
	if (!e)
		return true;
	for (int i = 0; i < e->nargs; i++)
		if (!strata_expr_quiet(e->args[i]))
			return false;
	for (int i = 0; i < e->npreds; i++)
		if (!strata_pred_quiet(e->preds[i]))
			return false;
	switch (e->kind)
	{
		case STRATA_EXPR_CONST:
			return strata_expr_is_plain(e);
		case STRATA_EXPR_VALUE:
			return strata_value_quiet(e);
		default:
			/* an interval that is computed first */
			return (!e->const_state || e->const_fixed) && strata_expr_quiet(e->coded);
	}
}

/* ---- constants ---- */

static void
const_fill(StrataExpr *e)
{
	for (int i = 0; i < STRATA_VECTOR; i++)
	{
		if (e->cls == STRATA_CLASS_F64)
			e->fbuf[i] = e->const_f;
		else if (e->cls == STRATA_CLASS_TEXT)
			e->tbuf[i] = e->const_t;
		else
			e->buf[i] = e->const_i;
	}
	memset(e->nbuf, e->const_null ? 0xff : 0, BATCH_WORDS * sizeof(uint64));
}

static void
const_store(StrataExpr *e, Datum d)
{
	StrataInt128 v;
	MemoryContext old;

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
		case OIDOID:
			e->const_i = DatumGetObjectId(d);
			break;
		case FLOAT4OID:
			e->const_f = DatumGetFloat4(d);
			break;
		case FLOAT8OID:
			e->const_f = DatumGetFloat8(d);
			break;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			if (e->const_t)
				pfree(e->const_t);
			old = MemoryContextSwitchTo(GetMemoryChunkContext(e));
			e->const_t = DatumGetPointer(PointerGetDatum(PG_DETOAST_DATUM_COPY(d)));
			MemoryContextSwitchTo(old);
			break;
		case NUMERICOID:
			strata_numeric_bound(d, &e->const_bound);
			if (!strata_numeric_split(d, &v, &e->const_scale) || v > PG_INT64_MAX || v < PG_INT64_MIN ||
				e->const_scale > STRATA_MAX_SCALE)
				e->const_irregular = true;
			else
				e->const_i = (int64)v;
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
		e->const_filled = false;
	}
	return !e->const_irregular;
}

void
strata_expr_rescan(StrataExpr *e)
{
	if (!e)
		return;
	if (!e->const_fixed)
		e->const_ready = false;
	for (int i = 0; i < e->nargs; i++)
		strata_expr_rescan(e->args[i]);
	for (int i = 0; i < e->npreds; i++)
		strata_pred_rescan(e->preds[i]);
	strata_expr_rescan(e->coded);
	if (e->kind == STRATA_EXPR_VALUE)
		strata_value_rescan(e);
}

/* ---- evaluation ---- */

static void
merge_nulls(StrataExpr *e)
{
	bool any = false;

	e->vnulls = NULL;
	for (int k = 0; k < e->nargs; k++)
	{
		const uint64 *nulls = e->args[k]->vnulls;

		if (!nulls)
			continue;
		if (!any)
			memcpy(e->nbuf, nulls, BATCH_WORDS * sizeof(uint64));
		else
			for (int w = 0; w < BATCH_WORDS; w++)
				e->nbuf[w] |= nulls[w];
		any = true;
		e->vnulls = e->nbuf;
	}
}

bool
strata_expr_args(StrataBatch *in, StrataExpr *e, const uint64 *mask)
{
	for (int k = 0; k < e->nargs; k++)
		if (!strata_expr_eval(in, e->args[k], mask))
			return false;
	return true;
}

bool
strata_expr_begin(StrataBatch *in, StrataExpr *e, const uint64 *mask, uint64 *live)
{
	if (!strata_expr_args(in, e, mask))
		return false;
	strata_expr_own(e);
	merge_nulls(e);
	strata_expr_live(mask, e->vnulls, live);
	return true;
}

static void
column_bounds(const StrataColumn *col, StrataExpr *e)
{
	e->bounded = col->source == STRATA_FROM_SEGMENT && (col->seg->flags & STRATA_SEG_HAS_RANGE);
	if (e->bounded)
		strata_segment_vector_bounds(col->seg, col->owner->cur_vector, &e->min, &e->max);
}

static bool
eval_column(StrataBatch *in, StrataExpr *e)
{
	StrataColumn *col = in->cols[e->col];

	e->vnulls = col->nulls;
	e->vscale = NULL;
	e->bounded = false;
	switch (e->cls)
	{
		case STRATA_CLASS_F64:
			e->vf = strata_col_f64(col);
			return e->vf != NULL;
		case STRATA_CLASS_TEXT:
			e->vt = strata_col_bytes(col);
			return e->vt != NULL;
		default:
			e->vi = strata_col_i64(col);
			e->scale = strata_col_scale(col);
			if (!e->vi || e->scale > STRATA_MAX_SCALE)
				return false;
			column_bounds(col, e);
			return true;
	}
}

static bool
eval_const(StrataExpr *e)
{
	if (!strata_expr_const(e))
		return false;
	/* Comparisons with a constant do without the vector, and a node that is rescanned often has no time for it. */
	if (!e->const_filled)
		const_fill(e);
	e->const_filled = true;
	strata_expr_own(e);
	e->vnulls = e->const_null ? e->nbuf : NULL;
	e->scale = e->const_scale;
	e->bounded = true;
	e->min = e->max = e->const_i;
	return true;
}

bool
strata_expr_eval(StrataBatch *in, StrataExpr *e, const uint64 *mask)
{
	switch (e->kind)
	{
		case STRATA_EXPR_COLUMN:
			return eval_column(in, e);
		case STRATA_EXPR_CONST:
			return eval_const(e);
		case STRATA_EXPR_VALUE:
			return strata_value_eval(in, e, mask);
		default:
			break;
	}
	if (e->coded && strata_value_by_code(in, e->coded))
	{
		if (!strata_value_eval(in, e->coded, mask))
			return false;
		strata_expr_share(e, e->coded);
		return true;
	}
	return e->eval(in, e, mask);
}

int
strata_expr_scale(const StrataExpr *e, const uint64 *rows)
{
	int scale = 0;

	if (!e->vscale)
		return e->scale;
	FOREACH_ROW(rows, i, { scale = Max(scale, e->vscale[i]); });
	return scale;
}
