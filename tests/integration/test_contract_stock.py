# SPDX-License-Identifier: Apache-2.0
"""The contract, part 2: movements of stock (receive, adjust, count, return) and the questions about
it.
"""

from stockd_harness import MAX_POOL, RpcError, StockdTestCase, main, unique

NOT_QUANTITIES = (
    0,
    -1,
    MAX_POOL + 1,
    2**31,
    2**32,
    2**32 + 1,
    2**63,
    2**64 - 1,
    -(2**63),
    1.5,
    1.0,
    "3",
    None,
    True,
    [],
    {},
)


class Receive(StockdTestCase):
    def test_result(self):
        sku = unique("SKU")
        got = self.call("receive", unique("r"), sku, "main", 5)
        self.assert_keys(got, "lsn", "on_hand", "available")
        self.assertEqual((got["on_hand"], got["available"]), (5, 5))
        got = self.call("receive", unique("r"), sku, "main", 7, {"ref": "PO-4711"})
        self.assertEqual((got["on_hand"], got["available"]), (12, 12))

    def test_available_is_less_what_is_reserved(self):
        sku = self.stocked(5)
        self.reserved([[sku, 2]])
        got = self.call("receive", unique("r"), sku, "main", 1)
        self.assertEqual((got["on_hand"], got["available"]), (6, 4))

    def test_figures_are_of_that_location(self):
        self.call("location_set", "elsewhere", {})
        sku = self.stocked(5)
        got = self.call("receive", unique("r"), sku, "elsewhere", 3)
        self.assertEqual((got["on_hand"], got["available"]), (3, 3))
        self.assertEqual(self.figures(sku), (8, 0, 8))

    def test_bad_quantities(self):
        sku = self.stocked(5)
        for qty in NOT_QUANTITIES:
            with self.subTest(qty=qty):
                self.refused("bad_request", "receive", unique("r"), sku, "main", qty, names="qty")
        self.assertEqual(self.figures(sku), (5, 0, 5))

    def test_a_refused_receive_makes_no_item(self):
        sku = unique("NEVER")
        self.refused("bad_request", "receive", unique("r"), sku, "main", 0)
        self.refused(
            "unknown_location", "receive", unique("r"), sku, "atlantis", 1, names="atlantis"
        )
        self.refused("unknown_sku", "stock", sku, names=sku)

    def test_largest_pool(self):
        sku = unique("SKU")
        got = self.call("receive", unique("r"), sku, "main", MAX_POOL)
        self.assertEqual((got["on_hand"], got["available"]), (MAX_POOL, MAX_POOL))
        self.refused("limit", "receive", unique("r"), sku, "main", 1)
        self.refused("limit", "receive", unique("r"), sku, "main", MAX_POOL)
        self.refused("limit", "return", unique("r"), sku, "main", 1)
        self.refused("limit", "adjust", unique("r"), sku, "main", 1)
        self.assertEqual(self.figures(sku), (MAX_POOL, 0, MAX_POOL))
        res = self.reserved([[sku, MAX_POOL]], confirm=True)
        self.assertEqual(self.figures(sku), (MAX_POOL, MAX_POOL, 0))
        self.call("fulfil", res)
        self.assertEqual(self.figures(sku), (0, 0, 0))

    def test_two_full_pools_of_one_item(self):
        self.call("location_set", "second", {})
        sku = unique("SKU")
        for location in ("main", "second"):
            self.call("receive", unique("r"), sku, location, MAX_POOL)
        self.assertEqual(self.figures(sku), (2 * MAX_POOL, 0, 2 * MAX_POOL))
        self.assertEqual(self.available(sku), 2 * MAX_POOL)

    def test_wrong_parameters(self):
        sku = unique("SKU")
        good = [unique("r"), sku, "main", 5]
        for place, name in enumerate(("id", "sku", "location", "qty")):
            for bad in (None, 1.5, [], {}, True, [sku]):
                with self.subTest(name=name, bad=bad):
                    params = list(good)
                    params[place] = bad
                    self.refused("bad_request", "receive", *params, names=name)
        for short in range(4):
            with self.subTest(short=short):
                error = self.refused("bad_request", "receive", *good[:short])
                self.assertIn(("id", "sku", "location", "qty")[short], error.message)
        self.refused("bad_request", "receive", *good, "not a map")
        self.refused("bad_request", "receive", *good, {"ref": 5}, names="ref")
        self.refused("bad_request", "receive", *good, {"reff": "x"}, names="reff")
        self.refused("bad_request", "receive", *good, {5: "x"})
        self.refused("bad_request", "receive", *good, {}, {})
        self.refused("unknown_sku", "stock", sku)

    def test_ids(self):
        sku = unique("SKU")
        for ident in ("x", "x" * 40, "ü" * 20, "a b/c", "\x01"):
            self.call("receive", ident, sku, "main", 1)
        for ident in ("", "x" * 41, "ü" * 21, 7, None):
            self.refused("bad_request", "receive", ident, sku, "main", 1, names="id")
        self.assertEqual(self.figures(sku), (5, 0, 5))

    def test_bad_location_code(self):
        self.refused("bad_request", "receive", unique("r"), "S", "no good", 1, names="location")
        self.refused("bad_request", "receive", unique("r"), "S", "", 1, names="location")
        self.refused("bad_request", "receive", unique("r"), "S", "x" * 33, 1, names="location")


