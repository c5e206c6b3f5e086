/*
 * append.c - StrataAppend: the partitions of a table, one after another, as one maker of batches.
 *
 * Its columns are those of the child whose vector is at hand; each child has its own column numbers.  A child that is
 * not in the column store hands its rows up in vectors of rows.  In a parallel plan every participant walks over all
 * children, and the children share out their units.
 *
 * Partitions are pruned at run time by the same functions of PostgreSQL that prune its Append's: at the start by what is
 * known then, and before the first row of each scan by what other plans have come up with (PARAM_EXEC).
 */
#include "postgres.h"

#include "executor/execPartition.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/memutils.h"

#include "exec/append.h"

typedef struct AppendChild
{
	PlanState		*ps;
	StrataBatch		*batch;
	StrataRowSource *source; /* a plan of PostgreSQL's; else NULL */
	int				*col;	 /* of its batch, for each of ours */
	bool			 begun;	 /* it was asked for rows since its last rescan */
} AppendChild;

typedef struct StrataAppendState
{
	CustomScanState css;
	StrataBatch		batch;
	int				nchildren; /* that pruning at the start has left */
	AppendChild	   *children;
	int				current; /* -1: the scan has not begun */
	PartitionPruneState *prune; /* NULL: there is nothing to prune by */
	bool			chosen;	 /* `matching` is that of the parameters at hand */
	Bitmapset	   *matching; /* children that may have rows, if they are pruned scan by scan */
	bool			vector_up; /* for a parent that takes rows: rows of it are left */
	StrataScanCounts counts;
} StrataAppendState;

static CustomExecMethods append_exec_methods;

static Node *
append_create_state(CustomScan *cscan)
{
	StrataAppendState *append = (StrataAppendState *) newNode(sizeof(StrataAppendState), T_CustomScanState);

	append->css.methods = &append_exec_methods;
	return (Node *) append;
}

CustomScanMethods strata_append_methods = {
	.CustomName = "StrataAppend",
	.CreateCustomScanState = append_create_state,
};

StrataBatch *
strata_append_batch(PlanState *ps)
{
	if (IsA(ps, CustomScanState) && ((CustomScanState *) ps)->methods == &append_exec_methods)
		return &((StrataAppendState *) ps)->batch;
	return NULL;
}

static StrataAppendState *
append_of(StrataBatch *b)
{
	return (StrataAppendState *) ((char *) b - offsetof(StrataAppendState, batch));
}

/* custom_scan_tlist: our columns, then for each child its columns in the same order. */
static Var *
tlist_var(StrataBatch *b, int i)
{
	return (Var *) list_nth_node(TargetEntry, ((CustomScan *) b->ps->plan)->custom_scan_tlist, i)->expr;
}

static int
append_column(StrataBatch *b, const Var *var)
{
	if (var->varno == INDEX_VAR)
		return var->varattno > 0 && var->varattno <= b->ncols ? var->varattno - 1 : -1;
	if (var->varlevelsup != 0)
		return -1;
	for (int i = 0; i < b->ncols; i++)
	{
		Var *mine = tlist_var(b, i);

		if (mine->varno == var->varno && mine->varattno == var->varattno)
			return i;
	}
	return -1;
}

/* Those that can; a filter only ever spares work. */
static bool
append_push_filter(StrataBatch *b, int col, StrataScanFilter *filter)
{
	StrataAppendState *append = append_of(b);
	bool			   any = false;

	for (int i = 0; i < append->nchildren; i++)
	{
		StrataBatch *child = append->children[i].batch;

		if (child->push_filter)
			any |= child->push_filter(child, append->children[i].col[col], filter);
	}
	return any;
}

static void
show_child(StrataAppendState *append)
{
	AppendChild *child = &append->children[append->current];
	StrataBatch *b = &append->batch;

	for (int i = 0; i < b->ncols; i++)
		b->cols[i] = child->batch->cols[child->col[i]];
	b->n = child->batch->n;
	memcpy(b->mask, child->batch->mask, sizeof(b->mask));
	append->counts.rows_out += strata_kernels->count(b->mask, b->n);
}

