/*
 * freshness.c - which blocks and rows of a unit may stand for the heap.
 *
 * Writers know nothing of the column store.  Whether a copied block is still the block that was copied is
 * read off the visibility map when a query runs; where the map does not say, off the page's LSN; and where
 * that has moved, the page is asked which of the copied rows are still seen.  The rule about the map is in
 * this file, that about single pages in pages.c; the argument why both are right follows.
 *
 * WHAT IS WRITTEN BY WHOM
 *
 * P, the populator of a unit, in this order: takes a snapshot; reads the insert position I (the replay
 * position in recovery); copies bits and LSN of the unit's map pages, each page once under a share lock on
 * its buffer; asks for the horizon H, the oldest transaction that some snapshot may not see the end of; then
 * locks each heap buffer in share mode, notes its LSN X and copies the page: wholly, if its bit was set and
 * it has PD_ALL_VISIBLE; else those tuples that the second part speaks of.  The unit remembers I, the LSNs M,
 * and `copied`, the set of blocks taken, of which those whose bit was not set are in `sticky` from the
 * beginning.
 *
 * R, a reader, in this order: has a snapshot S; copies bits and LSN L of a map page once, under a share lock;
 * pins the unit.  It uses block b by the map only if b is in `copied`, its bit is set in R's copy, and b
 * is not in `sticky` after the check of L below.  For other copied blocks see the second part.  What is not
 * copied it reads from the heap with S.
 *
 * PART ONE: THE MAP
 *
 * What PostgreSQL promises (visibilitymap.c, heapam.c; index-only scans rest on the same):
 *
 * (1) Whoever changes which tuples a page holds, or deletes or updates one, clears the page's bit and
 * PD_ALL_VISIBLE in the same critical section, with the heap buffer locked exclusively, and so before its
 * commit record.  Clearing does not move the map page's LSN.
 *
 * (2) Setting a bit moves the map page's LSN forward: it is WAL-logged for every permanent relation.  Only
 * the transaction that created a relfilenode under wal_level = minimal sets bits without WAL; such map pages
 * have LSN 0 and population refuses them.
 *
 * (3) A bit is set only when every tuple on the page is visible to every snapshot of this database that
 * exists or will exist.  (On a standby: to every snapshot that replay did not cancel first.)
 *
 * (4) Every change of a page but hint bits is WAL-logged and moves the page's LSN to the end of its record,
 * before the buffer lock is released.
 *
 * Why a block used by the map is right.  Let b be copied with its bit set, its bit set in R's copy.
 *
 * Case L = M.  No bit of that map page was set between the two copies of it (2), whichever came first.  So
 * b's bit, set in both, was set all the time between, and by (1) nothing happened to b between them.  P
 * copied the page after its map copy: it saw PD_ALL_VISIBLE under the buffer lock, so by (1) either b was
 * still unchanged or it had been changed and set again; but setting moves the LSN, and if R's map copy came
 * after that, then L > M; if it came before, see "older readers".  So the unit holds what b held when R
 * looked.  All tuples of it are visible to S by (3).  A change after R looked is by a transaction that had
 * not committed when R looked; S is older than that look, so S does not see the change and the old tuples are
 * S's answer.  This is the argument index-only scans rest on.
 *
 * Case L > M.  Some bit under the page was set again; perhaps b's, after a change (delete, commit, vacuum:
 * the bit looks as before, the content is another).  R looks at b's page LSN.  Not beyond I: by (4) every
 * change whose record was inserted after P read I is excluded; a change inserted before that held the buffer
 * lock when inserting, so it was complete when P locked the buffer, and the copy has it.  So b is as copied.
 * (A change in progress at the moment of the look has not set the LSN yet, but has not committed either: S
 * does not see it.)  Beyond I: b becomes sticky, whatever the change was.
 *
 * Publishing the look.  Doing this once per map page movement is enough if what was learnt is kept.  R first
 * adds to `sticky` every copied block under the page whose bit is clear in its copy and every one whose LSN
 * failed; then, after a barrier, raises the unit's map LSN to L.  Blocks with a clear bit must be added
 * although nobody looked at them: otherwise a second reader with the same L but an earlier copy, in which the
 * bit was still set, would take them for checked. They lose nothing: a cleared bit means that a change moved
 * their page's LSN.  A reader loads the unit's LSN first and `sticky` after it, with a barrier between, so it
 * sees all that was added before the LSN it compares with.
 *
 * Later readers with the same L: their bit is set, and no bit was set between R's copy and theirs, so b was
 * unchanged between (1); before, R's look vouches for it.
 *
 * Older readers.  L < M happens when the unit, or the published look, is younger than the reader's map copy.
 * Then a block that is not sticky was all-visible and as copied at that later time.  By (3) all of its tuples
 * were visible to every snapshot that existed then, S among them; and tuples that S could see cannot have
 * left the page before, as no vacuum removes what S can see.  So the block is right for S.  (With
 * old_snapshot_threshold vacuum may; then readers whose snapshot is older than the copy do not use the unit:
 * read.c.)
 *
 * Concurrent lookers.  Both only add to `sticky` and only raise the LSN, so one overtaking the other makes
 * blocks stale that need not be, never the reverse.
 *
 * PART TWO: PAGES
 *
 * What else PostgreSQL promises:
 *
 * (5) H (GetOldestNonRemovableTransactionId) is not newer than the xmin of any snapshot of this database that
 * exists when it is asked for or is taken later, nor than any transaction that is running in it then.  So a
 * transaction older than H is over, and every such snapshot sees how it ended.  This is what VACUUM rests on
 * when it removes what is dead to everyone, on a standby too, where H is not newer than what replay knows to
 * be running.
 *
 * (6) A tuple does not change after it was inserted but for its header and the hint bits, and does not leave
 * its line pointer but by being removed.  Who takes a line pointer writes its own transaction id as xmin.
 * Freezing is a matter of hint bits and leaves the raw xmin as it was.
 *
 * What P takes of a page that is not all-visible: the tuples whose inserter is older than H and committed,
 * and that nobody deleted, or whose deleter is still running.  Dead line pointers, and tuples that are dead
 * to everyone (their inserter went back, or their deleter committed and is older than H), it forgets: no
 * snapshot can see them.  Other tuples it leaves to the heap: `rest`.  Which lines were taken is remembered.
 *
 * What is known of a page.  For each block the unit may hold a sentence: "while the page's LSN is Y, a
 * snapshot that sees the end of these transactions sees of it the rows copied, but for those in `gone`; and,
 * if it is in `rest`, maybe tuples that were not copied".  The transactions are named by bounds: all before
 * one, and some between two others, which a snapshot sees the end of if it has none of that range running.
 * P writes the first sentence, with Y = X and all before H, unless a row's deleter was running.
 *
 * Why a sentence is true when P writes it: by (5), S with an xmin of H or later sees every row taken, as its
 * inserter committed and nobody who deleted it had when P held the lock; and of what was forgotten, nothing.
 * By (4) nothing of that changes while the LSN is X.  Where the page was all-visible, (3) says the same.
 *
 * R uses a sentence if S sees those ends and R, after S was taken, sees the page's LSN to be Y.  A change
 * that S sees was made by a transaction that committed before S was taken; by then it had let go of the
 * buffer's lock, and so had set the LSN (4).  So at the look all that S can see of the page was as the
 * sentence says.  What others were doing to the page just then, with the LSN not set yet, or do later, S does
 * not see; nor, for a cursor, what its own transaction does later.  Pruning, which no transaction commits,
 * removes only what S cannot see.
 *
 * The LSN is read without a lock: strata_pages_peek_lsn() tells why it is not half of one and half of
 * another.  What is read of a page without a lock to ask memory for its lines ahead decides nothing.  Hint
 * bits may change without the LSN, and do not matter.  With checksums or wal_log_hints they may move it,
 * under the share lock: then the sentence is lost though it need not be.
 *
 * Otherwise R judges the page under its share lock.  A line pointer that was copied, is normal, and has a raw
 * xmin older than H, is the tuple that was copied: had the line been taken by another since, then by one
 * whose inserter was running or to come when H was asked for, and its xmin would not be older (5, 6).  For
 * that, xids must be comparable: at most 2^31 have been assigned since H, else pages are not judged at all; a
 * row that was frozen so long ago that its raw xmin looks newer than H is, by mistake, taken for another
 * tuple, and read from the heap.  Its inserter is seen by S.  Whether its deleter is, S says as for any
 * tuple.  Rows whose line is not that tuple any more are not seen: S would have kept them from being removed.
 * Any other tuple on the page that S sees is for the heap.
 *
 * Between that look and the visit to the heap for the rest, the page may change.  The rows that S sees stay
 * at their lines; so the rest is what S sees at other lines, now as then.
 *
 * Publishing what was judged.  R found the page under its share lock at LSN Y.  It writes a sentence if each
 * row's fate is settled: nobody deleted it (the xmax is none, or of lockers only, or of one who went back),
 * or somebody did whose end S sees.  The sentence names those who did, besides all before H.  A row that S
 * does not see for its own transaction's doing is not settled.  Tuples that are not rows may be anything, as
 * the sentence sends the reader to the heap for them; `rest` is left out if none can be seen by those who see
 * the ends named.  Sentences of a unit are written by one at a time, who makes the version odd meanwhile; a
 * reader copies them and looks at the version again.  One who judged at an older LSN than another has written
 * for does not write.  A row in `gone` stays there, which is right for later sentences too: a deletion that
 * committed stays, and a line never becomes the row again.  What an older sentence named, a newer one names
 * too, if need be by a wider bound, so it covers all of `gone`.
 *
 * When nothing was written.  A reader that found all its blocks' LSNs as known, and WAL at the same position
 * before and after, leaves that position and the set of blocks.  The next one, if it finds WAL (insertion, or
 * replay) still there after its snapshot was taken and asks for no other block, need not look: a change that
 * its snapshot sees was in WAL before the snapshot was taken, so before that position; the buffer was locked
 * when its place in WAL was taken, so the earlier reader found it locked, or with the LSN set, and then not
 * as known.  On a standby what was replayed to that position was complete, and a later commit cannot be of
 * anything newer.  Whoever writes a sentence wipes this out.
 *
 * The same holds of a block that the earlier reader judged, if it wrote a sentence of it: to judge, it waited for the
 * lock, and so found the change on the page, and the sentence is of the page with it.  So it leaves position and blocks
 * at once, if it could write a sentence of each block that was not as known, and the version tells that since it copied
 * the sentences nobody has written any: what it found as known is still what is written.
 *
 * Rows remembered.  What R had to read from the heap it may remember for itself (exec/recall.c), block by block:
 * the tuples that S saw of the page, or, of a block in `rest`, those at lines other than of the rows that S had
 * from the unit.  The sentence is: "while the page's LSN is Y, a snapshot whose xmin is not older than Z sees of
 * the page, besides rows of this unit, these tuples".  R writes it only if each tuple that it looked at is settled
 * for S: its inserter and its deleter, if it has one, are older than S's xmin, or a hint says that they went back or
 * that the tuple is frozen; the newest of them is before Z.  So they are over, on a standby too, and any snapshot with
 * an xmin of Z or later sees their ends, and sees of these tuples what S saw.  Y is read under the same share lock,
 * after the hints were set, so by (4) no tuple comes, goes or gets another xmax while the LSN is Y; hint bits that are
 * set later say what clog said before.  (A standby sets few: not before it has noted that the commit must be
 * replayed.)  A later reader S' uses the sentence as R uses one of a unit: it looks at the
 * LSN after S' was taken, or finds WAL where it stood when all LSNs were last looked at ("when nothing was
 * written").  A commit moves no LSN of the pages that it makes visible, and so nothing that an open transaction has
 * written is ever remembered.
 *
 * Of a block in `rest`, lines that the unit answered for were not looked at.  S' may see them otherwise than S: by then
 * a deletion that was already on the page may have been committed.  That is the unit's to say, which judges for S'
 * by the same tuples; and none of those tuples is among the ones remembered.  Nor can a tuple that is remembered become
 * a row of this unit: which lines are rows is decided by the unit's horizon and raw xmins, which stay.  With
 * another unit, or where the block is not in `rest` for S', or is read wholly, the sentence is not used.  Serializable
 * readers use none.
 *
 * What a tuple holds that is too short to have a column, its page does not tell but the catalog.  So when the table's
 * entry there changes, or a change of it is taken back, all that is remembered of the table is forgotten; a reader
 * hears of that before it looks at the table, as its relation cache does.
 *
 * Rows left, remembered.  Which rows are left of a unit is remembered too, with their number and sums over them
 * (exec/recall.c).  That saves no look at the map or at a page: R finds out as ever of which blocks the sentences are
 * true for S.  Only if they are true of all blocks that R had to ask for, and no other block has holes, R sees all rows of
 * the unit but those in `gone`.  `gone` is not written but with `changes`, and R read both words and sentences under a
 * version that stood; so in one unit the same number of changes means the same `gone`, the same rows, the same sums,
 * whoever asks and whenever.  R may have written the sentences itself, of all blocks that were not as known, in the
 * version that followed on the one it had read: its rows have the number that it left.  What it did not see is in `gone`
 * then, and what was in `gone` before it did not see: the deletion has committed, and for who does not see that, it is not
 * settled.  A unit's identity goes with the number, as another one counts its own.  In all other cases
 * the rows have no number: where a page was judged for S, as its changes are not settled, S is too old for a
 * sentence, or S is serializable; or where some block with holes is one that the map vouches for, to a reader
 * that copied it before they came.  Then rows are gathered anew and compared bit by bit.  Sums that have a number lie in
 * the unit as well, for who comes to the number and remembers nothing (left.c).
 *
 * Sums over rows of the heap that are remembered are over all rows of a work item.  They are used when each of its blocks
 * may be used by the rule above, and rows are taken one by one when one may not.
 *
 * The two parts do not mix: a block that the map vouches for, to some reader, holds all of its rows for that
 * reader, whatever later sentences say; rows in `gone` are taken out only with the sentence of their block.
 *
 * Snapshots older than H do not exist by (5) when the unit comes into being; R checks, and does without part
 * two should it ever meet one.  With old_snapshot_threshold, vacuum removes what old snapshots see, and (5)
 * does not hold: part two is not used.
 *
 * THE CASES PEOPLE ASK ABOUT
 *
 * Truncation by VACUUM takes AccessExclusiveLock, so it does not happen during a scan.  Tail blocks it
 * removed and that come back later have LSNs beyond I, and a set bit needs a moved L.  While they are gone,
 * blocks past the heap's end are outside the reader's nblocks; a unit with rows there is not used at all
 * (read.c). A map fork shorter than the heap, or truncated by hand, reads as clear bits.
 *
 * SELECT FOR UPDATE / FOR SHARE writes xmax and moves the page's LSN but leaves the all-visible bit: the row
 * is as it was and the block stays fresh by the map; if the map page moves later, the next reader judges the
 * page, and finds all rows where they were.  VACUUM FREEZE does the same to every block it freezes, and
 * pruning to those it prunes.
 *
 * Updated rows leave a hole, and the new versions are for the heap until the unit is copied again; a HOT
 * chain's members are tuples like others, each with a line.  A new version that takes the line of a removed
 * row has a newer xmin.
 *
 * A rolled-back change leaves the bit clear until a vacuum; the next reader but the one who ran beside it
 * finds the page settled.
 *
 * A transaction's own changes clear the bits and move the LSNs at once: what it did before R's look it finds
 * with its own eyes, as it judges these pages itself; what it does after, an open cursor must not see.
 *
 * VACUUM that leaves dead line pointers (it bypasses the indexes where there are few) does not set the bit;
 * part two does not need it.
 *
 * Standby.  PD_ALL_VISIBLE alone is not proof there: the map is trusted, as index-only scans do, and S's own
 * judgement.  Replay of a set bit first waits for, or cancels, snapshots that could not see the page's tuples
 * (3). Replay of a change clears the bit before the commit record is replayed (1).  I is the position up to
 * which replay is complete, and a record in the middle of being replayed ends beyond it (4).  LSNs go on
 * growing over a promotion, so units copied in recovery stay good.  Transactions that replay has not seen the
 * end of count as running, whether or not it has seen anything of them yet: xids are entered into the
 * standby's list up to the newest it has met, and newer ones are newer than H.  So (5) holds, and who inserts
 * after a promotion has a newer xid still.
 *
 * Relation rewritten or truncated: another relfilenode; units remember theirs and are not found under the new
 * one. If an OID came round again the LSNs would still tell.
 *
 * SERIALIZABLE.  The relation's predicate lock is taken before the map is read.  Writers look for predicate
 * locks while they hold the heap buffer's lock and before they clear the bit, so a writer may have looked
 * before our lock and cleared after our copy: neither would see the other.  Sequential scans are safe from
 * this because they lock the buffer.  So a serializable reader locks each page it would skip, in share mode,
 * for a moment, and takes it from the heap if PD_ALL_VISIBLE is gone (strata_fresh_serializable).  That costs
 * about a microsecond a block.  It uses no sentences: it judges each page of part two itself, and tells the
 * conflict check of every tuple it looks at, rows of the unit among them, as a sequential scan does.
 */
