# SPDX-License-Identifier: Apache-2.0
"""kill -9 under load: nothing acknowledged is lost, nothing is done twice, no unit is promised to
two.

Several clients keep many requests in flight and know what was acknowledged. After the kill each
reservation must be as it was last acknowledged, or as the one step that was in flight would have
left it. Then every unanswered request is sent again (that is what ids are for), after which the
stock of every item must equal the clients' books, to the unit.
"""

import collections
import random
import threading
import time

from stockd_harness import (
    SLOW,
    STOP_TIMEOUT,
    ConnectionClosed,
    RpcError,
    Server,
    StartError,
    StockdTestCase,
    main,
    reap,
    seeded_random,
    unique,
)

CLIENTS = 6
WINDOW = 48
ROUNDS = 5
HOUR_MS = 3600 * 1000
LOST = (ConnectionClosed, ConnectionError, TimeoutError, OSError)
LOCATIONS = ("main", "annex")


class Order:
    """What a client knows about one reservation."""

    def __init__(self, ident, lines):
        self.ident = ident
        self.lines = lines
        self.state = None  # as last acknowledged; None: not acknowledged at all
        self.made = None  # the reserve's result
        self.left = {}  # sku -> units neither fulfilled nor cancelled
        self.fulfilled = {}  # sku -> units that went out
        self.parted = False  # took a step of its parts
        self.busy = False

    @property
    def live(self):
        return self.state in ("held", "confirmed")


class Buyer:
    """One client: keeps WINDOW requests in flight until the connection breaks."""

    def __init__(self, name, skus, rng):
        self.name = name
        self.skus = skus
        self.rng = rng
        self.orders = {}  # ident -> Order, all but those that were refused
        self.recent = collections.deque(maxlen=200)
        self.received = dict.fromkeys(skus, 0)
        self.in_flight = []  # (call, order or None), oldest first
        self.acknowledged = []  # (call, result), a sample
        self.count = 0
        self.refused = 0
        self.surprises = []

    def work(self, client):
        self.in_flight = []
        try:
            while True:
                while len(self.in_flight) < WINDOW:
                    call, order = self.next_call()
                    self.in_flight.append((call, order))
                    client.send(*call)
                error, result = client.receive()
                call, order = self.in_flight.pop(0)
                self.learn(call, order, error, result)
        except LOST:
            pass
        except Exception as error:  # noqa: BLE001 - reported by the test
            self.surprises.append(repr(error))

    def ident(self, kind):
        self.count += 1
        return f"{self.name}-{kind}{self.count}"

    def next_call(self):
        rng = self.rng
        order = rng.choice(self.recent) if self.recent and rng.random() < 0.6 else None
        if order is not None and order.live and not order.busy:
            order.busy = True
            return self.next_step(order), order
        if rng.random() < 0.3:
            sku, qty = rng.choice(self.skus), rng.randint(1, 4)
            return ("receive", self.ident("r"), sku, rng.choice(LOCATIONS), qty), None
        lines = [
            [rng.choice(self.skus), rng.randint(1, 3)] for _ in range(rng.choice((1, 1, 1, 2, 4)))
        ]
        order = Order(self.ident("o"), lines)
        order.busy = True
        self.orders[order.ident] = order
        self.recent.append(order)
        options = {"confirm": True} if rng.random() < 0.3 else {"ttl_ms": HOUR_MS}
        return ("reserve", order.ident, "default", lines, options), order

    def next_step(self, order):
        rng = self.rng
        if order.state == "held":
            return (rng.choice(("confirm", "confirm", "cancel")), order.ident)
        step = rng.choice(("fulfil", "fulfil", "cancel"))
        some = [(sku, left) for sku, left in order.left.items() if left]
        if rng.random() < 0.5:
            order.parted = True
            sku, left = rng.choice(some)
            return (step, order.ident, [[sku, rng.randint(1, left)]], {"op": self.ident("s")})
        # of an order that went in parts, even the last step needs an id to be safe to retry
        return (step, order.ident, {"op": self.ident("s")}) if order.parted else (step, order.ident)

    def learn(self, call, order, error, result):
        if order is not None:
            order.busy = False
        if error is not None:
            if call[0] == "reserve" and error.code == "insufficient_stock":
                self.refused += 1
                del self.orders[order.ident]
            else:
                self.surprises.append(f"{call}: {error}")
            return
        if self.rng.random() < 0.05:
            self.acknowledged.append((call, result))
        if call[0] == "receive":
            self.received[call[2]] += call[4]
        elif call[0] == "reserve":
            order.made, order.state = result, result["state"]
            for sku, _location, qty, *_ in result["lines"]:
                order.left[sku] = order.left.get(sku, 0) + qty
        else:
            order.state = result["state"]
            self.book_step(call, order)

    @staticmethod
    def book_step(call, order):
        if call[0] not in ("fulfil", "cancel"):
            return
        whole = len(call) == 2 or isinstance(call[2], dict)
        lines = list(order.left.items()) if whole else call[2]
        for sku, qty in lines:
            order.left[sku] -= qty
            if call[0] == "fulfil":
                order.fulfilled[sku] = order.fulfilled.get(sku, 0) + qty


