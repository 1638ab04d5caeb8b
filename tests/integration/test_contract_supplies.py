# SPDX-License-Identifier: Apache-2.0
"""The contract, supply that is on its way: the same again, what is refused, and the list."""

import time

from stockd_harness import MAX_POOL, main, unique
from supply_case import SupplyCase, in_days


class Idempotency(SupplyCase):
    def again(self, method, *params, others=()):
        """The same twice gives the same; other parameters conflict; after a crash too."""
        first = self.call(method, *params)
        for _ in range(2):
            self.assertEqual(self.call(method, *params), first, method)
            for other in others:
                self.refused("conflict", method, *other)
            self.crash()
        return first

    def test_by_id(self):
        sku, eta = self.stocked(20, self.depot), in_days(2)
        ident, plain = unique("exp"), unique("exp")
        self.again("expect", ident, self.shop, [[sku, 2]], {"eta_ms": eta, "ref": "a"}, others=[
            (ident, self.shop, [[sku, 3]], {"eta_ms": eta, "ref": "a"}),
            (ident, self.depot, [[sku, 2]], {"eta_ms": eta, "ref": "a"}),
            (ident, self.shop, [[sku, 2]], {"eta_ms": eta + 1, "ref": "a"}),
            (ident, self.shop, [[sku, 2]], {"eta_ms": eta}),
        ])
        self.again("expect", plain, self.shop, [[sku, 2]], others=[(plain, self.shop, [[sku, 1], [sku, 1]])])
        for options in ({}, {"ship": False}, {"eta_ms": eta}):
            ident = unique("trf")
            self.again("transfer", ident, self.depot, self.shop, [[sku, 2]], options, others=[
                (ident, self.shop, self.depot, [[sku, 2]], options),
                (ident, self.depot, self.shop, [[sku, 2]], {**options, "ref": "x"}),
            ])
            self.refused("conflict", "expect", ident, self.shop, [[sku, 2]])
            self.refused("conflict", "receive", ident, sku, self.shop, 2)

    def test_the_first_result_again_whatever_came_later(self):
        sku, eta, ident = unique("SKU"), in_days(2), unique("exp")
        params = ("expect", ident, self.shop, [[sku, 9]], {"eta_ms": eta})
        first = self.call(*params)
        op = unique("op")
        step = ("arrive", ident, [[sku, 2, 1]], {"op": op})
        second = self.call(*step)
        self.call("reschedule", ident, eta + 5)
        self.call("arrive", ident)
        for _ in range(2):
            self.assertEqual(self.call(*params), first)
            self.assertEqual(self.call(*step), second)
            self.crash()

    def test_by_op(self):
        sku = self.stocked(20, self.depot)
        eta, ids = in_days(2), [unique("op") for _ in range(6)]
        trf = self.transferred(sku, 9, ship=False)
        self.again("ship", trf, [[sku, 4]], {"eta_ms": eta, "op": ids[0]}, others=[
            (trf, [[sku, 3]], {"eta_ms": eta, "op": ids[0]}), (trf, None, {"op": ids[0]})])
        self.again("withdraw", trf, [[sku, 1]], {"op": ids[1]}, others=[(trf, [[sku, 2]], {"op": ids[1]})])
        self.again("reschedule", trf, eta + 7, {"op": ids[2]}, others=[(trf, eta + 8, {"op": ids[2]})])
        self.again("arrive", trf, [[sku, 2, 1]], {"op": ids[3]}, others=[
            (trf, [[sku, 2]], {"op": ids[3]}), (trf, [[sku, 2, 1]], {"close": True, "op": ids[3]})])
        self.refused("conflict", "ship", trf, [[sku, 1]], {"op": ids[3]})
        self.assertEqual(self.lines(trf), [[sku, 8, 4, 2, 1, 0]])

    def test_whole_steps_again_need_no_op(self):
        sku = self.stocked(20, self.depot)
        held, gone = self.transferred(sku, 3, ship=False), self.transferred(sku, 3, ship=False)
        self.again("ship", held, None, {"eta_ms": in_days(1)})
        self.again("arrive", held)
        self.again("withdraw", gone)
        ident = self.expected(sku, 4)
        self.again("reschedule", ident, in_days(4))
        self.again("withdraw", ident)


