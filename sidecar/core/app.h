/*
 * app.h - the parts of one running stratad.
 *
 * Included by: whoever needs a neighbour.
 * Memory: main.c owns the App; the parts own themselves.  Locking: none; one thread.
 * Not here: what the parts do.
 */
#ifndef STRATAD_CORE_APP_H
#define STRATAD_CORE_APP_H

#include <libwebsockets.h>
#include <stdbool.h>
#include <stdint.h>

#include "auth/limit.h"
#include "auth/token.h"
#include "core/config.h"

struct Endpoint;
struct Feed;
struct History;
struct Metrics;
struct PgPool;
struct Request;
struct WsHub;

typedef struct App
{
	Config config;
	TokenStore tokens;
	RateBucket requests; /* of all valid tokens; there is one principal so far */
	RateBucket failures; /* wrong tokens: guessing is slowed down, right tokens are not */
	struct lws_context *lws;
	struct Request *waiting;	/* requests whose handler waits for PostgreSQL */
	struct Endpoint *endpoints; /* config.listens.count of them */
	struct PgPool *pg;
	struct Feed *feed;
	struct History *history;
	struct WsHub *ws;
	struct Metrics *metrics;
	int64_t started_us; /* unix time */
} App;

#endif
