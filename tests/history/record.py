#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Records a history of a real stockd under many clients, killed now and then, and checks it.

record.py [--seed N] [--clients N] [--items N] [--calls N] [--crashes N] [--workers N]
          [--durability always|none] [--settings] [--backorders] [--supplies]
          [--stockd PROGRAM] [--keep FILE]

The seed decides what is asked and when it is killed; who is first is up to the machine. A history
that nothing explains is kept, and checked again by check.py FILE. One in which too much was done at
once to be decided is followed by the next seed's.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "integration")]

import stockd_harness  # noqa: E402
from calls import History, Violation  # noqa: E402
from check import check, describe  # noqa: E402
from stockd_harness import RpcError, Server, StartError, spawn, wait_until  # noqa: E402
from watcher import Watcher  # noqa: E402

RECORDER = os.path.join(os.path.dirname(stockd_harness.BIN_DIR), "tests", "history", "recorder")
PLACES = ["main", "annex"]
CHANNELS = {
    "default": {"locations": PLACES, "buffer": 0},
    "web": {"locations": ["main"], "buffer": 1},
    "app": {"locations": PLACES, "buffer": 1},
}
# What of an item is sold from where changes too: with one channel more, which sells safety stock.
TILL = {"till": {"locations": ["main"], "buffer": 0, "ignore_safety": True}}
# Of supplies: some promise what is on its way, within an hour or at any time.
PROMISING = {
    "default": {"locations": PLACES, "buffer": 0},
    "near": {"locations": PLACES, "buffer": 0, "promise": "incoming", "horizon_s": 3600},
    "soon": {"locations": PLACES, "buffer": 0, "promise": "incoming"},
}
BULK = ["bulk0", "bulk1"]  # what tills sell: always there, so that no place ever owes any
LIMIT = 5  # units of an item that may be promised before they are there, where any may
WHAT = ("settings", "backorders", "supplies")  # a workload of its own each
ATTEMPTS = 4  # to record a history that can be decided
SOON_S = 600  # holds last much less, or much longer
WALL_NS = time.time_ns() - time.monotonic_ns()
BOSS = 1000  # the number of the client that sets up and looks around after a crash


class Boss:
    """A client whose calls are in the history too."""

    def __init__(self):
        self.lines = []
        self.client = None

    def connect(self, server):
        if self.client is not None:
            self.client.close()
        self.client = server.client("unix")
        return self.call("hello", "boss")["lsn"]

    def call(self, method, *params):
        asked = time.monotonic_ns()
        error = result = None
        try:
            result = self.client.call(method, *params)
        except RpcError as refused:
            error = [refused.code, "", refused.details]
        line = [BOSS, asked, time.monotonic_ns(), method, list(params), error, result]
        self.lines.append(line)
        return result

    def must(self, method, *params):
        result = self.call(method, *params)
        if result is None:
            raise Violation(f"{method} is refused", [json.dumps(self.lines[-1])])
        return result

    def set_up(self, items, channels, backorders):
        self.call("location_set", "annex", {"priority": 200})
        for code, channel in channels.items():
            self.call("channel_set", code, dict(channel))
        for item in range(items):
            if backorders:
                self.client.call("item_set", f"item{item}", {"backorder_limit": LIMIT})
            for place in PLACES:
                self.call("receive", f"first-{item}-{place}", f"item{item}", place, 2)
        for sku in BULK:
            self.call("receive", f"first-{sku}", sku, "main", 1000000)

    def look_around(self, items, reservations, supplies):
        for ident in sorted(reservations):
            self.call("reservation", ident)
        for ident in sorted(supplies):
            self.call("supply", ident)
        for item in range(items):
            self.call("stock", f"item{item}")
        for sku in BULK:
            self.call("stock", sku)

    def ask_events(self, options=None):
        since, events = 0, []
        while True:
            got = self.client.call("events", since, {"limit": 10000, **(options or {})})
            events += got["events"]
            since = got["next"]
            if got["next"] == got["lsn"]:
                return events, got["lsn"]

    def ask_engine(self, items):
        """What the engine tells of all that happened, page by page, once nothing more does."""
        while True:
            asked = len(self.lines)
            events, lsn = self.ask_events()
            self.lines.append([BOSS, 0, 0, "events", [], None, {"events": events}])
            for sku in [f"item{item}" for item in range(items)] + BULK:
                since = 0
                while since is not None:
                    page = self.must("history", sku, {"since_lsn": since, "limit": 1000})
                    since = page["next"]
            if self.client.call("hello", "boss")["lsn"] == lsn:
                return events
            del self.lines[asked:]

    def is_quiet(self, items, reservations):
        """Nothing is about to expire or to be late, and nothing that is free is kept for those who
        wait, or of a supply: they have it, or it is of no use to them."""
        for ident in reservations:
            expires_ms = self.client.call("reservation", ident)["expires_ms"]
            if expires_ms and expires_ms < (time.time() + SOON_S) * 1000:
                return False
        if not self.all_late_told():
            return False
        skus = [f"item{item}" for item in range(items)]
        shown = self.client.call("availability", "default", skus)["stock"]
        for sku, available in zip(skus, shown):
            pools = self.client.call("stock", sku)["pools"]
            shared = [pool for pool in pools if pool["kind"] == "shared"]
            if available != sum(max(0, p["on_hand"] - p["reserved"]) for p in shared):
                return False
        return True


    def all_late_told(self):
        late, _ = self.ask_events({"types": ["late"]})
        told = {event["id"]: event["time_ms"] for event in late}
        listed = self.client.call("supplies", {"state": "in_transit", "limit": 1000})["supplies"]
        soon_ms = (time.time() + SOON_S) * 1000
        return all(told.get(s["id"], 0) >= s["eta_ms"] for s in listed
                   if s["eta_ms"] and s["eta_ms"] < soon_ms)


