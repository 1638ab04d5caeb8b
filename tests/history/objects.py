# SPDX-License-Identifier: Apache-2.0
"""What is promised of each item and of each reservation, as a question for linear.py.

Items. The pools of an item are one object. Every granted change is an event for each pool that it
touches, at an instant of its own between being asked and being answered: what an order takes from
several pools, and what a cancel gives back to them, is done draw by draw. What must hold there:

  V1  a reserve takes from a pool that has enough (on a channel that sells from one place, with the
      buffer left over) beside what the channel leaves there (leaves.py); a transfer takes what
      nobody was promised, and gives it to the other pool afterwards; a fulfil and an adjustment
      downwards find the units on hand; a count finds what it says that it found;
  V2  a refusal is true: at one instant of the call so little was available, of what was decided;
  V3  a question sees each pool as it was at one instant of the call, pool after pool. It may count
      as taken what an order over several lines or places has taken and not yet decided;
  V4  a question's answer includes all changes up to its lsn;
  V5  what a movement answers is such a question after its own change;
  V6  an order on a channel with a buffer over several places left that much, at one instant after
      its takes.

What was asked and never answered because of a crash, and is not there afterwards, may have been
seen before it: it is an event that may happen. So may the expiry of a hold that nobody asked for
afterwards, and the serving of what waits.

Of what waits for an item (waiting.py):

  V7  what waits all through a call is not shown as available; and what is told of the backlog is
      not less than that, nor more than may have waited at some instant of the call.

Reservations. Each is one object; its changes happen in the order of their LSNs:

  S1  a question finds the state that the change with its lsn left;
  S2  wrong_state is said of a state that it is wrong in, and that it was in at one instant of the
      call.
"""

import itertools
import math

from calls import MOVEMENTS, REDRAWS, STEPS, Violation
from leaves import Leaves
from linear import DONE, START, Event, Look, Shade
from witness import Reservation, may_step, reject, step

MS = 1_000_000  # ns
TURN_MS = 50  # a worker's clock may be that much behind: it is read once for each turn


class Builder:
    def __init__(self, history, witness):
        self.history, self.witness = history, witness
        self.by_era = [[] for _ in range(history.eras)]
        for call in history.calls:
            self.by_era[call.era].append(call)
        self.order = [[] for _ in range(history.eras)]
        self.made = {}  # content -> change
        for change in history.order:
            self.order[change.era].append(change)
            for call in [*change.told, *change.calls]:
                self.made.setdefault(call.content, change)
        self.unheard = [list(self.find_unheard(era)) for era in range(history.eras)]
        self.of_reservation = [{} for _ in range(history.eras)]
        for call in history.calls:
            if call.method in STEPS or call.method == "reservation":
                self.of_reservation[call.era].setdefault(call.params[0], []).append(call)

    def find_unheard(self, era):
        """Lost calls that are not among the changes that survived: they may have been seen."""
        seen = set()
        for call in self.by_era[era]:
            change = self.made.get(call.content)
            if not call.lost or call.content in seen or (change and change.era <= era):
                continue
            seen.add(call.content)
            yield call

    def end(self, call):
        return min(call.answered, self.history.end_of(call.era))


# ------------------------------------------------------------------------------------------- items


