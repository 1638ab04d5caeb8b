#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""stockctl reconcile: what a count of a whole location differs in, and booking it without undoing later sales."""

import json
import os
import time

from stockctl_case import DONE, REFUSED, USAGE, StockctlTestCase
from stockd_harness import Server, main, moment, run_program, unique


class Reconcile(StockctlTestCase):
    def setUp(self):
        super().setUp()
        self.store = unique("store")
        self.call("location_set", self.store, {})

    def received(self, **units):
        for sku, qty in units.items():
            self.call("receive", unique("r"), sku, self.store, qty)

    def counts(self, *rows, at_ms=None):
        """A file of these counts, written at that time, or now: not by the file system's clock, which lags behind."""
        path = self.file("sku,counted\n" + "".join(f"{sku},{qty}\n" for sku, qty in rows))
        if at_ms is None:
            time.sleep(0.01)
            at_ms = int(time.time() * 1000)
        os.utime(path, ns=(at_ms * 1000000, at_ms * 1000000))
        return path

    def on_hand(self):
        return {sku: row[0] for (sku, place), row in self.exported().items() if place == self.store}

    def test_a_preview_books_nothing(self):
        self.received(RA=10, RB=4, RC=3, RD=7, RE=2)
        self.call("receive", unique("r"), "RELSEWHERE", "main", 5)
        before = self.on_hand()
        path = self.counts(("RNEW", 3), ("RA", 8), ("RB", 4), ("RC", 5))
        got = self.json("reconcile", self.store, path)
        self.assertEqual(got["differences"], [{"sku": "RA", "booked": 10, "counted": 8, "difference": -2},
                                              {"sku": "RC", "booked": 3, "counted": 5, "difference": 2},
                                              {"sku": "RNEW", "booked": 0, "counted": 3, "difference": 3}])
        self.assertEqual(got["not_counted"], [{"sku": "RD", "booked": 7}, {"sku": "RE", "booked": 2}])
        self.assertEqual((got["location"], got["items"], got["as_booked"]), (self.store, 4, 1))
        self.assertEqual((got["up"], got["down"]), ({"items": 2, "units": 5}, {"items": 1, "units": 2}))
        self.assertNotIn("booked", got)
        out = self.ctl("reconcile", self.store, path)
        self.assertRegex(out, r"(?m)^SKU +BOOKED +COUNTED +DIFFERENCE$")
        self.assertRegex(out, r"(?m)^RA +10 +8 +-2$")
        self.assertRegex(out, r"(?m)^RNEW +0 +3 +\+3$")
        self.assertRegex(out, r"(?m)^Not counted, so left as they are")
        self.assertRegex(out, r"(?m)^RD +7$")
        self.assertIn("4 items counted: 1 as booked, 2 up by 5 units, 1 down by 2 units\n2 items with 9 units not counted\n", out)
        self.assertIn("Nothing was booked", out)
        self.assertNotIn("RELSEWHERE", out)
        self.assertEqual(self.on_hand(), before)
        self.refused("unknown_sku", "stock", "RNEW")

    def test_apply(self):
        self.received(AA=10, AB=4, AC=6)
        path = self.counts(("AA", 8), ("AB", 4), ("ANEW", 3))
        got = self.json("reconcile", self.store, path, "--apply")
        self.assertEqual((got["booked"]["applied"], got["booked"]["repeated"], got["booked"]["refused"]), (3, 0, 0))
        self.assertEqual(self.on_hand(), {"AA": 8, "AB": 4, "AC": 6, "ANEW": 3})
        self.assertEqual([e["type"] for e in self.call("history", "AB")["events"]][-1], "count", "it was counted, too")
        self.call("receive", unique("r"), "AA", self.store, 5)
        got = self.json("reconcile", self.store, path, "--apply")
        self.assertEqual((got["booked"]["applied"], got["booked"]["repeated"]), (0, 3), "the same file again")
        self.assertEqual(self.on_hand()["AA"], 13)
        self.assertRegex(self.ctl("reconcile", self.store, path, "--apply"),
                         r"(?m)^0 items counted in \d+\.\d\d s, 3 had been booked before$")

    def test_missing_zero(self):
        self.received(MA=10, MB=4, MC=6)
        path = self.counts(("MA", 10), ("MD", 0))
        self.assertIn("Not counted, so set to 0", self.ctl("reconcile", self.store, path, "--missing-zero"))
        self.assertEqual(self.on_hand(), {"MA": 10, "MB": 4, "MC": 6})
        got = self.json("reconcile", self.store, path, "--missing-zero", "--apply")
        self.assertEqual(got["booked"]["applied"], 4)
        self.assertEqual(self.on_hand(), {"MA": 10, "MB": 0, "MC": 0, "MD": 0})
        self.received(MB=5)
        got = self.json("reconcile", self.store, path, "--missing-zero", "--apply")
        self.assertEqual((got["booked"]["applied"], got["booked"]["repeated"]), (0, 4), "the same file again")
        self.assertEqual(self.on_hand()["MB"], 5)

    def test_what_moved_since_the_count_is_no_difference_and_stays(self):
        for how in ("option", "file"):
            with self.subTest(how=how):
                p = unique("S")
                self.received(**{f"{p}A": 10, f"{p}B": 10, f"{p}C": 1})
                counted = moment(self.client)
                self.call("fulfil", self.reserved([[f"{p}A", 3, self.store]], confirm=True))
                self.received(**{f"{p}B": 5, f"{p}LATER": 2})
                rows = ((f"{p}A", 10), (f"{p}B", 9), (f"{p}C", 1))
                if how == "option":
                    args = (self.counts(*rows), "--as-of", str(counted))
                else:
                    args = (self.counts(*rows, at_ms=counted),)
                got = self.json("reconcile", self.store, *args, "--missing-zero")
                self.assertEqual(got["as_of"], counted)
                self.assertEqual(got["differences"], [{"sku": f"{p}B", "booked": 10, "counted": 9, "difference": -1}])
                self.assertNotIn(f"{p}LATER", [row["sku"] for row in got["not_counted"]], "it came after the count")
                self.json("reconcile", self.store, *args, "--apply", "--missing-zero")
                wanted = {f"{p}A": 7, f"{p}B": 14, f"{p}C": 1, f"{p}LATER": 2}
                self.assertEqual({sku: n for sku, n in self.on_hand().items() if sku in wanted}, wanted)

    def test_the_same_counts_with_another_time_are_refused(self):
        self.received(TA=10)
        counted = moment(self.client)
        path = self.counts(("TA", 8))
        self.ctl("reconcile", self.store, path, "--apply", "--as-of", str(counted))
        self.call("fulfil", self.reserved([["TA", 3, self.store]], confirm=True))
        self.ctl("reconcile", self.store, path, "--apply", "--as-of", str(counted + 1), expect=REFUSED)
        self.assertRegex(self.err, r"line 2: conflict: ")
        error = self.json("reconcile", self.store, path, "--apply", "--as-of", str(counted + 1), expect=REFUSED)["error"]
        self.assertEqual((error["code"], error["details"]["booked"]["refused"]), ("refused_rows", 1))
        self.assertEqual(self.on_hand()["TA"], 5)

    def test_a_corrected_file_with_the_same_time(self):
        self.received(CA=10, CB=10)
        counted = moment(self.client)
        for wrong in (3, 8, 8):
            path = self.counts(("CA", wrong), ("CB", 9))
            self.json("reconcile", self.store, path, "--apply", "--as-of", str(counted))
            self.call("fulfil", self.reserved([["CA", 1, self.store]], confirm=True))
        self.assertEqual(self.on_hand(), {"CA": 8 - 3, "CB": 9})

    def test_allotted_and_damaged_units(self):
        sku = unique("POOLS")
        self.call("channel_set", "pools", {})
        self.received(**{sku: 10})
        self.call("allot", unique("a"), sku, self.store, "pools", 4)
        self.call("return", unique("r"), sku, self.store, 2, {"condition": "damaged"})
        counted = moment(self.client)
        path = self.counts((sku, 10))
        self.assertEqual(self.json("reconcile", self.store, path)["differences"], [])
        self.received(**{sku: 1})
        self.assertEqual(self.json("reconcile", self.store, path, "--as-of", str(counted))["differences"], [])

    def test_an_engine_without_items(self):
        with Server() as empty:
            path = self.counts(("E", 3))
            done = run_program("stockctl", "-s", empty.tcp, "--json", "reconcile", "main", path)
            self.assertEqual((done.code, done.err), (DONE, ""))
            self.assertEqual(json.loads(done.out)["differences"][0]["difference"], 3)
            done = run_program("stockctl", "-s", empty.tcp, "reconcile", "main", self.counts())
            self.assertIn("0 items counted", done.out)

    def test_items_that_came_after_the_count(self):
        with Server() as server, server.client() as client:
            counted = moment(client)
            client.call("receive", "r", "LATE", "main", 3)
            done = run_program("stockctl", "-s", server.tcp, "--json", "reconcile", "main", self.counts(("LATE", 0)),
                               "--as-of", str(counted), "--apply")
            self.assertEqual((done.code, done.err), (DONE, ""))
            self.assertEqual(json.loads(done.out)["differences"], [])
            self.assertEqual(client.call("stock", "LATE")["on_hand"], 3)

    def test_bad_files_and_times(self):
        self.received(BA=1)
        for text, line, column in (("sku,counted\nBA,x\n", 2, "counted"), ("sku,counted\n,1\n", 2, "sku"),
                                   ("sku,counted\nBA,1\nBA,2\n", 3, "sku"), ("sku,counted\nBA,-1\n", 2, "counted")):
            self.assertEqual(self.ctl("reconcile", self.store, self.file(text), "--apply", expect=USAGE), "")
            self.assertIn(f"line {line}, column {column}: ", self.err)
        self.assertEqual(self.on_hand(), {"BA": 1})
        self.ctl("reconcile", self.store, self.file("sku,qty\n"), expect=USAGE)
        self.assertIn("no column counted", self.err)
        self.ctl("reconcile", self.store, "/nonexistent.csv", expect=USAGE)
        self.assertIn("/nonexistent.csv", self.err)
        self.ctl("reconcile", "nowhere", self.counts(("BA", 1)), expect=REFUSED)
        self.assertIn("nowhere", self.err)
        self.ctl("reconcile", self.store, "-", expect=USAGE, stdin="sku,counted\nBA,1\n")
        self.assertIn("--as-of", self.err)
        ahead = int(time.time() * 1000) + 3600000
        self.ctl("reconcile", self.store, self.counts(("BA", 1), at_ms=ahead), expect=USAGE)
        self.assertIn("future", self.err)
        for bad in ("soon", str(ahead)):
            self.ctl("reconcile", self.store, self.counts(("BA", 1)), "--as-of", bad, expect=USAGE)
        got = self.json("reconcile", self.store, "-", "--as-of", str(moment(self.client)), stdin="sku,counted\nBA,2\n")
        self.assertEqual(got["up"], {"items": 1, "units": 1})

    def test_many_items(self):
        """More than a page of items and of changes."""
        count = 2500
        header = "sku,location,qty\n"
        self.json("import", "receive",
                  self.file(header + "".join(f"MANY-{n},{self.store},5\n" for n in range(count))))
        counted = moment(self.client)
        self.json("import", "adjust", self.file(header + "".join(f"MANY-{n},{self.store},-1\n" for n in range(40))))
        path = self.counts(*((f"MANY-{n}", 5 + (n % 10 == 0)) for n in range(count)), at_ms=counted)
        got = self.json("reconcile", self.store, path, "--apply")
        self.assertEqual((got["items"], got["up"], got["down"]),
                         (count, {"items": 250, "units": 250}, {"items": 0, "units": 0}))
        self.assertEqual(self.on_hand(), {f"MANY-{n}": 5 + (n % 10 == 0) - (n < 40) for n in range(count)})


if __name__ == "__main__":
    main()
