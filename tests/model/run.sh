#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh MODEL.pml: Spin must find nothing wrong with the model, and must refute each broken twin
# that its head names (-DNAME ... refuted). Exit 77: no spin.
set -u
model=$(realpath "$1")
command -v spin >/dev/null || { echo 'spin is not installed: skipped'; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# explore NAME [-DBREAK]: prints the number of errors that an exhaustive search finds
explore() {
    spin "${@:2}" -a "$model" >/dev/null && ${CC:-cc} -O1 -DMEMLIM=2000 -w -o "$1" pan.c &&
        "./$1" -m100000 | sed -n 's/.*errors: \([0-9]*\).*/\1/p;s/^max search depth too small.*/incomplete/p'
}

failed=0
errors=$(explore whole)
echo "$(basename "$model"): errors: $errors"
[ "$errors" = 0 ] || failed=1
twins=$(sed -n 's/^ \*   -D\([A-Z_]*\) .*refuted$/\1/p' "$model")
[ -n "$twins" ] || { echo 'no broken twin is named'; failed=1; }
for twin in $twins; do
    errors=$(explore twin "-D$twin")
    echo "$(basename "$model") -D$twin: errors: $errors"
    [ "${errors:-0}" != 0 ] || { echo 'the broken twin was not refuted'; failed=1; }
done
exit $failed
