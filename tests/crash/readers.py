# SPDX-License-Identifier: Apache-2.0
"""Who follows events and changes, while the disk is slow and after it has lost something."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "integration"))

from crash_disk import Disk, in_own_world  # noqa: E402
from stockd_harness import Server, main, wait_until  # noqa: E402


class SlowDisk(unittest.TestCase):
    def test_a_question_shows_what_events_do_not_tell_yet(self):
        """Its own LSN may be before that, too. A change that is made then comes after it, and is
        answered once events tell all before it."""
        with Disk("ext4") as disk, Server("--durability", "everysec", "--workers", 1, "--segment-bytes", 1 << 20,
                                          data=os.path.join(disk.path, "data")) as server:
            with server.client() as asks, server.client() as changes:
                since = asks.call("receive", "in", "LAMP", "main", 10)["lsn"]
                with disk.frozen():
                    changes.send("receive", "stuck", "LAMP", "main", 1)
                    wait_until(lambda: asks.call("locations")["lsn"] > since, what="a batch that is being written")
                    for number in range(8):
                        changes.send("reserve", f"hold-{number}", "default", [["LAMP", 1]], {"ttl_ms": 50})
                    wait_until(lambda: asks.call("info", "ledger")["ledger"]["expired"] == 8, what="the end of the holds")
                    self.assertEqual(asks.call("orders", {"state": "held"})["orders"], [])
                    self.assertEqual(asks.call("availability", "default", ["LAMP"])["stock"], [11])
                    shown = asks.call("locations")["lsn"]
                    self.assertEqual(asks.call("events", since)["events"], [])
                    changes.send("receive", "beyond", "LAMP", "main", 1)
                while changes.expected:
                    error, answer = changes.receive()
                    self.assertIsNone(error)
                told = asks.call("events", since)
                self.assertEqual({event["id"] for event in told["events"]}, {f"hold-{n}" for n in range(8)})
                for event in told["events"]:
                    self.assertLess(shown, event["lsn"])
                    self.assertLess(event["lsn"], answer["lsn"])
                self.assertGreaterEqual(told["next"], answer["lsn"])


if __name__ == "__main__":
    in_own_world("mkfs.ext4")
    main()
