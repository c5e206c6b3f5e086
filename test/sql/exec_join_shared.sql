-- Parallel hash joins whose processes build one table together.  Every query runs with the column store off, in one
-- process, and then with it on, with several numbers of workers; sj_ask() prints nothing but differences, and what its plan
-- or its execution lacks.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
SET max_parallel_workers_per_gather = 0;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET jit = off; -- what is forbidden costs too much not to be compiled

\getenv srcdir PG_ABS_SRCDIR
\set compare :srcdir '/sql/include/compare.sql'
\set ECHO none
\i :compare
\set ECHO all
-- With the store on PostgreSQL has no joins to offer.
CREATE FUNCTION sj_side(state text, workers int) RETURNS void LANGUAGE sql AS $$
  SELECT store(state), set_config('max_parallel_workers_per_gather', workers::text, false),
         (SELECT count(set_config(s, CASE state WHEN 'on' THEN 'off' ELSE 'on' END, false))
            FROM unnest(ARRAY['enable_hashjoin', 'enable_mergejoin', 'enable_nestloop']) s);
$$;
-- The joins of a plan that are shared, with what EXPLAIN says of them.
CREATE FUNCTION sj_joins(node json) RETURNS SETOF json LANGUAGE sql AS $$
  SELECT node WHERE node->>'Custom Plan Provider' = 'StrataJoin' AND (node->>'Parallel Aware')::bool
  UNION ALL
  SELECT j FROM json_array_elements(node->'Plans') p, sj_joins(p) j;
$$;
CREATE FUNCTION sj_plan(query text) RETURNS SETOF json LANGUAGE plpgsql AS $$
DECLARE
  plan json;
BEGIN
  EXECUTE 'EXPLAIN (ANALYZE, FORMAT JSON) ' || query INTO plan;
  RETURN QUERY SELECT sj_joins(plan->0->'Plan');
END $$;
-- kind: of one of the shared joins; files: whether the rows of one of them, and of none, are to go into files
CREATE FUNCTION sj_ask(query text, kind text DEFAULT 'Inner', files bool DEFAULT false, numbers int[] DEFAULT '{1,2,4}') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  off text;
  onn text;
  joins json[];
  workers int;
BEGIN
  PERFORM sj_side('off', 0);
  off := answer(query, query ~ 'ORDER BY[^)]*$');
  FOREACH workers IN ARRAY numbers LOOP
    PERFORM sj_side('on', workers);
    onn := answer(query, query ~ 'ORDER BY[^)]*$');
    IF off IS DISTINCT FROM onn THEN
      RETURN NEXT workers || ': ' || query || E'\noff: ' || left(off, 500) || E'\non:  ' || left(onn, 500);
    END IF;
    joins := ARRAY(SELECT sj_plan(query));
    IF NOT EXISTS (SELECT FROM unnest(joins) j WHERE j->>'Join Type' ~ kind) THEN
      RETURN NEXT workers || ': not shared, or not ' || kind || ': ' || query;
    ELSIF EXISTS (SELECT FROM unnest(joins) j WHERE (j->>'Shared Disk Usage')::int > 0) <> files THEN
      RETURN NEXT workers || ': ' || CASE WHEN files THEN 'not ' ELSE '' END || 'in files: ' || query;
    END IF;
  END LOOP;
END $$;

