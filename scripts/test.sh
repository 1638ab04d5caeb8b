#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# test.sh: runs everything that must pass before a commit, to the end even if some of it fails.
#   FUZZ_SECONDS         for each fuzz target (10)
#   STAGES               some of: style release asan tsan fuzz (all)
#   STOCKD_TEST_PATIENCE a factor for time limits (measured before each stage)
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
stages=${STAGES:-style release asan tsan fuzz}
summary=()
failed=0

# How much slower than alone a program runs now; it may differ for the next stage.
measure() {
    patience=${STOCKD_TEST_PATIENCE:-$(/usr/bin/python3 tests/support/patience.py .)}
    patience=${patience:-1}
}

configure() {
    cmake --preset "$1" -DSTOCKD_TEST_PATIENCE="$patience" >/dev/null
}

build() {
    configure "$1" && cmake --build --preset "$1"
}

# tests PRESET [CTEST ARGUMENT...]
tests() {
    local preset=$1 under=()
    shift
    # gcc 12's ThreadSanitizer fails with much address randomisation.
    if [ "$preset" = tsan ] && setarch -R true 2>/dev/null; then under=(setarch -R); fi
    "${under[@]}" ctest --preset "$preset" --output-junit "$PWD/build/$preset/$stage.xml" \
        --test-output-size-passed 65536 --test-output-size-failed 262144 "$@"
}

stage_style() { configure debug && tests debug -L style; }
stage_release() { build release && tests release -LE style; }
stage_asan() { build asan && tests asan; }
stage_tsan() { build tsan && tests tsan; }
stage_fuzz() { scripts/fuzz.sh "${FUZZ_SECONDS:-10}"; }

for stage in $stages; do
    printf '\n=== %s\n' "$stage"
    start=$SECONDS
    rm -f build/*/"$stage.xml"
    result=pass
    measure
    "stage_$stage" || { result=FAIL; failed=1; }
    details=()
    for report in build/*/"$stage.xml"; do
        [ -e "$report" ] || continue
        mapfile -t -O "${#details[@]}" details < <(/usr/bin/python3 scripts/test-report.py "$report")
    done
    line=$(printf '%-8s %s  %4d s  limits x%s' "$stage" "$result" $((SECONDS - start)) "$patience")
    summary+=("$line  ${details[0]-}")
    for detail in "${details[@]:1}"; do summary+=("         $detail"); done
done

printf '\n=== summary\n'
printf '%s\n' "${summary[@]}"
exit $failed
