/*
 * exec.h - the executor of the column store: what scan, filter, expressions and aggregates share.
 *
 * Included by: src/exec/ only.
 * Memory: states live in the query's memory context; what a batch points to lives until the next batch.
 * Locking: none of its own; units are pinned through column/column.h while a batch of them is out.
 * Not here: freshness and encodings (column/), kernels (simd/).
 *
 * The rule of the house: a vector path either gives PostgreSQL's answer for every row of a batch or gives up
 * ("irregular": overflow, division by zero, a numeric that is no scaled integer) before any side effect, and
 * the batch is replayed row by row with PostgreSQL's own expression evaluator, which gives the answer or
 * raises the error.
 */
#ifndef STRATA_EXEC_EXEC_H
#define STRATA_EXEC_EXEC_H

#include "postgres.h"

#include "commands/explain.h"
#include "executor/executor.h"
#include "nodes/execnodes.h"
#include "nodes/extensible.h"
#include "nodes/pathnodes.h"
#include "port/atomics.h"

#include "alloc/arena.h"
#include "base/compat.h"
#include "base/module.h"
#include "column/column.h"
#include "simd/simd.h"

#include "exec/exec_module.h"

extern bool strata_column_scan;		 /* setting strata.column_scan */
extern bool strata_column_aggregate; /* setting strata.column_aggregate */
extern bool strata_column_join;		 /* setting strata.column_join */
extern bool strata_column_sort;		 /* setting strata.column_sort */

#define BATCH_WORDS STRATA_VECTOR_WORDS

static inline bool
mask_empty(const uint64 *mask)
{
	uint64 any = 0;

	for (int w = 0; w < BATCH_WORDS; w++)
		any |= mask[w];
	return any == 0;
}

/* Runs the block with `i` set to each row whose bit is set. */
#define FOREACH_ROW(mask, i, ...)                                                                                 \
	do                                                                                                             \
	{                                                                                                              \
		for (int w_ = 0; w_ < BATCH_WORDS; w_++)                                                                   \
			for (uint64 m_ = (mask)[w_]; m_; m_ &= m_ - 1)                                                         \
			{                                                                                                      \
				unsigned i = w_ * 64 + __builtin_ctzll(m_);                                                        \
				__VA_ARGS__                                                                                        \
			}                                                                                                      \
	} while (0)

/* ---- what nodes of the store hand to each other: batches ---- */

typedef struct StrataBatch StrataBatch;
typedef struct StrataRows StrataRows;
typedef struct StrataRowsColumn StrataRowsColumn;
typedef struct StrataPred StrataPred;
typedef struct StrataExpr StrataExpr;
typedef struct StrataScanFilter StrataScanFilter;

typedef enum StrataSource
{
	STRATA_FROM_NONE,	 /* nothing at hand */
	STRATA_FROM_SEGMENT, /* a vector of a unit's segment */
	STRATA_FROM_ROWS,	 /* rows kept by a node: row `rowid[i]`, or `i`, of a StrataRows */
	STRATA_FROM_NULLS	 /* the missing side of an outer join */
} StrataSource;

/*
 * A column of a batch.  It belongs to the node that makes its values (owner); nodes above share the pointer, as
 * a row keeps its position in the vector on the way up.  Nothing is decoded before somebody asks for it.
 */
typedef struct StrataColumn
{
	StrataBatch *owner;
	AttrNumber	 attnum; /* scans: of the table */
	Oid			 type;
	int32		 typmod;
	bool		 storable; /* the type has a representation in units */
	StrataType	 rep;

	StrataSource source;
	/* FROM_SEGMENT: of the current unit; NULL between units */
	const StrataUnitColumn *stored;
	const StrataSegment *zone; /* its zone map */
	const StrataSegment *seg;  /* pinned; NULL until the scan pins it */
	/* FROM_ROWS */
	const StrataRowsColumn *rows;
	const uint32 *rowid;	  /* NULL: position i is row i */
	const uint64 *row_filled; /* rowid: positions that have a row; the others read as NULL.  NULL: all */
	const uint64 *wanted;	  /* rowid: positions that will be looked at; others may be 0.  NULL: all */

	/* Changes when codes begin to mean other values: whoever keeps something by code keeps this number too. */
	uint64 dict_id;
	Datum *code_datum; /* numeric dictionaries: Datums by code, made at first use (0: not yet) */

	/* of the current vector: what has been decoded so far */
	bool		have_i64, have_f64, have_bytes, have_codes;
	bool		have_some; /* of bytes: the images of the rows in `some` */
	const int64	 *i64;
	const double *f64;
	const char *const *bytes;
	const uint32 *codes;
	const uint64 *nulls; /* of the current vector, or NULL */
	/* room for them, made at first use */
	int64		*i64_room;
	double		*f64_room;
	const char **bytes_room;
	char		*image_room; /* in the query's memory: images that the segment does not hold as such */
	Size		 image_bytes;
	uint64		 some[BATCH_WORDS];
	uint32		*codes_room;
	uint64		*nulls_room;
} StrataColumn;

