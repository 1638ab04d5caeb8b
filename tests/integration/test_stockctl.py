#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""stockctl as its users run it: every command, its tables and its JSON, its exit status."""

import json
import os
import pwd
import re
import resource
import socket
import subprocess
import time
import unittest

from stockctl_case import DONE, REFUSED, UNREACHABLE, USAGE, StockctlTestCase
from stockd_harness import (BIN_DIR, SLOW, RpcError, Server, main, reap, run_program, spawn, unique,
                            wait_until)

LOCAL_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d"

# Every command; --help must name them all.
COMMANDS = (
    "ping", "health", "info", "doctor", "top", "location set", "location list", "channel set", "channel list", "item set", "item list", "item", "lookup",
    "location show", "channel show", "receive", "adjust",
    "count", "return", "allot", "sold", "shift", "stock", "availability", "promise", "locate", "reserve", "extend", "confirm", "fulfil", "cancel", "reservation",
    "calendar set", "calendar list", "calendar show", "stocking set", "stocking list",
    "import stock", "import calendars", "import places", "import channels", "import items", "import stocking",
    "export stock", "export calendars", "export places", "export channels", "export items", "export stocking", "replay", "demo", "changes", "watch",
)


class Help(unittest.TestCase):
    def run_ctl(self, *args, expect=DONE):
        done = run_program("stockctl", *args)
        self.assertEqual(done.code, expect, f"stockctl {args!r}\n{done.out}\n{done.err}")
        return done

    def test_help_names_every_command(self):
        for option in ("--help", "-h"):
            text = self.run_ctl(option).out
            for name in COMMANDS:
                self.assertRegex(text, rf"(?m)^  {name} +[A-Z]")

    def test_each_command_has_help_with_an_example(self):
        for name in COMMANDS:
            text = self.run_ctl(*name.split(), "--help").out
            self.assertTrue(text.startswith(f"Usage: stockctl {name}"), text)
            example = text.split("\nExample:\n")[1]
            self.assertIn(f"stockctl {name}", example)

    def test_help_fits_a_terminal(self):
        for args in [("--help",)] + [(*name.split(), "--help") for name in COMMANDS]:
            for line in self.run_ctl(*args).out.splitlines():
                self.assertLessEqual(len(line), 100, line)

    def test_half_a_name_shows_the_family(self):
        for word in ("location", "channel", "import"):
            self.assertIn(f"stockctl {word} ", self.run_ctl(word, "--help").out)
            done = self.run_ctl(word, expect=USAGE)
            self.assertIn(f"stockctl {word} ", done.err)

    def test_version(self):
        for args in (("--version",), *((*name.split(), "--version") for name in COMMANDS)):
            self.assertRegex(self.run_ctl(*args).out, r"^stockctl \d+\.\d+\.\d+\n$")

    def test_every_program_has_help_and_a_version(self):
        for words in (("stockctl",), ("stockd",), ("stockbench",), ("stock-journal",),
                      *(("stock-journal", name) for name in ("verify", "repair", "dump", "stat", "compact"))):
            with self.subTest(words=words):
                texts = {run_program(*words, option).out for option in ("-h", "--help")}
                self.assertEqual(len(texts), 1)
                self.assertRegex(texts.pop().lower(), r"usage: ")
                done = run_program(*words, "--version")
                self.assertEqual((done.code, done.err), (DONE, ""))
                self.assertRegex(done.out, rf"^{words[0]} \d+\.\d+\.\d+\n$")

    def test_help_is_a_command_too(self):
        self.assertEqual(self.run_ctl("help").out, self.run_ctl("--help").out)
        self.assertEqual(self.run_ctl("help", "item", "set").out, self.run_ctl("item", "set", "-h").out)
        self.assertIn("stockctl import stock", self.run_ctl("help", "import").out)

    def test_what_has_no_effect_is_not_offered(self):
        for name in COMMANDS:
            text = self.run_ctl(*name.split(), "--help").out
            for word in ("--low-stock", "--backorder-limit", *(("token",) if name != "doctor" else ())):
                self.assertNotIn(word, text, name)

    def test_usage_errors(self):
        for args, said in (
            ((), "Usage: stockctl"),
            (("--colour", "ping"), "--colour"),
            (("-s",), "-s"),
            (("ping", "--server"), "-s needs an address"),
            (("ping", "--as"), "--as"),
            (("--as", "", "ping"), "--as"),
            (("--as=" + "x" * 129, "ping"), "--as"),
            (("frobnicate",), "unknown command 'frobnicate'\n"),
            (("exprot", "stock"), "did you mean 'export'?"),
            (("itme",), "did you mean 'item'?"),
            (("help", "chanel"), "did you mean 'channel'?"),
            (("item", "set", "x", "--nmae", "y"), "did you mean --name?"),
            (("transfer", "A", "x", "y", "1"), "transfer"),
            (("ping", "now"), "now"),
            (("ping", "--loud"), "--loud"),
            (("receive", "SKU", "main"), "too few"),
            (("receive", "SKU", "main", "1", "2"), "too many"),
            (("receive", "SKU", "main", "many"), "many"),
            (("receive", "SKU", "main", "1.5"), "1.5"),
            (("receive", "SKU", "main", "0"), "0"),
            (("receive", "SKU", "main", "268435456"), "268435456"),
            (("receive", "SKU", "main", "1", "--id"), "--id"),
            (("receive", "SKU", "main", "1", "--id", ""), "--id"),
            (("receive", "SKU", "main", "1", "--id", "x" * 41), "--id"),
            (("receive", "SKU", "main", "1", "--id", "a", "--id", "b"), "twice"),
            (("count", "SKU", "main", "-1"), "-1"),
            (("count", "SKU", "main", "1", "--as-of", "yesterday"), "yesterday"),
            (("reserve", "web"), "too few"),
            (("reserve", "web", "SKU:none"), "none"),
            (("reserve", "web", "SKU:0"), "0"),
            (("reserve", "web", "SKU:-1"), "-1"),
            (("reserve", "web", "SKU@main"), "SKU@main"),
            (("reserve", "web", "SKU:1@"), "SKU:1@"),
            (("reserve", "web", ":1"), ":1"),
            (("reserve", "web", "SKU:1", "--ttl", "15"), "15"),
            (("reserve", "web", "SKU:1", "--ttl", "soon"), "soon"),
            (("reserve", "web", "SKU:1", "--confirm=yes"), "--confirm"),
            (("extend", "A", "15 minutes"), "15 minutes"),
            (("fulfil", "A", "SKU:1@main"), "SKU:1@main"),
            (("fulfil", "A", "--op", ""), "--op"),
            (("location", "set", "x", "--pickup", "maybe"), "maybe"),
            (("location", "set", "x", "--priority", "high"), "high"),
            (("location", "set", "x", "--lat", "north"), "north"),
            (("channel", "set", "x", "--buffer", "-2"), "-2"),
            (("replay", "file.csv", "--connections", "0"), "0"),
            (("replay", "file.csv", "--pipeline", "lots"), "lots"),
            (("-s", "nowhere", "ping"), "nowhere"),
        ):
            with self.subTest(args=args):
                self.assertIn(said, self.run_ctl(*args, expect=USAGE).err)


