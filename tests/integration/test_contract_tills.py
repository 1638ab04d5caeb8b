# SPDX-License-Identifier: Apache-2.0
"""The contract: what a shop does beside its orders (adjust and count with
if_on_hand, shift).
"""

from stockd_harness import MAX_POOL, RpcError, Server, StockdTestCase, main, run_program, unique
from till_case import fill


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


CONDITIONS = ("sellable", "damaged", "quality", "display")


class Shift(StockdTestCase):
    def by_kind(self, sku):
        pools = self.call("stock", sku)["pools"]
        return {pool["kind"]: pool["on_hand"] for pool in pools if pool["on_hand"]}

    def shift(self, sku, qty, source, to, **options):
        return self.call("shift", unique("s"), sku, "main", qty, source, to, options)

    def test_only_sellable_units_are_on_hand(self):
        sku = self.stocked(10)
        got = self.shift(sku, 3, "sellable", "display", reason="window", ref="S-1")
        self.assert_keys(got, "lsn", "on_hand", "available")
        self.assertEqual((got["on_hand"], got["available"]), (7, 7))
        self.assertEqual(self.figures(sku), (7, 0, 7))
        self.assertEqual(self.available(sku), 7)
        got = self.shift(sku, 2, "display", "quality")
        self.assertEqual((got["on_hand"], got["available"]), (7, 7))
        self.shift(sku, 1, "quality", "damaged")
        self.assertEqual(
            self.by_kind(sku), {"shared": 7, "display": 1, "quality": 1, "damaged": 1}
        )
        got = self.shift(sku, 1, "damaged", "sellable")
        self.assertEqual((got["on_hand"], got["available"]), (8, 8))

    def test_each_way(self):
        for source in CONDITIONS:
            for to in CONDITIONS:
                if source == to:
                    continue
                with self.subTest(source=source, to=to):
                    sku = self.stocked(5)
                    if source != "sellable":
                        self.shift(sku, 5, "sellable", source)
                    self.shift(sku, 2, source, to)
                    shown = {"sellable": "shared"}
                    wanted = {shown.get(source, source): 3, shown.get(to, to): 2}
                    self.assertEqual(self.by_kind(sku), wanted)

    def test_a_promised_unit_is_shifted_only_once_no_other_is_left(self):
        self.call("channel_set", "own", {})
        sku = self.stocked(10)
        self.call("allot", unique("a"), sku, "main", "own", 2)
        order = self.reserved([[sku, 5]], confirm=True)
        got = self.shift(sku, 5, "sellable", "damaged")  # 3 free ones, 2 allotted ones
        self.assertEqual((got["on_hand"], got["available"]), (5, 0))
        got = self.shift(sku, 1, "sellable", "damaged")
        self.assertEqual((got["on_hand"], got["available"]), (4, -1))
        self.refused("insufficient_stock", "fulfil", order)
        self.shift(sku, 1, "damaged", "sellable")
        self.call("fulfil", order)

    def test_more_than_there_are(self):
        sku = self.stocked(5)
        self.shift(sku, 2, "sellable", "quality")
        for source, there in (("sellable", 3), ("quality", 2), ("display", 0)):
            with self.subTest(source=source):
                error = self.refused(
                    "insufficient_stock",
                    *("shift", unique("s"), sku, "main", there + 1, source, "damaged"),
                    names=source,
                )
                line = {"sku": sku, "wanted": there + 1, "available": there}
                self.assertEqual(error.details, {**line, "lines": [line]})
        self.assertEqual(self.by_kind(sku), {"shared": 3, "quality": 2})

    def test_a_full_pool(self):
        sku = self.stocked(MAX_POOL)
        self.shift(sku, 1, "sellable", "display")
        self.call("receive", unique("r"), sku, "main", 1)
        self.refused("limit", "shift", unique("s"), sku, "main", 1, "display", "sellable")
        self.assertEqual(self.by_kind(sku), {"shared": MAX_POOL, "display": 1})

    def test_wrong_parameters(self):
        sku = self.stocked(5)
        names = ("id", "sku", "location", "qty", "from", "to")
        good = [unique("s"), sku, "main", 1, "sellable", "damaged"]
        for place, name in enumerate(names):
            for bad in (None, 1.5, [], {}, True, "" if name != "qty" else 0):
                with self.subTest(name=name, bad=bad):
                    params = list(good)
                    params[place] = bad
                    self.refused("bad_request", "shift", *params, names=name)
            with self.subTest(missing=name):
                self.refused("bad_request", "shift", *good[:place], names=name)
        for bad in ("shared", "allotted", "owed", "expected", "sellablE", "sellable "):
            self.refused("bad_request", "shift", *good[:4], bad, "damaged", names="from")
            self.refused("bad_request", "shift", *good[:5], bad, names="to")
        self.refused("bad_request", "shift", *good[:5], "sellable", names="to")
        for qty in (0, -1, MAX_POOL + 1):
            self.refused("bad_request", "shift", *good[:3], qty, *good[4:], names="qty")
        self.refused("bad_request", "shift", *good, {"reason": 5}, names="reason")
        self.refused("bad_request", "shift", *good, {"at_ms": 5}, names="at_ms")
        self.refused("unknown_sku", "shift", good[0], "NONE", *good[2:], names="NONE")
        self.refused("unknown_location", "shift", good[0], sku, "mars", *good[3:], names="mars")
        self.assertEqual(self.by_kind(sku), {"shared": 5})

    def test_history_and_stock_then(self):
        sku = self.stocked(10)
        before = self.call("stock", sku)["pools"]
        got = self.shift(sku, 3, "sellable", "display", reason="window", ref="S-1")
        events = self.call("history", sku, {"since_lsn": got["lsn"] - 1})["events"]
        self.assertEqual(
            [(e["type"], e["kind"], e["qty"], e["on_hand"], e["reason"]) for e in events],
            [("shift", "shared", -3, 7, "window"), ("shift", "display", 3, 3, "window")],
        )
        self.assertEqual(events[0]["ref"], "S-1")
        told = self.call("history", None, {"id": events[0]["id"]})["events"]
        self.assertEqual([e["qty"] for e in told], [-3, 3])
        then = self.call("stock", sku, {"at_lsn": got["lsn"]})
        self.assertEqual((then["on_hand"], then["available"]), (7, 7))
        self.assertEqual({p["kind"]: p["on_hand"] for p in then["pools"]},
                         {"shared": 7, "display": 3})
        then = self.call("stock", sku, {"at_lsn": got["lsn"] - 1})
        self.assertEqual([p["on_hand"] for p in then["pools"]], [p["on_hand"] for p in before])

    def test_a_count_does_not_undo_a_later_shift(self):
        sku = self.stocked(10)
        moment = self.moment()
        self.shift(sku, 3, "sellable", "display")
        self.shift(sku, 1, "display", "sellable")
        got = self.call("count", unique("c"), sku, "main", 10, {"as_of": moment})
        self.assertEqual((got["delta"], got["on_hand"]), (0, 8))


