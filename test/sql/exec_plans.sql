-- Which plans the column store offers, and that it steps back where it must.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE plans (id int, grp text, amount numeric(12,2), at date, ratio float8, flag bool, doc jsonb);
INSERT INTO plans
SELECT i, 'g' || i % 5, (i % 1000) / 4.0, date '2024-01-01' + i % 366, i / 8.0, i % 3 = 0, jsonb_build_object('i', i)
FROM generate_series(1, 50000) i;
VACUUM (FREEZE, ANALYZE) plans;
SELECT strata.enable('plans', ARRAY['id', 'grp', 'amount', 'at', 'ratio', 'flag']);
SELECT strata.populate('plans') > 0 AS populated;

CREATE FUNCTION plan_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query;
END $$;

-- scans and aggregates
SELECT plan_of('SELECT id, amount FROM plans WHERE amount > 100');
SELECT plan_of('SELECT count(*) FROM plans');
SELECT plan_of('SELECT grp, count(*), sum(amount * 2), min(at), avg(ratio), bool_and(flag) FROM plans WHERE id < 40000 GROUP BY grp HAVING count(*) > 5 ORDER BY grp');
SELECT plan_of('SELECT grp || ''!'', sum(amount) / count(*) + 1 FROM plans GROUP BY grp');
SELECT plan_of('SELECT DISTINCT grp FROM plans');

-- each value once, and some rows only
SELECT plan_of('SELECT count(DISTINCT grp) FROM plans');
SELECT plan_of('SELECT sum(amount) FILTER (WHERE flag) FROM plans');
SELECT plan_of('SELECT upper(grp), count(*) FROM plans GROUP BY 1');

-- what must not be taken
SELECT plan_of('SELECT doc FROM plans');
SELECT plan_of('SELECT ctid FROM plans');
SELECT plan_of('SELECT plans FROM plans');
SELECT plan_of('SELECT id FROM plans TABLESAMPLE SYSTEM (10)');
SELECT plan_of('SELECT id FROM plans FOR UPDATE');
SELECT plan_of('UPDATE plans SET amount = 0 WHERE id = 1');
SELECT plan_of('DELETE FROM plans WHERE id = 1');

-- an index still wins for one row
CREATE INDEX plans_id ON plans (id);
SELECT plan_of('SELECT amount FROM plans WHERE id = 4711');
DROP INDEX plans_id;

-- parallel
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT plan_of('SELECT grp, sum(amount) FROM plans GROUP BY grp');
SELECT grp, count(*), sum(id), avg(id), sum(amount), avg(amount), sum(ratio), avg(ratio), min(at), max(grp), bool_or(flag)
FROM plans GROUP BY grp ORDER BY grp;
SELECT count(*), sum(id::bigint), avg(id::bigint) FROM plans WHERE flag;
RESET max_parallel_workers_per_gather;
SET max_parallel_workers_per_gather = 0;

-- settings
SET strata.column_aggregate = off;
SELECT plan_of('SELECT sum(amount) FROM plans');
SET strata.column_scan = off;
SELECT plan_of('SELECT sum(amount) FROM plans');
RESET strata.column_aggregate;
SELECT plan_of('SELECT sum(amount) FROM plans');
RESET strata.column_scan;

-- EXPLAIN ANALYZE tells where the rows came from
CREATE FUNCTION analyze_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query;
END $$;
SELECT analyze_of('SELECT count(*) FROM plans WHERE amount < 10');
SELECT analyze_of('SELECT sum(id) FROM plans WHERE id > 100000');
-- Of a changed block only what is new comes from the heap; what is gone is left out.
DELETE FROM plans WHERE id = 1;
SELECT analyze_of('SELECT count(*), sum(id) FROM plans');
UPDATE plans SET id = id WHERE id = 2;
SELECT analyze_of('SELECT count(*), sum(id) FROM plans');

-- WHERE CURRENT OF needs the row's TID, so a cursor that it could name keeps to the heap; others do not
BEGIN;
DECLARE upd CURSOR FOR SELECT id, grp FROM plans WHERE id % 2500 = 7;
FETCH 2 FROM upd;
UPDATE plans SET grp = 'gx' WHERE CURRENT OF upd;
SELECT id, grp FROM plans WHERE grp = 'gx';
SELECT plan_of('DECLARE c CURSOR FOR SELECT id FROM plans WHERE id < 10');
SELECT plan_of('DECLARE c CURSOR FOR SELECT id FROM plans WHERE id < 10 ORDER BY id');
ROLLBACK;

-- a Gather is rescanned before it is first run, and a node below it is told when the units have been shared out
CREATE TABLE plans_one (i int);
INSERT INTO plans_one VALUES (5);
ANALYZE plans_one;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET max_parallel_workers = 0;
SET enable_material = off;
SELECT plan_of('SELECT i, id FROM plans_one LEFT JOIN plans ON id BETWEEN i AND i + 1');
SELECT i, id FROM plans_one LEFT JOIN plans ON id BETWEEN i AND i + 1 ORDER BY id;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
SET max_parallel_workers_per_gather = 0;
RESET max_parallel_workers;
RESET enable_material;
DROP TABLE plans_one;

-- a prepared plan outlives its units
PREPARE p AS SELECT count(*), sum(amount) FROM plans;
SET plan_cache_mode = force_generic_plan;
EXECUTE p;
SELECT strata.evict('plans') > 0 AS evicted;
EXECUTE p;
SELECT strata.disable('plans');
EXECUTE p;
DROP TABLE plans;
DROP FUNCTION plan_of(text);
DROP FUNCTION analyze_of(text);
