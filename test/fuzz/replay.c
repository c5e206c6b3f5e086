/*
 * replay.c - reads the queries that sqlsmith prints and asks each with the column store off and on.
 *
 * All answers of a query come from one REPEATABLE READ snapshot.  First PostgreSQL against itself: the query
 * as it is, and over a copy of the tables whose rows lie in another order, with other joins.  Where these two
 * differ, the query leaves something to chance (LIMIT without ORDER BY, array_agg, random()), and says
 * nothing.  Where they agree, the column store has to give that answer too, both as the planner would have it
 * and with PostgreSQL's own scans and joins forbidden.
 *
 * An error that only one side raises is not held against it when it is one of data: a plan may evaluate an
 * expression for more rows, or fewer.  It is printed all the same.  Floats are compared to twelve digits:
 * their sums depend on the order of the rows.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../diff/diff.h"

#define MAX_REPORTED 20
#define MAX_LOST	 50

typedef struct Tally
{
	long asked, agreed, errors, chance, timeouts, data_errors, slow, failed, ours, writes;
} Tally;

static const char *conninfo;
static PGconn *conn;
static Tally n;
static jmp_buf give_up; /* to the next query, with a new connection */

static const char *const other_plan = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_hashagg = off";
static const char *const forced = "SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off; "
								  "SET LOCAL enable_bitmapscan = off; SET LOCAL enable_hashjoin = off; "
								  "SET LOCAL enable_mergejoin = off; SET LOCAL enable_nestloop = off";
static const char *const forced_parallel =
	"SET LOCAL enable_seqscan = off; SET LOCAL max_parallel_workers_per_gather = 2; "
	"SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; "
	"SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL work_mem = '64kB'";

static void
reconnect(void)
{
	for (int i = 0, good = 0; i < 100 && good < 5; i++)
	{
		usleep(200000); /* poll: PQping */
		good = PQping(conninfo) == PQPING_OK ? good + 1 : 0;
	}
	if (conn)
		PQfinish(conn);
	conn = db_connect(conninfo);
	db_do(conn, "SET client_min_messages = error; SET jit = off; SET lock_timeout = '2s'; SET "
				"extra_float_digits = 1");
	store_find(conn);
}

/* A statement of the test's own.  It fails only when the server goes away, by another's crash too: then the
 * query at hand is given up. */
static void
must(const char *format, ...)
{
	va_list ap;
	char text[1000];
	PGresult *r;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	r = PQexec(conn, text);
	if (PQresultStatus(r) == PGRES_COMMAND_OK)
	{
		PQclear(r);
		return;
	}
	printf("not ok: %s%s\n", PQresultErrorMessage(r), text);
	fflush(stdout);
	n.failed++;
	PQclear(r);
	longjmp(give_up, 1);
}

/* ---- texts ---- */

static bool
word_at(const char *p, const char *word)
{
	size_t len = strlen(word);

	return strncasecmp(p, word, len) == 0 && !isalnum((unsigned char)p[len]) && p[len] != '_';
}

/* `limit N`, or `tablesample METHOD (N)`, at p: where it ends, else NULL. */
static const char *
end_of_choice(const char *p, bool *of_one)
{
	const char *q = p;

	*of_one = false;
	if (word_at(p, "limit"))
	{
		q += strlen("limit");
		q += strspn(q, " \n");
		q += strspn(q, "0123456789");
		*of_one = word_at(q + strspn(q, " \n"), "offset");
		return q;
	}
	if (word_at(p, "tablesample"))
	{
		q = strchr(q, ')');
		return q ? q + 1 : NULL;
	}
	return NULL;
}

/*
 * sqlsmith ends most of its selects with `limit N`, and samples every other table, which makes the answer a
 * matter of chance: taken out; but `limit 1 offset N` of a subselect that has to give one row gets an order.
 */
static void
without_choices(Buf *out, const char *sql)
{
	bool quoted = false;

	for (const char *p = sql; *p; p++)
	{
		const char *end = NULL;
		bool of_one;

		if (*p == '\'' || *p == '"')
			quoted = !quoted;
		if (!quoted && p > sql && isspace((unsigned char)p[-1]))
			end = end_of_choice(p, &of_one);
		if (!end)
			buf_add(out, "%c", *p);
		else
		{
			if (of_one)
				buf_add(out, "order by 1 %.*s", (int)(end - p), p);
			p = end - 1;
		}
	}
}

