/*
 * gather.c - StrataGather: the rows of a partial plan of ours from several processes.
 *
 * What Gather is for PostgreSQL's parallel workers, this is for query workers (query_workers.c), which are
 * there already and need not be gone before the query ends.  Where they cannot serve (the transaction has
 * written something, say) it does as Gather does.  The parallel context, its shared memory and the tuple
 * queues are PostgreSQL's in both cases.
 *
 * The node itself is the root of the plan that travels, so that it can say in a query worker, when that is
 * about to read, that it begins; up to there the leader may do without it.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "executor/execParallel.h"
#include "executor/tqueue.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/shm_mq.h"

#include "exec/gather.h"
#include "exec/query_workers.h"

typedef struct Reader
{
	TupleQueueReader *queue;
	int worker;
} Reader;

typedef struct StrataGatherState
{
	CustomScanState css;
	PlanState *child;
	int planned;
	bool for_crew; /* the plan is one that query workers can do */
	bool initialized;
	bool rescan;	   /* the child's, once what it shares is ready again */
	bool local;		   /* our own share is not done yet */
	bool writes_state; /* for query workers, into the segment that is being made */
	bool state_written;
	bool begun; /* in a query worker: the leader knows */
	ParallelExecutorInfo *pei;
	StrataCrew *crew; /* NULL: PostgreSQL's workers, or none */
	int nreaders, next;
	Reader *readers;
	TupleTableSlot *funnel;
	int launched; /* EXPLAIN: in the last execution */
} StrataGatherState;

static CustomExecMethods gather_exec_methods;

static Node *
gather_create_state(CustomScan *cscan)
{
	StrataGatherState *g = (StrataGatherState *)newNode(sizeof(StrataGatherState), T_CustomScanState);

	g->css.methods = &gather_exec_methods;
	return (Node *)g;
}

CustomScanMethods strata_gather_methods = {
	.CustomName = "StrataGather",
	.CreateCustomScanState = gather_create_state,
};

static void
gather_begin(CustomScanState *css, EState *estate, int eflags)
{
	StrataGatherState *g = (StrataGatherState *)css;
	CustomScan *plan = (CustomScan *)css->ss.ps.plan;

	g->child = ExecInitNode(linitial(plan->custom_plans), estate, eflags);
	css->custom_ps = list_make1(g->child);
	/* A planner hook between ours and the planner may have copied the plan, which is then as it was before it
	 * got its marks: nobody shares anything. */
	g->planned = plan->scan.plan.parallel_aware ? intVal(linitial(plan->custom_private)) : 0;
	g->for_crew = intVal(lsecond(plan->custom_private)) != 0;
	g->funnel = ExecInitExtraTupleSlot(estate, ExecGetResultType(g->child), &TTSOpsMinimalTuple);
}

/* ---- workers ---- */

static void
add_reader(StrataGatherState *g, TupleQueueReader *queue, int worker)
{
	g->readers[g->nreaders++] = (Reader){queue, worker};
}

static void
drop_reader(StrataGatherState *g, int i)
{
	/* Those of PostgreSQL's workers belong to the parallel context. */
	if (g->crew)
		DestroyTupleQueueReader(g->readers[i].queue);
	g->nreaders--;
	memmove(&g->readers[i], &g->readers[i + 1], sizeof(Reader) * (g->nreaders - i));
	if (g->next >= g->nreaders)
		g->next = 0;
}

static void
offer_to_crew(StrataGatherState *g)
{
	ParallelExecutorInfo *pei = g->pei;

	g->crew = strata_crew_offer(g->css.ss.ps.state->es_query_cxt, pei->pcxt->seg,
								g->css.ss.ps.plan->plan_node_id, pei->pcxt->nworkers);
	for (int i = 0; g->crew && i < strata_crew_size(g->crew); i++)
		add_reader(g, CreateTupleQueueReader(pei->tqueue[i]), i);
}

static void
launch_workers(StrataGatherState *g)
{
	LaunchParallelWorkers(g->pei->pcxt);
	g->launched = g->pei->pcxt->nworkers_launched;
	ExecParallelCreateReaders(g->pei);
	for (int i = 0; i < g->launched; i++)
		add_reader(g, g->pei->reader[i], i);
}

