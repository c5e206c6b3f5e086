-- Correlated subqueries whose aggregate remembers its groups: every query runs with the store off and on, and is to
-- give the same rows or the same error.
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
-- What the StrataAggregates of a query say in EXPLAIN ANALYZE.
CREATE FUNCTION es_remembered(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  plan jsonb;
BEGIN
  EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, FORMAT JSON) ' || query INTO plan;
  RETURN (SELECT string_agg(coalesce((node ->> 'Groups Remembered') || ' groups, ' || (node ->> 'Lookups') || ' lookups', 'nothing'), '; ')
          FROM jsonb_path_query(plan, 'strict $.** ? (@."Custom Plan Provider" == "StrataAggregate")') node);
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE FUNCTION es_ask(query text) RETURNS TABLE (question text, same bool, remembered text) LANGUAGE plpgsql AS $$
DECLARE
  off text;
  onn text;
BEGIN
  PERFORM store('off');
  off := answer(query, false);
  PERFORM store('on');
  onn := answer(query, false);
  IF off IS DISTINCT FROM onn THEN
    RAISE NOTICE E'%\noff: %\non:  %', query, left(off, 500), left(onn, 500);
  END IF;
  RETURN QUERY SELECT query, off IS NOT DISTINCT FROM onn, es_remembered(query);
END $$;

CREATE TYPE es_mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE es_in (id int, k int, k2 int2, k8 int8, n numeric(10,2), f4 float4, f8 float8, b bool, d date, ts timestamp, o oid, u uuid,
                    e es_mood, t text, v varchar(10), c char(6), z int, x int, big float8);
-- 10 to 57 are keys; group 57 has what raises errors.
INSERT INTO es_in
SELECT i, i % 48 + 10, i % 48 + 10, i % 48 + 10, (i % 48 + 10) / 4.0, (i % 48 + 10) / 4.0, (i % 48 + 10) / 4.0, i % 2 = 0, date '2000-01-01' + i % 48,
       timestamp '2000-01-01' + i % 48 * interval '1 day', i % 48 + 10, md5((i % 48)::text)::uuid,
       (ARRAY['sad', 'ok', 'happy'])[i % 3 + 1]::es_mood, 'key' || i % 48 + 10, 'key' || i % 48 + 10, 'k' || i % 48 + 10,
       CASE WHEN i % 48 = 47 THEN 0 ELSE i % 7 + 1 END, CASE WHEN i % 11 > 0 THEN i END,
       CASE WHEN i % 48 = 47 THEN 1e308 ELSE i / 8.0 END
FROM generate_series(1, 8000) i;
UPDATE es_in SET k = NULL, t = NULL WHERE id % 100 = 0;
UPDATE es_in SET f8 = 'NaN', f4 = 'NaN' WHERE id % 48 = 5;
UPDATE es_in SET f8 = -0.0, f4 = 0 WHERE id % 48 = 6;
-- Keys 4 to 40, NULLs between, so that 4 to 9 have no rows and 41 to 57 are never asked for.
CREATE TABLE es_out (id int, k int, k2 int2, k8 int8, n numeric, f4 float4, f8 float8, b bool, d date, ts timestamp, o oid, u uuid,
                     e es_mood, t text, v varchar(10), c char(6), lim int);
INSERT INTO es_out
SELECT i, CASE WHEN i % 9 > 0 THEN i % 37 + 4 END, i % 37 + 4, CASE WHEN i % 9 > 0 THEN (i % 37 + 4)::int8 END, (i % 37 + 4) / 4.0000,
       (i % 37 + 4) / 4.0, (i % 37 + 4) / 4.0, CASE WHEN i % 9 > 0 THEN i % 2 = 0 END, date '2000-01-01' + i % 37 - 6,
       timestamp '2000-01-01' + (i % 37 - 6) * interval '1 day', i % 37 + 4, md5((i % 37 - 6)::text)::uuid,
       (ARRAY['sad', 'ok', 'happy'])[i % 3 + 1]::es_mood, CASE WHEN i % 9 > 0 THEN 'key' || i % 37 + 4 END, 'key' || i % 37 + 4, 'k' || i % 37 + 4, i % 3
FROM generate_series(1, 80) i;
INSERT INTO es_out (id, k, k8, n, f4, f8) VALUES (101, 2147483647, 9000000000000000000, 3.501, 'NaN', 'NaN'), (102, -1, -1, 'NaN', 0, 0), (103, 0, 0, 'Infinity', -0.0, -0.0),
       (104, 12, 12, 12345678901234567890123, 'Infinity', 2.75);
