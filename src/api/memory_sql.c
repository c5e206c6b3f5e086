/*
 * memory_sql.c - figures of the shared region, its allocators and arenas; what the memory debugger knows.
 *
 * Every function takes its copy of the figures first and builds its rows from it; nothing here holds a lock.
 * What each number means is told in docs/internals/memory.md.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "alloc/arena.h"
#include "alloc/debug.h"
#include "alloc/leaks.h"
#include "alloc/memory.h"
#include "alloc/region.h"
#include "alloc/slab.h"
#include "base/compat.h"
#include "base/module.h"

STRATA_FUNCTION(strata_memory_status);
STRATA_FUNCTION(strata_allocator_stats);
STRATA_FUNCTION(strata_memory_contexts_rows);
STRATA_FUNCTION(strata_allocations_rows);
STRATA_FUNCTION(strata_leaks);
STRATA_FUNCTION(strata_memory_debug_status);

/* ---- rows ---- */

#define ROW_COLUMNS 20

/* A row that is being filled, column by column. */
typedef struct MemoryRow
{
	Datum values[ROW_COLUMNS];
	bool nulls[ROW_COLUMNS];
	int n;
} MemoryRow;

static void
row_datum(MemoryRow *row, Datum value)
{
	Assert(row->n < ROW_COLUMNS);
	row->nulls[row->n] = false;
	row->values[row->n++] = value;
}

static void
row_null(MemoryRow *row)
{
	Assert(row->n < ROW_COLUMNS);
	row->values[row->n] = (Datum)0;
	row->nulls[row->n++] = true;
}

static void
row_int(MemoryRow *row, uint64 value)
{
	row_datum(row, Int64GetDatum((int64)value));
}

static void
row_text(MemoryRow *row, const char *text)
{
	row_datum(row, CStringGetTextDatum(text));
}

static Datum
row_result(FunctionCallInfo fcinfo, MemoryRow *row)
{
	TupleDesc desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	Assert(desc->natts == row->n);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), row->values, row->nulls));
}

static void
row_put(FunctionCallInfo fcinfo, MemoryRow *row)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *)fcinfo->resultinfo;

	Assert(rsinfo->setDesc->natts == row->n);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, row->values, row->nulls);
	row->n = 0;
}

/* Names of arenas may come from another database, in another encoding. */
static void
row_name(MemoryRow *row, const char *name)
{
	char *text = pstrdup(name);

	if (!pg_verifymbstr(text, strlen(text), true))
	{
		for (char *c = text; *c; c++)
		{
			if (IS_HIGHBIT_SET(*c))
				*c = '?';
		}
	}
	row_text(row, text);
}

/* ---- figures ---- */

/* strata.memory_status() → one row, one cut: used = slab + arena + large + pool + overhead, and
 * limit = used + free as long as no more is used than that. */
Datum
strata_memory_status(PG_FUNCTION_ARGS)
{
	StrataRegionStatus s;
	StrataMemoryStatus m;
	MemoryRow row = {.n = 0};
	uint64 failures = 0;

	strata_require_preload();
	strata_memory_status_get(&m);
	strata_region_status(&s);
	for (int i = 0; i < STRATA_MEM_CONSUMERS; i++)
		failures += m.consumer[i].failures;

	row_int(&row, s.reserved);
	row_int(&row, s.limit);
	row_int(&row, s.page_size);
	row_int(&row, s.used + s.overhead);
	row_int(&row, s.requested);
	row_int(&row, s.overhead);
	row_int(&row, s.free);
	row_int(&row, s.largest_free);
	row_int(&row, s.allocs);
	row_int(&row, s.frees);
	row_int(&row, failures);
	row_int(&row, s.huge_page_size);
	row_text(&row, s.huge_pages);
	row_int(&row, s.committed);
	row_int(&row, s.idle);
	for (int i = 0; i < STRATA_MEM_CONSUMERS; i++)
		row_int(&row, s.account[i].current);
	PG_RETURN_DATUM(row_result(fcinfo, &row));
}

/* The part of what is held that nobody uses. */
static void
row_fragmentation(MemoryRow *row, Size held, Size used)
{
	row_datum(row, Float8GetDatum(used < held ? (double)(held - used) / (double)held : 0.0));
}

/* An allocator by its account.  in_use of in_held is what its fragmentation is reckoned from. */
static void
allocator_row(FunctionCallInfo fcinfo, const char *name, const StrataRegionAccount *a, Size in_held,
			  Size in_use, uint64 allocs, uint64 frees, uint64 failures)
{
	MemoryRow row = {.n = 0};

	row_text(&row, name);
	row_int(&row, a->allocated);
	row_int(&row, a->freed);
	row_int(&row, a->current);
	row_int(&row, a->peak);
	row_int(&row, in_use);
	row_fragmentation(&row, in_held, in_use);
	row_int(&row, allocs);
	row_int(&row, frees);
	row_int(&row, failures);
	row_put(fcinfo, &row);
}

