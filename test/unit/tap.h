/*
 * tap.h - the Test Anything Protocol for unit tests in plain C.
 *
 * Included by: the test programs of test/unit, each a program of its own.  Memory and locking: two counters a program.
 * A test ends with `return tap_done();`.  Not here: anything that needs a server.
 */
#ifndef STRATA_TEST_TAP_H
#define STRATA_TEST_TAP_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int tap_count;
static int tap_failed;

/* One test: printed with its name; a failure says where. */
static inline bool __attribute__((format(printf, 4, 5)))
tap_ok(bool pass, const char *file, int line, const char *format, ...)
{
	va_list ap;

	printf("%sok %d - ", pass ? "" : "not ", ++tap_count);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
	if (!pass)
	{
		tap_failed++;
		printf("# failed at %s:%d\n", file, line);
	}
	fflush(stdout);
	return pass;
}

#define ok(pass, ...) tap_ok((pass), __FILE__, __LINE__, __VA_ARGS__)

/* Equality of integers; a failure shows both. */
#define is_int(got, want, ...)                                                                                    \
	do                                                                                                             \
	{                                                                                                              \
		int64_t got_ = (int64_t) (got), want_ = (int64_t) (want);                                                  \
		if (!ok(got_ == want_, __VA_ARGS__))                                                                       \
			printf("#      got: %" PRId64 "\n# expected: %" PRId64 "\n", got_, want_);                             \
	} while (0)

/* Equality of strings; NULL equals only NULL. */
#define is_str(got, want, ...)                                                                                    \
	do                                                                                                             \
	{                                                                                                              \
		const char *got_ = (got), *want_ = (want);                                                                 \
		if (!ok(got_ == want_ || (got_ && want_ && strcmp(got_, want_) == 0), __VA_ARGS__))                        \
			printf("#      got: %s\n# expected: %s\n", got_ ? got_ : "(null)", want_ ? want_ : "(null)");         \
	} while (0)

/* A remark that is not a test, such as a SIMD level this machine cannot run. */
#define note(...) (printf("# "), printf(__VA_ARGS__), printf("\n"))

static inline void __attribute__((format(printf, 2, 3)))
tap_skip(int n, const char *format, ...)
{
	va_list ap;

	while (n-- > 0)
	{
		printf("ok %d # SKIP ", ++tap_count);
		va_start(ap, format);
		vprintf(format, ap);
		va_end(ap);
		printf("\n");
	}
}

/* Prints the plan; the program's exit status. */
static inline int
tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed || tap_count == 0;
}

#endif
