/* route.c - see route.h. */
#include "rest/route.h"

#include <string.h>

#include "core/mem.h"
#include "rest/handlers.h"

static const Route routes[] = {
#define ROUTE(method, pattern, handler, access, params, body, success, answer, errors, text)                 \
	{METHOD_##method, pattern, handler, ACCESS_##access, params, body,                                       \
	 success,		  answer,  errors,	#handler,		 text},
#define WEBSOCKET(path, topics, text)
#include "rest/routes.def"
#undef ROUTE
#undef WEBSOCKET
};

#define ROUTE_COUNT ((int)(sizeof(routes) / sizeof(routes[0])))

static const WebsocketRoute websockets[] = {
#define ROUTE(method, pattern, handler, access, params, body, success, answer, errors, text)
#define WEBSOCKET(path, topics, text) {path, topics, text},
#include "rest/routes.def"
#undef ROUTE
#undef WEBSOCKET
};

#define WEBSOCKET_COUNT ((int)(sizeof(websockets) / sizeof(websockets[0])))

static const Route asset_route = {METHOD_GET, "/{file}", asset_get, ACCESS_OPEN, "", "",
								  200,		  "",		 "",		"asset",	 ""};

const Route *
route_table(int *count)
{
	*count = ROUTE_COUNT;
	return routes;
}

const WebsocketRoute *
route_websockets(int *count)
{
	*count = WEBSOCKET_COUNT;
	return websockets;
}

bool
route_is_websocket(const char *path)
{
	for (int i = 0; i < WEBSOCKET_COUNT; i++)
		if (strcmp(websockets[i].path, path) == 0)
			return true;
	return false;
}

const char *
method_text(Method method)
{
	static const char *const texts[] = {"GET", "POST", "PUT", "DELETE", "?"};

	return texts[method];
}

/*
 * Matches a path; *arg and *arg_len tell what {…} stood for.  It may hold slashes: a table may be named so,
 * and libwebsockets decodes %2F before we see it.  What follows the braces ends the path, so nothing is
 * ambiguous.
 */
static bool
pattern_matches(const char *pattern, const char *path, const char **arg, size_t *arg_len)
{
	const char *brace = strchr(pattern, '{');
	size_t fixed = brace ? (size_t)(brace - pattern) : strlen(pattern);
	size_t len = strlen(path);
	const char *rest;

	*arg = NULL;
	*arg_len = 0;
	if (strncmp(pattern, path, fixed) != 0)
		return false;
	if (!brace)
		return path[fixed] == '\0';
	rest = strchr(brace, '}') + 1;
	if (len <= fixed + strlen(rest) || strcmp(path + len - strlen(rest), rest) != 0)
		return false;
	*arg = path + fixed;
	*arg_len = len - fixed - strlen(rest);
	return rest[0] != '\0' || !memchr(*arg, '/', *arg_len);
}

RouteMatch
route_find(Request *req, Buf *allow)
{
	const char *arg;
	size_t arg_len;
	bool known = false;

	for (int i = 0; i < ROUTE_COUNT; i++)
	{
		if (!pattern_matches(routes[i].pattern, req->path, &arg, &arg_len))
			continue;
		if (routes[i].method == req->method)
		{
			req->route = &routes[i];
			if (arg)
				req->path_arg = mem_strndup(arg, arg_len);
			return ROUTE_FOUND;
		}
		buf_printf(allow, "%s%s%s", known ? ", " : "", method_text(routes[i].method),
				   routes[i].method == METHOD_GET ? ", HEAD" : "");
		known = true;
	}
	if (known)
		return ROUTE_WRONG_METHOD;
	if (route_is_websocket(req->path) || asset_exists(req->path))
	{
		if (req->method != METHOD_GET)
		{
			buf_puts(allow, route_is_websocket(req->path) ? "GET" : "GET, HEAD");
			return ROUTE_WRONG_METHOD;
		}
		if (route_is_websocket(req->path))
			return ROUTE_WEBSOCKET;
		req->route = &asset_route;
		return ROUTE_FOUND;
	}
	return ROUTE_NONE;
}