class Refusals(SupplyCase):
    def test_states(self):
        """What each state refuses, and that nothing changes by it."""
        sku = self.stocked(50, self.depot)
        held, moving = self.transferred(sku, 3, ship=False), self.transferred(sku, 3, eta_ms=in_days(1))
        came, gone = self.transferred(sku, 3), self.transferred(sku, 3, ship=False)
        outside = self.expected(sku, 3)
        self.call("withdraw", gone)
        part = [[sku, 1]]
        table = [
            (held, "held", ("arrive",)),
            (moving, "in_transit", ("ship", "withdraw")),
            (outside, "in_transit", ("ship",)),
            (came, "arrived", ("ship", "arrive", "withdraw", "reschedule")),
            (gone, "withdrawn", ("ship", "arrive", "withdraw", "reschedule")),
        ]
        for ident, state, refused in table:
            for method in refused:
                with self.subTest(state=state, method=method):
                    before = self.look(sku, ids=[ident])
                    params = [in_days(7)] if method == "reschedule" else [part]
                    error = self.refused("wrong_state", method, ident, *params, {"op": unique("op")})
                    self.assertEqual(error.details["state"], state)
                    self.assertEqual(self.look(sku, ids=[ident]), before)

    def test_too_much(self):
        sku = self.stocked(50, self.depot)
        held = self.transferred(sku, 3, ship=False)
        error = self.refused("wrong_state", "ship", held, [[sku, 2], [sku, 2]], {"op": unique("op")}, names=sku)
        self.assertEqual((error.details["wanted"], error.details["left"]), (4, 3))
        outside = self.expected(sku, 3)
        self.refused("wrong_state", "withdraw", outside, [[sku, 4]], {"op": unique("op")}, names=sku)
        self.refused("wrong_state", "withdraw", held, [[sku, 4]], {"op": unique("op")}, names=sku)
        self.assertEqual((self.lines(held), self.lines(outside)), ([[sku, 3, 0, 0, 0, 0]], [[sku, 3, 3, 0, 0, 0]]))

    def test_unknown_names(self):
        sku, ghost = self.stocked(5, self.depot), unique("ghost")
        other = self.stocked(5, self.depot)
        line = [[sku, 1]]
        for method, params, code, key in (
            ("expect", (unique("e"), ghost, line), "unknown_location", "location"),
            ("transfer", (unique("t"), ghost, self.shop, line), "unknown_location", "location"),
            ("transfer", (unique("t"), self.depot, ghost, line), "unknown_location", "location"),
            ("transfer", (unique("t"), self.depot, self.shop, [[ghost, 1]]), "unknown_sku", "sku"),
            ("ship", (ghost,), "unknown_reservation", "id"),
            ("arrive", (ghost,), "unknown_reservation", "id"),
            ("reschedule", (ghost, in_days(1)), "unknown_reservation", "id"),
            ("withdraw", (ghost,), "unknown_reservation", "id"),
            ("supply", (ghost,), "unknown_reservation", "id"),
            ("supplies", ({"location": ghost},), "unknown_location", "location"),
        ):
            with self.subTest(method=method, params=params):
                error = self.refused(code, method, *params, names=ghost)
                self.assertEqual(error.details.get(key), ghost)
        order = self.reserved([[sku, 1]], channel=self.channel(self.depot))
        self.refused("unknown_reservation", "supply", order, names=order)
        self.refused("unknown_reservation", "arrive", order, names=order)
        ident = self.expected(sku, 3)
        self.refused("unknown_reservation", "cancel", ident, names=ident)
        self.refused("bad_request", "arrive", ident, [[other, 1]], names=other)
        self.refused("unknown_sku", "arrive", ident, [[ghost, 1]], names=ghost)

    def test_bad_input(self):
        sku = self.stocked(9, self.depot)
        held, outside = self.transferred(sku, 3, ship=False), self.expected(sku, 3)
        past = int(time.time() * 1000) - 1000
        before = self.look(sku, ids=[held, outside])
        lines_cases = (
            ("x", "lines"), (5, "lines"), ([], "lines"), ([sku], "lines[0]"), ([[sku]], "lines[0]"), ([[sku, 0]], "lines[0] qty"),
            ([[sku, -1]], "lines[0] qty"), ([[sku, 1.5]], "lines[0] qty"), ([[sku, "1"]], "lines[0] qty"),
            ([[sku, 1], [sku, None]], "lines[1] qty"), ([[sku, MAX_POOL + 1]], "lines[0] qty"), ([["", 1]], "lines[0] sku"),
            ([["x" * 65, 1]], "lines[0] sku"), ([[b"\xff", 1]], "lines[0] sku"), ([[5, 1]], "lines[0] sku"),
            ([[sku, 1, 1]], "lines[0]"), ([{"sku": sku}], "lines[0]"), ([[sku, MAX_POOL], [sku, 1]], sku),
        )
        eta_cases = (("soon", "eta_ms"), (-1, "eta_ms"), (1.5, "eta_ms"), (1 << 63, "eta_ms"), (past, "eta_ms"), (0, "eta_ms"),
                     (True, "eta_ms"))
        for bad, names in lines_cases:
            self.refused("bad_request", "expect", unique("e"), self.shop, bad, names=names)
            self.refused("bad_request", "transfer", unique("t"), self.depot, self.shop, bad, names=names)
            self.refused("bad_request", "ship", held, bad, {"op": unique("op")}, names=names)
            self.refused("bad_request", "withdraw", outside, bad, {"op": unique("op")}, names=names)
        for bad, names in (([], "lines"), ([[sku]], "lines[0]"), ([[sku, -1]], "accepted"), ([[sku, 1, -1]], "rejected"),
                           ([[sku, 1, "2"]], "rejected"), ([[sku, 1, 1, 1]], "lines[0]"), ([[sku, MAX_POOL, 1]], sku)):
            self.refused("bad_request", "arrive", outside, bad, {"op": unique("op")}, names=names)
        for bad, names in eta_cases:
            self.refused("bad_request", "expect", unique("e"), self.shop, [[sku, 1]], {"eta_ms": bad}, names=names)
            self.refused("bad_request", "transfer", unique("t"), self.depot, self.shop, [[sku, 1]], {"eta_ms": bad},
                         names=names)
            self.refused("bad_request", "ship", held, None, {"eta_ms": bad}, names=names)
            self.refused("bad_request", "reschedule", outside, bad, names=names)
        for method, first, options, names in (
            ("expect", (unique("e"), self.shop, [[sku, 1]]), {"ship": True}, "ship"),
            ("expect", (unique("e"), self.shop, [[sku, 1]]), {"ref": "x" * 129}, "ref"),
            ("expect", (unique("e"), self.shop, [[sku, 1]]), {"ref": b"\xff"}, "ref"),
            ("expect", (unique("e"), self.shop, [[sku, 1]]), ["ref"], "options"),
            ("transfer", (unique("t"), self.depot, self.shop, [[sku, 1]]), {"ship": 0}, "ship"),
            ("transfer", (unique("t"), self.depot, self.depot, [[sku, 1]]), {}, "to"),
            ("ship", (held, None), {"op": "x" * 41}, "op"), ("ship", (held, None), {"close": True}, "close"),
            ("arrive", (outside, None), {"close": "yes"}, "close"), ("arrive", (outside, None), {"op": outside}, "op"),
            ("withdraw", (outside, None), {"op": 5}, "op"), ("withdraw", (outside, None), {"eta_ms": 5}, "eta_ms"),
            ("reschedule", (outside, in_days(2)), {"op": ""}, "op"), ("supply", (outside,), {"op": "x"}, "op"),
        ):
            with self.subTest(method=method, options=options):
                self.refused("bad_request", method, *first, options, names=names)
        for method in ("expect", "transfer", "ship", "arrive", "reschedule", "withdraw", "supply"):
            self.refused("bad_request", method, names="id")
            self.refused("bad_request", method, "x" * 41, names="id")
            self.refused("bad_request", method, None, names="id")
        self.assertEqual(self.look(sku, ids=[held, outside]), before, "nothing changed")

    def test_a_part_under_way_keeps_its_eta(self):
        sku = self.stocked(9, self.depot)
        held, eta = self.transferred(sku, 5, ship=False), in_days(1)
        self.call("ship", held, [[sku, 2]], {"eta_ms": eta, "op": unique("op")})
        self.refused("bad_request", "ship", held, [[sku, 2]], {"eta_ms": eta + 1, "op": unique("op")}, names="eta_ms")
        self.call("ship", held, [[sku, 2]], {"eta_ms": eta, "op": unique("op")})
        self.assertEqual(self.lines(held), [[sku, 5, 4, 0, 0, 0]])

    def test_limits(self):
        sku = unique("SKU")
        self.refused("too_large", "expect", unique("e"), self.shop, [[sku, 1]] * 1025, names="lines")
        ident = unique("e")
        skus = [f"{sku}-{n}" for n in range(1024)]
        got = self.call("expect", ident, self.shop, [[each, 1] for each in skus], {"eta_ms": in_days(1)})
        self.assertEqual([line[0] for line in got["lines"]], skus)
        self.unchanged(lambda: self.call("supply", ident))
        self.assertEqual(self.call("arrive", ident)["state"], "arrived")
        self.expected(sku, MAX_POOL)
        self.expected(sku, MAX_POOL)
        got = self.pools(sku)
        self.assertEqual(got[self.shop, "expected"], (2 * MAX_POOL, 0), "each supply has a pool of its own")

    def test_a_pool_that_is_full(self):
        sku = unique("SKU")
        self.call("receive", unique("r"), sku, self.shop, MAX_POOL - 1)
        ident = self.expected(sku, 2)
        before = self.look(sku, ids=[ident])
        self.refused("limit", "arrive", ident, names=sku)
        self.assertEqual(self.look(sku, ids=[ident]), before)


