/*
 * pool_sql.c - the page pool in SQL: strata.pool_stats(), pool_tiers(), pool_policy_stats(), pool_pages,
 * pool_flush(), pool_pin(), pool_unpin(), pool_prefetch() and pool_simulate().
 *
 * Who may call what is said in sql/34_pool.sql; nothing here looks at privileges.
 */
#include "postgres.h"

#include <limits.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "alloc/region.h"
#include "base/compat.h"
#include "base/module.h"
#include "pool/pool.h"
#include "pool/prefetch.h"

STRATA_FUNCTION(strata_pool_stats_row);
STRATA_FUNCTION(strata_pool_tiers);
STRATA_FUNCTION(strata_pool_policy_stats_rows);
STRATA_FUNCTION(strata_pool_pages_rows);
STRATA_FUNCTION(strata_pool_flush_sql);
STRATA_FUNCTION(strata_pool_pin_sql);
STRATA_FUNCTION(strata_pool_unpin_sql);
STRATA_FUNCTION(strata_pool_prefetch_sql);
STRATA_FUNCTION(strata_pool_simulate);

/* Pages asked of the pool, written or queued at a time; between two batches a query can be cancelled. */
#define POOL_SQL_BATCH 64

/* ---- figures ---- */

/* A row under construction: values in the order of the columns. */
typedef struct Row
{
	Datum values[30];
	bool nulls[30];
	int n;
} Row;

static void
put_int(Row *row, uint64 value)
{
	row->nulls[row->n] = false;
	row->values[row->n++] = Int64GetDatum((int64)value);
}

static void
put_double(Row *row, double value)
{
	row->nulls[row->n] = false;
	row->values[row->n++] = Float8GetDatum(value);
}

/* NULL when there is nothing to divide by. */
static void
put_ratio(Row *row, uint64 part, uint64 whole)
{
	put_double(row, whole > 0 ? (double)part / (double)whole : 0);
	row->nulls[row->n - 1] = whole == 0;
}

static void
put_text(Row *row, const char *value)
{
	row->nulls[row->n] = value == NULL;
	row->values[row->n++] = value ? CStringGetTextDatum(value) : (Datum)0;
}

static Datum
row_datum(FunctionCallInfo fcinfo, Row *row)
{
	TupleDesc desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	Assert(row->n == desc->natts);
	return HeapTupleGetDatum(heap_form_tuple(desc, row->values, row->nulls));
}

static void
add_row(ReturnSetInfo *rsinfo, Row *row)
{
	Assert(row->n == rsinfo->setDesc->natts);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, row->values, row->nulls);
}

/* strata.pool_stats() → one row */
Datum
strata_pool_stats_row(PG_FUNCTION_ARGS)
{
	StrataPoolStats s;
	StrataRegionStatus region;
	Row row = {.n = 0};

	strata_require_preload();
	strata_pool_stats(&s);
	strata_region_status(&region);
	put_int(&row, s.total_frames);
	put_int(&row, s.used_frames);
	put_int(&row, s.free_frames);
	put_int(&row, s.pinned_frames);
	put_int(&row, s.dirty_frames);
	put_int(&row, region.page_size);
	put_int(&row, s.pages);
	put_int(&row, s.pinned_pages);
	put_int(&row, s.dirty_pages);
	put_ratio(&row, s.dirty_frames, s.total_frames);
	put_int(&row, s.hits);
	put_int(&row, s.misses);
	put_ratio(&row, s.hits, s.hits + s.misses);
	put_ratio(&row, s.misses, s.hits + s.misses);
	put_int(&row, s.page_reads);
	put_int(&row, s.page_writes);
	put_int(&row, s.read_bytes);
	put_int(&row, s.write_bytes);
	put_int(&row, s.io_wait_us);
	put_int(&row, s.evictions);
	put_int(&row, s.evicted_bytes);
	put_ratio(&row, s.examined, s.evictions);
	put_int(&row, s.lost_pages);
	put_int(&row, s.prefetched);
	put_int(&row, s.prefetch_hits);
	put_int(&row, s.prefetch_wasted);
	put_int(&row, s.ghosts_dropped);
	put_int(&row, s.cold_file_bytes);
	put_int(&row, s.cold_used_bytes);
	put_text(&row, strata_policy_ops(s.policy)->name);
	PG_RETURN_DATUM(row_datum(fcinfo, &row));
}

