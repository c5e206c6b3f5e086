/*
 * pages.c - single heap pages against a unit: which rows of a block a snapshot sees when the visibility map
 * does not vouch for it.
 *
 * Why what is found here is right is told at the head of freshness.c; this file is how it is found.  Four
 * ways, each dearer than the one before:
 *
 * Nothing at all was written to WAL since somebody went the second or third way for the same blocks.
 *
 * The page's LSN is one for which the unit knows what the page holds.  The LSN is read from shared memory
 * without pinning the page (about 60 ns: two misses of cache and address translation), from the buffer where
 * it was last seen.
 *
 * The same, but the page has to be pinned for its LSN, as it is in another buffer or in none.
 *
 * The page is judged tuple by tuple under its share lock (about a microsecond).  When all changes on it are
 * settled, what was found is written into the unit, for this LSN, and the next reader goes the second way.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/predicate.h"
#include "storage/procarray.h"
#include "storage/s_lock.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "column/column_internal.h"

/* Bits of an LWLock's state that count its holders; the others are flags (lwlock.c). */
#define LOCK_HOLDERS 0x0fffffffu
/* Transaction ids compare by their lower 32 bits only while they are less than this apart. */
#define XID_SPAN (UINT64CONST(1) << 31)
/* How often a copy of what is known is tried again when somebody is just writing it, some 10 us. */
#define COPY_TRIES 100

/* ---- LSNs without pins ---- */

/* Does the buffer hold this page, read in and not about to be given up? */
static inline bool
peek_holds(BufferDesc *desc, const BufferTag *tag)
{
	uint32 state = pg_atomic_read_u32(&desc->state);

	return (state & (BM_VALID | BM_TAG_VALID | BM_LOCKED)) == (BM_VALID | BM_TAG_VALID) &&
		   StrataBufferTagsEqual(&desc->tag, tag);
}

static inline XLogRecPtr
peek_lsn_of(Page page)
{
	const volatile PageXLogRecPtr *lsn = &((PageHeader)page)->pd_lsn;
	PageXLogRecPtr copy;

	copy.xlogid = lsn->xlogid;
	copy.xrecoff = lsn->xrecoff;
	return PageXLogRecPtrGet(copy);
}

/*
 * The LSN is written in two halves, under the page's exclusive lock or, for a hint bit, the share lock.  So
 * it is read, then the lock is seen free, then the LSN is seen to be the same.  Had the first read fallen
 * between two halves of old LSN and new, whoever wrote them had let go of the lock by then, and the second
 * read is not before the new one; it could only be the same mixture if its upper half were that of the old
 * LSN and its lower half that of the new one, and then, since LSNs of a page only grow, both would be the new
 * LSN itself.
 *
 * The buffer's tag is looked at before and after.  For that to be fooled, the buffer would have to be given
 * to another page and back to this one, with both read in, while this function runs; and that other page
 * would have to have been last changed by the same WAL record as this one was.
 */
bool
strata_pages_peek_lsn(Relation rel, BlockNumber block, Buffer hint, XLogRecPtr *lsn)
{
	BufferDesc *desc;
	BufferTag tag;
	XLogRecPtr again;
	bool free;

	if (hint <= 0 || hint > NBuffers)
		return false;
	StrataInitBufferTag(&tag, rel, block);
	desc = GetBufferDescriptor(hint - 1);
	if (!peek_holds(desc, &tag))
		return false;
	pg_read_barrier();
	*lsn = peek_lsn_of(BufferGetPage(hint));
	pg_read_barrier();
	free = (pg_atomic_read_u32(&BufferDescriptorGetContentLock(desc)->state) & LOCK_HOLDERS) == 0;
	pg_read_barrier();
	again = peek_lsn_of(BufferGetPage(hint));
	pg_read_barrier();
	return free && again == *lsn && peek_holds(desc, &tag);
}

/* ---- asking memory ahead ---- */

/*
 * Pages that are looked at one after the other lie in memory that no cache has, and each is three misses
 * deep: header, line pointers, tuples.  So while one is looked at, others further on are asked for as far as
 * the answers that are there by then allow.  All of this reads pages without pin or lock, and follows what it
 * reads only to know what to ask for.
 */
#define AHEAD_HEADER 32 /* blocks */
#define AHEAD_LINES	 16
#define AHEAD_TUPLES 4
#define AHEAD_BYTES	 64 /* that memory hands over at a time */

/* Where the page of block b was last seen. */
static inline Buffer
ahead_buffer(const StrataUnit *unit, uint32 b)
{
	Buffer hint = pg_atomic_read_u32(&unit->fresh->pages.buffer[b]);

	return hint > 0 && hint <= NBuffers ? hint : InvalidBuffer;
}

/* That page; NULL also when it seems to be at the LSN for which it is known: then nobody will want more of
 * it. */
static inline Page
ahead_page(const StrataUnit *unit, uint32 b, XLogRecPtr known)
{
	Buffer buffer = ahead_buffer(unit, b);

	if (!BufferIsValid(buffer) || (known != InvalidXLogRecPtr && peek_lsn_of(BufferGetPage(buffer)) == known))
		return NULL;
	return BufferGetPage(buffer);
}

static inline void
ahead_header(const StrataUnit *unit, uint32 b)
{
	Buffer buffer = ahead_buffer(unit, b);

	if (!BufferIsValid(buffer))
		return;
	__builtin_prefetch(GetBufferDescriptor(buffer - 1));
	__builtin_prefetch(BufferGetPage(buffer));
}

