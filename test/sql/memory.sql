-- memory.sql: figures of the shared region add up; who may see them; the memory debugger.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
CREATE SCHEMA mem;
CREATE TABLE mem.t (id bigint, grp int, val numeric(10,2), note text);
INSERT INTO mem.t SELECT g, g % 7, g / 100.0, md5((g % 1000)::text) FROM generate_series(1, 150000) g;
VACUUM (FREEZE, ANALYZE) mem.t;
SELECT strata.enable('mem.t');
SELECT strata.populate('mem.t') > 0 AS populated;
SELECT status, rows_in_columns FROM strata.column_tables WHERE relid = 'mem.t'::regclass;

-- Every byte is on one account, and what is not used is free.
SELECT used_bytes = slab_bytes + arena_bytes + large_bytes + pool_bytes + overhead_bytes AS used_adds_up,
       used_bytes + free_bytes = limit_bytes AS limit_adds_up, used_bytes > overhead_bytes AS in_use,
       requested_bytes <= used_bytes - overhead_bytes AS requested, idle_bytes <= committed_bytes AS idle,
       committed_bytes <= reserved_bytes AS committed, largest_free_bytes <= free_bytes AS largest,
       page_size >= 4096 AS page, allocs >= frees AS counted, failures >= 0 AS failures
FROM strata.memory_status();

-- The allocators, and that each row is sound.
SELECT allocator FROM strata.allocator_stats();
SELECT allocator FROM strata.allocator_stats()
WHERE fragmentation NOT BETWEEN 0 AND 1 OR used_bytes < 0 OR current_bytes < 0
   OR (allocator IN ('arena', 'large_object', 'pool') AND allocs < frees)
   OR (allocator LIKE 'slab %' AND (used_bytes > current_bytes OR peak_bytes IS NOT NULL OR failures IS NOT NULL));
SELECT allocator, allocated_bytes - freed_bytes = current_bytes AS balance, current_bytes <= peak_bytes AS peak, failures >= 0 AS failures
FROM strata.allocator_stats() WHERE allocator IN ('slab', 'arena', 'large_object', 'pool');

-- Two functions are two looks, between which a worker may allocate, and a worker counts its objects when its
-- transaction ends; there is a moment at which all agree.
DO $$
DECLARE
  agree bool := false;
BEGIN
  FOR i IN 1 .. 1000 LOOP
    SELECT (SELECT sum(current_bytes) FROM strata.allocator_stats() WHERE allocator IN ('slab', 'arena', 'large_object', 'pool')) = used_bytes - overhead_bytes
       AND (SELECT sum(current_bytes) FROM strata.allocator_stats() WHERE allocator LIKE 'slab %') = slab_bytes
       AND NOT EXISTS (SELECT FROM strata.allocator_stats()
                       WHERE allocator ~ '^slab \d' AND (allocated_bytes - freed_bytes <> used_bytes OR allocs < frees))
    INTO agree FROM strata.memory_status();
    EXIT WHEN agree;
  END LOOP;
  RAISE NOTICE 'allocators and status agree: %', agree;
END $$;

-- The tree of arenas: one cut, so that every total is the sum of what is below.
CREATE TEMP TABLE contexts AS SELECT * FROM strata.memory_contexts;
SELECT name, level, parent_id IS NULL AS no_parent, life, limit_bytes FROM contexts WHERE level = 0;
SELECT c.name FROM contexts c LEFT JOIN contexts p ON p.id = c.parent_id
WHERE c.level > 0 AND (p.id IS NULL OR p.level <> c.level - 1);
SELECT name FROM contexts c
WHERE total_bytes <> bytes + (SELECT coalesce(sum(total_bytes), 0) FROM contexts d WHERE d.parent_id = c.id)
   OR total_bytes > peak_bytes OR used_bytes > bytes OR total_bytes > limit_bytes;
SELECT count(*) FROM contexts WHERE process_ended;
SELECT p.name, count(*) > 0 AS units, bool_and(c.life = 'shared') AS shared
FROM contexts c JOIN contexts p ON p.id = c.parent_id WHERE c.name ~ '^unit ' AND p.name = 'mem.t' GROUP BY p.name;

-- Bad arguments.
\set VERBOSITY sqlstate
SELECT * FROM strata.leaks(NULL);
SELECT * FROM strata.leaks('-1 second');
SELECT * FROM strata.leaks('100000000 years');
\set VERBOSITY default

