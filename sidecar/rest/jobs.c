/* jobs.c - background work: listing and cancelling. */
#include <stdlib.h>
#include <string.h>

#include "http/response.h"
#include "pg/result.h"
#include "rest/handlers.h"
#include "rest/schema.h"
#include "rest/sql.h"

void
jobs_list(Request *req)
{
	const char *params[] = {request_param(req, "state"), request_param(req, "kind")};

	sql_list(req, "jobs", "Job",
			 "FROM strata.jobs WHERE ($1::text IS NULL OR state = $1::text) AND ($2::text IS NULL OR kind = "
			 "$2::text)",
			 "id DESC", 2, params);
}

/* Job numbers are int8; anything else cannot be one. */
static bool
job_id_valid(Request *req)
{
	size_t len = strlen(req->path_arg);

	if (len <= 18 && strspn(req->path_arg, "0123456789") == len)
		return true;
	reply_problem(req, STATUS_JOB_NOT_FOUND, "A job is named by its number");
	return false;
}

static void
job_select(Request *req, SqlRows *then)
{
	const char *params[] = {req->path_arg};
	Buf sql = {0};

	buf_puts(&sql, "SELECT ");
	schema_columns(&sql, "Job");
	buf_puts(&sql, " FROM strata.jobs WHERE id = $1::int8");
	sql_run(req, buf_text(&sql), 1, params, then);
	buf_free(&sql);
}

static void
job_row(Request *req, const PGresult *result)
{
	sql_reply_row(req, result, STATUS_JOB_NOT_FOUND, "There is no job of this number");
}

void
jobs_get(Request *req)
{
	if (job_id_valid(req))
		job_select(req, job_row);
}

static void
job_not_cancelled(Request *req, const PGresult *result)
{
	const char *state = result_text(result, 0, "state");

	if (state)
		reply_problem(req, STATUS_WRONG_STATE, "The job is %s", state);
	else
		reply_problem(req, STATUS_JOB_NOT_FOUND, "There is no job of this number");
}

static void
job_cancelled(Request *req, const PGresult *result)
{
	const char *done = result_text(result, 0, "cancelled");

	job_select(req, done && done[0] == 't' ? job_row : job_not_cancelled);
}

void
jobs_cancel(Request *req)
{
	const char *params[] = {req->path_arg};

	if (job_id_valid(req))
		sql_run(req, "SELECT strata.cancel_job($1::int8) AS cancelled", 1, params, job_cancelled);
}