class Item:
    def __init__(self, builder, sku, era):
        self.b, self.sku, self.era = builder, sku, era
        self.history = builder.history
        self.places = self.history.places
        self.events, self.looks, self.shades = [], [], []
        self.dated = []  # (lsn, hi, key) of the events, in lsn order
        pools = builder.witness.before[era][0]
        self.leaves = Leaves(self.history, sku)
        self.start = tuple(
            figure for place in self.places for figure in pools.get((sku, place), (0, 0))
        )

    def build(self):
        for change in self.b.order[self.era]:
            self.add_change(change)
        if self.era < len(self.history.crashes):
            for call in self.b.unheard[self.era]:
                self.add_unheard(call)
            if self.history.backorders:
                self.add_unheard_servings()
        self.add_unheard_expiries()
        for call in self.b.by_era[self.era]:
            self.add_shade(call)
            self.add_looks(call)
        self.add_serving_shade()
        return self

    def state_of(self, events):
        """After these events, all of which are dated."""
        state = list(self.start)
        for event in events:
            pool, on_hand, reserved = event.delta
            state[2 * pool] += on_hand
            state[2 * pool + 1] += reserved
        return tuple(state)

    @staticmethod
    def free(event):
        """The same change, whatever the state."""
        if not hasattr(event, "delta"):
            return event
        step = stepper(*event.delta)
        return Event(event.key, event.lo, event.hi, step, event.note, event.required, event.lsn)

    def at(self, place):
        return self.places.index(place)

    def channel(self, code):
        """(pools, buffer)"""
        channel = self.history.channels[code]
        return [self.at(place) for place in channel["locations"]], channel["buffer"]

    def left(self, call, channel, pools):
        """What the channel may have left of the pools: {pool: units} for each combination."""
        each = [self.leaves.at(self.places[pool], call, channel) for pool in pools]
        return [dict(zip(pools, units)) for units in itertools.product(*each)]

    # ---- events

    def add_change(self, change):
        for place in self.places:
            part = change.parts.get((self.sku, place))
            if part is None:
                continue
            for number, piece in enumerate(change.pieces.get((self.sku, place)) or [part]):
                self.add_event(change, self.at(place), number, piece)
        self.look_after(change)

    def add_event(self, change, pool, number, part):
        takes = change.takes_from(part)
        lo = change.lo if takes else change.claimed_after
        if change.kind == "sourced":
            lo = max(lo, self.served_after(change))
        event = Event(
            (change.lsn, pool, number),
            lo,
            change.hi,
            self.step_of(change, pool, *part),
            change.say,
            lsn=change.lsn,
            after=[] if takes else self.takes_of(change),
        )
        event.delta = (pool, *part)
        self.events.append(event)
        self.dated.append((change.lsn, change.hi, event.key))

    def takes_of(self, change):
        """Keys of the events by which a transfer, an amend, a move or a reject takes what it needs,
        before it gives anything."""
        if change.kind not in ("transfer", "sourced") and not change.redraws:
            return []
        return [
            (change.lsn, self.at(place), 0)
            for (sku, place), part in change.parts.items()
            if sku == self.sku and place and change.takes_from(part)
        ]

    def step_of(self, change, pool, on_hand, reserved):
        available = had = -math.inf
        exactly = None
        if change.kind == "sourced":
            available = reserved
        elif change.kind == "reserve":
            call = change.told[0]
            pools, buffer = self.channel(call.params[1])
            one_pool = len(pools) == 1 and len(call.lines) == 1
            place, channel = self.places[pool], call.params[1]
            stays = min(min(self.leaves.at(place, one, channel)) for one in change.calls)
            available = reserved + stays + (buffer if one_pool else 0)
        elif change.redraws and reserved > 0:
            place, channel = self.places[pool], self.sold_by(change.told[0].params[0])
            available = reserved + min(
                min(self.leaves.at(place, one, channel)) for one in change.calls
            )
        elif change.kind == "count":
            exactly = change.told[0].params[3] - on_hand
        elif on_hand < 0 and change.kind == "transfer":
            available = -on_hand
        elif on_hand < 0:
            had = -on_hand
        return stepper(pool, on_hand, reserved, available, had, exactly)

    def add_unheard(self, call):
        steps = []
        if call.method == "reserve":
            qty = sum(line[1] for line in call.lines if line[0] == self.sku)
            pools, _ = self.channel(call.params[1])
            if call.lines[0][2]:
                pools = [self.at(call.lines[0][2])]
            least = 0 if call.options.get("backorder") else qty
            steps = [alternatives(pools, n) for n in range(least, qty + 1) if n]
            steps = [either(steps)] if steps else []
        elif call.method in MOVEMENTS and call.params[1] == self.sku:
            pool, qty = self.at(call.params[2]), call.params[3]
            counts = call.method == "count"
            steps = [counter(pool, qty) if counts else stepper(pool, qty, 0, had=-qty)]
        elif call.method == "transfer":
            steps = self.transfer_unheard(call)
        elif call.method == "sold":
            pool = self.at(call.params[2])
            sold = [qty for sku, qty in call.params[3] if sku == self.sku]
            steps = [stepper(pool, -qty, 0, had=qty) for qty in sold]
        elif call.method in ("fulfil", "cancel"):
            steps = self.steps_unheard(call)
        elif call.method == "reject":
            steps = self.reject_unheard(call)
        elif call.method == "arrive":
            steps = self.arrive_unheard(call)
        elif call.method in REDRAWS:
            steps = self.redraw_unheard(call)
        before = []
        for number, one in enumerate(steps):
            key = ("?", call.asked, call.client, number)
            end = self.history.end_of(self.era)
            event = Event(key, call.asked, end, one, call.say, required=False, after=before)
            self.events.append(event)
            before = [key] if call.method == "transfer" else []

    def transfer_unheard(self, call):
        _, source, target, [[sku, qty]] = call.params
        if sku != self.sku:
            return []
        return [
            stepper(self.at(source), -qty, 0, available=qty),
            stepper(self.at(target), qty, 0),
        ]

    def steps_unheard(self, call):
        """Any part of what was left, as far as the reservation's later life tells."""
        reservation = self.b.witness.before[self.era + 1][1].get(call.params[0])
        found = []
        for sku, place, qty, fulfilled, cancelled in reservation.draws if reservation else ():
            left = qty - fulfilled - cancelled
            if sku == self.sku and left > 0 and place:
                sign = -1 if call.method == "fulfil" else 0
                parts = [
                    stepper(self.at(place), sign * part, -part, had=-sign * part)
                    for part in range(1, left + 1)
                ]
                found.append(lambda state, parts=parts: [x for p in parts for x in p(state)])
        return found

    def arrive_unheard(self, call):
        """So many as it says, or any part of what was expected."""
        sku, place, qty, _ = self.b.witness.supplies.get(call.params[0], (None,) * 4)
        if sku != self.sku:
            return []
        counts = [line[1] for line in call.params[1]] if call.params[1] else range(1, qty + 1)
        return [either([stepper(self.at(place), units, 0) for units in counts])]

    def reject_unheard(self, call):
        """A unit of one place comes from another, or is waited for, or cancelled."""
        [[sku, qty, _]] = call.lines
        if sku != self.sku or not self.drawn_ever(call.params[0]):
            return []
        place = self.at(call.params[1])
        others = [pool for pool in range(len(self.places)) if pool != place]

        def one(state):
            found = []
            for off in (0, qty):
                for to in (None, *others):
                    after = list(state)
                    after[2 * place] -= off
                    after[2 * place + 1] -= qty
                    if to is not None:
                        after[2 * to + 1] += qty
                    if after[2 * place] >= 0 and after[2 * place + 1] >= 0:
                        found.append(tuple(after))
            return found

        return [one]

    def redraw_unheard(self, call):
        """Any part of what it may draw, and of what the reservation ever had there."""
        found = []
        for sku, qty, place in call.targets:
            if sku == self.sku:
                found.append(some_of(self.at(place), range(1, qty + 1)))
        for place, qty in self.drawn_ever(call.params[0]).items():
            if place is None:
                continue  # it is nowhere
            found.append(some_of(self.at(place), range(-qty, 0)))
        return found

    def drawn_ever(self, ident):
        """Of this item: place -> the most that the reservation ever drew there."""
        most = {}
        for _, (_, draws) in self.b.witness.lives.get(ident, ()):
            now = {}
            for sku, place, qty, *_ in draws:
                if sku == self.sku:
                    now[place] = now.get(place, 0) + qty
            most = {place: max(now.get(place, 0), most.get(place, 0)) for place in {*now, *most}}
        return most

    def sold_by(self, ident):
        """The channel of a reservation; None: it is not known."""
        life = self.b.witness.lives.get(ident)
        return life[0][0].told[0].params[1] if life else None

    def served_after(self, change):
        """It was served once it waited, and once there was something to be had."""
        ident = change.told[0].params[0]
        for wait in self.b.witness.waiting.all_of(self.sku):
            if wait.ident == ident and wait.until is change:
                return max(wait.first.lo, wait.came)
        return 0

    def add_unheard_servings(self):
        """Those that wait when the engine is killed may have been served, unknown to the next one."""
        last = max((change.claimed_after for change in self.b.order[self.era]), default=0)
        end = self.history.end_of(self.era)
        for ident, reservation in self.b.witness.before[self.era + 1][1].items():
            left = sum(d[2] - d[3] - d[4] for d in reservation.draws if d[:2] == [self.sku, None])
            if reservation.state not in ("held", "confirmed") or not left:
                continue
            for number in range(left):
                key = ("serving", ident, number)
                note = f"the serving of {ident}"
                self.events.append(
                    Event(key, last, end, served(range(len(self.places))),
                          lambda zero=0, note=note: note, required=False)
                )

    def add_unheard_expiries(self):
        end = max((self.b.end(call) for call in self.b.by_era[self.era]), default=0)
        for ident, reservation in self.b.witness.before[self.era + 1][1].items():
            made, _ = self.b.witness.lives[ident][0]
            ttl = made.told[0].options.get("ttl_ms")
            if reservation.state != "held" or ttl is None:
                continue
            due = made.lo + (ttl - TURN_MS) * MS
            for number, (sku, place, qty, fulfilled, cancelled) in enumerate(reservation.draws):
                left = qty - fulfilled - cancelled
                if sku == self.sku and left > 0 and due < end and place:
                    self.events.append(
                        Event(
                            ("expiry", ident, number),
                            due,
                            end,
                            stepper(self.at(place), 0, -left),
                            lambda zero=0, ident=ident: f"the expiry of {ident}",
                            required=False,
                        )
                    )

    # ---- undecided takes

    def add_shade(self, call):
        if call.method == "reserve":
            self.add_order_shade(call)
        elif call.method == "fulfil":
            self.add_fulfil_shade(call)
        elif call.method == "reject":
            self.add_reject_shade(call)
        elif call.method in REDRAWS:
            self.add_redraw_shade(call)

    def own_parts(self, call):
        """Keys of the events that this call may have made; None: it found all done."""
        change = self.b.made.get(call.content)
        if change is None or call.code or change.era > self.era:
            return {}
        if change.era < self.era or call.asked > change.hi:
            return None
        return {
            self.at(place): (change.lsn, self.at(place))
            for sku, place in change.parts
            if sku == self.sku and place
        }

    def add_order_shade(self, call):
        qty = sum(line[1] for line in call.lines if line[0] == self.sku)
        pools, buffer = self.channel(call.params[1])
        place = call.lines[0][2]
        own = self.own_parts(call)
        # A single take decides by itself, unless a buffer over several places must be looked at.
        splits = len(pools) > 1 and (buffer > 0 or (qty > 1 and not place))
        # Of an item for which somebody may wait, each take is looked at once more.
        single = len(call.lines) == 1 and not splits and not self.history.backorders
        if not qty or own is None or single:
            return
        if place:
            pools = [pool for pool in pools if pool == self.at(place)]
        whole = len(pools) == 1 and not call.options.get("backorder")
        options = {(0, part) for part in ((0, qty) if whole else range(qty + 1))}
        self.shades.append(
            Shade(call.asked, self.b.end(call), dict.fromkeys(pools, options), own, call.say)
        )

    def add_fulfil_shade(self, call):
        life = self.b.witness.lives.get(call.params[0])
        own = self.own_parts(call)
        if not life or own is None or all(len(draws) == 1 for _, (_, draws) in life):
            return
        ever = self.drawn_ever(call.params[0])
        pools = {self.at(place): qty for place, qty in ever.items() if place}
        options = {pool: {(-n, -n) for n in range(qty + 1)} for pool, qty in pools.items()}
        if pools:
            self.shades.append(Shade(call.asked, self.b.end(call), options, own, call.say))

    def add_redraw_shade(self, call):
        own = self.own_parts(call)
        pools = {}
        for sku, qty, place in call.targets:
            if sku == self.sku:
                pools[self.at(place)] = pools.get(self.at(place), 0) + qty
        if pools and own is not None:
            options = {pool: {(0, n) for n in range(qty + 1)} for pool, qty in pools.items()}
            self.shades.append(Shade(call.asked, self.b.end(call), options, own, call.say))

    def add_reject_shade(self, call):
        [[sku, qty, _]] = call.lines
        own = self.own_parts(call)
        if sku != self.sku or own is None:
            return
        options = {pool: {(0, 0), (0, qty)} for pool in range(len(self.places))}
        options[self.at(call.params[1])] = {(0, 0), (-qty, -qty)}
        self.shades.append(Shade(call.asked, self.b.end(call), options, own, call.say))

    def add_serving_shade(self):
        """While somebody waits the engine may take a unit for him, and give it back again."""
        waits = [
            (wait.since.lo, wait.until.hi if wait.until else math.inf)
            for wait in self.b.witness.waiting.all_of(self.sku)
        ]
        most = max((w.units for w in self.b.witness.waiting.all_of(self.sku)), default=0)
        pools = {pool: {(0, n) for n in range(most + 1)} for pool in range(len(self.places))}
        for lo, hi in merged(waits):
            note = "the serving of what waits"
            self.shades.append(Shade(lo, hi, pools, {}, lambda zero=0: note))

    # ---- looks

    def look(self, lo, hi, advance, note, after=()):
        self.looks.append(Look(lo, hi, advance, note, after))

    def up_to(self, lsn, lo):
        return [key for when, hi, key in self.dated if when <= lsn and hi >= lo]

    def look_after(self, change):
        """V5 and V6."""
        own = [event.key for event in self.events if event.lsn == change.lsn]
        call = change.told[0]
        if change.kind in MOVEMENTS and call.params[1] == self.sku:
            figures = call.result["on_hand"], call.result["on_hand"] - call.result["available"]
            advance = pool_by_pool([(self.at(call.params[2]), figures)])
            self.look(change.lo, change.hi, advance, change.say, own)
        for sku, on_hand, available in call.result["lines"] if change.kind == "sold" else ():
            if sku == self.sku:
                figures = on_hand, on_hand - available
                advance = pool_by_pool([(self.at(call.params[2]), figures)])
                self.look(change.lo, change.hi, advance, change.say, own)
        if change.kind == "reserve" and own:
            pools, buffer = self.channel(call.params[1])
            taken = any(sku == self.sku and place for sku, place in change.parts)
            if buffer and taken and not (len(pools) == 1 and len(call.lines) == 1):
                left = [x for one in change.calls for x in self.left(one, call.params[1], pools)]
                self.look(change.lo, change.hi, leaves(pools, buffer, left), change.say, own)

        if change.redraws and own:
            channel = self.sold_by(call.params[0])
            pools, buffer = self.channel(channel)
            takes = self.takes_of(change)
            drawn = [
                place for (sku, place), part in change.parts.items()
                if sku == self.sku and place and part[1] > 0
            ]
            if buffer and drawn:
                left = [x for one in change.calls for x in self.left(one, channel, pools)]
                self.look(change.lo, change.hi, leaves(pools, buffer, left), change.say, takes)

    def add_looks(self, call):
        if call.lost:
            return
        if call.code == "insufficient_stock" and call.method in REDRAWS:
            self.look_refused_redraw(call)
        elif call.code == "insufficient_stock":
            getattr(self, "look_refused_" + call.method)(call)
        elif call.method == "stock" and call.params[0] == self.sku:
            self.look_stock(call)
        elif call.method == "availability":
            pools, buffer = self.channel(call.params[0])
            for sku, answer in zip(call.params[1], call.result["stock"]):
                if sku == self.sku:
                    after = self.up_to(call.result["lsn"], call.asked)
                    left = self.left(call, call.params[0], pools)
                    hidden = self.b.witness.waiting.hidden(self.sku, call)
                    advance = sum_over(pools, buffer, answer, left, *hidden)
                    self.look(call.asked, call.answered, advance, call.say, after)

    def look_stock(self, call):
        result = call.result
        pools = [
            (self.at(pool["location"]), (pool["on_hand"], pool["reserved"]))
            for pool in result["pools"]
            if pool["kind"] == "shared"
        ]
        on_hand = sum(figures[0] for _, figures in pools)
        reserved = sum(figures[1] for _, figures in pools)
        if (on_hand, reserved) != (result["on_hand"], result["reserved"]):
            raise Violation("V3: the sums are not those of the pools", [call])
        least, most = self.b.witness.waiting.bounds(self.sku, call)
        if self.history.backorders and not least <= result["backlog"] <= most:
            raise Violation(f"V7: from {least} to {most} units of {self.sku} wait then", [call])
        after = self.up_to(result["lsn"], call.asked)
        self.look(call.asked, call.answered, pool_by_pool(pools), call.say, after)

    def look_beyond_limit(self, call):
        """More than is there, and may be promised beside what waits already."""
        for short in call.details["lines"]:
            if short["sku"] != self.sku:
                continue
            wanted = sum(qty for sku, qty, _ in call.lines if sku == self.sku)
            if short["wanted"] != wanted or short["available"] >= wanted:
                raise Violation("V2: refused, and yet there is enough", [call])
            _, most = self.b.witness.waiting.bounds(self.sku, call)
            room = max(0, self.history.header["backorder_limit"] - most)
            pools, buffer = self.channel(call.params[1])
            self.look(call.asked, call.answered, too_little(pools, buffer, wanted - room), call.say)

    def look_refused_reserve(self, call):
        if call.options.get("backorder"):
            self.look_beyond_limit(call)
            return
        pools, buffer = self.channel(call.params[1])
        shorts = list(call.details["lines"])
        short_at = {}
        for at in range(len(call.lines) - 1, -1, -1):
            sku, qty, _ = call.lines[at]
            if shorts and (shorts[-1]["sku"], shorts[-1]["wanted"]) == (sku, qty):
                short_at[at] = shorts.pop()["available"]
        if shorts or not short_at:
            raise Violation("V2: the refusal names lines that are not the order's", [call])
        planned = 0
        for at, (sku, qty, place) in enumerate(call.lines):
            if sku != self.sku:
                continue
            if at not in short_at:
                planned += qty
                continue
            told = short_at[at]
            if told >= qty:
                raise Violation("V2: refused, and yet there is enough", [call])
            serving = [p for p in pools if not place or p == self.at(place)]
            left = self.left(call, call.params[1], pools)
            advance = truly_short(pools, serving, buffer, planned, told, left)
            self.look(call.asked, call.answered, advance, call.say)

    def look_refused_adjust(self, call):
        _, sku, place, delta = call.params[:4]
        told = call.details["available"]
        if sku != self.sku:
            return
        if told >= -delta:
            raise Violation("V2: refused, and yet there is enough", [call])
        self.look(call.asked, call.answered, has_on_hand([self.at(place)], told), call.say)

    def look_refused_transfer(self, call):
        _, source, _, [[sku, qty]] = call.params
        told = call.details["lines"][0]["available"]
        if sku != self.sku:
            return
        if told >= qty:
            raise Violation("V2: refused, and yet there is enough", [call])
        self.look(call.asked, call.answered, has_free(self.at(source), told), call.say)

    def look_refused_fulfil(self, call):
        if call.details["sku"] != self.sku:
            return
        told = call.details["available"]
        ever = self.drawn_ever(call.params[0])
        pools = [self.at(place) for place in ever if place]
        if told >= call.details["wanted"]:
            raise Violation("V2: refused, and yet there is enough", [call])
        if told == 0 and self.b.witness.waiting.may_wait(self.sku, call):
            return  # what it waits for is nowhere
        self.look(call.asked, call.answered, has_on_hand(pools, told), call.say)

    def look_refused_redraw(self, call):
        """Each sku is in one line at most, which names a place."""
        channel = self.sold_by(call.params[0])
        places = {sku: place for sku, _, place in call.targets}
        for short in call.details["lines"] if channel else ():
            told = short["available"]
            if short["sku"] != self.sku:
                continue
            if told >= short["wanted"]:
                raise Violation("V2: refused, and yet there is enough", [call])
            pools, buffer = self.channel(channel)
            serving = [pool for pool in pools if pool == self.at(places[self.sku])]
            rejected = self.b.witness.waiting.rejected(call.params[0]).get(places[self.sku])
            if rejected and rejected.lo < call.answered:
                serving = [] if rejected.hi < call.asked or told == 0 else serving
            left = self.left(call, channel, pools)
            advance = truly_short(pools, serving, buffer, 0, told, left)
            self.look(call.asked, call.answered, advance, call.say)