static void
start_workers(StrataGatherState *g)
{
	EState *estate = g->css.ss.ps.state;
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
	bool crew = g->for_crew && strata_crew_possible();

	g->writes_state = crew;
	if (!g->pei)
		g->pei = ExecInitParallelPlan(&g->css.ss.ps, estate, NULL, g->planned, -1);
	else
		ExecParallelReinitialize(&g->css.ss.ps, g->pei, NULL);
	/* Without a segment there are no workers. */
	if (g->pei->pcxt->seg && g->pei->pcxt->nworkers > 0)
	{
		if (!g->readers)
			g->readers = palloc(sizeof(Reader) * g->planned);
		if (crew && g->state_written)
			offer_to_crew(g);
		else
			launch_workers(g);
	}
	MemoryContextSwitchTo(old);
}

/*
 * Waits for the workers, or stops them when their rows are not wanted any more.  What they share stays, for a
 * rescan and for EXPLAIN.
 */
static void
finish_workers(StrataGatherState *g, bool complete)
{
	ParallelExecutorInfo *pei = g->pei;

	if (!pei || pei->finished)
		return;
	if (g->crew)
	{
		int n = strata_crew_size(g->crew);

		if (complete)
			strata_crew_finish(g->crew);
		else
			strata_crew_stop(g->crew);
		while (g->nreaders > 0)
			drop_reader(g, g->nreaders - 1);
		for (int i = 0; i < n; i++)
			if (strata_crew_took_part(g->crew, i))
			{
				g->launched++;
				/* One that was stopped has not written it. */
				if (complete)
					InstrAccumParallelQuery(&pei->buffer_usage[i], &pei->wal_usage[i]);
			}
		strata_crew_free(g->crew);
		g->crew = NULL;
	}
	/* PostgreSQL does that for workers that it has launched. */
	for (int i = pei->pcxt->nworkers_launched; i < pei->pcxt->nworkers; i++)
	{
		shm_mq_detach(pei->tqueue[i]);
		if (pei->pcxt->worker[i].error_mqh)
			shm_mq_detach(pei->pcxt->worker[i].error_mqh);
		pei->pcxt->worker[i].error_mqh = NULL;
	}
	g->nreaders = g->next = 0;
	ExecParallelFinish(pei);
}

/* ---- rows ---- */

/* A row of a worker, if there is one.  Waits for one when our own share is done. */
static MinimalTuple
next_of_workers(StrataGatherState *g)
{
	int visited = 0;

	while (g->nreaders > 0)
	{
		Reader *reader = &g->readers[g->next];
		MinimalTuple tuple;
		bool done;

		CHECK_FOR_INTERRUPTS();
		tuple = TupleQueueReaderNext(reader->queue, true, &done);
		if (tuple)
			return tuple;
		if (done || (!g->local && g->crew && strata_crew_gone(g->crew, reader->worker)))
		{
			drop_reader(g, g->next);
			continue;
		}
		g->next = (g->next + 1) % g->nreaders;
		if (++visited < g->nreaders)
			continue;
		if (g->local)
			return NULL;
		if (g->crew)
			strata_crew_check(g->css.ss.ps.state->es_query_cxt);
		WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, 0, WAIT_EVENT_EXECUTE_GATHER);
		ResetLatch(MyLatch);
		visited = 0;
	}
	return NULL;
}

static TupleTableSlot *
next_of_leader(StrataGatherState *g)
{
	EState *estate = g->css.ss.ps.state;
	TupleTableSlot *slot;

	estate->es_query_dsa = g->pei ? g->pei->area : NULL;
	slot = ExecProcNode(g->child);
	estate->es_query_dsa = NULL;
	return slot;
}

static TupleTableSlot *
next_row(StrataGatherState *g)
{
	while (g->nreaders > 0 || g->local)
	{
		MinimalTuple tuple = next_of_workers(g);
		TupleTableSlot *slot;

		if (tuple)
			return ExecStoreMinimalTuple(tuple, g->funnel, false);
		if (!g->local)
			break;
		slot = next_of_leader(g);
		if (!TupIsNull(slot))
			return slot;
		g->local = false;
		if (g->crew)
			strata_crew_withdraw(g->crew);
	}
	finish_workers(g, true);
	return NULL;
}

static void
initialize(StrataGatherState *g)
{
	g->launched = 0;
	if (g->planned > 0 && g->css.ss.ps.state->es_use_parallel_mode)
		start_workers(g);
	if (g->rescan)
		ExecReScan(g->child);
	g->rescan = false;
	g->local = g->nreaders == 0 || parallel_leader_participation;
	g->initialized = true;
}

