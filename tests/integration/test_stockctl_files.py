#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""stockctl with files: import, export and replay, good and bad, once and again, with and without a crash."""

import csv
import io
import json
import os
import re
import signal
import subprocess
from random import Random

from cutting_proxy import CuttingProxy
from stockctl_case import DONE, REFUSED, UNREACHABLE, USAGE, StockctlTestCase
from stockd_harness import BIN_DIR, CALL_TIMEOUT, Server, main, reap, run_program, spawn, unique, wait_until


class Import(StockctlTestCase):
    HEADER = "sku,location,on_hand\n"

    def imported(self, text, *args, **kwargs):
        return self.json("import", "stock", self.file(text), *args, **kwargs)

    def refused_rows(self, text, *args):
        """[(line, column)] of a file that must be refused, the same for people and as JSON."""
        path = self.file(text)
        before = self.exported()
        self.assertEqual(self.ctl("import", "stock", path, *args, expect=USAGE), "")
        said = re.findall(r"(?m)^stockctl: \S+: line (\d+), column (.+?): ", self.err)
        rows = [(int(line), column) for line, column in said]
        error = self.json("import", "stock", path, *args, expect=USAGE)["error"]
        self.assertEqual(error["code"], "bad_rows")
        self.assertEqual([(row["line"], row["column"]) for row in error["details"]["rows"]], rows)
        self.assertEqual(self.exported(), before, "something of a bad file was applied")
        return rows

    def test_a_connection_that_breaks_loses_no_row(self):
        for replies in range(4, 14):
            skus = [unique("CUT") for _ in range(8)]
            text = self.HEADER + "".join(f"{sku},main,{n + 1}\n" for n, sku in enumerate(skus))
            with self.subTest(replies=replies), CuttingProxy(self.server.tcp, replies) as proxy:
                done = run_program("stockctl", "-s", proxy.address, "--json", "import", "stock",
                                   self.file(text))
                self.assertEqual(done.code, DONE, done.err)
                got = json.loads(done.out)
                self.assertEqual(got["applied"] + got["repeated"], 8, "rows that nobody heard of")
                self.assertEqual([self.figures(sku)[0] for sku in skus], list(range(1, 9)))

    def test_sets_stock(self):
        a, b = unique("IMP"), unique("IMP")
        self.call("location_set", "store-3", {})
        self.stocked(99, sku=a)
        got = self.imported(self.HEADER + f"{a},main,5\n{b},main,0\n{a},store-3,7\n")
        self.assertEqual((got["rows"], got["applied"], got["repeated"], got["skipped"]), (3, 3, 0, 0))
        got = {key: value[0] for key, value in self.exported("IMP").items() if key[0] == a}
        self.assertEqual(got, {(a, "main"): 5, (a, "store-3"): 7})
        self.assertEqual(self.figures(b), (0, 0, 0))

    def test_for_people(self):
        path = self.file(self.HEADER + unique("IMP") + ",main,5\n")
        self.assertRegex(self.ctl("import", "stock", path), r"^1 rows set in \d+\.\d\d s\n$")

    def test_any_column_order_and_more_columns(self):
        sku = unique("IMP")
        self.imported(f"Name,ON_HAND,price,location,sku\n\"Mug, red\",12,3.50,main,{sku}\n")
        self.assertEqual(self.figures(sku)[0], 12)

    def test_shapes_of_files(self):
        for text in ("\ufeffsku,location,on_hand\n{},main,4\n", "sku,location,on_hand\r\n{},main,4\r\n",
                     "sku,location,on_hand\n\n{},main,4", '"sku","location","on_hand"\n"{}","main","4"\n',
                     "sku,location,on_hand\r{},main,4\r", " sku , location , on_hand \n {} , main , 4 \n"):
            sku = unique("IMP")
            self.imported(text.format(sku))
            self.assertEqual(self.figures(sku)[0], 4, repr(text))

    def test_standard_input(self):
        sku = unique("IMP")
        self.ctl("import", "stock", "-", stdin=self.HEADER + f"{sku},main,3\n")
        self.assertEqual(self.figures(sku)[0], 3)

    def test_odd_skus(self):
        for sku in ('say "hi"', "a,b", "two\nlines", " spaces ", "Größe 42", "x" * 64):
            out = io.StringIO()
            csv.writer(out).writerows([["sku", "location", "on_hand"], [sku, "main", 6]])
            text = out.getvalue().replace(" spaces ", '" spaces "')
            self.imported(text)
            self.assertEqual(self.figures(sku)[0], 6, repr(sku))
            self.assertIn((sku, "main"), self.exported())

    def test_the_same_file_twice(self):
        sku = unique("IMP")
        text = self.HEADER + f"{sku},main,5\n"
        self.imported(text)
        self.stocked(3, sku=sku)
        got = self.imported(text)
        self.assertEqual((got["applied"], got["repeated"]), (0, 1))
        self.assertEqual(self.figures(sku)[0], 8)
        self.assertEqual(self.imported(text.replace(",5", ",6"))["applied"], 1)  # a changed file is another
        self.assertEqual(self.figures(sku)[0], 6)
        self.assertEqual(self.imported(text, "--batch", "monday")["applied"], 1)
        self.assertEqual(self.figures(sku)[0], 5)
        self.assertIn("--batch", self.ctl("import", "stock", self.file(text)))

    def test_bad_rows_by_line_and_column(self):
        sku = unique("BAD")
        for row, column in ((f"{sku},main,many", "on_hand"), (f"{sku},main,-1", "on_hand"), (f"{sku},main,", "on_hand"),
                            (f"{sku},main,1.5", "on_hand"), (f"{sku},main,268435456", "on_hand"),
                            (f"{sku},main,99999999999999999999", "on_hand"), (f"{sku},main,1e3", "on_hand"),
                            (f"{sku},main,1\0", "on_hand"), (f"{sku},main\0,1", "location"),
                            (f"{sku},atlantis,1", "location"), (f"{sku},,1", "location"), (",main,1", "sku"),
                            ("x" * 65 + ",main,1", "sku"), (f"{sku},main", "on_hand"), (f"{sku},main,1,2", "4"),
                            (f'{sku},ma"in,1', "location"), (f"{sku}-ok,main,2", "sku"), (f'{sku},main,"1', "on_hand")):
            with self.subTest(row=row):
                text = self.HEADER + f"{sku}-ok,main,1\n" + row + "\n"
                self.assertEqual(self.refused_rows(text), [(3, column)])

    def test_bad_utf8(self):
        path = self.file("")
        with open(path, "wb") as file:
            file.write(b"sku,location,on_hand\nBAD-\xff,main,1\nBAD-\xc3\xa9,main,1\n")
        self.ctl("import", "stock", path, expect=USAGE)
        self.assertRegex(self.err, r"line 2, column sku: .*UTF-8")
        self.assertNotIn("line 3", self.err)

    def test_lines_are_counted_through_quoted_fields(self):
        sku = unique("BAD")
        text = f'sku,location,on_hand,note\n{sku}-1,main,1,"a\nb\r\nc"\n\n{sku}-2,main,x,"d\ne"\n{sku}-3,main,y,\n'
        self.assertEqual(self.refused_rows(text), [(6, "on_hand"), (8, "on_hand")])

    def test_lines_are_counted_as_others_count_them(self):
        """Random files; Python's csv module says on which line each record begins."""
        for seed in range(20):
            random = Random(seed)
            out = io.StringIO()
            writer = csv.writer(out, lineterminator=random.choice(("\n", "\r\n")), quoting=random.choice((0, 1)))
            writer.writerow(["note", "sku", "location", "on_hand"])
            for _ in range(100):
                note = "".join(random.choices(('"', ",", "\n", "\r\n", "x", "é", "; "), k=random.randrange(12)))
                writer.writerow([note.strip(" "), "BAD", "main", "many"])
                out.write("\n" * random.choice((0, 0, 0, 1, 3)))
            reader = csv.reader(io.StringIO(out.getvalue(), newline=""))
            wanted = []
            for row in reader:
                if row and row[1] == "BAD":  # what the reader counts is the line a record ends on
                    wanted.append(reader.line_num - sum(field.count("\n") for field in row))
            with self.subTest(seed=seed):
                error = self.json("import", "stock", self.file(out.getvalue()), expect=USAGE)["error"]
                self.assertEqual([row["line"] for row in error["details"]["rows"]], wanted)

    def test_every_fault_is_named(self):
        self.assertEqual(self.refused_rows(self.HEADER + ",nowhere,x\nBAD,main,y\n"),
                         [(2, "sku"), (2, "location"), (2, "on_hand"), (3, "on_hand")])

    def test_many_faults_are_cut_short_for_people(self):
        path = self.file(self.HEADER + "BAD,main,x\n" * 100)
        self.ctl("import", "stock", path, expect=USAGE)
        self.assertLess(len(self.err.splitlines()), 30)
        self.assertIn("80 more", self.err)

    def test_skip_bad(self):
        a, b = unique("SKIP"), unique("SKIP")
        text = self.HEADER + f"{a},main,5\n{a},main,6\n,main,1\n{b},ma\"in,1\n{b},main,7\n"
        path = self.file(text)
        done = run_program("stockctl", "-s", self.server.tcp, "--json", "import", "stock", path, "--skip-bad")
        self.assertEqual(done.code, DONE, done.err)
        got = json.loads(done.out)
        self.assertEqual((got["applied"], got["skipped"]), (2, 3))
        self.assertEqual((self.figures(a)[0], self.figures(b)[0]), (5, 7))
        for line in ("line 3, column sku", "line 4, column sku", "line 5, column location"):
            self.assertIn(line, done.err)

    def test_bad_files(self):
        for text, said in (("", "no header"), ("sku,on_hand\nA,1\n", "location"), ("sku,sku,location,on_hand\n", "sku"),
                           ('sk"u,location,on_hand\n', "quote"), ("A,main,1\n", "sku")):
            with self.subTest(text=text):
                self.ctl("import", "stock", self.file(text), expect=USAGE)
                self.assertIn(said, self.err)
        self.ctl("import", "stock", "/nonexistent.csv", expect=USAGE)
        self.assertIn("/nonexistent.csv", self.err)
        self.ctl("import", "stock", self.server.directory, expect=USAGE)
        self.assertEqual(self.imported(self.HEADER)["rows"], 0)

    def test_many_rows(self):
        rows = [(f"MANY-{n:05}", "main", 1 + n % 1000) for n in range(20000)]
        got = self.imported(self.HEADER + "".join(f"{s},{p},{n}\n" for s, p, n in rows))
        self.assertEqual(got["applied"], len(rows))
        self.assertEqual({key: value[0] for key, value in self.exported("MANY-").items()},
                         {(s, p): n for s, p, n in rows})

    def test_an_engine_that_is_killed_and_comes_back(self):
        rows = 100000
        path = self.file(self.HEADER + "".join(f"CRASH-{n},main,{1 + n % 7}\n" for n in range(rows)))
        with Server() as server:
            process = spawn([os.path.join(BIN_DIR, "stockctl"), "-s", server.unix, "--json", "import", "stock", path],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            with server.client("unix") as client:
                wait_until(lambda: client.call("availability", "default", ["CRASH-2000"])["stock"] != [None],
                           what="the first rows")
            server.restart(kill=True)
            out, err = process.communicate(timeout=CALL_TIMEOUT)
            code = reap(process, 1)
            if code != DONE:  # a busy machine: the engine came back later than stockctl waits
                self.assertIn("run the same command to continue", err)
                done = run_program("stockctl", "-s", server.unix, "--json", "import", "stock", path)
                code, out, err = done.code, done.out, done.err
            self.assertEqual((code, err), (DONE, ""))
            self.assertEqual(json.loads(out)["rows"], rows)
            done = run_program("stockctl", "-s", server.unix, "export", "stock")
            lines = done.out.splitlines()[1:]
            self.assertEqual(set(lines), {f"CRASH-{n},main,{1 + n % 7},0,{1 + n % 7}" for n in range(rows)})
            self.assertEqual(len(lines), rows)

    def test_an_engine_that_does_not_come_back(self):
        """A small id table keeps the import from its end: the engine asks for patience until it is killed."""
        rows = 30000
        path = self.file(self.HEADER + "".join(f"GONE-{n},main,1\n" for n in range(rows)))
        with Server("--reservations", "20000") as server:
            process = spawn([os.path.join(BIN_DIR, "stockctl"), "-s", server.unix, "import", "stock", path],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            with server.client("unix") as client:
                wait_until(lambda: client.call("availability", "default", ["GONE-18000"])["stock"] != [None],
                           what="the rows that there is room for")
                self.assertRegex(process.stderr.readline(), r"^stockctl: waiting, because the engine is overloaded: .*--reservations")
            server.kill()
            _, err = process.communicate(timeout=CALL_TIMEOUT)
            self.assertEqual(reap(process, 1), UNREACHABLE)
            self.assertRegex(err, r"stopped after \d+ of 30000 rows; run the same command")
            server.extra = []
            server.start()
            done = run_program("stockctl", "-s", server.unix, "--json", "import", "stock", path)
            got = json.loads(done.out)
            self.assertEqual(got["applied"] + got["repeated"], rows)
            self.assertGreater(got["repeated"], 10000)

    def rows_file(self, prefix, rows):
        return self.file(self.HEADER + "".join(f"{prefix}-{n},main,1\n" for n in range(rows)))

    def assert_no_bar_left(self, seen, bar):
        """The bar was there, and each line that can still be read on the terminal is without it."""
        self.assertRegex(seen, bar)
        for line in seen.split(b"\n"):
            self.assertNotRegex(line.split(b"\r\x1b[K")[-1], rb"\[[#.]{30}\]")

    def test_progress_on_a_terminal(self):
        code, seen = self.on_terminal("import", "stock", self.rows_file("BAR", 20000))
        self.assertEqual(code, DONE)
        self.assert_no_bar_left(seen, rb"import \[[#.]{30}\] \d+/20000")
        self.assertRegex(seen, rb"20000 rows set")

    def test_a_bar_is_gone_when_the_import_is_refused_or_interrupted(self):
        bar = rb"import \[[#.]{30}\] \d+/"
        with Server("--items", "5000") as small:
            code, seen = self.on_terminal("import", "stock", self.rows_file("FULL", 20000), server=small)
            self.assertEqual(code, REFUSED)
            self.assert_no_bar_left(seen, bar)
            self.assertRegex(seen, rb"(\n|\x1b\[K)stockctl: \S+: line \d+: refused by the engine\n")
        code, seen = self.on_terminal("import", "stock", self.rows_file("STOP", 200000), interrupt_at=bar)
        self.assertIn(code, (-signal.SIGINT, DONE))
        self.assert_no_bar_left(seen, bar)


class Export(StockctlTestCase):
    def test_sorted_by_bytes(self):
        self.call("location_set", "store-4", {})
        skus = ["Z", "a", "A", "ä", "A-1", "AA"]
        for sku in skus:
            for place in ("store-4", "main"):
                self.stocked(3, place, f"SORT{sku}")
        self.reserved([["SORTZ", 2, "main"]])
        out = self.ctl("export", "stock")
        self.assertEqual(out.splitlines()[0], "sku,location,on_hand,reserved,available")
        rows = [line.split(",") for line in out.splitlines() if line.startswith("SORT")]
        wanted = [[s.decode(), p] for s in sorted(f"SORT{sku}".encode() for sku in skus) for p in ("main", "store-4")]
        self.assertEqual([row[:2] for row in rows], wanted)
        self.assertIn("SORTZ,main,3,2,1", out.splitlines())

    def test_import_reads_what_export_wrote(self):
        for sku in ("plain", 'q"uote', "com,ma", "nl\nx", " edge "):
            self.stocked(9, sku=f"ROUND{sku}" if sku[0] != " " else sku)
        path = self.file(self.ctl("export", "stock"))
        before = self.exported()
        with Server() as other:
            for location in self.call("locations")["locations"]:
                with other.client() as client:
                    client.call("location_set", location["code"], {})
            done = run_program("stockctl", "-s", other.tcp, "import", "stock", path)
            self.assertEqual((done.code, done.err), (DONE, ""))
            again = run_program("stockctl", "-s", other.tcp, "export", "stock")
            rows = csv.reader(io.StringIO(again.out, newline=""))
            next(rows)
            self.assertEqual({(row[0], row[1]): int(row[2]) for row in rows},
                             {key: value[0] for key, value in before.items()})

    def test_json(self):
        sku = self.stocked(4)
        rows = self.json("export", "stock")["stock"]
        self.assertIn({"sku": sku, "location": "main", "on_hand": 4, "reserved": 0, "available": 4}, rows)

    def test_nothing(self):
        with Server() as empty:
            done = run_program("stockctl", "-s", empty.tcp, "export", "stock")
            self.assertEqual((done.code, done.out), (DONE, "sku,location,on_hand,reserved,available\n"))


class Replay(StockctlTestCase):
    HEADER = "order_id,channel,sku,qty\n"

    def orders(self, sku):
        """Ten units in stock; three orders, one of them too big, and a return. Ends with 10 - 4 - 3 + 2."""
        self.stocked(10, sku=sku)
        ids = [unique("R") for _ in range(4)]
        return self.HEADER + (f"{ids[0]},default,{sku},3\n{ids[0]},default,{sku},1\n{ids[1]},default,{sku},7\n"
                              f"{ids[2]},default,{sku},3\n{ids[3]},default,{sku},-1\n{ids[3]},default,{sku},-1\n")

    def check(self, got, **wanted):
        self.assertEqual({key: got[key] for key in wanted}, wanted)
        self.assertEqual(got["orders"], got["fulfilled"] + got["refused"] + got["returns"])
        self.assertGreaterEqual(got["seconds"], 0)
        self.assertIn("orders/s", got)

    def bad_rows(self, text):
        self.assertEqual(self.ctl("replay", self.file(text), expect=USAGE), "")
        return [(int(line), column) for line, column in re.findall(r"line (\d+), column (.+?): ", self.err)]

    def test_orders_refusals_and_returns(self):
        sku = unique("REPLAY")
        got = self.json("replay", self.file(self.orders(sku)))
        self.check(got, orders=4, fulfilled=2, refused=1, returns=1, units=7, units_returned=2)
        self.assertEqual(got["refusals"], {"insufficient_stock": 1})
        self.assertEqual(self.figures(sku), (5, 0, 5))

    def test_for_people(self):
        out = self.ctl("replay", self.file(self.orders(unique("REPLAY"))))
        for name, figure in (("orders", 4), ("fulfilled", 2), ("refused", 1), ("returns", 1), ("units", 7)):
            self.assertRegex(out, rf"(?m)^{name} +{figure}$")
        self.assertRegex(out, r"(?m)^seconds +\d")
        self.assertRegex(out, r"(?m)^orders/s +\d")

    def test_again_does_nothing_twice(self):
        sku = unique("REPLAY")
        path = self.file(self.orders(sku))
        self.json("replay", path)
        got = self.json("replay", path)
        self.check(got, orders=4, fulfilled=2, refused=1, returns=1)
        self.assertEqual(self.figures(sku), (5, 0, 5))

    def test_the_log_keeps_refused_orders_refused(self):
        sku = unique("REPLAY")
        path, log = self.file(self.orders(sku)), os.path.join(self.server.directory, unique("log"))
        self.json("replay", path, "--log", log)
        self.stocked(100, sku=sku)
        got = self.json("replay", path, "--log", log)
        self.check(got, fulfilled=2, refused=1, returns=1, resumed=4)
        self.assertEqual(self.figures(sku)[0], 105)
        got = self.json("replay", path)  # without the log it is asked again
        self.check(got, fulfilled=3, refused=0, returns=1)
        self.assertEqual(self.figures(sku)[0], 98)

    def test_a_torn_log_is_mended(self):
        sku = unique("REPLAY")
        path, log = self.file(self.orders(sku)), os.path.join(self.server.directory, unique("log"))
        self.json("replay", path, "--log", log)
        with open(log, "r+", encoding="utf-8") as file:
            text = file.read()
            file.truncate(len(text) - 5)
        got = self.json("replay", path, "--log", log)
        self.check(got, fulfilled=2, refused=1, returns=1, resumed=3)
        with open(log, encoding="utf-8") as file:
            self.assertEqual(file.read(), text)
        self.assertEqual(self.figures(sku), (5, 0, 5))

    def test_a_log_may_be_torn_anywhere(self):
        """An id with newlines and quotes in it: a cut may leave a quote open, before and after a newline."""
        sku, ident = self.stocked(100), unique('torn\n"')
        quoted = '"' + ident.replace('"', '""') + '"'
        path = self.file(self.HEADER + f"{unique('R')},default,{sku},1\n{quoted},default,{sku},2\n")
        log = os.path.join(self.server.directory, unique("log"))
        self.json("replay", path, "--log", log)
        with open(log, "rb") as file:
            whole = file.read()
        self.assertIn(b'"torn\n""', whole)
        second = whole.index(b'"torn')
        second = whole.rindex(b"\n", 0, second) + 1
        for size in (0, 9, 26, 27, 28, *range(second - 1, len(whole))):  # in the header, after it, in the last record
            with open(log, "wb") as file:
                file.write(whole[:size])
            got = self.json("replay", path, "--log", log)
            self.check(got, orders=2, fulfilled=2, resumed=(size >= second) if size > 27 else 0)
            with open(log, "rb") as file:
                self.assertEqual(file.read(), whole, f"cut to {size} bytes")
        self.assertEqual(self.figures(sku), (97, 0, 97))

    def test_a_file_that_is_no_log(self):
        path = self.file(self.orders(unique("REPLAY")))
        for text in ("hello\n", "hello", "line,order_id,outcome,code2\n1,2", 'line,order_id\n"'):
            other = self.file(text)
            self.ctl("replay", path, "--log", other, expect=USAGE)
            self.assertIn("not a log written by replay", self.err)
            with open(other, encoding="utf-8") as file:
                self.assertEqual(file.read(), text, "what is no log was changed")
        self.ctl("replay", path, "--log", "/nonexistent/log", expect=USAGE)

    def test_connections_and_pipeline(self):
        sku = unique("REPLAY")
        self.stocked(1000, sku=sku)
        names = [unique("P") for _ in range(300)]
        text = self.HEADER + "".join(f"{name},default,{sku},{2 if n % 10 else -1}\n" for n, name in enumerate(names))
        got = self.json("replay", self.file(text), "--connections", "4", "--pipeline", "8")
        self.check(got, orders=300, fulfilled=270, refused=0, returns=30, units=540, units_returned=30)
        self.assertEqual(self.figures(sku), (490, 0, 490))

    def test_no_oversell_over_many_connections(self):
        sku = unique("REPLAY")
        self.stocked(50, sku=sku)
        text = self.HEADER + "".join(f"{unique('P')},default,{sku},1\n" for _ in range(200))
        got = self.json("replay", self.file(text), "--connections", "8", "--pipeline", "4")
        self.check(got, fulfilled=50, refused=150)
        self.assertEqual(self.figures(sku), (0, 0, 0))

    def test_answers_after_a_lost_connection_belong_to_their_orders(self):
        """The connection is cut after each number of replies, with up to four orders in flight."""
        setup, log = 3, os.path.join(self.server.directory, unique("log"))  # hello, locations, channels
        for replies in range(20):
            sku = self.stocked(100)
            ids = [unique("CUT") for _ in range(7)]
            text = self.HEADER + "".join(f"{ident},default,{sku},{1000 if n in (1, 4) else -1 if n == 2 else 1 + n}\n"
                                         for n, ident in enumerate(ids))
            with self.subTest(replies=replies), CuttingProxy(self.server.tcp, setup + replies) as proxy:
                done = run_program("stockctl", "-s", proxy.address, "--json", "replay", self.file(text), "--log", log,
                                   "--pipeline", "4")
                self.assertEqual(done.code, DONE, done.err)
                self.check(json.loads(done.out), orders=7, fulfilled=4, refused=2, returns=1, units=1 + 4 + 6 + 7)
                self.assertGreaterEqual(proxy.connections, 2 if replies < 10 else 1)
                with open(log, encoding="utf-8") as file:
                    outcomes = {row["order_id"]: row["outcome"] for row in csv.DictReader(file)}
                self.assertEqual([outcomes[ident] for ident in ids],
                                 ["refused" if n in (1, 4) else "returned" if n == 2 else "fulfilled" for n in range(7)])
                for n, ident in enumerate(ids):
                    if n in (1, 4):
                        self.refused("unknown_reservation", "reservation", ident)
                    elif n != 2:
                        self.assertEqual(self.state(ident), "fulfilled", ident)
                self.assertEqual(self.figures(sku), (100 - 18 + 1, 0, 100 - 18 + 1))
            os.unlink(log)

    def test_what_the_engine_is_too_busy_for_is_asked_again(self):
        sku, setup = unique("BUSY"), 3
        text = self.orders(sku)
        with CuttingProxy(self.server.tcp, None, busy=range(setup, setup + 6)) as proxy:
            done = run_program("stockctl", "-s", proxy.address, "--json", "replay", self.file(text))
        self.assertEqual(done.code, DONE, done.err)
        got = json.loads(done.out)
        self.check(got, orders=4, fulfilled=2, refused=1, returns=1, units=7, units_returned=2)
        self.assertEqual(got["refusals"], {"insufficient_stock": 1})
        self.assertEqual(self.figures(sku), (5, 0, 5))

    def test_all_or_nothing(self):
        one, two, ident = self.stocked(5), self.stocked(5), unique("R")
        self.json("replay", self.file(self.HEADER + f"{ident},default,{one},5\n{ident},default,{two},6\n"))
        self.assertEqual((self.figures(one), self.figures(two)), ((5, 0, 5), (5, 0, 5)))

    def test_locations(self):
        self.call("location_set", "store-5", {"groups": ["north"]})
        self.call("channel_set", "till", {"locations": ["store-5", "main"]})
        self.call("channel_set", "grouped", {"locations": ["north"]})
        sku = self.stocked(10)
        self.stocked(10, "store-5", sku)
        a, b, c, d, e = (unique("R") for _ in range(5))
        text = "qty,sku,location,channel,order_id\n" + (
            f"4,{sku},store-5,default,{a}\n"   # bound to a place
            f"-1,{sku},main,till,{b}\n"        # a return to the row's
            f"-2,{sku},,till,{c}\n"            # ... to the channel's first
            f"-3,{sku},,default,{d}\n"         # ... to main, for a channel without locations
            f"-5,{sku},,grouped,{e}\n")        # ... to the first one of a group
        self.check(self.json("replay", self.file(text)), fulfilled=1, returns=4)
        pools = {pool["location"]: pool["on_hand"] for pool in self.call("stock", sku)["pools"]}
        self.assertEqual(pools, {"main": 10 + 1 + 3, "store-5": 10 - 4 + 2 + 5})

    def test_unknown_sku_is_a_refusal(self):
        got = self.json("replay", self.file(self.HEADER + f"{unique('R')},default,GHOST,1\n"))
        self.check(got, refused=1, refusals={"unknown_sku": 1})

    def test_somebody_elses_order_is_left_alone(self):
        sku = self.stocked(10)
        ident = self.reserved([[sku, 4]])
        got = self.json("replay", self.file(self.HEADER + f"{ident},default,{sku},1\n"))
        self.check(got, refused=1, refusals={"conflict": 1})
        self.assertEqual(self.state(ident), "held")

    def test_bad_rows(self):
        for rows, wanted in (
            ("A,default,X,0\n", [(2, "qty")]), ("A,default,X,many\n", [(2, "qty")]),
            ("A,default,X,1.5\n", [(2, "qty")]),
            ("A,default,X,1\nA,default,X,-1\n", [(3, "qty")]), ("A,nowhere,X,1\n", [(2, "channel")]),
            ("A,default,,1\n", [(2, "sku")]), (",default,X,1\n", [(2, "order_id")]), ("A,default,X\n", [(2, "qty")]),
            (f"{'x' * 41},default,X,1\n", [(2, "order_id")]), (f"{'x' * 39},default,X,-1\n", [(2, "order_id")]),
            ("A,default,X,268435456\n", [(2, "qty")]),
            ("A,default,X,1\nB,default,X,1\nB,other,X,1\n", [(4, "channel")]),
        ):
            with self.subTest(rows=rows):
                self.assertEqual(self.bad_rows(self.HEADER + rows), wanted)
        text = "order_id,channel,sku,qty,location\nA,default,X,1,atlantis\n"
        self.assertEqual(self.bad_rows(text), [(2, "location")])

    def test_nothing_of_a_bad_file_is_sent(self):
        sku = self.stocked(10)
        self.bad_rows(self.HEADER + f"{unique('R')},default,{sku},1\n{unique('R')},default,{sku},0\n")
        self.assertEqual(self.figures(sku), (10, 0, 10))

    def test_nothing_to_do(self):
        self.check(self.json("replay", self.file(self.HEADER)), orders=0, fulfilled=0)


if __name__ == "__main__":
    main()
