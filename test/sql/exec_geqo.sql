-- Joins of many tables, whose order GEQO searches for: in plans that it finds with any seed, our joins are there, and the
-- answers are those without the column store.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
SET max_parallel_workers_per_gather = 0;
SET join_collapse_limit = 20;
SET from_collapse_limit = 20;
SET geqo_effort = 2; -- it searches a fifth as long

\getenv srcdir PG_ABS_SRCDIR
\set compare :srcdir '/sql/include/compare.sql'
\set ECHO none
\i :compare
\set ECHO all

-- A star of thirteen tables; one of them is not in the store.
CREATE TABLE eg_fact AS SELECT g AS id, g % 100 AS v, g % 10 AS k1, g % 11 AS k2, g % 13 AS k3, g % 14 AS k4, g % 15 AS k5, g % 16 AS k6,
  g % 17 AS k7, g % 19 AS k8, g % 21 AS k9, g % 22 AS k10, g % 23 AS k11, nullif(g % 25, 7) AS k12 FROM generate_series(1, 20000) g;
SELECT format('CREATE TABLE eg_d%s AS SELECT g AS k, ''n'' || g %% 4 AS name, g %% 7 AS x FROM generate_series(0, %s) g', i, 8 + i) FROM generate_series(1, 12) i \gexec
VACUUM ANALYZE eg_fact, eg_d1, eg_d2, eg_d3, eg_d4, eg_d5, eg_d6, eg_d7, eg_d8, eg_d9, eg_d10, eg_d11, eg_d12;
SELECT strata.enable('eg_fact');
SELECT strata.populate('eg_fact') > 0 AS populated;
SELECT count(strata.enable(format('eg_d%s', i)::regclass)) FROM generate_series(1, 11) i;
SELECT bool_and(strata.populate(format('eg_d%s', i)::regclass) > 0) AS populated FROM generate_series(1, 11) i;

