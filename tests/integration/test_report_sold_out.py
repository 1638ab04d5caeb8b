# SPDX-License-Identifier: Apache-2.0
"""Times without stock, against what the crossings in the journal's dump add up to."""

import collections
import json
import math
import os
import random
import time

from stockd_harness import RpcError, StockdTestCase, main, quiet, run_program, unique
from test_reports import HOUR, dumped, keys_of, stamp

KEYS = ("channel", "sku", "day", "hour")
WIDTHS = {"day": 24 * HOUR, "hour": HOUR}


def overlap(begin, end, least, most):
    return max(0, min(end, most) - max(begin, least))


class Naive:
    """Each time without stock, from the records one by one."""

    def __init__(self, records):
        self.times = []  # [channel, sku, from_ms, to_ms; infinity: it goes on]
        self.lost = []  # (keys, units)
        for record in records:
            if record["type"] == "crossing":
                for level in record["levels"]:
                    self.take_level(level, record["time_ms"])
            elif record["type"] == "refused":
                for line in record["lines"]:
                    keys = keys_of(record["time_ms"], line["channel"], None, line["sku"])
                    self.lost.append((keys, line["missing"]))

    def take_level(self, level, time_ms):
        was, now = level["before"], level["now"]
        if now == "out" and was != "out":
            self.times.append([level["channel"], level["sku"], time_ms, math.inf])
        elif was == "out" and now != "out":
            last = [t for t in self.times if t[:2] == [level["channel"], level["sku"]]][-1]
            assert last[3] == math.inf, (last, level)
            last[3] = time_ms

    def keys_of_time(self, by, channel, sku, begin, end):
        """Each key that the time counts for, and the span of that key."""
        if by in ("channel", "sku"):
            yield {"channel": channel, "sku": sku}[by], 0, math.inf
            return
        width, form = WIDTHS[by], {"day": "%Y-%m-%d", "hour": "%Y-%m-%dT%H"}[by]
        at = begin // width * width
        while at < end:
            yield stamp(at, form), at, at + width
            at += width

    def report(self, by, now_ms, **only):
        rows = collections.defaultdict(lambda: [0, 0, 0.0, 0])
        for channel, sku, begin, end in self.times:
            if only.get("channel", channel) != channel or only.get("sku", sku) != sku:
                continue
            for key, least, most in self.keys_of_time(by, channel, sku, begin, min(end, now_ms + 1)):
                rows[key][1] += least <= begin < most
                rows[key][2] += overlap(begin, min(end, now_ms), least, most) / 1000
                rows[key][3] += end >= most
        for keys, units in self.lost:
            if all(keys[k] == v for k, v in only.items()):
                rows[keys[by]][0] += units
        return [[key, *rows[key]] for key in sorted(rows)]


class AgainstTheJournal(StockdTestCase):
    options = ("--segment-bytes", 16 * 4096, "--compact-bytes", 0)

    def setUp(self):
        super().setUp()
        self.random = random.Random(os.environ.get("STOCKD_TEST_SEED") or unique("seed"))
        self.skus = [unique("SKU") for _ in range(5)]
        self.places = [unique("s").lower() for _ in range(3)]
        self.channels = [unique("c").lower() for _ in range(3)]
        for place in self.places:
            self.call("location_set", place, {})
        for n, channel in enumerate(self.channels):
            self.call("channel_set", channel, {"locations": self.places[: n + 1], "buffer": n % 2})
        for sku in self.skus:
            for place in self.places:
                self.call("receive", unique("rcv"), sku, place, 3)
        quiet(self.client)

    def step(self):
        r = self.random
        sku = r.choice(self.skus)
        if r.random() < 0.2:
            try:
                self.call("reserve", unique("ord"), r.choice(self.channels), [[sku, 20]])
            except RpcError as error:
                self.assertEqual(error.code, "insufficient_stock")
            return
        qty = r.choice((0, 0, 0, 1, 3))
        for place in self.places if r.random() < 0.5 else [r.choice(self.places)]:
            self.call("count", unique("cnt"), sku, place, qty)

    def told(self):
        """Every report there is, by every key and with some filters; of each, when it was asked."""
        filters = [{}, {"channel": self.channels[1]}, {"sku": self.skus[2]},
                   {"channel": self.channels[2], "sku": self.skus[0]}]
        told = {}
        for by in KEYS:
            for only in filters:
                begun = time.time() * 1000
                rows = self.call("report", "sold_out", {"by": by, **only})["rows"]
                told[by, tuple(only.items())] = (rows, begun, time.time() * 1000)
        return told

    def compare(self, told, naive, when):
        """Of what goes on, the time is as of when the engine made the report."""
        for (by, only), (rows, begun, ended) in told.items():
            least = naive.report(by, begun - 1, **dict(only))
            most = naive.report(by, ended + 1, **dict(only))
            least, most = ({row[0]: row for row in of} for of in (least, most))
            keys = [row[0] for row in rows]
            self.assertEqual(keys, sorted(keys))
            self.assertLessEqual(set(least), set(keys), f"{when}: by {by} {only}")
            self.assertLessEqual(set(keys), set(most), f"{when}: by {by} {only}")
            for got in rows:
                high = most[got[0]]
                low = least.get(got[0], [got[0], high[1], 0, 0, 0])
                told_of = f"{when}: by {by} {only}: {got}, not {low} to {high}"
                self.assertEqual((got[1:3], got[4]), (high[1:3], high[4]), told_of)
                self.assertGreater(got[3], low[3] - 0.001, told_of)
                self.assertLess(got[3], high[3] + 0.001, told_of)

    def settle(self):
        quiet(self.client)
        return self.told()

    def test_reports_tell_what_the_journal_tells(self):
        for _ in range(150):
            self.step()
            time.sleep(self.random.random() * 0.02)
        for sku in self.skus[:3]:  # some time without stock goes on, and some unit was missed
            for place in self.places:
                self.call("count", unique("cnt"), sku, place, 0)
        quiet(self.client)
        self.refused("insufficient_stock", "reserve", unique("ord"), self.channels[0],
                     [[self.skus[0], 4]])
        before = self.settle()
        self.assertGreater(len(before["sku", ()][0]), 2)
        self.server.kill()
        naive = Naive(dumped(self.server))
        self.compare(before, naive, "live")
        self.server.start()
        self.reconnect()
        self.compare(self.told(), naive, "after kill -9")
        done = run_program("stock-journal", "compact", self.server.data, "--json")
        self.assertTrue(json.loads(done.out)["written"], done.err)
        self.server.restart(kill=True)
        self.reconnect()
        self.assertIn("after a snapshot", self.server.stderr())
        self.compare(self.told(), naive, "after a snapshot")
        for sku in self.skus:
            self.call("count", unique("cnt"), sku, self.places[0], 5)
        after = self.settle()
        self.server.kill()
        self.compare(after, Naive(dumped(self.server)), "once all are back")


