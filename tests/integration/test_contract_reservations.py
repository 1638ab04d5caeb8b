# SPDX-License-Identifier: Apache-2.0
"""The contract, part 3: reservations, their states, and every way from one to the next."""

import time

from stockd_harness import MAX_POOL, RpcError, StockdTestCase, main, unique, wait_until

DEFAULT_TTL_MS = 15 * 60 * 1000
NOISE_MS = 5000  # between two clock readings on a busy machine


def now_ms():
    return time.time() * 1000


def pairs(lines):
    """(sku, location) -> quantity of a result's lines."""
    total = {}
    for sku, location, qty, *_ in lines:
        total[sku, location] = total.get((sku, location), 0) + qty
    return total


class Reserve(StockdTestCase):
    def assert_deadline(self, expires_ms, asked_ms, ttl_ms):
        self.assertIsInstance(expires_ms, int)
        self.assertGreaterEqual(expires_ms, asked_ms + ttl_ms - 2)
        self.assertLessEqual(expires_ms, now_ms() + ttl_ms + NOISE_MS)

    def test_result(self):
        sku = self.stocked(10)
        asked = now_ms()
        got = self.call("reserve", unique("res"), "default", [[sku, 3]], {"ttl_ms": 60000})
        self.assert_keys(got, "lsn", "state", "expires_ms", "lines")
        self.assertEqual(got["state"], "held")
        self.assert_deadline(got["expires_ms"], asked, 60000)
        (line,) = got["lines"]
        self.assertEqual(line[:3], [sku, "main", 3])
        self.assertEqual(len(line), 4, "a line is [sku, location, qty, ready_ms]")
        self.assertEqual(self.figures(sku), (10, 3, 7))
        self.assertEqual(self.available(sku), 7)

    def test_default_ttl_is_15_minutes(self):
        sku = self.stocked(10)
        asked = now_ms()
        got = self.call("reserve", unique("res"), "default", [[sku, 1]])
        self.assert_deadline(got["expires_ms"], asked, DEFAULT_TTL_MS)

    def test_channel_ttl(self):
        self.call("channel_set", "hasty", {"hold_ttl_ms": 20000})
        sku = self.stocked(10)
        asked = now_ms()
        got = self.call("reserve", unique("res"), "hasty", [[sku, 1]])
        self.assert_deadline(got["expires_ms"], asked, 20000)
        got = self.call("reserve", unique("res"), "hasty", [[sku, 1]], {"ttl_ms": 90000})
        self.assert_deadline(got["expires_ms"], asked, 90000)

    def test_confirm_at_once(self):
        sku = self.stocked(10)
        ident = unique("res")
        got = self.call("reserve", ident, "default", [[sku, 3]], {"confirm": True})
        self.assertEqual((got["state"], got["expires_ms"]), ("confirmed", None))
        self.assertEqual(self.call("reservation", ident)["expires_ms"], None)
        held = self.call("reserve", unique("res"), "default", [[sku, 3]], {"confirm": False})
        self.assertEqual(held["state"], "held")

    def test_reservation(self):
        one, two = self.stocked(10), self.stocked(10)
        ident = unique("res")
        made = self.call("reserve", ident, "default", [[one, 3], [two, 4]], {"ttl_ms": 60000})
        got = self.call("reservation", ident)
        self.assert_keys(got, "lsn", "state", "channel", "expires_ms", "lines")
        self.assertEqual((got["state"], got["channel"]), ("held", "default"))
        self.assertEqual(got["expires_ms"], made["expires_ms"])
        self.assertEqual(pairs(got["lines"]), {(one, "main"): 3, (two, "main"): 4})
        self.assertGreaterEqual(got["lsn"], made["lsn"])

    def test_unknown_reservation(self):
        for call in (("reservation",), ("confirm",), ("cancel",), ("fulfil",)):
            self.refused("unknown_reservation", *call, "ghost-17", names="ghost-17")
        self.refused("unknown_reservation", "extend", "ghost-17", 1000, names="ghost-17")

    def test_insufficient(self):
        plenty, few, none = self.stocked(10), self.stocked(2), unique("SKU")
        self.call("item_set", none, {})
        ident = unique("res")
        error = self.refused(
            "insufficient_stock", "reserve", ident, "default", [[plenty, 10], [few, 3], [none, 1]]
        )
        lines = {
            line["sku"]: (line["wanted"], line["available"]) for line in error.details["lines"]
        }
        self.assertEqual(lines, {few: (3, 2), none: (1, 0)})
        # all or nothing
        self.assertEqual(self.figures(plenty), (10, 0, 10))
        self.assertEqual(self.figures(few), (2, 0, 2))
        self.refused("unknown_reservation", "reservation", ident)

    def test_unknown_sku_and_places(self):
        sku = self.stocked(10)
        ident = unique("res")
        self.refused(
            "unknown_sku",
            "reserve",
            ident,
            "default",
            [[sku, 1], ["NEVER-SEEN", 1]],
            names="NEVER-SEEN",
        )
        self.refused("unknown_channel", "reserve", ident, "nowhere", [[sku, 1]], names="nowhere")
        self.refused(
            "unknown_location",
            "reserve",
            ident,
            "default",
            [[sku, 1, "atlantis"]],
            names="atlantis",
        )
        self.refused(
            "unknown_location",
            "reserve",
            ident,
            "default",
            [[sku, 1]],
            {"at": "atlantis"},
            names="atlantis",
        )
        self.assertEqual(self.figures(sku), (10, 0, 10))

    def test_the_last_unit_once(self):
        sku = self.stocked(1)
        self.reserved([[sku, 1]])
        self.refused("insufficient_stock", "reserve", unique("res"), "default", [[sku, 1]])

    def test_several_lines_with_one_sku_count_together(self):
        sku = self.stocked(5)
        error = self.refused(
            "insufficient_stock", "reserve", unique("res"), "default", [[sku, 3], [sku, 3]]
        )
        self.assertEqual({line["sku"] for line in error.details["lines"]}, {sku})
        self.assertEqual(self.figures(sku), (5, 0, 5))
        ident = self.reserved([[sku, 3], [sku, 2]])
        self.assertEqual(self.figures(sku), (5, 5, 0))
        self.assertEqual(pairs(self.call("reservation", ident)["lines"]), {(sku, "main"): 5})
        self.call("cancel", ident)
        self.assertEqual(self.figures(sku), (5, 0, 5))

    def test_1024_lines(self):
        sku = self.stocked(1024)
        self.reserved([[sku, 1]] * 1024)
        self.assertEqual(self.figures(sku), (1024, 1024, 0))
        self.refused("too_large", "reserve", unique("res"), "default", [[sku, 1]] * 1025)

    def test_1024_lines_of_1024_items(self):
        skus = [unique("SKU") for _ in range(1024)]
        self.client.pipeline(("receive", unique("r"), sku, "main", 2) for sku in skus)
        ident = self.reserved([[sku, 2] for sku in skus], confirm=True)
        self.assertEqual(len(self.call("reservation", ident)["lines"]), 1024)
        self.assertEqual(self.call("fulfil", ident)["state"], "fulfilled")
        self.assertEqual(self.call("availability", "default", skus)["stock"], [0] * 1024)

    def test_wrong_parameters(self):
        sku = self.stocked(10)
        ident = unique("res")
        quantities = (
            0,
            -1,
            MAX_POOL + 1,
            2**32 + 1,
            2**63,
            2**64 - 1,
            1.5,
            1.0,
            "3",
            None,
            True,
            [],
        )
        for qty in quantities:
            with self.subTest(qty=qty):
                self.refused("bad_request", "reserve", ident, "default", [[sku, qty]], names="qty")
                self.refused(
                    "bad_request", "reserve", ident, "default", [[sku, 1], [sku, qty]], names="qty"
                )
        for lines in (
            None,
            5,
            "x",
            {},
            [],
            [sku],
            [[]],
            [[sku]],
            [[5, 1]],
            [[sku, 1, 5]],
            [[sku, 1, "main", 1]],
            [{}],
        ):
            with self.subTest(lines=lines):
                self.refused("bad_request", "reserve", ident, "default", lines)
        for options, name in (
            ({"ttl_ms": 0}, "ttl_ms"),
            ({"ttl_ms": -1}, "ttl_ms"),
            ({"ttl_ms": 1.5}, "ttl_ms"),
            ({"ttl_ms": "1"}, "ttl_ms"),
            ({"confirm": 1}, "confirm"),
            ({"confirm": "yes"}, "confirm"),
            ({"at": 5}, "at"),
            ({"at": "no good"}, "at"),
            ({"ttl": 5}, "ttl"),
            ({"ttl_ms": 5000, "gift": True}, "gift"),
        ):
            with self.subTest(options=options):
                self.refused(
                    "bad_request", "reserve", ident, "default", [[sku, 1]], options, names=name
                )
        for channel in ("", "x" * 33, "no good", 5, None):
            with self.subTest(channel=channel):
                self.refused("bad_request", "reserve", ident, channel, [[sku, 1]], names="channel")
        for bad in ("", "x" * 41, 5, None, []):
            with self.subTest(id=bad):
                self.refused("bad_request", "reserve", bad, "default", [[sku, 1]], names="id")
        self.refused("bad_request", "reserve", ident, "default", [[sku, 1]], "not a map")
        self.refused("bad_request", "reserve", ident, "default")
        self.assertEqual(self.figures(sku), (10, 0, 10))
        self.refused("unknown_reservation", "reservation", ident)


