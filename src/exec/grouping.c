/*
 * grouping.c - finds the group of each row of a vector, in the cheapest way that the keys allow:
 *   - all keys are columns with few codes: the combined code indexes a map that belongs to the unit;
 *   - all keys are integers in a narrow range: the combined distance from the ranges' low ends indexes a map
 * that grows with what is met, and is given up for good when it would outgrow the groups;
 *   - else each key is brought to 64 bits and looked up in the hash table (groups.c).
 * A map that is at hand costs a third of a lookup in the table.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "exec/agg.h"

/* Combined codes of a unit that a map is made for; where a range would do as well, the codes must be few. */
#define CODES_MAX 16384
#define CODES_FEW 256

/* Places in the map of ranges: so many in any case, and for each group. */
#define RANGE_SMALL		(1 << 20)
#define RANGE_PER_GROUP 32
#define RANGE_MAX		(UINT64CONST(1) << 30)
/* So often it is made for what must be in it, and nothing more. */
#define RANGE_EXACT_MAX 8

/* Not looked up yet; no group has such a number.  All bytes are the same, for memset. */
#define UNKNOWN_GROUP 0xfefefefeu

void
strata_grouping_init(StrataGrouping *g, MemoryContext parent, int nkeys, StrataKey *keys)
{
	g->nkeys = nkeys;
	g->keys = keys;
	g->active = true;
	g->missed_hash = palloc(STRATA_VECTOR * sizeof(uint32));
	strata_groups_init(&g->groups, parent, nkeys, keys, 0);
}

static void
drop_range(StrataGrouping *g)
{
	if (g->range_map)
		pfree(g->range_map);
	g->range_map = NULL;
	g->range_size = 0;
}

void
strata_grouping_forget(StrataGrouping *g)
{
	g->codes_tried = false;
	for (int k = 0; k < g->nkeys; k++)
		g->keys[k].dict_id = 0;
	drop_range(g);
}

void
strata_grouping_reset(StrataGrouping *g)
{
	strata_grouping_forget(g);
	g->ranges_off = false;
	g->range_exact = 0;
	strata_groups_reset(&g->groups);
}

Size
strata_grouping_bytes(const StrataGrouping *g)
{
	return strata_groups_bytes(&g->groups) + g->range_size * sizeof(uint32);
}

/* ---- by codes ---- */

static void enter_range(StrataGrouping *g, const int64 *norm, uint32 nulls, uint32 gid);

static StrataColumn *
coded_column(StrataBatch *in, const StrataKey *key)
{
	StrataColumn *col = key->col >= 0 ? in->cols[key->col] : NULL;

	if (!col || (key->expr && !strata_expr_is_column(key->expr)) || !strata_col_coded(col))
		return NULL;
	if (key->kind == KEY_NUM &&
		(strata_col_phys(col) != STRATA_PHYS_INT || strata_col_scale(col) != key->scale))
		return NULL;
	return col;
}

/* Have the codes of some key changed their meaning since the map was made, or refused? */
static bool
codes_changed(const StrataGrouping *g, StrataBatch *in)
{
	for (int k = 0; k < g->nkeys; k++)
		if (g->keys[k].col < 0 || in->cols[g->keys[k].col]->dict_id != g->code_ids[k])
			return true;
	return false;
}

/* Is the product of the keys' codes (and a NULL each) small enough for a map?  Decided when codes change. */
static bool
use_codes(StrataGrouping *g, StrataBatch *in)
{
	uint64 size = 1;
	bool ranges = !g->ranges_off;

	if (g->codes_tried && !codes_changed(g, in))
		return g->ncodes > 0;
	g->codes_tried = true;
	g->ncodes = 0;
	for (int k = 0; k < g->nkeys; k++)
	{
		StrataColumn *col = g->keys[k].col >= 0 ? in->cols[g->keys[k].col] : NULL;

		g->code_ids[k] = col ? col->dict_id : 0;
		ranges &= g->keys[k].kind == KEY_INT || g->keys[k].kind == KEY_NUM;
	}
	for (int k = 0; k < g->nkeys; k++)
	{
		StrataColumn *col = coded_column(in, &g->keys[k]);

		if (!col)
			return false;
		g->multiplier[k] = size;
		size *= (uint64)strata_col_ncodes(col) + 1;
		if (size > (ranges ? CODES_FEW : CODES_MAX))
			return false;
	}
	g->ncodes = size;
	if (!g->code_map)
		g->code_map = MemoryContextAlloc(in->ps->state->es_query_cxt, CODES_MAX * sizeof(uint32));
	memset(g->code_map, 0xfe, size * sizeof(uint32));
	return true;
}

