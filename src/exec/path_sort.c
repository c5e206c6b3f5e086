/*
 * path_sort.c - paths and plans of StrataTopN.
 *
 * Offered where the last step of a query is a sort of which only the first rows are wanted, over a scan or join that
 * makes batches, and where both what is returned and what is sorted by are columns: expressions of the target list
 * would otherwise be evaluated for the rows returned only, and errors that PostgreSQL raises would be missing.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planmain.h"
#include "optimizer/tlist.h"

#include "exec/paths.h"
#include "exec/topn.h"

/* More rows than this are PostgreSQL's to sort: its sort can spill. */
#define MAX_ROWS 100000

/* A comparison of the first key with the bound, and now and then a row into the buffer. */
#define TOPN_ROW_COST 0.0002

static CustomPathMethods topn_path_methods;

/* The target's columns.  False: it has something else than columns and constants. */
static bool
target_columns(PathTarget *target, List **vars)
{
	ListCell *lc;

	*vars = NIL;
	foreach (lc, target->exprs)
	{
		Node *node = lfirst(lc);

		while (IsA(node, RelabelType))
			node = (Node *) ((RelabelType *) node)->arg;
		if (IsA(node, Const) || IsA(node, Param))
			continue;
		if (!IsA(node, Var) || ((Var *) node)->varlevelsup != 0 || ((Var *) node)->varattno <= 0)
			return false;
		*vars = list_append_unique(*vars, node);
	}
	return true;
}

/* Numbers and times, in the order of our kernels. */
static bool
can_be_bound(const Var *var, Oid sortop)
{
	StrataCmp cmp;
	Oid		  left, right;

	switch (var->vartype)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case NUMERICOID:
		case FLOAT4OID:
		case FLOAT8OID:
			return strata_operator_meaning(sortop, &cmp, &left, &right) && (cmp == STRATA_LT || cmp == STRATA_GT) &&
				left == var->vartype && right == var->vartype;
		default:
			return false;
	}
}

/* The keys in the form of STRATA_TOPN_KEY; NIL when one is no column. */
static List *
sort_keys(PlannerInfo *root, List **vars)
{
	List	 *keys = NIL;
	ListCell *lc;

	foreach (lc, root->parse->sortClause)
	{
		SortGroupClause *sgc = lfirst_node(SortGroupClause, lc);
		Node			*expr = get_sortgroupclause_expr(sgc, root->processed_tlist);
		Oid				 collation = exprCollation(expr);
		int				 at = 0;
		ListCell		*lv;

		while (IsA(expr, RelabelType))
			expr = (Node *) ((RelabelType *) expr)->arg;
		if (!IsA(expr, Var) || ((Var *) expr)->varlevelsup != 0 || ((Var *) expr)->varattno <= 0)
			return NIL;
		/* Without a bound to compare with, every row would have to be kept and sorted. */
		if (keys == NIL && !can_be_bound((Var *) expr, sgc->sortop))
			return NIL;
		*vars = list_append_unique(*vars, expr);
		foreach (lv, *vars)
		{
			if (equal(lfirst(lv), expr))
				break;
			at++;
		}
		keys = lappend(keys, list_make4_int(at, sgc->sortop, collation, sgc->nulls_first));
	}
	return keys;
}

void
strata_add_topn_path(PlannerInfo *root, RelOptInfo *input_rel, RelOptInfo *output_rel)
{
	PathTarget *target = root->upper_targets[UPPERREL_ORDERED];
	double		limit = root->limit_tuples;
	StrataPath *input;
	CustomPath *path;
	List	   *vars, *keys;
	ListCell   *lc;

	if (!target || limit < 1 || limit > MAX_ROWS || root->parse->commandType != CMD_SELECT || root->rowMarks != NIL ||
		root->parse->hasTargetSRFs || root->parse->hasAggs || root->parse->groupClause != NIL ||
		root->parse->groupingSets != NIL || root->parse->distinctClause != NIL || root->parse->hasWindowFuncs ||
		root->parse->setOperations != NULL || root->parse->limitOption == LIMIT_OPTION_WITH_TIES)
		return;
	input = strata_batch_path(root, input_rel, false);
	if (!input)
		return;
	foreach (lc, input_rel->baserestrictinfo)
		if (lfirst_node(RestrictInfo, lc)->pseudoconstant || contain_volatile_functions((Node *) lfirst(lc)))
			return;
	if (!target_columns(target, &vars))
		return;
	keys = sort_keys(root, &vars);
	if (keys == NIL)
		return;
	path = makeNode(CustomPath);
	path->path.pathtype = T_CustomScan;
	path->path.parent = output_rel;
	path->path.pathtarget = target;
	path->path.parallel_safe = false;
	path->path.pathkeys = root->sort_pathkeys;
	path->path.rows = Min(limit, input->cpath.path.rows);
	path->path.startup_cost = input->batch_total + input->cpath.path.rows * TOPN_ROW_COST;
	path->path.total_cost = path->path.startup_cost + path->path.rows * cpu_tuple_cost;
	path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->custom_paths = list_make1(input);
	path->custom_private = list_make3(makeInteger((int) limit), keys, vars);
	path->methods = &topn_path_methods;
	add_path(output_rel, &path->path);
}

static Plan *
plan_topn(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses, List *custom_plans)
{
	CustomScan *top = makeNode(CustomScan);
	ListCell   *lc;

	top->scan.plan.targetlist = tlist;
	top->scan.scanrelid = 0;
	top->flags = path->flags;
	top->custom_plans = custom_plans;
	top->methods = &strata_topn_methods;
	foreach (lc, (List *) lthird(path->custom_private))
		top->custom_scan_tlist =
			lappend(top->custom_scan_tlist,
					makeTargetEntry(copyObject(lfirst(lc)), list_length(top->custom_scan_tlist) + 1, NULL, false));
	top->custom_private = list_make2(linitial(path->custom_private), lsecond(path->custom_private));
	return &top->scan.plan;
}

static CustomPathMethods topn_path_methods = {
	.CustomName = "StrataTopN",
	.PlanCustomPath = plan_topn,
};
