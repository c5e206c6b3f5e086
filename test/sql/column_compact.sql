-- column_compact.sql: units that have come to hold few rows are merged, by strata.compact() and by themselves.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
SET search_path = public;
SET max_parallel_workers_per_gather = 0;
-- Waits until a job has ended, half a minute at most.
CREATE FUNCTION wait_job(job bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. 3000 LOOP
    IF EXISTS (SELECT FROM strata.jobs WHERE id = job AND finished_at IS NOT NULL) THEN
      RETURN (SELECT state FROM strata.jobs WHERE id = job);
    END IF;
    PERFORM pg_sleep(0.01); /* poll */
  END LOOP;
  RETURN 'never';
END $$;
-- Waits until the table has so many units and nothing stale, half a minute at most.
CREATE FUNCTION wait_units(n int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. 3000 LOOP
    IF EXISTS (SELECT FROM strata.column_tables WHERE relid = 'cm'::regclass AND units = n AND stale_blocks = 0) THEN
      RETURN n;
    END IF;
    PERFORM pg_sleep(0.01); /* poll */
  END LOOP;
  RETURN 'never';
END $$;

CREATE TABLE cm WITH (autovacuum_enabled = off) AS SELECT i AS a, i % 100 AS b, 'x' || i % 5 AS c FROM generate_series(1, 200000) i;
VACUUM (FREEZE, ANALYZE) cm;
SELECT strata.enable('cm');
SELECT strata.populate('cm') > 0 AS job;
SELECT unit, first_block, blocks FROM strata.column_units WHERE relid = 'cm'::regclass ORDER BY unit;
SELECT count(*), sum(a), min(b), max(c) FROM cm WHERE a > 50000;

-- Half of the rows: units of twice as many blocks.  One job, that tells how many of the new ones there are.
DELETE FROM cm WHERE a % 2 = 0;
VACUUM (FREEZE, ANALYZE) cm;
SELECT strata.compact('cm') AS job \gset
SELECT wait_job(:job);
SELECT kind, state, done, total, rows FROM strata.jobs WHERE id = :job;
SELECT unit, first_block, blocks, rows, stale_blocks FROM strata.column_units WHERE relid = 'cm'::regclass ORDER BY unit;
SELECT status, rows_in_columns, total_blocks = populated_blocks AS whole FROM strata.column_tables WHERE relid = 'cm'::regclass;
SELECT count(*), sum(a), min(b), max(c) FROM cm WHERE a > 50000;
SET strata.column_scan = off;
SET strata.column_aggregate = off;
SELECT count(*), sum(a), min(b), max(c) FROM cm WHERE a > 50000;
RESET strata.column_scan;
RESET strata.column_aggregate;

-- Again: there is nothing to do.
SELECT strata.compact('cm') AS job \gset
SELECT wait_job(:job);
SELECT done, total, rows FROM strata.jobs WHERE id = :job;

-- One row of twenty: the worker does that unasked.
DELETE FROM cm WHERE a % 20 <> 1;
VACUUM (FREEZE, ANALYZE) cm;
SELECT wait_units(1);
SELECT unit, first_block, blocks, rows FROM strata.column_units WHERE relid = 'cm'::regclass ORDER BY unit;
SELECT count(*), sum(a), min(b), max(c) FROM cm WHERE a > 50000;

-- And back, once they are filled again.
INSERT INTO cm SELECT i, i % 100, 'x' || i % 5 FROM generate_series(200001, 400000) i;
VACUUM (FREEZE, ANALYZE) cm;
SELECT strata.compact('cm') AS job \gset
SELECT wait_job(:job);
SELECT count(*) > 1 AS several, sum(rows) FROM strata.column_units WHERE relid = 'cm'::regclass;
SELECT count(*), sum(a), min(b), max(c) FROM cm WHERE a > 50000;

-- Memory of what was replaced is free.
SELECT count(DISTINCT unit) = (SELECT units FROM strata.column_tables WHERE relid = 'cm'::regclass) AS none_left_behind
FROM strata.pool_pages WHERE table_name = 'cm';
DROP TABLE cm;
DROP FUNCTION wait_job, wait_units;
