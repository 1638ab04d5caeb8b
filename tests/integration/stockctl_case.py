# SPDX-License-Identifier: Apache-2.0
"""Runs the real stockctl against a real stockd; what the tests of its commands and of its files share."""

import csv
import io
import json
import os

from stockd_harness import StockdTestCase, run_program, unique

DONE, REFUSED, USAGE, UNREACHABLE = 0, 1, 2, 3  # exit statuses


class StockctlTestCase(StockdTestCase):
    def ctl(self, *args, expect=DONE, **kwargs):
        """Runs stockctl; its standard output. What it says on the other stream is in self.err."""
        done = run_program("stockctl", "-s", self.server.tcp, *args, **kwargs)
        self.err = done.err
        self.assertEqual(done.code, expect, f"stockctl {args!r:.300}\nout: {done.out}\nerr: {done.err}")
        if expect == DONE and "replay" not in args:
            self.assertEqual(done.err, "", f"stockctl {args!r:.300}")
        return done.out

    def json(self, *args, expect=DONE, **kwargs):
        return json.loads(self.ctl("--json", *args, expect=expect, **kwargs))

    def pairs(self, *args):
        """The "key  value" lines of a command, as a dict."""
        head = self.ctl(*args).split("\n\n")[0]
        return dict(line.split(None, 1) for line in head.splitlines())

    def file(self, text, name=None):
        path = os.path.join(self.server.directory, name or unique("file") + ".csv")
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        return path

    def exported(self, prefix=""):
        """{(sku, location): (on_hand, reserved, available)} of the SKUs that begin so."""
        rows = csv.DictReader(io.StringIO(self.ctl("export", "stock"), newline=""))
        return {
            (row["sku"], row["location"]): tuple(int(row[key]) for key in ("on_hand", "reserved", "available"))
            for row in rows if row["sku"].startswith(prefix)
        }
