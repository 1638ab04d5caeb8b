#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""stockctl calendar and stocking; hours as people write them; their files."""

from stockctl_case import REFUSED, USAGE, StockctlTestCase
from stockd_harness import Server, main, run_program, unique


class Calendars(StockctlTestCase):
    def entry(self, code):
        return next(entry for entry in self.call("calendars")["calendars"] if entry["code"] == code)

    def test_hours_as_people_write_them(self):
        code = unique("cal")
        for text, week, again in (
            ("mon 09:00-18:30", [[1, 540, 1110]], None),
            ("Mon-Wed 9-12", [[n, 540, 720] for n in (1, 2, 3)], "mon-wed 09:00-12:00"),
            ("sat-mon 0:00-24:00", [[n, 0, 1440] for n in (1, 6, 7)], "mon 00:00-24:00,sat-sun 00:00-24:00"),
            ("tue 13:00-18:00, tue 9:00-12:30 ,wed 09:00-12:30", [[2, 540, 750], [2, 780, 1080], [3, 540, 750]],
             "tue-wed 09:00-12:30,tue 13:00-18:00"),
            ("never", [], None),
        ):
            with self.subTest(text=text):
                self.assertRegex(self.ctl("calendar", "set", code, "--week", text), r"^lsn +\d+\n$")
                self.assertEqual(self.entry(code)["week"], week)
                shown = self.pairs("calendar", "show", code)["week"]
                self.assertEqual(shown, again or text)
                lsn = self.json("calendar", "set", code, "--week", shown)["lsn"]
                self.assertEqual(self.json("calendar", "set", code)["lsn"], lsn, "it reads what it writes")

    def test_calendar(self):
        code = unique("cal")
        self.ctl("calendar", "set", code, "--tz", "Europe/Paris", "--closed", "2026-12-25,2026-12-26",
                 "--extra", "2026-12-24 09:00-12:00,2026-12-24 14:00-16:00")
        wanted = {"code": code, "tz": "Europe/Paris", "week": None, "closed": ["2026-12-25", "2026-12-26"],
                  "extra": [["2026-12-24", 540, 720], ["2026-12-24", 840, 960]]}
        self.assertEqual(self.entry(code), wanted)
        self.assertEqual(self.json("calendar", "show", code), wanted)
        self.assertIn(wanted, self.json("calendar", "list")["calendars"])
        row = next(line for line in self.ctl("calendar", "list").splitlines() if line.startswith(f"{code} "))
        self.assertRegex(row, r" +Europe/Paris +- +2026-12-25,2026-12-26 +2026-12-24 09:00-12:00,2026-12-24 14:00-16:00$")
        self.ctl("calendar", "set", code, "--closed", "", "--extra", "")
        self.assertEqual((self.entry(code)["closed"], self.entry(code)["extra"]), ([], []))

    def test_what_is_no_time(self):
        code = unique("cal")
        for option, bad, why in (
            ("week", "", "never"), ("week", "mo 9-12", "mon, tue"), ("week", "mon-x 9-12", "mon-fri"), ("week", "mon", "09:00"),
            ("week", "mon 09:00", "09:00"), ("extra", "2026-12-24 09:00", "09:00"),
            ("week", "mon 9:0-12", "09:00"), ("week", "mon 25-26", "09:00"), ("week", "mon 9:60-12", "09:00"),
            ("week", "mon 12-9", "end before"), ("week", "mon 24:01-24:02", "09:00"), ("week", "mon 9-12 13-18", "commas"),
            ("closed", "2026-02-29", "exist"), ("closed", "tomorrow", "2026-12-24"), ("closed", "2026-12-25;2026-12-26", "commas"),
            ("extra", "2026-12-24", "09:00"), ("extra", "2026-12-24 12-9", "end before"), ("extra", "mon 9-12", "date"),
        ):
            with self.subTest(option=option, bad=bad):
                self.ctl("calendar", "set", code, f"--{option}", bad, expect=USAGE)
                self.assertIn(why, self.err)
                self.assertIn(f"--{option}", self.err)
        self.ctl("calendar", "set", code, "--tz", "Mars/Base", expect=REFUSED)
        self.assertIn("tz", self.err)
        self.ctl("calendar", "show", code, expect=REFUSED)
        self.assertIn(f"unknown calendar '{code}'", self.err)


