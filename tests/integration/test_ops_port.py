# SPDX-License-Identifier: Apache-2.0
"""The ops port (stockd --http): health, readiness, and what /metrics counts."""

import fcntl
import os
import resource
import shutil
import socket
import subprocess
import threading
import time
import unittest

from metrics_text import fetch, read_metrics
from stockd_harness import (
    RpcError,
    Server,
    main,
    run_program,
    spawn,
    reap,
    unique,
    wait_until,
)

PROMTOOL = shutil.which("promtool")
HTTP = ("--http", "127.0.0.1:0")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class OpsPort(unittest.TestCase):
    def engine(self, *options, **more):
        server = Server(*HTTP, *options, **more)
        self.addCleanup(server.close, check=False)
        return server

    def call(self, server, *call):
        with server.client() as client:
            return client.call(*call)

    def refused(self, server, code, *call):
        with self.assertRaises(RpcError) as refusal:
            self.call(server, *call)
        self.assertEqual(refusal.exception.code, code)


class Pages(OpsPort):
    def test_pages_and_methods(self):
        server = self.engine()
        self.assertRegex(server.http, r"^http://127\.0\.0\.1:[0-9]+$")
        self.assertIn(f"metrics at {server.http}/metrics", server.stderr())
        for page, text in (("healthz", "alive\n"), ("readyz", "ready\n")):
            status, headers, got = fetch(f"{server.http}/{page}")
            self.assertEqual((status, got), (200, text))
            self.assertEqual(headers["Cache-Control"], "no-store")
            self.assertEqual(fetch(f"{server.http}/{page}", method="HEAD")[0], 200)
        status, headers, _ = fetch(f"{server.http}/metrics", method="POST")
        self.assertEqual((status, headers["Allow"]), (405, "GET, HEAD"))
        for other in ("", "metric", "metrics/", "../metrics", "x" * 4000):
            self.assertEqual(fetch(f"{server.http}/{other}")[0], 404, other)
        server.stop()
        self.assertRaises(OSError, fetch, f"{server.http}/healthz")

    def test_none_without_the_option(self):
        with Server() as server:
            self.assertIsNone(server.http)

    def test_bad_addresses(self):
        with Server() as server, socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            busy = f"127.0.0.1:{taken.getsockname()[1]}"
            for address, mention in (("nonsense", "http must be HOST:PORT"),
                                     ("unix:/tmp/x", "http must be HOST:PORT"),
                                     ("0.0.0.0:0", "does not check who asks"),
                                     ("[::]:0", "does not check who asks"),
                                     (busy, "Address already in use")):
                got = run_program("stockd", "--data", server.data + "-other", "--listen",
                                  "127.0.0.1:0", "--http", address)
                self.assertEqual((got.code, len(got.err_lines)), (2, 1), got)
                self.assertIn(mention, got.err)

    def test_clients_that_say_nothing(self):
        server = self.engine()
        host, port = server.http[len("http://"):].split(":")
        silent = [socket.create_connection((host, int(port))) for _ in range(40)]
        try:
            for one in silent[:20]:
                one.sendall(b"GET /metrics HT")
            self.assertEqual(self.call(server, "ping"), "pong")
        finally:
            for one in silent:
                one.close()
        wait_until(lambda: self.answers(server), timeout=60, what="the port to answer again")

    def test_clients_that_say_nothing_keep_nobody_out(self):
        server = self.engine()
        for page in ("healthz", "readyz", "metrics"):
            wait_until(lambda page=page: self.answers_beside_silence(server, page), timeout=60,
                       what="an answer while others say nothing")

    def answers_beside_silence(self, server, page):
        """Whether it is answered before the time of the others is over. They are more than there may
        be, so the first of them must leave."""
        host, port = server.http[len("http://"):].split(":")
        silent = [socket.create_connection((host, int(port))) for _ in range(20)]
        try:
            self.assertEqual(fetch(f"{server.http}/{page}")[0], 200)
            return all(self.is_open(one) for one in silent[8:])
        finally:
            for one in silent:
                one.close()

    def is_open(self, sock):
        sock.setblocking(False)
        try:
            return sock.recv(1) != b""
        except BlockingIOError:
            return True
        except ConnectionError:
            return False

    def answers(self, server):
        try:
            return fetch(f"{server.http}/healthz")[0] == 200
        except OSError:
            return False