#include "postgres.h"

#include "access/visibilitymap.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "column/column_internal.h"

/* Heap blocks under one map page, and words of 32 of them.  As in visibilitymap.c, which does not export it.
 */
#define VM_MAP_BYTES (BLCKSZ - MAXALIGN(SizeOfPageHeaderData))
#define VM_BLOCKS	 ((BlockNumber)VM_MAP_BYTES * 4)
#define VM_WORDS	 (VM_MAP_BYTES / 8)

StaticAssertDecl(VM_MAP_BYTES % 8 == 0, "map pages hold whole words of 32 blocks");

/* ---- copies of the map ---- */

BlockNumber
strata_map_page_of(BlockNumber block)
{
	return block / VM_BLOCKS;
}

BlockNumber
strata_map_first_block(BlockNumber page)
{
	return page * VM_BLOCKS;
}

/* An empty copy in the current memory context; pages are copied as they are asked for. */
StrataMapCopy *
strata_map_begin(Relation rel, BlockNumber nblocks)
{
	StrataMapCopy *map = palloc0(sizeof(StrataMapCopy));

	map->rel = rel;
	map->nblocks = nblocks;
	map->context = CurrentMemoryContext;
	map->npages = nblocks / VM_BLOCKS + 1;
	map->pages = palloc0(map->npages * sizeof(StrataMapPage));
	if (nblocks > (BlockNumber)NBuffers / 4)
		map->strategy = GetAccessStrategy(BAS_BULKREAD);
	return map;
}

