#!/bin/bash
# manners.sh: whether the planner's choice is the fastest way to the rows.  The questions are those of test/sql/planner_manners.sql, on
# its table of 300,000 rows with B-tree indexes, all in memory.  Each is asked as the planner likes, and with one way forced:
# by index (or index-only) scans, by bitmap scans, by the column store, by a sequential scan.  Medians of RUNS=9; prints Markdown.
# A choice is good if it takes at most FACTOR=1.5 times as long as the fastest, or 0.1 ms more.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
RUNS=${RUNS:-9}
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
cluster_start "$work/cluster" "shared_preload_libraries = 'pg_strata'" 'shared_buffers = 256MB' 'autovacuum = off' 'jit = off'
[ "$(id -u)" != 0 ] || renice -n -15 -p "$(head -n 1 "$work/cluster/data/postmaster.pid")" > /dev/null
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -d postgres "$@"; }
median() { sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }
sql -v keep=1 -f "$top/test/sql/planner_manners.sql" > "$work/setup.out"

settings="SET search_path = manners, public; SET max_parallel_workers_per_gather = 0; SET random_page_cost = 1.1;"
off="SET strata.column_scan = off; SET strata.column_aggregate = off;"
way() {
  case $1 in
    chosen) ;;
    index) echo "$off SET enable_bitmapscan = off; SET enable_seqscan = off;" ;;
    bitmap) echo "$off SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_seqscan = off;" ;;
    columns) echo 'SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off;' ;;
    heap) echo "$off SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off;" ;;
  esac
}
ways=(chosen index bitmap columns heap)
{
  echo "$settings"
  for ((n = 1; n <= $(sql -c 'SELECT max(n) FROM manners.questions'); n++)); do
    query=$(sql -c "SELECT query FROM manners.questions WHERE n = $n")
    for ((run = 0; run < RUNS; run++)); do
      for way in "${ways[@]}"; do
        # Once untimed, so that none pays for what the one before it did to the caches.
        printf '%s\n' "RESET ALL; $settings $(way $way)" "\\echo $n $way $run" '\o /dev/null' "$query;" '\timing on' "$query;" '\o' '\timing off'
      done
    done
  done
} > "$work/time.sql"
sql -f "$work/time.sql" > "$work/times"
# n way ms
awk '/^[0-9]+ [a-z]+ [0-9]+$/ { n = $1; way = $2 } /^Time:/ { print n, way, $2 }' "$work/times" > "$work/all"
echo "$(sql -c 'SELECT split_part(version(), $$ on $$, 1)'), $(lscpu | sed -n 's/^Model name: *//p' | head -n 1), $(date -u +%Y-%m-%d). Medians of $RUNS, ms."
echo
echo '| question | rows | chosen | chosen, ms | index | bitmap | columns | heap | chosen / fastest |'
echo '|---|---:|---|---:|---:|---:|---:|---:|---:|'
while IFS='|' read -r n share chosen query; do
  line="$n"
  for way in "${ways[@]}"; do line+=" $(awk -v n="$n" -v way="$way" '$1 == n && $2 == way { print $3 }' "$work/all" | median)"; done
  awk -v line="$line" -v query="$query" -v share="$share" -v chosen="$chosen" -v factor="${FACTOR:-1.5}" 'BEGIN {
    split(line, v, " "); best = v[3]
    for (i = 4; i <= 6; i++) if (v[i] < best) best = v[i]
    bad = v[2] > best * factor && v[2] > best + 0.1
    printf "| %s | %s | %s | %.2f | %.2f | %.2f | %.2f | %.2f | %s%.2f |\n", query, share, chosen, v[2], v[3], v[4], v[5], v[6], bad ? "**too slow** " : "", v[2] / best }'
done < <(sql -c "$settings" -c 'SELECT n, share, way(query), query FROM questions ORDER BY n')
