/*
 * pressure_sql.c - strata.memory_pressure(), strata.release_pressure() and strata.hugepages().
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "alloc/hugepages.h"
#include "alloc/memory.h"
#include "alloc/pressure.h"
#include "alloc/region.h"
#include "api/memory_worker.h"
#include "base/compat.h"
#include "base/module.h"

STRATA_FUNCTION(strata_memory_pressure);
STRATA_FUNCTION(strata_release_pressure);
STRATA_FUNCTION(strata_hugepages);

static Datum
jsonb_of(const StringInfoData *text)
{
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(text->data));
}

/* {"pool": {...}, "cgroup": {...} or null, "system": {...}} */
static Datum
sources_jsonb(const StrataPressure *p)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < STRATA_PRESSURE_SOURCES; i++)
	{
		const StrataPressureReading *r = &p->reading[i];

		appendStringInfo(&text, "%c\"%s\": ", i == 0 ? '{' : ',', strata_pressure_source_name(i));
		if (!r->known)
		{
			appendStringInfoString(&text, "null");
			continue;
		}
		appendStringInfo(&text,
						 "{\"pressure_level\": \"%s\", \"total_bytes\": %zu, \"used_bytes\": %zu, "
						 "\"available_bytes\": %zu, \"utilization_percent\": %.2f, \"psi_some_avg10\": ",
						 strata_pressure_level_name(r->level), r->total, r->used, r->available, r->percent);
		if (r->psi_some_avg10 < 0)
			appendStringInfoString(&text, "null}");
		else
			appendStringInfo(&text, "%.2f}", r->psi_some_avg10);
	}
	appendStringInfoChar(&text, '}');
	return jsonb_of(&text);
}

/* {"ghosts": {"times": 1, "bytes": 4096}, ...} */
static Datum
actions_jsonb(const StrataPressure *p)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < STRATA_RECLAIM_STEPS; i++)
		appendStringInfo(&text, "%c\"%s\": {\"times\": " UINT64_FORMAT ", \"bytes\": %zu}",
						 i == 0 ? '{' : ',', strata_reclaim_name(i), p->actions[i], p->action_bytes[i]);
	appendStringInfoChar(&text, '}');
	return jsonb_of(&text);
}

/* strata.memory_pressure(): one row, as the memory worker last measured. */
Datum
strata_memory_pressure(PG_FUNCTION_ARGS)
{
	StrataPressure p;
	const StrataPressureReading *r;
	TupleDesc desc;
	Datum values[15];
	bool nulls[15] = {false};

	strata_require_preload();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	strata_pressure_get(&p);
	r = &p.reading[p.source];
	values[0] = CStringGetTextDatum(strata_pressure_level_name(p.level));
	values[1] = CStringGetTextDatum(strata_pressure_source_name(p.source));
	values[2] = Int64GetDatum((int64)r->total);
	values[3] = Int64GetDatum((int64)r->used);
	values[4] = Int64GetDatum((int64)r->available);
	values[5] = Float8GetDatum(r->percent);
	values[6] = BoolGetDatum(p.population_stopped);
	values[7] = TimestampTzGetDatum(p.since);
	values[8] = TimestampTzGetDatum(p.measured_at);
	/* Nothing is known until the worker has measured. */
	for (int i = 0; i < 9; i++)
		nulls[i] = p.measured_at == 0;
	for (int i = 0; i < STRATA_PRESSURE_THRESHOLDS; i++)
		values[9 + i] = Int32GetDatum(p.thresholds[i]);
	values[13] = sources_jsonb(&p);
	values[14] = actions_jsonb(&p);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

/* strata.release_pressure(target_percent): bytes given back until no more than that of strata.memory is used.
 */
Datum
strata_release_pressure(PG_FUNCTION_ARGS)
{
	double percent = PG_GETARG_FLOAT8(0);
	StrataMemoryStatus m;

	strata_require_preload();
	if (isnan(percent) || percent < 0 || percent > 100)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("target_percent must be between 0 and 100")));
	strata_memory_status_get(&m);
	PG_RETURN_INT64((int64)strata_reclaim_to((Size)((double)m.limit * percent / 100)));
}

#define HUGEPAGES_COLUMNS 9

static void
put_explicit(ReturnSetInfo *rsinfo, const StrataHugePool *pool, const StrataRegionStatus *region)
{
	Datum values[HUGEPAGES_COLUMNS];
	bool nulls[HUGEPAGES_COLUMNS] = {false};
	bool ours = region->huge_page_size == pool->page_bytes;

	values[0] = CStringGetTextDatum("explicit");
	values[1] = Int64GetDatum((int64)pool->page_bytes);
	values[2] = Int64GetDatum((int64)pool->total);
	values[3] = Int64GetDatum((int64)pool->free);
	values[4] = Int64GetDatum((int64)pool->reserved);
	values[5] = Int64GetDatum((int64)pool->surplus);
	values[6] = Int64GetDatum(ours ? (int64)region->reserved : 0);
	values[7] = Int64GetDatum(ours ? (int64)region->committed : 0);
	nulls[8] = true;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static void
put_transparent(ReturnSetInfo *rsinfo, const StrataHugePages *huge, const StrataRegionStatus *region)
{
	Datum values[HUGEPAGES_COLUMNS] = {0};
	bool nulls[HUGEPAGES_COLUMNS] = {false};

	values[0] = CStringGetTextDatum("transparent");
	values[1] = Int64GetDatum((int64)huge->thp_bytes);
	/* The kernel makes them from ordinary memory: there is no stock to count. */
	nulls[2] = nulls[3] = nulls[4] = nulls[5] = true;
	values[6] = Int64GetDatum(strcmp(region->huge_pages, "transparent") == 0 ? (int64)region->reserved : 0);
	values[7] = Int64GetDatum((int64)huge->mapping.thp);
	nulls[7] = !huge->mapping_known;
	values[8] = CStringGetTextDatum(huge->thp_shmem_enabled);
	nulls[8] = huge->thp_shmem_enabled[0] == '\0';
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* strata.hugepages(): a row a size of explicit huge pages, and one for transparent ones. */
Datum
strata_hugepages(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *)fcinfo->resultinfo;
	StrataHugePages huge;
	StrataRegionStatus region;
	void *base;
	Size bytes;

	strata_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	strata_region_status(&region);
	strata_region_extent(&base, &bytes);
	strata_hugepages_get(STRATA_SYS, STRATA_SMAPS, base, bytes, &huge);
	for (int i = 0; i < huge.npools; i++)
		put_explicit(rsinfo, &huge.pool[i], &region);
	if (huge.thp_bytes > 0)
		put_transparent(rsinfo, &huge, &region);
	return (Datum)0;
}
