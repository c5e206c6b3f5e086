/*
 * heap.c - reading the heap block by block, as a sequential scan does.
 *
 * The same steps as heapgetpage() in PostgreSQL's heapam.c, which cannot be called for a block of one's
 * choice: prune if it looks worth it (a page that a unit has no part in), then under a share lock decide for
 * every tuple whether the snapshot sees it and let serializable transactions know, then keep the pin alone.
 * The pin keeps tuples in place.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/relscan.h"
#include "access/transam.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "column/column_internal.h"

struct StrataHeapRead
{
	Relation rel;
	Snapshot snapshot;
	BufferAccessStrategy strategy;
	bool settle;
	FullTransactionId next; /* settle: read after the snapshot was taken */
	StrataHeapPage page;
};

/* Snapshot must be an MVCC one. */
StrataHeapRead *
strata_heap_begin(Relation rel, Snapshot snapshot)
{
	StrataHeapRead *h = palloc(sizeof(StrataHeapRead));

	Assert(IsMVCCSnapshot(snapshot));
	h->rel = rel;
	h->snapshot = snapshot;
	h->strategy = NULL;
	h->settle = false;
	if (RelationGetNumberOfBlocks(rel) > (BlockNumber)NBuffers / 4)
		h->strategy = GetAccessStrategy(BAS_BULKREAD);
	h->page.buffer = InvalidBuffer;
	h->page.ntuples = 0;
	pgstat_count_heap_scan(rel);
	return h;
}

void
strata_heap_settle(StrataHeapRead *h)
{
	h->settle = true;
	h->next = ReadNextFullTransactionId();
}

/* Lets go of the page of the last call. */
static void
heap_release_page(StrataHeapRead *h)
{
	if (BufferIsValid(h->page.buffer))
		ReleaseBuffer(h->page.buffer);
	h->page.buffer = InvalidBuffer;
	h->page.ntuples = 0;
}

/*
 * What nearly all tuples are, told without a call: hints say that the inserter committed and that nobody deleted it,
 * and either it is frozen or the snapshot is younger than all who were running with it.
 */
static inline bool
heap_plainly_visible(HeapTupleHeader tuple, Snapshot snapshot)
{
	uint16 mask = tuple->t_infomask;

	if ((mask & (HEAP_XMIN_COMMITTED | HEAP_XMAX_INVALID)) != (HEAP_XMIN_COMMITTED | HEAP_XMAX_INVALID))
		return false;
	return (mask & HEAP_XMIN_FROZEN) == HEAP_XMIN_FROZEN ||
		   TransactionIdPrecedes(HeapTupleHeaderGetRawXmin(tuple), snapshot->xmin);
}

/*
 * Does every snapshot whose xmin is not older than this one's see of the tuple what this one sees?  Only if all who made
 * it what it is are older than that, and so over, whether a hint says how or not.  They are noted in *newest.
 */
static inline bool
heap_tuple_settled(HeapTupleHeader tuple, Snapshot snapshot, TransactionId *newest)
{
	uint16 mask = tuple->t_infomask;
	TransactionId xids[2];
	int n = 0;

	if (mask & HEAP_MOVED)
		return false;
	if (HeapTupleHeaderXminInvalid(tuple))
		return true;
	if (!HeapTupleHeaderXminFrozen(tuple))
		xids[n++] = HeapTupleHeaderGetRawXmin(tuple);
	if (!(mask & HEAP_XMAX_INVALID) && !HEAP_XMAX_IS_LOCKED_ONLY(mask))
	{
		if (mask & HEAP_XMAX_IS_MULTI)
			return false;
		xids[n++] = HeapTupleHeaderGetRawXmax(tuple);
	}
	while (n-- > 0)
	{
		if (!TransactionIdIsNormal(xids[n]))
			continue;
		if (!TransactionIdPrecedes(xids[n], snapshot->xmin))
			return false;
		if (!TransactionIdIsValid(*newest) || TransactionIdPrecedes(*newest, xids[n]))
			*newest = xids[n];
	}
	return true;
}

/* With the buffer share-locked: the tuples that the snapshot sees, but for the lines in `skip` (NULL: none).
 */
