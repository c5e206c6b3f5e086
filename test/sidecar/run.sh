#!/bin/sh
# run.sh [FILE...]: the end-to-end tests of stratad and strata-tail; exit code 0 when all pass.
#
#   test/sidecar/run.sh                        everything
#   test/sidecar/run.sh websocket              one file (websocket.test.js)
#   test/sidecar/run.sh -t 'lapped' websocket  one test of it
#
# It builds nothing: run `make install` and `make -C sidecar` first.  PG_CONFIG chooses the PostgreSQL, STRATAD
# and STRATA_TAIL the programs, CHROMIUM the browser; STRATA_TEST_WRAP="valgrind -q --error-exitcode=99" runs
# stratad under a checker.  As root the servers run as user postgres (STRATA_TEST_USER).
set -eu
cd "$(dirname "$0")"

pattern=
while getopts t: option; do
  case $option in
    t) pattern=$OPTARG ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1))

if [ ! -f node_modules/.stamp ] || [ package-lock.json -nt node_modules/.stamp ]; then
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  touch node_modules/.stamp
fi

if [ $# -eq 0 ]; then
  set -- *.test.js
else
  # Names with or without their ending.
  for name; do
    set -- "$@" "$(basename "$name" .test.js).test.js"
    shift
  done
fi
# For people a readable list, for programs TAP.
if [ -t 1 ]; then reporter=spec; else reporter=tap; fi
# One file after the other: each starts its own PostgreSQL.
set -- --test --test-concurrency=1 --test-reporter="${STRATA_TEST_REPORTER:-$reporter}" "$@"
[ -z "$pattern" ] || set -- --test-name-pattern="$pattern" "$@"
exec node "$@"
