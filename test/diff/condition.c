/*
 * condition.c - conditions: comparisons, patterns, lists, truth values, and trees of them.
 */
#include <stdlib.h>
#include <string.h>

#include "gen.h"

/* A pattern for LIKE made of a value that is there. */
static void
add_pattern(Gen *g, Buf *b, const Column *c)
{
	Buf p = {0};
	const char *s = sample(g, c);
	size_t len = strlen(s);
	size_t k = len ? (size_t)below(g, len < 12 ? len : 12) : 0;

	/* not into the middle of a UTF-8 character */
	while (k < len && (s[k] & 0xc0) == 0x80)
		k++;
	switch (below(g, 7))
	{
		case 0:
			buf_add(&p, "%.*s%%", (int)k, s);
			break;
		case 1:
			buf_add(&p, "%%%s", s + k);
			break;
		case 2:
			buf_add(&p, "%%%.*s%%", (int)k, s);
			break;
		case 3:
			buf_add(&p, "%s", s);
			break;
		case 4:
			buf_add(&p, "_%%");
			break;
		case 5:
			buf_add(&p, "%.*s_%%", (int)k, s);
			break;
		default:
			buf_add(&p, "%s", chance(g, 50) ? "%\\%" : "%\\_%");
	}
	/* a single backslash at the end is an error of its own */
	if (p.len && p.text[p.len - 1] == '\\')
		buf_add(&p, "\\");
	add_value(g, b, "text", buf_text(&p));
	buf_free(&p);
}

static void
text_condition(Gen *g, Buf *b, const Column *c)
{
	static const char *const likes[] = {"LIKE", "LIKE", "NOT LIKE", "ILIKE", "NOT ILIKE"};
	static const char *const regexes[] = {"'^[A-R]'", "'a.*[0-9]$'", "'^.{2,4}$'", "'(x|b)'", "''",
										  "'^v1'",	  "'^Row#0+1'",	 "'^alpha$'",  "'^v'",	  "'a'",
										  "'0$'",	  "'_'",		 "'%'",		   "'^Row'",  "'ö'"};

	if ((c->kind->flags & KIND_LOOSE) && hazard(g) != HAZARD_COLLATION)
	{
		add_name(g, b, c);
		buf_add(b, " %s ", comparison(g));
		constant(g, b, c);
		return;
	}
	switch (below(g, 13))
	{
		case 9:
			add_name(g, b, c);
			buf_add(b, " LIKE %s (ARRAY[", chance(g, 50) ? "ANY" : "ALL");
			for (int i = 1 + below(g, 3); i > 0; i--)
			{
				add_pattern(g, b, c);
				buf_add(b, i > 1 ? ", " : "])");
			}
			break;
		case 10:
			add_name(g, b, c);
			buf_add(b, " %sSIMILAR TO '%s'", chance(g, 30) ? "NOT " : "",
					chance(g, 50) ? "(a|b|v)%" : "_{2,5}");
			break;
		case 11:
			text_value(g, b);
			buf_add(b, " %s ", chance(g, 60) ? "=" : "<>");
			buf_literal(b, sample(g, c));
			break;
		case 12:
			text_value(g, b);
			buf_add(b, " %s ", CHOOSE(g, likes));
			add_pattern(g, b, c);
			break;
		case 0:
			add_name(g, b, c);
			buf_add(b, " %s %s",
					chance(g, 60)	? "~"
					: chance(g, 50) ? "!~"
					: chance(g, 50) ? "~*"
									: "!~*",
					CHOOSE(g, regexes));
			break;
		case 1:
			buf_add(b, "%s(", chance(g, 50) ? "length" : "octet_length");
			add_name(g, b, c);
			buf_add(b, ") %s %d", comparison(g), below(g, 12));
			break;
		case 2:
			buf_add(b, "%s(", chance(g, 50) ? "upper" : "lower");
			add_name(g, b, c);
			buf_add(b, ") = ");
			buf_literal(b, sample(g, c));
			break;
		case 3:
			buf_add(b, "starts_with(");
			add_name(g, b, c);
			buf_add(b, "::text, 'a')");
			break;
		case 4:
			add_name(g, b, c);
			buf_add(b, " COLLATE \"C\" %s ", comparison(g));
			constant(g, b, c);
			break;
		default:
			add_name(g, b, c);
			buf_add(b, " %s ", CHOOSE(g, likes));
			add_pattern(g, b, c);
	}
}

