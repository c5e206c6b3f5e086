-- Expressions in vectors: every operator and function that has a vector form, and those that PostgreSQL evaluates, give
-- PostgreSQL's answers and errors.  Every query runs with the column store off and on; only differences are printed.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
SET max_parallel_workers_per_gather = 0;
SET extra_float_digits = 3;

\getenv srcdir PG_ABS_SRCDIR
\set compare :srcdir '/sql/include/compare.sql'
\set ECHO none
\i :compare
\set ECHO all
CREATE FUNCTION differs(query text) RETURNS SETOF text LANGUAGE sql AS $$ SELECT compare(query, 'Strata', planner_errors => true) $$;

-- A NaN makes a numeric column of a unit one of images, so rows with extremes have a table of their own (k >= 100).
CREATE FUNCTION rows_of(cond text) RETURNS text LANGUAGE sql AS $$ SELECT CASE cond WHEN 'k >= 100' THEN 'extremes' ELSE 'exprs' END $$;
-- The values of an expression, counted: by aggregates of several kinds, as a filter, row by row.
CREATE FUNCTION check_value(expr text, cond text DEFAULT 'k < 100') RETURNS SETOF text LANGUAGE sql AS $$
  SELECT differs(format('SELECT count(%s) FROM %s WHERE %s', expr, rows_of(cond), cond))
  UNION ALL SELECT differs(format('SELECT id, %s FROM %s WHERE %s AND (%1$s) IS NOT NULL ORDER BY id LIMIT 300', expr, rows_of(cond), cond))
  UNION ALL SELECT differs(format('SELECT (%s) AS v, count(*), min(id) FROM %s WHERE %s AND id %% 17 = 0 GROUP BY 1 ORDER BY 1, 2, 3', expr, rows_of(cond), cond))
$$;
CREATE FUNCTION check_number(expr text, cond text DEFAULT 'k < 100') RETURNS SETOF text LANGUAGE sql AS $$
  SELECT check_value(expr, cond)
  UNION ALL SELECT differs(format('SELECT sum(%s), min(%1$s), max(%1$s), avg(%1$s) FROM %s WHERE %s', expr, rows_of(cond), cond))
  UNION ALL SELECT differs(format('SELECT k, sum(%s), min(%1$s), max(%1$s), avg(%1$s) FROM %s WHERE %s GROUP BY k ORDER BY k', expr, rows_of(cond), cond))
  UNION ALL SELECT differs(format('SELECT count(*), min(id), max(id) FROM %s WHERE %s AND (%s) > 7', rows_of(cond), cond, expr))
$$;
CREATE FUNCTION check_condition(cond text) RETURNS SETOF text LANGUAGE sql AS $$
  SELECT differs(format('SELECT count(*), sum(id), min(id), max(id) FROM exprs WHERE %s', cond))
  UNION ALL SELECT differs(format('SELECT count(*), sum(id), min(id), max(id) FROM exprs WHERE NOT (%s)', cond))
  UNION ALL SELECT differs(format('SELECT count(*), sum(id) FROM exprs WHERE (%s) IS NULL', cond))
  UNION ALL SELECT differs(format('SELECT sum(CASE WHEN %s THEN id ELSE 1 END) FROM exprs WHERE id > 5', cond))
  UNION ALL SELECT differs(format('SELECT id, %s FROM extremes ORDER BY id', cond))
  UNION ALL SELECT differs(format('SELECT count(*), sum(id), min(id), max(id) FROM extremes WHERE %s', cond))
