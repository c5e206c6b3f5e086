-- pool.sql: the page pool in SQL.  Eviction, expiry and the end of sessions are in test/t.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;
SET search_path = public;

-- ---- simulation: the papers' policies on traces worked out by hand ----

-- Three frames, LRU: 1 2 3 miss, 1 hits, 4 evicts 2, 2 evicts 3, 1 hits.
SELECT * FROM strata.pool_simulate('LRU', 3, '{1,2,3,1,4,2,1}');
-- CLOCK: 4 sweeps all use bits away and evicts 1; 2 is used again, so 5 passes it by and evicts 3.  Case does not count.
SELECT * FROM strata.pool_simulate('clock', 3, '{1,2,3,4,2,5,2}');
-- A loop of one more than fits is the worst case of LRU, and LIRS's best.
SELECT policy, (strata.pool_simulate(policy, 10, trace)).*
FROM unnest('{LRU,LIRS}'::text[]) policy,
     (SELECT array_agg(i % 11 ORDER BY i) AS trace FROM generate_series(0::bigint, 1099) i) loop;
-- All six, over the same skewed trace: hits and misses add up, and no policy evicts what it has not taken in.
SELECT policy, accesses = 4000 AS accesses, hits + misses = accesses AS adds_up, evictions <= misses - 40 AS evictions,
       ghost_hits <= misses AS ghosts, hit_ratio = hits::float8 / accesses AS ratio, hits > 1000 AS skewed
FROM unnest('{CLOCK,LRU,2Q,LRU-K,LIRS,ARC}'::text[]) policy,
     (SELECT array_agg((i * i * 7919 % 1009) * (i * 31 % 97) / 97 / 5 ORDER BY i) AS trace FROM generate_series(1::bigint, 4000) i) t,
     LATERAL strata.pool_simulate(policy, 40, trace) s;
-- Any numbers are pages; no accesses, no ratio; null is null.
SELECT * FROM strata.pool_simulate('ARC', 2, '{-9223372036854775808,9223372036854775807,0,-9223372036854775808}');
SELECT * FROM strata.pool_simulate('2Q', 1, '{}');
SELECT strata.pool_simulate('LRU', 1, NULL) IS NULL;
-- Everything fits.
SELECT misses, evictions FROM strata.pool_simulate('LRU-K', 2147483647, '{1,2,3,2,1}');
-- What cannot be.
SELECT strata.pool_simulate('FIFO', 3, '{1}');
SELECT strata.pool_simulate('', 3, '{1}');
SELECT strata.pool_simulate('LRU', 0, '{1}');
SELECT strata.pool_simulate('LRU', -1, '{1}');
SELECT strata.pool_simulate('LRU', 3, '{1,NULL}');
SELECT strata.pool_simulate('LRU', 3, '{{1,2},{3,4}}');
-- Memory is bounded, with the way out said; and the run can be cancelled.
SET maintenance_work_mem = '1MB';
SELECT strata.pool_simulate('LRU', 3, array_agg(i)) FROM generate_series(1::bigint, 100000) i;
SET maintenance_work_mem = '1GB';
CREATE TABLE pool_trace AS SELECT array_agg(i * 7919 % 1000003) AS trace FROM generate_series(1::bigint, 1000000) i;
SET statement_timeout = '20ms';
SELECT strata.pool_simulate('LRU-K', 100000, trace) FROM pool_trace;
RESET statement_timeout;
RESET maintenance_work_mem;
DROP TABLE pool_trace;

-- ---- bad input to what changes the pool ----

SELECT strata.pool_pin(0);
SELECT strata.pool_pin(-1);
SELECT strata.pool_pin(9223372036854775807);
SELECT strata.pool_pin(NULL) IS NULL AS is_null;
SELECT strata.pool_pin(1, '0 s');
SELECT strata.pool_pin(1, '-1 hour');
SELECT strata.pool_pin(1, '1000000 years');
SELECT strata.pool_unpin(0), strata.pool_unpin(-1), strata.pool_unpin(9223372036854775807);
SELECT strata.pool_prefetch('{}'), strata.pool_prefetch('{0,-1,9223372036854775807,1,1}'), strata.pool_prefetch(NULL);
SELECT strata.pool_prefetch('{1,NULL}');
SELECT strata.pool_prefetch('{{1},{2}}');

-- ---- figures ----

SELECT total_frames > 0 AS total, used_frames + free_frames = total_frames AS adds_up, pinned_frames <= used_frames AS pinned,
       dirty_frames <= used_frames AS dirty, frame_bytes, eviction_policy,
       hit_ratio IS NULL = (hits + misses = 0) AS ratio
FROM strata.pool_stats();
SELECT tier FROM strata.pool_tiers();
SELECT t.pages = s.pages AS pages, t.frames = s.used_frames AS frames
FROM strata.pool_stats() s, (SELECT sum(pages) AS pages, sum(frames) AS frames FROM strata.pool_tiers()) t;
SELECT count(*) > 0 AS some, bool_and(value >= 0) AS values FROM strata.pool_policy_stats();
SELECT name, unit FROM strata.settings WHERE name ~ '^strata\.prefetch' ORDER BY name;

-- ---- pages of a table ----