VACUUM ANALYZE es_in, es_out;
SELECT strata.enable('es_in');
SELECT strata.populate('es_in') > 0 AS populated;

-- 1. It shows
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
SELECT o.id, (SELECT sum(x) FROM es_in WHERE k = o.k) FROM es_out o WHERE o.id < 30;
SELECT o.k, (SELECT count(*) FROM es_in WHERE k = o.k), (SELECT max(x) FROM es_in WHERE k = o.k) FROM es_out o WHERE o.id BETWEEN 1 AND 12 ORDER BY o.id;

-- 2. Aggregates, and what is done with them
SELECT * FROM es_ask('SELECT id, (SELECT count(*) FROM es_in WHERE k = o.k) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT count(x) + coalesce(sum(x), -1) FROM es_in WHERE k = o.k) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT avg(n) FROM es_in WHERE k = o.k) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT sum(f8) FROM es_in WHERE k = o.k) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT stddev(x) FROM es_in WHERE k = o.k) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT min(t) || max(d) FROM es_in WHERE k = o.k) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT bool_or(b) FROM es_in WHERE k = o.k) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT sum(x) FILTER (WHERE b AND z > 2) FROM es_in WHERE k = o.k) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT count(DISTINCT z) FROM es_in WHERE k = o.k) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT sum(x) FROM es_in WHERE k = o.k HAVING count(*) > 165) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT sum(x) + o.id FROM es_in WHERE k = o.k) FROM es_out o');
SELECT * FROM es_ask('SELECT id FROM es_out o WHERE lim < (SELECT 0.2 * avg(x) FROM es_in WHERE k = o.k)');
SELECT * FROM es_ask('SELECT id, (SELECT count(*) FROM es_in WHERE k = o.k AND d < ''2000-01-20'' AND n > 3 AND t LIKE ''key%'') FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT 7 FROM es_in WHERE k = o.k HAVING count(*) > 0) FROM es_out o');

-- 3. Keys of all kinds, and of two types
SELECT * FROM unnest(ARRAY['k = o.k', 'k = o.k2', 'k = o.k8', 'k2 = o.k', 'k2 = o.k8', 'k8 = o.k', 'k8 = o.k2', 'o.k8 = k8', 'n = o.n', 'n = o.k', 'f8 = o.f8', 'f8 = o.f4',
                           'f4 = o.f8', 'f4 = o.f4', 'f8 = o.k', 'b = o.b', 'd = o.d', 'ts = o.ts', 'o = o.o', 'u = o.u', 'e = o.e', 't = o.t', 't = o.v', 'v = o.t', 'v = o.v', 'c = o.c']) q,
  LATERAL es_ask(format('SELECT id, (SELECT count(*) FROM es_in WHERE %s) FROM es_out o', q));
-- several of them
SELECT * FROM es_ask('SELECT id, (SELECT count(*) FROM es_in WHERE k = o.k AND b = o.b) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT count(*) FROM es_in WHERE t = o.t AND d = o.d AND k8 = o.k2) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT count(*) FROM es_in WHERE k = o.k AND k = o.k2) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT count(*) FROM es_in WHERE k = o.k AND k8 = o.k) FROM es_out o');
-- no key: another comparison, another collation, a function of the parameter
SELECT * FROM es_ask('SELECT id, (SELECT count(*) FROM es_in WHERE k > o.k) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT count(*) FROM es_in WHERE k IS NOT DISTINCT FROM o.k) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT count(*) FROM es_in WHERE k = o.k2 + 1) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT count(*) FROM es_in WHERE d = o.ts) FROM es_out o');

-- 4. Errors: for rows of a group that is asked for, and for no others
SELECT * FROM es_ask('SELECT id, (SELECT sum(100 / z) FROM es_in WHERE k = o.k) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT count(*) FROM es_in WHERE k = o.k AND 100 / z > 20) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT count(*) FILTER (WHERE 100 / z > 20) FROM es_in WHERE k = o.k) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT sum(x) FROM es_in WHERE k = o.k AND substr(t, 2, z - 1) = ''ey'') FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT count(substr(t, 2, z - 1)) FROM es_in WHERE k = o.k) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT sum(big) FROM es_in WHERE k = o.k) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT avg(big) FROM es_in WHERE k = o.k) FROM es_out o');
SELECT * FROM es_ask('SELECT w, (SELECT sum(big) FROM es_in WHERE k = w) FROM unnest(ARRAY[11, 12, 13, 14, 15, 16, 17, 57]) w');
SELECT * FROM es_ask('SELECT w, (SELECT sum(100 / z) FROM es_in WHERE k = w) FROM unnest(ARRAY[11, 12, 13, 14, 15, 16, 17, 57]) w');
-- a subquery's result is asked for by rows that pass the conditions before it
SELECT * FROM es_ask('SELECT count(*) FROM es_in WHERE t LIKE ''%nope%'' AND x < (SELECT 1 / (lim - 1) FROM es_out WHERE id = 1)');
-- and volatile functions
SELECT * FROM es_ask('SELECT id, (SELECT count(*) FROM es_in WHERE k = o.k AND random() < 2) FROM es_out o');

