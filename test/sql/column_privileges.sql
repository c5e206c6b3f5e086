-- column_privileges.sql: who may change and who may see what.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
SET search_path = public;
CREATE ROLE cp_owner;
CREATE ROLE cp_reader;
CREATE ROLE cp_column;
CREATE ROLE cp_nobody;
CREATE ROLE cp_monitor IN ROLE pg_monitor;
CREATE SCHEMA cp AUTHORIZATION cp_owner;
GRANT USAGE ON SCHEMA cp TO PUBLIC;

-- Nobody but the extension's owner may change anything without a grant.
SET ROLE cp_owner;
CREATE TABLE cp.t WITH (autovacuum_enabled = off) AS SELECT i AS a, 'secret ' || i AS b FROM generate_series(1, 50) i;
SELECT strata.enable('cp.t');
SELECT strata.disable('cp.t');
SELECT strata.populate('cp.t');
SELECT strata.evict('cp.t');
SELECT strata.compact('cp.t');
SELECT strata.cancel_job(1);
SELECT * FROM strata.enabled_tables;
INSERT INTO strata.enabled_tables (relid, priority, compression) VALUES ('cp.t', 'low', 'auto');
SELECT * FROM strata.memory_status();
SELECT * FROM strata.column_stats();
RESET ROLE;

-- With EXECUTE, a table's owner needs no more, and others get no further than that.
GRANT EXECUTE ON FUNCTION strata.enable, strata.disable, strata.populate, strata.evict, strata.compact, strata.cancel_job
TO cp_owner, cp_reader, cp_nobody;
SET ROLE cp_owner;
GRANT SELECT ON cp.t TO cp_reader;
GRANT SELECT (a) ON cp.t TO cp_column;
SELECT strata.enable('cp.t');
SELECT strata.populate('cp.t') > 0 AS job;
SET ROLE cp_reader;
SELECT strata.enable('cp.t');
SELECT strata.disable('cp.t');
SELECT strata.populate('cp.t');
SELECT strata.evict('cp.t');
SELECT strata.compact('cp.t');
SELECT strata.evict() AS only_own_tables;
SELECT strata.enable('pg_class');
-- the owner's finished job may be seen by readers, not cancelled
SELECT max(id) AS job FROM strata.jobs WHERE target = 'cp.t' \gset
\set VERBOSITY sqlstate
SELECT strata.cancel_job(:job) AS cancelled;
\set VERBOSITY default
SET ROLE cp_owner;
SELECT strata.cancel_job(:job) AS cancelled;

-- Rows are shown to who may SELECT the table, values to who may SELECT the column.
SELECT current_user, table_name, rows_in_columns FROM strata.column_tables;
SELECT current_user, column_name, min, max FROM strata.column_segments ORDER BY attnum;
SET ROLE cp_reader;
SELECT current_user, table_name, rows_in_columns FROM strata.column_tables;
SELECT current_user, column_name, min, max FROM strata.column_segments ORDER BY attnum;
SET ROLE cp_column;
SELECT current_user, table_name, rows_in_columns FROM strata.column_tables;
SELECT current_user, column_name, min, max FROM strata.column_segments ORDER BY attnum;
SET ROLE cp_nobody;
SELECT count(*) FROM strata.column_tables;
SELECT count(*) FROM strata.column_units;
SELECT count(*) FROM strata.column_segments;
SELECT count(*) FROM strata.jobs;
SET ROLE cp_monitor;
SELECT current_user, table_name, rows_in_columns FROM strata.column_tables;
SELECT current_user, column_name, min, max FROM strata.column_segments ORDER BY attnum;
SELECT count(*) > 0 AS jobs FROM strata.jobs;
SELECT page_size > 0 AS memory FROM strata.memory_status();
SELECT tables > 0 AS stats FROM strata.column_stats();

-- Row security hides the bounds from those it applies to.
SET ROLE cp_owner;
CREATE POLICY p ON cp.t FOR SELECT USING (a < 10);
ALTER TABLE cp.t ENABLE ROW LEVEL SECURITY;
SELECT current_user, column_name, min, max FROM strata.column_segments ORDER BY attnum;
SET ROLE cp_reader;
SELECT current_user, column_name, min, max FROM strata.column_segments ORDER BY attnum;

RESET ROLE;
DROP SCHEMA cp CASCADE;
SELECT count(*) FROM strata.column_tables;
REVOKE EXECUTE ON FUNCTION strata.enable, strata.disable, strata.populate, strata.evict, strata.compact, strata.cancel_job
FROM cp_owner, cp_reader, cp_nobody;
DROP ROLE cp_owner, cp_reader, cp_column, cp_nobody, cp_monitor;
