/*
 * jobs.c - the job table: queueing, taking, waiting, the view strata.jobs and strata.cancel_job().
 *
 * A fixed array.  A new job takes a free place, else the one of the job that ended longest ago; so the end of
 * a job can be read for some time, and nobody cleans up.
 */
#include "postgres.h"

#include <signal.h>

#include "catalog/pg_authid.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api/access.h"
#include "api/workers.h"
#include "base/compat.h"

STRATA_FUNCTION(strata_jobs_rows);
STRATA_FUNCTION(strata_cancel_job);

static const char *const kind_names[] = {"populate", "compact"};
static const char *const state_names[] = {"queued", "running", "done", "failed", "cancelled"};
static const char *const phase_names[] = {"queued", "waiting for lock",	  "vacuum",
										  "copy",	"waiting for memory", "end"};

/* Lock held. */
static StrataJob *
job_find(int64 id)
{
	for (int i = 0; i < STRATA_MAX_JOBS; i++)
		if (strata_workers->jobs[i].id == id)
			return &strata_workers->jobs[i];
	return NULL;
}

/* A place for a new job; NULL when all 256 are still wanted.  Lock held. */
static StrataJob *
job_place(void)
{
	StrataJob *oldest = NULL;

	for (int i = 0; i < STRATA_MAX_JOBS; i++)
	{
		StrataJob *job = &strata_workers->jobs[i];

		if (job->id == 0)
			return job;
		if (STRATA_JOB_ENDED(job->state) && (!oldest || job->finished_at < oldest->finished_at))
			oldest = job;
	}
	return oldest;
}

int64
strata_job_add(const StrataJob *job)
{
	StrataJob *place;
	int64 id = 0;

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	place = job_place();
	if (place)
	{
		*place = *job;
		place->id = id = ++strata_workers->last_job;
		place->state = STRATA_JOB_QUEUED;
		place->phase = STRATA_PHASE_QUEUED;
		place->queued_at = GetCurrentTimestamp();
	}
	LWLockRelease(strata_workers->lock);
	if (!place)
		ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
						errmsg("too many jobs of the column store are queued"),
						errdetail("At most %d jobs can wait or run at one time.", STRATA_MAX_JOBS),
						errhint("See strata.jobs; strata.cancel_job() cancels one.")));
	strata_workers_wake(job->database);
	return id;
}

bool
strata_job_active(Oid database, Oid relid, bool *running)
{
	bool active = false;

	if (running)
		*running = false;
	LWLockAcquire(strata_workers->lock, LW_SHARED);
	for (int i = 0; i < STRATA_MAX_JOBS; i++)
	{
		StrataJob *job = &strata_workers->jobs[i];

		if (job->id == 0 || STRATA_JOB_ENDED(job->state) || job->database != database || job->relid != relid)
			continue;
		active = true;
		if (running && job->state == STRATA_JOB_RUNNING)
			*running = true;
	}
	LWLockRelease(strata_workers->lock);
	return active;
}

bool
strata_job_take(Oid database, int slot, StrataJob *out, long *wait_ms)
{
	TimestampTz now = GetCurrentTimestamp();
	StrataJob *best = NULL;

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	for (int i = 0; i < STRATA_MAX_JOBS; i++)
	{
		StrataJob *job = &strata_workers->jobs[i];

		if (job->id == 0 || job->state != STRATA_JOB_QUEUED || job->database != database)
			continue;
		if (job->not_before > now)
		{
			*wait_ms = Min(*wait_ms, TimestampDifferenceMilliseconds(now, job->not_before));
			continue;
		}
		if (!best || job->priority > best->priority ||
			(job->priority == best->priority && job->id < best->id))
			best = job;
	}
	if (best)
	{
		best->state = STRATA_JOB_RUNNING;
		best->phase = STRATA_PHASE_COPY;
		if (best->started_at == 0)
			best->started_at = now;
		*out = *best;
	}
	strata_workers->slots[slot].job = best ? best->id : 0;
	LWLockRelease(strata_workers->lock);
	return best != NULL;
}

void
strata_job_progress(int64 id, StrataJobPhase phase, int64 done, int64 total)
{
	StrataJob *job;

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	job = job_find(id);
	if (job)
	{
		/* Copying begins with an attempt at the lock, so only progress ends a wait for it. */
		if (phase == STRATA_PHASE_LOCK && job->locked_since == 0)
			job->locked_since = GetCurrentTimestamp();
		else if (phase != STRATA_PHASE_LOCK && done > job->done)
			job->locked_since = 0;
		if (phase == STRATA_PHASE_VACUUM)
			job->vacuum = false; /* once; not again when it is cut short and the job goes on later */
		job->phase = phase;
		job->done = done;
		job->total = total;
	}
	LWLockRelease(strata_workers->lock);
}

bool
strata_job_cancelled(int64 id)
{
	StrataJob *job;
	bool cancelled;

	LWLockAcquire(strata_workers->lock, LW_SHARED);
	job = job_find(id);
	cancelled = job && job->cancel;
	LWLockRelease(strata_workers->lock);
	return cancelled;
}

