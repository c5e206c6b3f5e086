/*
 * paths.c - where the planner learns of the column store: its hooks, and the paths and plans of scans.
 *
 * Four hooks.  planner watches for updatable cursors and keeps the list below.  set_rel_pathlist adds
 * StrataScan paths (plain and partial) to base relations that have units.  set_join_pathlist (path_join.c)
 * adds hash joins in which at least one side makes batches.  create_upper_paths (path_agg.c) adds aggregation
 * over whatever makes batches.
 *
 * A node of ours is cheaper under another of ours than under one of PostgreSQL's, as no row has to leave it.
 * add_path() knows one cost only, and may throw a path away that would have been the best below a join of
 * ours.  So the cheapest path of each relation that makes batches is remembered here as well.
 */
#include "postgres.h"

#include <math.h>

#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planmain.h"
#include "optimizer/plancat.h"
#include "optimizer/planner.h"
#include "optimizer/restrictinfo.h"
#include "optimizer/tlist.h"
#include "parser/parse_coerce.h"
#include "parser/parsetree.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"

#include "exec/append.h"
#include "exec/gather.h"
#include "exec/join.h"
#include "exec/paths.h"
#include "exec/recall.h"
#include "exec/sort.h"
#include "exec/topn.h"

bool strata_column_scan = true;
bool strata_column_aggregate = true;
bool strata_column_join = true;
bool strata_column_sort = true;

static planner_hook_type prev_planner;
static set_rel_pathlist_hook_type prev_set_rel_pathlist;
static set_join_pathlist_hook_type prev_set_join_pathlist;
static create_upper_paths_hook_type prev_create_upper_paths;
static get_relation_info_hook_type prev_get_relation_info;

static CustomPathMethods scan_path_methods;

/* ---- paths that make batches ---- */

typedef struct Remembered
{
	RelOptInfo *rel;
	char status;		 /* simplehash's */
	StrataPath *best[2]; /* plain, partial */
} Remembered;

static inline uint32
hash_pointer(const void *p)
{
	return murmurhash32((uint32)((uintptr_t)p ^ (uintptr_t)p >> 32));
}

#define SH_PREFIX			 remembered
#define SH_ELEMENT_TYPE		 Remembered
#define SH_KEY_TYPE			 RelOptInfo *
#define SH_KEY				 rel
#define SH_HASH_KEY(tb, key) hash_pointer(key)
#define SH_EQUAL(tb, a, b)	 ((a) == (b))
#define SH_SCOPE			 static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* A run of the planner, which may run within another: for a function that is evaluated as a constant, say. */
typedef struct PlannerRun
{
	struct PlannerRun *outer;
	uint64 number;
	MemoryContext memory;
	remembered_hash *remembered; /* NULL: nothing yet */
	List *rels;					 /* its keys, the latest last */
	List *parallel_aware;		 /* plan nodes, to be marked at the end */
} PlannerRun;

static PlannerRun *planner_run = NULL;

/*
 * GEQO joins in one order after another, each in a memory context of its own that is deleted before the next.
 * What was remembered of these joins has to go with it: the next join may come to lie at the same address.
 */
typedef struct Forget
{
	MemoryContextCallback callback;
	uint64 run;
	int before; /* how much was remembered before */
} Forget;

static void
forget(void *arg)
{
	Forget *f = arg;

	/* After an error the run is over. */
	if (!planner_run || planner_run->number != f->run)
		return;
	for (int i = f->before; i < list_length(planner_run->rels); i++)
		remembered_delete(planner_run->remembered, list_nth(planner_run->rels, i));
	planner_run->rels = list_truncate(planner_run->rels, f->before);
}

static void
forget_with_memory(MemoryContext memory)
{
	Forget *f = MemoryContextAlloc(memory, sizeof(Forget));

	f->callback.func = forget;
	f->callback.arg = f;
	f->run = planner_run->number;
	f->before = list_length(planner_run->rels);
	MemoryContextRegisterResetCallback(memory, &f->callback);
}