# what an unanswered step may have made of the state that was acknowledged before it
MAY_BECOME = {
    "confirm": ("confirmed",),
    "cancel": ("cancelled", "confirmed", "fulfilled"),
    "fulfil": ("confirmed", "fulfilled"),
}


class KillUnderLoad(StockdTestCase):
    options = ()

    def setUp(self):
        super().setUp()
        self.rng = seeded_random()

    def prepare(self):
        self.call("location_set", "annex", {"priority": 50})
        self.skus = [f"HOT-{index}" for index in range(3)] + [f"SKU-{index}" for index in range(40)]
        for sku in self.skus:
            self.call("item_set", sku, {})
        self.buyers = [
            Buyer(f"b{index}", self.skus, random.Random(self.rng.random()))
            for index in range(CLIENTS)
        ]

    def load_and_kill(self, seconds):
        clients = [self.server.client(("tcp", "unix")[index % 2]) for index in range(CLIENTS)]
        threads = [
            threading.Thread(target=buyer.work, args=pair)
            for buyer, *pair in zip(self.buyers, clients)
        ]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        self.server.kill()
        for thread in threads:
            thread.join()
        for client in clients:
            client.close()
        for buyer in self.buyers:
            self.assertEqual(buyer.surprises, [])

    def assert_recovered(self):
        """Before anything is retried: everything acknowledged is there."""
        unanswered = {
            order.ident: call
            for buyer in self.buyers
            for call, order in buyer.in_flight
            if order is not None
        }
        orders = [order for buyer in self.buyers for order in buyer.orders.values()]
        answers = self.client.pipeline([("reservation", order.ident) for order in orders])
        for order, got in zip(orders, answers):
            step = unanswered.get(order.ident)
            if order.state is None:
                self.assertIsNotNone(step)
                if isinstance(got, RpcError):
                    self.assertEqual(got.code, "unknown_reservation")
                continue
            self.assertNotIsInstance(
                got, RpcError, f"acknowledged and lost: {order.ident} {order.made} ({got})"
            )
            allowed = (order.state,) + (MAY_BECOME[step[0]] if step else ())
            self.assertIn(got["state"], allowed, f"{order.ident}; in flight: {step}")
            self.assertEqual(
                [line[:3] for line in got["lines"]], [line[:3] for line in order.made["lines"]]
            )
            if got["state"] == "held":
                self.assertEqual(got["expires_ms"], order.made["expires_ms"])

    def retry(self):
        for buyer in self.buyers:
            answers = self.client.pipeline([call for call, _ in buyer.in_flight])
            for (call, order), answer in zip(buyer.in_flight, answers):
                refused = isinstance(answer, RpcError)
                buyer.learn(call, order, answer if refused else None, None if refused else answer)
            buyer.in_flight = []
            self.assertEqual(buyer.surprises, [])

    def assert_books(self):
        """The sum over what the clients know is what the server has."""
        on_hand, reserved = dict.fromkeys(self.skus, 0), dict.fromkeys(self.skus, 0)
        for buyer in self.buyers:
            for sku, qty in buyer.received.items():
                on_hand[sku] += qty
            for order in buyer.orders.values():
                for sku, qty in order.fulfilled.items():
                    on_hand[sku] -= qty
                for sku, left in order.left.items():
                    self.assertGreaterEqual(left, 0)
                    reserved[sku] += left
        for sku, got in zip(self.skus, self.client.pipeline([("stock", sku) for sku in self.skus])):
            self.assertEqual((got["on_hand"], got["reserved"]), (on_hand[sku], reserved[sku]), sku)
            self.assertGreaterEqual(got["available"], 0, "promised more than there is")
            for pool in got["pools"]:
                self.assertLessEqual(pool["reserved"], pool["on_hand"], f"{sku} {pool}")

    def assert_remembered(self):
        """What was acknowledged is answered the same when asked again."""
        sample = [pair for buyer in self.buyers for pair in buyer.acknowledged]
        sample = [
            (call, result)
            for call, result in sample
            if call[0] in ("receive", "reserve") or len(call) > 2
        ]
        sample = self.rng.sample(sample, min(len(sample), 300))
        for (call, first), again in zip(sample, self.client.pipeline([call for call, _ in sample])):
            self.assertEqual(again, first, call)

    def test_rounds(self):
        self.prepare()
        done = 0
        for _ in range(ROUNDS):
            self.load_and_kill(self.rng.uniform(0.1, 0.5))
            self.server.start()
            self.reconnect()
            self.assert_recovered()
            self.assert_remembered()
            self.retry()
            self.assert_books()
            done = sum(buyer.count for buyer in self.buyers)
        print(
            f"{done} operations, {sum(buyer.refused for buyer in self.buyers)} refused",
            end=" ",
            flush=True,
        )
        self.server.restart()
        self.reconnect()
        self.assert_books()
        self.assert_remembered()

    def test_kill_while_recovering(self):
        """Dying again and again before, while and just after it is ready costs nothing."""
        with Server() as server:
            with server.client() as client:
                calls = [
                    ("receive", f"r{index}", f"K-{index % 500}", "main", 1) for index in range(5000)
                ]
                self.assertFalse(
                    [got for got in client.pipeline(calls) if isinstance(got, RpcError)]
                )
            server.kill()

            def strike():
                if server.running:
                    server.process.kill()

            for _ in range(8):
                timer = threading.Timer(self.rng.uniform(0.0, 0.05) * SLOW, strike)
                timer.start()
                try:
                    server.start()
                except StartError:
                    pass
                timer.join()
                server.process.kill()  # it may be dying already
                reap(server.process, STOP_TIMEOUT)
                server.check_log()
            server.start()
            with server.client() as client:
                got = client.call("availability", "default", [f"K-{index}" for index in range(500)])
                self.assertEqual(got["stock"], [10] * 500)


