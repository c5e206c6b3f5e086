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
	StrataScanState *scan;
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

	/* this unit's direct array: combined code to group number, NO_GROUP - 1 unknown */
	uint32 *direct;
	bool	direct_tried;
	uint32	multiplier[32];
	uint32	direct_size;

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

static Node *
strip_relabel(Node *node)
{
	while (IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return node;
}

static bool
is_text(Oid type)
{
	return type == TEXTOID || type == VARCHAROID || type == BPCHAROID;
}

/* Display scale that the type modifier imposes, -1 for none (or one that we do not handle). */
static int
numeric_scale_of(int32 typmod)
{
	int scale;

	if (typmod < (int32) VARHDRSZ)
		return -1;
	scale = (((typmod - VARHDRSZ) & 0x7ff) ^ 1024) - 1024;
	return scale >= 0 && scale <= 18 ? scale : -1;
}

bool
strata_group_key_supported(Node *expr)
{
	Oid	  type = exprType(expr);
	Node *bare = strip_relabel(expr);
	Oid	  collation = exprCollation(expr);

	if (is_text(type))
		return IsA(bare, Var) && ((Var *) bare)->varattno > 0 && is_text(((Var *) bare)->vartype) &&
			(((Var *) bare)->vartype == BPCHAROID) == (type == BPCHAROID) &&
			(!OidIsValid(collation) || get_collation_isdeterministic(collation));
	if (type == NUMERICOID)
		return IsA(expr, Var) && numeric_scale_of(((Var *) expr)->vartypmod) >= 0;
	return strata_expr_speaks(expr);
}

/* ---- begin ---- */

static bool
init_key(StrataAggState *agg, StrataKey *key, Node *expr)
{
	Node *bare = strip_relabel(expr);

	key->type = exprType(expr);
	key->state = ExecInitExpr((Expr *) expr, &agg->scan->css.ss.ps);
	key->col = IsA(bare, Var) ? strata_scan_column(agg->scan, ((Var *) bare)->varattno) : -1;
	key->norm = palloc(STRATA_VECTOR * sizeof(int64));
	key->orig = key->norm;
	if (is_text(key->type))
	{
		key->kind = KEY_TEXT;
		return key->col >= 0 && agg->scan->cols[key->col].storable;
	}
	key->expr = strata_expr_compile(agg->scan, expr);
	if (key->type == NUMERICOID)
	{
		key->kind = KEY_NUM;
		key->scale = numeric_scale_of(exprTypmod(expr));
	}
	else if (key->type == FLOAT4OID || key->type == FLOAT8OID)
	{
		key->kind = KEY_F64;
		key->orig = palloc(STRATA_VECTOR * sizeof(int64));
	}
	else
		key->kind = KEY_INT;
	return key->expr != NULL;
}

static bool can_take_unit(void *arg);
static void take_unit(void *arg, const StrataUnit *unit);
static void on_unit(void *arg);

static void
agg_begin(CustomScanState *css, EState *estate, int eflags)
{
	StrataAggState *agg = (StrataAggState *) css;
	CustomScan	   *plan = (CustomScan *) css->ss.ps.plan;
	PlanState	   *child = ExecInitNode(linitial(plan->custom_plans), estate, eflags);
	ListCell	   *lc;

	css->custom_ps = list_make1(child);
	if (!strata_is_scan_state(child))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("StrataAggregate needs a StrataScan below it")));
	agg->scan = (StrataScanState *) child;
	agg->scan->wants_batches = true;
	agg->scan->on_unit = on_unit;
	agg->scan->parent = agg;

	agg->keys = palloc0(sizeof(StrataKey) * list_length(plan->custom_scan_tlist));
	agg->aggs = palloc0(sizeof(StrataAgg) * list_length(plan->custom_scan_tlist));
	agg->vectors = true;
	foreach (lc, plan->custom_scan_tlist)
	{
		Node *expr = (Node *) lfirst_node(TargetEntry, lc)->expr;

		if (IsA(expr, Aggref))
		{
			agg->vectors &= strata_agg_init(&agg->aggs[agg->naggs++], (Aggref *) expr, agg->scan);
			agg->partial |= DO_AGGSPLIT_SKIPFINAL(((Aggref *) expr)->aggsplit);
		}
		else
			agg->vectors &= init_key(agg, &agg->keys[agg->nkeys++], expr);
	}
	/* A parallel GROUP BY without aggregates has nothing to tell it apart; its Gather is in its scan. */
	agg->partial |= agg->scan->css.ss.ps.plan->parallel_aware;
	agg->econtext = CreateExprContext(estate);
	agg->rows = palloc((STRATA_VECTOR + 64) * sizeof(uint16));
	agg->gids = palloc(STRATA_VECTOR * sizeof(uint32));
	strata_groups_init(&agg->groups, estate->es_query_cxt, agg->nkeys, agg->keys, agg->naggs);
	if (agg->vectors && agg->nkeys == 0)
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
		if (!strata_accum_can_take(&agg->aggs[i], agg->scan))
			return false;
	return true;
}

