-- simd.sql: vector instructions
CREATE FUNCTION strata.simd_features(
  OUT level text, OUT vector_width int, OUT setting text, OUT best_level text,
  OUT sse42 bool, OUT avx2 bool, OUT avx512f bool, OUT avx512bw bool, OUT avx512dq bool, OUT avx512vl bool,
  OUT avx512vbmi bool, OUT avx512vpopcntdq bool)
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'strata_simd_features';
COMMENT ON FUNCTION strata.simd_features() IS 'Level and width in bits of the vector instructions in use, the setting strata.simd, the best level possible here, and what the CPU and the operating system support.';

-- what the operators did; of all databases, so reading takes pg_monitor

CREATE FUNCTION strata.simd_stats(OUT level text, OUT vector_width int, OUT calls bigint, OUT rows_processed bigint,
    OUT rows_selected bigint, OUT bytes bigint, OUT simd_ops bigint, OUT scalar_ops bigint, OUT simd_ratio float8,
    OUT total_us float8, OUT since timestamptz)
RETURNS record
LANGUAGE C VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'strata_simd_stats';
COMMENT ON FUNCTION strata.simd_stats() IS 'What the SIMD operators have done since the server started or strata.simd_reset(), all operations together: plan nodes that ended and calls of the functions on arrays, rows, bytes read, and values by vector kernels and by scalar code. level and vector_width are this session''s.';
REVOKE EXECUTE ON FUNCTION strata.simd_stats() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION strata.simd_stats() TO pg_monitor;

CREATE FUNCTION strata.simd_metrics(OUT operation text, OUT calls bigint, OUT rows_processed bigint,
    OUT rows_selected bigint, OUT bytes bigint, OUT simd_ops bigint, OUT scalar_ops bigint, OUT simd_ratio float8,
    OUT total_us float8, OUT min_us float8, OUT max_us float8, OUT p50_us float8, OUT p95_us float8, OUT p99_us float8)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL SAFE ROWS 5
AS 'MODULE_PATHNAME', 'strata_simd_metrics';
COMMENT ON FUNCTION strata.simd_metrics() IS 'The same by operation: filter, aggregate, scan, hash, string_match; with the durations of a call. Percentiles are right to 6 %.';
REVOKE EXECUTE ON FUNCTION strata.simd_metrics() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION strata.simd_metrics() TO pg_monitor;

CREATE FUNCTION strata.simd_last(IN operation text, OUT operation_type text, OUT finished_at timestamptz, OUT pid int,
    OUT database text, OUT table_name text, OUT rows_processed bigint, OUT rows_selected bigint,
    OUT selectivity float8, OUT bytes bigint, OUT simd_ops bigint, OUT scalar_ops bigint, OUT simd_ratio float8,
    OUT duration_us float8, OUT throughput_rows_per_sec float8, OUT vector_width int)
