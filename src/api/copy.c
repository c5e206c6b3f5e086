/*
 * copy.c - one table into the column store, unit by unit, as a job asks.
 *
 * Every unit is one transaction, with the table's AccessShareLock taken conditionally and kept for that unit
 * only. So the worker holds back neither DDL nor the xmin horizon for longer than a unit takes, and cannot
 * deadlock: it never waits for a lock.  When it cannot have the lock, the caller puts the job back into the
 * queue for a moment and another job has its turn.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/visibilitymap.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "alloc/pressure.h"
#include "api/enabled.h"
#include "api/worker.h"
#include "api/workers.h"
#include "column/store.h"
#include "ring/publish.h"

/* In the middle of a table, a lock is tried for this often and this far apart before we give up. */
#define UNIT_LOCK_TRIES	   20
#define UNIT_LOCK_SLEEP_MS 10
/* While population is stopped: how often is looked whether it may go on. */
#define MEMORY_SLEEP_MS 100
/* Vacuumed first: a table with more than this share of its blocks not all-visible ... */
#define VACUUM_PERCENT 2
/* ... or with any, when it is so small that vacuuming costs nothing (or when `force` was given). */
#define VACUUM_ALWAYS_BLOCKS 1024

static void
report(const StrataCopy *c, StrataJobPhase phase)
{
	if (c->one_table)
		strata_job_progress(c->job.id, phase, c->done, c->units > 0 ? c->units : c->job.total);
}

static void
event_common(StrataEvent *ev, StrataEventType type, const StrataCopy *c, const StrataTableStat *stat)
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
publish(StrataEventType type, const StrataCopy *c)
{
	StrataTableStat stat = {0};
	StrataEvent ev;

	strata_store_table(MyDatabaseId, c->job.relid, &stat);
	event_common(&ev, type, c, &stat);
	strata_event_publish(&ev);
}

static void
publish_completed(const StrataCopy *c, const char *status, const char *error)
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