-- a: keys with NULLs, up to three rows a key; b: the same, of other rows, some on one side only; tables of several units
CREATE FUNCTION sj_rows(first int, last int)
  RETURNS TABLE (id int, k int, k8 bigint, k2 smallint, gone int, n numeric(12,2), num numeric, one numeric, f float8, t text, few text, c char(8),
                 d date, ts timestamp, o boolean, u uuid, pad text) LANGUAGE sql AS $$
  SELECT g, nullif(g % 1709, 17), nullif(g % 2003, 3) * 10000000019, (g % 331)::int2, g, nullif(g % 1801, 5) / 4.0,
         CASE WHEN g % 1000 = 1 THEN 1e20 + g % 3 WHEN g % 3 = 0 THEN g / 2.0 ELSE g END, 
         CASE WHEN g = last THEN 'NaN' ELSE round(g / 8.0, 2) END,
         CASE g % 1301 WHEN 0 THEN 'NaN' WHEN 1 THEN '-0' WHEN 2 THEN 0 ELSE g % 1301 / 8.0 END,
         nullif('text ' || g % 1600, 'text 77'), CASE g % 7 WHEN 5 THEN NULL ELSE 'few ' || g % 7 END, 'c' || g % 1601,
         date '2000-01-01' + g % 1610, timestamp '2000-01-01' + (g % 1620) * interval '1 hour', nullif(g % 3, 1) = 0, md5(g::text)::uuid,
         CASE WHEN g % 1100 = 0 THEN repeat('long', 5000) || g ELSE 'https://example.org/path/' || repeat('x', g % 20) || g END
  FROM generate_series(first, last) g;
$$;
CREATE TABLE sj_a (id int, k int, k8 bigint, k2 smallint, gone int, n numeric(12,2), num numeric, one numeric, f float8, t text, few text, c char(8),
                   d date, ts timestamp, o boolean, u uuid, pad text);
CREATE TABLE sj_b (LIKE sj_a);
INSERT INTO sj_a SELECT * FROM sj_rows(1, 4000);
INSERT INTO sj_b SELECT * FROM sj_rows(1500, 5000);
ALTER TABLE sj_b DROP COLUMN gone;
ALTER TABLE sj_b ADD COLUMN late text DEFAULT 'late';
-- nearly all keys are NULL; all are; no row; one key
CREATE TABLE sj_null AS SELECT g AS id, CASE WHEN g % 10 = 1 THEN g END AS k, 'pad' || g AS pad FROM generate_series(1, 5000) g;
CREATE TABLE sj_nulls AS SELECT g AS id, NULL::int AS k FROM generate_series(1, 1000) g;
CREATE TABLE sj_empty (LIKE sj_null);
CREATE TABLE sj_same AS SELECT g AS id, 7 AS k, 'pad' || g AS pad FROM generate_series(1, 500) g;
-- several units, with numerics that are kept in another way in the last of them
CREATE TABLE sj_big AS SELECT g AS id, nullif(g % 100003, 5) AS k, g * 1000003::bigint AS far, CASE WHEN g > 240000 THEN 'NaN' ELSE g % 1000 / 4.0 END AS n, 'few ' || g % 50 AS few,
                              nullif('text ' || g, 'text 9') AS t FROM generate_series(1, 250000) g;
CREATE TABLE sj_part (LIKE sj_null) PARTITION BY RANGE (id);
CREATE TABLE sj_part1 PARTITION OF sj_part FOR VALUES FROM (0) TO (2000);
CREATE TABLE sj_part2 PARTITION OF sj_part FOR VALUES FROM (2000) TO (20000);
INSERT INTO sj_part SELECT * FROM sj_null;
ANALYZE sj_part;
VACUUM ANALYZE sj_a, sj_b, sj_null, sj_nulls, sj_empty, sj_same, sj_big, sj_part1, sj_part2;
SELECT min(strata.enable(t)::text) IS NOT NULL AS enabled FROM unnest(ARRAY['sj_a', 'sj_b', 'sj_null', 'sj_nulls', 'sj_empty', 'sj_same', 'sj_big', 'sj_part1', 'sj_part2']::regclass[]) t;
SELECT min(strata.populate(t)) > 0 AS populated FROM unnest(ARRAY['sj_a', 'sj_b', 'sj_null', 'sj_nulls', 'sj_empty', 'sj_same', 'sj_big', 'sj_part1', 'sj_part2']::regclass[]) t;

