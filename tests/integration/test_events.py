# SPDX-License-Identifier: Apache-2.0
"""Events over crashes and compactions: a consumer that keeps its LSN misses none, hears of none
twice, and of no other than a model says.
"""

import os
import subprocess

from stockd_harness import (
    BIN_DIR,
    ConnectionClosed,
    RpcError,
    Server,
    StockdTestCase,
    main,
    seeded_random,
    wait_until,
)

ITEMS = 12
LOW = 3  # of the items with odd numbers
ROUNDS = 40


class Model:
    """What each item had at the last look, and so what must have been told of it."""

    def __init__(self):
        self.has = {}
        self.told = {}

    def look(self, sku, available):
        low = LOW if int(sku[1:]) % 2 else -1
        before = self.has.get(sku)
        self.has[sku] = available
        told = self.told.setdefault(sku, [])
        if before is None:
            if available == 0:
                del self.has[sku]  # it never had any
            return
        if before > low >= available and low >= 0:
            told.append("low_stock")
        if before > 0 and available == 0:
            told.append("sold_out")
        if before == 0 and available > 0:
            told.append("back_in_stock")


class Consumer:
    def __init__(self):
        self.since = 0
        self.told = {}
        self.seen = set()

    def read(self, client, limit=1000):
        """Pages up to what is durable now."""
        while True:
            got = client.call("events", self.since, {"limit": limit})
            assert not got["resync"], got
            for event in got["events"]:
                key = (event["lsn"], event["type"], event["sku"])
                assert key not in self.seen, f"twice: {event}"
                assert event["lsn"] > self.since, event
                self.seen.add(key)
                self.told.setdefault(event["sku"], []).append(event["type"])
            self.since = got["next"]
            if self.since >= got["lsn"]:
                return


class Crashes(StockdTestCase):
    @classmethod
    def setUpClass(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        pass

    def setUp(self):
        self.random = seeded_random()
        self.server = Server("--segment-bytes", str(64 << 10), "--workers", "2")
        self.addCleanup(self.server.close)
        self.ids = 0

    def next_id(self):
        self.ids += 1
        return f"e-{self.ids}"

    def change(self, client, sku, model):
        """One change of an item; now and then a failed order that wants all of it."""
        random, had = self.random, model.has.get(sku, 0)
        what = random.randrange(4)
        if what == 0 or had == 0:
            client.call("receive", self.next_id(), sku, "main", random.randrange(1, 8))
        elif what == 1:
            client.call("adjust", self.next_id(), sku, "main", -had)
        elif what == 2:
            client.call("adjust", self.next_id(), sku, "main", -random.randrange(1, had + 1))
        else:
            try:
                client.call(
                    "reserve", self.next_id(), "default", [[sku, had], [f"S{ITEMS}", 1000]]
                )
            except RpcError as error:
                assert error.code == "insufficient_stock", error

    def settle(self, client, model):
        """Everything was looked at, and what that told can be read."""
        lsn = client.call("receive", self.next_id(), f"S{ITEMS}", "main", 1)["lsn"]
        wait_until(
            lambda: client.call("info", "feed")["feed"]["crossings_lsn"] >= lsn, what="a look"
        )
        head = client.call("changes", lsn)["lsn"]
        wait_until(lambda: client.call("events", lsn)["lsn"] >= head, what="the disk")
        skus = [f"S{n}" for n in range(ITEMS)]
        stock = client.call("availability", "default", skus)["stock"]
        for sku, available in zip(skus, stock):
            if available is not None:
                model.look(sku, available)

    def prepare(self, model):
        with self.server.client() as client:
            for n in range(ITEMS + 1):
                client.call("receive", self.next_id(), f"S{n}", "main", 5)
                client.call("item_set", f"S{n}", {"low_stock": LOW} if n % 2 and n < ITEMS else {})
            self.settle(client, model)

    def compare(self, consumer, model):
        told = {sku: types for sku, types in model.told.items() if types}
        self.assertEqual(consumer.told, told)

    def round(self, model, kill):
        """Each item changes once at most, so no crossing is undone before it is told."""
        with self.server.client() as client:
            skus = self.random.sample(range(ITEMS), self.random.randrange(1, ITEMS))
            stop = self.random.randrange(len(skus) + 1) if kill else None
            for at, n in enumerate(skus):
                if at == stop:
                    break
                self.change(client, f"S{n}", model)
            if kill:
                self.server.kill()
        if kill:
            self.server.start()

    def compact(self):
        subprocess.run(
            [os.path.join(BIN_DIR, "stock-journal"), "compact", self.server.data],
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def test_none_is_missed_and_none_comes_twice(self):
        model, consumer = Model(), Consumer()
        self.prepare(model)
        kills = 0
        for _ in range(ROUNDS):
            kill = self.random.randrange(3) == 0
            kills += kill
            self.round(model, kill)
            with self.server.client() as client:
                if self.random.randrange(2):
                    consumer.read(client, self.random.choice([1, 2, 1000]))
                self.settle(client, model)
            if self.random.randrange(8) == 0:
                self.compact()
        with self.server.client() as client:
            consumer.read(client)
            self.compare(consumer, model)
            late = Consumer()  # from the beginning, after all of that
            late.read(client, 3)
            self.assertEqual(late.told, consumer.told)
        self.assertGreater(len(consumer.seen), 20)

    def test_a_compaction_loses_none(self):
        model, consumer = Model(), Consumer()
        self.prepare(model)
        for _ in range(6):
            for _ in range(8):
                self.round(model, False)
                with self.server.client() as client:
                    self.settle(client, model)
                    for _ in range(40):  # fills segments
                        client.call("receive", self.next_id(), f"S{ITEMS}", "main", 1)
            self.compact()
        self.server.restart(kill=True)
        with self.server.client() as client:
            consumer.read(client)
            self.compare(consumer, model)

    def test_a_subscriber_goes_on_from_its_lsn(self):
        model, told = Model(), {}
        self.prepare(model)
        since, rounds = 0, 12
        with self.server.client() as client:
            since = client.call("events", 0)["lsn"]
        for n in range(rounds):
            with self.server.client() as watcher:
                watcher.call("subscribe", {"events": True, "since_lsn": since})
                self.round(model, n % 3 == 2)
                try:
                    while True:
                        since = self.take(watcher, told, since, 0.2)
                except (TimeoutError, ConnectionClosed, ConnectionError):
                    pass
            with self.server.client() as client:
                self.settle(client, model)
        with self.server.client() as watcher:
            watcher.call("subscribe", {"events": True, "since_lsn": since})
            wanted = {sku: types for sku, types in model.told.items() if types}
            while sum(map(len, told.values())) < sum(map(len, wanted.values())):
                since = self.take(watcher, told, since, 10)
        self.assertEqual({sku: [t for _, t in events] for sku, events in told.items()}, wanted)

    @staticmethod
    def take(watcher, told, since, timeout):
        """One notification. An LSN may have several events, so it goes on from before it."""
        queue = watcher.notifications
        message = (2, *queue.popleft()) if queue else watcher.receive_message(timeout)
        assert message[:2] in ((2, "event"), [2, "event"]), message
        (event,) = message[2]
        key = (event["lsn"], event["type"])
        if key not in told.setdefault(event["sku"], []):
            told[event["sku"]].append(key)
        return event["lsn"] - 1


if __name__ == "__main__":
    main()