static void
list_condition(Gen *g, Buf *b, const Column *c)
{
	int n = 1 + below(g, chance(g, 10) ? 40 : 5);

	add_name(g, b, c);
	buf_add(b, chance(g, 70) ? " IN (" : " NOT IN (");
	for (int i = 0; i < n; i++)
	{
		buf_add(b, i ? ", " : "");
		if (chance(g, 6))
			buf_add(b, "NULL");
		else
			constant(g, b, c);
	}
	buf_add(b, ")");
}

static void
array_condition(Gen *g, Buf *b, const Column *c)
{
	static const char *const quantified[] = {"= ANY",  "<> ALL", "< ANY", "> ALL",
											 "<> ANY", "= ALL",	 ">= ANY"};

	add_name(g, b, c);
	buf_add(b, " %s (", CHOOSE(g, quantified));
	switch (below(g, 8))
	{
		case 0:
			buf_add(b, "'{}'::%s[]", class_type[c->kind->class]);
			break;
		case 1:
			buf_add(b, "NULL::%s[]", class_type[c->kind->class]);
			break;
		default:
		{
			int n = 1 + below(g, 12);

			buf_add(b, "ARRAY[");
			for (int i = 0; i < n; i++)
			{
				buf_add(b, i ? ", " : "");
				if (chance(g, 5))
					buf_add(b, "NULL");
				else
					add_value(g, b, class_type[c->kind->class], sample(g, c));
			}
			buf_add(b, "]::%s[]", class_type[c->kind->class]);
		}
	}
	buf_add(b, ")");
}

/* Two columns of types that compare with each other. */
static void
column_pair(Gen *g, Buf *b, const Column *c)
{
	unsigned bit = CLASS_BIT(c->kind->class);
	unsigned group = bit & CLASSES_NUMBER ? CLASSES_NUMBER
					 : bit & CLASSES_TIME ? CLASSES_TIME
					 : bit & CLASSES_TEXT ? CLASSES_TEXT
										  : bit;
	const Column *d = column(g, group, 0, 0);

	if (chance(g, 12))
	{
		/* as rows: the second decides where the first are equal */
		const Column *e = column(g, CLASSES_INT, 0, 0), *f = column(g, CLASSES_INT, 0, 0);

		buf_add(b, "(");
		add_name(g, b, e);
		buf_add(b, ", ");
		add_name(g, b, c);
		buf_add(b, ") %s (", comparison(g));
		add_name(g, b, f);
		buf_add(b, ", ");
		constant(g, b, c);
		buf_add(b, ")");
		return;
	}
	add_name(g, b, c);
	if (bit & CLASSES_TEXT)
		buf_add(b, " COLLATE \"%s\"", chance(g, 60) ? "C" : "en-x-icu");
	if (chance(g, 20))
		buf_add(b, " IS %sDISTINCT FROM ", chance(g, 50) ? "NOT " : "");
	else
		buf_add(b, " %s ", comparison(g));
	add_name(g, b, d);
}

static void
range_condition(Gen *g, Buf *b, const Column *c)
{
	static const char *const between[] = {"BETWEEN", "BETWEEN", "NOT BETWEEN", "BETWEEN SYMMETRIC"};

	if (chance(g, 50))
	{
		add_name(g, b, c);
		buf_add(b, " %s ", CHOOSE(g, between));
		constant(g, b, c);
		buf_add(b, " AND ");
		constant(g, b, c);
		return;
	}
	buf_add(b, "(");
	add_name(g, b, c);
	buf_add(b, " %s ", chance(g, 50) ? ">=" : ">");
	constant(g, b, c);
	buf_add(b, " AND ");
	add_name(g, b, c);
	buf_add(b, " %s ", chance(g, 50) ? "<=" : "<");
	constant(g, b, c);
	buf_add(b, ")");
}

