/*
 * workers.h - jobs, the launcher and the population workers, and the shared state between them.
 *
 * Included by: src/api/ only.
 * Memory: one struct in PostgreSQL's shared memory, made again after a crash restart.
 * Locking: everything in StrataWorkers is guarded by its one LWLock, held for copies only, never while
 * another lock is taken or memory is allocated; `changed` is broadcast after a job or a slot changed state.
 * Not here: what a job does to the column store (worker.c through column/store.h).
 */
#ifndef STRATA_API_WORKERS_H
#define STRATA_API_WORKERS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/lwlock.h"

#include "api/enabled.h"
#include "base/compat.h"
#include "base/module.h"

extern const StrataModule strata_workers_module;

#define STRATA_MAX_JOBS 256
/* What strata.populate_workers can be set to. */
#define STRATA_MAX_WORKERS	 16
#define STRATA_MAX_DATABASES 64
#define STRATA_MAX_HOLDS	 16
/* How often a database with enabled tables, but without a worker, is visited. */
#define STRATA_VISIT_INTERVAL_MS 10000

typedef enum StrataJobKind
{
	STRATA_JOB_POPULATE,
	STRATA_JOB_COMPACT
} StrataJobKind;

typedef enum StrataJobState
{
	STRATA_JOB_QUEUED,
	STRATA_JOB_RUNNING,
	STRATA_JOB_DONE,
	STRATA_JOB_FAILED,
	STRATA_JOB_CANCELLED
} StrataJobState;

#define STRATA_JOB_ENDED(state) ((state) >= STRATA_JOB_DONE)

/* Units that a job can have on offer: with 16 workers, three each while the leader copies one.  A claimed one
 * can be given back by each of them. */
#define STRATA_JOB_OFFERS	  64
#define STRATA_JOB_OFFERS_MAX (STRATA_JOB_OFFERS - STRATA_MAX_WORKERS)
/* Jobs that a job over several tables has at one time: enough for every worker, and few of the 256. */
#define STRATA_JOB_PARTS 16

typedef enum StrataJobPhase
{
	STRATA_PHASE_QUEUED,
	STRATA_PHASE_LOCK, /* the table is locked by somebody else; tried again soon */
	STRATA_PHASE_VACUUM,
	STRATA_PHASE_COPY,
	STRATA_PHASE_MEMORY, /* memory pressure is critical; goes on when it is not */
	STRATA_PHASE_END
} StrataJobPhase;

/*
 * What the worker that leads a job shares with those that help it.  The leader offers units, in the order it
 * wants them copied; everyone, the leader too, claims one after the other, copies it, and reports.
 */
typedef struct StrataJobShare
{
	uint32 run;		   /* counts the times that the job was taken: reports for another are ignored */
	uint32 head, tail; /* offers[head % STRATA_JOB_OFFERS] is next; head = tail: none */
	uint32 offers[STRATA_JOB_OFFERS];
	uint32 copying; /* claimed and not yet reported */
	uint32 results; /* bit a StrataPopulateResult that was reported */
	bool failed;	/* a helper had an error: sqlstate and text in error_text */
	int sqlstate;
	char error_text[256];
} StrataJobShare;

typedef struct StrataJob
{
	int64 id; /* 0: free; ids only grow while the server runs */
	StrataJobKind kind;
	StrataJobState state;
	StrataJobPhase phase;
	Oid database;
	Oid relid; /* InvalidOid: every table that `role` owns */
	Oid role;  /* who asked; InvalidOid: the worker itself */
	StrataPriority priority;
	uint64 weight;	  /* among jobs of one priority that workers asked for: the more, the earlier */
	bool force;		  /* copy fresh units again too */
	bool vacuum;	  /* may vacuum first */
	bool incremental; /* only units that copying would make fresher */
	int min_gain;	  /* incremental: percent of a unit's blocks that copying it must make fresh */
	bool cancel;
	int64 done, total;	/* units */
	int64 rows;			/* copied by this job */
	int64 total_rows;	/* that it will copy, an estimate; -1: unknown */
	int64 resume;		/* units below were done before the job went back to the queue */
	uint64 since;		/* force: units younger than this generation are this job's own; 0: not begun */
	uint32 unit_blocks; /* of units that are to take the place of those there are; 0: they stay */
	TimestampTz queued_at, started_at, finished_at;
	TimestampTz copying_since; /* this run: after VACUUM, with the first unit */
	int64 copied_before;	   /* `done` then */
	TimestampTz not_before;	   /* queued: not to be taken earlier */
	TimestampTz locked_since;  /* the table is locked by others since then; 0: it is not */
	bool out_of_memory;		   /* done, but the table is only partly populated */
	int sqlstate;			   /* failed */

	/* A job over several tables makes a job for each, some at a time.  `done` and `total` count tables. */
	bool group;
	int64 parent;  /* of such a part: the group; 0: none */
	Oid last_part; /* tables up to this OID have got their part */
	int parts;	   /* that have not ended */
	bool more;	   /* there may be tables without a part */
	bool making;   /* a worker is making parts */

	StrataJobShare share;
	char target[2 * NAMEDATALEN + 8];
	char error[256];
} StrataJob;

