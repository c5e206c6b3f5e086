/* log.c - see log.h. */
#include "core/log.h"

#include <libwebsockets.h>
#include <string.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/clock.h"
#include "json/write.h"

static bool log_as_json;

static const char *const log_level_names[] = {"error", "warning", "info"};

void
log_set_json(bool json)
{
	log_as_json = json;
}

/* One write a line, so that lines of several processes in one file do not mix. */
static void
log_emit(Buf *line)
{
	ssize_t done;

	buf_putc(line, '\n');
	done = write(STDERR_FILENO, line->data, line->len);
	(void)done; /* nowhere left to complain */
	buf_free(line);
}

void
log_message(LogLevel level, const char *format, ...)
{
	Buf text = {0};
	Buf line = {0};
	char now[CLOCK_TEXT_MAX];
	va_list args;

	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	clock_format(clock_unix_us(), now);
	if (log_as_json)
	{
		JsonWriter json;

		jsonw_begin(&json, &line);
		jsonw_object_begin(&json);
		jsonw_key_string(&json, "time", now);
		jsonw_key_string(&json, "level", log_level_names[level]);
		jsonw_key_string(&json, "message", buf_text(&text));
		jsonw_object_end(&json);
	}
	else
		buf_printf(&line, "%s %s: %s", now, log_level_names[level], buf_text(&text));
	buf_free(&text);
	log_emit(&line);
}

void
log_audit(const LogAudit *audit)
{
	Buf line = {0};
	JsonWriter json;
	char now[CLOCK_TEXT_MAX];

	jsonw_begin(&json, &line);
	jsonw_object_begin(&json);
	jsonw_key_string(&json, "time", clock_format(clock_unix_us(), now));
	jsonw_key_string(&json, "level", "audit");
	jsonw_key_string(&json, "principal", audit->principal);
	jsonw_key_string(&json, "peer", audit->peer);
	jsonw_key_string(&json, "action", audit->action);
	jsonw_key_string(&json, "request_id", audit->request_id);
	jsonw_key_string(&json, "args_sha256", audit->args_sha256);
	jsonw_key_int(&json, "result", audit->result);
	jsonw_object_end(&json);
	log_emit(&line);
}

void
log_libwebsockets(int level, const char *line)
{
	size_t len = strcspn(line, "\n");

	log_message(level & LLL_ERR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "libwebsockets: %.*s", (int)len, line);
}
