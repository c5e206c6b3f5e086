/*
 * values.c - the accumulators of all groups of an aggregation (StrataValues in agg.h), fed a vector at a
 * time.
 *
 * Rows are counted once for all aggregates; an aggregate counts only what was no input of it.  So sum(x),
 * avg(x) and count(x) of a column without NULLs cost one addition a row, and count(*) beside them nothing.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/datum.h"
#include "utils/float.h"
#include "utils/memutils.h"

#include "exec/agg.h"

static StrataFast
fast_form(const StrataAgg *agg)
{
	bool number = agg->expr && (agg->cls == STRATA_CLASS_INT || agg->cls == STRATA_CLASS_NUM);

	switch (agg->kind)
	{
		case AGG_COUNT_STAR:
		case AGG_COUNT:
			return FAST_COUNT;
		case AGG_SUM:
		case AGG_AVG:
			return number ? FAST_SUM : FAST_NO;
		case AGG_MIN:
		case AGG_AND:
			return number ? FAST_MIN : FAST_NO;
		case AGG_MAX:
		case AGG_OR:
			return number ? FAST_MAX : FAST_NO;
		case AGG_SUM_F64:
			return agg->argtype == FLOAT4OID ? FAST_SUM_F32 : FAST_SUM_F64;
		default:
			return FAST_NO;
	}
}

/* What an empty group starts from.  Minus zero is the one number that leaves every float as it is. */
static int64
start_value(StrataFast fast)
{
	switch (fast)
	{
		case FAST_MIN:
			return PG_INT64_MAX;
		case FAST_MAX:
		case FAST_SUM_F64:
		case FAST_SUM_F32:
			return PG_INT64_MIN; /* the bits of -0.0, too */
		default:
			return 0;
	}
}

static void
start_values(StrataValues *v, uint32 from, uint32 to)
{
	int64 start = start_value(v->fast);

	if (v->v)
		for (uint32 i = from; i < to; i++)
			v->v[i] = start;
	if (v->count)
		memset(v->count + from, 0, (Size)(to - from) * sizeof(int64));
	if (v->general)
		memset(v->general + from, 0, (Size)(to - from) * sizeof(StrataAccum));
}

static void *
new_array(StrataGroups *g, Size width)
{
	return strata_alloc_zeroed(g->cxt, g->capacity * width);
}

#define GROW(array)                                                                                          \
	do                                                                                                       \
	{                                                                                                        \
		if (array)                                                                                           \
			(array) = repalloc_huge((array), (Size)g->capacity * sizeof(*(array)));                          \
	} while (0)

void
strata_values_grow(StrataGroups *g, uint32 old_capacity)
{
	if (!g->rows)
		g->rows = new_array(g, sizeof(int64));
	else
	{
		GROW(g->rows);
		memset(g->rows + old_capacity, 0, (Size)(g->capacity - old_capacity) * sizeof(int64));
	}
	for (int a = 0; a < g->naggs; a++)
	{
		StrataValues *v = &g->values[a];

		GROW(v->v);
		GROW(v->count);
		GROW(v->general);
		start_values(v, old_capacity, g->capacity);
	}
}

static StrataAccum *
general(StrataGroups *g, StrataValues *v)
{
	if (!v->general)
		v->general = new_array(g, sizeof(StrataAccum));
	return v->general;
}

/* Inputs of the group that went into v. */
static inline int64
fast_count(const StrataGroups *g, const StrataValues *v, uint32 gid)
{
	if (v->counts_own)
		return v->count ? v->count[gid] : 0;
	if (!g->counting)
		return 1;
	return g->rows[gid] - (v->count ? v->count[gid] : 0);
}

/* The fast part of a group into an accumulator; count: what it counts there. */
static void
fold(const StrataGroups *g, int a, uint32 gid, StrataAccum *total, int64 count)
{
	const StrataValues *v = &g->values[a];
	double d;

	switch (v->fast)
	{
		case FAST_SUM:
		case FAST_MIN:
		case FAST_MAX:
			if (v->v && fast_count(g, v, gid) > 0)
				strata_accum_add(&g->aggs[a], total, v->v[gid], v->scale, count, g->cxt);
			break;
		case FAST_SUM_F64:
		case FAST_SUM_F32:
			if (v->v && fast_count(g, v, gid) > 0)
			{
				memcpy(&d, &v->v[gid], sizeof(d));
				total->f = d;
				total->has_value = true;
				total->count += count;
			}
			break;
		default:
			total->count += count;
	}
}

