# SPDX-License-Identifier: Apache-2.0
"""Reports, against what the journal's dump says: whatever the engine keeps, the journal is the truth."""

import collections
import csv
import datetime
import io
import json
import os
import random
import time

from stockd_harness import RpcError, StockdTestCase, main, run_program, unique, wait_until

HOUR = 3600 * 1000
KEYS = ("channel", "location", "sku", "day", "hour")


def stamp(ms, form):
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc).strftime(form)


def keys_of(ms, channel, location, sku):
    return {"channel": channel, "location": location, "sku": sku,
            "day": stamp(ms, "%Y-%m-%d"), "hour": stamp(ms, "%Y-%m-%dT%H")}


def dumped(server):
    done = run_program("stock-journal", "dump", server.data, "--json")
    if done.code != 0:
        raise AssertionError(f"dump ended with {done.code}: {done.err}")
    return [json.loads(line) for line in done.out.splitlines()]


class Naive:
    """What reports have to say, worked out from the records one by one."""

    def __init__(self, records):
        self.sales = []  # (keys, order, units)
        self.returns = []  # (keys, units, damaged)
        self.refused = []  # (keys, units, orders, missing, repeated)
        self.held = {}
        for record in records:
            take = getattr(self, "take_" + record["type"], None)
            if take:
                take(record)

    def take_reserve(self, r):
        draws = [{**d, "left": d["qty"]} for d in r["draws"]]
        self.held[r["id"]] = (r["channel"], draws)

    def take_fulfil(self, r):
        channel, draws = self.held[r["id"]]
        for draw, qty in self.parts(r, draws):
            keys = keys_of(r["time_ms"], channel, draw["location"], draw["sku"])
            self.sales.append((keys, r["id"], qty))
            draw["left"] -= qty

    def take_sold(self, r):
        for line in r["lines"]:
            keys = keys_of(r.get("at_ms") or r["time_ms"], r["channel"], r["location"], line["sku"])
            self.sales.append((keys, r["id"], line["qty"]))

    def take_cancel(self, r):
        for draw, qty in self.parts(r, self.held[r["id"]][1]):
            draw["left"] -= qty

    def parts(self, r, draws):
        if r.get("steps"):
            return [(draws[s["draw"]], s["qty"]) for s in r["steps"]]
        return [(d, d["left"]) for d in draws if d["left"] > 0]

    def take_movement(self, r):
        if r["kind"] == "return":
            keys = keys_of(r["time_ms"], r.get("channel"), r["location"], r["sku"])
            pools = [(r["pool"], r["delta"])] + [(p["kind"], p["qty"]) for p in r.get("more", ())]
            units = sum(-qty if kind == "owed" else qty for kind, qty in pools)
            self.returns.append((keys, units, r["pool"] == "damaged"))

    def take_refused(self, r):
        for line in r["lines"]:
            keys = keys_of(r["time_ms"], line["channel"], None, line["sku"])
            self.refused.append((keys, line["qty"], line["orders"], line["missing"],
                                 line["repeated"]))

    def report(self, name, by, **only):
        rows = collections.defaultdict(lambda: [0, 0, 0])
        orders = set()
        for keys, *fact in getattr(self, name):
            if any(keys[k] != v for k, v in only.items()):
                continue
            row = rows[keys[by]]
            if name == "refused":
                units, orders_of_line, missing, repeated = fact
                row[0] += units
                row[1] += orders_of_line - (0 if "sku" in (by, *only) else repeated)
                row[2] += missing
                continue
            if name == "returns":
                units, damaged = fact
                row[0] += units
                row[1] += 1
                row[2] += units if damaged else 0
                continue
            order, units = fact
            row[0] += units
            # Once in each row that tells its cell apart, when the first units of that were sold.
            cell = (order,) + tuple(keys[k] for k in ("channel", "location", "sku")
                                    if k == by or k in only)
            row[1] += cell not in orders
            orders.add(cell)
        width = 2 if name == "sales" else 3
        return [[key, *rows[key][:width]] for key in sorted(rows, key=lambda k: (k is not None, k))]


