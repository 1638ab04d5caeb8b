# SPDX-License-Identifier: Apache-2.0
"""The contract: backorder and reject. Who waits is served first, the oldest first, at once."""

from stockd_harness import StockdTestCase, main, unique, wait_until


def drawn(lines):
    """(sku, location) -> quantity of a result's lines."""
    total = {}
    for sku, location, qty, *_ in lines:
        if qty:
            total[sku, location] = total.get((sku, location), 0) + qty
    return total


class BacklogCase(StockdTestCase):
    def setUp(self):
        super().setUp()
        self.one, self.two, self.three = (self.place() for _ in range(3))
        self.web = self.channel(self.one, self.two, self.three)

    def place(self, **options):
        code = unique("place")
        self.call("location_set", code, {"pickup": True, **options})
        return code

    def channel(self, *places, **options):
        code = unique("ch")
        self.call("channel_set", code, {"locations": list(places), **options})
        return code

    def item(self, limit=None, **stock):
        sku = unique("sku")
        self.call("item_set", sku, {} if limit is None else {"backorder_limit": limit})
        for name, qty in stock.items():
            self.receive(sku, qty, getattr(self, name))
        return sku

    def receive(self, sku, qty, place=None):
        self.call("receive", unique("rcv"), sku, place or self.one, qty)

    def order(self, *lines, channel=None, **options):
        ident = unique("order")
        self.call("reserve", ident, channel or self.web, [list(line) for line in lines], options)
        return ident

    def lines(self, ident):
        return drawn(self.call("reservation", ident)["lines"])

    def free(self, sku, channel=None):
        return self.call("availability", channel or self.web, [sku])["stock"][0]

    def backlog(self, sku):
        return self.call("stock", sku)["backlog"]

    def restart(self):
        self.server.restart()
        self.reconnect()

    def kill_and_restart(self):
        self.server.restart(kill=True)
        self.reconnect()

    def told(self, *types):
        """The events of those types since the test began."""
        got = self.call("events", self.since, {"types": list(types)})
        return [(e["type"], e.get("location"), e.get("id"), e.get("qty")) for e in got["events"]]