-- 5. Other parameters: one that comes along with the key, one that changes now and then
SELECT * FROM es_ask('SELECT id, (SELECT count(*) FROM es_in WHERE k = o.k AND z > o.lim) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT sum(x + o.lim) FROM es_in WHERE k = o.k) FROM es_out o');
SELECT * FROM es_ask('SELECT l, (SELECT sum((SELECT count(*) FROM es_in WHERE k = o.k AND z > l)) FROM es_out o) FROM generate_series(1, 5) l');
SELECT * FROM es_ask('SELECT l, (SELECT sum((SELECT count(*) FROM es_in WHERE k = o.k AND k2 = l)) FROM es_out o) FROM generate_series(10, 13) l');
SELECT * FROM es_ask('SELECT id, (SELECT count(*) FROM es_in WHERE k = o.k AND z > (SELECT max(lim) FROM es_out)) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT count(*) FROM es_in WHERE k = o.k AND z > (SELECT max(lim) FROM es_out p WHERE p.k = o.k)) FROM es_out o');
SELECT * FROM es_ask('SELECT count(*) FROM es_in WHERE k = (SELECT max(k) FROM es_out WHERE k < 40)');

-- nothing will be remembered where another condition reads the outer row, and then a call costs a scan
CREATE FUNCTION es_cost(query text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
  plan jsonb;
BEGIN
  EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
  RETURN plan -> 0 -> 'Plan' -> 'Total Cost';
END $$;
SELECT q, es_cost(format('SELECT * FROM es_out o WHERE id > (SELECT count(*) FROM es_in WHERE k = o.k AND %s)', q)) >
          5 * es_cost('SELECT * FROM es_out o WHERE id > (SELECT count(*) FROM es_in WHERE k = o.k AND z > 1)') AS dear
FROM unnest(ARRAY['z > 2', 'z > o.lim', 'z > (SELECT max(lim) FROM es_out p WHERE p.id < o.id)', 'k2 = o.k2', 'k2 = o.k2 AND z > o.id']) q;
DROP FUNCTION es_cost;

-- 6. LATERAL
SELECT * FROM es_ask('SELECT o.id, s.* FROM es_out o, LATERAL (SELECT count(*), sum(x) FROM es_in WHERE k = o.k) s');
SELECT * FROM es_ask('SELECT o.id, s.* FROM es_out o LEFT JOIN LATERAL (SELECT max(x) m FROM es_in WHERE k = o.k HAVING count(*) > 165) s ON s.m > 7900');

-- 7. Memory
SET work_mem = '64kB';
SET hash_mem_multiplier = 1;
SELECT * FROM es_ask('SELECT id, (SELECT count(*) FROM es_in i WHERE i.id = o.id) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT count(DISTINCT x) FROM es_in i WHERE i.k = o.k) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT count(*) FROM es_in i WHERE i.k = o.k) FROM es_out o');
RESET work_mem;
RESET hash_mem_multiplier;
SELECT * FROM es_ask('SELECT id, (SELECT count(*) FROM es_in i WHERE i.id = o.id) FROM es_out o');

-- 8. Rows of the heap
UPDATE es_in SET x = x + 1 WHERE id % 50 = 1;
INSERT INTO es_in (id, k, t, z, x, n) VALUES (30001, 12, 'key12', 1, 5, 'NaN'), (30002, 7, 'key7', 1, 6, 1.75);
SELECT * FROM es_ask('SELECT id, (SELECT sum(x) FROM es_in WHERE k = o.k) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT sum(x) FROM es_in WHERE k = o.k AND z > 2) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT sum(x) FROM es_in WHERE k = o.k AND 100 / (z + 1) > 20) FROM es_out o');
INSERT INTO es_in (id, k, z, x, n) VALUES (30003, 57, -1, 1, 1);
SELECT * FROM es_ask('SELECT id, (SELECT sum(x) FROM es_in WHERE k = o.k AND 100 / (z + 1) > 20) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT sum(x) FROM es_in WHERE n = o.n) FROM es_out o');
SELECT * FROM es_ask('SELECT id, (SELECT sum(100 / z) FROM es_in WHERE t = o.t) FROM es_out o');
-- the asking transaction's own changes do not come between
BEGIN;
DELETE FROM es_in WHERE k = 20;
SELECT * FROM es_ask('SELECT id, (SELECT sum(x) FROM es_in WHERE k = o.k) FROM es_out o');
ROLLBACK;

-- 9. Prepared, and in parallel
SET plan_cache_mode = force_generic_plan;
PREPARE es_p (int) AS SELECT sum((SELECT sum(x) FROM es_in WHERE k = o.k AND z > $1)) FROM es_out o;
EXECUTE es_p (2);
EXECUTE es_p (4);
SELECT sum(x) FROM es_in i JOIN es_out o ON i.k = o.k WHERE z > 2;
SELECT sum(x) FROM es_in i JOIN es_out o ON i.k = o.k WHERE z > 4;
DEALLOCATE es_p;
-- an interval that is none, which no row gets as far as
PREPARE es_i (text) AS SELECT sum((SELECT count(*) FROM es_in WHERE k = g AND ts + $1::interval > '2000-01-01')) FROM generate_series(101, 130) g;
EXECUTE es_i ('1 day');
EXECUTE es_i ('nothing');
DEALLOCATE es_i;
RESET plan_cache_mode;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SELECT same FROM es_ask('SELECT id, (SELECT sum(x) FROM es_in WHERE k = o.k) FROM es_out o');
SELECT same FROM es_ask('SELECT o.id FROM es_in o WHERE o.id % 97 = 0 AND x > (SELECT 1.9 * avg(x) FROM es_in i WHERE i.k = o.k)');
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;

-- 10. A condition with a subquery is evaluated for rows that a join above has use for, and costs what it costs
SELECT strata.populate('es_in', true) > 0 AS populated;
CREATE TABLE es_few (k int);
INSERT INTO es_few VALUES (11), (12);
VACUUM ANALYZE es_few;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
SELECT count(*) FROM es_in o JOIN es_few f ON o.id = f.k WHERE x < (SELECT max(x) FROM es_in i WHERE i.k = o.k);
SELECT o.id, o.x FROM es_in o JOIN es_few f ON o.id = f.k WHERE x < (SELECT max(x) FROM es_in i WHERE i.k = o.k) ORDER BY 1;
-- so is one with a function that costs much
CREATE FUNCTION es_slow(int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN $1 > 0; END $$;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
SELECT count(*) FROM es_in o JOIN es_few f ON o.id = f.k WHERE es_slow(z + o.id);
DROP FUNCTION es_slow;

-- 11. Few calls by an index, many by what is remembered
CREATE TABLE es_big (k int, k2 int, x int);
INSERT INTO es_big SELECT i % 10000, i % 7, i FROM generate_series(1, 100000) i;
CREATE INDEX ON es_big (k);
-- of all rows, so that costs are the same each time
ALTER TABLE es_big ALTER k SET STATISTICS 1000;
VACUUM ANALYZE es_big;
SELECT strata.enable('es_big');
SELECT strata.populate('es_big') > 0 AS populated;
SET random_page_cost = 1.1;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
SELECT g, (SELECT sum(x) FROM es_big WHERE k = g) FROM generate_series(9901, 10100) g;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
SELECT g, (SELECT sum(x) FROM es_big WHERE k = g) FROM generate_series(1, 5) g;
SELECT * FROM es_ask('SELECT g, (SELECT sum(x) + g FROM es_big WHERE k = g HAVING count(*) > 0) FROM generate_series(9901, 10100) g');
SELECT * FROM es_ask('SELECT h, sum((SELECT sum(x) FROM es_big WHERE k = g AND k2 > h)) FROM generate_series(9901, 10100) g, generate_series(4, 6) h GROUP BY h');
SELECT * FROM es_ask('SELECT h, (SELECT sum((SELECT sum(x) FROM es_big WHERE k = g AND k2 > h)) FROM generate_series(9901, 10100) g) FROM generate_series(4, 6) h');
SELECT * FROM es_ask('SELECT g, s.* FROM generate_series(9901, 10100) g, LATERAL (SELECT count(*), max(x) FROM es_big WHERE k = g) s');
SELECT * FROM es_ask('SELECT g, (SELECT sum(100 / (x - 100000)) FROM es_big WHERE k = g) FROM generate_series(9801, 9999) g');
-- and by no index where it is no cheaper
SELECT * FROM es_ask('SELECT g, (SELECT sum(x) FROM es_big WHERE k2 = g) FROM generate_series(1, 20) g');
RESET random_page_cost;

DROP TABLE es_in, es_out, es_few, es_big;
DROP TYPE es_mood;
DROP FUNCTION answer, store, plan_has, compare, es_remembered, es_ask;