class Unreachable(unittest.TestCase):
    def test_nobody_listens(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))  # not listening: connections are refused
            address = f"127.0.0.1:{free.getsockname()[1]}"
            done = run_program("stockctl", "-s", address, "ping")
            self.assertEqual((done.code, done.out), (UNREACHABLE, ""))
            self.assertEqual(done.err, f"stockctl: {address}: cannot connect: Connection refused "
                                       "(is stockd running there? -s ADDRESS names another)\n")
            done = run_program("stockctl", "--json", "-s", address, "stock", "X")
            self.assertEqual((done.code, done.err), (UNREACHABLE, ""))
            self.assertEqual(json.loads(done.out)["error"]["code"], "unreachable")

    def test_no_such_socket(self):
        done = run_program("stockctl", "-s", "unix:/nonexistent/stockd.sock", "ping")
        self.assertEqual(done.code, UNREACHABLE)
        self.assertIn("/nonexistent/stockd.sock", done.err)


class Reaching(StockctlTestCase):
    def test_addresses(self):
        for address in (self.server.tcp, self.server.unix, self.server.tcp.replace("127.0.0.1", "localhost")):
            self.assertEqual(run_program("stockctl", "-s", address, "ping").code, DONE)
            self.assertEqual(run_program("stockctl", "ping", "-s", address).code, DONE)
            env = {**os.environ, "STOCKD_SERVER": address}
            self.assertEqual(run_program("stockctl", "ping", env=env).code, DONE)

    def test_ping(self):
        self.assertRegex(self.ctl("ping"), r"^pong from .* in \d+\.\d\d ms\n$")
        self.assertEqual(self.json("ping"), "pong")

    def test_who_asks_is_in_the_history(self):
        sku, user = unique("WHO"), pwd.getpwuid(os.getuid()).pw_name
        self.ctl("receive", sku, "main", "1")
        for words in (("--as", "Ann Größe", "receive", sku, "main", "2"), ("receive", sku, "main", "3", "--as=Ben")):
            self.ctl(*words)
        events = [event for event in self.json("history", sku)["events"] if event["type"] == "receive"]
        self.assertEqual([event["client"] for event in events], [f"{user}@stockctl", "Ann Größe", "Ben"])
        self.assertIn("Ann Größe", self.ctl("history", sku))

    def test_info(self):
        self.assertRegex(self.ctl("info"), r"(?m)^lsn +\d+$|^\w+\.\w+ +\S")
        self.assertIsInstance(self.json("info"), dict)

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            process = spawn([os.path.join(BIN_DIR, "stockctl"), "-s", self.server.tcp, "info"],
                            stdout=full, stderr=subprocess.DEVNULL)
            self.assertNotEqual(reap(process, 30), DONE)


