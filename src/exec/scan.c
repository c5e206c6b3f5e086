/*
 * scan.c - StrataScan: a base relation read from its column units, and from the heap where they are stale.
 *
 * The relation is cut into work items, one a unit's range of blocks (column/column.h).  For each item the node
 * reads the rows of the unit whose blocks are fresh, 1024 at a time, and then the item's other blocks from the
 * heap.  Participants of a parallel scan claim items from a shared counter, and each item is finished by the
 * one that claimed it, so a unit may come or go between two items without harm.
 *
 * A unit's columns are pinned in the page pool step by step.  Zone maps need no page: a unit that they prune or
 * answer costs none.  Then the columns of the quals that the zone maps left open are pinned, and at the first
 * vector that has survivors all others.  Up to there nothing has left the node, so when a page cannot be had
 * the unit is given up and the item comes from the heap as if the unit had not been there.
 *
 * A parent of the store takes batches; any other parent gets rows.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "port/pg_bitutils.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "exec/exec.h"
#include "exec/join.h"
#include "exec/query_workers.h"
#include "exec/recall.h"

/* Bounds of what a worker leaves to the leader (leave_to_leader()). */
#define MAX_LEAVE_NS	5000000
#define MAX_LEAVE_ITEMS 8

static CustomExecMethods scan_exec_methods;

bool
strata_is_scan_state(PlanState *ps)
{
	return IsA(ps, CustomScanState) && ((CustomScanState *) ps)->methods == &scan_exec_methods;
}

static Node *
scan_create_state(CustomScan *cscan)
{
	StrataScanState *scan = (StrataScanState *) newNode(sizeof(StrataScanState), T_CustomScanState);

	scan->css.methods = &scan_exec_methods;
	return (Node *) scan;
}

CustomScanMethods strata_scan_methods = {
	.CustomName = "StrataScan",
	.CreateCustomScanState = scan_create_state,
};

/* ---- columns ---- */

/* Index of a table's column in the batch, added when not there yet; -1 for system columns and whole rows. */
static int
scan_attribute(StrataScanState *scan, AttrNumber attnum)
{
	StrataBatch		 *b = &scan->batch;
	Form_pg_attribute attr;
	int				  c;

	if (attnum <= 0)
		return -1;
	for (c = 0; c < b->ncols; c++)
		if (b->cols[c]->attnum == attnum)
			return c;
	attr = TupleDescAttr(RelationGetDescr(scan->css.ss.ss_currentRelation), attnum - 1);
	c = strata_batch_add_own(b, attr->atttypid, attr->atttypmod, attnum);
	b->cols[c]->attnum = attnum;
	scan->max_attr = Max(scan->max_attr, attnum);
	return c;
}

static int
scan_column(StrataBatch *b, const Var *var)
{
	StrataScanState *scan = (StrataScanState *) ((char *) b - offsetof(StrataScanState, batch));

	if (var->varno != ((Scan *) scan->css.ss.ps.plan)->scanrelid || var->varlevelsup != 0)
		return -1;
	return scan_attribute(scan, var->varattno);
}

static bool
scan_push_filter(StrataBatch *b, int col, StrataScanFilter *filter)
{
	StrataScanState *scan = (StrataScanState *) ((char *) b - offsetof(StrataScanState, batch));

	scan->filters = scan->filters ? repalloc(scan->filters, sizeof(struct StrataPushed) * (scan->nfilters + 1))
								  : palloc(sizeof(struct StrataPushed));
	scan->filters[scan->nfilters++] = (struct StrataPushed) {.col = col, .filter = filter};
	return true;
}

/* ---- work items ---- */

static void
open_read(StrataScanState *scan)
{
	EState		 *estate = scan->css.ss.ps.state;
	MemoryContext old;

	if (scan->read)
		return;
	old = MemoryContextSwitchTo(estate->es_query_cxt);
	scan->read = strata_read_begin(scan->css.ss.ss_currentRelation, estate->es_snapshot,
								   scan->shared ? scan->shared->nblocks : InvalidBlockNumber,
								   scan->shared ? scan->shared->unit_blocks : 0);
	MemoryContextSwitchTo(old);
}

static void
release_unit(StrataScanState *scan)
{
	if (!scan->unit)
		return;
	for (int c = 0; c < scan->batch.ncols; c++)
	{
		StrataColumn *col = scan->batch.cols[c];

		col->source = STRATA_FROM_NONE;
		col->stored = NULL;
		col->zone = col->seg = NULL;
		col->code_datum = NULL;
		col->nulls = NULL;
	}
	strata_read_unit_done(scan->read, scan->unit);
	scan->unit = NULL;
}

/* Every block of the item from the heap. */
static void
refuse_unit(StrataScanState *scan)
{
	release_unit(scan);
	scan->fresh.nheap = scan->fresh.nblocks;
	scan->fresh.nrest = 0;
	memset(scan->fresh.heap, 0xff, sizeof(scan->fresh.heap));
	memset(scan->fresh.rest, 0, sizeof(scan->fresh.rest));
}

static bool
resolve_columns(StrataScanState *scan, const StrataUnit *unit)
{
	TupleDesc desc = RelationGetDescr(scan->css.ss.ss_currentRelation);

	for (int c = 0; c < scan->batch.ncols; c++)
	{
		const StrataUnitColumn *uc = strata_unit_column(unit, desc, scan->batch.cols[c]->attnum);

		if (!uc)
			return false;
		scan->batch.cols[c]->stored = uc;
		scan->batch.cols[c]->zone = uc->zone;
		scan->batch.cols[c]->seg = NULL;
	}
	return true;
}

