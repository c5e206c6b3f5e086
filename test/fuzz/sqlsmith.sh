#!/bin/bash
# sqlsmith.sh: sqlsmith's random queries against a throwaway cluster with many tables in the column store, for
# SQLSMITH_SECONDS (default 600).  sqlsmith runs them all; those that only read are asked again with the store off and
# on (replay.c).  Fails on a crash and on an answer that differs.  SQLSMITH_SEED sets the seed; the queries are kept in
# SQLSMITH_LOG if that is set.
#
# The extension must be installed in the PostgreSQL of PG_CONFIG; sqlsmith is installed by apt when it is missing.
set -euo pipefail
export PG_CONFIG=${PG_CONFIG:-pg_config}
here=$(cd "$(dirname "$0")" && pwd)
command -v sqlsmith > /dev/null || "$here/../deps.sh" sqlsmith
. "$here/../cluster.sh"
seconds=${SQLSMITH_SECONDS:-600}
seed=${SQLSMITH_SEED:-$(date +%s)}
work=$(server_tmpdir strata-sqlsmith)
finish() {
  local status=$?
  cluster_stop "$work" || true
  [ -n "${KEEP:-}" ] && echo "# left behind: $work" || rm -rf "$work"
  exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

${CC:-cc} -std=gnu11 -O1 -g -Wall -Wextra -Wno-missing-field-initializers -D_GNU_SOURCE -I"$("$PG_CONFIG" --includedir)" \
  -o "$work/replay" "$here/replay.c" "$here/../diff/"{compare,util,modes}.c -L"$("$PG_CONFIG" --libdir)" -lpq
cluster_start "$work" "shared_preload_libraries = 'pg_strata'" 'full_page_writes = off' 'max_worker_processes = 16' \
  'strata.memory_max = 512MB' 'strata.memory = 256MB' 'work_mem = 8MB' 'restart_after_crash = on'
as_server psql -qX -f "$here/tables.sql" postgres

echo "# seed $seed, $seconds s"
target="host=$work dbname=postgres user=fuzz" # and user=replay
# timeout ends sqlsmith; the replay ends with what it has read.
as_server timeout "$seconds" sqlsmith --target="$target" --exclude-catalog --dump-all-queries --seed="$seed" 2> "$work/sqlsmith.err" |
  { [ -n "${SQLSMITH_LOG:-}" ] && tee "$SQLSMITH_LOG" || cat; } |
  as_server timeout --foreground "$((seconds + 60))" "$work/replay" "${target/fuzz/replay}" > "$work/replay.out" || true
cat "$work/replay.out"
tail -n 3 "$work/sqlsmith.err" | sed 's/^/# sqlsmith: /'
counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$work/replay.out" || echo '0 passed, 1 failed')
passed=$(cut -d' ' -f1 <<< "$counts")
failed=$(cut -d' ' -f3 <<< "$counts")
if grep -E -B 3 'PANIC|TRAP|was terminated by signal|free\(\)|malloc\(\)|stack smashing' "$work/server.log"; then
  echo 'not ok: the server log has the lines above'
  failed=$((failed + 1))
fi
[ "$passed" -gt 0 ] || failed=$((failed + 1))
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
