# shellcheck shell=bash
# tests/env/stack.sh - the processes of ./up: their files, start, readiness and end.
# Sourced by ./up after common.sh; works on its variables (var is absolute).
# shellcheck disable=SC2154,SC2034

# Kept short: a unix socket's path may have 107 bytes.
redis_socket_path() {
    if [ ${#var} -le 90 ]; then
        printf '%s/redis.sock' "$var"
    else
        printf '%s/redis.sock' "$(mktemp -d /tmp/portcullis.XXXXXX)"
    fi
}

# launch NAME COMMAND...: in the background, in its own process session (the terminal's Ctrl-C is for
# ./up alone, which then stops things in order), output to $var/log/NAME.log. Sets $launched.
launch() {
    local log=$var/log/$1.log
    shift
    # 9: the lock of $var must not live on in children
    setsid "$@" >>"$log" 2>&1 </dev/null 9>&- &
    launched=$!
}

last_lines() {
    local log=$var/log/$1.log
    printf -- '--- last lines of %s\n' "$log" >&2
    tail -n "${2:-12}" "$log" >&2 || true
    printf -- '---\n' >&2
}

# memory for the feed: a quarter of the machine's, 256 MB to 2 GB
redis_memory_mb() {
    local mb
    mb=$(awk '/^MemTotal:/ {print int($2 / 4096)}' /proc/meminfo)
    if [ "$mb" -lt 256 ]; then mb=256; elif [ "$mb" -gt 2048 ]; then mb=2048; fi
    printf '%s' "$mb"
}

redis_start() {
    cat >"$var/redis.conf" <<CONF
# Written by ./up. Only the unix socket, nothing on disk: the feed can always be played again.
port 0
unixsocket $redis_socket
unixsocketperm 700
dir $var
daemonize no
save ""
appendonly no
maxmemory $(redis_memory_mb)mb
maxmemory-policy noeviction
CONF
    launch redis redis-server "$var/redis.conf"
    redis_pid=$launched
    local tries=100
    until redis-cli -s "$redis_socket" ping >/dev/null 2>&1; do
        tries=$((tries - 1))
        if [ "$tries" -le 0 ] || ! kill -0 "$redis_pid" 2>/dev/null; then
            last_lines redis
            die "redis-server did not start" "correct what it says above (its file: $var/redis.conf)"
        fi
        sleep 0.1
    done
}

gateway_configure() {
    cat >"$var/portcullis.yaml" <<YAML
# Written by ./up at each start. All keys: $gateway --describe config
tls:
  cert_file: "$var/tls/server.pem"
  key_file: "$var/tls/server.key"
ws:
  listen: "127.0.0.1:$wss_port"
  shards: $shards
  # one developer is many clients of one address; the limits of an address are for production
  max_per_ip: 0
  connects_per_10min: 0
public:
  listen: "127.0.0.1:$https_port"
admin:
  listen: "127.0.0.1:$admin_port"
  web_dir: "$root/web/dist"
feed:
  redis: "unix:$redis_socket"
  symbols_file: "$symbols"
auth:
  database: "$(pg_dsn "$var/pg")"
  master_key_file: "$var/master.key"
gate:
  state_dir: "$var/state"
playbooks:
  dir: "$root/docs/playbooks"
log:
  level: info
YAML
}

# PostgreSQL of this folder; it and the keys in it stay from one ./up to the next.
postgres_start() {
    # 9: the lock of $var must not live on in PostgreSQL
    pg_start "$var/pg" >>"$var/log/postgres.log" 2>&1 9>&- ||
        { last_lines postgres && die "PostgreSQL did not start" "correct what it says above"; }
    postgres_dir=$var/pg
}

# The tables, a master key and, the first time, an admin key for trying things out.
keys_prepare() {
    local log=$var/log/keys.log
    if ! "$gateway" --config "$var/portcullis.yaml" --migrate >>"$log" 2>&1; then
        last_lines keys
        die "the database could not be brought up to date" "correct what it says above"
    fi
    if [ ! -s "$var/demo-admin.pem" ] || [ ! -s "$var/demo-admin.id" ]; then
        rm -f "$var/demo-admin.pem"
        if ! "$gateway" --config "$var/portcullis.yaml" --bootstrap-key "$var/demo-admin.pem" \
            --account operations >"$log.new" 2>&1; then
            cat "$log.new" >>"$log"
            last_lines keys
            die "the demo key could not be made" "correct what it says above"
        fi
        grep -oE 'pk_[A-Za-z0-9]+' "$log.new" | head -n 1 >"$var/demo-admin.id"
        cat "$log.new" >>"$log" && rm -f "$log.new"
    fi
    admin_key_id=$(cat "$var/demo-admin.id")
}

# operator_value NUMBER USER|PASSWORD|TOTP
operator_value() {
    sed -n "s/^OPERATOR_$1_$2=//p" "$var/operators.env"
}

# What one asks for the other may approve; the first looks after users and keys, the second reads the audit log.
operator_roles() {
    case $1 in
    1) printf 'operator,approver,security' ;;
    2) printf 'operator,approver,auditor' ;;
    esac
}

