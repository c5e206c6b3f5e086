/* sql.c - see sql.h. */
#include "rest/sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "http/response.h"
#include "pg/pool.h"
#include "pg/result.h"
#include "rest/route.h"
#include "rest/schema.h"

#define LIST_LIMIT_DEFAULT 50
/* Tables that an ambiguous name lists. */
#define CANDIDATES_MAX 20

void
sql_reply_problem(Request *req, const PgOutcome *outcome)
{
	reply_problem_full(req, &(Problem){.status = outcome->status,
									   .detail = outcome->message,
									   .hint = outcome->hint,
									   .sqlstate = outcome->sqlstate[0] ? outcome->sqlstate : NULL});
}

static void
sql_done(void *context, const PgOutcome *outcome)
{
	Request *req = context;

	req->query = NULL;
	if (outcome->status == STATUS_OK)
		req->on_rows(req, outcome->result);
	else if (req->on_failure)
		req->on_failure(req, outcome);
	else
		sql_reply_problem(req, outcome);
}

typedef PgQuery *SqlSubmit(PgPool *pool, const char *sql, int param_count, const char *const *params,
						   PgDone *done, void *context, Status *refused);

static void
run(Request *req, SqlSubmit *submit, const char *sql, int param_count, const char *const *params,
	SqlRows *then, SqlFailed *failed)
{
	Status refused;

	req->on_rows = then;
	req->on_failure = failed;
	req->query = submit(req->app->pg, sql, param_count, params, sql_done, req, &refused);
	if (!req->query)
	{
		PgOutcome outcome = {.status = refused,
							 .sqlstate = "",
							 .message = refused == STATUS_OVERLOADED ? "Too many requests wait for PostgreSQL"
																	 : pg_pool_state(req->app->pg).message};

		if (failed)
			failed(req, &outcome);
		else
			sql_reply_problem(req, &outcome);
	}
}

void
sql_run_or(Request *req, const char *sql, int param_count, const char *const *params, SqlRows *then,
		   SqlFailed *failed)
{
	run(req, pg_submit, sql, param_count, params, then, failed);
}

void
sql_run_home(Request *req, const char *sql, int param_count, const char *const *params, SqlRows *then)
{
	run(req, pg_submit_home, sql, param_count, params, then, NULL);
}

void
sql_run(Request *req, const char *sql, int param_count, const char *const *params, SqlRows *then)
{
	sql_run_or(req, sql, param_count, params, then, NULL);
}

void
sql_reply_row(Request *req, const PGresult *result, Status missing, const char *detail)
{
	JsonWriter json;

	if (PQntuples(result) == 0)
	{
		reply_problem(req, missing, "%s", detail);
		return;
	}
	reply_json_begin(req, &json);
	result_write_row(&json, result, 0);
	reply_json_send(req, req->route->success);
}

static void
only_row(Request *req, const PGresult *result)
{
	sql_reply_row(req, result, STATUS_INTERNAL, "");
}

void
sql_row(Request *req, const char *schema, const char *source, int param_count, const char *const *params)
{
	Buf sql = {0};

	buf_puts(&sql, "SELECT ");
	schema_columns(&sql, schema);
	buf_printf(&sql, " %s", source);
	sql_run(req, buf_text(&sql), param_count, params, only_row);
	buf_free(&sql);
}

/* ---- lists ---- */

typedef struct ListState
{
	const char *key;
} ListState;

static void
list_rows(Request *req, const PGresult *result)
{
	const ListState *state = req->state;
	int rows = PQntuples(result);
	int marker = PQfnumber(result, "_row");
	JsonWriter json;

	reply_json_begin(req, &json);
	jsonw_object_begin(&json);
	jsonw_key(&json, state->key);
	jsonw_array_begin(&json);
	for (int row = 0; row < rows; row++)
		if (!PQgetisnull(result, row, marker))
			result_write_row(&json, result, row);
	jsonw_array_end(&json);
	jsonw_key_int(&json, "total", strtoll(result_text(result, 0, "_total"), NULL, 10));
	jsonw_key_int(&json, "limit", param_int(req, "limit", LIST_LIMIT_DEFAULT));
	jsonw_key_int(&json, "offset", param_int(req, "offset", 0));
	jsonw_object_end(&json);
	reply_json_send(req, 200);
}

/*
 * The count and the page in one statement, so that they agree.  The outer join keeps the count when the page
 * is empty.
 */
