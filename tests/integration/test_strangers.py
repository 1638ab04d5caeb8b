# SPDX-License-Identifier: Apache-2.0
"""What a peer gets that has not said who it is, and what others lose by it: nothing."""

import os
import random
import socket
import threading
import time

from stockd_harness import SANITIZED, RpcError, Server, StartError, join, main, seeded_random, wait_until
from stockd_rpc import request
from token_case import ALL, TokenTestCase


class Strangers(TokenTestCase):
    def gets_in(self, server):
        """A flood of its own address may crowd out a client before it has said hello, but not for long."""

        def tried():
            try:
                server.known("web").close()
                return 1
            except ConnectionError:
                return 0

        return wait_until(tried, timeout=60, what="a client to be let in")

    def test_their_messages_are_small(self):
        server = self.serve({"web": ALL}, "--max-hello-bytes", "1000")
        for method, text in (("hello", "x" * 1000), ("ping", "y" * 5000), ("reserve", "z" * 2_000_000)):
            with server.client() as client:
                client.try_send_raw(request(7, method, text), wait=5)
                [[_, msgid, error, _]] = client.expect_closed()
                self.assertEqual((msgid, error[0]), (7, "too_large"))
        with server.known("web") as client:
            self.assertEqual(client.call("availability", "default", ["S" * 60] * 100)["stock"], [None] * 100)

    def test_their_time_is_short(self):
        server = self.serve({"web": ALL}, "--hello-timeout-ms", "300")
        with server.known("web") as known, server.client() as silent, server.client() as half:
            half.send_raw(request(9, "hello", "me", {"token": "x" * 40})[:20])
            for client, msgid in ((silent, 0), (half, 9)):
                [[_, got, error, _]] = client.expect_closed()
                self.assertEqual((got, error[0]), (msgid, "unauthorized"))
                self.assertIn("hello-timeout-ms, 300", error[1])
            self.assertEqual(known.call("ping"), "pong")
            access = known.call("info", "access")["access"]
            self.assertEqual((access["strangers"], access["strangers_cut"]), (0, 2))

    def test_the_oldest_of_an_address_makes_way(self):
        server = self.serve({"web": ALL}, "--max-strangers-each", "4", "--workers", "1")
        with server.known("web") as known:
            clients = [server.client() for _ in range(4)]
            wait_until(lambda: known.call("info", "access")["access"]["strangers"] == 4, what="four strangers")
            late = server.client()
            self.assertEqual(clients[0].expect_closed(), [])
            with self.assertRaises(RpcError):  # the others are still there
                clients[1].call("ping")
            late.call("hello", "late", {"token": server.secrets["web"]})
            self.assertEqual(late.call("ping"), "pong")
            for client in (*clients, late):
                client.close()

    def test_another_address_has_strangers_of_its_own(self):
        server = self.serve({"web": ALL}, "--max-strangers-each", "2", "--workers", "1")
        port = int(server.tcp.rpartition(":")[2])
        with server.known("web") as known, socket.socket() as other:
            other.bind(("127.0.0.9", 0))
            other.connect(("127.0.0.1", port))
            wait_until(lambda: known.call("info", "access")["access"]["strangers"] == 1, what="a stranger")
            clients = [server.client() for _ in range(6)]
            wait_until(lambda: known.call("info", "access")["access"]["strangers_cut"] == 4, what="four ends")
            other.sendall(request(1, "ping"))
            self.assertIn(b"unauthorized", other.recv(4096))
            for client in clients:
                client.close()

    def test_there_are_few_in_all(self):
        server = self.serve({"web": ALL}, "--max-strangers", "3", "--workers", "1")
        with server.known("web") as known:
            clients = [server.client() for _ in range(3)]
            wait_until(lambda: known.call("info", "access")["access"]["strangers"] == 3, what="three strangers")
            with server.client("unix") as unix:  # of another address
                self.assertEqual(clients[0].expect_closed(), [])
                with self.assertRaises(RpcError):
                    unix.call("ping")
            for client in clients:
                client.close()

    def test_one_that_goes_on_is_closed(self):
        server = self.serve({"web": ALL})
        with server.client() as client:
            client.send_while_receiving(b"".join(request(i, "ping") for i in range(1000)))
            answers = client.expect_closed()
            self.assertEqual(len(answers), 256)
            self.assertEqual({answer[2][0] for answer in answers}, {"unauthorized"})

    def test_a_client_is_served_while_thousands_of_strangers_send_junk(self):
        """Each call of the paying client must succeed, and a new one of its connections get in."""
        count = 300 if SANITIZED else 3000
        server = self.serve({"web": ALL}, "--workers", "2", "--hello-timeout-ms", "1000")
        host, port = "127.0.0.1", int(server.tcp.rpartition(":")[2])
        rng = seeded_random()
        junk = [bytes(rng.randrange(256) for _ in range(rng.randrange(1, 3000))) for _ in range(50)]
        junk += [request(1, "reserve", "o", "default", [["S", 1]]) * 20, request(2, "hello", "x", {"token": "y" * 43}),
                 b"\x94\x00\x01\xa5hello\x92\xa1x", b"GET / HTTP/1.1\r\n\r\n", b""]
        made, stop = [0, 0], threading.Event()

        def flood(number):
            mine = random.Random(number)
            held = []
            while made[number] < count // 2 and not stop.is_set():
                one = socket.socket()
                one.settimeout(30)
                try:
                    one.connect((host, port))
                    one.setblocking(False)
                    one.send(mine.choice(junk))
                except OSError:
                    pass
                held.append(one)
                made[number] += 1
                if len(held) > 200:
                    held.pop(0).close()
            for one in held:
                one.close()

        threads = [threading.Thread(target=flood, args=(number,)) for number in range(2)]
        with server.known("web") as client:
            client.call("receive", "r", "S", "main", 1_000_000)
            for thread in threads:
                thread.start()
            calls, longest, met = 0, 0, 0
            while any(thread.is_alive() for thread in threads):
                began = time.monotonic()
                client.call("reserve", f"o{calls}", "default", [["S", 1]])
                longest = max(longest, time.monotonic() - began)
                calls += 1
                if calls % 50 == 1:
                    met += self.gets_in(server)
            stop.set()
            for thread in threads:
                join(thread, "the flood")
            self.assertEqual(sum(made), count // 2 * 2)
            self.assertGreaterEqual(met, 1)
            access = client.call("info", "access")["access"]
            self.assertGreater(access["strangers_cut"], 0)
            self.assertGreater(access["unauthorized"], 0)
            wait_until(lambda: client.call("info", "access")["access"]["strangers"] == 0, what="the end of all strangers")
            told = [line for line in server.stderr().splitlines() if "lack of rights" in line]
            self.assertGreater(len(told), 0)
            self.assertLess(len(told), 120)  # one a second of each worker, at most
            print(f"{sum(made)} strangers, {calls} calls beside them, the longest {1000 * longest:.1f} ms", flush=True)


class Exposure(TokenTestCase):
    def test_an_address_of_the_network_needs_tokens_or_a_word(self):
        server = Server(listen=False, start=False)
        self.addCleanup(server.close)
        with self.assertRaises(StartError) as got:
            server.start("--listen", "127.0.0.1:0", "--listen", "0.0.0.0:0")
        self.assertEqual(got.exception.code, 2)
        [line] = server.stderr().splitlines()
        for word in ("0.0.0.0:", "--tokens", "--insecure"):
            self.assertIn(word, line)

    def test_the_word_may_stand_in_the_config_file(self):
        server = Server(listen=False, start=False)
        self.addCleanup(server.close)
        path = os.path.join(server.directory, "config")
        for value, good in (("yes", True), ("no", False), ("perhaps", False)):
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"listen = 0.0.0.0:0\ninsecure = {value}\n")
            if good:
                server.start("--config", path)
                server.stop()
                continue
            with self.assertRaises(StartError) as got:
                server.start("--config", path)
            self.assertEqual(got.exception.code, 2)
        self.assertIn("insecure must be yes or no", server.stderr())

    def test_with_tokens_it_is_enough_to_be_warned(self):
        server = self.serve({"web": ALL}, "--listen", "0.0.0.0:0")
        [warning] = [line for line in server.stderr().splitlines() if "warning" in line]
        self.assertIn("tokens cross the network there unencrypted", warning)

    def test_this_machine_alone_needs_nothing(self):
        server = Server("--listen", "[::1]:0") if socket.has_dualstack_ipv6() else Server()
        with server:
            self.assertNotIn("warning", server.stderr())


if __name__ == "__main__":
    main()
