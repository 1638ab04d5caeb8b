#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""stockctl --output: table, json, csv and ndjson, for every command."""

import csv
import io
import json
import os
import signal
import subprocess

from stockctl_case import DONE, REFUSED, UNREACHABLE, USAGE, StockctlTestCase
from stockd_harness import BIN_DIR, SLOW, main, reap, settled, spawn, unique, wait_until


class OutputCase(StockctlTestCase):
    def csv(self, *args, **kwargs):
        """(the header, the rows as maps)"""
        text = self.ctl(*args, "-o", "csv", **kwargs)
        reader = csv.DictReader(io.StringIO(text, newline=""))
        return reader.fieldnames, list(reader)

    def lines(self, *args, **kwargs):
        return [json.loads(line) for line in self.ctl(*args, "-o", "ndjson", **kwargs).splitlines()]


class Lists(OutputCase):
    def test_a_list_is_rows_and_lines(self):
        for command, key, first in (
            ("location list", "locations", "code"), ("channel list", "channels", "code"),
            ("calendar list", "calendars", "code"), ("item list", "items", "sku"),
            ("stocking list", "stockings", "sku"), ("orders", "orders", "id"),
            ("supplies", "supplies", "id"), ("export stock", "stock", "sku"),
            ("export items", "items", "sku"), ("export supplies", "supplies", "id"),
            ("export places", "places", "code"), ("export channels", "channels", "code"),
            ("export calendars", "calendars", "code"), ("export stocking", "stocking", "sku"),
        ):
            with self.subTest(command=command):
                self.stocked(3)
                self.reserved([[self.stocked(3), 1]])
                self.call("calendar_set", "always", {"tz": "UTC"})
                self.call("stocking_set", self.stocked(1), "main", {"safety": 1})
                self.call("expect", unique("po"), "main", [[self.stocked(1), 5]], {"eta_ms": 2 ** 42})
                entries = self.json(*command.split())[key]
                header, rows = self.csv(*command.split())
                self.assertGreater(len(entries), 0)
                self.assertEqual(header[0], first)
                self.assertEqual([row[first] for row in rows], [entry[first] for entry in entries])
                self.assertEqual(self.lines(*command.split()), entries)

    def test_nothing_is_a_header_alone(self):
        header, rows = self.csv("orders", "--location", "main", "--state", "held", "--late")
        self.assertEqual((header[:2], rows), (["id", "channel"], []))
        self.assertEqual(self.ctl("supplies", "--state", "arrived", "-o", "ndjson"), "")

    def test_availability_names_its_items(self):
        a, b = self.stocked(3), self.stocked(4)
        header, rows = self.csv("availability", "default", a, "NOPE", b)
        self.assertEqual(header, ["sku", "available"])
        self.assertEqual([(row["sku"], row["available"]) for row in rows],
                         [(a, "3"), ("NOPE", ""), (b, "4")])
        self.assertEqual(self.lines("availability", "default", a, "NOPE"),
                         [{"sku": a, "available": 3}, {"sku": "NOPE", "available": None}])

    def test_any_name_survives_csv(self):
        for name in ('a,b', 'say "x"', "two\nlines", " padded ", "é€", "bell\x07"):
            sku = self.stocked(2, sku=unique("N") + name)
            _, rows = self.csv("availability", "default", sku)
            self.assertEqual(rows[0]["sku"], sku)
            self.assertEqual(self.lines("availability", "default", sku)[0]["sku"], sku)


