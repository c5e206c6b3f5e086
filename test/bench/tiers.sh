#!/bin/bash
# tiers.sh: the same questions over a store that is wholly in memory, and over one with half, a quarter and an eighth of
# its size, for each eviction policy; beside them PostgreSQL's sequential scan, and what reading the cold file alone takes.
#
# Six million rows of the shape of TPC-H's lineitem; jit off, no parallel workers; RUNS runs of each question after one
# that is not counted; answers must be equal.  Prints Markdown.   ROWS=6000000 RUNS=5
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
ROWS=${ROWS:-6000000}
RUNS=${RUNS:-5}

die() {
  echo "tiers.sh: $*" >&2
  exit 1
}
work=$(mktemp -d /tmp/pg_strata-bench.XXXXXX)
chmod 755 "$work"
finish() {
  local status=$?
  trap - EXIT
  [ -z "${PGHOST:-}" ] || cluster_stop "$work/cluster" || true
  [ -n "${KEEP:-}" ] || rm -rf "$work"
  exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

PG_CONFIG=${BENCH_PG_CONFIG:-$("$top/test/private_install.sh" "$work/pg")}
export PG_CONFIG
. "$top/test/cluster.sh"
mkdir "$work/cluster"
[ "$(id -u)" != 0 ] || chown "$server_user" "$work/cluster"
cluster_start "$work/cluster" "shared_preload_libraries = 'pg_strata'" 'shared_buffers = 2GB' 'max_wal_size = 16GB' \
  'checkpoint_timeout = 1h' 'autovacuum = off' 'jit = off' 'max_parallel_workers_per_gather = 0' 'strata.auto_populate = off' \
  'strata.memory = 2GB'
psql -X -q -d postgres -c 'CREATE DATABASE bench'
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -d bench "$@"; }

gcc -O2 -o "$work/lineitem" "$here/lineitem.c"
sql << 'SQL'
CREATE EXTENSION pg_strata;
CREATE TABLE lineitem (
  l_orderkey bigint NOT NULL, l_partkey int NOT NULL, l_suppkey int NOT NULL, l_linenumber int NOT NULL,
  l_quantity numeric(15,2) NOT NULL, l_extendedprice numeric(15,2) NOT NULL, l_discount numeric(15,2) NOT NULL,
  l_tax numeric(15,2) NOT NULL, l_returnflag char(1) NOT NULL, l_linestatus char(1) NOT NULL, l_shipdate date NOT NULL,
  l_commitdate date NOT NULL, l_receiptdate date NOT NULL, l_shipinstruct char(25) NOT NULL, l_shipmode char(10) NOT NULL,
  l_comment varchar(44) NOT NULL);
SQL
"$work/lineitem" "$ROWS" | sql -c 'COPY lineitem FROM STDIN (FORMAT csv)'
sql -c 'VACUUM (FREEZE, ANALYZE) lineitem' -c CHECKPOINT
sql -c "SELECT strata.enable('lineitem')" -c "SELECT strata.populate('lineitem')" > "$work/populate.out"
store=$(sql -c "SELECT bytes FROM strata.column_tables WHERE relid = 'lineitem'::regclass")

# Every number of the table: the question reads most pages of the store, and computes little.
scan='SELECT sum(l_orderkey), sum(l_partkey), sum(l_suppkey), sum(l_linenumber), sum(l_quantity), sum(l_extendedprice), sum(l_discount),
  sum(l_tax), max(l_shipdate), max(l_commitdate), max(l_receiptdate) FROM lineitem WHERE l_linenumber <> 3'
# A hot set: six columns of sixteen, again and again, with a scan of all between.
hot="SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice), avg(l_discount), count(*) FROM lineitem
  WHERE l_shipdate <= date '1998-09-02' GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus"

median() { sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }
timed() { # timed FILE-OF-ANSWERS QUESTION: median ms
  local q=$2
  {
    printf '%s\n' "\\o $1" "$q;" '\o /dev/null'
    for ((run = 0; run < RUNS; run++)); do printf '%s\n' '\timing on' "$q;" '\timing off'; done
  } > "$work/query.sql"
  sql -f "$work/query.sql" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | median
}
mixed() { # mixed: median ms of the hot question when every run is followed by the scan
  {
    echo '\o /dev/null'
    for ((run = 0; run <= RUNS; run++)); do printf '%s\n' "$hot;" '\timing on' "$hot;" '\timing off' "$scan;"; done
  } > "$work/query.sql"
  sql -f "$work/query.sql" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | median
}

psql -X -q -d bench -c 'ALTER SYSTEM SET strata.column_scan = off' -c 'SELECT pg_reload_conf()' > /dev/null
heap=$(timed "$work/heap.out" "$scan")
psql -X -q -d bench -c 'ALTER SYSTEM RESET strata.column_scan' -c 'SELECT pg_reload_conf()' > /dev/null
all_hot=$(timed "$work/hot.out" "$scan")
cmp -s "$work/heap.out" "$work/hot.out" || die 'the answers differ'

echo "$ROWS rows, $((store / 1048576)) MB in columns. $(sql -c 'SELECT split_part(version(), $$ on $$, 1)'). $(lscpu | sed -n 's/^Model name: *//p' | head -n 1), $(nproc) processors. Median of $RUNS runs, $(date -u +%Y-%m-%d)."
echo
echo "Sequential scan: $heap ms. Store wholly in memory: $all_hot ms."
echo
echo '| memory | policy | scan, ms | read, MB | MB/s | of plain reading | hit ratio | hot set beside scans, ms |'
echo '|---|---|---:|---:|---:|---:|---:|---:|'
for share in 2 4 8; do
  for policy in CLOCK LRU 2Q LRU-K LIRS ARC; do
    psql -X -q -d bench -c "ALTER SYSTEM SET strata.memory = '$((store / 1048576 / share))MB'" \
      -c "ALTER SYSTEM SET strata.eviction_policy = '$policy'" -c 'SELECT pg_reload_conf()' > /dev/null
    for ((try = 0; try < 600; try++)); do # until the server obeys
      [ "$(sql -c "SELECT eviction_policy = '$policy' AND committed_bytes <= limit_bytes AND limit_bytes < $((store / share + 1048576)) FROM strata.pool_stats(), strata.memory_status()")" != t ] || break
      read -rt 0.1 <> <(:) || true
    done
    sql -c "$scan" > "$work/warm.out"
    before=$(sql -c 'SELECT read_bytes, hits, misses FROM strata.pool_stats()')
    begun=$(date +%s%N)
    ms=$(timed "$work/cold.out" "$scan")
    took=$((($(date +%s%N) - begun) / 1000))
    after=$(sql -c 'SELECT read_bytes, hits, misses FROM strata.pool_stats()')
    cmp -s "$work/heap.out" "$work/cold.out" || die "the answers differ: $policy, 1/$share"
    # The file alone: all of it, twice, in reads of 1 MB, as warm in the system's cache as the scan had it.
    file=$(find "$work/cluster/data/base/pgsql_tmp" -name 'pgsql_tmp_strata*' | head -n 1)
    dd if="$file" of=/dev/null bs=1M 2> /dev/null
    plain=$(LC_ALL=C dd if="$file" of=/dev/null bs=1M 2>&1 | awk '/copied/ { print $1 / $(NF - 3) / 1048576 }')
    beside=$(mixed)
    awk -v b="$before" -v a="$after" -v ms="$ms" -v took="$took" -v plain="$plain" -v runs="$RUNS" -v share="$share" -v policy="$policy" -v beside="$beside" 'BEGIN {
      split(b, x, "|"); split(a, y, "|"); mb = (y[1] - x[1]) / 1048576; s = took / 1e6; n = y[2] + y[3] - x[2] - x[3]
      printf "| 1/%d | %s | %.0f | %.0f | %.0f | %.0f %% | %.2f | %.0f |\n", share, policy, ms, mb / (runs + 1), mb / s, 100 * mb / s / plain, n ? (y[2] - x[2]) / n : 0, beside }'
  done
done
