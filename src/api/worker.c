/*
 * worker.c - the population worker of one database: runs jobs, and looks every few seconds at what needs
 * copying.
 *
 * Every unit is one transaction, with the table's AccessShareLock taken conditionally and kept for that unit
 * only. So the worker holds back neither DDL nor the xmin horizon for longer than a unit takes, and cannot
 * deadlock: it never waits for a lock.  When it cannot have the lock, the job goes back into the queue for a
 * moment and another job has its turn.
 *
 * Whatever a table does to it is caught around its job: the transaction is rolled back, the error goes to the
 * job and to the table's last_error, and the worker goes on with the next.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/visibilitymap.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/bufmgr.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "alloc/region.h"
#include "api/enabled.h"
#include "api/workers.h"
#include "base/compat.h"
#include "column/store.h"
#include "ring/publish.h"

/* How often the enabled tables are looked at without being asked. */
#define LOOK_INTERVAL_MS 5000
/* A job whose table is locked is tried again after this long. */
#define LOCK_RETRY_MS 200
/* In the middle of a table, this often and this far apart before that. */
#define UNIT_LOCK_TRIES	   20
#define UNIT_LOCK_SLEEP_MS 10
/* A table whose job failed, was cancelled or could not do all is left alone by automatic jobs for this long.
 */
#define PAUSE_MS 60000
/* Copied again by itself: a unit of which this share of blocks would become fresh. */
#define UPKEEP_GAIN_PERCENT 10
/* Vacuumed first: a table with more than this share of its blocks not all-visible ... */
#define VACUUM_PERCENT 2
/* ... or with any, when it is so small that vacuuming costs nothing (or when `force` was given). */
#define VACUUM_ALWAYS_BLOCKS 1024

bool strata_auto_populate = true;

static int my_slot;
static MemoryContext worker_context; /* reset after every job and look */

/* Tables that automatic jobs do not touch for now; local to the worker, so a new one tries again. */
typedef struct PausedTable
{
	Oid relid;
	bool force; /* only jobs that copy everything again */
	TimestampTz until;
} PausedTable;

static List *paused_tables = NIL; /* in TopMemoryContext */

void
strata_worker_settings(void)
{
	DefineCustomBoolVariable(
		"strata.auto_populate",
		"Copies enabled tables into the column store, and keeps them fresh, without being asked.", NULL,
		&strata_auto_populate, true, PGC_SIGHUP, 0, NULL, NULL, NULL);
}

/* ---- the slot ---- */

static void
worker_detach(int code, Datum arg)
{
	StrataWorkerSlot *slot = &strata_workers->slots[my_slot];
	int64 job = 0;

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	/* After worker_leave() the slot may be another worker's. */
	if (slot->pid == MyProcPid)
	{
		job = slot->job;
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
	}
	LWLockRelease(strata_workers->lock);
	if (wanted)
		before_shmem_exit(worker_detach, (Datum)0);
	return wanted;
}

static bool
worker_must_stop(void)
{
	bool stop;

	LWLockAcquire(strata_workers->lock, LW_SHARED);
	stop = strata_workers->slots[my_slot].stop;
	LWLockRelease(strata_workers->lock);
	return stop;
}

static bool
worker_take_look(void)
{
	bool look;

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	look = strata_workers->slots[my_slot].look;
	strata_workers->slots[my_slot].look = false;
	LWLockRelease(strata_workers->lock);
	return look;
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

		if (entry->database != MyDatabaseId)
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

/* ---- tables that are left alone for a while ---- */

static void
pause_table(Oid relid, bool force)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	PausedTable *f = palloc(sizeof(*f));

	f->relid = relid;
	f->force = force;
	f->until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), PAUSE_MS);
	paused_tables = lappend(paused_tables, f);
	MemoryContextSwitchTo(old);
}

