#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Half a year of a real retailer's orders through the engine, exact to the unit.

The data is Online Retail (UCI Machine Learning Repository, Daqing Chen, 2015, DOI 10.24432/C5BW33, CC BY 4.0). It is
not part of the project: it is looked for in $STOCKD_RETAIL_DATA, then in ../shared/data/online-retail beside the
project.

The oracle is Model below: one dict of units by SKU, and nothing else of the engine's. The tests compare with it
  - what became of each order, as `stockctl replay --log` has it,
  - the summary of the replay,
  - every item's on_hand, reserved and available, as `stockctl export stock` has them,
after a replay of all the data, one order at a time; after replays during which the engine was killed; and after one
more kill -9 and recovery.
"""

import collections
import csv
import importlib.util
import io
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest

from stockd_harness import (BIN_DIR, SLOW, SOURCE_ROOT, RpcError, Server, main, reap, run_program,
                            spawn, wait_until)

DATA = os.environ.get("STOCKD_RETAIL_DATA") or os.path.join(SOURCE_ROOT, "..", "shared", "data", "online-retail")
SOURCE = os.path.join(DATA, "online-retail.csv.gz")
LOCATION = "main"

REPLAY_TIMEOUT = 200  # seconds; it takes five


def load_converter():
    path = os.path.join(SOURCE_ROOT, "tools", "online-retail", "convert.py")
    spec = importlib.util.spec_from_file_location("convert", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


convert = load_converter()


class Files:
    """What the converter made of the data."""

    def __init__(self, directory, **options):
        self.found = convert.convert(SOURCE, directory, location=LOCATION, **options)
        self.directory = directory
        self.stock = os.path.join(directory, "stock.csv")
        self.orders = os.path.join(directory, "orders.csv")
        self.setup = os.path.join(directory, "setup.sh")

    def read(self, path):
        with open(path, encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)


class Model:
    """The naive retailer: sells an order if all of it is there, takes back whatever comes back."""

    def __init__(self, files):
        self.units = {row["sku"]: int(row["on_hand"]) for row in files.read(files.stock)}
        self.outcome = {}  # by order id, in their sequence
        self.sold = self.taken_back = 0
        for ident, rows in itertools.groupby(files.read(files.orders), key=lambda row: row["order_id"]):
            assert ident not in self.outcome
            self.outcome[ident] = self.order([(row["sku"], int(row["qty"])) for row in rows])

    def order(self, lines):
        wanted = collections.Counter()
        for sku, qty in lines:
            wanted[sku] += qty
        if lines[0][1] < 0:
            for sku, qty in wanted.items():
                self.units[sku] -= qty
                self.taken_back -= qty
            return "returned"
        if any(self.units[sku] < qty for sku, qty in wanted.items()):
            return "refused"
        for sku, qty in wanted.items():
            self.units[sku] -= qty
            self.sold += qty
        return "fulfilled"

    def summary(self):
        count = collections.Counter(self.outcome.values())
        return {
            "orders": len(self.outcome), "fulfilled": count["fulfilled"], "refused": count["refused"],
            "returns": count["returned"], "units": self.sold, "units_returned": self.taken_back,
        }

    def export(self):
        """What `export stock` must say: nothing stays reserved."""
        return {sku: (units, 0, units) for sku, units in self.units.items()}


def known(client, ident):
    """Whether the engine has that reservation."""
    try:
        return client.call("reservation", ident)
    except RpcError:
        return None


@unittest.skipUnless(os.path.exists(SOURCE), f"no data at {os.path.normpath(SOURCE)}; set STOCKD_RETAIL_DATA")
class OnlineRetail(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="stockd-test-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.log = os.path.join(self.directory, "orders.log")

    def serve(self, *options):
        server = Server(*options)
        self.addCleanup(server.close)
        return server

    def ctl(self, server, *args):
        done = run_program("stockctl", "-s", server.unix, *args, timeout=REPLAY_TIMEOUT)
        self.assertEqual(done.code, 0, done.err)
        return done.out

    def open_shop(self, server, files):
        """Creates the channels and imports the opening stock, as a user would."""
        env = {**os.environ, "STOCKD_SERVER": server.unix, "PATH": BIN_DIR + os.pathsep + os.environ["PATH"]}
        done = subprocess.run([files.setup], env=env, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        got = json.loads(self.ctl(server, "--json", "import", "stock", files.stock))
        self.assertEqual(got["applied"], files.found["items"])

    def exported(self, server):
        """(on_hand, reserved, available) by SKU, of all items; an item that is sold out may have no row."""
        with server.client("unix") as client:
            got, page = {}, {"next": 0}
            while page["next"] is not None:
                page = client.call("items", page["next"], {"limit": 1000})
                got.update((sku, (0, 0, 0)) for sku, _ in page["items"])
        for row in csv.DictReader(io.StringIO(self.ctl(server, "export", "stock"), newline="")):
            self.assertEqual(row["location"], LOCATION)
            got[row["sku"]] = tuple(int(row[key]) for key in ("on_hand", "reserved", "available"))
        return got

    def logged(self):
        with open(self.log, encoding="utf-8", newline="") as file:
            return {row["order_id"]: row["outcome"] for row in csv.DictReader(file)}

    def lines_logged(self):
        try:
            with open(self.log, "rb") as file:
                return file.read().count(b"\n") - 1
        except FileNotFoundError:
            return 0

    def check_summary(self, out, model):
        got = json.loads(out)
        self.assertEqual({key: got[key] for key in model.summary()}, model.summary())
        self.assertEqual(got["refusals"], {"insufficient_stock": got["refused"]} if got["refused"] else {})
        return got

    def check_state(self, server, model):
        got, wanted = self.exported(server), model.export()
        wrong = [(key, "got", got.get(key), "wanted", wanted.get(key))
                 for key in sorted(got.keys() | wanted.keys()) if got.get(key) != wanted.get(key)]
        self.assertEqual((len(wrong), wrong[:5]), (0, []))

    def check_after_kill(self, server, model):
        server.restart(kill=True)
        self.check_state(server, model)

    def replay(self, server, files, *options):
        """Starts a replay, one order at a time."""
        argv = [os.path.join(BIN_DIR, "stockctl"), "-s", server.unix, "--json", "replay", files.orders, *options]
        return spawn(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self, process, expect=0):
        out, err = process.communicate(timeout=REPLAY_TIMEOUT * SLOW)
        reap(process, 1)
        self.assertEqual(process.returncode, expect, err)
        return out

    def wait_while(self, process, condition, what):
        """Waits for the condition while the replay goes on."""
        wait_until(lambda: condition() or process.poll() is not None, REPLAY_TIMEOUT, what=what)
        self.assertIsNone(process.poll(), f"the replay was over before {what}")

    # the converter

    def test_no_row_is_lost(self):
        files = Files(self.directory)
        source = collections.Counter((row.sku, row.qty) for row in convert.read_rows(SOURCE, None))
        made = collections.Counter((row["sku"], int(row["qty"])) for row in files.read(files.orders))
        corrections = files.read(os.path.join(self.directory, "corrections.csv"))
        made.update((row["sku"], int(row["qty"])) for row in corrections)
        self.assertEqual(made, source)
        lines = collections.Counter(row["order_id"] for row in files.read(files.orders))
        self.assertLessEqual(max(lines.values()), 1024)
        outcomes = collections.Counter(Model(files).outcome.values())
        for outcome in ("fulfilled", "refused", "returned"):
            self.assertGreater(outcomes[outcome], 500, f"too few are {outcome} to prove anything")

    # the engine

    def test_all_orders(self):
        files = Files(self.directory)
        model = Model(files)
        server = self.serve()
        self.open_shop(server, files)
        start = time.monotonic()
        out = self.finish(self.replay(server, files, "--log", self.log))
        got = self.check_summary(out, model)
        print(f"{got['orders']} orders in {time.monotonic() - start:.1f} s ", end="", flush=True)
        self.assertEqual(self.logged(), model.outcome)
        self.check_state(server, model)
        self.check_after_kill(server, model)

    def test_killed_and_repeated(self):
        """Ample stock, so that no order is refused: then the ids alone make a repetition exact."""
        files = Files(self.directory, percent=100)
        model = Model(files)
        self.assertEqual(model.summary()["refused"], 0)
        server = self.serve()
        self.open_shop(server, files)
        sales = [ident for ident, outcome in model.outcome.items() if outcome == "fulfilled"]
        process = self.replay(server, files, "--patience", "0s")
        with server.client("unix") as client:
            self.wait_while(process, lambda: known(client, sales[len(sales) // 2]), "half of the orders")
        server.kill()
        self.finish(process, expect=3)
        server.start()
        self.assertNotEqual(self.exported(server), model.export())
        self.check_summary(self.finish(self.replay(server, files)), model)
        self.check_state(server, model)
        self.check_after_kill(server, model)

    def test_killed_and_resumed_from_the_log(self):
        """Scarce stock: a refused order leaves no trace in the engine, and the log remembers it."""
        files = Files(self.directory, percent=70)
        model = Model(files)
        self.assertGreater(model.summary()["refused"], 100)
        server = self.serve()
        self.open_shop(server, files)
        total = len(model.outcome)
        process = self.replay(server, files, "--log", self.log, "--patience", "0s")
        self.wait_while(process, lambda: self.lines_logged() > total // 3, "a third of the orders")
        server.kill()
        self.finish(process, expect=3)
        server.start()
        process = self.replay(server, files, "--log", self.log, "--patience", "60s")
        self.wait_while(process, lambda: self.lines_logged() > total * 2 // 3, "two thirds of the orders")
        server.restart(kill=True)  # this one waits for the engine and goes on
        got = self.check_summary(self.finish(process), model)
        self.assertGreater(got["resumed"], total // 3)
        self.assertEqual(self.logged(), model.outcome)
        self.check_state(server, model)
        self.check_after_kill(server, model)

    def test_many_connections(self):
        """In what sequence orders meet the stock is open then, but nothing may be sold twice or lost."""
        files = Files(self.directory, percent=70)
        server = self.serve()
        self.open_shop(server, files)
        out = self.finish(self.replay(server, files, "--connections", "8", "--pipeline", "8", "--log", self.log))
        outcome = self.logged()
        units = {row["sku"]: int(row["on_hand"]) for row in files.read(files.stock)}
        for row in files.read(files.orders):
            if outcome[row["order_id"]] != "refused":
                units[row["sku"]] -= int(row["qty"])
        self.assertGreaterEqual(min(units.values()), 0)
        self.assertEqual(json.loads(out)["orders"], len(outcome))
        self.assertEqual(self.exported(server), {sku: (n, 0, n) for sku, n in units.items()})


if __name__ == "__main__":
    if not os.path.exists(SOURCE):
        print(f"SKIPPED: no Online Retail data at {os.path.normpath(SOURCE)}; set STOCKD_RETAIL_DATA")
        sys.exit(77)
    main()
