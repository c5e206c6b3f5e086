-- Aggregation inside the column store: every query runs with it off and on, the answers as sets of rows; the function
-- prints the differences, and the queries that did not aggregate in batches.
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
CREATE FUNCTION differs(query text) RETURNS SETOF text LANGUAGE sql AS $$ SELECT compare(query, 'StrataAggregate', ordered => false) $$;
-- Every call of the list, with and without groups.
CREATE FUNCTION differ(calls text[], keys text[], tail text) RETURNS SETOF text LANGUAGE sql AS $$
  SELECT d FROM unnest(calls) c, LATERAL differs(format('SELECT %s FROM agg %s', c, tail)) d
  UNION ALL
  SELECT d FROM unnest(calls) c, unnest(keys) k, LATERAL differs(format('SELECT %s, %s FROM agg %s GROUP BY %1$s', k, c, tail)) d
$$;

CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN small AS int CHECK (VALUE < 1000000);
CREATE TABLE agg (id int, i2 int2, i4 int4, i8 int8, n numeric(12,2), nn numeric, f4 float4, f8 float8, b bool, d date,
                  ts timestamp, tm time, iv interval, o oid, m money, u uuid, ip inet, e mood, dom small, by bytea,
                  t text, c char(6), v varchar(20), few int, many int, wide int8, lonely int);
INSERT INTO agg
SELECT i, i % 300 - 150, i * 7919 % 100003, i::int8 * 1000000007 % 99999999977, (i % 5000) / 4.0,
       (i % 900)::numeric / 3, i / 8.0, i / 16.0 - 300, i % 3 = 0, date '2000-01-01' + i % 400,
       timestamp '2000-01-01' + i % 500 * interval '1 hour', time '00:00' + i % 300 * interval '1 minute',
       i % 50 * interval '1 day' + i % 7 * interval '1 month', i % 90, (i % 70)::numeric::money,
       md5((i % 60)::text)::uuid, ('10.0.' || i % 20 || '.1')::inet, (ARRAY['sad', 'ok', 'happy'])[i % 3 + 1]::mood,
       i % 40, decode(md5((i % 30)::text), 'hex'), 'text' || i % 11, 'c' || i % 3, repeat('v', i % 9),
       i % 5, i % 3000, (i % 700)::int8 * 1000000000000, i
FROM generate_series(1, 8000) i;
-- NULLs everywhere, and values at the ends
INSERT INTO agg (id, few, many) SELECT i, i % 5, i % 3000 FROM generate_series(20001, 20300) i;
INSERT INTO agg (id, few) VALUES (20301, NULL), (20302, 6), (20303, 6);
INSERT INTO agg (id, few, i2, i4, i8, f8, n, nn) VALUES
  (20304, 7, 32767, 2147483647, 9223372036854775807, 1e300, 9999999999.99, 1e20),
  (20305, 7, -32768, -2147483648, -9223372036854775808, -1e300, -9999999999.99, 1.000000001),
  (20306, 7, 32767, 2147483647, 9223372036854775807, 1e-300, 0, -5);
VACUUM (FREEZE, ANALYZE) agg;
SELECT strata.enable('agg');
SELECT strata.populate('agg') > 0 AS populated;

-- 1. Kinds of keys
SELECT d FROM unnest(ARRAY['i2', 'i4', 'i8', 'n', 'f4', 'f8', 'b', 'd', 'ts', 'o', 'u', 'e', 'dom', 'by', 't', 'c', 'v', 'few', 'many',
                           'wide', 'tm', 'few, many', 'few, t', 't, c, b', 'wide, i4', 'f8, few', 'u, few', 'd, few, i2',
                           'few + 1', 'i4 / 1000', 'd + 1', 'many, id', 'few, few + 1'])k,
  LATERAL differs(format('SELECT %s, count(*), sum(i4), min(n) FROM agg GROUP BY %1$s', k)) d;