class Answers(OutputCase):
    def test_an_answer_is_one_row_or_one_line(self):
        sku = unique("SKU")
        header, rows = self.csv("receive", sku, "main", "5")
        self.assertEqual(set(header), {"id", "lsn", "on_hand", "available"})
        self.assertEqual((len(rows), rows[0]["on_hand"]), (1, "5"))
        self.assertEqual(self.lines("receive", sku, "main", "1")[0]["on_hand"], 6)
        self.assertEqual(self.csv("ping"), (["result"], [{"result": "pong"}]))
        header, rows = self.csv("health")
        self.assertEqual((rows[0]["healthy"], rows[0]["mirror.state"]), ("yes", "off"))
        self.assertIn("server.connections", self.csv("info")[0])

    def test_a_line_of_an_order_is_a_row(self):
        a, b = self.stocked(3), self.stocked(3)
        ident = unique("o")
        header, rows = self.csv("reserve", "default", f"{a}:2", f"{b}:1", "--id", ident)
        self.assertEqual([(row["id"], row["state"], row["lines.sku"], row["lines.qty"]) for row in rows],
                         [(ident, "held", a, "2"), (ident, "held", b, "1")])
        self.assertEqual(header[-4:], ["lines.sku", "lines.location", "lines.qty", "lines.ready_ms"])
        one = self.lines("reservation", ident)
        self.assertEqual((len(one), len(one[0]["lines"])), (1, 2))

    def test_pools_keep_their_figures_apart_from_the_sum(self):
        sku = self.stocked(3)
        self.call("location_set", "second", {})
        self.stocked(4, "second", sku)
        _, rows = self.csv("stock", sku)
        self.assertEqual([(row["on_hand"], row["pools.location"], row["pools.on_hand"]) for row in rows],
                         [("7", "main", "3"), ("7", "second", "4")])

    def test_an_error_is_json_where_the_answer_is(self):
        self.assertEqual(self.ctl("stock", "NOPE", "-o", "csv", expect=REFUSED), "")
        self.assertIn("unknown_sku", self.err)
        line = self.ctl("stock", "NOPE", "-o", "ndjson", expect=REFUSED)
        self.assertEqual((line.count("\n"), json.loads(line)["error"]["code"]), (1, "unknown_sku"))
        line = self.ctl("-s", "127.0.0.1:1", "ping", "-o", "ndjson", expect=UNREACHABLE)
        self.assertEqual(json.loads(line)["error"]["code"], "unreachable")

    def test_figures_of_an_import(self):
        path = self.file(f"sku,location,qty\n{unique('A')},main,2\n")
        _, rows = self.csv("import", "receive", path)
        self.assertEqual(len(rows), 1)
        bad = self.file("sku,location,qty\nA,nowhere,2\n")
        self.assertEqual(self.ctl("import", "receive", bad, "-o", "csv", expect=USAGE), "")
        self.assertIn("line 2, column location", self.err)
        refused = self.file(f"sku,location,qty\n{unique('NONE')},main,-4\n")
        _, rows = self.csv("import", "adjust", refused, expect=REFUSED)
        self.assertEqual(rows[0]["refused"], "1")
        self.assertIn("line 2: ", self.err)


class Formats(OutputCase):
    def test_json_is_the_old_one(self):
        self.assertEqual(self.ctl("location", "list", "--json"), self.ctl("location", "list", "-o", "json"))
        self.assertEqual(self.ctl("location", "list", "--output=table"), self.ctl("location", "list"))
        self.assertEqual(self.ctl("report", "stock", "--csv"), self.ctl("report", "stock", "-o", "csv"))
        self.assertEqual(self.ctl("export", "stock"), self.ctl("export", "stock", "-o", "csv"))

    def test_what_makes_no_sense_is_refused_in_a_line(self):
        for args, said in ((("ping", "-o", "yaml"), "-o needs a format: table, json, csv or ndjson"),
                           (("ping", "-o"), "-o needs a format"),
                           (("backup", "/x", "-o", "csv"), "backup: it has no csv; its formats: table json"),
                           (("export", "stock", "-o", "table"), "export stock: it has no table")):
            self.assertEqual(self.ctl(*args, expect=USAGE), "")
            self.assertIn(said, self.err)
            self.assertLessEqual(self.err.count("\n"), 2)

    def test_reports(self):
        sku = self.stocked(3)
        header, rows = self.csv("report", "stock", "--by", "sku", "--sku", sku)
        self.assertEqual((header[0], rows[0]["sku"], rows[0]["units"]), ("sku", sku, "3"))
        self.assertEqual(self.lines("report", "stock", "--by", "sku", "--sku", sku)[0]["units"], 3)


