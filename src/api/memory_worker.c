/*
 * memory_worker.c - "pg_strata memory": one static background worker that measures memory pressure and acts
 * on it, and does what has no one else to do it.
 *
 * Once a second it measures.  It is connected to no database.  An ERROR ends it; the postmaster starts it
 * again 5 seconds later.  Without it (no background worker slot) the store works on: the limit is kept by
 * whoever allocates, but nothing is done about pressure; the launcher says so in the log.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "alloc/arena.h"
#include "alloc/memory.h"
#include "alloc/slab.h"
#include "api/memory_worker.h"
#include "pool/pool.h"
#include "ring/publish.h"

#define MEASURE_INTERVAL_MS 1000
#define STATS_INTERVAL_MS	10000
/* Between two events about a pressure whose level does not change. */
#define TELL_INTERVAL_MS 10000
/* Of the periodic runs of the collector, one in so many is major. */
#define MAJOR_EVERY 10

typedef struct MemoryWorkerShared
{
	pg_atomic_uint32 pid; /* of the worker, 0: none */
} MemoryWorkerShared;

static MemoryWorkerShared *shared;

bool
strata_memory_worker_running(void)
{
	return shared != NULL && pg_atomic_read_u32(&shared->pid) != 0;
}

/* ---- pressure ---- */

static void
publish_pressure(const StrataPressure *p, const StrataActions *actions)
{
	const StrataPressureReading *r = &p->reading[p->source];
	const char *names[STRATA_ACTIONS_MAX];
	int n = 0;
	StrataEvent ev;

	for (int step = 0; step < STRATA_RECLAIM_STEPS; step++)
		if (actions->done & 1u << step)
			names[n++] = strata_reclaim_name(step);
	if (actions->done & 1u << STRATA_RECLAIM_STEPS)
		names[n++] = "flush";

	strata_event_begin(&ev, p->level == STRATA_PRESSURE_NORMAL	   ? STRATA_EV_PRESSURE_RESOLVED
							: p->level == STRATA_PRESSURE_CRITICAL ? STRATA_EV_PRESSURE_CRITICAL
																   : STRATA_EV_PRESSURE_WARNING);
	strata_event_text(&ev, STRATA_F_PRESSURE_LEVEL, strata_pressure_level_name(p->level));
	strata_event_int(&ev, STRATA_F_TOTAL_BYTES, (int64)r->total);
	strata_event_int(&ev, STRATA_F_USED_BYTES, (int64)r->used);
	strata_event_int(&ev, STRATA_F_AVAILABLE_BYTES, (int64)r->available);
	strata_event_double(&ev, STRATA_F_UTILIZATION_PERCENT, r->percent);
	strata_event_text(&ev, STRATA_F_SOURCE, strata_pressure_source_name(p->source));
	strata_event_list(&ev, STRATA_F_ACTIONS_TAKEN, names, n);
	strata_event_publish(&ev);
}

/* An event for each change of level, after what was done about it; and now and then while it lasts. */
static void
measure_and_act(TimestampTz now)
{
	static StrataActions actions;
	static TimestampTz told_at;
	StrataPressure p;
	Size total, used;
	bool changed;

	strata_reclaim_pool_reading(&total, &used);
	changed = strata_pressure_measure(total, used, &p);
	strata_reclaim_act(&p, &actions);
	strata_gauge_set(STRATA_C_PRESSURE_LEVEL, p.level);
	if (changed)
		strata_counter_add(STRATA_C_PRESSURE_CHANGES, 1);
	if (changed || (actions.done != 0 && TimestampDifferenceExceeds(told_at, now, TELL_INTERVAL_MS)))
	{
		publish_pressure(&p, &actions);
		actions.done = 0;
		told_at = now;
	}
}

/* ---- statistics ---- */

/* What of the memory that an allocator holds is of no use to anybody: room in slabs without an object, the
 * rest of arenas' blocks; for large objects how far the region's free memory is cut up. */
static double
allocator_waste(StrataConsumer consumer, const StrataMemoryStatus *m)
{
	Size held = m->consumer[consumer].current_bytes;
	Size used = 0;

	if (consumer == STRATA_MEM_SLAB)
	{
		int n = strata_slab_stats(NULL, 0);
		StrataSlabClassStats *classes = palloc(sizeof(StrataSlabClassStats) * Max(n, 1));

		n = Min(n, strata_slab_stats(classes, n));
		for (int i = 0; i < n; i++)
			used += classes[i].objects_used * classes[i].object_bytes;
	}
	else if (consumer == STRATA_MEM_ARENA)
	{
		int n;
		StrataArenaInfo *arenas = strata_arena_list(&n);

		held = 0;
		for (int i = 0; i < n; i++)
		{
			held += arenas[i].bytes;
			used += arenas[i].used_bytes;
		}
	}
	else
	{
		held = m->free;
		used = Min(m->largest_free, m->free);
	}
	return held > 0 ? 1.0 - (double)Min(used, held) / (double)held : 0;
}

