#!/bin/sh
# run.sh [TREE [LIBRARY]]: every check of checks/ over the tree, as TAP.  With LIBRARY, its symbols too.
set -u
here=$(cd "$(dirname "$0")" && pwd)
tree=${1:-$here/../..}
library=${2:-}
case $library in ''|/*) ;; *) library=$PWD/$library ;; esac
export LINT_DIR="$here"
cd "$tree" || exit 2

n=0
failed=0
report() { # report NAME STATUS OUTPUT
  n=$((n + 1))
  if [ "$2" = 0 ]; then
    echo "ok $n - lint: $1"
  else
    failed=1
    echo "not ok $n - lint: $1"
    printf '%s\n' "$3" | sed 's/^/#   /'
  fi
}

for check in "$here"/checks/*.pl; do
  out=$(perl "$check" 2>&1)
  status=$?
  report "$(basename "$check" .pl)" $status "$out"
done
if [ -n "$library" ]; then
  out=$("$here/symbols.sh" "$library" 2>&1)
  report symbols $? "$out"
fi
echo "1..$n"
exit $failed
