# SPDX-License-Identifier: Apache-2.0
"""stockctl mirror: status, verify and take, on a Redis that is right and on one that is not."""

import json
import threading

from redis_case import MirrorTestCase
from stockd_harness import Server, main, run_program, unique

SKUS = ["A", "B", "C", "D"]


class StockctlMirror(MirrorTestCase):
    def ctl(self, server, *args, expect=0):
        done = run_program("stockctl", "-s", server.tcp, *args)
        self.assertEqual(done.code, expect, f"{args}: {done.out} {done.err}")
        return done

    def verify(self, server, *args, expect):
        return json.loads(self.ctl(server, "--json", "mirror", "verify", *args, expect=expect).out)

    def stocked(self):
        server = self.engine()
        for sku in SKUS:
            self.receive(server, sku, 10)
        server.call("channel_set", "web", {"buffer": 1})
        self.assert_same(server, SKUS)
        return server

    def abandoned(self):
        """An engine whose Redis nobody mends any more: another took it, and ended."""
        server = self.stocked()
        other = self.engine()
        self.await_state(server, "fenced")
        self.await_state(other, "live")
        other.stop()
        return server

    def test_status(self):
        server = self.stocked()
        self.await_state(server, "live")
        self.assertEqual(json.loads(self.ctl(server, "--json", "mirror", "status").out)["state"], "live")
        self.assertRegex(self.ctl(server, "mirror", "status").out, r"connected +yes")

    def test_same(self):
        server = self.stocked()
        result = self.verify(server, expect=0)
        self.assertEqual((result["same"], result["items"], result["channels"]), (True, 4, 2))
        self.assertRegex(self.ctl(server, "mirror", "verify").out, "^same: 4 items, 2 channels")

    def test_each_kind_of_difference(self):
        server = self.abandoned()
        client = self.redis.client
        client.flushall()
        for sku in ("A", "B", "C", "strange", "x" * 65):
            client.hset(f"stock:item:{sku}", mapping={"default": 10, "web": 9, "_lsn": 64})
        client.hset("stock:item:A", "web", 8)
        client.hdel("stock:item:A", "_lsn")
        client.hset("stock:item:B", "gone", 1)
        client.hdel("stock:item:B", "default")
        client.delete("stock:item:C")
        client.rpush("stock:item:C", "x")
        result = self.verify(server, expect=1)
        found = {(d["sku"], d["field"], d["engine"], d["redis"]) for d in result["differences"]}
        self.assertEqual(found, {
            ("A", "web", "9", "8"),
            ("A", "_lsn", "an lsn", None),
            ("B", "gone", None, "1"),
            ("B", "default", "10", None),
            ("C", None, "a hash", "another type"),
            ("D", None, "a hash", None),
            ("strange", None, None, "a hash"),
            ("x" * 65, None, None, "a hash"),
        })
        self.assertTrue(result["behind"])
        self.ctl(server, "mirror", "take")
        self.assert_same(server, SKUS)
        self.assertEqual(self.verify(server, expect=0)["differences"], [])

    def test_under_load(self):
        server = self.stocked()
        over = threading.Event()

        def load():
            with server.client() as client:
                while not over.is_set():
                    client.call("receive", unique("rcv"), "A", "main", 1)

        thread = threading.Thread(target=load)
        thread.start()
        try:
            result = self.verify(server, expect=0)
        finally:
            over.set()
            thread.join()
        self.assertEqual(result["differences"], [])

    def test_refusals(self):
        server = self.stocked()
        self.ctl(server, "mirror", "take", expect=1)
        self.ctl(server, "mirror", "verify", "--redis", "127.0.0.1:1", expect=3)
        self.ctl(server, "mirror", "verify", "--redis", "nowhere", expect=3)
        self.ctl(server, "mirror", "verify", "--redis-user", "me", expect=2)
        with Server() as without:
            done = self.ctl(without, "mirror", "verify", expect=1)
            self.assertIn("no Redis mirror", done.err)


if __name__ == "__main__":
    main()
