#!/usr/bin/env bash
# tests/env/postgres.sh - a private PostgreSQL in a folder: for ./up, ./check and the tests. To be sourced,
# also under `set -euo pipefail`.
#
#   pg_start DIR          makes the cluster the first time; listens on a unix socket only
#   pg_stop DIR           ends it; nothing is lost (fsync is on, unless pg_throwaway is set at the first start)
#   pg_dsn DIR [DATABASE] prints the DSN; the database is `portcullis` unless named
#   pg_binaries           prints the folder of the server's programs; fails when there is none
#   postgres.sh serve DIR (as a program) starts it, prints the DSN, and ends and deletes it at the end of its
#                         input: it dies with whoever holds the pipe. Exit code 77: not installed.
#   postgres.sh template DIR [COMMAND...] makes DIR a cluster to be copied, in which COMMAND, called with the DSN as
#                         its last argument, has made what all copies begin with
#   PG_TEMPLATE           a folder: the first cluster made is copied there, later ones are copies of it
#
# PostgreSQL refuses to run as root: then it runs as the user `postgres`, who gets DIR. The socket is in DIR,
# or, where that path is too long for a socket, in a folder of /tmp named in DIR/socket.

pg_binaries() {
    local d best='' version=0 v
    if command -v pg_ctl >/dev/null && command -v initdb >/dev/null; then
        dirname "$(realpath "$(command -v pg_ctl)")"
        return
    fi
    for d in /usr/lib/postgresql/*/bin; do
        v=${d#/usr/lib/postgresql/}
        v=${v%/bin}
        if [ -x "$d/pg_ctl" ] && [ -x "$d/initdb" ] && [[ $v =~ ^[0-9]+$ ]] && [ "$v" -gt "$version" ]; then
            best=$d
            version=$v
        fi
    done
    [ -n "$best" ] && printf '%s\n' "$best"
}

# pg_run DIR COMMAND...: as somebody PostgreSQL accepts.
pg_run() {
    local dir=$1 as=()
    shift
    if [ "$(id -u)" -eq 0 ]; then
        as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
        # a folder below one that only root may enter
        if ! "${as[@]}" test -x "$dir" 2>/dev/null; then
            as+=(--inh-caps=+dac_read_search --ambient-caps=+dac_read_search)
        fi
    fi
    (cd / && LC_ALL=C "${as[@]}" "$@")
}

pg_socket() {
    local dir
    dir=$(cd "$1" && pwd -P) || return 1
    if [ -s "$dir/socket" ]; then
        cat "$dir/socket"
    else
        printf '%s\n' "$dir"
    fi
}

# A path as a DSN wants it.
pg_encode() {
    local LC_ALL=C text=$1 i c out=''
    for ((i = 0; i < ${#text}; i++)); do
        c=${text:i:1}
        case $c in
        [A-Za-z0-9./_-]) out+=$c ;;
        *) printf -v c '%%%02X' "$(($(printf '%d' "'$c") & 255))" && out+=$c ;;
        esac
    done
    printf '%s\n' "$out"
}

pg_dsn() {
    local socket
    socket=$(pg_socket "$1") || return 1
    printf 'postgresql:///%s?host=%s&user=portcullis\n' "${2:-portcullis}" "$(pg_encode "$socket")"
}

pg_error() {
    printf 'postgres: %s\n  next: %s\n' "$1" "$2" >&2
    return 1
}

# Once a folder: the cluster.
pg_make() {
    local dir=$1 bin=$2
    rm -rf "$dir/data.new" || return 1
    if [ -n "${PG_TEMPLATE:-}" ] && [ -d "$PG_TEMPLATE" ]; then
        cp -a "$PG_TEMPLATE" "$dir/data"
        return
    fi
    pg_run "$dir" "$bin/initdb" -D "$dir/data.new" -U portcullis -E UTF8 --locale=C --auth=trust \
        --no-instructions ${pg_throwaway:+--no-sync} >"$dir/initdb.log" 2>&1 || {
        tail -n 5 "$dir/initdb.log" >&2
        pg_error "initdb failed" "correct what it says above; all of it is in $dir/initdb.log"
        return 1
    }
    # whoever can enter the folder of the socket, owner and root, is trusted; there is no other way in
    pg_run "$dir" tee -a "$dir/data.new/postgresql.conf" >/dev/null <<CONF || return 1
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 64
shared_buffers = 32MB
log_line_prefix = '%m [%p] %a '
${pg_throwaway:+fsync = off}
CONF
    if [ -n "${PG_TEMPLATE:-}" ]; then
        cp -a "$dir/data.new" "$PG_TEMPLATE.$$" && mv -T "$PG_TEMPLATE.$$" "$PG_TEMPLATE" || return 1
    fi
    pg_run "$dir" mv "$dir/data.new" "$dir/data"
}

# The first process left its file behind, and its number is a zombie's (a container may have nobody who
# reaps) or somebody else's by now: PostgreSQL would refuse to start for ever.
pg_unlock() {
    local dir=$1 pid
    pid=$(head -n 1 "$dir/data/postmaster.pid" 2>/dev/null) || return 0
    if ! grep -qs '^[0-9]* (postgres) [^ZX]' "/proc/$pid/stat"; then
        rm -f "$dir/data/postmaster.pid" "$(pg_socket "$dir")/.s.PGSQL.5432.lock"
    fi
}

pg_start() {
    local dir bin socket
    bin=$(pg_binaries) || {
        pg_error "PostgreSQL is not installed" "apt-get install postgresql"
        return 1
    }
    mkdir -p "$1" && dir=$(cd "$1" && pwd -P) || return 1
    chmod 700 "$dir" || return 1
    [ "$(id -u)" -ne 0 ] || chown postgres: "$dir" || return 1
    [ -d "$dir/data" ] || pg_make "$dir" "$bin" || return 1
    pg_unlock "$dir"
    pg_run "$dir" "$bin/pg_ctl" -D "$dir/data" status >/dev/null 2>&1 && return
    rm -f "$dir/socket" && socket=$dir || return 1
    if [ ${#dir} -gt 85 ]; then
        socket=$(mktemp -d /tmp/portcullis-pg.XXXXXX) || return 1
        printf '%s\n' "$socket" >"$dir/socket" || return 1
        [ "$(id -u)" -ne 0 ] || chown postgres: "$socket" || return 1
    fi
    pg_run "$dir" "$bin/pg_ctl" -D "$dir/data" -l "$dir/postgres.log" -o "-k $(printf '%q' "$socket")" \
        -w -t 60 -s start </dev/null >/dev/null 2>&1 || {
        tail -n 5 "$dir/postgres.log" >&2
        pg_error "PostgreSQL did not start" "correct what it says above; all of it is in $dir/postgres.log"
        return 1
    }
    if ! "$bin/psql" -X -q -d "$(pg_dsn "$dir" postgres)" -tAc \
        "SELECT 1 FROM pg_database WHERE datname = 'portcullis'" | grep -q 1; then
        "$bin/createdb" --maintenance-db="$(pg_dsn "$dir" postgres)" portcullis || return 1
    fi
}

pg_stop() {
    local dir bin pid socket
    [ -d "$1/data" ] || return 0
    dir=$(cd "$1" && pwd -P) && bin=$(pg_binaries) || return 1
    pid=$(head -n 1 "$dir/data/postmaster.pid" 2>/dev/null) || true
    if [ -n "$pid" ]; then
        # a test may have left it stopped
        pkill -CONT -P "$pid" 2>/dev/null || true
        kill -CONT "$pid" 2>/dev/null || true
        pg_run "$dir" "$bin/pg_ctl" -D "$dir/data" -m fast -w -t 30 -s stop >/dev/null 2>&1 ||
            pg_run "$dir" "$bin/pg_ctl" -D "$dir/data" -m immediate -w -t 10 -s stop >/dev/null 2>&1 || true
    fi
    socket=$(pg_socket "$dir")
    if [ "$socket" != "$dir" ]; then
        rmdir "$socket" 2>/dev/null || true
        rm -f "$dir/socket"
    fi
}

# pg_template DIR [COMMAND...]
pg_template() {
    local dir=$1 made=$1.making
    shift
    rm -rf "$dir" "$made"
    if ! pg_start "$made" || { [ $# -gt 0 ] && ! "$@" "$(pg_dsn "$made")"; }; then
        pg_stop "$made"
        rm -rf "$made"
        return 1
    fi
    pg_stop "$made"
    mv -T "$made/data" "$dir" && rm -rf "$made"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    pg_throwaway=yes # a kill of its processes loses nothing all the same, only a crash of the machine would
    if [ $# -ge 2 ] && [ "$1" = template ]; then
        pg_binaries >/dev/null || exit 77
        unset PG_TEMPLATE
        shift
        pg_template "$@"
        exit
    fi
    if [ $# -ne 2 ] || [ "$1" != serve ]; then
        echo "usage: tests/env/postgres.sh serve DIR | template DIR [COMMAND...]" >&2
        exit 2
    fi
    pg_binaries >/dev/null || exit 77
    trap '' INT TERM HUP # the end of the input is the sign; the server must not be left behind
    pg_start "$2" && pg_dsn "$2" && cat >/dev/null
    pg_stop "$2"
    rm -rf "$2"
fi
