# SPDX-License-Identifier: Apache-2.0
"""Returns that name a reservation: judged by the journal, whatever the table of ids has forgotten."""

import os
import threading

from stockd_harness import RpcError, StockdTestCase, main, run_program, unique

SMALLEST = 16 * 4096  # bytes of a segment: some fifteen durable changes
TABLE = 256  # ids that are remembered
OPTIONS = ("--segment-bytes", SMALLEST, "--compact-bytes", 0, "--reservations", TABLE,
           "--remember-s", 0)


def forget_all(client):
    """Uses more ids than the table holds, so that it forgets those that are finished."""
    sku = unique("CHURN")
    client.pipeline([("receive", unique("churn"), sku, "main", 1) for _ in range(3 * TABLE)])


class Case(StockdTestCase):
    options = OPTIONS

    def sold(self, *lines):
        """A reservation that is fulfilled."""
        id = self.reserved([list(line) for line in lines], confirm=True)
        self.call("fulfil", id)
        return id

    def forget(self, *ids):
        forget_all(self.client)
        for id in ids:
            self.refused("unknown_reservation", "reservation", id)

    def give_back(self, reservation, sku, qty, id=None):
        return self.call("return", id or unique("back"), sku, "main", qty,
                         {"reservation": reservation})

    def refused_back(self, reservation, sku, qty, left, state="fulfilled"):
        error = self.refused("wrong_state", "return", unique("back"), sku, "main", qty,
                             {"reservation": reservation}, names=sku)
        line = {"sku": sku, "wanted": qty, "left": left}
        self.assertEqual(error.details, {"state": state, **line, "lines": [line]})
        return error


