-- column_walk.sql: how tuples become columns: attributes of every length and alignment, NULLs, dropped and missing ones,
-- values short and long, few and many, numerics of one form and of others, pages with few and with many rows.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
SET search_path = public;
SET max_parallel_workers_per_gather = 0;

-- Columns of a table that differ from those of its copy, which is never in the store, or were not read from the store.
CREATE FUNCTION cw_differences(tab text) RETURNS SETOF text LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE k text; query text; plan text; line text; n bigint;
BEGIN
  FOR k IN SELECT attname FROM pg_attribute WHERE attrelid = tab::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum LOOP
    query := format('SELECT count(*) FROM %1$I c JOIN %2$I h USING (i) WHERE NOT record_image_eq(ROW(c.%3$I), ROW(h.%3$I))', tab, tab || '_heap', k);
    plan := '';
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
      plan := plan || line;
    END LOOP;
    EXECUTE query INTO n;
    IF n <> 0 OR plan NOT LIKE '%StrataScan) on ' || tab || '%' THEN
      RETURN NEXT k || ': ' || n || ' of other values; ' || plan;
    END IF;
  END LOOP;
END $$;

-- A copy of the table, and the table in the store: its rows that the copy has too.
CREATE PROCEDURE cw_populate(tab text, INOUT n bigint DEFAULT NULL) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('DROP TABLE IF EXISTS %I', tab || '_heap');
  EXECUTE format('CREATE TABLE %I AS TABLE %I', tab || '_heap', tab);
  PERFORM strata.enable(tab::regclass);
  COMMIT;
  PERFORM strata.populate(tab::regclass, force => true);
  EXECUTE format('SELECT count(*) FROM %I c JOIN %I h USING (i)', tab, tab || '_heap') INTO n;
END $$;

-- Every alignment behind every other; what goes later leaves holes of its width.
CREATE TABLE cw_align (i int8, b1 bool, s1 int2, gone1 int8, b2 bool, i1 int4, t1 text, s2 int2, gone2 text, b3 "char", d1 float8, t2 text COLLATE "C",
  f1 float4, u1 uuid, b4 bool, iv interval, b5 bool, n1 numeric(10,2), o1 oid, gone3 bool, b6 bool, tz timetz, b7 bool, nm name, b8 bool, ts timestamp)
  WITH (autovacuum_enabled = off);
INSERT INTO cw_align SELECT i, i % 3 = 0, i % 1000, i, i % 2 = 0, i * 7, repeat('t', i % 9), -i % 300, repeat('g', i % 5), chr(65 + i % 26)::"char", i / 3.0, md5((i % 50)::text),
    i / 7.0, md5(i::text)::uuid, i % 5 = 0, i % 40 * interval '1 day 3 seconds', i % 7 = 0, (i % 5000) / 100.0, i, i % 2 = 0, i % 11 = 0,
    ('10:00:00+' || i % 10)::timetz, i % 13 = 0, ('name ' || i % 30)::name, i % 17 = 0, timestamp '2020-01-01' + i * interval '1 minute'
  FROM generate_series(1, 3000) i;
ALTER TABLE cw_align DROP COLUMN gone1, DROP COLUMN gone2, DROP COLUMN gone3;
VACUUM (ANALYZE) cw_align;
CALL cw_populate('cw_align');
SELECT cw_differences('cw_align');
-- The same with NULLs: alone, in a row, in whole batches, in all of a column, each behind each.
INSERT INTO cw_align SELECT i, CASE WHEN i % 2 = 0 THEN b1 END, CASE WHEN i % 3 = 0 THEN s1 END, CASE WHEN i / 128 % 2 = 0 THEN b2 END, CASE WHEN i / 100 % 3 = 0 THEN i1 END,
    CASE WHEN i % 4 = 0 OR i > 4000 THEN t1 END, CASE WHEN i % 5 > 0 THEN s2 END, CASE WHEN i % 127 = 0 THEN b3 END, CASE WHEN i % 129 > 0 THEN d1 END, CASE WHEN i / 256 % 2 = 1 THEN t2 END,
    CASE WHEN i % 6 = 0 THEN f1 END, CASE WHEN i % 7 > 2 THEN u1 END, NULL, CASE WHEN i % 3 > 0 THEN iv END, b5, CASE WHEN i % 8 > 0 THEN n1 END, CASE WHEN i % 9 > 0 THEN o1 END,
    b6, CASE WHEN i % 10 > 0 THEN tz END, NULL, CASE WHEN i % 11 > 0 THEN nm END, b8, CASE WHEN i % 12 > 0 THEN ts END
  FROM (SELECT i + 3000 AS i, b1, s1, b2, i1, t1, s2, b3, d1, t2, f1, u1, iv, b5, n1, o1, b6, tz, nm, b8, ts FROM cw_align) a;