/* Line pointers that the page seems to have. */
static inline uint32
ahead_nlines(Page page)
{
	uint32 lower = *(const volatile LocationIndex *)&((PageHeader)page)->pd_lower;

	if (lower < SizeOfPageHeaderData)
		return 0;
	return Min((lower - SizeOfPageHeaderData) / sizeof(ItemIdData), MaxHeapTuplesPerPage);
}

/* This reads the page: where a process has not mapped it yet, prefetches are dropped. */
static inline void
ahead_lines(Page page)
{
	Size end = page ? SizeOfPageHeaderData + ahead_nlines(page) * sizeof(ItemIdData) : 0;

	for (Size at = AHEAD_BYTES; at < end; at += AHEAD_BYTES)
		__builtin_prefetch(page + at);
}

static inline void
ahead_tuples(Page page)
{
	uint32 nlines = page ? ahead_nlines(page) : 0;

	for (uint32 i = 0; i < nlines; i++)
	{
		ItemIdData item = *(const volatile ItemIdData *)&((PageHeader)page)->pd_linp[i];

		if (ItemIdIsNormal(&item) && ItemIdGetOffset(&item) < BLCKSZ)
			__builtin_prefetch(page + ItemIdGetOffset(&item));
	}
}

void
strata_pages_ahead(const StrataUnit *unit, const uint64 *blocks, uint32 nblocks, uint32 b)
{
	uint32 next = strata_next_bit(blocks, nblocks, b + 1);
	Page page;

	if (next >= nblocks || (page = ahead_page(unit, next, InvalidXLogRecPtr)) == NULL)
		return;
	ahead_lines(page);
	/* What came last is what the unit does not have, most often. */
	__builtin_prefetch(page + *(const volatile LocationIndex *)&((PageHeader)page)->pd_upper % BLCKSZ);
	next = strata_next_bit(blocks, nblocks, next + 1);
	if (next < nblocks)
		ahead_header(unit, next);
}

/* ---- a page, tuple by tuple ---- */

uint64
strata_pages_full_xid(TransactionId xid, FullTransactionId next)
{
	uint32 epoch = EpochFromFullTransactionId(next);

	if (xid > XidFromFullTransactionId(next))
		epoch--;
	return U64FromFullTransactionId(FullTransactionIdFromEpochAndXid(epoch, xid));
}

/* What a reader needs to judge pages of one unit. */
typedef struct PageJudge
{
	const StrataPageLook *look;
	const StrataUnit *unit;
	TransactionId horizon;	/* the unit's */
	FullTransactionId next; /* read after the snapshot was taken */
	uint64 xmin;			/* of the snapshot, in full */
	uint64 *rows;
} PageJudge;

/* What was found on a page. */
typedef struct PageVerdict
{
	bool rest;	  /* the snapshot sees tuples that the unit does not hold */
	bool holes;	  /* it does not see all rows that the unit holds */
	bool settled; /* the same holds for all who see the end of transactions before the horizon, and of some of
				   * those from `low` to before `high`; but for the next: */
	bool may_rest; /* one of them may see tuples that the unit does not hold */
	uint64 low, high;
} PageVerdict;

/* It holds for those who see the end of transaction xid, which the snapshot knows of. */
static inline void
verdict_needs(const PageJudge *j, PageVerdict *v, TransactionId xid)
{
	uint64 full = strata_pages_full_xid(xid, j->next);

	if (full < j->unit->fresh->pages.horizon)
		return;
	v->low = v->high == 0 ? full : Min(v->low, full);
	v->high = Max(v->high, full + 1);
}

/* A row of the unit has an xmax that is not known to be invalid: is that settled? */
static void
verdict_row(const PageJudge *j, PageVerdict *v, HeapTupleHeader tuple, bool visible)
{
	uint16 mask = tuple->t_infomask;
	TransactionId xid;

	if ((mask & HEAP_XMAX_INVALID) || HEAP_XMAX_IS_LOCKED_ONLY(mask))
		return;
	xid = HeapTupleHeaderGetUpdateXid(tuple);
	if (visible)
		/* Nobody deleted it, or somebody who is not over for the snapshot; or went back, and no hint says so.
		 */
		v->settled = v->settled && (!TransactionIdIsNormal(xid) ||
									(!TransactionIdIsInProgress(xid) && !TransactionIdDidCommit(xid)));
	else if (!TransactionIdIsNormal(xid) || TransactionIdIsCurrentTransactionId(xid))
		v->settled = false;
	else
		verdict_needs(j, v, xid);
}

/* A tuple that the unit does not hold. */
static void
verdict_other(const PageJudge *j, PageVerdict *v, HeapTupleHeader tuple, bool visible)
{
	uint16 mask = tuple->t_infomask;
	TransactionId xmax = HeapTupleHeaderGetRawXmax(tuple);

	if (visible)
	{
		v->rest = v->may_rest = true;
		return;
	}
	if (HeapTupleHeaderXminInvalid(tuple))
		return; /* rolled back */
	if ((mask & HEAP_XMAX_COMMITTED) && !(mask & HEAP_XMAX_IS_MULTI) && !HEAP_XMAX_IS_LOCKED_ONLY(mask) &&
		TransactionIdIsNormal(xmax) && TransactionIdPrecedes(xmax, j->look->snapshot->xmax))
		verdict_needs(j, v, xmax);
	else
		v->may_rest = true;
}

