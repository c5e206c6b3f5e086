#!/bin/bash
# deps.sh: installs, by apt, what `make test` needs on Debian 12 and the machine lacks.  A machine that has all of it
# is left alone and needs neither root nor sudo.  Arguments: more packages to see to.
set -euo pipefail

want=(gcc make perl libipc-run-perl clang postgresql-15 postgresql-server-dev-15 libpq-dev libwebsockets-dev libjson-c-dev
  libssl-dev liblz4-dev libxxhash-dev curl chromium "$@")
command -v node > /dev/null || want+=(nodejs)
command -v npm > /dev/null || want+=(npm)

missing=()
for package in "${want[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2> /dev/null | grep -q '^install ok installed' || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ]; then sudo=(); else sudo=(sudo); fi
echo "installing ${missing[*]}"
log=$(mktemp)
apt() {
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o DPkg::Lock::Timeout=300 "$@" >> "$log" 2>&1 || {
    tail -n 30 "$log"
    exit 1
  }
}
apt update
# The server's package makes and starts a cluster of its own when it is first installed; nobody asked for one.
case " ${missing[*]} " in
  *" postgresql-15 "*)
    apt install --no-install-recommends postgresql-common
    "${sudo[@]}" sed -i.strata -E 's/^#? *create_main_cluster *=.*/create_main_cluster = false/' \
      /etc/postgresql-common/createcluster.conf
    trap '"${sudo[@]}" mv /etc/postgresql-common/createcluster.conf.strata /etc/postgresql-common/createcluster.conf' EXIT
    ;;
esac
apt install --no-install-recommends "${missing[@]}"
rm -f "$log"
