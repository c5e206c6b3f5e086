/*
 * agg.c - StrataAggregate: grouping and aggregation of the batches of a StrataScan.
 *
 * Without GROUP BY a vector goes into each accumulator by one kernel call, and a unit whose rows are all fresh and
 * all pass the filter is answered by its zone maps.  With GROUP BY each row of a vector gets its group's number,
 * then each aggregate walks its argument with these numbers.  Numbers are found, from cheapest to dearest:
 *   - all keys are coded columns of few codes: the combined code indexes an array that belongs to the unit;
 *   - otherwise each key is normalised to 64 bits (strings by their interned number, once a code where there are
 *     codes) and looked up in the hash table.
 *
 * Memory: when the groups outgrow hash_mem, a complete aggregation keeps the half of the groups whose hash starts
 * with one more bit and scans again for the others, as often as it takes (the scan repeats exactly: same snapshot,
 * no volatile functions); a partial one hands its groups up and starts anew, as the Finalize above merges them.
 *
 * A batch that a vector expression cannot do, and every row from the heap, goes row by row through PostgreSQL's
 * evaluator into the same accumulators.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/pg_locale.h"
#include "utils/ruleutils.h"

#include "exec/agg.h"

/* Combined codes of a unit that a direct array is made for. */
#define MAX_DIRECT 16384

typedef struct Pass
{
	int			 bits;
	uint32		 part;
	struct Pass *next;
} Pass;

typedef struct StrataAggState
{
	CustomScanState  css;
	StrataBatch	   *in;	  /* of the child */
	StrataScanState *scan; /* the child, when it is a scan */
	int				 nkeys;
	StrataKey		*keys;
	int				 naggs;
	StrataAgg		*aggs;
	bool			 partial;
	bool			 vectors; /* all keys and arguments can be had as vectors */
	StrataGroups	 groups;
	ExprContext		*econtext; /* evaluates keys and arguments of single rows */

	bool   filled;	 /* the groups of this pass are complete */
	bool   exhausted; /* the scan has no more (partial aggregation) */
	uint32 emitted;
	Pass  *pending;
	int	   passes;

	/* the direct array: combined code to group number; good for the codes of direct_ids */
	uint32 *direct;
	bool	direct_tried;
	uint64	direct_ids[32];
	uint32	multiplier[32];
	uint32	direct_size; /* 0: there is none */

	uint16 *rows;
	uint32 *gids;
	uint32	ungrouped_gid;
} StrataAggState;

#define UNKNOWN_GROUP (STRATA_NO_GROUP - 1)

static CustomExecMethods agg_exec_methods;

static Node *
agg_create_state(CustomScan *cscan)
{
	StrataAggState *agg = (StrataAggState *) newNode(sizeof(StrataAggState), T_CustomScanState);

	agg->css.methods = &agg_exec_methods;
	return (Node *) agg;
}

CustomScanMethods strata_agg_methods = {
	.CustomName = "StrataAggregate",
	.CreateCustomScanState = agg_create_state,
};

/* ---- begin ---- */

static bool can_take_unit(void *arg);
static void take_unit(void *arg, const StrataUnit *unit);

