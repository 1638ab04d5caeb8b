# SPDX-License-Identifier: Apache-2.0
"""What is told of supplies, and of what is promised of them, to those who ask.

A change is in what a call saw if it was answered before the call was asked, and not if it was asked
for after the answer. What ran at the same time may be in it or not; so each figure has bounds:

  B1  a refused order: at one instant of the call so few units were there, on hand or under way, that
      the order did not fit. What moves from one place to another, and what arrives, is there at each
      instant: it is in one of the places, or under way;
  B2  what `stock` tells of a place, or of a supply, it had at one instant of the call;
  B3  who was promised of a supply first can be handed what has come of it;
  B4  what is drawn from a supply is ready at an ETA that the supply had.

Left out is what was looked at while there were calls that a crash left without an answer.
"""

import bisect
import itertools
import math

from calls import Violation
from documents import check_refusal, check_told

MS = 1_000_000
TURN_MS = 50
SUPPLY_CALLS = ("expect", "transfer", "ship", "arrive", "withdraw", "reschedule")


class Track:
    """The changes of one item, in the order of their LSNs, and what there was before each."""

    def __init__(self, changes, sku):
        self.changes = [c for c in changes
                        if any(key[0] == sku for key in (*c.parts, *c.ways))]
        self.states, state = [], {}
        self.last, self.first = [], []  # hi of all up to each; lo of all from each on
        for change in self.changes:
            self.states.append(dict(state))
            for key, delta in parts_of(change, sku):
                state[key] = state.get(key, 0) + delta
            self.last.append(max(change.hi, self.last[-1] if self.last else 0))
        self.states.append(dict(state))
        soonest = math.inf
        for change in reversed(self.changes):
            soonest = min(soonest, begins(change))
            self.first.insert(0, soonest)

    def during(self, lo, hi):
        """(what there surely was before lo, the changes that may have been made until hi)."""
        at = bisect.bisect_left(self.last, lo)
        end = bisect.bisect_right(self.first, hi)
        return self.states[at], [c for c in self.changes[at:end] if begins(c) <= hi]


def begins(change):
    return change.lo or change.claimed_after


def parts_of(change, sku):
    """((what, where), by how much it changes)"""
    for (item, place), (on_hand, reserved) in change.parts.items():
        if item == sku:
            yield ("on_hand", place), on_hand
            yield ("reserved", place), reserved
    for (item, ident), units in change.ways.items():
        if item == sku:
            yield ("under_way", ident), units


