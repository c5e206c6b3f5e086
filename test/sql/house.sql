-- house.sql: what holds for every object of the extension.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
SELECT strata.version() = extversion AS version_matches FROM pg_extension WHERE extname = 'pg_strata';

CREATE TEMP VIEW objects AS
SELECT d.classid, d.objid, pg_describe_object(d.classid, d.objid, 0) AS object
FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
WHERE e.extname = 'pg_strata' AND d.deptype = 'e';
SELECT count(*) > 2 AS has_objects FROM objects;

-- Every object has a comment that ends like a sentence; row types, rules and the like belong to their relation.
SELECT object FROM objects
WHERE classid NOT IN ('pg_type'::regclass, 'pg_rewrite'::regclass)
  AND coalesce(obj_description(objid, (SELECT relname FROM pg_class WHERE oid = classid)), '') !~ '^\S.*[.]$'
ORDER BY object COLLATE "C";

-- Nothing lies outside schema strata.
SELECT object FROM objects JOIN pg_proc p ON classid = 'pg_proc'::regclass AND objid = p.oid
WHERE p.pronamespace <> 'strata'::regnamespace
UNION ALL
SELECT object FROM objects JOIN pg_class c ON classid = 'pg_class'::regclass AND objid = c.oid
WHERE c.relnamespace <> 'strata'::regnamespace;

-- SECURITY DEFINER functions would need a fixed search_path.
SELECT object FROM objects JOIN pg_proc p ON classid = 'pg_proc'::regclass AND objid = p.oid
WHERE p.prosecdef AND NOT coalesce(p.proconfig::text ~ 'search_path', false);

-- Every setting says what it is and has a default that it accepts.
SELECT name FROM pg_settings WHERE name LIKE 'strata.%' AND short_desc !~ '^[A-Z].*[.]$' ORDER BY name COLLATE "C";
SELECT count(*) FROM strata.settings WHERE name NOT LIKE 'strata.%';
