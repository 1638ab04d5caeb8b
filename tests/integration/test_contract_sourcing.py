# SPDX-License-Identifier: Apache-2.0
"""The contract, part 4: where an order's units come from; channels, priorities, buffers, inactive
places.
"""

from stockd_harness import RpcError, StockdTestCase, main, unique


class Sourcing(StockdTestCase):
    """Each test has locations and channels of its own, so that the priorities do not meddle."""

    def setUp(self):
        super().setUp()
        self.places = {}

    def place(self, name, priority=None, **options):
        code = unique(name)
        if priority is not None:
            options["priority"] = priority
        self.call("location_set", code, options)
        self.places[code] = options
        return code

    def channel(self, *locations, **options):
        code = unique("ch")
        self.call(
            "channel_set", code, {"locations": list(locations), "sourcing": "priority", **options}
        )
        return code

    def item(self, **stock):
        sku = unique("SKU")
        self.call("item_set", sku, {})
        return sku

    def put(self, sku, location, qty):
        self.call("receive", unique("r"), sku, location, qty)

    def drawn(self, channel, lines, **options):
        """Reserves; returns {(sku, location): qty}."""
        got = self.call("reserve", unique("res"), channel, lines, *([options] if options else []))
        total = {}
        for sku, location, qty, _ready in got["lines"]:
            total[sku, location] = total.get((sku, location), 0) + qty
        return total

    def test_lower_priority_number_first(self):
        a, b, c = self.place("a", 30), self.place("b", 10), self.place("c", 20)
        channel, sku = self.channel(a, b, c), self.item()
        for place in (a, b, c):
            self.put(sku, place, 5)
        self.assertEqual(self.drawn(channel, [[sku, 5]]), {(sku, b): 5})
        self.assertEqual(self.drawn(channel, [[sku, 5]]), {(sku, c): 5})
        self.assertEqual(self.drawn(channel, [[sku, 5]]), {(sku, a): 5})

    def test_fewest_sends_one_parcel_if_one_place_has_it_all(self):
        a, b, c = self.place("a", 1), self.place("b", 2), self.place("c", 3)
        channel = self.channel(a, b, c, sourcing="fewest")
        tee, cap = self.item(), self.item()
        for place, tees, caps in ((a, 9, 1), (b, 4, 1), (c, 5, 5)):
            self.put(tee, place, tees)
            self.put(cap, place, caps)
        order = [[tee, 3], [cap, 2], [tee, 2]]
        self.assertEqual(self.drawn(channel, order), {(tee, c): 5, (cap, c): 2})
        self.assertEqual(self.drawn(channel, [[tee, 4], [cap, 1]]), {(tee, a): 4, (cap, a): 1})

    def test_fewest_prefers_places_that_are_used_anyway(self):
        a, b = self.place("a", 1), self.place("b", 2)
        channel = self.channel(a, b, sourcing="fewest")
        tee, cap = self.item(), self.item()
        for place in (a, b):
            self.put(tee, place, 5)
            self.put(cap, place, 5)
        order = [[tee, 1, b], [cap, 2]]
        self.assertEqual(self.drawn(channel, order), {(tee, b): 1, (cap, b): 2})
        self.assertEqual(self.drawn(channel, [[tee, 6]]), {(tee, a): 5, (tee, b): 1})

    def test_balance_takes_from_where_there_is_most(self):
        a, b = self.place("a", 1), self.place("b", 2)
        channel, sku = self.channel(a, b, sourcing="balance"), self.item()
        self.put(sku, a, 5)
        self.put(sku, b, 6)
        self.assertEqual(self.drawn(channel, [[sku, 2]]), {(sku, b): 2})
        self.assertEqual(self.drawn(channel, [[sku, 8]]), {(sku, a): 5, (sku, b): 3})

    def test_own_units_come_first_wherever_they_are(self):
        a, b = self.place("a", 1), self.place("b", 2)
        for sourcing in ("priority", "fewest", "nearest", "balance"):
            channel, sku = self.channel(a, b, sourcing=sourcing), self.item()
            self.put(sku, a, 10)
            self.put(sku, b, 4)
            self.call("allot", unique("al"), sku, b, channel, 3)
            self.assertEqual(self.drawn(channel, [[sku, 2]]), {(sku, b): 2}, sourcing)
            self.assertEqual(self.drawn(channel, [[sku, 2]])[sku, b], 2 if sourcing == "fewest" else 1)

    def test_default_priority_is_100(self):
        late, plain, early = self.place("late", 101), self.place("plain"), self.place("early", 99)
        channel, sku = self.channel(late, plain, early), self.item()
        for place in (late, plain, early):
            self.put(sku, place, 1)
        self.assertEqual(self.drawn(channel, [[sku, 1]]), {(sku, early): 1})
        self.assertEqual(self.drawn(channel, [[sku, 1]]), {(sku, plain): 1})
        self.assertEqual(self.drawn(channel, [[sku, 1]]), {(sku, late): 1})

    def test_a_changed_priority_counts_at_once(self):
        a, b = self.place("a", 10), self.place("b", 20)
        channel, sku = self.channel(a, b), self.item()
        for place in (a, b):
            self.put(sku, place, 5)
        self.assertEqual(self.drawn(channel, [[sku, 1]]), {(sku, a): 1})
        self.call("location_set", b, {"priority": 5})
        self.assertEqual(self.drawn(channel, [[sku, 1]]), {(sku, b): 1})

    def test_a_line_is_split(self):
        a, b, c = self.place("a", 1), self.place("b", 2), self.place("c", 3)
        channel, sku = self.channel(a, b, c), self.item()
        for place, qty in ((a, 2), (b, 3), (c, 10)):
            self.put(sku, place, qty)
        self.assertEqual(self.drawn(channel, [[sku, 7]]), {(sku, a): 2, (sku, b): 3, (sku, c): 2})
        self.assertEqual(self.available(sku, channel), 8)

    def test_split_lines_come_back_whole(self):
        a, b = self.place("a", 1), self.place("b", 2)
        channel, sku = self.channel(a, b), self.item()
        self.put(sku, a, 2)
        self.put(sku, b, 3)
        ident = unique("res")
        got = self.call("reserve", ident, channel, [[sku, 4]])
        lines = [line[:3] for line in self.call("reservation", ident)["lines"]]
        self.assertEqual(lines, [line[:3] for line in got["lines"]])
        self.call("cancel", ident)
        self.assertEqual(self.figures(sku), (5, 0, 5))

    def test_split_with_fulfil(self):
        a, b = self.place("a", 1), self.place("b", 2)
        channel, sku = self.channel(a, b), self.item()
        self.put(sku, a, 2)
        self.put(sku, b, 3)
        ident = unique("res")
        self.call("reserve", ident, channel, [[sku, 4]], {"confirm": True})
        self.call("fulfil", ident, [[sku, 3]], {"op": unique("op")})
        pools = {
            pool["location"]: (pool["on_hand"], pool["reserved"])
            for pool in self.call("stock", sku)["pools"]
        }
        self.assertEqual(pools.pop(a, (0, 0)), (0, 0))
        self.assertEqual(pools, {b: (2, 1)})

    def test_several_lines_share_what_is_there(self):
        a, b = self.place("a", 1), self.place("b", 2)
        channel, sku, other = self.channel(a, b), self.item(), self.item()
        for item, place, qty in ((sku, a, 3), (sku, b, 3), (other, b, 1)):
            self.put(item, place, qty)
        got = self.drawn(channel, [[sku, 2], [other, 1], [sku, 3]])
        self.assertEqual(got, {(sku, a): 3, (sku, b): 2, (other, b): 1})
        with self.assertRaises(RpcError):
            self.drawn(channel, [[sku, 1], [sku, 1]])

    def test_a_bound_line_and_a_free_line_of_one_sku(self):
        a, b = self.place("a", 1), self.place("b", 2)
        channel, sku = self.channel(a, b), self.item()
        self.put(sku, a, 3)
        self.put(sku, b, 2)
        # together they are there, whichever line is looked at first
        for lines in ([[sku, 3], [sku, 2, a]], [[sku, 2, a], [sku, 3]]):
            with self.subTest(lines=lines):
                ident = unique("res")
                self.call("reserve", ident, channel, lines)
                self.assertEqual(self.available(sku, channel), 0)
                self.call("cancel", ident)

    def test_a_line_bound_to_a_location(self):
        a, b = self.place("a", 1), self.place("b", 2)
        channel, sku = self.channel(a, b), self.item()
        self.put(sku, a, 5)
        self.put(sku, b, 2)
        self.assertEqual(self.drawn(channel, [[sku, 2, b]]), {(sku, b): 2})
        error = self.refused("insufficient_stock", "reserve", unique("res"), channel, [[sku, 1, b]])
        (line,) = error.details["lines"]
        self.assertEqual((line["sku"], line["wanted"], line["available"]), (sku, 1, 0))
        self.assertEqual(self.available(sku, channel), 5)

    def test_at_binds_every_line(self):
        a, b = self.place("a", 1), self.place("b", 2)
        channel, one, two = self.channel(a, b), self.item(), self.item()
        for item in (one, two):
            self.put(item, a, 5)
            self.put(item, b, 5)
        self.assertEqual(
            self.drawn(channel, [[one, 2], [two, 3]], at=b), {(one, b): 2, (two, b): 3}
        )
        error = self.refused(
            "insufficient_stock", "reserve", unique("res"), channel, [[one, 3], [two, 3]], {"at": b}
        )
        self.assertEqual([line["sku"] for line in error.details["lines"]], [two])
        self.assertEqual(self.figures(one), (10, 2, 8))

    def test_a_channel_with_locations_sells_from_no_other(self):
        a, b = self.place("a", 1), self.place("b", 2)
        channel, sku = self.channel(a), self.item()
        self.put(sku, a, 2)
        self.put(sku, b, 50)
        self.assertEqual(self.available(sku, channel), 2)
        error = self.refused("insufficient_stock", "reserve", unique("res"), channel, [[sku, 3]])
        self.assertEqual(error.details["lines"][0]["available"], 2)
        for lines, options in (([[sku, 1, b]], {}), ([[sku, 1]], {"at": b})):
            with self.subTest(lines=lines):
                with self.assertRaises(RpcError):
                    self.drawn(channel, lines, **options)
        self.assertEqual(self.figures(sku), (52, 0, 52))
        self.assertEqual(self.available(sku), 52)

    def test_channels_share_the_same_units(self):
        a = self.place("a", 1)
        one, two, sku = self.channel(a), self.channel(a), self.item()
        self.put(sku, a, 5)
        self.drawn(one, [[sku, 3]])
        self.assertEqual((self.available(sku, one), self.available(sku, two)), (2, 2))

    def test_a_channel_may_change_its_locations(self):
        a, b = self.place("a", 1), self.place("b", 2)
        channel, sku = self.channel(a), self.item()
        self.put(sku, a, 2)
        self.put(sku, b, 3)
        self.call("channel_set", channel, {"locations": [b], "sourcing": "priority"})
        self.assertEqual(self.available(sku, channel), 3)

    def test_a_location_named_twice_counts_once(self):
        a, b = self.place("a", 1), self.place("b", 2)
        channel, sku = self.channel(a, a, b, a), self.item()
        self.put(sku, a, 2)
        self.put(sku, b, 1)
        self.assertEqual(self.available(sku, channel), 3)
        self.refused("insufficient_stock", "reserve", unique("res"), channel, [[sku, 4]])
        self.assertEqual(self.drawn(channel, [[sku, 3]]), {(sku, a): 2, (sku, b): 1})

    def test_more_places_than_one_order_may_draw_from(self):
        """Refused as a whole, or done as a whole."""
        places = [self.place("p") for _ in range(8)]
        channel = self.channel(*places)
        skus = [self.item() for _ in range(200)]
        self.client.pipeline(
            ("receive", unique("r"), sku, place, 1) for sku in skus for place in places
        )
        lines = [[sku, 8] for sku in skus]
        try:
            self.call("reserve", unique("res"), channel, lines)
            reserved = 8
        except RpcError as error:
            self.assertEqual(error.code, "limit")
            reserved = 0
        for sku in (skus[0], skus[-1]):
            self.assertEqual(self.figures(sku), (8, reserved, 8 - reserved))

    def test_inactive_location(self):
        a, b = self.place("a", 1), self.place("b", 2)
        channel, sku = self.channel(a, b), self.item()
        self.put(sku, a, 5)
        self.put(sku, b, 3)
        ident = unique("res")
        self.call("reserve", ident, channel, [[sku, 2, a]], {"confirm": True})
        self.call("location_set", a, {"priority": 1, "active": False})
        self.assertEqual(self.available(sku, channel), 3)
        self.assertEqual(self.available(sku), 3)
        stock = self.call("stock", sku)
        self.assertEqual((stock["on_hand"], stock["reserved"], stock["available"]), (8, 2, 3))
        active = {pool["location"]: pool["active"] for pool in stock["pools"]}
        self.assertEqual(active, {a: False, b: True})
        self.refused("insufficient_stock", "reserve", unique("res"), channel, [[sku, 4]])
        with self.assertRaises(RpcError):
            self.drawn(channel, [[sku, 1, a]])
        self.assertEqual(self.drawn(channel, [[sku, 1]]), {(sku, b): 1})
        # what was promised there is kept
        self.assertEqual(self.call("fulfil", ident)["state"], "fulfilled")
        self.call("location_set", a, {"priority": 1, "active": True})
        self.assertEqual(self.available(sku, channel), 5)

    def test_buffer(self):
        a, b = self.place("a", 1), self.place("b", 2)
        open_channel, shy, sku = self.channel(a, b), self.channel(a, b, buffer=4), self.item()
        self.put(sku, a, 3)
        self.put(sku, b, 3)
        self.assertEqual((self.available(sku, open_channel), self.available(sku, shy)), (6, 2))
        error = self.refused("insufficient_stock", "reserve", unique("res"), shy, [[sku, 3]])
        (line,) = error.details["lines"]
        self.assertEqual((line["wanted"], line["available"]), (3, 2))
        self.drawn(shy, [[sku, 2]])
        self.assertEqual((self.available(sku, open_channel), self.available(sku, shy)), (4, 0))
        self.refused("insufficient_stock", "reserve", unique("res"), shy, [[sku, 1]])
        self.drawn(open_channel, [[sku, 3]])
        self.assertEqual((self.available(sku, open_channel), self.available(sku, shy)), (1, 0))

    def test_buffer_holds_for_bound_lines_too(self):
        a, b = self.place("a", 1), self.place("b", 2)
        shy, sku = self.channel(a, b, buffer=2), self.item()
        self.put(sku, a, 3)
        self.put(sku, b, 3)
        self.drawn(shy, [[sku, 3, a]])
        self.assertEqual(self.available(sku, shy), 1)
        self.refused("insufficient_stock", "reserve", unique("res"), shy, [[sku, 2, b]])
        self.refused("insufficient_stock", "reserve", unique("res"), shy, [[sku, 2]], {"at": b})
        self.drawn(shy, [[sku, 1, b]])
        self.assertEqual(self.available(sku, shy), 0)

    def test_buffer_and_several_lines_of_one_sku(self):
        a = self.place("a", 1)
        shy, sku = self.channel(a, buffer=2), self.item()
        self.put(sku, a, 6)
        self.refused("insufficient_stock", "reserve", unique("res"), shy, [[sku, 2], [sku, 3]])
        self.drawn(shy, [[sku, 2], [sku, 2]])
        self.assertEqual(self.available(sku, shy), 0)

    def test_buffer_is_per_item(self):
        a = self.place("a", 1)
        shy, one, two = self.channel(a, buffer=2), self.item(), self.item()
        self.put(one, a, 3)
        self.put(two, a, 2)
        self.assertEqual(self.call("availability", shy, [one, two])["stock"], [1, 0])

    def test_priority_and_channels_survive_restart(self):
        a, b = self.place("a", 9), self.place("b", 3)
        channel, sku = self.channel(a, b, buffer=1), self.item()
        self.put(sku, a, 5)
        self.put(sku, b, 2)
        for kill in (False, True):
            self.server.restart(kill=kill)
            self.reconnect()
            self.assertEqual(self.available(sku, channel), 6)
            ident = unique("res")
            got = self.call("reserve", ident, channel, [[sku, 3]])
            self.assertEqual([line[:3] for line in got["lines"]], [[sku, b, 2], [sku, a, 1]])
            self.call("cancel", ident)


if __name__ == "__main__":
    main()