static void
take_unit(void *arg, const StrataUnit *unit)
{
	StrataAggState *agg = arg;
	StrataAccum	   *accums = strata_group_accums(&agg->groups, the_group(agg));

	for (int i = 0; i < agg->naggs; i++)
		strata_accum_take(&agg->aggs[i], agg->scan, &accums[i], unit->nrows);
}

static void
on_unit(void *arg)
{
	StrataAggState *agg = arg;

	agg->direct = NULL;
	agg->direct_tried = false;
	for (int k = 0; k < agg->nkeys; k++)
		agg->keys[k].by_code = NULL;
	for (int i = 0; i < agg->naggs; i++)
		agg->aggs[i].seen = NULL;
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
		strata_key_datum(&agg->groups, &agg->keys[k], d, &norm[k], &orig[k], &sp, &images[k]);
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
	agg->scan->counts.scalar_values += agg->nkeys + agg->naggs;
}

/* Row i's string of a text key. */
static const char *
text_image(StrataAggState *agg, const StrataKey *key, unsigned i)
{
	StrataColumn *col = &agg->scan->cols[key->col];
	const uint32 *codes = strata_col_codes(agg->scan, col);
	uint32		  len;

	return codes ? strata_segment_code_bytes(col->seg, codes[i], &len) : strata_col_bytes(agg->scan, col)[i];
}

static int64
normalise_text(StrataAggState *agg, StrataKey *key, const uint32 *codes, unsigned i)
{
	int64 norm;

	if (codes && key->by_code[codes[i]] != -1)
		return key->by_code[codes[i]];
	norm = strata_groups_intern(&agg->groups, key - agg->keys, text_image(agg, key, i));
	if (codes && (uint32) norm != STRATA_NO_STRING)
		key->by_code[codes[i]] = norm;
	return norm;
}

/* Normalised key values of the rows in mask.  False: irregular. */
static bool
normalise_key(StrataAggState *agg, StrataKey *key, const uint64 *mask, const uint64 **nulls)
{
	StrataScanState *scan = agg->scan;

	if (key->kind == KEY_TEXT)
	{
		StrataColumn *col = &scan->cols[key->col];
		const uint32 *codes = strata_col_codes(scan, col);

		if (codes && !key->by_code)
		{
			key->by_code = MemoryContextAlloc(scan->unit_context, Max(col->seg->ndict, 1) * sizeof(int64));
			memset(key->by_code, -1, Max(col->seg->ndict, 1) * sizeof(int64));
		}
		*nulls = col->nulls;
		FOREACH_ROW(mask, i, {
			if (!strata_row_null(col->nulls, i))
				key->norm[i] = normalise_text(agg, key, codes, i);
		});
		return true;
	}
	if (!strata_expr_eval(scan, key->expr, mask))
		return false;
	*nulls = key->expr->vnulls;
	if (key->kind == KEY_F64)
		FOREACH_ROW(mask, i, {
			key->norm[i] = strata_key_float(key->expr->vf[i]);
			memcpy(&key->orig[i], &key->expr->vf[i], sizeof(int64));
		});
	else if (key->kind == KEY_NUM && key->expr->scale != key->scale)
		return false;
	else
		memcpy(key->norm, key->expr->vi, scan->n * sizeof(int64));
	return true;
}