/* strata.pool_tiers() → hot, warm, cold */
Datum
strata_pool_tiers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *)fcinfo->resultinfo;
	StrataPoolStats s;

	strata_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	strata_pool_stats(&s);
	for (StrataTier tier = STRATA_TIER_HOT; tier <= STRATA_TIER_COLD; tier++)
	{
		const StrataPoolTierStats *t = &s.tier[tier];
		Row row = {.n = 0};

		put_text(&row, strata_tier_name(tier));
		put_int(&row, t->pages);
		put_int(&row, t->frames);
		put_int(&row, t->bytes);
		put_int(&row, t->image_bytes);
		put_int(&row, t->promotions);
		put_int(&row, t->demotions);
		add_row(rsinfo, &row);
	}
	return (Datum)0;
}

/* strata.pool_policy_stats() → a row a figure */
Datum
strata_pool_policy_stats_rows(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *)fcinfo->resultinfo;
	StrataPolicyStat stats[STRATA_POLICY_STATS];
	StrataPolicyKind kind;
	int n;

	strata_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	n = strata_pool_policy_stats(&kind, stats);
	for (int i = 0; i < n; i++)
	{
		Row row = {.n = 0};

		put_text(&row, stats[i].name);
		put_double(&row, stats[i].value);
		add_row(rsinfo, &row);
	}
	return (Datum)0;
}

/* ---- pages ---- */

static void
put_name(Row *row, const char *name)
{
	row->nulls[row->n] = name == NULL;
	row->values[row->n++] = name ? DirectFunctionCall1(namein, CStringGetDatum(name)) : (Datum)0;
}

static void
put_page(ReturnSetInfo *rsinfo, const StrataPageInfo *page)
{
	const StrataPageTag *tag = &page->tag;
	bool here = tag->dbid == MyDatabaseId;
	/* NULL when the table has been dropped and its pages are about to go. */
	char *table = here ? get_rel_name(tag->relid) : NULL;
	Row row = {.n = 0};

	put_int(&row, page->id);
	row.values[row.n++] = ObjectIdGetDatum(tag->dbid);
	put_name(&row, table ? get_namespace_name(get_rel_namespace(tag->relid)) : NULL);
	put_name(&row, table);
	row.values[row.n++] = ObjectIdGetDatum(tag->relid);
	put_int(&row, tag->unitno);
	row.values[row.n++] = Int16GetDatum(tag->attnum);
	put_name(&row, table && tag->attnum > 0 ? get_attname(tag->relid, tag->attnum, true) : NULL);
	put_text(&row, strata_tier_name(page->tier));
	row.values[row.n++] = Int32GetDatum((int32)page->frames);
	row.values[row.n++] = Int32GetDatum((int32)page->frames_now);
	put_int(&row, page->bytes);
	row.values[row.n++] = Int32GetDatum((int32)page->pins);
	row.values[row.n++] = BoolGetDatum(page->dirty);
	row.values[row.n++] = BoolGetDatum(page->on_disk);
	put_text(&row, page->policy_state);
	add_row(rsinfo, &row);
}

/* Rows of strata.pool_pages; pages that come and go meanwhile may be in or out. */
Datum
strata_pool_pages_rows(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *)fcinfo->resultinfo;
	StrataPageInfo *pages = palloc(sizeof(StrataPageInfo) * POOL_SQL_BATCH);
	MemoryContext row_context;
	uint32 cursor = 0;
	int n;

	strata_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	row_context = AllocSetContextCreate(CurrentMemoryContext, "strata pool pages", ALLOCSET_DEFAULT_SIZES);
	while ((n = strata_pool_list(&cursor, pages, POOL_SQL_BATCH)) > 0)
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < n; i++)
			put_page(rsinfo, &pages[i]);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	return (Datum)0;
}

/* ---- flush, pin, prefetch ---- */

/* strata.pool_flush(force) → pages written */
Datum
strata_pool_flush_sql(PG_FUNCTION_ARGS)
{
	bool force = PG_GETARG_BOOL(0);
	int wanted;
	int written = 0;

	strata_require_preload();
	wanted = force ? INT_MAX : atoi(GetConfigOption("strata.flush_batch", false, false));
	while (written < wanted)
	{
		bool failed = false;
		int n = strata_pool_flush(Min(wanted - written, POOL_SQL_BATCH), &failed);

		if (failed)
			ereport(ERROR, (errcode(ERRCODE_IO_ERROR),
							errmsg("could not write all dirty pages to the cold file of the page pool"),
							errdetail("%d pages have been written.", written + n),
							errhint("The server's log says why. See strata.cold_path.")));
		written += n;
		if (n == 0)
			break;
		CHECK_FOR_INTERRUPTS();
	}
	PG_RETURN_INT32(written);
}

/* When a pin from now on ends; DT_NOEND: never. */
static TimestampTz
pin_end(const Interval *expires)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz end = DatumGetTimestampTz(
		DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now), PointerGetDatum(expires)));

	if (end <= now)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("\"expires\" must be longer than nothing"),
				 errhint("With null, the pin stays until the session ends.")));
	return end;
}