class Adjust(StockdTestCase):
    def test_up_and_down(self):
        sku = self.stocked(10)
        got = self.call("adjust", unique("a"), sku, "main", -3, {"reason": "broken", "ref": "X1"})
        self.assert_keys(got, "lsn", "on_hand", "available")
        self.assertEqual((got["on_hand"], got["available"]), (7, 7))
        got = self.call("adjust", unique("a"), sku, "main", 5)
        self.assertEqual((got["on_hand"], got["available"]), (12, 12))

    def test_below_zero_on_hand(self):
        sku = self.stocked(3)
        error = self.refused("insufficient_stock", "adjust", unique("a"), sku, "main", -4)
        self.assert_lines(error, sku, 4, 3)
        self.assertEqual(self.figures(sku), (3, 0, 3))
        self.call("adjust", unique("a"), sku, "main", -3)
        self.assertEqual(self.figures(sku), (0, 0, 0))
        self.refused("insufficient_stock", "adjust", unique("a"), sku, "main", -1)

    def assert_lines(self, error, sku, wanted, available):
        (line,) = error.details["lines"]
        self.assertEqual((line["sku"], line["wanted"], line["available"]), (sku, wanted, available))

    def test_below_what_is_reserved_makes_the_pool_short(self):
        sku = self.stocked(10)
        self.reserved([[sku, 8]], confirm=True)
        got = self.call("adjust", unique("a"), sku, "main", -5)
        self.assertEqual((got["on_hand"], got["available"]), (5, -3))
        self.assertEqual(self.figures(sku), (5, 8, -3))
        self.assertEqual(self.available(sku), 0)

    def test_unknown_things(self):
        sku = self.stocked(3)
        self.refused(
            "unknown_sku", "adjust", unique("a"), "NEVER-SEEN", "main", 1, names="NEVER-SEEN"
        )
        self.refused(
            "unknown_location", "adjust", unique("a"), sku, "atlantis", 1, names="atlantis"
        )

    def test_bad_deltas(self):
        sku = self.stocked(3)
        for delta in (
            0,
            MAX_POOL + 1,
            -MAX_POOL - 1,
            2**63,
            -(2**63),
            2**64 - 1,
            1.5,
            "1",
            None,
            True,
            [],
        ):
            with self.subTest(delta=delta):
                self.refused(
                    "bad_request", "adjust", unique("a"), sku, "main", delta, names="delta"
                )
        self.assertEqual(self.figures(sku), (3, 0, 3))

    def test_unknown_option(self):
        sku = self.stocked(3)
        self.refused(
            "bad_request", "adjust", unique("a"), sku, "main", 1, {"reasons": "x"}, names="reasons"
        )
        self.refused(
            "bad_request", "adjust", unique("a"), sku, "main", 1, {"reason": 3}, names="reason"
        )


