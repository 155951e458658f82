#!/usr/bin/env bash
# tests/env/migrate.sh BUILD DSN - makes all tables in the database DSN: what the clusters of a run of ./check are copies of.
set -euo pipefail
build=$1 dsn=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$build/load/feeder" --data synthetic --symbols 1 --quiet --symbols-out "$dir/symbols.yaml"
"$build/portcullis" --make-master-key "$dir/master.key" >/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
cat >"$dir/gateway.yaml" <<YAML
tls: {cert_file: $dir/cert.pem, key_file: $dir/key.pem}
feed: {symbols_file: $dir/symbols.yaml}
auth: {database: "$dsn", master_key_file: $dir/master.key}
gate: {state_dir: $dir}
YAML
"$build/portcullis" --config "$dir/gateway.yaml" --migrate
