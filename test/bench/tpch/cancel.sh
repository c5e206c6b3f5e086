#!/bin/bash
# cancel.sh DIR: how long queries of many kinds take to answer a cancel, against the cluster that prepare.sh left in DIR.
#
# Each query is cancelled TRIES=12 times, each time in a new session and after a random part of PART=0.3 seconds; a query
# that was over by then is not counted.  Prints Markdown: milliseconds from the signal to the error, median and longest.
set -euo pipefail
top=$(cd "$(dirname "$0")/../../.." && pwd)
. "$top/test/bench/tpch/common.sh"
[ $# = 1 ] || die 'usage: cancel.sh DIR'
tpch_attach "$1"
TRIES=${TRIES:-12}
PART=${PART:-0.3}

queries=(
  'query 1' "$(tpch_query q01)"
  'groups of 1.5 M keys' 'SELECT l_orderkey, count(*) FROM lineitem GROUP BY 1 ORDER BY 2 DESC LIMIT 1'
  'distinct texts' 'SELECT count(DISTINCT l_comment) FROM lineitem'
  'joins' "SELECT count(*) FROM lineitem JOIN orders ON l_orderkey = o_orderkey JOIN customer ON o_custkey = c_custkey
    WHERE c_acctbal > 0 AND l_comment LIKE '%a%b%c%'"
  'a join of many matches' 'SELECT count(*) FROM lineitem a JOIN lineitem b ON a.l_suppkey = b.l_suppkey AND a.l_comment < b.l_comment'
  'a join of as many on each side' 'SELECT count(*) FROM lineitem a JOIN lineitem b ON a.l_orderkey = b.l_orderkey + 1'
  'LIKE' "SELECT count(*) FROM lineitem WHERE l_comment LIKE '%x_q%z%'"
  'first 100 texts' 'SELECT l_orderkey, l_comment FROM lineitem ORDER BY l_comment, l_orderkey LIMIT 100'
  'grouping sets' 'SELECT l_shipdate, l_partkey, sum(l_quantity) FROM lineitem GROUP BY GROUPING SETS ((1), (2), (1, 2)) ORDER BY 3 DESC LIMIT 1'
  'expressions' "SELECT sum(CASE WHEN substring(l_comment FROM 3 FOR 2) = 'ab' THEN l_extendedprice ELSE 0 END), max(upper(l_comment)) FROM lineitem"
  'sort' 'SELECT count(*) FROM (SELECT l_orderkey FROM lineitem ORDER BY l_extendedprice, l_orderkey OFFSET 0) s'
  'a correlated aggregate' "$(tpch_query q17)"
)

# once QUERY: milliseconds; nothing when the query was over.  The signal goes to the server's process as a cancel request's does.
once() {
  local begin end line pid
  coproc SESSION { exec psql -X -q -A -t -d bench 2>&1; }
  echo 'SELECT pg_backend_pid();' >&"${SESSION[1]}"
  read -r pid <&"${SESSION[0]}"
  printf '%s\n' "SET max_parallel_workers_per_gather = 0; SET work_mem = '256MB';" '\o /dev/null' "$1;" '\o' '\echo over' >&"${SESSION[1]}"
  sleep "$(awk -v seed=$RANDOM -v part="$PART" 'BEGIN { srand(seed); printf "%.3f", 0.02 + rand() * part }')"
  begin=$EPOCHREALTIME
  kill -INT "$pid"
  read -r line <&"${SESSION[0]}"
  end=$EPOCHREALTIME
  case $line in *'canceling statement'*) awk -v a="$begin" -v b="$end" 'BEGIN { printf "%.1f\n", (b - a) * 1000 }' ;; esac
  echo '\q' >&"${SESSION[1]}" || true
  wait "$SESSION_PID" || true
}

echo '| query | cancelled | median, ms | longest, ms |'
echo '|---|---:|---:|---:|'
for ((q = 0; q < ${#queries[@]}; q += 2)); do
  for ((try = 0; try < TRIES; try++)); do once "${queries[q + 1]}"; done | sort -n |
    awk -v name="${queries[q]}" '{ ms[NR] = $1 } END { printf "| %s | %d | %s | %s |\n", name, NR, ms[int((NR + 1) / 2)], ms[NR] }'
done
