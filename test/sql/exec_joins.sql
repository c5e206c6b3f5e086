-- Hash joins over batches, appends and top-n: every query runs with the column store off and on.  same() prints nothing
-- but differences, and which of the nodes that a query names was not in its plan.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
SET max_parallel_workers_per_gather = 0;

\getenv srcdir PG_ABS_SRCDIR
\set compare :srcdir '/sql/include/compare.sql'
\set ECHO none
\i :compare
\set ECHO all
-- Of a query with an order that order counts, of any other none does.
CREATE FUNCTION ej_same(query text, VARIADIC nodes text[] DEFAULT '{StrataJoin}') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  off text;
  onn text;
  plan text := '';
  line text;
BEGIN
  PERFORM set_config('strata.column_scan', 'off', true), set_config('strata.column_join', 'off', true),
    set_config('strata.column_aggregate', 'off', true), set_config('enable_hashjoin', 'on', true), set_config('enable_mergejoin', 'on', true);
  off := answer(query, query ILIKE '%order by%');
  PERFORM set_config('strata.column_scan', 'on', true), set_config('strata.column_join', 'on', true),
    set_config('strata.column_aggregate', 'on', true), set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true);
  onn := answer(query, query ILIKE '%order by%');
  FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
    plan := plan || line || E'\n';
  END LOOP;
  FOREACH line IN ARRAY nodes LOOP
    IF position(line IN plan) = 0 THEN
      RETURN NEXT 'no ' || line || ': ' || query || E'\n' || plan;
    END IF;
  END LOOP;
  IF off IS DISTINCT FROM onn THEN
    RETURN NEXT query || E'\noff: ' || left(off, 500) || E'\non:  ' || left(onn, 500);
  END IF;
END $$;

-- fact: keys with NULLs, many rows a key; dim: unique keys, some without facts; many: several rows a key on both sides
CREATE TABLE ej_fact (id int PRIMARY KEY, k int, k8 bigint, wide bigint, t text, c char(6), n numeric(10,2), d date, f float8, pad text);
INSERT INTO ej_fact
SELECT g, nullif(g % 501, 500), g % 701, (g % 997)::bigint * 1000000007, 't' || g % 301, 'c' || g % 101, g % 1009 / 4.0,
       date '2000-01-01' + g % 400, g % 211 / 8.0, 'pad' || g
FROM generate_series(1, 30000) g;
CREATE TABLE ej_dim (k int PRIMARY KEY, k8 bigint, wide bigint, t text, c char(8), n numeric(10,2), d date, f float8, name text, grp int);
INSERT INTO ej_dim
SELECT g, g * 2, g::bigint * 1000000007, 't' || g, 'c' || g, g / 4.0, date '2000-01-01' + g, g / 8.0, CASE WHEN g % 10 <> 0 THEN 'name' || g % 40 END, g % 7
FROM generate_series(0, 799) g;
CREATE TABLE ej_many (k int, v int, note text);
INSERT INTO ej_many SELECT nullif(g % 300, 7), g, 'note' || g % 13 FROM generate_series(1, 5000) g;
CREATE TABLE ej_heap AS SELECT k, grp, name FROM ej_dim; -- never in the store
CREATE TABLE ej_empty (k int, v int);
VACUUM ANALYZE ej_fact, ej_dim, ej_many, ej_heap, ej_empty;
SELECT strata.enable('ej_fact'), strata.enable('ej_dim'), strata.enable('ej_many');
SELECT strata.populate('ej_fact') > 0 AND strata.populate('ej_dim') > 0 AND strata.populate('ej_many') > 0 AS populated;

-- PostgreSQL's joins out of the way, so that small tables are joined by ours.
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_nestloop = off;

-- the plan
EXPLAIN (COSTS OFF) SELECT d.name, sum(f.n) FROM ej_fact f JOIN ej_dim d ON f.k = d.k AND f.n > d.n WHERE d.grp = 3 GROUP BY d.name;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
SELECT count(*), sum(f.n) FROM ej_fact f JOIN ej_dim d ON f.k = d.k WHERE d.k BETWEEN 100 AND 110;

