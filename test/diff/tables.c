/*
 * tables.c - the tables that queries are asked over: a catalogue of column kinds, and scenarios that leave
 * a table in each state the column store knows (fresh, stale, tail, rewritten, partly evicted ...).
 *
 * A value is a function of the row number, a salt and the kind, computed by the server, so a table is the
 * same in every run of a seed.  Statistics, vacuum and population run only where a scenario says so:
 * run.sh turns autovacuum and strata.auto_populate off.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diff.h"

Table *tables;
int ntables;

#define PICK(list, n) "(ARRAY[" list "])[1 + @h % " n "]"

/* Floats that are summed are multiples of 1/8 in a range where every partial sum is exact, so the order of
 * summation cannot show.  float4 sums in float4: the range is smaller. */
static const Kind catalogue[] = {
	{"id", "bigint", CLASS_INT8, KIND_UNIQUE, "@g", "0|1|64|1024|-1|9223372036854775807"},

	{"i2_few", "smallint", CLASS_INT2, KIND_SMALL | KIND_FEW, "(@h % 9 - 4)::smallint", "0|3"},
	{"i2_extreme", "smallint", CLASS_INT2, KIND_EXTREME, PICK("-32768,32767,0,1,-1,100", "6") "::smallint",
	 "32767|-32768"},
	{"i4_few", "integer", CLASS_INT4, KIND_SMALL | KIND_FEW, "@h % 7", "0|6|7"},
	{"i4_signed", "integer", CLASS_INT4, KIND_SMALL, "@h % 2001 - 1000", "0|-1000|1000"},
	{"i4_wide", "integer", CLASS_INT4, 0, "@h % 1000000", "0|999999"},
	{"i4_runs", "integer", CLASS_INT4, KIND_FEW, "(@g / 700)::integer", "0|1|2"},
	{"i4_constant", "integer", CLASS_INT4, KIND_SMALL | KIND_FEW, "42", "42|43"},
	{"i4_order", "integer", CLASS_INT4, 0, "(@g * 3 + @h % 3)::integer", "300|3000"},
	{"i4_extreme", "integer", CLASS_INT4, KIND_EXTREME, PICK("-2147483648,2147483647,0,1,-1,2147483646", "6"),
	 "2147483647|-2147483648"},
	{"i8_wide", "bigint", CLASS_INT8, 0, "@h::bigint * 4099 - 1000000000000", "0"},
	{"i8_steps", "bigint", CLASS_INT8, 0, "1000000000000 + @g * 1000 + @h % 10", "1000000500000"},
	{"i8_extreme", "bigint", CLASS_INT8, KIND_EXTREME,
	 PICK("-9223372036854775808,9223372036854775807,0,1,-1,4294967296", "6"),
	 "9223372036854775807|-9223372036854775808"},

	{"f4_eighths", "real", CLASS_FLOAT4, KIND_SMALL, "((@h % 65 - 32) / 8.0)::real", "0|0.125|-4"},
	{"f4_extreme", "real", CLASS_FLOAT4, KIND_EXTREME,
	 PICK("'NaN','Infinity','-Infinity','-0',0,1e38,-1e38,1e-38,16777216,0.1", "10") "::real",
	 "NaN|Infinity|-Infinity|-0|0.1"},
	{"f8_eighths", "double precision", CLASS_FLOAT8, KIND_SMALL, "((@h % 16001 - 8000) / 8.0)::float8",
	 "0|0.125|-1000|NaN"},
	{"f8_extreme", "double precision", CLASS_FLOAT8, KIND_EXTREME,
	 PICK("'NaN','Infinity','-Infinity','-0',0,1e308,-1e308,1e-308,9007199254740993,0.1", "10") "::float8",
	 "NaN|Infinity|-Infinity|-0|0.1"},

	{"n_money", "numeric(12,2)", CLASS_NUMERIC, 0, "(@h % 100000000) / 100.0 - 1000", "0|0.00|99.99|1e5|NaN"},
	{"n_rate", "numeric(4,3)", CLASS_NUMERIC, KIND_SMALL | KIND_FEW, "(@h % 11) / 100.0",
	 "0|0.05|0.050|0.0501"},
	{"n_whole", "numeric(9)", CLASS_NUMERIC, KIND_SMALL, "@h % 5000", "0|4999|2.5"},
	{"n_18", "numeric(18,4)", CLASS_NUMERIC, 0, "@h::numeric * 46566.1287", "0|99999999999999.9999"},
	{"n_38", "numeric(38,10)", CLASS_NUMERIC, 0, "@h::numeric * 46566128730.7739577 - 10000000000000",
	 "0|99999999999999999999.5"},
	{"n_same", "numeric", CLASS_NUMERIC, 0, "round((@h % 100000) / 16.0, 4)", "0|12.5|12.5000"},
	{"n_scales", "numeric", CLASS_NUMERIC, KIND_SCALES | KIND_FEW,
	 PICK("1,1.0,1.00,2.5,2.50,0,0.000,-1.5,100,1e2,3.14159", "11") "::text::numeric", "1|1.000|2.5|100"},
	{"n_extreme", "numeric", CLASS_NUMERIC, KIND_SCALES | KIND_EXTREME,
	 PICK("'NaN','Infinity','-Infinity','0','9223372036854775807','9223372036854775808',"
		  "'-9223372036854775808','-9223372036854775809','1e40','-1e40','1e-30','0.1'",
		  "12") "::numeric",
	 "NaN|Infinity|9223372036854775808|1e40|1e-30"},
	{"n_typed_nan", "numeric(10,2)", CLASS_NUMERIC, KIND_EXTREME,
	 "CASE WHEN @h % 50 = 0 THEN 'NaN' ELSE (@h % 1000) / 10.0 END", "NaN|5|5.50"},

	{"b", "boolean", CLASS_BOOL, KIND_FEW, "@h % 3 = 0", "t|f"},

	{"d", "date", CLASS_DATE, KIND_FEW, "date '2019-12-01' + @h % 400", "2020-01-01|2020-06-15"},
	{"d_order", "date", CLASS_DATE, 0, "date '2000-01-01' + (@g / 40)::integer", "2000-01-01|2000-02-01"},
	{"d_extreme", "date", CLASS_DATE, KIND_EXTREME,
	 PICK("'infinity','-infinity','4714-11-24 BC','5874897-12-31','0044-03-15 BC','1970-01-01','2000-02-29'",
		  "7") "::date",
	 "infinity|-infinity|0044-03-15 BC"},
	{"ts", "timestamp", CLASS_TIMESTAMP, 0, "timestamp '2020-01-01' + @h % 31536000 * interval '1 second'",
	 "2020-06-15 12:00:00|2020-01-01"},
	{"ts_extreme", "timestamp", CLASS_TIMESTAMP, KIND_EXTREME,
	 PICK("'infinity','-infinity','4714-11-24 00:00:00 BC','294276-12-31 23:59:59.999999','2000-01-01',"
		  "'1999-12-31 23:59:59.999999'",
		  "6") "::timestamp",
	 "infinity|-infinity|2000-01-01"},
	{"tz_order", "timestamptz", CLASS_TIMESTAMPTZ, 0,
	 "timestamptz '2020-03-01 00:00+00' + @g * interval '1 minute' + @h % 50 * interval '1 second'",
	 "2020-03-01 12:00+00|2020-03-29 01:30+01"},
	{"tz_extreme", "timestamptz", CLASS_TIMESTAMPTZ, KIND_EXTREME,
	 PICK("'infinity','-infinity','2020-03-29 00:30+00','2020-03-29 01:30+00','1970-01-01 00:00+00'",
		  "5") "::timestamptz",
	 "infinity|2020-03-29 02:30"},

	{"t_few", "text", CLASS_TEXT, KIND_FEW, PICK("'N','R','A','MAIL','AIR','','é','a','B'", "9"),
	 "N|A|mail||zzz"},
	{"t_c", "text COLLATE \"C\"", CLASS_TEXT, 0,
	 PICK("'alpha','Beta','gamma','Äpfel','aa','aB','ab','Ab'", "8") " || @h % 40", "alpha1|B|a|ab"},
	{"t_en", "text COLLATE \"en-x-icu\"", CLASS_TEXT, KIND_FEW,
	 PICK("'a','B','ä','b','A','z','co-op','coop'", "8"), "a|B|coop|z"},
	{"t_loose", "text COLLATE loose", CLASS_TEXT, KIND_LOOSE | KIND_FEW,
	 PICK("'abc','ABC','Abc','xyz','XYZ','','é','É'", "8"), "abc|ABC|xYz"},
	{"t_name", "text", CLASS_TEXT, KIND_UNIQUE, "'Row#' || lpad(@g::text, 9, '0')", "Row#000000010|Row#"},
	{"t_odd", "text", CLASS_TEXT, 0,
	 PICK("'',' ','  ','a','a ','a  "
		  "',E'tab\\there',E'new\\nline','50%','under_score','back\\slash','naïve','日本語'",
		  "13"),
	 "|a|a |50%|日本語"},
	{"t_long", "text", CLASS_TEXT, KIND_LONG, "repeat(md5((@h % 20)::text), 120 + @h % 300)", "x|c4ca"},
	{"t_huge", "text", CLASS_TEXT, KIND_LONG,
	 "CASE WHEN @g % 97 = 0 THEN (SELECT string_agg(md5((@g * 1000 + k)::text), '') FROM "
	 "generate_series(1, 400) k) ELSE md5(@g::text) END",
	 "x|c4ca"},
	{"v10", "varchar(10)", CLASS_TEXT, 0, "'v' || @h % 500", "v1|v499|V1"},
	{"v", "varchar", CLASS_TEXT, KIND_FEW, PICK("'one','two','three','four','two '", "5"), "one|two|five"},
	{"c1", "char(1)", CLASS_CHAR, KIND_FEW, PICK("'A','N','R',' ',''", "5"), "A|N| |"},
	{"c8", "char(8)", CLASS_CHAR, 0, PICK("'x','x ','xy','','XY','  lead'", "6") " || @h % 5", "x1|x1  |xy2"},
	{"c8_c", "char(8) COLLATE \"C\"", CLASS_CHAR, KIND_FEW, PICK("'x','x ','xy','','XY'", "5"), "x|x  |"},

	{"j", "jsonb", CLASS_JSONB, 0, "jsonb_build_object('k', @h % 10, 's', 'v' || @h % 5)",
	 "{\"k\": 1, \"s\": \"v1\"}"},
	{"a", "integer[]", CLASS_ARRAY, 0, "ARRAY[@h % 5, @h % 3]", "{1,2}|{0,0}"},
	{"u", "uuid", CLASS_UUID, 0, "md5((@h % 50)::text)::uuid", "c4ca4238-a0b9-2382-0dcc-509a6f75849b"},
	{"iv", "interval", CLASS_INTERVAL, 0, "(@h % 30) * interval '1 hour'", "5 hours|1 day"},
	{"iv_mixed", "interval", CLASS_INTERVAL, 0,
	 "make_interval(months => @h % 5 - 2, days => @h % 17, secs => @h % 1000 / 8.0)",
	 "1 mon|30 days|-2 mons"},
	{"clock", "time", CLASS_CLOCK, 0, "time '00:00' + @h % 86400 * interval '1 second'", "12:00|00:00|24:00"},
	{"by", "bytea", CLASS_BYTEA, 0, "decode(left(md5((@h % 300)::text), @h % 5 * 2), 'hex')",
	 "\\\\x|\\\\xc4"},
	{"ip", "inet", CLASS_INET, 0, "'10.0.0.0'::inet + @h % 2000", "10.0.0.0|10.0.1.17|::1"},
	{"mood", "diff_mood", CLASS_ENUM, KIND_FEW, PICK("'sad','ok','happy','over the moon'", "4") "::diff_mood",
	 "sad|happy"},
	{"dom", "diff_small", CLASS_INT4, KIND_SMALL | KIND_FEW, "@h % 100", "0|50|99"},
	{"dom_text", "diff_word", CLASS_TEXT, KIND_FEW, PICK("'red','green','blue',''", "4"), "red||pink"},
	{"pair", "diff_pair", CLASS_PAIR, KIND_FEW, "ROW(@h % 4, 'p' || @h % 3)::diff_pair", "(1,p1)|(2,)"},
	{"span", "int4range", CLASS_RANGE, 0, "int4range(@h % 50, @h % 50 + @h % 7)", "[1,5)|empty|[10,)"},
	{"js", "json", CLASS_OPAQUE, 0, "json_build_object('k', @h % 10)", "{\"k\" : 1}"},
	{"texts", "text[]", CLASS_OPAQUE, 0, "ARRAY['x' || @h % 5, NULL]", "{x1,NULL}"},
	{"u_order", "uuid", CLASS_UUID, KIND_UNIQUE, "lpad(to_hex(@g), 32, '0')::uuid",
	 "00000000-0000-0000-0000-00000000000a"},
};

