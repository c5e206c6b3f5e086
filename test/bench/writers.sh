#!/bin/bash
# writers.sh: what the column store costs those who write.  pgbench TPC-B on one database, in pairs of runs: all four
# tables enabled and populated, or disabled; the order within a pair alternates.  The background worker runs as it does
# by default.  Prints Markdown.   PAIRS=15 SECONDS_A_RUN=8 CLIENTS=2 SCALE=10
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
PAIRS=${PAIRS:-15}
SECONDS_A_RUN=${SECONDS_A_RUN:-8}
CLIENTS=${CLIENTS:-2}
SCALE=${SCALE:-10}

work=$(mktemp -d /tmp/pg_strata-bench.XXXXXX)
chmod 755 "$work"
finish() {
  local status=$?
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
  'checkpoint_timeout = 1h' 'autovacuum = off'
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
tps() { pgbench -n -M prepared -c "$CLIENTS" -j "$CLIENTS" -T "$SECONDS_A_RUN" bench 2>&1 | sed -n 's/^tps = \([0-9.]*\).*/\1/p'; }
median() { sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }

prepare off
tps > /dev/null # warms up
for ((pair = 1; pair <= PAIRS; pair++)); do
  if ((pair % 2)); then order='off on'; else order='on off'; fi
  for side in $order; do
    prepare $side
    tps >> "$work/$side"
  done
done

echo "pgbench TPC-B, scale $SCALE, $CLIENTS clients, prepared, fsync off, $PAIRS pairs of $SECONDS_A_RUN s. $(sql -c 'SELECT split_part(version(), $$ on $$, 1)')."
echo "$(lscpu | sed -n 's/^Model name: *//p' | head -n 1), $(nproc) processors, $(date -u +%Y-%m-%d)."
echo
echo '| | transactions/s, median |'
echo '|---|---:|'
echo "| disabled | $(median < "$work/off") |"
echo "| enabled and populated | $(median < "$work/on") |"
echo
paste "$work/off" "$work/on" | awk '{ printf "%.5f\n", $2 / $1 }' | sort -n > "$work/ratios"
echo "Enabled / disabled, median of the pairs: $(median < "$work/ratios") (lowest $(head -n 1 "$work/ratios"), highest $(tail -n 1 "$work/ratios"))"