-- the range of integers moves, downwards too, and becomes too wide
SELECT differs('SELECT id, count(*) FROM agg GROUP BY id');
SELECT differs('SELECT -id, count(*), sum(few) FROM agg GROUP BY 1');
SELECT differs('SELECT i8, wide, count(*) FROM agg GROUP BY i8, wide');
SELECT differs('SELECT i8, count(*) FROM agg WHERE few = 7 OR id < 100 GROUP BY i8');

-- 2. Aggregates
SELECT differ(ARRAY['count(*)', 'count(i4)', 'count(t)', 'count(iv)', 'sum(i2)', 'sum(i4)', 'sum(i8)', 'sum(n)', 'sum(nn)', 'sum(f4)', 'sum(f8)',
  'avg(i2)', 'avg(i4)', 'avg(i8)', 'avg(n)', 'avg(nn)', 'avg(f4)', 'avg(f8)', 'sum(i4 + i2)', 'sum(n * (1 - n)), avg(n * (1 - n)), count(n * (1 - n))',
  'min(i2), max(i2)', 'min(i4), max(i8)', 'min(n), max(n)', 'min(nn), max(nn)', 'min(f4), max(f8)', 'min(d), max(ts)',
  'min(tm), max(tm)', 'min(iv), max(iv)', 'min(o), max(o)', 'min(m), max(m)', 'min(ip), max(ip)', 'min(e), max(e)',
  'min(t), max(t)', 'min(c), max(c)', 'min(v), max(v)', 'bool_and(b), bool_or(b), every(b)',
  'bit_and(i2), bit_or(i4), bit_xor(i8)', 'bit_xor(i2), bit_and(i8)'], ARRAY['few', 'many', 't', 'f8', 'few, c'], '');
SELECT differ(ARRAY['variance(i2)', 'stddev(i4)', 'var_pop(i8)', 'stddev_samp(n)', 'stddev_pop(nn)', 'var_samp(f4)', 'stddev(f8)',
  'avg(f8), stddev(f8), variance(f8), sum(f8)', 'sum(n), avg(n), variance(n), count(n), stddev_pop(n)', 'variance(i4 * 3)'],
  ARRAY['few', 'many', 'i2'], 'WHERE few IS DISTINCT FROM 7');
-- Nothing at all
SELECT differ(ARRAY['count(*), sum(i4), avg(n), min(t), variance(i8), stddev(f8), bit_or(i2), count(DISTINCT i4)'],
  ARRAY['few', 't'], 'WHERE i4 < -77 AND few < 3');
SELECT differ(ARRAY['count(*), sum(i4), avg(n), min(t), variance(i8), stddev(f8), bool_and(b), count(DISTINCT t)'],
  ARRAY['few', 'many'], 'WHERE id > 20000 AND few < 7');

-- 3. FILTER
SELECT differ(ARRAY['count(*) FILTER (WHERE i4 > 50000), count(*)', 'sum(n) FILTER (WHERE b), sum(n), avg(n) FILTER (WHERE b)',
  'sum(i4) FILTER (WHERE t LIKE ''%1''), min(t) FILTER (WHERE b), max(f8) FILTER (WHERE few = 3)',
  'sum(1000 / i2) FILTER (WHERE i2 <> 0)', 'sum(f8) FILTER (WHERE f8 > 0)', 'count(i4) FILTER (WHERE NULL::bool)',
  'variance(i4) FILTER (WHERE b), bit_or(i2) FILTER (WHERE b)'], ARRAY['few', 'many', 't', 'f8'], '');

