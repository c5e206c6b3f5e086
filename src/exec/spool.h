/*
 * spool.h - rows that wait in a temporary file, in partitions.
 *
 * Included by: src/exec/ only.
 * Memory: a context of its own, below the one given at the beginning: a buffer of about the size given there
 * while rows come; when they are read, a block of up to 1024.  Small notes on each block stay in memory until
 * the end. Locking: none.  The file belongs to the resource owner that is current when it is first written.
 * Not here: which partition a row belongs to.
 *
 * strata_spool_begin, strata_spool_column for each column; strata_spool_put...; strata_spool_finish; then,
 * for one partition after another and as often as wanted, strata_spool_read and strata_spool_next until there
 * are no more. The rows of a partition come in the order in which they were put.
 */
#ifndef STRATA_EXEC_SPOOL_H
#define STRATA_EXEC_SPOOL_H

#include "exec/exec.h"

typedef struct StrataSpool StrataSpool;

/* How many partitions may be written at once with so much memory for the buffer. */
#define STRATA_SPOOL_PARTITIONS_MAX 512
extern uint32 strata_spool_partitions(Size memory);
extern StrataSpool *strata_spool_begin(MemoryContext parent, int ncols, uint32 npartitions, Size memory);
extern void strata_spool_column(StrataSpool *spool, int c, Oid type, const StrataType *rep);
extern void strata_spool_end(StrataSpool *spool);

/* The rows of mask, from cols[0 .. ncols); row i goes to partition[i]. */
extern void strata_spool_put(StrataSpool *spool, StrataColumn *const *cols, const uint64 *mask, unsigned n,
							 const uint32 *partition);
/* One row of rows with the same columns, whose numerics may be kept otherwise. */
extern void strata_spool_put_row(StrataSpool *spool, const StrataRows *from, uint32 row, uint32 partition);
/* No more rows will come. */
extern void strata_spool_finish(StrataSpool *spool);

/* Of a partition: its rows, and the memory that they take as a StrataRows. */
extern uint64 strata_spool_rows(const StrataSpool *spool, uint32 partition);
extern uint64 strata_spool_bytes(const StrataSpool *spool, uint32 partition);
/* In the file, over all partitions. */
extern uint64 strata_spool_disk(const StrataSpool *spool);

/* From the first row of a partition on. */
extern void strata_spool_read(StrataSpool *spool, uint32 partition);
/* Its next rows, up to 1024, good until the next call; NULL at the end.  strata_batch_show_rows() makes a
 * batch of them. */
extern StrataRows *strata_spool_next(StrataSpool *spool);

/* For the planner: to write so many rows and read them again; width is what one takes in memory. */
extern Cost strata_spool_cost(double rows, double width);

#endif
