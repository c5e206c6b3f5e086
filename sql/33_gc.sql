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
