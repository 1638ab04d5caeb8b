# SPDX-License-Identifier: Apache-2.0
"""The journal's own order as the witness of all changes.

Every granted change has an LSN, and LSNs are one order of all changes. This checks, in one pass:

  X1  it respects real time: what was answered before another was asked has the smaller LSN, and a
      question's lsn is not behind what was answered before it was asked;
  X2  what was answered is there after a crash: its LSN is not over the recovered one;
  X3  applied one after the other to a plain model of pools and reservations, every change is
      possible, and ends in the state that its reply says;
  X4  no pool ever has less than nothing on hand, and no reserve or transfer takes a pool below zero
      unless an adjustment or a count that ran at the same time found less than had been promised.

  X5  no more is promised before it is there than the item's limit allows, but for what was rejected;
  X6  nobody overtakes those who wait for an item (waiting.py).

X4 is what CONCURRENCY.md's theorem promises of every prefix of the log. What no reply tells is what
`history` does (engine.py).
"""

import copy

from calls import READS, Violation
from waiting import Waiting


class Reservation:
    def __init__(self, ident, channel, state, draws):
        self.ident, self.channel, self.state = ident, channel, state
        self.draws = draws  # [sku, place, qty, fulfilled, cancelled]

    def copy(self):
        return Reservation(self.ident, self.channel, self.state, copy.deepcopy(self.draws))

    def left(self, sku):
        return sum(d[2] - d[3] - d[4] for d in self.draws if d[0] == sku)

    @staticmethod
    def of(ident, channel, key):
        return Reservation(ident, channel, key[0], [list(draw) for draw in key[1]])

    def key(self):
        """Its state as something that can be compared and hashed."""
        return self.state, tuple(tuple(draw) for draw in self.draws)


def may_step(method, state):
    return state == "confirmed" or (method in ("cancel", "amend", "move") and state == "held")


def take_out(draws, counts, sku, place, qty):
    """Takes so many of the sku, there, out of counts, one for each draw. Returns what is missing."""
    for at, draw in enumerate(draws):
        if draw[0] == sku and draw[1] == place:
            part = min(counts[at], qty)
            counts[at] -= part
            qty -= part
    return qty


def redraw(reservation, call):
    """An amend, each line of which names a place, or a move. The parts; none if it changes nothing;
    None if it cannot be."""
    draws = reservation.draws
    kept = [draw[2] - draw[3] - draw[4] for draw in draws]
    less, new = list(kept), []
    if call.method == "amend":
        done = [draw[3] for draw in draws]
        wanted = [
            (sku, place, take_out(draws, less, sku, place, take_out(draws, done, sku, place, qty)))
            for sku, qty, place in call.lines
        ]
        for sku, place, more in wanted:
            for elsewhere in {draw[1] for draw in draws} - {place}:  # what was handed over counts
                more = take_out(draws, done, sku, elsewhere, more)
            new += [[sku, place, more, 0, 0]] if more else []
    else:
        for sku, source, target, qty in call.params[1]:
            if take_out(draws, kept, sku, source, qty):
                return None
            new.append([sku, target, qty, 0, 0])
        less = [units - rest for units, rest in zip(less, kept)]
    parts = {}
    changes = [(*draw[:2], -units) for draw, units in zip(draws, less)]
    for sku, place, units in changes + [(*draw[:2], draw[2]) for draw in new]:
        if units:
            _, reserved = parts.get((sku, place), (0, 0))
            parts[(sku, place)] = 0, reserved + units
    for draw, units in zip(draws, less):
        draw[2] -= units
    reservation.draws = [draw for draw in draws if draw[2] > 0] + new
    return parts


def give_up(reservation, sku, place, qty, cancelled=0):
    """The first draws of the sku there lose so many units, some of which are cancelled."""
    for draw in reservation.draws:
        part = min(qty, draw[2] - draw[3] - draw[4]) if draw[:2] == [sku, place] else 0
        draw[2] -= part - min(part, cancelled)
        draw[4] += min(part, cancelled)
        qty, cancelled = qty - part, cancelled - min(part, cancelled)
    reservation.draws = [draw for draw in reservation.draws if draw[2] > 0]
    return qty == 0