/* All uint64: parallel participants add them up word by word. */
typedef struct StrataScanCounts
{
	uint64 rows_columns;   /* fresh rows of the vectors looked at */
	uint64 rows_heap;	   /* visible rows read from the heap */
	uint64 rows_remembered; /* rows of the heap that did not have to be read again */
	uint64 rows_out;	   /* rows that passed it */
	uint64 rows_replayed;  /* rows of irregular batches */
	uint64 units;		   /* units read, the pruned ones included */
	uint64 units_pruned;   /* skipped by their zone maps */
	uint64 units_answered; /* whose aggregate came from the zone maps alone */
	uint64 units_summed;   /* whose aggregate came from sums over the rows of it that are left */
	uint64 units_missing;  /* work items without a usable unit */
	uint64 blocks_stale;   /* blocks whose copy was stale */
	uint64 blocks_heap;	   /* blocks read from the heap, stale ones included */
	uint64 vector_values;  /* values that went through kernels */
	uint64 scalar_values;  /* values that went through one-by-one code or PostgreSQL's evaluator */
	uint64 busy_ns;		   /* in vector code */
	uint64 pages_pinned;
	uint64 pages_read;		   /* of the pinned ones, from the cold file */
	uint64 pages_decompressed; /* of the pinned ones, in memory */
	uint64 blocks_judged;	   /* heap pages that had to tell which rows of the unit are seen */
	uint64 rows_join_filtered; /* rows that the filter of a join above took off */
	uint64 bytes;			   /* of the segments pinned, as encoded */
	uint64 match_rows;	   /* strings that kernels matched (match.c) */
	uint64 match_selected; /* of these, where the predicate was true */
	uint64 match_bytes;
	uint64 match_scalar; /* of match_rows, by their codes */
	uint64 match_ns;
} StrataScanCounts;

#define STRATA_NCOUNTS (sizeof(StrataScanCounts) / sizeof(uint64))

/*
 * The output of a node, one vector at a time.  Embedded in the states of all nodes that make batches; parents know
 * nothing else of them.
 */
struct StrataBatch
{
	PlanState *ps; /* of the node */

	/* The next vector with at least one row; false at the end.  Columns, n and mask then describe it, until
	 * the next call. */
	bool (*next)(StrataBatch *b);
	/* Index of the column that a Var of a parent's expression means, added when the node has not been asked for it
	 * yet (before the first next() only); -1 when it has none. */
	int (*column)(StrataBatch *b, const Var *var);
	/* A node above needs only rows whose column `col` passes the filter, as soon as that is active: tells the scans
	 * below, where they can see the column.  False: it reached none.  NULL: never does. */
	bool (*push_filter)(StrataBatch *b, int col, StrataScanFilter *filter);

	int			   ncols;
	StrataColumn **cols;
	AttrNumber	  *att; /* of each column in `slot` */

	unsigned n;					 /* positions in use, at most STRATA_VECTOR */
	uint64	 mask[BATCH_WORDS];	 /* those that are rows; none past n */
	uint32	 cur_vector;		 /* FROM_SEGMENT: number of the vector in its unit */
	MemoryContext memory;		 /* reset for each vector, by the node */
	MemoryContext dict_memory;	 /* values kept by code live here; reset when dict_ids change */