static bool
pin_column(StrataScanState *scan, StrataColumn *col)
{
	StrataRead	   *read = scan->read;
	uint64			pinned = read->pages_pinned;
	uint64			from_file = read->pages_read;
	uint64			decompressed = read->pages_decompressed;
	StrataPinResult result;

	if (!col->seg)
	{
		col->seg = strata_read_segment(read, scan->unit, col->stored, &result);
		col->source = STRATA_FROM_SEGMENT;
		col->dict_id = strata_new_dict_id();
		if (col->seg)
			scan->counts.bytes += col->seg->bytes;
	}
	scan->counts.pages_pinned += read->pages_pinned - pinned;
	scan->counts.pages_read += read->pages_read - from_file;
	scan->counts.pages_decompressed += read->pages_decompressed - decompressed;
	return col->seg != NULL;
}

bool
strata_scan_pin(StrataScanState *scan, StrataColumn *col)
{
	return pin_column(scan, col);
}

/* Must the column be there to filter this unit's rows? */
static bool
filters_by(const StrataScanState *scan, const StrataColumn *col)
{
	for (int i = 0; i < scan->npreds; i++)
		if (!scan->pred_proven[i] && bms_is_member(col->attnum, scan->pred_attrs[i]))
			return true;
	for (int i = 0; i < scan->nfilters; i++)
		if (scan->filters[i].filter->active && scan->batch.cols[scan->filters[i].col] == col)
			return true;
	return false;
}

/*
 * Nothing of the unit has left the node, and one of its pages cannot be had: the item is read from the heap, and
 * what was counted for the unit's rows is taken back.
 */
static void
give_up_unit(StrataScanState *scan)
{
	StrataScanCounts spent = scan->counts;

	scan->counts = scan->before;
	scan->counts.pages_pinned = spent.pages_pinned;
	scan->counts.pages_read = spent.pages_read;
	scan->counts.pages_decompressed = spent.pages_decompressed;
	scan->counts.bytes = spent.bytes;
	scan->counts.vector_values = spent.vector_values;
	scan->counts.scalar_values = spent.scalar_values;
	scan->counts.busy_ns = spent.busy_ns;
	scan->counts.units_missing++;
	InstrCountFiltered1(scan, -scan->filtered);
	refuse_unit(scan);
}

/* The columns that the filter reads, or all of them.  False: a page cannot be had, and the unit was given up. */
static bool
pin_columns(StrataScanState *scan, bool all)
{
	for (int c = 0; c < scan->batch.ncols; c++)
		if ((all || filters_by(scan, scan->batch.cols[c])) && !pin_column(scan, scan->batch.cols[c]))
		{
			give_up_unit(scan);
			return false;
		}
	scan->filter_pinned = true;
	scan->all_pinned = scan->rows_survive = all;
	return true;
}

/* The next block of the item, from b on, that must be read from the heap, all of it or what the unit does not hold.
 * fresh.nblocks or more: there is none. */
static uint32
next_block_from_heap(const StrataScanState *scan, uint32 b)
{
	for (uint32 w = b / 64; w * 64 < scan->fresh.nblocks; w++)
	{
		uint64 left = scan->fresh.heap[w] | scan->fresh.rest[w];

		if (scan->recall)
			left &= ~scan->recall->served[w];
		if (w == b / 64)
			left &= ~UINT64CONST(0) << (b % 64);
		if (left != 0)
			return w * 64 + pg_rightmost_one_pos64(left);
	}
	return scan->fresh.nblocks;
}

/* Do the zone maps say that no row is of use to a node above? */
static bool
filter_excludes(const StrataScanState *scan, const struct StrataPushed *pushed)
{
	const StrataScanFilter *f = pushed->filter;
	const StrataSegment	   *zone = scan->batch.cols[pushed->col]->zone;

	if (!f->active)
		return false;
	if (f->keep_nulls && zone->null_count > 0)
		return false;
	if (f->empty || zone->null_count == zone->nrows)
		return true;
	return zone->phys == STRATA_PHYS_INT && zone->scale == 0 && (zone->flags & STRATA_SEG_HAS_RANGE) &&
		(zone->max.i < f->min || zone->min.i > f->max);
}

/* False: no row of the unit can pass. */
static bool
prune(StrataScanState *scan)
{
	bool in_order = true; /* no qual so far can raise an error */

	for (int i = 0; i < scan->npreds; i++)
	{
		StrataVerdict v;
		bool		  safe;

		if (scan->left_out && scan->left_out[i])
		{
			scan->pred_proven[i] = true;
			continue;
		}
		v = strata_pred_prune(&scan->batch, scan->preds[i]);
		safe = strata_pred_safe(scan->preds[i]);
		if (v == STRATA_NONE && in_order && safe)
			return false;
		scan->pred_proven[i] = v == STRATA_ALL && safe;
		in_order &= safe;
	}
	for (int i = 0; i < scan->nfilters; i++)
		if (in_order && filter_excludes(scan, &scan->filters[i]))
			return false;
	return true;
}

static bool
all_proven(const StrataScanState *scan)
{
	for (int i = 0; i < scan->npreds; i++)
		if (!scan->pred_proven[i])
			return false;
	return true;
}

static bool
zone_maps_answer(const StrataScanState *scan)
{
	return scan->can_take_unit && scan->nfilters == 0 && all_proven(scan) && scan->can_take_unit(scan->parent);
}

/*
 * Which columns will be pinned of a unit that comes later, as far as its zone maps tell: those of the filter, and the
 * others if the unit before had survivors.  No unit is open.
 */
