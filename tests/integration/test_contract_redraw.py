# SPDX-License-Identifier: Apache-2.0
"""The contract: amend and move. One step, all or nothing, also after a crash."""

from stockd_harness import StockdTestCase, main, unique


def drawn(lines):
    """(sku, location) -> quantity of a result's lines."""
    total = {}
    for sku, location, qty, *_ in lines:
        total[sku, location] = total.get((sku, location), 0) + qty
    return total


class Redraw(StockdTestCase):
    def setUp(self):
        super().setUp()
        self.place = unique("store")
        self.call("location_set", self.place, {})

    def order(self, lines, **options):
        ident = unique("order")
        self.call("reserve", ident, "default", lines, options)
        return ident

    def lines(self, ident):
        return drawn(self.call("reservation", ident)["lines"])

    def test_amend_grows_and_shrinks(self):
        one, two = self.stocked(10), self.stocked(10)
        ident = self.order([[one, 3]], ttl_ms=60000)
        before = self.call("reservation", ident)
        got = self.call("amend", ident, [[one, 5], [two, 4]])
        self.assert_keys(got, "lsn", "state", "expires_ms", "lines")
        self.assertEqual((got["state"], got["expires_ms"]), ("held", before["expires_ms"]))
        self.assertEqual(drawn(got["lines"]), {(one, "main"): 5, (two, "main"): 4})
        self.assertEqual((self.available(one), self.available(two)), (5, 6))
        got = self.call("amend", ident, [[two, 1]])
        self.assertEqual(drawn(got["lines"]), {(two, "main"): 1})
        self.assertEqual((self.available(one), self.available(two)), (10, 9))

    def test_a_refused_amend_leaves_the_order(self):
        one, two = self.stocked(10), self.stocked(2)
        ident = self.order([[one, 3]])
        error = self.refused("insufficient_stock", "amend", ident, [[one, 9], [two, 3]])
        self.assertEqual(error.details["lines"], [{"sku": two, "wanted": 3, "available": 2}])
        self.assertEqual(self.lines(ident), {(one, "main"): 3})
        self.assertEqual((self.available(one), self.available(two)), (7, 2))

    def test_what_was_fulfilled_counts(self):
        sku = self.stocked(10)
        ident = self.order([[sku, 5]], confirm=True)
        self.call("fulfil", ident, [[sku, 2]], {"op": unique("op")})
        self.assertEqual(self.call("amend", ident, [[sku, 3]])["state"], "confirmed")
        (line,) = self.call("reservation", ident)["lines"]
        self.assertEqual((line[2], line[4]), (3, 2))
        self.assertEqual(self.figures(sku), (8, 1, 7))
        self.assertEqual(self.call("amend", ident, [[sku, 2]])["state"], "fulfilled")
        self.assertEqual(self.figures(sku), (8, 0, 8))

    def test_what_was_fulfilled_elsewhere_counts(self):
        """For a line with a location, after the line of its place and those without one."""
        sku = self.stocked(20)
        self.call("receive", unique("r"), sku, self.place, 10)

        def after_two(lines):
            ident = self.order([[sku, 5, "main"]], confirm=True)
            self.call("fulfil", ident, [[sku, 2]], {"op": unique("op")})
            self.call("amend", ident, lines)
            left = {}
            for _sku, place, qty, _ready, fulfilled, cancelled in self.call("reservation", ident)["lines"]:
                left[place] = left.get(place, 0) + qty - fulfilled - cancelled
            if left_over := {place: qty for place, qty in left.items() if qty}:
                self.call("cancel", ident)
            return left_over
        self.assertEqual(after_two([[sku, 3, self.place]]), {self.place: 1})
        self.assertEqual(after_two([[sku, 2, self.place]]), {})
        self.assertEqual(after_two([[sku, 3, self.place], [sku, 3, "main"]]), {self.place: 3, "main": 1})
        self.assertEqual(after_two([[sku, 1], [sku, 3, self.place]]), {self.place: 2})

    def test_move(self):
        sku = self.stocked(10)
        self.call("receive", unique("r"), sku, self.place, 4)
        ident = self.order([[sku, 6, "main"]], confirm=True)
        got = self.call("move", ident, [[sku, "main", self.place, 4]])
        self.assertEqual(drawn(got["lines"]), {(sku, "main"): 2, (sku, self.place): 4})
        self.assertEqual(self.available(sku), 8)
        self.refused("insufficient_stock", "move", ident, [[sku, "main", self.place, 1]])
        self.refused("wrong_state", "move", ident, [[sku, "main", self.place, 3]])
        parts = {p["location"]: p["step"] for p in self.call("reservation", ident)["parts"]}
        self.assertEqual(parts, {"main": "open", self.place: "open"})

    def test_an_op_is_done_once(self):
        sku = self.stocked(10)
        self.call("receive", unique("r"), sku, self.place, 4)
        ident, op = self.order([[sku, 6, "main"]]), unique("op")
        first = self.call("move", ident, [[sku, "main", self.place, 2]], {"op": op})
        again = self.call("move", ident, [[sku, "main", self.place, 2]], {"op": op})
        self.assertEqual(first, again)
        self.refused("conflict", "move", ident, [[sku, "main", self.place, 1]], {"op": op})
        self.refused("conflict", "move", ident, [[sku, "main", unique("ghost"), 2]], {"op": op})
        self.refused("conflict", "amend", ident, [[sku, 1]], {"op": op})

    def test_the_first_result_of_the_order_stays(self):
        sku, ident = self.stocked(10), unique("order")
        first = self.call("reserve", ident, "default", [[sku, 3]])
        self.call("amend", ident, [[sku, 8]])
        self.assertEqual(self.call("reserve", ident, "default", [[sku, 3]]), first)

    def test_what_was_missing_of_the_order_stays_missing(self):
        scarce, other, ident = self.stocked(2), self.stocked(9), unique("order")
        first = self.call("reserve", ident, "default", [[scarce, 5]], {"partial": True})
        self.assertEqual(first["missing"], [[scarce, 3]])
        for lines in ([[scarce, 1], [other, 2]], [[other, 2]]):
            self.call("amend", ident, lines)
            again = self.call("reserve", ident, "default", [[scarce, 5]], {"partial": True})
            self.assertEqual(again, first)

    def test_the_same_after_a_crash(self):
        one, two = self.stocked(10), self.stocked(10)
        self.call("receive", unique("r"), one, self.place, 4)
        ident, op = self.order([[one, 3]], ref="cart 9", confirm=True), unique("op")
        self.call("amend", ident, [[one, 5], [two, 4]], {"op": op})
        self.call("move", ident, [[one, "main", self.place, 2]], {"op": unique("op")})
        before = self.call("reservation", ident)
        self.server.restart(kill=True)
        self.reconnect()
        self.assertEqual(self.call("reservation", ident), before)
        again = self.call("amend", ident, [[one, 5], [two, 4]], {"op": op})
        self.assertEqual(again["state"], "confirmed")
        self.assertLess(again["lsn"], before["lsn"])
        self.assertEqual(self.call("check")["findings"], [])

    def test_history(self):
        sku = self.stocked(10)
        ident = self.order([[sku, 3]])
        self.call("amend", ident, [[sku, 5]])
        events = self.call("history", sku)["events"]
        told = [(e["type"], e["qty"], e["reserved"]) for e in events if e["id"] == ident]
        self.assertEqual(told, [("reserve", 3, 3), ("amend", 2, 5)])

    def test_bad_input(self):
        sku = self.stocked(10)
        ident = self.order([[sku, 3]])
        bad = (
            ("amend", "lines", ident, []),
            ("amend", "qty", ident, [[sku, 0]]),
            ("amend", "op", ident, [[sku, 1]], {"op": ident}),
            ("move", "lines", ident, []),
            ("move", "qty", ident, [[sku, "main", self.place, 0]]),
            ("move", "to", ident, [[sku, "main", "main", 1]]),
            ("move", "from", ident, [[sku, "no where", self.place, 1]]),
        )
        for method, names, *params in bad:
            self.refused("bad_request", method, *params, names=names)
        self.refused("unknown_reservation", "amend", "ghost-1", [[sku, 1]], names="ghost-1")
        self.refused("unknown_sku", "amend", ident, [["ghost-2", 1]], names="ghost-2")
        self.refused("unknown_location", "amend", ident, [[sku, 1, "ghost-3"]], names="ghost-3")
        self.refused("unknown_location", "move", ident, [[sku, "main", "ghost-3", 1]])
        self.call("cancel", ident)
        self.refused("wrong_state", "amend", ident, [[sku, 1]])
        self.assertEqual(self.available(sku), 10)


if __name__ == "__main__":
    main()
