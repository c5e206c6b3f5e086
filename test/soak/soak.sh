#!/bin/bash
# soak.sh: eight sessions on a store two to four times larger than strata.memory, for SOAK_SECONDS (600), while
#   - every twenty seconds strata.memory and strata.eviction_policy are changed under load,
#   - after two of five changes a random process of the server is killed with SIGKILL, and the server restarts itself,
#   - the memory of the region is measured from outside, up to ten times a second.
# Every session asks each question with the column store off and on in one snapshot.  Checked while it runs:
# equal answers, memory within strata.memory + 2 %.  Checked at the end: equal answers on every table, no page pinned, no
# leak, accounts that add up, nothing in the log but what killing explains, no cold file after the stop.
# The last line is "N passed, N failed".  SOAK_CLIENTS (8), SOAK_ROWS (600000 a table), SOAK_KILL (seconds from change to
# change, 20; 0: no kills), SOAK_SEED; KEEP=1 leaves the directory behind.  The extension must be installed in the PostgreSQL of PG_CONFIG.
set -euo pipefail
export PG_CONFIG=${PG_CONFIG:-pg_config}
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../cluster.sh"
seconds=${SOAK_SECONDS:-600}
clients=${SOAK_CLIENTS:-8}
rows=${SOAK_ROWS:-600000}
kill_every=${SOAK_KILL:-20}
RANDOM=${SOAK_SEED:-$$}
sizes=(20 24 32 48) # MB of strata.memory, in turn
reserved=512         # MB of strata.memory_max, by which the mapping is known
tables=(t0 t1 t2 t3)
policies=(CLOCK LRU 2Q LRU-K LIRS ARC)

