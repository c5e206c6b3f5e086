/*
 * worker.h - what the parts of the population worker share: worker.c runs jobs, copy.c copies one table,
 * upkeep.c finds what needs copying.
 *
 * Included by: src/api/ only (those three).
 * Memory: strata_worker_context, reset after every job and every look.
 * Locking: relation locks are only ever taken conditionally.
 * Not here: what other processes see of workers and jobs (workers.h).
 */
#ifndef STRATA_API_WORKER_H
#define STRATA_API_WORKER_H

#include "postgres.h"

#include "utils/relcache.h"

#include "api/enabled.h"
#include "api/workers.h"

extern MemoryContext strata_worker_context;

/* ---- worker.c ---- */

/* Does somebody need the database without us? */
extern bool strata_worker_must_stop(void);

/* Reads the configuration files again if a reload asked for it. */
extern void strata_worker_reload(void);

/* A transaction with a snapshot; commit comes back to strata_worker_context. */
extern void strata_work_begin(void);
extern void strata_work_commit(void);

typedef enum StrataOpenResult
{
	STRATA_OPEN_OK,
	STRATA_OPEN_LOCKED, /* somebody has it locked: try later */
	STRATA_OPEN_GONE
} StrataOpenResult;

/* Opens the table with AccessShareLock, kept to the end of the transaction, without waiting. */
extern StrataOpenResult strata_work_open(Oid relid, Relation *rel);

/* ---- copy.c ---- */

/* Units are made anew in another size when they hold so many times too few rows: by themselves, or when
 * compact() was called. */
#define STRATA_RECUT_AUTO  4
#define STRATA_RECUT_ASKED 2

/* A table while we copy it, or help to. */
typedef struct StrataCopy
{
	StrataJob job; /* as taken */
	int slot;	   /* ours */
	char name[2 * NAMEDATALEN + 2];
	TimestampTz started;
	uint32 *units; /* to be copied, in this order; in strata_worker_context */
	uint32 nunits;
	uint32 offered;	  /* of these */
	uint32 all_units; /* of the heap when the list was made */
	int64 resume;	  /* a job that goes back to the queue has done the units below */
	bool announced;	  /* population_started was published */
	bool moved;		  /* the table changed under us: begin again */
	bool evicted;	  /* ... and not for the same job */
	bool no_memory;
	bool hopeless; /* trying again soon would end the same way */
	/* Static text; or, after FAILED and CANCELLED, the error in strata_worker_context, with its SQLSTATE. */
	const char *complaint;
	int sqlstate;
} StrataCopy;

typedef enum StrataCopyResult
{
	STRATA_COPY_DONE,
	STRATA_COPY_LOCKED, /* again, soon, from unit `resume` */
	STRATA_COPY_STOP,	/* the worker must leave the database, or has something more urgent to do */
	STRATA_COPY_CANCELLED,
	STRATA_COPY_FAILED
} StrataCopyResult;

/* Copies the table, with whoever helps.  Nobody does any more when it returns.  Never ERRORs: what goes wrong
 * is rolled back and noted at the table. */
extern StrataCopyResult strata_copy_table(StrataCopy *copy);
/* Copies units that the leader of the job offers, while there are any.  Never ERRORs. */
extern void strata_copy_help(StrataCopy *copy);

/* ---- upkeep.c ---- */

/* Brings the directory in line with the catalog row.  True when the units were made for other columns or
 * another compression than are wanted now. */
extern bool strata_upkeep_attach(Relation rel, const StrataEnabled *row);
/* Compares catalog and directory, and queues what needs copying.  Returns how many tables are enabled (one
 * more on a standby where the extension is installed, since there a table is enabled without anybody telling
 * us), or -1 after an error, which is logged. */
extern int strata_upkeep_look(void);
/* Looks at pages that may have changed, so that queries find it done.  Never ERRORs. */
extern void strata_upkeep_pages(void);
/* Automatic jobs leave the table alone for a minute; with `force`, only those that copy everything again. */
extern void strata_upkeep_pause(Oid relid, bool force);
/* Makes jobs for some tables of a job over several.  Never ERRORs. */
extern void strata_upkeep_make_parts(const StrataJob *group);

#endif
