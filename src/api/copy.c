/*
 * copy.c - one table into the column store, unit by unit, as a job asks.
 *
 * Every unit is one transaction, with the table's AccessShareLock taken conditionally and kept for that unit
 * only. So the worker holds back neither DDL nor the xmin horizon for longer than a unit takes, and cannot
 * deadlock: it never waits for a lock.  When it cannot have the lock, the caller puts the job back into the
 * queue for a moment and another job has its turn.
 *
 * The worker that leads the job vacuums, lists the units that are to be copied, and offers them; it and its
 * helpers claim one after the other.  It ends the job when nothing is on offer and nobody copies.
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

/* ---- events ---- */

static void
event_common(StrataEvent *ev, StrataEventType type, const StrataJob *job, const char *name)
{
	bool started = type == STRATA_EV_POPULATION_STARTED;
	double remaining = strata_job_remaining_ms(job);
	StrataTableStat stat = {0};

	strata_store_table(MyDatabaseId, job->relid, &stat);
	strata_event_begin(ev, type);
	strata_event_text(ev, STRATA_F_TABLE_NAME, name);
	strata_event_int(ev, STRATA_F_ROWS_POPULATED, job->rows);
	if (job->total_rows >= 0)
		strata_event_int(ev, STRATA_F_TOTAL_ROWS, job->total_rows);
	strata_event_double(ev, STRATA_F_PROGRESS_PERCENT,
						started			 ? 0
						: job->total > 0 ? 100.0 * job->done / job->total
										 : 100.0);
	strata_event_int(ev, STRATA_F_MEMORY_USED_BYTES, stat.bytes);
	if (!started)
		strata_event_double(ev, STRATA_F_COMPRESSION_RATIO,
							stat.bytes > 0 ? (double)stat.bytes_raw / stat.bytes : 0);
	if (type == STRATA_EV_POPULATION_PROGRESS && remaining >= 0)
		strata_event_double(ev, STRATA_F_ESTIMATED_REMAINING_MS, remaining);
}

/* population_started or population_progress. */
static void
publish(StrataEventType type, const StrataJob *job, const char *name)
{
	StrataEvent ev;

	event_common(&ev, type, job, name);
	strata_event_publish(&ev);
}

static void
publish_completed(const StrataCopy *c, const char *status, const char *error)
{
	StrataJob job = c->job;
	StrataEvent ev;

	strata_job_get(c->job.id, &job);
	event_common(&ev, STRATA_EV_POPULATION_COMPLETED, &job, c->name);
	strata_event_double(&ev, STRATA_F_DURATION_MS, (double)(GetCurrentTimestamp() - c->started) / 1000.0);
	strata_event_text(&ev, STRATA_F_STATUS, status);
	if (error)
		strata_event_text(&ev, STRATA_F_ERROR, error);
	strata_event_publish(&ev);
}

/* ---- VACUUM ---- */

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
 * Waits for the end of transactions that other workers are in now.  Their snapshots may be older than the
 * rows that the caller of populate() wants to see, and would keep VACUUM from finding them visible to
 * everybody.  Each is as short as a unit, and none of them waits for us.
 */
