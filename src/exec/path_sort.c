/*
 * path_sort.c - paths and plans of StrataTopN and StrataSort.
 *
 * StrataTopN is offered where the last step of a query is a sort of which only the first rows are wanted, over a scan or
 * join that makes batches.
 *
 * StrataSort is offered as a path of the relation or join itself that has the order which the rest of the query would
 * like: that of its GROUP BY, its first window, DISTINCT or ORDER BY, whichever comes first.  So whatever PostgreSQL does
 * with rows in order finds it beside index scans and chooses by cost.  Where joins of ours are not to be had, it
 * is offered for merge joins as well.
 *
 * When a query stops early, both want nothing but columns in what is returned: expressions of the target list would
 * be evaluated for the returned rows only, and errors that PostgreSQL raises would be missing.
 */
#include "postgres.h"

#include <math.h>

#include "access/stratnum.h"
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
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"

#include "exec/order.h"
#include "exec/paths.h"
#include "exec/runs.h"
#include "exec/sort.h"
#include "exec/topn.h"

/* More rows than this are PostgreSQL's to sort: its sort can spill. */
#define MAX_ROWS 100000

/* A comparison of the first key with the bound, and now and then a row into the buffer. */
#define TOPN_ROW_COST 0.0002

/* A row into the order: bits made of each key, and some 23 levels of a branchless partition. */
#define SORT_ROW_COST 0.008
#define SORT_KEY_COST 0.002

/* A string as a key or beside it: its bytes are fetched from anywhere. */
#define BYTES_KEY_COST 0.03
#define BYTES_KEEP_COST 0.005

/* A row into a file, back, and through the merge, beside the pages that it fills. */
#define MERGE_ROW_COST 0.012

/* Contexts and arrays of a sort, whatever it sorts: some 10 us. */
#define SORT_COST 5.0

static CustomPathMethods topn_path_methods;
static CustomPathMethods sort_path_methods;

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

/* The keys in the form of STRATA_ORDER_KEY_INTS; NIL when one is no column. */
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

/* ---- all rows ---- */

/* Keys in the form of STRATA_ORDER_KEY_INTS, numbers of `vars`; NIL when one is no column of the relation. */
static List *
pathkey_specs(RelOptInfo *rel, List *pathkeys, List *vars)
{
	List *specs = NIL;
	ListCell *lc, *lm, *lv;

	foreach (lc, pathkeys)
	{
		PathKey *pathkey = lfirst_node(PathKey, lc);
		EquivalenceClass *ec = pathkey->pk_eclass;
		List *spec = NIL;

		if (ec->ec_has_volatile)
			return NIL;
		foreach (lm, ec->ec_members)
		{
			EquivalenceMember *em = lfirst_node(EquivalenceMember, lm);
			Node *expr = (Node *)em->em_expr;
			Oid sortop;
			int at = 0;

			if (em->em_is_const || em->em_is_child || !bms_is_subset(em->em_relids, rel->relids))
				continue;
			while (IsA(expr, RelabelType))
				expr = (Node *)((RelabelType *)expr)->arg;
			foreach (lv, vars)
			{
				if (equal(lfirst(lv), expr))
					break;
				at++;
			}
			sortop = get_opfamily_member(pathkey->pk_opfamily, em->em_datatype, em->em_datatype,
										 pathkey->pk_strategy);
			if (!lv || !OidIsValid(sortop))
				continue;
			spec = list_make4_int(at, sortop, ec->ec_collation, pathkey->pk_nulls_first);
			break;
		}
		if (spec == NIL)
			return NIL;
		specs = lappend(specs, spec);
	}
	return specs;
}

/* All that the relation has to give are columns that rows can keep. */
static bool
columns_fit(List *exprs)
{
	ListCell *lc;
	StrataRep rep;

	foreach (lc, exprs)
	{
		Var *var = lfirst(lc);

		if (!IsA(var, Var) || var->varlevelsup != 0 || var->varattno <= 0 ||
			!strata_column_rep(var->vartype, &rep))
			return false;
	}
	return true;
}

/* Comparisons for a key that only its operator class orders, as costsize.c counts them. */
static Cost
compare_cost(double rows)
{
	return 2.0 * cpu_operator_cost * rows * log2(Max(rows, 2));
}

static Cost
key_cost(PlannerInfo *root, double rows, List *spec, Var *var)
{
	StrataType type;
	StrataOrderForm form;

	strata_column_type(var->vartype, &type);
	form = strata_order_form(var->vartype, &type, (Oid)lsecond_int(spec), (Oid)lthird_int(spec));
	if (form == STRATA_ORDER_INT || form == STRATA_ORDER_FLOAT)
		return rows * SORT_KEY_COST;
	/* Few different values have ranks: those of units that keep them by code, and rows.c then once. */
	if (estimate_num_groups(root, list_make1(var), rows, NULL, NULL) < Min(rows / 32, 2000))
		return rows * 2 * SORT_KEY_COST;
	return form == STRATA_ORDER_BYTES ? rows * BYTES_KEY_COST : compare_cost(rows);
}

