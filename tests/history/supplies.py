# SPDX-License-Identifier: Apache-2.0
"""The witness of a history of supplies: all changes in the order of their LSNs, on a plain model.

What of a reservation's units a step concerned, and by which of its pools, only `history` tells; so
each change is what the replies say and what `history` says, which must agree (H1). Beyond X1 to X4
of witness.py:

  U1  a step of a supply is possible at its place in the order, and leads to what its reply tells;
  U2  what is on hand at a place is what came there less what left; what is under way of a supply is
      what was shipped and has neither come nor been lost, nor been withdrawn;
  U3  no order and no transfer takes a unit that was promised: beside it there are as many on hand
      and under way at the place as are promised of it;
  U4  an order draws from a supply only if its channel may: the ETA lies ahead, within its horizon;
  U5  of what came of a supply, nobody is handed a unit that was promised to somebody earlier;
  U6  what is promised of a supply is ready at its ETA, also once that has changed;
  U7  events tell of each arrival that is too much or too little, of each supply that is late, once,
      and of no shortage where all is covered;
  U8  no order and no transfer takes what is to stand in: while promises of a place are short, it
      takes nothing that is on hand there, even if that comes at the same time.

The rest is seen by those who look (bounds.py).
"""

import copy
import itertools
import math

from bounds import Bounds
from calls import SETTINGS, Violation
from documents import OVER, Document, Version, check_told
from witness import Witness, may_step

MS = 1_000_000  # ns
TURN_MS = 50  # a worker's clock may be that much behind
EXPECTED = ("expected", "in_transit")


class Promise:
    """What a reservation draws of an item at a place. sources: supply, or None for what was on hand
    -> units that it drew from there; lsns: source -> of its latest draw there; ready_ms: source ->
    when it was told that these are ready, or None, which it was not told."""

    def __init__(self):
        self.qty = self.fulfilled = self.cancelled = 0
        self.sources, self.lsns, self.ready_ms = {}, {}, {}

    @property
    def left(self):
        return self.qty - self.fulfilled - self.cancelled

    def draw(self, source, qty, lsn, ready_ms=None):
        self.qty += qty
        self.sources[source] = self.sources.get(source, 0) + qty
        self.lsns[source] = lsn
        self.ready_ms.setdefault(source, set()).add(ready_ms)

    def least(self, source):
        """Units that it has left of that source, at least: which it gave up is not told."""
        others = sum(qty for other, qty in self.sources.items() if other != source)
        return max(0, min(self.sources.get(source, 0), self.left - others))

    def most(self, source):
        return min(self.sources.get(source, 0), self.left)


class Order:
    def __init__(self, ident, channel, state):
        self.ident, self.channel, self.state = ident, channel, state
        self.promises = {}  # (sku, place) -> Promise

    def at(self, key):
        return self.promises.setdefault(key, Promise())

    def copy(self):
        return copy.deepcopy(self)

    def key(self):
        return self.state, tuple(sorted(
            (*key, p.qty, p.fulfilled, p.cancelled) for key, p in self.promises.items() if p.qty))

    def end_if_done(self):
        if not any(p.left for p in self.promises.values()):
            done = any(p.fulfilled for p in self.promises.values())
            self.state = "fulfilled" if done else "cancelled"