/* The same over the copy of the tables. */
static void
over_copy(Buf *out, const char *sql)
{
	for (const char *p = sql; *p; p++)
		if (strncmp(p, "public.", 7) == 0 && (p == sql || !(isalnum((unsigned char)p[-1]) || p[-1] == '_')))
		{
			buf_add(out, "shadow.");
			p += 6;
		}
		else
			buf_add(out, "%c", *p);
}

static bool
reads_only(const char *sql)
{
	sql += strspn(sql, " \n\t(");
	return word_at(sql, "select") || (word_at(sql, "with") && !strcasestr(sql, "insert into") &&
									  !strcasestr(sql, "update public") && !strcasestr(sql, "delete from"));
}

/* ---- asking ---- */

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

/* The same answer with floats cut to twelve digits. */
static void
cut_floats(Answer *a)
{
	for (int i = 0; i < a->nresults; i++)
	{
		PGresult *r = a->results[i], *copy;

		copy = PQcopyResult(r, PG_COPYRES_ATTRS | PG_COPYRES_TUPLES);
		for (int col = 0; col < PQnfields(r); col++)
		{
			bool single = PQftype(r, col) == 700;

			for (int row = 0; (single || PQftype(r, col) == 701) && row < PQntuples(r); row++)
			{
				char text[40];

				if (PQgetisnull(r, row, col))
					continue;
				snprintf(text, sizeof(text), single ? "%.5g" : "%.12g", atof(PQgetvalue(r, row, col)));
				PQsetvalue(copy, row, col, text, (int)strlen(text));
			}
		}
		PQclear(r);
		a->results[i] = copy;
	}
}

static double
ask(const char *sql, bool on, const char *settings, Answer *a)
{
	Buf set = {0};
	double begun;

	store_set(&set, true, on, NULL);
	must("SAVEPOINT q; %s%s%s", set.text, settings ? "; " : "", settings ? settings : "");
	buf_free(&set);
	begun = now_ms();
	PQsendQuery(conn, sql);
	answer_collect(conn, a);
	begun = now_ms() - begun;
	cut_floats(a);
	if (PQstatus(conn) == CONNECTION_OK)
		must("ROLLBACK TO q");
	return begun;
}

static bool
uses_store(const char *sql, const char *settings)
{
	Buf set = {0};
	PGresult *r;
	bool ours = false;

	store_set(&set, true, true, NULL);
	must("SAVEPOINT q; %s; %s", set.text, settings);
	buf_clear(&set);
	buf_add(&set, "EXPLAIN (COSTS OFF) %s", sql);
	r = PQexec(conn, set.text);
	for (int i = 0; PQresultStatus(r) == PGRES_TUPLES_OK && i < PQntuples(r); i++)
		ours |= strstr(PQgetvalue(r, i, 0), "(Strata") != NULL;
	PQclear(r);
	buf_free(&set);
	must("ROLLBACK TO q");
	return ours;
}

static bool
is_timeout(const Answer *a)
{
	return strcmp(a->sqlstate, "57014") == 0 || strcmp(a->sqlstate, "55P03") == 0;
}

static void
report(const char *what, const char *sql, const char *settings, const char *why)
{
	if (n.failed <= MAX_REPORTED)
		printf("%s\nsettings: %s\nsql: %s\n%s\n", what, settings ? settings : "(none)", sql, why);
	fflush(stdout);
}

/* The answer of the column store against the one that PostgreSQL gives. */
static void
judge(const char *sql, const char *settings, const Answer *off, const Answer *on)
{
	Buf why = {0};

	if (on->sqlstate[0] && strcmp(on->sqlstate, "08006") == 0)
	{
		n.failed++;
		report("not ok: the server went away", sql, settings, on->message);
	}
	else if (is_timeout(on))
		n.slow++;
	else if (!answers_equal(off, on, false, &why))
	{
		/* not those that say that the server failed, or that something is not supported or too long */
		static const char *const ours[] = {"XX", "57", "53", "54", "0A", "08"};
		bool of_data = true;

		for (size_t i = 0; i < lengthof(ours); i++)
			of_data &= strncmp(on->sqlstate, ours[i], 2) != 0;
		if ((off->sqlstate[0] || on->sqlstate[0]) && of_data)
		{
			n.data_errors++;
			report("# an error of data on one side", sql, settings, why.text);
		}
		else
		{
			n.failed++;
			report("not ok: different answers", sql, settings, why.text);
		}
	}
	else
		n.agreed++;
	buf_free(&why);
}

