#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""stockctl on what is on its way: its commands, and its files."""

import time

from stockctl_case import REFUSED, USAGE, StockctlTestCase
from stockd_harness import Server, main, run_program, unique

ETA = "2031-05-04T12:30:00Z"
ETA_MS = 1_935_664_200_000


def rows_of(text):
    """The cells of a table, by its titles' places."""
    return [line.split() for line in text.splitlines()]


class SupplyCase(StockctlTestCase):
    def place(self, name="place"):
        code = unique(name)
        self.call("location_set", code, {})
        return code

    def setUp(self):
        super().setUp()
        self.depot, self.shop = self.place("depot"), self.place("shop")

    def supply(self, ident):
        return self.call("supply", ident)


class Commands(SupplyCase):
    def test_expect(self):
        sku, ident = unique("SKU"), unique("PO")
        out = self.ctl("expect", self.shop, f"{sku}=5", f"A=B:{sku}=2", "--eta", ETA, "--ref", "PO 7", "--id", ident)
        self.assertRegex(out, rf"^id +{ident}\nlsn +\d+\nstate +in_transit\neta +\S+\n\nSKU +QTY +SHIPPED +ACCEPTED")
        got = self.supply(ident)
        self.assertEqual((got["lines"], got["eta_ms"], got["location"], got["ref"], got["from"]),
                         ([[sku, 5, 5, 0, 0, 0], [f"A=B:{sku}", 2, 2, 0, 0, 0]], ETA_MS, self.shop, "PO 7", None))
        self.assertEqual(self.json("supply", ident), got)
        shown = self.pairs("supply", ident)
        self.assertEqual((shown["kind"], shown["location"], shown["ref"]), ("expect", self.shop, "PO 7"))
        self.assertEqual(self.json("expect", self.shop, f"{sku}:1")["state"], "in_transit", "with an id of its own")
        head, *pools = rows_of(self.ctl("stock", f"A=B:{sku}").split("\n\n")[1])
        self.assertEqual(head[-2:], ["ETA", "SUPPLY"])
        self.assertIn([self.shop, "expected", "-", "2", "0", ident], [pool[:5] + pool[-1:] for pool in pools])

    def test_a_time_from_now(self):
        ident, before = unique("PO"), int(time.time() * 1000)
        self.ctl("expect", self.shop, "S=1", "--eta", "+2d", "--id", ident)
        eta = self.supply(ident)["eta_ms"]
        self.assertGreaterEqual(eta, before + 2 * 86_400_000)
        self.assertLessEqual(eta, int(time.time() * 1000) + 2 * 86_400_000)
        self.ctl("reschedule", ident, "--eta", "+3h")
        self.assertLess(self.supply(ident)["eta_ms"], eta)
        for bad in ("+2", "+", "+soon", "+2w", "tomorrow"):
            self.ctl("expect", self.shop, "S=1", "--eta", bad, expect=USAGE)
            self.assertIn("--eta", self.err)
            self.ctl("reschedule", ident, "--eta", bad, expect=USAGE)
            self.assertIn("--eta", self.err)
        self.ctl("reschedule", ident, expect=USAGE)
        self.assertIn("--eta", self.err)

    def test_a_transfer_in_steps(self):
        sku, ident = self.stocked(9, self.depot), unique("TRUCK")
        self.assertEqual(self.pairs("transfer", self.depot, self.shop, f"{sku}=6", "--hold", "--id", ident)["state"], "held")
        out = self.ctl("ship", ident, f"{sku}=4", "--eta", ETA)
        self.assertRegex(out, rf"^op     \S+\nid     {ident}\n")
        self.assertEqual(self.pairs("withdraw", ident)["state"], "in_transit")
        out = self.ctl("arrive", ident, f"{sku}=2/1", "--op", "dock-1")
        self.assertEqual(self.ctl("arrive", ident, f"{sku}=2/1", "--op", "dock-1"), out, "the first result again")
        self.assertEqual(self.supply(ident)["lines"], [[sku, 4, 4, 2, 1, 0]])
        self.assertEqual(self.pairs("arrive", ident, f"{sku}=0", "--close")["state"], "arrived")
        self.assertEqual(self.supply(ident)["lines"], [[sku, 4, 4, 2, 1, 1]])
        at_once = self.json("transfer", self.depot, self.shop, f"{sku}=1")
        self.assertEqual(at_once["state"], "arrived")
        self.assertEqual(self.json("arrive", at_once["id"])["state"], "arrived")

    def test_supplies(self):
        sku = self.stocked(9, self.depot)
        held, moving, outside = unique("held"), unique("moving"), unique("outside")
        self.ctl("transfer", self.depot, self.shop, f"{sku}=1", "--hold", "--id", held, "--ref", "r 1")
        self.ctl("transfer", self.depot, self.shop, f"{sku}=5", "--eta", ETA, "--id", moving)
        self.ctl("expect", self.shop, f"{sku}=5", "T=2", "--id", outside)
        self.ctl("arrive", moving, f"{sku}=2")
        head, *rows = rows_of(self.ctl("supplies", "--location", self.shop))
        self.assertEqual(head, ["ID", "KIND", "STATE", "FROM", "LOCATION", "ETA", "UNITS", "UNDER", "WAY", "REF"])
        self.assertEqual([row[:5] + row[6:] for row in rows], [
            [held, "transfer", "held", self.depot, self.shop, "1", "0", "r", "1"],
            [moving, "transfer", "in_transit", self.depot, self.shop, "5", "3", "-"],
            [outside, "expect", "in_transit", "-", self.shop, "7", "7", "-"],
        ])
        got = self.json("supplies", "--location", self.shop, "--state", "in_transit")
        self.assertEqual(got["supplies"], [self.supply(moving), self.supply(outside)])
        self.assertEqual(self.json("supplies", "--location", self.shop, "--late")["supplies"], [])
        self.ctl("supplies", "--state", "gone", expect=REFUSED)
        self.assertIn("state must be", self.err)

    def test_many_pages(self):
        """A page has at most 1,000 supplies."""
        wanted = []
        for n in range(1005):
            wanted.append(unique("many"))
            self.call("expect", wanted[-1], self.shop, [["MANY", 1 + n % 3]])
        self.assertEqual([s["id"] for s in self.json("supplies", "--location", self.shop)["supplies"]], wanted)

    def test_bad_lines(self):
        for words in (["expect", self.shop, "S"], ["expect", self.shop, "S="], ["expect", self.shop, "=1"],
                      ["expect", self.shop, "S=0"], ["expect", self.shop, "S=x"], ["expect", self.shop, "S=1/1"],
                      ["transfer", self.depot, self.shop, "S=-1"], ["ship", "t", "S=268435456"], ["arrive", "t", "S=-1"],
                      ["arrive", "t", "S=1/"], ["arrive", "t", "S=1/x"], ["arrive", "t", "S=1/-1"], ["withdraw", "t", "S"],
                      ["expect", self.shop], ["transfer", self.depot, self.shop], ["supply"],
                      ["expect", self.shop, "S=1", "--id", "x" * 41], ["ship", "t", "S=1", "--op", ""]):
            with self.subTest(words=words):
                self.ctl(*words, expect=USAGE)
        self.ctl("transfer", self.depot, self.shop, "NOTHING=1", expect=REFUSED)
        self.assertIn("unknown_sku", self.err)
        self.ctl("supply", unique("ghost"), expect=REFUSED)
        self.ctl("expect", self.shop, "S=1", "--eta", "2020-01-01", expect=REFUSED)
        self.assertIn("eta_ms", self.err)

    def test_help_has_examples(self):
        for name in ("expect", "transfer", "ship", "arrive", "reschedule", "withdraw", "supply", "supplies",
                     "import supplies", "export supplies"):
            self.assertIn(f"\nExample:\n  stockctl {name}", self.ctl(*name.split(), "--help"))
            self.assertIn(f"  {name} ", self.ctl("--help"))