class Count(StockdTestCase):
    def test_makes_an_item(self):
        sku = unique("SKU")
        got = self.call("count", unique("c"), sku, "main", 8)
        self.assert_keys(got, "lsn", "delta", "on_hand", "available")
        self.assertEqual((got["delta"], got["on_hand"], got["available"]), (8, 8, 8))

    def test_delta(self):
        sku = self.stocked(10)
        for counted, delta in ((7, -3), (7, 0), (12, 5), (0, -12), (MAX_POOL, MAX_POOL)):
            got = self.call("count", unique("c"), sku, "main", counted, {"ref": "inventory"})
            self.assertEqual(
                (got["delta"], got["on_hand"], got["available"]), (delta, counted, counted)
            )

    def test_zero_counts_make_an_item_without_stock(self):
        sku = unique("SKU")
        self.assertEqual(self.call("count", unique("c"), sku, "main", 0)["delta"], 0)
        self.assertEqual(self.available(sku), 0)
        self.assertEqual(self.figures(sku), (0, 0, 0))

    def test_less_than_promised_is_short(self):
        sku = self.stocked(10)
        res = self.reserved([[sku, 6]], confirm=True)
        got = self.call("count", unique("c"), sku, "main", 4)
        self.assertEqual((got["delta"], got["on_hand"], got["available"]), (-6, 4, -2))
        stock = self.call("stock", sku)
        self.assertEqual((stock["on_hand"], stock["reserved"], stock["available"]), (4, 6, -2))
        self.assertEqual(self.available(sku), 0)
        error = self.refused("insufficient_stock", "reserve", unique("res"), "default", [[sku, 1]])
        self.assertEqual(error.details["lines"][0]["available"], 0)
        # what is there can be handed out, more cannot
        self.refused("insufficient_stock", "fulfil", res)
        self.assertEqual(self.state(res), "confirmed")
        self.assertEqual(self.figures(sku), (4, 6, -2))
        self.call("fulfil", res, [[sku, 4]], {"op": unique("f")})
        self.assertEqual(self.figures(sku), (0, 2, -2))
        self.call("receive", unique("r"), sku, "main", 3)
        self.assertEqual(self.figures(sku), (3, 2, 1))
        self.assertEqual(self.call("fulfil", res)["state"], "fulfilled")
        self.assertEqual(self.figures(sku), (1, 0, 1))

    def test_a_short_pool_does_not_eat_the_stock_of_another_place(self):
        self.call("location_set", "other", {})
        sku = self.stocked(5)
        self.reserved([[sku, 5, "main"]], confirm=True)
        self.call("receive", unique("r"), sku, "other", 4)
        self.call("count", unique("c"), sku, "main", 2)
        # what one reserve could take now, by the contract's word
        could = self.available(sku)
        self.assertEqual(could, 4)
        self.call("reserve", unique("res"), "default", [[sku, could]])

    def test_cancel_heals_a_short_pool(self):
        sku = self.stocked(10)
        res = self.reserved([[sku, 6]])
        self.call("count", unique("c"), sku, "main", 1)
        self.call("cancel", res)
        self.assertEqual(self.figures(sku), (1, 0, 1))

    def test_as_of_adds_what_moved_since(self):
        sku = self.stocked(20)
        ident = self.reserved([[sku, 6]], confirm=True)
        moment = self.moment()
        self.call("receive", unique("r"), sku, "main", 5)
        self.call("fulfil", ident, [[sku, 4]], {"op": unique("op")})
        self.call("adjust", unique("a"), sku, "main", -1)
        # 18 were there at that moment, not 20; since then 5 came and 5 went
        count = ("count", unique("c"), sku, "main", 18, {"as_of": moment})
        got = self.call(*count)
        self.assertEqual((got["delta"], got["on_hand"], got["available"]), (-2, 18, 16))
        self.assertEqual(self.call(*count), got)
        self.assertEqual(self.figures(sku), (18, 2, 16))

    def test_as_of_is_of_that_item_and_location(self):
        self.call("location_set", "else", {})
        sku, other = self.stocked(10), self.stocked(10)
        moment = self.moment()
        self.call("receive", unique("r"), sku, "else", 5)
        self.call("receive", unique("r"), other, "main", 7)
        got = self.call("count", unique("c"), sku, "main", 9, {"as_of": moment})
        self.assertEqual((got["delta"], got["on_hand"]), (-1, 9))

    def test_as_of_that_cannot_be_known_is_refused_not_guessed(self):
        sku = self.stocked(10)
        moment = self.moment()
        self.call("receive", unique("r"), sku, "main", 5)
        self.server.restart()
        self.reconnect()
        try:
            got = self.call("count", unique("c"), sku, "main", 10, {"as_of": moment})
        except RpcError as error:
            self.assertEqual(error.code, "bad_request")
            self.assertIn("as_of", error.message)
            self.assertEqual(self.figures(sku), (15, 0, 15))
        else:
            self.assertEqual((got["delta"], got["on_hand"]), (0, 15))
        for bad in ("yesterday", 1.5, -1, True, []):
            self.refused(
                "bad_request", "count", unique("c"), sku, "main", 1, {"as_of": bad}, names="as_of"
            )

    def test_bad_counted(self):
        sku = self.stocked(3)
        for counted in (
            -1,
            MAX_POOL + 1,
            2**32,
            2**63,
            2**64 - 1,
            1.5,
            2.0,
            "1",
            None,
            True,
            [],
            {},
        ):
            with self.subTest(counted=counted):
                self.refused(
                    "bad_request", "count", unique("c"), sku, "main", counted, names="counted"
                )
        self.assertEqual(self.figures(sku), (3, 0, 3))

    def test_unknown_things(self):
        self.refused(
            "unknown_location", "count", unique("c"), unique("SKU"), "atlantis", 1, names="atlantis"
        )
        self.refused(
            "bad_request",
            "count",
            unique("c"),
            unique("SKU"),
            "main",
            1,
            {"refs": "x"},
            names="refs",
        )