-- every kind, with conditions beside the key and on the result, and rows as well as sums above
SELECT sj_ask(q, kind) FROM (VALUES
  ('SELECT a.id, b.id, b.pad FROM sj_a a JOIN sj_b b ON a.k = b.k', 'Inner'),
  ('SELECT a.id, b.id, b.pad FROM sj_a a LEFT JOIN sj_b b ON a.k = b.k', 'Left'),
  ('SELECT a.id, b.id, b.few FROM sj_a a LEFT JOIN sj_b b ON a.k = b.k AND a.t <> b.t AND b.id > 3000', 'Left'),
  ('SELECT a.id, b.id FROM sj_a a LEFT JOIN sj_b b ON a.k = b.k WHERE b.id IS NULL OR b.n > 100', 'Left'),
  ('SELECT a.id, a.pad FROM sj_a a WHERE EXISTS (SELECT FROM sj_b b WHERE a.k = b.k)', 'Semi'),
  ('SELECT a.id, a.pad FROM sj_a a WHERE EXISTS (SELECT FROM sj_b b WHERE a.k = b.k AND b.pad <> a.pad)', 'Semi'),
  ('SELECT a.id, a.pad FROM sj_a a WHERE NOT EXISTS (SELECT FROM sj_b b WHERE a.k = b.k)', 'Anti'),
  ('SELECT a.id FROM sj_a a WHERE NOT EXISTS (SELECT FROM sj_b b WHERE a.k = b.k AND b.id > a.id + 1700)', 'Anti'),
  ('SELECT count(*), sum(a.id), sum(b.n), min(b.t), max(b.pad) FROM sj_a a JOIN sj_b b ON a.k = b.k', 'Inner'),
  ('SELECT b.few, count(*), sum(a.id), max(b.t) FROM sj_a a LEFT JOIN sj_b b ON a.k = b.k GROUP BY b.few', 'Left'),
  ('SELECT a.id, b.pad FROM sj_a a JOIN sj_b b ON a.k = b.k WHERE b.few = ''few 3'' OR b.t ~ ''9$'' ORDER BY a.id, b.id', 'Inner')
) v(q, kind);

-- columns of the build side in every form, also such as not all processes keep alike
SELECT sj_ask(format('SELECT a.id, b.id, b.%I, b.%I IS NULL FROM sj_a a LEFT JOIN sj_b b ON a.k = b.k', col, col), 'Left')
  FROM unnest(ARRAY['k', 'k8', 'k2', 'n', 'num', 'one', 'f', 't', 'few', 'c', 'd', 'ts', 'o', 'u', 'pad', 'late']) col;
SELECT sj_ask(format('SELECT b.o, count(b.%I), min(b.%I::text), max(a.id) FROM sj_a a JOIN sj_b b ON a.k = b.k GROUP BY 1', col, col), numbers => '{2}')
  FROM unnest(ARRAY['k', 'k8', 'k2', 'n', 'num', 'one', 'f', 't', 'few', 'c', 'd', 'ts', 'o', 'u', 'pad', 'late']) col;

-- keys: dense and far apart, expressions, computed row by row
SELECT sj_ask(format('SELECT count(*), sum(hashtext(a.id || ''/'' || b.id || b.pad)), sum(a.n), min(b.t) FROM sj_a a JOIN sj_b b ON %s', cond)) FROM (VALUES
  ('a.id = b.id'), ('a.k8 = b.k8'), ('a.k2 = b.k2'), ('a.k = b.k8 / 10000000019'), ('a.d = b.d'), ('a.ts = b.ts'), ('a.k + 1 = b.k * 2'), ('a.id * 2 - 1 = b.id * 2 + 499')
) v(cond);
-- one key of several, or no integer: not shared, and no worse for it
SELECT count(*) FILTER (WHERE r ~ '^\d: not shared') AS not_shared, count(*) - 15 AS differences FROM (SELECT sj_ask(format('SELECT a.id, b.id FROM sj_a a JOIN sj_b b ON %s', cond)) FROM (VALUES
  ('a.t = b.t'), ('a.k = b.k AND a.id = b.id'), ('a.n = b.n'), ('a.f = b.f'), ('a.c = b.c')) v(cond)) x(r);

