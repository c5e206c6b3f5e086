-- StrataSort: every answer in order, with the node and without, in memory and through files.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
SET max_parallel_workers_per_gather = 0;
SET jit = off;

CREATE TYPE es_mood AS ENUM ('sad', 'ok', 'glad');
CREATE TABLE es (id int, k int, i8 bigint, b bool, d date, ts timestamptz, f4 real, f8 float8, n numeric(12,2), loose numeric,
  t text, c text COLLATE "C", few text, ch char(12) COLLATE "C", u uuid, by bytea, m es_mood, iv interval, arr int[], nm name);
INSERT INTO es SELECT g, hash % 1000,
  CASE g % 5 WHEN 0 THEN 9223372036854775807 - hash % 3 WHEN 1 THEN -9223372036854775807 + hash % 3 ELSE hash::bigint * 1000003 % 100000 END,
  CASE WHEN g % 7 = 0 THEN NULL ELSE g % 2 = 0 END,
  CASE WHEN g % 11 = 0 THEN NULL ELSE date '2020-01-01' + hash % 400 END,
  timestamptz '2020-01-01 00:00:00Z' + hash * interval '1 second',
  CASE g % 101 WHEN 0 THEN 'NaN' WHEN 1 THEN '-Infinity' WHEN 2 THEN '-0' WHEN 3 THEN 0 ELSE (hash % 1000) / 8.0 - 50 END,
  CASE g % 103 WHEN 0 THEN 'NaN' WHEN 1 THEN 'Infinity' WHEN 2 THEN '-0' WHEN 3 THEN 0 WHEN 4 THEN NULL ELSE (hash % 100003) / 7.0 - 5000 END,
  CASE WHEN g % 13 = 0 THEN NULL ELSE hash % 5000 / 100.0 - 10 END,
  CASE g % 997 WHEN 0 THEN 'NaN' WHEN 1 THEN 'Infinity' ELSE (hash % 700)::numeric / (ARRAY[1, 10, 1000])[1 + g % 3] END,
  CASE WHEN g % 17 = 0 THEN NULL ELSE md5((hash % 5000)::text) END,
  'common beginning ' || repeat('a', hash % 30) || (hash % 50),
  CASE WHEN g % 19 = 0 THEN NULL ELSE (ARRAY['Zürich', 'aarau', 'Bern', 'bern', 'Ärau', ''])[1 + hash % 6] END,
  'c' || hash % 300 || repeat(' ', g % 3),
  md5((hash % 6000)::text)::uuid, decode(repeat('00', hash % 4) || md5((hash % 40)::text), 'hex'),
  (ARRAY['sad', 'ok', 'glad'])[1 + hash % 3]::es_mood,
  CASE hash % 4 WHEN 0 THEN interval '1 month' WHEN 1 THEN interval '30 days' ELSE hash % 90 * interval '1 day' END,
  ARRAY[hash % 5, g % 3], ('n' || hash % 200)::name
FROM (SELECT g, (g * 7919 + g / 3) % 20011 AS hash FROM generate_series(1, 10000) g) s;
CREATE TABLE es_dim (k int, name text);
INSERT INTO es_dim SELECT g, 'dim ' || g % 37 FROM generate_series(0, 999) g;
VACUUM ANALYZE es, es_dim;
SELECT strata.enable('es'), strata.enable('es_dim');
SELECT strata.populate('es') > 0 AND strata.populate('es_dim') > 0 AS populated;

