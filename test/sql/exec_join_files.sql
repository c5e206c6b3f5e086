-- Hash joins whose build side does not fit into memory: rows wait in files.  Every query runs with the column store off
-- and on; jf_ask() prints nothing but differences, and what its plan or its execution lacks.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
SET max_parallel_workers_per_gather = 0;

\getenv srcdir PG_ABS_SRCDIR
\set compare :srcdir '/sql/include/compare.sql'
\set ECHO none
\i :compare
\set ECHO all
-- With the store on PostgreSQL has no hash and merge joins to offer.
CREATE FUNCTION jf_side(state text) RETURNS void LANGUAGE sql AS $$
  SELECT store(state), set_config('enable_hashjoin', o, false), set_config('enable_mergejoin', o, false)
    FROM (VALUES (CASE state WHEN 'on' THEN 'off' ELSE 'on' END)) v(o);
$$;
CREATE FUNCTION jf_ask(query text, kind text DEFAULT 'Inner') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  off text;
  onn text;
  plan json;
BEGIN
  PERFORM jf_side('off');
  off := answer(query, query ~ 'ORDER BY[^)]*$');
  PERFORM jf_side('on');
  onn := answer(query, query ~ 'ORDER BY[^)]*$');
  IF off IS DISTINCT FROM onn THEN
    RETURN NEXT query || E'\noff: ' || left(off, 500) || E'\non:  ' || left(onn, 500);
  END IF;
  EXECUTE 'EXPLAIN (ANALYZE, FORMAT JSON) ' || query INTO plan;
  IF plan::text !~ ('"Join Type": "' || kind || '"') THEN
    RETURN NEXT 'not ' || kind || ': ' || query;
  END IF;
  IF plan::text !~ '"Partitions": [1-9]' OR plan::text !~ '"Disk Usage": [1-9]' THEN
    RETURN NEXT 'not in files: ' || query;
  END IF;
END $$;
-- Of the largest join of a plan: partitions, and whether rows of both sides, or more, were written.
CREATE FUNCTION jf_plan(query text, OUT partitions int, OUT kilobytes int) LANGUAGE plpgsql AS $$
DECLARE
  plan json;
BEGIN
  PERFORM jf_side('on');
  EXECUTE 'EXPLAIN (ANALYZE, FORMAT JSON) ' || query INTO plan;
  SELECT max(m[1]::int) INTO partitions FROM regexp_matches(plan::text, '"Partitions": ([0-9]+)', 'g') m;
  SELECT max(m[1]::int) INTO kilobytes FROM regexp_matches(plan::text, '"Disk Usage": ([0-9]+)', 'g') m;
END $$;

-- a: keys of all types with NULLs, up to three rows a key; b: the same, of other rows, some on one side only
CREATE FUNCTION jf_rows(first int, last int)
  RETURNS TABLE (id int, k int, k8 bigint, k2 smallint, n numeric(12,2), big numeric(30,2), f float8, f4 real, t text, v varchar(30), c char(8),
                 d date, ts timestamp, o boolean, pad text) LANGUAGE sql AS $$
  SELECT g, nullif(g % 5003, 17), nullif(g % 6007, 3) * 10000000019, (g % 997)::int2, nullif(g % 5501, 5) / 4.0,
         CASE WHEN g % 1000 = 1 THEN 1e20 + g % 3 ELSE g / 2.0 END,
         CASE g % 4001 WHEN 0 THEN 'NaN' WHEN 1 THEN '-0' WHEN 2 THEN 0 ELSE g % 4001 / 8.0 END, g % 3001 / 4.0,
         nullif('text ' || g % 5000, 'text 77'), 'v' || g % 7001, 'c' || g % 4999, date '2000-01-01' + g % 5010,
         timestamp '2000-01-01' + (g % 5020) * interval '1 hour', g % 3 = 0,
         'pad' || repeat('x', g % 20) || g
  FROM generate_series(first, last) g;
