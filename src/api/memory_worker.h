/*
 * memory_worker.h - the two workers that look after memory, and what they share with SQL functions.
 *
 * Included by: src/api/ only.
 * Memory: a small struct in PostgreSQL's shared memory says which of the workers runs.
 * Locking: none needed by callers.
 * Not here: how pressure is measured (alloc/pressure.h), who gives memory back (alloc/memory.h, pool/pool.h).
 */
#ifndef STRATA_API_MEMORY_WORKER_H
#define STRATA_API_MEMORY_WORKER_H

#include "postgres.h"

#include "alloc/pressure.h"
#include "base/compat.h"
#include "base/module.h"

extern const StrataModule strata_memory_worker_module;

/* ---- memory_worker.c ---- */

extern PGDLLEXPORT void strata_memory_main(Datum arg);
/* Is the memory worker there?  Not when max_worker_processes left it no slot. */
extern bool strata_memory_worker_running(void);

/* ---- prefetcher.c ---- */

extern PGDLLEXPORT void strata_prefetcher_main(Datum arg);

/* ---- gc.c ---- */

typedef enum StrataGcKind
{
	STRATA_GC_MINOR, /* every strata.gc_interval */
	STRATA_GC_MAJOR, /* every tenth of those; strata.gc() */
	STRATA_GC_FULL	 /* strata.gc(aggressive => true) */
} StrataGcKind;

typedef struct StrataGcResult
{
	const char *type;
	Size freed_bytes;	 /* that came back to the region */
	Size returned_bytes; /* of the region's, that went back to the kernel */
	int contexts_cleaned;
	double duration_ms;
	double fragmentation_before, fragmentation_after;
} StrataGcResult;

/* Collects, counts and publishes gc_started and gc_completed.  Outside of a transaction, units of dropped
 * tables are left to others. */
extern void strata_gc_run(StrataGcKind kind, StrataGcResult *out);

/* ---- reclaim.c ---- */

/* What the pool and the rest of strata.memory come to for the level of pressure: used is what could not be
 * had without writing or waiting. */
extern void strata_reclaim_pool_reading(Size *total, Size *used);

#define STRATA_ACTIONS_MAX (STRATA_RECLAIM_STEPS + 1)

/* Names of what was done since the last event. */
typedef struct StrataActions
{
	uint32 done; /* bit a StrataReclaimStep, and STRATA_RECLAIM_STEPS for flushing */
} StrataActions;

/* Does what the levels ask for.  True when something came of it. */
extern bool strata_reclaim_act(const StrataPressure *pressure, StrataActions *actions);
/* Brings used memory down to the limit and committed memory with it, after strata.memory was lowered. */
extern void strata_reclaim_fit(void);
/* As strata.release_pressure(): until no more than `target` bytes are used.  Returns what came back. */
extern Size strata_reclaim_to(Size target);
/* Has the pool keep its tiers' ratios, and writes to the cold file what is worth it; false when nothing is
 * dirty, so that there is nothing to wait for. */
extern bool strata_reclaim_flush(void);

#endif