class Settings(StockctlTestCase):
    def test_a_location_with_calendar_dispatch_and_safety(self):
        calendar, place = unique("cal"), unique("place")
        self.ctl("calendar", "set", calendar)
        self.ctl("location", "set", place, "--calendar", calendar, "--dispatch", "mon-fri 16:00,sat 11:30", "--safety", "2")
        got = self.pairs("location", "show", place)
        self.assertEqual((got["calendar"], got["dispatch"], got["safety"]), (calendar, "mon-fri 16:00,sat 11:30", "2"))
        row = next(line for line in self.ctl("location", "list").splitlines() if line.startswith(f"{place} "))
        self.assertRegex(row, rf" {calendar} +mon-fri 16:00,sat 11:30 +2$")
        self.ctl("location", "set", place, "--dispatch", "mon 24:00", expect=USAGE)
        self.assertIn("16:00", self.err)
        self.ctl("location", "set", place, "--dispatch", "", "--calendar", "")
        got = self.pairs("location", "show", place)
        self.assertEqual((got["calendar"], got["dispatch"]), ("-", "-"))

    def test_a_channel_and_an_item(self):
        shop, sku = unique("shop"), unique("SKU")
        self.ctl("channel", "set", shop, "--ignore-safety", "yes")
        self.assertEqual(self.pairs("channel", "show", shop)["ignore_safety"], "yes")
        got = self.pairs("channel", "show", shop)
        self.assertEqual((got["promise"], got["horizon_s"]), ("on_hand", "-"))
        self.ctl("channel", "set", shop, "--promise", "incoming", "--horizon", "14d")
        got = self.pairs("channel", "show", shop)
        self.assertEqual((got["promise"], got["horizon_s"]), ("incoming", "14d"))
        header, *rows = self.ctl("channel", "list").splitlines()
        self.assertRegex(header, r" PROMISES +HORIZON +SELLS FROM$")
        self.assertRegex(next(row for row in rows if row.startswith(f"{shop} ")), r" incoming +14d +-$")
        self.ctl("channel", "set", shop, "--promise", "soon", expect=REFUSED)
        self.assertIn("promise", self.err)
        self.ctl("channel", "set", shop, "--horizon", "soon", expect=USAGE)
        self.assertIn("--horizon", self.err)
        self.ctl("item", "set", sku, "--safety", "2", "--unit", "kg", "--decimals", "3")
        got = self.pairs("item", sku)
        self.assertEqual((got["safety"], got["unit"], got["decimals"]), ("2", "kg", "3"))
        self.assertEqual(self.pairs("lookup", sku), {"sku": sku, "name": "-", "unit": "kg", "decimals": "3"})

    def test_stocking(self):
        sku, other, place = unique("SKU"), unique("SKU"), unique("place")
        self.call("location_set", place)
        for one in (other, sku):
            self.call("item_set", one, {"name": "x"})
            self.ctl("stocking", "set", one, place, "--safety", "2", "--lead-time", "4h")
        self.ctl("stocking", "set", sku, "main", "--stocked", "no")
        rows = [line.split() for line in self.ctl("stocking", "list", sku).splitlines()]
        self.assertEqual(rows, [["SKU", "LOCATION", "STOCKED", "SAFETY", "LEAD"], [sku, "main", "no", "-", "-"],
                                [sku, place, "yes", "2", "4h"]])
        self.assertEqual([row["sku"] for row in self.json("stocking", "list", "--location", place)["stockings"]],
                         sorted((sku, other)))
        self.assertEqual([row["location"] for row in self.json("stocking", "list", sku, "--location", "main")["stockings"]],
                         ["main"])
        ghost = unique("GHOST")
        self.ctl("stocking", "list", ghost, expect=REFUSED)  # the engine is asked for that one alone
        self.assertIn(ghost, self.err)
        self.ctl("stocking", "set", ghost, place, expect=REFUSED)
        self.ctl("stocking", "set", sku, expect=USAGE)