class Health(StockctlTestCase):
    def test_an_engine_that_takes_changes(self):
        self.assertEqual(self.ctl("health"), "the engine accepts changes\nmirror off\n")
        got = self.json("health")
        self.assertEqual((got["healthy"], got["read_only"], got["reason"]), (True, False, None))
        self.assertEqual(got["mirror"]["state"], "off")

    def test_an_engine_that_takes_none(self):
        with Server() as server, server.client() as client:
            client.call("receive", "a", "TEA", "main", 1)
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (4096, 4096))  # every write is beyond it
            with self.assertRaises(RpcError) as refused:
                for number in range(200000):
                    client.call("receive", f"b{number}", "TEA", "main", 1)
            self.assertEqual(refused.exception.code, "read_only")
            done = run_program("stockctl", "-s", server.tcp, "ping")
            self.assertEqual(done.code, DONE)
            done = run_program("stockctl", "-s", server.tcp, "health")
            self.assertEqual((done.code, done.out), (REFUSED, ""))
            self.assertRegex(done.err, r"^stockctl: read_only: the engine accepts no changes: \S.*\nstockctl: mirror off\n$")
            done = run_program("stockctl", "--json", "-s", server.tcp, "health")
            got = json.loads(done.out)
            self.assertEqual((done.code, got["healthy"], got["read_only"]), (REFUSED, False, True))
            self.assertTrue(got["reason"])
            server.stop(expect=None)

    def test_an_engine_that_is_not_there(self):
        done = run_program("stockctl", "-s", "unix:/nonexistent/stockd.sock", "health")
        self.assertEqual((done.code, done.out), (UNREACHABLE, ""))


