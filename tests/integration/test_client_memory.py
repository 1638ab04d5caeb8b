#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the engine holds for its clients stays within client-memory, however many of them do not
read; and those that do read are served meanwhile."""

import socket
import threading
import unittest

from stockd_harness import Server, StartError, StockdTestCase, join, main, request, wait_until

MI = 1 << 20
LIMIT = 24 * MI
ITEMS = 400
SLOW_READERS = 500
ASKED = 60  # by each of them; an answer has some 20 KiB


class ClientMemory(StockdTestCase):
    """Replies of 500 clients that read none would take 600 MB; a fraction of that is allowed."""

    options = ("--workers", "1", "--max-input-bytes", str(MI), "--max-message-bytes", "65536",
               "--client-memory", str(LIMIT), "--reader-timeout-ms", "3600000", "--durability",
               "none")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.server.client() as client:
            for number in range(ITEMS):
                client.call("receive", f"r{number}", f"ITEM-{number:04}" + "x" * 50, "main", 1)

    def server_figures(self):
        return self.call("info", "server")["server"]

    def slow_reader(self):
        """Asks much and reads nothing. The kernel takes little for it."""
        host, _, port = self.server.tcp.rpartition(":")
        peer = socket.socket()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect((host, int(port)))
        peer.settimeout(5)
        self.addCleanup(peer.close)
        try:
            peer.sendall(b"".join(request(i, "items", 0, {"limit": ITEMS, "details": True}) for i in range(ASKED)))
        except OSError:  # it was cut already, or its input waits
            pass
        return peer

    def test_is_never_passed(self):
        stop = threading.Event()
        failed = []

        def read():
            """Somebody who reads his replies."""
            try:
                with self.server.client() as client:
                    done = 0
                    while not stop.is_set() or done < 10:
                        client.call("receive", f"good-{done}", "GOOD", "main", 1)
                        client.call("items", 0, {"limit": ITEMS, "details": True})
                        done += 1
            except Exception as error:  # pylint: disable=broad-except
                failed.append(error)

        reader = threading.Thread(target=read)
        reader.start()
        for _ in range(SLOW_READERS):
            self.slow_reader()
        wait_until(lambda: self.server_figures()["cut_for_memory"] > 0, timeout=60,
                   what="a connection that is cut for its memory")
        wait_until(lambda: self.server_figures()["client_bytes"] < LIMIT * 7 // 8, timeout=60,
                   what="room")
        stop.set()
        join(reader, "the reader")
        self.assertEqual(failed, [])
        figures = self.server_figures()
        limit = self.call("info", "limits")["limits"]["client_bytes"]
        self.assertEqual(limit, LIMIT)
        self.assertGreater(figures["client_bytes_peak"], LIMIT // 2, "nothing was tried")
        self.assertLessEqual(figures["client_bytes_peak"], LIMIT)


class Options(unittest.TestCase):
    def test_too_little(self):
        with Server(start=False) as server:
            with self.assertRaises(StartError) as raised:
                server.start("--client-memory", str(8 * MI))
            self.assertEqual(raised.exception.code, 2)
            self.assertIn("client-memory must be at least", server.stderr())

    def test_as_much_as_input_needs(self):
        with Server("--workers", "1", "--max-input-bytes", str(1024 * MI)) as server:
            with server.client() as client:
                limits = client.call("info", "limits")["limits"]
            self.assertEqual(limits["client_bytes"], (2 * 1024 + 8) * MI)


if __name__ == "__main__":
    main()
