/*
 * agg.h - accumulators and groups of StrataAggregate.
 *
 * Included by: agg.c, accum.c, groups.c.
 * Memory: an aggregate's description lives with the node; accumulators and keys with the group table, which is
 * reset for each pass.  Locking: none, all of it is private to the process.
 * Not here: planning (paths.c), reading (scan.c).
 */
#ifndef STRATA_EXEC_AGG_H
#define STRATA_EXEC_AGG_H

#include "exec/exec.h"

typedef enum StrataAggKind
{
	AGG_COUNT_STAR,
	AGG_COUNT,
	AGG_SUM,	 /* exact: integers and numeric, in 128 bits */
	AGG_AVG,	 /* the same, divided */
	AGG_SUM_F64, /* in row order, in the type's own precision, as PostgreSQL's float4pl and float8pl */
	AGG_AVG_F64, /* float8_accum: count, sum and Youngs-Cramer sum of squares (for its overflow checks) */
	AGG_MIN,
	AGG_MAX,
	AGG_AND,
	AGG_OR
} StrataAggKind;

/* palloc aligns to 8 bytes, the compiler would take 16 for granted. */
typedef __int128 StrataSum __attribute__((aligned(8)));

typedef struct StrataAccum
{
	StrataSum	 sum;	/* sums; scaled minimum and maximum of integers and numerics; booleans */
	int64		 count; /* inputs that were not null */
	Datum		 datum; /* sums: the part that is no scaled integer, a numeric; text: the value so far */
	double		 f, f2; /* floats: sum or extreme, sum of squares */
	int32		 scale; /* of sum; at the end the display scale */
	bool		 has_datum;
	bool		 has_value; /* sum, f: there is one */
} StrataAccum;

typedef struct StrataAgg
{
	StrataAggKind kind;
	Aggref		 *ref;
	bool		  partial; /* emit the transition state for a Finalize Aggregate */
	Oid			  argtype;
	StrataClass	  cls;		/* of the argument, when it is not text */
	bool		  is_text;	/* text, varchar, bpchar */
	PGFunction	  chooser;	/* text: the aggregate's transition function */
	bool		  last_of_equals; /* text: equal strings may differ, and the last one met is the answer */
	Oid			  collation;
	StrataExpr	 *expr; /* numbers */
	int			  col;	/* text, or a bare column to count; else -1 */
	ExprState	 *state; /* the argument for PostgreSQL's evaluator */
	bool		 *seen;	 /* text by codes: those seen since the codes changed */
	uint32		  seen_room;
	uint64		  dict_id; /* what `seen` is of */
} StrataAgg;

/* ---- accum.c ---- */
extern bool strata_agg_init(StrataAgg *agg, Aggref *ref, StrataBatch *in);
/* One value as a Datum.  cxt: where a kept value is copied to. */
extern void strata_accum_datum(const StrataAgg *agg, StrataAccum *a, Datum d, bool null, MemoryContext cxt);
/* All rows of mask into one accumulator; the argument has been evaluated. */
extern void strata_accum_vector(StrataBatch *in, StrataAgg *agg, StrataAccum *a, const uint64 *mask,
								MemoryContext cxt);
/* Rows rows[0..n) into accumulators at bases[row's group] + offset. */
extern void strata_accum_grouped(StrataBatch *in, StrataAgg *agg, char *base, Size stride, Size offset,
								 const uint16 *rows, const uint32 *gids, unsigned n, MemoryContext cxt);
/* The zone map's answer for a whole unit; false when it has none. */
extern bool strata_accum_can_take(const StrataAgg *agg, StrataBatch *in);
extern void strata_accum_take(const StrataAgg *agg, StrataBatch *in, StrataAccum *a, uint32 nrows);
extern Datum strata_accum_result(const StrataAgg *agg, StrataAccum *a, bool *null);

/* ---- keys.c ---- */
typedef enum StrataKeyKind
{
	KEY_INT,
	KEY_F64,
	KEY_NUM, /* numeric(p,s): scaled by 10^s; values that are no such integer are interned */
	KEY_TEXT /* interned: hash of the string in the high half, its number in the low half */
} StrataKeyKind;