-- keys that are NULL, no rows at all, rows of one key
SELECT sj_ask(q, kind) FROM (VALUES
  ('SELECT a.id, n.id, n.pad FROM sj_a a JOIN sj_null n ON a.id = n.k', 'Inner'),
  ('SELECT a.id, n.id, n.pad FROM sj_a a LEFT JOIN sj_null n ON a.id = n.k', 'Left'),
  ('SELECT n.id, a.id, a.pad FROM sj_null n LEFT JOIN sj_a a ON a.id = n.k', 'Left'),
  ('SELECT n.id FROM sj_null n WHERE NOT EXISTS (SELECT FROM sj_a a WHERE a.id = n.k)', 'Anti'),
  ('SELECT a.id, n.id FROM sj_a a LEFT JOIN sj_nulls n ON a.id = n.k', 'Left'),
  ('SELECT a.id FROM sj_a a WHERE NOT EXISTS (SELECT FROM sj_nulls n WHERE a.id = n.k)', 'Anti'),
  ('SELECT a.id, b.id, b.pad FROM sj_a a LEFT JOIN (SELECT * FROM sj_b WHERE id + k2 < 0) b ON a.k = b.k', 'Left'),
  ('SELECT a.id, b.id, b.pad FROM sj_a a JOIN (SELECT * FROM sj_b WHERE id + k2 < 0) b ON a.k = b.k', 'Inner'),
  ('SELECT a.id FROM sj_a a WHERE NOT EXISTS (SELECT FROM sj_b b WHERE a.k = b.k AND b.id + b.k2 < 0)', 'Anti'),
  ('SELECT a.id, s.id, s.pad FROM sj_a a JOIN sj_same s ON a.k = s.k', 'Inner'),
  ('SELECT s.id, r.id FROM sj_same s JOIN sj_same r ON s.k = r.k AND s.id > 490', 'Inner')
) v(q, kind);

-- several joins, shared ones on both sides; partitions
SELECT sj_ask(q) FROM unnest(ARRAY[
  'SELECT a.id, b.id, n.pad FROM sj_a a JOIN sj_b b ON a.k = b.k JOIN sj_null n ON n.id = b.id',
  'SELECT a.id, b.pad, n.pad FROM sj_a a JOIN (sj_b b JOIN sj_null n ON n.id = b.k) ON a.k = b.id',
  'SELECT count(*), sum(a.id), max(b.pad), max(n.pad) FROM sj_a a JOIN sj_b b ON a.k = b.k JOIN (sj_null n JOIN sj_a x ON x.id = n.id) ON n.id = b.id WHERE x.few = ''few 3''',
  'SELECT a.id, p.id, p.pad FROM sj_a a JOIN sj_part p ON a.id = p.id',
  'SELECT count(*), max(b.pad) FROM sj_part p JOIN sj_b b ON p.id = b.id',
  'SELECT a.id, b.pad FROM sj_a a JOIN sj_b b ON a.k = b.k AND a.k2 = (SELECT max(k2) FROM sj_a) ORDER BY a.id, b.id'
]) q;

-- Build sides of several units: more than one process reads.  By value, far apart with a Bloom filter, keys of several rows.
SET work_mem = '64MB';
SELECT sj_ask(q, kind, numbers => '{2,4}') FROM (VALUES
  ('SELECT count(*), sum(x.id), sum(hashtext(y.few || y.n || coalesce(y.t, ''-''))) FROM sj_big x JOIN sj_big y ON x.k = y.id', 'Inner'),
  ('SELECT count(*), sum(x.id), sum(hashtext(y.few || y.n || coalesce(y.t, ''-''))) FROM sj_big x JOIN sj_big y ON x.id = y.k', 'Inner'),
  ('SELECT y.few, count(*), sum(x.id), max(y.t), sum(y.n) FROM sj_big x JOIN sj_big y ON x.far = y.far AND y.id % 3 = 0 GROUP BY y.few', 'Inner'),
  ('SELECT count(*), sum(x.id), count(y.t), sum(hashtext(y.few || y.n || y.t)) FROM sj_big x LEFT JOIN sj_big y ON x.far = y.far + 2000006 AND y.id % 2 = 0', 'Left'),
  ('SELECT count(*), sum(x.id) FROM sj_big x WHERE NOT EXISTS (SELECT FROM sj_big y WHERE x.far = y.far AND x.few <> y.few)', 'Anti'),
  ('SELECT count(*), sum(x.id) FROM sj_big x WHERE EXISTS (SELECT FROM sj_big y WHERE x.id = y.k AND x.t < y.t)', 'Semi')
) v(q, kind);
SET work_mem = '1MB';
SELECT sj_ask('SELECT count(*), sum(x.id), sum(hashtext(y.few || y.n || coalesce(y.t, ''-''))) FROM sj_big x JOIN sj_big y ON x.k = y.id AND y.id % 3 + 0 = y.id % 3', 'Inner', true, '{2,4}');
RESET work_mem;

