/*
 * value.c - what queries are made of: names, constants, and typed expressions over the columns.
 *
 * An expression raises no error but the query's hazard: where a type could overflow or a divisor be zero, a
 * guard stands before it (CASE, nullif), which is a test of its own.
 */
#include <stdlib.h>
#include <string.h>

#include "gen.h"

bool
chance(Gen *g, int percent)
{
	return rng_percent(&g->rng, percent);
}

int
below(Gen *g, int n)
{
	return rng_int(&g->rng, n);
}

Hazard
hazard(const Gen *g)
{
	return g->calm ? HAZARD_NONE : g->q->hazard;
}

bool
big(const Table *t)
{
	return t->rows >= BIG_TABLE;
}

const char *const class_type[CLASS_COUNT] = {
	[CLASS_INT2] = "smallint",		 [CLASS_INT4] = "integer",
	[CLASS_INT8] = "bigint",		 [CLASS_FLOAT4] = "real",
	[CLASS_FLOAT8] = "float8",		 [CLASS_NUMERIC] = "numeric",
	[CLASS_BOOL] = "boolean",		 [CLASS_DATE] = "date",
	[CLASS_TIMESTAMP] = "timestamp", [CLASS_TIMESTAMPTZ] = "timestamptz",
	[CLASS_TEXT] = "text",			 [CLASS_CHAR] = "bpchar",
	[CLASS_JSONB] = "jsonb",		 [CLASS_ARRAY] = "integer[]",
	[CLASS_UUID] = "uuid",			 [CLASS_INTERVAL] = "interval",
	[CLASS_CLOCK] = "time",			 [CLASS_BYTEA] = "bytea",
	[CLASS_INET] = "inet",			 [CLASS_ENUM] = "diff_mood",
	[CLASS_PAIR] = "diff_pair",		 [CLASS_RANGE] = "int4range",
	[CLASS_OPAQUE] = "json",
};

/* ---- leaves ---- */

const Column *
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

void
add_name(Gen *g, Buf *b, const Column *c)
{
	buf_add(b, "%s%s", g->alias, c->name);
}

const char *
sample(Gen *g, const Column *c)
{
	return c->samples[below(g, c->nsamples)];
}

void
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

void
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
										  "-32769",
										  "2.50000000000000000000000000000000000000000000",
										  "99.99000000000000000000001",
										  "-0.00499999999999999999999999999999999999999999",
										  "-123456789012345678901234567890123456789012345.5",
										  "'NaN'::numeric",
										  "'Infinity'::numeric",
										  "'-Infinity'::numeric"};
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
	else if (!(bit & CLASSES_NUMBER) && c->kind->class != CLASS_PAIR && chance(g, 30))
		buf_literal(b, sample(g, c));
	else if (c->kind->class == CLASS_TEXT && chance(g, 20))
		add_value(g, b, "varchar", sample(g, c));
	else if (c->kind->class == CLASS_CHAR && chance(g, 15))
		add_value(g, b, "text", sample(g, c));
	else
		add_value(g, b, class_type[c->kind->class], sample(g, c));
}

const char *
comparison(Gen *g)
{
	static const char *const ops[] = {"=", "=", "<>", "<", "<=", ">", ">=", "!="};

	return CHOOSE(g, ops);
}

const char *
total_order(Gen *g, Buf *b)
{
	if (g->from)
		buf_add(b, "%s", g->total);
	else
		buf_add(b, "%sid", g->alias);
	return buf_text(b);
}

/* ---- numbers ---- */

static bool
moment_column(Gen *g, Buf *b)
{
	const Column *c = column(g, CLASSES_TIME, 0, KIND_EXTREME);

	if (c)
		add_name(g, b, c);
	return c != NULL;
}