/* A process counts what it allocates later than another counts it freed: then there seem to be fewer than none. */
static Size
slab_class_used(const StrataSlabClassStats *c)
{
	return c->objects_used <= c->objects_total ? c->objects_used * c->object_bytes : 0;
}

static void
slab_class_row(FunctionCallInfo fcinfo, const StrataSlabClassStats *c)
{
	Size held = c->slabs * strata_region_round(STRATA_SLAB_BYTES);
	Size used = slab_class_used(c);
	MemoryRow row = {.n = 0};

	row_text(&row, c->magazines ? "slab magazines" : psprintf("slab %zu", c->object_bytes));
	row_int(&row, c->allocs * c->object_bytes);
	row_int(&row, c->frees * c->object_bytes);
	row_int(&row, held);
	row_null(&row);
	row_int(&row, used);
	row_fragmentation(&row, held, used);
	row_int(&row, c->allocs);
	row_int(&row, c->frees);
	row_null(&row);
	row_put(fcinfo, &row);
}

/* strata.allocator_stats() → slab, arena, large_object, pool; then the slab's classes. */
Datum
strata_allocator_stats(PG_FUNCTION_ARGS)
{
	StrataRegionStatus s;
	StrataMemoryStatus m;
	StrataArenaInfo *arenas;
	StrataSlabClassStats *classes;
	int narenas, nclasses;
	Size slab_used = 0, arena_used = 0;
	uint64 slab_allocs = 0, slab_frees = 0;

	strata_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	nclasses = strata_slab_stats(NULL, 0);
	classes = palloc(nclasses * sizeof(*classes));
	strata_slab_stats(classes, nclasses);
	arenas = strata_arena_list(&narenas);
	strata_memory_status_get(&m);
	strata_region_status(&s);

	for (int i = 0; i < nclasses; i++)
	{
		if (classes[i].magazines)
			continue;
		slab_used += slab_class_used(&classes[i]);
		slab_allocs += classes[i].allocs;
		slab_frees += classes[i].frees;
	}
	for (int i = 0; i < narenas; i++)
		arena_used += arenas[i].used_bytes;

	for (int i = 0; i < STRATA_MEM_CONSUMERS; i++)
	{
		const StrataRegionAccount *a = &s.account[i];
		const char *name = strata_consumer_name(i);
		uint64 failures = m.consumer[i].failures;

		if (i == STRATA_MEM_SLAB)
			allocator_row(fcinfo, name, a, a->current, slab_used, slab_allocs, slab_frees, failures);
		else if (i == STRATA_MEM_ARENA)
			allocator_row(fcinfo, name, a, narenas > 0 ? arenas[0].total_bytes : 0, arena_used, a->allocs,
						  a->frees, failures);
		else
			allocator_row(fcinfo, name, a, a->current, a->requested, a->allocs, a->frees, failures);
	}
	for (int i = 0; i < nclasses; i++)
		slab_class_row(fcinfo, &classes[i]);
	return (Datum)0;
}

/* strata.memory_contexts → the tree of arenas. */
Datum
strata_memory_contexts_rows(PG_FUNCTION_ARGS)
{
	StrataArenaInfo *arenas;
	MemoryRow row = {.n = 0};
	int n;

	strata_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	arenas = strata_arena_list(&n);
	for (int i = 0; i < n; i++)
	{
		const StrataArenaInfo *a = &arenas[i];

		row_int(&row, a->id);
		if (a->parent != 0)
			row_int(&row, a->parent);
		else
			row_null(&row);
		row_datum(&row, Int32GetDatum(a->level));
		row_name(&row, a->name);
		row_text(&row, a->life == STRATA_ARENA_PROCESS ? "process" : "shared");
		row_datum(&row, Int32GetDatum(a->pid));
		row_datum(&row, BoolGetDatum(a->owner_gone));
		row_int(&row, a->bytes);
		row_int(&row, a->used_bytes);
		row_int(&row, a->total_bytes);
		row_int(&row, a->peak_bytes);
		if (a->limit != 0)
			row_int(&row, a->limit);
		else
			row_null(&row);
		row_int(&row, a->allocs);
		row_int(&row, a->resets);
		row_datum(&row, TimestampTzGetDatum(a->created_at));
		row_put(fcinfo, &row);
	}
	return (Datum)0;
}

