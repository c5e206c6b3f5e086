-- pool.sql: the page pool.  Reading takes pg_monitor; what changes it, the owner of the extension or a grant.

CREATE FUNCTION strata.pool_stats(OUT total_frames bigint, OUT used_frames bigint, OUT free_frames bigint,
    OUT pinned_frames bigint, OUT dirty_frames bigint, OUT frame_bytes bigint, OUT pages bigint,
    OUT pinned_pages bigint, OUT dirty_pages bigint, OUT dirty_ratio float8, OUT hits bigint, OUT misses bigint,
    OUT hit_ratio float8, OUT miss_ratio float8, OUT page_reads bigint, OUT page_writes bigint,
    OUT read_bytes bigint, OUT write_bytes bigint, OUT io_wait_us bigint, OUT evictions bigint,
    OUT evicted_bytes bigint, OUT avg_search_length float8, OUT lost_pages bigint, OUT prefetched bigint,
    OUT prefetch_hits bigint, OUT prefetch_wasted bigint, OUT ghosts_dropped bigint,
    OUT cold_file_bytes bigint, OUT cold_used_bytes bigint, OUT eviction_policy text)
RETURNS record
LANGUAGE C VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'strata_pool_stats_row';
COMMENT ON FUNCTION strata.pool_stats() IS 'The page pool: frames now, and what it has done since the server started; ratios are null until there is something to divide by.';
REVOKE EXECUTE ON FUNCTION strata.pool_stats() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION strata.pool_stats() TO pg_monitor;

CREATE FUNCTION strata.pool_tiers(OUT tier text, OUT pages bigint, OUT frames bigint, OUT bytes bigint,
    OUT image_bytes bigint, OUT promotions bigint, OUT demotions bigint)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'strata_pool_tiers';
COMMENT ON FUNCTION strata.pool_tiers() IS 'One row a tier: bytes are memory (hot, warm) or space in the cold file (cold), image_bytes those of the pages as they are when hot.';
REVOKE EXECUTE ON FUNCTION strata.pool_tiers() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION strata.pool_tiers() TO pg_monitor;

CREATE FUNCTION strata.pool_policy_stats(OUT name text, OUT value float8)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'strata_pool_policy_stats_rows';
COMMENT ON FUNCTION strata.pool_policy_stats() IS 'What the running eviction policy keeps count of; the names depend on the policy.';
REVOKE EXECUTE ON FUNCTION strata.pool_policy_stats() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION strata.pool_policy_stats() TO pg_monitor;

CREATE FUNCTION strata.pool_pages_rows(OUT page_id bigint, OUT database oid, OUT schema_name name, OUT table_name name,
    OUT relid oid, OUT unit bigint, OUT attnum int2, OUT column_name name, OUT tier text, OUT frames int,
    OUT frames_now int, OUT bytes bigint, OUT pins int, OUT dirty bool, OUT on_disk bool, OUT policy_state text)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'strata_pool_pages_rows';
COMMENT ON FUNCTION strata.pool_pages_rows() IS 'Rows of strata.pool_pages.';
REVOKE EXECUTE ON FUNCTION strata.pool_pages_rows() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION strata.pool_pages_rows() TO pg_monitor;

CREATE VIEW strata.pool_pages AS SELECT * FROM strata.pool_pages_rows();
COMMENT ON VIEW strata.pool_pages IS 'Every page of the pool, in all databases; schema, table and column are named for tables of this database only; attnum 0 is a page of small segments of several columns.';
GRANT SELECT ON strata.pool_pages TO pg_monitor;

CREATE FUNCTION strata.pool_flush(force bool DEFAULT false) RETURNS int
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'strata_pool_flush_sql';
COMMENT ON FUNCTION strata.pool_flush(bool) IS 'Writes dirty pages to the cold file, compressed ones first, then the oldest: strata.flush_batch of them, or all with force; returns how many. They stay in memory.';
REVOKE EXECUTE ON FUNCTION strata.pool_flush(bool) FROM PUBLIC;

CREATE FUNCTION strata.pool_pin(page_id bigint, expires interval DEFAULT '1 hour') RETURNS timestamptz
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'strata_pool_pin_sql';
COMMENT ON FUNCTION strata.pool_pin(bigint, interval) IS 'Brings a page into memory and keeps it there until pool_unpin(), the end of the session, or the time returned; expires null: no such time (infinity).';
REVOKE EXECUTE ON FUNCTION strata.pool_pin(bigint, interval) FROM PUBLIC;

CREATE FUNCTION strata.pool_unpin(page_id bigint) RETURNS bool
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'strata_pool_unpin_sql';
COMMENT ON FUNCTION strata.pool_unpin(bigint) IS 'Takes one pin of this session off a page; false when this session has none on it.';
REVOKE EXECUTE ON FUNCTION strata.pool_unpin(bigint) FROM PUBLIC;

CREATE FUNCTION strata.pool_prefetch(page_ids bigint[]) RETURNS int
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'strata_pool_prefetch_sql';
COMMENT ON FUNCTION strata.pool_prefetch(bigint[]) IS 'Has a background worker bring pages into memory; returns how many were queued, which those in memory, already queued or gone are not.';
REVOKE EXECUTE ON FUNCTION strata.pool_prefetch(bigint[]) FROM PUBLIC;

CREATE FUNCTION strata.pool_simulate(policy text, frames int, trace bigint[], OUT accesses bigint, OUT hits bigint,
    OUT misses bigint, OUT evictions bigint, OUT ghost_hits bigint, OUT hit_ratio float8)
RETURNS record
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'strata_pool_simulate';
COMMENT ON FUNCTION strata.pool_simulate(text, int, bigint[]) IS 'Runs an eviction policy, with its parameters as the settings say, over a trace of page numbers in a cache of so many frames; touches no shared state, and takes at most maintenance_work_mem.';
