/*
 * server.h - listening, connections, and the one libwebsockets callback.
 *
 * Included by: main.c, http/, ws/.
 * Memory: the server owns sessions and requests.  Locking: none; one thread, libwebsockets' poll loop.
 * Not here: what is answered (rest/), WebSocket messages (ws/).
 */
#ifndef STRATAD_HTTP_SERVER_H
#define STRATAD_HTTP_SERVER_H

#include "core/app.h"
#include "core/buf.h"
#include "http/request.h"

/* The subprotocol that a WebSocket client may ask for. */
#define SERVER_PROTOCOL "strata.v1"
/* The protocol that PostgreSQL's sockets are adopted under; no client can choose it. */
#define SERVER_PROTOCOL_PG "strata-pg"

struct WsClient;

typedef struct Endpoint
{
	const Listen *listen;
	struct lws_vhost *vhost;
	int port; /* the real one, also when the kernel chose it; 0 for a unix socket */
} Endpoint;

/* What libwebsockets keeps for us with a connection. */
typedef struct Session
{
	Request *request;	 /* the one being served */
	struct WsClient *ws; /* after the upgrade */
} Session;

extern bool server_start(App *app, Buf *error);
extern void server_stop(App *app);

/* From reply_*: the answer stands, write it when the socket is ready. */
extern void server_response_ready(Request *req);

/* Looks after requests that wait: whose client is gone is cancelled. */
extern void server_check_clients(App *app);

#endif
