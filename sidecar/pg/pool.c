/*
 * pool.c - see pool.h.
 *
 * A connection goes through DOWN -> CONNECTING -> SETTING_UP -> IDLE <-> BUSY, and from anywhere back to DOWN
 * with a growing, jittered pause.
 *
 * While CONNECTING, libpq may close and reopen its socket (several hosts, SSL retry), possibly under the
 * same number; so it is polled by a timer then, and only the socket of a finished connection is adopted
 * into the poll loop.  Adopted is a dup(): libwebsockets closes what it adopted, libpq closes its own.
 *
 * The first connection is "home" to what belongs to a session, such as pins of pool pages: what it pinned,
 * only it can unpin.  Such statements wait for it and go with it.
 *
 * Cancelling: PQcancel() blocks until the server answers, so a statement whose client is gone is cancelled by
 * pg_cancel_backend() from another connection, ahead of the queue; statement_timeout is the backstop.
 */
#include "pg/pool.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "http/server.h"
#include "pg/sqlstate.h"

#define CONNECT_POLL_US	   5000
#define CONNECT_TIMEOUT_US 10000000
#define BACKOFF_FIRST_US   250000
#define BACKOFF_LAST_US	   15000000
/* The server ends a statement after --query-timeout; a server that does not answer at all gets this longer.
 */
#define QUERY_GRACE_US	5000000
#define LOCK_TIMEOUT_MS 3000

typedef enum ConnState
{
	CONN_DOWN,
	CONN_CONNECTING,
	CONN_SETTING_UP,
	CONN_IDLE,
	CONN_BUSY
} ConnState;

struct PgQuery
{
	PgPool *pool;
	struct PgConn *conn; /* while it runs */
	char *sql;
	int param_count;
	char *params[PG_PARAMS_MAX];
	PgDone *done; /* NULL: abandoned */
	void *context;
	PgQuery *next; /* in the queue */
	int64_t deadline_us;
	bool home; /* runs on the first connection only */
};

typedef struct PgConn
{
	PgPool *pool;
	ConnState state;
	PGconn *pg;
	struct lws *wsi;
	PgQuery *query;
	PGresult *result; /* of the running statement, until it has ended */
	lws_sorted_usec_list_t timer;
	int64_t connect_deadline_us;
	int64_t backoff_us;
	PostgresPollingStatusType polling;
} PgConn;

struct PgPool
{
	App *app;
	PgConn conns[PG_CONNECTIONS];
	PgQuery *first, *last;
	int queued;
	int server_version;
	bool was_up;
	char message[256];
	PgUp *up;
	void *up_context;
	int64_t queries, errors, reconnects;
	lws_sorted_usec_list_t kick; /* runs the queue from the loop, not from within pg_submit */
};

static void conn_start(PgConn *conn);
static void conn_fail(PgConn *conn, const char *why);
static void pool_run(PgPool *pool);

/* ---- queries ---- */

static void
query_free(PgQuery *query)
{
	for (int i = 0; i < query->param_count; i++)
		mem_free(query->params[i]);
	mem_free(query->sql);
	mem_free(query);
}

static void
query_finish(PgQuery *query, const PgOutcome *outcome)
{
	query->conn = NULL;
	query->pool->queries++;
	if (outcome->status != STATUS_OK)
		query->pool->errors++;
	if (query->done)
		query->done(query->context, outcome);
	query_free(query);
}

static void
queue_push(PgPool *pool, PgQuery *query, bool ahead)
{
	if (ahead)
	{
		query->next = pool->first;
		pool->first = query;
		if (!pool->last)
			pool->last = query;
	}
	else
	{
		if (pool->last)
			pool->last->next = query;
		else
			pool->first = query;
		pool->last = query;
	}
	pool->queued++;
}

/* The first query that may run; not one for the home connection unless this is it. */
static PgQuery *
queue_take(PgPool *pool, bool home)
{
	PgQuery *before = NULL;
	PgQuery *query = pool->first;

	while (query && query->home && !home)
	{
		before = query;
		query = query->next;
	}
	if (!query)
		return NULL;
	if (before)
		before->next = query->next;
	else
		pool->first = query->next;
	if (pool->last == query)
		pool->last = before;
	query->next = NULL;
	pool->queued--;
	return query;
}

static PgQuery *
queue_pop(PgPool *pool)
{
	return queue_take(pool, true);
}

static bool
conn_is_up(const PgConn *conn)
{
	return conn->state == CONN_IDLE || conn->state == CONN_BUSY;
}

