-- column_asis.sql: tables as they are: generated, dropped and added columns, TOAST, rules, foreign keys, views, security
-- barriers.  Every query is asked of the heap and of the column store.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
SET search_path = public;
SET max_parallel_workers_per_gather = 0;
-- The rows of a query, with the store and without; and whether its plan uses the store.
CREATE FUNCTION asked(q text) RETURNS TABLE (equal bool, uses_store bool, answer text) LANGUAGE plpgsql AS $$
DECLARE
  wrapped text := 'SELECT coalesce(string_agg(r::text, '' '' ORDER BY r::text), ''nothing'') FROM (' || q || ') r';
  heap text;
  line text;
BEGIN
  SET LOCAL strata.column_scan = off;
  SET LOCAL strata.column_aggregate = off;
  EXECUTE wrapped INTO heap;
  SET LOCAL strata.column_scan = on;
  SET LOCAL strata.column_aggregate = on;
  EXECUTE wrapped INTO answer;
  equal := answer = heap;
  uses_store := false;
  FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || q LOOP
    uses_store := uses_store OR line LIKE '%(Strata%';
  END LOOP;
  answer := left(answer, 60);
  RETURN NEXT;
END $$;

CREATE TABLE ai_kind (kind int PRIMARY KEY, name text NOT NULL);
INSERT INTO ai_kind SELECT i, 'kind ' || i FROM generate_series(0, 9) i;
CREATE TABLE ai (
  gone1 int,
  id int PRIMARY KEY,
  kind int NOT NULL REFERENCES ai_kind ON DELETE CASCADE ON UPDATE CASCADE,
  net numeric(10,2),
  gone2 text,
  gross numeric(12,2) GENERATED ALWAYS AS (net * 1.19) STORED,
  label text GENERATED ALWAYS AS ('#' || id) STORED,
  note text,
  big text
) WITH (autovacuum_enabled = off);
ALTER TABLE ai ALTER big SET STORAGE EXTERNAL;
ALTER TABLE ai DROP COLUMN gone1;
INSERT INTO ai (id, kind, net, gone2, note, big)
SELECT i, i % 10, i % 1000 / 4.0, 'gone', CASE WHEN i % 3 > 0 THEN 'note ' || i % 20 END, repeat(chr(97 + i % 26), i % 40 * 100)
FROM generate_series(1, 5000) i;
ALTER TABLE ai DROP COLUMN gone2;
ALTER TABLE ai ADD COLUMN late int DEFAULT 42;
ALTER TABLE ai ADD COLUMN later timestamptz;
VACUUM (FREEZE, ANALYZE) ai;
SELECT strata.enable('ai');
SELECT strata.populate('ai') > 0 AS job;
SELECT columns, rows_in_columns FROM strata.column_tables WHERE relid = 'ai'::regclass;

SELECT * FROM asked('SELECT count(*), sum(net), sum(gross), min(label), max(note), sum(late), count(later) FROM ai');
SELECT * FROM asked('SELECT kind, sum(gross), count(note) FROM ai WHERE late = 42 GROUP BY kind');
SELECT * FROM asked('SELECT sum(length(big)), max(big) FROM ai WHERE kind = 7');
SELECT * FROM asked('SELECT label, gross, left(big, 3) FROM ai WHERE net = 100 AND later IS NULL');

-- Written to through the columns that there are, and their dependents.
UPDATE ai SET net = net + 1, late = DEFAULT, later = '2024-02-29' WHERE id % 100 = 0;
INSERT INTO ai (id, kind, net, big) VALUES (6000, 3, 1, repeat('new', 3000));
SELECT * FROM asked('SELECT count(*), sum(net), sum(gross), min(label), sum(late), count(later), max(length(big)) FROM ai');

