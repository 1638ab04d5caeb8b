# SPDX-License-Identifier: Apache-2.0
"""The contract, orders: the list of what a place has to do, or a channel has sold."""

import time

from stockd_harness import StockdTestCase, main, unique

HOUR = 3_600_000
KEYS = ["channel", "created_ms", "expires_ms", "id", "lines", "lsn", "parts", "ref", "state"]


def now_ms():
    return int(time.time() * 1000)


class OrdersCase(StockdTestCase):
    """Each test has two places and a channel of its own."""

    def setUp(self):
        super().setUp()
        self.depot, self.shop = unique("depot"), unique("shop")
        for place in (self.depot, self.shop):
            self.call("location_set", place)
        self.web = unique("web")
        self.call("channel_set", self.web, {"locations": [self.depot, self.shop]})
        self.sku = self.stocked(2000, self.depot)
        self.stocked(2000, self.shop, self.sku)

    def order(self, depot=1, shop=1, confirm=True, channel=None, **options):
        places = ((depot, self.depot), (shop, self.shop))
        lines = [[self.sku, qty, place] for qty, place in places if qty]
        return self.reserved(lines, channel or self.web, confirm=confirm, **options)

    def orders(self, **options):
        """All pages of the list; each order once."""
        got, after = [], {}
        while True:
            page = self.call("orders", {**options, **after})
            got += page["orders"]
            if page["next"] is None:
                break
            self.assertEqual(page["next"], page["orders"][-1]["id"])
            after = {"after": page["next"]}
        ids = [order["id"] for order in got]
        self.assertEqual(len(ids), len(set(ids)))
        return got

    def ids(self, **options):
        return {order["id"] for order in self.orders(**options)}

    def crash(self):
        self.server.restart(kill=True)
        self.reconnect()


