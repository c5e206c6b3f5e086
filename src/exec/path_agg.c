/*
 * path_agg.c - paths and plans of StrataAggregate.
 *
 * The whole input of the grouping is one path that makes batches: a scan, or a tree of joins.  The parallel form is a
 * partial StrataAggregate under our own Gather and a core Finalize Aggregate, because the hook is not called for the
 * partial grouping relation.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planmain.h"
#include "optimizer/planner.h"
#include "optimizer/restrictinfo.h"
#include "optimizer/tlist.h"
#include "utils/selfuncs.h"

#include "exec/gather.h"
#include "exec/memo.h"
#include "exec/paths.h"
#include "exec/query_workers.h"
#include "exec/spill.h"

static CustomPathMethods agg_path_methods;

/* Grouping sets that one scan feeds; CUBE of six columns makes so many. */
#define MAX_SETS 64

typedef struct Collected
{
	List *groups; /* grouping expressions */
	List *refs;	  /* their sortgrouprefs */
	List *out;	  /* what the node emits: grouping expressions, then aggregates */
	List *dependent; /* columns that the grouping determines, which core did not ask to group by */
	bool  sets;	  /* grouping sets: GROUPING() too */
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
	if (IsA(node, GroupingFunc) && c->sets && ((GroupingFunc *) node)->agglevelsup == 0)
	{
		c->out = list_append_unique(c->out, node);
		return false;
	}
	/* Determined by the groups (by a primary key among them): one key more, that splits no group. */
	if (IsA(node, Var) && c->groups != NIL && !c->sets && strata_group_key_supported(node))
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

/* Adds the expressions of a GROUP BY or DISTINCT; false when one cannot be a key. */
static bool
collect_keys(PlannerInfo *root, List *clause, Collected *c)
{
	ListCell *lc;

	/* null and special bits of a group are 32 bit words */
	if (list_length(clause) > 32)
		return false;
	foreach (lc, clause)
	{
		SortGroupClause *sgc = lfirst(lc);
		Node			*expr = get_sortgroupclause_expr(sgc, root->processed_tlist);

		if (!OidIsValid(sgc->eqop) || !sgc->hashable || !strata_group_key_supported(expr) ||
			contain_volatile_functions(expr))
			return false;
		/* setrefs finds no constant in what the node emits, and grouping sets make NULLs of it. */
		if (c->sets && (IsA(expr, Const) || list_member(c->groups, expr)))
			return false;
		if (!list_member(c->groups, expr))
		{
			c->groups = lappend(c->groups, expr);
			c->refs = lappend_int(c->refs, sgc->tleSortGroupRef);
		}
	}
	return true;
}

/* What the node emits for a grouping target, into *c; false when it cannot be had. */
static bool
aggregate_output(PlannerInfo *root, PathTarget *target, Node *having, Collected *c)
{
	memset(c, 0, sizeof(Collected));
	c->ok = true;
	c->sets = root->parse->groupingSets != NIL;
	if (!collect_keys(root, root->parse->groupClause, c))
		return false;
	c->out = list_copy(c->groups);
	collect_walker((Node *) target->exprs, c);
	collect_walker(having, c);
	if (!c->ok || list_length(c->groups) > 32)
		return false;
	c->out = list_concat(c->dependent, c->out);
	return c->out != NIL;
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

/*
 * What it costs that groups of so many bytes do not fit into hash_mem (agg.c): rows of others wait in files,
 * once for each level of partitions that it takes until all of one fit.
 */
static Cost
spill_cost(double bytes, double rows, int width)
{
	double limit = get_hash_memory_limit(), levels;

	if (bytes <= limit)
		return 0;
	levels = ceil(log(bytes / limit) / log(strata_spool_partitions(limit / STRATA_SPILL_SHARE)));
	rows *= Max(levels, 1) * (1 - limit / bytes);
	return strata_spool_cost(rows, width) + rows * MEMO_ROW_COST;
}

static CustomPath *
make_agg_path(PlannerInfo *root, RelOptInfo *parent, PathTarget *target, StrataPath *input, const Collected *c,
			  List *sets, List *having, double groups, int memo_after)
{
	CustomPath *path = makeNode(CustomPath);
	Path	   *in = &input->cpath.path;
	int			nkeys = list_length(c->groups);
	int			naggs = list_length(c->out) - nkeys;
	int			nsets = Max(list_length(sets), 1);
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
	path->custom_private = list_make5(c->out, having, sets, c->refs, makeInteger(memo_after));
	path->methods = &agg_path_methods;

	cost_qual_eval(&qual, having, root);
	path->path.startup_cost = input->batch_total +
		rows * nsets * (nkeys > 0 ? GROUP_ROW_COST * Max(naggs, 1) : COLUMN_VALUE_COST * Max(naggs, 1));
	/*
	 * A partial aggregation hands up what it has no memory for.  Values of DISTINCT that do not fit cost nothing here, as
	 * the sorts that core's Aggregate makes of them cost nothing there.
	 */
	if (in->parallel_workers == 0 && nkeys > 0)
		path->path.startup_cost += spill_cost(groups * (strata_group_size(nkeys, naggs) + target->width), rows * nsets,
											  in->pathtarget->width);
	path->path.startup_cost += qual.startup;
	path->path.total_cost = path->path.startup_cost +
		groups * (cpu_tuple_cost + qual.per_tuple + target->cost.per_tuple) + target->cost.startup;
	return path;
}

/*
 * Pseudoconstant quals belong to a Result above the scan, which would come between the nodes.  Volatile ones must
 * run once a row, and in order.
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

/* Can query workers read the relation? */
static bool
crew_reads(PlannerInfo *root, RelOptInfo *rel)
{
	ListCell *lc;

	/* Processes that share the table of a join wait for each other, and nobody would wake them after an error of ours. */
	if (strata_query_workers == 0 || IS_JOIN_REL(rel) ||
		!strata_crew_evaluates((Node *) extract_actual_clauses(rel->baserestrictinfo, false)))
		return false;
	foreach (lc, root->append_rel_list)
	{
		RelOptInfo *child = root->simple_rel_array[lfirst_node(AppendRelInfo, lc)->child_relid];

		if (child && !strata_crew_evaluates((Node *) extract_actual_clauses(child->baserestrictinfo, false)))
			return false;
	}
	return true;
}

static Path *
gather_partial_aggs(PlannerInfo *root, RelOptInfo *input_rel, RelOptInfo *partial_rel, CustomPath *partial, List *output)
{
	double rows = partial->path.rows * partial->path.parallel_workers;
	Cost   workers = strata_workers_cost(root, partial_rel);

	if (crew_reads(root, input_rel) && strata_crew_evaluates((Node *) output))
		return strata_gather_path(root, partial_rel, &partial->path, partial_rel->reltarget);
	partial->path.startup_cost += workers;
	partial->path.total_cost += workers;
	return (Path *) create_gather_path(root, partial_rel, &partial->path, partial_rel->reltarget, NULL, &rows);
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
	Collected	c;
	Path	   *gather;
	double		partial_groups;

	if (!(extra->flags & GROUPING_CAN_PARTIAL_AGG) || !extra->partial_costs_set ||
		!partial_rel->reltarget || partial_rel->reltarget->exprs == NIL ||
		(root->parse->groupClause && !(extra->flags & GROUPING_CAN_USE_HASH)))
		return;
	if (!aggregate_output(root, partial_rel->reltarget, NULL, &c))
		return;
	input = agg_input(root, input_rel, c.out, true);
	if (!input)
		return;
	partial_groups = root->parse->groupClause ? Min(groups, Max(input->cpath.path.rows, 1)) : 1;
	partial = make_agg_path(root, partial_rel, partial_rel->reltarget, input, &c, NIL, NIL, partial_groups, 0);
	gather = gather_partial_aggs(root, input_rel, partial_rel, partial, c.out);
	add_path(output_rel,
			 (Path *) create_agg_path(root, output_rel, gather, output_rel->reltarget,
									  root->parse->groupClause ? AGG_HASHED : AGG_PLAIN, AGGSPLIT_FINAL_DESERIAL,
									  root->parse->groupClause, (List *) extra->havingQual, &extra->agg_final_costs,
									  groups));
}

/* Grouping sets as lists of key numbers; false when there are too many of them. */
static bool
list_grouping_sets(PlannerInfo *root, const Collected *c, List **sets)
{
	List	 *expanded = root->parse->groupingSets; /* preprocess_grouping_sets() did that */
	ListCell *lc, *ref, *key;

	if (expanded == NIL || list_length(expanded) > MAX_SETS)
		return false;
	foreach (lc, expanded)
	{
		List *members = NIL;

		foreach (ref, (List *) lfirst(lc))
		{
			int k = 0;

			foreach (key, c->refs)
			{
				if (lfirst_int(key) == lfirst_int(ref))
					members = list_append_unique_int(members, k);
				k++;
			}
		}
		*sets = lappend(*sets, members);
	}
	return true;
}

static double
estimate_groups(PlannerInfo *root, const Collected *c, List *sets, double rows)
{
	double	  groups = 0;
	ListCell *lc, *member;

	if (sets == NIL)
		return c->refs ? estimate_num_groups(root, list_copy_head(c->groups, list_length(c->refs)), rows, NULL, NULL) : 1;
	foreach (lc, sets)
	{
		List *exprs = NIL;

		foreach (member, (List *) lfirst(lc))
			exprs = lappend(exprs, list_nth(c->groups, lfirst_int(member)));
		groups += exprs ? estimate_num_groups(root, exprs, rows, NULL, NULL) : 1;
	}
	return groups;
}

/* ---- correlated subqueries ---- */

/*
 * After how many scans a correlated aggregate makes one for all values of its parameters (memo.c), 0: never.  That one
 * costs as much as so many others; as nobody knows how often the answer is asked for, it is made when a quarter of
 * its cost has been spent: few subqueries are asked ten times and no more.
 */
static int
memo_after(PlannerInfo *root, RelOptInfo *rel, StrataPath *input)
{
	List	 *others = NIL;
	double	  all, rows;
	ListCell *lc;

	if (IS_JOIN_REL(rel) || root->simple_rte_array[rel->relid]->inh)
		return 0;
	foreach (lc, rel->baserestrictinfo)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);
		Node		 *column, *value;
		int			  param;

		if (!strata_memo_qual((Node *) rinfo->clause, rel->relid, &column, &value, &param))
			others = lappend(others, rinfo);
	}
	if (list_length(others) == list_length(rel->baserestrictinfo))
		return 0;
	rows = rel->tuples * clauselist_selectivity(root, others, rel->relid, JOIN_INNER, NULL);
	all = rel->tuples * COLUMN_VALUE_COST * (list_length(input->cpath.path.pathtarget->exprs) + list_length(rel->baserestrictinfo));
	all = Max(all, input->batch_total) + rows * MEMO_ROW_COST;
	return (int) Min(Max(all / Max(input->batch_total, 0.01) / 4, 2), 1e6);
}

