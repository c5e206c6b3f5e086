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
 * A parent StrataAggregate takes batches (strata_scan_next); any other parent gets rows.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "exec/exec.h"

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

int
strata_scan_column(StrataScanState *scan, AttrNumber attnum)
{
	Form_pg_attribute attr;
	StrataColumn	 *col;

	if (attnum <= 0)
		return -1;
	for (int i = 0; i < scan->ncols; i++)
		if (scan->cols[i].attnum == attnum)
			return i;
	attr = TupleDescAttr(RelationGetDescr(scan->css.ss.ss_currentRelation), attnum - 1);
	scan->cols = scan->cols ? repalloc(scan->cols, sizeof(StrataColumn) * (scan->ncols + 1))
							: palloc(sizeof(StrataColumn));
	col = &scan->cols[scan->ncols];
	memset(col, 0, sizeof(*col));
	col->attnum = attnum;
	col->type = attr->atttypid;
	col->typmod = attr->atttypmod;
	col->storable = strata_column_type(attr->atttypid, &col->rep);
	scan->max_attr = Max(scan->max_attr, attnum);
	return scan->ncols++;
}

/*
 * Room for one decoded vector, until the scan or the query ends.  It lies in an arena of the query, so that strata.memory_contexts
 * shows who is scanning and what it takes; when the region has no room for that, in private memory.
 */
static void *
vector_buffer(StrataScanState *scan, Size width)
{
	MemoryContext context = scan->css.ss.ps.state->es_query_cxt;
	void		 *p = NULL;

	if (!scan->arena && !scan->arena_refused)
	{
		char name[STRATA_ARENA_NAME];

		snprintf(name, sizeof(name), "scan %s", RelationGetRelationName(scan->css.ss.ss_currentRelation));
		scan->arena = strata_arena_create_in(context, strata_arena_root(), name, 0);
		scan->arena_refused = scan->arena == NULL;
	}
	if (scan->arena)
		p = strata_arena_alloc(scan->arena, STRATA_VECTOR * width);
	return p ? p : MemoryContextAlloc(context, STRATA_VECTOR * width);
}

/*
 * The scan has come to its end: an Append over many partitions must not keep the buffers of all of them from the pool.
 * Should the scan be repeated, its buffers are in private memory from then on, rather than come and go each time.
 */
static void
drop_buffers(StrataScanState *scan)
{
	if (!scan->arena)
		return;
	for (int c = 0; c < scan->ncols; c++)
	{
		StrataColumn *col = &scan->cols[c];

		col->have_i64 = col->have_f64 = col->have_bytes = col->have_codes = false;
		col->i64 = NULL;
		col->f64 = NULL;
		col->bytes = NULL;
		col->len = NULL;
		col->codes = NULL;
	}
	strata_arena_destroy(scan->arena);
	scan->arena = NULL;
	scan->arena_refused = true;
}

const int64 *
strata_col_i64(StrataScanState *scan, StrataColumn *col)
{
	if (col->seg->phys != STRATA_PHYS_INT)
		return NULL;
	if (!col->have_i64)
	{
		if (!col->i64)
			col->i64 = vector_buffer(scan, sizeof(int64));
		strata_segment_i64(col->seg, scan->cur_vector, col->i64);
		col->have_i64 = true;
		scan->counts.vector_values += scan->n;
	}
	return col->i64;
}

const double *
strata_col_f64(StrataScanState *scan, StrataColumn *col)
{
	if (col->seg->phys != STRATA_PHYS_F32 && col->seg->phys != STRATA_PHYS_F64)
		return NULL;
	if (!col->have_f64)
	{
		if (!col->f64)
			col->f64 = vector_buffer(scan, sizeof(double));
		strata_segment_f64(col->seg, scan->cur_vector, col->f64);
		col->have_f64 = true;
		scan->counts.vector_values += scan->n;
	}
	return col->f64;
}

const char **
strata_col_bytes(StrataScanState *scan, StrataColumn *col)
{
	if (col->seg->phys != STRATA_PHYS_BYTES)
		return NULL;
	if (!col->have_bytes)
	{
		if (!col->bytes)
		{
			col->bytes = vector_buffer(scan, sizeof(char *));
			col->len = vector_buffer(scan, sizeof(uint32));
		}
		strata_segment_bytes(col->seg, scan->cur_vector, col->bytes, col->len);
		col->have_bytes = true;
		scan->counts.scalar_values += scan->n;
	}
	return col->bytes;
}

