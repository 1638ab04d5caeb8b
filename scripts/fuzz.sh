#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# fuzz.sh [SECONDS]: builds the fuzz targets and runs each for that long (60). It leaves new inputs
# in build/fuzz/corpus/NAME/ and failing ones in build/fuzz/failures/NAME-*. To keep a good input, copy
# it to tests/fuzz/corpus/NAME/.
set -u
cd "$(dirname "$0")/.." || exit 1
seconds=${1:-60}

cmake --preset fuzz >/dev/null && cmake --build --preset fuzz --target fuzzers || exit 1

# With the default quarantine of 256 MB most of the time would go into page faults.
ASAN_OPTIONS=${ASAN_OPTIONS:-quarantine_size_mb=16}
export ASAN_OPTIONS

failed=0
mkdir -p build/fuzz/failures
for target in build/fuzz/tests/fuzz/*; do
    [ -x "$target" ] && [ -f "$target" ] || continue
    name=$(basename "$target")
    found=build/fuzz/corpus/$name
    seeds=tests/fuzz/corpus/$name
    mkdir -p "$found"
    [ -d "$seeds" ] || seeds=
    echo "fuzz $name, $seconds s"
    log=build/fuzz/$name.log
    "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/failures/$name-" "$found" $seeds >"$log" 2>&1 ||
        { failed=1; tail -n 60 "$log"; }
    grep -E 'number_of_executed_units|peak_rss' "$log"
done
exit $failed