static void
wait_for_other_workers(void)
{
	pid_t pids[STRATA_MAX_WORKERS + 1];
	int n = 0;

	LWLockAcquire(strata_workers->lock, LW_SHARED);
	for (int i = 0; i < STRATA_MAX_WORKERS; i++)
		if (strata_workers->slots[i].database == MyDatabaseId && strata_workers->slots[i].pid != MyProcPid)
			pids[n++] = strata_workers->slots[i].pid;
	pids[n++] = strata_workers->launcher_pid;
	LWLockRelease(strata_workers->lock);

	StartTransactionCommand();
	for (int i = 0; i < n; i++)
	{
		PGPROC *proc = pids[i] != 0 ? BackendPidGetProc(pids[i]) : NULL;
		VirtualTransactionId vxid;

		/* Without a snapshot it holds nothing back (and may be waiting here itself); VACUUM holds back
		 * nobody. */
		if (!proc || !TransactionIdIsValid(proc->xmin) || (proc->statusFlags & PROC_IN_VACUUM))
			continue;
		GET_VXID_FROM_PGPROC(vxid, *proc);
		if (VirtualTransactionIdIsValid(vxid))
			(void)VirtualXactLock(vxid, true);
	}
	CommitTransactionCommand();
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
	wait_for_other_workers();
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

/* ---- what to copy ---- */

/* Most to gain first, then as they lie in the heap. */
static int
by_gain(const void *a, const void *b, void *arg)
{
	const StrataUnitStaleness *s = arg;
	uint32 x = *(const uint32 *)a;
	uint32 y = *(const uint32 *)b;

	if (s[x].gain != s[y].gain)
		return s[x].gain > s[y].gain ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* Incremental: the units that copying would make fresher, or that are not there. */
static void
list_stale_units(Relation rel, StrataCopy *c)
{
	uint32 n;
	StrataUnitStaleness *s = strata_store_staleness(rel, &n);

	c->units = palloc(Max(n, 1) * sizeof(uint32));
	for (uint32 u = 0; u < n; u++)
		if (s[u].gain > 0 && (uint64)s[u].gain * 100 >= (uint64)s[u].nblocks * c->job.min_gain)
			c->units[c->nunits++] = u;
	qsort_arg(c->units, c->nunits, sizeof(uint32), by_gain, s);
}

/* Full: all units, but for those that this job has copied already. */
static void
list_all_units(StrataCopy *c)
{
	uint8 *own = palloc0(Max(c->all_units, 1));
	StrataUnitStat *units;
	int n;

	units = strata_store_units(c->job.relid, &n);
	for (int i = 0; i < n && c->job.force; i++)
		own[units[i].unitno < c->all_units ? units[i].unitno : 0] |=
			units[i].unitno < c->all_units && units[i].generation >= c->job.since;
	c->units = palloc(Max(c->all_units, 1) * sizeof(uint32));
	for (uint32 u = c->job.force ? 0 : c->job.resume; u < c->all_units; u++)
		if (!own[u])
			c->units[c->nunits++] = u;
}

/* Did somebody evict the table, which then is to stay so? */
static bool
was_evicted(const StrataCopy *c)
{
	StrataTableStat stat;

	return strata_store_table(MyDatabaseId, c->job.relid, &stat) && stat.evicted;
}

/* Lists the units and tells the job of it. */
static void
list_units(Relation rel, StrataCopy *c)
{
	MemoryContext old = MemoryContextSwitchTo(strata_worker_context);
	bool incremental = c->job.incremental && !c->job.force;
	int64 done;
	int64 rows = rel->rd_rel->reltuples < 0 ? -1 : (int64)rel->rd_rel->reltuples;

	/* By strata.evict(), say: what follows would undo it. */
	if (strata_job_cancelled(c->job.id))
		copy_fail(ERRCODE_QUERY_CANCELED, "cancelled");
	/* Evicted just when the keeper found that the table needs copying: it stays so.  Nor does compact() undo
	 * that. */
	c->all_units =
		strata_store_populate_begin(rel, OidIsValid(c->job.role) && c->job.kind == STRATA_JOB_POPULATE);
	c->nunits = c->offered = 0;
	c->job.unit_blocks =
		c->job.kind == STRATA_JOB_COMPACT
			? strata_store_recut_begin(rel, c->job.min_gain > 0 ? STRATA_RECUT_AUTO : STRATA_RECUT_ASKED)
			: 0;
	strata_job_mode(&c->job);
	if (c->all_units == 0)
		c->units = palloc(sizeof(uint32));
	else if (c->job.unit_blocks != 0)
	{
		c->units = strata_store_recut_missing(rel, c->job.unit_blocks, &c->nunits);
		c->all_units = c->nunits;
	}
	else if (incremental)
		list_stale_units(rel, c);
	else
		list_all_units(c);
	done = incremental ? c->job.done : c->all_units - c->nunits;
	if (incremental && c->job.unit_blocks == 0 && rows >= 0 && c->all_units > 0)
		rows = c->job.rows + rows * c->nunits / c->all_units;
	strata_job_extent(c->job.id, done, done + c->nunits, rows);
	MemoryContextSwitchTo(old);
}

/* All listed units are copied; has the heap got others meanwhile? */
static StrataCopyResult
list_grown_units(StrataCopy *c)
{
	StrataOpenResult opened;
	Relation rel;
	uint32 units;
	StrataJob now;

	if (c->job.incremental && !c->job.force)
		return STRATA_COPY_DONE;
	strata_work_begin();
	opened = strata_work_open(c->job.relid, &rel);
	if (opened != STRATA_OPEN_OK)
	{
		strata_work_commit();
		return opened == STRATA_OPEN_LOCKED ? STRATA_COPY_LOCKED : STRATA_COPY_DONE;
	}
	units = strata_store_unit_count(rel);
	if (units > c->all_units && strata_job_get(c->job.id, &now))
	{
		MemoryContext old = MemoryContextSwitchTo(strata_worker_context);

		c->units = palloc((units - c->all_units) * sizeof(uint32));
		c->nunits = c->offered = 0;
		for (uint32 u = c->all_units; u < units; u++)
			c->units[c->nunits++] = u;
		c->all_units = units;
		strata_job_extent(c->job.id, now.done, now.done + c->nunits, now.total_rows);
		MemoryContextSwitchTo(old);
	}
	relation_close(rel, NoLock);
	strata_work_commit();
	return STRATA_COPY_DONE;
}

/* First look at the table: may it be copied, is there a reason to vacuum. */
static StrataCopyResult
copy_begin(StrataCopy *c)
{
	StrataEnabled row;
	StrataTableStat stat;
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

	if (c->job.force && c->job.since == 0)
		c->job.since = strata_store_table(MyDatabaseId, c->job.relid, &stat) ? stat.generation + 1 : 1;
	c->announced = c->job.done > 0; /* goes on where a lock stopped it */
	if (vacuum && !c->announced)
	{
		strata_job_phase(c->job.id, STRATA_PHASE_VACUUM);
		vacuum_table(c->job.relid);
		strata_job_phase(c->job.id, STRATA_PHASE_COPY);
	}

	strata_work_begin();
	opened = strata_work_open(c->job.relid, &rel);
	if (opened == STRATA_OPEN_GONE)
		copy_fail(ERRCODE_UNDEFINED_TABLE, "the table does not exist");
	if (opened == STRATA_OPEN_OK)
	{
		list_units(rel, c);
		relation_close(rel, NoLock);
	}
	strata_work_commit();
	return opened == STRATA_OPEN_OK ? STRATA_COPY_DONE : STRATA_COPY_LOCKED;
}

/* ---- pace ---- */

/* Sleeps until then, holding nothing.  False: the worker must leave the database. */
static bool
sleep_until(const StrataCopy *c, TimestampTz until)
{
	for (;;)
	{
		long ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);

		if (ms <= 0)
			return true;
		if (strata_worker_must_stop())
			return false;
		if (strata_job_cancelled(c->job.id))
			copy_fail(ERRCODE_QUERY_CANCELED, "cancelled");
		WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, Min(ms, 1000), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * After a unit: strata.populate_delay, and as long as strata.populate_rate_limit asks for, which all workers
 * of the server share.  Each adds the time that its blocks cost to what has been spent, and waits until that
 * is over.
 */
static bool
throttle(const StrataCopy *c, uint32 blocks)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz until = now + (int64)strata_populate_delay * 1000;

	if (strata_populate_rate_limit > 0 && blocks > 0)
	{
		int64 us = (int64)((double)blocks * BLCKSZ / ((double)strata_populate_rate_limit * 1024) * 1000000);

		LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
		/* Debts from before the limit was raised are forgotten. */
		strata_workers->rate_until =
			Min(Max(strata_workers->rate_until, now), now + us * STRATA_MAX_WORKERS) + us;
		until = Max(until, strata_workers->rate_until);
		LWLockRelease(strata_workers->lock);
	}
	return until <= now || sleep_until(c, until);
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
	strata_job_phase(c->job.id, STRATA_PHASE_MEMORY);
	do
	{
		if (!sleep_until(c, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), MEMORY_SLEEP_MS)))
			return false;
	} while (strata_pressure_population_stopped());
	strata_job_phase(c->job.id, STRATA_PHASE_COPY);
	return true;
}