/* 64 bits might not do for the next vector: all sums move over, and what has been counted stays. */
static void
flush_sums(StrataGroups *g, int a)
{
	StrataValues *v = &g->values[a];
	StrataAccum *accums = general(g, v);

	for (uint32 i = 0; i < g->ngroups; i++)
	{
		fold(g, a, i, &accums[i], 0);
		v->v[i] = 0;
	}
	v->bound = 0;
}

/* From now on everything is added in the general form. */
static void
give_up_fast(StrataGroups *g, int a)
{
	StrataValues *v = &g->values[a];
	StrataAccum *accums = general(g, v);

	if (v->fast == FAST_NO)
		return;
	if (v->v || v->fast == FAST_COUNT)
		for (uint32 i = 0; i < g->ngroups; i++)
			fold(g, a, i, &accums[i], fast_count(g, v, i));
	if (v->v)
		pfree(v->v);
	v->v = NULL;
	v->fast = FAST_NO;
}

StrataAccum *
strata_values_general(StrataGroups *g, int a, uint32 gid)
{
	StrataValues *v = &g->values[a];

	/* Where the order of rows shows, one row that comes alone sets it for the rest. */
	switch (v->fast)
	{
		case FAST_MIN:
		case FAST_MAX:
			if (g->aggs[a].argtype == NUMERICOID)
				give_up_fast(g, a);
			break;
		case FAST_SUM_F64:
		case FAST_SUM_F32:
			give_up_fast(g, a);
			break;
		case FAST_UNDECIDED:
			/* rows alone so far; those of vectors to come are counted from here */
			v->fast = fast_form(&g->aggs[a]);
			v->counts_own = g->aggs[a].filter || g->aggs[a].set >= 0;
			v->scale = -1;
			if (v->fast != FAST_SUM && v->fast != FAST_COUNT)
				v->fast = FAST_NO;
			break;
		default:
			break;
	}
	return &general(g, v)[gid];
}

void
strata_values_total(StrataGroups *g, int a, uint32 gid, StrataAccum *total)
{
	StrataValues *v = &g->values[a];

	if (v->general)
		*total = v->general[gid];
	else
		memset(total, 0, sizeof(StrataAccum));
	if (v->fast != FAST_NO && v->fast != FAST_UNDECIDED)
		fold(g, a, gid, total, fast_count(g, v, gid));
}

bool
strata_values_result(StrataGroups *g, const StrataAgg *agg, uint32 gid, Datum *result)
{
	const StrataValues *v = &g->values[agg->source - g->aggs];
	bool small = agg->argtype == INT2OID || agg->argtype == INT4OID;

	if (v->general || agg->partial || fast_count(g, v, gid) <= 0)
		return false;
	if (agg->kind == AGG_SUM && v->fast == FAST_SUM && v->v)
		*result = small ? Int64GetDatum(v->v[gid]) : strata_numeric_make(v->v[gid], v->scale);
	else if (v->fast == FAST_COUNT)
		*result = Int64GetDatum(fast_count(g, v, gid));
	else
		return false;
	return true;
}

/* ---- feeding ---- */

void
strata_values_count(StrataGroups *g, uint32 n)
{
	/* Groups without aggregates have no rows to count. */
	if (g->counting || g->naggs == 0)
		return;
	g->counting = true;
	for (uint32 i = 0; i < n; i++)
		g->rows[i] = 1;
}

/* Is all that the aggregate asks of its count whether there was an input? */
static bool
asks_if_any(const StrataAgg *agg)
{
	if (agg->filter || agg->set >= 0 || !agg->expr)
		return false;
	switch (agg->kind)
	{
		case AGG_SUM:
		case AGG_SUM_F64:
		case AGG_MIN:
		case AGG_MAX:
		case AGG_AND:
		case AGG_OR:
			return true;
		default:
			return false;
	}
}

static bool
any_null(const uint64 *nulls, const uint64 *mask)
{
	uint64 any = 0;

	for (int w = 0; w < BATCH_WORDS; w++)
		any |= nulls[w] & mask[w];
	return any != 0;
}

bool
strata_values_must_count(StrataGroups *g, StrataBatch *in)
{
	for (int a = 0; a < g->naggs && !g->counting; a++)
	{
		const uint64 *nulls;

		/* An average may read the accumulators of a sum. */
		if (!asks_if_any(&g->aggs[a]))
			return true;
		nulls = strata_agg_nulls(in, &g->aggs[a]);
		if (nulls && any_null(nulls, in->mask))
			return true;
		/* It will be told which groups have values of the old scale. */
		if (g->values[a].v &&
			(g->values[a].scale != g->aggs[a].expr->scale || g->aggs[a].expr->vscale))
			return true;
	}
	return g->counting;
}