	ExprContext	   *econtext; /* for PostgreSQL's evaluator, one row at a time, in its per-tuple memory */
	TupleTableSlot *slot;	  /* the row it sees */
	StrataScanCounts *counts;
	StrataArena	   *arena;	  /* for decoded vectors, to the end of the node; NULL: none yet, or refused */
	bool			arena_refused;
	List		   *outside; /* of StrataOutside: what PostgreSQL evaluates of the expressions compiled for this batch */
};

/* For EXPLAIN: a part of an expression that has no vector form, and what lacks one. */
typedef struct StrataOutside
{
	Node *node;
	const char *why; /* NULL: it has come to have one */
} StrataOutside;

/* ---- batch.c ---- */
extern void strata_batch_init(StrataBatch *b, PlanState *ps, TupleTableSlot *slot, StrataScanCounts *counts);
/* Adds a column that the node itself makes. */
extern int strata_batch_add_own(StrataBatch *b, Oid type, int32 typmod, AttrNumber att);
/* Adds a column of a node below, or one made elsewhere. */
extern int strata_batch_add(StrataBatch *b, StrataColumn *col, AttrNumber att);
/* An expression of a parent as PostgreSQL's evaluator can run it over the batch's slot; *cols, unless NULL, gets the
 * indexes of the columns it reads.  NULL when a Var is none of the node's. */
extern Node *strata_batch_localize(StrataBatch *b, Node *node, List **cols);
/* Puts row i into the slot: every column, or those of a list. */
extern void strata_batch_fill(StrataBatch *b, unsigned i);
extern void strata_batch_fill_some(StrataBatch *b, const int *cols, int n, unsigned i);
/* Forgets what is decoded: the columns that the batch owns are about to stand for another vector. */
extern void strata_batch_new_vector(StrataBatch *b);
extern void strata_batch_drop_buffers(StrataBatch *b);
extern void *strata_batch_buffer(StrataBatch *b, Size bytes);
/* Makes the columns owned by b stand for the first n rows of `rows`: the k-th for its column column[k], or its k-th. */
extern void strata_batch_show_rows(StrataBatch *b, StrataRows *rows, const int *column, unsigned n);
extern uint64 strata_new_dict_id(void);

/* Decodings of the current vector, cached; NULL when the column is not kept that way at the moment. */
extern const int64 *strata_col_i64(StrataColumn *col);
extern const double *strata_col_f64(StrataColumn *col);
/* Memory of any size, all zeroes.  Answers interrupts: to touch memory for the first time takes a millisecond every few
 * megabytes. */
extern void *strata_alloc_zeroed(MemoryContext cxt, Size bytes);
/* memset to 0 and memcpy, which a cancel may interrupt. */
extern void strata_zero(void *to, Size bytes);
extern void strata_copy(void *to, const void *from, Size bytes);
extern const char *const *strata_col_bytes(StrataColumn *col);
/* The same, but only at positions in `rows` for sure. */
extern const char *const *strata_col_bytes_of(StrataColumn *col, const uint64 *rows);
extern const uint32 *strata_col_codes(StrataColumn *col);
/* Value of a row that is not NULL; lives until the next vector. */
extern Datum strata_col_datum(StrataColumn *col, unsigned i);
extern StrataPhys strata_col_phys(const StrataColumn *col);
/* Of INT values: decimal digits after the point. */
extern int strata_col_scale(const StrataColumn *col);

/* Something may be kept per code of this column. */
#define STRATA_MAX_CODES 65536
extern bool strata_col_coded(const StrataColumn *col);
extern uint32 strata_col_ncodes(const StrataColumn *col);
/* Value of a code, which must not be that of a NULL row. */
extern int64 strata_code_i64(const StrataColumn *col, uint32 code);
extern double strata_code_f64(const StrataColumn *col, uint32 code);
extern const char *strata_code_bytes(const StrataColumn *col, uint32 code);

static inline bool
strata_row_null(const uint64 *nulls, unsigned i)
{
	return nulls && (nulls[i / 64] >> (i % 64) & 1);
}

/* ---- rows.c: rows kept column by column ---- */