/* ---- SQL that makes values ---- */

static void
value_sql(Buf *b, const Column *col, const char *row, int salt)
{
	Buf expr = {0};
	const char *p;

	for (p = col->kind->value; *p; p++)
	{
		if (p[0] == '@' && p[1] == 'g')
			buf_add(&expr, "%s", row), p++;
		else if (p[0] == '@' && p[1] == 'h')
			buf_add(&expr, "(hashint8extended(%s, %d) & 2147483647)::integer", row, salt), p++;
		else
			buf_add(&expr, "%c", *p);
	}
	if (col->null_percent > 0)
		buf_add(b, "CASE WHEN hashint8extended(%s, %d) & 2147483647 < %.0f THEN NULL ELSE %s END", row,
				salt + 1, col->null_percent * 21474836.48, buf_text(&expr));
	else
		buf_add(b, "%s", buf_text(&expr));
	buf_free(&expr);
}

void
table_insert_sql(Buf *b, const Table *t, Rng *r, long from, long to)
{
	buf_add(b, "INSERT INTO %s (", t->name);
	for (int i = 0; i < t->ncols; i++)
		if (!t->cols[i].generated)
			buf_add(b, "%s%s", i ? ", " : "", t->cols[i].name);
	buf_add(b, ") SELECT g");
	for (int i = 1; i < t->ncols; i++)
	{
		if (t->cols[i].generated)
			continue;
		buf_add(b, ", ");
		value_sql(b, &t->cols[i], "g", rng_int(r, 1 << 30));
	}
	buf_add(b, " FROM generate_series(%ld::bigint, %ld) g", from, to);
}

