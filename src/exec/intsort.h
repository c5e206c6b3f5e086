/*
 * intsort.h - sorting of distinct integers of 64 and of 128 bits.
 *
 * Included by: src/exec/order.c, unit tests (plain C11; no postgres.h).
 * Memory: the caller's array, sorted in place.  Locking: none, pure functions.
 * Not here: how a row's keys become an integer (order.c).
 */
#ifndef STRATA_EXEC_INTSORT_H
#define STRATA_EXEC_INTSORT_H

#include <stddef.h>
#include <stdint.h>

/* Below 2^127: they are compared by the sign of a difference. */
typedef struct StrataWide
{
	uint64_t hi, lo;
} StrataWide;

/* poll is called every million steps or more often, and may leave by longjmp; the array is then in any order.
 */
extern void strata_sort_u64(uint64_t *a, size_t n, void (*poll)(void));
extern void strata_sort_wide(StrataWide *a, size_t n, void (*poll)(void));

#endif
