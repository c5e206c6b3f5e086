/*
 * shape.c - the forms of a whole query.
 */
#include <string.h>

#include "gen.h"

/* Any order that begins as it likes and is total in the end. */
static void
order_by_id(Gen *g, Buf *b)
{
	Buf total = {0};

	buf_add(b, " ORDER BY ");
	for (int i = chance(g, 60) ? 1 + below(g, 2) : 0; i > 0; i--)
	{
		const Column *c = column(g, chance(g, 85) ? CLASSES_COMMON : CLASSES_SORTED, 0, KIND_LONG);

		if (chance(g, 15))
			number(g, b, NUMBER_NO_FLOAT);
		else
			add_name(g, b, c);
		buf_add(b, "%s%s, ", chance(g, 35) ? " DESC" : "",
				chance(g, 15)	? " NULLS FIRST"
				: chance(g, 15) ? " NULLS LAST"
								: "");
	}
	buf_add(b, "%s%s", total_order(g, &total), chance(g, 30) ? " DESC" : "");
	g->q->ordered = true;
	buf_free(&total);
}

static void
limit(Gen *g, Buf *b)
{
	/* what is computed for rows that LIMIT takes away is the planner's affair */
	if (hazard(g) != HAZARD_NONE)
		return;
	if (chance(g, 60))
		buf_add(b, " LIMIT %d", chance(g, 10) ? below(g, 5000) : below(g, 50));
	if (chance(g, 20))
		buf_add(b, " OFFSET %d", below(g, 20));
}

static void
shape_scan(Gen *g, Buf *b)
{
	bool digest = (big(g->t) || g->from) && chance(g, 50);

	if (digest)
		buf_add(b, "SELECT count(*), sum(hashtextextended(r::text, 0)::numeric) FROM (");
	buf_add(b, "SELECT ");
	select_list(g, b);
	from(g, b);
	where(g, b, big(g->t) && !digest);
	if (digest)
		buf_add(b, ") r");
	else if (chance(g, 30))
	{
		order_by_id(g, b);
		limit(g, b);
	}
}

/* The first rows by something, of all rows: what a heap of n holds. */
static void
shape_top(Gen *g, Buf *b)
{
	const Column *c = column(g, chance(g, 80) ? CLASSES_COMMON : CLASSES_SORTED, 0, KIND_LONG | KIND_LOOSE);

	buf_add(b, "SELECT ");
	switch (below(g, 4))
	{
		case 0: /* which of the equal ones does not matter when only the key is shown */
			shown(g, b, c, "", "");
			from(g, b);
			where(g, b, false);
			buf_add(b, " ORDER BY ");
			add_name(g, b, c);
			buf_add(b, "%s LIMIT %d", chance(g, 50) ? " DESC" : "", 1 + below(g, 30));
			return;
		case 1: /* all of the equal ones: a set, whatever its order */
			select_list(g, b);
			from(g, b);
			where(g, b, false);
			buf_add(b, " ORDER BY ");
			add_name(g, b, c);
			buf_add(b, "%s FETCH FIRST %d ROWS %s", chance(g, 50) ? " DESC" : "", 1 + below(g, 30),
					c->kind->flags & KIND_UNIQUE && !g->from ? "ONLY" : "WITH TIES");
			return;
		case 2: /* the first of each */
		{
			Buf total = {0};

			buf_add(b, "DISTINCT ON (");
			add_name(g, b, c);
			buf_add(b, ") ");
			select_list(g, b);
			from(g, b);
			where(g, b, big(g->t));
			buf_add(b, " ORDER BY ");
			add_name(g, b, c);
			buf_add(b, "%s, %s", chance(g, 30) ? " DESC" : "", total_order(g, &total));
			buf_free(&total);
			return;
		}
		default:
			select_list(g, b);
			from(g, b);
			where(g, b, false);
			order_by_id(g, b);
			buf_add(b, " LIMIT %d", 1 + below(g, 100));
			if (chance(g, 25))
				buf_add(b, " OFFSET %d", below(g, 50));
	}
}

