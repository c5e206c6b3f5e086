/*
 * column.h - the column store as its readers and its SQL functions see it.
 *
 * Included by: column/, exec/, api/.
 * Memory: a unit's metadata lies in an arena, its segments in pages of the pool; both are immutable once
 * published (but for the freshness words).  A page is in memory for sure while it is pinned.  A StrataRead and what it hands out live until strata_read_end() or the end of the memory context that
 * was current at strata_read_begin(), whichever comes first, errors included.
 * Locking: see column/README.md.  Readers take no heavyweight lock beyond the one they hold on the table.
 * Not here: planning and execution (exec/), encodings (segment.h).
 *
 * A table is cut into units of `unit_blocks` consecutive heap blocks: unit u covers blocks
 * [u * unit_blocks, (u+1) * unit_blocks).  For a reader's snapshot, the unit tells which of its rows are seen; of
 * blocks that it does not hold or cannot answer for, and of blocks with tuples that it does not hold, the heap is
 * asked.
 */
#ifndef STRATA_COLUMN_COLUMN_H
#define STRATA_COLUMN_COLUMN_H

#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlogdefs.h"
#include "port/atomics.h"
#include "storage/block.h"
#include "storage/buf.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "base/module.h"
#include "column/segment.h"
#include "pool/pool.h"

extern const StrataModule strata_column_module;

#define STRATA_COLUMN_NO_PAGE PG_UINT32_MAX

typedef struct StrataUnitColumn
{
	AttrNumber			 attnum;
	Oid					 type;
	int32				 typmod;
	Oid					 collation;
	uint32				 page; /* the segment is in unit->pages[page]; STRATA_COLUMN_NO_PAGE: `zone` is all of it */
	Size				 offset; /* from the beginning of the page */
	const StrataSegment *zone; /* its zone map (strata_segment_zone), always in memory */
} StrataUnitColumn;

typedef struct StrataUnit
{
	uint32		  magic;
	uint32		  unitno;
	uint64		  generation;
	BlockNumber	  first_block;
	uint32		  nblocks; /* blocks looked at by population; <= unit_blocks */
	uint32		  nrows;
	uint32		  ncols;
	Size		  bytes; /* all memory of the unit while all of its pages are hot */
	/* Offset in rows of each block's first row: nblocks + 1 entries.  A block that was not copied has none. */
	const uint32 *block_row;
	const StrataUnitColumn *cols; /* ascending attnum */
	uint32		  npages;
	const StrataPageId *pages; /* of the pool: the segments, but for tiny ones */
	/* freshness and bookkeeping fields follow in column_internal.h terms; owned by column/ */
	struct StrataUnitFresh *fresh;
} StrataUnit;

/* How PostgreSQL values of a type are kept. */
typedef enum StrataRep
{
	STRATA_REP_BOOL,	/* INT: 0 or 1 */
	STRATA_REP_UINT1,	/* INT, 0 .. 255: "char" and other types of one byte, by value */
	STRATA_REP_INT2,	/* INT */
	STRATA_REP_INT4,	/* INT; date too, and any type of four bytes by value that is not below */
	STRATA_REP_UINT4,	/* INT, 0 .. 2^32 - 1: oid and what looks like it, enums (their oids) */
	STRATA_REP_INT8,	/* INT; time, timestamp, timestamptz, money too, and any type of eight bytes by value */
	STRATA_REP_FLOAT4,	/* F32 */
	STRATA_REP_FLOAT8,	/* F64 */
	STRATA_REP_NUMERIC, /* per segment: INT with `scale` = the display scale that every value has, or BYTES
						 * when values differ in scale, do not fit 63 bits, or are NaN or infinite */
	STRATA_REP_VARLENA, /* BYTES: uncompressed, inline, with a short header where it fits and the type can be
						 * toasted; composites, arrays, ranges and the like are not looked into */
	STRATA_REP_FIXED	/* BYTES: the bytes of a type of fixed length that is passed by reference (uuid, interval,
						 * point), behind a varlena header as if they were one */
} StrataRep;