struct StrataRowsColumn
{
	const StrataRows *owner;
	Oid		   type;
	StrataType rep;
	StrataPhys phys;  /* a numeric column begins as INT and becomes BYTES with the first value that is none of its scale */
	int		   scale; /* numeric as INT; -1 while there is no value */
	union
	{
		void   *any;
		int64  *i64;
		double *f64;
		const char **bytes;
	} v;
	/* BYTES: `v.i64` are places of images from here on, since rows that several processes share have no pointers; NULL:
	 * they are pointers */
	const char *arena;
	uint64 *nulls;
	bool	has_nulls;
	uint64	dict_id;
	/* images kept once a code of the column that rows came from last; by code */
	const char **shared;
	uint32	shared_codes; /* room */
	uint64	shared_dict;  /* its dict_id */
	/* images kept once for all such columns: an open-addressing table by content */
	const char **images;
	uint32	images_room; /* a power of two; 0: there is none yet */
	uint32	nimages;
};

struct StrataRows
{
	MemoryContext cxt; /* of everything; reset by strata_rows_reset() */
	int		ncols;
	uint32	n;
	uint32	capacity;
	uint32	most;  /* arrays are not doubled beyond so many rows before there are as many; 0: they are */
	uint32	first; /* capacity to begin with, a multiple of 64 */
	Size	bytes; /* of arrays and values */
	char   *image; /* where the next small image goes */
	Size	image_left;
	bool	lists_blocks; /* keeps a list of the memory that its images lie in */
	struct StrataImageBlock *blocks;
	uint32	nblocks, blocks_room;
	bool	toasted; /* some values are as the heap has them, compressed or pointers: see strata_rows_fetch() */
	StrataRowsColumn *cols;
};

/* Memory that images of rows lie in, and nothing else. */
typedef struct StrataImageBlock
{
	const char *data;
	Size		bytes;
} StrataImageBlock;

/* An image of a BYTES column. */
static inline const char *
strata_rows_image(const StrataRowsColumn *col, uint32 row)
{
	return col->arena ? col->arena + col->v.i64[row] : col->v.bytes[row];
}

/* How tuples of a heap become rows. */
typedef struct StrataTupleWalk
{
	TupleDesc desc;
	int		  natts;  /* attributes to walk: up to the last that is a column */
	int16	 *column; /* of each attribute; -1: none */
	bool	 *early;  /* of each column: its values are wanted before it is known which rows are */
} StrataTupleWalk;

extern StrataRows *strata_rows_create(MemoryContext parent, int ncols);
extern void strata_rows_column(StrataRows *rows, int c, Oid type, const StrataType *rep);
extern void strata_rows_reset(StrataRows *rows);
/* Makes room for one row, so that row 0 can be read. */
extern void strata_rows_reserve(StrataRows *rows);
/* The rows of mask, from cols[0 .. rows->ncols). */
extern void strata_rows_add_batch(StrataRows *rows, StrataColumn *const *cols, const uint64 *mask, unsigned n);
/* Rows row[0..n) of another, with the same columns. */
extern void strata_rows_add_rows(StrataRows *rows, const StrataRows *from, const uint32 *row, uint32 n);
/* One row of another whose numerics may be kept otherwise. */
extern void strata_rows_add_row(StrataRows *rows, const StrataRows *from, uint32 row);
/* A value; numerics are made in the current memory context, all else lives as long as the rows. */
extern Datum strata_rows_datum(const StrataRowsColumn *col, uint32 row, bool *isnull);
/* One row; values[att[c] - 1] is column c. */
extern void strata_rows_add_slot(StrataRows *rows, const Datum *values, const bool *isnull, const AttrNumber *att);
/* Attribute att[c] is column c. */
extern StrataTupleWalk *strata_tuple_walk(TupleDesc desc, int ncols, const AttrNumber *att);
/* Tuples that stay where they are for the call only.  Values of columns that are not `early` and lie in TOAST are
 * there after strata_rows_fetch(), which fetches those of the rows of mask. */
extern void strata_rows_add_tuples(StrataRows *rows, const StrataTupleWalk *w, const HeapTupleData *tuples, int n);
extern void strata_rows_fetch(StrataRows *rows, const uint64 *mask);

/* Any plan as a maker of batches: up to 1024 rows a time. */
typedef struct StrataRowSource
{
	StrataBatch	   batch;
	PlanState	  *plan;
	StrataRows	  *rows;
	bool		   done;
	StrataScanCounts counts;
} StrataRowSource;

