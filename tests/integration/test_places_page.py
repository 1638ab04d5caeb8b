# SPDX-License-Identifier: Apache-2.0
"""docs/PLACES.md is true: on an empty engine its commands work, and print what it shows."""

import datetime
import glob
import os
import re
import shlex
import time
import unittest
import zoneinfo

from stockd_harness import SANITIZED, SOURCE_ROOT, Server, main, run_program

FAKETIME = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
PARIS = "Europe/Paris"
NOW = datetime.datetime(2026, 11, 29, 17, 15, tzinfo=zoneinfo.ZoneInfo(PARIS))  # the page's "now"


def examples():
    """Each command of the page as words, and the lines that it prints there: None if not shown."""
    with open(os.path.join(SOURCE_ROOT, "docs", "PLACES.md"), encoding="utf-8") as file:
        page = file.read().split("\n## A larger network")[0]
    for block in re.findall(r"(?m)(?:^    .*\n|^\n(?=    ))+", page.replace("\\\n", " ")):
        lines = [line[4:] for line in block.strip("\n").split("\n")]
        while lines:
            line, shown = lines.pop(0), None
            if line.startswith("$ "):
                line, shown = line[2:], []
                while lines and not lines[0].startswith(("$ ", "stockctl ")):
                    shown.append(lines.pop(0))
            if line:
                yield shlex.split(line, comments=True), shown


@unittest.skipIf(not FAKETIME, "libfaketime is not installed (Debian: libfaketime)")
@unittest.skipIf(SANITIZED, "libfaketime cannot be preloaded before a sanitizer's runtime")
class PlacesPage(unittest.TestCase):
    def test_the_page(self):
        told = list(examples())
        self.assertGreater(sum(shown is not None for _, shown in told), 10, "the page is read wrongly")
        clock = {"LD_PRELOAD": FAKETIME[0], "FAKETIME": f"{NOW.timestamp() - time.time():+.0f}", "TZ": PARIS,
                 "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        with Server(env=clock) as server:
            env = {**os.environ, **clock, "STOCKD_SERVER": server.unix}
            for words, shown in told:
                if words[1] == "watch":  # until Ctrl-C
                    continue
                with self.subTest(command=shlex.join(words)):
                    self.assertEqual(words[0], "stockctl")
                    # An LSN counts bytes, those of the caller's name too.
                    done = run_program("stockctl", "--as", "root@stockctl", *words[1:], env=env)
                    if shown is None:
                        self.assertEqual(done.code, 0, done.err)
                    else:
                        self.assertEqual(self.lines(done.out + done.err), self.lines("\n".join(shown)))

    @staticmethod
    def lines(text):
        """The deadline of a hold depends on the second, an LSN on what the engine recorded beside it,
        and an id is made up: only that there is one counts."""
        one = r"^((?:expires|lsn|id) +)(?:2026\S+|\d+|[0-9a-f]{32})$"
        return [re.sub(one, r"\1ONE", line) for line in text.rstrip("\n").split("\n")]


if __name__ == "__main__":
    main()