static bool
is_paused(Oid relid, bool force)
{
	TimestampTz now = GetCurrentTimestamp();
	bool found = false;
	ListCell *lc;

	foreach (lc, paused_tables)
	{
		PausedTable *f = lfirst(lc);

		if (f->until <= now)
		{
			paused_tables = foreach_delete_current(paused_tables, lc);
			pfree(f);
		}
		else if (f->relid == relid && f->force == force)
			found = true;
	}
	return found;
}

/* ---- transactions ---- */

static void
work_begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
work_commit(void)
{
	if (ActiveSnapshotSet())
		PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(worker_context);
	pgstat_report_stat(false);
}

typedef enum OpenResult
{
	OPEN_OK,
	OPEN_LOCKED, /* somebody has it locked: try later */
	OPEN_GONE
} OpenResult;

/* Opens the table with AccessShareLock, without waiting. */
static OpenResult
open_table(Oid relid, Relation *rel)
{
	*rel = NULL;
	if (!ConditionalLockRelationOid(relid, AccessShareLock))
		return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)) ? OPEN_LOCKED : OPEN_GONE;
	*rel = try_relation_open(relid, NoLock);
	if (!*rel)
		UnlockRelationOid(relid, AccessShareLock);
	return *rel ? OPEN_OK : OPEN_GONE;
}

/* ---- one table ---- */

/* A job's table while it is being copied; numbers are of this run. */
typedef struct Copy
{
	StrataJob job; /* as taken; relid filled in for jobs over all tables */
	char name[2 * NAMEDATALEN + 2];
	TimestampTz started;
	int64 rows;
	int64 total_rows; /* estimate; -1: unknown */
	uint32 units;
	uint32 done;
	bool announced; /* population_started was published */
	bool copied;	/* the last call of copy_unit() did something */
	bool no_memory;
	bool hopeless;		   /* trying again soon would end the same way */
	bool moved;			   /* the table changed under us: begin again */
	const char *complaint; /* static text */
	uint64 copied_blocks, blocks;
	uint8 *wanted; /* compact: a byte a unit, set when it is worth copying; NULL: all */
	uint32 nwanted;
} Copy;

typedef enum CopyResult
{
	COPY_DONE,
	COPY_LOCKED,
	COPY_STOP, /* the worker must leave the database */
	COPY_FAILED
} CopyResult;

static void
event_common(StrataEvent *ev, StrataEventType type, const Copy *c, const StrataTableStat *stat)
{
	strata_event_begin(ev, type);
	strata_event_text(ev, STRATA_F_TABLE_NAME, c->name);
	strata_event_int(ev, STRATA_F_ROWS_POPULATED, c->rows);
	if (c->total_rows >= 0)
		strata_event_int(ev, STRATA_F_TOTAL_ROWS, c->total_rows);
	strata_event_double(ev, STRATA_F_PROGRESS_PERCENT,
						type == STRATA_EV_POPULATION_STARTED ? 0
						: c->units > 0						 ? 100.0 * c->done / c->units
															 : 100.0);
	strata_event_int(ev, STRATA_F_MEMORY_USED_BYTES, stat->bytes);
	if (type != STRATA_EV_POPULATION_STARTED)
		strata_event_double(ev, STRATA_F_COMPRESSION_RATIO,
							stat->bytes > 0 ? (double)stat->bytes_raw / stat->bytes : 0);
}

/* population_started or population_progress. */
static void
publish(StrataEventType type, const Copy *c)
{
	StrataTableStat stat = {0};
	StrataEvent ev;

	strata_store_table(MyDatabaseId, c->job.relid, &stat);
	event_common(&ev, type, c, &stat);
	strata_event_publish(&ev);
}

static void
publish_completed(const Copy *c, const char *status, const char *error)
{
	StrataTableStat stat = {0};
	StrataEvent ev;

	strata_store_table(MyDatabaseId, c->job.relid, &stat);
	event_common(&ev, STRATA_EV_POPULATION_COMPLETED, c, &stat);
	strata_event_double(&ev, STRATA_F_DURATION_MS, (double)(GetCurrentTimestamp() - c->started) / 1000.0);
	strata_event_text(&ev, STRATA_F_STATUS, status);
	if (error)
		strata_event_text(&ev, STRATA_F_ERROR, error);
	strata_event_publish(&ev);
}

