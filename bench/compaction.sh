#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# compaction.sh [SECONDS]: how much clients notice of a compaction.
#
# Loads an engine with a million items at a fixed rate, so that no stall hides: alone, beside a loop
# that only keeps a processor busy at the same low priority, and beside a compaction. Prints the
# three p99s: on a machine with shared processors, a busy one costs by itself, and the loop says how
# much. Needs a built tree and 4 GB.
# RATE (messages a second), ITEMS and ROUNDS may be set in the environment.
set -eu

seconds=${1:-8}
rate=${RATE:-20000}
items=${ITEMS:-1000000}
rounds=${ROUNDS:-3}
bin=$(cd "$(dirname "$0")/../build/release/bin" && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/compaction.XXXXXX")
address=unix:$dir/socket

"$bin/stockd" --data "$dir/data" --listen "$address" --ready-file "$dir/ready" \
    --segment-bytes 16M --compact-bytes 0 --remember-s 2 2>"$dir/log" &
engine=$!
compacting=
clean() {
    [ -z "$compacting" ] || kill "$compacting" 2>/dev/null || true
    kill "$engine" 2>/dev/null || true
    wait
    rm -rf "$dir"
}
trap clean EXIT INT TERM
until [ -s "$dir/ready" ]; do
    kill -0 "$engine" || { cat "$dir/log" >&2; exit 1; }
    sleep 0.1
done

load() {
    "$bin/stockbench" -s "$address" -n "$items" "$@"
}

# One line: the p99 in microseconds.
p99() {
    load --no-setup --rate "$rate" --seconds "$seconds" --warmup 1 --json |
        /usr/bin/python3 -c '
import json, sys
def find(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("p99_us", "p99"):
                return inner
            found = find(inner)
            if found is not None:
                return found
    return None
print(find(json.load(sys.stdin)))'
}

# Back-to-back compactions, started like the engine starts them, until killed.
compact_on() {
    child=
    trap '[ -z "$child" ] || kill "$child" 2>/dev/null; wait; exit 0' TERM
    while :; do
        "$bin/stock-journal" compact "$dir/data" --gently >>"$dir/compactions" 2>&1 &
        child=$!
        wait "$child" || true
        sleep 0.2
    done
}

# What a compaction would cost even if it did nothing: a processor.
spin_on() {
    exec chrt -i 0 sh -c 'while :; do :; done'
}

# beside COMMAND: the p99 with COMMAND in the background.
beside() {
    "$1" &
    compacting=$!
    sleep 0.2
    p99
    kill "$compacting" 2>/dev/null || true
    wait "$compacting" 2>/dev/null || true
    compacting=
}

load --setup >/dev/null
load --no-setup --seconds 3 >/dev/null
echo "rate $rate messages/s, $items items, $rounds rounds of $seconds s"
round=1
while [ "$round" -le "$rounds" ]; do
    sleep 3
    alone=$(p99)
    spinning=$(beside spin_on)
    load --no-setup --seconds 2 >/dev/null # something to compact
    sleep 3
    with=$(beside compact_on)
    /usr/bin/python3 -c "print(f'p99 alone {$alone:.0f} us, beside a busy loop {$spinning:.0f}, beside a'
        f' compaction {$with:.0f}: {$with / $alone:.2f} and {$with / $spinning:.2f} times')"
    round=$((round + 1))
done
echo "compactions:"
grep -c "^snapshot" "$dir/compactions" || true
tail -n 2 "$dir/compactions"
