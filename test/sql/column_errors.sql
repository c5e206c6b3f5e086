-- column_errors.sql: what the functions of the column store refuse, with SQLSTATE and text.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
SET search_path = public;
\set SHOW_CONTEXT never

-- SQLSTATE, message and hint of a failing statement.
CREATE FUNCTION fails(stmt text) RETURNS TABLE (state text, message text, hint text) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE stmt;
  state := '00000';
  RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
  RETURN NEXT;
END $$;
\x on

-- The one kind of type that stays in the heap: a C string.
SET client_min_messages = warning;
CREATE TYPE ce_cstring;
CREATE FUNCTION ce_in(cstring) RETURNS ce_cstring LANGUAGE internal IMMUTABLE STRICT AS 'cstring_in';
CREATE FUNCTION ce_out(ce_cstring) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'cstring_out';
CREATE TYPE ce_cstring (INPUT = ce_in, OUTPUT = ce_out, LIKE = cstring);
RESET client_min_messages;
CREATE TABLE ce (a int, b ce_cstring, c text) WITH (autovacuum_enabled = off);
CREATE INDEX ce_a ON ce (a);
CREATE SEQUENCE ce_seq;
CREATE VIEW ce_view AS SELECT 1 AS a;
CREATE TYPE ce_type AS (a int);
CREATE TEMP TABLE ce_part (a int) PARTITION BY RANGE (a);
CREATE TEMP TABLE ce_part1 PARTITION OF ce_part FOR VALUES FROM (0) TO (10);
CREATE UNLOGGED TABLE ce_unlogged (a int);
CREATE TEMP TABLE ce_temp (a int);
CREATE FOREIGN DATA WRAPPER ce_fdw;
CREATE SERVER ce_server FOREIGN DATA WRAPPER ce_fdw;
CREATE FOREIGN TABLE ce_foreign (a int) SERVER ce_server;
CREATE TABLE ce_none (b ce_cstring);
CREATE ACCESS METHOD ce_am TYPE TABLE HANDLER heap_tableam_handler;

-- relations that are not tables, or not such tables
SELECT * FROM fails($$SELECT strata.enable('ce_a')$$);
SELECT * FROM fails($$SELECT strata.enable('ce_seq')$$);
SELECT * FROM fails($$SELECT strata.enable('ce_view')$$);
SELECT * FROM fails($$SELECT strata.enable('ce_type')$$);
SELECT * FROM fails($$SELECT strata.enable('ce_part')$$);
SELECT * FROM fails($$SELECT strata.enable('ce_unlogged')$$);
SELECT * FROM fails($$SELECT strata.enable('ce_temp')$$);
SELECT * FROM fails($$SELECT strata.enable('ce_foreign')$$);
SELECT * FROM fails($$SELECT strata.enable('pg_class')$$);
SELECT * FROM fails($$SELECT strata.enable('no_such_table')$$);
SELECT * FROM fails($$SELECT strata.enable(4000000000::oid)$$);
SELECT state, regexp_replace(message, '[0-9]+', 'N') AS message FROM fails($$SELECT strata.enable((SELECT reltoastrelid FROM pg_class WHERE oid = 'ce'::regclass)::regclass)$$) ;
SELECT * FROM fails($$SELECT strata.populate('ce_view')$$);
SELECT * FROM fails($$SELECT strata.compact('ce_part')$$);

-- columns
SELECT * FROM fails($$SELECT strata.enable('ce', ARRAY['nope'])$$);
SELECT * FROM fails($$SELECT strata.enable('ce', ARRAY['b'])$$);
SELECT * FROM fails($$SELECT strata.enable('ce', ARRAY['a', 'c', 'a'])$$);
SELECT * FROM fails($$SELECT strata.enable('ce', ARRAY['a', NULL])$$);
SELECT * FROM fails($$SELECT strata.enable('ce', ARRAY['ctid'])$$);
SELECT * FROM fails($$SELECT strata.enable('ce', '{}')$$);
SELECT * FROM fails($$SELECT strata.enable('ce', '{{a},{c}}')$$);
SELECT * FROM fails($$SELECT strata.enable('ce_none')$$);

-- other arguments
SELECT * FROM fails($$SELECT strata.enable('ce', priority => 'urgent')$$);
SELECT * FROM fails($$SELECT strata.enable('ce', compression => 'zip')$$);
SELECT * FROM fails($$SELECT strata.enable(NULL)$$);
SELECT * FROM fails($$SELECT strata.enable('ce', NULL, NULL)$$);
SELECT * FROM fails($$SELECT strata.enable('ce', NULL, 'low', NULL)$$);
SELECT * FROM fails($$SELECT strata.disable(NULL)$$);
SELECT * FROM fails($$SELECT strata.populate(NULL)$$);
SELECT * FROM fails($$SELECT strata.populate('ce', strategy => 'half')$$);
SELECT * FROM fails($$SELECT strata.populate('ce', force => NULL)$$);
SELECT * FROM fails($$SELECT strata.evict(threshold_percent => 101)$$);
SELECT * FROM fails($$SELECT strata.evict(threshold_percent => 'NaN')$$);
SELECT * FROM fails($$SELECT strata.cancel_job(NULL)$$);
SELECT * FROM fails($$SELECT strata.cancel_job(-1)$$);
SELECT * FROM fails($$SELECT strata.cancel_job(9223372036854775807)$$);
SELECT * FROM fails($$SELECT strata.enabled_tables_changed()$$);

-- not enabled
SELECT * FROM fails($$SELECT strata.disable('ce')$$);
SELECT * FROM fails($$SELECT strata.populate('ce')$$);
SELECT * FROM fails($$SELECT strata.evict('ce')$$);
SELECT * FROM fails($$SELECT strata.compact('ce')$$);

-- what the worker could never see or lock is refused instead of waited for
BEGIN;
SELECT strata.enable('ce');
SELECT * FROM fails($$SELECT strata.populate('ce')$$);
SELECT * FROM fails($$SELECT strata.populate('ce', wait => false)$$);
COMMIT;
SELECT strata.populate('ce') > 0 AS job;
BEGIN;
LOCK TABLE ce;
SELECT * FROM fails($$SELECT strata.populate('ce')$$);
ROLLBACK;
BEGIN;
TRUNCATE ce;
SELECT * FROM fails($$SELECT strata.populate('ce')$$);
ROLLBACK;
-- read only
BEGIN READ ONLY;
SELECT * FROM fails($$SELECT strata.enable('ce')$$);
SELECT * FROM fails($$SELECT strata.disable('ce')$$);
SELECT strata.populate('ce') > 0 AS job;
ROLLBACK;
\x off

-- unlogged later: the units leave, and populating says why it cannot
ALTER TABLE ce SET UNLOGGED;
SELECT state, message FROM fails($$SELECT strata.populate('ce')$$);

DROP TABLE ce, ce_part, ce_unlogged, ce_none;
SET client_min_messages = warning;
DROP TYPE ce_cstring CASCADE;
RESET client_min_messages;
DROP VIEW ce_view;
DROP TYPE ce_type;
DROP SEQUENCE ce_seq;
DROP FOREIGN TABLE ce_foreign;
DROP SERVER ce_server;
DROP FOREIGN DATA WRAPPER ce_fdw;
DROP ACCESS METHOD ce_am;
DROP FUNCTION fails;
SELECT count(*) FROM strata.enabled_tables;
