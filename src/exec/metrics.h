/*
 * metrics.h - what the SIMD operators have done since the server started: for strata.simd_metrics() and its like.
 *
 * Included by: exec/, api/.
 * Memory: PostgreSQL's shared memory, a fixed size.  Locking: none; counters are atomics of their own, and the
 * last operation is given up rather than waited for.
 * When the library is not preloaded there is no such memory: noting is a no-op, reading an error.
 * Not here: EXPLAIN and strata.column_stats() (report.c).
 *
 * A plan node calls strata_simd_note() once for each kind of work it did, when it ends: a scan or an aggregate in
 * the leader alone, with the counts of all participants (report.c); a join, for the keys it put into its table and
 * looked up, in each participant, as each has a table of its own, and without an event in workers; who matched
 * strings by kernels (match.c), one STRATA_SIMD_STRING_MATCH.  Values are counted where they were worked on:
 * strings that a scan matched stand in the row of its scan or filter as well.
 */
#ifndef STRATA_EXEC_METRICS_H
#define STRATA_EXEC_METRICS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "base/module.h"
#include "exec/histogram.h"

extern const StrataModule strata_metrics_module;

typedef enum StrataSimdOp
{
	STRATA_SIMD_FILTER,
	STRATA_SIMD_AGGREGATE,
	STRATA_SIMD_SCAN,
	STRATA_SIMD_HASH,
	STRATA_SIMD_STRING_MATCH,
	STRATA_SIMD_NOPS
} StrataSimdOp;

/* "filter", "aggregate", "scan", "hash", "string_match" */
extern const char *const strata_simd_op_names[STRATA_SIMD_NOPS];

/* One piece of work. */
typedef struct StrataSimdWork
{
	StrataSimdOp op;
	uint64		 rows;	   /* looked at */
	uint64		 selected; /* of these, that passed, matched or went into the result */
	uint64		 bytes;	   /* read, as they are kept: compressed */
	uint64		 vector_ops; /* values that went through vector kernels */
	uint64		 scalar_ops; /* values that did not */
	uint64		 ns;
} StrataSimdWork;

/* Counts the work and publishes its event; table, a qualified name, may be NULL.  Never waits, allocates or
 * ERRORs. */
extern void strata_simd_note(const StrataSimdWork *work, const char *table);
/* Counts it only: for functions that are called too often for an event each. */
extern void strata_simd_count(const StrataSimdWork *work);

/* Sums of one operation.  Read while others write: each figure is right by itself. */
typedef struct StrataSimdTotals
{
	uint64 calls, rows, selected, bytes, vector_ops, scalar_ops;
	uint64 total_ns, min_ns, max_ns; /* min and max mean nothing without calls */
	uint64 buckets[STRATA_HISTOGRAM_BUCKETS];
} StrataSimdTotals;

/* The latest piece of work of an operation that was noted. */
typedef struct StrataSimdLast
{
	StrataSimdWork work;
	int			   vector_width;
	int			   pid;
	Oid			   database;
	TimestampTz	   finished_at;
	char		   table[2 * NAMEDATALEN + 6]; /* empty: none */
} StrataSimdLast;

extern void strata_simd_totals(StrataSimdOp op, StrataSimdTotals *totals);
/* False when there was none. */
extern bool strata_simd_last(StrataSimdOp op, StrataSimdLast *last);
/* Forgets all, and says since when it counts.  Work noted meanwhile may be counted in part. */
extern void strata_simd_reset(void);
extern TimestampTz strata_simd_since(void);

#endif
