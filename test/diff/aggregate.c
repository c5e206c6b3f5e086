/*
 * aggregate.c - select lists, aggregates, group keys, window functions.
 */
#include <string.h>

#include "gen.h"

/* ---- select lists ---- */

void
shown(Gen *g, Buf *b, const Column *c, const char *before, const char *after)
{
	const char *open = "", *close = "";

	if (c->kind->flags & KIND_SCALES)
		open = "trim_scale(", close = ")";
	else if (c->kind->flags & KIND_LOOSE)
		open = "lower(", close = " COLLATE \"en-x-icu\")";
	else if (c->kind->class == CLASS_FLOAT4)
		open = "(", close = " + 0::real)";
	else if (c->kind->class == CLASS_FLOAT8)
		open = "(", close = " + 0)";
	buf_add(b, "%s%s", open, before);
	add_name(g, b, c);
	buf_add(b, "%s%s", after, close);
}

void
select_item(Gen *g, Buf *b)
{
	const Column *c;
	Hazard may = hazard(g);
	bool risk = chance(g, 40);

	if (risk && (may == HAZARD_OVERFLOW || may == HAZARD_DIVISION))
	{
		number(g, b, 0);
		return;
	}
	if (risk && may == HAZARD_TIME_RANGE)
	{
		moment(g, b);
		return;
	}
	switch (below(g, 14))
	{
		case 0:
			number(g, b, 0);
			break;
		case 1:
			text_value(g, b);
			break;
		case 2:
			moment(g, b);
			break;
		case 3:
			condition(g, b, 0);
			break;
		case 4:
			c = column(g, CLASSES_ALL, 0, 0);
			add_name(g, b, c);
			buf_add(b, " IS NULL");
			break;
		case 5:
			if (!g->t->no_ctid && g->alias[0] == '\0' && !g->from)
			{
				static const char *const system[] = {"ctid", "tableoid::regclass", "xmin::text::bigint > 0"};

				buf_add(b, "%s", CHOOSE(g, system));
				g->q->of_place = true;
				break;
			}
			/* fall through */
		default:
			c = column(g, chance(g, 80) ? CLASSES_COMMON : CLASSES_ALL, 0, 0);
			add_name(g, b, c);
	}
}

void
select_list(Gen *g, Buf *b)
{
	int n = 1 + below(g, 5);

	if (g->alias[0] == '\0' && chance(g, 8))
	{
		bool row = !g->from && chance(g, 30);

		buf_add(b, "%s", row ? g->t->name : "*");
		g->q->of_place |= row;
		return;
	}
	for (int i = 0; i < n; i++)
	{
		buf_add(b, i ? ", " : "");
		select_item(g, b);
	}
}

/* ---- aggregates ---- */

static void
summand(Gen *g, Buf *b)
{
	const Column *c;

	if (chance(g, hazard(g) == HAZARD_NONE ? 55 : 10))
	{
		c = column(g, CLASSES_NUMBER & ~CLASSES_FLOAT, 0, 0);
		if (chance(g, 25))
		{
			/* float4 sums in float4: a join may have more rows than stay exact */
			const Column *f = column(g, g->from ? CLASS_BIT(CLASS_FLOAT8) : CLASSES_FLOAT, 0, KIND_EXTREME);

			if (f)
				c = f;
		}
		add_name(g, b, c);
		return;
	}
	c = column(g, CLASS_BIT(CLASS_FLOAT8), 0, KIND_EXTREME);
	if (c && chance(g, 25))
	{
		add_name(g, b, c);
		buf_add(b, chance(g, 50) ? " * %d" : " + %d", below(g, 9));
		return;
	}
	number(g, b, NUMBER_NO_FLOAT);
}

