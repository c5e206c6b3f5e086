/*
 * read.c - one scan's view of a table: which units it may use, and which blocks it must read from the heap.
 *
 * The order in strata_read_begin() and strata_read_unit() is part of the argument in freshness.c: the
 * snapshot is the caller's and comes first; then the predicate lock of a serializable transaction, then the
 * heap's size and, page by page when first needed, the visibility map; units are pinned last.
 *
 * A pinned unit keeps its metadata and zone maps; its pages exist as long as it does, but each of them is in
 * memory for sure only while it is pinned in the pool, which strata_read_segment() does.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "storage/procarray.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "column/column_internal.h"
#include "pool/prefetch.h"

/* Work items of a table that has no units: only their size matters, for parallel scans. */
#define READ_DEFAULT_UNIT_BLOCKS 512

/* A page of the pool that this read has pinned. */
typedef struct ReadPage
{
	const StrataUnit *unit; /* one of pins[] */
	StrataPageId id;
	const char *image;
} ReadPage;

/* Looking ahead: see strata_read_ahead(). */
typedef struct ReadAhead
{
	StrataPrefetch *prefetch; /* NULL: the scan does not look ahead */
	StrataReadAhead columns;
	void *arg;
	const StrataUnitColumn **cols; /* what `columns` writes */
	int ncols;
	pg_atomic_uint32 *shared;
	int64 last; /* unit looked at before; -1: none */
} ReadAhead;

struct StrataReadPrivate
{
	StrataHold hold; /* of the pins, on units and on pages */
	MemoryContext context;
	Oid relid;
	Oid relnumber;
	bool stored;	   /* had units of this relfilenode and unit size at begin */
	bool serializable; /* predicate lock taken; freshness needs the page locks */
	StrataMapCopy *map;
	StrataPageLook look;
	uint64 *rows;	 /* of the unit at hand */
	uint32 row_room; /* words */
	/* The unit at hand, when the heap is to be asked for what it does not hold: its pin stays until the next.
	 */
	const StrataUnit *rest_unit;
	int npins;
	int room;
	StrataUnit **pins;
	int npages;
	int page_room;
	ReadPage *pages;
	ReadAhead ahead;
};

/* However the read ends: gives back its pins. */
static void
read_release(StrataHold *hold)
{
	struct StrataReadPrivate *p = (struct StrataReadPrivate *)hold;

	while (p->npages > 0)
		strata_pool_unpin(p->pages[--p->npages].id);
	while (p->npins > 0)
		strata_store_unref(p->pins[--p->npins]);
}

StrataRead *
strata_read_begin(Relation rel, Snapshot snapshot, BlockNumber nblocks, uint32 unit_blocks)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "strata read", ALLOCSET_SMALL_SIZES);
	MemoryContext before = MemoryContextSwitchTo(context);
	StrataRead *read = palloc0(sizeof(StrataRead));
	struct StrataReadPrivate *p = palloc0(sizeof(struct StrataReadPrivate));
	uint32 table_blocks;

	p->context = context;
	p->relid = RelationGetRelid(rel);
	p->relnumber = StrataRelNumber(rel);
	strata_hold(&p->hold, context, read_release);

	p->serializable = CheckForSerializableConflictOutNeeded(rel, snapshot);
	PredicateLockRelation(rel, snapshot);

	table_blocks = strata_store_unit_blocks(p->relid, p->relnumber);
	read->rel = rel;
	read->snapshot = snapshot;
	read->nblocks = nblocks != InvalidBlockNumber ? nblocks : RelationGetNumberOfBlocks(rel);
	read->unit_blocks = unit_blocks != 0	? unit_blocks
						: table_blocks != 0 ? table_blocks
											: READ_DEFAULT_UNIT_BLOCKS;
	read->nunits = (uint32)(((uint64)read->nblocks + read->unit_blocks - 1) / read->unit_blocks);
	read->priv = p;
	Assert(read->unit_blocks % 64 == 0 && read->unit_blocks <= STRATA_MAX_UNIT_BLOCKS);

	p->stored = table_blocks == read->unit_blocks;
	p->map = strata_map_begin(rel, read->nblocks);
	p->look = (StrataPageLook){.rel = rel,
							   .snapshot = snapshot,
							   .serializable = p->serializable,
							   .strategy = p->map->strategy,
							   .context = context};
	p->room = 4;
	p->pins = palloc(p->room * sizeof(StrataUnit *));
	p->page_room = 16;
	p->pages = palloc(p->page_room * sizeof(ReadPage));
	MemoryContextSwitchTo(before);
	return read;
}

