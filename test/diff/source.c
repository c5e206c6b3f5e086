/*
 * source.c - where the rows come from: a table, or a join of two to four; and subqueries in conditions.
 *
 * A join is a random tree over tables of every scenario, with keys that match in type or only in value, keys
 * of many duplicates, and conditions beside the keys.  How many rows it gives is estimated from the counts of
 * values that tables.c took, so that no query runs away.  To the other parts a join is a table whose columns
 * have qualified names.
 */
#include <stdlib.h>
#include <string.h>

#include "gen.h"

#define MAX_RELATIONS 4
#define MAX_PAIRS	  3000000.0 /* for a join that can only compare every row with every row */

typedef struct Relation
{
	const Table *t;
	char alias[4];
	int one_of; /* only every n-th id; 1: all */
} Relation;

typedef struct Source
{
	Relation rels[MAX_RELATIONS];
	int n;
	double room;
} Source;

void
over(Gen *g, const Table *t, const char *alias, void (*f)(Gen *, Buf *), Buf *b)
{
	Gen before = *g;

	g->t = t;
	g->alias = alias;
	g->from = NULL;
	f(g, b);
	g->t = before.t;
	g->alias = before.alias;
	g->from = before.from;
}

void
one_condition(Gen *g, Buf *b)
{
	condition(g, b, 1);
}

const Table *
other_table(Gen *g)
{
	const Table *t;

	do
		t = &tables[below(g, ntables)];
	while (big(t));
	return t;
}

/* ---- keys ---- */

static unsigned
comparable(const Column *c)
{
	unsigned bit = CLASS_BIT(c->kind->class);

	return bit & CLASSES_NUMBER ? CLASSES_NUMBER
		   : bit & CLASSES_TIME ? CLASSES_TIME
		   : bit & CLASSES_TEXT ? CLASSES_TEXT
								: bit;
}

static const Column *
column_of(Gen *g, const Table *t, unsigned classes, unsigned avoid)
{
	const Table *before = g->t;
	const Column *c;

	g->t = t;
	c = column(g, classes, 0, avoid);
	g->t = before;
	return c;
}

/* `l.c = r.d`, for any two columns that compare with each other. */
static void
add_equality(Gen *g, Buf *b, const char *left, const Column *c, const char *right, const Column *d,
			 const char *op)
{
	const char *collation = "";

	/* two columns of different collations need a third */
	if (c->kind != d->kind && (CLASS_BIT(c->kind->class) & CLASSES_TEXT))
		collation = chance(g, 70) ? " COLLATE \"C\"" : " COLLATE \"en-x-icu\"";
	if (chance(g, 4) && (CLASS_BIT(c->kind->class) & CLASSES_TEXT) &&
		!((c->kind->flags | d->kind->flags) & KIND_LOOSE))
		buf_add(b, "lower(%s.%s)%s %s lower(%s.%s)%s", left, c->name, collation, op, right, d->name,
				collation);
	else
		buf_add(b, "%s.%s%s %s %s.%s%s", left, c->name, collation, op, right, d->name, collation);
}

static double
matches(const Column *c, double left_rows, const Column *d, double right_rows)
{
	double distinct = c->distinct > d->distinct ? c->distinct : d->distinct;

	return left_rows * right_rows / (distinct > 1 ? distinct : 1);
}

static double
rows_of(const Relation *r)
{
	double rows = (double)r->t->rows / r->one_of;

	return rows > 1 ? rows : 1;
}

/*
 * Columns to join two relations by, so that the join has room: of the same kind, or of types that compare.
 * The ids when none is found, which match one to one.
 */
static double
pick_key(Gen *g, const Source *s, const Relation *l, double lrows, const Relation *r, double rrows, bool full,
		 const Column **c, const Column **d)
{
	for (int i = 0; i < 12; i++)
	{
		double rows;

		if (chance(g, 25))
			break;
		*c = column_of(g, l->t, chance(g, 85) ? CLASSES_COMMON : CLASSES_SORTED, KIND_LONG);
		/* FULL JOIN asks for an operator that hashes or sorts whatever the other conditions are */
		if (!*c || (full && (CLASS_BIT((*c)->kind->class) & CLASSES_TIME)))
			continue;
		*d = column_of(g, r->t, comparable(*c), KIND_LONG);
		if (!*d)
			continue;
		rows = matches(*c, lrows, *d, rrows);
		if (rows <= s->room)
			return rows;
	}
	*c = &l->t->cols[0];
	*d = &r->t->cols[0];
	return lrows > rrows ? lrows : rrows;
}

/* ---- trees ---- */

