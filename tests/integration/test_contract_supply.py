# SPDX-License-Identifier: Apache-2.0
"""The contract, supply that is on its way: documents from outside (`expect`) and between places
(`transfer`), their steps and states, and that promises on them are kept.
"""

import time

from stockd_harness import main, unique
from supply_case import RESULT, WHOLE, SupplyCase, in_days


class Documents(SupplyCase):
    def test_expect(self):
        sku, other, ident, eta = unique("SKU"), unique("SKU"), unique("exp"), in_days(3)
        got = self.call("expect", ident, self.shop, [[sku, 5], [other, 2], [sku, 3]], {"eta_ms": eta, "ref": "PO 7"})
        self.assertEqual(list(got), RESULT)
        lines = [[sku, 8, 8, 0, 0, 0], [other, 2, 2, 0, 0, 0]]
        wanted = {"id": ident, "state": "in_transit", "eta_ms": eta, "lines": lines, "under_way": [8, 2]}
        self.assertEqual({**got, "lsn": 0}, {"lsn": 0, **wanted})
        whole = self.call("supply", ident)
        self.assertEqual(list(whole), WHOLE)
        self.assertEqual(whole, {"lsn": got["lsn"], **wanted, "kind": "expect", "from": None,
                                 "location": self.shop, "ref": "PO 7"})
        stock = self.call("stock", sku)
        self.assertEqual((stock["on_hand"], stock["reserved"], stock["available"]), (0, 0, 0), "nothing has come")
        pool = next(pool for pool in stock["pools"] if pool["kind"] == "expected")
        self.assertEqual({key: pool[key] for key in ("location", "on_hand", "reserved", "eta_ms", "supply")},
                         {"location": self.shop, "on_hand": 8, "reserved": 0, "eta_ms": eta, "supply": ident})
        self.unchanged(lambda: self.look(sku, other, ids=[ident]))

    def test_what_is_on_hand_has_no_eta(self):
        sku = self.stocked(3, self.shop)
        self.expected(sku, 1)
        shared = next(pool for pool in self.call("stock", sku)["pools"] if pool["kind"] == "shared")
        self.assertEqual((shared["eta_ms"], shared["supply"], shared["on_hand"]), (None, None, 3))

    def test_transfer_at_once(self):
        sku = self.stocked(5, self.depot)
        ident = unique("trf")
        got = self.call("transfer", ident, self.depot, self.shop, [[sku, 2]])
        self.assertEqual(list(got), RESULT)
        self.assertEqual((got["state"], got["eta_ms"], got["lines"]), ("arrived", None, [[sku, 2, 2, 2, 0, 0]]))
        self.assertEqual(self.pools(sku), {(self.depot, "shared"): (3, 0), (self.shop, "shared"): (2, 0)})
        whole = self.call("supply", ident)
        self.assertEqual((whole["kind"], whole["from"], whole["location"], whole["ref"]),
                         ("transfer", self.depot, self.shop, None))
        self.unchanged(lambda: self.look(sku, ids=[ident]))

    def test_transfer_with_an_eta(self):
        sku, eta = self.stocked(5, self.depot), in_days(1)
        ident = self.transferred(sku, 2, eta_ms=eta, ref="")
        self.assertEqual(self.state_of(ident), "in_transit")
        self.assertEqual(self.pools(sku), {(self.depot, "shared"): (3, 0), (self.shop, "in_transit"): (2, 0)})
        self.assertEqual(self.figures(sku), (3, 0, 3), "what is on its way is not on hand")
        pool = next(pool for pool in self.call("stock", sku)["pools"] if pool["kind"] == "in_transit")
        self.assertEqual((pool["eta_ms"], pool["supply"], pool["location"]), (eta, ident, self.shop))
        self.unchanged(lambda: self.look(sku, ids=[ident]))

    def test_transfer_that_is_held(self):
        sku = self.stocked(5, self.depot)
        ident = self.transferred(sku, 4, ship=False)
        got = self.call("supply", ident)
        self.assertEqual((got["state"], got["eta_ms"], got["lines"]), ("held", None, [[sku, 4, 0, 0, 0, 0]]))
        self.assertEqual(self.pools(sku), {(self.depot, "shared"): (5, 4)})
        self.unchanged(lambda: self.look(sku, ids=[ident]))
        eta = in_days(2)
        got = self.call("ship", ident, [[sku, 1]], {"eta_ms": eta, "op": unique("op")})
        self.assertEqual((got["state"], got["eta_ms"], got["lines"]), ("in_transit", eta, [[sku, 4, 1, 0, 0, 0]]))
        self.assertEqual(self.pools(sku), {(self.depot, "shared"): (4, 3), (self.shop, "in_transit"): (1, 0)})
        self.unchanged(lambda: self.look(sku, ids=[ident]))
        got = self.call("ship", ident)
        self.assertEqual(got["lines"], [[sku, 4, 4, 0, 0, 0]])
        self.assertEqual(self.pools(sku), {(self.depot, "shared"): (1, 0), (self.shop, "in_transit"): (4, 0)})
        self.assertEqual(self.call("arrive", ident)["state"], "arrived")
        self.assertEqual(self.pools(sku), {(self.depot, "shared"): (1, 0), (self.shop, "shared"): (4, 0)})

    def test_a_held_transfer_shipped_without_eta_arrives_at_once(self):
        sku = self.stocked(5, self.depot)
        ident = self.transferred(sku, 4, ship=False)
        got = self.call("ship", ident, [[sku, 3]], {"op": unique("op")})
        self.assertEqual(got["lines"], [[sku, 4, 3, 3, 0, 0]])
        self.assertEqual(self.pools(sku), {(self.depot, "shared"): (2, 1), (self.shop, "shared"): (3, 0)})
        self.assertEqual(self.call("ship", ident)["state"], "arrived")
        self.unchanged(lambda: self.look(sku, ids=[ident]))

    def test_a_transfer_takes_only_what_nobody_was_promised(self):
        sku, other = self.stocked(5, self.depot), self.stocked(1, self.depot)
        seller = self.channel(self.depot)
        self.call("stocking_set", sku, self.depot, {"safety": 2})
        self.reserved([[sku, 1]], channel=seller)
        for options in ({}, {"ship": False}, {"eta_ms": in_days(1)}):
            before = self.look(sku, other)
            error = self.refused("insufficient_stock", "transfer", unique("trf"), self.depot, self.shop,
                                 [[sku, 2], [other, 2], [sku, 3]], options)
            self.assertEqual(error.details["lines"], [{"sku": sku, "wanted": 5, "available": 4},
                                                      {"sku": other, "wanted": 2, "available": 1}])
            self.assertEqual(self.look(sku, other), before, "all or nothing")
        self.transferred(sku, 4)
        self.assertEqual(self.pools(sku)[self.depot, "shared"], (1, 1), "safety stock may be transferred")

    def test_withdraw(self):
        sku = self.stocked(5, self.depot)
        held = self.transferred(sku, 4, ship=False)
        got = self.call("withdraw", held, [[sku, 1]], {"op": unique("op")})
        self.assertEqual((got["state"], got["lines"]), ("held", [[sku, 3, 0, 0, 0, 0]]))
        self.assertEqual(self.pools(sku), {(self.depot, "shared"): (5, 3)})
        self.assertEqual(self.call("withdraw", held)["state"], "withdrawn")
        self.assertEqual(self.pools(sku), {(self.depot, "shared"): (5, 0)})
        ident = self.expected(sku, 6)
        got = self.call("withdraw", ident, [[sku, 2]], {"op": unique("op")})
        self.assertEqual((got["state"], got["lines"][0][:2]), ("in_transit", [sku, 4]))
        self.assertEqual(self.pools(sku)[self.shop, "expected"], (4, 0))
        self.assertEqual(self.call("withdraw", ident)["state"], "withdrawn")
        self.assertEqual(self.pools(sku), {(self.depot, "shared"): (5, 0)})
        self.unchanged(lambda: self.look(sku, ids=[held, ident]))

    def test_what_is_shipped_is_not_withdrawn(self):
        sku = self.stocked(5, self.depot)
        ident = self.transferred(sku, 3, ship=False)
        self.call("ship", ident, [[sku, 1]], {"eta_ms": in_days(1), "op": unique("op")})
        self.refused("wrong_state", "withdraw", ident, [[sku, 3]], {"op": unique("op")})
        self.assertEqual(self.call("withdraw", ident)["state"], "in_transit", "one unit is on its way")
        self.refused("wrong_state", "withdraw", ident, [[sku, 1]], {"op": unique("op")})
        self.assertEqual(self.pools(sku), {(self.depot, "shared"): (4, 0), (self.shop, "in_transit"): (1, 0)})


