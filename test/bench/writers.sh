#!/bin/bash
# writers.sh: what the column store costs those who write.  pgbench TPC-B on one database, in pairs of runs: all four
# tables enabled and populated, or disabled; the order within a pair alternates.  The background worker runs as it does
# by default.  Prints Markdown.  What is measured is processor time, so disks stay out of it: fsync and full_page_writes
# are off, and BENCH_DIR=/dev/shm keeps the cluster in memory.   PAIRS=25 SECONDS_A_RUN=5 CLIENTS=2 SCALE=10
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
PAIRS=${PAIRS:-25}
SECONDS_A_RUN=${SECONDS_A_RUN:-5}
CLIENTS=${CLIENTS:-2}
SCALE=${SCALE:-10}

work=$(mktemp -d "${BENCH_DIR:-/tmp}/pg_strata-bench.XXXXXX")
chmod 755 "$work"
finish() {
  local status=$?
  [ $status = 0 ] || echo "writers.sh: failed with status $status" >&2
  trap - EXIT
  [ -z "${PGHOST:-}" ] || cluster_stop "$work/cluster" || true
  rm -rf "$work"
  exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

PG_CONFIG=$("$top/test/private_install.sh" "$work/pg")
export PG_CONFIG
. "$top/test/cluster.sh"
mkdir "$work/cluster"
[ "$(id -u)" != 0 ] || chown "$server_user" "$work/cluster"
cluster_start "$work/cluster" "shared_preload_libraries = 'pg_strata'" 'shared_buffers = 1GB' 'max_wal_size = 16GB' \
  'checkpoint_timeout = 1h' 'full_page_writes = off' 'autovacuum = off'
# On a machine that others use, root may put server and clients first.
nice=()
if [ "$(id -u)" = 0 ]; then
  renice -n -15 -p "$(head -n 1 "$work/cluster/data/postmaster.pid")" > /dev/null
  nice=(nice -n -15)
fi
psql -X -q -d postgres -c 'CREATE DATABASE bench'
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -d bench "$@"; }
sql -c 'CREATE EXTENSION pg_strata'
pgbench -q -i -s "$SCALE" bench 2> "$work/init.log" || { cat "$work/init.log"; exit 1; }
tables=(pgbench_accounts pgbench_branches pgbench_tellers pgbench_history)

# Both sides start from freshly vacuumed tables and a checkpoint behind them.
prepare() {
  local table
  sql -c 'VACUUM (FREEZE, ANALYZE)' -c CHECKPOINT > /dev/null
  for table in "${tables[@]}"; do
    if [ "$1" = on ]; then
      sql -c "SELECT strata.enable('$table')" -c "SELECT strata.populate('$table')" > /dev/null
    else
      sql -c "SELECT strata.disable('$table') WHERE EXISTS (SELECT FROM strata.column_tables WHERE relid = '$table'::regclass)" > /dev/null
    fi
  done
}
# Processor time of the whole server so far, in ticks: the postmaster, the children it has buried, those that live.
postmaster=$(head -n 1 "$work/cluster/data/postmaster.pid")
ticks() {
  # A session that ends just now would be counted twice or never.
  while pgrep -P "$postmaster" -f '^postgres: postgres bench' > /dev/null; do sleep 0.01; done
  { sed 's/.*) //' "/proc/$postmaster/stat" | awk '{ print $12 + $13 + $14 + $15 }'
    for pid in $(pgrep -P "$postmaster"); do sed 's/.*) //' "/proc/$pid/stat" 2> /dev/null | awk '{ print $12 + $13 }'; done
  } | awk '{ sum += $1 } END { print sum }'
}
# "transactions/s microseconds-of-processor-a-transaction" of one run.
measure() {
  local begun
  begun=$(ticks)
  "${nice[@]}" pgbench -n -M prepared -c "$CLIENTS" -j "$CLIENTS" -T "$SECONDS_A_RUN" bench > "$work/pgbench.out" 2>&1
  awk -v ticks=$(($(ticks) - begun)) -v hz="$(getconf CLK_TCK)" '
    /^number of transactions actually processed/ { n = $NF + 0 }
    /^tps/ { print $3, 1e6 * ticks / hz / n }' "$work/pgbench.out"
}
median() { sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }

prepare off
measure > /dev/null # warms up
for ((pair = 1; pair <= PAIRS; pair++)); do
  if ((pair % 2)); then order='off on'; else order='on off'; fi
  for side in $order; do
    prepare $side
    measure >> "$work/$side"
  done
done

echo "pgbench TPC-B, scale $SCALE, $CLIENTS clients, prepared, fsync and full_page_writes off, $PAIRS pairs of $SECONDS_A_RUN s. $(sql -c 'SELECT split_part(version(), $$ on $$, 1)')."
echo "$(lscpu | sed -n 's/^Model name: *//p' | head -n 1), $(nproc) processors, $(date -u +%Y-%m-%d)."
echo
echo '| | transactions/s | server processor time a transaction, µs |'
echo '|---|---:|---:|'
column() { cut -d' ' -f"$1" "$2"; }
for side in off on; do
  if [ $side = on ]; then name='enabled and populated'; else name=disabled; fi
  printf '| %s | %.0f | %.1f |\n' "$name" "$(column 1 "$work/$side" | median)" "$(column 2 "$work/$side" | median)"
done
for what in 1 2; do
  paste -d' ' <(column $what "$work/off") <(column $what "$work/on") | awk '{ printf "%.4f\n", $2 / $1 }' | sort -n > "$work/ratios.$what"
done
spread() { echo "$(median < "$1") (quartiles $(awk '{ v[NR] = $1 } END { print v[int((NR + 3) / 4)] " and " v[int((3 * NR + 3) / 4)] }' "$1"))"; }
echo "| enabled / disabled, median of the pairs | $(spread "$work/ratios.1") | $(spread "$work/ratios.2") |"
