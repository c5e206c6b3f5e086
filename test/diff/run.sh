#!/bin/bash
# run.sh [OPTION...]: the differential test.  Starts a throwaway cluster, asks generated queries with the column
# store off and on, and compares.  The extension must be installed in the PostgreSQL of PG_CONFIG.
#
#   --seed N --queries N --tables N   what to generate (default: seed 1, 3000 queries, every scenario)
#   --only N                          one query, with its EXPLAIN ANALYZE
#   --from N                          starts with that query
#   --verbose                         prints the queries that take long or raise an error
#   --concurrent SECONDS              checkers against writers
#   --standby                         with --concurrent: the checkers ask on a streaming standby
#   --self-test                       the comparison finds nothing in copies, and finds what was changed
#   --memory SIZE                     strata.memory (default: 1GB, room for all columns)
#   --plain                           without the extension: the generator against PostgreSQL itself
#
# Without options: the self-test, 3000 queries, half of them over pages that come and go (strata.memory far smaller than
# the columns), and checkers against writers, 20 s on the same server and 15 s on a standby.  DIFF_SEED sets the seed.
set -euo pipefail
export PG_CONFIG=${PG_CONFIG:-pg_config}
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../cluster.sh"
work=$(server_tmpdir strata-diff)
finish() {
  local status=$?
  cluster_stop "$work/standby" || true
  cluster_stop "$work" || true
  [ -n "${KEEP:-}" ] && echo "# left behind: $work" || rm -rf "$work"
  exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

${CC:-cc} -std=gnu11 -O1 -g -Wall -Wextra -Wno-missing-field-initializers -I"$("$PG_CONFIG" --includedir)" \
  -o "$work/diff" "$here"/*.c -L"$("$PG_CONFIG" --libdir)" -lpq

plain= standby= memory=1GB options=()
while [ $# != 0 ]; do
  case $1 in
    --plain) plain=--plain ;;
    --standby) standby=1 ;;
    --memory) memory=$2 && shift ;;
    *) options+=("$1") ;;
  esac
  shift
done
conf=('fsync = off' 'full_page_writes = off' 'autovacuum = off' 'max_wal_size = 4GB' 'shared_buffers = 512MB'
  'work_mem = 32MB' 'max_worker_processes = 16')
[ -n "$plain" ] || conf+=("shared_preload_libraries = 'pg_strata'" 'strata.auto_populate = off' 'strata.memory_max = 1GB'
  "strata.memory = $memory")
cluster_start "$work" "${conf[@]}"

start_standby() {
  mkdir "$work/standby"
  [ "$(id -u)" != 0 ] || chown "$server_user" "$work/standby"
  as_server pg_basebackup -D "$work/standby/data" -c fast -R > "$work/standby.log"
  printf '%s\n' "unix_socket_directories = '$work/standby'" 'max_standby_streaming_delay = -1' |
    as_server tee -a "$work/standby/data/postgresql.conf" > /dev/null
  (cd / && as_server pg_ctl -D "$work/standby/data" -l "$work/standby/server.log" -w start) > "$work/standby.log" 2>&1 || {
    cat "$work/standby/server.log"
    return 1
  }
}

passed=0
failed=0
run() { # run DATABASE OPTION...: one run of the program in a database of its own
  local db=$1 counts
  shift
  # The default collation is not C: what is only right for C must show.
  as_server psql -qXc "CREATE DATABASE $db TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'" postgres
  [ -n "$plain" ] || as_server psql -qXc 'CREATE EXTENSION pg_strata' "$db"
  (cd "$work" && as_server "$work/diff" --conninfo "dbname=$db" "$@") 2>&1 | tee "$work/$db.out" | grep -vE '^[0-9]+ passed' || true
  counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$work/$db.out" || echo '0 passed, 1 failed')
  echo "# $db: $counts"
  passed=$((passed + $(cut -d' ' -f1 <<< "$counts")))
  failed=$((failed + $(cut -d' ' -f3 <<< "$counts")))
}

# Every page that a query needs has to come back from the cold file, more often than not.
small_memory() {
  [ -z "$plain" ] || return 0
  as_server psql -qXc "ALTER SYSTEM SET strata.memory = '8MB'" -c 'SELECT pg_reload_conf()' postgres > /dev/null
}
normal_memory() {
  local stats
  [ -z "$plain" ] || return 0
  stats=$(as_server psql -qXAtc "SELECT format('%s pages read from the cold file, %s left pinned', page_reads, pinned_pages)
    FROM strata.pool_stats()" small)
  echo "# small: $stats"
  case $stats in
    [1-9][0-9][0-9]*' left pinned') passed=$((passed + 1)) ;;
    *) echo 'not ok: at least 100 pages must come from the cold file' && failed=$((failed + 1)) ;;
  esac
  case $stats in
    *', 0 left pinned') passed=$((passed + 1)) ;;
    *) echo 'not ok: no page may be left pinned' && failed=$((failed + 1)) ;;
  esac
  as_server psql -qXc 'ALTER SYSTEM RESET strata.memory' -c 'SELECT pg_reload_conf()' postgres > /dev/null
}
on_standby=("--standby" "host=$work/standby dbname=standby")
if [ "${#options[@]}" = 0 ]; then
  run self --self-test --queries 400 $plain
  run diff --queries 1500 --seed "${DIFF_SEED:-1}" --min-share 40 $plain
  small_memory
  run small --queries 1500 --seed "$((${DIFF_SEED:-1} + 1))" --min-share 40 $plain
  normal_memory
  run race --concurrent 20 --seed "${DIFF_SEED:-1}" $plain
  start_standby
  run standby --concurrent 15 --seed "${DIFF_SEED:-1}" $plain "${on_standby[@]}"
elif [ -n "$standby" ]; then
  start_standby
  run standby "${options[@]}" $plain "${on_standby[@]}"
else
  run diff "${options[@]}" $plain
fi
for log in "$work/server.log" "$work/standby/server.log"; do
  if [ -e "$log" ] && grep -E 'PANIC|TRAP|was terminated by signal' "$log"; then
    echo 'not ok: the server log has the lines above'
    failed=$((failed + 1))
  fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