/* ---- units ---- */

/* One claimed unit in one transaction, reported; *blocks: of the heap that were read. */
static StrataCopyResult
copy_unit(StrataCopy *c, uint32 unitno, uint32 *blocks)
{
	StrataPopulateStats stats = {0};
	StrataPopulateResult result;
	Relation rel;
	StrataOpenResult opened;
	StrataJob now;

	strata_work_begin();
	opened = strata_work_open(c->job.relid, &rel);
	if (opened == STRATA_OPEN_LOCKED)
	{
		strata_work_commit();
		return STRATA_COPY_LOCKED;
	}
	if (opened == STRATA_OPEN_GONE)
		copy_fail(ERRCODE_UNDEFINED_TABLE, "the table does not exist");
	result = strata_store_populate_unit(rel, unitno, c->job.unit_blocks, c->job.force, &stats);
	snprintf(c->name, sizeof(c->name), "%s.%s", get_namespace_name(RelationGetNamespace(rel)),
			 RelationGetRelationName(rel));
	relation_close(rel, NoLock);
	strata_work_commit();
	*blocks = stats.copied_blocks;
	if (strata_job_report(&c->job, c->slot, result, stats.nrows, &now) &&
		(result == STRATA_POPULATE_DONE || result == STRATA_POPULATE_UNCHANGED))
		publish(STRATA_EV_POPULATION_PROGRESS, &now, c->name);
	return STRATA_COPY_DONE;
}