class Listed(OrdersCase):
    def test_an_order_is_told_as_its_reservation_is(self):
        ident = self.order(ref="cart 9")
        self.call("ready", ident, self.shop, {"collect_by_ms": now_ms() + HOUR})
        got = self.call("orders", {"channel": self.web})
        self.assert_keys(got, "lsn", "orders", "next")
        self.assertIsNone(got["next"])
        self.assertEqual(sorted(got["orders"][0]), KEYS)
        self.assertEqual(got["orders"], [{"id": ident, **self.call("reservation", ident)}])
        self.assertGreaterEqual(got["lsn"], got["orders"][0]["lsn"])

    def test_by_place(self):
        both, here, there = self.order(), self.order(depot=0), self.order(shop=0)
        self.assertEqual(self.ids(location=self.shop), {both, here})
        self.assertEqual(self.ids(location=self.depot), {both, there})
        self.crash()
        self.assertEqual(self.ids(location=self.shop), {both, here})
        self.assertEqual(self.ids(location=self.shop, channel="default"), set())

    def test_an_order_over_many_places(self):
        places = [unique("place") for _ in range(12)]
        for place in places:
            self.call("location_set", place)
            self.stocked(5, place, self.sku)
        channel = unique("ch")
        self.call("channel_set", channel)
        ident = self.reserved([[self.sku, 1, place] for place in places], channel)
        for _ in range(2):
            for place in places:
                self.assertEqual(self.ids(location=place), {ident})
            self.crash()

    def test_by_state(self):
        held, confirmed = self.order(confirm=False), self.order()
        done, gone = self.order(), self.order()
        self.call("fulfil", done)
        self.call("cancel", gone)
        expired = self.order(confirm=False, ttl_ms=1)
        while self.state(expired) != "expired":
            time.sleep(0.01)
        for state, ident in (("held", held), ("confirmed", confirmed), ("fulfilled", done),
                             ("cancelled", gone), ("expired", expired)):
            self.assertEqual(self.ids(location=self.shop, state=state), {ident}, state)
        self.assertEqual(self.ids(channel=self.web), {held, confirmed, done, gone, expired})

    def test_by_step(self):
        opened, ready, handed, gone = [self.order() for _ in range(4)]
        self.call("ready", ready, self.shop)
        self.call("fulfil", handed, None, {"location": self.shop})
        self.call("cancel", gone, None, {"location": self.shop})
        for step, ident in (("open", opened), ("ready", ready), ("fulfilled", handed), ("cancelled", gone)):
            self.assertEqual(self.ids(location=self.shop, step=step), {ident}, step)
        self.assertEqual(self.ids(location=self.shop, step="not_collected"), set())
        everywhere = {opened, ready, handed, gone}
        self.assertEqual(self.ids(location=self.depot, step="open"), everywhere)
        self.assertEqual(self.ids(channel=self.web, step="open"), everywhere)
        self.assertEqual(self.ids(channel=self.web, step="ready"), {ready})

    def test_late(self):
        """A part that was to be ready by now, and is not."""
        self.call("location_set", self.depot, {"lead_time_s": 3600})
        late, ready, held = self.order(), self.order(), self.order(confirm=False)
        handed, far = self.order(), self.order(shop=0)
        self.call("ready", ready, self.shop)
        self.call("fulfil", handed, None, {"location": self.shop})
        time.sleep(0.01)
        self.assertEqual(self.ids(channel=self.web, late=True), {late})
        self.assertEqual(self.ids(location=self.shop, late=True), {late})
        self.assertEqual(self.ids(location=self.depot, late=True), set())
        self.assertEqual(self.ids(channel=self.web, late=False), {ready, held, handed, far})
        self.assertEqual(self.ids(location=self.depot, late=False), {late, ready, held, handed, far})

    def test_pages(self):
        idents = {self.order() for _ in range(25)}
        for limit in (1, 7, 25, 100):
            self.assertEqual(self.ids(location=self.shop, limit=limit), idents)
        page = self.call("orders", {"location": self.shop, "limit": 10})
        self.assertEqual(len(page["orders"]), 10)
        more = self.order()
        seen = {order["id"] for order in page["orders"]}
        rest = self.ids(location=self.shop, after=page["next"])
        self.assertEqual(seen | rest | {more}, idents | {more})
        self.assertEqual(seen & rest, set())

    def test_a_page_ends_after_many_lines(self):
        skus = [self.stocked(50, self.shop) for _ in range(600)]
        idents = {self.reserved([[sku, 1, self.shop] for sku in skus], self.web) for _ in range(10)}
        page = self.call("orders", {"location": self.shop, "limit": 1000})
        self.assertEqual(len(page["orders"]), 7)
        self.assertEqual(self.ids(location=self.shop), idents)

    def test_refusals(self):
        ghost = unique("ghost")
        self.refused("unknown_location", "orders", {"location": ghost}, names=ghost)
        self.refused("unknown_channel", "orders", {"channel": ghost}, names=ghost)
        received = unique("r")
        self.call("receive", received, self.sku, self.shop, 1)
        for options in ({"state": "lost"}, {"state": 1}, {"step": "shipped"}, {"step": ""}, {"late": 1},
                        {"after": ghost}, {"after": received}, {"after": "x" * 41}, {"limit": 0},
                        {"limit": 1001}, {"limit": "all"}, {"location": "a b"}, {"channel": 3}, {"places": 1}):
            with self.subTest(options=options):
                self.refused("bad_request", "orders", options)
        self.refused("bad_request", "orders", "shop")
        self.assertEqual(self.call("orders", {"location": self.shop})["orders"], [])


class Pipelined(OrdersCase):
    def test_others_wait_for_a_list_in_their_order(self):
        """The list is answered in parts; what the connection sends behind it comes after it."""
        idents = [self.order() for _ in range(300)]
        calls = [("orders", {"location": self.shop, "limit": 1000}), ("cancel", idents[0]),
                 ("orders", {"location": self.shop, "limit": 1000, "state": "confirmed"})]
        first, _cancelled, second = self.client.pipeline(calls)
        self.assertEqual({order["id"] for order in first["orders"]}, set(idents))
        self.assertEqual({order["id"] for order in second["orders"]}, set(idents[1:]))


if __name__ == "__main__":
    main()