static void
cost_sort_path(PlannerInfo *root, CustomPath *path, const StrataPath *input, List *specs, List *vars)
{
	double rows = Max(input->cpath.path.rows, 1), memory = work_mem * 1024.0;
	double kept = rows * STRATA_ORDER_ROW_BYTES, written = 0;
	Cost cost = SORT_COST + rows * SORT_ROW_COST;
	ListCell *lc;

	foreach (lc, vars)
	{
		Var *var = lfirst(lc);
		StrataRep rep;

		cost += rows * 2 * COLUMN_VALUE_COST;
		kept += rows * 9;
		if (strata_column_rep(var->vartype, &rep) && (rep == STRATA_REP_VARLENA || rep == STRATA_REP_FIXED))
		{
			int32 width = get_typavgwidth(var->vartype, var->vartypmod);

			if (var->varno > 0 && var->varno < root->simple_rel_array_size && root->simple_rel_array[var->varno])
				width = root->simple_rel_array[var->varno]
							->attr_widths[var->varattno - root->simple_rel_array[var->varno]->min_attr];
			cost += rows * BYTES_KEEP_COST;
			kept += rows * MAXALIGN(width);
			written += rows * width;
		}
		else
			written += rows * 4;
	}
	foreach (lc, specs)
		cost += key_cost(root, rows, lfirst(lc), list_nth(vars, linitial_int((List *)lfirst(lc))));
	if (kept > memory)
		cost += strata_runs_writes(kept, memory) *
				(2 * ceil(written / BLCKSZ) * (seq_page_cost * 0.75 + random_page_cost * 0.25) +
				 rows * MERGE_ROW_COST);
	if (!enable_sort)
		cost += disable_cost;
	path->path.rows = rows;
	path->path.startup_cost = input->batch_total + cost + path->path.pathtarget->cost.startup;
	if (path->path.parallel_workers > 0)
		path->path.startup_cost += strata_workers_cost(root, path->path.parent);
	path->path.total_cost =
		path->path.startup_cost + rows * (cpu_tuple_cost + path->path.pathtarget->cost.per_tuple);
}

static CustomPath *
make_sort_path(PlannerInfo *root, RelOptInfo *rel, PathTarget *target, StrataPath *input, List *pathkeys, List *specs)
{
	CustomPath *path = makeNode(CustomPath);
	Path *in = &input->cpath.path;
	List *vars = in->pathtarget->exprs;

	path->path.pathtype = T_CustomScan;
	path->path.parent = rel;
	path->path.pathtarget = target;
	path->path.parallel_aware = false;
	path->path.parallel_safe = in->parallel_safe;
	path->path.parallel_workers = in->parallel_workers;
	path->path.pathkeys = pathkeys;
	path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->custom_paths = list_make1(input);
	path->custom_private = list_make2(specs, vars);
	path->methods = &sort_path_methods;
	cost_sort_path(root, path, input, specs, vars);
	return path;
}

static void
add_sort_paths(PlannerInfo *root, RelOptInfo *rel, List *pathkeys)
{
	StrataPath *input = strata_batch_path(root, rel, false);
	StrataPath *partial = strata_batch_path(root, rel, true);
	List *specs = pathkey_specs(rel, pathkeys, rel->reltarget->exprs);

	if (specs == NIL)
		return;
	if (input)
		add_path(rel, &make_sort_path(root, rel, rel->reltarget, input, pathkeys, specs)->path);
	if (partial && rel->consider_parallel)
		add_partial_path(rel, &make_sort_path(root, rel, rel->reltarget, partial, pathkeys, specs)->path);
}

/* Might rows be left that nobody asks for, while expressions are evaluated for each row that is sorted? */
static bool
stops_early_over_expressions(PlannerInfo *root)
{
	Query *parse = root->parse;
	ListCell *lc;

	if (!parse->limitCount || parse->hasAggs || parse->hasWindowFuncs || parse->groupClause != NIL)
		return false;
	foreach (lc, root->processed_tlist)
	{
		Node *node = (Node *)lfirst_node(TargetEntry, lc)->expr;

		while (IsA(node, RelabelType))
			node = (Node *)((RelabelType *)node)->arg;
		if (!IsA(node, Var) && !IsA(node, Const) && !IsA(node, Param))
			return true;
	}
	return false;
}