-- 4. DISTINCT
SELECT differ(ARRAY['count(DISTINCT i4)', 'count(DISTINCT t), count(t)', 'sum(DISTINCT i2), avg(DISTINCT i2), count(DISTINCT i2), sum(i2)',
  'sum(DISTINCT n)', 'count(DISTINCT few), count(DISTINCT many), count(DISTINCT c)', 'min(DISTINCT i4), max(DISTINCT t)',
  'count(DISTINCT u), count(DISTINCT f8), count(DISTINCT e)', 'variance(DISTINCT i4), bit_xor(DISTINCT i2)',
  'count(DISTINCT i4) FILTER (WHERE b), sum(DISTINCT i4) FILTER (WHERE b), count(DISTINCT i4)', 'count(DISTINCT i2 + few)',
  'count(DISTINCT wide), count(DISTINCT i8)'], ARRAY['few', 'many', 't', 'few, c'], '');
SELECT d FROM unnest(ARRAY['few', 't', 'few, t', 'i4', 'f8', 'n', 'u', 'many, few', 'few + 1', 'd', 'b, c, v']) k,
  LATERAL differs(format('SELECT DISTINCT %s FROM agg', k)) d;
SELECT differs('SELECT DISTINCT few, t FROM agg WHERE i4 > 50000 ORDER BY t, few LIMIT 7');
SELECT differs('SELECT count(*) FROM (SELECT DISTINCT many, few FROM agg) s');
SELECT differs('SELECT few, t FROM agg GROUP BY few, t');

-- 5. HAVING
SELECT differs('SELECT few, sum(i4) FROM agg GROUP BY few HAVING count(*) > 100 AND min(n) IS NOT NULL');
SELECT differs('SELECT sum(i4) FROM agg HAVING count(DISTINCT few) > 3');
SELECT differs('SELECT t FROM agg GROUP BY t HAVING t > ''text4'' AND sum(i4) FILTER (WHERE b) > 0');

-- 6. Grouping sets
SELECT differs('SELECT few, t, count(*), sum(n), grouping(few, t), grouping(t) FROM agg GROUP BY ROLLUP (few, t)');
SELECT differs('SELECT few, t, b, count(*), min(t), max(t), count(DISTINCT i2) FROM agg GROUP BY CUBE (few, t, b)');
SELECT differs('SELECT few, c, avg(i8), sum(f8) FROM agg GROUP BY GROUPING SETS ((few), (c), ()) HAVING grouping(few) = 0 OR count(*) > 5');
SELECT differs('SELECT many, d, count(*) FROM agg GROUP BY GROUPING SETS ((many, d), (d), (), ())');
SELECT differs('SELECT few + 1, sum(i4) FROM agg GROUP BY ROLLUP (few + 1)');
SELECT differs('SELECT few, count(*) FROM agg WHERE i4 < -77 AND few < 3 GROUP BY ROLLUP (few)');
SELECT differs('SELECT few, t, count(*) FROM agg GROUP BY few, ROLLUP (t), CUBE (b)');

-- 7. Sums that do not fit 64 bits, and values that are no scaled integers
CREATE TABLE big (id int, g int, n numeric(18,2), i8 int8, f8 float8, free numeric);
INSERT INTO big SELECT i, i % 3, 9999999999999999.99 - i, 9223372036854775807 - i, 1e308 / 12000, (i % 100) / 4.0 FROM generate_series(1, 8000) i;
-- the planner expects few distinct values of them
ALTER TABLE big ALTER n SET (n_distinct = 5), ALTER i8 SET (n_distinct = 5), ALTER id SET (n_distinct = 5);
VACUUM (FREEZE, ANALYZE) big;
SELECT strata.enable('big');
SELECT strata.populate('big') > 0 AS populated;
SELECT differs('SELECT g, sum(n), avg(n), sum(i8), avg(i8), variance(n), stddev(i8) FROM big GROUP BY g');
SELECT differs('SELECT sum(n), avg(n), sum(i8), variance(i8), sum(n * 2) FROM big');
SELECT differs('SELECT id % 4000, sum(n), sum(i8), max(n), min(i8) FROM big GROUP BY 1');
SELECT differs('SELECT g, sum(f8) FROM big GROUP BY g');
SELECT differs('SELECT g, sum(f8 * 5) FROM big GROUP BY g');
SELECT differs('SELECT g, sum(free), min(free), max(free), avg(free), variance(free) FROM big GROUP BY g');
-- scales that change from row to row, special values, and rows in the heap
INSERT INTO big SELECT i, i % 3, 'NaN', NULL, 'NaN', (i % 100)::numeric / 7 FROM generate_series(20001, 20010) i;
INSERT INTO big VALUES (20011, 2, NULL, 5, 'Infinity', 'Infinity'), (20012, 4, NULL, 5, '-Infinity', '-Infinity'), (20013, 4, NULL, 5, '-0', 'Infinity'),
  (20014, 5, 1, 1, '-0', 1.0), (20015, 5, 1, 1, '-0', 1.00), (20016, 6, 1, 1, 0, 1.000), (20017, 6, 1, 1, 0, 1);
