#!/bin/sh
# symbols.sh LIBRARY: nothing leaves the library but the SQL functions, their records, the two names that the server
# looks for, and the main functions of background workers (strata_*_main).
set -eu
nm -D --defined-only "$1" | awk '{print $NF}' | sort > "${TMPDIR:-/tmp}/symbols.$$"
trap 'rm -f "${TMPDIR:-/tmp}/symbols.$$"' EXIT
awk '
  { seen[$1] = 1 }
  END {
    for (s in seen)
      if (s != "_PG_init" && s != "Pg_magic_func" && s !~ /^pg_finfo_/ && s !~ /^strata_[a-z]+_main$/ && !(("pg_finfo_" s) in seen)) {
        print "exported, but not a SQL function: " s
        bad = 1
      }
    if (!("Pg_magic_func" in seen)) { print "no Pg_magic_func: not a server library"; bad = 1 }
    exit bad
  }' "${TMPDIR:-/tmp}/symbols.$$"