/* Where the line numbers of block b's rows are; NULL: they are 1, 2, 3 ... */
static inline const uint16 *
lines_of(const StrataUnit *unit, uint32 b)
{
	const StrataUnitPages *p = &unit->fresh->pages;

	return p->lines_at[b] == STRATA_LINES_DENSE ? NULL : p->lines + p->lines_at[b];
}

static inline void
row_clear(uint64 *rows, uint32 row)
{
	rows[row / 64] &= ~(UINT64CONST(1) << (row % 64));
}

/* With the buffer share-locked: takes the rows of block b that the snapshot does not see out of j->rows. */
static void
judge_page(const PageJudge *j, uint32 b, Buffer buffer, PageVerdict *v)
{
	const StrataPageLook *look = j->look;
	const uint16 *lines = lines_of(j->unit, b);
	Page page = BufferGetPage(buffer);
	OffsetNumber max = PageGetMaxOffsetNumber(page);
	/* The page flag is no proof for a snapshot taken in recovery (see heapgetpage). */
	bool all_visible = PageIsAllVisible(page) && !look->snapshot->takenDuringRecovery;
	uint32 row = j->unit->block_row[b], end = j->unit->block_row[b + 1];
	uint32 first = row;
	OffsetNumber next = row == end ? InvalidOffsetNumber : lines ? lines[0] : FirstOffsetNumber;

	*v = (PageVerdict){.settled = true};
	for (OffsetNumber line = FirstOffsetNumber; line <= max; line++)
	{
		ItemId item = PageGetItemId(page, line);
		bool held = line == next;
		uint32 this = row;
		HeapTupleData tuple;
		bool visible;

		if (held)
		{
			row++;
			next = row == end ? InvalidOffsetNumber : lines ? lines[row - first] : line + 1;
		}
		if (ItemIdIsNormal(item))
		{
			TransactionId xmin;

			tuple.t_data = (HeapTupleHeader)PageGetItem(page, item);
			xmin = HeapTupleHeaderGetRawXmin(tuple.t_data);
			if (held && TransactionIdIsNormal(xmin) && TransactionIdPrecedes(xmin, j->horizon))
			{
				/* Nobody's xmax is seen with xmin, and most often in one cache line; the mask may be in the
				 * next. */
				if (!look->serializable && (!TransactionIdIsValid(HeapTupleHeaderGetRawXmax(tuple.t_data)) ||
											(tuple.t_data->t_infomask & HEAP_XMAX_INVALID)))
					continue;
			}
			else if (held)
			{
				/* Another tuple has the line now. */
				row_clear(j->rows, this);
				v->holes = true;
				held = false;
			}
			tuple.t_tableOid = RelationGetRelid(look->rel);
			tuple.t_len = ItemIdGetLength(item);
			ItemPointerSet(&tuple.t_self, j->unit->first_block + b, line);
			visible = all_visible || HeapTupleSatisfiesVisibility(&tuple, look->snapshot, buffer);
			HeapCheckForSerializableConflictOut(visible, look->rel, &tuple, buffer, look->snapshot);
			if (held)
				verdict_row(j, v, tuple.t_data, visible);
			else
				verdict_other(j, v, tuple.t_data, visible);
			if (!held || visible)
				continue;
		}
		if (held)
		{
			row_clear(j->rows, this);
			v->holes = true;
		}
	}
	/* Lines that were cut off. */
	for (; row < end; row++)
	{
		row_clear(j->rows, row);
		v->holes = true;
	}
}

/* ---- what is known ---- */

/* A bit for each row, in whole vectors. */
static void
rows_all(uint64 *rows, uint32 nrows)
{
	memset(rows, 0xff, nrows / 64 * sizeof(uint64));
	for (uint32 w = nrows / 64; w < strata_row_words(nrows); w++)
		rows[w] = w * 64 < nrows ? strata_low_mask(nrows - w * 64) : 0;
}

/* A bit range of `to` taken from `from`. */
static inline void
rows_take_out(uint64 *rows, const uint64 *gone, uint32 first, uint32 end)
{
	for (uint32 w = first / 64; w * 64 < end; w++)
		rows[w] &= ~(gone[w] & strata_range_mask(w, first, end));
}

static inline void
rows_fill(uint64 *rows, uint32 first, uint32 end)
{
	for (uint32 w = first / 64; w * 64 < end; w++)
		rows[w] |= strata_range_mask(w, first, end);
}

/*
 * Words that others may be writing.  That one of them is seen half written does no harm, as the version has
 * moved then, and so all at once is allowed, which is eight times as fast.
 */
static inline void
words_copy(uint64 *to, pg_atomic_uint64 *from, uint32 n)
{
#ifdef PG_HAVE_ATOMIC_U64_SIMULATION
	for (uint32 w = 0; w < n; w++)
		to[w] = pg_atomic_read_u64(&from[w]);
#else
	StaticAssertStmt(sizeof(pg_atomic_uint64) == sizeof(uint64), "atomics are words");
	memcpy(to, (const void *)from, n * sizeof(uint64));
#endif
}

/* A StrataPageKnown as it was at one moment. */
typedef struct PageCopy
{
	XLogRecPtr lsn;
	uint64 base, low, high;
} PageCopy;

/* What is known of a unit's pages, as of one moment, with the look's array. */
typedef struct PagesKnown
{
	uint64 rest[STRATA_UNIT_WORDS];
	uint64 holes[STRATA_UNIT_WORDS];
	uint64 *gone; /* not set when they are remembered */
	uint64 changes;
	uint32 version;
} PagesKnown;