/* Does PostgreSQL still say what it said? Statistics and WAL positions move on in any snapshot. */
static bool
still_so(const char *sql, const Answer *off)
{
	Answer again;
	Buf why = {0};
	bool same;

	ask(sql, false, NULL, &again);
	same = answers_equal(off, &again, false, &why);
	answer_free(&again);
	buf_free(&why);
	return same;
}

static void
try_store(const char *sql, const char *settings, const Answer *off)
{
	Answer on;
	Buf why = {0};

	if (PQstatus(conn) != CONNECTION_OK)
		return;
	ask(sql, true, settings, &on);
	if (PQstatus(conn) == CONNECTION_OK && !answers_equal(off, &on, false, &why) && !still_so(sql, off))
		n.chance++;
	else
		judge(sql, settings, off, &on);
	answer_free(&on);
	buf_free(&why);
}

static void
replay(const char *original)
{
	Buf sql = {0}, copy = {0}, why = {0};
	Answer a = {0}, b = {0};

	if (!reads_only(original))
	{
		n.writes++;
		return;
	}
	without_choices(&sql, original);
	over_copy(&copy, sql.text);
	must("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '1s'");
	n.asked++;
	ask(sql.text, false, NULL, &a);
	if (is_timeout(&a))
		n.timeouts++;
	else if (a.sqlstate[0] && strncmp(a.sqlstate, "22", 2) != 0)
	{
		/* refused by the grammar or the types: nothing to compare, but it has to be refused again */
		n.errors++;
		try_store(sql.text, forced, &a);
	}
	else if (ask(copy.text, false, other_plan, &b), is_timeout(&b))
		n.timeouts++;
	else if (!answers_equal(&a, &b, false, &why))
		n.chance++;
	else
	{
		static const char *const ways[] = {NULL, forced_parallel};

		must("SET LOCAL statement_timeout = '8s'");
		try_store(sql.text, forced, &a);
		try_store(sql.text, ways[n.asked % 2], &a);
		if (n.asked % 16 == 0 && PQstatus(conn) == CONNECTION_OK)
			n.ours += uses_store(sql.text, forced) ? 16 : 0;
	}
	if (PQstatus(conn) == CONNECTION_OK)
		must("ROLLBACK");
	else
		reconnect();
	answer_free(&a);
	answer_free(&b);
	buf_free(&sql);
	buf_free(&copy);
	buf_free(&why);
}

static void
sum_up(void)
{
	printf("# %ld queries: %ld answers agree (about %ld queries through the column store), %ld refused, "
		   "%ld left something to chance, %ld too long, %ld too long with the store only, %ld errors of data "
		   "on one side; "
		   "%ld that write were left to sqlsmith\n",
		   n.asked, n.agreed, n.ours, n.errors, n.chance, n.timeouts, n.slow, n.data_errors, n.writes);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	Buf query = {0};
	char *line = NULL;
	size_t room = 0;

	volatile int lost = 0;

	if (argc != 2)
	{
		fprintf(stderr, "usage: replay CONNINFO < queries\n");
		return 2;
	}
	conninfo = argv[1];
	reconnect();
	while (getline(&line, &room, stdin) > 0)
	{
		size_t len = strcspn(line, "\n");

		buf_add(&query, "%.*s\n", (int)len, line);
		if (len == 0 || line[len - 1] != ';')
			continue;
		query.text[query.len - 2] = '\0';
		if (setjmp(give_up) == 0)
			replay(query.text);
		else if (++lost < MAX_LOST)
			reconnect();
		else
			break;
		if (n.asked % 1000 == 999)
			sum_up();
		buf_clear(&query);
	}
	sum_up();
	printf("%ld passed, %ld failed\n", n.agreed, n.failed);
	return n.failed ? 1 : 0;
}
