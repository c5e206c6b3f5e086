/*
 * launcher.c - the launcher: one static background worker that starts a population worker where one is
 * wanted.
 *
 * A worker serves one database, and at most strata.populate_workers exist.  The launcher starts one when
 * somebody asks (a job, a commit that changed strata.enabled_tables), once for every database after the
 * server started, and now and then for databases known to have enabled tables.  The first worker of a
 * database is its keeper; others are started while there is more to copy than it can do, and leave when there
 * is not.  When all slots are taken and a database has no worker, one that is idle, or a second one of some
 * database, is asked to leave.  Once a second the launcher also refreshes the gauges and the heartbeat of the
 * event ring.
 */
#include "postgres.h"

#include <signal.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/procarray.h"
#include "storage/shmem.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "alloc/region.h"
#include "api/memory_worker.h"
#include "api/workers.h"
#include "base/compat.h"
#include "column/store.h"
#include "ring/publish.h"

/* After an attempt to start a worker failed. */
#define RETRY_INTERVAL_MS 1000
/* A registered worker that has not come up by then never will. */
#define START_TIMEOUT_MS 60000
/* A job waits this long for a free background worker slot before it fails. */
#define NO_WORKER_FAIL_MS 10000
/* An idle worker may be asked to make room after this long. */
#define IDLE_LEAVE_MS 3000
/* On a standby, how often all databases are looked at: their tables are enabled elsewhere. */
#define STANDBY_RESCAN_MS 60000
/* How often databases that were dropped are looked for. */
#define SWEEP_INTERVAL_MS 10000
#define HOLD_WAIT_MS	  10000
/* The memory worker is registered beside the launcher; if it is not there by then, it has no slot. */
#define MEMORY_WORKER_WAIT_MS 10000

StrataWorkers *strata_workers = NULL;

/* ---- requests from other processes ---- */

/* Lock held.  NULL when the database is not known. */
static StrataDatabase *
database_find(Oid database)
{
	for (int i = 0; i < STRATA_MAX_DATABASES; i++)
		if (strata_workers->databases[i].database == database)
			return &strata_workers->databases[i];
	return NULL;
}

/* Lock held.  Made when it is not known; NULL when the table is full. */
static StrataDatabase *
database_entry(Oid database)
{
	StrataDatabase *entry = database_find(database);

	if (!entry)
	{
		entry = database_find(InvalidOid);
		if (entry)
		{
			memset(entry, 0, sizeof(*entry));
			entry->database = database;
		}
	}
	return entry;
}

/* The slot of a database's keeper.  Lock held. */
static StrataWorkerSlot *
keeper_of(Oid database)
{
	for (int i = 0; i < STRATA_MAX_WORKERS; i++)
		if (strata_workers->slots[i].database == database && strata_workers->slots[i].keeper)
			return &strata_workers->slots[i];
	return NULL;
}

/* Lock held. */
static int
slots_used(void)
{
	int n = 0;

	for (int i = 0; i < STRATA_MAX_WORKERS; i++)
		n += OidIsValid(strata_workers->slots[i].database);
	return n;
}

void
strata_workers_wake(Oid database)
{
	StrataWorkerSlot *slot;
	StrataDatabase *entry;

	if (!strata_workers)
		return;
	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	slot = keeper_of(database);
	if (slot)
	{
		slot->look = true;
		if (slot->latch)
			SetLatch(slot->latch);
	}
	else
	{
		entry = database_entry(database);
		if (entry)
			entry->look = true;
		else
			strata_workers->rescan = true;
		if (strata_workers->launcher_latch)
			SetLatch(strata_workers->launcher_latch);
	}
	LWLockRelease(strata_workers->lock);
}

void
strata_workers_written(Oid database)
{
	StrataWorkerSlot *slot;

	if (!strata_workers)
		return;
	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	slot = keeper_of(database);
	if (slot)
	{
		slot->written = true;
		if (slot->latch)
			SetLatch(slot->latch);
	}
	LWLockRelease(strata_workers->lock);
}

void
strata_workers_call(Oid database)
{
	for (int i = 0; i < STRATA_MAX_WORKERS; i++)
	{
		StrataWorkerSlot *slot = &strata_workers->slots[i];

		if (slot->database == database && slot->latch && slot->job == 0)
			SetLatch(slot->latch);
	}
	if (!keeper_of(database))
	{
		StrataDatabase *entry = database_entry(database);

		if (entry)
			entry->look = true;
		else
			strata_workers->rescan = true;
	}
	else if (slots_used() >= strata_populate_workers)
		return;
	if (strata_workers->launcher_latch)
		SetLatch(strata_workers->launcher_latch);
}