# ---- how an event changes a state: (on_hand, reserved) of each pool in turn


def stepper(pool, on_hand, reserved, available=-math.inf, had=-math.inf, exactly=None):
    here, held = 2 * pool, 2 * pool + 1

    def one(state):
        there = state[here]
        if there - state[held] < available or there < had:
            return []
        if exactly is not None and there != exactly:
            return []
        after = list(state)
        after[here] += on_hand
        after[held] += reserved
        return [tuple(after)]

    return one


def some_of(pool, counts):
    """That many more are reserved, or fewer, but never less than none."""
    held = 2 * pool + 1

    def one(state):
        return [
            state[:held] + (state[held] + n,) + state[held + 1 :]
            for n in counts
            if state[held] + n >= 0
        ]

    return one


def either(steps):
    return lambda state: [after for one in steps for after in one(state)]


def served(pools):
    """A unit that was waited for is drawn from one of the pools, where it is free."""

    def one(state):
        found = []
        for pool in pools:
            if state[2 * pool] > state[2 * pool + 1]:
                after = list(state)
                after[2 * pool + 1] += 1
                found.append(tuple(after))
        return found

    return one


def counter(pool, counted):
    def one(state):
        return [state[: 2 * pool] + (counted,) + state[2 * pool + 1 :]]

    return one


