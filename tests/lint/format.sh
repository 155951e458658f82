#!/usr/bin/env bash
# tests/lint/format.sh [--fix] - every .c and .h is laid out as .clang-format says. --fix does it.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if [ "${1:-}" = --help ]; then
    echo "usage: tests/lint/format.sh [--fix]"
    exit 0
fi
# releases of clang-format disagree with each other; the tree is laid out by this one
if ! clang-format --version | grep -q 'version 14\.'; then
    echo "skipped: needs clang-format 14, here is $(clang-format --version)"
    exit 77
fi
# also new files, which git does not track yet; a release archive has no git at all
mapfile -t files < <(git ls-files -co --exclude-standard -- '*.c' '*.h' 2>/dev/null |
    while read -r f; do [ ! -e "$f" ] || printf '%s\n' "$f"; done)
if [ ${#files[@]} -eq 0 ]; then
    mapfile -t files < <(find gateway ws auth ratelimit load tests -name node_modules -prune -o -name '*.[ch]' -print)
fi
if [ "${1:-}" = --fix ]; then
    clang-format -i "${files[@]}"
    exit 0
fi
bad=$(clang-format --dry-run "${files[@]}" 2>&1 | sed -nE 's/^([^:]+):[0-9]+:.*clang-format-violations.*/\1/p' |
    sort | uniq -c) || true
if [ -n "$bad" ]; then
    printf 'not formatted (places, file):\n%s\nnext: tests/lint/format.sh --fix\n' "$bad" >&2
    exit 1
fi
echo "${#files[@]} files formatted"