/* DISTINCT inside the aggregate; in an order of its own where the order shows. */
static void
distinct_aggregate(Gen *g, Buf *b)
{
	const Column *c = column(g, CLASSES_SORTED, 0, KIND_LONG);
	const Column *n = column(g, CLASSES_INT, 0, KIND_EXTREME);

	switch (below(g, 8))
	{
		case 0:
			buf_add(b, "%s(DISTINCT ", chance(g, 50) ? "sum" : "avg");
			add_name(g, b, chance(g, 60) ? column(g, CLASSES_INT, 0, 0)
										 : column(g, CLASS_BIT(CLASS_NUMERIC), 0, KIND_SCALES) ?: n);
			buf_add(b, ")");
			break;
		case 1:
			c = column(g, CLASSES_COMMON, 0, KIND_LONG | KIND_LOOSE);
			buf_add(b, "md5(string_agg(DISTINCT ");
			add_name(g, b, c);
			buf_add(b, "::text COLLATE \"C\", ',' ORDER BY ");
			add_name(g, b, c);
			buf_add(b, "::text COLLATE \"C\"))");
			break;
		case 2:
			buf_add(b, "array_agg(DISTINCT ");
			add_name(g, b, n);
			buf_add(b, " %% 9)");
			break;
		case 3:
			buf_add(b, "count(DISTINCT (");
			add_name(g, b, c);
			buf_add(b, ", ");
			add_name(g, b, n);
			buf_add(b, " %% 10))");
			break;
		case 4:
			buf_add(b, "count(DISTINCT ");
			number(g, b, NUMBER_NO_FLOAT);
			buf_add(b, ")");
			break;
		case 5:
			buf_add(b, "count(DISTINCT ");
			text_value(g, b);
			buf_add(b, ")");
			break;
		default:
			buf_add(b, "count(DISTINCT ");
			add_name(g, b, c);
			buf_add(b, ")");
	}
}

/* All values in an order that is total. */
static void
ordered_aggregate(Gen *g, Buf *b)
{
	const Column *c = column(g, CLASSES_ALL, 0, KIND_LONG);
	Buf total = {0};

	switch (below(g, 5))
	{
		case 0:
			buf_add(b, "md5(array_agg(");
			add_name(g, b, column(g, CLASSES_SORTED & ~CLASS_BIT(CLASS_ARRAY), 0, KIND_LONG));
			buf_add(b, " ORDER BY %s)::text)", total_order(g, &total));
			break;
		case 1:
			buf_add(b, "md5(jsonb_agg(");
			add_name(g, b, column(g, CLASSES_INT | CLASS_BIT(CLASS_BOOL), 0, 0));
			buf_add(b, " ORDER BY %s)::text)", total_order(g, &total));
			break;
		case 2:
			buf_add(b, "percentile_%s(%s) WITHIN GROUP (ORDER BY ", chance(g, 50) ? "disc" : "cont",
					chance(g, 50) ? "0.5" : "ARRAY[0, 0.25, 1]");
			add_name(g, b, column(g, CLASSES_INT, 0, KIND_EXTREME));
			buf_add(b, ")");
			break;
		case 3:
			buf_add(b, chance(g, 50) ? "mode() WITHIN GROUP (ORDER BY " : "rank(3) WITHIN GROUP (ORDER BY ");
			add_name(g, b, column(g, CLASSES_INT, 0, 0));
			buf_add(b, ")");
			break;
		default:
			buf_add(b, "md5(string_agg(");
			add_name(g, b, c);
			buf_add(b, "::text, ',' ORDER BY %s))", total_order(g, &total));
	}
	buf_free(&total);
}