-- Only who may monitor sees any of it.
CREATE ROLE mem_nobody;
CREATE ROLE mem_monitor IN ROLE pg_monitor;
SET ROLE mem_nobody;
SELECT * FROM strata.memory_status();
SELECT * FROM strata.allocator_stats();
SELECT * FROM strata.memory_contexts;
SELECT * FROM strata.memory_contexts_rows();
SELECT * FROM strata.allocations;
SELECT * FROM strata.allocations_rows();
SELECT * FROM strata.leaks();
SELECT * FROM strata.memory_debug_status();
SET ROLE mem_monitor;
SELECT count(*) AS one FROM strata.memory_status();
SELECT count(*) > 4 AS some FROM strata.allocator_stats();
SELECT count(*) > 0 AS some FROM strata.memory_contexts;
SELECT count(*) AS none FROM strata.leaks();
SELECT recording, records, unrecorded FROM strata.memory_debug_status();
RESET ROLE;

-- The debugger.  The postmaster switches it when it reads its configuration, for all at once.
CREATE PROCEDURE mem.debug(wanted bool) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_reload_conf();
  FOR i IN 1 .. 10000 LOOP
    PERFORM FROM strata.memory_debug_status() WHERE recording = wanted;
    EXIT WHEN FOUND;
    PERFORM pg_sleep(0.01); -- poll
  END LOOP;
END $$;
SET strata.memory_debug = on;
ALTER SYSTEM SET strata.memory_debug = on;
CALL mem.debug(true);
SELECT recording, unrecorded, double_frees, wrong_sizes, overruns, underruns, unknown_frees FROM strata.memory_debug_status();
SELECT strata.populate('mem.t', force => true) > 0 AS populated;
SELECT rows_in_columns FROM strata.column_tables WHERE relid = 'mem.t'::regclass;
SELECT count(*) > 0 AS recorded, bool_and(site ~ '^[a-z_]+[.]c:\d+$') AS sites, bool_and(bytes >= 0) AS bytes,
       bool_and(age >= '0') AS ages, bool_and(address ~ '^0x[0-9a-f]+$') AS addresses
FROM strata.allocations;
SELECT kind, arena ~ '^unit ' AS unit, shared, process_ended, count(*) > 0 AS some FROM strata.allocations
WHERE arena IN (SELECT c.name FROM strata.memory_contexts c JOIN strata.memory_contexts p ON p.id = c.parent_id WHERE p.name = 'mem.t')
GROUP BY 1, 2, 3, 4 ORDER BY 1;

-- Nothing is left behind: by errors, by errors that are caught, by cancelled queries, by cursors.
SET strata.column_scan = on;
SELECT sum(1 / (id - 75000)) FROM mem.t;
DO $$
BEGIN
  FOR i IN 1 .. 5 LOOP
    BEGIN
      PERFORM sum(1 / (id - 75000)) FROM mem.t;
    EXCEPTION WHEN division_by_zero THEN
      NULL;
    END;
  END LOOP;
END $$;
SET statement_timeout = '200ms';
SELECT count(*) FROM mem.t a, mem.t b, mem.t c WHERE a.val + b.val > c.val;
RESET statement_timeout;
BEGIN;
DECLARE c CURSOR FOR SELECT id, note FROM mem.t UNION ALL SELECT id, note FROM mem.t;
FETCH 1 FROM c;
SELECT name, life, process_ended, used_bytes > 0 AS used FROM strata.memory_contexts WHERE pid = pg_backend_pid() AND life = 'process'; -- the query's
SAVEPOINT s;
FETCH 1 FROM c;
SELECT 1 / 0;
ROLLBACK TO s;
COMMIT;
SELECT kind, site, bytes, pid, arena, reason FROM strata.leaks('0');
SELECT count(*) AS left_over FROM strata.memory_contexts WHERE pid = pg_backend_pid() AND life = 'process';

-- What was recorded is forgotten when it is freed, though the debugger is off.
ALTER SYSTEM RESET strata.memory_debug;
CALL mem.debug(false);
SELECT recording, unrecorded, double_frees, wrong_sizes, overruns, underruns, unknown_frees FROM strata.memory_debug_status();
SELECT strata.evict('mem.t') > 0 AS evicted;
DROP TABLE mem.t;
DROP PROCEDURE mem.debug;
DROP SCHEMA mem;
DROP ROLE mem_nobody, mem_monitor;
