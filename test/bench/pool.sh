#!/bin/bash
# pool.sh: what a pinned hit costs (1 and 2 processes, each policy), and how fast a store twice the pool is scanned
# against plain reads of the same cold file.  The pool's own code on stand-ins for locks and memory; no server.
# POOL_BENCH_DIR: where the cold file lies (default /tmp).
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d /tmp/pg_strata-bench.XXXXXX)
trap 'rm -rf "$work"' EXIT
make -s -C "$top/test/unit" ../../build/unit/libplain.a
"${CC:-cc}" -O2 -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -I"$top/src" -I"$top/test/unit" \
  -isystem "$("${PG_CONFIG:-pg_config}" --includedir-server)" "$top/test/bench/pool_bench.c" "$top/build/unit/libplain.a" \
  -llz4 -lm -lrt -lpthread -o "$work/pool_bench"
"$work/pool_bench" "${POOL_BENCH_DIR:-/tmp}"
