/*
 * column_internal.h - what the files of column/ share: the shape of a unit, the table directory, copies of
 * the visibility map.
 *
 * Included by: column/ only.
 * Memory: StrataTable in PostgreSQL shared memory (a partitioned hash); units in arenas and pages of the
 * pool; StrataMapCopy in the backend that made it.
 * Locking: column/README.md.  Each field below says what guards it.
 * Not here: what others may call (column.h, store.h).
 */
#ifndef STRATA_COLUMN_INTERNAL_H
#define STRATA_COLUMN_INTERNAL_H

#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xlogdefs.h"
#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/block.h"
#include "storage/buf.h"
#include "utils/palloc.h"

#include "alloc/arena.h"
#include "base/hold.h"
#include "column/column.h"
#include "column/store.h"
#include "column/segment.h"
#include "column/vmbits.h"

#define STRATA_UNIT_MAGIC 0x554e4954u /* "UNIT" */

/* Smallest unit: keeps the first block of every unit a multiple of 64, so that bitmaps line up in words. */
#define STRATA_MIN_UNIT_BLOCKS 64
#define STRATA_UNIT_WORDS	   (STRATA_MAX_UNIT_BLOCKS / 64)
/* Rows that a unit should have. */
#define STRATA_UNIT_ROWS 65536

/*
 * What a table's units share: the arena that theirs hang under.  Lies in that arena.  One reference for the
 * directory and one for each unit, published or not, so the arena outlives whichever of them goes last.
 */
typedef struct StrataTableMemory
{
	pg_atomic_uint32 refs;
	StrataArena *arena; /* "schema.table", under "column store" */
} StrataTableMemory;

/* No line numbers are kept of a block whose rows are its lines 1, 2, 3 ... */
#define STRATA_LINES_DENSE PG_UINT32_MAX

/* All ids in full.  Named are all before `base`, and some from `low` to before `high` (0 and 0: none besides). */
typedef struct StrataPageKnown
{
	pg_atomic_uint64 lsn; /* 0: nothing is known */
	pg_atomic_uint64 base;
	pg_atomic_uint64 low;
	pg_atomic_uint64 high;
} StrataPageKnown;

/*
 * What is known of the single pages of a unit, for those blocks that the visibility map does not vouch for
 * (pages.c).  All arrays lie in the unit's arena.
 */
typedef struct StrataUnitPages
{
	/* Transactions before it were over, for every snapshot there was or will be, when the first page was looked
	 * at.  A copied row whose tuple bears an older xmin is that tuple's.  0: not known. */
	uint64 horizon;

	/* Constant: where the line numbers of block b's rows begin in lines[], or STRATA_LINES_DENSE. */
	const uint32 *lines_at;
	const uint16 *lines;

	/* Block b was last seen in this shared buffer; InvalidBuffer: in none.  A hint; written by anyone. */
	pg_atomic_uint32 *buffer;

	/*
	 * While block b's page LSN is known[b].lsn, a snapshot that sees the end of the transactions known[b] names sees
	 * of the page the copied rows that are not in `gone`, and, if b is in `rest`, tuples that the unit does not hold.
	 * Odd version: being written, by the one who made it odd.  Readers copy what they need and look at the version
	 * again.  Of `gone`, bits are only added.  `changes` says how often `gone` was written, from 1 on: who sees the
	 * same number twice, each time under a version that stood, sees the same `gone`.
	 */
	pg_atomic_uint32 version;
	pg_atomic_uint64 changes;
	StrataPageKnown *known;
	pg_atomic_uint64 *rest;	 /* bit a block */
	pg_atomic_uint64 *holes; /* bit a block: some of its rows are in `gone` */
	pg_atomic_uint64 *gone;	 /* bit a row */

	/*
	 * When WAL stood at quiet_pos, what is known was true of all blocks in `quiet`, for snapshots whose xmin is
	 * quiet_from or later.  Written as the rest is; 0: nothing is known of such a moment.
	 */
	pg_atomic_uint64 quiet_pos;
	pg_atomic_uint64 quiet_from;
	pg_atomic_uint64 *quiet;
} StrataUnitPages;

