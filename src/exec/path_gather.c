/*
 * path_gather.c - paths and plans of StrataGather, and what its query workers may evaluate.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"

#include "exec/gather.h"
#include "exec/paths.h"
#include "exec/query_workers.h"

static CustomPathMethods gather_path_methods;

static bool
function_of_others(Oid function, void *context)
{
	return function >= FirstNormalObjectId;
}

static bool
is_record(Oid type)
{
	return type == RECORDOID || type == RECORDARRAYOID;
}

static bool
others_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubPlan) || IsA(node, CoerceToDomain) ||
		(IsA(node, Param) && ((Param *)node)->paramkind != PARAM_EXTERN) ||
		(IsA(node, MinMaxExpr) && ((MinMaxExpr *)node)->minmaxtype >= FirstNormalObjectId) ||
		check_functions_in_node(node, function_of_others, NULL))
		return true;
	/* Each process numbers the row types of its records for itself. */
	if (IsA(node, RowExpr) ||
		((IsA(node, Var) || IsA(node, Const) || IsA(node, Param) || IsA(node, FuncExpr)) &&
		 is_record(exprType(node))))
		return true;
	return expression_tree_walker(node, others_walker, context);
}

/*
 * Immutable functions of PostgreSQL's own: they ask nothing of the session that a query worker would not
 * know, and do nothing that would stay behind in it.  Values of subqueries are handed to parallel workers
 * only.
 */
bool
strata_crew_evaluates(Node *node)
{
	return !contain_mutable_functions(node) && !others_walker(node, NULL);
}

Path *
strata_gather_path(PlannerInfo *root, RelOptInfo *rel, Path *partial, PathTarget *target)
{
	CustomPath *path = makeNode(CustomPath);

	path->path.pathtype = T_CustomScan;
	path->path.parent = rel;
	path->path.pathtarget = target;
	path->path.parallel_aware = false; /* not yet: strata_gather_planned() */
	path->path.parallel_safe = false;
	path->path.parallel_workers = 0;
	path->path.rows = partial->rows * partial->parallel_workers;
	path->path.startup_cost = partial->startup_cost + CREW_PART * parallel_setup_cost;
	path->path.total_cost =
		partial->total_cost + CREW_PART * parallel_setup_cost + parallel_tuple_cost * path->path.rows;
	path->custom_paths = list_make1(partial);
	path->custom_private = list_make1(makeInteger(partial->parallel_workers));
	path->methods = &gather_path_methods;
	return &path->path;
}

/* The plan may hold what the path did not show, of a partition, say. */
static bool
crew_does(Plan *plan)
{
	CustomScan *scan = (CustomScan *)plan;
	ListCell *lc;

	if (!IsA(plan, CustomScan) || plan->initPlan || !strata_crew_evaluates((Node *)plan->qual) ||
		!strata_crew_evaluates((Node *)plan->targetlist) ||
		!strata_crew_evaluates((Node *)scan->custom_scan_tlist) ||
		!strata_crew_evaluates((Node *)scan->custom_exprs))
		return false;
	foreach (lc, scan->custom_plans)
		if (!crew_does(lfirst(lc)))
			return false;
	return true;
}

/*
 * Takes the mark of parallel-aware nodes off, and lists them.  Where a query has parameters, the planner
 * refuses such nodes when there is no Gather of its own above; they get the mark back when it is done
 * (strata_gather_planned).
 */
static List *
unmark(List *list, Plan *plan)
{
	ListCell *lc;

	if (plan == NULL)
		return list;
	if (plan->parallel_aware)
		list = lappend(list, plan);
	plan->parallel_aware = false;
	list = unmark(unmark(list, plan->lefttree), plan->righttree);
	if (IsA(plan, CustomScan))
		foreach (lc, ((CustomScan *)plan)->custom_plans)
			list = unmark(list, lfirst(lc));
	if (IsA(plan, Append))
		foreach (lc, ((Append *)plan)->appendplans)
			list = unmark(list, lfirst(lc));
	return list;
}

void
strata_gather_planned(List *nodes)
{
	ListCell *lc;

	foreach (lc, nodes)
		((Plan *)lfirst(lc))->parallel_aware = true;
}

static Plan *
plan_gather(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses,
			List *custom_plans)
{
	CustomScan *gather = makeNode(CustomScan);
	Plan *child = linitial(custom_plans);

	gather->scan.plan.targetlist = tlist;
	gather->scan.scanrelid = 0;
	gather->flags = path->flags;
	gather->custom_plans = custom_plans;
	gather->custom_scan_tlist = copyObject(child->targetlist);
	gather->custom_private = list_make2(linitial(path->custom_private), makeInteger(crew_does(child)));
	gather->methods = &strata_gather_methods;
	/* It shares something in the parallel context: its own node. */
	strata_parallel_aware_later(lappend(unmark(NIL, child), gather));
	/* The executor goes into parallel mode for it. */
	root->glob->parallelModeNeeded = true;
	return &gather->scan.plan;
}

static CustomPathMethods gather_path_methods = {
	.CustomName = "StrataGather",
	.PlanCustomPath = plan_gather,
};