def reject(reservation, call, to=None, off=0):
    """A place loses a unit, `off` of which is taken off there; it comes from another place, waits
    (to: None), or is cancelled (to: "")."""
    [[sku, qty, _]] = call.lines
    place = call.params[1]
    if not give_up(reservation, sku, place, qty, cancelled=qty if to == "" else 0):
        return None
    parts = {(sku, place): (-off, -qty)}
    if to != "":
        reservation.draws.append([sku, to, qty, 0, 0])
        parts[(sku, to)] = 0, qty
    end_if_done(reservation)
    return parts


def end_if_done(reservation):
    if all(d[2] == d[3] + d[4] for d in reservation.draws):
        done = any(d[3] for d in reservation.draws)
        reservation.state = "fulfilled" if done else "cancelled"


def pieces(before, after):
    """What each draw is less: (sku, place) -> [(on_hand, reserved)]. A move may have left an order
    with two draws of one pool."""
    found = {}
    for was, now in zip(before.draws, after.draws):
        fulfilled, cancelled = now[3] - was[3], now[4] - was[4]
        if fulfilled or cancelled:
            found.setdefault((was[0], was[1]), []).append((-fulfilled, -fulfilled - cancelled))
    return found


def step(reservation, call, there=None):
    """Takes the step; the parts (sku, place) -> (on_hand, reserved), or None if it cannot be. there:
    what is on hand in each pool; those units are handed over first."""
    method, lines = call.method, call.lines
    if method == "confirm":
        if reservation.state != "held":
            return None
        reservation.state = "confirmed"
        return {}
    if not may_step(method, reservation.state):
        return None
    if method == "reject":
        return reject(reservation, call)
    if method in ("amend", "move"):
        parts = redraw(reservation, call)
        if parts:
            end_if_done(reservation)
        return parts
    parts = {}
    column = 3 if method == "fulfil" else 4
    wanted = lines or [[d[0], d[2] - d[3] - d[4], None] for d in reservation.draws]
    draws = None if lines else iter(reservation.draws)
    for sku, qty, _ in wanted:
        first = [(draw, True) for draw in reservation.draws] if there else []
        rest = [next(draws)] if draws else reservation.draws
        for draw, limited in first + [(draw, False) for draw in rest]:
            part = min(qty, draw[2] - draw[3] - draw[4]) if draw[0] == sku else 0
            if limited:
                gone = parts.get((draw[0], draw[1]), (0, 0))[0]
                part = min(part, there[draw[0], draw[1]][0] + gone)
            if part <= 0:
                continue
            draw[column] += part
            qty -= part
            on_hand, reserved = parts.get((draw[0], draw[1]), (0, 0))
            gone = part if method == "fulfil" else 0
            parts[(draw[0], draw[1])] = on_hand - gone, reserved - part
        if qty:
            return None
    if not parts:
        return None
    end_if_done(reservation)
    return parts


