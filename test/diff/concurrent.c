/*
 * concurrent.c - checkers and writers at the same time.
 *
 * A checker opens a REPEATABLE READ transaction, asks a query with the store off, then with it on: one
 * snapshot, so whatever writers, vacuum, population and eviction do in between, both answers must be the
 * same.  Some checkers write first, to see their own changes.  With a standby the checkers ask there, beside
 * a keeper that populates and evicts there, while the writers' changes arrive by replay.  Each role is a
 * process with its own connection; the checkers' files carry the result.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "diff.h"

#define CHECKERS 2
#define WRITERS	 2

typedef struct Role
{
	const char *conninfo;
	uint64_t seed;
	int number;
	time_t until;
	bool store;
	bool standby; /* conninfo is a standby's: read only, and no SERIALIZABLE */
} Role;

/* Mostly a small one, for many rounds; now and then one of several units. */
static const Table *
some_table(Rng *r)
{
	const Table *t;

	do
		t = &tables[rng_int(r, ntables)];
	while (t->no_ctid || (t->rows > 30000 && !rng_percent(r, 10)));
	return t;
}

/* May fail: deadlocks, serialization failures and locks not had are what writers meet. */
static bool
try(PGconn *c, const char *sql)
{
	PGresult *r = PQexec(c, sql);
	bool ok = PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK;
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);

	if (!ok && (!state || strncmp(state, "XX", 2) == 0))
	{
		printf("not ok: %s%s\n", PQresultErrorMessage(r), sql);
		exit(1);
	}
	PQclear(r);
	return ok;
}

/* Ids stay unique, or ORDER BY id would not be total: each process inserts from a range of its own. */
static long next_id;

static void
write_sql(Buf *b, const Table *t, Rng *r)
{
	char where[96];

	switch (rng_int(r, 4))
	{
		case 0:
			snprintf(where, sizeof(where), "id %% 97 = %d", rng_int(r, 97));
			table_update_sql(b, t, r, where);
			break;
		case 1:
			snprintf(where, sizeof(where), "id BETWEEN %d AND %d + 20", rng_int(r, 5000), rng_int(r, 5000));
			table_update_sql(b, t, r, where);
			break;
		case 2:
			buf_add(b, "DELETE FROM %s WHERE id %% 113 = %d", t->name, rng_int(r, 113));
			break;
		default:
		{
			long from = next_id;

			next_id += rng_int(r, 60) + 1;
			table_insert_sql(b, t, r, from, next_id - 1);
		}
	}
}

static void
keep_sql(Buf *b, const Table *t, Rng *r)
{
	int what = rng_int(r, 10);

	if (what < 7)
		buf_add(b, "SELECT strata.populate('%s', force => %s)", t->name, what < 4 ? "true" : "false");
	else
		buf_add(b, "SELECT strata.%s('%s')", what < 9 ? "compact" : "evict", t->name);
}

static void
vacuum_sql(Buf *b, const Table *t, Rng *r)
{
	static const char *const options[] = {"", "(INDEX_CLEANUP ON)", "(INDEX_CLEANUP ON)", "(FREEZE)"};

	buf_add(b, "VACUUM %s %s", rng_percent(r, 4) ? "(FULL)" : options[rng_int(r, lengthof(options))],
			t->name);
}

static int
run_writer(const Role *role)
{
	PGconn *c = db_connect(role->conninfo);
	Rng r = rng_make(role->seed, 1000 + role->number);

	db_do(c, "SET client_min_messages = error; SET deadlock_timeout = '100ms'; SET lock_timeout = '2s'");
	while (time(NULL) < role->until)
	{
		const Table *t = some_table(&r);
		Buf b = {0};
		int what = rng_int(&r, 100);

		if (role->standby || (role->store && what >= 84))
			keep_sql(&b, t, &r);
		else if (what < 2)
			buf_add(&b, "BEGIN; TRUNCATE %s; %s", t->name, rng_percent(&r, 20) ? "COMMIT" : "ROLLBACK");
		else if (what < 14)
			vacuum_sql(&b, t, &r);
		else
		{
			buf_add(&b, "BEGIN; ");
			for (int i = rng_int(&r, 3); i >= 0; i--)
			{
				write_sql(&b, t, &r);
				buf_add(&b, "; ");
			}
			buf_add(&b, rng_percent(&r, 80) ? "COMMIT" : "ROLLBACK");
		}
		if (!try(c, b.text))
			try(c, "ROLLBACK");
		buf_free(&b);
	}
	PQfinish(c);
	return 0;
}

