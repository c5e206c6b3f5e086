#!/bin/bash
# columns/run.sh: queries.sql asked of TPC-H's tables at scale 1 by PostgreSQL with the column store off and on, and by
# DuckDB, in memory; all with one thread.
#
# Each question runs RUNS times off and on in turn, in one session, after one run of each that is not counted, then in
# DuckDB in the same way; all three must answer alike.  Prints Markdown: medians, their ratios, geometric mean and
# worst.  DIR=DIRECTORY: works in what test/bench/tpch/prepare.sh left there, and leaves it; else all is made anew and
# removed at the end.   RUNS=7 ONLY="name name"
set -euo pipefail
top=$(cd "$(dirname "$0")/../../.." && pwd)
. "$top/test/bench/tpch/common.sh"
RUNS=${RUNS:-7}
tpch_begin
tpch_open "$dir"
duck_start "$dir"

# one NAME: "off on duckdb", medians in milliseconds.
# Called in $(...), where set -e does not hold.
one() {
  local query side
  query=$(tpch_query "$1") || exit 1
  {
    echo 'SET max_parallel_workers_per_gather = 0;'
    for side in off on; do printf '%s\n' "$(tpch_switch $side)" "\\o $work/$side.out" "$query;"; done
    for ((run = 0; run < RUNS; run++)); do
      for side in off on; do
        printf '%s\n' "$(tpch_switch $side)" '\o /dev/null' "$timing_on" "\\echo $side" "$query;" "$timing_off"
      done
    done
  } > "$work/query.sql"
  sql -f "$work/query.sql" > "$work/times" || exit 1
  cmp -s "$work/off.out" "$work/on.out" || { diff "$work/off.out" "$work/on.out" | head >&2; die "$1: the answers differ"; }
  duck threads 1
  duck answer "$work/duck.out" "$(json <<< "$query")"
  same_answers "$work/on.out" "$work/duck.out" >&2 || die "$1: DuckDB answers otherwise"
  duck time "$RUNS" "$1" "$(json <<< "$query")"
  for side in off on; do awk -v want=$side '/^off$|^on$/ { side = $0 } /^Time:/ && side == want { print $2 }' "$work/times" | median; done
  echo "${DUCK_ANSWER#* }"
}

echo "TPC-H at scale $SF (own generator). One thread each. Median of $RUNS runs, off and on in turn."
tpch_machine
echo
echo '| query | PostgreSQL, ms | pg_strata, ms | times as fast | DuckDB, ms | pg_strata / DuckDB |'
echo '|---|---:|---:|---:|---:|---:|'
for name in ${ONLY:-$(tpch_columns)}; do
  read -rd '' slow fast duck_ms <<< "$(one "$name")" || true
  [ -n "$duck_ms" ] || exit 1
  awk -v name="$name" -v slow="$slow" -v fast="$fast" -v duck="$duck_ms" -v all="$work/ratios" -v mean="$(tpch_in_mean "$name")" 'BEGIN {
    printf "| %s | %.1f | %.2f | %.1f | %.2f | %.2f |\n", name, slow, fast, slow / fast, duck, fast / duck
    if (mean) print name, slow / fast, fast / duck >> all }'
done
[ ! -e "$work/ratios" ] || awk '{ pg += log($2); duck += log($3); if ($3 > worst) { worst = $3; name = $1 } }
  END { printf "\nGeometric mean of %d: %.1f times as fast as PostgreSQL, %.2f of DuckDB'\''s time; worst of DuckDB'\''s time: %.2f (%s).\n", NR, exp(pg / NR), exp(duck / NR), worst, name }' "$work/ratios"
