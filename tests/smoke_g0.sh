#!/usr/bin/env bash
# tests/smoke_g0.sh - gate G0: one trade through everything. See tests/smoke_g0.sh --help and docs/SMOKE.md.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=env/common.sh
. "$root/tests/env/common.sh"
# shellcheck source=env/stack.sh
. "$root/tests/env/stack.sh"
# shellcheck source=env/postgres.sh
. "$root/tests/env/postgres.sh"

usage() {
    cat <<'TEXT'
tests/smoke_g0.sh - does an order come through: accepted, settled in PostgreSQL, told on the WebSocket?

  tests/smoke_g0.sh [options]              with a private Redis, PostgreSQL and gateway, gone afterwards
  tests/smoke_g0.sh --env FILE [options]   against the gateway that FILE describes (var/up.env of ./up)

  --env FILE       settings of a running gateway, which must have been started with SMOKE_ENABLED=true
  --log-dir DIR    where the logs are written (default $TMPDIR, else /tmp)
  --wait S         seconds to wait for the WebSocket events (default 10)
  --help

Four checks, in this order: ready (/readyz), settled (POST /v1/smoke/trades says status=settled), ledger (the row is
in smoke_ledger_entries), ws_events (TradeExecuted and CandleUpdated). The last line is smoke_g0_success=true, exit
code 0; or smoke_g0_success=false, exit code 1, and before it which check failed and what to do next.
Logs: edge-gateway-smoke.log (of the gateway this starts) and ws-events-smoke.log.

PORTCULLIS_BUILD=DIR   take the programs from DIR and do not compile

examples
  tests/smoke_g0.sh
  tests/smoke_g0.sh --log-dir /var/log/portcullis
  SMOKE_ENABLED=true ./up --detach && tests/smoke_g0.sh --env var/up.env
TEXT
}

env_file='' log_dir=${TMPDIR:-/tmp} wait_s=10
gateway_log='' work='' var='' gateway_pid='' redis_pid='' redis_socket='' postgres_dir='' feeder_pid='' feeder='' data='' sets='' speed=1
symbols='' shards=1 admin_key_id='' wss_port='' https_port='' admin_port='' checks_run=no

