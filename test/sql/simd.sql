-- The setting strata.simd and what strata.simd_features() says of it, on any CPU.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;

-- auto is the best there is
SHOW strata.simd;
SELECT level = best_level AS best, setting, best_level IN ('scalar', 'sse42', 'avx2', 'avx512') AS known,
       vector_width = CASE level WHEN 'scalar' THEN 64 WHEN 'sse42' THEN 128 WHEN 'avx2' THEN 256 ELSE 512 END AS width
FROM strata.simd_features();

-- scalar is possible everywhere, takes effect at once, and is undone by the transaction
BEGIN;
SET LOCAL strata.simd = 'scalar';
SELECT level, vector_width, setting FROM strata.simd_features();
ROLLBACK;
SELECT level = best_level AS best, setting FROM strata.simd_features();
SET strata.simd = 'SCALAR';
SELECT level, setting FROM strata.simd_features();
RESET strata.simd;

-- a level is refused or used, never silently something else
DO $$
DECLARE
  levels text[] := '{scalar,sse42,avx2,avx512}';
  wanted text;
  f record;
BEGIN
  FOREACH wanted IN ARRAY levels LOOP
    BEGIN
      EXECUTE format('SET LOCAL strata.simd = %L', wanted);
      SELECT * INTO f FROM strata.simd_features();
      IF f.level <> wanted OR f.setting <> wanted THEN
        RAISE WARNING '% gives level %, setting %', wanted, f.level, f.setting;
      END IF;
    EXCEPTION WHEN invalid_parameter_value THEN
      SELECT * INTO f FROM strata.simd_features();
      IF array_position(levels, f.best_level) >= array_position(levels, wanted) THEN
        RAISE WARNING '% refused though the best level is %', wanted, f.best_level;
      END IF;
    END;
  END LOOP;
END $$;
SET strata.simd = 'sse9';

-- a level needs its instructions
SELECT best_level <> 'avx512' OR (avx2 AND avx512f AND avx512bw AND avx512dq AND avx512vl AND avx512vbmi) AS all_there,
       best_level IN ('scalar', 'sse42') OR avx2 AS avx2_there, best_level = 'scalar' OR sse42 AS sse42_there
FROM strata.simd_features();

-- anyone may ask and set
CREATE ROLE regress_strata_simd;
SET ROLE regress_strata_simd;
SET strata.simd = 'scalar';
SELECT level FROM strata.simd_features();
RESET strata.simd;
RESET ROLE;
DROP ROLE regress_strata_simd;
