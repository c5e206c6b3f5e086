/*
 * pressure.h - how short memory is: settings, the last measurement, what was done about it.
 *
 * Included by: alloc/, api/ (the memory worker and SQL).  Reading the system's files and the level machine
 * are plain C (pressure_sense.h), tested without a server. Memory: one small shared struct.  Locking: one
 * LWLock inside.  The memory worker alone measures; anyone may count an action. Not here: what is done about
 * it (memory.h's reclaimers, called by the memory worker in api/).
 */
#ifndef STRATA_ALLOC_PRESSURE_H
#define STRATA_ALLOC_PRESSURE_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "alloc/memory.h"
#include "alloc/pressure_sense.h"
#include "base/module.h"

extern const StrataModule strata_pressure_module;

typedef enum StrataPressureSource
{
	STRATA_PRESSURE_POOL,	/* strata.memory: what could not be had without writing or waiting */
	STRATA_PRESSURE_CGROUP, /* memory.current of memory.max (v2), usage of limit (v1); the tightest ancestor
							 */
	STRATA_PRESSURE_SYSTEM, /* MemTotal - MemAvailable of MemTotal; PSI can raise the level */
	STRATA_PRESSURE_SOURCES
} StrataPressureSource;

extern const char *strata_pressure_level_name(StrataPressureLevel level);
extern const char *strata_pressure_source_name(StrataPressureSource source);

typedef struct StrataPressure
{
	StrataPressureLevel level; /* highest of the sources */
	StrataPressureSource source;
	StrataPressureReading reading[STRATA_PRESSURE_SOURCES];
	uint64 changes;	   /* of the level, since start */
	TimestampTz since; /* of the last change */
	TimestampTz measured_at;
	bool population_stopped;
	uint64 actions[STRATA_RECLAIM_STEPS];
	Size action_bytes[STRATA_RECLAIM_STEPS];
	int thresholds[STRATA_PRESSURE_THRESHOLDS]; /* in force; see strata_pressure_apply_settings() */
} StrataPressure;

/* As last measured by the memory worker. */
extern void strata_pressure_get(StrataPressure *out);
/* Is population to wait?  One atomic read. */
extern bool strata_pressure_population_stopped(void);

/* ---- for those who measure and act ---- */

/*
 * Takes over the thresholds and finds the cgroup.  Thresholds that do not ascend are refused with a WARNING
 * and the last good ones stay: each is a setting of its own, and a check hook cannot see the others as they
 * will be when the whole file has been read.
 */
extern void strata_pressure_apply_settings(void);
/* Reads the system's files, puts the pool's reading (percent and level are filled in here) beside them and
 * moves the levels.  The result in *out; true when the level changed. */
extern bool strata_pressure_measure(Size pool_total, Size pool_used, StrataPressure *out);
/* Counts an action and the bytes that it gave back. */
extern void strata_pressure_acted(StrataReclaimStep step, Size bytes);
extern void strata_pressure_stop_population(bool stop);

/* strata.gc_interval in seconds, 0: never. */
extern int strata_gc_interval;

#endif