static void
add_relation(Gen *g, Buf *b, const Relation *r)
{
	if (r->one_of == 1 && chance(g, 85))
		buf_add(b, "%s %s", r->t->name, r->alias);
	else if (r->one_of == 1)
	{
		buf_add(b, "(SELECT * FROM %s", r->t->name);
		if (chance(g, 70))
		{
			buf_add(b, " WHERE ");
			over(g, r->t, "", one_condition, b);
		}
		buf_add(b, "%s) %s", chance(g, 20) ? " OFFSET 0" : "", r->alias);
	}
	else
		buf_add(b, "(SELECT * FROM %s WHERE id %% %d = %d) %s", r->t->name, r->one_of, below(g, r->one_of),
				r->alias);
}

/* A condition beside the keys, between one relation of each side or on one of them. */
static void
add_residual(Gen *g, Buf *b, const Relation *l, const Relation *r)
{
	static const char *const ops[] = {"<", "<=", "<>", ">", ">=", "IS DISTINCT FROM"};
	const Column *c, *d;
	Buf alias = {0};

	if (chance(g, 50))
	{
		const Relation *one = chance(g, 50) ? l : r;

		buf_add(&alias, "%s.", one->alias);
		over(g, one->t, alias.text, one_condition, b);
		buf_free(&alias);
		return;
	}
	c = column_of(g, l->t, CLASSES_COMMON, KIND_LONG);
	d = column_of(g, r->t, comparable(c), KIND_LONG);
	if (!d)
	{
		c = &l->t->cols[0];
		d = &r->t->cols[0];
	}
	if (chance(g, 15))
		buf_add(b, "(");
	else
	{
		add_equality(g, b, l->alias, c, r->alias, d, CHOOSE(g, ops));
		return;
	}
	add_equality(g, b, l->alias, c, r->alias, d, CHOOSE(g, ops));
	buf_add(b, " OR %s.id %% %d = 0)", chance(g, 50) ? l->alias : r->alias, 2 + below(g, 5));
}

static double
join_tree(Gen *g, Buf *b, Source *s, int lo, int hi)
{
	static const char *const joins[] = {"JOIN",		 "JOIN",	   "INNER JOIN", "LEFT JOIN",
										"LEFT JOIN", "RIGHT JOIN", "FULL JOIN"};
	const char *join = CHOOSE(g, joins);
	int split;
	Relation *l, *r;
	const Column *c, *d;
	double left, right, rows;
	bool full = join[0] == 'F';

	if (lo == hi)
	{
		add_relation(g, b, &s->rels[lo]);
		return rows_of(&s->rels[lo]);
	}
	split = lo + below(g, hi - lo);
	if (split > lo)
		buf_add(b, "(");
	left = join_tree(g, b, s, lo, split);
	buf_add(b, "%s %s %s", split > lo ? ")" : "", join, split + 1 < hi ? "(" : "");
	right = join_tree(g, b, s, split + 1, hi);
	buf_add(b, "%s ON ", split + 1 < hi ? ")" : "");
	l = &s->rels[lo + below(g, split - lo + 1)];
	r = &s->rels[split + 1 + below(g, hi - split)];
	/* nothing but a comparison that cannot be hashed */
	if (!full && left * right <= MAX_PAIRS && chance(g, 15))
	{
		int width = below(g, 4);

		if (chance(g, 60) || left * right / 3 > s->room)
			buf_add(b, "%s.id BETWEEN %s.id AND %s.id + %d", r->alias, l->alias, l->alias, width);
		else
			add_residual(g, b, l, r);
		return left * right / 3 > s->room ? left * (width + 1) : left * right / 3;
	}
	if (g->q->pairs < left * right)
		g->q->pairs = left * right;
	rows = pick_key(g, s, l, left, r, right, full, &c, &d);
	add_equality(g, b, l->alias, c, r->alias, d, "=");
	if (chance(g, 15))
	{
		const Column *e, *f;

		pick_key(g, s, l, left, r, right, full, &e, &f);
		/* the same key twice would only mislead the planner's estimate, and so would this operator */
		if (e != c || f != d || left * right <= MAX_PAIRS)
		{
			buf_add(b, " AND ");
			add_equality(g, b, l->alias, e, r->alias, f,
						 full || left * right > MAX_PAIRS || chance(g, 50) ? "=" : "IS NOT DISTINCT FROM");
		}
	}
	if (chance(g, 30))
	{
		buf_add(b, " AND ");
		add_residual(g, b, l, r);
	}
	if (join[0] != 'J' && join[0] != 'I')
		rows = rows > left ? rows : left;
	return rows > right || !full ? rows : right;
}

