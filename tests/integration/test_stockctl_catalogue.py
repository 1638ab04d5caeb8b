#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""stockctl export and import: a whole catalogue, its stock and what is on its way move to another engine."""

import csv
import io
import json
import os
import re
import subprocess
from random import Random

from stockctl_case import DONE, REFUSED, USAGE, StockctlTestCase
from stockd_harness import BIN_DIR, CALL_TIMEOUT, Server, main, reap, run_program, spawn, unique

KINDS = ("calendars", "places", "channels", "items", "stocking")
FILES = (*KINDS, "stock", "supplies")
TEXTS = ("", "plain", 'q"uote', "com,ma", "nl\nx", "cr\r\nlf", "nul\0x", " edge ", "Größe 東京", "x" * 128, "=1+2", "0012")


def fill(client, random):
    """A catalogue with everything in it that a file could get wrong."""
    codes = ["main"] + [f"p{n}" for n in range(12)]
    for n, zone in enumerate(("UTC", "Europe/Paris", "America/St_Johns")):
        client.call("calendar_set", f"hours{n}", {
            "tz": zone, "week": [[1 + day, 540 + n, 720] for day in range(3 * n)] or None,
            "closed": ["2031-12-25", "2032-01-01"][:n], "extra": [["2031-12-24", 540, 720]] if n else []})
    for code in random.sample(codes, len(codes)):
        options = {"kind": random.choice(("", "store")), "name": random.choice(TEXTS),
                   "priority": random.choice((-5, 0, 100)), "lead_time_s": random.randrange(9999),
                   "ships": random.random() < 0.5, "pickup": random.random() < 0.5,
                   "groups": random.sample(["north", "south", "city"], random.randrange(4)),
                   "active": code == "main" or random.random() < 0.8}
        if random.random() < 0.7:
            options.update(calendar=f"hours{random.randrange(3)}", safety=random.randrange(4),
                           dispatch=random.sample([[1, 600], [5, 1439], [7, 0]], random.randrange(4)))
        if random.random() < 0.7:
            options.update(lat=random.uniform(-90, 90), lon=random.choice((0.1, -180, random.uniform(-180, 180))))
        client.call("location_set", code, options)
    client.call("location_set", "grouped", {"groups": ["north"]})
    for code in ("default", "web", "till", "app"):
        client.call("channel_set", code, {
            "kind": "web", "name": random.choice(TEXTS), "buffer": random.randrange(5),
            "locations": random.sample(codes + ["north"], random.randrange(5)), "hold_ttl_ms": 1 + random.randrange(1 << 31),
            "sourcing": random.choice(("priority", "fewest", "nearest", "balance")),
            "ignore_safety": random.random() < 0.5, "promise": random.choice(("on_hand", "incoming")),
            "horizon_s": random.choice((None, 0, 86400))})
    for number, sku in enumerate((*TEXTS[1:7], "Größe 42", "nul", "Z", "a", "A", "x" * 64, *(f"MANY-{n}" for n in range(1500)))):
        if number % 3 != 0:
            options = {"name": random.choice(TEXTS), "barcode": random.choice(("", "4006381333931")),
                       "low_stock": random.randrange(9), "backorder_limit": random.randrange(9),
                       "safety": random.randrange(9), "unit": random.choice(("", "kg")), "decimals": random.randrange(4)}
            client.call("item_set", sku, {key: options[key] for key in random.sample(list(options), random.randrange(8))})
        if number % 3 != 1:
            client.call("receive", f"r{number}", sku, random.choice(codes), 1 + number)
        if number % 5 == 1:
            client.call("stocking_set", sku, random.choice(codes), {
                "stocked": random.random() < 0.5, "safety": random.choice((None, 0, 3)), "lead_time_s": random.choice((None, 60))})
    for number, ident in enumerate(("po-1", "po, 2", 'q"3', "PO 東京")):
        client.call("expect", ident, random.choice(codes), [["plain", 5 + number], ["Größe 42", 2]],
                    {"eta_ms": 1_935_664_200_000 + number if number else None, "ref": TEXTS[number]})
    client.call("arrive", "po-1", [["plain", 2, 1]])
    client.call("receive", "r-truck", "plain", "p1", 9)
    client.call("transfer", "truck", "p1", "p2", [["plain", 4]], {"eta_ms": 1_935_664_200_000})