class Trade:
    """Random orders and returns."""

    def __init__(self, client, rng):
        self.client, self.random = client, rng
        self.skus = [unique("SKU") for _ in range(6)]
        self.places = [unique("S").lower() for _ in range(4)]
        self.channels = [unique("C").lower() for _ in range(3)]
        self.open, self.sold = [], []
        for place in self.places:
            client.call("location_set", place, {})
        for channel in self.channels:
            client.call("channel_set", channel, {"locations": self.places})
        for sku in self.skus:
            for place in self.places:
                client.call("receive", unique("rcv"), sku, place, 1000)

    def lines(self):
        r = self.random
        return [[r.choice(self.skus), r.randint(1, 5), *r.choice(([], [r.choice(self.places)]))]
                for _ in range(r.choice((1, 1, 1, 2, 4, 8)))]

    def step(self):
        r = self.random
        what = r.choice(("reserve", "reserve", "fulfil", "fulfil", "part", "place", "cancel", "return",
                         "known", "till"))
        order = r.choice(self.open) if self.open else None
        if what == "till":
            self.sell_at_a_till()
        elif what == "reserve" or not order:
            order = unique("ord")
            self.reserve(order)
        elif what == "fulfil":
            self.try_to("fulfil", order[0])
            self.open.remove(order)
            self.sold.append(order)
        elif what == "part":
            self.try_to("fulfil", order[0], [[r.choice(order[1])[0], 1]], {"op": unique("op")})
        elif what == "place":
            self.try_to("fulfil", order[0], None, {"location": r.choice(self.places)})
        elif what == "cancel":
            self.try_to("cancel", order[0], [[r.choice(order[1])[0], 1]], {"op": unique("op")})
        else:
            self.give_back(what == "known" and self.sold and r.choice(self.sold))

    def sell_at_a_till(self):
        """Now, or some hours and days ago; also more than is there."""
        r = self.random
        lines = [[r.choice(self.skus), r.randint(1, 5)] for _ in range(r.choice((1, 1, 3, 8)))]
        if r.random() < 0.05:
            lines[0][1] = 5000
        options = {}
        if r.random() < 0.5:
            options["at_ms"] = int(time.time() * 1000) - r.randint(0, 72) * HOUR
        self.client.call("sold", unique("t"), r.choice(self.channels), r.choice(self.places), lines,
                         options)

    def reserve(self, order):
        r, lines = self.random, self.lines()
        if r.random() < 0.2:
            lines[0][1] = lines[-1][1] = 5000  # there is less
        try:
            got = self.client.call("reserve", order, r.choice(self.channels), lines, {"confirm": True})
            self.open.append((order, got["lines"]))
        except RpcError as error:
            assert error.code == "insufficient_stock", error

    def give_back(self, order):
        r = self.random
        sku = r.choice(order[1])[0] if order else r.choice(self.skus)
        options = {"reservation": order[0]} if order else {}
        if r.random() < 0.4:
            options["condition"] = "damaged"
        self.try_to("return", unique("ret"), sku, r.choice(self.places), r.randint(1, 2), options)

    def try_to(self, *call):
        try:
            self.client.call(*call)
        except RpcError as error:
            assert error.code == "wrong_state", error