/* The group of a combined code, from the keys' dictionaries. */
static uint32
group_of_codes(StrataGrouping *g, StrataBatch *in, uint32 combined)
{
	int64 norm[32] = {0}, orig[32] = {0};
	const char *images[32];
	uint32 nulls = 0, gid;

	for (int k = g->nkeys - 1; k >= 0; k--)
	{
		StrataKey *key = &g->keys[k];
		StrataColumn *col = in->cols[key->col];
		uint32 code = combined / g->multiplier[k];
		double f;

		combined %= g->multiplier[k];
		if (code == strata_col_ncodes(col))
		{
			nulls |= 1u << k;
			continue;
		}
		switch (key->kind)
		{
			case KEY_TEXT:
				images[k] = strata_code_bytes(col, code);
				norm[k] = orig[k] = strata_groups_intern(&g->groups, k, images[k], true);
				break;
			case KEY_F64:
				f = strata_code_f64(col, code);
				norm[k] = strata_key_float(f);
				memcpy(&orig[k], &f, sizeof(f));
				break;
			default:
				norm[k] = orig[k] = strata_code_i64(col, code);
		}
	}
	gid = strata_groups_find(&g->groups, norm, orig, nulls, 0, images);
	enter_range(g, norm, nulls, gid);
	return gid;
}

static pg_attribute_always_inline void
add_codes(uint32 *restrict combined, const uint32 *restrict codes, uint32 m, bool first, unsigned n)
{
	if (first)
		for (unsigned i = 0; i < n; i++)
			combined[i] = codes[i] * m;
	else
		for (unsigned i = 0; i < n; i++)
			combined[i] += codes[i] * m;
}

static void
combine_codes(StrataGrouping *g, StrataBatch *in, uint32 *combined)
{
	for (int k = 0; k < g->nkeys; k++)
	{
		StrataColumn *col = in->cols[g->keys[k].col];
		const uint32 *codes = strata_col_codes(col);
		uint32 ncodes = strata_col_ncodes(col);
		uint32 m = g->multiplier[k];

		/* What a segment is decoded to has room for a whole vector, and compilers unroll loops to a constant end. */
		if (col->source == STRATA_FROM_SEGMENT)
			add_codes(combined, codes, m, k == 0, STRATA_VECTOR);
		else
			add_codes(combined, codes, m, k == 0, in->n);
		if (col->nulls)
			FOREACH_ROW(col->nulls, i, {
				if (i < in->n)
					combined[i] += (ncodes - codes[i]) * m;
			});
	}
}

static void
find_by_codes(StrataGrouping *g, StrataBatch *in, const uint16 *at, unsigned n, uint32 *gids)
{
	uint32 room[STRATA_VECTOR], all[STRATA_VECTOR];
	const uint32 *combined = room;
	bool unknown = false, dense = n > in->n / 4;

	for (int k = 0; k < g->nkeys; k++)
		dense &= in->cols[g->keys[k].col]->source == STRATA_FROM_SEGMENT;
	if (g->nkeys == 1 && !in->cols[g->keys[0].col]->nulls)
		combined = strata_col_codes(in->cols[g->keys[0].col]);
	else
		combine_codes(g, in, room);
	if (n == in->n)
		strata_kernels->gather_u32(g->code_map, combined, n, gids);
	else if (dense)
	{
		/* In a segment, positions that are no rows have codes too. */
		strata_kernels->gather_u32(g->code_map, combined, in->n, all);
		for (unsigned r = 0; r < n; r++)
			gids[r] = all[at[r]];
	}
	else
		for (unsigned r = 0; r < n; r++)
			gids[r] = g->code_map[combined[at[r]]];
	for (unsigned r = 0; r < n; r++)
		unknown |= gids[r] == UNKNOWN_GROUP;
	if (unknown)
		for (unsigned r = 0; r < n; r++)
			if (gids[r] == UNKNOWN_GROUP)
			{
				uint32 *known = &g->code_map[combined[at[r]]];

				if (*known == UNKNOWN_GROUP)
					*known = group_of_codes(g, in, combined[at[r]]);
				gids[r] = *known;
			}
}

/* ---- by ranges ---- */

/* Place of keys in the map, all of them within the ranges. */
static inline uint64
range_place(const StrataGrouping *g, const int64 *norm, uint32 nulls)
{
	uint64 place = 0;

	for (int k = 0; k < g->nkeys; k++)
		place +=
			(nulls >> k & 1 ? (uint64)g->hi[k] - (uint64)g->lo[k] + 1 : (uint64)norm[k] - (uint64)g->lo[k]) *
			g->step[k];
	return place;
}

