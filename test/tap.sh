#!/bin/bash
# tap.sh [FILE...]: the TAP tests, or some of them.  The extension must be installed in the PostgreSQL of PG_CONFIG.
# As root they run as user postgres, for initdb refuses root.  Logs are kept only when a test fails.
set -uo pipefail
export PG_CONFIG=${PG_CONFIG:-pg_config}
here=$(cd "$(dirname "$0")" && pwd)
. "$here/cluster.sh"
work=$(server_tmpdir strata-tap)
cp "$here"/t/*.p[lm] "$work"
[ "$(id -u)" != 0 ] || chown -R "$server_user" "$work"
pgxs=$(cd "$(dirname "$("$PG_CONFIG" --pgxs)")/../.." && pwd)
[ $# -gt 0 ] || set -- "$here"/t/*.pl
files=()
for f; do files+=("$(basename "$f")"); done
cd "$work" && as_server env PERL5LIB="$pgxs/src/test/perl:$work" PG_REGRESS="$pgxs/src/test/regress/pg_regress" \
  TESTDIR="$work" TESTDATADIR="$work/tmp_check" TESTLOGDIR="$work/tmp_check/log" prove -v --merge -j"${JOBS:-2}" "${files[@]}" | tee "$work/out" | grep -E '^not ok|^#  +[A-Za-z]|^# Looks|Dubious|^Result'
passed=$(grep -c '^ok ' "$work/out")
# A file that ends before its end is a failure of its own, whatever failed in it before.
failed=$(grep -cE '^not ok |^# Looks like your test (exited|died)' "$work/out")
if grep -q '^Result: PASS' "$work/out" && [ "$failed" = 0 ]; then rm -rf "$work"; else
  [ "$failed" != 0 ] || failed=1
  echo "# logs: $work/tmp_check/log"
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