-- Foreign keys: checked, and cascading.
INSERT INTO ai (id, kind) VALUES (6001, 99);
DELETE FROM ai_kind WHERE kind = 4;
UPDATE ai_kind SET kind = 40 WHERE kind = 5;
SELECT * FROM asked('SELECT kind, count(*) FROM ai GROUP BY kind');
SELECT * FROM asked('SELECT name, sum(gross) FROM ai JOIN ai_kind USING (kind) GROUP BY name');
VACUUM (FREEZE) ai;
SELECT strata.populate('ai', strategy => 'incremental') > 0 AS job;
SELECT * FROM asked('SELECT kind, count(*), sum(gross) FROM ai GROUP BY kind');

-- Rules: what they add and what they put in place.
CREATE TABLE ai_log (id int, what text);
CREATE RULE ai_kept AS ON UPDATE TO ai WHERE NEW.net > 10000 DO INSTEAD INSERT INTO ai_log VALUES (NEW.id, 'refused');
CREATE RULE ai_logged AS ON DELETE TO ai DO ALSO INSERT INTO ai_log VALUES (OLD.id, 'deleted');
UPDATE ai SET net = 20000 WHERE id = 1;
DELETE FROM ai WHERE id = 2;
SELECT * FROM ai_log ORDER BY id;
SELECT * FROM asked('SELECT id, net FROM ai WHERE id % 2500 < 4');
CREATE VIEW ai_view AS SELECT kind AS k, sum(gross) AS g FROM ai WHERE note IS NOT NULL GROUP BY kind;
SELECT * FROM asked('SELECT * FROM ai_view WHERE k < 3');
CREATE VIEW ai_open AS SELECT id, net, note FROM ai WHERE kind = 1;
UPDATE ai_open SET note = 'through a view' WHERE id = 11;
SELECT * FROM asked('SELECT * FROM ai_open WHERE note LIKE ''through%''');
CREATE MATERIALIZED VIEW ai_mat AS SELECT kind, gross, label FROM ai;
SELECT strata.enable('ai_mat');
SELECT strata.populate('ai_mat') > 0 AS job;
SELECT * FROM asked('SELECT count(label), sum(gross) FROM ai_mat WHERE kind > 2');
DELETE FROM ai WHERE kind = 9;
REFRESH MATERIALIZED VIEW ai_mat;
SELECT equal, answer FROM asked('SELECT count(label) FROM ai_mat WHERE kind > 2');
SELECT strata.populate('ai_mat') > 0 AS job;
SELECT * FROM asked('SELECT count(label), sum(gross) FROM ai_mat WHERE kind > 2');

-- Nobody's function sees rows that a policy or a barrier keeps from its caller.
CREATE ROLE ai_user;
CREATE FUNCTION leaks(n int) RETURNS bool LANGUAGE plpgsql COST 0.0001 AS $$
BEGIN
  IF n % 10 <> 1 THEN RAISE NOTICE 'leaked %', n; END IF;
  RETURN n < 60;
END $$;
CREATE VIEW ai_barrier WITH (security_barrier) AS SELECT id, net, label FROM ai WHERE kind = 1;
GRANT SELECT ON ai_barrier, ai TO ai_user;
CREATE POLICY ai_mine ON ai FOR SELECT TO ai_user USING (kind = 1);
ALTER TABLE ai ENABLE ROW LEVEL SECURITY;
SELECT strata.populate('ai', force => true) > 0 AS job;
SET ROLE ai_user;
EXPLAIN (COSTS OFF) SELECT id, label FROM ai_barrier WHERE leaks(id);
SELECT id, label FROM ai_barrier WHERE leaks(id);
EXPLAIN (COSTS OFF) SELECT id, label FROM ai WHERE leaks(id);
SELECT id, label FROM ai WHERE leaks(id);
SELECT count(*), sum(net) FROM ai WHERE leaks(id);
RESET ROLE;
DROP VIEW ai_view, ai_open, ai_barrier;
DROP MATERIALIZED VIEW ai_mat;
DROP TABLE ai, ai_kind, ai_log;
DROP ROLE ai_user;
DROP FUNCTION leaks, asked;
SELECT count(*) FROM strata.enabled_tables;