static bool
pool_is_up(const PgPool *pool)
{
	for (int i = 0; i < PG_CONNECTIONS; i++)
		if (conn_is_up(&pool->conns[i]))
			return true;
	return false;
}

static PgQuery *
query_new(PgPool *pool, const char *sql, int param_count, const char *const *params, PgDone *done,
		  void *context)
{
	PgQuery *query = mem_alloc(sizeof(PgQuery));

	query->pool = pool;
	query->sql = mem_strdup(sql);
	query->param_count = param_count;
	for (int i = 0; i < param_count; i++)
		query->params[i] = mem_strdup(params[i]);
	query->done = done;
	query->context = context;
	query->deadline_us =
		clock_monotonic_us() + (int64_t)pool->app->config.query_timeout_ms * 1000 + QUERY_GRACE_US;
	return query;
}

static void
pool_kick(lws_sorted_usec_list_t *timer)
{
	pool_run(lws_container_of(timer, PgPool, kick));
}

static PgQuery *
submit(PgPool *pool, bool home, const char *sql, int param_count, const char *const *params, PgDone *done,
	   void *context, Status *refused)
{
	PgQuery *query;

	if (home ? !conn_is_up(&pool->conns[0]) : !pool_is_up(pool))
	{
		*refused = STATUS_DATABASE_UNAVAILABLE;
		return NULL;
	}
	if (pool->queued >= PG_QUEUE_MAX)
	{
		*refused = STATUS_OVERLOADED;
		return NULL;
	}
	query = query_new(pool, sql, param_count, params, done, context);
	query->home = home;
	queue_push(pool, query, false);
	lws_sul_schedule(pool->app->lws, 0, &pool->kick, pool_kick, 1);
	return query;
}

PgQuery *
pg_submit(PgPool *pool, const char *sql, int param_count, const char *const *params, PgDone *done,
		  void *context, Status *refused)
{
	return submit(pool, false, sql, param_count, params, done, context, refused);
}

PgQuery *
pg_submit_home(PgPool *pool, const char *sql, int param_count, const char *const *params, PgDone *done,
			   void *context, Status *refused)
{
	return submit(pool, true, sql, param_count, params, done, context, refused);
}

static void
ignore_outcome(void *context, const PgOutcome *outcome)
{
	(void)context;
	(void)outcome;
}

static void
pool_cancel_backend(PgPool *pool, PGconn *pg)
{
	char pid[16];
	const char *params[] = {pid};

	snprintf(pid, sizeof(pid), "%d", PQbackendPID(pg));
	queue_push(
		pool,
		query_new(pool, "SELECT pg_catalog.pg_cancel_backend($1::int4)", 1, params, ignore_outcome, NULL),
		true);
	lws_sul_schedule(pool->app->lws, 0, &pool->kick, pool_kick, 1);
}

void
pg_abandon(PgQuery *query)
{
	PgPool *pool = query->pool;

	query->done = NULL;
	if (query->conn)
	{
		pool_cancel_backend(pool, query->conn->pg);
		return;
	}
	for (PgQuery **at = &pool->first, *before = NULL; *at; before = *at, at = &(*at)->next)
		if (*at == query)
		{
			*at = query->next;
			if (pool->last == query)
				pool->last = before;
			pool->queued--;
			query_free(query);
			return;
		}
}

/* ---- results ---- */

static void
outcome_of_result(PgOutcome *outcome, const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	*outcome = (PgOutcome){.status = STATUS_OK, .result = result, .sqlstate = "", .message = ""};
	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
		return;
	outcome->sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	outcome->message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	outcome->hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
	if (!outcome->sqlstate)
		outcome->sqlstate = "";
	if (!outcome->message)
		outcome->message = "PostgreSQL gave no answer";
	outcome->status =
		outcome->sqlstate[0] ? sqlstate_to_status(outcome->sqlstate) : STATUS_DATABASE_UNAVAILABLE;
	/* A position means that our own statement names what is not there, and that can only be of pg_strata. */
	if (outcome->sqlstate[0] == '4' && outcome->sqlstate[1] == '2' &&
		outcome->status != STATUS_PERMISSION_DENIED && PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION))
		outcome->status = STATUS_EXTENSION_MISSING;
}

