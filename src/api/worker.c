/*
 * worker.c - a population worker of one database: leads jobs, helps with those of others, and, as the
 * database's keeper, looks every few seconds at what needs copying.
 *
 * Whatever a table does to it is caught around its copy: the transaction is rolled back, the error goes to
 * the job and to the table's last_error, and the worker goes on with the next.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "api/enabled.h"
#include "api/worker.h"
#include "api/workers.h"
#include "base/compat.h"
#include "column/store.h"
#include "ring/publish.h"

/* How often the enabled tables are looked at without being asked. */
#define LOOK_INTERVAL_MS 5000
/* A job whose table is locked is tried again after this long. */
#define LOCK_RETRY_MS 200
/* After a look at changed pages there is none for so many times what it took. */
#define PAGES_REST 10
/* A worker that is not the keeper leaves after so long without work. */
#define HELPER_IDLE_MS 10000

MemoryContext strata_worker_context;

static int my_slot;
static bool reloaded = false;

/* ---- the slot ---- */

static void
worker_detach(int code, Datum arg)
{
	StrataWorkerSlot *slot = &strata_workers->slots[my_slot];
	int64 job = 0;
	StrataJob shared;

	/* What a helper was copying is the others' again. */
	if (slot->pid == MyProcPid && slot->claimed && strata_job_get(slot->job, &shared))
		strata_job_give_back(&shared, my_slot);
	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	/* After worker_leave() the slot may be another worker's. */
	if (slot->pid == MyProcPid)
	{
		job = slot->leads ? slot->job : 0;
		memset(slot, 0, sizeof(*slot));
	}
	LWLockRelease(strata_workers->lock);
	if (job != 0)
		strata_job_end(job, STRATA_JOB_FAILED, ERRCODE_ADMIN_SHUTDOWN, "the background worker was terminated",
					   false);
	ConditionVariableBroadcast(&strata_workers->changed);
}

/* False when the launcher gave up on us. */
static bool
worker_attach(Oid *database)
{
	StrataWorkerSlot *slot = &strata_workers->slots[my_slot];
	bool wanted;

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	wanted = OidIsValid(slot->database) && slot->pid == 0;
	if (wanted)
	{
		slot->pid = MyProcPid;
		slot->latch = MyLatch;
		*database = slot->database;
		/* It may see that yet another is wanted. */
		if (strata_workers->launcher_latch)
			SetLatch(strata_workers->launcher_latch);
	}
	LWLockRelease(strata_workers->lock);
	if (wanted)
		before_shmem_exit(worker_detach, (Datum)0);
	return wanted;
}

bool
strata_worker_must_stop(void)
{
	bool stop;

	LWLockAcquire(strata_workers->lock, LW_SHARED);
	stop = strata_workers->slots[my_slot].stop;
	LWLockRelease(strata_workers->lock);
	return stop;
}

/* Are we the keeper?  We become it when the database has none.  *look: somebody wants the catalog looked at;
 * *written: somebody has written much. */
static bool
worker_is_keeper(bool *look, bool *written)
{
	StrataWorkerSlot *mine = &strata_workers->slots[my_slot];
	bool other = false;
	bool keeper;

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	for (int i = 0; i < STRATA_MAX_WORKERS; i++)
		if (i != my_slot && strata_workers->slots[i].database == MyDatabaseId &&
			strata_workers->slots[i].keeper)
			other = true;
	if (!other)
		mine->keeper = true;
	keeper = mine->keeper;
	*look = mine->look;
	mine->look = false;
	*written |= mine->written;
	mine->written = false;
	LWLockRelease(strata_workers->lock);
	return keeper;
}

/* Has a worker that is not the keeper been idle for long enough? */
static bool
worker_superfluous(void)
{
	TimestampTz idle_since;

	LWLockAcquire(strata_workers->lock, LW_SHARED);
	idle_since = strata_workers->slots[my_slot].idle_since;
	LWLockRelease(strata_workers->lock);
	return idle_since != 0 && TimestampDifferenceExceeds(idle_since, GetCurrentTimestamp(), HELPER_IDLE_MS);
}

