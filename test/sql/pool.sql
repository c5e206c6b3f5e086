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