VACUUM (ANALYZE) cw_align;
CALL cw_populate('cw_align');
SELECT cw_differences('cw_align');
-- NULLs first.
DELETE FROM cw_align WHERE i <= 3000;
VACUUM FULL cw_align;
CALL cw_populate('cw_align');
SELECT cw_differences('cw_align');

-- Values that come of the catalog, since the tuple is older: short, long, too long for a tuple, of every kind.
CREATE TABLE cw_late (i int) WITH (autovacuum_enabled = off);
INSERT INTO cw_late SELECT generate_series(1, 300);
ALTER TABLE cw_late ADD t text DEFAULT 'short', ADD e text DEFAULT '', ADD l text DEFAULT repeat('long ', 30), ADD x text DEFAULT repeat('very long ', 2000),
  ADD n numeric(8,2) DEFAULT 1.25, ADD w numeric DEFAULT 'NaN', ADD u uuid DEFAULT 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', ADD s int2 DEFAULT -7, ADD f float8 DEFAULT 0.1, ADD z text;
INSERT INTO cw_late SELECT i, 't' || i % 3, NULL, 'l' || i % 4, repeat('x', i), i * 1.25, i * 2.5, md5(i::text)::uuid, i, i / 3.0, 'z' FROM generate_series(301, 900) i;
INSERT INTO cw_late (i) SELECT generate_series(901, 1000);
VACUUM (ANALYZE) cw_late;
CALL cw_populate('cw_late');
SELECT cw_differences('cw_late');
SELECT t, e, count(*), sum(length(l)), sum(length(x)), sum(n), sum(s), min(z) FROM cw_late GROUP BY t, e ORDER BY t, e;

-- Texts on both sides of what has a short header; few values, 1024 of them, one more; compressed and out of line.
CREATE TABLE cw_text (i int, few text COLLATE "C", edge text, most text COLLATE "C", more text COLLATE "C", late text, mixed text, outer_text text, wide varchar(400), fixed char(40), flags text[])
  WITH (autovacuum_enabled = off, toast_tuple_target = 1000);
ALTER TABLE cw_text ALTER outer_text SET STORAGE EXTERNAL;
INSERT INTO cw_text SELECT i, (ARRAY['RAIL', 'AIR', 'TRUCK', '', 'DELIVER IN PERSON', 'x'])[1 + i % 6], repeat(chr(97 + i % 4), 120 + i % 12), 'value ' || i % 1024, 'value ' || i % 1025,
    CASE WHEN i < 3000 THEN 'few' ELSE md5(i::text) END, CASE WHEN i % 500 = 0 THEN repeat('mixed' || i % 3, 40) WHEN i % 9 = 0 THEN NULL ELSE 'mixed' || i % 3 END,
    CASE WHEN i % 400 = 0 THEN repeat(md5((i % 800)::text), 100) ELSE 'inline' END, CASE WHEN i % 300 = 0 THEN repeat('compressible', 33) ELSE repeat('w', i % 140) END,
    'fixed ' || i % 20, ARRAY['a', NULL, (i % 3)::text]
  FROM generate_series(1, 4000) i;
VACUUM (ANALYZE) cw_text;
CALL cw_populate('cw_text');
SELECT cw_differences('cw_text');
SELECT column_name, encoding, null_count, min, max FROM strata.column_segments WHERE table_name = 'cw_text' AND column_name IN ('few', 'most', 'more') ORDER BY column_name;
SELECT few, count(*), count(DISTINCT edge), count(DISTINCT most), count(DISTINCT more) FROM cw_text GROUP BY few ORDER BY few COLLATE "C";

