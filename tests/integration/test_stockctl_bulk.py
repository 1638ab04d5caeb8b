#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""stockctl import receive, count and adjust: each row once, whatever breaks and however often it is run."""

import json
import os
import re
import subprocess
import time

from cutting_proxy import CuttingProxy
from stockctl_case import DONE, REFUSED, USAGE, StockctlTestCase
from stockd_harness import BIN_DIR, CALL_TIMEOUT, RpcError, Server, main, reap, run_program, spawn, unique, wait_until


class Moves(StockctlTestCase):
    HEADER = "sku,location,qty\n"

    def booked(self, what, text, *args, **kwargs):
        return self.json("import", what, self.file(text), *args, **kwargs)

    def events(self, sku):
        return [event for event in self.call("history", sku)["events"] if event["type"] != "item"]

    def test_receive(self):
        a, b = unique("A"), unique("B")
        got = self.booked("receive", f"Price,QTY,ref,location,sku\n9,5,PO 7,main,{a}\n9,2,,main,{b}\n9,3,PO 8,main,{a}\n")
        self.assertEqual((got["rows"], got["applied"], got["repeated"], got["refused"], got["skipped"]), (3, 3, 0, 0, 0))
        self.assertEqual((self.figures(a)[0], self.figures(b)[0]), (8, 2))
        self.assertEqual([(e["type"], e["qty"], e["ref"]) for e in self.events(a)],
                         [("receive", 5, "PO 7"), ("receive", 3, "PO 8")])
        for event in self.events(a) + self.events(b):
            self.assertLessEqual(len(event["id"]), 40)

    def test_adjust(self):
        sku = self.stocked(10)
        self.booked("adjust", f"sku,location,qty,reason,ref\n{sku},main,-3,broken,r1\n{sku},main,+1,found,\n")
        self.assertEqual(self.figures(sku)[0], 8)
        self.assertEqual([(e["qty"], e["reason"], e["ref"]) for e in self.events(sku)[1:]],
                         [(-3, "broken", "r1"), (1, "found", None)])

    def test_count(self):
        sku, other = self.stocked(10), self.stocked(10)
        counted = self.moment()
        for one in (sku, other):
            self.call("fulfil", self.reserved([[one, 3]], confirm=True))
        got = self.booked("count", f"sku,location,qty,as_of,ref\n{sku},main,9,{counted},aisle 4\n{other},main,9,,\n")
        self.assertEqual(got["applied"], 2)
        self.assertEqual((self.figures(sku)[0], self.figures(other)[0]), (6, 9))
        self.assertEqual(self.events(sku)[-1]["ref"], "aisle 4")

    def test_sold(self):
        try:
            self.call("sold")
        except RpcError as error:
            if error.code == "unknown_method":
                self.skipTest("this engine has no method sold")
        sku, other = self.stocked(10), self.stocked(1)
        self.call("channel_set", "till", {})
        at_ms = int(time.time() * 1000) - 1000
        path = self.file(f"channel,sku,qty,location,at_ms,ref\ntill,{sku},3,main,{at_ms},R1\ntill,{other},2,main,,\n")
        got = self.json("import", "sold", path)
        self.assertEqual((got["applied"], got["refused"]), (2, 0), "a till's fact is never refused for stock")
        self.assertEqual((self.figures(sku)[0], self.figures(other)[0]), (7, -1))
        event = self.events(sku)[-1]
        self.assertEqual((event["type"], event["channel"], event["ref"]), ("sold", "till", "R1"))
        got = self.json("import", "sold", path)
        self.assertEqual((got["applied"], got["repeated"]), (0, 2))
        self.assertEqual((self.figures(sku)[0], self.figures(other)[0]), (7, -1))

    def test_bad_rows_of_sales(self):
        for row, column in (("S,main,1,nowhere,", "channel"), ("S,main,1,,", "channel"), ("S,main,0,default,", "qty"),
                            ("S,nowhere,1,default,", "location"), ("S,main,1,default,soon", "at_ms")):
            path = self.file(f"sku,location,qty,channel,at_ms\n{row}\n")
            self.assertEqual(self.ctl("import", "sold", path, expect=USAGE), "")
            self.assertIn(f"line 2, column {column}: ", self.err)
        self.ctl("import", "sold", self.file(self.HEADER), expect=USAGE)
        self.assertIn("no column channel", self.err)

    def test_for_people(self):
        path = self.file(self.HEADER + f"{unique('P')},main,5\n")
        self.assertRegex(self.ctl("import", "receive", path), r"^1 rows booked in \d+\.\d\d s\n$")
        self.assertRegex(self.ctl("import", "receive", path),
                         r"^0 rows booked in \d+\.\d\d s, 1 had been booked before\nuse --batch NAME to book them again\n$")

    def test_the_same_file_books_nothing_twice(self):
        sku = unique("ONCE")
        text = self.HEADER + f"{sku},main,5\n{sku},main,5\n"
        for what, on_hand in (("receive", 10), ("adjust", 20)):  # one file, for two purposes
            self.assertEqual(self.booked(what, text)["applied"], 2)
            self.assertEqual(self.figures(sku)[0], on_hand)
            got = self.json("import", what, "-", stdin=text)
            self.assertEqual((got["applied"], got["repeated"]), (0, 2))
            self.assertEqual(self.figures(sku)[0], on_hand)
        self.assertEqual(self.booked("receive", text + "\n")["applied"], 2, "another file")
        self.assertEqual(self.booked("receive", text, "--batch", "b")["applied"], 2)
        self.assertEqual(self.booked("receive", text, "--batch", "b")["applied"], 0)
        self.assertEqual(self.figures(sku)[0], 40)

    def test_it_is_known_after_a_crash(self):
        with Server() as server:
            path = self.file(self.HEADER + "KNOWN,main,5\n")
            for repeated in (0, 1):
                got = json.loads(run_program("stockctl", "-s", server.tcp, "--json", "import", "receive", path).out)
                self.assertEqual((got["applied"], got["repeated"]), (1 - repeated, repeated))
                server.restart(kill=True)
            with server.client() as client:
                self.assertEqual(client.call("stock", "KNOWN")["on_hand"], 5)

    def test_bad_rows(self):
        sku = unique("BAD")
        for what, header, row, column in (
            ("receive", "", "{},main,0", "qty"), ("receive", "", "{},main,-1", "qty"), ("receive", "", "{},main,x", "qty"),
            ("receive", "", "{},nowhere,1", "location"), ("receive", "", ",main,1", "sku"),
            ("receive", "", "{},main,268435456", "qty"), ("receive", ",ref", "{},main,1," + "x" * 129, "ref"),
            ("adjust", "", "{},main,0", "qty"), ("adjust", "", "{},main,-268435456", "qty"),
            ("adjust", ",reason", "{},main,1," + "x" * 129, "reason"),
            ("count", "", "{},main,-1", "qty"), ("count", "", "{}-ok,main,2", "sku"),
            ("count", ",as_of", "{},main,1,soon", "as_of"), ("count", ",as_of", "{},main,1,+2h", "as_of"),
        ):
            with self.subTest(what=what, row=row):
                path = self.file(f"sku,location,qty{header}\n{sku}-ok,main,1\n{row.format(sku)}\n")
                self.assertEqual(self.ctl("import", what, path, expect=USAGE), "")
                self.assertRegex(self.err, rf"^stockctl: \S+: line 3, column {column}: .*\nstockctl: \S+: nothing was applied")
                self.refused("unknown_sku", "stock", sku + "-ok")
        done = run_program("stockctl", "-s", self.server.tcp, "import", "count", path, "--skip-bad")
        self.assertEqual(done.code, DONE, done.err)
        self.assertRegex(done.out, r"^1 rows booked in .*, 1 bad rows skipped\n$")
        self.assertEqual(self.figures(sku + "-ok")[0], 1)
        self.ctl("import", "adjust", self.file("sku,qty\n"), expect=USAGE)
        self.assertIn("no column location", self.err)

    def test_refused_rows_are_named_and_the_others_booked(self):
        sku, poor = self.stocked(10), self.stocked(1)
        path = self.file(self.HEADER + f"{sku},main,-1\n{poor},main,-2\n{unique('GHOST')},main,1\n{sku},main,-1\n")
        out = self.ctl("import", "adjust", path, expect=REFUSED)
        self.assertRegex(out, r"^2 rows booked in .*, 2 refused\n$")
        self.assertRegex(self.err, r"^stockctl: \S+: line 3: insufficient_stock: .*\nstockctl: \S+: line 4: unknown_sku: .*\n$")
        self.assertEqual((self.figures(sku)[0], self.figures(poor)[0]), (8, 1))
        self.call("receive", unique("r"), poor, "main", 5)
        error = self.json("import", "adjust", path, expect=REFUSED)["error"]
        self.assertEqual(error["code"], "refused_rows")
        details = error["details"]
        self.assertEqual((details["applied"], details["repeated"], details["refused"]), (1, 2, 1), "and now there is enough")
        self.assertEqual([(row["line"], row["code"]) for row in details["refusals"]], [(4, "unknown_sku")])
        self.assertEqual((self.figures(sku)[0], self.figures(poor)[0]), (8, 4))

    def test_many_refusals_are_cut_short(self):
        path = self.file(self.HEADER + f"{unique('GHOST')},main,1\n" * 1500)
        self.ctl("import", "adjust", path, expect=REFUSED)
        self.assertIn("and 1480 more", self.err)
        self.assertLess(len(self.err.splitlines()), 30)

    def test_it_stops_when_the_engine_can_take_no_more(self):
        with Server("--items", "10") as small:
            path = self.file(self.HEADER + "".join(f"FULL-{n},main,1\n" for n in range(11)) + "FULL-0,main,1\n" * 30000)
            done = run_program("stockctl", "-s", small.tcp, "import", "receive", path)
            self.assertEqual(done.code, REFUSED)
            self.assertIn("line 12: refused by the engine", done.err)
            stopped = int(re.search(r"stopped after (\d+) of 30011 rows", done.err).group(1))
            self.assertLess(stopped, 20000, "what was not under way is not sent")

    def test_a_connection_that_breaks_changes_neither_units_nor_order(self):
        """Each -1 can only be booked after the +1 before it."""
        for replies in range(3, 30, 3):
            sku = unique("CUT")
            text = self.HEADER + f"{sku},main,+1\n{sku},main,-1\n" * 12 + f"{sku},main,7\n"
            self.stocked(1, sku=sku)
            self.call("adjust", unique("a"), sku, "main", -1)
            with self.subTest(replies=replies), CuttingProxy(self.server.tcp, replies, times=3) as proxy:
                done = run_program("stockctl", "-s", proxy.address, "--json", "import", "adjust", self.file(text))
                self.assertEqual((done.code, done.err), (DONE, ""))
                got = json.loads(done.out)
                self.assertEqual((got["applied"] + got["repeated"], got["refused"]), (25, 0))
                self.assertEqual(self.figures(sku)[0], 7)

    def test_an_engine_that_is_too_busy_is_asked_again(self):
        sku, setup = unique("BUSY"), 2
        text = self.HEADER + "".join(f"{sku},main,{n}\n" for n in range(1, 11))
        with CuttingProxy(self.server.tcp, None, busy=range(setup + 2, setup + 9)) as proxy:
            done = run_program("stockctl", "-s", proxy.address, "--json", "import", "receive", self.file(text))
        self.assertEqual((done.code, done.err), (DONE, ""))
        self.assertEqual(json.loads(done.out)["applied"], 10)
        self.assertEqual(self.figures(sku)[0], 55)

    def test_an_engine_that_is_killed_and_comes_back(self):
        rows = 60000
        path = self.file(self.HEADER + "".join(f"KILL-{n % 97},main,{1 + n % 7}\n" for n in range(rows)))
        with Server() as server:
            command = [os.path.join(BIN_DIR, "stockctl"), "-s", server.unix, "--json", "import", "receive", path]
            process = spawn(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            with server.client("unix") as client:
                wait_until(lambda: client.call("availability", "default", ["KILL-96"])["stock"] != [None], what="rows")
            server.restart(kill=True)
            out, err = process.communicate(timeout=CALL_TIMEOUT)
            code = reap(process, 1)
            if code != DONE:  # a busy machine: the engine came back later than stockctl waits
                self.assertIn("run the same command to continue", err)
                done = run_program(*["stockctl", *command[1:]])
                code, out, err = done.code, done.out, done.err
            self.assertEqual((code, err), (DONE, ""))
            self.assertEqual(json.loads(out)["rows"], rows)
            done = run_program("stockctl", "-s", server.unix, "export", "stock")
            units = sum(int(line.split(",")[2]) for line in done.out.splitlines()[1:])
            self.assertEqual(units, sum(1 + n % 7 for n in range(rows)))

    def test_help_says_how_long_ids_are_known(self):
        for what in ("receive", "count", "adjust", "sold"):
            text = self.ctl("import", what, "--help")
            self.assertIn("--remember-s", text)
            self.assertTrue(all(len(line) <= 90 for line in text.splitlines()), text)
            self.assertTrue(re.search(rf"Example:\n  stockctl import {what} ", text))


if __name__ == "__main__":
    main()