def alternatives(pools, qty):
    """A take of that many from the pools, in any split."""
    splits = [
        split
        for split in itertools.product(range(qty + 1), repeat=len(pools))
        if sum(split) == qty
    ]

    def one(state):
        found = []
        for split in splits:
            after = list(state)
            for pool, part in zip(pools, split):
                after[2 * pool + 1] += part
            found.append(tuple(after))
        return found

    return one


# ---- what a look saw


def free(on_hand, reserved):
    return max(0, on_hand - reserved)


def free_at(state, pool):
    return free(state[2 * pool], state[2 * pool + 1])


def pool_by_pool(wanted):
    """[(pool, (on_hand, reserved))...], seen one after the other."""

    def advance(progress, view):
        while progress < len(wanted):
            pool, figures = wanted[progress]
            if figures not in view.seen(pool):
                return progress
            progress += 1
        return DONE

    return advance


def first_of(progress, seen):
    """The loads of the first of two pools, so far."""
    return frozenset(seen) if progress == START else progress | seen


def sum_over(pools, buffer, answer, left, least, most):
    """What a channel can sell, summed over its one or two pools, one after the other; without what
    waits, which is at least and at most so many units."""
    assert 1 <= len(pools) <= 2

    def advance(progress, view):
        now = frozenset(free(*figures) for figures in view.seen(pools[0]))
        firsts = first_of(progress, now) if len(pools) == 2 else now
        lasts = [free(*f) for f in view.seen(pools[1])] if len(pools) == 2 else [0]
        for first, last, stays in itertools.product(firsts, lasts, left):
            there = sum(max(0, n - stays[pool]) for n, pool in zip((first, last), pools))
            sold = max(0, there - buffer)
            if max(0, sold - most) <= answer <= max(0, sold - least):
                return DONE
        return firsts if len(pools) == 2 else START

    return advance