static int
columns_ahead(void *arg, const StrataUnit *unit, const StrataUnitColumn **cols)
{
	StrataScanState *scan = arg;
	int				 n = 0;

	if (resolve_columns(scan, unit) && prune(scan) && !zone_maps_answer(scan))
	{
		bool all = scan->rows_survive || scan->row_filter || all_proven(scan);

		for (int c = 0; c < scan->batch.ncols; c++)
			if (all || filters_by(scan, scan->batch.cols[c]))
				cols[n++] = scan->batch.cols[c]->stored;
	}
	for (int c = 0; c < scan->batch.ncols; c++)
	{
		scan->batch.cols[c]->stored = NULL;
		scan->batch.cols[c]->zone = NULL;
	}
	return n;
}

/* Before the first unit of each (re)scan. */
static void
look_ahead(StrataScanState *scan)
{
	if (scan->looking_ahead)
		return;
	scan->looking_ahead = scan->rows_survive = true;
	strata_read_ahead(scan->read, scan->batch.ncols, columns_ahead, scan, scan->shared ? &scan->shared->asked : NULL);
}

/* A unit was pinned: make it ready, or drop it when there is nothing to read from it. */
static void
open_unit(StrataScanState *scan)
{
	MemoryContextReset(scan->unit_context);
	MemoryContextReset(scan->batch.dict_memory);
	if (!resolve_columns(scan, scan->unit))
	{
		scan->counts.units_missing++;
		refuse_unit(scan);
		return;
	}
	scan->before = scan->counts;
	scan->filtered = 0;
	scan->filter_pinned = scan->all_pinned = false;
	scan->counts.units++;
	scan->counts.blocks_stale += scan->fresh.nstale;
	if (!prune(scan))
	{
		scan->counts.units_pruned++;
		release_unit(scan);
		return;
	}
	scan->live = scan->fresh.rows;
	scan->vector = 0;
	if (!scan->live && zone_maps_answer(scan))
	{
		scan->take_unit(scan->parent, scan->unit->nrows);
		scan->counts.units_answered++;
		scan->counts.rows_columns += scan->unit->nrows;
		scan->counts.rows_out += scan->unit->nrows;
		release_unit(scan);
	}
	else if (scan->live && zone_maps_answer(scan) && strata_recall_take(scan))
		release_unit(scan);
}

static inline uint64
now_ns(void)
{
	instr_time t;

	INSTR_TIME_SET_CURRENT(t);
	return (uint64) t.tv_sec * 1000000000 + t.tv_nsec;
}

/*
 * The leader waits until its workers' processes are gone, and a process takes about as long to go as it took to come,
 * some milliseconds: it has to unmap what it has seen of the pool.  So a worker leaves the last items to the leader when
 * that will be done with them before the worker could have done one more and be gone.  Only when the leader is at this scan:
 * it goes on until no item is left, or nobody wants any more rows.  What the last items take is a guess from those
 * before, hence they are few; and fewer where several workers leave at once, which the leader may share a processor with.
 */
static bool
leave_to_leader(StrataScanState *scan)
{
	struct StrataLeave *leave = &scan->leave;
	uint64				now;
	uint32				next, left;

	if (!leave->can || leave->left)
		return leave->left;
	now = now_ns();
	if (leave->claimed == 0)
		leave->to_go = Min(now - scan->shared->launched, MAX_LEAVE_NS) / scan->shared->workers;
	else
		leave->item = leave->item == 0 ? now - leave->claimed : (3 * leave->item + now - leave->claimed) / 4;
	leave->claimed = now;
	next = pg_atomic_read_u32(&scan->shared->next);
	left = scan->read->nunits - Min(next, scan->read->nunits);
	/* The leader is half through an item, on average. */
	leave->left = leave->item > 0 && left > 0 && left <= MAX_LEAVE_ITEMS &&
		(2 * left + 1) * leave->item < 2 * (leave->item + leave->to_go) &&
		pg_atomic_read_u32(&scan->shared->leader) != 0;
	return leave->left;
}

/* The next item of this process.  False: none is left. */
static bool
claim_item(StrataScanState *scan, uint32 *item)
{
	if (!scan->shared)
		*item = scan->next_unit++;
	else
	{
		if (leave_to_leader(scan))
			return false;
		*item = pg_atomic_fetch_add_u32(&scan->shared->next, 1);
		if (!IsParallelWorker() && *item < scan->read->nunits)
			pg_atomic_write_u32(&scan->shared->leader, 1);
	}
	return *item < scan->read->nunits;
}

static bool
open_item(StrataScanState *scan)
{
	const StrataRowsLeft *remembered = NULL;
	uint32 item;
	uint64 judged;

	if (!claim_item(scan, &item))
		return false;
	scan->item = item;
	scan->item_open = true;
	scan->heap_next = 0;
	scan->page = NULL;
	judged = scan->read->blocks_judged;
	if (scan->wants_batches)
		remembered = strata_recall_item(scan);
	scan->unit = strata_read_unit(scan->read, item, &scan->fresh, remembered);
	scan->counts.blocks_judged += scan->read->blocks_judged - judged;
	if (scan->wants_batches)
		strata_recall_unit(scan, scan->unit);
	if (scan->unit)
		open_unit(scan);
	else
		scan->counts.units_missing++;
	return true;
}

/* ---- vectors ---- */

/* A Bloom filter that takes off less than one row in eight costs more than the lookups it saves. */
#define BLOOM_TRIAL	 65536
#define BLOOM_PASSED 0.875

static void
test_bloom(StrataScanState *scan, struct StrataPushed *pushed, const int64 *v, uint64 *raw)
{
	const StrataScanFilter *f = pushed->filter;
	StrataBatch *b = &scan->batch;
	uint64		 hash[STRATA_VECTOR];
	uint64		 has[BATCH_WORDS] = {0};

	strata_kernels->range_i64(v, b->n, f->min, f->max, raw);
	if (pushed->tested > BLOOM_TRIAL && pushed->passed > pushed->tested * BLOOM_PASSED)
		return;
	strata_kernels->hash_i64(v, b->n, 0, hash);
	strata_kernels->bloom_test(f->bloom, f->nblocks, hash, b->n, has);
	for (int w = 0; w < BATCH_WORDS; w++)
		raw[w] &= has[w];
	pushed->tested += b->n;
	pushed->passed += strata_kernels->count(raw, b->n);
}

