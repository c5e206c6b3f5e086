#!/bin/bash
# columns.sh: the column store against PostgreSQL's own sequential scan, in one process, with DuckDB beside it.
#
# Six million rows of the shape of TPC-H's lineitem (lineitem.c), frozen, wholly in shared_buffers; jit off, no parallel
# workers.  Each query runs RUNS times with the column store off and on in turn, in one session, after one run of each
# that is not counted; answers must be equal.  DuckDB (npm, in memory, one thread) reads the same file and runs the same
# queries in the same way.  Prints Markdown.   ROWS=6000000 RUNS=7
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
ROWS=${ROWS:-6000000}
RUNS=${RUNS:-7}

die() {
  echo "columns.sh: $*" >&2
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

PG_CONFIG=$("$top/test/private_install.sh" "$work/pg")
export PG_CONFIG
(cd "$here" && npm install --no-package-lock --loglevel=error --no-fund --no-audit) > "$work/npm.log" 2>&1 || { cat "$work/npm.log"; die "npm could not fetch DuckDB"; }
. "$top/test/cluster.sh"
mkdir "$work/cluster"
[ "$(id -u)" != 0 ] || chown "$server_user" "$work/cluster"
cluster_start "$work/cluster" "shared_preload_libraries = 'pg_strata'" 'shared_buffers = 4GB' 'max_wal_size = 16GB' 'work_mem = 256MB' \
  'checkpoint_timeout = 1h' 'autovacuum = off' 'jit = off' 'max_parallel_workers_per_gather = 0' 'enable_indexscan = off' \
  'enable_indexonlyscan = off' 'enable_bitmapscan = off' 'strata.auto_populate = off'
# On a machine that others use, root may put both sides first.
nice=()
if [ "$(id -u)" = 0 ]; then
  renice -n -15 -p "$(head -n 1 "$work/cluster/data/postmaster.pid")" > /dev/null
  nice=(nice -n -15)
fi
psql -X -q -d postgres -c 'CREATE DATABASE bench'
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -d bench "$@"; }

gcc -O2 -o "$work/lineitem" "$here/lineitem.c"
"$work/lineitem" "$ROWS" > "$work/lineitem.csv"
sql << 'SQL'
CREATE EXTENSION pg_strata;
CREATE EXTENSION pg_prewarm;
CREATE TABLE lineitem (
  l_orderkey bigint NOT NULL, l_partkey int NOT NULL, l_suppkey int NOT NULL, l_linenumber int NOT NULL,
  l_quantity numeric(15,2) NOT NULL, l_extendedprice numeric(15,2) NOT NULL, l_discount numeric(15,2) NOT NULL,
  l_tax numeric(15,2) NOT NULL, l_returnflag char(1) NOT NULL, l_linestatus char(1) NOT NULL, l_shipdate date NOT NULL,
  l_commitdate date NOT NULL, l_receiptdate date NOT NULL, l_shipinstruct char(25) NOT NULL, l_shipmode char(10) NOT NULL,
  l_comment varchar(44) NOT NULL);
SQL
sql -c 'COPY lineitem FROM STDIN (FORMAT csv)' < "$work/lineitem.csv"
sql -c 'VACUUM (FREEZE, ANALYZE) lineitem' -c CHECKPOINT -c "SELECT pg_prewarm('lineitem')" > /dev/null

sql -c "SELECT strata.enable('lineitem')" > /dev/null
begun=$(date +%s%N)
sql -c "SELECT strata.populate('lineitem')" > /dev/null
took_ms=$((($(date +%s%N) - begun) / 1000000))
IFS='|' read -r status rows bytes <<< "$(sql -c "SELECT status, rows_in_columns, bytes FROM strata.column_tables WHERE relid = 'lineitem'::regclass")"
[ "$status" = populated ] && [ "$rows" = "$ROWS" ] || die "status $status, $rows rows in columns"
heap=$(sql -c "SELECT pg_relation_size('lineitem')")