static int
heap_visible_tuples(StrataHeapRead *h, BlockNumber block, const uint64 *skip)
{
	Buffer buffer = h->page.buffer;
	Page page = BufferGetPage(buffer);
	int ntuples = 0;
	OffsetNumber lines = PageGetMaxOffsetNumber(page);
	/* The page flag is no proof for a snapshot taken in recovery (see heapgetpage). */
	bool all_visible = PageIsAllVisible(page) && !h->snapshot->takenDuringRecovery;

	bool settled = h->settle;
	TransactionId newest = InvalidTransactionId;
	bool serializable = CheckForSerializableConflictOutNeeded(h->rel, h->snapshot);

	StrataTestForOldSnapshot(h->snapshot, h->rel, page);
	for (OffsetNumber line = FirstOffsetNumber; line <= lines; line++)
	{
		ItemId item = PageGetItemId(page, line);
		HeapTupleData tuple;
		bool visible;

		if (!ItemIdIsNormal(item) || (skip != NULL && (skip[(line - 1) / 64] >> ((line - 1) % 64) & 1)))
			continue;
		tuple.t_tableOid = RelationGetRelid(h->rel);
		tuple.t_data = (HeapTupleHeader)PageGetItem(page, item);
		tuple.t_len = ItemIdGetLength(item);
		ItemPointerSet(&tuple.t_self, block, line);

		visible = all_visible || heap_plainly_visible(tuple.t_data, h->snapshot) ||
				  HeapTupleSatisfiesVisibility(&tuple, h->snapshot, buffer);
		if (serializable)
			HeapCheckForSerializableConflictOut(visible, h->rel, &tuple, buffer, h->snapshot);
		settled = settled && heap_tuple_settled(tuple.t_data, h->snapshot, &newest);
		if (visible)
			h->page.tuples[ntuples++] = tuple;
	}
	/* Hint bits that were just set may have moved it. */
	h->page.lsn = settled ? BufferGetLSNAtomic(buffer) : InvalidXLogRecPtr;
	h->page.settled = TransactionIdIsValid(newest) ? strata_pages_full_xid(newest, h->next) + 1 : 0;
	/* In the counter of a heap, what pgstat_count_heap_getnext() adds one to. */
	pgstat_count_index_tuples(h->rel, ntuples);
	return ntuples;
}

/* The page that is pinned, but for the lines in `skip`. */
static StrataHeapPage *
heap_look(StrataHeapRead *h, BlockNumber block, const uint64 *skip)
{
	LockBuffer(h->page.buffer, BUFFER_LOCK_SHARE);
	h->page.ntuples = heap_visible_tuples(h, block, skip);
	LockBuffer(h->page.buffer, BUFFER_LOCK_UNLOCK);
	return &h->page;
}

StrataHeapPage *
strata_heap_block(StrataHeapRead *h, BlockNumber block)
{
	CHECK_FOR_INTERRUPTS();
	heap_release_page(h);
	h->page.buffer = ReadBufferExtended(h->rel, MAIN_FORKNUM, block, RBM_NORMAL, h->strategy);
	heap_page_prune_opt(h->rel, h->page.buffer);
	return heap_look(h, block, NULL);
}

/*
 * The tuples of the rows that the unit answers for are left out.  They are where they were when that was
 * found, since the snapshot sees them and so nobody takes them away.
 *
 * Such a page is not pruned: it would not be as it was just found any more, and everybody would have to judge
 * it again. That is left to those who change it, who prune before, and to VACUUM.
 */
StrataHeapPage *
strata_heap_item(StrataHeapRead *h, BlockNumber first, const StrataFresh *fresh, uint32 b)
{
	const StrataUnit *unit = fresh->rest_unit;
	uint64 lines[STRATA_LINE_WORDS];

	if (fresh->heap[b / 64] >> (b % 64) & 1)
		return strata_heap_block(h, first + b);
	Assert(fresh->rest[b / 64] >> (b % 64) & 1);
	CHECK_FOR_INTERRUPTS();
	heap_release_page(h);
	strata_pages_ahead(unit, fresh->rest, Min(unit->nblocks, fresh->nblocks), b);
	h->page.buffer = strata_pages_pin(h->rel, unit, b, h->strategy);
	strata_pages_lines(unit, b, fresh->rows, lines);
	return heap_look(h, first + b, lines);
}

void
strata_heap_end(StrataHeapRead *h)
{
	heap_release_page(h);
	pfree(h);
}