/* Division, a sum near the end of a type, a cast of text: each behind what keeps the error out. */
static void
guarded_number(Gen *g, Buf *b, unsigned how)
{
	const Column *c;

	switch (below(g, 4))
	{
		case 0:
		{
			const Column *d = column(g, CLASSES_NUMBER & ~CLASSES_FLOAT, KIND_SMALL, KIND_EXTREME);

			buf_add(b, "CASE WHEN ");
			d ? add_name(g, b, d) : buf_add(b, "1");
			buf_add(b, " <> 0 THEN ");
			small_number(g, b, how);
			buf_add(b, chance(g, 70) || !(how & NUMBER_NO_FLOAT) ? " / " : " %% ");
			d ? add_name(g, b, d) : buf_add(b, "1");
			buf_add(b, " ELSE %d END", below(g, 5));
			break;
		}
		case 1:
			small_number(g, b, how);
			buf_add(b, " / nullif(");
			small_number(g, b, how);
			buf_add(b, ", 0)");
			break;
		case 2:
			c = column(g, CLASSES_INT, KIND_EXTREME, 0);
			if (c)
			{
				buf_add(b, "CASE WHEN ");
				add_name(g, b, c);
				buf_add(b, " BETWEEN -100 AND 100 THEN ");
				add_name(g, b, c);
				buf_add(b, " * %d::%s ELSE -1 END", 1 + below(g, 9), class_type[c->kind->class]);
				break;
			}
			/* fall through */
		default:
			c = column(g, CLASSES_TEXT, 0, KIND_LONG | KIND_LOOSE);
			if (c)
			{
				buf_add(b, "CASE WHEN right(");
				add_name(g, b, c);
				buf_add(b, ", 1) ~ '^[0-9]$' THEN right(");
				add_name(g, b, c);
				buf_add(b, ", 1)::integer ELSE %d END", below(g, 5));
			}
			else
				small_number(g, b, how);
	}
}

/* A number made of something else: a length, a part of a date, a truth value; or by a function. */
static void
made_number(Gen *g, Buf *b, unsigned how)
{
	static const char *const parts[] = {"year",		  "month",		  "day",		 "hour",	"dow",
										"isodow",	  "doy",		  "week",		 "quarter", "isoyear",
										"minute",	  "epoch",		  "second",		 "decade",	"century",
										"millennium", "milliseconds", "microseconds"};
	static const char *const rounds[] = {"round", "trunc", "ceil", "floor"};
	const Column *c;

	switch (below(g, 12))
	{
		case 0:
		case 1:
			/* extract gives numeric, date_part float8; a date has no hour */
			if (how & NUMBER_NO_FLOAT || chance(g, 70))
				buf_add(b, "extract(%s FROM ", CHOOSE(g, parts));
			else
				buf_add(b, "date_part('%s', ", CHOOSE(g, parts));
			if (!moment_column(g, b))
				buf_add(b, "date '2020-02-29'");
			buf_add(b, "::timestamp)");
			break;
		case 2:
			buf_add(b, "%s(", chance(g, 50) ? "length" : chance(g, 50) ? "char_length" : "octet_length");
			text_value(g, b);
			buf_add(b, ")");
			break;
		case 3:
			buf_add(b, "strpos(");
			text_value(g, b);
			buf_add(b, ", '%c')", "aRx1"[below(g, 4)]);
			break;
		case 4:
			c = column(g, CLASS_BIT(CLASS_BOOL), 0, 0);
			if (c)
				add_name(g, b, c);
			else
				buf_add(b, "true");
			buf_add(b, "::integer");
			break;
		case 5:
			buf_add(b, "%s(", rounds[below(g, 4)]);
			small_number(g, b, how | NUMBER_NO_FLOAT);
			buf_add(b, "::numeric / 7)");
			break;
		case 6:
			buf_add(b, "round(");
			small_number(g, b, how | NUMBER_NO_FLOAT);
			buf_add(b, "::numeric / 3, %d)", below(g, 5) - 1);
			break;
		case 7:
			/* rounds half to even, or away from zero, by the type it comes from */
			buf_add(b, "(");
			small_number(g, b, how);
			buf_add(b, ")::%s", chance(g, 50) ? "integer" : "bigint");
			break;
		case 8:
			buf_add(b, "%s(", chance(g, 50) ? "greatest" : "least");
			small_number(g, b, how);
			buf_add(b, ", ");
			small_number(g, b, how);
			buf_add(b, ", %d)", below(g, 10) - 3);
			break;
		case 9:
			c = column(g, CLASSES_INT, KIND_SMALL, KIND_EXTREME);
			if (!c)
			{
				small_number(g, b, how);
				break;
			}
			buf_add(b, "(");
			add_name(g, b, c);
			buf_add(b, "::integer %s %d)", chance(g, 30) ? "&" : chance(g, 50) ? "|" : "#", below(g, 64));
			break;
		case 10:
			buf_add(b, "%s(", chance(g, 50) ? "diff_double" : "diff_or_zero");
			small_number(g, b, NUMBER_NO_FLOAT);
			buf_add(b, "::numeric)");
			break;
		default:
			c = column(g, CLASS_BIT(CLASS_DATE), 0, KIND_EXTREME);
			buf_add(b, "(");
			c ? add_name(g, b, c) : buf_add(b, "date '2021-01-31'");
			buf_add(b, " - date '2020-02-29')");
	}
}