static Remembered *
add_remembered(RelOptInfo *rel)
{
	PlannerRun *run = planner_run;
	MemoryContext memory = GetMemoryChunkContext(rel);
	MemoryContext old;
	Remembered *r;
	bool found;

	/* The first of its memory? */
	if (memory != run->memory && (run->rels == NIL || GetMemoryChunkContext(llast(run->rels)) != memory))
		forget_with_memory(memory);
	old = MemoryContextSwitchTo(run->memory);
	if (!run->remembered)
		run->remembered = remembered_create(run->memory, 64, NULL);
	r = remembered_insert(run->remembered, rel, &found);
	memset(r->best, 0, sizeof(r->best));
	run->rels = lappend(run->rels, rel);
	MemoryContextSwitchTo(old);
	return r;
}

static Remembered *
find_remembered(RelOptInfo *rel)
{
	return planner_run && planner_run->remembered ? remembered_lookup(planner_run->remembered, rel) : NULL;
}

void
strata_remember_path(RelOptInfo *rel, const StrataPath *path)
{
	Remembered *r = find_remembered(rel);
	int partial = path->cpath.path.parallel_workers > 0;

	if (!r)
		r = add_remembered(rel);
	if (r->best[partial] && r->best[partial]->batch_total <= path->batch_total)
		return;
	/* add_path() frees what it does not like, so this is a copy. */
	r->best[partial] = palloc(sizeof(StrataPath));
	memcpy(r->best[partial], path, sizeof(StrataPath));
}

StrataPath *
strata_batch_path(PlannerInfo *root, RelOptInfo *rel, bool partial)
{
	Remembered *r = find_remembered(rel);

	return r ? r->best[partial] : NULL;
}

/*
 * UPDATE ... WHERE CURRENT OF asks a cursor's scan for the TID of its current row, which a StrataScan does
 * not have. So while a cursor's query is planned from which it could be asked (execCurrentOf's "simply
 * updatable"), the column store keeps away.
 */
static bool planning_updatable_cursor = false;

static PlannedStmt *
strata_planner(Query *parse, const char *query_string, int cursor_options, ParamListInfo bound)
{
	PlannedStmt *result;
	bool outer = planning_updatable_cursor;
	static uint64 runs = 0;
	PlannerRun run = {.outer = planner_run, .number = ++runs, .memory = CurrentMemoryContext};

	planner_run = &run;
	planning_updatable_cursor = (cursor_options & CURSOR_OPT_FAST_PLAN) && !parse->hasAggs &&
								!parse->groupClause && !parse->groupingSets && !parse->distinctClause &&
								!parse->sortClause && !parse->setOperations && !parse->hasWindowFuncs;
	PG_TRY();
	{
		result = prev_planner ? prev_planner(parse, query_string, cursor_options, bound)
							  : standard_planner(parse, query_string, cursor_options, bound);
		strata_gather_planned(run.parallel_aware);
	}
	PG_FINALLY();
	{
		planner_run = run.outer;
		planning_updatable_cursor = outer;
	}
	PG_END_TRY();
	return result;
}

void
strata_parallel_aware_later(List *nodes)
{
	Assert(planner_run);
	planner_run->parallel_aware = list_concat(planner_run->parallel_aware, nodes);
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
		return query_tree_walker((Query *)node, shows_storage_walker, context, 0);
	return expression_tree_walker(node, shows_storage_walker, context);
}

/*
 * Does the query ask how the heap stores values?  Values of the column store are never compressed or toasted,
 * so it could not tell.  A value may be asked about anywhere above the scan that reads it, hence all of the
 * query is searched.
 */
bool
strata_query_shows_storage(PlannerInfo *root)
{
	while (root->parent_root)
		root = root->parent_root;
	return query_tree_walker(root->parse, shows_storage_walker, NULL, 0);
}

/* ---- base relations ---- */

/*
 * Attributes (offset by FirstLowInvalidHeapAttributeNumber) that a scan with this target reads.  Not
 * attr_needed, which children of partitioned tables do not have.
 */
