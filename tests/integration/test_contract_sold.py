# SPDX-License-Identifier: Apache-2.0
"""The contract: what a till sold is a fact. It is never refused for stock; it may make a place short,
or leave it owing units that were sold before anybody booked them in.
"""

import json
import time

from stockd_harness import MAX_POOL, RpcError, Server, StockdTestCase, main, run_program, unique, wait_until
from till_case import fill


class TillCase(StockdTestCase):
    def sold(self, lines, channel="default", location="main", **options):
        got = self.call("sold", unique("t"), channel, location, lines, options)
        self.assert_keys(got, "lsn", "lines")
        return got["lines"]

    def by_kind(self, sku, location="main"):
        pools = self.call("stock", sku)["pools"]
        return {
            pool["kind"]: pool["on_hand"]
            for pool in pools
            if pool["on_hand"] and pool["location"] == location
        }

    def assert_adds_up(self, sku):
        """The listed pools add up to the totals, now and as told from the journal."""
        stock = self.call("stock", sku)
        kinds = ("shared", "allotted", "owed")
        listed = [pool for pool in stock["pools"] if pool["kind"] in kinds]
        self.assertEqual(sum(pool["on_hand"] for pool in listed), stock["on_hand"])
        self.assertEqual(sum(pool["reserved"] for pool in listed), stock["reserved"])
        then = self.call("stock", sku, {"at_lsn": stock["lsn"]})
        for key in ("on_hand", "reserved"):
            self.assertEqual(then[key], stock[key], then)
        now = sorted((p["location"], p["kind"], p["on_hand"]) for p in stock["pools"])
        told = sorted((p["location"], p["kind"], p["on_hand"]) for p in then["pools"])
        self.assertEqual(told, now)


