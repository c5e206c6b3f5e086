#!/bin/bash
# columns/expressions.sh: what expressions cost a row: one question for each kind, over the six million rows of TPC-H's
# lineitem at scale 1, and of a table of timestamps and long numerics made of it; by PostgreSQL with the column store off and
# on, and by DuckDB, in memory, all with one thread.  Prints Markdown, nanoseconds a row: the medians of RUNS=5 after one
# run that is not counted, the whole question included.
#
# DIR=DIRECTORY: works in what test/bench/tpch/prepare.sh left there, and leaves it; else all is made anew and removed at the
# end.   CPU=yes: processor time   ONLY="name name"   OFF=no, DUCK=no: without these
set -euo pipefail
top=$(cd "$(dirname "$0")/../../.." && pwd)
. "$top/test/bench/tpch/common.sh"
RUNS=${RUNS:-5}

moments="CREATE TABLE moments AS SELECT CAST(l_shipdate AS timestamp) + CAST((CAST(l_orderkey AS bigint) * 7919 % 86400) || ' seconds' AS interval) AS ts,
  CAST(l_extendedprice AS numeric(15,4)) AS a, CAST(l_discount + 1.2345 AS numeric(15,4)) AS b, CAST(l_tax + l_partkey AS numeric(15,4)) AS c,
  l_suppkey % 100 AS g FROM lineitem"

questions() {
  cat <<'END'
numeric > constant of 19 decimals|SELECT count(*) FROM lineitem WHERE l_extendedprice > 50000.1234567890123456789
numeric IN (three)|SELECT count(*) FROM lineitem WHERE l_discount IN (0.05, 0.06, 0.07)
price * (1 - discount) * (1 + tax)|SELECT sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) FROM lineitem
a * b * c in 128 bits|SELECT sum(a * b * c) FROM moments
the same, 100 groups|SELECT g, sum(a * b * c) FROM moments GROUP BY g
numeric / 7|SELECT sum(l_extendedprice / 7) FROM lineitem
extract(year FROM date), grouped|SELECT extract(year FROM l_shipdate), count(*) FROM lineitem GROUP BY 1
extract(year FROM timestamp), grouped|SELECT extract(year FROM ts), count(*) FROM moments GROUP BY 1
extract(week FROM timestamp), grouped|SELECT extract(week FROM ts), count(*) FROM moments GROUP BY 1
extract(hour FROM timestamp), grouped|SELECT extract(hour FROM ts), count(*) FROM moments GROUP BY 1
date_trunc(day), grouped|SELECT date_trunc('day', ts), count(*) FROM moments GROUP BY 1
date_trunc(month), grouped|SELECT date_trunc('month', ts), count(*) FROM moments GROUP BY 1
timestamp + 1 day 2 hours|SELECT max(ts + interval '1 day 2 hours') FROM moments
timestamp + 1 month|SELECT max(ts + interval '1 month') FROM moments
date + 1 month < date|SELECT count(*) FROM lineitem WHERE l_shipdate + interval '1 month' < l_receiptdate
CASE over strings of 7|SELECT sum(CASE WHEN l_shipmode = 'AIR' THEN l_quantity ELSE 0 END) FROM lineitem
LIKE|SELECT count(*) FROM lineitem WHERE l_comment LIKE '%special%'
ILIKE|SELECT count(*) FROM lineitem WHERE l_comment ILIKE '%SPECIAL%'
upper() LIKE|SELECT count(*) FROM lineitem WHERE upper(l_comment) LIKE '%SPECIAL%'
~ '^special'|SELECT count(*) FROM lineitem WHERE l_comment ~ '^special'
length(a \|\| b)|SELECT max(length(l_comment || l_shipmode)) FROM lineitem
END
}

tpch_begin
tpch_open "$dir"
sql -c 'DROP TABLE IF EXISTS moments' -c "$moments" -c 'VACUUM (FREEZE, ANALYZE) moments' 2> /dev/null
sql -c "SELECT strata.enable('moments')" > /dev/null
sql -c "SELECT strata.populate('moments')" > /dev/null
rows=$(sql -c 'SELECT count(*) FROM lineitem')
sides='off on'
[ "${OFF:-}" != no ] || sides=on
if [ "${DUCK:-}" != no ]; then
  duck_start "$dir"
  duck threads 1
  duck answer /dev/null "$(json <<< "$moments")"
fi

# one QUERY: "off on duckdb", medians in milliseconds; "-" for what is not asked.
# Called in $(...), where set -e does not hold.
one() {
  local query=$1 side
  {
    echo 'SET max_parallel_workers_per_gather = 0;'
    for side in $sides; do
      printf '%s\n' "$(tpch_switch "$side")" "\\o $work/$side.out" "$query;" '\o /dev/null' "\\echo $side"
      for ((run = 0; run < RUNS; run++)); do printf '%s\n' "$timing_on" "$query;" "$timing_off"; done
    done
  } > "$work/query.sql"
  sql -f "$work/query.sql" > "$work/times" || exit 1
  [ "$sides" = on ] || cmp -s <(sort "$work/off.out") <(sort "$work/on.out") || die "$query: the answers differ"
  for side in off on; do
    case " $sides " in *" $side "*) awk -v want=$side '/^off$|^on$/ { side = $0 } /^Time:/ && side == want { print $2 }' "$work/times" | median ;; *) echo - ;; esac
  done
  [ "${DUCK:-}" = no ] && echo - && return
  # ~ of DuckDB is a match of the whole string
  duck time "$RUNS" it "$(json <<< "${query/l_comment ~ \'^special\'/regexp_matches(l_comment, \'^special\')}")"
  echo "${DUCK_ANSWER#* }"
}

echo "TPC-H at scale $SF (own generator), $rows rows. One thread each. Median of $RUNS runs. Nanoseconds a row."
tpch_machine
echo
echo '| expression | PostgreSQL | pg_strata | DuckDB |'
echo '|---|---:|---:|---:|'
while IFS= read -r line; do
  name=${line%%|SELECT*}
  [ -z "${ONLY:-}" ] || [[ " $ONLY " == *" ${name// /_} "* ]] || continue
  read -rd '' slow fast duck_ms <<< "$(one "SELECT${line#*|SELECT}")" || true
  [ -n "$fast" ] || exit 1
  # it refuses products of many digits
  duck_ms=${duck_ms:--}
  awk -v name="$name" -v slow="$slow" -v fast="$fast" -v duck="$duck_ms" -v rows="$rows" '
    function ns(ms) { return ms == "-" ? "-" : sprintf(ms * 1e6 / rows < 10 ? "%.1f" : "%.0f", ms * 1e6 / rows) }
    BEGIN { printf "| %s | %s | %s | %s |\n", name, ns(slow), ns(fast), ns(duck) }'
done < <(questions)