static void
agg_begin(CustomScanState *css, EState *estate, int eflags)
{
	StrataAggState *agg = (StrataAggState *) css;
	CustomScan	   *plan = (CustomScan *) css->ss.ps.plan;
	PlanState	   *child = ExecInitNode(linitial(plan->custom_plans), estate, eflags);
	ListCell	   *lc;

	css->custom_ps = list_make1(child);
	agg->in = strata_batch_of(child);
	if (!agg->in)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("StrataAggregate needs a node of the column store below it")));
	if (strata_is_scan_state(child))
	{
		agg->scan = (StrataScanState *) child;
		agg->scan->wants_batches = agg->scan->reported_above = true;
		agg->scan->parent = agg;
	}

	agg->keys = palloc0(sizeof(StrataKey) * list_length(plan->custom_scan_tlist));
	agg->aggs = palloc0(sizeof(StrataAgg) * list_length(plan->custom_scan_tlist));
	agg->vectors = true;
	foreach (lc, plan->custom_scan_tlist)
	{
		Node *expr = (Node *) lfirst_node(TargetEntry, lc)->expr;

		if (IsA(expr, Aggref))
		{
			agg->vectors &= strata_agg_init(&agg->aggs[agg->naggs++], (Aggref *) expr, agg->in);
			agg->partial |= DO_AGGSPLIT_SKIPFINAL(((Aggref *) expr)->aggsplit);
		}
		else
			agg->vectors &= strata_key_init(&agg->keys[agg->nkeys++], agg->in, expr);
	}
	/* A parallel GROUP BY without aggregates has no Aggref to tell it apart. */
	agg->partial |= intVal(linitial(plan->custom_private)) != 0;
	agg->econtext = CreateExprContext(estate);
	agg->rows = palloc((STRATA_VECTOR + 64) * sizeof(uint16));
	agg->gids = palloc(STRATA_VECTOR * sizeof(uint32));
	strata_groups_init(&agg->groups, estate->es_query_cxt, agg->nkeys, agg->keys, agg->naggs);
	if (agg->vectors && agg->nkeys == 0 && agg->scan)
	{
		agg->scan->can_take_unit = can_take_unit;
		agg->scan->take_unit = take_unit;
	}
}

/* ---- feeding ---- */

/* Room for one group even when there is nothing to group by. */
static uint32
the_group(StrataAggState *agg)
{
	int64 none = 0;

	return strata_groups_find(&agg->groups, &none, &none, 0, 0, NULL);
}

static bool
can_take_unit(void *arg)
{
	StrataAggState *agg = arg;

	for (int i = 0; i < agg->naggs; i++)
		if (!strata_accum_can_take(&agg->aggs[i], agg->in))
			return false;
	return true;
}

static void
take_unit(void *arg, const StrataUnit *unit)
{
	StrataAggState *agg = arg;
	StrataAccum	   *accums = strata_group_accums(&agg->groups, the_group(agg));

	for (int i = 0; i < agg->naggs; i++)
		strata_accum_take(&agg->aggs[i], agg->in, &accums[i], unit->nrows);
}

/* Group numbers have changed, or strings: nothing kept by code is good any more. */
static void
forget_codes(StrataAggState *agg)
{
	agg->direct_tried = false;
	for (int k = 0; k < agg->nkeys; k++)
		agg->keys[k].dict_id = 0;
	for (int i = 0; i < agg->naggs; i++)
		agg->aggs[i].dict_id = 0;
}

static void
feed_row(StrataAggState *agg, TupleTableSlot *slot)
{
	int64		  norm[32] = {0}, orig[32] = {0};
	const char	 *images[32];
	uint32		  nulls = 0, special = 0, gid;
	MemoryContext old;

	ResetExprContext(agg->econtext);
	agg->econtext->ecxt_scantuple = slot;
	old = MemoryContextSwitchTo(agg->econtext->ecxt_per_tuple_memory);
	for (int k = 0; k < agg->nkeys; k++)
	{
		bool  null, sp;
		Datum d = ExecEvalExpr(agg->keys[k].state, agg->econtext, &null);

		if (null)
		{
			nulls |= 1u << k;
			continue;
		}
		strata_key_datum(&agg->groups, &agg->keys[k], k, d, &norm[k], &orig[k], &sp, &images[k]);
		special |= (uint32) sp << k;
	}
	gid = strata_groups_find(&agg->groups, norm, orig, nulls, special, images);
	if (gid != STRATA_NO_GROUP)
		for (int i = 0; i < agg->naggs; i++)
		{
			bool  null = false;
			Datum d = agg->aggs[i].state ? ExecEvalExpr(agg->aggs[i].state, agg->econtext, &null) : (Datum) 0;

			strata_accum_datum(&agg->aggs[i], &strata_group_accums(&agg->groups, gid)[i], d, null, agg->groups.cxt);
		}
	MemoryContextSwitchTo(old);
	agg->in->counts->scalar_values += agg->nkeys + agg->naggs;
}