static void
conn_statement_ended(PgConn *conn)
{
	PgQuery *query = conn->query;
	PGresult *result = conn->result;
	PgOutcome outcome;

	conn->query = NULL;
	conn->result = NULL;
	if (conn->state == CONN_SETTING_UP && result && PQresultStatus(result) != PGRES_COMMAND_OK)
	{
		PQclear(result);
		conn_fail(conn, PQerrorMessage(conn->pg));
		return;
	}
	conn->state = CONN_IDLE;
	if (query)
	{
		if (result)
			outcome_of_result(&outcome, result);
		else
			outcome = (PgOutcome){.status = STATUS_DATABASE_UNAVAILABLE,
								  .sqlstate = "",
								  .message = "PostgreSQL gave no answer"};
		query_finish(query, &outcome);
	}
	PQclear(result);
}

/* What arrived on the socket. */
static void
conn_read(PgConn *conn)
{
	PgPool *pool = conn->pool;

	if (!PQconsumeInput(conn->pg))
	{
		conn_fail(conn, PQerrorMessage(conn->pg));
		return;
	}
	while ((conn->state == CONN_BUSY || conn->state == CONN_SETTING_UP) && !PQisBusy(conn->pg))
	{
		PGresult *result = PQgetResult(conn->pg);

		if (!result)
		{
			conn_statement_ended(conn);
			break;
		}
		/* Of several results the first error counts, else the last. */
		if (conn->result && PQresultStatus(conn->result) == PGRES_FATAL_ERROR)
			PQclear(result);
		else
		{
			PQclear(conn->result);
			conn->result = result;
		}
	}
	if (conn->state == CONN_DOWN)
		return;
	if (PQstatus(conn->pg) == CONNECTION_BAD)
	{
		conn_fail(conn, PQerrorMessage(conn->pg));
		return;
	}
	if (conn->state == CONN_IDLE)
	{
		if (!pool->was_up)
		{
			pool->was_up = true;
			log_info("connected to PostgreSQL %d.%d as node %s", pool->server_version / 10000,
					 pool->server_version % 10000, pool->app->config.node_name);
			if (pool->up)
				pool->up(pool->up_context);
		}
		pool_run(pool);
	}
}

static void
conn_flush(PgConn *conn)
{
	int left = PQflush(conn->pg);

	if (left < 0)
		conn_fail(conn, PQerrorMessage(conn->pg));
	else if (left > 0 && conn->wsi)
		lws_callback_on_writable(conn->wsi);
}

int
pg_socket_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	PgConn *conn = lws_get_opaque_user_data(wsi);

	(void)user;
	(void)in;
	(void)len;
	/* Only files are ours: a network peer that ends up here is sent away. */
	if (reason == LWS_CALLBACK_RAW_ADOPT || reason == LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION)
		return -1;
	if (!conn || conn->wsi != wsi)
		return 0;
	switch (reason)
	{
		case LWS_CALLBACK_RAW_RX_FILE:
			conn_read(conn);
			/* A failed connection has let go of this wsi; it is closed by returning -1. */
			return conn->wsi == wsi ? 0 : -1;
		case LWS_CALLBACK_RAW_WRITEABLE_FILE:
			conn_flush(conn);
			return conn->wsi == wsi ? 0 : -1;
		case LWS_CALLBACK_RAW_CLOSE_FILE:
			conn->wsi = NULL;
			if (conn->state != CONN_DOWN)
				conn_fail(conn, "the connection was closed");
			return 0;
		default:
			return 0;
	}
}

/* ---- connecting ---- */

static void
conn_retry(lws_sorted_usec_list_t *timer)
{
	conn_start(lws_container_of(timer, PgConn, timer));
}

static void
conn_close(PgConn *conn)
{
	if (conn->wsi)
	{
		struct lws *wsi = conn->wsi;

		conn->wsi = NULL;
		lws_set_opaque_user_data(wsi, NULL);
		lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
	}
	lws_sul_cancel(&conn->timer);
	PQclear(conn->result);
	conn->result = NULL;
	PQfinish(conn->pg);
	conn->pg = NULL;
	conn->state = CONN_DOWN;
}

static void
query_fail(PgQuery *query, const char *message)
{
	query_finish(query,
				 &(PgOutcome){.status = STATUS_DATABASE_UNAVAILABLE, .sqlstate = "", .message = message});
}

static void
queue_fail_all(PgPool *pool)
{
	PgQuery *query;

	while ((query = queue_pop(pool)))
		query_fail(query, pool->message);
}

