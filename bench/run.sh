#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh: the side-by-side benchmark behind `make bench`.
#
# Starts the bare echo server and a durable stockd, loads them alternately with the same generator,
# several rounds, and reports medians, spread, latencies, and the ratio to echo. The disk's own sync
# time is measured in each round, on the disk that holds the journal; the ledger alone, in process,
# at the end. All that is started here is ended here, by its process id.
#
# Settings (environment):
#   BIN          where the programs are               build/release/bin
#   OUT          where results and the journal go     build/bench
#   ROUNDS       alternations                         3
#   SECONDS_EACH measured seconds of each run         4
#   CONNECTIONS                                       32
#   ITEMS                                             100000
#   STOCKD_ARGS  more options for stockd, e.g. "--workers 1"
set -euo pipefail
cd "$(dirname "$0")/.."

BIN=${BIN:-build/release/bin}
OUT=${OUT:-build/bench}
ROUNDS=${ROUNDS:-3}
SECONDS_EACH=${SECONDS_EACH:-4}
CONNECTIONS=${CONNECTIONS:-32}
ITEMS=${ITEMS:-100000}
STOCKD_ARGS=${STOCKD_ARGS:-}

for program in stockd stockbench bench-echo_server bench-disk_sync; do
    if [ ! -x "$BIN/$program" ]; then
        echo "run.sh: $BIN/$program is not there (make build)" >&2
        exit 2
    fi
done

mkdir -p "$OUT"
work=$(mktemp -d "$OUT/work.XXXXXX")
mkdir "$work/data"
runs=$work/runs.jsonl
pids=()

# finish: ends what was started; a server that does not go within 5 s is killed.
finish() {
    local pid tries
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null || continue
        for ((tries = 0; tries < 50; tries++)); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -9 "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    pids=()
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# wait_for FILE PID: until FILE has a line.
wait_for() {
    local tries
    for ((tries = 0; tries < 300; tries++)); do
        [ -s "$1" ] && return
        kill -0 "$2" 2>/dev/null || break
        sleep 0.1
    done
    echo "run.sh: a server did not start" >&2
    cat "$work"/*.log >&2
    exit 2
}

# note KIND JSON: one line of the record that report.py reads.
note() {
    printf '{"kind":"%s","data":%s}\n' "$1" "$2" >>"$runs"
}

# load ADDRESS WORKLOAD WINDOW: one run of the generator. Exit code 1 is a run whose replies held
# errors: it is recorded, and the report shows them.
load() {
    local line code=0
    line=$("$BIN/stockbench" -s "$1" --workload "$2" --window "$3" --connections "$CONNECTIONS" \
        --items "$ITEMS" --seconds "$SECONDS_EACH" --warmup 1 --json) || code=$?
    if [ "$code" -gt 1 ]; then
        echo "run.sh: stockbench failed ($2, window $3)" >&2
        tail -n 5 "$work"/*.log >&2
        exit 2
    fi
    note load "$line"
    printf '.' >&2
}

# resident PID: its memory in KiB.
resident() {
    awk '/^VmRSS:/ { print $2 }' "/proc/$1/status"
}

"$BIN/bench-echo_server" >"$work/echo.port" 2>"$work/echo.log" &
pids+=($!)
wait_for "$work/echo.port" $!
echo_server=$(cat "$work/echo.port")

# shellcheck disable=SC2086  # STOCKD_ARGS is several words on purpose
"$BIN/stockd" --data "$work/data" --listen 127.0.0.1:0 --ready-file "$work/stockd.ready" \
    --durability always $STOCKD_ARGS >"$work/stockd.log" 2>&1 &
stockd_pid=$!
pids+=("$stockd_pid")
wait_for "$work/stockd.ready" "$stockd_pid"
stockd=$(head -n 1 "$work/stockd.ready")

note memory "{\"empty_kib\":$(resident "$stockd_pid")}"
"$BIN/stockbench" -s "$stockd" --setup --items "$ITEMS" 2>"$work/setup.log"

printf 'measuring %s rounds ' "$ROUNDS" >&2
for ((round = 0; round < ROUNDS; round++)); do
    note disk "$("$BIN/bench-disk_sync" "$work")"
    for window in 1 16 128; do
        load "$echo_server" echo "$window"
        load "$stockd" reserve-cancel "$window"
    done
    load "$stockd" hot 128
    load "$stockd" reserve-cancel 128
    load "$echo_server" echo 128
    load "$stockd" availability 128
done
note memory "{\"after_kib\":$(resident "$stockd_pid")}"
printf '\n' >&2

# ledger OPTIONS: one run of the in-process benchmark, which has no sockets and no disk.
ledger() {
    local line
    if line=$("$BIN/bench-ledger" --seconds "$SECONDS_EACH" --items 1000000 --json "$@"); then
        note ledger "$line"
    else
        echo "run.sh: bench-ledger $* failed" >&2
    fi
}

if [ -x "$BIN/bench-ledger" ]; then
    ledger --threads 1
    ledger --threads 2
    ledger --threads 1 --workload hot
fi

/usr/bin/python3 bench/report.py "$runs" "$OUT/results.json"
printf '\nas JSON: %s\n' "$OUT/results.json"
