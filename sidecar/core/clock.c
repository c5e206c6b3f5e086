/* clock.c - see clock.h. */
#include "core/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t
clock_read(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
clock_monotonic_us(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

int64_t
clock_unix_us(void)
{
	return clock_read(CLOCK_REALTIME);
}

char *
clock_format(int64_t unix_us, char out[CLOCK_TEXT_MAX])
{
	int64_t seconds = unix_us / 1000000;
	int64_t micros = unix_us % 1000000;
	time_t when;
	struct tm tm;

	if (micros < 0)
	{
		micros += 1000000;
		seconds--;
	}
	when = (time_t)seconds;
	if (!gmtime_r(&when, &tm))
		return out[0] = '\0', out;
	snprintf(out, CLOCK_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", tm.tm_year + 1900, tm.tm_mon + 1,
			 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)micros);
	return out;
}