static void
refuse_pin(int64 id, StrataPinResult why)
{
	if (why == STRATA_PIN_GONE)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("page %lld does not exist in the page pool", (long long)id),
						errhint("See strata.pool_pages. Pages get new numbers when a table is populated.")));
	if (why == STRATA_PIN_LOST)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("page %lld could not be read from the cold file of the page pool", (long long)id),
				 errdetail("Queries read its rows from the table.")));
	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("page %lld cannot be pinned", (long long)id),
			 errdetail("All memory of the page pool is pinned, or too many pages are pinned from SQL."),
			 errhint("Release pins with strata.pool_unpin(), or raise strata.memory.")));
}

/* strata.pool_pin(page_id, expires) → when it ends */
Datum
strata_pool_pin_sql(PG_FUNCTION_ARGS)
{
	TimestampTz end = DT_NOEND;
	StrataPinResult result;
	int64 id;

	strata_require_preload();
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	id = PG_GETARG_INT64(0);
	if (!PG_ARGISNULL(1))
		end = pin_end(PG_GETARG_INTERVAL_P(1));
	result = strata_pool_session_pin((StrataPageId)id, TIMESTAMP_IS_NOEND(end) ? 0 : end);
	if (result != STRATA_PIN_OK)
		refuse_pin(id, result);
	PG_RETURN_TIMESTAMPTZ(end);
}

/* strata.pool_unpin(page_id) → had this session a pin on it? */
Datum
strata_pool_unpin_sql(PG_FUNCTION_ARGS)
{
	strata_require_preload();
	PG_RETURN_BOOL(strata_pool_session_unpin((StrataPageId)PG_GETARG_INT64(0)));
}

/* The elements of a bigint[] without nulls. */
static const int64 *
array_of_bigints(ArrayType *array, const char *what, int *n)
{
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("\"%s\" must have one dimension", what)));
	if (array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("\"%s\" must not contain nulls", what)));
	*n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	return (const int64 *)ARR_DATA_PTR(array);
}

/* strata.pool_prefetch(page_ids) → how many were queued */
Datum
strata_pool_prefetch_sql(PG_FUNCTION_ARGS)
{
	int n;
	int queued = 0;
	const int64 *ids;

	strata_require_preload();
	ids = array_of_bigints(PG_GETARG_ARRAYTYPE_P(0), "page_ids", &n);
	for (int i = 0; i < n; i += POOL_SQL_BATCH)
	{
		CHECK_FOR_INTERRUPTS();
		queued += strata_prefetch_queue((const StrataPageId *)ids + i, Min(n - i, POOL_SQL_BATCH));
	}
	PG_RETURN_INT32(queued);
}

/* ---- simulation ---- */

/* Each access is a chance to cancel.  The run holds nothing but memory of the context, so it can be left
 * anywhere. */
static bool
simulation_step(void *arg, uint64_t access, bool hit, int64_t page, int64_t victim, bool has_victim)
{
	CHECK_FOR_INTERRUPTS();
	return true;
}

/* strata.pool_simulate(policy, frames, trace) → one row */
Datum
strata_pool_simulate(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int frames = PG_GETARG_INT32(1);
	const StrataPolicyOps *policy = strata_policy_find(name);
	StrataPolicyParams params;
	StrataSimulation result;
	Size bytes;
	int n;
	const int64 *trace = array_of_bigints(PG_GETARG_ARRAYTYPE_P(2), "trace", &n);
	void *memory;
	Row row = {.n = 0};

	if (!policy)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown eviction policy \"%s\"", name),
				 errhint("Policies are CLOCK, LRU, 2Q, LRU-K, LIRS and ARC.")));
	if (frames <= 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("\"frames\" must be at least 1")));
	bytes = strata_policy_simulation_bytes(n);
	if (bytes > (Size)maintenance_work_mem * 1024)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("a trace of %d accesses takes more memory than maintenance_work_mem allows", n),
				 errdetail("It takes %zu kB.", (bytes + 1023) / 1024),
				 errhint("Raise maintenance_work_mem, or give a shorter trace.")));

	strata_pool_policy_params(&params);
	memory = MemoryContextAllocHuge(CurrentMemoryContext, bytes);
	for (StrataPolicyKind kind = 0; kind < STRATA_POLICY_COUNT; kind++)
		if (strata_policy_ops(kind) == policy)
			strata_policy_simulate(kind, &params, frames, trace, n, memory, simulation_step, NULL, &result);
	pfree(memory);

	put_int(&row, result.accesses);
	put_int(&row, result.hits);
	put_int(&row, result.misses);
	put_int(&row, result.evictions);
	put_int(&row, result.ghost_hits);
	put_ratio(&row, result.hits, result.accesses);
	PG_RETURN_DATUM(row_datum(fcinfo, &row));
}
