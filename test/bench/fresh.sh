#!/bin/bash
# fresh.sh: what scattered updates cost the column store's scans, before anything is copied again and after the
# worker has caught up.
#
# Six million rows of the shape of TPC-H's lineitem, wholly in shared_buffers; autovacuum and jit off, no parallel
# workers.  Each question runs RUNS times, after one run that is not counted, with the table clean; after an UPDATE
# of PERCENT of the rows, chosen by a hash of the key and so lying all over the table, with strata.auto_populate off; and
# after it was switched on and nothing was left to copy, without a VACUUM.  Then the same as the first question of a new
# session, RUNS sessions each, clean and after the UPDATE.  The first question of all after the UPDATE, for which every
# page that it touched has to be looked at, by it or by the database's keeper, is timed by itself, sent as soon as the UPDATE
# has committed.  Answers must be those of the heap.  Prints Markdown.
# ROWS=6000000 RUNS=7 PERCENT=1
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
ROWS=${ROWS:-6000000}
RUNS=${RUNS:-7}
PERCENT=${PERCENT:-1}

die() {
  echo "fresh.sh: $*" >&2
  exit 1
}
work=$(mktemp -d /tmp/pg_strata-bench.XXXXXX)
chmod 755 "$work"
finish() {
  local status=$?
  trap - EXIT
  [ -z "${PGHOST:-}" ] || cluster_stop "$work/cluster" || true
  [ -n "${KEEP:-}" ] || rm -rf "$work"
  exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

PG_CONFIG=${BENCH_PG_CONFIG:-$("$top/test/private_install.sh" "$work/pg")}
export PG_CONFIG
. "$top/test/cluster.sh"
mkdir "$work/cluster"
[ "$(id -u)" != 0 ] || chown "$server_user" "$work/cluster"
cluster_start "$work/cluster" "shared_preload_libraries = 'pg_strata'" 'shared_buffers = 4GB' 'max_wal_size = 16GB' \
  'checkpoint_timeout = 1h' 'autovacuum = off' 'jit = off' 'max_parallel_workers_per_gather = 0' 'strata.auto_populate = off'
# On a machine that others use, root may put what is timed before all else.
first=()
before=
if [ "$(id -u)" = 0 ] && chrt -f 1 true 2> "$work/chrt.err"; then
  first=(chrt -f 1)
  before='SELECT pg_backend_pid() AS pid \gset
\setenv PID :pid
\! chrt -f -p 1 $PID'
fi
psql -X -q -d postgres -c 'CREATE DATABASE bench'
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -d bench "$@"; }
median() { sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }

gcc -O2 -o "$work/lineitem" "$here/lineitem.c"
sql << 'SQL'
CREATE EXTENSION pg_strata;
CREATE EXTENSION pg_prewarm;
CREATE TABLE lineitem (
  l_orderkey bigint NOT NULL, l_partkey int NOT NULL, l_suppkey int NOT NULL, l_linenumber int NOT NULL,
  l_quantity numeric(15,2) NOT NULL, l_extendedprice numeric(15,2) NOT NULL, l_discount numeric(15,2) NOT NULL,
  l_tax numeric(15,2) NOT NULL, l_returnflag char(1) NOT NULL, l_linestatus char(1) NOT NULL, l_shipdate date NOT NULL,
  l_commitdate date NOT NULL, l_receiptdate date NOT NULL, l_shipinstruct char(25) NOT NULL, l_shipmode char(10) NOT NULL,
  l_comment varchar(44) NOT NULL);
SQL
"$work/lineitem" "$ROWS" | sql -c 'COPY lineitem FROM STDIN (FORMAT csv)'
sql -c 'VACUUM (FREEZE, ANALYZE) lineitem' -c CHECKPOINT -c "SELECT pg_prewarm('lineitem')" > /dev/null
sql -c "SELECT strata.enable('lineitem')" -c "SELECT strata.populate('lineitem')" > /dev/null

names=('count' 'sum' 'filtered sum' 'group by two' 'TPC-H query 1' 'TPC-H query 6')
queries=('SELECT count(*) FROM lineitem'
  'SELECT sum(l_extendedprice) FROM lineitem'
  "SELECT sum(l_extendedprice) FROM lineitem WHERE l_partkey <= $((ROWS / 300))"
  'SELECT l_returnflag, l_linestatus, sum(l_quantity), count(*) FROM lineitem GROUP BY l_returnflag, l_linestatus ORDER BY 1, 2'
  "SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice), sum(l_extendedprice * (1 - l_discount)),
  sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)), avg(l_quantity), avg(l_extendedprice), avg(l_discount), count(*)
  FROM lineitem WHERE l_shipdate <= date '1998-09-02' GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus"
  "SELECT sum(l_extendedprice * l_discount) FROM lineitem WHERE l_shipdate >= date '1994-01-01' AND l_shipdate < date '1995-01-01'
  AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24")
