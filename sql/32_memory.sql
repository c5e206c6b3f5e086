-- memory.sql: the shared region, its allocators, arenas, and the memory debugger

CREATE FUNCTION strata.memory_status(OUT reserved_bytes bigint, OUT limit_bytes bigint, OUT page_size bigint,
    OUT used_bytes bigint, OUT requested_bytes bigint, OUT overhead_bytes bigint, OUT free_bytes bigint,
    OUT largest_free_bytes bigint, OUT allocs bigint, OUT frees bigint, OUT failures bigint,
    OUT huge_page_size bigint, OUT huge_pages text, OUT committed_bytes bigint, OUT idle_bytes bigint,
    OUT slab_bytes bigint, OUT arena_bytes bigint, OUT large_bytes bigint, OUT pool_bytes bigint)
RETURNS record
LANGUAGE C VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'strata_memory_status';
COMMENT ON FUNCTION strata.memory_status() IS 'The shared region: reserved, limit, committed, and where every byte is: used = slab + arena + large + pool + overhead.';
REVOKE EXECUTE ON FUNCTION strata.memory_status() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION strata.memory_status() TO pg_monitor;

CREATE FUNCTION strata.allocator_stats(OUT allocator text, OUT allocated_bytes bigint, OUT freed_bytes bigint,
    OUT current_bytes bigint, OUT peak_bytes bigint, OUT used_bytes bigint, OUT fragmentation float8,
    OUT allocs bigint, OUT frees bigint, OUT failures bigint)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'strata_allocator_stats';
COMMENT ON FUNCTION strata.allocator_stats() IS 'One row an allocator of the shared region, and one a class of the slab allocator; fragmentation is the part of what is held that nobody uses.';
REVOKE EXECUTE ON FUNCTION strata.allocator_stats() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION strata.allocator_stats() TO pg_monitor;

CREATE FUNCTION strata.memory_contexts_rows(OUT id bigint, OUT parent_id bigint, OUT level int, OUT name text,
    OUT life text, OUT pid int, OUT process_ended bool, OUT bytes bigint, OUT used_bytes bigint,
    OUT total_bytes bigint, OUT peak_bytes bigint, OUT limit_bytes bigint, OUT allocs bigint, OUT resets bigint,
    OUT created_at timestamptz)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'strata_memory_contexts_rows';
COMMENT ON FUNCTION strata.memory_contexts_rows() IS 'Rows of strata.memory_contexts.';
REVOKE EXECUTE ON FUNCTION strata.memory_contexts_rows() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION strata.memory_contexts_rows() TO pg_monitor;

CREATE VIEW strata.memory_contexts AS SELECT * FROM strata.memory_contexts_rows();
COMMENT ON VIEW strata.memory_contexts IS 'Arenas of the shared region, parents before children: bytes are the blocks of the arena itself, total_bytes and peak_bytes count those below too.';
GRANT SELECT ON strata.memory_contexts TO pg_monitor;

CREATE FUNCTION strata.allocations_rows(OUT address text, OUT kind text, OUT site text, OUT bytes bigint,
    OUT allocated_at timestamptz, OUT age interval, OUT pid int, OUT process_ended bool, OUT shared bool,
    OUT arena_id bigint, OUT arena text)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'strata_allocations_rows';
COMMENT ON FUNCTION strata.allocations_rows() IS 'Rows of strata.allocations.';
REVOKE EXECUTE ON FUNCTION strata.allocations_rows() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION strata.allocations_rows() TO pg_monitor;

CREATE VIEW strata.allocations AS SELECT * FROM strata.allocations_rows();
COMMENT ON VIEW strata.allocations IS 'What the memory debugger recorded and what is not freed yet; empty unless strata.memory_debug is or was on.';
GRANT SELECT ON strata.allocations TO pg_monitor;

CREATE FUNCTION strata.leaks(min_age interval DEFAULT '1 min', OUT kind text, OUT site text, OUT bytes bigint,
    OUT allocated_at timestamptz, OUT age interval, OUT pid int, OUT arena_id bigint, OUT arena text, OUT reason text)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'strata_leaks';
COMMENT ON FUNCTION strata.leaks(interval) IS 'Memory at least that old whose owner is gone: the process ended or the arena was destroyed.';
REVOKE EXECUTE ON FUNCTION strata.leaks(interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION strata.leaks(interval) TO pg_monitor;

CREATE FUNCTION strata.memory_debug_status(OUT recording bool, OUT records bigint, OUT capacity bigint,
    OUT unrecorded bigint, OUT red_zones bool, OUT double_frees bigint, OUT wrong_sizes bigint, OUT overruns bigint,
    OUT underruns bigint, OUT unknown_frees bigint)
RETURNS record
LANGUAGE C VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'strata_memory_debug_status';
COMMENT ON FUNCTION strata.memory_debug_status() IS 'The memory debugger: what it records, what found no room, and the faults found since the server started.';
REVOKE EXECUTE ON FUNCTION strata.memory_debug_status() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION strata.memory_debug_status() TO pg_monitor;