class Sold(TillCase):
    def test_takes_what_is_there(self):
        sku = self.stocked(10)
        self.assertEqual(self.sold([[sku, 3]], ref="receipt 7"), [[sku, 7, 7]])
        self.assertEqual(self.figures(sku), (7, 0, 7))
        self.assertEqual(self.available(sku), 7)
        self.assertEqual(self.sold([[sku, 7]]), [[sku, 0, 0]])
        self.assert_adds_up(sku)

    def test_several_lines_in_the_order_of_the_skus(self):
        one, two = self.stocked(10), self.stocked(5)
        got = self.sold([[two, 1], [one, 2], [two, 1], [one, 1]])
        self.assertEqual(got, [[two, 3, 3], [one, 7, 7]])

    def test_only_that_place(self):
        self.call("location_set", "store", {})
        sku = self.stocked(10)
        self.call("receive", unique("r"), sku, "store", 2)
        self.assertEqual(self.sold([[sku, 3]], location="store"), [[sku, -1, -1]])
        self.assertEqual(self.figures(sku), (9, 0, 9))
        self.assert_adds_up(sku)

    def test_a_channel_need_not_sell_from_there(self):
        self.call("location_set", "closed", {"active": False})
        self.call("channel_set", "elsewhere", {"locations": ["main"]})
        sku = self.stocked(5, location="closed")
        self.assertEqual(self.sold([[sku, 2]], "elsewhere", "closed"), [[sku, 3, 3]])

    def test_its_own_allotment_goes_first_then_what_is_free_then_what_was_promised(self):
        for code in ("till", "web"):
            self.call("channel_set", code, {})
        sku = self.stocked(20)
        self.call("allot", unique("a"), sku, "main", "web", 4)
        self.call("allot", unique("a"), sku, "main", "till", 3)
        order = self.reserved([[sku, 8]], confirm=True)  # of the 13 shared ones

        def pools():
            listed = self.call("stock", sku)["pools"]
            return {(p["kind"], p["channel"]): p["on_hand"] for p in listed}

        shared, own, web = ("shared", None), ("allotted", "till"), ("allotted", "web")
        self.assertEqual(self.sold([[sku, 2]], "till"), [[sku, 18, 10]])
        self.assertEqual(pools(), {shared: 13, own: 1, web: 4})
        self.sold([[sku, 2]], "till")
        self.assertEqual(pools(), {shared: 12, own: 0, web: 4})
        self.sold([[sku, 5]], "till")
        self.assertEqual(pools(), {shared: 8, own: 0, web: 3})
        self.assertEqual(self.sold([[sku, 4]], "till"), [[sku, 7, -1]])
        self.assertEqual(pools(), {shared: 7, own: 0, web: 0})
        self.refused("insufficient_stock", "fulfil", order)
        self.assertEqual(self.available(sku), 0)
        self.assertEqual(self.state(order), "confirmed")
        self.call("receive", unique("r"), sku, "main", 1)
        self.call("fulfil", order)
        self.assert_adds_up(sku)

    def test_damaged_and_displayed_units_are_not_touched(self):
        sku = self.stocked(5)
        self.call("shift", unique("s"), sku, "main", 2, "sellable", "display")
        self.call("shift", unique("s"), sku, "main", 1, "sellable", "damaged")
        self.assertEqual(self.sold([[sku, 3]]), [[sku, -1, -1]])
        self.assertEqual(
            self.by_kind(sku), {"display": 2, "damaged": 1, "owed": -1}
        )

    def test_unknown_things_and_bad_values(self):
        sku = self.stocked(5)
        good = [unique("t"), "default", "main", [[sku, 1]]]
        for place, name in enumerate(("id", "channel", "location", "lines")):
            for bad in (None, 1.5, {}, True, ""):
                with self.subTest(name=name, bad=bad):
                    params = list(good)
                    params[place] = bad
                    self.refused("bad_request", "sold", *params, names=name)
            with self.subTest(missing=name):
                self.refused("bad_request", "sold", *good[:place], names=name)
        for lines in ([], [[]], [[sku]], [sku], [[sku, 1, 1]], [[sku, 0]], [[sku, -1]],
                      [[sku, 1.0]], [[sku, MAX_POOL + 1]], [["", 1]], [[None, 1]], [[sku, None]]):
            with self.subTest(lines=lines):
                self.refused("bad_request", "sold", *good[:3], lines, names="lines")
        self.refused(
            "bad_request", "sold", *good[:3], [[sku, MAX_POOL], [sku, 1]], names="lines[1]"
        )
        soon = int(time.time() * 1000)
        for bad in (-1, 1.5, "now", True, soon + 3_600_000):
            self.refused("bad_request", "sold", *good, {"at_ms": bad}, names="at_ms")
        self.refused("bad_request", "sold", *good, {"ref": 5}, names="ref")
        self.refused("bad_request", "sold", *good, {"reason": "x"}, names="reason")
        error = self.refused("unknown_sku", "sold", *good[:3], [["NONE", 1]], names="NONE")
        self.assertEqual(error.details, {"sku": "NONE"})
        self.refused("unknown_sku", "sold", *good[:3], [[sku, 1], ["NONE", 1]], names="NONE")
        error = self.refused("unknown_channel", "sold", good[0], "mars", *good[2:], names="mars")
        self.assertEqual(error.details, {"channel": "mars"})
        error = self.refused("unknown_location", "sold", *good[:2], "mars", good[3], names="mars")
        self.assertEqual(error.details, {"location": "mars"})
        self.refused("unknown_sku", "stock", "NONE")
        self.assertEqual(self.figures(sku), (5, 0, 5))
        self.assertEqual(self.sold([[sku, 1]], at_ms=soon - 86_400_000), [[sku, 4, 4]])
        self.assertEqual(self.sold([[sku, 1]], at_ms=None), [[sku, 3, 3]])

    def test_a_repeat_is_answered_with_the_first_result(self):
        skus = [self.stocked(10) for _ in range(20)]
        for count in (1, 2, 7, 8, 20):
            lines = [[sku, 2] for sku in skus[:count]]
            with self.subTest(count=count):
                asked = ("sold", unique("t"), "default", "main", lines, {"ref": "x"})
                first = self.call(*asked)
                self.call("receive", unique("r"), skus[0], "main", 5)
                self.assertEqual(self.call(*asked), first)
                for other in (
                    (*asked[:4], [[skus[0], 1], *lines[1:]], asked[5]),
                    (*asked[:4], lines + [[skus[0], 1]], asked[5]),
                    (*asked[:5], {"ref": "y"}),
                    (*asked[:5], {"ref": "x", "at_ms": 0}),
                    asked[:5],
                ):
                    self.refused("conflict", *other)
        self.refused("conflict", "receive", asked[1], skus[0], "main", 1)

    def test_as_many_lines_as_an_order_may_have(self):
        skus = [unique("L") for _ in range(1024)]
        self.client.pipeline([("receive", unique("r"), sku, "main", 2) for sku in skus])
        got = self.sold([[sku, 1] for sku in skus])
        self.assertEqual(got, [[sku, 1, 1] for sku in skus])
        asked = ("sold", unique("t"), "default", "main", [[sku, 1] for sku in skus])
        first = self.call(*asked)
        self.assertEqual(self.call(*asked), first)
        self.refused("too_large", *asked[:4], [[sku, 1] for sku in [*skus, "MORE"]])
        # each line now owes, which takes one pool more
        got = self.sold([[sku, 1] for sku in skus])
        self.assertEqual(got, [[sku, -1, -1] for sku in skus])