$$;
CREATE TABLE jf_a (id int, k int, k8 bigint, k2 smallint, n numeric(12,2), big numeric(30,2), f float8, f4 real, t text, v varchar(30), c char(8),
                   d date, ts timestamp, o boolean, pad text);
CREATE TABLE jf_b (LIKE jf_a);
INSERT INTO jf_a SELECT * FROM jf_rows(1, 12000);
INSERT INTO jf_b SELECT * FROM jf_rows(4000, 15000);
-- six rows of ten have one key
CREATE TABLE jf_skew AS SELECT g AS id, CASE WHEN g % 10 < 6 THEN 4242 ELSE g END AS k, 'pad' || g AS pad FROM generate_series(1, 20000) g;
-- nearly all keys are NULL
CREATE TABLE jf_null AS SELECT g AS id, CASE WHEN g % 10 = 1 THEN g END AS k, 'pad' || g AS pad FROM generate_series(1, 15000) g;
CREATE TABLE jf_heap AS SELECT k, id, pad FROM jf_a; -- never in the store
CREATE TABLE jf_few AS SELECT g AS k FROM generate_series(1, 5) g;
VACUUM ANALYZE jf_a, jf_b, jf_skew, jf_null, jf_heap, jf_few;
SELECT strata.enable('jf_a'), strata.enable('jf_b'), strata.enable('jf_skew'), strata.enable('jf_null'), strata.enable('jf_few');
SELECT min(strata.populate(t)) > 0 AS populated FROM unnest(ARRAY['jf_a', 'jf_b', 'jf_skew', 'jf_null', 'jf_few']::regclass[]) t;

SET work_mem = '64kB';
SET hash_mem_multiplier = 1;

-- every kind
SELECT jf_ask(q, kind) FROM (VALUES
  ('SELECT a.id, b.id, b.pad FROM jf_a a JOIN jf_b b ON a.k = b.k', 'Inner'),
  ('SELECT a.id, b.id, b.pad FROM jf_a a LEFT JOIN jf_b b ON a.k = b.k', '(Left|Right)'),
  ('SELECT a.id, a.pad, b.id FROM jf_b b LEFT JOIN jf_a a ON a.k = b.k AND a.id > 2000 WHERE b.id % 7 < 6', '(Left|Right)'),
  ('SELECT a.id, a.pad, b.id, b.pad FROM jf_a a FULL JOIN jf_b b ON a.k = b.k AND a.t = b.t', 'Full'),
  ('SELECT a.id, a.pad FROM jf_a a WHERE EXISTS (SELECT FROM jf_b b WHERE a.k = b.k)', '(Right )?Semi'),
  ('SELECT a.id, a.pad FROM jf_a a WHERE NOT EXISTS (SELECT FROM jf_b b WHERE a.id = b.id AND a.k = b.k)', '(Right )?Anti'),
  ('SELECT a.id, a.pad FROM jf_a a WHERE a.id < 4000 AND EXISTS (SELECT FROM jf_b b WHERE a.k = b.k)', 'Right Semi'),
  ('SELECT a.id, a.pad FROM jf_a a WHERE a.id < 6000 AND NOT EXISTS (SELECT FROM jf_b b WHERE a.k = b.k AND a.v = b.v)', 'Right Anti'),
  ('SELECT b.id, a.id, b.pad FROM (SELECT * FROM jf_a WHERE id > 4000) a RIGHT JOIN jf_b b USING (k)', '(Left|Right)')
) v(q, kind);