/* Of types with operators of their own. */
static void
special_condition(Gen *g, Buf *b, const Column *c)
{
	if (c->kind->class == CLASS_OPAQUE)
	{
		add_name(g, b, c);
		buf_add(b, "::text %s ", chance(g, 50) ? "<>" : ">");
		buf_literal(b, sample(g, c));
		return;
	}
	if (chance(g, 50))
	{
		switch (c->kind->class)
		{
			case CLASS_JSONB:
				add_name(g, b, c);
				buf_add(b, chance(g, 50) ? " ->> 's' = 'v%d'" : " @> '{\"k\": %d}'", below(g, 5));
				return;
			case CLASS_ARRAY:
				add_name(g, b, c);
				buf_add(b,
						chance(g, 30)	? "[1] = %d"
						: chance(g, 50) ? " @> ARRAY[%d]"
										: " && ARRAY[%d, 3]",
						below(g, 5));
				return;
			case CLASS_INET:
				add_name(g, b, c);
				buf_add(b, " << '10.0.%d.0/24'", below(g, 4));
				return;
			case CLASS_RANGE:
				add_name(g, b, c);
				buf_add(b, " @> %d", below(g, 40));
				return;
			case CLASS_PAIR:
				buf_add(b, "(");
				add_name(g, b, c);
				buf_add(b, ").x %s %d", comparison(g), below(g, 5));
				return;
			case CLASS_INTERVAL:
			case CLASS_CLOCK:
				buf_add(b, "extract(hour FROM ");
				add_name(g, b, c);
				buf_add(b, ") %s %d", comparison(g), below(g, 24));
				return;
			default:
				break;
		}
	}
	if (chance(g, 20))
		list_condition(g, b, c);
	else if (chance(g, 20))
		range_condition(g, b, c);
	else
	{
		add_name(g, b, c);
		buf_add(b, " %s ", comparison(g));
		constant(g, b, c);
	}
}

/* True for any value, but only the one who runs it can know: functions stable and volatile. */
static void
timely_condition(Gen *g, Buf *b)
{
	const Column *c = column(g, CLASSES_TIME, 0, 0);

	switch (below(g, 6))
	{
		case 0:
			buf_add(b, "random() < 2");
			break;
		case 1:
			buf_add(b, "current_setting('server_version_num')::integer > ");
			small_number(g, b, NUMBER_NO_FLOAT);
			break;
		case 2:
			buf_add(b, "diff_stable(");
			small_number(g, b, NUMBER_NO_FLOAT);
			buf_add(b, "::numeric) > %d", below(g, 20));
			break;
		default:
			if (!c)
			{
				buf_add(b, "now() > '2001-01-01'");
				break;
			}
			add_name(g, b, c);
			buf_add(b, " %s %s", comparison(g),
					chance(g, 40)	? "now() - interval '1000 years'"
					: chance(g, 50) ? "current_date"
									: "localtimestamp + '50 years'::interval");
	}
}

/* By function, CASE or arithmetic: what a vector engine may leave to PostgreSQL. */
static void
expression_condition(Gen *g, Buf *b)
{
	const Column *c;

	switch (below(g, 12))
	{
		case 5:
			timely_condition(g, b);
			return;
		case 6:
			buf_add(b, "diff_even(");
			small_number(g, b, NUMBER_NO_FLOAT);
			buf_add(b, "::numeric)");
			return;
		case 7:
			c = column(g, CLASSES_TIME, 0, KIND_EXTREME);
			if (c)
			{
				buf_add(b, "date_part('%s', ", chance(g, 50) ? "month" : "day");
				add_name(g, b, c);
				buf_add(b, ") IN (1, %d, %d)", below(g, 12), below(g, 31));
				return;
			}
			break;
		case 0:
			c = column(g, CLASSES_TIME, 0, 0);
			if (c)
			{
				static const char *const parts[] = {"year", "month", "dow",	  "quarter",
													"week", "doy",	 "epoch", "isoyear"};

				buf_add(b, "extract(%s FROM ", CHOOSE(g, parts));
				add_name(g, b, c);
				buf_add(b, ") %s %d", comparison(g), chance(g, 50) ? 2020 : below(g, 12));
				return;
			}
			break;
		case 1:
			moment(g, b);
			buf_add(b, " %s ", comparison(g));
			moment(g, b);
			return;
		case 2:
			c = column(g, CLASSES_COMMON, 0, KIND_LONG);
			buf_add(b, "coalesce(");
			add_name(g, b, c);
			buf_add(b, ", ");
			add_value(g, b, class_type[c->kind->class], sample(g, c));
			buf_add(b, ") %s ", comparison(g));
			add_value(g, b, class_type[c->kind->class], sample(g, c));
			return;
		case 3:
			c = column(g, CLASSES_COMMON, 0, KIND_LONG);
			buf_add(b, "nullif(");
			add_name(g, b, c);
			buf_add(b, ", ");
			add_value(g, b, class_type[c->kind->class], sample(g, c));
			buf_add(b, ") IS %sNULL", chance(g, 50) ? "NOT " : "");
			return;
		case 4:
			buf_add(b, "CASE WHEN ");
			condition(g, b, 0);
			buf_add(b, " THEN ");
			condition(g, b, 0);
			buf_add(b, " ELSE ");
			condition(g, b, 0);
			buf_add(b, " END");
			return;
		default:
			break;
	}
	number(g, b, 0);
	buf_add(b, " %s ", comparison(g));
	number(g, b, 0);
}