void
table_update_sql(Buf *b, const Table *t, Rng *r, const char *where)
{
	int changed = 0;

	buf_add(b, "UPDATE %s SET ", t->name);
	for (int i = 1; i < t->ncols; i++)
		if (!t->cols[i].generated && (!changed || rng_percent(r, 30)))
		{
			buf_add(b, "%s%s = ", changed++ ? ", " : "", t->cols[i].name);
			value_sql(b, &t->cols[i], "id", rng_int(r, 1 << 30));
		}
	if (!changed)
		buf_add(b, "id = id");
	buf_add(b, " WHERE %s", where);
}

/* ---- making one table ---- */

typedef struct Maker
{
	PGconn *c;
	Rng rng;
	Table *t;
	bool store;
	int serial; /* number of the table: rotates through kinds and compressions */
} Maker;

static void
add_column(Maker *m, const Kind *kind)
{
	Table *t = m->t;
	Column *col;
	/* mostly none, some, nearly all, all */
	static const int nulls[] = {0, 0, 0, 0, 5, 10, 50, 95, 100};

	for (int i = 0; i < t->ncols; i++)
		if (t->cols[i].kind == kind)
			return;
	t->cols = realloc(t->cols, (t->ncols + 1) * sizeof(Column));
	col = &t->cols[t->ncols++];
	*col = (Column){.kind = kind, .name = copy_text(kind->name)};
	if (t->ncols > 1)
		col->null_percent = nulls[rng_int(&m->rng, lengthof(nulls))];
}

static void
add_column_named(Maker *m, const char *name)
{
	for (size_t i = 0; i < lengthof(catalogue); i++)
		if (strcmp(catalogue[i].name, name) == 0)
		{
			add_column(m, &catalogue[i]);
			return;
		}
	abort();
}

