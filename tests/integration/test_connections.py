# SPDX-License-Identifier: Apache-2.0
"""Connections that come and go, read slowly, or break off: the server stays small and serves the
others.
"""

import signal
import socket
import threading
import time

from stockd_harness import (
    PATIENCE,
    SLOW,
    Client,
    Server,
    StockdTestCase,
    WouldBlock,
    join,
    main,
    request,
    unique,
    wait_until,
)

KINDS = ("tcp", "unix")
NEIGHBOUR_S = 3.0  # seconds that a neighbour may wait for an answer, on a busy machine
SMALL_LOG = 1 << 19  # bytes: what one worker needs at least
SLOWEST = []  # what the neighbours did wait


class Neighbour:
    """A well-behaved client that works all the while, and knows its slowest answer."""

    def __init__(self, server, kind="tcp"):
        self.client = server.client(kind)
        self.slowest = 0.0
        self.answers = 0
        self.error = None
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def run(self):
        sku = unique("NEIGHBOUR")
        try:
            while not self.ending.is_set():
                begin = time.monotonic()
                got = self.client.call("receive", unique("n"), sku, "main", 1)
                self.slowest = max(self.slowest, time.monotonic() - begin)
                self.answers += 1
                if got["on_hand"] != self.answers:
                    raise AssertionError(f"on_hand {got['on_hand']} after {self.answers} receives")
                self.ending.wait(0.001)
        except Exception as error:  # noqa: BLE001 - handed to the test
            self.error = error

    def assert_served_on(self):
        before = self.answers
        wait_until(lambda: self.error or self.answers > before + 20, what="the neighbour's answers")

    def __exit__(self, *_exc):
        self.ending.set()
        join(self.thread, "the neighbour to end")
        self.client.close()
        if self.error is not None:
            raise AssertionError(f"the neighbour failed: {self.error!r}")
        if not self.answers:
            raise AssertionError("the neighbour was never served")
        if self.slowest > NEIGHBOUR_S * SLOW * PATIENCE:
            raise AssertionError(f"the neighbour waited {self.slowest:.1f} s for an answer")
        SLOWEST.append(self.slowest)