/* The child to be read after `last`; nchildren: there is none. */
static int
next_child(StrataAppendState *append, int last)
{
	MemoryContext old;
	int			  next;

	if (!append->prune || !append->prune->do_exec_prune || append->nchildren == 0)
		return last + 1;
	if (!append->chosen)
	{
		old = MemoryContextSwitchTo(append->css.ss.ps.state->es_query_cxt);
		bms_free(append->matching);
		append->matching = ExecFindMatchingSubPlans(append->prune, false);
		append->chosen = true;
		MemoryContextSwitchTo(old);
	}
	next = bms_next_member(append->matching, last);
	return next < 0 ? append->nchildren : next;
}

static bool
next_vector(StrataAppendState *append)
{
	if (append->current < 0)
		append->current = next_child(append, -1);
	while (append->current < append->nchildren)
	{
		StrataBatch *from = append->children[append->current].batch;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(append->batch.memory);
		append->children[append->current].begun = true;
		if (from->next(from))
		{
			show_child(append);
			return true;
		}
		append->current = next_child(append, append->current);
	}
	return false;
}

static bool
append_next(StrataBatch *b)
{
	StrataAppendState *append = append_of(b);
	Instrumentation	  *instr = append->css.ss.ps.instrument;
	uint64			   before = append->counts.rows_out;
	bool			   more;

	if (append->css.ss.ps.chgParam)
		ExecReScan(&append->css.ss.ps);
	if (instr)
		InstrStartNode(instr);
	more = next_vector(append);
	if (instr)
		InstrStopNode(instr, append->counts.rows_out - before);
	return more;
}

static void
open_child(StrataAppendState *append, AppendChild *child, Plan *plan, EState *estate, int eflags, int number, int ncols,
		   List *places)
{
	child->ps = ExecInitNode(plan, estate, eflags);
	child->batch = strata_batch_of(child->ps);
	if (!child->batch)
	{
		child->source = strata_row_source(child->ps, &append->css.ss.ps);
		child->batch = &child->source->batch;
	}
	else if (strata_is_scan_state(child->ps))
		((StrataScanState *) child->ps)->wants_batches = true;
	append->css.custom_ps = lappend(append->css.custom_ps, child->ps);
	child->col = palloc(sizeof(int) * Max(ncols, 1));
	for (int i = 0; i < ncols; i++)
	{
		child->col[i] = child->source
			? list_nth_int(places, number * ncols + i) - 1
			: child->batch->column(child->batch, tlist_var(&append->batch, (number + 1) * ncols + i));
		if (child->col[i] < 0)
			ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("StrataAppend misses a column of its input")));
	}
}

/* What path_append.c left of it in the plan, put together again (see there). */
static PartitionPruneInfo *
prune_info(CustomScan *plan)
{
	PartitionPruneInfo		*info = copyObject(lthird_node(PartitionPruneInfo, plan->custom_private));
	PartitionedRelPruneInfo *table = linitial(linitial_node(List, info->prune_infos));

	table->rtindex = bms_singleton_member(plan->custom_relids);
	table->initial_pruning_steps = linitial(plan->custom_exprs);
	table->exec_pruning_steps = lsecond(plan->custom_exprs);
	return info;
}

/* The plans to open. */
static Bitmapset *
prune_at_start(StrataAppendState *append)
{
	CustomScan	*plan = (CustomScan *) append->css.ss.ps.plan;
	ExprContext *econtext = append->css.ss.ps.ps_ExprContext;
	Bitmapset	*left;

	if (!lthird(plan->custom_private))
		return bms_add_range(NULL, 0, list_length(plan->custom_plans) - 1);
	append->prune =
		ExecInitPartitionPruning(&append->css.ss.ps, list_length(plan->custom_plans), prune_info(plan), &left);
	/* It has given the node an ExprContext, and keeps that; our projection goes on with the one it was made for. */
	append->css.ss.ps.ps_ExprContext = econtext;
	return left;
}