/* All rows in an order by columns; of many, each row with its place. */
static void
shape_sort(Gen *g, Buf *b)
{
	bool places = big(g->t) || g->from || chance(g, 30);
	Buf order = {0}, total = {0};

	buf_add(&order, "ORDER BY ");
	for (int i = 1 + below(g, 3); i > 0; i--)
	{
		add_name(g, &order, column(g, chance(g, 70) ? CLASSES_COMMON : CLASSES_SORTED, 0, KIND_LONG));
		buf_add(&order, "%s%s, ", chance(g, 40) ? " DESC" : "",
				chance(g, 15)	? " NULLS FIRST"
				: chance(g, 15) ? " NULLS LAST"
								: "");
	}
	buf_add(&order, "%s%s", total_order(g, &total), chance(g, 30) ? " DESC" : "");
	if (places)
		buf_add(b,
				"SELECT count(*), sum(hashtextextended(r::text, place)::numeric) FROM (SELECT "
				"row_number() OVER (%s) AS place, ",
				order.text);
	else
		buf_add(b, "SELECT ");
	select_list(g, b);
	from(g, b);
	where(g, b, false);
	buf_add(b, "%s%s", places ? ") r" : " ", places ? "" : order.text);
	g->q->ordered = true;
	buf_free(&total);
	buf_free(&order);
}

static void
shape_aggregate(Gen *g, Buf *b)
{
	int n = 1 + below(g, 4);

	buf_add(b, "SELECT ");
	for (int i = 0; i < n; i++)
	{
		buf_add(b, i ? ", " : "");
		aggregate(g, b);
	}
	from(g, b);
	where(g, b, false);
	if (chance(g, 5))
		buf_add(b, " HAVING count(*) > %d", below(g, 100));
}

static void
having(Gen *g, Buf *b)
{
	if (chance(g, 12))
		buf_add(b, " HAVING count(*) %s %d", comparison(g), below(g, 50));
	else if (chance(g, 8))
	{
		buf_add(b, " HAVING sum(");
		number(g, b, NUMBER_NO_FLOAT);
		buf_add(b, ") > %d", below(g, 1000));
	}
	else if (chance(g, 5))
	{
		const Column *c = column(g, CLASSES_INT, 0, 0);

		buf_add(b, " HAVING max(");
		add_name(g, b, c);
		buf_add(b, ") IS DISTINCT FROM min(");
		add_name(g, b, c);
		buf_add(b, ")");
	}
}

/* Sets of keys, as lists, ROLLUP or CUBE. */
static void
grouping_sets(Gen *g, Buf *b, char **keys, int nkeys)
{
	static const char *const ways[] = {"ROLLUP (", "CUBE (", "GROUPING SETS ((), ", "GROUPING SETS ("};
	int way = below(g, 4);

	buf_add(b, "%s", ways[way]);
	for (int i = 0; i < nkeys; i++)
		buf_add(b, "%s(%s)", i ? ", " : "", keys[i]);
	if (way == 3 && nkeys > 1)
		buf_add(b, ", (%s, %s)", keys[0], keys[1]);
	buf_add(b, ")");
}