class AgainstTheJournal(StockdTestCase):
    options = ("--segment-bytes", 16 * 4096, "--compact-bytes", 0)

    def setUp(self):
        super().setUp()
        self.random = random.Random(os.environ.get("STOCKD_TEST_SEED") or unique("seed"))

    def told(self, client, trade):
        """Every report there is, by every key, and with some filters."""
        filters = [{}, {"channel": trade.channels[0]}, {"location": trade.places[1]},
                   {"sku": trade.skus[2]},
                   {"channel": trade.channels[1], "sku": trade.skus[3]},
                   {"location": trade.places[0], "sku": trade.skus[4]}]
        return {(name, by, tuple(only.items())): client.call("report", name, {"by": by, **only})["rows"]
                for name in ("sales", "returns", "refused") for by in KEYS for only in filters
                if name != "refused" or "location" not in (by, *only)}

    def expected(self, told):
        naive = Naive(dumped(self.server))
        return {key: naive.report(key[0], key[1], **dict(key[2])) for key in told}

    def compare(self, told, wanted, when):
        for key, rows in told.items():
            self.assertEqual(rows, wanted[key], f"{when}: {key}")

    def test_reports_tell_what_the_journal_tells(self):
        trade = Trade(self.client, self.random)
        for _ in range(600):
            trade.step()
        before = self.told(self.client, trade)
        self.assertTrue(before["sales", "sku", ()], "nothing was sold")
        self.assertTrue(before["refused", "sku", ()], "nothing was refused")
        self.assertTrue(any(r[0] is None for r in before["returns", "channel", ()]))
        self.server.kill()
        wanted = self.expected(before)
        self.compare(before, wanted, "live")
        self.server.start()
        self.reconnect()
        self.compare(self.told(self.client, trade), wanted, "after kill -9")
        done = run_program("stock-journal", "compact", self.server.data, "--json")
        self.assertEqual(done.code, 0, done.err)
        self.assertTrue(json.loads(done.out)["written"])
        self.server.restart(kill=True)
        self.reconnect()
        self.assertIn("after a snapshot", self.server.stderr())
        self.compare(self.told(self.client, trade), wanted, "after a snapshot")