-- Numerics: of one form, whole, negative, with digits stripped, of more digits than the short way takes, and those that make
-- a column one of bytes, at its end, after all others had been read.
CREATE TABLE cw_numeric (i int, money numeric(15,2), share numeric(15,2), whole numeric(12,0), fine numeric(20,8), tiny numeric(18,18), huge numeric(18,1), free numeric, free_end numeric, nan_end numeric, late_end numeric(30,2))
  WITH (autovacuum_enabled = off);
INSERT INTO cw_numeric SELECT i, (i * 7919 % 10000000) / 100.0 * CASE WHEN i % 5 = 0 THEN -1 ELSE 1 END, (i % 11) / 100.0, (i % 7) * 10000 * 10000, i / 10000.0 + 12345678.00000001, i / 1000000000000000000.0,
    i * 10000000000000 + 0.5, i / 100.0, i, i / 4 + 0.25, CASE WHEN i < 5000 THEN i * 100 ELSE 123456789012345678901234567.89 END
  FROM generate_series(1, 5000) i;
UPDATE cw_numeric SET money = CASE i % 4 WHEN 0 THEN 0 WHEN 1 THEN 9999999999999.99 WHEN 2 THEN -0.01 ELSE 10000 END WHERE i % 97 = 0;
INSERT INTO cw_numeric (i, free_end, nan_end) VALUES (5001, 1.5, 'NaN');
VACUUM (ANALYZE) cw_numeric;
CALL cw_populate('cw_numeric');
SELECT cw_differences('cw_numeric');
SELECT sum(money), min(money), max(money), sum(share), sum(whole), sum(fine), sum(tiny), sum(huge), sum(free), sum(free_end), max(nan_end), max(late_end) FROM cw_numeric;

-- Pages with a row or two come first, so that there are more rows than seemed likely, several times over.
CREATE TABLE cw_uneven (i int, t text COLLATE "C", u uuid, n numeric(10,2), f float4, s text, b bool) WITH (autovacuum_enabled = off);
ALTER TABLE cw_uneven ALTER s SET STORAGE PLAIN;
INSERT INTO cw_uneven SELECT i, 't' || i % 3, CASE WHEN i % 3 > 0 THEN md5(i::text)::uuid END, i / 100.0, i, repeat('p', 7000), i % 3 = 0 FROM generate_series(1, 25) i;
INSERT INTO cw_uneven SELECT i, CASE WHEN i % 5 > 0 THEN 't' || i % 7 END, md5(i::text)::uuid, CASE WHEN i % 2 = 0 THEN i / 100.0 END, i, repeat('q', 1500), i % 3 = 0 FROM generate_series(26, 100) i;
INSERT INTO cw_uneven SELECT i, 't' || i % 700, CASE WHEN i % 3 > 0 THEN md5((i % 10)::text)::uuid END, i / 100.0, CASE WHEN i % 5 = 0 THEN i END, NULL, i % 3 = 0 FROM generate_series(101, 4100) i;
VACUUM (ANALYZE) cw_uneven;
CALL cw_populate('cw_uneven');
SELECT units, rows_in_columns FROM strata.column_tables WHERE table_name = 'cw_uneven';
SELECT cw_differences('cw_uneven');

-- Pages of which nothing is left, and a table without rows.
DELETE FROM cw_uneven WHERE i <= 3000 OR i > 4000;
VACUUM (TRUNCATE off) cw_uneven;
CALL cw_populate('cw_uneven');
SELECT cw_differences('cw_uneven');
DELETE FROM cw_uneven;
VACUUM (TRUNCATE off) cw_uneven;
CALL cw_populate('cw_uneven');
SELECT count(*), min(t), sum(n) FROM cw_uneven;

SELECT strata.disable(t::regclass) FROM unnest(ARRAY['cw_align', 'cw_late', 'cw_text', 'cw_numeric', 'cw_uneven']) t;
DROP TABLE cw_align, cw_align_heap, cw_late, cw_late_heap, cw_text, cw_text_heap, cw_numeric, cw_numeric_heap, cw_uneven, cw_uneven_heap;
DROP ROUTINE cw_differences, cw_populate;
