/*
 * pressure_sense.h - what the kernel says of memory, and the level that follows from it.
 *
 * Included by: pressure.h, unit tests.  Plain C11; no postgres.h.
 * Memory: the caller's.  Locking: none; nothing here is shared.
 * Not here: settings, the shared state (pressure.c), what is done about pressure (api/memory_worker.c).
 *
 * The texts come from files that the kernel writes and that an administrator can point elsewhere
 * (strata.cgroup_path), so they are checked like input: a number that is cut off, too long, or followed by
 * something else is not read at all, and what cannot be read is not known.
 */
#ifndef STRATA_ALLOC_PRESSURE_SENSE_H
#define STRATA_ALLOC_PRESSURE_SENSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum StrataPressureLevel
{
	STRATA_PRESSURE_NORMAL,
	STRATA_PRESSURE_LOW,
	STRATA_PRESSURE_MEDIUM,
	STRATA_PRESSURE_HIGH,
	STRATA_PRESSURE_CRITICAL
} StrataPressureLevel;

/* The levels above normal; thresholds are indexed by level - 1. */
#define STRATA_PRESSURE_THRESHOLDS 4

typedef struct StrataPressureReading
{
	bool known; /* false: the system has no such limit, or it cannot be read */
	size_t total, used, available;
	double percent;		   /* used of total */
	double psi_some_avg10; /* SYSTEM and CGROUP v2: percent of time; -1: not known */
	StrataPressureLevel level;
} StrataPressureReading;

/* ---- texts ---- */

/* A file of one number.  False: it is something else. */
extern bool strata_sense_number(const char *text, uint64_t *value);
/* As above, or "max".  Numbers from 2^62 on, as cgroup v1 writes for "no limit", and "max" are UINT64_MAX. */
extern bool strata_sense_limit(const char *text, uint64_t *limit);
/* The number behind the key in lines "key number" (memory.stat). */
extern bool strata_sense_stat(const char *text, const char *key, uint64_t *value);
/* MemTotal and MemAvailable of /proc/meminfo, in bytes. */
extern bool strata_sense_meminfo(const char *text, uint64_t *total, uint64_t *available);
/* avg10 of the line "some" of a pressure file: 0 .. 100. */
extern bool strata_sense_psi(const char *text, double *some_avg10);

/* used of total, with percent; known unless total is 0.  psi and level are set to "none". */
extern void strata_sense_fill(StrataPressureReading *out, uint64_t total, uint64_t used);

/* ---- cgroups ---- */

#define STRATA_SENSE_PATH 1024

/* The memory cgroup to watch.  version 0: there is none. */
typedef struct StrataCgroup
{
	int version;				  /* 1 or 2 */
	char path[STRATA_SENSE_PATH]; /* its directory */
	size_t top; /* bytes of path that name the highest directory to look at; 0: as high as there are files */
} StrataCgroup;

/*
 * The memory cgroup of the process whose /proc/PID/cgroup and /proc/PID/mountinfo these are, as it is mounted
 * for it.  A cgroup that lies outside of what is mounted (a namespace was made after the process was
 * placed) is looked at from the mount point on.
 */
extern bool strata_cgroup_locate(const char *cgroup, const char *mountinfo, StrataCgroup *out);
/* That of this process. */
extern bool strata_cgroup_self(StrataCgroup *out);
/* The cgroup with this directory, when it has the files of one. */
extern bool strata_cgroup_named(const char *directory, StrataCgroup *out);
/*
 * Reads limit and usage of the cgroup and of each one above it, which limit it as well, and gives those of
 * the fullest.  v2: memory.current of the smaller of memory.max and memory.high (above which the kernel slows
 * the cgroup down); v1: memory.usage_in_bytes of memory.limit_in_bytes.  The page cache of files does not
 * count as used, just as in MemAvailable: a PostgreSQL server fills its cgroup with it sooner or later, and
 * the kernel drops it when memory is asked for.  (Shared memory is not among it.)  Not known when none has
 * a limit.
 */
extern void strata_cgroup_read(const StrataCgroup *cgroup, StrataPressureReading *out);

/* /proc/meminfo, and /proc/pressure/memory where it is. */
extern void strata_system_read(StrataPressureReading *out);

/* ---- levels ---- */

/* Points that a reading must be below a threshold, and how many times in a row, before the level falls. */
#define STRATA_PRESSURE_MARGIN 5
#define STRATA_PRESSURE_CALM   3
/* Stalled for so many percent of the time: one level higher.  And so many to keep it there. */
#define STRATA_PRESSURE_STALL	   10.0
#define STRATA_PRESSURE_STALL_KEPT 5.0

/* Of one source.  All zero to begin with. */
typedef struct StrataPressureMachine
{
	StrataPressureLevel level;
	StrataPressureLevel calm_level; /* highest that the readings of this calm would have kept up */
	int calm;						/* readings in a row that were calm */
} StrataPressureMachine;

/* Do they ascend? */
extern bool strata_pressure_valid(const int thresholds[STRATA_PRESSURE_THRESHOLDS]);

/*
 * The level after one more reading.  It rises at once.  It falls after STRATA_PRESSURE_CALM readings in a row
 * that are STRATA_PRESSURE_MARGIN points below its threshold, to the highest level that any of these would
 * have kept up.  Stalls (PSI) count only where usage has reached `low`: with memory left they are somebody
 * else's, whose own limit is too small.  A source that is not known is calm.
 */
extern StrataPressureLevel strata_pressure_step(StrataPressureMachine *machine,
												const StrataPressureReading *reading,
												const int thresholds[STRATA_PRESSURE_THRESHOLDS]);

#endif
