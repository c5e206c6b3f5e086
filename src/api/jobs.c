/*
 * jobs.c - the job table: queueing, taking, sharing, waiting, the view strata.jobs and strata.cancel_job().
 *
 * A fixed array.  A new job takes a free place, else the one of the job that ended longest ago; so the end of
 * a job can be read for some time, and nobody cleans up.
 *
 * One worker leads a job: it alone begins and ends it.  Others help with units that it offers.  `share.run`
 * tells a run of the job from the next, so that a helper that comes too late with a report harms nothing.
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

static void job_end(StrataJob *job, StrataJobState state, int sqlstate, const char *error,
					bool out_of_memory);

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

/* Drops what the worker wanted to do unasked and has not begun.  Lock held. */
static void
forget_auto(Oid database, Oid relid)
{
	for (int i = 0; i < STRATA_MAX_JOBS; i++)
	{
		StrataJob *job = &strata_workers->jobs[i];

		if (job->id != 0 && job->state == STRATA_JOB_QUEUED && !OidIsValid(job->role) &&
			job->database == database && job->relid == relid)
			job->id = 0;
	}
}

static void job_cancel(StrataJob *job);

void
strata_job_stop_auto(Oid database, Oid relid)
{
	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	forget_auto(database, relid);
	for (int i = 0; i < STRATA_MAX_JOBS; i++)
	{
		StrataJob *job = &strata_workers->jobs[i];

		if (job->id != 0 && job->state == STRATA_JOB_RUNNING && !OidIsValid(job->role) &&
			job->database == database && job->relid == relid)
			job_cancel(job);
	}
	LWLockRelease(strata_workers->lock);
}

/* Fills a place.  Lock held; NULL when there is none. */
static StrataJob *
job_insert(const StrataJob *job)
{
	StrataJob *place;

	/* What was asked for takes the place of what was not; should that leave something to do, it is found
	 * again. */
	if (OidIsValid(job->role) && !job->group)
		forget_auto(job->database, job->relid);
	place = job_place();

	if (place)
	{
		*place = *job;
		place->id = ++strata_workers->last_job;
		place->state = STRATA_JOB_QUEUED;
		place->phase = STRATA_PHASE_QUEUED;
		place->total_rows = -1;
		place->more = job->group;
		place->queued_at = GetCurrentTimestamp();
		strata_workers_call(job->database);
	}
	return place;
}

int64
strata_job_add(const StrataJob *job)
{
	StrataJob *place;
	int64 id = 0;

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	place = job_insert(job);
	if (place)
		id = place->id;
	LWLockRelease(strata_workers->lock);
	if (!place)
		ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
						errmsg("too many jobs of the column store are queued"),
						errdetail("At most %d jobs can wait or run at one time.", STRATA_MAX_JOBS),
						errhint("See strata.jobs; strata.cancel_job() cancels one.")));
	return id;
}

/* Lock held. */
static bool
job_exists(Oid database, Oid relid, StrataJobState until)
{
	for (int i = 0; i < STRATA_MAX_JOBS; i++)
	{
		const StrataJob *job = &strata_workers->jobs[i];

		/* A group copies nothing itself. */
		if (job->id != 0 && !job->group && job->database == database && job->relid == relid &&
			!STRATA_JOB_ENDED(job->state) && job->state >= until)
			return true;
	}
	return false;
}

int64
strata_job_add_auto(const StrataJob *job)
{
	StrataJob *place = NULL;
	int64 id = 0;

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	if (!job_exists(job->database, job->relid, STRATA_JOB_QUEUED))
		place = job_insert(job);
	if (place)
		id = place->id;
	LWLockRelease(strata_workers->lock);
	return id;
}

bool
strata_job_active(Oid database, Oid relid, bool *running)
{
	bool active;

	LWLockAcquire(strata_workers->lock, LW_SHARED);
	active = job_exists(database, relid, STRATA_JOB_QUEUED);
	if (running)
		*running = active && job_exists(database, relid, STRATA_JOB_RUNNING);
	LWLockRelease(strata_workers->lock);
	return active;
}

/* ---- taking ---- */

/* Is `a` to be done before `b`?  Who asked for something waits for it; the worker's own wishes come after. */
static bool
job_precedes(const StrataJob *a, const StrataJob *b)
{
	if (a->priority != b->priority)
		return a->priority > b->priority;
	if (OidIsValid(a->role) != OidIsValid(b->role))
		return OidIsValid(a->role);
	if (a->weight != b->weight)
		return a->weight > b->weight;
	return a->id < b->id;
}

