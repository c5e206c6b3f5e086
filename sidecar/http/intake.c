/*
 * intake.c - see intake.h.
 *
 * Several of these checks stand in for libwebsockets 4.1.6, which does not decode chunked bodies (they
 * arrive with their framing, and the end never comes), takes any Content-Length that atoll() takes, takes a
 * request without Host or with any Host, and has no limit on bodies.
 */
#include "http/intake.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "core/clock.h"
#include "core/mem.h"
#include "http/guard.h"
#include "http/response.h"
#include "json/parse.h"
#include "rest/route.h"
#include "rest/schema.h"

/* Wrong tokens a second, of everybody together. */
#define FAILURES_PER_SECOND 10
#define FAILURES_BURST		20
/* A pause may save up this many seconds' worth of requests. */
#define RATE_BURST_SECONDS 2

#define HEADER_LEN_MAX 4096

typedef enum HeaderState
{
	HEADER_ABSENT,
	HEADER_ONE,
	HEADER_BAD /* twice, or too long */
} HeaderState;

/* Also when it is empty, which its length does not tell. */
static bool
header_given(struct lws *wsi, enum lws_token_indexes token)
{
	char nothing[1];

	return lws_hdr_total_length(wsi, token) > 0 ||
		   lws_hdr_copy_fragment(wsi, nothing, sizeof(nothing), token, 0) >= 0;
}

/* Copies a header that may be given once. */
static HeaderState
header_once(struct lws *wsi, enum lws_token_indexes token, char *out, size_t size)
{
	out[0] = '\0';
	if (!header_given(wsi, token))
		return HEADER_ABSENT;
	/* Two headers of one name are two fragments; joined they could look like one valid value. */
	if (lws_hdr_fragment_length(wsi, token, 1) > 0 || lws_hdr_copy(wsi, out, (int)size, token) < 0)
		return HEADER_BAD;
	return HEADER_ONE;
}