/* One population worker.  Written by the launcher while `pid` is 0, then by the worker. */
typedef struct StrataWorkerSlot
{
	Oid database; /* InvalidOid: free */
	pid_t pid;	  /* 0: registered, not yet running */
	TimestampTz registered_at;
	Latch *latch;
	bool keeper;			/* looks after the database: one of its workers is */
	int64 job;				/* the running one; 0: none */
	bool leads;				/* that job; else helps */
	bool claimed;			/* a unit of it, not reported yet ... */
	uint32 unit;			/* ... which is this */
	TimestampTz idle_since; /* 0: busy */
	bool look;				/* somebody wants the catalog looked at */
	bool written;			/* a transaction has written much */
	bool stop;				/* leave as soon as you can */
} StrataWorkerSlot;

typedef struct StrataDatabase
{
	Oid database; /* InvalidOid: free */
	bool look;	  /* a worker is wanted now */
	bool enabled; /* it had enabled tables when a worker last left it */
	TimestampTz next_visit;
	bool no_worker;			 /* the last attempt found no free background worker slot */
	TimestampTz next_helper; /* no further worker before: the last attempt found no slot */
} StrataDatabase;

/* A backend that needs the database free of workers (DROP DATABASE and the like). */
typedef struct StrataHold
{
	Oid database;
	pid_t pid; /* 0: free */
} StrataHold;

typedef struct StrataWorkers
{
	LWLock *lock;
	ConditionVariable changed;
	int64 last_job;
	pid_t launcher_pid;
	Latch *launcher_latch;	/* NULL when there is none */
	bool rescan;			/* look at every database */
	TimestampTz rate_until; /* what was copied so far is paid for then, at strata.populate_rate_limit */
	StrataHold holds[STRATA_MAX_HOLDS];
	StrataDatabase databases[STRATA_MAX_DATABASES];
	StrataWorkerSlot slots[STRATA_MAX_WORKERS];
	StrataJob jobs[STRATA_MAX_JOBS];
} StrataWorkers;

extern StrataWorkers *strata_workers;

/* ---- jobs.c ---- */

/* Queues a copy of *job (id, state and times are set here), wakes workers and returns the id.
 * ERROR when 256 jobs have not ended. */
extern int64 strata_job_add(const StrataJob *job);
/* The same for jobs that nobody asked for; 0 when the table has a job already, or there is no place. */
extern int64 strata_job_add_auto(const StrataJob *job);
/* Drops or cancels such a job of the table. */
extern void strata_job_stop_auto(Oid database, Oid relid);
/* Is a job for this table queued or running?  `running` may be NULL. */
extern bool strata_job_active(Oid database, Oid relid, bool *running);
/* Waits for the end; raises what the job failed with.  The caller holds no lock that the worker could want.
 */
extern void strata_job_wait(int64 id);

typedef enum StrataTake
{
	STRATA_TAKE_NONE,
	STRATA_TAKE_LEAD,  /* the job is yours */
	STRATA_TAKE_PARTS, /* a group wants more parts */
	STRATA_TAKE_HELP   /* its leader has units to give away */
} StrataTake;

/* For a worker: what is most urgent in its database.  *wait_ms: until when a delayed job becomes due
 * (unchanged when there is none). */
extern StrataTake strata_job_take(Oid database, int slot, StrataJob *out, long *wait_ms);
/* Is there a more urgent job, and no other worker of the database for it? */
extern bool strata_job_outranked(const StrataJob *job, int slot);
extern void strata_job_phase(int64 id, StrataJobPhase phase);
/* The leader knows now what there is to do: units that are done already, and in all. */
extern void strata_job_extent(int64 id, int64 done, int64 total, int64 total_rows);
/* What the leader found to be wanted, for its helpers: force, since and unit_blocks. */
extern void strata_job_mode(const StrataJob *job);
extern bool strata_job_cancelled(int64 id);
/* A copy of the job as it is now.  False: it is not known any more. */
extern bool strata_job_get(int64 id, StrataJob *out);
/* At the pace so far; -1: not known. */
extern double strata_job_remaining_ms(const StrataJob *job);
/* Ends a job.  `error` may be NULL. */
extern void strata_job_end(int64 id, StrataJobState state, int sqlstate, const char *error,
						   bool out_of_memory);
