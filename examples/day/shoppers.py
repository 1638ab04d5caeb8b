# SPDX-License-Identifier: Apache-2.0
"""Those who order: the storefronts of the chain's own channels, and a marketplace."""

from people import Order, Person
from wire import Fault, Refusal

SALE = (12.0, 13.5)  # the hours of the flash sale


class Shopper(Person):
    """Reserves a batch of orders a tick, and decides on what it holds since the tick before."""

    every = 0.1
    channel = None
    share = 0.2  # of all orders of the day

    def __init__(self, town, number=0):
        super().__init__(town, f"{self.channel}{number or ''}")
        self.held = []  # orders that wait for the buyer's payment
        self.impatient = town.desk(f"{self.who}-again")
        self.carry = 0.0

    @property
    def sale(self):
        return SALE[0] <= self.clock.hour() < SALE[1]

    def batch(self):
        """How many orders this tick; three times as many in the sale."""
        self.carry += self.town.orders_wanted * self.share * self.every / 16
        number = int(self.carry)
        self.carry -= number
        return number * 3 if self.sale else number

    def tick(self):
        decided, self.held = self.held, []
        self.decide(decided)
        self.place([self.order() for _ in range(self.batch())])
        if self.chance(0.3):
            self.look_around()

    def place(self, orders):
        for order in orders:
            self.town.orders[order.ident] = order
        calls = [("reserve", o.ident, o.channel, o.wanted, o.options) for o in orders]
        results = self.desk.all(calls)
        for order, call, got in zip(orders, calls, results):
            if isinstance(got, Refusal):
                continue
            if self.chance(0.01):
                self.ask_again(call, got)
            for send in got.get("sends", ()):
                self.await_send(order, send)
            if not order.options.get("confirm"):
                self.held.append(order)
            self.taken(order, got)

    def taken(self, order, got):
        pass

    def ask_again(self, call, got):
        """A client that lost patience: the same request, on another connection."""
        again = self.impatient.ask(*call)
        if again != got:
            raise Fault(f"{call} was answered {got}, and then {again}")

    def await_send(self, order, send):
        """A transfer that was made with the order: the store will see to it."""
        supply = self.desk.must("supply", send)
        self.town.lookups[send] = supply
        due = min(supply["eta_ms"] / 1000, self.clock.at(21))
        self.town.lorries[order.at].append((due, send, supply["lines"]))

    def decide(self, orders):
        """Most pay. Some think again, some are never heard of again: these expire."""
        calls = []
        for order in orders:
            fate = self.rng.random()
            if fate < 0.03:
                calls.append(("extend", order.ident, self.clock.ms(1)))
                self.held.append(order)
            elif fate < 0.87:
                if fate < 0.06:
                    calls.append(self.amended(order))
                calls.append(("confirm", order.ident, {"ref": f"paid {order.ident}"}))
            elif fate < 0.93:
                calls.append(("cancel", order.ident, None, {"op": self.name_one("cn")}))
        late = self.late_changes()
        self.desk.all(calls + late)

    def amended(self, order):
        """One more of the first line, or only that line."""
        sku, qty, *place = order.wanted[0]
        if order.options.get("supply") or order.options.get("backorder") or self.chance(0.5):
            lines = [[sku, max(1, qty - 1), *place]]
        else:
            lines = [[sku, qty + 1, *place], *order.wanted[1:]]
        merged = {}
        for each, number, *_ in lines:
            merged[each] = merged.get(each, 0) + number
        return "amend", order.ident, [list(line) for line in merged.items()], {
            "op": self.name_one("am")}

    def late_changes(self):
        """A buyer who has paid changes the order, or cancels it, perhaps too late."""
        if not self.town.placed or not self.chance(0.3):
            return []
        ident, _ = self.rng.choice(list(self.town.placed))
        order = self.town.orders[ident]
        if self.chance(0.5):
            return [("cancel", ident, None, {"op": self.name_one("lc")})]
        return [self.amended(order)]

    def look_around(self):
        """What pages show. Nobody is promised a number below nothing."""
        skus = [self.any_item() for _ in range(10)]
        for sku, left in zip(skus, self.desk.must("availability", self.channel, skus)["stock"]):
            if left is None or left < 0:
                raise Fault(f"availability of {sku} on {self.channel} is {left}")
        told = self.desk.must("promise", self.channel, [[skus[0], 2]], {"mode": "ship"})
        if sum(line[2] for line in told["lines"]) + sum(m[1] for m in told["missing"]) != 2:
            raise Fault(f"a promise of two of {skus[0]} tells {told}")
        self.desk.must("locate", self.channel, [[skus[0], 1], [skus[1], 1]], {
            "mode": "ship", "lat": 48.8, "lon": 2.3, "limit": 5})

    # ---- what they order

    def basket(self, pick):
        wanted = {}
        for _ in range(self.rng.choice((1, 1, 1, 2, 2, 3, 5))):
            sku = self.rng.choice(self.network.flash) if self.sale and self.chance(0.7) else pick()
            wanted[sku] = wanted.get(sku, 0) + self.rng.choice((1, 1, 1, 2, 3))
        return [[sku, qty] for sku, qty in wanted.items()]

    def make(self, wanted, options):
        if self.chance(0.06):
            options["ttl_ms"] = self.clock.ms(self.rng.choice((0.2, 0.5, 1.0)))
        if self.chance(0.2):
            options["ref"] = self.name_one("cart")
        return Order(self.name_one("o"), self.channel, wanted, options, self.chance(0.8))

    def order(self):
        raise NotImplementedError


class Web(Shopper):
    channel, share = "web", 0.4

    def order(self):
        options = {"mode": "ship"}
        pick = self.any_item
        fate = self.rng.random()
        if fate < 0.15:
            at = self.rng.choice(self.network.stores)
            options = {"mode": "pickup", "at": at, "supply": "any"}
        elif fate < 0.27:
            options["backorder"] = True
            pick = lambda: self.rng.choice(self.network.coming)  # noqa: E731
        elif fate < 0.37:
            options["partial"] = True
        elif fate < 0.42:
            options["exclude"] = [self.rng.choice(self.network.depots)]
        return self.make(self.basket(pick), options)

    def taken(self, order, got):
        if order.mode == "ship" and all(line[1] for line in got["lines"]):
            self.town.placed.append((order.ident, got["lines"]))


class App(Shopper):
    channel, share = "app", 0.25

    def order(self):
        lat, lon = 44 + self.rng.random() * 10, self.rng.random() * 12
        options = {"mode": "ship", "lat": lat, "lon": lon}
        if self.chance(0.1):
            options["by_ms"] = self.clock.at_ms(self.clock.hour() + 4)
        return self.make(self.basket(self.any_item), options)


class Collect(Shopper):
    channel, share = "collect", 0.2

    def order(self):
        at = self.rng.choice(self.network.stores)
        own = self.network.ranges[at]
        return self.make(self.basket(lambda: self.rng.choice(own)), {"mode": "pickup", "at": at})


class Preorder(Shopper):
    channel, share = "preorder", 0.05

    def order(self):
        coming = self.network.coming
        return self.make(self.basket(lambda: self.rng.choice(coming)), {"mode": "ship"})


class Market(Shopper):
    """A marketplace sells first and tells afterwards: its orders are placed at once."""

    channel, share = "market", 0.1
    every = 0.5

    def order(self):
        order = self.make(self.basket(self.any_item), {"mode": "ship", "confirm": True})
        order.options.pop("ttl_ms", None)
        return order
