# SPDX-License-Identifier: Apache-2.0
"""The contract, Part II: what an order demands of places. How `reserve` chooses by mode, distance,
date and exclusions, and what it takes if not all is there; `promise`, which tells that beforehand;
and `locate`, which tells where a basket could be had.
"""

import time

from stockd_harness import StockdTestCase, main, unique

# The options that say which places may serve, with values that are none, and what the message names.
BAD_TERMS = [
    ({"mode": 1}, "mode"),
    ({"mode": ""}, "mode"),
    ({"mode": "Ship"}, "mode"),
    ({"mode": "x" * 100}, "mode"),
    ({"mode": ["ship"]}, "mode"),
    ({"lat": "48", "lon": 2}, "lat"),
    ({"lat": 48, "lon": True}, "lon"),
    ({"lat": 90.01, "lon": 2}, "lat"),
    ({"lat": 48, "lon": -181}, "lon"),
    ({"lat": float("nan"), "lon": 2}, "lat"),
    ({"lat": 48, "lon": float("inf")}, "lon"),
    ({"lat": 48.8}, "lat"),
    ({"lon": 2.3}, "lon"),
    ({"by_ms": -1}, "by_ms"),
    ({"by_ms": 1.5}, "by_ms"),
    ({"by_ms": "soon"}, "by_ms"),
    ({"by_ms": 1 << 63}, "by_ms"),
    ({"exclude": "main"}, "exclude"),
    ({"exclude": {"main": 1}}, "exclude"),
    ({"exclude": [7]}, "exclude"),
    ({"exclude": ["main", "a b"]}, "exclude"),
    ({"exclude": [""]}, "exclude"),
]


def now_ms():
    return int(time.time() * 1000)


class PlacesCase(StockdTestCase):
    """Each test has locations and channels of its own."""

    def place(self, name, priority=100, **options):
        code = unique(name)
        self.call("location_set", code, {"priority": priority, **options})
        return code

    def channel(self, *locations, **options):
        code = unique("ch")
        self.call("channel_set", code, {"locations": list(locations), **options})
        return code

    def item(self, **stock):
        """A new item with that many units at those places."""
        sku = unique("SKU")
        self.call("item_set", sku, {})
        for place, qty in stock.items():
            self.call("receive", unique("r"), sku, place, qty)
        return sku

    def reserve(self, channel, lines, **options):
        return self.call("reserve", unique("res"), channel, lines, options)

    def drawn(self, channel, lines, **options):
        """Reserves; returns {place: units}."""
        total = {}
        for _sku, place, qty, _ready in self.reserve(channel, lines, **options)["lines"]:
            total[place] = total.get(place, 0) + qty
        return total