/* Joins of ours make no use of an order; PostgreSQL's do, where ours are not to be had. */
static void
add_merge_orders(PlannerInfo *root, RelOptInfo *rel)
{
	ListCell *lc;

	if (strata_column_join && root->rowMarks == NIL)
		return;
	foreach (lc, root->eq_classes)
	{
		EquivalenceClass *ec = lfirst_node(EquivalenceClass, lc);

		if (!ec->ec_has_volatile && ec->ec_opfamilies != NIL && eclass_useful_for_merging(root, ec, rel))
			add_sort_paths(root, rel,
						   list_make1(make_canonical_pathkey(root, ec, linitial_oid(ec->ec_opfamilies),
															 BTLessStrategyNumber, false)));
	}
}

void
strata_add_sort_paths(PlannerInfo *root, RelOptInfo *rel)
{
	ListCell *lc;

	if (!strata_column_sort || root->parse->commandType != CMD_SELECT || root->rowMarks != NIL ||
		!bms_is_empty(rel->lateral_relids) || IS_DUMMY_REL(rel) || !strata_batch_path(root, rel, false) ||
		!columns_fit(rel->reltarget->exprs))
		return;
	/* They belong to a Result above the scan, which would come between the nodes. */
	foreach (lc, rel->baserestrictinfo)
		if (lfirst_node(RestrictInfo, lc)->pseudoconstant)
			return;
	if (!bms_equal(rel->relids, root->all_baserels))
	{
		if (rel->reloptkind == RELOPT_BASEREL)
			add_merge_orders(root, rel);
		return;
	}
	if (root->query_pathkeys != NIL && !stops_early_over_expressions(root))
		add_sort_paths(root, rel, root->query_pathkeys);
}

/*
 * Of partitioned tables the planner throws all paths away when it knows the target list, and makes them anew from those of
 * the partitions.  Where an ORDER BY is all that is left to do, it is offered our sort of the whole then.
 */
void
strata_add_ordered_path(PlannerInfo *root, RelOptInfo *input_rel, RelOptInfo *output_rel)
{
	Query *parse = root->parse;
	PathTarget *target = root->upper_targets[UPPERREL_ORDERED];
	StrataPath *input = strata_batch_path(root, input_rel, false);
	List *specs;
	ListCell *lc;

	if (!IS_PARTITIONED_REL(input_rel) || !input || !target || parse->commandType != CMD_SELECT ||
		root->rowMarks != NIL || parse->hasTargetSRFs || parse->hasAggs || parse->groupClause != NIL ||
		parse->groupingSets != NIL || parse->distinctClause != NIL || parse->hasWindowFuncs ||
		parse->setOperations != NULL || !columns_fit(input->cpath.path.pathtarget->exprs) ||
		stops_early_over_expressions(root))
		return;
	foreach (lc, input_rel->baserestrictinfo)
		if (lfirst_node(RestrictInfo, lc)->pseudoconstant)
			return;
	specs = pathkey_specs(input_rel, root->sort_pathkeys, input->cpath.path.pathtarget->exprs);
	if (specs != NIL)
		add_path(output_rel, &make_sort_path(root, output_rel, target, input, root->sort_pathkeys, specs)->path);
}

/* ---- plans ---- */

/* `vars` are what the node takes from its input, `private` what else it has to know. */
static Plan *
plan_node(const CustomScanMethods *methods, const CustomPath *path, List *tlist, List *custom_plans, List *vars,
		  List *private)
{
	CustomScan *node = makeNode(CustomScan);
	ListCell *lc;

	node->scan.plan.targetlist = tlist;
	node->flags = path->flags;
	node->custom_plans = custom_plans;
	node->methods = methods;
	node->custom_private = private;
	foreach (lc, vars)
		node->custom_scan_tlist =
			lappend(node->custom_scan_tlist,
					makeTargetEntry(copyObject(lfirst(lc)), list_length(node->custom_scan_tlist) + 1, NULL, false));
	return &node->scan.plan;
}

static Plan *
plan_topn(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses, List *custom_plans)
{
	return plan_node(&strata_topn_methods, path, tlist, custom_plans, lthird(path->custom_private),
					 list_make2(linitial(path->custom_private), lsecond(path->custom_private)));
}

static CustomPathMethods topn_path_methods = {
	.CustomName = "StrataTopN",
	.PlanCustomPath = plan_topn,
};

static Plan *
plan_sort(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses, List *custom_plans)
{
	return plan_node(&strata_sort_methods, path, tlist, custom_plans, lsecond(path->custom_private),
					 list_make1(linitial(path->custom_private)));
}

static CustomPathMethods sort_path_methods = {
	.CustomName = "StrataSort",
	.PlanCustomPath = plan_sort,
};
