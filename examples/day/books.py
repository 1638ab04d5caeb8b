# SPDX-License-Identifier: Apache-2.0
"""The books of the day, kept apart from the engine.

They are made at the end from what the engine answered, and from the events that it told, in the
order of their LSNs (entries.py). Nothing is asked of the engine meanwhile.

    stock      (sku, place) -> condition -> units
    reserved   (sku, place) -> units that orders have left there, on hand or under way
    orders     id -> what is left of it, and what was handed over, by (sku, place)
    supplies   id -> its lines

What an answer says is on hand is compared with the books only if nobody else changed it between the
request and the answer: LSNs order changes, but an answer may have seen a neighbour's units already.
"""

import bisect
import collections
import itertools

SELLABLE, DAMAGED, QUALITY, DISPLAY = "sellable", "damaged", "quality", "display"
SLACK_MS = 250  # between the engine's clock and the day's
MAX_FINDINGS = 40


def sums(lines):
    """[[sku, qty, ...]...] as sku -> qty."""
    total = collections.Counter()
    for sku, qty, *_ in lines:
        total[sku] += qty
    return total


class Order:
    def __init__(self, note):
        self.ident, self.channel = note.params[:2]
        self.lsn = note.result["lsn"]
        self.wanted, self.options = sums(note.params[2]), note.options
        self.asked_ms, self.answered_ms = note.asked * 1000, note.answered * 1000
        self.state = note.result["state"]
        self.expires_ms = note.result["expires_ms"]
        self.left = collections.Counter()  # (sku, place or None) -> units
        self.done = collections.Counter()
        self.ready = collections.defaultdict(set)  # (sku, place) -> times promised; None: not known
        self.set_aside = {}  # place -> collect_by_ms
        self.aside = {}  # (sku, place) -> units of that
        self.refused_by = set()  # places that rejected it
        self.told = set()  # types of events about it
        self.unsure = False  # of its lines: a repeat of a change may have told those of later
        self.changed = False  # drawn anew since it was made

    def left_at(self, place):
        return {cell: qty for cell, qty in self.left.items() if cell[1] == place and qty}

    def is_aside(self, place):
        """Units that came to a part since it was set aside are open, and so is the part."""
        return place in self.set_aside and all(
            n <= self.aside.get(cell, 0) for cell, n in self.left_at(place).items())

    def end_if_nothing_is_left(self):
        if not +self.left and self.state in ("held", "confirmed"):
            self.state = "fulfilled" if +self.done else "cancelled"


class Supply:
    def __init__(self, kind, source, place, lines, eta_ms):
        self.kind, self.source, self.place = kind, source, place
        self.qty = sums(lines)
        self.held, self.under_way = collections.Counter(), collections.Counter()
        self.shipped, self.accepted = collections.Counter(), collections.Counter()
        self.rejected, self.lost = collections.Counter(), collections.Counter()
        self.eta_ms, self.etas = eta_ms, {eta_ms}

    @property
    def state(self):
        if +self.under_way or (+self.held and +self.shipped):
            return "in_transit"
        if +self.held:
            return "held"
        return "arrived" if +self.shipped else "withdrawn"

    def lines(self):
        became = self.shipped, self.accepted, self.rejected, self.lost
        return {sku: [qty, *[units[sku] for units in became]] for sku, qty in self.qty.items()}


class Move:
    """A change of what is on hand. `counted`: a count's correction, which is no movement."""

    __slots__ = ("note", "from_ms", "to_ms", "delta", "counted")

    def __init__(self, note, delta, counted, at_ms):
        self.note, self.delta, self.counted = note, delta, counted
        self.from_ms, self.to_ms = note.asked * 1000 - SLACK_MS, note.answered * 1000 + SLACK_MS
        if at_ms is not None and at_ms < self.to_ms:
            self.from_ms = self.to_ms = at_ms