void
aggregate(Gen *g, Buf *b)
{
	const Column *c = column(g, CLASSES_COMMON, 0, 0);
	const Column *k;
	int what = below(g, 26);
	bool filter = chance(g, 8);

	switch (what)
	{
		case 0:
		case 1:
		case 2:
			buf_add(b, "count(*)");
			break;
		case 3:
			buf_add(b, "count(");
			add_name(g, b, c);
			buf_add(b, ")");
			break;
		case 4:
		case 5:
		case 6:
		case 7:
		case 8:
			buf_add(b, "sum(");
			summand(g, b);
			buf_add(b, ")");
			break;
		case 9:
		case 10:
		case 11:
			buf_add(b, "avg(");
			summand(g, b);
			buf_add(b, ")");
			break;
		case 12:
		case 13:
		case 14:
		case 15:
			c = column(g, CLASSES_EXTREMA, 0, 0);
			shown(g, b, c, chance(g, 50) ? "min(" : "max(", ")");
			filter = false; /* would land outside the aggregate */
			break;
		case 16:
			k = column(g, CLASS_BIT(CLASS_BOOL), 0, 0);
			buf_add(b, "%s(", chance(g, 40) ? "bool_and" : chance(g, 50) ? "bool_or" : "every");
			if (k)
				add_name(g, b, k);
			else
				condition(g, b, 0);
			buf_add(b, ")");
			break;
		case 17:
			buf_add(b, chance(g, 50) ? "min(" : "max(");
			number(g, b, NUMBER_NO_FLOAT);
			buf_add(b, "::numeric(200,20))");
			break;
		case 18:
			buf_add(b, "%s(",
					chance(g, 30)	? "stddev"
					: chance(g, 30) ? "variance"
					: chance(g, 50) ? "stddev_pop"
									: "var_samp");
			k = column(g, CLASSES_NUMBER & ~CLASSES_FLOAT, 0, KIND_EXTREME);
			add_name(g, b, k);
			buf_add(b, ")");
			break;
		case 19:
			distinct_aggregate(g, b);
			filter = false;
			break;
		case 20:
			ordered_aggregate(g, b);
			filter = false;
			break;
		case 23:
			buf_add(b, "%s(CASE WHEN ", chance(g, 60) ? "sum" : "count");
			condition(g, b, 0);
			buf_add(b, " THEN ");
			small_number(g, b, NUMBER_NO_FLOAT);
			buf_add(b, chance(g, 50) ? " ELSE 0 END)" : " END)");
			break;
		case 24:
			buf_add(b, "min(");
			text_value(g, b);
			buf_add(b, " COLLATE \"C\")");
			break;
		case 25:
			buf_add(b, "max(");
			moment(g, b);
			buf_add(b, ")");
			break;
		case 21:
			buf_add(b, "max(length(");
			text_value(g, b);
			buf_add(b, "))");
			break;
		case 22:
			buf_add(b, "%s(", chance(g, 40) ? "bit_and" : chance(g, 50) ? "bit_or" : "bit_xor");
			add_name(g, b, column(g, CLASSES_INT, 0, 0));
			buf_add(b, ")");
			break;
		default:
			buf_add(b, "sum(DISTINCT ");
			add_name(g, b, column(g, CLASSES_INT, 0, 0));
			buf_add(b, ")");
	}
	if (filter)
	{
		buf_add(b, " FILTER (WHERE ");
		condition(g, b, 0);
		buf_add(b, ")");
	}
	/* an expression over an aggregate */
	if (what < 12 && what != 3 && chance(g, 10))
		buf_add(b, " * 2");
}

static void
made_key(Gen *g, Buf *key)
{
	const Column *c = column(g, CLASSES_INT | CLASS_BIT(CLASS_NUMERIC), 0, KIND_EXTREME | KIND_SCALES);

	switch (below(g, 3))
	{
		case 0:
			buf_add(key, "width_bucket(");
			add_name(g, key, c);
			buf_add(key, "::numeric, -1000, 1000, 10)");
			break;
		case 1:
			buf_add(key, "coalesce(");
			add_name(g, key, c);
			buf_add(key, "::text, 'nothing')");
			break;
		default:
			buf_add(key, "(");
			add_name(g, key, c);
			buf_add(key, " > %d)", below(g, 500));
	}
}

