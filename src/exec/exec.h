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

/* ---- columns of the batch at hand ---- */

typedef struct StrataColumn
{
	AttrNumber attnum;
	Oid		   type;
	int32	   typmod;
	bool	   storable; /* the type has a representation in units */
	StrataType rep;

	/* of the current unit; NULL between units */
	const StrataUnitColumn *stored;
	const StrataSegment *zone; /* its zone map */
	const StrataSegment *seg;  /* pinned; NULL until pin_columns() */
	Datum *code_datum; /* numeric dictionaries: Datums by code, made at first use (0: not yet) */

	/* of the current vector: what has been decoded so far */
	bool		have_i64, have_f64, have_bytes, have_codes;
	int64	   *i64;
	double	   *f64;
	const char **bytes;
	uint32	   *len;
	uint32	   *codes;
	const uint64 *nulls; /* of the current vector, or NULL */
} StrataColumn;

typedef enum StrataBatchKind
{
	STRATA_BATCH_END,
	STRATA_BATCH_VECTOR, /* rows `mask` of the current vector passed the filter */
	STRATA_BATCH_ROW	 /* one row in the scan slot passed the filter */
} StrataBatchKind;

typedef struct StrataPred StrataPred;
typedef struct StrataExpr StrataExpr;

/* All uint64: parallel participants add them up word by word. */
typedef struct StrataScanCounts
{
	uint64 rows_columns;   /* fresh rows of the vectors looked at */
	uint64 rows_heap;	   /* visible rows read from the heap */
	uint64 rows_out;	   /* rows that passed it */
	uint64 rows_replayed;  /* rows of irregular batches */
	uint64 units;		   /* units read, the pruned ones included */
	uint64 units_pruned;   /* skipped by their zone maps */
	uint64 units_answered; /* whose aggregate came from the zone maps alone */
	uint64 units_missing;  /* work items without a usable unit */
	uint64 blocks_stale;   /* blocks whose copy was stale */
	uint64 blocks_heap;	   /* blocks read from the heap, stale ones included */
	uint64 vector_values;  /* values that went through kernels */
	uint64 scalar_values;  /* values that went through one-by-one code or PostgreSQL's evaluator */
	uint64 busy_ns;		   /* in vector code */
	uint64 pages_pinned;
	uint64 pages_read;		   /* of the pinned ones, from the cold file */
	uint64 pages_decompressed; /* of the pinned ones, in memory */
} StrataScanCounts;

#define STRATA_NCOUNTS (sizeof(StrataScanCounts) / sizeof(uint64))

/* Shared by the participants of a parallel scan; in the query's DSM. */
typedef struct StrataParallelScan
{
	BlockNumber		 nblocks;
	uint32			 unit_blocks;
	pg_atomic_uint32 next; /* work item to claim */
	pg_atomic_uint32 asked; /* last work item whose pages were asked for ahead */
	pg_atomic_uint64 counts[STRATA_NCOUNTS];
} StrataParallelScan;

typedef struct StrataScanState
{
	CustomScanState css;

	/* Set by a parent that takes batches, before the first fetch. */
	bool wants_batches;
	/* Asked about a unit with the whole filter proven true by the zone maps: could the parent answer it from
	 * the zone maps, all rows being fresh?  If so it is told to.  Both may be NULL. */
	bool (*can_take_unit)(void *arg);
	void (*take_unit)(void *arg, const StrataUnit *unit);
	/* Called when another unit was loaded, for caches keyed by unit.  May be NULL. */
	void (*on_unit)(void *arg);
	void *parent;

	ExprState	*qual; /* the whole filter for PostgreSQL's evaluator, or NULL */
	StrataPred **preds; /* one a qual, in the plan's order */
	int			 npreds;
	bool		*pred_proven; /* by the zone maps of this unit */
	Bitmapset  **pred_attrs;  /* columns that each qual reads, by attnum */
	bool		 row_filter;  /* a qual is volatile: it must run once a row, in order, whatever happens */

	int			  ncols;
	StrataColumn *cols;
	AttrNumber	  max_attr; /* highest needed */

	StrataRead		   *read;
	StrataParallelScan *shared;
	uint32				next_unit; /* when not parallel */
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
	uint64			 *live;	  /* rows of the unit that are fresh; NULL: all */
	uint32			  heap_next; /* next block of the work item to look at */
	StrataHeapRead	 *heap;
	StrataHeapPage	 *page;
	int				  page_next;
	TupleTableSlot	 *heap_slot;

	/* the vector at hand */
	bool	 vector_open;
	unsigned n;
	uint32	 cur_vector;
	uint64	 mask[BATCH_WORDS];
	bool	 replay; /* rows of mask have yet to pass the filter, one by one */

	MemoryContext batch_context; /* reset for each vector */
	MemoryContext unit_context;	 /* reset for each unit */
	StrataArena	  *arena;		  /* for decoded vectors, to the end of the scan; NULL: none yet, or refused */
	bool		   arena_refused;
	ExprContext	 *pred_econtext;
	TupleTableSlot *pred_slot;

	StrataScanCounts counts;
	StrataScanCounts totals; /* of the other participants, for EXPLAIN */
} StrataScanState;

/* ---- scan.c ---- */
extern CustomScanMethods strata_scan_methods;
extern bool strata_is_scan_state(PlanState *ps);
extern StrataBatchKind strata_scan_next(StrataScanState *scan);
/* Puts row i of the current vector into slot (every needed column, the rest NULL). */
extern void strata_scan_fill_slot(StrataScanState *scan, TupleTableSlot *slot, unsigned i);
/* Index of the column in scan->cols, added when not there yet (before the first fetch only); -1 for system
 * columns and whole rows. */