static bool
config_equal(const StrataTableConfig *a, const StrataTableConfig *b)
{
	return a->priority == b->priority && a->compression == b->compression &&
		   a->all_columns == b->all_columns && memcmp(a->columns, b->columns, sizeof(a->columns)) == 0;
}

/* Brings the directory in line with the catalog row.  True when the units were made for other columns or
 * another compression than are wanted now. */
static bool
attach_table(Relation rel, const StrataEnabled *row)
{
	StrataTableConfig config;
	StrataTableStat stat;
	bool attached = strata_store_table(MyDatabaseId, RelationGetRelid(rel), &stat);

	strata_enabled_config(rel, row, &config);
	if (attached && config_equal(&config, &stat.config))
		return false;
	strata_store_attach(rel, &config);
	return attached && stat.units > 0 &&
		   (config.compression != stat.config.compression || config.all_columns != stat.config.all_columns ||
			memcmp(config.columns, stat.config.columns, sizeof(config.columns)) != 0);
}

static void
copy_fail(int sqlstate, const char *format, const char *arg)
{
	ereport(ERROR, (errcode(sqlstate), errmsg_internal(format, arg)));
}

static bool
vacuum_helps(Relation rel, bool force)
{
	BlockNumber blocks = RelationGetNumberOfBlocks(rel);
	BlockNumber visible;

	if (RecoveryInProgress())
		return false;
	visibilitymap_count(rel, &visible, NULL);
	if (visible >= blocks)
		return false;
	return force || blocks <= VACUUM_ALWAYS_BLOCKS ||
		   (blocks - visible) > (uint64)blocks * VACUUM_PERCENT / 100;
}

/* Is vacuum_table() running (or did an error end it)? */
static bool vacuuming = false;

/*
 * Lets a session that waits for our lock cancel us after deadlock_timeout, as it would autovacuum: that flag
 * is how the lock manager knows whom it may.  Not set while copying, where a unit is soon over anyway.
 */
static void
set_vacuuming(bool on)
{
	vacuuming = on;
	LWLockAcquire(ProcArrayLock, LW_EXCLUSIVE);
	if (on)
		MyProc->statusFlags |= PROC_IS_AUTOVACUUM;
	else
		MyProc->statusFlags &= ~PROC_IS_AUTOVACUUM;
	ProcGlobal->statusFlags[MyProc->pgxactoff] = MyProc->statusFlags;
	LWLockRelease(ProcArrayLock);
}

/*
 * VACUUM as a session would run it, but skipped when the table is locked.  Index cleanup is forced, since the
 * dead line pointers that skipping it leaves keep their blocks from becoming all-visible; nothing is cut off
 * the end, since that wants an exclusive lock.
 */
static void
vacuum_table(Oid relid)
{
	VacuumParams params = {0};
	MemoryContext old;
	List *rels;

	params.options = VACOPT_VACUUM | VACOPT_SKIP_LOCKED | VACOPT_PROCESS_TOAST;
	params.freeze_min_age = params.freeze_table_age = -1;
	params.multixact_freeze_min_age = params.multixact_freeze_table_age = -1;
	params.log_min_duration = -1;
	params.index_cleanup = VACOPTVALUE_ENABLED;
	params.truncate = VACOPTVALUE_DISABLED;
	params.nworkers = -1;

	/* Outlives the transactions that vacuum() ends and begins. */
	PortalContext = worker_context;
	old = MemoryContextSwitchTo(worker_context);
	rels = list_make1(makeVacuumRelation(NULL, relid, NIL));
	MemoryContextSwitchTo(old);
	set_vacuuming(true);
	StartTransactionCommand();
	vacuum(rels, &params, NULL, true);
	CommitTransactionCommand();
	set_vacuuming(false);
	MemoryContextSwitchTo(worker_context);
	PortalContext = NULL;
}