/* Do the holes of all blocks in `ask`, of which there are some, come to all of `gone`? */
static inline bool
known_all_holes(const PagesKnown *known, const uint64 *ask, uint32 nwords)
{
	uint64 asked = 0, others = 0;

	for (uint32 w = 0; w < nwords; w++)
	{
		asked |= known->holes[w] & ask[w];
		others |= known->holes[w] & ~ask[w];
	}
	return asked != 0 && others == 0;
}

/* Are the rows that are left of the unit, if all of `gone` is, at hand? */
static inline bool
known_remembered(const StrataPageLook *look, const PagesKnown *known)
{
	return look->remembered != NULL && look->remembered->changes == known->changes;
}

XLogRecPtr
strata_wal_position(void)
{
	return RecoveryInProgress() ? GetXLogReplayRecPtr(NULL) : GetXLogInsertRecPtr();
}

/*
 * WAL stands at `now`.  Was it there when what is known was found to be true of all blocks in `ask`?  Then it
 * is true still, and is copied into `known`.
 */
static bool
known_quiet(const PageJudge *j, const uint64 *ask, XLogRecPtr now, PagesKnown *known)
{
	StrataUnitPages *p = &j->unit->fresh->pages;
	uint32 nwords = j->unit->fresh->nwords;
	bool any = false;

	known->version = pg_atomic_read_u32(&p->version);
	if (known->version % 2 != 0)
		return false;
	pg_read_barrier();
	if (pg_atomic_read_u64(&p->quiet_pos) != now || pg_atomic_read_u64(&p->quiet_from) > j->xmin)
		return false;
	for (uint32 w = 0; w < nwords; w++)
	{
		if ((ask[w] & ~pg_atomic_read_u64(&p->quiet[w])) != 0)
			return false;
		known->rest[w] = pg_atomic_read_u64(&p->rest[w]);
		known->holes[w] = pg_atomic_read_u64(&p->holes[w]);
		any |= (known->holes[w] & ask[w]) != 0;
	}
	known->changes = pg_atomic_read_u64(&p->changes);
	if (any && !(known_remembered(j->look, known) && known_all_holes(known, ask, nwords)))
		words_copy(known->gone, p->gone, strata_row_words(j->unit->nrows));
	pg_read_barrier();
	return pg_atomic_read_u32(&p->version) == known->version;
}

/* With the version odd: what is known now is true of all blocks in `asked`, and WAL stood at `pos` before and
 * after that was found. */
static void
quiet_write(const StrataUnit *unit, const uint64 *asked, XLogRecPtr pos)
{
	StrataUnitPages *p = &unit->fresh->pages;
	uint64 from = p->horizon;

	for (uint32 w = 0; w < unit->fresh->nwords; w++)
	{
		pg_atomic_write_u64(&p->quiet[w], asked[w]);
		for (uint64 left = asked[w]; left != 0; left &= left - 1)
		{
			StrataPageKnown *k = &p->known[w * 64 + pg_rightmost_one_pos64(left)];

			from = Max(from, Max(pg_atomic_read_u64(&k->base), pg_atomic_read_u64(&k->high)));
		}
	}
	pg_atomic_write_u64(&p->quiet_from, from);
	pg_atomic_write_u64(&p->quiet_pos, pos);
}

/* What was copied as `known` was found true of all blocks in `asked`, and WAL stood at `pos` before and
 * after. */
static void
known_publish_quiet(const StrataUnit *unit, const uint64 *asked, const PagesKnown *known, XLogRecPtr pos)
{
	StrataUnitPages *p = &unit->fresh->pages;
	uint32 version = known->version;

	if (!pg_atomic_compare_exchange_u32(&p->version, &version, version + 1))
		return;
	quiet_write(unit, asked, pos);
	pg_memory_barrier();
	pg_atomic_write_u32(&p->version, version + 2);
}

/* Of the blocks in `ask`, into look->known and `known`.  False: somebody writes it all the time. */
static bool
known_copy(StrataPageLook *look, const StrataUnit *unit, const uint64 *ask, PagesKnown *known)
{
	StrataUnitPages *p = &unit->fresh->pages;

	for (int try = 0; try < COPY_TRIES; try++)
	{
		uint32 version = pg_atomic_read_u32(&p->version);
		bool any = false;

		if (version % 2 != 0)
		{
			SPIN_DELAY();
			continue;
		}
		pg_read_barrier();
		for (uint32 w = 0; w < unit->fresh->nwords; w++)
		{
			known->rest[w] = pg_atomic_read_u64(&p->rest[w]);
			known->holes[w] = pg_atomic_read_u64(&p->holes[w]);
			any |= (known->holes[w] & ask[w]) != 0;
			for (uint64 left = ask[w]; left != 0; left &= left - 1)
			{
				uint32 b = w * 64 + pg_rightmost_one_pos64(left);
				StrataPageKnown *k = &p->known[b];

				look->known[b] = (PageCopy){pg_atomic_read_u64(&k->lsn), pg_atomic_read_u64(&k->base),
											pg_atomic_read_u64(&k->low), pg_atomic_read_u64(&k->high)};
			}
		}
		known->changes = pg_atomic_read_u64(&p->changes);
		if (any)
			words_copy(known->gone, p->gone, strata_row_words(unit->nrows));
		pg_read_barrier();
		known->version = version;
		if (pg_atomic_read_u32(&p->version) == version)
			return true;
	}
	return false;
}

