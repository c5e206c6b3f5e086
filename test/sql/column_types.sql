-- column_types.sql: values of every type come back from the column store bit for bit, in every encoding.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
SET search_path = public;
SET max_parallel_workers_per_gather = 0;
SET timezone = 'UTC';

CREATE TYPE ct_mood AS ENUM ('sad', 'ok', 'happy');
ALTER TYPE ct_mood ADD VALUE 'low' BEFORE 'ok'; -- its oid comes last
CREATE DOMAIN ct_positive AS numeric(10, 2) CHECK (VALUE > 0);
CREATE DOMAIN ct_code AS char(4);
CREATE DOMAIN ct_codes AS ct_code; -- over a domain
CREATE DOMAIN ct_small AS int2;
CREATE DOMAIN ct_id AS uuid;
CREATE TYPE ct_pair AS (n int, t text, at timestamptz);
CREATE DOMAIN ct_pairs AS ct_pair;
CREATE TYPE ct_span AS RANGE (subtype = float8);
-- A type of our own, of fixed length and by reference.
SET client_min_messages = warning;
CREATE TYPE ct_wide;
CREATE FUNCTION ct_wide_in(cstring) RETURNS ct_wide LANGUAGE internal IMMUTABLE STRICT AS 'point_in';
CREATE FUNCTION ct_wide_out(ct_wide) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'point_out';
CREATE TYPE ct_wide (INPUT = ct_wide_in, OUTPUT = ct_wide_out, INTERNALLENGTH = 16, ALIGNMENT = double);
RESET client_min_messages;