class Streams(OutputCase):
    def test_all_pages_of_a_history(self):
        sku = unique("SKU")
        self.client.pipeline([("receive", unique("r"), sku, "main", 1) for _ in range(2500)])
        events = self.json("history", sku)["events"]
        header, rows = self.csv("history", sku)
        self.assertEqual(header[:4], ["time_ms", "lsn", "type", "sku"])
        self.assertEqual([int(row["lsn"]) for row in rows], [event["lsn"] for event in events])
        self.assertEqual(self.lines("history", sku), events)
        self.assertEqual(len(self.lines("history", sku, "--limit", "7")), 7)

    def test_all_pages_of_the_changes(self):
        since = self.quiet()
        skus = {self.stocked(1) for _ in range(1500)}
        seen = [row["sku"] for row in self.lines("changes", "--since", str(since))]
        self.assertEqual(len(seen), len(set(seen)))
        self.assertEqual(set(seen), skus)
        _, rows = self.csv("changes", "--since", str(since))
        self.assertEqual([row["sku"] for row in rows], seen)
        self.assertLess(len(self.lines("changes", "--since", str(since), "--limit", "10")), 1500)

    def test_a_gap_is_told(self):
        self.ctl("changes", "--since", str(1 << 62), "-o", "csv", expect=REFUSED)
        self.assertIn("are missing since that LSN", self.err)

    def test_events(self):
        sku, since = unique("SKU"), str(self.call("events", 0)["lsn"])
        for method, qty in (("receive", 2), ("adjust", -2)):
            settled(self.client, self.call(method, unique("x"), sku, "main", qty)["lsn"])
        header, rows = self.csv("events", "--since", since, "--types", "sold_out")
        self.assertEqual(header, ["lsn", "time_ms", "type", "channel", "location", "sku", "id", "qty"])
        self.assertEqual([(row["type"], row["sku"], row["qty"]) for row in rows], [("sold_out", sku, "0")])
        self.assertEqual(self.lines("events", "--since", since, "--types", "sold_out")[0]["sku"], sku)

    def watched(self, *args, stop):
        """What watch prints until `stop` accepts it; it is read while watch goes on."""
        watch = spawn([os.path.join(BIN_DIR, "stockctl"), "-s", self.server.tcp, "watch", *args],
                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        text = b""

        def more():
            nonlocal text
            text += os.read(watch.stdout.fileno(), 65536)
            return stop(text.decode())

        wait_until(more, timeout=30, what="watch")
        watch.send_signal(signal.SIGINT)
        self.assertEqual(reap(watch, 30 * SLOW), DONE)
        watch.stdout.close()
        return text.decode()

    def test_watch(self):
        sku = self.stocked(3)
        text = self.watched("--sku", sku, "--since", "0", "-o", "csv", stop=lambda text: sku in text)
        self.assertTrue(text.startswith("channel,sku,available,lsn\n"), text)
        self.assertIn(f"default,{sku},3,", text)
        for form in ("ndjson", "json"):
            text = self.watched("--sku", sku, "--since", "0", "-o", form, stop=lambda text: sku in text)
            self.assertEqual(json.loads(text.splitlines()[0])["available"], 3)


class Terminal(OutputCase):
    def test_control_characters_never_reach_it(self):
        sku = unique("EVIL") + "\x1b[2J\x07\x9b1m"
        self.stocked(3, sku=sku)
        for command in (("item", "list"), ("stock", sku), ("availability", "default", sku),
                        ("changes",), ("history", sku), ("export", "items"), ("export", "stock")):
            for form in ("table", "json", "csv", "ndjson"):
                if command[0] == "export" and form == "table":
                    continue
                code, seen = self.on_terminal(*command, "-o", form)
                self.assertEqual(code, DONE, (command, form))
                for bad in (b"\x1b[2J", b"\x07", "\x9b".encode()):
                    self.assertNotIn(bad, seen, (command, form))
        code, seen = self.on_terminal("receive", "x", "main", "1\x1b[2J")
        self.assertEqual(code, USAGE)
        self.assertNotIn(b"\x1b", seen)
        self.assertNotIn(b"\x1b", self.on_terminal("\x1b[2J")[1])


if __name__ == "__main__":
    main()