/* Its columns are those of the plan's target list, all of which must be storable.  owner: the node that it feeds. */
extern StrataRowSource *strata_row_source(PlanState *plan, PlanState *owner);

/* The state's batch when the node makes batches, else NULL. */
extern StrataBatch *strata_batch_of(PlanState *ps);

/* ---- scan.c ---- */

typedef enum StrataBatchKind
{
	STRATA_BATCH_END,
	STRATA_BATCH_VECTOR, /* rows `mask` of the current vector passed the filter */
	STRATA_BATCH_ROW	 /* one row in the scan slot passed the filter */
} StrataBatchKind;

/* Shared by the participants of a parallel scan; in the query's DSM. */
typedef struct StrataParallelScan
{
	BlockNumber		 nblocks;
	uint32			 unit_blocks;
	pg_atomic_uint32 next; /* work item to claim */
	pg_atomic_uint32 asked; /* last work item whose pages were asked for ahead */
	pg_atomic_uint32 leader; /* the leader has claimed an item, and so will claim whatever is left */
	int				 workers; /* that were asked for */
	uint64			 launched; /* ns: when they were */
	pg_atomic_uint64 counts[STRATA_NCOUNTS];
} StrataParallelScan;

/* What a node above knows about the rows it needs, for the scan that feeds it: a hash join of the keys on its other
 * side, a top-n of the bound. */
struct StrataScanFilter
{
	bool		  active; /* the build side is there */
	bool		  empty;  /* no row can match */
	bool		  keep_nulls; /* rows without a value pass */
	int64		  min, max;
	const uint64 *bits; /* bit (value - min), or NULL */
	const StrataBloomBlock *bloom; /* of the values' hashes (hash_i64, seed 0), of nblocks, or NULL */
	uint32		  nblocks;
};

typedef struct StrataScanState
{
	CustomScanState css;
	StrataBatch		batch;

	/* Set by a parent that takes batches, before the first fetch. */
	bool wants_batches;
	/* Asked about a unit with the whole filter proven true by the zone maps: could the parent answer it from
	 * the zone maps, all rows being fresh?  If so it is told to.  Both may be NULL. */
	bool (*can_take_unit)(void *arg);
	void (*take_unit)(void *arg, uint32 nrows);
	Bitmapset *take_cols; /* of the batch: those whose zone maps that looks at */
	void *parent;
	bool  reported_above; /* the parent's event tells of this scan too */

	ExprState	*qual; /* the whole filter for PostgreSQL's evaluator, or NULL */
	StrataPred **preds; /* one a qual, in the plan's order */
	int			 npreds;
	bool		*pred_proven; /* by the zone maps of this unit */
	bool		*pred_dear;	  /* strata_node_dear() */
	Bitmapset  **pred_attrs;  /* columns that each qual reads, by attnum */
	int			 nqual_cols;  /* columns that the quals read */
	int			*qual_cols;
	bool		*left_out;	  /* quals that are not applied at the moment; NULL: all are */
	bool		 stopped;	  /* left_out: PostgreSQL's evaluator would have had to be asked, and might have raised one */
	bool		 row_filter;  /* a qual is volatile: it must run once a row, in order, whatever happens */
	int			 nfilters; /* from nodes above: they come after the quals */
	struct StrataPushed
	{
		int				  col;
		StrataScanFilter *filter;
		uint64			  tested, passed; /* by the Bloom filter */
	} *filters;

	AttrNumber	  max_attr; /* highest needed */

	StrataRead		   *read;
	StrataParallelScan *shared;
	uint32				next_unit; /* when not parallel */
	struct StrataLeave
	{
		bool   can;		   /* a worker that has nothing to do after this scan */
		bool   left;	   /* what is left of the items is the leader's */
		uint64 to_go;	   /* ns that the process will take to end, a guess; of several workers, a share of it */
		uint64 claimed;	   /* ns: when the item at hand was claimed; 0: none was */
		uint64 item;	   /* ns that an item has taken of late */
	} leave;
	bool				looking_ahead; /* strata_read_ahead() knows of this scan */

	/* the work item at hand */
	bool			  item_open;
	uint32			  item;
	const StrataUnit *unit; /* NULL: none usable */
	StrataFresh		  fresh;
	uint32			  vector; /* next vector of unit */
	bool			  filter_pinned; /* the columns that this unit's rows are filtered by */
	bool			  all_pinned;	 /* every column */
	bool			  rows_survive;	 /* in the last unit that was filtered; decides what is fetched ahead */
	StrataScanCounts  before;		 /* counts before this unit, for one that is given up */
	double			  filtered;		 /* rows of this unit that EXPLAIN has as removed by the filter */
	const uint64	 *live;	  /* rows of the unit that the snapshot sees; NULL: all */
	uint32			  heap_next; /* next block of the work item to look at */
	StrataHeapRead	 *heap;
	StrataHeapPage	 *page;
	int				  page_next;
	TupleTableSlot	 *heap_slot;
	StrataRows		 *heap_rows; /* wants_batches: rows of the item from the heap, gathered */
	StrataTupleWalk	 *heap_walk;
	struct StrataRecall *recall; /* wants_batches: what is remembered of the item's heap rows; NULL: nothing yet */
	bool			  heap_shown; /* they are the vector at hand */

	/* the vector at hand */
	bool vector_open;
	bool replay; /* rows of mask have yet to pass the filter, one by one */

	MemoryContext unit_context; /* reset for each unit */

	StrataScanCounts counts;
	StrataScanCounts totals; /* of the other participants, for EXPLAIN */
} StrataScanState;

