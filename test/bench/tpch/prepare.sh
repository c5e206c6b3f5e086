#!/bin/bash
# prepare.sh DIR: leaves in DIR a running PostgreSQL with the tree as it is now installed, TPC-H's tables at scale SF=1
# loaded, frozen, in shared buffers, and populated.  What DIR holds already is used again, data and loaded cluster;
# the tree is built anew, and the server restarted with it.  TBL=DIRECTORY takes the data files from there.
# Ask it with time.sh DIR, or as it says.  `prepare.sh DIR stop` stops the server.
set -euo pipefail
top=$(cd "$(dirname "$0")/../../.." && pwd)
. "$top/test/bench/tpch/common.sh"
[ $# -ge 1 ] || die 'usage: prepare.sh DIR [stop]'
if [ "${2:-}" = stop ]; then
  export PG_CONFIG
  PG_CONFIG=$("$top/test/pg_private.sh" "$1/pg")
  . "$top/test/cluster.sh"
  cluster_stop "$1/cluster"
  exit
fi
begun=$SECONDS
tpch_open "$1"
echo "PGHOST=$PGHOST PGUSER=postgres $pg_bindir/psql bench      # ready after $((SECONDS - begun)) s"
