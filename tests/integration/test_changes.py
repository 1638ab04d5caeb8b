# SPDX-License-Identifier: Apache-2.0
"""The method `changes`: whoever keeps a table from its pages alone has what `availability` says."""

import time

from feed_case import Load, Table, truth
from stockd_harness import SANITIZED, Server, StockdTestCase, main, seeded_random, unique


class Pages(StockdTestCase):
    options = ("--workers", "2")

    def now(self):
        return self.call("info", "limits")["lsn"]

    def changes(self, since, **options):
        return self.call("changes", since, *([options] if options else []))

    def test_an_item_that_changed_with_its_lsn(self):
        before = self.now()
        got = self.call("receive", unique("r"), "tea", "main", 5)
        page = self.changes(before)
        self.assertEqual(page["changes"], [["default", "tea", 5, got["lsn"]]])
        self.assertEqual((page["next"], page["resync"]), (page["lsn"], False))
        self.assertGreaterEqual(page["next"], got["lsn"])
        self.assertEqual(self.changes(page["next"])["changes"], [])

    def test_only_the_newest_of_each_item(self):
        before = self.now()
        sku = self.stocked(5)
        for _ in range(4):
            last = self.call("receive", unique("r"), sku, "main", 1)
        self.assertEqual(self.changes(before)["changes"], [["default", sku, 9, last["lsn"]]])

    def test_what_reservations_do(self):
        sku = self.stocked(5)
        since = self.now()
        for done, available in (("reserve", 3), ("cancel", 5)):
            if done == "reserve":
                ident = self.reserved([[sku, 2]])
            else:
                self.call("cancel", ident)
            page = self.changes(since)
            self.assertEqual([row[:3] for row in page["changes"]], [["default", sku, available]])
            since = page["next"]

    def test_an_expiry_is_a_change(self):
        sku = self.stocked(5)
        ident = self.reserved([[sku, 2]], ttl_ms=60000)
        since = self.now()
        self.call("extend", ident, 30)
        deadline = time.monotonic() + 30
        while [row[:3] for row in self.changes(since)["changes"]] != [["default", sku, 5]]:
            self.assertLess(time.monotonic(), deadline)

    def test_pages_in_the_order_of_lsns(self):
        since = self.now()
        skus = [self.stocked(n + 1) for n in range(7)]
        got = []
        while True:
            page = self.changes(since, limit=2)
            self.assertLessEqual(len(page["changes"]), 2)
            got += [row[1] for row in page["changes"]]
            self.assertTrue(all(since < row[3] <= page["next"] for row in page["changes"]))
            since = page["next"]
            if since == page["lsn"]:
                break
        self.assertEqual(got, skus)

    def test_what_one_order_changed_is_not_split(self):
        skus = [self.stocked(5) for _ in range(6)]
        since = self.now()
        order = unique("o")
        got = self.call("reserve", order, "default", [[sku, 1] for sku in skus])
        after = self.stocked(1)
        page = self.changes(since, limit=2)
        self.assertEqual(sorted(row[1] for row in page["changes"]), sorted(skus))
        self.assertEqual(page["next"], got["lsn"])
        self.assertEqual([r[1] for r in self.changes(page["next"])["changes"]], [after])

    def test_details_are_a_change_of_their_item(self):
        sku = self.stocked(5)
        since = self.now()
        got = self.call("item_set", sku, {"name": "a name"})
        self.assertEqual(self.changes(since)["changes"], [["default", sku, 5, got["lsn"]]])

    def test_parameters(self):
        self.refused("bad_request", "changes", names="since_lsn")
        self.refused("bad_request", "changes", -1, names="since_lsn")
        self.refused("bad_request", "changes", "0", names="since_lsn")
        self.refused("bad_request", "changes", 0, {"limit": 0}, names="limit")
        self.refused("bad_request", "changes", 0, {"limit": 10001}, names="limit")
        self.refused("bad_request", "changes", 0, {"sku": "a"}, names="sku")
        self.refused("unknown_channel", "changes", 0, {"channel": "nowhere"}, names="nowhere")

    def test_an_lsn_that_is_not_there_yet(self):
        for since in (self.now() + 8, 2**63, 2**64 - 1):
            page = self.changes(since)
            self.assertEqual((page["changes"], page["resync"]), ([], True))
            self.assertEqual(page["next"], page["lsn"])


