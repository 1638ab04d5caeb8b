# SPDX-License-Identifier: Apache-2.0
"""What the people of the day share: a thread each, what they know of orders and lorries."""

import collections
import itertools
import random
import threading
import time
import traceback

from wire import Desk, Refusal


class Order:
    """What the shop's own systems know of an order; the engine knows the rest."""

    __slots__ = ("ident", "channel", "mode", "at", "wanted", "options", "comes")

    def __init__(self, ident, channel, wanted, options, comes):
        self.ident, self.channel, self.wanted = ident, channel, wanted
        self.options, self.comes = options, comes
        self.mode, self.at = options.get("mode", "ship"), options.get("at")


class Town:
    """One for all. Deques and dicts only: each step on them is one of Python's own."""

    def __init__(self, engine, notes, network, clock, seed, orders):
        self.engine, self.notes = engine, notes
        self.network, self.clock, self.seed = network, clock, seed
        self.orders_wanted = orders
        self.orders = {}  # id -> Order
        self.lorries = collections.defaultdict(collections.deque)  # place -> (due, id, lines)
        self.handed_over = collections.deque(maxlen=5000)  # (order, sku)
        self.placed = collections.deque(maxlen=2000)  # (order, lines) that may be moved
        self.lookups = {}  # id -> what `supply` said of a transfer that an order made
        self.shut = threading.Event()  # no more customers
        self.failures = []
        self.desks = []

    def desk(self, who):
        self.desks.append(Desk(self.engine, self.notes, who))
        return self.desks[-1]

    def close(self):
        for desk in self.desks:
            desk.close()


class Person(threading.Thread):
    """Does `tick` every so many hours of the day until it is over; then day.py calls `evening`."""

    every = 0.05

    def __init__(self, town, who):
        super().__init__(name=who, daemon=True)
        self.town, self.who = town, who
        self.clock, self.network = town.clock, town.network
        self.rng = random.Random(f"{town.seed} {who}")
        self.desk = town.desk(who)
        self.numbers = itertools.count(1)

    def run(self):
        self.safely(self.live)

    def live(self):
        self.morning()
        hour = self.clock.hour()
        while not self.done():
            self.tick()
            hour = max(hour + self.every, self.clock.hour())
            self.clock.wait(hour)

    def safely(self, what):
        """What fails ends the day for all."""
        try:
            what()
        except BaseException:  # pylint: disable=broad-except
            self.town.failures.append(f"{self.who}:\n{traceback.format_exc()}")

    def done(self):
        return self.clock.over or self.town.failures

    def morning(self):
        pass

    def tick(self):
        raise NotImplementedError

    def evening(self):
        pass

    def name_one(self, what):
        """An id that nobody else uses."""
        return f"{what}-{self.who}-{next(self.numbers)}"

    def chance(self, share):
        return self.rng.random() < share

    def any_item(self):
        """Few items are asked for often."""
        return self.network.items[int(len(self.network.items) * self.rng.random() ** 3)]


def now_ms():
    return int(time.time() * 1000)


def done(result):
    return not isinstance(result, Refusal)
