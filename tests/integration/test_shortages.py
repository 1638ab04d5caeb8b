# SPDX-License-Identifier: Apache-2.0
"""`short`: who is told to lack units, by whatever makes it so; once, and over crashes."""

import json
import os
import subprocess

from stockd_harness import (
    BIN_DIR,
    Server,
    StockdTestCase,
    main,
    run_program,
    seeded_random,
    settled,
    unique,
    wait_until,
)
from supply_case import SupplyCase, in_days


def told(client, since=0, **options):
    """[(id, location, qty)] of all that was told since."""
    got = client.call("events", since, {"types": ["short"], **options})
    assert not got["resync"], got
    return [(e["id"], e["location"], e["qty"]) for e in got["events"]]


def settle(client):
    settled(client, client.call("locations")["lsn"])


class Shortages(SupplyCase):
    options = ("--workers", "2")

    def setUp(self):
        super().setUp()
        self.sku = unique("sku")
        self.since = self.call("locations")["lsn"]

    def order(self, qty, channel=None, **options):
        ident = unique("o")
        channel = channel or self.eager
        self.call("reserve", ident, channel, [[self.sku, qty]], {"confirm": True, **options})
        return ident

    def assert_told(self, *expected):
        settle(self.client)
        self.assertEqual(told(self.client, self.since), list(expected))

    def test_fewer_come_than_were_promised(self):
        supply = self.expected(self.sku, 10)
        first, second, third = self.order(4), self.order(3), self.order(3)
        self.call("arrive", supply, [[self.sku, 5]])
        self.assert_told()
        self.call("arrive", supply, [[self.sku, 0]], {"close": True})
        self.assert_told((third, self.shop, 3), (second, self.shop, 2))
        event = self.call("events", self.since, {"types": ["short"]})["events"][0]
        self.assertEqual((event["sku"], event["channel"]), (self.sku, self.eager))
        self.call("receive", unique("r"), self.sku, self.shop, 5)
        settle(self.client)
        self.call("fulfil", third)  # covered
        self.call("fulfil", first)
        self.call("count", unique("c"), self.sku, self.shop, 2)
        self.assert_told((third, self.shop, 3), (second, self.shop, 2), (second, self.shop, 1))

    def test_its_line_may_be_moved(self):
        channel = self.channel(self.shop, self.depot)
        self.call("receive", unique("r"), self.sku, self.shop, 5)
        order = self.order(5, channel)
        self.call("receive", unique("r"), self.sku, self.depot, 5)
        self.call("count", unique("c"), self.sku, self.shop, 3)
        self.assert_told((order, self.shop, 2))
        self.call("move", order, [[self.sku, self.shop, self.depot, 2]])
        settle(self.client)
        self.call("fulfil", order)
        self.assert_told((order, self.shop, 2))

    def test_history_and_filters(self):
        self.call("receive", unique("r"), self.sku, self.shop, 5)
        order = self.order(5, self.plain)
        self.call("count", unique("c"), self.sku, self.shop, 1)
        self.assert_told((order, self.shop, 4))
        self.assertEqual(told(self.client, self.since, location=self.depot), [])
        self.assertEqual(told(self.client, self.since, channel=self.eager), [])
        self.assertEqual(len(told(self.client, self.since, channel=self.plain)), 1)
        for query in (self.sku, None):
            events = self.call("history", query, {} if query else {"id": order})["events"]
            short = [e for e in events if e["type"] == "short"]
            self.assertEqual([(e["id"], e["qty"]) for e in short], [(order, 4)])
            self.assertEqual(short[0]["location"], self.shop)

    def test_a_subscriber_and_the_programs(self):
        self.call("receive", unique("r"), self.sku, self.shop, 2)
        with self.server.client() as watcher:
            watcher.call("subscribe", {"events": ["short"]})
            order = self.order(2, self.plain)
            self.call("count", unique("c"), self.sku, self.shop, 1)
            _, method, params = watcher.receive_message()
            self.assertEqual((method, params[0]["type"], params[0]["id"]), ("event", "short", order))
        out = run_program(
            "stockctl",
            "-s",
            self.server.tcp,
            "--json",
            "events",
            "--since",
            str(self.since),
            "--types",
            "short",
        ).out
        self.assertIn(order, out)

    def test_a_transfer_that_is_held(self):
        self.call("receive", unique("r"), self.sku, self.depot, 3)
        transfer = self.transferred(self.sku, 3, ship=False, eta_ms=in_days(1))
        self.call("count", unique("c"), self.sku, self.depot, 1)
        self.assert_told((transfer, self.depot, 2))
        event = self.call("events", self.since, {"types": ["short"]})["events"][0]
        self.assertNotIn("channel", event)


class Crashes(StockdTestCase):
    """An engine that is killed while it tells: each is told, and none twice."""

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

    def dump(self):
        self.server.stop()
        out = subprocess.run(
            [os.path.join(BIN_DIR, "stock-journal"), "dump", self.server.data, "--json"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        records = [json.loads(line) for line in out.splitlines()]
        return [record for record in records if record["type"] == "short"]

    def test_none_is_lost(self):
        orders, rounds, expected = 8, 12, []
        for number in range(rounds):
            sku = f"S{number}"
            with self.server.client() as client:
                client.call("receive", f"r{number}", sku, "main", orders)
                for n in range(orders):
                    client.call("reserve", f"o{number}-{n}", "default", [[sku, 1]])
                left = self.random.randrange(orders)
                client.call("count", f"c{number}", sku, "main", left)
                if self.random.randrange(2):
                    told(client)
                self.server.kill()
            expected += [(f"o{number}-{n}", "main", 1) for n in range(orders - 1, left - 1, -1)]
            if self.random.randrange(3) == 0:
                subprocess.run(
                    [os.path.join(BIN_DIR, "stock-journal"), "compact", self.server.data],
                    check=True,
                    stdout=subprocess.DEVNULL,
                )
            self.server.start()
        with self.server.client() as client:
            wait_until(lambda: len(told(client)) >= len(expected), what="all that is short")
            settle(client)
            self.assertEqual(told(client), expected)

    def test_the_journal_has_them(self):
        with self.server.client() as client:
            client.call("receive", "r", "TEA", "main", 3)
            client.call("reserve", "o1", "default", [["TEA", 3]])
            client.call("count", "c1", "TEA", "main", 1)
            settle(client)
            client.call("count", "c2", "TEA", "main", 3)
            settle(client)
        told_short, covered = self.dump()
        self.assertEqual((told_short["id"], told_short["qty"]), ("o1", 2))
        self.assertEqual((told_short["since_lsn"] > 0, covered["since_lsn"]), (True, 0))


if __name__ == "__main__":
    main()
