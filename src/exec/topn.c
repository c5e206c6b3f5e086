/*
 * topn.c - StrataTopN: the first rows of an order, out of batches.
 *
 * A buffer takes rows until it holds twice as many as are asked for (a vector at least); then it is sorted and
 * the better half kept.  From then on the first key of the worst row kept is a bound: by one kernel call a vector, rows
 * beyond it are not looked at again, and a scan below skips units whose zone maps lie beyond it.  All other columns are
 * decoded for the rows that enter the buffer only.
 *
 * Sorting is order.c's.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "exec/order.h"
#include "exec/topn.h"

#define BUFFER_ROWS 1024

typedef struct StrataTopNState
{
	CustomScanState css;
	StrataBatch	   *in;
	int64			limit;
	int				nkeys;
	StrataOrderKey *keys;
	int				ncols;
	int			   *col; /* of the batch, for each column of custom_scan_tlist */
	StrataRows	   *rows;
	StrataRows	   *spare; /* where the better half goes */
	uint32			room;

	/* first key a number: rows beyond this are out */
	bool		by_int, by_float;
	bool		bounded;
	int64		bound;
	double		bound_f;
	int			scale; /* of the bound */
	StrataScanFilter filter;
	bool		has_filter;

	uint32 *order; /* rows, best first */
	int64	norder;
	int64	emitted;
	bool	done;
	StrataBatch out; /* shows the rows kept */
	StrataScanCounts counts;
} StrataTopNState;

static CustomExecMethods topn_exec_methods;

static Node *
topn_create_state(CustomScan *cscan)
{
	StrataTopNState *top = (StrataTopNState *) newNode(sizeof(StrataTopNState), T_CustomScanState);

	top->css.methods = &topn_exec_methods;
	return (Node *) top;
}

CustomScanMethods strata_topn_methods = {
	.CustomName = "StrataTopN",
	.CreateCustomScanState = topn_create_state,
};

/* ---- begin ---- */

/* Numbers whose order is that of our kernels can be compared with a bound. */
static void
init_bound(StrataTopNState *top)
{
	const StrataOrderKey *key = &top->keys[0];
	StrataColumn		 *col = top->in->cols[top->col[key->col]];

	switch (col->type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case NUMERICOID:
			top->by_int = true;
			break;
		case FLOAT4OID:
		case FLOAT8OID:
			top->by_float = true;
			break;
		default:
			return;
	}
	/* A scan knows no other scale than that of the unit at hand. */
	if (!top->by_int || col->type == NUMERICOID || !top->in->push_filter)
		return;
	top->filter.keep_nulls = key->nulls_first;
	top->has_filter = top->in->push_filter(top->in, top->col[key->col], &top->filter);
}

static void
topn_begin(CustomScanState *css, EState *estate, int eflags)
{
	StrataTopNState *top = (StrataTopNState *) css;
	CustomScan		*plan = (CustomScan *) css->ss.ps.plan;
	PlanState		*child = ExecInitNode(linitial(plan->custom_plans), estate, eflags);
	List			*keys = lsecond(plan->custom_private);
	ListCell		*lc;

	css->custom_ps = list_make1(child);
	top->in = strata_batch_of(child);
	if (!top->in)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("StrataTopN needs a node of the column store below it")));
	if (strata_is_scan_state(child))
		((StrataScanState *) child)->wants_batches = true;
	top->limit = intVal(linitial(plan->custom_private));
	top->room = Max(BUFFER_ROWS, 2 * top->limit);
	top->col = palloc(sizeof(int) * list_length(plan->custom_scan_tlist));
	strata_batch_init(&top->out, &css->ss.ps, css->ss.ss_ScanTupleSlot, &top->counts);
	foreach (lc, plan->custom_scan_tlist)
	{
		Var *var = (Var *) lfirst_node(TargetEntry, lc)->expr;
		int	 c = top->in->column(top->in, var);

		if (c < 0)
			ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("StrataTopN misses a column of its input")));
		top->col[top->ncols++] = c;
		strata_batch_add_own(&top->out, var->vartype, var->vartypmod, top->ncols);
	}
	top->rows = strata_rows_create(estate->es_query_cxt, top->ncols);
	top->spare = strata_rows_create(estate->es_query_cxt, top->ncols);
	for (int c = 0; c < top->ncols; c++)
	{
		StrataColumn *col = top->in->cols[top->col[c]];

		strata_rows_column(top->rows, c, col->type, &col->rep);
		strata_rows_column(top->spare, c, col->type, &col->rep);
	}
	top->keys = palloc(sizeof(StrataOrderKey) * list_length(keys));
	foreach (lc, keys)
		strata_order_key_init(&top->keys[top->nkeys++], lfirst(lc), &top->rows->cols[linitial_int((List *) lfirst(lc))],
							  estate->es_query_cxt);
	init_bound(top);
}

