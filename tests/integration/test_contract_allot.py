# SPDX-License-Identifier: Apache-2.0
"""The contract: units that are one channel's own (allot), and what the other movements make of
them.
"""

from stockd_harness import MAX_POOL, Server, StockdTestCase, main, unique


class AllotCase(StockdTestCase):
    """Each test has an item and channels of its own."""

    def setUp(self):
        super().setUp()
        self.web, self.shop = unique("web"), unique("shop")
        for channel in (self.web, self.shop):
            self.call("channel_set", channel, {})

    def allot(self, sku, qty, channel=None, location="main", id=None):
        got = self.call("allot", id or unique("a"), sku, location, channel or self.web, qty)
        self.assert_keys(got, "lsn", "allotted", "available")
        return got["allotted"], got["available"]

    def pools(self, sku):
        """{(location, kind, channel): (on_hand, reserved)}, empty pools left out."""
        return {
            (pool["location"], pool["kind"], pool["channel"]): (pool["on_hand"], pool["reserved"])
            for pool in self.call("stock", sku)["pools"]
            if pool["on_hand"] or pool["reserved"]
        }


class Allot(AllotCase):
    def test_to_and_fro(self):
        sku = self.stocked(10)
        self.assertEqual(self.allot(sku, 4), (4, 10))
        self.assertEqual(self.allot(sku, 2), (6, 10))
        self.assertEqual(self.allot(sku, 3, self.shop), (3, 10))
        self.assertEqual(
            self.pools(sku),
            {
                ("main", "shared", None): (1, 0),
                ("main", "allotted", self.web): (6, 0),
                ("main", "allotted", self.shop): (3, 0),
            },
        )
        self.assertEqual(self.figures(sku), (10, 0, 10))
        self.assertEqual(self.available(sku, self.web), 7)
        self.assertEqual(self.available(sku, self.shop), 4)
        self.assertEqual(self.available(sku), 1)
        self.assertEqual(self.allot(sku, -6), (0, 10))
        self.assertEqual(self.available(sku), 7)

    def test_who_sees_less_is_told(self):
        """Both ways: what one channel gets is gone for the others, and what it gives back is there."""
        sku = self.stocked(10)
        for qty, left in ((4, 6), (-4, 10)):
            since = self.call("info", "server")["lsn"]
            self.allot(sku, qty)
            rows = self.call("changes", since, {"channel": self.shop})["changes"]
            self.assertEqual([row[:3] for row in rows], [[self.shop, sku, left]])

    def test_own_first_then_shared(self):
        sku = self.stocked(10)
        self.allot(sku, 4)
        self.reserved([[sku, 3]], self.web)
        self.assertEqual(self.pools(sku)["main", "allotted", self.web], (4, 3))
        self.reserved([[sku, 3]], self.web)
        self.assertEqual(self.pools(sku)["main", "allotted", self.web], (4, 4))
        self.assertEqual(self.pools(sku)["main", "shared", None], (6, 2))

    def test_nobody_elses(self):
        sku = self.stocked(10)
        self.allot(sku, 8)
        self.refused("insufficient_stock", "reserve", unique("o"), self.shop, [[sku, 3]])
        self.reserved([[sku, 2]], self.shop)
        self.assertEqual(self.available(sku, self.shop), 0)
        self.assertEqual(self.available(sku, self.web), 8)
        self.refused("insufficient_stock", "allot", unique("a"), sku, "main", self.shop, 1)

    def test_only_free_units_move(self):
        sku = self.stocked(10)
        self.reserved([[sku, 7]], self.shop)
        error = self.refused("insufficient_stock", "allot", unique("a"), sku, "main", self.web, 4)
        self.assertEqual(
            {key: error.details[key] for key in ("sku", "wanted", "available")},
            {"sku": sku, "wanted": 4, "available": 3},
        )
        self.allot(sku, 3)
        self.reserved([[sku, 2]], self.web)
        error = self.refused("insufficient_stock", "allot", unique("a"), sku, "main", self.web, -2)
        self.assertEqual((error.details["wanted"], error.details["available"]), (2, 1))
        self.assertEqual(self.allot(sku, -1), (2, 1))

    def test_promises_are_kept(self):
        sku = self.stocked(10)
        self.allot(sku, 6)
        order = self.reserved([[sku, 8]], self.web, confirm=True)
        self.call("channel_set", self.web, {"buffer": 100, "locations": []})
        self.call("location_set", "main", {"active": False})
        try:
            self.assertEqual(self.available(sku, self.web), 0)
            self.call("fulfil", order, [[sku, 5]], {"op": unique("p")})
            self.call("fulfil", order)
        finally:
            self.call("location_set", "main", {"active": True})
        self.assertEqual(self.state(order), "fulfilled")
        self.assertEqual(self.figures(sku), (2, 0, 2))

    def test_a_cancelled_order_gives_back_to_where_it_took_from(self):
        sku = self.stocked(10)
        self.allot(sku, 6)
        order = self.reserved([[sku, 8]], self.web)
        self.call("cancel", order)
        self.assertEqual(self.available(sku, self.shop), 4)
        self.assertEqual(self.available(sku, self.web), 10)

    def test_the_buffer_is_over_both(self):
        sku = self.stocked(10)
        self.call("channel_set", self.web, {"buffer": 3})
        self.allot(sku, 6)
        self.assertEqual(self.available(sku, self.web), 7)
        self.call("allot", unique("a"), sku, "main", self.shop, 4)
        self.assertEqual(self.available(sku, self.web), 3)
        self.reserved([[sku, 3]], self.web)
        self.refused("insufficient_stock", "reserve", unique("o"), self.web, [[sku, 1]])

    def test_again_with_the_same_id(self):
        sku, id = self.stocked(10), unique("a")
        first = self.call("allot", id, sku, "main", self.web, 4)
        self.allot(sku, 2)
        self.assertEqual(self.call("allot", id, sku, "main", self.web, 4), first)
        self.refused("conflict", "allot", id, sku, "main", self.web, 5)
        self.refused("conflict", "allot", id, sku, "main", self.shop, 4)
        self.refused("conflict", "receive", id, sku, "main", 4)
        self.assertEqual(self.pools(sku)["main", "allotted", self.web], (6, 0))

    def test_what_it_names_must_be(self):
        sku = self.stocked(10)
        for params, code, name in (
            (("NEVER", "main", self.web, 1), "unknown_sku", "NEVER"),
            ((sku, "atlantis", self.web, 1), "unknown_location", "atlantis"),
            ((sku, "main", "nobody", 1), "unknown_channel", "nobody"),
            ((sku, "main", self.web, 0), "bad_request", "qty"),
            ((sku, "main", self.web, MAX_POOL + 1), "bad_request", "qty"),
            ((sku, "main", self.web, -MAX_POOL - 1), "bad_request", "qty"),
            ((sku, "main", self.web, "1"), "bad_request", "qty"),
            ((sku, "main", "", 1), "bad_request", "channel"),
            ((sku, "main", self.web), "bad_request", "qty"),
            ((sku, "main", self.web, 1, {}), "bad_request", "too many"),
        ):
            with self.subTest(params=params):
                self.refused(code, "allot", unique("a"), *params, names=name)
        self.assertEqual(self.pools(sku), {("main", "shared", None): (10, 0)})

    def test_full_pools(self):
        sku = self.stocked(MAX_POOL)
        self.assertEqual(self.allot(sku, MAX_POOL), (MAX_POOL, MAX_POOL))
        self.call("receive", unique("r"), sku, "main", MAX_POOL)
        self.refused("limit", "allot", unique("a"), sku, "main", self.web, 1)
        self.refused("limit", "allot", unique("a"), sku, "main", self.web, -1)
        self.assertEqual(self.available(sku, self.web), 2 * MAX_POOL)
        self.assertEqual(self.allot(sku, MAX_POOL, self.shop), (MAX_POOL, 2 * MAX_POOL))

    def test_sums_over_many_full_pools(self):
        sku = unique("SKU")
        channels = [unique("c") for _ in range(9)]
        for i, channel in enumerate(channels):
            self.call("channel_set", channel, {})
            self.call("receive", unique("r"), sku, "main", MAX_POOL)
            self.assertEqual(
                self.allot(sku, MAX_POOL, channel), (MAX_POOL, (i + 1) * MAX_POOL)
            )
        got = self.call("receive", id := unique("r"), sku, "main", 5)
        self.assertEqual((got["on_hand"], got["available"]), (9 * MAX_POOL + 5,) * 2)
        self.assertEqual(self.call("receive", id, sku, "main", 5), got)
        self.assertEqual(self.figures(sku), (9 * MAX_POOL + 5, 0, 9 * MAX_POOL + 5))


