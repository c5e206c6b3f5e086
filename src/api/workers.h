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
/* Databases served at one time.  Few, since max_worker_processes is 8 unless somebody raised it. */
#define STRATA_MAX_WORKERS	 2
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

typedef enum StrataJobPhase
{
	STRATA_PHASE_QUEUED,
	STRATA_PHASE_LOCK, /* the table is locked by somebody else; tried again soon */
	STRATA_PHASE_VACUUM,
	STRATA_PHASE_COPY,
	STRATA_PHASE_MEMORY, /* memory pressure is critical; goes on when it is not */
	STRATA_PHASE_END
} StrataJobPhase;

typedef struct StrataJob
{
	int64 id; /* 0: free; ids only grow while the server runs */
	StrataJobKind kind;
	StrataJobState state;
	StrataJobPhase phase;
	Oid database;
	Oid relid; /* InvalidOid: every table that `role` owns (compact) */
	Oid role;  /* who asked; InvalidOid: the worker itself */
	StrataPriority priority;
	bool force;	  /* copy fresh units again too */
	bool vacuum;  /* may vacuum first */
	int min_gain; /* compact: percent of a unit's blocks that copying it must make fresh */
	bool cancel;
	int64 done, total; /* units */
	TimestampTz queued_at, started_at, finished_at;
	TimestampTz not_before;	  /* queued: not to be taken earlier */
	TimestampTz locked_since; /* the table is locked by others since then; 0: it is not */
	bool out_of_memory;		  /* done, but the table is only partly populated */
	int sqlstate;			  /* failed */
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
	int64 job;				/* the running one; 0: none */
	TimestampTz idle_since; /* 0: busy */
	bool look;				/* somebody wants the catalog looked at */
	bool stop;				/* leave as soon as you can */
} StrataWorkerSlot;

typedef struct StrataDatabase
{
	Oid database; /* InvalidOid: free */
	bool look;	  /* a worker is wanted now */
	bool enabled; /* it had enabled tables when a worker last left it */
	TimestampTz next_visit;
	bool no_worker; /* the last attempt found no free background worker slot */
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
	Latch *launcher_latch; /* NULL when there is none */
	bool rescan;		   /* look at every database */
	StrataHold holds[STRATA_MAX_HOLDS];
	StrataDatabase databases[STRATA_MAX_DATABASES];
	StrataWorkerSlot slots[STRATA_MAX_WORKERS];
	StrataJob jobs[STRATA_MAX_JOBS];
} StrataWorkers;

extern StrataWorkers *strata_workers;

/* ---- jobs.c ---- */

/* Queues a copy of *job (id, state and times are set here), wakes the worker and returns the id.
 * ERROR when 256 jobs have not ended. */
extern int64 strata_job_add(const StrataJob *job);
/* Is a job for this table queued or running?  `running` may be NULL. */
extern bool strata_job_active(Oid database, Oid relid, bool *running);
/* Waits for the end; raises what the job failed with.  The caller holds no lock that the worker could want.
 */
extern void strata_job_wait(int64 id);
/* For the worker: the most urgent job of a database, now running; false when there is none.
 * *wait_ms: until when a delayed one becomes due (unchanged when there is none). */
extern bool strata_job_take(Oid database, int slot, StrataJob *out, long *wait_ms);
extern void strata_job_progress(int64 id, StrataJobPhase phase, int64 done, int64 total);
extern bool strata_job_cancelled(int64 id);
/* Ends a job.  `error` may be NULL. */
extern void strata_job_end(int64 id, StrataJobState state, int sqlstate, const char *error,
						   bool out_of_memory);
/* Back into the queue, not before `delay_ms` from now. */
extern void strata_job_requeue(int64 id, int delay_ms);
/* Fails the queued jobs of a database that are older than `age_ms`. */
extern void strata_jobs_fail_queued(Oid database, int age_ms, int sqlstate, const char *error);

/* ---- launcher.c ---- */

/* Has a worker look at the database soon.  Never ERRORs. */
extern void strata_workers_wake(Oid database);
/* Keeps workers out of a database; waits (10 s at most) for the one inside to leave.  Released by
 * strata_workers_release(), or by the death of this backend. */
extern void strata_workers_hold(Oid database);
extern void strata_workers_release(Oid database);
extern PGDLLEXPORT void strata_launcher_main(Datum arg);

/* ---- worker.c ---- */

/* Defines strata.auto_populate. */
extern void strata_worker_settings(void);
extern bool strata_auto_populate;
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
	STRATA_COMMIT_DATABASE	 /* all tables of a database leave (the OID is the database's) */
} StrataCommitAction;

/* Done at commit of the top transaction, and forgotten when the current subtransaction rolls back. */
extern void strata_at_commit(StrataCommitAction action, Oid oid);
/* Installs the object access, utility and transaction hooks. */
extern void strata_ddl_start(void);

#endif
