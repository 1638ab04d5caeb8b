# SPDX-License-Identifier: Apache-2.0
"""The contract: what a shop does beside its orders (adjust and count with if_on_hand)."""

from stockd_harness import StockdTestCase, main, unique


class IfOnHand(StockdTestCase):
    """adjust and count with if_on_hand: only if so many are on hand there."""

    def stale(self, on_hand, *asked):
        error = self.refused("stale", *asked)
        self.assertEqual(error.details, {"on_hand": on_hand})
        self.assertIn(str(on_hand), error.message)

    def test_done_only_if_so_many_are_there(self):
        sku = self.stocked(10)
        for method, number in (("adjust", -3), ("adjust", 3), ("count", 4), ("count", 10)):
            for other in (9, 11, 0, -1, 2**63 - 1, -(2**63)):
                with self.subTest(method=method, number=number, other=other):
                    self.stale(
                        10, method, unique("m"), sku, "main", number, {"if_on_hand": other}
                    )
        self.assertEqual(self.figures(sku), (10, 0, 10))
        got = self.call("adjust", unique("m"), sku, "main", -3, {"if_on_hand": 10})
        self.assertEqual((got["on_hand"], got["available"]), (7, 7))
        got = self.call("adjust", unique("m"), sku, "main", 1, {"if_on_hand": 7})
        self.assertEqual((got["on_hand"], got["available"]), (8, 8))
        got = self.call("count", unique("m"), sku, "main", 5, {"if_on_hand": 8})
        self.assertEqual((got["delta"], got["on_hand"]), (-3, 5))
        got = self.call("count", unique("m"), sku, "main", 5, {"if_on_hand": 5})
        self.assertEqual((got["delta"], got["on_hand"]), (0, 5))

    def test_allotted_units_are_on_hand_and_damaged_ones_are_not(self):
        sku = self.stocked(10)
        self.call("allot", unique("m"), sku, "main", "default", 4)
        self.call("return", unique("m"), sku, "main", 3, {"condition": "damaged"})
        for wrong in (6, 13):
            self.stale(10, "adjust", unique("m"), sku, "main", 1, {"if_on_hand": wrong})
        got = self.call("adjust", unique("m"), sku, "main", -8, {"if_on_hand": 10})
        self.assertEqual((got["on_hand"], got["available"]), (2, 2))

    def test_where_nothing_ever_was(self):
        new, sku = unique("NEVER"), self.stocked(1)
        self.call("location_set", "bare", {})
        self.stale(0, "count", unique("m"), new, "main", 3, {"if_on_hand": 1})
        self.refused("unknown_sku", "stock", new)
        self.stale(0, "adjust", unique("m"), sku, "bare", 3, {"if_on_hand": 1})
        self.call("adjust", unique("m"), sku, "bare", 3, {"if_on_hand": 0})
        self.call("count", unique("m"), new, "main", 3, {"if_on_hand": 0})
        self.assertEqual(self.figures(new), (3, 0, 3))

    def test_a_repeat_is_done_once_and_a_refusal_takes_no_id(self):
        sku = self.stocked(10)
        asked = ("adjust", unique("m"), sku, "main", -3, {"if_on_hand": 10})
        first = self.call(*asked)
        self.assertEqual(self.call(*asked), first)
        self.refused("conflict", *asked[:5], {"if_on_hand": 7})
        self.refused("conflict", *asked[:5])
        stale = ("count", unique("m"), sku, "main", 5, {"if_on_hand": 10})
        self.stale(7, *stale)
        self.call("adjust", unique("m"), sku, "main", 3)
        self.assertEqual(self.call(*stale)["delta"], -5)

    def test_bad_values(self):
        sku = self.stocked(3)
        for method in ("adjust", "count"):
            for bad in ("3", 1.5, True, [], 2**63):
                with self.subTest(method=method, bad=bad):
                    self.refused(
                        "bad_request",
                        method,
                        unique("m"),
                        sku,
                        "main",
                        1,
                        {"if_on_hand": bad},
                        names="if_on_hand",
                    )
        for method in ("receive", "return"):
            self.refused(
                "bad_request", method, unique("m"), sku, "main", 1, {"if_on_hand": 3}, names="option"
            )

    def test_only_one_of_many_wins(self):
        """Everybody corrects the same figure at once: it is corrected once."""
        sku = self.stocked(10)
        clients = [self.server.client() for _ in range(8)]
        for number, client in enumerate(clients):
            client.send(
                "adjust", unique(f"w{number}"), sku, "main", -1, {"if_on_hand": 10}
            )
        errors = [client.receive()[0] for client in clients]
        for client in clients:
            client.close()
        refused = [error for error in errors if error is not None]
        self.assertEqual(len(refused), 7, errors)
        for error in refused:
            self.assertEqual((error.code, error.details), ("stale", {"on_hand": 9}))
        self.assertEqual(self.figures(sku), (9, 0, 9))


if __name__ == "__main__":
    main()
