/*
 * log.h - what stratad says about itself, on standard error.
 *
 * Included by: every folder of the sidecar.
 * Memory: none kept.  Locking: none.
 * One line a message, text or JSON by --log-format.  Audit lines are JSON in both formats, because
 * programs read them.  Never in a log line: tokens, request bodies, SQL parameters.
 * Not here: the access counters (metrics/metrics.h).
 */
#ifndef STRATAD_CORE_LOG_H
#define STRATAD_CORE_LOG_H

#include <stdbool.h>

typedef enum LogLevel
{
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO
} LogLevel;

typedef struct LogAudit
{
	const char *principal;
	const char *peer;
	const char *action; /* "POST /api/v1/inmemory/enable" */
	const char *request_id;
	const char *args_sha256; /* hex, of path, query and body */
	int result;				 /* HTTP status */
} LogAudit;

extern void log_set_json(bool json);
extern void log_message(LogLevel level, const char *format, ...) __attribute__((format(printf, 2, 3)));
extern void log_audit(const LogAudit *audit);
/* Takes libwebsockets' own messages (errors and warnings) into the same stream. */
extern void log_libwebsockets(int level, const char *line);

#define log_error(...)	 log_message(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_message(LOG_LEVEL_INFO, __VA_ARGS__)

#endif