-- What must be cast to at insertion is in `value`, over i and h, a number that repeats.
CREATE TABLE ct_kinds (name text, type text, value text);
INSERT INTO ct_kinds VALUES
  ('c_char', '"char"', 'chr(32 + h % 90)::"char"'),
  ('c_high_char', '"char"', '(h % 256 - 128)::"char"'),
  ('c_bool', 'bool', 'h % 3 = 0'),
  ('c_oid', 'oid', 'CASE WHEN h % 5 = 0 THEN 4294967295 - h ELSE h END::oid'),
  ('c_class', 'regclass', '(1247 + h % 3)::oid::regclass'),
  ('c_xid', 'xid', 'CASE WHEN h % 5 = 0 THEN (4294967295 - h)::text ELSE h::text END::xid'),
  ('c_xid8', 'xid8', 'CASE WHEN h % 5 = 0 THEN ''18446744073709551615'' ELSE h::text END::xid8'),
  ('c_lsn', 'pg_lsn', '''FFFFFFFF/0''::pg_lsn + h'),
  ('c_money', 'money', '((h - 100) * 1.01)::numeric::money'),
  ('c_time', 'time', 'time ''00:00'' + h * interval ''7 minutes 1 microsecond'''),
  ('c_timetz', 'timetz', '(''10:00:00+'' || h % 10)::timetz'),
  ('c_interval', 'interval', 'h % 4 * interval ''1 month'' + h % 3 * interval ''30 days'' - h % 2 * interval ''720 hours'''),
  ('c_name', 'name', '(''name '' || h)::name'),
  ('c_uuid', 'uuid', 'md5(h::text)::uuid'),
  ('c_bytea', 'bytea', 'decode(repeat(lpad(to_hex(h % 256), 2, ''0''), h % 200), ''hex'')'),
  ('c_inet', 'inet', '(CASE WHEN h % 3 = 0 THEN ''2001:db8::'' || to_hex(h) ELSE ''10.0.0.'' || h % 256 || ''/'' || 8 + h % 25 END)::inet'),
  ('c_cidr', 'cidr', '(''10.'' || h % 256 || ''.0.0/16'')::cidr'),
  ('c_mac', 'macaddr', '(''08:00:2b:01:02:'' || lpad(to_hex(h % 256), 2, ''0''))::macaddr'),
  ('c_mac8', 'macaddr8', '(''08:00:2b:01:02:03:04:'' || lpad(to_hex(h % 256), 2, ''0''))::macaddr8'),
  ('c_bit', 'bit(11)', 'h::bit(11)'),
  ('c_varbit', 'varbit', 'substring(h::bit(24)::varbit, h % 24)'),
  ('c_mood', 'ct_mood', '(ARRAY[''sad'',''low'',''ok'',''happy''])[1 + h % 4]::ct_mood'),
  ('c_positive', 'ct_positive', '(h + 1) / 4.0'),
  ('c_codes', 'ct_codes', '''c'' || h % 50'),
  ('c_small', 'ct_small', 'h - 100'),
  ('c_id', 'ct_id', 'md5(h::text)::uuid'),
  ('c_json', 'json', '(''{ "a" : '' || h || '', "a":null }'')::json'),
  ('c_jsonb', 'jsonb', 'jsonb_build_object(''k'', h, ''n'', h * 1.50, ''s'', repeat(''x'', h % 150))'),
  ('c_path', 'jsonpath', '(''$.k'' || h || ''[*] ? (@ > 1)'')::jsonpath'),
  ('c_ints', 'int4[]', 'CASE WHEN h % 7 = 0 THEN ''{}'' ELSE ARRAY[h, NULL, h % 3] END'),
  ('c_bigs', 'int8[]', 'array_fill(h::int8 << 33, ARRAY[2, h % 20])'),
  ('c_texts', 'text[]', 'ARRAY[h::text, NULL, repeat(''long'', h % 90)]'),
  ('c_moods', 'ct_mood[]', 'ARRAY[''ok'', NULL, ''sad'']::ct_mood[]'),
  ('c_int_range', 'int4range', 'int4range(h, h + 10, ''[]'')'),
  ('c_ts_range', 'tstzrange', 'tstzrange(timestamptz ''2020-01-01 00:00+00'' + h * interval ''1 day'', NULL)'),
  ('c_span', 'ct_span', 'ct_span(h, h + 0.5)'),
  ('c_multi', 'int8multirange', 'int8multirange(int8range(h, h + 1), int8range(h + 10, h + 300))'),
  ('c_point', 'point', 'point(h / 7.0, -h)'),
  ('c_line', 'line', '(''{1,'' || h || '',0}'')::line'),
  ('c_lseg', 'lseg', 'lseg(point(h, 0), point(0, h))'),
  ('c_box', 'box', 'box(point(h, h), point(0, 1))'),
  ('c_lines', 'path', '(''[(0,0),('' || h || '',1),(2,2)]'')::path'),
  ('c_polygon', 'polygon', 'polygon(2 + h % 9, circle(point(h, h), 3))'),
  ('c_circle', 'circle', 'circle(point(h, 0), 1 + h)'),
  ('c_vector', 'tsvector', 'to_tsvector(''simple'', ''word'' || h || '' and some more'')'),
  ('c_query', 'tsquery', '(''word'' || h || '' & !other'')::tsquery'),
  ('c_xml', 'xml', '(''<a>'' || h || ''</a>'')::xml'),
  ('c_pair', 'ct_pair', 'ROW(h, CASE WHEN h % 4 > 0 THEN repeat(''pair'', h) END, ''2020-01-01 00:00+00'')::ct_pair'),
  ('c_pairs', 'ct_pairs', 'ROW(h, ''p'', NULL)::ct_pair'),
  ('c_pair_array', 'ct_pair[]', 'ARRAY[ROW(h, repeat(''pair'', h), NULL)::ct_pair, NULL]'),
  ('c_tid', 'tid', '(''('' || h || '',1)'')::tid'),
  ('c_int2s', 'int2vector', '(h || '' 2 3'')::int2vector'),
  ('c_oids', 'oidvector', '(h || '' 2 3'')::oidvector'),
  ('c_snapshot', 'pg_snapshot', '(h + 3 || '':'' || h + 20 || '':'' || h + 7)::pg_snapshot'),
  ('c_acl', 'aclitem', 'makeaclitem(10, 10, ''SELECT'', h % 2 = 0)'),
  ('c_wide', 'ct_wide', '(''('' || h || '',1)'')::ct_wide'),
  ('c_big_bytea', 'bytea', 'CASE WHEN i % 50 = 0 THEN decode(repeat(md5(i::text), 400), ''hex'') ELSE ''\x00'' END'),
  ('c_random', 'uuid', 'md5(i::text || ''salt'')::uuid'),
  ('c_words', 'text', 'md5(h::text) || '' quickly ironic requests nag '' || md5((h * 7 % 31)::text) || '' deposits'''),
  ('c_null', 'interval', 'NULL::interval');

