#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The operation that CONTRIBUTING.md adds, docs/examples/swap.diff, still applies and compiles.
#
#   worked_example.sh          applies it to a copy of the tree and checks that the folders it
#                              touches compile (some seconds)
#   worked_example.sh --run    builds that copy and runs the tests of the diff too (some minutes)
cd "$(dirname "$0")/../.." || exit 1
command -v git >/dev/null || { echo "git is not installed"; exit 77; }

copy=$(mktemp -d) || exit 1
trap 'rm -rf "$copy"' EXIT
tar -c --exclude=./build --exclude=./.git . | tar -x -C "$copy" || exit 1
cd "$copy" || exit 1
# Without a repository around it, `git apply` is a strict patch(1).
GIT_CEILING_DIRECTORIES=$(dirname "$copy") git apply docs/examples/swap.diff || {
    echo "docs/examples/swap.diff no longer applies. CONTRIBUTING.md says how to regenerate it." >&2
    exit 1
}

if [ "$1" = --run ]; then
    cmake --preset debug >/dev/null && cmake --build --preset debug -j"$(nproc)" \
        --target stockd stock-journal unit-test_record >/dev/null &&
        ctest --preset debug -R '^(unit/record|integration/swap)$' --output-on-failure
    exit
fi

folders=$(sed -n 's,^+++ b/\([^/]*\)/.*\.[ch]$,\1,p' docs/examples/swap.diff | sort -u | grep -v tests)
find $folders -name '*.c' -print0 |
    xargs -0 -n 8 -P 2 gcc -std=gnu17 -D_GNU_SOURCE= -I. -Iinclude -Wall -Wextra -Werror \
        -fsyntax-only || {
    echo "docs/examples/swap.diff applies, but what it adds no longer compiles." >&2
    exit 1
}
