#!/bin/bash
# pgregress.sh: PostgreSQL's own regression tests, three times on the same server: without pg_strata, with it
# preloaded, and with every table forced into the column store as soon as its rows are there.  The outputs of the
# second have to be those of the first; those of the third too, but for plans and the order of rows that nobody asked
# for.  What differs otherwise is printed; pgregress.known has how many lines of which test may, and why.
#
# The tests come from Debian's source package (PGSRC_VERSION), fetched into PGSRC; nothing of it is kept in the tree.
# PGREGRESS_OUT keeps the outputs.  TESTS="a b": only these after test_setup and create_index.
set -euo pipefail
export PG_CONFIG=${PG_CONFIG:-pg_config}
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../cluster.sh"
src=${PGSRC:-/tmp/pgsrc}
version=${PGSRC_VERSION:-15.18-0+deb12u1}
work=$(server_tmpdir strata-pgregress)
out=${PGREGRESS_OUT:-$work/out}
finish() {
  local status=$?
  cluster_stop "$work" || true
  [ -n "${KEEP:-}" ] && echo "# left behind: $work" || rm -rf "$work"
  exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

# apt's own lists and sources stay as they are.
fetch() {
  local apt
  [ -e "$src/src/src/test/regress/parallel_schedule" ] && return
  mkdir -p "$src/apt/lists/partial"
  printf 'deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s main\n' \
    'http://deb.debian.org/debian bookworm' 'http://deb.debian.org/debian-security bookworm-security' > "$src/apt/sources.list"
  apt=(apt-get -qq -o "Dir::Etc::sourcelist=$src/apt/sources.list" -o 'Dir::Etc::sourceparts=-' -o "Dir::State::lists=$src/apt/lists")
  "${apt[@]}" update
  (cd "$src" && "${apt[@]}" -o APT::Sandbox::User=root source --download-only "postgresql-15=$version" &&
    rm -rf src && mkdir src && tar -xf postgresql-15_*.orig.tar.* -C src --strip-components=1)
  chmod -R a+rX "$src"
}
fetch > "$work/fetch.log" 2>&1 || { cat "$work/fetch.log"; exit 1; }
tests=$src/src/src/test/regress

mkdir -p "$out" "$work/lib"
gcc -fPIC -shared -O1 -w -I"$("$PG_CONFIG" --includedir-server)" -o "$work/lib/regress.so" "$tests/regress.c"
cp "$("$PG_CONFIG" --pkglibdir)"/{refint,autoinc}.so "$work/lib"
chmod -R a+rX "$work/lib"

# The command that patched tests call: a session of its own, for the test's may lack the right, or be in a transaction.
cat > "$work/force.sql" << 'EOF'
CREATE EXTENSION pg_strata;
REVOKE ALL ON ALL TABLES IN SCHEMA strata FROM PUBLIC;
EOF
# One statement a table, for one that fails must not stop the rest.
cat > "$work/force_loop.sql" << 'EOF'
\set QUIET on
SET lock_timeout = '300ms';
SELECT format('SELECT strata.enable(%L::regclass)', c.oid::regclass) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
  WHERE relkind = 'r' AND relpersistence = 'p' AND nspname NOT IN ('pg_catalog', 'information_schema', 'strata') AND nspname NOT LIKE 'pg_%'
  AND NOT EXISTS (SELECT FROM strata.enabled_tables e WHERE e.relid = c.oid) \gexec
SELECT format('SELECT strata.populate(%L::regclass, force => true)', relid::regclass) FROM strata.column_tables
  WHERE pg_relation_size(relid) > 0 AND (status <> 'populated' OR tail_blocks > 0 OR stale_blocks > 0) \gexec
EOF
cat > "$work/force" << EOF
#!/bin/sh
psql -qX -h $work/forced -p 5432 -U postgres -d regression -f $work/force_loop.sql > /dev/null 2>> $work/force.err
exit 0
EOF
touch "$work/force.err"
chmod a+rwx "$work/force" "$work/force.err"
chmod a+r "$work/force_loop.sql"

run() { # run NAME INPUTDIR [CONF_LINE...]: one whole run; its outputs in $out/NAME
  local name=$1 input=$2 pgxs schedule=$tests/parallel_schedule
  shift 2
  mkdir "$work/$name" "$work/$name/out" "$work/$name/tablespace"
  chown -R "$server_user" "$work/$name" 2> /dev/null || true
  cluster_start "$work/$name" 'max_prepared_transactions = 2' 'full_page_writes = off' 'max_wal_size = 2GB' "$@"
  pgxs=$(dirname "$("$PG_CONFIG" --pgxs)")/../..
  if [ -n "${TESTS:-}" ]; then
    printf 'test: %s\n' test_setup create_index $TESTS > "$work/schedule"
    chmod a+r "$work/schedule"
    schedule=$work/schedule
  fi
  as_server psql -qXc 'CREATE DATABASE regression TEMPLATE template0' postgres
  [ ! -e "$input/force" ] || as_server psql -qX -f "$work/force.sql" regression
  # what pg_regress itself sets for the database it makes
  as_server psql -qX postgres -c "ALTER DATABASE regression SET lc_messages TO 'C'" -c "ALTER DATABASE regression SET lc_monetary TO 'C'" \
    -c "ALTER DATABASE regression SET lc_numeric TO 'C'" -c "ALTER DATABASE regression SET lc_time TO 'C'" \
    -c "ALTER DATABASE regression SET bytea_output TO 'hex'" -c "ALTER DATABASE regression SET timezone_abbreviations TO 'Default'"
  # one test at a time: the order of the rows that several write is chance
  (cd "$work/$name/out" && as_server "$pgxs/src/test/regress/pg_regress" --use-existing --dbname=regression --inputdir="$input" \
    --outputdir="$work/$name/out" --dlpath="$work/lib" --bindir="$(dirname "$PG_CONFIG")" --max-connections=1 \
    --schedule="$schedule") > "$work/$name.log" 2>&1 || true
  mkdir -p "$out/$name"
  cp "$work/$name/out/results/"*.out "$out/$name"
  echo "# $name: $(grep -cE '\.\.\. ok' "$work/$name.log") tests as PostgreSQL $version expects, $(grep -cE '\.\.\. FAILED|failed \(ignored' "$work/$name.log" || true) otherwise"
  if grep -E 'PANIC|TRAP|was terminated by signal' "$work/$name/server.log"; then
    echo "not ok: the server's log has the lines above ($name)"
    failed=$((failed + 1))
  fi
  [ "$name" != forced ] || as_server psql -qXAtc "SELECT format('# forced: %s tables enabled; the store gave %s rows', (SELECT count(*) FROM
    strata.enabled_tables), rows_from_columns) FROM strata.column_stats()" regression
  cluster_stop "$work/$name"
}

