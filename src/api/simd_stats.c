/*
 * simd_stats.c - strata.simd_stats(), simd_metrics(), simd_last(), simd_reset(): what the SIMD operators did.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/dbcommands.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/compat.h"
#include "exec/metrics.h"
#include "simd/simd.h"

STRATA_FUNCTION(strata_simd_stats);
STRATA_FUNCTION(strata_simd_metrics);
STRATA_FUNCTION(strata_simd_last_row);
STRATA_FUNCTION(strata_simd_reset_all);

/* part / whole, NULL when there is no whole. */
static Datum
ratio(double part, double whole, bool *isnull)
{
	*isnull = whole <= 0;
	return *isnull ? (Datum)0 : Float8GetDatum(part / whole);
}

Datum
strata_simd_stats(PG_FUNCTION_ARGS)
{
	StrataSimdTotals sum = {0};
	StrataSimdTotals t;
	TupleDesc desc;
	Datum values[11];
	bool nulls[11] = {false};
	int i = 0;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	for (int op = 0; op < STRATA_SIMD_NOPS; op++)
	{
		strata_simd_totals(op, &t);
		sum.calls += t.calls;
		sum.rows += t.rows;
		sum.selected += t.selected;
		sum.bytes += t.bytes;
		sum.vector_ops += t.vector_ops;
		sum.scalar_ops += t.scalar_ops;
		sum.total_ns += t.total_ns;
	}
	values[i++] = CStringGetTextDatum(strata_kernels->name);
	values[i++] = Int32GetDatum(strata_kernels->vector_width);
	values[i++] = Int64GetDatum(sum.calls);
	values[i++] = Int64GetDatum(sum.rows);
	values[i++] = Int64GetDatum(sum.selected);
	values[i++] = Int64GetDatum(sum.bytes);
	values[i++] = Int64GetDatum(sum.vector_ops);
	values[i++] = Int64GetDatum(sum.scalar_ops);
	values[i] = ratio(sum.vector_ops, (double)sum.vector_ops + sum.scalar_ops, &nulls[i]);
	i++;
	values[i++] = Float8GetDatum(sum.total_ns / 1e3);
	values[i++] = TimestampTzGetDatum(strata_simd_since());
	Assert(i == lengthof(values));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* A percentile lies between the extremes, whatever the width of its bucket. */
static double
percentile_us(const StrataSimdTotals *t, double fraction)
{
	double ns = strata_histogram_percentile(t->buckets, fraction);

	return Max(Min(ns, (double)t->max_ns), (double)t->min_ns) / 1e3;
}

Datum
strata_simd_metrics(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *)fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int op = 0; op < STRATA_SIMD_NOPS; op++)
	{
		StrataSimdTotals t;
		Datum values[14];
		bool nulls[14] = {false};
		int i = 0;

		strata_simd_totals(op, &t);
		values[i++] = CStringGetTextDatum(strata_simd_op_names[op]);
		values[i++] = Int64GetDatum(t.calls);
		values[i++] = Int64GetDatum(t.rows);
		values[i++] = Int64GetDatum(t.selected);
		values[i++] = Int64GetDatum(t.bytes);
		values[i++] = Int64GetDatum(t.vector_ops);
		values[i++] = Int64GetDatum(t.scalar_ops);
		values[i] = ratio(t.vector_ops, (double)t.vector_ops + t.scalar_ops, &nulls[i]);
		i++;
		values[i++] = Float8GetDatum(t.total_ns / 1e3);
		for (int j = i; j < lengthof(values); j++)
			nulls[j] = t.calls == 0;
		values[i++] = Float8GetDatum(t.min_ns / 1e3);
		values[i++] = Float8GetDatum(t.max_ns / 1e3);
		values[i++] = Float8GetDatum(percentile_us(&t, 0.50));
		values[i++] = Float8GetDatum(percentile_us(&t, 0.95));
		values[i++] = Float8GetDatum(percentile_us(&t, 0.99));
		Assert(i == lengthof(values));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum)0;
}

static StrataSimdOp
operation_of(text *name)
{
	char *s = text_to_cstring(name);

	for (int op = 0; op < STRATA_SIMD_NOPS; op++)
		if (strcmp(s, strata_simd_op_names[op]) == 0)
			return op;
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("there is no SIMD operation \"%s\"", s),
					errhint("The operations are filter, aggregate, scan, hash and string_match.")));
}

static void
put_text(const char *s, Datum *value, bool *isnull)
{
	*isnull = s == NULL || s[0] == '\0';
	*value = *isnull ? (Datum)0 : CStringGetTextDatum(s);
}

Datum
strata_simd_last_row(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *)fcinfo->resultinfo;
	StrataSimdOp op = operation_of(PG_GETARG_TEXT_PP(0));
	StrataSimdLast last;
	const StrataSimdWork *w = &last.work;
	Datum values[15];
	bool nulls[15] = {false};
	int i = 0;

	InitMaterializedSRF(fcinfo, 0);
	if (!strata_simd_last(op, &last))
		return (Datum)0;
	values[i++] = CStringGetTextDatum(strata_simd_op_names[op]);
	values[i++] = TimestampTzGetDatum(last.finished_at);
	values[i++] = Int32GetDatum(last.pid);
	/* The database may be gone by now. */
	put_text(OidIsValid(last.database) ? get_database_name(last.database) : NULL, &values[i], &nulls[i]);
	i++;
	put_text(last.table, &values[i], &nulls[i]);
	i++;
	values[i++] = Int64GetDatum(w->rows);
	values[i++] = Int64GetDatum(w->selected);
	values[i] = ratio(w->selected, w->rows, &nulls[i]);
	i++;
	values[i++] = Int64GetDatum(w->bytes);
	values[i++] = Int64GetDatum(w->vector_ops);
	values[i++] = Int64GetDatum(w->scalar_ops);
	values[i] = ratio(w->vector_ops, (double)w->vector_ops + w->scalar_ops, &nulls[i]);
	i++;
	values[i++] = Float8GetDatum(w->ns / 1e3);
	values[i] = ratio(w->rows * 1e9, w->ns, &nulls[i]);
	i++;
	values[i++] = Int32GetDatum(last.vector_width);
	Assert(i == lengthof(values));
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	return (Datum)0;
}

Datum
strata_simd_reset_all(PG_FUNCTION_ARGS)
{
	strata_simd_reset();
	PG_RETURN_VOID();
}
