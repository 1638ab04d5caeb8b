# SPDX-License-Identifier: Apache-2.0
"""Full tables answer `limit` and go on serving; limits are options and configuration keys."""

import os

from stockd_harness import (
    RESPONSE,
    RpcError,
    Server,
    StartError,
    StockdTestCase,
    main,
    request,
    unique,
    wait_until,
)


class Small(StockdTestCase):
    """Each test has a small server of its own."""

    @classmethod
    def setUpClass(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        pass

    def setUp(self):
        pass

    def small(self, *options):
        self.server = Server(*options)
        self.addCleanup(lambda: self.server.close())
        self.client = self.server.client()
        self.addCleanup(lambda: self.client.close())

    def fill(self, calls):
        """Makes the calls until one is refused with `limit`; how many were done."""
        for count, call in enumerate(calls):
            try:
                self.call(*call)
            except RpcError as error:
                self.assertEqual(error.code, "limit", f"{call}: {error}")
                return count
        return self.fail("never full")


class Tables(Small):
    def test_items(self):
        self.small("--items", 20)
        calls = [("receive", f"r{index}", f"I-{index}", "main", 1) for index in range(1000)]
        count = self.fill(calls)
        self.assertGreaterEqual(count, 20)
        self.refused("limit", "item_set", "ANOTHER", {})
        self.refused("limit", "count", unique("c"), "ANOTHER", "main", 1)
        skus = [f"I-{index}" for index in range(count)] + ["ANOTHER"]
        self.assertEqual(self.call("availability", "default", skus)["stock"], [1] * count + [None])
        self.call("receive", "more", "I-0", "main", 1)
        for kill in (False, True):
            self.server.restart(kill=kill)
            self.reconnect()
            self.refused("limit", "receive", unique("r"), "ANOTHER", "main", 1)
            self.assertEqual(self.available("I-0"), 2)

    def test_pools(self):
        self.small("--pools", 20)
        for index in range(100):
            self.call("location_set", f"L{index}", {})
        count = self.fill(("receive", f"r{index}", "ONE", f"L{index}", 1) for index in range(100))
        self.assertGreaterEqual(count, 20)
        self.assertEqual(self.figures("ONE"), (count, 0, count))
        self.call("receive", "more", "ONE", "L0", 1)
        self.call("reserve", "all", "default", [["ONE", count + 1]])

    def test_reservations(self):
        """Live ones are never given up; those that ended make room."""
        self.small("--reservations", 64, "--remember-s", 0)
        self.call("receive", "r", "ONE", "main", 100000)
        calls = [("reserve", f"o{index}", "default", [["ONE", 1]]) for index in range(5000)]
        count = self.fill(calls)
        self.assertGreaterEqual(count, 60)
        self.assertEqual(self.figures("ONE"), (100000, count, 100000 - count))
        for index in range(count):
            self.assertEqual(self.state(f"o{index}"), "held")
        self.call("confirm", "o1")
        self.call("cancel", "o0")
        self.call("reserve", "afterwards", "default", [["ONE", 1]])
        self.assertEqual(self.figures("ONE"), (100000, count, 100000 - count))
        self.assertEqual(self.state("o1"), "confirmed")
        self.server.restart(kill=True)
        self.reconnect()
        self.assertEqual(self.figures("ONE"), (100000, count, 100000 - count))

    def test_ids_of_what_is_over_make_room(self):
        """A small table serves any number of orders, one after the other."""
        self.small("--reservations", 64, "--remember-s", 0)
        self.call("receive", "r", "ONE", "main", 10)
        for index in range(500):
            self.call("reserve", f"o{index}", "default", [["ONE", 10]])
            self.call("cancel" if index % 2 else "confirm", f"o{index}")
            if index % 2 == 0:
                self.call("cancel", f"o{index}")
            self.call("adjust", f"a{index}", "ONE", "main", -1 if index % 2 else 1)
        self.assertEqual(self.figures("ONE"), (10, 0, 10))

    def test_channels(self):
        self.small()
        self.call("receive", "r", "ONE", "main", 5)
        many = self.fill(("channel_set", f"C{index}", {}) for index in range(70000))
        self.assertGreaterEqual(many, 1000)
        self.call("channel_set", "C0", {"name": "still to be changed"})
        self.refused("unknown_channel", "availability", f"C{many}", ["ONE"])
        self.call("reserve", "o", "C7", [["ONE", 2]])
        self.server.restart(kill=True)
        self.reconnect()
        self.assertEqual(self.available("ONE", f"C{many - 1}"), 3)
        self.assertEqual(len(self.call("channels")["channels"]), many + 1)

    def test_smaller_tables_than_the_journal_needs(self):
        self.small("--items", 100)
        for index in range(60):
            self.call("receive", f"r{index}", f"I-{index}", "main", 1)
        self.server.stop()
        extra, self.server.extra = self.server.extra, ["--items", "20"]
        with self.assertRaises(StartError) as caught:
            self.server.start()
        self.assertEqual(caught.exception.code, 2)
        self.server.extra = extra
        self.server.start()
        self.reconnect()
        skus = [f"I-{index}" for index in range(60)]
        self.assertEqual(self.call("availability", "default", skus)["stock"], [1] * 60)

    def test_connections(self):
        """One too many is turned away, with a word; when one leaves, there is room."""
        self.small("--max-connections", 8)
        others = []
        try:
            for _ in range(30):
                client = self.server.client()
                others.append(client)
                client.send_raw(request(5, "ping"))
                message = client.receive_message()
                if message != [RESPONSE, 5, None, "pong"]:
                    self.assertEqual(message[2][0], "overloaded")
                    break
        except (TimeoutError, ConnectionError):
            pass
        finally:
            for client in others:
                client.close()
        self.assertEqual(len(others), 8, "seven beside self.client, and the one turned away")
        self.assertEqual(self.call("ping"), "pong")

        def served_again():
            try:
                with self.server.client() as client:
                    client.send_raw(request(5, "ping"))
                    return client.receive_message(timeout=1)[3]
            except (TimeoutError, ConnectionError):
                return None

        self.assertEqual(wait_until(served_again, what="a new connection"), "pong")


class Keys(Small):
    """The limits of the contract as options and as keys."""

    def assert_limits(self):
        self.call("receive", "r", "ONE", "main", 100)
        self.call("reserve", "o", "default", [["ONE", 1]] * 3)
        self.refused("too_large", "reserve", "p", "default", [["ONE", 1]] * 4)
        self.call("availability", "default", ["ONE"] * 5)
        self.refused("too_large", "availability", "default", ["ONE"] * 6)
        self.refused("unknown_method", "nothing", "x" * 900)
        self.refused("too_large", "nothing", "x" * 1100)
        self.refused("unknown_method", "nothing", [1] * 60)
        self.refused("too_large", "nothing", [1] * 100)
        self.refused("unknown_method", "nothing", [[[]]])
        self.refused("too_large", "nothing", [[[[]]]])
        self.assertEqual(self.call("ping"), "pong")

    LIMITS = {
        "max-order-lines": 3,
        "max-query-skus": 5,
        "max-message-bytes": 1024,
        "max-message-elements": 80,
        "max-nesting": 5,
    }

    def test_options(self):
        self.small(*(part for name, value in self.LIMITS.items() for part in (f"--{name}", value)))
        self.assert_limits()

    def test_keys(self):
        with Server(start=False) as server:
            path = os.path.join(server.directory, "stockd.conf")
            with open(path, "w", encoding="ascii") as file:
                file.writelines(f"{name} = {value}\n" for name, value in self.LIMITS.items())
            server.extra = ["--config", path]
            server.start()
            with server.client() as self.client:
                self.assert_limits()

    def test_a_small_ring_holds_nobody_up_for_good(self):
        """Far more work in flight than the way to the disk has room for: it waits, all is done."""
        self.small("--log-bytes", 1 << 20, "--workers", 2)
        clients = [self.server.client(("tcp", "unix")[index % 2]) for index in range(4)]
        try:
            for number, client in enumerate(clients):
                for index in range(2000):
                    client.send("receive", f"c{number}-{index}", f"I-{index % 7}", "main", 1)
            for client in clients:
                for _ in range(2000):
                    self.assertIsNone(client.receive()[0])
        finally:
            for client in clients:
                client.close()
        self.assertEqual(sum(self.available(f"I-{index}") for index in range(7)), 8000)


if __name__ == "__main__":
    main()