class Books:
    """`findings` are contradictions; the first is the one to look at."""

    def __init__(self, network):
        self.network = network
        self.stock = collections.defaultdict(collections.Counter)
        self.reserved = collections.Counter()
        self.on_its_way = collections.Counter()  # (sku, place) -> units under way to it
        self.orders, self.supplies = {}, {}
        self.supplied = collections.defaultdict(list)  # (sku, place) -> supplies
        self.moves = collections.defaultdict(list)  # (sku, place) -> [Move]
        self.counts = collections.defaultdict(list)  # (sku, place) -> [(from_ms, to_ms)]
        self.aside = collections.defaultdict(dict)  # place -> id -> Order
        self.aside_changed = collections.defaultdict(list)  # place -> [(from_ms, to_ms)]
        self.returned = collections.Counter()  # (order, sku) -> units
        self.taken_from_promised = set()  # (sku, place)
        self.flow = collections.Counter()  # what became of units
        self.sales, self.returns = [], []
        self.neighbours = {}  # cell -> its notes by time, and how long the earlier ones lasted
        self.later = []  # checks that need to know what else was going on
        self.findings = []
        self.checked = collections.Counter()

    def expect(self, what, holds, said, *evidence):
        """Counts the check of that kind; a finding if it does not hold."""
        self.checked[what] += 1
        if not holds and len(self.findings) < MAX_FINDINGS:
            self.findings.append(f"{what}: {said}" + "".join(f"\n      {e}" for e in evidence))
        return holds

    # ---- units

    def on_hand(self, sku, place):
        return self.stock[sku, place][SELLABLE]

    def move(self, note, sku, place, qty, why, at_ms=None):
        """Sellable units come or go."""
        before = self.cover(sku, place)
        self.stock[sku, place][SELLABLE] += qty
        self.moves[sku, place].append(Move(note, qty, why == "counted", at_ms))
        self.flow[why] += qty
        if qty < 0:
            self.note_short(sku, place, before)

    def set_apart(self, sku, place, qty, condition, why):
        """Units that cannot be sold come or go."""
        self.stock[sku, place][condition] += qty
        self.flow[why] += qty

    def cover(self, sku, place):
        """Units there, or under way to it, that nobody was promised."""
        cell = sku, place
        return self.on_hand(sku, place) + self.on_its_way[cell] - self.reserved[cell]

    def note_short(self, sku, place, before):
        """Somebody took what was promised: a till, a count, a lorry with less. That is allowed."""
        if self.cover(sku, place) < min(0, before):
            self.taken_from_promised.add((sku, place))

    def note_lost(self, sku, place, qty):
        """Units of a supply will not come. Whoever was promised them is short, even if another
        supply is on its way: that is sold to whoever orders it."""
        if qty and self.reserved[sku, place]:
            self.taken_from_promised.add((sku, place))

    def draw(self, order, lines, note):
        """An answer lists what is drawn now, and what was handed over."""
        left = collections.Counter()
        for sku, place, qty, ready in lines:
            left[sku, place] += qty
            if place is not None:
                order.ready[sku, place].add(ready)
        left.subtract(order.done)
        self.set_left(order, +left, note)

    def set_left(self, order, left, note):
        grown = [cell for cell in left if left[cell] > order.left[cell] and cell[1] is not None]
        for cell, qty in order.left.items():
            self.reserved[cell] -= qty
        for cell, qty in left.items():
            self.reserved[cell] += qty
        order.left = left
        for cell in grown:
            if cell not in self.taken_from_promised:
                owed = max(0, -self.on_hand(*cell))  # what comes is promised, whatever it pays
                cover = self.cover(*cell) + owed
                self.expect("no unit is promised twice", cover >= 0,
                            f"{cell} has {-cover} units too few", note)
        for place in [place for place in order.set_aside if not order.left_at(place)]:
            self.end_aside(order, place, note)

    def end_aside(self, order, place, note):
        order.aside = {cell: n for cell, n in order.aside.items() if cell[1] != place}
        if order.set_aside.pop(place, self) is not self:
            self.aside[place].pop(order.ident, None)
            self.aside_changed[place].append(self.span(note))

    @staticmethod
    def span(note):
        """When the engine may have done it."""
        if isinstance(note, dict):
            return note["time_ms"] - SLACK_MS, note["time_ms"] + SLACK_MS
        return note.asked * 1000, note.answered * 1000

    def give_back(self, order, cells, note):
        left = collections.Counter(order.left)
        for cell in cells:
            del left[cell]
        self.set_left(order, left, note)

    # ---- checks that look at the neighbours

    def check_on_hand(self, note, sku, place, told):
        booked = self.on_hand(sku, place)
        self.later.append((self.compare_on_hand, note, (sku, place), told, booked))

    def compare_on_hand(self, note, cell, told, booked):
        if self.alone(note, cell):
            self.expect("what answers say is on hand", told == booked,
                        f"{cell}: the books say {booked}", note)

    def check_count(self, note, sku, place, wanted, as_of=None, shelf=False):
        at = len(self.moves[sku, place])
        span = self.span(note) if shelf else None
        self.later.append((self.compare_count, note, (sku, place), wanted, (at, as_of, span)))

    def compare_count(self, note, cell, counted, how):
        """A count leaves what was counted, and what has moved since."""
        at, as_of, span = how
        if not self.alone(note, cell):
            return
        if span and any(a <= span[1] and b >= span[0] for a, b in self.aside_changed[cell[1]]):
            return
        low = high = counted
        for move in self.moves[cell][: at - 1] if as_of is not None else ():
            if move.counted:
                continue
            if move.from_ms > as_of:
                low, high = low + move.delta, high + move.delta
            elif move.to_ms > as_of:
                low, high = low + min(0, move.delta), high + max(0, move.delta)
        told = note.result["on_hand"]
        self.expect("what counts leave", max(0, low) <= told <= max(0, high),
                    f"{cell}: it must be {low} to {high}", note)

    def alone(self, note, cell):
        """Did nobody else change it between that request and its answer?"""
        if note.again:
            return False
        if cell not in self.neighbours:
            notes = sorted({m.note for m in self.moves[cell]}, key=lambda each: each.asked)
            latest = list(itertools.accumulate((each.answered for each in notes), max))
            self.neighbours[cell] = notes, [each.asked for each in notes], latest
        notes, asked, latest = self.neighbours[cell]
        before = bisect.bisect_left(asked, note.asked)
        until = bisect.bisect_right(asked, note.answered)
        return notes[before:until] == [note] and (before == 0 or latest[before - 1] < note.asked)

    def look_back(self):
        for check, *rest in self.later:
            check(*rest)
        self.later = []
