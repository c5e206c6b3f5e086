#!/bin/bash
# demo.sh: pg_strata at work, on a throwaway cluster.  Loads three million US flights, asks five questions of them with
# the column store off and on, lets another session write meanwhile, and starts stratad with its dashboard.
# DEMO=once stops after that instead of waiting for Ctrl-C.  Everything it makes is removed at the end.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"

RUNS=5 # timed runs of each query, off and on in turn; the table shows medians
WRITES=30 # transactions of the writing session, five a second

say() { printf '\n%s\n' "$*"; }
note() { printf '  %s\n' "$*"; }
die() {
  printf '\nThe demo failed: %s\n' "$*" >&2
  exit 1
}

say 'pg_strata: an ordinary table, the same SQL, an always-fresh column store beside it'

test/deps.sh
work=$(mktemp -d /tmp/pg_strata-demo.XXXXXX)
chmod 755 "$work"
sidecar=
writer=
finish() {
  local status=$?
  trap - EXIT INT TERM
  [ -z "$writer" ] || kill "$writer" 2> /dev/null || true
  [ -z "$sidecar" ] || kill "$sidecar" 2> /dev/null || true
  [ -z "$sidecar" ] || wait "$sidecar" 2> /dev/null || true
  [ -z "${PGHOST:-}" ] || cluster_stop "$work/cluster" || true
  rm -rf "$work"
  exit $status
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say 'Building, and starting a PostgreSQL of its own'
PG_CONFIG=$(test/private_install.sh "$work/pg") || die 'it does not build'
export PG_CONFIG
(cd demo && npm ci --loglevel=error --no-fund --no-audit) > "$work/npm.log" 2>&1 || { cat "$work/npm.log"; die 'npm could not fetch the data'; }
. test/cluster.sh
mkdir "$work/cluster"
[ "$(id -u)" != 0 ] || chown "$server_user" "$work/cluster"
cluster_start "$work/cluster" "shared_preload_libraries = 'pg_strata'" 'shared_buffers = 512MB' 'max_wal_size = 4GB' \
  'work_mem = 32MB' || die 'the server does not start'
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -d demo "$@"; }
psql -X -q -d postgres -c 'CREATE DATABASE demo'
note "$(sql -c 'SELECT version()' | cut -d' ' -f1-2), $(nproc) processors, settings as they come but shared_buffers, work_mem, max_wal_size"

say 'Three million flights of 2001 (npm vega-datasets)'
sql -c 'CREATE EXTENSION pg_strata' \
  -c 'CREATE TABLE flights (id int PRIMARY KEY, departure timestamp, delay int, distance int, origin text, destination text)'
begun=$SECONDS
node demo/flights.mjs | sql -c 'COPY flights FROM STDIN (FORMAT csv)'
sql -c 'VACUUM (FREEZE, ANALYZE) flights'
note "loaded in $((SECONDS - begun)) s: $(sql -c "SELECT format('%s rows, %s', to_char(count(*), 'FM9,999,999'), pg_size_pretty(pg_table_size('flights'))) FROM flights")"

say 'Into the column store: two statements'
note "SELECT strata.enable('flights');"
note "SELECT strata.populate('flights');"
begun=$(date +%s%N)
sql -c "SELECT strata.enable('flights')" -c "SELECT strata.populate('flights')" > /dev/null
took=$((($(date +%s%N) - begun) / 1000000))
note "$(sql -c "SELECT format('%s: %s rows in %s units, %s instead of %s', status, to_char(rows_in_columns, 'FM9,999,999'), units, pg_size_pretty(bytes),
                    pg_size_pretty(pg_table_size('flights'))) FROM strata.column_tables WHERE relid = 'flights'::regclass"), in $took ms"
[ "$(sql -c "SELECT status FROM strata.column_tables WHERE relid = 'flights'::regclass")" = populated ] || die 'the table is not populated'

names=('late flights' 'airports by mean delay' 'one route, by month' 'where the west flies' 'long hauls')
queries=(
  "SELECT count(*), avg(delay), max(delay) FROM flights WHERE delay > 60"
  "SELECT origin, count(*), avg(delay) FROM flights GROUP BY origin HAVING count(*) > 10000 ORDER BY avg(delay) DESC, origin LIMIT 5"
  "SELECT count(*), min(departure), max(departure), sum(distance) FROM flights WHERE origin = 'SFO' AND destination = 'JFK' AND departure >= '2001-03-01' AND departure < '2001-04-01'"
  "SELECT destination, count(*), sum(distance) FROM flights WHERE origin IN ('SFO', 'LAX', 'SEA', 'SAN', 'PDX') GROUP BY destination ORDER BY count(*) DESC, destination LIMIT 5"
  "SELECT origin, destination, count(*), min(delay), max(delay), avg(delay) FROM flights WHERE distance > 2000 AND destination LIKE 'S%' GROUP BY origin, destination ORDER BY count(*) DESC, origin, destination LIMIT 5"
)
names[2]='one route in March'
off="SET strata.column_scan = off; SET strata.column_aggregate = off;"
on="SET strata.column_scan = on; SET strata.column_aggregate = on;"
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