-- what the query answers, row by row in order, or its error
CREATE FUNCTION es_answer(q text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE a text[] := '{}'; r text;
BEGIN
  FOR r IN EXECUTE format('SELECT s::text FROM (%s) s', q) LOOP a := a || r; END LOOP;
  RETURN a;
EXCEPTION WHEN OTHERS THEN RETURN ARRAY[SQLSTATE || ' ' || SQLERRM];
END $$;
CREATE FUNCTION es_plan(q text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE p text := ''; r text;
BEGIN
  FOR r IN EXECUTE 'EXPLAIN (COSTS OFF) ' || q LOOP p := p || r || E'\n'; END LOOP;
  RETURN p;
END $$;
-- differences between the node and PostgreSQL's Sort over rows of the heap, in each size of memory
CREATE FUNCTION es_differ(q text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE want text[]; got text[]; mem text;
BEGIN
  SET LOCAL strata.column_scan = off;
  want := es_answer(q);
  SET LOCAL strata.column_scan = on;
  FOREACH mem IN ARRAY ARRAY['64MB', '64kB'] LOOP
    EXECUTE format('SET LOCAL work_mem = %L', mem);
    IF position('StrataSort' IN es_plan(q)) = 0 THEN RETURN NEXT format('no StrataSort with %s: %s', mem, q); END IF;
    got := es_answer(q);
    IF got IS DISTINCT FROM want THEN RETURN NEXT format('%s rows, %s wanted, other ones with %s: %s', cardinality(got), cardinality(want), mem, q); END IF;
  END LOOP;
END $$;
CREATE FUNCTION es_json(q text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE j jsonb;
BEGIN
  EXECUTE format('EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, FORMAT json) %s', q) INTO j;
  RETURN j->0->'Plan';
END $$;
-- ours, where PostgreSQL's would take about as long
SET cpu_operator_cost = 0.1;
SET enable_indexscan = off;
SET enable_hashagg = off;
SET random_page_cost = 1.0;

-- every kind of key, both directions, NULLs at both ends; id makes the order total
SELECT es_differ(format('SELECT id, %1$s FROM es ORDER BY %1$s%2$s%3$s, id', col, dir, nulls))
FROM unnest(ARRAY['k', 'i8', 'b', 'd', 'ts', 'f4', 'f8', 'n', 'loose', 't', 'c', 'few', 'ch', 'u', 'by', 'm', 'iv', 'arr', 'nm']) col,
  unnest(ARRAY['', ' DESC']) dir, unnest(ARRAY['', ' NULLS FIRST', ' NULLS LAST']) nulls;
-- several, in all directions; more bits than an element has; strings behind what tells nearly all rows apart
SELECT es_differ('SELECT ' || keys || ', id FROM es ORDER BY ' || o || ', id')
FROM (VALUES ('k, d, n', 'k DESC, d, n DESC NULLS LAST'), ('b, m, few', 'b, m DESC, few'), ('i8, f8, ts', 'i8, f8 DESC, ts'),
  ('f8, i8', 'f8, i8'), ('few, c', 'few COLLATE "C", c DESC'), ('c, t', 'c, t'), ('t, c', 't COLLATE "C", c'), ('ts, t', 'ts, t COLLATE "C"'),
  ('arr, iv, u', 'arr DESC, iv, u'), ('ch, by', 'ch, by DESC'), ('loose, n', 'loose, n DESC'), ('d, c, k', 'd, c, k'), ('by, ch', 'by, ch'),
  ('few, few, k', 'few DESC NULLS LAST, k'), ('b, b', 'b NULLS FIRST')) v(keys, o);
-- other operator classes, other types of the same bits
SELECT es_differ('SELECT t, id FROM es ORDER BY t USING ~<~, id');
SELECT es_differ('SELECT id, i FROM (SELECT id, k::oid AS i FROM es) s ORDER BY i, id');
SELECT es_differ('SELECT id, c FROM es ORDER BY c::bpchar, id');
-- filters, expressions above the order, rows of the heap among them
UPDATE es SET t = t || 'x', loose = loose + 0.12345 WHERE id % 100 = 0;
INSERT INTO es (id, k, n, t, c) SELECT 30000 + g, -g, g * 0.5, 'late', 'common' || g FROM generate_series(1, 50) g;
SELECT es_differ('SELECT id, upper(t), loose * 2 FROM es WHERE k < 700 ORDER BY loose DESC, t, id');
SELECT es_differ('SELECT count(*) FROM (SELECT id FROM es WHERE k < 700 ORDER BY t OFFSET 0) s');
SELECT es_differ('SELECT c FROM es WHERE k + id < -50 ORDER BY c');
SELECT es_differ('SELECT id, n FROM es WHERE n IS NULL ORDER BY n, id');
SELECT es_differ('SELECT t, id FROM es WHERE 1 / nullif(k, 3) IS NOT NULL AND 10 / (k - 5) > 0 ORDER BY t, id');
DELETE FROM es WHERE id > 30000;

-- what else wants rows in order
SELECT es_differ('SELECT id, row_number() OVER (ORDER BY k, id), lag(n) OVER (ORDER BY k, id) FROM es');
SELECT es_differ('SELECT k, id, sum(n) OVER (PARTITION BY few ORDER BY id ROWS 3 PRECEDING) FROM es');
SELECT es_differ('SELECT k, string_agg(few, '','' ORDER BY id) FROM es GROUP BY k');
SELECT es_differ('SELECT DISTINCT ON (few, k) few, k, id, n FROM es ORDER BY few, k, id');
SELECT es_differ('SELECT e.id, d.name FROM es e JOIN es_dim d ON d.k = e.k ORDER BY d.name, e.id');
SELECT es_differ('SELECT e.id, e.n, d.name FROM es e LEFT JOIN es_dim d ON d.k = e.k AND d.k < 100 ORDER BY d.name DESC, e.n, e.id');
SELECT es_differ('SELECT id, k FROM es ORDER BY k, id LIMIT 150000 OFFSET 9000');
-- left to PostgreSQL: expressions as keys, expressions that a limit would leave out, locks, few rows
SELECT q FROM unnest(ARRAY[
  'SELECT id FROM es ORDER BY k + 1, id', 'SELECT id + 1 FROM es ORDER BY id LIMIT 5000',
  'SELECT DISTINCT ON (k) k, id + 1 FROM es ORDER BY k, id LIMIT 500', 'SELECT id FROM es ORDER BY id FOR UPDATE', 'SELECT id FROM es WHERE id < 4 ORDER BY id']) q WHERE es_plan(q) LIKE '%StrataSort%';
-- merge joins, where there are no others
SET strata.column_join = off;
SET enable_hashjoin = off;
SET enable_nestloop = off;
SELECT es_differ('SELECT e.id, d.name FROM es e JOIN es_dim d ON d.k = e.k WHERE e.id < 5000 ORDER BY e.id');
EXPLAIN (COSTS OFF) SELECT count(*) FROM es e JOIN es_dim d ON d.k = e.k;
RESET strata.column_join;
RESET enable_hashjoin;
RESET enable_nestloop;

-- partitions, one of them in rows
CREATE TABLE es_part (id int, v text, n numeric) PARTITION BY RANGE (id);
CREATE TABLE es_part1 PARTITION OF es_part FOR VALUES FROM (0) TO (10000);
CREATE TABLE es_part2 (n numeric, v text, id int);
ALTER TABLE es_part ATTACH PARTITION es_part2 FOR VALUES FROM (10000) TO (20000);
CREATE TABLE es_part3 PARTITION OF es_part FOR VALUES FROM (20000) TO (30000);
INSERT INTO es_part SELECT g, 'v' || g * 7919 % 1000, (g * 31 % 5000)::numeric / (1 + g / 10000) FROM generate_series(1, 29999) g;
VACUUM ANALYZE es_part1, es_part2, es_part3;
ANALYZE es_part;
SELECT strata.enable('es_part1'), strata.enable('es_part2');
SELECT strata.populate('es_part1') > 0 AND strata.populate('es_part2') > 0 AS populated;
SELECT es_differ('SELECT id, v, n FROM es_part ORDER BY v, id');
SELECT es_differ('SELECT id, n FROM es_part ORDER BY n DESC, id');

-- numerics: a run of images only, then runs of integers
CREATE TABLE es_scales (id int, n numeric) PARTITION BY RANGE (id);
CREATE TABLE es_scales1 PARTITION OF es_scales FOR VALUES FROM (0) TO (3000);
CREATE TABLE es_scales2 PARTITION OF es_scales FOR VALUES FROM (3000) TO (6000);
INSERT INTO es_scales SELECT g, round(g * 7919 % 5000 / 8.0, CASE WHEN g < 3000 THEN 1 + g % 2 ELSE 2 END) FROM generate_series(0, 5999) g;
VACUUM ANALYZE es_scales1, es_scales2;
ANALYZE es_scales;
SELECT strata.enable('es_scales');
SELECT strata.populate('es_scales1') > 0 AND strata.populate('es_scales2') > 0 AS populated;
SELECT es_differ('SELECT id, n FROM es_scales ORDER BY n, id');
SELECT es_differ('SELECT id, n FROM es_scales ORDER BY n DESC, id');

-- parallel: each process sorts its part
RESET cpu_operator_cost;
SET cpu_tuple_cost = 1;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SELECT es_differ('SELECT id, c, n FROM es ORDER BY c, id');
SELECT es_plan('SELECT id, c, n FROM es ORDER BY c, id') LIKE 'Gather Merge%StrataSort%' AS gathered;
SELECT es_differ('SELECT x, (SELECT string_agg(s.id::text, '','') FROM (SELECT id FROM es WHERE k > x ORDER BY n DESC, id) s) FROM generate_series(1, 3) x');
-- and says how, of those that took part
SELECT count(*) > 0 AS methods FROM jsonb_path_query((SELECT es_json('SELECT id, c, n FROM es ORDER BY c, id')), '$.**."Sort Method"') m WHERE m = '"in memory"';
SET max_parallel_workers_per_gather = 0;
RESET cpu_tuple_cost;
SET cpu_operator_cost = 0.1;

-- EXPLAIN
CREATE FUNCTION es_explain(q text, options text DEFAULT '') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE r text;
BEGIN
  FOR r IN EXECUTE format('EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF%s) %s', options, q) LOOP
    IF r !~ 'Rows|Units|Pages|Blocks' THEN RETURN NEXT regexp_replace(r, '\d+kB|Runs: \d+', 'N', 'g'); END IF;
  END LOOP;
END $$;
SELECT es_explain('SELECT id, few FROM es ORDER BY few DESC NULLS LAST, k DESC, id NULLS FIRST');
SET work_mem = '256kB';
SELECT es_explain('SELECT id, few FROM es ORDER BY few DESC NULLS LAST, k DESC, id NULLS FIRST');
SELECT j->>'Custom Plan Provider' AS node, j->>'Sort Method' AS method, j->>'Sort Space Type' AS space, (j->>'Sort Space Used')::int > 30 AS used, (j->>'Sort Runs')::int > 1 AS runs
FROM es_json('SELECT id, few FROM es ORDER BY few, id') j;
RESET work_mem;
SET strata.column_sort = off;
EXPLAIN (COSTS OFF) SELECT id FROM es ORDER BY t;
RESET strata.column_sort;

-- cursors: there and back, held, asked again
SET work_mem = '64kB';
BEGIN;
DECLARE es_cursor SCROLL CURSOR FOR SELECT id, k FROM es ORDER BY k DESC, id;
FETCH 3 FROM es_cursor;
FETCH BACKWARD 2 FROM es_cursor;
MOVE 9990 IN es_cursor;
FETCH 2 FROM es_cursor;
FETCH FIRST FROM es_cursor;
DECLARE es_held CURSOR WITH HOLD FOR SELECT id FROM es ORDER BY n, id;
-- a file of a query is good after a subtransaction has failed
DECLARE es_plain CURSOR FOR SELECT id FROM es ORDER BY c DESC, id;
FETCH 2 FROM es_plain;
SAVEPOINT s;
SELECT 1 / 0;
ROLLBACK TO s;
FETCH 2 FROM es_plain;
COMMIT;
FETCH 2 FROM es_held;
CLOSE es_held;
-- what comparisons of a merge leave behind does not stay
BEGIN;
DECLARE es_many CURSOR FOR SELECT id FROM es ORDER BY iv, few;
MOVE 9999 IN es_many;
SELECT max(total_bytes) < 1000000 AS bounded FROM pg_backend_memory_contexts WHERE name = 'ExecutorState';
COMMIT;
-- rescans with and without another parameter
SELECT es_differ('SELECT x, s.* FROM generate_series(1, 3) x, LATERAL (SELECT id, t FROM es WHERE k > x * 300 ORDER BY t, id OFFSET 0) s');
SELECT count(*), sum(s.r) FROM generate_series(1, 3) x LEFT JOIN (SELECT id, row_number() OVER (ORDER BY c, id) r FROM es OFFSET 0) s ON s.r % 1000 = x;
PREPARE es_prepared (int) AS SELECT id, t FROM es WHERE k > $1 ORDER BY t DESC NULLS LAST, id LIMIT 200000 OFFSET 15;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE es_prepared(1);
CREATE TEMP TABLE es_sum AS EXECUTE es_prepared(10);
SELECT count(*) FROM es_sum;
DROP TABLE es_sum;
CREATE TEMP TABLE es_sum AS EXECUTE es_prepared(900);
SELECT count(*) FROM es_sum;
DEALLOCATE es_prepared;
RESET plan_cache_mode;

-- errors in the middle: of the input, of the file, and of a comparison; nothing stays open
SELECT es_differ('SELECT id, t FROM es WHERE 1 / (id - 9999) IS NOT NULL ORDER BY t, id');
SET temp_file_limit = '128kB';
SELECT count(*) FROM (SELECT id FROM es ORDER BY c, id OFFSET 0) s;
SELECT id FROM es ORDER BY k, id LIMIT 150000 OFFSET 9999;
RESET temp_file_limit;
SELECT count(*) FROM (SELECT id FROM es ORDER BY c, id OFFSET 0) s;
CREATE TYPE es_pair AS (a text, x xid);
CREATE TABLE es_bad AS SELECT g AS id, CASE WHEN g > 3000 THEN ROW('same', g::text::xid)::es_pair ELSE ROW(g::text, NULL)::es_pair END AS p FROM generate_series(1, 3300) g;
VACUUM ANALYZE es_bad;
SELECT strata.enable('es_bad');
SELECT strata.populate('es_bad') > 0 AS populated;
SELECT es_differ('SELECT id FROM es_bad ORDER BY p USING OPERATOR(pg_catalog.<), id');
SELECT name FROM pg_ls_tmpdir() WHERE name !~ 'strata';
RESET work_mem;
-- a statement that is cancelled
SET statement_timeout = '20ms';
SELECT count(*) FROM (SELECT a.id FROM es a, es b ORDER BY b.t, a.c OFFSET 0) s;
RESET statement_timeout;

RESET ALL;
SET client_min_messages = warning;
DROP TABLE es, es_dim, es_part, es_scales, es_bad, es_sum;
DROP FUNCTION es_answer, es_plan, es_differ, es_explain, es_json;
DROP TYPE es_mood, es_pair;
