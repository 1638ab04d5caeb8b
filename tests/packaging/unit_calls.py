#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""unit_calls.py UNIT SYSTEM_CALLS.DEF: the unit's SystemCallFilter= lets the programs make each of
their system calls. It reads what a set like @file-system has from systemd-analyze."""

import re
import subprocess
import sys


def sets():
    """Of each set the calls, and the sets, that it names."""
    said = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], check=True,
                          capture_output=True, text=True).stdout
    found, name = {}, None
    for line in said.splitlines():
        word = line.strip()
        if line.startswith("@"):
            name = word
            found[name] = []
        elif name and word and not word.startswith("#"):
            found[name].append(word)
    return found


def calls_of(word, known):
    if not word.startswith("@"):
        return {word}
    return set().union(*(calls_of(part, known) for part in known[word]))


def allowed(unit, known):
    """Lines count in their order; the first one makes it a list of what is allowed, which always
    has @default."""
    calls = calls_of("@default", known)
    with open(unit, encoding="utf-8") as file:
        for line in re.findall(r"^SystemCallFilter=(.*)$", file.read(), re.M):
            named = set().union(*(calls_of(word, known) for word in line.lstrip("~").split()))
            calls = calls - named if line.startswith("~") else calls | named
    return calls


def main():
    unit, definitions = sys.argv[1:]
    with open(definitions, encoding="utf-8") as file:
        needed = set(re.findall(r"^(?:SERVING|PARTLY|STARTING)\((\w+)\)$", file.read(), re.M))
    assert len(needed) > 100, "the list cannot be read"
    missing = needed - allowed(unit, sets())
    if missing:
        sys.exit(f"{unit} forbids {' '.join(sorted(missing))}")


if __name__ == "__main__":
    main()
