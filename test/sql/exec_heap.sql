-- Rows that come from the heap, as their blocks changed or are not in the store yet, in vectors with the store's own.
-- Every query runs with the column store off and on; the function prints nothing but differences.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
SET max_parallel_workers_per_gather = 0;

\getenv srcdir PG_ABS_SRCDIR
\set compare :srcdir '/sql/include/compare.sql'
\set ECHO none
\i :compare
\set ECHO all
CREATE FUNCTION differs(query text) RETURNS SETOF text LANGUAGE sql AS $$ SELECT compare(query, NULL) $$;

-- How many rows the scan had from either side.
CREATE FUNCTION parts(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
    IF line ~ 'Rows (From|Remembered|Removed)|Answered' THEN
      RETURN NEXT trim(line);
    END IF;
  END LOOP;
END $$;

-- ---- every kind of value ----

CREATE TABLE mixed (id int PRIMARY KEY, b bool, i2 int2, i8 int8, f4 float4, f8 float8, n numeric(12,2), nn numeric,
                    d date, c char(6), t text, u uuid, a int[], dropped int, far text)
  WITH (fillfactor = 90, autovacuum_enabled = off);
ALTER TABLE mixed ALTER COLUMN far SET STORAGE EXTERNAL;
CREATE FUNCTION mixed_rows(first int, last int) RETURNS void LANGUAGE sql AS $$
  INSERT INTO mixed (id, b, i2, i8, f4, f8, n, nn, d, c, t, u, a, far)
  SELECT g, g % 2 = 0, g % 100, g * 1000000007::int8, g / 8.0, g / 16.0, g / 4.0,
         CASE WHEN g % 501 = 0 THEN 'NaN' ELSE g % 7 + 0.5 END, date '2020-01-01' + g % 400, 'c' || g % 5,
         CASE WHEN g % 11 = 0 THEN NULL ELSE 'text ' || g % 9 END, md5(g::text)::uuid, ARRAY[g % 3, g % 4],
         CASE WHEN g % 100 = 0 THEN repeat(md5(g::text), 100) WHEN g % 3 = 0 THEN NULL ELSE 'near' || g % 4 END
  FROM generate_series(first, last) g
$$;
SELECT mixed_rows(1, 6000);
ALTER TABLE mixed DROP COLUMN dropped;
ALTER TABLE mixed ADD COLUMN later int DEFAULT 42, ADD COLUMN later_text text DEFAULT 'as it was';
VACUUM (ANALYZE) mixed;
SELECT strata.enable('mixed');
SELECT strata.populate('mixed') > 0 AS populated;
UPDATE mixed SET n = n + 1, t = t || '!' WHERE id % 40 = 0;
DELETE FROM mixed WHERE id % 70 = 0;
SELECT mixed_rows(6001, 9000);
ANALYZE mixed;
SELECT parts('SELECT sum(id) FROM mixed');

SELECT differs('SELECT count(*), count(t), count(far), sum(i2), sum(i8), sum(n), avg(n), min(d), max(d) FROM mixed');
SELECT differs('SELECT sum(f4), sum(f8), sum(nn), min(nn), max(nn) FROM mixed WHERE id > 5500');
SELECT differs('SELECT b, c, count(*), sum(n), min(t), max(u::text) FROM mixed GROUP BY b, c ORDER BY 1, 2');
SELECT differs('SELECT later, later_text, count(*) FROM mixed GROUP BY 1, 2 ORDER BY 1, 2');
SELECT differs('SELECT a, count(*), sum(id) FROM mixed GROUP BY a ORDER BY a');
SELECT differs('SELECT nn, count(*) FROM mixed GROUP BY nn ORDER BY nn');
SELECT differs('SELECT t, count(*) FROM mixed WHERE t LIKE ''text%!'' GROUP BY t ORDER BY t');

-- Conditions that vectors decide, that the evaluator decides, that come from zone maps for the unit's rows only, and
-- that raise an error for a row that one before it takes out.
SELECT differs('SELECT count(*), sum(n) FROM mixed WHERE n BETWEEN 100 AND 2000.5 AND i2 < 50');
SELECT differs('SELECT count(*), sum(id) FROM mixed WHERE id <= 6000');
SELECT differs('SELECT count(*), sum(id) FROM mixed WHERE id > 6000');
SELECT differs('SELECT count(*), sum(id) FROM mixed WHERE id <> 6500 AND 1000 / (id - 6500) < 5');
SELECT differs('SELECT count(*), sum(id) FROM mixed WHERE 1000 / (id - 6500) < 5');
SELECT differs('SELECT count(*), sum(id) FROM mixed WHERE nn > 3 AND md5(t) < ''8''');
SELECT differs('SELECT count(*) FROM mixed WHERE random() >= 0 AND id % 3 = 1');
SELECT parts('SELECT sum(id) FROM mixed WHERE i2 < 50 AND n > 10');

-- Values in TOAST, of rows that pass and of rows that do not, wanted by the filter, by what is above it, or by both.
SELECT differs('SELECT count(*), sum(length(far)), max(far) FROM mixed WHERE id % 2 = 0');
SELECT differs('SELECT count(*), sum(id) FROM mixed WHERE length(far) > 100');
SELECT differs('SELECT far, count(*) FROM mixed WHERE far >= ''f'' GROUP BY far ORDER BY 1');
SELECT differs('SELECT left(far, 12), count(*) FROM mixed WHERE id > 5990 GROUP BY 1 ORDER BY 1');
SELECT differs('SELECT x.id, left(y.far, 20) FROM mixed x JOIN mixed y ON x.id = y.id + 1 WHERE x.i2 = 1 ORDER BY 1');
SELECT differs('SELECT id, far FROM mixed WHERE i8 > 0 ORDER BY d DESC, id LIMIT 20');
-- What is not wanted of them is not fetched: not for a row that is filtered off, and not when nobody reads the column.
CREATE TABLE toasted (id int, far text) WITH (autovacuum_enabled = off);
ALTER TABLE toasted ALTER COLUMN far SET STORAGE EXTERNAL;
INSERT INTO toasted SELECT g, 'near' FROM generate_series(1, 3000) g;
VACUUM (ANALYZE) toasted;
SELECT strata.enable('toasted');
SELECT strata.populate('toasted') > 0 AS populated;
INSERT INTO toasted SELECT g, repeat('far ', 1000) FROM generate_series(3001, 3010) g;
CREATE FUNCTION fetched() RETURNS bigint LANGUAGE sql AS $$
  SELECT pg_stat_get_xact_numscans(i.indexrelid) FROM pg_class c JOIN pg_index i ON i.indrelid = c.reltoastrelid
  WHERE c.oid = 'toasted'::regclass
$$;
BEGIN;
SELECT fetched() AS before \gset
SELECT count(*), max(length(far)) FROM toasted WHERE id <> 3001;
SELECT fetched() - :before AS fetched;
SELECT count(*), max(id) FROM toasted;
SELECT fetched() - :before AS fetched;
COMMIT;

-- ---- rows that are remembered ----

-- What was read once is not read again while its pages stay as they are, with whatever columns; what changed is.
CREATE TABLE again (id int, val numeric(10,2), note text) WITH (fillfactor = 70, autovacuum_enabled = off);
INSERT INTO again SELECT g, g / 4.0, CASE WHEN g % 10 <> 0 THEN 'note ' || g % 7 END FROM generate_series(1, 20000) g;
VACUUM (ANALYZE) again;
SELECT strata.enable('again');
SELECT strata.populate('again') > 0 AS populated;
UPDATE again SET val = val + 1 WHERE id % 500 = 0;
INSERT INTO again SELECT g, g / 4.0, 'new ' || g % 7 FROM generate_series(20001, 25000) g;
SELECT parts('SELECT count(*) FROM again');
SELECT parts('SELECT count(*) FROM again');
SELECT parts('SELECT count(*), sum(val) FROM again');
SELECT parts('SELECT count(*), sum(val) FROM again');
SELECT parts('SELECT note, count(*), min(val) FROM again WHERE id > 15000 GROUP BY note');
SELECT parts('SELECT note, count(*), min(val) FROM again WHERE id > 15000 GROUP BY note');
SELECT differs('SELECT count(*), count(note), sum(val), avg(id), min(val), max(val), min(id), max(id) FROM again');
SELECT differs('SELECT note, count(*), sum(val), min(note) FROM again WHERE id > 15000 GROUP BY note ORDER BY note');
UPDATE again SET val = val + 1 WHERE id IN (500, 24000);
SELECT parts('SELECT count(*), sum(val) FROM again');
SELECT differs('SELECT count(*), sum(val), count(note), max(id) FROM again');
SELECT differs('SELECT a.note, count(*), sum(b.val) FROM again a JOIN again b ON a.id = b.id WHERE b.id % 3 = 0 GROUP BY 1 ORDER BY 1');
-- More columns, another table under the name, another unit, no memory for it.
-- A column that is taken back leaves no page changed, and the next one has its number.
BEGIN;
ALTER TABLE again ADD COLUMN first int DEFAULT 5;
SELECT differs('SELECT count(*), sum(first), sum(val) FROM again');
SAVEPOINT s;
ALTER TABLE again ADD COLUMN second int DEFAULT 6;
SELECT differs('SELECT count(*), sum(second), sum(val) FROM again');
ROLLBACK TO s;
ALTER TABLE again ADD COLUMN second int;
SELECT differs('SELECT count(*), sum(second), count(second) FROM again');
ROLLBACK;
ALTER TABLE again ADD COLUMN later int DEFAULT 7;
SELECT differs('SELECT count(*), sum(later), sum(val) FROM again');
-- The unit does not have it: all blocks of the item are read, and remembered.
SELECT pg_relation_size('again') / current_setting('block_size')::int % 64 AS beyond_a_word;
SELECT parts('SELECT sum(later) FROM again');
ALTER TABLE again DROP COLUMN note;
SELECT differs('SELECT count(*), sum(later), sum(val) FROM again');
SELECT strata.populate('again') > 0 AS populated;
SELECT parts('SELECT count(*), sum(val) FROM again');
DELETE FROM again WHERE id % 100 = 0;
SELECT differs('SELECT count(*), sum(later), sum(val), min(id), max(id) FROM again');
SELECT parts('SELECT count(*), sum(val) FROM again');
SET strata.recall_memory = 0;
SELECT parts('SELECT count(*), sum(val) FROM again');
SELECT differs('SELECT count(*), sum(later), sum(val), min(id), max(id) FROM again');
SET strata.recall_memory = '64kB';
SELECT differs('SELECT count(*), sum(later), sum(val), min(id), max(id) FROM again');
RESET strata.recall_memory;
SELECT count(*) > 0 AS accounted FROM pg_backend_memory_contexts WHERE name = 'strata recall';
-- Sums over nothing, over NULLs, and where all rows of a column that had values are gone.
UPDATE again SET later = NULL WHERE id <= 20000;
SELECT differs('SELECT count(*), count(later), sum(later), min(later), avg(val) FROM again WHERE id > 0');
DELETE FROM again;
SELECT differs('SELECT count(*), count(later), sum(later), min(later), avg(val) FROM again');
SELECT differs('SELECT count(*), count(later), sum(later), min(later), avg(val) FROM again');

-- Of a table that is too large for the memory, what fits is remembered, and not given up for what comes after it.
-- Sums over all that is remembered: scales that differ between vectors or within one, columns of which nothing is there,
-- rows that go and come.  The third answer is given without a look at any page or row.
CREATE TABLE scales (id int, b bool, n numeric, m numeric(10,2), nil int, t text) WITH (autovacuum_enabled = off);
INSERT INTO scales SELECT g, true, g, g / 4.0, NULL, 'u' FROM generate_series(1, 100) g;
VACUUM (ANALYZE) scales;
SELECT strata.enable('scales');
SELECT strata.populate('scales') > 0 AS populated;
INSERT INTO scales
  SELECT g, g % 3 > 0, CASE WHEN g < 1500 THEN round(g / 4.0, 1) WHEN g < 2500 THEN round(g / 4.0, 2) ELSE NULL END,
         NULLIF(g, 700) / 4.0, NULL, CASE WHEN g % 5 > 0 THEN 't' || g END
  FROM generate_series(101, 3000) g;
CREATE FUNCTION thrice(query text) RETURNS SETOF text LANGUAGE sql AS $$
  SELECT differs(query) FROM generate_series(1, 3)
$$;
SELECT thrice('SELECT count(*), count(t), count(nil), sum(nil), min(nil), sum(m), avg(m), min(m), max(m), sum(id), max(id) FROM scales');
SELECT thrice('SELECT count(*), sum(n), avg(n), min(n), max(n), count(n) FROM scales');
SELECT thrice('SELECT bool_and(b), bool_or(b), count(b), count(DISTINCT b), min(t) FROM scales');
SELECT thrice('SELECT bool_and(b), bool_or(b), count(b) FROM scales');
SELECT thrice('SELECT count(*), count(t) FROM scales');
SELECT parts('SELECT count(*), sum(m), bool_or(b) FROM scales');
DELETE FROM scales WHERE id IN (50, 101, 3000);
UPDATE scales SET m = m + 0.5 WHERE id IN (60, 2000);
SELECT thrice('SELECT count(*), count(t), sum(m), min(m), sum(id), max(id), bool_and(b) FROM scales');
SELECT parts('SELECT count(*), sum(m), bool_or(b) FROM scales');
DROP TABLE scales;
DROP FUNCTION thrice(text);

CREATE TABLE large (id int, val int) WITH (autovacuum_enabled = off);
INSERT INTO large SELECT g, g % 10 FROM generate_series(1, 100) g;
VACUUM (ANALYZE) large;
SELECT strata.enable('large');
SELECT strata.populate('large') > 0 AS populated;
-- Fewer rows a block from now on, and so in the range of a unit.
ALTER TABLE large SET (fillfactor = 10);
INSERT INTO large SELECT g, g % 10 FROM generate_series(101, 100000) g;
ANALYZE large;
-- What is remembered takes no more than twice what its values do.
SET strata.recall_memory = '16MB';
SELECT differs('SELECT count(*), sum(val), max(id) FROM large');
CREATE FUNCTION recalled() RETURNS bigint LANGUAGE sql AS $$
SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE 'strata recall' IN (name, parent) OR parent = 'strata recalled item';
$$;
SELECT recalled() BETWEEN 100000 * 16 AND 100000 * 16 * 2 AS memory;
SET strata.recall_memory = '1MB';
SELECT differs('SELECT count(*), sum(val), max(id) FROM large');
SELECT count(*) FROM parts('SELECT count(*), sum(val), max(id) FROM large') part WHERE part ~ '(Heap|Remembered): [1-9]';
SELECT differs('SELECT count(*), sum(val), max(id) FROM large');
SET strata.recall_memory = '16kB';
SELECT differs('SELECT count(*), sum(val), max(id) FROM large');
SELECT recalled() < 64 * 1024 AS given_up;
DROP FUNCTION recalled;
RESET strata.recall_memory;

-- ---- a table that VACUUM cut shorter than its unit ----

-- Unit 1 ends in blocks without rows.  Then pages change: of unit 0 one in each block of its second 64, of unit 1 one.
CREATE TABLE cut (id int, val int) WITH (fillfactor = 60, autovacuum_enabled = off);
INSERT INTO cut SELECT g, g % 10 FROM generate_series(1, 80000) g;
DELETE FROM cut WHERE ctid >= '(517,0)';
VACUUM (ANALYZE, TRUNCATE off) cut;
SELECT strata.enable('cut');
SELECT strata.populate('cut') > 0 AS populated;
SELECT unit, blocks, copied_blocks FROM strata.column_units WHERE relid = 'cut'::regclass ORDER BY unit;
UPDATE cut SET val = val + 100 WHERE ctid IN (SELECT format('(%s,7)', b)::tid FROM generate_series(64, 127) b)
  OR ctid = '(514,7)';
VACUUM cut;
SELECT pg_relation_size('cut') / current_setting('block_size')::int AS blocks;
SELECT parts('SELECT sum(val) FROM cut');
SELECT differs('SELECT count(*), sum(val), max(val), sum(id) FROM cut');
SELECT stale_blocks FROM strata.column_tables WHERE relid = 'cut'::regclass;

DROP TABLE mixed, toasted, again, large, cut;
DROP FUNCTION answer, store, plan_has, compare, differs, parts, mixed_rows, fetched;
