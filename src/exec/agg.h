/*
 * agg.h - accumulators and groups of StrataAggregate.
 *
 * Included by: agg.c, accum.c, values.c, groups.c, grouping.c, keys.c, join.c, joinhash.c.
 * Memory: an aggregate's description lives with the node; accumulators and keys with the group table, which
 * is reset for each pass.  Locking: none, all of it is private to the process. Not here: planning (paths.c),
 * reading (scan.c).
 */
#ifndef STRATA_EXEC_AGG_H
#define STRATA_EXEC_AGG_H

#include "exec/exec.h"

typedef enum StrataAggKind
{
	AGG_COUNT_STAR,
	AGG_COUNT,
	AGG_SUM,	  /* exact: integers and numeric, in 128 bits */
	AGG_AVG,	  /* the same, divided */
	AGG_VARIANCE, /* exact sums of values and of their squares; core's final function does the rest */
	AGG_SUM_F64,  /* in row order, in the type's own precision, as PostgreSQL's float4pl and float8pl */
	AGG_AVG_F64,  /* float8_accum: count, sum and Youngs-Cramer sum of squares (for its overflow checks) */
	AGG_VARIANCE_F64, /* the same, finished by core's final function */
	AGG_MIN,
	AGG_MAX,
	AGG_CHOOSE, /* minimum or maximum by the type's own transition function */
	AGG_AND,
	AGG_OR,
	AGG_BIT_AND,
	AGG_BIT_OR,
	AGG_BIT_XOR
} StrataAggKind;

/* The general form of an accumulator: whatever an aggregate meets goes in.  Zero bytes are an empty one. */
typedef struct StrataAccum
{
	StrataSum sum;		/* sums; scaled minimum and maximum of integers and numerics; booleans, bits */
	StrataSum square;	/* VARIANCE: sum of squares, at twice the scale */
	int64 count;		/* inputs that were not null */
	Datum datum;		/* sums: the part that is no scaled integer, a numeric; CHOOSE: the value so far */
	Datum square_datum; /* VARIANCE: of squares, the same */
	/* VARIANCE: core's own state of the inputs that are no 64-bit integers of some scale, and are counted nowhere else;
	 * their squares may be no numerics.  NULL: none. */
	void *core;
	double f, f2;		/* floats: sum or extreme, sum of squares */
	int32 scale;		/* of sum; at the end the display scale */
	bool has_datum;
	bool has_square;
	bool has_value; /* sum, f: there is one */
} StrataAccum;

/* An aggregate call: what it is, the same for all groups. */
typedef struct StrataAgg
{
	StrataAggKind kind;
	Aggref *ref;
	bool partial; /* emit the transition state for a Finalize Aggregate */
	Oid argtype;
	StrataClass cls;		  /* of the argument, when it has an expression */
	FmgrInfo chooser;		  /* CHOOSE: the aggregate's transition function */
	FmgrInfo final, deserial; /* VARIANCE */
	bool last_of_equals;	  /* CHOOSE: equal values may differ, and the last one met is the answer */
	bool by_rows;			  /* `seen` would be of several groupings */
	Oid collation;
	int16 typlen;
	bool typbyval;
	StrataExpr *expr; /* what has a vector form */
	int col;		  /* CHOOSE, or a bare column to count; else -1 */
	ExprState *state; /* the argument for PostgreSQL's evaluator */
	bool *seen;		  /* CHOOSE by codes: those seen since the codes changed */
	uint32 seen_room;
	uint64 dict_id;				 /* what `seen` is of */
	struct StrataAgg *source;	 /* an earlier call whose accumulators this one reads, or itself */
	struct StrataAgg *evaluated; /* an earlier call that has the same argument for the same rows, or itself */

	/* FILTER */
	StrataPred *filter;
	ExprState *filter_state;
	/* DISTINCT, where it makes a difference: number of the set that passes each value once; else -1 */
	bool distinct;
	int set;
	Node *argument; /* as in the plan */

	uint64 mask[BATCH_WORDS]; /* FILTER: rows of the current vector that count */
	bool *overflow;			  /* set when a sum of floats overflows; NULL: that is an error */
} StrataAgg;

