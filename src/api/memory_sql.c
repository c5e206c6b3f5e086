/*
 * memory_sql.c - strata.memory_status().
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "alloc/region.h"
#include "base/compat.h"
#include "base/module.h"

STRATA_FUNCTION(strata_memory_status);

/* strata.memory_status() → one row; reserved = used + overhead + free + what strata.memory withholds. */
Datum
strata_memory_status(PG_FUNCTION_ARGS)
{
	StrataRegionStatus s;
	TupleDesc desc;
	Datum values[13];
	bool nulls[13] = {false};

	strata_require_preload();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	strata_region_status(&s);
	values[0] = Int64GetDatum((int64)s.reserved);
	values[1] = Int64GetDatum((int64)s.limit);
	values[2] = Int64GetDatum((int64)s.page_size);
	values[3] = Int64GetDatum((int64)s.used);
	values[4] = Int64GetDatum((int64)s.requested);
	values[5] = Int64GetDatum((int64)s.overhead);
	values[6] = Int64GetDatum((int64)s.free);
	values[7] = Int64GetDatum((int64)s.largest_free);
	values[8] = Int64GetDatum((int64)s.allocs);
	values[9] = Int64GetDatum((int64)s.frees);
	values[10] = Int64GetDatum((int64)s.failures);
	values[11] = Int64GetDatum((int64)s.huge_page_size);
	values[12] = CStringGetTextDatum(s.huge_pages);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}
