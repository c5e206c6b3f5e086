-- column_zones.sql: zone maps of types that only PostgreSQL's evaluator compares skip units, and only where they may.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
SET search_path = public;
SET max_parallel_workers_per_gather = 0;
SET timezone = 'UTC';

CREATE TYPE cz_mood AS ENUM ('one', 'two');
ALTER TYPE cz_mood ADD VALUE 'zero' BEFORE 'one'; -- the greatest oid, the least value
CREATE DOMAIN cz_id AS uuid;
CREATE TABLE cz (i int, u uuid, d cz_id, t time, b bytea, c text COLLATE "C", v varchar(20), e text, o oid, m cz_mood, s interval, n jsonb,
                 k "char", p bpchar COLLATE "C") WITH (autovacuum_enabled = off);
INSERT INTO cz SELECT i, lpad(to_hex(i), 32, '0')::uuid, lpad(to_hex(i), 32, 'f')::uuid, time '00:00' + i * interval '0.5 seconds',
  decode(lpad(to_hex(i), 8, '0'), 'hex'), 'k' || lpad(i::text, 8, '0'), 'v' || lpad(i::text, 8, '0'), 'e' || lpad(i::text, 8, '0'), 4294967295 - i,
  CASE WHEN i <= 30000 THEN 'one' WHEN i <= 80000 THEN 'two' ELSE 'zero' END::cz_mood, i * interval '1 second',
  (i::text || '.0')::jsonb, CASE WHEN i < 30000 THEN 'a' ELSE '\377' END::"char", 'p' || lpad(i::text, 8, '0')
FROM generate_series(1, 90000) i;
INSERT INTO cz (i) VALUES (0);
VACUUM (ANALYZE) cz;
SELECT strata.enable('cz');
SELECT strata.populate('cz') > 0 AS job;
SELECT units > 1 AS several FROM strata.column_tables WHERE table_name = 'cz';

-- Are units skipped, and is the answer the heap's?
CREATE FUNCTION cz(condition text, OUT condition_ text, OUT rows bigint, OUT right_ bool, OUT skips bool) LANGUAGE plpgsql AS $$
DECLARE n bigint; line text;
BEGIN
  condition_ := condition;
  SET LOCAL strata.column_scan = off;
  EXECUTE 'SELECT count(*) FROM cz WHERE ' || condition INTO rows;
  SET LOCAL strata.column_scan = on;
  EXECUTE 'SELECT count(*) FROM cz WHERE ' || condition INTO n;
  right_ := n = rows;
  FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT count(*) FROM cz WHERE ' || condition LOOP
    skips := coalesce(skips, line LIKE '%Strata%' AND false) OR line ~ 'Units Pruned: [1-9]';
  END LOOP;
END $$;

-- in the order of stored forms
SELECT (cz(q)).* FROM unnest(ARRAY[
  $$u = '00000000-0000-0000-0000-000000000005'$$, $$u < '00000000-0000-0000-0000-000000000010'$$,
  $$u <= '00000000-0000-0000-0000-000000000001'$$, $$u > '00000000-0000-0000-0000-000000015f00'$$,
  $$u >= '00000000-0000-0000-0000-000000015f90'$$, $$'00000000-0000-0000-0000-000000000010' > u$$,
  $$u > 'ff000000-0000-0000-0000-000000000000'$$, $$d = 'ffffffff-ffff-ffff-ffff-ffffffff0005'$$,
  $$t < '00:00:10'$$, $$t = '00:00:01.5'$$, $$t > '12:00'$$, $$b < '\x00000020'$$, $$b = '\x0000'$$, $$b > '\x00015f00'$$,
  $$c < 'k00000100'$$, $$c = 'k00000100'$$, $$c > 'k000899'$$, $$c < 'k'$$, $$o > 4294967200$$, $$o = 4294967290$$, $$k = 'a'$$, $$k < 'b'$$,
  $$v = 'v00000007'$$, $$e = 'e00000007'$$, $$m = 'zero'$$, $$m = 'one'$$]) q;
-- not in their order: nothing is skipped, but by the equality of char(n), whose values are the key and blanks
SELECT (cz(q)).* FROM unnest(ARRAY[
  $$m < 'one'$$, $$m >= 'two'$$, $$s < '10 seconds'$$, $$s = '1 day'$$, $$n = '5'$$, $$n < '6'$$, $$e < 'e00000007' COLLATE "und-x-icu"$$,
  $$c < 'k00000100' COLLATE "und-x-icu"$$, $$p = 'p00000009  '$$, $$p < 'p00000100'$$, $$u <> '00000000-0000-0000-0000-000000000005'$$, $$t < time '00:00:10' + interval '0 s' * i$$]) q;

SELECT strata.disable('cz');
DROP TABLE cz;
DROP FUNCTION cz;
DROP DOMAIN cz_id;
DROP TYPE cz_mood;
