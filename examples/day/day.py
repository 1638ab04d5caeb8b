#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A day in the life of a chain of stores, on a real engine: see README.md.

    examples/day/day.py                          (after `make build`; about five minutes)
    examples/day/day.py --seconds 60 --stores 60 --items 5000 --orders 20000

Exit status: 0 every unit is accounted for and every promise was kept or told, 1 not, 2 usage.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import page
from checks import Night
from clock import DUSK, Clock
from entries import Ledger
from network import Network
from people import Person, Town
from shoppers import App, Collect, Market, Preorder, Web
from stores import Depot, Store
from suppliers import Planner, Supplier
from wire import Engine, Fault, Notes

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CRASHES = (12.6, 17.2)  # the hours: in the middle of the sale, and in that of the afternoon
NO_PROGRAM = "there is no {}: `make build` first, or say --bin"
EVENT_KEY = ("lsn", "type", "id", "sku", "channel", "location")
LAST_CHANGE_LOST_S = 5.0  # how long before a crash a refusal may be that it lost


class ControlRoom(Person):
    """Reads all events, and what changes on some channels, each from where it was, over crashes
    too. It may be told twice, and must miss nothing."""

    every = 0.2
    channels = ("web", "till")

    def __init__(self, town):
        super().__init__(town, "control-room")
        self.since, self.events, self.seen, self.told = 0, [], set(), set()
        self.in_vain = False
        self.heard = {channel: {} for channel in self.channels}
        self.next = dict.fromkeys(self.channels, 0)
        self.resyncs = dict.fromkeys(self.channels, 0)

    def read(self):
        self.read_events()
        for channel in self.channels:
            self.read_changes(channel)

    def read_changes(self, channel):
        while True:
            asked = {"channel": channel, "limit": 10_000}
            got = self.desk.must("changes", self.next[channel], asked)
            if got["resync"]:  # a crash may have taken back what it heard: it reads all anew
                self.resyncs[channel] += 1
                if self.resyncs[channel] > len(self.town.engine.crashes):
                    raise Fault(f"changes of {channel} cannot be continued: {got}")
                self.heard[channel], self.next[channel] = {}, 0
                continue
            self.heard[channel].update({sku: units for _, sku, units, _ in got["changes"]})
            self.next[channel] = got["next"]
            if got["next"] >= got["lsn"]:
                return

    def read_events(self):
        while True:
            got = self.desk.must("events", self.since, {"types": True, "limit": 5000})
            if got["resync"]:
                raise Fault(f"events after {self.since} are gone: {got['next']}")
            for event in got["events"]:
                key = tuple(event.get(part) for part in EVENT_KEY)
                if key not in self.seen:
                    self.seen.add(key)
                    self.events.append(event)
                    about = (event.get(part) for part in ("id", "sku", "location"))
                    self.told.add((event["type"], *about))
            self.since = got["next"]
            if got["next"] >= got["lsn"]:
                return

    def hears(self, *what):
        """Was an event of that type, id, sku and location told? It may be a moment late. Who has
        waited for one in vain does not wait again."""
        deadline = time.monotonic() + (0 if self.in_vain else self.town.engine.patience_s)
        while what not in self.told:
            if time.monotonic() > deadline:
                self.in_vain = True
                return False
            time.sleep(0.05)
            self.read_events()
        return True

    def watch(self, over):
        while not over.wait(self.clock.hour_s * self.every):
            self.read()


