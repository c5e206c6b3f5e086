#!/bin/bash
# tpch/run.sh: the 22 queries of TPC-H at scale SF=1 (own generator: not TPC-H results), asked of PostgreSQL with the
# column store off and on, with one process and with two workers, and of DuckDB in memory, with one thread and with two.
#
# "Off" is PostgreSQL's own plan with primary keys present: with the settings off the planner's hooks return at once.
# Each query runs once uncounted, then RUNS=5 times, all four sides of PostgreSQL in turn; all sides must answer alike.  What
# PostgreSQL does not finish in 60 s is no part of the means; queries 17 and 20 are asked again with an index on l_partkey.  Prints
# Markdown: medians, ratios, geometric means, and sizes.  DIR=DIRECTORY: works in what prepare.sh left there, and leaves
# it; else all is made anew and removed at the end.   ONLY="q03 q06"
set -euo pipefail
top=$(cd "$(dirname "$0")/../../.." && pwd)
. "$top/test/bench/tpch/common.sh"
RUNS=${RUNS:-5}
TIMEOUT=${TIMEOUT:-60}
SIDES=${SIDES:-off0 on0 off2 on2}
tpch_begin
tpch_open "$dir"
duck_start "$dir"

# A side is off or on and a number of workers: off0, on0, off2, on2.
side_settings() { printf '%s\n' "SET max_parallel_workers_per_gather = ${1: -1};" "$(tpch_switch "${1%[0-9]}")"; }

# finishes QUERY SIDE: runs it once; its answer is in $work/SIDE.out.
finishes() {
  { printf '%s\n' "SET statement_timeout = '${TIMEOUT}s';" "$(side_settings "$2")" "\\o $work/$2.out" "$1;"; } > "$work/once.sql"
  sql -f "$work/once.sql" > /dev/null 2> "$work/once.err" && return 0
  grep -q 'statement timeout' "$work/once.err" && return 1
  cat "$work/once.err" >&2
  die "an error: $1"
}

# one LABEL NAME: a line "LABEL off0 on0 off2 on2 duck1 duck2" of medians; "-" where a side does not finish.
# Called in $(...), where set -e does not hold.
one() {
  local query sides=() side run reference= line=$1
  query=$(tpch_query "$2") || exit 1
  rm -f "$work"/*.out
  for side in $SIDES; do
    # Who has not finished alone is not asked with workers.
    case $side in *2) case " ${sides[*]} " in *" ${side%2}0 "*) ;; *) continue ;; esac ;; esac
    finishes "$query" $side || continue
    sides+=($side)
    if [ -z "$reference" ]; then reference=$side; else
      cmp -s "$work/$reference.out" "$work/$side.out" || { diff "$work/$reference.out" "$work/$side.out" | head >&2; die "$1: $side answers otherwise than $reference"; }
    fi
  done
  for ((run = 0; run < RUNS; run++)); do
    for side in "${sides[@]}"; do printf '%s\n' "$(side_settings "$side")" '\o /dev/null' "\\echo $side" "$timing_on" "$query;" "$timing_off"; done
  done > "$work/query.sql"
  sql -f "$work/query.sql" > "$work/times" || exit 1
  for side in off0 on0 off2 on2; do
    line+=" $(awk -v want="$side" '/^o[nf]+[02]$/ { side = $0 } /^Time:/ && side == want { print $2 }' "$work/times" | { grep . || echo -; } | median)"
  done
  for run in 1 2; do
    duck threads $run
    duck answer "$work/duck.out" "$(json <<< "$query")"
    [ -z "$reference" ] || same_answers "$work/$reference.out" "$work/duck.out" >&2 || die "$1: DuckDB answers otherwise"
    duck time "$RUNS" "$1" "$(json <<< "$query")"
    line+=" ${DUCK_ANSWER#* }"
  done
  echo "$line"
}
median() { sort -n | awk '$1 == "-" { none = 1 } { v[NR] = $1 } END { print none ? "-" : (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }

echo "TPC-H at scale $SF (own generator: not TPC-H results). Median of $RUNS runs."
tpch_machine
echo
echo '| query | PostgreSQL, ms | pg_strata, ms | times as fast | DuckDB 1 thread, ms | pg_strata / DuckDB | PostgreSQL 2 workers, ms | pg_strata 2 workers, ms | DuckDB 2 threads, ms | pg_strata / DuckDB, 2 |'
echo '|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|'
row() { # LINE
  awk -v limit=$((TIMEOUT * 1000)) '
    function ms(x) { return x == "-" ? "> " limit : x < 100 ? sprintf("%.1f", x) : sprintf("%.0f", x) }
    function ratio(a, b, form) { return a == "-" || b == "-" ? "" : sprintf(form, a / b) }
    { name = $1; gsub(/_/, " ", name)
      printf "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", name, ms($2), ms($3), ratio($2, $3, "%.1f"), ms($6), ratio($3, $6, "%.2f"),
        $2 == "-" ? "" : ms($4), $3 == "-" ? "" : ms($5), ms($7), ratio($5, $7, "%.2f") }' <<< "$1"
}
for name in ${ONLY:-$(tpch_names)}; do
  line=$(one "$name" "$name")
  echo "$line" >> "$work/lines"
  row "$line"
done
if [ -z "${ONLY:-}" ]; then
  sql -c 'CREATE INDEX bench_l_partkey ON lineitem (l_partkey)' -c 'ANALYZE lineitem'
  for name in q17 q20; do row "$(one "${name}_with_an_index" "$name")"; done
  sql -c 'DROP INDEX bench_l_partkey'
fi
echo
awk '
  function mean(a, b,   i, n, s) { for (i = 1; i <= NR; i++) if (v[i, 2] != "-" && v[i, a] != "-" && v[i, b] != "-") { n++; s += log(v[i, a] / v[i, b]) }; count = n; return n ? exp(s / n) : 0 }
  function worst(a, b,   i, w) { for (i = 1; i <= NR; i++) if (v[i, 2] != "-" && v[i, a] != "-" && v[i, a] / v[i, b] > w) { w = v[i, a] / v[i, b]; at = v[i, 1] }; return w }
  { for (i = 1; i <= 7; i++) v[NR, i] = $i }
  END {
    m = mean(2, 3)
    printf "Geometric means over the %d that PostgreSQL finishes in a minute: %.1f times as fast as PostgreSQL, %.2f of DuckDB'\''s time (worst: %.2f, %s), one process;\n", count, m, mean(3, 6), worst(3, 6), at
    m = mean(4, 5)
    printf "%.1f times as fast as PostgreSQL, %.2f of DuckDB'\''s time (worst: %.2f, %s), two workers.  Two workers over one process: %.2f times as fast.\n", m, mean(5, 7), worst(5, 7), at, mean(3, 5) }' "$work/lines"
echo
heap=$(sql -c "SELECT sum(pg_relation_size(relid)) FROM strata.column_tables")
store=$(sql -c "SELECT sum(bytes) FROM strata.column_tables")
duck store "$work/stored.duckdb"
awk -v heap="$heap" -v store="$store" -v duck="$DUCK_ANSWER" 'BEGIN {
  printf "Heap %.0f MB; column store %.0f MB, %.1f %% of it; DuckDB'\''s compressed file %.0f MB, so %.2f of that.\n", heap / 1048576, store / 1048576, 100 * store / heap, duck / 1048576, store / duck }'
