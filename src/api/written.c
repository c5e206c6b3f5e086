/*
 * written.c - tells the keeper of a database of transactions that have written much, so that it looks at the
 * pages they have changed before a query has to (upkeep.c).
 *
 * What stands for the heap does not depend on it: a transaction that nobody tells of is found out by the
 * first query.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/instrument.h"
#include "miscadmin.h"

#include "api/workers.h"

/* WAL records of a transaction that is worth it.  Some thousand changed pages take a query some milliseconds.
 */
#define WRITTEN_MUCH 5000

/* A transaction that went back has changed the pages all the same. */
static void
written_xact(XactEvent event, void *arg)
{
	static int64 before = 0;
	int64 written = pgWalUsage.wal_records - before;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	before = pgWalUsage.wal_records;
	if (written >= WRITTEN_MUCH)
		strata_workers_written(MyDatabaseId);
}

void
strata_written_start(void)
{
	RegisterXactCallback(written_xact, NULL);
}
