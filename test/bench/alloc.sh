#!/bin/bash
# alloc.sh: what an allocation and its free cost in the slab allocator, glibc, jemalloc and mimalloc, on the same
# patterns in the same run.  No server; wants the server's headers (PG_CONFIG), and Debian's libjemalloc2 and
# libmimalloc2.0 for the comparison.  ROUNDS=5: how often each is run, one after the other; medians are shown.
#
#   pair_N       allocate N bytes and free them, one at a time
#   stack_NxD    allocate D objects, free them last first
#   random       10,000 objects of 16 .. 1024 bytes, one replaced a step
#   touch_NxM    no allocation: one write to each of M objects of N bytes, in turn
#   memory_pair  as pair, through strata_memory_alloc(), which also asks whether the debugger is on
#   pass_100     allocated by one process and freed by another (malloc: by two threads), through a queue; what the
#                queue costs alone is ring_alone
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d /tmp/pg_strata-bench.XXXXXX)
trap 'rm -rf "$work"' EXIT
cc=${CC:-cc}
# As PGXS compiles the extension.
flags=(-O2 -std=gnu11 -D_GNU_SOURCE -fPIC -fvisibility=hidden -fno-strict-aliasing -fwrapv -I"$top/src" -I"$top/test/unit")
"$cc" "${flags[@]}" -Wno-unused-function -isystem "$("${PG_CONFIG:-pg_config}" --includedir-server)" -c "$top/test/bench/alloc_side.c" -o "$work/side.o"
"$cc" "${flags[@]}" -fno-builtin -c "$top/test/bench/alloc_bench.c" -o "$work/bench.o"
"$cc" "${flags[@]}" -c "$top/src/alloc/buddy.c" -o "$work/buddy.o"
"$cc" "${flags[@]}" -c "$top/src/alloc/hugepages.c" -o "$work/hugepages.o"
"$cc" "$work"/*.o -lpthread -o "$work/alloc_bench"

library() { ldconfig -p | awk -v name="$1" '$1 ~ name { print $NF; exit }'; }
jemalloc=$(library '^libjemalloc\\.so')
mimalloc=$(library '^libmimalloc\\.so')
for ((round = 0; round < ${ROUNDS:-5}; round++)); do
  "$work/alloc_bench" slab | sed 's/^/slab /'
  "$work/alloc_bench" malloc | sed 's/^/glibc /'
  [ -z "$jemalloc" ] || LD_PRELOAD=$jemalloc "$work/alloc_bench" malloc | sed 's/^/jemalloc /'
  [ -z "$mimalloc" ] || LD_PRELOAD=$mimalloc "$work/alloc_bench" malloc | sed 's/^/mimalloc /'
  "$work/alloc_bench" region | sed 's/^/region /'
done > "$work/out"

awk '
  !($2 in seen) { seen[$2] = 1; pattern[++patterns] = $2 }
  { n = ++count[$1, $2]; value[$1, $2, n] = $3 }
  function median(who, what,   n, i, j, t, a) {
    n = count[who, what]
    for (i = 1; i <= n; i++) a[i] = value[who, what, i]
    for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++) if (a[j] < a[i]) { t = a[i]; a[i] = a[j]; a[j] = t }
    return n ? (a[int((n + 1) / 2)] + a[int(n / 2) + 1]) / 2 : 0
  }
  function versus(who, what,   m) {
    m = median(who, what)
    return m > 0 ? sprintf("%8.2f %6.2fx", m, m / median("slab", what)) : sprintf("%16s", "-")
  }
  END {
    printf "%-16s %8s %16s %16s %16s   (ns; x: how many times as long as slab)\n", "", "slab", "glibc", "jemalloc", "mimalloc"
    for (p = 1; p <= patterns; p++)
      if (count["slab", pattern[p]])
        printf "%-16s %8.2f %s %s %s\n", pattern[p], median("slab", pattern[p]), versus("glibc", pattern[p]),
          versus("jemalloc", pattern[p]), versus("mimalloc", pattern[p])
    for (p = 1; p <= patterns; p++)
      if (count["region", pattern[p]]) printf "%-16s %8.2f\n", pattern[p], median("region", pattern[p])
  }' "$work/out"
