# common.sh - what the benchmarks over TPC-H's tables share; to be sourced by a bash script that set `top`.
#
#   tpch_begin         sets `work`, a directory for answers, and `dir`: DIR=DIRECTORY, which is left, or one in `work`; all else is
#                      stopped and removed at the end
#   tpch_open DIR      makes what DIR lacks: a private PostgreSQL with the tree built and installed, the data (SF=1, or
#                      links to the files of TBL=DIRECTORY), a cluster with the tables loaded; starts it; all tables
#                      populated
#   tpch_attach DIR    says how to reach the cluster that prepare.sh DIR left running
#   tpch_query NAME    the text of q01 .. q22, or of a question of test/bench/columns/queries.sql
#   tpch_names         the names of the 22; tpch_columns: those of the others
#   duck_start, duck REQUEST..., duck_stop   a DuckDB beside it (duckdb.mjs), DUCK_ANSWER being what it said

here_tpch=$top/test/bench/tpch
SF=${SF:-1}
tpch_tables=(region nation supplier part partsupp customer orders lineitem)

die() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

median() { sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }

sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -d bench "$@"; }

tpch_attach() {
  PG_CONFIG=$("$top/test/pg_private.sh" "$1/pg")
  PGHOST=$(cd "$1" && pwd)/cluster
  export PG_CONFIG PGHOST PGPORT=5432 PGUSER=postgres
  . "$top/test/cluster.sh"
}

tpch_names() { (cd "$top/test/tpch/queries" && for file in q*.sql; do echo "${file%.sql}"; done); }
tpch_columns() { sed -n 's/^-- \(\S*\) \[.*\]$/\1/p' "$top/test/bench/columns/queries.sql"; }
# 1 for a question that counts in the geometric mean, else 0.
tpch_in_mean() { grep -c "^-- $1 \[mean\]$" "$top/test/bench/columns/queries.sql" || true; }
tpch_query() {
  if [ -e "$top/test/tpch/queries/$1.sql" ]; then
    # The fraction of question 11 depends on the scale.
    sed "s/0\.0001000000/$(awk -v sf="$SF" 'BEGIN { printf "%.10f", 0.0001 / sf }')/; /^--/d; s/;\$//" "$top/test/tpch/queries/$1.sql"
  else
    awk -v name="$1" '/^--/ { found = $2 == name && $3 ~ /^\[/; next } found { sub(/;$/, ""); print }' "$top/test/bench/columns/queries.sql" |
      grep . || die "no question is called $1"
  fi
}

# The server before other work on the machine, where root may say so.
nice=()
tpch_first() {
  [ "$(id -u)" = 0 ] || return 0
  renice -n -15 -p "$(head -n 1 "$1/cluster/data/postmaster.pid")" > /dev/null
  nice=(nice -n -15)
}

tpch_load() {
  local table
  psql -X -q -d postgres -c 'CREATE DATABASE bench'
  sql -c 'CREATE EXTENSION pg_strata' -c 'CREATE EXTENSION pg_prewarm' -f "$top/test/tpch/schema.sql"
  for table in "${tpch_tables[@]}"; do
    sql -c "COPY $table FROM STDIN (FORMAT csv, DELIMITER '|')" < "$1/data/$table.tbl"
  done
  sql -c 'VACUUM (FREEZE, ANALYZE)' -c CHECKPOINT
}

tpch_populate() {
  local table
  for table in "${tpch_tables[@]}"; do
    sql -c "SELECT strata.enable('$table')" -c "SELECT strata.populate('$table')"
  done > /dev/null
}

tpch_finish() {
  local status=$?
  trap - EXIT
  duck_stop || true
  [ -n "${DIR:-}" ] || [ -z "${PGHOST:-}" ] || cluster_stop "$dir/cluster" || true
  rm -rf "$work"
  exit $status
}

tpch_begin() {
  work=$(mktemp -d /tmp/pg_strata-bench.XXXXXX)
  chmod 755 "$work"
  dir=${DIR:-$work/tpch}
  trap tpch_finish EXIT
  trap 'exit 130' INT TERM
}