class Day:
    """`engine` is one that nobody has started yet. `run` returns what is wrong: nothing, if all is
    well."""

    def __init__(self, engine, seed, stores, items, orders, seconds, say=lambda what: None):
        self.engine, self.seed, self.say = engine, seed, say
        self.clock = Clock(seconds)
        self.notes = Notes()
        self.sizes = stores, items, orders
        self.town = self.ledger = self.night = None
        self.took = {}

    def run(self):
        self.engine.start()
        stores, items, orders = self.sizes
        began = time.time()
        self.clock.began = time.time() + min(30, items / 3000)  # calendars are for the day to come
        network = self.network = Network(random.Random(self.seed), self.clock, stores, items)
        self.town = Town(self.engine, self.notes, network, self.clock, self.seed, orders)
        with_engine = self.town.desk("network")
        network.open(with_engine)
        self.took["morning"] = time.time() - began
        self.say("06:00 the doors open")
        self.clock.begin()
        try:
            self.live()
            return self.balance(with_engine)
        finally:
            self.town.close()

    def people(self):
        town, network = self.town, self.network
        outside = [Web(town), Web(town, 2), App(town), Collect(town), Preorder(town), Market(town),
                   Supplier(town), Planner(town)]
        rounds = min(4, len(network.stores))
        inside = [Store(town, n, network.stores[n::rounds]) for n in range(rounds)]
        return outside, inside + [Depot(town, place) for place in network.depots]

    def live(self):
        """The day itself: people, and two crashes."""
        outside, inside = self.people()
        room, over = ControlRoom(self.town), threading.Event()
        watch = threading.Thread(target=room.safely, args=(lambda: room.watch(over),), daemon=True)
        for thread in (*outside, *inside, watch):
            thread.start()
        for hour in CRASHES:
            self.clock.wait(hour)
            self.engine.crash()
            died, up = self.engine.crashes[-1]
            self.say(f"{hour_of(hour)} kill -9 of the engine; it is back after {up - died:.1f} s")
        for thread in outside:
            thread.join()
        self.say(f"{hour_of(DUSK)} no more customers; lorries are unloaded, parcels sent")
        self.town.shut.set()
        for thread in inside:
            thread.join()
        for _ in range(2):  # what was sourced anew in the first round is handed over in the second
            evening = [threading.Thread(target=person.safely, args=(person.evening,), daemon=True)
                       for person in inside]
            for thread in evening:
                thread.start()
            for thread in evening:
                thread.join()
        over.set()
        watch.join()
        self.room = room
        if self.town.failures:
            raise Fault("\n".join(self.town.failures))

    def balance(self, desk):
        began = time.time()
        self.say("night: the books")
        self.quiet(desk)
        self.room.read()
        ledger = self.ledger = Ledger(self.network, self.town.lookups)
        ledger.findings += self.notes.faults[:10]
        ledger.refused_units = self.refused_units()
        ledger.book(self.notes.changes, self.room.events)
        self.took["books"] = time.time() - began
        for crash in (False, True):  # what a new engine makes of the journal is the same
            if crash:
                self.say("night: once more kill -9, and the same comparison")
                known = len(self.room.events)
                self.engine.crash()
                self.quiet(desk)
                self.room.read()
                for event in self.room.events[known:]:  # a start may make parts ready
                    ledger.hear(event)
            self.night = Night(desk, ledger, self.network, self.room)
            self.night.run()
        self.took["night"] = time.time() - began - self.took["books"]
        return ledger.findings

    def quiet(self, desk):
        """Until all holds have ended, and all that has changed was looked at and can be read."""
        self.wait(lambda: not desk.must("orders", {"state": "held", "limit": 1})["orders"],
                  "the end of all holds")
        lsn = self.beyond_all_shown(desk)
        self.wait(lambda: desk.must("info", "feed")["feed"]["crossings_lsn"] >= lsn, "a look")
        lsn = self.beyond_all_shown(desk)
        self.wait(lambda: desk.must("events", lsn, {"limit": 1})["lsn"] >= lsn, "the last events")

    def beyond_all_shown(self, desk):
        """An LSN after that of each change that a question has shown by now. What a question shows
        may not be written yet: then events do not tell it, and the question's own `lsn` may be
        before it. But a change that is made now comes after it."""
        name = f"Article 0, as of {time.time()}"
        return desk.must("item_set", self.network.items[0], {"name": name})["lsn"]

    def wait(self, holds, what):
        deadline = time.monotonic() + self.engine.patience_s
        while not holds():
            if time.monotonic() > deadline:
                raise Fault(f"waited {self.engine.patience_s:.0f} s for {what}")
            time.sleep(0.02)

    def refused_units(self):
        """(least, most) units that a report may say were refused, by channel."""
        least, most = {}, {}
        for note in self.notes.changes:
            if note.method != "reserve":
                continue
            channel = note.params[1]
            least.setdefault(channel, 0)
            most.setdefault(channel, 0)
            if note.refusal is not None:
                units = sum(line["wanted"] for line in note.refusal.details["lines"])
                most[channel] += units
                lost = any(died - LAST_CHANGE_LOST_S < note.answered and note.asked < up
                           for died, up in self.engine.crashes)
                least[channel] += 0 if lost else units
            if note.again:
                most[channel] += sum(line[1] for line in note.params[2])
        return least, most


# ------------------------------------------------------------------------------------ for a person


def hour_of(hour):
    return f"{int(hour):02}:{round(hour % 1 * 60):02}"


class Program:
    """stockd, as a person would start it, in a directory that is removed at the end."""

    def __init__(self, binary, *more):
        self.binary, self.more, self.process = binary, more, None
        self.folder = tempfile.mkdtemp(prefix="stockd-day-")
        self.socket = os.path.join(self.folder, "stockd.sock")

    def start(self):
        ready = os.path.join(self.folder, "ready")
        if os.path.exists(ready):
            os.unlink(ready)
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "--data", os.path.join(self.folder, "data"), "--listen",
                 f"unix:{self.socket}", "--ready-file", ready, *OPTIONS, *self.more], stderr=log)
        while not os.path.exists(ready):
            if self.process.poll() is not None:
                with open(log.name, encoding="utf-8") as said:
                    raise Fault(f"stockd ended: {said.read()}")
            time.sleep(0.01)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


OPTIONS = ("--remember-s", "3600", "--events", "1000000")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--stores", type=int, default=300)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--orders", type=int, default=60_000, help="of the day, about")
    parser.add_argument("--seconds", type=float, default=200, help="that the day lasts")
    parser.add_argument("--durability", default="always", help="of the engine")
    parser.add_argument("--workers", default="2", help="of the engine")
    parser.add_argument("--bin", default=os.path.join(ROOT, "build", "release", "bin"))
    return parser.parse_args()


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends the engine, too
    if not os.access(os.path.join(options.bin, "stockd"), os.X_OK):
        print(NO_PROGRAM.format(os.path.join(options.bin, "stockd")), file=sys.stderr)
        return 2
    program = Program(os.path.join(options.bin, "stockd"),
                      "--durability", options.durability, "--workers", options.workers)
    engine = Engine(program.socket, program.start, program.kill)
    try:
        day = Day(engine, options.seed, options.stores, options.items, options.orders,
                  options.seconds, say=lambda what: print(what, flush=True))
        day.say(f"seed {options.seed}: {options.stores} stores, {options.items} items, "
                f"a day of {options.seconds:.0f} s")
        findings = day.run()
        page.show(day, sys.stdout)
    finally:
        program.end()
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