CREATE TABLE pool_t WITH (autovacuum_enabled = off) AS
SELECT i AS id, i * 7919 % 100003 AS spread, md5(i::text) AS words FROM generate_series(1, 100000) i;
VACUUM (FREEZE) pool_t;
SELECT strata.enable('pool_t');
SELECT strata.populate('pool_t') > 0 AS job;
CREATE VIEW pool_t_pages AS SELECT * FROM strata.pool_pages WHERE relid = 'pool_t'::regclass;
SELECT schema_name, table_name, database = (SELECT oid FROM pg_database WHERE datname = current_database()) AS here,
       array_agg(DISTINCT column_name ORDER BY column_name) AS columns, min(unit) AS first_unit,
       bool_and(tier = 'hot') AS hot, bool_and(bytes <= frames * (SELECT frame_bytes FROM strata.pool_stats())) AS fits,
       bool_and(frames = frames_now) AS frames, sum(pins) AS pins, bool_and(dirty <> on_disk) AS dirty_or_on_disk,
       bool_and(attnum = 0 OR column_name IS NOT NULL) AS named, bool_and(policy_state IS NOT NULL) AS known_to_policy
FROM pool_t_pages GROUP BY 1, 2, 3;

-- Flushed pages stay, and are not dirty any more.
SELECT strata.pool_flush(true) > 0 AS some;
SELECT bool_and(tier = 'hot') AS hot, bool_or(dirty) AS dirty, bool_and(on_disk) AS on_disk FROM pool_t_pages;
SELECT strata.pool_flush(true), strata.pool_flush();

-- A pinned page stays when all others go.
SELECT page_id AS pinned, column_name FROM pool_t_pages WHERE column_name = 'words' AND unit = 0 \gset
SELECT p BETWEEN now() + '59 min' AND now() + '61 min' AS in_an_hour FROM strata.pool_pin(:pinned) p;
SELECT p BETWEEN now() + '23 h' AND now() + '25 h' AS in_a_day FROM strata.pool_pin(:pinned, '1 day') p;
SELECT strata.pool_pin(:pinned, NULL);
SELECT pins FROM strata.pool_pages WHERE page_id = :pinned;
SELECT pinned_pages, pinned_frames = (SELECT frames FROM strata.pool_pages WHERE page_id = :pinned) AS its_frames FROM strata.pool_stats();
SELECT pool_bytes AS before FROM strata.memory_status() \gset
SELECT strata.release_pressure(0) AS freed \gset
SELECT :freed >= (:before - pool_bytes) / 2 AND :before > pool_bytes AS freed_as_told FROM strata.memory_status();
SELECT page_id = :pinned AS pinned, tier, count(*) > 0 AS some, bool_and(frames_now = 0) AS no_memory FROM pool_t_pages GROUP BY 1, 2 ORDER BY 1;
SELECT strata.pool_unpin(:pinned), strata.pool_unpin(:pinned), strata.pool_unpin(:pinned), strata.pool_unpin(:pinned);
SELECT pins, tier FROM strata.pool_pages WHERE page_id = :pinned;

-- The worker brings pages back that are asked for; those in memory are not asked for.
SELECT array_agg(page_id ORDER BY page_id) AS cold FROM pool_t_pages WHERE tier = 'cold' \gset
SELECT prefetched AS before FROM strata.pool_stats() \gset
SELECT strata.pool_prefetch(:'cold') = cardinality(:'cold'::bigint[]) AS all_queued, strata.pool_prefetch(ARRAY[:pinned]) AS in_memory;
SET statement_timeout = '1min';
DO $$
BEGIN
    WHILE EXISTS (SELECT FROM pool_t_pages WHERE tier <> 'hot') LOOP
        PERFORM pg_sleep(0.01); -- poll
    END LOOP;
END $$;
RESET statement_timeout;
SELECT prefetched - :before = cardinality(:'cold'::bigint[]) AS counted FROM strata.pool_stats();
SELECT prefetch_hits AS before FROM strata.pool_stats() \gset
SELECT count(*), sum(id), max(words) FROM pool_t WHERE spread >= 0;
SELECT prefetch_hits > :before AS used FROM strata.pool_stats();
-- Pages that are gone stay gone under their number.
SELECT strata.evict('pool_t') > 0 AS evicted;
SELECT count(*) FROM pool_t_pages;
\set VERBOSITY sqlstate
SELECT strata.pool_pin((:'cold'::bigint[])[1]) IS NULL;
\set VERBOSITY default
SELECT strata.pool_prefetch(:'cold');
DROP VIEW pool_t_pages;
DROP TABLE pool_t;

-- ---- who may ----

CREATE ROLE pool_nobody;
CREATE ROLE pool_monitor IN ROLE pg_monitor;
SET ROLE pool_nobody;
SELECT hits FROM strata.pool_simulate('LRU', 2, '{1,1}');
SELECT * FROM strata.pool_stats();
SELECT * FROM strata.pool_tiers();
SELECT * FROM strata.pool_policy_stats();
SELECT * FROM strata.pool_pages;
SELECT strata.pool_flush();
SELECT strata.pool_pin(1);
SELECT strata.pool_unpin(1);
SELECT strata.pool_prefetch('{1}');
SET ROLE pool_monitor;
SELECT count(*) FROM strata.pool_stats();
SELECT count(*) FROM strata.pool_tiers();
SELECT count(*) >= 0 AS pages FROM strata.pool_pages;
SELECT strata.pool_flush();
SELECT strata.pool_pin(1);
SELECT strata.pool_unpin(1);
SELECT strata.pool_prefetch('{1}');
RESET ROLE;
GRANT EXECUTE ON FUNCTION strata.pool_flush, strata.pool_pin, strata.pool_unpin, strata.pool_prefetch TO pool_monitor;
SET ROLE pool_monitor;
SELECT strata.pool_flush() >= 0 AS flushed;
SELECT strata.pool_unpin(1);
SELECT strata.pool_prefetch('{1}') >= 0 AS queued;
RESET ROLE;
REVOKE EXECUTE ON FUNCTION strata.pool_flush, strata.pool_pin, strata.pool_unpin, strata.pool_prefetch FROM pool_monitor;
DROP ROLE pool_nobody, pool_monitor;
