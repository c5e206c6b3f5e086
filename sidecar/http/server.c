/*
 * server.c - see server.h.
 *
 * Guards against libwebsockets 4.1.6 as Debian 12 has it; each has a test in test/sidecar that fails without
 * it.  (1)-(8) are the numbers of docs/internals/sidecar.md.
 *   (1) `Upgrade: anything` on a kept-alive connection: lws answers 403, frees the headers and goes on with
 *       them.  CONFIRM_UPGRADE reads the header again and hangs up unless it is exactly "websocket".
 *   (2) `Upgrade: h2c` is accepted by default and opens the old HTTP/2 code: refused by the same check.
 *   (3) `CONNECT` turns the connection into a raw socket without timeout: RAW_ADOPT returns -1.
 *   (4) Chunked bodies and odd Content-Lengths: refused in intake.c.
 *   (5) BODY_COMPLETION can come twice, and answering before the body is in corrupts the connection: one
 *       `complete` and one `responded` flag a request, and no write before the body is read or given up.
 *   (6) Mounts are matched wrongly: there are none, everything is routed by rest/route.c.
 *   (7) A pipelined request with a body: lws takes the bytes of its head for the body, and when bytes follow
 * it loops for ever; and -1 from a body callback there frees the connection twice.  Such a request is
 *       answered 400 and the connection closed from LWS_CALLBACK_HTTP, before lws looks for the body; and
 *       body callbacks never return -1.
 *   (8) POST, PUT and PATCH without Content-Length: lws waits for 100 MB of body.  They have none for us, and
 *       their connection ends with the answer (intake.c).
 */
#include "http/server.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "http/intake.h"
#include "http/response.h"
#include "metrics/metrics.h"
#include "pg/pool.h"
#include "rest/route.h"
#include "ws/ws.h"

#define HEADER_BYTES_MAX  16384
#define HEADERS_AT_A_TIME 1024
#define KEEPALIVE_SECONDS 30
#define SILENCE_SECONDS	  10
#define LINGER_SECONDS	  1
/* A WebSocket peer that is silent gets a ping, then is taken for dead. */
#define WS_PING_SECONDS	  45
#define WS_HANGUP_SECONDS 60
#define SOCKET_READ_BYTES 16384

static int server_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
						   size_t len);

/*
 * The second row answers clients that offer "bearer.<token>" and nothing else: lws can only select a name of
 * this table, so intake puts the offered name there, once the token is known to be good, for the duration
 * of the handshake, which runs to its end inside lws.
 */
static char bearer_protocol[64];

static struct lws_protocols protocols[] = {
	{SERVER_PROTOCOL, server_callback, sizeof(Session), SOCKET_READ_BYTES, 0, NULL, 0},
	{bearer_protocol, server_callback, sizeof(Session), SOCKET_READ_BYTES, 0, NULL, 0},
	{SERVER_PROTOCOL_PG, pg_socket_callback, 0, 0, 0, NULL, 0},
	{NULL, NULL, 0, 0, 0, NULL, 0},
};

/* Of the handshake that is running; it ends before the next one starts. */
static Upgrade upgrade_running;

static const lws_retry_bo_t ws_validity = {
	.secs_since_valid_ping = WS_PING_SECONDS,
	.secs_since_valid_hangup = WS_HANGUP_SECONDS,
};

static int on_http_writeable(Session *session);

/* Its address marks connections that had a request before. */
static char connection_has_served;

/* ---- requests ---- */

static void
waiting_add(App *app, Request *req)
{
	req->next_waiting = app->waiting;
	app->waiting = req;
}

static void
waiting_remove(App *app, Request *req)
{
	for (Request **at = &app->waiting; *at; at = &(*at)->next_waiting)
		if (*at == req)
		{
			*at = req->next_waiting;
			return;
		}
}

/* The request ends here: its answer is written, or its client is gone. */
static void
session_drop_request(Session *session)
{
	Request *req = session->request;

	if (!req)
		return;
	session->request = NULL;
	req->wsi = NULL;
	waiting_remove(req->app, req);
	if (req->query)
		pg_abandon(req->query);
	metrics_count_request(req);
	request_free(req);
}