static void
shape_group(Gen *g, Buf *b)
{
	int nkeys = 1 + (chance(g, 50) ? 0 : below(g, 4));
	int naggs = below(g, 5);
	bool sets = nkeys < 4 && chance(g, 12);
	Buf key[4] = {0}, sorted = {0};
	char *keys[4];

	buf_add(b, "SELECT ");
	for (int i = 0; i < nkeys; i++)
	{
		Buf show = {0};

		group_key(g, &key[i], &show);
		keys[i] = key[i].text;
		buf_add(b, "%s%s", i ? ", " : "", show.text);
		buf_free(&show);
	}
	if (sets)
		for (int i = 0; i < nkeys; i++)
			buf_add(b, ", GROUPING(%s)", keys[i]);
	for (int i = 0; i < naggs; i++)
	{
		buf_add(b, ", ");
		aggregate(g, b);
	}
	if (!sets && chance(g, 5)) /* windows come after groups */
		buf_add(b, ", sum(count(*)) OVER (), rank() OVER (ORDER BY count(*) DESC)");
	from(g, b);
	where(g, b, false);
	buf_add(b, " GROUP BY ");
	if (sets)
		grouping_sets(g, b, keys, nkeys);
	else
		for (int i = 0; i < nkeys; i++)
			buf_add(b, "%s%s", i ? ", " : "", keys[i]);
	having(g, b);
	if (chance(g, 30))
	{
		buf_add(b, " ORDER BY ");
		if (!sets && chance(g, 25))
			buf_add(b, "count(*)%s, ", chance(g, 70) ? " DESC" : "");
		for (int i = 0; i < nkeys; i++)
			buf_add(b, "%s%d%s%s", i ? ", " : "", i + 1, chance(g, 30) ? " DESC" : "",
					chance(g, 20) ? " NULLS FIRST" : "");
		if (!sets) /* where a key's own NULL ties with the one left out */
		{
			g->q->ordered = true;
			if (hazard(g) == HAZARD_NONE && chance(g, 50))
				buf_add(b, " LIMIT %d", 1 + below(g, 20));
		}
	}
	for (int i = 0; i < nkeys; i++)
		buf_free(&key[i]);
	buf_free(&sorted);
}

static void
shape_distinct(Gen *g, Buf *b)
{
	int n = 1 + below(g, 3);
	bool count = (big(g->t) || g->from) && chance(g, 50);

	buf_add(b, "%sSELECT DISTINCT ", count ? "SELECT count(*) FROM (" : "");
	for (int i = 0; i < n; i++)
	{
		const Column *c = column(g, chance(g, 85) ? CLASSES_COMMON : CLASSES_SORTED,
								 chance(g, 60) ? KIND_FEW : 0, KIND_LONG);

		buf_add(b, i ? ", " : "");
		if (chance(g, 15))
			text_value(g, b);
		else if (chance(g, 10))
			moment(g, b);
		else
			shown(g, b, c ? c : &g->t->cols[0], "", "");
		buf_add(b, " AS x%d", i);
	}
	from(g, b);
	where(g, b, big(g->t) && !count);
	if (count)
		buf_add(b, ") d");
}

static void
shape_window(Gen *g, Buf *b)
{
	bool outer = chance(g, 30);
	Buf total = {0};

	buf_add(b, "%sSELECT %s", outer ? "SELECT count(*) FROM (" : "", total_order(g, &total));
	if (outer) /* names must differ in a subquery */
		buf_add(b, " AS i0");
	for (int i = 1 + below(g, 3); i > 0; i--)
	{
		buf_add(b, ", ");
		window_item(g, b);
		if (outer)
			buf_add(b, " AS i%d", i);
	}
	from(g, b);
	where(g, b, big(g->t));
	window_clause(g, b);
	if (outer)
		buf_add(b, ") s WHERE i1 IS NOT NULL");
	buf_free(&total);
}

static void
shape_subquery(Gen *g, Buf *b)
{
	const Table *t = g->t, *o = other_table(g);

	g->q->pairs = (double)t->rows * o->rows;
	g->alias = "a.";
	switch (below(g, 4))
	{
		case 0:
			buf_add(b, "SELECT count(*), sum(a.id) FROM %s a WHERE a.id %sIN (SELECT c.id FROM %s c WHERE ",
					t->name, chance(g, 40) ? "NOT " : "", o->name);
			over(g, o, "c.", one_condition, b);
			buf_add(b, ")");
			break;
		case 1:
			buf_add(b, "SELECT a.id FROM %s a WHERE %sEXISTS (SELECT FROM %s c WHERE c.id = a.id AND ",
					t->name, chance(g, 40) ? "NOT " : "", o->name);
			over(g, o, "c.", one_condition, b);
			buf_add(b, ")");
			break;
		case 2: /* a correlated scalar: runs again for each outer row */
			buf_add(b, "SELECT a.id, (SELECT count(*) FROM %s c WHERE c.id < a.id AND ", o->name);
			over(g, o, "c.", one_condition, b);
			buf_add(b, ") FROM %s a WHERE a.id %% 251 = 1 AND a.id < 6000", t->name);
			break;
		default:
			buf_add(b, "SELECT count(*) FROM %s a WHERE a.id > (SELECT avg(c.id) FROM %s c WHERE ", t->name,
					o->name);
			over(g, o, "c.", one_condition, b);
			buf_add(b, ")");
	}
	g->alias = "";
}