/* ---- accum.c ---- */
/* False when the argument cannot be computed by vectors. */
extern bool strata_agg_init(StrataAgg *agg, Aggref *ref, StrataBatch *in);
/* Finds the calls that have arguments or accumulators in common. */
extern void strata_agg_share(StrataAgg *aggs, int n);
/* Tells the expressions whose values are only summed that they may come in 128 bits. */
extern void strata_agg_widen(StrataAgg *aggs, int n);
/* One value as a Datum.  cxt: where a kept value is copied to. */
extern void strata_accum_datum(const StrataAgg *agg, StrataAccum *a, Datum d, bool null, MemoryContext cxt);
/* A sum of floats has outgrown its type. */
extern void strata_agg_overflow(const StrataAgg *agg);
/* All rows of mask into one accumulator; the argument has been evaluated. */
extern void strata_accum_vector(StrataBatch *in, StrataAgg *agg, StrataAccum *a, const uint64 *mask,
								MemoryContext cxt);
/* Value i of the evaluated argument, which is not NULL. */
extern void strata_accum_value(StrataBatch *in, const StrataAgg *agg, StrataAccum *a, unsigned i,
							   MemoryContext cxt);
/* A number, `count` inputs' worth: their sum, or their extreme. */
extern void strata_accum_add(const StrataAgg *agg, StrataAccum *a, StrataInt128 v, int scale, int64 count,
							 MemoryContext cxt);
extern const uint64 *strata_agg_nulls(StrataBatch *in, const StrataAgg *agg);
/* The zone map's answer for a whole unit; false when it has none. */
extern int strata_accum_column(const StrataAgg *agg);
extern bool strata_accum_can_take(const StrataAgg *agg, StrataBatch *in);
extern void strata_accum_take(const StrataAgg *agg, StrataBatch *in, StrataAccum *a, uint32 nrows);
extern Datum strata_accum_result(const StrataAgg *agg, const StrataAccum *a, bool *null);
/* Bytes and release of what an accumulator points to. */
extern Size strata_accum_bytes(const StrataAgg *agg, const StrataAccum *a);
extern void strata_accum_free(const StrataAgg *agg, StrataAccum *a);

/* ---- values.c: the accumulators of all groups ---- */

typedef enum StrataFast
{
	FAST_UNDECIDED,
	FAST_COUNT, /* nothing but how many */
	FAST_SUM,
	FAST_MIN,
	FAST_MAX,
	FAST_SUM_F64,
	FAST_SUM_F32,
	FAST_NO
} StrataFast;

/*
 * An aggregate's values, an array by group.  Most need 8 bytes a group: sums are kept in 64 bits, and move to
 * the general form before the rows seen since could make any of them overflow; numerics are kept that way as
 * long as all come with one scale.  What does not fit goes straight into the general form, which is there
 * from the first time on; the answer is both together.
 */
typedef struct StrataValues
{
	StrataFast fast;
	bool counts_own; /* FILTER, DISTINCT: not every row of a group is an input */
	int scale;		 /* of v; -1: no value yet */
	uint64 bound;	 /* no sum in v is further from 0 */
	int64 *v;		 /* by group: sum or extreme, or the bits of a double */
	int64 *count;	 /* by group: inputs, of counts_own; else rows that were none (NULLs).  NULL: none yet */
	StrataAccum *general; /* by group; NULL: none yet */
} StrataValues;

/* ---- keys.c ---- */
typedef enum StrataKeyKind
{
	KEY_INT, /* also the stored integers of types without vector expressions */
	KEY_F64,
	KEY_NUM, /* numeric(p,s): scaled by 10^s; values that are no such integer are interned */
	KEY_TEXT /* strings, and whatever is equal when its image is; interned: hash of the string in the high
				half, its number in the low half */
} StrataKeyKind;

typedef struct StrataKey
{
	StrataKeyKind kind;
	Oid type;
	StrataType rep;
	int scale;		  /* NUM */
	StrataExpr *expr; /* INT, F64, NUM */
	int col;		  /* bare column, else -1 */
	ExprState *state;
	bool given;		/* INT without an expression: the caller puts the values into norm */
	int64 *norm;	/* of the current vector: normalised values */
	int64 *orig;	/* F64: the bits as they came */
	int64 *by_code; /* TEXT by codes: normalised values, -1 unknown */
	uint32 by_code_room;
	uint64 dict_id; /* what by_code is of */
} StrataKey;

struct StrataGroups;
/* False when its values cannot be had as vectors. */
extern bool strata_key_init(StrataKey *key, StrataBatch *in, Node *expr);
/*
 * Normalised values of the rows of mask, into key->norm, for key k of g.  create: strings without a number
 * get one, unless the table is frozen.  False: irregular.
 */
extern bool strata_key_normalise(struct StrataGroups *g, int k, StrataKey *key, StrataBatch *in,
								 const uint64 *mask, bool create, const uint64 **nulls);
/* Does `column op value` mean that the two have the same normalised form, as strata_key_sought() makes it of the value? */
extern bool strata_lookup_key_supported(Node *column, Node *value, Oid opno, Oid collation);
/* Row i's string of a text key. */
extern const char *strata_key_image(const StrataKey *key, StrataBatch *in, unsigned i);