static void
append_begin(CustomScanState *css, EState *estate, int eflags)
{
	StrataAppendState *append = (StrataAppendState *) css;
	CustomScan		  *plan = (CustomScan *) css->ss.ps.plan;
	int				   ncols = intVal(linitial(plan->custom_private));
	List			  *places = lsecond(plan->custom_private);
	Bitmapset		  *left = prune_at_start(append);
	int				   number = -1;

	strata_batch_init(&append->batch, &css->ss.ps, css->ss.ss_ScanTupleSlot, &append->counts);
	append->batch.next = append_next;
	append->batch.column = append_column;
	append->batch.push_filter = append_push_filter;
	append->current = -1;
	append->children = palloc0(sizeof(AppendChild) * Max(bms_num_members(left), 1));
	while ((number = bms_next_member(left, number)) >= 0)
	{
		open_child(append, &append->children[append->nchildren], list_nth(plan->custom_plans, number), estate, eflags,
				   number, ncols, places);
		append->nchildren++;
	}
	/* Types are asked for before there is a vector; they are the same in all children. */
	for (int i = 0; i < ncols; i++)
	{
		Var *var = tlist_var(&append->batch, i);

		if (append->nchildren > 0)
			strata_batch_add(&append->batch, append->children[0].batch->cols[append->children[0].col[i]], i + 1);
		else
			strata_batch_add_own(&append->batch, var->vartype, var->vartypmod, i + 1);
	}
}

/* Not ExecScan: see agg.c. */
static TupleTableSlot *
append_exec(CustomScanState *css)
{
	StrataAppendState *append = (StrataAppendState *) css;
	ProjectionInfo	  *projection = css->ss.ps.ps_ProjInfo;
	ExprContext		  *econtext = css->ss.ps.ps_ExprContext;
	StrataBatch		  *b = &append->batch;

	ResetExprContext(econtext);
	for (;;)
	{
		if (append->vector_up)
			for (int w = 0; w < BATCH_WORDS; w++)
				if (b->mask[w])
				{
					unsigned i = w * 64 + __builtin_ctzll(b->mask[w]);

					b->mask[w] &= b->mask[w] - 1;
					strata_batch_fill(b, i);
					econtext->ecxt_scantuple = b->slot;
					return projection ? ExecProject(projection) : b->slot;
				}
		append->vector_up = next_vector(append);
		if (!append->vector_up)
			return ExecClearTuple(projection ? css->ss.ps.ps_ResultTupleSlot : css->ss.ss_ScanTupleSlot);
	}
}

static void
append_end(CustomScanState *css)
{
	StrataAppendState *append = (StrataAppendState *) css;

	for (int i = 0; i < append->nchildren; i++)
		ExecEndNode(append->children[i].ps);
}

static void
append_rescan(CustomScanState *css)
{
	StrataAppendState *append = (StrataAppendState *) css;

	ExecClearTuple(css->ss.ss_ScanTupleSlot);
	if (append->prune && bms_overlap(css->ss.ps.chgParam, append->prune->execparamids))
		append->chosen = false;
	for (int i = 0; i < append->nchildren; i++)
	{
		AppendChild *child = &append->children[i];

		if (css->ss.ps.chgParam)
			UpdateChangedParamSet(child->ps, css->ss.ps.chgParam);
		/* One that was pruned stands at its beginning; what has changed for it is noted, should it be asked. */
		if (!child->begun)
			continue;
		ExecReScan(child->ps);
		if (child->source)
			child->source->done = false;
		child->begun = false;
	}
	append->current = -1;
	append->vector_up = false;
}

static void
append_explain(CustomScanState *css, List *ancestors, ExplainState *es)
{
	StrataAppendState *append = (StrataAppendState *) css;
	int				   removed = list_length(((CustomScan *) css->ss.ps.plan)->custom_plans) - append->nchildren;

	if (removed > 0 || es->format != EXPLAIN_FORMAT_TEXT)
		ExplainPropertyInteger("Subplans Removed", NULL, removed, es);
}

static CustomExecMethods append_exec_methods = {
	.CustomName = "StrataAppend",
	.BeginCustomScan = append_begin,
	.ExecCustomScan = append_exec,
	.EndCustomScan = append_end,
	.ReScanCustomScan = append_rescan,
	.ExplainCustomScan = append_explain,
};