class SlowReaders(StockdTestCase):
    # The neighbour's ids fall all over the index of ids, which comes in huge pages: 128 MiB of it.
    LIMIT_KIB = 160 << 10

    def push(self, client, data, stalled=0.5, at_most=256 << 20):
        """Sends copies of `data`, reading nothing, until none goes for `stalled` seconds.

        Returns how many went whole, and how many bytes of the next one.
        """
        sent, offset = 0, 0
        while sent * len(data) < at_most:
            try:
                offset += client.try_send_raw(memoryview(data)[offset:], wait=stalled)
            except WouldBlock:
                return sent, offset
            if offset == len(data):
                sent, offset = sent + 1, 0
        self.fail(f"{at_most >> 20} MiB of requests were taken from a client that reads nothing")

    def test_back_pressure_then_every_answer(self):
        sku = self.stocked(10)
        for kind in KINDS:
            # large answers to small requests, small to small, with errors
            for name, data, size in (
                ("large answers", request(1, "availability", "default", [sku] * 1000) * 8, 8),
                ("pings", request(1, "ping") * 1000, 1000),
                ("unknown", request(1, "x" * 90) * 500, 500),
            ):
                with self.subTest(kind=kind, name=name), self.server.client(
                    kind, receive_buffer=65536
                ) as slow:
                    before = self.server.memory_kib()
                    with Neighbour(self.server) as neighbour:
                        sent, offset = self.push(slow, data)
                        neighbour.assert_served_on()
                    grown = self.server.memory_kib() - before
                    self.assertLess(
                        grown, self.LIMIT_KIB * SLOW, "memory of a client that reads nothing"
                    )
                    # it changes its mind: everything asked is answered
                    rest = data[offset:] if offset else b""
                    finish = threading.Thread(target=slow.send_raw, args=(rest,), daemon=True)
                    finish.start()
                    for _ in range((sent + bool(offset)) * size):
                        self.assertEqual(slow.receive_message()[1], 1)
                    join(finish, "the last requests to be taken")

    def test_greedy_connections_starve_nobody(self):
        """All on one worker: some that send without end and read it all, one that reads nothing. Who
        asks one thing at a time is answered; by the journal, too."""
        pings = request(1, "ping") * 2000
        orders = b"".join(
            request(1, "reserve", f"greedy-{i}", "default", [["TEE", 1]]) for i in range(500)
        )
        ending = threading.Event()

        def send(client, message):
            try:
                while not ending.is_set():
                    client.socket.sendall(message)
            except OSError:
                pass  # its end

        def read(client):
            try:
                while client.socket.recv(1 << 16):
                    pass
            except OSError:
                pass

        with Server("--workers", "1") as server, server.client() as polite:
            polite.call("receive", "stock", "TEE", "main", 100000)
            greedy, threads = [], []
            for message, reads in ((pings, True), (orders, True), (orders, True), (pings, False)):
                client = server.client()
                greedy.append(client)
                threads.append(threading.Thread(target=send, args=(client, message)))
                if reads:
                    threads.append(threading.Thread(target=read, args=(client,)))
            for thread in threads:
                thread.start()
            try:
                for i in range(40):
                    polite.call("reserve", f"polite-{i}", "default", [["TEE", 1]])
                    polite.call("availability", "default", ["TEE"])
                    polite.call("cancel", f"polite-{i}")
            finally:
                ending.set()
                for client in greedy:
                    client.socket.shutdown(socket.SHUT_RDWR)
                for thread in threads:
                    join(thread, "the greedy connections to end")
                for client in greedy:
                    client.close()

    def test_a_full_log_is_shared(self):
        """Many that ask for more than the log takes at once: what they get is told by the LSNs. When
        the first one has got all, nobody is far behind. Each asks for no more than its socket holds,
        and the answers fit in it, too, so that the engine alone decides who is served."""
        count, crowd, long = 2000, 12, "x" * 20
        with Server("--workers", "1", "--log-bytes", str(SMALL_LOG)) as server:
            clients = [server.client("unix") for _ in range(crowd)]
            server.process.send_signal(signal.SIGSTOP)  # so that all is there when it begins
            for number, client in enumerate(clients):
                asked = (request(i, "receive", f"{number}-{i}-{long}", "TEE", "main", 1)
                         for i in range(count))
                client.send_raw(b"".join(asked))
            server.process.send_signal(signal.SIGCONT)
            lsns = [[client.receive_message()[3]["lsn"] for _ in range(count)] for client in clients]
            for client in clients:
                client.close()
        first = min(answers[-1] for answers in lsns)
        done = [sum(lsn <= first for lsn in answers) for answers in lsns]
        self.assertGreater(min(done), count / 4, done)

    def test_many_slow_readers(self):
        sku = self.stocked(10)
        data = request(1, "availability", "default", [sku] * 1000)
        before = self.server.memory_kib()
        clients = [self.server.client(KINDS[index % 2], receive_buffer=4096) for index in range(16)]
        try:
            with Neighbour(self.server, "unix") as neighbour:
                for client in clients:
                    self.push(client, data, stalled=0.2)
                neighbour.assert_served_on()
            self.assertLess(self.server.memory_kib() - before, self.LIMIT_KIB * SLOW * 2)
        finally:
            for index, client in enumerate(clients):
                if index % 2:
                    client.close()
                else:
                    client.reset()

    def test_slow_readers_do_not_stop_the_shutdown(self):
        with Server() as server:
            with server.client() as client:
                client.call("receive", "r", "SKU", "main", 1)
                self.push(
                    client, request(1, "availability", "default", ["SKU"] * 1000), stalled=0.3
                )
                server.stop()

    def test_slow_writer(self):
        """Half a message, and then nothing: it costs nobody anything."""
        half = [self.server.client(KINDS[index % 2]) for index in range(50)]
        try:
            for client in half:
                client.send_raw(request(1, "availability", "default", ["A"] * 50)[:-20])
            with Neighbour(self.server):
                time.sleep(0.1)
            for client in half:
                client.send_raw(request(1, "availability", "default", ["A"] * 50)[-20:])
                self.assertEqual(client.receive_message()[3]["stock"], [None] * 50)
        finally:
            for client in half:
                client.close()


