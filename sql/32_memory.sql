-- memory.sql: the shared region

CREATE FUNCTION strata.memory_status(OUT reserved_bytes bigint, OUT limit_bytes bigint, OUT page_size bigint,
    OUT used_bytes bigint, OUT requested_bytes bigint, OUT overhead_bytes bigint, OUT free_bytes bigint,
    OUT largest_free_bytes bigint, OUT allocs bigint, OUT frees bigint, OUT failures bigint,
    OUT huge_page_size bigint, OUT huge_pages text)
RETURNS record
LANGUAGE C VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'strata_memory_status';
COMMENT ON FUNCTION strata.memory_status() IS 'The shared region: reserved, limit, and where every byte is.';
REVOKE EXECUTE ON FUNCTION strata.memory_status() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION strata.memory_status() TO pg_monitor;