void
intake_new_id(char id[REQUEST_ID_LEN + 1])
{
	unsigned char random[REQUEST_ID_LEN / 2];

	if (getrandom(random, sizeof(random), 0) < 0)
		memset(random, 0, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(id + 2 * i, 3, "%02x", random[i]);
}

static void
intake_method(Request *req)
{
	static const struct
	{
		Method method;
		bool head;
		const char *name;
	} by_lws[] = {
		[LWSHUMETH_GET] = {METHOD_GET, false, "GET"},
		[LWSHUMETH_POST] = {METHOD_POST, false, "POST"},
		[LWSHUMETH_OPTIONS] = {METHOD_OTHER, false, "OPTIONS"},
		[LWSHUMETH_PUT] = {METHOD_PUT, false, "PUT"},
		[LWSHUMETH_PATCH] = {METHOD_OTHER, false, "PATCH"},
		[LWSHUMETH_DELETE] = {METHOD_DELETE, false, "DELETE"},
		[LWSHUMETH_CONNECT] = {METHOD_OTHER, false, "CONNECT"},
		[LWSHUMETH_HEAD] = {METHOD_GET, true, "HEAD"},
	};
	char *uri = NULL;
	int len = 0;
	int index = lws_http_get_uri_and_method(req->wsi, &uri, &len);

	req->method = METHOD_OTHER;
	req->method_name = "?";
	if (index >= 0 && index < (int)(sizeof(by_lws) / sizeof(by_lws[0])))
	{
		req->method = by_lws[index].method;
		req->head = by_lws[index].head;
		req->method_name = by_lws[index].name;
	}
	req->path = mem_strndup(uri ? uri : "", uri ? (size_t)len : 0);
}

/* libwebsockets waits for 100 MB of body after these methods when they come without Content-Length. */
static bool
method_implies_body(const Request *req)
{
	return req->method == METHOD_POST || req->method == METHOD_PUT || strcmp(req->method_name, "PATCH") == 0;
}

/* Framing: what is wrong here leaves no way to find the next request, so the connection ends. */
static bool
intake_framing(Request *req)
{
	char text[HEADER_LEN_MAX];
	HeaderState state = header_once(req->wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, text, sizeof(text));

	req->body_announced = state == HEADER_ABSENT ? method_implies_body(req) : strcmp(text, "0") != 0;
	if (header_given(req->wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING))
	{
		req->close_after = true;
		reply_problem(req, STATUS_LENGTH_REQUIRED, "Send the body with Content-Length");
		return false;
	}
	if (state == HEADER_BAD || (state == HEADER_ONE && !guard_content_length(text, &req->content_length)))
	{
		req->close_after = true;
		reply_problem(req, STATUS_BAD_REQUEST, "Content-Length must be one whole number");
		return false;
	}
	if (req->content_length > REQUEST_BODY_MAX)
	{
		req->close_after = true;
		reply_problem(req, STATUS_TOO_LARGE, "A body may have %d bytes", REQUEST_BODY_MAX);
		return false;
	}
	/* No length is no body for us; but what follows would be taken for one, so this is the last request. */
	if (state == HEADER_ABSENT && method_implies_body(req))
		req->close_after = true;
	return true;
}

/* Host and Origin; a unix socket is out of a browser's reach and has no port to compare. */
static Status
check_host(struct lws *wsi, char *detail, size_t detail_size)
{
	const Endpoint *endpoint = lws_vhost_user(lws_get_vhost(wsi));
	char host[HEADER_LEN_MAX];
	char origin[HEADER_LEN_MAX];
	HeaderState host_state = header_once(wsi, WSI_TOKEN_HOST, host, sizeof(host));
	HeaderState origin_state = header_once(wsi, WSI_TOKEN_ORIGIN, origin, sizeof(origin));

	if (endpoint->listen->kind == LISTEN_KIND_UNIX)
		return STATUS_OK;
	if (host_state != HEADER_ONE || !guard_host(host, endpoint->port))
	{
		snprintf(detail, detail_size, "Host must be a loopback address or localhost, with port %d",
				 endpoint->port);
		return STATUS_HOST_REFUSED;
	}
	if (origin_state == HEADER_BAD || !guard_origin(origin_state == HEADER_ONE ? origin : NULL, host))
	{
		snprintf(detail, detail_size, "Origin must be this server");
		return STATUS_ORIGIN_REFUSED;
	}
	return STATUS_OK;
}

static bool
intake_route(Request *req)
{
	Buf allow = {0};
	bool found = false;

	switch (route_find(req, &allow))
	{
		case ROUTE_FOUND:
			found = true;
			break;
		case ROUTE_WRONG_METHOD:
			reply_header(req, "Allow", "%s", buf_text(&allow));
			reply_problem(req, STATUS_METHOD_NOT_ALLOWED, "This path takes %s", buf_text(&allow));
			break;
		case ROUTE_WEBSOCKET:
			reply_header(req, "Upgrade", "websocket");
			reply_problem(req, STATUS_UPGRADE_REQUIRED, "Open this path as a WebSocket");
			break;
		case ROUTE_NONE:
			reply_problem(req, STATUS_NOT_FOUND, "There is no such path");
			break;
	}
	buf_free(&allow);
	return found;
}

static bool
intake_authenticate(Request *req)
{
	App *app = req->app;
	char header[HEADER_LEN_MAX];
	const char *token = NULL;
	const TokenEntry *entry;
	HeaderState state = header_once(req->wsi, WSI_TOKEN_HTTP_AUTHORIZATION, header, sizeof(header));
	int64_t now = clock_monotonic_us();
	int retry_after;

	if (state == HEADER_ONE)
		token = token_from_header(header);
	if (token && (entry = token_check(&app->tokens, token, strlen(token))))
	{
		double rate = app->config.rate_limit;

		req->principal = entry->name;
		if (rate <= 0 || rate_take(&app->requests, rate, rate * RATE_BURST_SECONDS, now, &retry_after))
			return true;
		reply_header(req, "Retry-After", "%d", retry_after);
		reply_problem(req, STATUS_RATE_LIMITED, "This token may make %d requests a second",
					  app->config.rate_limit);
		return false;
	}
	if (token && !rate_take(&app->failures, FAILURES_PER_SECOND, FAILURES_BURST, now, &retry_after))
	{
		reply_header(req, "Retry-After", "%d", retry_after);
		reply_problem(req, STATUS_RATE_LIMITED, "Too many wrong tokens");
		return false;
	}
	reply_problem(req, STATUS_UNAUTHENTICATED, "%s",
				  token ? "The token is not known here" : "Send Authorization: Bearer and the token");
	return false;
}

/* Copies the query parameters; libwebsockets has decoded them. */
static bool
intake_params(Request *req)
{
	char text[REQUEST_PARAM_LEN_MAX + 1];
	int len;

	for (int n = 0; (len = lws_hdr_fragment_length(req->wsi, WSI_TOKEN_HTTP_URI_ARGS, n)) > 0; n++)
	{
		char *equals;

		if (n >= REQUEST_PARAMS_MAX ||
			lws_hdr_copy_fragment(req->wsi, text, sizeof(text), WSI_TOKEN_HTTP_URI_ARGS, n) < 0)
		{
			reply_problem(req, STATUS_HEADERS_TOO_LARGE, "At most %d parameters of %d bytes each",
						  REQUEST_PARAMS_MAX, REQUEST_PARAM_LEN_MAX);
			return false;
		}
		equals = strchr(text, '=');
		if (equals)
			*equals++ = '\0';
		req->params[req->param_count].name = mem_strdup(text);
		req->params[req->param_count].value = mem_strdup(equals ? equals : "");
		req->param_count++;
	}
	return true;
}

static bool
intake_content_type(Request *req)
{
	char type[HEADER_LEN_MAX];
	HeaderState state;

	if (req->content_length == 0 || req->route->body[0] == '\0')
		return true;
	state = header_once(req->wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, type, sizeof(type));
	/* Also keeps HTML forms of other sites out: they cannot send this type. */
	if (state == HEADER_ONE && guard_json_type(type))
		return true;
	reply_problem(req, STATUS_UNSUPPORTED_TYPE, "Send the body as application/json");
	return false;
}

static void
intake_checks(Request *req)
{
	char detail[128];
	Status status;

	if (!intake_framing(req))
		return;
	status = check_host(req->wsi, detail, sizeof(detail));
	if (status != STATUS_OK)
	{
		reply_problem(req, status, "%s", detail);
		return;
	}
	/* The token comes before the route for everything below /api, so that strangers learn no paths. */
	if (!intake_route(req))
		return;
	if (req->route->access != ACCESS_OPEN && !intake_authenticate(req))
		return;
	if (req->route->access == ACCESS_CHANGE && !req->app->config.enable_mutations)
	{
		reply_problem(req, STATUS_MUTATIONS_DISABLED, "Start stratad with --enable-mutations to allow this");
		return;
	}
	if (intake_params(req) && intake_content_type(req))
		schema_check_params(req);
}

Request *
intake_headers(App *app, struct lws *wsi)
{
	Request *req = mem_alloc(sizeof(Request));

	req->app = app;
	req->wsi = wsi;
	req->started_us = clock_monotonic_us();
	intake_new_id(req->id);
	lws_get_peer_simple(wsi, req->peer, sizeof(req->peer));
	intake_method(req);
	intake_checks(req);
	return req;
}

bool
intake_waits_for_body(const Request *req)
{
	return req->content_length > 0 && !req->close_after;
}

void
intake_body(Request *req, const char *bytes, size_t len)
{
	size_t room = (size_t)req->content_length - req->body.len;

	/* Answered already: what still comes is read and forgotten. */
	if (!req->close_after)
		buf_append(&req->body, bytes, len < room ? len : room);
}

void
intake_complete(Request *req)
{
	const char *error;

	/* libwebsockets can say "body complete" twice when bytes follow the body. */
	if (req->complete)
		return;
	req->complete = true;
	if (req->responded)
	{
		server_response_ready(req);
		return;
	}
	if (req->route->body[0] != '\0' && req->body.len > 0 &&
		!json_parse_text(req->body.data, req->body.len, &req->json, &error))
	{
		reply_problem(req, STATUS_INVALID_JSON, "The body: %s", error);
		return;
	}
	if (schema_check_body(req))
		req->route->handler(req);
}

/*
 * Subprotocols: "strata.v1", and "bearer.<token>" because browsers can set no header on a WebSocket.
 * Anything else is refused here: libwebsockets would otherwise offer all protocols of its table, the one
 * for PostgreSQL's sockets too.
 */
static bool
upgrade_protocols(App *app, char *list, Upgrade *upgrade)
{
	bool named = false;
	char *rest = list;

	while (rest)
	{
		char *name = strsep(&rest, ",");

		while (*name == ' ' || *name == '\t')
			name++;
		name[strcspn(name, " \t")] = '\0';
		if (strcmp(name, SERVER_PROTOCOL) == 0)
			named = true;
		else if (strncmp(name, "bearer.", 7) == 0 && strlen(name) < sizeof(upgrade->bearer))
		{
			upgrade->principal = token_check(&app->tokens, name + 7, strlen(name + 7));
			if (!upgrade->principal)
			{
				upgrade->status = STATUS_UNAUTHENTICATED;
				return false;
			}
			strcpy(upgrade->bearer, name);
		}
		else if (name[0] != '\0')
		{
			upgrade->status = STATUS_BAD_REQUEST;
			snprintf(upgrade->detail, sizeof(upgrade->detail), "The subprotocols are %s and bearer.<token>",
					 SERVER_PROTOCOL);
			return false;
		}
	}
	if (named)
		upgrade->bearer[0] = '\0';
	return true;
}

void
intake_upgrade(App *app, struct lws *wsi, Upgrade *upgrade)
{
	char text[HEADER_LEN_MAX];
	const char *token;
	HeaderState state;
	int retry_after;

	*upgrade = (Upgrade){0};
	upgrade->status = check_host(wsi, upgrade->detail, sizeof(upgrade->detail));
	if (upgrade->status != STATUS_OK)
		return;
	if (lws_hdr_copy(wsi, upgrade->path, sizeof(upgrade->path), WSI_TOKEN_GET_URI) <= 0 ||
		!route_is_websocket(upgrade->path))
	{
		upgrade->status = STATUS_NOT_FOUND;
		return;
	}
	if (header_once(wsi, WSI_TOKEN_VERSION, text, sizeof(text)) != HEADER_ONE || strcmp(text, "13") != 0)
	{
		upgrade->status = STATUS_BAD_REQUEST;
		snprintf(upgrade->detail, sizeof(upgrade->detail), "Sec-WebSocket-Version must be 13");
		return;
	}
	state = header_once(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, text, sizeof(text));
	if (state != HEADER_ABSENT)
	{
		token = state == HEADER_ONE ? token_from_header(text) : NULL;
		upgrade->principal = token ? token_check(&app->tokens, token, strlen(token)) : NULL;
		if (!upgrade->principal)
			upgrade->status = STATUS_UNAUTHENTICATED;
	}
	if (upgrade->status == STATUS_OK && lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_PROTOCOL) > 0)
		upgrade_protocols(app, text, upgrade);
	if (upgrade->status == STATUS_UNAUTHENTICATED &&
		!rate_take(&app->failures, FAILURES_PER_SECOND, FAILURES_BURST, clock_monotonic_us(), &retry_after))
		upgrade->status = STATUS_RATE_LIMITED;
}