/* The session is gone that those who wait for the home connection meant. */
static void
queue_fail_home(PgPool *pool)
{
	PgQuery *others = NULL;
	PgQuery **end = &others;
	PgQuery *query;

	while ((query = queue_pop(pool)))
	{
		if (query->home)
			query_fail(query, "The connection to PostgreSQL was lost");
		else
		{
			*end = query;
			end = &query->next;
		}
	}
	while ((query = others))
	{
		others = query->next;
		query->next = NULL;
		queue_push(pool, query, false);
	}
}

static void
conn_fail(PgConn *conn, const char *why)
{
	PgPool *pool = conn->pool;
	PgQuery *query = conn->query;
	size_t len;

	/* libpq's message may have several lines and names hosts and users; the log gets it, clients do not. */
	len = strlen(why);
	while (len > 0 && why[len - 1] == '\n')
		len--;
	if (pool->was_up || pool->message[0] == '\0' || conn == &pool->conns[0])
		log_warning("PostgreSQL, node %s: %.*s", pool->app->config.node_name, (int)len, why);
	conn->query = NULL;
	conn_close(conn);
	pool->reconnects++;

	snprintf(pool->message, sizeof(pool->message), "PostgreSQL cannot be reached; trying again");
	if (query)
		query_fail(query, "The connection to PostgreSQL was lost");
	if (conn == &pool->conns[0])
		queue_fail_home(pool);
	if (!pool_is_up(pool))
	{
		pool->was_up = false;
		queue_fail_all(pool);
	}
	/* Half of the pause is random, so that many sidecars do not come back in the same instant. */
	conn->backoff_us = conn->backoff_us ? conn->backoff_us * 2 : BACKOFF_FIRST_US;
	if (conn->backoff_us > BACKOFF_LAST_US)
		conn->backoff_us = BACKOFF_LAST_US;
	lws_sul_schedule(pool->app->lws, 0, &conn->timer, conn_retry,
					 conn->backoff_us / 2 + (int64_t)(drand48() * (double)conn->backoff_us / 2));
}

/* The session that every statement finds: UTC, ISO dates, nothing found by search_path, limits. */
static void
conn_set_up(PgConn *conn)
{
	PgPool *pool = conn->pool;
	lws_sock_file_fd_type fd;
	char sql[512];

	snprintf(
		sql, sizeof(sql),
		"SET search_path = pg_catalog; SET timezone = 'UTC'; SET datestyle = 'ISO'; SET intervalstyle = "
		"'iso_8601'; "
		"SET client_encoding = 'UTF8'; SET extra_float_digits = 1; SET bytea_output = 'hex'; "
		"SET statement_timeout = %d; SET lock_timeout = %d; SET idle_in_transaction_session_timeout = 10000",
		pool->app->config.query_timeout_ms, LOCK_TIMEOUT_MS);
	conn->state = CONN_SETTING_UP;
	pool->server_version = PQserverVersion(conn->pg);
	PQsetnonblocking(conn->pg, 1);
	fd.filefd = dup(PQsocket(conn->pg));
	if (fd.filefd < 0)
	{
		conn_fail(conn, "no file descriptor left");
		return;
	}
	conn->wsi = lws_adopt_descriptor_vhost(pool->app->endpoints[0].vhost, LWS_ADOPT_RAW_FILE_DESC, fd,
										   SERVER_PROTOCOL_PG, NULL);
	if (!conn->wsi)
	{
		conn_fail(conn, "the socket was not adopted");
		return;
	}
	lws_set_opaque_user_data(conn->wsi, conn);
	if (!PQsendQuery(conn->pg, sql))
		conn_fail(conn, PQerrorMessage(conn->pg));
	else
		conn_flush(conn);
}

/* libpq must only be called on when its socket is ready, so look first. */
static void
conn_poll(lws_sorted_usec_list_t *timer)
{
	PgConn *conn = lws_container_of(timer, PgConn, timer);
	struct pollfd pollfd = {.fd = PQsocket(conn->pg)};

	if (clock_monotonic_us() > conn->connect_deadline_us)
	{
		conn_fail(conn, "no answer while connecting");
		return;
	}
	pollfd.events = conn->polling == PGRES_POLLING_READING ? POLLIN : POLLOUT;
	if (pollfd.fd >= 0 && poll(&pollfd, 1, 0) > 0)
		conn->polling = PQconnectPoll(conn->pg);
	if (conn->polling == PGRES_POLLING_FAILED)
		conn_fail(conn, PQerrorMessage(conn->pg));
	else if (conn->polling == PGRES_POLLING_OK)
		conn_set_up(conn);
	else
		lws_sul_schedule(conn->pool->app->lws, 0, &conn->timer, conn_poll, CONNECT_POLL_US);
}

