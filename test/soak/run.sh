#!/bin/bash
# run.sh: builds the tree against a private copy of PostgreSQL under /tmp and runs large.sh and soak.sh there.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
"$top/test/deps.sh"
work=$(mktemp -d /tmp/pg_strata-soak.XXXXXX)
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
export PG_CONFIG
PG_CONFIG=$("$top/test/pg_private.sh" "$work/pg")
mkdir "$work/src"
git -C "$top" ls-files -z --cached --others --exclude-standard | (cd "$top" && tar --null -T - -cf -) | tar -C "$work/src" -xf -
make -C "$work/src" -s -j"$(nproc)" all install > "$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
"$work/src/test/soak/large.sh"
"$work/src/test/soak/soak.sh"
