/*
 * recall.c - what a process remembers of tables between its queries: the table of it, and who has to leave.
 *
 * Everything remembered lies in a memory context of its own, under one for all, which
 * pg_backend_memory_contexts shows as "strata recall".  Until it is kept, it goes with its last pin, and a pin ends
 * with a memory context at the latest; so an error leaves nothing behind.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "column/vmbits.h"
#include "exec/recall.h"

int strata_recall_memory = 16 * 1024;

typedef struct RecallEntry
{
	StrataRecallKey key;
	StrataRecalled *value;
} RecallEntry;

static HTAB			*recall_table;
static MemoryContext recall_context;
static dlist_head	 recall_lru = DLIST_STATIC_INIT(recall_lru); /* used last first */
static Size			 recall_bytes;

static void
recall_free(StrataRecalled *r)
{
	MemoryContextDelete(r->cxt);
}

/* It is not to be found any more, and goes when nobody uses it. */
static void
recall_forget(StrataRecalled *r)
{
	hash_search(recall_table, &r->key, HASH_REMOVE, NULL);
	dlist_delete(&r->lru);
	recall_bytes -= r->bytes;
	r->known = false;
	if (r->pins == 0)
		recall_free(r);
}

static void
recall_unpin(StrataRecallPin *pin)
{
	StrataRecalled *r = pin->on;

	pin->on = NULL;
	if (r && --r->pins == 0 && !r->known)
		recall_free(r);
}

static void
recall_release(StrataHold *hold)
{
	recall_unpin((StrataRecallPin *) hold);
}

static MemoryContext
recall_scan_context(const StrataScanState *scan)
{
	return scan->css.ss.ps.state->es_query_cxt;
}

static void
recall_pin(const StrataScanState *scan, StrataRecalled *r, StrataRecallPin *pin)
{
	if (!pin->hold.held)
		strata_hold(&pin->hold, recall_scan_context(scan), recall_release);
	Assert(pin->on == NULL);
	r->pins++;
	r->scan = scan->recall->number;
	pin->on = r;
}

static void
recall_key(const StrataScanState *scan, StrataRecallWhat what, StrataRecallKey *key)
{
	Relation rel = scan->css.ss.ss_currentRelation;

	memset(key, 0, sizeof(*key));
	key->relid = RelationGetRelid(rel);
	key->relnumber = StrataRelNumber(rel);
	key->unit_blocks = scan->read->unit_blocks;
	key->item = scan->item;
	key->what = what;
}

/* What is remembered of the scan's item, pinned; NULL: nothing. */
static void *
recall_find(const StrataScanState *scan, StrataRecallWhat what, StrataRecallPin *pin)
{
	StrataRecallKey key;
	RecallEntry	   *e;

	recall_key(scan, what, &key);
	e = recall_table ? hash_search(recall_table, &key, HASH_FIND, NULL) : NULL;
	if (!e)
		return NULL;
	dlist_move_head(&recall_lru, &e->value->lru);
	recall_pin(scan, e->value, pin);
	return e->value;
}

/*
 * A table (none: all of them) is not what it was, or was never what it seemed.  Pages do not tell: a column that a
 * transaction added and went back on, and one that comes in its place, have the same number and leave every page alone,
 * but what tuples that are too short to have it are said to hold is another value.
 */
static void
recall_table_changed(Datum arg, Oid relid)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &recall_lru)
	{
		StrataRecalled *r = dlist_container(StrataRecalled, lru, iter.cur);

		if (!OidIsValid(relid) || r->key.relid == relid)
			recall_forget(r);
	}
}