static Bitmapset *
needed_attributes(RelOptInfo *rel, PathTarget *target)
{
	Bitmapset *attrs = NULL;
	ListCell *lc;

	pull_varattnos((Node *)target->exprs, rel->relid, &attrs);
	foreach (lc, rel->baserestrictinfo)
		pull_varattnos((Node *)lfirst_node(RestrictInfo, lc)->clause, rel->relid, &attrs);
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

/* How far neighbouring rows have neighbouring values, -1 to 1, as ANALYZE saw it; 0 where it did not. */
static double
column_correlation(Oid relid, AttrNumber attnum)
{
	HeapTuple tuple =
		SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(relid), Int16GetDatum(attnum), BoolGetDatum(false));
	AttStatsSlot slot;
	double correlation = 0;

	if (!HeapTupleIsValid(tuple))
		return 0;
	if (get_attstatsslot(&slot, tuple, STATISTIC_KIND_CORRELATION, InvalidOid, ATTSTATSSLOT_NUMBERS))
	{
		if (slot.nnumbers == 1)
			correlation = slot.numbers[0];
		free_attstatsslot(&slot);
	}
	ReleaseSysCache(tuple);
	return correlation;
}

/*
 * The part of the units that zone maps will leave: where a column follows the order of the table, the rows
 * that its conditions keep lie in few units.
 */
static double
units_left(PlannerInfo *root, RelOptInfo *rel, Oid relid, double units)
{
	List *done = NIL;
	double least = 1;
	ListCell *lc, *other;

	if (units < 2)
		return 1;
	foreach (lc, rel->baserestrictinfo)
	{
		List *vars = pull_var_clause((Node *)lfirst_node(RestrictInfo, lc)->clause,
									 PVC_RECURSE_AGGREGATES | PVC_RECURSE_PLACEHOLDERS);
		List *clauses = NIL;
		AttrNumber attnum;
		double correlation, part;

		if (list_length(vars) != 1)
			continue;
		attnum = ((Var *)linitial(vars))->varattno;
		if (attnum <= 0 || list_member_int(done, attnum))
			continue;
		done = lappend_int(done, attnum);
		foreach (other, rel->baserestrictinfo)
		{
			RestrictInfo *rinfo = lfirst_node(RestrictInfo, other);
			List *its =
				pull_var_clause((Node *)rinfo->clause, PVC_RECURSE_AGGREGATES | PVC_RECURSE_PLACEHOLDERS);

			if ((IsA(rinfo->clause, OpExpr) || IsA(rinfo->clause, ScalarArrayOpExpr)) &&
				list_length(its) == 1 && ((Var *)linitial(its))->varattno == attnum)
				clauses = lappend(clauses, rinfo);
		}
		if (clauses == NIL)
			continue;
		correlation = column_correlation(relid, attnum);
		part = clauselist_selectivity(root, clauses, rel->relid, JOIN_INNER, NULL) + 1 / units;
		correlation *= correlation;
		least = Min(least, correlation * part + (1 - correlation));
	}
	return Min(least, 1);
}

/* A string column with few distinct values has codes, and a condition on it is answered once a code of each
 * unit. */
static double
strings_looked_at(PlannerInfo *root, RelOptInfo *rel, Var *var, double units)
{
	VariableStatData stats;
	double distinct;
	bool guess;

	examine_variable(root, (Node *)var, rel->relid, &stats);
	distinct = get_variable_numdistinct(&stats, &guess);
	ReleaseVariableStats(stats);
	return guess ? rel->tuples : Min(rel->tuples, distinct * units);
}

/* The one column that a condition reads; NULL: none or several. */
static Var *
column_of(RestrictInfo *rinfo)
{
	List *vars = pull_var_clause((Node *)rinfo->clause, PVC_RECURSE_AGGREGATES | PVC_RECURSE_PLACEHOLDERS);

	return list_length(vars) == 1 ? linitial_node(Var, vars) : NULL;
}

/* A condition on a string column whose strings have to be looked at. */
static bool
is_string_condition(RestrictInfo *rinfo)
{
	Var *var;

	if (!IsA(rinfo->clause, OpExpr) && !IsA(rinfo->clause, ScalarArrayOpExpr))
		return false;
	var = column_of(rinfo);
	return var && TypeCategory(var->vartype) == TYPCATEGORY_STRING;
}

