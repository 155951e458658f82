# shellcheck shell=bash
# tests/env/common.sh - what ./up and ./check share: speaking, packages, the build, ports, processes.
# Sourced by both after `set -euo pipefail`; expects $root, the checkout.
# shellcheck disable=SC2154

# The one list of Debian packages. node and npm are looked for as commands (see packages_missing):
# many machines have them from elsewhere.
packages=(
    build-essential cmake ninja-build pkg-config clang clang-format libclang-rt-14-dev
    libuv1-dev libwebsockets-dev libwebsockets-evlib-uv libh2o-dev libssl-dev libhiredis-dev libpq-dev
    libjansson-dev libyaml-dev libcurl4-openssl-dev libargon2-dev zlib1g-dev uthash-dev libcmocka-dev
    redis-server postgresql openssl ca-certificates curl python3 fiu-utils
)
# Beyond those, what only ./check needs: a browser for the dashboard's tests, what evaluates our alert rules and
# what sends their alerts.
# shellcheck disable=SC2034
packages_of_tests=(chromium prometheus prometheus-alertmanager)

say() {
    printf '%s\n' "$*"
}

# die WHAT [NEXT]: every error says what to do.
die() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    if [ $# -gt 1 ]; then
        printf '  next: %s\n' "$2" >&2
    fi
    exit 1
}

# need_value OPTION VALUE...: the value of an option, or the usage error.
need_value() {
    if [ $# -lt 2 ] || [ -z "$2" ]; then
        die "$1 needs a value" "see ./${0##*/} --help"
    fi
}

on_terminal() {
    [ -t 1 ] && [ "${TERM:-dumb}" != dumb ]
}

# ---- packages ----

packages_missing() {
    local p have
    # newer Debian releases carry another clang: its runtime is named after it
    if command -v clang >/dev/null; then
        packages=("${packages[@]/libclang-rt-14-dev/libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev}")
    fi
    have=$(dpkg-query -W -f '${db:Status-Status}:${Package}\n' "${packages[@]}" 2>/dev/null) || true
    for p in "${packages[@]}"; do
        [[ $'\n'$have$'\n' == *$'\n'"installed:$p"$'\n'* ]] || printf '%s\n' "$p"
    done
    command -v node >/dev/null || printf 'nodejs\n'
    command -v npm >/dev/null || printf 'npm\n'
}

# A package must not leave a system-wide server running on somebody's machine: ours are private. One that was
# there before is not touched. Sets `servers`, the services that MISSING... will bring.
servers_to_come() {
    local p
    servers=()
    [ -d /run/systemd/system ] || return 0
    for p in "$@"; do
        case $p in
        redis-server | postgresql | prometheus | prometheus-alertmanager) systemctl cat "$p.service" >/dev/null 2>&1 || servers+=("$p.service") ;;
        esac
    done
}