read_options() {
    while [ $# -gt 0 ]; do
        case $1 in
        --help | -h) usage && exit 0 ;;
        --env | --log-dir | --wait) need_value "$@" ;;
        *) die "unknown option $1" "see tests/smoke_g0.sh --help" ;;
        esac
        case $1 in
        --env) env_file=$2 ;;
        --log-dir) log_dir=$2 ;;
        --wait) wait_s=$2 ;;
        esac
        shift 2
    done
    [[ $wait_s =~ ^[0-9]{1,3}$ && $((10#$wait_s)) -ge 1 && $((10#$wait_s)) -le 300 ]] ||
        die "--wait $wait_s" "give 1 to 300 seconds"
    [ -z "$env_file" ] || [ -r "$env_file" ] || die "--env $env_file cannot be read" "start one with: SMOKE_ENABLED=true ./up --detach"
    mkdir -p "$log_dir" 2>/dev/null && log_dir=$(cd "$log_dir" && pwd -P) || die "--log-dir $log_dir cannot be made" "give another"
}

programs_ready() {
    local build=${PORTCULLIS_BUILD:-}
    if [ -z "$build" ]; then
        build=$root/build
        packages_install
        say "building (log: $build/build.log)"
        build_tree "$build" portcullis portctl -- -DCMAKE_BUILD_TYPE=RelWithDebInfo ||
            die "not run" "correct the errors above"
    fi
    gateway=$build/portcullis
    portctl=$build/portctl
    [[ -x $gateway && -x $portctl ]] ||
        die "$build has no portcullis and portctl" "build them, or unset PORTCULLIS_BUILD"
}

# shellcheck disable=SC2317
on_exit() {
    local code=$?
    trap - EXIT
    trap '' INT TERM HUP
    if [ -n "$redis_socket" ]; then
        stack_stop 0 "$gateway_pid" "$redis_pid" "$redis_socket" "$postgres_dir"
    fi
    [ -z "$work" ] || rm -rf "$work"
    # one that ended before there was anything to check is a failure, too
    if [ "$code" != 0 ] && [ "$checks_run" = no ]; then
        [ -z "$gateway_log" ] || say "see $gateway_log; is PostgreSQL there: pg_isready -U exchange -d exchange"
        say "smoke_g0_failed=ready"
        say "smoke_g0_success=false"
    fi
    exit "$code"
}

# A fresh file: the folder may be everybody's, and nobody else's link is written through.
new_log() {
    rm -f "$1"
    (set -C && : >"$1") || die "$1 cannot be made" "give another --log-dir"
}

# stack.sh writes $var/log/gateway.log: that is the log of this test.
stack_start() {
    export SMOKE_ENABLED=${SMOKE_ENABLED:-true}
    work=$(mktemp -d /tmp/portcullis-smoke.XXXXXX)
    var=$work
    mkdir -p "$var/log"
    mkdir -p -m 700 "$var/state"
    gateway_log=$log_dir/edge-gateway-smoke.log
    new_log "$gateway_log"
    ln -s "$gateway_log" "$var/log/gateway.log"
    "$root/tests/env/make-certs" "$var/tls"
    symbols=$var/symbols.yaml
    # a gateway without symbols does not start; this one has no feed
    printf 'symbols:\n  - {symbol: BTC/USD, price_decimals: 1, qty_decimals: 8}\n' >"$symbols"
    read -r wss_port https_port admin_port < <(free_ports 3)
    redis_socket=$(redis_socket_path)
    redis_start
    pg_throwaway=yes postgres_start
    "$gateway" --make-master-key "$var/master.key" >>"$var/log/keys.log" 2>&1 || die "no master key" "see above"
    gateway_configure
    keys_prepare
    gateway_start
    gateway_wait /livez 15
    env_file=$var/smoke.env
    cat >"$env_file" <<ENV
PUBLIC_WSS_URL=wss://localhost:$wss_port/v2
ADMIN_URL=https://localhost:$admin_port
ADMIN_KEY_FILE=$var/demo-admin.pem
ADMIN_KEY_ID=$admin_key_id
CA_FILE=$var/tls/ca.pem
POSTGRES_DSN='$(pg_dsn "$var/pg")'
ENV
}

env_value() {
    sed -n "s/^$1=//p" "$env_file" | tail -n 1 | tr -d "'\""
}

# Until the gateway is ready, or for ten seconds: what then is not, the checks tell.
ready_wait() {
    local deadline=$((SECONDS + 10)) url
    url=$(env_value ADMIN_URL)
    while [ "$SECONDS" -lt "$deadline" ]; do
        if curl -sf -o /dev/null --max-time 2 --cacert "$(env_value CA_FILE)" "$url/readyz"; then
            return
        fi
        sleep 0.2
    done
}

# What portctl asked the gateway, asked of PostgreSQL itself. Nothing to say where there is no psql or DSN.
ledger_shown() {
    local dsn
    dsn=$(env_value POSTGRES_DSN)
    if [ -n "$dsn" ] && command -v psql >/dev/null; then
        psql -X -d "$dsn" -c 'SELECT * FROM smoke_ledger_entries ORDER BY id DESC LIMIT 20' || return 1
    fi
}

checks() {
    local out code=0
    checks_run=yes
    out=$("$portctl" --env "$env_file" smoke g0 --log-dir "$log_dir" --wait "$wait_s") || code=$?
    printf '%s\n' "$out" | grep -v '^smoke_g0_success=' || true
    if [ "$code" = 0 ] && ! ledger_shown >"$log_dir/smoke-ledger.log" 2>&1; then
        tail -n 3 "$log_dir/smoke-ledger.log" >&2
        say "smoke_g0_failed=ledger"
        code=1
    elif [ "$code" != 0 ]; then
        say "smoke_g0_failed=$(sed -nE 's/^[1-4] ([a-z_]+) +FAIL.*/\1/p' <<<"$out" | head -n 1)"
        [ -z "$gateway_log" ] || say "log of the gateway: $gateway_log"
    fi
    rm -f "$log_dir/smoke-ledger.log"
    if [ "$code" = 0 ]; then
        say "smoke_g0_success=true"
    else
        say "smoke_g0_success=false"
        return 1
    fi
}

main() {
    read_options "$@"
    trap on_exit EXIT
    trap 'exit 130' INT TERM HUP
    programs_ready
    [ -n "$env_file" ] || stack_start
    ready_wait
    checks
}

main "$@"
