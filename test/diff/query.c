/*
 * query.c - random queries whose answer PostgreSQL defines.
 *
 * A query may be compared only if nothing about it is left to chance: no row order without a total ORDER
 * BY, no LIMIT without one, no float sum that rounds, no choice between values that are equal but look
 * different (1.0 and 1.00; 0 and -0; 'a' and 'A' under a loose collation), at most one kind of error
 * (Hazard).  What remains is generated as wildly as PostgreSQL's grammar allows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diff.h"

#define MAX_PARAMS 12
#define BIG_TABLE  30000

typedef struct Gen
{
	Rng rng;
	Query *q;
	const Table *t;
	const char *alias; /* "" or "a.": goes before every column name */
	bool params;
	int nparams;
	char *param_type[MAX_PARAMS];
	char *param_value[MAX_PARAMS];
} Gen;

static bool
chance(Gen *g, int percent)
{
	return rng_percent(&g->rng, percent);
}

static int
below(Gen *g, int n)
{
	return rng_int(&g->rng, n);
}

#define CHOOSE(g, list) ((list)[below(g, lengthof(list))])

static const char *const class_type[CLASS_COUNT] = {
	[CLASS_INT2] = "smallint",		 [CLASS_INT4] = "integer",
	[CLASS_INT8] = "bigint",		 [CLASS_FLOAT4] = "real",
	[CLASS_FLOAT8] = "float8",		 [CLASS_NUMERIC] = "numeric",
	[CLASS_BOOL] = "boolean",		 [CLASS_DATE] = "date",
	[CLASS_TIMESTAMP] = "timestamp", [CLASS_TIMESTAMPTZ] = "timestamptz",
	[CLASS_TEXT] = "text",			 [CLASS_CHAR] = "bpchar",
	[CLASS_JSONB] = "jsonb",		 [CLASS_ARRAY] = "integer[]",
	[CLASS_UUID] = "uuid",			 [CLASS_INTERVAL] = "interval",
};

/* ---- leaves ---- */

/* A random column of one of the classes with all of `need` and none of `avoid`; NULL when there is none. */
static const Column *
column(Gen *g, unsigned classes, unsigned need, unsigned avoid)
{
	const Column *found = NULL;
	int n = 0;

	for (int i = 0; i < g->t->ncols; i++)
	{
		const Column *c = &g->t->cols[i];

		if ((CLASS_BIT(c->kind->class) & classes) && (c->kind->flags & need) == need &&
			!(c->kind->flags & avoid) && below(g, ++n) == 0)
			found = c;
	}
	return found;
}

static void
add_name(Gen *g, Buf *b, const Column *c)
{
	buf_add(b, "%s%s", g->alias, c->name);
}

static const char *
sample(Gen *g, const Column *c)
{
	return c->samples[below(g, c->nsamples)];
}

/* A value written down, or, in a prepared statement, mostly a parameter: \1 number \2, put in at the end. */
static void
add_value(Gen *g, Buf *b, const char *type, const char *text)
{
	if (g->params && g->nparams < MAX_PARAMS && chance(g, 70))
	{
		Buf value = {0};

		if (chance(g, 4))
			buf_add(&value, "NULL");
		else
			buf_literal(&value, text);
		g->param_type[g->nparams] = copy_text(type);
		g->param_value[g->nparams] = value.text;
		buf_add(b, "\1%d\2", ++g->nparams);
		return;
	}
	buf_literal(b, text);
	buf_add(b, "::%s", type);
}