/* The result of a subquery that runs when a row first asks for it. */
static bool
is_initplan_result(PlannerInfo *root, Param *param)
{
	ListCell *lc;

	if (param->paramkind != PARAM_EXEC)
		return false;
	for (; root; root = root->parent_root)
		foreach (lc, root->init_plans)
			if (list_member_int(lfirst_node(SubPlan, lc)->setParam, param->paramid))
				return true;
	return false;
}

/* Known before the scan, without an error. */
static bool
is_known(PlannerInfo *root, Node *node)
{
	return IsA(node, Const) || (IsA(node, Param) && !is_initplan_result(root, (Param *)node));
}

/* A column of numbers, dates and the like against what is known before the scan: a kernel's work, and never
 * an error. */
static bool
is_cheap_condition(PlannerInfo *root, RestrictInfo *rinfo)
{
	OpExpr *op = (OpExpr *)rinfo->clause;
	Node *left, *right;
	StrataCmp cmp;
	Oid left_type, right_type;

	if (!IsA(op, OpExpr) || !strata_operator_meaning(op->opno, &cmp, &left_type, &right_type))
		return false;
	left = linitial(op->args);
	right = lsecond(op->args);
	return (IsA(left, Var) && is_known(root, right)) || (IsA(right, Var) && is_known(root, left));
}

/*
 * PostgreSQL orders conditions by what their functions cost, and a comparison of strings costs there what one
 * of integers does.  Cheap ones go ahead of strings, if nothing else lies between and security levels allow
 * it.
 */
static List *
order_conditions(PlannerInfo *root, List *rinfos)
{
	List *ordered = NIL;
	ListCell *lc;

	foreach (lc, rinfos)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);
		int at = list_length(ordered);

		if (is_cheap_condition(root, rinfo))
			for (; at > 0; at--)
			{
				RestrictInfo *before = list_nth_node(RestrictInfo, ordered, at - 1);

				/* One that may raise an error stays where it is. */
				if (!strata_match_compile((Node *)before->clause) ||
					before->security_level != rinfo->security_level)
					break;
			}
		ordered = list_insert_nth(ordered, at, rinfo);
	}
	return ordered;
}

/*
 * What conditions cost beyond one kernel each.  Those on strings see the rows that others before them leave;
 * dear ones (strata_node_dear()) come last in the plan's order, are PostgreSQL's evaluator's work, and are
 * summed up in *dear.
 */
static Cost
cost_conditions(PlannerInfo *root, RelOptInfo *rel, double units, Cost *dear)
{
	List *before = NIL;
	Cost strings = 0;
	ListCell *lc;

	*dear = 0;
	foreach (lc, order_conditions(root, rel->baserestrictinfo))
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);
		QualCost cost;

		if (strata_node_dear((Node *)rinfo->clause))
		{
			cost_qual_eval_node(&cost, (Node *)rinfo, root);
			*dear += cost.per_tuple;
			continue;
		}
		if (is_string_condition(rinfo))
		{
			/* After the first, no more than PostgreSQL counts, or many conditions would make the heap look
			 * cheaper. */
			cost_qual_eval_node(&cost, (Node *)rinfo, root);
			strings += (strings > 0 ? Min(STRING_VALUE_COST, cost.per_tuple) : STRING_VALUE_COST) *
					   strings_looked_at(root, rel, column_of(rinfo), units) *
					   clauselist_selectivity(root, before, rel->relid, JOIN_INNER, NULL);
		}
		before = lappend(before, rinfo);
	}
	if (*dear > 0)
		*dear *= rel->tuples * clauselist_selectivity(root, before, rel->relid, JOIN_INNER, NULL);
	return strings;
}