void
strata_read_end(StrataRead *read)
{
	/* The context's callback gives back what is still pinned. */
	MemoryContextDelete(read->priv->context);
}

/* Every block of the work item from the heap. */
static void
read_all_heap(StrataFresh *fresh)
{
	fresh->nheap = fresh->nblocks;
	fresh->nrest = fresh->nstale = 0;
	fresh->rows = NULL;
	fresh->rest_unit = NULL;
	fresh->changes = 0;
	for (uint32 b = 0; b < fresh->nblocks; b += 64)
	{
		fresh->heap[b / 64] = strata_low_mask(fresh->nblocks - b);
		fresh->rest[b / 64] = 0;
	}
}

/* Room for a bitmap of the unit's rows, good until the next call. */
static uint64 *
read_row_room(struct StrataReadPrivate *p, const StrataUnit *unit)
{
	uint32 words = strata_row_words(unit->nrows);

	if (words > p->row_room)
	{
		if (p->rows != NULL)
			pfree(p->rows);
		p->row_room = 0;
		p->rows = MemoryContextAlloc(p->context, words * sizeof(uint64));
		p->row_room = words;
	}
	return p->rows;
}

static void
read_clear_rows(uint64 *rows, uint32 first, uint32 end)
{
	for (uint32 w = first / 64; w * 64 < end; w++)
		rows[w] &= ~strata_range_mask(w, first, end);
}

static bool
read_rows_all(const uint64 *rows, uint32 first, uint32 end)
{
	for (uint32 w = first / 64; w * 64 < end; w++)
	{
		uint64 range = strata_range_mask(w, first, end);

		if ((rows[w] & range) != range)
			return false;
	}
	return true;
}

/*
 * Which of the unit's blocks and rows the snapshot sees.  What the map vouches for comes first and is free;
 * for the other copied blocks their pages are looked at.  Whether any row is seen.
 */
static bool
read_freshness(StrataRead *read, const StrataUnit *unit, StrataFresh *fresh)
{
	struct StrataReadPrivate *p = read->priv;
	const struct StrataUnitFresh *f = unit->fresh;
	uint64 usable[STRATA_UNIT_WORDS] = {0};
	uint64 ask[STRATA_UNIT_WORDS] = {0};
	uint64 holes[STRATA_UNIT_WORDS] = {0};
	uint32 words = Min(f->nwords, (fresh->nblocks + 63) / 64);
	const uint64 *rows = NULL;
	bool asked = false;

	strata_fresh_blocks(p->map, unit, fresh->nblocks, usable);
	if (p->serializable)
		strata_fresh_serializable(p->map, unit, usable);
	for (uint32 w = 0; w < words; w++)
	{
		ask[w] = f->copied[w] & ~usable[w] & strata_low_mask(fresh->nblocks - w * 64);
		asked |= ask[w] != 0;
	}
	if (asked)
	{
		rows = strata_pages_look(&p->look, unit, ask, fresh->rest, holes, read_row_room(p, unit));
		fresh->changes = p->look.changes;
		read->blocks_judged = p->look.njudged;
	}

	fresh->nheap = 0;
	for (uint32 w = 0; w * 64 < fresh->nblocks; w++)
	{
		uint64 in_range = strata_low_mask(fresh->nblocks - w * 64);
		uint64 copied = w < words ? f->copied[w] & in_range : 0;

		fresh->heap[w] = in_range & (~copied | ask[w]);
		fresh->nheap += pg_popcount64(fresh->heap[w]);
		fresh->nrest += pg_popcount64(fresh->rest[w]);
		fresh->nstale += pg_popcount64(ask[w] | fresh->rest[w]);
		for (uint64 left = ask[w]; left != 0; left &= left - 1)
		{
			uint32 b = w * 64 + pg_rightmost_one_pos64(left);

			Assert(rows == p->rows);
			read_clear_rows(p->rows, unit->block_row[b], unit->block_row[b + 1]);
			holes[w] |= UINT64CONST(1) << (b % 64);
		}
		if (holes[w] != 0)
			fresh->rows = rows;
	}
	if (fresh->nrest > 0)
		fresh->rest_unit = p->rest_unit = unit;
	return fresh->nheap < fresh->nblocks;
}