def truly_short(pools, serving, buffer, planned, told, left):
    """V2: `told` is what was seen, and at the end of the look no more than that was to be had."""

    def takeable(there, stays):
        there = {pool: max(0, units - stays[pool]) for pool, units in there.items()}
        total = sum(there.values())
        mine = sum(there[pool] for pool in serving)
        return max(0, min(mine, total - buffer) - planned)

    def advance(progress, view):
        now = {pool: free_at(view.state, pool) for pool in pools}
        short = any(takeable(now, stays) <= told for stays in left)
        if planned:
            return DONE if short else START
        firsts = first_of(progress, frozenset([now[pools[0]]]))
        for first in firsts if len(pools) == 2 else [now[pools[0]]]:
            then = {**now, pools[0]: first}
            if short and any(takeable(then, stays) == told for stays in left):
                return DONE
        return firsts if len(pools) == 2 else START

    return advance


def leaves(pools, buffer, left):
    def advance(_, view):
        for stays in left:
            if sum(max(0, free_at(view.state, pool) - stays[pool]) for pool in pools) >= buffer:
                return DONE
        return START

    return advance


def too_little(pools, buffer, wanted):
    def advance(_, view):
        there = max(0, sum(free_at(view.state, pool) for pool in pools) - buffer)
        return DONE if there < wanted else START

    return advance