static void
cost_scan(PlannerInfo *root, RelOptInfo *rel, Oid relid, const StrataTableInfo *info, int ncolumns,
		  StrataPath *spath, double divisor)
{
	Path *path = &spath->cpath.path;
	double pages = Max(rel->pages, 1);
	double in_columns = Min(1.0, info->blocks_populated / pages);
	double stale = Min(in_columns, info->blocks_stale / pages);
	double left = units_left(root, rel, relid, info->units_populated);
	QualCost qual;
	Cost startup, cpu, disk, rows_up, strings, dear;

	cost_qual_eval(&qual, rel->baserestrictinfo, root);
	strings = cost_conditions(root, rel, info->units_populated, &dear);
	startup = qual.startup + path->pathtarget->cost.startup;
	cpu = in_columns * left * rel->tuples * COLUMN_VALUE_COST *
			  (ncolumns + list_length(rel->baserestrictinfo)) +
		  info->units_populated * UNIT_COST * (0.2 + 0.8 * left) + in_columns * (left * strings + dear);
	cpu += stale * left * (pages * STALE_BLOCK_COST + rel->tuples * STALE_ROW_COST);
	cpu += (1 - in_columns) * rel->tuples * (cpu_tuple_cost + qual.per_tuple);
	spath->batch_dear = in_columns * dear / divisor;
	rows_up = rel->rows * (cpu_tuple_cost + path->pathtarget->cost.per_tuple);
	disk = (1 - in_columns) * pages * seq_page_cost;
	path->rows = clamp_row_est(rel->rows / divisor);
	path->startup_cost = startup;
	path->total_cost = startup + (cpu + rows_up) / divisor + disk;
	spath->batch_startup = startup;
	spath->batch_total = startup + cpu / divisor + disk;
}

/* Children of this relation that are not known to be empty. */
static int
count_children(PlannerInfo *root, RelOptInfo *parent)
{
	int children = 0;
	ListCell *lc;

	if (IS_PARTITIONED_REL(parent))
		return bms_num_members(parent->live_parts);
	foreach (lc, root->append_rel_list)
	{
		AppendRelInfo *info = lfirst_node(AppendRelInfo, lc);
		RelOptInfo *child = root->simple_rel_array[info->child_relid];

		if (info->parent_relid == parent->relid && child && !IS_DUMMY_REL(child))
			children++;
	}
	return children;
}

/* PostgreSQL adds up what children cost, so each has a share of it. */
Cost
strata_workers_cost(PlannerInfo *root, const RelOptInfo *rel)
{
	RelOptInfo *parent;

	if (rel->reloptkind == RELOPT_OTHER_JOINREL)
		return 0;
	if (rel->reloptkind != RELOPT_OTHER_MEMBER_REL)
		return WORKER_COST * parallel_setup_cost;
	parent = root->simple_rel_array[root->append_rel_array[rel->relid]->parent_relid];
	return strata_workers_cost(root, parent) / Max(count_children(root, parent), 1);
}

/* As costsize.c's get_parallel_divisor, which is private. */
double
strata_parallel_divisor(int workers)
{
	double divisor = workers;

	if (parallel_leader_participation)
		divisor += Max(0.0, 1.0 - 0.3 * workers);
	return divisor;
}

StrataPath *
strata_scan_path(PlannerInfo *root, RelOptInfo *rel, PathTarget *target, int workers)
{
	RangeTblEntry *rte = root->simple_rte_array[rel->relid];
	StrataPath *spath = NULL;
	Relation heap;
	StrataTableInfo info;
	Bitmapset *attrs;

	if (!strata_column_scan || rte->rtekind != RTE_RELATION || rte->inh || rte->tablesample ||
		(rte->relkind != RELKIND_RELATION && rte->relkind != RELKIND_MATVIEW) ||
		!bms_is_empty(rel->lateral_relids))
		return NULL;
	attrs = needed_attributes(rel, target);
	heap = table_open(rte->relid, NoLock);
	if (strata_column_info(heap, &info) && attributes_storable(heap, attrs) &&
		!strata_query_shows_storage(root))
	{
		Path *path;

		spath = palloc0(sizeof(StrataPath));
		spath->cpath.path.type = T_CustomPath;
		path = &spath->cpath.path;
		path->pathtype = T_CustomScan;
		path->parent = rel;
		path->pathtarget = target;
		path->param_info = NULL;
		path->parallel_aware = workers > 0;
		path->parallel_safe = rel->consider_parallel;
		path->parallel_workers = workers;
		spath->cpath.flags = CUSTOMPATH_SUPPORT_PROJECTION;
		spath->cpath.methods = &scan_path_methods;
		cost_scan(root, rel, rte->relid, &info, bms_num_members(attrs), spath,
				  workers > 0 ? strata_parallel_divisor(workers) : 1);
	}
	table_close(heap, NoLock);
	return spath;
}