static void
ignore_notice(void *context, const PGresult *result)
{
	(void)context;
	(void)result;
}

static void
conn_start(PgConn *conn)
{
	static const char *const names[] = {"dbname", "fallback_application_name", NULL};
	const char *values[] = {conn->pool->app->config.node_conninfo, "stratad", NULL};

	/* An empty dbname would hide PGDATABASE and the service file. */
	if (values[0][0] == '\0')
		conn->pg = PQconnectStartParams(names + 1, values + 1, 0);
	else
		conn->pg = PQconnectStartParams(names, values, 1);
	if (!conn->pg || PQstatus(conn->pg) == CONNECTION_BAD)
	{
		conn_fail(conn, conn->pg ? PQerrorMessage(conn->pg) : "out of memory");
		return;
	}
	PQsetNoticeReceiver(conn->pg, ignore_notice, NULL);
	conn->state = CONN_CONNECTING;
	conn->polling = PGRES_POLLING_WRITING;
	conn->connect_deadline_us = clock_monotonic_us() + CONNECT_TIMEOUT_US;
	lws_sul_schedule(conn->pool->app->lws, 0, &conn->timer, conn_poll, 1);
}

/* ---- the pool ---- */

static void
conn_deadline(lws_sorted_usec_list_t *timer)
{
	PgConn *conn = lws_container_of(timer, PgConn, timer);

	conn_fail(conn, "no answer to a statement");
}

static void
conn_run(PgConn *conn, PgQuery *query)
{
	conn->query = query;
	conn->state = CONN_BUSY;
	conn->backoff_us = 0;
	query->conn = conn;
	if (!PQsendQueryParams(conn->pg, query->sql, query->param_count, NULL, (const char *const *)query->params,
						   NULL, NULL, 0))
	{
		conn_fail(conn, PQerrorMessage(conn->pg));
		return;
	}
	lws_sul_schedule(conn->pool->app->lws, 0, &conn->timer, conn_deadline,
					 query->deadline_us - clock_monotonic_us());
	conn_flush(conn);
}

static void
pool_run(PgPool *pool)
{
	PgQuery *query;

	for (int i = 0; i < PG_CONNECTIONS; i++)
	{
		PgConn *conn = &pool->conns[i];

		if (conn->state == CONN_IDLE)
			lws_sul_cancel(&conn->timer);
		if (conn->state == CONN_IDLE && (query = queue_take(pool, i == 0)))
			conn_run(conn, query);
	}
}

PgPool *
pg_pool_start(App *app)
{
	PgPool *pool = mem_alloc(sizeof(PgPool));

	pool->app = app;
	srand48(clock_unix_us() ^ getpid());
	snprintf(pool->message, sizeof(pool->message), "Connecting to PostgreSQL");
	for (int i = 0; i < PG_CONNECTIONS; i++)
	{
		pool->conns[i].pool = pool;
		conn_start(&pool->conns[i]);
	}
	return pool;
}

void
pg_pool_on_up(PgPool *pool, PgUp *up, void *context)
{
	pool->up = up;
	pool->up_context = context;
}

/* Statements that still have somebody go back into the queue, where pg_abandon() finds them. */
void
pg_pool_close(PgPool *pool)
{
	if (!pool)
		return;
	lws_sul_cancel(&pool->kick);
	for (int i = 0; i < PG_CONNECTIONS; i++)
	{
		PgConn *conn = &pool->conns[i];
		PgQuery *query = conn->query;

		conn->query = NULL;
		if (query)
		{
			query->conn = NULL;
			queue_push(pool, query, false);
		}
		conn_close(conn);
	}
}

void
pg_pool_free(PgPool *pool)
{
	PgQuery *query;

	if (!pool)
		return;
	while ((query = queue_pop(pool)))
		query_free(query);
	mem_free(pool);
}

PgState
pg_pool_state(const PgPool *pool)
{
	PgState state = {.server_version = pool->server_version,
					 .queued = pool->queued,
					 .queries = pool->queries,
					 .errors = pool->errors,
					 .reconnects = pool->reconnects};

	for (int i = 0; i < PG_CONNECTIONS; i++)
		if (conn_is_up(&pool->conns[i]))
			state.connections++;
	state.up = state.connections > 0;
	state.message = state.up ? "Connected" : pool->message;
	return state;
}