class Recording:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.folder = tempfile.TemporaryDirectory(prefix="stockd-history-")
        self.notes = os.path.join(self.folder.name, "notes")
        self.boss = Boss()
        self.channels = {**CHANNELS, **(TILL if options.settings else {})}
        if options.supplies:
            self.channels = PROMISING
        self.crashes, self.recovered = [], []
        self.watcher = None

    def run(self):
        """Returns the lines of the history: the header first."""
        o = self.options
        arguments = ["--workers", o.workers, "--segment-bytes", 256 << 10]
        arguments += ["--durability", o.durability]
        with Server(*arguments) as self.server:
            try:
                self.play()
            finally:
                if self.watcher:
                    self.watcher.stop()
        return [self.header(), *self.all_lines()]

    def play(self):
        o = self.options
        self.boss.connect(self.server)
        self.boss.set_up(o.items, self.channels, o.backorders)
        self.watcher = Watcher(self.server) if o.backorders or o.supplies else None
        self.load()
        self.wait_quiet()
        self.boss.look_around(o.items, self.reservations(), self.supplies())
        if self.watcher:
            self.watcher.end(self.boss.ask_engine(o.items))
        self.boss.client.close()

    def load(self):
        """What the clients do, and the crashes meanwhile."""
        o = self.options
        command = [RECORDER, self.server.unix, self.notes, o.seed, o.clients, o.items, o.calls]
        command.append(int(o.patience * max(1, stockd_harness.SLOW)))
        command.append(next((w for w in WHAT if getattr(o, w)), "nothing"))
        self.recorder = spawn(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            for _ in range(o.crashes):
                self.until_crash()
            self.say_go()
            self.wait_idle()
            self.must_run(None)
            self.recorder.stdin.close()
            if self.recorder.wait() != 0:
                raise Violation("a call was never answered")
        finally:
            if self.recorder.poll() is None:
                self.recorder.kill()
            self.recorder.wait()

    def wait_quiet(self):
        """Those who wait are served in the engine's next iterations, if its pools were busy."""
        if self.watcher:
            try:
                wait_until(lambda: self.boss.is_quiet(self.options.items, self.reservations()),
                           self.options.patience)
            except AssertionError:
                raise Violation("W4: units are free, and kept for those who wait, for ever") from None

    def say_go(self):
        self.recorder.stdin.write("go\n")
        self.recorder.stdin.flush()

    def wait_idle(self):
        if self.recorder.stdout.readline() != "idle\n":
            self.recorder.wait()
            raise Violation("a call was never answered")

    def must_run(self, expected):
        """It did not end by itself, by an assertion for example."""
        code = self.server.process.poll()
        if code not in (None, expected):
            said = self.server.stderr().strip().splitlines()[-3:]
            self.server.process = None
            raise Violation(f"the engine ended by itself ({code})", said)

    def until_crash(self):
        delay = self.random.uniform(0.02, 0.3)
        self.say_go()
        timer = threading.Timer(delay * stockd_harness.SLOW, self.server.process.kill)
        timer.start()
        self.wait_idle()
        timer.cancel()
        timer.join()
        self.must_run(-signal.SIGKILL)
        self.server.process.kill()
        stockd_harness.reap(self.server.process, stockd_harness.STOP_TIMEOUT)
        self.crashes.append(time.monotonic_ns())
        self.server.check_log()
        self.server.start()
        self.recovered.append(self.boss.connect(self.server))
        self.boss.look_around(self.options.items, self.reservations(), self.supplies())

    def all_lines(self):
        lines = list(self.boss.lines)
        for number in range(self.options.clients):
            with open(f"{self.notes}.{number}", encoding="ascii") as file:
                whole = file.read()
            lines += [json.loads(line) for line in whole.splitlines()]
        return lines

    def reservations(self):
        return {
            line[4][0] for line in self.all_lines() if line[3] == "reserve" and line[6] is not None
        }

    def supplies(self):
        if not self.options.supplies:
            return set()
        made = ("expect", "transfer")
        return {line[4][0] for line in self.all_lines() if line[3] in made and line[6] is not None}

    def header(self):
        o = self.options
        return {
            "seed": o.seed,
            "command": f"--seed {o.seed} --clients {o.clients} --items {o.items} "
            f"--calls {o.calls} --crashes {o.crashes} --workers {o.workers} "
            f"--durability {o.durability}{' --settings' * o.settings}"
            f"{' --backorders' * o.backorders}{' --supplies' * o.supplies}",
            "durability": o.durability,
            "places": PLACES,
            "channels": self.channels,
            "crashes": self.crashes,
            "recovered": self.recovered,
            **({"backorder_limit": LIMIT} if o.backorders else {}),
            **({"supplies": True, "wall_ns": WALL_NS} if o.supplies else {}),
            **({"told": self.watcher.told} if self.watcher and not self.watcher.missed else {}),
        }


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--items", type=int, default=3)
    parser.add_argument("--calls", type=int, default=800, help="of each client between crashes")
    parser.add_argument("--crashes", type=int, default=4)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--patience", type=int, default=60, help="seconds that an answer may take")
    parser.add_argument("--stockd", help="the engine; else the one of STOCKD_BIN_DIR")
    parser.add_argument("--keep", help="where to write the history; else only if it fails")
    parser.add_argument("--durability", default="always", help="none: calls are shorter, so that less "
                        "may have happened meanwhile; only without crashes")
    parser.add_argument("--settings", action="store_true", help="safety stock and what is stocked "
                        "change; only without crashes: a setting has no id by which to ask again")
    parser.add_argument("--backorders", action="store_true", help="orders are promised what is not "
                        "there, and places reject orders")
    parser.add_argument("--supplies", action="store_true", help="units are on their way, and promised")
    options = parser.parse_args(arguments)
    if options.durability == "none" and options.crashes:
        parser.error("without durability a crash may lose what was answered")
    if options.settings and options.crashes:
        parser.error("after a crash nobody knows which settings were made")
    if sum(getattr(options, what) for what in WHAT) > 1:
        parser.error("what waits is judged as if nothing else kept it from what is there, and supplies "
                     "are judged by other rules")
    if stockd_harness.SANITIZED:
        options.calls = max(1, options.calls // 4)
    return options


def save(lines, path):
    with open(path, "w", encoding="ascii") as file:
        for line in lines:
            file.write(json.dumps(line) + "\n")


def judge(lines, options):
    """The Report; on a violation keeps the history and raises it with where it is."""
    if options.keep:
        save(lines, options.keep)
    try:
        return check(History(lines[0], lines[1:]))
    except Violation as violation:
        path = options.keep
        if not path:
            handle, path = tempfile.mkstemp(prefix="stockd-history-", suffix=".jsonl")
            os.close(handle)
            save(lines, path)
        violation.evidence.append(f"kept in {path}; recorded with {lines[0]['command']}")
        raise


def main(arguments=None):
    options = parse(arguments)
    if options.stockd:
        stockd_harness.STOCKD = os.path.abspath(options.stockd)
    for _ in range(ATTEMPTS):
        print(f"--seed {options.seed}", flush=True)
        try:
            report = judge(Recording(options).run(), options)
        except (Violation, StartError) as violation:
            print(describe(violation) if isinstance(violation, Violation) else violation)
            return 1
        print(report)
        if not report.undecided:
            return 0
        options.seed = (options.seed + 1) % (1 << 32)
    print(f"skipped: of {ATTEMPTS} histories none could be decided: too much was done at once")
    return 77


if __name__ == "__main__":
    sys.exit(main())