/* copy_unit(), not giving up at once when somebody has the table locked: most locks are short. */
static StrataCopyResult
copy_unit_patiently(StrataCopy *c, uint32 unitno)
{
	uint32 blocks = 0;
	StrataCopyResult result = copy_unit(c, unitno, &blocks);

	for (int try = 0; result == STRATA_COPY_LOCKED && try < UNIT_LOCK_TRIES; try++)
	{
		if (!sleep_until(c, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), UNIT_LOCK_SLEEP_MS)))
			return STRATA_COPY_STOP;
		result = copy_unit(c, unitno, &blocks);
	}
	if (result == STRATA_COPY_DONE && !throttle(c, blocks))
		return STRATA_COPY_STOP;
	return result;
}

/* What a worker sees to between two units.  False: it must let go of the job. */
static bool
may_go_on(const StrataCopy *c)
{
	CHECK_FOR_INTERRUPTS();
	strata_worker_reload();
	if (strata_job_cancelled(c->job.id))
		copy_fail(ERRCODE_QUERY_CANCELED, "cancelled");
	return !strata_worker_must_stop() && !strata_job_outranked(&c->job, c->slot) && wait_for_memory(c);
}

/* ---- the leader ---- */

/* What was reported, by helpers too.  False: copying more is of no use. */
static bool
note_reports(StrataCopy *c)
{
	static const StrataPopulateResult complaints[] = {STRATA_POPULATE_NO_MEMORY, STRATA_POPULATE_TOO_LARGE,
													  STRATA_POPULATE_NO_LSN, STRATA_POPULATE_NOTHING};
	StrataJob now;

	if (!strata_job_get(c->job.id, &now))
		return true;
	if (now.share.failed)
		ereport(ERROR, (errcode(now.share.sqlstate), errmsg_internal("%s", now.share.error_text)));
	c->no_memory = (now.share.results & (1u << STRATA_POPULATE_NO_MEMORY)) != 0;
	c->moved = (now.share.results & (1u << STRATA_POPULATE_GONE)) != 0;
	/* Only VACUUM helps where nothing was visible to everybody; no need to wait for a minute. */
	c->hopeless = (now.share.results & (1u << STRATA_POPULATE_NO_MEMORY | 1u << STRATA_POPULATE_TOO_LARGE |
										1u << STRATA_POPULATE_NO_LSN)) != 0;
	c->complaint = NULL;
	for (int i = lengthof(complaints); i-- > 0;)
		if (now.share.results & (1u << complaints[i]))
			c->complaint = strata_populate_result_text(complaints[i]);
	return !c->no_memory && !c->moved;
}

