/*
 * prefetcher.c - "pg_strata prefetcher": one static background worker that loads pages which scans asked for ahead.
 *
 * It sleeps until something is queued.  It loads one page after the other, so that a scan that is behind
 * schedule waits for one page's I/O at most; a page that another process loads meanwhile is passed over.
 * Without it (no background worker slot) scans load for themselves.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"

#include "api/memory_worker.h"
#include "pool/prefetch.h"

/* Ids taken at a time.  Few, for what was taken cannot be dropped when a scan no longer wants it. */
#define TAKE_PAGES 8

static void
prefetcher_exit(int code, Datum arg)
{
	strata_prefetch_set_worker(NULL);
}

void
strata_prefetcher_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	/* No database, but a row in pg_stat_activity. */
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	before_shmem_exit(prefetcher_exit, (Datum)0);
	strata_prefetch_set_worker(MyLatch);

	for (;;)
	{
		StrataPageId ids[TAKE_PAGES];
		int n;

		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		n = strata_prefetch_take(ids, TAKE_PAGES);
		for (int i = 0; i < n; i++)
			strata_prefetch_load(ids[i]);
		if (n > 0)
			continue;
		WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, 0, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}