/*
 * What sums over a column are when `gone` has been written `changes` times; 0: nobody has said.  Odd version:
 * being written, by the one who made it odd.
 */
typedef struct StrataUnitLeft
{
	pg_atomic_uint32 version;
	pg_atomic_uint64 changes;
	pg_atomic_uint64 nulls, min, max, sum_lo, sum_hi;
} StrataUnitLeft;

/*
 * The part of a unit that is not data.  Everything is constant after publication but the atomics, which any
 * reader may change without a lock; freshness.c tells why that is harmless.
 */
struct StrataUnitFresh
{
	/* One for being published, one for each reader.  Who brings it to zero frees the unit. */
	pg_atomic_uint32 refs;

	Oid dbid;
	Oid relid;
	Oid relnumber;

	/* Where WAL stood before the first bit or block was looked at: a copied block whose page LSN is not newer
	 * has not changed since it was copied. */
	XLogRecPtr insert_pos;
	/* Newest page LSN among the copied blocks (for old_snapshot_threshold). */
	XLogRecPtr newest_lsn;

	/* The unit's blocks lie under one or two pages of the visibility map: blocks [0, split) under map_page,
	 * the rest under map_page + 1. */
	BlockNumber map_page;
	uint32 split;
	/* LSN of each of them that `sticky` is complete for.  Only grows. */
	pg_atomic_uint64 map_lsn[2];

	uint32 copied_blocks;
	uint32 nwords;			  /* of the bitmaps with a bit a block */
	const uint64 *copied;	  /* bit a block */
	pg_atomic_uint64 *sticky; /* copied blocks that the map does not vouch for.  Bits are only added. */

	StrataUnitPages pages;
	StrataUnitLeft *left; /* of each column, over the rows that are not in pages.gone */

	TimestampTz copied_at;
	/* Stale blocks as a reader last counted them; changed under the partition lock, shared. */
	pg_atomic_uint32 last_stale;

	Size bytes_raw;
	Size page_bytes;		  /* of the pages while all of them are hot: whole frames */
	StrataArena *arena;		  /* of the unit, itself included */
	StrataTableMemory *table; /* referenced; NULL until strata_store_publish() */
};

typedef struct StrataTableKey
{
	Oid dbid;
	Oid relid;
} StrataTableKey;

/* One attached table.  Guarded by its partition's lock, but for the atomics, which are added to with the lock
 * held in shared mode. */
typedef struct StrataTable
{
	StrataTableKey key;
	Oid relnumber; /* of the heap the units were copied from; InvalidOid: never populated */
	NameData schema;
	NameData name;
	StrataTableConfig config;
	StrataTableStatus status;
	char last_error[STRATA_ERROR_LEN];

	uint32 unit_blocks;		   /* fixed while there are units; 0: not chosen */
	uint32 nslots;			   /* entries of units[] */
	StrataUnit **units;		   /* of strata_memory_alloc(); NULL entries are units that are not stored */
	StrataTableMemory *memory; /* NULL while there are no units */

	/* Units of another size, being made to take the place of units[] all at once; no reader knows of them. */
	struct
	{
		uint32 unit_blocks; /* not that of units[]; 0: none are being made */
		uint32 nslots;
		StrataUnit **units;
	} recut;

	/* Sums over units[]. */
	uint32 nunits;
	uint64 rows;
	uint64 copied_blocks;
	Size bytes; /* units[] included */
	Size bytes_raw;
	pg_atomic_uint64 stale_blocks;

	BlockNumber total_blocks;
	uint64 generation;
	bool evicted;		   /* as StrataTableStat.evicted */
	bool lost;			   /* as StrataTableStat.lost */
	bool replan;		   /* wanted columns or compression changed since plans were last told */
	uint64 planned_blocks; /* copied_blocks when plans were last told */
	TimestampTz paused_until, force_paused_until;
	TimestampTz populated_at;
	pg_atomic_uint64 last_accessed;
	pg_atomic_uint64 scans, rows_from_columns, rows_from_heap, units_scanned, units_pruned, stale_blocks_read;
} StrataTable;

