/*
 * diff.h - the differential test: generated queries answered with the column store off and on.
 *
 * Included by: test/diff/ only.
 * Memory: tables live as long as the program; a Query and an Answer belong to who made them.
 * Locking: none; the concurrent mode forks, and each process has its own connections.
 * Not here: the cluster (run.sh makes one and throws it away).
 */
#ifndef DIFF_H
#define DIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libpq-fe.h>

#define lengthof(a) (sizeof(a) / sizeof((a)[0]))

/* ---- util.c: text buffers, random numbers, statements that must not fail ---- */

typedef struct Buf
{
	char *text;
	size_t len, room;
} Buf;

extern void buf_add(Buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
extern void buf_clear(Buf *b);
extern void buf_free(Buf *b);
extern const char *buf_text(const Buf *b);
extern char *copy_text(const char *text);
/* As an SQL literal, quotes and all. */
extern void buf_literal(Buf *b, const char *text);

/* One stream of random numbers; the same seed gives the same stream everywhere. */
typedef struct Rng
{
	uint64_t state;
} Rng;

extern Rng rng_make(uint64_t seed, uint64_t stream);
extern uint64_t rng_next(Rng *r);
extern int rng_int(Rng *r, int n); /* 0 .. n-1 */
extern bool rng_percent(Rng *r, int percent);

extern PGconn *db_connect(const char *conninfo);
/* Runs SQL that the test itself needs; a failure of it ends the program. */
extern void db_do(PGconn *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
extern char *db_value(PGconn *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
extern long db_long(PGconn *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- tables.c ---- */

typedef enum Class
{
	CLASS_INT2,
	CLASS_INT4,
	CLASS_INT8,
	CLASS_FLOAT4,
	CLASS_FLOAT8,
	CLASS_NUMERIC,
	CLASS_BOOL,
	CLASS_DATE,
	CLASS_TIMESTAMP,
	CLASS_TIMESTAMPTZ,
	CLASS_TEXT, /* text, varchar */
	CLASS_CHAR,
	CLASS_JSONB, /* from here on: less common */
	CLASS_ARRAY,
	CLASS_UUID,
	CLASS_INTERVAL,
	CLASS_CLOCK,
	CLASS_BYTEA,
	CLASS_INET,
	CLASS_ENUM,
	CLASS_PAIR, /* of composite type diff_pair */
	CLASS_RANGE,
	CLASS_OPAQUE, /* without equality */
	CLASS_COUNT
} Class;

#define CLASS_BIT(c)   (1u << (c))
#define CLASSES_INT	   (CLASS_BIT(CLASS_INT2) | CLASS_BIT(CLASS_INT4) | CLASS_BIT(CLASS_INT8))
#define CLASSES_FLOAT  (CLASS_BIT(CLASS_FLOAT4) | CLASS_BIT(CLASS_FLOAT8))
#define CLASSES_NUMBER (CLASSES_INT | CLASSES_FLOAT | CLASS_BIT(CLASS_NUMERIC))
#define CLASSES_TIME   (CLASS_BIT(CLASS_DATE) | CLASS_BIT(CLASS_TIMESTAMP) | CLASS_BIT(CLASS_TIMESTAMPTZ))
#define CLASSES_TEXT   (CLASS_BIT(CLASS_TEXT) | CLASS_BIT(CLASS_CHAR))
#define CLASSES_COMMON (CLASSES_NUMBER | CLASS_BIT(CLASS_BOOL) | CLASSES_TIME | CLASSES_TEXT)
#define CLASSES_ALL	   (CLASS_BIT(CLASS_COUNT) - 1)
#define CLASSES_SORTED (CLASSES_ALL & ~CLASS_BIT(CLASS_OPAQUE))
/* What min and max know. */
#define CLASSES_EXTREMA                                                                                      \
	(CLASSES_NUMBER | CLASSES_TIME | CLASSES_TEXT | CLASS_BIT(CLASS_ARRAY) | CLASS_BIT(CLASS_INTERVAL) |     \
	 CLASS_BIT(CLASS_CLOCK) | CLASS_BIT(CLASS_INET) | CLASS_BIT(CLASS_ENUM))

#define KIND_EXTREME 0x01 /* sums and arithmetic overflow or round: compare, count, min, max, group */
#define KIND_SMALL	 0x02 /* a product of two of them fits the type */
#define KIND_LONG	 0x04 /* values of kilobytes */
#define KIND_LOOSE	 0x08 /* a collation that holds different bytes equal: LIKE is an error */
#define KIND_SCALES	 0x10 /* equal values may look different (1.0, 1.00) */
#define KIND_UNIQUE	 0x20
#define KIND_FEW	 0x40 /* few distinct values: a good group key */
#define KIND_UNKNOWN 0x80 /* LIKE over it can never succeed */

/* A kind of column: a type and how its values are spread.  Rows of kinds are the catalogue in tables.c. */
typedef struct Kind
{
	const char *name;
	const char *type;
	Class class;
	unsigned flags;
	const char *value;	/* SQL over @g (the row number) and @h (a hash of it, 0 .. 2^31-1) */
	const char *consts; /* literals worth asking for, '|' between them */
} Kind;

typedef struct Column
{
	const Kind *kind;
	char *name;
	int null_percent;
	char **samples; /* values of the column, as text, and the kind's consts */
	int nsamples;
	double distinct; /* about so many values */
	bool generated;	 /* by the table: nobody writes it */
} Column;

typedef struct Table
{
	char *name;
	const char *scenario;
	Column *cols; /* cols[0] is id: bigint, unique, never null */
	int ncols;
	long rows;	  /* roughly */
	bool indexed; /* an index may spare PostgreSQL a row, and the error in it */
	bool no_ctid; /* more than one relation behind the name: no ctid, no TABLESAMPLE */
} Table;

extern Table *tables;
extern int ntables;

/* Makes every table; with store, enables and populates them as each scenario says. */
extern void tables_make(PGconn *c, uint64_t seed, int want, bool store);
/* The SQL that fills, or changes, a table: `insert into t select ... generate_series(from, to)`. */
extern void table_insert_sql(Buf *b, const Table *t, Rng *r, long from, long to);
extern void table_update_sql(Buf *b, const Table *t, Rng *r, const char *where);

/* ---- query.c ---- */

/* The one kind of error that a query may raise; more than one would make which comes first a matter of
 * row order, which no one promises. */
typedef enum Hazard
{
	HAZARD_NONE,
	HAZARD_OVERFLOW,
	HAZARD_DIVISION,
	HAZARD_TIME_RANGE,
	HAZARD_COLLATION
} Hazard;

typedef struct Query
{
	Buf sql;   /* the statements to send */
	Buf plain; /* what EXPLAIN takes: the query with $n filled in */
	bool ordered;
	bool of_place; /* shows ctid, tableoid, a row type or a sample of blocks: a copy of the table differs */
	Hazard hazard;
	int quals;	  /* conditions in it */
	double pairs; /* of rows, the most that a join would compare that can neither hash nor sort */
	const char *shape;
} Query;

/* Query number `no` of the seed over the tables made; the same numbers give the same query. */
extern void query_make(Query *q, uint64_t seed, uint64_t no);
/* As above over one table only, without wrapping into PREPARE or a cursor. */
extern void query_make_on(Query *q, uint64_t seed, uint64_t no, const Table *t);
/* UPDATE, DELETE or SELECT FOR UPDATE of a table. */
extern void query_make_change(Query *q, uint64_t seed, uint64_t no, const Table *t);
extern void query_free(Query *q);

/* ---- modes.c ---- */

/* Which switches the server has; once a process. */
extern void store_find(PGconn *c);
/* SET of all of them; with some_off, some of those on stay off. */
extern void store_set(Buf *b, bool local, bool on, Rng *some_off);
/* How the `on` side runs query `no`. */
extern void mode_make(Buf *b, uint64_t seed, long no, const Query *q, bool store);

/* ---- compare.c ---- */

typedef struct Answer
{
	PGresult **results;
	int nresults;
	char sqlstate[6]; /* empty: no error */
	char *message;
} Answer;

extern void answer_collect(PGconn *c, Answer *a);
extern void answer_free(Answer *a);
/* True when both are the same; else writes into `why` how they differ. */
extern bool answers_equal(const Answer *off, const Answer *on, bool ordered, Buf *why);

/* ---- concurrent.c ---- */

/* Writers against checkers for so many seconds; returns the number of differences.  With the conninfo of a
 * standby (else NULL) the checkers ask there. */
extern int concurrent_run(const char *conninfo, const char *standby, uint64_t seed, int seconds, bool store);

#endif