/*
 * Bits and LSN of one map page as of one moment.  The buffer's share lock keeps out both those who clear and
 * those who set bits, so bits and LSN belong together.
 */
const StrataMapPage *
strata_map_page(StrataMapCopy *map, BlockNumber page)
{
	StrataMapPage *p;
	Buffer buffer = InvalidBuffer;

	if (page >= map->npages)
	{
		static const StrataMapPage none = {.copied = true};

		return &none;
	}
	p = &map->pages[page];
	if (p->copied)
		return p;

	/* Pins the map page if there is one; unlike visibilitymap_pin() it does not extend the fork. */
	(void)visibilitymap_get_status(map->rel, page * VM_BLOCKS, &buffer);
	if (BufferIsValid(buffer))
	{
		uint32 *bits = MemoryContextAlloc(map->context, VM_WORDS * sizeof(uint32));

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		p->lsn = PageGetLSN(BufferGetPage(buffer));
		strata_vm_extract((const uint8 *)PageGetContents(BufferGetPage(buffer)), VM_WORDS, bits);
		UnlockReleaseBuffer(buffer);
		p->bits = bits;
	}
	p->copied = true;
	return p;
}

/* 32 bits starting at a block that is a multiple of 32. */
static inline uint32
map_word(StrataMapCopy *map, BlockNumber block)
{
	const StrataMapPage *p = strata_map_page(map, block / VM_BLOCKS);

	return p->bits ? p->bits[block % VM_BLOCKS / 32] : 0;
}