/* ---- store.c ---- */

/* Pinned published unit, or NULL.  relnumber and unit_blocks must be the table's, else NULL. */
extern StrataUnit *strata_store_ref(Oid relid, Oid relnumber, uint32 unit_blocks, uint32 unitno);
/* Drops one reference; frees the unit with the last. */
extern void strata_store_unref(StrataUnit *unit);
/* The table's unit_blocks when it has units of this relfilenode, else 0. */
extern uint32 strata_store_unit_blocks(Oid relid, Oid relnumber);
/* What population needs to know; false when not attached or not prepared for this relfilenode. */
extern bool strata_store_population_config(Oid relid, Oid relnumber, StrataTableConfig *config,
										   uint32 *unit_blocks);
/* Makes the unit the table's unit unit->unitno, of the cut that has units of that size; its reference then belongs to the directory, and its arena
 * hangs under the table's.  DONE, NO_MEMORY (for units[] or the arena) or GONE; the caller drops the
 * reference unless DONE. */
extern StrataPopulateResult strata_store_publish(StrataUnit *unit, uint32 unit_blocks,
												 BlockNumber heap_blocks);
/* Unpublishes one unit without an event: nothing of it can be used any more. */
extern void strata_store_drop_unit(Oid relid, Oid relnumber, uint32 unit_blocks, uint32 unitno);
/* A reader counted nstale stale blocks in the unit. */
extern void strata_store_note_stale(const StrataUnit *unit, uint32 nstale);
/* The unit as it is in memory now: its arena, and its pages as far as they are hot or warm. */
extern Size strata_store_unit_memory(const StrataUnit *unit);
/* A reader found that a page of the unit cannot be read back: unpublishes it, and says so. */
extern void strata_store_lose_unit(StrataUnit *unit);
/* schema.table of an attached table into buf; false when not attached. */
extern bool strata_store_table_name(Oid relid, char *buf, Size len);
/* Sets the gauges that tell what the region and the store hold. */
extern void strata_store_set_gauges(void);

/* ---- freshness.c ---- */

/* All-visible bits and LSNs of the pages of a relation's visibility map, each page copied when first asked
 * for. */
typedef struct StrataMapPage
{
	bool copied;
	XLogRecPtr lsn; /* InvalidXLogRecPtr when the map has no such page */
	uint32 *bits;	/* bit a block, 32 a word; NULL: no bit is set */
} StrataMapPage;

typedef struct StrataMapCopy
{
	Relation rel;
	BlockNumber nblocks; /* of the heap; blocks past it count as not all-visible */
	MemoryContext context;
	BufferAccessStrategy strategy; /* for looks at heap pages; may be NULL */
	uint32 npages;
	StrataMapPage *pages;
} StrataMapCopy;

/* Map page that a heap block is under, and the first heap block under a map page. */
extern BlockNumber strata_map_page_of(BlockNumber block);
extern BlockNumber strata_map_first_block(BlockNumber page);
extern StrataMapCopy *strata_map_begin(Relation rel, BlockNumber nblocks);
extern const StrataMapPage *strata_map_page(StrataMapCopy *map, BlockNumber page);
/* All-visible bits of blocks [first, first + n); first a multiple of 32; clears the bits past n in the last
 * word. */
extern void strata_map_bits(StrataMapCopy *map, BlockNumber first, uint32 n, uint64 *bits);
/* Blocks of the unit, of the first n, that are as copied for every snapshot older than the map copy. */
extern void strata_fresh_blocks(StrataMapCopy *map, const StrataUnit *unit, uint32 n, uint64 *fresh);
/* Takes out blocks that a serializable reader, whose predicate lock is in place, must see in the heap. */
extern void strata_fresh_serializable(StrataMapCopy *map, const StrataUnit *unit, uint64 *fresh);

