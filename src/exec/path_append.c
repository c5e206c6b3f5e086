/*
 * path_append.c - paths and plans of StrataAppend.
 *
 * Made for the parent of partitions or other children when at least one of them makes batches.  It is not offered to
 * PostgreSQL's own nodes, for which its Append does as well; aggregates, joins and sorts of ours take it.
 */
#include "postgres.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/appendinfo.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "optimizer/tlist.h"
#include "partitioning/partprune.h"

#include "exec/append.h"
#include "exec/paths.h"

static CustomPathMethods append_path_methods;

/* Columns that a batch of ours can have, in the parent's terms; there may be none.  False: the target has anything else. */
static bool
target_vars(RelOptInfo *rel, List **vars)
{
	ListCell *lc;
	StrataRep rep;

	*vars = NIL;
	foreach (lc, rel->reltarget->exprs)
	{
		Var *var = lfirst(lc);

		if (!IsA(var, Var) || var->varattno <= 0 || !strata_column_rep(var->vartype, &rep))
			return false;
		*vars = lappend(*vars, var);
	}
	return true;
}

/* The parent's columns as those of a child.  False: they are no plain columns of the same types there. */
static bool
child_vars(PlannerInfo *root, RelOptInfo *child, List *vars, List **columns)
{
	AppendRelInfo *info = root->append_rel_array[child->relid];
	ListCell	  *lc, *lp;

	*columns = (List *) adjust_appendrel_attrs(root, (Node *) vars, 1, &info);
	forboth (lc, *columns, lp, vars)
	{
		Var *var = lfirst(lc);

		if (!IsA(var, Var) || var->varattno <= 0 || var->vartype != ((Var *) lfirst(lp))->vartype)
			return false;
	}
	return true;
}

static StrataPath *
child_path(PlannerInfo *root, RelOptInfo *child, int workers)
{
	StrataPath *spath = strata_batch_path(root, child, workers > 0);

	if (!spath && workers > 0 && child->consider_parallel && strata_batch_path(root, child, false))
		spath = strata_scan_path(root, child, child->reltarget, workers);
	return spath;
}

static StrataPath *
append_path(PlannerInfo *root, RelOptInfo *rel, int workers)
{
	StrataPath *path;
	List	   *vars, *paths = NIL, *all_vars;
	bool		any = false;
	double		rows = 0, startup = -1, total = 0;
	ListCell   *lc;

	if (!target_vars(rel, &vars))
		return NULL;
	all_vars = list_copy(vars);
	foreach (lc, root->append_rel_list)
	{
		AppendRelInfo *info = lfirst_node(AppendRelInfo, lc);
		RelOptInfo	  *child;
		StrataPath	  *spath;
		List		  *columns;

		if (info->parent_relid != rel->relid)
			continue;
		child = root->simple_rel_array[info->child_relid];
		/* Pruned at plan time. */
		if (!child || IS_DUMMY_REL(child))
			continue;
		if (!child_vars(root, child, vars, &columns))
			return NULL;
		spath = child_path(root, child, workers);
		if (spath)
		{
			any = true;
			paths = lappend(paths, spath);
			total += spath->batch_total;
			rows += spath->cpath.path.rows;
			if (startup < 0)
				startup = spath->batch_startup;
		}
		else
		{
			Path *plain = child->cheapest_total_path;

			if (workers > 0 || !plain || plain->param_info)
				return NULL;
			paths = lappend(paths, plain);
			total += plain->total_cost + plain->rows * ROW_IN_COST;
			rows += plain->rows;
			if (startup < 0)
				startup = plain->startup_cost;
		}
		all_vars = list_concat(all_vars, columns);
	}
	if (!any)
		return NULL;
	path = palloc0(sizeof(StrataPath));
	path->cpath.path.type = T_CustomPath;
	path->cpath.path.pathtype = T_CustomScan;
	path->cpath.path.parent = rel;
	path->cpath.path.pathtarget = rel->reltarget;
	path->cpath.path.parallel_safe = rel->consider_parallel;
	path->cpath.path.parallel_workers = workers;
	path->cpath.path.rows = clamp_row_est(rows);
	path->cpath.path.startup_cost = startup;
	path->cpath.path.total_cost = total + rows * cpu_tuple_cost;
	path->batch_startup = startup;
	path->batch_total = total;
	path->cpath.flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->cpath.custom_paths = paths;
	path->cpath.custom_private = list_make2(makeInteger(list_length(vars)), all_vars);
	path->cpath.methods = &append_path_methods;
	return path;
}