/* Which units are worth copying for a job of kind compact. */
static void
choose_units(Relation rel, Copy *c)
{
	MemoryContext old = MemoryContextSwitchTo(worker_context);
	StrataUnitStaleness *s = strata_store_staleness(rel, &c->nwanted);

	c->wanted = palloc0(Max(c->nwanted, 1));
	for (uint32 u = 0; u < c->nwanted; u++)
		c->wanted[u] = s[u].gain > 0 && (uint64)s[u].gain * 100 >= (uint64)s[u].nblocks * c->job.min_gain;
	MemoryContextSwitchTo(old);
}

/* First look at the table: may it be copied, is there a reason to vacuum, what is there to do. */
static CopyResult
copy_begin(Copy *c)
{
	StrataEnabled row;
	Relation rel;
	OpenResult opened;
	const char *why;
	int sqlstate;
	bool vacuum;

	work_begin();
	opened = open_table(c->job.relid, &rel);
	if (opened == OPEN_LOCKED)
	{
		work_commit();
		return COPY_LOCKED;
	}
	if (opened == OPEN_GONE)
		copy_fail(ERRCODE_UNDEFINED_TABLE, "the table does not exist", NULL);
	if (!strata_enabled_get(c->job.relid, &row))
		copy_fail(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "the table is not enabled", NULL);
	why = strata_store_check_relation(rel, &sqlstate);
	if (why)
		copy_fail(sqlstate, "%s", why);
	if (attach_table(rel, &row))
		c->job.force = true;
	strata_store_set_status(c->job.relid, STRATA_TABLE_POPULATING, NULL);
	snprintf(c->name, sizeof(c->name), "%s.%s", get_namespace_name(RelationGetNamespace(rel)),
			 RelationGetRelationName(rel));
	vacuum = c->job.vacuum && vacuum_helps(rel, c->job.force);
	relation_close(rel, NoLock);
	work_commit();

	c->announced = c->done > 0; /* goes on where a lock stopped it */
	if (vacuum && !c->announced)
	{
		strata_job_progress(c->job.id, STRATA_PHASE_VACUUM, 0, 0);
		vacuum_table(c->job.relid);
	}
	return COPY_DONE;
}

static void
copy_note(Copy *c, StrataPopulateResult result, const StrataPopulateStats *stats)
{
	c->blocks += stats->nblocks;
	switch (result)
	{
		case STRATA_POPULATE_DONE:
			c->rows += stats->nrows;
			c->copied_blocks += stats->copied_blocks;
			break;
		case STRATA_POPULATE_UNCHANGED:
			c->copied_blocks += stats->copied_blocks;
			break;
		case STRATA_POPULATE_GONE:
			c->moved = true;
			break;
		case STRATA_POPULATE_NOTHING: /* until VACUUM */
			c->complaint = strata_populate_result_text(result);
			break;
		case STRATA_POPULATE_NO_MEMORY:
			c->no_memory = true;
			/* FALLTHROUGH */
		case STRATA_POPULATE_TOO_LARGE:
		case STRATA_POPULATE_NO_LSN:
			c->hopeless = true;
			c->complaint = strata_populate_result_text(result);
			break;
	}
}

