/*
 * joinhash.h - the hash table of a join: which rows of the build side have a given key.
 *
 * Included by: join.c, joinhash.c, joinsplit.h, joinshare.h.
 * Memory: a context of the join's, which strata_joinhash_reset() empties.  A table that several processes make together
 * lies where the caller says.
 * Locking: none.  Several processes may enter rows into such a table at once.
 * Not here: rows themselves (rows.c), what is done with matches (join.c).
 *
 * Three forms.  One integer key in a range not much wider than its rows: an array by value (some 5 times as fast as
 * hashing).  One integer key else: open addressing.  Several keys, or strings: the table of groups (groups.c), a group
 * being a distinct key.  Rows of the same key are chained.
 */
#ifndef STRATA_EXEC_JOINHASH_H
#define STRATA_EXEC_JOINHASH_H

#include "exec/agg.h"

typedef struct StrataJoinHash
{
	MemoryContext cxt;
	bool   single; /* one integer key */
	uint32 n;	   /* rows added */
	uint32 room;
	uint32 nkeyed; /* of them, rows with a key */
	int64 *key;	   /* single: of each row */
	bool   has_keyless;
	uint64 *keyless; /* bit a row: it has a NULL for a key */
	uint32 *next;  /* row + 1 of the next row with the same key; 0: none */
	bool   unique; /* no row has a next one */

	/* single, once built */
	int64	min, max;
	bool	direct;
	uint32 *table; /* direct: row + 1 by key - min; else slots */
	uint64	mask;  /* slots - 1 */
	/* which keys there are: bits by key - min, with a word of zeroes at the end; where that would be too many, a Bloom
	 * filter of the keys' hashes (hash_i64, seed 0); NULL: none */
	uint64			 *bits;
	StrataBloomBlock *bloom;
	uint32			  nblocks;
	Size			  filter_bytes;

	/* else */
	StrataGroups *groups;
	uint32		 *first; /* row + 1 by group */
	uint32		  first_room;

	/* keys put into a table and looked up in it: hashed by a kernel, and otherwise (by value, or through groups);
	 * of those looked up, how many were found; the time that took.  A reset leaves them. */
	uint64 by_kernel, otherwise, found, busy_ns;
} StrataJoinHash;

extern void strata_joinhash_init(StrataJoinHash *h, MemoryContext parent, bool single, int nkeys, StrataKey *keys);
extern void strata_joinhash_reset(StrataJoinHash *h);
/* Adds the n rows of a batch at positions at[]; nulls[k] are the NULLs of key k; keys have been normalised.  They are
 * rows h->n .. h->n + n - 1. */
extern void strata_joinhash_add(StrataJoinHash *h, StrataBatch *in, StrataKey *keys, int nkeys,
								const uint64 *const *nulls, const uint16 *at, unsigned n);
/* After the last row.  Beyond strata_joinhash_bytes() it takes at most `room`: for an array by value, and for the filter,
 * which is left out when that is too little for it. */
extern void strata_joinhash_build(StrataJoinHash *h, Size room, bool filter);
extern Size strata_joinhash_bytes(const StrataJoinHash *h);

/* What a table of integers is like. */
typedef struct StrataJoinForm
{
	bool   direct;
	uint64 entries; /* of the table */
	Size   bits, bloom; /* bytes of the filter; 0: there is none such */
} StrataJoinForm;

/* Of n rows, nkeyed of them with a key, within [min, max].  room and filter: as strata_joinhash_build() has them. */
extern StrataJoinForm strata_joinhash_form(uint32 n, uint32 nkeyed, int64 min, int64 max, Size room, bool filter);
/* Finds min and max, before the table is built. */
extern void strata_joinhash_range(StrataJoinHash *h);

/* A table that several processes make together, at least one row in all: arrays in shared memory, zeroes before the first
 * row is entered, but for key and next. */
typedef struct StrataJoinTable
{
	StrataJoinForm	  form;
	int64			  min, max;
	uint32			  n;
	uint32			 *table, *next;
	int64			 *key; /* NULL where it is direct */
	uint64			 *bits;
	StrataBloomBlock *bloom;
} StrataJoinTable;

/* Enters the rows added to h, all of which have a key, as rows first, first + 1, ...  True: some key was there before. */
extern bool strata_joinhash_enter(StrataJoinHash *h, const StrataJoinTable *t, uint32 first);
/* All rows have been entered: h is this table from now on, until it is reset. */
extern void strata_joinhash_show(StrataJoinHash *h, const StrataJoinTable *t, bool unique);

/* The first row of the key at each position of mask into rowid (0 where there is none); `found` has the positions. */
extern void strata_joinhash_find(StrataJoinHash *h, StrataBatch *in, StrataKey *keys, int nkeys,
								 const uint64 *const *nulls, const uint64 *mask, uint32 *rowid, uint64 *found);

/* Hashes of the keys of each row of mask, the same for equal keys, whatever is in the table; rows that are `odd` have a
 * key whose normalised form depends on that, and are all taken for equal.  Of a single key it is hash_i64. */
extern void strata_joinhash_hashes(const StrataJoinHash *h, const StrataKey *keys, int nkeys, const uint64 *odd,
								   const uint64 *mask, unsigned n, uint64 *hash);

/* All keys of a build side of which the table has but some. */
typedef struct StrataJoinKeys
{
	uint64			  n;
	int64			  min, max; /* where there is one, an integer */
	StrataBloomBlock *bloom;	/* of the hashes */
	uint32			  nblocks;
	Size			  bytes;
} StrataJoinKeys;

/* About how many are expected, and what the filter may take. */
extern void strata_joinkeys_begin(StrataJoinKeys *all, MemoryContext cxt, double expected, Size most);
/* key: NULL where it is not one integer. */
extern void strata_joinkeys_add(StrataJoinKeys *all, const uint64 *hash, const int64 *key, const uint64 *mask);
/* Is the filter large enough for them? */
extern bool strata_joinkeys_tell(const StrataJoinKeys *all);

#endif