typedef struct StrataKey
{
	StrataKeyKind kind;
	Oid			  type;
	int			  scale; /* NUM */
	StrataExpr	 *expr;	 /* INT, F64, NUM */
	int			  col;	 /* bare column, else -1 */
	ExprState	 *state;
	int64		 *norm; /* of the current vector: normalised values */
	int64		 *orig; /* F64: the bits as they came */
	int64		 *by_code; /* TEXT by codes: normalised values, -1 unknown */
	uint32		  by_code_room;
	uint64		  dict_id; /* what by_code is of */
} StrataKey;

struct StrataGroups;
/* False when its values cannot be had as vectors. */
extern bool strata_key_init(StrataKey *key, StrataBatch *in, Node *expr);
/*
 * Normalised values of the rows of mask, into key->norm, for key k of g.  create: strings without a number get one, as far as this pass
 * keeps new ones.  False: irregular.
 */
extern bool strata_key_normalise(struct StrataGroups *g, int k, StrataKey *key, StrataBatch *in, const uint64 *mask,
								 bool create, const uint64 **nulls);
/* Row i's string of a text key. */
extern const char *strata_key_image(const StrataKey *key, StrataBatch *in, unsigned i);

/* ---- groups.c ---- */

/* A group: header, nkeys normalised keys, nkeys first-seen values, accumulators. */
typedef struct StrataGroup
{
	uint32 hash;
	uint32 nulls;	/* bit k: key k is NULL */
	uint32 special; /* bit k: key k is an interned numeric */
	uint32 pad;
} StrataGroup;

typedef struct StrataGroups
{
	MemoryContext cxt;
	int			  nkeys;
	StrataKey	 *keys;
	Size		  stride;
	Size		  accum_offset;
	Size		  accum_bytes;
	char		 *base;
	uint32		  ngroups;
	uint32		  capacity;
	uint32		 *table; /* group number + 1; 0: empty */
	uint32		  mask;
	/* interned strings: varlena images */
	char	**strings;
	uint32	 *string_hash;
	uint8	 *string_owner; /* the key it is a value of */
	uint32	  nstrings;
	uint32	  string_capacity;
	uint32	 *string_table;
	uint32	  string_mask;
	Size	  string_bytes;
	/* the part of all groups that this pass keeps: those whose hash starts with these bits */
	int	   part_bits;
	uint32 part;
} StrataGroups;

#define STRATA_NO_GROUP PG_UINT32_MAX

/* Number of a string that is not interned: in a pass over some of the groups only the strings of these are. */
#define STRATA_NO_STRING PG_UINT32_MAX

extern void strata_groups_init(StrataGroups *g, MemoryContext parent, int nkeys, StrataKey *keys, int naggs);
extern void strata_groups_reset(StrataGroups *g);
static inline StrataGroup *
strata_group(const StrataGroups *g, uint32 gid)
{
	return (StrataGroup *) (g->base + (Size) gid * g->stride);
}
static inline int64 *
strata_group_keys(StrataGroup *group)
{
	return (int64 *) (group + 1);
}
static inline StrataAccum *
strata_group_accums(const StrataGroups *g, uint32 gid)
{
	return (StrataAccum *) (g->base + (Size) gid * g->stride + g->accum_offset);
}
/* Number of the group with these keys, made when new; STRATA_NO_GROUP when it belongs to another pass.
 * images[k] is needed for keys whose string has no number. */
extern uint32 strata_groups_find(StrataGroups *g, int64 *norm, int64 *orig, uint32 nulls, uint32 special,
								 const char *const *images);
/* Number of the group with these keys, none of them NULL or special; STRATA_NO_GROUP: there is none. */
extern uint32 strata_groups_lookup(const StrataGroups *g, const int64 *norm);
/* Normalised form of a varlena image as a value of key k; without `create` only what has a number gets it. */
extern int64 strata_groups_intern(StrataGroups *g, int k, const char *image, bool create);
/* Memory that the groups at hand need.  Looks at each of them. */
extern Size strata_groups_bytes(const StrataGroups *g);
/* Takes up another bit of the hash, and leaves the groups without it to another pass. */
extern void strata_groups_split(StrataGroups *g);
/* Normalises one key value given as a Datum; *image as strata_groups_find() wants it. */
extern void strata_key_datum(StrataGroups *g, StrataKey *key, int k, Datum d, int64 *norm, int64 *orig, bool *special,
							 const char **image);
extern Datum strata_key_result(const StrataGroups *g, const StrataKey *key, int64 norm, int64 orig, bool special);
extern int64 strata_key_float(double v);

#endif
