/*
 * path_join.c - paths and plans of StrataJoin.
 *
 * A join is offered when some of its conditions are equalities that the executor can hash, and at least one side makes
 * batches.  PostgreSQL's search tries the sides in both orders, so here the outer relation is the probe side; only semi
 * and anti joins, which it tries in one order, are turned around here as well (the kinds named Right).
 *
 * Not offered: in queries that lock or change rows (EvalPlanQual runs plans for single rows), over lateral references,
 * and with volatile functions in the conditions: keys of rows that wait in files are evaluated again (join.c).
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "optimizer/tlist.h"
#include "utils/lsyscache.h"

#include "exec/join.h"
#include "exec/paths.h"
#include "exec/spool.h"

#define MAX_JOIN_KEYS 16

/* How a join is divided among processes. */
typedef enum JoinSharing
{
	JOIN_WHOLE,	  /* not at all */
	JOIN_PARTIAL, /* each has a part of the probe side, and all of the build side for itself */
	JOIN_SHARED	  /* each has a part of both, and they have one table */
} JoinSharing;

static CustomPathMethods join_path_methods;

/* The conditions of a join, dealt out. */
typedef struct JoinClauses
{
	List *probe_keys, *build_keys; /* expressions */
	List *residual;				   /* join conditions that are no keys */
	List *other;				   /* conditions on the result of an outer join */
	List *residual_rinfos, *other_rinfos; /* the RestrictInfos of these */
	bool  unfit;
} JoinClauses;

/* Is the clause an equality of the two sides that can be hashed?  Then the sides' expressions. */
static bool
clause_is_key(RestrictInfo *rinfo, Relids probe, Relids build, Node **probe_key, Node **build_key)
{
	OpExpr *op = (OpExpr *) rinfo->clause;

	if (!rinfo->can_join || !IsA(op, OpExpr) || list_length(op->args) != 2 || rinfo->hashjoinoperator == InvalidOid)
		return false;
	if (bms_is_subset(rinfo->left_relids, probe) && bms_is_subset(rinfo->right_relids, build))
	{
		*probe_key = linitial(op->args);
		*build_key = lsecond(op->args);
	}
	else if (bms_is_subset(rinfo->left_relids, build) && bms_is_subset(rinfo->right_relids, probe))
	{
		*probe_key = lsecond(op->args);
		*build_key = linitial(op->args);
	}
	else
		return false;
	return strata_join_key_supported(op->opno, op->inputcollid, *probe_key, *build_key);
}

static void
deal_clauses(List *restrictlist, Relids joinrelids, bool outer_join, Relids probe, Relids build, JoinClauses *c)
{
	ListCell *lc;

	memset(c, 0, sizeof(*c));
	foreach (lc, restrictlist)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);
		Node		 *probe_key, *build_key;

		if (rinfo->pseudoconstant || contain_volatile_functions((Node *) rinfo->clause))
			c->unfit = true;
		else if (outer_join && RINFO_IS_PUSHED_DOWN(rinfo, joinrelids))
		{
			c->other = lappend(c->other, rinfo->clause);
			c->other_rinfos = lappend(c->other_rinfos, rinfo);
		}
		else if (list_length(c->probe_keys) < MAX_JOIN_KEYS &&
				 clause_is_key(rinfo, probe, build, &probe_key, &build_key))
		{
			c->probe_keys = lappend(c->probe_keys, probe_key);
			c->build_keys = lappend(c->build_keys, build_key);
		}
		else
		{
			c->residual = lappend(c->residual, rinfo->clause);
			c->residual_rinfos = lappend(c->residual_rinfos, rinfo);
		}
	}
}

/* ---- the Vars of a join ---- */

/* May this be a column of one of our batches? */
static bool
vars_fit(List *vars)
{
	ListCell *lc;
	StrataRep rep;

	foreach (lc, vars)
	{
		Var *var = lfirst(lc);

		if (!IsA(var, Var) || var->varlevelsup != 0 || var->varattno <= 0 || !strata_column_rep(var->vartype, &rep))
			return false;
	}
	return true;
}

static List *
join_vars(RelOptInfo *joinrel, const JoinClauses *c)
{
	List *all = list_concat_copy(joinrel->reltarget->exprs, c->probe_keys);

	all = list_concat(all, c->build_keys);
	all = list_concat(all, c->residual);
	all = list_concat(all, c->other);
	/* Not the Vars of placeholders: their expressions are evaluated at a certain level, which is not ours to choose. */
	return pull_var_clause((Node *) all, PVC_INCLUDE_PLACEHOLDERS);
}