$$;
-- Rows that vectors could not answer
CREATE FUNCTION replayed(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  line text;
  n bigint := 0;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
    n := n + COALESCE(substring(line FROM 'Rows Replayed: (\d+)')::bigint, 0);
  END LOOP;
  RETURN n;
END $$;

CREATE TABLE exprs (id int, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric(10,2), m numeric(12,4), nn numeric,
                    b bool, d date, ts timestamp, tz timestamptz, tm time, o oid, u uuid, mo money,
                    t text, tc text COLLATE "C", raw text, c char(8), v varchar(20), k int);
INSERT INTO exprs
SELECT i, i % 100 - 50, (i * 7919) % 100003 - 50000, i::int8 * 1000000007, (i % 999) / 8.0, i / 16.0 - 300, (i % 1000) / 4.0 - 100,
       (i % 777) / 16.0, CASE i % 3 WHEN 0 THEN i / 4.0 WHEN 1 THEN i ELSE i * 0.001 END, i % 3 = 0, date '1990-01-01' + i % 5000,
       timestamp '1999-12-25 13:14:15.678' + i * interval '7 hours 3 minutes 1.5 seconds', timestamptz '2001-02-03 04:05:06+00' + i * interval '1 day',
       time '00:00' + i * interval '13 seconds', i % 50, md5((i % 40)::text)::uuid, (i % 30)::money,
       (ARRAY['alpha', 'Beta', 'gamma delta', 'étude', 'ZETA', ''])[1 + i % 6], (ARRAY['alpha', 'Beta', 'PROMO x', 'PROMO y', 'promo'])[1 + i % 5],
       'row ' || md5(i::text) || ' number ' || i || CASE WHEN i % 50 = 0 THEN ' special äö requests' ELSE '' END,
       (ARRAY['AIR', 'RAIL', 'SHIP', 'AI', 'A IR', 'TRUCK'])[1 + i % 6], repeat('v', i % 9), i % 13
FROM generate_series(1, 9000) i;
UPDATE exprs SET i4 = NULL, n = NULL, t = NULL, c = NULL, d = NULL, f8 = NULL, raw = NULL, b = NULL WHERE id % 23 = 0;
CREATE TABLE extremes (LIKE exprs);
INSERT INTO extremes (id, i2, i4, i8, f4, f8, n, m, nn, d, ts, t, c, k) VALUES
  (9001, 32767, 2147483647, 9223372036854775807, 'NaN', 'NaN', 'NaN', 'NaN', 'NaN', 'infinity', 'infinity', '', '', 100),
  (9002, -32768, -2147483648, -9223372036854775808, 'Infinity', 'Infinity', 99999999.99, 99999999.9999, 'Infinity', '-infinity', '-infinity', 'ü', 'ab ', 101),
  (9003, 0, 0, 0, '-Infinity', '-Infinity', -99999999.99, 0, '-Infinity', '4713-01-01 BC', '4713-01-01 BC', ' ', 'ab', 102),
  (9004, 1, 1, 1, '-0', '-0', 0, 0.0001, 1e30, '0044-03-15 BC', '0044-03-15 12:00 BC', NULL, NULL, 103),
  (9005, 1, 1, 1, 1e38, 1e308, 0, 0.0001, 1e-20, '5874897-12-31', '294276-12-31', 'x', 'x', 104),
  (9006, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
VACUUM (FREEZE, ANALYZE) exprs, extremes;
SELECT strata.enable('exprs'), strata.enable('extremes');
SELECT strata.populate('exprs') > 0 AND strata.populate('extremes') > 0 AS populated;

-- arithmetic
SELECT check_number(e) FROM unnest(ARRAY['i4 + i2', 'i4 - i8 % 1000', 'i2 * i4', 'i4::int8 * i4', 'i8 / 3', 'i8 % 7', 'i4 / 7', 'mod(i4, 5)', '-i4', 'abs(i4)',
  'abs(i2)', 'abs(i8)', 'n + m', 'n - m', 'n * m', 'm * (1 - n)', 'm * (1 - n) * (1 + n)', 'm * m * m * m * m', '-n', 'abs(n)', 'n % 7', 'mod(n, 0.3)', 'n * i4', 'n + 1', '1 - n',
  'nn + n', 'nn * n', '-nn', 'round(n)', 'round(n, 1)', 'round(m, 6)', 'round(n, -1)', 'trunc(m)', 'trunc(m, 2)', 'trunc(n, 5)', 'ceil(m)', 'floor(n)', 'ceiling(n)', 'sign(n)',
  'n / 3', 'n / (m + 1)', 'sqrt(m)', 'i4::numeric', 'n::int', 'm::int2', 'm::int8', 'n::numeric(6,1)', 'm::numeric(14,6)', 'n::float8', 'm::float8', 'nn::float8',
  'f8::int', 'f8::int8', 'f4::int2', 'f8::numeric', 'i4::float8', 'i2::float4', 'f4::float8', 'b::int', 'o::int8',
  'f8 + 1', 'f8 - f4', 'f8 * f8', 'f8 / 3', 'f4 * 2', 'f4 + f4', '-f8', 'abs(f8)', 'round(f8)', 'trunc(f8)', 'ceil(f8)', 'floor(f8)', 'sign(f8)', 'power(f8, 2)',
  'i4 # 3', 'i4 & 255', 'i4 << 2', 'i4::bool::int']) e;
SELECT check_number(e, 'k >= 100') FROM unnest(ARRAY['i4 + 1', 'i2 * 2::int2', '-i2', 'abs(i4)', 'i8 - 1', 'i8 * 2', 'i8 / -1', 'n * n', 'm * m', 'nn + 1', 'n + 1', 'abs(n)', 'm * 1000000000000',
  'f4 * f4', 'f8 * 10', 'f8 / 0', 'f8 / f4', 'f4::int', 'f8::int8', 'n::int', 'nn::int8', 'round(nn, 2)', 'n::numeric(5,2)', 'd - date ''2000-01-01''']) e;

-- sums of products that 64 bits do not hold, or that have more than 18 decimals; of some, 128 bits do not either
CREATE FUNCTION check_sum(expr text) RETURNS SETOF text LANGUAGE sql AS $$
  SELECT differs(format('SELECT sum(%s) FROM exprs', expr))
  UNION ALL SELECT differs(format('SELECT sum(%s), avg(%1$s), count(%1$s), sum(%1$s) FILTER (WHERE k > 3), sum(n) FROM exprs WHERE id > 77', expr))
  UNION ALL SELECT differs(format('SELECT k, sum(%s), count(*), avg(%1$s), avg(%1$s) FILTER (WHERE i2 > 0), sum(id) FROM exprs GROUP BY k ORDER BY k', expr))
  UNION ALL SELECT differs(format('SELECT id, avg(%s), sum(%1$s) FROM exprs WHERE id %% 9 = 2 GROUP BY id ORDER BY id', expr))
  UNION ALL SELECT differs(format('SELECT sum(%s), max(%1$s), sum(DISTINCT %1$s) FROM exprs WHERE k < 5', expr))
  UNION ALL SELECT differs(format('SELECT k, sum(%s), avg(%1$s) FROM extremes GROUP BY k ORDER BY k', expr))
$$;
SELECT check_sum(e) FROM unnest(ARRAY['i8::numeric * i8', 'i8::numeric * i8 * 1000000', '-(i8::numeric * i8)', 'i8::numeric * i8 * i8', 'i8::numeric * i8 * i8 * i8', '(i8::numeric * i8 - n) * 3', 'n - i8::numeric * i8', 'n * i8 * i8 * m', 'm * m * m * m * m',
  'm * m * m * (1 - m) * (1 + n)', '1.23456789012 * m * n * 0.00000001', 'CASE WHEN k > 5 THEN m * m * m * m * m ELSE 0 END', 'COALESCE(n * m * m * m * m, m)', 'CASE WHEN id % 1000 = 7 THEN i8::numeric * i8 ELSE n END',
  'CASE WHEN id < 2000 THEN i8::numeric * i8 * i8 * i8 WHEN id < 4000 THEN m * m * m * m * m END + 1', 'n / 7', 'n / (m + 1)', 'm / NULLIF(n, 0)', 'i8::numeric / (n + 1000)', '1 / (m + 0.0001)', 'nn / 3', '(n / 3) * m - n', 'n / (i2 - 1)', 'CASE WHEN n > 0 THEN m / n END', 'COALESCE(n / 3, m, 0)', 'i4::numeric / i8',
  '0.0000001 / (i8 + 0.5)', 'n / 9999', 'n / 10000', '-n / 2.50', 'i8::numeric / 3', 'i8 / 0.0003', 'i2 / 10000.0', 'n / m / 3', '9223372036854775807 / (n * 0 + 9.999)', '(CASE WHEN k > 5 THEN n ELSE m END) / 3', 'n / i8', 'nn * i8 * i8', 'm * m * m * m * m * m * m * m * m * m', '(CASE WHEN i2 > 0 THEN n ELSE m END) * i8 * i8']) e;
SELECT sum(replayed(format('SELECT k, sum(%s), avg(%1$s) FROM exprs GROUP BY k', e))) AS replayed
FROM unnest(ARRAY['i8::numeric * i8 * 1000000', 'm * m * m * (1 - m) * (1 + n)', 'CASE WHEN k > 5 THEN m * m * m * m * m ELSE 0 END', 'COALESCE(n * m * m * m * m, m)']) e;

-- CASE and its like
SELECT check_number(e) FROM unnest(ARRAY['CASE WHEN i2 > 0 THEN n ELSE 0 END', 'CASE WHEN i2 > 0 THEN n * m ELSE m END', 'CASE WHEN i2 > 0 THEN i4 END', 'CASE WHEN i2 <> 0 THEN 100 / i2 ELSE -1 END',
  'CASE i2 WHEN 1 THEN 10 WHEN 2 THEN 20 ELSE i2 END', 'CASE c WHEN ''AIR'' THEN 1 WHEN ''RAIL'' THEN 2 END', 'CASE WHEN tc LIKE ''PROMO%'' THEN m * (1 - n) ELSE 0 END',
  'CASE WHEN c IN (''AIR'', ''SHIP'') AND k > 3 THEN 1 ELSE 0 END', 'CASE WHEN f8 > 0 THEN f8 ELSE -f8 END', 'CASE WHEN i4 IS NULL THEN CASE WHEN k = 1 THEN 5 ELSE 6 END ELSE i4 END',
  'COALESCE(i4, i2::int)', 'COALESCE(n, m)', 'COALESCE(n, 0)', 'COALESCE(i4, 100 / NULLIF(i2, 0))', 'COALESCE(f8, 0)', 'NULLIF(i4, 17)', 'NULLIF(n, 100)', 'NULLIF(i2, k)', 'GREATEST(i4, i2, k)',
  'LEAST(i4, 5)', 'GREATEST(f8, f4)', 'LEAST(f8, f4, 1)', 'GREATEST(n, n + 1.25)', 'LEAST(n, 3.00)', '100 / (CASE WHEN i2 = 0 THEN NULL ELSE i2 END)',
  'CASE WHEN id < 0 THEN n ELSE 0 END', 'length(CASE WHEN k > 3 THEN t ELSE raw END)']) e;
SELECT check_number(e, 'k >= 100') FROM unnest(ARRAY['CASE WHEN f8 > 0 THEN f8 END', 'GREATEST(f8, f4)', 'LEAST(f8, f4)', 'COALESCE(nn, n)', 'CASE WHEN i2 > 0 THEN nn ELSE n END']) e;
SELECT check_condition(e) FROM unnest(ARRAY['CASE WHEN k > 3 THEN b ELSE i4 > 7 END', 'COALESCE(b, false)', 'b IS TRUE', 'b IS NOT TRUE', 'b IS FALSE', 'b IS NOT FALSE', 'b IS UNKNOWN', 'b IS NOT UNKNOWN',
  '(i4 > 5) IS TRUE', '(i4 > 5 OR b) IS UNKNOWN', 'i4 IS DISTINCT FROM i2', 'i4 IS NOT DISTINCT FROM i4', 'i4 IS DISTINCT FROM NULL', 'n IS DISTINCT FROM 100', 't IS DISTINCT FROM ''alpha''',
  't IS NOT DISTINCT FROM tc', 'f8 IS DISTINCT FROM f4', 'b = (i4 > 3)', 'b AND i2 <> 0 AND 100 / i2 > 3', 'i2 = 0 OR 100 / i2 > 3']) e;

-- comparisons
SELECT check_condition(format('%s %s %s', x, op, y))
FROM (VALUES ('i4', '1000'), ('i4', 'i2'), ('i8', '5000000035000'), ('n', '50.25'), ('n', '50.255'), ('m', 'n'), ('f8', '1.5'), ('f8', 'f4'), ('d', 'date ''1995-06-07'''),
  ('d', 'timestamp ''1995-06-07 12:00'''), ('d', 'ts'), ('ts', 'timestamp ''2000-06-07'''), ('tz', 'timestamptz ''2005-06-07 00:00+00'''), ('tm', 'time ''03:04:05'''), ('o', '17'),
  ('mo', '17::money'), ('u', '''1ff1de77-4005-f8da-13f4-2943881c655f''::uuid'), ('t', '''alpha'''), ('t', 'tc'), ('tc', '''PROMO'''), ('raw', '''row 5'''), ('c', '''AIR'''), ('c', '''AIR  '''),
  ('c', '''A'''), ('c', 'v::bpchar'), ('v', '''vvv'''), ('left(raw, 6)', '''row ab'''), ('abs(i4)', '1000'), ('length(t)', '4')) AS p(x, y),
  unnest(ARRAY['=', '<>', '<', '<=', '>', '>=']) op
WHERE NOT (x = 't' AND y = 'tc' AND op NOT IN ('=', '<>')) AND NOT (x = 't' AND y = 'tc');
SELECT check_condition(e) FROM unnest(ARRAY['i4 BETWEEN 10 AND 2000', 'd BETWEEN ''1991-01-01'' AND ''1992-01-01''', 'n NOT BETWEEN 0 AND 20.5', 'tc BETWEEN ''B'' AND ''a''', 't BETWEEN ''a'' AND ''c''',
  '17 < i4', '''alpha'' = t', 'date ''1995-01-01'' > d']) e;

-- numerics of other scales than the column, longer than 64 or 128 bits hold, and no numbers
SELECT check_condition(format('%s %s %s', x, op, y))
FROM (VALUES ('n', '50.25000000000000000000000001'), ('n', '-20.00499999999999999999999'), ('n', '-20.0050'), ('n', '50.25000000000000000000000000000000000000000000000'),
  ('n', '''NaN'''), ('n', '''Infinity'''), ('n', '''-Infinity'''), ('n', '99999999999999999999999999999999999999999999999999.5'), ('n', '-9223372036854775808.5'), ('n', '-9223372036854775808'),
  ('n', '92233720368547758.07'), ('n', '92233720368547758.08'), ('n', '-92233720368547758.09'), ('n', '12345678901234567890123456789012345678'), ('m', '6.24999999999999999999999999999999999999'),
  ('nn', '2.2500000000000000001'), ('n * m', '25.00000000000000000000001'), ('n + 1', '1e30'), ('n', '(SELECT avg(n) FROM exprs)'), ('i4::numeric', '1000.5'), ('-92233720368547758.08 + n * 0', '-92233720368547758.085')) AS p(x, y),
  unnest(ARRAY['=', '<>', '<', '<=', '>', '>=']) op;
SELECT check_condition(e) FROM unnest(ARRAY['n BETWEEN 9.9999999999999999999 AND 50.00000000000000000001', 'n IN (50, 1.2500000000000000000000000000000000000000000000, 3.0000000000000000000000000001, ''NaN'')',
  'n NOT IN (50.0000000000000000000000000, 1e40, -1e40)', 'n IN (50, 20.25)', 'm = ANY (''{0.0625000000000000000000,NULL,Infinity}'')', 'n <> ALL (''{1,2,3,4,5,6.00000000000000000000000}'')', '50.0000000000000000001 > n']) e;
SELECT sum(replayed(format('SELECT count(*) FROM exprs WHERE n %s %s', op, y))) AS replayed
FROM unnest(ARRAY['=', '<', '>=']) op, unnest(ARRAY['4500.1234567890123456', '''NaN''', '1e60', '(SELECT avg(n) FROM exprs)']) y;
SELECT replayed('SELECT count(*) FROM exprs WHERE n IN (50, 3.00000000000000000000000000000000000000001) AND n BETWEEN 2.123456789012345678901 AND 1e20') AS replayed;

-- lists
SELECT check_condition(e) FROM unnest(ARRAY['i4 IN (1, 2, 3, NULL)', 'i4 NOT IN (1, 2, 3)', 'i4 NOT IN (7919, NULL)', 'n IN (1.25, 50, 7.123, 1.250)', 'm NOT IN (0.0625, 5)', 'f8 IN (1.5, 2, ''NaN'')', 'd IN (''1991-01-01'', ''1993-05-05'')',
  'k IN (1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20)', 'o IN (3, 4)', 'u IN (''1ff1de77-4005-f8da-13f4-2943881c655f'')', 't IN (''alpha'', ''Beta'')', 't NOT IN (''alpha'', ''Beta'')', 't IN (''alpha'', NULL)',
  't NOT IN (''alpha'', NULL)', 'c IN (''AIR'', ''RAIL'', ''none'')', 'c NOT IN (''AIR'', ''RAIL'')', 'v IN (''v'', ''vv'')', 'raw IN (''row x'', ''row y'')', 't = ANY (''{}''::text[])', 't <> ALL (''{}''::text[])',
  't = ANY (NULL::text[])', 'i4 = ANY (NULL::int[])', 'i4 <> ALL (''{}''::int[])', 't = ANY (ARRAY[lower(''ALPHA''), upper(''zeta'')])', 'i4 < ANY (''{5, 6}''::int[])', 'substring(c from 1 for 2) IN (''AI'', ''SH'')',
  'substring(raw from 5 for 1) IN (''a'', ''b'')']) e;

-- LIKE
SELECT check_condition(format('%s %s %L', x, op, p))
FROM unnest(ARRAY['t', 'tc', 'raw', 'c', 'v']) x, unnest(ARRAY['LIKE', 'NOT LIKE', 'ILIKE']) op,
  unnest(ARRAY['', '%', 'PROMO%', 'A%', '%a', '%special%requests%', '_lpha', '%t_de', 'AIR     ', 'a\%', '%\_%', 'row a%', 'étude', '%ä_ %']) p;
SELECT differs('SELECT count(*) FROM exprs WHERE n <> ALL (''{}''::numeric[])');
SELECT check_condition('raw LIKE ''abc\''');
SELECT check_condition('t LIKE (CASE WHEN k < 0 THEN ''a'' END)');
SELECT check_condition('t ~ ''^a''');
SELECT check_condition('starts_with(t, ''al'')');

-- ILIKE, and regular expressions of plain characters; of others
SELECT check_condition(format('%s %s %L', x, op, p))
FROM unnest(ARRAY['t', 'tc', 'raw', 'c', 'v']) x, unnest(ARRAY['ILIKE', 'NOT ILIKE']) op, unnest(ARRAY['PRO%', '%ÉTUDE%', '%SPECIAL ÄÖ%', 'ROW _A%', 'air%', '%\R%', '']) p;
SELECT check_condition(format('%s %s %L', x, op, p))
FROM unnest(ARRAY['t', 'raw', 'c', 'v']) x, unnest(ARRAY['~', '!~', '~*']) op, unnest(ARRAY['^row', '^row a', 'special', 'number 1$', '^alpha$', 'ét', '^', '$', '', '^$', '^AIR ', 'a%', '_', '^.l', '[ae]', 'a|b', 'x*', '\d$', '(?i)ROW', '***=row', 'AIR     $']) p;
SELECT check_condition(e) FROM unnest(ARRAY['raw ILIKE ''ABC\''', 'raw ILIKE CASE WHEN k < 0 THEN t END', 'raw ~ ''(''', 't COLLATE "C" ILIKE ''ÉT%''', 'raw ILIKE upper(t) || ''%''', 'lower(raw) LIKE ''%special äö%''', 'upper(raw) = ''ROW''', 'upper(raw) > ''ROW 5''',
  'upper(c) IN (''AIR'', ''SHIP'')', 'upper(t COLLATE "C") LIKE ''é%''', 'substring(upper(raw) from 5 for 2) = ''AB''']) e;
CREATE COLLATION exprs_turkish (provider = icu, locale = 'tr');
CREATE COLLATION exprs_loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
SELECT check_value(format('%s(%s COLLATE %s)', f, x, c)) FROM unnest(ARRAY['lower', 'upper']) f, unnest(ARRAY['t', 'tc', 'raw']) x, unnest(ARRAY['exprs_turkish', '"C"', '"und-x-icu"']) c;
SELECT check_condition(e) FROM unnest(ARRAY['raw COLLATE exprs_turkish ILIKE ''%SPECIAL%''', 'tc COLLATE exprs_turkish ILIKE ''PROMO x''', 'raw COLLATE exprs_loose ILIKE ''a%''', 'raw COLLATE exprs_loose ~ ''^a''', 'raw COLLATE "und-x-icu" ILIKE ''ROW 0%ÄÖ%''']) e;
DROP COLLATION exprs_turkish, exprs_loose;
SELECT check_value(e) FROM unnest(ARRAY['raw || t', 'raw || ''x'' || tc', 't || CASE WHEN k > 3 THEN tc END', 'c || v', '(t || raw)::varchar(9)', 'lower(raw || upper(t))', 'k || t', 't || repeat(''ab'', 100)', 'upper(substring(raw from 3))', 'CASE WHEN k > 5 THEN upper(t) ELSE raw || tc END']) e;
SELECT check_value(e, 'k >= 100') FROM unnest(ARRAY['upper(t)', 'lower(t || c)', 't || c']) e;

-- strings
SELECT check_value(e) FROM unnest(ARRAY['substring(raw from 5 for 3)', 'substring(raw from -2 for 5)', 'substring(raw from 3)', 'substr(t, 2, 2)', 'substring(t, 100)', 'left(t, 3)', 'left(raw, -30)', 'right(t, 2)',
  'upper(t)', 'lower(tc)', 'initcap(t)', 't || tc', 't || ''x''', 'trim(c)', 'btrim(t, ''a'')', 'replace(t, ''a'', ''b'')', 'c::text', 'c || ''|''', 'COALESCE(t, ''none'')', 'CASE WHEN k > 5 THEN t ELSE tc END',
  'NULLIF(t, ''alpha'')', 'i4::text', 'substring(c from 1 for 2)', 'to_char(d, ''YYYY-MM'')', 'b::text', 'md5(t)', 'GREATEST(t, tc || ''x'')', 't::varchar(3)', 'split_part(raw, '' '', 2)', 'concat(t, i4)']) e
WHERE e !~ 'GREATEST';
SELECT check_number(e) FROM unnest(ARRAY['length(t)', 'length(raw)', 'length(c)', 'char_length(v)', 'octet_length(t)', 'octet_length(c)', 'octet_length(raw)', 'position(''a'' in t)', 'ascii(t)', 'length(t || raw)', 'length(substring(t from 2 for 3))']) e;
SELECT check_value(e, 'id < 500') FROM unnest(ARRAY['substring(raw from 5 for -1)', 'substr(t, i2)', 'repeat(t, 2)']) e;

-- dates and times
SELECT check_number(format('extract(%s from %s)', f, x))
FROM unnest(ARRAY['year', 'month', 'day', 'dow', 'isodow', 'doy', 'week', 'quarter', 'century', 'epoch']) f, unnest(ARRAY['d', 'ts', 'tz']) x;
SELECT check_number(format('extract(%s from ts)', f)) FROM unnest(ARRAY['hour', 'minute', 'second', 'milliseconds']) f;
SELECT check_number(format('date_part(%L, %s)', f, x)) FROM unnest(ARRAY['year', 'hour', 'epoch']) f, unnest(ARRAY['d', 'ts']) x;
SELECT check_number(format('extract(%s from %s)', f, x), 'k >= 100') FROM unnest(ARRAY['year', 'day', 'epoch']) f, unnest(ARRAY['d', 'ts']) x;
SELECT check_value(e) FROM unnest(ARRAY['date_trunc(''month'', ts)', 'date_trunc(''week'', ts)', 'date_trunc(''month'', d)', 'date_trunc(''day'', tz)', 'd + 7', 'd - 7', '7 + d', 'd + interval ''1 month''', 'd - interval ''1 year 2 days 3 hours''',
  'ts + interval ''1 month''', 'ts - interval ''1 day''', 'd - date ''1990-05-05''', 'ts::date', 'd::timestamp', 'ts - timestamp ''2000-01-01''', 'tz::date', 'tm + interval ''1 hour''', 'age(ts, timestamp ''2000-01-01'')', 'make_date(2000, 1, 1 + k)']) e;
SELECT check_number(format('extract(%s from %s)', f, x), 'k >= 100')
FROM unnest(ARRAY['month', 'dow', 'isodow', 'doy', 'week', 'isoyear', 'quarter', 'decade', 'century', 'millennium']) f, unnest(ARRAY['d', 'ts']) x;
SELECT check_number(e) FROM unnest(ARRAY['extract(decade from d)', 'extract(millennium from ts)', 'extract(isoyear from d)', 'extract(isoyear from ts)', 'extract(julian from d)', 'extract(julian from ts)', 'extract(microseconds from ts)',
  'extract(hour from tm)', 'extract(minute from tm)', 'extract(second from tm)', 'extract(epoch from tm)', 'extract(year from tm)', 'extract(hour from d)', 'extract(nonsense from ts)', 'date_part(''second'', ts)', 'date_part(''milliseconds'', ts)',
  'date_part(''microseconds'', ts)', 'date_part(''week'', ts)', 'date_part(''dow'', d)', 'date_part(''hour'', tm)', 'date_part(''Years'', ts)', 'date_part(t, ts)', 'extract(week from ts + interval ''3 days'')']) e;
SELECT check_number(e, 'k >= 100') FROM unnest(ARRAY['date_part(''month'', ts)', 'date_part(''isoyear'', ts)', 'date_part(''year'', d)', 'date_part(''epoch'', ts)', 'extract(hour from ts)', 'extract(julian from d)']) e;
-- every day of years around the ends of eras, and of weeks around the ends of years
CREATE TABLE days AS SELECT day::date AS d, day + interval '23:59:59.999999' AS ts
  FROM unnest(ARRAY['4714-11-24 BC', '0102-11-01 BC', '0002-01-01 BC', '0099-11-01', '0999-11-01', '1582-01-01', '1896-01-01', '1999-01-01', '294275-01-01']::timestamp[]) first, generate_series(first, first + interval '700 days', '1 day') day;
VACUUM (ANALYZE) days;
SELECT strata.enable('days');
SELECT strata.populate('days') > 0 AS populated;
SELECT differs(format('SELECT d, extract(%s FROM d), extract(%1$s FROM ts), date_part(%1$L, ts) FROM days WHERE extract(%1$s FROM d) = extract(%1$s FROM ts) ORDER BY d', f))
FROM unnest(ARRAY['year', 'month', 'day', 'dow', 'isodow', 'doy', 'week', 'isoyear', 'quarter', 'decade', 'century', 'millennium']) f;
SELECT differs(format('SELECT date_trunc(%L, ts), count(*), min(d) FROM days WHERE d >= ''4713-01-01 BC'' GROUP BY 1 ORDER BY 1', f))
FROM unnest(ARRAY['microseconds', 'milliseconds', 'second', 'minute', 'hour', 'day', 'week', 'month', 'quarter', 'year', 'decade', 'century', 'millennium', 'mm', 'isoyear', 'dow']) f;
SELECT differs(format('SELECT date_trunc(%L, ts), count(*) FROM days GROUP BY 1 ORDER BY 1', f)) FROM unnest(ARRAY['week', 'year', 'century']) f;
-- intervals: ends of months, signs against each other, results out of range
SELECT differs(format('SELECT ts, %s FROM days WHERE d %s ORDER BY ts', replace(e, 'X', i), w))
FROM unnest(ARRAY['ts + interval ''X''', 'ts - interval ''X''', 'd + interval ''X''', 'd - interval ''X''']) e,
  unnest(ARRAY['1 month', '-1 month', '11 months', '-13 months', '1 year 1 month -31 days', '1 month -1 day 25 hours', '-400 days', '1 microsecond', '36 hours', '0', '250 years 1 day']) i, unnest(ARRAY['between ''0001-01-01'' and ''2100-01-01''', '> ''290000-01-01''', '< ''4000-01-01 BC''']) w;
SELECT differs(format('SELECT count(*), max(ts + %s) FROM days WHERE d BETWEEN ''0001-01-01'' AND ''2100-01-01''', i))
FROM unnest(ARRAY['interval ''178000000 years''', 'interval ''-350000 years''', 'interval ''2147483647 days''', 'interval ''-2147483648 days''', 'interval ''2562047788 hours''', 'NULL::interval', '(SELECT interval ''1 month'')', 'make_interval(months => 1)', 'date_trunc(''day'', now() - now())']) i;
SELECT check_value(e, 'k >= 100') FROM unnest(ARRAY['ts + interval ''1 month''', 'ts - interval ''1 day''', 'd - interval ''2 months''', 'date_trunc(''month'', ts)', 'date_trunc(''week'', ts)', 'date_trunc(''hour'', ts)', 'd + interval ''1 hour''']) e;
-- dates against timestamps
SELECT check_condition(format('%s %s %s', x, op, y))
FROM (VALUES ('d', 'ts'), ('ts', 'd'), ('d + interval ''1 month''', 'd + 31'), ('ts', 'date ''2000-02-03'''), ('d', 'ts - interval ''10 years'''), ('d + 1', 'timestamp ''1995-01-01''')) AS p(x, y), unnest(ARRAY['=', '<>', '<', '<=', '>', '>=']) op;
-- time zones: in vectors while they have one offset
SET timezone = 'UTC';
SELECT check_number(format('extract(%s from tz)', f)) FROM unnest(ARRAY['year', 'month', 'day', 'dow', 'week', 'hour', 'epoch', 'timezone']) f;
SET timezone = '+05:30';
SELECT check_number(format('extract(%s from tz)', f)) FROM unnest(ARRAY['day', 'doy', 'hour', 'minute', 'second', 'epoch']) f;
SELECT check_value(e) FROM unnest(ARRAY['date_trunc(''day'', tz)', 'date_trunc(''hour'', tz)', 'date_trunc(''month'', tz)', 'date_trunc(''month'', d)', 'date_part(''day'', tz)', 'tz + interval ''1 month 1 day''', 'tz - interval ''25 hours''']) e;
SET timezone = 'Europe/Berlin';
SELECT check_number(format('extract(%s from tz)', f)) FROM unnest(ARRAY['day', 'hour', 'epoch']) f;
SELECT check_value(e) FROM unnest(ARRAY['date_trunc(''day'', tz)', 'date_trunc(''month'', d)', 'date_part(''day'', tz)', 'tz + interval ''1 month 1 day''', 'tz - interval ''25 hours''']) e;
-- the zone has changed since the query was compiled
SET timezone = 'UTC';
BEGIN;
DECLARE zones CURSOR FOR SELECT extract(hour from tz) AS h, count(*), max(tz + interval '1 day') AS day FROM exprs GROUP BY 1;
SET LOCAL timezone = 'Europe/Berlin';
FETCH ALL FROM zones;
SELECT extract(hour from tz) AS h, count(*), max(tz + interval '1 day') AS day FROM exprs GROUP BY 1;
COMMIT;
RESET timezone;
SELECT sum(replayed(format('SELECT count(*), count(%s) FROM exprs', e))) AS replayed
FROM unnest(ARRAY['extract(year from d)', 'extract(week from ts)', 'extract(second from ts)', 'date_part(''epoch'', ts)', 'date_trunc(''month'', ts)', 'date_trunc(''hour'', ts)', 'ts + interval ''1 month''', 'd - interval ''1 day''']) e;

SELECT check_value(e, 'k >= 100') FROM unnest(ARRAY['d + 1', 'd - 1', 'd::timestamp', 'ts::date', 'd + interval ''1 month''', 'date_trunc(''year'', ts)', 'd - date ''2000-01-01''']) e;
SELECT check_condition(e) FROM unnest(ARRAY['d < date ''1994-01-01'' + interval ''1 year''', 'd >= ''1994-01-01'' AND d < date ''1994-01-01'' + interval ''3 months''', 'extract(year from d) = 1995', 'date_part(''month'', ts) = 7',
  'd + 30 < ts', 'date_trunc(''year'', ts) = timestamp ''2001-01-01''', 'ts::date = date ''2000-02-02''', 'd = ts::date', 'd < now()']) e;

-- one row in one state after another
SELECT differs(format('SELECT sum(n * (1 - m) * (1 + m)), sum(n), avg(n), count(*) FROM exprs WHERE id <= %s', g)) FROM generate_series(0, 3) g;
SELECT differs('SELECT t, substring(raw from 5 for 1) AS s, extract(year from d) AS y, count(*), sum(n) FROM exprs WHERE k < 100 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3');
SELECT differs('SELECT a.t, count(*) FROM exprs a JOIN exprs b ON a.id = b.id + 1 WHERE a.k < 100 AND (a.c = ''AIR'' AND b.n > 5 OR a.c = ''SHIP'' AND b.tc LIKE ''PROMO%'') GROUP BY a.t ORDER BY 1');

-- parameters, and functions that are evaluated once
PREPARE par(text, text[], int[], numeric, text) AS
  SELECT count(*), sum(CASE WHEN t = $1 THEN 1 ELSE 0 END) FROM exprs WHERE t = ANY ($2) AND k <> ALL ($3) AND n < $4 AND raw LIKE $5;
SET plan_cache_mode = force_generic_plan;
EXECUTE par('alpha', '{alpha,Beta}', '{1,2}', 100.5, '%a%');
EXECUTE par('Beta', '{}', '{}', 100.5, '%a%');
EXECUTE par(NULL, '{alpha,NULL}', '{7}', 50, '%b%');
RESET plan_cache_mode;
DEALLOCATE par;
SELECT g, (SELECT count(*) FROM exprs WHERE left(t, 1) = left(g, 1) AND t = g AND length(raw) > length(g)) FROM unnest(ARRAY['alpha', 'Beta', 'none']) g;

-- EXPLAIN (VERBOSE) says what has no vector form
SET strata.column_scan = on;
SET strata.column_aggregate = on;
EXPLAIN (VERBOSE, COSTS OFF) SELECT sum(n / 3) FROM exprs;
EXPLAIN (VERBOSE, COSTS OFF) SELECT min(n / 3) FROM exprs;
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(*), sum(position('a' in t)) FROM exprs WHERE reverse(raw) = 'X' AND upper(raw) LIKE 'ROW%' AND n < 3;

DROP TABLE exprs, extremes, days;
DROP FUNCTION check_value(text, text);
DROP FUNCTION check_number(text, text);
DROP FUNCTION check_condition(text);
DROP FUNCTION check_sum(text);
DROP FUNCTION rows_of(text);
DROP FUNCTION replayed(text);
DROP FUNCTION differs(text);
DROP FUNCTION answer, store, plan_has, compare;