class Catalogue(StockctlTestCase):
    def test_location(self):
        self.ctl("location", "set", "store-1", "--kind", "store", "--name", "Köln, Ehrenstraße", "--priority", "2",
                 "--lead-time", "2h", "--ships", "no", "--pickup", "yes", "--lat", "50.9387", "--lon", "-6.9405",
                 "--groups", "west,city", "--active", "yes")
        table = self.ctl("location", "list").splitlines()
        self.assertRegex(table[0], r"^CODE +KIND +NAME +PRIORITY")
        row = next(line for line in table if line.startswith("store-1"))
        self.assertRegex(row, r"^store-1 +store +Köln, Ehrenstraße +2 ")
        entry = {e["code"]: e for e in self.json("location", "list")["locations"]}["store-1"]
        self.assertEqual((entry["kind"], entry["priority"], entry["groups"]), ("store", 2, ["west", "city"]))
        self.assertEqual((entry["ships"], entry["pickup"], entry["lead_time_s"]), (False, True, 7200))
        self.assertAlmostEqual(entry["lon"], -6.9405)

    def test_columns_stay_aligned_beside_wide_letters(self):
        self.ctl("location", "set", "tokyo", "--name", "東京")
        self.ctl("location", "set", "rome", "--name", "Rome")
        lines = self.ctl("location", "list").splitlines()
        place = lines[0].index("PRIORITY") + len("PRIORITY")

        def column(line):  # the letters of 東京 are two columns wide each
            return len(line[:place]) + sum(ord(c) > 0x2E80 for c in line[:place])

        for line in lines:
            if line.startswith(("tokyo", "rome")):
                shift = column(line) - place
                self.assertRegex(line[:place - shift], r"100$", repr(line))

    def test_tables_fit_a_terminal_and_nothing_else_is_cut(self):
        name = "東京 " + "Größe " * 13
        self.ctl("location", "set", "wide-1", "--kind", "warehouse", "--name", name, "--groups", "a" * 32)
        for columns in (120, 80):
            code, seen = self.on_terminal("location", "list", columns=columns)
            self.assertEqual(code, DONE)
            lines = seen.decode().splitlines()
            for line in lines:
                self.assertLessEqual(len(line) + sum(ord(c) > 0x2E80 for c in line), columns, line)
            row = next(line for line in lines if line.startswith("wide-1"))
            self.assertRegex(row, r"^wide-1 +wareho\S* +東京 \S.*… +100 .* yes")
        self.assertIn(name, self.ctl("location", "list"))
        code, seen = self.on_terminal("location", "list", columns=20)  # hopeless: as narrow as it may be
        self.assertEqual(code, DONE)
        self.assertIn("100", seen.decode())

    def test_control_characters_do_not_reach_the_terminal(self):
        self.call("location_set", "evil", {"name": "a\x1b[2Jb\nc\x07"})
        out = self.ctl("location", "list")
        self.assertNotIn("\x1b", out)
        self.assertIn("a\ufffd[2Jb\ufffdc\ufffd", out)

    def test_channel(self):
        self.ctl("channel", "set", "web", "--kind", "web", "--name", "Web shop", "--locations", "main", "--buffer", "2",
                 "--hold-ttl", "20m", "--sourcing", "priority")
        row = next(line for line in self.ctl("channel", "list").splitlines() if line.startswith("web"))
        self.assertRegex(row, r"^web +web +Web shop +2 +20m +priority +on_hand +- +main$")
        entry = {e["code"]: e for e in self.json("channel", "list")["channels"]}["web"]
        self.assertEqual((entry["buffer"], entry["hold_ttl_ms"], entry["locations"]), (2, 1200000, ["main"]))

    def test_item(self):
        sku = unique("ITEM")
        self.assertRegex(self.ctl("item", "set", sku, "--name", "T-shirt", "--low-stock", "3"), r"^lsn +\d+\n$")
        self.assertEqual(self.json("stock", sku)["on_hand"], 0)

    def test_item_tells_what_was_set(self):
        sku = unique("ITEM")
        self.ctl("item", "set", sku, "--name", "Größe 42", "--barcode", "4006381333931")
        self.assertEqual(self.ctl("item", sku), f"sku      {sku}\nname     Größe 42\nbarcode  4006381333931\n")
        self.call("item_set", sku, {"low_stock": 3})
        self.assertRegex(self.ctl("item", sku), r"(?m)^low_stock +3$")
        self.assertEqual(self.json("item", sku)["barcode"], "4006381333931")
        self.ctl("item", "GHOST", expect=REFUSED)
        self.assertTrue(self.err.startswith("stockctl: unknown_sku: "), self.err)
        self.call("item_set", "set", {"name": "Six glasses"})
        self.assertIn("Six glasses", self.ctl("item", "--", "set"))

    def test_lookup_by_barcode_or_sku(self):
        sku, code = unique("ITEM"), unique("40")
        self.ctl("item", "set", sku, "--name", "Größe 42", "--barcode", code)
        for text in (code, sku):
            self.assertEqual(self.ctl("lookup", text), f"sku   {sku}\nname  Größe 42\n")
        self.assertEqual((self.json("lookup", code)["sku"], self.json("lookup", code)["name"]), (sku, "Größe 42"))
        self.ctl("lookup", "GHOST", expect=REFUSED)
        self.assertEqual(self.err, 'stockctl: unknown_sku: no item has the barcode or sku "GHOST"\n')
        self.ctl("lookup", expect=USAGE)

    def test_items_are_listed_and_found(self):
        one, two = sorted((unique("LIST"), unique("LIST")))
        self.call("item_set", two, {"name": "Mug, red"})
        self.call("item_set", one, {"barcode": "77712"})
        table = self.ctl("item", "list").splitlines()
        self.assertRegex(table[0], r"^SKU +NAME +BARCODE$")
        rows = [line for line in table if line.startswith((f"{one} ", f"{two} "))]
        self.assertRegex("\n".join(rows), rf"^{one} +- +77712\n{two} +Mug, red +-$")
        for text in ("MUG", "mug, r", two):
            self.assertEqual([item["sku"] for item in self.json("item", "list", text)["items"]], [two], text)
        self.assertEqual(len(self.ctl("item", "list", "7771").splitlines()), 2)

    def test_one_location_or_channel(self):
        self.call("location_set", "show-1", {"name": "Main Street", "groups": ["a", "b"], "lead_time_s": 7200})
        got = self.pairs("location", "show", "show-1")
        self.assertEqual((got["name"], got["groups"], got["lead_time_s"]), ("Main Street", "a,b", "2h"))
        self.assertEqual(self.json("location", "show", "show-1")["code"], "show-1")
        self.assertEqual(self.pairs("channel", "show", "default")["sourcing"], "priority")
        self.ctl("location", "show", "atlantis", expect=REFUSED)
        self.assertIn("unknown location 'atlantis'", self.err)
        error = self.json("channel", "show", "atlantis", expect=REFUSED)["error"]
        self.assertEqual(error["code"], "unknown_channel")

    def test_refused(self):
        self.ctl("location", "set", "no spaces", expect=REFUSED)
        self.assertTrue(self.err.startswith("stockctl: bad_request: "), self.err)
        self.ctl("channel", "set", "lost", "--locations", "atlantis", expect=REFUSED)
        self.assertIn("unknown_location: ", self.err)
        self.assertIn("atlantis", self.err)


