/*
 * query_workers.h - processes that stay between queries, and take part in parallel plans of ours.
 *
 * Included by: gather.c, query_workers.c, path_agg.c, path_gather.c, scan.c, api/ddl.c, api/init.c.
 * Memory: slots in PostgreSQL's shared memory, made again after a crash restart; a plan's state travels in
 * its own dynamic shared memory segment. Locking: one LWLock guards the slots, held for copies only. Not
 * here: the plan node that uses them (gather.c).
 *
 * A worker of PostgreSQL's is a new process for each query, which costs some 8 ms in all
 * (docs/performance.md): more than most scans of ours take.  These are background workers that stay, each
 * for one database and one user.  A leader offers them a part in its plan; one that is free takes it up, or
 * is told that it is too late.
 *
 * In the leader, after ExecInitParallelPlan():
 *   crew = strata_crew_offer(...);
 *   read the tuple queues, do its own share, strata_crew_withdraw(crew), read what is left of those that are
 *   not gone (strata_crew_gone), strata_crew_finish(crew).
 * In the worker the plan's node calls strata_crew_begin() before it does anything.
 */
#ifndef STRATA_EXEC_QUERY_WORKERS_H
#define STRATA_EXEC_QUERY_WORKERS_H

#include "postgres.h"

#include "access/parallel.h"
#include "nodes/execnodes.h"

#include "base/compat.h"
#include "base/module.h"

extern const StrataModule strata_query_workers_module;

/* Setting strata.query_workers: so many may exist on the server; 0: none, and none is used. */
extern int strata_query_workers;

/* What strata.query_workers can be set to. */
#define STRATA_MAX_QUERY_WORKERS 64

/* The workers of one execution of a plan. */
typedef struct StrataCrew StrataCrew;

/* ---- the leader ---- */

/* May processes outside of its own parallel workers see what this transaction sees?  Not when it has written
 * something, is serializable, or goes by another name than that it was authenticated with. */
extern bool strata_crew_possible(void);
/* What a worker must know before it can read the plan: settings, snapshot, user, tables. */
extern Size strata_crew_state_size(EState *estate);
extern void strata_crew_write_state(EState *estate, void *state, Size size);
/*
 * Offers a plan to `n` workers, numbers 0 to n - 1 of the plan's participants; starts processes when there
 * are too few.  `key`: of the state in the segment's table of contents; `query`: the executor's memory, which
 * tells plans apart.  NULL: there is no worker, and none can be had.  When the segment is detached, as after
 * an error, workers are told to stop, and waited for.
 */
extern StrataCrew *strata_crew_offer(MemoryContext query, dsm_segment *segment, uint64 key, int n);
extern int strata_crew_size(const StrataCrew *crew);
/* It has not begun and never will.  What was withdrawn before it was begun is. */
extern bool strata_crew_gone(StrataCrew *crew, int i);
/* Takes back what nobody has begun. */
extern void strata_crew_withdraw(StrataCrew *crew);
/* While the leader does its own share: raises the error of a worker of this plan. */
extern void strata_crew_check(MemoryContext query);
/* Waits until nobody is at it any more, and raises the error that a worker had. */
extern void strata_crew_finish(StrataCrew *crew);
/* The same when no more rows are wanted: they stop as soon as they can. */
extern void strata_crew_stop(StrataCrew *crew);
/* After either: did it take part? */
extern bool strata_crew_took_part(const StrataCrew *crew, int i);
/* After either. */
extern void strata_crew_free(StrataCrew *crew);

/* ---- workers ---- */

/* Is this process one? */
extern bool strata_is_query_worker(void);
/* False: the leader does not want us any more. */
extern bool strata_crew_begin(void);
extern PGDLLEXPORT void strata_crew_main(Datum arg);

/* ---- others ---- */

/* Asks idle workers of a database to leave, and waits for that: for DROP DATABASE and the like. */
extern void strata_query_workers_leave(Oid database);

#endif