static StrataCopyResult
copy_units(StrataCopy *c)
{
	for (;;)
	{
		StrataCopyResult result;
		uint32 unit;

		if (!may_go_on(c))
			return STRATA_COPY_STOP;
		if (!note_reports(c))
			return STRATA_COPY_DONE;
		c->offered += strata_job_offer(c->job.id, c->units + c->offered, c->nunits - c->offered);
		if (strata_job_claim(&c->job, c->slot, &unit))
			result = copy_unit_patiently(c, unit);
		else if (strata_job_await_helpers(&c->job) || c->offered < c->nunits)
			continue;
		else
		{
			result = list_grown_units(c);
			if (result == STRATA_COPY_DONE && c->offered == c->nunits)
				return note_reports(c), STRATA_COPY_DONE;
		}
		if (result != STRATA_COPY_DONE)
			return result;
	}
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

/* Not inlined into its PG_TRY block, where compilers warn of variables that longjmp() might clobber. */
static pg_noinline StrataCopyResult
copy_table(StrataCopy *c)
{
	StrataCopyResult result = copy_begin(c);
	StrataTableStatus status;

	if (result != STRATA_COPY_DONE)
		return result;
	if (!c->announced)
	{
		StrataJob now;

		c->announced = true;
		if (strata_job_get(c->job.id, &now))
			publish(STRATA_EV_POPULATION_STARTED, &now, c->name);
	}
	result = copy_units(c);
	if (result != STRATA_COPY_DONE)
		return result;
	strata_job_recall(&c->job);
	if (c->moved && was_evicted(c))
	{
		c->evicted = true;
		copy_fail(ERRCODE_QUERY_CANCELED, "the table was evicted meanwhile");
	}
	if (c->moved)
		return STRATA_COPY_LOCKED; /* again, soon, from the start */
	/* Not if a larger unit cannot be had: then the smaller ones are better. */
	if (c->job.unit_blocks != 0)
	{
		strata_store_recut_end(c->job.relid, !c->hopeless);
		c->no_memory = false; /* what there was is still there */
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
	c->complaint = cancelled && !c->evicted ? "cancelled" : error->message;
	if (!cancelled)
	{
		strata_counter_add(STRATA_C_POPULATE_ERRORS, 1);
		ereport(LOG, (errcode(c->sqlstate), errmsg("could not populate \"%s\": %s",
												   c->name[0] ? c->name : c->job.target, c->complaint)));
	}
	if (c->job.unit_blocks != 0)
		strata_store_recut_end(c->job.relid, false);
	strata_upkeep_pause(c->job.relid, false);
	strata_store_set_status(c->job.relid, STRATA_TABLE_PARTIAL, c->complaint);
	strata_store_settle_plans(c->job.relid);
	if (c->announced)
		publish_completed(c, cancelled ? "cancelled" : "failed", c->complaint);
	return cancelled ? STRATA_COPY_CANCELLED : STRATA_COPY_FAILED;
}

/* In a PG_CATCH: rolls everything back; the error, in strata_worker_context. */
static ErrorData *
copy_rollback(void)
{
	ErrorData *error;

	HOLD_INTERRUPTS();
	MemoryContextSwitchTo(strata_worker_context);
	error = CopyErrorData();
	FlushErrorState();
	ConditionVariableCancelSleep();
	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(strata_worker_context);
	PortalContext = NULL;
	QueryCancelPending = false;
	RESUME_INTERRUPTS();
	return error;
}

/* Where a job that goes back to the queue begins again. */
static int64
resume_from(const StrataCopy *c, uint32 recalled)
{
	if (c->moved)
		return 0;
	if (!c->units || (c->job.incremental && !c->job.force))
		return c->job.resume;
	return Min(recalled, c->offered < c->nunits ? c->units[c->offered] : c->all_units);
}

StrataCopyResult
strata_copy_table(StrataCopy *c)
{
	StrataCopyResult volatile result;
	uint32 recalled;

	PG_TRY();
	{
		/* A cancel meant for an earlier table must not hit this one. */
		QueryCancelPending = false;
		result = copy_table(c);
	}
	PG_CATCH();
	{
		ErrorData *error = copy_rollback();

		/* Before anybody hears how the job ended, nobody copies. */
		strata_job_give_back(&c->job, c->slot);
		strata_job_recall(&c->job);
		result = copy_failed(c, error);
		if (vacuuming)
			set_vacuuming(false);
	}
	PG_END_TRY();
	strata_job_give_back(&c->job, c->slot);
	recalled = strata_job_recall(&c->job);
	c->resume = resume_from(c, recalled);
	if (result == STRATA_COPY_DONE && c->hopeless)
		strata_upkeep_pause(c->job.relid, false);
	return result;
}

/* ---- helpers ---- */

/* A helper's error is the job's, unless it only means that this worker has to stop. */
static void
help_failed(StrataCopy *c, const ErrorData *error)
{
	bool cancelled = error->sqlerrcode == ERRCODE_QUERY_CANCELED;

	if ((cancelled && strata_worker_must_stop()) || error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE)
		return;
	strata_job_helper_failed(&c->job, error->sqlerrcode, cancelled ? "cancelled" : error->message);
}

void
strata_copy_help(StrataCopy *c)
{
	PG_TRY();
	{
		uint32 unit;

		QueryCancelPending = false;
		while (may_go_on(c) && strata_job_claim(&c->job, c->slot, &unit) &&
			   copy_unit_patiently(c, unit) == STRATA_COPY_DONE)
			;
	}
	PG_CATCH();
	{
		help_failed(c, copy_rollback());
	}
	PG_END_TRY();
	/* Locked, say: the leader sees to it. */
	strata_job_give_back(&c->job, c->slot);
}