static bool
find_groups_by_hash(StrataAggState *agg, const uint64 *mask, unsigned n)
{
	const uint64 *nulls[32];
	int64		  norm[32], orig[32];
	const char	 *images[32];

	for (int k = 0; k < agg->nkeys; k++)
		if (!normalise_key(agg, &agg->keys[k], mask, &nulls[k]))
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
				images[k] = text_image(agg, &agg->keys[k], i);
		}
		agg->gids[r] = strata_groups_find(&agg->groups, norm, orig, nullbits, 0, images);
	}
	agg->scan->counts.scalar_values += n;
	return true;
}

/* Is the product of the keys' codes (and a NULL each) small enough for an array?  Decided once a unit. */
static void
try_direct(StrataAggState *agg)
{
	uint64 size = 1;

	agg->direct_tried = true;
	for (int k = 0; k < agg->nkeys; k++)
	{
		StrataKey	 *key = &agg->keys[k];
		StrataColumn *col = key->col >= 0 ? &agg->scan->cols[key->col] : NULL;

		if (!col || (key->expr && !strata_expr_is_column(key->expr)) || !strata_col_coded(col) ||
			(key->kind == KEY_NUM && (col->seg->phys != STRATA_PHYS_INT || col->seg->scale != key->scale)))
			return;
		agg->multiplier[k] = size;
		size *= col->seg->ndict + 1;
		if (size > MAX_DIRECT)
			return;
	}
	agg->direct_size = size;
	agg->direct = MemoryContextAlloc(agg->scan->unit_context, size * sizeof(uint32));
	for (uint64 i = 0; i < size; i++)
		agg->direct[i] = UNKNOWN_GROUP;
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
		StrataColumn *col = &agg->scan->cols[key->col];
		uint32		  code = combined / agg->multiplier[k];
		uint32		  len;
		double		  f;

		combined %= agg->multiplier[k];
		if (code == col->seg->ndict)
		{
			nulls |= 1u << k;
			continue;
		}
		switch (key->kind)
		{
			case KEY_TEXT:
				images[k] = strata_segment_code_bytes(col->seg, code, &len);
				norm[k] = orig[k] = strata_groups_intern(&agg->groups, k, images[k]);
				break;
			case KEY_F64:
				f = strata_segment_code_f64(col->seg, code);
				norm[k] = strata_key_float(f);
				memcpy(&orig[k], &f, sizeof(f));
				break;
			default:
				norm[k] = orig[k] = strata_segment_code_i64(col->seg, code);
		}
	}
	return strata_groups_find(&agg->groups, norm, orig, nulls, 0, images);
}

static void
find_groups_by_code(StrataAggState *agg, unsigned n)
{
	StrataScanState *scan = agg->scan;
	uint32			 combined[STRATA_VECTOR];

	memset(combined, 0, scan->n * sizeof(uint32));
	for (int k = 0; k < agg->nkeys; k++)
	{
		StrataColumn *col = &scan->cols[agg->keys[k].col];
		const uint32 *codes = strata_col_codes(scan, col);
		uint32		  m = agg->multiplier[k];

		for (unsigned i = 0; i < scan->n; i++)
			combined[i] += codes[i] * m;
		if (col->nulls)
			FOREACH_ROW(col->nulls, i, {
				if (i < scan->n)
					combined[i] += (col->seg->ndict - codes[i]) * m;
			});
	}
	for (unsigned r = 0; r < n; r++)
	{
		uint32 *gid = &agg->direct[combined[agg->rows[r]]];

		if (unlikely(*gid == UNKNOWN_GROUP))
			*gid = group_of_codes(agg, combined[agg->rows[r]]);
		agg->gids[r] = *gid;
	}
	scan->counts.vector_values += n;
}

/*
 * Few groups: a mask for each, and each aggregate by kernels.  Adding row by row costs some 2.5 ns a row and
 * aggregate, mostly the wait for the same accumulator's last sum; a kernel over a mask 0.15 ns a row and group.
 */
#define MAX_MASKED_GROUPS 8

