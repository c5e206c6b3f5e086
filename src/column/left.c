/*
 * left.c - sums over the rows that are left of a unit, kept in the unit for whoever asks next.
 *
 * Which rows those are is told by how often `gone` was written: freshness.c, "Rows left, remembered".  One
 * number is kept of a column, the newest; a reader that has an older one sums up for itself.
 */
#include "postgres.h"

#include "column/column_internal.h"

static inline StrataUnitLeft *
left_of(const StrataUnit *unit, const StrataUnitColumn *col)
{
	return &unit->fresh->left[col - unit->cols];
}

bool
strata_unit_left(const StrataUnit *unit, const StrataUnitColumn *col, uint64 changes, StrataLeftSum *sum)
{
	StrataUnitLeft *left = left_of(unit, col);
	uint32 version = pg_atomic_read_u32(&left->version);
	bool found;

	pg_read_barrier();
	found = version % 2 == 0 && pg_atomic_read_u64(&left->changes) == changes;
	sum->nulls = pg_atomic_read_u64(&left->nulls);
	sum->min = pg_atomic_read_u64(&left->min);
	sum->max = pg_atomic_read_u64(&left->max);
	sum->sum_lo = pg_atomic_read_u64(&left->sum_lo);
	sum->sum_hi = pg_atomic_read_u64(&left->sum_hi);
	pg_read_barrier();
	return found && pg_atomic_read_u32(&left->version) == version;
}

void
strata_unit_left_note(const StrataUnit *unit, const StrataUnitColumn *col, uint64 changes,
					  const StrataLeftSum *sum)
{
	StrataUnitLeft *left = left_of(unit, col);
	uint32 version = pg_atomic_read_u32(&left->version);

	if (version % 2 != 0 || pg_atomic_read_u64(&left->changes) >= changes ||
		!pg_atomic_compare_exchange_u32(&left->version, &version, version + 1))
		return;
	pg_atomic_write_u64(&left->changes, changes);
	pg_atomic_write_u64(&left->nulls, sum->nulls);
	pg_atomic_write_u64(&left->min, sum->min);
	pg_atomic_write_u64(&left->max, sum->max);
	pg_atomic_write_u64(&left->sum_lo, sum->sum_lo);
	pg_atomic_write_u64(&left->sum_hi, sum->sum_hi);
	pg_memory_barrier();
	pg_atomic_write_u32(&left->version, version + 2);
}
