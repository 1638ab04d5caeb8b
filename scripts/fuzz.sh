#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# fuzz.sh [SECONDS]: builds the fuzz targets and runs each for so long. What it finds stays in
# build/fuzz/: new inputs in corpus/NAME/, failing ones in failures/NAME-*. Keep a good input by
# copying it to tests/fuzz/corpus/NAME/.
set -u
cd "$(dirname "$0")/.." || exit 1
seconds=${1:-60}

cmake --preset fuzz >/dev/null && cmake --build --preset fuzz --target fuzzers || exit 1

# The usual 256 MB of freed memory cost more in page faults than in anything else.
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
