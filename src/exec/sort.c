/*
 * sort.c - StrataSort: all rows of batches in order, for any node of PostgreSQL's above.
 *
 * Rows are kept column by column (rows.c), their numbers sorted (order.c), and the rows given out in that
 * order: a vector of row numbers at a time, so that the visits to each column's array overlap.  Strings stay
 * where the batch was kept until a row goes out.
 *
 * Memory.  When rows, their order and what sorting takes outgrow work_mem, the rows at hand are sorted and
 * written to a temporary file as a run; at the end runs are merged (runs.c).
 *
 * In a parallel plan each process sorts what its part of the scan gives it, below a Gather Merge.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "exec/order.h"
#include "exec/runs.h"
#include "exec/sort.h"

/* Row numbers are of 32 bits, and arrays are doubled. */
#define MAX_ROWS (1u << 29)

/* How a process sorted, for EXPLAIN. */
typedef struct SortReport
{
	bool sorted;
	uint32 nruns; /* 0: in memory */
	uint64 memory;
	uint64 disk;
} SortReport;

/* In the query's shared memory: a report of each worker. */
typedef struct SortShared
{
	int nworkers;
	SortReport worker[FLEXIBLE_ARRAY_MEMBER];
} SortShared;

typedef struct StrataSortState
{
	CustomScanState css;
	StrataBatch *in;
	int nkeys;
	StrataOrderKey *keys;
	int ncols;
	int *col; /* of the input, for each column of custom_scan_tlist */
	StrataColumn **cols;
	StrataRows *rows;
	Size memory;	   /* work_mem */
	MemoryContext cxt; /* order and runs */

	bool done; /* everything is in order */
	uint32 *order;
	uint32 given;	  /* rows, in memory */
	StrataRuns *runs; /* NULL: all fit */

	StrataBatch out; /* rows [given - n, given) of the order */
	unsigned at;	 /* row of it that goes next */
	StrataScanCounts counts;

	SortReport report;
	SortShared *shared;
	SortShared *workers; /* what they left, after the shared memory is gone */
} StrataSortState;

static CustomExecMethods sort_exec_methods;

static Node *
sort_create_state(CustomScan *cscan)
{
	StrataSortState *sort = (StrataSortState *)newNode(sizeof(StrataSortState), T_CustomScanState);

	sort->css.methods = &sort_exec_methods;
	return (Node *)sort;
}

CustomScanMethods strata_sort_methods = {
	.CustomName = "StrataSort",
	.CreateCustomScanState = sort_create_state,
};

/* ---- begin ---- */

static void
sort_begin(CustomScanState *css, EState *estate, int eflags)
{
	StrataSortState *sort = (StrataSortState *)css;
	CustomScan *plan = (CustomScan *)css->ss.ps.plan;
	PlanState *child = ExecInitNode(linitial(plan->custom_plans), estate, eflags);
	List *keys = linitial(plan->custom_private);
	ListCell *lc;

	css->custom_ps = list_make1(child);
	sort->in = strata_batch_of(child);
	if (!sort->in)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("StrataSort needs a node of the column store below it")));
	if (strata_is_scan_state(child))
		((StrataScanState *)child)->wants_batches = true;
	sort->memory = (Size)work_mem * 1024;
	sort->cxt = AllocSetContextCreate(estate->es_query_cxt, "StrataSort", ALLOCSET_DEFAULT_SIZES);
	strata_batch_init(&sort->out, &css->ss.ps, css->ss.ss_ScanTupleSlot, &sort->counts);
	sort->col = palloc(sizeof(int) * list_length(plan->custom_scan_tlist));
	sort->cols = palloc(sizeof(StrataColumn *) * list_length(plan->custom_scan_tlist));
	foreach (lc, plan->custom_scan_tlist)
	{
		Var *var = (Var *)lfirst_node(TargetEntry, lc)->expr;
		int c = sort->in->column(sort->in, var);

		if (c < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR), errmsg("StrataSort misses a column of its input")));
		sort->col[sort->ncols++] = c;
		strata_batch_add_own(&sort->out, var->vartype, var->vartypmod, sort->ncols);
	}
	sort->rows = strata_rows_create(estate->es_query_cxt, sort->ncols);
	for (int c = 0; c < sort->ncols; c++)
	{
		StrataColumn *col = sort->in->cols[sort->col[c]];

		strata_rows_column(sort->rows, c, col->type, &col->rep);
	}
	sort->keys = palloc(sizeof(StrataOrderKey) * list_length(keys));
	foreach (lc, keys)
	{
		StrataOrderKey *key = &sort->keys[sort->nkeys++];

		strata_order_key_init(key, lfirst(lc), &sort->rows->cols[linitial_int((List *)lfirst(lc))],
							  estate->es_query_cxt);
	}
}

