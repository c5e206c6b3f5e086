-- SIMD operators on arrays: the answers of PostgreSQL's operators and aggregates over unnest(), at every level
-- that this machine has.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
SET extra_float_digits = 1;

-- the numbers of PostgreSQL for one array of numbers, beside ours; no row where all agree
CREATE FUNCTION simd_disagree(a anyarray, OUT what text, OUT theirs text, OUT ours text) RETURNS SETOF record
LANGUAGE sql AS $$
  SELECT * FROM (
    SELECT 'sum', (SELECT sum(x) FROM unnest(a) x)::text, strata.simd_sum(a)::text
    UNION ALL SELECT 'avg', (SELECT avg(x) FROM unnest(a) x)::text, strata.simd_avg(a)::text
    UNION ALL SELECT 'min', (SELECT min(x) FROM unnest(a) x)::text, strata.simd_min(a)::text
    UNION ALL SELECT 'max', (SELECT max(x) FROM unnest(a) x)::text, strata.simd_max(a)::text
    UNION ALL SELECT 'count', (SELECT count(x) FROM unnest(a) x)::text, strata.simd_count(a)::text) AS t(what, theirs, ours)
  WHERE theirs IS DISTINCT FROM ours
$$;
CREATE FUNCTION simd_filter_disagrees(a anyarray, v anyelement, OUT op text, OUT theirs int[], OUT ours int[]) RETURNS SETOF record
LANGUAGE sql AS $$
  SELECT * FROM (
    SELECT '=', ARRAY(SELECT o::int FROM unnest(a) WITH ORDINALITY u(x, o) WHERE x = v), strata.simd_filter(a, '=', v)
    UNION ALL SELECT '<>', ARRAY(SELECT o::int FROM unnest(a) WITH ORDINALITY u(x, o) WHERE x <> v), strata.simd_filter(a, '<>', v)
    UNION ALL SELECT '!=', ARRAY(SELECT o::int FROM unnest(a) WITH ORDINALITY u(x, o) WHERE x <> v), strata.simd_filter(a, '!=', v)
    UNION ALL SELECT '<', ARRAY(SELECT o::int FROM unnest(a) WITH ORDINALITY u(x, o) WHERE x < v), strata.simd_filter(a, '<', v)
    UNION ALL SELECT '<=', ARRAY(SELECT o::int FROM unnest(a) WITH ORDINALITY u(x, o) WHERE x <= v), strata.simd_filter(a, '<=', v)
    UNION ALL SELECT '>', ARRAY(SELECT o::int FROM unnest(a) WITH ORDINALITY u(x, o) WHERE x > v), strata.simd_filter(a, '>', v)
    UNION ALL SELECT '>=', ARRAY(SELECT o::int FROM unnest(a) WITH ORDINALITY u(x, o) WHERE x >= v), strata.simd_filter(a, '>=', v)) AS t(op, theirs, ours)
  WHERE theirs IS DISTINCT FROM ours
$$;

-- arrays of every type and many lengths, NULLs in some, the extremes, NaN and infinities in some
CREATE FUNCTION simd_try() RETURNS TABLE(n int, type text, what text, theirs text, ours text) LANGUAGE plpgsql AS $$
DECLARE
  i2 int2[]; i4 int4[]; i8 int8[]; f4 float4[]; f8 float8[]; nu numeric[]; nulls float8;