# Two people who may log in; made once, their secrets stay as long as the database does.
operators_prepare() {
    local log=$var/log/operators.log names=(alex robin) number name told
    touch "$var/operators.env"
    chmod 600 "$var/operators.env"
    for number in 1 2; do
        name=${names[number - 1]}
        [ -z "$(operator_value "$number" TOTP)" ] || continue
        if ! told=$("$gateway" --config "$var/portcullis.yaml" --bootstrap-user "$name" \
            --roles "$(operator_roles "$number")" --lasting-password 2>&1); then
            # what it says here is an error and no secret
            printf '%s\n' "$told" >>"$log"
            last_lines operators
            die "operator $name could not be made" \
                "correct what it says above; if the user is there and $var/operators.env was lost, start with a new --var"
        fi
        {
            printf 'OPERATOR_%s_USER=%s\n' "$number" "$name"
            printf 'OPERATOR_%s_PASSWORD=%s\n' "$number" "$(sed -n 's/^ *password: \([^ ]*\).*/\1/p' <<<"$told")"
            printf 'OPERATOR_%s_TOTP=%s\n' "$number" "$(sed -n 's/^ *second factor: //p' <<<"$told")"
        } >>"$var/operators.env"
    done
}

gateway_start() {
    # what ./up decides itself must not be changed by a variable left in the caller's environment
    local own=(-u PORTCULLIS_WS_LISTEN -u PORTCULLIS_WS_SHARDS -u PORTCULLIS_PUBLIC_LISTEN
        -u PORTCULLIS_ADMIN_LISTEN -u PORTCULLIS_TLS_CERT_FILE -u PORTCULLIS_TLS_KEY_FILE
        -u PORTCULLIS_FEED_REDIS -u PORTCULLIS_FEED_SYMBOLS_FILE)
    launch gateway env "${own[@]}" "$gateway" --config "$var/portcullis.yaml"
    gateway_pid=$launched
}

# gateway_wait PATH SECONDS: until https://ADMIN/PATH answers 200.
gateway_wait() {
    local deadline=$((SECONDS + $2)) since=$SECONDS url=https://127.0.0.1:$admin_port$1 answer code
    while :; do
        answer=$(curl -sS --max-time 2 --cacert "$var/tls/ca.pem" -w '\n%{http_code}' "$url" 2>&1) || true
        code=${answer##*$'\n'}
        [ "$code" != 200 ] || break
        if ! kill -0 "$gateway_pid" 2>/dev/null; then
            last_lines gateway
            die "the gateway ended before it was ready" "correct what it says above, then ./up again"
        fi
        if [ -n "$feeder_pid" ] && ! kill -0 "$feeder_pid" 2>/dev/null; then
            last_lines feeder
            die "the feeder ended" "correct what it says above (its options: $feeder --help)"
        fi
        if [ "$SECONDS" -ge "$deadline" ]; then
            last_lines gateway
            last_lines feeder 4
            die "the gateway was not ready after $2 s; $1 says: ${answer%$'\n'*}" \
                "look at $var/log/, and try: curl --cacert $var/tls/ca.pem $url"
        fi
        if on_terminal; then
            printf '\r\033[Kwaiting for the gateway: %s s' "$((SECONDS - since))"
        fi
        sleep 0.2
    done
    if on_terminal; then
        printf '\r\033[K'
    fi
}

feeder_start() {
    local set_args=()
    [ -z "$sets" ] || set_args=(--sets "$sets")
    launch feeder "$feeder" --redis "unix:$redis_socket" --data "$data" "${set_args[@]}" \
        --loop forever --time now --speed "$speed" --maxlen 50000
    feeder_pid=$launched
}

symbols_write() {
    local set_args=() log=$var/log/symbols.log
    [ -z "$sets" ] || set_args=(--sets "$sets")
    if ! "$feeder" --data "$data" "${set_args[@]}" --symbols-out "$symbols" >"$log" 2>&1; then
        last_lines symbols
        die "the symbol table could not be made from $data" "check --data and --sets"
    fi
}

# The order in which things end: no more feed, then the gateway drains, then its Redis.
# stack_stop FEEDER_PID GATEWAY_PID REDIS_PID REDIS_SOCKET POSTGRES_DIR
stack_stop() {
    process_end "${1:-0}" "--redis unix:$4" 5
    process_end "${2:-0}" "--config $var/portcullis.yaml" 20
    process_end "${3:-0}" "$4" 5
    rm -f "$4"
    [ -z "${5:-}" ] || pg_stop "$5" >/dev/null 2>&1 || true
    if [[ $4 == /tmp/portcullis.* ]]; then
        rmdir "$(dirname "$4")" 2>/dev/null || true
    fi
}