static void
copy_fail(int sqlstate, const char *why)
{
	ereport(ERROR, (errcode(sqlstate), errmsg_internal("%s", why)));
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
 * Waits a moment for whoever holds a lock that VACUUM would be skipped for.  Above all that is the session
 * that has just enabled the table: it wakes us while it commits, before it lets go of its locks.
 */
static void
wait_for_vacuum_lock(Oid relid)
{
	for (int try = 0; try < UNIT_LOCK_TRIES && !strata_worker_must_stop(); try++)
	{
		bool is_free;

		StartTransactionCommand();
		is_free = ConditionalLockRelationOid(relid, ShareUpdateExclusiveLock);
		CommitTransactionCommand();
		if (is_free)
			return;
		WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, UNIT_LOCK_SLEEP_MS,
				  PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
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

	wait_for_vacuum_lock(relid);
	/* Outlives the transactions that vacuum() ends and begins. */
	PortalContext = strata_worker_context;
	old = MemoryContextSwitchTo(strata_worker_context);
	rels = list_make1(makeVacuumRelation(NULL, relid, NIL));
	MemoryContextSwitchTo(old);
	set_vacuuming(true);
	StartTransactionCommand();
	vacuum(rels, &params, NULL, true);
	CommitTransactionCommand();
	set_vacuuming(false);
	/* Meant for the VACUUM, if somebody did cancel us; cancelled jobs are asked for below. */
	QueryCancelPending = false;
	MemoryContextSwitchTo(strata_worker_context);
	PortalContext = NULL;
}

/* Which units are worth copying for a job of kind compact. */
static void
choose_units(Relation rel, StrataCopy *c)
{
	MemoryContext old = MemoryContextSwitchTo(strata_worker_context);
	StrataUnitStaleness *s = strata_store_staleness(rel, &c->nwanted);

	c->wanted = palloc0(Max(c->nwanted, 1));
	for (uint32 u = 0; u < c->nwanted; u++)
		c->wanted[u] = s[u].gain > 0 && (uint64)s[u].gain * 100 >= (uint64)s[u].nblocks * c->job.min_gain;
	MemoryContextSwitchTo(old);
}

/* First look at the table: may it be copied, is there a reason to vacuum. */
static StrataCopyResult
copy_begin(StrataCopy *c)
{
	StrataEnabled row;
	Relation rel;
	StrataOpenResult opened;
	const char *why;
	int sqlstate;
	bool vacuum;

	strata_work_begin();
	opened = strata_work_open(c->job.relid, &rel);
	if (opened == STRATA_OPEN_LOCKED)
	{
		strata_work_commit();
		return STRATA_COPY_LOCKED;
	}
	if (opened == STRATA_OPEN_GONE)
		copy_fail(ERRCODE_UNDEFINED_TABLE, "the table does not exist");
	if (!strata_enabled_get(c->job.relid, &row))
		copy_fail(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "the table is not enabled");
	why = strata_store_check_relation(rel, &sqlstate);
	if (why)
		copy_fail(sqlstate, why);
	if (strata_upkeep_attach(rel, &row))
		c->job.force = true;
	strata_store_set_status(c->job.relid, STRATA_TABLE_POPULATING, NULL);
	snprintf(c->name, sizeof(c->name), "%s.%s", get_namespace_name(RelationGetNamespace(rel)),
			 RelationGetRelationName(rel));
	vacuum = c->job.vacuum && vacuum_helps(rel, c->job.force);
	relation_close(rel, NoLock);
	strata_work_commit();

	c->announced = c->done > 0; /* goes on where a lock stopped it */
	if (vacuum && !c->announced)
	{
		report(c, STRATA_PHASE_VACUUM);
		vacuum_table(c->job.relid);
	}
	return STRATA_COPY_DONE;
}

static void
copy_note(StrataCopy *c, StrataPopulateResult result, const StrataPopulateStats *stats)
{
	switch (result)
	{
		case STRATA_POPULATE_DONE:
			c->rows += stats->nrows;
			break;
		case STRATA_POPULATE_UNCHANGED:
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
static StrataCopyResult
copy_unit(StrataCopy *c, uint32 unitno)
{
	StrataPopulateStats stats = {0};
	StrataPopulateResult result;
	Relation rel;
	StrataOpenResult opened;

	strata_work_begin();
	opened = strata_work_open(c->job.relid, &rel);
	if (opened == STRATA_OPEN_LOCKED)
	{
		strata_work_commit();
		return STRATA_COPY_LOCKED;
	}
	if (opened == STRATA_OPEN_GONE)
		copy_fail(ERRCODE_UNDEFINED_TABLE, "the table does not exist");
	c->units = strata_store_populate_begin(rel);
	if (!c->announced)
	{
		c->announced = true;
		c->total_rows = rel->rd_rel->reltuples < 0 ? -1 : (int64)rel->rd_rel->reltuples;
		publish(STRATA_EV_POPULATION_STARTED, c);
	}
	if (c->job.kind == STRATA_JOB_COMPACT && !c->job.force && !c->wanted)
		choose_units(rel, c);
	c->copied = unitno < c->units && (!c->wanted || (unitno < c->nwanted && c->wanted[unitno]));
	if (c->copied)
	{
		result = strata_store_populate_unit(rel, unitno, c->job.force, &stats);
		copy_note(c, result, &stats);
	}
	relation_close(rel, NoLock);
	strata_work_commit();
	return STRATA_COPY_DONE;
}

/* What the table is now that the job has ended. */
static StrataTableStatus
copy_status(const StrataCopy *c)
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
static StrataCopyResult
copy_unit_patiently(StrataCopy *c, uint32 unitno)
{
	StrataCopyResult result = copy_unit(c, unitno);

	for (int try = 0; result == STRATA_COPY_LOCKED && try < UNIT_LOCK_TRIES; try++)
	{
		if (strata_worker_must_stop())
			return STRATA_COPY_STOP;
		WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, UNIT_LOCK_SLEEP_MS,
				  PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		result = copy_unit(c, unitno);
	}
	return result;
}

/*
 * Memory pressure is critical: waits, holding nothing, until it is not.  False: the worker must leave the
 * database.
 */
static bool
wait_for_memory(const StrataCopy *c)
{
	if (!strata_pressure_population_stopped())
		return true;
	strata_counter_add(STRATA_C_POPULATION_WAITS, 1);
	report(c, STRATA_PHASE_MEMORY);
	do
	{
		if (strata_job_cancelled(c->job.id))
			copy_fail(ERRCODE_QUERY_CANCELED, "cancelled");
		if (strata_worker_must_stop())
			return false;
		WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, MEMORY_SLEEP_MS,
				  PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	} while (strata_pressure_population_stopped());
	report(c, STRATA_PHASE_COPY);
	return true;
}

static StrataCopyResult
copy_table(StrataCopy *c)
{
	StrataCopyResult result = copy_begin(c);
	StrataTableStatus status;

	if (result != STRATA_COPY_DONE)
		return result;
	c->units = c->done + 1; /* until the first unit says better */
	for (uint32 u = c->done; u < c->units && !c->no_memory && !c->moved; u++)
	{
		CHECK_FOR_INTERRUPTS();
		if (strata_job_cancelled(c->job.id))
			copy_fail(ERRCODE_QUERY_CANCELED, "cancelled");
		if (strata_worker_must_stop() || !wait_for_memory(c))
			return STRATA_COPY_STOP;
		result = copy_unit_patiently(c, u);
		if (result != STRATA_COPY_DONE)
			return result;
		if (!c->no_memory && !c->moved)
			c->done = Min(u + 1, c->units);
		report(c, STRATA_PHASE_COPY);
		if (c->copied)
			publish(STRATA_EV_POPULATION_PROGRESS, c);
	}
	if (c->moved)
	{
		c->done = 0;
		return STRATA_COPY_LOCKED; /* again, soon, from the start */
	}
	status = copy_status(c);
	strata_store_set_status(c->job.relid, status, c->complaint ? c->complaint : "");
	strata_store_settle_plans(c->job.relid);
	publish_completed(c, strata_status_name(status), c->complaint);
	return STRATA_COPY_DONE;
}

/* After an ERROR, with the transaction rolled back: what it means for the job. */
static StrataCopyResult
copy_failed(StrataCopy *c, const ErrorData *error)
{
	bool cancelled = error->sqlerrcode == ERRCODE_QUERY_CANCELED;

	if (cancelled && strata_worker_must_stop())
		return STRATA_COPY_STOP;
	/* Somebody wanted the table that was being vacuumed; without VACUUM then. */
	if (cancelled && vacuuming && !strata_job_cancelled(c->job.id))
		return STRATA_COPY_LOCKED;
	/* A standby cancelled us to let the replay of VACUUM or DROP pass. */
	if (error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE)
		return STRATA_COPY_LOCKED;

	c->sqlstate = error->sqlerrcode;
	c->complaint = cancelled ? "cancelled" : error->message;
	if (!cancelled)
	{
		strata_counter_add(STRATA_C_POPULATE_ERRORS, 1);
		ereport(LOG, (errcode(c->sqlstate), errmsg("could not populate \"%s\": %s",
												   c->name[0] ? c->name : c->job.target, c->complaint)));
	}
	strata_upkeep_pause(c->job.relid, false);
	strata_store_set_status(c->job.relid, STRATA_TABLE_PARTIAL, c->complaint);
	if (c->announced)
		publish_completed(c, cancelled ? "cancelled" : "failed", c->complaint);
	return cancelled ? STRATA_COPY_CANCELLED : STRATA_COPY_FAILED;
}

StrataCopyResult
strata_copy_table(StrataCopy *c)
{
	StrataCopyResult volatile result;

	PG_TRY();
	{
		/* A cancel meant for an earlier table must not hit this one. */
		QueryCancelPending = false;
		result = copy_table(c);
	}
	PG_CATCH();
	{
		ErrorData *error;

		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(strata_worker_context);
		error = CopyErrorData();
		FlushErrorState();
		AbortOutOfAnyTransaction();
		MemoryContextSwitchTo(strata_worker_context);
		PortalContext = NULL;
		QueryCancelPending = false;
		result = copy_failed(c, error);
		if (vacuuming)
			set_vacuuming(false);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	if (result == STRATA_COPY_DONE && c->hopeless)
		strata_upkeep_pause(c->job.relid, false);
	return result;
}