/* May a worker take the job now?  Two never copy one table, but share a job of it.  Lock held. */
static bool
job_takeable(const StrataJob *job, Oid database, TimestampTz now)
{
	if (job->id == 0 || job->database != database)
		return false;
	if (job->group && job->state == STRATA_JOB_RUNNING)
		return job->more && !job->making && job->parts <= STRATA_JOB_PARTS / 2;
	return job->state == STRATA_JOB_QUEUED && job->not_before <= now &&
		   (job->group || !job_exists(database, job->relid, STRATA_JOB_RUNNING));
}

/* Lock held. */
static StrataJob *
best_job(Oid database, TimestampTz now)
{
	StrataJob *best = NULL;

	for (int i = 0; i < STRATA_MAX_JOBS; i++)
	{
		StrataJob *job = &strata_workers->jobs[i];

		if (job_takeable(job, database, now) && (!best || job_precedes(job, best)))
			best = job;
	}
	return best;
}

/* The running job that could use a helper.  Lock held. */
static StrataJob *
best_to_help(Oid database)
{
	StrataJob *best = NULL;

	for (int i = 0; i < STRATA_MAX_JOBS; i++)
	{
		StrataJob *job = &strata_workers->jobs[i];

		if (job->id != 0 && job->database == database && job->state == STRATA_JOB_RUNNING && !job->cancel &&
			job->share.head != job->share.tail && !job->share.failed && (!best || job_precedes(job, best)))
			best = job;
	}
	return best;
}

/* Lock held. */
static void
job_started(StrataJob *job, TimestampTz now)
{
	job->state = STRATA_JOB_RUNNING;
	job->phase = STRATA_PHASE_COPY;
	if (job->started_at == 0)
		job->started_at = now;
	job->copying_since = 0;
	memset(&job->share.head, 0, sizeof(job->share) - offsetof(StrataJobShare, head));
	job->share.run++;
}

StrataTake
strata_job_take(Oid database, int slot, StrataJob *out, long *wait_ms)
{
	StrataWorkerSlot *mine = &strata_workers->slots[slot];
	TimestampTz now = GetCurrentTimestamp();
	StrataTake take = STRATA_TAKE_NONE;
	StrataJob *best, *help;

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	best = best_job(database, now);
	help = best_to_help(database);
	if (best && (!help || best->priority >= help->priority))
	{
		take = best->group ? STRATA_TAKE_PARTS : STRATA_TAKE_LEAD;
		if (best->state == STRATA_JOB_QUEUED)
			job_started(best, now);
		best->making = best->group;
	}
	else if (help)
	{
		take = STRATA_TAKE_HELP;
		best = help;
	}
	if (take != STRATA_TAKE_NONE)
		*out = *best;
	else
		for (int i = 0; i < STRATA_MAX_JOBS; i++)
		{
			const StrataJob *job = &strata_workers->jobs[i];

			if (job->id != 0 && job->database == database && job->state == STRATA_JOB_QUEUED &&
				job->not_before > now)
				*wait_ms = Min(*wait_ms, Max(TimestampDifferenceMilliseconds(now, job->not_before), 1));
		}
	mine->job = take != STRATA_TAKE_NONE ? best->id : 0;
	mine->leads = take == STRATA_TAKE_LEAD || take == STRATA_TAKE_PARTS;
	mine->claimed = false;
	LWLockRelease(strata_workers->lock);
	return take;
}

bool
strata_job_outranked(const StrataJob *job, int slot)
{
	const StrataJob *best;
	bool others = false;

	LWLockAcquire(strata_workers->lock, LW_SHARED);
	best = best_job(job->database, GetCurrentTimestamp());
	/* Idle ones take it at once, helpers after their unit. */
	for (int i = 0; i < STRATA_MAX_WORKERS; i++)
	{
		const StrataWorkerSlot *other = &strata_workers->slots[i];

		if (i != slot && other->database == job->database && other->pid != 0 && !other->stop &&
			(other->job == 0 || !other->leads))
			others = true;
	}
	if (!strata_workers->slots[slot].leads)
		others = false;
	LWLockRelease(strata_workers->lock);
	return best && best->priority > job->priority && !others;
}

/* ---- the course of a job ---- */