typedef struct StrataType
{
	StrataRep rep;
	Oid		  base;		 /* the type itself, or what a domain is over */
	int16	  len;		 /* pg_type.typlen */
	char	  align;	 /* pg_type.typalign */
	bool	  toastable; /* VARLENA: its functions take any header */
} StrataType;

/* False: not storable (enable refuses the column).  Looks into the catalog for all but the commonest types. */
extern bool strata_column_type(Oid type, StrataType *t);
extern bool strata_column_rep(Oid type, StrataRep *rep);

/* Does strata_numeric_parse() read what numeric_out() prints?  Without agreement numerics are kept as bytes, which
 * needs no knowledge of their insides. */
extern bool strata_column_numeric_known(void);

/*
 * Datums of stored values.  strata_int_datum: of BOOL .. INT8.  strata_image_datum: of VARLENA, FIXED, and
 * NUMERIC where it is kept as BYTES; points into the image, or to a copy in `context` when the image lies where a
 * value of the type must not.
 */
extern Datum strata_int_datum(StrataRep rep, int64 value);
extern int64 strata_datum_int(StrataRep rep, Datum d); /* the way back */
extern Datum strata_copy_image(const StrataType *t, const char *image, MemoryContext context);

static inline Datum
strata_image_datum(const StrataType *t, const char *image, MemoryContext context)
{
	/* A short header needs no alignment, and images with a long one lie at multiples of 4. */
	if (t->rep != STRATA_REP_FIXED && (t->align != 'd' || (image[0] & 1) || (uintptr_t) image % 8 == 0))
		return PointerGetDatum(image);
	return strata_copy_image(t, image, context);
}

/*
 * What stored forms say about the default order and equality of a type (its default operator class for btree):
 * ordered_as_int: the integers of the column have the order of the values, so zone maps and dictionaries do.
 * True of no numeric, whose integers are of one scale only.
 * ordered_as_bytes: so does the order of images (strata_bytes_key, memcmp, then length).
 * image_equal: two values are equal exactly when their stored forms are, so that what is known of codes, hashes
 * or bytes may be used for =, IN, DISTINCT and GROUP BY.  False where it is not known to hold.
 */
extern bool strata_type_ordered_as_int(Oid type);
extern bool strata_type_ordered_as_bytes(Oid type, Oid collation);
extern bool strata_type_image_equal(Oid type, Oid collation);

/* ---- for the planner ---- */

typedef struct StrataTableInfo
{
	uint32 unit_blocks;
	uint32 units_populated;
	uint64 blocks_populated; /* blocks copied by population */
	uint64 blocks_stale;	 /* of these, known stale at the last look (an estimate) */
	uint64 rows;			 /* in published units */
	Size   bytes;
} StrataTableInfo;

/* Is the relation in the column store with at least one published unit?  Cheap: a shared hash look-up. */
extern bool strata_column_info(Relation rel, StrataTableInfo *info);

/* Is the column among those that units of the table are built with?  False for system columns. */
extern bool strata_column_stored(Relation rel, AttrNumber attnum);

/* ---- for the executor ---- */

typedef struct StrataRead
{
	Relation	rel;
	Snapshot	snapshot;
	uint32		unit_blocks; /* as given to begin, or the table's; 0 when the table is not in the store */
	BlockNumber nblocks;	 /* of the heap, as seen at begin (or given) */
	uint32		nunits;		 /* work items: ceil(nblocks / unit_blocks) */
	uint64		pages_pinned;		/* by strata_read_segment() so far */
	uint64		pages_read;			/* of these, not in memory before: read from the cold file */
	uint64		pages_decompressed; /* of these, compressed in memory before */
	uint64		blocks_judged;		/* heap pages that had to tell tuple by tuple which rows are seen */
	struct StrataReadPrivate *priv;
} StrataRead;

