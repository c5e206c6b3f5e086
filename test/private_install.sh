#!/bin/sh
# private_install.sh DIR: builds the tree and installs it into a private copy of PostgreSQL in DIR; prints the copy's
# pg_config.  What the build says goes to DIR.log and, when it fails, to standard error.
set -eu
cd "$(dirname "$0")/.."
PG_CONFIG=$(test/pg_private.sh "$1")
export PG_CONFIG
if ! { make -s -j"$(nproc)" all && make -s install; } > "$1.log" 2>&1; then
  cat "$1.log" >&2
  exit 1
fi
echo "$PG_CONFIG"