/* ---- pages.c ---- */

/* What a reader sees of the blocks that the map does not vouch for. */
typedef struct StrataPageLook
{
	Relation rel;
	Snapshot snapshot;
	bool serializable;
	BufferAccessStrategy strategy; /* may be NULL */
	/* Working memory that serves one unit after the other. */
	MemoryContext context;
	uint32 room; /* blocks */
	struct PageCopy *known;
	uint32 gone_room; /* words */
	uint64 *gone;
	uint64 njudged; /* pages looked at tuple by tuple, so far */
	/* Of the unit at hand: rows left of it that somebody remembers, or NULL. */
	const StrataRowsLeft *remembered;
	/* And what the look found: the rows are all but those in `gone` when it had changed so often; 0: they are not. */
	uint64 changes;
} StrataPageLook;

/* Words of a bitmap with a bit a row, in whole vectors. */
static inline uint32
strata_row_words(uint32 nrows)
{
	return (nrows + STRATA_VECTOR - 1) / STRATA_VECTOR * (STRATA_VECTOR / 64);
}

/*
 * Of the copied blocks in `ask`, finds out which rows the snapshot sees.  Blocks that the unit answers for leave
 * `ask`; of these, those of which the heap must be asked for other tuples are added to `rest`, and those of which
 * not all rows are seen to `holes`.  Returns the rows that are left: in `rows` (room for strata_row_words()), unless
 * look->changes is not 0; then they may be those remembered.  What it returns is only set if there are holes, or
 * blocks in `ask`.
 */
extern const uint64 *strata_pages_look(StrataPageLook *look, const StrataUnit *unit, uint64 *ask, uint64 *rest,
									   uint64 *holes, uint64 *rows);

/* Pins the page of block b, where it was last seen or wherever it is. */
extern Buffer strata_pages_pin(Relation rel, const StrataUnit *unit, uint32 b, BufferAccessStrategy strategy);
/* Block b of those in `blocks` is about to be read: asks memory for the one after it. */
extern void strata_pages_ahead(const StrataUnit *unit, const uint64 *blocks, uint32 nblocks, uint32 b);

/* Line numbers, less one, of block b's rows that are in `rows` (NULL: of all). */
extern void strata_pages_lines(const StrataUnit *unit, uint32 b, const uint64 *rows, uint64 *lines);
#define STRATA_LINE_WORDS ((MaxHeapTuplesPerPage + 63) / 64)

/* The page's LSN without pinning it, when `hint` is the buffer that it is in. */
extern bool strata_pages_peek_lsn(Relation rel, BlockNumber block, Buffer hint, XLogRecPtr *lsn);
/* A 32-bit transaction id, assigned before `next` was read, in full. */
extern uint64 strata_pages_full_xid(TransactionId xid, FullTransactionId next);

/* How a page that is share-locked may be copied. */
typedef enum StrataPageKind
{
	STRATA_PAGE_SETTLED,   /* its rows are live, the rest dead, to everyone */
	STRATA_PAGE_REST,	   /* its rows are live to everyone; others may see more */
	STRATA_PAGE_UNSETTLED, /* some of its rows are being deleted */
} StrataPageKind;

/* Sorts the tuples of a heap page: lines[] gets the numbers, *nlines of them, of those that are a column row.
 * all_visible: the map and the page say so. */
extern StrataPageKind strata_pages_sort(Relation rel, Buffer buffer, TransactionId horizon, bool all_visible,
										OffsetNumber *lines, int *nlines);
/* Would copying the block now take all that anyone can see of it? */
extern bool strata_pages_settled(Relation rel, BlockNumber block, TransactionId horizon,
								 BufferAccessStrategy strategy);

/* ---- read.c ---- */

/* How much populating work item u would gain.  Looks at `samples` blocks of those that only their pages tell of. */
extern void strata_read_staleness(StrataRead *read, uint32 u, TransactionId horizon, uint32 samples,
								  StrataUnitStaleness *s);

#endif