int
strata_scan_workers(RelOptInfo *rel)
{
	if (!rel->consider_parallel || max_parallel_workers_per_gather == 0)
		return 0;
	return compute_parallel_worker(rel, rel->pages, -1, max_parallel_workers_per_gather);
}

bool
strata_planning_allowed(void)
{
	return planner_run && !planning_updatable_cursor;
}

/*
 * PostgreSQL's partial paths of the table, which are all there already, need the same workers and do not
 * count them: none of these must look cheaper than ours for that.
 */
static void
add_partial_scan(PlannerInfo *root, RelOptInfo *rel, Path *path)
{
	Cost workers = strata_workers_cost(root, rel);

	add_partial_path(rel, path);
	/* It may be gone. */
	if (!list_member_ptr(rel->partial_pathlist, path))
		return;
	path->startup_cost += workers;
	path->total_cost += workers;
}

static void
strata_set_rel_pathlist(PlannerInfo *root, RelOptInfo *rel, Index rti, RangeTblEntry *rte)
{
	StrataPath *path;
	int workers;

	if (prev_set_rel_pathlist)
		prev_set_rel_pathlist(root, rel, rti, rte);
	if (!strata_planning_allowed() || IS_DUMMY_REL(rel))
		return;
	if (rte->inh)
	{
		if (strata_column_scan && rte->rtekind == RTE_RELATION)
		{
			strata_add_append_paths(root, rel);
			strata_add_sort_paths(root, rel);
		}
		return;
	}
	path = strata_scan_path(root, rel, rel->reltarget, 0);
	if (!path)
		return;
	strata_remember_path(rel, path);
	add_path(rel, &path->cpath.path);
	workers = strata_scan_workers(rel);
	if (workers > 0)
	{
		path = strata_scan_path(root, rel, rel->reltarget, workers);
		strata_remember_path(rel, path);
		add_partial_scan(root, rel, &path->cpath.path);
	}
	strata_add_sort_paths(root, rel);
}

/* Comes before the conditions are dealt out to relations, and costed. */
static void
before_costs(PlannerInfo *root, Oid relid, bool inhparent, RelOptInfo *rel)
{
	if (prev_get_relation_info)
		prev_get_relation_info(root, relid, inhparent, rel);
	if (rel->reloptkind == RELOPT_BASEREL && strata_planning_allowed() && strata_column_aggregate)
		strata_cost_subplans(root);
}

static void
set_join_pathlist(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outerrel, RelOptInfo *innerrel,
				  JoinType jointype, JoinPathExtraData *extra)
{
	if (prev_set_join_pathlist)
		prev_set_join_pathlist(root, joinrel, outerrel, innerrel, jointype, extra);
	strata_set_join_pathlist(root, joinrel, outerrel, innerrel, jointype, extra);
	if (strata_planning_allowed())
		strata_add_sort_paths(root, joinrel);
}

static void
create_upper_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input_rel, RelOptInfo *output_rel,
				   void *extra)
{
	if (prev_create_upper_paths)
		prev_create_upper_paths(root, stage, input_rel, output_rel, extra);
	strata_create_upper_paths(root, stage, input_rel, output_rel, extra);
	if (stage == UPPERREL_ORDERED && strata_planning_allowed() && strata_column_sort &&
		(input_rel->reloptkind == RELOPT_BASEREL || IS_JOIN_REL(input_rel)) && !IS_DUMMY_REL(input_rel))
	{
		strata_add_topn_path(root, input_rel, output_rel);
		strata_add_ordered_path(root, input_rel, output_rel);
	}
}

/* What comes first among conditions. */
typedef struct Rank
{
	Index level; /* of security */
	Cost cost;
} Rank;