class Terms(PlacesCase):
    def test_mode(self):
        shop = self.place("shop", 1, ships=False)
        hub = self.place("hub", 2, pickup=False)
        channel, sku = self.channel(shop, hub), self.item(**{shop: 20, hub: 20})
        self.assertEqual(self.drawn(channel, [[sku, 1]]), {hub: 1})
        self.assertEqual(self.drawn(channel, [[sku, 1]], mode="ship"), {hub: 1})
        self.assertEqual(self.drawn(channel, [[sku, 1]], mode="pickup", at=shop), {shop: 1})
        self.assertEqual(self.drawn(channel, [[sku, 1, shop]], mode="pickup"), {shop: 1})
        self.assertEqual(self.drawn(channel, [[sku, 1]], at=hub), {hub: 1})
        for place, mode in ((hub, "pickup"), (shop, "ship")):
            for lines, options in (([[sku, 1]], {"at": place}), ([[sku, 1, place]], {})):
                options["mode"] = mode
                error = self.refused(
                    "insufficient_stock", "reserve", unique("r"), channel, lines, options
                )
                self.assertEqual(error.details["lines"][0]["available"], 0)
        for lines in ([[sku, 1]], [[sku, 1, shop], [sku, 1]]):
            self.refused(
                "bad_request", "reserve", unique("r"), channel, lines, {"mode": "pickup"},
                names="mode",
            )

    def test_nearest(self):
        paris = self.place("paris", 3, lat=48.8566, lon=2.3522)
        rome = self.place("rome", 2, lat=41.9028, lon=12.4964)
        lost = self.place("lost", 1)
        channel = self.channel(paris, rome, lost, sourcing="nearest")
        sku = self.item(**{paris: 20, rome: 20, lost: 20})
        lyon, naples = {"lat": 45.764, "lon": 4.8357}, {"lat": 40.8518, "lon": 14.2681}
        self.assertEqual(self.drawn(channel, [[sku, 1]], **lyon), {paris: 1})
        self.assertEqual(self.drawn(channel, [[sku, 1]], **naples), {rome: 1})
        self.assertEqual(self.drawn(channel, [[sku, 1]]), {lost: 1})
        self.assertEqual(self.drawn(channel, [[sku, 25]], **naples), {rome: 19, paris: 6})
        self.assertEqual(self.drawn(channel, [[sku, 14]], **naples), {paris: 13, lost: 1})
        plain = self.channel(paris, rome, lost, sourcing="priority")
        self.assertEqual(self.drawn(plain, [[sku, 1]], **naples), {lost: 1})

    def test_by(self):
        slow = self.place("slow", 1, lead_time_s=3600)
        fast = self.place("fast", 2)
        channel, sku = self.channel(slow, fast), self.item(**{slow: 5, fast: 2})
        soon, later = now_ms() + 1_800_000, now_ms() + 7_200_000
        self.assertEqual(self.drawn(channel, [[sku, 1]], by_ms=soon), {fast: 1})
        self.assertEqual(self.drawn(channel, [[sku, 1]], by_ms=later), {slow: 1})
        self.refused(
            "insufficient_stock", "reserve", unique("r"), channel, [[sku, 2]], {"by_ms": soon}
        )
        self.refused("insufficient_stock", "reserve", unique("r"), channel, [[sku, 1]], {"by_ms": 0})

    def test_exclude(self):
        a, b = self.place("a", 1), self.place("b", 2)
        channel, sku = self.channel(a, b), self.item(**{a: 5, b: 5})
        self.assertEqual(self.drawn(channel, [[sku, 1]], exclude=[a]), {b: 1})
        self.assertEqual(self.drawn(channel, [[sku, 1]], exclude=[]), {a: 1})
        for lines, out in (([[sku, 1]], [a, b]), ([[sku, 1, a]], [a]), ([[sku, 6]], [b])):
            self.refused(
                "insufficient_stock", "reserve", unique("r"), channel, lines, {"exclude": out}
            )
        unknown = [channel, [[sku, 1]], {"exclude": [a, "atlantis"]}]
        self.refused("unknown_location", "reserve", unique("r"), *unknown, names="atlantis")
        self.refused("unknown_location", "promise", *unknown, names="atlantis")

    def test_partial(self):
        a, b = self.place("a", 1), self.place("b", 2)
        channel, tee, cap = self.channel(a, b), self.item(**{a: 2, b: 3}), self.item(**{b: 4})
        none = self.item()
        ident, lines = unique("res"), [[tee, 9], [cap, 4], [none, 1], [tee, 1, b]]
        got = self.call("reserve", ident, channel, lines, {"partial": True})
        drawn = [line[:3] for line in got["lines"]]
        self.assertEqual(drawn, [[tee, a, 2], [tee, b, 2], [cap, b, 4], [tee, b, 1]])
        self.assertEqual(got["missing"], [[tee, 5], [none, 1]])
        self.call("receive", unique("r"), tee, a, 50)
        self.assertEqual(self.call("reserve", ident, channel, lines, {"partial": True}), got)
        self.server.restart(kill=True)
        self.reconnect()
        self.assertEqual(self.call("reserve", ident, channel, lines, {"partial": True}), got)
        self.refused("conflict", "reserve", ident, channel, lines)
        whole = self.reserve(channel, [[tee, 1]], partial=True)
        self.assertEqual(whole["missing"], [])
        self.assertNotIn("missing", self.reserve(channel, [[tee, 1]], partial=False))
        error = self.refused(
            "insufficient_stock", "reserve", unique("r"), channel, [[none, 1], [cap, 2]],
            {"partial": True},
        )
        self.assertEqual([line["sku"] for line in error.details["lines"]], [none, cap])

    def test_partial_leaves_the_buffer(self):
        a, b = self.place("a", 1), self.place("b", 2)
        channel, sku = self.channel(a, b, buffer=3), self.item(**{a: 4, b: 4})
        got = self.reserve(channel, [[sku, 8]], partial=True)
        self.assertEqual(got["missing"], [[sku, 3]])
        self.assertEqual(self.available(sku, channel), 0)

    def test_bad_terms_name_the_parameter(self):
        sku = self.stocked(5)
        bad = [*BAD_TERMS, ({"partial": 1}, "partial"), ({"partial": "yes"}, "partial")]
        for options, name in bad:
            with self.subTest(options=options):
                self.refused(
                    "bad_request", "reserve", unique("r"), "default", [[sku, 1]], options,
                    names=name,
                )
        many = {"exclude": ["main"] * 5000}
        self.refused("too_large", "reserve", unique("r"), "default", [[sku, 1]], many, names="exclude")
        self.assertEqual(self.figures(sku), (5, 0, 5))