# Exactly 1 and 10 % of the parts, so of the rows very nearly; they lie scattered over the whole table.
parts=$((ROWS / 30))
names=()
queries=()
counted=()
query() {
  names+=("$1")
  counted+=("$2")
  queries+=("$3")
}
query 'count' yes 'SELECT count(*) FROM lineitem'
query 'sum' yes 'SELECT sum(l_extendedprice) FROM lineitem'
query 'filtered sum, 1 %' yes "SELECT sum(l_extendedprice) FROM lineitem WHERE l_partkey <= $((parts / 100))"
query 'filtered sum, 10 %' yes "SELECT sum(l_extendedprice) FROM lineitem WHERE l_partkey <= $((parts / 10))"
query 'min/max of dates' yes 'SELECT min(l_shipdate), max(l_shipdate), min(l_receiptdate), max(l_receiptdate) FROM lineitem'
query 'group by two, five aggregates' yes "SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice), avg(l_quantity), avg(l_discount), count(*)
  FROM lineitem GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus"
query 'TPC-H query 1' no "SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice), sum(l_extendedprice * (1 - l_discount)),
  sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)), avg(l_quantity), avg(l_extendedprice), avg(l_discount), count(*)
  FROM lineitem WHERE l_shipdate <= date '1998-09-02' GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus"
query 'TPC-H query 6' no "SELECT sum(l_extendedprice * l_discount) FROM lineitem WHERE l_shipdate >= date '1994-01-01' AND l_shipdate < date '1995-01-01'
  AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24"

off='SET strata.column_scan = off; SET strata.column_aggregate = off;'
on='SET strata.column_scan = on; SET strata.column_aggregate = on;'
median() { sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }

node -e 'console.log(JSON.stringify(process.argv.slice(1)))' "${queries[@]}" > "$work/queries.json"
"${nice[@]}" node "$here/duckdb.mjs" "$work/lineitem.csv" "$work/queries.json" "$RUNS" > "$work/duckdb.txt"

echo "$ROWS rows, heap $((heap / 1048576)) MB. $(sql -c 'SELECT split_part(version(), $$ on $$, 1)'), DuckDB $(head -n 1 "$work/duckdb.txt"), kernels: $(sql -c 'SELECT level FROM strata.simd_features()')."
echo "$(lscpu | sed -n 's/^Model name: *//p' | head -n 1), $(nproc) processors, $(awk '/MemTotal/ { printf "%d", $2 / 1048576 }' /proc/meminfo) GB. Median of $RUNS interleaved runs, $(date -u +%Y-%m-%d)."
echo
echo "Population by one worker: $took_ms ms, $(awk -v r="$rows" -v t="$took_ms" 'BEGIN { printf "%.2f", r / t / 1000 }') M rows/s. Memory: $((bytes / 1048576)) MB, $(awk -v b="$bytes" -v h="$heap" 'BEGIN { printf "%.1f", 100 * b / h }') % of the heap."
echo
echo '| query | PostgreSQL, ms | pg_strata, ms | ratio | DuckDB, ms |'
echo '|---|---:|---:|---:|---:|'
ratios=
for i in "${!queries[@]}"; do
  {
    printf '%s\n' "$off" "\\o $work/off.out" "${queries[i]};" "$on" "\\o $work/on.out" "${queries[i]};" '\o /dev/null'
    for ((run = 0; run < RUNS; run++)); do
      printf '%s\n' "$off" '\timing on' '\echo off' "${queries[i]};" '\timing off' "$on" '\timing on' '\echo on' "${queries[i]};" '\timing off'
    done
  } > "$work/query.sql"
  sql -f "$work/query.sql" > "$work/times"
  cmp -s "$work/off.out" "$work/on.out" || {
    diff "$work/off.out" "$work/on.out" >&2 || true
    die "the answers differ: ${queries[i]}"
  }
  side() { awk -v want="$1" '/^off$|^on$/ { side = $0 } /^Time:/ && side == want { print $2 }' "$work/times" | median; }
  slow=$(side off)
  fast=$(side on)
  ratio=$(awk -v a="$slow" -v b="$fast" 'BEGIN { printf "%.1f", a / b }')
  [ "${counted[i]}" = no ] || ratios+="$ratio "
  printf '| %s%s | %.1f | %.2f | %s | %.2f |\n' "${names[i]}" "$([ "${counted[i]}" = yes ] || echo ' (not in the median)')" "$slow" "$fast" "$ratio" \
    "$(sed -n "$((i + 2))p" "$work/duckdb.txt")"
done
echo
echo "Median ratio of the first six: $(tr ' ' '\n' <<< "$ratios" | grep . | median)"