static void
shape_cte(Gen *g, Buf *b)
{
	buf_add(b, "WITH q AS %s(", chance(g, 50) ? "MATERIALIZED " : "");
	buf_add(b, "SELECT id, ");
	select_item(g, b);
	buf_add(b, " AS x");
	from(g, b);
	where(g, b, false);
	buf_add(b, ") SELECT count(*), count(x), sum(id) FROM q WHERE id %% %d <> 0", 2 + below(g, 5));
}

static void
as_text(Gen *g, Buf *b, const Column *c)
{
	shown(g, b, c, "", "");
	buf_add(b, "::text COLLATE \"C\"");
}

/* Of the ids, or of any two columns, as text: types that differ would give a value another look. */
static void
shape_union(Gen *g, Buf *b)
{
	static const char *const ops[] = {"UNION ALL", "UNION ALL",		"UNION",	 "EXCEPT",
									  "INTERSECT", "INTERSECT ALL", "EXCEPT ALL"};
	const Table *t = g->t, *o = other_table(g);
	bool ids = chance(g, 40);

	buf_add(b, "SELECT %s FROM (SELECT ", big(t) || chance(g, 40) ? "count(*), count(x)" : "x");
	if (ids)
		buf_add(b, "id");
	else
		as_text(g, b, column(g, CLASSES_COMMON, 0, KIND_LONG | KIND_LOOSE));
	buf_add(b, " AS x");
	from(g, b);
	where(g, b, false);
	buf_add(b, " %s SELECT ", CHOOSE(g, ops));
	g->t = o;
	if (ids)
		buf_add(b, "id");
	else
		as_text(g, b, column(g, CLASSES_COMMON, 0, KIND_LONG | KIND_LOOSE));
	buf_add(b, " FROM %s WHERE id %% %d = 1) u", o->name, 2 + below(g, 9));
	g->t = t;
}

/* A scan that is stopped early: how many rows came is defined, which ones is not. */
static void
shape_limit(Gen *g, Buf *b)
{
	buf_add(b, "SELECT count(*) FROM (SELECT ");
	add_name(g, b, column(g, CLASSES_COMMON, 0, 0));
	from(g, b);
	where(g, b, false);
	buf_add(b, " LIMIT %d) s", below(g, 3000));
}

/* A scan or an aggregate that runs again with other parameters for each row outside. */
static void
shape_lateral(Gen *g, Buf *b)
{
	const Table *t = g->t, *o = other_table(g);

	buf_add(b,
			"SELECT a.id, l.* FROM (SELECT id FROM %s WHERE id %% %d = 1 AND id < 6000) a "
			"LEFT JOIN LATERAL (SELECT ",
			t->name, big(t) ? 499 : 97);
	g->t = o;
	g->alias = "c.";
	if (chance(g, 60))
	{
		aggregate(g, b);
		buf_add(b, " AS x, count(*) AS n FROM %s c WHERE c.id BETWEEN a.id AND a.id + %d", o->name,
				below(g, 50));
	}
	else
	{
		select_item(g, b);
		buf_add(b, " AS x FROM %s c WHERE c.id BETWEEN a.id AND a.id + %d", o->name, below(g, 5));
	}
	buf_add(b, " AND ");
	condition(g, b, 1);
	g->t = t;
	g->alias = "";
	buf_add(b, ") l ON true");
}

