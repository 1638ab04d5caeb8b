# SPDX-License-Identifier: Apache-2.0
"""The Redis mirror on a Redis that is well: what it shows, and that it follows every change."""

import json
import threading

from redis_case import MirrorTestCase
from stockd_harness import RpcError, Server, main, seeded_random, unique, wait_until


class Shows(MirrorTestCase):
    def test_item_hash_stream_message_and_heartbeat(self):
        server = self.engine()
        self.await_state(server, "live")
        sku = 'Mug "red" \\ \n é'
        subscriber = self.redis.client.pubsub(ignore_subscribe_messages=True)
        subscriber.subscribe("stock:changed:default")
        wait_until(lambda: self.redis.client.pubsub_numsub("stock:changed:default")[0][1] == 1)
        self.receive(server, sku, 10)
        lsn = server.call("reserve", "o-1", "default", [[sku, 3]])["lsn"]
        key = f"stock:item:{sku}"
        wait_until(lambda: int(self.redis.client.hget(key, "_lsn") or 0) >= lsn, what="the hash")
        self.assertEqual(self.redis.client.hgetall(key), {b"default": b"7", b"_lsn": str(lsn).encode()})

        ident, fields = self.redis.client.xrevrange("stock:changes", count=1)[0]
        self.assertEqual(ident.split(b"-")[0], str(lsn).encode())
        self.assertEqual(list(fields.items()), [(b"sku", sku.encode()), (b"default", b"7")])

        messages = []

        def last():
            message = subscriber.get_message(timeout=1)
            if message:
                messages.append(json.loads(message["data"]))
            return messages and messages[-1]["lsn"] >= lsn

        wait_until(last, what="the message")
        self.assertEqual(messages[-1], {"sku": sku, "available": 7, "lsn": lsn})

        wait_until(lambda: int(self.redis.client.hget("stock:mirror", "lsn")) >= lsn, what="the lsn")
        before = self.redis.client.hgetall("stock:mirror")
        self.assertEqual(before[b"state"], b"live")
        self.assertEqual(before[b"engine"].decode(), self.status(server)["engine"])
        wait_until(lambda: self.redis.client.hget("stock:mirror", "time_ms") > before[b"time_ms"],
                   what="the heartbeat to move")

    def test_prefix_database_and_trimmed_stream(self):
        server = self.engine("--redis-prefix", "a[b*]:", "--redis-database", "3",
                             "--redis-stream-length", "100")
        self.await_state(server, "live")
        self.redis.connect(database=3)
        for number in range(500):
            self.receive(server, f"S{number % 50}", 1)
        self.assert_same(server, [f"S{number}" for number in range(50)], "a[b*]:")
        self.assertLess(self.redis.client.xlen("a[b*]:changes"), 400)
        self.assertEqual({key.split(b":")[0] for key in self.redis.client.keys()}, {b"a[b*]"})

    def test_status_names_what_there_is(self):
        server = self.engine()
        self.await_state(server, "live")
        self.receive(server, "S", 1)
        self.assert_same(server, ["S"])
        status = wait_until(lambda: (s := self.status(server))["lag_lsn"] == 0 and s, what="no lag")
        self.assertEqual((status["connected"], status["address"], status["prefix"], status["lag_ms"]),
                         (True, self.redis.address, "stock:", 0))
        self.assertEqual(status["resyncs"], 1)
        self.assertIsNone(status["error"])
        self.assertGreater(status["commands"], 0)

    def test_off(self):
        with Server() as without, without.client() as client:
            self.assertEqual(client.call("info", "mirror")["mirror"]["state"], "off")
            with self.assertRaises(RpcError) as caught:
                client.call("mirror_take")
            self.assertEqual(caught.exception.code, "wrong_state")