DO $$
DECLARE columns text; vals text;
BEGIN
  SELECT string_agg(name || ' ' || type, ', ' ORDER BY name), string_agg('CASE WHEN (i + length(''' || name || ''')) % 17 = 0 THEN NULL ELSE ' || value || ' END', ', ' ORDER BY name)
  INTO columns, vals FROM ct_kinds;
  EXECUTE 'CREATE TABLE ct (i int, ' || columns || ') WITH (autovacuum_enabled = off)';
  EXECUTE 'INSERT INTO ct SELECT i, ' || vals || ' FROM (SELECT i, (i / 3 * 7919) % 211 AS h FROM generate_series(1, 2500) i) g';
END $$;
-- Values that come of the catalog, of fixed and of variable length.
ALTER TABLE ct ADD late_interval interval DEFAULT '1 mon 2 days 00:00:03', ADD late_inet inet DEFAULT '10.1.2.3',
  ADD late_mood ct_mood DEFAULT 'low', ADD late_point point DEFAULT '(1,2)';
INSERT INTO ct_kinds VALUES ('late_interval'), ('late_inet'), ('late_mood'), ('late_point');
INSERT INTO ct (i) VALUES (2501);
VACUUM (ANALYZE) ct;
CREATE TABLE ct_heap AS TABLE ct; -- never in the store
VACUUM (ANALYZE) ct_heap;
SET enable_seqscan = off; -- dear, for both; the column store is what is left for ct

-- Rows that differ, by column; and columns that were not read from the store.
CREATE FUNCTION ct_differences() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE k text; query text; plan text; line text; n bigint;
BEGIN
  FOR k IN SELECT name FROM ct_kinds ORDER BY name COLLATE "C" LOOP
    query := format('SELECT count(*) FROM ct JOIN ct_heap h USING (i) WHERE NOT record_image_eq(ROW(ct.%1$I), ROW(h.%1$I))', k);
    plan := '';
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
      plan := plan || line;
    END LOOP;
    EXECUTE query INTO n;
    IF n <> 0 OR plan NOT LIKE '%StrataScan) on ct%' THEN
      RETURN NEXT k || ': ' || n || ' of other values; ' || plan;
    END IF;
  END LOOP;
END $$;

SELECT strata.enable('ct');
SELECT strata.populate('ct') > 0 AS job;
SELECT status, rows_in_columns, cardinality(columns) - (SELECT count(*) FROM ct_kinds) AS and_i FROM strata.column_tables WHERE table_name = 'ct';
SELECT ct_differences();
-- Encodings as chosen, and what zone maps say: nothing where their order is not the type's.
SELECT column_name, type, encoding, null_count, min, max FROM strata.column_segments WHERE table_name = 'ct' AND encoding NOT IN ('raw', 'fsst') AND column_name <> 'i' AND bytes < 4000 ORDER BY column_name COLLATE "C";
SELECT column_name, min, max FROM strata.column_segments WHERE table_name = 'ct' AND column_name IN ('c_oid', 'c_mood', 'c_uuid', 'c_interval', 'c_xid8', 'c_time', 'c_high_char', 'c_jsonb', 'c_mac', 'c_money', 'c_small', 'c_positive') ORDER BY column_name COLLATE "C";

-- Every encoding.
SELECT strata.enable('ct', compression => 'dictionary');
SELECT strata.populate('ct', force => true) > 0 AS job;
SELECT ct_differences();
SELECT strata.enable('ct', compression => 'rle');
SELECT strata.populate('ct', force => true) > 0 AS job;
SELECT ct_differences();
SELECT strata.enable('ct', compression => 'for');
SELECT strata.populate('ct', force => true) > 0 AS job;
SELECT ct_differences();
SELECT strata.enable('ct', compression => 'delta');
SELECT strata.populate('ct', force => true) > 0 AS job;
SELECT ct_differences();
SELECT strata.enable('ct', compression => 'raw');
SELECT strata.populate('ct', force => true) > 0 AS job;
SELECT ct_differences();
SELECT strata.enable('ct', compression => 'fsst');
SELECT strata.populate('ct', force => true) > 0 AS job;
SELECT ct_differences();
SELECT column_name, encoding FROM strata.column_segments WHERE table_name = 'ct' AND column_name IN ('c_words', 'c_jsonb', 'c_uuid', 'c_bool', 'c_query', 'c_int2s') ORDER BY column_name COLLATE "C";
SELECT (SELECT min(c_words) || max(c_words) FROM ct) = (SELECT min(c_words) || max(c_words) FROM ct_heap) AS same;
SELECT count(*) FROM ct WHERE c_words LIKE '%nag c4ca4238a0b923820dcc509a6f75849b%';
SELECT i, length(c_words), c_words FROM ct WHERE i BETWEEN 1500 AND 1502 ORDER BY i;
-- Few rows of a vector, and some of them asked for by one condition and others by the next.
SELECT count(*), count(*) FILTER (WHERE ct.c_words IS NOT DISTINCT FROM h.c_words AND ct.c_uuid IS NOT DISTINCT FROM h.c_uuid) AS equal
FROM ct JOIN ct_heap h USING (i) WHERE ct.c_oid BETWEEN 10 AND 100 AND (ct.c_words < '8' OR ct.i % 3 = 0) AND (ct.i % 5 = 1 OR ct.c_words > 'c');

-- What is asked of such columns: the type's own operators, not those of its stored form.
SELECT c_mood, count(*) FROM ct GROUP BY c_mood ORDER BY c_mood;
SELECT count(*) FROM ct WHERE c_mood < 'ok';
SELECT min(c_mood), max(c_mood) FROM ct;
SELECT count(*) FROM ct WHERE c_interval = interval '1 month';
SELECT count(DISTINCT c_interval) FROM ct;
SELECT count(*), min(n), max(n) FROM (SELECT count(*) AS n FROM ct GROUP BY c_interval) g;
SELECT count(*) FROM ct WHERE c_oid > 4294967000;
SELECT count(*) FROM ct WHERE c_xid8 = '18446744073709551615';
SELECT count(*) FROM ct WHERE c_jsonb->>'k' = '7';
SELECT sum((c_pair).n) FROM ct;
SELECT count(*) FROM ct WHERE c_ints[1] = 7;
SELECT count(*) FROM ct WHERE c_uuid < '80000000-0000-0000-0000-000000000000';
SELECT count(*) FROM ct WHERE c_inet << inet '10.0.0.0/8';
SELECT sum(c_positive), sum(c_small), count(c_codes), min(c_codes) FROM ct;
SELECT sum(c_money) FROM ct;
SELECT count(*) FROM ct WHERE c_high_char > 'a';
SELECT count(*) FROM ct WHERE c_vector @@ to_tsquery('simple', 'word7');

-- A domain is its own type: the columns are not those of another after ALTER TYPE.
ALTER TABLE ct ALTER c_small TYPE int2, ALTER c_id TYPE uuid;
ALTER TABLE ct_heap ALTER c_small TYPE int2, ALTER c_id TYPE uuid;
SELECT count(c_small), count(DISTINCT c_id) FROM ct;
SELECT strata.populate('ct', force => true) > 0 AS job;
SELECT ct_differences();
-- A new label of the enum needs no new copy.
ALTER TYPE ct_mood RENAME VALUE 'happy' TO 'glad';
SELECT max(c_mood) FROM ct;

SELECT strata.disable('ct');
DROP TABLE ct, ct_heap, ct_kinds;
DROP FUNCTION ct_differences;
SET client_min_messages = warning;
DROP TYPE ct_wide CASCADE;
DROP DOMAIN ct_positive, ct_codes, ct_code, ct_small, ct_id, ct_pairs;
DROP TYPE ct_pair, ct_span, ct_mood;