/* id, then `n` kinds: every kind is in turn in some table, the others by chance. */
static void
pick_columns(Maker *m, int n)
{
	int nkinds = lengthof(catalogue);

	add_column(m, &catalogue[0]);
	for (int i = 0; i < n / 2; i++)
		add_column(m, &catalogue[1 + (m->serial * 7 + i) % (nkinds - 1)]);
	while (m->t->ncols < n + 1)
		add_column(m, &catalogue[1 + rng_int(&m->rng, nkinds - 1)]);
}

static void
create(Maker *m, const char *options)
{
	Buf sql = {0};

	buf_add(&sql, "CREATE TABLE %s (", m->t->name);
	for (int i = 0; i < m->t->ncols; i++)
		buf_add(&sql, "%s%s %s", i ? ", " : "", m->t->cols[i].name, m->t->cols[i].kind->type);
	buf_add(&sql, ") %s", options);
	db_do(m->c, "%s", sql.text);
	buf_free(&sql);
}

static void
insert(Maker *m, long from, long to)
{
	Buf sql = {0};

	if (to < from)
		return;
	table_insert_sql(&sql, m->t, &m->rng, from, to);
	db_do(m->c, "%s", sql.text);
	buf_free(&sql);
	if (to > m->t->rows)
		m->t->rows = to;
}

static void
update(Maker *m, const char *where)
{
	Buf sql = {0};

	table_update_sql(&sql, m->t, &m->rng, where);
	db_do(m->c, "%s", sql.text);
	buf_free(&sql);
}

static void
vacuum(Maker *m, const char *options)
{
	db_do(m->c, "VACUUM %s %s", options, m->t->name);
}

static void
populate(Maker *m)
{
	if (m->store)
		db_do(m->c, "SELECT strata.populate('%s', force => true)", m->t->name);
}

/* `columns` is an SQL expression of type text[]. */
static void
enable(Maker *m, const char *columns)
{
	static const char *const compressions[] = {"auto", "dictionary", "auto", "rle", "for", "delta", "raw"};

	if (m->store)
		db_do(m->c, "SELECT strata.enable('%s', columns => %s, compression => '%s')", m->t->name, columns,
			  compressions[m->serial % lengthof(compressions)]);
	populate(m);
}

static void
start(Maker *m, int ncols, long rows)
{
	pick_columns(m, ncols);
	create(m, "");
	insert(m, 1, rows);
}

/* ---- scenarios ---- */

static void
scenario_fresh(Maker *m)
{
	start(m, 18, 3000 + rng_int(&m->rng, 9000));
	vacuum(m, rng_percent(&m->rng, 50) ? "(FREEZE, ANALYZE)" : "(ANALYZE)");
	enable(m, "NULL");
}

/* Nothing vacuumed, nothing analysed: population itself has to see to the visibility map. */
static void
scenario_unvacuumed(Maker *m)
{
	start(m, 12, 4000);
	enable(m, "NULL");
}

static void
scenario_empty(Maker *m)
{
	start(m, 14, 0);
	enable(m, "NULL");
}

static void
scenario_one_row(Maker *m)
{
	start(m, 14, 1);
	vacuum(m, "(ANALYZE)");
	enable(m, "NULL");
}

/* Around the length of a vector. */
static void
scenario_vector_edge(Maker *m)
{
	static const int rows[] = {1023, 1024, 1025, 63, 64, 65, 2048};

	start(m, 14, rows[rng_int(&m->rng, lengthof(rows))]);
	vacuum(m, "(ANALYZE)");
	enable(m, "NULL");
}

/* Updated, deleted and rolled back after population. */
static void
scenario_stale(Maker *m)
{
	start(m, 16, 6000);
	vacuum(m, "(ANALYZE)");
	enable(m, "NULL");
	update(m, "id % 211 = 3");
	db_do(m->c, "DELETE FROM %s WHERE id %% 307 = 5", m->t->name);
	db_do(m->c, "BEGIN; DELETE FROM %s WHERE id BETWEEN 1000 AND 1100; ROLLBACK", m->t->name);
	db_do(m->c, "BEGIN");
	update(m, "id BETWEEN 2000 AND 2010");
	db_do(m->c, "ROLLBACK");
}

static void
scenario_all_stale(Maker *m)
{
	start(m, 12, 3000);
	vacuum(m, "(ANALYZE)");
	enable(m, "NULL");
	update(m, "true");
}

/* Grown after population, with a rolled back piece in the middle. */
static void
scenario_tail(Maker *m)
{
	start(m, 16, 4000);
	vacuum(m, "(ANALYZE)");
	enable(m, "NULL");
	insert(m, 4001, 4700);
	db_do(m->c, "BEGIN");
	insert(m, 4701, 5400);
	db_do(m->c, "ROLLBACK");
	insert(m, 5401, 5600);
}

/* Blocks whose rows were replaced, and whose visibility bit is set again: only the LSNs tell. */
static void
scenario_replaced(Maker *m)
{
	start(m, 14, 5000);
	vacuum(m, "(ANALYZE)");
	enable(m, "NULL");
	db_do(m->c, "DELETE FROM %s WHERE id %% 5 = 0", m->t->name);
	vacuum(m, "(INDEX_CLEANUP ON)");
	insert(m, 10001, 10600);
	vacuum(m, rng_percent(&m->rng, 50) ? "(FREEZE)" : "");
}

static void
scenario_deleted_tail(Maker *m)
{
	start(m, 12, 5000);
	vacuum(m, "(ANALYZE)");
	enable(m, "NULL");
	db_do(m->c, "DELETE FROM %s WHERE id > 2500", m->t->name);
	vacuum(m, ""); /* cuts the file */
	if (rng_percent(&m->rng, 50))
		insert(m, 6000, 7000);
}

