/*
 * memo.c - see memo.h.
 *
 * A correlated subquery such as
 *
 *     SELECT avg(quantity) FROM line WHERE part = outer.part AND shipped < '1995-01-01'
 *
 * is an aggregate over a scan with a qual `column = parameter`, and is asked anew for each outer row.  After
 * a few scans the aggregate makes one more, without that qual, grouped by the column: from then on its answer
 * is looked up.  A value that no row has is answered as nothing is, and so is a NULL, as the equality is
 * strict.
 *
 * The same rows are seen by every scan, since all have the query's snapshot.  But the scan for all groups
 * looks at rows that no outer row may ever have asked for, and must raise no error for them.  So what cannot
 * be evaluated by vectors alone, or by functions that raise no errors, is not remembered; and when the scan
 * comes upon a vector that is irregular (exec.h), a sum that overflows, or more groups than fit into memory,
 * it is given up for good.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "exec/memo.h"

/* ---- which quals ---- */

static Node *
strip_relabel(Node *node)
{
	while (IsA(node, RelabelType))
		node = (Node *)((RelabelType *)node)->arg;
	return node;
}

/* The number of the parameter that the value is, perhaps widened, which raises no error; -1: it is none. */
static int
param_of(Node *value)
{
	for (;;)
	{
		value = strip_relabel(value);
		if (!IsA(value, FuncExpr))
			break;
		switch (((FuncExpr *)value)->funcid)
		{
			case F_INT4_INT2:
			case F_INT8_INT2:
			case F_INT8_INT4:
			case F_NUMERIC_INT2:
			case F_NUMERIC_INT4:
			case F_NUMERIC_INT8:
			case F_FLOAT4_INT2:
			case F_FLOAT4_INT4:
			case F_FLOAT8_INT2:
			case F_FLOAT8_INT4:
			case F_FLOAT8_INT8:
			case F_FLOAT8_FLOAT4:
				value = linitial(((FuncExpr *)value)->args);
				continue;
			default:
				return -1;
		}
	}
	if (!IsA(value, Param) || ((Param *)value)->paramkind != PARAM_EXEC)
		return -1;
	return ((Param *)value)->paramid;
}

bool
strata_memo_qual(Node *qual, Index relid, Node **column, Node **value, int *param)
{
	OpExpr *op = (OpExpr *)qual;
	Node *bare;

	if (!IsA(qual, OpExpr) || list_length(op->args) != 2)
		return false;
	for (int side = 0; side < 2; side++)
	{
		*column = list_nth(op->args, side);
		*value = list_nth(op->args, 1 - side);
		bare = strip_relabel(*column);
		*param = param_of(*value);
		if (IsA(bare, Var) && ((Var *)bare)->varno == relid && ((Var *)bare)->varlevelsup == 0 && *param >= 0)
			return strata_lookup_key_supported(*column, *value, op->opno, op->inputcollid);
	}
	return false;
}

typedef struct Params
{
	Bitmapset *params;
	bool subplans;
} Params;

static bool
params_walker(Node *node, void *context)
{
	Params *p = context;

	if (node == NULL)
		return false;
	if (IsA(node, Param) && ((Param *)node)->paramkind == PARAM_EXEC)
		p->params = bms_add_member(p->params, ((Param *)node)->paramid);
	/* What a subplan depends on is not to be seen here. */
	if (IsA(node, SubPlan) || IsA(node, AlternativeSubPlan))
		p->subplans = true;
	return expression_tree_walker(node, params_walker, context);
}

bool
strata_memo_serves(const CustomScan *agg, List *params)
{
	CustomScan *scan = linitial_node(CustomScan, agg->custom_plans);
	Bitmapset *keys = NULL;
	Params others = {0};
	ListCell *lc;
	int param;

	foreach (lc, scan->scan.plan.qual)
	{
		Node *column, *value;

		if (strata_memo_qual(lfirst(lc), scan->scan.scanrelid, &column, &value, &param))
			keys = bms_add_member(keys, param);
		else
			params_walker(lfirst(lc), &others);
	}
	params_walker((Node *)agg->custom_scan_tlist, &others);
	/* What a subquery depends on whose result is read is not to be seen here either. */
	foreach (lc, agg->scan.plan.initPlan)
	{
		ListCell *result;

		foreach (result, lfirst_node(SubPlan, lc)->setParam)
			others.subplans |= bms_is_member(lfirst_int(result), others.params);
	}
	foreach (lc, params)
		if (bms_is_member(lfirst_int(lc), others.params))
			return false;
	return !bms_is_empty(keys) && !others.subplans;
}

static void
add_candidate(StrataMemo *m, int qual, Node *column, Node *value, int param, PlanState *ps)
{
	StrataMemoKey *key = &m->candidates[m->ncandidates++];
	StrataType type;

	strata_column_type(exprType(value), &type);
	key->qual = qual;
	key->column = column;
	key->param = param;
	key->value = ExecInitExpr((Expr *)value, ps);
	key->type = exprType(value);
	key->rep = type.rep;
}