class Backorder(BacklogCase):
    def setUp(self):
        super().setUp()
        self.since = self.call("channels")["lsn"]

    def test_what_is_short_is_promised(self):
        sku = self.item(limit=5, one=2)
        got = self.call("reserve", unique("order"), self.web, [[sku, 4]], {"backorder": True})
        self.assertEqual(drawn(got["lines"]), {(sku, self.one): 2, (sku, None): 2})
        self.assertIsNone(got["lines"][-1][3])
        self.assertEqual((self.free(sku), self.backlog(sku)), (0, 2))
        self.assertEqual(self.call("stock", sku)["reserved"], 2, "of what is on hand")

    def test_the_limit_is_exact(self):
        sku = self.item(limit=3)
        self.order([sku, 2], backorder=True)
        error = self.refused("insufficient_stock", "reserve", unique("o"), self.web, [[sku, 2]],
                             {"backorder": True})
        self.assertEqual((error.details["wanted"], error.details["available"]), (2, 1))
        self.order([sku, 1], backorder=True)
        self.refused("insufficient_stock", "reserve", unique("o"), self.web, [[sku, 1]],
                     {"backorder": True})
        self.refused("insufficient_stock", "reserve", unique("o"), self.web, [[sku, 1]])
        self.assertEqual(self.backlog(sku), 3)

    def test_without_a_limit_nothing_is_promised(self):
        sku = self.item()
        self.refused("insufficient_stock", "reserve", unique("o"), self.web, [[sku, 1]],
                     {"backorder": True})

    def test_partial_takes_what_the_limit_allows(self):
        sku = self.item(limit=2, one=1)
        got = self.call("reserve", unique("o"), self.web, [[sku, 9]],
                        {"backorder": True, "partial": True})
        self.assertEqual(drawn(got["lines"]), {(sku, self.one): 1, (sku, None): 2})
        self.assertEqual(got["missing"], [[sku, 6]])

    def test_the_oldest_is_served_first(self):
        sku = self.item(limit=100)
        orders = [self.order([sku, 2], backorder=True) for _ in range(4)]
        self.receive(sku, 3)
        self.assertEqual([self.lines(o) for o in orders],
                         [{(sku, self.one): 2}, {(sku, self.one): 1, (sku, None): 1},
                          {(sku, None): 2}, {(sku, None): 2}])
        self.assertEqual((self.free(sku), self.backlog(sku)), (0, 5))
        self.receive(sku, 6, self.two)
        self.assertEqual(self.lines(orders[3]), {(sku, self.two): 2})
        self.assertEqual((self.free(sku), self.backlog(sku)), (1, 0))
        self.assertEqual(self.told("sourced"),
                         [("sourced", self.one, orders[0], 2), ("sourced", self.one, orders[1], 1),
                          ("sourced", self.two, orders[1], 1), ("sourced", self.two, orders[2], 2),
                          ("sourced", self.two, orders[3], 2)])

    def test_every_supply_serves(self):
        sku = self.item(limit=100, one=6)
        other = self.order([sku, 6])
        orders = [self.order([sku, 1], backorder=True, confirm=True) for _ in range(6)]
        waiting = lambda: sum(1 for o in orders if (sku, None) in self.lines(o))  # noqa: E731
        self.call("cancel", other, [[sku, 1]], {"op": unique("op")})
        self.assertEqual(waiting(), 5)
        self.call("count", unique("c"), sku, self.two, 1)
        self.assertEqual(waiting(), 4)
        self.call("adjust", unique("a"), sku, self.three, 1)
        self.assertEqual(waiting(), 3)
        self.call("return", unique("r"), sku, self.one, 1)
        self.assertEqual(waiting(), 2)
        supply = unique("exp")
        self.call("expect", supply, self.two, [[sku, 1]])
        self.assertEqual(waiting(), 2, "it has not come, and the channel does not promise it")
        self.call("arrive", supply)
        self.assertEqual(waiting(), 1)
        self.call("amend", other, [[sku, 4]])
        self.assertEqual(waiting(), 0)
        self.assertEqual(self.call("fulfil", orders[5])["state"], "fulfilled")

    def test_an_expired_hold_serves(self):
        sku = self.item(limit=9, one=1)
        self.order([sku, 1], ttl_ms=1)
        waits = self.order([sku, 1], backorder=True)
        wait_until(lambda: self.lines(waits) == {(sku, self.one): 1})

    def test_supply_on_its_way_serves_who_may_promise_it(self):
        eager = self.channel(self.one, promise="incoming")
        sku = self.item(limit=9)
        plain, other = self.order([sku, 1], backorder=True), self.order([sku, 1], channel=eager, backorder=True)
        self.call("expect", unique("exp"), self.one, [[sku, 5]], {"eta_ms": 4102444800000})
        self.assertEqual(self.lines(plain), {(sku, None): 1})
        self.assertEqual(self.lines(other), {(sku, self.one): 1})

    def test_a_place_of_another_channel_serves_nobody(self):
        till = self.channel(self.three)
        shop = self.channel(self.one)
        sku = self.item(limit=9)
        waits = self.order([sku, 1], channel=shop, backorder=True)
        self.receive(sku, 2, self.three)
        self.assertEqual(self.lines(waits), {(sku, None): 1})
        self.assertEqual((self.free(sku, till), self.free(sku, shop)), (2, 0))
        self.order([sku, 2], channel=till)
        self.receive(sku, 1, self.one)
        self.assertEqual(self.lines(waits), {(sku, self.one): 1})

    def waits_elsewhere(self, free=9):
        """An item of which somebody waits at another place than where it is free."""
        elsewhere = self.channel(self.three)
        here = self.channel(self.one, self.two)
        sku = self.item(limit=9, one=free)
        self.order([sku, 9], channel=elsewhere, backorder=True, confirm=True)
        self.assertEqual(self.free(sku, here), free)
        return sku, here

    def test_what_moves_elsewhere_hides_nothing(self):
        sku, here = self.waits_elsewhere()
        other = self.item(one=2)
        order = self.order([other, 2], channel=here, confirm=True)
        self.call("amend", order, [[other, 1], [sku, 2]])
        wait_until(lambda: self.free(sku, here) == 7)
        transfer = unique("transfer")
        self.call("transfer", transfer, self.one, self.three, [[sku, 3]], {"ship": False})
        self.call("ship", transfer, None, {"eta_ms": 4102444800000})
        wait_until(lambda: self.free(sku, here) == 4)
        self.order([sku, 4], channel=here)

    def test_a_setting_hides_nothing(self):
        """It serves by itself: nobody would order what shows as sold out."""
        sku, here = self.waits_elsewhere()
        started = self.call("info")["lsn"]
        self.call("location_set", self.two, {"name": "Two"})
        wait_until(lambda: self.free(sku, here) == 9)
        self.call("item_set", sku, {"name": "A thing"})
        wait_until(lambda: self.free(sku, here) == 9)
        self.call("channel_set", here, {"buffer": 2})
        wait_until(lambda: self.free(sku, here) == 7)
        events = self.call("events", started, {"types": ["sold_out"], "channel": here})["events"]
        self.assertEqual(events, [])

    def test_a_setting_serves(self):
        sku = self.item(limit=9, three=5)
        self.call("location_set", self.three, {"active": False})
        order = self.order([sku, 4], backorder=True, confirm=True)
        self.assertEqual(self.lines(order), {(sku, None): 4})
        self.call("location_set", self.three, {"active": True})
        wait_until(lambda: self.lines(order) == {(sku, self.three): 4})
        self.assertEqual(self.free(sku), 1)

    def test_a_line_bound_to_a_place_waits_for_that_place(self):
        sku = self.item(limit=9)
        bound = self.order([sku, 1, self.two], backorder=True)
        at = self.order([sku, 1], mode="pickup", at=self.three, backorder=True)
        anywhere = self.order([sku, 1], backorder=True)
        self.receive(sku, 5, self.one)
        self.assertEqual(self.lines(anywhere), {(sku, self.one): 1})
        self.assertEqual((self.lines(bound), self.lines(at)), ({(sku, None): 1}, {(sku, None): 1}))
        self.assertEqual(self.free(sku), 4)
        self.receive(sku, 1, self.three)
        self.receive(sku, 1, self.two)
        self.assertEqual((self.lines(bound), self.lines(at)),
                         ({(sku, self.two): 1}, {(sku, self.three): 1}))

    def test_a_place_without_pickup_serves_who_waits_for_it(self):
        """As it serves such an order while it has the units."""
        there = self.place(pickup=False)
        channel = self.channel(there)
        sku = self.item(limit=9)
        waits = self.order([sku, 2], channel=channel, at=there, backorder=True)
        self.receive(sku, 3, there)
        self.assertEqual(self.lines(waits), {(sku, there): 2})

    def test_what_the_order_rules_out_is_not_waited_for(self):
        """Reserve refuses what is there, so nobody is promised what comes there."""
        there = self.place(pickup=False)
        channel = self.channel(there, self.one)
        sku = self.item(limit=9)
        pickup = {"mode": "pickup", "at": there}
        for lines, options in (([[sku, 2]], pickup), ([[sku, 2, there]], {"mode": "pickup"}),
                               ([[sku, 2]], {**pickup, "partial": True}),
                               ([[sku, 2]], {**pickup, "supply": "any"}),
                               ([[sku, 2, there]], {"exclude": [there]}),
                               ([[sku, 2, self.one], [sku, 3, there]], {"mode": "pickup"})):
            for _ in range(2):
                error = self.refused("insufficient_stock", "reserve", unique("o"), channel, lines,
                                     {"backorder": True, **options})
                self.assertEqual(error.details["available"], 0, options)
            self.assertEqual(self.backlog(sku), 0)
        got = self.call("reserve", unique("o"), channel, [[sku, 2, self.one], [sku, 3, there]],
                        {"mode": "pickup", "backorder": True, "partial": True})
        self.assertEqual((drawn(got["lines"]), got["missing"]), ({(sku, None): 2}, [[sku, 3]]))
        self.receive(sku, 9, there)
        self.assertEqual((self.backlog(sku), self.free(sku, channel)), (2, 9))

    def test_the_line_that_is_short_waits(self):
        sku = self.item(limit=9, one=3)
        order = self.order([sku, 2, self.two], [sku, 3], backorder=True)
        self.assertEqual(self.lines(order), {(sku, self.one): 3, (sku, None): 2})
        self.receive(sku, 2, self.three)
        self.assertEqual(self.backlog(sku), 2, "it waits for another place")
        self.receive(sku, 2, self.two)
        self.assertEqual(self.lines(order), {(sku, self.one): 3, (sku, self.two): 2})

    def test_an_order_that_waits_where_it_is_collected_grows_there(self):
        sku, other = self.item(limit=9), self.item(two=5, one=5)
        order = self.order([sku, 1], at=self.two, backorder=True, confirm=True)
        self.call("amend", order, [[sku, 1], [other, 2]])
        self.assertEqual(self.lines(order), {(sku, None): 1, (other, self.two): 2})

    def test_what_waits_can_be_cancelled_amended_and_not_fulfilled(self):
        sku = self.item(limit=9, one=1)
        order = self.order([sku, 3], backorder=True, confirm=True)
        error = self.refused("insufficient_stock", "fulfil", order)
        self.assertIn("not sourced", error.message)
        self.call("amend", order, [[sku, 2]])
        self.assertEqual((self.lines(order), self.backlog(sku)), ({(sku, self.one): 1, (sku, None): 1}, 1))
        self.call("cancel", order)
        self.assertEqual((self.backlog(sku), self.free(sku)), (0, 1))

    def test_units_that_serve_nobody_are_sent(self):
        """A transfer to the store takes what those who wait have no use for."""
        sku = self.item(limit=9)
        waits = self.order([sku, 1, self.three], backorder=True)
        self.receive(sku, 4, self.one)
        got = self.call("reserve", unique("order"), self.web, [[sku, 2]],
                        {"mode": "pickup", "at": self.two, "supply": "any"})
        self.assertEqual((drawn(got["lines"]), len(got["sends"])), ({(sku, self.two): 2}, 1))
        self.assertEqual((self.lines(waits), self.free(sku)), ({(sku, None): 1}, 2))

    def test_the_parts_are_those_of_places(self):
        sku = self.item(limit=9, one=1)
        order = self.order([sku, 3], backorder=True, confirm=True)
        got = self.call("reservation", order)
        self.assertEqual([part["location"] for part in got["parts"]], [self.one])
        listed = self.call("orders", {"location": self.one})["orders"]
        self.assertEqual([o["id"] for o in listed], [order])

    def test_a_repeat_is_the_first_result(self):
        sku = self.item(limit=9)
        ident = unique("order")
        first = self.call("reserve", ident, self.web, [[sku, 2]], {"backorder": True})
        self.receive(sku, 5)
        self.assertEqual(self.call("reserve", ident, self.web, [[sku, 2]], {"backorder": True}), first)
        self.refused("conflict", "reserve", ident, self.web, [[sku, 2]])

    def test_after_restart_and_kill(self):
        sku = self.item(limit=9, one=1)
        orders = [self.order([sku, 2], backorder=True) for _ in range(3)]
        before = [self.call("reservation", o) for o in orders]
        for stop in (self.restart, self.kill_and_restart):
            stop()
            self.assertEqual([self.call("reservation", o) for o in orders], before)
            self.assertEqual(self.backlog(sku), 5)
        self.receive(sku, 2)
        self.assertEqual(self.lines(orders[0]), {(sku, self.one): 2})
        self.assertEqual(self.lines(orders[1]), {(sku, self.one): 1, (sku, None): 1})
        self.kill_and_restart()
        self.receive(sku, 3)
        self.assertEqual((self.backlog(sku), self.lines(orders[2])), (0, {(sku, self.one): 2}))

    def test_history_tells_it(self):
        sku = self.item(limit=9)
        order = self.order([sku, 2], backorder=True)
        self.receive(sku, 2)
        got = self.call("history", sku)["events"]
        told = [(e["type"], e["location"], e["kind"], e["qty"]) for e in got if e.get("id") == order]
        self.assertEqual(told, [("reserve", None, "backlog", 2), ("sourced", None, "backlog", -2),
                                ("sourced", self.one, "shared", 2)])
        then = self.call("stock", sku, {"at_lsn": self.call("stock", sku)["lsn"]})
        self.assertEqual([p["kind"] for p in then["pools"]], ["shared"])