class SupplyWitness(Witness):
    """`reserved` of a pool counts all promises of the place, of what is on its way there, too."""

    def __init__(self, history):
        super().__init__(history)
        self.documents = {}  # id -> Document
        self.ways = {}  # (sku, supply) -> units under way
        self.orders = self.reservations  # id -> Order
        self.lacks = {}  # (sku, place) -> [(change, promises that may have nothing behind them)...]
        self.created_ms = {
            view.params[0]: view.result.get("created_ms") for view in history.views.values()}
        self.handed = {}  # (sku, supply) -> units that were surely of it, and handed over
        self.late = set()  # (supply, ETA) of which that was told
        self.fewer = set()  # items of which something was found missing

    @staticmethod
    def draws_of(lines):
        """Those of one item at one place as one."""
        found = {}
        for sku, place, qty, _, fulfilled, cancelled in lines:
            draw = found.setdefault((sku, place), [0, 0, 0])
            found[sku, place] = [a + b for a, b in zip(draw, (qty, fulfilled, cancelled))]
        return tuple(sorted((*key, *draw) for key, draw in found.items()))

    def wall_ms(self, time):
        return (time + self.history.header["wall_ns"]) / MS

    def run(self):
        self.check_real_time()
        era = -1
        for change in self.history.order:
            while era < change.era:
                era += 1
                self.before.append(self.snapshot())
            change.ways, change.less = {}, {}
            change.table = self.history.engine.all_rows.get(change.lsn, [])
            self.apply(change)
            self.check_rows(change)
            self.check_taken(change)
        self.history.engine.check_signals(self.signals)
        while len(self.before) <= self.history.eras:
            self.before.append(self.snapshot())
        self.check_answers()

    def apply(self, change):
        if change.kind in SETTINGS:
            return
        getattr(self, "apply_" + change.kind)(change)
        for (sku, place), (on_hand, reserved) in change.parts.items():
            pool = self.pools.setdefault((sku, place), [0, 0])
            pool[0] += on_hand
            pool[1] += reserved
            if pool[0] < 0 or pool[1] < 0:
                raise Violation(f"X4: in lsn order {(sku, place)} has {pool[0]} on hand, {pool[1]} "
                                "reserved", [change])
        for key, units in change.ways.items():
            self.ways[key] = self.ways.get(key, 0) + units
            if not self.ways[key]:
                del self.ways[key]
        if change.kind in ("reserve", "step", "expire"):
            ident = change.told[0].params[0]
            self.lives.setdefault(ident, []).append((change, self.orders[ident].key()))

    def take(self, change, effect):
        change.parts = {key: tuple(part) for key, part in effect.pools.items()}
        change.ways = effect.ways
        for kind, lines in (("overage", effect.over), ("lost", effect.lost)):
            document = self.documents[change.told[0].params[0]]
            self.signals += [
                (change.lsn, kind, document.ident, sku, document.place, qty) for sku, qty in lines]

    # ---- supplies (U1)

    def apply_supply(self, change):
        ident = change.told[0].params[0]
        makers = [call for call in change.told if call.method in ("expect", "transfer")]
        document = self.documents.get(ident)
        if document is None:
            if not makers:
                raise Violation(f"U1: a step of {ident}, which does not exist yet", [change])
            document = self.documents[ident] = Document(makers[0])
            change.made_by, change.takes = makers[0], document.transfer
            self.take(change, document.first_effect())
        elif makers:
            raise Violation(f"U1: {ident} came into being twice", [change])
        else:
            self.apply_supply_step(change, document)
        document.keep(change)
        for call in change.told:
            if call.granted:
                check_told(document, call)

    def apply_supply_step(self, change, document):
        rows = change.table
        calls = [*change.calls, *change.told]
        if rows:
            calls = [c for c in calls if c.method == rows[0]["type"]
                     and c.options.get("op") == rows[0]["op"]]
        calls.sort(key=lambda call: call.options.get("op") is None)
        for call in calls:
            after = copy.deepcopy(document)
            effect = (after.step(call) if call.method != "reschedule"
                      else self.reschedule(after, call))
            told = [one for one in change.told if one.granted]
            if effect is None or not all(map(Version(change, after).is_told, told)):
                continue
            document.__dict__.update(after.__dict__)
            change.made_by = call
            self.take(change, effect)
            return
        raise Violation(f"U1: {document.ident} is {document.state}, {document.lines}: none of these "
                        "steps leads from there", [change, *calls])

    @staticmethod
    def reschedule(document, call):
        return document.reschedule(call.params[1], call.options)

    def apply_late(self, change):
        ident = change.told[0].params[0]
        document = self.documents[ident]
        key = ident, document.eta_ms
        time_ms = change.table[0]["time_ms"]
        if document.state != "in_transit" or not document.eta_ms or document.eta_ms > time_ms:
            raise Violation(f"U7: {ident} is {document.state}, with the ETA {document.eta_ms}, and "
                            f"told to be late at {time_ms}", [change])
        if key in self.late:
            raise Violation(f"U7: {ident} is told to be late twice", [change])
        self.late.add(key)
        self.signals.append((change.lsn, "late", ident, None, document.place, None))

    # ---- movements

    def apply_receive(self, change):
        _, sku, place, qty = change.told[0].params[:4]
        change.takes = qty < 0
        change.parts = {(sku, place): (qty, 0)}
        if qty < 0:
            self.fewer.add(sku)

    apply_adjust = apply_receive

    # ---- orders

    def apply_reserve(self, change):
        call = change.told[0]
        ident, channel = call.params[:2]
        if ident in self.orders:
            raise Violation(f"X3: reservation {ident} came into being twice", [change])
        state = "confirmed" if call.options.get("confirm") else "held"
        if call.result["state"] != state:
            raise Violation(f"X3: a new reservation is {state}", [change])
        self.check_lines(change, call, call.result["lines"])
        order = self.orders[ident] = Order(ident, channel, state)
        change.takes = True
        for sku, place, qty, ready_ms in call.result["lines"]:
            source = self.source_of(change, sku, place, ready_ms)
            order.at((sku, place)).draw(source, qty, change.lsn, ready_ms)
            on_hand, reserved = change.parts.get((sku, place), (0, 0))
            change.parts[sku, place] = on_hand, reserved + qty
            if source:
                self.check_may_promise(change, channel, self.documents[source])

    def source_of(self, change, sku, place, ready_ms):
        """The supply that a line is drawn from; None: what is on hand."""
        kinds = {row["kind"] for row in change.table
                 if (row["sku"], row["location"]) == (sku, place)}
        at_once = ready_ms == self.created_ms.get(change.told[0].params[0])
        for ident in self.under_way(sku, place) if kinds != {"shared"} and not at_once else ():
            if self.documents[ident].eta_ms == ready_ms:
                return ident
        if kinds and "shared" not in kinds:
            raise Violation(f"U4: {sku} is promised at {place} of what is under way, and of that nothing "
                            f"is expected at {ready_ms}", [change])
        return None

    def check_may_promise(self, change, channel, document):
        """U4. ETAs that it had during the call."""
        settings = self.history.channels[channel]
        etas = self.etas(document, change.lo, change.hi)
        began, ended = self.made_at(change)
        if settings.get("promise") != "incoming":
            raise Violation(f"U4: {channel} promises nothing that is on its way", [change])
        if all(eta is None or eta <= began for eta in etas):
            raise Violation(f"U4: {document.ident} was late, and is promised", [change])
        horizon_s = settings.get("horizon_s", math.inf)
        if all(eta and eta > ended + horizon_s * 1000 for eta in etas):
            raise Violation(f"U4: {document.ident} comes too late for {channel}", [change])

    def made_at(self, change):
        """When an order was made, by the engine's clock; or between which times that was."""
        created_ms = self.created_ms.get(change.told[0].params[0])
        if created_ms is not None:
            return created_ms, created_ms
        return self.wall_ms(change.lo) - TURN_MS, self.wall_ms(change.hi) + TURN_MS

    @staticmethod
    def etas(document, lo, hi):
        """Those that it may have had at some instant between the two."""
        found = []
        for version in document.versions:
            if version.change.lo > hi:
                break
            if version.change.hi < lo:
                found = []
            found.append(version.eta_ms)
        return found

    def apply_step(self, change):
        ident = change.told[0].params[0]
        order = self.orders.get(ident)
        if order is None:
            raise Violation(f"X3: a step of {ident}, which does not exist yet", [change])
        kind = change.table[0]["type"] if change.table else None
        op = change.table[0]["op"] if change.table else None
        calls = [c for c in change.told if kind is None or
                 (c.method == kind and c.options.get("op") == op)]
        calls = calls or [c for c in change.told if c.method == kind]
        self.confirm_unheard(change, order)
        if not calls or not self.take_step(change, order, calls[0]):
            raise Violation(f"X3: {ident} is {order.key()}: none of these steps leads from there to "
                            f"{change.table}", [change, *change.told])
        self.check_order(change, order)

    def take_step(self, change, order, call):
        change.made_by = call
        if call.method == "confirm":
            fits = order.state == "held"
            order.state = "confirmed"
            return fits
        if not may_step(call.method, order.state) or not change.table:
            return not change.table and call.options.get("op") is not None
        change.takes = call.method == "fulfil"
        settle = {"fulfil": self.fulfil, "cancel": self.cancel}.get(call.method, self.redraw)
        fits = settle(change, order, call)
        order.end_if_done()
        return fits and all(order.state == c.result["state"] for c in change.told
                            if c.content == call.content)

    @staticmethod
    def units(change):
        """(sku, place) -> units that the rows tell of; [of which they come from there]."""
        found = {}
        for row in change.table:
            if row["kind"] in ("shared", *EXPECTED):
                key = row["sku"], row["location"]
                found[key] = found.get(key, 0) + row["qty"]
        return found

    def settled(self, change, order, call):
        """What a fulfil or a cancel settles of each place; None: not what was asked for."""
        found = self.units(change)
        asked = {}
        for sku, qty, _ in call.lines or ():
            asked[sku] = asked.get(sku, 0) + qty
        told = {}
        for key, qty in found.items():
            told[key[0]] = told.get(key[0], 0) + qty
            if order.at(key).left < qty or qty <= 0:
                return None
        if call.lines is None:
            whole = {key: p.left for key, p in order.promises.items() if p.left}
            return found if found == whole else None
        return found if told == asked else None

    def fulfil(self, change, order, call):
        found = self.settled(change, order, call)
        for key, qty in (found or {}).items():
            change.parts[key] = -qty, -qty
            self.check_precedence(change, order, key, qty)
            order.at(key).fulfilled += qty
        return found is not None

    def cancel(self, change, order, call):
        found = self.settled(change, order, call)
        for key, qty in (found or {}).items():
            change.parts[key] = 0, -qty
            order.at(key).cancelled += qty
        return found is not None

    def redraw(self, change, order, call):
        """A move, or a reject, of one unit of one item."""
        place = call.params[1] if call.method == "reject" else call.params[1][0][1]
        [[sku, qty, *_]] = call.lines if call.method == "reject" else [[call.params[1][0][0], 1]]
        found = self.units(change)
        gained = {key: n for key, n in found.items() if n > 0}
        if found.pop((sku, place), 0) != -qty or sum(found.values()) not in (0, qty):
            return False
        if call.method == "move" and gained != {(sku, call.params[1][0][2]): qty}:
            return False
        promise = order.at((sku, place))
        if promise.left < qty:
            return False
        off = 0
        if call.method == "reject":
            off = self.taken_off(change, sku, place, qty, call)
            self.signals.append((change.lsn, "rejected", order.ident, sku, place, qty))
        change.parts[sku, place] = -off, -qty
        if not gained and call.method == "reject":
            promise.cancelled += qty
            return call.options.get("on_fail") == "cancel"
        promise.qty -= qty
        for key in gained:
            change.parts[key] = 0, qty
            self.redrawn(change, order, key, qty)
        return True

    def redrawn(self, change, order, key, qty):
        kinds = {row["kind"] for row in change.table
                 if (row["sku"], row["location"]) == key and row["qty"] > 0}
        order.at(key).draw(None if kinds == {"shared"} else "?", qty, change.lsn)
        self.signals.append((change.lsn, "moved", order.ident, *key, qty))

    def taken_off(self, change, sku, place, qty, call):
        """What the place had one less of since a reject, as history says."""
        if call.options["reason"] == "busy":
            return 0
        self.fewer.add(sku)
        shared = [row["on_hand"] for row in change.table
                  if (row["sku"], row["location"], row["kind"]) == (sku, place, "shared")]
        off = self.pools.get((sku, place), [0, 0])[0] - shared[0] if shared else 0
        if off not in (0, qty):
            raise Violation(f"H1: a reject of {qty} took {off} off", [change])
        return off

    def apply_expire(self, change):
        order = self.orders.get(change.told[0].params[0])
        if order is None or order.state != "held":
            raise Violation("X3: what expires is held", [change, *change.told])
        for key, promise in order.promises.items():
            if promise.left:
                change.parts[key] = 0, -promise.left
            promise.cancelled += promise.left
        order.state = "expired"
        self.signals.append((change.lsn, "expired", order.ident, None, None, None))
        self.check_order(change, order)

    def apply_short(self, change):
        """Of a reservation, or of a transfer that is held."""
        ident = change.told[0].params[0]
        for row in change.table:
            sku, place, qty = row["sku"], row["location"], row["qty"]
            order, document = self.orders.get(ident), self.documents.get(ident)
            left = order.at((sku, place)).left if order else document.held(sku) if document else 0
            if qty > left:
                raise Violation(f"U7: {ident} is told to be short of {qty} at {place}, and has {left}",
                                [change])
            if self.is_covered(change, sku, place):
                raise Violation(f"U7: {ident} is told to be short at {place}, where all is covered",
                                [change])
        if ident in self.orders:
            self.lives.setdefault(ident, []).append((change, self.orders[ident].key()))
        else:
            self.documents[ident].keep(change)

    def is_covered(self, change, sku, place):
        """As many on hand as are promised, since before anything that ran at the same time."""
        on_hand, reserved = self.pools.get((sku, place), [0, 0])
        if on_hand < reserved:
            return False
        latest = [c for c in self.history.order
                  if c.lsn < change.lsn and (sku, place) in c.parts and c.hi >= change.claimed_after]
        return all(on_hand - sum(c.parts[sku, place][0] for c in latest[at:]) >= reserved - sum(
            c.parts[sku, place][1] for c in latest[at:]) for at in range(len(latest)))

    def check_order(self, change, order):
        view = self.history.views.get((order.ident, change.lsn))
        if view and (view.result["state"], self.draws_of(view.result["lines"])) != order.key():
            raise Violation(f"X3: {order.ident} is {order.key()} then, and not what was seen",
                            [change, view])

    # ---- H1

    def under_way(self, sku, place):
        """{supply: units} that are on their way there."""
        return {ident: units for (item, ident), units in self.ways.items()
                if item == sku and self.documents[ident].place == place}

    def check_rows(self, change):
        """History tells of its pools what the replies make of them."""
        shown = set()
        last = {(row["sku"], row["location"], row["kind"]): row for row in change.table}
        for row in last.values():  # of several of one pool the others tell of a moment in between
            key = row["sku"], row["location"]
            on_hand, reserved = self.pools.get(key, [0, 0])
            ways = self.under_way(*key)
            if row["kind"] == "shared":
                shown.add(key)
                promised = max(0, reserved - sum(ways.values())), reserved
                fits = row["on_hand"] == on_hand and promised[0] <= row["reserved"] <= promised[1]
            elif row["kind"] in EXPECTED:
                own = row["id"] in self.documents
                wanted = [ways.get(row["id"], 0)] if own else [0, *ways.values()]
                fits = row["on_hand"] in wanted
            else:
                continue
            if not fits:
                raise Violation(f"H1: history tells of {row}; by the replies {on_hand} are on hand, "
                                f"{reserved} promised, {ways} under way", [change])
        missing = {key for key, part in change.parts.items() if part[0]} - shown
        if missing:
            raise Violation(f"H1: history does not tell of {missing}", [change])

    # ---- U3

    def promised_of(self, key, source):
        return sum(order.promises[key].most(source) for order in self.orders.values()
                   if key in order.promises and order.state in ("held", "confirmed"))

    def found_less(self, change, key):
        """Units of the place that are fewer now, though they may have been promised."""
        sku, place = key
        if change.kind in ("receive", "adjust") or (change.kind == "step" and change.table):
            gone = -change.parts.get(key, (0, 0))[0]
            return max(0, gone) if change.made_by is None or change.made_by.method == "reject" else 0
        method = change.made_by.method if change.kind == "supply" and change.made_by else None
        if method not in ("arrive", "withdraw"):
            return 0
        ident = change.told[0].params[0]
        if self.documents[ident].place != place:
            return 0
        gone = -change.ways.get((sku, ident), 0) - change.parts.get(key, (0, 0))[0]
        return max(0, gone)

    def lacking(self, change, key, beside):
        """After the change: how many promises of the place may have nothing behind them, because
        something was found missing."""
        sku, place = key
        less = change.less[key]
        if less and change.kind == "supply":
            ident = change.told[0].params[0]
            beyond = self.promised_of(key, ident) + self.promised_of(key, "?")
            less = min(less, max(0, beyond - self.ways.get((sku, ident), 0)))
        takes = max(0, change.parts.get(key, (0, 0))[1])
        at_once = sum(other.less[key] for other, _ in beside)
        on_hand, reserved = self.pools.get(key, [0, 0])
        [*_, (_, before)] = self.lacks[key] or [(None, 0)]
        return max(0, min(before + less + min(takes, at_once), reserved - on_hand))

    def check_taken(self, change):
        keys = set(change.parts)
        keys |= {(sku, self.documents[ident].place) for sku, ident in change.ways}
        for key in keys:
            changes = self.lacks.setdefault(key, [])
            beside = list(itertools.takewhile(
                lambda entry: entry[0].hi > change.lo, reversed(changes)))
            change.less[key] = self.found_less(change, key)
            lacking = self.lacking(change, key, beside)
            document = self.documents.get(change.told[0].params[0])
            first = document and document.versions[0].change is change
            leaves = first and document.source == key[1]
            if change.parts.get(key, (0, 0))[1] > 0 or leaves:
                self.check_promised_once(change, key, beside)
            if leaves or self.takes_what_is_there(change, key):
                self.check_stand_ins(change, key, beside)
            changes.append((change, lacking))

    def check_promised_once(self, change, key, beside):
        on_hand, reserved = self.pools[key]
        ways = self.under_way(*key)
        beyond = reserved - on_hand - sum(ways.values())
        changes = self.lacks[key]
        since = max(0, len(changes) - len(beside) - 1)
        lacked = max([lacks for _, lacks in changes[since:]], default=0)
        if beyond > lacked + sum(other.less[key] for other, _ in beside):
            raise Violation(
                f"U3: in lsn order {key} has {on_hand} on hand and {ways} under way, and {reserved} "
                "are promised", [*(other for other, _ in changes[-7:]), change])

    # ---- U8

    def takes_what_is_there(self, change, key):
        order = self.orders.get(change.told[0].params[0])
        promise = order and order.promises.get(key)
        return bool(promise) and promise.lsns.get(None) == change.lsn

    def check_stand_ins(self, change, key, beside):
        """What is free stands in for promises that are short: whoever takes some of it leaves as
        much as they lack, but for what is found missing at the same time."""
        on_hand, reserved = self.pools[key]
        coming = sum(min(units, self.promised_of(key, ident) + self.promised_of(key, "?"))
                     for ident, units in self.under_way(*key).items())
        lacking = reserved - coming - on_hand
        if lacking > sum(other.less[key] for other, _ in beside):
            raise Violation(
                f"U8: of {key} {on_hand} are on hand, and {reserved} are promised, {coming} of them "
                "of what is under way: so what this takes was to stand in for what is short",
                [*(other for other, _ in self.lacks[key][-7:]), change])

    # ---- U5

    def check_precedence(self, change, order, key, qty):
        promise = order.at(key)
        [source, *others] = promise.sources
        if others or source in (None, "?"):
            return
        before = sum(
            other.promises[key].least(source) for other in self.orders.values()
            if other is not order and key in other.promises
            and other.state in ("held", "confirmed")
            and other.promises[key].lsns.get(source, math.inf) < promise.lsns[source])
        come = self.come_at_most(source, key)
        if come - qty < before:
            raise Violation(f"U5: of {come} units of {source} that have come {before} were promised "
                            "before", [*(v.change for v in self.documents[source].versions), change])
        self.handed[key[0], source] = self.handed.get((key[0], source), 0) + qty

    def come_at_most(self, source, key):
        """Units of a supply that have come and were not handed over; if some never come, free stock
        may stand in for them."""
        sku, _ = key
        document = self.documents[source]
        lines = [line for v in document.versions for line in v.lines if line[0] == sku]
        gone = any(line[4] or line[5] or line[2] < lines[0][2] for line in lines)
        if gone:
            return self.pools.get(key, [0, 0])[0]
        return lines[-1][3] - document.lines[sku][OVER] - self.handed.get((sku, source), 0)

    def check_answers(self):
        Bounds(self).check()