static bool
find_groups_by_hash(StrataAggState *agg, const uint64 *mask, unsigned n)
{
	const uint64 *nulls[32];
	int64		  norm[32], orig[32];
	const char	 *images[32];

	for (int k = 0; k < agg->nkeys; k++)
		if (!strata_key_normalise(&agg->groups, k, &agg->keys[k], agg->in, mask, true, &nulls[k]))
			return false;
	for (unsigned r = 0; r < n; r++)
	{
		unsigned i = agg->rows[r];
		uint32	 nullbits = 0;

		for (int k = 0; k < agg->nkeys; k++)
		{
			bool null = strata_row_null(nulls[k], i);

			nullbits |= (uint32) null << k;
			norm[k] = null ? 0 : agg->keys[k].norm[i];
			orig[k] = null ? 0 : agg->keys[k].orig[i];
			if (!null && agg->keys[k].kind == KEY_TEXT && (uint32) norm[k] == STRATA_NO_STRING)
				images[k] = strata_key_image(&agg->keys[k], agg->in, i);
		}
		agg->gids[r] = strata_groups_find(&agg->groups, norm, orig, nullbits, 0, images);
	}
	agg->in->counts->scalar_values += n;
	return true;
}

/* Have the codes of some key changed their meaning since the array was made, or refused? */
static bool
codes_changed(const StrataAggState *agg)
{
	for (int k = 0; k < agg->nkeys; k++)
		if (agg->keys[k].col < 0 || agg->in->cols[agg->keys[k].col]->dict_id != agg->direct_ids[k])
			return true;
	return false;
}

static StrataColumn *
coded_column(const StrataAggState *agg, const StrataKey *key)
{
	StrataColumn *col = key->col >= 0 ? agg->in->cols[key->col] : NULL;

	if (!col || (key->expr && !strata_expr_is_column(key->expr)) || !strata_col_coded(col))
		return NULL;
	if (key->kind == KEY_NUM && (strata_col_phys(col) != STRATA_PHYS_INT || strata_col_scale(col) != key->scale))
		return NULL;
	return col;
}

/* Is the product of the keys' codes (and a NULL each) small enough for an array?  Decided when codes change. */
static bool
use_direct(StrataAggState *agg)
{
	uint64 size = 1;

	if (agg->direct_tried && !codes_changed(agg))
		return agg->direct_size > 0;
	agg->direct_tried = true;
	agg->direct_size = 0;
	for (int k = 0; k < agg->nkeys; k++)
	{
		StrataColumn *col = agg->keys[k].col >= 0 ? agg->in->cols[agg->keys[k].col] : NULL;

		agg->direct_ids[k] = col ? col->dict_id : 0;
	}
	for (int k = 0; k < agg->nkeys; k++)
	{
		StrataColumn *col = coded_column(agg, &agg->keys[k]);

		if (!col)
			return false;
		agg->multiplier[k] = size;
		size *= (uint64) strata_col_ncodes(col) + 1;
		if (size > MAX_DIRECT)
			return false;
	}
	agg->direct_size = size;
	if (!agg->direct)
		agg->direct = MemoryContextAlloc(agg->css.ss.ps.state->es_query_cxt, MAX_DIRECT * sizeof(uint32));
	for (uint64 i = 0; i < size; i++)
		agg->direct[i] = UNKNOWN_GROUP;
	return true;
}

/* The group of a combined code, from the keys' dictionaries. */
static uint32
group_of_codes(StrataAggState *agg, uint32 combined)
{
	int64		norm[32] = {0}, orig[32] = {0};
	const char *images[32];
	uint32		nulls = 0;

	for (int k = agg->nkeys - 1; k >= 0; k--)
	{
		StrataKey	 *key = &agg->keys[k];
		StrataColumn *col = agg->in->cols[key->col];
		uint32		  code = combined / agg->multiplier[k];
		double		  f;

		combined %= agg->multiplier[k];
		if (code == strata_col_ncodes(col))
		{
			nulls |= 1u << k;
			continue;
		}
		switch (key->kind)
		{
			case KEY_TEXT:
				images[k] = strata_code_bytes(col, code);
				norm[k] = orig[k] = strata_groups_intern(&agg->groups, k, images[k], true);
				break;
			case KEY_F64:
				f = strata_code_f64(col, code);
				norm[k] = strata_key_float(f);
				memcpy(&orig[k], &f, sizeof(f));
				break;
			default:
				norm[k] = orig[k] = strata_code_i64(col, code);
		}
	}
	return strata_groups_find(&agg->groups, norm, orig, nulls, 0, images);
}