/* ---- groups.c ---- */

/* A group: header, nkeys normalised keys, and nkeys first-seen values where they can differ from these. */
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
	int nkeys;
	StrataKey *keys;
	bool has_orig;
	Size stride;
	char *base;
	uint32 ngroups;
	uint32 capacity;
	/* Slots: hash in the high half, group number + 1 in the low one; 0: empty.  Of the first nhashed groups:
	 * those that were found without it (grouping.c) enter when it is first needed. */
	uint64 *table;
	uint32 mask;
	uint32 nhashed;
	/* the accumulators */
	int naggs;
	StrataAgg *aggs;
	StrataValues *values;
	int64 *rows;	   /* by group: rows that came in vectors */
	bool counting;	   /* they are counted; until then every group has some, and no aggregate asks how many */
	/* interned strings: varlena images */
	char **strings;
	uint8 *string_owner; /* the key it is a value of */
	uint32 nstrings;
	uint32 string_capacity;
	uint64 *string_table; /* as `table` */
	uint32 string_mask;
	Size string_bytes;
	char *string_next, *string_end; /* room of the block at hand */
	/* With one key, a string, its number leads to the group, and `table` is not used. */
	bool by_string;
	uint32 *string_group;
	uint32 null_group;
	bool frozen; /* no group is added any more */
} StrataGroups;

#define STRATA_NO_GROUP PG_UINT32_MAX

/* Number of a string that is not interned: a frozen table takes no more of them. */
#define STRATA_NO_STRING PG_UINT32_MAX

extern void strata_groups_init(StrataGroups *g, MemoryContext parent, int nkeys, StrataKey *keys, int naggs);
/* Gives the groups accumulators for these calls; before the first group. */
extern void strata_groups_aggregate(StrataGroups *g, int naggs, StrataAgg *aggs);
extern void strata_groups_reset(StrataGroups *g);
static inline StrataGroup *
strata_group(const StrataGroups *g, uint32 gid)
{
	return (StrataGroup *)(g->base + (Size)gid * g->stride);
}
static inline int64 *
strata_group_keys(StrataGroup *group)
{
	return (int64 *)(group + 1);
}
/* First-seen value of key k. */
static inline int64
strata_group_orig(const StrataGroups *g, StrataGroup *group, int k)
{
	return strata_group_keys(group)[g->has_orig ? g->nkeys + k : k];
}
/* Makes room for one more group. */
extern void strata_groups_reserve(StrataGroups *g);
/* Number of the group with these keys, made when new; STRATA_NO_GROUP when the table is frozen.
 * images[k] is needed for keys whose string has no number. */
extern uint32 strata_groups_find(StrataGroups *g, int64 *norm, int64 *orig, uint32 nulls, uint32 special,
								 const char *const *images);
/* A new group, which the caller knows not to be there; STRATA_NO_GROUP when the table is frozen.  Only for keys that
 * are not interned. */
extern uint32 strata_groups_add(StrataGroups *g, const int64 *norm, uint32 nulls);
/* The same for n rows: norm[k][i] and nulls[k] of positions i in at[], none of them special. */
extern void strata_groups_find_batch(StrataGroups *g, StrataBatch *in, const uint64 *const *nulls,
									 const uint16 *at, unsigned n, uint32 *gids);
/* Hashes of keys: equal where these are.  nulls and positions as above. */
extern uint32 strata_groups_hash(const StrataGroups *g, const int64 *norm, uint32 nulls, uint32 special);
extern void strata_groups_hash_batch(const StrataGroups *g, const uint64 *const *nulls, const uint16 *at, unsigned n,
									 uint32 *hash);
/* Number of the group with these keys, none of them NULL or special; STRATA_NO_GROUP: there is none. */
extern uint32 strata_groups_lookup(const StrataGroups *g, const int64 *norm);
/* The same where keys may be special, and groups may not all be in the table yet. */
extern uint32 strata_groups_seek(StrataGroups *g, const int64 *norm, uint32 special);
/* Normalised form of a varlena image as a value of key k; without `create` only what has a number gets it. */
extern int64 strata_groups_intern(StrataGroups *g, int k, const char *image, bool create);
/* The same for n images, of positions i in at[], into norm[i]. */
extern void strata_groups_intern_batch(StrataGroups *g, int k, const char *const *images, const uint16 *at, unsigned n,
									   bool create, int64 *norm);