static bool
in_ranges(const StrataGrouping *g, const int64 *norm, uint32 nulls)
{
	for (int k = 0; k < g->nkeys; k++)
		if (!(nulls >> k & 1) && (norm[k] < g->lo[k] || norm[k] > g->hi[k]))
			return false;
	return true;
}

/* A group that was found in another way must be in the map too, or the map would make it once more. */
static void
enter_range(StrataGrouping *g, const int64 *norm, uint32 nulls, uint32 gid)
{
	if (g->range_size > 0 && gid != STRATA_NO_GROUP && in_ranges(g, norm, nulls))
		g->range_map[range_place(g, norm, nulls)] = gid;
}

/* Places that these ranges take, with one for NULL each; 0: more than the limit. */
static uint64
range_places(const StrataGrouping *g, const int64 *lo, const int64 *hi, uint64 limit, uint64 *step)
{
	uint64 size = 1;

	for (int k = 0; k < g->nkeys; k++)
	{
		uint64 span = (uint64)hi[k] - (uint64)lo[k];

		if (span >= limit || (span + 2) > limit / size)
			return 0;
		step[k] = size;
		size *= span + 2;
	}
	return size;
}

static void
fill_range_map(StrataGrouping *g)
{
	StrataGroups *groups = &g->groups;

	memset(g->range_map, 0xfe, g->range_size * sizeof(uint32));
	for (uint32 i = 0; i < groups->ngroups; i++)
	{
		StrataGroup *group = strata_group(groups, i);

		if (!group->special && in_ranges(g, strata_group_keys(group), group->nulls))
			g->range_map[range_place(g, strata_group_keys(group), group->nulls)] = i;
	}
}

static void
set_ranges(StrataGrouping *g, const int64 *lo, const int64 *hi, uint64 size, const uint64 *step)
{
	drop_range(g);
	g->range_map = MemoryContextAllocExtended(g->groups.cxt, size * sizeof(uint32), MCXT_ALLOC_HUGE);
	g->range_size = size;
	memcpy(g->lo, lo, sizeof(g->lo));
	memcpy(g->hi, hi, sizeof(g->hi));
	memcpy(g->step, step, sizeof(g->step));
	fill_range_map(g);
}

/* The map for [lo, hi], and for an n-th part as much again beyond where it grows. */
static bool
widen_ranges_by(StrataGrouping *g, const int64 *lo, const int64 *hi, uint64 limit, int part)
{
	uint64 step[32], size;
	int64 wide_lo[32], wide_hi[32];

	for (int k = 0; k < g->nkeys; k++)
	{
		int64 span = (uint64)hi[k] - (uint64)lo[k] < limit ? (hi[k] - lo[k]) / part + 16 : 0;

		wide_lo[k] = lo[k];
		wide_hi[k] = hi[k];
		if (g->range_size == 0 || (hi[k] > g->hi[k] && hi[k] < PG_INT64_MAX - span))
			wide_hi[k] = hi[k] < PG_INT64_MAX - span ? hi[k] + span : hi[k];
		if (g->range_size > 0 && lo[k] < g->lo[k] && lo[k] > PG_INT64_MIN + span)
			wide_lo[k] = lo[k] - span;
	}
	size = range_places(g, wide_lo, wide_hi, limit, step);
	if (size > 0)
		set_ranges(g, wide_lo, wide_hi, size, step);
	return size > 0;
}

/*
 * Widens the map to hold [lo, hi]: by as much again as there is, for what comes after it, or by less where that is too
 * much; without anything to spare not often, as each time all groups enter the map anew.
 */
static bool
widen_ranges(StrataGrouping *g, const int64 *lo, const int64 *hi, unsigned n)
{
	uint64 step[32], size;
	uint64 limit = Max(RANGE_SMALL, (uint64)(g->groups.ngroups + n) * RANGE_PER_GROUP);

	limit = Min(limit, Min(get_hash_memory_limit() / sizeof(uint32) / 2, RANGE_MAX));
	if (widen_ranges_by(g, lo, hi, limit, 1) || widen_ranges_by(g, lo, hi, limit, 8))
		return true;
	size = range_places(g, lo, hi, limit, step);
	if (size == 0 || g->range_exact++ >= RANGE_EXACT_MAX)
		return false;
	set_ranges(g, lo, hi, size, step);
	return true;
}

