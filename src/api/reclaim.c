/*
 * reclaim.c - what is done about memory pressure, and about a strata.memory that was lowered.
 *
 *     level      strata.memory is short (pool)              the machine is (cgroup, system)
 *     low        ghosts go                                  ghosts go
 *     medium     + allocators give up what they keep;       + allocators give up what they keep; hot pages
 *                dirty pages are written; hot dirty pages   become warm; what that freed goes back to the
 *                become warm                                kernel
 *     high       + dirty pages leave memory                 + pages go to the cold file
 *     critical   + population stops                         + population stops; no bound on the above
 *
 * The two columns want different things.  Where strata.memory is short, a clean page is as good as free:
 * whoever needs its frames takes them.  So evicting clean pages would help nobody, and only dirty ones are
 * touched. Where the machine is short, memory must leave, and clean pages are what can leave best.  Below
 * critical no more than an eighth of strata.memory leaves at a time, so that a peak of a second or two does
 * not empty a pool that took minutes to fill.
 */
#include "postgres.h"

#include "portability/instr_time.h"
#include "utils/timestamp.h"

#include "alloc/memory.h"
#include "alloc/region.h"
#include "api/memory_worker.h"
#include "pool/pool.h"
#include "ring/publish.h"

/* Most of strata.memory that leaves in one measurement below critical, as a divisor. */
#define GENTLE_DIVISOR 8
/* Pages written at a time, and for how long: measuring goes on meanwhile, once a second. */
#define FLUSH_PAGES	   32
#define FLUSH_MAX_MS   500
#define RECLAIM_ROUNDS 4
/* Descriptors looked at for pins, and the longest time between two looks. */
#define LOOKS_A_SECOND 65536
#define LOOK_MAX_MS	   10000

/*
 * Pinned frames, as of not long ago.  Pins are not counted but looked for, so the more pages there are, the less
 * often: LOOKS_A_SECOND descriptors a second, and every LOOK_MAX_MS at least.
 */
static uint64
pinned_frames(void)
{
	static TimestampTz looked_at;
	static int interval_ms;
	static uint64 frames;
	TimestampTz now = GetCurrentTimestamp();
	uint64 pages, looked;

	/* The clock may have been set back. */
	if (now >= looked_at && !TimestampDifferenceExceeds(looked_at, now, interval_ms))
		return frames;
	strata_pool_pinned(&pages, &frames, &looked);
	looked_at = now;
	interval_ms = (int)Min(looked * 1000 / LOOKS_A_SECOND, LOOK_MAX_MS);
	return frames;
}

/* Bytes of the pool that could not be had at once: dirty or pinned.  A page that is both counts twice, which
 * errs on the side of pressure. */
static Size
pool_busy(const StrataMemoryStatus *m)
{
	StrataRegionStatus region;
	StrataPoolFrames pool;

	strata_region_status(&region);
	strata_pool_frames(&pool);
	return Min((pool.dirty + pinned_frames()) * region.page_size, m->consumer[STRATA_MEM_POOL].current_bytes);
}

void
strata_reclaim_pool_reading(Size *total, Size *used)
{
	StrataMemoryStatus m;

	strata_memory_status_get(&m);
	*total = m.limit;
	*used = m.used - m.consumer[STRATA_MEM_POOL].current_bytes + pool_busy(&m);
}

/* ---- under pressure ---- */

static void
acted(StrataActions *actions, StrataReclaimStep step, Size bytes)
{
	strata_pressure_acted(step, bytes);
	strata_counter_add(STRATA_C_PRESSURE_ACTIONS, 1);
	strata_counter_add(STRATA_C_PRESSURE_FREED_BYTES, bytes);
	actions->done |= 1u << step;
}

/* Not by Min(), which evaluates an argument twice: what is given here is the result of doing something. */
static void
lessen(Size *missing, Size got)
{
	*missing -= Min(*missing, got);
}

/* One step of the chain; returns what it gave. */
static Size
run_step(StrataActions *actions, StrataReclaimStep step, Size wanted)
{
	Size freed = wanted > 0 ? strata_memory_reclaim(wanted, step, step, NULL) : 0;

	if (freed > 0)
		acted(actions, step, freed);
	return freed;
}

/*
 * Hot pages become warm.  Asked for no more than compression can be hoped to give, a quarter of what is hot:
 * the pool goes on with the cold file where LZ4 does not gain enough.
 */
static Size
run_warm(StrataActions *actions, Size wanted)
{
	StrataRegionStatus region;
	StrataPoolFrames pool;

	strata_region_status(&region);
	strata_pool_frames(&pool);
	return run_step(actions, STRATA_RECLAIM_WARM, Min(wanted, pool.hot * region.page_size / 4));
}

/* Bytes over what is surely calm: twice the margin that the level needs to fall, below the lowest threshold.
 */
static Size
excess(const StrataPressure *p, StrataPressureSource source)
{
	const StrataPressureReading *r = &p->reading[source];
	Size calm = (Size)((double)r->total * Max(0, p->thresholds[0] - 2 * STRATA_PRESSURE_MARGIN) / 100.0);

	return r->known && r->used > calm ? r->used - calm : 0;
}

/* Writes dirty pages until `wanted` bytes of them are clean, none is left, or time is up; returns how many
 * bytes fewer are dirty. */