/* Takes off the rows that a node above has no use for. */
static void
filter_for_above(StrataScanState *scan, struct StrataPushed *pushed)
{
	const StrataScanFilter *f = pushed->filter;
	StrataBatch	 *b = &scan->batch;
	StrataColumn *col = b->cols[pushed->col];
	uint64		  raw[BATCH_WORDS] = {0};
	const int64	 *v;
	unsigned	  before;

	if (!f->active || mask_empty(b->mask) || strata_col_scale(col) != 0)
		return;
	v = strata_col_i64(col);
	if (!v)
		return;
	before = strata_kernels->count(b->mask, b->n);
	if (f->empty)
		memset(raw, 0, sizeof(raw));
	else if (f->bits)
	{
		uint64 span = (uint64) f->max - (uint64) f->min;

		for (unsigned w = 0; w * 64 < b->n; w++)
		{
			unsigned end = Min(64, b->n - w * 64);
			uint64	 bits = 0;

			if (b->mask[w] == 0)
				continue;
			for (unsigned i = 0; i < end; i++)
			{
				uint64 at = (uint64) v[w * 64 + i] - (uint64) f->min;

				at = at <= span ? at : span + 1; /* a bit that is never set */
				bits |= (f->bits[at / 64] >> (at % 64) & 1) << i;
			}
			raw[w] = bits;
		}
	}
	else if (f->bloom)
		test_bloom(scan, pushed, v, raw);
	else
		strata_kernels->range_i64(v, b->n, f->min, f->max, raw);
	for (int w = 0; w < BATCH_WORDS; w++)
	{
		uint64 null = col->nulls ? col->nulls[w] : 0;

		b->mask[w] &= (raw[w] & ~null) | (f->keep_nulls ? null : 0);
	}
	scan->counts.vector_values += b->n;
	scan->counts.rows_join_filtered += before - strata_kernels->count(b->mask, b->n);
}

static void
filter_for_all_above(StrataScanState *scan)
{
	for (int i = 0; i < scan->nfilters; i++)
		filter_for_above(scan, &scan->filters[i]);
}

/*
 * Runs the filter over the vector's rows, and the filters from above, which come last but for quals that cost so much
 * that a row had better be of use.  False: irregular; the mask has lost no row but such as do not pass.
 */
static bool
filter_vector(StrataScanState *scan)
{
	uint64 *mask = scan->batch.mask;
	uint64	t[BATCH_WORDS], n[BATCH_WORDS];
	bool	for_above = false;

	for (int i = 0; i < scan->npreds && !mask_empty(mask); i++)
	{
		if (scan->pred_proven[i] || (scan->left_out && scan->left_out[i]))
			continue;
		if (!for_above && scan->pred_dear[i])
		{
			filter_for_all_above(scan);
			for_above = true;
		}
		if (!strata_pred_eval(&scan->batch, scan->preds[i], mask, t, n))
			return false;
		memcpy(mask, t, sizeof(t));
	}
	if (!for_above)
		filter_for_all_above(scan);
	return true;
}

/*
 * The evaluator's turn, row by row, for a parent that takes whole vectors.  May raise the error that made the vector
 * irregular.
 */
static void
filter_by_rows(StrataScanState *scan)
{
	ExprContext *econtext = scan->css.ss.ps.ps_ExprContext;
	uint64		 mask[BATCH_WORDS] = {0};

	FOREACH_ROW(scan->batch.mask, i, {
		CHECK_FOR_INTERRUPTS();
		strata_batch_fill_some(&scan->batch, scan->qual_cols, scan->nqual_cols, i);
		ResetExprContext(econtext);
		econtext->ecxt_scantuple = scan->batch.slot;
		if (ExecQual(scan->qual, econtext))
			mask[i / 64] |= UINT64CONST(1) << (i % 64);
		scan->counts.scalar_values++;
	});
	memcpy(scan->batch.mask, mask, sizeof(mask));
}

/* The rows of the next vector that are fresh, into the mask.  Returns how many. */
static unsigned
next_vector(StrataScanState *scan)
{
	uint32 v = scan->vector++;

	MemoryContextReset(scan->batch.memory);
	scan->batch.cur_vector = v;
	scan->batch.n = Min(scan->unit->nrows - v * STRATA_VECTOR, STRATA_VECTOR);
	memset(scan->batch.mask, 0, sizeof(scan->batch.mask));
	for (unsigned w = 0; w < (scan->batch.n + 63) / 64; w++)
		scan->batch.mask[w] = scan->live ? scan->live[v * BATCH_WORDS + w] : ~UINT64CONST(0);
	if (scan->batch.n % 64)
		scan->batch.mask[scan->batch.n / 64] &= (UINT64CONST(1) << (scan->batch.n % 64)) - 1;
	scan->replay = false;
	return strata_kernels->count(scan->batch.mask, scan->batch.n);
}

/* The columns that the filter did without, for the vector at hand.  False: the unit was given up. */
static bool
open_all_columns(StrataScanState *scan)
{
	if (scan->all_pinned || scan->heap_shown)
		return true;
	if (!pin_columns(scan, true))
		return false;
	for (int c = 0; c < scan->batch.ncols; c++)
		scan->batch.cols[c]->nulls = strata_segment_nulls(scan->batch.cols[c]->seg, scan->batch.cur_vector);
	return true;
}

