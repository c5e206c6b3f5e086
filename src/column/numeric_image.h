/*
 * numeric_image.h - a stored numeric as a scaled 64-bit integer.
 *
 * Included by: column/, exec/, unit tests (plain C11; no postgres.h).  Memory: the caller's.  Locking: none.
 * Not here: the way back (exec/), when a column is kept as integers (populate.c).
 */
#ifndef STRATA_COLUMN_NUMERIC_IMAGE_H
#define STRATA_COLUMN_NUMERIC_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

/* Largest display scale that is kept as an integer: 10^18 is the last power of ten in 63 bits. */
#define STRATA_NUMERIC_MAX_SCALE 18

/*
 * data..data+len is the payload of a numeric varlena, header excluded, at any alignment.  On success value =
 * the number times 10^scale, where scale is its display scale.  False for NaN, infinities, scales above
 * STRATA_NUMERIC_MAX_SCALE and numbers at or beyond the end of 63 bits.
 */
extern bool strata_numeric_parse(const char *data, uint32_t len, int64_t *value, int *scale);

#endif
