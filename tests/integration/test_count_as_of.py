# SPDX-License-Identifier: Apache-2.0
"""A count that was taken a while ago must not overwrite what has been sold since."""

import time

from stockd_harness import StockdTestCase, main, unique


class CountAsOf(StockdTestCase):
    def ship(self, sku, qty):
        res = self.reserved([[sku, qty]], confirm=True)
        self.call("fulfil", res)

    def count(self, sku, counted, as_of):
        return self.call("count", unique("c"), sku, "main", counted, {"as_of": as_of})

    def test_what_was_shipped_since_is_taken_off(self):
        sku = self.stocked(10)
        counted_at = self.moment()
        self.ship(sku, 3)
        got = self.count(sku, 10, counted_at)
        self.assertEqual((got["delta"], got["on_hand"]), (0, 7))
        got = self.count(sku, 8, counted_at)
        self.assertEqual((got["delta"], got["on_hand"]), (-2, 5))

    def test_a_count_of_the_future_is_refused(self):
        sku = self.stocked(10)
        now = int(time.time() * 1000)
        for ahead in (60 * 1000, 3600 * 1000, 2**62 - now):
            error = self.refused(
                "bad_request", "count", unique("c"), sku, "main", 9, {"as_of": now + ahead}
            )
            self.assertIn("as_of", error.message)
        self.assertEqual(self.figures(sku), (10, 0, 10))
        # the counting clock may be a little ahead
        self.assertEqual(self.count(sku, 9, int(time.time() * 1000) + 2000)["on_hand"], 9)

    def test_what_came_in_since_is_added(self):
        sku = self.stocked(10)
        counted_at = self.moment()
        self.call("receive", unique("r"), sku, "main", 5)
        self.call("adjust", unique("a"), sku, "main", -1, {"reason": "broken"})
        got = self.count(sku, 12, counted_at)
        self.assertEqual((got["delta"], got["on_hand"]), (2, 16))

    def test_what_another_count_corrected_has_not_moved(self):
        """A sheet that is corrected and booked again must not correct twice; nor after a restart."""
        for restarts in (0, 1):
            sku, short = self.stocked(10), self.stocked(10)
            counted_at = self.moment()
            self.count(sku, 8, counted_at)
            self.count(short, 13, counted_at)
            self.ship(sku, 1)
            if restarts:
                self.server.restart(kill=True)
                self.client.close()
                self.client = self.server.client()
            got = self.count(sku, 8, counted_at)
            self.assertEqual((got["delta"], got["on_hand"]), (0, 7))
            got = self.count(short, 12, counted_at)
            self.assertEqual((got["delta"], got["on_hand"]), (-1, 12))

    def test_holds_do_not_matter(self):
        sku = self.stocked(10)
        counted_at = self.moment()
        self.reserved([[sku, 4]])
        got = self.count(sku, 10, counted_at)
        self.assertEqual((got["delta"], got["on_hand"], got["available"]), (0, 10, 6))

    def test_never_below_nothing(self):
        sku = self.stocked(10)
        counted_at = self.moment()
        self.ship(sku, 6)
        got = self.count(sku, 4, counted_at)
        self.assertEqual(got["on_hand"], 0)

    def test_only_that_item_and_place(self):
        self.call("location_set", "as-of-store", {})
        sku, other = self.stocked(10), self.stocked(10)
        counted_at = self.moment()
        self.ship(other, 5)
        self.call("receive", unique("r"), sku, "as-of-store", 5)
        got = self.count(sku, 9, counted_at)
        self.assertEqual((got["delta"], got["on_hand"]), (-1, 9))

    def test_survives_a_crash(self):
        sku = self.stocked(10)
        counted_at = self.moment()
        self.ship(sku, 3)
        self.server.kill()
        self.server.start()
        self.client.close()
        self.client = self.server.client()
        got = self.count(sku, 10, counted_at)
        self.assertEqual((got["delta"], got["on_hand"]), (0, 7))

    def test_bad_times(self):
        sku = self.stocked(1)
        for as_of in (-1, 1.5, "now", [1]):
            with self.subTest(as_of=as_of):
                self.refused(
                    "bad_request",
                    "count",
                    unique("c"),
                    sku,
                    "main",
                    1,
                    {"as_of": as_of},
                    names="as_of",
                )


if __name__ == "__main__":
    main()