class Returns(Case):
    def test_after_the_id_was_forgotten(self):
        sku = self.stocked(10)
        id = self.sold((sku, 3))
        self.forget(id)
        got = self.give_back(id, sku, 2)
        self.assertEqual((got["on_hand"], got["available"]), (9, 9))
        self.refused_back(id, sku, 2, 1)
        self.give_back(id, sku, 1)
        self.refused_back(id, sku, 1, 0)
        self.assertEqual(self.figures(sku), (10, 0, 10))

    def test_never_more_than_was_fulfilled(self):
        """Of a reservation that is remembered, too."""
        sku = self.stocked(10)
        id = self.sold((sku, 2))
        self.refused_back(id, sku, 3, 2)
        self.give_back(id, sku, 2)
        self.refused_back(id, sku, 1, 0)

    def test_what_was_not_fulfilled(self):
        sku = self.stocked(20)
        held = self.reserved([[sku, 2]])
        self.refused_back(held, sku, 1, 0, "held")
        cancelled = self.reserved([[sku, 2]])
        self.call("cancel", cancelled)
        self.refused_back(cancelled, sku, 1, 0, "cancelled")
        other = self.stocked(5)
        self.refused_back(self.sold((sku, 2)), other, 1, 0)

    def test_fulfilled_in_several_steps(self):
        sku, other = self.stocked(20), self.stocked(20)
        id = self.reserved([[sku, 2], [other, 4], [sku, 3]], confirm=True)
        self.call("fulfil", id, [[sku, 1]], {"op": unique("op")})
        self.refused_back(id, sku, 2, 1, "confirmed")
        self.give_back(id, sku, 1)
        self.call("fulfil", id, [[sku, 3]], {"op": unique("op")})
        self.refused_back(id, sku, 4, 3, "confirmed")
        self.call("cancel", id, [[sku, 1]], {"op": unique("op")})
        self.call("fulfil", id)
        self.refused_back(id, sku, 4, 3)
        self.forget(id)
        self.give_back(id, sku, 3)
        self.give_back(id, other, 4)
        self.refused_back(id, sku, 1, 0)
        self.refused_back(id, other, 1, 0)

    def test_a_repeat_gives_the_first_result(self):
        sku = self.stocked(10)
        id, back = self.sold((sku, 2)), unique("back")
        got = self.give_back(id, sku, 2, back)
        self.assertEqual(self.give_back(id, sku, 2, back), got)
        self.refused("conflict", "return", back, sku, "main", 2)
        self.assertEqual(self.figures(sku), (10, 0, 10))

    def test_a_refused_return_may_be_tried_again(self):
        sku = self.stocked(10)
        id = self.reserved([[sku, 2]], confirm=True)
        back = unique("back")
        self.refused("wrong_state", "return", back, sku, "main", 1, {"reservation": id})
        self.call("fulfil", id)
        self.give_back(id, sku, 1, back)

    def test_what_names_no_reservation(self):
        sku = self.stocked(10)
        other = unique("other")
        self.call("receive", other, sku, "main", 1)
        back = unique("back")
        for name in ("nobody", other, back):
            self.refused("unknown_reservation", "return", back, sku, "main", 1,
                         {"reservation": name}, names=name)
        self.assertEqual(self.figures(sku), (11, 0, 11))

    def test_an_item_or_place_that_is_not_there(self):
        id = self.sold((self.stocked(2), 1))
        self.refused("unknown_sku", "return", unique("back"), "NONE", "main", 1,
                     {"reservation": id})
        self.refused("unknown_location", "return", unique("back"), self.stocked(1), "nowhere", 1,
                     {"reservation": id})

    def test_behind_what_it_needs(self):
        """In one go: the return is judged with all that was sent before it."""
        sku = self.stocked(10)
        for _ in range(20):
            id = unique("order")
            order = ("reserve", id, "default", [[sku, 1]], {"confirm": True})
            back = ("return", unique("back"), sku, "main", 1, {"reservation": id})
            replies = self.client.pipeline([order, ("fulfil", id), back, ("ping",)])
            self.assertNotIsInstance(replies[2], RpcError)
            self.assertEqual(replies[3], "pong")

    def give_back_singly(self, reservation, sku, times, outcomes):
        """The outcomes: None for each return that was done, else the code of its refusal."""
        with self.server.client() as client:
            for _ in range(times):
                try:
                    client.call("return", unique("race"), sku, "main", 1,
                                {"reservation": reservation})
                    outcomes.append(None)
                except RpcError as error:
                    outcomes.append(error.code)

    def test_clients_race(self):
        """Many return the same reservation: in all exactly what was fulfilled comes back."""
        sku, units = self.stocked(1000), 12
        for _ in range(4):
            id = self.sold((sku, units))
            before = self.figures(sku)[0]
            outcomes = []
            threads = [threading.Thread(target=self.give_back_singly,
                                        args=(id, sku, units, outcomes)) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(sorted(outcomes, key=str),
                             [None] * units + ["wrong_state"] * 2 * units)
            self.assertEqual(self.figures(sku)[0], before + units)

    def test_after_a_start(self):
        for kill in (False, True):
            sku = self.stocked(10)
            id = self.sold((sku, 3))
            self.forget(id)
            self.give_back(id, sku, 1)
            self.server.restart(kill=kill)
            self.reconnect()
            self.refused_back(id, sku, 3, 2)
            self.give_back(id, sku, 2)
            self.refused_back(id, sku, 1, 0)


class Filters(Case):
    """Once walked through, a segment is read only if its filter does not rule the id out."""

    def test_only_what_may_concern_the_id_is_read(self):
        sku = self.stocked(10)
        early = self.sold((sku, 2))
        forget_all(self.client)
        late = self.sold((sku, 2))
        forget_all(self.client)
        self.give_back(early, sku, 1)
        self.give_back(late, sku, 1)
        first = sorted(os.listdir(os.path.join(self.server.data, "journal")))[0]
        with open(os.path.join(self.server.data, "journal", first), "r+b") as file:
            header = file.read(64)
            file.seek(0)
            file.write(bytes(64))
            file.flush()
            self.refused("unreadable", "return", unique("back"), sku, "main", 1,
                         {"reservation": early})
            self.give_back(late, sku, 1)
            self.refused_back(late, sku, 1, 0)
            self.assertTrue(self.call("history", None, {"id": late})["events"])
            file.seek(0)
            file.write(header)
        self.give_back(early, sku, 1)


class TwoWorkers(Returns):
    options = (*OPTIONS, "--workers", 2)


class Compacted(Case):
    def compact(self, *more):
        got = run_program("stock-journal", "compact", self.server.data, "--reservations", TABLE, *more)
        self.assertEqual(got.code, 0, got)


class Archived(Compacted):
    def test_all_is_kept(self):
        sku = self.stocked(10)
        id = self.sold((sku, 3))
        self.give_back(id, sku, 1)
        for _ in range(3):
            self.forget(id)
            self.compact("--archive")
        self.assertTrue(os.listdir(os.path.join(self.server.data, "archive")))
        self.refused_back(id, sku, 3, 2)
        self.give_back(id, sku, 2)
        self.refused_back(id, sku, 1, 0)


class Shortened(Compacted):
    """Without an archive: what is no longer kept is refused, and the refusal says why."""

    def shorten(self):
        for _ in range(3):
            self.call("receive", unique("tick"), "TICK", "main", 1)
            forget_all(self.client)
            self.compact()
        begins = self.call("history", "TICK")["begins_lsn"]
        self.assertGreater(begins, 0)
        return str(begins)

    def test_a_reservation_that_nothing_is_kept_of(self):
        sku = self.stocked(10)
        id = self.sold((sku, 3))
        begins = self.shorten()
        self.refused("unknown_reservation", "return", unique("back"), sku, "main", 1,
                     {"reservation": id}, names=begins)
        later = self.sold((sku, 3))
        self.forget(later)
        self.give_back(later, sku, 3)
        self.refused_back(later, sku, 1, 0)

    def test_a_reservation_that_was_open_at_the_beginning(self):
        """What was fulfilled of it before may have come back before."""
        sku = self.stocked(10)
        id = self.reserved([[sku, 5]], confirm=True)
        self.call("fulfil", id, [[sku, 2]], {"op": unique("op")})
        self.give_back(id, sku, 2)
        begins = self.shorten()
        error = self.refused_back(id, sku, 1, 0, "confirmed")
        self.assertIn(begins, error.message)
        self.call("fulfil", id)
        self.give_back(id, sku, 3)
        self.refused_back(id, sku, 1, 0)


if __name__ == "__main__":
    main()