class Reject(BacklogCase):
    def setUp(self):
        super().setUp()
        self.since = self.call("channels")["lsn"]

    def figures(self, sku, place, kind="shared"):
        for pool in self.call("stock", sku)["pools"]:
            if (pool["location"], pool["kind"]) == (place, kind):
                return pool["on_hand"], pool["reserved"]
        return 0, 0

    def test_the_stock_is_corrected_by_the_reason(self):
        for reason, left, damaged in (("not_found", 2, 0), ("damaged", 2, 3), ("busy", 5, 0)):
            sku = self.item(one=5, two=9)
            order = self.order([sku, 3, self.one], confirm=True)
            got = self.call("reject", order, self.one, None, {"reason": reason})
            self.assert_keys(got, "lsn", "state", "expires_ms", "lines", "unsourced")
            self.assertEqual(drawn(got["lines"]), {(sku, self.two): 3})
            self.assertEqual((got["state"], got["unsourced"]), ("confirmed", []))
            self.assertEqual(self.figures(sku, self.one), (left, 0))
            self.assertEqual(self.figures(sku, self.one, "damaged"), (damaged, 0))
            self.assertEqual(self.figures(sku, self.two), (9, 3))

    def test_the_place_is_excluded_for_this_order(self):
        sku = self.item(one=5, two=2)
        order = self.order([sku, 3, self.one], confirm=True)
        got = self.call("reject", order, self.one, [[sku, 3]], {"reason": "busy"})
        self.assertEqual(drawn(got["lines"]), {(sku, self.two): 2, (sku, None): 1})
        self.assertEqual(got["unsourced"], [[sku, 1]])
        self.assertEqual(self.free(sku), 5, "others may have them")
        self.call("reject", order, self.two, [[sku, 1]])
        self.assertEqual(self.lines(order), {(sku, self.two): 1, (sku, None): 2})
        self.receive(sku, 4, self.one)
        self.receive(sku, 4, self.two)
        self.assertEqual(self.lines(order), {(sku, self.two): 1, (sku, None): 2}, "neither may")
        self.receive(sku, 4, self.three)
        self.assertEqual(self.lines(order), {(sku, self.two): 1, (sku, self.three): 2})

    def test_events(self):
        sku = self.item(one=3, two=1)
        order = self.order([sku, 3, self.one], confirm=True)
        self.call("reject", order, self.one, [[sku, 2]])
        self.assertEqual(self.told("rejected", "moved", "unsourced", "sourced"),
                         [("rejected", self.one, order, 2), ("moved", self.two, order, 1),
                          ("unsourced", None, order, 1)])
        self.receive(sku, 1, self.three)
        self.assertEqual(self.told("sourced"), [("sourced", self.three, order, 1)])

    def test_what_nobody_has_may_be_cancelled(self):
        sku, other = self.item(one=3, two=1), self.item(one=1)
        order = self.order([sku, 3, self.one], [other, 1], confirm=True)
        got = self.call("reject", order, self.one, [[sku, 3]], {"on_fail": "cancel"})
        self.assertEqual((got["state"], got["unsourced"]), ("confirmed", []))
        self.assertEqual(drawn(got["lines"]), {(other, self.one): 1, (sku, self.two): 1})
        lines = self.call("reservation", order)["lines"]
        self.assertEqual([line[:3] + line[4:] for line in lines],
                         [[sku, self.one, 2, 0, 2], [other, self.one, 1, 0, 0], [sku, self.two, 1, 0, 0]])
        sku = self.item(one=3)
        order = self.order([sku, 3], confirm=True)
        got = self.call("reject", order, self.one, None, {"on_fail": "cancel"})
        self.assertEqual((got["state"], got["lines"]), ("cancelled", []))
        self.assertEqual(self.call("stock", sku)["reserved"], 0)

    def test_what_is_older_is_served_first(self):
        sku = self.item(limit=9, one=1)
        older = self.order([sku, 1], confirm=True)
        younger = self.order([sku, 1], backorder=True)
        self.call("reject", older, self.one)
        self.receive(sku, 1, self.two)
        self.assertEqual((self.lines(older), self.lines(younger)),
                         ({(sku, self.two): 1}, {(sku, None): 1}))

    def test_a_pickup_looks_for_places_of_pickup(self):
        yard = self.place(pickup=False)
        web = self.channel(self.one, yard, self.two)
        sku = self.item(one=1, two=1)
        self.receive(sku, 1, yard)
        order = self.order([sku, 1], channel=web, mode="pickup", at=self.one, confirm=True)
        self.assertEqual(drawn(self.call("reject", order, self.one)["lines"]), {(sku, self.two): 1})

    def test_a_part_that_is_ready(self):
        sku = self.item(one=3, two=3)
        order = self.order([sku, 2, self.one], confirm=True)
        self.call("ready", order, self.one)
        self.call("reject", order, self.one, [[sku, 1]])
        parts = {p["location"]: p["step"] for p in self.call("reservation", order)["parts"]}
        self.assertEqual(parts, {self.one: "ready", self.two: "open"})
        self.assertEqual(self.call("count", unique("c"), sku, self.one, 1, {"shelf": True})["delta"], 0)

    def test_a_place_that_is_short(self):
        sku = self.item(one=3, two=3)
        order = self.order([sku, 3, self.one], confirm=True)
        self.call("count", unique("c"), sku, self.one, 1)
        got = self.call("reject", order, self.one, [[sku, 2]])
        self.assertEqual(drawn(got["lines"]), {(sku, self.one): 1, (sku, self.two): 2})
        self.assertEqual(self.figures(sku, self.one), (0, 1), "one was there, and could not be found")

    def test_two_draws_of_a_place_that_is_short(self):
        for reason in ("not_found", "damaged", "busy"):
            sku = self.item(one=3)
            order = self.order([sku, 1, self.one], [sku, 2, self.one], confirm=True)
            self.call("count", unique("c"), sku, self.one, 2)
            got = self.call("reject", order, self.one, None, {"reason": reason})
            self.assertEqual(got["unsourced"], [[sku, 3]])
            self.assertEqual(self.figures(sku, self.one), (2 if reason == "busy" else 0, 0))
            self.assertEqual(self.figures(sku, self.one, "damaged"), (2 if reason == "damaged" else 0, 0))

    def test_a_supply_that_fell_short(self):
        """What has come, and is promised to nobody before, is taken off; what never came is off the books."""
        eager = self.channel(self.one, self.two, promise="incoming")
        for reason in ("not_found", "damaged", "busy"):
            for came, close in ((4, True), (4, False), (None, False)):
                sku, supply = self.item(), unique("exp")
                self.call("expect", supply, self.one, [[sku, 6]], {"eta_ms": 4102444800000})
                first, second = (self.order([sku, qty], channel=eager, confirm=True) for qty in (3, 3))
                if came:
                    self.call("arrive", supply, [[sku, came]], {"close": close})
                self.receive(sku, 1, self.two)
                got = self.call("reject", second, self.one, None, {"reason": reason})
                self.assertEqual(drawn(got["lines"]), {(sku, self.two): 1, (sku, None): 2})
                self.assertEqual(self.lines(first), {(sku, self.one): 3})
                came, off = came or 0, 1 if came and reason != "busy" else 0
                for again in range(2):
                    told = (reason, came, close, again)
                    self.assertEqual(self.figures(sku, self.one), (came - off, min(came, 3)), told)
                    self.assertEqual(self.figures(sku, self.one, "damaged")[0], off if reason == "damaged" else 0, told)
                    self.assertEqual(self.figures(sku, self.one, "expected"),
                                     (0, 0) if close else (6 - came, 3 - min(came, 3)), told)
                    now = self.call("stock", sku)
                    then = self.call("stock", sku, {"at_lsn": now["lsn"]})
                    now, then = (sorted((p["location"], p["kind"], p["on_hand"], p["reserved"])
                                        for p in of["pools"] if p["on_hand"]) for of in (now, then))
                    self.assertEqual(then, now, told)
                    self.kill_and_restart()
                if came:
                    self.assertEqual(self.call("fulfil", first)["state"], "fulfilled", "nobody took its units")

    def test_the_reply_is_of_this_order(self):
        """Though the units that it gives back serve another at once."""
        sku = self.item(limit=9, one=2)
        order = self.order([sku, 2], confirm=True)
        waits = self.order([sku, 1], backorder=True)
        got = self.call("reject", order, self.one, None, {"reason": "busy"})
        self.assertEqual((drawn(got["lines"]), got["unsourced"]), ({(sku, None): 2}, [[sku, 2]]))
        self.assertEqual(self.lines(waits), {(sku, self.one): 1})

    def test_what_waits_for_that_place_waits_for_any_other(self):
        sku = self.item(limit=9, one=1)
        order = self.order([sku, 3, self.one], backorder=True, confirm=True)
        self.call("reject", order, self.one)
        self.receive(sku, 5, self.one)
        self.assertEqual(self.lines(order), {(sku, None): 3})
        self.receive(sku, 5, self.two)
        self.assertEqual(self.lines(order), {(sku, self.two): 3})

    def test_refusals(self):
        sku = self.item(one=3)
        order = self.order([sku, 2, self.one])
        self.refused("wrong_state", "reject", order, self.one)
        self.call("confirm", order)
        self.refused("wrong_state", "reject", order, self.two)
        self.refused("wrong_state", "reject", order, self.one, [[sku, 3]])
        self.refused("unknown_location", "reject", order, "nowhere")
        self.refused("unknown_reservation", "reject", unique("no"), self.one)
        self.refused("unknown_sku", "reject", order, self.one, [[unique("no"), 1]])
        for options, param in (({"reason": "lost"}, "reason"), ({"on_fail": "x"}, "on_fail"),
                               ({"op": order}, "op")):
            error = self.refused("bad_request", "reject", order, self.one, None, options)
            self.assertIn(param, error.message)
        self.refused("bad_request", "reject", order, self.one, [])
        self.refused("bad_request", "reject", order, self.one, [[sku, 0]])
        self.assertEqual(self.lines(order), {(sku, self.one): 2})

    def test_an_op_is_done_once_also_after_a_crash(self):
        sku = self.item(one=3, two=1)
        order, op = self.order([sku, 2, self.one], confirm=True), unique("op")
        first = self.call("reject", order, self.one, None, {"op": op, "reason": "damaged"})
        self.assertEqual(self.call("reject", order, self.one, None, {"op": op, "reason": "damaged"}), first)
        self.refused("conflict", "reject", order, self.one, None, {"op": op})
        before = self.call("reservation", order), self.call("stock", sku)["pools"]
        for stop in (self.restart, self.kill_and_restart):
            stop()
            self.assertEqual((self.call("reservation", order), self.call("stock", sku)["pools"]), before)
            self.assertEqual(self.call("reject", order, self.one, None, {"op": op, "reason": "damaged"}), first)
        self.receive(sku, 5, self.one)
        self.assertEqual(self.lines(order), {(sku, self.two): 1, (sku, None): 1}, "still excluded")

    def test_history_tells_it(self):
        sku = self.item(one=3, two=1)
        order = self.order([sku, 2, self.one], confirm=True)
        self.call("reject", order, self.one, None, {"reason": "damaged"})
        got = self.call("history", sku)["events"]
        told = [(e["location"], e["kind"], e["qty"], e["on_hand"]) for e in got if e["type"] == "reject"]
        self.assertEqual(told, [(self.one, "shared", -2, 1), (self.one, "damaged", 2, 2),
                                (self.two, "shared", 1, 1), (None, "backlog", 1, 0)])


if __name__ == "__main__":
    main()