/* Filters the vector's `before` rows.  Returns how many are left. */
static unsigned
filter_rows(StrataScanState *scan, unsigned before)
{
	uint64		  start = now_ns();
	MemoryContext old = MemoryContextSwitchTo(scan->batch.memory);

	if (scan->row_filter || !filter_vector(scan))
	{
		if (scan->left_out)
		{
			scan->stopped = true;
			memset(scan->batch.mask, 0, sizeof(scan->batch.mask));
			MemoryContextSwitchTo(old);
			return 0;
		}
		scan->counts.rows_replayed += before;
		if (!scan->wants_batches)
			scan->replay = true;
		/* The evaluator looks at all conditions, those that the zone maps have proven too. */
		else if (open_all_columns(scan))
		{
			filter_by_rows(scan);
			filter_for_all_above(scan);
		}
		else
			memset(scan->batch.mask, 0, sizeof(scan->batch.mask));
	}
	MemoryContextSwitchTo(old);
	scan->counts.busy_ns += now_ns() - start;
	return strata_kernels->count(scan->batch.mask, scan->batch.n);
}

/* The next vector of the unit, filtered.  The unit may be gone afterwards: see give_up_unit(). */
static void
load_vector(StrataScanState *scan)
{
	unsigned before = next_vector(scan);
	unsigned after;

	if (before == 0)
		return;
	if (!scan->filter_pinned && !pin_columns(scan, scan->row_filter))
		return;
	strata_batch_new_vector(&scan->batch);
	scan->counts.rows_columns += before;
	after = filter_rows(scan, before);
	if (!scan->unit)
		return;
	if (!scan->replay)
	{
		InstrCountFiltered1(scan, before - after);
		scan->filtered += before - after;
		scan->counts.rows_out += after;
	}
	if (after > 0 && !open_all_columns(scan))
		return;
	scan->vector_open = after > 0;
}

/* Takes the first row off the mask; -1 when none is left. */
static int
pop_row(StrataScanState *scan)
{
	for (int w = 0; w < BATCH_WORDS; w++)
		if (scan->batch.mask[w])
		{
			int i = w * 64 + __builtin_ctzll(scan->batch.mask[w]);

			scan->batch.mask[w] &= scan->batch.mask[w] - 1;
			return i;
		}
	scan->vector_open = false;
	return -1;
}

/* Does the row in the scan slot pass PostgreSQL's own evaluation of the filter? */
static bool
row_passes(StrataScanState *scan)
{
	ExprContext *econtext = scan->css.ss.ps.ps_ExprContext;
	bool		 pass;

	ResetExprContext(econtext);
	econtext->ecxt_scantuple = scan->css.ss.ss_ScanTupleSlot;
	pass = ExecQual(scan->qual, econtext);
	scan->counts.scalar_values++;
	if (pass)
		scan->counts.rows_out++;
	else
		InstrCountFiltered1(scan, 1);
	return pass;
}

/* ---- the heap part of a work item ---- */

static void
slot_from_heap(StrataScanState *scan, HeapTuple tuple)
{
	TupleTableSlot *slot = scan->css.ss.ss_ScanTupleSlot;

	ExecClearTuple(slot);
	ExecStoreHeapTuple(tuple, scan->heap_slot, false);
	if (scan->max_attr > 0)
		slot_getsomeattrs(scan->heap_slot, scan->max_attr);
	for (int c = 0; c < scan->batch.ncols; c++)
	{
		int a = scan->batch.cols[c]->attnum - 1;

		slot->tts_values[a] = scan->heap_slot->tts_values[a];
		slot->tts_isnull[a] = scan->heap_slot->tts_isnull[a];
	}
	ExecStoreVirtualTuple(slot);
}

StrataHeapRead *
strata_scan_heap(StrataScanState *scan)
{
	if (!scan->heap)
	{
		MemoryContext old = MemoryContextSwitchTo(scan->css.ss.ps.state->es_query_cxt);

		scan->heap = strata_heap_begin(scan->css.ss.ss_currentRelation, scan->css.ss.ps.state->es_snapshot);
		MemoryContextSwitchTo(old);
	}
	return scan->heap;
}

/* Makes sure that the page at hand has a tuple left.  False: the item has no more. */
static bool
next_heap_tuple(StrataScanState *scan)
{
	while (!scan->page || scan->page_next >= scan->page->ntuples)
	{
		scan->heap_next = next_block_from_heap(scan, scan->heap_next);
		if (scan->heap_next >= scan->fresh.nblocks)
			return false;
		CHECK_FOR_INTERRUPTS();
		ExecClearTuple(scan->heap_slot);
		scan->page = strata_heap_item(strata_scan_heap(scan), scan->item * scan->read->unit_blocks, &scan->fresh, scan->heap_next++);
		scan->page_next = 0;
		scan->counts.blocks_heap++;
	}
	return true;
}

/* For parents that take rows: the next passing heap row of the item into the scan slot. */
static bool
next_heap_row(StrataScanState *scan)
{
	while (next_heap_tuple(scan))
	{
		scan->counts.rows_heap++;
		slot_from_heap(scan, &scan->page->tuples[scan->page_next++]);
		if (row_passes(scan))
			return true;
	}
	return false;
}

static void
begin_heap_rows(StrataScanState *scan)
{
	StrataBatch	 *b = &scan->batch;
	MemoryContext old = MemoryContextSwitchTo(scan->css.ss.ps.state->es_query_cxt);

	scan->heap_rows = strata_rows_create(CurrentMemoryContext, b->ncols);
	for (int c = 0; c < b->ncols; c++)
		strata_rows_column(scan->heap_rows, c, b->cols[c]->type, &b->cols[c]->rep);
	scan->heap_walk = strata_tuple_walk(RelationGetDescr(scan->css.ss.ss_currentRelation), b->ncols, b->att);
	for (int i = 0; i < scan->nqual_cols; i++)
		scan->heap_walk->early[scan->qual_cols[i]] = true;
	MemoryContextSwitchTo(old);
}