class Lists(SupplyCase):
    def ids(self, **options):
        page = self.call("supplies", {"location": self.shop, **options})
        self.assertEqual(list(page), ["lsn", "supplies", "next"])
        return [supply["id"] for supply in page["supplies"]]

    def test_filters(self):
        sku = self.stocked(50, self.depot)
        held, moving = self.transferred(sku, 3, ship=False), self.transferred(sku, 3, eta_ms=in_days(1))
        came, gone = self.transferred(sku, 3), self.transferred(sku, 3, ship=False)
        outside = self.expected(sku, 3)
        elsewhere = self.expected(sku, 3, place=self.depot)
        self.call("withdraw", gone)
        for _ in range(2):
            self.assertEqual(set(self.ids()), {held, moving, came, gone, outside})
            self.assertEqual(self.ids(location=self.depot), [elsewhere])
            self.assertEqual(self.ids(location=None, after=outside), [elsewhere], "of any place")
            for state, ids in (("held", {held}), ("in_transit", {moving, outside}), ("arrived", {came}),
                               ("withdrawn", {gone})):
                self.assertEqual(set(self.ids(state=state)), ids, state)
            self.assertEqual(self.ids(late=True), [])
            self.assertEqual(set(self.ids(late=False)), {held, moving, came, gone, outside})
            for supply in self.call("supplies", {"location": self.shop})["supplies"]:
                self.assertEqual(supply, self.call("supply", supply["id"]))
            self.crash()

    def test_pages(self):
        skus = [unique("SKU") for _ in range(3)]
        wanted = [self.expected(skus[n % 3], 1 + n) for n in range(25)]
        for limit in (1, 7, 24, 25, 26, 1000):
            got, after = [], None
            while True:
                page = self.call("supplies", {"location": self.shop, "limit": limit, "after": after})
                got.extend(supply["id"] for supply in page["supplies"])
                self.assertLessEqual(len(page["supplies"]), limit)
                if page["next"] is None:
                    break
                self.assertEqual(page["next"], got[-1])
                after = page["next"]
            self.assertEqual(sorted(got), sorted(wanted), f"limit {limit}")

    def test_a_page_of_many_lines_ends_early(self):
        sku = unique("SKU")
        wanted = []
        for _ in range(6):
            wanted.append(unique("exp"))
            self.call("expect", wanted[-1], self.shop, [[f"{sku}-{n}", 1] for n in range(1024)])
        first = self.call("supplies", {"location": self.shop})
        self.assertEqual(len(first["supplies"]), 5, "5,120 lines")
        rest = self.call("supplies", {"location": self.shop, "after": first["next"]})
        self.assertEqual(len(rest["supplies"]), 1)
        self.assertIsNone(rest["next"])

    def test_after_what_is_no_supply(self):
        order = self.reserved([[self.stocked(1), 1]])
        for after in (order, unique("ghost")):
            self.refused("bad_request", "supplies", {"after": after}, names="after")
        for option, bad in (("limit", 0), ("limit", 1001), ("limit", "5"), ("state", "lost"), ("state", ""), ("state", 5),
                            ("late", 1), ("location", 5), ("location", ""), ("after", ""), ("after", 5), ("from", "x")):
            with self.subTest(option=option, bad=bad):
                self.refused("bad_request", "supplies", {option: bad}, names=option)

    def test_info_counts_supplies(self):
        def count():
            return self.call("info", "ledger")["ledger"]["supplies"]

        before = count()
        self.call("arrive", self.expected(unique("SKU"), 1))
        self.assertEqual(count(), before + 2)


if __name__ == "__main__":
    main()
