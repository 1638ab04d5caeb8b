# SPDX-License-Identifier: Apache-2.0
"""The contract, supply that is on its way: refusals that name the parameter, repeats, overages, and the times of promises
when an ETA changes.
"""

import time

from stockd_harness import MAX_POOL, PATIENCE, SLOW, main, unique
from supply_case import SupplyCase, in_days


class Refusals(SupplyCase):
    def names(self, param, method, *params):
        """Refused, and both the message and the details name the parameter."""
        error = self.refused("bad_request", method, *params, names=param)
        self.assertEqual(error.details, {"param": param}, f"{method} {params!r}: {error}")

    def test_each_names_the_parameter(self):
        sku, other = self.stocked(9, self.depot), self.stocked(1, self.depot)
        held, outside = self.transferred(sku, 2, ship=False), self.expected(sku, 2)
        past = int(time.time() * 1000) - 1000
        self.names("to", "transfer", unique("t"), self.depot, self.depot, [[sku, 1]])
        self.names("eta_ms", "expect", unique("e"), self.shop, [[sku, 1]], {"eta_ms": past})
        self.names("eta_ms", "transfer", unique("t"), self.depot, self.shop, [[sku, 1]], {"eta_ms": past})
        self.names("eta_ms", "ship", held, None, {"eta_ms": past})
        self.names("eta_ms", "reschedule", outside, past)
        for method, ident in (("ship", held), ("arrive", outside), ("withdraw", outside)):
            self.names("sku", method, ident, [[other, 1]])
            self.names("lines", method, ident, [])
            self.names("op", method, ident, None, {"op": ident})
        self.names("op", "reschedule", outside, in_days(4), {"op": outside})
        twice = [[sku, MAX_POOL], [sku, 1]]
        for method, names, first in (("expect", "qty", (unique("e"), self.shop)), ("ship", "qty", (held,)),
                                     ("transfer", "qty", (unique("t"), self.depot, self.shop)),
                                     ("withdraw", "qty", (outside,)), ("arrive", "accepted", (outside,))):
            self.names(names, method, *first, twice)
        self.names("lines", "expect", unique("e"), self.shop, [])
        self.names("lines", "transfer", unique("t"), self.depot, self.shop, [])
        self.names("after", "supplies", {"after": unique("none")})
        self.names("state", "supplies", {"state": "lost"})

    def test_a_held_transfer_whose_eta_has_passed_needs_a_new_one(self):
        sku = self.stocked(5, self.depot)
        eta = int(time.time() * 1000) + round(300 * SLOW * PATIENCE)
        ident = self.transferred(sku, 4, ship=False, eta_ms=eta)
        while int(time.time() * 1000) <= eta + 100:
            time.sleep(0.05)
        self.names("eta_ms", "ship", ident)
        self.assertEqual(self.state_of(ident), "held")
        self.assertEqual(self.call("ship", ident, None, {"eta_ms": in_days(1)})["state"], "in_transit")


class Documents(SupplyCase):
    def test_what_is_under_way_does_not_count_overages(self):
        sku, other, ident = self.stocked(20, self.depot), self.stocked(20, self.depot), unique("trf")
        first = self.call("transfer", ident, self.depot, self.shop, [[sku, 9], [other, 4]], {"ship": False})
        self.assertEqual(first["under_way"], [0, 0])
        eta = in_days(1)
        got = self.call("ship", ident, [[sku, 4], [other, 4]], {"eta_ms": eta, "op": unique("op")})
        self.assertEqual(got["under_way"], [4, 4])
        step = ("arrive", ident, [[sku, 6, 1]], {"op": unique("op")})
        got = self.call(*step)
        self.assertEqual((got["lines"][0], got["under_way"]), ([sku, 9, 4, 6, 1, 0], [0, 4]))
        self.assertEqual(self.call("ship", ident, [[sku, 5]], {"op": unique("op")})["under_way"], [5, 4])
        self.unchanged(lambda: self.look(sku, other, ids=[ident]))
        self.assertEqual(self.call(*step), got, "as it was then")
        self.assertEqual(self.call("transfer", ident, self.depot, self.shop, [[sku, 9], [other, 4]], {"ship": False}),
                         first)
        listed = self.call("supplies", {"location": self.shop})["supplies"]
        self.assertEqual([supply["under_way"] for supply in listed], [[5, 4]])
        self.assertEqual(self.call("arrive", ident)["under_way"], [0, 0])


class Times(SupplyCase):
    def ready(self, order):
        return self.call("reservation", order)["lines"][-1][3]

    def test_what_has_come_keeps_its_time(self):
        sku, ident, (eta, later, last) = unique("SKU"), unique("exp"), (in_days(day) for day in (1, 5, 9))
        self.call("expect", ident, self.shop, [[sku, 9]], {"eta_ms": eta})
        first, second = (self.reserved([[sku, qty]], channel=self.eager, confirm=True) for qty in (3, 4))
        self.call("arrive", ident, [[sku, 4]], {"op": unique("op")})
        self.call("reschedule", ident, later)
        self.assertEqual([self.ready(order) for order in (first, second)], [eta, later])
        self.call("fulfil", first)
        self.call("arrive", ident, [[sku, 3]], {"op": unique("op")})
        self.call("reschedule", ident, last)
        self.unchanged(lambda: [self.call("reservation", order) for order in (first, second)])
        self.assertEqual([self.ready(order) for order in (first, second)], [eta, later])
        self.call("fulfil", second)
        self.call("arrive", ident)
        self.call("expect", unique("exp"), self.shop, [[sku, 9]], {"eta_ms": last})
        self.unchanged(lambda: [self.call("reservation", order) for order in (first, second)])
        self.assertEqual([self.ready(order) for order in (first, second)], [eta, later], "the last promised")


class Repeats(SupplyCase):
    def again(self, *params):
        first = self.call(*params)
        self.assertEqual(self.call(*params), first)
        self.crash()
        self.assertEqual(self.call(*params), first)
        return first

    def test_withdraw_after_a_part_was_shipped(self):
        sku = self.stocked(9, self.depot)
        ident = self.transferred(sku, 6, ship=False)
        self.call("ship", ident, [[sku, 2]], {"eta_ms": in_days(1), "op": unique("op")})
        got = self.again("withdraw", ident)
        self.assertEqual((got["state"], got["lines"]), ("in_transit", [[sku, 2, 2, 0, 0, 0]]))
        self.call("arrive", ident)
        self.assertEqual(self.again("withdraw", ident, None, {"op": unique("op")})["state"], "arrived")

    def test_withdraw_after_a_part_has_come(self):
        sku = unique("SKU")
        ident = self.expected(sku, 6)
        self.call("arrive", ident, [[sku, 2]], {"op": unique("op")})
        got = self.again("withdraw", ident)
        self.assertEqual((got["state"], got["lines"]), ("arrived", [[sku, 2, 2, 2, 0, 0]]))

    def test_what_was_never_withdrawn_is_no_repeat(self):
        sku = self.stocked(9, self.depot)
        shipped, come = self.transferred(sku, 6, ship=False), self.expected(sku, 2)
        self.call("withdraw", shipped, [[sku, 1]], {"op": unique("op")})
        self.call("ship", shipped, None, {"eta_ms": in_days(1)})
        self.refused("wrong_state", "withdraw", shipped)
        self.call("arrive", come)
        self.refused("wrong_state", "withdraw", come)


if __name__ == "__main__":
    main()
