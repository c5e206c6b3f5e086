-- gc.sql: memory pressure as SQL sees it, garbage collection, giving memory back by hand, huge pages.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
SELECT last_seq AS seq FROM strata.ring_status() \gset

-- A run and its two events.
SELECT gc_type, freed_bytes >= 0 AS freed, returned_bytes >= 0 AS returned, contexts_cleaned >= 0 AS contexts,
       duration_ms >= 0 AS duration, fragmentation_before BETWEEN 0 AND 1 AS before, fragmentation_after BETWEEN 0 AND 1 AS after
FROM strata.gc();
SELECT gc_type FROM strata.gc(true);
SELECT gc_type FROM strata.gc(aggressive => false);
SELECT gc_type IS NULL AS nothing FROM strata.gc(NULL);
SELECT event_type, fields->>'gc_type' AS gc_type,
       (SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(fields) k) AS fields
FROM strata.events(:seq, 'memory') WHERE event_type LIKE 'gc_%' AND pid = pg_backend_pid() ORDER BY seq;

-- The event says what the function says.
SELECT last_seq AS seq FROM strata.ring_status() \gset
CREATE TEMP TABLE run AS SELECT * FROM strata.gc();
SELECT r.freed_bytes = (fields->>'freed_bytes')::bigint AS freed, r.duration_ms = (fields->>'duration_ms')::float8 AS duration,
       r.contexts_cleaned = (fields->>'contexts_cleaned')::int AS contexts,
       r.fragmentation_after = (fields->>'fragmentation_after')::float8 AS fragmentation
FROM strata.events(:seq, 'memory') e, run r WHERE event_type = 'gc_completed' AND pid = pg_backend_pid();
DROP TABLE run;

-- A run with units in memory takes none that is in use, and leaves none of a table that is gone.
CREATE TABLE gc_gone (a int);
INSERT INTO gc_gone SELECT generate_series(1, 20000);
VACUUM (FREEZE, ANALYZE) gc_gone;
SELECT strata.enable('gc_gone');
SELECT strata.populate('gc_gone') > 0 AS populated;
SELECT gc_type FROM strata.gc(true);
SELECT count(*) FROM strata.column_units WHERE table_name = 'gc_gone';
-- What the session itself did and may roll back counts for nothing.
BEGIN;
TRUNCATE gc_gone;
SELECT gc_type FROM strata.gc();
ROLLBACK;
BEGIN;
DROP TABLE gc_gone;
SELECT gc_type FROM strata.gc();
ROLLBACK;
SELECT count(*) FROM strata.column_units WHERE table_name = 'gc_gone';
DROP TABLE gc_gone;
SELECT gc_type FROM strata.gc();
SELECT count(*) FROM strata.column_units WHERE table_name = 'gc_gone';

-- Pressure: one row, every source, the thresholds in force.
SELECT pressure_level IN ('normal', 'low', 'medium', 'high', 'critical') AS level, source IN ('pool', 'cgroup', 'system') AS source,
       total_bytes > 0 AS total, used_bytes >= 0 AS used, available_bytes = greatest(total_bytes - used_bytes, 0) AS available,
       abs(utilization_percent - 100.0 * used_bytes / total_bytes) < 0.001 AS percent, measured_at >= since AS measured
FROM strata.memory_pressure();
SELECT low_percent, medium_percent, high_percent, critical_percent FROM strata.memory_pressure();
SELECT (SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(sources) k) AS sources,
       (sources->'pool'->>'total_bytes')::bigint = pg_size_bytes(current_setting('strata.memory')) AS pool
FROM strata.memory_pressure();
SELECT (SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(actions) k) AS actions,
       (SELECT bool_and((v->>'times')::bigint >= 0 AND (v->>'bytes')::bigint >= 0) FROM jsonb_each(actions) j(k, v)) AS counted
FROM strata.memory_pressure();

-- Giving back by hand.
SELECT strata.release_pressure(100) AS nothing_to_do;
SELECT strata.release_pressure(0) >= 0 AS all_that_can_go;
SELECT strata.release_pressure(NULL);
SELECT strata.release_pressure(-0.1);
SELECT strata.release_pressure(100.1);
SELECT strata.release_pressure('NaN');
SELECT strata.release_pressure('Infinity');

-- Huge pages: a row a size that this machine has, and one for transparent ones where it has them.
SELECT count(*) FILTER (WHERE kind = 'explicit' AND page_bytes <= 0) AS bad_sizes,
       count(*) - count(DISTINCT (kind, page_bytes)) AS doubles,
       count(*) FILTER (WHERE kind = 'explicit' AND free_pages > total_pages) AS lies,
       count(*) FILTER (WHERE kind NOT IN ('explicit', 'transparent')) AS others,
       count(*) FILTER (WHERE in_use_bytes > mapped_bytes AND mapped_bytes > 0) AS more_than_mapped
FROM strata.hugepages();

-- Settings: values out of range, and who may change them.
SELECT name, setting, unit, min_val, max_val, context FROM pg_settings
WHERE name LIKE 'strata.pressure%' OR name IN ('strata.gc_interval', 'strata.cgroup_path') ORDER BY name;
SET strata.pressure_low = 50;
ALTER SYSTEM SET strata.pressure_low = 9;
ALTER SYSTEM SET strata.pressure_critical = 101;
ALTER SYSTEM SET strata.cgroup_path = 'sys/fs/cgroup';

-- Reading is for those who may monitor; acting is for whom it was granted to.
CREATE ROLE regress_strata_nobody;
CREATE ROLE regress_strata_monitor IN ROLE pg_monitor;
SET ROLE regress_strata_nobody;
SELECT strata.memory_pressure();
SELECT strata.hugepages();
SELECT strata.gc();
SELECT strata.release_pressure(50);
SET ROLE regress_strata_monitor;
SELECT pressure_level IS NOT NULL AS level FROM strata.memory_pressure();
SELECT count(*) >= 0 AS hugepages FROM strata.hugepages();
SELECT strata.gc();
SELECT strata.release_pressure(50);
RESET ROLE;
GRANT EXECUTE ON FUNCTION strata.gc(bool), strata.release_pressure(float8) TO regress_strata_nobody;
SET ROLE regress_strata_nobody;
SELECT gc_type FROM strata.gc();
SELECT strata.release_pressure(100);
RESET ROLE;
REVOKE ALL ON FUNCTION strata.gc(bool), strata.release_pressure(float8) FROM regress_strata_nobody;
DROP ROLE regress_strata_nobody, regress_strata_monitor;
