#!/bin/sh
# pg_private.sh DIR: a private copy of the PostgreSQL that PG_CONFIG belongs to, in DIR; prints the copy's
# pg_config.  PostgreSQL finds its own files relative to its programs, so the copy is complete: installing an
# extension into it touches nothing outside DIR.
set -eu
dir=$1
PG_CONFIG=${PG_CONFIG:-pg_config}
command -v "$PG_CONFIG" > /dev/null || PG_CONFIG=$(ls -d /usr/lib/postgresql/*/bin/pg_config | sort -V | tail -n 1)
bindir=$("$PG_CONFIG" --bindir)
mkdir -p "$dir"
chmod 755 "$dir"
dir=$(cd "$dir" && pwd)
if [ ! -e "$dir$bindir/pg_config" ]; then
  for part in $bindir $("$PG_CONFIG" --pkglibdir) $("$PG_CONFIG" --sharedir) $("$PG_CONFIG" --includedir) \
    $("$PG_CONFIG" --includedir-server); do
    if [ "$part" = /usr/include ] || [ -e "$dir$part" ]; then continue; fi
    mkdir -p "$dir$(dirname "$part")"
    cp -a "$part" "$dir$part"
  done
fi
echo "$dir$bindir/pg_config"
