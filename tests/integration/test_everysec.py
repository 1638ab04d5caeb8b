# SPDX-License-Identifier: Apache-2.0
"""Durability everysec: the last write is synced within a second or so, whichever worker wrote it."""

import time

from stockd_harness import StockdTestCase, main, unique

PATIENCE = 30  # seconds; one is promised, the disk and the machine may be slow


class EverySec(StockdTestCase):
    options = ("--workers", 3, "--durability", "everysec")

    def assert_synced(self, client, lsn):
        """Its own worker is asked only: nothing else may be what wakes the others."""
        deadline = time.monotonic() + PATIENCE
        while client.call("info")["journal"]["durable_lsn"] < lsn:
            self.assertLess(time.monotonic(), deadline,
                            f"lsn {lsn} was written {PATIENCE} s ago and is not synced yet")
            time.sleep(0.1)

    def test_the_last_write_of_each_worker(self):
        clients = [self.server.client() for _ in range(6)]  # dealt to the workers in turn
        for client in clients:
            self.addCleanup(client.close)
        for client in clients * 2:
            lsn = client.call("receive", unique("in"), "LAMP", "main", 1)["lsn"]
            self.assert_synced(client, lsn)


if __name__ == "__main__":
    main()
