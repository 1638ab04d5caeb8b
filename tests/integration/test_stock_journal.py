# SPDX-License-Identifier: Apache-2.0
"""stock-journal: what it says of a good, a torn, a damaged and a busy journal."""

import csv
import io
import json
import os

from stockd_harness import Server, StockdTestCase, main, run_program

BLOCK = 4096


class StockJournal(StockdTestCase):
    """One killed engine's directory, damaged and mended again by the tests."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.server.client() as client:
            client.call("hello", 'the "till"\n')
            client.call("location_set", "store-1", {"kind": "store", "lat": 47.5, "groups": ["a"]})
            client.call("channel_set", "web", {"locations": ["main", "store-1"], "buffer": 1,
                                               "promise": "incoming", "horizon_s": 3600})
            client.call("item_set", "TEE", {"name": "Tee, rød", "low_stock": 3})
            client.call("receive", "r1", "TEE", "main", 10, {"ref": "po 7"})
            client.call("receive", "r2", "TEE", "store-1", 4)
            client.call("count", "c1", "TEE", "main", 9)
            client.call("allot", "a1", "TEE", "main", "web", 7)
            client.call("adjust", "d1", "TEE", "main", -3)
            client.call("reserve", "o1", "web", [["TEE", 2]], {"ttl_ms": 60000})
            client.call("extend", "o1", 90000)
            client.call("confirm", "o1", {"ref": "paid"})
            client.call("fulfil", "o1", [["TEE", 1]], {"op": "part"})
            client.call("cancel", "o1")
            client.call("receive", "r3", "CUP", "main", 5)
            client.call("reserve", "o2", "web", [["CUP", 2]])
            client.call("cancel", "o2")
        cls.server.kill()
        cls.data = cls.server.data
        cls.segment = os.path.join(cls.data, "journal", "0000000001.seg")
        with open(cls.segment, "rb") as file:
            cls.content = file.read()

    def setUp(self):
        self.addCleanup(self.write, self.content)

    def write(self, content):
        with open(self.segment, "wb") as file:
            file.write(content)

    def journal(self, command, *args, expect=0):
        got = run_program("stock-journal", command, *args)
        self.assertEqual(got.code, expect, got)
        return got

    def last_batch(self):
        return self.content.rindex(b"SDBATCH1")

    def test_verify(self):
        out = self.journal("verify", self.data).out
        self.assertIn("tail      clean", out)
        self.assertRegex(out, r"segments +1\n")

    def test_dump_as_json(self):
        got = self.journal("dump", self.data, "--json")
        records = [json.loads(line) for line in got.out.splitlines()]
        types = [record["type"] for record in records]
        for name in ("client", "location", "channel", "item", "movement", "reserve", "extend",
                     "confirm", "fulfil", "cancel", "allot"):
            self.assertIn(name, types)
        lsns = [record["lsn"] for record in records]
        self.assertEqual(lsns, sorted(set(lsns)))
        self.assertFalse([record for record in records if "unreadable" in record])

        def of(kind, key="lsn"):
            return next(one for one in records if one["type"] == kind and key in one)

        self.assertEqual(of("client")["name"], 'the "till"\n')
        self.assertEqual(of("item", "name")["name"], "Tee, rød")
        self.assertEqual(of("location")["groups"], ["a"])
        self.assertEqual([of("channel")[key] for key in ("incoming", "horizon_s")], [True, 3600])
        self.assertEqual(of("channel")["locations"], ["main", "store-1"])
        movement = of("movement")
        self.assertEqual(
            [movement[key] for key in ("kind", "id", "sku", "location", "delta", "ref", "client")],
            ["receive", "r1", "TEE", "main", 10, "po 7", 'the "till"\n'],
        )
        allot = of("allot")
        self.assertEqual(
            [allot[key] for key in ("id", "sku", "location", "pool", "channel", "delta", "allotted",
                                    "available")],
            ["a1", "TEE", "main", "allotted", "web", 7, 7, 9],
        )
        own = {"sku": "TEE", "location": "main", "kind": "allotted", "channel": "web"}
        self.assertEqual(of("movement", "more")["delta"], -2)
        self.assertEqual(of("movement", "more")["more"], [{**own, "qty": -1}])
        self.assertEqual(of("reserve")["draws"], [{**own, "qty": 2}])
        self.assertEqual(of("fulfil")["op"], "part")
        self.assertEqual(of("fulfil")["steps"], [{"draw": 0, "qty": 1}])

    def test_dump_for_people(self):
        lines = self.journal("dump", self.data).out.splitlines()
        self.assertTrue(any(" movement kind=receive id=r1 sku=TEE" in line for line in lines), lines)

    def test_dump_of_opening_hours(self):
        with Server() as server:
            with server.client() as client:
                client.call("calendar_set", "never", {"week": []})
                past = client.call("calendar_set", "always", {"closed": ["2026-12-25"]})["lsn"]
                client.call("location_set", "main", {"calendar": "never"})
            server.stop()
            lines = self.journal("dump", server.data, "--json").out.splitlines()
            records = [json.loads(line) for line in lines]
            told = {record["code"]: record["has_week"] for record in records
                    if record["type"] == "calendar"}
            self.assertEqual(told, {"never": True, "always": False})
            rest = self.journal("dump", server.data, "--json", "--since", past).out.splitlines()
            self.assertEqual([json.loads(line)["calendar"] for line in rest], ["never"])

    def test_stat(self):
        found = json.loads(self.journal("stat", self.data, "--json").out)
        self.assertEqual(found["types"]["movement"]["records"], 5)
        self.assertEqual(sum(one["bytes"] for one in found["types"].values()), found["lsn"])
        self.assertEqual(sum(hour["records"] for hour in found["hours"]), found["records"])
        self.assertEqual([hour["start_ms"] % 3_600_000 for hour in found["hours"]],
                         [0] * len(found["hours"]))
        text = self.journal("stat", self.data).out
        self.assertRegex(text, r"movement +5 +\d+  #")
        self.assertRegex(text, r"T\d\d:00 +\d+ +\d+  #")

    def test_verify_as_json(self):
        found = json.loads(self.journal("verify", self.data, "--json").out)
        self.assertTrue(found["good"])
        self.assertEqual((found["tail"], found["damage"]), ("clean", []))

    def test_verify_refuses_what_a_start_refuses(self):
        """Without its segments, but with a lock or a mark that say there were some."""
        away = self.segment + ".away"
        os.rename(self.segment, away)
        self.addCleanup(os.rename, away, self.segment)
        spare = [name for name in os.listdir(os.path.dirname(away)) if name.endswith(".seg")]
        for name in spare:
            os.remove(os.path.join(os.path.dirname(away), name))
        said = self.journal("verify", self.data, expect=1).err
        self.assertIn("an engine had its data here", said)
        self.assertIn("restore them", said)

    def test_dump_of_one_sku(self):
        records = [json.loads(line) for line in
                   self.journal("dump", self.data, "--json", "--sku", "CUP").out.splitlines()]
        self.assertEqual([(record["type"], record.get("id")) for record in records],
                         [("item", None), ("movement", "r3"), ("reserve", "o2"), ("cancel", "o2")])
        self.assertEqual(records[1]["client"], 'the "till"\n')
        self.assertEqual(self.journal("dump", self.data, "--sku", "NONE").out, "")

    def test_dump_since(self):
        records = [json.loads(line) for line in
                   self.journal("dump", self.data, "--json").out.splitlines()]
        middle = records[len(records) // 2]["lsn"]
        rest = self.journal("dump", self.data, "--json", "--since", middle).out.splitlines()
        self.assertEqual([json.loads(line) for line in rest],
                         [record for record in records if record["lsn"] > middle])
        self.assertEqual(self.journal("dump", self.data, "--since", "2100-01-01").out, "")
        all_of_it = self.journal("dump", self.data, "--since", "2000-01-01T00:00:00Z").out
        self.assertEqual(len(all_of_it.splitlines()), len(records))
        self.journal("dump", self.data, "--since", "tomorrow", expect=2)

    def test_dump_as_csv(self):
        def rows(*args):
            return list(csv.DictReader(io.StringIO(
                self.journal("dump", self.data, "--csv", *args).out, newline="")))

        whole = rows()
        fulfil = next(row for row in whole if row["type"] == "fulfil")
        self.assertEqual(
            [fulfil[key] for key in ("id", "op", "sku", "location", "kind", "channel", "qty",
                                     "on_hand", "reserved", "state", "client")],
            ["o1", "part", "TEE", "main", "allotted", "web", "1", "5", "1", "confirmed",
             'the "till"\n'],
        )
        self.assertEqual([row for row in whole if row["sku"] == "CUP"], rows("--sku", "CUP"))
        self.assertEqual(rows("--since", whole[3]["lsn"]),
                         [row for row in whole if int(row["lsn"]) > int(whole[3]["lsn"])])

    def test_dump_tells_one_time(self):
        """The lines, JSON and CSV: when a record's change was made."""
        rows = csv.DictReader(io.StringIO(self.journal("dump", self.data, "--csv").out))
        by_lsn = {int(row["lsn"]): row["time"] for row in rows}
        lines = [line.split() for line in self.journal("dump", self.data).out.splitlines()]
        records = [json.loads(line)
                   for line in self.journal("dump", self.data, "--json").out.splitlines()]
        self.assertGreater(len(by_lsn), 5)
        latest = ""  # turns of two workers overlap; the times of the CSV's changes never go back
        for (lsn, when, *_), record in zip(lines, records, strict=True):
            ms = f"{record['time_ms'] % 1000:03}Z"
            self.assertEqual((int(lsn), when[-4:]), (record["lsn"], ms))
            if record["lsn"] in by_lsn:
                latest = max(latest, when)
                self.assertEqual(by_lsn[record["lsn"]], latest)

    def test_a_torn_tail_is_told_and_left(self):
        torn = self.content[: self.last_batch() + 70] + bytes(
            len(self.content) - self.last_batch() - 70
        )
        self.write(torn)
        self.assertIn("torn", self.journal("verify", self.data).out)
        with open(self.segment, "rb") as file:
            self.assertEqual(file.read(), torn)

    def test_damage_is_named(self):
        second = self.content.index(b"SDBATCH1", 2 * BLOCK)
        damaged = bytearray(self.content)
        damaged[second + 70] ^= 1
        self.write(damaged)
        for command in ("verify", "dump", "stat"):
            got = self.journal(command, self.data, expect=1)
            self.assertIn(f"0000000001.seg: offset {second}:", got.err)

    def test_not_while_an_engine_runs(self):
        with Server() as other:
            got = self.journal("verify", other.data, expect=2)
            self.assertIn("an engine is running", got.err)

    def test_usage(self):
        self.assertIn("usage", self.journal("--help").out)
        for args in ((), ("verify",), ("mend", self.data), ("verify", self.data, "x"),
                     ("verify", self.data, "--yaml")):
            self.assertIn("usage", run_program("stock-journal", *args).err)
            self.assertEqual(run_program("stock-journal", *args).code, 2)
        self.journal("verify", "/nowhere", expect=2)


if __name__ == "__main__":
    main()
