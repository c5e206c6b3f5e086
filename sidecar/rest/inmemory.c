/* inmemory.c - the column store: putting tables in and out, and how they stand. */
#include <stdio.h>
#include <string.h>

#include "http/response.h"
#include "pg/result.h"
#include "rest/handlers.h"
#include "rest/route.h"
#include "rest/schema.h"
#include "rest/sql.h"

static void
reply_table(Request *req, const PGresult *result)
{
	const TableName *table = sql_table(req);
	JsonWriter json;

	(void)result;
	reply_json_begin(req, &json);
	jsonw_object_begin(&json);
	jsonw_key_string(&json, "schema_name", table->schema_name);
	jsonw_key_string(&json, "table_name", table->table_name);
	jsonw_object_end(&json);
	reply_json_send(req, 200);
}

static void
reply_job(Request *req, const PGresult *result)
{
	const char *job = result_text(result, 0, "job");
	JsonWriter json;
	char url[64];

	if (!job)
	{
		reply_problem(req, STATUS_WRONG_STATE, "There is nothing to do");
		return;
	}
	snprintf(url, sizeof(url), "/api/v1/jobs/%s", job);
	reply_header(req, "Location", "%s", url);
	reply_json_begin(req, &json);
	jsonw_object_begin(&json);
	jsonw_key(&json, "job_id");
	jsonw_raw(&json, job, strlen(job));
	jsonw_key_string(&json, "url", url);
	jsonw_object_end(&json);
	reply_json_send(req, 202);
}

/* ---- changes ---- */

static void
enable_table(Request *req)
{
	Buf columns = {0};
	bool some = body_array(req, "columns", &columns);
	const char *priority = body_text(req, "priority");
	const char *compression = body_text(req, "compression");
	const char *params[] = {sql_table(req)->oid, some ? buf_text(&columns) : NULL,
							priority ? priority : "medium", compression ? compression : "auto"};

	sql_run(req, "SELECT strata.enable($1::oid::regclass, $2::text[], $3::text, $4::text)", 4, params,
			reply_table);
	buf_free(&columns);
}

void
inmemory_enable(Request *req)
{
	sql_resolve_table(req, body_text(req, "table"), enable_table);
}

static void
disable_table(Request *req)
{
	const char *params[] = {sql_table(req)->oid};

	sql_run(req, "SELECT strata.disable($1::oid::regclass)", 1, params, reply_table);
}

void
inmemory_disable(Request *req)
{
	sql_resolve_table(req, request_param(req, "table"), disable_table);
}

static void
populate_table(Request *req)
{
	const char *force = body_text(req, "force");
	const char *strategy = body_text(req, "strategy");
	const char *params[] = {sql_table(req)->oid, force ? force : "false", strategy ? strategy : "full"};

	sql_run(req, "SELECT strata.populate($1::oid::regclass, $2::bool, $3::text, false) AS job", 3, params,
			reply_job);
}

void
inmemory_populate(Request *req)
{
	sql_resolve_table(req, body_text(req, "table"), populate_table);
}

static void
evicted(Request *req, const PGresult *result)
{
	sql_reply_row(req, result, STATUS_INTERNAL, "");
}

static void
evict_table(Request *req)
{
	const char *params[] = {req->state ? sql_table(req)->oid : NULL, body_text(req, "threshold_percent")};

	sql_run(req, "SELECT coalesce(strata.evict($1::oid::regclass, $2::float8), 0) AS freed_bytes", 2, params,
			evicted);
}

void
inmemory_evict(Request *req)
{
	const char *table = body_text(req, "table");

	if (table)
		sql_resolve_table(req, table, evict_table);
	else
		evict_table(req);
}

static void
compact_table(Request *req)
{
	const char *params[] = {req->state ? sql_table(req)->oid : NULL};

	sql_run(req, "SELECT strata.compact($1::oid::regclass) AS job", 1, params, reply_job);
}

void
inmemory_compact(Request *req)
{
	const char *table = body_text(req, "table");

	if (table)
		sql_resolve_table(req, table, compact_table);
	else
		compact_table(req);
}

/* ---- how things stand ---- */

void
inmemory_status(Request *req)
{
	const char *params[] = {request_param(req, "status")};

	sql_list(req, "tables", "ColumnTable",
			 "FROM strata.column_tables WHERE $1::text IS NULL OR status = $1::text",
			 "schema_name, table_name", 1, params);
}

void
inmemory_stats(Request *req)
{
	sql_row(req, "ColumnStats", "FROM strata.column_stats()", 0, NULL);
}

static void
table_status_row(Request *req, const PGresult *result)
{
	sql_reply_row(req, result, STATUS_TABLE_NOT_FOUND, "The table is not in the column store");
}

static void
table_status(Request *req)
{
	const char *params[] = {sql_table(req)->oid};
	Buf sql = {0};

	buf_puts(&sql, "SELECT ");
	schema_columns(&sql, "ColumnTable");
	buf_puts(&sql, " FROM strata.column_tables WHERE relid = $1::oid::regclass");
	sql_run(req, buf_text(&sql), 1, params, table_status_row);
	buf_free(&sql);
}

void
inmemory_table_status(Request *req)
{
	sql_resolve_table(req, req->path_arg, table_status);
}

static void
table_segments(Request *req)
{
	char oid[16];
	const char *params[] = {oid, request_param(req, "column"), request_param(req, "unit")};

	snprintf(oid, sizeof(oid), "%s", sql_table(req)->oid);
	sql_list(req, "segments", "ColumnSegment",
			 "FROM strata.column_segments WHERE relid = $1::oid::regclass "
			 "AND ($2::text IS NULL OR column_name = $2::text) AND ($3::int4 IS NULL OR unit = $3::int4)",
			 "unit, attnum", 3, params);
}

void
inmemory_table_segments(Request *req)
{
	sql_resolve_table(req, req->path_arg, table_segments);
}

void
simd_features(Request *req)
{
	sql_row(req, "SimdFeatures", "FROM strata.simd_features()", 0, NULL);
}