class Asking(StockdTestCase):
    def sell_out(self, sku):
        self.call("adjust", unique("adj"), sku, "main", -self.available(sku))
        quiet(self.client)

    def test_a_time_goes_on_until_the_item_is_back(self):
        sku = self.stocked(5)
        quiet(self.client)
        self.assertEqual(self.call("report", "sold_out", {"sku": sku})["rows"], [])
        self.sell_out(sku)
        self.refused("insufficient_stock", "reserve", unique("ord"), "default", [[sku, 4]])
        time.sleep(0.05)
        got = self.call("report", "sold_out", {"sku": sku})
        self.assertEqual(got["columns"], ["channel", "units", "times", "sold_out_s", "still_out"])
        self.assertIsNone(got["since_ms"])
        [[channel, units, times, seconds, still_out]] = got["rows"]
        self.assertEqual((channel, units, times, still_out), ("default", 4, 1, 1))
        self.assertGreaterEqual(seconds, 0.05)
        self.call("receive", unique("rcv"), sku, "main", 1)
        quiet(self.client)
        [[_, _, times, seconds, still_out]] = self.call("report", "sold_out", {"sku": sku})["rows"]
        self.assertEqual((times, still_out), (1, 0))
        time.sleep(0.02)
        self.assertEqual(self.call("report", "sold_out", {"sku": sku})["rows"][0][3], seconds)

    def test_what_was_refused_counts_where_nothing_sold_out(self):
        sku, day = self.stocked(5), time.gmtime
        self.refused("insufficient_stock", "reserve", unique("ord"), "default", [[sku, 7]])
        quiet(self.client)
        before = time.strftime("%Y-%m-%d", day())
        for by, key in (("channel", "default"), ("sku", sku), ("day", before)):
            rows = self.call("report", "sold_out", {"by": by, "sku": sku})["rows"]
            if by != "day" or before == time.strftime("%Y-%m-%d", day()):
                self.assertEqual(rows, [[key, 2, 0, 0, 0]])

    def test_it_is_at_no_place(self):
        for option, value in (("by", "location"), ("location", "main")):
            self.refused("bad_request", "report", "sold_out", {option: value}, names=option)

    def test_stockctl(self):
        sku = self.stocked(5)
        quiet(self.client)
        self.sell_out(sku)
        done = run_program("stockctl", "-s", self.server.tcp, "report", "sold_out", "--sku", sku)
        self.assertEqual(done.code, 0, done.err)
        head, row = (line.split() for line in done.out.splitlines())
        self.assertEqual(head, "CHANNEL UNITS TIMES SOLD OUT S STILL OUT".split())
        self.assertEqual((row[0], row[1], row[2], row[4]), ("default", "0", "1", "1"))
        float(row[3])


class NotKept(StockdTestCase):
    options = ("--reports-memory", 0)

    def test_it_says_so(self):
        sku = self.stocked(5)
        quiet(self.client)
        self.call("adjust", unique("adj"), sku, "main", -5)
        quiet(self.client)
        self.refused("bad_request", "report", "sold_out", names="--reports-memory")


if __name__ == "__main__":
    main()