/* ---- the buffer ---- */

/* Sorts the rows kept; the best `limit` of them are then order[0 .. norder). */
static void
sort_buffer(StrataTopNState *top)
{
	if (!top->order)
		top->order = MemoryContextAllocHuge(top->css.ss.ps.state->es_query_cxt,
											sizeof(uint32) * ((Size) top->room + STRATA_VECTOR));
	strata_order_rows(top->rows, top->keys, top->nkeys, top->order);
	top->norder = Min((int64) top->rows->n, top->limit);
}

/* The bound is the first key of the worst row that is still in, when there are as many as are asked for. */
static void
set_bound(StrataTopNState *top)
{
	const StrataOrderKey   *key = &top->keys[0];
	const StrataRowsColumn *col = &top->rows->cols[key->col];
	uint32					worst;

	top->bounded = false;
	if (top->norder < top->limit || top->limit == 0)
		return;
	worst = top->order[top->norder - 1];
	if (col->nulls[worst / 64] >> (worst % 64) & 1)
		return;
	if (top->by_int && col->phys == STRATA_PHYS_INT)
	{
		top->bound = col->v.i64[worst];
		top->scale = Max(col->scale, 0);
		top->bounded = true;
		if (top->has_filter)
		{
			top->filter.min = key->descending ? top->bound : PG_INT64_MIN;
			top->filter.max = key->descending ? PG_INT64_MAX : top->bound;
			top->filter.active = true;
		}
	}
	else if (top->by_float)
	{
		top->bound_f = col->v.f64[worst];
		top->bounded = true;
	}
}

/* Leaves the best `limit` rows in the buffer. */
static void
shrink_buffer(StrataTopNState *top)
{
	StrataRows *swap;

	sort_buffer(top);
	set_bound(top);
	strata_rows_reset(top->spare);
	strata_rows_add_rows(top->spare, top->rows, top->order, top->norder);
	swap = top->rows;
	top->rows = top->spare;
	top->spare = swap;
	strata_rows_reset(top->spare);
}

/* Takes off the rows that lie beyond the bound. */
static void
apply_bound(StrataTopNState *top, uint64 *mask)
{
	const StrataOrderKey *key = &top->keys[0];
	StrataColumn *col = top->in->cols[top->col[key->col]];
	StrataCmp	  cmp = key->descending ? STRATA_GE : STRATA_LE;
	uint64		  raw[BATCH_WORDS] = {0};

	if (!top->bounded)
		return;
	if (top->by_int)
	{
		if (strata_col_phys(col) != STRATA_PHYS_INT || strata_col_scale(col) != top->scale)
			return;
		if (col->source == STRATA_FROM_SEGMENT && !col->have_i64)
			strata_segment_cmp_i64(col->seg, col->owner->cur_vector, cmp, top->bound, raw);
		else
			strata_kernels->cmp_i64(strata_col_i64(col), top->in->n, cmp, top->bound, raw);
	}
	else
	{
		const double *v = strata_col_f64(col);

		if (!v)
			return;
		strata_kernels->cmp_f64(v, top->in->n, cmp, top->bound_f, raw);
	}
	for (int w = 0; w < BATCH_WORDS; w++)
	{
		uint64 null = col->nulls ? col->nulls[w] : 0;

		mask[w] &= (raw[w] & ~null) | (key->nulls_first ? null : 0);
	}
}

