# SPDX-License-Identifier: Apache-2.0
"""Who waits for units of an item, and that nobody overtakes them.

A reservation waits for what it was promised before it was there (a backorder), or for what a place
could not give it (a reject). Whatever comes serves those who wait first, the reservation that was
made first before the others:

  W1  an order gets no unit that somebody could have who was known to wait when it was asked;
  W2  nor does one that waits, if somebody could have it who was made before, and was known to wait
      when the unit came;
  W3  nobody gets a unit from a place that rejected his order;
  W4  once all is quiet nobody waits for a unit that is free.

All of it is judged in the order of the LSNs, but only of those who were known to wait in real time.
Left out are those whom a channel's buffer may keep from a unit, and holds that may be overdue; and,
of W2, items of which some are on their way: then the engine looks for who is first at any time.
"""

import math

from engine import Violation

LONG_MS = 3600000


class Wait:
    """A reservation that waits for units of an item: for some without a break since `first`, and for
    this many since `since`."""

    def __init__(self, ident, made, first, since, units):
        self.ident, self.made, self.units = ident, made, units
        self.first, self.since = first, since
        self.until = None  # the change by which it waits for more or fewer
        self.came = 0  # when something was there for it, at the earliest; once it was served


class Waiting:
    def __init__(self, history):
        self.history = history
        self.limit = history.header.get("backorder_limit")
        self.now = {}  # sku -> {reservation: Wait}
        self.past = []  # (sku, Wait)
        self.rejections = {}  # reservation -> {place: change}
        self.brief = set()  # reservations whose hold may be overdue
        self.none_free = {}  # sku -> nothing of it is free
        self.came = {}  # sku -> when something of it was free again, at the earliest
        self.expected = set()  # items of which some were on their way
        self.first = {}  # reservation -> the change that made it

    def rejected(self, ident):
        return self.rejections.get(ident, {})

    def could_have(self, wait, place):
        """Surely: whatever the channel's rule says."""
        made = wait.made.told[0]
        channel = self.history.channels[made.params[1]]
        return (
            wait.ident not in self.brief
            and channel["buffer"] == 0
            and place in channel["locations"]
            and place not in self.rejected(wait.ident)
        )

    # ---- what has happened

    def learn(self, change, reservation):
        """The reservation as it is after that change, which was found to be right."""
        ident = reservation.ident
        made = self.first.setdefault(ident, change)
        if change.kind == "reserve" and reservation.state == "held":
            if change.told[0].options.get("ttl_ms", 0) < LONG_MS:
                self.brief.add(ident)
        if reservation.state == "confirmed":
            self.brief.discard(ident)
        if change.kind == "step" and change.made_by.method == "reject":
            self.rejections.setdefault(ident, {}).setdefault(change.made_by.params[1], change)
        left = {}
        if reservation.state in ("held", "confirmed"):
            for sku, place, qty, fulfilled, cancelled in reservation.draws:
                if place is None:
                    left[sku] = left.get(sku, 0) + qty - fulfilled - cancelled
        for sku in {*self.now, *left}:
            self.wait_for(sku, ident, made, change, left.get(sku, 0))

    def wait_for(self, sku, ident, made, change, units):
        here = self.now.setdefault(sku, {})
        before = here.get(ident)
        if units == (before.units if before else 0):
            return
        if before:
            before.until = change
            before.came = self.came.get(sku, 0)
            self.past.append((sku, here.pop(ident)))
        if units:
            here[ident] = Wait(ident, made, before.first if before else change, change, units)

    def all_of(self, sku):
        return [w for item, w in self.past if item == sku] + list(self.now.get(sku, {}).values())

    def expect(self, sku):
        self.expected.add(sku)

    # ---- what must not happen

    def check(self, change, pools):
        """Before the change is learnt; the pools are as they are after it."""
        self.check_limit(change, pools)
        for (sku, place), (_, reserved) in change.parts.items():
            if reserved > 0 and place is not None:
                for wait in self.now.get(sku, {}).values():
                    self.check_overtaken(change, sku, place, wait)
        for sku in {sku for sku, _ in change.parts}:
            self.look_for_free(sku, change, pools)

    def check_limit(self, change, pools):
        if change.kind != "reserve" or self.limit is None:
            return
        for sku, place in change.parts:
            if place is None and pools[sku, None][1] > self.limit:
                raise Violation(
                    f"X5: {pools[sku, None][1]} of {sku} are promised before they are there, and no "
                    f"more than {self.limit} may be", [change])

    def check_overtaken(self, change, sku, place, wait):
        if change.kind == "sourced":
            ident = change.told[0].params[0]
            if place in self.rejected(ident):
                raise Violation(f"W3: {ident} is served from {place}, which rejected it", [change])
            since = 0 if sku in self.expected else self.came.get(sku, 0)
            known = wait.made.lsn < self.first[ident].lsn and wait.first.hi < since
            rule = "W2: a younger one that waits"
        else:
            ident = change.told[0].params[0]
            known = wait.first.hi < change.lo
            rule = "W1: an order"
        if ident != wait.ident and known and self.could_have(wait, place):
            raise Violation(
                f"{rule} got a unit of {sku} at {place}, for which {wait.ident} had waited since lsn "
                f"{wait.first.lsn}",
                [wait.made, wait.first, change] if wait.made is not wait.first else [wait.made, change],
            )

    def look_for_free(self, sku, change, pools):
        free = any(
            pools.get((sku, place), (0, 0))[0] > pools.get((sku, place), (0, 0))[1]
            for place in self.history.places
        )
        if free and self.none_free.get(sku, True):
            self.came[sku] = change.claimed_after
        self.none_free[sku] = not free

    def check_end(self, pools):
        if not self.history.engine.asked:
            return
        for sku, here in self.now.items():
            for wait in here.values():
                for place in self.history.places:
                    on_hand, reserved = pools.get((sku, place), (0, 0))
                    if on_hand > reserved and self.could_have(wait, place):
                        raise Violation(
                            f"W4: {wait.ident} waits for {sku}, of which {on_hand - reserved} are free "
                            f"at {place}",
                            [wait.made],
                        )

    # ---- what a question may be told of it

    def bounds(self, sku, call, surely=lambda wait: True):
        """(least, most): how many units wait all through the call, and how many may at any instant of
        it; also those of whom it was not decided yet."""
        least = most = 0
        for wait in self.all_of(sku):
            if wait.since.lo > call.answered or (wait.until and wait.until.hi < call.asked):
                continue
            most += wait.units
            ends = wait.until.claimed_after if wait.until else math.inf
            if wait.since.hi < call.asked and ends > call.answered and surely(wait):
                least += wait.units
        for other in self.history.calls:
            if other.asked < call.answered and other.answered > call.asked:
                adds = other.method == "reject" or other.options.get("backorder")
                most += sum(line[1] for line in other.lines if line[0] == sku) if adds else 0
        return least, most

    def hidden(self, sku, call):
        """The same, but at least of those only who could have any unit."""
        return self.bounds(sku, call, self.free_to_choose)

    def may_wait(self, sku, call):
        """The call's reservation, for units of the item, at some instant of the call?"""
        return any(
            wait.ident == call.params[0]
            and wait.since.lo < call.answered
            and not (wait.until and wait.until.hi < call.asked)
            for wait in self.all_of(sku)
        )

    def free_to_choose(self, wait):
        return not self.rejected(wait.ident) and all(
            self.could_have(wait, place) for place in self.history.places
        )
