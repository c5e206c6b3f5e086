/*
 * segment_distinct.h - the distinct values of a column while it is encoded.
 *
 * Included by: src/column/segment*.c only.  Memory: arrays from the builder's memory, freed by
 * seg_distinct_free().  Locking: none, private to one build.
 * Not here: whether a dictionary pays (segment_build.c).
 */
#ifndef STRATA_COLUMN_SEGMENT_DISTINCT_H
#define STRATA_COLUMN_SEGMENT_DISTINCT_H

#include "column/segment.h"

/*
 * Values get ids in the order of their first row.  The set is `complete` when every row was seen; a search
 * that went past its limit is given up, and then only `estimate` means anything.
 */
typedef struct SegDistinct
{
	const StrataBuildMemory *mem;
	bool	  complete;
	uint32_t  n;
	uint32_t  estimate;
	uint32_t *id;		  /* a row; NULL rows have the id of a neighbour */
	uint64_t *value;	  /* numbers: the bits of each value */
	uint32_t *row;		  /* bytes: the first row of each value */
	uint64_t  entry_bytes; /* bytes: what the entries of all values take (segment_form.h) */
	uint32_t *slot;		  /* hash table of id + 1, open addressing; 0 is empty */
	unsigned  slot_bits;
	uint32_t  room; /* of value or row */
} SegDistinct;

/* Distinct numbers of value[0..n); given up when there are more than max. */
extern void seg_distinct_numbers(SegDistinct *set, const StrataBuildMemory *mem, const uint64_t *value,
								 uint32_t n, uint32_t max);
/* Distinct images of the rows that are not null (one at least); given up when their entries would take more
 * than max_bytes. */
extern void seg_distinct_bytes(SegDistinct *set, const StrataColumnData *data, const StrataBuildMemory *mem,
							   uint64_t max_bytes);
extern void seg_distinct_free(SegDistinct *set);

/* The ids in ascending order of their values; `flip` is xored to the bits first (the sign bit for INT). */
extern void seg_sort_numbers(const SegDistinct *set, uint64_t flip, uint32_t *order);
/* The same for images: by key, then by length, then by the image itself (two forms of one key). */
extern void seg_sort_bytes(const SegDistinct *set, const StrataColumnData *data, uint32_t *order);
extern int	seg_compare_images(const char *a, uint32_t a_len, const char *b, uint32_t b_len);

#endif