class Return(StockdTestCase):
    def test_brings_stock_back(self):
        sku = self.stocked(5)
        res = self.reserved([[sku, 2]], confirm=True)
        self.call("fulfil", res)
        got = self.call("return", unique("b"), sku, "main", 1)
        self.assert_keys(got, "lsn", "on_hand", "available")
        self.assertEqual((got["on_hand"], got["available"]), (4, 4))

    def test_for_a_reservation(self):
        sku = self.stocked(5)
        res = self.reserved([[sku, 2]], confirm=True)
        self.call("fulfil", res)
        got = self.call("return", unique("b"), sku, "main", 2, {"reservation": res})
        self.assertEqual((got["on_hand"], got["available"]), (5, 5))
        self.assertEqual(self.state(res), "fulfilled")

    def test_unknown_things(self):
        sku = self.stocked(5)
        self.refused(
            "unknown_sku", "return", unique("b"), "NEVER-SEEN", "main", 1, names="NEVER-SEEN"
        )
        self.refused(
            "unknown_location", "return", unique("b"), sku, "atlantis", 1, names="atlantis"
        )
        self.refused(
            "unknown_reservation",
            "return",
            unique("b"),
            sku,
            "main",
            1,
            {"reservation": "ghost"},
            names="ghost",
        )
        self.assertEqual(self.figures(sku), (5, 0, 5))

    def test_bad_parameters(self):
        sku = self.stocked(5)
        for qty in NOT_QUANTITIES:
            with self.subTest(qty=qty):
                self.refused("bad_request", "return", unique("b"), sku, "main", qty, names="qty")
        self.refused(
            "bad_request", "return", unique("b"), sku, "main", 1, {"mood": "bad"}, names="mood"
        )
        self.refused(
            "bad_request",
            "return",
            unique("b"),
            sku,
            "main",
            1,
            {"reservation": 5},
            names="reservation",
        )
        self.refused(
            "bad_request",
            "return",
            unique("b"),
            sku,
            "main",
            1,
            {"condition": 5},
            names="condition",
        )
        self.assertEqual(self.figures(sku), (5, 0, 5))

    def test_damaged_goods_are_not_sold(self):
        sku = self.stocked(5)
        got = self.call("return", unique("b"), sku, "main", 2, {"condition": "damaged"})
        self.assertEqual((got["on_hand"], got["available"]), (5, 5))
        self.assertEqual(self.available(sku), 5)
        stock = self.call("stock", sku)
        self.assertEqual((stock["on_hand"], stock["available"]), (5, 5))
        damaged = [pool for pool in stock["pools"] if pool["kind"] == "damaged"]
        self.assertEqual([(pool["location"], pool["on_hand"]) for pool in damaged], [("main", 2)])
        got = self.call("return", unique("b"), sku, "main", 2, {"condition": "as new"})
        self.assertEqual((got["on_hand"], got["available"]), (7, 7))

    def test_to_another_location(self):
        self.call("location_set", "returns", {})
        sku = self.stocked(5)
        got = self.call("return", unique("b"), sku, "returns", 2)
        self.assertEqual((got["on_hand"], got["available"]), (2, 2))