-- An error in one process ends all, wherever the others are.
SELECT sj_side('on', 2);
SELECT answer('SELECT count(*) FROM sj_a a JOIN sj_b b ON a.k = b.k WHERE 1000 / (b.id - 4990) < b.id');
SELECT answer('SELECT count(*) FROM sj_a a JOIN sj_b b ON a.k = b.k WHERE 1000 / (a.id - 3990) < b.id');
SELECT answer('SELECT count(*) FROM sj_a a JOIN sj_b b ON a.k = 1000 / (b.id - 4990)');

-- Not all processes that the plan is for: without the leader, without workers, without parallel mode.
SET parallel_leader_participation = off;
SELECT sj_ask(q, numbers => '{2,4}') FROM unnest(ARRAY['SELECT a.id, b.id, b.pad FROM sj_a a JOIN sj_b b ON a.k = b.k', 'SELECT count(*), max(b.pad) FROM sj_a a JOIN sj_b b ON a.k = b.k']) q;
RESET parallel_leader_participation;
SET max_parallel_workers = 0;
SELECT sj_ask(q) FROM unnest(ARRAY['SELECT a.id, b.id, b.pad FROM sj_a a JOIN sj_b b ON a.k = b.k', 'SELECT count(*), max(b.pad) FROM sj_a a JOIN sj_b b ON a.k = b.k']) q;
RESET max_parallel_workers;
BEGIN;
DECLARE sj_cursor CURSOR FOR SELECT a.id, b.id, length(b.pad) FROM sj_a a JOIN sj_b b ON a.id = b.id WHERE b.few = 'few 3' AND a.id < 1540;
FETCH 2 FROM sj_cursor;
FETCH 3 FROM sj_cursor;
COMMIT;