-- kinds, with and without other conditions, NULL keys, several matches
SELECT ej_same(format('SELECT f.id, f.pad, d.name, d.n FROM ej_fact f %s ej_dim d ON f.k = d.k %s', j, c))
FROM unnest(ARRAY['JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN']) j,
     unnest(ARRAY['', 'WHERE f.id % 3 = 0', 'WHERE d.grp = 2 OR d.grp IS NULL']) c;
SELECT ej_same(format('SELECT m.v, x.v, x.note FROM ej_many m %s (SELECT * FROM ej_many WHERE v %% 7 < 3) x ON m.k = x.k AND m.v > x.v %s', j, c))
FROM unnest(ARRAY['JOIN', 'LEFT JOIN', 'RIGHT JOIN']) j, unnest(ARRAY['', 'WHERE coalesce(x.v, 1) % 2 = 1']) c;
SELECT ej_same(format('SELECT * FROM ej_dim d WHERE %s EXISTS (SELECT 1 FROM ej_many m WHERE m.k = d.k %s)', n, c))
FROM unnest(ARRAY['', 'NOT']) n, unnest(ARRAY['', 'AND m.v > d.grp * 600', 'AND m.note <> d.name']) c;
SELECT ej_same(format('SELECT id, pad FROM ej_fact f WHERE %s EXISTS (SELECT 1 FROM ej_many m WHERE m.k = f.k %s)', n, c))
FROM unnest(ARRAY['', 'NOT']) n, unnest(ARRAY['', 'AND m.v > f.id']) c;
SELECT ej_same('SELECT id FROM ej_fact WHERE k IN (SELECT k FROM ej_dim WHERE grp = 4)');

-- keys of all kinds, several at once, expressions
SELECT ej_same(format('SELECT count(*), sum(f.id), min(d.name) FROM ej_fact f JOIN ej_dim d ON %s', c))
FROM unnest(ARRAY['f.k8 = d.k8', 'f.k = d.k8', 'f.wide = d.wide', 'f.t = d.t', 'f.c = d.c', 'f.n = d.n', 'f.d = d.d', 'f.f = d.f',
  'f.k + 1 = d.k', 'f.k = d.k AND f.t = d.t', 'f.k = d.k AND f.k8 = d.k8', 'f.t = d.t AND f.d = d.d AND f.n > d.n']) c;

-- trees of joins, one input in rows, an empty one, aggregates and rows above
SELECT ej_same(q) FROM unnest(ARRAY[
  'SELECT d.name, m.note, count(*), sum(f.n) FROM ej_fact f JOIN ej_dim d ON f.k = d.k JOIN ej_many m ON m.k = d.k WHERE m.v % 5 = 0 GROUP BY 1, 2',
  'SELECT count(*), sum(f.id), sum(m.v) FROM (ej_fact f RIGHT JOIN ej_dim d ON f.k = d.k) LEFT JOIN ej_many m ON f.k = m.k AND m.v < 1000',
  'SELECT count(*), sum(d.k), sum(m.v) FROM (ej_dim d FULL JOIN ej_many m ON d.k = m.k) LEFT JOIN ej_dim e ON e.k = d.k AND e.grp = 1',
  'SELECT f.id, h.name FROM ej_fact f JOIN ej_heap h ON f.k = h.k WHERE h.grp = 5',
  'SELECT h.name, count(*) FROM ej_heap h LEFT JOIN ej_fact f ON f.k = h.k GROUP BY h.name',
  'SELECT count(*) FROM ej_fact f JOIN ej_empty e ON f.k = e.k',
  'SELECT count(*), count(e.v) FROM ej_fact f LEFT JOIN ej_empty e ON f.k = e.k',
  'SELECT count(*) FROM ej_fact f WHERE NOT EXISTS (SELECT 1 FROM ej_empty e WHERE e.k = f.k)',
  'SELECT d.k, (SELECT count(*) FROM ej_fact f JOIN ej_many m ON f.k = m.k WHERE m.v = d.k) FROM ej_dim d WHERE d.k < 12',
  'SELECT d.name, x.s FROM ej_dim d JOIN (SELECT k, sum(n) AS s FROM ej_fact GROUP BY k) x ON x.k = d.k'
]) q;

