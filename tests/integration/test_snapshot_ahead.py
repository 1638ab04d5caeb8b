#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A snapshot that is ahead of the journal beside it, or of another copy of the directory: a start
from it would lose what the journal acknowledged, so it is refused, and nothing is changed."""

import glob
import hashlib
import json
import os
import shutil
import tempfile
import unittest

from stockd_harness import Server, main, run_program

SEGMENT = 64 << 10  # a few batches of one change each


def names(data, folder, suffix):
    return sorted(glob.glob(os.path.join(data, folder, "*" + suffix)))


def fingerprint(data):
    found = {}
    for folder, suffix in (("journal", ""), ("snapshot", ".snap")):
        for path in names(data, folder, suffix):
            with open(path, "rb") as file:
                found[path] = hashlib.sha256(file.read()).hexdigest()
    return found


def receive(server, prefix, count):
    with server.client() as client:
        for n in range(count):
            client.call("receive", f"{prefix}{n}", "LAMP", "main", 1)
        return client.call("stock", "LAMP")["on_hand"]


def journal(*args, expect=0):
    got = run_program("stock-journal", *args)
    assert got.code == expect, got
    return got


class SnapshotAhead(unittest.TestCase):
    def server(self, data=None, segment=SEGMENT):
        server = Server("--segment-bytes", segment, "--compact-bytes", "0", data=data)
        self.addCleanup(server.close, check=False)
        return server

    def scratch(self):
        folder = tempfile.mkdtemp(prefix="stockd-ahead-")
        self.addCleanup(shutil.rmtree, folder)
        return os.path.join(folder, "data")

    def compact(self, server):
        """The number of the last segment that the snapshot covers."""
        done = json.loads(journal("compact", server.data, "--json").out)
        self.assertTrue(done["written"], done)
        return done["segment"]

    def assert_refused(self, data, *mentions):
        before = fingerprint(data)
        got = run_program("stockd", "--data", data, "--listen", "127.0.0.1:0")
        self.assertEqual(got.code, 2, got)
        self.assertEqual(len(got.err_lines), 1, got.err)
        for mention in mentions:
            self.assertIn(mention, got.err)
        verified = journal("verify", data, expect=1)
        for mention in mentions:
            self.assertIn(mention, verified.err)
        self.assertEqual(fingerprint(data), before)

    def cut_after_snapshot(self, end):
        """A journal whose segments after the snapshot are gone, and its name of the first."""
        server = self.server()
        receive(server, "a", 30)
        last = self.compact(server)
        receive(server, "b", 30)
        end(server)
        gone = [path for path in names(server.data, "journal", ".seg")
                if int(os.path.basename(path)[:10]) > last]
        self.assertGreater(len(gone), 2)
        for path in gone:
            os.unlink(path)
        self.assertTrue(names(server.data, "journal", ".seg"))
        return server, os.path.basename(gone[0])

    def test_segments_after_the_snapshot_are_gone(self):
        for end in (Server.kill, Server.stop):
            with self.subTest(end=end.__name__):
                server, first = self.cut_after_snapshot(end)
                self.assert_refused(server.data, first, "is missing, the first one after the snap")
                done = journal("compact", server.data, expect=1)
                self.assertIn(first, done.err)

    def test_repair_of_that_begins_after_the_snapshot(self):
        server, first = self.cut_after_snapshot(Server.kill)
        plan = journal("repair", server.data, expect=1)
        self.assertIn(f"{first}: offset 0", plan.out)
        self.assertIn("kept      the snapshot", plan.out)
        journal("repair", server.data, "--yes")
        self.assertIn("tail      clean", journal("verify", server.data).out)
        server.start()
        kept = receive(server, "c", 5)
        self.assertLessEqual(kept, 35)
        server.restart(kill=True)
        self.assertEqual(receive(server, "c", 5), kept, "the same ids")

    def test_copied_folder_by_folder_beside_a_running_engine(self):
        server = self.server()
        receive(server, "a", 30)
        copy = self.scratch()
        shutil.copytree(os.path.join(server.data, "journal"), os.path.join(copy, "journal"))
        receive(server, "b", 30)
        self.compact(server)
        shutil.copytree(os.path.join(server.data, "snapshot"), os.path.join(copy, "snapshot"))
        self.assert_refused(copy, "is missing, the first one after the snapshot")

    def forked(self, end):
        """A directory, and the snapshots of a copy of it that went on by itself."""
        server = self.server()
        receive(server, "a", 30)
        self.compact(server)
        receive(server, "b", 10)
        server.stop()
        copy = self.scratch()
        shutil.copytree(server.data, copy)
        other = self.server(copy)
        receive(other, "other", 60)
        self.compact(other)
        other.stop()
        server.start()
        on_hand = receive(server, "own", 20)
        end(server)
        return server, names(copy, "snapshot", ".snap"), on_hand

    def test_a_snapshot_of_a_copy_that_went_on_by_itself(self):
        for end in (Server.kill, Server.stop):
            with self.subTest(end=end.__name__):
                server, theirs, on_hand = self.forked(end)
                added = shutil.copy(theirs[-1], os.path.join(server.data, "snapshot"))
                self.assert_refused(server.data, "is missing, the first one after the snapshot")
                journal("compact", server.data, expect=1)
                os.unlink(added)
                server.start()
                self.assertEqual(receive(server, "own", 20), on_hand)

    def test_a_snapshot_of_a_copy_that_ends_in_the_same_segment(self):
        """Then a segment after it is there: the spare one, which is made long before its use."""
        large = 4 * SEGMENT
        server = self.server(segment=large)
        receive(server, "a", 5)
        server.stop()
        copy = self.scratch()
        shutil.copytree(server.data, copy)
        other = self.server(copy, segment=large)
        receive(other, "other", 70)
        last = self.compact(other)
        other.stop()
        server.start()
        with server.client() as client:
            for n in range(200):
                client.call("receive", f"own{n}", "LAMP", "main", 1)
                if os.path.exists(os.path.join(server.data, f"journal/{last + 1:010}.seg")):
                    break
            on_hand = client.call("stock", "LAMP")["on_hand"]
        server.kill()
        folder = os.path.join(server.data, "snapshot")
        os.makedirs(folder, exist_ok=True)
        added = shutil.copy(names(copy, "snapshot", ".snap")[-1], folder)
        self.assert_refused(server.data)
        refused = journal("repair", server.data, "--yes", expect=1)
        self.assertIn("move that snapshot out of", refused.err)
        os.unlink(added)
        server.start()
        with server.client() as client:
            self.assertEqual(client.call("stock", "LAMP")["on_hand"], on_hand)


if __name__ == "__main__":
    main()
