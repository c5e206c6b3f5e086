/*
 * gen.h - the parts of the query generator.
 *
 * Included by: value.c, condition.c, aggregate.c, source.c, shape.c, query.c.
 * Memory: a Gen lives on the stack of query.c; texts go into the caller's Buf.
 * Locking: none.
 * Not here: what a query is to those who ask it (diff.h).
 */
#ifndef GEN_H
#define GEN_H

#include "diff.h"

#define MAX_PARAMS 12
#define BIG_TABLE  30000

/* Where columns come from: one table, or a join whose columns have qualified names. */
typedef struct Gen
{
	Rng rng;
	Query *q;
	const Table *t;
	const char *alias; /* "" or "a.": goes before every column name */
	const char *from;  /* NULL: t itself; else a join, and t has its columns */
	const char *total; /* with from: what orders its rows totally */
	bool calm;	/* nothing may raise an error here: how often it is evaluated is the planner's affair */
	int nested; /* subqueries around */
	bool params;
	int nparams;
	char *param_type[MAX_PARAMS];
	char *param_value[MAX_PARAMS];
} Gen;

#define CHOOSE(g, list) ((list)[below(g, lengthof(list))])

/* ---- value.c: names, constants, numbers, moments, texts ---- */

#define NUMBER_NO_FLOAT 0x01 /* exact under any order of summation */

extern const char *const class_type[CLASS_COUNT];

extern bool chance(Gen *g, int percent);
extern int below(Gen *g, int n);
extern Hazard hazard(const Gen *g);
extern bool big(const Table *t);
/* A random column of one of the classes with all of `need` and none of `avoid`; NULL when there is none. */
extern const Column *column(Gen *g, unsigned classes, unsigned need, unsigned avoid);
extern void add_name(Gen *g, Buf *b, const Column *c);
extern const char *sample(Gen *g, const Column *c);
/* A value written down, or, in a prepared statement, mostly a parameter: \1 number \2, put in at the end. */
extern void add_value(Gen *g, Buf *b, const char *type, const char *text);
/* A constant to hold against column c: of its type, as a bare literal, or of another number type. */
extern void constant(Gen *g, Buf *b, const Column *c);
extern const char *comparison(Gen *g);
extern void small_number(Gen *g, Buf *b, unsigned how);
/* A number that raises nothing but the query's hazard. */
extern void number(Gen *g, Buf *b, unsigned how);
extern void moment(Gen *g, Buf *b);
extern void text_value(Gen *g, Buf *b);
/* The names that order the rows totally, the first of them an id. */
extern const char *total_order(Gen *g, Buf *b);

/* ---- condition.c ---- */

extern void condition(Gen *g, Buf *b, int depth);
/* WHERE of the whole query: nothing, one condition, a tree, or a list joined by AND. */
extern void where(Gen *g, Buf *b, bool selective);

/* ---- source.c: tables and joins to ask, and subqueries in conditions ---- */

/* Runs f with another table and alias. */
extern void over(Gen *g, const Table *t, const char *alias, void (*f)(Gen *, Buf *), Buf *b);
extern void one_condition(Gen *g, Buf *b);
/* Any table but a big one. */
extern const Table *other_table(Gen *g);
/* Makes g read from a join of two to four tables that gives about `room` rows at most. */
extern void source_join(Gen *g, double room);
extern void source_free(Gen *g);
/* EXISTS, IN, NOT EXISTS, NOT IN, a comparison with ALL, ANY or a scalar: over another table. */
extern void subquery_condition(Gen *g, Buf *b, bool top);
/* A scalar subquery, its column with this after it (an alias). */
extern void correlated_aggregate(Gen *g, Buf *b, const char *name);
extern void from(Gen *g, Buf *b);

/* ---- aggregate.c: select lists, aggregates, group keys, window functions ---- */

/* The column as an expression under which equal values look the same. */
extern void shown(Gen *g, Buf *b, const Column *c, const char *before, const char *after);
extern void select_item(Gen *g, Buf *b);
extern void select_list(Gen *g, Buf *b);
extern void aggregate(Gen *g, Buf *b);
/* A group key: what to group by, and what to show for it. */
extern void group_key(Gen *g, Buf *key, Buf *show);
extern void window_item(Gen *g, Buf *b);
extern void window_clause(Gen *g, Buf *b);

/* ---- shape.c ---- */

typedef struct Shape
{
	const char *name;
	int weight;
	void (*make)(Gen *, Buf *);
	bool hazards; /* may raise errors: every plan evaluates the same rows */
	int room;	  /* 0: over one table only; else over joins too, of about so many rows */
} Shape;

extern const Shape *pick_shape(Gen *g);

#endif