/* HOT chains: before population (pruned by it or not) and after, on pages with room. */
static void
scenario_hot(Maker *m)
{
	pick_columns(m, 12);
	create(m, "WITH (fillfactor = 50)");
	insert(m, 1, 4000);
	update(m, "id % 13 = 1");
	update(m, "id % 26 = 1");
	if (rng_percent(&m->rng, 50))
		vacuum(m, "(ANALYZE)");
	enable(m, "NULL");
	update(m, "id % 17 = 1");
	update(m, "id % 34 = 1");
	update(m, "id % 51 = 1 AND id < 2000");
	db_do(m->c, "SELECT count(*) FROM %s WHERE id < 1500", m->t->name);
}

static void
forget_column(Table *t, int i)
{
	memmove(&t->cols[i], &t->cols[i + 1], (t->ncols - i - 1) * sizeof(Column));
	t->ncols--;
}

static void
drop_column(Maker *m, int i)
{
	db_do(m->c, "ALTER TABLE %s DROP COLUMN %s", m->t->name, m->t->cols[i].name);
	forget_column(m->t, i);
}

static void
scenario_dropped_columns(Maker *m)
{
	start(m, 14, 4000);
	drop_column(m, 2);
	insert(m, 4001, 4200);
	vacuum(m, "(ANALYZE)");
	enable(m, "NULL");
	drop_column(m, 4);
	if (rng_percent(&m->rng, 50))
		insert(m, 4201, 4300);
}

static void
add_late_column(Maker *m, const char *name, const char *fallback)
{
	int before = m->t->ncols;

	add_column_named(m, name);
	if (m->t->ncols == before)
		return;
	db_do(m->c, "ALTER TABLE %s ADD COLUMN %s %s%s%s", m->t->name, name, m->t->cols[before].kind->type,
		  fallback ? " DEFAULT " : "", fallback ? fallback : "");
}

/* Columns that old rows lack: before population (missing values are copied) and after. */
static void
scenario_added_columns(Maker *m)
{
	start(m, 10, 4000);
	add_late_column(m, "i4_constant", "7");
	add_late_column(m, "t_c", "'missing'");
	insert(m, 4001, 4100);
	vacuum(m, "(ANALYZE)");
	enable(m, "NULL");
	add_late_column(m, "n_money", "12.50");
	add_late_column(m, "t_few", "'late'");
	add_late_column(m, "d", NULL);
	if (rng_percent(&m->rng, 50))
		insert(m, 4101, 4400);
	if (rng_percent(&m->rng, 30))
		update(m, "id % 97 = 0");
}

static void
scenario_some_columns(Maker *m)
{
	Buf list = {0};
	int n = 0;

	start(m, 16, 4000);
	vacuum(m, "(ANALYZE)");
	for (int i = 0; i < m->t->ncols; i++)
		if ((CLASS_BIT(m->t->cols[i].kind->class) & CLASSES_COMMON) && (i < 3 || rng_percent(&m->rng, 50)))
			buf_add(&list, "%s%s", n++ ? "," : "{", m->t->cols[i].name);
	buf_add(&list, "}");
	{
		Buf array = {0};

		buf_literal(&array, list.text);
		enable(m, array.text);
		buf_free(&array);
	}
	buf_free(&list);
	update(m, "id % 401 = 3");
}

/* Emptied and filled again: units of the old file must not answer. */
static void
scenario_truncated(Maker *m)
{
	start(m, 12, 3000);
	vacuum(m, "(ANALYZE)");
	enable(m, "NULL");
	db_do(m->c, "TRUNCATE %s", m->t->name);
	insert(m, 2000, 4500);
	if (rng_percent(&m->rng, 50))
	{
		vacuum(m, "");
		populate(m);
		update(m, "id % 101 = 3");
	}
}

static void
scenario_rewritten(Maker *m)
{
	start(m, 12, 3000);
	vacuum(m, "(ANALYZE)");
	enable(m, "NULL");
	db_do(m->c, "DELETE FROM %s WHERE id %% 3 = 0", m->t->name);
	if (rng_percent(&m->rng, 50))
		vacuum(m, "(FULL)");
	else
	{
		m->t->indexed = true;
		db_do(m->c, "CREATE INDEX %s_id ON %s (id DESC)", m->t->name, m->t->name);
		db_do(m->c, "CLUSTER %s USING %s_id", m->t->name, m->t->name);
	}
	if (rng_percent(&m->rng, 40))
	{
		vacuum(m, "");
		populate(m);
	}
}

/* Types and collations that change under the units, with and without a rewrite. */
static void
scenario_retyped(Maker *m)
{
	pick_columns(m, 6);
	for (int i = 1; i < m->t->ncols; i++)
		m->t->cols[i].null_percent = 0;
	add_column_named(m, "v10");
	add_column_named(m, "t_c");
	add_column_named(m, "n_money");
	add_column_named(m, "i4_wide");
	create(m, "");
	insert(m, 1, 3000);
	vacuum(m, "(ANALYZE)");
	enable(m, "NULL");
	db_do(m->c, "ALTER TABLE %s ALTER v10 TYPE varchar(30)", m->t->name);
	db_do(m->c, "ALTER TABLE %s ALTER t_c TYPE text COLLATE \"en-x-icu\"", m->t->name);
	if (rng_percent(&m->rng, 50))
		db_do(m->c, "ALTER TABLE %s ALTER n_money TYPE numeric", m->t->name);
	if (rng_percent(&m->rng, 50))
		db_do(m->c, "ALTER TABLE %s ALTER i4_wide TYPE bigint", m->t->name);
	if (rng_percent(&m->rng, 50))
	{
		vacuum(m, "");
		populate(m);
	}
}

