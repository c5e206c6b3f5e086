-- column_basic.sql: a table goes into the column store, is changed, and leaves it.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
DROP TABLE IF EXISTS cb, cb_empty;
RESET client_min_messages;
SET search_path = public;

CREATE TABLE cb (id int, grp text, amount numeric(10, 2), d date, ok bool, f float8, note jsonb)
WITH (autovacuum_enabled = off);
INSERT INTO cb SELECT i, 'g' || i % 5, i / 100.0, date '2020-01-01' + i % 100, i % 2 = 0, i / 4.0, '{}'
FROM generate_series(1, 20000) i;
INSERT INTO cb (id) VALUES (NULL);

SELECT strata.enable('cb');
SELECT strata.populate('cb') > 0 AS job;

SELECT schema_name, table_name, relid, status, priority, compression, columns, rows, rows_in_columns,
       units, populated_blocks = total_blocks AS all_blocks, stale_blocks, tail_blocks,
       bytes = hot_bytes AS all_hot, compression_ratio > 1 AS smaller, populated_at IS NOT NULL AS populated, last_error
FROM strata.column_tables;
SELECT table_name, unit, first_block, rows, blocks = copied_blocks AS whole, stale_blocks FROM strata.column_units;
SELECT column_name, attnum, type, encoding, rows, null_count, distinct_estimate, min, max, tier
FROM strata.column_segments WHERE table_name = 'cb' ORDER BY attnum;
SELECT kind, target, state, phase, done = total AS whole, error FROM strata.jobs ORDER BY id DESC LIMIT 1;

-- Changed rows make their blocks stale, and no more than those.
UPDATE cb SET amount = 0 WHERE id = 1;
SELECT stale_blocks FROM strata.column_tables WHERE relid = 'cb'::regclass;
SELECT stale_blocks FROM strata.column_units WHERE relid = 'cb'::regclass;
-- Populating again vacuums first where that helps, and takes them in.
SELECT strata.populate('cb') > 0 AS job;
SELECT status, stale_blocks, tail_blocks, rows_in_columns FROM strata.column_tables WHERE relid = 'cb'::regclass;

-- Enabling again changes how: columns, priority, compression.
SELECT strata.enable('cb', ARRAY['id', 'grp'], 'critical', 'raw');
SELECT strata.populate('cb', force => true, strategy => 'incremental') > 0 AS job;
SELECT priority, compression, columns FROM strata.column_tables WHERE relid = 'cb'::regclass;
SELECT column_name, encoding FROM strata.column_segments WHERE table_name = 'cb' ORDER BY attnum;
SELECT relid, columns, priority, compression, enabled_by = current_user AS by_me FROM strata.enabled_tables;

-- Names are followed.
ALTER TABLE cb RENAME COLUMN grp TO grp2;
ALTER TABLE cb RENAME TO cb2;
SELECT relid, columns FROM strata.enabled_tables;
SELECT table_name, columns FROM strata.column_tables;
SELECT column_name FROM strata.column_segments WHERE table_name = 'cb2' ORDER BY attnum;
ALTER TABLE cb2 RENAME TO cb;

-- A dropped column leaves the list, and with the last one the table leaves the store; unless rolled back.
BEGIN;
ALTER TABLE cb DROP COLUMN grp2;
SELECT columns FROM strata.enabled_tables;
SAVEPOINT s;
ALTER TABLE cb DROP COLUMN id;
SELECT count(*) FROM strata.enabled_tables;
ROLLBACK TO s;
SELECT columns FROM strata.enabled_tables;
ROLLBACK;
SELECT columns FROM strata.enabled_tables;
SELECT status FROM strata.column_tables WHERE relid = 'cb'::regclass;

-- Eviction frees memory and leaves the table enabled; disable frees it and forgets the table.
SELECT strata.evict('cb', 100.0) AS nothing_to_do;
SELECT bytes AS before FROM strata.column_tables WHERE relid = 'cb'::regclass \gset
SELECT strata.evict('cb') = :before AS freed_all;
SELECT status, units, bytes FROM strata.column_tables WHERE relid = 'cb'::regclass;
SELECT strata.populate('cb') > 0 AS job;
SELECT status, units FROM strata.column_tables WHERE relid = 'cb'::regclass;
SELECT strata.compact('cb') > 0 AS job;
SELECT strata.compact() > 0 AS job;
BEGIN;
SELECT strata.disable('cb');
SELECT count(*) FROM strata.enabled_tables;
ROLLBACK;
SELECT units FROM strata.column_tables WHERE relid = 'cb'::regclass;
SELECT strata.disable('cb');
SELECT count(*) FROM strata.column_tables;
SELECT count(*) FROM strata.column_units;

-- An empty table is populated with nothing.
CREATE TABLE cb_empty (a int) WITH (autovacuum_enabled = off);
SELECT strata.enable('cb_empty');
SELECT strata.populate('cb_empty') > 0 AS job;
SELECT status, units, total_blocks, bytes, compression_ratio FROM strata.column_tables;

-- TRUNCATE: what was copied is gone at commit; DROP takes the catalog row along, unless rolled back.
INSERT INTO cb_empty SELECT generate_series(1, 100);
SELECT strata.populate('cb_empty') > 0 AS job;
SELECT units, rows_in_columns FROM strata.column_tables;
TRUNCATE cb_empty;
SELECT units, rows_in_columns FROM strata.column_tables;
BEGIN;
DROP TABLE cb_empty;
SELECT count(*) FROM strata.enabled_tables;
ROLLBACK;
SELECT relid FROM strata.enabled_tables;
DROP TABLE cb_empty;
SELECT count(*) FROM strata.enabled_tables;
SELECT count(*) FROM strata.column_tables;

-- A materialized view is a heap like any other.
CREATE MATERIALIZED VIEW cb_mat AS SELECT id, ok FROM cb;
SELECT strata.enable('cb_mat');
SELECT strata.populate('cb_mat') > 0 AS job;
SELECT table_name, status, rows_in_columns FROM strata.column_tables;
DROP MATERIALIZED VIEW cb_mat;

-- Memory adds up: what is handed out and what is not is the limit.
SELECT used_bytes + free_bytes = limit_bytes AS adds_up, limit_bytes <= reserved_bytes AS within,
       requested_bytes <= used_bytes AS requested, largest_free_bytes <= reserved_bytes AS largest, allocs >= frees AS counted
FROM strata.memory_status();
SELECT limit_bytes > 0 AS limited, rows_populated > 20000 AS rows, units_populated > 3 AS units, units_evicted > 2 AS evicted
FROM strata.column_stats();

DROP TABLE cb;