work=$(server_tmpdir strata-soak)
pids=()
finish() {
  local status=$?
  touch "$work/stop"
  [ ${#pids[@]} = 0 ] || wait "${pids[@]}" 2> /dev/null || true
  cluster_stop "$work" || true
  [ -n "${KEEP:-}" ] && echo "# left behind: $work" || rm -rf "$work"
  exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

passed=0
failed=0
check() { # check STATUS NAME
  if [ "$1" = 0 ]; then
    passed=$((passed + 1))
    echo "ok $((passed + failed)) - $2"
  else
    failed=$((failed + 1))
    echo "not ok $((passed + failed)) - $2"
  fi
}
sql() { as_server psql -qXAt -v ON_ERROR_STOP=1 -d postgres "$@"; }

cluster_start "$work" "shared_preload_libraries = 'pg_strata'" 'shared_buffers = 256MB' 'max_connections = 40' 'max_worker_processes = 16' \
  'max_wal_size = 4GB' 'checkpoint_timeout = 30s' 'jit = off' 'restart_after_crash = on' 'autovacuum_naptime = 10s' \
  "strata.memory_max = ${reserved}MB" "strata.memory = ${sizes[0]}MB" 'strata.gc_interval = 10s' 'strata.memory_debug = on'

sql -c 'CREATE EXTENSION pg_strata'
for t in "${tables[@]}"; do
  # Wide and hard to compress: the four of them take some 87 MB when encoded.
  sql -c "CREATE TABLE $t (id bigint, grp int, val int, price float8, amount numeric(12,2), day date, note text, hash text);
    INSERT INTO $t SELECT g, g % 11, (random() * 1e6)::int, random(), (random() * 1e6)::numeric(12,2), date '2020-01-01' + (random() * 900)::int,
      'note ' || g % 97, md5(g::text || '$t') FROM generate_series(1, $rows) g;
    CREATE INDEX ON $t (id)" -c "VACUUM (FREEZE, ANALYZE) $t" -c "SELECT strata.enable('$t')" > "$work/setup.log"
done
for t in "${tables[@]}"; do sql -c "SELECT strata.populate('$t')" > "$work/setup.log"; done
sql -c 'SELECT table_name, status, rows_in_columns, bytes, hot_bytes, warm_bytes, cold_bytes FROM strata.column_tables ORDER BY 1' | sed 's/^/# /'

questions=(
  'SELECT count(*), sum(val), min(id), max(id), sum(amount) FROM %t'
  'SELECT grp, count(*), sum(val), avg(amount), min(day), max(note) FROM %t GROUP BY grp ORDER BY grp'
  "SELECT note, count(*), max(hash) FROM %t WHERE day < '2021-03-01' AND val BETWEEN 1000 AND 200000 GROUP BY note ORDER BY note"
  "SELECT id, val, hash FROM %t WHERE note = 'note 7' AND val % 500 = 7 ORDER BY id, val, hash"
  'SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM %t t'
  "SELECT min(hash), max(hash), count(*) FILTER (WHERE price < 0.3) FROM %t WHERE hash LIKE '%a7f%'")

# The same question twice in one snapshot; \gset compares on the server's side of nothing: the texts are compared here.
compare() { # compare TABLE QUESTION OUT
  local q=${2//%t/$1}
  as_server psql -qXAt -v ON_ERROR_STOP=1 -d postgres > "$3.out" 2> "$3.err" << SQL || return 2
SET max_parallel_workers_per_gather = $((RANDOM % 3));
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SET strata.column_scan = off;
SELECT md5(string_agg(r::text, '|' ORDER BY n)) FROM (SELECT q.*::text AS r, row_number() OVER () AS n FROM ($q) q) s;
SET strata.column_scan = on;
SELECT md5(string_agg(r::text, '|' ORDER BY n)) FROM (SELECT q.*::text AS r, row_number() OVER () AS n FROM ($q) q) s;
COMMIT;
SQL
  local answers
  mapfile -t answers < "$3.out"
  [ "${#answers[@]}" = 2 ] && [ "${answers[0]}" = "${answers[1]}" ]
}

writer_sql() { # one random change
  local t=${tables[RANDOM % ${#tables[@]}]} n=$((RANDOM * 32768 + RANDOM))
  case $((RANDOM % 12)) in
    0 | 1 | 2) echo "UPDATE $t SET val = val + 1 WHERE id BETWEEN $((n % rows)) AND $((n % rows + 40))" ;;
    3 | 4) echo "INSERT INTO $t SELECT g, 1, g, 0.5, 1.5, '2021-01-01', 'new', md5(g::text) FROM generate_series(1, 200) g" ;;
    5) echo "DELETE FROM $t WHERE id BETWEEN $((n % rows)) AND $((n % rows + 20))" ;;
    6) echo "SELECT strata.populate('$t', wait => false)" ;;
    7) echo "SELECT strata.evict('$t')" ;;
    8) echo "SELECT strata.gc($([ $((RANDOM % 2)) = 0 ] && echo true || echo false))" ;;
    9) echo 'SELECT count(strata.pool_pin(page_id)) FROM (SELECT page_id FROM strata.pool_pages ORDER BY random() LIMIT 3) p' ;;
    10) echo 'SELECT strata.pool_flush()' ;;
    11) echo "SET statement_timeout = 30; SELECT count(DISTINCT hash) FROM $t" ;;
  esac
}