/* One unit in one transaction. */
static CopyResult
copy_unit(Copy *c, uint32 unitno)
{
	StrataPopulateStats stats = {0};
	StrataPopulateResult result;
	Relation rel;
	OpenResult opened;

	work_begin();
	opened = open_table(c->job.relid, &rel);
	if (opened == OPEN_LOCKED)
	{
		work_commit();
		return COPY_LOCKED;
	}
	if (opened == OPEN_GONE)
		copy_fail(ERRCODE_UNDEFINED_TABLE, "the table does not exist", NULL);
	c->units = strata_store_populate_begin(rel);
	if (!c->announced)
	{
		c->announced = true;
		c->total_rows = rel->rd_rel->reltuples < 0 ? -1 : (int64)rel->rd_rel->reltuples;
		publish(STRATA_EV_POPULATION_STARTED, c);
	}
	if (c->job.kind == STRATA_JOB_COMPACT && !c->wanted)
		choose_units(rel, c);
	c->copied = unitno < c->units && (!c->wanted || (unitno < c->nwanted && c->wanted[unitno]));
	if (c->copied)
	{
		result = strata_store_populate_unit(rel, unitno, c->job.force, &stats);
		copy_note(c, result, &stats);
	}
	relation_close(rel, NoLock);
	work_commit();
	return COPY_DONE;
}

/* What the table is now that the job has ended. */
static StrataTableStatus
copy_status(const Copy *c)
{
	StrataTableStat stat;

	if (c->no_memory)
		return STRATA_TABLE_OUT_OF_MEMORY;
	if (!strata_store_table(MyDatabaseId, c->job.relid, &stat))
		return STRATA_TABLE_PARTIAL;
	/* A block or two that somebody has just written do not make a table partial. */
	return stat.copied_blocks * 10 >= (uint64)stat.total_blocks * 9 ? STRATA_TABLE_POPULATED
																	: STRATA_TABLE_PARTIAL;
}

/* copy_unit(), not giving up at once when somebody has the table locked: most locks are short. */
static CopyResult
copy_unit_patiently(Copy *c, uint32 unitno)
{
	CopyResult result = copy_unit(c, unitno);

	for (int try = 0; result == COPY_LOCKED && try < UNIT_LOCK_TRIES; try++)
	{
		if (worker_must_stop())
			return COPY_STOP;
		WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, UNIT_LOCK_SLEEP_MS,
				  PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		result = copy_unit(c, unitno);
	}
	return result;
}

static CopyResult
copy_table(Copy *c)
{
	CopyResult result = copy_begin(c);
	StrataTableStatus status;

	if (result != COPY_DONE)
		return result;
	c->units = c->done + 1; /* until the first unit says better */
	for (uint32 u = c->done; u < c->units && !c->no_memory && !c->moved; u++)
	{
		CHECK_FOR_INTERRUPTS();
		if (worker_must_stop())
			return COPY_STOP;
		result = copy_unit_patiently(c, u);
		if (result != COPY_DONE)
			return result;
		if (!c->no_memory && !c->moved)
			c->done = Min(u + 1, c->units);
		strata_job_progress(c->job.id, STRATA_PHASE_COPY, c->done, c->units);
		if (c->copied)
			publish(STRATA_EV_POPULATION_PROGRESS, c);
	}
	if (c->moved)
	{
		c->done = 0;
		return COPY_LOCKED; /* again, soon, from the start */
	}
	status = copy_status(c);
	strata_store_set_status(c->job.relid, status, c->complaint ? c->complaint : "");
	publish_completed(c, strata_status_name(status), c->complaint);
	return COPY_DONE;
}

/* ---- jobs ---- */

/* After an ERROR in a job: rolls back, tells everyone.  Runs outside the failed transaction. */
static void
job_failed(Copy *c, ErrorData *error)
{
	int64 id = c->job.id;
	bool cancelled = error->sqlerrcode == ERRCODE_QUERY_CANCELED;

	if (cancelled && worker_must_stop())
	{
		strata_job_requeue(id, 0);
		return;
	}
	/* Somebody wanted the table that was being vacuumed; without VACUUM then. */
	if (cancelled && vacuuming && !strata_job_cancelled(id))
	{
		strata_job_requeue(id, LOCK_RETRY_MS);
		return;
	}
	/* A standby cancelled us to let the replay of VACUUM or DROP pass. */
	if (error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE)
	{
		strata_job_requeue(id, LOCK_RETRY_MS);
		return;
	}
	if (!cancelled)
	{
		strata_counter_add(STRATA_C_POPULATE_ERRORS, 1);
		ereport(LOG, (errcode(error->sqlerrcode),
					  errmsg("could not populate \"%s\": %s", c->job.target, error->message)));
	}
	if (OidIsValid(c->job.relid))
	{
		pause_table(c->job.relid, false);
		strata_store_set_status(c->job.relid, STRATA_TABLE_PARTIAL, cancelled ? "cancelled" : error->message);
	}
	if (c->name[0] != '\0')
		publish_completed(c, cancelled ? "cancelled" : "failed", error->message);
	strata_job_end(id, cancelled ? STRATA_JOB_CANCELLED : STRATA_JOB_FAILED, error->sqlerrcode,
				   cancelled ? "cancelled" : error->message, false);
}

