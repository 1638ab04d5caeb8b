# SPDX-License-Identifier: Apache-2.0
"""What an id was used for is remembered: as long as --remember-s says, whatever the load."""

import os
import time
import uuid

from stockd_harness import RpcError, Server, StockdTestCase, main, wait_until

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def uuid7(ms):
    random = int.from_bytes(os.urandom(10), "big")
    number = ms << 80 | 7 << 76 | (random >> 68 & 0xFFF) << 64 | 2 << 62 | random & (1 << 62) - 1
    return str(uuid.UUID(int=number))


def ulid(ms):
    number = ms << 80 | int.from_bytes(os.urandom(10), "big")
    return "".join(CROCKFORD[number >> 5 * place & 31] for place in reversed(range(26)))


def ago(seconds):
    return int((time.time() - seconds) * 1000)


class Remember(StockdTestCase):
    """Each test has a server of its own."""

    @classmethod
    def setUpClass(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        pass

    def setUp(self):
        pass

    def serve(self, *options):
        self.server = Server(*options)
        self.addCleanup(lambda: self.server.close())
        self.client = self.server.client()
        self.addCleanup(lambda: self.client.close())

    def restart(self, *options, kill=True):
        self.server.extra = list(options) or self.server.extra
        self.server.restart(kill=kill)
        self.reconnect()

    def ledger_info(self):
        return self.call("info", "ledger")["ledger"]

    def fill(self, most=100000):
        """Receives until the table of ids is full; the results by id, and why it ended."""
        done = {}
        for number in range(most):
            try:
                done[f"r{number}"] = self.call("receive", f"r{number}", "ONE", "main", 1)
            except RpcError as error:
                self.assertEqual(error.code, "overloaded")
                return done, error
        return self.fail(f"not full after {most} ids")


class Refusals(Remember):
    def test_a_sold_out_flash_sale_pushes_nothing_out(self):
        self.serve("--reservations", "640")
        first = self.call("receive", "the-first", "ONE", "main", 1)
        self.call("reserve", "the-last-unit", "default", [["ONE", 1]], {"confirm": True})
        before = self.ledger_info()
        for number in range(3000):
            self.refused("insufficient_stock", "reserve", f"o{number}", "default", [["ONE", 1]])
            self.refused("unknown_location", "receive", f"x{number}", "ONE", "nowhere", 1)
            self.refused("unknown_sku", "adjust", f"y{number}", "NONE", "main", 1)
            self.refused("unknown_reservation", "cancel", "none", None, {"op": f"z{number}"})
        after = self.ledger_info()
        self.assertEqual(before["ids_remembered"], after["ids_remembered"])
        self.assertLessEqual(after["ids_taken"], 128)
        self.assertEqual(self.call("receive", "the-first", "ONE", "main", 1), first)
        self.assertEqual(self.figures("ONE"), (1, 1, 0))

    def test_a_refused_id_may_be_used_for_something_else(self):
        self.serve()
        self.refused("unknown_sku", "reserve", "id", "default", [["ONE", 1]])
        self.call("receive", "id", "ONE", "main", 5)
        self.refused("conflict", "reserve", "id", "default", [["ONE", 1]])


class Overload(Remember):
    def test_a_table_that_is_too_small_refuses_rather_than_forgets(self):
        self.serve("--reservations", "256")
        done, error = self.fill()
        self.assertEqual(len(done), 256)
        self.assertRegex(error.message, r"needs --reservations \d+")
        for kind in ("refuse again", "killed", "stopped"):
            self.refused("overloaded", "receive", "another", "ONE", "main", 1)
            for name, result in done.items():
                self.assertEqual(self.call("receive", name, "ONE", "main", 1), result, kind)
            self.assertEqual(self.figures("ONE"), (256, 0, 256))
            if kind != "stopped":
                self.restart(kill=kind == "killed")
        info = self.ledger_info()
        self.assertEqual(info["ids_remembered"], 256)
        self.assertEqual(info["remember_s"], 300)

    def test_what_is_live_goes_on(self):
        self.serve("--reservations", "256")
        self.call("receive", "r", "ONE", "main", 100)
        for name in ("held", "to confirm", "to fulfil", "to cancel"):
            self.call("reserve", name, "default", [["ONE", 1]], {"confirm": name == "to fulfil"})
        self.fill()
        self.call("extend", "held", 60000)
        self.call("confirm", "to confirm")
        self.call("fulfil", "to fulfil")
        self.call("cancel", "to cancel")
        self.refused("overloaded", "fulfil", "to confirm", [["ONE", 1]], {"op": "an op"})
        self.assertEqual(self.state("to confirm"), "confirmed")
        self.call("fulfil", "to confirm")

    def test_they_are_forgotten_once_their_time_is_over(self):
        self.serve("--reservations", "256", "--remember-s", "1")
        self.fill()

        def taken_again():
            try:
                return self.call("receive", "afterwards", "ONE", "main", 1)
            except RpcError as error:
                self.assertEqual(error.code, "overloaded")
                return None

        wait_until(taken_again, what="a receive after --remember-s 1")
        self.assertLess(self.ledger_info()["ids_remembered"], 257)

    def test_several_workers_share_a_small_table(self):
        self.serve("--reservations", "320", "--workers", "3")
        clients = [self.server.client() for _ in range(6)]
        for client in clients:
            self.addCleanup(client.close)
        done = 0
        try:
            for number in range(100000):
                clients[number % 6].call("receive", f"r{number}", "ONE", "main", 1)
                done += 1
        except RpcError as error:
            self.assertEqual(error.code, "overloaded")
        self.assertEqual(done, 320)

    def test_a_warning_comes_in_time(self):
        self.serve("--reservations", "20000")
        self.client.pipeline(("receive", f"r{number}", "ONE", "main", 1) for number in range(11000))
        wait_until(lambda: "--reservations" in self.server.stderr(), what="a warning in the log")
        self.assertRegex(self.server.stderr(), r"at [0-9]+ new ids a second, the id table \(20032\)")
        self.call("receive", "still", "ONE", "main", 1)


class OwnTime(Remember):
    def test_an_id_from_before_what_is_remembered_is_not_done(self):
        self.serve()
        self.call("receive", "r", "ONE", "main", 10)
        self.call("reserve", "o", "default", [["ONE", 5]], {"confirm": True})
        for make in (uuid7, ulid):
            old = make(ago(3600))
            self.refused("expired_id", "receive", old, "ONE", "main", 1, names=old)
            self.refused("expired_id", "reserve", old, "default", [["ONE", 1]])
            self.refused("expired_id", "allot", old, "ONE", "main", "default", 1)
            self.refused("expired_id", "fulfil", "o", [["ONE", 1]], {"op": old})
            self.assertEqual(self.figures("ONE"), (10, 5, 5))
            self.call("receive", make(ago(0)), "ONE", "main", 1)
            self.call("adjust", make(ago(30)), "ONE", "main", -1)

    def test_one_that_is_remembered_is_repeated_however_old(self):
        self.serve("--remember-s", "1")
        made = uuid7(ago(0))
        self.call("receive", "r", "ONE", "main", 10)
        first = self.call("reserve", made, "default", [["ONE", 1]], {"ttl_ms": 600000})
        time.sleep(2.5)
        self.assertEqual(
            self.call("reserve", made, "default", [["ONE", 1]], {"ttl_ms": 600000}), first
        )

    def test_one_that_was_forgotten_is_never_done_again(self):
        self.serve("--reservations", "64", "--remember-s", "1")
        made = uuid7(ago(0))
        self.call("receive", made, "ONE", "main", 7)

        def forgotten():
            try:
                for number in range(64):
                    self.call("receive", f"f{time.monotonic_ns()}-{number}", "TWO", "main", 1)
            except RpcError as error:
                self.assertEqual(error.code, "overloaded")
            return self.ledger_info()["ids_oldest_s"] < 1 and self.figures("TWO")[0] > 64

        for kill in (None, True, False):
            if kill is not None:
                self.restart(kill=kill)
            wait_until(forgotten, what="the first id to be forgotten")
            self.refused("expired_id", "receive", made, "ONE", "main", 7)
            self.assertEqual(self.figures("ONE"), (7, 0, 7))


class FirstResults(Remember):
    def test_ready_ms_is_what_was_promised(self):
        self.serve()
        for place, lead in (("far", 3600), ("near", 0), ("middle", 60)):
            self.call("location_set", place, {"lead_time_s": lead})
        for place in ("far", "near", "middle"):
            self.call("receive", f"r-{place}", "ONE", place, 10)
        one = ["one", "default", [["ONE", 1, "far"]]]
        many = ["many", "default", [["ONE", 1, place] for place in ("near", "far", "middle")] * 3]
        first = [self.call("reserve", *one), self.call("reserve", *many)]
        ready = [line[3] for line in first[1]["lines"]]
        self.assertEqual([ready[1] - ready[0], ready[2] - ready[0]], [3600000, 60000])
        for place, lead in (("far", 60), ("near", 7200), ("middle", 0)):
            self.call("location_set", place, {"lead_time_s": lead})
        for kill in (None, True, False):
            if kill is not None:
                self.restart(kill=kill)
            self.assertEqual([self.call("reserve", *one), self.call("reserve", *many)], first)
            told = [line[3] for line in self.call("reservation", "many")["lines"]]
            self.assertEqual(told, ready)
        self.call("confirm", "many")
        self.call("fulfil", "many", [["ONE", 4]], {"op": "four"})
        self.call("fulfil", "many")
        self.assertEqual(self.call("reserve", *many), first[1])

    def test_an_op_that_found_its_work_done_is_as_durable_as_any(self):
        self.serve()
        self.call("receive", "r", "ONE", "main", 10)
        for name in ("a", "b"):
            self.call("reserve", name, "default", [["ONE", 2]], {"confirm": True})
        self.call("fulfil", "a")
        first = self.call("fulfil", "a", None, {"op": "op"})
        self.assertEqual(first["state"], "fulfilled")
        for _ in range(2):
            self.refused("conflict", "fulfil", "b", None, {"op": "op"})
            self.refused("conflict", "receive", "op", "ONE", "main", 1)
            self.assertEqual(self.call("fulfil", "a", None, {"op": "op"}), first)
            self.assertEqual(self.state("b"), "confirmed")
            self.restart(kill=True)
        told = self.call("history", None, {"id": "op"})["events"]
        self.assertEqual([(event["type"], event["id"]) for event in told], [("repeat", "a")])


if __name__ == "__main__":
    main()