-- How many joins of ours, and of PostgreSQL's.
CREATE FUNCTION eg_joins(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  line text;
  ours int := 0;
  others int := 0;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
    ours := ours + (line ~ 'StrataJoin')::int;
    others := others + (line ~ 'Hash .*Join|Nested Loop|Merge .*Join')::int;
  END LOOP;
  RETURN format('%s of ours, %s others', ours, others);
END $$;
-- Every seed; shows nothing but differences and how the tables are joined.
CREATE FUNCTION eg_same(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  seed float8;
BEGIN
  FOREACH seed IN ARRAY '{0,0.1,0.35,0.5,0.8,1}'::float8[] LOOP
    PERFORM set_config('geqo_seed', seed::text, true);
    RETURN QUERY SELECT compare(query, 'StrataJoin', false);
  END LOOP;
END $$;

\set star 'FROM eg_fact f JOIN eg_d1 d1 ON d1.k = k1 JOIN eg_d2 d2 ON d2.k = k2 JOIN eg_d3 d3 ON d3.k = k3 JOIN eg_d4 d4 ON d4.k = k4 JOIN eg_d5 d5 ON d5.k = k5 JOIN eg_d6 d6 ON d6.k = k6 JOIN eg_d7 d7 ON d7.k = k7 JOIN eg_d8 d8 ON d8.k = k8 JOIN eg_d9 d9 ON d9.k = k9 JOIN eg_d10 d10 ON d10.k = k10 JOIN eg_d11 d11 ON d11.k = k11 JOIN eg_d12 d12 ON d12.k = k12'
\set query 'SELECT d1.name, count(*), sum(v), min(d12.name), sum(d5.x * d9.x) ' :star ' WHERE d2.x < 5 AND d7.name <> ''n1'' GROUP BY d1.name'
SELECT eg_joins(:'query');
SELECT eg_same(:'query');
\set query 'SELECT f.id, d3.name, d12.x ' :star ' WHERE d4.x = 2 AND d8.name = ''n2'' ORDER BY f.id, d3.name LIMIT 50'
SELECT eg_same(:'query');
-- Outer joins, a semijoin and an antijoin restrict the order.
\set query 'SELECT d1.name, count(*), count(d2.x), sum(v), max(d12.name) FROM eg_fact f JOIN eg_d1 d1 ON d1.k = k1 LEFT JOIN eg_d2 d2 ON d2.k = k2 AND d2.x > 3 JOIN eg_d3 d3 ON d3.k = k3 LEFT JOIN (eg_d4 d4 JOIN eg_d5 d5 ON d4.k = d5.k) ON d4.k = k4 JOIN eg_d6 d6 ON d6.k = k6 JOIN eg_d7 d7 ON d7.k = k7 LEFT JOIN eg_d8 d8 ON d8.k = k8 JOIN eg_d9 d9 ON d9.k = k9 FULL JOIN eg_d12 d12 ON d12.k = k12 WHERE EXISTS (SELECT FROM eg_d10 WHERE eg_d10.k = k10 AND eg_d10.x < 5) AND NOT EXISTS (SELECT FROM eg_d11 WHERE eg_d11.k = k11 AND eg_d11.x = 1) GROUP BY d1.name'
SELECT eg_same(:'query');
-- Several searches in one query, and one while another is planned: of a function asked for an estimate, which may fail.
SET geqo_threshold = 3;
\set query 'SELECT a.name, n, m FROM (SELECT d1.name, count(*) n FROM eg_fact JOIN eg_d1 d1 ON d1.k = k1 JOIN eg_d2 d2 ON d2.k = k2 JOIN eg_d3 d3 ON d3.k = k3 GROUP BY 1) a JOIN (SELECT d1.name, sum(v) m FROM eg_fact JOIN eg_d1 d1 ON d1.k = k1 JOIN eg_d4 d4 ON d4.k = k4 JOIN eg_d5 d5 ON d5.k = k5 GROUP BY 1) b USING (name) JOIN eg_d6 c ON c.name = a.name'
SELECT eg_same(:'query');
CREATE FUNCTION eg_limit(fail bool) RETURNS int STABLE LANGUAGE plpgsql AS $$
BEGIN
  RETURN (SELECT max(d3.x) / CASE WHEN fail THEN 0 ELSE 1 END FROM eg_fact JOIN eg_d1 d1 ON d1.k = k1 JOIN eg_d2 d2 ON d2.k = k2 JOIN eg_d3 d3 ON d3.k = k3);
EXCEPTION WHEN division_by_zero THEN
  RETURN 4;
END $$;
\set query 'SELECT count(*), sum(v) FROM eg_fact JOIN eg_d1 d1 ON d1.k = k1 JOIN eg_d2 d2 ON d2.k = k2 JOIN eg_d3 d3 ON d3.k = k3 WHERE d1.x < eg_limit(true) AND d2.x < eg_limit(false)'
SELECT eg_same(:'query');
RESET geqo_threshold;

-- Partitions joined with partitions, and in parallel.
CREATE TABLE eg_p (k int, v int) PARTITION BY HASH (k);
CREATE TABLE eg_p0 PARTITION OF eg_p FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE eg_p1 PARTITION OF eg_p FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO eg_p SELECT g, g % 5 FROM generate_series(1, 2000) g;
VACUUM ANALYZE eg_p;
SELECT strata.enable('eg_p');
SELECT strata.populate('eg_p') > 0 AS populated;
SET geqo_threshold = 2;
SET enable_partitionwise_join = on;
\set query 'SELECT d1.name, sum(a.v), sum(b.v), sum(c.v) FROM eg_p a JOIN eg_p b USING (k) JOIN eg_p c USING (k) JOIN eg_fact ON id = k JOIN eg_d1 d1 ON d1.k = k1 GROUP BY 1'
SELECT eg_same(:'query');
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT eg_same(:'query');

DROP FUNCTION eg_same, eg_joins, eg_limit, compare, plan_has, store, answer;
DROP TABLE eg_fact, eg_d1, eg_d2, eg_d3, eg_d4, eg_d5, eg_d6, eg_d7, eg_d8, eg_d9, eg_d10, eg_d11, eg_d12, eg_p;