static void
scenario_evicted(Maker *m)
{
	start(m, 10, 3000);
	vacuum(m, "(ANALYZE)");
	enable(m, "NULL");
	if (m->store)
		db_do(m->c, "SELECT strata.evict('%s')", m->t->name);
}

static void
scenario_compacted(Maker *m)
{
	start(m, 14, 5000);
	vacuum(m, "(ANALYZE)");
	enable(m, "NULL");
	update(m, "id % 61 = 3");
	db_do(m->c, "DELETE FROM %s WHERE id %% 71 = 5", m->t->name);
	insert(m, 5001, 5500);
	if (rng_percent(&m->rng, 50))
		vacuum(m, "(INDEX_CLEANUP ON)");
	if (m->store)
	{
		/* compact does not wait: its job does */
		db_do(m->c,
			  "DO $$ DECLARE j bigint := strata.compact('%s'); BEGIN "
			  "FOR i IN 1..600 LOOP EXIT WHEN EXISTS (SELECT FROM strata.jobs WHERE id = j AND state NOT IN "
			  "('queued', 'running')); PERFORM pg_sleep(0.05); END LOOP; END $$", /* poll */
			  m->t->name);
	}
	update(m, "id % 503 = 3");
}

/* Rows of one table under two names; the leaves are enabled, all but the last. */
static void
scenario_partitioned(Maker *m)
{
	Table *t = m->t;

	pick_columns(m, 12);
	create(m, "PARTITION BY RANGE (id)");
	t->no_ctid = true;
	for (int i = 0; i < 3; i++)
		db_do(m->c, "CREATE TABLE %s_%d PARTITION OF %s FOR VALUES FROM (%d) TO (%d)", t->name, i, t->name,
			  i * 1500, (i + 1) * 1500);
	insert(m, 1, 4499);
	db_do(m->c, "VACUUM (ANALYZE) %s", t->name);
	for (int i = 0; m->store && i < 2; i++)
	{
		db_do(m->c, "SELECT strata.enable('%s_%d')", t->name, i);
		db_do(m->c, "SELECT strata.populate('%s_%d')", t->name, i);
	}
	update(m, "id % 301 = 3");
}

/* By hash, and enabled by its parent where the store takes one. */
static void
scenario_hashed(Maker *m)
{
	Table *t = m->t;

	pick_columns(m, 12);
	create(m, "PARTITION BY HASH (id)");
	t->no_ctid = true;
	for (int i = 0; i < 3; i++)
		db_do(m->c, "CREATE TABLE %s_%d PARTITION OF %s FOR VALUES WITH (MODULUS 3, REMAINDER %d)", t->name,
			  i, t->name, i);
	insert(m, 1, 4000);
	db_do(m->c, "VACUUM (ANALYZE) %s", t->name);
	for (int i = 0; m->store && i < 3; i++)
	{
		db_do(m->c, "SELECT strata.enable('%s_%d')", t->name, i);
		db_do(m->c, "SELECT strata.populate('%s_%d')", t->name, i);
	}
}

/* A column that the table computes. */
static void
scenario_generated(Maker *m)
{
	start(m, 10, 3000);
	for (int i = 1; i <= 2; i++)
	{
		int before = m->t->ncols;

		add_column_named(m, i == 1 ? "i4_signed" : "t_few");
		if (m->t->ncols == before)
			continue;
		m->t->cols[before].generated = true;
		m->t->cols[before].null_percent = 0;
		db_do(m->c, "ALTER TABLE %s ADD COLUMN %s GENERATED ALWAYS AS (%s) STORED", m->t->name,
			  i == 1 ? "i4_signed integer" : "t_few text",
			  i == 1 ? "(id % 1500)::integer - 500" : "CASE WHEN id % 3 = 0 THEN 'MAIL' ELSE 'AIR' END");
	}
	vacuum(m, "(ANALYZE)");
	enable(m, "NULL");
	update(m, "id % 301 = 3");
}

/* Not in the store: what is joined with it has to take rows. */
static void
scenario_outside(Maker *m)
{
	start(m, 12, 3000);
	m->t->indexed = rng_percent(&m->rng, 50);
	if (m->t->indexed)
		db_do(m->c, "CREATE UNIQUE INDEX ON %s (id)", m->t->name);
	vacuum(m, "(ANALYZE)");
}

/* With indexes, which may be the faster way. */
static void
scenario_indexed(Maker *m)
{
	start(m, 14, 8000);
	m->t->indexed = true;
	db_do(m->c, "ALTER TABLE %s ADD PRIMARY KEY (id)", m->t->name);
	for (int i = 1; i < m->t->ncols; i++)
		if ((CLASS_BIT(m->t->cols[i].kind->class) & CLASSES_COMMON) &&
			!(m->t->cols[i].kind->flags & KIND_LONG) && rng_percent(&m->rng, 40))
			db_do(m->c, "CREATE INDEX ON %s (%s)", m->t->name, m->t->cols[i].name);
	vacuum(m, "(ANALYZE)");
	enable(m, "NULL");
	update(m, "id % 401 = 3");
}

/* Rows of a function, behind a view. */
static void
scenario_series(Maker *m)
{
	Buf sql = {0};

	pick_columns(m, 6);
	m->t->no_ctid = true;
	m->t->rows = 600;
	buf_add(&sql, "CREATE VIEW %s AS SELECT g AS id", m->t->name);
	for (int i = 1; i < m->t->ncols; i++)
	{
		buf_add(&sql, ", (");
		value_sql(&sql, &m->t->cols[i], "g", rng_int(&m->rng, 1 << 30));
		buf_add(&sql, ")::%s AS %s", m->t->cols[i].kind->type, m->t->cols[i].name);
	}
	buf_add(&sql, " FROM generate_series(1::bigint, %ld) g", m->t->rows);
	db_do(m->c, "%s", sql.text);
	buf_free(&sql);
}

