-- column.sql: the column store: catalog, functions, views

-- One row a table in the column store.  Written by strata.enable() and strata.disable(); dropped and renamed tables
-- and columns are followed.  Column names, not numbers, and regclass, not oid, so that a dump can be restored.
-- A row counts for partitions and other children too, unless they have one of their own.
CREATE TABLE strata.enabled_tables (
    relid regclass NOT NULL PRIMARY KEY,
    columns name[],
    priority text NOT NULL CHECK (priority IN ('low', 'medium', 'high', 'critical')),
    compression text NOT NULL CHECK (compression IN ('auto', 'dictionary', 'rle', 'for', 'delta', 'raw', 'fsst')),
    enabled_at timestamptz NOT NULL DEFAULT now(),
    enabled_by name NOT NULL DEFAULT current_user,
    excluded bool NOT NULL DEFAULT false
);
COMMENT ON TABLE strata.enabled_tables IS 'Tables of this database that strata.enable() put into the column store; columns NULL means every column that can be stored, excluded a partition or other child that is kept out.';
REVOKE ALL ON strata.enabled_tables FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('strata.enabled_tables', '');

CREATE FUNCTION strata.enabled_tables_changed() RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'strata_enabled_tables_changed';
COMMENT ON FUNCTION strata.enabled_tables_changed() IS 'Tells the background workers at commit that rows of strata.enabled_tables changed, as a restored dump changes them.';
REVOKE EXECUTE ON FUNCTION strata.enabled_tables_changed() FROM PUBLIC;
CREATE TRIGGER enabled_tables_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON strata.enabled_tables
FOR EACH STATEMENT EXECUTE FUNCTION strata.enabled_tables_changed();

CREATE FUNCTION strata.enable(rel regclass, columns text[] DEFAULT NULL, priority text DEFAULT 'medium',
                              compression text DEFAULT 'auto') RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'strata_enable';
COMMENT ON FUNCTION strata.enable(regclass, text[], text, text) IS 'Puts a table, with its partitions and children, into the column store; a background worker copies it after commit.';
REVOKE EXECUTE ON FUNCTION strata.enable(regclass, text[], text, text) FROM PUBLIC;

CREATE FUNCTION strata.disable(rel regclass) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'strata_disable';
COMMENT ON FUNCTION strata.disable(regclass) IS 'Takes a table, with its partitions and children, out of the column store and frees its memory at commit.';
REVOKE EXECUTE ON FUNCTION strata.disable(regclass) FROM PUBLIC;

CREATE FUNCTION strata.populate(rel regclass, force bool DEFAULT false, strategy text DEFAULT 'full',
                                wait bool DEFAULT true) RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'strata_populate';
COMMENT ON FUNCTION strata.populate(regclass, bool, text, bool) IS 'Copies a table into the column store in a background worker; returns the job.';
REVOKE EXECUTE ON FUNCTION strata.populate(regclass, bool, text, bool) FROM PUBLIC;

CREATE FUNCTION strata.evict(rel regclass DEFAULT NULL, threshold_percent float8 DEFAULT NULL) RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'strata_evict';
COMMENT ON FUNCTION strata.evict(regclass, float8) IS 'Drops the columns of a table, or of all tables, from memory, or of as many as it takes to come under a percentage of strata.memory; returns the bytes freed.';
REVOKE EXECUTE ON FUNCTION strata.evict(regclass, float8) FROM PUBLIC;

CREATE FUNCTION strata.compact(rel regclass DEFAULT NULL) RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'strata_compact';
COMMENT ON FUNCTION strata.compact(regclass) IS 'Copies again, in a background worker, the units that hold stale or missing rows, or makes larger ones of units that hold few; returns the job.';
REVOKE EXECUTE ON FUNCTION strata.compact(regclass) FROM PUBLIC;

-- A view runs its functions with the rights of whoever reads the view, so these are open to everyone and filter
-- their rows themselves: pg_monitor sees all, others the tables that they may SELECT.

CREATE FUNCTION strata.column_tables_rows(OUT schema_name name, OUT table_name name, OUT relid regclass, OUT status text,
    OUT priority text, OUT compression text, OUT columns text[], OUT rows bigint, OUT rows_in_columns bigint,
    OUT units int, OUT populated_blocks bigint, OUT total_blocks bigint, OUT stale_blocks bigint,
    OUT tail_blocks bigint, OUT bytes bigint, OUT bytes_raw bigint, OUT compression_ratio float8,
    OUT hot_bytes bigint, OUT warm_bytes bigint, OUT cold_bytes bigint, OUT last_accessed timestamptz, OUT populated_at timestamptz, OUT scans bigint,
    OUT last_error text, OUT parent regclass, OUT partitions int)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'strata_column_tables_rows';
COMMENT ON FUNCTION strata.column_tables_rows() IS 'Rows of strata.column_tables that the caller may see.';

CREATE VIEW strata.column_tables AS SELECT * FROM strata.column_tables_rows();
COMMENT ON VIEW strata.column_tables IS 'Tables of this database in the column store: how much of each is in memory, and how fresh.';
GRANT SELECT ON strata.column_tables TO PUBLIC;

CREATE FUNCTION strata.column_units_rows(OUT schema_name name, OUT table_name name, OUT relid regclass, OUT unit int,
    OUT first_block bigint, OUT blocks int, OUT rows bigint, OUT copied_blocks int, OUT stale_blocks int,
    OUT bytes bigint, OUT generation bigint)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'strata_column_units_rows';
COMMENT ON FUNCTION strata.column_units_rows() IS 'Rows of strata.column_units that the caller may see.';

CREATE VIEW strata.column_units AS SELECT * FROM strata.column_units_rows();
COMMENT ON VIEW strata.column_units IS 'Units in the column store: the heap blocks that each covers, its rows and its stale blocks.';
GRANT SELECT ON strata.column_units TO PUBLIC;

CREATE FUNCTION strata.column_segments_rows(OUT schema_name name, OUT table_name name, OUT relid regclass, OUT unit int,
    OUT column_name name, OUT attnum int2, OUT type regtype, OUT encoding text, OUT width int, OUT rows bigint,
    OUT null_count bigint, OUT distinct_estimate bigint, OUT min text, OUT max text, OUT bytes bigint,
    OUT bytes_raw bigint, OUT tier text)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'strata_column_segments_rows';
COMMENT ON FUNCTION strata.column_segments_rows() IS 'Rows of strata.column_segments that the caller may see.';

CREATE VIEW strata.column_segments AS SELECT * FROM strata.column_segments_rows();
COMMENT ON VIEW strata.column_segments IS 'One row a column of a unit: encoding, size and zone map (min and max only for who may SELECT the column).';
GRANT SELECT ON strata.column_segments TO PUBLIC;

CREATE FUNCTION strata.column_stats(OUT tables bigint, OUT units bigint, OUT rows bigint, OUT bytes bigint,
    OUT limit_bytes bigint, OUT used_bytes bigint, OUT scans bigint, OUT rows_from_columns bigint,
    OUT rows_from_heap bigint, OUT units_scanned bigint, OUT units_pruned bigint, OUT stale_blocks_read bigint,
    OUT rows_populated bigint, OUT units_populated bigint, OUT units_evicted bigint, OUT population_errors bigint,
    OUT region_alloc_failures bigint)
RETURNS record
LANGUAGE C VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'strata_column_stats';
COMMENT ON FUNCTION strata.column_stats() IS 'Totals of the column store over all databases since the server started.';
REVOKE EXECUTE ON FUNCTION strata.column_stats() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION strata.column_stats() TO pg_monitor;