void
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

void
number(Gen *g, Buf *b, unsigned how)
{
	static const char *const ops[] = {"+", "-", "*"};

	if (hazard(g) == HAZARD_OVERFLOW && chance(g, 70))
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
	if (hazard(g) == HAZARD_DIVISION && chance(g, 70))
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
	switch (below(g, 15))
	{
		case 14: /* more than 64 bits, or 128, and more than 18 decimals */
			buf_add(b, "(");
			for (int i = 2 + below(g, 4); i > 0; i--)
			{
				if (!any_number(g, b, KIND_EXTREME, NUMBER_NO_FLOAT))
					buf_add(b, "3");
				buf_add(b, "::numeric%s", i > 1 ? " * " : "");
			}
			buf_add(b, " - %d.00000001)", below(g, 3));
			break;
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
		case 8:
			guarded_number(g, b, how);
			break;
		case 9:
		case 10:
			made_number(g, b, how);
			break;
		case 11:
			buf_add(b, "CASE ");
			small_number(g, b, how);
			for (int i = 1 + below(g, 3); i > 0; i--)
				buf_add(b, " WHEN %d THEN %d", below(g, 6), below(g, 100));
			buf_add(b, chance(g, 50) ? " ELSE -7 END" : " END");
			break;
		case 12:
			buf_add(b, "coalesce(nullif(");
			small_number(g, b, how);
			buf_add(b, ", %d), ", below(g, 5));
			small_number(g, b, how);
			buf_add(b, ", 0)");
			break;
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

/* ---- moments and texts ---- */

/* Nothing that leaves the range of its type, without the hazard for it. */
void
moment(Gen *g, Buf *b)
{
	static const char *const spans[] = {"1 day",
										"1 month",
										"90 days",
										"1 hour 30 min",
										"1 year",
										"-13 months",
										"1 month -1 day 25 hours",
										"11 months 30 days",
										"0.000001 s"};
	static const char *const units[] = {"month",  "year",	"day",	  "hour",	 "week",		"quarter",
										"minute", "second", "decade", "century", "milliseconds"};
	bool risky = hazard(g) == HAZARD_TIME_RANGE;
	const Column *c = column(g, CLASSES_TIME, 0, risky ? 0 : KIND_EXTREME);
	const Column *span = column(g, CLASS_BIT(CLASS_INTERVAL), 0, 0);

	if (!c)
	{
		buf_add(b, "date '2020-02-29'");
		return;
	}
	if (c->kind->class == CLASS_DATE && chance(g, 40))
	{
		buf_add(b, "(");
		add_name(g, b, c);
		buf_add(b, " %s %d)", chance(g, 50) ? "+" : "-", below(g, 100));
		return;
	}
	switch (risky ? 0 : below(g, 9))
	{
		case 0:
		case 1:
		case 2:
			buf_add(b, "(");
			add_name(g, b, c);
			buf_add(b, " %s interval '%s')", chance(g, 50) ? "+" : "-", CHOOSE(g, spans));
			break;
		case 3:
			buf_add(b, "date_trunc('%s', ", CHOOSE(g, units));
			add_name(g, b, c);
			buf_add(b, ")");
			break;
		case 4:
			buf_add(b, "(");
			add_name(g, b, c);
			buf_add(b, " + ");
			span ? add_name(g, b, span) : buf_add(b, "interval '36 hours'");
			buf_add(b, ")");
			break;
		case 5:
			add_name(g, b, c);
			buf_add(b, "::%s", chance(g, 50) ? "date" : "timestamp");
			break;
		case 6:
			buf_add(b, "date_bin('%d minutes', ", 5 + below(g, 3000));
			add_name(g, b, c);
			buf_add(b, "::timestamp, timestamp '2001-01-01')");
			break;
		case 7:
			buf_add(b, "coalesce(");
			add_name(g, b, c);
			buf_add(b, ", '2020-07-0%d')", 1 + below(g, 9));
			break;
		default:
			buf_add(b, "CASE WHEN ");
			small_number(g, b, 0);
			buf_add(b, " > %d THEN ", below(g, 20));
			add_name(g, b, c);
			buf_add(b, chance(g, 50) ? " END" : " ELSE '2019-12-31' END");
	}
}

void
text_value(Gen *g, Buf *b)
{
	static const char *const calls[] = {"upper(@)",
										"lower(@)",
										"initcap(@)",
										"@ || '!'",
										"coalesce(@, 'none')",
										"btrim(@)",
										"left(@, 2)",
										"right(@, 3)",
										"left(@, -1)",
										"replace(@, 'a', 'xx')",
										"lpad(@, 5, '*')",
										"substring(@ FROM 2)",
										"substring(@ FROM 2 FOR 3)",
										"split_part(@, '_', 1)",
										"translate(@, 'abAB', 'xyX')",
										"reverse(@)",
										"concat(@, '-', @)",
										"nullif(@, 'N')",
										"md5(@)",
										"repeat(@, 2)",
										"regexp_replace(@, '[0-9]+', '#')",
										"CASE WHEN @ > 'b' THEN @ ELSE 'low' END",
										"(@)::varchar(3)",
										"rtrim(@, '01')"};
	const Column *c = column(g, CLASSES_TEXT, 0, KIND_LONG | KIND_LOOSE);
	const Column *d;

	if (!c || chance(g, 6))
	{
		c = column(g, CLASSES_INT | CLASS_BIT(CLASS_DATE) | CLASS_BIT(CLASS_BOOL), 0, 0);
		add_name(g, b, c);
		buf_add(b, "::text");
		return;
	}
	switch (below(g, 8))
	{
		case 0:
			buf_add(b, "substr(");
			add_name(g, b, c);
			buf_add(b, ", %d, %d)", 1 + below(g, 3), 1 + below(g, 4));
			break;
		case 1:
			add_name(g, b, c);
			break;
		case 2:
			d = column(g, CLASSES_TEXT, 0, KIND_LONG | KIND_LOOSE);
			buf_add(b, "((");
			add_name(g, b, c);
			buf_add(b, " || '/' || ");
			add_name(g, b, d);
			buf_add(b, ") COLLATE \"C\")");
			break;
		default:
			for (const char *p = CHOOSE(g, calls); *p; p++)
				if (*p == '@')
					add_name(g, b, c);
				else
					buf_add(b, "%c", *p);
	}
}