# servers_do VERB [OPTION]: to the services in `servers`.
servers_do() {
    if [ ${#servers[@]} -gt 0 ]; then
        "${as_root[@]}" systemctl "$@" "${servers[@]}" >/dev/null 2>&1 || true
    fi
}

packages_install() {
    local missing log
    mapfile -t missing < <(packages_missing)
    if [ ${#missing[@]} -eq 0 ]; then
        return
    fi
    command -v apt-get >/dev/null ||
        die "these packages are missing and there is no apt-get: ${missing[*]}" \
            "install their equivalents, then run this again"
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null ||
            die "these packages are missing: ${missing[*]}" \
                "as root: apt-get install --no-install-recommends ${missing[*]}"
        as_root=(sudo)
    fi
    say "installing ${#missing[@]} packages (once): ${missing[*]}"
    log=$(mktemp /tmp/portcullis-apt.XXXXXX)
    servers_to_come "${missing[@]}"
    servers_do mask --runtime
    if ! { "${as_root[@]}" apt-get update -qq &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
            apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
        tail -n 15 "$log" >&2
        die "apt-get failed; all it said is in $log" "correct that and run this again"
    fi
    servers_do unmask --runtime
    servers_do disable
    rm -f "$log"
}

# ---- build ----

# run_shown LOG COMMAND...: output goes to LOG; on a terminal its last line is shown while it runs.
run_shown() {
    local log=$1 code=0
    shift
    if on_terminal; then
        "$@" 2>&1 | tee "$log" | while IFS= read -r line; do
            printf '\r\033[K%.*s' "$((${COLUMNS:-80} - 1))" "$line"
        done || code=1
        printf '\r\033[K'
    else
        "$@" >"$log" 2>&1 || code=$?
    fi
    return "$code"
}

# build_tree DIR TARGETS -- CMAKE OPTIONS: configures once, builds what is out of date. TARGETS may be "all".
# Two commands of one checkout may want the same folder: the second waits.
build_tree() {
    local dir=$1 targets=() log
    shift
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        targets+=("$1")
        shift
    done
    [ $# -eq 0 ] || shift
    mkdir -p "$dir"
    log=$dir/build.log
    (
        flock 8
        generator=()
        [ -e "$dir/CMakeCache.txt" ] || generator=(-G Ninja)
        if command -v ccache >/dev/null; then
            generator+=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)
        fi
        run_shown "$log" cmake -S "$root" -B "$dir" "${generator[@]}" "$@" &&
            run_shown "$log" cmake --build "$dir" --target "${targets[@]}"
    ) 8>"$dir/.lock" && return
    grep -E -A12 'FAILED|error|CMake Error' "$log" | head -n 60 >&2 || tail -n 40 "$log" >&2
    printf '%s: the build in %s failed; all it said is in %s\n' "${0##*/}" "$dir" "$log" >&2
    return 1
}

# npm_packages [FOLDER]: what its package-lock.json names (tests/e2e without FOLDER), installed once per lock file.
npm_packages() {
    local folder=${1:-tests/e2e} dir stamp log
    dir=$root/$folder stamp=$root/$folder/node_modules/.portcullis-lock
    if [ -e "$stamp" ] && cmp -s "$dir/package-lock.json" "$stamp"; then
        return
    fi
    log=$(mktemp /tmp/portcullis-npm.XXXXXX)
    if ! (cd "$dir" && run_shown "$log" npm ci --no-progress --loglevel=error); then
        tail -n 15 "$log" >&2
        printf '%s: npm ci failed in %s; all it said is in %s\n' "${0##*/}" "$folder" "$log" >&2
        return 1
    fi
    rm -f "$log"
    cp "$dir/package-lock.json" "$stamp"
}

# web_build: the dashboard into web/dist, when something it is made of is newer.
web_build() {
    local dist=$root/web/dist/manifest.json log=$root/web/build.log
    npm_packages web || return 1
    if [ -e "$dist" ] && [ -z "$(find "$root/web/src" "$root/web/build.mjs" "$root/web/package-lock.json" -newer "$dist" -print -quit)" ]; then
        return
    fi
    if ! run_shown "$log" node "$root/web/build.mjs"; then
        tail -n 15 "$log" >&2
        printf '%s: the dashboard could not be built; all it said is in %s\n' "${0##*/}" "$log" >&2
        return 1
    fi
}

# ---- market data ----

# The folder of recordings, or nothing: PORTCULLIS_DATA, else ../shared/data beside the project.
data_folder() {
    local dir=${PORTCULLIS_DATA:-$root/../shared/data}
    if compgen -G "$dir/*.gz" >/dev/null; then
        (cd "$dir" && pwd -P)
    fi
}

# ---- ports ----

# free_ports N: as many ports of 127.0.0.1 that nobody listens on, on one line.
free_ports() {
    python3 - "$1" <<'PY'
import socket, sys
held = [socket.socket() for _ in range(int(sys.argv[1]))]
for s in held:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in held))
PY
}

# busy_ports PORT...: those of them that somebody listens on. Asked before the start: WebSocket shards
# share their port on purpose, so a second gateway on it would not fail but take half of the clients.
busy_ports() {
    python3 - "$@" <<'PY'
import socket, sys
busy = []
for port in map(int, sys.argv[1:]):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        s.bind(("127.0.0.1", port))
    except OSError:
        busy.append(port)
    s.close()
print(*busy)
PY
}

# ---- processes ----

# process_is PID TEXT: PID lives and its command line holds TEXT (so it is ours and not a later owner
# of the same number).
process_is() {
    local line
    [[ $1 =~ ^[0-9]+$ ]] || return 1
    line=$(tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline") || return 1
    [[ $line == *"$2"* ]]
}

# process_end PID TEXT SECONDS: TERM, then KILL when it does not end in time.
process_end() {
    local tenths=$(($3 * 10))
    process_is "$1" "$2" || return 0
    kill -TERM "$1" 2>/dev/null || return 0
    while process_is "$1" "$2"; do
        if [ "$tenths" -le 0 ]; then
            printf '%s: process %s did not end within %s s: killed\n' "${0##*/}" "$1" "$3" >&2
            kill -KILL "$1" 2>/dev/null || true
            return 0
        fi
        tenths=$((tenths - 1))
        sleep 0.1
    done
    # its command line goes first, its sockets a moment later, its number when its parent has looked
    for ((tenths = 0; tenths < 20; tenths++)); do
        if ! grep -q '^State:.[^Z]' "/proc/$1/status" 2>/dev/null; then
            break
        fi
        sleep 0.1
    done
}