extern CustomScanMethods strata_scan_methods;
/* For recall.c: the scan's reader of heap pages; a column of the unit at hand pinned (false: it cannot be had); has the
 * heap something of block b of the item, all of it or what the unit does not hold? */
extern StrataHeapRead *strata_scan_heap(StrataScanState *scan);
extern bool strata_scan_pin(StrataScanState *scan, StrataColumn *col);
static inline bool
strata_scan_block_from_heap(const StrataScanState *scan, uint32 b)
{
	return (scan->fresh.heap[b / 64] | scan->fresh.rest[b / 64]) >> (b % 64) & 1;
}
extern bool strata_is_scan_state(PlanState *ps);
/*
 * Before the first batch of a (re)scan: it is to give the rows that pass all but the numbered quals.  PostgreSQL might
 * never have looked at some of them, so no error is raised for any: the scan ends early instead, and is then `stopped`.
 * quals NULL: as usual again.
 */
extern void strata_scan_leave_out(StrataScanState *scan, const Bitmapset *quals);
/* Counts of all participants so far. */
extern StrataScanCounts strata_scan_counts(const StrataScanState *scan);

/* ---- report.c ---- */
extern void strata_explain_counts(const StrataScanCounts *c, ExplainState *es);
extern void strata_explain_outside(const StrataBatch *b, ExplainState *es);
/* The node has ended: its event, and the counters behind strata.column_stats() (by the scan only). */
extern void strata_report(StrataScanState *scan, bool aggregate);
/* An aggregate whose input is no scan. */
extern void strata_report_aggregate(const StrataScanCounts *c);
/* The strings that a node's predicates matched; the table's qualified name may be NULL. */
extern void strata_report_matches(const StrataScanCounts *c, const char *table);

/* ---- expr.c ---- */
typedef enum StrataClass
{
	STRATA_CLASS_INT, /* bool, int2/4/8, date, time, timestamp(tz), oid, money as int64 */
	STRATA_CLASS_NUM, /* numeric as int64 scaled by 10^scale */
	STRATA_CLASS_F64, /* float4 and float8 as double */
	STRATA_CLASS_TEXT /* text, varchar, bpchar: varlena images, inline and uncompressed */
} StrataClass;

typedef enum StrataExprKind
{
	STRATA_EXPR_COLUMN,
	STRATA_EXPR_CONST, /* a part without columns: evaluated once, at first need after a (re)scan */
	STRATA_EXPR_CALL,  /* a vector form of an operator, function or construct */
	STRATA_EXPR_VALUE  /* PostgreSQL's evaluator, once a row or once a distinct value */
} StrataExprKind;

