#!/bin/bash
# parallel.sh DIR: what workers do for scans of lineitem, in the cluster that prepare.sh DIR left running.  Each query with no
# worker, with one and two query workers, and with one and two parallel workers of PostgreSQL, the leader taking part, by the
# clock; medians of RUNS=9, in turn; prints Markdown.  The last question is what a worker costs that has nothing to do.  Costs
# of workers are set to 0, so that the planner always takes them.
set -euo pipefail
top=$(cd "$(dirname "$0")/../../.." && pwd)
. "$top/test/bench/tpch/common.sh"
[ $# = 1 ] || die 'usage: parallel.sh DIR'
RUNS=${RUNS:-9}
tpch_attach "$1"
work=$(mktemp -d /tmp/pg_strata-bench.XXXXXX)
trap 'rm -rf "$work"' EXIT

ways='0/0 1/2 2/2 1/0 2/0' # workers a query / strata.query_workers
ask() { # LABEL QUERY
  local run way
  {
    printf '%s\n' 'SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;' '\o /dev/null'
    for ((run = 0; run <= RUNS; run++)); do
      for way in $ways; do
        printf '%s\n' "SET max_parallel_workers_per_gather = ${way%/*}; SET strata.query_workers = ${way#*/};" "\\echo $way $run" '\timing on' "$2;" '\timing off'
      done
    done
  } > "$work/ask.sql"
  sql -f "$work/ask.sql" > "$work/times"
  for way in $ways; do
    # The first run of each is not counted.
    awk -v want="$way" 'NF == 2 && $1 ~ /^[012]\/[02]$/ { way = $1; run = $2 } /^Time:/ && way == want && run > 0 { print $2 }' "$work/times" | median
  done | paste -s -d ' ' |
    awk -v label="$1" '{ printf "| %s | %.1f | %.1f | %.2f | %.1f | %.2f | %.1f | %.2f | %.1f | %.2f |\n", label, $1, $2, $1 / $2, $3, $1 / $3, $4, $1 / $4, $5, $1 / $5 }'
}

tpch_machine
echo
echo '| query | no worker, ms | one query worker, ms | times as fast | two, ms | times as fast | one parallel worker, ms | times as fast | two, ms | times as fast |'
echo '|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|'
ask '`LIKE` over l_comment' "SELECT count(*) FROM lineitem WHERE l_comment LIKE '%special%'"
ask "query 1's aggregate" "SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice), sum(l_extendedprice * (1 - l_discount)), sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)), avg(l_quantity), avg(l_extendedprice), avg(l_discount), count(*) FROM lineitem WHERE l_shipdate <= date '1998-09-02' GROUP BY 1, 2"
ask 'GROUP BY 7 strings' 'SELECT l_shipmode, count(*), avg(l_extendedprice) FROM lineitem GROUP BY 1'
ask 'sum of a product, half of the rows' 'SELECT sum(l_extendedprice * l_discount) FROM lineitem WHERE l_quantity < 24'
ask 'sum of 1 row in 10' 'SELECT sum(l_extendedprice) FROM lineitem WHERE l_partkey < 20000'
ask '25 rows' "SELECT count(*) FROM nation WHERE n_name LIKE '%A%'"