/* A constant to hold against column c: of its type, as a bare literal, or of another number type. */
static void
constant(Gen *g, Buf *b, const Column *c)
{
	static const char *const numbers[] = {"0",
										  "1",
										  "-1",
										  "2.5",
										  "100",
										  "1000",
										  "3000000000",
										  "99999999999999999999",
										  "5::smallint",
										  "7::bigint",
										  "0.125::real",
										  "2.5::float8",
										  "'NaN'::float8",
										  "1e10",
										  "0.05",
										  "42.0",
										  "'-Infinity'::float8",
										  "-32769"};
	static const char *const moments[] = {"'2020-06-15'::date",
										  "'2020-06-15 12:30:00'::timestamp",
										  "'2020-03-29 01:30:00+01'::timestamptz",
										  "date '2020-12-01' - interval '90 day'",
										  "'infinity'::timestamp",
										  "'-infinity'::date",
										  "'2000-01-01 00:00:00.000001'::timestamp"};
	unsigned bit = CLASS_BIT(c->kind->class);

	if ((bit & CLASSES_NUMBER) && chance(g, 20))
		buf_add(b, "%s", CHOOSE(g, numbers));
	else if ((bit & CLASSES_TIME) && chance(g, 25))
		buf_add(b, "%s", CHOOSE(g, moments));
	else if (!(bit & CLASSES_NUMBER) && chance(g, 30))
		buf_literal(b, sample(g, c));
	else if (c->kind->class == CLASS_TEXT && chance(g, 20))
		add_value(g, b, "varchar", sample(g, c));
	else if (c->kind->class == CLASS_CHAR && chance(g, 15))
		add_value(g, b, "text", sample(g, c));
	else
		add_value(g, b, class_type[c->kind->class], sample(g, c));
}

static const char *
comparison(Gen *g)
{
	static const char *const ops[] = {"=", "=", "<>", "<", "<=", ">", ">=", "!="};

	return CHOOSE(g, ops);
}

/* ---- numbers ---- */

#define NUMBER_NO_FLOAT 0x01 /* exact under any order of summation */

static void
small_number(Gen *g, Buf *b, unsigned how)
{
	unsigned classes = how & NUMBER_NO_FLOAT ? CLASSES_NUMBER & ~CLASSES_FLOAT : CLASSES_NUMBER;
	const Column *c = column(g, classes, KIND_SMALL, KIND_EXTREME);

	if (c && chance(g, 75))
		add_name(g, b, c);
	else
		buf_add(b, "%d", below(g, 100) - 20);
}

static bool
any_number(Gen *g, Buf *b, unsigned avoid, unsigned how)
{
	const Column *c =
		column(g, how & NUMBER_NO_FLOAT ? CLASSES_NUMBER & ~CLASSES_FLOAT : CLASSES_NUMBER, 0, avoid);

	if (!c)
		return false;
	add_name(g, b, c);
	return true;
}

/* A number that raises nothing but the query's hazard. */
static void
number(Gen *g, Buf *b, unsigned how)
{
	static const char *const ops[] = {"+", "-", "*"};

	if (g->q->hazard == HAZARD_OVERFLOW && chance(g, 70))
	{
		const Column *c =
			column(g, CLASSES_NUMBER & (how & NUMBER_NO_FLOAT ? ~CLASSES_FLOAT : ~0u), KIND_EXTREME, 0);

		buf_add(b, "(");
		if (c && chance(g, 60))
			add_name(g, b, c);
		else if (!any_number(g, b, 0, how))
			buf_add(b, "1");
		buf_add(b, " %s ", CHOOSE(g, ops));
		if (chance(g, 40) || !any_number(g, b, 0, how))
			buf_add(b, "%d", 1 + below(g, 1000));
		buf_add(b, ")");
		return;
	}
	if (g->q->hazard == HAZARD_DIVISION && chance(g, 70))
	{
		bool modulo = chance(g, 30);
		unsigned kept = how | (modulo ? NUMBER_NO_FLOAT : 0);

		buf_add(b, "(");
		small_number(g, b, kept);
		buf_add(b, modulo ? " %% " : " / ");
		small_number(g, b, kept);
		buf_add(b, ")");
		return;
	}
	switch (below(g, 9))
	{
		case 0:
			if (!any_number(g, b, KIND_EXTREME, how))
				small_number(g, b, how);
			break;
		case 1:
		case 2:
			buf_add(b, "(");
			small_number(g, b, how);
			buf_add(b, " %s ", CHOOSE(g, ops));
			small_number(g, b, how);
			buf_add(b, ")");
			break;
		case 3:
			buf_add(b, "((");
			small_number(g, b, how);
			buf_add(b, " * ");
			small_number(g, b, how);
			buf_add(b, ") %s ", chance(g, 50) ? "+" : "-");
			small_number(g, b, how);
			buf_add(b, ")");
			break;
		case 4: /* the classic of revenue: price * (1 - rate) */
		{
			const Column *price = column(g, CLASS_BIT(CLASS_NUMERIC), 0, KIND_EXTREME);
			const Column *rate = column(g, CLASS_BIT(CLASS_NUMERIC), KIND_SMALL, KIND_EXTREME);

			if (!price || !rate)
			{
				small_number(g, b, how);
				break;
			}
			add_name(g, b, price);
			buf_add(b, " * (1 %s ", chance(g, 50) ? "-" : "+");
			add_name(g, b, rate);
			buf_add(b, ")");
			break;
		}
		case 5:
		{
			static const char *const wraps[] = {"abs(", "-(", "sign(", "floor(", "coalesce(", "nullif("};
			const char *wrap = CHOOSE(g, wraps);

			buf_add(b, "%s", wrap);
			small_number(g, b, how);
			buf_add(b, wrap[0] == 'c' || wrap[0] == 'n' ? ", %d)" : ")", below(g, 5));
			break;
		}
		case 6:
		{
			static const int divisors[] = {2, 3, 7, 10, -4, 100};
			bool modulo = chance(g, 50);

			buf_add(b, "(");
			if (!any_number(g, b, KIND_EXTREME, how | NUMBER_NO_FLOAT))
				buf_add(b, "17");
			buf_add(b, modulo ? " %% %d)" : " / %d)", CHOOSE(g, divisors));
			break;
		}
		case 7:
		{
			const char *cast = chance(g, 60) || (how & NUMBER_NO_FLOAT) ? "numeric" : "float8";

			buf_add(b, "(");
			if (!any_number(g, b, KIND_EXTREME, how))
				buf_add(b, "1");
			buf_add(b, "::%s %s ", cast, CHOOSE(g, ops));
			small_number(g, b, how);
			buf_add(b, ")");
			break;
		}
		default:
			buf_add(b, "CASE WHEN ");
			small_number(g, b, how);
			buf_add(b, " %s %d THEN ", comparison(g), below(g, 9));
			small_number(g, b, how);
			buf_add(b, " ELSE ");
			small_number(g, b, how);
			buf_add(b, " END");
	}
}

