-- Strings against a constant by kernels: the rows of PostgreSQL's operators, for columns without codes.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
SET max_parallel_workers_per_gather = 0;

-- every string its own, so that no dictionary is made; some NULL, some empty, letters of one to four bytes
CREATE TABLE texts (id int, t text, v varchar(200), c char(40), b bytea);
INSERT INTO texts
  SELECT g, CASE WHEN g % 17 = 0 THEN NULL WHEN g % 19 = 0 THEN '' ELSE x END, left(x, 100), left(x, 40), convert_to(x, 'UTF8')
  FROM (SELECT g, (ARRAY['special', 'packages', 'requests', 'été', '日本', '😀'])[1 + g % 6] || md5(g::text) ||
                  (ARRAY[' requests', '%', '_', '\', ' déjà vu', ''])[1 + g / 6 % 6] || repeat('ab', g % 23) AS x
        FROM generate_series(1, 9000) g) s;
VACUUM (ANALYZE) texts;
SELECT strata.enable('texts') IS NOT NULL AS enabled;
SELECT strata.populate('texts') IS NOT NULL AS populated;
SELECT encoding = ANY ('{raw,fsst}') AS no_codes FROM strata.column_segments WHERE table_name = 'texts' AND column_name = 't' LIMIT 1;

-- the same rows with and without the store; no row where they agree, and the store was asked
CREATE FUNCTION match_disagrees(condition text) RETURNS TABLE(what text, heap bigint, store bigint) LANGUAGE plpgsql AS $$
DECLARE
  query text := 'SELECT count(*), sum(id) FROM texts WHERE ' || condition;
  sum_heap bigint;
  sum_store bigint;
BEGIN
  PERFORM set_config('strata.column_scan', 'off', true);
  EXECUTE query INTO heap, sum_heap;
  PERFORM set_config('strata.column_scan', 'on', true);
  EXECUTE query INTO store, sum_store;
  what := condition;
  IF heap <> store OR sum_heap IS DISTINCT FROM sum_store THEN
    RETURN NEXT;
  END IF;
END $$;
CREATE TABLE conditions (n serial, c text);
INSERT INTO conditions (c)
  SELECT format(f, quote_literal(p))
  FROM unnest(ARRAY['t LIKE %s', 't NOT LIKE %s', 'v LIKE %s', 'c LIKE %s', 'b LIKE %s::bytea', 'NOT (t LIKE %s)',
                    't LIKE %s OR id %% 5 = 0', 't IS NULL OR t NOT LIKE %s']) f,
       unnest(ARRAY['', '%', '%%', '%special%', 'special%', '%requests', '%special%requests%', 'été%', '%_', '_%', '____', '%日_%',
                    '%😀%ab', '%\\%%', '%\\_%', '%ab', 'ab%ab', '%déjà%', '%x_z%', '%abababababababababababab%', '% %ab%']) p;
INSERT INTO conditions (c) VALUES ('t = ''specialc4ca4238a0b923820dcc509a6f75849b'''), ('t <> '''''), ('t = '''''), ('t ^@ ''été'''), ('v ^@ ''special'''),
  ('t ^@ '''''), ('b = ''\x''::bytea'), ('b <> ''\x3530''::bytea'), ('v = ''special'''), ('t LIKE ''%e%'' COLLATE "C"'),
  ('t > ''m'' COLLATE "C" AND t LIKE ''%7%'''), ('t LIKE ''%sp!%ecial%'' ESCAPE ''!'''), ('t LIKE ''%!%%'' ESCAPE ''!''');
SELECT strata.simd_reset();
SELECT m.* FROM conditions, match_disagrees(c) m ORDER BY n;
SELECT calls > 100 AS asked, rows_processed > rows_selected AND rows_selected > 0 AS some, bytes > 0 AS bytes,
       simd_ops + scalar_ops = rows_processed AS ops FROM strata.simd_metrics() WHERE operation = 'string_match';
SELECT table_name FROM strata.simd_last('string_match');
SELECT fields->>'operation_type' AS operation, fields->>'table_name' AS name FROM strata.events(topic => 'simd', max_rows => 1000000)
WHERE event_type = 'simd_string_match' ORDER BY seq DESC LIMIT 1;

-- the same at the scalar level
SET strata.simd = 'scalar';
SELECT m.* FROM conditions, match_disagrees(c) m ORDER BY n;
RESET strata.simd;

-- errors come where PostgreSQL has them
SELECT count(*) FROM texts WHERE t LIKE 'special%\';
SELECT count(*) FROM texts WHERE t LIKE 'nothing like it\';
CREATE COLLATION match_any (provider = icu, locale = 'und', deterministic = false);
SELECT count(*) FROM texts WHERE t COLLATE match_any LIKE 'special%';
-- cheap conditions go ahead of strings, but not of what may fail
SELECT count(*) FROM texts WHERE t COLLATE match_any LIKE 'special%' AND id < 0;
SELECT count(*) FROM texts WHERE t LIKE 'special%\' AND id < 0;
EXPLAIN (COSTS OFF) SELECT count(*) FROM texts WHERE t LIKE '%special%' AND id < 100;
SELECT count(*) = (SELECT count(*) FROM texts WHERE t = 'SPECIALc4ca4238a0b923820dcc509a6f75849b requests') AS other_collation
FROM texts WHERE t = 'SPECIALc4ca4238a0b923820dcc509a6f75849b requests' COLLATE match_any;
DROP COLLATION match_any;

-- strings of a join
SELECT strata.simd_reset();
SELECT count(*) FROM texts a JOIN texts b ON a.id = b.id WHERE a.t LIKE '%special%' AND b.v LIKE '%7%';
SELECT operation, calls > 0 AS calls, rows_processed > 0 AS rows FROM strata.simd_metrics() WHERE operation IN ('hash', 'string_match') ORDER BY 1;

DROP TABLE texts, conditions;
DROP FUNCTION match_disagrees;
