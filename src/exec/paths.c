/*
 * paths.c - where the planner learns of the column store: scan paths, aggregate paths, their costs and plans.
 *
 * Three hooks.  planner only watches for updatable cursors.  set_rel_pathlist adds StrataScan paths (plain and partial) to base relations that have units.
 * create_upper_paths (GROUP_AGG) adds StrataAggregate over a StrataScan where the whole input of the grouping is
 * one base relation; the parallel form is a partial StrataAggregate under our own Gather and a core Finalize
 * Aggregate, because the hook is not called for the partial grouping relation.
 *
 * Costs are on PostgreSQL's scale, where a sequential scan's row costs about 0.03 (cpu_tuple_cost, a page's share,
 * a qual) and takes about 80 ns: 0.0001 a row and column is the 0.3 ns that decoding and a kernel take.
 */
#include "postgres.h"

#include <math.h>

#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planmain.h"
#include "optimizer/planner.h"
#include "optimizer/restrictinfo.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/selfuncs.h"

#include "exec/exec.h"

bool strata_column_scan = true;
bool strata_column_aggregate = true;

#define COLUMN_VALUE_COST 0.0001 /* decode and one kernel: some 0.3 ns */
#define GROUP_ROW_COST	  0.0008 /* find the group and add to one accumulator: some 2 ns */
#define UNIT_COST		  0.5	 /* pin, freshness, zone maps */

static planner_hook_type prev_planner;
static set_rel_pathlist_hook_type prev_set_rel_pathlist;
static create_upper_paths_hook_type prev_create_upper_paths;

static CustomPathMethods scan_path_methods;
static CustomPathMethods agg_path_methods;

/*
 * UPDATE ... WHERE CURRENT OF asks a cursor's scan for the TID of its current row, which a StrataScan does not have.
 * So while a cursor's query is planned from which it could be asked (execCurrentOf's "simply updatable"), the column
 * store keeps away.
 */
static bool planning_updatable_cursor = false;

static PlannedStmt *
strata_planner(Query *parse, const char *query_string, int cursor_options, ParamListInfo bound)
{
	PlannedStmt *result;
	bool		 outer = planning_updatable_cursor;

	planning_updatable_cursor = (cursor_options & CURSOR_OPT_FAST_PLAN) && !parse->hasAggs && !parse->groupClause &&
		!parse->groupingSets && !parse->distinctClause && !parse->sortClause && !parse->setOperations &&
		!parse->hasWindowFuncs;
	PG_TRY();
	{
		result = prev_planner ? prev_planner(parse, query_string, cursor_options, bound)
							  : standard_planner(parse, query_string, cursor_options, bound);
	}
	PG_FINALLY();
	{
		planning_updatable_cursor = outer;
	}
	PG_END_TRY();
	return result;
}

/* ---- functions that look at how a value is stored ---- */

static bool
storage_function(Oid function, void *context)
{
	return function == F_PG_COLUMN_SIZE || function == F_PG_COLUMN_COMPRESSION;
}

static bool
shows_storage_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, storage_function, NULL))
		return true;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, shows_storage_walker, context, 0);
	return expression_tree_walker(node, shows_storage_walker, context);
}

/*
 * Does the query ask how the heap stores values?  Values of the column store are never compressed or toasted, so
 * it could not tell.  A value may be asked about anywhere above the scan that reads it, hence all of the query is
 * searched.
 */
static bool
query_shows_storage(PlannerInfo *root)
{
	while (root->parent_root)
		root = root->parent_root;
	return query_tree_walker(root->parse, shows_storage_walker, NULL, 0);
}

/* ---- base relations ---- */

/*
 * Attributes (offset by FirstLowInvalidHeapAttributeNumber) that a scan with this target reads.  Not attr_needed,
 * which children of partitioned tables do not have.
 */
