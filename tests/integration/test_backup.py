# SPDX-License-Identifier: Apache-2.0
"""Copies of the data directory of an engine that is running, under load and beside compactions: by
the procedure of the README, which must succeed, and by a careless one, which may be refused but must
never be taken for what it is not.
"""

import os
import shutil
import subprocess
import tempfile
import threading
import unittest

from stockd_harness import (
    BIN_DIR,
    PATIENCE,
    SLOW,
    SOURCE_ROOT,
    Server,
    StartError,
    main,
    reap,
    run_program,
    seeded_random,
    spawn,
    wait_until,
)

SKUS = 40
WINDOW = 64
SEGMENT = 64 << 10


class Load(threading.Thread):
    """One connection; its n-th request receives one unit of item n % SKUS. So how many units an item
    has is known from how many requests were done."""

    def __init__(self, server):
        super().__init__()
        self.server = server
        self.acknowledged = 0
        self.error = None
        self.stopping = False
        self.start()

    def run(self):
        try:
            with self.server.client() as client:
                sent = 0
                while not self.stopping or self.acknowledged < sent:
                    while not self.stopping and sent - self.acknowledged < WINDOW:
                        client.send("receive", f"r{sent}", f"S-{sent % SKUS}", "main", 1)
                        sent += 1
                    error = client.receive()[0]
                    assert error is None, error
                    self.acknowledged += 1
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


class Backup(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="stockd-backup-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.random = seeded_random()

    def busy_engine(self, *options):
        """Stops the load and the compactions before the engine."""
        server = Server("--segment-bytes", SEGMENT, "--compact-bytes", 0, *options)
        self.addCleanup(server.close, check=False)
        load = Load(server)
        self.addCleanup(load.stop)
        compactions = Compactions(server.data)
        self.addCleanup(compactions.stop)
        load.await_more(1000)
        return server, load, compactions

    def check_copy(self, copy, acknowledged):
        """It is the state after some number of requests, that many at least."""
        with Server("--segment-bytes", SEGMENT, data=copy) as server, server.client() as client:
            stock = client.call("availability", "default", [f"S-{n}" for n in range(SKUS)])["stock"]
            done = sum(units or 0 for units in stock)
            self.assertGreaterEqual(done, acknowledged)
            expected = [done // SKUS + (number < done % SKUS) for number in range(SKUS)]
            self.assertEqual([units or 0 for units in stock], expected)

    def back_up(self, data, copy):
        process = spawn(
            [os.path.join(SOURCE_ROOT, "scripts", "backup.sh"), data, copy],
            env={**os.environ, "STOCK_JOURNAL": os.path.join(BIN_DIR, "stock-journal")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said, _ = process.communicate(timeout=300 * SLOW * PATIENCE)
        return reap(process, 1), said

    def test_the_procedure_of_the_readme(self):
        for options in ((), ("--workers", "2", "--durability", "everysec")):
            with self.subTest(options=options):
                server, load, compactions = self.busy_engine(*options)
                for number in range(2):
                    copy = os.path.join(self.folder, f"{'-'.join(options)}-{number}")
                    acknowledged = load.acknowledged
                    code, said = self.back_up(server.data, copy)
                    self.assertEqual(code, 0, said)
                    self.check_copy(copy, acknowledged)
                    load.await_more(200)
                compactions.stop()
                load.stop()

    def test_a_stopped_engine(self):
        with Server() as server:
            with server.client() as client:
                client.call("receive", "r0", "S-0", "main", 1)
            server.stop()
            copy = os.path.join(self.folder, "copy")
            self.assertEqual(self.back_up(server.data, copy), (0, ""))
            self.check_copy(copy, 1)
            code, said = self.back_up(server.data, copy)
            self.assertEqual(code, 2)
            self.assertIn("exists; give a new directory", said)
            server.start()

    def test_a_directory_that_is_none(self):
        code, said = self.back_up(self.folder, os.path.join(self.folder, "copy"))
        self.assertEqual(code, 2)
        self.assertIn("is not a data directory", said)

    def careless_copy(self, data, copy):
        """All files in any order. False: some went meanwhile, and the copy is not complete."""
        files = [os.path.join(folder, name) for folder, _, names in os.walk(data) for name in names]
        self.random.shuffle(files)
        for path in files:
            to = os.path.join(copy, os.path.relpath(path, data))
            os.makedirs(os.path.dirname(to), exist_ok=True)
            try:
                shutil.copyfile(path, to)
            except FileNotFoundError:
                return False
        return True

    def test_a_careless_copy_is_whole_or_refused(self):
        server, load, compactions = self.busy_engine()
        started = refused = incomplete = 0
        for number in range(6):
            copy = os.path.join(self.folder, f"careless-{number}")
            acknowledged = load.acknowledged
            if not self.careless_copy(server.data, copy):
                incomplete += 1  # and so would cp have said
                continue
            try:
                self.check_copy(copy, acknowledged)
                started += 1
            except StartError as error:
                self.assertEqual(error.code, 2, error)
                refused += 1
            load.await_more(200)
        compactions.stop()
        load.stop()
        print(f"{started} started, {refused} refused, {incomplete} incomplete", end=" ")


if __name__ == "__main__":
    main()