class Follows(MirrorTestCase):
    def test_catalogue_changes_reach_every_item(self):
        server = self.engine()
        skus = [f"S{number}" for number in range(300)]
        for sku in skus:
            self.receive(server, sku, 10)
        self.await_state(server, "live")
        steps = (
            ("channel_set", "default", {"buffer": 4}),
            ("location_set", "berlin", {"name": "Berlin"}),
            ("channel_set", "shop", {"locations": ["berlin"]}),
            ("channel_set", "web", {"buffer": 1}),
            ("location_set", "main", {"active": False}),
            ("location_set", "main", {"active": True}),
        )
        for method, *params in steps:
            with self.subTest(method=method, params=params):
                server.call(method, *params)
                self.assert_lsn_is_true(server, skus)
        self.assertEqual(self.shown()["S0"], {"default": 6, "shop": 0, "web": 9})
        for qty in (4, -3):
            server.call("allot", unique("allot"), "S0", "main", "web", qty)
            self.assert_same(server, skus)
        told = {fields[b"sku"] for _, fields in self.redis.client.xrange("stock:changes")}
        self.assertEqual(len(told), 300)

    def test_a_new_channel_is_told_of_and_a_lost_hash_is_not(self):
        server = self.engine()
        self.receive(server, "LAMP", 5)
        self.assert_same(server, ["LAMP"])
        before = len(self.redis.client.xrange("stock:changes"))
        server.call("channel_set", "web", {"buffer": 1})
        self.assert_same(server, ["LAMP"])
        (_, fields), = self.redis.client.xrange("stock:changes")[before:]
        self.assertEqual((fields[b"sku"], fields[b"web"]), (b"LAMP", b"4"))
        self.redis.client.delete("stock:item:LAMP")
        server.call("channel_set", "web", {"name": "The shop"})  # has all items looked at
        self.assert_same(server, ["LAMP"])
        self.assertEqual(len(self.redis.client.xrange("stock:changes")), before + 1)

    def test_item_without_stock(self):
        server = self.engine()
        server.call("item_set", "NEW", {"name": "Not there yet"})
        self.assert_same(server, ["NEW"])
        self.assertEqual(self.shown(), {"NEW": {"default": 0}})

    def load(self, server, random, rounds):
        """Orders of all kinds, from one connection."""
        with server.client() as client:
            held = []
            for _ in range(rounds):
                sku = f"S{random.randrange(40)}"
                try:
                    what = random.randrange(6)
                    if what == 0:
                        client.call("receive", unique("r"), sku, random.choice(("main", "berlin")), 3)
                    elif what == 1:
                        client.call("adjust", unique("a"), sku, "main", -1)
                    elif what == 2 and held:
                        client.call(random.choice(("cancel", "confirm")), held.pop())
                    elif what == 3:
                        client.call("reserve", unique("x"), "web", [[sku, 1]], {"ttl_ms": 5})
                    else:
                        lines = [[f"S{random.randrange(40)}", random.randrange(1, 4)]
                                 for _ in range(random.randrange(1, 4))]
                        ident = unique("o")
                        client.call("reserve", ident, random.choice(("default", "web")), lines)
                        held.append(ident)
                except RpcError:
                    pass

    def test_random_load_from_several_connections(self):
        random = seeded_random()
        server = self.engine("--workers", "2")
        server.call("location_set", "berlin", {})
        server.call("channel_set", "web", {"buffer": 1})
        threads = [threading.Thread(target=self.load, args=(server, type(random)(random.random()), 400))
                   for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(20):  # the catalogue changes under way
            server.call("channel_set", "web", {"buffer": number % 5})
        for thread in threads:
            thread.join()
        self.assert_same(server, self.known(server, [f"S{number}" for number in range(40)]))

    @staticmethod
    def known(server, skus):
        with server.client() as client:
            stock = client.call("availability", "default", skus)["stock"]
        return [sku for sku, available in zip(skus, stock) if available is not None]

    def test_many_items_at_once(self):
        server = self.engine()
        skus = [f"ITEM-{number:05}" for number in range(6000)]
        with server.client() as client:
            for at in range(0, len(skus), 500):
                for sku in skus[at:at + 500]:
                    client.send("receive", unique("rcv"), sku, "main", 5)
                for _ in skus[at:at + 500]:
                    self.assertIsNone(client.receive()[0])
        self.assert_same(server, skus)


if __name__ == "__main__":
    main()
