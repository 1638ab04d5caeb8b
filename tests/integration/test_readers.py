# SPDX-License-Identifier: Apache-2.0
"""Clients that read nothing of what is sent to them hold memory, and are disconnected after a while."""

import time

from stockd_harness import ConnectionClosed, StockdTestCase, WouldBlock, main, wait_until
from stockd_rpc import request

LIMIT_MS = 700


class Readers(StockdTestCase):
    options = ("--reader-timeout-ms", str(LIMIT_MS))

    def unread(self):
        return self.call("info", "server")["server"]["unread"]

    def clog(self, client):
        """Asks for more than the sockets hold, and reads nothing."""
        question = request(1, "availability", "default", [f"sku-{i}" for i in range(1000)])
        try:
            for _ in range(20000):
                client.try_send_raw(question, wait=0.05)
        except (WouldBlock, ConnectionError):
            return
        self.fail("the sockets hold anything")

    def test_one_that_reads_nothing_is_disconnected(self):
        before = self.unread()
        with self.server.client(receive_buffer=4096) as client:
            self.clog(client)
            wait_until(lambda: self.unread() == before + 1, timeout=60, what="the end of the connection")
            with self.assertRaises((ConnectionClosed, ConnectionError)):
                while True:  # what was on its way
                    client.receive_message(timeout=30)

    def test_one_that_reads_slowly_stays(self):
        before = self.unread()
        with self.server.client(receive_buffer=4096) as client:
            self.clog(client)
            client.socket.settimeout(LIMIT_MS / 4000)
            read_at, pause = time.monotonic(), 0
            until = read_at + 3 * LIMIT_MS / 1000
            while read_at < until:
                try:
                    self.assertNotEqual(client.socket.recv(4096), b"")
                except TimeoutError:
                    pass  # the kernel waits with more until there is room for more
                time.sleep(0.02)
                now = time.monotonic()
                read_at, pause = now, max(pause, now - read_at)
            if pause > LIMIT_MS / 2000:
                self.skipTest(f"this machine let the client wait for {pause:.1f} s")
            self.assertEqual(self.unread(), before)

    def test_one_that_is_idle_stays(self):
        with self.server.client() as client:
            client.call("ping")
            time.sleep(2 * LIMIT_MS / 1000)
            self.assertEqual(client.call("ping"), "pong")


if __name__ == "__main__":
    main()