BEGIN
  PERFORM setseed(0.5);
  FOREACH n IN ARRAY ARRAY[0, 1, 2, 3, 8, 9, 17, 63, 64, 65, 129, 1023, 1024, 1025, 2100] LOOP
    FOREACH nulls IN ARRAY ARRAY[0, 0.1, 1] LOOP
      i2 := ARRAY(SELECT CASE WHEN random() >= nulls THEN (random() * 65535 - 32768)::int2 END FROM generate_series(1, n));
      i4 := ARRAY(SELECT CASE WHEN random() >= nulls THEN CASE WHEN random() < 0.1 THEN 2147483647 ELSE (random() * 4e9 - 2e9)::int4 END END FROM generate_series(1, n));
      i8 := ARRAY(SELECT CASE WHEN random() >= nulls THEN CASE WHEN random() < 0.3 THEN 9223372036854775807 WHEN random() < 0.1 THEN -9223372036854775808 ELSE (random() * 1e18)::int8 END END FROM generate_series(1, n));
      f4 := ARRAY(SELECT CASE WHEN random() >= nulls THEN (random() * 1000)::float4 END FROM generate_series(1, n));
      f8 := ARRAY(SELECT CASE WHEN random() >= nulls THEN CASE WHEN random() < 0.01 THEN 'NaN' WHEN random() < 0.01 THEN '-0' ELSE random() * 1000 END END::float8 FROM generate_series(1, n));
      nu := ARRAY(SELECT CASE WHEN random() >= nulls THEN CASE WHEN random() < 0.001 THEN 'Infinity' ELSE round((random() * 1e6)::numeric, (random() * 5)::int) END END FROM generate_series(1, n));
      RETURN QUERY SELECT n, 'int2', d.* FROM simd_disagree(i2) d;
      RETURN QUERY SELECT n, 'int4', d.* FROM simd_disagree(i4) d;
      RETURN QUERY SELECT n, 'int8', d.* FROM simd_disagree(i8) d;
      RETURN QUERY SELECT n, 'float4', d.* FROM simd_disagree(f4) d;
      RETURN QUERY SELECT n, 'float8', d.* FROM simd_disagree(f8) d;
      RETURN QUERY SELECT n, 'numeric', d.* FROM simd_disagree(nu) d;
      RETURN QUERY SELECT n, 'int2', d.op, d.theirs::text, d.ours::text FROM simd_filter_disagrees(i2, coalesce(i2[1], 5::int2)) d;
      RETURN QUERY SELECT n, 'int4', d.op, d.theirs::text, d.ours::text FROM simd_filter_disagrees(i4, coalesce(i4[2], 5)) d;
      RETURN QUERY SELECT n, 'int8', d.op, d.theirs::text, d.ours::text FROM simd_filter_disagrees(i8, coalesce(i8[3], 5)) d;
      RETURN QUERY SELECT n, 'float4', d.op, d.theirs::text, d.ours::text FROM simd_filter_disagrees(f4, coalesce(f4[1], 5)) d;
      RETURN QUERY SELECT n, 'float8', d.op, d.theirs::text, d.ours::text FROM simd_filter_disagrees(f8, 'NaN') d;
      RETURN QUERY SELECT n, 'float8', d.op, d.theirs::text, d.ours::text FROM simd_filter_disagrees(f8, 0::float8) d;
      RETURN QUERY SELECT n, 'numeric', d.op, d.theirs::text, d.ours::text FROM simd_filter_disagrees(nu, coalesce(nu[1], 5)) d;
    END LOOP;
  END LOOP;
END $$;
-- a level that the machine lacks is skipped without a word
CREATE FUNCTION simd_try_levels() RETURNS TABLE(level text, n int, type text, what text, theirs text, ours text) LANGUAGE plpgsql AS $$
BEGIN
  FOREACH level IN ARRAY ARRAY['scalar', 'sse42', 'avx2', 'avx512'] LOOP
    BEGIN
      PERFORM set_config('strata.simd', level, true);
    EXCEPTION WHEN invalid_parameter_value THEN
      CONTINUE;
    END;
    RETURN QUERY SELECT level, t.* FROM simd_try() t;
  END LOOP;
END $$;
SELECT * FROM simd_try_levels();

-- other types: by their order, and their collation
SELECT strata.simd_filter('{2024-01-01,NULL,infinity,2024-03-01}'::date[], '>', '2024-02-01');
SELECT strata.simd_min('{12:00,11:59:59.5}'::time[]), strata.simd_max('{-infinity,2024-01-01}'::timestamp[]),
       strata.simd_max('{1,4294967295}'::oid[]), strata.simd_min('{$3.50,$2.00}'::money[]);
SELECT strata.simd_filter(ARRAY['b', 'B', NULL, 'a'] COLLATE "C", '<', 'a'), strata.simd_max(ARRAY['b', 'B', 'a'] COLLATE "C"),
       strata.simd_filter('{t,f,NULL}'::bool[], '=', true), strata.simd_count('{x,NULL,y}'::text[]),
       strata.simd_min('{1 day,1 hour}'::interval[]);
