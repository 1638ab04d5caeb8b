# SPDX-License-Identifier: Apache-2.0
"""Does some order explain what was seen? An exact search over one object.

The object has a state. Three kinds of things happen to it, each at an unknown instant between
`lo` and `hi`:

  Event   changes the state; `step(state)` gives the states it may lead to, none if it cannot
          happen there. One that is not `required` may also never happen. It can only happen once
          all events in `after` have.
  Look    saw something of the state; `advance(progress, view)` gives how much of what it saw is
          explained by now (START, ..., DONE). It must be DONE by `hi`, and can only begin once
          all events in `after` have happened.
  Shade   an undecided take: while it is there, looks may see it or not (docs/CONCURRENCY.md).

The search (after Wing and Gong, and Lowe's just-in-time linearization) walks along the times and
keeps every configuration that explains everything so far: which of the open events have happened,
the state, and for each open look the best progress. Looks change nothing, so they advance as soon
as they can; a configuration whose progress is worse in every look is dropped. The number of
configurations is bounded by 2^(open events), hence by the number of clients, not by the length of
the history. It is exact: it fails if and only if there is no order.
"""

import math

START, DONE = 0, math.inf
SIDE_OPEN, SIDE_CLOSE = 0, 1


class Undecided(Exception):
    """Too many configurations: the history is too wide for an exact answer."""


class Event:
    def __init__(self, key, lo, hi, step, note, required=True, lsn=None, after=()):
        self.key, self.lo, self.hi = key, lo, hi
        self.step, self.note, self.required, self.lsn = step, note, required, lsn
        self.after = tuple(after)


class Look:
    def __init__(self, lo, hi, advance, note, after=()):
        self.lo, self.hi, self.advance, self.note = lo, hi, advance, note
        self.after = tuple(after)


class Shade:
    """pools: for each pool the set of (on_hand, reserved) by which it may seem changed; own: for
    each pool the key of the event that makes it real, if there is one."""

    def __init__(self, lo, hi, pools, own, note):
        self.lo, self.hi, self.pools, self.own, self.note = lo, hi, pools, own, note


class Failure:
    """`what` had to be explained by `when`, and nothing does; `states` is what was left."""

    def __init__(self, what, when, states):
        self.what, self.when, self.states = what, when, states


class View:
    """What a look sees in one configuration."""

    def __init__(self, search, mask, state):
        self.search, self.mask, self.state = search, mask, state

    def seen(self, pool):
        """Every (on_hand, reserved) that the pool may seem to have."""
        return self.search.seen(pool, self.mask, self.state)


def at_least(better, than):
    if better == than or better == DONE:
        return True
    if isinstance(better, frozenset):
        return isinstance(than, frozenset) and than <= better or than == START
    return not isinstance(than, frozenset) and than <= better


class Search:
    def __init__(self, start, events, looks, shades, limit=20000):
        self.limit = limit
        self.configurations = {(0, start): [()]}
        self.bits = {}  # key of an open event -> its bit
        self.open_events = {}  # bit -> event
        self.over = set()  # keys of events that have happened in every configuration
        self.looks, self.shades = [], []
        self.seen_before = {}
        self.widest = 0
        self.moments = []
        for kind, things in (("event", events), ("look", looks), ("shade", shades)):
            for thing in things:
                self.moments.append((thing.lo, SIDE_OPEN, kind, thing))
                if thing.hi < math.inf and getattr(thing, "required", True):
                    self.moments.append((thing.hi, SIDE_CLOSE, kind, thing))
        self.moments.sort(key=lambda moment: moment[:2])

    def run(self):
        """None, or the Failure."""
        for when, side, kind, thing in self.moments:
            self.seen_before = {}
            states = {state for _, state in self.configurations}
            getattr(self, ("open_" if side == SIDE_OPEN else "close_") + kind)(thing)
            if not self.configurations:
                return Failure(thing, when, states)
        return None

    # ---- the pools as they may seem

    def seen(self, pool, mask, state):
        known = self.seen_before.get((pool, mask, state))
        if known is None:
            known = {(state[2 * pool], state[2 * pool + 1])}
            for shade in self.shades:
                options = shade.pools.get(pool)
                if options and not self.is_real(shade, pool, mask):
                    known = {(a + x, b + y) for a, b in known for x, y in options} | known
            self.seen_before[(pool, mask, state)] = known
        return known

    def is_real(self, shade, pool, mask):
        """Its own take on the pool has happened, or all of them have."""
        if pool in shade.own:
            return self.happened(shade.own[pool], mask)
        return bool(shade.own) and all(self.happened(k, mask) for k in shade.own.values())

    def happened(self, key, mask):
        return key in self.over or bool(mask & self.bits.get(key, 0))

    # ---- the search

    def improve(self, key, progress):
        view = None
        better = list(progress)
        for i, (look, ready) in enumerate(zip(self.looks, self.ready)):
            if better[i] == DONE or ready is None or key[0] & ready != ready:
                continue
            view = view or View(self, *key)
            better[i] = look.advance(better[i], view)
        return tuple(better)

    def insert(self, key, progress):
        """False if it is no better than what is known."""
        known = self.configurations.setdefault(key, [])
        for other in known:
            if all(map(at_least, other, progress)):
                return False
        known[:] = [o for o in known if not all(map(at_least, progress, o))]
        known.append(progress)
        return True

    def settle(self):
        """Lets everything happen that may, from all configurations."""
        self.ready = [self.needed(look) for look in self.looks]
        fresh = [(key, p) for key, many in self.configurations.items() for p in many]
        self.configurations = {}
        while fresh:
            key, progress = fresh.pop()
            progress = self.improve(key, progress)
            if not self.insert(key, progress):
                continue
            mask, state = key
            for bit, event in self.open_events.items():
                if not mask & bit and all(self.happened(k, mask) for k in event.after):
                    for after in event.step(state):
                        fresh.append(((mask | bit, after), progress))
            if len(self.configurations) > self.limit:
                raise Undecided(f"more than {self.limit} configurations")
        self.widest = max(self.widest, len(self.configurations))

    def needed(self, look):
        """The bits of the open events that it comes after; None if one has not even begun."""
        mask = 0
        for key in look.after:
            if key in self.over:
                continue
            if key not in self.bits:
                return None
            mask |= self.bits[key]
        return mask

    def open_event(self, event):
        bit = 1
        while bit in self.open_events:
            bit <<= 1
        self.open_events[bit] = event
        self.bits[event.key] = bit
        self.settle()

    def close_event(self, event):
        bit = self.bits.pop(event.key)
        del self.open_events[bit]
        self.over.add(event.key)
        before, self.configurations = self.configurations, {}
        for (mask, state), many in before.items():
            for progress in many if mask & bit else ():
                self.insert((mask & ~bit, state), progress)

    def open_look(self, look):
        self.looks.append(look)
        for many in self.configurations.values():
            many[:] = [progress + (START,) for progress in many]
        self.settle()

    def close_look(self, look):
        at = self.looks.index(look)
        del self.looks[at]
        before, self.configurations = self.configurations, {}
        for key, many in before.items():
            for progress in many:
                if progress[at] == DONE:
                    self.insert(key, progress[:at] + progress[at + 1 :])

    def open_shade(self, shade):
        self.shades.append(shade)
        self.settle()

    def close_shade(self, shade):
        self.shades.remove(shade)


