/*
 * clock.h - the two clocks, and the one way a time is written.
 *
 * Included by: every folder of the sidecar.
 * Memory: callers give the buffer.  Locking: none.
 * Not here: timers (lws_sul, in the files that own the work).
 */
#ifndef STRATAD_CORE_CLOCK_H
#define STRATAD_CORE_CLOCK_H

#include <stdint.h>

/* Room for six ints of any value, so that the compiler can see that nothing is cut. */
#define CLOCK_TEXT_MAX 96

extern int64_t clock_monotonic_us(void);
extern int64_t clock_unix_us(void);
/* RFC 3339, UTC, always six digits of fraction.  Returns `out`. */
extern char *clock_format(int64_t unix_us, char out[CLOCK_TEXT_MAX]);

#endif