/* ---- fill ---- */

/* What a row takes at least, its order and the sorting included. */
static Size
row_bytes(const StrataSortState *sort)
{
	return STRATA_ORDER_ROW_BYTES + 9 * (Size)sort->ncols;
}

static Size
bytes_used(const StrataSortState *sort)
{
	return sort->rows->bytes + (Size)sort->rows->n * STRATA_ORDER_ROW_BYTES;
}

/* Will a numeric column become images, for the batch's numbers are of another form? */
static bool
numerics_change(const StrataSortState *sort)
{
	for (int c = 0; c < sort->ncols; c++)
	{
		const StrataRowsColumn *kept = &sort->rows->cols[c];
		const StrataColumn *col = sort->cols[c];

		if (kept->rep.rep == STRATA_REP_NUMERIC && kept->phys == STRATA_PHYS_INT && kept->scale >= 0 &&
			col->source != STRATA_FROM_NULLS &&
			(strata_col_phys(col) != STRATA_PHYS_INT || strata_col_scale(col) != kept->scale))
			return true;
	}
	return false;
}

static void
order_rows(StrataSortState *sort)
{
	MemoryContext old = MemoryContextSwitchTo(sort->cxt);

	sort->order = MemoryContextAllocHuge(sort->cxt, sizeof(uint32) * (Size)Max(sort->rows->n, 1));
	strata_order_rows(sort->rows, sort->keys, sort->nkeys, sort->order);
	MemoryContextSwitchTo(old);
	sort->report.memory = Max(sort->report.memory, bytes_used(sort));
}

static void
write_run(StrataSortState *sort)
{
	if (sort->rows->n == 0)
		return;
	order_rows(sort);
	if (!sort->runs)
		sort->runs = strata_runs_begin(sort->cxt, sort->rows, sort->keys, sort->nkeys, sort->memory);
	strata_runs_add(sort->runs, sort->rows, sort->order);
	pfree(sort->order);
	sort->order = NULL;
	strata_rows_reset(sort->rows);
}

static void
keep_batch(StrataSortState *sort)
{
	StrataBatch *in = sort->in;

	/* Not asked for before the vector is there: an append shows its children's columns. */
	for (int c = 0; c < sort->ncols; c++)
		sort->cols[c] = in->cols[sort->col[c]];
	if (numerics_change(sort) && bytes_used(sort) + (Size)sort->rows->n * 32 > sort->memory)
		write_run(sort);
	strata_rows_add_batch(sort->rows, sort->cols, in->mask, in->n);
	if (bytes_used(sort) > sort->memory || sort->rows->n > MAX_ROWS)
		write_run(sort);
}

static void
fill(StrataSortState *sort)
{
	StrataBatch *in = sort->in;
	MemoryContext old;

	sort->rows->most = Min(Max(sort->memory / row_bytes(sort), STRATA_VECTOR), MAX_ROWS);
	while (in->next(in))
	{
		CHECK_FOR_INTERRUPTS();
		old = MemoryContextSwitchTo(in->memory);
		keep_batch(sort);
		MemoryContextSwitchTo(old);
	}
	if (sort->runs)
	{
		write_run(sort);
		strata_runs_merge(sort->runs);
		sort->report.nruns = strata_runs_count(sort->runs);
		sort->report.disk = strata_runs_bytes(sort->runs);
	}
	else
		order_rows(sort);
	sort->given = 0;
	sort->at = sort->out.n = 0;
	sort->done = sort->report.sorted = true;
}

/* ---- rows up ---- */

