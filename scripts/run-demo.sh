#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run-demo.sh: an engine with a demo catalogue, until Ctrl-C. Its data stays for the next time.
set -eu
cd "$(dirname "$0")/.."
bin=build/release/bin
data=${XDG_DATA_HOME:-$HOME/.local/share}/stockd-demo
listen=${STOCKD_LISTEN:-127.0.0.1:7421}

mkdir -p "$data"
run=$(mktemp -d)
ready=$run/ready
"$bin/stockd" --data "$data" --listen "$listen" --ready-file "$ready" &
engine=$!
stop() {
    trap - INT TERM EXIT
    kill "$engine" 2>/dev/null || true
    wait "$engine" || true
    rm -rf "$run"
}
trap 'stop; exit 0' INT TERM
trap stop EXIT

while [ ! -e "$ready" ]; do
    kill -0 "$engine" 2>/dev/null || { wait "$engine"; exit 1; } # it has said why
    sleep 0.1
done
address=$(head -n 1 "$ready")

if [ -z "$("$bin/stockctl" -s "$address" export stock | sed -n 2p)" ]; then
    "$bin/stockctl" -s "$address" demo | head -n 1
fi

sku=$("$bin/stockctl" -s "$address" export stock | sed -n '2s/,.*//p')
cat <<EOF

stockd listens on $address; its data is in $data
Try, in another terminal:

    $bin/stockctl -s $address stock $sku
    $bin/stockctl -s $address availability web $sku
    $bin/stockctl -s $address reserve web $sku:1 --ttl 1m --id my-order
    $bin/stockctl -s $address reservation my-order
    $bin/stockctl -s $address confirm my-order
    $bin/stockctl -s $address fulfil my-order
    $bin/stockctl --help

Ctrl-C stops it.
EOF
wait "$engine"