/* The next vector of rows of the heap that nobody remembers.  Returns how many. */
static unsigned
gather_heap_rows(StrataScanState *scan)
{
	StrataRows	 *rows;
	MemoryContext old;

	if (!scan->heap_rows)
		begin_heap_rows(scan);
	rows = scan->heap_rows;
	old = MemoryContextSwitchTo(scan->batch.memory);
	strata_rows_reset(rows);
	while (rows->n < STRATA_VECTOR && next_heap_tuple(scan))
	{
		int n = Min(scan->page->ntuples - scan->page_next, (int) (STRATA_VECTOR - rows->n));

		strata_rows_add_tuples(rows, scan->heap_walk, &scan->page->tuples[scan->page_next], n);
		scan->page_next += n;
	}
	MemoryContextSwitchTo(old);
	if (rows->n > 0)
		strata_batch_show_rows(&scan->batch, rows, NULL, rows->n);
	scan->counts.rows_heap += rows->n;
	return rows->n;
}

/* Rows that the session remembers, if it has not read them just now. */
static void
count_recalled(StrataScanState *scan, unsigned n)
{
	if (scan->recall->was_read)
		scan->counts.rows_heap += n;
	else
		scan->counts.rows_remembered += n;
}

/*
 * For parents that take batches: the next vector of the item's rows of the heap, filtered as one of a unit is.  What comes
 * from units and what comes from the heap is never in the same vector.  False: the item has no more; the mask may be
 * empty otherwise.
 */
static bool
load_heap_vector(StrataScanState *scan)
{
	bool		  gathered;
	MemoryContext old;
	unsigned	  before, after;

	if (scan->fresh.nheap + scan->fresh.nrest == 0)
		return false;
	MemoryContextReset(scan->batch.memory);
	if (!scan->recall->opened)
	{
		old = MemoryContextSwitchTo(scan->batch.memory);
		strata_recall_open(scan);
		MemoryContextSwitchTo(old);
	}
	if (scan->can_take_unit && scan->npreds == 0 && scan->nfilters == 0)
	{
		before = strata_recall_take_rows(scan);
		count_recalled(scan, before);
		scan->counts.rows_out += before;
	}
	before = strata_recall_vector(scan);
	gathered = before == 0;
	if (gathered)
		before = gather_heap_rows(scan);
	else
		count_recalled(scan, before);
	if (before == 0)
		return false;
	scan->heap_shown = true;
	scan->replay = false;
	/* What the unit's zone maps have proven is of the unit's rows. */
	memset(scan->pred_proven, 0, sizeof(bool) * scan->npreds);
	after = filter_rows(scan, before);
	if (gathered)
	{
		old = MemoryContextSwitchTo(scan->batch.memory);
		strata_rows_fetch(scan->heap_rows, scan->batch.mask);
		MemoryContextSwitchTo(old);
	}
	scan->counts.rows_out += after;
	InstrCountFiltered1(scan, before - after);
	scan->vector_open = after > 0;
	return true;
}

/* The last vector was of heap rows: columns go back to stand for units. */
static void
hide_heap_rows(StrataScanState *scan)
{
	if (!scan->heap_shown)
		return;
	scan->heap_shown = false;
	for (int c = 0; c < scan->batch.ncols; c++)
	{
		scan->batch.cols[c]->source = STRATA_FROM_NONE;
		scan->batch.cols[c]->nulls = NULL;
	}
}

static StrataBatchKind
next_batch(StrataScanState *scan)
{
	int row;

	open_read(scan);
	look_ahead(scan);
	if (scan->wants_batches && !scan->recall)
		strata_recall_begin(scan);
	for (;;)
	{
		if (scan->vector_open && scan->replay)
		{
			while ((row = pop_row(scan)) >= 0)
			{
				strata_batch_fill(&scan->batch, row);
				if (row_passes(scan))
					return STRATA_BATCH_ROW;
			}
		}
		CHECK_FOR_INTERRUPTS();
		if (scan->shared)
			strata_crew_check(scan->css.ss.ps.state->es_query_cxt);
		scan->vector_open = false;
		hide_heap_rows(scan);
		if (scan->stopped || (!scan->item_open && !open_item(scan)))
		{
			strata_batch_drop_buffers(&scan->batch);
			return STRATA_BATCH_END;
		}
		if (scan->unit)
		{
			if ((uint64) scan->vector * STRATA_VECTOR < scan->unit->nrows)
			{
				load_vector(scan);
				if (scan->vector_open && !scan->replay)
					return STRATA_BATCH_VECTOR;
				continue;
			}
			ExecClearTuple(scan->css.ss.ss_ScanTupleSlot);
			release_unit(scan);
		}
		if (scan->wants_batches)
		{
			if (load_heap_vector(scan))
			{
				if (scan->vector_open)
					return STRATA_BATCH_VECTOR;
				continue;
			}
		}
		else if (next_heap_row(scan))
			return STRATA_BATCH_ROW;
		scan->item_open = false;
	}
}

/* Goes past ExecProcNode, which would have kept EXPLAIN ANALYZE's books. */
static bool
scan_batch_next(StrataBatch *b)
{
	StrataScanState *scan = (StrataScanState *) ((char *) b - offsetof(StrataScanState, batch));
	Instrumentation *instr = scan->css.ss.ps.instrument;
	uint64			 before = scan->counts.rows_out;
	bool			 more;

	if (scan->css.ss.ps.chgParam)
		ExecReScan(&scan->css.ss.ps);
	if (instr)
		InstrStartNode(instr);
	more = next_batch(scan) == STRATA_BATCH_VECTOR;
	if (instr)
		InstrStopNode(instr, scan->counts.rows_out - before);
	return more;
}

