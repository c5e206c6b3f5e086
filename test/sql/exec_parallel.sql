-- Parallel plans: only where they take less time than what workers take; each unit is one process's, whoever leaves
-- first; and which plans query workers can do.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
CREATE SCHEMA par;
SET search_path = par, public;
CREATE TABLE long (id int NOT NULL, t text NOT NULL);
INSERT INTO long SELECT g, md5(g::text) FROM generate_series(1, 200000) g;
VACUUM (FREEZE, ANALYZE) long;
CREATE TABLE many (id int NOT NULL);
INSERT INTO many SELECT generate_series(1, 1500000);
VACUUM (FREEZE, ANALYZE) many;
CREATE TABLE parts (id int NOT NULL, t text NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE parts1 PARTITION OF parts FOR VALUES FROM (0) TO (100000);
CREATE TABLE parts2 PARTITION OF parts FOR VALUES FROM (100000) TO (200001);
INSERT INTO parts SELECT * FROM long;
VACUUM (FREEZE, ANALYZE) parts1, parts2;
ANALYZE parts;
SELECT strata.enable('long'), strata.enable('many'), strata.enable('parts');
SELECT strata.populate('long') > 0 AND strata.populate('many') > 0 AND strata.populate('parts1') > 0 AND strata.populate('parts2') > 0 AS populated;

-- The plan without its numbers: nodes, and whether they are of the column store.
CREATE FUNCTION nodes(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
    IF line ~ '->|^[^ ]|Workers Planned' AND line !~ '^(Group Key|Filter)' THEN RETURN NEXT line; END IF;
  END LOOP;
END $$;
-- How much text there is to match, by the number of conditions.
CREATE FUNCTION matching(n int, source text) RETURNS text LANGUAGE sql AS $$
  SELECT format('SELECT count(*) FROM %s WHERE ', source) || string_agg(format('t NOT LIKE ''%%x%s%%''', i), ' AND ' ORDER BY i) FROM generate_series(1, n) i $$;

-- 1. Parallel workers of PostgreSQL, its settings as they are: some milliseconds are too little for workers, more are not.
SET strata.query_workers = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SELECT nodes('SELECT sum(id), min(t) FROM long WHERE id % 2 = 0');
SELECT nodes(matching(1, 'long'));
SELECT nodes(matching(5, 'long'));
SELECT nodes(matching(40, 'long'));
-- The same in rows, in a join, and of partitions.
SELECT nodes(replace(matching(5, 'long'), 'count(*)', 'id') || ' AND id < 5');
SELECT nodes(replace(matching(40, 'long'), 'count(*)', 'id') || ' AND id > 199990');
SELECT nodes(matching(5, 'long JOIN (SELECT id FROM many WHERE id < 5) s USING (id)'));
SELECT nodes(matching(40, 'long JOIN (SELECT id FROM many WHERE id < 5) s USING (id)'));
SELECT nodes(matching(5, 'parts'));
SELECT nodes(matching(40, 'parts'));
-- What a start costs is the user's to say.
SET parallel_setup_cost = 100;
SELECT nodes(matching(5, 'long'));
RESET parallel_setup_cost;
-- PostgreSQL's own partial scan is not preferred because it does not count it.
CREATE FUNCTION slow(int) RETURNS int LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 1000 AS 'BEGIN RETURN $1; END';
SET strata.column_aggregate = off;
SELECT nodes('SELECT sum(slow(id)) FROM long');
RESET strata.column_aggregate;

-- 2. The last units are left to the leader, when it takes part.
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
CREATE FUNCTION wrong(query text, times int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  want text;
  got text;
  n bigint := 0;
BEGIN
  SET LOCAL max_parallel_workers_per_gather = 0;
  EXECUTE 'SELECT string_agg(r::text, '';'') FROM (' || query || ') r' INTO want;
  FOR i IN 1 .. times LOOP
    PERFORM set_config('max_parallel_workers_per_gather', (1 + i % 3)::text, true);
    PERFORM set_config('parallel_leader_participation', (i % 4 > 0)::text, true);
    EXECUTE 'SELECT string_agg(r::text, '';'') FROM (' || query || ') r' INTO got;
    n := n + (got IS DISTINCT FROM want)::int;
  END LOOP;
  RETURN n;
END $$;
SELECT nodes('SELECT count(*), sum(id::bigint) FROM many WHERE id % 3 <> 1');
SELECT query, wrong(query, 12) FROM unnest(ARRAY[
  'SELECT count(*), sum(id::bigint) FROM many WHERE id % 3 <> 1',
  'SELECT count(*), sum(id::bigint) FROM many WHERE id > 1400000 AND id % 3 <> 1',
  'SELECT id FROM many WHERE id % 50000 = 7 ORDER BY id',
  'SELECT mode() WITHIN GROUP (ORDER BY id % 10), count(DISTINCT id) FROM many WHERE id % 1000 = 7',
  'SELECT count(*), sum(a.id::bigint) FROM many a JOIN (SELECT id FROM many WHERE id % 100 = 5) b USING (id)',
  'SELECT count(*), max(t) FROM parts WHERE id % 3 <> 1']) query;

-- 3. Query workers: from a millisecond or two on.
RESET strata.query_workers;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
SELECT nodes('SELECT sum(id), min(t) FROM long WHERE id < 3');
SELECT nodes(matching(2, 'long'));
SELECT nodes(matching(2, 'parts'));
-- Not theirs: what is not PostgreSQL's own, or not immutable; values of subqueries; joins.
CREATE FUNCTION mine(int) RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN abs($1) + 1;
CREATE FUNCTION mine2(int) RETURNS int LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS 'BEGIN RETURN $1; END';
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SELECT what, COALESCE((SELECT string_agg(substring(n FROM '-> +(.*)'), ', ') FROM nodes(query) n WHERE n ~ 'Gather'), 'no workers') AS by FROM (VALUES
  ('a function that is inlined', 'SELECT sum(mine(id)) FROM long'),
  ('a function', 'SELECT sum(mine2(id)) FROM long'),
  ('a function in a condition', 'SELECT count(*) FROM long WHERE mine2(id) > 7'),
  ('a function in a key', 'SELECT mine2(id % 3), count(*) FROM long GROUP BY 1'),
  ('a function in a filter', 'SELECT count(*) FILTER (WHERE mine2(id) = 7) FROM long'),
  ('the time', $$SELECT count(*) FROM long WHERE timestamp '2020-01-01' + id * interval '1 day' < now()$$),
  ('the user', 'SELECT count(*) FROM long WHERE t <> current_user'),
  ('a subquery', 'SELECT count(*) FROM long WHERE id < (SELECT max(id) / 2 FROM parts)'),
  ('a record', 'SELECT count(*) FROM long WHERE record_ne(ROW(id, id), ROW(7, 7))'),
  ('a record that is given', 'SELECT count(*) FROM long WHERE record_ne(ROW(id, id), (SELECT r FROM (VALUES (1, 2)) r))'),
  ('above it: anything', 'SELECT mine2(count(*)::int), now() > current_date FROM long HAVING mine2(count(*)::int) > 7'),
  ('a join', 'SELECT count(*) FROM long JOIN many USING (id)'),
  ('partitions', 'SELECT count(*) FROM parts WHERE mine2(id) > 7')) q (what, query);
SELECT query, wrong(query, 20) FROM unnest(ARRAY[
  'SELECT count(*), sum(id::bigint) FROM many WHERE id % 3 <> 1',
  'SELECT count(*), sum(id::bigint) FROM many WHERE id > 1400000 AND id % 3 <> 1',
  'SELECT id % 50000 AS k, count(*) FROM many GROUP BY 1 ORDER BY 1',
  'SELECT count(*), avg(id::numeric), max(t) FROM parts WHERE id % 3 <> 1',
  'SELECT (SELECT count(*) FROM long WHERE id % 7 = 1), sum(id) FROM parts']) query;
-- In the inner side of a nested loop, anew for each row.
SET enable_material = off;
SELECT query, wrong(query, 6) FROM unnest(ARRAY[
  'SELECT v, n FROM (VALUES (1), (2), (3)) a (v) LEFT JOIN (SELECT count(*) AS n FROM long WHERE id % 3 <> 1) b ON a.v < b.n',
  'SELECT v, n FROM (VALUES (1), (2), (3)) a (v), LATERAL (SELECT count(*) AS n FROM long WHERE id % 3 <> v) b']) query;
-- EXPLAIN adds up what all have done.
CREATE FUNCTION read(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
    IF line ~ 'Rows From|Units Read|StrataGather' THEN RETURN NEXT regexp_replace(line, 'rows=\d+', 'rows=n'); END IF;
  END LOOP;
END $$;
SELECT read('SELECT count(*), sum(id::bigint) FROM many WHERE id % 3 <> 1');

DROP SCHEMA par CASCADE;