class Stock(StockctlTestCase):
    def test_movements(self):
        sku = unique("MOVE")
        got = self.pairs("receive", sku, "main", "10", "--id", unique("id"), "--ref", "PO-1")
        self.assertEqual((got["on_hand"], got["available"]), ("10", "10"))
        self.assertEqual(self.pairs("adjust", sku, "main", "-3", "--reason", "broken")["on_hand"], "7")
        self.assertEqual(self.pairs("adjust", sku, "main", "+1")["on_hand"], "8")
        got = self.pairs("allot", sku, "main", "default", "5")
        self.assertEqual((got["allotted"], got["available"]), ("5", "8"))
        self.assertEqual(self.pairs("allot", sku, "main", "default", "-5")["allotted"], "0")
        got = self.pairs("shift", sku, "main", "2", "sellable", "display", "--reason", "window")
        self.assertEqual((got["on_hand"], got["available"]), ("6", "6"))
        self.assertEqual(self.pairs("shift", sku, "main", "2", "display", "sellable")["on_hand"], "8")
        self.ctl("adjust", sku, "main", "1", "--if-on-hand", "9", expect=1)
        got = self.json("sold", "default", "main", f"{sku}:2", sku, "--ref", "R-1", "--id", "R-1")
        self.assertEqual(got["lines"], [[sku, 5, 5]])
        told = self.ctl("sold", "default", "main", f"{sku}:6", "--at", "2026-01-01T10:00:00Z")
        self.assertRegex(told, rf"SKU +ON HAND +AVAILABLE\n{sku} +-1 +-1\n")
        self.assertRegex(self.ctl("stock", sku), r"main +owed +- +-1 +0")
        self.ctl("sold", "default", "main", expect=2)
        self.ctl("sold", "default", "main", f"{sku}:2@main", expect=2)
        self.ctl("adjust", sku, "main", "9")
        got = self.json("count", sku, "main", "5", "--ref", "x", "--if-on-hand", "8")
        self.assertEqual((got["delta"], got["on_hand"]), (-3, 5))
        got = self.json("return", sku, "main", "2", "--condition", "good")
        self.assertEqual(got["on_hand"], 7)

    def test_an_id_is_made_up_and_printed(self):
        sku = unique("MADE-UP")
        first = self.pairs("receive", sku, "main", "1")["id"]
        second = self.json("receive", sku, "main", "1")["id"]
        self.assertNotEqual(first, second)
        self.assertEqual(self.figures(sku), (2, 0, 2))
        self.assertEqual(self.json("receive", sku, "main", "1", "--id", first)["on_hand"], 1)  # the first result again
        self.assertEqual(self.figures(sku), (2, 0, 2))

    def test_an_id_used_twice(self):
        sku, ident = unique("CONFLICT"), unique("id")
        self.ctl("receive", sku, "main", "1", "--id", ident)
        self.ctl("receive", sku, "main", "2", "--id", ident, expect=REFUSED)
        self.assertIn("stockctl: conflict: ", self.err)

    def test_stock(self):
        sku = self.stocked(10)
        self.reserved([[sku, 4]])
        out = self.ctl("stock", sku)
        self.assertRegex(out, r"^on_hand +10\nreserved +4\navailable +6\n\nLOCATION +KIND .*ON HAND +RESERVED\n")
        self.assertRegex(out, r"(?m)^main +shared .* 10 +4\b")
        self.assertEqual(self.json("stock", sku)["available"], 6)

    def test_unknown_sku(self):
        self.ctl("stock", "GHOST", expect=REFUSED)
        self.assertTrue(self.err.startswith("stockctl: unknown_sku: "), self.err)
        error = self.json("stock", "GHOST", expect=REFUSED)["error"]
        self.assertEqual(error["code"], "unknown_sku")
        self.assertIn("GHOST", error["message"])
        self.assertIsInstance(error["details"], dict)
        self.assertEqual(self.err, "")

    def test_availability(self):
        one, two = self.stocked(7), self.stocked(1234)
        lines = self.ctl("availability", "default", one, two, "GHOST").splitlines()
        self.assertRegex(lines[0], r"^SKU +AVAILABLE$")
        self.assertEqual([line.split() for line in lines[1:]], [[one, "7"], [two, "1234"], ["GHOST", "unknown"]])
        self.assertEqual(len({len(line) for line in lines}), 1, "numbers end in one column")
        self.assertEqual(self.json("availability", "default", one, "GHOST")["stock"], [7, None])
        self.ctl("availability", "nowhere", one, expect=REFUSED)
        self.assertIn("unknown_channel", self.err)