class Readiness(OpsPort):
    def test_while_the_journal_is_replayed(self):
        """The next start waits for the lock of the last segment before it reads anything."""
        port = free_port()
        server = self.engine()
        self.call(server, "receive", "r", "TEA", "main", 5)
        server.stop()
        folder = os.path.join(server.data, "journal")
        segment = os.path.join(folder, max(n for n in os.listdir(folder) if n.endswith(".seg")))
        address = f"http://127.0.0.1:{port}"
        with open(segment, "rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            starting = threading.Thread(target=server.start, args=("--http", f"127.0.0.1:{port}"))
            starting.start()
            try:
                wait_until(lambda: self.status(address, "healthz") == 200, timeout=60)
                self.assertEqual(self.status(address, "readyz"), 503)
                self.assertIn("replayed", fetch(f"{address}/readyz")[2])
                metrics = read_metrics(address)
                self.assertEqual(metrics.get("stockd_serving"), 0)
                self.assertIsNone(metrics.get("stockd_durable_lsn"))
            finally:
                fcntl.flock(held, fcntl.LOCK_UN)
                starting.join()
        self.assertEqual(self.status(address, "readyz"), 200)
        self.assertEqual(read_metrics(address).get("stockd_serving"), 1)

    @staticmethod
    def status(address, page):
        try:
            return fetch(f"{address}/{page}")[0]
        except OSError:
            return None

    def test_a_journal_that_cannot_be_written(self):
        server = self.engine()
        with server.client() as client:
            client.call("receive", "a", "TEA", "main", 1)
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (4096, 4096))
            with self.assertRaises(RpcError) as refused:
                for number in range(200000):
                    client.call("receive", f"b{number}", "TEA", "main", 1)
            self.assertEqual(refused.exception.code, "read_only")
            with self.assertRaises(RpcError):
                client.call("receive", "c", "TEA", "main", 1)
        status, _, text = fetch(f"{server.http}/readyz")
        self.assertEqual(status, 503)
        self.assertRegex(text, "^read_only: .+\n$")
        self.assertEqual(fetch(f"{server.http}/healthz")[0], 200)
        metrics = read_metrics(server.http)
        self.assertEqual(metrics.get("stockd_read_only"), 1)
        self.assertGreaterEqual(
            metrics.get("stockd_requests_total", method="receive", code="read_only"), 1)
        server.stop(expect=None)