class ShiftSurvives(StockdTestCase):
    def test_kill_and_snapshot(self):
        with Server("--segment-bytes", 64 << 10, "--compact-bytes", 0) as server:
            with server.client() as client:
                client.call("receive", "r", "TEE", "main", 10)
                first = client.call("shift", "s", "TEE", "main", 4, "sellable", "quality")
                client.call("shift", "t", "TEE", "main", 1, "quality", "display")
                before = client.call("stock", "TEE")
                fill(client)
            for snapshot in (False, True):
                if snapshot:
                    server.stop()
                    done = run_program("stock-journal", "compact", server.data)
                    self.assertEqual(done.code, 0, done)
                    self.assertNotIn("nothing to do", done.out)
                    server.start()
                else:
                    server.restart(kill=True)
                with server.client() as client:
                    self.assertEqual(client.call("stock", "TEE")["pools"], before["pools"])
                    again = client.call("shift", "s", "TEE", "main", 4, "sellable", "quality")
                    self.assertEqual(again, first)
                    for other in (
                        ("main", 3, "sellable", "quality"),
                        ("main", 4, "sellable", "display"),
                        ("main", 4, "display", "quality"),
                        ("main", 4, "sellable", "quality", {"reason": "x"}),
                    ):
                        with self.assertRaises(RpcError) as raised:
                            client.call("shift", "s", "TEE", *other)
                        self.assertEqual(raised.exception.code, "conflict", other)
                    client.call("check")


if __name__ == "__main__":
    main()