tpch_open() {
  local dir=$1 table made
  mkdir -p "$dir/data"
  chmod 755 "$dir"
  dir=$(cd "$dir" && pwd)
  PG_CONFIG=$("$top/test/private_install.sh" "$dir/pg")
  export PG_CONFIG
  . "$top/test/cluster.sh"
  if [ -n "${TBL:-}" ]; then
    for table in "${tpch_tables[@]}"; do ln -sfn "$TBL/$table.tbl" "$dir/data/$table.tbl"; done
  elif [ ! -e "$dir/data/complete" ]; then
    cc -O2 -o "$dir/gen" "$top/test/tpch/gen.c"
    "$dir/gen" "$SF" "$dir/data"
    touch "$dir/data/complete"
  fi
  if [ ! -e "$dir/cluster/loaded" ]; then
    cluster_stop "$dir/cluster"
    rm -rf "$dir/cluster"
    mkdir "$dir/cluster"
    [ "$(id -u)" != 0 ] || chown "$server_user" "$dir/cluster"
    # What a server with some memory would have; all data in it, so that what is measured is the executor.
    cluster_start "$dir/cluster" "shared_preload_libraries = 'pg_strata'" 'shared_buffers = 3GB' 'effective_cache_size = 6GB' \
      'work_mem = 256MB' 'maintenance_work_mem = 512MB' 'max_wal_size = 16GB' 'checkpoint_timeout = 1h' 'random_page_cost = 1.1' \
      'autovacuum = off' 'jit = off' 'synchronize_seqscans = off' 'max_worker_processes = 16' \
      'strata.memory = 2GB' 'strata.auto_populate = off'
    tpch_load "$dir"
    touch "$dir/cluster/loaded"
  else
    # The library is a new one perhaps, and its SQL: nothing of the old survives but the tables.
    cluster_stop "$dir/cluster"
    export PGHOST=$dir/cluster PGPORT=5432 PGUSER=postgres
    (cd / && as_server pg_ctl -D "$dir/cluster/data" -l "$dir/cluster/server.log" -w -t 120 start) > "$dir/cluster/pg_ctl.log" 2>&1 ||
      { tail -n 20 "$dir/cluster/server.log" >&2; die 'the server does not start'; }
    sql -c 'SET client_min_messages = warning; DROP EXTENSION IF EXISTS pg_strata CASCADE; CREATE EXTENSION pg_strata'
  fi
  tpch_first "$dir"
  tpch_populate
  for table in "${tpch_tables[@]}"; do
    made=$(sql -c "SELECT status || ' ' || rows_in_columns FROM strata.column_tables WHERE relid = '$table'::regclass")
    [ "$made" = "populated $(sql -c "SELECT count(*) FROM $table")" ] || echo "$table: $made" >&2
    sql -c "SELECT pg_prewarm('$table')" > /dev/null
  done
  sql -c "SELECT pg_prewarm(indexrelid) FROM pg_index JOIN pg_class c ON c.oid = indrelid WHERE relnamespace = 'public'::regnamespace" > /dev/null
}

# ---- DuckDB ----

DUCK_VERSION='not asked'

duck_start() { # DIR: where the data is
  (cd "$here_tpch" && npm install --no-package-lock --loglevel=error --no-fund --no-audit) > "$1/npm.log" 2>&1 || { cat "$1/npm.log" >&2; die 'npm could not fetch DuckDB'; }
  coproc DUCK { exec "${nice[@]}" node "$here_tpch/duckdb.mjs" "$1/data" "$top/test/tpch/schema.sql"; }
  duck version
  DUCK_VERSION=$DUCK_ANSWER
}

duck() {
  local line
  echo "$*" >&"${DUCK[1]}"
  DUCK_ANSWER=
  while IFS= read -r line <&"${DUCK[0]}"; do
    case $line in
      ok) return 0 ;;
      error\ *) die "DuckDB: $line" ;;
      *) DUCK_ANSWER=$line ;;
    esac
  done
  die 'DuckDB went away'
}

duck_stop() {
  local pid=${DUCK_PID:-}
  [ -n "$pid" ] || return 0
  eval "exec ${DUCK[1]}>&-"
  wait "$pid" 2> /dev/null || true
}

json() { node -e 'console.log(JSON.stringify(require("fs").readFileSync(0, "utf8")))'; }

# same_answers A B: two files of rows, fields separated by '|', say the same: numbers to nine digits (an average is a
# double in DuckDB), text without blanks at its end (char(n) is not padded there).
same_answers() {
  awk -F'|' -v other="$2" '
    function number(x) { return x ~ /^-?[0-9]+(\.[0-9]*)?(e[-+]?[0-9]+)?$/ }
    function differ(x, y,   d, m) {
      sub(/ +$/, "", x); sub(/ +$/, "", y)
      if (x == y) return 0
      if (!number(x) || !number(y)) return 1
      d = x - y; m = x < 0 ? -x : x + 0
      if (d < 0) d = -d
      return d > m * 1e-9
    }
    {
      if ((getline line < other) <= 0) { print "only the first has: " $0; bad = 1; exit 1 }
      if (split(line, field, "|") != NF) { print "differ: " $0 " / " line; bad = 1; exit 1 }
      for (i = 1; i <= NF; i++) if (differ($i, field[i])) { print "differ: " $0 " / " line; bad = 1; exit 1 }
    }
    END { if (!bad && (getline line < other) > 0) { print "only the second has: " line; exit 1 } }' "$1"
}

# tpch_machine: the lines that say what was measured on what.
tpch_machine() {
  echo "$(sql -c 'SELECT split_part(version(), $$ on $$, 1)'), DuckDB $DUCK_VERSION, kernels: $(sql -c 'SELECT level FROM strata.simd_features()')."
  echo "$(lscpu | sed -n 's/^Model name: *//p' | head -n 1), $(nproc) processors, $(awk '/MemTotal/ { printf "%d", $2 / 1048576 }' /proc/meminfo) GB. $(date -u +%Y-%m-%d)."
}

# tpch_switch on|off: the statement that turns the column store on or off.
tpch_switch() {
  echo "SELECT set_config(name, '$1', false) FROM pg_settings WHERE name IN ('strata.column_scan', 'strata.column_aggregate', 'strata.column_join') \\g /dev/null"
}

# What psql is told before and after a query to be timed; it prints "Time: N ms".  With CPU=yes N is not the time that the client
# waits but the processor time of its server process (and DuckDB's): on a machine that others use, what a question costs
# without them, as far as one process goes.
if [ -n "${CPU:-}" ]; then
  ran="split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::bigint"
  timing_on="SELECT $ran AS ran \\gset"
  timing_off="SELECT round(($ran - :ran) / 1e6, 3) AS ran \\gset
\\echo Time: :ran ms"
else
  timing_on='\timing on'
  timing_off='\timing off'
fi
