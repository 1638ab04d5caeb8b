#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The engine has the probes that docs/TRACING.md lists, with that many arguments."""

import pathlib
import re
import subprocess
import unittest

from stockd_harness import STOCKD, main

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| `(\w+)` \| ([^|`]+) \|", re.MULTILINE)
NOTE = re.compile(r"Provider: (\w+)\s+Name: (\w+)\s+Location: [^\n]*\s+Arguments:([^\n]*)")


def documented():
    text = (ROOT / "docs/TRACING.md").read_text(encoding="utf-8")
    return {name: len(arguments.split(",")) for name, arguments in ROW.findall(text)}


def found():
    """{name: numbers of arguments}: a probe may stand at several places."""
    done = subprocess.run(["readelf", "--notes", "--wide", STOCKD], capture_output=True, text=True,
                          check=True)
    probes = {}
    for provider, name, arguments in NOTE.findall(done.stdout):
        if provider == "stockd":
            probes.setdefault(name, set()).add(len(arguments.split()))
    return probes


def can_have_probes():
    done = subprocess.run(["cc", "-E", "-x", "c", "-"], input="#include <sys/sdt.h>\n", text=True,
                          capture_output=True, check=False)
    return done.returncode == 0


class Probes(unittest.TestCase):
    def test_all_are_there(self):
        probes = found()
        if not probes and not can_have_probes():
            self.skipTest("there is no <sys/sdt.h>, so the engine was built without probes")
        self.assertEqual(probes, {name: {count} for name, count in documented().items()})


if __name__ == "__main__":
    main()
