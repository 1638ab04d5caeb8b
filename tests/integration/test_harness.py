# SPDX-License-Identifier: Apache-2.0
"""The harness itself: a wait that ends without what it waited for says what never came."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

import stockd_harness
from stockd_harness import Client, NotEnded, Server, join, main, reap, spawn, wait_until

HANGS = """
import threading, unittest
from stockd_harness import Server, main

class Hangs(unittest.TestCase):
    def test_that_waits_for_ever(self):
        with Server():
            threading.Event().wait()

main()
"""


class Waits(unittest.TestCase):
    def said(self, error, wait, *words):
        with self.assertRaises(error) as caught:
            wait()
        for word in words:
            self.assertIn(word, str(caught.exception))

    def test_an_answer(self):
        with Server() as server, server.client(timeout=0.2) as client:
            server.process.send_signal(signal.SIGSTOP)
            try:
                client.send("ping")
                words = ("to send a message", "2 in flight, the first a ping", "(running)", "log ends")
                self.said(TimeoutError, lambda: client.call("info"), server.tcp, *words)
            finally:
                server.process.send_signal(signal.SIGCONT)

    def test_bytes_that_nobody_takes(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            with Client(f"127.0.0.1:{listener.getsockname()[1]}", timeout=0.2) as client:
                self.said(TimeoutError, lambda: client.send_raw(bytes(64 << 20)), "to take 67108864")

    def test_a_condition(self):
        with Server():
            wait = lambda: wait_until(lambda: False, timeout=0.01, what="rain")  # noqa: E731
            self.said(AssertionError, wait, "for rain", "its log ends")

    def test_a_process(self):
        process = spawn(["sleep", "1000"])
        self.said(NotEnded, lambda: reap(process, 0.01), "to end: ['sleep', '1000']")
        self.assertIsNotNone(process.returncode, "it is killed")

    def test_a_thread(self):
        event = threading.Event()
        thread = threading.Thread(target=event.wait)
        thread.start()
        self.said(AssertionError, lambda: join(thread, "the reader", timeout=0.01), "the reader")
        event.set()
        thread.join()

    def test_a_script_that_hangs(self):
        """CTest would end it without a word."""
        with tempfile.TemporaryDirectory() as folder:
            script = os.path.join(folder, "hangs.py")
            with open(script, "w", encoding="utf-8") as file:
                file.write(HANGS)
            limit = 4 * stockd_harness.SLOW * stockd_harness.PATIENCE
            here = os.path.dirname(os.path.abspath(__file__))
            env = {**os.environ, "STOCKD_TEST_LIMIT": str(limit), "PYTHONPATH": here}
            done = subprocess.run([sys.executable, script], env=env, capture_output=True, text=True,
                                  timeout=20 * limit, check=False)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        for word in ("HUNG", "test_that_waits_for_ever", "(running), its log ends"):
            self.assertIn(word, done.stdout)


if __name__ == "__main__":
    main()