/* The next rows of the order, as a vector.  False: there are none. */
static bool
next_vector(StrataSortState *sort)
{
	StrataBatch *out = &sort->out;
	unsigned n = Min(sort->rows->n - sort->given, STRATA_VECTOR);

	CHECK_FOR_INTERRUPTS();
	if (n == 0)
		return false;
	MemoryContextReset(out->memory);
	out->n = n;
	memset(out->mask, 0xff, sizeof(out->mask));
	for (int c = 0; c < out->ncols; c++)
	{
		StrataColumn *col = out->cols[c];

		col->source = STRATA_FROM_ROWS;
		col->rows = &sort->rows->cols[c];
		col->rowid = sort->order + sort->given;
		col->row_filled = col->wanted = NULL;
		col->dict_id = col->rows->dict_id;
	}
	strata_batch_new_vector(out);
	for (int c = 0; c < out->ncols; c++)
	{
		const char *const *image = strata_col_bytes(out->cols[c]);

		/* They lie anywhere: fetch them side by side, not one a row. */
		for (unsigned i = 0; image && i < n; i++)
			__builtin_prefetch(image[i]);
	}
	sort->given += n;
	sort->at = 0;
	return true;
}

static bool
next_sorted(StrataSortState *sort)
{
	if (sort->at >= sort->out.n && !next_vector(sort))
		return false;
	strata_batch_fill(&sort->out, sort->at++);
	return true;
}

static bool
next_merged(StrataSortState *sort)
{
	TupleTableSlot *slot = sort->css.ss.ss_ScanTupleSlot;
	const StrataRows *rows;
	uint32 row;
	MemoryContext old;

	if (!strata_runs_next(sort->runs, &rows, &row))
		return false;
	old = MemoryContextSwitchTo(sort->css.ss.ps.ps_ExprContext->ecxt_per_tuple_memory);
	ExecClearTuple(slot);
	for (int c = 0; c < sort->ncols; c++)
		slot->tts_values[c] = strata_rows_datum(&rows->cols[c], row, &slot->tts_isnull[c]);
	MemoryContextSwitchTo(old);
	ExecStoreVirtualTuple(slot);
	return true;
}

/* Not ExecScan: see agg.c. */
static TupleTableSlot *
sort_exec(CustomScanState *css)
{
	StrataSortState *sort = (StrataSortState *)css;
	ProjectionInfo *projection = css->ss.ps.ps_ProjInfo;
	ExprContext *econtext = css->ss.ps.ps_ExprContext;
	TupleTableSlot *slot = css->ss.ss_ScanTupleSlot;

	if (!sort->done)
		fill(sort);
	ResetExprContext(econtext);
	if (!(sort->runs ? next_merged(sort) : next_sorted(sort)))
		return ExecClearTuple(projection ? css->ss.ps.ps_ResultTupleSlot : slot);
	econtext->ecxt_scantuple = slot;
	return projection ? ExecProject(projection) : slot;
}

static void
forget_rows(StrataSortState *sort)
{
	if (sort->runs)
		strata_runs_end(sort->runs);
	sort->runs = NULL;
	sort->order = NULL;
	MemoryContextReset(sort->cxt);
	strata_rows_reset(sort->rows);
	sort->done = false;
	memset(&sort->report, 0, sizeof(sort->report));
}

static void
sort_rescan(CustomScanState *css)
{
	StrataSortState *sort = (StrataSortState *)css;

	ExecClearTuple(css->ss.ss_ScanTupleSlot);
	/* The rows are still there, and good if nothing below has changed. */
	if (sort->done && css->ss.ps.chgParam == NULL && sort->in->ps->chgParam == NULL)
	{
		if (sort->runs)
			strata_runs_rewind(sort->runs);
		sort->given = 0;
		sort->at = sort->out.n = 0;
		return;
	}
	if (css->ss.ps.chgParam)
		UpdateChangedParamSet(sort->in->ps, css->ss.ps.chgParam);
	forget_rows(sort);
	ExecReScan(sort->in->ps);
}

static void
sort_end(CustomScanState *css)
{
	StrataSortState *sort = (StrataSortState *)css;

	ExecClearTuple(css->ss.ss_ScanTupleSlot);
	forget_rows(sort);
	ExecEndNode(sort->in->ps);
}

/* ---- parallel: reports only ---- */

static Size
shared_bytes(int nworkers)
{
	return offsetof(SortShared, worker) + (Size)nworkers * sizeof(SortReport);
}

static Size
sort_estimate_dsm(CustomScanState *css, ParallelContext *pcxt)
{
	return shared_bytes(pcxt->nworkers);
}

