/*
 * modes.c - the settings under which a query is asked: the column store's switches, parallelism, memory,
 * kernel level, and which joins the planner may choose.
 */
#include <string.h>

#include "diff.h"

#define MAX_PAIRS 3000000.0

/* The switches that the server has: strata.column_scan, strata.column_aggregate, strata.column_join ... */
static char *switches[16];
static int nswitches;

static const char *const parallel_on =
	"SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; "
	"SET min_parallel_table_scan_size = 0";
static const char *const parallel_off =
	"SET max_parallel_workers_per_gather = 0; RESET parallel_setup_cost; RESET parallel_tuple_cost; "
	"RESET min_parallel_table_scan_size";

void
store_find(PGconn *c)
{
	PGresult *r;

	if (nswitches)
		return;
	r = PQexec(
		c, "SELECT name FROM pg_settings WHERE name LIKE 'strata.column%' AND vartype = 'bool' ORDER BY 1");
	for (int i = 0; i < PQntuples(r) && nswitches < (int)lengthof(switches); i++)
		switches[nswitches++] = copy_text(PQgetvalue(r, i, 0));
	PQclear(r);
}

void
store_set(Buf *b, bool local, bool on, Rng *some_off)
{
	for (int i = 0; i < nswitches; i++)
		buf_add(b, "%sSET %s%s = %s", b->len ? "; " : "", local ? "LOCAL " : "", switches[i],
				on && !(some_off && rng_percent(some_off, 8)) ? "on" : "off");
}

/*
 * What PostgreSQL may choose among its own joins, sorts and groups: now and then not the cheapest, so that
 * ours meet every kind of neighbour, and are taken where they would not be the cheapest.
 */
static void
add_planner(Buf *b, Rng *r, bool any)
{
	static const char *const names[] = {"enable_hashjoin",		   "enable_mergejoin", "enable_nestloop",
										"enable_hashagg",		   "enable_sort",	   "enable_memoize",
										"enable_incremental_sort", "enable_indexscan"};
	bool plain = rng_percent(r, 60), no_joins = rng_percent(r, 15);
	int kept = rng_percent(r, 70) ? 0 : 1; /* hash or merge join: without both the rest takes hours */

	for (size_t i = 0; i < lengthof(names); i++)
		buf_add(b, "; SET %s = %s", names[i],
				((no_joins && i < 3) || (!plain && rng_percent(r, 20))) && (any || (int)i != kept) ? "off"
																								   : "on");
	buf_add(b, "; SET enable_partitionwise_join = %s; SET enable_partitionwise_aggregate = %s",
			rng_percent(r, 50) ? "on" : "off", rng_percent(r, 50) ? "on" : "off");
}

void
mode_make(Buf *b, uint64_t seed, long no, const Query *q, bool store)
{
	static const char *const levels[] = {"auto", "scalar", "avx2"};
	Rng r = rng_make(seed ^ 0x6d6f6465, no);
	int p = rng_int(&r, 100);

	buf_add(b, "%s; SET force_parallel_mode = %s", p < 30 ? parallel_on : parallel_off,
			p < 5 ? "regress" : "off");
	buf_add(b, "; SET work_mem = '%s'", rng_percent(&r, 15) ? "64kB" : "32MB");
	add_planner(b, &r, q->pairs < MAX_PAIRS);
	if (store)
	{
		bool all = rng_percent(&r, 75);

		buf_add(b, "; SET strata.simd = %s", levels[rng_int(&r, lengthof(levels))]);
		store_set(b, false, true, all ? NULL : &r);
	}
}