class Owed(TillCase):
    """Sold before it was booked in: what comes pays that first, and the sums hold throughout."""

    def owing(self, there=2, sold=5):
        sku = self.stocked(there)
        self.assertEqual(self.sold([[sku, sold]]), [[sku, there - sold, there - sold]])
        return sku

    def test_is_shown_and_counted(self):
        sku = self.owing()
        self.assertEqual(self.figures(sku), (-3, 0, -3))
        self.assertEqual(self.by_kind(sku), {"owed": -3})
        self.assertEqual(self.available(sku), 0)
        self.assert_adds_up(sku)
        row = next(row for row in self.call("items", 0)["items"] if row[0] == sku)
        self.assertEqual(row, [sku, [["main", -3, 0, -3]]])
        self.refused("insufficient_stock", "reserve", unique("o"), "default", [[sku, 1]])

    def test_where_nothing_ever_was(self):
        self.call("location_set", "bare", {})
        sku = self.stocked(1)
        self.assertEqual(self.sold([[sku, 2]], location="bare"), [[sku, -2, -2]])
        got = self.call("receive", unique("r"), sku, "bare", 5)
        self.assertEqual((got["on_hand"], got["available"]), (3, 3))
        self.assert_adds_up(sku)

    def test_what_comes_pays_first(self):
        for method, tail in (
            ("receive", ()),
            ("return", ()),
            ("adjust", ()),
        ):
            with self.subTest(method=method):
                sku = self.owing()
                got = self.call(method, unique("m"), sku, "main", 2, *tail)
                self.assertEqual((got["on_hand"], got["available"]), (-1, -1))
                self.assertEqual(self.by_kind(sku), {"owed": -1})
                got = self.call(method, unique("m"), sku, "main", 4, *tail)
                self.assertEqual((got["on_hand"], got["available"]), (3, 3))
                self.assertEqual(self.by_kind(sku), {"shared": 3})
                self.assertEqual(self.available(sku), 3)
                self.assert_adds_up(sku)

    def test_damaged_returns_pay_nothing_until_they_can_be_sold(self):
        sku = self.owing()
        got = self.call("return", unique("m"), sku, "main", 4, {"condition": "damaged"})
        self.assertEqual((got["on_hand"], got["available"]), (-3, -3))
        got = self.call("shift", unique("s"), sku, "main", 2, "damaged", "sellable")
        self.assertEqual((got["on_hand"], got["available"]), (-1, -1))
        self.assertEqual(self.by_kind(sku), {"damaged": 2, "owed": -1})
        got = self.call("shift", unique("s"), sku, "main", 2, "damaged", "sellable")
        self.assertEqual((got["on_hand"], got["available"]), (1, 1))
        self.assertEqual(self.by_kind(sku), {"shared": 1})
        self.assert_adds_up(sku)

    def test_a_count_says_what_is_there(self):
        for counted in (0, 4):
            with self.subTest(counted=counted):
                sku = self.owing()
                got = self.call("count", unique("c"), sku, "main", counted)
                self.assertEqual(
                    (got["delta"], got["on_hand"], got["available"]),
                    (counted + 3, counted, counted),
                )
                self.assertEqual(self.figures(sku), (counted, 0, counted))
                self.assert_adds_up(sku)

    def test_if_on_hand_may_be_negative(self):
        sku = self.owing()
        error = self.refused(
            "stale", "adjust", unique("a"), sku, "main", 1, {"if_on_hand": 0}, names="-3"
        )
        self.assertEqual(error.details, {"on_hand": -3})
        got = self.call("adjust", unique("a"), sku, "main", 1, {"if_on_hand": -3})
        self.assertEqual(got["on_hand"], -2)
        got = self.call("count", unique("c"), sku, "main", 6, {"if_on_hand": -2})
        self.assertEqual((got["delta"], got["on_hand"]), (8, 6))

    def test_an_adjustment_down_takes_only_what_is_there(self):
        sku = self.owing()
        self.refused("insufficient_stock", "adjust", unique("a"), sku, "main", -1)

    def test_arrivals_and_transfers_pay(self):
        self.call("location_set", "depot", {})
        sku = self.owing(sold=9)
        self.call("receive", unique("r"), sku, "depot", 10)
        self.call("transfer", unique("s"), "depot", "main", [[sku, 2]])
        self.assertEqual(self.by_kind(sku), {"owed": -5})
        supply = unique("s")
        self.call("expect", supply, "main", [[sku, 4]], {"eta_ms": int(time.time() * 1e3) + 9**9})
        self.assertEqual(self.figures(sku), (3, 0, 3))
        self.call("arrive", supply, [[sku, 3]])
        self.assertEqual(self.by_kind(sku), {"expected": 1, "owed": -2})
        self.call("arrive", supply, [[sku, 4]])
        self.assertEqual(self.by_kind(sku), {"shared": 2})
        self.assertEqual(self.figures(sku), (10, 0, 10))
        self.assert_adds_up(sku)

    def test_what_comes_pays_also_if_it_was_promised(self):
        """As if it had come before the till sold: the latest promises of it are short."""
        eager = unique("eager")
        self.call("channel_set", eager, {"promise": "incoming"})
        for came, owed in ((6, 0), (5, 0), (1, -1)):
            sku, supply, since = unique("S"), unique("exp"), self.call("channels")["lsn"]
            self.call("expect", supply, "main", [[sku, 6]], {"eta_ms": 4102444800000})
            orders = [unique("o") for _ in range(3)]
            for order in orders:
                self.call("reserve", order, eager, [[sku, 2]], {"confirm": True})
            self.sold([[sku, 2]])
            self.call("arrive", supply, [[sku, came]])
            for _ in range(2):
                self.assertEqual(self.by_kind(sku).get("owed", 0), owed, came)
                self.assert_adds_up(sku)
                self.server.restart(kill=True)
                self.reconnect()
            there = max(0, came - 2)
            for order in orders:
                if there >= 2:
                    self.assertEqual(self.call("fulfil", order)["state"], "fulfilled")
                else:
                    self.refused("insufficient_stock", "fulfil", order)
                there = max(0, there - 2)
            told = self.call("history", sku)["events"]
            shared = [e["qty"] for e in told if e["kind"] == "shared" and e["type"] in ("arrive", "settle", "fulfil")]
            fulfilled = 2 * sum(1 for e in told if e["type"] == "fulfil")
            self.assertEqual(sum(shared) - 2 * fulfilled, self.by_kind(sku).get("shared", 0), told)
            if came == 6:  # the others wait for what is still expected
                wait_until(lambda: [(e["id"], e["qty"]) for e in self.call("events", since, {"types": ["short"]})["events"]]
                           == [(orders[2], 2)], what="the latest to be short")

    def test_the_most_that_can_be_owed(self):
        sku = self.owing(there=1, sold=MAX_POOL)
        self.sold([[sku, 1]])
        self.refused("limit", "sold", unique("t"), "default", "main", [[sku, 1]])
        self.assertEqual(self.figures(sku), (-MAX_POOL, 0, -MAX_POOL))
        got = self.call("receive", unique("r"), sku, "main", MAX_POOL)
        self.assertEqual(got["on_hand"], 0)

    def test_history(self):
        self.call("channel_set", "till", {})
        sku = self.stocked(2)
        begin = self.call("stock", sku)["lsn"]
        ident = unique("t")
        self.call("sold", ident, "till", "main", [[sku, 5]], {"ref": "receipt 9"})
        self.call("receive", unique("r"), sku, "main", 4)
        events = self.call("history", sku, {"since_lsn": begin})["events"]
        told = [(e["type"], e["kind"], e["qty"], e["on_hand"]) for e in events]
        self.assertEqual(sorted(told[:2]), [("sold", "owed", -3, -3), ("sold", "shared", -2, 0)])
        self.assertEqual(
            sorted(told[2:]), [("receive", "owed", 3, 0), ("receive", "shared", 1, 1)]
        )
        self.assertEqual({e["channel"] for e in events[:2]}, {"till"})
        self.assertEqual((events[0]["id"], events[0]["ref"]), (ident, "receipt 9"))
        told = self.call("history", None, {"id": ident})["events"]
        self.assertEqual(sorted(e["qty"] for e in told), [-3, -2])