/* Lock held; the worker of the job, when it runs, no longer counts as running it. */
static void
job_leave(StrataJob *job)
{
	for (int i = 0; i < STRATA_MAX_WORKERS; i++)
		if (strata_workers->slots[i].job == job->id)
			strata_workers->slots[i].job = 0;
}

/* Lock held. */
static void
job_end(StrataJob *job, StrataJobState state, int sqlstate, const char *error, bool out_of_memory)
{
	job_leave(job);
	job->state = state;
	job->phase = STRATA_PHASE_END;
	job->sqlstate = sqlstate;
	job->out_of_memory = out_of_memory;
	job->finished_at = GetCurrentTimestamp();
	strlcpy(job->error, error ? error : "", sizeof(job->error));
}

void
strata_job_end(int64 id, StrataJobState state, int sqlstate, const char *error, bool out_of_memory)
{
	StrataJob *job;

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	job = job_find(id);
	if (job && !STRATA_JOB_ENDED(job->state))
		job_end(job, state, sqlstate, error, out_of_memory);
	LWLockRelease(strata_workers->lock);
	ConditionVariableBroadcast(&strata_workers->changed);
}

void
strata_job_requeue(int64 id, int delay_ms)
{
	StrataJob *job;

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	job = job_find(id);
	if (job && job->state == STRATA_JOB_RUNNING)
	{
		job_leave(job);
		job->state = STRATA_JOB_QUEUED;
		job->not_before = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), delay_ms);
		if (job->cancel)
			job_end(job, STRATA_JOB_CANCELLED, ERRCODE_QUERY_CANCELED, "cancelled", false);
	}
	LWLockRelease(strata_workers->lock);
	ConditionVariableBroadcast(&strata_workers->changed);
}

void
strata_jobs_fail_queued(Oid database, int age_ms, int sqlstate, const char *error)
{
	TimestampTz now = GetCurrentTimestamp();

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	for (int i = 0; i < STRATA_MAX_JOBS; i++)
	{
		StrataJob *job = &strata_workers->jobs[i];

		if (job->id != 0 && job->state == STRATA_JOB_QUEUED && job->database == database &&
			TimestampDifferenceExceeds(job->queued_at, now, age_ms))
			job_end(job, STRATA_JOB_FAILED, sqlstate, error, false);
	}
	LWLockRelease(strata_workers->lock);
	ConditionVariableBroadcast(&strata_workers->changed);
}

/*
 * The worker only tries for its lock, so PostgreSQL's deadlock detector does not see it.  But while we have a
 * lock ourselves, nobody can have one that the worker must wait for: then it is kept out by somebody who
 * waits for us.
 */
static bool
job_waits_for_us(const StrataJob *job)
{
	LOCKTAG tag;

	if (job->state != STRATA_JOB_QUEUED || job->phase != STRATA_PHASE_LOCK ||
		!TimestampDifferenceExceeds(job->locked_since, GetCurrentTimestamp(), DeadlockTimeout))
		return false;
	SET_LOCKTAG_RELATION(tag, job->database, job->relid);
	for (LOCKMODE mode = AccessShareLock; mode <= MaxLockMode; mode++)
		if (LockHeldByMe(&tag, mode))
			return true;
	return false;
}

/* So long may the launcher be away (it is restarted within seconds) before waiting for it is given up. */
#define LAUNCHER_GONE_MS 10000

void
strata_job_wait(int64 id)
{
	StrataJob copy;
	bool known;
	TimestampTz alone_since = 0;

	ConditionVariablePrepareToSleep(&strata_workers->changed);
	for (;;)
	{
		StrataJob *job;
		bool launcher;

		LWLockAcquire(strata_workers->lock, LW_SHARED);
		job = job_find(id);
		known = job != NULL;
		if (known)
			copy = *job;
		launcher = strata_workers->launcher_pid != 0;
		LWLockRelease(strata_workers->lock);
		if (!known || STRATA_JOB_ENDED(copy.state))
			break;
		if (launcher || copy.state != STRATA_JOB_QUEUED)
			alone_since = 0;
		else if (alone_since == 0)
			alone_since = GetCurrentTimestamp();
		else if (TimestampDifferenceExceeds(alone_since, GetCurrentTimestamp(), LAUNCHER_GONE_MS))
			ereport(ERROR,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("could not populate \"%s\": the launcher of pg_strata is not running", copy.target),
					 errdetail("No background worker slot was free for it when the server started."),
					 errhint("Raise max_worker_processes and restart the server.")));
		if (job_waits_for_us(&copy))
			ereport(
				ERROR,
				(errcode(ERRCODE_T_R_DEADLOCK_DETECTED),
				 errmsg("cannot wait for the population of \"%s\"", copy.target),
				 errdetail(
					 "Another session waits for this transaction's lock on the table, and the background "
					 "worker for that session."),
				 errhint("Job %lld stays queued and runs when this transaction has ended.", (long long)id)));
		/* Everyone who ends a job broadcasts; the timeout is for the check above. */
		ConditionVariableTimedSleep(&strata_workers->changed, 500, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();

	if (!known)
		return; /* ended so long ago that 256 others ended since */
	if (copy.state == STRATA_JOB_CANCELLED)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED), errmsg("population of \"%s\" was cancelled", copy.target)));
	if (copy.state == STRATA_JOB_FAILED)
		ereport(ERROR,
				(errcode(copy.sqlstate), errmsg("could not populate \"%s\": %s", copy.target, copy.error)));
	if (copy.out_of_memory)
		ereport(WARNING, (errcode(ERRCODE_OUT_OF_MEMORY),
						  errmsg("\"%s\" is only partly in the column store: %s", copy.target, copy.error),
						  errdetail("%lld of %lld units are in memory; the rest is read from the table.",
									(long long)copy.done, (long long)copy.total),
						  errhint("Raise strata.memory, evict other tables, or enable fewer columns.")));
}