class Asking(StockdTestCase):
    def sell(self, sku, qty, channel="default"):
        id = self.reserved([[sku, qty]], channel=channel, confirm=True)
        self.call("fulfil", id)
        return id

    def test_the_shape_of_the_reply(self):
        sku = self.stocked(10)
        self.sell(sku, 3)
        got = self.call("report", "sales", {"sku": sku})
        self.assert_keys(got, "lsn", "columns", "rows", "next", "since_ms")
        self.assertEqual(got["columns"], ["channel", "units", "orders"])
        self.assertEqual(got["rows"], [["default", 3, 1]])
        self.assertIsNone(got["next"])
        self.assertIsNone(got["since_ms"])
        for by in KEYS:
            self.assertEqual(self.call("report", "sales", {"by": by})["columns"][0], by)

    def test_a_till_sells_once_though_it_tells_twice(self):
        sku = self.stocked(5)
        sale = ("sold", unique("t"), "default", "main", [[sku, 2], [sku, 6]])
        self.call(*sale)
        self.call(*sale)
        self.assertEqual(self.call("report", "sales", {"sku": sku})["rows"], [["default", 8, 1]])
        # Three are owed: as `stock` tells it; but nobody was promised them.
        stock = self.call("report", "stock", {"sku": sku})
        self.assertEqual(stock["rows"][0][:2], ["main", -3])
        self.assertEqual(self.call("report", "short", {"sku": sku})["rows"], [])

    def test_a_return_that_pays_a_debt(self):
        sku = self.stocked(1)
        self.call("sold", unique("t"), "default", "main", [[sku, 4]])
        self.call("return", unique("ret"), sku, "main", 5)
        self.call("return", unique("ret"), sku, "main", 2, {"condition": "damaged"})
        self.assertEqual(self.call("stock", sku)["on_hand"], 2)
        self.assertEqual(self.call("report", "returns", {"sku": sku})["rows"], [[None, 7, 2, 2]])

    def test_units_that_are_not_sold_are_not_on_hand(self):
        sku = self.stocked(10)
        for condition, qty in (("display", 1), ("quality", 2), ("damaged", 3)):
            self.call("shift", unique("s"), sku, "main", qty, "sellable", condition)
        self.assertEqual(self.call("stock", sku)["on_hand"], 4)
        stock = self.call("report", "stock", {"sku": sku})
        self.assertEqual(stock["rows"], [["main", 4, 0, 4, 3, 0]])
        self.sell(sku, 1)
        sold = self.call("report", "sell_through", {"by": "location", "sku": sku})
        self.assertEqual(sold["rows"][0][:4], ["main", 1, 1, 3])

    def test_a_place_sells_what_it_hands_over(self):
        sku, shop = self.stocked(5), unique("shop")
        self.call("location_set", shop)
        self.stocked(5, shop, sku)
        id = self.reserved([[sku, 2, "main"], [sku, 3, shop]], confirm=True)
        self.call("fulfil", id, None, {"location": "main"})
        self.call("fulfil", id, None, {"location": "main"})  # it was done: nothing more is sold
        self.ready_for(id, shop, 100)
        wait_until(lambda: [p["step"] for p in self.call("reservation", id)["parts"]][1] ==
                   "not_collected", what="nobody comes")
        self.call("restock", id, shop)
        self.assertEqual(self.call("report", "sales", {"sku": sku})["rows"], [["default", 2, 1]])
        self.assertEqual(self.call("report", "sales", {"sku": sku, "by": "location"})["rows"],
                         [["main", 2, 1]])

    def test_what_a_till_sold_before_a_count_was_sold_too(self):
        sku = self.stocked(5)
        moment = self.moment()
        self.call("count", unique("cnt"), sku, "main", 3)
        self.call("sold", unique("t"), "default", "main", [[sku, 2]], {"at_ms": moment})
        self.assertEqual(self.call("stock", sku)["on_hand"], 3)
        self.assertEqual(self.call("report", "sales", {"sku": sku})["rows"], [["default", 2, 1]])

    def test_pages(self):
        skus = sorted(self.stocked(5) for _ in range(7))
        for sku in skus:
            self.sell(sku, 1)
        seen, after = [], None
        while True:
            got = self.call("report", "sales", {"by": "sku", "limit": 3, "after": after})
            self.assertLessEqual(len(got["rows"]), 3)
            seen += [row[0] for row in got["rows"]]
            if got["next"] is None:
                break
            after = got["next"]
            self.assertEqual(after, seen[-1])
        self.assertEqual(seen, sorted(seen))
        self.assertEqual([sku for sku in seen if sku in skus], skus)

    def test_the_row_without_a_channel_is_the_first_page(self):
        sku = self.stocked(10)
        id = self.sell(sku, 3)
        self.call("return", unique("ret"), sku, "main", 1)
        self.call("return", unique("ret"), sku, "main", 2, {"reservation": id})
        first = self.call("report", "returns", {"sku": sku, "limit": 1})
        self.assertEqual((first["rows"], first["next"]), ([[None, 1, 1, 0]], ""))
        rest = self.call("report", "returns", {"sku": sku, "limit": 1, "after": ""})
        self.assertEqual((rest["rows"], rest["next"]), ([["default", 2, 1, 0]], None))

    def test_times_are_whole_hours(self):
        sku = self.stocked(10)
        self.sell(sku, 1)
        now = int(self.call("history", sku)["events"][-1]["time_ms"])
        hour = now // HOUR * HOUR
        for options, there in (
            ({"from_ms": hour}, True), ({"from_ms": now}, True), ({"from_ms": hour + HOUR}, False),
            ({"to_ms": hour}, False), ({"to_ms": hour + 1}, True), ({"to_ms": hour + HOUR}, True),
            ({"from_ms": hour, "to_ms": hour}, False), ({"from_ms": 0, "to_ms": 2**63 - 1}, True),
        ):
            rows = self.call("report", "sales", {"sku": sku, **options})["rows"]
            self.assertEqual(bool(rows), there, options)

    def test_what_is_wrong_is_named(self):
        for params, code, names in (
            (("nosuch",), "bad_request", "name"), ((7,), "bad_request", "name"),
            ((), "bad_request", "name"),
            (("sales", {"by": "week"}), "bad_request", "by"), (("sales", {"by": 3}), "bad_request", "by"),
            (("sales", {"from_ms": 5, "to_ms": 4}), "bad_request", "to_ms"),
            (("sales", {"from_ms": -1}), "bad_request", "from_ms"),
            (("sales", {"to_ms": "x"}), "bad_request", "to_ms"),
            (("sales", {"limit": 0}), "bad_request", "limit"),
            (("sales", {"limit": 10001}), "bad_request", "limit"),
            (("sales", {"after": 3}), "bad_request", "after"),
            (("sales", {"after": "x" * 65}), "bad_request", "after"),
            (("sales", {"channel": "no such"}), "bad_request", "channel"),
            (("sales", {"channel": "nosuch"}), "unknown_channel", "nosuch"),
            (("sales", {"location": "nosuch"}), "unknown_location", "nosuch"),
            (("sales", {"sku": "nosuch"}), "unknown_sku", "nosuch"),
            (("sales", {"sku": ""}), "bad_request", "sku"),
        ):
            self.refused(code, "report", *params, names=names)

    def refuse(self, id, lines, channel="default"):
        self.refused("insufficient_stock", "reserve", id, channel, lines)

    def test_lost_demand_counts_once(self):
        few, more = self.stocked(3), self.stocked(3)
        first, second = unique("ord"), unique("ord")
        for _ in range(3):
            self.refuse(first, [[few, 5], [more, 4]])
        self.refuse(second, [[few, 10]])
        got = self.call("report", "refused", {"sku": few})
        self.assertEqual(got["columns"], ["channel", "units", "orders", "missing"])
        self.assertEqual(got["rows"], [["default", 15, 2, 9]])
        self.assertEqual(self.call("report", "refused", {"sku": more})["rows"], [["default", 4, 1, 1]])
        channel = unique("c").lower()
        self.call("channel_set", channel, {})
        self.refuse(first, [[few, 5], [more, 4]], channel)  # another channel
        self.refuse(first, [[few, 5], [more, 4], [few, 9]], channel)
        got = self.call("report", "refused", {"channel": channel})
        self.assertEqual(got["rows"], [[channel, 9, 1, 3]])
        self.server.restart(kill=True)
        self.reconnect()
        self.refuse(first, [[few, 5], [more, 4]], channel)
        self.assertEqual(self.call("report", "refused", {"channel": channel})["rows"], got["rows"])

    def test_promises(self):
        place, channel = unique("s").lower(), unique("c").lower()
        self.call("location_set", place, {"lead_time_s": 3600})
        self.call("channel_set", channel, {"locations": [place]})
        sku = self.stocked(10, place)
        self.sell(sku, 3, channel)
        got = self.call("report", "promises", {"channel": channel})
        self.assertEqual(got["columns"],
                         ["channel", "units", "lines", "kept", "late", "kept_share", "mean_late_s"])
        self.assertEqual(got["rows"], [[channel, 3, 1, 1, 0, 1.0, None]])

    def test_info_tells_how_full_the_figures_are(self):
        self.sell(self.stocked(10), 3)
        self.call("report", "sales")
        got = self.call("info", "reports")["reports"]
        self.assertTrue(got["kept"])
        self.assertGreater(got["facts"], 0)
        self.assertGreater(got["facts_max"], 9_000_000)
        self.assertEqual((got["since_ms"], got["detail_since_ms"]), (None, None))

    def test_stockctl(self):
        sku = self.stocked(10)
        self.sell(sku, 3)

        def ctl(*args, code=0):
            done = run_program("stockctl", "-s", self.server.tcp, *args)
            self.assertEqual(done.code, code, f"{args}: {done.out} {done.err}")
            return done

        table = ctl("report", "sales", "--sku", sku).out.splitlines()
        self.assertEqual([line.split() for line in table],
                         [["CHANNEL", "UNITS", "ORDERS"], ["default", "3", "1"]])
        rows = list(csv.reader(io.StringIO(ctl("report", "sales", "--by", "sku", "--csv").out)))
        self.assertEqual(rows[0], ["sku", "units", "orders"])
        self.assertIn([sku, "3", "1"], rows)
        got = json.loads(ctl("--json", "report", "sales", "--sku", sku).out)
        self.assertEqual(got["rows"], [["default", 3, 1]])
        self.assertIn("no report", ctl("report", "nosuch", code=1).err)
        self.assertEqual(ctl("report", code=2).out, "")


