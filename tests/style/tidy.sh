#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tidy.sh BUILD_DIR [FILE_REGEX]: clang-tidy over what BUILD_DIR compiles, by .clang-tidy; but for
# what the build itself writes.
[ -n "$1" ] || { echo "usage: tidy.sh BUILD_DIR [FILE_REGEX]" >&2; exit 2; }
build=$(realpath "$1") || exit 2
cd "$(dirname "$0")/../.." || exit 1
command -v run-clang-tidy >/dev/null || { echo "clang-tidy is not installed"; exit 77; }

# The compile commands are gcc's: clang need not know all its flags.
report=$(run-clang-tidy -quiet -j"$(nproc)" -p "$build" \
    -extra-arg=-Wno-ignored-optimization-argument -extra-arg=-Wno-unknown-warning-option \
    "^$PWD/(?!build/).*${2:-}" 2>&1)
status=$?
printf '%s\n' "$report" | sed 's/\x1b\[[0-9;]*m//g' |
    grep -vE '^[^ ]*clang-tidy[^ ]* |warnings? (generated|treated)|^$'
exit $status