static Bitmapset *
needed_attributes(RelOptInfo *rel, PathTarget *target)
{
	Bitmapset *attrs = NULL;
	ListCell  *lc;

	pull_varattnos((Node *) target->exprs, rel->relid, &attrs);
	foreach (lc, rel->baserestrictinfo)
		pull_varattnos((Node *) lfirst_node(RestrictInfo, lc)->clause, rel->relid, &attrs);
	return attrs;
}

/* Can every needed attribute come from units?  System columns and whole rows cannot. */
static bool
attributes_storable(Relation heap, Bitmapset *attrs)
{
	int x = -1;

	while ((x = bms_next_member(attrs, x)) >= 0)
	{
		AttrNumber attnum = x + FirstLowInvalidHeapAttributeNumber;

		if (attnum <= 0 || !strata_column_stored(heap, attnum))
			return false;
	}
	return true;
}

static void
cost_scan(PlannerInfo *root, RelOptInfo *rel, const StrataTableInfo *info, int ncolumns, CustomPath *path,
		  double parallel_divisor)
{
	double	 pages = Max(rel->pages, 1);
	double	 in_columns = Min(1.0, (double) (info->blocks_populated - Min(info->blocks_stale, info->blocks_populated)) /
									   pages);
	QualCost qual;
	Cost	 startup, cpu, disk;

	cost_qual_eval(&qual, rel->baserestrictinfo, root);
	startup = qual.startup + path->path.pathtarget->cost.startup;
	cpu = in_columns * rel->tuples * COLUMN_VALUE_COST * (ncolumns + list_length(rel->baserestrictinfo)) +
		info->units_populated * UNIT_COST;
	cpu += (1 - in_columns) * rel->tuples * (cpu_tuple_cost + qual.per_tuple);
	cpu += rel->rows * (cpu_tuple_cost + path->path.pathtarget->cost.per_tuple);
	disk = (1 - in_columns) * pages * seq_page_cost;
	path->path.rows = clamp_row_est(rel->rows / parallel_divisor);
	path->path.startup_cost = startup;
	path->path.total_cost = startup + cpu / parallel_divisor + disk;
}

/* As costsize.c's get_parallel_divisor, which is private. */
static double
parallel_divisor(int workers)
{
	double divisor = workers;

	if (parallel_leader_participation)
		divisor += Max(0.0, 1.0 - 0.3 * workers);
	return divisor;
}

/* A StrataScan path over rel with this target; NULL when the store cannot serve the relation. */
static CustomPath *
make_scan_path(PlannerInfo *root, RelOptInfo *rel, RangeTblEntry *rte, PathTarget *target, int workers)
{
	CustomPath	   *path = NULL;
	Relation		heap;
	StrataTableInfo info;
	Bitmapset	   *attrs;

	if (!strata_column_scan || rte->rtekind != RTE_RELATION || rte->inh || rte->tablesample ||
		(rte->relkind != RELKIND_RELATION && rte->relkind != RELKIND_MATVIEW) || !bms_is_empty(rel->lateral_relids))
		return NULL;
	attrs = needed_attributes(rel, target);
	heap = table_open(rte->relid, NoLock);
	if (strata_column_info(heap, &info) && attributes_storable(heap, attrs) && !query_shows_storage(root))
	{
		path = makeNode(CustomPath);
		path->path.pathtype = T_CustomScan;
		path->path.parent = rel;
		path->path.pathtarget = target;
		path->path.param_info = NULL;
		path->path.parallel_aware = workers > 0;
		path->path.parallel_safe = rel->consider_parallel;
		path->path.parallel_workers = workers;
		path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
		path->methods = &scan_path_methods;
		cost_scan(root, rel, &info, bms_num_members(attrs), path, workers > 0 ? parallel_divisor(workers) : 1);
	}
	table_close(heap, NoLock);
	return path;
}

static int
scan_workers(RelOptInfo *rel)
{
	if (!rel->consider_parallel || max_parallel_workers_per_gather == 0)
		return 0;
	return compute_parallel_worker(rel, rel->pages, -1, max_parallel_workers_per_gather);
}

