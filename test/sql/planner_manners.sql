-- Which way to a table's rows the planner takes, from one row to all of them: what an index does best stays with the
-- index.  What is expected was measured: test/bench/manners.sh forces each way, asks and prints the times; it reads this
-- file with "keep" set.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
CREATE SCHEMA manners;
SET search_path = manners, public;
SET max_parallel_workers_per_gather = 0;
SET random_page_cost = 1.1;

-- k is a permutation, so a range of it lies scattered over the table; id and day follow the table's order.
CREATE TABLE m (id bigint PRIMARY KEY, k int NOT NULL, grp int NOT NULL, day date NOT NULL, val numeric(12,2), note text);
INSERT INTO m
SELECT g, (g::bigint * 7919) % 300007, (g::bigint * 7919 % 300007) % 1000, date '2020-01-01' + g / 300, g % 10000 / 100.0, 'note ' || g % 5000
FROM generate_series(1, 300000) g;
CREATE UNIQUE INDEX m_k ON m (k);
CREATE INDEX m_grp ON m (grp);
CREATE INDEX m_day ON m (day);
CREATE TABLE few (id bigint PRIMARY KEY, name text);
INSERT INTO few SELECT g * 30011, 'few ' || g FROM generate_series(1, 8) g;
VACUUM (FREEZE, ANALYZE) m;
VACUUM (FREEZE, ANALYZE) few;
SELECT strata.enable('m'), strata.enable('few');
SELECT strata.populate('m') > 0, strata.populate('few') > 0;

CREATE TABLE questions (n int PRIMARY KEY, share numeric, best text[], query text);
INSERT INTO questions VALUES
  (1, 1, '{index}', 'SELECT * FROM m WHERE id = 150000'),
  (2, 1, '{index}', 'SELECT * FROM m WHERE k = 777'),
  (3, 1, '{index only,index}', 'SELECT count(*) FROM m WHERE id = 150000'),
  (4, 5, '{index,bitmap}', 'SELECT * FROM m WHERE id IN (5, 55555, 100000, 200000, 299999)'),
  (5, 10, '{index}', 'SELECT sum(val) FROM m WHERE id BETWEEN 100001 AND 100010'),
  (6, 8, '{index}', 'SELECT count(val) FROM few JOIN m USING (id)'),
  (7, 10, '{index}', 'SELECT * FROM m ORDER BY id LIMIT 10'),
  (8, 10, '{index}', 'SELECT k, note FROM m ORDER BY k DESC LIMIT 10'),
  (9, 10, '{index,bitmap}', 'SELECT sum(val), max(note) FROM m WHERE k BETWEEN 1000 AND 1009'),
  (10, 100, '{index only,index}', 'SELECT count(*) FROM m WHERE id BETWEEN 100001 AND 100100'),
  (11, 1, '{index,index only,columns}', 'SELECT min(id), max(id) FROM m'),
  (12, 100, '{index}', 'SELECT sum(val) FROM m WHERE id BETWEEN 100001 AND 100100'),
  (13, 300, '{index,columns}', 'SELECT sum(val) FROM m WHERE day = ''2021-03-01'''),
  (14, 300, '{bitmap,index,columns}', 'SELECT sum(val) FROM m WHERE grp = 5'),
  (15, 3000, '{columns}', 'SELECT sum(val) FROM m WHERE k < 3000'),
  (16, 3000, '{columns}', 'SELECT grp, sum(val) FROM m WHERE id BETWEEN 60000 AND 63000 AND val > 5 GROUP BY grp'),
  (17, 30000, '{columns}', 'SELECT sum(val) FROM m WHERE k < 30000'),
  (18, 150000, '{columns}', 'SELECT sum(val), count(*) FROM m WHERE id > 150000'),
  (19, 300000, '{columns}', 'SELECT count(*) FROM m'),
  (20, 300000, '{columns}', 'SELECT grp, count(*), sum(val) FROM m GROUP BY grp'),
  (21, 300000, '{columns}', 'SELECT max(val), count(DISTINCT note) FROM m'),
  (22, 270000, '{columns}', 'SELECT count(*) FROM m WHERE note LIKE ''%9%'' OR val > 10');

-- The way that a plan takes to table m.
CREATE FUNCTION way(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  plan json;
  node text;
BEGIN
  EXECUTE 'EXPLAIN (FORMAT JSON, COSTS OFF) ' || query INTO plan;
  WITH RECURSIVE nodes AS (
    SELECT plan -> 0 -> 'Plan' AS n
    UNION ALL SELECT child FROM nodes, json_array_elements(coalesce(n -> 'Plans', '[]')) child)
  SELECT string_agg(DISTINCT CASE
      WHEN n ->> 'Node Type' = 'Custom Scan' THEN 'columns'
      WHEN n ->> 'Node Type' = 'Index Only Scan' THEN 'index only'
      WHEN n ->> 'Node Type' = 'Index Scan' THEN 'index'
      WHEN n ->> 'Node Type' = 'Bitmap Heap Scan' THEN 'bitmap'
      WHEN n ->> 'Node Type' = 'Seq Scan' THEN 'heap' END, ', ')
  INTO node FROM nodes WHERE n ->> 'Relation Name' = 'm';
  RETURN coalesce(node, 'columns');
END $$;

SELECT n, share, way(query) = ANY (best) AS good FROM questions ORDER BY n;
-- What was chosen instead, where that is not good.
SELECT n, way(query) AS way, best, query FROM questions WHERE NOT way(query) = ANY (best) ORDER BY n;

-- Prepared, with a generic plan.
SET plan_cache_mode = force_generic_plan;
PREPARE one(bigint) AS SELECT note FROM m WHERE id = $1;
PREPARE many(int) AS SELECT sum(val) FROM m WHERE val > $1;
SELECT way('EXECUTE one(5)') AS one, way('EXECUTE many(5)') AS many;
DEALLOCATE ALL;

\if :{?keep}
\else
DROP SCHEMA manners CASCADE;
\endif
