#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The checker itself: small histories that it must refuse, each beside one that it must accept."""

import sys
import unittest

from calls import History, Violation
from check import check

CHANNELS = {
    "default": {"locations": ["main", "annex"], "buffer": 0},
    "web": {"locations": ["main"], "buffer": 1},
    "till": {"locations": ["main"], "buffer": 0, "ignore_safety": True},
    "soon": {"locations": ["main", "annex"], "buffer": 0, "promise": "incoming"},
}
LOST = object()


class Story:
    """Calls written by hand. Times are in ns."""

    def __init__(self, crashes=(), recovered=(), **header):
        self.crashes, self.recovered, self.header = list(crashes), list(recovered), header
        self.lines, self.clients = [], set()

    def call(self, client, asked, answered, method, *params, **result):
        for era, start in enumerate([0, *self.crashes]):
            if (client, era) not in self.clients and asked >= start:
                self.clients.add((client, era))
                lsn = ([0] + self.recovered)[era]
                self.lines.append([client, start + 0.1, start + 0.2, "hello", [""], None,
                                   {"lsn": lsn}])
        error = None
        if result.get("lsn") is LOST:
            answered = result = None
        elif "code" in result:
            error, result = [result.pop("code"), "", result], None
        self.lines.append([client, asked, answered, method, list(params), error, result])
        return self

    def receive(self, client, asked, answered, ident, qty, lsn, on_hand, available=None):
        return self.call(client, asked, answered, "receive", ident, "a", "main", qty, lsn=lsn,
                         on_hand=on_hand, available=on_hand if available is None else available)

    def reserve(self, client, asked, answered, ident, lsn, *lines):
        return self.call(client, asked, answered, "reserve", ident, "default",
                         [[sku, qty] for sku, qty in lines], {"confirm": True}, lsn=lsn,
                         state="confirmed", expires_ms=None,
                         lines=[[sku, "main", qty, 0] for sku, qty in lines])

    def refuse(self, client, asked, answered, ident, available, *lines, short=None):
        sku, qty = short or lines[0]
        return self.call(client, asked, answered, "reserve", ident, "default",
                         [[sku, qty] for sku, qty in lines], {"confirm": True},
                         code="insufficient_stock",
                         lines=[{"sku": sku, "wanted": qty, "available": available}])

    def see(self, client, asked, answered, lsn, available):
        return self.call(client, asked, answered, "availability", "default", ["a"], lsn=lsn,
                         stock=[available])

    def step(self, client, asked, answered, method, ident, lsn, state, *more):
        return self.call(client, asked, answered, method, ident, *more, lsn=lsn, state=state)

    def tell(self, asked, rows, events):
        """What the engine tells at the end; a row: lsn, type, id, place, on hand and reserved then; an
        event: lsn, type, id, place."""
        rows = [{"lsn": lsn, "type": kind, "id": ident, "sku": "a", "location": place,
                 "kind": "shared" if place else "backlog", "on_hand": on_hand, "reserved": reserved}
                for lsn, kind, ident, place, on_hand, reserved in rows]
        events = [{"lsn": lsn, "type": kind, "id": ident, "sku": "a", "location": place, "qty": 1}
                  for lsn, kind, ident, place in events]
        self.header.setdefault("told", events)
        self.call(9, asked, asked + 1, "history", "a", {}, lsn=99, events=rows)
        return self.call(9, asked + 2, asked + 3, "events", 0, {}, lsn=99, events=events)

    def check(self):
        lines = sorted(self.lines, key=lambda line: line[1])
        header = {"places": ["main", "annex"], "channels": CHANNELS, "crashes": self.crashes,
                  "recovered": self.recovered, **self.header}
        return check(History(header, lines))


class Judge(unittest.TestCase):
    def good(self, story):
        report = story.check()
        self.assertEqual(report.undecided, [])

    def bad(self, story, what):
        with self.assertRaises(Violation) as caught:
            story.check()
        self.assertIn(what, caught.exception.what)
        return caught.exception


