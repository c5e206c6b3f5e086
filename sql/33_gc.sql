-- gc.sql: memory pressure, garbage collection

CREATE FUNCTION strata.memory_pressure(OUT pressure_level text, OUT source text, OUT total_bytes bigint,
    OUT used_bytes bigint, OUT available_bytes bigint, OUT utilization_percent float8, OUT population_stopped bool,
    OUT since timestamptz, OUT measured_at timestamptz, OUT low_percent int, OUT medium_percent int,
    OUT high_percent int, OUT critical_percent int, OUT sources jsonb, OUT actions jsonb)
RETURNS record
LANGUAGE C VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'strata_memory_pressure';
COMMENT ON FUNCTION strata.memory_pressure() IS 'Memory pressure as the memory worker last measured it: the level and the source that has it, every source, the thresholds in force, and what was done since start.';
REVOKE EXECUTE ON FUNCTION strata.memory_pressure() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION strata.memory_pressure() TO pg_monitor;

CREATE FUNCTION strata.release_pressure(target_percent float8) RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE STRICT
AS 'MODULE_PATHNAME', 'strata_release_pressure';
COMMENT ON FUNCTION strata.release_pressure(float8) IS 'Gives memory back, cheapest first and pages to the cold file last, until no more than this percentage of strata.memory is used; returns the bytes that came back.';
REVOKE EXECUTE ON FUNCTION strata.release_pressure(float8) FROM PUBLIC;

CREATE FUNCTION strata.gc(aggressive bool DEFAULT false, OUT gc_type text, OUT freed_bytes bigint,
    OUT returned_bytes bigint, OUT contexts_cleaned int, OUT duration_ms float8, OUT fragmentation_before float8,
    OUT fragmentation_after float8)
RETURNS record
LANGUAGE C VOLATILE PARALLEL UNSAFE STRICT
AS 'MODULE_PATHNAME', 'strata_gc';
COMMENT ON FUNCTION strata.gc(bool) IS 'Collects memory that nobody uses: a major run, or with "aggressive" a full one; returns what came back to the region, what went back to the kernel of that and of what was free before, and how far free memory is cut up (0: one piece).';
REVOKE EXECUTE ON FUNCTION strata.gc(bool) FROM PUBLIC;

CREATE FUNCTION strata.hugepages(OUT kind text, OUT page_bytes bigint, OUT total_pages bigint, OUT free_pages bigint,
    OUT reserved_pages bigint, OUT surplus_pages bigint, OUT mapped_bytes bigint, OUT in_use_bytes bigint,
    OUT setting text)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'strata_hugepages';
COMMENT ON FUNCTION strata.hugepages() IS 'Huge pages of this machine, a row a size, and transparent ones; mapped_bytes and in_use_bytes are of the shared region (of transparent ones, what this session has mapped).';
REVOKE EXECUTE ON FUNCTION strata.hugepages() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION strata.hugepages() TO pg_monitor;