/* ---- other expressions ---- */

static void
moment(Gen *g, Buf *b)
{
	bool risky = g->q->hazard == HAZARD_TIME_RANGE;
	const Column *c = column(g, CLASSES_TIME, 0, risky ? 0 : KIND_EXTREME);

	if (!c)
	{
		buf_add(b, "date '2020-02-29'");
		return;
	}
	if (c->kind->class == CLASS_DATE && chance(g, 50))
	{
		buf_add(b, "(");
		add_name(g, b, c);
		buf_add(b, " %s %d)", chance(g, 50) ? "+" : "-", below(g, 100));
	}
	else
	{
		static const char *const spans[] = {"1 day", "1 month", "90 days", "1 hour 30 min", "1 year"};

		buf_add(b, "(");
		add_name(g, b, c);
		buf_add(b, " %s interval '%s')", chance(g, 50) ? "+" : "-", CHOOSE(g, spans));
	}
}

static void
text_value(Gen *g, Buf *b)
{
	const Column *c = column(g, CLASSES_TEXT, 0, KIND_LONG | KIND_LOOSE);

	if (!c)
	{
		buf_add(b, "'none'::text");
		return;
	}
	switch (below(g, 6))
	{
		case 0:
			buf_add(b, "upper(");
			add_name(g, b, c);
			buf_add(b, ")");
			break;
		case 1:
			buf_add(b, "substr(");
			add_name(g, b, c);
			buf_add(b, ", %d, %d)", 1 + below(g, 3), 1 + below(g, 4));
			break;
		case 2:
			add_name(g, b, c);
			buf_add(b, " || '!'");
			break;
		case 3:
			buf_add(b, "coalesce(");
			add_name(g, b, c);
			buf_add(b, ", 'none')");
			break;
		case 4:
			buf_add(b, "btrim(");
			add_name(g, b, c);
			buf_add(b, ")");
			break;
		default:
			add_name(g, b, c);
	}
}

/* ---- conditions ---- */