/* In a worker: its share.  Nothing, when the leader does not wait for that any more. */
static TupleTableSlot *
next_of_worker(StrataGatherState *g)
{
	if (strata_is_query_worker() && !g->begun)
	{
		if (!strata_crew_begin())
			return NULL;
		g->begun = true;
	}
	return ExecProcNode(g->child);
}

static TupleTableSlot *
gather_exec(CustomScanState *css)
{
	StrataGatherState *g = (StrataGatherState *)css;
	ProjectionInfo *projection = css->ss.ps.ps_ProjInfo;
	ExprContext *econtext = css->ss.ps.ps_ExprContext;
	TupleTableSlot *out = css->ss.ss_ScanTupleSlot;
	TupleTableSlot *row;

	CHECK_FOR_INTERRUPTS();
	ResetExprContext(econtext);
	if (IsParallelWorker())
		row = next_of_worker(g);
	else
	{
		if (!g->initialized)
			initialize(g);
		row = next_row(g);
	}
	ExecClearTuple(out);
	if (TupIsNull(row))
		return projection ? ExecClearTuple(css->ss.ps.ps_ResultTupleSlot) : out;
	slot_getallattrs(row);
	memcpy(out->tts_values, row->tts_values, sizeof(Datum) * out->tts_tupleDescriptor->natts);
	memcpy(out->tts_isnull, row->tts_isnull, sizeof(bool) * out->tts_tupleDescriptor->natts);
	ExecStoreVirtualTuple(out);
	econtext->ecxt_scantuple = out;
	return projection ? ExecProject(projection) : out;
}

/* ---- the rest of a node ---- */

static void
gather_shutdown(CustomScanState *css)
{
	StrataGatherState *g = (StrataGatherState *)css;

	/* EXPLAIN ANALYZE adds up what the processes say of a node; of this one only the leader's counts. */
	if (IsParallelWorker() && css->ss.ps.instrument)
		InstrInit(css->ss.ps.instrument, css->ss.ps.state->es_instrument);
	finish_workers(g, false);
	if (g->pei)
		ExecParallelCleanup(g->pei);
	g->pei = NULL;
	g->state_written = false;
}

static void
gather_end(CustomScanState *css)
{
	ExecEndNode(((StrataGatherState *)css)->child);
	gather_shutdown(css);
}

static void
gather_rescan(CustomScanState *css)
{
	StrataGatherState *g = (StrataGatherState *)css;

	finish_workers(g, false);
	ExecClearTuple(css->ss.ss_ScanTupleSlot);
	if (css->ss.ps.chgParam)
		UpdateChangedParamSet(g->child, css->ss.ps.chgParam);
	g->rescan |= g->initialized;
	g->initialized = false;
}

static Size
gather_estimate_dsm(CustomScanState *css, ParallelContext *pcxt)
{
	return ((StrataGatherState *)css)->writes_state ? strata_crew_state_size(css->ss.ps.state) : 0;
}

static void
gather_initialize_dsm(CustomScanState *css, ParallelContext *pcxt, void *coordinate)
{
	StrataGatherState *g = (StrataGatherState *)css;

	if (!g->writes_state || !pcxt->seg)
		return;
	strata_crew_write_state(css->ss.ps.state, coordinate, css->pscan_len);
	g->state_written = true;
}

/* Snapshot and settings are those of the query, and stay. */
static void
gather_reinitialize_dsm(CustomScanState *css, ParallelContext *pcxt, void *coordinate)
{
}

static void
gather_initialize_worker(CustomScanState *css, shm_toc *toc, void *coordinate)
{
}

static void
gather_explain(CustomScanState *css, List *ancestors, ExplainState *es)
{
	StrataGatherState *g = (StrataGatherState *)css;

	ExplainPropertyInteger("Workers Planned", NULL, g->planned, es);
	if (es->analyze)
		ExplainPropertyInteger("Workers Launched", NULL, g->launched, es);
}

static CustomExecMethods gather_exec_methods = {
	.CustomName = "StrataGather",
	.BeginCustomScan = gather_begin,
	.ExecCustomScan = gather_exec,
	.EndCustomScan = gather_end,
	.ReScanCustomScan = gather_rescan,
	.EstimateDSMCustomScan = gather_estimate_dsm,
	.InitializeDSMCustomScan = gather_initialize_dsm,
	.ReInitializeDSMCustomScan = gather_reinitialize_dsm,
	.InitializeWorkerCustomScan = gather_initialize_worker,
	.ShutdownCustomScan = gather_shutdown,
	.ExplainCustomScan = gather_explain,
};