class AtMs(TillCase):
    def test_a_count_as_of_earlier_does_not_undo_a_sale(self):
        sku = self.stocked(10)
        moment = self.moment()
        self.sold([[sku, 3]])
        got = self.call("count", unique("c"), sku, "main", 10, {"as_of": moment})
        self.assertEqual((got["delta"], got["on_hand"]), (0, 7))

    def test_a_sale_booked_late_happened_when_the_till_says(self):
        sku, other = self.stocked(20), self.stocked(20)
        before = self.moment()
        self.call("adjust", unique("a"), sku, "main", -1)
        counted = self.moment()
        self.call("adjust", unique("a"), sku, "main", -2)
        self.sold([[sku, 4], [other, 4]], at_ms=before)  # missing when it was counted
        self.sold([[sku, 8], [other, 8]], at_ms=counted + 1)
        self.call("adjust", unique("a"), other, "main", -1)
        # 15 were there then: 20 less 1 adjusted, less 4 sold; since then 2 adjusted, 8 sold
        got = self.call("count", unique("c"), sku, "main", 15, {"as_of": counted})
        self.assertEqual((got["delta"], got["on_hand"]), (0, 5))
        got = self.call("count", unique("c"), other, "main", 16, {"as_of": counted})
        self.assertEqual((got["delta"], got["on_hand"]), (0, 7))


    def test_a_sale_booked_after_a_count_that_missed_it_takes_nothing(self):
        self.call("location_set", "store", {})
        sku, other = self.stocked(10), self.stocked(10)
        self.call("receive", unique("r"), sku, "store", 10)
        sold = self.moment()
        counted = self.moment()
        self.call("count", unique("c"), sku, "main", 8, {"as_of": counted})
        got = self.sold([[sku, 2], [other, 2]], at_ms=sold)
        self.assertEqual(got, [[sku, 8, 8], [other, 8, 8]])
        self.assertEqual(self.sold([[sku, 1]], at_ms=counted), [[sku, 8, 8]])
        self.assertEqual(self.sold([[sku, 1]], at_ms=counted + 1), [[sku, 7, 7]])
        self.assertEqual(self.sold([[sku, 1]]), [[sku, 6, 6]])
        self.assertEqual(self.sold([[sku, 2]], location="store", at_ms=sold), [[sku, 8, 8]])
        events = self.call("history", sku)["events"]
        self.assertEqual([e["qty"] for e in events if e["type"] == "sold"], [0, 0, -1, -1, -2])
        self.assert_adds_up(sku)

    def test_a_refused_count_is_none(self):
        sku = self.stocked(10)
        sold = self.moment()
        self.refused("stale", "count", unique("c"), sku, "main", 3, {"if_on_hand": 9})
        self.refused("bad_request", "count", unique("c"), sku, "main", -1)
        self.assertEqual(self.sold([[sku, 2]], at_ms=sold), [[sku, 8, 8]])