failed=0 passed=0
strata=("shared_preload_libraries = 'pg_strata'" 'max_worker_processes = 16')
run plain "$tests"
run preloaded "$tests" "${strata[@]}"

mkdir "$work/patched"
cp -r "$tests/data" "$tests/expected" "$work/patched"
mkdir "$work/patched/sql"
touch "$work/patched/force"
for sql in "$tests"/sql/*.sql; do
  "$here/pgregress.pl" force "$work/force" < "$sql" > "$work/patched/sql/${sql##*/}"
done
chmod -R a+rX "$work/patched"
run forced "$work/patched" "${strata[@]}" 'strata.auto_populate = off' 'strata.memory_max = 512MB' 'strata.memory = 256MB'
sort "$work/force.err" | sed 's/^psql:[^ ]* //; s/"[^"]*"/"..."/g' | sort | uniq -c | sort -rn | head -n 12 | sed 's/^/# force: /'

compare() { # compare NAME: against plain
  local name=$1 test a b
  for test in "$out/plain/"*.out; do
    test=${test##*/}
    a=$work/a.out b=$work/b.out
    if [ "$name" = forced ]; then
      "$here/pgregress.pl" normal "$work/force" < "$out/plain/$test" > "$a"
      "$here/pgregress.pl" normal "$work/force" < "$out/$name/$test" > "$b"
    else
      cp "$out/plain/$test" "$a"
      cp "$out/$name/$test" "$b"
    fi
    sed -i "s#$work/[a-z]*#DIR#g" "$a" "$b"
    if diff -U 2 "$a" "$b" > "$out/$name-${test%.out}.diff"; then
      passed=$((passed + 1))
      rm "$out/$name-${test%.out}.diff"
    elif [ "$name" = forced ] && lines=$(awk -v t="${test%.out}" '$1 == t { print $2 }' "$here/pgregress.known") && [ -n "$lines" ] &&
      [ "$(grep -cE '^[-+]([^-+]|$)' "$out/$name-${test%.out}.diff")" -le "$lines" ]; then
      passed=$((passed + 1))
      echo "# $name: ${test%.out} differs as explained"
    else
      failed=$((failed + 1))
      echo "not ok: $name: ${test%.out}"
      sed 's/^/    /' "$out/$name-${test%.out}.diff" | head -n "${SHOWN:-40}"
    fi
  done
}
compare preloaded
compare forced
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