extern int strata_scan_column(StrataScanState *scan, AttrNumber attnum);

/* Decodings of the current vector, cached; NULL when the unit does not keep the column that way. */
extern const int64 *strata_col_i64(StrataScanState *scan, StrataColumn *col);
extern const double *strata_col_f64(StrataScanState *scan, StrataColumn *col);
extern const char **strata_col_bytes(StrataScanState *scan, StrataColumn *col);
extern const uint32 *strata_col_codes(StrataScanState *scan, StrataColumn *col);
/* Value of a row that is not NULL; lives until the next vector. */
extern Datum strata_col_datum(StrataScanState *scan, StrataColumn *col, unsigned i);

static inline bool
strata_row_null(const uint64 *nulls, unsigned i)
{
	return nulls && (nulls[i / 64] >> (i % 64) & 1);
}

/* Something may be kept per code of this segment. */
#define STRATA_MAX_CODES 65536
static inline bool
strata_col_coded(const StrataColumn *col)
{
	return (col->seg->encoding == STRATA_ENC_DICT || col->seg->encoding == STRATA_ENC_CONST ||
			col->seg->encoding == STRATA_ENC_RLE) &&
		col->seg->ndict <= STRATA_MAX_CODES;
}

/* Counts of all participants so far. */
extern StrataScanCounts strata_scan_counts(const StrataScanState *scan);

/* ---- report.c ---- */
extern void strata_explain_counts(const StrataScanCounts *c, ExplainState *es);
/* The node has ended: its event, and the counters behind strata.column_stats() (by the scan only). */
extern void strata_report(StrataScanState *scan, bool aggregate);

/* ---- expr.c ---- */
typedef enum StrataClass
{
	STRATA_CLASS_INT, /* bool, int2/4/8, date, timestamp(tz) as int64 */
	STRATA_CLASS_NUM, /* numeric as int64 scaled by 10^scale */
	STRATA_CLASS_F64  /* float4 and float8 as double */
} StrataClass;

struct StrataExpr
{
	int			op;
	StrataClass cls;
	Oid			type;
	int64		lo, hi; /* INT: range of the type */
	bool		f32;	/* F64 of type float4 */
	StrataExpr *a, *b;
	int			col; /* index into scan->cols, -1: none */

	/* a part without columns: evaluated once, at first need after a (re)scan */
	ExprState	*const_state;
	ExprContext *const_econtext;
	bool		 const_static; /* Const or Param: raises no error */
	int			 const_param;  /* PARAM_EXEC: its number, whose subplan may not have run yet; else -1 */
	bool		 const_ready;
	bool		 const_null;
	bool		 const_irregular;
	int64		 const_i;
	double		 const_f;
	int			 const_scale;

	/* result for the current vector */
	const int64	 *vi;
	const double *vf;
	const uint64 *vnulls; /* bit set = NULL; NULL pointer: none */
	int			  scale;
	int64		 *buf;
	double		 *fbuf;
	uint64		 *nbuf;
};

/* NULL when the expression is outside the language: the caller falls back to PostgreSQL's evaluator. */
extern StrataExpr *strata_expr_compile(StrataScanState *scan, Node *node);
/* Would it compile, as far as the plan can tell? */
extern bool strata_expr_speaks(Node *node);
extern bool strata_expr_is_const(const StrataExpr *e);
extern bool strata_expr_is_column(const StrataExpr *e);
/* A constant that may be evaluated before its turn: that runs no function and no subplan. */
extern bool strata_expr_is_plain(const StrataExpr *e);
/* Fills vi or vf, vnulls and scale for the rows in mask.  False: irregular. */
extern bool strata_expr_eval(StrataScanState *scan, StrataExpr *e, const uint64 *mask);
/* Evaluates a constant if that was not done since the last rescan.  False: it does not fit the class. */
extern bool strata_expr_const(StrataExpr *e);
extern void strata_expr_rescan(StrataExpr *e);

/* Splits a finite numeric into an integer and its display scale; false for NaN, infinities and values of
 * more than 36 digits. */
extern bool strata_numeric_split(Datum numeric, StrataInt128 *value, int *scale);
/* The numeric value / 10^scale with display scale `scale`. */
extern Datum strata_numeric_make(StrataInt128 value, int scale);
extern const int64 strata_pow10[19];

/* ---- filter.c ---- */
typedef enum StrataVerdict
{
	STRATA_SOME,
	STRATA_NONE,
	STRATA_ALL
} StrataVerdict;

/* Never fails: what the vector language cannot say becomes a call of PostgreSQL's evaluator. */
extern StrataPred *strata_pred_compile(StrataScanState *scan, Node *node);
/* is_true and is_null are within mask.  False: irregular. */
extern bool strata_pred_eval(StrataScanState *scan, StrataPred *p, const uint64 *mask, uint64 *is_true,
							 uint64 *is_null);
/* What the zone maps of scan->unit say about the predicate. */
extern StrataVerdict strata_pred_prune(StrataScanState *scan, StrataPred *p);
/* Can its evaluation raise no error, so that quals after it may be tried before it? */
extern bool strata_pred_safe(const StrataPred *p);
extern void strata_pred_new_unit(StrataPred *p);
extern void strata_pred_rescan(StrataPred *p);



/* ---- agg.c ---- */
extern CustomScanMethods strata_agg_methods;
/* Can the node compute this aggregate call (its arguments aside)? */
extern bool strata_agg_supported(const Aggref *agg);
/* Bytes that a group takes, strings aside. */
extern Size strata_group_size(int nkeys, int naggs);
/* Can it group by this expression? */
extern bool strata_group_key_supported(Node *expr);

#endif