void
strata_values_rows(StrataGroups *g, const uint32 *gids, unsigned n)
{
	if (g->counting)
		strata_kernels->group_count(g->rows, g->ngroups, gids, n);
}

/* No value of the rows is further from 0 than this. */
static uint64
farthest(StrataBatch *in, const StrataAgg *agg)
{
	const StrataColumn *col = strata_expr_is_column(agg->expr) ? in->cols[agg->expr->col] : NULL;
	int64 lo, hi;

	if (col && col->source == STRATA_FROM_SEGMENT)
		strata_segment_vector_bounds(col->seg, col->owner->cur_vector, &lo, &hi);
	else
	{
		const uint64 *nulls = agg->expr->vnulls, *mask = agg->filter ? agg->mask : in->mask;
		uint64 live[BATCH_WORDS];

		for (int w = 0; w < BATCH_WORDS; w++)
			live[w] = nulls ? mask[w] & ~nulls[w] : mask[w];
		if (mask_empty(live))
			return 0;
		lo = strata_kernels->min_i64(agg->expr->vi, live, in->n);
		hi = strata_kernels->max_i64(agg->expr->vi, live, in->n);
	}
	return Max(lo < 0 ? -(uint64)lo : (uint64)lo, hi < 0 ? -(uint64)hi : (uint64)hi);
}

static void
add_general(StrataGroups *g, StrataBatch *in, int a, const uint16 *at, const uint32 *gids, unsigned n)
{
	StrataAccum *accums = general(g, &g->values[a]);

	in->counts->scalar_values += n;
	for (unsigned r = 0; r < n; r++)
		strata_accum_value(in, &g->aggs[a], &accums[gids[r]], at[r], g->cxt);
}

static void
add_sums(StrataGroups *g, StrataBatch *in, int a, const int64 *x, const uint32 *gids, unsigned n,
		 uint32 ngroups)
{
	StrataValues *v = &g->values[a];
	uint64 far = farthest(in, &g->aggs[a]);

	if (far > (uint64)PG_INT64_MAX / STRATA_VECTOR)
	{
		/* Such numbers are rare: one by one, and the count stays where it is. */
		StrataAccum *accums = general(g, v);

		for (unsigned r = 0; r < n; r++)
			if (gids[r] < g->ngroups)
				strata_accum_add(&g->aggs[a], &accums[gids[r]], x[r], v->scale, 0, g->cxt);
		return;
	}
	if (far * n > (uint64)PG_INT64_MAX - v->bound)
		flush_sums(g, a);
	v->bound += far * n;
	strata_kernels->group_add_i64(v->v, ngroups, gids, x, n);
}

/* Of 128 bits; the count stays where it is. */
static void
add_wide(StrataGroups *g, StrataBatch *in, int a, const uint16 *at, const uint32 *gids, unsigned n)
{
	StrataAccum *accums = general(g, &g->values[a]);
	const StrataExpr *e = g->aggs[a].expr;

	in->counts->scalar_values += n;
	for (unsigned r = 0; r < n; r++)
		strata_accum_add(&g->aggs[a], &accums[gids[r]], e->vw[at[r]], e->scale, 0, g->cxt);
}

static void
add_extremes(StrataValues *v, const int64 *x, const uint32 *gids, unsigned n)
{
	int64 *best = v->v;

	if (v->fast == FAST_MIN)
		for (unsigned r = 0; r < n; r++)
			best[gids[r]] = Min(best[gids[r]], x[r]);
	else
		for (unsigned r = 0; r < n; r++)
			best[gids[r]] = Max(best[gids[r]], x[r]);
}

static void
add_numbers(StrataGroups *g, StrataBatch *in, int a, const int64 *x, const uint32 *gids, unsigned n, uint32 ngroups)
{
	if (g->values[a].fast == FAST_SUM)
		add_sums(g, in, a, x, gids, n, ngroups);
	else
		add_extremes(&g->values[a], x, gids, n);
}