# ---- the shortest part of a history that nothing explains


class Part:
    """A part of a question: what happened in [after, when] of it, from the state before."""

    def __init__(self, whole, after, when, looks=None):
        """`whole` has start, events, looks, shades, and two ways to say less: state_of(events), the
        state after these, and free(event), the event without conditions."""
        over = [e for e in whole.events if e.required and e.hi < after]
        self.start = whole.state_of(over)
        self.events = []
        for event in whole.events:
            if event.lo > when or (event.required and event.hi < after):
                continue
            if event.lo < after:
                # It may have happened before what is over by now, where it may have been possible.
                event = whole.free(event)
            self.events.append(loosen(event, when, {e.key for e in over}))
        self.looks = looks
        if looks is None:
            self.looks = [k for k in whole.looks if k.lo >= after and k.hi <= when]
        gone = {event.key for event in over}
        self.looks = [strip(look, gone) for look in self.looks]
        # A shade explains only what is looked at meanwhile.
        self.shades = [
            shade for shade in whole.shades if any(overlaps(shade, look) for look in self.looks)
        ]

    def failure(self):
        """None as well if it cannot be decided."""
        try:
            return Search(self.start, self.events, self.looks, self.shades).run()
        except Undecided:
            return None


def loosen(event, when, over):
    """May happen later than `when`, or never; does not wait for what is over."""
    after = [key for key in event.after if key not in over]
    if event.hi <= when:
        late = event.hi, event.required
    else:
        late = math.inf, False
    return Event(event.key, event.lo, late[0], event.step, event.note, late[1], event.lsn, after)


def strip(look, over):
    left = [key for key in look.after if key not in over]
    return Look(look.lo, look.hi, look.advance, look.note, left)


def overlaps(a, b):
    return a.lo <= b.hi and b.lo <= a.hi


def shrink(whole, failure):
    """The shortest Part found that has no answer either. Each says less than the whole: what has no
    answer with less said has none with more."""
    when = failure.when
    times = sorted({thing.lo for thing in [*whole.events, *whole.looks] if thing.lo <= when})
    best = Part(whole, -math.inf, when)
    # From how late on is enough? First in bigger and bigger steps back, then in between.
    low, high, stride = 0, len(times) - 1, 1
    while high >= 0 and not Part(whole, times[high], when).failure():
        high, stride = high - stride, stride * 2
    if high >= 0:
        low, high = high, min(len(times) - 1, high + stride)
        while high - low > 1:
            middle = (low + high) // 2
            if Part(whole, times[middle], when).failure():
                low = middle
            else:
                high = middle
        best = Part(whole, times[low], when)
    after = times[low] if high >= 0 else -math.inf
    return fewer_looks(whole, best, after, when)


def fewer_looks(whole, best, after, when):
    """Leaves out what was seen, as long as there is no answer."""
    looks, chunk = best.looks, max(1, len(best.looks) // 2)
    while looks:
        at = 0
        while at < len(looks):
            part = Part(whole, after, when, looks[:at] + looks[at + chunk :])
            if part.failure():
                best, looks = part, part.looks
            else:
                at += chunk
        if chunk == 1:
            break
        chunk //= 2
    return best
