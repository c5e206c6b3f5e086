#!/bin/bash
# selftest.sh: each check is shown a tree that breaks its rule and must say so, and a tree that keeps it and must
# not.  As TAP.
set -u
here=$(cd "$(dirname "$0")" && pwd)
export LINT_DIR="$here"
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
n=0
failed=0

# put FILE TEXT: a file of the sample tree.
put() { mkdir -p "$tree/$(dirname "$1")" && printf '%b' "$2" > "$tree/$1"; }

# A small tree that keeps every rule.
good() {
  rm -rf "$tree"
  mkdir -p "$tree"
  put test/lint/floors.txt 'abi:\nbase: abi\ncolumn: abi base\nsidecar: abi\n'
  put src/abi/events.h '/*\n * events.h - numbers\n */\n'
  put src/abi/fields.def 'FIELD(1, EPOCH, "epoch", TEXT)\n'
  put src/abi/counters.def 'COUNTER(0, A, "a", COUNTER, "", "A.")\n'
  put src/abi/events.def 'EVENT(1, A, "a", "system", RARE, "A.", "epoch?")\n'
  put src/base/compat.h '/*\n * compat.h - versions\n */\n#if PG_VERSION_NUM < 160000\n#endif\n'
  put src/column/unit.h '/*\n * unit.h - units\n */\n'
  put src/column/unit.c '/*\n * unit.c - units\n */\n#include "postgres.h"\n\n#include "base/compat.h"\n#include "column/unit.h"\n'
  put sidecar/main.c '/*\n * main.c - the program\n */\n#include "abi/events.h"\n'
  put test/sql/a.sql 'SELECT 1;\n'
  put test/sql/c.sql "\\\\set shared :srcdir '/sql/include/shared.sql'\n"
  put test/sql/include/shared.sql 'SELECT 2;\n'
  put expected/c.out ' 2\n'
  put expected/a.out ' 1\n'
  put test/t/001_a.pl '# a\n'
  put test/unit/a_test.c '/*\n * a_test.c - a\n */\n'
}

# expect CHECK PATTERN WHAT: the check fails on the tree and says PATTERN; an empty PATTERN means it passes.
expect() {
  local out status
  out=$(cd "$tree" && perl "$here/checks/$1.pl" 2>&1)
  status=$?
  n=$((n + 1))
  if { [ -z "$2" ] && [ $status = 0 ] && [ -z "$out" ]; } ||
     { [ -n "$2" ] && [ $status != 0 ] && grep -qE -- "$2" <<< "$out"; }; then
    echo "ok $n - lint self-test: $1 $3"
  else
    failed=1
    echo "not ok $n - lint self-test: $1 $3"
    echo "#   status $status, said: $out"
  fi
}

