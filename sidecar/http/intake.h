/*
 * intake.h - from the headers of a request to its handler: every check on the way.
 *
 * Included by: http/server.c.
 * Memory: makes the Request, which the session then owns.  Locking: none.
 * Not here: writing the answer (server.c), the pure checks (guard.h).
 */
#ifndef STRATAD_HTTP_INTAKE_H
#define STRATAD_HTTP_INTAKE_H

#include "http/server.h"

/*
 * Makes the request from the headers.  It may have its answer already (an error); it is then sent once the
 * body is in, or at once when the connection cannot go on.
 */
extern Request *intake_headers(App *app, struct lws *wsi);
/* A piece of the body; what is more than Content-Length promised is forgotten. */
extern void intake_body(Request *req, const char *bytes, size_t len);
/* Headers and body are in: starts the handler, unless there is an answer already. */
extern void intake_complete(Request *req);

/* What a WebSocket upgrade was found to be. */
typedef struct Upgrade
{
	Status status; /* STATUS_OK: let it through */
	char detail[128];
	char path[128];
	const TokenEntry *principal; /* NULL: must authenticate by message */
	/* The subprotocol to answer with when the client offered nothing but its token; "" otherwise. */
	char bearer[64];
} Upgrade;
extern void intake_upgrade(App *app, struct lws *wsi, Upgrade *upgrade);

/* The body is read to its end, so the connection goes on after the answer. */
extern bool intake_waits_for_body(const Request *req);

/* 32 hex digits, for requests and WebSocket connections. */
extern void intake_new_id(char id[REQUEST_ID_LEN + 1]);

#endif
