/*
 * pool.h - statements to PostgreSQL, from libwebsockets' poll loop.
 *
 * Included by: rest/, feed/, http/server.c, metrics/, main.c.
 * Memory: the pool owns connections and queries.  Results belong to the pool; they live until the callback
 * returns.  Locking: none; one thread.
 * Nothing here blocks, except that libpq looks up host names while a connection is made; give hostaddr
 * where that may be slow.  A statement runs at most --query-timeout; statements that find all connections
 * busy wait in a queue with an end.
 * Not here: which SQL (rest/), results as JSON (pg/result.h), SQLSTATE to status (pg/sqlstate.h).
 */
#ifndef STRATAD_PG_POOL_H
#define STRATAD_PG_POOL_H

#include <libpq-fe.h>
#include <libwebsockets.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/app.h"
#include "core/status.h"

/* A dashboard asks for a handful of things at once; PostgreSQL's connections are dear. */
#define PG_CONNECTIONS 3
#define PG_QUEUE_MAX   128
#define PG_PARAMS_MAX  16

typedef struct PgPool PgPool;
typedef struct PgQuery PgQuery;

/* What became of a statement.  `result` is NULL when PostgreSQL gave none. */
typedef struct PgOutcome
{
	Status status; /* STATUS_OK: result holds rows or a command tag */
	const PGresult *result;
	const char *sqlstate; /* "" when PostgreSQL gave none */
	const char *message;  /* for the client; "" on success */
	const char *hint;	  /* NULL: none */
} PgOutcome;

typedef void PgDone(void *context, const PgOutcome *outcome);

/* Called whenever a connection became usable after none was. */
typedef void PgUp(void *context);

extern PgPool *pg_pool_start(App *app);
/* Closes the connections, while the loop still exists; then, when no request is left, frees the pool. */
extern void pg_pool_close(PgPool *pool);
extern void pg_pool_free(PgPool *pool);
extern void pg_pool_on_up(PgPool *pool, PgUp *up, void *context);

/*
 * Runs one statement; text parameters, NULL is SQL NULL.  `done` is called once, later, never from within.
 * Returns NULL, with the reason in *refused, when it cannot even wait; `done` is then never called.
 */
extern PgQuery *pg_submit(PgPool *pool, const char *sql, int param_count, const char *const *params,
						  PgDone *done, void *context, Status *refused);
/* The same on one certain connection, for what belongs to a session; refused while that one is down. */
extern PgQuery *pg_submit_home(PgPool *pool, const char *sql, int param_count, const char *const *params,
							   PgDone *done, void *context, Status *refused);
/* The caller is gone: `done` will not be called, a running statement is cancelled. */
extern void pg_abandon(PgQuery *query);

typedef struct PgState
{
	bool up;
	int server_version;	 /* 0: never connected */
	const char *message; /* why not up, for people */
	int connections;
	int queued;
	int64_t queries, errors, reconnects;
} PgState;
extern PgState pg_pool_state(const PgPool *pool);

/* Of the protocol under which PostgreSQL's sockets are adopted. */
extern int pg_socket_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
							  size_t len);

#endif