/* Memory that the groups at hand need.  Looks at each of them. */
extern Size strata_groups_bytes(const StrataGroups *g);
/* A value of a KEY_TEXT key as it is stored, with a header. */
extern char *strata_key_datum_image(const StrataKey *key, Datum d);
/* Normalises one key value given as a Datum; *image as strata_groups_find() wants it. */
extern void strata_key_datum(StrataGroups *g, StrataKey *key, int k, Datum d, int64 *norm, int64 *orig,
							 bool *special, const char **image);
/* Normalises a value of `type`, which may be another than the key's, to look for a group that there may be; false: there
 * is none.  The operator is one of strata_lookup_key_supported(). */
extern bool strata_key_sought(StrataGroups *g, const StrataKey *key, int k, Oid type, StrataRep rep, Datum d, int64 *norm,
							  bool *special);
extern Datum strata_key_result(const StrataGroups *g, const StrataKey *key, int64 norm, int64 orig,
							   bool special);
extern int64 strata_key_float(double v);

/* ---- values.c ---- */
extern void strata_values_grow(StrataGroups *g, uint32 old_capacity);
extern Size strata_values_bytes(const StrataGroups *g);
/* Some rows of the groups have been, or will be, no inputs: from now on they are counted.  The first n groups have
 * had rows in vectors, the others none yet. */
extern void strata_values_count(StrataGroups *g, uint32 n);
/* Must they be counted for this vector? */
extern bool strata_values_must_count(StrataGroups *g, StrataBatch *in);
/* Rows of groups gids[0..n) are there: counted once for all aggregates. */
extern void strata_values_rows(StrataGroups *g, const uint32 *gids, unsigned n);
/*
 * And their argument, which has been evaluated, into aggregate a.  spread: NULL, or the group of every position of the
 * vector, ngroups where that is no row: what is added there is forgotten.
 */
extern void strata_values_feed(StrataGroups *g, StrataBatch *in, int a, const uint16 *at, const uint32 *gids,
							   unsigned n, const uint32 *spread);
/* The accumulator of a group in the general form, for a row that comes alone. */
extern StrataAccum *strata_values_general(StrataGroups *g, int a, uint32 gid);
/* The commonest answers, sums and counts that never left their 64 bits, without more ado; false: ask for the total. */
extern bool strata_values_result(StrataGroups *g, const StrataAgg *agg, uint32 gid, Datum *result);
/* The whole of a group's accumulator. */
extern void strata_values_total(StrataGroups *g, int a, uint32 gid, StrataAccum *total);

/* ---- grouping.c: which group is each row of a vector of ---- */

/* One way to group the input: GROUP BY has one, grouping sets several, DISTINCT aggregates one for their
 * values. */
typedef struct StrataGrouping
{
	StrataGroups groups;
	int nkeys;
	StrataKey *keys;
	bool active; /* takes part in this pass */

	/* combined codes to group numbers; good for the codes of code_ids */
	uint32 *code_map;
	bool codes_tried;
	uint64 code_ids[32];
	uint32 multiplier[32];
	uint32 ncodes; /* 0: there is no map */

	/* combined integers to group numbers */
	bool ranges_off; /* the range was too wide once */
	int range_exact; /* how often the map was made with nothing to spare */
	uint32 *range_map;
	uint64 range_size;
	int64 lo[32], hi[32];
	uint64 step[32];

	/* frozen: the rows of the last vector whose groups are not there, and the hashes of their keys by position */
	uint64 missed[BATCH_WORDS];
	uint32 *missed_hash;
	struct StrataSpillFile *spill; /* where such rows of this pass wait (agg.c); NULL: there are none */
	int spill_bits;				   /* first bits of the hash that all rows of this pass have in common */
} StrataGrouping;

extern void strata_grouping_init(StrataGrouping *g, MemoryContext parent, int nkeys, StrataKey *keys);
/* For another input: no group is left. */
extern void strata_grouping_reset(StrataGrouping *g);
/* Group numbers have changed. */
extern void strata_grouping_forget(StrataGrouping *g);
/*
 * Group numbers of the rows of mask: positions into at[], numbers into gids[], how many into *n.  Rows whose
 * groups a frozen table does not have are left out, and in g->missed.  False: irregular.
 */
extern bool strata_grouping_find(StrataGrouping *g, StrataBatch *in, const uint64 *mask, uint16 *at,
								 uint32 *gids, unsigned *n);
/* The same for the row in econtext; STRATA_NO_GROUP: a frozen table does not have it, and *hash is that of its keys. */
extern uint32 strata_grouping_find_row(StrataGrouping *g, ExprContext *econtext, uint32 *hash);
extern Size strata_grouping_bytes(const StrataGrouping *g);

#endif
