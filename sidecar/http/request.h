/*
 * request.h - one HTTP request and its answer.
 *
 * Included by: http/, rest/, metrics/.
 * Memory: made when the headers are in, freed when the answer is written or the client is gone; all that a
 * handler needs is copied out of libwebsockets' header table, which does not live that long.
 * Locking: none.
 * A handler answers exactly once, now or later (reply_*); `responded` makes a second answer impossible.
 * A handler that waits for PostgreSQL sets `query`: when the client goes away the statement is cancelled.
 * Not here: the connection (server.c), routing (rest/router.h).
 */
#ifndef STRATAD_HTTP_REQUEST_H
#define STRATAD_HTTP_REQUEST_H

#include <json-c/json.h>
#include <libwebsockets.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/app.h"
#include "core/buf.h"
#include "core/status.h"

#define REQUEST_BODY_MAX	  (1024 * 1024)
#define REQUEST_PARAMS_MAX	  16
#define REQUEST_PARAM_LEN_MAX 1024
#define REQUEST_ID_LEN		  32
/* Most bytes of one lws_write; the rest goes in the next HTTP_WRITEABLE. */
#define RESPONSE_PIECE_MAX (64 * 1024)

struct PgOutcome;
struct PgQuery;
struct Route;
struct pg_result;

typedef enum Method
{
	METHOD_GET,
	METHOD_POST,
	METHOD_PUT,
	METHOD_DELETE,
	METHOD_OTHER
} Method;

typedef struct RequestParam
{
	char *name;
	char *value;
} RequestParam;

typedef struct Request
{
	App *app;
	struct lws *wsi; /* NULL once the client is gone */

	/* What was asked. */
	Method method;
	bool head; /* HEAD: a GET without the body of the answer */
	const char *method_name;
	char *path;
	char *path_arg; /* what {…} of the route's pattern matched; NULL when it has none */
	RequestParam params[REQUEST_PARAMS_MAX];
	int param_count;
	int64_t content_length;
	bool body_announced; /* libwebsockets will look for a body, rightly or wrongly */
	Buf body;
	json_object *json; /* the parsed body */
	const struct Route *route;
	const char *principal; /* NULL: not authenticated */
	char peer[64];
	char id[REQUEST_ID_LEN + 1];
	int64_t started_us;

	/* How far it is. */
	bool complete; /* headers and body are in; the handler was started */
	bool paused;   /* reading is off while the handler waits */
	bool responded;
	bool close_after; /* the connection cannot go on after this */
	struct PgQuery *query;
	void (*on_rows)(struct Request *req, const struct pg_result *result);
	void (*on_failure)(struct Request *req, const struct PgOutcome *outcome);
	struct Request *next_waiting;
	void *state; /* of the handler */
	void (*free_state)(void *state);

	/* What is answered. */
	int http_status;
	Buf head_out; /* extra header lines */
	Buf out;
	const void *fixed; /* instead of out: bytes that live as long as the program */
	size_t fixed_len;
	const char *content_type;
	bool head_written;
	size_t written;
} Request;

extern const char *request_param(const Request *req, const char *name);
extern void request_free(Request *req);

#endif