/* ---- the node ---- */

/* The columns that an expression reads, by attnum. */
static Bitmapset *
columns_of(Node *expr, Index scanrelid)
{
	Bitmapset *shifted = NULL;
	Bitmapset *attnums = NULL;
	int		   x = -1;

	pull_varattnos(expr, scanrelid, &shifted);
	while ((x = bms_next_member(shifted, x)) >= 0)
		if (x + FirstLowInvalidHeapAttributeNumber > 0)
			attnums = bms_add_member(attnums, x + FirstLowInvalidHeapAttributeNumber);
	return attnums;
}

static void
scan_begin(CustomScanState *css, EState *estate, int eflags)
{
	StrataScanState *scan = (StrataScanState *) css;
	CustomScan		*plan = (CustomScan *) css->ss.ps.plan;
	TupleDesc		 desc = RelationGetDescr(css->ss.ss_currentRelation);
	TupleTableSlot	*slot = css->ss.ss_ScanTupleSlot;
	Bitmapset		*attrs = NULL;
	List			*qual_cols = NIL;
	int				 x = -1;
	ListCell		*lc;

	/* The filter is applied here, not by ExecScan. */
	scan->qual = css->ss.ps.qual;
	css->ss.ps.qual = NULL;

	strata_batch_init(&scan->batch, &css->ss.ps, slot, &scan->counts);
	scan->batch.next = scan_batch_next;
	scan->batch.column = scan_column;
	scan->batch.push_filter = scan_push_filter;
	scan->unit_context = AllocSetContextCreate(estate->es_query_cxt, "StrataScan unit", ALLOCSET_DEFAULT_SIZES);
	scan->heap_slot = ExecInitExtraTupleSlot(estate, desc, &TTSOpsHeapTuple);
	pull_varattnos((Node *) plan->scan.plan.targetlist, plan->scan.scanrelid, &attrs);
	pull_varattnos((Node *) plan->scan.plan.qual, plan->scan.scanrelid, &attrs);
	while ((x = bms_next_member(attrs, x)) >= 0)
		scan_attribute(scan, x + FirstLowInvalidHeapAttributeNumber);

	scan->preds = palloc(sizeof(StrataPred *) * (list_length(plan->scan.plan.qual) + 1));
	scan->pred_attrs = palloc(sizeof(Bitmapset *) * (list_length(plan->scan.plan.qual) + 1));
	scan->pred_dear = palloc(sizeof(bool) * (list_length(plan->scan.plan.qual) + 1));
	foreach (lc, plan->scan.plan.qual)
	{
		scan->pred_attrs[scan->npreds] = columns_of(lfirst(lc), plan->scan.scanrelid);
		scan->pred_dear[scan->npreds] = strata_node_dear(lfirst(lc));
		scan->preds[scan->npreds++] = strata_pred_compile(&scan->batch, lfirst(lc));
	}
	strata_batch_localize(&scan->batch, (Node *) plan->scan.plan.qual, &qual_cols);
	scan->qual_cols = palloc(sizeof(int) * (list_length(qual_cols) + 1));
	foreach (lc, qual_cols)
		scan->qual_cols[scan->nqual_cols++] = lfirst_int(lc);
	scan->row_filter = contain_volatile_functions((Node *) plan->scan.plan.qual);
	scan->pred_proven = palloc0(sizeof(bool) * (scan->npreds + 1));
}

void
strata_scan_leave_out(StrataScanState *scan, const Bitmapset *quals)
{
	if (scan->left_out)
		pfree(scan->left_out);
	scan->left_out = NULL;
	if (!quals)
		return;
	scan->left_out = MemoryContextAlloc(scan->css.ss.ps.state->es_query_cxt, sizeof(bool) * scan->npreds);
	for (int i = 0; i < scan->npreds; i++)
		scan->left_out[i] = bms_is_member(i, quals);
}

static TupleTableSlot *
scan_access(ScanState *ss)
{
	StrataScanState *scan = (StrataScanState *) ss;
	int				 row;

	for (;;)
	{
		if (scan->vector_open && !scan->replay && (row = pop_row(scan)) >= 0)
		{
			strata_batch_fill(&scan->batch, row);
			return ss->ss_ScanTupleSlot;
		}
		switch (next_batch(scan))
		{
			case STRATA_BATCH_END:
				return ExecClearTuple(ss->ss_ScanTupleSlot);
			case STRATA_BATCH_ROW:
				return ss->ss_ScanTupleSlot;
			case STRATA_BATCH_VECTOR:
				break;
		}
	}
}

static bool
scan_recheck(ScanState *ss, TupleTableSlot *slot)
{
	ExprContext *econtext = ss->ps.ps_ExprContext;

	econtext->ecxt_scantuple = slot;
	return ExecQual(((StrataScanState *) ss)->qual, econtext);
}

static TupleTableSlot *
scan_exec(CustomScanState *css)
{
	return ExecScan(&css->ss, scan_access, scan_recheck);
}

static void
close_item(StrataScanState *scan)
{
	ExecClearTuple(scan->css.ss.ss_ScanTupleSlot);
	ExecClearTuple(scan->heap_slot);
	hide_heap_rows(scan);
	release_unit(scan);
	strata_recall_close(scan);
	scan->page = NULL;
	scan->item_open = false;
	scan->vector_open = false;
}