-- keys of every type, several of them, expressions
SELECT jf_ask(format('SELECT count(*), sum(hashtext(a.id || ''/'' || b.id || b.pad)), sum(a.n), min(b.t) FROM jf_a a JOIN jf_b b ON %s', cond)) FROM (VALUES
  ('a.id = b.id'), ('a.k8 = b.k8'), ('a.k2 = b.k2 AND a.k = b.k'), ('a.k = b.k8 / 10000000019'), ('a.n = b.n'), ('a.big = b.big'), ('a.f = b.f'), ('a.f4 = b.f4 AND a.o = b.o'),
  ('a.t = b.t'), ('a.v = b.v AND a.d = b.d'), ('a.c = b.c'), ('a.d = b.d'), ('a.ts = b.ts'),
  ('a.t || ''x'' = b.t || ''x'''), ('lower(a.v) = b.v'), ('a.k + 1 = b.k * 2'), ('a.n = b.n AND a.t = b.t AND a.f = b.f')
) v(cond);
SELECT jf_ask(format('SELECT count(*), count(a.id), count(b.id), sum(hashtext(coalesce(a.pad, ''-'') || coalesce(b.pad, ''-''))) FROM jf_a a FULL JOIN jf_b b ON %s', cond), 'Full') FROM (VALUES
  ('a.k = b.k'), ('a.t = b.t'), ('a.big = b.big'), ('a.n = b.n AND a.k = b.k'), ('a.f = b.f AND a.id = b.id')) v(cond);

-- conditions beside the keys, and on the result
SELECT jf_ask(q, kind) FROM (VALUES
  ('SELECT a.id, b.id FROM jf_a a JOIN jf_b b ON a.k2 = b.k2 AND a.id > b.id AND a.n < b.n', 'Inner'),
  ('SELECT a.id, b.id FROM jf_a a LEFT JOIN jf_b b ON a.k = b.k AND a.t <> b.t', '(Left|Right)'),
  ('SELECT a.id, b.id FROM jf_a a FULL JOIN jf_b b ON a.k = b.k AND a.id <> b.id WHERE a.o IS NOT false OR b.o', 'Full'),
  ('SELECT a.id FROM jf_a a WHERE EXISTS (SELECT FROM jf_b b WHERE a.k2 = b.k2 AND b.id > a.id + 5000 AND b.pad <> a.pad)', '(Right )?Semi'),
  ('SELECT a.id FROM jf_a a WHERE NOT EXISTS (SELECT FROM jf_b b WHERE a.k2 = b.k2 AND b.id > a.id + 5000)', '(Right )?Anti'),
  ('SELECT a.id FROM jf_a a LEFT JOIN jf_b b ON a.k = b.k WHERE b.id IS NULL OR b.n > 100', '(Left|Right)'),
  -- with what the evaluator has to do, and an error in one of the last rows
  ('SELECT a.id, b.id FROM jf_a a JOIN jf_b b ON a.k = b.k AND a.k + 2147478000 > b.id', 'Inner')
) v(q, kind);
SELECT answer('SELECT count(*) FROM jf_a a JOIN jf_b b ON a.id = b.id AND 1000 / (a.id - 11990) < b.id');

-- many rows of one key; many rows without one
SELECT jf_ask(q, kind) FROM (VALUES
  ('SELECT s.id, a.id FROM jf_skew s JOIN jf_a a ON s.k = a.id', 'Inner'),
  ('SELECT s.id, a.id, a.pad FROM jf_a a LEFT JOIN jf_skew s ON s.k = a.id', '(Left|Right)'),
  ('SELECT z.id, s.id, s.pad FROM jf_skew z LEFT JOIN (SELECT * FROM jf_skew WHERE id <= 17000) s ON s.k = z.id', '(Left|Right)'),
  ('SELECT z.id, z.pad FROM jf_skew z WHERE NOT EXISTS (SELECT FROM jf_skew s WHERE s.k = z.id AND s.id <> z.id)', '(Right )?Anti'),
  ('SELECT s.id, n.id, n.pad FROM jf_null n FULL JOIN jf_skew s ON s.k = n.k', 'Full'),
  ('SELECT n.id, a.pad FROM jf_null n LEFT JOIN jf_a a ON a.id = n.k', '(Left|Right)'),
  ('SELECT n.id, a.id, n.pad FROM jf_a a FULL JOIN jf_null n ON a.id = n.k AND a.o', 'Full')
) v(q, kind);