void
strata_map_bits(StrataMapCopy *map, BlockNumber first, uint32 n, uint64 *bits)
{
	Assert(first % 32 == 0);
	for (uint32 b = 0; b < n; b += 64)
	{
		uint64 word = map_word(map, first + b);

		if (b + 32 < n)
			word |= (uint64)map_word(map, first + b + 32) << 32;
		bits[b / 64] = word & strata_low_mask(n - b);
	}
}

/* ---- units against the map ---- */

/* Has the heap page of block b changed since the unit was copied?  Reads it in if need be. */
static bool
fresh_page_unchanged(StrataMapCopy *map, const StrataUnit *unit, uint32 b)
{
	pg_atomic_uint32 *hint = &unit->fresh->pages.buffer[b];
	BlockNumber block = unit->first_block + b;
	XLogRecPtr lsn;

	if (!strata_pages_peek_lsn(map->rel, block, pg_atomic_read_u32(hint), &lsn))
	{
		Buffer buffer;

		CHECK_FOR_INTERRUPTS();
		buffer = ReadBufferExtended(map->rel, MAIN_FORKNUM, block, RBM_NORMAL, map->strategy);
		/* Whoever writes the LSN in two halves has the lock. */
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		lsn = BufferGetLSNAtomic(buffer);
		pg_atomic_write_u32(hint, buffer);
		UnlockReleaseBuffer(buffer);
	}
	return lsn <= unit->fresh->insert_pos;
}

