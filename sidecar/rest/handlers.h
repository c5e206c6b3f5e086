/*
 * handlers.h - the handlers of all routes, declared from the table.
 *
 * Included by: rest/, metrics/.   Memory and locking: see http/request.h.   Source: routes.def.
 */
#ifndef STRATAD_REST_HANDLERS_H
#define STRATAD_REST_HANDLERS_H

#include <stdbool.h>

#include "http/request.h"

#define ROUTE(method, pattern, handler, access, params, body, success, answer, errors, text)                 \
	extern void handler(Request *req);
#define WEBSOCKET(path, topics, text)
#include "rest/routes.def"
#undef ROUTE
#undef WEBSOCKET

/* Files of the dashboard; found by path, not in the table. */
extern void asset_get(Request *req);
extern bool asset_exists(const char *path);

#endif