/* The columns of all relations under their qualified names. */
static Table *
joined_table(const Source *s, double rows)
{
	Table *t = calloc(1, sizeof(Table));

	t->name = copy_text("");
	t->rows = (long)rows;
	t->no_ctid = true;
	for (int i = 0; i < s->n; i++)
		for (int k = 0; k < s->rels[i].t->ncols; k++)
		{
			Buf name = {0};

			buf_add(&name, "%s.%s", s->rels[i].alias, s->rels[i].t->cols[k].name);
			t->cols = realloc(t->cols, (t->ncols + 1) * sizeof(Column));
			t->cols[t->ncols] = s->rels[i].t->cols[k];
			t->cols[t->ncols++].name = name.text;
		}
	return t;
}

void
source_join(Gen *g, double room)
{
	Source s = {.n = 2, .room = room};
	Buf text = {0}, total = {0};
	const Table *first = g->t;
	double rows;
	bool calm = g->calm;

	while (s.n < MAX_RELATIONS && chance(g, 30))
		s.n++;
	for (int i = 0; i < s.n; i++)
	{
		Relation *r = &s.rels[i];

		r->t = i == 0 || (!big(first) && chance(g, 8)) ? first
													   : other_table(g); /* sometimes a join with itself */
		r->alias[0] = 'a' + i;
		r->one_of = r->t->rows > 500 && chance(g, 15) ? 3 + below(g, 40) : 1;
		buf_add(&total, "%s%s.id", i ? ", " : "", r->alias);
	}
	/* the table asked about is not always the outermost */
	if (chance(g, 50))
	{
		int k = below(g, s.n);
		const Table *t = s.rels[k].t;

		s.rels[k].t = s.rels[0].t;
		s.rels[0].t = t;
	}
	for (int i = 0; i < s.n; i++)
		if (s.rels[i].t->rows < 500)
			s.rels[i].one_of = 1;
	g->calm = true;
	g->nested++; /* a subquery beside the keys would run once a pair of rows */
	buf_add(&text, " FROM ");
	rows = join_tree(g, &text, &s, 0, s.n - 1);
	g->nested--;
	g->calm = calm;
	g->t = joined_table(&s, rows);
	g->from = text.text;
	g->total = total.text;
}

void
source_free(Gen *g)
{
	Table *t = (Table *)g->t;

	if (!g->from)
		return;
	for (int i = 0; i < t->ncols; i++)
		free(t->cols[i].name);
	free(t->cols);
	free(t->name);
	free(t);
	free((char *)g->from);
	free((char *)g->total);
	g->from = NULL;
}

void
from(Gen *g, Buf *b)
{
	if (g->from)
	{
		buf_add(b, "%s", g->from);
		return;
	}
	buf_add(b, " FROM %s%s%.*s", g->t->name, g->alias[0] ? " " : "",
			g->alias[0] ? (int)strlen(g->alias) - 1 : 0, g->alias);
	if (!g->t->no_ctid && chance(g, 2))
	{
		g->q->of_place = true;
		buf_add(b, " TABLESAMPLE SYSTEM (50) REPEATABLE (%d)", below(g, 5));
	}
}

/* ---- subqueries in conditions ---- */

typedef struct Inner
{
	const Table *t;
	const Column *c, *d; /* outside, inside */
	Buf outer;			 /* the outer column's qualified name */
} Inner;

/* The outer column's name must not be taken for an inner one's. */
static bool
outer_name(Gen *g, Inner *in)
{
	if (g->from || g->alias[0])
		buf_add(&in->outer, "%s%s", g->from ? "" : g->alias, in->c->name);
	else
		buf_add(&in->outer, "%s.%s", g->t->name, in->c->name);
	return in->outer.text != NULL;
}

static bool
pick_inner(Gen *g, Inner *in)
{
	for (int i = 0; i < 8; i++)
	{
		in->t = other_table(g);
		in->c = column(g, chance(g, 85) ? CLASSES_COMMON : CLASSES_SORTED, 0, KIND_LONG);
		in->d = in->c ? column_of(g, in->t, comparable(in->c), KIND_LONG) : NULL;
		if (in->d)
			return outer_name(g, in);
	}
	return false;
}

static void
add_inner_equality(Buf *b, const Inner *in, const char *op)
{
	const char *collation =
		in->c->kind != in->d->kind && (CLASS_BIT(in->c->kind->class) & CLASSES_TEXT) ? " COLLATE \"C\"" : "";

	buf_add(b, "x.%s%s %s %s%s", in->d->name, collation, op, in->outer.text, collation);
}

static void
add_inner_condition(Gen *g, Buf *b, const Inner *in, const char *before, int percent)
{
	if (!chance(g, percent))
		return;
	buf_add(b, "%s", before);
	over(g, in->t, "x.", one_condition, b);
}

