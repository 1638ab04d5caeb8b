# SPDX-License-Identifier: Apache-2.0
"""Who follows events and changes, while the disk is slow and after it has lost something."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "integration"))

from crash_disk import Disk, in_own_world  # noqa: E402
from stockd_harness import Server, main, run_program, unique, wait_until  # noqa: E402


class SlowDisk(unittest.TestCase):
    def test_a_question_shows_what_events_do_not_tell_yet(self):
        """Its own LSN may be before that, too. A change that is made then comes after it, and is
        answered once events tell all before it."""
        with Disk("ext4") as disk, Server("--durability", "everysec", "--workers", 1, "--segment-bytes", 1 << 20,
                                          data=os.path.join(disk.path, "data")) as server:
            with server.client() as asks, server.client() as changes:
                since = asks.call("receive", "in", "LAMP", "main", 10)["lsn"]
                with disk.frozen():
                    changes.send("receive", "stuck", "LAMP", "main", 1)
                    wait_until(lambda: asks.call("locations")["lsn"] > since, what="a batch that is being written")
                    for number in range(8):
                        changes.send("reserve", f"hold-{number}", "default", [["LAMP", 1]], {"ttl_ms": 50})
                    wait_until(lambda: asks.call("info", "ledger")["ledger"]["expired"] == 8, what="the end of the holds")
                    self.assertEqual(asks.call("orders", {"state": "held"})["orders"], [])
                    self.assertEqual(asks.call("availability", "default", ["LAMP"])["stock"], [11])
                    shown = asks.call("locations")["lsn"]
                    self.assertEqual(asks.call("events", since)["events"], [])
                    changes.send("receive", "beyond", "LAMP", "main", 1)
                while changes.expected:
                    error, answer = changes.receive()
                    self.assertIsNone(error)
                told = asks.call("events", since)
                self.assertEqual({event["id"] for event in told["events"]}, {f"hold-{n}" for n in range(8)})
                for event in told["events"]:
                    self.assertLess(shown, event["lsn"])
                    self.assertLess(event["lsn"], answer["lsn"])
                self.assertGreaterEqual(told["next"], answer["lsn"])


class Lost(unittest.TestCase):
    """A power cut takes back changes that somebody was told of. What then happens has LSNs that nobody was told, so
    whoever was told of what is lost misses nothing, and hears that he must look anew."""

    options = ("--workers", 2, "--segment-bytes", 1 << 20)

    def expire(self, client, count):
        """Holds that end. Returns where a reader of events and changes is after that."""
        known = client.call("locations")["lsn"]
        ids = {unique("hold") for _ in range(count)}
        for ident in ids:
            client.call("reserve", ident, "default", [["LAMP", 1]], {"ttl_ms": 1})
        wait_until(lambda: ids == {each["id"] for each in client.call("events", known)["events"]}, what="their events")
        return ids, client.call("events", known)["next"]

    @staticmethod
    def receive(client, count):
        for _ in range(count):
            client.call("receive", unique("in"), "LAMP", "main", 1)

    def lose(self, disk, server):
        """LSNs of a reader: before changes some of which a power cut then takes back, and after them."""
        while True:
            with server.client() as client:
                self.receive(client, 1)
                wait_until(lambda: self.is_on_disk(client), what="all to be on disk")
                kept_lsn = client.call("info", "journal")["journal"]["durable_lsn"]
                self.receive(client, 100)
                lost, lost_lsn = self.expire(client, 3)
                disk.cut()
            server.kill()
            disk.power_on()
            server.start()
            with server.client() as client:
                recovered = client.call("info", "journal")["journal"]["recovered_lsn"]
            if kept_lsn <= recovered < lost_lsn:
                return kept_lsn, lost_lsn

    @staticmethod
    def is_on_disk(client):
        journal = client.call("info", "journal")["journal"]
        return journal["durability"] == "none" or journal["durable_lsn"] == journal["written_lsn"]

    def follow(self, client, kept_lsn, lost_lsn, since):
        """Readers that were away. `since` is what happened since the power cut."""
        kept, lost = client.call("events", kept_lsn), client.call("events", lost_lsn)
        for told in (kept, lost):
            self.assertLessEqual(since, {each["id"] for each in told["events"]})
        self.assertEqual((kept["resync"], lost["resync"]), (False, True))
        for lsn in (lost_lsn, kept_lsn):
            told = client.call("subscribe", {"events": True, "since_lsn": lsn})
            self.assertEqual(told["resync"], lsn == lost_lsn)
            again = client.call("subscribe", {"since_lsn": lsn})
            self.assertTrue(again["resync"], (lsn, kept_lsn, lost_lsn, again))
            self.assertTrue(client.call("changes", lsn)["resync"])  # a value may have been of later
        self.assertFalse(client.call("changes", lost["next"])["resync"])
        self.read_all(client)

    def read_all(self, client):
        """A full read, page by page."""
        page, skus = {"next": 0, "lsn": 1}, []
        while page["next"] < page["lsn"]:
            page = client.call("changes", page["next"], {"limit": 1})
            self.assertFalse(page["resync"])
            skus += [row[1] for row in page["changes"]]
        self.assertEqual(set(skus), {"LAMP", "VASE"})

    def play(self, durability):
        with Disk("ext4") as disk:
            data = os.path.join(disk.path, "data")
            with Server("--durability", durability, *self.options, data=data) as server:
                with server.client() as client:
                    client.call("receive", "vases", "VASE", "main", 1000)
                    client.call("receive", "in", "LAMP", "main", 1000)
                server.restart()  # so that it is on disk
                kept_lsn, lost_lsn = self.lose(disk, server)
                with server.client() as client:
                    since, _ = self.expire(client, 3)
                    self.receive(client, 200)
                    self.follow(client, kept_lsn, lost_lsn, since)
                server.restart()
                done = run_program("stock-journal", "compact", data)
                self.assertEqual(done.code, 0, done.err)
                for _ in range(2):
                    with server.client() as client:
                        self.follow(client, kept_lsn, lost_lsn, since)
                    server.restart()

    def redis(self):
        try:
            from redis_case import Redis
        except SystemExit:
            self.skipTest("no redis-server")
        redis = Redis()
        self.addCleanup(redis.close)
        return redis

    def test_the_stream_in_redis(self):
        """An entry tells that its last events were taken back; then comes all that happened since."""
        redis = self.redis()
        with Disk("ext4") as disk:
            data = os.path.join(disk.path, "data")
            with Server("--durability", "none", *self.options, "--redis", redis.address, data=data) as server:
                with server.client() as client:
                    client.call("receive", "in", "LAMP", "main", 1000)
                server.restart()  # so that it is on disk
                with server.client() as client:
                    lost, lost_lsn = self.expire(client, 3)
                    wait_until(lambda: lost <= self.ids(redis), what="the events in Redis")
                    disk.cut()
                redis.pause()  # until the next engine is far beyond
                server.kill()
                disk.power_on()
                server.start()
                with server.client() as client:
                    if client.call("info", "journal")["journal"]["recovered_lsn"] >= lost_lsn:
                        redis.resume()
                        self.skipTest("the kernel had written it before the cut")
                    since, _ = self.expire(client, 10)
                    redis.resume()
                    wait_until(lambda: since <= self.ids(redis), what="the events in Redis")
        entries = [fields for _, fields in redis.client.xrange("stock:events")]
        types = [fields[b"type"] for fields in entries]
        self.assertEqual(types.count(b"resync"), 1)
        after = entries[types.index(b"resync") + 1 :]
        self.assertLessEqual(since, {fields[b"id"].decode() for fields in after})

    @staticmethod
    def ids(redis):
        return {fields[b"id"].decode() for _, fields in redis.client.xrange("stock:events") if b"id" in fields}

    def test_with_everysec(self):
        self.play("everysec")

    def test_with_none(self):
        self.play("none")


if __name__ == "__main__":
    in_own_world("mkfs.ext4")
    main()
