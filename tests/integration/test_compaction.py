#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Compactions beside an engine that works: started by it, and by hand; and starts after them."""

import glob
import json
import os
import subprocess
import unittest

from stockd_harness import BIN_DIR, CALL_TIMEOUT, SANITIZED, Server, main, unique, wait_until

STOCK_JOURNAL = os.path.join(BIN_DIR, "stock-journal")
SEGMENT = 64 << 10
FAKETIME = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")


def compact(server, *more, env=None):
    done = subprocess.run([STOCK_JOURNAL, "compact", server.data, "--json", *more],
                          capture_output=True, text=True, check=False, env=env)
    if done.returncode != 0:
        raise AssertionError(f"compact ended with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def trade(client, orders):
    """Some orders of each kind; the ids of the reserves."""
    sku = unique("SKU")
    client.call("receive", unique("rcv"), sku, "main", 10 * orders)
    ids = [unique("ord") for _ in range(orders)]
    for n, ident in enumerate(ids):
        client.call("reserve", ident, "default", [[sku, 1 + n % 3]], {"confirm": n % 2 == 0})
        if n % 4 == 0:
            client.call("fulfil", ident)
        if n % 4 == 1:
            client.call("cancel", ident)
    return sku, ids


class Compaction(unittest.TestCase):
    def server(self, *more):
        server = Server("--segment-bytes", str(SEGMENT), *more)
        self.addCleanup(server.close)
        return server

    def everything(self, client, goods):
        return [(client.call("stock", sku), [client.call("reservation", i) for i in ids])
                for sku, ids in goods]

    def without_lsn(self, answers):
        return json.loads(json.dumps(answers),
                          object_hook=lambda d: {k: v for k, v in d.items() if k != "lsn"})

    def segments(self, server):
        return sorted(n for n in os.listdir(os.path.join(server.data, "journal"))
                      if n.endswith(".seg"))

    def test_by_hand_beside_the_engine(self):
        server = self.server("--compact-bytes", "0")
        goods = []
        lsns = []
        with server.client() as client:
            for _ in range(3):
                for _ in range(2):
                    goods.append(trade(client, 150))
                result = compact(server)
                self.assertTrue(result["written"])
                lsns.append(result["lsn"])
            before = self.without_lsn(self.everything(client, goods))
        self.assertEqual(lsns, sorted(set(lsns)))
        self.assertGreater(result["segments_removed"], 0)
        self.assertNotIn("0000000001.seg", self.segments(server))
        self.assertFalse(compact(server)["written"], "there is nothing new")
        for kill in (True, False):
            server.restart(kill=kill)
            with server.client() as client:
                self.assertEqual(self.without_lsn(self.everything(client, goods)), before)
                sku, ids = goods[0]
                again = client.call("reserve", ids[0], "default", [[sku, 1]], {"confirm": True})
                self.assertEqual(again["state"], "confirmed", "the first result, again")
                self.assertEqual(client.call("info", "snapshot")["snapshot"]["lsn"], lsns[-1])

    def test_by_itself(self):
        server = self.server("--compact-bytes", str(4 * SEGMENT), "--archive", "yes")
        goods = []
        with server.client() as client:
            def figures():
                goods.append(trade(client, 60))
                return client.call("info", "snapshot")["snapshot"]

            wait_until(lambda: figures()["compactions"] >= 3, timeout=240, what="three compactions")
            after = figures()
            self.assertEqual(after["failures"], 0, server.stderr())
            self.assertGreater(after["bytes"], 0)
            self.assertNotIn("0000000001.seg", self.segments(server))
            before = self.without_lsn(self.everything(client, goods[::7]))
        archive = os.listdir(os.path.join(server.data, "archive"))
        self.assertIn("0000000001.seg.zst", archive)
        server.restart(kill=True)
        self.assertIn("after a snapshot", server.stderr())
        with server.client() as client:
            self.assertEqual(self.without_lsn(self.everything(client, goods[::7])), before)

    def test_starts_alone_make_no_snapshot(self):
        """It would have the name of the one before, and leave it the only one."""
        server = self.server("--compact-bytes", "0")
        with server.client() as client:
            goods = [trade(client, 150)]
            compact(server)
            goods.append(trade(client, 150))

        def start_until_sealed():
            full = len(self.segments(server))
            while len(self.segments(server)) < full + 2:
                server.restart()
            return compact(server)

        newest = start_until_sealed()["lsn"]  # of all records
        folder = os.path.join(server.data, "snapshot")
        before = sorted(os.listdir(folder))
        for _ in range(2):
            self.assertFalse(start_until_sealed()["written"])
        self.assertEqual(sorted(os.listdir(folder)), before)
        with server.client() as client:
            held = self.without_lsn(self.everything(client, goods))
        server.stop()
        with open(os.path.join(folder, f"{newest:020}.snap"), "r+b") as file:
            file.seek(4096 + 100)
            file.write(b"\xff\xff")
        server.start()
        with server.client() as client:
            self.assertEqual(self.without_lsn(self.everything(client, goods)), held)

    def test_a_file_in_the_archive_is_not_believed_by_its_name(self):
        server = self.server("--compact-bytes", "0")
        archive = os.path.join(server.data, "archive")
        os.mkdir(archive)
        kept = os.path.join(archive, "0000000001.seg.zst")
        with open(kept, "wb") as file:
            file.write(b"of another journal")
        with server.client() as client:
            for _ in range(2):
                goods = trade(client, 150)
                compact(server, "--archive")
            self.assertNotIn("0000000001.seg", self.segments(server))
            with open(kept, "rb") as file:
                self.assertEqual(file.read(4), b"\x28\xb5\x2f\xfd")
            events = client.call("history", goods[0], {"limit": 1})["events"]
            self.assertTrue(events)

    def test_who_reads_segments_holds_them(self):
        """They are packed meanwhile, and removed by the compaction after it."""
        server = self.server("--compact-bytes", "0")
        with server.client() as client:
            for _ in range(2):
                trade(client, 800)
                compact(server)
            trade(client, 800)
        server.stop()
        first = self.segments(server)[0]
        packed = os.path.join(server.data, "archive", first + ".zst")
        with subprocess.Popen([STOCK_JOURNAL, "dump", server.data, "--json"],
                              stdout=subprocess.PIPE) as dump:
            self.assertTrue(dump.stdout.read(1))  # it reads, and waits for somebody to read it
            compact(server, "--archive")
            self.assertIn(first, self.segments(server))
            self.assertTrue(os.path.exists(packed))
            dump.stdout.read()
        self.assertEqual(dump.returncode, 0)
        compact(server, "--archive")
        self.assertNotIn(first, self.segments(server))

    @unittest.skipIf(SANITIZED or not FAKETIME, "faketime is not installed, or cannot be preloaded")
    def test_the_archive_is_trimmed_by_age(self):
        """One that cannot be read is as old as the one after it, and holds nothing up."""
        server = self.server("--compact-bytes", "0")
        with server.client() as client:
            for _ in range(2):
                trade(client, 400)
                compact(server, "--archive")
        server.stop()
        archive = os.path.join(server.data, "archive")
        kept = sorted(os.listdir(archive))
        self.assertGreater(len(kept), 2)
        with open(os.path.join(archive, kept[0]), "wb") as file:
            file.write(b"not readable")
        compact(server, "--archive", "--archive-days", "1")
        self.assertEqual(sorted(os.listdir(archive)), kept)
        compact(server, "--archive", "--archive-days", "1",
                env={**os.environ, "LD_PRELOAD": FAKETIME[0], "FAKETIME": "+3d"})
        self.assertEqual(os.listdir(archive), [])

    def test_damaged_newest(self):
        server = self.server("--compact-bytes", "0")
        with server.client() as client:
            goods = []
            for _ in range(2):
                goods.append(trade(client, 400))
                newest = compact(server)["lsn"]
            before = self.without_lsn(self.everything(client, goods))
        server.kill()
        path = os.path.join(server.data, "snapshot", f"{newest:020}.snap")
        with open(path, "r+b") as file:
            file.seek(4096 + 100)
            file.write(b"\xff\xff")
        verify = subprocess.run([STOCK_JOURNAL, "verify", server.data], capture_output=True,
                                text=True, check=False)
        self.assertIn(f"{newest:020}.snap", verify.stderr)
        self.assertEqual(verify.returncode, 1)
        self.assertIn("a start will succeed", verify.stdout)
        server.start()
        self.assertIn("snapshot: damaged", server.stderr())
        with server.client() as client:
            self.assertEqual(self.without_lsn(self.everything(client, goods)), before)

    def test_verify_looks_behind_the_newest_snapshot(self):
        """At what a start does without."""
        server = self.server("--compact-bytes", "0")
        with server.client() as client:
            for _ in range(2):
                trade(client, 400)
                compact(server)
            history = trade(client, 1)
        server.stop()

        def verify():
            done = subprocess.run([STOCK_JOURNAL, "verify", server.data, "--json"],
                                  capture_output=True, text=True, check=False)
            return done.returncode, json.loads(done.stdout), done.stderr

        def flip(path, offset):
            with open(path, "r+b") as file:
                file.seek(offset)
                byte = file.read(1)[0]
                file.seek(offset)
                file.write(bytes([byte ^ 1]))

        code, found, _ = verify()
        self.assertEqual((code, found["good"], found["spare_damaged"]), (0, True, 0))
        folder = os.path.join(server.data, "snapshot")
        older = min(name for name in os.listdir(folder) if name.endswith(".snap"))
        segment = self.segments(server)[0]
        for name, path in ((older, os.path.join(folder, older)),
                           (segment, os.path.join(server.data, "journal", segment))):
            flip(path, 4096 + 100)
            code, found, err = verify()
            self.assertEqual((code, found["good"], found["spare_damaged"]), (1, False, 1), err)
            self.assertIn(name, err)
            flip(path, 4096 + 100)
        path = os.path.join(server.data, "journal", segment)
        os.rename(path, path + ".aside")
        os.mkfifo(path)
        code, found, err = verify()
        self.assertEqual((code, found["good"], found["spare_damaged"]), (1, False, 1), err)
        self.assertIn(segment + ": not a regular file", err)
        os.rename(path + ".aside", path)
        server.start()
        with server.client() as client:
            self.assertTrue(client.call("stock", history[0]))

    def test_missing_segment(self):
        server = self.server("--compact-bytes", "0")
        with server.client() as client:
            trade(client, 800)
            compact(server)
            trade(client, 400)
        server.stop()
        newest = max(os.listdir(os.path.join(server.data, "snapshot")))
        self.assertTrue(newest)
        gone = self.segments(server)[-3]
        os.remove(os.path.join(server.data, "journal", gone))
        done = subprocess.run([os.path.join(BIN_DIR, "stockd"), "--data", server.data,
                               "--listen", "127.0.0.1:0"], capture_output=True, text=True,
                              timeout=CALL_TIMEOUT, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(gone, done.stderr)

    def test_usage(self):
        for words in ([], ["--archive-days", "x", "/nowhere"], ["/nowhere", "--what"]):
            done = subprocess.run([STOCK_JOURNAL, "compact", *words], capture_output=True,
                                  text=True, check=False)
            self.assertEqual(done.returncode, 2, words)
            self.assertTrue(done.stderr.startswith("stock-journal: "), done.stderr)


if __name__ == "__main__":
    main()