static void
set_store(PGconn *c, const Role *role, bool on, Rng *r)
{
	Buf sql = {0};

	if (role->store)
		store_set(&sql, true, on, on ? r : NULL);
	if (on && rng_percent(r, 15))
		buf_add(&sql, "; SET LOCAL max_parallel_workers_per_gather = 2; SET LOCAL parallel_setup_cost = 0; "
					  "SET LOCAL parallel_tuple_cost = 0; SET LOCAL min_parallel_table_scan_size = 0");
	if (sql.len)
		db_do(c, "%s", sql.text);
	buf_free(&sql);
}

static void
lock_tables(PGconn *c)
{
	Buf b = {0};

	for (int i = 0; i < ntables; i++)
		buf_add(&b, "%s%s", i ? ", " : "LOCK TABLE ", tables[i].name);
	buf_add(&b, " IN ACCESS SHARE MODE");
	db_do(c, "%s", b.text);
	buf_free(&b);
}

/* Asks in a subtransaction, so that an error leaves the snapshot alone. */
static void
ask(PGconn *c, const Query *q, Answer *a)
{
	db_do(c, "SAVEPOINT q");
	PQsendQuery(c, q->sql.text);
	answer_collect(c, a);
	if (PQstatus(c) == CONNECTION_OK)
		db_do(c, "ROLLBACK TO q");
}

/* False also when the query fails in planning. */
static bool
uses_store(PGconn *c, const Query *q)
{
	Buf sql = {0};
	PGresult *r;
	bool ours = false;

	buf_add(&sql, "EXPLAIN (COSTS OFF) %s", q->sql.text);
	r = PQexec(c, sql.text);
	for (int i = 0; PQresultStatus(r) == PGRES_TUPLES_OK && i < PQntuples(r); i++)
		ours |= strstr(PQgetvalue(r, i, 0), "(Strata") != NULL;
	PQclear(r);
	buf_free(&sql);
	return ours;
}

/* Changes of the checker's own, some of them taken back.  False: it met a conflict, and has to start again.
 */
static bool
write_first(PGconn *c, const Table *t, Rng *r, Buf *own)
{
	write_sql(own, t, r);
	if (rng_percent(r, 30))
	{
		buf_add(own, "; SAVEPOINT s; ");
		write_sql(own, t, r);
		buf_add(own, "; ROLLBACK TO s");
	}
	return try(c, own->text);
}

/* Conflicts of transactions and locks not had say nothing about answers. */
static bool
is_conflict(const Answer *a)
{
	return strncmp(a->sqlstate, "40", 2) == 0 || strcmp(a->sqlstate, "55P03") == 0;
}

typedef struct Tally
{
	long asked, failed, ours;
} Tally;

/* One transaction of a checker.  False when the server is gone. */
static bool
check(PGconn *c, const Role *role, uint64_t no, Rng *r, Tally *n)
{
	const Table *t = some_table(r);
	Query q;
	Answer a = {0}, b = {0};
	Buf why = {0}, own = {0};

	query_make_on(&q, role->seed, no, t);
	db_do(c, "BEGIN ISOLATION LEVEL %s",
		  role->standby || rng_percent(r, 85) ? "REPEATABLE READ" : "SERIALIZABLE");
	/* TRUNCATE is not MVCC: it may only come before the snapshot or after the transaction */
	lock_tables(c);
	if (role->standby || !rng_percent(r, 25) || write_first(c, t, r, &own))
	{
		set_store(c, role, false, r);
		ask(c, &q, &a);
		/* a moment for the writers; the snapshot stays */
		if (rng_percent(r, 50))
			usleep(rng_int(r, 30000)); /* not to poll anything: to let writers in */
		set_store(c, role, true, r);
		ask(c, &q, &b);
		if (PQstatus(c) != CONNECTION_OK)
		{
			printf("not ok: the server went away, query %llu\nsql: %s\n", (unsigned long long)no, q.sql.text);
			return false;
		}
		if (!is_conflict(&a) && !is_conflict(&b))
		{
			if (!answers_equal(&a, &b, q.ordered, &why) && ++n->failed <= 5)
				printf("not ok: concurrent, seed %llu, query %llu, table %s\nsql: %s\nown writes: %s\n%s",
					   (unsigned long long)role->seed, (unsigned long long)no, t->name, q.sql.text,
					   buf_text(&own), buf_text(&why));
			if (++n->asked % 16 == 0)
				n->ours += uses_store(c, &q) ? 16 : 0;
		}
	}
	db_do(c, "ROLLBACK");
	answer_free(&a);
	answer_free(&b);
	query_free(&q);
	buf_free(&why);
	buf_free(&own);
	return true;
}