/* What became of a look. */
typedef struct LookResult
{
	bool use_known;	  /* what is known was copied */
	bool all_known;	  /* and is true of all blocks that were asked */
	bool all_settled; /* or what was found can be published */
	bool any_found;
	uint64 found[STRATA_UNIT_WORDS]; /* blocks that were judged, with something to publish */
	uint64 found_rest[STRATA_UNIT_WORDS];
} LookResult;

/* Is one of the ids, in full, from low to before high? */
static bool
any_between(const TransactionId *xids, int n, FullTransactionId next, uint64 low, uint64 high)
{
	for (int i = 0; i < n; i++)
	{
		uint64 xid = strata_pages_full_xid(xids[i], next);

		if (xid >= low && xid < high)
			return true;
	}
	return false;
}

/* Does the snapshot see the end of all transactions that a sentence names? */
static inline bool
known_for(const PageJudge *j, const PageCopy *k)
{
	Snapshot s = j->look->snapshot;

	if (k->base > j->xmin)
		return false;
	if (k->high <= j->xmin)
		return true;
	/* Somebody older is running.  Those that are named may be over all the same, if the snapshot lists all.
	 */
	return !s->suboverflowed && k->high <= strata_pages_full_xid(s->xmax, j->next) &&
		   !any_between(s->xip, s->xcnt, j->next, k->low, k->high) &&
		   !any_between(s->subxip, s->subxcnt, j->next, k->low, k->high);
}

/*
 * The transactions that block b's sentence names from now on: those that what was found needs, and those that
 * what is in `gone` already needs.
 */
static void
known_write(const PageJudge *j, StrataPageKnown *k, const PageCopy *found)
{
	uint64 base = pg_atomic_read_u64(&k->base);
	uint64 low = pg_atomic_read_u64(&k->low);
	uint64 high = pg_atomic_read_u64(&k->high);

	if (high <= j->xmin)
	{
		/* All that are older than this snapshot's oldest: one bound for what was, one pair for what is new.
		 */
		base = Max(base, high);
		low = found->low;
		high = found->high;
	}
	else if (found->high != 0)
	{
		low = Min(low, found->low);
		high = Max(high, found->high);
	}
	pg_atomic_write_u64(&k->base, base);
	pg_atomic_write_u64(&k->low, low);
	pg_atomic_write_u64(&k->high, high);
	pg_atomic_write_u64(&k->lsn, found->lsn);
}

/* Those of rows [first, end) that are not in `rows` are gone.  Returns whether there are any; *more: one was
 * not yet. */
static inline bool
gone_add(StrataUnitPages *p, const uint64 *rows, uint32 first, uint32 end, bool *more)
{
	bool any = false;

	for (uint32 w = first / 64; w * 64 < end; w++)
	{
		uint64 gone = ~rows[w] & strata_range_mask(w, first, end);
		uint64 before = pg_atomic_read_u64(&p->gone[w]);

		any |= gone != 0;
		if ((gone & ~before) == 0)
			continue;
		pg_atomic_write_u64(&p->gone[w], before | gone);
		*more = true;
	}
	return any;
}

/* With the version odd: what was found of the blocks in `found` becomes what is known.  Returns whether more
 * rows are gone. */
static bool
known_add(const PageJudge *j, const uint64 *found, const uint64 *rest)
{
	const StrataUnit *unit = j->unit;
	StrataUnitPages *p = &unit->fresh->pages;
	bool more_gone = false;

	for (uint32 w = 0; w < unit->fresh->nwords; w++)
	{
		uint64 holes = 0, done = 0;

		for (uint64 left = found[w]; left != 0; left &= left - 1)
		{
			uint64 one = left & -left;
			uint32 b = w * 64 + pg_rightmost_one_pos64(left);

			if (pg_atomic_read_u64(&p->known[b].lsn) > j->look->known[b].lsn)
				continue;
			if (gone_add(p, j->rows, unit->block_row[b], unit->block_row[b + 1], &more_gone))
				holes |= one;
			known_write(j, &p->known[b], &j->look->known[b]);
			done |= one;
		}
		if (done != 0)
		{
			pg_atomic_write_u64(&p->rest[w], (pg_atomic_read_u64(&p->rest[w]) & ~done) | (rest[w] & done));
			pg_atomic_write_u64(&p->holes[w], pg_atomic_read_u64(&p->holes[w]) | holes);
		}
	}
	return more_gone;
}

/* With the version odd: do the blocks in `asked` have all holes that there are, and some? */
static bool
unit_all_holes(const StrataUnit *unit, const uint64 *asked)
{
	PagesKnown now;

	for (uint32 w = 0; w < unit->fresh->nwords; w++)
		now.holes[w] = pg_atomic_read_u64(&unit->fresh->pages.holes[w]);
	return known_all_holes(&now, asked, unit->fresh->nwords);
}

/*
 * Writes what was found into the unit, unless somebody else is writing.  If that and what was copied as
 * `known` is true of all blocks in `asked`, and nobody has written in between, then what is known now is true
 * of all of them: the rows left have a number, and if WAL still stands at `pos`, the next one need not look.
 */
