-- general.sql: version and settings
CREATE FUNCTION strata.version() RETURNS text
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'strata_version';
COMMENT ON FUNCTION strata.version() IS 'Version of the loaded pg_strata library.';

CREATE VIEW strata.settings AS
SELECT name, setting, unit, short_desc AS description, context, vartype AS type, source, min_val, max_val,
       enumvals, boot_val, reset_val, context = 'postmaster' AS restart_needed, pending_restart
FROM pg_catalog.pg_settings
WHERE name LIKE 'strata.%';
COMMENT ON VIEW strata.settings IS 'The strata.* settings: value, unit, where the value comes from, whether a change needs a restart.';
GRANT USAGE ON SCHEMA strata TO PUBLIC;
GRANT SELECT ON strata.settings TO PUBLIC;
