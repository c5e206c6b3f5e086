/*
 * pressure.c - memory pressure: settings, the last measurement, what was done.
 *
 * Three sources, each with a level machine of its own; the level is the highest, the source the one that has
 * it (the fullest, among equals).  The pool's figures are handed in, since the pool is a floor above this
 * one.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "alloc/pressure.h"

#define PRESSURE_TRANCHE "StrataPressure"

/* A threshold below this could not be fallen under by STRATA_PRESSURE_MARGIN. */
#define THRESHOLD_MIN 10

typedef struct PressureShared
{
	LWLock *lock;
	StrataPressure now;
	StrataPressureMachine machine[STRATA_PRESSURE_SOURCES];
	pg_atomic_uint32 population_stopped;
} PressureShared;

static const int default_thresholds[STRATA_PRESSURE_THRESHOLDS] = {70, 80, 90, 95};

/* Settings. */
static int pressure_settings_percent[STRATA_PRESSURE_THRESHOLDS] = {70, 80, 90, 95};
static char *strata_cgroup_path;
int strata_gc_interval = 60;

static PressureShared *pressure;

/* Of the process that measures. */
static StrataCgroup cgroup;

/* ---- names ---- */

const char *
strata_pressure_level_name(StrataPressureLevel level)
{
	static const char *const names[] = {"normal", "low", "medium", "high", "critical"};

	return names[level];
}

const char *
strata_pressure_source_name(StrataPressureSource source)
{
	static const char *const names[] = {"pool", "cgroup", "system"};

	return names[source];
}

/* ---- settings ---- */

static bool
check_cgroup_path(char **value, void **extra, GucSource source)
{
	if ((*value)[0] != '\0' && (*value)[0] != '/')
	{
		GUC_check_errdetail("The path of a directory starts with a slash.");
		return false;
	}
	if (strlen(*value) >= STRATA_SENSE_PATH)
	{
		GUC_check_errdetail("The path is too long.");
		return false;
	}
	return true;
}

static void
pressure_settings(void)
{
	static const char *const names[STRATA_PRESSURE_THRESHOLDS] = {
		"strata.pressure_low", "strata.pressure_medium", "strata.pressure_high", "strata.pressure_critical"};
	static const char *const texts[STRATA_PRESSURE_THRESHOLDS] = {
		"Percentage of memory from which pressure is low: ghosts of the eviction policy go.",
		"Percentage of memory from which pressure is medium: unused memory goes, pages are compressed.",
		"Percentage of memory from which pressure is high: pages go to the cold file.",
		"Percentage of memory from which pressure is critical: population stops."};

	/* Only the memory worker reads them, and it exists only with preloading. */
	if (!strata_preloaded)
		return;
	for (int i = 0; i < STRATA_PRESSURE_THRESHOLDS; i++)
		DefineCustomIntVariable(
			names[i], texts[i],
			"Must lie between its neighbours; else the last good set of the four stays in force.",
			&pressure_settings_percent[i], default_thresholds[i], THRESHOLD_MIN, 100, PGC_SIGHUP, 0, NULL,
			NULL, NULL);
	DefineCustomStringVariable("strata.cgroup_path", "Directory of the cgroup whose memory limit is watched.",
							   "Empty: the cgroup of the server, found in /proc/self.", &strata_cgroup_path,
							   "", PGC_SIGHUP, 0, check_cgroup_path, NULL, NULL);
	DefineCustomIntVariable("strata.gc_interval",
							"Time between two runs of the memory worker's garbage collector.",
							"Each is minor, every tenth major.  Zero: none.", &strata_gc_interval, 60, 0,
							24 * 3600, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
}

void
strata_pressure_apply_settings(void)
{
	bool found = true;

	if (strata_pressure_valid(pressure_settings_percent))
	{
		LWLockAcquire(pressure->lock, LW_EXCLUSIVE);
		memcpy(pressure->now.thresholds, pressure_settings_percent, sizeof(pressure->now.thresholds));
		LWLockRelease(pressure->lock);
	}
	else
		ereport(
			WARNING,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("thresholds of memory pressure do not ascend: %d, %d, %d, %d",
					pressure_settings_percent[0], pressure_settings_percent[1], pressure_settings_percent[2],
					pressure_settings_percent[3]),
			 errdetail("%d, %d, %d and %d stay in force.", pressure->now.thresholds[0],
					   pressure->now.thresholds[1], pressure->now.thresholds[2], pressure->now.thresholds[3]),
			 errhint("Set strata.pressure_low, _medium, _high and _critical so that each is above the one "
					 "before.")));

	if (strata_cgroup_path[0] == '\0')
		strata_cgroup_self(&cgroup);
	else
		found = strata_cgroup_named(strata_cgroup_path, &cgroup);
	if (!found)
		ereport(WARNING, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						  errmsg("no memory cgroup is at \"%s\"", strata_cgroup_path),
						  errdetail("The directory must be readable and hold memory.current (v2) or "
									"memory.usage_in_bytes (v1)."),
						  errhint("Change strata.cgroup_path, or leave it empty.")));
}