class Reservations(StockctlTestCase):
    def test_the_whole_path(self):
        one, two = self.stocked(10), self.stocked(10)
        ident = unique("ORDER")
        out = self.ctl("reserve", "default", f"{one}:2", two, "--ttl", "15m", "--id", ident)
        self.assertRegex(out, rf"(?m)^id +{ident}$")
        self.assertRegex(out, r"(?m)^state +held$")
        self.assertRegex(out, rf"(?m)^expires +{LOCAL_TIME}$")
        self.assertRegex(out, r"(?m)^SKU +LOCATION +QTY")
        self.assertRegex(out, rf"(?m)^{re.escape(one)} +main +2\b")
        self.assertRegex(out, rf"(?m)^{re.escape(two)} +main +1\b")
        self.assertRegex(self.ctl("extend", ident, "2h"), rf"(?m)^expires +{LOCAL_TIME}$")
        self.assertEqual(self.pairs("confirm", ident, "--ref", "PAY-1")["state"], "confirmed")
        part = self.ctl("fulfil", ident, f"{one}:1", "--op", unique("op"))
        self.assertIn("confirmed", part)
        self.assertEqual(self.figures(one), (9, 1, 8))
        self.assertEqual(self.json("cancel", ident, f"{one}:1")["state"], "confirmed")
        self.assertEqual(self.pairs("fulfil", ident)["state"], "fulfilled")
        got = self.json("reservation", ident)
        self.assertEqual((got["state"], got["channel"]), ("fulfilled", "default"))
        self.assertRegex(self.ctl("reservation", ident), r"(?m)^state +fulfilled$")
        self.assertEqual((self.figures(one), self.figures(two)), ((9, 0, 9), (9, 0, 9)))

    def test_time_is_local(self):
        sku = self.stocked()
        env = {**os.environ, "TZ": "Asia/Kolkata"}
        self.assertRegex(self.ctl("reserve", "default", sku, env=env), r"(?m)^expires +\S+\+05:30$")

    def test_durations(self):
        sku = self.stocked()
        for text, ms in (("90s", 90000), ("90000ms", 90000), ("2h", 7200000), ("1d", 86400000)):
            before = time.time() * 1000
            got = self.json("reserve", "default", sku, f"--ttl={text}")
            self.assertLess(abs(got["expires_ms"] - before - ms), 10000 * SLOW)

    def test_confirm_at_once(self):
        got = self.json("reserve", "default", self.stocked(), "--confirm")
        self.assertEqual((got["state"], got["expires_ms"]), ("confirmed", None))
        self.assertEqual(self.json("cancel", got["id"])["state"], "cancelled")

    def test_places(self):
        self.call("location_set", "store-2", {})
        sku = self.stocked(10)
        self.stocked(10, "store-2", sku)
        got = self.json("reserve", "default", f"{sku}:3@store-2")
        self.assertEqual(got["lines"][0][:3], [sku, "store-2", 3])
        got = self.json("reserve", "default", f"{sku}:3", "--at", "store-2")
        self.assertEqual(got["lines"][0][:3], [sku, "store-2", 3])

    def test_odd_skus(self):
        for sku in ("A:B", "a@b", "Ünï cödé", "50% off", "-dash", "C:1"):
            self.stocked(5, sku=sku)
            got = self.json("reserve", "default", "--", f"{sku}:2")
            self.assertEqual(got["lines"][0][0], sku)
        self.assertEqual(self.json("reserve", "default", "a@b:1@main")["lines"][0][:3], ["a@b", "main", 1])

    def test_insufficient_stock(self):
        sku, full = self.stocked(2), self.stocked(100)
        out = self.ctl("reserve", "default", f"{sku}:5", f"{full}:1", expect=REFUSED)
        self.assertEqual(out, "")
        lines = self.err.splitlines()
        self.assertTrue(lines[0].startswith("stockctl: insufficient_stock: "), self.err)
        self.assertRegex(lines[1], r"^  SKU +WANTED +AVAILABLE$")
        self.assertRegex(lines[2], rf"^  {sku} +5 +2$")
        self.assertEqual(len(lines), 3)
        error = self.json("reserve", "default", f"{sku}:5", expect=REFUSED)["error"]
        self.assertEqual(error["code"], "insufficient_stock")
        line = error["details"]["lines"][0]
        self.assertEqual((line["sku"], line["wanted"], line["available"]), (sku, 5, 2))

    def test_wrong_state(self):
        ident = self.reserved([[self.stocked(), 1]])
        self.ctl("cancel", ident)
        self.ctl("fulfil", ident, expect=REFUSED)
        self.assertIn("stockctl: wrong_state: ", self.err)
        self.ctl("confirm", "GHOST-1", expect=REFUSED)
        self.assertIn("stockctl: unknown_reservation: ", self.err)

    def test_more_than_is_left(self):
        sku = self.stocked()
        self.ctl("fulfil", self.reserved([[sku, 2]], confirm=True), f"{sku}:3", expect=REFUSED)
        lines = self.err.splitlines()
        self.assertRegex(lines[1], r"^  SKU +WANTED +LEFT$")
        self.assertRegex(lines[2], rf"^  {sku} +3 +2$")

    def test_a_part_without_op_prints_the_one_it_made(self):
        sku = self.stocked()
        ident = self.reserved([[sku, 3]], confirm=True)
        out = self.ctl("fulfil", ident, f"{sku}:1")
        self.assertRegex(out, rf"^op     \S+\nid     {ident}\n")