const uint32 *
strata_col_codes(StrataScanState *scan, StrataColumn *col)
{
	if (!strata_col_coded(col))
		return NULL;
	if (!col->have_codes)
	{
		if (!col->codes)
			col->codes = vector_buffer(scan, sizeof(uint32));
		strata_segment_codes(col->seg, scan->cur_vector, col->codes);
		col->have_codes = true;
		scan->counts.vector_values += scan->n;
	}
	return col->codes;
}

static Datum
numeric_datum(StrataScanState *scan, StrataColumn *col, unsigned i)
{
	MemoryContext old;
	Datum		  d;

	if (col->seg->phys == STRATA_PHYS_BYTES)
		return PointerGetDatum(strata_col_bytes(scan, col)[i]);
	if (strata_col_coded(col))
	{
		uint32 code = strata_col_codes(scan, col)[i];

		if (!col->code_datum)
			col->code_datum = MemoryContextAllocZero(scan->unit_context, sizeof(Datum) * col->seg->ndict);
		if (col->code_datum[code] == 0)
		{
			old = MemoryContextSwitchTo(scan->unit_context);
			col->code_datum[code] = strata_numeric_make(strata_segment_code_i64(col->seg, code), col->seg->scale);
			MemoryContextSwitchTo(old);
		}
		return col->code_datum[code];
	}
	old = MemoryContextSwitchTo(scan->batch_context);
	d = strata_numeric_make(strata_col_i64(scan, col)[i], col->seg->scale);
	MemoryContextSwitchTo(old);
	return d;
}

Datum
strata_col_datum(StrataScanState *scan, StrataColumn *col, unsigned i)
{
	switch (col->rep.rep)
	{
		case STRATA_REP_FLOAT4:
			return Float4GetDatum((float4) strata_col_f64(scan, col)[i]);
		case STRATA_REP_FLOAT8:
			return Float8GetDatum(strata_col_f64(scan, col)[i]);
		case STRATA_REP_NUMERIC:
			return numeric_datum(scan, col, i);
		case STRATA_REP_VARLENA:
		case STRATA_REP_FIXED:
			return strata_image_datum(&col->rep, strata_col_bytes(scan, col)[i], scan->batch_context);
		default:
			return strata_int_datum(col->rep.rep, strata_col_i64(scan, col)[i]);
	}
}