class Survives(StockdTestCase):
    def test_when_a_place_was_counted_is_not_forgotten(self):
        with Server("--segment-bytes", 64 << 10, "--compact-bytes", 0) as server:
            with server.client() as client:
                client.call("channel_set", "till", {})
                for sku in ("TEE", "CUP", "PEN"):
                    client.call("receive", "r-" + sku, sku, "main", 10)
                client.call("allot", "a", "PEN", "main", "till", 10)
                sold = self.moment()
                counted = self.moment()
                client.call("count", "c", "TEE", "main", 9, {"as_of": counted})
                client.call("count", "d", "CUP", "main", 9)
                client.call("count", "e", "PEN", "main", 9)  # changes the allotted pool alone
                fill(client)
            for number, snapshot in enumerate((False, True, False)):
                if snapshot:
                    server.stop()
                    done = run_program("stock-journal", "compact", server.data)
                    self.assertEqual(done.code, 0, done)
                    self.assertNotIn("nothing to do", done.out)
                    server.start()
                else:
                    server.restart(kill=True)
                with server.client() as client:
                    for sku in ("TEE", "CUP", "PEN"):
                        got = client.call(
                            "sold", f"{sku}-{number}", "till", "main", [[sku, 1]], {"at_ms": sold}
                        )
                        self.assertEqual(got["lines"], [[sku, 9, 9]])
                    got = client.call(
                        *("sold", f"after-{number}", "till", "main", [["TEE", 1]]),
                        {"at_ms": counted + 1},
                    )
                    self.assertEqual(got["lines"], [["TEE", 8, 8]])
                    client.call("adjust", f"back-{number}", "TEE", "main", 1)
                    client.call("check")

    def test_kill_and_snapshot(self):
        with Server("--segment-bytes", 64 << 10, "--compact-bytes", 0) as server:
            sales = []
            with server.client() as client:
                now = int(time.time() * 1000)
                client.call("channel_set", "till", {})
                for sku in ("TEE", "CUP", "PEN"):
                    client.call("receive", "r-" + sku, sku, "main", 10)
                client.call("allot", "a", "TEE", "main", "till", 4)
                for ident, lines, options in (
                    ("one", [["TEE", 5]], {}),
                    ("two", [["CUP", 12], ["TEE", 1]], {"at_ms": now - 7_200_000}),
                    ("many", [["PEN", 11], ["CUP", 1], ["TEE", 9]], {"ref": "x"}),
                ):
                    asked = ("sold", ident, "till", "main", lines, options)
                    sales.append((asked, client.call(*asked)))
                client.call("receive", "late", "PEN", "main", 4)
                before = [client.call("stock", sku) for sku in ("TEE", "CUP", "PEN")]
                fill(client)
            self.assertEqual([stock["on_hand"] for stock in before], [-5, -3, 3])
            for snapshot in (False, True, False):
                if snapshot:
                    server.stop()
                    done = run_program("stock-journal", "compact", server.data)
                    self.assertEqual(done.code, 0, done)
                    self.assertNotIn("nothing to do", done.out)
                    server.start()
                else:
                    server.restart(kill=True)
                with server.client() as client:
                    for stock, sku in zip(before, ("TEE", "CUP", "PEN")):
                        self.assertEqual(client.call("stock", sku)["pools"], stock["pools"])
                    for asked, first in sales:
                        self.assertEqual(client.call(*asked), first)
                        with self.assertRaises(RpcError) as raised:
                            client.call(*asked[:5], {"ref": "other"})
                        self.assertEqual(raised.exception.code, "conflict")
                    client.call("check")
            with server.client() as client:
                self.assertEqual(client.call("receive", "pays", "CUP", "main", 4)["on_hand"], 1)
                self.assertEqual(client.call("availability", "default", ["CUP"])["stock"], [1])

    def test_the_dump_tells_it(self):
        with Server() as server:
            with server.client() as client:
                client.call("receive", "r", "TEE", "main", 2)
                client.call("sold", "s", "default", "main", [["TEE", 5]], {"at_ms": 1_000})
            server.stop()
            got = run_program("stock-journal", "dump", server.data, "--json")
            self.assertEqual(got.code, 0, got)
            records = [json.loads(line) for line in got.out.splitlines()]
            sale = next(record for record in records if record["type"] == "sold")
            self.assertEqual((sale["id"], sale["channel"]), ("s", "default"))
            self.assertEqual(sale["lines"], [{"sku": "TEE", "qty": 5}])
            changes = {c["kind"]: c["qty"] for c in sale["changes"]}
            self.assertEqual(changes, {"shared": -2, "owed": 3})


if __name__ == "__main__":
    main()
