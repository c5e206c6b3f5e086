-- What guards what: conditions in PostgreSQL's order, where one keeps rows from another that would fail; rows that a leaky
-- function may not see; plans kept from one role to another; cursors over changes that are rolled back.  Every question
-- is asked with the column store off and on; compare() shows differences only.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
SET max_parallel_workers_per_gather = 0;

\getenv srcdir PG_ABS_SRCDIR
\set compare :srcdir '/sql/include/compare.sql'
\set ECHO none
\i :compare
\set ECHO all

CREATE TABLE gu_a AS SELECT g % 500 AS k, CASE WHEN g % 3 > 0 THEN g % 7 END AS x, g % 5 AS y, 's' || g % 10 AS s FROM generate_series(1, 20000) g;
CREATE TABLE gu_b AS SELECT g AS k, g % 6 AS z, g % 4 AS w FROM generate_series(0, 700) g;
VACUUM ANALYZE gu_a, gu_b;
SELECT strata.enable('gu_a'), strata.enable('gu_b');
SELECT strata.populate('gu_a') > 0 AND strata.populate('gu_b') > 0 AS populated;
SET enable_nestloop = off;
SET enable_mergejoin = off;

-- A dear condition that fails for some rows, written before the cheap one that takes them off.
CREATE FUNCTION gu_dear(i bigint) RETURNS bool IMMUTABLE COST 100 LANGUAGE plpgsql AS $$ BEGIN RETURN 100 / i IS NOT NULL; END $$;
SELECT compare('SELECT count(*), sum(a.x) FROM gu_a a JOIN gu_b b ON a.k = b.k AND gu_dear(a.x + b.z) AND a.x + b.z > 0', 'StrataJoin');
SELECT compare('SELECT count(*), sum(a.x), count(b.k) FROM gu_a a LEFT JOIN gu_b b ON a.k = b.k WHERE gu_dear(a.x + coalesce(b.z, 0)) AND a.x + coalesce(b.z, 0) > 0', 'StrataJoin');
SELECT compare('SELECT k, sum(x) FROM gu_a GROUP BY k HAVING gu_dear(sum(x) - 80) AND sum(x) <> 80', 'StrataAggregate', false);
SELECT compare('SELECT count(*), sum(x) FROM gu_a WHERE gu_dear(y) AND y > 0', 'StrataAggregate');
SET enable_hashjoin = off;
SELECT compare('SELECT count(*), sum(a.x), count(b.k) FROM gu_a a LEFT JOIN gu_b b ON a.k = b.k AND gu_dear(a.x + b.z) AND a.x + b.z > 0 GROUP BY s', 'StrataJoin', false);
SELECT compare('SELECT count(*), sum(a.x) FROM gu_a a WHERE EXISTS (SELECT FROM gu_b b WHERE a.k = b.k AND gu_dear(a.x + b.z) AND a.x + b.z > 0)', 'StrataJoin');
RESET enable_hashjoin;
-- The other way round it fails.
SELECT compare('SELECT count(*) FROM gu_a a JOIN gu_b b ON a.k = b.k AND gu_dear(a.x + b.z)', 'StrataJoin');
SELECT answer('SELECT count(*) FROM gu_a a JOIN gu_b b ON a.k = b.k AND gu_dear(a.x + b.z)');

-- A key that is NULL ends the row: no other is computed.
SELECT compare('SELECT count(*), sum(a.x) FROM gu_a a JOIN gu_b b ON nullif(a.y, 0) = b.z AND 12 / a.y = b.w', 'StrataJoin');
SELECT compare('SELECT count(*), sum(a.x) FROM gu_b b JOIN gu_a a ON nullif(a.y, 0) = b.z AND 12 / a.y = b.w AND a.s = ''s'' || b.w', 'StrataJoin');
SELECT compare('SELECT count(*), sum(a.x) FROM gu_a a WHERE EXISTS (SELECT FROM gu_b b WHERE nullif(a.y, 0) = b.z AND 12 / a.y = b.w)', 'StrataJoin');
SELECT compare('SELECT count(*), sum(a.x), count(b.k) FROM gu_a a LEFT JOIN gu_b b ON nullif(a.y, 0) = b.z AND 12 / a.y = b.w', NULL);
SELECT compare('SELECT count(*), sum(a.x), count(a.k) FROM gu_b b LEFT JOIN gu_a a ON nullif(a.y, 0) = b.z AND 12 / a.y = b.w', NULL);

-- Subqueries that PostgreSQL would not have run.
SELECT compare('SELECT o.k, (SELECT sum(x) FROM gu_a a WHERE a.k = o.k AND y < (SELECT 1 / 0)) FROM gu_b o WHERE o.k > 600', NULL);
SELECT compare('SELECT o.k, (SELECT sum(x / y) FROM gu_a a WHERE a.k = o.k) FROM gu_b o WHERE o.k % 5 > 0', NULL);
SELECT compare('SELECT o.k, (SELECT sum(x) FROM gu_a a WHERE a.k = o.k AND a.y = (SELECT max(w) FROM gu_b i WHERE i.z = o.z)) FROM gu_b o', NULL);