void
strata_scan_fill_slot(StrataScanState *scan, TupleTableSlot *slot, unsigned i)
{
	ExecClearTuple(slot);
	for (int c = 0; c < scan->ncols; c++)
	{
		StrataColumn *col = &scan->cols[c];
		bool		  null = strata_row_null(col->nulls, i);

		slot->tts_isnull[col->attnum - 1] = null;
		slot->tts_values[col->attnum - 1] = null ? (Datum) 0 : strata_col_datum(scan, col, i);
	}
	ExecStoreVirtualTuple(slot);
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
	for (int c = 0; c < scan->ncols; c++)
	{
		scan->cols[c].stored = NULL;
		scan->cols[c].zone = scan->cols[c].seg = NULL;
		scan->cols[c].code_datum = NULL;
		scan->cols[c].nulls = NULL;
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
	memset(scan->fresh.heap, 0xff, sizeof(scan->fresh.heap));
}

static bool
resolve_columns(StrataScanState *scan, const StrataUnit *unit)
{
	TupleDesc desc = RelationGetDescr(scan->css.ss.ss_currentRelation);

	for (int c = 0; c < scan->ncols; c++)
	{
		const StrataUnitColumn *uc = strata_unit_column(unit, desc, scan->cols[c].attnum);

		if (!uc)
			return false;
		scan->cols[c].stored = uc;
		scan->cols[c].zone = uc->zone;
		scan->cols[c].seg = NULL;
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
		col->seg = strata_read_segment(read, scan->unit, col->stored, &result);
	scan->counts.pages_pinned += read->pages_pinned - pinned;
	scan->counts.pages_read += read->pages_read - from_file;
	scan->counts.pages_decompressed += read->pages_decompressed - decompressed;
	return col->seg != NULL;
}

/* Must the column be there to filter this unit's rows? */
static bool
filters_by(const StrataScanState *scan, const StrataColumn *col)
{
	for (int i = 0; i < scan->npreds; i++)
		if (!scan->pred_proven[i] && bms_is_member(col->attnum, scan->pred_attrs[i]))
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
	for (int c = 0; c < scan->ncols; c++)
		if ((all || filters_by(scan, &scan->cols[c])) && !pin_column(scan, &scan->cols[c]))
		{
			give_up_unit(scan);
			return false;
		}
	scan->filter_pinned = true;
	scan->all_pinned = scan->rows_survive = all;
	return true;
}

static inline bool
block_from_heap(const StrataScanState *scan, uint32 b)
{
	return b >= scan->fresh.nblocks || (scan->fresh.heap[b / 64] >> (b % 64) & 1);
}

/* Bits of the unit's rows whose block is fresh; NULL when that is all of them. */
static void
find_live_rows(StrataScanState *scan)
{
	const StrataUnit *unit = scan->unit;
	Size			  words = (unit->nrows + STRATA_VECTOR - 1) / STRATA_VECTOR * BATCH_WORDS;

	scan->live = NULL;
	for (uint32 b = 0; b < unit->nblocks; b++)
	{
		uint32 first = unit->block_row[b], end = unit->block_row[b + 1];

		if (first == end || !block_from_heap(scan, b))
			continue;
		if (!scan->live)
		{
			scan->live = MemoryContextAlloc(scan->unit_context, Max(words, 1) * sizeof(uint64));
			memset(scan->live, 0xff, words * sizeof(uint64));
		}
		for (uint32 r = first; r < end; r++)
			scan->live[r / 64] &= ~(UINT64CONST(1) << (r % 64));
	}
}

/* False: no row of the unit can pass. */
static bool
prune(StrataScanState *scan)
{
	bool in_order = true; /* no qual so far can raise an error */

	for (int i = 0; i < scan->npreds; i++)
	{
		StrataVerdict v = strata_pred_prune(scan, scan->preds[i]);
		bool		  safe = strata_pred_safe(scan->preds[i]);

		if (v == STRATA_NONE && in_order && safe)
			return false;
		scan->pred_proven[i] = v == STRATA_ALL && safe;
		in_order &= safe;
	}
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
	return scan->can_take_unit && all_proven(scan) && scan->can_take_unit(scan->parent);
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

		for (int c = 0; c < scan->ncols; c++)
			if (all || filters_by(scan, &scan->cols[c]))
				cols[n++] = scan->cols[c].stored;
	}
	for (int c = 0; c < scan->ncols; c++)
	{
		scan->cols[c].stored = NULL;
		scan->cols[c].zone = NULL;
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
	strata_read_ahead(scan->read, scan->ncols, columns_ahead, scan, scan->shared ? &scan->shared->asked : NULL);
}

/* A unit was pinned: make it ready, or drop it when there is nothing to read from it. */
static void
open_unit(StrataScanState *scan)
{
	MemoryContextReset(scan->unit_context);
	for (int i = 0; i < scan->npreds; i++)
		strata_pred_new_unit(scan->preds[i]);
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
	find_live_rows(scan);
	scan->vector = 0;
	if (scan->on_unit)
		scan->on_unit(scan->parent);
	if (!scan->live && zone_maps_answer(scan))
	{
		scan->take_unit(scan->parent, scan->unit);
		scan->counts.units_answered++;
		scan->counts.rows_columns += scan->unit->nrows;
		scan->counts.rows_out += scan->unit->nrows;
		release_unit(scan);
	}
}

static bool
open_item(StrataScanState *scan)
{
	uint32 item = scan->shared ? pg_atomic_fetch_add_u32(&scan->shared->next, 1) : scan->next_unit++;

	if (item >= scan->read->nunits)
		return false;
	scan->item = item;
	scan->item_open = true;
	scan->heap_next = 0;
	scan->page = NULL;
	scan->unit = strata_read_unit(scan->read, item, &scan->fresh);
	if (scan->unit)
		open_unit(scan);
	else
		scan->counts.units_missing++;
	return true;
}

/* ---- vectors ---- */

static inline uint64
now_ns(void)
{
	instr_time t;

	INSTR_TIME_SET_CURRENT(t);
	return (uint64) t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Runs the filter over the vector's rows.  False: irregular, mask untouched. */
static bool
filter_vector(StrataScanState *scan)
{
	uint64 mask[BATCH_WORDS], t[BATCH_WORDS], n[BATCH_WORDS];

	memcpy(mask, scan->mask, sizeof(mask));
	for (int i = 0; i < scan->npreds && !mask_empty(mask); i++)
	{
		if (scan->pred_proven[i])
			continue;
		if (!strata_pred_eval(scan, scan->preds[i], mask, t, n))
			return false;
		memcpy(mask, t, sizeof(mask));
	}
	memcpy(scan->mask, mask, sizeof(mask));
	return true;
}

/* Points the column at the vector at hand. */
static void
load_column(StrataScanState *scan, StrataColumn *col)
{
	col->have_i64 = col->have_f64 = col->have_bytes = col->have_codes = false;
	col->nulls = col->seg ? strata_segment_nulls(col->seg, scan->cur_vector) : NULL;
}

/* The rows of the next vector that are fresh, into the mask.  Returns how many. */
static unsigned
next_vector(StrataScanState *scan)
{
	uint32 v = scan->vector++;

	MemoryContextReset(scan->batch_context);
	scan->cur_vector = v;
	scan->n = Min(scan->unit->nrows - v * STRATA_VECTOR, STRATA_VECTOR);
	memset(scan->mask, 0, sizeof(scan->mask));
	for (unsigned w = 0; w < (scan->n + 63) / 64; w++)
		scan->mask[w] = scan->live ? scan->live[v * BATCH_WORDS + w] : ~UINT64CONST(0);
	if (scan->n % 64)
		scan->mask[scan->n / 64] &= (UINT64CONST(1) << (scan->n % 64)) - 1;
	scan->replay = false;
	return strata_kernels->count(scan->mask, scan->n);
}

/* Filters the vector's `before` rows.  Returns how many are left. */
static unsigned
filter_rows(StrataScanState *scan, unsigned before)
{
	uint64		  start = now_ns();
	unsigned	  after = before;
	MemoryContext old;

	if (scan->npreds > 0)
	{
		old = MemoryContextSwitchTo(scan->batch_context);
		if (scan->row_filter || !filter_vector(scan))
		{
			scan->replay = true;
			scan->counts.rows_replayed += before;
		}
		MemoryContextSwitchTo(old);
		after = strata_kernels->count(scan->mask, scan->n);
	}
	scan->counts.busy_ns += now_ns() - start;
	return after;
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
	for (int c = 0; c < scan->ncols; c++)
		load_column(scan, &scan->cols[c]);
	scan->counts.rows_columns += before;
	after = filter_rows(scan, before);
	if (!scan->replay)
	{
		InstrCountFiltered1(scan, before - after);
		scan->filtered += before - after;
		scan->counts.rows_out += after;
	}
	if (after > 0 && !scan->all_pinned)
	{
		if (!pin_columns(scan, true))
			return;
		for (int c = 0; c < scan->ncols; c++)
			scan->cols[c].nulls = strata_segment_nulls(scan->cols[c].seg, scan->cur_vector);
	}
	scan->vector_open = after > 0;
}

/* Takes the first row off the mask; -1 when none is left. */
static int
pop_row(StrataScanState *scan)
{
	for (int w = 0; w < BATCH_WORDS; w++)
		if (scan->mask[w])
		{
			int i = w * 64 + __builtin_ctzll(scan->mask[w]);

			scan->mask[w] &= scan->mask[w] - 1;
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
	for (int c = 0; c < scan->ncols; c++)
	{
		int a = scan->cols[c].attnum - 1;

		slot->tts_values[a] = scan->heap_slot->tts_values[a];
		slot->tts_isnull[a] = scan->heap_slot->tts_isnull[a];
	}
	ExecStoreVirtualTuple(slot);
}

/* The next passing heap row of the item into the scan slot. */
static bool
next_heap_row(StrataScanState *scan)
{
	for (;;)
	{
		if (scan->page && scan->page_next < scan->page->ntuples)
		{
			scan->counts.rows_heap++;
			slot_from_heap(scan, &scan->page->tuples[scan->page_next++]);
			if (row_passes(scan))
				return true;
			continue;
		}
		while (scan->heap_next < scan->fresh.nblocks && !block_from_heap(scan, scan->heap_next))
			scan->heap_next++;
		if (scan->heap_next >= scan->fresh.nblocks)
			return false;
		CHECK_FOR_INTERRUPTS();
		if (!scan->heap)
		{
			MemoryContext old = MemoryContextSwitchTo(scan->css.ss.ps.state->es_query_cxt);

			scan->heap = strata_heap_begin(scan->css.ss.ss_currentRelation, scan->css.ss.ps.state->es_snapshot);
			MemoryContextSwitchTo(old);
		}
		ExecClearTuple(scan->heap_slot);
		scan->page = strata_heap_block(scan->heap,
									   scan->item * scan->read->unit_blocks + scan->heap_next++);
		scan->page_next = 0;
		scan->counts.blocks_heap++;
	}
}

static StrataBatchKind
next_batch(StrataScanState *scan)
{
	int row;

	open_read(scan);
	look_ahead(scan);
	for (;;)
	{
		if (scan->vector_open && scan->replay)
		{
			while ((row = pop_row(scan)) >= 0)
			{
				strata_scan_fill_slot(scan, scan->css.ss.ss_ScanTupleSlot, row);
				if (row_passes(scan))
					return STRATA_BATCH_ROW;
			}
		}
		CHECK_FOR_INTERRUPTS();
		scan->vector_open = false;
		if (!scan->item_open && !open_item(scan))
		{
			drop_buffers(scan);
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
		if (next_heap_row(scan))
			return STRATA_BATCH_ROW;
		scan->item_open = false;
	}
}

/* A parent that takes batches goes past ExecProcNode, which would have kept EXPLAIN ANALYZE's books. */
StrataBatchKind
strata_scan_next(StrataScanState *scan)
{
	Instrumentation *instr = scan->wants_batches ? scan->css.ss.ps.instrument : NULL;
	uint64			 before = scan->counts.rows_out;
	StrataBatchKind	 kind;

	if (instr)
		InstrStartNode(instr);
	kind = next_batch(scan);
	if (instr)
		InstrStopNode(instr, scan->counts.rows_out - before);
	return kind;
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
	int				 x = -1;
	ListCell		*lc;

	/* The filter is applied here, not by ExecScan. */
	scan->qual = css->ss.ps.qual;
	css->ss.ps.qual = NULL;

	scan->batch_context = AllocSetContextCreate(estate->es_query_cxt, "StrataScan batch", ALLOCSET_DEFAULT_SIZES);
	scan->unit_context = AllocSetContextCreate(estate->es_query_cxt, "StrataScan unit", ALLOCSET_DEFAULT_SIZES);
	scan->pred_econtext = CreateExprContext(estate);
	scan->heap_slot = ExecInitExtraTupleSlot(estate, desc, &TTSOpsHeapTuple);
	scan->pred_slot = ExecInitExtraTupleSlot(estate, desc, &TTSOpsVirtual);
	for (int i = 0; i < desc->natts; i++)
	{
		slot->tts_isnull[i] = true;
		scan->pred_slot->tts_isnull[i] = true;
	}
	ExecStoreVirtualTuple(scan->pred_slot);

	pull_varattnos((Node *) plan->scan.plan.targetlist, plan->scan.scanrelid, &attrs);
	pull_varattnos((Node *) plan->scan.plan.qual, plan->scan.scanrelid, &attrs);
	while ((x = bms_next_member(attrs, x)) >= 0)
		strata_scan_column(scan, x + FirstLowInvalidHeapAttributeNumber);

	scan->preds = palloc(sizeof(StrataPred *) * (list_length(plan->scan.plan.qual) + 1));
	scan->pred_attrs = palloc(sizeof(Bitmapset *) * (list_length(plan->scan.plan.qual) + 1));
	foreach (lc, plan->scan.plan.qual)
	{
		scan->pred_attrs[scan->npreds] = columns_of(lfirst(lc), plan->scan.scanrelid);
		scan->preds[scan->npreds++] = strata_pred_compile(scan, lfirst(lc));
	}
	scan->row_filter = contain_volatile_functions((Node *) plan->scan.plan.qual);
	scan->pred_proven = palloc0(sizeof(bool) * (scan->npreds + 1));
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
			strata_scan_fill_slot(scan, ss->ss_ScanTupleSlot, row);
			return ss->ss_ScanTupleSlot;
		}
		switch (strata_scan_next(scan))
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
	release_unit(scan);
	scan->page = NULL;
	scan->item_open = false;
	scan->vector_open = false;
}

static void
scan_rescan(CustomScanState *css)
{
	StrataScanState *scan = (StrataScanState *) css;

	close_item(scan);
	scan->next_unit = 0;
	scan->looking_ahead = false;
	ResetExprContext(scan->pred_econtext);
	for (int i = 0; i < scan->npreds; i++)
		strata_pred_rescan(scan->preds[i]);
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
	scan->looking_ahead = false;
}

static void
scan_initialize_worker(CustomScanState *css, shm_toc *toc, void *coordinate)
{
	((StrataScanState *) css)->shared = coordinate;
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