static void
sort_initialize_dsm(CustomScanState *css, ParallelContext *pcxt, void *coordinate)
{
	StrataSortState *sort = (StrataSortState *)css;

	sort->shared = coordinate;
	memset(sort->shared, 0, shared_bytes(pcxt->nworkers));
	sort->shared->nworkers = pcxt->nworkers;
}

static void
sort_reinitialize_dsm(CustomScanState *css, ParallelContext *pcxt, void *coordinate)
{
}

static void
sort_initialize_worker(CustomScanState *css, shm_toc *toc, void *coordinate)
{
	((StrataSortState *)css)->shared = coordinate;
}

/* May be called again after the segment went: it is not touched after the first time. */
static void
sort_shutdown(CustomScanState *css)
{
	StrataSortState *sort = (StrataSortState *)css;

	if (!sort->shared)
		return;
	if (IsParallelWorker())
	{
		if (ParallelWorkerNumber < sort->shared->nworkers)
			sort->shared->worker[ParallelWorkerNumber] = sort->report;
	}
	else
	{
		Size bytes = shared_bytes(sort->shared->nworkers);

		sort->workers = MemoryContextAlloc(css->ss.ps.state->es_query_cxt, bytes);
		memcpy(sort->workers, sort->shared, bytes);
	}
	sort->shared = NULL;
}

/* ---- EXPLAIN ---- */

/* As core's Sort shows it; worker: -1 for the leader. */
static void
explain_report(const SortReport *r, int worker, ExplainState *es)
{
	uint64 kb = ((r->nruns ? r->disk : r->memory) + 1023) / 1024;
	const char *method = r->nruns ? "external merge" : "in memory";
	const char *space = r->nruns ? "Disk" : "Memory";

	if (!r->sorted)
		return;
	if (es->format == EXPLAIN_FORMAT_TEXT)
	{
		appendStringInfoSpaces(es->str, es->indent * 2);
		if (worker >= 0)
			appendStringInfo(es->str, "Worker %d:  ", worker);
		appendStringInfo(es->str, "Sort Method: %s  %s: " UINT64_FORMAT "kB", method, space, kb);
		if (r->nruns)
			appendStringInfo(es->str, "  Runs: %u", r->nruns);
		appendStringInfoChar(es->str, '\n');
		return;
	}
	if (worker >= 0)
	{
		ExplainOpenGroup("Sort Worker", NULL, true, es);
		ExplainPropertyInteger("Worker Number", NULL, worker, es);
	}
	ExplainPropertyText("Sort Method", method, es);
	ExplainPropertyUInteger("Sort Space Used", "kB", kb, es);
	ExplainPropertyText("Sort Space Type", space, es);
	ExplainPropertyUInteger("Sort Runs", NULL, r->nruns, es);
	if (worker >= 0)
		ExplainCloseGroup("Sort Worker", NULL, true, es);
}

static void
explain_reports(StrataSortState *sort, ExplainState *es)
{
	explain_report(&sort->report, -1, es);
	if (!sort->workers)
		return;
	ExplainOpenGroup("Sort Workers", "Sort Workers", false, es);
	for (int w = 0; w < sort->workers->nworkers; w++)
		explain_report(&sort->workers->worker[w], w, es);
	ExplainCloseGroup("Sort Workers", "Sort Workers", false, es);
}

static void
sort_explain(CustomScanState *css, List *ancestors, ExplainState *es)
{
	StrataSortState *sort = (StrataSortState *)css;

	strata_order_explain(sort->keys, sort->nkeys, css, ancestors, es);
	if (es->analyze)
		explain_reports(sort, es);
}

static CustomExecMethods sort_exec_methods = {
	.CustomName = "StrataSort",
	.BeginCustomScan = sort_begin,
	.ExecCustomScan = sort_exec,
	.EndCustomScan = sort_end,
	.ReScanCustomScan = sort_rescan,
	.EstimateDSMCustomScan = sort_estimate_dsm,
	.InitializeDSMCustomScan = sort_initialize_dsm,
	.ReInitializeDSMCustomScan = sort_reinitialize_dsm,
	.InitializeWorkerCustomScan = sort_initialize_worker,
	.ShutdownCustomScan = sort_shutdown,
	.ExplainCustomScan = sort_explain,
};
