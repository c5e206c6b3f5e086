/*
 * recall.h - what a process remembers of tables between its queries: rows that it had to read from the heap, and sums
 * over the rows of a unit that are left.
 *
 * Included by: src/exec/ only.
 * Memory: of the process, bounded by the setting strata.recall_memory over all tables; what was used longest ago goes
 * first, but a scan gives up nothing that it has used itself.  What is pinned stays until it is unpinned, or until the
 * query ends.
 * Locking: none; nothing is shared.
 * Not here: why remembered rows are right (column/freshness.c, "Rows remembered"); when to ask for them (scan.c).
 */
#ifndef STRATA_EXEC_RECALL_H
#define STRATA_EXEC_RECALL_H

#include "base/hold.h"
#include "exec/exec.h"

extern int strata_recall_memory; /* setting strata.recall_memory, kB */

typedef enum StrataRecallWhat
{
	RECALL_ROWS,
	RECALL_SUMS
} StrataRecallWhat;

/* Of one work item of a table. */
typedef struct StrataRecallKey
{
	Oid	   relid;
	Oid	   relnumber;
	uint32 unit_blocks;
	uint32 item;
	uint32 what; /* StrataRecallWhat */
} StrataRecallKey;

/* What all that is remembered begins with. */
typedef struct StrataRecalled
{
	StrataRecallKey key;
	dlist_node		lru;
	MemoryContext	cxt; /* it lies in it, with all it has */
	Size			bytes;
	uint64			scan; /* number of the one that used it last */
	int				pins;
	bool			known; /* it can be found */
} StrataRecalled;

/* Somebody's use of it; lies in the memory context that ends it at the latest. */
typedef struct StrataRecallPin
{
	StrataHold		hold;
	StrataRecalled *on;
} StrataRecallPin;

/* What a zone map of some rows would say, as far as it is used to answer an aggregate. */
typedef struct StrataRecallSum
{
	AttrNumber	  attnum;
	StrataSegment zone; /* head only: phys, scale, nrows, null_count, sum, min and max.  nrows 0: not made yet */
} StrataRecallSum;

/* ---- rows of the heap ---- */

typedef struct StrataRecallBlock
{
	uint32	   block; /* of the item */
	uint32	   first; /* row: of chunk first / STRATA_VECTOR.  It ends where the next begins */
	XLogRecPtr lsn;	  /* invalid: its rows are good for the scan that read them only */
	Buffer	   buffer;
} StrataRecallBlock;

typedef struct StrataRecallRows
{
	StrataRecalled head;
	StrataUnitId   unit; /* which `rest` is about */
	uint64		   settled; /* snapshots whose xmin is this or later */
	XLogRecPtr	   quiet;	/* where WAL stood when all blocks were as remembered; or invalid */
	uint64		   heap[STRATA_MAX_UNIT_BLOCKS / 64];
	uint64		   rest[STRATA_MAX_UNIT_BLOCKS / 64];
	uint32		   nblocks;
	uint32		   nlost; /* of these, with an invalid LSN */
	uint32		   room;
	StrataRecallBlock *blocks;
	int			   ncols;
	AttrNumber	  *attnums;
	uint32		   nrows;
	uint32		   nchunks;
	uint32		   chunk_room;
	StrataRows	 **chunks; /* of STRATA_VECTOR rows each but the last */
	StrataRecallSum *sums; /* of each column, over all rows */
} StrataRecallRows;

/* ---- sums over what is left of a unit ---- */

typedef struct StrataRecallSums
{
	StrataRecalled head;
	StrataRowsLeft left;
	uint32		   nleft; /* how many */
	uint32		   words;
	int			   nsums;
	StrataRecallSum *sums; /* room for one a column of the unit */
} StrataRecallSums;

/* ---- a scan's use of them ---- */

typedef struct StrataRecall
{
	StrataRecallPin rows_pin; /* found */
	StrataRecallPin new_pin;  /* made */
	StrataRecallPin sums_pin;
	uint64			number; /* of this scan, in the process */
	bool			off;  /* some value lies in TOAST: not for this scan */
	bool			full; /* there is no room for more */
	bool			sums_full;
	StrataUnitId	unit; /* of the item; all 0: none */

	/* of the item at hand */
	bool			  opened;
	bool			  was_read; /* its rows were read by this scan, just now */
	StrataRecallRows *rows;		/* NULL: nothing remembered of the item */
	uint32			  chunk;	/* next */
	uint64			  served[STRATA_MAX_UNIT_BLOCKS / 64]; /* blocks that it answers for */
	bool			  all_live; /* all of its rows count; else: */
	uint64			 *live;		/* rows that count, in whole vectors */
	uint32			  live_room; /* vectors */
	int				 *column;	/* of each column of the batch, that of `rows` */
	StrataRecallSums *sums;		/* NULL: nothing remembered of the item's unit */
	StrataSegment	 *zones;	/* of each column of the batch, what strata_recall_take() shows of it */
} StrataRecall;

extern void strata_recall_begin(StrataScanState *scan);
/* Before an item is opened.  NULL, or rows that were left of its unit; good until the item is closed. */
extern const StrataRowsLeft *strata_recall_item(StrataScanState *scan);
/* It was; its unit, if it has one. */
extern void strata_recall_unit(StrataScanState *scan, const StrataUnit *unit);
/* Before the first row of the item is read from the heap: what of it is remembered, or may be from now on. */
extern void strata_recall_open(StrataScanState *scan);
/* All of that at once, for a parent that has no use for single rows.  Returns how many; 0: not that way. */
extern unsigned strata_recall_take_rows(StrataScanState *scan);
/* The next vector of that, shown with its mask; 0 at the end. */
extern unsigned strata_recall_vector(StrataScanState *scan);
extern void strata_recall_close(StrataScanState *scan);
/* Answers the unit at hand, of which scan->live is left, for a parent that could answer all of it from zone maps.
 * False: not that way. */
extern bool strata_recall_take(StrataScanState *scan);

#endif