void
sql_list(Request *req, const char *key, const char *schema, const char *source, const char *order,
		 int param_count, const char *const *params)
{
	const char *all[PG_PARAMS_MAX];
	char limit[24];
	char offset[24];
	Buf sql = {0};
	ListState *state = mem_alloc(sizeof(ListState));

	state->key = key;
	if (req->free_state)
		req->free_state(req->state);
	req->state = state;
	req->free_state = mem_free;
	for (int i = 0; i < param_count; i++)
		all[i] = params[i];
	snprintf(limit, sizeof(limit), "%lld", (long long)param_int(req, "limit", LIST_LIMIT_DEFAULT));
	snprintf(offset, sizeof(offset), "%lld", (long long)param_int(req, "offset", 0));
	all[param_count] = limit;
	all[param_count + 1] = offset;

	buf_puts(&sql, "WITH matching AS MATERIALIZED (SELECT ");
	schema_columns(&sql, schema);
	buf_printf(&sql,
			   " %s) SELECT counted._total, page.* FROM (SELECT count(*) AS _total FROM matching) counted "
			   "LEFT JOIN LATERAL (SELECT true AS _row, matching.* FROM matching ORDER BY %s "
			   "LIMIT $%d::int8 OFFSET $%d::int8) page ON true",
			   source, order, param_count + 1, param_count + 2);
	sql_run(req, buf_text(&sql), param_count + 2, all, list_rows);
	buf_free(&sql);
}

/* ---- tables ---- */

static void
table_free(void *state)
{
	TableName *table = state;

	mem_free(table->schema_name);
	mem_free(table->table_name);
	mem_free(table);
}

const TableName *
sql_table(const Request *req)
{
	return req->state;
}

static void
table_ambiguous(Request *req, const PGresult *result)
{
	char *candidates[CANDIDATES_MAX + 1] = {0};
	int rows = PQntuples(result);

	for (int row = 0; row < rows && row < CANDIDATES_MAX; row++)
	{
		Buf name = {0};

		buf_printf(&name, "%s.%s", result_text(result, row, "nspname"), result_text(result, row, "relname"));
		candidates[row] = name.data;
	}
	reply_problem_full(req, &(Problem){.status = STATUS_AMBIGUOUS_NAME,
									   .detail = "Name the schema, too",
									   .candidates = (const char *const *)candidates});
	for (int row = 0; row < CANDIDATES_MAX; row++)
		mem_free(candidates[row]);
}

static void
table_found(Request *req, const PGresult *result)
{
	TableName *table = req->state;
	int rows = PQntuples(result);

	if (rows == 0)
	{
		reply_problem(req, STATUS_TABLE_NOT_FOUND, "There is no table of this name");
		return;
	}
	if (rows > 1)
	{
		table_ambiguous(req, result);
		return;
	}
	snprintf(table->oid, sizeof(table->oid), "%s", result_text(result, 0, "oid"));
	table->schema_name = mem_strdup(result_text(result, 0, "nspname"));
	table->table_name = mem_strdup(result_text(result, 0, "relname"));
	table->then(req);
}

/*
 * A name with a schema is meant; one without must be unique among users' tables, and only where there is none
 * is it looked for among the catalogs (which pg_strata then refuses with its own words, as it does views).
 * Names are compared as they are and as they are quoted in SQL, never parsed.
 */
void
sql_resolve_table(Request *req, const char *name, TableThen *then)
{
	static const char sql[] =
		"WITH named AS ("
		"  SELECT c.oid, n.nspname, c.relname, qualified,"
		"         CASE WHEN qualified THEN 0"
		"              WHEN n.nspname IN ('pg_catalog', 'information_schema', 'pg_toast') THEN 2 ELSE 1 END "
		"AS rank"
		"  FROM pg_catalog.pg_class c"
		"  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,"
		"  LATERAL (SELECT $1::text IN (n.nspname || '.' || c.relname,"
		"                               quote_ident(n.nspname) || '.' || quote_ident(c.relname)) AS "
		"qualified) q"
		"  WHERE (qualified OR (c.relpersistence <> 't' AND $1::text IN (c.relname, quote_ident(c.relname))))"
		"    AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 't'))"
		"SELECT oid, nspname, relname FROM named WHERE rank = (SELECT min(rank) FROM named) "
		"ORDER BY nspname, relname LIMIT 20";
	TableName *table = mem_alloc(sizeof(TableName));

	table->then = then;
	req->state = table;
	req->free_state = table_free;
	sql_run(req, sql, 1, &name, table_found);
}