/* compact(NULL): the enabled tables that the caller owns. */
static List *
tables_of_role(Oid role)
{
	List *relids = NIL;
	ListCell *lc;

	work_begin();
	foreach (lc, strata_enabled_list())
	{
		StrataEnabled *row = lfirst(lc);

		if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(row->relid)) &&
			pg_class_ownercheck(row->relid, role))
		{
			MemoryContext old = MemoryContextSwitchTo(worker_context);

			relids = lappend_oid(relids, row->relid);
			MemoryContextSwitchTo(old);
		}
	}
	work_commit();
	return relids;
}

/* All tables of a job in turn.  Locked ones are passed over by a job on many tables. */
static CopyResult
job_copy(Copy *c)
{
	CopyResult result = COPY_DONE;
	ListCell *lc;

	if (OidIsValid(c->job.relid))
		return copy_table(c);
	foreach (lc, tables_of_role(c->job.role))
	{
		StrataJob job = c->job;

		memset(c, 0, sizeof(*c));
		c->job = job;
		c->total_rows = -1;
		c->job.relid = lfirst_oid(lc);
		c->started = GetCurrentTimestamp();
		result = copy_table(c);
		c->job.relid = InvalidOid;
		if (result == COPY_STOP)
			return result;
	}
	return COPY_DONE;
}

static void
run_job(const StrataJob *job)
{
	Copy *c = MemoryContextAllocZero(worker_context, sizeof(Copy));
	CopyResult volatile result = COPY_FAILED;

	c->job = *job;
	c->total_rows = -1;
	c->done = OidIsValid(job->relid) ? job->done : 0;
	c->started = GetCurrentTimestamp();
	pgstat_report_activity(STATE_RUNNING, psprintf("populate %s", job->target));
	worker_idle(false);
	PG_TRY();
	{
		/* A cancel meant for an earlier job must not hit this one. */
		QueryCancelPending = false;
		strata_job_progress(job->id, STRATA_PHASE_COPY, c->done, job->total);
		result = job_copy(c);
	}
	PG_CATCH();
	{
		ErrorData *error;

		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(worker_context);
		error = CopyErrorData();
		FlushErrorState();
		AbortOutOfAnyTransaction();
		MemoryContextSwitchTo(worker_context);
		PortalContext = NULL;
		QueryCancelPending = false;
		job_failed(c, error);
		if (vacuuming)
			set_vacuuming(false);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	switch (result)
	{
		case COPY_DONE:
			if (c->hopeless && OidIsValid(c->job.relid))
				pause_table(c->job.relid, false);
			strata_job_end(job->id, STRATA_JOB_DONE, 0, c->complaint, c->no_memory);
			break;
		case COPY_LOCKED:
			strata_job_progress(job->id, STRATA_PHASE_LOCK, c->done, c->units);
			strata_job_requeue(job->id, LOCK_RETRY_MS);
			break;
		case COPY_STOP:
			strata_job_requeue(job->id, 0);
			break;
		case COPY_FAILED:
			break;
	}
	MemoryContextReset(worker_context);
	pgstat_report_activity(STATE_IDLE, NULL);
}

/* ---- looking after the enabled tables ---- */

static void
add_auto_job(Relation rel, const StrataEnabled *row, StrataJobKind kind, bool force)
{
	StrataJob job = {
		.kind = kind,
		.database = MyDatabaseId,
		.relid = row->relid,
		.priority = row->priority,
		.force = force,
		.vacuum = kind == STRATA_JOB_POPULATE,
		.min_gain = UPKEEP_GAIN_PERCENT,
	};

	strlcpy(job.target,
			quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
									   RelationGetRelationName(rel)),
			sizeof(job.target));
	strata_job_add(&job);
}