class Promise(PlacesCase):
    def test_it_is_what_reserve_answers(self):
        a = self.place("a", 1, lat=48, lon=2, lead_time_s=60)
        b = self.place("b", 2, lat=41, lon=12, ships=False)
        c = self.place("c", 3, lat=40, lon=12, pickup=False)
        one, two = self.item(**{a: 3, b: 4, c: 2}), self.item(**{a: 1, b: 9})
        lines = [[one, 4], [two, 2], [one, 2, b]]
        terms = [
            {}, {"mode": "ship"}, {"at": b}, {"mode": "pickup", "at": a}, {"exclude": [a]},
            {"lat": 40, "lon": 13}, {"by_ms": now_ms() + 30_000}, {"by_ms": now_ms() + 900_000},
        ]
        for rule in ("priority", "nearest", "fewest", "balance"):
            channel = self.channel(a, b, c, sourcing=rule, buffer=1)
            for options in terms:
                with self.subTest(rule=rule, options=options):
                    told = self.call("promise", channel, lines, options)
                    self.assert_keys(told, "lsn", "complete", "lines", "missing")
                    self.assertEqual(told["complete"], not told["missing"])
                    ident = unique("res")
                    got = self.call(
                        "reserve", ident, channel, lines, {**options, "partial": True}
                    )
                    self.assertEqual(
                        [line[:3] for line in told["lines"]], [line[:3] for line in got["lines"]]
                    )
                    for then, now in zip(told["lines"], got["lines"]):
                        self.assertLessEqual(0, now[3] - then[3])
                        self.assertLess(now[3] - then[3], 30_000)
                    self.assertEqual(told["missing"], got["missing"])
                    self.call("cancel", ident)

    def test_it_holds_nothing(self):
        sku = self.stocked(5)
        self.quiet()
        first = self.call("promise", "default", [[sku, 5]])
        self.assertEqual(first["complete"], True)
        self.assertEqual([line[:3] for line in first["lines"]], [[sku, "main", 5]])
        self.assertEqual(first["missing"], [])
        self.assertEqual(self.figures(sku), (5, 0, 5))
        again = self.call("promise", "default", [[sku, 5, None]], None)
        self.assertEqual(again["lsn"], first["lsn"])

    def test_nothing_is_there(self):
        sku = self.item()
        got = self.call("promise", "default", [[sku, 2], [sku, 3]])
        self.assertEqual((got["complete"], got["lines"]), (False, []))
        self.assertEqual(got["missing"], [[sku, 5]])

    def test_bad_parameters(self):
        sku = self.stocked(5)
        for params, name in (
            ([], "channel"),
            ([7], "channel"),
            (["a b", [[sku, 1]]], "channel"),
            (["default"], "lines"),
            (["default", {}], "lines"),
            (["default", []], "lines"),
            (["default", [sku]], "lines"),
            (["default", [[sku]]], "lines"),
            (["default", [[sku, 1, "main", 1]]], "lines"),
            (["default", [["", 1]]], "sku"),
            (["default", [[sku, 0]]], "qty"),
            (["default", [[sku, 1.0]]], "qty"),
            (["default", [[sku, 1, 1]]], "location"),
            (["default", [[sku, 1]], []], "options"),
            (["default", [[sku, 1]], {}, 1], "too many"),
            (["default", [[sku, 1]], {"partial": True}], "partial"),
            (["default", [[sku, 1]], {"ttl_ms": 1}], "ttl_ms"),
            (["default", [[sku, 1]], {"confirm": True}], "confirm"),
            (["default", [[sku, 1]], {"at": 7}], "at"),
        ):
            with self.subTest(params=params):
                self.refused("bad_request", "promise", *params, names=name)
        for options, name in BAD_TERMS:
            with self.subTest(options=options):
                self.refused("bad_request", "promise", "default", [[sku, 1]], options, names=name)
        self.refused("too_large", "promise", "default", [[sku, 1]] * 1025, names="lines")
        self.refused("unknown_channel", "promise", "moon", [[sku, 1]], names="moon")
        self.refused("unknown_sku", "promise", "default", [["no such", 1]], names="no such")
        self.refused("unknown_location", "promise", "default", [[sku, 1, "moon"]], names="moon")
        self.refused("unknown_location", "promise", "default", [[sku, 1]], {"at": "moon"}, names="moon")