RETURNS SETOF record
LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 1
AS 'MODULE_PATHNAME', 'strata_simd_last_row';
COMMENT ON FUNCTION strata.simd_last(text) IS 'The plan node that last ended of those that did this operation, as its event tells; no row if there was none since the server started or strata.simd_reset().';
REVOKE EXECUTE ON FUNCTION strata.simd_last(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION strata.simd_last(text) TO pg_monitor;

CREATE FUNCTION strata.simd_reset() RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'strata_simd_reset_all';
COMMENT ON FUNCTION strata.simd_reset() IS 'Begins the figures of strata.simd_stats(), simd_metrics() and simd_last() anew.';
REVOKE EXECUTE ON FUNCTION strata.simd_reset() FROM PUBLIC;

-- operators on arrays: the answers and errors of PostgreSQL's operators and aggregates over unnest(array)

CREATE FUNCTION strata.simd_filter("array" anyarray, op text, value anyelement) RETURNS int[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'strata_simd_filter';
COMMENT ON FUNCTION strata.simd_filter(anyarray, text, anyelement) IS 'Places, from 1 on in storage order whatever the dimensions, of the elements for which "element op value" is true; op is =, <>, !=, <, <=, > or >=.';

CREATE FUNCTION strata.simd_sum("array" smallint[]) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'strata_simd_sum';
CREATE FUNCTION strata.simd_sum("array" int[]) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'strata_simd_sum';
CREATE FUNCTION strata.simd_sum("array" bigint[]) RETURNS numeric
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'strata_simd_sum';
CREATE FUNCTION strata.simd_sum("array" real[]) RETURNS real
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'strata_simd_sum';
CREATE FUNCTION strata.simd_sum("array" float8[]) RETURNS float8
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'strata_simd_sum';
CREATE FUNCTION strata.simd_sum("array" numeric[]) RETURNS numeric
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'strata_simd_sum';
COMMENT ON FUNCTION strata.simd_sum(smallint[]) IS 'sum() of the elements that are not NULL.';
COMMENT ON FUNCTION strata.simd_sum(int[]) IS 'sum() of the elements that are not NULL.';
COMMENT ON FUNCTION strata.simd_sum(bigint[]) IS 'sum() of the elements that are not NULL.';
COMMENT ON FUNCTION strata.simd_sum(real[]) IS 'sum() of the elements that are not NULL.';
COMMENT ON FUNCTION strata.simd_sum(float8[]) IS 'sum() of the elements that are not NULL.';
COMMENT ON FUNCTION strata.simd_sum(numeric[]) IS 'sum() of the elements that are not NULL.';

CREATE FUNCTION strata.simd_avg("array" smallint[]) RETURNS numeric
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'strata_simd_avg';
CREATE FUNCTION strata.simd_avg("array" int[]) RETURNS numeric
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'strata_simd_avg';
CREATE FUNCTION strata.simd_avg("array" bigint[]) RETURNS numeric
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'strata_simd_avg';
CREATE FUNCTION strata.simd_avg("array" real[]) RETURNS float8
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'strata_simd_avg';
CREATE FUNCTION strata.simd_avg("array" float8[]) RETURNS float8
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'strata_simd_avg';
CREATE FUNCTION strata.simd_avg("array" numeric[]) RETURNS numeric
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'strata_simd_avg';
COMMENT ON FUNCTION strata.simd_avg(smallint[]) IS 'avg() of the elements that are not NULL.';
COMMENT ON FUNCTION strata.simd_avg(int[]) IS 'avg() of the elements that are not NULL.';
COMMENT ON FUNCTION strata.simd_avg(bigint[]) IS 'avg() of the elements that are not NULL.';
COMMENT ON FUNCTION strata.simd_avg(real[]) IS 'avg() of the elements that are not NULL.';
COMMENT ON FUNCTION strata.simd_avg(float8[]) IS 'avg() of the elements that are not NULL.';
COMMENT ON FUNCTION strata.simd_avg(numeric[]) IS 'avg() of the elements that are not NULL.';

CREATE FUNCTION strata.simd_min("array" anyarray) RETURNS anyelement
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'strata_simd_min';
COMMENT ON FUNCTION strata.simd_min(anyarray) IS 'min() of the elements that are not NULL, of any type that has an order.';
CREATE FUNCTION strata.simd_max("array" anyarray) RETURNS anyelement
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'strata_simd_max';
COMMENT ON FUNCTION strata.simd_max(anyarray) IS 'max() of the elements that are not NULL, of any type that has an order.';
CREATE FUNCTION strata.simd_count("array" anyarray) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'strata_simd_count_values';
COMMENT ON FUNCTION strata.simd_count(anyarray) IS 'count() of the elements that are not NULL.';

CREATE FUNCTION strata.xxh3_64(data bytea, seed bigint DEFAULT 0) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'strata_xxh3_64';
COMMENT ON FUNCTION strata.xxh3_64(bytea, bigint) IS 'XXH3_64bits_withSeed() of libxxhash; the 64 bits as a signed number.';
CREATE FUNCTION strata.wyhash(data bytea, seed bigint DEFAULT 0) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'strata_wyhash_64';
COMMENT ON FUNCTION strata.wyhash(bytea, bigint) IS 'wyhash, final version 4, with its default secret; the 64 bits as a signed number.';