/* ---- what the debugger knows ---- */

static void
row_age(MemoryRow *row, TimestampTz now, TimestampTz then)
{
	row_datum(row, TimestampTzGetDatum(then));
	row_datum(row, DirectFunctionCall2(timestamp_mi, TimestampTzGetDatum(now),
									   TimestampTzGetDatum(Min(now, then))));
}

/* An arena that has gone has no name. */
static void
row_arena(MemoryRow *row, const StrataAllocation *a)
{
	if (a->arena != 0)
		row_int(row, a->arena);
	else
		row_null(row);
	if (a->arena_name[0] != '\0')
		row_name(row, a->arena_name);
	else
		row_null(row);
}

static void
row_site(MemoryRow *row, const StrataAllocation *a)
{
	row_text(row, strata_debug_kind_name(a->kind));
	if (a->file != NULL)
		row_text(row, psprintf("%s:%d", a->file, a->line));
	else
		row_null(row);
}

/* strata.allocations → every record of what is not freed. */
Datum
strata_allocations_rows(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	StrataAllocation *all;
	MemoryRow row = {.n = 0};
	int n;

	strata_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	all = strata_allocations(&n);
	for (int i = 0; i < n; i++)
	{
		const StrataAllocation *a = &all[i];

		if (a->p == NULL)
			continue;
		row_text(&row, psprintf("%p", a->p));
		row_site(&row, a);
		row_int(&row, a->bytes);
		row_age(&row, now, a->allocated_at);
		row_datum(&row, Int32GetDatum(a->pid));
		row_datum(&row, BoolGetDatum(a->process_ended));
		row_datum(&row, BoolGetDatum(a->shared));
		row_arena(&row, a);
		row_put(fcinfo, &row);
	}
	return (Datum)0;
}

/* What is younger than min_age is no leak yet; the time before which it must have been allocated. */
static TimestampTz
leak_before(FunctionCallInfo fcinfo, TimestampTz now)
{
	TimestampTz before;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("min_age must not be null")));
	before = DatumGetTimestampTz(
		DirectFunctionCall2(timestamptz_mi_interval, TimestampTzGetDatum(now), PG_GETARG_DATUM(0)));
	if (before > now)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("min_age must not be negative")));
	return before;
}

/* The answer is only as complete as the records. */
static void
leaks_tell_limits(void)
{
	StrataDebugStatus status;

	strata_debug_status(&status);
	if (!status.recording)
		ereport(NOTICE, (errmsg("strata.memory_debug is off: only arenas are known"),
						 errhint("Set strata.memory_debug to on and reload the configuration.")));
	if (status.unrecorded > 0)
		ereport(NOTICE,
				(errmsg_plural("%llu allocation was not recorded, for the memory debugger's table was full",
							   "%llu allocations were not recorded, for the memory debugger's table was full",
							   (unsigned long)status.unrecorded, (unsigned long long)status.unrecorded)));
}

/* strata.leaks(min_age) → what is that old and has lost its owner. */
Datum
strata_leaks(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz before;
	StrataAllocation *all;
	MemoryRow row = {.n = 0};
	int n;

	strata_require_preload();
	before = leak_before(fcinfo, now);
	InitMaterializedSRF(fcinfo, 0);
	leaks_tell_limits();
	all = strata_allocations(&n);
	for (int i = 0; i < n; i++)
	{
		const StrataAllocation *a = &all[i];

		if (a->leak == NULL || a->allocated_at > before)
			continue;
		row_site(&row, a);
		/* An arena with all that goes when it goes. */
		row_int(&row, a->total_bytes);
		row_age(&row, now, a->allocated_at);
		row_datum(&row, Int32GetDatum(a->pid));
		row_arena(&row, a);
		row_text(&row, a->leak);
		row_put(fcinfo, &row);
	}
	return (Datum)0;
}

/* strata.memory_debug_status() → one row. */
Datum
strata_memory_debug_status(PG_FUNCTION_ARGS)
{
	StrataDebugStatus s;
	MemoryRow row = {.n = 0};

	strata_require_preload();
	strata_debug_status(&s);
	row_datum(&row, BoolGetDatum(s.recording));
	row_int(&row, s.live);
	row_int(&row, s.capacity);
	row_int(&row, s.unrecorded);
	row_datum(&row, BoolGetDatum(STRATA_DEBUG_FRONT > 0));
	for (int i = 0; i < STRATA_DEBUG_FAULTS; i++)
		row_int(&row, s.faults[i]);
	PG_RETURN_DATUM(row_result(fcinfo, &row));
}