/* Lets the launcher know that we can be asked to leave, or that we are busy. */
static void
worker_idle(bool idle)
{
	StrataWorkerSlot *slot = &strata_workers->slots[my_slot];

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	if (!idle)
		slot->idle_since = 0;
	else if (slot->idle_since == 0)
		slot->idle_since = GetCurrentTimestamp();
	LWLockRelease(strata_workers->lock);
}

/*
 * Gives up the slot unless somebody asked for something in between (then true is returned and we go on). What
 * the launcher must know of the database is written in the same breath, so that no request is lost.
 */
static bool
worker_leave(bool enabled)
{
	StrataWorkerSlot *slot = &strata_workers->slots[my_slot];
	bool stay;

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	stay = slot->look && !slot->stop;
	for (int i = 0; i < STRATA_MAX_DATABASES && !stay; i++)
	{
		StrataDatabase *entry = &strata_workers->databases[i];

		if (entry->database != MyDatabaseId || !slot->keeper)
			continue;
		entry->enabled = enabled;
		entry->look = slot->look;
		entry->next_visit = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), STRATA_VISIT_INTERVAL_MS);
		if (!enabled && !slot->look)
			memset(entry, 0, sizeof(*entry));
	}
	if (!stay)
		memset(slot, 0, sizeof(*slot));
	LWLockRelease(strata_workers->lock);
	return stay;
}

void
strata_worker_reload(void)
{
	if (!ConfigReloadPending)
		return;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	reloaded = true;
}

/* ---- transactions ---- */

void
strata_work_begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
}

void
strata_work_commit(void)
{
	if (ActiveSnapshotSet())
		PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(strata_worker_context);
	pgstat_report_stat(false);
}

StrataOpenResult
strata_work_open(Oid relid, Relation *rel)
{
	*rel = NULL;
	if (!ConditionalLockRelationOid(relid, AccessShareLock))
		return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)) ? STRATA_OPEN_LOCKED : STRATA_OPEN_GONE;
	*rel = try_relation_open(relid, NoLock);
	if (!*rel)
		UnlockRelationOid(relid, AccessShareLock);
	return *rel ? STRATA_OPEN_OK : STRATA_OPEN_GONE;
}

/* ---- jobs ---- */

static void
copy_init(StrataCopy *c, const StrataJob *job)
{
	memset(c, 0, sizeof(*c));
	c->job = *job;
	c->slot = my_slot;
	c->started = GetCurrentTimestamp();
}

static void
lead_job(const StrataJob *job)
{
	StrataCopy c;
	StrataCopyResult result;

	pgstat_report_activity(STATE_RUNNING, psprintf("populate %s", job->target));
	copy_init(&c, job);
	result = strata_copy_table(&c);
	switch (result)
	{
		case STRATA_COPY_DONE:
			strata_job_end(job->id, STRATA_JOB_DONE, 0, c.complaint, c.no_memory);
			break;
		case STRATA_COPY_LOCKED:
			strata_job_phase(job->id, STRATA_PHASE_LOCK);
			strata_job_requeue(job->id, LOCK_RETRY_MS, c.resume);
			break;
		case STRATA_COPY_STOP:
			strata_job_requeue(job->id, 0, c.resume);
			break;
		case STRATA_COPY_CANCELLED:
			strata_job_end(job->id, STRATA_JOB_CANCELLED, c.sqlstate, c.complaint, false);
			break;
		case STRATA_COPY_FAILED:
			strata_job_end(job->id, STRATA_JOB_FAILED, c.sqlstate, c.complaint, false);
			break;
	}
}

static void
help_job(const StrataJob *job)
{
	StrataCopy c;

	pgstat_report_activity(STATE_RUNNING, psprintf("help to populate %s", job->target));
	copy_init(&c, job);
	strata_copy_help(&c);
	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	strata_workers->slots[my_slot].job = 0;
	LWLockRelease(strata_workers->lock);
}

