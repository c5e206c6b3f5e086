#!/bin/bash
# generated.sh check|write: the docs pages that are made, not written.  settings.md and sql.md come from a server that
# preloads pg_strata (PGHOST and PGPORT say which), events.md from the tables in src/abi.
# "check" compares them with docs/ and speaks TAP; "write" writes them to docs/.
set -euo pipefail
mode=$1
top=$(cd "$(dirname "$0")/.." && pwd)
out=$(mktemp -d)
db=strata_docs
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$1" -c "$2"; }
cleanup() {
  sql postgres "DROP DATABASE IF EXISTS $db" 2> /dev/null || true
  rm -rf "$out"
}
trap cleanup EXIT
sql postgres "DROP DATABASE IF EXISTS $db" 2> /dev/null
sql postgres "CREATE DATABASE $db"
sql $db 'CREATE EXTENSION pg_strata'

{
  cat << 'HEAD'
# Settings

Made from `pg_settings` by `make docs`. "restart" is read when the server starts, "reload" when it reloads its
configuration; "session" may be set by anyone at any time, "superuser" by a superuser.

| setting | default | values | change | what it does |
|---|---|---|---|---|
HEAD
  sql $db "
    SELECT format('| \`%s\` | %s | %s | %s | %s |', name,
             coalesce(nullif('\`' || CASE WHEN unit IN ('kB', '8kB', 'MB') AND boot_val ~ '^\d+\$'
                 THEN CASE WHEN b % (1024 ^ 3)::bigint = 0 AND b > 0 THEN b / (1024 ^ 3)::bigint || 'GB' WHEN b % 1048576 = 0 AND b > 0 THEN b / 1048576 || 'MB' ELSE b / 1024 || 'kB' END
                 ELSE boot_val || coalesce(CASE WHEN vartype IN ('integer', 'real') THEN CASE WHEN unit = 'B' THEN ' bytes' ELSE unit END END, '') END || '\`', '\`\`'), 'empty'),
             CASE vartype WHEN 'enum' THEN array_to_string(enumvals, ', ') WHEN 'bool' THEN 'on, off'
                          WHEN 'string' THEN 'text'
                          ELSE min_val || ' to ' || max_val || coalesce(' (' || unit || ')', '') END,
             CASE context WHEN 'postmaster' THEN 'restart' WHEN 'sighup' THEN 'reload' WHEN 'user' THEN 'session' WHEN 'superuser' THEN 'superuser' ELSE context END,
             replace(short_desc || coalesce(' ' || extra_desc, ''), '|', '\|'))
    FROM (SELECT *, CASE WHEN boot_val ~ '^\d+\$' THEN boot_val::bigint * CASE unit WHEN 'kB' THEN 1024 WHEN '8kB' THEN 8192 WHEN 'MB' THEN 1048576 ELSE 1 END END AS b
          FROM pg_settings WHERE name LIKE 'strata.%') s
    ORDER BY name"
} > "$out/settings.md"

{
  cat << 'HEAD'
# SQL reference

Made from the extension's own comments by `make docs`. Everything is in schema `strata`. "everyone" and role names say who
may call a function or read a view without a further grant; where only the owner of the extension may, the cell is empty.

## Functions

| function | result | who | volatility | parallel | what it does |
|---|---|---|---|---|---|
HEAD
  sql $db "
    SELECT format('| \`%s(%s)\` | \`%s\` | %s | %s | %s | %s |', p.proname,
             pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
             (SELECT coalesce(string_agg(CASE WHEN a.grantee = 0 THEN 'everyone' ELSE a.grantee::regrole::text END, ', ' ORDER BY a.grantee), '')
                FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee <> p.proowner),
             CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END,
             CASE p.proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' ELSE 'unsafe' END,
             obj_description(p.oid, 'pg_proc'))
    FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid AND d.refclassid = 'pg_extension'::regclass AND e.extname = 'pg_strata'
         JOIN pg_proc p ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass
    WHERE d.deptype = 'e' ORDER BY p.proname, p.oid::regprocedure::text" | sed -E 's/OUT /out /g'
  printf '\n## Views and tables\n\n| name | columns | who may read | what it shows |\n|---|---|---|---|\n'
  sql $db "
    SELECT format('| \`%s\` | %s | %s | %s |', c.relname,
             (SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped),
             (SELECT coalesce(string_agg(CASE WHEN a.grantee = 0 THEN 'everyone' ELSE a.grantee::regrole::text END, ', ' ORDER BY a.grantee), '')
                FROM aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a WHERE a.grantee <> c.relowner AND a.privilege_type = 'SELECT'),
             obj_description(c.oid, 'pg_class'))
    FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid AND d.refclassid = 'pg_extension'::regclass AND e.extname = 'pg_strata'
         JOIN pg_class c ON d.objid = c.oid AND d.classid = 'pg_class'::regclass
    WHERE d.deptype = 'e' AND c.relkind IN ('v', 'r') ORDER BY c.relname"
} > "$out/sql.md"

perl - "$top/src/abi" > "$out/events.md" << 'PERL'
use strict;
use warnings;
my ($abi) = @ARGV;
sub rows
{
    my ($file) = @_;
    open my $fh, '<', "$abi/$file" or die "$abi/$file: $!";
    return grep { /^[A-Z]+\(/ } <$fh>;
}
print "# Events and counters\n\nMade from `src/abi/*.def` by `make docs`. Every event also carries `event_type`, `seq` (never reused within an epoch),\n",
  "`timestamp`, `pid` and `database`. A field with `?` is there only when it is known. The rare lane is one that frequent\nevents cannot overwrite.\n\n",
  "## Events\n\n| code | event | topic | lane | what happened | fields |\n|---|---|---|---|---|---|\n";
for (rows('events.def'))
{
    my ($code, $name, $topic, $lane, $text, $fields) = /^EVENT\((\d+), \w+, "([^"]+)", "([^"]+)", (\w+), "([^"]*)", "([^"]*)"\)/ or die $_;
    print "| $code | `$name` | $topic | ", lc $lane, " | $text | ", join(', ', split ' ', $fields), " |\n";
}
print "\n## Fields\n\n| field | type |\n|---|---|\n";
for (rows('fields.def'))
{
    my ($name, $type) = /^FIELD\(\d+, \w+, "([^"]+)", (\w+)\)/ or die $_;
    print "| `$name` | ", lc $type, " |\n";
}
print "\n## Counters and gauges\n\nThe Prometheus name is `strata_` before the name and, for a counter, `_total` after it.\n\n",
  "| name | kind | unit | what it counts |\n|---|---|---|---|\n";
for (rows('counters.def'))
{
    my ($name, $kind, $unit, $text) = /^COUNTER\(\d+, \w+, "([^"]+)", (\w+), "([^"]*)", "([^"]*)"\)/ or die $_;
    print "| `$name` | ", lc $kind, " | $unit | $text |\n";
}
PERL

n=0
failed=0
for page in "$out"/*.md; do
  name=$(basename "$page")
  n=$((n + 1))
  if [ "$mode" = write ]; then
    cp "$page" "$top/docs/$name"
    echo "ok $n - wrote docs/$name"
  elif diff -u "$top/docs/$name" "$page" > "$out/diff" 2>&1; then
    echo "ok $n - docs/$name is up to date"
  else
    failed=1
    echo "not ok $n - docs/$name is up to date (make docs)"
    sed 's/^/#   /' "$out/diff"
  fi
done
echo "1..$n"
exit $failed
