-- jobs.sql: what the background workers are asked to do

CREATE FUNCTION strata.jobs_rows(OUT id bigint, OUT kind text, OUT target text, OUT state text, OUT phase text,
    OUT done bigint, OUT total bigint, OUT started_at timestamptz, OUT finished_at timestamptz, OUT error text,
    OUT rows bigint, OUT total_rows bigint, OUT progress_percent float8, OUT estimated_remaining_ms float8,
    OUT workers int, OUT parent bigint)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'strata_jobs_rows';
COMMENT ON FUNCTION strata.jobs_rows() IS 'Rows of strata.jobs that the caller may see.';

CREATE VIEW strata.jobs AS SELECT * FROM strata.jobs_rows();
COMMENT ON VIEW strata.jobs IS 'Background jobs of this database, finished ones too until their place is needed; done and total count units, or tables in a job over several, whose parts name it as parent.';
GRANT SELECT ON strata.jobs TO PUBLIC;

CREATE FUNCTION strata.cancel_job(id bigint) RETURNS bool
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'strata_cancel_job';
COMMENT ON FUNCTION strata.cancel_job(bigint) IS 'Cancels a queued or running job; false when it has already ended.';
REVOKE EXECUTE ON FUNCTION strata.cancel_job(bigint) FROM PUBLIC;