static void
tally_name(char *name, size_t size, int number)
{
	snprintf(name, size, "checker.%d", number);
}

static int
run_checker(const Role *role)
{
	PGconn *c = db_connect(role->conninfo);
	Rng r = rng_make(role->seed, 2000 + role->number);
	Tally n = {0};
	FILE *result;
	char name[64];

	db_do(c,
		  "SET client_min_messages = error; SET statement_timeout = '60s'; SET deadlock_timeout = '100ms'; "
		  "SET jit = off; SET max_parallel_workers_per_gather = 0; SET lock_timeout = '70s'");
	if (role->store)
		store_find(c);
	for (uint64_t no = (uint64_t)role->number << 32; time(NULL) < role->until; no++)
		if (!check(c, role, no, &r, &n))
			return 1;
	PQfinish(c);
	tally_name(name, sizeof(name), role->number);
	result = fopen(name, "w");
	if (!result)
		return 1;
	fprintf(result, "%ld %ld %ld\n", n.asked, n.failed, n.ours);
	fclose(result);
	return n.failed ? 1 : 0;
}

/* Waits until the standby has what the primary has, and populates there. */
static void
prepare_standby(PGconn *primary, const char *conninfo, bool store)
{
	char *lsn = db_value(primary, "SELECT pg_current_wal_insert_lsn()");
	PGconn *c = db_connect(conninfo);

	while (db_long(c, "SELECT (pg_last_wal_replay_lsn() >= '%s')::int", lsn) == 0)
		usleep(50000); /* poll */
	if (store)
		db_do(c, "SELECT strata.populate(relid) FROM strata.enabled_tables");
	PQfinish(c);
	free(lsn);
}

int
concurrent_run(const char *conninfo, const char *standby, uint64_t seed, int seconds, bool store)
{
	PGconn *c = db_connect(conninfo);
	/* the last is the standby's keeper */
	int nroles = CHECKERS + WRITERS + (standby && store ? 1 : 0);
	pid_t pids[CHECKERS + WRITERS + 1];
	Tally n = {0};
	long broken = 0;

	db_do(c, "SET statement_timeout = '60s'");
	tables_make(c, seed, 9, store);
	if (standby)
		prepare_standby(c, standby, store);
	PQfinish(c);
	for (int i = 0; i < nroles; i++)
	{
		bool there = standby && (i < CHECKERS || i == CHECKERS + WRITERS);
		Role role = {there ? standby : conninfo, seed, i, time(NULL) + seconds, store, there};

		fflush(stdout);
		pids[i] = fork();
		next_id = (i + 1) * 10000000L;
		if (pids[i] == 0)
			exit(i < CHECKERS ? run_checker(&role) : run_writer(&role));
	}
	for (int i = 0; i < nroles; i++)
	{
		int status;
		char name[64];
		FILE *f;
		Tally one;

		waitpid(pids[i], &status, 0);
		tally_name(name, sizeof(name), i);
		if (i < CHECKERS && (f = fopen(name, "r")) != NULL)
		{
			if (fscanf(f, "%ld %ld %ld", &one.asked, &one.failed, &one.ours) == 3)
				n.asked += one.asked, n.failed += one.failed, n.ours += one.ours;
			fclose(f);
			unlink(name);
		}
		else if (i < CHECKERS || status != 0)
			broken++;
	}
	printf("# %d checkers%s, %d writers, %d s; about %ld plans through the column store\n", CHECKERS,
		   standby ? " on a standby" : "", WRITERS, seconds, n.ours);
	if (store && n.ours == 0)
	{
		printf("not ok: no plan that was looked at went through the column store\n");
		broken++;
	}
	printf("%ld passed, %ld failed\n", n.asked - n.failed, n.failed + broken);
	return (int)(n.failed + broken);
}