void
strata_add_append_paths(PlannerInfo *root, RelOptInfo *rel)
{
	StrataPath *path;
	int			workers = 0;
	ListCell   *lc;

	if (!bms_is_empty(rel->lateral_relids))
		return;
	path = append_path(root, rel, 0);
	if (!path)
		return;
	strata_remember_path(rel, path);
	if (!rel->consider_parallel)
		return;
	foreach (lc, root->append_rel_list)
	{
		AppendRelInfo *info = lfirst_node(AppendRelInfo, lc);

		if (info->parent_relid == rel->relid && root->simple_rel_array[info->child_relid])
			workers = Max(workers, strata_scan_workers(root->simple_rel_array[info->child_relid]));
	}
	path = workers > 0 ? append_path(root, rel, workers) : NULL;
	if (path)
		strata_remember_path(rel, path);
}

/*
 * What the executor prunes partitions by, as PostgreSQL's Append would have it; NULL: nothing.  The planner does not
 * finish it for a node of ours, as it does for an Append (set_append_references()), so it goes in parts.  The steps
 * come back in *exprs, for custom_exprs, where their expressions and parameters are looked after like all others.  The
 * table's number is that of custom_relids, which changes with the range table.  There is one table only: our children
 * are its own, as a partition with partitions has a node of its own.
 */
static PartitionPruneInfo *
prune_info(PlannerInfo *root, RelOptInfo *rel, List *paths, List **exprs)
{
	List					*quals = extract_actual_clauses(rel->baserestrictinfo, false);
	PartitionPruneInfo		*info;
	PartitionedRelPruneInfo *table;

	*exprs = NIL;
	if (!enable_partition_pruning || quals == NIL)
		return NULL;
	info = make_partition_pruneinfo(root, rel, paths, quals);
	if (!info)
		return NULL;
	table = linitial(linitial_node(List, info->prune_infos));
	Assert(list_length(info->prune_infos) == 1 && list_length(linitial(info->prune_infos)) == 1 &&
		   table->rtindex == rel->relid);
	*exprs = list_make2(table->initial_pruning_steps, table->exec_pruning_steps);
	table->initial_pruning_steps = table->exec_pruning_steps = NIL;
	return info;
}

static Plan *
plan_append(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses, List *custom_plans)
{
	CustomScan *append = makeNode(CustomScan);
	int			ncols = intVal(linitial(path->custom_private));
	List	   *vars = lsecond(path->custom_private);
	List	   *places = NIL;
	int			number = 0;
	PartitionPruneInfo *prune;
	ListCell   *lc;

	append->scan.plan.targetlist = tlist;
	append->scan.scanrelid = 0;
	append->flags = path->flags;
	append->custom_plans = custom_plans;
	append->methods = &strata_append_methods;
	foreach (lc, vars)
		append->custom_scan_tlist = lappend(append->custom_scan_tlist,
											makeTargetEntry((Expr *) copyObject(lfirst(lc)),
															list_length(append->custom_scan_tlist) + 1, NULL, false));
	/* For plans of PostgreSQL's: where in their target lists the columns are. */
	foreach (lc, custom_plans)
	{
		for (int i = 0; i < ncols; i++)
		{
			TargetEntry *tle =
				tlist_member((Expr *) list_nth(vars, (number + 1) * ncols + i), ((Plan *) lfirst(lc))->targetlist);

			places = lappend_int(places, tle ? tle->resno : 0);
		}
		number++;
	}
	prune = prune_info(root, rel, path->custom_paths, &append->custom_exprs);
	append->custom_private = list_make3(makeInteger(ncols), places, prune);
	return &append->scan.plan;
}

static CustomPathMethods append_path_methods = {
	.CustomName = "StrataAppend",
	.PlanCustomPath = plan_append,
};