client() { # client NUMBER: until told to stop
  local me=$work/client.$1 t q status asked=0 wrong=0 lost=0
  RANDOM=$((${SOAK_SEED:-$$} + $1 * 7919))
  while [ ! -e "$work/stop" ]; do
    t=${tables[RANDOM % ${#tables[@]}]}
    q=${questions[RANDOM % ${#questions[@]}]}
    status=0
    compare "$t" "$q" "$me" || status=$?
    case $status in
      0) asked=$((asked + 1)) ;;
      1)
        wrong=$((wrong + 1))
        echo "$t: $q: $(tr '\n' ' ' < "$me.out")" >> "$work/wrong"
        ;;
      *)
        lost=$((lost + 1))
        # Whatever is not the server going down is an error of ours.
        grep -vE 'terminating connection|server closed|connection to server|recovery mode|not yet accepting|starting up|shutting down|canceling statement|crash of another|corrupted shared memory|In a moment|before or while|could not (send|receive)|SSL|No such file|Is the server' \
          "$me.err" | grep -E 'ERROR|FATAL|PANIC' >> "$work/errors" || true
        ;;
    esac
    as_server psql -qXAt -d postgres -c "$(writer_sql)" > "$me.w.out" 2> "$me.w.err" || true
  done
  echo "$asked $wrong $lost" > "$me.done"
}

# The region's memory as the kernel counts it.  As root: blocks of the mapping's own shmem file, which is all of it.  Else
# the mapping's Pss over the server's processes.
mapping() { # mapping PID: where the region is, known by its size
  local range from to rest
  while read -r range rest; do
    case $rest in *' /dev/zero '*) ;; *) continue ;; esac
    from=${range%-*}
    to=${range#*-}
    if [ $((16#$to - 16#$from)) = $((reserved * 1024 * 1024)) ]; then
      echo "$range"
      return
    fi
  done 2> /dev/null < "/proc/$1/maps"
}

measure() { # bytes; nothing when the server is down
  local pm range
  pm=$(head -n 1 "$work/data/postmaster.pid" 2> /dev/null) || return 0
  range=$(mapping "$pm")
  [ -n "$range" ] || return 0
  if [ "$(id -u)" = 0 ]; then
    stat -L -c '%b %B' "/proc/$pm/map_files/$range" 2> /dev/null | awk '{ print $1 * $2 }'
  else
    cat /proc/"$pm"/smaps $(pgrep -P "$pm" | sed 's|.*|/proc/&/smaps|') 2> /dev/null |
      awk -v range="$range" '/^[0-9a-f]+-[0-9a-f]+ / { on = $1 == range } on && /^Pss:/ { n += $2 } END { print n * 1024 }'
  fi
}

# In one step: somebody may be reading.
say_limit() {
  echo "$1" > "$work/limit.new"
  mv "$work/limit.new" "$work/limit"
}

watch_memory() {
  local bytes limit most=0 samples=0
  while [ ! -e "$work/stop" ]; do
    bytes=$(measure)
    # The limit is moved by the loop below: after lowering it, the server has a moment to let go.
    limit=$(cat "$work/limit")
    if [ -n "$bytes" ] && [ "$limit" != moving ]; then
      samples=$((samples + 1))
      [ "$bytes" -le "$most" ] || most=$bytes
      if [ "$bytes" -gt $((limit * 1024 * 1024 * 102 / 100)) ] && [ "$(cat "$work/limit")" = "$limit" ]; then
        echo "$bytes bytes with a limit of $limit MB" >> "$work/over"
      fi
    fi
    sleep 0.1 # pace of the measurements
  done
  echo "$samples $most" > "$work/memory.done"
}

say_limit "${sizes[0]}"
begun=$SECONDS
for ((i = 0; i < clients; i++)); do
  client "$i" &
  pids+=($!)
done
watch_memory &
pids+=($!)

kills=0
turn=0
slowest=0
while [ $((SECONDS - begun)) -lt "$seconds" ]; do
  sleep "$([ "$kill_every" -gt 0 ] && echo "$kill_every" || echo 20)"
  turn=$((turn + 1))
  size=${sizes[turn % ${#sizes[@]}]}
  policy=${policies[turn % ${#policies[@]}]}
  say_limit moving
  if sql -c "ALTER SYSTEM SET strata.memory = '${size}MB'" -c "ALTER SYSTEM SET strata.eviction_policy = '$policy'" -c 'SELECT pg_reload_conf()' > "$work/alter.out" 2>&1; then
    # Lowering is over when the server says so.
    turned=$(date +%s%3N)
    for ((try = 0; try < 300; try++)); do
      fits=$(sql -c 'SELECT limit_bytes = '$((size * 1024 * 1024))' AND committed_bytes <= limit_bytes FROM strata.memory_status()' 2> /dev/null || true)
      [ "$fits" != t ] || break
      sleep 0.1 # poll
    done
    turned=$(($(date +%s%3N) - turned))
    [ "$turned" -le "$slowest" ] || slowest=$turned
    [ "$fits" = t ] || echo "strata.memory = $size MB was not obeyed in 30 s" >> "$work/over"
    # A crash restart reads the file again, so the new limit is what holds from here in any case.
    say_limit "$size"
  fi # else the server was down: which limit holds is known after the next turn
  if [ "$kill_every" -gt 0 ] && [ $((turn % 5)) -lt 2 ]; then
    victims=($(pgrep -P "$(head -n 1 "$work/data/postmaster.pid")" || true))
    if [ ${#victims[@]} -gt 0 ]; then
      victim=${victims[RANDOM % ${#victims[@]}]}
      if grep -qE 'postgres' "/proc/$victim/comm" 2> /dev/null; then
        kill -9 "$victim" 2> /dev/null && kills=$((kills + 1))
      fi
    fi
  fi
done
touch "$work/stop"
wait "${pids[@]}" 2> /dev/null || true
pids=()

# The last crash, if there is one under way, ends.
for ((try = 0; try < 600; try++)); do
  sql -c 'SELECT 1' > "$work/alive" 2>&1 && break
  sleep 0.1 # poll
done
asked=0
wrong=0
lost=0
for ((i = 0; i < clients; i++)); do
  read -r a w l < "$work/client.$i.done"
  asked=$((asked + a))
  wrong=$((wrong + w))
  lost=$((lost + l))
done
read -r samples most < "$work/memory.done"
echo "# $seconds s, $clients sessions, $kills processes killed: $asked questions answered twice, $lost lost to crashes and timeouts"
echo "# memory measured $samples times, at most $((most / 1024)) kB; a new strata.memory was kept within $slowest ms, crashes included"
[ ! -e "$work/wrong" ] || head -n 20 "$work/wrong" | sed 's/^/# wrong: /'
[ ! -e "$work/errors" ] || sort "$work/errors" | uniq -c | sort -rn | head -n 20 | sed 's/^/# error: /'
[ ! -e "$work/over" ] || head -n 20 "$work/over" | sed 's/^/# memory: /'
status() { "$@" && echo 0 || echo 1; }
check "$(status [ "$asked" -gt "$clients" ])" 'every session was answered'
check "$(status [ "$wrong" = 0 ])" 'all answers were equal'
check "$(status [ ! -s "$work/errors" ])" 'no error but those of killed servers'
check "$(status [ "$samples" -gt 0 ])" 'the memory was measured'
check "$(status [ ! -e "$work/over" ])" 'the memory stayed within strata.memory + 2 %'

for t in "${tables[@]}"; do
  sql -c "SELECT strata.populate('$t')" > "$work/populate.out" 2>&1 || true
  for q in "${questions[@]}"; do
    check "$(status compare "$t" "$q" "$work/last")" "$t afterwards: $q"
  done
done
check "$(status [ "$(sql -c 'SELECT count(*) FROM strata.pool_pages WHERE pins > 0')" = 0 ])" 'no page is pinned'
check "$(status [ "$(sql -c 'SELECT used_bytes = slab_bytes + arena_bytes + large_bytes + pool_bytes + overhead_bytes FROM strata.memory_status()')" = t ])" 'the accounts add up'
check "$(status [ "$(sql -c "SELECT count(*) FROM strata.leaks('0 s')")" = 0 ])" 'no leak'
check "$(status [ "$(grep -cE 'PANIC|TRAP|freed twice|overrun|could not be read back|checksum' "$work/server.log")" = 0 ])" 'nothing in the log that killing does not explain'
cold=$(as_server find "$work/data/base/pgsql_tmp" -name 'pgsql_tmp_strata*' 2> /dev/null | wc -l)
check "$(status [ "$cold" -gt 0 ])" 'there was a cold file'
figures=$(sql -F ' ' -c 'SELECT page_reads, evictions, rows_from_columns, rows_from_heap FROM strata.pool_stats(), strata.column_stats()')
echo "# since the last crash: page reads, evictions, rows from columns, rows from the heap: $figures"
check "$(status [ "${figures%% *}" -gt 0 ])" 'pages were read from it'
cluster_stop "$work"
left=$(find "$work/data/base/pgsql_tmp" -name 'pgsql_tmp_strata*' 2> /dev/null | wc -l)
check "$(status [ "$left" = 0 ])" 'no cold file after an orderly stop'
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