static void
recall_begin(void)
{
	HASHCTL info = {.keysize = sizeof(StrataRecallKey), .entrysize = sizeof(RecallEntry)};

	if (recall_table)
		return;
	if (!recall_context)
		recall_context = AllocSetContextCreate(TopMemoryContext, "strata recall", ALLOCSET_SMALL_SIZES);
	info.hcxt = recall_context;
	recall_table = hash_create("strata recall", 256, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	CacheRegisterRelcacheCallback(recall_table_changed, (Datum) 0);
}

/* Something new, of `size` bytes and zeroed, pinned; nobody finds it yet. */
static void *
recall_make(const StrataScanState *scan, StrataRecallWhat what, Size size, StrataRecallPin *pin)
{
	MemoryContext	cxt;
	StrataRecalled *r;

	recall_begin();
	cxt = AllocSetContextCreate(recall_context, "strata recalled item", ALLOCSET_SMALL_SIZES);
	r = MemoryContextAllocZero(cxt, size);
	recall_key(scan, what, &r->key);
	r->cxt = cxt;
	recall_pin(scan, r, pin);
	return r;
}

static Size
recall_limit(void)
{
	return (Size) strata_recall_memory * 1024;
}

/*
 * Room for so many bytes more, if need be by giving up what was used longest ago, but nothing that this scan has used: of
 * a table that is too large for the memory, each scan would give up what the next one comes to first.
 */
static bool
recall_room(const StrataRecall *s, Size bytes)
{
	while (recall_bytes + bytes > recall_limit())
	{
		StrataRecalled *r;

		if (dlist_is_empty(&recall_lru))
			return false;
		r = dlist_tail_element(StrataRecalled, lru, &recall_lru);
		if (r->scan == s->number)
			return false;
		recall_forget(r);
	}
	return true;
}

/* Is it small enough to be kept, as far as it has grown?  One item is not to drive out all others. */
static bool
recall_fits(StrataRecalled *r)
{
	r->bytes = MemoryContextMemAllocated(r->cxt, true);
	return r->bytes <= recall_limit() / 2;
}

/* From now on it is found, in place of what was there.  False: there is no room for it. */
static bool
recall_keep(const StrataRecall *s, StrataRecalled *r)
{
	bool		 found;
	RecallEntry *e = hash_search(recall_table, &r->key, HASH_FIND, NULL);

	Assert(!r->known);
	if (e)
		recall_forget(e->value);
	if (!recall_fits(r) || !recall_room(s, r->bytes))
		return false;
	e = hash_search(recall_table, &r->key, HASH_ENTER, &found);
	e->value = r;
	dlist_push_head(&recall_lru, &r->lru);
	recall_bytes += r->bytes;
	return r->known = true;
}

/* ---- rows of the heap ---- */

/* Blocks that have changed, of those asked for, that are read anew for themselves; with more, all are. */
#define RECALL_MISSES(asked) ((asked) / 8 + 2)
/* Rows that there is room for in a chunk that begins. */
#define RECALL_FIRST 128

void
strata_recall_begin(StrataScanState *scan)
{
	static uint64 last = 0;
	MemoryContext old = MemoryContextSwitchTo(recall_scan_context(scan));
	StrataRecall *s = palloc0(sizeof(StrataRecall));

	s->number = ++last;
	recall_room(s, 0); /* the setting may have been lowered */
	s->column = palloc(sizeof(int) * Max(scan->batch.ncols, 1));
	s->zones = palloc(sizeof(StrataSegment) * Max(scan->batch.ncols, 1));
	scan->recall = s;
	MemoryContextSwitchTo(old);
}

void
strata_recall_close(StrataScanState *scan)
{
	StrataRecall *s = scan->recall;

	if (!s)
		return;
	recall_unpin(&s->rows_pin);
	recall_unpin(&s->new_pin);
	recall_unpin(&s->sums_pin);
	s->rows = NULL;
	s->sums = NULL;
	s->opened = false;
	memset(s->served, 0, sizeof(s->served));
}

const StrataRowsLeft *
strata_recall_item(StrataScanState *scan)
{
	StrataRecall *s = scan->recall;

	strata_recall_close(scan);
	s->sums = recall_find(scan, RECALL_SUMS, &s->sums_pin);
	return s->sums ? &s->sums->left : NULL;
}

void
strata_recall_unit(StrataScanState *scan, const StrataUnit *unit)
{
	if (unit)
		scan->recall->unit = strata_unit_id(unit);
	else
		memset(&scan->recall->unit, 0, sizeof(StrataUnitId));
}

/* Where the batch's columns are among those remembered.  False: one is not. */
static bool
find_columns(const StrataScanState *scan, const StrataRecallRows *r, int *column)
{
	for (int c = 0; c < scan->batch.ncols; c++)
	{
		int k = 0;

		while (k < r->ncols && r->attnums[k] != scan->batch.cols[c]->attnum)
			k++;
		if (k == r->ncols)
			return false;
		Assert(r->nchunks == 0 || r->chunks[0]->cols[k].type == scan->batch.cols[c]->type);
		column[c] = k;
	}
	return true;
}

static bool
all_blocks_as_were(const StrataScanState *scan, const StrataRecallRows *r, bool same)
{
	if (r->nlost > 0 || r->nblocks == 0 || r->blocks[r->nblocks - 1].block >= scan->fresh.nblocks)
		return false;
	for (uint32 w = 0; w * 64 < scan->fresh.nblocks; w++)
		if ((r->heap[w] & ~scan->fresh.heap[w]) != 0 || (r->rest[w] & ~(same ? scan->fresh.rest[w] : 0)) != 0)
			return false;
	return true;
}

static inline uint32
block_end(const StrataRecallRows *r, uint32 i)
{
	return i + 1 < r->nblocks ? r->blocks[i + 1].first : r->nrows;
}

/* Bits [first, end) of a mask. */
static void
set_rows(uint64 *mask, uint32 first, uint32 end)
{
	for (uint32 w = first / 64; w * 64 < end; w++)
		mask[w] |= strata_range_mask(w, first, end);
}

/* No row is taken yet. */
static void
clear_live(StrataScanState *scan, const StrataRecallRows *r)
{
	StrataRecall *s = scan->recall;

	if (r->nchunks > s->live_room)
	{
		if (s->live)
			pfree(s->live);
		s->live = NULL;
		s->live_room = r->nchunks;
		s->live = MemoryContextAlloc(recall_scan_context(scan), s->live_room * BATCH_WORDS * sizeof(uint64));
	}
	if (r->nchunks > 0)
		memset(s->live, 0, r->nchunks * BATCH_WORDS * sizeof(uint64));
}

/* The rows remembered of all blocks count. */
static void
serve_all(StrataScanState *scan, const StrataRecallRows *r)
{
	scan->recall->all_live = true;
	for (uint32 w = 0; w * 64 < scan->fresh.nblocks; w++)
		scan->recall->served[w] = r->heap[w] | r->rest[w];
}

/* The rows remembered of block i count, and its page is not read. */
static inline void
serve(StrataRecall *s, const StrataRecallRows *r, uint32 i)
{
	uint32 b = r->blocks[i].block;

	set_rows(s->live, r->blocks[i].first, block_end(r, i));
	s->served[b / 64] |= UINT64CONST(1) << (b % 64);
}

static bool
enough_served(StrataRecall *s, uint32 asked, uint32 served)
{
	if (asked - served <= RECALL_MISSES(asked))
		return true;
	memset(s->served, 0, sizeof(s->served));
	return false;
}

/*
 * Takes what is as it was.  Pages whose LSN has moved are forgotten for good, as it never comes back.  False: too many
 * have, or came to be asked for since.
 */
static bool
take_rows(StrataScanState *scan, StrataRecallRows *r)
{
	StrataRecall *s = scan->recall;
	XLogRecPtr	  pos = strata_wal_position();
	bool		  quiet = r->quiet == pos;
	bool		  same = strata_unit_id_equal(&r->unit, &s->unit);
	BlockNumber	  first = scan->item * scan->read->unit_blocks;
	uint32		  asked = scan->fresh.nheap + scan->fresh.nrest, served = 0;

	if (quiet && all_blocks_as_were(scan, r, same))
	{
		serve_all(scan, r);
		return enough_served(s, asked, r->nblocks);
	}
	clear_live(scan, r);
	for (uint32 i = 0; i < r->nblocks; i++)
	{
		StrataRecallBlock *k = &r->blocks[i];
		uint32			   w = k->block / 64;
		uint64			   one = UINT64CONST(1) << (k->block % 64);

		if (XLogRecPtrIsInvalid(k->lsn) || k->block >= scan->fresh.nblocks)
			continue;
		if (!quiet && !strata_read_lsn_is(scan->read, first + k->block, &k->buffer, k->lsn))
		{
			k->lsn = InvalidXLogRecPtr;
			r->nlost++;
		}
		else if ((r->heap[w] & scan->fresh.heap[w] & one) || (same && (r->rest[w] & scan->fresh.rest[w] & one)))
		{
			serve(s, r, i);
			served++;
		}
	}
	if (!quiet)
		r->quiet = r->nblocks > 0 && r->blocks[r->nblocks - 1].block < scan->fresh.nblocks &&
			strata_wal_position() == pos
			? pos
			: InvalidXLogRecPtr;
	s->all_live = served == r->nblocks;
	return enough_served(s, asked, served);
}

/* The batch's columns, and what was remembered before them. */
static void
choose_columns(const StrataScanState *scan, const StrataRecallRows *before, StrataRecallRows *r)
{
	int room = scan->batch.ncols + (before ? before->ncols : 0);

	r->attnums = MemoryContextAlloc(r->head.cxt, sizeof(AttrNumber) * Max(room, 1));
	for (int c = 0; c < scan->batch.ncols; c++)
		r->attnums[r->ncols++] = scan->batch.cols[c]->attnum;
	for (int k = 0; before && k < before->ncols; k++)
	{
		bool has = false;

		for (int c = 0; c < scan->batch.ncols; c++)
			has |= r->attnums[c] == before->attnums[k];
		if (!has)
			r->attnums[r->ncols++] = before->attnums[k];
	}
	r->sums = MemoryContextAllocZero(r->head.cxt, sizeof(StrataRecallSum) * Max(room, 1));
}

static StrataRows *
add_chunk(const StrataScanState *scan, StrataRecallRows *r)
{
	TupleDesc	desc = RelationGetDescr(scan->css.ss.ss_currentRelation);
	StrataRows *rows = strata_rows_create(r->head.cxt, r->ncols);

	rows->first = RECALL_FIRST;
	for (int k = 0; k < r->ncols; k++)
	{
		Oid		   type = TupleDescAttr(desc, r->attnums[k] - 1)->atttypid;
		StrataType rep;

		if (!strata_column_type(type, &rep))
			elog(ERROR, "column %d cannot be stored", r->attnums[k]);
		strata_rows_column(rows, k, type, &rep);
	}
	if (r->nchunks == r->chunk_room)
	{
		r->chunk_room = Max(8, r->chunk_room * 2);
		r->chunks = r->chunks ? repalloc(r->chunks, r->chunk_room * sizeof(StrataRows *))
							  : MemoryContextAlloc(r->head.cxt, r->chunk_room * sizeof(StrataRows *));
	}
	return r->chunks[r->nchunks++] = rows;
}

/* The rows of a page.  False: one has a value in TOAST, which is not to be fetched before it is wanted. */
static bool
add_page(const StrataScanState *scan, StrataRecallRows *r, const StrataTupleWalk *walk, const StrataHeapPage *page)
{
	StrataRows *rows = r->nchunks > 0 ? r->chunks[r->nchunks - 1] : NULL;

	for (int done = 0; done < page->ntuples;)
	{
		int n;

		if (!rows || rows->n == STRATA_VECTOR)
			rows = add_chunk(scan, r);
		n = Min(page->ntuples - done, (int) (STRATA_VECTOR - rows->n));
		strata_rows_add_tuples(rows, walk, &page->tuples[done], n);
		if (rows->toasted)
			return false;
		done += n;
		r->nrows += n;
	}
	return true;
}

static void
add_block(StrataRecallRows *r, const StrataFresh *fresh, uint32 b, const StrataHeapPage *page)
{
	uint64 one = UINT64CONST(1) << (b % 64);

	if (r->nblocks == r->room)
	{
		r->room = Max(16, r->room * 2);
		r->blocks = r->blocks ? repalloc(r->blocks, r->room * sizeof(StrataRecallBlock))
							  : MemoryContextAlloc(r->head.cxt, r->room * sizeof(StrataRecallBlock));
	}
	r->blocks[r->nblocks++] = (StrataRecallBlock){b, r->nrows, page->lsn, page->buffer};
	if (!XLogRecPtrIsInvalid(page->lsn))
		r->settled = Max(r->settled, page->settled);
	if (fresh->heap[b / 64] & one)
		r->heap[b / 64] |= one;
	else
		r->rest[b / 64] |= one;
}

/* Reads the item's blocks of the heap.  Of those that it has room for the rows are at hand then, and if that is all of
 * them, and most will stay as they are for others, they are kept. */
static void
read_rows(StrataScanState *scan, StrataRecallRows *r)
{
	StrataRecall	*s = scan->recall;
	StrataHeapRead	*heap = strata_scan_heap(scan);
	StrataTupleWalk *walk =
		strata_tuple_walk(RelationGetDescr(scan->css.ss.ss_currentRelation), r->ncols, r->attnums);
	uint32 lasting = 0;
	bool   all = true;

	strata_heap_settle(heap);
	for (uint32 b = 0; all && b < scan->fresh.nblocks; b++)
	{
		StrataHeapPage *page;

		if (!strata_scan_block_from_heap(scan, b))
			continue;
		page = strata_heap_item(heap, scan->item * scan->read->unit_blocks, &scan->fresh, b);
		scan->counts.blocks_heap++;
		add_block(r, &scan->fresh, b, page);
		if (!add_page(scan, r, walk, page))
		{
			s->off = true;
			recall_unpin(&s->new_pin);
			return;
		}
		lasting += !XLogRecPtrIsInvalid(page->lsn);
		if (b % 16 == 0)
			all = recall_fits(&r->head);
	}
	r->nlost = r->nblocks - lasting;
	serve_all(scan, r);
	s->rows = r;
	s->was_read = true;
	for (int c = 0; c < scan->batch.ncols; c++)
		s->column[c] = c;
	if (all && r->nblocks > 0 && r->nblocks - lasting <= RECALL_MISSES(r->nblocks))
		s->full = !recall_keep(s, &r->head);
}

void
strata_recall_open(StrataScanState *scan)
{
	StrataRecall	 *s = scan->recall;
	StrataRecallRows *before, *r;

	s->opened = true;
	if (s->off || strata_recall_memory == 0 || IsParallelWorker() || !strata_read_may_remember(scan->read) ||
		scan->fresh.nheap + scan->fresh.nrest == 0)
		return;
	before = recall_find(scan, RECALL_ROWS, &s->rows_pin);
	if (!before && s->full)
		return;
	s->chunk = 0;
	s->was_read = false;
	if (before && strata_read_xmin(scan->read) < before->settled)
	{
		/* What is remembered is of use to younger snapshots. */
		recall_unpin(&s->rows_pin);
		return;
	}
	if (before && find_columns(scan, before, s->column) && take_rows(scan, before))
	{
		s->rows = before;
		return;
	}
	r = recall_make(scan, RECALL_ROWS, sizeof(StrataRecallRows), &s->new_pin);
	choose_columns(scan, before, r);
	r->unit = s->unit;
	recall_unpin(&s->rows_pin);
	read_rows(scan, r);
}

unsigned
strata_recall_vector(StrataScanState *scan)
{
	StrataRecall *s = scan->recall;
	StrataBatch	 *b = &scan->batch;

	while (s->rows && s->chunk < s->rows->nchunks)
	{
		StrataRows	 *rows = s->rows->chunks[s->chunk];
		const uint64 *live = s->all_live ? NULL : s->live + s->chunk * BATCH_WORDS;
		unsigned	  n = live ? strata_kernels->count(live, rows->n) : rows->n;

		s->chunk++;
		if (n == 0)
			continue;
		strata_batch_show_rows(b, rows, s->column, rows->n);
		if (live)
			memcpy(b->mask, live, sizeof(b->mask));
		return n;
	}
	return 0;
}

/* ---- sums over all rows remembered ---- */

/* Adds the rows of a chunk, those in `mask`, to the sum and to what the zone map says; they are the first, or not. */
static void
sum_chunk(const StrataRowsColumn *col, const uint64 *mask, unsigned n, bool first, StrataInt128 *sum, StrataSegment *zone)
{
	int64 lo = strata_kernels->min_i64(col->v.i64, mask, n);
	int64 hi = strata_kernels->max_i64(col->v.i64, mask, n);

	*sum += strata_kernels->sum_i64(col->v.i64, mask, n);
	zone->min.i = first ? lo : Min(zone->min.i, lo);
	zone->max.i = first ? hi : Max(zone->max.i, hi);
	zone->scale = col->scale;
}

/*
 * Column k of all rows.  Only integers of one scale have sums and a range; of others the zone map has the count of NULLs,
 * and a physical type that promises no more.
 */
static void
sum_rows(const StrataRecallRows *r, int k, StrataSegment *zone)
{
	StrataInt128 sum = 0;
	uint32		 n = 0;
	bool		 integers = true;

	memset(zone, 0, sizeof(*zone));
	for (uint32 i = 0; i < r->nchunks; i++)
	{
		const StrataRows	   *rows = r->chunks[i];
		const StrataRowsColumn *col = &rows->cols[k];
		uint64	 mask[BATCH_WORDS] = {0};
		unsigned some;

		CHECK_FOR_INTERRUPTS();
		for (uint32 w = 0; w * 64 < rows->n; w++)
			mask[w] = strata_low_mask(rows->n - w * 64) & ~(col->has_nulls ? col->nulls[w] : 0);
		some = strata_kernels->count(mask, rows->n);
		if (some == 0)
			continue;
		integers = integers && col->phys == STRATA_PHYS_INT && (n == 0 || zone->scale == col->scale);
		if (integers)
			sum_chunk(col, mask, rows->n, n == 0, &sum, zone);
		n += some;
	}
	zone->phys = integers ? STRATA_PHYS_INT : STRATA_PHYS_BYTES;
	zone->flags = integers && n > 0 ? STRATA_SEG_HAS_SUM | STRATA_SEG_HAS_RANGE : 0;
	zone->sum_lo = (uint64) (unsigned __int128) sum;
	zone->sum_hi = (int64) (sum >> 64);
	zone->nrows = r->nrows;
	zone->null_count = r->nrows - n;
}

/* The columns' zone maps are those of all rows remembered. */
static void
show_row_sums(StrataScanState *scan, const StrataRecallRows *r)
{
	int c = -1;

	while ((c = bms_next_member(scan->take_cols, c)) >= 0)
	{
		StrataRecallSum *sum = &r->sums[scan->recall->column[c]];

		if (sum->zone.nrows == 0)
			sum_rows(r, scan->recall->column[c], &sum->zone);
		scan->batch.cols[c]->zone = &sum->zone;
	}
}

unsigned
strata_recall_take_rows(StrataScanState *scan)
{
	StrataRecall *s = scan->recall;
	int			  c = -1;
	unsigned	  n = 0;

	if (!s->rows || !s->all_live || s->chunk > 0 || s->rows->nrows == 0)
		return 0;
	show_row_sums(scan, s->rows);
	if (scan->can_take_unit(scan->parent))
	{
		n = s->rows->nrows;
		scan->take_unit(scan->parent, n);
		s->chunk = s->rows->nchunks;
	}
	while ((c = bms_next_member(scan->take_cols, c)) >= 0)
		scan->batch.cols[c]->zone = NULL;
	return n;
}

/* ---- sums over what is left of a unit ---- */

/* What a zone map of the rows left would say, as far as it is used to answer a unit. */
static bool
sum_column(StrataScanState *scan, StrataColumn *col, const uint64 *live, uint32 nlive, StrataSegment *out)
{
	int64		 v[STRATA_VECTOR];
	StrataInt128 sum = 0;
	uint32		 n = 0;
	bool		 numbers = col->zone->phys == STRATA_PHYS_INT;

	*out = *col->zone;
	out->nrows = nlive;
	if (!numbers && out->null_count == 0)
		return true;
	if (!strata_scan_pin(scan, col))
		return false;
	for (uint32 i = 0; i < col->seg->nvectors; i++)
	{
		const uint64 *nulls = strata_segment_nulls(col->seg, i);
		uint64		  mask[BATCH_WORDS];
		unsigned	  rows = strata_segment_vector_rows(col->seg, i), some;
		int64		  lo, hi;

		CHECK_FOR_INTERRUPTS();
		for (int w = 0; w < BATCH_WORDS; w++)
			mask[w] = live[i * BATCH_WORDS + w] & ~(nulls ? nulls[w] : 0);
		some = strata_kernels->count(mask, rows);
		if (some == 0)
			continue;
		if (numbers)
		{
			strata_segment_i64(col->seg, i, v);
			sum += strata_kernels->sum_i64(v, mask, rows);
			lo = strata_kernels->min_i64(v, mask, rows);
			hi = strata_kernels->max_i64(v, mask, rows);
			out->min.i = n == 0 ? lo : Min(out->min.i, lo);
			out->max.i = n == 0 ? hi : Max(out->max.i, hi);
		}
		n += some;
	}
	out->null_count = nlive - n;
	if (numbers)
	{
		out->sum_lo = (uint64) (unsigned __int128) sum;
		out->sum_hi = (int64) (sum >> 64);
	}
	return true;
}

/*
 * Is what is remembered of the unit about the rows that are left of it now?  Their bits are compared only when the
 * numbers do not tell; and if those are the same, they have the new number too.
 */
static bool
sums_are_of(StrataRecallSums *r, const StrataScanState *scan)
{
	uint64 changes = scan->fresh.changes;

	if (!strata_unit_id_equal(&r->left.unit, &scan->recall->unit))
		return false;
	if (r->left.changes != 0 && r->left.changes == changes)
		return true;
	if (memcmp(r->left.rows, scan->live, r->words * sizeof(uint64)) != 0)
		return false;
	if (changes != 0)
		r->left.changes = changes;
	return true;
}

static uint32
count_left(const StrataScanState *scan)
{
	uint32 n = 0;

	for (uint32 w = 0; w * STRATA_VECTOR < scan->unit->nrows; w++)
		n += strata_kernels->count(scan->live + w * BATCH_WORDS, STRATA_VECTOR);
	return n;
}

/* What is remembered of this unit with these rows left, or something new. */
static StrataRecallSums *
open_sums(StrataScanState *scan)
{
	StrataRecall	 *s = scan->recall;
	StrataRecallSums *r = s->sums;
	uint32			  words = (scan->unit->nrows + STRATA_VECTOR - 1) / STRATA_VECTOR * BATCH_WORDS;
	uint64			 *rows;

	if (r && sums_are_of(r, scan))
		return r;
	recall_unpin(&s->sums_pin);
	s->sums = r = recall_make(scan, RECALL_SUMS, sizeof(StrataRecallSums), &s->sums_pin);
	rows = MemoryContextAlloc(r->head.cxt, words * sizeof(uint64));
	memcpy(rows, scan->live, words * sizeof(uint64));
	r->left = (StrataRowsLeft) {s->unit, scan->fresh.changes, rows};
	r->nleft = count_left(scan);
	r->words = words;
	r->sums = MemoryContextAlloc(r->head.cxt, scan->unit->ncols * sizeof(StrataRecallSum));
	s->sums_full = !recall_keep(s, &r->head);
	return r;
}

/* The same, which somebody else may have found out already; else others are told. */
static bool
share_sum(StrataScanState *scan, StrataColumn *col, uint32 nlive, StrataSegment *out)
{
	uint64		  changes = scan->fresh.changes;
	StrataLeftSum sum;

	if (changes != 0 && strata_unit_left(scan->unit, col->stored, changes, &sum))
	{
		*out = *col->zone;
		out->nrows = nlive;
		out->null_count = sum.nulls;
		out->min.i = sum.min;
		out->max.i = sum.max;
		out->sum_lo = sum.sum_lo;
		out->sum_hi = sum.sum_hi;
		return true;
	}
	if (!sum_column(scan, col, scan->live, nlive, out))
		return false;
	if (changes != 0)
	{
		sum = (StrataLeftSum) {out->null_count, out->min.i, out->max.i, out->sum_lo, out->sum_hi};
		strata_unit_left_note(scan->unit, col->stored, changes, &sum);
	}
	return true;
}

static const StrataSegment *
find_sum(StrataScanState *scan, StrataRecallSums *r, StrataColumn *col, uint32 nlive)
{
	StrataSegment zone;

	for (int i = 0; i < r->nsums; i++)
		if (r->sums[i].attnum == col->attnum)
			return &r->sums[i].zone;
	if (!share_sum(scan, col, nlive, &zone))
		return NULL;
	r->sums[r->nsums] = (StrataRecallSum){col->attnum, zone};
	return &r->sums[r->nsums++].zone;
}

/* The columns' zone maps become those of the rows left.  False: a column cannot be had. */
static bool
show_sums(StrataScanState *scan, StrataRecallSums *r)
{
	StrataRecall *s = scan->recall;
	int			  c = -1;

	while ((c = bms_next_member(scan->take_cols, c)) >= 0)
	{
		const StrataSegment *zone = find_sum(scan, r, scan->batch.cols[c], r->nleft);

		if (!zone)
			return false;
		s->zones[c] = *zone;
	}
	c = -1;
	while ((c = bms_next_member(scan->take_cols, c)) >= 0)
		scan->batch.cols[c]->zone = &s->zones[c];
	return true;
}

bool
strata_recall_take(StrataScanState *scan)
{
	StrataRecall *s = scan->recall;
	bool		  count_only = bms_is_empty(scan->take_cols);
	uint32		  nleft;

	if (!count_only && strata_recall_memory == 0)
		return false;
	/* A count alone is worth remembering only if it is found again without a look at the bits. */
	if (!count_only || (strata_recall_memory > 0 && scan->fresh.changes != 0 && (s->sums || !s->sums_full)))
	{
		StrataRecallSums *r = open_sums(scan);

		if (!show_sums(scan, r))
			return false;
		nleft = r->nleft;
	}
	else
		nleft = count_left(scan);
	scan->take_unit(scan->parent, nleft);
	scan->counts.units_summed++;
	scan->counts.rows_columns += nleft;
	scan->counts.rows_out += nleft;
	return true;
}
