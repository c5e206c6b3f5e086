/*
 * pressure.h - how short memory is: sensors, levels with hysteresis.
 *
 * Included by: alloc/, api/ (the memory worker and SQL).  The reading of files and the level machine are plain
 * functions over text and numbers, tested without a server.
 * Memory: one small shared struct.  Locking: the memory worker alone changes it; everyone reads it.
 * Not here: what is done about it (memory.h's reclaimers, called by the memory worker in api/).
 */
#ifndef STRATA_ALLOC_PRESSURE_H
#define STRATA_ALLOC_PRESSURE_H

#include "postgres.h"

#include "base/module.h"

extern const StrataModule strata_pressure_module;

typedef enum StrataPressureLevel
{
	STRATA_PRESSURE_NORMAL,
	STRATA_PRESSURE_LOW,
	STRATA_PRESSURE_MEDIUM,
	STRATA_PRESSURE_HIGH,
	STRATA_PRESSURE_CRITICAL
} StrataPressureLevel;

typedef enum StrataPressureSource
{
	STRATA_PRESSURE_POOL,	/* strata.memory: what could not be had without writing or waiting */
	STRATA_PRESSURE_CGROUP, /* memory.current of memory.max (v2), usage of limit (v1); the tightest ancestor */
	STRATA_PRESSURE_SYSTEM, /* MemTotal - MemAvailable of MemTotal; PSI can raise the level */
	STRATA_PRESSURE_SOURCES
} StrataPressureSource;

extern const char *strata_pressure_level_name(StrataPressureLevel level);
extern const char *strata_pressure_source_name(StrataPressureSource source);

typedef struct StrataPressureReading
{
	bool known; /* false: the system has no such limit, or it cannot be read */
	Size total, used, available;
	double percent;		/* used of total */
	double psi_some_avg10; /* SYSTEM and CGROUP v2: percent of time; -1: not known */
	StrataPressureLevel level;
} StrataPressureReading;

typedef struct StrataPressure
{
	StrataPressureLevel level; /* highest of the sources */
	StrataPressureSource source;
	StrataPressureReading reading[STRATA_PRESSURE_SOURCES];
	uint64 changes;	   /* of the level, since start */
	TimestampTz since; /* of the last change */
	TimestampTz measured_at;
	bool population_stopped;
	uint64 actions[6];	   /* by StrataReclaimStep */
	Size action_bytes[6];
} StrataPressure;

/* As last measured by the memory worker. */
extern void strata_pressure_get(StrataPressure *out);
/* Is population to wait?  One atomic read. */
extern bool strata_pressure_population_stopped(void);

#endif
