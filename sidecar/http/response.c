/* response.c - see response.h. */
#include "http/response.h"

#include <string.h>

#include "http/server.h"

static const char *
reason_phrase(int http_status)
{
	static const struct
	{
		int http_status;
		const char *phrase;
	} phrases[] = {{200, "OK"},
				   {202, "Accepted"},
				   {304, "Not Modified"},
				   {400, "Bad Request"},
				   {401, "Unauthorized"},
				   {403, "Forbidden"},
				   {404, "Not Found"},
				   {405, "Method Not Allowed"},
				   {409, "Conflict"},
				   {411, "Length Required"},
				   {413, "Content Too Large"},
				   {415, "Unsupported Media Type"},
				   {426, "Upgrade Required"},
				   {429, "Too Many Requests"},
				   {431, "Request Header Fields Too Large"},
				   {500, "Internal Server Error"},
				   {503, "Service Unavailable"},
				   {504, "Gateway Timeout"},
				   {507, "Insufficient Storage"}};

	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (phrases[i].http_status == http_status)
			return phrases[i].phrase;
	return "Unknown";
}

void
response_head(Buf *out, int http_status, const char *request_id)
{
	buf_printf(out, "HTTP/1.1 %d %s\r\n", http_status, reason_phrase(http_status));
	buf_puts(out, "Server: stratad\r\n");
	buf_printf(out, "X-Request-Id: %s\r\n", request_id);
	/* The dashboard is files of our own: no inline code, no other origin, no frame around it. */
	buf_puts(out, "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
				  "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
				  "frame-ancestors 'none'\r\n"
				  "X-Content-Type-Options: nosniff\r\n"
				  "X-Frame-Options: DENY\r\n"
				  "Referrer-Policy: no-referrer\r\n"
				  "Cross-Origin-Resource-Policy: same-origin\r\n");
}

void
reply_header(Request *req, const char *name, const char *format, ...)
{
	va_list args;

	buf_printf(&req->head_out, "%s: ", name);
	va_start(args, format);
	buf_vprintf(&req->head_out, format, args);
	va_end(args);
	buf_puts(&req->head_out, "\r\n");
}

/* Every answer ends here; a second one is dropped. */
static void
reply_finish(Request *req, int http_status, const char *content_type)
{
	if (req->responded)
		return;
	req->responded = true;
	req->query = NULL;
	req->http_status = http_status;
	req->content_type = content_type;
	server_response_ready(req);
}

void
reply_send(Request *req, int http_status, const char *content_type)
{
	reply_finish(req, http_status, content_type);
}

void
reply_fixed(Request *req, int http_status, const char *content_type, const void *bytes, size_t len)
{
	req->fixed = bytes;
	req->fixed_len = len;
	reply_finish(req, http_status, content_type);
}

void
reply_json_begin(Request *req, JsonWriter *json)
{
	buf_reset(&req->out);
	jsonw_begin(json, &req->out);
}

void
reply_json_send(Request *req, int http_status)
{
	reply_header(req, "Cache-Control", "no-store");
	reply_finish(req, http_status, "application/json");
}

void
reply_problem_full(Request *req, const Problem *problem)
{
	const StatusInfo *info = &status_info[problem->status];
	JsonWriter json;

	if (req->responded)
		return;
	buf_reset(&req->out);
	jsonw_begin(&json, &req->out);
	jsonw_object_begin(&json);
	jsonw_key_string(&json, "type", "about:blank");
	jsonw_key_string(&json, "title", info->title);
	jsonw_key_int(&json, "status", info->http);
	jsonw_key_string(&json, "code", info->code);
	if (problem->detail && problem->detail[0])
		jsonw_key_string(&json, "detail", problem->detail);
	if (problem->hint)
		jsonw_key_string(&json, "hint", problem->hint);
	if (problem->sqlstate)
		jsonw_key_string(&json, "sqlstate", problem->sqlstate);
	if (problem->candidates)
	{
		jsonw_key(&json, "candidates");
		jsonw_array_begin(&json);
		for (int i = 0; problem->candidates[i]; i++)
			jsonw_string(&json, problem->candidates[i]);
		jsonw_array_end(&json);
	}
	jsonw_key_string(&json, "request_id", req->id);
	jsonw_object_end(&json);

	if (info->http == 401)
		reply_header(req, "WWW-Authenticate", "Bearer realm=\"stratad\"");
	if (info->http == 503)
		reply_header(req, "Retry-After", "%d", RETRY_AFTER_SECONDS);
	reply_header(req, "Cache-Control", "no-store");
	reply_finish(req, info->http, "application/problem+json");
}

void
reply_problem(Request *req, Status status, const char *format, ...)
{
	Buf detail = {0};
	va_list args;

	va_start(args, format);
	buf_vprintf(&detail, format, args);
	va_end(args);
	reply_problem_full(req, &(Problem){.status = status, .detail = buf_text(&detail)});
	buf_free(&detail);
}
