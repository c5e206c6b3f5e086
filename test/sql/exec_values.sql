-- PostgreSQL's value semantics inside the vector executor.  Every query runs with the column store off and on;
-- the function prints nothing but differences.
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
CREATE FUNCTION differs(query text) RETURNS SETOF text LANGUAGE sql AS $$ SELECT compare(query, 'Strata') $$;

CREATE FUNCTION explain(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query;
END $$;

CREATE TABLE vals (i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric(10,2), nn numeric, b bool, d date,
                   ts timestamp, t text, c char(5), v varchar(20), k int);
INSERT INTO vals
SELECT i % 100, i, i::int8 * 1000000007, i / 8.0, i / 16.0, i / 4.0, (i / 4.0)::numeric(10,2) * (CASE WHEN i % 7 = 0 THEN 10.0 ELSE 1 END),
       i % 2 = 0, date '2000-01-01' + i, timestamp '2000-01-01' + i * interval '1 hour', 'text' || i % 11, 'c' || i % 3,
       repeat('v', i % 9), i % 13
FROM generate_series(1, 20000) i;
INSERT INTO vals (i4, f4, f8, n, nn, d, ts, t, c, k) VALUES
  (2147483647, 'NaN', 'NaN', 'NaN', 'NaN', 'infinity', 'infinity', '', '', 100),
  (-2147483648, 'Infinity', 'Infinity', 99999999.99, 'Infinity', '-infinity', '-infinity', 'ü', 'ab ', 100),
  (0, '-Infinity', '-Infinity', -99999999.99, '-Infinity', '4713-01-01 BC', '4713-01-01 BC', ' ', 'ab', 100),
  (0, '-0', '-0', 0, 1e30, NULL, NULL, NULL, NULL, 101),
  (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
VACUUM (FREEZE, ANALYZE) vals;
SELECT strata.enable('vals');
SELECT strata.populate('vals') > 0 AS populated;

-- sums, averages, extremes of every type
SELECT differs('SELECT count(*), count(i2), sum(i2), sum(i4), sum(i8), avg(i2), avg(i4), avg(i8) FROM vals');
SELECT differs('SELECT sum(f4), sum(f8), avg(f4), avg(f8) FROM vals WHERE k < 100');
SELECT differs('SELECT sum(n), avg(n), sum(nn), avg(nn), min(n), max(n), min(nn), max(nn) FROM vals WHERE k < 100');
SELECT differs('SELECT sum(n), avg(n), min(n), max(n) FROM vals');
SELECT differs('SELECT sum(nn), avg(nn), min(nn), max(nn) FROM vals');
SELECT differs('SELECT min(f4), max(f4), min(f8), max(f8) FROM vals');
SELECT differs('SELECT min(d), max(d), min(ts), max(ts), min(t), max(t), min(c), max(c), bool_and(b), bool_or(b), every(b) FROM vals');
SELECT differs('SELECT sum(f8) FROM vals WHERE k >= 100');
SELECT differs('SELECT count(*), sum(n), min(t), bool_and(b) FROM vals WHERE i4 = 123456789');
SELECT differs('SELECT k, sum(n), avg(nn), count(*), min(t), max(ts) FROM vals GROUP BY k ORDER BY k');
SELECT differs('SELECT sum(i4) FROM vals GROUP BY i2 HAVING sum(i4) > 100 ORDER BY 1');

-- group keys: one NaN, one zero, blank padding, scales, nulls
SELECT differs('SELECT f8, count(*) FROM vals WHERE k >= 100 OR k IS NULL GROUP BY f8 ORDER BY f8, 2');
SELECT differs('SELECT f4, n, count(*) FROM vals WHERE i4 < 10 OR k >= 100 GROUP BY f4, n ORDER BY 1, 2');
SELECT differs('SELECT c, t, count(*) FROM vals GROUP BY c, t ORDER BY c, t');
SELECT differs('SELECT n, count(*) FROM vals GROUP BY n ORDER BY n');
SELECT differs('SELECT d, b, i2, k, count(*) FROM vals GROUP BY d, b, i2, k ORDER BY 1, 2, 3, 4');
SELECT differs('SELECT i4 % 10, sum(i8) FROM vals WHERE k < 100 GROUP BY 1 ORDER BY 1');

-- predicates
SELECT differs('SELECT count(*) FROM vals WHERE f8 > 10');
SELECT differs('SELECT count(*) FROM vals WHERE f8 >= ''NaN''');
SELECT differs('SELECT count(*) FROM vals WHERE f8 = 0');
SELECT differs('SELECT count(*) FROM vals WHERE n <= 10.005');
SELECT differs('SELECT count(*) FROM vals WHERE n = 10.005');
SELECT differs('SELECT count(*) FROM vals WHERE n <> 10.005');
SELECT differs('SELECT count(*) FROM vals WHERE nn > 10.1 AND k < 100');
SELECT differs('SELECT count(*) FROM vals WHERE d <= date ''2001-01-01'' - interval ''12 hours''');
SELECT differs('SELECT count(*) FROM vals WHERE d > timestamp ''2001-01-01 12:00''');
SELECT differs('SELECT count(*) FROM vals WHERE d = timestamp ''infinity''');
SELECT differs('SELECT count(*) FROM vals WHERE c = ''ab''');
SELECT differs('SELECT count(*) FROM vals WHERE c LIKE ''ab%''');
SELECT differs('SELECT count(*) FROM vals WHERE t LIKE ''%1'' AND v <> ''vv''');
SELECT differs('SELECT count(*) FROM vals WHERE i4 IN (1, 2, NULL)');
SELECT differs('SELECT count(*) FROM vals WHERE i4 NOT IN (1, 2, NULL)');
SELECT differs('SELECT count(*) FROM vals WHERE i4 NOT IN (1, 2)');
SELECT differs('SELECT count(*) FROM vals WHERE i4 = ANY(''{}''::int[])');
SELECT differs('SELECT count(*) FROM vals WHERE i4 <> ALL(''{}''::int[])');
SELECT differs('SELECT count(*) FROM vals WHERE NOT (i4 > 5 OR t IS NULL)');
SELECT differs('SELECT count(*) FROM vals WHERE (i4 > 5 AND t > ''a'') OR b');
SELECT differs('SELECT count(*) FROM vals WHERE b');
SELECT differs('SELECT count(*) FROM vals WHERE NOT b');
SELECT differs('SELECT count(*) FROM vals WHERE b IS NOT TRUE');
SELECT differs('SELECT count(*) FROM vals WHERE i4 IS DISTINCT FROM i2');
SELECT differs('SELECT count(*) FROM vals WHERE i4 + 0.5 > n');
SELECT differs('SELECT count(*) FROM vals WHERE upper(t) = ''TEXT3''');

-- errors: the same ones, for the same rows, and none for rows that an earlier condition rejected
SELECT differs('SELECT count(*) FROM vals WHERE i4 + 1 > 0');
SELECT differs('SELECT count(*) FROM vals WHERE k < 100 AND i4 + 1 > 0');
SELECT differs('SELECT count(*) FROM vals WHERE 10 / i2 > 1');
SELECT differs('SELECT count(*) FROM vals WHERE i2 <> 0 AND 10 / i2 > 1');
SELECT differs('SELECT count(*) FROM vals WHERE i2 = 0 OR 10 / i2 > 1');
SELECT differs('SELECT sum(i4 * i4) FROM vals');
SELECT differs('SELECT sum(i4 * 100000) FROM vals WHERE k < 100');
SELECT differs('SELECT sum(i8 * 1000000007) FROM vals WHERE k < 100');
SELECT differs('SELECT sum(n * n * n), max(n * nn) FROM vals WHERE k < 100');
SELECT differs('SELECT sum(d - date ''2000-01-01'') FROM vals WHERE k < 100');
SELECT differs('SELECT sum(d - date ''2000-01-01'') FROM vals');
SELECT differs('SELECT sum(f8 * 1e308) FROM vals WHERE k < 100');
SELECT differs('SELECT sum(f4 * f4) FROM vals WHERE k < 100');
SELECT differs('SELECT sum(n::float8), sum(i4::numeric), sum(i8::float8) FROM vals WHERE k < 100');
SELECT differs('SELECT sum(-n), sum(-i4::int8), min(-f8) FROM vals WHERE k < 100');
SELECT differs('SELECT i8::int4 FROM vals WHERE i4 = 5');

-- every row of every type leaves the scan as it went in
SELECT differs('SELECT i2, i4, i8, f4, f8, n, nn, b, d, ts, t, c, v FROM vals WHERE k >= 100 OR k IS NULL OR i4 % 997 = 0 ORDER BY i4, f8');

-- more groups than work_mem holds
SET work_mem = '64kB';
SET hash_mem_multiplier = 1;
SELECT differs('SELECT count(*), sum(s), min(i4), max(i4) FROM (SELECT i4, sum(i8) AS s FROM vals WHERE k < 100 GROUP BY i4) x');
SET enable_hashagg = off;
SET enable_sort = off;
SELECT differs('SELECT count(*), sum(s), min(i4), max(i4) FROM (SELECT i4, sum(i8) AS s FROM vals WHERE k < 100 GROUP BY i4) x');
SELECT differs('SELECT count(*), sum(s), min(x.t), max(x.c) FROM (SELECT t || i4 AS t, c, s FROM (SELECT t, c, i4, sum(n) AS s FROM vals GROUP BY t, c, i4) y) x');
SELECT differs('SELECT count(*), min(m), max(l) FROM (SELECT i4, max(v) AS m, min(t) AS l FROM vals GROUP BY i4) x');
SELECT bool_or(plan ~ 'Partitions: [1-9]') AS in_files
FROM (SELECT explain('SELECT v, i4, sum(i8) FROM vals WHERE k < 100 GROUP BY v, i4') AS plan) x;
RESET enable_hashagg;
RESET enable_sort;
RESET work_mem;
RESET hash_mem_multiplier;

-- every kernel level gives the same
SET strata.simd = 'scalar';
SELECT differs('SELECT k, sum(n), count(*), min(d), max(i8) FROM vals WHERE i4 > 100 AND n < 4000 GROUP BY k ORDER BY k');
RESET strata.simd;

-- parameters, rescans, cursors
PREPARE par(int, numeric) AS SELECT count(*), sum(n) FROM vals WHERE i4 < $1 AND n > $2;
SET plan_cache_mode = force_generic_plan;
EXECUTE par(100, 10);
EXECUTE par(NULL, 10);
EXECUTE par(2000, 300.125);
RESET plan_cache_mode;
SELECT g, (SELECT sum(n) FROM vals WHERE k = g) FROM generate_series(0, 3) g;
BEGIN;
DECLARE cur SCROLL CURSOR FOR SELECT i4 FROM vals WHERE i4 BETWEEN 10 AND 14 ORDER BY i4;
FETCH 2 FROM cur;
FETCH BACKWARD 1 FROM cur;
FETCH LAST FROM cur;
COMMIT;

-- a subplan runs only when a row gets as far as its condition
CREATE TABLE zero (z int);
INSERT INTO zero VALUES (0);
SELECT differs('SELECT count(*) FROM vals WHERE i4 BETWEEN 123456 AND 123457 AND i8 > (SELECT 1 / z FROM zero)');
SELECT differs('SELECT i4 FROM vals WHERE i4 BETWEEN 123456 AND 123457 AND (i4 < 5 OR i8 > (SELECT 1 / z FROM zero))');
SELECT differs('SELECT count(*) FROM vals WHERE i4 BETWEEN 5 AND 6 AND i8 > (SELECT 1 / z FROM zero)');
SELECT differs('SELECT count(*) FROM vals WHERE i4 BETWEEN 5 AND 6 AND i8 > (SELECT z FROM zero)');
DROP TABLE zero;

-- a volatile condition runs once a row, however many passes the groups would take
CREATE SEQUENCE calls;
SET work_mem = '64kB';
SET hash_mem_multiplier = 1;
SELECT count(*) FROM (SELECT i4, count(*) FROM vals WHERE nextval('calls') > 0 GROUP BY i4) x;
SELECT last_value FROM calls;
RESET work_mem;
RESET hash_mem_multiplier;
DROP SEQUENCE calls;

-- strings that are equal and yet differ: the last one met is the extreme, as with text_smaller and text_larger
CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE cased (id int, t text COLLATE any_case);
INSERT INTO cased SELECT g, (ARRAY['a', 'A', 'b', 'B'])[1 + g * 7 % 4] FROM generate_series(1, 1001) g;
VACUUM ANALYZE cased;
SELECT strata.enable('cased');
SELECT strata.populate('cased') > 0 AS populated;
SELECT differs('SELECT min(t), max(t) FROM cased');
SELECT differs('SELECT min(t), max(t) FROM cased WHERE id < 1000');
DROP TABLE cased;
DROP COLLATION any_case;

-- how a value is stored is the heap's to tell, wherever it is asked
CREATE TABLE packed (id int, t text COMPRESSION pglz);
INSERT INTO packed SELECT g, repeat('x', 3000 + g % 7) FROM generate_series(1, 2000) g;
VACUUM ANALYZE packed;
SELECT strata.enable('packed');
SELECT strata.populate('packed') > 0 AS populated;
SELECT differs('SELECT sum(length(t)) FROM packed');
SELECT differs('SELECT sum(pg_column_size(t)), max(pg_column_compression(t)) FROM packed');
SELECT differs('SELECT max(pg_column_compression(s.t)) FROM (SELECT t FROM packed OFFSET 0) s');
SELECT differs('WITH s AS MATERIALIZED (SELECT id, t FROM packed) SELECT sum(n) FROM (SELECT pg_column_size(t) AS n FROM s) x');
SELECT max(pg_column_compression(t)) FROM packed;
DROP TABLE packed;

DROP TABLE vals;
DROP FUNCTION differs(text);
DROP FUNCTION answer, store, plan_has, compare;
DROP FUNCTION explain(text);