/* Raises an LSN, never lowers it. */
static void
fresh_raise_lsn(pg_atomic_uint64 *lsn, XLogRecPtr to)
{
	uint64 now = pg_atomic_read_u64(lsn);

	while (now < to && !pg_atomic_compare_exchange_u64(lsn, &now, to))
		;
}

/*
 * The map page over blocks [from, to) of the unit has moved to `lsn`: finds out which of them are still as
 * copied, makes the others sticky, then says that `sticky` is complete for `lsn`.  Only then, as a reader
 * that sees the new LSN relies on `sticky`; an error or cancel in the middle leaves the LSN as it was.
 */
static void
fresh_catch_up(StrataMapCopy *map, const StrataUnit *unit, const uint64 *bits, uint32 from, uint32 to,
			   int which, XLogRecPtr lsn)
{
	struct StrataUnitFresh *f = unit->fresh;

	for (uint32 w = from / 64; w * 64 < to; w++)
	{
		uint64 copied = f->copied[w] & strata_range_mask(w, from, to);
		uint64 ask = copied & bits[w] & ~pg_atomic_read_u64(&f->sticky[w]);
		uint64 gone = copied & ~bits[w];

		while (ask != 0)
		{
			int b = pg_rightmost_one_pos64(ask);

			if (!fresh_page_unchanged(map, unit, w * 64 + b))
				gone |= UINT64CONST(1) << b;
			ask &= ask - 1;
		}
		if (gone != 0)
			pg_atomic_fetch_or_u64(&f->sticky[w], gone);
	}
	pg_write_barrier();
	fresh_raise_lsn(&f->map_lsn[which], lsn);
}

