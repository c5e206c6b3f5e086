-- What SIMD operators did: strata.simd_stats(), simd_metrics(), simd_last(), simd_reset().
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
SET max_parallel_workers_per_gather = 0;

CREATE TABLE simd_work AS SELECT g AS k, g % 100 AS v, 'name ' || g % 7 AS t FROM generate_series(1, 20000) g;
VACUUM (ANALYZE) simd_work;
SELECT strata.enable('simd_work') IS NOT NULL AS enabled;
SELECT strata.populate('simd_work') IS NOT NULL AS populated;

-- nothing yet, five operations always
SELECT strata.simd_reset();
SELECT operation, calls, rows_processed, bytes, simd_ratio, total_us, min_us, p99_us FROM strata.simd_metrics();
SELECT calls, rows_processed, simd_ops, scalar_ops, simd_ratio, since <= now() + '1 minute' AS since FROM strata.simd_stats();
SELECT count(*) FROM strata.simd_last('filter');

-- one plan node each: a filter of 20000 rows of which 200 pass; a scan; an aggregate
SELECT count(*) FROM (SELECT k FROM simd_work WHERE v = 7 OFFSET 0) s;
SELECT max(k) FROM (SELECT k FROM simd_work OFFSET 0) s;
SELECT sum(k) FROM simd_work WHERE v < 50;
SELECT operation, calls, rows_processed, rows_selected, bytes > 0 AS bytes, simd_ops + scalar_ops > 0 AS ops,
       total_us > 0 AND min_us > 0 AND min_us <= p50_us AND p50_us <= p95_us AND p95_us <= p99_us AND p99_us <= max_us AS times
FROM strata.simd_metrics() WHERE calls > 0;
SELECT operation_type, database = current_database() AS here, table_name, rows_processed, rows_selected, selectivity, pid = pg_backend_pid() AS me,
       vector_width = (SELECT vector_width FROM strata.simd_features()) AS width, finished_at > now() - interval '1 hour' AS recent,
       duration_us > 0 AS took, throughput_rows_per_sec > 0 AS throughput
FROM strata.simd_last('filter');
-- the event says the same
SELECT e.event_type, e.fields->>'rows_processed' AS rows, e.fields->>'rows_selected' AS selected, e.fields->>'table_name' AS name
FROM strata.events(topic => 'simd', max_rows => 1000000) e WHERE e.event_type = 'simd_filter' ORDER BY seq DESC LIMIT 1;
-- one operation and all of them
SELECT calls, rows_processed = (SELECT sum(rows_processed) FROM strata.simd_metrics()) AS rows,
       simd_ops = (SELECT sum(simd_ops) FROM strata.simd_metrics()) AS simd_ops FROM strata.simd_stats();

-- at the scalar level no value is one of vectors
SELECT strata.simd_reset();
SET strata.simd = 'scalar';
SELECT sum(k) FROM simd_work WHERE v < 50;
SELECT simd_ops, scalar_ops > 0 AS scalar_ops, simd_ratio FROM strata.simd_stats();
SELECT vector_width, simd_ratio FROM strata.simd_last('aggregate');
RESET strata.simd;

-- functions on arrays count, but are no plan nodes
SELECT strata.simd_reset();
SELECT strata.simd_filter('{1,2,3,NULL}'::int[], '>', 1);
SELECT operation, calls, rows_processed, rows_selected, bytes FROM strata.simd_metrics() WHERE calls > 0;
SELECT count(*) FROM strata.simd_last('filter');

-- parallel: one call, with the rows of all participants
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SELECT strata.simd_reset();
SELECT sum(k) FROM simd_work WHERE v < 50;
SELECT calls, rows_processed, rows_selected FROM strata.simd_stats();
RESET max_parallel_workers_per_gather;

-- wrong use, and who may
SELECT * FROM strata.simd_last('sort');
CREATE ROLE regress_strata_simd2;
SET ROLE regress_strata_simd2;
SELECT * FROM strata.simd_stats();
SELECT strata.simd_reset();
SELECT strata.simd_sum('{1,2}'::int[]);
RESET ROLE;
GRANT pg_monitor TO regress_strata_simd2;
SET ROLE regress_strata_simd2;
SELECT count(*) FROM strata.simd_metrics();
SELECT count(*) FROM strata.simd_last('hash');
SELECT strata.simd_reset();
RESET ROLE;
DROP ROLE regress_strata_simd2;
DROP TABLE simd_work;