/* Bounds of a key's values in this vector; false: it has none. */
static bool
key_bounds(StrataBatch *in, const StrataKey *key, const uint64 *mask, const uint64 *nulls, int64 *lo,
		   int64 *hi)
{
	StrataColumn *col =
		key->col >= 0 && (!key->expr || strata_expr_is_column(key->expr)) ? in->cols[key->col] : NULL;
	uint64 live[BATCH_WORDS];

	if (col && col->source == STRATA_FROM_SEGMENT && (col->seg->flags & STRATA_SEG_HAS_RANGE))
	{
		*lo = col->seg->min.i;
		*hi = col->seg->max.i;
		return true;
	}
	for (int w = 0; w < BATCH_WORDS; w++)
		live[w] = nulls ? mask[w] & ~nulls[w] : mask[w];
	if (mask_empty(live))
		return false;
	*lo = strata_kernels->min_i64(key->norm, live, in->n);
	*hi = strata_kernels->max_i64(key->norm, live, in->n);
	return true;
}

/* Makes sure that the map holds this vector. */
static bool
use_ranges(StrataGrouping *g, StrataBatch *in, const uint64 *mask, const uint64 *const *nulls, unsigned n)
{
	int64 lo[32] = {0}, hi[32] = {0};
	bool inside = g->range_size > 0;

	if (g->ranges_off)
		return false;
	for (int k = 0; k < g->nkeys; k++)
	{
		if (g->keys[k].kind != KEY_INT && g->keys[k].kind != KEY_NUM)
		{
			g->ranges_off = true;
			return false;
		}
		if (!key_bounds(in, &g->keys[k], mask, nulls[k], &lo[k], &hi[k]))
		{
			if (g->range_size > 0)
			{
				lo[k] = g->lo[k];
				hi[k] = g->hi[k];
			}
			continue;
		}
		if (g->range_size > 0)
		{
			inside &= lo[k] >= g->lo[k] && hi[k] <= g->hi[k];
			lo[k] = Min(lo[k], g->lo[k]);
			hi[k] = Max(hi[k], g->hi[k]);
		}
	}
	if (inside)
		return true;
	/* No group will be there, but others may be in the map. */
	if (g->groups.frozen)
		return false;
	if (widen_ranges(g, lo, hi, n))
		return true;
	g->ranges_off = true;
	drop_range(g);
	return false;
}

static void
range_places_of_rows(const StrataGrouping *g, const uint64 *const *nulls, const uint16 *at, unsigned n,
					 uint32 *place)
{
	memset(place, 0, n * sizeof(uint32));
	for (int k = 0; k < g->nkeys; k++)
	{
		const int64 *norm = g->keys[k].norm;
		uint64 lo = (uint64)g->lo[k], none = (uint64)g->hi[k] - lo + 1;
		uint32 step = (uint32)g->step[k];

		if (nulls[k])
			for (unsigned r = 0; r < n; r++)
				place[r] +=
					(uint32)(strata_row_null(nulls[k], at[r]) ? none : (uint64)norm[at[r]] - lo) * step;
		else
			for (unsigned r = 0; r < n; r++)
				place[r] += (uint32)((uint64)norm[at[r]] - lo) * step;
	}
}

static void
find_by_ranges(StrataGrouping *g, const uint64 *const *nulls, const uint16 *at, unsigned n, uint32 *gids)
{
	uint32 place[STRATA_VECTOR];
	bool unknown = false;

	if (g->nkeys == 1 && !nulls[0])
	{
		const int64 *norm = g->keys[0].norm;
		const uint32 *map = g->range_map;
		uint64 lo = (uint64)g->lo[0];

		/* The common case in one go. */
		for (unsigned r = 0; r < n; r++)
		{
			place[r] = (uint32)((uint64)norm[at[r]] - lo);
			gids[r] = map[place[r]];
			unknown |= gids[r] == UNKNOWN_GROUP;
		}
	}
	else
	{
		range_places_of_rows(g, nulls, at, n, place);
		strata_kernels->gather_u32(g->range_map, place, n, gids);
		for (unsigned r = 0; r < n; r++)
			unknown |= gids[r] == UNKNOWN_GROUP;
	}
	if (!unknown)
		return;
	for (unsigned r = 0; r < n; r++)
	{
		uint32 *known = &g->range_map[place[r]];

		if (gids[r] != UNKNOWN_GROUP)
			continue;
		if (*known == UNKNOWN_GROUP)
		{
			int64 norm[32];
			uint32 nullbits = 0;

			for (int k = 0; k < g->nkeys; k++)
			{
				bool null = strata_row_null(nulls[k], at[r]);

				nullbits |= (uint32)null << k;
				norm[k] = null ? 0 : g->keys[k].norm[at[r]];
			}
			*known = strata_groups_add(&g->groups, norm, nullbits);
		}
		gids[r] = *known;
	}
}