static void
strata_set_rel_pathlist(PlannerInfo *root, RelOptInfo *rel, Index rti, RangeTblEntry *rte)
{
	CustomPath *path;
	int			workers;

	if (prev_set_rel_pathlist)
		prev_set_rel_pathlist(root, rel, rti, rte);
	if (!strata_preloaded || planning_updatable_cursor || IS_DUMMY_REL(rel))
		return;
	path = make_scan_path(root, rel, rte, rel->reltarget, 0);
	if (!path)
		return;
	add_path(rel, &path->path);
	workers = scan_workers(rel);
	if (workers > 0)
		add_partial_path(rel, &make_scan_path(root, rel, rte, rel->reltarget, workers)->path);
}

static Plan *
plan_scan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses, List *custom_plans)
{
	CustomScan *scan = makeNode(CustomScan);

	scan->scan.plan.targetlist = tlist;
	scan->scan.plan.qual = extract_actual_clauses(clauses, false);
	scan->scan.scanrelid = rel->relid;
	scan->flags = path->flags;
	scan->methods = &strata_scan_methods;
	return &scan->scan.plan;
}

static CustomPathMethods scan_path_methods = {
	.CustomName = "StrataScan",
	.PlanCustomPath = plan_scan,
};

/* ---- aggregates ---- */

typedef struct Collected
{
	List *groups; /* grouping expressions */
	List *out;	  /* what the node emits: grouping expressions, then aggregates */
	bool  ok;
} Collected;

/* Gathers the aggregates of an expression over groups; anything else it reads must be a grouping expression. */
static bool
collect_walker(Node *node, Collected *c)
{
	if (node == NULL)
		return false;
	if (list_member(c->groups, node))
		return false;
	if (IsA(node, Aggref))
	{
		if (!strata_agg_supported((Aggref *) node))
			c->ok = false;
		c->out = list_append_unique(c->out, node);
		return !c->ok;
	}
	if (IsA(node, Var) || IsA(node, PlaceHolderVar) || IsA(node, GroupingFunc))
	{
		c->ok = false;
		return true;
	}
	return expression_tree_walker(node, collect_walker, c);
}

/* The node's own output for a grouping target; NIL when it cannot be had. */
static List *
aggregate_output(PlannerInfo *root, PathTarget *target, Node *having)
{
	Collected c = {NIL, NIL, true};
	ListCell *lc;

	/* null and special bits of a group are 32 bit words */
	if (list_length(root->parse->groupClause) > 32)
		return NIL;
	foreach (lc, root->parse->groupClause)
	{
		SortGroupClause *sgc = lfirst(lc);
		Node			*expr = get_sortgroupclause_expr(sgc, root->processed_tlist);

		if (!OidIsValid(sgc->eqop) || !sgc->hashable ||
			!strata_group_key_supported(expr) || contain_volatile_functions(expr))
			return NIL;
		c.groups = list_append_unique(c.groups, expr);
	}
	c.out = list_copy(c.groups);
	collect_walker((Node *) target->exprs, &c);
	collect_walker(having, &c);
	return c.ok && c.out != NIL ? c.out : NIL;
}

/* The columns that the aggregate's arguments and keys read, as the scan's target. */
static PathTarget *
input_target(PlannerInfo *root, List *output)
{
	PathTarget *target = create_empty_pathtarget();
	List	   *vars = pull_var_clause((Node *) output, PVC_RECURSE_AGGREGATES | PVC_RECURSE_PLACEHOLDERS);

	add_new_columns_to_pathtarget(target, vars);
	return set_pathtarget_cost_width(root, target);
}

/* How often the scan will run because the groups do not fit into hash_mem (agg.c); a power of two. */
static double
passes_needed(double groups, int nkeys, int naggs, int width)
{
	double bytes = groups * (strata_group_size(nkeys, naggs) + width);
	double passes = 1;

	while (bytes > passes * get_hash_memory_limit())
		passes *= 2;
	return passes;
}

