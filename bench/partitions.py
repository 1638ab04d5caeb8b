#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Orders over several partitions (docs/CLUSTER.md, a design): a simulation, no engine takes part.

A partition is one processor and one etcd of three nodes. A change costs the processor COST_S; what
has gathered is committed as one batch, with up to three under way. The two numbers of an etcd's
commit are fitted to what one did on the reference machine. An order whose items lie in several
partitions is held in all but its home partition, then taken there, then confirmed in the others.

First: orders a second and their times, by number of partitions and baskets. Then gateways die, and
partitions stop for a failover: what such an order may come to is counted. No unit may be promised
twice, and none stay held; else the exit status is 1. A failover here delays what is under way; that
it loses nothing, and that a repeat does nothing twice, is for tests/model/replicate.pml.
Argument: the seed. Environment: ORDERS (of each run)."""

import collections
import heapq
import math
import os
import random
import sys

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 1
ORDERS = int(os.environ.get("ORDERS", "20000"))

COST_S = 1 / 118_000  # of a change in the engine, network included
RECORD = 72  # bytes of the journal
BATCH_MOST = 128 << 10
UNDER_WAY = 3
COMMIT_S, COMMIT_BYTES_S = 0.00105, 40e6  # one commit after the other
DELAY_S, DELAY_SPREAD = 0.0005, 1.0  # of each commit besides: lognormal, its median and sigma
WIRE_S = 0.0001  # gateway to partition, one way
REPEAT_S = 2.0  # after which a home partition confirms what its gateway has not


class Etcd:
    """Commits one after the other, each with a delay that does not hold up the next."""

    def __init__(self, rng):
        self.rng = rng
        self.free = 0.0

    def commit(self, now, size):
        self.free = max(self.free, now) + COMMIT_S + size / COMMIT_BYTES_S
        return self.free + self.rng.lognormvariate(math.log(DELAY_S), DELAY_SPREAD)


class Simulation:
    def __init__(self):
        self.now = 0.0
        self.events = []
        self.count = 0

    def at(self, when, action):
        self.count += 1
        heapq.heappush(self.events, (when, self.count, action))

    def run(self, until=math.inf):
        while self.events and self.events[0][0] <= until:
            self.now, _, action = heapq.heappop(self.events)
            action()


class Partition:
    """Its ledger: on hand by item, and by id what is held or sold. Ids are answered again."""

    def __init__(self, sim, etcd, stock):
        self.sim, self.etcd, self.stock = sim, etcd, stock
        self.free = 0.0
        self.left = collections.defaultdict(lambda: stock)
        self.ids = {}
        self.waiting = []  # answers that wait for the next batch
        self.batches = 0
        self.acknowledged = 0.0
        self.down_until = 0.0
        self.longest_hold = 0.0

    def request(self, work, answer):
        """work() changes the ledger, and says whether it did and with what result."""
        begins = max(self.sim.now + WIRE_S, self.free, self.down_until)
        self.free = begins + COST_S
        self.sim.at(self.free, lambda: self.do(work, answer))

    def do(self, work, answer):
        if self.sim.now < self.down_until:
            self.sim.at(self.down_until + COST_S, lambda: self.do(work, answer))
            return
        changed, result = work()
        if changed:
            self.waiting.append((answer, result))
            self.write()
        else:
            self.sim.at(self.sim.now + WIRE_S, lambda: answer(result))

    def write(self):
        if self.batches == UNDER_WAY or not self.waiting:
            return
        most = BATCH_MOST // RECORD
        batch, self.waiting = self.waiting[:most], self.waiting[most:]
        done = self.etcd.commit(max(self.sim.now, self.down_until), len(batch) * RECORD)
        self.batches += 1
        self.acknowledged = max(self.acknowledged, done)  # in order
        self.sim.at(self.acknowledged, lambda: self.committed(batch))

    def committed(self, batch):
        if self.sim.now < self.down_until:
            self.sim.at(self.down_until, lambda: self.committed(batch))
            return
        self.batches -= 1
        for answer, result in batch:
            self.sim.at(self.sim.now + WIRE_S, lambda a=answer, r=result: a(r))
        self.write()

    def stop(self, seconds):
        self.down_until = self.sim.now + seconds

    def reserve(self, name, items, hold_s):
        """hold_s None: sold at once."""
        if name in self.ids:
            return False, True  # what is refused has no id
        if any(self.left[item] < 1 for item in items):
            return False, False
        for item in items:
            self.left[item] -= 1
        if hold_s is None:
            self.ids[name] = ("sold", items, self.sim.now)
        else:
            self.ids[name] = ("held", items, self.sim.now)
            self.sim.at(self.sim.now + hold_s, lambda: self.expire(name))
        return True, True

    def confirm(self, name):
        state, items, since = self.ids[name]
        if state != "held":
            return False, state == "sold"
        self.end_hold(name, "sold", items, since)
        return True, True

    def cancel(self, name):
        state, items, since = self.ids[name]
        if state != "held":
            return False, True
        self.end_hold(name, "ended", items, since)
        return True, True

    def expire(self, name):
        state, items, since = self.ids[name]
        if state != "held":
            return
        if self.sim.now < self.down_until:
            self.sim.at(self.down_until, lambda: self.expire(name))
            return
        self.end_hold(name, "ended", items, since)
        self.waiting.append((lambda result: None, True))
        self.write()

    def end_hold(self, name, state, items, since):
        self.longest_hold = max(self.longest_hold, self.sim.now - since)
        self.ids[name] = (state, items, since)
        if state == "ended":
            for item in items:
                self.left[item] += 1

    def oversold(self):
        """Units sold or held beyond what there was, of all items."""
        taken = collections.Counter()
        for state, items, _ in self.ids.values():
            if state in ("held", "sold"):
                taken.update(items)
        return sum(max(0, count - self.stock) for count in taken.values())


class Shop:
    """Gateways with `window` orders under way in all."""

    def __init__(self, rng, partitions, window, baskets, hold_s, items, stock, dies=0.0):
        self.rng, self.sim = rng, Simulation()
        self.partitions = [Partition(self.sim, Etcd(rng), stock) for _ in range(partitions)]
        self.baskets, self.hold_s, self.items, self.dies = baskets, hold_s, items, dies
        self.begun, self.times, self.ended = 0, [], collections.Counter()
        for _ in range(window):
            self.sim.at(0.0, self.begin)

    def begin(self):
        if self.begun == ORDERS:
            return
        self.begun += 1
        size = self.rng.choices(range(1, len(self.baskets) + 1), self.baskets)[0]
        parts = collections.OrderedDict()
        for item in self.rng.sample(range(self.items), size):
            parts.setdefault(item % len(self.partitions), []).append(item)
        self.step(self.order(f"o{self.begun}", list(parts.items()), self.sim.now), None)

    def step(self, order, results):
        """Sends what the order asks for next; goes on when all of it is answered."""
        try:
            calls = order.send(results)
        except StopIteration:
            self.begin()
            return
        answers = [None] * len(calls)
        left = [len(calls)]

        def take(index, result):
            answers[index] = result
            left[0] -= 1
            if left[0] == 0:
                self.step(order, answers)

        for index, (partition, work) in enumerate(calls):
            partition.request(work, lambda result, i=index: take(i, result))

    def gateway_dies(self):
        if self.rng.random() >= self.dies:
            return False
        self.ended["gateway died"] += 1
        return True

    def calls(self, name, parts, method, *arguments):
        """For each part, a call of that method of its partition."""
        made = []
        for number, items in parts:
            partition = self.partitions[number]
            given = (items, *arguments) if method == "reserve" else arguments
            work = getattr(partition, method)
            made.append((partition, lambda w=work, n=f"{name}/{number}", g=given: w(n, *g)))
        return made

    def order(self, name, parts, began):
        home, others = parts[:1], parts[1:]
        if others:
            held = yield self.calls(name, others, "reserve", self.hold_s)
            granted = [part for part, good in zip(others, held) if good]
            if self.gateway_dies():
                return
            if len(granted) < len(others):
                if granted:
                    yield self.calls(name, granted, "cancel")
                self.ended["refused"] += 1
                return
        taken = (yield self.calls(name, home, "reserve", None))[0]
        if others and self.gateway_dies():
            if taken:
                self.sim.at(self.sim.now + REPEAT_S, lambda: self.repeat(name, others))
            return
        if taken and others:
            self.note((yield self.calls(name, others, "confirm")))
        elif taken:
            self.ended["taken"] += 1
        else:
            if others:
                yield self.calls(name, others, "cancel")
            self.ended["refused"] += 1
        self.times.append(self.sim.now - began)

    def repeat(self, name, others):
        """The home partition confirms what its gateway has not."""

        def again():
            self.note((yield self.calls(name, others, "confirm")))

        self.begun -= 1  # step() begins another order when this one ends
        self.step(again(), None)
        self.begun += 1

    def note(self, confirmed):
        self.ended["taken" if all(confirmed) else "taken, lacks a part"] += 1


def quantile(values, share):
    return sorted(values)[int(share * (len(values) - 1))] * 1000


def check_fit():
    """What the fitted etcd does, beside what the real one did."""
    measured = {(4, 1): "531-545", (4, 4): "773-933", (64, 1): "317-371", (64, 4): "315-591"}
    print("fit: batches/s of one etcd, simulated and measured")
    for (kib, depth), real in measured.items():
        sim, etcd, done = Simulation(), Etcd(random.Random(SEED)), []

        def again(sim=sim, etcd=etcd, done=done, kib=kib):
            done.append(sim.now)
            sim.at(etcd.commit(sim.now, kib << 10), again)

        for _ in range(depth):
            sim.at(0.0, again)
        sim.run(until=5.0)
        print(f"  {kib:2} KiB, {depth} under way: {len(done) / 5:5.0f}   {real}")


def measure():
    print("\npartitions | items an order | orders/s | p50 ms | p99 ms | records an order")
    for baskets in ([1], [0, 1], [0.45, 0.25, 0.15, 0.1, 0.05]):
        mean = sum((i + 1) * b for i, b in enumerate(baskets)) / sum(baskets)
        for partitions in (1, 2, 4):
            rng = random.Random(SEED)
            shop = Shop(rng, partitions, 1000 * partitions, baskets, 60, 100_000, 1 << 30)
            shop.sim.run(until=50)
            records = sum(len(p.ids) for p in shop.partitions)
            records += records - len(shop.times)  # each part but the home's has a second one
            rate = len(shop.times) / max(p.acknowledged for p in shop.partitions)
            print(f"{partitions} | {mean:.2f} | {rate:,.0f} | {quantile(shop.times, 0.5):.1f} | "
                  f"{quantile(shop.times, 0.99):.1f} | {records / len(shop.times):.2f}")


def break_things(hold_s):
    rng = random.Random(SEED)
    shop = Shop(rng, 4, 400, [0.3, 0.4, 0.3], hold_s, 2000, 30, dies=0.01)
    for k in range(40):
        partition = shop.partitions[rng.randrange(4)]
        shop.sim.at(0.05 + 0.2 * k, lambda p=partition: p.stop(rng.choice((0.5, 2.5))))
    shop.sim.run()
    oversold = sum(p.oversold() for p in shop.partitions)
    held = sum(1 for p in shop.partitions for s in p.ids.values() if s[0] == "held")
    longest = max(p.longest_hold for p in shop.partitions)
    print(f"holds of {hold_s} s: " + ", ".join(f"{n:,} {w}" for w, n in sorted(shop.ended.items()))
          + f"; oversold {oversold}, held at the end {held}, longest hold {longest:.1f} s")
    return oversold == 0 and held == 0


def main():
    print(f"seed {SEED}, {ORDERS} orders a run")
    check_fit()
    measure()
    print("\n4 partitions, a failover every 0.2 s (0.5 or 2.5 s long), 1 gateway in 100 dies a step")
    good = [break_things(hold_s) for hold_s in (60, 5, 1)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
