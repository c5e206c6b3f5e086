-- column_jobs.sql: jobs that wait, are cancelled, fail; and the events of a population.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
SET search_path = public;
CREATE TABLE cj (a int) WITH (autovacuum_enabled = off);
INSERT INTO cj SELECT generate_series(1, 1000);
SELECT strata.enable('cj');
SELECT strata.populate('cj') > 0 AS job;

-- Waits until a job is in the given phase or state, a minute at most.
CREATE FUNCTION wait_for(job bigint, what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. 6000 LOOP
    IF EXISTS (SELECT FROM strata.jobs WHERE id = job AND what IN (phase, state)) THEN
      RETURN what;
    END IF;
    PERFORM pg_sleep(0.01); /* poll */
  END LOOP;
  RETURN 'never';
END $$;

-- A locked table is not waited for: the job stays in the queue, where it can be cancelled.
BEGIN;
LOCK TABLE cj;
SELECT strata.populate('cj', force => true, wait => false) AS job \gset
SELECT wait_for(:job, 'waiting for lock');
SELECT strata.cancel_job(:job);
SELECT wait_for(:job, 'cancelled');
SELECT error FROM strata.jobs WHERE id = :job;
SELECT strata.cancel_job(:job) AS again;
ROLLBACK;

-- Another such job runs once the lock is gone.
BEGIN;
LOCK TABLE cj;
SELECT strata.populate('cj', force => true, wait => false) AS job \gset
SELECT wait_for(:job, 'waiting for lock');
COMMIT;
SELECT wait_for(:job, 'done');

-- One whose table is dropped meanwhile fails.
BEGIN;
CREATE TABLE cj_gone (a int);
COMMIT;
SELECT strata.enable('cj_gone');
SELECT strata.populate('cj_gone') > 0 AS job;
BEGIN;
LOCK TABLE cj_gone;
SELECT strata.populate('cj_gone', wait => false) AS job \gset
DROP TABLE cj_gone;
COMMIT;
SELECT wait_for(:job, 'failed');
SELECT kind, target, state, phase, error FROM strata.jobs WHERE id = :job;

-- compact() copies what is stale and can be had; without a table it does so for all.
INSERT INTO cj SELECT generate_series(1, 1000);
VACUUM (FREEZE) cj;
SELECT strata.compact() AS job \gset
SELECT wait_for(:job, 'done');
SELECT status, rows_in_columns, stale_blocks, tail_blocks FROM strata.column_tables WHERE relid = 'cj'::regclass;
-- It makes a job for each, which names it.
SELECT kind, target, state, done = total AS all_done, progress_percent, workers FROM strata.jobs WHERE id = :job;
SELECT kind, target, state, done = total AS all_done FROM strata.jobs WHERE parent = :job;

-- Incremental: only what copying makes fresher; a table that is fresh has nothing to do.
SELECT strata.populate('cj', strategy => 'incremental') AS job \gset
SELECT state, done, total, rows FROM strata.jobs WHERE id = :job;
UPDATE cj SET a = -a WHERE a % 500 = 0;
VACUUM (FREEZE) cj;
SELECT strata.populate('cj', strategy => 'incremental') AS job \gset
SELECT state, done = total AS all_done FROM strata.jobs WHERE id = :job;
SELECT status, rows_in_columns, stale_blocks, tail_blocks FROM strata.column_tables WHERE relid = 'cj'::regclass;

-- The events of a population carry its numbers.
SELECT coalesce(max(seq), 0) AS since FROM strata.events(max_rows => 1000000) \gset
SELECT strata.populate('cj', force => true) > 0 AS job;
SELECT event_type, database = current_database() AS here,
       fields - ARRAY['memory_used_bytes', 'compression_ratio', 'duration_ms', 'duration_us', 'original_bytes', 'compressed_bytes', 'estimated_remaining_ms'] AS fields
FROM strata.events(:since, 'inmemory') WHERE fields ->> 'table_name' = 'public.cj' AND event_type <> 'compression_started' ORDER BY seq;
SELECT coalesce(max(seq), 0) AS since FROM strata.events(max_rows => 1000000) \gset
SELECT strata.evict('cj') > 0 AS freed;
SELECT event_type, fields - 'memory_freed_bytes' AS fields, (fields ->> 'memory_freed_bytes')::bigint > 0 AS freed
FROM strata.events(:since, 'inmemory') WHERE fields ->> 'table_name' = 'public.cj' ORDER BY seq;

-- The worker shows itself.
SELECT DISTINCT backend_type, application_name, datname = current_database() AS here FROM pg_stat_activity
WHERE backend_type = 'pg_strata populator' AND datname = current_database();

DROP TABLE cj;
DROP FUNCTION wait_for;
