# SPDX-License-Identifier: Apache-2.0
"""The wall clock is stepped while a hold lives: the hold keeps its time, also over a restart.

What holds are left at all after such steps is in tests/crash/faults.py; here it is how long they
have still to live, which clients are told on the wall clock as it is then.
"""

import glob
import os
import shutil
import tempfile
import time
import unittest

from stockd_harness import PATIENCE, SANITIZED, SLOW, RpcError, Server, main, wait_until

FAKETIME = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
HOUR_MS, TTL_MS = 3600 * 1000, 15 * 60 * 1000
NOISE_MS = 5000 * SLOW * PATIENCE  # far less than a step


@unittest.skipIf(not FAKETIME, "libfaketime is not installed (Debian: libfaketime)")
@unittest.skipIf(SANITIZED, "libfaketime cannot be preloaded before a sanitizer's runtime")
class Clocks(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="stockd-clock-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.clock = os.path.join(self.folder, "clock")
        self.step(0)
        self.server = Server(env={
            "LD_PRELOAD": FAKETIME[0], "FAKETIME_TIMESTAMP_FILE": self.clock, "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"})
        self.addCleanup(self.server.close)
        with self.server.client() as client:
            client.call("receive", "r", "CLOCK", "main", 100)

    def step(self, hours):
        """From now on the server's wall clock is so far from the test's."""
        self.shift_ms = hours * HOUR_MS
        with open(self.clock + ".new", "w", encoding="ascii") as file:
            file.write(f"{hours * 3600:+d}")
        os.rename(self.clock + ".new", self.clock)

    def wall_ms(self):
        return time.time() * 1000 + self.shift_ms

    def hold(self, client, ident, ttl_ms=TTL_MS):
        """When it ends, on the test's monotonic clock."""
        client.call("reserve", ident, "default", [["CLOCK", 1]], {"ttl_ms": ttl_ms})
        return time.monotonic() * 1000 + ttl_ms

    def look(self, client, ident, ends, more_ms=0):
        """It is held, and has the rest of its time to live; as much more as a step may give it."""
        got = client.call("reservation", ident)
        self.assertEqual(got["state"], "held", ident)
        left, told = ends - time.monotonic() * 1000, got["expires_ms"] - self.wall_ms()
        self.assertGreater(told, left - NOISE_MS, f"{ident} ends early")
        self.assertLess(told, left + more_ms + NOISE_MS, f"{ident} ends late")

    def restart(self, kill):
        pid = self.server.pid
        self.server.restart(kill=kill)
        for path in glob.glob(f"/dev/shm/*faketime_s*m_{pid}"):  # left there when it is killed
            os.unlink(path)

    def ends(self, client, ident):
        wait_until(lambda: client.call("reservation", ident)["state"] == "expired", what=f"the end of {ident}")

    def test_it_is_stepped_back(self):
        """An hour, in the middle of a hold of 15 minutes: as if nothing had been."""
        with self.server.client() as client:
            before = self.hold(client, "before")
            self.hold(client, "brief", 1500)
            self.step(-1)
            self.look(client, "before", before)
            after = self.hold(client, "after")
            self.look(client, "after", after)
            self.ends(client, "brief")
        for kill in (False, True):
            with self.subTest(kill=kill):
                self.restart(kill)
                with self.server.client() as client:
                    self.look(client, "before", before)
                    self.look(client, "after", after)
                    self.hold(client, f"brief {kill}", 500)
                    self.ends(client, f"brief {kill}")
                    self.assertEqual(client.call("check")["broken"], 0)

    def test_it_is_stepped_forward(self):
        """While it runs no hold ends early; after a restart none of those that were made since."""
        with self.server.client() as client:
            before = self.hold(client, "before")
            self.step(1)
            self.look(client, "before", before)
            after = self.hold(client, "after")
            self.look(client, "after", after)
            self.hold(client, "brief", 500)
            self.ends(client, "brief")
            self.look(client, "before", before)
        for hours, kill in ((1, False), (1, True), (0, False)):  # the clock may be put right, too
            with self.subTest(hours=hours, kill=kill):
                self.step(hours)
                self.restart(kill)
                with self.server.client() as client:
                    self.look(client, "after", after, more_ms=HOUR_MS)
                    with self.assertRaises(RpcError):
                        client.call("reserve", "too much", "default", [["CLOCK", 1000]], {"ttl_ms": 1})
                    self.assertEqual(client.call("check")["broken"], 0)


if __name__ == "__main__":
    main()