SELECT strata.simd_filter(ARRAY['a', 'b'], '=', 'a' COLLATE "POSIX") = strata.simd_filter(ARRAY['a', 'b'], '=', 'a' COLLATE "C") AS same;

-- several dimensions count in storage order, and bounds do not matter
SELECT strata.simd_filter('{{1,2},{3,NULL},{2,5}}'::int[], '>=', 2), strata.simd_sum('{{1,2},{3,NULL},{2,5}}'::int[]),
       strata.simd_filter('[5:7]={1,2,3}'::int[], '>', 1);

-- nothing, and NULL
SELECT strata.simd_filter('{}'::int[], '=', 1), strata.simd_sum('{}'::int[]), strata.simd_avg('{NULL}'::numeric[]),
       strata.simd_min('{NULL}'::text[]), strata.simd_count('{NULL,NULL}'::int[]);
SELECT strata.simd_filter(NULL::int[], '=', 1) IS NULL AND strata.simd_filter('{1}'::int[], '=', NULL) IS NULL
   AND strata.simd_sum(NULL::int[]) IS NULL AND strata.simd_count(NULL::int[]) IS NULL AS null_in_null_out;

-- sums past the type, and errors where the aggregates have them
SELECT strata.simd_sum('{2147483647,2147483647}'::int[]), strata.simd_sum('{9223372036854775807,9223372036854775807}'::bigint[]),
       strata.simd_sum('{-9223372036854775808,-9223372036854775808}'::bigint[]), strata.simd_avg('{1,2}'::smallint[]);
SELECT strata.simd_sum('{1e308,1e308}'::float8[]);
SELECT strata.simd_sum('{3e38,3e38}'::real[]);
SELECT strata.simd_avg('{1e308,1e308}'::float8[]);
SELECT strata.simd_avg('{1e200,-1e200}'::float8[]);
SELECT avg(x) FROM unnest('{1e200,-1e200}'::float8[]) x;
SELECT strata.simd_sum('{Infinity,1}'::float8[]), strata.simd_sum('{Infinity,-Infinity}'::float8[]), strata.simd_avg('{Infinity,1,2}'::float8[]),
       strata.simd_sum('{NaN,1}'::numeric[]), strata.simd_sum('{Infinity,-Infinity}'::numeric[]);

-- wrong use
SELECT strata.simd_filter('{1}'::int[], '~', 1);
SELECT strata.simd_min('{"(1,2)"}'::point[]);
SELECT strata.simd_filter('{"(1,2)"}'::point[], '=', '(1,2)');
SELECT strata.simd_sum('{a}'::text[]);
CREATE FUNCTION simd_wrong(text[]) RETURNS bigint LANGUAGE C STRICT AS 'pg_strata', 'strata_simd_sum';
SELECT simd_wrong('{a}');
DROP FUNCTION simd_wrong;

-- hashes: the authors' test vectors
SELECT message, seed, to_hex(strata.wyhash(message::bytea, seed)) AS wyhash
FROM (VALUES (0, ''), (1, 'a'), (2, 'abc'), (3, 'message digest'), (4, 'abcdefghijklmnopqrstuvwxyz'),
             (5, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'),
             (6, repeat('1234567890', 8))) v(seed, message);
SELECT to_hex(strata.xxh3_64('')) AS empty, to_hex(strata.xxh3_64('', -7046029288634856819)) AS seeded,
       strata.xxh3_64('abc') = strata.xxh3_64('abc', 0) AS default_seed, strata.wyhash('abc') = strata.wyhash('abc', 0) AS default_seed;
-- toasted and compressed data hash as what they are
CREATE TEMP TABLE simd_long AS SELECT convert_to(repeat('pg_strata ', 100000), 'UTF8') AS b;
SELECT strata.wyhash(b) = strata.wyhash(convert_to(repeat('pg_strata ', 100000), 'UTF8')) AS wyhash,
       strata.xxh3_64(b, 5) = strata.xxh3_64(convert_to(repeat('pg_strata ', 100000), 'UTF8'), 5) AS xxh3 FROM simd_long;
DROP TABLE simd_long;

DROP FUNCTION simd_try_levels, simd_try, simd_disagree, simd_filter_disagrees;
