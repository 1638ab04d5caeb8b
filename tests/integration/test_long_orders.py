# SPDX-License-Identifier: Apache-2.0
"""Orders of the most lines, over several places, up to the most draws; before and after a restart."""

from stockd_harness import StockdTestCase, main, unique

LINES = 1024
DRAWS = 2024


class LongOrders(StockdTestCase):
    def setUp(self):
        super().setUp()
        self.places = [unique("place") for _ in range(3)]
        for place in self.places:
            self.call("location_set", place, {})
        self.channel = unique("channel")
        self.call("channel_set", self.channel, {"locations": self.places})

    def received(self, count, places):
        """That many items, each with one unit at each of the places."""
        skus = [unique("SKU") for _ in range(count)]
        self.client.pipeline(
            ("receive", unique("r"), sku, place, 1) for sku in skus for place in places
        )
        return skus

    def restart(self):
        self.server.restart(kill=True)
        self.reconnect()

    def test_as_many_draws_as_there_may_be(self):
        lines = DRAWS // 2
        skus = self.received(lines, self.places)
        ident = unique("res")
        order = ("reserve", ident, self.channel, [[sku, 2] for sku in skus], {"confirm": True})
        granted = self.call(*order)
        self.assertEqual(len(granted["lines"]), DRAWS)
        self.assertEqual(self.call("availability", self.channel, skus)["stock"], [1] * lines)
        more = self.received(DRAWS // 3 + 1, self.places)
        self.refused(
            "limit", "reserve", unique("res"), self.channel, [[sku, 3] for sku in more]
        )
        half = [[sku, 1] for sku in skus]
        op = {"op": unique("op")}
        step = self.call("fulfil", ident, half, op)
        self.assertEqual(step["state"], "confirmed")
        left = self.call("reservation", ident)["lines"]
        self.restart()
        self.assertEqual(self.call(*order)["lines"], granted["lines"])
        self.assertEqual(self.call("reservation", ident)["lines"], left)
        self.assertEqual(self.call("fulfil", ident, half, op)["lsn"], step["lsn"])
        self.assertEqual(self.call("fulfil", ident)["state"], "fulfilled")
        self.assertEqual(self.call("availability", self.channel, skus)["stock"], [1] * lines)
        for sku in (skus[0], skus[-1]):
            events = self.call("history", sku)["events"]
            types = [event["type"] for event in events if event["type"] != "item"]
            self.assertEqual(types, ["receive"] * 3 + ["reserve"] * 2 + ["fulfil"] * 2)

    def test_lines_of_one_item_over_several_places(self):
        sku = unique("SKU")
        for place in self.places:
            self.call("receive", unique("r"), sku, place, LINES // 2)
        ident = self.reserved([[sku, 1]] * LINES, channel=self.channel, confirm=True)
        self.assertEqual(len(self.call("reservation", ident)["lines"]), LINES)
        self.assertEqual(self.call("availability", self.channel, [sku])["stock"], [LINES // 2])
        self.call("fulfil", ident, [[sku, 1]] * (LINES - 1), {"op": unique("op")})
        self.restart()
        error = self.refused("wrong_state", "fulfil", ident, [[sku, 2]], {"op": unique("op")})
        self.assertIn("only 1 of", error.message)
        self.assertEqual(self.call("cancel", ident)["state"], "fulfilled")
        self.assertEqual(self.figures(sku)[1], 0)


if __name__ == "__main__":
    main()