static void
add_floats(const StrataAgg *agg, StrataValues *v, const double *x, const uint16 *at, const uint32 *gids, unsigned n)
{
	double *sum = (double *)v->v;
	bool f32 = v->fast == FAST_SUM_F32;

	for (unsigned r = 0; r < n; r++)
	{
		double old = sum[gids[r]], new = old + x[at[r]];

		if (f32)
			new = (float)new;
		if (unlikely(isinf(new)) && !isinf(old) && !isinf(x[at[r]]))
			strata_agg_overflow(agg);
		sum[gids[r]] = new;
	}
}

void
strata_values_feed(StrataGroups *g, StrataBatch *in, int a, const uint16 *at, const uint32 *gids, unsigned n,
				   const uint32 *spread)
{
	StrataAgg *agg = &g->aggs[a];
	StrataValues *v = &g->values[a];
	const uint64 *nulls = strata_agg_nulls(in, agg);
	uint16 some_at[STRATA_VECTOR];
	uint32 some_gids[STRATA_VECTOR];
	int64 x[STRATA_VECTOR];

	if (v->fast == FAST_UNDECIDED)
	{
		v->fast = fast_form(agg);
		v->counts_own = agg->filter || agg->set >= 0;
		v->scale = -1;
	}
	if ((v->counts_own && v->fast != FAST_NO) && !v->count)
		v->count = new_array(g, sizeof(int64));
	if (nulls && any_null(nulls, in->mask))
	{
		unsigned some = 0;

		if (!v->counts_own && v->fast != FAST_NO && !v->count)
			v->count = new_array(g, sizeof(int64));
		for (unsigned r = 0; r < n; r++)
		{
			bool null = strata_row_null(nulls, at[r]);

			if (null && !v->counts_own && v->fast != FAST_NO)
				v->count[gids[r]]++;
			some_at[some] = at[r];
			some_gids[some] = gids[r];
			some += !null;
		}
		at = some_at;
		gids = some_gids;
		n = some;
		spread = NULL;
	}
	if (n == 0)
		return;
	if (v->fast >= FAST_SUM && v->fast <= FAST_MAX && (v->scale != agg->expr->scale || agg->expr->vscale))
	{
		if (v->scale >= 0 || agg->expr->vscale)
		{
			/* The rows at hand are counted with the others already. */
			if (!v->counts_own)
				for (unsigned r = 0; r < n; r++)
					g->rows[gids[r]]--;
			give_up_fast(g, a);
			if (!v->counts_own)
				for (unsigned r = 0; r < n; r++)
					g->rows[gids[r]]++;
		}
		else
			v->scale = agg->expr->scale;
	}
	if (v->fast == FAST_NO)
	{
		add_general(g, in, a, at, gids, n);
		return;
	}
	if (v->fast != FAST_COUNT && !v->v)
	{
		v->v = new_array(g, sizeof(int64));
		for (uint32 i = 0; i < g->capacity; i++)
			v->v[i] = start_value(v->fast);
	}
	in->counts->vector_values += n;
	if (v->fast == FAST_SUM_F64 || v->fast == FAST_SUM_F32)
		add_floats(agg, v, agg->expr->vf, at, gids, n);
	else if (v->fast == FAST_SUM && agg->expr->vw)
		add_wide(g, in, a, at, gids, n);
	else if (v->fast != FAST_COUNT && spread)
	{
		if (g->ngroups == g->capacity)
			strata_groups_reserve(g);
		add_numbers(g, in, a, agg->expr->vi, spread, in->n, g->ngroups + 1);
		v->v[g->ngroups] = start_value(v->fast);
	}
	else if (v->fast != FAST_COUNT)
	{
		for (unsigned r = 0; r < n; r++)
			x[r] = agg->expr->vi[at[r]];
		add_numbers(g, in, a, x, gids, n, g->ngroups);
	}
	/* After the values: a group's count tells whether its value is one. */
	if (v->counts_own)
		strata_kernels->group_count(v->count, g->ngroups, gids, n);
}

Size
strata_values_bytes(const StrataGroups *g)
{
	Size bytes = g->naggs > 0 ? sizeof(int64) : 0;
	Size kept = 0;

	for (int a = 0; a < g->naggs; a++)
	{
		const StrataValues *v = &g->values[a];

		bytes += (v->v ? sizeof(int64) : 0) + (v->count ? sizeof(int64) : 0) +
				 (v->general ? sizeof(StrataAccum) : 0);
		if (v->general)
			for (uint32 i = 0; i < g->ngroups; i++)
				kept += strata_accum_bytes(&g->aggs[a], &v->general[i]);
	}
	return bytes * g->ngroups + kept;
}