static void
known_publish(const PageJudge *j, StrataPageLook *look, const LookResult *r, const uint64 *asked,
			  const PagesKnown *known, XLogRecPtr pos)
{
	StrataUnitPages *p = &j->unit->fresh->pages;
	bool quiet = r->all_settled && strata_wal_position() == pos;
	uint32 version = pg_atomic_read_u32(&p->version);

	if (version % 2 != 0 || !pg_atomic_compare_exchange_u32(&p->version, &version, version + 1))
		return;
	pg_atomic_write_u64(&p->quiet_pos, InvalidXLogRecPtr);
	if (known_add(j, r->found, r->found_rest))
		pg_atomic_write_u64(&p->changes, pg_atomic_read_u64(&p->changes) + 1);
	if (r->all_settled && version == known->version)
	{
		if (unit_all_holes(j->unit, asked))
			look->changes = pg_atomic_read_u64(&p->changes);
		if (quiet)
			quiet_write(j->unit, asked, pos);
	}
	pg_memory_barrier();
	pg_atomic_write_u32(&p->version, version + 2);
}

/* ---- a unit ---- */

/*
 * May the snapshot be compared with what is kept of pages?  Its xmin must not be older than the horizon, and
 * transaction ids from the horizon on must be comparable.
 */
static bool
look_begin(const StrataPageLook *look, const StrataUnit *unit, PageJudge *j)
{
	uint64 horizon = unit->fresh->pages.horizon;

	/* Vacuum may take tuples that such a snapshot should see, and only the heap says so. */
	if (StrataOldSnapshotsExpire() || horizon == 0 || !TransactionIdIsNormal(look->snapshot->xmin))
		return false;
	j->look = look;
	j->unit = unit;
	j->horizon = (TransactionId)horizon;
	j->next = ReadNextFullTransactionId();
	j->xmin = strata_pages_full_xid(look->snapshot->xmin, j->next);
	return U64FromFullTransactionId(j->next) - horizon < XID_SPAN && j->xmin >= horizon;
}

Buffer
strata_pages_pin(Relation rel, const StrataUnit *unit, uint32 b, BufferAccessStrategy strategy)
{
	pg_atomic_uint32 *hint = &unit->fresh->pages.buffer[b];
	Buffer buffer = pg_atomic_read_u32(hint);

	if (buffer > 0 && buffer <= NBuffers && StrataReadRecentBuffer(rel, unit->first_block + b, buffer))
		return buffer;
	buffer = ReadBufferExtended(rel, MAIN_FORKNUM, unit->first_block + b, RBM_NORMAL, strategy);
	pg_atomic_write_u32(hint, buffer);
	return buffer;
}

/* The page of block b is not known to be as something that is known: is it, or else what is on it?  Returns
 * whether that may be published. */
static bool
look_at_page(const PageJudge *j, StrataPageLook *look, uint32 b, PageVerdict *v, bool *known)
{
	Buffer buffer;
	XLogRecPtr lsn;

	CHECK_FOR_INTERRUPTS();
	buffer = strata_pages_pin(look->rel, j->unit, b, look->strategy);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	*known = look->known[b].lsn != 0 && BufferGetLSNAtomic(buffer) == look->known[b].lsn;
	if (!*known)
	{
		rows_fill(j->rows, j->unit->block_row[b], j->unit->block_row[b + 1]);
		judge_page(j, b, buffer, v);
		look->njudged++;
	}
	/* After hint bits were set: that may have moved it. */
	lsn = BufferGetLSNAtomic(buffer);
	UnlockReleaseBuffer(buffer);
	if (*known)
		return false;
	look->known[b] = (PageCopy){.lsn = lsn, .low = v->low, .high = v->high};
	return v->settled && !XLogRecPtrIsInvalid(lsn);
}

static inline bool
look_at_lsn(const StrataPageLook *look, const StrataUnit *unit, uint32 b)
{
	XLogRecPtr lsn;

	return strata_pages_peek_lsn(look->rel, unit->first_block + b,
								 pg_atomic_read_u32(&unit->fresh->pages.buffer[b]), &lsn) &&
		   lsn == look->known[b].lsn;
}

/* Room in the look's arrays for the unit's blocks and rows. */
static void
look_reserve(StrataPageLook *look, const StrataUnit *unit)
{
	uint32 words = strata_row_words(unit->nrows);

	if (look->room < unit->nblocks)
	{
		if (look->room > 0)
			pfree(look->known);
		look->room = 0;
		look->known = MemoryContextAlloc(look->context, unit->nblocks * sizeof(PageCopy));
		look->room = unit->nblocks;
	}
	if (look->gone_room < words)
	{
		if (look->gone_room > 0)
			pfree(look->gone);
		look->gone_room = 0;
		look->gone = MemoryContextAlloc(look->context, words * sizeof(uint64));
		look->gone_room = words;
	}
}

/* Of the blocks in `ask`, what is known is true.  all_gone: as known_all_holes() says; then takes all out at
 * once. */
static void
look_take_out(const StrataUnit *unit, const PagesKnown *known, const uint64 *ask, bool all_gone, uint64 *rows)
{
	uint32 nwords = strata_row_words(unit->nrows);

	for (uint32 w = 0; all_gone && w < nwords; w++)
		rows[w] &= ~known->gone[w];
	for (uint32 w = 0; !all_gone && w < unit->fresh->nwords; w++)
		for (uint64 left = known->holes[w] & ask[w]; left != 0; left &= left - 1)
		{
			uint32 b = w * 64 + pg_rightmost_one_pos64(left);

			rows_take_out(rows, known->gone, unit->block_row[b], unit->block_row[b + 1]);
		}
}

