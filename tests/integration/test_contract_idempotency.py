# SPDX-License-Identifier: Apache-2.0
"""The contract, part 5: an id makes an operation happen once, whatever is retried, restarted or
killed.
"""

from stockd_harness import RpcError, StockdTestCase, main, unique


class Once(StockdTestCase):
    def mutations(self, sku):
        """One call of every mutation that takes an id of its own, all different, all possible."""
        return [
            ("receive", unique("i"), sku, "main", 50),
            ("receive", unique("i"), sku, "main", 5, {"ref": "PO"}),
            ("adjust", unique("i"), sku, "main", -2, {"reason": "broken"}),
            ("count", unique("i"), sku, "main", 40),
            ("return", unique("i"), sku, "main", 1),
            ("reserve", unique("i"), "default", [[sku, 2]]),
            ("reserve", unique("i"), "default", [[sku, 1], [sku, 2]], {"ttl_ms": 600000}),
            ("reserve", unique("i"), "default", [[sku, 3, "main"]], {"confirm": True}),
        ]

    def done(self, sku):
        return [(call, self.call(*call)) for call in self.mutations(sku)]

    def test_the_same_again_returns_the_first_result(self):
        sku = unique("SKU")
        done = self.done(sku)
        self.quiet()
        before = self.call("stock", sku)
        for _ in range(2):
            for call, first in done:
                with self.subTest(call=call):
                    self.assertEqual(self.call(*call), first)
        self.assertEqual(self.call("stock", sku), before, "nothing must change, not even lsn")

    def test_from_another_connection(self):
        sku = unique("SKU")
        done = self.done(sku)
        with self.server.client("unix") as other:
            for call, first in done:
                self.assertEqual(other.call(*call), first)

    def test_after_restart_and_kill(self):
        sku = unique("SKU")
        done = self.done(sku)
        figures = self.figures(sku)
        for kill in (False, True, True):
            self.server.restart(kill=kill)
            self.reconnect()
            for call, first in done:
                with self.subTest(call=call, kill=kill):
                    self.assertEqual(self.call(*call), first)
                    other = list(call)
                    if call[0] == "reserve":
                        other[3] = [[sku, 9]]
                    else:
                        other[4] += 1
                    self.refused("conflict", *other)
            self.assertEqual(self.figures(sku), figures)

    def test_other_content_is_a_conflict(self):
        sku, other = unique("SKU"), self.stocked(100)
        self.call("location_set", "elsewhere", {})
        self.call("channel_set", "second", {})
        variants = {
            "receive": lambda c: [
                (*c[:2], other, *c[3:]),
                (*c[:3], "elsewhere", *c[4:]),
                (*c[:4], c[4] + 1, *c[5:]),
            ],
            "reserve": lambda c: [
                (c[0], c[1], "second", *c[3:]),
                (*c[:3], [[sku, 7]], *c[4:]),
                (*c[:3], [*c[3], [other, 1]], *c[4:]),
                (*c[:3], [[other, line[1]] for line in c[3]], *c[4:]),
            ],
        }
        variants["adjust"] = variants["count"] = variants["return"] = variants["receive"]
        done = self.done(sku)
        before = (self.figures(sku), self.figures(other))
        for call, first in done:
            for variant in variants[call[0]](call):
                with self.subTest(call=call, variant=variant):
                    self.refused("conflict", *variant)
            self.assertEqual(self.call(*call), first, "a conflict must not forget the first result")
        self.assertEqual((self.figures(sku), self.figures(other)), before)

    def test_another_kind_is_a_conflict(self):
        sku = unique("SKU")
        done = self.done(sku)
        before = self.figures(sku)
        for call, _ in done:
            for kind in ("receive", "adjust", "count", "return"):
                if kind != call[0]:
                    with self.subTest(first=call[0], then=kind):
                        qty = call[4] if call[0] != "reserve" and call[4] > 0 else 2
                        self.refused("conflict", kind, call[1], sku, "main", qty)
            if call[0] != "reserve":
                with self.subTest(first=call[0], then="reserve"):
                    self.refused("conflict", "reserve", call[1], "default", [[sku, 1]])
        self.assertEqual(self.figures(sku), before)

    def test_an_id_of_a_movement_is_no_reservation(self):
        sku, ident = unique("SKU"), unique("i")
        self.call("receive", ident, sku, "main", 5)
        self.refused("unknown_reservation", "reservation", ident, names=ident)
        back = ("return", unique("ret"), sku, "main", 1, {"reservation": ident})
        self.refused("unknown_reservation", *back, names=ident)
        for step in ("confirm", "fulfil", "cancel"):
            with self.assertRaises(RpcError) as caught:
                self.call(step, ident)
            self.assertIn(caught.exception.code, ("unknown_reservation", "conflict"))

    def test_a_reserve_again_after_its_reservation_went_on(self):
        for steps in (["confirm"], ["confirm", "fulfil"], ["cancel"]):
            with self.subTest(steps=steps):
                sku, ident = self.stocked(10), unique("res")
                first = self.call("reserve", ident, "default", [[sku, 4]])
                for step in steps:
                    self.call(step, ident)
                figures = self.figures(sku)
                self.assertEqual(self.call("reserve", ident, "default", [[sku, 4]]), first)
                self.assertEqual(self.figures(sku), figures)
                self.refused("conflict", "reserve", ident, "default", [[sku, 5]])

    def test_a_refused_operation_is_not_remembered(self):
        sku, ident = self.stocked(1), unique("res")
        self.refused("insufficient_stock", "reserve", ident, "default", [[sku, 2]])
        self.call("receive", unique("r"), sku, "main", 1)
        self.assertEqual(self.call("reserve", ident, "default", [[sku, 2]])["state"], "held")
        other = unique("i")
        self.refused("insufficient_stock", "adjust", other, sku, "main", -3)
        self.call("receive", other, sku, "main", 3)
        self.refused("unknown_location", "receive", unique("x"), sku, "atlantis", 3)

    def test_pipelined_duplicates(self):
        sku, ident, order = unique("SKU"), unique("i"), unique("res")
        receives = self.client.pipeline([("receive", ident, sku, "main", 5)] * 100)
        self.assertTrue(all(got == receives[0] for got in receives))
        reserves = self.client.pipeline([("reserve", order, "default", [[sku, 2]])] * 100)
        self.assertTrue(all(got == reserves[0] for got in reserves))
        self.assertEqual(self.figures(sku), (5, 2, 3))

    def test_duplicates_from_many_connections_at_once(self):
        sku = self.stocked(1000)
        clients = [self.server.client(kind) for kind in ("tcp", "unix") * 8]
        try:
            for _ in range(20):
                ident = unique("res")
                for client in clients:
                    client.send("reserve", ident, "default", [[sku, 2]])
                answers = [client.receive() for client in clients]
                self.assertTrue(all(error is None for error, _ in answers), answers)
                self.assertTrue(all(result == answers[0][1] for _, result in answers))
            self.assertEqual(self.figures(sku), (1000, 40, 960))
        finally:
            for client in clients:
                client.close()

    def test_reserve_confirm_fulfil_in_one_go(self):
        """Requests of one connection take effect in their order, though no answer was awaited."""
        skus = [unique("SKU") for _ in range(50)]
        calls = []
        for sku in skus:
            ident = unique("res")
            calls += [
                ("receive", unique("r"), sku, "main", 3),
                ("reserve", ident, "default", [[sku, 2]]),
                ("confirm", ident),
                ("fulfil", ident, [[sku, 1]], {"op": unique("op")}),
                ("cancel", ident, None, {"op": unique("op")}),
                ("reservation", ident),
            ]
        results = self.client.pipeline(calls)
        for call, result in zip(calls, results):
            self.assertNotIsInstance(result, RpcError, call)
        self.assertEqual({result["state"] for result in results[5::6]}, {"fulfilled"})
        self.assertEqual(self.call("availability", "default", skus)["stock"], [2] * len(skus))