/* ---- inputs ---- */

typedef struct JoinInput
{
	Path *path;
	Cost  startup, total; /* of its rows in batches */
	Cost  dear;			  /* of this, for conditions that are evaluated after a filter from above */
	bool  batches;
} JoinInput;

static bool
choose_input(PlannerInfo *root, RelOptInfo *rel, bool partial, JoinInput *in)
{
	StrataPath *spath = strata_batch_path(root, rel, partial);
	Path	   *path;

	if (spath)
	{
		in->path = &spath->cpath.path;
		in->startup = spath->batch_startup;
		in->total = spath->batch_total;
		in->dear = spath->batch_dear;
		in->batches = true;
	}
	if (partial)
		return spath != NULL;
	path = rel->cheapest_total_path;
	if (!path || path->param_info || !vars_fit(rel->reltarget->exprs))
		return spath != NULL;
	/*
	 * A few rows by an index may beat reading the columns.  Of joins that is asked with more doubt, as their estimates
	 * deserve: a nested loop over many more rows than thought takes very long, a hash join does not.
	 */
	if (!spath || path->total_cost + path->rows * ROW_IN_COST < in->total * (IS_JOIN_REL(rel) ? 0.2 : 0.8))
	{
		in->path = path;
		in->startup = path->startup_cost;
		in->total = path->total_cost + path->rows * ROW_IN_COST;
		in->dear = 0;
		in->batches = false;
	}
	return true;
}

/* ---- estimates ---- */

/* Are the join's equalities just those of a unique index of `rel` over several columns? */
static bool
joined_by_unique_key(PlannerInfo *root, RelOptInfo *rel, RelOptInfo *other, List *restrictlist)
{
	List	 *clauses = NIL;
	ListCell *lc;

	if (rel->reloptkind != RELOPT_BASEREL || rel->rtekind != RTE_RELATION || rel->tuples < 1)
		return false;
	foreach (lc, restrictlist)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);

		if (!rinfo->can_join || rinfo->mergeopfamilies == NIL)
			continue;
		if (bms_is_subset(rinfo->left_relids, other->relids) && bms_is_subset(rinfo->right_relids, rel->relids))
			rinfo->outer_is_left = true;
		else if (bms_is_subset(rinfo->left_relids, rel->relids) && bms_is_subset(rinfo->right_relids, other->relids))
			rinfo->outer_is_left = false;
		else
			continue;
		clauses = lappend(clauses, rinfo);
	}
	if (list_length(clauses) < 2 || !relation_has_unique_index_for(root, rel, clauses, NIL, NIL))
		return false;
	/* An equality that the key does without selects rows of its own, so that PostgreSQL's product is the better guess. */
	foreach (lc, clauses)
		if (relation_has_unique_index_for(root, rel, list_delete_ptr(list_copy(clauses), lfirst(lc)), NIL, NIL))
			return false;
	return true;
}

/*
 * PostgreSQL multiplies the selectivities of several equalities as if the columns had nothing to do with each other.
 * Over a key of several columns that is wrong by orders of magnitude (TPC-H's query 9: 72 rows for 330,000), and plans
 * that are right for few rows take the place of ours.  With a unique key on one side each row of the other has one
 * match at most, and as with a foreign key we take it that it has one, unless that row was filtered out.
 */
static void
raise_estimate(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *a, RelOptInfo *b, List *restrictlist)
{
	double	  rows = 0;
	ListCell *lc;

	if (joined_by_unique_key(root, a, b, restrictlist))
		rows = b->rows * Min(1.0, a->rows / a->tuples);
	else if (joined_by_unique_key(root, b, a, restrictlist))
		rows = a->rows * Min(1.0, b->rows / b->tuples);
	if (rows <= joinrel->rows)
		return;
	joinrel->rows = clamp_row_est(rows);
	foreach (lc, joinrel->pathlist)
	{
		Path *path = lfirst(lc);

		if (!path->param_info)
			path->rows = joinrel->rows;
	}
}

/* ---- paths ---- */

/* What part of the rows will have to wait in files because the build side does not fit into hash_mem (join.c)? */
static double
part_in_files(double build_rows, int width, int nkeys)
{
	double bytes = build_rows * (width + 16.0 + 12 * nkeys);
	double memory = get_hash_memory_limit();

	return bytes <= memory ? 0 : 1 - 0.5 * memory / bytes;
}