/* The same blocks leave `ask`. */
static void
look_answer(const StrataUnit *unit, const PagesKnown *known, uint64 *ask, uint64 *rest, uint64 *holes)
{
	for (uint32 w = 0; w < unit->fresh->nwords; w++)
	{
		rest[w] |= known->rest[w] & ask[w];
		holes[w] |= known->holes[w] & ask[w];
		ask[w] = 0;
	}
}

/* All blocks in `ask` are as known, whether their pages were asked or not.  Returns the rows left. */
static const uint64 *
look_use_known(StrataPageLook *look, const StrataUnit *unit, const PagesKnown *known, uint64 *ask,
			   uint64 *rest, uint64 *holes, uint64 *rows)
{
	bool all_gone = known_all_holes(known, ask, unit->fresh->nwords);

	look->changes = all_gone ? known->changes : 0;
	if (all_gone && known_remembered(look, known))
	{
		look_answer(unit, known, ask, rest, holes);
		return look->remembered->rows;
	}
	rows_all(rows, unit->nrows);
	look_take_out(unit, known, ask, all_gone, rows);
	look_answer(unit, known, ask, rest, holes);
	return rows;
}

/* The numbers of the blocks in `ask`; of those that what is known does not serve, nothing is known from here
 * on. */
static uint32
look_list(const PageJudge *j, StrataPageLook *look, const LookResult *r, const uint64 *ask, uint16 *blocks)
{
	uint32 n = 0;

	for (uint32 w = 0; w < j->unit->fresh->nwords; w++)
		for (uint64 left = ask[w]; left != 0; left &= left - 1)
		{
			uint32 b = w * 64 + pg_rightmost_one_pos64(left);

			if (!r->use_known || !known_for(j, &look->known[b]))
				look->known[b].lsn = InvalidXLogRecPtr;
			blocks[n++] = b;
		}
	return n;
}

/* Page i of the list; NULL: it has none, or nothing is wanted of it. */
static inline Page
look_page(const StrataPageLook *look, const StrataUnit *unit, const uint16 *blocks, uint32 n, uint32 i)
{
	return i < n ? ahead_page(unit, blocks[i], look->known[blocks[i]].lsn) : NULL;
}

/* The list is about to be looked at. */
static inline void
look_ahead_first(const StrataPageLook *look, const StrataUnit *unit, const uint16 *blocks, uint32 n)
{
	for (uint32 i = 0; i < Min(n, AHEAD_HEADER); i++)
		ahead_header(unit, blocks[i]);
	for (uint32 i = 0; i < AHEAD_LINES; i++)
		ahead_lines(look_page(look, unit, blocks, n, i));
	for (uint32 i = 0; i < AHEAD_TUPLES; i++)
		ahead_tuples(look_page(look, unit, blocks, n, i));
}

/* Block i of it is. */
static inline void
look_ahead(const StrataPageLook *look, const StrataUnit *unit, const uint16 *blocks, uint32 n, uint32 i)
{
	if (i + AHEAD_HEADER < n)
		ahead_header(unit, blocks[i + AHEAD_HEADER]);
	ahead_lines(look_page(look, unit, blocks, n, i + AHEAD_LINES));
	ahead_tuples(look_page(look, unit, blocks, n, i + AHEAD_TUPLES));
}

/* What the page of each block in `ask` says.  Those that are as known stay in `ask`; of the others it is told
 * how they were found, and whether that may be published. */
static void
look_at_pages(const PageJudge *j, StrataPageLook *look, LookResult *r, uint64 *ask, uint64 *rest,
			  uint64 *holes)
{
	const StrataUnit *unit = j->unit;
	uint16 blocks[STRATA_MAX_UNIT_BLOCKS];
	uint32 n = look_list(j, look, r, ask, blocks);

	r->all_known = true;
	r->all_settled = r->use_known;
	look_ahead_first(look, unit, blocks, n);
	for (uint32 i = 0; i < n; i++)
	{
		uint32 b = blocks[i], w = b / 64;
		uint64 one = UINT64CONST(1) << (b % 64);
		PageVerdict v;
		bool is_known;

		look_ahead(look, unit, blocks, n, i);
		is_known = look->known[b].lsn != 0 && look_at_lsn(look, unit, b);
		if (!is_known && look_at_page(j, look, b, &v, &is_known))
		{
			r->found[w] |= one;
			r->found_rest[w] |= v.may_rest ? one : 0;
			r->any_found = true;
		}
		else if (!is_known)
			r->all_settled = false;
		if (is_known)
			continue;
		r->all_known = false;
		ask[w] &= ~one;
		rest[w] |= v.rest ? one : 0;
		holes[w] |= v.holes ? one : 0;
	}
}

/* WAL stands at `pos`, and that is not enough to know: every page has to be asked. */
static const uint64 *
look_ask_pages(const PageJudge *j, StrataPageLook *look, PagesKnown *known, XLogRecPtr pos, uint64 *ask,
			   uint64 *rest, uint64 *holes)
{
	const StrataUnit *unit = j->unit;
	uint64 asked[STRATA_UNIT_WORDS];
	LookResult r = {0};

	r.use_known = !look->serializable && known_copy(look, unit, ask, known);
	memcpy(asked, ask, unit->fresh->nwords * sizeof(uint64));
	rows_all(j->rows, unit->nrows);
	look_at_pages(j, look, &r, ask, rest, holes);
	if (r.use_known && r.all_known)
	{
		if (strata_wal_position() == pos)
			known_publish_quiet(unit, asked, known, pos);
		return look_use_known(look, unit, known, ask, rest, holes, j->rows);
	}
	if (r.use_known)
	{
		/* What is left in `ask` is as known. */
		look_take_out(unit, known, ask, known_all_holes(known, ask, unit->fresh->nwords), j->rows);
		look_answer(unit, known, ask, rest, holes);
	}
	if (r.any_found)
		known_publish(j, look, &r, asked, known, pos);
	return j->rows;
}