class States(StockdTestCase):
    """Every step from every state."""

    def make(self, state):
        """A new reservation of three units of a new item in that state: (id, sku)."""
        sku = self.stocked(10)
        if state == "expired":
            ident = self.reserved([[sku, 3]], ttl_ms=1)
            wait_until(lambda: self.state(ident) == "expired", what="expiry")
            return ident, sku
        ident = self.reserved([[sku, 3]], ttl_ms=600000)
        if state in ("confirmed", "fulfilled"):
            self.call("confirm", ident)
        if state == "fulfilled":
            self.call("fulfil", ident)
        if state == "cancelled":
            self.call("cancel", ident)
        self.assertEqual(self.state(ident), state)
        return ident, sku

    STEPS = {"extend": (60000,), "confirm": (), "fulfil": (), "cancel": ()}
    AFTER = {
        ("held", "extend"): "held",
        ("held", "confirm"): "confirmed",
        ("held", "cancel"): "cancelled",
        ("confirmed", "confirm"): "confirmed",
        ("confirmed", "fulfil"): "fulfilled",
        ("confirmed", "cancel"): "cancelled",
        ("fulfilled", "fulfil"): "fulfilled",
        ("cancelled", "cancel"): "cancelled",
    }
    FIGURES = {
        "held": (10, 3, 7),
        "confirmed": (10, 3, 7),
        "fulfilled": (7, 0, 7),
        "cancelled": (10, 0, 10),
        "expired": (10, 0, 10),
    }

    def test_every_step_from_every_state(self):
        for state in self.FIGURES:
            for step, params in self.STEPS.items():
                with self.subTest(state=state, step=step):
                    ident, sku = self.make(state)
                    after = self.AFTER.get((state, step))
                    if after is None:
                        error = self.refused("wrong_state", step, ident, *params)
                        self.assertEqual(error.details["state"], state)
                        after = state
                    else:
                        got = self.call(step, ident, *params)
                        if step != "extend":
                            self.assertEqual(got["state"], after)
                    self.assertEqual(self.state(ident), after)
                    self.assertEqual(self.figures(sku), self.FIGURES[after])

    def test_partial_steps_from_every_state(self):
        for state in self.FIGURES:
            for step in ("fulfil", "cancel"):
                if (state, step) in (
                    ("held", "cancel"),
                    ("confirmed", "fulfil"),
                    ("confirmed", "cancel"),
                ):
                    continue
                with self.subTest(state=state, step=step):
                    ident, sku = self.make(state)
                    error = self.refused(
                        "wrong_state", step, ident, [[sku, 1]], {"op": unique("op")}
                    )
                    self.assertEqual(error.details["state"], state)
                    self.assertEqual(self.figures(sku), self.FIGURES[state])

    def test_asking_again_returns_the_first_result(self):
        for state, step in (
            ("confirmed", "confirm"),
            ("fulfilled", "fulfil"),
            ("cancelled", "cancel"),
        ):
            with self.subTest(step=step):
                sku = self.stocked(10)
                ident = self.reserved([[sku, 3]])
                if step == "fulfil":
                    self.call("confirm", ident)
                first = self.call(step, ident)
                self.assertEqual(first["state"], state)
                self.quiet()
                before = self.call("stock", sku)
                for _ in range(3):
                    self.assertEqual(self.call(step, ident), first)
                self.assertEqual(self.call("stock", sku), before)

    def test_results(self):
        sku = self.stocked(10)
        ident = self.reserved([[sku, 3]])
        self.assert_keys(self.call("extend", ident, 60000), "lsn", "expires_ms")
        self.assert_keys(self.call("confirm", ident, {"ref": "order 7"}), "lsn", "state")
        self.assert_keys(self.call("fulfil", ident, [[sku, 1]]), "lsn", "state")
        self.assert_keys(self.call("cancel", ident), "lsn", "state")

    def test_confirm_clears_the_deadline(self):
        sku = self.stocked(10)
        ident = self.reserved([[sku, 3]], ttl_ms=600000)
        self.assertIsInstance(self.call("reservation", ident)["expires_ms"], int)
        self.call("confirm", ident)
        self.assertIsNone(self.call("reservation", ident)["expires_ms"])

    def test_extend_sets_the_deadline_anew(self):
        sku = self.stocked(10)
        ident = self.reserved([[sku, 3]], ttl_ms=600000)
        for ttl in (900000, 30000):
            asked = now_ms()
            got = self.call("extend", ident, ttl)
            self.assertGreaterEqual(got["expires_ms"], asked + ttl - 2)
            self.assertLessEqual(got["expires_ms"], now_ms() + ttl + NOISE_MS)
            self.assertEqual(self.call("reservation", ident)["expires_ms"], got["expires_ms"])

    def test_wrong_parameters(self):
        sku = self.stocked(10)
        ident = self.reserved([[sku, 3]])
        for ttl in (0, -1, 1.5, "1", None, True, 2**64 - 1):
            with self.subTest(ttl=ttl):
                self.refused("bad_request", "extend", ident, ttl, names="ttl_ms")
        self.refused("bad_request", "extend", ident, names="ttl_ms")
        for step in ("confirm", "fulfil", "cancel", "reservation"):
            with self.subTest(step=step):
                self.refused("bad_request", step, names="id")
                self.refused("bad_request", step, 5, names="id")
                self.refused("bad_request", step, "x" * 41, names="id")
        self.refused("bad_request", "confirm", ident, {"reff": "x"}, names="reff")
        self.refused("bad_request", "confirm", ident, {"ref": 5}, names="ref")
        self.assertEqual(self.state(ident), "held")


