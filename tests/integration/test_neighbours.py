# SPDX-License-Identifier: Apache-2.0
"""What one client does to another: the heaviest requests, halves of messages, hang-ups; and what
ends all of them."""

import os
import select
import shutil
import subprocess
import time

from stockd_harness import (
    SLOW,
    Server,
    StockdTestCase,
    main,
    reap,
    request,
    spawn,
    unique,
    wait_until,
)

ITEMS = 32
PLACES = 400
SKUS = 4096


class Alone(StockdTestCase):
    """Each test has a server of its own."""

    stays = True  # the server ends when it is told to, and not before

    @classmethod
    def setUpClass(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        pass

    def setUp(self):
        pass

    def start(self, *options, environment=None):
        for name, value in (environment or {}).items():
            os.environ[name] = value
            self.addCleanup(os.environ.pop, name, None)
        self.server = Server(*options)
        self.addCleanup(lambda: self.server.close(check=self.stays))
        self.client = self.server.client()
        self.addCleanup(self.client.close)

    def figure(self, name):
        return self.call("info", "server")["server"][name]


class Heavy(Alone):
    """Beside a query that is thousands of times as long as a ping."""

    def setUp(self):
        self.start("--workers", 1, "--durability", "none")
        self.client.pipeline(("location_set", f"P{place}", {}) for place in range(PLACES))
        self.client.pipeline(
            ("receive", f"r-{place}-{item}", f"SKU-{item}", f"P{place}", 2)
            for item in range(ITEMS)
            for place in range(PLACES)
        )
        self.heavy = self.server.client()
        self.addCleanup(self.heavy.close)
        self.skus = [f"SKU-{index % ITEMS}" for index in range(SKUS)]

    def test_an_answer_overtakes_the_query_of_another_connection(self):
        before = self.figure("put_off")
        deadline = time.monotonic() + 60 * SLOW
        overtook = False
        while not overtook and time.monotonic() < deadline:
            self.heavy.send("availability", "default", self.skus)
            self.client.call("ping")
            overtook = not select.select([self.heavy.socket], [], [], 0)[0]
            error, result = self.heavy.receive()
            self.assertIsNone(error)
            self.assertEqual(result["stock"], [2 * PLACES] * SKUS)
        self.assertTrue(overtook, "each ping waited for the whole query of another connection")
        self.assertGreater(self.figure("put_off"), before)

    def test_a_hold_expires_beside_queries_without_end(self):
        self.client.call("receive", "one", "ONE", "main", 1)
        deadline = time.monotonic() + 60 * SLOW
        overtook = False
        while not overtook and time.monotonic() < deadline:
            for _ in range(8):
                self.heavy.send("availability", "default", self.skus)
            self.client.call("reserve", unique("o"), "default", [["ONE", 1]], {"ttl_ms": 1})
            while self.client.call("availability", "default", ["ONE"])["stock"] != [1]:
                self.assertLess(time.monotonic(), deadline, "the hold never expired")
            overtook = not select.select([self.heavy.socket], [], [], 0)[0]
            for _ in range(8):
                self.assertIsNone(self.heavy.receive()[0])
        self.assertTrue(overtook, "each expiry waited for a whole query of another connection")


class Halves(Alone):
    MESSAGE = 64 << 10
    HELD = 1 << 20

    def half(self, msgid, length=MESSAGE - 100):
        """A client whose message lacks its last byte, and that byte."""
        client = self.server.client()
        self.addCleanup(client.close)
        message = request(msgid, "ping", "x" * length)
        client.send_raw(message[:-1])
        return client, message[-1:]

    def test_they_have_a_bound_together(self):
        """Beyond it the greatest are told so, by their msgid; the others are waited for."""
        self.start("--workers", 1, "--max-message-bytes", self.MESSAGE,
                   "--max-input-bytes", self.HELD)
        halves = [self.half(1000 + index) for index in range(60)]
        wait_until(lambda: self.figure("halves_refused") >= 60 - self.HELD // self.MESSAGE,
                   60, what="the refusal of halves over the bound")
        refused = answered = 0
        for index, (client, rest) in enumerate(halves):
            try:
                client.send_raw(rest)
            except OSError:
                pass  # closed already: what it was told is still there to be read
            _, msgid, error, _ = client.receive_message()
            self.assertEqual(msgid, 1000 + index)
            refused += error[0] == "overloaded" and "max-input-bytes" in error[1]
            answered += error[0] == "bad_request"  # a ping has no parameter
        self.assertEqual(refused + answered, 60)
        self.assertEqual(refused, self.figure("halves_refused"))
        self.assertGreater(answered, 0)
        self.assertEqual(self.call("ping"), "pong")

    def test_no_more_are_refused_than_must_be(self):
        """Small ones, too, give back their memory."""
        self.start("--workers", 1, "--max-message-bytes", self.MESSAGE,
                   "--max-input-bytes", self.HELD)
        room = self.HELD // (16 << 10)  # a buffer has a power of two
        halves = [self.half(1000 + index, 9000) for index in range(room + 2)]
        wait_until(lambda: self.figure("halves_refused") >= 2,
                   60, what="the refusal of halves over the bound")
        answers = []
        for client, rest in halves:
            try:
                client.send_raw(rest)
            except OSError:
                pass  # closed already
            answers.append(client.receive_message()[2][0])
        self.assertEqual(answers.count("overloaded"), 2)
        self.assertEqual(self.figure("halves_refused"), 2)

    def stop_reading_replies(self):
        """A client that asks for as much as is taken of it, and takes no reply."""
        client = self.server.client("unix")
        self.addCleanup(client.close)
        client.socket.setblocking(False)
        return client

    def ask_on(self, client, asks):
        """Sends as much as the socket takes."""
        try:
            while True:
                client.socket.send(asks)
        except BlockingIOError:
            pass

    def test_who_does_not_read_replies_takes_no_room_from_them(self):
        """Nor more memory than there is for such input: it is not read on."""
        self.start("--workers", 1, "--max-message-bytes", self.MESSAGE,
                   "--max-input-bytes", self.HELD)
        count = 4 * self.HELD // self.MESSAGE
        asks = request(1, "info") * 8192
        silent = [self.stop_reading_replies() for _ in range(count)]

        taken = []

        def is_full():
            """What was taken is the same for a second, but for the questions for it."""
            for client in silent:
                self.ask_on(client, asks)
            taken.append(self.figure("bytes_in"))
            time.sleep(0.1)
            return len(taken) > 10 and taken[-1] - taken[-11] < 10 * 100

        wait_until(is_full, 60, what="the end of reading from who does not read")
        self.assertGreater(taken[-1], self.HELD // 2)
        self.assertLess(taken[-1], 3 * self.HELD, "of 4 without a bound")
        client, rest = self.half(7)
        self.assertEqual(self.call("ping"), "pong")  # the half was looked at meanwhile
        client.send_raw(rest)
        _, msgid, error, _ = client.receive_message()
        self.assertEqual((msgid, error[0]), (7, "bad_request"))  # a ping has no parameter
        self.assertEqual(self.figure("halves_refused"), 0)

    def test_they_have_a_time(self):
        self.start("--message-timeout-ms", 200)
        client, _ = self.half(7)
        _, msgid, error, _ = client.receive_message()
        self.assertEqual((msgid, error[0]), (7, "overloaded"))
        self.assertIn("message-timeout-ms", error[1])
        self.assertEqual(client.expect_closed(), [])
        self.assertEqual(self.call("ping"), "pong")  # silent for as long, between messages

    def test_limits_are_told(self):
        self.start("--message-timeout-ms", 1234, "--max-input-bytes", "3M")
        limits = self.call("info", "limits")["limits"]
        self.assertEqual((limits["message_ms"], limits["input_bytes"]), (1234, 3 << 20))


class HangUp(Alone):
    def test_in_the_middle_of_a_question_about_the_past(self):
        """The answer waits for the next sync. It comes to nobody, and touches nothing of who asked:
        memory that was freed is overwritten, so that whoever reads it still does not get far."""
        self.start("--workers", 1, "--durability", "everysec",
                   environment={"MALLOC_PERTURB_": "165"})
        for _ in range(3):
            closed = self.figure("closed")
            self.call("receive", unique("r"), "ONE", "main", 1)
            for _ in range(4):
                client = self.server.client()
                client.send("history", "ONE", {})
                client.send("ping")
                client.reset()
            wait_until(lambda: self.figure("closed") >= closed + 4, 60, what="the hang-ups")
            self.assertTrue(self.call("history", "ONE", {})["events"])
        self.assertEqual(self.call("ping"), "pong")


class BrokenRing(Alone):
    stays = False

    def test_a_worker_that_cannot_go_on_ends_the_server(self):
        """Also the first one, by whose ring the signals come."""
        if not shutil.which("strace"):
            self.skipTest("strace is not installed")
        self.start("--workers", 2, "--durability", "none")
        process = self.server.process
        tracer = spawn(["strace", "-qq", "-o", "/dev/null", "-e", "trace=io_uring_enter", "-e",
                        "inject=io_uring_enter:error=EBADF", "-p", str(process.pid)],
                       stderr=subprocess.PIPE)
        self.addCleanup(lambda: tracer.poll() is None and (tracer.kill(), tracer.wait()))
        deadline = time.monotonic() + 60 * SLOW
        while process.poll() is None:
            if tracer.poll() is not None and process.poll() is None:
                self.skipTest(f"strace may not trace here: {tracer.stderr.read()!r}")
            self.assertLess(time.monotonic(), deadline, "the other worker goes on without the first")
            try:
                self.client.send("ping")  # so that it comes back from the kernel
            except OSError:
                pass
            time.sleep(0.05)
        reap(tracer, 60 * SLOW)
        tracer.stderr.close()
        self.assertNotEqual(process.returncode, 0)


if __name__ == "__main__":
    main()
