#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every C file is as .clang-format says. Mend with: make format
cd "$(dirname "$0")/../.." || exit 1
command -v clang-format >/dev/null || { echo "clang-format is not installed"; exit 77; }

find access engine persistence protocol mirror cluster zones telemetry client include tools examples bench tests -name '*.[ch]' -print0 |
    xargs -0 -r clang-format --dry-run -Werror
