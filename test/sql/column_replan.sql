-- column_replan.sql: a cached plan is made anew when its table comes into the column store, or leaves it.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
SET search_path = public;
SET plan_cache_mode = force_generic_plan;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE rp WITH (autovacuum_enabled = off) AS SELECT i AS a, i % 10 AS b, i % 7 AS c FROM generate_series(1, 20000) i;
VACUUM (FREEZE, ANALYZE) rp;
PREPARE sums(int) AS SELECT count(*), sum(a) FROM rp WHERE b < $1;
PREPARE sevenths AS SELECT sum(c) FROM rp;
CREATE FUNCTION uses_store(query text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) EXECUTE ' || query LOOP
    IF line LIKE '%(Strata%' THEN RETURN true; END IF;
  END LOOP;
  RETURN false;
END $$;
EXECUTE sums(5);
SELECT uses_store('sums(5)') AS before;

-- Nothing but the copying tells this session.
SELECT strata.enable('rp', columns => '{a, b}');
SELECT strata.populate('rp') > 0 AS job;
SELECT uses_store('sums(5)') AS populated, uses_store('sevenths') AS not_stored;
EXECUTE sums(5);
SELECT strata.evict('rp') > 0 AS freed;
SELECT uses_store('sums(5)') AS evicted;
EXECUTE sums(5);
SELECT strata.populate('rp') > 0 AS job;
SELECT uses_store('sums(5)') AS populated_again;

-- A column that joins the others.
SELECT strata.enable('rp');
SELECT strata.populate('rp') > 0 AS job;
SELECT uses_store('sevenths') AS stored;
EXECUTE sevenths;
SELECT strata.disable('rp');
SELECT uses_store('sums(5)') AS disabled;
EXECUTE sums(5);

DEALLOCATE ALL;
DROP TABLE rp;
DROP FUNCTION uses_store(text);
