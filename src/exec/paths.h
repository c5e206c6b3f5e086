/*
 * paths.h - what the planner's side of the executor shares: paths that can hand up batches, and their costs.
 *
 * Included by: paths.c, path_join.c, path_agg.c.
 * Memory: the planner's.  Locking: none.
 * Not here: execution.
 *
 * Costs are on PostgreSQL's scale, where a sequential scan's row costs about 0.03 (cpu_tuple_cost, a page's
 * share, a qual) and takes about 80 ns: 0.0001 a row and column is the 0.3 ns that decoding and a kernel
 * take.
 *
 * Parallel workers.  One takes 4 to 5 ms until it asks for its first unit, and as long from its last until
 * the leader may go on: the postmaster forks it, it connects to the database, maps what it reads of the pool,
 * unmaps it and exits (docs/performance.md has the parts).  Our plans cost 250 to 750 a ms, so this is some
 * 5000, five times what parallel_setup_cost is by default.  PostgreSQL need not mind, as its own scans take a
 * hundred times as long as ours; here a scan of 10 ms would be made slower.  So what is partial of ours has
 * the difference, in parts of parallel_setup_cost, by which users say what a start costs on their machine.
 */
#ifndef STRATA_EXEC_PATHS_H
#define STRATA_EXEC_PATHS_H

#include "exec/exec.h"

#define COLUMN_VALUE_COST 0.0001 /* decode and one kernel: some 0.3 ns */
#define GROUP_ROW_COST	  0.0008 /* find the group and add to one accumulator: some 2 ns */
#define MEMO_ROW_COST	  0.005	 /* the same with more groups than the cache holds: some 15 ns */
#define MEMO_LOOKUP_COST  0.15	 /* answer a subquery from what it remembers: some 0.4 us */
#define BUILD_ROW_COST	  0.004	 /* keep a row and enter it into a hash table: some 10 ns */
#define SHARE_ROW_COST	  0.002	 /* copy it to where all processes of a parallel join see it: some 5 ns */
#define SHARE_PART		  0.02	 /* to wait for the others, of parallel_setup_cost: some 50 us */
#define PROBE_ROW_COST	  0.0012 /* look up a key: some 3 ns */
#define ROW_IN_COST		  0.01	 /* a row of another node into a vector: some 25 ns */
#define STRING_VALUE_COST 0.01	 /* compare a string, or match it to a pattern: some 25 ns */
#define UNIT_COST		  0.5	 /* pin, freshness, zone maps */
#define STALE_BLOCK_COST  0.2	 /* look at a changed block: some 0.5 us */
#define STALE_ROW_COST	  0.002	 /* judge one of its rows: some 5 ns */
#define CREW_PART		  0.3	 /* query workers that are there already, of parallel_setup_cost: some 1 ms */
#define WORKER_COST		  4.0 /* times parallel_setup_cost, beside what Gather has: start and end of workers */

/* A path whose node can hand batches to a parent of ours. */
typedef struct StrataPath
{
	CustomPath cpath;
	Cost batch_startup; /* until the first batch */
	Cost batch_total;	/* when no row leaves the node but in batches */
	Cost batch_dear; /* scans: of it, what subqueries and the like take, which a filter from above may spare
						rows */
} StrataPath;

/* ---- paths.c ---- */
/* The planner is at work on a query in which our nodes may appear. */
extern bool strata_planning_allowed(void);
/* A scan of rel with this target; NULL when the store cannot serve it. */
extern StrataPath *strata_scan_path(PlannerInfo *root, RelOptInfo *rel, PathTarget *target, int workers);
extern int strata_scan_workers(RelOptInfo *rel);
extern double strata_parallel_divisor(int workers);
/*
 * What a partial path that is handed to PostgreSQL carries for its workers, beside what Gather counts.  Those
 * of nodes of ours that are below others of ours have none of it, so that it is there once: batch_startup and
 * batch_total.
 */
extern Cost strata_workers_cost(PlannerInfo *root, const RelOptInfo *rel);
/* The best path of a relation or join that makes batches; NULL: there is none.  workers > 0: a partial one.
 */
extern StrataPath *strata_batch_path(PlannerInfo *root, RelOptInfo *rel, bool partial);
/* Remembers one for strata_batch_path() if it is the cheapest so far. */
extern void strata_remember_path(RelOptInfo *rel, const StrataPath *path);
/* Conditions, RestrictInfos or bare, in the order that PostgreSQL evaluates them in: createplan.c, which has
 * it for its own plans, does not do that for what a custom plan keeps of its path. */
extern List *strata_order_clauses(PlannerInfo *root, List *clauses);
/* Plan nodes that are parallel-aware, which the planner must not know yet. */
extern void strata_parallel_aware_later(List *nodes);
/* Does the query ask how values are stored? */
extern bool strata_query_shows_storage(PlannerInfo *root);

/* ---- path_append.c ---- */
/* For a relation with children, whose own paths have been made. */
extern void strata_add_append_paths(PlannerInfo *root, RelOptInfo *rel);

/* ---- path_join.c ---- */
extern void strata_set_join_pathlist(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outerrel,
									 RelOptInfo *innerrel, JoinType jointype, JoinPathExtraData *extra);

/* ---- path_sort.c ---- */
/* Orders of a relation or join whose other paths are there. */
extern void strata_add_sort_paths(PlannerInfo *root, RelOptInfo *rel);
extern void strata_add_ordered_path(PlannerInfo *root, RelOptInfo *input_rel, RelOptInfo *output_rel);
extern void strata_add_topn_path(PlannerInfo *root, RelOptInfo *input_rel, RelOptInfo *output_rel);

/* ---- path_gather.c ---- */
/* Rows of a partial path of ours by query workers, whose start it counts.  Only for what they can evaluate
 * (gather.h). */
extern Path *strata_gather_path(PlannerInfo *root, RelOptInfo *rel, Path *partial, PathTarget *target);
/* The planner is done: what strata_parallel_aware_later() was told. */
extern void strata_gather_planned(List *nodes);

/* ---- path_agg.c ---- */
extern void strata_create_upper_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input_rel,
									  RelOptInfo *output_rel, void *extra);
/* Before anything of a query is costed: subqueries that will remember their answers cost less than one scan a
 * call. */
extern void strata_cost_subplans(PlannerInfo *root);

#endif