SELECT differs('SELECT g, sum(free), min(free), max(free), avg(free), variance(free) FROM big GROUP BY g');
SELECT differs('SELECT g, sum(n), min(n), max(n), variance(n), count(DISTINCT n), sum(f8), min(f8), max(f8), avg(f8), stddev(f8) FROM big GROUP BY g');
SELECT differs('SELECT n, count(*) FROM big WHERE id > 7500 GROUP BY n');
SELECT differs('SELECT f8, count(*) FROM big GROUP BY f8');
SELECT differs('SELECT count(DISTINCT n), count(DISTINCT f8), count(DISTINCT i8), sum(DISTINCT n) FROM big');
SELECT differs('SELECT g, sum(f8 * 5) FROM big GROUP BY g');

-- 8. Less memory than groups, or distinct values, need
SET work_mem = '64kB';
SET hash_mem_multiplier = 1.0;
SET enable_sort = off;
SET enable_hashagg = off;
SELECT differ(ARRAY['count(*), sum(i4), min(t), variance(n)', 'count(DISTINCT i4), sum(DISTINCT i2), count(*)', 'count(DISTINCT few) FILTER (WHERE b), avg(n)'],
  ARRAY['few', 'many', 't', 'many, few', 'i8', 'id', 'f8', 'u, id'], '');
SELECT differs('SELECT id, few, count(*), count(DISTINCT i4), grouping(few) FROM agg GROUP BY ROLLUP (few, id)');
SELECT differs('SELECT many, t, b, sum(n), count(DISTINCT i8) FROM agg GROUP BY CUBE (many, t, b)');
SELECT differs('SELECT DISTINCT id, t FROM agg');
SELECT differs('SELECT g, count(DISTINCT n), sum(DISTINCT n), variance(DISTINCT i8), count(DISTINCT i8) FILTER (WHERE id > 100), count(*), sum(n) FROM big GROUP BY g');
SELECT differs('SELECT count(DISTINCT n), avg(DISTINCT n), sum(DISTINCT i8), count(DISTINCT id) FROM big');
-- files are said
SELECT regexp_replace(p, '\d+', 'N', 'g') FROM (SELECT unnest(string_to_array(answer('EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT id, count(*) FROM agg GROUP BY id', false), E'\n')) p) s
WHERE p LIKE '%Partitions%';
RESET work_mem;
RESET hash_mem_multiplier;
RESET enable_sort;
RESET enable_hashagg;