void
strata_job_phase(int64 id, StrataJobPhase phase)
{
	StrataJob *job;

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	job = job_find(id);
	if (job && !STRATA_JOB_ENDED(job->state))
	{
		if (phase == STRATA_PHASE_LOCK && job->locked_since == 0)
			job->locked_since = GetCurrentTimestamp();
		if (phase == STRATA_PHASE_VACUUM)
			job->vacuum = false; /* once; not again when it is cut short and the job goes on later */
		job->phase = phase;
	}
	LWLockRelease(strata_workers->lock);
}

void
strata_job_extent(int64 id, int64 done, int64 total, int64 total_rows)
{
	StrataJob *job;

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	job = job_find(id);
	if (job && job->state == STRATA_JOB_RUNNING)
	{
		job->done = done;
		job->total = total;
		job->total_rows = total_rows;
		if (job->copying_since == 0)
		{
			job->copying_since = GetCurrentTimestamp();
			job->copied_before = done;
		}
	}
	LWLockRelease(strata_workers->lock);
}

void
strata_job_mode(const StrataJob *mine)
{
	StrataJob *job;

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	job = job_find(mine->id);
	if (job)
	{
		job->force = mine->force;
		job->since = mine->since;
		job->unit_blocks = mine->unit_blocks;
	}
	LWLockRelease(strata_workers->lock);
}

bool
strata_job_get(int64 id, StrataJob *out)
{
	StrataJob *job;

	LWLockAcquire(strata_workers->lock, LW_SHARED);
	job = job_find(id);
	if (job)
		*out = *job;
	LWLockRelease(strata_workers->lock);
	return job != NULL;
}

/* ---- sharing the units of a job ---- */

/* The job, if this run of it is still going on.  Lock held. */
static StrataJob *
job_run(const StrataJob *mine)
{
	StrataJob *job = job_find(mine->id);

	return job && job->state == STRATA_JOB_RUNNING && job->share.run == mine->share.run ? job : NULL;
}

uint32
strata_job_offer(int64 id, const uint32 *units, uint32 n)
{
	StrataJob *job;
	uint32 taken = 0;

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	job = job_find(id);
	if (job && job->state == STRATA_JOB_RUNNING)
	{
		StrataJobShare *share = &job->share;

		while (taken < n && share->tail - share->head < STRATA_JOB_OFFERS_MAX)
			share->offers[share->tail++ % STRATA_JOB_OFFERS] = units[taken++];
		/* The leader takes one itself. */
		if (share->tail - share->head > 1)
			strata_workers_call(job->database);
	}
	LWLockRelease(strata_workers->lock);
	return taken;
}

bool
strata_job_claim(const StrataJob *mine, int slot, uint32 *unit)
{
	StrataWorkerSlot *s = &strata_workers->slots[slot];
	StrataJob *job;
	bool claimed = false;

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	job = job_run(mine);
	if (job && !job->cancel && job->share.head != job->share.tail)
	{
		claimed = s->claimed = true;
		*unit = s->unit = job->share.offers[job->share.head++ % STRATA_JOB_OFFERS];
		job->share.copying++;
	}
	LWLockRelease(strata_workers->lock);
	return claimed;
}

/* Lock held. */
static StrataJob *
job_unclaim(const StrataJob *mine, int slot)
{
	StrataWorkerSlot *s = &strata_workers->slots[slot];
	StrataJob *job = job_run(mine);
	bool claimed = s->claimed;

	s->claimed = false;
	if (!claimed || !job)
		return NULL;
	job->share.copying--;
	return job;
}

bool
strata_job_report(const StrataJob *mine, int slot, StrataPopulateResult result, uint32 rows, StrataJob *now)
{
	StrataJob *job;

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	job = job_unclaim(mine, slot);
	if (job)
	{
		job->share.results |= 1u << result;
		job->done++;
		job->rows += rows;
		/* Copying begins with an attempt at the lock, so only progress ends a wait for it. */
		job->locked_since = 0;
		*now = *job;
	}
	LWLockRelease(strata_workers->lock);
	ConditionVariableBroadcast(&strata_workers->changed);
	return job != NULL;
}

void
strata_job_give_back(const StrataJob *mine, int slot)
{
	StrataJob *job;

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	job = job_unclaim(mine, slot);
	if (job)
		job->share.offers[--job->share.head % STRATA_JOB_OFFERS] = strata_workers->slots[slot].unit;
	LWLockRelease(strata_workers->lock);
	ConditionVariableBroadcast(&strata_workers->changed);
}