static void
fill(StrataTopNState *top)
{
	StrataBatch	  *in = top->in;
	StrataColumn **cols = palloc(sizeof(StrataColumn *) * Max(top->ncols, 1));
	uint64		   mask[BATCH_WORDS];

	while (in->next(in))
	{
		CHECK_FOR_INTERRUPTS();
		memcpy(mask, in->mask, sizeof(mask));
		apply_bound(top, mask);
		if (mask_empty(mask))
			continue;
		for (int c = 0; c < top->ncols; c++)
			cols[c] = in->cols[top->col[c]];
		strata_rows_add_batch(top->rows, cols, mask, in->n);
		if (top->rows->n >= top->room)
			shrink_buffer(top);
	}
	pfree(cols);
	sort_buffer(top);
	top->done = true;
}

/* ---- rows up ---- */

static TupleTableSlot *
topn_exec(CustomScanState *css)
{
	StrataTopNState *top = (StrataTopNState *) css;
	ProjectionInfo	*projection = css->ss.ps.ps_ProjInfo;
	ExprContext		*econtext = css->ss.ps.ps_ExprContext;
	TupleTableSlot	*slot = css->ss.ss_ScanTupleSlot;

	if (css->ss.ps.chgParam)
		ExecReScan(&css->ss.ps);
	if (!top->done)
		fill(top);
	ResetExprContext(econtext);
	ExecClearTuple(slot);
	if (top->emitted >= top->norder)
		return projection ? ExecClearTuple(css->ss.ps.ps_ResultTupleSlot) : slot;
	for (int c = 0; c < top->ncols; c++)
	{
		MemoryContext old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);

		slot->tts_values[c] =
			strata_rows_datum(&top->rows->cols[c], top->order[top->emitted], &slot->tts_isnull[c]);
		MemoryContextSwitchTo(old);
	}
	top->emitted++;
	ExecStoreVirtualTuple(slot);
	econtext->ecxt_scantuple = slot;
	return projection ? ExecProject(projection) : slot;
}

static void
topn_end(CustomScanState *css)
{
	ExecEndNode(((StrataTopNState *) css)->in->ps);
}

static void
topn_rescan(CustomScanState *css)
{
	StrataTopNState *top = (StrataTopNState *) css;

	ExecClearTuple(css->ss.ss_ScanTupleSlot);
	top->emitted = 0;
	/* The rows are still there, and good if nothing below has changed. */
	if (top->done && css->ss.ps.chgParam == NULL && top->in->ps->chgParam == NULL)
		return;
	if (css->ss.ps.chgParam)
		UpdateChangedParamSet(top->in->ps, css->ss.ps.chgParam);
	top->done = top->bounded = top->filter.active = false;
	strata_rows_reset(top->rows);
	ExecReScan(top->in->ps);
}

static void
topn_explain(CustomScanState *css, List *ancestors, ExplainState *es)
{
	StrataTopNState *top = (StrataTopNState *) css;

	strata_order_explain(top->keys, top->nkeys, css, ancestors, es);
	ExplainPropertyInteger("Rows Wanted", NULL, top->limit, es);
}

static CustomExecMethods topn_exec_methods = {
	.CustomName = "StrataTopN",
	.BeginCustomScan = topn_begin,
	.ExecCustomScan = topn_exec,
	.EndCustomScan = topn_end,
	.ReScanCustomScan = topn_rescan,
	.ExplainCustomScan = topn_explain,
};