class OnceManyWorkers(Once):
    """The same, where the connections are served by several threads."""

    options = ("--workers", 4)


class Steps(StockdTestCase):
    """`op` makes a partial step happen once."""

    def confirmed(self, qty):
        sku = self.stocked(10)
        return self.reserved([[sku, qty]], confirm=True), sku

    def test_the_same_op_again(self):
        for step in ("fulfil", "cancel"):
            ident, sku = self.confirmed(5)
            op = unique("op")
            first = self.call(step, ident, [[sku, 2]], {"op": op})
            self.quiet()
            before = self.call("stock", sku)
            for _ in range(3):
                self.assertEqual(self.call(step, ident, [[sku, 2]], {"op": op}), first)
            self.assertEqual(self.call("stock", sku), before)

    def test_without_op_it_is_done_again(self):
        ident, sku = self.confirmed(5)
        self.call("fulfil", ident, [[sku, 2]])
        self.call("fulfil", ident, [[sku, 2]])
        self.assertEqual(self.figures(sku), (6, 1, 5))

    def test_the_same_op_after_it_went_on(self):
        ident, sku = self.confirmed(5)
        op, last = unique("op"), unique("op")
        first = self.call("fulfil", ident, [[sku, 2]], {"op": op})
        end = self.call("fulfil", ident, [[sku, 3]], {"op": last})
        self.assertEqual((first["state"], end["state"]), ("confirmed", "fulfilled"))
        for kill in (None, False, True):
            if kill is not None:
                self.server.restart(kill=kill)
                self.reconnect()
            self.assertEqual(self.call("fulfil", ident, [[sku, 2]], {"op": op}), first)
            self.assertEqual(self.call("fulfil", ident, [[sku, 3]], {"op": last}), end)
            self.assertEqual(self.figures(sku), (5, 0, 5))
            self.refused("conflict", "fulfil", ident, [[sku, 1]], {"op": op})

    def test_whole_steps_with_op(self):
        for step, state in (("fulfil", "fulfilled"), ("cancel", "cancelled")):
            ident, sku = self.confirmed(5)
            op = unique("op")
            first = self.call(step, ident, {"op": op})
            self.assertEqual(first["state"], state)
            self.assertEqual(self.call(step, ident, {"op": op}), first)
            self.assertEqual(self.call(step, ident, None, {"op": op}), first)

    def test_other_content_is_a_conflict(self):
        one, sku = self.confirmed(5)
        two, other = self.confirmed(5)
        op = unique("op")
        first = self.call("fulfil", one, [[sku, 2]], {"op": op})
        for call in (
            ("fulfil", one, [[sku, 1]], {"op": op}),
            ("cancel", one, [[sku, 2]], {"op": op}),
            ("fulfil", two, [[other, 2]], {"op": op}),
            ("receive", op, sku, "main", 2),
            ("reserve", op, "default", [[sku, 2]]),
        ):
            with self.subTest(call=call):
                self.refused("conflict", *call)
        self.assertEqual(self.call("fulfil", one, [[sku, 2]], {"op": op}), first)
        self.assertEqual((self.figures(sku), self.figures(other)), ((8, 3, 5), (10, 5, 5)))

    def test_op_that_is_the_id_of_something_else(self):
        ident, sku = self.confirmed(5)
        used = unique("r")
        self.call("receive", used, sku, "main", 1)
        self.refused("conflict", "fulfil", ident, [[sku, 1]], {"op": used})
        with self.assertRaises(RpcError) as caught:
            self.call("fulfil", ident, [[sku, 1]], {"op": ident})
        self.assertIn(caught.exception.code, ("conflict", "bad_request"))
        self.assertEqual(self.figures(sku), (11, 5, 6))

    def test_confirm_again_after_a_partial_step(self):
        """The first result, whatever lsn the reservation has come to since."""
        sku = self.stocked(10)
        ident = self.reserved([[sku, 5]])
        first = self.call("confirm", ident)
        self.call("fulfil", ident, [[sku, 2]])
        for kill in (None, False, True):
            if kill is not None:
                self.server.restart(kill=kill)
                self.reconnect()
            self.assertEqual(self.call("confirm", ident), first)

    def test_a_refused_step_is_not_remembered(self):
        ident, sku = self.confirmed(5)
        op = unique("op")
        self.refused("wrong_state", "fulfil", ident, [[sku, 6]], {"op": op})
        self.assertEqual(self.call("fulfil", ident, [[sku, 5]], {"op": op})["state"], "fulfilled")

    def test_whole_steps_again_after_restart(self):
        sku = self.stocked(100)
        kept = []
        for steps in (["confirm"], ["confirm", "fulfil"], ["cancel"], ["confirm", "cancel"]):
            ident = self.reserved([[sku, 3]])
            for step in steps:
                result = self.call(step, ident)
            kept.append((steps[-1], ident, result))
        figures = self.figures(sku)
        for kill in (False, True):
            self.server.restart(kill=kill)
            self.reconnect()
            for step, ident, first in kept:
                self.assertEqual(self.call(step, ident), first)
            self.assertEqual(self.figures(sku), figures)


if __name__ == "__main__":
    main()
