/*
 * segment_distinct.h - the distinct values of a column while it is encoded.
 *
 * Included by: src/column/segment*.c only.  Memory: scratch memory of the build.
 * Locking: none, private to one build.
 * Not here: whether a dictionary pays (segment_build.c).
 */
#ifndef STRATA_COLUMN_SEGMENT_DISTINCT_H
#define STRATA_COLUMN_SEGMENT_DISTINCT_H

#include "column/segment_scratch.h"

static inline bool
seg_row_is_null(const StrataColumnData *d, uint32_t i)
{
	return d->nulls && (d->nulls[i / 64] >> i % 64 & 1);
}

/*
 * Values get ids in the order of their first row, or, integers of a narrow range, in ascending order.  The
 * set is `complete` when every row was seen; a search that went past its limit is given up, and then only
 * `estimate` means anything.
 */
typedef struct SegDistinct
{
	bool complete;
	uint32_t n;
	uint32_t estimate;
	uint32_t *id;		  /* a row; NULL rows have the id of a neighbour */
	uint64_t *value;	  /* numbers: the bits of each value */
	uint32_t *row;		  /* bytes: the first row of each value */
	uint64_t entry_bytes; /* bytes: what the entries of all values take (segment_form.h) */
	/* the hash table (segment_distinct.c) */
	StrataBuildScratch *scratch;
	const StrataBuildMemory *mem;
	uint32_t *slot;
	uint32_t *hash; /* of each value */
	uint32_t tag;	/* the bits of a slot that are of the hash */
	unsigned tag_shift;
	unsigned slot_bits;
} SegDistinct;

/* Must come first: where the set's arrays are taken from. */
extern void seg_distinct_init(SegDistinct *set, StrataBuildScratch *scratch, const StrataBuildMemory *mem);
/* Distinct numbers of value[0..n); given up when there are more than max. */
extern void seg_distinct_numbers(SegDistinct *set, const uint64_t *value, uint32_t n, uint32_t max);
/* The same for integers that all lie in [min, min + span), where is_narrow(span, n). */
extern bool seg_distinct_is_narrow(uint64_t span, uint32_t n);
extern void seg_distinct_narrow(SegDistinct *set, const uint64_t *value, uint32_t n, uint64_t min,
								uint64_t span, uint32_t max);
/* Distinct images of the rows that are not null (one at least); given up when neither a dictionary nor runs
 * that share entries can stay within max_bytes any more.  Leading NULL rows have the id of the first value,
 * later ones that of the value before. */
extern void seg_distinct_bytes(SegDistinct *set, const StrataColumnData *data, uint64_t max_bytes);
/* Are the images nearly all distinct, so that the search would be for nothing?  By a sample; if so, there is
 * an estimate.  False also where the search takes no time. */
extern bool seg_sample_distinct(SegDistinct *set, const StrataColumnData *data);
/* The same where the caller has the values' numbers already (data->codes). */
extern void seg_distinct_coded(SegDistinct *set, const StrataColumnData *data);

/* The ids in ascending order of their values; `flip` is xored to the bits first (the sign bit for INT). */
extern void seg_sort_numbers(SegDistinct *set, uint64_t flip, uint32_t *order);
/* The same for images: by key, then by length, then by the image itself (two forms of one key). */
extern void seg_sort_bytes(SegDistinct *set, const StrataColumnData *data, uint32_t *order);

/* The rows that hold the least and the greatest image in that order: the first such rows. */
extern void seg_range_bytes(const SegDistinct *set, const StrataColumnData *data, uint32_t *min_row,
							uint32_t *max_row);

#endif
