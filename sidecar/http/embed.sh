#!/bin/sh
# embed.sh DIR: writes C that holds every file below DIR (http/assets.h).  A DIR that does not exist gives an
# empty table.
set -eu
dir=${1:?usage: embed.sh DIR}

content_type() {
  case $1 in
    *.html) echo 'text/html; charset=utf-8' ;;
    *.css) echo 'text/css; charset=utf-8' ;;
    *.js | *.mjs) echo 'text/javascript; charset=utf-8' ;;
    *.json) echo 'application/json' ;;
    *.svg) echo 'image/svg+xml' ;;
    *.png) echo 'image/png' ;;
    *.ico) echo 'image/x-icon' ;;
    *.txt) echo 'text/plain; charset=utf-8' ;;
    *.woff2) echo 'font/woff2' ;;
    *) echo 'application/octet-stream' ;;
  esac
}

echo '/* assets_data.c - made by http/embed.sh. */'
echo '#include "http/assets.h"'
table=
n=0
if [ -d "$dir" ]; then
  for file in $(cd "$dir" && find . -type f ! -name '.*' | sed 's|^\./||' | LC_ALL=C sort); do
    n=$((n + 1))
    echo "static const unsigned char asset_$n[] = {"
    od -An -v -t u1 "$dir/$file" | sed 's/  */,/g; s/^,//; s/$/,/'
    echo '0};'
    sum=$(sha256sum < "$dir/$file" | cut -c 1-32)
    table="$table	{\"$file\", \"$(content_type "$file")\", \"$sum\", asset_$n, sizeof(asset_$n) - 1},
"
  done
fi
echo 'const Asset assets[] = {'
printf '%s' "$table"
echo '	{NULL, NULL, NULL, NULL, 0},'
echo '};'