static Rank
rank_of(PlannerInfo *root, Node *clause)
{
	RestrictInfo *rinfo = IsA(clause, RestrictInfo) ? (RestrictInfo *)clause : NULL;
	QualCost cost;
	bool free_to_move;

	cost_qual_eval_node(&cost, clause, root);
	free_to_move = !rinfo || (rinfo->leakproof && cost.per_tuple < 10 * cpu_operator_cost);
	return (Rank){.level = free_to_move ? 0 : rinfo->security_level, .cost = cost.per_tuple};
}

List *
strata_order_clauses(PlannerInfo *root, List *clauses)
{
	Rank *ranks = palloc(sizeof(Rank) * Max(list_length(clauses), 1));
	List *ordered = NIL;
	ListCell *lc;

	foreach (lc, clauses)
	{
		Rank rank = rank_of(root, lfirst(lc));
		int at = list_length(ordered);

		for (; at > 0; at--)
		{
			if (ranks[at - 1].level < rank.level ||
				(ranks[at - 1].level == rank.level && ranks[at - 1].cost <= rank.cost))
				break;
			ranks[at] = ranks[at - 1];
		}
		ranks[at] = rank;
		ordered = list_insert_nth(ordered, at, lfirst(lc));
	}
	pfree(ranks);
	return ordered;
}

static Plan *
plan_scan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses,
		  List *custom_plans)
{
	CustomScan *scan = makeNode(CustomScan);

	scan->scan.plan.targetlist = tlist;
	scan->scan.plan.qual = extract_actual_clauses(order_conditions(root, clauses), false);
	scan->scan.scanrelid = rel->relid;
	scan->flags = path->flags;
	scan->methods = &strata_scan_methods;
	return &scan->scan.plan;
}

static CustomPathMethods scan_path_methods = {
	.CustomName = "StrataScan",
	.PlanCustomPath = plan_scan,
};

/* ---- module ---- */

static void
exec_settings(void)
{
	DefineCustomBoolVariable("strata.column_scan", "Lets the planner read tables from the column store.",
							 NULL, &strata_column_scan, true, PGC_USERSET, GUC_EXPLAIN, NULL, NULL, NULL);
	DefineCustomBoolVariable("strata.column_aggregate", "Lets the planner aggregate inside the column store.",
							 NULL, &strata_column_aggregate, true, PGC_USERSET, GUC_EXPLAIN, NULL, NULL,
							 NULL);
	DefineCustomBoolVariable("strata.column_join", "Lets the planner join inside the column store.", NULL,
							 &strata_column_join, true, PGC_USERSET, GUC_EXPLAIN, NULL, NULL, NULL);
	DefineCustomBoolVariable("strata.column_sort", "Lets the planner sort inside the column store.", NULL,
							 &strata_column_sort, true, PGC_USERSET, GUC_EXPLAIN, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"strata.recall_memory",
		"Memory in which a session remembers rows that it read from the heap because the column "
		"store does not hold them yet; 0 turns that off.",
		NULL, &strata_recall_memory, 16 * 1024, 0, MAX_KILOBYTES, PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);
}

static void
exec_start(bool preloaded)
{
	RegisterCustomScanMethods(&strata_scan_methods);
	RegisterCustomScanMethods(&strata_join_methods);
	RegisterCustomScanMethods(&strata_agg_methods);
	RegisterCustomScanMethods(&strata_topn_methods);
	RegisterCustomScanMethods(&strata_sort_methods);
	RegisterCustomScanMethods(&strata_append_methods);
	RegisterCustomScanMethods(&strata_gather_methods);
	if (!preloaded)
		return;
	prev_planner = planner_hook;
	planner_hook = strata_planner;
	prev_set_rel_pathlist = set_rel_pathlist_hook;
	set_rel_pathlist_hook = strata_set_rel_pathlist;
	prev_create_upper_paths = create_upper_paths_hook;
	create_upper_paths_hook = create_upper_paths;
	prev_set_join_pathlist = set_join_pathlist_hook;
	set_join_pathlist_hook = set_join_pathlist;
	prev_get_relation_info = get_relation_info_hook;
	get_relation_info_hook = before_costs;
}

const StrataModule strata_exec_module = {
	.name = "exec",
	.settings = exec_settings,
	.start = exec_start,
};
