/*
 * spill.h - rows of a node's input that wait in files, and come back as its input.
 *
 * Included by: agg.c, path_agg.c.
 * Memory: what is noted of files lives until strata_spill_drop(), all else to the end of the query.
 * Locking: none.
 * Not here: which rows must wait (agg.c), files (spool.h).
 */
#ifndef STRATA_EXEC_SPILL_H
#define STRATA_EXEC_SPILL_H

#include "exec/spool.h"

/* The buffer of rows that wait is so small a part of the memory for groups. */
#define STRATA_SPILL_SHARE 8

/* The partitions that the rows of one table of a pass go to, by the first bits of their hashes. */
typedef struct StrataSpillFile
{
	StrataSpool *spool;
	int bits;	 /* of the hash, that all of them have in common */
	int more;	 /* bits that tell the partition */
	uint32 left; /* partitions that have not been read yet */
} StrataSpillFile;

/* A partition that is to be read. */
typedef struct StrataSpillPart
{
	StrataSpillFile *file;
	uint32 partition;
	int bits;  /* that the hashes of its rows have in common */
	int table; /* the caller's number for what the rows are of */
	struct StrataSpillPart *next;
} StrataSpillPart;

typedef struct StrataSpill
{
	StrataBatch *in;
	MemoryContext cxt;
	int nkept; /* columns that the rows keep, and their numbers */
	int *kept;
	StrataColumn **below;  /* in->cols, as the node below has them */
	StrataColumn **replay; /* the same, when rows come back */
	List *files;
	StrataColumn **now; /* those that are kept, of the vector at hand */
	StrataSpillPart *reading;
	uint32 partition[STRATA_VECTOR];
	/* for EXPLAIN */
	uint64 partitions; /* that were read */
	uint64 disk;	   /* the most bytes at a time */
} StrataSpill;

/* Of the input's rows all columns are kept that the expressions read. */
extern StrataSpill *strata_spill_create(StrataBatch *in, List *exprs);
/* For rows whose hashes have `bits` bits in common: 2^more partitions. */
extern StrataSpillFile *strata_spill_begin(StrataSpill *s, int bits, int more, Size memory);
/* Rows of the vector at hand, and their hashes by position. */
extern void strata_spill_rows(StrataSpill *s, StrataSpillFile *file, const uint64 *mask, const uint32 *hash);
/* All rows are there: the partitions that have some, before those of `next`. */
extern StrataSpillPart *strata_spill_finish(StrataSpill *s, StrataSpillFile *file, int table,
											StrataSpillPart *next);
/* The input becomes the rows of this partition, which are in the order in which they came. */
extern void strata_spill_read(StrataSpill *s, StrataSpillPart *part);
extern double strata_spill_part_rows(const StrataSpillPart *part);
/* The next vector of it; false at its end.  Its file goes with the last partition. */
extern bool strata_spill_next(StrataSpill *s);
/* All files go, and the input is that of the node below again. */
extern void strata_spill_drop(StrataSpill *s);

#endif