-- A Gather that is asked again: for each row of another table, with other values.
SET enable_material = off;
CREATE FUNCTION sj_again(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  off text;
  onn text;
  loops int;
BEGIN
  PERFORM sj_side('off', 0);
  off := answer(query, false);
  PERFORM sj_side('on', 2);
  PERFORM set_config('enable_nestloop', 'on', false);
  onn := answer(query, false);
  SELECT max((j->>'Actual Loops')::int) INTO loops FROM sj_plan(query) j;
  IF off IS DISTINCT FROM onn OR loops IS NULL OR loops < 6 THEN
    RETURN NEXT format(E'%s loops: %s\noff: %s\non:  %s', loops, query, left(off, 500), left(onn, 500));
  END IF;
END $$;
SELECT sj_again(q) FROM unnest(ARRAY[
  'SELECT g, count(*), max(x.pad) FROM generate_series(1, 6) g LEFT JOIN (SELECT a.id, b.pad FROM sj_a a JOIN sj_b b ON a.k = b.k) x ON x.id % 6 < g GROUP BY g',
  'SELECT g, x.n, x.m FROM generate_series(1, 6) g LEFT JOIN (SELECT count(*) AS n, max(b.pad) AS m FROM sj_a a LEFT JOIN sj_b b ON a.k = b.k) x ON x.n > g',
  'SELECT g, count(*), sum(x.id) FROM generate_series(1, 6) g LEFT JOIN (SELECT a.id FROM sj_a a WHERE NOT EXISTS (SELECT FROM sj_b b WHERE a.k = b.k AND b.id + b.k2 < 0)) x ON x.id % 6 < g GROUP BY g'
]) q;

-- More rows than there is memory for, which the planner does not expect: they go into files, and further ones from there.
SET work_mem = '64kB';
SET hash_mem_multiplier = 1;
SELECT sj_ask(q, kind, true) FROM (VALUES
  ('SELECT a.id, b.id, b.pad FROM sj_a a JOIN sj_b b ON a.k = b.k AND b.id % 3 + 0 = b.id % 3 AND b.k2 + 0 = b.k2', 'Inner'),
  ('SELECT a.id, b.id, b.num, b.one, b.pad FROM sj_a a LEFT JOIN sj_b b ON a.k = b.k AND b.id % 3 + 0 = b.id % 3 AND b.id + 0 = b.id', 'Left'),
  ('SELECT a.id, a.pad FROM sj_a a WHERE EXISTS (SELECT FROM sj_b b WHERE a.k = b.k AND b.id % 3 + 0 = b.id % 3 AND b.id + 0 = b.id AND b.pad || b.t <> a.pad)', 'Semi'),
  ('SELECT a.id, a.pad FROM sj_a a WHERE NOT EXISTS (SELECT FROM sj_b b WHERE a.k = b.k AND b.id % 3 + 0 = b.id % 3 AND b.id + 0 = b.id AND b.pad || b.t <> a.pad)', 'Anti'),
  ('SELECT count(*), sum(b.n), max(b.pad) FROM sj_a a JOIN sj_b b ON a.k8 = b.k8 AND b.id % 3 + 0 = b.id % 3 AND b.id + 0 = b.id', 'Inner')
) v(q, kind);
SET parallel_leader_participation = off;
SELECT sj_ask('SELECT a.id, b.id, b.pad FROM sj_a a JOIN sj_b b ON a.k = b.k AND b.id % 3 + 0 = b.id % 3 AND b.k2 + 0 = b.k2', 'Inner', true, '{2,4}');
RESET parallel_leader_participation;
SELECT sj_again('SELECT g, count(*), max(x.pad) FROM generate_series(1, 6) g LEFT JOIN (SELECT a.id, b.pad FROM sj_a a JOIN sj_b b ON a.k = b.k AND b.id % 3 + 0 = b.id % 3 AND b.id + 0 = b.id) x ON x.id % 6 < g GROUP BY g');
-- where the planner does expect it each process has a table, and files, of its own
SELECT sj_side('on', 2);
SELECT count(*) AS shared FROM sj_plan('SELECT a.id, b.id, b.pad FROM sj_a a JOIN sj_b b ON a.k = b.k');
RESET work_mem;
RESET hash_mem_multiplier;
RESET enable_material;

-- What EXPLAIN says.
SET enable_parallel_hash = off;
SELECT count(*) AS shared FROM sj_plan('SELECT a.id, b.id, b.pad FROM sj_a a JOIN sj_b b ON a.k = b.k');
RESET enable_parallel_hash;
EXPLAIN (COSTS OFF) SELECT count(*), max(b.pad) FROM sj_a a JOIN sj_b b ON a.k = b.k;
SELECT j->>'Build Rows' AS rows, (j->>'Shared Memory')::int BETWEEN 50 AND 500 AS memory FROM sj_plan('SELECT a.id, b.id FROM sj_a a JOIN sj_b b ON a.k = b.k WHERE b.k > 0') j;
SET parallel_leader_participation = off;
SELECT j->>'Build Rows' AS rows, (j->>'Shared Memory')::int BETWEEN 50 AND 500 AS memory FROM sj_plan('SELECT a.id, b.id FROM sj_a a JOIN sj_b b ON a.k = b.k WHERE b.k > 0') j;
RESET parallel_leader_participation;

DROP TABLE sj_a, sj_b, sj_null, sj_nulls, sj_empty, sj_same, sj_big, sj_part;
DROP FUNCTION sj_side, sj_joins, sj_plan, sj_ask, sj_rows, sj_again, answer, store, plan_has, compare;