good
for check in "$here"/checks/*.pl; do
  expect "$(basename "$check" .pl)" '' 'passes a good tree'
done

good; put src/base/up.c '/*\n * up.c - up\n */\n#include "postgres.h"\n#include "column/unit.h"\n'
expect floors 'base may not include column' 'sees an include of a higher floor'
good; put sidecar/main.c '/*\n * main.c - x\n */\n#include "column/unit.h"\n'
expect floors 'sidecar may not include column' 'sees the sidecar include the server side'
good; put src/extra/x.h '/*\n * x.h - x\n */\n'
expect floors 'src/extra has no row' 'sees a folder without a row'
good; rm -r "$tree/src/column"
expect floors 'src/column has a row and no file' 'sees a row without a folder'
good; put test/lint/floors.txt 'abi: base\nbase:\ncolumn: abi base\nsidecar: abi\n'
expect floors 'not a floor above' 'sees a circle in the table'
good; put src/column/unit.c '/*\n * unit.c - units\n */\n#include "unit.h"\n'
expect floors 'from src/' 'sees a bare include'
good; put src/column/unit.c '/*\n * unit.c - units\n */\n#include "column/unit.h"\n#include "postgres.h"\n'
expect floors 'first include' 'sees postgres.h come late'
good; put src/abi/a.c '/*\n * a.c - a\n */\n#include "postgres.h"\n'
expect floors 'plain C' 'sees postgres.h in abi'
good; put src/column/unit.c 'void f(void)\n{\n\tereport(ERROR,\n\t\t(errmsg("no (code")));\n}\n'
expect errcode 'unit.c:3: ereport.ERROR. without errcode' 'sees an error without errcode'
good; put src/column/unit.c 'void f(void)\n{\n\tereport(ERROR, (errcode(ERRCODE_X), errmsg("a)")));\n\tereport(LOG, errmsg("b"));\n}\n'
expect errcode '' 'passes an error with errcode and a log line without'
good; put src/column/unit.c '#if PG_VERSION_NUM >= 160000\n#endif\n'
expect versions 'outside base/compat.h' 'sees a version test elsewhere'
good; put test/sql/a.sql 'SELECT pg_sleep(1);\n'
expect waits 'a.sql:1' 'sees pg_sleep'
good; put test/t/001_a.pl 'sleep 1;\n'
expect waits '001_a.pl:1' 'sees sleep'
good; put test/sidecar/a.js 'await new Promise((resolve) => setTimeout(resolve, 500));\n'
expect waits 'a.js:1' 'sees a promise of time'
good; put test/t/001_a.pl 'usleep(100_000); # poll\n'
expect waits '' 'passes a pause that polls'
good; put docs/a.md 'see /ho''me/someone/notes\n'
expect paths 'docs/a.md:1' 'sees a home folder'
good; put docs/a.md 'see [b](b.md)\n'
expect links 'leads nowhere: b.md' 'sees a dead link'
good; put src/column/unit.c '#include "postgres.h"\n'
expect heads 'does not open' 'sees a file without a head'
good; put src/column/unit.h '/*\n * unit.h - units\n */\n/* TO''DO */\n'
expect heads 'unfinished' 'sees an unfinished place'
good; put src/abi/events.def 'EVENT(1, A, "a", "system", RARE, "A.", "epoch")\nEVENT(1, B, "b", "system", RARE, "B.", "none")\n'
expect tables 'code 1 stands' 'sees a code used twice'
expect tables 'fields.def lacks' 'sees an unknown field'
good; rm "$tree/expected/a.out"
expect lists 'has no expected/a.out' 'sees a test without expected output'
good; put expected/b.out ''
expect lists 'belongs to no test' 'sees expected output without a test'
good; put test/sql/include/b.sql ''
expect lists 'is not run' 'sees an included file that no test names'
good; put test/t/late.pl ''
expect lists 'is not run' 'sees a TAP file that is not run'
good; put test/unit/helper.c ''
expect lists 'is not run' 'sees a unit test that is not run'
good; put test/more/a.sh ''
expect lists 'no stage' 'sees a folder without a stage'

# run.sh: one fault anywhere is one failed test, and its exit status.
good; put test/sql/a.sql 'SELECT pg_sleep(1);\n'
for shell in sh bash; do
  n=$((n + 1))
  if ! $shell "$here/run.sh" "$tree" > "$tree/out" && [ "$(grep -c '^not ok' "$tree/out")" = 1 ] && grep -q '^not ok .*waits' "$tree/out"; then
    echo "ok $n - lint self-test: run.sh under $shell reports a fault"
  else
    failed=1
    echo "not ok $n - lint self-test: run.sh under $shell reports a fault"
    sed 's/^/#   /' "$tree/out"
  fi
done

# symbols.sh: one library with a stray function, one without.
symbols() { # symbols WANTED_STATUS WHAT CODE
  put lib.c "$3"
  gcc -shared -fPIC -o "$tree/lib.so" "$tree/lib.c" || exit 2
  "$here/symbols.sh" "$tree/lib.so" > "$tree/out" 2>&1
  local status=$?
  n=$((n + 1))
  if [ $status = "$1" ]; then
    echo "ok $n - lint self-test: symbols $2"
  else
    failed=1
    echo "not ok $n - lint self-test: symbols $2"
    sed 's/^/#   /' "$tree/out"
  fi
}
common='int Pg_magic_func(void){return 0;} int pg_finfo_f(void){return 0;} int f(void){return 0;} void _PG_init(void){}'
symbols 0 'passes SQL functions' "$common"
symbols 1 'sees a stray function' "$common int strata_stray(void){return 0;}"
symbols 1 'sees a library that is none' 'int pg_finfo_f(void){return 0;} int f(void){return 0;}'

echo "1..$n"
exit $failed
