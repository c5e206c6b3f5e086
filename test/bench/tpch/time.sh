#!/bin/bash
# time.sh DIR QUERY...: median milliseconds of each question, column store off and on in turn, against the cluster that
# prepare.sh left in DIR; then EXPLAIN (ANALYZE) of the "on" side.  QUERY: q01 .. q22, the name of a question of
# test/bench/columns/queries.sql, "tpch", "columns", or SQL.
#   RUNS=5  WORKERS=0  SET="SET work_mem = '64MB';"  CPU=yes (processor time)  SIDES=on (or off; only that)  EXPLAIN=no (no plans)
set -euo pipefail
top=$(cd "$(dirname "$0")/../../.." && pwd)
. "$top/test/bench/tpch/common.sh"
[ $# -ge 2 ] || die 'usage: time.sh DIR QUERY...'
dir=$1
shift
RUNS=${RUNS:-5}
tpch_attach "$dir"
work=$(mktemp -d /tmp/pg_strata-bench.XXXXXX)
trap 'rm -rf "$work"' EXIT

names=()
for name; do
  case $name in
    tpch) names+=($(tpch_names)) ;;
    columns) names+=($(tpch_columns)) ;;
    *) names+=("$name") ;;
  esac
done

printf '%-20s %10s %10s %8s\n' query 'off, ms' 'on, ms' ratio
for name in "${names[@]}"; do
  case $name in *' '*) query=$name ;; *) query=$(tpch_query "$name") ;; esac
  {
    printf '%s\n' "SET max_parallel_workers_per_gather = ${WORKERS:-0}; SET statement_timeout = '60s'; ${SET:-}"
    for side in ${SIDES:-off on}; do
      printf '%s\n' "$(tpch_switch $side)" "\\o $work/$side.out" "$query;" '\o /dev/null' "\\echo $side"
      for ((run = 0; run < RUNS; run++)); do
        printf '%s\n' "$timing_on" "$query;"
        # One that takes too long is not asked again.
        [ "$run" != 0 ] || printf '%s\n' '\if :ERROR' '\quit' '\endif'
        echo "$timing_off"
      done
    done
    [ "${EXPLAIN:-}" = no ] || printf '%s\n' "\\o $work/plan" 'EXPLAIN (ANALYZE, VERBOSE OFF)' "$query;"
  } > "$work/query.sql"
  rm -f "$work"/*.out "$work/plan"
  psql -X -q -A -t -d bench -f "$work/query.sql" > "$work/times" 2> "$work/errors" || true
  side() { awk -v want="$1" '/^off$|^on$/ { side = $0 } /^Time:/ && side == want { print $2 }' "$work/times" | median; }
  slow=$(side off)
  fast=$(side on)
  printf '%-20s %10.2f %10.2f %8.2f\n' "${name:0:20}" "$slow" "$fast" "$(awk -v a="$slow" -v b="$fast" 'BEGIN { print b ? a / b : 0 }')"
  sed 's/^/  /' "$work/errors"
  if [ -e "$work/off.out" ] && [ -e "$work/on.out" ] && ! cmp -s "$work/off.out" "$work/on.out"; then
    echo '  THE ANSWERS DIFFER:'
    diff "$work/off.out" "$work/on.out" | head -n 10 | sed 's/^/  /' || true
  fi
  [ ! -e "$work/plan" ] || sed 's/^/  /' "$work/plan"
done