class Now(StockdTestCase):
    """What is there when it is asked for."""

    def setUp(self):
        super().setUp()
        self.places = [unique("s").lower() for _ in range(3)]
        self.channel, self.other = unique("c").lower(), unique("d").lower()
        for place in self.places:
            self.call("location_set", place, {})
        self.call("channel_set", self.channel, {"locations": self.places[:2]})
        self.call("channel_set", self.other, {"locations": self.places[2:]})

    def rows(self, name, **options):
        return self.call("report", name, options)["rows"]

    def test_stock(self):
        skus = [unique("SKU") for _ in range(3)]
        for n, sku in enumerate(skus):
            for m, place in enumerate(self.places):
                self.call("receive", unique("rcv"), sku, place, 10 * n + m + 1)
        self.reserved([[skus[0], 1, self.places[0]], [skus[1], 2, self.places[1]]], self.channel)
        self.call("return", unique("ret"), skus[2], self.places[0], 4, {"condition": "damaged"})
        self.call("expect", unique("exp"), self.places[1], [[skus[2], 7]])
        self.call("allot", unique("alt"), skus[2], self.places[0], self.channel, 5)
        for sku in skus:
            stock = self.call("stock", sku)
            got = self.rows("stock", by="sku", sku=sku)
            self.assertEqual([row[:4] for row in got],
                             [[sku, stock["on_hand"], stock["reserved"], stock["available"]]])
        for m, place in enumerate(self.places):
            units = sum(10 * n + m + 1 for n in range(3))
            self.assertEqual(self.rows("stock", location=place),
                             [[place, units, (1, 2, 0)[m], units - (1, 2, 0)[m],
                               (4, 0, 0)[m], (0, 7, 0)[m]]])
        both = self.rows("stock", sku=skus[1], location=self.places[1])
        self.assertEqual(both, [[self.places[1], 12, 2, 10, 0, 0]])

    def test_sell_through(self):
        sku = unique("SKU")
        for place in self.places:
            self.call("receive", unique("rcv"), sku, place, 10)
        self.call("fulfil", self.reserved([[sku, 4]], self.channel, confirm=True))
        self.call("allot", unique("alt"), sku, self.places[2], self.channel, 3)
        self.assertEqual(self.rows("sell_through", by="sku", sku=sku), [[sku, 4, 1, 26, 4 / 30]])
        by_channel = {row[0]: row[1:] for row in self.rows("sell_through", sku=sku)}
        self.assertEqual(by_channel[self.channel], [4, 1, 19, 4 / 23])
        self.assertEqual(by_channel[self.other], [0, 0, 7, 0.0])
        self.assertEqual(self.rows("sell_through", by="sku", sku=sku, channel=self.other),
                         [[sku, 0, 0, 7, 0.0]])

    def test_holds(self):
        sku = self.stocked(100, self.places[0])
        for qty in (3, 4):
            self.reserved([[sku, qty], [sku, 1]], self.channel)
        self.reserved([[sku, 1]], self.channel, confirm=True)
        got = self.rows("holds", channel=self.channel)
        self.assertEqual([row[:7] for row in got], [[self.channel, 9, 2, 2, 0, 0, 0]])
        self.assertEqual(self.rows("holds", channel=self.other), [])

    def test_parts(self):
        """What each place has to do, against the orders one by one."""
        one, two = self.places[:2]
        sku = self.stocked(20, one)
        self.call("receive", unique("rcv"), sku, two, 20)
        self.call("item_set", sku, {"backorder_limit": 50})

        def order(*lines, **options):
            return self.reserved([[sku, *line] for line in lines], self.channel,
                                 confirm=True, **options)
        order((2, one), (3, two), (1, one))
        ready = order((4, one))
        self.call("ready", ready, one)
        left = order((5, two))
        self.ready_for(left, two, 50)
        half = order((6, one))
        self.call("ready", half, one)
        self.call("amend", half, [[sku, 7, one]])
        self.call("fulfil", order((1, one)))
        self.reserved([[sku, 1]], self.channel)
        order((30,), backorder=True)
        wait_until(lambda: self.rows("parts", channel=self.channel, location=two)[0][5] == 1,
                   what="the parcel that nobody collects", timeout=30)
        rows = {row[0]: row[1:] for row in self.rows("parts", channel=self.channel)}
        waits = rows.pop(None)
        self.assertEqual(waits[1:], [1, 1, 0, 0])
        place_units = {place: 0 for place in (one, two)}
        steps = {place: {"open": 0, "ready": 0, "not_collected": 0} for place in (one, two)}
        for told in self.call("orders", {"channel": self.channel, "state": "confirmed"})["orders"]:
            for part in told["parts"]:
                if part["location"]:
                    steps[part["location"]][part["step"]] += 1
            for line in self.call("reservation", told["id"])["lines"]:
                if line[1]:
                    place_units[line[1]] += line[2]
        self.assertEqual(rows, {place: [place_units[place], sum(steps[place].values()),
                                        *steps[place].values()] for place in (one, two)})
        self.assertEqual(steps[two]["not_collected"], 1)
        self.assertEqual(steps[one]["ready"], 1)
        units = waits[0] + sum(row[0] for row in rows.values())
        (by_channel,) = self.rows("parts", by="channel", channel=self.channel)
        self.assertEqual(by_channel[:2], [self.channel, units])
        self.assertEqual(by_channel[4:], [1, 1])

    def test_short(self):
        sku = self.stocked(10, self.places[0])
        self.reserved([[sku, 8]], self.channel, confirm=True)
        self.assertEqual(self.rows("short", sku=sku), [])
        self.call("count", unique("cnt"), sku, self.places[0], 5)
        self.assertEqual(self.rows("short", sku=sku), [[self.places[0], 3, 1]])
        self.assertEqual(self.rows("short", by="sku", location=self.places[0]), [[sku, 3, 1]])

    def test_late(self):
        sku, eta_ms = unique("SKU"), int(time.time() * 1000) + 700
        self.call("expect", unique("exp"), self.places[0], [[sku, 5]], {"eta_ms": eta_ms})
        self.call("expect", unique("exp"), self.places[0], [[sku, 6]], {"eta_ms": eta_ms + 10**9})
        self.call("expect", unique("exp"), self.places[0], [[sku, 7]])
        wait_until(lambda: self.rows("late", sku=sku), what="the supply to be late", timeout=30)
        self.assertEqual([row[:3] for row in self.rows("late", sku=sku)], [[self.places[0], 5, 1]])

    def test_what_a_report_has_not_is_refused(self):
        for name, option, value in (
            ("stock", "by", "channel"), ("stock", "by", "day"), ("holds", "by", "sku"),
            ("parts", "by", "sku"), ("parts", "sku", "x"), ("parts", "from_ms", 0),
            ("late", "by", "channel"), ("short", "by", "hour"), ("sell_through", "by", "day"),
            ("stock", "channel", "default"), ("stock", "from_ms", 0), ("stock", "to_ms", 5),
            ("holds", "location", "main"), ("holds", "sku", "x"), ("late", "channel", "default"),
            ("short", "channel", "default"), ("short", "to_ms", 1),
            ("refused", "by", "location"), ("refused", "location", "main"),
        ):
            self.refused("bad_request", "report", name, {option: value}, names=option)


