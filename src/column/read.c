/*
 * read.c - one scan's view of a table: which units it may use, and which blocks it must read from the heap.
 *
 * The order in strata_read_begin() and strata_read_unit() is part of the argument in freshness.c: the
 * snapshot is the caller's and comes first; then the predicate lock of a serializable transaction, then the
 * heap's size and, page by page when first needed, the visibility map; units are pinned last.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "column/column_internal.h"

/* Work items of a table that has no units: only their size matters, for parallel scans. */
#define READ_DEFAULT_UNIT_BLOCKS 512

struct StrataReadPrivate
{
	StrataHold hold; /* of the pins */
	MemoryContext context;
	Oid relid;
	Oid relnumber;
	bool stored;	   /* had units of this relfilenode and unit size at begin */
	bool serializable; /* predicate lock taken; freshness needs the page locks */
	StrataMapCopy *map;
	int npins;
	int room;
	StrataUnit **pins;
};

/* However the read ends: gives back its pins. */
static void
read_release(StrataHold *hold)
{
	struct StrataReadPrivate *p = (struct StrataReadPrivate *)hold;

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
	p->room = 4;
	p->pins = palloc(p->room * sizeof(StrataUnit *));
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
	fresh->nstale = 0;
	for (uint32 b = 0; b < fresh->nblocks; b += 64)
		fresh->heap[b / 64] = strata_low_mask(fresh->nblocks - b);
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
read_unpin(struct StrataReadPrivate *p, const StrataUnit *unit)
{
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

const StrataUnit *
strata_read_unit(StrataRead *read, uint32 u, StrataFresh *fresh)
{
	struct StrataReadPrivate *p = read->priv;
	StrataUnit *unit;
	uint64 usable[STRATA_UNIT_WORDS] = {0};
	uint32 nfresh = 0;

	Assert(u < read->nunits);
	fresh->nblocks = Min(read->unit_blocks, read->nblocks - u * read->unit_blocks);
	read_all_heap(fresh);
	if (!p->stored)
		return NULL;
	unit = read_pin(p, read->unit_blocks, u);
	if (unit == NULL)
		return NULL;
	if (!read_unit_usable(unit, fresh->nblocks, read->snapshot))
	{
		read_unpin(p, unit);
		return NULL;
	}

	strata_fresh_blocks(p->map, unit, fresh->nblocks, usable);
	if (p->serializable)
		strata_fresh_serializable(p->map, unit, usable);
	for (uint32 w = 0; w * 64 < fresh->nblocks; w++)
	{
		uint64 in_range = strata_low_mask(fresh->nblocks - w * 64);

		usable[w] &= in_range;
		fresh->heap[w] = in_range & ~usable[w];
		nfresh += pg_popcount64(usable[w]);
		if (w < unit->fresh->nwords)
			fresh->nstale += pg_popcount64(unit->fresh->copied[w] & in_range & ~usable[w]);
	}
	fresh->nheap = fresh->nblocks - nfresh;
	strata_store_note_stale(unit, fresh->nstale);
	if (nfresh == 0)
	{
		read_unpin(p, unit);
		return NULL;
	}
	return unit;
}

void
strata_read_unit_done(StrataRead *read, const StrataUnit *unit)
{
	if (unit != NULL)
		read_unpin(read->priv, unit);
}

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

StrataUnitStaleness *
strata_store_staleness(Relation rel, uint32 *nunits)
{
	StrataRead *read;
	StrataUnitStaleness *out;
	StrataFresh *fresh = palloc(sizeof(StrataFresh));
	StrataTableStat stat;
	uint32 unit_blocks = 0;
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());

	/* A prepared table without units has a unit size too. */
	if (strata_store_table(MyDatabaseId, RelationGetRelid(rel), &stat) &&
		stat.relnumber == StrataRelNumber(rel))
		unit_blocks = stat.unit_blocks;
	read = strata_read_begin(rel, snapshot, InvalidBlockNumber, unit_blocks);
	out = palloc0(Max(read->nunits, 1) * sizeof(StrataUnitStaleness));
	*nunits = read->nunits;
	for (uint32 u = 0; u < read->nunits; u++)
	{
		StrataUnitStaleness *s = &out[u];
		uint64 visible[STRATA_UNIT_WORDS] = {0};
		const StrataUnit *unit = strata_read_unit(read, u, fresh);

		strata_map_bits(read->priv->map, u * read->unit_blocks, fresh->nblocks, visible);
		s->nblocks = fresh->nblocks;
		s->fresh = fresh->nblocks - fresh->nheap;
		s->stale = fresh->nstale;
		s->missing = fresh->nheap - fresh->nstale;
		for (uint32 w = 0; w * 64 < fresh->nblocks; w++)
			s->gain += pg_popcount64(visible[w] & fresh->heap[w]);
		strata_read_unit_done(read, unit);
	}
	strata_read_end(read);
	UnregisterSnapshot(snapshot);
	pfree(fresh);
	return out;
}