/* Of conditions for one row: vectors do with a fifth of what operators cost. */
static Cost
evaluation(PlannerInfo *root, List *clauses)
{
	Cost	  sum = 0;
	QualCost  cost;
	ListCell *lc;

	foreach (lc, clauses)
	{
		cost_qual_eval_node(&cost, lfirst(lc), root);
		sum += cost.per_tuple * (strata_node_dear(lfirst(lc)) ? 1 : 0.2);
	}
	return sum;
}

/* Will the build side's keys be handed down to the probe side (join.c)? */
static bool
keys_handed_down(StrataJoinKind kind, const JoinClauses *c)
{
	return list_length(c->probe_keys) == 1 && IsA(linitial(c->probe_keys), Var) &&
		(kind == STRATA_JOIN_INNER || kind == STRATA_JOIN_SEMI || kind == STRATA_JOIN_RIGHT ||
		 kind == STRATA_JOIN_RIGHT_SEMI || kind == STRATA_JOIN_RIGHT_ANTI);
}

/* All rows of a partial build side, and those that a process reads; its path may be meant for other workers than the
 * join. */
static double
rows_of_all(const JoinInput *build)
{
	return build->path->rows * strata_parallel_divisor(build->path->parallel_workers);
}

static double
rows_of_one(const JoinInput *build, int workers)
{
	return rows_of_all(build) / strata_parallel_divisor(workers);
}

/* Is there memory for the rows of a shared build side, and to spare?  As joinshare.c counts it. */
static bool
fits_shared_memory(const JoinInput *build, int workers)
{
	double bytes = rows_of_all(build) * (2.0 * build->path->pathtarget->width + 48);

	return bytes * 2 <= (double) get_hash_memory_limit() * (workers + 1);
}

/* To read the build side and enter it into the table. */
static Cost
cost_build(const JoinInput *build, JoinSharing sharing, int workers, int nkeys)
{
	double rows = build->path->rows;

	if (sharing == JOIN_SHARED)
	{
		rows = rows_of_one(build, workers);
		return build->startup + (build->total - build->startup) * rows / build->path->rows +
			rows * (BUILD_ROW_COST + SHARE_ROW_COST) + SHARE_PART * parallel_setup_cost;
	}
	return build->total + rows * BUILD_ROW_COST * nkeys;
}

static void
cost_join(PlannerInfo *root, StrataPath *path, const JoinInput *probe, const JoinInput *build, const JoinClauses *c,
		  StrataJoinKind kind, JoinSharing sharing, double match_part)
{
	Path	*p = &path->cpath.path;
	double	 probe_rows = probe->path->rows;
	double	 build_rows = sharing == JOIN_SHARED ? rows_of_all(build) : build->path->rows;
	int		 nkeys = list_length(c->probe_keys);
	int		 width = build->path->pathtarget->width;
	double	 in_files = sharing == JOIN_SHARED ? 0 : part_in_files(build_rows, width, nkeys);
	double	 matches;
	QualCost residual, other;
	Cost	 work, probe_total = probe->total;

	cost_qual_eval(&residual, c->residual, root);
	cost_qual_eval(&other, c->other, root);
	work = probe_rows * PROBE_ROW_COST * nkeys;
	/* Wide tables miss the cache at each look. */
	if (build_rows > 500000)
		work += probe_rows * PROBE_ROW_COST;
	work += p->rows * COLUMN_VALUE_COST * list_length(path->cpath.path.parent->reltarget->exprs);
	matches = p->rows;
	if (c->residual)
		matches /= Max(clauselist_selectivity(root, c->residual, 0, JOIN_INNER, NULL), 1e-6);
	/* Not more than PostgreSQL's own joins are costed with, or theirs would look cheaper for the same work. */
	matches = Min(matches, Max(probe_rows * match_part, 1));
	work += matches * evaluation(root, c->residual) + p->rows * evaluation(root, c->other);
	if (probe->dear > 0 && keys_handed_down(kind, c))
		probe_total -= probe->dear * (1 - Min(1, matches / Max(probe_rows, 1)));
	path->batch_startup = cost_build(build, sharing, p->parallel_workers, nkeys) + probe->startup + residual.startup +
		other.startup;
	if (in_files > 0)
	{
		/* Of the probe side, rows that have a match; which they have is told by a filter. */
		path->batch_startup += in_files * strata_spool_cost(build_rows, width);
		work += in_files *
			strata_spool_cost(Min(probe_rows, Max(matches, 1)), probe->path->pathtarget->width);
	}
	path->batch_total = path->batch_startup + probe_total - probe->startup + work;
	p->startup_cost = path->batch_startup + p->pathtarget->cost.startup;
	p->total_cost = path->batch_total + p->pathtarget->cost.startup +
		p->rows * (cpu_tuple_cost + p->pathtarget->cost.per_tuple);
}