/* A pin that the read will give back. */
static StrataUnit *
read_pin(struct StrataReadPrivate *p, uint32 unit_blocks, uint32 u)
{
	StrataUnit *unit;

	/* Room first: between taking the reference and noting it nothing may throw. */
	if (p->npins == p->room)
	{
		p->room *= 2;
		p->pins = repalloc(p->pins, p->room * sizeof(StrataUnit *));
	}
	unit = strata_store_ref(p->relid, p->relnumber, unit_blocks, u);
	if (unit != NULL)
		p->pins[p->npins++] = unit;
	return unit;
}

static void
read_unpin_pages(struct StrataReadPrivate *p, const StrataUnit *unit)
{
	for (int i = p->npages; i-- > 0;)
		if (p->pages[i].unit == unit)
		{
			strata_pool_unpin(p->pages[i].id);
			p->pages[i] = p->pages[--p->npages];
		}
}

static void
read_unpin(struct StrataReadPrivate *p, const StrataUnit *unit)
{
	read_unpin_pages(p, unit);
	for (int i = p->npins; i-- > 0;)
		if (p->pins[i] == unit)
		{
			p->pins[i] = p->pins[--p->npins];
			strata_store_unref((StrataUnit *)unit);
			return;
		}
	elog(ERROR, "unit %u is not pinned by this read", unit->unitno);
}

/*
 * May a reader that sees nblocks blocks of the unit's range use it at all?  Not when the unit has rows past
 * them (VACUUM cut the heap short, or the heap grew after a parallel leader looked): the rows have no bit to
 * be masked by.  Not when the snapshot is so old that vacuum may have removed rows it should see.
 */
static bool
read_unit_usable(const StrataUnit *unit, uint32 nblocks, Snapshot snapshot)
{
	if (unit->nblocks > nblocks && unit->block_row[nblocks] != unit->block_row[unit->nblocks])
		return false;
	return !StrataSnapshotPredates(snapshot, unit->fresh->newest_lsn);
}

/* ---- looking ahead ---- */

void
strata_read_ahead(StrataRead *read, int ncols, StrataReadAhead columns, void *arg, pg_atomic_uint32 *asked)
{
	struct StrataReadPrivate *p = read->priv;
	ReadAhead *a = &p->ahead;

	if (!p->stored || ncols == 0)
		return;
	if (a->cols == NULL)
	{
		a->prefetch = strata_prefetch_begin(p->context);
		a->cols = MemoryContextAlloc(p->context, ncols * sizeof(StrataUnitColumn *));
		a->ncols = ncols;
	}
	Assert(ncols == a->ncols);
	a->columns = columns;
	a->arg = arg;
	a->shared = asked;
	a->last = -1;
}

/* Raises what the participants have asked for to unit u.  False: somebody was there before. */
static bool
read_claim_ahead(pg_atomic_uint32 *asked, uint32 u)
{
	uint32 last = pg_atomic_read_u32(asked);

	while (last < u)
		if (pg_atomic_compare_exchange_u32(asked, &last, u))
			return true;
	return false;
}

/* Asks for the pages of a unit ahead that the scan will want. */
static void
read_ask(StrataRead *read, uint32 u)
{
	struct StrataReadPrivate *p = read->priv;
	ReadAhead *a = &p->ahead;
	StrataUnit *unit = read_pin(p, read->unit_blocks, u);
	StrataPageId ids[STRATA_PREFETCH_MAX];
	uint32 before = STRATA_COLUMN_NO_PAGE;
	int ncols = unit == NULL ? 0 : a->columns(a->arg, unit, a->cols);
	int npages = 0;

	for (int c = 0; c < ncols && npages < lengthof(ids); c++)
	{
		uint32 page = a->cols[c]->page;

		/* Columns that share a page are mostly neighbours. */
		if (page != STRATA_COLUMN_NO_PAGE && page != before)
			ids[npages++] = unit->pages[page];
		before = page;
	}
	if (npages == 0)
		strata_prefetch_nothing_at(a->prefetch, u);
	else
	{
		strata_prefetch_pages_each(a->prefetch, npages);
		strata_prefetch_queue(ids, npages);
	}
	if (unit != NULL)
		read_unpin(p, unit);
}

