# SPDX-License-Identifier: Apache-2.0
"""`check` and `stockctl info --check`: the live ledger is judged while others change it."""

import json
import socket
import threading
from random import Random

import msgpack

from stockctl_case import REFUSED, USAGE, StockctlTestCase
from stockd_harness import SANITIZED, RpcError, main, run_program, seeded_random, unique

ITEMS = 300
ROUNDS = 200 if not SANITIZED else 20


class Check(StockctlTestCase):
    options = ("--workers", 2, "--durability", "none")

    def test_an_idle_engine_is_judged_whole(self):
        skus = [self.stocked(10) for _ in range(5)]
        self.reserved([[sku, 2] for sku in skus])
        before = self.call("info", "check")["check"]["done"]
        report = self.call("check")
        self.assertEqual((report["broken"], report["findings"]), (0, []))
        self.assertEqual((report["moving"], report["busy"]), (0, 0))
        self.assertGreaterEqual(report["reservations"], 1)
        self.assertGreaterEqual(report["items"], 5)
        self.assertGreaterEqual(report["ids"], 6)
        figures = self.call("info")["check"]
        self.assertEqual((figures["done"], figures["running"]), (before + 1, False))

    def test_it_takes_no_parameters(self):
        self.refused("bad_request", "check", 1)

    def test_stockctl(self):
        report = self.json("info", "--check")
        self.assertEqual(report["broken"], 0)
        self.assertEqual(self.pairs("info", "--check")["broken"], "0")
        self.ctl("info", "ledger", "--check", expect=USAGE)

    def live(self, number, random, rounds, stop, failures):
        try:
            with self.server.client("unix" if number % 2 else "tcp") as client:
                while not stop.is_set():
                    calls, ids = [], [unique(f"live-{number}") for _ in range(16)]
                    for ident in ids:
                        lines = [[f"busy-{random.randrange(ITEMS)}", 1] for _ in range(random.randrange(1, 4))]
                        calls.append(("reserve", ident, "default", lines, {"ttl_ms": random.randrange(1, 50)}))
                    for ident in random.sample(ids, 12):
                        calls.append((random.choice(["cancel", "confirm", "extend"]), ident))
                        if calls[-1][0] == "extend":
                            calls[-1] += (20,)
                    for ident in random.sample(ids, 6):
                        calls.append((random.choice(["cancel", "fulfil"]), ident))
                    for result in client.pipeline(calls):
                        if isinstance(result, RpcError) and result.code not in ("wrong_state", "insufficient_stock"):
                            raise result
                    rounds[number] += 1
        except BaseException as error:  # told to the test, which waits for it
            failures.append(error)

    def test_under_load_nothing_is_found(self):
        self.client.pipeline([("receive", unique("rcv"), f"busy-{i}", "main", 1000) for i in range(ITEMS)])
        stop, failures, rounds, random = threading.Event(), [], [0] * 3, seeded_random()
        threads = [
            threading.Thread(target=self.live, args=(i, Random(random.random()), rounds, stop, failures))
            for i in range(len(rounds))
        ]
        for thread in threads:
            thread.start()
        try:
            with self.server.client("unix") as other:
                reports = []
                while not failures and min(rounds) < ROUNDS:
                    reports += [client.call("check") for client in (self.client, other)]
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(failures, [])
        for report in reports:
            self.assertEqual((report["broken"], report["findings"], report["busy"]), (0, [], 0))
        judged = sum(report["items"] - report["moving"] for report in reports)
        self.assertGreater(judged, 0)
        passes = sum(report["passes"] for report in reports)
        print(f"{len(reports)} checks judged {judged} items in {passes} passes;", end=" ")
        self.assertEqual(self.call("check")["moving"], 0)

    def test_one_at_a_time_and_who_leaves_ends_it(self):
        """Pipelined by many at once: each is done, or told that one is under way."""
        clients = [self.server.client() for _ in range(6)]
        for _ in range(20):
            for client in clients:
                client.send("check")
            clients.pop(0).close()
            clients.append(self.server.client())
            clients[-1].send("check")
            for client in clients:
                while client.expected:
                    error, result = client.receive()
                    if error is None:
                        self.assertEqual(result["broken"], 0)
                    else:
                        self.assertEqual(error.code, "overloaded")
        for client in clients:
            client.close()
        # The check of one that left ends at its next step, which nobody is told of.
        while self.call("info", "check")["check"]["running"]:
            pass
        self.assertEqual(self.call("check")["broken"], 0)

    def test_requests_behind_it_are_answered_after_it(self):
        self.client.send("check")
        self.client.send("ping")
        self.assertEqual(self.client.receive()[1]["broken"], 0)
        self.assertEqual(self.client.receive()[1], "pong")


class BrokenEngine(StockctlTestCase):
    """What stockctl says of an engine whose ledger does not add up: one that only pretends."""

    def pretend(self, listener):
        connection, _ = listener.accept()
        unpacker = msgpack.Unpacker()
        with connection:
            while data := connection.recv(65536):
                unpacker.feed(data)
                for _, msgid, method, _ in unpacker:
                    finding = 'I1: "red" at "main" (shared) has 4 reserved, but 3 promised'
                    result = {"lsn": 8, "broken": 1, "findings": [finding]} if method == "check" else {
                        "lsn": 8, "server": "stockd", "version": "0", "protocol": 1}
                    connection.sendall(msgpack.packb([1, msgid, None, result]))

    def test_exit_status(self):
        for options in ((), ("--json",)):
            listener = socket.create_server(("127.0.0.1", 0))
            thread = threading.Thread(target=self.pretend, args=(listener,))
            thread.start()
            address = "127.0.0.1:%d" % listener.getsockname()[1]
            done = run_program("stockctl", "-s", address, *options, "info", "--check")
            thread.join()
            listener.close()
            self.assertEqual(done.code, REFUSED, done.err)
            self.assertIn("has 4 reserved, but 3 promised", done.out.replace('\\"', '"'))
            if options:
                self.assertEqual(json.loads(done.out)["broken"], 1)


if __name__ == "__main__":
    main()