static void
add_join(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *proberel, RelOptInfo *buildrel, StrataJoinKind kind,
		 bool outer_join, List *restrictlist, JoinSharing sharing, double match_part)
{
	bool		partial = sharing != JOIN_WHOLE;
	StrataPath *path, *copy;
	JoinClauses c;
	JoinInput	probe = {0}, build = {0};
	List	   *vars;

	deal_clauses(restrictlist, joinrel->relids, outer_join, proberel->relids, buildrel->relids, &c);
	if (c.unfit || c.probe_keys == NIL)
		return;
	vars = join_vars(joinrel, &c);
	if (!vars_fit(vars) || !choose_input(root, proberel, partial, &probe) ||
		!choose_input(root, buildrel, sharing == JOIN_SHARED, &build) || (!probe.batches && !build.batches) ||
		(partial && !build.path->parallel_safe))
		return;
	if (sharing == JOIN_SHARED &&
		(list_length(c.build_keys) != 1 || !strata_join_key_is_integer(linitial(c.build_keys)) ||
		 !fits_shared_memory(&build, probe.path->parallel_workers)))
		return;
	path = palloc0(sizeof(StrataPath));
	path->cpath.path.type = T_CustomPath;
	path->cpath.path.pathtype = T_CustomScan;
	path->cpath.path.parent = joinrel;
	path->cpath.path.pathtarget = joinrel->reltarget;
	path->cpath.path.parallel_aware = sharing == JOIN_SHARED;
	path->cpath.path.parallel_safe = joinrel->consider_parallel && probe.path->parallel_safe && build.path->parallel_safe;
	path->cpath.path.parallel_workers = partial ? probe.path->parallel_workers : 0;
	path->cpath.path.rows =
		partial ? clamp_row_est(joinrel->rows / strata_parallel_divisor(path->cpath.path.parallel_workers))
				: joinrel->rows;
	path->cpath.flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->cpath.custom_paths = list_make2(probe.path, build.path);
	path->cpath.custom_private =
		list_make5(makeInteger(kind), list_make2(c.probe_keys, c.build_keys), c.residual_rinfos, c.other_rinfos, vars);
	path->cpath.custom_private = lappend(path->cpath.custom_private, list_make2_int(probe.batches, build.batches));
	path->cpath.methods = &join_path_methods;
	cost_join(root, path, &probe, &build, &c, kind, sharing, match_part);
	strata_remember_path(joinrel, path);
	copy = palloc(sizeof(StrataPath));
	memcpy(copy, path, sizeof(StrataPath));
	if (partial)
	{
		copy->cpath.path.startup_cost += strata_workers_cost(root, joinrel);
		copy->cpath.path.total_cost += strata_workers_cost(root, joinrel);
		add_partial_path(joinrel, &copy->cpath.path);
	}
	else
		add_path(joinrel, &copy->cpath.path);
}

/* Rows of the build side that wait for the end cannot be shared out among processes. */
static bool
kind_is_partial(StrataJoinKind kind)
{
	return kind == STRATA_JOIN_INNER || kind == STRATA_JOIN_LEFT || kind == STRATA_JOIN_SEMI ||
		kind == STRATA_JOIN_ANTI;
}

/*
 * Does the result need columns of this side?  Those of the inner side of a semijoin are no part of it, but where they
 * are equal to others the planner may have nodes above compare them in place of these.
 */
static bool
needs_columns_of(const RelOptInfo *joinrel, const RelOptInfo *side)
{
	List	 *vars = pull_var_clause((Node *) joinrel->reltarget->exprs, PVC_INCLUDE_PLACEHOLDERS);
	ListCell *lc;

	foreach (lc, vars)
		if (!IsA(lfirst(lc), Var) || bms_is_member(lfirst_node(Var, lc)->varno, side->relids))
			return true;
	return false;
}