/*
 * The scan has come to unit u: asks for what comes next.  A participant of a parallel scan comes to every few
 * units only, but all together walk over all of them; so it tells the units in between as well.
 */
static void
read_look_ahead(StrataRead *read, uint32 u)
{
	ReadAhead *a = &read->priv->ahead;
	int64 from = a->shared != NULL && a->last >= 0 && a->last < u ? a->last + 1 : u;

	if (a->prefetch == NULL)
		return;
	a->last = u;
	for (int64 at = Max(from, (int64)u - STRATA_PREFETCH_MAX); at <= u; at++)
	{
		int64 next[STRATA_PREFETCH_MAX];
		int n = strata_prefetch_next(a->prefetch, at, next, lengthof(next));

		for (int i = 0; i < n; i++)
			if (next[i] < 0 || next[i] >= read->nunits)
				strata_prefetch_nothing_at(a->prefetch, next[i]);
			else if (a->shared == NULL || (next[i] > u && read_claim_ahead(a->shared, (uint32)next[i])))
				read_ask(read, (uint32)next[i]);
	}
}

const StrataUnit *
strata_read_unit(StrataRead *read, uint32 u, StrataFresh *fresh, const StrataRowsLeft *remembered)
{
	struct StrataReadPrivate *p = read->priv;
	StrataUnitId id;
	StrataUnit *unit;

	Assert(u < read->nunits);
	if (p->rest_unit != NULL)
	{
		read_unpin(p, p->rest_unit);
		p->rest_unit = NULL;
	}
	fresh->nblocks = Min(read->unit_blocks, read->nblocks - u * read->unit_blocks);
	read_all_heap(fresh);
	if (!p->stored)
		return NULL;
	read_look_ahead(read, u);
	unit = read_pin(p, read->unit_blocks, u);
	if (unit == NULL)
		return NULL;
	if (!read_unit_usable(unit, fresh->nblocks, read->snapshot))
	{
		read_unpin(p, unit);
		return NULL;
	}

	id = strata_unit_id(unit);
	p->look.remembered =
		remembered != NULL && remembered->changes != 0 && strata_unit_id_equal(&remembered->unit, &id)
			? remembered
			: NULL;
	if (!read_freshness(read, unit, fresh))
	{
		strata_store_note_stale(unit, fresh->nstale);
		read_unpin(p, unit);
		return NULL;
	}
	strata_store_note_stale(unit, fresh->nstale);
	return unit;
}

void
strata_read_unit_done(StrataRead *read, const StrataUnit *unit)
{
	if (unit == NULL)
		return;
	if (unit == read->priv->rest_unit)
		read_unpin_pages(read->priv, unit);
	else
		read_unpin(read->priv, unit);
}

/* ---- rows that the executor remembers ---- */

bool
strata_read_may_remember(const StrataRead *read)
{
	return read->priv->stored && !read->priv->serializable && !StrataOldSnapshotsExpire() &&
		   RelationNeedsWAL(read->rel) && TransactionIdIsNormal(read->snapshot->xmin);
}

uint64
strata_read_xmin(const StrataRead *read)
{
	return strata_pages_full_xid(read->snapshot->xmin, ReadNextFullTransactionId());
}

bool
strata_read_lsn_is(StrataRead *read, BlockNumber block, Buffer *buffer, XLogRecPtr lsn)
{
	XLogRecPtr now;

	if (!strata_pages_peek_lsn(read->rel, block, *buffer, &now))
	{
		CHECK_FOR_INTERRUPTS();
		*buffer = ReadBufferExtended(read->rel, MAIN_FORKNUM, block, RBM_NORMAL, read->priv->map->strategy);
		LockBuffer(*buffer, BUFFER_LOCK_SHARE);
		now = BufferGetLSNAtomic(*buffer);
		UnlockReleaseBuffer(*buffer);
	}
	return now == lsn;
}