/* ---- measuring ---- */

bool
strata_pressure_measure(Size pool_total, Size pool_used, StrataPressure *out)
{
	StrataPressureReading reading[STRATA_PRESSURE_SOURCES];
	StrataPressureLevel level = STRATA_PRESSURE_NORMAL;
	int source = STRATA_PRESSURE_POOL;
	TimestampTz now = GetCurrentTimestamp();
	bool changed;

	/* Files first: nothing is read with the lock held. */
	strata_sense_fill(&reading[STRATA_PRESSURE_POOL], pool_total, pool_used);
	strata_cgroup_read(&cgroup, &reading[STRATA_PRESSURE_CGROUP]);
	strata_system_read(&reading[STRATA_PRESSURE_SYSTEM]);

	LWLockAcquire(pressure->lock, LW_EXCLUSIVE);
	for (int i = 0; i < STRATA_PRESSURE_SOURCES; i++)
	{
		StrataPressureReading *r = &reading[i];

		r->level = strata_pressure_step(&pressure->machine[i], r, pressure->now.thresholds);
		if (r->level > level || (r->level == level && r->known && r->percent > reading[source].percent))
			source = i;
		level = Max(level, r->level);
		pressure->now.reading[i] = *r;
	}
	changed = level != pressure->now.level;
	pressure->now.level = level;
	pressure->now.source = source;
	pressure->now.measured_at = now;
	if (changed)
	{
		pressure->now.changes++;
		pressure->now.since = now;
	}
	*out = pressure->now;
	LWLockRelease(pressure->lock);
	return changed;
}

void
strata_pressure_acted(StrataReclaimStep step, Size bytes)
{
	if (pressure == NULL)
		return;
	LWLockAcquire(pressure->lock, LW_EXCLUSIVE);
	pressure->now.actions[step]++;
	pressure->now.action_bytes[step] += bytes;
	LWLockRelease(pressure->lock);
}

void
strata_pressure_stop_population(bool stop)
{
	LWLockAcquire(pressure->lock, LW_EXCLUSIVE);
	pressure->now.population_stopped = stop;
	LWLockRelease(pressure->lock);
	pg_atomic_write_u32(&pressure->population_stopped, stop);
}

bool
strata_pressure_population_stopped(void)
{
	return pressure != NULL && pg_atomic_read_u32(&pressure->population_stopped) != 0;
}

void
strata_pressure_get(StrataPressure *out)
{
	if (pressure == NULL)
	{
		memset(out, 0, sizeof(*out));
		memcpy(out->thresholds, default_thresholds, sizeof(out->thresholds));
		return;
	}
	LWLockAcquire(pressure->lock, LW_SHARED);
	*out = pressure->now;
	LWLockRelease(pressure->lock);
}

/* ---- module ---- */

static Size
pressure_shmem_size(void)
{
	return MAXALIGN(sizeof(PressureShared));
}

static void
pressure_shmem_request(void)
{
	RequestNamedLWLockTranche(PRESSURE_TRANCHE, 1);
}

static void
pressure_shmem_startup(void)
{
	bool found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	pressure = ShmemInitStruct("pg_strata pressure", sizeof(PressureShared), &found);
	if (!found)
	{
		memset(pressure, 0, sizeof(PressureShared));
		pressure->lock = &GetNamedLWLockTranche(PRESSURE_TRANCHE)->lock;
		memcpy(pressure->now.thresholds, default_thresholds, sizeof(default_thresholds));
		pressure->now.since = GetCurrentTimestamp();
		pg_atomic_init_u32(&pressure->population_stopped, 0);
	}
	LWLockRelease(AddinShmemInitLock);
}

const StrataModule strata_pressure_module = {
	.name = "pressure",
	.settings = pressure_settings,
	.shmem_size = pressure_shmem_size,
	.shmem_request = pressure_shmem_request,
	.shmem_startup = pressure_shmem_startup,
};