static void
find_groups_by_code(StrataAggState *agg, unsigned n)
{
	StrataBatch *in = agg->in;
	uint32			 combined[STRATA_VECTOR];

	memset(combined, 0, in->n * sizeof(uint32));
	for (int k = 0; k < agg->nkeys; k++)
	{
		StrataColumn *col = in->cols[agg->keys[k].col];
		const uint32 *codes = strata_col_codes(col);
		uint32		  ncodes = strata_col_ncodes(col);
		uint32		  m = agg->multiplier[k];

		for (unsigned i = 0; i < in->n; i++)
			combined[i] += codes[i] * m;
		if (col->nulls)
			FOREACH_ROW(col->nulls, i, {
				if (i < in->n)
					combined[i] += (ncodes - codes[i]) * m;
			});
	}
	for (unsigned r = 0; r < n; r++)
	{
		uint32 *gid = &agg->direct[combined[agg->rows[r]]];

		if (unlikely(*gid == UNKNOWN_GROUP))
			*gid = group_of_codes(agg, combined[agg->rows[r]]);
		agg->gids[r] = *gid;
	}
	in->counts->vector_values += n;
}

/*
 * Few groups: a mask for each, and each aggregate by kernels.  Adding row by row costs some 2.5 ns a row and
 * aggregate, mostly the wait for the same accumulator's last sum; a kernel over a mask 0.15 ns a row and group.
 */
#define MAX_MASKED_GROUPS 8

static void
feed_by_masks(StrataAggState *agg, unsigned n)
{
	StrataBatch *in = agg->in;
	uint32			 by_row[STRATA_VECTOR];
	uint64			 masks[MAX_MASKED_GROUPS][BATCH_WORDS] = {{0}};

	memset(by_row, 0xff, in->n * sizeof(uint32)); /* STRATA_NO_GROUP */
	for (unsigned r = 0; r < n; r++)
		by_row[agg->rows[r]] = agg->gids[r];
	for (uint32 g = 0; g < agg->groups.ngroups; g++)
		strata_kernels->cmp_u32(by_row, in->n, STRATA_EQ, g, masks[g]);
	for (int i = 0; i < agg->naggs; i++)
	{
		if (agg->aggs[i].is_text)
			strata_accum_grouped(in, &agg->aggs[i], agg->groups.base, agg->groups.stride,
								 agg->groups.accum_offset + i * sizeof(StrataAccum), agg->rows, agg->gids, n,
								 agg->groups.cxt);
		else
			for (uint32 g = 0; g < agg->groups.ngroups; g++)
				strata_accum_vector(in, &agg->aggs[i], &strata_group_accums(&agg->groups, g)[i], masks[g],
									agg->groups.cxt);
	}
}

/* The batch's rows into the accumulators.  False: irregular, nothing was added. */
static bool
feed_vector(StrataAggState *agg)
{
	StrataBatch *in = agg->in;
	unsigned		 n;

	for (int i = 0; i < agg->naggs; i++)
		if (agg->aggs[i].expr && !strata_expr_eval(in, agg->aggs[i].expr, in->mask))
			return false;
	if (agg->nkeys == 0)
	{
		StrataAccum *accums = strata_group_accums(&agg->groups, the_group(agg));

		for (int i = 0; i < agg->naggs; i++)
			strata_accum_vector(in, &agg->aggs[i], &accums[i], in->mask, agg->groups.cxt);
		return true;
	}
	n = strata_kernels->select(in->mask, in->n, agg->rows);
	if (use_direct(agg))
		find_groups_by_code(agg, n);
	else if (!find_groups_by_hash(agg, in->mask, n))
		return false;
	if (agg->groups.ngroups <= MAX_MASKED_GROUPS)
		feed_by_masks(agg, n);
	else
		for (int i = 0; i < agg->naggs; i++)
			strata_accum_grouped(in, &agg->aggs[i], agg->groups.base, agg->groups.stride,
								 agg->groups.accum_offset + i * sizeof(StrataAccum), agg->rows, agg->gids, n,
								 agg->groups.cxt);
	return true;
}