-- a key that all rows of a vector have, and one that none has; both inputs sorted by it
SELECT ej_same('SELECT count(*), sum(f.id) FROM ej_fact f JOIN ej_dim d ON f.id = d.k');
SELECT ej_same('SELECT count(*), sum(f.id) FROM ej_fact f JOIN ej_dim d ON f.id = d.k8 WHERE d.k8 > 1000');

-- what cannot be had as vectors is computed row by row, errors are raised
SELECT ej_same('SELECT count(*) FROM ej_fact f JOIN ej_dim d ON f.k + 2147483147 = d.k');
SELECT ej_same('SELECT count(*) FROM ej_fact f JOIN ej_dim d ON f.k = d.k AND 100 / d.grp > f.id');

-- What the scan below the probe side is told: a bit a value between least and greatest key, or a Bloom filter where these
-- lie too far apart.  Rows that it lets pass and that have no match are few.  Nothing where rows without a match count.
CREATE FUNCTION ej_filter(query text, OUT filter text, OUT removed bigint) LANGUAGE plpgsql AS $$
DECLARE
  plan json;
BEGIN
  EXECUTE 'EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON) ' || query INTO plan;
  filter := substring(plan::text FROM '"Key Filter": "([a-zA-Z ]*), ');
  removed := (regexp_match(plan::text, '"Rows Removed for Joins": ([1-9][0-9]*)'))[1];
END $$;
SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_nestloop = off;
SELECT filter, removed FROM ej_filter('SELECT count(*) FROM ej_fact f JOIN ej_dim d ON f.k = d.k WHERE d.grp = 3');
SELECT count(*) AS to_remove FROM ej_fact f WHERE NOT EXISTS (SELECT FROM ej_dim d WHERE f.k = d.k AND d.grp = 3);
SELECT filter, removed BETWEEN (SELECT count(*) * 0.99 FROM ej_fact f WHERE NOT EXISTS (SELECT FROM ej_dim d WHERE f.wide = d.wide AND d.grp = 3))
                           AND (SELECT count(*) FROM ej_fact f WHERE NOT EXISTS (SELECT FROM ej_dim d WHERE f.wide = d.wide AND d.grp = 3)) AS most
  FROM ej_filter('SELECT count(*) FROM ej_fact f JOIN ej_dim d ON f.wide = d.wide WHERE d.grp = 3');
SELECT filter, removed FROM ej_filter('SELECT count(*) FROM ej_fact f LEFT JOIN ej_dim d ON f.wide = d.wide AND d.grp = 3');
-- A table made anew has a filter of its own, which is asked although the one before passed all rows.
CREATE TABLE ej_probe AS SELECT g % 4000 * 1000000007::int8 AS wide FROM generate_series(1, 100000) g;
CREATE TABLE ej_build AS SELECT g * 1000000007::int8 AS wide, g FROM generate_series(0, 3999) g;
VACUUM ANALYZE ej_probe, ej_build;
SELECT strata.enable('ej_probe'), strata.enable('ej_build');
SELECT strata.populate('ej_probe') > 0 AND strata.populate('ej_build') > 0 AS populated;
SELECT filter, removed > 90000 AS asked
  FROM ej_filter('SELECT m, (SELECT count(*) FROM ej_probe p JOIN ej_build b USING (wide) WHERE b.g % m = 0) FROM (VALUES (1), (400)) v(m)');