class Files(StockctlTestCase):
    def test_all_of_it_moves_to_a_fresh_engine(self):
        kinds = ("calendars", "places", "channels", "items", "stocking", "stock")
        with Server() as source, Server() as copy, source.client() as client:
            client.call("calendar_set", "fr", {"tz": "Europe/Paris", "week": [[n, 570, 1140] for n in range(1, 7)],
                                               "closed": ["2026-12-25"], "extra": [["2026-12-24", 570, 960]]})
            client.call("calendar_set", "always")
            client.call("calendar_set", "shut", {"week": []})
            client.call("location_set", "p1", {"calendar": "fr", "dispatch": [[1, 960], [2, 960]], "safety": 2})
            client.call("location_set", "p2", {"calendar": "shut"})
            client.call("channel_set", "till", {"locations": ["p1"], "ignore_safety": True})
            client.call("channel_set", "soon", {"promise": "incoming", "horizon_s": 0})
            client.call("channel_set", "later", {"promise": "incoming"})
            for n in range(1100):
                client.call("item_set", f"S{n}", {"unit": "kg", "decimals": 3, "safety": n})
                client.call("stocking_set", f"S{n}", "p1", {"safety": n})
            client.call("stocking_set", "S7", "p2", {"stocked": False, "lead_time_s": 60})
            client.call("receive", "r", "S7", "p1", 1000)
            files = {kind: run_program("stockctl", "-s", source.tcp, "export", kind).out for kind in kinds}
            self.assertIn('\nfr,Europe/Paris,mon-sat 09:30-19:00,2026-12-25,2026-12-24 09:30-16:00\nalways,UTC,,,\n'
                          'shut,UTC,never,,\n', files["calendars"])
            self.assertIn("\nsoon,web,,,0,900000,priority,no,incoming,0\n"
                          "later,web,,,0,900000,priority,no,incoming,\n", files["channels"])
            self.assertIn("\nS7,p1,yes,7,\nS7,p2,no,,60\n", files["stocking"])
            for again in range(2):
                for kind, text in files.items():
                    done = run_program("stockctl", "-s", copy.tcp, "import", kind, self.file(text))
                    self.assertEqual((done.code, done.err), (0, ""), kind)
                for kind, text in files.items():
                    self.assertEqual(run_program("stockctl", "-s", copy.tcp, "export", kind).out, text, f"{kind} {again}")

    def test_bad_rows(self):
        sku = unique("SKU")
        self.call("item_set", sku, {"name": "x"})
        for kind, header, rows in (
            ("stocking", "sku,location,stocked,safety,lead_time_s", (
                (",main,yes,1,1", "sku"), (f"{sku},atlantis,yes,1,1", "location"), (f"{sku},,yes,1,1", "location"),
                (f"{sku},main,perhaps,1,1", "stocked"), (f"{sku}2,main,yes,-1,1", "safety"),
                (f"{sku}3,main,yes,1,soon", "lead_time_s"), (f"{sku},main,yes,1,1", "sku"))),
            ("calendars", "code,week,closed,extra", (
                ("a b,,,", "code"), ("a,mon 12-9,,", "week"), ("b,,2026-02-30,", "closed"), ("c,,,2026-12-24", "extra"))),
            ("places", "code,dispatch,safety", (("a,mon 9-12,1", "dispatch"), ("b,,-1", "safety"))),
            ("items", "sku,decimals,unit", (("A,7,kg", "decimals"), ("B,1," + "x" * 33, "unit"))),
            ("channels", "code,ignore_safety,promise,horizon_s", (
                ("a,perhaps,,", "ignore_safety"), ("b,,soon,", "promise"), ("c,,,-1", "horizon_s"),
                ("d,,,315360001", "horizon_s"), ("e,,,14d", "horizon_s"))),
        ):
            with self.subTest(kind=kind):
                path = self.file("\n".join((header, *(row for row, _ in rows))))
                error = self.json("import", kind, path, expect=USAGE)["error"]
                self.assertEqual([(row["line"], row["column"]) for row in error["details"]["rows"]],
                                 [(2 + n, column) for n, (_, column) in enumerate(rows)])
        self.assertEqual(self.call("stockings", {"sku": sku})["stockings"], [])

    def test_an_empty_cell_keeps_a_zone_and_a_week_and_clears_dates(self):
        code = unique("cal")
        self.call("calendar_set", code, {"tz": "Europe/Paris", "week": [[1, 0, 60]], "closed": ["2026-12-25"]})
        self.json("import", "calendars", self.file(f"code,tz,week,closed\n{code},,,\n"))
        got = next(entry for entry in self.call("calendars")["calendars"] if entry["code"] == code)
        self.assertEqual((got["tz"], got["week"], got["closed"]), ("Europe/Paris", [[1, 0, 60]], []))


if __name__ == "__main__":
    main()