class OtherMovements(AllotCase):
    """People count the units at a location, not its pools."""

    def count(self, sku, counted, **options):
        got = self.call("count", unique("c"), sku, "main", counted, *([options] if options else []))
        return got["delta"], got["on_hand"], got["available"]

    def shared_and_own(self, sku):
        pools = self.pools(sku)
        return (
            pools.get(("main", "shared", None), (0, 0)),
            pools.get(("main", "allotted", self.web), (0, 0)),
        )

    def test_a_count_is_of_all_of_them(self):
        sku = self.stocked(10)
        self.allot(sku, 6)
        self.assertEqual(self.count(sku, 10), (0, 10, 10))
        self.assertEqual(self.count(sku, 13), (3, 13, 13))
        self.assertEqual(self.shared_and_own(sku), ((7, 0), (6, 0)))
        self.assertEqual(self.count(sku, 8), (-5, 8, 8))
        self.assertEqual(self.shared_and_own(sku), ((2, 0), (6, 0)))
        self.assertEqual(self.count(sku, 5), (-3, 5, 5))
        self.assertEqual(self.shared_and_own(sku), ((0, 0), (5, 0)))

    def test_promised_units_go_last(self):
        sku = self.stocked(10)
        self.allot(sku, 6)
        kept = self.reserved([[sku, 3]], self.shop, confirm=True)
        own = self.reserved([[sku, 2]], self.web, confirm=True)
        self.assertEqual(self.count(sku, 5), (-5, 5, 0))
        self.assertEqual(self.shared_and_own(sku), ((3, 3), (2, 2)))
        self.assertEqual(self.count(sku, 4), (-1, 4, -1))
        self.assertEqual(self.shared_and_own(sku), ((2, 3), (2, 2)))
        self.call("fulfil", own)
        self.refused("insufficient_stock", "fulfil", kept)

    def test_a_count_of_a_while_ago(self):
        sku = self.stocked(10)
        self.allot(sku, 6)
        as_of = self.moment()
        order = self.reserved([[sku, 8]], self.web, confirm=True)
        self.call("fulfil", order)
        self.allot(sku, 1)
        self.assertEqual(self.count(sku, 10, as_of=as_of), (0, 2, 2))

    def test_an_adjustment_takes_from_all_of_them(self):
        sku = self.stocked(10)
        self.allot(sku, 6)
        got = self.call("adjust", unique("a"), sku, "main", -7)
        self.assertEqual((got["on_hand"], got["available"]), (3, 3))
        self.assertEqual(self.shared_and_own(sku), ((0, 0), (3, 0)))
        error = self.refused("insufficient_stock", "adjust", unique("a"), sku, "main", -4)
        self.assertEqual(error.details["available"], 3)
        got = self.call("adjust", unique("a"), sku, "main", 2)
        self.assertEqual(self.shared_and_own(sku), ((2, 0), (3, 0)))

    def test_what_comes_in_is_shared(self):
        sku = self.stocked(10)
        self.allot(sku, 10)
        got = self.call("return", unique("r"), sku, "main", 2)
        self.assertEqual((got["on_hand"], got["available"]), (12, 12))
        got = self.call("receive", unique("r"), sku, "main", 1)
        self.assertEqual((got["on_hand"], got["available"]), (13, 13))
        self.assertEqual(self.shared_and_own(sku), ((3, 0), (10, 0)))

    def test_an_export_has_a_row_for_each_location(self):
        sku = self.stocked(10)
        self.allot(sku, 6)
        self.reserved([[sku, 7]], self.web)
        cursor = 0
        found = None
        while cursor is not None and not found:
            got = self.call("items", cursor)
            found = dict(got["items"]).get(sku)
            cursor = got["next"]
        self.assertEqual(found, [["main", 10, 7, 3]])