say "Five questions, the column store off and on (median of $RUNS runs)"
printf '\n  %-24s %12s %12s %8s   %s\n' '' 'off' 'on' 'ratio' 'answers'
ratios=
for i in "${!queries[@]}"; do
  {
    printf '%s\n' "$off" "\\o $work/off.out" "${queries[i]};" "$on" "\\o $work/on.out" "${queries[i]};" '\o /dev/null' '\timing on'
    for ((run = 0; run < RUNS; run++)); do
      printf '%s\n' '\timing off' "$off" '\timing on' '\echo off' "${queries[i]};" '\timing off' "$on" '\timing on' '\echo on' "${queries[i]};"
    done
  } > "$work/question.sql"
  sql -f "$work/question.sql" > "$work/times"
  cmp -s "$work/off.out" "$work/on.out" || {
    diff "$work/off.out" "$work/on.out" || true
    die "the answers differ: ${queries[i]}"
  }
  [ -s "$work/on.out" ] || die "no answer: ${queries[i]}"
  slow=$(awk '/^off$|^on$/ { side = $0 } /^Time:/ && side == "off" { print $2 }' "$work/times" | median)
  fast=$(awk '/^off$|^on$/ { side = $0 } /^Time:/ && side == "on" { print $2 }' "$work/times" | median)
  ratio=$(awk -v a="$slow" -v b="$fast" 'BEGIN { printf "%.1f", a / b }')
  ratios+="$ratio "
  printf '  %-24s %9.1f ms %9.1f ms %7sx   equal\n' "${names[i]}" "$slow" "$fast" "$ratio"
done
note ''
note "median ratio $(tr ' ' '\n' <<< "$ratios" | grep . | median)x; both sides as the planner likes, parallel workers included. The second question:"
note "${queries[1]}"
sql -c "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ${queries[1]}" | sed 's/^/    /'

say 'Another session inserts and updates while we ask'
fresh="SELECT origin, count(*), sum(delay), max(delay) FROM flights WHERE origin IN ('SFO', 'JFK') GROUP BY origin ORDER BY origin"
plain='SELECT count(*), sum(delay) FROM flights'
{
  for ((i = 1; i <= WRITES; i++)); do
    echo "BEGIN;
      INSERT INTO flights SELECT 3000000 + $i * 1000 + n, '2001-07-01', n % 200, 500, 'SFO', 'OSL' FROM generate_series(1, 1000) n;
      UPDATE flights SET delay = delay + 1 WHERE id BETWEEN $i * 50000 AND $i * 50000 + 200;
      DELETE FROM flights WHERE id = $i * 70001;
      COMMIT;
      SELECT pg_sleep(0.2);"
  done
} > "$work/writes.sql"
sql -f "$work/writes.sql" > /dev/null &
writer=$!
rounds=0
last=
while :; do
  kill -0 "$writer" 2> /dev/null && writing=yes || writing=
  # One snapshot, asked both ways; the writer commits in between.
  sql -c "BEGIN ISOLATION LEVEL REPEATABLE READ; $on" -c "$plain" -c "$fresh" -c '\echo ----' -c "$off" -c "$plain" -c "$fresh" -c COMMIT > "$work/both"
  sed '/^----$/,$d' "$work/both" > "$work/on.out"
  sed '1,/^----$/d' "$work/both" > "$work/off.out"
  { [ -s "$work/on.out" ] && cmp -s "$work/on.out" "$work/off.out"; } || die "the answers differ in one snapshot: $(cat "$work/both")"
  rounds=$((rounds + 1))
  [ "$(head -n 1 "$work/on.out")" = "$last" ] || note "rows, sum of delays: $(head -n 1 "$work/on.out" | sed 's/|/, /')"
  last=$(head -n 1 "$work/on.out")
  [ -n "$writing" ] || break
done
wait "$writer" || die 'the writing session failed'
writer=
[ "${last%%|*}" = $((3000000 + WRITES * 1000 - WRITES)) ] || die "rows are missing: $last"
note "$rounds snapshots, each asked with the column store off and on: always equal, up to the last commit"

say 'stratad'
[ -x sidecar/stratad ] || die 'sidecar/stratad was not built (are libwebsockets-dev, libjson-c-dev and libssl-dev there?)'
port=$(node -e 'const s = require("net").createServer(); s.listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
mkdir "$work/sidecar"
cp sidecar/stratad "$work/sidecar/"
[ "$(id -u)" != 0 ] || chown -R "$server_user" "$work/sidecar"
touch "$work/stratad.log"
server_exec "$work/sidecar/stratad" --node "demo=host=$PGHOST port=$PGPORT user=postgres dbname=demo" --listen "127.0.0.1:$port" \
  --ring "$(sql -c 'SELECT path FROM strata.ring_status()')" --token-file "$work/sidecar/token" >> "$work/stratad.log" 2>&1 &
sidecar=$!
base=http://127.0.0.1:$port
for ((try = 0; try < 100; try++)); do
  [ "$(curl -s -o /dev/null -w '%{http_code}' "$base/readyz")" = 200 ] && break
  kill -0 "$sidecar" 2> /dev/null || break
  sleep 0.1 # poll
done
[ "$(curl -s -o /dev/null -w '%{http_code}' "$base/readyz")" = 200 ] || { cat "$work/stratad.log"; die 'stratad is not ready'; }
token=$(grep -oE '\b[0-9a-f]{48}\b' "$work/stratad.log" | head -n 1)
[ -n "$token" ] || die 'stratad printed no token'
status=$(curl -sf -H "Authorization: Bearer $token" "$base/api/v1/inmemory/tables/flights/status") || die 'stratad does not answer'
note "dashboard   $base/#token=$token"
note "try         curl -H 'Authorization: Bearer $token' $base/api/v1/inmemory/tables/flights/status"
note "            $(cut -c1-160 <<< "$status")"
note "psql        $(command -v psql) -h $PGHOST -U postgres demo"
if [ "${DEMO:-}" = once ]; then
  say 'Done.'
  exit 0
fi
say 'Running until Ctrl-C.'
wait "$sidecar" || die 'stratad ended'