class Checker(Judge):
    def stocked(self, qty=1, **crash):
        return Story(**crash).receive(0, 1, 2, "m1", qty, 10, qty)

    def test_a_unit_is_sold_once(self):
        self.good(self.stocked().reserve(1, 3, 5, "o1", 20, ("a", 1)))
        sold = self.stocked().reserve(1, 3, 5, "o1", 20, ("a", 1))
        self.bad(sold.reserve(2, 3, 5, "o2", 30, ("a", 1)), "X4")

    def test_a_take_before_the_give_that_made_it_possible(self):
        """In lsn order the unit is sold before it came: a crash in between would have lost it."""
        story = Story().receive(0, 1, 5, "m1", 1, 30, 1, 0)
        self.bad(story.reserve(1, 2, 4, "o1", 20, ("a", 1)), "X4")

    def test_a_hold_may_expire_without_anybody_asking_for_it(self):
        def held():
            return self.stocked().call(
                1, 3, 5, "reserve", "o1", "default", [["a", 1]], {"ttl_ms": 100}, lsn=20,
                state="held", expires_ms=100, lines=[["a", "main", 1, 0]])

        self.good(held().see(2, 40e6, 41e6, 20, 0).see(2, 120e6, 121e6, 44, 1))
        self.bad(held().see(2, 40e6, 41e6, 44, 1), "no order explains a")

    def test_an_expiry_that_was_heard_of_is_of_its_era(self):
        """Also if it is the last change, and the only one, of that era."""
        def look(story, *times):
            return story.call(2, *times, "reservation", "o1", lsn=44, state="expired",
                              channel="default", expires_ms=None, lines=[["a", "main", 1, 0, 0, 1]])

        story = self.stocked(crashes=[200e6, 300e6], recovered=[20, 44]).call(
            1, 3, 5, "reserve", "o1", "default", [["a", 1]], {"ttl_ms": 100}, lsn=20,
            state="held", expires_ms=100, lines=[["a", "main", 1, 0]])
        self.good(look(look(story, 210e6, 211e6), 310e6, 311e6))

    def test_a_refusal_needs_a_reason(self):
        wanted = self.stocked().reserve(1, 3, 6, "o1", 20, ("a", 1))
        self.good(wanted.refuse(2, 3, 5, "o2", 0, ("a", 1)))
        late = self.stocked().reserve(1, 6, 8, "o1", 20, ("a", 1))
        self.bad(late.refuse(2, 3, 5, "o2", 0, ("a", 1)), "no order explains a")

    def test_a_refusal_is_no_echo_of_an_order_that_failed(self):
        """The doomed order may be seen by a question, but never be the reason of a refusal."""
        doomed = self.stocked().refuse(1, 3, 9, "o1", 0, ("a", 1), ("b", 1), short=("b", 1))
        doomed.call(0, 1.5, 2.5, "receive", "m2", "b", "main", 1, lsn=12, on_hand=1, available=1)
        doomed.reserve(0, 2.6, 2.7, "o0", 15, ("b", 1))
        self.good(doomed.see(3, 4, 5, 15, 0))
        failure = self.bad(doomed.refuse(2, 4, 5, "o2", 0, ("a", 1)), "no order explains a")
        self.assertTrue(any("o2" in line for line in failure.evidence))

    def test_a_question_sees_what_was_answered_before(self):
        self.good(self.stocked().see(1, 3, 4, 10, 1))
        self.bad(self.stocked().see(1, 3, 4, 10, 0), "no order explains a")
        self.bad(self.stocked().see(1, 3, 4, 5, 0), "X1")

    def test_a_question_includes_all_up_to_its_lsn(self):
        under_way = self.stocked().receive(1, 3, 9, "m2", 1, 20, 2)
        self.good(under_way.see(2, 4, 5, 10, 1))
        under_way = self.stocked().receive(1, 3, 9, "m2", 1, 20, 2)
        self.bad(under_way.see(2, 4, 5, 20, 1), "no order explains a")

    def test_questions_agree_on_one_order(self):
        """Each by itself could be; the second goes back behind the first."""
        story = self.stocked().reserve(1, 3, 9, "o1", 20, ("a", 1))
        story.see(2, 4, 5, 10, 0)
        self.bad(story.see(2, 6, 7, 10, 1), "no order explains a")

    def test_lsns_respect_time(self):
        story = self.stocked().receive(1, 3, 4, "m2", 1, 30, 2)
        self.bad(story.receive(2, 5, 6, "m3", 1, 20, 3), "X1")

    def test_what_was_answered_survives(self):
        kept = self.stocked(crashes=[50], recovered=[10])
        self.good(kept.see(0, 60, 61, 10, 1))
        lost = self.stocked(crashes=[50], recovered=[0])
        self.bad(lost, "X2")
        forgotten = self.stocked(crashes=[50], recovered=[10])
        self.bad(forgotten.see(0, 60, 61, 10, 0), "no order explains a")

    def test_what_was_not_answered_is_there_or_not(self):
        for qty in (0, 1):
            story = self.stocked(crashes=[50], recovered=[10 + 10 * qty])
            story.receive(1, 40, 41, "m2", 1, LOST, 2)
            story.receive(1, 60, 61, "m2", 1, 20, 2)
            self.good(story.see(0, 62, 63, 20, 2))
        twice = self.stocked(crashes=[50], recovered=[20])
        twice.receive(1, 40, 41, "m2", 1, LOST, 2)
        twice.receive(1, 60, 61, "m2", 1, 20, 2)
        self.bad(twice.see(0, 62, 63, 20, 3), "no order explains a")

    def test_what_a_crash_undid_may_have_been_seen(self):
        story = self.stocked(crashes=[50], recovered=[10])
        story.call(1, 40, 41, "reserve", "o1", "default", [["a", 1]], {"confirm": True}, lsn=LOST)
        story.refuse(2, 42, 43, "o2", 0, ("a", 1))
        self.good(story.see(0, 60, 61, 10, 1))
        story = self.stocked(crashes=[50], recovered=[10])
        story.refuse(2, 42, 43, "o2", 0, ("a", 1))
        self.bad(story.see(0, 60, 61, 10, 1), "no order explains a")

    def test_one_step_ends_a_reservation(self):
        def cancelled():
            sold = self.stocked().reserve(1, 3, 4, "o1", 20, ("a", 1))
            return sold.step(1, 5, 6, "cancel", "o1", 30, "cancelled")

        self.good(cancelled().see(2, 7, 8, 30, 1))
        self.bad(cancelled().step(2, 5, 6.5, "cancel", "o1", 40, "cancelled"), "X3")

    def test_what_is_told_to_be_short_has_not_changed(self):
        """An lsn that no call has, and nothing but that."""
        def seen(state, qty=1):
            sold = self.stocked().reserve(1, 3, 4, "o1", 20, ("a", 1))
            sold.call(2, 5, 6, "adjust", "m2", "a", "main", -1, lsn=30, on_hand=0, available=-1)
            return sold.call(2, 7, 8, "reservation", "o1", lsn=40, state=state, channel="default",
                             expires_ms=None, lines=[["a", "main", qty, 0, 0, 0]])

        self.good(seen("confirmed"))
        self.bad(seen("confirmed", 2), "X3")
        self.bad(seen("held"), "X3")
        self.bad(seen("cancelled"), "S1")

    def test_a_wrong_state_was_there(self):
        def story(asked):
            sold = self.stocked().reserve(1, 3, 4, "o1", 20, ("a", 1))
            sold.step(1, 6, 9, "cancel", "o1", 30, "cancelled")
            return sold.call(2, asked, asked + 0.5, "confirm", "o1", code="wrong_state",
                             state="cancelled")

        self.good(story(7))
        self.bad(story(5), "no order explains reservation o1")
        sold = self.stocked().reserve(1, 3, 4, "o1", 20, ("a", 1))
        sold.call(2, 5, 6, "cancel", "o1", code="wrong_state", state="confirmed")
        self.bad(sold, "S2")

    def test_the_same_id_gives_the_same_answer(self):
        self.good(self.stocked().receive(1, 3, 4, "m1", 1, 10, 1))
        self.bad(self.stocked().receive(1, 3, 4, "m1", 1, 20, 2), "answered differently")

    def stocking(self, qty, stocked, safety, till=False):
        """A place with that many, and a setting that ran from 10 to 20."""
        story = self.stocked(qty).call(1, 10, 20, "stocking_set", "a", "main",
                                       {"stocked": stocked, "safety": safety}, lsn=20)
        story.look = lambda asked, n: story.call(
            2, asked, asked + 1, "availability", "till" if till else "default", ["a"], lsn=20,
            stock=[n])
        return story

    def test_what_begins_after_a_setting_follows_it(self):
        self.good(self.stocking(3, True, 2).look(21, 1))
        self.bad(self.stocking(3, True, 2).look(21, 3), "no order explains a")
        self.good(self.stocking(3, False, 0).look(21, 0))
        self.bad(self.stocking(3, False, 0).look(21, 3), "no order explains a")
        for seen in (1, 3):  # at the same time: before or after
            self.good(self.stocking(3, True, 2).call(
                2, 15, 25, "availability", "default", ["a"], lsn=10, stock=[seen]))

    def test_a_till_sees_safety_stock_but_not_what_is_not_stocked(self):
        self.good(self.stocking(3, True, 2, till=True).look(21, 3))
        self.bad(self.stocking(3, True, 2, till=True).look(21, 1), "no order explains a")
        self.good(self.stocking(3, False, 0, till=True).look(21, 0))

    def test_safety_stock_is_not_sold(self):
        self.good(self.stocking(3, True, 2).reserve(2, 21, 22, "o1", 30, ("a", 1)))
        self.bad(self.stocking(3, True, 2).reserve(2, 21, 22, "o1", 30, ("a", 2)),
                 "no order explains a")
        self.good(self.stocking(3, True, 2).reserve(2, 15, 22, "o1", 30, ("a", 2)))
        self.good(self.stocking(3, True, 2).refuse(2, 21, 22, "o1", 1, ("a", 2)))
        self.bad(self.stocking(3, True, 0).refuse(2, 21, 22, "o1", 1, ("a", 2)),
                 "no order explains a")

    def test_an_items_safety_holds_where_none_is_set(self):
        def story(n):
            story = self.stocked(3).call(1, 10, 20, "item_set", "a", {"safety": 2}, lsn=20)
            return story.see(2, 21, 22, 20, n)

        self.good(story(1))
        self.bad(story(3), "no order explains a")

    def moved(self, *times, qty=1, lsn=20):
        """A unit at main, and a transfer to the annex."""
        story = self.stocked(1).call(
            1, *times, "transfer", "t1", "main", "annex", [["a", qty]], lsn=lsn, id="t1",
            state="arrived", eta_ms=None, lines=[["a", qty, qty, qty, 0, 0]])
        story.at = lambda place, asked, answered, ident, lsn: story.call(
            2, asked, answered, "reserve", ident, "default", [["a", 1, place]], {"confirm": True},
            lsn=lsn, state="confirmed", expires_ms=None, lines=[["a", place, 1, 0]])
        story.none_at = lambda place, asked, answered: story.call(
            2, asked, answered, "reserve", "o9", "default", [["a", 1, place]], {"confirm": True},
            code="insufficient_stock", lines=[{"sku": "a", "wanted": 1, "available": 0}])
        return story

    def test_what_is_transferred_is_at_the_other_place(self):
        self.good(self.moved(3, 5).at("annex", 6, 7, "o1", 30).none_at("main", 8, 9))
        self.good(self.moved(3, 5).at("annex", 4, 7, "o1", 30))
        self.bad(self.moved(3, 5).at("main", 6, 7, "o1", 30), "X4")
        self.bad(self.moved(3, 5).none_at("annex", 6, 7), "no order explains a")

    def test_what_is_transferred_is_never_at_both_places(self):
        self.good(self.moved(3, 9).none_at("main", 4, 5).see(3, 6, 7, 10, 1))
        nowhere = self.moved(3, 9).none_at("annex", 6, 7).none_at("main", 4, 4.5)
        self.bad(nowhere.see(3, 4.6, 5, 10, 1), "no order explains a")
        self.bad(self.moved(3, 9, lsn=40).at("annex", 4, 5, "o1", 30), "X4")
        for left, judge in ((0, self.good), (1, lambda x: self.bad(x, "no order explains a"))):
            there = self.moved(3, 9).call(
                2, 4, 5, "stock", "a", lsn=10, on_hand=1, reserved=0, available=1,
                pools=[{"location": "annex", "kind": "shared", "on_hand": 1, "reserved": 0}])
            judge(there.call(3, 6, 7, "availability", "till", ["a"], lsn=10, stock=[left]))

    def test_a_transfer_takes_what_nobody_was_promised(self):
        promised = self.stocked(1).reserve(2, 3, 4, "o1", 20, ("a", 1))
        self.bad(promised.call(1, 5, 6, "transfer", "t1", "main", "annex", [["a", 1]], lsn=30,
                               state="arrived", lines=[["a", 1, 1, 1, 0, 0]]), "X4")
        for free, fits in ((0, False), (1, True)):
            story = self.stocked(1 + free).reserve(2, 3, 4, "o1", 20, ("a", 1))
            story.call(1, 5, 6, "transfer", "t1", "main", "annex", [["a", 2]],
                       code="insufficient_stock",
                       lines=[{"sku": "a", "wanted": 2, "available": 1}])
            (self.good if fits else lambda x: self.bad(x, "no order explains a"))(story)

    def relocated(self, *times, lsn=40, method="move"):
        """A unit at each place; an order has that at main, and draws the other one instead."""
        lines = [["a", "main", "annex", 1]] if method == "move" else [["a", 1, "annex"]]
        story = self.stocked(1).reserve(1, 3, 4, "o1", 20, ("a", 1))
        story.call(0, 5, 6, "receive", "m2", "a", "annex", 1, lsn=30, on_hand=1, available=1)
        return story.call(
            1, *times, method, "o1", lines, {"op": "p"}, lsn=lsn, state="confirmed",
            expires_ms=None, lines=[["a", "annex", 1, 0]])

    def test_an_order_that_moves_frees_its_unit_once_it_has_the_other(self):
        for method in ("move", "amend"):
            story = self.relocated(7, 12, method=method)
            self.good(story.reserve(2, 8, 14, "o2", 50, ("a", 1)))
            story = self.relocated(7, 12, method=method, lsn=50)
            self.bad(story.reserve(2, 8, 14, "o2", 40, ("a", 1)), "X4")
            story = self.relocated(7, 12, method=method)
            self.good(story.see(2, 8, 9, 30, 0).see(2, 9.5, 10, 30, 1))
            story = self.relocated(7, 12, method=method)
            self.bad(story.see(2, 8, 9, 30, 2), "no order explains a")

    def test_a_reservation_shows_where_it_draws_from_since_a_move(self):
        def look(place, lsn):
            return self.relocated(7, 8).call(
                2, 9, 10, "reservation", "o1", lsn=lsn, state="confirmed", channel="default",
                expires_ms=None, lines=[["a", place, 1, 0, 0, 0]])

        self.good(look("annex", 40))
        self.bad(look("main", 40), "X3")

    def test_a_refused_move_found_nothing_there(self):
        def refused(available):
            story = self.stocked(1).reserve(1, 3, 4, "o1", 20, ("a", 1))
            story.call(0, 5, 6, "receive", "m2", "a", "annex", 1, lsn=30, on_hand=1, available=1)
            return story.call(1, 7, 8, "move", "o1", [["a", "main", "annex", 2 - available]],
                              {"op": "p"}, code="insufficient_stock",
                              lines=[{"sku": "a", "wanted": 2 - available, "available": 0}])

        self.bad(refused(1), "no order explains a")

    def test_what_a_till_sold_is_gone(self):
        def sold(left, lsn=20, **crash):
            return self.stocked(5, **crash).call(
                1, 3, 4, "sold", "k1", "default", "main", [["a", 2]], lsn=lsn,
                lines=[["a", left, left]])

        self.good(sold(3).see(2, 5, 6, 20, 3))
        self.bad(sold(4), "no order explains a")
        self.bad(sold(3).see(2, 5, 6, 20, 5), "no order explains a")
        self.bad(sold(3, crashes=[10], recovered=[15]), "X2")

    def test_the_part_that_is_printed_is_short(self):
        story = self.stocked(5)
        for n in range(40):
            story.see(1, 3 + n, 3.5 + n, 10 + 20 * n, 5)
            story.reserve(2, 3 + n, 3.2 + n, f"o{n}", 20 + 20 * n, ("a", 1))
            story.step(2, 3.3 + n, 3.4 + n, "cancel", f"o{n}", 30 + 20 * n, "cancelled")
        failure = self.bad(story.see(1, 50, 51, 810, 4), "no order explains a")
        self.assertLessEqual(len(failure.evidence), 3, failure.evidence)