-- 9. Over joins, subqueries that repeat, prepared statements, cursors
CREATE TABLE dim (few int, name text, weight int);
INSERT INTO dim SELECT i, 'name' || i % 3, i * 10 FROM generate_series(0, 7) i;
VACUUM (FREEZE, ANALYZE) dim;
SELECT strata.enable('dim');
SELECT strata.populate('dim') > 0 AS populated;
SELECT differs('SELECT name, count(*), count(DISTINCT i4), sum(n * weight) FILTER (WHERE b) FROM agg JOIN dim USING (few) GROUP BY name');
SELECT differs('SELECT name, t, sum(i4), grouping(name) FROM agg JOIN dim USING (few) GROUP BY ROLLUP (name, t)');
SELECT differs('SELECT DISTINCT name, few FROM agg JOIN dim USING (few)');
SELECT differs('SELECT few, (SELECT count(DISTINCT a.t) FROM agg a WHERE a.few = dim.few AND a.i2 > dim.weight) FROM dim');
PREPARE p(int, bool) AS SELECT few, count(*) FILTER (WHERE i4 > $1), count(DISTINCT i2) FILTER (WHERE b = $2) FROM agg GROUP BY few ORDER BY few;
SET plan_cache_mode = force_generic_plan;
EXECUTE p(50000, true);
EXECUTE p(90000, false);
RESET plan_cache_mode;

-- 10. Partial states that core's Finalize takes
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT differ(ARRAY['count(*), sum(i4), avg(n), min(t), bool_or(b), bit_xor(i4), max(iv)', 'variance(i2), stddev(i4), var_pop(i8), stddev(n), variance(nn)',
  'count(*) FILTER (WHERE b), sum(n) FILTER (WHERE i4 > 50000), avg(i4) FILTER (WHERE b), variance(i4) FILTER (WHERE b)',
  'count(DISTINCT i4)'], ARRAY['few', 'many'], 'WHERE few IS DISTINCT FROM 7');
RESET max_parallel_workers_per_gather;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;

-- 11. What is left to PostgreSQL
EXPLAIN (COSTS OFF) SELECT few, string_agg(t, ',') FROM agg GROUP BY few;
EXPLAIN (COSTS OFF) SELECT sum(DISTINCT f8) FROM agg;
-- and what is not
EXPLAIN (COSTS OFF) SELECT few, t, count(DISTINCT i4) FILTER (WHERE b) FROM agg GROUP BY ROLLUP (few, t) HAVING count(*) > 1;

-- 12. Groups without aggregates, found row by row in vector after vector: a NaN keeps the unit's numerics as bytes
CREATE TABLE scales (id int, n numeric(20,4));
INSERT INTO scales SELECT i, CASE WHEN i = 3000 THEN 'NaN' ELSE i / 8.0 END FROM generate_series(1, 8000) i;
VACUUM ANALYZE scales;
SELECT strata.enable('scales');
SELECT strata.populate('scales') > 0 AS populated;
SELECT differs(q) FROM unnest(ARRAY['SELECT DISTINCT n FROM scales', 'SELECT n FROM scales GROUP BY n HAVING n > 3']) q;

-- 13. Variances of numerics whose squares are no numerics any more: too large, or with too many decimals
CREATE TABLE extremes (id int, kind int, n numeric);
INSERT INTO extremes SELECT i, i % 4, CASE i % 4
    WHEN 0 THEN 9e131071 + i
    WHEN 1 THEN (i % 7 - 3) * (1e-500 - 1e-16383)
    WHEN 2 THEN CASE WHEN i = 202 THEN numeric 'Infinity' WHEN i % 100 = 2 THEN 1e40 ELSE i / 8.0 END
    ELSE CASE WHEN i = 303 THEN numeric 'NaN' ELSE i END END
  FROM generate_series(1, 400) i;
VACUUM ANALYZE extremes;
SELECT strata.enable('extremes');
SELECT strata.populate('extremes') > 0 AS populated;
SELECT differs(q) FROM unnest(ARRAY[
  'SELECT kind, variance(n), stddev_pop(n), count(n) FROM extremes GROUP BY kind',
  'SELECT variance(n) FROM extremes WHERE kind = 0 AND id <= 20',
  'SELECT trim_scale(variance(n) * 1e1000) FROM extremes WHERE kind = 1',
  'SELECT var_pop(n) FILTER (WHERE id % 3 = 0) FROM extremes WHERE kind = 2',
  'SELECT variance(n) FROM extremes WHERE id = 4']) q;
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2;
SELECT differs('SELECT kind, variance(n), stddev(n) FROM extremes WHERE id > 3 GROUP BY kind');
SELECT length(variance(n)::text) FROM extremes WHERE kind = 0;
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size; RESET max_parallel_workers_per_gather;