class Bounds:
    def __init__(self, witness):
        self.witness, self.history = witness, witness.history
        self.documents = witness.documents
        self.skus = {sku for sku, _ in witness.pools}
        self.tracks = {sku: Track(self.history.order, sku) for sku in self.skus}
        ends = (min(c.answered, self.history.end_of(c.era)) for c in self.history.calls)
        self.ends = list(itertools.accumulate(ends, max))
        # Since when each era's calls without an answer may have done something unseen.
        self.lost = {}  # era -> since when
        for call in self.history.calls:
            if call.lost:
                self.lost[call.era] = min(call.asked, self.lost.get(call.era, math.inf))

    def check(self):
        for call in self.history.calls:
            if call.lost or call.answered >= self.lost.get(call.era, math.inf):
                continue
            if call.method == "supply":
                check_told(self.documents[call.params[0]], call)
            elif call.method == "stock":
                self.check_stock(call)
            elif call.method == "reservation":
                self.check_ready(call)
            elif call.code == "wrong_state" and call.method in SUPPLY_CALLS:
                check_refusal(self.documents[call.params[0]], call)
            elif call.code == "insufficient_stock" and call.method == "reserve":
                self.check_refused(call)
            elif call.code == "insufficient_stock" and call.method == "fulfil":
                self.check_not_there(call)

    # ---- B1

    def sells(self, channel, ident, call):
        """Surely, all through the call?"""
        settings = self.history.channels[channel]
        if settings.get("promise") != "incoming":
            return False
        document = self.documents[ident]
        ended = self.witness.wall_ms(call.answered) + TURN_MS
        horizon_s = settings.get("horizon_s", math.inf)
        horizon = self.witness.wall_ms(call.asked) - TURN_MS + horizon_s * 1000
        etas = self.witness.etas(document, call.asked, call.answered)
        return document.place in settings["locations"] and bool(etas) and all(
            eta and ended < eta <= horizon for eta in etas)

    def check_refused(self, call):
        channel = call.params[1]
        for sku in {line[0] for line in call.lines}:
            places = {line[2] for line in call.lines if line[0] == sku}
            wanted = sum(line[1] for line in call.lines if line[0] == sku)
            if None in places:
                places = set(self.history.channels[channel]["locations"])
            told = [short["available"] for short in call.details["lines"] if short["sku"] == sku]
            if not told:
                continue
            there = self.free_at_least(sku, places, channel, call)
            single = sum(1 for line in call.lines if line[0] == sku) == 1
            if there >= wanted or (single and there > told[0]):
                raise Violation(
                    f"B1: {told[0]} of {sku} are available, and at each instant there were {there}",
                    [call, *self.tracks[sku].during(call.asked, call.answered)[1]])

    def free_at_least(self, sku, places, channel, call):
        """Units that nobody was promised, at each instant of the call."""
        known = {}

        def weight(key):
            what, where = key
            if what == "under_way":
                if where not in known:
                    known[where] = (self.documents[where].place in places
                                    and self.sells(channel, where, call))
                return 1 if known[where] else 0
            return (1 if what == "on_hand" else -1) if where in places else 0

        state, changes = self.tracks[sku].during(call.asked, call.answered)
        there = sum(weight(key) * units for key, units in state.items())
        for change in changes:
            there += min(0, sum(weight(key) * delta for key, delta in parts_of(change, sku)))
        return there

    # ---- B2

    def check_stock(self, call):
        sku, result = call.params[0], call.result
        if sku not in self.tracks:
            return
        shared = [pool for pool in result["pools"] if pool["kind"] == "shared"]
        if result["on_hand"] != sum(pool["on_hand"] for pool in shared):
            raise Violation("B2: the sum is not that of the pools", [call])
        tentative = self.tentative(sku, call)
        for place in self.history.places:
            told = sum(pool["on_hand"] for pool in shared if pool["location"] == place)
            self.check_figure(call, sku, ("on_hand", place), told, tentative)
        told = {}
        for pool in result["pools"]:
            if pool["kind"] in ("expected", "in_transit") and pool["supply"] is not None:
                self.check_eta(call, pool)
                told[pool["supply"]] = told.get(pool["supply"], 0) + pool["on_hand"]
        state, changes = self.tracks[sku].during(call.asked, call.answered)
        ways = {key for key in state if key[0] == "under_way" and state[key]}
        ways |= {key for c in changes for key, _ in parts_of(c, sku) if key[0] == "under_way"}
        nameless = sum(pool["on_hand"] for pool in result["pools"]
                       if pool["kind"] in ("expected", "in_transit") and pool["supply"] is None)
        for key in ways | {("under_way", ident) for ident in told}:
            if key[1] in told or not nameless:
                self.check_figure(call, sku, key, told.get(key[1], 0), 0)

    def check_figure(self, call, sku, key, told, tentative):
        state, changes = self.tracks[sku].during(call.asked, call.answered)
        least = most = state.get(key, 0)
        for change in changes:
            delta = sum(by for which, by in parts_of(change, sku) if which == key)
            least, most = least + min(0, delta), most + max(0, delta)
        if not least - tentative <= told <= most:
            raise Violation(f"B2: {key} of {sku} is told to be {told}, and was from {least} to {most}",
                            [call, *changes])

    def tentative(self, sku, call):
        """Units that calls at the same time may have taken for a moment."""
        units = 0
        for other in self.overlapping(call):
            if other.method == "transfer":
                units += sum(qty for item, qty in other.params[3] if item == sku)
            elif other.method == "fulfil" and other.params[0] in self.witness.orders:
                order = self.witness.orders[other.params[0]]
                units += sum(p.qty for key, p in order.promises.items() if key[0] == sku)
            elif other.method in ("ship", "arrive", "withdraw") and other.params[0] in self.documents:
                document = self.documents[other.params[0]]
                units += sum(line[2] for line in document.versions[-1].lines if line[0] == sku)
        return units

    def overlapping(self, call):
        at = bisect.bisect_left(self.ends, call.asked)
        end = bisect.bisect_right(self.history.calls, call.answered, key=lambda other: other.asked)
        return [other for other in self.history.calls[at:end] if other is not call]

    def check_eta(self, call, pool):
        etas = self.witness.etas(self.documents[pool["supply"]], call.asked, call.answered)
        if pool["eta_ms"] is not None and pool["eta_ms"] not in etas:
            raise Violation(f"B2: {pool['supply']} has the ETA {pool['eta_ms']}, and not of {etas}",
                            [call])

    # ---- B3

    def check_not_there(self, call):
        """A fulfil is refused though all that the reservation has left of the item came for it."""
        sku, ident = call.details["sku"], call.params[0]
        order = self.witness.orders[ident]
        mine = [(key, p) for key, p in order.promises.items() if key[0] == sku]
        if len(mine) != 1 or len(mine[0][1].sources) != 1 or sku in self.witness.fewer:
            return
        [(key, promise)] = mine
        [source] = promise.sources
        if source in (None, "?") or call.details["wanted"] <= call.details["available"]:
            return
        made = self.witness.lives[ident][0][0]
        come = self.come_for(source, sku, made, call)
        earlier = any(
            other is not order and key in other.promises
            and min(other.promises[key].lsns.get(one, math.inf) for one in (source, "?"))
            < promise.lsns[source]
            for other in self.witness.orders.values())
        if not earlier and come >= promise.sources[source]:
            raise Violation(f"B3: {ident} is refused what came of {source}, and it was first",
                            [made, call])

    def come_for(self, source, sku, made, call):
        """Units that were accepted after the order was made, and before the call."""
        come = 0
        versions = self.documents[source].versions
        for before, after in itertools.pairwise(versions):
            here = [dict((line[0], line) for line in v.lines)[sku] for v in (before, after)]
            if after.change.lo > made.hi and after.change.hi < call.asked:
                come += min(here[1][3] - here[0][3], before.left(sku))
        return come

    # ---- B4

    def check_ready(self, call):
        order = self.witness.orders.get(call.params[0])
        for sku, place, _, ready_ms, fulfilled, cancelled in call.result["lines"] if order else ():
            promise = order.promises.get((sku, place))
            if not promise or len(promise.sources) != 1 or fulfilled or cancelled:
                continue
            [source] = promise.sources
            told = promise.ready_ms[source]
            if source is None and None not in told and ready_ms not in told:
                raise Violation(f"B4: {order.ident} is ready at another time at {place}", [call])
            if source in (None, "?") or call.result["state"] not in ("held", "confirmed"):
                continue
            etas = self.allowed(self.documents[source], sku, promise, call)
            if ready_ms not in etas:
                raise Violation(f"B4: {order.ident} is told to be ready at {ready_ms}, and {source} "
                                f"is expected at one of {etas}", [call])

    def allowed(self, document, sku, promise, call):
        """As long as nothing of it has come, nor may free stock stand in for what is gone, what was
        promised of it is ready at the supply's ETA."""
        lines = [line for v in document.versions if v.change.lo <= call.answered
                 for line in v.lines if line[0] == sku]
        nothing = all(sum(line[3:]) == 0 for line in lines) and (
            document.transfer or all(line == lines[0] for line in lines))
        lo = call.asked if nothing else 0
        etas = self.witness.etas(document, lo, call.answered)
        if not nothing:
            etas = [v.eta_ms for v in document.versions if v.change.lo <= call.answered]
            etas += promise.ready_ms[document.ident]
        return etas
