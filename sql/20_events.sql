-- events.sql: the event ring.  Events name tables of every database, so reading them needs pg_monitor.
CREATE TYPE strata.event AS
(
    seq bigint,
    "timestamp" timestamptz,
    topic text,
    event_type text,
    pid int,
    database text,
    fields jsonb
);
COMMENT ON TYPE strata.event IS 'One event of the ring, as strata.events() returns it.';

CREATE FUNCTION strata.events(since bigint DEFAULT 0, topic text DEFAULT NULL, max_rows int DEFAULT 1000)
RETURNS SETOF strata.event
LANGUAGE C VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'strata_events';
COMMENT ON FUNCTION strata.events(bigint, text, int) IS
'Events after sequence number "since", oldest first; lost ones as rows of type ring_lost. A "since" from before a restart returns all.';
REVOKE EXECUTE ON FUNCTION strata.events(bigint, text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION strata.events(bigint, text, int) TO pg_monitor;

CREATE FUNCTION strata.event_type_list(OUT code int, OUT name text, OUT topic text, OUT lane text,
                                       OUT fields text[], OUT text text)
RETURNS SETOF record
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'strata_event_type_list';
COMMENT ON FUNCTION strata.event_type_list() IS 'The rows of the view strata.event_types.';

CREATE VIEW strata.event_types AS
SELECT code, name, topic, lane, fields, text FROM strata.event_type_list();
COMMENT ON VIEW strata.event_types IS 'Every event that pg_strata can publish: topic, lane, fields (? = only when known), meaning.';
GRANT SELECT ON strata.event_types TO PUBLIC;

CREATE FUNCTION strata.ring_status(OUT path text, OUT epoch text, OUT layout_version int, OUT bytes bigint,
                                   OUT slot_bytes int, OUT rare_slots int, OUT chatter_slots int, OUT last_seq bigint,
                                   OUT events_published bigint, OUT events_truncated bigint, OUT events_dropped bigint,
                                   OUT postmaster_pid int, OUT server_version_num int, OUT created_at timestamptz,
                                   OUT heartbeat_at timestamptz)
RETURNS record
LANGUAGE C VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'strata_ring_status';
COMMENT ON FUNCTION strata.ring_status() IS 'Where the event ring is and how it stands; "path" is what strata-tail and stratad open.';
REVOKE EXECUTE ON FUNCTION strata.ring_status() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION strata.ring_status() TO pg_monitor;
