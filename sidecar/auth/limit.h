/*
 * limit.h - token buckets: how many requests a second one caller may make.
 *
 * Included by: http/, ws/.
 * Memory: a bucket is a value.  Locking: none.
 */
#ifndef STRATAD_AUTH_LIMIT_H
#define STRATAD_AUTH_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct RateBucket
{
	double tokens;
	int64_t filled_us; /* 0: never used, so full */
} RateBucket;

/* Takes one token; false when there is none, with the seconds until there is one. */
extern bool rate_take(RateBucket *bucket, double per_second, double burst, int64_t now_us, int *retry_after);

#endif