static void
feed_by_masks(StrataAggState *agg, unsigned n)
{
	StrataScanState *scan = agg->scan;
	uint32			 by_row[STRATA_VECTOR];
	uint64			 masks[MAX_MASKED_GROUPS][BATCH_WORDS] = {{0}};

	memset(by_row, 0xff, scan->n * sizeof(uint32)); /* STRATA_NO_GROUP */
	for (unsigned r = 0; r < n; r++)
		by_row[agg->rows[r]] = agg->gids[r];
	for (uint32 g = 0; g < agg->groups.ngroups; g++)
		strata_kernels->cmp_u32(by_row, scan->n, STRATA_EQ, g, masks[g]);
	for (int i = 0; i < agg->naggs; i++)
	{
		if (agg->aggs[i].is_text)
			strata_accum_grouped(scan, &agg->aggs[i], agg->groups.base, agg->groups.stride,
								 agg->groups.accum_offset + i * sizeof(StrataAccum), agg->rows, agg->gids, n,
								 agg->groups.cxt);
		else
			for (uint32 g = 0; g < agg->groups.ngroups; g++)
				strata_accum_vector(scan, &agg->aggs[i], &strata_group_accums(&agg->groups, g)[i], masks[g],
									agg->groups.cxt);
	}
}

/* The batch's rows into the accumulators.  False: irregular, nothing was added. */
static bool
feed_vector(StrataAggState *agg)
{
	StrataScanState *scan = agg->scan;
	unsigned		 n;

	for (int i = 0; i < agg->naggs; i++)
		if (agg->aggs[i].expr && !strata_expr_eval(scan, agg->aggs[i].expr, scan->mask))
			return false;
	if (agg->nkeys == 0)
	{
		StrataAccum *accums = strata_group_accums(&agg->groups, the_group(agg));

		for (int i = 0; i < agg->naggs; i++)
			strata_accum_vector(scan, &agg->aggs[i], &accums[i], scan->mask, agg->groups.cxt);
		return true;
	}
	n = strata_kernels->select(scan->mask, scan->n, agg->rows);
	if (!agg->direct_tried)
		try_direct(agg);
	if (agg->direct)
		find_groups_by_code(agg, n);
	else if (!find_groups_by_hash(agg, scan->mask, n))
		return false;
	if (agg->groups.ngroups <= MAX_MASKED_GROUPS)
		feed_by_masks(agg, n);
	else
		for (int i = 0; i < agg->naggs; i++)
			strata_accum_grouped(scan, &agg->aggs[i], agg->groups.base, agg->groups.stride,
								 agg->groups.accum_offset + i * sizeof(StrataAccum), agg->rows, agg->gids, n,
								 agg->groups.cxt);
	return true;
}

static void
feed_batch(StrataAggState *agg)
{
	StrataScanState *scan = agg->scan;
	instr_time		 start, end;
	MemoryContext	 old = MemoryContextSwitchTo(scan->batch_context);
	bool			 done;

	INSTR_TIME_SET_CURRENT(start);
	done = agg->vectors && feed_vector(agg);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	scan->counts.busy_ns += (uint64) INSTR_TIME_GET_MICROSEC(end) * 1000;
	MemoryContextSwitchTo(old);
	if (done)
		return;
	scan->counts.rows_replayed += strata_kernels->count(scan->mask, scan->n);
	FOREACH_ROW(scan->mask, i, {
		CHECK_FOR_INTERRUPTS();
		strata_scan_fill_slot(scan, scan->css.ss.ss_ScanTupleSlot, i);
		feed_row(agg, scan->css.ss.ss_ScanTupleSlot);
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
	on_unit(agg); /* group numbers have changed */
}

/* Runs the scan until it ends, or, in a partial aggregation, until memory is full. */
static void
fill_groups(StrataAggState *agg)
{
	uint32 limit_check = 1024;

	for (;;)
	{
		switch (strata_scan_next(agg->scan))
		{
			case STRATA_BATCH_END:
				agg->exhausted = true;
				return;
			case STRATA_BATCH_ROW:
				feed_row(agg, agg->scan->css.ss.ss_ScanTupleSlot);
				break;
			case STRATA_BATCH_VECTOR:
				feed_batch(agg);
				break;
		}
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
}

static void
start_pass(StrataAggState *agg)
{
	strata_groups_reset(&agg->groups);
	on_unit(agg);
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
	ExecReScan(&agg->scan->css.ss.ps);
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

	strata_report(agg->scan, true);
	ExecEndNode(&agg->scan->css.ss.ps);
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
		UpdateChangedParamSet(&agg->scan->css.ss.ps, css->ss.ps.chgParam);
	ExecReScan(&agg->scan->css.ss.ps);
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