static bool
hold_alive(const StrataHold *hold)
{
	return hold->pid != 0 && (hold->pid == MyProcPid || BackendPidGetProc(hold->pid) != NULL);
}

void
strata_workers_hold(Oid database)
{
	TimestampTz deadline;

	if (!strata_workers)
		return;
	deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), HOLD_WAIT_MS);
	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	for (int i = 0; i < STRATA_MAX_HOLDS; i++)
		if (!hold_alive(&strata_workers->holds[i]))
		{
			strata_workers->holds[i].database = database;
			strata_workers->holds[i].pid = MyProcPid;
			break;
		}
	LWLockRelease(strata_workers->lock);

	ConditionVariablePrepareToSleep(&strata_workers->changed);
	for (;;)
	{
		bool some = false;

		LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
		for (int i = 0; i < STRATA_MAX_WORKERS; i++)
		{
			StrataWorkerSlot *slot = &strata_workers->slots[i];

			if (slot->database != database)
				continue;
			some = true;
			slot->stop = true;
			if (slot->latch)
				SetLatch(slot->latch);
			if (slot->pid != 0 && slot->job != 0)
				kill(slot->pid, SIGINT);
		}
		LWLockRelease(strata_workers->lock);
		/* Not an error of ours when a worker stays: the command then says that the database is in use. */
		if (!some || GetCurrentTimestamp() > deadline)
			break;
		ConditionVariableTimedSleep(&strata_workers->changed, 200, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
}

void
strata_workers_release(Oid database)
{
	bool known;

	if (!strata_workers)
		return;
	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	for (int i = 0; i < STRATA_MAX_HOLDS; i++)
		if (strata_workers->holds[i].pid == MyProcPid && strata_workers->holds[i].database == database)
			strata_workers->holds[i].pid = 0;
	known = database_find(database) != NULL;
	LWLockRelease(strata_workers->lock);
	/* The database may still be there: refused, renamed, copied. */
	if (known)
		strata_workers_wake(database);
}

/* ---- the launcher ---- */

/* Of the workers this launcher registered; by slot. */
static BackgroundWorkerHandle *handles[STRATA_MAX_WORKERS];

static void
launcher_exit(int code, Datum arg)
{
	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	strata_workers->launcher_latch = NULL;
	strata_workers->launcher_pid = 0;
	LWLockRelease(strata_workers->lock);
}

static bool
database_exists(Oid database)
{
	return SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(database));
}

/* -2 as connection limit marks a database whose DROP was interrupted. */
static bool
form_connectable(Form_pg_database form)
{
	return form->datallowconn && form->datconnlimit != -2;
}

/* A worker for any other database would only die with an error in the log. */
static bool
database_connectable(Oid database)
{
	HeapTuple tuple;
	bool connectable = false;

	StartTransactionCommand();
	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	if (HeapTupleIsValid(tuple))
	{
		connectable = form_connectable((Form_pg_database)GETSTRUCT(tuple));
		ReleaseSysCache(tuple);
	}
	CommitTransactionCommand();
	return connectable;
}

/* Forgets a database that cannot be connected to; its jobs fail. */
static void
forget_database(Oid database)
{
	StrataDatabase *entry;

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	entry = database_find(database);
	if (entry)
		memset(entry, 0, sizeof(*entry));
	LWLockRelease(strata_workers->lock);
	strata_jobs_fail_queued(database, 0, ERRCODE_UNDEFINED_DATABASE, "the database cannot be connected to");
}

/* Asks for a look at every database that takes connections; templates are left alone, so that they can be
 * copied. */