/* Back into the queue, not before `delay_ms` from now. */
extern void strata_job_requeue(int64 id, int delay_ms, int64 resume);
/* Fails the queued jobs of a database that are older than `age_ms`. */
extern void strata_jobs_fail_queued(Oid database, int age_ms, int sqlstate, const char *error);

/* Offers units; returns how many there was room for. */
extern uint32 strata_job_offer(int64 id, const uint32 *units, uint32 n);
/* Takes the next offered unit.  False: there is none, or the run is over. */
extern bool strata_job_claim(const StrataJob *job, int slot, uint32 *unit);
/* After a claimed unit was copied.  *now: the job with it.  False: the run is over. */
extern bool strata_job_report(const StrataJob *job, int slot, StrataPopulateResult result, uint32 rows,
							  StrataJob *now);
/* A claimed unit, if there is one, was not copied: the next one takes it. */
extern void strata_job_give_back(const StrataJob *job, int slot);
/* A helper's error, for the leader. */
extern void strata_job_helper_failed(const StrataJob *job, int sqlstate, const char *error);
/* Waits a moment for helpers to report.  False: none copies, nor is anything on offer. */
extern bool strata_job_await_helpers(const StrataJob *job);
/* Takes offers back and waits until nobody copies.  Returns the smallest unit that was offered and not
 * copied, or UINT32_MAX. */
extern uint32 strata_job_recall(const StrataJob *job);

/* For a group: makes a part for a table. */
extern void strata_job_add_part(const StrataJob *group, const StrataJob *part);
/* No worker has the group any more; `more` tables may be without a part. */
extern void strata_job_parts_added(int64 id, bool more, int64 total);

/* ---- launcher.c ---- */

/* Has a worker look at the database soon.  Never ERRORs. */
extern void strata_workers_wake(Oid database);
/* Lets the database's keeper, if there is one, know that a transaction has written much.  Never ERRORs. */
extern void strata_workers_written(Oid database);
/* There is work: wakes idle workers of the database, and the launcher if it must or could start one.  Lock
 * held. */
extern void strata_workers_call(Oid database);
/* Keeps workers out of a database; waits (10 s at most) for those inside to leave.  Released by
 * strata_workers_release(), or by the death of this backend. */
extern void strata_workers_hold(Oid database);
extern void strata_workers_release(Oid database);
extern PGDLLEXPORT void strata_launcher_main(Datum arg);

/* ---- upkeep.c ---- */

/* Defines strata.auto_populate and strata.populate_*. */
extern void strata_worker_settings(void);
extern bool strata_auto_populate;
extern int strata_populate_workers;
extern int strata_populate_rate_limit;
extern int strata_populate_delay;

/* ---- worker.c ---- */

extern PGDLLEXPORT void strata_worker_main(Datum arg);

/* ---- ddl.c ---- */

/* What a transaction did that the column store must follow once it commits. */
typedef enum StrataCommitAction
{
	STRATA_COMMIT_WAKE,		 /* the worker looks at the catalog */
	STRATA_COMMIT_ENABLED,	 /* the table waits for population, evicted earlier or not */
	STRATA_COMMIT_DISABLED,	 /* its units leave, by strata.disable() */
	STRATA_COMMIT_DROPPED,	 /* its units leave, by DROP */
	STRATA_COMMIT_REWRITTEN, /* its units are of a relfilenode that is gone */
	STRATA_COMMIT_DATABASE,	 /* all tables of a database leave (the OID is the database's) */
	STRATA_COMMIT_CREATED	 /* a database is new, perhaps the copy of one with enabled tables */
} StrataCommitAction;

/* Done at commit of the top transaction, and forgotten when the current subtransaction rolls back. */
extern void strata_at_commit(StrataCommitAction action, Oid oid);
/* Installs the object access, utility and transaction hooks. */
extern void strata_ddl_start(void);

/* ---- written.c ---- */

/* Installs its transaction hook. */
extern void strata_written_start(void);

#endif
