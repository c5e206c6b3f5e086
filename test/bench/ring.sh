#!/bin/bash
# ring.sh: what one event costs its publisher (1 and 2 processes) and its reader.  No server.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d /tmp/pg_strata-bench.XXXXXX)
trap 'rm -rf "$work"' EXIT
"${CC:-cc}" -O2 -std=gnu11 -Wall -Wextra -I"$top/src" -I"$top/test/unit" "$top/test/bench/ring_bench.c" \
  "$top"/src/abi/ring_{writer,reader,json}.c -lm -lrt -o "$work/ring_bench"
"$work/ring_bench"
