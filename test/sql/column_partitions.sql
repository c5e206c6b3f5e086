-- column_partitions.sql: partitioned tables and inheritance: enabled, populated, evicted, disabled as one.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
SET search_path = public;
SET max_parallel_workers_per_gather = 0;
CREATE VIEW cpt_state AS SELECT relid, status, rows_in_columns, parent, partitions FROM strata.column_tables
  WHERE relid::text LIKE 'cpt%' AND status <> 'disabled' ORDER BY relid::text;
-- Waits until the worker has got tables with so many rows into memory, half a minute at most.
CREATE FUNCTION wait_rows(rel regclass, n bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. 3000 LOOP
    IF EXISTS (SELECT FROM strata.column_tables WHERE relid = rel AND status = 'populated' AND rows_in_columns = n) THEN
      RETURN 'there';
    END IF;
    PERFORM pg_sleep(0.01); /* poll */
  END LOOP;
  RETURN (SELECT concat_ws(' ', status, rows_in_columns, populated_blocks, stale_blocks, tail_blocks, last_error) FROM strata.column_tables WHERE relid = rel);
END $$;

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

CREATE TABLE cpt (a int, b int, c text) PARTITION BY RANGE (a);
CREATE TABLE cpt1 PARTITION OF cpt FOR VALUES FROM (0) TO (1000) WITH (autovacuum_enabled = off);
CREATE TABLE cpt2 PARTITION OF cpt FOR VALUES FROM (1000) TO (3000) PARTITION BY RANGE (a);
CREATE TABLE cpt21 PARTITION OF cpt2 FOR VALUES FROM (1000) TO (2000) WITH (autovacuum_enabled = off);
INSERT INTO cpt SELECT i, i % 10, 'c' || i % 7 FROM generate_series(0, 1999) i;
SELECT strata.enable('cpt', columns => '{a, c}', priority => 'high');
SELECT strata.populate('cpt') > 0 AS job;
SELECT * FROM cpt_state;
SELECT relid, columns, priority FROM strata.column_tables WHERE relid::text LIKE 'cpt%' ORDER BY relid::text;
SELECT relid, columns, priority, excluded FROM strata.enabled_tables ORDER BY relid::text;

-- The plan reads the partitions that it must from columns.
EXPLAIN (COSTS OFF) SELECT count(c), sum(a) FROM cpt WHERE a < 500;
SELECT count(c), sum(a) FROM cpt WHERE a < 500;
SELECT count(c), sum(a) FROM cpt;

-- Partitions that come later, at any level, are copied unasked; the columns of each are found by name.
BEGIN;
CREATE TABLE cpt22 PARTITION OF cpt2 FOR VALUES FROM (2000) TO (3000) WITH (autovacuum_enabled = off);
INSERT INTO cpt SELECT i, i % 10, 'c' || i % 7 FROM generate_series(2000, 2999) i;
COMMIT;
VACUUM (FREEZE) cpt22;
SELECT wait_rows('cpt22', 1000);
CREATE TABLE cpt3 (c text, dropped int, a int, b int) WITH (autovacuum_enabled = off);
ALTER TABLE cpt3 DROP COLUMN dropped;
INSERT INTO cpt3 SELECT 'c' || i % 7, i, i FROM generate_series(3000, 3099) i;
ALTER TABLE cpt ATTACH PARTITION cpt3 FOR VALUES FROM (3000) TO (4000);
SELECT wait_rows('cpt3', 100);
SELECT column_name, rows, min, max FROM strata.column_segments WHERE relid = 'cpt3'::regclass ORDER BY attnum;
SELECT wait_rows('cpt', 3100);
SELECT count(c), sum(a) FROM cpt;

-- One that is detached leaves.
ALTER TABLE cpt DETACH PARTITION cpt3;
SELECT wait_rows('cpt', 3000);
SELECT * FROM cpt_state;
SELECT strata.populate('cpt3');
ALTER TABLE cpt ATTACH PARTITION cpt3 FOR VALUES FROM (3000) TO (4000);

-- A row of its own counts for more than that of the parent, and a partition can be kept out.
SELECT strata.enable('cpt1', priority => 'low');
SELECT strata.disable('cpt2');
SELECT wait_rows('cpt', 1100);
SELECT * FROM cpt_state;
SELECT relid, columns, priority, excluded FROM strata.enabled_tables ORDER BY relid::text;
SELECT relid, columns, priority FROM strata.column_tables WHERE relid::text LIKE 'cpt%' ORDER BY relid::text;
SELECT strata.populate('cpt21');
SELECT strata.disable('cpt21');
SELECT strata.disable('cpt1');
SELECT strata.enable('cpt2');
SELECT strata.populate('cpt', strategy => 'incremental') > 0 AS job;
SELECT * FROM cpt_state;

-- A job over a family is one job each, and tells of all.
SELECT strata.populate('cpt', force => true) AS job \gset
SELECT target, state, done, total, rows FROM strata.jobs WHERE id = :job;
SELECT target, state, rows, parent = :job AS part FROM strata.jobs WHERE parent = :job ORDER BY target;
SELECT strata.compact('cpt') AS job \gset
SELECT wait_job(:job);

-- Columns are renamed and dropped in one place for all.
ALTER TABLE cpt RENAME COLUMN c TO d;
SELECT columns FROM strata.enabled_tables WHERE relid = 'cpt'::regclass;
SELECT relid, columns FROM strata.column_tables WHERE parent = 'cpt'::regclass ORDER BY relid::text;
ALTER TABLE cpt DROP COLUMN d;
SELECT columns FROM strata.enabled_tables WHERE relid = 'cpt'::regclass;

-- All leave at once.
SELECT strata.evict('cpt') > 0 AS freed;
SELECT rows_in_columns, partitions FROM strata.column_tables WHERE relid = 'cpt'::regclass;
SELECT strata.populate('cpt') > 0 AS job;
SELECT wait_rows('cpt', 2100);
SELECT strata.disable('cpt');
SELECT * FROM cpt_state;
SELECT count(*) FROM strata.enabled_tables;
SELECT strata.disable('cpt');
SELECT strata.populate('cpt');
SELECT strata.evict('cpt');
SELECT strata.compact('cpt');
SELECT count(*) AS left_behind FROM strata.column_units WHERE table_name LIKE 'cpt%';

-- Enabled and rolled back.
BEGIN;
SELECT strata.enable('cpt');
SELECT strata.populate('cpt');
ROLLBACK;
SELECT count(*) FROM strata.enabled_tables;

-- Dropped with its partitions.
SELECT strata.enable('cpt');
SELECT strata.populate('cpt') > 0 AS job;
DROP TABLE cpt3;
SELECT rows_in_columns, partitions FROM strata.column_tables WHERE relid = 'cpt'::regclass;
DROP TABLE cpt;
SELECT count(*) FROM strata.enabled_tables;
SELECT count(*) AS left_behind FROM strata.column_units WHERE table_name LIKE 'cpt%';

-- One without partitions is a family too.
CREATE TABLE cpt (a int) PARTITION BY LIST (a);
SELECT strata.enable('cpt');
SELECT strata.populate('cpt') > 0 AS job;
SELECT * FROM cpt_state;
DROP TABLE cpt;

-- Inheritance: the parent has rows of its own; children that cannot be stored are left to the heap.
CREATE TABLE cpt (a int, b int);
CREATE TABLE cpt_child (c int) INHERITS (cpt);
CREATE TABLE cpt_grandchild (d int) INHERITS (cpt_child);
CREATE UNLOGGED TABLE cpt_unlogged () INHERITS (cpt);
INSERT INTO cpt SELECT i, 1 FROM generate_series(1, 100) i;
INSERT INTO cpt_child SELECT i, 2, 2 FROM generate_series(1, 200) i;
INSERT INTO cpt_grandchild SELECT i, 3, 3, 3 FROM generate_series(1, 300) i;
INSERT INTO cpt_unlogged SELECT i, 4 FROM generate_series(1, 400) i;
SELECT strata.enable('cpt');
SELECT strata.populate('cpt') > 0 AS job;
SELECT * FROM cpt_state;
SELECT sum(b), count(*) FROM cpt;
ALTER TABLE cpt_child NO INHERIT cpt;
SELECT strata.populate('cpt') > 0 AS job;
SELECT sum(b), count(*) FROM cpt;
SELECT strata.disable('cpt');
SELECT relid FROM cpt_state;
DROP TABLE cpt, cpt_unlogged;
DROP TABLE cpt_child CASCADE;

-- Who may: the owner of all of it.
CREATE ROLE cpt_one;
CREATE ROLE cpt_two;
CREATE TABLE cpt (a int) PARTITION BY RANGE (a);
CREATE TABLE cpt1 PARTITION OF cpt FOR VALUES FROM (0) TO (100);
INSERT INTO cpt SELECT generate_series(0, 99);
ALTER TABLE cpt OWNER TO cpt_one;
ALTER TABLE cpt1 OWNER TO cpt_two;
GRANT EXECUTE ON FUNCTION strata.enable, strata.disable, strata.populate, strata.evict, strata.compact TO cpt_one, cpt_two;
SET ROLE cpt_one;
SELECT strata.enable('cpt');
RESET ROLE;
ALTER TABLE cpt1 OWNER TO cpt_one;
SET ROLE cpt_one;
SELECT strata.enable('cpt');
RESET ROLE;
ALTER TABLE cpt1 OWNER TO cpt_two;
SET ROLE cpt_two;
SELECT strata.disable('cpt');
SELECT strata.populate('cpt');
SELECT strata.evict('cpt');
SET ROLE cpt_one;
SELECT strata.populate('cpt') > 0 AS job;
SELECT relid, rows_in_columns FROM strata.column_tables;
SELECT strata.evict('cpt') > 0 AS freed;
SELECT strata.disable('cpt');
RESET ROLE;
DROP TABLE cpt;
REVOKE EXECUTE ON FUNCTION strata.enable, strata.disable, strata.populate, strata.evict, strata.compact FROM cpt_one, cpt_two;
DROP ROLE cpt_one, cpt_two;
DROP VIEW cpt_state;
DROP FUNCTION wait_rows, wait_job;