static void
audit(const Request *req)
{
	unsigned char hash[SHA256_DIGEST_LENGTH];
	char hex[2 * SHA256_DIGEST_LENGTH + 1];
	Buf args = {0};
	Buf action = {0};

	buf_printf(&args, "%s\n", req->path);
	for (int i = 0; i < req->param_count; i++)
		buf_printf(&args, "%s=%s\n", req->params[i].name, req->params[i].value);
	buf_append(&args, req->body.data, req->body.len);
	SHA256((const unsigned char *)args.data, args.len, hash);
	for (size_t i = 0; i < sizeof(hash); i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	buf_printf(&action, "%s %s", req->method_name, req->path);
	log_audit(&(LogAudit){.principal = req->principal,
						  .peer = req->peer,
						  .action = buf_text(&action),
						  .request_id = req->id,
						  .args_sha256 = hex,
						  .result = req->http_status});
	buf_free(&args);
	buf_free(&action);
}

void
server_response_ready(Request *req)
{
	if (!req->wsi)
		return;
	/* Guard (5): nothing is written while a body may still arrive. */
	if (!req->complete && intake_waits_for_body(req))
		return;
	if (req->paused)
	{
		waiting_remove(req->app, req);
		req->paused = false;
		lws_rx_flow_control(req->wsi, 1);
	}
	lws_callback_on_writable(req->wsi);
}

/*
 * Starts the handler.  While it waits nothing is read from the client: libwebsockets would spin on bytes
 * that it may not consume yet.  That hides a client that hangs up, so server_check_clients() looks.
 */
static void
session_dispatch(Session *session)
{
	Request *req = session->request;

	if (req->complete)
		return;
	intake_complete(req);
	if (!req->responded)
	{
		req->paused = true;
		waiting_add(req->app, req);
		lws_set_timeout(req->wsi, NO_PENDING_TIMEOUT, 0);
		lws_rx_flow_control(req->wsi, 0);
	}
}

void
server_check_clients(App *app)
{
	Request *next;

	for (Request *req = app->waiting; req; req = next)
	{
		char byte;
		ssize_t seen = recv(lws_get_socket_fd(req->wsi), &byte, 1, MSG_PEEK | MSG_DONTWAIT);

		next = req->next_waiting;
		if (seen == 0 || (seen < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
			lws_set_timeout(req->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
	}
}

/*
 * Guard (7): whether libwebsockets took the head of this request out of its own buffer, that is, whether it
 * was pipelined.  There is no call that tells, but one that says whether any connection has bytes buffered.
 * It cannot be this one when this is its first request; else it is taken for this one, which wrongs a client
 * only while another one pipelines.
 */
static bool
head_was_buffered(App *app, struct lws *wsi)
{
	return lws_get_opaque_user_data(wsi) && lws_service_adjust_timeout(app->lws, 1, 0) == 0;
}

static int
refuse_pipelined_body(Session *session)
{
	Request *req = session->request;

	reply_problem(req, STATUS_BAD_REQUEST,
				  "A request with a body must wait for the answer to the one before it");
	req->close_after = true;
	req->complete = true;
	on_http_writeable(session);
	return 1;
}

static int
on_http(App *app, struct lws *wsi, Session *session)
{
	session_drop_request(session);
	session->request = intake_headers(app, wsi);
	if (session->request->body_announced && head_was_buffered(app, wsi))
		return refuse_pipelined_body(session);
	if (session->request->responded && session->request->close_after)
		lws_callback_on_writable(wsi);
	else if (!intake_waits_for_body(session->request))
		session_dispatch(session);
	/* The session is made anew for every request; this stays with the connection. */
	lws_set_opaque_user_data(wsi, &connection_has_served);
	return 0;
}

static void
response_write_head(Request *req, Buf *out, size_t body_len)
{
	response_head(out, req->http_status, req->id);
	if (req->content_type)
		buf_printf(out, "Content-Type: %s\r\n", req->content_type);
	buf_append(out, req->head_out.data, req->head_out.len);
	if (req->http_status != 304)
		buf_printf(out, "Content-Length: %zu\r\n", body_len);
	if (req->close_after)
		buf_puts(out, "Connection: close\r\n");
	buf_puts(out, "\r\n");
}

/*
 * Closing at once with bytes of the client unread would make the kernel send a reset, and the client could
 * lose the answer.  So our side is closed, and the rest is given a moment.
 */
static int
connection_linger(struct lws *wsi)
{
	if (lws_partial_buffered(wsi))
		return -1;
	shutdown(lws_get_socket_fd(wsi), SHUT_WR);
	lws_rx_flow_control(wsi, 0);
	lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LINGER_SECONDS);
	return 0;
}

/* One lws_write: the head with as much of the body as fits, or the next piece. */
static int
on_http_writeable(Session *session)
{
	Request *req = session->request;
	struct lws *wsi;
	const char *body;
	size_t body_len;
	size_t room = RESPONSE_PIECE_MAX;
	Buf out = {0};
	bool close_after;
	int result;

	if (!req || !req->responded || (!req->complete && intake_waits_for_body(req)))
		return 0;
	wsi = req->wsi;
	body = req->fixed ? req->fixed : buf_text(&req->out);
	body_len = req->fixed ? req->fixed_len : req->out.len;

	buf_reserve(&out, LWS_PRE + 2048);
	out.len = LWS_PRE;
	if (!req->head_written)
	{
		response_write_head(req, &out, body_len);
		req->head_written = true;
		if (req->route && req->route->access == ACCESS_CHANGE && req->principal)
			audit(req);
		if (req->head || req->http_status == 304)
			req->written = body_len;
	}
	if (room > body_len - req->written)
		room = body_len - req->written;
	buf_append(&out, body + req->written, room);
	req->written += room;
	result = lws_write(wsi, (unsigned char *)out.data + LWS_PRE, out.len - LWS_PRE, LWS_WRITE_HTTP);
	buf_free(&out);
	if (result < 0)
		return -1;
	if (req->written < body_len)
	{
		lws_callback_on_writable(wsi);
		return 0;
	}
	close_after = req->close_after;
	session_drop_request(session);
	if (close_after)
		return connection_linger(wsi);
	return lws_http_transaction_completed(wsi) ? -1 : 0;
}

/* ---- upgrades ---- */

static int
upgrade_refuse(struct lws *wsi)
{
	const StatusInfo *info = &status_info[upgrade_running.status];
	char id[REQUEST_ID_LEN + 1];
	Buf out = {0};
	Buf body = {0};
	JsonWriter json;

	intake_new_id(id);
	jsonw_begin(&json, &body);
	jsonw_object_begin(&json);
	jsonw_key_string(&json, "type", "about:blank");
	jsonw_key_string(&json, "title", info->title);
	jsonw_key_int(&json, "status", info->http);
	jsonw_key_string(&json, "code", info->code);
	if (upgrade_running.detail[0])
		jsonw_key_string(&json, "detail", upgrade_running.detail);
	jsonw_key_string(&json, "request_id", id);
	jsonw_object_end(&json);

	buf_reserve(&out, LWS_PRE + 2048);
	out.len = LWS_PRE;
	response_head(&out, info->http, id);
	if (info->http == 401)
		buf_puts(&out, "WWW-Authenticate: Bearer realm=\"stratad\"\r\n");
	if (info->http == 429)
		buf_puts(&out, "Retry-After: 1\r\n");
	buf_printf(&out,
			   "Content-Type: application/problem+json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
			   body.len, body.data);
	lws_write(wsi, (unsigned char *)out.data + LWS_PRE, out.len - LWS_PRE, LWS_WRITE_HTTP);
	buf_free(&out);
	buf_free(&body);
	return -1;
}

static int
on_confirm_upgrade(App *app, struct lws *wsi)
{
	char name[16];
	int len;

	bearer_protocol[0] = '\0';
	/* Guards (1) and (2): `in` may point to freed memory, so the header is read again. */
	if (lws_hdr_total_length(wsi, WSI_TOKEN_UPGRADE) <= 0)
		return -1;
	len = lws_hdr_copy(wsi, name, sizeof(name), WSI_TOKEN_UPGRADE);
	if (len <= 0 || strcasecmp(name, "websocket") != 0)
	{
		upgrade_running = (Upgrade){.status = STATUS_BAD_REQUEST};
		strcpy(upgrade_running.detail, "Only websocket can be upgraded to");
		return upgrade_refuse(wsi);
	}
	intake_upgrade(app, wsi, &upgrade_running);
	if (upgrade_running.status != STATUS_OK)
		return upgrade_refuse(wsi);
	strcpy(bearer_protocol, upgrade_running.bearer);
	return 0;
}

static int
on_established(App *app, struct lws *wsi, Session *session)
{
	bearer_protocol[0] = '\0';
	session->request = NULL;
	session->ws = ws_client_open(app, wsi, upgrade_running.path, upgrade_running.principal);
	return session->ws ? 0 : -1;
}

/* ---- the callback ---- */

static int
server_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	App *app = lws_context_user(lws_get_context(wsi));
	Session *session = user;

	switch (reason)
	{
		case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
			return on_confirm_upgrade(app, wsi);
		case LWS_CALLBACK_RAW_ADOPT:
			return -1; /* guard (3) */
		case LWS_CALLBACK_HTTP:
			return on_http(app, wsi, session);
		case LWS_CALLBACK_HTTP_BODY:
			if (session->request && !session->request->complete && len > 0)
				intake_body(session->request, in, len);
			return 0;
		case LWS_CALLBACK_HTTP_BODY_COMPLETION:
			if (session->request)
				session_dispatch(session);
			return 0;
		case LWS_CALLBACK_HTTP_WRITEABLE:
			return on_http_writeable(session);
		case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
		case LWS_CALLBACK_CLOSED_HTTP:
			if (session)
				session_drop_request(session);
			return 0;
		case LWS_CALLBACK_ESTABLISHED:
			return on_established(app, wsi, session);
		case LWS_CALLBACK_RECEIVE:
			return session->ws ? ws_client_receive(session->ws, in, len) : -1;
		case LWS_CALLBACK_SERVER_WRITEABLE:
			return session->ws ? ws_client_writeable(session->ws) : -1;
		case LWS_CALLBACK_CLOSED:
			if (session && session->ws)
				ws_client_close(session->ws);
			if (session)
				session->ws = NULL;
			return 0;
		default:
			return 0;
	}
}

/* ---- listening ---- */

static bool
listen_prepare_unix(const char *path, Buf *error)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return true;
	if (!S_ISSOCK(st.st_mode))
	{
		buf_printf(error, "%s exists and is not a socket", path);
		return false;
	}
	unlink(path);
	return true;
}

static bool
endpoint_open(App *app, Endpoint *endpoint, Buf *error)
{
	struct lws_context_creation_info info = {0};
	const Listen *listen = endpoint->listen;
	mode_t mask = umask(0117);

	info.protocols = protocols;
	info.user = endpoint;
	info.keepalive_timeout = KEEPALIVE_SECONDS;
	info.retry_and_idle_policy = &ws_validity;
	info.iface = listen->address;
	info.port = listen->port;
	info.options = LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND;
	if (listen->kind == LISTEN_KIND_IPV4)
		info.options |= LWS_SERVER_OPTION_DISABLE_IPV6;
	if (listen->kind == LISTEN_KIND_IPV6)
		info.options |= LWS_SERVER_OPTION_IPV6_V6ONLY_MODIFY | LWS_SERVER_OPTION_IPV6_V6ONLY_VALUE;
	if (listen->kind == LISTEN_KIND_UNIX)
	{
		/* The umask leaves the socket 0660: its group may connect, nobody else. */
		info.options |= LWS_SERVER_OPTION_UNIX_SOCK;
		if (!listen_prepare_unix(listen->address, error))
		{
			umask(mask);
			return false;
		}
	}
	endpoint->vhost = lws_create_vhost(app->lws, &info);
	umask(mask);
	if (!endpoint->vhost)
	{
		buf_printf(error, "cannot listen on %s%s:%d", listen->kind == LISTEN_KIND_UNIX ? "unix:" : "",
				   listen->address, listen->port);
		return false;
	}
	if (listen->kind == LISTEN_KIND_UNIX)
	{
		log_info("listening on unix:%s", listen->address);
		return true;
	}
	endpoint->port = lws_get_vhost_listen_port(endpoint->vhost);
	log_info(listen->kind == LISTEN_KIND_IPV6 ? "listening on http://[%s]:%d/" : "listening on http://%s:%d/",
			 listen->address, endpoint->port);
	return true;
}

bool
server_start(App *app, Buf *error)
{
	struct lws_context_creation_info info = {0};

	lws_set_log_level(LLL_ERR | LLL_WARN, log_libwebsockets);
	info.port = CONTEXT_PORT_NO_LISTEN;
	info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_VALIDATE_UTF8;
	info.user = app;
	info.timeout_secs = SILENCE_SECONDS;
	info.max_http_header_data2 = HEADER_BYTES_MAX;
	info.max_http_header_pool = HEADERS_AT_A_TIME;
	info.pt_serv_buf_size = SOCKET_READ_BYTES;
	app->lws = lws_create_context(&info);
	if (!app->lws)
	{
		buf_printf(error, "libwebsockets does not start");
		return false;
	}
	app->endpoints = mem_alloc(app->config.listens.count * sizeof(Endpoint));
	for (size_t i = 0; i < app->config.listens.count; i++)
	{
		app->endpoints[i].listen = &app->config.listen[i];
		if (!endpoint_open(app, &app->endpoints[i], error))
			return false;
	}
	return true;
}

void
server_stop(App *app)
{
	if (app->lws)
		lws_context_destroy(app->lws);
	app->lws = NULL;
	for (size_t i = 0; app->endpoints && i < app->config.listens.count; i++)
		if (app->endpoints[i].vhost && app->endpoints[i].listen->kind == LISTEN_KIND_UNIX)
			unlink(app->endpoints[i].listen->address);
	mem_free(app->endpoints);
	app->endpoints = NULL;
}