class Partial(StockdTestCase):
    def confirmed(self, *quantities):
        """A confirmed reservation of new items with ten units each: (id, sku…)."""
        skus = [self.stocked(10) for _ in quantities]
        return (
            self.reserved([[sku, qty] for sku, qty in zip(skus, quantities)], confirm=True),
            *skus,
        )

    def test_fulfil_in_parts(self):
        ident, one, two = self.confirmed(3, 4)
        self.assertEqual(
            self.call("fulfil", ident, [[one, 2]], {"op": unique("op")})["state"], "confirmed"
        )
        self.assertEqual(self.figures(one), (8, 1, 7))
        self.assertEqual(
            self.call("fulfil", ident, [[one, 1], [two, 3]], {"op": unique("op")})["state"],
            "confirmed",
        )
        self.assertEqual((self.figures(one), self.figures(two)), ((7, 0, 7), (7, 1, 6)))
        self.assertEqual(self.call("fulfil", ident)["state"], "fulfilled")
        self.assertEqual(self.figures(two), (6, 0, 6))

    def test_the_last_part_ends_it(self):
        ident, sku = self.confirmed(3)
        self.call("fulfil", ident, [[sku, 2]])
        self.assertEqual(self.call("fulfil", ident, [[sku, 1]])["state"], "fulfilled")
        self.assertEqual(self.state(ident), "fulfilled")

    def test_cancel_in_parts(self):
        ident, one, two = self.confirmed(3, 4)
        self.assertEqual(
            self.call("cancel", ident, [[one, 3]], {"op": unique("op")})["state"], "confirmed"
        )
        self.assertEqual(self.figures(one), (10, 0, 10))
        self.assertEqual(
            self.call("cancel", ident, [[two, 4]], {"op": unique("op")})["state"], "cancelled"
        )
        self.assertEqual(self.figures(two), (10, 0, 10))

    def test_a_mixture_ends_as_fulfilled(self):
        for first, second in (("fulfil", "cancel"), ("cancel", "fulfil")):
            with self.subTest(first=first):
                ident, sku = self.confirmed(5)
                self.assertEqual(
                    self.call(first, ident, [[sku, 2]], {"op": unique("op")})["state"], "confirmed"
                )
                self.assertEqual(self.call(second, ident)["state"], "fulfilled")
                shipped = 2 if first == "fulfil" else 3
                self.assertEqual(self.figures(sku), (10 - shipped, 0, 10 - shipped))

    def test_lines_are_optional_in_every_way(self):
        for step, state in (("fulfil", "fulfilled"), ("cancel", "cancelled")):
            for params in (
                (),
                (None,),
                ({"op": unique("op")},),
                (None, {"op": unique("op")}),
                ({},),
                (None, {}),
            ):
                with self.subTest(step=step, params=params):
                    if params and isinstance(params[-1], dict) and params[-1]:
                        params = (*params[:-1], {"op": unique("op")})
                    ident, _ = self.confirmed(3)
                    self.assertEqual(self.call(step, ident, *params)["state"], state)
            ident, sku = self.confirmed(3)
            self.assertEqual(
                self.call(step, ident, [[sku, 3]], {"op": unique("op")})["state"], state
            )
            ident, sku = self.confirmed(3)
            self.assertEqual(self.call(step, ident, [[sku, 3]])["state"], state)

    def test_more_than_is_left(self):
        ident, sku, other = self.confirmed(3, 2)
        self.call("fulfil", ident, [[sku, 1]])
        for step in ("fulfil", "cancel"):
            error = self.refused(
                "wrong_state", step, ident, [[other, 1], [sku, 3]], {"op": unique("op")}
            )
            self.assertEqual((error.details["sku"], error.details["left"]), (sku, 2))
        # nothing of a refused step is done
        self.assertEqual((self.figures(sku), self.figures(other)), ((9, 2, 7), (10, 2, 8)))
        self.assertEqual(self.state(ident), "confirmed")

    def test_the_same_sku_twice_in_a_step(self):
        ident, sku = self.confirmed(5)
        self.refused("wrong_state", "fulfil", ident, [[sku, 3], [sku, 3]], {"op": unique("op")})
        self.assertEqual(self.figures(sku), (10, 5, 5))
        self.assertEqual(
            self.call("fulfil", ident, [[sku, 3], [sku, 1]], {"op": unique("op")})["state"],
            "confirmed",
        )
        self.assertEqual(self.figures(sku), (6, 1, 5))

    def test_a_sku_that_is_not_in_it(self):
        ident, _ = self.confirmed(3)
        stranger = self.stocked(10)
        for step in ("fulfil", "cancel"):
            with self.assertRaises(RpcError) as caught:
                self.call(step, ident, [[stranger, 1]], {"op": unique("op")})
            self.assertIn(caught.exception.code, ("wrong_state", "unknown_sku", "bad_request"))
            self.assertIn(stranger, caught.exception.message + str(caught.exception.details))
        self.assertEqual(self.figures(stranger), (10, 0, 10))

    def test_partial_steps_take_the_draws_in_order(self):
        self.call("location_set", "first", {"priority": 1})
        self.call("location_set", "then", {"priority": 2})
        sku = self.stocked(4, "first")
        self.call("receive", unique("r"), sku, "then", 4)
        ident = unique("res")
        got = self.call(
            "reserve", ident, "default", [[sku, 3, "then"], [sku, 2, "first"]], {"confirm": True}
        )
        self.assertEqual(sum(line[2] for line in got["lines"]), 5)
        order = [line[1] for line in got["lines"]]
        held = {location: qty for _, location, qty, *_ in got["lines"]}
        self.call("fulfil", ident, [[sku, held[order[0]] + 1]], {"op": unique("op")})
        left = {pool["location"]: pool["reserved"] for pool in self.call("stock", sku)["pools"]}
        self.assertEqual(left, {order[0]: 0, order[1]: held[order[1]] - 1})
        self.call("cancel", ident)
        self.assertEqual(self.figures(sku), (8 - held[order[0]] - 1, 0, 8 - held[order[0]] - 1))

    def test_wrong_parameters(self):
        ident, sku = self.confirmed(3)
        for step in ("fulfil", "cancel"):
            for lines in (
                [[sku, 0]],
                [[sku, -1]],
                [[sku, 1.5]],
                [[sku, "1"]],
                [[sku, MAX_POOL + 1]],
                [[sku, 2**64 - 1]],
            ):
                with self.subTest(step=step, lines=lines):
                    self.refused("bad_request", step, ident, lines, names="qty")
            for lines in (5, "x", [5], [[]], [[sku]], [[5, 1]], [[sku, 1, "main", 5]]):
                with self.subTest(step=step, lines=lines):
                    self.refused("bad_request", step, ident, lines)
            self.refused("bad_request", step, ident, [[sku, 1]], {"op": ""}, names="op")
            self.refused("bad_request", step, ident, [[sku, 1]], {"op": "x" * 41}, names="op")
            self.refused("bad_request", step, ident, [[sku, 1]], {"op": 5}, names="op")
            self.refused("bad_request", step, ident, [[sku, 1]], {"opp": "x"}, names="opp")
            self.refused("too_large", step, ident, [[sku, 1]] * 1025)
        self.assertEqual(self.figures(sku), (10, 3, 7))
        self.assertEqual(self.state(ident), "confirmed")

    def test_partial_cancel_of_a_held_one_loses_nothing(self):
        sku = self.stocked(10)
        ident = self.reserved([[sku, 5]], ttl_ms=600000)
        try:
            got = self.call("cancel", ident, [[sku, 2]], {"op": unique("op")})
        except RpcError as error:
            self.assertIn(error.code, ("wrong_state", "bad_request"))
            self.assertEqual(self.figures(sku), (10, 5, 5))
        else:
            self.assertEqual(got["state"], "held")
            self.assertEqual(self.figures(sku), (10, 3, 7))
        self.call("cancel", ident)
        self.assertEqual(self.figures(sku), (10, 0, 10))


if __name__ == "__main__":
    main()