class Arrivals(SupplyCase):
    def test_in_parts(self):
        sku, ident = unique("SKU"), None
        ident = self.expected(sku, 10)
        got = self.call("arrive", ident, [[sku, 3]], {"op": unique("op")})
        self.assertEqual((got["state"], got["lines"]), ("in_transit", [[sku, 10, 10, 3, 0, 0]]))
        self.assertEqual(self.pools(sku), {(self.shop, "shared"): (3, 0), (self.shop, "expected"): (7, 0)})
        got = self.call("arrive", ident, [[sku, 2, 1]], {"op": unique("op")})
        self.assertEqual(got["lines"], [[sku, 10, 10, 5, 1, 0]])
        self.assertEqual(self.pools(sku), {(self.shop, "shared"): (5, 0), (self.shop, "expected"): (4, 0),
                                           (self.shop, "damaged"): (1, 0)})
        self.unchanged(lambda: self.look(sku, ids=[ident]))
        got = self.call("arrive", ident)
        self.assertEqual((got["state"], got["lines"]), ("arrived", [[sku, 10, 10, 9, 1, 0]]))
        self.assertEqual(self.figures(sku)[0], 9)

    def test_close_loses_the_rest(self):
        sku, other, ident = unique("SKU"), unique("SKU"), unique("exp")
        self.call("expect", ident, self.shop, [[sku, 10], [other, 4]], {"eta_ms": in_days(1)})
        got = self.call("arrive", ident, [[sku, 6, 1]], {"close": True, "op": unique("op")})
        self.assertEqual((got["state"], got["lines"]),
                         ("arrived", [[sku, 10, 10, 6, 1, 3], [other, 4, 4, 0, 0, 4]]))
        self.assertEqual(self.pools(sku), {(self.shop, "shared"): (6, 0), (self.shop, "damaged"): (1, 0)})
        self.assertEqual(self.pools(other), {})
        self.unchanged(lambda: self.look(sku, other, ids=[ident]))
        self.refused("wrong_state", "arrive", ident, [[sku, 1]], {"op": unique("op")})

    def test_nothing_came(self):
        sku = unique("SKU")
        ident = self.expected(sku, 4)
        got = self.call("arrive", ident, [[sku, 0]], {"close": True})
        self.assertEqual(got["lines"], [[sku, 4, 4, 0, 0, 4]])
        self.assertEqual(got["state"], "arrived")

    def test_more_than_was_expected(self):
        sku = unique("SKU")
        ident = self.expected(sku, 4)
        got = self.call("arrive", ident, [[sku, 6]], {"op": unique("op")})
        self.assertEqual((got["state"], got["lines"]), ("arrived", [[sku, 4, 4, 6, 0, 0]]))
        self.assertEqual(self.pools(sku), {(self.shop, "shared"): (6, 0)})
        self.unchanged(lambda: self.look(sku, ids=[ident]))

    def test_of_a_transfer(self):
        sku = self.stocked(9, self.depot)
        ident = self.transferred(sku, 5, eta_ms=in_days(1))
        got = self.call("arrive", ident, [[sku, 3, 1]], {"close": True, "op": unique("op")})
        self.assertEqual((got["state"], got["lines"]), ("arrived", [[sku, 5, 5, 3, 1, 1]]))
        self.assertEqual(self.pools(sku), {(self.depot, "shared"): (4, 0), (self.shop, "shared"): (3, 0),
                                           (self.shop, "damaged"): (1, 0)})
        self.assertEqual(self.figures(sku)[0], 7)