static void
feed_batch(StrataAggState *agg)
{
	StrataBatch	 *in = agg->in;
	instr_time	  start, end;
	MemoryContext old = MemoryContextSwitchTo(in->memory);
	bool		  done;

	INSTR_TIME_SET_CURRENT(start);
	done = agg->vectors && feed_vector(agg);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	in->counts->busy_ns += (uint64) INSTR_TIME_GET_MICROSEC(end) * 1000;
	MemoryContextSwitchTo(old);
	if (done)
		return;
	in->counts->rows_replayed += strata_kernels->count(in->mask, in->n);
	FOREACH_ROW(in->mask, i, {
		CHECK_FOR_INTERRUPTS();
		strata_batch_fill(in, i);
		feed_row(agg, in->slot);
	});
}

/* ---- passes ---- */

static bool
over_memory(StrataAggState *agg)
{
	return agg->nkeys > 0 && agg->groups.ngroups > 64 && strata_groups_bytes(&agg->groups) > get_hash_memory_limit();
}

/* Leaves half of the groups to a later pass. */
static void
split_pass(StrataAggState *agg)
{
	Pass *later;

	if (agg->groups.part_bits >= 24)
		return; /* groups of one hash prefix: nothing left to split by */
	later = palloc(sizeof(Pass));
	later->bits = agg->groups.part_bits + 1;
	later->part = agg->groups.part << 1 | 1;
	later->next = agg->pending;
	agg->pending = later;
	strata_groups_split(&agg->groups);
	forget_codes(agg);
}

/* Runs the scan until it ends, or, in a partial aggregation, until memory is full. */
static void
fill_groups(StrataAggState *agg)
{
	uint32 limit_check = 1024;

	while (agg->in->next(agg->in))
	{
		CHECK_FOR_INTERRUPTS();
		feed_batch(agg);
		if (agg->groups.ngroups >= limit_check)
		{
			if (over_memory(agg))
			{
				if (agg->partial)
					return;
				split_pass(agg);
			}
			limit_check = agg->groups.ngroups + Max(1024, agg->groups.ngroups / 8);
		}
	}
	agg->exhausted = true;
}

static void
start_pass(StrataAggState *agg)
{
	strata_groups_reset(&agg->groups);
	forget_codes(agg);
	agg->emitted = 0;
	agg->passes++;
	fill_groups(agg);
	/* An aggregate without GROUP BY has one row, even over nothing. */
	if (agg->nkeys == 0)
		the_group(agg);
	agg->filled = true;
}

/* Is there another pass to make after this one's groups went out? */
static bool
next_pass(StrataAggState *agg)
{
	Pass *p = agg->pending;

	if (agg->partial)
	{
		if (agg->exhausted)
			return false;
		start_pass(agg);
		return true;
	}
	if (!p)
		return false;
	agg->pending = p->next;
	agg->groups.part_bits = p->bits;
	agg->groups.part = p->part;
	pfree(p);
	ExecReScan(agg->in->ps);
	start_pass(agg);
	return true;
}

static TupleTableSlot *
emit(StrataAggState *agg, uint32 gid)
{
	TupleTableSlot *slot = agg->css.ss.ss_ScanTupleSlot;
	CustomScan	   *plan = (CustomScan *) agg->css.ss.ps.plan;
	StrataGroup	   *group = strata_group(&agg->groups, gid);
	StrataAccum	   *accums = strata_group_accums(&agg->groups, gid);
	int				k = 0, a = 0, col = 0;
	MemoryContext	old = MemoryContextSwitchTo(agg->css.ss.ps.ps_ExprContext->ecxt_per_tuple_memory);
	ListCell	   *lc;

	ExecClearTuple(slot);
	foreach (lc, plan->custom_scan_tlist)
	{
		if (IsA(lfirst_node(TargetEntry, lc)->expr, Aggref))
		{
			slot->tts_values[col] = strata_accum_result(&agg->aggs[a], &accums[a], &slot->tts_isnull[col]);
			a++;
		}
		else
		{
			bool null = group->nulls >> k & 1;

			slot->tts_isnull[col] = null;
			slot->tts_values[col] =
				null ? (Datum) 0
					 : strata_key_result(&agg->groups, &agg->keys[k], strata_group_keys(group)[k],
										 strata_group_keys(group)[agg->nkeys + k], group->special >> k & 1);
			k++;
		}
		col++;
	}
	MemoryContextSwitchTo(old);
	return ExecStoreVirtualTuple(slot);
}

