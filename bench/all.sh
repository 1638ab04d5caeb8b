#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# all.sh: measures, and writes the report. BENCH_QUICK=1: two minutes, and docs/ stays as it is.
set -eu
cd "$(dirname "$0")/.."
out=${OUT:-build/bench}
/usr/bin/python3 bench/run.py
document=docs/BENCHMARKS.md
case ${BENCH_QUICK:-0} in
0) ;;
*)
    mkdir -p "$out"
    cp "$document" "$out/BENCHMARKS.md"
    document=$out/BENCHMARKS.md
    ;;
esac
/usr/bin/python3 bench/report.py "$out/results.json" "$document"