static void
scan_rescan(CustomScanState *css)
{
	StrataScanState *scan = (StrataScanState *) css;

	close_item(scan);
	/* Parallel: it is Gather that is asked again, and the sharing has begun anew already. */
	scan->next_unit = 0;
	scan->leave.left = false;
	scan->leave.claimed = scan->leave.item = 0;
	scan->looking_ahead = scan->stopped = false;
	ResetExprContext(scan->batch.econtext);
	for (int i = 0; i < scan->npreds; i++)
		strata_pred_rescan(scan->preds[i]);
	/* The filters may be others. */
	for (int i = 0; i < scan->nfilters; i++)
		scan->filters[i].tested = scan->filters[i].passed = 0;
	ExecScanReScan(&css->ss);
}

static void
scan_end(CustomScanState *css)
{
	StrataScanState *scan = (StrataScanState *) css;

	close_item(scan);
	strata_report(scan, false);
	if (scan->heap)
		strata_heap_end(scan->heap);
	if (scan->read)
		strata_read_end(scan->read);
	scan->heap = NULL;
	scan->read = NULL;
}

/* ---- parallel ---- */

static Size
scan_estimate_dsm(CustomScanState *css, ParallelContext *pcxt)
{
	return sizeof(StrataParallelScan);
}

static void
scan_initialize_dsm(CustomScanState *css, ParallelContext *pcxt, void *coordinate)
{
	StrataScanState	   *scan = (StrataScanState *) css;
	StrataParallelScan *shared = coordinate;

	open_read(scan);
	shared->nblocks = scan->read->nblocks;
	shared->unit_blocks = scan->read->unit_blocks;
	pg_atomic_init_u32(&shared->next, 0);
	pg_atomic_init_u32(&shared->asked, 0);
	pg_atomic_init_u32(&shared->leader, 0);
	shared->workers = Max(pcxt->nworkers, 1);
	shared->launched = now_ns();
	for (int i = 0; i < STRATA_NCOUNTS; i++)
		pg_atomic_init_u64(&shared->counts[i], 0);
	scan->shared = shared;
	scan->looking_ahead = false;
}

static void
scan_reinitialize_dsm(CustomScanState *css, ParallelContext *pcxt, void *coordinate)
{
	StrataScanState *scan = (StrataScanState *) css;

	scan->shared = coordinate;
	pg_atomic_write_u32(&scan->shared->next, 0);
	pg_atomic_write_u32(&scan->shared->asked, 0);
	pg_atomic_write_u32(&scan->shared->leader, 0);
	scan->shared->launched = now_ns();
	scan->looking_ahead = false;
}

/* Is the plan's work done when this scan ends?  Not that of a join whose build side it is: all wait for each other there. */
static bool
is_last_work(const Plan *plan, const Plan *scan)
{
	ListCell *lc;

	if (plan == NULL || plan == scan)
		return plan != NULL;
	if (!IsA(plan, CustomScan))
		return is_last_work(outerPlan(plan), scan);
	foreach (lc, ((const CustomScan *) plan)->custom_plans)
	{
		if (is_last_work(lfirst(lc), scan))
			return true;
		if (((const CustomScan *) plan)->methods == &strata_join_methods)
			break;
	}
	return false;
}

static void
scan_initialize_worker(CustomScanState *css, shm_toc *toc, void *coordinate)
{
	StrataScanState *scan = (StrataScanState *) css;

	scan->shared = coordinate;
	/* A query worker stays, and nobody waits for its exit. */
	scan->leave.can = !strata_is_query_worker() && is_last_work(css->ss.ps.state->es_plannedstmt->planTree, css->ss.ps.plan);
}

/*
 * Workers hand in their counts; the leader takes them before the segment goes away.  May be called again after the
 * segment went: it is not touched after the first time.
 */
static void
scan_shutdown(CustomScanState *css)
{
	StrataScanState *scan = (StrataScanState *) css;
	uint64			*mine = (uint64 *) &scan->counts;
	uint64			*totals = (uint64 *) &scan->totals;

	if (!scan->shared)
		return;
	for (int i = 0; i < STRATA_NCOUNTS; i++)
	{
		if (IsParallelWorker())
			pg_atomic_fetch_add_u64(&scan->shared->counts[i], mine[i]);
		else
			totals[i] += pg_atomic_exchange_u64(&scan->shared->counts[i], 0);
	}
	if (IsParallelWorker())
		memset(&scan->counts, 0, sizeof(scan->counts));
	scan->shared = NULL;
	scan->looking_ahead = false;
}

StrataScanCounts
strata_scan_counts(const StrataScanState *scan)
{
	StrataScanCounts sum = scan->counts;
	uint64			*out = (uint64 *) &sum;

	for (int i = 0; i < STRATA_NCOUNTS; i++)
		out[i] += ((const uint64 *) &scan->totals)[i];
	return sum;
}

static void
scan_explain(CustomScanState *css, List *ancestors, ExplainState *es)
{
	StrataScanState *scan = (StrataScanState *) css;
	StrataScanCounts counts;

	if (es->verbose)
		strata_explain_outside(&scan->batch, es);
	if (!es->analyze)
		return;
	counts = strata_scan_counts(scan);
	strata_explain_counts(&counts, es);
}

static CustomExecMethods scan_exec_methods = {
	.CustomName = "StrataScan",
	.BeginCustomScan = scan_begin,
	.ExecCustomScan = scan_exec,
	.EndCustomScan = scan_end,
	.ReScanCustomScan = scan_rescan,
	.EstimateDSMCustomScan = scan_estimate_dsm,
	.InitializeDSMCustomScan = scan_initialize_dsm,
	.ReInitializeDSMCustomScan = scan_reinitialize_dsm,
	.InitializeWorkerCustomScan = scan_initialize_worker,
	.ShutdownCustomScan = scan_shutdown,
	.ExplainCustomScan = scan_explain,
};