/*
 * Opens the store for one scan of rel under snapshot (already active and older than this call).  Works for
 * every heap relation: when the store does not have it (never enabled, evicted, rewritten since), all units
 * simply come out as NULL from strata_read_unit(), with a default unit_blocks.
 * A parallel worker passes the leader's nblocks and unit_blocks so that all agree on the work items;
 * everyone else passes InvalidBlockNumber and 0.
 * Takes the predicate lock of a sequential scan when the snapshot is serializable.
 */
extern StrataRead *strata_read_begin(Relation rel, Snapshot snapshot, BlockNumber nblocks, uint32 unit_blocks);
extern void strata_read_end(StrataRead *read);

#define STRATA_MAX_UNIT_BLOCKS 4096

/*
 * How a work item's blocks are read.  Each is either in `heap`, and read there wholly, or its rows come from the
 * unit; then, if it is in `rest`, the heap has other tuples of it besides.  strata_heap_item() reads either.  With no
 * unit, all blocks are in `heap`.
 */
typedef struct StrataFresh
{
	uint32 nheap;	/* blocks in `heap` */
	uint32 nrest;	/* blocks in `rest` */
	uint32 nstale;	/* blocks in either that the unit holds a copy of */
	uint32 nblocks; /* blocks in this work item (the last one may be short) */
	uint64 heap[STRATA_MAX_UNIT_BLOCKS / 64];
	uint64 rest[STRATA_MAX_UNIT_BLOCKS / 64];
	/* Bit a row: those of the unit that the snapshot sees, in whole vectors, the last filled up with zeros.  NULL:
	 * all of them.  Good until the next strata_read_unit(), with or without the unit. */
	const uint64 *rows;
	/* Not 0: whoever is told this number of this unit sees these rows. */
	uint64 changes;
	const StrataUnit *rest_unit; /* for strata_heap_item(): which lines of the `rest` blocks the unit answers for */
} StrataFresh;

/* Tells a unit from all others of its table, before and after it. */
typedef struct StrataUnitId
{
	uint64 generation;
	XLogRecPtr insert_pos;
	int64 copied_at;
} StrataUnitId;

extern StrataUnitId strata_unit_id(const StrataUnit *unit);

static inline bool
strata_unit_id_equal(const StrataUnitId *a, const StrataUnitId *b)
{
	return a->generation == b->generation && a->insert_pos == b->insert_pos && a->copied_at == b->copied_at;
}

/* Rows of a unit that were left of it for somebody. */
typedef struct StrataRowsLeft
{
	StrataUnitId unit;
	uint64 changes; /* as StrataFresh said; 0: it said nothing */
	const uint64 *rows;
} StrataRowsLeft;

/* What a zone map of the rows left would say of a column: bits of its min and max, its NULLs, and its sum. */
typedef struct StrataLeftSum
{
	uint64 nulls, min, max, sum_lo, sum_hi;
} StrataLeftSum;

/* What somebody has noted of a column of the unit for so many changes (StrataFresh.changes, not 0).  False: nobody has. */
extern bool strata_unit_left(const StrataUnit *unit, const StrataUnitColumn *col, uint64 changes, StrataLeftSum *sum);
extern void strata_unit_left_note(const StrataUnit *unit, const StrataUnitColumn *col, uint64 changes,
								  const StrataLeftSum *sum);

/*
 * The published unit of work item u, pinned until strata_read_unit_done(), with its freshness against the
 * read's snapshot; NULL when there is none, or no row of it is seen (then `fresh` says: every block from the heap).
 * remembered: NULL, or what the caller has from before; if that is what is left now, `fresh` points to its rows.
 */
extern const StrataUnit *strata_read_unit(StrataRead *read, uint32 u, StrataFresh *fresh,
										  const StrataRowsLeft *remembered);
extern void strata_read_unit_done(StrataRead *read, const StrataUnit *unit);

