-- Partitions pruned at run time.  ep_same() runs a query with the column store off and on, as a generic plan, once for
-- each list of arguments.  It shows which partitions were read, and what differs from PostgreSQL's Append: answers, or
-- partitions read; or that there was no StrataAppend.  An inner join may leave one side unread, and so differ.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
SET max_parallel_workers_per_gather = 0;
SET plan_cache_mode = force_generic_plan;

\getenv srcdir PG_ABS_SRCDIR
\set compare :srcdir '/sql/include/compare.sql'
\set ECHO none
\i :compare
\set ECHO all
-- Tables that a query has read rows of, or would have if they had any.
CREATE FUNCTION ep_read(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  plan jsonb;
BEGIN
  EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT JSON) ' || query INTO plan;
  RETURN (SELECT string_agg(DISTINCT t #>> '{}', ' ' ORDER BY t #>> '{}')
    FROM jsonb_path_query(plan, '$.** ? (@."Actual Loops" > 0)."Relation Name"') t);
END $$;
CREATE FUNCTION ep_same(query text, types text DEFAULT '', VARIADIC args text[] DEFAULT '{""}') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  state text;
  a text;
  call text;
  answers text[];
  reads text[];
BEGIN
  FOREACH state IN ARRAY '{off,on}'::text[] LOOP
    PERFORM store(state);
    EXECUTE format('PREPARE ep_query %s AS %s', nullif('(' || types || ')', '()'), query);
    FOREACH a IN ARRAY args LOOP
      call := 'EXECUTE ep_query' || coalesce(nullif('(' || a || ')', '()'), '');
      answers := answers || answer(call, false);
      reads := reads || coalesce(ep_read(call), 'none');
    END LOOP;
    IF NOT plan_has(call, 'StrataAppend', false) AND state = 'on' THEN
      RETURN NEXT 'not used';
    END IF;
    DEALLOCATE ep_query;
  END LOOP;
  FOR i IN 1 .. cardinality(args) LOOP
    RETURN NEXT args[i] || ': ' || reads[cardinality(args) + i];
    IF answers[i] IS DISTINCT FROM answers[cardinality(args) + i] THEN
      RETURN NEXT 'off: ' || left(answers[i], 500) || E'\non:  ' || left(answers[cardinality(args) + i], 500);
    END IF;
    IF reads[i] IS DISTINCT FROM reads[cardinality(args) + i] THEN
      RETURN NEXT 'PostgreSQL reads ' || reads[i];
    END IF;
  END LOOP;
END $$;
-- Of a plan, the nodes and what was removed.
CREATE FUNCTION ep_explain(query text, options text DEFAULT '') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (COSTS OFF' || options || ') ' || query LOOP
    IF line ~ '->|^[A-Z]|Removed: ' THEN
      RETURN NEXT line;
    END IF;
  END LOOP;
END $$;

-- Two levels, a default, columns in another order, and one partition that the column store leaves to the heap.
CREATE TABLE ep (k int, s text, d timestamptz, v int) PARTITION BY RANGE (k);
CREATE TABLE ep_1 PARTITION OF ep FOR VALUES FROM (0) TO (1000);
CREATE TABLE ep_2 PARTITION OF ep FOR VALUES FROM (1000) TO (2000) PARTITION BY LIST (s);
CREATE TABLE ep_2a PARTITION OF ep_2 FOR VALUES IN ('a');
CREATE TABLE ep_2b PARTITION OF ep_2 FOR VALUES IN ('b', 'c');
CREATE TABLE ep_2null PARTITION OF ep_2 FOR VALUES IN (NULL);
CREATE TABLE ep_3 (v int, gone int, d timestamptz, k int, s text);
ALTER TABLE ep_3 DROP COLUMN gone;
ALTER TABLE ep ATTACH PARTITION ep_3 FOR VALUES FROM (2000) TO (3000);
CREATE TABLE ep_heap PARTITION OF ep FOR VALUES FROM (3000) TO (3500);
CREATE TABLE ep_rest PARTITION OF ep DEFAULT;
INSERT INTO ep SELECT nullif(g, 3999), (ARRAY['a', 'b', 'c', NULL])[1 + g % 4], timestamptz '2020-01-01 00:00+0' + g * interval '1 day', g % 7
FROM generate_series(0, 3999) g;
CREATE TABLE ep_h (k int, v int) PARTITION BY HASH (k);
CREATE TABLE ep_h0 PARTITION OF ep_h FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE ep_h1 PARTITION OF ep_h FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE ep_h2 PARTITION OF ep_h FOR VALUES WITH (MODULUS 3, REMAINDER 2);
INSERT INTO ep_h SELECT g % 100, g FROM generate_series(1, 3000) g;
CREATE TABLE ep_d (d timestamptz, v int) PARTITION BY RANGE (d);
CREATE TABLE ep_past PARTITION OF ep_d FOR VALUES FROM ('2000-01-01') TO ('2020-01-01');
CREATE TABLE ep_future PARTITION OF ep_d FOR VALUES FROM ('2200-01-01') TO ('2300-01-01');
INSERT INTO ep_d SELECT timestamptz '2000-01-01' + g % 2 * interval '220 years' + g * interval '1 day', g FROM generate_series(1, 2000) g;
CREATE TABLE ep_dim (k int, name text);
INSERT INTO ep_dim SELECT g, 'n' || g % 5 FROM generate_series(0, 3999, 3) g;
VACUUM ANALYZE ep, ep_h, ep_d, ep_dim;
SELECT strata.enable('ep'), strata.disable('ep_heap'), strata.enable('ep_h'), strata.enable('ep_d'), strata.enable('ep_dim');
SELECT strata.populate('ep') > 0 AND strata.populate('ep_h') > 0 AND strata.populate('ep_d') > 0 AND strata.populate('ep_dim') > 0 AS populated;

-- Parameters of a generic plan: by range, list and hash, at both levels, all pruned.
SELECT ep_same('SELECT count(v), sum(v) FROM ep WHERE k < $1', 'int', '500', '1000', '1001', '0', '-5', '10000', 'NULL');
SELECT ep_same('SELECT count(v), sum(v) FROM ep WHERE k BETWEEN $1 AND $2', 'int, int', '10, 20', '999, 1000', '2500, 3100', '20, 10');
SELECT ep_same('SELECT count(v), sum(v) FROM ep WHERE k = ANY ($1)', 'int[]', '''{5,2500}''', '''{}''', '''{NULL}''', '''{3999,NULL}''');
SELECT ep_same('SELECT count(v), sum(v) FROM ep WHERE k IN ($1, $2)', 'int, int', '5, 2500', 'NULL, 7', 'NULL, NULL');
SELECT ep_same('SELECT count(v), sum(v) FROM ep WHERE k IS NULL AND v > $1', 'int', '0');
SELECT ep_same('SELECT count(v), sum(v) FROM ep WHERE k >= $1 AND s = $2', 'int, text', '0, ''a''', '1500, ''c''', '1999, ''nobody''', '2000, NULL');
SELECT ep_same('SELECT k, v FROM ep_2 WHERE s = $1 ORDER BY v, k', 'text', '''a''', '''b''', '''z''');
SELECT ep_same('SELECT count(v), sum(v) FROM ep_h WHERE k = $1', 'int', '1', '2', '3', '77', 'NULL');
SELECT ep_same('SELECT v % 2, count(*), sum(v) FROM ep WHERE k = $1 OR k > $2 GROUP BY 1', 'int, int', '5, 3900', '2001, 2900', 'NULL, NULL');

-- Stable functions; no parameters.
SELECT ep_same('SELECT count(v), sum(v) FROM ep_d WHERE d < now()');
SELECT ep_same('SELECT count(v), sum(v) FROM ep_d WHERE d > current_timestamp + interval ''1 day''');
SELECT ep_same('SELECT count(v), sum(v) FROM ep_d WHERE d = $1::date', 'date', 'current_date');

-- While it runs: values of InitPlans, of the query around a subquery, of the outer side of a nested loop.
SELECT ep_same('SELECT count(v), sum(v) FROM ep WHERE k = (SELECT max(k) - $1 FROM ep_dim)', 'int', '3000', '1500', '-1000', 'NULL');
SELECT ep_same('SELECT x, (SELECT sum(v) FROM ep WHERE k BETWEEN x AND x + 10 AND v >= $1) FROM generate_series(0, 4000, 1000) x', 'int', '0');
SELECT ep_same('SELECT x, n FROM generate_series($1, 3000, 500) x, LATERAL (SELECT count(v) n FROM ep WHERE k > x AND k < $2) y', 'int, int', '0, 10', '1000, 2100', '3000, 0');
SELECT ep_same('SELECT x, (SELECT sum(v) FROM ep_2 WHERE s = x AND v <> $1) FROM unnest(''{a,c,NULL,z,a}''::text[]) x', 'int', '3');
SELECT ep_same('SELECT x, (SELECT sum(v) FROM ep WHERE s = x AND k < $1) FROM unnest(''{a,c,NULL}''::text[]) x', 'int', '1800', '900');
SELECT ep_same('SELECT x, (SELECT array_agg(n ORDER BY n) FROM (SELECT DISTINCT v n FROM ep WHERE k = x OR k = (SELECT x + $1)) y) FROM generate_series(0, 3000, 750) x', 'int', '5', '700');

-- Where the range table of a subquery ends up behind another.
SELECT ep_same('SELECT * FROM ep_dim a JOIN (SELECT k % 5 g, sum(v) FROM ep WHERE k < $1 GROUP BY 1 OFFSET 0) b ON a.k = b.g', 'int', '700', '1100');
SELECT ep_same('SELECT sum(v) FROM ep_h WHERE k = $2 UNION ALL SELECT sum(v) FROM ep WHERE k < $1 UNION ALL SELECT sum(v) FROM ep WHERE k >= $1', 'int, int', '700, 3', '2000, 4');
SELECT ep_same('WITH a AS MATERIALIZED (SELECT sum(k) x, sum(v) y FROM ep WHERE k = $1) SELECT a.*, (SELECT sum(v) FROM ep WHERE k < a.x) FROM a, ep_dim WHERE ep_dim.k = 0', 'int', '700', '2000');

-- Every parent of an append without children.
SELECT ep_same('SELECT k, v FROM ep WHERE k < $1 ORDER BY v, k LIMIT 5', 'int', '-1', '3');
SELECT ep_same('SELECT k, s FROM ep WHERE k < $1 ORDER BY s, k', 'int', '-1', '3');
SELECT ep_same('SELECT s, k, count(*), sum(DISTINCT v), min(d) FROM ep WHERE k > $1 GROUP BY GROUPING SETS ((s), (k), ())', 'int', 'NULL', '3990');
SELECT ep_same('SELECT DISTINCT s FROM ep WHERE k = $1', 'int', 'NULL', '3');
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SELECT ep_same('SELECT count(*), sum(v), min(name) FROM ep JOIN ep_dim USING (k) WHERE ep.k < $1', 'int', 'NULL', '50');
SELECT ep_same('SELECT name, count(v), max(s) FROM ep_dim a LEFT JOIN ep b ON a.k = b.k AND b.k < $1 GROUP BY name', 'int', 'NULL', '50', '1100');
SELECT ep_same('SELECT name, count(v), max(s) FROM ep_dim a FULL JOIN (SELECT * FROM ep WHERE k < $1) b ON a.k = b.k GROUP BY name', 'int', 'NULL', '1100');
SELECT ep_same('SELECT name, count(*) FROM ep_dim a WHERE NOT EXISTS (SELECT FROM ep b WHERE a.k = b.k AND b.k < $1) GROUP BY name', 'int', 'NULL', '1100');
RESET enable_hashjoin;
RESET enable_mergejoin;

-- In parallel.
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT strata.enable('ep_heap');
SELECT strata.populate('ep_heap') > 0 AS populated;
SELECT ep_same('SELECT v, count(*), sum(k) FROM ep WHERE k < $1 GROUP BY v', 'int', '500', '1500', '-1');
SELECT ep_same('SELECT count(v), sum(k) FROM ep WHERE k = (SELECT max(k) - $1 FROM ep_dim)', 'int', '3000', '1500', 'NULL');
PREPARE ep_query(int) AS SELECT count(v), sum(k) FROM ep WHERE k < $1 AND k >= (SELECT min(k) FROM ep_dim);
EXPLAIN (COSTS OFF) EXECUTE ep_query(0);
EXECUTE ep_query(1500);
DEALLOCATE ep_query;
SET max_parallel_workers_per_gather = 0;
SELECT strata.disable('ep_heap');

-- What EXPLAIN shows.
PREPARE ep_query(int) AS SELECT sum(v) FROM ep WHERE k < $1;
SELECT ep_explain('EXECUTE ep_query(100)');
SELECT ep_explain('EXECUTE ep_query(1500)');
SELECT ep_explain('EXECUTE ep_query(NULL)');
EXPLAIN (COSTS OFF, FORMAT YAML) EXECUTE ep_query(NULL);
SELECT ep_explain('SELECT sum(v) FROM ep_h WHERE k = (SELECT 5)', ', ANALYZE, TIMING OFF, SUMMARY OFF');
DEALLOCATE ep_query;
SET enable_partition_pruning = off;
PREPARE ep_query(int) AS SELECT sum(v) FROM ep_h WHERE k = $1;
SELECT ep_explain('EXECUTE ep_query(5)');
DEALLOCATE ep_query;
RESET enable_partition_pruning;

-- A plan that is kept learns of partitions that come and go.
PREPARE ep_query(int) AS SELECT count(v), sum(v) FROM ep WHERE k < $1;
EXECUTE ep_query(500);
ALTER TABLE ep DETACH PARTITION ep_1;
EXECUTE ep_query(500);
ALTER TABLE ep ATTACH PARTITION ep_1 FOR VALUES FROM (0) TO (1000);
EXECUTE ep_query(500);
CREATE TABLE ep_0 PARTITION OF ep FOR VALUES FROM (-100) TO (0);
INSERT INTO ep VALUES (-1, 'a', now(), 1000);
EXECUTE ep_query(500);
DROP TABLE ep_0;
EXECUTE ep_query(500);
ALTER TABLE ep_2 DETACH PARTITION ep_2null;
EXECUTE ep_query(1500);
DEALLOCATE ep_query;

-- What cannot be computed is an error when the scan begins, and none when it never does.
PREPARE ep_query(int) AS SELECT count(v) FROM ep WHERE k < 10 / $1;
EXECUTE ep_query(0);
EXECUTE ep_query(1);
DEALLOCATE ep_query;
SELECT compare('SELECT x, (SELECT sum(v) FROM ep WHERE k = 100 / x) FROM generate_series(' || a || ', 3) x', 'StrataAppend')
FROM generate_series(0, 4) a;

-- Tables that are changed are pruned by PostgreSQL.
PREPARE ep_query(int) AS UPDATE ep SET v = v + (SELECT count(v) FROM ep_h WHERE ep_h.k = ep.k)::int WHERE k = $1 RETURNING k, v;
EXECUTE ep_query(5);
EXECUTE ep_query(2500);
DEALLOCATE ep_query;

DROP TABLE ep, ep_2null, ep_h, ep_d, ep_dim;
DROP FUNCTION ep_same, ep_read, ep_explain, compare, plan_has, store, answer;