class Waits(Judge):
    """Orders that are promised what is not there, and places that reject them."""

    def waits(self, ident, asked, lsn, story=None, **header):
        story = story or Story(backorder_limit=5, **header)
        return story.call(1, asked, asked + 1, "reserve", ident, "default", [["a", 1]],
                          {"confirm": True, "backorder": True}, lsn=lsn, state="confirmed",
                          expires_ms=None, lines=[["a", None, 1, None]])

    def come(self, story, *times, lsn=20):
        return story.receive(0, *times, "m1", 1, lsn, 1)

    MADE = [(10, "reserve", "w1", None, 0, 1), (20, "receive", "m1", "main", 1, 0)]
    SERVED = [(30, "sourced", "w1", None, 0, 0), (30, "sourced", "w1", "main", 1, 1)]

    def test_nobody_takes_what_somebody_waits_for(self):
        story = self.come(self.waits("w1", 1, 10), 3, 4)
        self.bad(story.reserve(2, 5, 6, "o1", 30, ("a", 1)), "W1")
        story = self.come(self.waits("w1", 1, 10), 3, 4)  # o1 was asked before w1 was known to wait
        self.good(story.reserve(2, 1.5, 6, "o1", 30, ("a", 1)))

    def test_what_waits_is_not_shown(self):
        for shown, judge in ((0, self.good), (1, lambda x: self.bad(x, "no order explains a"))):
            judge(self.come(self.waits("w1", 1, 10), 3, 4).see(2, 5, 6, 20, shown))
        self.good(self.come(self.waits("w1", 1, 10), 3, 4).see(2, 1.5, 6, 20, 1))

    def test_the_backlog_is_what_waits(self):
        for told, judge in ((1, self.good), (0, lambda x: self.bad(x, "V7"))):
            judge(self.come(self.waits("w1", 1, 10), 3, 4).call(
                2, 5, 6, "stock", "a", lsn=20, on_hand=1, reserved=0, available=1, backlog=told,
                pools=[{"location": "main", "kind": "shared", "on_hand": 1, "reserved": 0}]))

    def served(self, **header):
        story = self.come(self.waits("w1", 1, 10, **header), 3, 4)
        return story.tell(50, self.MADE + self.SERVED, [(30, "sourced", "w1", "main")])

    def test_what_comes_is_for_who_waits(self):
        self.good(self.served())
        story = self.come(self.waits("w1", 1, 10), 3, 4)
        self.bad(story.tell(50, self.MADE, []), "W4")

    def test_an_event_is_told_and_kept(self):
        self.bad(self.served(told=[]), "E2")
        story = self.come(self.waits("w1", 1, 10), 3, 4)
        self.bad(story.tell(50, self.MADE + self.SERVED, []), "E1")
        story = self.come(self.waits("w1", 1, 10), 3, 4)
        self.bad(story.tell(50, self.MADE + self.SERVED, [(30, "sourced", "w1", "annex")]), "E1")

    def test_history_says_what_replies_do(self):
        story = self.come(self.waits("w1", 1, 10), 3, 4)
        rows = [self.MADE[0], (20, "receive", "m1", "main", 2, 0), *self.SERVED]
        self.bad(story.tell(50, rows, [(30, "sourced", "w1", "main")]), "H1")

    def test_the_oldest_is_served_first(self):
        for first, judge in (("w1", self.good), ("w2", lambda x: self.bad(x, "W2"))):
            story = self.come(self.waits("w2", 3, 15, self.waits("w1", 1, 10)), 5, 6)
            made = [self.MADE[0], (15, "reserve", "w2", None, 0, 2), self.MADE[1]]
            served = [(30, "sourced", first, None, 0, 1), (30, "sourced", first, "main", 1, 1)]
            judge(story.tell(50, made + served, [(30, "sourced", first, "main")]))

    def test_no_more_is_promised_than_the_limit(self):
        self.good(self.waits("w2", 3, 15, self.waits("w1", 1, 10)))
        story = Story(backorder_limit=1)
        self.bad(self.waits("w2", 3, 15, self.waits("w1", 1, 10, story)), "X5")

    def expected(self, story, *times):
        """A unit, on its way to main, which comes then."""
        story.call(0, 2.2, 2.4, "expect", "e1", "main", [["a", 1]], {"eta_ms": 9}, lsn=15, id="e1",
                   state="in_transit", eta_ms=9, lines=[["a", 1, 1, 0, 0, 0]], under_way=[1])
        story.come = lambda op, lsn, *times, state="arrived": story.call(
            0, *times, "arrive", "e1", [["a", 1]], {"op": op}, lsn=lsn, id="e1", state=state,
            eta_ms=9, lines=[["a", 1, 1, 1, 0, 0]], under_way=[0])
        return story.come("p1", 20, *times)

    def test_a_supply_comes_once(self):
        self.good(self.expected(Story(), 3, 4).see(1, 5, 6, 20, 1))
        self.bad(self.expected(Story(), 3, 4).see(1, 5, 6, 20, 0), "no order explains a")
        self.good(self.expected(Story(), 3, 4).come("p1", 20, 5, 6).see(1, 7, 8, 20, 1))
        self.bad(self.expected(Story(), 3, 4).come("p2", 30, 5, 6), "X3")
        self.bad(Story().receive(1, 1, 2, "m1", 1, 10, 1).call(
            0, 3, 4, "arrive", "e1", None, {"op": "p1"}, lsn=20, state="arrived"), "X3")

    def test_what_arrives_is_for_who_waits(self):
        story = self.expected(self.waits("w1", 1, 10), 3, 4)
        self.bad(story.reserve(2, 5, 6, "o1", 30, ("a", 1)), "W1")

    def rejected(self, off, reason="not_found", to=None, **result):
        """A unit at main, which o1 has; main rejects it."""
        story = Story(backorder_limit=5).receive(0, 1, 2, "m1", 1, 10, 1)
        story.reserve(1, 3, 4, "o1", 20, ("a", 1))
        story.call(1, 5, 6, "reject", "o1", "main", [["a", 1]], {"op": "p", "reason": reason},
                   lsn=30, state="confirmed", lines=[["a", to, 1, None]], unsourced=[["a", 1]])
        story.rows = [
            (10, "receive", "m1", "main", 1, 0), (20, "reserve", "o1", "main", 1, 1),
            (30, "reject", "o1", "main", 1 - off, 0), (30, "reject", "o1", to, 0, 1)]
        story.events = [(30, "rejected", "o1", "main"), (30, "unsourced", "o1", None)]
        return story

    def test_a_place_that_rejects_has_one_less(self):
        story = self.rejected(1)
        self.good(story.tell(50, story.rows, story.events))
        story = self.rejected(1, reason="busy")
        self.bad(story.tell(50, story.rows, story.events), "X3")

    def test_a_place_that_rejected_serves_no_more(self):
        story = self.rejected(0, reason="busy")
        self.good(story.tell(50, story.rows, story.events))
        story = self.rejected(0, reason="busy")
        rows = [(40, "sourced", "o1", None, 0, 0), (40, "sourced", "o1", "main", 1, 1)]
        events = [*story.events, (40, "sourced", "o1", "main")]
        self.bad(story.tell(50, story.rows + rows, events), "W3")

    def test_a_rejected_unit_is_not_free_before(self):
        """In lsn order another has it while o1 still does."""
        story = Story(backorder_limit=5).receive(0, 1, 2, "m1", 1, 10, 1)
        story.reserve(1, 3, 4, "o1", 20, ("a", 1))
        story.reserve(2, 5, 8, "o2", 25, ("a", 1))
        self.bad(story.call(1, 5, 8, "reject", "o1", "main", [["a", 1]], {"op": "p", "reason": "busy"},
                            lsn=30, state="confirmed", lines=[["a", None, 1, None]]), "X4")


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False).result.wasSuccessful())