class Locate(PlacesCase):
    def setUp(self):
        super().setUp()
        self.far = self.place("far", 3, lat=41.9028, lon=12.4964)
        self.near = self.place("near", 2, lat=48.8566, lon=2.3522)
        self.slow = self.place("slow", 4, lat=48.8, lon=2.3, lead_time_s=3600)
        self.lost = self.place("lost", 1)
        self.places = (self.far, self.near, self.slow, self.lost)
        self.web = self.channel(*self.places)

    def located(self, lines, channel=None, **options):
        got = self.call("locate", channel or self.web, lines, options)
        self.assert_keys(got, "lsn", "options")
        for option in got["options"]:
            self.assertEqual(
                sorted(option), ["complete", "distance_km", "lines", "location", "ready_ms"]
            )
        return got["options"]

    def codes(self, lines, channel=None, **options):
        return [option["location"] for option in self.located(lines, channel, **options)]

    def test_options(self):
        far, near, slow, lost = self.places
        tea = self.item(**{far: 5, near: 3, slow: 5})
        cup = self.item(**{far: 2, near: 1, lost: 7})
        before = now_ms() - 1000  # an iteration keeps the time at which it began
        options = self.located([[tea, 3], [cup, 1], [tea, 1], [cup, 1]], lat=48.8566, lon=2.3522)
        self.assertEqual([option["location"] for option in options], [far, near, lost, slow])
        self.assertEqual([option["complete"] for option in options], [True, False, False, False])
        self.assertEqual(
            [option["lines"] for option in options],
            [[[tea, 5], [cup, 2]], [[tea, 3], [cup, 1]], [[tea, 0], [cup, 7]], [[tea, 5], [cup, 0]]],
        )
        self.assertAlmostEqual(options[0]["distance_km"], 1105.28, delta=1)
        self.assertEqual(options[1]["distance_km"], 0)
        self.assertIsNone(options[2]["distance_km"])
        for option in options:
            late = 3_600_000 if option["location"] == slow else 0
            self.assertGreaterEqual(option["ready_ms"], before + late)
            self.assertLess(option["ready_ms"], now_ms() + late + 5000)
        self.assertIsNone(self.located([[tea, 1]])[0]["distance_km"])

    def test_which_places(self):
        far, near, slow, lost = self.places
        sku = self.item(**{place: 5 for place in self.places})
        self.call("location_set", near, {"ships": False})
        self.call("location_set", lost, {"pickup": False})
        self.assertEqual(self.codes([[sku, 1]]), [lost, far, slow])
        self.assertEqual(self.codes([[sku, 1]], mode="ship"), [lost, far, slow])
        self.assertEqual(self.codes([[sku, 1]], mode="pickup"), [near, far, slow])
        self.call("location_set", far, {"active": False})
        self.assertEqual(self.codes([[sku, 1]]), [lost, slow])
        self.assertEqual(self.codes([[sku, 1]], self.channel(slow)), [slow])
        self.assertEqual(self.codes([[self.item(), 1]]), [])

    def test_narrowed(self):
        far, near, slow, lost = self.places
        sku = self.item(**{place: 5 for place in self.places})
        here = {"lat": 48.8566, "lon": 2.3522}
        self.assertEqual(self.codes([[sku, 1]], **here), [near, far, lost, slow])
        self.assertEqual(self.codes([[sku, 1]], **here, within_km=1000), [near, slow])
        self.assertEqual(self.codes([[sku, 1]], **here, within_km=1106.5), [near, far, slow])
        self.assertEqual(self.codes([[sku, 1]], by_ms=now_ms() + 1_800_000), [lost, near, far])
        self.assertEqual(self.codes([[sku, 1]], by_ms=1), [])
        self.assertEqual(self.codes([[sku, 1]], **here, limit=2), [near, far])

    def test_ten_options_unless_asked(self):
        places = [self.place("p", i) for i in range(25)]
        channel, sku = self.channel(*places), self.item(**{place: 1 for place in places})
        self.assertEqual(self.codes([[sku, 1]], channel), places[:10])
        self.assertEqual(self.codes([[sku, 1]], channel, limit=1000), places)

    def test_available(self):
        far, near, slow, lost = self.places
        sku = self.item(**{place: 5 for place in self.places})
        other = self.channel(*self.places)
        self.call("allot", unique("a"), sku, near, self.web, 2)
        self.call("allot", unique("a"), sku, far, other, 4)
        self.reserve(self.web, [[sku, 1, lost]])

        def units(channel):
            return {o["location"]: o["lines"][0][1] for o in self.located([[sku, 9]], channel)}

        self.assertEqual(units(self.web), {far: 1, near: 5, slow: 5, lost: 4})
        self.assertEqual(units(other), {far: 5, near: 3, slow: 5, lost: 4})
        self.assertEqual(sum(units(self.web).values()), self.available(sku, self.web))
        self.call("channel_set", self.web, {"buffer": 12})
        self.assertEqual(units(self.web), {far: 1, near: 3, slow: 3, lost: 3})
        self.call("channel_set", self.web, {"buffer": 15})
        self.assertEqual(units(self.web), {})

    def test_bad_parameters(self):
        sku = self.stocked(5)
        for params, name in (
            ([], "channel"),
            ([7], "channel"),
            (["default"], "lines"),
            (["default", sku], "lines"),
            (["default", []], "lines"),
            (["default", [[sku]]], "lines"),
            (["default", [[sku, 1, "main"]]], "lines"),
            (["default", [[7, 1]]], "sku"),
            (["default", [[sku, 0]]], "qty"),
            (["default", [[sku, "1"]]], "qty"),
            (["default", [[sku, 1]], 7], "options"),
            (["default", [[sku, 1]], {}, 7], "too many"),
        ):
            with self.subTest(params=params):
                self.refused("bad_request", "locate", *params, names=name)
        here = {"lat": 1, "lon": 2}
        bad = [terms for terms in BAD_TERMS if "exclude" not in terms[0]] + [
            ({"within_km": 5}, "within_km"),
            ({**here, "within_km": -1}, "within_km"),
            ({**here, "within_km": "5"}, "within_km"),
            ({**here, "within_km": float("nan")}, "within_km"),
            ({"limit": 0}, "limit"),
            ({"limit": 1001}, "limit"),
            ({"limit": 1.5}, "limit"),
            ({"limit": True}, "limit"),
            ({"at": "main"}, "at"),
            ({"exclude": ["main"]}, "exclude"),
        ]
        for options, name in bad:
            with self.subTest(options=options):
                self.refused("bad_request", "locate", "default", [[sku, 1]], options, names=name)
        self.refused("too_large", "locate", "default", [[sku, 1]] * 1025, names="lines")
        self.refused("unknown_channel", "locate", "moon", [[sku, 1]], names="moon")
        self.refused("unknown_sku", "locate", "default", [[sku, 1], ["no such", 1]], names="no such")


if __name__ == "__main__":
    main()