/* Does every unit hold every wanted column as the table has it now? */
static bool
columns_complete(Relation rel, const StrataTableConfig *config)
{
	bool complete = true;
	StrataUnitStat *units;
	int n;

	units = strata_store_units(RelationGetRelid(rel), &n);
	for (int i = 0; i < n && complete; i++)
	{
		const StrataUnit *unit;
		StrataUnitPin *pin = strata_store_pin(RelationGetRelid(rel), units[i].unitno, &unit);

		if (!pin)
			continue;
		for (AttrNumber a = 1; a <= RelationGetNumberOfAttributes(rel) && complete; a++)
		{
			Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), a - 1);
			StrataRep rep;

			if (!att->attisdropped && strata_store_column_wanted(config, a) &&
				strata_column_rep(att->atttypid, &rep))
				complete = strata_unit_column(unit, RelationGetDescr(rel), a) != NULL;
		}
		strata_store_unpin(pin);
	}
	return complete;
}

/* After running out of memory: is there room for more than one unit like those that did fit? */
static bool
memory_left(const StrataTableStat *stat)
{
	StrataRegionStatus region;
	Size unit = stat->units > 0 ? stat->bytes / stat->units : 0;

	strata_region_status(&region);
	return region.free > 2 * unit && region.largest_free > unit;
}

/* What an enabled table needs, if anything, becomes a job. */
static void
look_at_table(Relation rel, const StrataEnabled *row)
{
	StrataTableStat stat;
	StrataUnitStaleness *units;
	uint32 n;
	bool outdated = attach_table(rel, row);

	if (!strata_store_table(MyDatabaseId, row->relid, &stat))
		return;
	if (stat.units > 0 && stat.relnumber != StrataRelNumber(rel))
	{
		/* Rewritten: nobody can use these any more. */
		strata_store_evict_table(MyDatabaseId, row->relid, STRATA_EVICT_DDL);
		strata_store_set_status(row->relid, STRATA_TABLE_QUEUED, NULL);
		stat.status = STRATA_TABLE_QUEUED;
	}
	if (!strata_auto_populate || strata_job_active(MyDatabaseId, row->relid, NULL))
		return;
	if (stat.status == STRATA_TABLE_QUEUED)
	{
		add_auto_job(rel, row, STRATA_JOB_POPULATE, outdated);
		return;
	}
	if (is_paused(row->relid, false) || stat.evicted ||
		(stat.status == STRATA_TABLE_OUT_OF_MEMORY && !memory_left(&stat)))
		return;
	/* Once, not again and again, should a column never come. */
	if ((outdated || !columns_complete(rel, &stat.config)) && !is_paused(row->relid, true))
	{
		pause_table(row->relid, true);
		add_auto_job(rel, row, STRATA_JOB_POPULATE, true);
		return;
	}
	units = strata_store_staleness(rel, &n);
	for (uint32 u = 0; u < n; u++)
		if (units[u].gain > 0 &&
			(uint64)units[u].gain * 100 >= (uint64)units[u].nblocks * UPKEEP_GAIN_PERCENT)
		{
			add_auto_job(rel, row, STRATA_JOB_COMPACT, false);
			return;
		}
}

/* The table was dropped in a session without the library. */
static void
forget_table(Oid relid)
{
	if (!RecoveryInProgress())
		strata_enabled_delete(relid);
	strata_store_detach(MyDatabaseId, relid, STRATA_EVICT_DDL, NULL);
}

