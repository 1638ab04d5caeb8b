# SPDX-License-Identifier: Apache-2.0
"""Places, channels and supplies of its own for each test of what is on its way."""

import time

from stockd_harness import StockdTestCase, unique

DAY = 86_400_000
RESULT = ["lsn", "id", "state", "eta_ms", "lines", "under_way"]
WHOLE = [*RESULT, "kind", "from", "location", "ref"]


def in_days(days):
    return int(time.time() * 1000) + days * DAY


class SupplyCase(StockdTestCase):
    """Each test has places, items and channels of its own."""

    def setUp(self):
        super().setUp()
        self.depot, self.shop = self.place("depot"), self.place("shop")
        self.eager = self.channel(self.shop, promise="incoming")
        self.plain = self.channel(self.shop)

    def place(self, name="place", **options):
        code = unique(name)
        self.call("location_set", code, options)
        return code

    def channel(self, *places, **options):
        code = unique("ch")
        self.call("channel_set", code, {"locations": list(places), **options})
        return code

    def expected(self, sku, qty, days=1, place=None, **options):
        """A new supply from outside; returns its id."""
        ident = unique("exp")
        self.call("expect", ident, place or self.shop, [[sku, qty]], {"eta_ms": in_days(days), **options})
        return ident

    def transferred(self, sku, qty, **options):
        ident = unique("trf")
        self.call("transfer", ident, self.depot, self.shop, [[sku, qty]], options)
        return ident

    def lines(self, ident):
        return self.call("supply", ident)["lines"]

    def state_of(self, ident):
        return self.call("supply", ident)["state"]

    def pools(self, sku):
        """{(location, kind): (on_hand, reserved)} of pools with anything in them."""
        got = {}
        for pool in self.call("stock", sku)["pools"]:
            at = (pool["location"], pool["kind"])
            if pool["on_hand"] or pool["reserved"]:
                on_hand, reserved = got.get(at, (0, 0))
                got[at] = (on_hand + pool["on_hand"], reserved + pool["reserved"])
        return got

    def look(self, *skus, ids=()):
        """All that a change of supply could change."""
        return ([{**self.call("stock", sku), "lsn": 0} for sku in skus],
                [self.call("supply", ident) for ident in ids],
                [self.call("availability", channel, list(skus))["stock"] for channel in (self.eager, self.plain)])

    def crash(self):
        self.server.restart(kill=True)
        self.reconnect()

    def unchanged(self, look):
        """Replay gives the same."""
        before = look()
        self.crash()
        self.assertEqual(look(), before)