def has_on_hand(pools, told):
    def advance(_, view):
        return DONE if any(view.state[2 * pool] == told for pool in pools) else START

    return advance


def has_free(pool, told):
    def advance(_, view):
        return DONE if free_at(view.state, pool) == told else START

    return advance


# ------------------------------------------------------------------------------------ reservations


class Life:
    """A reservation in one era. State: (changes of this era so far, state, draws)."""

    def __init__(self, builder, ident, era):
        self.b, self.ident, self.era = builder, ident, era
        self.history = builder.history
        self.events, self.looks, self.shades = [], [], []
        before = builder.witness.before[era][1].get(ident)
        self.start = (0, *(before.key() if before else (None, ())))
        self.places = {}  # lsn -> how many changes of this era that makes
        self.marks = [self.start]

    def build(self):
        at = 0
        for change, after in self.b.witness.lives[self.ident]:
            if change.era < self.era:
                self.places[change.lsn] = 0
            elif change.era == self.era:
                self.places[change.lsn] = at + 1
                self.add_change(change, at, after)
                at += 1
        if self.era < len(self.history.crashes):
            for call in self.b.unheard[self.era]:
                if call.method in STEPS and call.params[0] == self.ident:
                    self.add_unheard(call)
            self.add_unheard_expiry()
        for call in self.b.of_reservation[self.era].get(self.ident, ()):
            if not call.lost:
                self.add_looks(call)
        return self

    def state_of(self, events):
        return self.marks[len(events)]

    @staticmethod
    def free(event):
        return event  # they have one order anyway

    def add_change(self, change, at, after):
        def one(state):
            if state[0] != at or (state[1:] != before and state[1] != "confirmed"):
                return []
            return [(at + 1, *after)]

        before = self.marks[-1][1:]
        self.marks.append((at + 1, *after))
        self.events.append(
            Event((change.lsn,), change.lo, change.hi, one, change.say, lsn=change.lsn)
        )

    def add_unheard(self, call):
        def one(state):
            found = []
            for take in ways(call, self.history.places):
                after = Reservation.of(self.ident, None, state[1:])
                if state[1] and take(after, call) is not None:
                    found.append((state[0], *after.key()))
            return found

        end = self.history.end_of(self.era)
        key = ("?", call.asked, call.client)
        self.events.append(Event(key, call.asked, end, one, call.say, required=False))

    def add_unheard_expiry(self):
        made, _ = self.b.witness.lives[self.ident][0]
        ttl = made.told[0].options.get("ttl_ms")
        end = self.history.end_of(self.era)
        if ttl is None or made.lo + (ttl - TURN_MS) * MS > end:
            return

        def one(state):
            if state[1] != "held":
                return []
            draws = tuple((*draw[:4], draw[2] - draw[3]) for draw in state[2])
            return [(state[0], "expired", draws)]

        due = made.lo + (ttl - TURN_MS) * MS
        note = f"the expiry of {self.ident}"
        self.events.append(
            Event(("expiry",), due, end, one, lambda zero=0: note, required=False)
        )

    def add_looks(self, call):
        if call.method == "reservation":
            lsn, state = call.result["lsn"], call.result["state"]
            if lsn not in self.places:
                raise Violation(f"S1: {self.ident} has no change with lsn {lsn}", [call])
            draws = self.b.witness.draws_of(call.result["lines"])
            self.looks.append(
                Look(
                    call.asked,
                    call.answered,
                    saw((self.places[lsn], state, draws)),
                    call.say,
                )
            )
        elif call.code == "wrong_state":
            self.looks.append(Look(call.asked, call.answered, self.wrong(call), call.say))

    @staticmethod
    def wrong(call):
        state, short = call.details["state"], call.details.get("lines")
        possible = state == "held" if call.method == "confirm" else may_step(call.method, state)
        none_there = call.method == "reject" and possible and not short
        if possible and not short and not none_there:
            raise Violation(f"S2: {call.method} is not wrong for what is {state}", [call])

        def left(draws, sku):
            source = call.params[1][0][1] if call.method == "move" else None
            source = call.params[1] if call.method == "reject" else source
            here = [d for d in draws if d[0] == sku and source in (None, d[1])]
            return sum(d[2] - d[3] - d[4] for d in here)

        def advance(_, view):
            _, now, draws = view.state
            if now != state:
                return START
            if short and left(draws, short[0]["sku"]) != short[0]["left"]:
                return START
            if none_there and any(d[1] == call.params[1] and d[2] > d[3] + d[4] for d in draws):
                return START
            return DONE

        return advance


def ways(call, places):
    """In which ways a step may have been taken."""
    if call.method != "reject":
        return [step]
    others = [place for place in (*places, None, "") if place != call.params[1]]
    return [lambda r, c, to=to: reject(r, c, to) if may_step("reject", r.state) else None
            for to in others]


def merged(spans):
    """Of spans (lo, hi): the same times, none of which overlap."""
    found = []
    for lo, hi in sorted(spans):
        if found and lo <= found[-1][1]:
            found[-1] = found[-1][0], max(hi, found[-1][1])
        else:
            found.append((lo, hi))
    return found


def saw(wanted):
    def advance(_, view):
        return DONE if view.state == wanted else START

    return advance