class Where(StockctlTestCase):
    def setUp(self):
        super().setUp()
        self.shop, self.depot, self.sku = unique("s"), unique("d"), unique("TEE")
        self.web = unique("web")
        self.ctl("location", "set", self.shop, "--lat", "48.86", "--lon", "2.35", "--ships", "no")
        self.ctl("location", "set", self.depot, "--lat", "45.76", "--lon", "4.84", "--pickup", "no")
        self.ctl("channel", "set", self.web, "--locations", f"{self.shop},{self.depot}")
        self.ctl("receive", self.sku, self.shop, "3")
        self.ctl("receive", self.sku, self.depot, "5")

    def test_promise(self):
        out = self.ctl("promise", self.web, f"{self.sku}:7")
        self.assertRegex(out, rf"^complete  no\n\nSKU +LOCATION +QTY  READY\n"
                              rf"{self.sku} +{self.depot} +5  {LOCAL_TIME}\n\n"
                              rf"MISSING +QTY\n{self.sku} +2\n$")
        self.assertRegex(self.ctl("promise", self.web, self.sku), r"^complete  yes\n")
        collected = self.json("promise", self.web, self.sku, "--mode", "pickup", "--at", self.shop)
        self.assertEqual(collected["lines"][0][1], self.shop)
        self.assertEqual(self.json("promise", self.web, self.sku, "--exclude", self.depot)["lines"], [])
        late = self.json("promise", self.web, self.sku, "--by", "2020-01-01T00:00:00")
        self.assertFalse(late["complete"])
        self.assertEqual(self.json("stock", self.sku)["reserved"], 0)  # nothing is held

    def test_reserve_on_terms(self):
        out = self.ctl("reserve", self.web, f"{self.sku}:7", "--partial", "--id", unique("o"))
        self.assertRegex(out, rf"\n\nSKU +LOCATION +QTY  READY\n{self.sku} +{self.depot} +5  {LOCAL_TIME}\n\n"
                              rf"MISSING +QTY\n{self.sku} +2\n$")
        collected = self.json("reserve", self.web, self.sku, "--mode", "pickup", "--at", self.shop)
        self.assertEqual(collected["lines"][0][1], self.shop)
        self.ctl("reserve", self.web, self.sku, "--exclude", self.depot, expect=REFUSED)

    def test_locate(self):
        paris = ("--lat", "48.9", "--lon", "2.3")
        out = self.ctl("locate", self.web, f"{self.sku}:4", *paris)
        self.assertRegex(out, rf"^LOCATION +KM  COMPLETE  READY +AVAILABLE\n"
                              rf"{self.depot} +39\d\.\d  yes +{LOCAL_TIME}  {self.sku}:5\n$")
        [option] = self.json("locate", self.web, f"{self.sku}:4", "--mode", "pickup")["options"]
        self.assertEqual((option["location"], option["complete"], option["distance_km"]),
                         (self.shop, False, None))
        self.assertEqual(self.json("locate", self.web, self.sku, *paris, "--within", "100")["options"], [])
        self.assertIn("--lat", self.ctl("locate", "--help"))
        self.ctl("locate", self.web, f"{self.sku}:1@{self.shop}", expect=USAGE)