void
strata_set_join_pathlist(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outerrel, RelOptInfo *innerrel,
						 JoinType jointype, JoinPathExtraData *extra)
{
	List		  *clauses = extra->restrictlist;
	bool		   outer_join = IS_OUTER_JOIN(jointype);
	bool		   parallel = joinrel->consider_parallel && bms_is_empty(joinrel->lateral_relids);
	StrataJoinKind kind;
	/* Of the outer rows, those that have a match, where they have one at most. */
	double match_part = extra->inner_unique ? extra->semifactors.outer_match_frac : 1e10;

	if (!strata_planning_allowed() || !strata_column_join || root->parse->commandType != CMD_SELECT ||
		root->rowMarks != NIL || !bms_is_empty(joinrel->lateral_relids) ||
		(!strata_batch_path(root, outerrel, false) && !strata_batch_path(root, innerrel, false)))
		return;
	if (jointype == JOIN_INNER)
		raise_estimate(root, joinrel, outerrel, innerrel, clauses);
	switch (jointype)
	{
		case JOIN_INNER:
			kind = STRATA_JOIN_INNER;
			break;
		case JOIN_LEFT:
			kind = STRATA_JOIN_LEFT;
			break;
		case JOIN_FULL:
			kind = STRATA_JOIN_FULL;
			break;
		case JOIN_RIGHT:
			kind = STRATA_JOIN_RIGHT;
			break;
		case JOIN_SEMI:
			kind = STRATA_JOIN_SEMI;
			/* Rows that wait for the end have no match at hand any more. */
			if (!needs_columns_of(joinrel, innerrel))
				add_join(root, joinrel, innerrel, outerrel, STRATA_JOIN_RIGHT_SEMI, outer_join, clauses,
						 JOIN_WHOLE, 1e10);
			break;
		case JOIN_ANTI:
			kind = STRATA_JOIN_ANTI;
			add_join(root, joinrel, innerrel, outerrel, STRATA_JOIN_RIGHT_ANTI, outer_join, clauses, JOIN_WHOLE,
					 1e10);
			break;
		default:
			return;
	}
	add_join(root, joinrel, outerrel, innerrel, kind, outer_join, clauses, JOIN_WHOLE, match_part);
	if (!parallel || !kind_is_partial(kind))
		return;
	add_join(root, joinrel, outerrel, innerrel, kind, outer_join, clauses, JOIN_PARTIAL, match_part);
	if (enable_parallel_hash)
		add_join(root, joinrel, outerrel, innerrel, kind, outer_join, clauses, JOIN_SHARED, match_part);
}

/* ---- plans ---- */

/* Place of a Var in the target list of a plan of PostgreSQL's; 0: not there. */
static int
place_of(Plan *plan, Var *var)
{
	TargetEntry *tle = tlist_member((Expr *) var, plan->targetlist);

	return tle ? tle->resno : 0;
}

static List *
conditions_in_order(PlannerInfo *root, List *rinfos)
{
	return extract_actual_clauses(strata_order_clauses(root, rinfos), false);
}

static Plan *
plan_join(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses, List *custom_plans)
{
	CustomScan *join = makeNode(CustomScan);
	List	   *keys = lsecond(path->custom_private);
	List	   *vars = list_nth(path->custom_private, 4);
	Path	   *build = lsecond(path->custom_paths);
	List	   *seen = NIL, *sides = NIL, *places = NIL;
	ListCell   *lc;

	join->scan.plan.targetlist = tlist;
	join->scan.plan.qual = conditions_in_order(root, list_nth(path->custom_private, 3));
	join->scan.scanrelid = 0;
	join->flags = path->flags;
	join->custom_plans = custom_plans;
	join->methods = &strata_join_methods;
	join->custom_exprs =
		list_make3(linitial(keys), lsecond(keys), conditions_in_order(root, lthird(path->custom_private)));
	foreach (lc, vars)
	{
		Var *var = lfirst(lc);
		bool of_build = bms_is_member(var->varno, build->parent->relids);

		if (list_member(seen, var))
			continue;
		seen = lappend(seen, var);
		join->custom_scan_tlist =
			lappend(join->custom_scan_tlist,
					makeTargetEntry((Expr *) copyObject(var), list_length(join->custom_scan_tlist) + 1, NULL, false));
		sides = lappend_int(sides, of_build);
		places = lappend_int(places, place_of(list_nth(custom_plans, of_build), var));
	}
	/* A SubqueryScan that does nothing will make room for what is below it, which may be one of our nodes then, but with
	 * other names for its columns: which sides make batches is settled here. */
	join->custom_private = list_make4(linitial(path->custom_private), sides, places, list_nth(path->custom_private, 5));
	return &join->scan.plan;
}

static CustomPathMethods join_path_methods = {
	.CustomName = "StrataJoin",
	.PlanCustomPath = plan_join,
};