void
strata_job_helper_failed(const StrataJob *mine, int sqlstate, const char *error)
{
	StrataJob *job;

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	job = job_run(mine);
	if (job && !job->share.failed)
	{
		job->share.failed = true;
		job->share.sqlstate = sqlstate;
		strlcpy(job->share.error_text, error, sizeof(job->share.error_text));
	}
	LWLockRelease(strata_workers->lock);
}

bool
strata_job_await_helpers(const StrataJob *mine)
{
	StrataJob *job;
	bool offered, copying;

	ConditionVariablePrepareToSleep(&strata_workers->changed);
	LWLockAcquire(strata_workers->lock, LW_SHARED);
	job = job_run(mine);
	offered = job && job->share.head != job->share.tail;
	copying = job && job->share.copying > 0;
	LWLockRelease(strata_workers->lock);
	if (copying && !offered)
		ConditionVariableTimedSleep(&strata_workers->changed, 1000, PG_WAIT_EXTENSION);
	ConditionVariableCancelSleep();
	return offered || copying;
}

uint32
strata_job_recall(const StrataJob *mine)
{
	uint32 left = PG_UINT32_MAX;

	HOLD_INTERRUPTS();
	ConditionVariablePrepareToSleep(&strata_workers->changed);
	for (;;)
	{
		StrataJob *job;
		bool copying;

		LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
		job = job_run(mine);
		/* What was given back meanwhile too. */
		while (job && job->share.head != job->share.tail)
		{
			uint32 unit = job->share.offers[job->share.head++ % STRATA_JOB_OFFERS];

			left = Min(left, unit);
		}
		copying = job && job->share.copying > 0;
		LWLockRelease(strata_workers->lock);
		if (!copying)
			break;
		ConditionVariableTimedSleep(&strata_workers->changed, 1000, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
	RESUME_INTERRUPTS();
	return left;
}

/* ---- jobs over several tables ---- */

void
strata_job_add_part(const StrataJob *group, const StrataJob *part)
{
	StrataJob *job;

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	job = job_run(group);
	if (job && !job->cancel && job->parts < STRATA_JOB_PARTS && job_insert(part))
	{
		job->parts++;
		job->last_part = part->relid;
	}
	LWLockRelease(strata_workers->lock);
}

/* A group none of whose tables is left.  Lock held. */
static void
group_finish(StrataJob *group)
{
	if (group->more || group->parts > 0 || group->state != STRATA_JOB_RUNNING)
		return;
	if (group->share.failed)
		job_end(group, STRATA_JOB_FAILED, group->share.sqlstate, group->share.error_text, false);
	else
		job_end(group, STRATA_JOB_DONE, 0, group->share.error_text, group->out_of_memory);
}

void
strata_job_parts_added(int64 id, bool more, int64 total)
{
	StrataJob *job;

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	job = job_find(id);
	if (job && job->state == STRATA_JOB_RUNNING)
	{
		for (int i = 0; i < STRATA_MAX_WORKERS; i++)
			if (strata_workers->slots[i].job == id)
				strata_workers->slots[i].job = 0;
		job->making = false;
		job->more = more;
		job->total = total;
		group_finish(job);
	}
	LWLockRelease(strata_workers->lock);
	ConditionVariableBroadcast(&strata_workers->changed);
}

/* Tells the group that its part has ended.  Lock held. */
static void
part_ended(const StrataJob *part)
{
	StrataJob *group = part->parent != 0 ? job_find(part->parent) : NULL;

	if (!group || group->state != STRATA_JOB_RUNNING)
		return;
	group->parts--;
	group->done++;
	group->rows += part->rows;
	if (part->out_of_memory)
	{
		group->out_of_memory = true;
		strlcpy(group->share.error_text, part->error, sizeof(group->share.error_text));
	}
	if (part->state == STRATA_JOB_FAILED)
	{
		group->share.failed = true;
		group->share.sqlstate = part->sqlstate;
		snprintf(group->share.error_text, sizeof(group->share.error_text), "%s: %s", part->target,
				 part->error);
	}
	if (group->more)
		strata_workers_call(group->database);
	else
		group_finish(group);
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
	part_ended(job);
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
strata_job_requeue(int64 id, int delay_ms, int64 resume)
{
	StrataJob *job;

	LWLockAcquire(strata_workers->lock, LW_EXCLUSIVE);
	job = job_find(id);
	if (job && job->state == STRATA_JOB_RUNNING)
	{
		job_leave(job);
		job->state = STRATA_JOB_QUEUED;
		job->resume = resume;
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

	if (job->state != STRATA_JOB_QUEUED || job->phase != STRATA_PHASE_LOCK || !OidIsValid(job->relid) ||
		!TimestampDifferenceExceeds(job->locked_since, GetCurrentTimestamp(), DeadlockTimeout))
		return false;
	SET_LOCKTAG_RELATION(tag, job->database, job->relid);
	for (LOCKMODE mode = AccessShareLock; mode <= MaxLockMode; mode++)
		if (LockHeldByMe(&tag, mode))
			return true;
	return false;
}

/* The same of the parts of a group, which `*job` then becomes. */
static bool
part_waits_for_us(StrataJob *job)
{
	StrataJob parts[STRATA_JOB_PARTS];
	int n = 0;

	if (!job->group)
		return false;
	LWLockAcquire(strata_workers->lock, LW_SHARED);
	for (int i = 0; i < STRATA_MAX_JOBS && n < STRATA_JOB_PARTS; i++)
		if (strata_workers->jobs[i].parent == job->id && !STRATA_JOB_ENDED(strata_workers->jobs[i].state))
			parts[n++] = strata_workers->jobs[i];
	LWLockRelease(strata_workers->lock);
	for (int i = 0; i < n; i++)
		if (job_waits_for_us(&parts[i]))
		{
			*job = parts[i];
			return true;
		}
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
			ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
							errmsg("could not populate \"%s\": the launcher of pg_strata is not running",
								   copy.target),
							errdetail("No background worker slot was free for it when the server started."),
							errhint("Raise max_worker_processes and restart the server.")));
		if (job_waits_for_us(&copy) || part_waits_for_us(&copy))
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
		ereport(WARNING,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("\"%s\" is only partly in the column store: %s", copy.target, copy.error),
				 copy.group ? errdetail("The rest is read from the tables.")
							: errdetail("%lld of %lld units are in memory; the rest is read from the table.",
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

double
strata_job_remaining_ms(const StrataJob *job)
{
	int64 copied = job->done - job->copied_before;

	if (job->state != STRATA_JOB_RUNNING || job->copying_since == 0 || copied <= 0)
		return -1;
	return (double)(GetCurrentTimestamp() - job->copying_since) / 1000.0 / (double)copied *
		   (double)Max(job->total - job->done, 0);
}

/* Lock not held: the slots may change while they are counted. */
static int
job_workers(int64 id)
{
	int n = 0;

	for (int i = 0; i < STRATA_MAX_WORKERS; i++)
		n += strata_workers->slots[i].pid != 0 && strata_workers->slots[i].job == id;
	return n;
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
		double remaining = strata_job_remaining_ms(job);
		Datum values[16];
		bool nulls[16] = {false};

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
		values[10] = Int64GetDatum(job->rows);
		values[11] = Int64GetDatum(job->total_rows);
		nulls[11] = job->total_rows < 0;
		nulls[12] = job->total == 0;
		values[12] = Float8GetDatum(job->total == 0 ? 0 : 100.0 * job->done / job->total);
		nulls[13] = remaining < 0;
		values[13] = Float8GetDatum(remaining);
		values[14] = Int32GetDatum(job->state == STRATA_JOB_RUNNING ? job_workers(job->id) : 0);
		values[15] = Int64GetDatum(job->parent);
		nulls[15] = job->parent == 0;
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

/* Lock held. */
static void
job_cancel(StrataJob *job)
{
	job->cancel = true;
	/* Of a group that runs, no worker may be aware. */
	if (job->state == STRATA_JOB_QUEUED || job->group)
		job_end(job, STRATA_JOB_CANCELLED, ERRCODE_QUERY_CANCELED, "cancelled", false);
	else
		for (int i = 0; i < STRATA_MAX_WORKERS; i++)
			if (strata_workers->slots[i].job == job->id && strata_workers->slots[i].pid != 0)
				kill(strata_workers->slots[i].pid, SIGINT);
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
		/* The group first, or the end of a part would ask for others. */
		job_cancel(job);
		for (int i = 0; i < STRATA_MAX_JOBS; i++)
			if (strata_workers->jobs[i].parent == id && !STRATA_JOB_ENDED(strata_workers->jobs[i].state))
				job_cancel(&strata_workers->jobs[i]);
	}
	LWLockRelease(strata_workers->lock);
	ConditionVariableBroadcast(&strata_workers->changed);
	PG_RETURN_BOOL(cancelled);
}
