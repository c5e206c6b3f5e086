/*
 * metrics.c - what the SIMD operators have done since the server started.
 *
 * One block of atomics an operation.  A note adds to each of them without any order between them: a reader may see
 * a call whose rows are not there yet, and sums that are never off by more than the notes under way.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "exec/metrics.h"
#include "ring/publish.h"
#include "simd/simd.h"

const char *const strata_simd_op_names[STRATA_SIMD_NOPS] = {"filter", "aggregate", "scan", "hash", "string_match"};

static const StrataEventType op_events[STRATA_SIMD_NOPS] = {STRATA_EV_SIMD_FILTER, STRATA_EV_SIMD_AGGREGATE,
															STRATA_EV_SIMD_SCAN, STRATA_EV_SIMD_HASH,
															STRATA_EV_SIMD_STRING_MATCH};

typedef struct OpMetrics
{
	pg_atomic_uint64 calls, rows, selected, bytes, vector_ops, scalar_ops;
	pg_atomic_uint64 total_ns, min_ns, max_ns;
	pg_atomic_uint64 buckets[STRATA_HISTOGRAM_BUCKETS];

	/* The last piece of work, under a sequence that only grows and is odd while it is written.  A writer that
	 * finds it odd goes away: the other one is as late as itself.  finished_at is 0 when there is none. */
	pg_atomic_uint64 sequence;
	StrataSimdLast	 last;
} OpMetrics;

typedef struct Metrics
{
	pg_atomic_uint64 since; /* a TimestampTz */
	OpMetrics		 op[STRATA_SIMD_NOPS];
} Metrics;

static Metrics *metrics; /* NULL when not preloaded */

static Size
metrics_size(void)
{
	return MAXALIGN(sizeof(Metrics));
}

static void
clear_op(OpMetrics *m)
{
	pg_atomic_uint64 *const zeroes[] = {&m->calls, &m->rows, &m->selected, &m->bytes, &m->vector_ops,
										&m->scalar_ops, &m->total_ns, &m->max_ns};

	for (int i = 0; i < lengthof(zeroes); i++)
		pg_atomic_write_u64(zeroes[i], 0);
	pg_atomic_write_u64(&m->min_ns, PG_UINT64_MAX);
	for (int b = 0; b < STRATA_HISTOGRAM_BUCKETS; b++)
		pg_atomic_write_u64(&m->buckets[b], 0);
}

/* All zeroes is a state that pg_atomic_write_u64 may begin with on every platform that has 64-bit atomics. */
static void
metrics_startup(void)
{
	bool found;

	metrics = ShmemInitStruct("pg_strata simd metrics", metrics_size(), &found);
	if (found)
		return;
	memset(metrics, 0, sizeof(*metrics));
	pg_atomic_init_u64(&metrics->since, (uint64) GetCurrentTimestamp());
	for (int i = 0; i < STRATA_SIMD_NOPS; i++)
		clear_op(&metrics->op[i]);
}

const StrataModule strata_metrics_module = {
	.name = "metrics",
	.shmem_size = metrics_size,
	.shmem_startup = metrics_startup,
};

static void
lower_to(pg_atomic_uint64 *least, uint64 value)
{
	uint64 now = pg_atomic_read_u64(least);

	while (value < now && !pg_atomic_compare_exchange_u64(least, &now, value))
		;
}

static void
raise_to(pg_atomic_uint64 *most, uint64 value)
{
	uint64 now = pg_atomic_read_u64(most);

	while (value > now && !pg_atomic_compare_exchange_u64(most, &now, value))
		;
}

void
strata_simd_count(const StrataSimdWork *work)
{
	OpMetrics *m;

	if (!metrics)
		return;
	m = &metrics->op[work->op];
	pg_atomic_fetch_add_u64(&m->calls, 1);
	pg_atomic_fetch_add_u64(&m->rows, work->rows);
	pg_atomic_fetch_add_u64(&m->selected, work->selected);
	pg_atomic_fetch_add_u64(&m->bytes, work->bytes);
	pg_atomic_fetch_add_u64(&m->vector_ops, work->vector_ops);
	pg_atomic_fetch_add_u64(&m->scalar_ops, work->scalar_ops);
	pg_atomic_fetch_add_u64(&m->total_ns, work->ns);
	pg_atomic_fetch_add_u64(&m->buckets[strata_histogram_bucket(work->ns)], 1);
	lower_to(&m->min_ns, work->ns);
	raise_to(&m->max_ns, work->ns);
}

/* Takes the place of the last piece of work; false when another process has it. */
static bool
begin_last(OpMetrics *m)
{
	uint64 sequence = pg_atomic_read_u64(&m->sequence);

	/* The exchange is a full barrier: no write of ours can come before it. */
	return sequence % 2 == 0 && pg_atomic_compare_exchange_u64(&m->sequence, &sequence, sequence + 1);
}