/* ---- all together ---- */

static uint32
only_group(StrataGrouping *g)
{
	int64 none = 0;

	return strata_groups_find(&g->groups, &none, &none, 0, 0, NULL);
}

/*
 * Takes off the rows whose groups a frozen table does not have, and says what the hashes of their keys are.  nulls: of
 * the keys, NULL: these are not at hand as values.  False: irregular.
 */
static bool
leave_out(StrataGrouping *g, StrataBatch *in, const uint64 **nulls, uint16 *at, uint32 *gids, unsigned *n)
{
	const uint64 *own[32];
	uint16 missed[STRATA_VECTOR];
	uint32 hash[STRATA_VECTOR];
	unsigned kept = 0, nmissed = 0;

	for (unsigned r = 0; r < *n; r++)
	{
		missed[nmissed] = at[r];
		nmissed += gids[r] == STRATA_NO_GROUP;
		at[kept] = at[r];
		gids[kept] = gids[r];
		kept += gids[r] != STRATA_NO_GROUP;
	}
	*n = kept;
	if (nmissed == 0)
		return true;
	for (unsigned r = 0; r < nmissed; r++)
		g->missed[missed[r] / 64] |= UINT64CONST(1) << (missed[r] % 64);
	if (!nulls)
	{
		nulls = own;
		for (int k = 0; k < g->nkeys; k++)
			if (!strata_key_normalise(&g->groups, k, &g->keys[k], in, g->missed, false, &nulls[k]))
				return false;
	}
	strata_groups_hash_batch(&g->groups, nulls, missed, nmissed, hash);
	for (unsigned r = 0; r < nmissed; r++)
		g->missed_hash[missed[r]] = hash[r];
	return true;
}

bool
strata_grouping_find(StrataGrouping *g, StrataBatch *in, const uint64 *mask, uint16 *at, uint32 *gids,
					 unsigned *n)
{
	const uint64 *nulls[32];
	bool by_codes;

	memset(g->missed, 0, sizeof(g->missed));
	*n = strata_kernels->select(mask, in->n, at);
	if (*n == 0)
		return true;
	if (g->nkeys == 0)
	{
		memset(gids, 0, *n * sizeof(uint32));
		gids[0] = only_group(g);
		Assert(gids[0] == 0);
		return true;
	}
	by_codes = use_codes(g, in);
	if (by_codes)
		find_by_codes(g, in, at, *n, gids);
	else
	{
		for (int k = 0; k < g->nkeys; k++)
			if (!strata_key_normalise(&g->groups, k, &g->keys[k], in, mask, !g->groups.frozen, &nulls[k]))
				return false;
		if (use_ranges(g, in, mask, nulls, *n))
			find_by_ranges(g, nulls, at, *n, gids);
		else
		{
			strata_groups_find_batch(&g->groups, in, nulls, at, *n, gids);
			in->counts->scalar_values += *n;
		}
	}
	in->counts->vector_values += *n;
	return !g->groups.frozen || leave_out(g, in, by_codes ? NULL : nulls, at, gids, n);
}

uint32
strata_grouping_find_row(StrataGrouping *g, ExprContext *econtext, uint32 *hash)
{
	int64 norm[32] = {0}, orig[32] = {0};
	const char *images[32] = {NULL};
	uint32 nulls = 0, special = 0, gid;

	if (g->nkeys == 0)
		return only_group(g);
	for (int k = 0; k < g->nkeys; k++)
	{
		StrataKey *key = &g->keys[k];
		bool null = false, sp;
		Datum d;

		if (key->given)
		{
			norm[k] = orig[k] = key->norm[0];
			continue;
		}
		d = ExecEvalExpr(key->state, econtext, &null);
		if (null)
		{
			nulls |= 1u << k;
			continue;
		}
		strata_key_datum(&g->groups, key, k, d, &norm[k], &orig[k], &sp, &images[k]);
		special |= (uint32)sp << k;
	}
	gid = strata_groups_find(&g->groups, norm, orig, nulls, special, images);
	if (gid == STRATA_NO_GROUP)
		*hash = strata_groups_hash(&g->groups, norm, nulls, special);
	if (!special)
		enter_range(g, norm, nulls, gid);
	return gid;
}