const uint64 *
strata_pages_look(StrataPageLook *look, const StrataUnit *unit, uint64 *ask, uint64 *rest, uint64 *holes,
				  uint64 *rows)
{
	PageJudge judge = {.rows = rows};
	PagesKnown known;
	XLogRecPtr pos;

	look->changes = 0;
	if (!look_begin(look, unit, &judge))
	{
		rows_all(rows, unit->nrows);
		return rows;
	}
	look_reserve(look, unit);
	known.gone = look->gone;
	pos = strata_wal_position();
	if (!look->serializable && known_quiet(&judge, ask, pos, &known))
		return look_use_known(look, unit, &known, ask, rest, holes, rows);
	return look_ask_pages(&judge, look, &known, pos, ask, rest, holes);
}

void
strata_pages_lines(const StrataUnit *unit, uint32 b, const uint64 *rows, uint64 *lines)
{
	const uint16 *numbers = lines_of(unit, b);
	uint32 first = unit->block_row[b];
	uint32 n = unit->block_row[b + 1] - first;
	uint32 at, shift = first % 64;

	memset(lines, 0, STRATA_LINE_WORDS * sizeof(uint64));
	if (numbers == NULL)
	{
		/* Row `first` is line 1, and so on. */
		for (uint32 w = 0; w * 64 < n; w++)
		{
			if (rows == NULL)
			{
				lines[w] = strata_low_mask(n - w * 64);
				continue;
			}
			at = (first + w * 64) / 64;
			lines[w] = rows[at] >> shift;
			if (shift > 0 && at + 1 < strata_row_words(unit->nrows))
				lines[w] |= rows[at + 1] << (64 - shift);
			lines[w] &= strata_low_mask(n - w * 64);
		}
		return;
	}
	for (uint32 row = first; row < first + n; row++)
		if (rows == NULL || (rows[row / 64] >> (row % 64) & 1))
		{
			uint32 line = numbers[row - first] - 1;

			lines[line / 64] |= UINT64CONST(1) << (line % 64);
		}
}

/* ---- for population ---- */

/* May a tuple that is not known to be all-visible become a row?  *kind tells what it makes of its page. */
static bool
sort_tuple(HeapTuple tuple, Buffer buffer, TransactionId horizon, StrataPageKind *kind)
{
	HeapTupleHeader header = tuple->t_data;
	bool old;
	HTSV_Result status = HEAPTUPLE_LIVE;

	if (!HeapTupleHeaderXminCommitted(header) || !(header->t_infomask & HEAP_XMAX_INVALID))
		status = HeapTupleSatisfiesVacuum(tuple, horizon, buffer);
	old = TransactionIdPrecedes(HeapTupleHeaderGetXmin(header), horizon);
	if (status == HEAPTUPLE_DEAD)
		return false;
	if (old && status == HEAPTUPLE_LIVE)
		return true;
	if (old && status == HEAPTUPLE_DELETE_IN_PROGRESS)
	{
		*kind = STRATA_PAGE_UNSETTLED;
		return true;
	}
	if (*kind == STRATA_PAGE_SETTLED)
		*kind = STRATA_PAGE_REST;
	return false;
}

StrataPageKind
strata_pages_sort(Relation rel, Buffer buffer, TransactionId horizon, bool all_visible, OffsetNumber *lines,
				  int *nlines)
{
	Page page = BufferGetPage(buffer);
	StrataPageKind kind = STRATA_PAGE_SETTLED;
	int n = 0;

	for (OffsetNumber line = FirstOffsetNumber; line <= PageGetMaxOffsetNumber(page); line++)
	{
		ItemId item = PageGetItemId(page, line);
		HeapTupleData tuple;

		/* Redirects lead to a normal pointer of the same page, so each tuple comes once; the dead are dead.
		 */
		if (!ItemIdIsNormal(item))
			continue;
		tuple.t_tableOid = RelationGetRelid(rel);
		tuple.t_data = (HeapTupleHeader)PageGetItem(page, item);
		tuple.t_len = ItemIdGetLength(item);
		ItemPointerSet(&tuple.t_self, BufferGetBlockNumber(buffer), line);
		if (all_visible || sort_tuple(&tuple, buffer, horizon, &kind))
			lines[n++] = line;
	}
	*nlines = n;
	return kind;
}

bool
strata_pages_settled(Relation rel, BlockNumber block, TransactionId horizon, BufferAccessStrategy strategy)
{
	OffsetNumber lines[MaxHeapTuplesPerPage];
	Buffer buffer;
	Page page;
	int nlines;
	bool settled = false;

	CHECK_FOR_INTERRUPTS();
	buffer = ReadBufferExtended(rel, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
	page = BufferGetPage(buffer);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (!PageIsNew(page) && !XLogRecPtrIsInvalid(PageGetLSN(page)))
		settled = strata_pages_sort(rel, buffer, horizon, false, lines, &nlines) == STRATA_PAGE_SETTLED;
	UnlockReleaseBuffer(buffer);
	return settled;
}
