/*
 * sql.h - a request that asks PostgreSQL.
 *
 * Included by: rest/.
 * Memory: parameters are copied; a result lives until the callback returns.  Locking: none.
 * Errors answer the request by themselves (pg/sqlstate.def); a callback sees good results only.
 * Not here: connections (pg/pool.h).
 */
#ifndef STRATAD_REST_SQL_H
#define STRATAD_REST_SQL_H

#include <libpq-fe.h>

#include "http/request.h"

typedef void SqlRows(Request *req, const PGresult *result);

extern void sql_run(Request *req, const char *sql, int param_count, const char *const *params, SqlRows *then);
/* As sql_run, on the one connection that things of a session are kept by (pg_submit_home). */
extern void sql_run_home(Request *req, const char *sql, int param_count, const char *const *params,
						 SqlRows *then);
/* As sql_run, but an error is told to `failed` instead, which must answer. */
struct PgOutcome;
typedef void SqlFailed(Request *req, const struct PgOutcome *outcome);
extern void sql_run_or(Request *req, const char *sql, int param_count, const char *const *params,
					   SqlRows *then, SqlFailed *failed);
/* Answers with the problem that an outcome is. */
extern void sql_reply_problem(Request *req, const struct PgOutcome *outcome);

/*
 * A list with limit, offset and total: `source` is a SELECT without ORDER BY, whose columns are those of
 * `schema`; rows are answered under `key`.  Parameters are those of `source`; limit and offset are added.
 */
extern void sql_list(Request *req, const char *key, const char *schema, const char *source, const char *order,
					 int param_count, const char *const *params);

/* One row that is always there as the answer: `source` begins with FROM and has the columns of `schema`. */
extern void sql_row(Request *req, const char *schema, const char *source, int param_count,
					const char *const *params);

/* One row as the answer, or the problem `missing` when there is none. */
extern void sql_reply_row(Request *req, const PGresult *result, Status missing, const char *detail);

/* Finds the table that a client named; `then` runs with sql_table() set, or the request is answered 404/409.
 */
typedef void TableThen(Request *req);
extern void sql_resolve_table(Request *req, const char *name, TableThen *then);

typedef struct TableName
{
	char oid[16]; /* as text, for parameters: $1::oid::regclass */
	char *schema_name;
	char *table_name;
	TableThen *then;
} TableName;
extern const TableName *sql_table(const Request *req);

#endif