/* Tables in memory that are not enabled, as a standby sees them after a replayed disable or DROP. */
static void
forget_disabled(const List *rows)
{
	StrataTableStat *tables;
	int n;

	tables = strata_store_tables(MyDatabaseId, &n);
	for (int i = 0; i < n; i++)
	{
		bool enabled = false;
		ListCell *lc;

		foreach (lc, rows)
			if (((StrataEnabled *)lfirst(lc))->relid == tables[i].relid)
				enabled = true;
		if (!enabled)
			strata_store_detach(MyDatabaseId, tables[i].relid, STRATA_EVICT_DDL, NULL);
	}
}

/*
 * Compares catalog and directory, one transaction a table.  Returns how many tables are enabled; one more on
 * a standby where the extension is installed, since there a table is enabled without anybody telling us.
 */
static int
look(void)
{
	bool standby;
	List *rows;
	ListCell *lc;

	pgstat_report_activity(STATE_RUNNING, "look at enabled tables");
	work_begin();
	{
		MemoryContext old = MemoryContextSwitchTo(worker_context);

		rows = strata_enabled_list();
		MemoryContextSwitchTo(old);
	}
	forget_disabled(rows);
	standby = RecoveryInProgress() && OidIsValid(strata_enabled_catalog());
	work_commit();
	foreach (lc, rows)
	{
		StrataEnabled *row = lfirst(lc);
		Relation rel;
		int sqlstate;

		CHECK_FOR_INTERRUPTS();
		work_begin();
		switch (open_table(row->relid, &rel))
		{
			case OPEN_OK:
				if (!strata_store_check_relation(rel, &sqlstate))
					look_at_table(rel, row);
				else
					strata_store_evict_table(MyDatabaseId, row->relid, STRATA_EVICT_DDL);
				relation_close(rel, NoLock);
				break;
			case OPEN_GONE:
				forget_table(row->relid);
				break;
			case OPEN_LOCKED:
				break;
		}
		work_commit();
	}
	pgstat_report_activity(STATE_IDLE, NULL);
	return list_length(rows) + (standby ? 1 : 0);
}

/* look(), with errors logged.  -1 after an error. */
static int
look_safely(void)
{
	int volatile enabled = -1;

	PG_TRY();
	{
		QueryCancelPending = false;
		enabled = look();
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		EmitErrorReport();
		FlushErrorState();
		AbortOutOfAnyTransaction();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(worker_context);
	MemoryContextReset(worker_context);
	return enabled;
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

	worker_context = AllocSetContextCreate(TopMemoryContext, "strata worker", ALLOCSET_DEFAULT_SIZES);
	StartTransactionCommand();
	strata_event_learn_database();
	CommitTransactionCommand();
	MemoryContextSwitchTo(worker_context);
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
		StrataJob job;
		long wait_ms = LOOK_INTERVAL_MS;

		QueryCancelPending = false; /* nothing is running that could be cancelled */
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			/* strata.memory may be what a table was waiting for */
			list_free_deep(paused_tables);
			paused_tables = NIL;
			next_look = 0;
		}
		if (worker_must_stop())
			break;
		if (worker_take_look() || GetCurrentTimestamp() >= next_look)
		{
			int found = look_safely();

			enabled = found < 0 ? enabled : found;
			next_look = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LOOK_INTERVAL_MS);
		}
		if (strata_job_take(MyDatabaseId, my_slot, &job, &wait_ms))
		{
			run_job(&job);
			continue;
		}
		if (enabled == 0 && wait_ms == LOOK_INTERVAL_MS && !worker_leave(false))
			return;
		worker_idle(true);
		pgstat_report_stat(true);
		WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, wait_ms, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
	/* A cancel that was meant to hurry us must not turn the exit into an error. */
	HOLD_INTERRUPTS();
	worker_leave(enabled != 0);
}