static void
exists_condition(Gen *g, Buf *b, const Inner *in, bool top)
{
	buf_add(b, "%sEXISTS (SELECT %s FROM %s x WHERE ", chance(g, 50) ? "NOT " : "", chance(g, 50) ? "" : "1",
			in->t->name);
	add_inner_equality(b, in, "=");
	if (top && chance(g, 20) && (double)in->t->rows * g->t->rows < MAX_PAIRS)
	{
		buf_add(b, " AND ");
		add_inner_equality(b, in, "<>");
	}
	else if (chance(g, 20))
		buf_add(b, " AND x.id > %d", below(g, 3000));
	add_inner_condition(g, b, in, " AND ", 50);
	buf_add(b, ")");
}

static void
in_condition(Gen *g, Buf *b, const Inner *in)
{
	bool text = in->c->kind != in->d->kind && (CLASS_BIT(in->c->kind->class) & CLASSES_TEXT);
	/* NOT IN and a table that does not fit work_mem are rows times rows */
	bool negated = (double)in->t->rows * g->t->rows < MAX_PAIRS && chance(g, 30);

	buf_add(b, "%s%s %sIN (SELECT x.%s FROM %s x", in->outer.text, text ? " COLLATE \"C\"" : "",
			negated ? "NOT " : "", in->d->name, in->t->name);
	add_inner_condition(g, b, in, " WHERE ", 70);
	buf_add(b, ")");
}

static void
scalar_condition(Gen *g, Buf *b, const Inner *in)
{
	const Column *outer = column(g, CLASSES_INT, 0, 0);
	const Column *inner = column_of(g, in->t, CLASSES_INT, 0);

	add_name(g, b, outer);
	buf_add(b, " %s (SELECT %s(x.%s) FROM %s x", comparison(g),
			chance(g, 40)	? "avg"
			: chance(g, 50) ? "max"
							: "count",
			inner->name, in->t->name);
	add_inner_condition(g, b, in, " WHERE ", 70);
	buf_add(b, ")");
}

void
subquery_condition(Gen *g, Buf *b, bool top)
{
	Inner in = {0};
	bool calm = g->calm;
	bool small;

	g->q->quals++;
	if (!pick_inner(g, &in))
	{
		buf_add(b, "true");
		return;
	}
	if (g->q->pairs < (double)in.t->rows * g->t->rows)
		g->q->pairs = (double)in.t->rows * g->t->rows;
	small = (double)g->t->rows * in.t->rows < MAX_PAIRS;
	/* whether it runs at all, and for which rows, is the planner's affair */
	g->calm = true;
	g->nested++;
	buf_add(b, "(");
	switch (below(g, 7))
	{
		case 0:
		case 1:
		case 2:
			if (top || small)
			{
				exists_condition(g, b, &in, top);
				break;
			}
			/* fall through */
		case 3:
		case 4:
			if (top || small)
			{
				in_condition(g, b, &in);
				break;
			}
			/* fall through */
		case 5:
			scalar_condition(g, b, &in);
			break;
		default:
			buf_add(b, "%sEXISTS (SELECT FROM %s x WHERE ", chance(g, 30) ? "NOT " : "", in.t->name);
			over(g, in.t, "x.", one_condition, b);
			buf_add(b, ")");
	}
	buf_add(b, ")");
	g->nested--;
	g->calm = calm;
	buf_free(&in.outer);
}

/*
 * An aggregate of another table's rows that have the outer row's value in one column, or two.  It runs again for each
 * outer row, which must be few.
 */
void
correlated_aggregate(Gen *g, Buf *b, const char *name)
{
	Inner in = {0}, two = {0};
	bool calm = g->calm;

	if (!pick_inner(g, &in))
	{
		buf_add(b, "(SELECT 1%s)", name);
		return;
	}
	g->calm = true;
	g->nested++;
	buf_add(b, "(SELECT ");
	over(g, in.t, "x.", aggregate, b);
	buf_add(b, "%s FROM %s x WHERE ", name, in.t->name);
	add_inner_equality(b, &in, "=");
	two.t = in.t;
	two.c = chance(g, 30) ? column(g, CLASSES_COMMON, 0, KIND_LONG) : NULL;
	two.d = two.c ? column_of(g, two.t, comparable(two.c), KIND_LONG) : NULL;
	if (two.d && outer_name(g, &two))
	{
		buf_add(b, " AND ");
		add_inner_equality(b, &two, chance(g, 80) ? "=" : "<>");
	}
	add_inner_condition(g, b, &in, " AND ", 50);
	if (chance(g, 15))
		buf_add(b, " HAVING count(*) > %d", below(g, 4));
	buf_add(b, ")");
	g->nested--;
	g->calm = calm;
	buf_free(&in.outer);
	buf_free(&two.outer);
}
