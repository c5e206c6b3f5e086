# cluster.sh - throwaway clusters for tests, demo and benchmarks; to be sourced by a bash script.
#
# PG_CONFIG names the PostgreSQL to use.  A server never runs as root: root's servers run as user postgres,
# anyone else's as that user.  Nothing listens on TCP; the socket lies in the cluster's own directory.
#
#   cluster_start DIR [CONF_LINE...]   makes and starts a cluster; sets PGHOST, PGPORT, PGUSER
#   cluster_stop DIR                   stops it
#   as_server COMMAND...               runs a command as the server's user, with PATH and PG* set
#   server_exec COMMAND... &           the same in the background, $! being the command

pg_bindir=$("${PG_CONFIG:-pg_config}" --bindir)
PATH=$pg_bindir:$PATH

if [ "$(id -u)" = 0 ]; then server_user=postgres; else server_user=$(id -un); fi

# Takes the place of the calling shell: with &, $! is the command itself and can be killed.
server_exec() {
  local env=(PATH="$PATH" LC_ALL=C.UTF-8)
  local name
  for name in PG_CONFIG PGHOST PGPORT PGUSER PGDATABASE; do
    [ -z "${!name:-}" ] || env+=("$name=${!name}")
  done
  if [ "$(id -u)" = 0 ]; then
    exec setpriv --reuid="$server_user" --regid="$(id -g "$server_user")" --init-groups env HOME="${SERVER_HOME:-/tmp}" "${env[@]}" "$@"
  else
    exec env "${env[@]}" "$@"
  fi
}

as_server() { (server_exec "$@"); }

# A fresh directory that the server's user owns; TMPDIR may be one that only we can enter.
server_tmpdir() {
  local dir
  dir=$(mktemp -d "/tmp/$1.XXXXXX")
  chmod 755 "$dir"
  [ "$(id -u)" != 0 ] || chown "$server_user" "$dir"
  echo "$dir"
}

cluster_start() {
  local dir=$1
  shift
  (cd / && as_server initdb -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync) > "$dir/initdb.log" 2>&1 || {
    cat "$dir/initdb.log"
    return 1
  }
  # Only the socket's directory tells clusters apart, so one port number serves all.
  export PGHOST=$dir PGPORT=5432 PGUSER=postgres
  printf '%s\n' "listen_addresses = ''" "port = $PGPORT" "unix_socket_directories = '$dir'" 'fsync = off' \
    'log_line_prefix = '"'%m [%p] %q%a '" "$@" | as_server tee -a "$dir/data/postgresql.conf" > /dev/null
  (cd / && as_server pg_ctl -D "$dir/data" -l "$dir/server.log" -w -t 120 start) > "$dir/pg_ctl.log" 2>&1 || {
    cat "$dir/pg_ctl.log" "$dir/server.log"
    return 1
  }
}

# An orderly stop, so that the event ring's segment goes too; at once if that takes too long.  A server that was killed
# leaves its pid file behind: that one is stopped already.
cluster_stop() {
  [ -e "$1/data/postmaster.pid" ] || return 0
  (cd / && as_server pg_ctl -D "$1/data" status) > /dev/null 2>&1 || return 0
  (cd / && { as_server pg_ctl -D "$1/data" -m fast -w -t 30 stop || as_server pg_ctl -D "$1/data" -m immediate -w stop; }) > /dev/null 2>&1
}