StrataUnitId
strata_unit_id(const StrataUnit *unit)
{
	return (StrataUnitId){unit->generation, unit->fresh->insert_pos, unit->fresh->copied_at};
}

/* ---- pages ---- */

/* Counts what pinning a page of the unit at hand will take, going by the tier it is in a moment before. */
static void
read_count_pin(StrataRead *read, StrataPageId id)
{
	StrataTier tier;
	Size memory;

	read->pages_pinned++;
	if (!strata_pool_where(id, &tier, &memory))
		return;
	strata_prefetch_outcome(read->priv->ahead.prefetch, tier == STRATA_TIER_HOT);
	if (tier == STRATA_TIER_COLD)
		read->pages_read++;
	else if (tier == STRATA_TIER_WARM)
		read->pages_decompressed++;
}

const StrataSegment *
strata_read_segment(StrataRead *read, const StrataUnit *unit, const StrataUnitColumn *col,
					StrataPinResult *result)
{
	struct StrataReadPrivate *p = read->priv;
	const char *image;
	StrataPageId id;

	*result = STRATA_PIN_OK;
	if (col->page == STRATA_COLUMN_NO_PAGE)
		return col->zone;
	id = unit->pages[col->page];
	for (int i = p->npages; i-- > 0;)
		if (p->pages[i].id == id)
			return (const StrataSegment *)(p->pages[i].image + col->offset);

	/* Room first: between pinning and noting it nothing may throw. */
	if (p->npages == p->page_room)
	{
		p->page_room *= 2;
		p->pages = repalloc(p->pages, p->page_room * sizeof(ReadPage));
	}
	read_count_pin(read, id);
	image = strata_pool_pin(id, result);
	if (image == NULL)
	{
		if (*result != STRATA_PIN_NO_MEMORY)
		{
			*result = STRATA_PIN_LOST;
			strata_store_lose_unit((StrataUnit *)unit);
		}
		return NULL;
	}
	p->pages[p->npages++] = (ReadPage){unit, id, image};
	return (const StrataSegment *)(image + col->offset);
}

/* ---- columns ---- */

const StrataUnitColumn *
strata_unit_column(const StrataUnit *unit, TupleDesc desc, AttrNumber attnum)
{
	Form_pg_attribute att = TupleDescAttr(desc, attnum - 1);
	uint32 low = 0, high = unit->ncols;

	while (low < high)
	{
		uint32 mid = (low + high) / 2;
		const StrataUnitColumn *col = &unit->cols[mid];

		if (col->attnum == attnum)
			return col->type == att->atttypid && col->typmod == att->atttypmod &&
						   col->collation == att->attcollation
					   ? col
					   : NULL;
		if (col->attnum < attnum)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* ---- pins outside scans ---- */

struct StrataUnitPin
{
	StrataHold hold;
	MemoryContext context;
	StrataUnit *unit;
};

static void
pin_release(StrataHold *hold)
{
	strata_store_unref(((StrataUnitPin *)hold)->unit);
}

StrataUnitPin *
strata_store_pin(Oid relid, uint32 unitno, const StrataUnit **unit)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "strata pin", ALLOCSET_SMALL_SIZES);
	StrataUnitPin *pin = MemoryContextAlloc(context, sizeof(StrataUnitPin));
	StrataTableStat stat;

	pin->context = context;
	*unit = pin->unit = strata_store_table(MyDatabaseId, relid, &stat)
							? strata_store_ref(relid, stat.relnumber, stat.unit_blocks, unitno)
							: NULL;
	if (pin->unit == NULL)
	{
		MemoryContextDelete(context);
		return NULL;
	}
	strata_hold(&pin->hold, context, pin_release);
	return pin;
}

void
strata_store_unpin(StrataUnitPin *pin)
{
	MemoryContextDelete(pin->context);
}

/* ---- how stale ---- */

/* Blocks that are looked at, of those that only their pages tell of, to estimate what copying a unit would
 * gain. */
#define STALENESS_SAMPLES 8

