-- events.sql: the event ring, as SQL sees it.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_strata;
RESET client_min_messages;

-- The first event of an epoch tells the epoch; other tests may have published many since.
SELECT seq, topic, event_type, pid = r.postmaster_pid AS by_postmaster, database IS NULL AS no_database,
       fields = jsonb_build_object('epoch', r.epoch) AS right_epoch, "timestamp" BETWEEN created_at AND now() AS right_time
FROM strata.events(topic => 'system') e, strata.ring_status() r
WHERE event_type = 'server_started';

SELECT path LIKE '/%' AS path, epoch ~ '^[0-9a-f]{16}$' AS epoch, layout_version, slot_bytes,
       rare_slots = chatter_slots AND rare_slots * 2 * 512 = pg_size_bytes(current_setting('strata.event_ring_size')) AS slots,
       bytes > (rare_slots + chatter_slots) * slot_bytes AS bytes, last_seq >= 1 AS last_seq,
       events_published >= 1 AS counted,
       server_version_num = current_setting('server_version_num')::int AS version, heartbeat_at >= created_at AS heartbeat
FROM strata.ring_status();

-- Rising seqs; since and max_rows cut exactly.
SELECT count(*) > 0 AS some, bool_and(seq > before) IS NOT FALSE AS rising
FROM (SELECT seq, lag(seq, 1, 0::bigint) OVER () AS before FROM strata.events(0, NULL, NULL)) e;
SELECT bool_and(seq > last_seq) IS NOT FALSE AS only_newer
FROM strata.ring_status(), LATERAL strata.events(last_seq);
SELECT count(*) FROM strata.events(max_rows => 0);
SELECT count(*) FROM strata.events(max_rows => 1);
SELECT count(*) = (SELECT count(DISTINCT code) FROM strata.event_types) AS codes_are_unique FROM strata.event_types;
-- A since that this epoch has not reached is from before a restart.
SELECT min(seq) = 1 AS from_the_start FROM strata.events(1000000000000);

SELECT code, name, topic, lane, fields, text FROM strata.event_types
WHERE name IN ('server_started', 'population_started', 'simd_scan') ORDER BY code;
SELECT DISTINCT lane FROM strata.event_types ORDER BY lane;

-- Mistakes.
SELECT strata.events(-1);
SELECT strata.events(max_rows => -1);
SELECT strata.events(topic => 'weather');
SET strata.event_ring_size = '1MB';

-- Events name tables of every database: for those who may monitor.
CREATE ROLE regress_strata_nobody;
CREATE ROLE regress_strata_monitor IN ROLE pg_monitor;
SET ROLE regress_strata_nobody;
SELECT count(*) > 10 AS types_are_public FROM strata.event_types;
SELECT strata.events();
SELECT strata.ring_status();
SET ROLE regress_strata_monitor;
SELECT count(*) FROM strata.events(max_rows => 1);
SELECT last_seq > 0 AS last_seq FROM strata.ring_status();
RESET ROLE;
DROP ROLE regress_strata_nobody, regress_strata_monitor;
