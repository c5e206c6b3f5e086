/*
 * joinsplit.h - a join whose build side outgrows its memory: the rows of both inputs that are put aside in
 * files, dealt out by the hashes of their keys.
 *
 * Included by: join.c, joinsplit.c, path_join.c.
 * Memory: a context of a split's own: rows on their way into files, a part of what is given at the beginning.
 * Locking: none.  Files belong to the resource owner that is current when the first row is put aside.
 * Not here: the files (spool.h), the hash table (joinhash.h), when rows are put aside and when they are
 * joined (join.c).
 */
#ifndef STRATA_EXEC_JOINSPLIT_H
#define STRATA_EXEC_JOINSPLIT_H

#include "exec/joinhash.h"
#include "exec/spool.h"

typedef struct StrataJoinSplit StrataJoinSplit;

struct StrataJoinSplit
{
	StrataJoinSplit
		*up; /* the input that is dealt out is a partition of this one; NULL: what the plans below give */
	MemoryContext cxt;
	Size memory; /* taken: by rows on their way into files, and by the filter */
	Size buffer;
	int bits;			 /* there are 1 << bits partitions, */
	int shift;			 /* by the bits of the keys' hash from this one on (of its upper half) */
	uint32 resident;	 /* build rows of the partitions before this one are in memory, all others in files */
	uint32 turn;		 /* partition of the next build row without a key */
	uint64 build_rows;	 /* in files */
	StrataJoinKeys keys; /* of all build rows */
	bool test;			 /* whether probe rows have one of them; and how many were asked, how many have */
	uint64 tested, passed;
	StrataSpool *build;
	StrataSpool *probe; /* NULL until all build rows have been dealt out */
	uint32 next;		/* partition to be joined */
	uint32 at;			/* the one that is being joined */
};

/* Build rows, like `build`, are about to be dealt out, about so many.  memory: of the whole join, which
 * `part` of them have filled. */
extern StrataJoinSplit *strata_joinsplit_begin(MemoryContext parent, StrataJoinSplit *up,
											   const StrataRows *build, double expected, double part,
											   Size memory);
/* Its file goes too. */
extern void strata_joinsplit_end(StrataJoinSplit *s);
/* Is it of use to deal out the partition that is being joined? */
extern bool strata_joinsplit_divisible(const StrataJoinSplit *s);
/* Bytes in files. */
extern uint64 strata_joinsplit_disk(const StrataJoinSplit *s);

/* Rows of one side: their columns, and of the rows of mask the hashes of their keys. */
typedef struct StrataJoinDeal
{
	StrataColumn *const *cols;
	unsigned n;
	uint64 hash[STRATA_VECTOR];
	uint64 keyless[BATCH_WORDS]; /* rows that have a NULL for a key */
} StrataJoinDeal;

/* Build rows, those of mask, are put aside unless their partition is in memory; mask keeps the others. */
extern void strata_joinsplit_build(StrataJoinSplit *s, const StrataJoinDeal *d, uint64 *mask);
/* There are no more build rows.  probe: what the rows of the other side are like; told: the plan below knows
 * the keys. */
extern void strata_joinsplit_built(StrataJoinSplit *s, const StrataRows *probe, bool told);
/* Probe rows are put aside when they may have matches that are; mask keeps the others. */
extern void strata_joinsplit_probe(StrataJoinSplit *s, const StrataJoinDeal *d, uint64 *mask);
/* There are no more probe rows either. */
extern void strata_joinsplit_probed(StrataJoinSplit *s);
/* Opens the next partition that has rows of both sides, or build rows if these are of use alone.  False: none
 * is left. */
extern bool strata_joinsplit_next(StrataJoinSplit *s, bool build_alone);

#endif
