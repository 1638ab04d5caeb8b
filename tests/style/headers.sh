#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every header compiles alone, and twice.
cd "$(dirname "$0")/../.." || exit 1

failed=0
for header in $(find access engine persistence protocol mirror cluster zones telemetry client include tools examples bench tests -name '*.h'); do
    printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
        gcc -x c -std=gnu17 -D_GNU_SOURCE= -Wall -Wextra -Werror -fsyntax-only -I. -Iinclude - ||
        { echo "$header: does not compile alone" >&2; failed=1; }
done
exit $failed