/*
 * The segment of a column of a unit that this read has, pinned until strata_read_unit_done().  May read the
 * cold file and wait.  NULL, and *result says why: NO_MEMORY (everything in the pool is pinned), or LOST (its
 * page could not be read back: the unit is out of the store by now).  Either way the caller can read the whole
 * work item from the heap.
 */
extern const StrataSegment *strata_read_segment(StrataRead *read, const StrataUnit *unit,
												const StrataUnitColumn *col, StrataPinResult *result);

/*
 * Says which columns of a unit ahead the scan is going to read, into cols (room for all that were announced);
 * 0: it will need no page of that unit, for its zone maps settle it.  The unit is good for the call only.
 */
typedef int (*StrataReadAhead)(void *arg, const StrataUnit *unit, const StrataUnitColumn **cols);

/*
 * From now on strata_read_unit() asks the prefetch workers for pages of the units that the scan comes to next.
 * ncols: the most columns that `ahead` names.  asked: NULL, or what the participants of a parallel scan share
 * (0 to begin): the last unit that one of them has asked for.  May be called again, with the same ncols.
 */
extern void strata_read_ahead(StrataRead *read, int ncols, StrataReadAhead ahead, void *arg,
							  pg_atomic_uint32 *asked);

/* Column of the unit by attnum, or NULL when the unit lacks it or holds it with another type, typmod or
 * collation than the relation has now (then read the whole work item from the heap). */
extern const StrataUnitColumn *strata_unit_column(const StrataUnit *unit, TupleDesc desc, AttrNumber attnum);

/* ---- heap pages, page at a time, as a sequential scan reads them ---- */

typedef struct StrataHeapPage
{
	Buffer	 buffer; /* pinned, not locked, until the next page or the end */
	/* After strata_heap_settle(): while the page's LSN is this, snapshots whose xmin is `settled` or later see these
	 * tuples and no others (of those that were asked for).  Invalid: nothing of the kind is known. */
	XLogRecPtr lsn;
	uint64	 settled;
	int		 ntuples;
	HeapTupleData tuples[MaxHeapTuplesPerPage]; /* visible ones, in line pointer order */
} StrataHeapPage;

typedef struct StrataHeapRead StrataHeapRead;

extern StrataHeapRead *strata_heap_begin(Relation rel, Snapshot snapshot);
/* Reads one block.  Tuples stay valid until the next call.  Prunes opportunistically and does the
 * serializable conflict checks that a sequential scan does. */
extern StrataHeapPage *strata_heap_block(StrataHeapRead *h, BlockNumber block);
/* The same for block b of a work item, whose first block is `first` and of which `fresh` is told: all of it, or only
 * what the unit does not answer for. */
extern StrataHeapPage *strata_heap_item(StrataHeapRead *h, BlockNumber first, const StrataFresh *fresh,
										uint32 b);
/* From now on pages are told how long what is read of them stays true. */
extern void strata_heap_settle(StrataHeapRead *h);
extern void strata_heap_end(StrataHeapRead *h);

/*
 * For who remembers rows of pages (exec/recall.c; why it is right: freshness.c, "Rows remembered").  May the read use
 * such rows, and remember some?
 */
extern bool strata_read_may_remember(const StrataRead *read);
/* The snapshot's xmin, in full. */
extern uint64 strata_read_xmin(const StrataRead *read);
/* Is that the page's LSN?  *buffer: where the page was last seen. */
extern bool strata_read_lsn_is(StrataRead *read, BlockNumber block, Buffer *buffer, XLogRecPtr lsn);
/* The end of WAL, or of what was replayed of it. */
extern XLogRecPtr strata_wal_position(void);

/* The scan touched the table: last_accessed and the counters behind strata.column_stats(). */
extern void strata_column_count_scan(Oid relid, uint64 rows_columns, uint64 rows_heap, uint64 units,
									 uint64 units_pruned, uint64 blocks_stale);

#endif