static void condition(Gen *g, Buf *b, int depth);

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
	static const char *const regexes[] = {"'^[A-R]'", "'a.*[0-9]$'", "'^.{2,4}$'", "'(x|b)'", "''"};

	if ((c->kind->flags & KIND_LOOSE) && g->q->hazard != HAZARD_COLLATION)
	{
		add_name(g, b, c);
		buf_add(b, " %s ", comparison(g));
		constant(g, b, c);
		return;
	}
	switch (below(g, 9))
	{
		case 0:
			add_name(g, b, c);
			buf_add(b, " %s %s", chance(g, 70) ? "~" : "!~*", CHOOSE(g, regexes));
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
			buf_add(b, "]");
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

static void
refused_condition(Gen *g, Buf *b, const Column *c)
{
	switch (c->kind->class)
	{
		case CLASS_JSONB:
			add_name(g, b, c);
			buf_add(b, chance(g, 50) ? " ->> 's' = 'v%d'" : " @> '{\"k\": %d}'", below(g, 5));
			break;
		case CLASS_ARRAY:
			add_name(g, b, c);
			buf_add(b, chance(g, 50) ? " @> ARRAY[%d]" : "[1] = %d", below(g, 5));
			break;
		default:
			add_name(g, b, c);
			buf_add(b, " %s ", comparison(g));
			constant(g, b, c);
	}
}

/* By function, CASE or arithmetic: what a vector engine may leave to PostgreSQL. */
static void
expression_condition(Gen *g, Buf *b)
{
	const Column *c;

	switch (below(g, 8))
	{
		case 0:
			c = column(g, CLASSES_TIME, 0, 0);
			if (c)
			{
				static const char *const parts[] = {"year", "month", "dow", "quarter"};

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
			c = column(g, CLASSES_STORED, 0, KIND_LONG);
			buf_add(b, "coalesce(");
			add_name(g, b, c);
			buf_add(b, ", ");
			add_value(g, b, class_type[c->kind->class], sample(g, c));
			buf_add(b, ") %s ", comparison(g));
			add_value(g, b, class_type[c->kind->class], sample(g, c));
			return;
		case 3:
			c = column(g, CLASSES_STORED, 0, KIND_LONG);
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

	switch (g->q->hazard)
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
	const Column *c = column(g, chance(g, 95) ? CLASSES_STORED : CLASSES_ALL, 0, 0);
	unsigned bit = CLASS_BIT(c->kind->class);

	g->q->quals++;
	if (g->q->hazard != HAZARD_NONE && chance(g, 45) && hazard_condition(g, b))
		return;
	if (g->alias[0] == '\0' && chance(g, g->q->hazard == HAZARD_NONE ? 3 : 20))
	{
		decided_condition(g, b);
		return;
	}
	if (bit & CLASSES_REFUSED)
	{
		refused_condition(g, b, c);
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

static void
condition(Gen *g, Buf *b, int depth)
{
	if (depth <= 0 || chance(g, 50))
	{
		buf_add(b, "(");
		simple_condition(g, b);
		buf_add(b, ")");
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

/* WHERE of the whole query: nothing, one condition, a tree, or a list joined by AND. */
static void
where(Gen *g, Buf *b, bool selective)
{
	int n = chance(g, 15) ? 0 : chance(g, 60) ? 1 : 2 + below(g, 2);

	if (selective)
	{
		int rows = g->t->rows > 1 ? (int)g->t->rows : 1;

		if (chance(g, 60))
		{
			int from = below(g, rows);

			buf_add(b, " WHERE %sid BETWEEN %d AND %d", g->alias, from, from + below(g, 4000));
		}
		else
			buf_add(b, " WHERE %sid %% %d = %d", g->alias, 97, below(g, 97));
	}
	if (g->q->hazard != HAZARD_NONE && g->alias[0] == '\0' && chance(g, 25))
	{
		buf_add(b, selective ? " AND " : " WHERE ");
		error_then_decided(g, b);
		return;
	}
	for (int i = 0; i < n; i++)
	{
		buf_add(b, i || selective ? " AND " : " WHERE ");
		condition(g, b, 2);
	}
}

/* ---- select lists ---- */

/* The column as an expression under which equal values look the same. */
static void
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

static void
select_item(Gen *g, Buf *b)
{
	const Column *c;
	Hazard hazard = g->q->hazard;
	bool risk = chance(g, 40);

	if (risk && (hazard == HAZARD_OVERFLOW || hazard == HAZARD_DIVISION))
	{
		number(g, b, 0);
		return;
	}
	if (risk && hazard == HAZARD_TIME_RANGE)
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
			if (!g->t->no_ctid && g->alias[0] == '\0')
			{
				static const char *const system[] = {"ctid", "tableoid::regclass", "xmin::text::bigint > 0"};

				buf_add(b, "%s", CHOOSE(g, system));
				g->q->of_place = true;
				break;
			}
			/* fall through */
		default:
			c = column(g, chance(g, 92) ? CLASSES_STORED : CLASSES_ALL, 0, 0);
			add_name(g, b, c);
	}
}

static void
select_list(Gen *g, Buf *b)
{
	int n = 1 + below(g, 5);

	if (g->alias[0] == '\0' && chance(g, 8))
	{
		bool row = chance(g, 30);

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

	if (chance(g, g->q->hazard == HAZARD_NONE ? 55 : 10))
	{
		c = column(g, CLASSES_NUMBER & ~CLASSES_FLOAT, 0, 0);
		if (chance(g, 25))
		{
			const Column *f = column(g, CLASSES_FLOAT, 0, KIND_EXTREME);

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

static void
aggregate(Gen *g, Buf *b)
{
	const Column *c = column(g, CLASSES_STORED, 0, 0);
	const Column *k;
	int what = below(g, 24);
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
			c = column(g, CLASSES_STORED & ~CLASS_BIT(CLASS_BOOL), 0, 0);
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
			buf_add(b, "%s(", chance(g, 50) ? "stddev" : "var_pop");
			k = column(g, CLASSES_NUMBER & ~CLASSES_FLOAT, 0, KIND_EXTREME);
			add_name(g, b, k);
			buf_add(b, ")");
			break;
		case 19:
			c = column(g, CLASSES_STORED, 0, KIND_LONG);
			buf_add(b, "count(DISTINCT ");
			add_name(g, b, c);
			buf_add(b, ")");
			break;
		case 20:
			c = column(g, CLASSES_STORED, 0, KIND_LONG);
			buf_add(b, "md5(string_agg(");
			add_name(g, b, c);
			buf_add(b, "::text, ',' ORDER BY %sid))", g->alias);
			filter = false;
			break;
		case 21:
			buf_add(b, "max(length(");
			text_value(g, b);
			buf_add(b, "))");
			break;
		case 22:
			buf_add(b, "%s(", chance(g, 50) ? "bit_and" : "bit_or");
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

/* A group key: what to group by, and what to show for it. */
static void
group_key(Gen *g, Buf *key, Buf *show)
{
	const Column *c;

	switch (below(g, 12))
	{
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
			c = chance(g, 60) ? column(g, CLASSES_STORED, KIND_FEW, 0) : NULL;
			if (!c)
				c = column(g, CLASSES_STORED, 0, g->t->rows >= BIG_TABLE ? KIND_UNIQUE : 0);
			add_name(g, key, c);
			shown(g, show, c, "", "");
			return;
	}
	buf_add(show, "%s", key->text);
}

/* ---- whole queries ---- */

static bool
big(const Table *t)
{
	return t->rows >= BIG_TABLE;
}

static void
from(Gen *g, Buf *b)
{
	buf_add(b, " FROM %s", g->t->name);
	if (!g->t->no_ctid && chance(g, 2))
	{
		g->q->of_place = true;
		buf_add(b, " TABLESAMPLE SYSTEM (50) REPEATABLE (%d)", below(g, 5));
	}
}

static void
order_by_id(Gen *g, Buf *b)
{
	const Column *c = column(g, CLASSES_STORED, 0, KIND_LONG);

	buf_add(b, " ORDER BY ");
	if (chance(g, 50))
	{
		add_name(g, b, c);
		buf_add(b, "%s%s, ", chance(g, 30) ? " DESC" : "", chance(g, 20) ? " NULLS FIRST" : "");
	}
	buf_add(b, "%sid%s", g->alias, chance(g, 30) ? " DESC" : "");
}

static void
shape_scan(Gen *g, Buf *b)
{
	bool digest = big(g->t) && chance(g, 50);

	if (digest)
		buf_add(b, "SELECT count(*), sum(hashtextextended(r::text, 0)::numeric) FROM (");
	buf_add(b, "SELECT ");
	select_list(g, b);
	from(g, b);
	where(g, b, big(g->t) && !digest);
	if (digest)
		buf_add(b, ") r");
	else if (chance(g, 25))
	{
		order_by_id(g, b);
		g->q->ordered = true;
		if (chance(g, 60))
			buf_add(b, " LIMIT %d", below(g, 50));
		if (chance(g, 20))
			buf_add(b, " OFFSET %d", below(g, 20));
	}
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
shape_group(Gen *g, Buf *b)
{
	int nkeys = 1 + (chance(g, 50) ? 0 : below(g, 4));
	int naggs = below(g, 5);
	Buf keys = {0};

	buf_add(b, "SELECT ");
	for (int i = 0; i < nkeys; i++)
	{
		Buf key = {0}, show = {0};

		group_key(g, &key, &show);
		buf_add(&keys, "%s%s", i ? ", " : "", key.text);
		buf_add(b, "%s%s", i ? ", " : "", show.text);
		buf_free(&key);
		buf_free(&show);
	}
	for (int i = 0; i < naggs; i++)
	{
		buf_add(b, ", ");
		aggregate(g, b);
	}
	from(g, b);
	where(g, b, false);
	buf_add(b, chance(g, 4) ? " GROUP BY ROLLUP (%s)" : " GROUP BY %s", keys.text);
	buf_free(&keys);
	if (chance(g, 12))
		buf_add(b, " HAVING count(*) %s %d", comparison(g), below(g, 50));
	else if (chance(g, 8))
	{
		buf_add(b, " HAVING sum(");
		number(g, b, NUMBER_NO_FLOAT);
		buf_add(b, ") > %d", below(g, 1000));
	}
	if (chance(g, 30))
	{
		buf_add(b, " ORDER BY ");
		for (int i = 0; i < nkeys; i++)
			buf_add(b, "%s%d%s%s", i ? ", " : "", i + 1, chance(g, 30) ? " DESC" : "",
					chance(g, 20) ? " NULLS FIRST" : "");
		if (!strstr(b->text, "ROLLUP")) /* where a key's own NULL ties with the rolled up one */
		{
			g->q->ordered = true;
			if (chance(g, 50))
				buf_add(b, " LIMIT %d", 1 + below(g, 20));
		}
	}
}

static void
shape_distinct(Gen *g, Buf *b)
{
	int n = 1 + below(g, 3);

	buf_add(b, "SELECT DISTINCT ");
	for (int i = 0; i < n; i++)
	{
		buf_add(b, i ? ", " : "");
		shown(g, b, column(g, CLASSES_STORED, chance(g, 60) ? KIND_FEW : 0, KIND_LONG) ?: &g->t->cols[0], "",
			  "");
	}
	from(g, b);
	where(g, b, big(g->t));
}

static void
shape_window(Gen *g, Buf *b)
{
	const Column *k = column(g, CLASSES_STORED, KIND_FEW, 0) ?: &g->t->cols[0];
	const Column *v = column(g, CLASSES_NUMBER & ~CLASSES_FLOAT, 0, 0);

	buf_add(b, "SELECT id, row_number() OVER w, sum(%s) OVER w, lag(%s) OVER w", v->name, v->name);
	from(g, b);
	where(g, b, big(g->t));
	buf_add(b, " WINDOW w AS (PARTITION BY %s ORDER BY id)", k->name);
}

static const Table *
other_table(Gen *g)
{
	const Table *t;

	do
		t = &tables[below(g, ntables)];
	while (big(t));
	return t;
}

/* Runs f with another table and alias. */
static void
over(Gen *g, const Table *t, const char *alias, void (*f)(Gen *, Buf *), Buf *b)
{
	const Table *t_before = g->t;
	const char *alias_before = g->alias;

	g->t = t;
	g->alias = alias;
	f(g, b);
	g->t = t_before;
	g->alias = alias_before;
}

static void
one_condition(Gen *g, Buf *b)
{
	condition(g, b, 1);
}

static void
shape_join(Gen *g, Buf *b)
{
	static const char *const joins[] = {"JOIN", "JOIN", "LEFT JOIN", "FULL JOIN"};
	const Table *a = g->t, *c = other_table(g);
	const char *join = CHOOSE(g, joins);
	bool grouped = chance(g, 50);
	const Column *key;

	buf_add(b, "SELECT ");
	g->alias = "a.";
	if (grouped)
	{
		key = column(g, CLASSES_STORED, KIND_FEW, 0) ?: &a->cols[0];
		shown(g, b, key, "", "");
		buf_add(b, ", count(*), count(c.id), ");
		over(g, c, "c.", aggregate, b);
	}
	else
	{
		over(g, a, "a.", select_list, b);
		buf_add(b, ", ");
		over(g, c, "c.", select_list, b);
	}
	buf_add(b, " FROM %s a %s %s c ON a.id = c.id", a->name, join, c->name);
	if (join[0] == 'J' && chance(g, 40))
	{
		buf_add(b, " AND ");
		over(g, c, "c.", one_condition, b);
	}
	where(g, b, big(a));
	if (grouped)
	{
		buf_add(b, " GROUP BY ");
		add_name(g, b, key);
	}
	g->alias = "";
}

static void
shape_subquery(Gen *g, Buf *b)
{
	const Table *t = g->t, *o = other_table(g);

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
shape_union(Gen *g, Buf *b)
{
	static const char *const ops[] = {"UNION ALL", "UNION ALL", "UNION", "EXCEPT", "INTERSECT"};

	buf_add(b, "SELECT %s FROM (SELECT id", big(g->t) ? "count(*), sum(id)" : "id");
	from(g, b);
	where(g, b, false);
	buf_add(b, " %s SELECT c.id FROM %s c WHERE ", CHOOSE(g, ops), other_table(g)->name);
	buf_add(b, "c.id %% %d = 1) u", 2 + below(g, 9));
}

/* A scan that is stopped early: how many rows came is defined, which ones is not. */
static void
shape_limit(Gen *g, Buf *b)
{
	buf_add(b, "SELECT count(*) FROM (SELECT ");
	add_name(g, b, column(g, CLASSES_STORED, 0, 0));
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

typedef struct Shape
{
	const char *name;
	int weight;
	void (*make)(Gen *, Buf *);
	bool hazards; /* may raise errors: every plan evaluates the same rows */
} Shape;

static const Shape shapes[] = {
	{"scan", 30, shape_scan, true},			{"aggregate", 22, shape_aggregate, true},
	{"group", 26, shape_group, true},		{"distinct", 4, shape_distinct, false},
	{"window", 3, shape_window, false},		{"join", 6, shape_join, false},
	{"subquery", 5, shape_subquery, false}, {"cte", 2, shape_cte, false},
	{"union", 2, shape_union, false},		{"limit", 2, shape_limit, false},
	{"lateral", 3, shape_lateral, false},
};

static const Shape *
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

static Hazard
pick_hazard(Gen *g)
{
	int n = below(g, 100);

	return n < 78	? HAZARD_NONE
		   : n < 86 ? HAZARD_OVERFLOW
		   : n < 94 ? HAZARD_DIVISION
		   : n < 97 ? HAZARD_TIME_RANGE
					: HAZARD_COLLATION;
}

/* ---- putting it together ---- */

/* The text with each \1 n \2 as $n, or as the n-th value. */
static void
render(Gen *g, Buf *out, const char *text, bool with_values)
{
	for (; *text; text++)
	{
		if (*text == '\1')
		{
			int n = atoi(text + 1);

			if (with_values)
				buf_add(out, "%s::%s", g->param_value[n - 1], g->param_type[n - 1]);
			else
				buf_add(out, "$%d", n);
			text = strchr(text, '\2');
		}
		else
			buf_add(out, "%c", *text);
	}
}

static void
render_prepared(Gen *g, Buf *out, const char *text)
{
	buf_add(out, "SET plan_cache_mode = %s; PREPARE q",
			chance(g, 60) ? "force_generic_plan" : "force_custom_plan");
	for (int i = 0; i < g->nparams; i++)
		buf_add(out, "%s%s", i ? ", " : " (", g->param_type[i]);
	buf_add(out, "%s AS ", g->nparams ? ")" : "");
	render(g, out, text, false);
	for (int again = 0; again < 2; again++)
	{
		buf_add(out, "; EXECUTE q");
		for (int i = 0; i < g->nparams; i++)
			buf_add(out, "%s%s", i ? ", " : " (", g->param_value[i]);
		buf_add(out, "%s", g->nparams ? ")" : "");
	}
	buf_add(out, "; DEALLOCATE q; RESET plan_cache_mode");
}

static void
render_cursor(Gen *g, Buf *out, const char *text)
{
	if (chance(g, 50)) /* there and back */
		buf_add(out,
				"BEGIN; DECLARE q SCROLL CURSOR FOR %s; FETCH ALL FROM q; FETCH BACKWARD ALL FROM q; COMMIT",
				text);
	else if (chance(g, 40))
		buf_add(out, "BEGIN; DECLARE q CURSOR WITH HOLD FOR %s; COMMIT; FETCH ALL FROM q; CLOSE q", text);
	else if (g->q->ordered)
		buf_add(
			out,
			"BEGIN; DECLARE q SCROLL CURSOR FOR %s; FETCH 7 FROM q; FETCH BACKWARD 3 FROM q; MOVE 2 IN q; "
			"FETCH ALL FROM q; FETCH FIRST FROM q; COMMIT",
			text);
	else
		buf_add(out, "BEGIN; DECLARE q CURSOR FOR %s; FETCH ALL FROM q; COMMIT", text);
}

static void
make(Query *q, uint64_t seed, uint64_t no, const Table *t, bool wrap)
{
	Gen g = {.rng = rng_make(seed ^ 0x5157, no), .q = q, .alias = ""};
	Buf text = {0};
	const Shape *shape;
	int way = below(&g, 100);

	*q = (Query){0};
	g.t = t ? t : &tables[below(&g, ntables)];
	/* the empty and the tiny need fewer questions */
	if (!t && g.t->rows <= 1 && chance(&g, 60))
		g.t = &tables[below(&g, ntables)];
	g.params = wrap && way < 16;
	shape = pick_shape(&g);
	q->shape = shape->name;
	if (shape->hazards && wrap)
		q->hazard = pick_hazard(&g);
	shape->make(&g, &text);
	render(&g, &q->plain, buf_text(&text), true);
	if (g.params)
		render_prepared(&g, &q->sql, text.text);
	else if (wrap && way < 22)
		render_cursor(&g, &q->sql, text.text);
	else
		render(&g, &q->sql, text.text, true);
	buf_free(&text);
	for (int i = 0; i < g.nparams; i++)
	{
		free(g.param_type[i]);
		free(g.param_value[i]);
	}
}

/* A statement that changes rows, or locks them, and shows which. */
void
query_make_change(Query *q, uint64_t seed, uint64_t no, const Table *t)
{
	Gen g = {.rng = rng_make(seed ^ 0x63686e67, no), .q = q, .alias = "", .t = t};
	Buf *b = &q->plain;

	*q = (Query){.shape = "change", .of_place = true};
	switch (below(&g, 4))
	{
		case 0:
			table_update_sql(b, t, &g.rng, "");
			break;
		case 1:
			buf_add(b, "DELETE FROM %s WHERE ", t->name);
			break;
		case 2:
			buf_add(b, "DELETE FROM %s USING %s c WHERE %s.id = c.id AND ", t->name, other_table(&g)->name,
					t->name);
			break;
		default:
			buf_add(b, "SELECT * FROM %s WHERE ", t->name);
	}
	if (b->text[0] == 'D')
	{
		Buf name = {0};

		buf_add(&name, "%s.", t->name);
		g.alias = name.text;
		condition(&g, b, 2);
		buf_add(b, " RETURNING %s.*", t->name);
		buf_free(&name);
	}
	else
	{
		condition(&g, b, 2);
		buf_add(b, "%s", b->text[0] == 'U' ? " RETURNING *" : chance(&g, 50) ? " FOR UPDATE" : " FOR SHARE");
	}
	buf_add(&q->sql, "%s", b->text);
}

void
query_make(Query *q, uint64_t seed, uint64_t no)
{
	make(q, seed, no, NULL, true);
}

void
query_make_on(Query *q, uint64_t seed, uint64_t no, const Table *t)
{
	make(q, seed, no, t, false);
}

void
query_free(Query *q)
{
	buf_free(&q->sql);
	buf_free(&q->plain);
}
