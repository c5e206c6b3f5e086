/*
 * path_agg.c - paths and plans of StrataAggregate.
 *
 * The whole input of the grouping is one path that makes batches: a scan, or a tree of joins.  The parallel form is a
 * partial StrataAggregate under our own Gather and a core Finalize Aggregate, because the hook is not called for the
 * partial grouping relation.
 */
#include "postgres.h"

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
#include "optimizer/tlist.h"
#include "utils/selfuncs.h"

#include "exec/agg.h"
#include "exec/paths.h"

static CustomPathMethods agg_path_methods;

typedef struct Collected
{
	List *groups; /* grouping expressions */
	List *out;	  /* what the node emits: grouping expressions, then aggregates */
	List *dependent; /* columns that the grouping determines, which core did not ask to group by */
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
	/* Determined by the groups (by a primary key among them): one key more, that splits no group. */
	if (IsA(node, Var) && c->groups != NIL && strata_group_key_supported(node))
	{
		c->groups = lappend(c->groups, node);
		c->dependent = lappend(c->dependent, node);
		return false;
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
	Collected c = {.ok = true};
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
	if (!c.ok || list_length(c.groups) > 32)
		return NIL;
	return list_concat(c.dependent, c.out);
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
make_agg_path(PlannerInfo *root, RelOptInfo *parent, PathTarget *target, StrataPath *input, List *output, List *having,
			  double groups)
{
	CustomPath *path = makeNode(CustomPath);
	Path	   *in = &input->cpath.path;
	int			naggs = list_length(output) - list_length(root->parse->groupClause);
	double		rows = in->rows;
	QualCost	qual;

	path->path.pathtype = T_CustomScan;
	path->path.parent = parent;
	path->path.pathtarget = target;
	path->path.parallel_aware = false;
	path->path.parallel_safe = in->parallel_safe;
	path->path.parallel_workers = in->parallel_workers;
	path->path.rows = groups;
	path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->custom_paths = list_make1(input);
	path->custom_private = list_make2(output, having);
	path->methods = &agg_path_methods;

	cost_qual_eval(&qual, having, root);
	path->path.startup_cost = input->batch_total +
		rows * (root->parse->groupClause ? GROUP_ROW_COST * Max(naggs, 1) : COLUMN_VALUE_COST * Max(naggs, 1));
	/* A scan for each part of the groups that fits into memory; a partial aggregation hands them up instead. */
	if (in->parallel_workers == 0)
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

/* What feeds the aggregate; NULL: nothing that makes batches. */
static StrataPath *
agg_input(PlannerInfo *root, RelOptInfo *input_rel, List *output, bool partial)
{
	int workers;

	if (IS_JOIN_REL(input_rel) || root->simple_rte_array[input_rel->relid]->inh)
		return strata_batch_path(root, input_rel, partial);
	workers = partial ? strata_scan_workers(input_rel) : 0;
	if (partial && workers <= 0)
		return NULL;
	return strata_scan_path(root, input_rel, input_target(root, output), workers);
}

/*
 * Gather over a partial StrataAggregate, finished by a core Aggregate.  The partial node emits core's own partial
 * target, so that setrefs can match the Aggrefs across the Gather.
 */
static void
add_parallel_agg_path(PlannerInfo *root, RelOptInfo *input_rel, RelOptInfo *output_rel, GroupPathExtraData *extra,
					  double groups)
{
	RelOptInfo *partial_rel = fetch_upper_rel(root, UPPERREL_PARTIAL_GROUP_AGG, output_rel->relids);
	StrataPath *input;
	CustomPath *partial;
	List	   *output;
	Path	   *gather;
	double		partial_groups, total;

	if (!(extra->flags & GROUPING_CAN_PARTIAL_AGG) || !extra->partial_costs_set ||
		!partial_rel->reltarget || partial_rel->reltarget->exprs == NIL ||
		(root->parse->groupClause && !(extra->flags & GROUPING_CAN_USE_HASH)))
		return;
	output = aggregate_output(root, partial_rel->reltarget, NULL);
	if (output == NIL)
		return;
	input = agg_input(root, input_rel, output, true);
	if (!input)
		return;
	partial_groups = root->parse->groupClause ? Min(groups, Max(input->cpath.path.rows, 1)) : 1;
	partial = make_agg_path(root, partial_rel, partial_rel->reltarget, input, output, NIL, partial_groups);
	total = partial_groups * input->cpath.path.parallel_workers;
	gather = (Path *) create_gather_path(root, partial_rel, &partial->path, partial_rel->reltarget, NULL, &total);
	add_path(output_rel,
			 (Path *) create_agg_path(root, output_rel, gather, output_rel->reltarget,
									  root->parse->groupClause ? AGG_HASHED : AGG_PLAIN, AGGSPLIT_FINAL_DESERIAL,
									  root->parse->groupClause, (List *) extra->havingQual, &extra->agg_final_costs,
									  groups));
}

static void
add_agg_paths(PlannerInfo *root, RelOptInfo *input_rel, RelOptInfo *output_rel, GroupPathExtraData *extra)
{
	Query	   *parse = root->parse;
	List	   *output;
	StrataPath *input;
	double		groups = 1;

	if (parse->groupingSets || parse->hasTargetSRFs || extra->patype != PARTITIONWISE_AGGREGATE_NONE ||
		has_unfit_qual(input_rel))
		return;
	output = aggregate_output(root, output_rel->reltarget, extra->havingQual);
	if (output == NIL)
		return;
	input = agg_input(root, input_rel, output, false);
	if (!input)
		return;
	if (parse->groupClause)
		groups = estimate_num_groups(root, get_sortgrouplist_exprs(parse->groupClause, root->processed_tlist),
									 input->cpath.path.rows, NULL, NULL);
	add_path(output_rel, &make_agg_path(root, output_rel, output_rel->reltarget, input, output,
										(List *) extra->havingQual, groups)
							  ->path);
	add_parallel_agg_path(root, input_rel, output_rel, extra, groups);
}

void
strata_create_upper_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input_rel, RelOptInfo *output_rel,
						  void *extra)
{
	if (stage != UPPERREL_GROUP_AGG || !strata_planning_allowed() || !strata_column_aggregate || IS_DUMMY_REL(input_rel))
		return;
	if (input_rel->reloptkind == RELOPT_BASEREL || IS_JOIN_REL(input_rel))
		add_agg_paths(root, input_rel, output_rel, extra);
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
	agg->custom_private = list_make1(makeInteger(path->path.parallel_workers > 0));
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