StrataMemo *
strata_memo_create(StrataScanState *scan, StrataAgg *aggs, int naggs, int after, PlanState *ps)
{
	CustomScan *plan = (CustomScan *)scan->css.ss.ps.plan;
	StrataMemo *m = palloc0(sizeof(StrataMemo));
	Params others = {0};
	int number = 0;
	ListCell *lc;

	m->scan = scan;
	m->aggs = aggs;
	m->naggs = naggs;
	m->after = after;
	m->candidates = palloc0(sizeof(StrataMemoKey) * Max(scan->npreds, 1));
	m->keys = palloc0(sizeof(StrataMemoKey) * Max(scan->npreds, 1));
	m->grouped = palloc0(sizeof(Node *) * Max(scan->npreds, 1));
	foreach (lc, plan->scan.plan.qual)
	{
		Node *column, *value;
		int param;

		/* 32 bits say which keys are NULL. */
		if (m->ncandidates < 32 &&
			strata_memo_qual(lfirst(lc), plan->scan.scanrelid, &column, &value, &param))
			add_candidate(m, number, column, value, param, ps);
		else
			params_walker(lfirst(lc), &others);
		number++;
	}
	for (int a = 0; a < naggs; a++)
	{
		/* Elements of an array may have no order, which is an error when two of them meet. */
		if (aggs[a].kind == AGG_CHOOSE && OidIsValid(get_element_type(aggs[a].argtype)))
			return NULL;
		params_walker((Node *)aggs[a].ref, &others);
	}
	m->other_params = others.params;
	return m->ncandidates > 0 && !others.subplans && !plan->scan.plan.initPlan &&
				   !plan->scan.plan.parallel_aware
			   ? m
			   : NULL;
}

/* ---- when ---- */

static bool
is_candidate(const StrataMemo *m, int param)
{
	for (int k = 0; k < m->ncandidates; k++)
		if (m->candidates[k].param == param)
			return true;
	return false;
}

/* Those of the parameters that the rows to aggregate depend on by `column = parameter` alone. */
static Bitmapset *
keys_among(const StrataMemo *m, const Bitmapset *params)
{
	Bitmapset *keys = NULL;
	int p = -1;

	while ((p = bms_next_member(params, p)) >= 0)
		if (is_candidate(m, p))
			keys = bms_add_member(keys, p);
	return keys;
}

void
strata_memo_rescan(StrataMemo *m, const Bitmapset *changed)
{
	Bitmapset *keys;

	if (m->failed || changed == NULL)
		return;
	if (bms_overlap(changed, m->other_params))
	{
		m->built = false;
		m->scans = 0;
		bms_free(m->changed);
		m->changed = NULL;
		return;
	}
	keys = keys_among(m, changed);
	if (m->built && !bms_is_subset(keys, m->params))
		m->built = false;
	if (!bms_is_subset(keys, m->changed))
	{
		MemoryContext old = MemoryContextSwitchTo(m->scan->css.ss.ps.state->es_query_cxt);

		m->changed = bms_add_members(m->changed, keys);
		MemoryContextSwitchTo(old);
	}
	bms_free(keys);
}

/* May everything be evaluated for rows that were not asked for? */
static bool
quiet(const StrataMemo *m)
{
	for (int i = 0; i < m->scan->npreds; i++)
		if (!bms_is_member(i, m->quals) && !strata_pred_quiet(m->scan->preds[i]))
			return false;
	for (int a = 0; a < m->naggs; a++)
		if (!strata_expr_quiet(m->aggs[a].expr) ||
			(m->aggs[a].filter && !strata_pred_quiet(m->aggs[a].filter)))
			return false;
	return true;
}

/* A parameter that is the result of a subquery which has not run may never be needed. */
static bool
pending(const StrataMemo *m, ExprContext *econtext)
{
	for (int k = 0; k < m->nkeys; k++)
		if (econtext->ecxt_param_exec_vals[m->keys[k].param].execPlan)
			return true;
	return false;
}

bool
strata_memo_due(StrataMemo *m, ExprContext *econtext)
{
	MemoryContext old;

	if (m->failed || m->built || m->changed == NULL)
		return false;
	if (m->scans < m->after)
	{
		m->scans++;
		return false;
	}
	old = MemoryContextSwitchTo(m->scan->css.ss.ps.state->es_query_cxt);
	m->nkeys = 0;
	bms_free(m->params);
	bms_free(m->quals);
	m->params = m->quals = NULL;
	for (int k = 0; k < m->ncandidates; k++)
		if (bms_is_member(m->candidates[k].param, m->changed))
		{
			m->keys[m->nkeys++] = m->candidates[k];
			m->params = bms_add_member(m->params, m->candidates[k].param);
			m->quals = bms_add_member(m->quals, m->candidates[k].qual);
		}
	MemoryContextSwitchTo(old);
	if (pending(m, econtext) || !quiet(m))
		m->failed = true;
	return !m->failed;
}

/* ---- lookups ---- */

uint32
strata_memo_find(StrataMemo *m, StrataGroups *g, ExprContext *econtext)
{
	int64 norm[32];
	uint32 special = 0, gid = STRATA_NO_GROUP;
	MemoryContext old;
	bool there = true;

	m->lookups++;
	ResetExprContext(econtext);
	old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
	for (int k = 0; k < m->nkeys && there; k++)
	{
		const StrataMemoKey *key = &m->keys[k];
		bool null, sp = false;
		Datum d = ExecEvalExpr(key->value, econtext, &null);

		there = !null && strata_key_sought(g, &g->keys[k], k, key->type, key->rep, d, &norm[k], &sp);
		special |= (uint32)sp << k;
	}
	if (there)
		gid = strata_groups_seek(g, norm, special);
	MemoryContextSwitchTo(old);
	return gid;
}