static Size
flush_some(StrataActions *actions, Size wanted)
{
	instr_time start, now;
	StrataPoolFrames pool;
	StrataRegionStatus region;
	uint64 before, enough;
	bool failed = false;

	strata_region_status(&region);
	strata_pool_frames(&pool);
	before = pool.dirty;
	enough = (wanted + region.page_size - 1) / region.page_size;
	enough = before > enough ? before - enough : 0;
	INSTR_TIME_SET_CURRENT(start);
	while (pool.dirty > enough && !failed && strata_pool_flush(FLUSH_PAGES, &failed) > 0)
	{
		actions->done |= 1u << STRATA_RECLAIM_STEPS;
		strata_pool_frames(&pool);
		INSTR_TIME_SET_CURRENT(now);
		INSTR_TIME_SUBTRACT(now, start);
		if (INSTR_TIME_GET_MILLISEC(now) > FLUSH_MAX_MS)
			break;
	}
	return before > pool.dirty ? (before - pool.dirty) * region.page_size : 0;
}

/* strata.memory is short. */
static void
relieve_pool(const StrataPressure *p, StrataActions *actions)
{
	StrataPressureLevel level = p->reading[STRATA_PRESSURE_POOL].level;
	Size wanted = excess(p, STRATA_PRESSURE_POOL);
	StrataRegionStatus region;
	StrataPoolFrames pool;

	if (level < STRATA_PRESSURE_MEDIUM || wanted == 0)
		return;
	lessen(&wanted, run_step(actions, STRATA_RECLAIM_ARENAS, wanted));
	lessen(&wanted, flush_some(actions, wanted));
	/* What could not be written takes less room compressed, or in the file once that has room again. */
	strata_region_status(&region);
	strata_pool_frames(&pool);
	wanted = Min(wanted, pool.dirty * region.page_size);
	lessen(&wanted, run_warm(actions, wanted));
	if (level >= STRATA_PRESSURE_HIGH)
		run_step(actions, STRATA_RECLAIM_COLD, wanted);
}

/* The machine is short: memory must go back to it. */
static void
relieve_machine(const StrataPressure *p, StrataPressureSource source, StrataActions *actions)
{
	StrataPressureLevel level = p->reading[source].level;
	Size wanted = excess(p, source);
	StrataRegionStatus region;
	Size missing;

	if (level < STRATA_PRESSURE_MEDIUM || wanted == 0)
		return;
	strata_region_status(&region);
	if (level < STRATA_PRESSURE_CRITICAL)
		wanted = Min(wanted, region.limit / GENTLE_DIVISOR);
	wanted = Min(wanted, region.committed);
	run_step(actions, STRATA_RECLAIM_ARENAS, wanted);
	/* Free memory that is still committed goes first; only what it does not cover is taken from pages. */
	strata_region_status(&region);
	/* Explicit huge pages cannot be given back, whatever leaves them. */
	missing = region.huge_page_size != 0 ? 0 : wanted - Min(wanted, region.idle);
	lessen(&missing, run_warm(actions, missing));
	if (level >= STRATA_PRESSURE_HIGH)
		run_step(actions, STRATA_RECLAIM_COLD, missing);
	run_step(actions, STRATA_RECLAIM_KERNEL, wanted);
}

bool
strata_reclaim_act(const StrataPressure *p, StrataActions *actions)
{
	uint32 before = actions->done;
	bool stop = p->level == STRATA_PRESSURE_CRITICAL;

	if (stop && !p->population_stopped)
		acted(actions, STRATA_RECLAIM_POPULATION, 0);
	if (stop != p->population_stopped)
		strata_pressure_stop_population(stop);
	if (p->level == STRATA_PRESSURE_NORMAL)
		return false;
	if (strata_pool_drop_ghosts() > 0)
		acted(actions, STRATA_RECLAIM_GHOSTS, 0);
	relieve_pool(p, actions);
	relieve_machine(p, STRATA_PRESSURE_CGROUP, actions);
	relieve_machine(p, STRATA_PRESSURE_SYSTEM, actions);
	return actions->done != before;
}

/* ---- down to a figure ---- */

Size
strata_reclaim_to(Size target)
{
	StrataActions actions = {0};
	Size total = 0;
	StrataMemoryStatus m;

	for (int round = 0; round < RECLAIM_ROUNDS; round++)
	{
		Size wanted, missing;

		strata_memory_status_get(&m);
		if (m.used <= target)
			break;
		wanted = missing = m.used - target;
		lessen(&missing, run_step(&actions, STRATA_RECLAIM_ARENAS, missing));
		lessen(&missing, run_warm(&actions, missing));
		lessen(&missing, run_step(&actions, STRATA_RECLAIM_COLD, missing));
		if (missing == wanted)
			break;
		total += wanted - missing;
	}
	strata_memory_status_get(&m);
	if (m.committed > target)
		run_step(&actions, STRATA_RECLAIM_KERNEL, m.committed - target);
	return total;
}

void
strata_reclaim_fit(void)
{
	StrataMemoryStatus m;

	strata_memory_status_get(&m);
	if (m.used > m.limit || m.committed > m.limit)
		strata_reclaim_to(m.limit);
}

bool
strata_reclaim_flush(void)
{
	int n;

	strata_pool_obey_ratios();
	n = strata_pool_flush_due();
	return n > 0 && strata_pool_flush(n, NULL) > 0;
}