void
strata_fresh_blocks(StrataMapCopy *map, const StrataUnit *unit, uint32 n, uint64 *fresh)
{
	struct StrataUnitFresh *f = unit->fresh;
	uint64 bits[STRATA_UNIT_WORDS] = {0};
	uint32 bound[3] = {0, f->split, unit->nblocks};

	n = Min(n, unit->nblocks);
	if (n > 0)
		strata_map_bits(map, unit->first_block, n, bits);

	for (int which = 0; which < 2; which++)
		if (bound[which] < bound[which + 1])
		{
			XLogRecPtr lsn = strata_map_page(map, f->map_page + which)->lsn;

			if (lsn > pg_atomic_read_u64(&f->map_lsn[which]))
				fresh_catch_up(map, unit, bits, bound[which], bound[which + 1], which, lsn);
		}

	/* The LSNs were read above; what was sticky for them must be seen below. */
	pg_read_barrier();
	for (uint32 w = 0; w < f->nwords; w++)
		fresh[w] = f->copied[w] & bits[w] & ~pg_atomic_read_u64(&f->sticky[w]);
}

void
strata_fresh_serializable(StrataMapCopy *map, const StrataUnit *unit, uint64 *fresh)
{
	for (uint32 w = 0; w < unit->fresh->nwords; w++)
		for (uint64 left = fresh[w]; left != 0; left &= left - 1)
		{
			int b = pg_rightmost_one_pos64(left);
			Buffer buffer;

			CHECK_FOR_INTERRUPTS();
			buffer = ReadBufferExtended(map->rel, MAIN_FORKNUM, unit->first_block + w * 64 + b, RBM_NORMAL,
										map->strategy);
			LockBuffer(buffer, BUFFER_LOCK_SHARE);
			if (!PageIsAllVisible(BufferGetPage(buffer)))
				fresh[w] &= ~(UINT64CONST(1) << b);
			UnlockReleaseBuffer(buffer);
		}
}
