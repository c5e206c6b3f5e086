/*
 * joinshare.h - the build side of a parallel join, read and kept by all of its processes together.
 *
 * Included by: join.c, joinshare.c.
 * Memory: rows and table lie in the query's dynamic shared memory, within hash_mem for each process that the
 * plan is for; what a process has read is in its own memory until it is there.  Beyond that: files that all
 * processes read. Locking: a barrier of two steps, at which nobody waits that has handed up a row; a lock
 * while memory is laid out; atomic operations on the table. Not here: how a table is searched and entered
 * (joinhash.c), how the rows are read (join.c).
 *
 * In a process: strata_joinshare_begin; when it says so, read a part of the build side,
 * strata_joinshare_count() after each vector; strata_joinshare_finish.  After that either
 * strata_joinshare_show gives the rows and the table, or strata_joinshare_next all rows, from files, for this
 * process to go on with as if it were alone.
 */
#ifndef STRATA_EXEC_JOINSHARE_H
#define STRATA_EXEC_JOINSHARE_H

#include "access/parallel.h"
#include "utils/dsa.h"

#include "exec/joinhash.h"

/* In the query's shared memory. */
typedef struct StrataJoinShared StrataJoinShared;

/* What a process has of it. */
typedef struct StrataJoinShare StrataJoinShare;

/* For EXPLAIN: what an execution came to. */
typedef struct StrataJoinShareInfo
{
	uint64 rows;
	uint64 bytes;		 /* of shared memory */
	uint64 disk;		 /* of files that all processes read */
	StrataJoinForm form; /* of the table in shared memory */
} StrataJoinShareInfo;

/* The leader, before there are workers: the bytes that it needs of the segment, and these. */
extern Size strata_joinshare_size(int ncols, int participants);
extern StrataJoinShare *strata_joinshare_create(MemoryContext parent, void *coordinate, dsm_segment *seg,
												dsa_area *area, int ncols, int participants, Size memory);
/* The leader, when all workers have gone: the next execution begins. */
extern void strata_joinshare_again(StrataJoinShare *share);
/* A worker. */
extern StrataJoinShare *strata_joinshare_attach(MemoryContext parent, void *coordinate, dsa_area *area);
/* Nothing shared is touched any more. */
extern void strata_joinshare_end(StrataJoinShare *share);
/* This process's part of an execution is over. */
extern void strata_joinshare_leave(StrataJoinShare *share);

/* False: the build side has been read already. */
extern bool strata_joinshare_begin(StrataJoinShare *share);
/* Rows have been added to `rows` and their keys to h: looks after memory, and may take them off again. */
extern void strata_joinshare_count(StrataJoinShare *share, StrataRows *rows, StrataJoinHash *h);
/* They are all that this process has read; waits for the others.  Leaves both empty. */
extern void strata_joinshare_finish(StrataJoinShare *share, StrataRows *rows, StrataJoinHash *h, bool filter);

extern bool strata_joinshare_in_files(const StrataJoinShare *share);
extern uint64 strata_joinshare_rows(const StrataJoinShare *share);
/* NULL: there is no row.  like: the columns. */
extern const StrataRows *strata_joinshare_show(StrataJoinShare *share, const StrataRows *like,
											   StrataJoinHash *h);
/* From the files: up to 1024 rows, good until the next call; NULL at the end. */
extern StrataRows *strata_joinshare_next(StrataJoinShare *share);
extern StrataJoinShareInfo strata_joinshare_info(const StrataJoinShare *share);

#endif
