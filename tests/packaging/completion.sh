#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# completion.sh BUILD_DIR: bash completes stockctl's commands, options, channels, SKUs and locations;
# and offers nothing, without a word, when the engine is away.
set -eu
bin=$(cd "$1/bin" && pwd)
cd "$(dirname "$0")/../.."
run=$(mktemp -d)
engine=
trap '[ -z "$engine" ] || { kill "$engine"; wait "$engine" || true; }; rm -rf "$run"' EXIT
export PATH=$bin:$PATH STOCKD_SERVER=unix:$run/stockd.sock
# shellcheck source=/dev/null
. packaging/bash-completion/stockctl
compopt() { :; }

# expect "TYPED WORDS" "WHAT IS OFFERED": the last word is the one that is being typed.
expect() {
    local offered
    read -ra COMP_WORDS <<<"stockctl $1"
    [[ $1 != *' ' && -n $1 ]] || COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _stockctl
    offered=$(printf '%s\n' "${COMPREPLY[@]}" | sort | tr '\n' ' ')
    [ "${offered% }" = "$2" ] || {
        echo "completion.sh: after 'stockctl $1' bash offers '${offered% }', not '$2'" >&2
        exit 1
    }
}

expect 'reserve ' ''
stockd --data "$run/data" --listen "$STOCKD_SERVER" --ready-file "$run/ready" 2>"$run/log" &
engine=$!
until [ -e "$run/ready" ]; do
    kill -0 "$engine" || { cat "$run/log" >&2; exit 1; }
    sleep 0.1
done
for sku in MUG-RED MUG-BLUE TEE; do stockctl receive $sku main 1 >/dev/null; done
stockctl channel set web >/dev/null
stockctl location set paris >/dev/null

expect 'rec' 'receive reconcile'
expect 'channel ' 'list set show'
expect 'channel s' 'set show'
expect 'reserve ' 'default web'
expect 'reserve w' 'web'
expect 'reserve web MUG' 'MUG-BLUE MUG-RED'
expect "-s $STOCKD_SERVER stock T" 'TEE'
expect 'receive TEE ' 'main paris'
expect 'reserve web TEE --at p' 'paris'
expect 'reserve web TEE --tt' '--ttl'
expect 'ready o-1 ' 'main paris'
expect 'health --js' '--json'
expect 'health -o ' 'csv json ndjson table'
expect '-o csv cha' 'changes channel'
expect 'orders --output n' 'ndjson'
