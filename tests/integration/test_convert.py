#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tools/online-retail/convert.py on small inputs; test_online_retail.py uses it on the real ones."""

import csv
import gzip
import json
import os
import subprocess
import sys
import tempfile
import unittest

from stockd_harness import SOURCE_ROOT

CONVERT = os.path.join(SOURCE_ROOT, "tools", "online-retail", "convert.py")
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"


class Convert(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="stockd-test-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def run_convert(self, text, *args, expect=0, name="in.csv.gz"):
        source = os.path.join(self.directory, name)
        opener = gzip.open if name.endswith(".gz") else open
        with opener(source, "wt", encoding="utf-8") as file:
            file.write(text)
        done = subprocess.run(
            [sys.executable, CONVERT, source, self.directory, *args],
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, expect, done.stderr)
        return json.loads(done.stdout) if expect == 0 else done.stderr

    def convert(self, *rows, **kwargs):
        """rows: (invoice, sku, qty, country, date)"""
        args = kwargs.pop("args", ())
        lines = (
            f"{r[0]},{r[1]},\"A, thing\",{r[2]},{r[4] if len(r) > 4 else '2010-12-01 08:26:00'},2.55,17850.0,"
            f"{r[3] if len(r) > 3 else 'France'}\n"
            for r in rows
        )
        return self.run_convert(HEADER + "".join(lines), *args, **kwargs)

    def read(self, name):
        with open(os.path.join(self.directory, name), encoding="utf-8", newline="") as file:
            return [tuple(row) for row in csv.reader(file)][1:]

    def test_orders_and_returns(self):
        found = self.convert((1, "A", 2), (1, "B", 3), ("C2", "A", -1), (3, "A", 7, "EIRE"))
        self.assertEqual((found["orders"], found["returns"], found["corrections"]), (2, 1, 0))
        self.assertEqual(
            [row[:4] for row in self.read("orders.csv")],
            [
                ("1", "france", "A", "2"),
                ("1", "france", "B", "3"),
                ("C2", "france", "A", "-1"),
                ("3", "eire", "A", "7"),
            ],
        )

    def test_corrections_are_set_apart(self):
        found = self.convert(
            (1, "A", 2), (1, "B", -3), (2, "A", -5), (3, "B", 0), ("C4", "A", 6), ("C4", "A", -1)
        )
        self.assertEqual(found["corrections"], 4)
        self.assertEqual(
            [row[:3] for row in self.read("corrections.csv")],
            [("1", "B", "-3"), ("2", "A", "-5"), ("3", "B", "0"), ("C4", "A", "6")],
        )
        self.assertEqual({row[4] for row in self.read("orders.csv")}, {"2010-12-01 08:26:00"})
        self.assertEqual([(row[0], row[2]) for row in self.read("orders.csv")], [("1", "A"), ("C4", "A")])

    def test_rows_that_stand_apart_are_one_order(self):
        self.convert((1, "A", 1), (2, "B", 1), (1, "C", 1))
        self.assertEqual([row[0] for row in self.read("orders.csv")], ["1", "1", "2"])

    def test_a_long_invoice_is_split(self):
        found = self.convert(
            *((1, f"S{n}", 1) for n in range(2400)), *(("C2", f"S{n}", -1) for n in range(1025))
        )
        self.assertEqual((found["orders"], found["returns"], found["split"]), (3, 2, 3))
        rows = self.read("orders.csv")
        self.assertEqual(
            [rows[n][0] for n in (0, 1023, 1024, 2047, 2048, 2399, 2400, 3423, 3424)],
            ["1", "1", "1.2", "1.2", "1.3", "1.3", "C2", "C2", "C2.2"],
        )
        self.assertEqual(len(rows), 3425)

    def test_opening_stock(self):
        rows = ((1, "b", 10), (2, "B", 5), (3, "b", 5), ("C4", "b", -9), ("C5", "only-back", -1))
        self.convert(*rows)
        self.assertEqual(
            self.read("stock.csv"),
            [("B", "main", "4"), ("b", "main", "13"), ("only-back", "main", "0")],
        )
        self.convert(*rows, args=("--share", "50", "--location", "wh"))
        self.assertEqual(
            self.read("stock.csv"), [("B", "wh", "2"), ("b", "wh", "7"), ("only-back", "wh", "0")]
        )

    def test_until(self):
        found = self.convert(
            (1, "A", 1),
            (2, "A", 1, "France", "2011-01-01 00:00:00"),
            args=("--until", "2011-01-01"),
        )
        self.assertEqual((found["rows"], found["orders"]), (1, 1))

    def test_channels(self):
        found = self.convert(
            (1, "A", 1, "United Arab Emirates"), (2, "A", 1, "Côte d'Ivoire"), (3, "A", 1, "X" * 40)
        )
        self.assertEqual(found["channels"], ["cote-d-ivoire", "united-arab-emirates", "x" * 32])
        with open(os.path.join(self.directory, "setup.sh"), encoding="utf-8") as file:
            setup = file.read()
        self.assertIn(
            "channel set cote-d-ivoire --name 'Côte d'\"'\"'Ivoire' --locations main", setup
        )
        checked = subprocess.run(
            ["sh", "-n", os.path.join(self.directory, "setup.sh")], check=False
        )
        self.assertEqual(checked.returncode, 0)

    def test_plain_csv(self):
        self.assertEqual(self.convert((1, "A", 1), name="in.csv")["orders"], 1)

    def test_bad_input(self):
        for rows, said in (
            (((1, "A", "many"),), "line 2: Quantity: 'many'"),
            (((1, "A", "1.5"),), "Quantity"),
            (((1, "", 1),), "StockCode"),
            (((1, "A" * 65, 1),), "StockCode"),
            ((("", "A", 1),), "InvoiceNo"),
            (((1, "A", 1, "A B"), (2, "A", 1, "A-B")), "line 3: Country"),
        ):
            self.assertIn(said, self.convert(*rows, expect=1))
        self.assertIn("no column Quantity", self.run_convert("InvoiceNo,StockCode\n", expect=1))
        done = subprocess.run(
            [sys.executable, CONVERT, "/nonexistent", self.directory],
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual((done.returncode, "Traceback" in done.stderr), (1, False))


if __name__ == "__main__":
    unittest.main(verbosity=2)