static void
scan_databases(void)
{
	Relation pg_database;
	SysScanDesc scan;
	HeapTuple tuple;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	pg_database = table_open(DatabaseRelationId, AccessShareLock);
	scan = systable_beginscan(pg_database, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_database form = (Form_pg_database)GETSTRUCT(tuple);

		if (form_connectable(form) && !form->datistemplate)
			strata_workers_wake(form->oid);
	}
	systable_endscan(scan);
	table_close(pg_database, AccessShareLock);
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* Frees what dropped databases left behind; on a standby nobody else hears of DROP DATABASE. */
static void
sweep_databases(void)
{
	StrataTableStat *tables;
	int n;

	StartTransactionCommand();
	tables = strata_store_tables(InvalidOid, &n);
	for (int i = 0; i < n; i++)
		if ((i == 0 || tables[i].dbid != tables[i - 1].dbid) && !database_exists(tables[i].dbid))
			strata_store_detach_database(tables[i].dbid, STRATA_EVICT_DDL);
	for (int i = 0; i < STRATA_MAX_DATABASES; i++)
	{
		Oid database;

		LWLockAcquire(strata_workers->lock, LW_SHARED);
		database = strata_workers->databases[i].database;
		LWLockRelease(strata_workers->lock);
		if (OidIsValid(database) && !database_exists(database))
			forget_database(database);
	}
	CommitTransactionCommand();
}

static void
refresh_gauges(void)
{
	StrataStoreTotals totals;
	StrataRegionStatus region;

	strata_store_totals(&totals);
	strata_region_status(&region);
	strata_gauge_set(STRATA_C_COLUMN_TABLES, totals.tables_with_units);
	strata_gauge_set(STRATA_C_COLUMN_BYTES, totals.bytes);
	strata_gauge_set(STRATA_C_REGION_LIMIT_BYTES, region.limit);
	strata_gauge_set(STRATA_C_REGION_USED_BYTES, region.used);
	strata_ring_heartbeat();
}

/* Gives back the slots of workers that ended without doing so themselves, or never started. */
static void
reap_slots(void)
{
	for (int i = 0; i < STRATA_MAX_WORKERS; i++)
	{
		StrataWorkerSlot *slot = &strata_workers->slots[i];
		pid_t pid;
		bool stopped;

		stopped = handles[i] && GetBackgroundWorkerPid(handles[i], &pid) == BGWH_STOPPED;
		LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
		if (OidIsValid(slot->database) && slot->pid == 0 &&
			(stopped ||
			 TimestampDifferenceExceeds(slot->registered_at, GetCurrentTimestamp(), START_TIMEOUT_MS)))
			memset(slot, 0, sizeof(*slot));
		LWLockRelease(strata_workers->lock);
		if (stopped)
		{
			pfree(handles[i]);
			handles[i] = NULL;
			ConditionVariableBroadcast(&strata_workers->changed);
		}
	}
}

/* Lock held. */
static bool
database_held(Oid database)
{
	for (int i = 0; i < STRATA_MAX_HOLDS; i++)
		if (strata_workers->holds[i].database == database && hold_alive(&strata_workers->holds[i]))
			return true;
	return false;
}

/* Lock held. */
static bool
database_has_jobs(Oid database, TimestampTz now)
{
	for (int i = 0; i < STRATA_MAX_JOBS; i++)
		if (strata_workers->jobs[i].id != 0 && strata_workers->jobs[i].state == STRATA_JOB_QUEUED &&
			strata_workers->jobs[i].database == database && strata_workers->jobs[i].not_before <= now)
			return true;
	return false;
}

/* The database that wants a worker most: one with jobs before one to look at.  Lock held. */
static StrataDatabase *
next_database(TimestampTz now)
{
	StrataDatabase *best = NULL;
	bool best_jobs = false;

	for (int i = 0; i < STRATA_MAX_DATABASES; i++)
	{
		StrataDatabase *entry = &strata_workers->databases[i];
		bool jobs;

		if (!OidIsValid(entry->database) || keeper_of(entry->database) || database_held(entry->database))
			continue;
		if (entry->next_visit > now && (entry->no_worker || !entry->look))
			continue;
		if (!entry->look && !entry->enabled)
			continue;
		jobs = database_has_jobs(entry->database, now);
		if (!best || (jobs && !best_jobs) || (jobs == best_jobs && entry->next_visit < best->next_visit))
		{
			best = entry;
			best_jobs = jobs;
		}
	}
	return best;
}

/* Has the database more to copy than its workers are at?  Lock held. */
static bool
wants_helper(Oid database, TimestampTz now)
{
	bool work = database_has_jobs(database, now);

	for (int i = 0; i < STRATA_MAX_WORKERS; i++)
	{
		const StrataWorkerSlot *slot = &strata_workers->slots[i];

		/* One that is idle, or still to come, will see to it. */
		if (slot->database == database && (slot->pid == 0 || slot->job == 0))
			return false;
	}
	for (int i = 0; i < STRATA_MAX_JOBS && !work; i++)
	{
		const StrataJob *job = &strata_workers->jobs[i];

		work = job->id != 0 && job->database == database && job->state == STRATA_JOB_RUNNING &&
			   job->share.tail - job->share.head > 1;
	}
	return work;
}

/* The database that wants a further worker, when there is room for one.  Lock held. */
static StrataDatabase *
next_to_help(TimestampTz now)
{
	if (slots_used() >= strata_populate_workers)
		return NULL;
	for (int i = 0; i < STRATA_MAX_DATABASES; i++)
	{
		StrataDatabase *entry = &strata_workers->databases[i];

		if (OidIsValid(entry->database) && keeper_of(entry->database) && !database_held(entry->database) &&
			entry->next_helper <= now && wants_helper(entry->database, now))
			return entry;
	}
	return NULL;
}

static void
ask_to_leave(StrataWorkerSlot *slot)
{
	slot->stop = true;
	if (slot->latch)
		SetLatch(slot->latch);
}

/* The worker that can be spared best: idle longest, else a second one of its database.  Lock held. */
static StrataWorkerSlot *
spare_worker(TimestampTz now)
{
	StrataWorkerSlot *idle = NULL;
	StrataWorkerSlot *helper = NULL;

	for (int i = 0; i < STRATA_MAX_WORKERS; i++)
	{
		StrataWorkerSlot *slot = &strata_workers->slots[i];

		if (!OidIsValid(slot->database) || slot->pid == 0)
			continue;
		/* One that leaves already will do. */
		if (slot->stop)
			return slot;
		if (slot->idle_since != 0 && TimestampDifferenceExceeds(slot->idle_since, now, IDLE_LEAVE_MS) &&
			(!idle || slot->idle_since < idle->idle_since))
			idle = slot;
		if (!slot->keeper)
			helper = slot;
	}
	return idle ? idle : helper;
}

/* A free slot for a database without a worker, or -1 after having asked one to make room.  Lock held. */
static int
free_slot(TimestampTz now)
{
	StrataWorkerSlot *spare;

	if (slots_used() < strata_populate_workers)
		for (int i = 0; i < STRATA_MAX_WORKERS; i++)
			if (!OidIsValid(strata_workers->slots[i].database))
				return i;
	spare = spare_worker(now);
	if (spare)
		ask_to_leave(spare);
	return -1;
}

/* strata.populate_workers was lowered: one goes at a time, as this is called once a second. */
static void
shed_workers(TimestampTz now)
{
	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	if (slots_used() > strata_populate_workers)
	{
		StrataWorkerSlot *spare = spare_worker(now);

		for (int i = 0; i < STRATA_MAX_WORKERS && !spare; i++)
			if (strata_workers->slots[i].pid != 0)
				spare = &strata_workers->slots[i];
		if (spare)
			ask_to_leave(spare);
	}
	LWLockRelease(strata_workers->lock);
}

static bool
start_worker(int slot, Oid database)
{
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_notify_pid = MyProcPid;
	worker.bgw_main_arg = Int32GetDatum(slot);
	strlcpy(worker.bgw_library_name, "pg_strata", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "strata_worker_main", BGW_MAXLEN);
	snprintf(worker.bgw_name, BGW_MAXLEN, "pg_strata populator for database %u", database);
	strlcpy(worker.bgw_type, "pg_strata populator", BGW_MAXLEN);
	return RegisterDynamicBackgroundWorker(&worker, &handles[slot]);
}

static void
no_worker_free(Oid database, bool first)
{
	if (first)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("no background worker slot is free for the column store of database %u", database),
				 errhint("Raise max_worker_processes.")));
	strata_jobs_fail_queued(database, NO_WORKER_FAIL_MS, ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
							"no background worker slot is free; raise max_worker_processes");
}

