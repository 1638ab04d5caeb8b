#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The checker of supplies itself: small histories that it must refuse, each beside one that it must
accept."""

import sys
import unittest

from selftest import Judge, Story

ETA = 1000  # ms; calls take nanoseconds, from 0 on


class Supplied(Story):
    """Of one item, a; each call comes with what history tells of it."""

    def __init__(self, **header):
        super().__init__(supplies=True, wall_ns=0, **header)
        self.rows = []

    def row(self, lsn, kind, ident, place, pool, qty, on_hand, reserved, op=None):
        self.rows.append({
            "lsn": lsn, "time_ms": 0, "type": kind, "id": ident, "op": op, "sku": "a", "kind": pool,
            "location": place, "qty": qty, "on_hand": on_hand, "reserved": reserved})
        return self

    def supply(self, times, method, *params, lsn, line, state="in_transit", eta_ms=ETA):
        qty, shipped, accepted, rejected, lost = line
        self.call(0, *times, method, *params, lsn=lsn, id=params[0], state=state, eta_ms=eta_ms,
                  lines=[["a", *line]], under_way=[shipped - accepted - rejected - lost])
        return self

    def expect(self, qty, lsn=10, times=(1, 2)):
        self.supply(times, "expect", "e1", "main", [["a", qty]], {"eta_ms": ETA}, lsn=lsn,
                    line=(qty, qty, 0, 0, 0))
        return self.row(lsn, "expect", "e1", "main", "expected", qty, qty, 0)

    def promise(self, ident, lsn, times, promised, there=1, channel="soon", ready_ms=ETA,
                pool="expected"):
        self.call(1, *times, "reserve", ident, channel, [["a", 1]], {"confirm": True}, lsn=lsn,
                  state="confirmed", expires_ms=None, lines=[["a", "main", 1, ready_ms]])
        return self.row(lsn, "reserve", ident, "main", pool, 1, there, promised)

    def come(self, lsn, times, expected, there, promised, op="p1", line=(2, 2, 1, 0, 0),
             state="in_transit", close=False):
        options = {"op": op, **({"close": True} if close else {})}
        self.supply(times, "arrive", "e1", [["a", there]], options, lsn=lsn, line=line, state=state)
        self.row(lsn, "arrive", "e1", "main", "expected", -1, expected, 0, op)
        if there:
            self.row(lsn, "arrive", "e1", "main", "shared", there, there, promised, op)
        return self

    def hand(self, ident, lsn, times, on_hand):
        self.call(1, *times, "fulfil", ident, lsn=lsn, state="fulfilled")
        return self.row(lsn, "fulfil", ident, "main", "shared", 1, on_hand, on_hand)

    def end(self, events=()):
        events = [{"lsn": lsn, "type": kind, "id": "e1", "sku": "a", "location": "main", "qty": 1}
                  for lsn, kind in events]
        self.header.setdefault("told", events)
        self.call(9, 900e6, 901e6, "history", "a", {}, lsn=99, events=self.rows)
        return self.call(9, 902e6, 903e6, "events", 0, {}, lsn=99, events=events)


class Supplies(Judge):
    def test_what_is_on_its_way_is_promised_once(self):
        self.good(Supplied().expect(1).promise("o1", 20, (3, 4), 1).end())
        twice = Supplied().expect(1).promise("o1", 20, (3, 4), 1).promise("o2", 30, (5, 6), 2)
        self.bad(twice.end(), "U3")

    @staticmethod
    def lost():
        """What o1 was promised never comes."""
        story = Supplied().expect(1).promise("o1", 20, (3, 4), 1)
        return story.come(30, (5, 6), 0, 0, 1, line=(1, 1, 0, 0, 1), state="arrived", close=True)

    def test_what_is_to_stand_in_is_nobody_elses(self):
        def bring(story):
            story.call(2, 7, 20, "receive", "r1", "a", "main", 1, lsn=40, on_hand=1, available=0)
            return story.row(40, "receive", "r1", "main", "shared", 1, 1, 1)
        told = [(30, "lost")]
        self.good(bring(self.lost()).end(told))
        self.bad(bring(self.lost()).promise("o2", 50, (8, 9), 2, pool="shared").end(told), "U8")
        freed = bring(self.lost())
        freed.call(0, 8, 9, "cancel", "o1", lsn=45, state="cancelled")
        freed.row(45, "cancel", "o1", "main", "expected", 1, 0, 0)
        self.good(freed.promise("o2", 50, (10, 11), 1, pool="shared").end(told))

    def test_what_has_come_is_still_promised(self):
        story = Supplied().expect(1).promise("o1", 20, (3, 4), 1)
        story.come(30, (5, 6), 0, 1, 1, line=(1, 1, 1, 0, 0), state="arrived")
        self.good(story.end())
        story = Supplied().expect(1).promise("o1", 20, (3, 4), 1)
        story.come(30, (5, 6), 0, 1, 1, line=(1, 1, 1, 0, 0), state="arrived")
        self.bad(story.promise("o2", 40, (7, 8), 2, pool="shared").end(), "U3")
        story = Supplied().expect(1).promise("o1", 20, (3, 4), 1)
        story.come(30, (5, 6), 0, 1, 0, line=(1, 1, 1, 0, 0), state="arrived")
        self.bad(story.end(), "H1")

    def test_what_is_late_is_not_promised(self):
        self.good(Supplied().expect(1).promise("o1", 20, (3, 4), 1).end())
        self.good(Supplied().expect(1).promise("o1", 20, (ETA * 1e6 - 9, ETA * 1e6), 1).end())
        late = (ETA + 51) * 1e6
        self.bad(Supplied().expect(1).promise("o1", 20, (late, late + 1), 1).end(), "U4")
        story = Supplied().expect(1).promise("o1", 20, (late, late + 1), 1, ready_ms=ETA + 51)
        self.bad(story.end(), "U4")

    def test_a_channel_without_that_promises_nothing_on_its_way(self):
        self.bad(Supplied().expect(1).promise("o1", 20, (3, 4), 1, channel="default").end(), "U4")

    def test_who_was_promised_first_is_handed_it_first(self):
        def story(ident):
            story = Supplied().expect(2).promise("o1", 20, (3, 4), 1, 2)
            story.promise("o2", 30, (5, 6), 2, 2).come(40, (7, 8), 1, 1, 1)
            return story.hand(ident, 50, (9, 10), 0).end()

        self.good(story("o1"))
        self.bad(story("o2"), "U5")

    def test_what_came_can_be_handed_over(self):
        def refused(ident):
            story = Supplied().expect(2).promise("o1", 20, (3, 4), 1, 2)
            story.promise("o2", 30, (5, 6), 2, 2).come(40, (7, 8), 1, 1, 1)
            story.call(1, 9, 10, "fulfil", ident, code="insufficient_stock", sku="a", wanted=1,
                       available=0, lines=[])
            return story.end()

        self.good(refused("o2"))
        self.bad(refused("o1"), "B3")

    def test_a_step_is_done_once(self):
        def again(**result):
            story = Supplied().expect(2).come(20, (3, 4), 1, 1, 0)
            return story.call(0, 5, 6, "arrive", "e1", [["a", 1]], {"op": "p1"}, **result).end()

        same = {"id": "e1", "state": "in_transit", "eta_ms": ETA, "lines": [["a", 2, 2, 1, 0, 0]],
                "under_way": [1]}
        self.good(again(lsn=20, **same))
        self.bad(again(lsn=30, **same), "answered differently")
        self.bad(again(code="wrong_state", state="arrived"), "what was done is refused")

    def test_what_was_shipped_is_not_withdrawn(self):
        def story(left):
            story = Supplied().receive(1, 1, 2, "m1", 2, 5, 2)
            story.row(5, "receive", "m1", "main", "shared", 2, 2, 0)
            story.supply((3, 4), "transfer", "t1", "main", "annex", [["a", 2]],
                         {"eta_ms": ETA, "ship": False}, lsn=10, line=(2, 0, 0, 0, 0), state="held")
            story.row(10, "transfer", "t1", "main", "shared", 2, 2, 2)
            story.supply((5, 6), "ship", "t1", [["a", 1]], {"op": "p1"}, lsn=20, line=(2, 1, 0, 0, 0))
            story.row(20, "ship", "t1", "main", "shared", -1, 1, 1, "p1")
            story.row(20, "ship", "t1", "annex", "in_transit", 1, 1, 0, "p1")
            story.supply((7, 8), "withdraw", "t1", None, {"op": "p2"}, lsn=30,
                         line=(left, left, 0, 0, 0), state="in_transit" if left else "withdrawn")
            return story.row(30, "withdraw", "t1", "main", "shared", 1, 1, 0, "p2").end()

        self.good(story(1))
        self.bad(story(0), "U1")

    def moving(self, *times):
        story = Supplied().receive(1, 1, 2, "m1", 1, 10, 1)
        story.row(10, "receive", "m1", "main", "shared", 1, 1, 0)
        story.supply(times, "transfer", "t1", "main", "annex", [["a", 1]], {}, lsn=20, eta_ms=None,
                     line=(1, 1, 1, 0, 0), state="arrived")
        story.row(20, "transfer", "t1", "main", "shared", -1, 0, 0)
        return story.row(20, "transfer", "t1", "annex", "shared", 1, 1, 0)

    def test_what_moves_is_at_one_of_the_places(self):
        self.bad(self.moving(3, 9).refuse(2, 4, 5, "o1", 0, ("a", 1)).end(), "B1")
        one = self.moving(3, 9).call(2, 4, 5, "reserve", "o1", "default", [["a", 1, "main"]], {},
                                     code="insufficient_stock",
                                     lines=[{"sku": "a", "wanted": 1, "available": 0}])
        self.good(one.end())

    def test_stock_tells_what_was_there(self):
        def look(on_hand):
            return self.moving(3, 4).call(
                2, 5, 6, "stock", "a", lsn=20, on_hand=on_hand, reserved=0, available=on_hand,
                pools=[{"location": "annex", "kind": "shared", "on_hand": on_hand, "reserved": 0}])

        self.good(look(1).end())
        self.bad(look(2).end(), "B2")

    def test_a_promise_is_ready_when_the_supply_is(self):
        def story(ready_ms):
            story = Supplied().expect(1).promise("o1", 20, (3, 4), 1)
            story.supply((5, 6), "reschedule", "e1", 2 * ETA, {}, lsn=30, line=(1, 1, 0, 0, 0),
                         eta_ms=2 * ETA)
            story.row(30, "reschedule", "e1", "main", "expected", 1, 1, 1)
            return story.call(2, 7, 8, "reservation", "o1", lsn=20, state="confirmed",
                              channel="soon", lines=[["a", "main", 1, ready_ms, 0, 0]]).end()

        self.good(story(2 * ETA))
        self.bad(story(ETA), "B4")

    def test_events_tell_what_is_lost_and_late(self):
        def closed(*events):
            return Supplied().expect(2).come(20, (3, 4), 0, 0, 0, line=(2, 2, 0, 0, 2), close=True,
                                             state="arrived").end(events)

        lost = closed((20, "lost"))
        lost.lines[-1][6]["events"][0]["qty"] = 2
        self.good(lost)
        self.bad(closed(), "E1")
        late = Supplied().expect(1).row(20, "late", "e1", "main", "expected", 1, 1, 0)
        self.bad(late.end(), "U7")


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False).result.wasSuccessful())