class Catalogue(StockdTestCase):
    def test_a_small_change_tells_all_that_it_touches(self):
        self.call("location_set", "shop", {})
        self.call("channel_set", "web", {"locations": ["main", "shop"]})
        self.call("channel_set", "shop", {"locations": ["shop"]})
        for n in range(5):
            self.stocked(n + 3, sku=f"a{n}")
            self.stocked(1, location="shop", sku=f"a{n}")
        table = Table(self.client)
        table.catch_up()
        self.assertEqual(table.rows, truth(self.client))
        got = self.call("channel_set", "web", {"buffer": 2})
        page = self.call("changes", table.since)
        rows = sorted(row[:3] for row in page["changes"])
        self.assertEqual(rows, [["web", f"a{n}", n + 2] for n in range(5)])
        self.assertEqual({row[3] for row in page["changes"]}, {got["lsn"]})
        other = self.call("changes", table.since, {"channel": "shop"})
        self.assertEqual((other["changes"], other["resync"]), ([], False))
        for change in (
            ("location_set", "shop", {"ships": False}),
            ("location_set", "shop", {"active": False}),
            ("location_set", "new", {}),
            ("channel_set", "fresh", {"locations": ["main"]}),
            ("channel_set", "shop", {"locations": ["main", "shop"]}),
            ("channel_set", "web", {"buffer": 0}),
        ):
            self.call(*change)
            self.stocked(1, sku="a1")
            table.catch_up()
            self.assertEqual(table.rows, truth(self.client), change)
        self.assertEqual(table.resyncs, 0)

    def test_a_great_change_is_a_resync_and_loses_nothing(self):
        with Server() as server, server.client() as client:
            items, channels = 60, 170  # 10,200 rows: more than a page may hold
            for n in range(items):
                client.call("receive", unique("r"), f"b{n}", "main", n + 1)
            old = client.call("info", "limits")["lsn"]
            for n in range(channels - 1):
                client.call("channel_set", f"c{n}", {"buffer": n % 7})
            page = client.call("changes", old)
            self.assertEqual((page["changes"], page["resync"]), ([], True))
            self.assertFalse(client.call("changes", old, {"channel": "c3"})["resync"])
            table = Table(client, limit=700)
            table.catch_up()
            self.assertEqual(table.resyncs, 0, "a full read from 0 needs no resync")
            self.assertGreater(table.pages, 5)
            self.assertEqual(table.rows, truth(client))
            behind = Table(client, limit=700)
            behind.since = old
            behind.catch_up()
            self.assertEqual(behind.resyncs, 1)
            self.assertEqual(behind.rows, table.rows)
            # The catalogue changes in the middle of a full read: what was read is not to be had.
            torn = Table(client, limit=700)
            for _ in range(3):
                self.assertTrue(torn.page())
            client.call("channel_set", "c5", {"buffer": 11})
            client.call("location_set", "main", {"ships": False})
            torn.catch_up()
            self.assertEqual(torn.resyncs, 1)
            self.assertEqual(torn.rows, truth(client))
            # So it is on a connection that does not know what was read on another.
            other = Table(client, limit=700)
            other.page()
            with server.client() as stranger:
                other.client = stranger
                other.catch_up()
            self.assertEqual(other.resyncs, 1)
            self.assertEqual(other.rows, truth(client))


class Everything(StockdTestCase):
    """Tables that follow at different paces, from different places, under load, over restarts."""

    SECONDS = 2 if SANITIZED else 1.2

    def follow(self, server, random, tables):
        load = Load(server, random)
        deadline = time.monotonic() + self.SECONDS
        with server.client() as client:
            for table in tables:
                table.client = client
            while time.monotonic() < deadline:
                for n, table in enumerate(tables):
                    if random.randrange(1 << n) == 0:
                        table.page()
            load.stop()
            return load

    def check(self, server, tables):
        with server.client() as client:
            for n, table in enumerate(tables):
                table.client = client
                table.catch_up()
                self.assertEqual(table.rows, truth(client, table.options.get("channel")), n)

    def test_nothing_is_lost(self):
        random = seeded_random()
        with Server("--workers", "2") as server:
            with server.client() as client:
                client.call("channel_set", "web", {"buffer": 1})
            tables = [Table(None, limit) for limit in (1000, 1, 7, 20, 3)]
            tables.append(Table(None, 5, "web"))
            for way in ("run", "stop", "kill", "kill"):
                self.follow(server, random, tables)
                if way == "kill":
                    # Something is always under way when it dies.
                    load = Load(server, random)
                    time.sleep(0.05)
                    load.stopping.set()
                    server.restart(kill=True)
                    for thread in load.threads:
                        thread.join()
                elif way == "stop":
                    server.restart()
                self.check(server, tables)
            self.assertEqual([table.resyncs for table in tables], [0] * len(tables))


if __name__ == "__main__":
    main()