class Promises(SupplyCase):
    def test_only_channels_that_promise_incoming_sell_it(self):
        sku, near = unique("SKU"), self.channel(self.shop, promise="incoming", horizon_s=2 * 86400)
        self.expected(sku, 3, days=1)
        self.expected(sku, 4, days=5)
        self.expected(sku, 9, days=1, eta_ms=None)
        self.assertEqual([self.available(sku, channel) for channel in (self.plain, near, self.eager)], [0, 3, 7],
                         "without an ETA it is never promised")
        self.refused("insufficient_stock", "reserve", unique("o"), self.plain, [[sku, 1]])
        self.refused("insufficient_stock", "reserve", unique("o"), near, [[sku, 4]])
        self.refused("insufficient_stock", "reserve", unique("o"), self.eager, [[sku, 8]])
        self.reserved([[sku, 7]], channel=self.eager)
        self.assertEqual(self.available(sku, self.eager), 0)

    def test_what_is_on_hand_goes_first_then_the_earliest(self):
        sku, soon, late = self.stocked(2, self.shop), in_days(1), in_days(5)
        self.expected(sku, 4, eta_ms=late)
        self.expected(sku, 3, eta_ms=soon)
        got = self.call("reserve", unique("o"), self.eager, [[sku, 7]])
        draws = [(qty, ready) for _sku, _place, qty, ready in got["lines"]]
        self.assertEqual([qty for qty, _ready in draws], [2, 3, 2])
        self.assertEqual([ready for _qty, ready in draws][1:], [soon, late])
        self.assertLess(draws[0][1], soon)

    def test_a_promise_stays_through_arrival(self):
        sku = unique("SKU")
        ident = self.expected(sku, 5)
        order = self.reserved([[sku, 3]], channel=self.eager, confirm=True)
        self.refused("insufficient_stock", "fulfil", order)
        self.unchanged(lambda: (self.look(sku, ids=[ident]), self.call("reservation", order)))
        self.call("arrive", ident)
        self.assertEqual(self.pools(sku), {(self.shop, "shared"): (5, 3)},
                         "what has come is shared, whatever it was promised from")
        self.assertEqual(self.available(sku, self.plain), 2)
        self.unchanged(lambda: (self.look(sku, ids=[ident]), self.call("reservation", order)))
        self.assertEqual(self.call("fulfil", order)["state"], "fulfilled")
        self.assertEqual(self.pools(sku), {(self.shop, "shared"): (2, 0)})

    def test_a_cancelled_promise_is_free_again(self):
        sku = unique("SKU")
        ident = self.expected(sku, 5)
        first, second = (self.reserved([[sku, 2]], channel=self.eager) for _ in range(2))
        self.call("cancel", first)
        self.assertEqual(self.available(sku, self.eager), 3)
        self.call("arrive", ident)
        self.call("cancel", second)
        self.assertEqual(self.available(sku, self.plain), 5)
        self.assertEqual(self.pools(sku), {(self.shop, "shared"): (5, 0)})
        self.unchanged(lambda: self.look(sku, ids=[ident]))

    def test_free_stock_stands_in_for_what_is_lost(self):
        sku = unique("SKU")
        ident = self.expected(sku, 5)
        order = self.reserved([[sku, 5]], channel=self.eager, confirm=True)
        self.call("receive", unique("r"), sku, self.shop, 2)
        self.call("arrive", ident, [[sku, 3]], {"close": True, "op": unique("op")})
        self.assertEqual(self.available(sku, self.plain), 0, "both units stand in")
        self.unchanged(lambda: (self.look(sku, ids=[ident]), self.call("reservation", order)))
        self.assertEqual(self.call("fulfil", order)["state"], "fulfilled")
        self.assertEqual(self.figures(sku), (0, 0, 0))

    def test_withdrawn_supply_leaves_promises_short(self):
        sku = unique("SKU")
        ident = self.expected(sku, 5)
        order = self.reserved([[sku, 4]], channel=self.eager, confirm=True)
        self.assertEqual(self.call("withdraw", ident)["state"], "withdrawn")
        self.refused("insufficient_stock", "fulfil", order)
        self.assertEqual(self.state(order), "confirmed")
        self.call("receive", unique("r"), sku, self.shop, 4)
        self.assertEqual(self.available(sku, self.plain), 0, "they are the order's")
        self.assertEqual(self.call("fulfil", order)["state"], "fulfilled")

    def test_a_far_time_is_kept_to_the_millisecond(self):
        """It is the same for whoever asks, and for by_ms, and after a start from the journal."""
        eager = self.channel(self.shop, promise="incoming", horizon_s=500 * 86400)
        for days in (1, 24, 25, 49, 50, 400):
            sku, eta = unique("SKU"), in_days(days) // 1000 * 1000 + 333
            self.expected(sku, 5, eta_ms=eta)
            ident = unique("ord")
            terms = {"by_ms": eta}
            promised = self.call("promise", eager, [[sku, 1]], terms)["lines"]
            reserved = self.call("reserve", ident, eager, [[sku, 1]], terms)["lines"]
            self.assertEqual([promised[0][3], reserved[0][3]], [eta, eta], f"{days} days")
            self.refused("insufficient_stock", "reserve", unique("ord"), eager, [[sku, 1]],
                         {"by_ms": eta - 1})
            self.unchanged(lambda: self.call("reservation", ident))

    def test_reschedule_computes_ready_anew(self):
        sku, later = unique("SKU"), in_days(9)
        ident = self.expected(sku, 5)
        order = self.reserved([[sku, 2]], channel=self.eager)
        got = self.call("reschedule", ident, later, {"op": unique("op")})
        self.assertEqual((list(got), got["state"], got["eta_ms"]), (RESULT, "in_transit", later))
        self.assertEqual(self.call("reservation", order)["lines"][0][3], later)
        pool = next(pool for pool in self.call("stock", sku)["pools"] if pool["kind"] == "expected")
        self.assertEqual(pool["eta_ms"], later)
        self.unchanged(lambda: (self.look(sku, ids=[ident]), self.call("reservation", order)))

    def test_late_supply_is_not_promised(self):
        sku = unique("SKU")
        ident = unique("exp")
        self.call("expect", ident, self.shop, [[sku, 5]], {"eta_ms": int(time.time() * 1000) + 1500})
        self.assertEqual(self.available(sku, self.eager), 5)
        self.wait_until(lambda: self.available(sku, self.eager) == 0, "its ETA never passed")
        self.refused("insufficient_stock", "reserve", unique("o"), self.eager, [[sku, 1]])
        late = {supply["id"] for supply in self.call("supplies", {"location": self.shop, "late": True})["supplies"]}
        self.assertEqual(late, {ident})
        self.unchanged(lambda: self.look(sku, ids=[ident]))
        self.call("reschedule", ident, in_days(1))
        self.assertEqual(self.available(sku, self.eager), 5)
        self.assertEqual(self.call("supplies", {"location": self.shop, "late": True})["supplies"], [])

    def wait_until(self, true, never):
        deadline = time.monotonic() + 60
        while not true():
            self.assertLess(time.monotonic(), deadline, never)
            time.sleep(0.02)


if __name__ == "__main__":
    main()