/* Takes a slot for a worker of the database.  Lock held. */
static void
take_slot(int slot, StrataDatabase *entry, bool keeper, TimestampTz now)
{
	StrataWorkerSlot *s = &strata_workers->slots[slot];

	memset(s, 0, sizeof(*s));
	s->database = entry->database;
	s->keeper = keeper;
	s->registered_at = now;
	if (!keeper)
		return;
	entry->look = false;
	/* Until the worker says how it found things; so a database whose worker dies is visited again. */
	entry->enabled = true;
	entry->next_visit = TimestampTzPlusMilliseconds(now, STRATA_VISIT_INTERVAL_MS);
}

/* The worker that the slot was taken for did not start. */
static void
start_failed(int slot, StrataDatabase *entry, bool keeper, TimestampTz now)
{
	TimestampTz again = TimestampTzPlusMilliseconds(now, RETRY_INTERVAL_MS);
	Oid database = strata_workers->slots[slot].database;
	bool first;

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	memset(&strata_workers->slots[slot], 0, sizeof(StrataWorkerSlot));
	first = !entry->no_worker;
	if (keeper)
	{
		entry->no_worker = true;
		entry->look = true;
		entry->next_visit = again;
	}
	else
		entry->next_helper = again;
	LWLockRelease(strata_workers->lock);
	if (keeper)
		no_worker_free(database, first);
}

