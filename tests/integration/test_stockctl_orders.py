#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""stockctl on an order's way through the places that it draws from."""

from stockctl_case import REFUSED, USAGE, StockctlTestCase
from stockd_harness import main, unique


def rows_of(text):
    """The cells of a table, by its titles' places."""
    return [line.split() for line in text.splitlines()]


class Orders(StockctlTestCase):
    def setUp(self):
        super().setUp()
        self.shop, self.web = unique("shop"), unique("web")
        self.call("location_set", self.shop, {})
        self.call("channel_set", self.web, {"locations": ["main", self.shop]})
        self.sku = self.stocked(2000, self.shop)
        self.stocked(2000, "main", self.sku)

    def order(self, **options):
        lines = [[self.sku, 3, self.shop], [self.sku, 1, "main"]]
        return self.reserved(lines, self.web, **{"confirm": True, **options})

    def test_steps(self):
        ident = self.order(confirm=False, ref="cart")
        self.ctl("confirm", ident, "--ref", "payment-7")
        self.ctl("ready", ident, self.shop, "--collect-by", "2031-05-04T12:30:00Z")
        self.ctl("restock", ident, self.shop, expect=REFUSED)
        self.assertIn("is ready", self.err)
        self.ctl("fulfil", ident, f"{self.sku}:1", "--location", self.shop)
        head, *rows = rows_of(self.ctl("orders", "--location", self.shop))
        self.assertEqual(head, ["ID", "CHANNEL", "STATE", "LOCATION", "STEP", "READY", "COLLECT", "BY", "LEFT", "REF"])
        self.assertEqual(len(rows), 1)
        row = rows[0]
        self.assertEqual((row[:5], row[-2:]), ([ident, self.web, "confirmed", self.shop, "ready"], ["2", "payment-7"]))
        self.assertEqual(self.json("orders", "--channel", self.web)["orders"],
                         self.call("orders", {"channel": self.web})["orders"])
        self.assertEqual(len(rows_of(self.ctl("orders", "--channel", self.web))), 3, "a row for each part")

    def test_options(self):
        first, second = self.order(), self.order()
        self.ctl("ready", first, self.shop)
        listed = [[], ["--state", "held"], ["--step", "ready"], ["--step", "open"], ["--late"]]
        wanted = [{first, second}, set(), {first}, {second}, {second}]
        for options, idents in zip(listed, wanted):
            got = self.json("orders", "--location", self.shop, *options)
            self.assertEqual({order["id"] for order in got["orders"]}, idents, options)
        self.ctl("orders", "--step", "lost", expect=REFUSED)
        self.ctl("orders", "--location", unique("ghost"), expect=REFUSED)
        self.ctl("orders", self.shop, expect=USAGE)

    def test_many(self):
        """A page has at most 1,000 orders."""
        idents = [unique("many") for _ in range(1100)]
        self.client.pipeline([("reserve", ident, self.web, [[self.sku, 1, self.shop]]) for ident in idents])
        got = [order["id"] for order in self.json("orders", "--location", self.shop)["orders"]]
        self.assertEqual(sorted(got), sorted(idents))

    def test_count_of_the_shelf(self):
        ident = self.order()
        self.ctl("ready", ident, self.shop)
        self.assertEqual(self.json("count", self.sku, self.shop, "1997", "--shelf")["delta"], 0)

    def test_help_has_examples(self):
        for name in ("ready", "restock", "orders"):
            self.assertIn(f"\nExample:\n  stockctl {name}", self.ctl(name, "--help"))
            self.assertIn(f"  {name} ", self.ctl("--help"))


if __name__ == "__main__":
    main()