-- Partitions that are too large are dealt out again: more than the first four were joined.  Rows are written once or twice.
-- No more than that for rows of one key, which are one partition's whatever is done.
SELECT partitions > 8 AS again, kilobytes BETWEEN 300 AND 3000 AS bounded FROM jf_plan('SELECT count(a.pad || b.pad) FROM jf_a a JOIN jf_b b ON a.id = b.id');
SELECT partitions < 40 AS few, kilobytes < 3000 AS bounded FROM jf_plan('SELECT count(s.pad) FROM jf_skew s JOIN jf_skew z ON s.k = z.k AND z.k <> 4242');
-- Rows of the probe side that have no match are not written, where there is memory enough to know.
SET work_mem = '256kB';
SELECT with_match.kilobytes > 2 * without.kilobytes AS told
  FROM jf_plan('SELECT count(a.pad) FROM jf_a a JOIN jf_b b ON a.t = b.t AND a.k = b.k') with_match,
       jf_plan('SELECT count(a.pad) FROM jf_a a JOIN jf_b b ON a.t = b.v AND a.k = b.k') without;
-- The scan below the probe side is told of keys that are in files as well.
CREATE FUNCTION jf_removed(query text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  plan json;
BEGIN
  PERFORM jf_side('on');
  EXECUTE 'EXPLAIN (ANALYZE, FORMAT JSON) ' || query INTO plan;
  RETURN (SELECT sum(m[1]::int) FROM regexp_matches(plan::text, '"Rows Removed for Joins": ([0-9]+)', 'g') m);
END $$;
SET work_mem = '128kB';
SELECT partitions > 0 AS in_files, jf_removed(q) BETWEEN 2300 AND 2340 AS nearly_all
  FROM (VALUES ('SELECT count(a.pad), count(a.v), count(a.t) FROM jf_b b JOIN jf_a a ON a.k = b.k WHERE a.o')) v(q), jf_plan(q);
SELECT count(*) AS unmatched FROM jf_b b WHERE NOT EXISTS (SELECT FROM jf_a a WHERE a.k = b.k AND a.o);
SET work_mem = '64kB';

-- joins of joins, and of inputs that are no batches
SELECT jf_ask(q, kind) FROM (VALUES
  ('SELECT count(*), sum(hashtext(a.pad || b.pad || c.pad)) FROM jf_a a JOIN jf_b b ON a.k = b.k JOIN jf_b c ON b.t = c.t AND c.id <> b.id', 'Inner'),
  ('SELECT a.id, b.id, s.id FROM jf_a a LEFT JOIN (jf_b b JOIN jf_skew s ON b.id = s.k) ON a.id = b.id', '(Left|Right)'),
  ('SELECT b.k2, count(*), count(a.id), sum(a.n), min(h.pad) FROM jf_b b FULL JOIN jf_a a ON a.id = b.id LEFT JOIN jf_heap h ON h.id = a.id GROUP BY b.k2', 'Full'),
  ('SELECT h.id, a.pad FROM jf_heap h JOIN jf_a a ON h.k = a.k', 'Inner'),
  ('SELECT a.id, l.id FROM jf_a a JOIN (SELECT id, k FROM jf_heap ORDER BY id LIMIT 9000) l ON a.k = l.k', 'Inner'),
  ('SELECT a.id, b.t FROM jf_a a JOIN jf_b b ON a.k = b.k ORDER BY b.t, a.id, b.id LIMIT 50', 'Inner'),
  ('SELECT count(*) FROM (SELECT DISTINCT a.t, b.c FROM jf_a a JOIN jf_b b USING (k)) x', 'Inner')
) v(q, kind);

-- Inputs are read once: one that might not repeat exactly needs no Material.
SELECT plan_has(q, 'StrataJoin', false) AS joined, plan_has(q, 'Materialize', false) AS kept
  FROM (VALUES ('SELECT a.id, l.id FROM jf_a a JOIN (SELECT id, k FROM jf_heap LIMIT 9000) l ON a.k = l.k')) v(q);

-- One that PostgreSQL takes for a subquery's, and leaves out as it does nothing.
CREATE VIEW jf_view WITH (security_barrier) AS SELECT * FROM jf_b WHERE id % 3 <> 1;
SELECT jf_ask('SELECT a.id, v.* FROM jf_a a JOIN jf_view v ON a.k = v.k WHERE a.n < 900');
SELECT jf_ask('SELECT a.id, v.* FROM jf_view v LEFT JOIN jf_a a ON a.t = v.t AND a.k = v.k', '(Left|Right)');
DROP VIEW jf_view;

-- asked again, with other values and with the same
SELECT jf_ask(q, kind) FROM (VALUES
  ('SELECT f.k, x.* FROM jf_few f, LATERAL (SELECT count(*) AS n, sum(a.id), max(b.pad) FROM jf_a a JOIN jf_b b ON a.k = b.k WHERE b.id % 5 < f.k) x', 'Inner'),
  ('SELECT f.k, x.* FROM jf_few f, LATERAL (SELECT count(*) AS n, count(b.id), sum(b.id) FROM jf_a a LEFT JOIN jf_b b ON a.t = b.t AND b.id % 5 < f.k WHERE a.id > f.k * 1000) x', '(Left|Right)'),
  ('SELECT f.k, (SELECT count(b.id) + count(a.id) FROM jf_a a FULL JOIN jf_b b ON a.k = b.k WHERE a.id > f.k OR b.id > f.k) FROM jf_few f', 'Full')
) v(q, kind);
SET enable_material = off;
SELECT jf_ask('SELECT f.k, count(*), sum(x.id) FROM jf_few f LEFT JOIN (SELECT a.id, b.k2 FROM jf_a a JOIN jf_b b ON a.k = b.k) x ON x.k2 > f.k + 990 GROUP BY f.k');
RESET enable_material;

-- rows that are not in columns
BEGIN;
UPDATE jf_a SET k = k + 1, t = 'text new', n = n + 0.5 WHERE id % 40 = 3;
DELETE FROM jf_b WHERE id % 37 = 5;
INSERT INTO jf_b SELECT * FROM jf_rows(20000, 20500);
SELECT jf_ask(q, kind) FROM (VALUES
  ('SELECT a.id, b.id, b.pad FROM jf_a a JOIN jf_b b ON a.k = b.k', 'Inner'),
  ('SELECT a.id, a.n, b.id, b.n FROM jf_a a FULL JOIN jf_b b ON a.t = b.t AND a.id = b.id', 'Full')
) v(q, kind);
ROLLBACK;

-- a cursor that is read to its middle, an error in the middle, LIMIT: no file is left
SELECT jf_side('on');
BEGIN;
-- (PostgreSQL's joins are for cursors that could be updated.)
\set half 'CURSOR FOR SELECT a.id, b.pad FROM jf_a a JOIN jf_b b ON a.id = b.id UNION ALL SELECT 0, NULL'
EXPLAIN (COSTS OFF) DECLARE half :half;
DECLARE half :half;
MOVE 3000 IN half;
SELECT count(*) > 0 AS files FROM pg_ls_tmpdir();
SAVEPOINT s;
SELECT count(*) FROM (SELECT a.id FROM jf_a a JOIN jf_b b ON a.id = b.id AND 10 / (b.id - 11999) < 100) x;
ROLLBACK TO s;
MOVE 1000000 IN half;
CLOSE half;
SELECT count(*) AS files FROM pg_ls_tmpdir();
COMMIT;
SELECT count(*) FROM (SELECT a.id FROM jf_a a JOIN jf_b b ON a.id = b.id LIMIT 10) x;
SELECT count(*) AS files FROM pg_ls_tmpdir();
-- one that is held has its rows
BEGIN;
DECLARE held CURSOR WITH HOLD FOR SELECT count(*), sum(b.id) FROM jf_a a JOIN jf_b b ON a.k = b.k;
COMMIT;
FETCH held;
CLOSE held;
SET temp_file_limit = '200kB';
SELECT count(a.pad || b.pad) FROM jf_a a JOIN jf_b b ON a.id = b.id;
RESET temp_file_limit;
SELECT count(*) AS files FROM pg_ls_tmpdir();

-- A table of few rows is kept, whatever it takes; with memory nothing is written.
SELECT * FROM jf_plan('SELECT count(*) FROM jf_a a JOIN (SELECT k, pad FROM jf_b WHERE id < 4500) b ON a.k = b.k');
SET work_mem = '16MB';
SELECT * FROM jf_plan('SELECT count(a.pad || b.pad) FROM jf_a a JOIN jf_b b ON a.id = b.id');

SET work_mem = '256MB';
-- More columns on a side than a tuple may have, as the build side and as the probe side, in memory and in files.  PostgreSQL
-- makes tuples and refuses, so what is asked for is known beforehand.
DO $$ BEGIN
  EXECUTE 'CREATE TABLE jf_wide_a (k int, ' || (SELECT string_agg('a' || g || ' int DEFAULT ' || g % 7, ', ') FROM generate_series(1, 900) g) || ')';
  EXECUTE 'CREATE TABLE jf_wide_b (k int, ' || (SELECT string_agg('b' || g || ' int DEFAULT ' || g % 5, ', ') FROM generate_series(1, 900) g) || ')';
END $$;
INSERT INTO jf_wide_a (k) SELECT g FROM generate_series(1, 1500) g;
INSERT INTO jf_wide_b (k) SELECT g FROM generate_series(1, 1500) g;
CREATE TABLE jf_long AS SELECT g % 3000 AS k, g AS v FROM generate_series(1, 30000) g;
CREATE TABLE jf_short AS SELECT g AS k, g AS v, repeat('x', 50) AS pad FROM generate_series(1, 1200) g;
VACUUM (ANALYZE) jf_wide_a, jf_wide_b, jf_long, jf_short;
SELECT strata.enable('jf_wide_a'), strata.enable('jf_wide_b'), strata.enable('jf_long'), strata.enable('jf_short');
SELECT strata.populate('jf_wide_a') > 0 AND strata.populate('jf_wide_b') > 0 AND strata.populate('jf_long') > 0 AND strata.populate('jf_short') > 0 AS populated;
SELECT format('SELECT count(*), sum(v), sum(greatest(%s) + greatest(%s)) FROM jf_long JOIN (jf_wide_a JOIN jf_wide_b USING (k)) USING (k)', a, b) AS build,
       format('SELECT count(pad), sum(v), sum(greatest(%s) + greatest(%s)) FROM jf_short JOIN (jf_wide_a JOIN jf_wide_b USING (k)) USING (k)', a, b) AS probe
FROM (SELECT string_agg('a' || g, ', ') AS a, string_agg('b' || g, ', ') AS b FROM generate_series(1, 900) g) x \gset
SELECT jf_side('on');
SELECT count(*), sum(g), count(*) * 10 AS sum FROM generate_series(1, 30000) g WHERE g % 3000 BETWEEN 1 AND 1500;
:build;
SELECT kilobytes > 0 AS files FROM jf_plan(:'build');
SELECT count(*), sum(g), count(*) * 10 AS sum FROM generate_series(1, 1200) g;
:probe;
SELECT kilobytes > 0 AS files FROM jf_plan(:'probe');
SET work_mem = '64kB';
:build;
SELECT kilobytes > 0 AS files FROM jf_plan(:'build');
:probe;
SELECT kilobytes > 0 AS files FROM jf_plan(:'probe');
DROP TABLE jf_wide_a, jf_wide_b, jf_long, jf_short;

RESET ALL;
DROP TABLE jf_a, jf_b, jf_skew, jf_null, jf_heap, jf_few;
DROP FUNCTION answer, store, plan_has, compare, jf_side, jf_ask, jf_plan, jf_rows, jf_removed;