class Files(SupplyCase):
    HEADER = "id,location,sku,qty,eta_ms,ref,from\n"

    def test_import(self):
        first, second, third, sku = unique("A"), unique("B"), unique("C"), self.stocked(9, self.depot)
        path = self.file(self.HEADER + "".join(f"{row}\n" for row in (
            f"{first},{self.shop},S,5,{ETA_MS},\"PO 7, 8\",", f"{second},{self.shop},{sku},2,{ETA},,{self.depot}",
            f"{first},{self.shop},T,1,{ETA},\"PO 7, 8\",", f"{third},{self.shop},S,1,,,")))
        self.assertRegex(self.ctl("import", "supplies", path), r"^3 supplies set in \d+\.\d\d s\n$")
        got = self.supply(first)
        self.assertEqual((got["lines"], got["eta_ms"], got["ref"]), ([["S", 5, 5, 0, 0, 0], ["T", 1, 1, 0, 0, 0]], ETA_MS, "PO 7, 8"))
        got = self.supply(second)
        self.assertEqual((got["kind"], got["from"], got["lines"]), ("transfer", self.depot, [[sku, 2, 2, 0, 0, 0]]))
        self.assertIsNone(self.supply(third)["eta_ms"])
        before = self.json("supplies", "--location", self.shop)["supplies"]
        got = self.json("import", "supplies", path)
        self.assertEqual((got["supplies"], got["applied"], got["repeated"]), (3, 0, 3))
        self.assertEqual(self.json("supplies", "--location", self.shop)["supplies"], before)

    def test_bad_rows(self):
        good, bad = unique("good"), unique("bad")
        rows = [f"{good},{self.shop},S,1,,,", f"{bad},{self.shop},S,1,,,"]
        for row, column in (
            (f"{bad},{self.shop},S,0,,,", "qty"), (f"{bad},{self.shop},,1,,,", "sku"), (f"{bad},nowhere,S,1,,,", "location"),
            (f"{bad},{self.shop},S,1,soon,,", "eta_ms"), (f"{bad},{self.shop},S,1,+2d,,", "eta_ms"),
            (f"{bad},{self.shop},S,1,,{'x' * 129},", "ref"), (f"{bad},{self.shop},S,1,,,{self.shop}", "from"),
            (f"{bad},{self.shop},S,1,,,nowhere", "from"), (f"{bad},{self.depot},S,1,,,", "location"),
            (f"{bad},{self.shop},S,1,{ETA},,", "eta_ms"), (f"{bad},{self.shop},S,1,,x,", "ref"),
            (f"{bad},{self.shop},S,1,,,{self.depot}", "from"),
        ):
            with self.subTest(row=row):
                path = self.file(self.HEADER + "\n".join([*rows, row]) + "\n")
                self.ctl("import", "supplies", path, expect=USAGE)
                self.assertIn(f"line 4, column {column}:", self.err)
                self.assertEqual(self.json("supplies", "--location", self.shop)["supplies"], [])
        got = run_program("stockctl", "-s", self.server.tcp, "--json", "import", "supplies", path, "--skip-bad")
        self.assertEqual(got.code, 0, got.err)
        self.assertEqual([s["id"] for s in self.json("supplies", "--location", self.shop)["supplies"]], [good],
                         "a supply is set whole or not at all")
        for row in (f",{self.shop},S,1,,,", f"{bad},{self.shop},S,1,,,,,", "x" * 41 + f",{self.shop},S,1,,,"):
            path = self.file(self.HEADER + f"{unique('no')},{self.shop},S,1,,,\n{row}\n")
            self.ctl("import", "supplies", path, "--skip-bad", expect=USAGE)
            self.assertIn("line 3", self.err)
        self.assertEqual(len(self.json("supplies", "--location", self.shop)["supplies"]), 1)

    def test_a_refusal_names_the_line(self):
        path = self.file(self.HEADER + f"{unique('a')},{self.shop},S,1,1000,,\n")
        self.ctl("import", "supplies", path, expect=REFUSED)
        self.assertIn("line 2", self.err)
        self.assertIn("eta_ms", self.err)

    def test_what_is_exported_can_be_imported(self):
        with Server() as other:
            for place in (self.depot, self.shop):
                run_program("stockctl", "-s", other.tcp, "location", "set", place)
            sku, outside, truck, late = self.stocked(9, self.depot), unique("PO, 1"), unique("truck"), unique("late")
            self.ctl("expect", self.shop, f"{sku}=5", "T=2", "--eta", ETA, "--id", outside, "--ref", 'says "now"')
            self.ctl("transfer", self.depot, self.shop, f"{sku}=4", "--eta", ETA, "--id", truck)
            self.ctl("transfer", self.depot, self.shop, f"{sku}=1", "--hold")
            self.ctl("arrive", truck, f"{sku}=1/1")
            self.ctl("arrive", outside, "T=2")
            self.call("expect", late, self.shop, [["T", 3]], {"eta_ms": int(time.time() * 1000) + 300})
            deadline = time.monotonic() + 60
            while not self.call("supplies", {"location": self.shop, "late": True})["supplies"]:
                self.assertLess(time.monotonic(), deadline, "it is never late")
                time.sleep(0.05)
            text = self.ctl("export", "supplies")
            self.assertEqual(text.splitlines()[0], "id,location,sku,qty,eta_ms,ref")
            ours = [line for line in text.splitlines() if self.shop in line]
            self.assertEqual(ours, [f'"{outside}",{self.shop},{sku},5,{ETA_MS},"says ""now"""',
                                    f"{truck},{self.shop},{sku},2,{ETA_MS},", f"{late},{self.shop},T,3,,"])
            rows = [row for row in self.json("export", "supplies")["supplies"] if row["location"] == self.shop]
            self.assertEqual(rows[1], {"id": truck, "location": self.shop, "sku": sku, "qty": 2, "eta_ms": ETA_MS, "ref": None})
            path = self.file("\n".join([text.splitlines()[0], *ours]) + "\n")
            done = run_program("stockctl", "-s", other.tcp, "import", "supplies", path)
            self.assertEqual((done.code, done.err), (0, ""))
            again = run_program("stockctl", "-s", other.tcp, "export", "supplies")
            self.assertEqual(again.out.splitlines()[1:], ours)


if __name__ == "__main__":
    main()