class KillManyWorkers(KillUnderLoad):
    """The same with several workers, and with small segments: many are begun under load."""

    options = ("--workers", 3, "--segment-bytes", 256 << 10)


class Durability(StockdTestCase):
    def sequence(self, client, count, start=0):
        """Receives of one unit each, one item after the other."""
        results = client.pipeline(
            [("receive", f"r{index}", f"D-{index}", "main", 1) for index in range(start, count)]
        )
        self.assertFalse([result for result in results if isinstance(result, RpcError)])

    def present(self, client, count):
        got = []
        for start in range(0, count, 4000):
            skus = [f"D-{index}" for index in range(start, min(count, start + 4000))]
            got += client.call("availability", "default", skus)["stock"]
        return got

    def test_a_clean_stop_keeps_everything_in_every_mode(self):
        for mode in ("always", "everysec", "none"):
            with self.subTest(mode=mode), Server("--durability", mode) as server:
                with server.client() as client:
                    self.sequence(client, 2000)
                server.restart()
                with server.client() as client:
                    self.assertEqual(self.present(client, 2000), [1] * 2000)

    def test_kill_leaves_a_prefix_in_every_mode(self):
        for mode in ("always", "everysec", "none"):
            with self.subTest(mode=mode), Server("--durability", mode) as server:
                with server.client() as client:
                    self.sequence(client, 3000)
                server.restart(kill=True)
                with server.client() as client:
                    got = self.present(client, 3000)
                    there = sum(1 for qty in got if qty)
                    self.assertEqual(got, [1] * there + [None] * (3000 - there), "not a prefix")
                    if mode != "none":  # what was answered had been handed to the kernel
                        self.assertEqual(there, 3000)
                    self.sequence(client, 3000)
                    self.assertEqual(self.present(client, 3000), [1] * 3000)

    def test_the_mode_may_change_between_runs(self):
        with Server() as server:
            for count, mode in ((100, "none"), (200, "always"), (300, "everysec"), (400, "always")):
                with server.client() as client:
                    self.sequence(client, count, count - 100)
                server.stop()
                server.start("--durability", mode)
            with server.client() as client:
                self.assertEqual(self.present(client, 400), [1] * 400)

    def test_a_single_acknowledged_operation_survives(self):
        for _ in range(15):
            sku = unique("ONE")
            self.call("receive", unique("r"), sku, "main", 3)
            held = unique("res")
            first = self.call("reserve", held, "default", [[sku, 2]])
            self.server.restart(kill=True)
            self.reconnect()
            got = self.call("reservation", held)
            self.assertEqual((got["state"], got["expires_ms"]), ("held", first["expires_ms"]))
            self.assertEqual(self.figures(sku), (3, 2, 1))


if __name__ == "__main__":
    main()