void
group_key(Gen *g, Buf *key, Buf *show)
{
	const Column *c;

	switch (below(g, 16))
	{
		case 5:
			text_value(g, key);
			break;
		case 6:
			buf_add(key, "CASE WHEN ");
			condition(g, key, 0);
			buf_add(key, " THEN 'yes' WHEN ");
			condition(g, key, 0);
			buf_add(key, " THEN 'no' END");
			break;
		case 7:
			made_key(g, key);
			break;
		case 0:
			c = column(g, CLASSES_TIME, 0, 0);
			if (c)
			{
				buf_add(key, "extract(%s FROM ", chance(g, 50) ? "year" : "month");
				add_name(g, key, c);
				buf_add(key, ")");
				break;
			}
			/* fall through */
		case 1:
			c = column(g, CLASSES_INT, 0, KIND_EXTREME);
			add_name(g, key, c);
			buf_add(key, " %% %d", 2 + below(g, 20));
			break;
		case 2:
			c = column(g, CLASSES_ALL, 0, 0);
			buf_add(key, "(");
			add_name(g, key, c);
			buf_add(key, " IS NULL)");
			break;
		case 3:
			buf_add(key, "length(");
			text_value(g, key);
			buf_add(key, ")");
			break;
		case 4:
			c = column(g, CLASSES_TIME & ~CLASS_BIT(CLASS_DATE), 0, 0);
			if (c)
			{
				buf_add(key, "date_trunc('month', ");
				add_name(g, key, c);
				buf_add(key, ")");
				break;
			}
			/* fall through */
		default:
			c = chance(g, 60) ? column(g, CLASSES_SORTED, KIND_FEW, 0) : NULL;
			if (!c)
				c = column(g, chance(g, 80) ? CLASSES_COMMON : CLASSES_SORTED, 0,
						   big(g->t) ? KIND_UNIQUE : 0);
			if (!c)
				c = column(g, CLASSES_SORTED, 0, 0);
			add_name(g, key, c);
			shown(g, show, c, "", "");
			return;
	}
	buf_add(show, "%s", key->text);
}

/* ---- window functions ---- */

/* Over window w or v of window_clause(): w has a total order, v only a partition with peers. */
void
window_item(Gen *g, Buf *b)
{
	static const char *const ranks[] = {"row_number()", "rank()",	   "dense_rank()",
										"ntile(7)",		"cume_dist()", "percent_rank()"};
	static const char *const values[] = {"lag", "lead", "first_value", "last_value"};
	static const char *const frames[] = {"",
										 "",
										 " ROWS BETWEEN 3 PRECEDING AND 1 FOLLOWING",
										 " ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
										 " GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
										 " ROWS BETWEEN 5 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW"};
	const Column *c = column(g, CLASSES_COMMON, 0, KIND_LONG);
	const Column *n = column(g, CLASSES_NUMBER & ~CLASSES_FLOAT, 0, 0);

	switch (below(g, 6))
	{
		case 0:
		case 1:
			buf_add(b, "%s OVER w", CHOOSE(g, ranks));
			break;
		case 2:
			buf_add(b, "%s(", CHOOSE(g, values));
			add_name(g, b, c);
			buf_add(b, ") OVER w");
			break;
		case 3:
			buf_add(b, "%s(", chance(g, 50) ? "sum" : "avg");
			add_name(g, b, n);
			buf_add(b, ") OVER (w%s)", CHOOSE(g, frames));
			break;
		case 4:
			buf_add(b, "count(");
			add_name(g, b, c);
			buf_add(b, ") OVER v");
			break;
		default:
			buf_add(b, "%s(", chance(g, 50) ? "max" : "sum");
			add_name(g, b, column(g, CLASSES_INT, 0, 0));
			buf_add(b, ") OVER v");
	}
}

void
window_clause(Gen *g, Buf *b)
{
	const Column *k = column(g, CLASSES_SORTED, KIND_FEW, 0);
	const Column *o = column(g, CLASSES_SORTED, 0, KIND_LONG);
	Buf total = {0};

	buf_add(b, " WINDOW w AS (");
	if (k && chance(g, 80))
	{
		buf_add(b, "PARTITION BY ");
		add_name(g, b, k);
		buf_add(b, " ");
	}
	buf_add(b, "ORDER BY ");
	if (chance(g, 40))
	{
		add_name(g, b, o);
		buf_add(b, "%s, ", chance(g, 40) ? " DESC" : "");
	}
	buf_add(b, "%s), v AS (PARTITION BY ", total_order(g, &total));
	add_name(g, b, k ? k : o);
	buf_add(b, ")");
	buf_free(&total);
}