-- The first vector is none, as one year is infinite: what a first try made of groups has had no row.
CREATE TABLE odd_first AS SELECT date 'infinity' AS d UNION ALL SELECT date '2000-01-01' + g * 100 FROM generate_series(1, 3000) g;
VACUUM (ANALYZE) odd_first;
SELECT strata.enable('odd_first');
SELECT strata.populate('odd_first') > 0 AS populated;
SELECT differs('SELECT extract(year FROM d), count(*), count(d) FROM odd_first GROUP BY ROLLUP (extract(year FROM d))');
SELECT differs('SELECT count(*), sum(extract(year FROM d)) FROM odd_first');
DROP TABLE odd_first;

-- 14. More strings than fit the caches, which are looked up a vector at a time: alone, beside another key, and twice;
-- short and long, those of char(n) with and without blanks, NULLs, some in the heap, and units with and without a dictionary
CREATE TABLE strings (id int, t text, c char(12), u uuid, long text);
CREATE FUNCTION strings_rows(first int, last int) RETURNS SETOF strings LANGUAGE sql AS $$
  SELECT i, CASE WHEN k % 97 <> 0 THEN 'string ' || k END, 'c' || k % 7000 || repeat(' ', i % 4), md5(k::text)::uuid,
         repeat(md5(k::text), CASE k % 500 WHEN 0 THEN 60 WHEN 1 THEN 5 ELSE 1 END)
  FROM generate_series(first, last) i, LATERAL (SELECT CASE WHEN i <= 20000 THEN i * 7919 % 9001 ELSE i % 20 END AS k) x
$$;
INSERT INTO strings SELECT * FROM strings_rows(1, 100000);
VACUUM (FREEZE, ANALYZE) strings;
SELECT strata.enable('strings');
SELECT strata.populate('strings') > 0 AS populated;
UPDATE strings SET t = t || '!' WHERE id % 1009 = 0;
SELECT differs(format('SELECT %1$s, count(*), min(id), max(id) FROM strings GROUP BY %1$s', k))
FROM unnest(ARRAY['t', 'c', 'u', 'long', 't, c', 't, id % 3', 'u, long']) k;
SELECT differs('SELECT count(DISTINCT t), count(DISTINCT c), count(DISTINCT u), count(DISTINCT long) FROM strings');
SELECT differs('SELECT id % 2, count(DISTINCT t), count(DISTINCT c) FROM strings GROUP BY 1');
SELECT differs('SELECT count(*), sum(a.id), sum(b.id) FROM strings a JOIN strings b ON a.t = b.t WHERE a.id < 15000 AND b.id < 20000');
SELECT differs('SELECT count(*), sum(a.id), count(b.id) FROM strings a LEFT JOIN strings b ON a.c = b.c AND a.u = b.u AND b.id > 10000 AND b.id < 20000 WHERE a.id < 20000');
SET work_mem = '64kB';
SET hash_mem_multiplier = 1.0;
SET enable_sort = off;
SET enable_hashagg = off;
SELECT differs(format('SELECT %1$s, count(*), min(id), max(id) FROM strings GROUP BY %1$s', k)) FROM unnest(ARRAY['t', 'c', 'u', 'long', 't, c']) k;
SELECT differs('SELECT count(DISTINCT t), count(DISTINCT long) FROM strings');
RESET work_mem;
RESET hash_mem_multiplier;
RESET enable_sort;
RESET enable_hashagg;
DROP FUNCTION strings_rows;
DROP TABLE strings;

DROP TABLE agg, big, dim, scales, extremes;
DROP TYPE mood;
DROP DOMAIN small;
DROP FUNCTION differ, differs, answer, store, plan_has, compare;