static void
publish_stats(void)
{
	static StrataConsumerStats told[STRATA_MEM_CONSUMERS];
	StrataMemoryStatus m;
	StrataEvent ev;

	strata_memory_status_get(&m);
	for (int i = 0; i < STRATA_MEM_POOL; i++)
	{
		const StrataConsumerStats *now = &m.consumer[i];

		if (memcmp(now, &told[i], sizeof(*now)) == 0)
			continue;
		told[i] = *now;
		strata_event_begin(&ev, STRATA_EV_ALLOCATOR_STATS);
		strata_event_text(&ev, STRATA_F_ALLOCATOR_TYPE, strata_consumer_name(i));
		strata_event_int(&ev, STRATA_F_ALLOCATED_BYTES, (int64)now->allocated_bytes);
		strata_event_int(&ev, STRATA_F_FREED_BYTES, (int64)now->freed_bytes);
		strata_event_int(&ev, STRATA_F_CURRENT_BYTES, (int64)now->current_bytes);
		strata_event_int(&ev, STRATA_F_PEAK_BYTES, (int64)now->peak_bytes);
		strata_event_double(&ev, STRATA_F_FRAGMENTATION, allocator_waste(i, &m));
		strata_event_publish(&ev);
	}
	strata_pool_publish_stats();
}

/* ---- main ---- */

static void
collect(void)
{
	static uint32 runs;
	StrataGcResult result;

	strata_gc_run(++runs % MAJOR_EVERY == 0 ? STRATA_GC_MAJOR : STRATA_GC_MINOR, &result);
}

static void
apply_settings(void)
{
	strata_pressure_apply_settings();
	/* First, so that what a lowered strata.memory costs is counted; the pool would see to itself alone. */
	strata_reclaim_fit();
	strata_pool_apply_settings();
}

static void
memory_worker_exit(int code, Datum arg)
{
	pg_atomic_write_u32(&shared->pid, 0);
	/* The next one, if any, decides anew. */
	if (strata_pressure_population_stopped())
		strata_pressure_stop_population(false);
}

/* Is it time?  Then the next time is set.  Shortens *wait_ms to what is left otherwise. */
static bool
due(TimestampTz now, TimestampTz *next, int interval_ms, long *wait_ms)
{
	/* The clock may have been set back. */
	if (now < *next && *next - now <= (int64)interval_ms * 1000)
	{
		*wait_ms = Min(*wait_ms, (*next - now) / 1000 + 1);
		return false;
	}
	*next = TimestampTzPlusMilliseconds(now, interval_ms);
	*wait_ms = Min(*wait_ms, interval_ms);
	return true;
}

void
strata_memory_main(Datum arg)
{
	TimestampTz next_measure = 0, next_stats, next_flush = 0, next_gc;
	MemoryContext context;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	/* No database, but a row in pg_stat_activity. */
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	before_shmem_exit(memory_worker_exit, (Datum)0);
	pg_atomic_write_u32(&shared->pid, MyProcPid);
	context = AllocSetContextCreate(TopMemoryContext, "strata memory worker", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	apply_settings();
	next_stats = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), STATS_INTERVAL_MS);
	next_gc = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), strata_gc_interval * 1000);

	for (;;)
	{
		TimestampTz now;
		long wait_ms = MEASURE_INTERVAL_MS;

		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			apply_settings();
			next_measure = 0;
		}
		now = GetCurrentTimestamp();
		if (due(now, &next_measure, MEASURE_INTERVAL_MS, &wait_ms))
		{
			strata_pool_expire_pins(now);
			strata_reclaim_fit();
			measure_and_act(now);
		}
		if (due(now, &next_flush, strata_flush_interval, &wait_ms))
			strata_reclaim_flush();
		if (due(now, &next_stats, STATS_INTERVAL_MS, &wait_ms))
			publish_stats();
		if (strata_gc_interval > 0 && due(now, &next_gc, strata_gc_interval * 1000, &wait_ms))
			collect();
		MemoryContextReset(context);
		WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, wait_ms, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

/* ---- module ---- */

static Size
memory_worker_shmem_size(void)
{
	return MAXALIGN(sizeof(MemoryWorkerShared));
}

static void
memory_worker_shmem_startup(void)
{
	bool found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("pg_strata memory worker", sizeof(MemoryWorkerShared), &found);
	if (!found)
		pg_atomic_init_u32(&shared->pid, 0);
	LWLockRelease(AddinShmemInitLock);
}

static void
register_worker(const char *name, const char *function)
{
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = 5;
	strlcpy(worker.bgw_library_name, "pg_strata", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, function, BGW_MAXLEN);
	strlcpy(worker.bgw_name, name, BGW_MAXLEN);
	strlcpy(worker.bgw_type, name, BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

static void
memory_worker_start(bool preloaded)
{
	if (!preloaded)
		return;
	/* In this order, should slots be short. */
	register_worker("pg_strata memory", "strata_memory_main");
	register_worker("pg_strata prefetcher", "strata_prefetcher_main");
}

const StrataModule strata_memory_worker_module = {
	.name = "memory worker",
	.shmem_size = memory_worker_shmem_size,
	.shmem_startup = memory_worker_shmem_startup,
	.start = memory_worker_start,
};
