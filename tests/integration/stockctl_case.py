# SPDX-License-Identifier: Apache-2.0
"""Runs the real stockctl against a real stockd; what the tests of its commands and of its files share."""

import csv
import fcntl
import io
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios

from stockd_harness import BIN_DIR, SLOW, StockdTestCase, reap, run_program, spawn, unique

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

    def on_terminal(self, *args, server=None, columns=80, interrupt_at=None):
        """(exit status, all bytes) of stockctl on a terminal; it is interrupted once the pattern was seen."""
        lead, follow = pty.openpty()
        fcntl.ioctl(follow, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
        process = spawn([os.path.join(BIN_DIR, "stockctl"), "-s", (server or self.server).tcp, *args],
                        stdin=subprocess.DEVNULL, stdout=follow, stderr=follow)
        os.close(follow)
        seen = b""
        try:
            while select.select([lead], [], [], 60 * SLOW)[0]:
                seen += os.read(lead, 65536)
                if interrupt_at is not None and re.search(interrupt_at, seen):
                    process.send_signal(signal.SIGINT)
                    interrupt_at = None
            self.fail(f"stockctl {args!r} neither ends nor goes on; so far: {seen!r:.500}")
        except OSError:  # the terminal's other end is closed
            pass
        finally:
            os.close(lead)
        return reap(process, 30 * SLOW), seen.replace(b"\r\n", b"\n")

    def exported(self, prefix=""):
        """{(sku, location): (on_hand, reserved, available)} of the SKUs that begin so."""
        rows = csv.DictReader(io.StringIO(self.ctl("export", "stock"), newline=""))
        return {
            (row["sku"], row["location"]): tuple(int(row[key]) for key in ("on_hand", "reserved", "available"))
            for row in rows if row["sku"].startswith(prefix)
        }
