#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh [--update] [BUILD_DIR]: counts the instructions of the hot paths, and compares.
#
# Compares the counts of hot_paths.c under callgrind with instructions.txt: more than TOLERANCE
# percent above it fails. They depend on this code and this compiler, not on this machine: no clock,
# no thread, no random number, and the C library uses only what every x86-64 has.
#
# When it fails, your change made a hot path longer. See where, before and after:
#     bench/regress/run.sh --profile PATH      (the functions of one path, most instructions first)
# and fix it; or, if the path is worth its cost, put the new counts into the change, with the reason
# in its message:
#     bench/regress/run.sh --update
# Do the same after a change that made a path shorter, or the gain may be lost again unnoticed.
#
# Exit: 0 passed, 1 a path is longer, 2 it could not be counted, 77 skipped: no valgrind, or another
# compiler than the one whose counts are in the file.
set -euo pipefail
cd "$(dirname "$0")/../.."
TOLERANCE=${TOLERANCE:-3}
file=${EXPECTED:-bench/regress/instructions.txt}

# compare EXPECTED COUNTED: both have lines "path instructions". One line per path; 1: one is longer.
compare() {
    awk -v tolerance="$TOLERANCE" '
        /^#/ || NF != 2 { next }
        FNR == NR { expected[$1] = $2; next }
        {
            seen[$1] = 1
            if (!($1 in expected)) {
                printf "%-26s %9.1f  NEW: not in the file (--update)\n", $1, $2
                bad = 1
                next
            }
            change = 100 * ($2 / expected[$1] - 1)
            verdict = ""
            if (change > tolerance) { verdict = "  LONGER"; bad = 1 }
            if (change < -tolerance) { verdict = "  shorter: keep it with --update" }
            printf "%-26s %9.1f  was %9.1f  %+6.1f %%%s\n", $1, $2, expected[$1], change, verdict
        }
        END {
            for (path in expected)
                if (!(path in seen)) { printf "%-26s GONE (--update)\n", path; bad = 1 }
            exit bad
        }' "$1" "$2"
}

# profile OUT OPERATIONS: instructions per operation in each function itself, most first.
# (callgrind_annotate attributes all to main, within which collecting began.)
profile() {
    awk -v operations="$2" '
        /^fn=/ || /^cfn=/ {
            id = $0; sub(/^c?fn=/, "", id); sub(/\).*/, ")", id)
            if ($0 ~ /\) /) { name = $0; sub(/^[^)]*\) /, "", name); names[id] = name }
            if ($0 ~ /^fn=/) current = id
            next
        }
        /^calls=/ { called = 1; next }
        /^[-+*0-9]/ && NF == 2 { if (!called) own[current] += $2; called = 0 }
        END { for (id in own) printf "%9.1f  %s\n", own[id] / operations, names[id] }
    ' "$1" | sort -rn | head -n 30
}

# expect CODE COUNTED WORDS: comparing "a 100" gives that exit code, and says the words.
expect() {
    local said code=0
    said=$(compare <(printf '# gcc\na 100.0\n') <(printf '%b' "$2")) || code=$?
    if [ "$code" != "$1" ] || [[ $said != *"$3"* ]]; then
        echo "self-test: '$2' gave $code: $said" >&2
        exit 1
    fi
}

if [ "${1:-}" = --self-test ]; then
    expect 0 'a 100.0\n' '+0.0 %'
    expect 0 'a 102.9\n' '+2.9 %'
    expect 1 'a 103.1\n' 'LONGER'
    expect 0 'a 90.0\n' 'shorter'
    expect 1 'a 100.0\nb 5.0\n' 'NEW'
    expect 1 '' 'GONE'
    exit 0
fi

update=
wanted=
case ${1:-} in
--update)
    update=yes
    shift
    ;;
--profile)
    wanted=${2:?run.sh: --profile PATH}
    shift 2
    ;;
-*)
    echo "usage: run.sh [--update | --profile PATH] [BUILD_DIR]" >&2
    exit 2
    ;;
esac
build=${1:-build/release}
program=$build/tests/regress/hot_paths
command -v valgrind >/dev/null || { echo "valgrind is not installed"; exit 77; }
[ -x "$program" ] || { echo "run.sh: no $program: build the release preset" >&2; exit 2; }

compiler=$(sed -n 's/^CMAKE_C_COMPILER:[^=]*=//p' "$build/CMakeCache.txt" | head -n 1)
compiler=$("${compiler:-cc}" --version | head -n 1)
known=$(sed -n '1s/^# //p' "$file" 2>/dev/null || true)
if [ -z "$update$wanted" ] && [ "$compiler" != "$known" ]; then
    echo "The counts in $file are of '$known'; this is '$compiler'."
    exit 77
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Otherwise glibc chooses its memcpy by the processor.
GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX512VL,-AVX512BW,-AVX512F,-AVX2,-AVX,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM \
    valgrind --tool=callgrind --collect-atstart=no --callgrind-out-file="$work/out" \
    --log-file="$work/log" "$program" >"$work/said" 2>&1 || {
    cat "$work/said" "$work/log" >&2
    echo "run.sh: the hot paths could not be counted" >&2
    exit 2
}

# Each report of the program is a separate file: "desc: Trigger: Client Request: PATH/OPERATIONS".
for out in "$work"/out.*; do
    name=$(sed -n 's/^desc: Trigger: Client Request: //p' "$out")
    [ -n "$name" ] || continue
    count=$(sed -n 's/^\(summary\|totals\): *//p' "$out" | head -n 1)
    [ "${name%/*}" != "$wanted" ] || profile "$out" "${name#*/}"
    awk -v name="${name%/*}" -v count="$count" -v operations="${name#*/}" \
        'BEGIN { printf "%s %.1f\n", name, count / operations }' >>"$work/counted"
done
[ -z "$wanted" ] || exit 0
if [ -n "$update" ]; then
    { echo "# $compiler"; echo "# instructions per operation; written by run.sh --update"; \
        sort "$work/counted"; } >"$file"
    cat "$file"
    exit 0
fi
compare "$file" "$work/counted"
