#!/bin/bash
# populate.sh DIR [TABLE]: how long population of TABLE (lineitem) takes, against the cluster that prepare.sh left in DIR.
#
# The table is evicted and populated RUNS=5 times by WORKERS=1 processes.  Prints medians, by the clock and of the
# processor time of the populators, and rows a second of both.
set -euo pipefail
top=$(cd "$(dirname "$0")/../../.." && pwd)
. "$top/test/bench/tpch/common.sh"
[ $# -ge 1 ] || die 'usage: populate.sh DIR [TABLE]'
dir=$1
table=${2:-lineitem}
tpch_attach "$dir"

# Milliseconds of processor time that all populators of the server have used.
populators_cpu() {
  local pid
  for pid in $(pgrep -P "$(head -n 1 "$dir/cluster/data/postmaster.pid")" -f populator); do sed 's/.*) //' "/proc/$pid/stat"; done |
    awk -v tick="$(getconf CLK_TCK)" '{ used += $12 + $13 } END { print used * 1000 / tick }'
}

sql -c "ALTER SYSTEM SET strata.populate_workers = ${WORKERS:-1}" -c 'SELECT pg_reload_conf()' > /dev/null
for ((run = 0; run < ${RUNS:-5}; run++)); do
  sql -c "SELECT strata.evict('$table')" > /dev/null
  before=$(populators_cpu)
  clock=$(printf '%s\n' '\timing on' "SELECT strata.populate('$table');" | sql | awk '/^Time:/ { print $2 }')
  echo "$clock $(awk -v a="$before" -v b="$(populators_cpu)" 'BEGIN { print b - a }')"
done > "$dir/populate.times"
sql -c 'ALTER SYSTEM RESET strata.populate_workers' -c 'SELECT pg_reload_conf()' > /dev/null

rows=$(sql -c "SELECT rows_in_columns FROM strata.column_tables WHERE relid = '$table'::regclass")
for column in 1 2; do
  ms=$(awk -v c=$column '{ print $c }' "$dir/populate.times" | median)
  awk -v what="$([ $column = 1 ] && echo 'by the clock' || echo 'processor')" -v ms="$ms" -v rows="$rows" \
    'BEGIN { printf "%-14s %8.0f ms %8.2f M rows/s\n", what, ms, ms ? rows / ms / 1000 : 0 }'
done
rm "$dir/populate.times"