class History(AllotCase):
    """An allotment, and a count over several pools, is told pool by pool."""

    def told(self, *params):
        keys = ("type", "location", "kind", "channel", "qty", "on_hand")
        return [tuple(e[key] for key in keys) for e in self.call("history", *params)["events"]]

    def test_what_happened_to_each_pool(self):
        sku, a, c = self.stocked(10), unique("a"), unique("c")
        self.call("allot", a, sku, "main", self.web, 6)
        self.allot(sku, -1)
        self.call("count", c, sku, "main", 3)
        story = self.told(sku)[2:]
        self.assertEqual(
            story,
            [
                ("allot", "main", "shared", self.web, -6, 4),
                ("allot", "main", "allotted", self.web, 6, 6),
                ("allot", "main", "allotted", self.web, -1, 5),
                ("allot", "main", "shared", self.web, 1, 5),
                ("count", "main", "shared", None, -5, 0),
                ("count", "main", "allotted", self.web, -2, 3),
            ],
        )
        self.assertEqual([e[:5] for e in story[:2]], [e[:5] for e in self.told(None, {"id": a})])
        self.assertEqual([e[:5] for e in story[4:]], [e[:5] for e in self.told(None, {"id": c})])
        lsn = self.call("stock", sku)["lsn"]
        now = self.call("stock", sku)["pools"]
        for pool in now:
            del pool["active"]  # of the place as it is, which is no part of the past
        self.assertEqual(
            sorted(map(repr, self.call("stock", sku, {"at_lsn": lsn})["pools"])),
            sorted(map(repr, now)),
        )


class Restart(StockdTestCase):
    def test_allotments_and_counts_over_them_are_recovered(self):
        with Server() as server:
            with server.client() as client:
                client.call("channel_set", "web", {})
                client.call("receive", "r", "TEE", "main", 20)
                first = client.call("allot", "a1", "TEE", "main", "web", 9)
                client.call("allot", "a2", "TEE", "main", "web", -2)
                client.call("reserve", "o", "web", [["TEE", 3]])
                counted = client.call("count", "c", "TEE", "main", 5)
                before = client.call("stock", "TEE")
            server.restart(kill=True)
            with server.client() as client:
                self.assertEqual(client.call("stock", "TEE")["pools"], before["pools"])
                self.assertEqual(client.call("allot", "a1", "TEE", "main", "web", 9), first)
                self.assertEqual(client.call("count", "c", "TEE", "main", 5), counted)
                self.assertEqual(client.call("availability", "web", ["TEE"])["stock"], [2])


if __name__ == "__main__":
    main()
