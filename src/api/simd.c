/*
 * simd.c - the setting strata.simd and strata.simd_features().
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "api/simd.h"
#include "base/compat.h"
#include "simd/simd.h"

STRATA_FUNCTION(strata_simd_features);

/* Values of the setting: a StrataSimdLevel, or this. */
#define SIMD_AUTO STRATA_SIMD_NLEVELS

static const struct config_enum_entry simd_options[] = {
	{"auto", SIMD_AUTO, false},
	{"avx512", STRATA_SIMD_AVX512, false},
	{"avx2", STRATA_SIMD_AVX2, false},
	{"sse42", STRATA_SIMD_SSE42, false},
	{"scalar", STRATA_SIMD_SCALAR, false},
	{NULL, 0, false},
};

static int strata_simd = SIMD_AUTO;

static const char *
level_name(int value)
{
	for (const struct config_enum_entry *e = simd_options; e->name; e++)
		if (e->val == value)
			return e->name;
	return "unknown";
}

/*
 * A session that asks for a level the CPU lacks is told so.  From a configuration file, the command line or
 * what ALTER ROLE and DATABASE once stored such a value only caps: a cluster moved to another machine must
 * still start, and its users must still be able to connect.  The postmaster alone warns, lest every backend
 * repeat it.
 */
static bool
check_simd(int *newval, void **extra, GucSource source)
{
	if (*newval == SIMD_AUTO || *newval <= (int)strata_simd_best())
		return true;
	if (source >= PGC_S_CLIENT)
	{
		GUC_check_errdetail(
			"This CPU, or its operating system, does not support \"%s\"; the best level here is \"%s\".",
			level_name(*newval), level_name(strata_simd_best()));
		return false;
	}
	if (!IsUnderPostmaster)
		ereport(WARNING,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("strata.simd is \"%s\", but this CPU, or its operating system, does not support it",
						level_name(*newval)),
				 errdetail("\"%s\" is used instead.", level_name(strata_simd_best()))));
	return true;
}

static void
assign_simd(int newval, void *extra)
{
	strata_simd_choose(newval == SIMD_AUTO ? strata_simd_best() : (StrataSimdLevel)newval);
}

static void
simd_settings(void)
{
	DefineCustomEnumVariable("strata.simd", "Vector instructions that column scans use.",
							 "\"auto\" takes the best that the CPU and the operating system support. "
							 "The results of queries do not depend on it.",
							 &strata_simd, SIMD_AUTO, simd_options, PGC_USERSET, 0, check_simd, assign_simd,
							 NULL);
}

const StrataModule strata_simd_module = {
	.name = "simd",
	.settings = simd_settings,
};

/* strata.simd_features(): what this CPU supports and what is used. */
Datum
strata_simd_features(PG_FUNCTION_ARGS)
{
	const StrataCpuFeatures *f = strata_cpu_features();
	TupleDesc desc;
	Datum values[12];
	bool nulls[12] = {false};
	int i = 0;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[i++] = CStringGetTextDatum(strata_kernels->name);
	values[i++] = Int32GetDatum(strata_kernels->vector_width);
	values[i++] = CStringGetTextDatum(level_name(strata_simd));
	values[i++] = CStringGetTextDatum(level_name(strata_simd_best()));
	values[i++] = BoolGetDatum(f->sse42);
	values[i++] = BoolGetDatum(f->avx2);
	values[i++] = BoolGetDatum(f->avx512f);
	values[i++] = BoolGetDatum(f->avx512bw);
	values[i++] = BoolGetDatum(f->avx512dq);
	values[i++] = BoolGetDatum(f->avx512vl);
	values[i++] = BoolGetDatum(f->avx512vbmi);
	values[i++] = BoolGetDatum(f->avx512vpopcntdq);
	Assert(i == lengthof(values));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