static Datum
text_or_null(const char *text, bool *isnull)
{
	*isnull = text[0] == '\0';
	return *isnull ? (Datum)0 : CStringGetTextDatum(text);
}

static Datum
time_or_null(TimestampTz t, bool *isnull)
{
	*isnull = t == 0;
	return TimestampTzGetDatum(t);
}

/* strata.jobs: this database's jobs on tables that the caller may see, and the caller's own. */
Datum
strata_jobs_rows(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *)fcinfo->resultinfo;
	StrataJob *jobs;

	strata_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	jobs = palloc(sizeof(strata_workers->jobs));
	LWLockAcquire(strata_workers->lock, LW_SHARED);
	memcpy(jobs, strata_workers->jobs, sizeof(strata_workers->jobs));
	LWLockRelease(strata_workers->lock);

	for (int i = 0; i < STRATA_MAX_JOBS; i++)
	{
		StrataJob *job = &jobs[i];
		Datum values[10];
		bool nulls[10] = {false};

		if (job->id == 0 || job->database != MyDatabaseId)
			continue;
		if (job->role != GetUserId() && !strata_may_see(job->relid))
			continue;
		values[0] = Int64GetDatum(job->id);
		values[1] = CStringGetTextDatum(kind_names[job->kind]);
		values[2] = text_or_null(job->target, &nulls[2]);
		values[3] = CStringGetTextDatum(state_names[job->state]);
		values[4] = CStringGetTextDatum(phase_names[job->phase]);
		values[5] = Int64GetDatum(job->done);
		values[6] = Int64GetDatum(job->total);
		nulls[6] = job->total == 0 && !STRATA_JOB_ENDED(job->state);
		values[7] = time_or_null(job->started_at, &nulls[7]);
		values[8] = time_or_null(job->finished_at, &nulls[8]);
		values[9] = text_or_null(job->error, &nulls[9]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum)0;
}

/* Who asked for the job, who owns its table, and who may signal other backends may cancel it. */
static bool
job_may_cancel(const StrataJob *job)
{
	if (has_privs_of_role(GetUserId(), ROLE_PG_SIGNAL_BACKEND))
		return true;
	if (job->database != MyDatabaseId)
		return false;
	if (OidIsValid(job->role) && has_privs_of_role(GetUserId(), job->role))
		return true;
	return OidIsValid(job->relid) && strata_owns(job->relid);
}

/* strata.cancel_job(id) → bool */
Datum
strata_cancel_job(PG_FUNCTION_ARGS)
{
	int64 id = PG_GETARG_INT64(0);
	StrataJob copy = {0};
	StrataJob *job;
	bool cancelled = false;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("id must not be null")));
	strata_require_preload();
	LWLockAcquire(strata_workers->lock, LW_SHARED);
	job = id > 0 ? job_find(id) : NULL;
	if (job)
		copy = *job;
	LWLockRelease(strata_workers->lock);
	if (!job)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("job %lld does not exist", (long long)id)));
	if (!job_may_cancel(&copy))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to cancel job %lld", (long long)id),
				 errhint("You must own the table, or have privileges of the role pg_signal_backend.")));

	/* Ids are never used twice, so what was checked above is what is cancelled here. */
	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	job = job_find(id);
	if (job && !STRATA_JOB_ENDED(job->state))
	{
		cancelled = true;
		job->cancel = true;
		if (job->state == STRATA_JOB_QUEUED)
			job_end(job, STRATA_JOB_CANCELLED, ERRCODE_QUERY_CANCELED, "cancelled", false);
		else
			for (int i = 0; i < STRATA_MAX_WORKERS; i++)
				if (strata_workers->slots[i].job == id && strata_workers->slots[i].pid != 0)
					kill(strata_workers->slots[i].pid, SIGINT);
	}
	LWLockRelease(strata_workers->lock);
	ConditionVariableBroadcast(&strata_workers->changed);
	PG_RETURN_BOOL(cancelled);
}