class Questions(StockdTestCase):
    def test_availability(self):
        full, empty = self.stocked(5), unique("SKU")
        self.call("item_set", empty, {})
        got = self.call("availability", "default", [full, "NEVER-SEEN", empty, full])
        self.assert_keys(got, "lsn", "stock")
        self.assertEqual(got["stock"], [5, None, 0, 5])
        self.assertEqual(self.call("availability", "default", [])["stock"], [])

    def test_availability_bad_parameters(self):
        self.refused("unknown_channel", "availability", "nowhere", ["A"], names="nowhere")
        for params in (
            (),
            ("default",),
            (5, []),
            ("default", "A"),
            ("default", {}),
            ("default", None),
            ("default", [5]),
        ):
            with self.subTest(params=params):
                self.refused("bad_request", "availability", *params)

    def test_4096_skus_are_fine(self):
        sku = self.stocked(5)
        got = self.call("availability", "default", [sku, "NEVER-SEEN"] * 2048)
        self.assertEqual(got["stock"], [5, None] * 2048)

    def test_stock(self):
        self.call("location_set", "annex", {})
        sku = self.stocked(5)
        self.call("receive", unique("r"), sku, "annex", 3)
        self.reserved([[sku, 2, "annex"]])
        got = self.call("stock", sku)
        self.assert_keys(got, "lsn", "on_hand", "reserved", "available", "pools")
        self.assertEqual((got["on_hand"], got["reserved"], got["available"]), (8, 2, 6))
        pools = {}
        for pool in got["pools"]:
            for key in ("location", "kind", "channel", "on_hand", "reserved", "eta_ms"):
                self.assertIn(key, pool)
            self.assertEqual((pool["kind"], pool["channel"]), ("shared", None))
            pools[pool["location"]] = (pool["on_hand"], pool["reserved"])
        self.assertEqual(pools, {"main": (5, 0), "annex": (3, 2)})

    def test_stock_lists_every_pool_with_figures(self):
        self.call("location_set", "drained", {})
        self.call("location_set", "all-reserved", {})
        sku = self.stocked(5)
        self.call("receive", unique("r"), sku, "drained", 3)
        self.call("adjust", unique("a"), sku, "drained", -3)
        self.call("receive", unique("r"), sku, "all-reserved", 2)
        self.reserved([[sku, 2, "all-reserved"]])
        pools = self.call("stock", sku)["pools"]
        figures = {pool["location"]: (pool["on_hand"], pool["reserved"]) for pool in pools}
        self.assertEqual(len(figures), len(pools), "one shared pool for each location")
        self.assertEqual(figures.pop("drained", (0, 0)), (0, 0))
        self.assertEqual(figures, {"main": (5, 0), "all-reserved": (2, 2)})

    def test_stock_bad_parameters(self):
        self.refused("unknown_sku", "stock", "NEVER-SEEN", names="NEVER-SEEN")
        self.refused("bad_request", "stock")
        self.refused("bad_request", "stock", 5, names="sku")

    def test_what_availability_says_one_reserve_can_take(self):
        for location in ("a", "b", "c"):
            self.call("location_set", location, {})
        sku = self.stocked(5)
        self.call("receive", unique("r"), sku, "a", 3)
        self.call("receive", unique("r"), sku, "c", 7)
        self.call("channel_set", "buffered", {"buffer": 4})
        could = self.available(sku, "buffered")
        self.assertEqual(could, 11)
        with self.assertRaises(RpcError):
            self.call("reserve", unique("res"), "buffered", [[sku, could + 1]])
        self.call("reserve", unique("res"), "buffered", [[sku, could]])
        self.assertEqual(self.available(sku, "buffered"), 0)
        self.assertEqual(self.available(sku), 4)

    def test_restart_changes_nothing(self):
        sku = self.stocked(50)
        held = self.reserved([[sku, 3]])
        confirmed = self.reserved([[sku, 4]], confirm=True)
        self.call("count", unique("c"), sku, "main", 45)
        self.call("adjust", unique("a"), sku, "main", -1)
        self.call("return", unique("b"), sku, "main", 2)
        questions = (
            ("stock", sku),
            ("reservation", held),
            ("reservation", confirmed),
            ("availability", "default", [sku]),
        )

        def answers():
            return [
                {key: value for key, value in self.call(*q).items() if key != "lsn"}
                for q in questions
            ]

        before, lsn = answers(), self.call("stock", sku)["lsn"]
        for kill in (False, True):
            self.server.restart(kill=kill)
            self.reconnect()
            self.assertEqual(answers(), before)
            self.assertGreaterEqual(self.call("stock", sku)["lsn"], lsn)


if __name__ == "__main__":
    main()
