# SPDX-License-Identifier: Apache-2.0
"""stockctl changes, stockctl events and stockctl watch."""

import json
import os
import select
import signal
import socket
import subprocess
import time

from stockctl_case import DONE, REFUSED, UNREACHABLE, USAGE, StockctlTestCase
from stockd_harness import BIN_DIR, SLOW, Server, main, reap, settled, spawn, unique, wait_until


class Changes(StockctlTestCase):
    def test_a_table_and_where_to_go_on(self):
        since = self.call("info", "limits")["lsn"]
        skus = [self.stocked(n + 3) for n in range(3)]
        lines = self.ctl("changes", "--since", str(since)).splitlines()
        self.assertRegex(lines[0], r"^CHANNEL +SKU +AVAILABLE +LSN$")
        self.assertEqual([line.split()[:3] for line in lines[1:4]],
                         [["default", sku, str(n + 3)] for n, sku in enumerate(skus)])
        self.assertRegex(lines[-1], r"^This is everything up to LSN \d+\.$")
        more = self.ctl("changes", "--since", str(since), "--limit", "1")
        self.assertRegex(more.splitlines()[-1], r"^There is more: continue with --since \d+\.$")

    def test_an_lsn_that_lies_ahead(self):
        said = self.ctl("changes", "--since", str(1 << 62))
        self.assertIn("This journal has not reached that LSN", said)
        self.assertIn("--since 0", said)

    def test_json_is_the_engines_result(self):
        sku = self.stocked(4)
        got = self.json("changes", "--channel", "default")
        self.assertIn(["default", sku, 4], [row[:3] for row in got["changes"]])
        self.assertIs(got["resync"], False)
        self.assertEqual(got["next"], got["lsn"])

    def test_mistakes(self):
        self.ctl("changes", "--since", "soon", expect=USAGE)
        self.ctl("changes", "--since", "-1", expect=USAGE)
        self.ctl("changes", "--channel", "nowhere", expect=1)
        self.assertIn("unknown_channel", self.err)
        self.ctl("watch", "--channel", "nowhere", expect=1)


class Events(StockctlTestCase):
    def crossed(self, sku):
        """The item sells out and is back."""
        for method, qty in (("receive", 2), ("adjust", -2), ("receive", 1)):
            settled(self.client, self.call(method, unique("x"), sku, "main", qty)["lsn"])

    def test_lines_and_where_to_go_on(self):
        sku, since = unique("SKU"), str(self.call("events", 0)["lsn"])
        self.crossed(sku)
        lines = self.ctl("events", "--since", since).splitlines()
        self.assertRegex(lines[0], rf"^\d{{4}}-\S+  sold_out +default  {sku}  0$")
        self.assertRegex(lines[1], rf"^\d{{4}}-\S+  back_in_stock +default  {sku}  1$")
        self.assertRegex(lines[-1], r"^This is everything up to LSN \d+\.$")
        more = self.ctl("events", "--since", since, "--limit", "1", "--channel", "default")
        self.assertRegex(more.splitlines()[-1], r"^There is more: continue with --since \d+\.$")
        got = self.json("events", "--since", since, "--types", "back_in_stock,late")
        self.assertEqual([e["type"] for e in got["events"]], ["back_in_stock"])
        self.assertIn("has not reached", self.ctl("events", "--since", str(1 << 62)))

    def test_mistakes(self):
        self.ctl("events", "--types", "sold", expect=1)
        self.assertIn("types", self.err)
        self.ctl("events", "--location", "nowhere", expect=1)
        self.ctl("watch", "--types", "late", expect=USAGE)
        self.ctl("watch", "--events", "--types", "sold", expect=1)


