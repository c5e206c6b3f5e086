#!/bin/bash
# large.sh: a store twenty times larger than strata.memory answers as PostgreSQL does, under every eviction policy, in one
# process and in three, from pages that come and go.  LARGE_ROWS=30000000 of the shape of TPC-H's lineitem make columns of more
# than one gigabyte, two fifths of it for a checksum of each row: two of its hexadecimal digits take little more than a byte, and
# nothing makes that smaller.  strata.memory is a twentieth of what the columns take, lowered to it while all of them are in
# memory.  More than half of that goes to zone maps and what is known of each block, which always stay (a fortieth would not hold
# them), so pages have about a fiftieth of what they take.  The extension must be installed in the PostgreSQL of PG_CONFIG.
# The last line is "N passed, N failed".
set -euo pipefail
export PG_CONFIG=${PG_CONFIG:-pg_config}
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../cluster.sh"
rows=${LARGE_ROWS:-30000000}
work=$(server_tmpdir strata-large)
finish() {
  local status=$?
  cluster_stop "$work" || true
  [ -n "${KEEP:-}" ] && echo "# left behind: $work" || rm -rf "$work"
  exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM
passed=0
failed=0
check() { # check NAME COMMAND...
  local name=$1
  shift
  if "$@"; then
    passed=$((passed + 1))
    echo "ok $((passed + failed)) - $name"
  else
    failed=$((failed + 1))
    echo "not ok $((passed + failed)) - $name"
  fi
}
sql() { as_server psql -qXAt -v ON_ERROR_STOP=1 -d postgres "$@"; }

cluster_start "$work" "shared_preload_libraries = 'pg_strata'" 'shared_buffers = 1GB' 'max_wal_size = 16GB' 'checkpoint_timeout = 1h' \
  'autovacuum = off' 'jit = off' 'max_worker_processes = 16' 'strata.auto_populate = off' 'strata.memory_max = 4GB' 'strata.memory = 3GB'
${CC:-cc} -O2 -o "$work/lineitem" "$here/../bench/lineitem.c"
sql -c 'CREATE EXTENSION pg_strata' -c 'CREATE TABLE lineitem (
  l_orderkey bigint, l_partkey int, l_suppkey int, l_linenumber int, l_quantity numeric(15,2), l_extendedprice numeric(15,2),
  l_discount numeric(15,2), l_tax numeric(15,2), l_returnflag char(1), l_linestatus char(1), l_shipdate date, l_commitdate date,
  l_receiptdate date, l_shipinstruct char(25), l_shipmode char(10), l_comment varchar(44),
  l_check text GENERATED ALWAYS AS (md5(l_orderkey::text || l_linenumber::text || l_comment)) STORED)'
"$work/lineitem" "$rows" | sql -c 'BEGIN' -c 'TRUNCATE lineitem' -c 'COPY lineitem FROM STDIN (FORMAT csv, FREEZE)' -c 'COMMIT'
sql -c 'VACUUM (FREEZE, ANALYZE) lineitem' -c "SELECT strata.enable('lineitem')" -c "SELECT strata.populate('lineitem')" > "$work/setup.log"
bytes=$(sql -c 'SELECT bytes FROM strata.column_tables')
memory=$((bytes / 1048576 / 20))
[ "$memory" -ge 8 ] || memory=8
sql -F ' ' -c "SELECT column_name, string_agg(DISTINCT encoding, ','), round(sum(bytes) / 1048576) || ' MB' FROM strata.column_segments GROUP BY 1 ORDER BY sum(bytes) DESC" | sed 's/^/# /'
units=$(sql -c 'SELECT units FROM strata.column_stats()')
stays=$(sql -c 'SELECT (slab_bytes + arena_bytes + large_bytes) / 1048576 FROM strata.memory_status()')
echo "# $rows rows, columns of $((bytes / 1048576)) MB, $units units, $stays MB that always stay, strata.memory = $memory MB"

questions=(
  'SELECT count(*), sum(l_orderkey), sum(l_partkey), sum(l_suppkey), sum(l_quantity), sum(l_extendedprice), max(l_shipdate), max(l_comment), max(l_check) FROM lineitem WHERE l_linenumber <> 3'
  'SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice), avg(l_discount), count(*) FROM lineitem GROUP BY 1, 2 ORDER BY 1, 2'
  "SELECT l_shipmode, count(*), min(l_comment) FROM lineitem WHERE l_shipdate BETWEEN date '1994-01-01' AND date '1994-06-30' AND l_discount > 0.05 GROUP BY 1 ORDER BY 1"
  'SELECT l_orderkey, l_linenumber, l_comment FROM lineitem WHERE l_partkey = 77 ORDER BY 1, 2, 3')
for i in "${!questions[@]}"; do
  sql -c 'SET strata.column_scan = off' -c 'SET max_parallel_workers_per_gather = 2' -c "${questions[i]}" > "$work/heap.$i"
done
obeys() { [ "$(sql -c "SELECT eviction_policy = '$policy' AND committed_bytes <= limit_bytes AND limit_bytes = $memory::bigint * 1048576 FROM strata.pool_stats(), strata.memory_status()")" = t ]; }
same() { # same NUMBER WORKERS
  sql -c "SET max_parallel_workers_per_gather = $2" -c "${questions[$1]}" > "$work/columns"
  cmp -s "$work/heap.$1" "$work/columns"
}
figures() { # pages and rows since the server started
  sql -F ' ' -c 'SELECT hits, misses, page_reads, evictions, rows_from_columns, rows_from_heap FROM strata.pool_stats(), strata.column_stats()'
}
for policy in CLOCK LRU 2Q LRU-K LIRS ARC; do
  sql -c "ALTER SYSTEM SET strata.memory = '${memory}MB'" -c "ALTER SYSTEM SET strata.eviction_policy = '$policy'" -c 'SELECT pg_reload_conf()' > "$work/alter.log"
  for ((try = 0; try < 600; try++)); do
    obeys && break
    sleep 0.1 # poll
  done
  check "$policy within $memory MB" obeys
  read -ra before <<< "$(figures)"
  for i in "${!questions[@]}"; do
    for workers in 0 2; do
      check "$policy, $workers workers: ${questions[i]:0:70}" same "$i" "$workers"
    done
  done
  read -ra after <<< "$(figures)"
  for i in "${!after[@]}"; do after[i]=$((after[i] - before[i])); done
  echo "# $policy: hits, misses, page reads, evictions, rows from columns, rows from the heap: ${after[*]}"
  # Each question reads nearly all units, the first of them ten columns; hardly any page can stay for the next.
  check "$policy: the answers came from columns" [ "${after[4]}" -ge $((7 * rows)) ]
  check "$policy: pages were read from the cold file" [ "${after[2]}" -gt $((10 * units)) ]
done
check 'no page is lost, none is pinned' [ "$(sql -c 'SELECT lost_pages = 0 AND pinned_pages = 0 FROM strata.pool_stats()')" = t ]
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