static CustomPath *
make_agg_path(PlannerInfo *root, RelOptInfo *parent, PathTarget *target, Path *input, List *output, List *having,
			  double groups)
{
	CustomPath *path = makeNode(CustomPath);
	int			naggs = list_length(output) - list_length(root->parse->groupClause);
	double		rows = input->rows;
	QualCost	qual;

	path->path.pathtype = T_CustomScan;
	path->path.parent = parent;
	path->path.pathtarget = target;
	path->path.parallel_aware = false;
	path->path.parallel_safe = input->parallel_safe;
	path->path.parallel_workers = input->parallel_workers;
	path->path.rows = groups;
	path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->custom_paths = list_make1(input);
	path->custom_private = list_make2(output, having);
	path->methods = &agg_path_methods;

	cost_qual_eval(&qual, having, root);
	/* Rows do not leave the scan: take back what it asked for handing them up. */
	path->path.startup_cost = input->total_cost - rows * cpu_tuple_cost +
		rows * (root->parse->groupClause ? GROUP_ROW_COST * Max(naggs, 1) : COLUMN_VALUE_COST * Max(naggs, 1));
	/* A scan for each part of the groups that fits into memory; a partial aggregation hands them up instead. */
	if (input->parallel_workers == 0)
		path->path.startup_cost *= passes_needed(groups, list_length(root->parse->groupClause), naggs, target->width);
	path->path.startup_cost += qual.startup;
	path->path.total_cost = path->path.startup_cost +
		groups * (cpu_tuple_cost + qual.per_tuple + target->cost.per_tuple) + target->cost.startup;
	return path;
}

/*
 * Pseudoconstant quals belong to a Result above the scan, which would come between the nodes.  Volatile ones must
 * run once a row, and the aggregate may make several passes.
 */
static bool
has_unfit_qual(RelOptInfo *rel)
{
	ListCell *lc;

	foreach (lc, rel->baserestrictinfo)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);

		if (rinfo->pseudoconstant || contain_volatile_functions((Node *) rinfo))
			return true;
	}
	return false;
}

/*
 * Gather over a partial StrataAggregate, finished by a core Aggregate.  The partial node emits core's own partial
 * target, so that setrefs can match the Aggrefs across the Gather.
 */
static void
add_parallel_agg_path(PlannerInfo *root, RelOptInfo *input_rel, RelOptInfo *output_rel, GroupPathExtraData *extra,
					  RangeTblEntry *rte, double groups)
{
	RelOptInfo *partial_rel = fetch_upper_rel(root, UPPERREL_PARTIAL_GROUP_AGG, output_rel->relids);
	int			workers = scan_workers(input_rel);
	CustomPath *scan, *partial;
	List	   *output;
	Path	   *gather;
	double		partial_groups, total;

	if (workers <= 0 || !(extra->flags & GROUPING_CAN_PARTIAL_AGG) || !extra->partial_costs_set ||
		!partial_rel->reltarget || partial_rel->reltarget->exprs == NIL ||
		(root->parse->groupClause && !(extra->flags & GROUPING_CAN_USE_HASH)))
		return;
	output = aggregate_output(root, partial_rel->reltarget, NULL);
	if (output == NIL)
		return;
	scan = make_scan_path(root, input_rel, rte, input_target(root, output), workers);
	if (!scan)
		return;
	partial_groups = root->parse->groupClause ? Min(groups, Max(scan->path.rows, 1)) : 1;
	partial = make_agg_path(root, partial_rel, partial_rel->reltarget, &scan->path, output, NIL, partial_groups);
	total = partial_groups * workers;
	gather = (Path *) create_gather_path(root, partial_rel, &partial->path, partial_rel->reltarget, NULL, &total);
	add_path(output_rel,
			 (Path *) create_agg_path(root, output_rel, gather, output_rel->reltarget,
									  root->parse->groupClause ? AGG_HASHED : AGG_PLAIN, AGGSPLIT_FINAL_DESERIAL,
									  root->parse->groupClause, (List *) extra->havingQual, &extra->agg_final_costs,
									  groups));
}

