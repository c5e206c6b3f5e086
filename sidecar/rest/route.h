/*
 * route.h - the table of routes.
 *
 * Included by: http/, rest/, metrics/.
 * Memory and locking: constants only.   Source: routes.def.
 * From the table come the router, 405 with Allow, the checks of parameters and bodies, and /openapi.json.
 * Not here: the handlers (rest/ and metrics/), schemas (schema.h).
 */
#ifndef STRATAD_REST_ROUTE_H
#define STRATAD_REST_ROUTE_H

#include <stdbool.h>

#include "http/request.h"

typedef enum Access
{
	ACCESS_OPEN,  /* no token */
	ACCESS_READ,  /* a token */
	ACCESS_CHANGE /* a token, --enable-mutations, and an audit line */
} Access;

typedef struct Route
{
	Method method;
	const char *pattern; /* one {name} at most, a whole path segment */
	void (*handler)(Request *req);
	Access access;
	const char
		*params;	  /* names of query parameters (params.def), space separated; "!" after a required one */
	const char *body; /* schema of the body, "" for none; "?" after a body that may be missing */
	int success;	  /* HTTP status of a good answer */
	const char *answer; /* schema of the good answer; "" when it is not JSON */
	const char *errors; /* HTTP statuses, besides those that every route of its access has */
	const char *name;	/* operationId, and the label of metrics */
	const char *text;
} Route;

typedef enum RouteMatch
{
	ROUTE_FOUND,
	ROUTE_WRONG_METHOD,
	ROUTE_WEBSOCKET, /* a path that speaks WebSocket only */
	ROUTE_NONE
} RouteMatch;

/* Finds the route; sets req->route and req->path_arg, or puts the methods of the path into *allow. */
extern RouteMatch route_find(Request *req, Buf *allow);
extern const Route *route_table(int *count);
extern const char *method_text(Method method);

/* Paths that take a WebSocket upgrade, and the topic each is for ("" for all). */
typedef struct WebsocketRoute
{
	const char *path;
	const char *topic;
	const char *text;
} WebsocketRoute;
extern const WebsocketRoute *route_websockets(int *count);
extern bool route_is_websocket(const char *path);

#endif