/* Two tables of the store behind one view. */
static void
scenario_united(Maker *m)
{
	char *view = m->t->name;
	Buf base = {0};

	buf_add(&base, "%s_1", view);
	m->t->name = base.text;
	start(m, 10, 2000);
	vacuum(m, "(ANALYZE)");
	enable(m, "NULL");
	db_do(m->c, "CREATE TABLE %s_2 AS SELECT * FROM %s; UPDATE %s_2 SET id = id + 100000", view, m->t->name,
		  view);
	db_do(m->c, "VACUUM (ANALYZE) %s_2", view);
	if (m->store)
	{
		db_do(m->c, "SELECT strata.enable('%s_2')", view);
		db_do(m->c, "SELECT strata.populate('%s_2')", view);
	}
	db_do(m->c, "CREATE VIEW %s AS SELECT * FROM %s UNION ALL SELECT * FROM %s_2", view, m->t->name, view);
	m->t->name = view;
	m->t->no_ctid = true;
}

static void
scenario_inherited(Maker *m)
{
	Table *t = m->t;

	start(m, 10, 2500);
	t->no_ctid = true;
	vacuum(m, "(ANALYZE)");
	enable(m, "NULL");
	db_do(m->c, "CREATE TABLE %s_child () INHERITS (%s)", t->name, t->name);
	db_do(m->c, "INSERT INTO %s_child SELECT * FROM %s WHERE id %% 4 = 0", t->name, t->name);
	db_do(m->c, "UPDATE %s_child SET id = id + 100000", t->name);
	db_do(m->c, "VACUUM (ANALYZE) %s_child", t->name);
	if (m->store)
	{
		db_do(m->c, "SELECT strata.enable('%s_child')", t->name);
		db_do(m->c, "SELECT strata.populate('%s_child')", t->name);
	}
}

/* Behind a view that lets through two rows of three, and whose condition must see a row before any other
 * does: a security barrier, or a policy that binds the view's owner. */
static void
behind_view(Maker *m, bool policy)
{
	Table *t = m->t;
	char *view = t->name;
	Buf base = {0};

	buf_add(&base, "%s_base", view);
	t->name = base.text;
	start(m, 14, 4000);
	vacuum(m, "(ANALYZE)");
	enable(m, "NULL");
	update(m, "id % 301 = 3");
	if (policy)
	{
		db_do(m->c,
			  "DO $$ BEGIN CREATE ROLE diff_reader; EXCEPTION WHEN duplicate_object THEN NULL; END $$; "
			  "ALTER TABLE %s ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON %s USING (id %% 3 <> 1); "
			  "GRANT SELECT ON %s TO diff_reader; CREATE VIEW %s AS SELECT * FROM %s; "
			  "ALTER VIEW %s OWNER TO diff_reader",
			  t->name, t->name, t->name, view, t->name, view);
	}
	else
		db_do(m->c, "CREATE VIEW %s WITH (security_barrier) AS SELECT * FROM %s WHERE id %% 3 <> 1", view,
			  t->name);
	t->name = view;
	t->no_ctid = true;
}

static void
scenario_barrier(Maker *m)
{
	behind_view(m, false);
}

static void
scenario_policy(Maker *m)
{
	behind_view(m, true);
}

/* Wide range of pages and several units: the only tables where units are skipped and shared out. */
static const char *const many_columns[] = {"i4_few", "i4_runs", "i4_order", "i8_steps",	  "n_money", "n_rate",
										   "t_few",	 "d",		"b",		"f8_eighths", "i2_few",	 "c1"};

static void
scenario_many_units(Maker *m)
{
	add_column(m, &catalogue[0]);
	for (size_t i = 0; i < lengthof(many_columns); i++)
		if (i < 2 || rng_percent(&m->rng, 60))
			add_column_named(m, many_columns[i]);
	create(m, "");
	insert(m, 1, 200000);
	vacuum(m, "(ANALYZE)");
	enable(m, "NULL");
	if (m->serial % 2)
	{
		update(m, "id % 9973 = 3");
		db_do(m->c, "DELETE FROM %s WHERE id BETWEEN 70000 AND 70300", m->t->name);
		insert(m, 200001, 203000);
	}
}

/* As many rows as fill one unit, less one, exactly, and one more. */
static void
scenario_unit_edge(Maker *m)
{
	long full = 0;

	add_column(m, &catalogue[0]);
	add_column_named(m, "i4_few");
	add_column_named(m, "i4_order");
	for (int i = 0; i < m->t->ncols; i++)
		m->t->cols[i].null_percent = 0;
	create(m, "");
	insert(m, 1, 120000);
	vacuum(m, "(ANALYZE)");
	enable(m, "NULL");
	if (m->store)
		full = db_long(m->c, "SELECT rows FROM strata.column_units WHERE relid = '%s'::regclass AND unit = 0",
					   m->t->name);
	if (full <= 0)
		full = 256 * 185;
	db_do(m->c, "TRUNCATE %s", m->t->name);
	m->t->rows = 0;
	insert(m, 1, full - 1 + m->serial % 3);
	vacuum(m, "");
	populate(m);
}

typedef struct Scenario
{
	const char *name;
	void (*make)(Maker *m);
} Scenario;

