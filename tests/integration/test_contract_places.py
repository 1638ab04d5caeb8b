# SPDX-License-Identifier: Apache-2.0
"""The contract, places and time: calendars, dispatch times, safety stock, stockings, units."""

from stockd_harness import MAX_POOL, Server, StockdTestCase, main, unique

WEEK = [[1, 540, 1080], [2, 540, 720], [2, 780, 1080], [7, 0, 1440]]


class Case(StockdTestCase):
    def listed(self, method, code):
        """The entry of that code, without the code."""
        found = [entry for entry in self.call(method)[method] if entry["code"] == code]
        self.assertEqual(len(found), 1, f"{method}: {code}")
        return {key: value for key, value in found[0].items() if key != "code"}

    def place(self, **options):
        code = unique("place")
        self.call("location_set", code, options)
        return code

    def calendar(self, **options):
        code = unique("cal")
        self.call("calendar_set", code, options)
        return code

    def over_restarts(self, look):
        """What look() tells must be the same after a crash."""
        before = look()
        self.server.restart(kill=True)
        self.reconnect()
        self.assertEqual(look(), before)


class Calendars(Case):
    def test_tells_what_was_set(self):
        code = unique("cal")
        got = self.call("calendar_set", code, {
            "tz": "Europe/Paris", "week": WEEK[::-1], "closed": ["2026-12-26", "2026-12-25", "2026-12-26"],
            "extra": [["2026-12-24", 780, 840], ["2026-12-24", 540, 720]]})
        self.assertEqual(list(got), ["lsn"])
        wanted = {"tz": "Europe/Paris", "week": WEEK, "closed": ["2026-12-25", "2026-12-26"],
                  "extra": [["2026-12-24", 540, 720], ["2026-12-24", 780, 840]]}
        self.assertEqual(self.listed("calendars", code), wanted)
        self.over_restarts(lambda: self.listed("calendars", code))

    def test_what_is_not_given_stays(self):
        code = self.calendar()
        fresh = {"tz": "UTC", "week": None, "closed": [], "extra": []}
        self.assertEqual(self.listed("calendars", code), fresh)
        self.call("calendar_set", code, {"week": [[3, 0, 60]]})
        self.call("calendar_set", code, {"closed": ["2026-12-25"], "tz": None})
        self.assertEqual(self.listed("calendars", code), {**fresh, "week": [[3, 0, 60]], "closed": ["2026-12-25"]})
        self.call("calendar_set", code, {"week": [], "closed": []})
        self.assertEqual(self.listed("calendars", code), {**fresh, "week": []}, "an empty week is not none")
        self.over_restarts(lambda: self.listed("calendars", code))

    def test_the_same_again_changes_nothing(self):
        code = unique("cal")
        options = {"tz": "Asia/Kolkata", "week": WEEK, "extra": [["2027-01-01", 600, 720]]}
        lsn = self.call("calendar_set", code, options)["lsn"]
        self.assertEqual(self.call("calendar_set", code, options)["lsn"], lsn)
        self.assertEqual(self.call("calendar_set", code)["lsn"], lsn)
        self.assertGreater(self.call("calendar_set", code, {"week": WEEK[1:]})["lsn"], lsn)

    def test_hours_may_touch(self):
        code = self.calendar(week=[[1, 540, 720], [1, 720, 1080], [1, 1080, 1440], [2, 0, 60]],
                             extra=[["2026-12-24", 0, 60], ["2026-12-24", 60, 120]])
        self.assertEqual(len(self.listed("calendars", code)["week"]), 4)

    def test_refuses_and_changes_nothing(self):
        code = self.calendar(tz="Europe/Paris", week=WEEK, closed=["2026-12-25"], extra=[["2026-12-24", 540, 720]])
        before = self.listed("calendars", code)
        for option, bad, names in (
            ("tz", "Mars/Base", "tz"), ("tz", "", "tz"), ("tz", "+05:00", "tz"), ("tz", "../etc/passwd", "tz"),
            ("tz", "x" * 65, "tz"), ("tz", 5, "tz"), ("tz", "Europe/Paris\0", "tz"),
            ("week", "mon-fri", "week"), ("week", [1, 2, 3], "week[0]"), ("week", [[1, 540]], "week[0]"),
            ("week", [[1, 540, 600, 1]], "week[0]"), ("week", [*WEEK, [8, 0, 60]], "week[4] weekday"),
            ("week", [[0, 0, 60]], "week[0] weekday"), ("week", [[1, -1, 60]], "week[0] from"),
            ("week", [[1, 1440, 1441]], "week[0] from"), ("week", [[1, 0, 1441]], "week[0] to"),
            ("week", [[1, 60, 60]], "week[0] to"), ("week", [[1, 60, 59]], "week[0] to"),
            ("week", [["mon", 0, 60]], "week[0] weekday"), ("week", [[1, 540.5, 600]], "week[0] from"),
            ("week", [[9, 0, 60], [1, 0, 60]], "week[0] weekday"), ("extra", [["x", 0, 1], ["y", 0, 1]], "extra[0] date"),
            ("week", [[1, 540, 720], [2, 0, 60], [1, 719, 800]], "week[2]"), ("week", [[1, 0, 60]] * 2, "week[1]"),
            ("closed", "2026-12-25", "closed"), ("closed", ["2026-02-29"], "closed[0]"),
            ("closed", ["2026-12-25", "2026-13-01"], "closed[1]"), ("closed", ["26-12-25"], "closed[0]"),
            ("closed", ["1969-12-31"], "closed[0]"), ("closed", ["2200-01-01"], "closed[0]"),
            ("closed", ["2026-12-25 "], "closed[0]"), ("closed", [20261225], "closed[0]"), ("closed", [None], "closed[0]"),
            ("extra", [["2026-12-24", 720, 540]], "extra[0] to"), ("extra", [["2026-12-32", 0, 1]], "extra[0] date"),
            ("extra", [["2026-12-24", 0, 60], ["2026-12-24", 59, 61]], "extra[1]"), ("extra", [[1, 0, 60]], "extra[0] date"),
            ("open", True, "open"),
        ):
            with self.subTest(option=option, bad=bad):
                self.refused("bad_request", "calendar_set", code, {"closed": [], option: bad}, names=names)
                self.refused("bad_request", "calendar_set", unique("new"), {option: bad}, names=names)
        self.assertEqual(self.listed("calendars", code), before)
        for bad in ("", "x" * 33, "a b", 1, None):
            self.refused("bad_request", "calendar_set", bad, {}, names="code")
        self.refused("bad_request", "calendar_set", names="code")
        self.refused("bad_request", "calendars", {"after": 1})

    def test_limits(self):
        code = self.calendar(week=[[1 + n % 7, 100 * (n // 7), 100 * (n // 7) + 50] for n in range(64)],
                             closed=[f"{2000 + n // 360}-{1 + n // 30 % 12:02}-{1 + n % 28:02}" for n in range(300)])
        self.assertEqual(len(self.listed("calendars", code)["week"]), 64)
        self.refused("too_large", "calendar_set", code, {"week": [[1, n, n + 1] for n in range(65)]}, names="week")
        self.refused("too_large", "calendar_set", code, {"closed": ["2026-12-25"] * 1025}, names="closed")
        self.refused("too_large", "calendar_set", code,
                     {"extra": [["2026-12-25", n, n + 1] for n in range(1025)]}, names="extra")


class Places(Case):
    def test_a_location_tells_its_calendar_dispatch_and_safety(self):
        calendar = self.calendar(tz="America/New_York")
        code = self.place(calendar=calendar, dispatch=[[7, 1439], [1, 0], [1, 960]], safety=3)
        wanted = {"calendar": calendar, "dispatch": [[1, 0], [1, 960], [7, 1439]], "safety": 3}

        def shown(entry):
            return {key: entry[key] for key in wanted}
        self.assertEqual(shown(self.listed("locations", code)), wanted)
        self.over_restarts(lambda: self.listed("locations", code))
        self.call("location_set", code, {"name": "x"})
        self.assertEqual(shown(self.listed("locations", code)), wanted, "what is not given stays")
        self.call("location_set", code, {"calendar": "", "dispatch": [], "safety": 0})
        none = {"calendar": None, "dispatch": [], "safety": 0}
        self.assertEqual(shown(self.listed("locations", code)), none)
        self.assertEqual(shown(self.listed("locations", self.place())), none)

    def test_refuses(self):
        code = self.place(safety=1)
        before = self.listed("locations", code)
        for option, bad, names in (
            ("calendar", unique("ghost"), "calendar"), ("calendar", "a b", "calendar"), ("calendar", 1, "calendar"),
            ("dispatch", [[1, 1440]], "dispatch[0] minute"), ("dispatch", [[1, 1], [0, 1]], "dispatch[1] weekday"),
            ("dispatch", [[0, 1], [1, 1]], "dispatch[0] weekday"),
            ("dispatch", [[1]], "dispatch[0]"), ("dispatch", [960], "dispatch[0]"), ("dispatch", "mon", "dispatch"),
            ("safety", -1, "safety"), ("safety", MAX_POOL + 1, "safety"), ("safety", "1", "safety"),
        ):
            with self.subTest(option=option, bad=bad):
                self.refused("bad_request", "location_set", code, {"name": "new", option: bad}, names=names)
        self.refused("too_large", "location_set", code, {"dispatch": [[1, n] for n in range(65)]}, names="dispatch")
        self.assertEqual(self.listed("locations", code), before)

    def test_a_channel_may_ignore_safety(self):
        sku, place, shop, till = unique("SKU"), self.place(safety=3), unique("shop"), unique("till")
        self.call("channel_set", shop, {"locations": [place]})
        self.call("channel_set", till, {"locations": [place], "ignore_safety": True})
        self.assertEqual([self.listed("channels", code)["ignore_safety"] for code in (shop, till)], [False, True])
        self.call("receive", unique("r"), sku, place, 5)
        self.assertEqual([self.available(sku, code) for code in (shop, till)], [2, 5])
        self.refused("insufficient_stock", "reserve", unique("o"), shop, [[sku, 3]])
        self.call("reserve", unique("o"), till, [[sku, 4]])
        self.assertEqual([self.available(sku, code) for code in (shop, till)], [0, 1])
        self.refused("bad_request", "channel_set", till, {"ignore_safety": 1}, names="ignore_safety")

    def test_a_channel_may_promise_supply(self):
        code, defaults = unique("web"), {"promise": "on_hand", "horizon_s": None}

        def promises():
            channel = self.listed("channels", code)
            return {key: channel[key] for key in defaults}

        self.call("channel_set", code)
        self.assertEqual(promises(), defaults)
        lsn = self.call("channel_set", code, {"promise": "incoming"})["lsn"]
        self.assertEqual(promises(), {**defaults, "promise": "incoming"})
        self.assertEqual(self.call("channel_set", code, {"promise": "incoming", "horizon_s": None})["lsn"], lsn)
        for horizon in (0, 3600, 315_360_000):
            later = self.call("channel_set", code, {"horizon_s": horizon})["lsn"]
            self.assertGreater(later, lsn)
            lsn = later
            self.assertEqual(promises(), {"promise": "incoming", "horizon_s": horizon})
        self.over_restarts(promises)
        self.call("channel_set", code, {"name": "x"})
        self.assertEqual(promises(), {"promise": "incoming", "horizon_s": 315_360_000}, "what is not given stays")
        self.call("channel_set", code, {"promise": "on_hand"})
        self.assertEqual(promises(), {"promise": "on_hand", "horizon_s": 315_360_000})

    def test_a_channel_refuses_what_it_cannot_promise(self):
        code = unique("web")
        self.call("channel_set", code, {"promise": "incoming", "horizon_s": 60})
        before = self.listed("channels", code)
        for option, bad in (
            ("promise", "soon"), ("promise", "Incoming"), ("promise", ""), ("promise", "x" * 33), ("promise", 1),
            ("promise", True), ("promise", ["incoming"]), ("horizon_s", -1), ("horizon_s", 315_360_001),
            ("horizon_s", 1.5), ("horizon_s", "1d"), ("horizon_s", False), ("horizon_s", 1 << 63),
        ):
            with self.subTest(option=option, bad=bad):
                self.refused("bad_request", "channel_set", code, {"buffer": 1, option: bad}, names=option)
        self.assertEqual(self.listed("channels", code), before)


class Stockings(Case):
    def settings(self, **options):
        return self.call("stockings", options)["stockings"]

    def test_tells_what_was_set(self):
        sku, one, two = self.stocked(1), self.place(), self.place()
        self.call("stocking_set", sku, one, {"safety": 2, "lead_time_s": 0})
        self.call("stocking_set", sku, two, {"stocked": False})
        nothing = {"stocked": True, "safety": None, "lead_time_s": None}
        wanted = [{"sku": sku, "location": one, **nothing, "safety": 2, "lead_time_s": 0},
                  {"sku": sku, "location": two, **nothing, "stocked": False}]
        self.assertEqual(self.settings(sku=sku), wanted)
        self.assertEqual(self.settings(location=two), wanted[1:])
        self.assertEqual(self.settings(sku=sku, location=one), wanted[:1])
        self.assertEqual(self.settings(sku=self.stocked(1)), [])
        self.over_restarts(lambda: self.settings(sku=sku))
        self.call("stocking_set", sku, two, {"stocked": True, "safety": 1})
        self.assertEqual(self.settings(location=two), [{**wanted[1], "stocked": True, "safety": 1}])

    def test_the_history_tells_what_was_set(self):
        sku, place = self.stocked(1), self.place()
        self.call("stocking_set", sku, place, {"safety": 2, "lead_time_s": 0})
        self.call("stocking_set", sku, place, {"stocked": False, "lead_time_s": 60})
        told = [[event[key] for key in ("type", "location", "stocked", "safety", "lead_time_s")]
                for event in self.call("history", sku)["events"] if event["type"] != "item"]
        self.assertEqual(told[0], ["receive", "main", None, None, None])
        self.assertEqual(told[1:], [["stocking_set", place, True, 2, 0],
                                    ["stocking_set", place, False, 2, 60]])
        self.call("stocking_set", sku, "main", {"stocked": False})
        self.call("stocking_set", sku, "main", {"stocked": True})
        event = self.call("history", sku)["events"][-1]
        self.assertEqual([event[key] for key in ("stocked", "safety", "lead_time_s")],
                         [True, None, None])

    def test_the_same_again_changes_nothing(self):
        sku, place = self.stocked(1), self.place()
        lsn = self.call("stocking_set", sku, place, {"safety": 2})["lsn"]
        self.assertEqual(self.call("stocking_set", sku, place, {"safety": 2})["lsn"], lsn)
        self.assertEqual(self.call("stocking_set", sku, place)["lsn"], lsn)

    def test_safety_of_item_and_place_then_item_then_place(self):
        sku, place, shop = unique("SKU"), self.place(safety=3), unique("shop")
        self.call("channel_set", shop, {"locations": [place]})
        self.call("receive", unique("r"), sku, place, 10)
        self.assertEqual(self.available(sku, shop), 7)
        self.call("item_set", sku, {"safety": 4})
        self.assertEqual(self.available(sku, shop), 6)
        self.call("stocking_set", sku, place, {"safety": 0})
        self.assertEqual(self.available(sku, shop), 10)
        self.call("stocking_set", sku, place, {"stocked": False})
        self.assertEqual(self.available(sku, shop), 0)
        self.refused("insufficient_stock", "reserve", unique("o"), shop, [[sku, 1]])

    def test_pages_end_with_an_item(self):
        with Server() as server, server.client() as client:
            places = [f"p{n}" for n in range(5)]
            for place in places:
                client.call("location_set", place)
            wanted = []
            for n in range(40):
                client.call("item_set", f"S{n}", {"name": "x"})
                for place in places[:n % 6]:
                    client.call("stocking_set", f"S{n}", place, {"safety": n})
                    wanted.append((f"S{n}", place, n))
            for limit in (1, 2, 7, 1000):
                got, after = [], 0
                while after is not None:
                    page = client.call("stockings", {"after": after, "limit": limit})
                    rows = [(row["sku"], row["location"], row["safety"]) for row in page["stockings"]]
                    self.assertLess(len(rows), limit + 5)
                    got.extend(rows)
                    self.assertNotEqual(page["next"], after)
                    after = page["next"]
                self.assertEqual(got, wanted, f"limit {limit}")

    def test_refuses(self):
        sku, place = self.stocked(1), self.place()
        self.refused("unknown_sku", "stocking_set", unique("GHOST"), place, {"safety": 1})
        self.refused("unknown_location", "stocking_set", sku, unique("ghost"), {"safety": 1})
        for option, bad in (("stocked", 1), ("safety", -1), ("safety", MAX_POOL + 1), ("safety", "2"),
                            ("lead_time_s", -1), ("lead_time_s", 1 << 31), ("lead_time", 5)):
            with self.subTest(option=option, bad=bad):
                self.refused("bad_request", "stocking_set", sku, place, {option: bad}, names=option)
        self.refused("bad_request", "stocking_set", sku, names="location")
        self.refused("bad_request", "stocking_set", "", place, names="sku")
        self.refused("unknown_sku", "stockings", {"sku": unique("GHOST")})
        self.refused("unknown_location", "stockings", {"location": unique("ghost")})
        self.refused("bad_request", "stockings", {"limit": 0}, names="limit")
        self.refused("bad_request", "stockings", {"after": -1}, names="after")
        self.assertEqual(self.settings(sku=sku), [])


class Units(Case):
    def test_an_item_tells_its_unit_decimals_and_safety(self):
        sku, code = unique("SKU"), unique("40")
        self.call("item_set", sku, {"unit": "kg", "decimals": 3, "safety": 7, "barcode": code})
        wanted = {"unit": "kg", "decimals": 3}
        for method, key in (("item", sku), ("lookup", code), ("lookup", sku)):
            got = self.call(method, key)
            self.assertEqual({name: got[name] for name in wanted}, wanted, method)
        self.assertEqual(self.call("item", sku)["safety"], 7)
        self.over_restarts(lambda: {**self.call("item", sku), "lsn": 0})
        got = self.call("item", self.stocked(1))
        self.assertEqual((got["unit"], got["decimals"], got["safety"]), (None, 0, None))

    def test_decimals_stay_once_the_item_has_moved(self):
        sku = unique("SKU")
        self.call("item_set", sku, {"decimals": 2})
        self.call("item_set", sku, {"decimals": 3, "unit": "kg"})
        self.call("receive", unique("r"), sku, "main", 1500)
        self.call("item_set", sku, {"decimals": 3, "unit": "kilo"})
        for again in range(2):
            self.refused("wrong_state", "item_set", sku, {"decimals": 2, "name": "new"}, names="decimals")
            got = self.call("item", sku)
            self.assertEqual((got["decimals"], got["name"], got["unit"]), (3, None, "kilo"), f"restart {again}")
            self.server.restart(kill=True)
            self.reconnect()

    def test_refuses(self):
        for option, bad in (("decimals", 7), ("decimals", -1), ("decimals", "2"), ("unit", "x" * 33),
                            ("unit", b"\xff"), ("unit", 1), ("safety", -1), ("safety", MAX_POOL + 1)):
            with self.subTest(option=option, bad=bad):
                self.refused("bad_request", "item_set", unique("SKU"), {option: bad}, names=option)


if __name__ == "__main__":
    main()