class Demo(StockctlTestCase):
    def check_network(self):
        places = [p for p in self.json("location", "list")["locations"] if p["code"] != "main"]
        calendars = {c["code"]: c for c in self.json("calendar", "list")["calendars"]}
        stores = [p for p in places if p["kind"] == "store"]
        with self.subTest("two warehouses and 300 stores in three countries"):
            self.assertEqual((len(places), len(stores)), (302, 300))
            self.assertEqual({p["groups"][1] for p in stores}, {"de", "fr", "gb"})
            self.assertTrue(all(p["dispatch"] for p in places if p["kind"] == "warehouse"))
            self.assertTrue(all(p["safety"] > 0 for p in stores))
            for flag in ("ships", "pickup"):
                self.assertEqual({p[flag] for p in stores}, {True, False})
            # No two at the same spot.
            self.assertEqual(len({(p["lat"], p["lon"]) for p in places}), 302)
        with self.subTest("each is open by its country's calendar"):
            zones = {"de": "Europe/Berlin", "fr": "Europe/Paris", "gb": "Europe/London"}
            for place in places:
                calendar = calendars[place["calendar"]]
                self.assertEqual(calendar["tz"], zones[place["groups"][1]])
        with self.subTest("holidays of this year and the next, and half-days"):
            year = time.gmtime().tm_year
            for code, calendar in calendars.items():
                years = {int(day[:4]) for day in calendar["closed"]}
                self.assertIn(years, ({year, year + 1}, {year - 1, year}))  # at new year
                for each in years:
                    self.assertIn(f"{each}-12-25", calendar["closed"])
                self.assertEqual(bool(calendar["extra"]), code.startswith("stores"))
        with self.subTest("not all is sold from everywhere"):
            stockings = self.json("stocking", "list")["stockings"]
            self.assertIn(False, {s["stocked"] for s in stockings})
            self.assertTrue(any(s["lead_time_s"] for s in stockings))
        with self.subTest("what could be collected near a place"):
            near = self.json("locate", "collect", "KEYR-MAP", "--mode", "pickup", "--lat", "48.86",
                             "--lon", "2.35", "--within", "15")["options"]
            self.assertTrue(near)
            self.assertEqual({option["location"].split("-")[0] for option in near}, {"paris"})
        with self.subTest("tills sell safety stock, click and collect does not"):
            till, online = (self.json("availability", channel, "KEYR-MAP")["stock"]
                            for channel in ("pos", "collect"))
            self.assertGreater(till[0], online[0])

    def refused(self):
        return self.json("info", "ledger")["ledger"]["refused"]

    def test_demo(self):
        refused = self.refused()
        out = self.ctl("demo", timeout=120)
        self.assertRegex(out, r"^302 locations, 6 channels, 3000 items, \d+ deliveries, 400 orders")
        before = self.exported()
        self.assertTrue(2900 < len({sku for sku, _ in before}) <= 3000)  # some have never been in stock
        self.check_network()
        for on_hand, reserved, available in before.values():
            self.assertTrue(0 <= reserved <= on_hand and available == on_hand - reserved)
        with self.subTest("orders in all states"):
            states = {self.state(f"demo-{n:04}") for n in range(1, 41)}
            self.assertEqual(states, {"held", "confirmed", "fulfilled", "cancelled", "expired"})
        with self.subTest("no order asked for more than a channel may sell"):
            self.assertEqual(self.refused(), refused)
        with self.subTest("what it says to try works"):
            for line in re.findall(r"(?m)^  stockctl (?:-s \S+ )?(.*)$", out):
                words = line.replace(" | head", "").split()
                self.ctl(*words, expect=REFUSED if "9999" in line else DONE)
        with self.subTest("what is on its way"):
            supplies = {s["id"]: s for s in self.json("supplies")["supplies"]}
            self.assertEqual(sorted(supplies), sorted(
                ["demo-po-late", "demo-po-2", "demo-held"] + [f"demo-truck-{n}" for n in range(1, 6)]))
            self.assertEqual(supplies["demo-truck-1"]["state"], "arrived")  # as it says to try
            wait_until(lambda: self.json("supplies", "--late")["supplies"], what="the late supply")
            late = self.json("supplies", "--late")["supplies"]
            self.assertEqual([s["id"] for s in late], ["demo-po-late"])
            coming = supplies["demo-po-2"]["lines"][0][0]
            self.assertEqual(self.json("availability", "app", coming)["stock"], [0])
            self.assertGreater(self.json("availability", "web", coming)["stock"][0], 0)
        with self.subTest("again it adds nothing"):
            self.ctl("fulfil", "MY-1")
            before = self.exported()
            lsn = self.quiet()
            self.ctl("demo", timeout=120)
            self.assertEqual(self.exported(), before)
            self.assertEqual(self.json("demo")["items"], 3000)
            self.assertEqual(self.json("info", "ledger")["lsn"], lsn)


if __name__ == "__main__":
    main()