class NotKept(StockdTestCase):
    options = ("--reports-memory", 0)

    def test_it_says_so(self):
        sku = self.stocked(10)
        self.call("fulfil", self.reserved([[sku, 3]], confirm=True))
        self.refused("bad_request", "report", "sales", names="--reports-memory")
        self.assertFalse(self.call("info", "reports")["reports"]["kept"])
        self.assertEqual(self.call("report", "stock", {"sku": sku})["rows"], [["main", 7, 0, 7, 0, 0]])


class KeptFromNowOn(StockdTestCase):
    options = ("--reports-memory", 0, "--segment-bytes", 16 * 4096, "--compact-bytes", 0)

    def test_they_begin_after_the_snapshot(self):
        sku = self.stocked(200)
        for _ in range(40):
            self.call("fulfil", self.reserved([[sku, 3]], confirm=True))
        before_ms = int(self.call("history", sku, {"limit": 1000})["events"][-1]["time_ms"])
        done = run_program("stock-journal", "compact", self.server.data, "--json",
                           "--reports-memory", "0")
        self.assertTrue(json.loads(done.out)["written"], done.err)
        self.server.kill()
        self.server.start("--reports-memory", "64M")
        self.reconnect()
        got = self.call("report", "sales")
        self.assertEqual(got["rows"], [], "of the hour of the snapshot, not all is known")
        self.assertGreater(got["since_ms"], before_ms)
        self.assertLessEqual(got["since_ms"], before_ms + 2 * HOUR)


if __name__ == "__main__":
    main()