static void
end_last(OpMetrics *m)
{
	pg_write_barrier();
	pg_atomic_write_u64(&m->sequence, pg_atomic_read_u64(&m->sequence) + 1);
}

static void
remember(const StrataSimdWork *work, const char *table)
{
	OpMetrics *m = &metrics->op[work->op];

	if (!begin_last(m))
		return;
	m->last.work = *work;
	m->last.vector_width = strata_kernels->vector_width;
	m->last.pid = MyProcPid;
	m->last.database = MyDatabaseId;
	m->last.finished_at = GetCurrentTimestamp();
	strlcpy(m->last.table, table ? table : "", sizeof(m->last.table));
	end_last(m);
}

static void
publish(const StrataSimdWork *work, const char *table)
{
	StrataEvent ev;
	uint64		ops = work->vector_ops + work->scalar_ops;

	strata_event_begin(&ev, op_events[work->op]);
	strata_event_text(&ev, STRATA_F_OPERATION_TYPE, strata_simd_op_names[work->op]);
	strata_event_int(&ev, STRATA_F_ROWS_PROCESSED, work->rows);
	strata_event_int(&ev, STRATA_F_ROWS_SELECTED, work->selected);
	strata_event_double(&ev, STRATA_F_SELECTIVITY, work->rows > 0 ? (double) work->selected / work->rows : 0);
	strata_event_int(&ev, STRATA_F_SIMD_OPS, work->vector_ops);
	strata_event_int(&ev, STRATA_F_SCALAR_OPS, work->scalar_ops);
	strata_event_double(&ev, STRATA_F_SIMD_RATIO, ops > 0 ? (double) work->vector_ops / ops : 0);
	strata_event_int(&ev, STRATA_F_DURATION_US, work->ns / 1000);
	strata_event_double(&ev, STRATA_F_THROUGHPUT_ROWS_PER_SEC, work->ns > 0 ? work->rows * 1e9 / work->ns : 0);
	strata_event_int(&ev, STRATA_F_VECTOR_WIDTH, strata_kernels->vector_width);
	if (table)
		strata_event_text(&ev, STRATA_F_TABLE_NAME, table);
	strata_event_publish(&ev);
}

void
strata_simd_note(const StrataSimdWork *work, const char *table)
{
	strata_simd_count(work);
	if (metrics)
		remember(work, table);
	publish(work, table);
}

void
strata_simd_totals(StrataSimdOp op, StrataSimdTotals *t)
{
	OpMetrics *m;

	strata_require_preload();
	m = &metrics->op[op];
	t->calls = pg_atomic_read_u64(&m->calls);
	t->rows = pg_atomic_read_u64(&m->rows);
	t->selected = pg_atomic_read_u64(&m->selected);
	t->bytes = pg_atomic_read_u64(&m->bytes);
	t->vector_ops = pg_atomic_read_u64(&m->vector_ops);
	t->scalar_ops = pg_atomic_read_u64(&m->scalar_ops);
	t->total_ns = pg_atomic_read_u64(&m->total_ns);
	t->min_ns = pg_atomic_read_u64(&m->min_ns);
	t->max_ns = pg_atomic_read_u64(&m->max_ns);
	for (int b = 0; b < STRATA_HISTOGRAM_BUCKETS; b++)
		t->buckets[b] = pg_atomic_read_u64(&m->buckets[b]);
}

bool
strata_simd_last(StrataSimdOp op, StrataSimdLast *last)
{
	OpMetrics *m;

	strata_require_preload();
	m = &metrics->op[op];
	for (;;)
	{
		uint64 before = pg_atomic_read_u64(&m->sequence);

		pg_read_barrier();
		*last = m->last;
		pg_read_barrier();
		if (before % 2 == 0 && pg_atomic_read_u64(&m->sequence) == before)
			return last->finished_at != 0;
		CHECK_FOR_INTERRUPTS();
	}
}

void
strata_simd_reset(void)
{
	strata_require_preload();
	for (int i = 0; i < STRATA_SIMD_NOPS; i++)
	{
		OpMetrics *m = &metrics->op[i];

		clear_op(m);
		/* Work that is being remembered right now is from after the reset. */
		if (begin_last(m))
		{
			m->last.finished_at = 0;
			end_last(m);
		}
	}
	pg_atomic_write_u64(&metrics->since, (uint64) GetCurrentTimestamp());
}

TimestampTz
strata_simd_since(void)
{
	strata_require_preload();
	return (TimestampTz) pg_atomic_read_u64(&metrics->since);
}