class Copy(StockctlTestCase):
    def run_on(self, server, *args):
        """Its output, every byte as it is: run_program would make one newline of a return and a newline."""
        process = spawn([os.path.join(BIN_DIR, "stockctl"), "-s", server.tcp, *args],
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = process.communicate(timeout=CALL_TIMEOUT)
        self.assertEqual((reap(process, 1), err), (DONE, b""), args)
        return out.decode()

    def test_a_catalogue_and_its_stock_move_to_a_fresh_engine(self):
        with Server() as source, Server() as copy, source.client() as client:
            fill(client, Random(7))
            files = {kind: self.run_on(source, "export", kind) for kind in FILES}
            for kind, text in files.items():
                self.assertGreater(text.count("\n"), 2, f"a test without {kind} tests nothing")
                self.run_on(copy, "import", kind, self.file(text))
            for again in range(2):
                for kind, text in files.items():
                    self.assertEqual(self.run_on(copy, "export", kind), text, f"{kind} after restart {again}")
                copy.restart(kill=True)
            with copy.client() as there:
                for method in ("locations", "channels", "calendars"):
                    self.assertEqual(there.call(method)[method], client.call(method)[method])
                for sku in ("plain", "cr\r\nlf", "nul\0x", "MANY-7"):
                    self.assertEqual({**there.call("item", sku), "lsn": 0}, {**client.call("item", sku), "lsn": 0})
            with self.subTest("again it changes nothing"):
                lsn = json.loads(self.run_on(copy, "--json", "export", "places"))["lsn"]
                for kind in KINDS:
                    got = json.loads(self.run_on(copy, "--json", "import", kind, self.file(files[kind])))
                    self.assertEqual((got["applied"], got["unchanged"]), (0, got["rows"]), kind)
                self.assertLessEqual(  # but for the name of the client
                    json.loads(self.run_on(copy, "--json", "export", "places"))["lsn"], lsn + 128)

    def test_json_is_the_same_records(self):
        sku = unique("ITEM")
        self.call("item_set", sku, {"name": "Tea", "low_stock": 2})
        self.assertIn({"sku": sku, "name": "Tea", "barcode": None, "low_stock": 2, "backorder_limit": None,
                       "safety": None, "unit": None, "decimals": 0},
                      self.json("export", "items")["items"])
        self.assertEqual(self.json("export", "places")["places"], self.call("locations")["locations"])
        self.assertEqual(self.json("export", "channels")["channels"], self.call("channels")["channels"])

    def test_an_empty_engine(self):
        with Server() as empty:
            self.assertEqual(self.run_on(empty, "export", "items"), "sku,name,barcode,low_stock,backorder_limit,safety,unit,decimals\n")
            self.assertEqual(self.run_on(empty, "export", "places").count("\n"), 2)


class Import(StockctlTestCase):
    def catalogue(self):
        return (self.call("locations")["locations"], self.call("channels")["channels"],
                self.call("items", 0, {"limit": 10000, "details": True})["items"])

    def bad(self, kind, text):
        """[(line, column)] of what a file is refused for."""
        before = self.catalogue()
        path = self.file(text)
        self.assertEqual(self.ctl("import", kind, path, expect=USAGE), "")
        said = [(int(n), c) for n, c in re.findall(r"(?m)^stockctl: \S+: line (\d+), column (.+?): ", self.err)]
        error = self.json("import", kind, path, expect=USAGE)["error"]
        self.assertEqual([(row["line"], row["column"]) for row in error["details"]["rows"]], said)
        self.assertEqual(self.catalogue(), before, "something of a bad file was applied")
        return said

    def test_only_what_the_columns_name(self):
        sku = unique("ITEM")
        self.call("item_set", sku, {"name": "Tea", "barcode": "1", "low_stock": 2})
        got = self.json("import", "items", self.file(f"price,NAME,sku\n3,Green tea,{sku}\n"))
        self.assertEqual((got["rows"], got["applied"], got["skipped"]), (1, 1, 0))
        now = self.call("item", sku)
        self.assertEqual((now["name"], now["barcode"], now["low_stock"]), ("Green tea", "1", 2))
        self.json("import", "items", self.file(f"sku,barcode,low_stock\n{sku},,\n"))
        now = self.call("item", sku)
        self.assertEqual((now["name"], now["barcode"], now["low_stock"]), ("Green tea", None, 2))

    def test_for_people(self):
        path = self.file(f"code\n{unique('p')}\n")
        self.assertRegex(self.ctl("import", "places", path), r"^1 places set in \d+\.\d\d s\n$")
        self.assertRegex(self.ctl("import", "places", path), r"^0 places set in .* 1 were already so\n$")

    def test_bad_rows(self):
        for kind, header, rows in (
            ("items", "sku,name,low_stock", (
                (",x,1", "sku"), ("x" * 65 + ",x,1", "sku"), ("A," + "x" * 129 + ",1", "name"), ("A,x,-1", "low_stock"),
                ("A,x,many", "low_stock"), ("A,x,268435456", "low_stock"), ("GOOD,x,1", "sku"), ("A,x,1,2", "4"))),
            ("places", "code,priority,ships,lat,groups,lead_time_s,kind", (
                ("a b,1,yes,1,,0,", "code"), (",1,yes,1,,0,", "code"), ("x" * 33 + ",1,yes,1,,0,", "code"),
                ("a,high,yes,1,,0,", "priority"), ("a,2147483648,yes,1,,0,", "priority"), ("a,1,maybe,1,,0,", "ships"),
                ("a,1,yes,91,,0,", "lat"), ("a,1,yes,north,,0,", "lat"), ('a,1,yes,1,"x,,y",0,', "groups"),
                ('a,1,yes,1,"x y",0,', "groups"), ("a,1,yes,1,,-1,", "lead_time_s"),
                ('a,1,yes,1,"' + ",".join(f"g{n}" for n in range(17)) + '",0,', "groups"),
                ("a,1,yes,1,,0," + "x" * 33, "kind"))),
            ("channels", "code,locations,sourcing,hold_ttl_ms,buffer", (
                ("a,atlantis,,,", "locations"), ("a,,random,,", "sourcing"), ("a,,,0,", "hold_ttl_ms"),
                ("a,,,,-1", "buffer"))),
        ):
            with self.subTest(kind=kind):
                text = "\n".join((header, "GOOD", *(row.replace("a,", f"a{n},", 1).replace("A,", f"A{n},", 1)
                                                   for n, (row, _) in enumerate(rows))))
                self.assertEqual(self.bad(kind, text), [(3 + n, column) for n, (_, column) in enumerate(rows)])

    def test_skip_bad(self):
        good = unique("p")
        path = self.file(f"code,priority\n{good},5\n{unique('p')},high\n")
        done = run_program("stockctl", "-s", self.server.tcp, "--json", "import", "places", path, "--skip-bad")
        self.assertEqual(done.code, DONE)
        self.assertEqual((json.loads(done.out)["applied"], json.loads(done.out)["skipped"]), (1, 1))
        self.assertIn("line 3, column priority", done.err)

    def test_a_refusal_names_the_line(self):
        with Server("--items", "2") as small:
            path = self.file("sku,name\nA,a\nB,b\nC,c\n")
            done = run_program("stockctl", "-s", small.tcp, "import", "items", path)
            self.assertEqual(done.code, REFUSED)
            self.assertIn("line 4: refused by the engine", done.err)
            self.assertIn("stopped after 2 of 3 rows; remove the cause of the refusal, then run", done.err)

    def test_places_come_in_the_order_of_the_file(self):
        with Server() as server:
            codes = [f"p{n}" for n in Random(1).sample(range(300), 300)]
            done = run_program("stockctl", "-s", server.tcp, "import", "places", "-", stdin="code\n" + "\n".join(codes))
            self.assertEqual(done.code, DONE)
            done = run_program("stockctl", "-s", server.tcp, "export", "places")
            rows = csv.DictReader(io.StringIO(done.out, newline=""))
            self.assertEqual([row["code"] for row in rows], ["main", *codes])


if __name__ == "__main__":
    main()