static TupleTableSlot *
next_group(StrataAggState *agg)
{
	if (!agg->filled)
		start_pass(agg);
	while (agg->emitted >= agg->groups.ngroups)
		if (!next_pass(agg))
			return NULL;
	return emit(agg, agg->emitted++);
}

/*
 * Not ExecScan: while EvalPlanQual rechecks a row, and a subplan holds an aggregate, minor releases of PostgreSQL 15
 * take a scan without a relation for a join whose row is at hand, and never run it.
 */
static TupleTableSlot *
agg_exec(CustomScanState *css)
{
	ExprContext	   *econtext = css->ss.ps.ps_ExprContext;
	ProjectionInfo *projection = css->ss.ps.ps_ProjInfo;
	TupleTableSlot *slot;

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		ResetExprContext(econtext);
		slot = next_group((StrataAggState *) css);
		if (!slot)
			return ExecClearTuple(projection ? css->ss.ps.ps_ResultTupleSlot : css->ss.ss_ScanTupleSlot);
		econtext->ecxt_scantuple = slot;
		if (ExecQual(css->ss.ps.qual, econtext))
			return projection ? ExecProject(projection) : slot;
		InstrCountFiltered1(css, 1);
	}
}

static void
agg_end(CustomScanState *css)
{
	StrataAggState *agg = (StrataAggState *) css;

	if (agg->scan)
		strata_report(agg->scan, true);
	ExecEndNode(agg->in->ps);
}

static void
agg_rescan(CustomScanState *css)
{
	StrataAggState *agg = (StrataAggState *) css;

	ExecClearTuple(css->ss.ss_ScanTupleSlot);
	for (int i = 0; i < agg->naggs; i++)
		strata_expr_rescan(agg->aggs[i].expr);
	for (int k = 0; k < agg->nkeys; k++)
		strata_expr_rescan(agg->keys[k].expr);
	agg->filled = agg->exhausted = false;
	agg->emitted = 0;
	agg->pending = NULL;
	agg->groups.part_bits = 0;
	agg->groups.part = 0;
	ExecScanReScan(&css->ss);
	/* A child with changed parameters is rescanned by its first ExecProcNode, which we never call. */
	if (css->ss.ps.chgParam)
		UpdateChangedParamSet(agg->in->ps, css->ss.ps.chgParam);
	ExecReScan(agg->in->ps);
}

static void
agg_explain(CustomScanState *css, List *ancestors, ExplainState *es)
{
	StrataAggState *agg = (StrataAggState *) css;
	CustomScan	   *plan = (CustomScan *) css->ss.ps.plan;
	List		   *context = set_deparse_context_plan(es->deparse_cxt, css->ss.ps.plan, ancestors);
	List		   *keys = NIL;
	ListCell	   *lc;

	foreach (lc, plan->custom_scan_tlist)
	{
		Node *expr = (Node *) lfirst_node(TargetEntry, lc)->expr;

		if (!IsA(expr, Aggref))
			keys = lappend(keys, deparse_expression(expr, context, list_length(es->rtable) > 1 || es->verbose, true));
	}
	if (keys)
		ExplainPropertyList("Group Key", keys, es);
	if (es->analyze && agg->passes > 1)
		ExplainPropertyInteger("Passes", NULL, agg->passes, es);
}

static CustomExecMethods agg_exec_methods = {
	.CustomName = "StrataAggregate",
	.BeginCustomScan = agg_begin,
	.ExecCustomScan = agg_exec,
	.EndCustomScan = agg_end,
	.ReScanCustomScan = agg_rescan,
	.ExplainCustomScan = agg_explain,
};