-- Cursors: what they show does not depend on what is changed, rolled back or committed after they were opened.
BEGIN;
DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT k, count(*), sum(x) FROM gu_a GROUP BY k ORDER BY k;
FETCH 3 FROM c;
SAVEPOINT s;
DELETE FROM gu_a WHERE k < 10;
FETCH 2 FROM c;
SELECT compare('SELECT sum(x), count(x), min(k) FROM gu_a', NULL);
ROLLBACK TO s;
SELECT compare('SELECT sum(x), count(x), min(k) FROM gu_a', NULL);
FETCH BACKWARD 2 FROM c;
UPDATE gu_a SET x = 100 WHERE k < 20;
FETCH ABSOLUTE 15 FROM c;
COMMIT;
FETCH FIRST FROM c;
FETCH ABSOLUTE 18 FROM c;
CLOSE c;
BEGIN;
DECLARE c CURSOR FOR SELECT k, x FROM gu_a ORDER BY x DESC NULLS LAST, k;
SAVEPOINT s1;
FETCH 2 FROM c;
SAVEPOINT s2;
UPDATE gu_a SET x = 300 WHERE k < 30;
SELECT compare('SELECT k, x FROM gu_a ORDER BY x DESC NULLS LAST, k LIMIT 50', NULL);
ROLLBACK TO s2;
SELECT compare('SELECT k, x FROM gu_a ORDER BY x DESC NULLS LAST, k LIMIT 50', NULL);
FETCH 2 FROM c;
ROLLBACK TO s1;
FETCH 2 FROM c;
COMMIT;
-- A column that was never there, and another of its number.
BEGIN;
SAVEPOINT s;
ALTER TABLE gu_a ADD COLUMN n int DEFAULT 5;
SELECT compare('SELECT sum(n), count(n), sum(x) FROM gu_a', NULL) FROM generate_series(1, 2);
ROLLBACK TO s;
ALTER TABLE gu_a ADD COLUMN n int DEFAULT 7;
SELECT compare('SELECT sum(n), count(n), sum(x) FROM gu_a', NULL) FROM generate_series(1, 2);
SAVEPOINT s;
ALTER TABLE gu_a ALTER n TYPE text;
SELECT compare('SELECT max(n), count(n), sum(x) FROM gu_a', NULL) FROM generate_series(1, 2);
ROLLBACK TO s;
SELECT compare('SELECT sum(n), count(n), sum(x) FROM gu_a', NULL) FROM generate_series(1, 2);
COMMIT;

-- Roles: a plan is kept, and the policies change; leaky functions see what the policy or view shows, 0 and 1.
CREATE ROLE gu_one;
CREATE ROLE gu_two;
GRANT SELECT ON gu_a, gu_b TO gu_one, gu_two;
ALTER TABLE gu_a ENABLE ROW LEVEL SECURITY;
CREATE POLICY p1 ON gu_a TO gu_one USING (y < 2);
CREATE POLICY p2 ON gu_a TO gu_two USING (k IN (SELECT k FROM gu_b WHERE w = 1) AND current_user = 'gu_two');
CREATE VIEW gu_v WITH (security_barrier) AS SELECT * FROM gu_a WHERE y < 2;
CREATE FUNCTION gu_leak(i int) RETURNS bool STABLE LANGUAGE plpgsql COST 0.0001 AS $$
BEGIN
  IF i NOT IN (0, 1) THEN
    RAISE EXCEPTION 'saw %', i;
  END IF;
  RETURN true;
END $$;
SET plan_cache_mode = force_generic_plan;
PREPARE gu_q(int) AS SELECT count(*), sum(x), sum(y) FROM gu_a WHERE k < $1;
EXECUTE gu_q(100);
SET ROLE gu_one;
EXECUTE gu_q(100);
SELECT compare('SELECT count(*), sum(x), sum(y) FROM gu_a WHERE k < 100 AND gu_leak(y)', 'StrataAggregate');
SELECT compare('SELECT count(*), sum(x), sum(y) FROM gu_a JOIN gu_b USING (k) WHERE gu_leak(y + w * 0)', 'StrataJoin');
SELECT compare('SELECT k, (SELECT sum(x) FROM gu_a a WHERE a.k = b.k AND gu_leak(y)) FROM gu_b b', 'StrataScan');
SELECT compare('SELECT k, (SELECT sum(x) FROM gu_a a WHERE a.k = b.k) FROM gu_b b', 'StrataAggregate');
SET ROLE gu_two;
EXECUTE gu_q(100);
SELECT compare('SELECT count(*), sum(x), sum(y) FROM gu_a WHERE k < 100', 'StrataScan');
SELECT compare('SELECT k, (SELECT sum(x) FROM gu_a a WHERE a.k = b.k) FROM gu_b b', 'StrataScan');
RESET ROLE;
EXECUTE gu_q(100);
DEALLOCATE gu_q;
SELECT compare('SELECT count(*), sum(x) FROM gu_v WHERE gu_leak(y)', 'StrataScan');
SELECT compare('SELECT count(*), sum(x) FROM gu_v JOIN gu_b b ON gu_v.k = b.k AND gu_leak(gu_v.y + b.w * 0)', 'StrataScan');
SELECT compare('SELECT s, count(*), sum(x) FILTER (WHERE gu_leak(y)) FROM gu_v GROUP BY s', 'StrataScan', false);
SELECT compare('SELECT s, y FROM gu_v WHERE gu_leak(y) ORDER BY s, k LIMIT 5', NULL);
SELECT answer('SELECT count(*) FROM gu_a WHERE gu_leak(y)');

DROP VIEW gu_v;
DROP TABLE gu_a, gu_b;
DROP ROLE gu_one, gu_two;
DROP FUNCTION gu_dear, gu_leak, compare, plan_has, store, answer;
