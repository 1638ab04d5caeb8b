# SPDX-License-Identifier: Apache-2.0
"""Those who handle the goods: the staff of the stores, with their tills, and of the warehouses."""

import collections
import time

from people import Person, done, now_ms


class Staff(Person):
    """Sees to the places of its round, one after the other. Nobody else counts or sells there, so
    what a reply says is on hand can be compared with the books."""

    every = 0.1

    def __init__(self, town, who, places):
        super().__init__(town, who)
        self.places = places
        self.turn = 0
        self.arrived = set()  # (sku, place): a lorry brought it, or should have

    def done(self):
        return self.town.shut.is_set() or self.town.failures

    def parts(self, place, step, limit=100):
        asked = {"location": place, "state": "confirmed", "step": step, "limit": limit}
        return self.desk.must("orders", asked)["orders"]

    def hand_over(self, found, place):
        """Ships them, or gives them to those who came."""
        calls = [("fulfil", order["id"], None, {"location": place, "op": self.name_one("f")})
                 for order in found]
        for order, got in zip(found, self.desk.all(calls)):
            if done(got):
                for sku in {line[0] for line in order["lines"] if line[1] == place}:
                    self.town.handed_over.append((order["id"], sku))

    def rejected(self, order, place):
        reason = self.rng.choice(("not_found", "not_found", "damaged", "busy"))
        if reason != "busy" and not all(self.all_there(line[0], place) for line in order["lines"]):
            reason = "busy"
        options = {"reason": reason, "op": self.name_one("rj")}
        if self.chance(0.2):
            options["on_fail"] = "cancel"
        return "reject", order["id"], place, None, options

    def all_there(self, sku, place):
        """Are all promised units of it there, and none from a lorry? Of others a reject takes off
        as many as lie in the pool that the order draws from, which nobody is told."""
        def is_there(pool):
            comes = pool["kind"] in ("expected", "in_transit") and pool["reserved"] > 0
            return pool["kind"] != "owed" and pool["on_hand"] >= pool["reserved"] and not comes
        return (sku, place) not in self.arrived and all(
            is_there(pool) for pool in self.desk.must("stock", sku)["pools"]
            if pool["location"] == place)

    # ---- lorries

    def unload(self, place, evening=False):
        """What should have come by now; in the evening, most of the rest, too. Some of it is short,
        broken, or more than was announced."""
        waiting = self.town.lorries[place]
        for _ in range(len(waiting)):
            due, ident, lines = waiting.popleft()
            if due > time.time() and not (evening and self.chance(0.7)):
                waiting.append((due, ident, lines))
                continue
            self.arrived.update((line[0], place) for line in lines)
            rest = self.take_in(ident, [line[:2] for line in lines], evening)
            if rest:
                waiting.append((time.time() + self.clock.hour_s, ident, rest))

    def take_in(self, ident, lines, last):
        """Returns what is to come with the next lorry."""
        op = {"op": self.name_one("ar")}
        fate = self.rng.random()
        if fate < 0.15 and not last:
            half = [[sku, qty // 2] for sku, qty in lines if qty > 1]
            if half:
                self.desk.ask("arrive", ident, half, op)
                return lines
        if fate < 0.6:
            self.desk.ask("arrive", ident, None, op)
            return None
        sku, qty = self.rng.choice(lines)
        if fate < 0.75:  # too few
            op["close"] = self.chance(0.5)
            self.desk.ask("arrive", ident, [[sku, max(0, qty - 2)]], op)
        elif fate < 0.85:  # too many
            self.desk.ask("arrive", ident, [[sku, qty + 3]], op)
        else:  # some of them broken
            self.desk.ask("arrive", ident, [[sku, max(0, qty - 1), 1]], op)
        close = {"close": True, "op": self.name_one("ar")}
        self.desk.ask("arrive", ident, [[lines[0][0], 0]], close)
        return None


class Depot(Staff):
    """A warehouse: parcels, in large batches."""

    def __init__(self, town, place):
        super().__init__(town, f"depot-{place}", [place])
        self.place = place

    def tick(self):
        found = self.parts(self.place, "open", 500)
        refuse = [order for order in found if self.chance(0.01)]
        self.desk.all([self.rejected(order, self.place) for order in refuse])
        self.hand_over([order for order in found if order not in refuse], self.place)
        self.unload(self.place)

    def evening(self):
        self.unload(self.place, evening=True)
        self.hand_over(self.parts(self.place, "open", 1000), self.place)


class Store(Staff):
    """The clerks and tills of some stores. Each is visited once in an hour of the day."""

    def __init__(self, town, number, places):
        super().__init__(town, f"clerk{number}", places)
        self.every = 1.0 / len(places)
        self.busy = town.orders_wanted * 0.5 / len(town.network.stores) / 16  # sales in a visit
        self.offline = {place: [] for place in places[::7]}  # tills without a line to the engine
        self.aside = collections.Counter()  # (place, sku) -> units behind the counter

    def tick(self):
        place = self.places[self.turn % len(self.places)]
        self.turn += 1
        self.sell(place)
        self.prepare(place)
        self.serve(place)
        self.unload(place)
        for what, share in ((self.count, 0.7), (self.take_back, 0.7), (self.shift, 0.3)):
            if self.chance(share):
                what(place)

    # ---- orders

    def prepare(self, place):
        """The parts that nobody has begun with."""
        calls, parcels = [], []
        for order in self.parts(place, "open"):
            known = self.town.orders[order["id"]]
            if self.chance(0.05) and not self.town.shut.is_set():
                calls.append(self.rejected(order, place))
            elif known.mode == "ship":
                parcels.append(order)
            else:
                calls.append(self.set_aside(order, place))
        self.desk.all(calls)
        self.hand_over(parcels, place)

    def set_aside(self, order, place):
        hours = 2.0 if self.town.orders[order["id"]].comes else 0.3
        if self.town.shut.is_set():  # kept until tomorrow: no engine is too slow for that
            hours = 100.0
        by = now_ms() + self.clock.ms(hours)
        return "ready", order["id"], place, {"collect_by_ms": by, "op": self.name_one("rd")}

    def serve(self, place):
        """Buyers who come for what is set aside; of those who do not, it is kept for a while."""
        here, calls = [], []
        for order in self.parts(place, "ready"):
            if self.town.orders[order["id"]].comes:
                if self.chance(0.5):
                    here.append(order)
            elif all(part["collect_by_ms"] is None for part in order["parts"]):
                calls.append(self.set_aside(order, place))  # it came with a lorry
        self.desk.all(calls)
        self.hand_over(here, place)

    def put_back(self, place):
        found = self.parts(place, "not_collected", 1000)
        self.desk.all([("restock", o["id"], place, {"op": self.name_one("rs")}) for o in found])

    # ---- the till

    def sell(self, place):
        sales = []
        for _ in range(int(self.busy * self.rng.uniform(0, 2) + self.rng.random())):
            skus = self.rng.sample(self.network.ranges[place], self.rng.choice((1, 1, 2, 3)))
            lines = [[sku, self.rng.choice((1, 1, 1, 2))] for sku in skus]
            options = {"ref": self.name_one("receipt")}
            if place in self.offline or self.chance(0.5):
                options["at_ms"] = now_ms()
            sales.append(("sold", self.name_one("t"), "till", place, lines, options))
        if place in self.offline:
            self.offline[place] += sales
            if self.chance(0.1):
                self.come_online(place)
        else:
            self.desk.all(sales)

    def come_online(self, place):
        """What was sold hours ago is told now, each with its time."""
        sales, self.offline[place] = self.offline[place], []
        self.desk.all(sales)

    # ---- counts, returns

    def on_hand(self, sku, place):
        """(sellable units, those set aside) by the engine; who counts finds nearly that."""
        pools = self.desk.must("stock", sku)["pools"]
        return sum(pool["on_hand"] for pool in pools if pool["location"] == place
                   and pool["kind"] in ("shared", "allotted", "owed"))

    def count(self, place):
        sku = self.rng.choice(self.network.ranges[place])
        there = max(0, self.on_hand(sku, place))
        seen = max(0, there + self.rng.choice((0, 0, 0, 0, -1, 1)))
        ident, how = self.name_one("c"), self.rng.randrange(4)
        if how == 0:
            self.desk.ask("count", ident, sku, place, seen)
        elif how == 1:
            aside = self.units_aside(sku, place)
            self.desk.ask("count", ident, sku, place, max(0, seen - aside), {"shelf": True})
        elif how == 2:
            as_of = now_ms()
            time.sleep(0.02)
            self.sell(place)
            self.desk.ask("count", ident, sku, place, seen, {"as_of": as_of})
        else:
            self.desk.ask("adjust", ident, sku, place, self.rng.choice((-1, 1)), {
                "if_on_hand": there, "reason": "found by chance"})

    def units_aside(self, sku, place):
        """Behind the counter: not on the shelf."""
        return sum(qty - fulfilled - cancelled for step in ("ready", "not_collected")
                   for order in self.parts(place, step)
                   for line, at, qty, _, fulfilled, cancelled in order["lines"]
                   if (line, at) == (sku, place))

    def take_back(self, place):
        options = {"condition": "damaged"} if self.chance(0.3) else {}
        sku = self.rng.choice(self.network.ranges[place])
        if self.chance(0.7) and self.town.handed_over:
            order, sku = self.rng.choice(list(self.town.handed_over))
            options["reservation"] = order
        qty = self.rng.choice((1, 1, 2))
        self.desk.ask("return", self.name_one("rt"), sku, place, qty, options)

    def shift(self, place):
        sku = self.rng.choice(self.network.ranges[place])
        ways = (("sellable", "display"), ("display", "sellable"), ("sellable", "quality"),
                ("quality", "damaged"), ("sellable", "damaged"), ("damaged", "sellable"))
        self.desk.ask("shift", self.name_one("sh"), sku, place, 1, *self.rng.choice(ways))

    def evening(self):
        for place in self.places:
            if place in self.offline:
                self.come_online(place)
            self.unload(place, evening=True)
            self.prepare(place)
            self.serve(place)
            self.put_back(place)
