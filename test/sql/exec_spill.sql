-- Aggregates whose groups, or DISTINCT values, need more memory than there is: rows wait in temporary files.  Every query
-- runs with the column store off and on; what differs is printed, and what fitted into memory after all.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
SET max_parallel_workers_per_gather = 0;
SET extra_float_digits = 3;
\getenv srcdir PG_ABS_SRCDIR
\set compare :srcdir '/sql/include/compare.sql'
\set ECHO none
\i :compare
\set ECHO all
-- The most partitions that an aggregate of the query read.
CREATE FUNCTION partitions(query text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  plan json;
BEGIN
  EXECUTE 'EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) ' || query INTO plan;
  RETURN coalesce((SELECT max(m[1]::int) FROM regexp_matches(plan::text, '"Partitions": ([0-9]+)', 'g') m), 0);
END $$;
CREATE FUNCTION differs(query text, wanted int DEFAULT 2) RETURNS SETOF text LANGUAGE sql AS $$
  SELECT compare(query, 'StrataAggregate', ordered => false)
  UNION ALL
  SELECT 'only ' || p || ' partitions: ' || query FROM (SELECT CASE WHEN wanted > 0 THEN partitions(query) END) x (p) WHERE p < wanted
$$;
-- The same calls for each list of keys.
CREATE FUNCTION differ(calls text, keys text[], tail text) RETURNS SETOF text LANGUAGE sql AS $$
  SELECT d FROM unnest(keys) k, LATERAL differs(format('SELECT %1$s, %2$s FROM spill GROUP BY %1$s %3$s', k, calls, tail)) d
$$;
-- Files of this session.
CREATE FUNCTION files() RETURNS bigint LANGUAGE sql AS $$
  SELECT count(*) FROM pg_ls_tmpdir() WHERE name LIKE 'pgsql_tmp' || pg_backend_pid() || '.%'
$$;

-- A key's rows lie far from each other; all columns have NULLs, and some rows are read from the heap.
CREATE TABLE spill (id int, i8 int8, n numeric(12,2), free numeric, f8 float8, f4 float4, b bool, d date, ts timestamp,
                    t text, c char(8), v varchar(20), u uuid, long text, few int, wide int8);
CREATE FUNCTION spill_rows(first int, last int) RETURNS SETOF spill LANGUAGE sql AS $$
  SELECT k, k::int8 * 1000000007, k / 4.0, (k % 3000)::numeric / (ARRAY[1, 3, 8])[k % 3 + 1],
         CASE k % 500 WHEN 0 THEN 'NaN' WHEN 1 THEN '-0' WHEN 2 THEN 0 ELSE k / 16.0 END, (k % 2500) / 8.0, k % 3 = 0,
         date '2000-01-01' + k, timestamp '2000-01-01' + k * interval '1 minute', 'text ' || k, 'c' || k % 2500 || repeat(' ', i % 3),
         CASE WHEN k % 10 <> 0 THEN 'v' || k END, md5(k::text)::uuid, CASE WHEN k % 400 = 7 THEN repeat(md5(k::text), 100) ELSE md5(k::text) END,
         i % 7, k::int8 * k * 1000000
  FROM generate_series(first, last) i, LATERAL (SELECT i * 7919 % 3001 AS k) x
$$;
INSERT INTO spill SELECT * FROM spill_rows(1, 6000);
INSERT INTO spill (few) SELECT i % 7 FROM generate_series(1, 20) i;
VACUUM (FREEZE, ANALYZE) spill;
SELECT strata.enable('spill');
SELECT strata.populate('spill') > 0 AS populated;
UPDATE spill SET few = few + 1 WHERE id % 97 = 0;

SET work_mem = '64kB';
SET hash_mem_multiplier = 1;
SET enable_sort = off;
SET enable_hashagg = off;

-- 1. Every kind of key, and of accumulator
SELECT differ('count(*), sum(i8), sum(n), sum(free), min(t), max(v), avg(f8), variance(n), bool_or(b)',
  ARRAY['id', 'i8', 'n', 'd', 'ts', 't', 'c', 'v', 'u', 'long', 'wide'], '');
SELECT differ('count(*), sum(f4), avg(f8), stddev(f8), min(free), max(free), bit_xor(i8)',
  ARRAY['f8', 'few, f4', 'id, few', 't, few, n', 'v, d', 'few, c, b', 'f4, id', 'n, f8'], '');
SELECT differ('count(*)', ARRAY['id + few', 'upper(t)', 'f8 / 3', 'n * 2', 'date_trunc(''minute'', ts)', 'substr(long, 1, 30)', 'coalesce(v, t)',
  'CASE WHEN few < 3 THEN id END', 'sqrt(i8::float8)', 'id::text || few', 'few, md5(t)'], '');
SELECT differs('SELECT DISTINCT t, few FROM spill');
SELECT differs('SELECT DISTINCT long FROM spill');
SELECT differ('count(*) FILTER (WHERE b), sum(i8) FILTER (WHERE few > 3), min(t) FILTER (WHERE v IS NULL)', ARRAY['id', 't, few'], '');
SELECT differ('count(*)', ARRAY['id, few', 't'], 'HAVING count(*) > 2 AND min(i8) > 1000000');
-- deeper than one level of partitions
SELECT partitions('SELECT id, few, t, count(*), variance(i8), variance(n), variance(f8) FROM spill GROUP BY id, few, t') > 4 AS again;

-- 2. Batches that vectors cannot do
SELECT differ('sum(wide * 1.00000000000000000001), min(i8::numeric / 7)', ARRAY['id', 't, few'], '');
SELECT differs('SELECT id, few, sum(i8 * i8) FROM spill GROUP BY id, few', 0);
SELECT differ('sum(free * 1.00000000001), avg(n / nullif(few, 0))', ARRAY['id', 'n, few'], '');
SELECT differs('SELECT id, sum(100 / (id - 2990)) FROM spill GROUP BY id', 0);
SELECT differs('SELECT 100 / (id - 2990), few, count(*) FROM spill GROUP BY 1, 2', 0);
SELECT files();

-- 3. Values of DISTINCT: within groups, without any, and beside groups that wait themselves
SELECT differs('SELECT count(DISTINCT id), count(DISTINCT t), sum(DISTINCT n), count(DISTINCT f8), avg(DISTINCT i8), count(*) FROM spill');
SELECT differs('SELECT few, count(DISTINCT id), count(DISTINCT t) FILTER (WHERE b), sum(DISTINCT n), variance(DISTINCT i8), count(*), sum(f8) FROM spill GROUP BY few');
SELECT differs('SELECT id % 900, count(DISTINCT i8 + few), sum(DISTINCT few), sum(n) FROM spill GROUP BY 1');
SELECT differs('SELECT t, count(DISTINCT few), count(DISTINCT c), count(*) FROM spill GROUP BY t');
SELECT differs('SELECT count(DISTINCT long), count(DISTINCT v), count(DISTINCT f8 * 1.5), count(DISTINCT few + i8), max(DISTINCT free) FROM spill');
SELECT differs('SELECT few, sum(DISTINCT i8 * i8) FROM spill GROUP BY few', 0);

-- 4. Grouping sets
SELECT differs('SELECT id, few, count(*), sum(n), count(DISTINCT t), grouping(few) FROM spill GROUP BY ROLLUP (id, few)');
SELECT differs('SELECT id, t, v, count(*), avg(f8) FROM spill GROUP BY CUBE (id, t, v)');
SELECT differs('SELECT few, i8, min(t) FROM spill GROUP BY GROUPING SETS ((i8), (few), (), (few, i8)) HAVING count(*) > 1');

-- 5. Over joins and appends
CREATE TABLE spill_dim (few int, name text);
INSERT INTO spill_dim SELECT i, 'name ' || i % 3 FROM generate_series(0, 7) i;
CREATE TABLE spill_parts (LIKE spill) PARTITION BY RANGE (few);
CREATE TABLE spill_low PARTITION OF spill_parts FOR VALUES FROM (0) TO (4);
CREATE TABLE spill_high PARTITION OF spill_parts FOR VALUES FROM (4) TO (9);
INSERT INTO spill_parts SELECT * FROM spill WHERE few IS NOT NULL;
VACUUM (FREEZE, ANALYZE) spill_dim, spill_parts;
SELECT strata.enable(t) FROM unnest(ARRAY['spill_dim', 'spill_low', 'spill_high']::regclass[]) t;
SELECT bool_and(strata.populate(t) >= 0) FROM unnest(ARRAY['spill_dim', 'spill_low', 'spill_high']::regclass[]) t;
SELECT differs('SELECT name, id, count(*), sum(n) FROM spill JOIN spill_dim USING (few) GROUP BY name, id');
SELECT differs('SELECT t, name, count(DISTINCT c), min(v) FROM spill LEFT JOIN spill_dim d ON d.few = spill.few AND name <> ''name 1'' GROUP BY t, name');
SELECT differs('SELECT name, count(DISTINCT id), count(DISTINCT t) FROM spill JOIN spill_dim USING (few) GROUP BY name');
SELECT differs('SELECT t, few, count(*), sum(f8), max(long) FROM spill_parts GROUP BY t, few');
SELECT differs('SELECT few, count(DISTINCT t), sum(DISTINCT n) FROM spill_parts GROUP BY few');

-- 6. Again and again, with and without other parameters, read to the end or not
SET enable_material = off;
SET enable_memoize = off;
SELECT differs('SELECT f.few, x.* FROM (VALUES (1), (3), (1)) f (few), LATERAL (SELECT count(*), sum(s), sum(k) FROM
  (SELECT id, sum(i8) AS s, count(DISTINCT t) AS k FROM spill WHERE spill.few <> f.few GROUP BY id) y) x');
SELECT differs('SELECT f.few, count(*) FROM (VALUES (1), (3), (1)) f (few), LATERAL
  (SELECT id, few, count(*) FROM spill WHERE spill.few <> f.few OR spill.few > 0 GROUP BY id, few LIMIT 3000) x GROUP BY 1');
SELECT differs('SELECT count(*), sum(s) FROM (VALUES (1), (2)) f (few) LEFT JOIN (SELECT id, sum(i8) AS s FROM spill GROUP BY id) x ON f.few > x.id % 5');
SELECT differs('SELECT (SELECT count(DISTINCT t) FROM spill s WHERE s.few <> d.few) FROM spill_dim d');
SELECT differs('SELECT t, count(*) FILTER (WHERE i8 < (SELECT avg(i8) FROM spill)) FROM spill GROUP BY t');
RESET enable_material;
RESET enable_memoize;
SELECT count(*) FROM (SELECT t, count(*) FROM spill GROUP BY t LIMIT 5) x;
SELECT files();

-- 7. Files go when nobody reads them any more: cursors, transactions, errors
BEGIN;
DECLARE half CURSOR FOR SELECT t, few, count(*) FROM spill GROUP BY t, few;
FETCH 0 FROM half;
MOVE 100 FROM half;
SELECT files() > 0 AS waiting;
CLOSE half;
SELECT files();
DECLARE whole CURSOR FOR SELECT t, few, count(*) FROM spill GROUP BY t, few;
MOVE ALL FROM whole;
SELECT files();
SAVEPOINT s;
DECLARE lost CURSOR FOR SELECT t, few, count(*) FROM spill GROUP BY t, few;
MOVE 100 FROM lost;
SELECT files() > 0 AS waiting;
ROLLBACK TO s;
SELECT files();
COMMIT;
SELECT count(*), sum(100 / (k - 3)) FROM (SELECT t, few, count(*) AS k FROM spill GROUP BY t, few) x;
SELECT files();
SET temp_file_limit = '64kB';
SELECT count(*) FROM (SELECT long, count(*) FROM spill GROUP BY long) x;
RESET temp_file_limit;
SELECT files();

-- 8. A parallel plan hands up what it has no memory for
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET enable_hashagg = on;
SELECT differs('SELECT t, few, count(*), sum(n), min(v) FROM spill GROUP BY t, few', 0);
RESET max_parallel_workers_per_gather;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;

-- 9. What EXPLAIN says
SET enable_hashagg = off;
SELECT regexp_replace(p, '\d+', 'N', 'g') FROM (SELECT unnest(string_to_array(answer('EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT id, count(*) FROM spill GROUP BY id'), E'\n')) p) s
WHERE p LIKE '%Disk%';
RESET work_mem;
SELECT partitions('SELECT id, count(*) FROM spill GROUP BY id');

DROP TABLE spill CASCADE;
DROP TABLE spill_dim, spill_parts;
DROP FUNCTION differs, differ, partitions, files, answer, store, plan_has, compare;