/* palloc aligns to 8 bytes, the compiler would take 16 for granted. */
typedef StrataInt128 StrataSum __attribute__((aligned(8)));

/* A numeric to compare scaled integers with. */
typedef struct StrataNumericBound
{
	StrataSum floor; /* floor(value * 10^scale) */
	int		  scale; /* at most 18 */
	bool	  more;	 /* the value is greater than that */
	int		  beyond; /* 1, -1: greater, less than any scaled integer; infinities and NaN too */
} StrataNumericBound;

struct StrataExpr
{
	StrataExprKind kind;
	/* CALL: fills the results below for the rows in mask; false: irregular */
	bool (*eval)(StrataBatch *in, StrataExpr *e, const uint64 *mask);
	int			 op;	  /* what eval is to do, in its file's own terms */
	int64		 param;	  /* the same */
	StrataClass	 cls;
	Oid			 type;
	int64		 lo, hi;  /* INT: range of the type */
	bool		 f32;	  /* F64 of type float4 */
	int			 nargs;
	StrataExpr **args;
	int			 npreds;
	StrataPred **preds;
	int			 col;	  /* COLUMN: index into the batch's columns; -1: none */
	StrataExpr	*coded;	  /* CALL: the VALUE to ask instead where its one column has codes, or where the CALL does not know */
	StrataOutside *outside; /* CALL: what it is noted as while it may have to ask that VALUE */
	struct StrataValue *value; /* VALUE */

	ExprState	*const_state;
	ExprContext *const_econtext;
	bool		 const_static; /* Const or Param: raises no error */
	int			 const_param;  /* PARAM_EXEC: its number, whose subplan may not have run yet; else -1 */
	bool		 const_fixed;	/* a Const: a rescan changes nothing */
	bool		 const_ready;
	bool		 const_filled;	/* the vector of it, too */
	bool		 const_null;
	bool		 const_irregular;
	int64		 const_i;
	double		 const_f;
	int			 const_scale;
	char		*const_t;
	StrataNumericBound const_bound; /* NUM: good also where the value is const_irregular */

	/* result for the current vector; of rows outside the mask, and of NULLs, anything */
	const int64	 *vi;
	const double *vf;
	const char *const *vt;
	const uint64 *vnulls; /* bit set = NULL; NULL pointer: none */
	int			  scale;
	/* NUM whose rows differ in display scale: that of each row, which is no more than `scale`; else NULL */
	const uint8	 *vscale;
	/* NUM of a node that widens: instead of vi, when 64 bits or the scales they go with were not enough */
	const StrataSum *vw;
	bool		  widens;
	bool		  bounded; /* INT, NUM: all rows of the mask that are not NULL lie within [min, max] */
	int64		  min, max;
	int64		 *buf;
	StrataSum	 *wbuf;
	double		 *fbuf;
	const char	**tbuf;
	uint8		 *sbuf;
	uint64		 *nbuf;
};

/* NULL when the expression is outside the language: the caller falls back to PostgreSQL's evaluator. */
extern StrataExpr *strata_expr_compile(StrataBatch *in, Node *node);
/* Would it compile, as far as the plan can tell? */
extern bool strata_expr_speaks(Node *node);
extern bool strata_expr_is_const(const StrataExpr *e);
extern bool strata_expr_is_column(const StrataExpr *e);
/* A constant that may be evaluated before its turn: that runs no function and no subplan. */
extern bool strata_expr_is_plain(const StrataExpr *e);
/* Fills vi, vf or vt, and vnulls and scale, for the rows in mask.  False: irregular. */
extern bool strata_expr_eval(StrataBatch *in, StrataExpr *e, const uint64 *mask);
/* Evaluates a constant if that was not done since the last rescan.  False: it does not fit the class. */
extern bool strata_expr_const(StrataExpr *e);
extern void strata_expr_rescan(StrataExpr *e);
/* The caller can take results of 128 bits. */
extern void strata_expr_widen(StrataExpr *e);
/* May it be evaluated for rows that PostgreSQL would not evaluate it for?  It raises no error, but may be irregular. */
extern bool strata_expr_quiet(const StrataExpr *e);
/* NUM: the display scale of the greatest scale among some rows, which all their values are multiples of. */
extern int strata_expr_scale(const StrataExpr *e, const uint64 *rows);
/* The display scale that every finite value of a numeric expression has, -1: none is known. */
extern int strata_expr_static_scale(Node *node);