off="SELECT set_config(name, 'off', false) FROM pg_settings WHERE name LIKE 'strata.column\\_%' AND vartype = 'bool';"

timed() { "${first[@]}" psql -X -q -A -t -v ON_ERROR_STOP=1 -d bench -f "$1"; }

# measure FILE: a median a line, of each query.
measure() {
  local i run
  : > "$1"
  for i in "${!queries[@]}"; do
    {
      printf '%s\n' "$before" "${queries[i]};" '\timing on'
      for ((run = 0; run < RUNS; run++)); do echo "${queries[i]};"; done
    } > "$work/query.sql"
    timed "$work/query.sql" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | median >> "$1"
  done
}

# measure_new FILE: the same, each run being the first question of a session.
measure_new() {
  local i run
  : > "$1"
  for i in "${!queries[@]}"; do
    printf '%s\n' "$before" '\timing on' "${queries[i]};" > "$work/query.sql"
    for ((run = 0; run < RUNS; run++)); do timed "$work/query.sql" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'; done | median >> "$1"
  done
}

# same WHEN: the answers are the heap's.
same() {
  local i
  for i in "${!queries[@]}"; do
    sql -c "${queries[i]}" > "$work/on.out"
    sql -o /dev/null -c "$off" -c '\o' -c "${queries[i]}" > "$work/off.out"
    cmp -s "$work/on.out" "$work/off.out" || die "$1: the answers differ: ${queries[i]}"
  done
}

sql << 'SQL'
-- Comes back when the store has nothing left to copy of the table.
CREATE PROCEDURE caught_up(rel regclass) LANGUAGE plpgsql AS $$
DECLARE
  patience timestamptz := clock_timestamp() + interval '1 minute';
BEGIN
  WHILE (SELECT stale_blocks + tail_blocks > 0 FROM strata.column_tables WHERE relid = rel) LOOP
    IF clock_timestamp() > patience THEN
      RAISE 'the worker does not catch up';
    END IF;
    COMMIT; -- lets go of the snapshot: what others see as settled depends on it
    PERFORM pg_sleep(0.01); /* poll */
  END LOOP;
END $$;
SQL

measure "$work/clean"
measure_new "$work/clean_new"
sql -c "UPDATE lineitem SET l_quantity = l_quantity + 1 WHERE (hashint8(l_orderkey * 8 + l_linenumber)::bigint & 65535) < $PERCENT * 655.36"
# Hint bits are the heap's business: whoever reads it next writes them.
printf '%s\n' "$before" '\timing on' "${queries[1]};" > "$work/query.sql"
first_ms=$(timed "$work/query.sql" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p')
IFS='|' read -r touched blocks < <(sql -c "SELECT stale_blocks, total_blocks FROM strata.column_tables WHERE relid = 'lineitem'::regclass")
measure "$work/stale"
measure_new "$work/stale_new"
same 'after the updates'
begun=$(date +%s%N)
sql -c 'ALTER SYSTEM SET strata.auto_populate = on' -c 'SELECT pg_reload_conf()' > /dev/null
sql -c "CALL caught_up('lineitem')"
caught_up=$((($(date +%s%N) - begun) / 1000000))
measure "$work/fresh"
same 'after the worker has caught up'

echo "$ROWS rows, $blocks blocks when copied; $PERCENT % of the rows updated, which left $touched of them stale. Median of $RUNS runs, $(nproc) processors, $(date -u +%Y-%m-%d)."
echo
echo '| query | clean, ms | after the updates, ms | | caught up, ms | | new session: clean, ms | after the updates, ms | |'
echo '|---|---:|---:|---:|---:|---:|---:|---:|---:|'
nth() { sed -n "$1p" "$work/$2"; }
for i in "${!names[@]}"; do
  awk -v n="${names[i]}" -v a="$(nth $((i + 1)) clean)" -v b="$(nth $((i + 1)) stale)" -v c="$(nth $((i + 1)) fresh)" \
    -v d="$(nth $((i + 1)) clean_new)" -v e="$(nth $((i + 1)) stale_new)" \
    'BEGIN { printf "| %s | %.2f | %.2f | × %.2f | %.2f | × %.2f | %.2f | %.2f | × %.2f |\n", n, a, b, b / a, c, c / a, d, e, e / d }'
done
echo
echo "First question of all, sent when the UPDATE had committed (sum): $first_ms ms. The worker had caught up $caught_up ms after it was switched on."