static void
bool_condition(Gen *g, Buf *b, const Column *c)
{
	static const char *const tests[] = {
		"",		   "",		   " IS TRUE",		 " IS NOT TRUE", " IS FALSE", " IS UNKNOWN",
		" = true", " <> true", " IS NOT UNKNOWN"};

	if (chance(g, 25))
		buf_add(b, "NOT ");
	add_name(g, b, c);
	buf_add(b, "%s", CHOOSE(g, tests));
}

/* `b <> 0 AND a / b > 1`: the second may only see what the first let through. */
static void
guarded_condition(Gen *g, Buf *b)
{
	const Column *a = column(g, CLASSES_NUMBER & ~CLASSES_FLOAT, KIND_SMALL, KIND_EXTREME);
	const Column *d = column(g, CLASSES_NUMBER & ~CLASSES_FLOAT, KIND_SMALL, KIND_EXTREME);

	if (!a || !d)
	{
		expression_condition(g, b);
		return;
	}
	if (chance(g, 60))
	{
		buf_add(b, "(");
		add_name(g, b, d);
		buf_add(b, " <> 0 AND ");
		add_name(g, b, a);
		buf_add(b, " / ");
		add_name(g, b, d);
		buf_add(b, " %s %d)", comparison(g), below(g, 4));
	}
	else
	{
		buf_add(b, "CASE WHEN ");
		add_name(g, b, d);
		buf_add(b, " <> 0 THEN ");
		add_name(g, b, a);
		buf_add(b, " / ");
		add_name(g, b, d);
		buf_add(b, " ELSE %d END > 1", below(g, 5));
	}
}

/* A condition that may raise the query's error.  False, and nothing written, when the table has no column
 * for it. */
static bool
hazard_condition(Gen *g, Buf *b)
{
	const Column *c;

	switch (hazard(g))
	{
		case HAZARD_DIVISION:
			if (chance(g, 50))
			{
				guarded_condition(g, b);
				return true;
			}
			/* fall through */
		case HAZARD_OVERFLOW:
			number(g, b, 0);
			buf_add(b, " %s %d", comparison(g), below(g, 100));
			return true;
		case HAZARD_TIME_RANGE:
			moment(g, b);
			buf_add(b, " %s ", comparison(g));
			moment(g, b);
			return true;
		case HAZARD_COLLATION:
			c = column(g, CLASSES_TEXT, KIND_LOOSE, 0);
			if (!c)
				return false;
			add_name(g, b, c);
			buf_add(b, " LIKE ");
			add_pattern(g, b, c);
			return true;
		default:
			return false;
	}
}

/* True or false for whole tables, as zone maps can tell: what stands after it is then not evaluated, and what
 * stands before it is, with the errors it raises. */
static void
decided_condition(Gen *g, Buf *b)
{
	static const char *const conditions[] = {
		"id < 0",	  "id > 1000000000", "id >= -1",		"id <> -5",
		"id IS NULL", "id IS NOT NULL",	 "id IN (-1, -7)",	"id BETWEEN -9 AND -3",
		"id = -1",	  "NOT id < 0",		 "-1 > id",			"id < '-32768'::smallint",
		"id > 1e10",  "id < 1e10",		 "id < 0.5::float8"};

	buf_add(b, "%s", CHOOSE(g, conditions));
}

static void
simple_condition(Gen *g, Buf *b)
{
	const Column *c = column(g, chance(g, 85) ? CLASSES_COMMON : CLASSES_ALL, 0, 0);
	unsigned bit = CLASS_BIT(c->kind->class);

	g->q->quals++;
	if (hazard(g) != HAZARD_NONE && chance(g, 45) && hazard_condition(g, b))
		return;
	if (g->alias[0] == '\0' && !g->from && chance(g, hazard(g) == HAZARD_NONE ? 3 : 20))
	{
		decided_condition(g, b);
		return;
	}
	if (!(bit & CLASSES_COMMON))
	{
		special_condition(g, b, c);
		return;
	}
	if (c->kind->class == CLASS_BOOL && chance(g, 60))
	{
		bool_condition(g, b, c);
		return;
	}
	if ((bit & CLASSES_TEXT) && chance(g, 40))
	{
		text_condition(g, b, c);
		return;
	}
	switch (below(g, 15))
	{
		case 0:
		case 1:
			range_condition(g, b, c);
			break;
		case 2:
		case 3:
			list_condition(g, b, c);
			break;
		case 4:
			array_condition(g, b, c);
			break;
		case 5:
			add_name(g, b, c);
			buf_add(b, chance(g, 50) ? " IS NULL" : " IS NOT NULL");
			break;
		case 6:
			add_name(g, b, c);
			buf_add(b, " IS %sDISTINCT FROM ", chance(g, 50) ? "NOT " : "");
			if (chance(g, 20))
				buf_add(b, "NULL");
			else
				constant(g, b, c);
			break;
		case 7:
			column_pair(g, b, c);
			break;
		case 8:
		case 9:
			expression_condition(g, b);
			break;
		case 10:
			constant(g, b, c);
			buf_add(b, " %s ", comparison(g));
			add_name(g, b, c);
			break;
		default:
			add_name(g, b, c);
			buf_add(b, " %s ", comparison(g));
			constant(g, b, c);
	}
}