/* Splits a finite numeric into an integer and its display scale; false for NaN, infinities and values of
 * more than 38 digits. */
extern bool strata_numeric_split(Datum numeric, StrataInt128 *value, int *scale);
/* The same for an image that is neither compressed nor elsewhere; false too for what does not fit 63 bits. */
extern bool strata_numeric_i64(const struct varlena *image, int64 *value, int *scale);
/* The numeric value / 10^scale with display scale `scale`. */
extern Datum strata_numeric_make(StrataInt128 value, int scale);
extern const int64 strata_pow10[19];
/* Largest scale of 128-bit results, and powers of ten up to it. */
#define STRATA_WIDE_SCALE 36
extern StrataInt128 strata_wide_pow10(int n);

/* Where any numeric, NaN and infinities too, lies among the 64-bit multiples of 10^-scale, scale being 0 to 18. */
typedef enum StrataPlace
{
	STRATA_PLACE_AT,	/* it is one */
	STRATA_PLACE_AFTER, /* between one and the next */
	STRATA_PLACE_BELOW, /* less than all of them */
	STRATA_PLACE_ABOVE	/* greater than all */
} StrataPlace;
extern void strata_numeric_bound(Datum numeric, StrataNumericBound *b);
/* AT, AFTER: *at is the multiple, as an integer. */
extern StrataPlace strata_numeric_place(const StrataNumericBound *b, int scale, int64 *at);

/* ---- match.c ---- */
typedef struct StrataMatch StrataMatch;
/* NULL when the predicate is not one string column against a constant in a way that kernels know. */
extern StrataMatch *strata_match_compile(Node *node);
/* For a column that is of BYTES.  is_true and is_null are within mask; it raises no error. */
extern void strata_match_eval(StrataBatch *in, StrataMatch *m, StrataColumn *col, const uint64 *mask,
							  uint64 *is_true, uint64 *is_null);

/* ---- filter.c ---- */
typedef enum StrataVerdict
{
	STRATA_SOME,
	STRATA_NONE,
	STRATA_ALL
} StrataVerdict;

/* Never fails: what the vector language cannot say becomes a call of PostgreSQL's evaluator. */
extern StrataPred *strata_pred_compile(StrataBatch *in, Node *node);
/* is_true and is_null are within mask.  False: irregular. */
extern bool strata_pred_eval(StrataBatch *in, StrataPred *p, const uint64 *mask, uint64 *is_true,
							 uint64 *is_null);
/* What the zone maps of scan->unit say about the predicate. */
extern StrataVerdict strata_pred_prune(StrataBatch *in, StrataPred *p);
/* Can its evaluation raise no error, so that quals after it may be tried before it? */
extern bool strata_pred_safe(const StrataPred *p);
/* May it be asked of rows that PostgreSQL would not ask it of?  It raises no error, but may be irregular. */
extern bool strata_pred_quiet(const StrataPred *p);
/* Does a condition cost so much that a row had better be of use: by a subquery, or by a function that says so? */
extern bool strata_node_dear(Node *node);
extern void strata_pred_rescan(StrataPred *p);
/* The comparison that a btree operator stands for, if its order is that of our kernels. */
extern bool strata_operator_meaning(Oid opno, StrataCmp *cmp, Oid *left, Oid *right);



/* ---- zone.c ---- */
typedef struct StrataZoneTest StrataZoneTest;
/* NULL when zone maps can say nothing of the expression, which reads one column. */
extern StrataZoneTest *strata_zone_compile(Node *node);
extern StrataVerdict strata_zone_verdict(const StrataZoneTest *t, const StrataSegment *zone);

/* ---- agg.c ---- */
extern CustomScanMethods strata_agg_methods;
/* Can the node compute this aggregate call (its arguments aside)? */
extern bool strata_agg_supported(const Aggref *agg);
/* Bytes that a group takes, strings aside. */
extern Size strata_group_size(int nkeys, int naggs);
/* Can it group by this expression? */
extern bool strata_group_key_supported(Node *expr);

#endif