/*
 * Few calls are cheaper by an index, many by what is remembered, and nobody knows how many there will be.  So a correlated
 * aggregate of PostgreSQL's own that costs less than our scan becomes a second input of ours: it answers until groups
 * are remembered.
 */
static void
add_few_calls_path(PlannerInfo *root, RelOptInfo *output_rel, StrataPath *input, const Collected *c, List *having,
				   CustomPath *ours)
{
	int			after = intVal(list_nth(ours->custom_private, 4));
	AggPath	   *few = NULL;
	CustomPath *path;
	ListCell   *lc;

	foreach (lc, output_rel->pathlist)
	{
		AggPath *p = lfirst(lc);

		if (IsA(p, AggPath) && p->aggstrategy == AGG_PLAIN && p->aggsplit == AGGSPLIT_SIMPLE &&
			(!few || p->path.total_cost < few->path.total_cost))
			few = p;
	}
	if (after == 0 || !few || few->path.total_cost * 1.01 >= ours->path.total_cost || few->path.param_info ||
		contain_subplans((Node *) output_rel->reltarget->exprs) || contain_subplans((Node *) having))
		return;
	path = makeNode(CustomPath);
	memcpy(path, ours, sizeof(CustomPath));
	/* add_path() frees what is dearer than what it is given. */
	few = memcpy(makeNode(AggPath), few, sizeof(AggPath));
	/* Here the whole of what the scan for all groups costs is spent before, as calls are cheap. */
	after = (int) Min(Max(4 * after * ours->path.total_cost / Max(few->path.total_cost, 0.01), 2), 1e9);
	path->custom_paths = list_make2(input, few);
	path->custom_private =
		list_make5(c->out, having, NIL, c->refs, makeInteger(after));
	path->path.startup_cost = few->path.startup_cost * 0.999;
	path->path.total_cost = few->path.total_cost * 0.999;
	path->path.parallel_safe &= few->path.parallel_safe;
	add_path(output_rel, &path->path);
}