void
condition(Gen *g, Buf *b, int depth)
{
	if (depth <= 0 || chance(g, 50))
	{
		buf_add(b, "(");
		simple_condition(g, b);
		buf_add(b, ")");
		return;
	}
	if (chance(g, 5) && g->nested == 0)
	{
		subquery_condition(g, b, false);
		return;
	}
	if (chance(g, 12))
	{
		/* truth values as values: unknown is not false */
		static const char *const tests[] = {"IS TRUE",	  "IS NOT TRUE", "IS FALSE", "IS NOT FALSE",
											"IS UNKNOWN", "IS NOT NULL", "= false",	 "IS DISTINCT FROM true"};

		buf_add(b, "((");
		condition(g, b, depth - 1);
		buf_add(b, ") %s)", CHOOSE(g, tests));
		return;
	}
	if (chance(g, 20))
		buf_add(b, "NOT ");
	buf_add(b, "(");
	condition(g, b, depth - 1);
	buf_add(b, chance(g, 50) ? " AND " : " OR ");
	condition(g, b, depth - 1);
	buf_add(b, ")");
}

/*
 * A condition that may raise an error, and after it one that zone maps decide: the first is evaluated for
 * every row all the same.  At the top PostgreSQL sorts conditions by cost, so there the second has to cost
 * more; inside OR the order is as written.
 */
static void
error_then_decided(Gen *g, Buf *b)
{
	bool top = chance(g, 50);

	buf_add(b, top ? "(" : "((");
	if (!hazard_condition(g, b))
		buf_add(b, "id > 0");
	if (top)
		buf_add(b, ") AND id IN (-1, -2, -3, -4, -5, -6, -7, -8, -9, -10, -11, -12, -13, -14, -15, -16)");
	else
	{
		buf_add(b, " AND ");
		decided_condition(g, b);
		buf_add(b, ") OR ");
		decided_condition(g, b);
		buf_add(b, ")");
	}
}

void
where(Gen *g, Buf *b, bool selective)
{
	int n = chance(g, 15) ? 0 : chance(g, 60) ? 1 : 2 + below(g, 2);
	bool calm = g->calm;
	Buf total = {0};
	int first = (int)strcspn(total_order(g, &total), ",");
	const char *before = " WHERE ";

	/* of a join: which rows of a table come here at all is the planner's affair, and most conditions would
	 * turn an outer join into an inner one */
	if (g->from)
	{
		g->calm = true;
		if (chance(g, 40))
			n = 0;
	}
	if (selective)
	{
		int rows = g->t->rows > 1 ? (int)g->t->rows : 1;

		if (chance(g, 60) && !g->from)
		{
			int start = below(g, rows);

			buf_add(b, " WHERE %sid BETWEEN %d AND %d", g->alias, start, start + below(g, 4000));
		}
		else
			buf_add(b, " WHERE %.*s %% %d = %d", first, total.text, 97, below(g, 97));
		before = " AND ";
	}
	if (hazard(g) != HAZARD_NONE && g->alias[0] == '\0' && chance(g, 25))
	{
		buf_add(b, "%s", before);
		error_then_decided(g, b);
		n = 0;
	}
	for (int i = 0; i < n; i++)
	{
		buf_add(b, "%s", before);
		condition(g, b, 2);
		before = " AND ";
	}
	if (g->nested == 0 && hazard(g) == HAZARD_NONE && chance(g, 12))
	{
		buf_add(b, "%s", before);
		subquery_condition(g, b, true);
	}
	g->calm = calm;
	buf_free(&total);
}
