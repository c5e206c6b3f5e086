/* limit.c - see limit.h. */
#include "auth/limit.h"

bool
rate_take(RateBucket *bucket, double per_second, double burst, int64_t now_us, int *retry_after)
{
	if (bucket->filled_us == 0)
		bucket->tokens = burst;
	else
		bucket->tokens += (double)(now_us - bucket->filled_us) * per_second / 1e6;
	if (bucket->tokens > burst)
		bucket->tokens = burst;
	bucket->filled_us = now_us;
	if (bucket->tokens >= 1)
	{
		bucket->tokens -= 1;
		return true;
	}
	*retry_after = 1 + (int)((1 - bucket->tokens) / per_second);
	return false;
}
