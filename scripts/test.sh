#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# test.sh: everything that must hold before a commit, to the end even if some of it fails.
#   FUZZ_SECONDS  for each fuzz target (10)
#   STAGES        some of: style release asan tsan fuzz (all)
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
stages=${STAGES:-style release asan tsan fuzz}
summary=()
failed=0

build() {
    cmake --preset "$1" >/dev/null && cmake --build --preset "$1"
}

# tests PRESET [CTEST ARGUMENT...]
tests() {
    local preset=$1 under=()
    shift
    # gcc 12's ThreadSanitizer cannot live with much address randomisation.
    if [ "$preset" = tsan ] && setarch -R true 2>/dev/null; then under=(setarch -R); fi
    "${under[@]}" ctest --preset "$preset" --output-junit "$PWD/build/$preset/$stage.xml" "$@"
}

count() {
    sed -n "s/.*[[:space:]]$1=\"\([0-9]*\)\".*/\1/p" "$2" | head -n 1
}

stage_style() { cmake --preset debug >/dev/null && tests debug -L style; }
stage_release() { build release && tests release -LE style; }
stage_asan() { build asan && tests asan; }
stage_tsan() { build tsan && tests tsan; }
stage_fuzz() { scripts/fuzz.sh "${FUZZ_SECONDS:-10}"; }

for stage in $stages; do
    printf '\n=== %s\n' "$stage"
    start=$SECONDS
    rm -f build/*/"$stage.xml"
    result=pass
    "stage_$stage" || { result=FAIL; failed=1; }
    detail=
    for report in build/*/"$stage.xml"; do
        [ -e "$report" ] || continue
        detail="$(count tests "$report") tests, $(count failures "$report") failed,"
        detail+=" $(count skipped "$report") skipped"
    done
    summary+=("$(printf '%-8s %s  %4d s  %s' "$stage" "$result" $((SECONDS - start)) "$detail")")
done

printf '\n=== summary\n'
printf '%s\n' "${summary[@]}"
exit $failed