-- An array by value of 8 places a row where there is memory for it.
CREATE FUNCTION ej_table(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  plan json;
BEGIN
  EXECUTE 'EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON) ' || query INTO plan;
  RETURN substring(plan::text FROM '"Hash Table": "([a-z ]*)"') || coalesce(' ' || substring(plan::text FROM 'Partitions": [0-9]*'), '');
END $$;
CREATE TABLE ej_sparse AS SELECT g * 7 AS k FROM generate_series(1, 100000) g;
VACUUM ANALYZE ej_sparse;
SELECT strata.enable('ej_sparse');
SELECT strata.populate('ej_sparse') > 0 AS populated;
SET work_mem = '4MB'; SET hash_mem_multiplier = 1;
SELECT ej_table('SELECT count(*) FROM ej_sparse a JOIN ej_sparse b USING (k)');
SET work_mem = '6MB';
SELECT ej_table('SELECT count(*) FROM ej_sparse a JOIN ej_sparse b USING (k)');
RESET work_mem; RESET hash_mem_multiplier;
RESET enable_hashjoin; RESET enable_mergejoin; RESET enable_nestloop;
DROP TABLE ej_probe, ej_build, ej_sparse;
DROP FUNCTION ej_table;
SELECT ej_same('SELECT count(*), sum(f.id) FROM ej_fact f JOIN ej_dim d ON f.wide = d.wide WHERE d.grp = 3');
SELECT ej_same('SELECT count(*), sum(f.id) FROM ej_fact f JOIN ej_fact g ON f.wide = g.wide AND g.id < 1200 WHERE f.id > 20000');
SELECT ej_same('SELECT count(*), sum(f.id) FROM ej_fact f WHERE f.wide IN (SELECT wide FROM ej_dim WHERE grp = 1 UNION ALL SELECT NULL)');
DROP FUNCTION ej_filter;

-- little memory: most rows of both sides wait in files
SET work_mem = '64kB';
SET hash_mem_multiplier = 1;
SELECT ej_same(q) FROM unnest(ARRAY[
  'SELECT f.id, g.pad FROM ej_fact f JOIN ej_fact g ON f.id = g.id + 1',
  'SELECT f.id, g.pad FROM ej_fact f LEFT JOIN ej_fact g ON f.id = g.id * 2',
  'SELECT f.id, g.id FROM ej_fact f FULL JOIN (SELECT id, k FROM ej_fact WHERE id > 15000) g ON f.id = g.id + 1000',
  'SELECT f.pad FROM ej_fact f WHERE NOT EXISTS (SELECT 1 FROM ej_fact g WHERE g.t = f.pad)',
  'SELECT count(*), sum(h.grp) FROM ej_heap h JOIN ej_fact f ON f.k = h.k JOIN ej_fact g ON g.id = f.id'
]) q;
CREATE FUNCTION ej_files(query text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
  plan json;
BEGIN
  EXECUTE 'EXPLAIN (ANALYZE, FORMAT JSON) ' || query INTO plan;
  RETURN plan::text ~ '"Partitions": [1-9]';
END $$;
SELECT ej_files('SELECT count(*) FROM ej_fact f JOIN ej_fact g ON f.id = g.id + 1') AS in_files;
RESET work_mem;
RESET hash_mem_multiplier;

-- a nested loop above a semijoin compares a column of the side that is no part of its result (Join Filter: x.k = a.id)
SELECT ej_same(format('SELECT count(*), sum(a.id) FROM (SELECT * FROM ej_dim c WHERE %s AND EXISTS (SELECT FROM ej_many x WHERE x.k = c.k AND x.v %s)) c
  JOIN ej_fact a ON a.id = c.k', c, v))
FROM (VALUES ('grp < 6', '= 77'), ('grp < 6', 'BETWEEN 70 AND 80'), ('grp = 3', '> 0'), ('k < 60', '> 0')) pairs (c, v);

-- under Gather each process has files of its own
SET work_mem = '64kB';
SET hash_mem_multiplier = 1;
SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
-- A loop over a query's rows runs it without workers; EXECUTE INTO does not.
CREATE FUNCTION ej_row(query text, store text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  r record;
BEGIN
  PERFORM set_config('strata.column_scan', store, true), set_config('strata.column_join', store, true),
    set_config('strata.column_aggregate', store, true),
    set_config('enable_hashjoin', CASE store WHEN 'on' THEN 'off' ELSE 'on' END, true),
    set_config('enable_mergejoin', CASE store WHEN 'on' THEN 'off' ELSE 'on' END, true);
  EXECUTE query INTO r;
  RETURN r::text;
END $$;
SELECT ej_row(q, 'on'), ej_row(q, 'on') = ej_row(q, 'off') AS same FROM unnest(ARRAY[
  'SELECT count(*), sum(f.id), count(g.id) FROM ej_fact f LEFT JOIN ej_fact g ON f.id = g.id * 2',
  'SELECT count(*), sum(hashtext(f.pad || g.pad)) FROM ej_fact f JOIN ej_fact g ON f.id = g.id + 1',
  'SELECT count(*), sum(f.id) FROM ej_fact f WHERE NOT EXISTS (SELECT 1 FROM ej_fact g WHERE g.t = f.pad)',
  -- and Gather itself is asked again
  'SELECT sum(n), count(*) FROM generate_series(100, 400, 150) x, LATERAL (SELECT count(*) n FROM ej_fact f LEFT JOIN ej_fact g ON f.id = g.id + 1 WHERE f.k > x) y'
]) q;
SELECT ej_files('SELECT count(*) FROM ej_fact f LEFT JOIN ej_fact g ON f.id = g.id + 1') AS in_files;
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size;
SET max_parallel_workers_per_gather = 0;
RESET work_mem;
RESET hash_mem_multiplier;

-- rows that are not in columns: changed since, and new
BEGIN;
UPDATE ej_fact SET n = n + 1, k = k + 1 WHERE id % 50 = 3;
DELETE FROM ej_dim WHERE k % 37 = 5;
INSERT INTO ej_fact (id, k, n, pad) SELECT g, g % 500, 1.5, 'new' FROM generate_series(30001, 30100) g;
SELECT ej_same('SELECT f.id, f.n, d.name FROM ej_fact f LEFT JOIN ej_dim d ON f.k = d.k');
SELECT ej_same('SELECT d.name, count(*), sum(f.n) FROM ej_dim d LEFT JOIN ej_fact f ON f.k = d.k GROUP BY d.name');
ROLLBACK;

-- rows to be locked or changed, and cursors that may be updated, keep PostgreSQL's joins
SET enable_hashjoin = on;
EXPLAIN (COSTS OFF) SELECT f.id FROM ej_fact f JOIN ej_dim d ON f.k = d.k FOR UPDATE OF f;
EXPLAIN (COSTS OFF) UPDATE ej_many m SET v = 0 FROM ej_dim d WHERE d.k = m.k;
SET strata.column_join = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM ej_fact f JOIN ej_dim d ON f.k = d.k;
RESET strata.column_join;

-- parallel: each process has the build side
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SELECT ej_same(q) FROM unnest(ARRAY[
  'SELECT d.name, count(*), sum(f.n) FROM ej_fact f JOIN ej_dim d ON f.k = d.k GROUP BY d.name',
  'SELECT count(*), sum(f.id) FROM ej_fact f LEFT JOIN ej_many m ON f.k = m.k AND m.v > f.id',
  'SELECT count(*) FROM ej_fact f WHERE EXISTS (SELECT 1 FROM ej_many m WHERE m.k = f.k AND m.v > 100)',
  'SELECT f.id, d.name FROM ej_fact f JOIN ej_dim d ON f.k = d.k WHERE d.grp = 1'
]) q;
SET max_parallel_workers_per_gather = 0;

-- partitions and children, one of them in rows
CREATE TABLE ej_part (id int, k int, n numeric(10,2), t text) PARTITION BY RANGE (id);
CREATE TABLE ej_part1 PARTITION OF ej_part FOR VALUES FROM (0) TO (10000);
CREATE TABLE ej_part2 (t text, gone int, n numeric(10,2), k int, id int);
ALTER TABLE ej_part2 DROP COLUMN gone;
ALTER TABLE ej_part ATTACH PARTITION ej_part2 FOR VALUES FROM (10000) TO (20000);
CREATE TABLE ej_part3 PARTITION OF ej_part FOR VALUES FROM (20000) TO (30001);
INSERT INTO ej_part SELECT id, k, n, t FROM ej_fact;
VACUUM ANALYZE ej_part1, ej_part2, ej_part3;
ANALYZE ej_part;
SELECT strata.enable('ej_part1'), strata.enable('ej_part2');
SELECT strata.populate('ej_part1') > 0 AND strata.populate('ej_part2') > 0 AS populated;
SELECT ej_same(q, 'StrataAppend') FROM unnest(ARRAY[
  'SELECT t, count(*), sum(n) FROM ej_part GROUP BY t',
  'SELECT count(*) FROM ej_part',
  'SELECT count(*), count(*) FILTER (WHERE false) FROM ej_part WHERE id > 5000 AND k < 300',
  'SELECT count(*) FROM ej_part WHERE id < 12000 AND id % 7 = 3',
  'SELECT count(*), sum(n), max(id) FROM ej_part WHERE id > 5000 AND k < 300',
  'SELECT d.name, sum(p.n) FROM ej_part p JOIN ej_dim d ON p.k = d.k GROUP BY d.name',
  'SELECT p.id, p.t, d.name FROM ej_dim d LEFT JOIN ej_part p ON p.k = d.k AND p.id % 100 = 0',
  'SELECT id, t FROM ej_part ORDER BY n DESC, id LIMIT 20'
]) q;

-- top-n
SELECT ej_same(q, 'StrataTopN') FROM unnest(ARRAY[
  'SELECT id, pad FROM ej_fact ORDER BY n DESC, id LIMIT 10',
  'SELECT id, k FROM ej_fact ORDER BY k, id LIMIT 50',
  'SELECT id, k FROM ej_fact ORDER BY k DESC, id DESC LIMIT 100 OFFSET 30',
  'SELECT id, k FROM ej_fact ORDER BY k DESC NULLS LAST, t, id LIMIT 70',
  'SELECT id, f FROM ej_fact WHERE k > 100 ORDER BY f, t DESC, id LIMIT 7000',
  'SELECT f.id, d.name FROM ej_fact f LEFT JOIN ej_dim d ON f.k = d.k AND d.grp < 3 ORDER BY d.n DESC, f.id LIMIT 40',
  'SELECT id FROM ej_fact WHERE k8 < 0 ORDER BY k8 LIMIT 3',
  'SELECT d, id FROM ej_fact ORDER BY d, id LIMIT 1'
]) q;
-- one whose bound lets units be skipped is asked again with another bound
PREPARE ej_top (int) AS SELECT id FROM ej_fact WHERE id > $1 ORDER BY id LIMIT 2;
EXECUTE ej_top(10);
EXECUTE ej_top(29990);
DEALLOCATE ej_top;
SELECT x.id, y.* FROM (VALUES (5), (29000)) x(id), LATERAL (SELECT f.id AS found FROM ej_fact f WHERE f.id >= x.id ORDER BY f.id LIMIT 1) y ORDER BY 1;

-- Keys of types whose equal values are stored alike: strings with a header, of one length or of any, and integers
CREATE TYPE ej_mood AS ENUM ('sad', 'ok', 'happy', 'calm');
CREATE DOMAIN ej_id AS uuid;
CREATE TABLE ej_typed (id int, u uuid, du ej_id, b bytea, i inet, m macaddr, tm time, e ej_mood, nm name, v bit varying, iv interval, x int);
INSERT INTO ej_typed
SELECT g, CASE WHEN g % 50 <> 0 THEN md5((g % 401)::text)::uuid END, md5((g % 401)::text)::uuid,
       decode(repeat(md5((g % 301)::text), CASE WHEN g % 301 = 3 THEN 200 ELSE 1 END), 'hex'), ('10.' || g % 7 || '.0.' || g % 201)::inet,
       ('08:00:2b:01:02:' || to_hex(g % 100 + 16))::macaddr, time '00:00' + g % 601 * interval '1 second',
       (ARRAY['sad', 'ok', 'happy', 'calm', NULL])[g % 5 + 1]::ej_mood, 'n' || g % 99, repeat('1', g % 40)::bit varying, g % 30 * interval '1 day', g % 10
FROM generate_series(1, 6000) g;
CREATE TABLE ej_other AS SELECT * FROM ej_typed WHERE id % 3 = 0 AND id < 2000;
INSERT INTO ej_other (id) SELECT g FROM generate_series(1, 5) g;
CREATE TABLE ej_plain AS TABLE ej_other;
VACUUM (ANALYZE) ej_typed, ej_other, ej_plain;
SELECT strata.enable(t) FROM unnest(ARRAY['ej_typed', 'ej_other']) t;
SELECT strata.populate(t) > 0 AS populated FROM unnest(ARRAY['ej_typed', 'ej_other']) t;
UPDATE ej_typed SET u = md5('7')::uuid, e = 'calm' WHERE id % 401 = 11;
SELECT d FROM unnest(ARRAY['u', 'du', 'b', 'i', 'm', 'tm', 'e', 'nm']) k, unnest(ARRAY['ej_other', 'ej_plain']) o, unnest(ARRAY[
  'SELECT count(*), sum(a.id), sum(b.id) FROM ej_typed a JOIN %2$s b USING (%1$s)',
  'SELECT count(*), sum(a.id), count(b.id) FROM ej_typed a LEFT JOIN %2$s b ON a.%1$s = b.%1$s AND b.x > 3',
  'SELECT count(*), sum(a.id), count(b.id) FROM ej_typed a FULL JOIN %2$s b USING (%1$s)',
  'SELECT count(*), sum(a.id) FROM ej_typed a WHERE EXISTS (SELECT FROM %2$s b WHERE a.%1$s = b.%1$s AND b.x > 3)',
  'SELECT count(*), sum(a.id) FROM ej_typed a WHERE NOT EXISTS (SELECT FROM %2$s b WHERE a.%1$s = b.%1$s)',
  'SELECT count(*), sum(a.id), sum(b.id) FROM ej_typed a JOIN %2$s b ON a.%1$s = b.%1$s AND a.x = b.x']) q,
  LATERAL ej_same(format(q, k, o)) d;
-- a key beside it that is no 64-bit number for some rows: keys are computed row by row
SELECT ej_same('SELECT count(*), sum(a.id) FROM ej_typed a JOIN ej_other b ON a.u = b.u AND a.id * 1000000000000000::bigint / 1000000000000000 = b.id');
SELECT ej_same('SELECT count(*), sum(a.id) FROM ej_typed a JOIN ej_other b ON a.u = b.u AND a.x::numeric(40,20) = b.x::numeric(40,20)');
-- the same equalities in a subquery that remembers its groups
SELECT d FROM unnest(ARRAY['u', 'du', 'b', 'i', 'tm', 'e', 'nm']) k, LATERAL ej_same(format(
  'SELECT id, (SELECT sum(a.id) FROM ej_typed a WHERE a.%1$s = b.%1$s) FROM ej_other b ORDER BY 1, 2', k), 'StrataAggregate') d;
-- little memory, so that rows wait in files
SET work_mem = '64kB';
SET hash_mem_multiplier = 1.0;
SELECT d FROM unnest(ARRAY['u', 'b', 'tm']) k, LATERAL ej_same(format('SELECT count(*), sum(a.id), sum(b.id) FROM ej_typed a JOIN ej_typed b USING (%1$s)', k)) d;
RESET work_mem;
RESET hash_mem_multiplier;
-- Not intervals: equal ones are stored in several ways
SELECT plan_has('SELECT count(*) FROM ej_typed a JOIN ej_other b USING (iv)', 'StrataJoin', false) AS interval;
DROP TABLE ej_typed, ej_other, ej_plain;
DROP TYPE ej_mood;
DROP DOMAIN ej_id;

RESET ALL;
DROP TABLE ej_fact, ej_dim, ej_many, ej_heap, ej_empty, ej_part;
DROP FUNCTION answer, store, plan_has, compare, ej_same, ej_files, ej_row;