/* What a subplan costs that is a correlated aggregate of ours: a start, and a lookup a call. */
static bool
cost_subplans_walker(Node *node, void *context)
{
	PlannerInfo *root = context;
	SubPlan		*sub = (SubPlan *) node;

	if (node == NULL)
		return false;
	if (IsA(node, SubPlan) && sub->parParam)
	{
		CustomScan *plan = list_nth(root->glob->subplans, sub->plan_id - 1);

		if (plan && IsA(plan, CustomScan) && plan->methods == &strata_agg_methods && sub->per_call_cost > MEMO_LOOKUP_COST)
		{
			int after = intVal(lfourth(plan->custom_private));

			/* With an input for few calls a call costs what that one does. */
			if (after > 0 && list_length(plan->custom_plans) == 1 && strata_memo_serves(plan, sub->parParam))
			{
				sub->startup_cost = plan->scan.plan.total_cost * after;
				sub->per_call_cost = MEMO_LOOKUP_COST;
			}
		}
	}
	return expression_tree_walker(node, cost_subplans_walker, context);
}

void
strata_cost_subplans(PlannerInfo *root)
{
	if (!root->parse->hasSubLinks || root->glob->subplans == NIL)
		return;
	cost_subplans_walker((Node *) root->parse->targetList, root);
	cost_subplans_walker((Node *) root->parse->jointree, root);
	cost_subplans_walker(root->parse->havingQual, root);
}