/* An aggregate below a join: groups of one table beside the rows of another. */
static void
shape_derived(Gen *g, Buf *b)
{
	const Table *t = g->t, *o = other_table(g);
	const Column *k = column(g, CLASSES_COMMON, KIND_FEW, KIND_LOOSE | KIND_SCALES) ?: &t->cols[0];
	const Column *v;

	g->calm = true;
	buf_add(
		b, "SELECT a.k, a.n, count(*), count(c.id) FROM (SELECT %s AS k, count(*) AS n, max(id) AS m FROM %s",
		k->name, t->name);
	where(g, b, false);
	g->t = o;
	g->q->pairs = (double)t->rows * o->rows;
	v = column(g, CLASSES_INT, KIND_FEW, 0) ?: &o->cols[0];
	buf_add(b, " GROUP BY %s) a %s JOIN %s c ON c.%s = a.n %% 50", k->name,
			chance(g, 40)	? "LEFT"
			: chance(g, 50) ? "FULL"
							: "",
			o->name, v->name);
	if (chance(g, 40))
		buf_add(b, " AND c.id < a.m");
	buf_add(b, " GROUP BY a.k, a.n");
	g->t = t;
	g->calm = false;
}

/* A table by its own CTE, used twice. */
static void
shape_cte_join(Gen *g, Buf *b)
{
	const Column *c = column(g, CLASSES_COMMON, KIND_FEW, 0) ?: &g->t->cols[0];

	g->calm = true;
	g->q->pairs = (double)g->t->rows * g->t->rows;
	buf_add(b, "WITH q AS %s(SELECT id, %s AS k", chance(g, 50) ? "MATERIALIZED " : "", c->name);
	from(g, b);
	where(g, b, true);
	buf_add(b,
			") SELECT a.k IS NULL AS x, count(*), count(c.id) FROM q a %s JOIN q c ON a.id = c.id + %d GROUP "
			"BY 1",
			chance(g, 50) ? "LEFT" : "FULL", below(g, 3));
	g->calm = false;
}

/* Aggregates that depend on the outer row, for some dozens of these. */
static void
shape_correlated(Gen *g, Buf *b)
{
	int part = 1 + g->t->rows / (20 + below(g, 60));

	g->alias = "a.";
	g->q->pairs = g->t->rows * 200.0;
	switch (below(g, 3))
	{
		case 0:
			buf_add(b, "SELECT a.id, ");
			correlated_aggregate(g, b, "");
			buf_add(b, " FROM %s a WHERE ", g->t->name);
			break;
		case 1:
			buf_add(b, "SELECT a.id, s.v FROM %s a %s JOIN LATERAL ", g->t->name, chance(g, 50) ? "LEFT" : "INNER");
			correlated_aggregate(g, b, " AS v");
			buf_add(b, " s ON true WHERE ");
			break;
		default:
			buf_add(b, "SELECT a.id FROM %s a WHERE ", g->t->name);
			correlated_aggregate(g, b, "");
			buf_add(b, " IS %sNULL AND ", chance(g, 50) ? "NOT " : "");
	}
	buf_add(b, "a.id %% %d = %d", part, below(g, part));
	g->alias = "";
}

static const Shape shapes[] = {
	{"scan", 30, shape_scan, true, 15000},	   {"aggregate", 24, shape_aggregate, true, 150000},
	{"group", 30, shape_group, true, 150000},  {"distinct", 5, shape_distinct, false, 50000},
	{"window", 5, shape_window, false, 15000}, {"top", 9, shape_top, false, 100000},
	{"sort", 9, shape_sort, false, 100000},	   {"subquery", 4, shape_subquery, false, 0},
	{"cte", 2, shape_cte, false, 0},		   {"cte_join", 2, shape_cte_join, false, 0},
	{"union", 3, shape_union, false, 0},	   {"limit", 2, shape_limit, false, 50000},
	{"lateral", 3, shape_lateral, false, 0},   {"derived", 3, shape_derived, false, 0},
	{"correlated", 6, shape_correlated, false, 0},
};

const Shape *
pick_shape(Gen *g)
{
	int total = 0, n;

	for (size_t i = 0; i < lengthof(shapes); i++)
		total += shapes[i].weight;
	n = below(g, total);
	for (size_t i = 0;; i++)
		if ((n -= shapes[i].weight) < 0)
			return &shapes[i];
}