static void
strata_create_upper_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input_rel, RelOptInfo *output_rel,
						  void *extra_data)
{
	GroupPathExtraData *extra = extra_data;
	Query			   *parse = root->parse;
	RangeTblEntry	   *rte;
	List			   *output;
	CustomPath		   *scan;
	double				groups = 1;

	if (prev_create_upper_paths)
		prev_create_upper_paths(root, stage, input_rel, output_rel, extra_data);
	if (stage != UPPERREL_GROUP_AGG || !strata_column_aggregate || !strata_preloaded ||
		input_rel->reloptkind != RELOPT_BASEREL || IS_DUMMY_REL(input_rel) || parse->groupingSets ||
		parse->hasTargetSRFs || extra->patype != PARTITIONWISE_AGGREGATE_NONE || has_unfit_qual(input_rel))
		return;
	rte = root->simple_rte_array[input_rel->relid];
	output = aggregate_output(root, output_rel->reltarget, extra->havingQual);
	if (output == NIL)
		return;
	scan = make_scan_path(root, input_rel, rte, input_target(root, output), 0);
	if (!scan)
		return;
	if (parse->groupClause)
		groups = estimate_num_groups(root, get_sortgrouplist_exprs(parse->groupClause, root->processed_tlist),
									 input_rel->rows, NULL, NULL);
	add_path(output_rel, &make_agg_path(root, output_rel, output_rel->reltarget, &scan->path, output,
										(List *) extra->havingQual, groups)
							  ->path);
	add_parallel_agg_path(root, input_rel, output_rel, extra, rte, groups);
}

static Plan *
plan_agg(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses, List *custom_plans)
{
	CustomScan *agg = makeNode(CustomScan);
	List	   *output = linitial(path->custom_private);
	ListCell   *lc;

	agg->scan.plan.targetlist = tlist;
	agg->scan.plan.qual = lsecond(path->custom_private);
	agg->scan.scanrelid = 0;
	agg->flags = path->flags;
	agg->custom_plans = custom_plans;
	agg->methods = &strata_agg_methods;
	foreach (lc, output)
		agg->custom_scan_tlist =
			lappend(agg->custom_scan_tlist,
					makeTargetEntry(copyObject(lfirst(lc)), list_length(agg->custom_scan_tlist) + 1, NULL, false));
	return &agg->scan.plan;
}

static CustomPathMethods agg_path_methods = {
	.CustomName = "StrataAggregate",
	.PlanCustomPath = plan_agg,
};

/* ---- module ---- */

static void
exec_settings(void)
{
	DefineCustomBoolVariable("strata.column_scan", "Lets the planner read tables from the column store.", NULL,
							 &strata_column_scan, true, PGC_USERSET, GUC_EXPLAIN, NULL, NULL, NULL);
	DefineCustomBoolVariable("strata.column_aggregate", "Lets the planner aggregate inside the column store.", NULL,
							 &strata_column_aggregate, true, PGC_USERSET, GUC_EXPLAIN, NULL, NULL, NULL);
}

static void
exec_start(bool preloaded)
{
	RegisterCustomScanMethods(&strata_scan_methods);
	RegisterCustomScanMethods(&strata_agg_methods);
	if (!preloaded)
		return;
	prev_planner = planner_hook;
	planner_hook = strata_planner;
	prev_set_rel_pathlist = set_rel_pathlist_hook;
	set_rel_pathlist_hook = strata_set_rel_pathlist;
	prev_create_upper_paths = create_upper_paths_hook;
	create_upper_paths_hook = strata_create_upper_paths;
}

const StrataModule strata_exec_module = {
	.name = "exec",
	.settings = exec_settings,
	.start = exec_start,
};
