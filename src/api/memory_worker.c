/*
 * memory_worker.c - "pg_strata memory": one static background worker that measures memory pressure and acts
 * on it, and does what has no one else to do it.
 *
 * Once a second it measures.  It is connected to no database.  An ERROR ends it; the postmaster starts it
 * again 5 seconds later.  Without it (no background worker slot) the store works on: the limit is kept by
 * whoever allocates, but nothing is done about pressure; the launcher says so in the log.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "alloc/region.h"
#include "api/memory_worker.h"
#include "ring/publish.h"

#define MEASURE_INTERVAL_MS 1000

typedef struct MemoryWorkerShared
{
	pg_atomic_uint32 pid; /* of the worker, 0: none */
} MemoryWorkerShared;

static MemoryWorkerShared *shared;

bool
strata_memory_worker_running(void)
{
	return shared != NULL && pg_atomic_read_u32(&shared->pid) != 0;
}

/* ---- pressure ---- */

static void
publish_pressure(const StrataPressure *p, const char *const *actions, int nactions)
{
	const StrataPressureReading *r = &p->reading[p->source];
	StrataEvent ev;

	strata_event_begin(&ev, p->level == STRATA_PRESSURE_NORMAL	   ? STRATA_EV_PRESSURE_RESOLVED
							: p->level == STRATA_PRESSURE_CRITICAL ? STRATA_EV_PRESSURE_CRITICAL
																   : STRATA_EV_PRESSURE_WARNING);
	strata_event_text(&ev, STRATA_F_PRESSURE_LEVEL, strata_pressure_level_name(p->level));
	strata_event_int(&ev, STRATA_F_TOTAL_BYTES, (int64)r->total);
	strata_event_int(&ev, STRATA_F_USED_BYTES, (int64)r->used);
	strata_event_int(&ev, STRATA_F_AVAILABLE_BYTES, (int64)r->available);
	strata_event_double(&ev, STRATA_F_UTILIZATION_PERCENT, r->percent);
	strata_event_text(&ev, STRATA_F_SOURCE, strata_pressure_source_name(p->source));
	strata_event_list(&ev, STRATA_F_ACTIONS_TAKEN, actions, nactions);
	strata_event_publish(&ev);
}

static void
measure(void)
{
	StrataRegionStatus region;
	StrataPressure now;

	strata_region_status(&region);
	if (!strata_pressure_measure(region.limit, region.used + region.overhead, &now))
		return;
	strata_counter_add(STRATA_C_PRESSURE_CHANGES, 1);
	strata_gauge_set(STRATA_C_PRESSURE_LEVEL, now.level);
	publish_pressure(&now, NULL, 0);
}

/* ---- main ---- */

static void
memory_worker_exit(int code, Datum arg)
{
	pg_atomic_write_u32(&shared->pid, 0);
}

void
strata_memory_main(Datum arg)
{
	MemoryContext context;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	/* No database, but a row in pg_stat_activity. */
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	before_shmem_exit(memory_worker_exit, (Datum)0);
	pg_atomic_write_u32(&shared->pid, MyProcPid);
	context = AllocSetContextCreate(TopMemoryContext, "strata memory worker", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	strata_pressure_apply_settings();

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			strata_pressure_apply_settings();
		}
		measure();
		MemoryContextReset(context);
		WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, MEASURE_INTERVAL_MS,
				  PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

/* ---- module ---- */

static Size
memory_worker_shmem_size(void)
{
	return MAXALIGN(sizeof(MemoryWorkerShared));
}

static void
memory_worker_shmem_startup(void)
{
	bool found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("pg_strata memory worker", sizeof(MemoryWorkerShared), &found);
	if (!found)
		pg_atomic_init_u32(&shared->pid, 0);
	LWLockRelease(AddinShmemInitLock);
}

static void
register_worker(const char *name, const char *function)
{
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = 5;
	strlcpy(worker.bgw_library_name, "pg_strata", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, function, BGW_MAXLEN);
	strlcpy(worker.bgw_name, name, BGW_MAXLEN);
	strlcpy(worker.bgw_type, name, BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

static void
memory_worker_start(bool preloaded)
{
	if (preloaded)
		register_worker("pg_strata memory", "strata_memory_main");
}

const StrataModule strata_memory_worker_module = {
	.name = "memory worker",
	.shmem_size = memory_worker_shmem_size,
	.shmem_startup = memory_worker_shmem_startup,
	.start = memory_worker_start,
};
