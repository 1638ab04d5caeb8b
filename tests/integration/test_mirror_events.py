# SPDX-License-Identifier: Apache-2.0
"""Events in Redis: the stream has each once, whatever becomes of Redis and of the engine."""

import json

from redis_case import MirrorTestCase
from stockd_harness import CALL_TIMEOUT, main, unique, wait_until


class Events(MirrorTestCase):
    def settled(self, server, lsn):
        wait_until(
            lambda: server.call("info", "feed")["feed"]["crossings_lsn"] >= lsn, what="a look"
        )

    def cross(self, server, sku, times=1):
        """That item sells out and is back so many times, each time told."""
        for _ in range(times):
            for qty in (-2, 2):
                call = "adjust" if qty < 0 else "receive"
                self.settled(server, server.call(call, unique("x"), sku, "main", qty)["lsn"])

    def item(self, server):
        sku = unique("sku")
        self.settled(server, self.receive(server, sku, 2)["lsn"])
        return sku

    @staticmethod
    def told(server, since=0):
        """What the engine says, as the stream has it."""
        entries, last, n = [], None, 0
        events = server.call("events", since, {"limit": 10000})["events"]
        for event in events:
            n = n + 1 if event["lsn"] == last else 0
            last = event["lsn"]
            fields = {key: str(value) for key, value in event.items()}
            entries.append((f"{last}-{n}", fields))
        return entries

    def stream(self, prefix="stock:"):
        return [
            (ident.decode(), {k.decode(): v.decode() for k, v in fields.items()})
            for ident, fields in self.redis.client.xrange(f"{prefix}events")
        ]

    def await_stream(self, server):
        def same():
            try:
                return self.stream() == self.told(server)
            except Exception:  # Redis is starting
                return False

        try:
            wait_until(same, timeout=30, what="the stream")
        except AssertionError:
            self.assertEqual(self.stream(), self.told(server))
            raise

    def test_the_stream_has_what_the_engine_tells(self):
        server = self.engine()
        listener = self.redis.client.pubsub()
        listener.psubscribe("stock:event:*")
        self.assertEqual(listener.get_message(timeout=CALL_TIMEOUT)["type"], "psubscribe")
        sku = self.item(server)
        server.call("item_set", sku, {"low_stock": 1})
        self.cross(server, sku, 2)
        server.call("reserve", "o-1", "default", [[sku, 1]], {"ttl_ms": 1})
        self.await_stream(server)
        wait_until(lambda: "expired" in [e["type"] for _, e in self.stream()], what="expired")
        self.await_stream(server)
        wanted = [fields for _, fields in self.stream()]
        got = []
        while len(got) < len(wanted):
            message = listener.get_message(timeout=CALL_TIMEOUT)
            self.assertIsNotNone(message, (got, wanted))
            event = json.loads(message["data"])
            self.assertEqual(message["channel"].decode(), f"stock:event:{event['type']}")
            got.append({key: str(value) for key, value in event.items()})
        self.assertEqual(got, wanted)
        self.assertEqual(self.status(server)["events_sent"], len(wanted))

    def test_a_restart_of_the_engine_repeats_none(self):
        server = self.engine()
        sku = self.item(server)
        for kill in (True, False, True):
            self.cross(server, sku)
            server.restart(kill=kill)
            client = server.client()
            self.addCleanup(client.close)
            server.call = client.call
            self.cross(server, sku)
            self.await_stream(server)

    def test_redis_comes_back_empty_or_late(self):
        server = self.engine()
        sku = self.item(server)
        self.cross(server, sku)
        self.await_stream(server)
        self.redis.kill()
        self.cross(server, sku)
        self.redis.start()
        self.await_stream(server)  # all that is kept, under the same ids
        self.redis.pause()
        self.cross(server, sku)
        self.redis.resume()
        self.await_stream(server)
        self.redis.client.flushall()
        self.cross(server, sku)
        self.await_stream(server)

    def test_a_key_of_another_type_is_replaced(self):
        self.redis.client.set("stock:events", "mine")
        server = self.engine()
        self.cross(server, self.item(server))
        self.await_stream(server)

    def test_events_that_are_missing_are_told(self):
        server = self.engine("--events", "4096", "--redis-timeout-ms", "200")
        skus = [self.item(server) for _ in range(50)]
        self.cross(server, skus[0])
        self.await_stream(server)
        before = self.stream()
        self.redis.pause()
        self.cross(server, skus[0])
        # What it was about to tell, Redis may still do. It is told nothing more before it answers.
        self.await_state(server, "connecting")
        last = self.told(server)[-1][0]
        while server.call("info", "feed")["feed"]["events_forgotten_lsn"] <= int(
            last.split("-")[0]
        ):
            for qty in (-2, 2):
                call = "adjust" if qty < 0 else "receive"
                for sku in skus:
                    lsn = server.call(call, unique("x"), sku, "main", qty)["lsn"]
                self.settled(server, lsn)
        self.redis.resume()
        wait_until(
            lambda: self.stream()[-1:] == self.told(server)[-1:], timeout=30, what="the stream"
        )
        stream, kept = self.stream(), self.told(server)
        self.assertEqual(stream[: len(before)], before)
        resyncs = [at for at, (_, fields) in enumerate(stream) if fields["type"] == "resync"]
        self.assertEqual(len(resyncs), 1, stream[:10])
        self.assertGreaterEqual(self.status(server)["events_missed"], 1)
        after = stream[resyncs[0] + 1 :]
        self.assertEqual(after, kept[-len(after) :])


if __name__ == "__main__":
    main()