class Witness:
    """Applies the changes; afterwards each has its parts, and `before[era]` is how each era began."""

    def __init__(self, history):
        self.history = history
        self.pools = {}  # (sku, place) -> [on_hand, reserved]
        self.reservations = {}
        self.supplies = {}  # id -> [sku, place, units, those that have come]
        self.lives = {}  # reservation -> [(change, state after it)...]
        self.before = []  # for each era: (pools, reservations)
        self.waiting = Waiting(history)
        self.signals = []  # what events there must be, see engine.py

    def run(self):
        self.check_real_time()
        era = -1
        for change in self.history.order:
            while era < change.era:
                era += 1
                self.before.append(self.snapshot())
            self.apply(change)
            self.check_pools(change)
            self.history.engine.check_pools(change, self.pools)
            self.waiting.check(change, self.pools)
            self.remember(change)
        self.waiting.check_end(self.pools)
        self.history.engine.check_signals(self.signals)
        while len(self.before) <= self.history.eras:  # and how the last one ended
            self.before.append(self.snapshot())

    def snapshot(self):
        return (
            {key: tuple(pool) for key, pool in self.pools.items()},
            {ident: r.copy() for ident, r in self.reservations.items()},
        )

    def remember(self, change):
        """For each reservation its changes in their order, and its state after each."""
        if change.kind not in ("reserve", "step", "expire", "sourced", "short"):
            return
        if change.redraws and not change.parts:
            return  # it was so already: its op has an LSN, and the reservation another
        ident = change.told[0].params[0]
        self.lives.setdefault(ident, []).append((change, self.reservations[ident].key()))
        self.waiting.learn(change, self.reservations[ident])

    # ---- X1 (X2 is seen when the changes are found, in calls.py)

    def check_real_time(self):
        later = None  # of the changes so far, the one that was asked for last
        for change in self.history.order:
            if later and later.lo > change.hi:
                raise Violation(
                    "X1: a change that was answered before another was asked for has the "
                    "greater lsn",
                    [later, change],
                )
            if later is None or change.lo > later.lo:
                later = change
        told = [call for call in self.history.calls if self.has_lsn(call)]
        told.sort(key=lambda call: call.answered)
        asked = [(change.lo, change.era, change.lsn, change) for change in self.history.order]
        asked += [(c.asked, *self.stands_at(c), c) for c in told if c.method in READS]
        # Without durability a reply is sent before its record is drained, which is what a
        # question's lsn tells: it is not behind other questions then, but may be behind changes.
        waits = self.history.header.get("durability") != "none"
        newest = newest_read = (0, 0, None)
        at = 0
        for time, era, lsn, what in sorted(asked, key=lambda item: item[0]):
            while at < len(told) and told[at].answered < time:
                said = (*self.stands_at(told[at]), told[at])
                newest = max(newest, said, key=lambda x: x[:2])
                if told[at].method in READS:
                    newest_read = max(newest_read, said, key=lambda x: x[:2])
                at += 1
            known = newest if waits or getattr(what, "method", None) not in READS else newest_read
            if (era, lsn) < known[:2] and getattr(what, "kind", None) != "expire":
                raise Violation(
                    f"X1: lsn {lsn} is behind {known[1]}, which was answered before it was asked",
                    [known[2], what],
                )

    def stands_at(self, call):
        """(era, lsn): a question saw the log of its own era, also what a crash then undid."""
        lsn = call.result["lsn"]
        return call.era if call.method in READS else self.history.era_of(lsn), lsn

    @staticmethod
    def has_lsn(call):
        return call.granted and isinstance(call.result, dict)

    # ---- X3

    def apply(self, change):
        if change.kind == "reserve":
            self.apply_reserve(change)
        elif change.kind == "step":
            self.apply_step(change)
        elif change.kind == "expire":
            self.apply_expire(change)
        elif change.kind == "sourced":
            self.apply_sourced(change)
        elif change.kind == "short":
            self.apply_short(change)
        elif change.kind in ("receive", "adjust", "count"):
            self.apply_movement(change)
        elif change.kind == "transfer":
            self.apply_transfer(change)
        elif change.kind == "sold":
            self.apply_sold(change)
        elif change.kind == "expect":
            self.apply_expect(change)
        elif change.kind == "arrive":
            self.apply_arrive(change)
        for key, (on_hand, reserved) in change.parts.items():
            pool = self.pools.setdefault(key, [0, 0])
            pool[0] += on_hand
            pool[1] += reserved

    def apply_movement(self, change):
        call = change.told[0]
        _, sku, place, qty = call.params[:4]
        if change.kind == "count":
            qty = call.result["delta"]
        change.takes = qty < 0 or (change.kind == "count" and qty == 0)
        change.parts = {(sku, place): (qty, 0)}

    def apply_sold(self, change):
        """All lines at once. What tills sell here is never short: nobody owes anything."""
        call = change.told[0]
        _, _, place, lines = call.params
        if [line[0] for line in call.result["lines"]] != [sku for sku, _ in lines]:
            raise Violation("X3: a sale tells of other items than were sold", [change])
        change.takes = True
        change.parts = {(sku, place): (-qty, 0) for sku, qty in lines}

    def apply_transfer(self, change):
        """At once: what leaves one place is at the other."""
        call = change.told[0]
        _, source, target, [[sku, qty]] = call.params
        if (call.result["state"], call.result["lines"]) != ("arrived", [[sku, qty, qty, qty, 0, 0]]):
            raise Violation("X3: a transfer at once has arrived, with all its units", [change])
        change.parts = {(sku, source): (-qty, 0), (sku, target): (qty, 0)}

    def apply_expect(self, change):
        call = change.told[0]
        ident, place, [[sku, qty]] = call.params[:3]
        self.supplies[ident] = [sku, place, qty, 0]
        self.waiting.expect(sku)

    def apply_arrive(self, change):
        """What comes of a supply; beyond what was expected, too."""
        call = change.told[0]
        supply = self.supplies.get(call.params[0])
        if supply is None:
            raise Violation("X3: there comes what was never expected", [change])
        sku, place, qty, come = supply
        left = max(0, qty - come)
        units = sum(line[1] for line in call.params[1]) if call.params[1] else left
        supply[3] = come + units
        state = "arrived" if supply[3] >= qty else "in_transit"
        if (left == 0 and units) or any(state != one.result["state"] for one in change.told):
            raise Violation(f"X3: of {qty} units {come} had come, and then {units}", [change])
        change.parts = {(sku, place): (units, 0)}

    def apply_reserve(self, change):
        call = change.told[0]
        ident, channel = call.params[:2]
        result = call.result
        if ident in self.reservations:
            raise Violation(f"X3: reservation {ident} came into being twice", [change])
        state = "confirmed" if call.options.get("confirm") else "held"
        if result["state"] != state:
            raise Violation(f"X3: a new reservation is {state}", [change])
        self.check_lines(change, call, result["lines"])
        draws = [[sku, place, qty, 0, 0] for sku, place, qty, *_ in result["lines"]]
        self.reservations[ident] = Reservation(ident, channel, state, draws)
        change.takes = True
        for sku, place, qty, *_ in result["lines"]:
            _, reserved = change.parts.get((sku, place), (0, 0))
            change.parts[(sku, place)] = 0, reserved + qty

    def check_lines(self, change, call, given):
        """What was granted is what was asked for, from where the channel sells."""
        sells = self.history.channels[call.params[1]]["locations"]
        waits = {}  # what is promised before it is there: sku -> units, of all lines that have it
        for sku, place, qty, *_ in given:
            if place is None and call.options.get("backorder"):
                waits[sku] = waits.get(sku, 0) + qty
        at = iter([line for line in given if line[0] not in waits or line[1] is not None])
        short = dict(waits)  # of several lines of one item, the last ones are
        wanted = []
        for sku, qty, place in reversed(call.lines):
            part = min(qty, short.get(sku, 0))
            short[sku] = short.get(sku, 0) - part
            wanted.insert(0, (sku, qty - part, place))
        for sku, qty, place in wanted:
            while qty > 0:
                got = next(at, None)
                if got is None or got[0] != sku or got[1] not in sells:
                    raise Violation("X3: other lines were granted than asked for", [change])
                if (place and got[1] != place) or not 0 < got[2] <= qty:
                    raise Violation("X3: other lines were granted than asked for", [change])
                qty -= got[2]
        if next(at, None) is not None or any(short.values()):
            raise Violation("X3: more was granted than asked for", [change])

    def apply_step(self, change):
        """Which of the calls made it: a part before a whole, for the whole then found it done."""
        ident = change.told[0].params[0]
        reservation = self.reservations.get(ident)
        if reservation is None:
            raise Violation(f"X3: a step of {ident}, which does not exist yet", [change])
        if change.told[0].method == "reject" and change.rows:
            self.apply_reject(change, reservation)
            return
        self.confirm_unheard(change, reservation)
        view = self.history.views.get((ident, change.lsn))
        told = sorted(change.told, key=lambda call: (call.lines is None, call.asked))
        for call in told:
            after = reservation.copy()
            parts = step(after, call)
            if parts and self.lacks(call, parts):
                after = reservation.copy()
                parts = step(after, call, self.pools)
            if parts is None or after.state != call.result["state"]:
                continue
            if view and not self.fits(after, view):
                continue
            self.reservations[ident] = after
            change.parts, change.takes, change.made_by = parts, call.method == "fulfil", call
            if call.method in ("fulfil", "cancel"):
                change.pieces = pieces(reservation, after)
            if call.method == "move":
                for sku, _, place, qty in call.params[1] if parts else ():
                    self.signals.append((change.lsn, "moved", ident, sku, place, qty))
            return
        raise Violation(
            f"X3: {ident} is {reservation.state}, {reservation.draws}: none of these steps leads "
            "from there to what was answered",
            [change, *told] + ([view] if view else []),
        )

    def apply_reject(self, change, reservation):
        """Where its unit comes from since, and whether it was taken off, is what history says."""
        call = change.told[0]
        [[sku, qty, _]] = call.lines
        place = call.params[1]
        self.confirm_unheard(change, reservation)
        told = {row[3]: row[4:] for row in change.rows if row[:3] == ("reject", reservation.ident, sku)}
        more = [at for at in told if at != place]
        off = self.pools[sku, place][0] - told[place][0] if place in told else -1
        allowed = (0,) if call.options.get("reason") == "busy" else (0, qty)
        to = more[0] if more else ""
        after = reservation.copy()
        sells = self.history.channels[reservation.channel]["locations"]
        bad = len(more) > 1 or off not in allowed or not may_step("reject", reservation.state)
        bad |= to == "" and call.options.get("on_fail") != "cancel"
        bad |= to is None and call.options.get("on_fail") == "cancel"
        bad |= bool(to) and (to not in sells or to in self.waiting.rejected(reservation.ident))
        if not bad:
            change.parts, change.made_by = reject(after, call, to, off), call
            bad = change.parts is None or any(after.state != c.result["state"] for c in change.told)
        if bad:
            raise Violation(
                f"X3: {reservation.ident} is {reservation.state}, {reservation.draws}: history says "
                f"that {change.rows} came of its reject",
                [change],
            )
        self.reservations[reservation.ident] = after
        self.check_view(change, after)
        self.signals.append((change.lsn, "rejected", after.ident, sku, place, qty))
        if to != "":
            kind = "moved" if to else "unsourced"
            self.signals.append((change.lsn, kind, after.ident, sku, to, qty))

    def apply_sourced(self, change):
        """What the engine served of the backlog, as history says."""
        ident = change.told[0].params[0]
        reservation = self.reservations.get(ident)
        places, found = [], 0
        sku = change.rows[0][2]
        change.parts = {}
        for kind, of, item, place, _, reserved in change.rows:
            more = reserved - self.pools.get((item, place), [0, 0])[1]
            if (kind, of, item) != ("sourced", ident, sku) or (more > 0) == (place is None):
                raise Violation(f"X3: history says that {change.rows} were sourced")
            change.parts[sku, place] = 0, more
            if place is not None:
                places.append((place, more))
                found += more
                self.signals.append((change.lsn, "sourced", ident, sku, place, more))
        after = reservation.copy() if reservation else None
        if not after or after.state not in ("held", "confirmed") or not places or (
            change.parts.get((sku, None)) != (0, -found) or not give_up(after, sku, None, found)
        ):
            raise Violation(f"X3: {ident} did not wait for what it was sourced", [str(change.rows)])
        after.draws += [[sku, place, qty, 0, 0] for place, qty in places]
        self.reservations[ident] = after
        self.check_view(change, after)

    def apply_short(self, change):
        """It is told, and nothing changes; the reservation has units where they are missing."""
        ident = change.told[0].params[0]
        reservation = self.reservations.get(ident)
        if reservation is None or reservation.state not in ("held", "confirmed"):
            raise Violation(f"X3: {ident} has nothing that could be short", [change])
        places = {(row[2], row[3]) for row in change.rows}
        left = {(d[0], d[1]) for d in reservation.draws if d[2] > d[3] + d[4]}
        if not places <= left:
            raise Violation(f"X3: {ident} is told to be short where it has nothing", [change])
        self.check_view(change, reservation)

    def check_view(self, change, reservation):
        view = self.history.views.get((reservation.ident, change.lsn))
        if view and not self.fits(reservation, view):
            raise Violation(
                f"X3: {reservation.ident} is {reservation.key()} then, and not what was seen",
                [change, view],
            )

    def lacks(self, call, parts):
        """Would the fulfil of some lines leave less than nothing somewhere?"""
        if call.method != "fulfil" or not call.lines:
            return False
        return any(self.pools[key][0] + part[0] < 0 for key, part in parts.items())

    def confirm_unheard(self, change, reservation):
        """A confirm whose answer was lost, and whose lsn nobody was ever told, may be what made a
        step possible."""
        if reservation.state != "held" or all(c.method == "confirm" for c in change.told):
            return
        if any(may_step(c.method, "held") for c in change.told):
            return
        for call in self.history.calls:
            if call.lost and call.method == "confirm" and call.params[0] == reservation.ident:
                reservation.state = "confirmed"

    def apply_expire(self, change):
        view = change.told[0]
        reservation = self.reservations.get(view.params[0])
        if reservation is None or reservation.state != "held":
            raise Violation("X3: what expires is held", [change, view])
        before = reservation.copy()
        for draw in reservation.draws:
            left = draw[2] - draw[3] - draw[4]
            draw[4] += left
            _, reserved = change.parts.get((draw[0], draw[1]), (0, 0))
            if left:
                change.parts[(draw[0], draw[1])] = 0, reserved - left
        reservation.state = "expired"
        change.pieces = pieces(before, reservation)
        self.signals.append((change.lsn, "expired", reservation.ident, None, None, None))

    @staticmethod
    def draws_of(lines):
        """Of a reply of `reservation`, as the state of a reservation has them."""
        return tuple((sku, place, qty, f, c) for sku, place, qty, _, f, c in lines)

    @staticmethod
    def fits(reservation, view):
        lines = [[sku, at, qty, f, c] for sku, at, qty, _, f, c in view.result["lines"]]
        return reservation.state == view.result["state"] and reservation.draws == lines

    # ---- X4

    def check_pools(self, change):
        for key in change.parts:
            on_hand, reserved = self.pools[key]
            if on_hand < 0 or reserved < 0:
                raise Violation(
                    f"X4: in lsn order {key} has {on_hand} on hand, {reserved} reserved",
                    [*self.around(key, change)],
                )
            part = change.parts[key]
            takes = change.kind == "reserve" or change.kind == "transfer" and part[0] < 0
            takes |= (change.redraws or change.kind == "sourced") and part[1] > 0
            if not takes or on_hand >= reserved or key[1] is None:
                continue
            found_less = sum(
                -other.parts[key][0]
                for other in self.history.order
                if other.kind in ("adjust", "count")
                and other.lsn < change.lsn
                and other.hi > change.lo
                and other.parts.get(key, (0, 0))[0] < 0
            )
            if on_hand + found_less < reserved:
                raise Violation(
                    f"X4: in lsn order {key} has {on_hand} on hand, and {reserved} are promised",
                    [*self.around(key, change)],
                )

    def around(self, key, change):
        """The changes of that pool that ran at the same time, and this one."""
        for other in self.history.order:
            if other.lsn == change.lsn or (
                other.lsn < change.lsn and key in other.parts and other.hi > change.lo
            ):
                yield other
            elif other.lsn > change.lsn and other.kind == "receive" and other.lo < change.hi:
                if other.told[0].params[1:3] == list(key):
                    yield other
