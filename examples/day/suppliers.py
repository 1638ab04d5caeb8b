# SPDX-License-Identifier: Apache-2.0
"""Those who move goods between places: suppliers, and the chain's own planner."""

from people import Person, done, now_ms


class Supplier(Person):
    """Announces deliveries to the warehouses; their staff takes them in, on time or late."""

    every = 0.5

    def morning(self):
        for sku in self.network.coming:
            self.announce([sku], self.rng.uniform(8, 20))

    def announce(self, skus, hour):
        place = self.rng.choice(self.network.depots)
        ident = self.name_one("po")
        lines = [[sku, self.rng.randint(5, 60)] for sku in skus]
        eta = max(self.clock.at_ms(hour), now_ms() + 500)
        options = {"eta_ms": eta, "ref": f"PO {ident}"}
        if not done(self.desk.ask("expect", ident, place, lines, options)):
            return
        late = self.chance(0.2)
        due = eta / 1000 + (self.clock.hour_s if late else 0)
        if late and self.chance(0.5):
            self.reschedule_later.append((due, ident))
        if self.chance(0.05):
            self.desk.ask("withdraw", ident, None, {"op": self.name_one("wd")})
        else:
            self.town.lorries[place].append((due, ident, lines))

    def __init__(self, town):
        super().__init__(town, "supplier")
        self.reschedule_later = []

    def tick(self):
        skus = {self.any_item() for _ in range(self.rng.randint(1, 8))}
        self.announce(sorted(skus), self.clock.hour() + self.rng.uniform(0.5, 4))
        for due, ident in list(self.reschedule_later):
            if now_ms() > (due - self.clock.hour_s / 2) * 1000:
                self.reschedule_later.remove((due, ident))
                self.desk.all([("reschedule", ident, now_ms() + self.clock.ms(1) + 500, {
                    "op": self.name_one("re")})])


class Planner(Person):
    """Refills stores, keeps units for a channel, moves orders from one warehouse to the other."""

    every = 0.2

    def __init__(self, town):
        super().__init__(town, "planner")
        self.held = []

    def tick(self):
        for _ in range(1 + len(self.network.stores) // 30):
            self.transfer()
            self.move_an_order()
        if self.chance(0.3):
            sku = self.rng.choice(self.network.flash)
            self.desk.ask("allot", self.name_one("al"), sku, self.rng.choice(self.network.depots),
                          self.rng.choice(("app", "market")), self.rng.randint(-5, 10) or 1)

    def transfer(self):
        source = self.rng.choice(self.network.depots + self.network.stores[:5])
        target = self.rng.choice([s for s in self.network.stores if s != source])
        skus = self.rng.sample(self.network.ranges[target], 3)
        lines = [[sku, self.rng.randint(1, 4)] for sku in skus]
        ident, fate, options = self.name_one("tr"), self.rng.random(), {}
        if fate < 0.5:
            options["eta_ms"] = now_ms() + self.clock.ms(self.rng.uniform(0.5, 3)) + 500
        elif fate < 0.7:
            options["ship"] = False
        if not done(self.desk.ask("transfer", ident, source, target, lines, options)):
            return
        if "eta_ms" in options:
            self.town.lorries[target].append((options["eta_ms"] / 1000, ident, lines))
        elif "ship" in options:
            self.send_some(ident, target, lines)

    def send_some(self, ident, target, lines):
        """The lorry has room for some of it; the rest is put back."""
        eta = now_ms() + self.clock.ms(1) + 500
        first = [lines[0]]
        if self.chance(0.8) and done(
            self.desk.ask("ship", ident, first, {"eta_ms": eta, "op": self.name_one("sp")})
        ):
            self.town.lorries[target].append((eta / 1000, ident, first))
        self.desk.ask("withdraw", ident, None, {"op": self.name_one("wd")})

    def move_an_order(self):
        if not self.town.placed:
            return
        ident, lines = self.town.placed.pop()  # the newest: nobody has begun with it
        sku, source, qty, _ = self.rng.choice(lines)
        other = self.rng.choice([place for place in self.network.depots if place != source])
        self.desk.ask("move", ident, [[sku, source, other, qty]], {"op": self.name_one("mv")})
