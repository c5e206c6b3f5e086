#!/bin/bash
# warnings.sh FLAG...: compiles every source of the extension with gcc and with clang, warnings being errors.
# PG_CONFIG names the server headers.  Nothing is kept.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
flags="$* -I$("${PG_CONFIG:-pg_config}" --includedir-server) -D_GNU_SOURCE -O2 -fPIC -fwrapv -fno-strict-aliasing"
flags+=' -Wmissing-prototypes -Wpointer-arith -Wformat-security -Wendif-labels -Werror'
export flags out
for compiler in gcc clang; do
  # The server's headers were configured for gcc and name a printf attribute that clang lacks.
  if [ $compiler = clang ]; then extra=-Wno-ignored-attributes; else extra=; fi
  command -v $compiler > /dev/null || { echo "$compiler is not installed" >&2; exit 1; }
  find src -name '*.c' -print0 |
    xargs -0 -P "$(nproc)" -I{} sh -c "$compiler \$flags $extra -c {} -o \$out/\$(echo {} | tr / _).o || exit 255"
done