/* Does the most urgent thing.  False: there is nothing. */
static bool
work(long *wait_ms)
{
	StrataJob job;
	StrataTake take = strata_job_take(MyDatabaseId, my_slot, &job, wait_ms);

	if (take == STRATA_TAKE_NONE)
		return false;
	worker_idle(false);
	switch (take)
	{
		case STRATA_TAKE_LEAD:
			lead_job(&job);
			break;
		case STRATA_TAKE_PARTS:
			strata_upkeep_make_parts(&job);
			break;
		default:
			help_job(&job);
	}
	MemoryContextReset(strata_worker_context);
	pgstat_report_activity(STATE_IDLE, NULL);
	return true;
}

/* ---- pages ---- */

/* Of the keeper: somebody has written much, and nobody has looked at the pages since; and when we may. */
static bool pages_written = false;
static TimestampTz pages_not_before = 0;

/* Looks at changed pages, if there may be some, or says how long that has to wait at most. */
static void
look_at_pages(long *wait_ms)
{
	TimestampTz now = GetCurrentTimestamp();

	if (!pages_written)
		return;
	if (now < pages_not_before)
	{
		*wait_ms = Min(*wait_ms, TimestampDifferenceMilliseconds(now, pages_not_before));
		return;
	}
	pages_written = false;
	strata_upkeep_pages();
	pages_not_before = GetCurrentTimestamp() + PAGES_REST * (GetCurrentTimestamp() - now);
}

/* ---- main ---- */

static void
worker_init(Oid database)
{
	/* As the interactive cancel, so that cancel_job() and pg_cancel_backend() end a unit or a VACUUM. */
	pqsignal(SIGINT, StatementCancelHandler);
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);

	/* What a database or role setting must not change under us, as autovacuum does it. */
	SetConfigOption("search_path", "", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("zero_damaged_pages", "false", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("statement_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("lock_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("idle_in_transaction_session_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_isolation", "read committed", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_read_only", "off", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("synchronous_commit", "local", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("application_name", "pg_strata populator", PGC_USERSET, PGC_S_OVERRIDE);
	pgstat_report_appname("pg_strata populator");

	strata_worker_context = AllocSetContextCreate(TopMemoryContext, "strata worker", ALLOCSET_DEFAULT_SIZES);
	StartTransactionCommand();
	strata_event_learn_database();
	CommitTransactionCommand();
	MemoryContextSwitchTo(strata_worker_context);
}

void
strata_worker_main(Datum arg)
{
	Oid database;
	TimestampTz next_look = 0;
	int enabled = 0;

	my_slot = DatumGetInt32(arg);
	if (!worker_attach(&database))
		return;
	worker_init(database);
	for (;;)
	{
		long wait_ms = LOOK_INTERVAL_MS, nap_ms = LOOK_INTERVAL_MS;
		bool keeper, look;

		QueryCancelPending = false; /* nothing is running that could be cancelled */
		CHECK_FOR_INTERRUPTS();
		keeper = worker_is_keeper(&look, &pages_written);
		strata_worker_reload();
		if (reloaded)
		{
			reloaded = false;
			/* strata.memory may be what a table was waiting for */
			if (keeper)
				strata_store_unpause_all();
			next_look = 0;
		}
		if (strata_worker_must_stop())
			break;
		if (keeper && (look || GetCurrentTimestamp() >= next_look))
		{
			int found = strata_upkeep_look();

			enabled = found < 0 ? enabled : found;
			next_look = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LOOK_INTERVAL_MS);
		}
		if (keeper)
			look_at_pages(&nap_ms);
		if (work(&wait_ms))
			continue;
		worker_idle(true);
		if (wait_ms == LOOK_INTERVAL_MS && (keeper ? enabled == 0 : worker_superfluous()) &&
			!worker_leave(false))
			return;
		pgstat_report_stat(true);
		WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, Min(wait_ms, nap_ms),
				  PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
	/* A cancel that was meant to hurry us must not turn the exit into an error. */
	HOLD_INTERRUPTS();
	worker_leave(enabled != 0);
}