/* Starts as many workers as are wanted and possible: first those of databases that have none. */
static void
start_workers(void)
{
	for (;;)
	{
		TimestampTz now = GetCurrentTimestamp();
		StrataDatabase *entry;
		Oid database = InvalidOid;
		bool keeper;
		int slot = -1;

		LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
		entry = next_database(now);
		keeper = entry != NULL;
		if (!keeper)
			entry = next_to_help(now);
		if (entry)
		{
			database = entry->database;
			slot = free_slot(now);
			if (slot >= 0)
				take_slot(slot, entry, keeper, now);
		}
		LWLockRelease(strata_workers->lock);
		if (slot < 0)
			return;
		if (handles[slot])
		{
			pfree(handles[slot]);
			handles[slot] = NULL;
		}
		if (!database_connectable(database))
		{
			LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
			memset(&strata_workers->slots[slot], 0, sizeof(StrataWorkerSlot));
			LWLockRelease(strata_workers->lock);
			forget_database(database);
			continue;
		}
		if (!start_worker(slot, database))
		{
			start_failed(slot, entry, keeper, now);
			return;
		}
		LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
		entry->no_worker = false;
		LWLockRelease(strata_workers->lock);
	}
}

/*
 * Says once that the memory worker is missing.  The server itself says at its start only that there were too
 * many background workers, not which.
 */
static void
check_memory_worker(TimestampTz started, TimestampTz now)
{
	static bool checked = false;

	if (checked || !TimestampDifferenceExceeds(started, now, MEMORY_WORKER_WAIT_MS))
		return;
	checked = true;
	if (!strata_memory_worker_running())
		ereport(WARNING, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
						  errmsg("no background worker slot is free for the memory worker of pg_strata"),
						  errdetail("Nothing is done about memory pressure, and settings of the page pool "
									"that are changed wait for a restart."),
						  errhint("Raise max_worker_processes.")));
}

void
strata_launcher_main(Datum arg)
{
	TimestampTz started = GetCurrentTimestamp();
	TimestampTz next_sweep = 0;
	TimestampTz next_rescan = 0;
	bool rescan;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	before_shmem_exit(launcher_exit, (Datum)0);
	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	strata_workers->launcher_pid = MyProcPid;
	strata_workers->launcher_latch = MyLatch;
	strata_workers->rescan = true;
	LWLockRelease(strata_workers->lock);

	for (;;)
	{
		TimestampTz now = GetCurrentTimestamp();

		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
		rescan = strata_workers->rescan;
		strata_workers->rescan = false;
		LWLockRelease(strata_workers->lock);
		if (rescan || (now >= next_rescan && RecoveryInProgress()))
		{
			scan_databases();
			next_rescan = TimestampTzPlusMilliseconds(now, STANDBY_RESCAN_MS);
		}
		reap_slots();
		shed_workers(now);
		start_workers();
		refresh_gauges();
		check_memory_worker(started, now);
		if (now >= next_sweep)
		{
			sweep_databases();
			next_sweep = TimestampTzPlusMilliseconds(now, SWEEP_INTERVAL_MS);
		}
		WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 1000, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

/* ---- module ---- */

static Size
workers_shmem_size(void)
{
	return sizeof(StrataWorkers);
}

static void
workers_shmem_request(void)
{
	RequestNamedLWLockTranche("strata_jobs", 1);
}

static void
workers_shmem_startup(void)
{
	bool found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	strata_workers = ShmemInitStruct("strata workers", sizeof(StrataWorkers), &found);
	if (!found)
	{
		memset(strata_workers, 0, sizeof(StrataWorkers));
		strata_workers->lock = &GetNamedLWLockTranche("strata_jobs")->lock;
		ConditionVariableInit(&strata_workers->changed);
	}
	LWLockRelease(AddinShmemInitLock);
}

static void
workers_start(bool preloaded)
{
	BackgroundWorker worker = {0};

	strata_ddl_start();
	strata_written_start();
	if (!preloaded)
		return;
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = 5;
	strlcpy(worker.bgw_library_name, "pg_strata", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "strata_launcher_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "pg_strata launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "pg_strata launcher", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

const StrataModule strata_workers_module = {
	.name = "workers",
	.settings = strata_worker_settings,
	.shmem_size = workers_shmem_size,
	.shmem_request = workers_shmem_request,
	.shmem_startup = workers_shmem_startup,
	.start = workers_start,
};