void
strata_read_staleness(StrataRead *read, uint32 u, TransactionId horizon, uint32 samples,
					  StrataUnitStaleness *s)
{
	StrataMapCopy *map = read->priv->map;
	StrataFresh fresh;
	uint64 visible[STRATA_UNIT_WORDS] = {0};
	uint64 doubt[STRATA_UNIT_WORDS] = {0}; /* neither fresh, nor known to be copied next time */
	const StrataUnit *unit = strata_read_unit(read, u, &fresh, NULL);
	uint32 ndoubt = 0, nseen = 0, nsettled = 0, nth = 0;

	strata_map_bits(map, u * read->unit_blocks, fresh.nblocks, visible);
	s->nblocks = fresh.nblocks;
	s->stale = unit != NULL ? 0 : fresh.nstale;
	s->missing = fresh.nblocks - s->stale;
	s->age_ms = unit != NULL ? TimestampDifferenceMilliseconds(unit->fresh->copied_at, GetCurrentTimestamp())
							 : PG_INT64_MAX;
	s->gain = 0;
	for (uint32 w = 0; w * 64 < fresh.nblocks; w++)
	{
		uint64 copied = unit != NULL && w < unit->fresh->nwords ? unit->fresh->copied[w] : 0;
		uint64 partly = 0;

		copied &= strata_low_mask(fresh.nblocks - w * 64);
		for (uint64 left = fresh.rows == NULL ? 0 : copied & ~fresh.heap[w]; left != 0; left &= left - 1)
		{
			uint32 b = w * 64 + pg_rightmost_one_pos64(left);

			if (!read_rows_all(fresh.rows, unit->block_row[b], unit->block_row[b + 1]))
				partly |= UINT64CONST(1) << (b % 64);
		}
		partly |= fresh.heap[w] | fresh.rest[w];
		s->missing -= pg_popcount64(copied);
		s->stale += pg_popcount64(copied & partly);
		s->gain += pg_popcount64(visible[w] & partly);
		doubt[w] = partly & ~visible[w];
		ndoubt += pg_popcount64(doubt[w]);
	}
	s->fresh = s->nblocks - s->stale - s->missing;
	for (uint32 w = 0; w * 64 < fresh.nblocks; w++)
		for (uint64 left = doubt[w]; left != 0; left &= left - 1, nth++)
		{
			/* Evenly over the unit. */
			if ((uint64)nth * samples / ndoubt < nseen && samples < ndoubt)
				continue;
			nseen++;
			if (strata_pages_settled(read->rel, u * read->unit_blocks + w * 64 + pg_rightmost_one_pos64(left),
									 horizon, map->strategy))
				nsettled++;
		}
	if (nseen > 0)
		s->gain += (uint64)ndoubt * nsettled / nseen;
	strata_read_unit_done(read, unit);
}

StrataUnitStaleness *
strata_store_staleness(Relation rel, uint32 *nunits)
{
	StrataRead *read;
	StrataUnitStaleness *out;
	StrataTableStat stat;
	TransactionId horizon;
	uint32 unit_blocks = 0;
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());

	/* A prepared table without units has a unit size too. */
	if (strata_store_table(MyDatabaseId, RelationGetRelid(rel), &stat) &&
		stat.relnumber == StrataRelNumber(rel))
		unit_blocks = stat.unit_blocks;
	read = strata_read_begin(rel, snapshot, InvalidBlockNumber, unit_blocks);
	out = palloc0(Max(read->nunits, 1) * sizeof(StrataUnitStaleness));
	*nunits = read->nunits;
	horizon = GetOldestNonRemovableTransactionId(rel);
	for (uint32 u = 0; u < read->nunits; u++)
		strata_read_staleness(read, u, horizon, STALENESS_SAMPLES, &out[u]);
	strata_read_end(read);
	UnregisterSnapshot(snapshot);
	return out;
}

/* From the end: a scan that runs at the same time begins at the other, and has only half of it to do. */
void
strata_store_look(Relation rel)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	StrataRead *read = strata_read_begin(rel, snapshot, InvalidBlockNumber, 0);
	StrataFresh fresh;

	for (uint32 u = read->nunits; u-- > 0;)
	{
		CHECK_FOR_INTERRUPTS();
		strata_read_unit_done(read, strata_read_unit(read, u, &fresh, NULL));
	}
	strata_read_end(read);
	UnregisterSnapshot(snapshot);
}
