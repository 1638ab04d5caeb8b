# SPDX-License-Identifier: Apache-2.0
"""What the tests of backups share: an engine under a load whose state at each LSN is known."""

import json
import os
import shutil
import tempfile
import threading
import unittest

from stockd_harness import Server, run_program, seeded_random, wait_until

SKUS = 40
WINDOW = 64
SEGMENT = 64 << 10


class Load(threading.Thread):
    """One connection; its n-th request receives one unit of item n % SKUS. So how many units an item
    has is known from how many requests were done: the n-th, at the LSN lsns[n]."""

    def __init__(self, server, first=0):
        super().__init__()
        self.server = server
        self.first = first
        self.lsns = []
        self.error = None
        self.stopping = False
        self.start()

    @property
    def acknowledged(self):
        return self.first + len(self.lsns)

    def run(self):
        try:
            with self.server.client() as client:
                sent = self.first
                while not self.stopping or self.acknowledged < sent:
                    while not self.stopping and sent - self.acknowledged < WINDOW:
                        client.send("receive", f"r{sent}", f"S-{sent % SKUS}", "main", 1)
                        sent += 1
                    error, result = client.receive()[:2]
                    assert error is None, error
                    self.lsns.append(result["lsn"])
        except Exception as error:  # noqa: BLE001  the test says it
            self.error = error

    def stop(self):
        self.stopping = True
        self.join()
        assert self.error is None, self.error

    def await_more(self, count):
        goal = self.acknowledged + count
        wait_until(lambda: self.error or self.acknowledged >= goal, timeout=120,
                   what=f"{count} more requests to be answered")
        assert self.error is None, self.error


class Compactions(threading.Thread):
    """One after the other, so that segments go while they are copied."""

    def __init__(self, data):
        super().__init__()
        self.data = data
        self.done = 0
        self.stopped = threading.Event()
        self.start()

    def run(self):
        while not self.stopped.wait(0.1):
            self.done += run_program("stock-journal", "compact", self.data, timeout=120).code == 0

    def stop(self):
        self.stopped.set()
        self.join()


class BackupTestCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="stockd-backup-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.random = seeded_random()
        self.backup = self.path("backup")

    def path(self, name):
        return os.path.join(self.folder, name)

    def engine(self, *options, **more):
        server = Server("--segment-bytes", SEGMENT, "--compact-bytes", 0, *options, **more)
        self.addCleanup(server.close, check=False)
        return server

    def busy_engine(self, *options):
        """Stops the load and the compactions before the engine."""
        server = self.engine(*options)
        load = Load(server)
        self.addCleanup(load.stop)
        compactions = Compactions(server.data)
        self.addCleanup(compactions.stop)
        load.await_more(1000)
        return server, load, compactions

    @staticmethod
    def receive(server, count, first=0):
        """The LSN of the last."""
        with server.client() as client:
            for number in range(first, first + count):
                lsn = client.call("receive", f"r{number}", f"S-{number % SKUS}", "main", 1)["lsn"]
        return lsn

    def journal(self, *args, code=0):
        """Runs stock-journal; what it said, or what its --json output is."""
        got = run_program("stock-journal", *args, timeout=120)
        self.assertEqual(got.code, code, got)
        if code:
            self.assertEqual(len(got.err_lines), 1, got)
            return got.err
        return json.loads(got.out) if "--json" in args else got.out

    def back_up(self, server, code=0):
        got = run_program("stockctl", "-s", server.tcp, "--json", "backup", self.backup, timeout=120)
        self.assertEqual(got.code, code, got)
        return got.err if code else json.loads(got.out)

    def restore(self, name, *options):
        directory = self.path(name)
        return directory, self.journal("restore", self.backup, directory, "--json", *options)

    def assert_nothing_made(self, name):
        self.assertFalse(os.path.exists(self.path(name)))
        self.assertFalse(os.path.exists(self.path(f"{name}.unfinished")))

    def check_copy(self, copy, acknowledged, exactly=None):
        """An engine on it is in the state after some number of requests: that many at least, or just
        so many. Returns how many."""
        with Server("--segment-bytes", SEGMENT, data=copy) as server, server.client() as client:
            stock = client.call("availability", "default", [f"S-{n}" for n in range(SKUS)])["stock"]
            done = sum(units or 0 for units in stock)
            self.assertGreaterEqual(done, acknowledged)
            if exactly is not None:
                self.assertEqual(done, exactly)
            expected = [done // SKUS + (number < done % SKUS) for number in range(SKUS)]
            self.assertEqual([units or 0 for units in stock], expected)
            self.assertEqual(client.call("check")["broken"], 0)
        return done