class ComeAndGo(StockdTestCase):
    def settled_fd_count(self):
        with self.server.client() as client:
            client.call("ping")
        time.sleep(0.1)
        return self.server.fd_count()

    def assert_back_to(self, base):
        wait_until(
            lambda: self.server.fd_count() <= base,
            what=f"descriptors back to {base}: {self.server.fd_count()}",
        )

    def test_thousands_of_connections_one_after_another(self):
        base = self.settled_fd_count()
        memory = self.server.memory_kib()
        with Neighbour(self.server):
            for index in range(3000 if SLOW == 1 else 600):
                client = self.server.client(KINDS[index % 2])
                how = index % 5
                if how == 0:
                    self.assertEqual(client.call("ping"), "pong")
                elif how == 1:
                    client.send("ping")
                elif how == 2:
                    client.send_raw(b"\x94\x00")
                if how == 3:
                    client.reset()
                else:
                    client.close()
        self.assert_back_to(base)
        self.assertLess(self.server.memory_kib() - memory, (16 << 10) * SLOW)

    def test_hundreds_at_once(self):
        base = self.settled_fd_count()
        clients = [self.server.client(KINDS[index % 2]) for index in range(400)]
        try:
            for client in clients:
                client.send("ping")
            for client in clients:
                self.assertEqual(client.receive()[1], "pong")
        finally:
            for client in clients:
                client.close()
        self.assert_back_to(base)

    def test_resets_with_work_in_flight(self):
        """Answers to a peer that is gone go nowhere; the work itself is done or not, never half."""
        base = self.settled_fd_count()
        sku = self.stocked(100000)
        with Neighbour(self.server):
            for index in range(150):
                client = self.server.client(KINDS[index % 2])
                ids = [unique("res") for _ in range(20)]
                client.send_raw(
                    b"".join(
                        request(1, "reserve", ident, "default", [[sku, 1], [sku, 1]])
                        for ident in ids
                    )
                )
                if index % 3 == 0:
                    client.receive_message()
                client.reset()
        self.assert_back_to(base)
        on_hand, reserved, available = self.figures(sku)
        self.assertEqual((on_hand, available), (100000, 100000 - reserved))
        self.assertEqual(reserved % 2, 0)
        self.assertGreaterEqual(reserved, 50 * 2)

    def test_connections_that_say_nothing(self):
        base = self.settled_fd_count()
        silent = [self.server.client(KINDS[index % 2]) for index in range(100)]
        with Neighbour(self.server):
            time.sleep(0.1)
        for client in silent:
            client.close()
        self.assert_back_to(base)

    def test_both_sides_stop_with_open_connections(self):
        with Server() as server:
            clients = [server.client(KINDS[index % 2]) for index in range(20)]
            for client in clients:
                client.call("ping")
            server.stop()
            for client in clients:
                self.assertEqual(client.expect_closed(), [])
                client.close()

    def test_several_workers(self):
        with Server("--workers", 3) as server:
            clients = [server.client(KINDS[index % 2]) for index in range(12)]
            clients[0].call("receive", "r", "SKU", "main", 1000)
            for client in clients:
                for index in range(20):
                    client.send("reserve", unique("w"), "default", [["SKU", 1]])
            for client in clients:
                for index in range(20):
                    error, result = client.receive()
                    self.assertIsNone(error)
            got = clients[0].call("stock", "SKU")
            self.assertEqual((got["on_hand"], got["reserved"]), (1000, 240))
            for client in clients:
                client.close()


class Listeners(StockdTestCase):
    def test_several_of_each_kind(self):
        with Server(listen=False, start=False) as server:
            second = server.unix + ".2"
            addresses = ["127.0.0.1:0", "127.0.0.1:0", server.unix, second]
            server.extra = [part for address in addresses for part in ("--listen", address)]
            server.start()
            self.assertEqual(len(server.addresses), 4)
            self.assertEqual(len(set(server.addresses)), 4)
            self.assertEqual(server.addresses[2:], [server.unix, second])
            for address in server.addresses:
                with Client(address) as client:
                    self.assertEqual(client.call("ping"), "pong")

    def test_ipv6(self):
        if not socket.has_ipv6:
            self.skipTest("no IPv6 here")
        probe = socket.socket(socket.AF_INET6)
        try:
            probe.bind(("::1", 0))
        except OSError as error:
            self.skipTest(f"no IPv6 loopback here: {error}")
        finally:
            probe.close()
        with Server(listen=False, start=False) as server:
            server.extra = ["--listen", "[::1]:0"]
            server.start()
            with Client(server.addresses[0]) as client:
                self.assertEqual(client.call("ping"), "pong")

    def test_a_stale_socket_file_is_no_obstacle(self):
        """Nor is the kernel, which takes a moment to clear up after a process that was killed."""
        with Server() as server:
            for _ in range(20):
                server.restart(kill=True)
                with server.client("unix") as client:
                    self.assertEqual(client.call("ping"), "pong")

    def test_the_same_port_again(self):
        with Server() as server:
            server.listen = False
            server.extra = ["--listen", server.tcp]
            for index in range(10):
                server.restart(kill=bool(index % 2))
                with server.client() as client:
                    self.assertEqual(client.call("ping"), "pong")


def tearDownModule():
    print(f"slowest answer to a neighbour: {max(SLOWEST, default=0) * 1000:.0f} ms", flush=True)


if __name__ == "__main__":
    main()
