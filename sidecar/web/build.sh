#!/bin/sh
# build.sh OUTDIR: puts every file of the dashboard into OUTDIR (flat), ready to be embedded.
# uPlot comes from npm, at the version and checksum that package-lock.json names; the rest is copied as it is.
set -eu
out=${1:?usage: build.sh OUTDIR}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$here"

# Installing again is only needed when the lock is newer than the last installation.
if [ ! -f node_modules/.stamp ] || [ package-lock.json -nt node_modules/.stamp ]; then
  npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  touch node_modules/.stamp
fi

cp src/*.html src/*.css src/*.js src/*.svg "$out/"
cp node_modules/uplot/dist/uPlot.iife.min.js node_modules/uplot/dist/uPlot.min.css "$out/"
cp node_modules/uplot/LICENSE "$out/uPlot.LICENSE.txt"