static void
add_agg_paths(PlannerInfo *root, RelOptInfo *input_rel, RelOptInfo *output_rel, GroupPathExtraData *extra)
{
	Query	   *parse = root->parse;
	Collected	c;
	List	   *sets = NIL;
	StrataPath *input;
	CustomPath *path;
	double		groups;

	if (parse->hasTargetSRFs || extra->patype != PARTITIONWISE_AGGREGATE_NONE || has_unfit_qual(input_rel))
		return;
	if (!aggregate_output(root, output_rel->reltarget, extra->havingQual, &c) ||
		(parse->groupingSets && !list_grouping_sets(root, &c, &sets)))
		return;
	input = agg_input(root, input_rel, c.out, false);
	if (!input)
		return;
	groups = estimate_groups(root, &c, sets, input->cpath.path.rows);
	path = make_agg_path(root, output_rel, output_rel->reltarget, input, &c, sets, (List *) extra->havingQual, groups,
						 c.groups || sets ? 0 : memo_after(root, input_rel, input));
	add_few_calls_path(root, output_rel, input, &c, (List *) extra->havingQual, path);
	add_path(output_rel, &path->path);
	if (!sets)
		add_parallel_agg_path(root, input_rel, output_rel, extra, groups);
}

/* SELECT DISTINCT over what makes batches: groups without aggregates. */
static void
add_distinct_path(PlannerInfo *root, RelOptInfo *input_rel, RelOptInfo *output_rel)
{
	Query	   *parse = root->parse;
	PathTarget *target = root->upper_targets[UPPERREL_DISTINCT];
	Collected	c = {.ok = true};
	StrataPath *input;
	ListCell   *lc;

	if (parse->hasTargetSRFs || parse->hasDistinctOn || parse->hasAggs || parse->groupClause || parse->groupingSets ||
		parse->hasWindowFuncs || parse->distinctClause == NIL || !target || has_unfit_qual(input_rel))
		return;
	if (!collect_keys(root, parse->distinctClause, &c) || c.groups == NIL)
		return;
	/* The whole target is what is distinct: nothing else may come along. */
	foreach (lc, target->exprs)
		if (!list_member(c.groups, lfirst(lc)))
			return;
	c.out = c.groups;
	input = agg_input(root, input_rel, c.out, false);
	if (input)
		add_path(output_rel, &make_agg_path(root, output_rel, target, input, &c, NIL, NIL,
											estimate_groups(root, &c, NIL, input->cpath.path.rows), 0)
								  ->path);
}

void
strata_create_upper_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input_rel, RelOptInfo *output_rel,
						  void *extra)
{
	if ((stage != UPPERREL_GROUP_AGG && stage != UPPERREL_DISTINCT) || !strata_planning_allowed() ||
		!strata_column_aggregate || IS_DUMMY_REL(input_rel))
		return;
	if (input_rel->reloptkind != RELOPT_BASEREL && !IS_JOIN_REL(input_rel))
		return;
	if (stage == UPPERREL_GROUP_AGG)
		add_agg_paths(root, input_rel, output_rel, extra);
	else
		add_distinct_path(root, input_rel, output_rel);
}

static Plan *
plan_agg(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses, List *custom_plans)
{
	CustomScan *agg = makeNode(CustomScan);
	List	   *output = linitial(path->custom_private);
	ListCell   *lc;

	agg->scan.plan.targetlist = tlist;
	agg->scan.plan.qual = strata_order_clauses(root, lsecond(path->custom_private));
	agg->scan.scanrelid = 0;
	agg->flags = path->flags;
	/* The input for few calls must give just what we give. */
	if (list_length(custom_plans) > 1 && !equal(((Plan *) lsecond(custom_plans))->targetlist, tlist))
		custom_plans = list_make1(linitial(custom_plans));
	agg->custom_plans = custom_plans;
	agg->custom_private =
		list_make4(makeInteger(path->path.parallel_workers > 0), lthird(path->custom_private), lfourth(path->custom_private),
				   list_nth(path->custom_private, 4));
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

