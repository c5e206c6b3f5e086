/* buffer.c - the page pool: its figures, its pages, and what can be asked of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/response.h"
#include "pg/result.h"
#include "rest/handlers.h"
#include "rest/route.h"
#include "rest/schema.h"
#include "rest/sql.h"

/* A pin that nobody takes back ends by itself. */
#define PIN_SECONDS_DEFAULT "3600"

/* ---- how things stand ---- */

void
buffer_stats(Request *req)
{
	sql_row(req, "BufferStats",
			"FROM strata.pool_stats(), "
			"(SELECT pg_catalog.jsonb_agg(t) AS tiers FROM strata.pool_tiers() t) tiers",
			0, NULL);
}

void
buffer_eviction_stats(Request *req)
{
	sql_row(req, "BufferEvictionStats",
			"FROM strata.pool_stats(), (SELECT coalesce(pg_catalog.jsonb_agg(p), '[]') AS policy_stats "
			"FROM strata.pool_policy_stats() p) p",
			0, NULL);
}

void
buffer_hit_ratio(Request *req)
{
	sql_row(req, "BufferHitRatio", "FROM strata.pool_stats()", 0, NULL);
}

void
buffer_pages(Request *req)
{
	const char *params[] = {request_param(req, "tier"), request_param(req, "dirty"),
							request_param(req, "pinned"), request_param(req, "relid")};

	sql_list(req, "pages", "BufferPage",
			 "FROM strata.pool_pages WHERE ($1::text IS NULL OR tier = $1::text) "
			 "AND ($2::bool IS NULL OR dirty = $2::bool) AND ($3::bool IS NULL OR (pins > 0) = $3::bool) "
			 "AND ($4::oid IS NULL OR relid = $4::oid)",
			 "page_id", 4, params);
}

/* ---- changes ---- */

static void
one_row(Request *req, const PGresult *result)
{
	sql_reply_row(req, result, STATUS_INTERNAL, "");
}

void
buffer_flush(Request *req)
{
	const char *force = body_text(req, "force");
	const char *params[] = {force ? force : "false"};

	sql_run(req, "SELECT strata.pool_flush($1::bool) AS pages_written", 1, params, one_row);
}

void
buffer_prefetch(Request *req)
{
	Buf ids = {0};
	const char *params[1];

	body_array(req, "page_ids", &ids);
	params[0] = buf_text(&ids);
	sql_run(req, "SELECT strata.pool_prefetch($1::int8[]) AS queued", 1, params, one_row);
	buf_free(&ids);
}

/* Page ids are int8 and positive; anything else cannot be one. */
static bool
page_id_valid(Request *req)
{
	size_t len = strlen(req->path_arg);

	if (len <= 19 && strspn(req->path_arg, "0123456789") == len &&
		(len < 19 || strcmp(req->path_arg, "9223372036854775807") <= 0))
		return true;
	reply_problem(req, STATUS_OBJECT_NOT_FOUND, "A page is named by its number");
	return false;
}

void
buffer_page_pin(Request *req)
{
	const char *seconds = body_text(req, "expires_seconds");
	const char *params[] = {req->path_arg, seconds ? seconds : PIN_SECONDS_DEFAULT};

	if (page_id_valid(req))
		sql_run_home(req,
					 "SELECT $1::int8 AS page_id, strata.pool_pin($1::int8, "
					 "pg_catalog.make_interval(secs => $2::float8)) AS expires_at",
					 2, params, one_row);
}

static void
unpinned(Request *req, const PGresult *result)
{
	const char *released = result_text(result, 0, "released");

	if (released && released[0] == 't')
		sql_reply_row(req, result, STATUS_INTERNAL, "");
	else
		reply_problem(req, STATUS_WRONG_STATE, "This stratad has no pin on the page");
}

void
buffer_page_unpin(Request *req)
{
	const char *params[] = {req->path_arg};

	if (page_id_valid(req))
		sql_run_home(req, "SELECT $1::int8 AS page_id, strata.pool_unpin($1::int8) AS released", 1, params,
					 unpinned);
}

/* ---- simulation ---- */

void
buffer_simulate(Request *req)
{
	Buf trace = {0};
	const char *params[3];

	body_array(req, "trace", &trace);
	params[0] = body_text(req, "policy");
	params[1] = body_text(req, "frames");
	params[2] = buf_text(&trace);
	sql_row(req, "BufferSimulation", "FROM strata.pool_simulate($1::text, $2::int4, $3::int8[])", 3, params);
	buf_free(&trace);
}
