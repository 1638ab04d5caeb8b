# SPDX-License-Identifier: Apache-2.0
"""Each workload of the load generator for a moment against a real server: no error, units that add
up, and counts that the server has counted as well."""

import csv
import io
import json
import os
import selectors
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from stockd_harness import (BIN_DIR, CALL_TIMEOUT, StockdTestCase, main, reap, run_program, spawn,
                            wait_until)

SHORT = ("--seconds", "0.2", "--warmup", "0.1", "--items", "300", "--connections", "4",
         "--window", "16")
STEPS = {
    "reserve-cancel": ("reserve", "cancel"),
    "hot": ("reserve", "cancel"),
    "zipf": ("reserve", "cancel"),
    "multi-line": ("reserve", "cancel"),
    "order": ("reserve", "confirm", "fulfil"),
    "hold": ("reserve",),
    "mixed": ("reserve", "cancel"),
}


class Stockbench(StockdTestCase):
    # What is measured depends on the machine's mood, what is done does not: windows are always
    # drained. So figures are not looked at here, and no disk is waited for.
    options = ("--durability", "none")

    def bench(self, *args, code=0, bench_format="--json"):
        done = run_program("stockbench", "-s", self.server.tcp, bench_format, *args, timeout=60)
        self.assertEqual(done.code, code, done.err)
        return json.loads(done.out) if bench_format == "--json" else done.out

    def load(self, workload, *args):
        """Runs it with --check: no error, and units add up."""
        result = self.bench("--workload", workload, "--check", *SHORT, *args)
        self.assertEqual(result["errors"], 0, result["error_codes"])
        self.assertTrue(result["units_add_up"], result["runs"])
        self.assertGreater(sum(result["runs"][0]["done"].values()), 0)
        return result

    def counted(self, name):
        """A counter of the server's."""
        def search(tree):
            for key, value in tree.items():
                if key == name and isinstance(value, int):
                    return value
                found = search(value) if isinstance(value, dict) else None
                if found is not None:
                    return found
            return None
        return search(self.call("info"))

    def test_scripts_are_done_whole(self):
        for workload, steps in STEPS.items():
            with self.subTest(workload):
                done = self.load(workload)["runs"][0]["done"]
                for step in steps:
                    self.assertEqual(done[step], done["reserve"], done)

    def test_the_server_has_counted_the_same(self):
        before = self.counted("reserves")
        done = self.load("order")["runs"][0]["done"]
        self.assertEqual(self.counted("reserves") - before, done["reserve"])

    def test_availability(self):
        for workload in ("availability", "availability-100"):
            done = self.load(workload)["runs"][0]["done"]
            self.assertEqual(list(done), ["availability"])

    def test_mixed_is_mostly_reads(self):
        done = self.load("mixed", "--seed", "5")["runs"][0]["done"]
        share = done["availability"] / sum(done.values())
        if sum(done.values()) > 2000:
            self.assertAlmostEqual(share, 0.95, delta=0.03)

    def test_flash_sale_sells_all_and_not_one_more(self):
        result = self.load("flash-sale", "--units", "2", "--runs", "2", "--seconds", "1")
        for run in result["runs"]:
            done = run["done"]
            self.assertLessEqual(done["reserve"], 200)
            self.assertEqual(done["fulfil"], done["reserve"])
            self.assertEqual(run["denied"].get("reserve", 0), run["refused"])
            if done["reserve"] + run["refused"] > 20000:  # every item was asked for long ago
                self.assertEqual(done["reserve"], 200)
        self.assertLessEqual(set(result["error_codes"]), {"insufficient_stock"})

    def test_open_loop_sends_what_was_offered(self):
        result = self.load("order", "--rate", "2000", "--seconds", "0.5", "--warmup", "0")
        sent = result["runs"][0]["done"]
        self.assertEqual(result["rate"], 2000)
        # 1,000 are due in half a second; a slow machine sends more in more time.
        self.assertGreaterEqual(sum(sent.values()) + result["unsent"], 1000)

    def test_no_stall_hides_in_open_loop(self):
        """While the server stands still requests go on to be due: half of all have waited long. A
        generator that asks only when it was answered would have had one slow reply."""
        before = self.counted("reserves")
        bench = spawn([os.path.join(BIN_DIR, "stockbench"), "-s", self.server.tcp, "--rate", "500",
                       "--seconds", "3", "--warmup", "0", "--items", "300", "--connections", "1",
                       "--window", "1",
                       "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: self.counted("reserves") > before, what="the load")
        os.kill(self.server.pid, signal.SIGSTOP)
        try:
            time.sleep(1.5)
        finally:
            os.kill(self.server.pid, signal.SIGCONT)
        out, err = bench.communicate(timeout=CALL_TIMEOUT)
        self.assertEqual(reap(bench, 10), 0, err)
        self.assertGreater(json.loads(out)["latency_us"]["p90"], 100_000)

    def test_places(self):
        self.load("reserve-cancel", "--places", "3", "--items", "20")
        stock = self.call("stock", "P0030000001")
        self.assertEqual(len([p for p in stock["pools"] if p["on_hand"] > 0]), 3)

    def test_locate(self):
        """Places of a network with all that a place can have, and baskets that are found there."""
        before = self.counted("queries")
        done = self.load("locate", "--places", "12", "--items", "20")["runs"][0]["done"]
        self.assertEqual(list(done), ["locate"])
        self.assertGreaterEqual(self.counted("queries") - before, done["locate"])
        places = [place for place in self.call("locations")["locations"]
                  if place["code"].startswith("N")]
        self.assertEqual(len(places), 12)
        self.assertEqual(len({(place["lat"], place["lon"]) for place in places}), 12)
        self.assertTrue(all(place["calendar"] for place in places))
        options = self.call("locate", "network", [["N0120000000", 1], ["N0120000019", 1]],
                            {"lat": 48.9, "lon": 2.3, "limit": 100})["options"]
        self.assertEqual(len(options), 12)
        self.assertTrue(all(option["complete"] for option in options))
        lsn = self.quiet()
        self.load("locate", "--places", "12", "--items", "20")  # makes nothing anew
        self.assertEqual(self.call("info")["lsn"], lsn)

    def test_transfer(self):
        """Transfers and their arrivals among orders; no unit is lost on the way."""
        result = self.load("transfer", "--places", "5", "--items", "20")
        done = result["runs"][0]["done"]
        self.assertEqual(set(done), {"transfer", "reserve", "cancel", "arrive"})
        self.assertEqual(done["transfer"], done["arrive"])
        supplies = self.call("supplies", {"state": "in_transit"})
        self.assertEqual(supplies["supplies"], [])
        arrived = self.call("supplies", {"state": "arrived", "limit": 1000})["supplies"]
        self.assertGreater(len({(s["from"], s["location"]) for s in arrived}), 1)
        channel = next(c for c in self.call("channels")["channels"] if c["code"] == "network")
        self.assertEqual(channel["promise"], "incoming")
        bad = run_program("stockbench", "-s", self.server.tcp, "-w", "transfer", "--places", "1")
        self.assertIn("--places must be 2 or more for 'transfer'", bad.err)

    def test_connect(self):
        result = self.bench("--workload", "connect", *SHORT)
        self.assertEqual(result["errors"], 0)
        self.assertEqual(self.call("ping"), "pong")

    def test_idle_connections_stay(self):
        self.load("availability", "--idle", "50")

    def test_runs_and_csv(self):
        rows = list(csv.DictReader(io.StringIO(
            self.bench("--workload", "hot", *SHORT, "--runs", "3", bench_format="--csv"))))
        self.assertEqual([row["run"] for row in rows], ["1", "2", "3", "median"])
        rates = sorted(float(row["messages_per_s"]) for row in rows[:3])
        self.assertEqual(float(rows[3]["messages_per_s"]), rates[1])

    def test_an_error_is_counted_by_its_code(self):
        result = self.bench("--workload", "hot", "--no-setup", *SHORT, "--places", "2", code=1)
        self.assertEqual(set(result["error_codes"]), {"unknown_sku", "unknown_reservation"})
        self.assertEqual(result["errors"], sum(result["error_codes"].values()))

    def test_bad_usage(self):
        for args in (("--workload", "nonsense"), ("--workload", "replay"), ("--speed", "2"),
                     ("--rate", "0"), ("--workload", "echo", "--check"), ("--runs", "0"),
                     ("--seconds", "0")):
            done = run_program("stockbench", *args)
            self.assertEqual(done.code, 2, args)
            self.assertEqual(len(done.err_lines), 1, done.err)


class Replay(StockdTestCase):
    def replay(self, rows, *args, code=0):
        with tempfile.NamedTemporaryFile("w", suffix=".csv", delete=False) as file:
            file.write("\n".join(rows) + "\n")
        self.addCleanup(os.unlink, file.name)
        done = run_program("stockbench", "-s", self.server.tcp, "--workload", "replay", "--orders",
                           file.name, "--check", "--json", *args, timeout=60)
        self.assertEqual(done.code, code, done.err)
        return json.loads(done.out) if done.out else done.err

    def test_orders_refusals_and_returns(self):
        self.call("receive", "r1", "MUG", "main", 10)
        self.call("receive", "r2", "PEN", "main", 10)
        result = self.replay(["order_id,channel,sku,qty", "1,default,MUG,2", "1,default,PEN,3",
                              "2,default,MUG,99", "3,default,MUG,-1", "3,default,PEN,-2"])
        self.assertEqual(result["messages"], 3)
        self.assertEqual(result["runs"][0]["done"],
                         {"reserve": 1, "confirm": 1, "fulfil": 1, "return": 2})
        self.assertEqual(result["refused"], 1)
        self.assertTrue(result["units_add_up"])
        self.assertEqual(self.figures("MUG"), (9, 0, 9))
        self.assertEqual(self.figures("PEN"), (9, 0, 9))

    def test_times_are_kept(self):
        self.call("receive", "r3", "CUP", "main", 10)
        result = self.replay(["order_id,channel,sku,qty,time", "1,default,CUP,1,2020-01-01 00:00:00",
                              "2,default,CUP,1,2020-01-01 00:00:30"], "--speed", "60")
        self.assertGreaterEqual(result["seconds"], 0.5)
        self.assertEqual(result["runs"][0]["done"]["fulfil"], 2)

    def test_a_bad_row_is_named(self):
        error = self.replay(["order_id,channel,sku,qty", "1,default,MUG,two"], code=2)
        self.assertIn("row 2", error)
        self.assertIn("qty", error)


class Echo(unittest.TestCase):
    """The ceilings of `make bench` answer each message, however it is cut."""

    def run_against(self, server_options, *args):
        echo = spawn([os.path.join(BIN_DIR, "bench-echo_server"), *server_options],
                     stdout=subprocess.PIPE, text=True)
        try:
            address = echo.stdout.readline().strip()
            done = run_program("stockbench", "-s", address, "--json", *SHORT, *args, timeout=60)
        finally:
            echo.kill()
            reap(echo, 10)
            echo.stdout.close()
        self.assertEqual(done.code, 0, done.err)
        counts = json.loads(done.out)["runs"][0]["done"]
        self.assertGreater(sum(counts.values()), 0)
        return counts

    def test_bare(self):
        counts = self.run_against(["--request-bytes", "31", "--response-bytes", "77"],
                                  "--workload", "echo", "--request-bytes", "31",
                                  "--response-bytes", "77")
        self.assertEqual(list(counts), ["echo"])

    def test_answering(self):
        counts = self.run_against(["--answer", "--response-bytes", "59"], "--no-setup",
                                  "--workload", "order")
        self.assertEqual(counts["reserve"], counts["fulfil"])

    def test_answering_long_requests(self):
        """1,232 bytes each: a receive buffer of 32 KiB ends within one of them."""
        counts = self.run_against(["--answer"], "--no-setup", "--workload", "availability-100",
                                  "--window", "200")
        self.assertEqual(list(counts), ["availability"])


class Silent:
    """Answers the echo workload, but never one of the connections from its second request on."""

    REQUEST, RESPONSE = 56, 48

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.silent = None  # (address of the other end, the msgid that is not answered)
        self.closing = False
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def close(self):
        self.closing = True
        self.thread.join()

    def serve(self):
        selector = selectors.DefaultSelector()
        selector.register(self.listener, selectors.EVENT_READ)
        connections = {}
        while not self.closing:
            for key, _ in selector.select(timeout=0.05):
                if key.fileobj is self.listener:
                    connection, _ = self.listener.accept()
                    connections[connection] = b""
                    selector.register(connection, selectors.EVENT_READ)
                    continue
                received = key.fileobj.recv(65536)
                if received:
                    connections[key.fileobj] = self.answer(key.fileobj,
                                                           connections[key.fileobj] + received)
                else:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
                    del connections[key.fileobj]
        for connection in (*connections, self.listener):
            connection.close()
        selector.close()

    def answer(self, connection, held):
        while len(held) >= self.REQUEST:
            msgid, held = held[3:7], held[self.REQUEST:]
            peer = "%s:%d" % connection.getpeername()
            number = int.from_bytes(msgid, "big")
            if self.silent is None and number > 1 << 20:
                self.silent = (peer, number)
            if self.silent is None or self.silent[0] != peer:
                reply = b"\x94\x01\xce" + msgid
                connection.sendall(reply + bytes(self.RESPONSE - len(reply)))
        return held


class MissingReplies(unittest.TestCase):
    def test_they_are_named(self):
        """Which connection, which request, for how long, and where its bytes are."""
        server = Silent()
        try:
            done = run_program("stockbench", "-s", server.address, "--no-setup", "--workload", "echo",
                               "--seconds", "0.2", "--warmup", "0.1", "--connections", "4",
                               "--window", "1", "--json", timeout=120)
        finally:
            server.close()
        self.assertEqual(done.code, 3, done.err)
        first, second = done.err_lines
        self.assertIn("replies missing after 10 s: 1, on 1 of 4 connections to " + server.address,
                      first)
        peer, msgid = server.silent
        for said in (f"(from {peer})", f": 1 missing; the oldest, echo with msgid {msgid},",
                     "0 not sent, 0 not taken, 0 not read, 0 of a partial reply"):
            self.assertIn(said, second)


if __name__ == "__main__":
    main()