static const Scenario scenarios[] = {
	{"fresh", scenario_fresh},
	{"stale", scenario_stale},
	{"many_units", scenario_many_units},
	{"tail", scenario_tail},
	{"fresh", scenario_fresh},
	{"replaced", scenario_replaced},
	{"many_units", scenario_many_units},
	{"hot", scenario_hot},
	{"vector_edge", scenario_vector_edge},
	{"empty", scenario_empty},
	{"one_row", scenario_one_row},
	{"dropped_columns", scenario_dropped_columns},
	{"added_columns", scenario_added_columns},
	{"some_columns", scenario_some_columns},
	{"truncated", scenario_truncated},
	{"rewritten", scenario_rewritten},
	{"retyped", scenario_retyped},
	{"all_stale", scenario_all_stale},
	{"deleted_tail", scenario_deleted_tail},
	{"compacted", scenario_compacted},
	{"unvacuumed", scenario_unvacuumed},
	{"evicted", scenario_evicted},
	{"partitioned", scenario_partitioned},
	{"hashed", scenario_hashed},
	{"generated", scenario_generated},
	{"outside", scenario_outside},
	{"indexed", scenario_indexed},
	{"series", scenario_series},
	{"united", scenario_united},
	{"inherited", scenario_inherited},
	{"barrier", scenario_barrier},
	{"policy", scenario_policy},
	{"unit_edge", scenario_unit_edge},
	{"unit_edge", scenario_unit_edge},
	{"unit_edge", scenario_unit_edge},
	{"fresh", scenario_fresh},
	{"stale", scenario_stale},
	{"vector_edge", scenario_vector_edge},
	{"outside", scenario_outside},
	{"partitioned", scenario_partitioned},
	{"fresh", scenario_fresh},
};

/* ---- values to ask for ---- */

static void
add_sample(Column *col, const char *text, size_t len)
{
	col->samples = realloc(col->samples, (col->nsamples + 1) * sizeof(char *));
	col->samples[col->nsamples++] = strndup(text, len);
}

static void
take_samples(PGconn *c, Table *t)
{
	for (int i = 0; i < t->ncols; i++)
	{
		Column *col = &t->cols[i];
		const char *p = col->kind->consts;
		Buf sql = {0};
		PGresult *r;

		for (;;)
		{
			size_t len = strcspn(p, "|");

			add_sample(col, p, len);
			if (!p[len])
				break;
			p += len + 1;
		}
		buf_add(&sql, "SELECT left(%s::text, 60) FROM %s WHERE %s IS NOT NULL ORDER BY hashint8(id) LIMIT 10",
				col->name, t->name, col->name);
		r = PQexec(c, sql.text);
		if (PQresultStatus(r) != PGRES_TUPLES_OK)
		{
			fprintf(stderr, "setup failed: %s%s\n", PQresultErrorMessage(r), sql.text);
			exit(2);
		}
		for (int k = 0; k < PQntuples(r); k++)
			add_sample(col, PQgetvalue(r, k, 0), strlen(PQgetvalue(r, k, 0)));
		PQclear(r);
		buf_clear(&sql);
		/* of the first rows, and as if the others had new ones at the same rate when nearly all differ */
		col->distinct =
			db_long(c, "SELECT count(DISTINCT x) FROM (SELECT left(%s::text, 60) AS x FROM %s LIMIT 4000) s",
					col->name, t->name);
		if (col->distinct > 3000 && t->rows > 4000)
			col->distinct *= t->rows / 4000.0;
		buf_free(&sql);
	}
}

/* Types, a collation and functions that tables and queries use. */
static void
make_names(PGconn *c)
{
	db_do(c, "CREATE COLLATION IF NOT EXISTS loose (provider = icu, locale = 'und-u-ks-level2', "
			 "deterministic = false)");
	db_do(c, "CREATE TYPE diff_mood AS ENUM ('sad', 'ok', 'happy', 'over the moon'); "
			 "CREATE DOMAIN diff_small AS integer CHECK (VALUE < 1000000); "
			 "CREATE DOMAIN diff_word AS text; "
			 "CREATE TYPE diff_pair AS (x integer, y text)");
	db_do(c,
		  "CREATE FUNCTION diff_double(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE "
		  "AS 'SELECT $1 * 2'; "
		  "CREATE FUNCTION diff_or_zero(x numeric) RETURNS numeric LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE "
		  "AS 'BEGIN RETURN coalesce(x, 0); END'; "
		  "CREATE FUNCTION diff_even(x numeric) RETURNS boolean LANGUAGE plpgsql STRICT IMMUTABLE PARALLEL "
		  "SAFE "
		  "AS 'BEGIN RETURN x %% 2 = 0; END'; "
		  "CREATE FUNCTION diff_stable(x numeric) RETURNS numeric LANGUAGE plpgsql STABLE "
		  "AS 'BEGIN RETURN x + 1; END'");
}

void
tables_make(PGconn *c, uint64_t seed, int want, bool store)
{
	if (want <= 0)
		want = lengthof(scenarios);
	make_names(c);
	tables = calloc(want, sizeof(Table));
	ntables = want;
	for (int i = 0; i < want; i++)
	{
		const Scenario *s = &scenarios[i % lengthof(scenarios)];
		Maker m = {c, rng_make(seed, i), &tables[i], store, i};
		char name[64];

		snprintf(name, sizeof(name), "t%02d_%s", i, s->name);
		m.t->name = copy_text(name);
		m.t->scenario = s->name;
		s->make(&m);
		take_samples(c, m.t);
	}
}
