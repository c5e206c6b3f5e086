/*
 * pressure_sql.c - strata.memory_pressure().
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "alloc/pressure.h"
#include "base/compat.h"
#include "base/module.h"

STRATA_FUNCTION(strata_memory_pressure);

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