class Numbers(OpsPort):
    def test_both_formats_have_the_same_samples(self):
        server = self.engine()
        self.call(server, "receive", "r", "TEA", "main", 5)
        plain, open_metrics = read_metrics(server.http), read_metrics(server.http, True)
        self.assertEqual(set(plain.samples), set(open_metrics.samples))
        self.assertEqual({name.removesuffix("_total") for name in plain.types},
                         set(open_metrics.types))
        self.assertEqual([name for name in plain.names if not name.startswith("stockd_")], [])

    def test_promtool_finds_nothing_wrong(self):
        if not PROMTOOL:
            self.skipTest("no promtool (Debian: prometheus)")
        server = self.engine()
        _, _, text = fetch(f"{server.http}/metrics")
        process = spawn([PROMTOOL, "check", "metrics"], stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said, _ = process.communicate(text, timeout=60)
        self.assertEqual((reap(process, 1), said), (0, ""))

    def test_requests_and_latencies(self):
        server = self.engine()
        with server.client() as client:
            for number in range(20):
                received = client.call("receive", f"r{number}", "TEA", "main", 5)["lsn"]
                client.call("availability", "default", ["TEA"])
            for number in range(3):
                with self.assertRaises(RpcError):
                    client.call("reserve", f"o{number}", "default", [["TEA", 1000]])
            with self.assertRaises(RpcError):
                client.call("nonsense")
            connections = read_metrics(server.http).get("stockd_connections")
        m = read_metrics(server.http)
        self.assertEqual(connections, 1)
        self.assertEqual(m.get("stockd_requests_total", method="receive", code="ok"), 20)
        self.assertEqual(m.get("stockd_requests_total", method="availability", code="ok"), 20)
        self.assertEqual(m.get("stockd_requests_total", method="reserve", code="ok"), 0)
        self.assertEqual(
            m.get("stockd_requests_total", method="reserve", code="insufficient_stock"), 3)
        self.assertEqual(m.get("stockd_bad_messages_total"), 1)
        self.assertEqual(m.get("stockd_request_seconds_count", kind="read"), 20)
        self.assertEqual(m.get("stockd_request_seconds_count", kind="change"), 23)
        self.assertEqual(m.get("stockd_request_seconds_bucket", kind="change", le="+Inf"), 23)
        for kind in ("read", "change"):
            self.assertGreater(m.get("stockd_request_seconds_sum", kind=kind), 0)
        buckets = [v for k, v in m.all("stockd_request_seconds_bucket").items()
                   if ("kind", "change") in k]
        self.assertEqual(buckets, sorted(buckets))
        self.assertGreaterEqual(m.get("stockd_journal_write_seconds_count"), 20)
        self.assertGreaterEqual(m.get("stockd_durable_lsn"), received)
        self.assertGreaterEqual(m.get("stockd_acknowledged_lsn"), received)
        self.assertGreaterEqual(m.get("stockd_claimed_lsn"), received)
        info = self.call(server, "info", "server")["server"]
        self.assertEqual((info["requests"], info["refusals"]), (43, 3))

    def test_pipelined_requests_are_all_counted(self):
        server = self.engine("--workers", "2")
        threads = [threading.Thread(target=self.pipeline, args=(server, number))
                   for number in range(4)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            read_metrics(server.http)  # beside the load
        for thread in threads:
            thread.join()
        m = read_metrics(server.http)
        self.assertEqual(m.get("stockd_requests_total", method="receive", code="ok"), 2000)
        self.assertEqual(m.get("stockd_request_seconds_count", kind="change"), 2000)
        self.assertEqual(m.get("stockd_request_seconds_count", kind="read"), 2000)

    @staticmethod
    def pipeline(server, number):
        with server.client() as client:
            for sent in range(500):
                client.send("receive", f"p{number}-{sent}", f"SKU-{sent % 7}", "main", 1)
                client.send("availability", "default", ["SKU-1"])
            for _ in range(1000):
                error = client.receive()[0]
                assert error is None, error

    def test_units_by_channel(self):
        server = self.engine()
        self.call(server, "channel_set", "web", {})
        self.call(server, "channel_set", "pos", {})
        self.call(server, "receive", "r", "TEA", "main", 10)
        self.call(server, "reserve", "o1", "web", [["TEA", 3]], {"confirm": True})
        self.call(server, "fulfil", "o1")
        self.refused(server, "insufficient_stock", "reserve", "o2", "web", [["TEA", 9]])
        self.call(server, "sold", "t1", "pos", "main", [["TEA", 2]])
        self.call(server, "return", "b1", "TEA", "main", 1, {"reservation": "o1"})
        self.call(server, "return", "b2", "TEA", "main", 1)
        self.assert_units(read_metrics(server.http), sold=(3, 2), refused=(9, 0), missing=(2, 0),
                          returned=(1, 0))
        self.assertEqual(
            read_metrics(server.http).get("stockd_units_returned_total", channel="(none)"), 1)
        server.restart(kill=True)  # counters begin anew, as those of requests do
        self.assert_units(read_metrics(server.http), sold=(0, 0), refused=(0, 0), missing=(0, 0),
                          returned=(0, 0))
        self.call(server, "sold", "t2", "pos", "main", [["TEA", 4]])
        self.assert_units(read_metrics(server.http), sold=(0, 4), refused=(0, 0), missing=(0, 0),
                          returned=(0, 0))

    def assert_units(self, metrics, **wanted):
        got = {what: tuple(metrics.get(f"stockd_units_{what}_total", channel=channel)
                           for channel in ("web", "pos")) for what in wanted}
        self.assertEqual(got, wanted)

    def test_items_that_sold_out_and_events(self):
        server = self.engine()
        self.call(server, "item_set", "LOW", {"low_stock": 3})
        for sku in ("A", "B", "LOW"):
            self.call(server, "receive", f"r-{sku}", sku, "main", 5)
        wait_until(lambda: self.levels(server) == (0, 0, 0), timeout=60)
        self.call(server, "adjust", "a1", "A", "main", -5)
        self.call(server, "adjust", "a2", "LOW", "main", -3)
        wait_until(lambda: self.levels(server) == (1, 1, 1), timeout=60, what="the crossings")
        self.call(server, "receive", "again", "A", "main", 5)
        wait_until(lambda: self.levels(server) == (0, 1, 1), timeout=60, what="the crossing back")
        server.restart()  # levels are remembered, what was counted is not
        self.assertEqual(self.levels(server), (0, 1, 0))

    @staticmethod
    def levels(server):
        m = read_metrics(server.http)
        return (m.get("stockd_items_sold_out", channel="default"),
                m.get("stockd_items_low", channel="default"),
                m.get("stockd_events_total", type="sold_out"))

    def test_what_a_survey_finds(self):
        server = self.engine()
        self.call(server, "receive", "r", "TEA", "main", 10)
        self.call(server, "reserve", "o1", "default", [["TEA", 6]], {"ttl_ms": 3600000})
        self.call(server, "reserve", "o2", "default", [["TEA", 1]], {"confirm": True})
        self.call(server, "count", "c", "TEA", "main", 4)
        soon = int(time.time() * 1000) + 2000
        self.call(server, "expect", "po", "main", [["TEA", 8]], {"eta_ms": soon})
        wait_until(lambda: self.call(server, "supplies", {"late": True})["supplies"], timeout=60,
                   what="the supply to be late")
        m = read_metrics(server.http)
        self.assertEqual((m.get("stockd_holds"), m.get("stockd_holds_units")), (1, 6))
        self.assertEqual((m.get("stockd_short_units"), m.get("stockd_short_pools")), (3, 1))
        self.assertEqual((m.get("stockd_late_units"), m.get("stockd_late_lines")), (8, 1))
        self.assertIsNotNone(m.get("stockd_late_most_seconds"))
        self.assertEqual([m.get("stockd_parts", location="main", step=step)
                          for step in ("open", "ready", "not_collected")], [1, 0, 0])

    def test_many_places_have_few_labels(self):
        server = self.engine()
        places = [f"s{number:03}" for number in range(600)]
        with server.client() as client:
            client.pipeline([("location_set", place, {}) for place in places])
            client.pipeline([("receive", f"r-{place}", "TEA", place, 1) for place in places])
            client.pipeline([("reserve", f"o-{place}", "default", [["TEA", 1, place]],
                              {"confirm": True}) for place in places])
            client.call("ready", "o-s599", "s599")
        parts = read_metrics(server.http).all("stockd_parts")
        self.assertEqual(len(parts), 502 * 3)  # and "(none)"
        self.assertEqual(parts[(("location", "(others)"), ("step", "open"))], 99)
        self.assertEqual(parts[(("location", "(others)"), ("step", "ready"))], 1)

    def test_tables_disk_and_limits(self):
        server = self.engine("--items", 50, "--pools", 60, "--reservations", 70)
        for number in range(10):
            self.call(server, "receive", f"r{number}", f"SKU-{number}", "main", 1)
        m = read_metrics(server.http)
        got = {table: (m.get("stockd_table_used", table=table),
                       m.get("stockd_table_size", table=table)) for table in ("items", "pools")}
        self.assertEqual(got, {"items": (10, 50), "pools": (10, 60)})
        self.assertGreaterEqual(m.get("stockd_table_used", table="ids"), 10)
        disk = os.statvfs(server.data)
        self.assertEqual(m.get("stockd_disk_size_bytes"), disk.f_blocks * disk.f_frsize)
        self.assertEqual(m.get("stockd_mirror_lag_seconds"), 0)

    def test_many_channels_have_few_labels(self):
        server = self.engine()
        with server.client() as client:
            for number in range(150):
                client.send("channel_set", f"c{number}", {})
            for _ in range(150):
                self.assertIsNone(client.receive()[0])
            client.call("receive", "r", "TEA", "main", 100)
            for number in range(3):
                client.call("sold", f"t{number}", f"c{149 - number}", "main", [["TEA", 2]])
        sold = read_metrics(server.http).all("stockd_units_sold_total")
        self.assertEqual(len(sold), 101)  # 100 channels, and the others
        self.assertEqual(sold[(("channel", "(others)"),)], 6)

    def test_checks(self):
        server = self.engine()
        self.assertEqual(read_metrics(server.http).get("stockd_checks_total"), 0)
        self.call(server, "check")
        m = read_metrics(server.http)
        self.assertEqual((m.get("stockd_checks_total"), m.get("stockd_check_broken")), (1, 0))
        self.assertGreater(m.get("stockd_check_timestamp_seconds"), 10**9)


if __name__ == "__main__":
    main()