class Watch(StockctlTestCase):
    def test_events_over_a_lost_connection(self):
        with Server() as server:
            with server.client() as client:
                client.call("item_set", "TEA", {"low_stock": 1})
                settled(client, client.call("receive", unique("r"), "TEA", "main", 5)["lsn"])
                watch = self.watch("watch", "--events", "--json", "--sku", "TEA", server=server)
                wait_until(lambda: client.call("info", "feed")["feed"]["subscribers"] == 1)
                client.call("adjust", unique("a"), "TEA", "main", -5)
                told = [json.loads(self.line(watch))["type"] for _ in range(2)]
                self.assertEqual(told, ["low_stock", "sold_out"])
            server.restart(kill=True)
            with server.client() as client:
                client.call("receive", unique("r"), "TEA", "main", 3)
                self.assertEqual(json.loads(self.line(watch))["type"], "back_in_stock")
            watch.send_signal(signal.SIGINT)
            reap(watch, 20)

    def watch(self, *args, server=None):
        process = spawn(
            [os.path.join(BIN_DIR, "stockctl"), "-s", (server or self.server).unix, *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
        self.addCleanup(lambda: process.poll() is None and process.kill())
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        return process

    def line(self, process):
        readable, _, _ = select.select([process.stdout], [], [], 20 * SLOW)
        self.assertTrue(readable, "nothing was shown")
        return process.stdout.readline().decode()

    def said(self, process):
        """The next line on its standard error."""
        readable, _, _ = select.select([process.stderr], [], [], 20 * SLOW)
        self.assertTrue(readable, "nothing was said")
        return process.stderr.readline().decode()

    def subscribed(self, count=1):
        deadline = time.monotonic() + 20 * SLOW
        while self.call("info", "feed")["feed"]["subscribers"] != count:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def test_lines_until_it_is_interrupted(self):
        self.subscribed(0)
        watch = self.watch("watch", "--channel", "default")
        self.subscribed()
        sku = self.stocked(5)
        self.assertRegex(self.line(watch), rf"^\d{{4}}-\S+  default +{sku} +5$")
        self.call("receive", unique("r"), sku, "main", 3)
        self.assertRegex(self.line(watch), rf"  default +{sku} +8  \(\+3\)$")
        watch.send_signal(signal.SIGINT)
        self.assertEqual(reap(watch, 20 * SLOW), DONE)
        self.assertIn(b"Watching", watch.stderr.read())

    def test_json_lines_of_one_item_on_one_channel(self):
        self.subscribed(0)
        sku = self.stocked(5)
        self.call("channel_set", "web", {"buffer": 1})
        watch = self.watch("--json", "watch", "--sku", sku, "--channel", "web", "--since", "0")
        first = json.loads(self.line(watch))
        self.assertEqual((first["channel"], first["sku"], first["available"]), ("web", sku, 4))
        self.stocked(1)
        got = self.call("receive", unique("r"), sku, "main", 1)
        self.assertEqual(json.loads(self.line(watch)),
                         {"channel": "web", "sku": sku, "available": 5, "lsn": got["lsn"]})
        watch.send_signal(signal.SIGTERM)
        self.assertEqual(reap(watch, 20 * SLOW), DONE)
        self.assertEqual(watch.stderr.read(), b"")

    def test_it_gives_up_when_its_patience_is_over(self):
        with Server() as server:
            watch = self.watch("watch", "--since", "0", "--patience", "1ms", server=server)
            with server.client() as client:
                client.call("receive", "r", "tea", "main", 1)
            self.line(watch)
            server.stop()
            self.assertEqual(reap(watch, 20 * SLOW), UNREACHABLE)
            said = watch.stderr.read()
            self.assertEqual(said.count(b"connection lost; reconnecting"), 1)
            self.assertEqual(said.count(server.unix.encode()), 3)  # watching, lost, gave up

    def test_it_goes_on_where_it_was_when_the_engine_is_back(self):
        with Server() as server:
            watch = self.watch("--json", "watch", server=server)
            with server.client() as client:
                wait_until(lambda: client.call("info", "feed")["feed"]["subscribers"] == 1, what="the subscription")
                client.call("receive", "a", "tea", "main", 1)
            self.assertEqual(json.loads(self.line(watch))["available"], 1)
            for round_number, kill in enumerate((False, True)):
                watch.send_signal(signal.SIGSTOP)  # so that it is away when the next change is made
                server.restart(kill=kill)
                with server.client() as client:
                    client.call("receive", f"b{round_number}", "tea", "main", 1)
                watch.send_signal(signal.SIGCONT)
                self.assertEqual(json.loads(self.line(watch))["available"], 2 + round_number)
            watch.send_signal(signal.SIGINT)
            self.assertEqual(reap(watch, 20 * SLOW), DONE)
            said = watch.stderr.read().decode()
            self.assertEqual((said.count("reconnecting"), said.count("reconnected")), (2, 2), said)

    def test_it_says_once_that_the_engine_is_away(self):
        with Server() as server:
            watch = self.watch("watch", server=server)
            self.assertIn("Watching", self.said(watch))
            server.stop()
            self.assertRegex(self.said(watch), r"connection lost; reconnecting, to continue from LSN \d+")
            refusals = os.path.join(server.directory, "stockd.sock")
            with socket.socket(socket.AF_UNIX) as deaf:  # takes connections, ends each of them
                if os.path.exists(refusals):
                    os.unlink(refusals)
                deaf.bind(refusals)
                deaf.listen()
                deaf.settimeout(20 * SLOW)
                for _ in range(3):
                    deaf.accept()[0].close()
            os.unlink(refusals)
            server.start()
            self.assertRegex(self.said(watch), "reconnected")
            watch.send_signal(signal.SIGTERM)
            self.assertEqual(reap(watch, 20 * SLOW), DONE)

    def test_an_item_that_does_not_exist(self):
        ghost = unique("GHOST")
        self.ctl("watch", "--sku", ghost, expect=REFUSED)
        self.assertRegex(self.err, rf"^stockctl: unknown_sku: .*{ghost}.*\nstockctl: use --wait ")
        error = self.json("watch", "--sku", ghost, expect=REFUSED)["error"]
        self.assertEqual(error["code"], "unknown_sku")
        watch = self.watch("--json", "watch", "--sku", ghost, "--wait", "--since", "0")
        self.stocked(6, sku=ghost)
        self.assertEqual(json.loads(self.line(watch))["available"], 6)
        watch.send_signal(signal.SIGINT)
        self.assertEqual(reap(watch, 20 * SLOW), DONE)


if __name__ == "__main__":
    main()
