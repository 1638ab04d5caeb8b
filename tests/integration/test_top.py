#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""stockctl top: its figures are those of what was asked; its screen keeps to the terminal, and leaves it as it was."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from stockctl_case import DONE, REFUSED, UNREACHABLE, USAGE, StockctlTestCase
from stockd_harness import BIN_DIR, PATIENCE, SLOW, RpcError, Server, main, reap, run_program, spawn, unique, wait_until

ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"


def state_of(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().split()[2]


class Terminal:
    """stockctl on a terminal, which the test sees and types at."""

    def __init__(self, *args, rows=30, columns=90):
        self.lead, self.follow = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.follow)
        self.seen = b""
        self.process = spawn([os.path.join(BIN_DIR, "stockctl"), *args], stdin=self.follow, stdout=self.follow,
                             stderr=self.follow)

    def resize(self, rows, columns):
        fcntl.ioctl(self.follow, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        while select.select([self.lead], [], [], 0.01)[0]:
            self.seen += os.read(self.lead, 65536)

    def shows(self, pattern, what=None):
        """Waits for what comes from now on."""
        def matches():
            self.read()
            return re.search(pattern, self.seen)
        found = wait_until(matches, timeout=30, what=what or f"{pattern!r}")
        self.seen = self.seen[found.end():]
        return found

    def type(self, text):
        os.write(self.lead, text)

    def ends(self):
        """Its exit status, once it has ended, and whether the terminal is as it was."""
        code = reap(self.process, 30 * SLOW * PATIENCE)
        self.read()
        restored = termios.tcgetattr(self.follow) == self.before
        os.close(self.lead)
        os.close(self.follow)
        return code, restored


class Top(StockctlTestCase):
    def lines(self, count, *args):
        return [json.loads(line) for line in self.ctl("--json", "top", "-n", str(count), "-d", "0.1",
                                                      *args).splitlines()]

    # ---- figures

    def test_first_look_is_since_the_start(self):
        """The rates times the seconds are what was asked of the engine."""
        with Server() as server, server.client() as client:
            for i in range(40):
                client.call("receive", f"r{i}", "A", "main", 1)
            client.call("reserve", "o", "default", [["A", 30]], {"ttl_ms": 600000})
            for i in range(9):
                with self.assertRaises(RpcError):
                    client.call("reserve", f"o{i}", "default", [["A", 30]])
            done = run_program("stockctl", "-s", server.tcp, "--json", "top", "-n", "1")
            line = json.loads(done.out)
            seconds = line["seconds"]
            method = line["methods"]
            self.assertAlmostEqual(method["receive"]["done_per_s"] * seconds, 40, delta=0.5)
            self.assertAlmostEqual(method["reserve"]["done_per_s"] * seconds, 1, delta=0.5)
            self.assertAlmostEqual(method["reserve"]["refused_per_s"] * seconds, 9, delta=0.5)
            self.assertAlmostEqual(line["refused"]["insufficient_stock"] * seconds, 9, delta=0.5)
            self.assertGreaterEqual(line["requests_per_s"] * seconds, 49.5)
            self.assertEqual((line["live"], line["connections"], line["mirror"]), (1, 2, "off"))
            change = line["change"]
            self.assertLess(0, change["p50_ms"])
            self.assertLessEqual(change["p50_ms"], change["p99_ms"])
            self.assertEqual(line["lsn"], client.call("info", "journal")["journal"]["log_tail"])

    def test_later_looks_are_of_the_time_between(self):
        """Nothing happens, but its own looks."""
        self.stocked()
        self.quiet()
        line = self.lines(3)[2]
        self.assertEqual(set(line["methods"]), {"info"})
        self.assertEqual((line["refused"], line["refusals_per_s"], line["change"]), ({}, 0, None))
        self.assertGreater(line["seconds"], 0)

    def test_lines(self):
        text = self.ctl("top", "-n", "21", "--delay=100ms")
        rows = text.splitlines()
        heads = [i for i, row in enumerate(rows) if row.startswith("TIME")]
        self.assertEqual((heads, len(rows)), ([0, 21], 23))
        self.assertRegex(rows[1], r"^\d\d:\d\d:\d\d +\d+\.\d +\d+\.\d .* off$")
        self.assertNotIn("\x1b", text)

    def test_options(self):
        for bad in (("-d", "0"), ("-d", "0.01"), ("-d", "x"), ("-n", "0"), ("-n", "-1"), ("-x",), ("-d",)):
            self.ctl("top", *bad, expect=USAGE)
        done = run_program("stockctl", "-s", "unix:/nowhere", "top", "-n", "1")
        self.assertEqual((done.code, done.out), (UNREACHABLE, ""))

    def test_token_without_the_right(self):
        path = self.file("")
        os.chmod(path, 0o600)
        run_program("stockctl", "token", "add", "shop", "--tokens", path)
        with Server("--tokens", path) as server:
            done = run_program("stockctl", "-s", server.tcp, "top", "-n", "1")
            self.assertEqual(done.code, REFUSED)
            self.assertIn("unauthorized", done.err)
            added = run_program("stockctl", "token", "add", "reader", "--tokens", path)
            with open(os.path.join(os.path.dirname(path), "token"), "w", encoding="ascii") as file:
                file.write(added.out)
            os.kill(server.pid, signal.SIGHUP)

            def forbidden():
                done = run_program("stockctl", "-s", server.tcp, "--token-file", file.name, "top",
                                   "-n", "1")
                self.assertEqual((done.code, done.out), (REFUSED, ""))
                return "forbidden" in done.err
            wait_until(forbidden, what="the token to be known")

    # ---- the screen

    def top(self, *args, **kwargs):
        return Terminal("-s", self.server.tcp, "top", "-d", "0.1", *args, **kwargs)

    def test_screen(self):
        sku = self.stocked(10)
        self.refused("insufficient_stock", "reserve", unique("o"), "default", [[sku, 11]])
        top = self.top()
        top.shows(re.escape(ENTER))
        for pattern in (rb"stockd \d+\.\d+\.\d+ at ", rb"requests +\d", rb"refused +insufficient_stock \d",
                        rb"clients +\d+ of 10000 connections", rb"journal +lsn \d+", rb"tables +items 0 %",
                        rb"LATENCY +P50 MS +P99 MS", rb"change +\d", rb"METHOD", rb"receive +\d"):
            top.shows(pattern)
        top.type(b"q")
        self.assertEqual(top.ends(), (DONE, True))
        self.assertTrue(top.seen.endswith(LEAVE), top.seen[-200:])

    def test_ends_clean(self):
        """On each signal that ends it, and after -n looks, the terminal is as it was."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            top = self.top()
            top.shows(b"METHOD")
            top.process.send_signal(number)
            self.assertEqual(top.ends(), (DONE, True), number)
            self.assertTrue(top.seen.endswith(LEAVE), top.seen[-200:])
        top = self.top("-n", "2")
        self.assertEqual(top.ends(), (DONE, True))
        self.assertTrue(top.seen.endswith(LEAVE), top.seen[-200:])

    def test_keys_are_not_shown(self):
        top = Terminal("-s", self.server.tcp, "top", "-d", "1000")
        top.shows(b"METHOD")
        self.assertFalse(termios.tcgetattr(top.follow)[3] & termios.ECHO)
        top.type(b" ")  # looks at once
        top.shows(b"METHOD")
        top.type(b"Q")
        self.assertEqual(top.ends(), (DONE, True))

    def test_resizes(self):
        """It keeps within the size that the terminal has, whenever that changes."""
        top = Terminal("-s", self.server.tcp, "top", "-d", "1000", rows=40, columns=120)
        top.shows(b"METHOD")
        top.resize(5, 30)
        top.process.send_signal(signal.SIGWINCH)
        screen = top.shows(rb"(?s)\x1b\[H(.*?)\x1b\[J")[1]
        lines = [re.sub(rb"\x1b\[[?0-9;]*[A-Za-z]", b"", line).decode() for line in screen.split(b"\r\n")]
        self.assertEqual(len(lines), 5)
        self.assertTrue(all(len(line) <= 30 for line in lines), lines)
        self.assertIn("…", lines[0])
        top.type(b"q")
        self.assertEqual(top.ends(), (DONE, True))

    def test_suspended(self):
        """Ctrl-Z gives the terminal back, and fg takes it again."""
        top = self.top()
        top.shows(b"METHOD")
        top.process.send_signal(signal.SIGTSTP)
        top.shows(re.escape(LEAVE))
        wait_until(lambda: state_of(top.process.pid) == "T", what="the stop")
        self.assertEqual(termios.tcgetattr(top.follow), top.before)
        top.process.send_signal(signal.SIGCONT)
        top.shows(re.escape(ENTER))
        top.shows(b"METHOD")
        top.type(b"q")
        self.assertEqual(top.ends(), (DONE, True))

    def test_engine_restarts(self):
        """It waits for the engine, and its rates are right afterwards, though counters began anew."""
        with Server() as server:
            address = server.unix
            with server.client() as client:
                for i in range(300):
                    client.call("receive", f"r{i}", "A", "main", 1)
            top = Terminal("-s", address, "top", "-d", "0.1")
            top.shows(b"METHOD")
            server.stop()
            top.shows(b"trying again; q quits")
            server.start()
            top.shows(b"METHOD")
            rate = float(top.shows(rb"info +([0-9.]+) ")[1])
            self.assertLess(rate, 1000)
            top.type(b"q")
            self.assertEqual(top.ends(), (DONE, True))

    def test_engine_restarts_without_a_terminal(self):
        with Server() as server:
            process = spawn([os.path.join(BIN_DIR, "stockctl"), "-s", server.unix, "--json", "top", "-d", "0.1"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(2):
                process.stdout.readline()
            server.restart()
            deadline = time.monotonic() + 30 * PATIENCE
            while json.loads(process.stdout.readline())["requests_per_s"] <= 0:
                self.assertLess(time.monotonic(), deadline)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate()
            self.assertEqual(process.returncode, DONE)
            self.assertLessEqual(err.count("trying again"), 2, err)


if __name__ == "__main__":
    main()
