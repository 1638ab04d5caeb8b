#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The log of the engine and of the gateway: as text, as JSON, for systemd's journal; and what both tell the
service manager."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import unittest

from gateway_case import Gateway
from stockd_harness import PATIENCE, SANITIZED, SLOW, Server, main, run_program, wait_until
from system_calls_within import CannotTrace, make_calls

JSON = ("--log-format", "json")
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def lines_of(server):
    """Each line must be an object with what every line has, in this order."""
    lines = []
    for line in server.stderr().splitlines():
        each = json.loads(line)
        if list(each)[:5] != ["time", "level", "program", "area", "message"]:
            raise AssertionError(line)
        if not re.fullmatch(TIME, each["time"]) or each["level"] not in ("error", "warning", "info"):
            raise AssertionError(line)
        lines.append(each)
    return lines


class Log(unittest.TestCase):
    def one(self, server, part):
        found = [line for line in lines_of(server) if part in line["message"]]
        self.assertEqual(len(found), 1, server.stderr())
        return found[0]

    def test_json(self):
        """A life: started, asked to read again, killed, started, stopped."""
        with tempfile.NamedTemporaryFile(prefix="stockd-tokens-") as tokens:
            with Server("--tokens", tokens.name, "--workers", "2", *JSON) as server:
                started = self.one(server, "listening on")
                self.assertEqual((started["level"], started["area"], started["workers"], started["lsn"]),
                                 ("info", "engine", 2, 0))
                self.assertEqual(started["data"], server.data)
                tokens.write(b"\xff not a line\n")
                tokens.flush()
                server.process.send_signal(signal.SIGHUP)
                wait_until(lambda: "stay as they were" in server.stderr(), what="the complaint")
                self.assertEqual(self.one(server, "stay as they were")["level"], "error")
                tokens.truncate(0)
                server.process.send_signal(signal.SIGHUP)
                wait_until(lambda: "again: 0 tokens" in server.stderr(), what="the line")
                self.assertEqual(self.one(server, "again: 0 tokens")["count"], 0)
                server.kill()
                server.start()
                unclean = self.one(server, "did not stop cleanly")
                self.assertEqual((unclean["level"], unclean["area"]), ("warning", "journal"))
                server.stop()
                stopped = self.one(server, "stopped cleanly")
                self.assertEqual((stopped["level"], stopped["lsn"]), ("info", started["lsn"] or stopped["lsn"]))

    def test_time_is_now(self):
        with Server(*JSON) as server:
            shown = lines_of(server)[0]["time"]
            now = subprocess.run(["date", "-u", "-d", shown.replace("Z", " UTC"), "+%s.%3N"], check=True,
                                 capture_output=True, text=True).stdout
            started = os.stat(server.ready_file).st_mtime
            self.assertLess(abs(float(now) - started), 60 * PATIENCE * SLOW)

    def test_config_file(self):
        with tempfile.NamedTemporaryFile("w", prefix="stockd-conf-", suffix=".conf") as config:
            config.write("log-format = json\nlog-level = warning\n")
            config.flush()
            with Server("--config", config.name) as server:
                os.chmod(server.data, 0o755)
                server.restart()
                self.assertEqual({line["level"] for line in lines_of(server)}, {"warning"})
                self.assertIn("chmod 0700 it", server.stderr())

    def test_levels(self):
        for level, expected in (("error", []), ("warning", ["warning: "]), ("info", ["", "warning: "])):
            with Server("--log-level", level) as server:
                os.chmod(server.data, 0o755)
                server.restart()
                with open(server.log, encoding="utf-8") as file:
                    found = {re.match(r"stockd: (warning: |)", line)[1] for line in file}
                self.assertEqual(sorted(found), expected)

    def test_errors_before_it_starts(self):
        """Also of options, if what comes before them says that the log is JSON."""
        for args in (("--data",), ("--nonsense",), ("--data", "/nowhere/deep/x")):
            done = run_program("stockd", *JSON, *args)
            line = json.loads(done.err)
            self.assertEqual((done.code, line["level"], line["area"]), (2, "error", "start"))
        for args in (("--log-format", "xml"), ("--log-level", "loud")):
            done = run_program("stockd", "--data", "/nowhere", *args)
            self.assertEqual(done.code, 2)
            self.assertRegex(done.err, r"^stockd: log-format must be text or json")

    def test_bad_bytes(self):
        """Nobody forges a line, nor breaks one: control characters and bad UTF-8 are escaped."""
        with tempfile.TemporaryDirectory(prefix="stockd-log-") as folder:
            name = os.fsencode(folder) + b'/a"\\\n\x1b[2J\xff\xe2\x82\xed\xa0\x80-\xc3\xa9'
            os.mkdir(name)
            os.chmod(name, 0o755)
            shown = '/a"\\\\x0a\\x1b[2J\\xff\\xe2\\x82\\xed\\xa0\\x80-é'
            with Server(*JSON, data=os.fsdecode(name)) as server:
                self.assertTrue(self.one(server, "listening")["data"].endswith(shown), server.stderr())
            with Server(data=os.fsdecode(name)) as server:
                lines = [line for line in server.stderr().splitlines() if "data directory" in line]
                self.assertIn(shown, lines[0])
                self.assertNotIn("\x1b", server.stderr())

    def test_helper(self):
        """stock-journal, which makes compactions for it, writes to the same log."""
        with Server("--segment-bytes", "65536", "--compact-bytes", "65536", *JSON) as server, \
                server.client() as client:
            def busy_until(condition):
                """Each change is a batch of its own, so a segment is soon full."""
                for _ in range(20):
                    client.call("receive", os.urandom(8).hex(), "A", "main", 1)
                return condition()

            wait_until(lambda: busy_until(lambda: client.call("info", "snapshot")["snapshot"]["compactions"]),
                       timeout=60, what="a compaction")
            done = next(line for line in lines_of(server) if line["area"] == "compaction")
            self.assertRegex(done["message"], r"^snapshot at lsn \d+, \d+ bytes")
            self.assertGreater(done["bytes"], 0)
            snapshots = os.path.join(server.data, "snapshot")

            def says_so():
                """What it finds cut off; again, as one under way may have put another one there."""
                for snapshot in os.listdir(snapshots):
                    if snapshot.endswith(".snap"):
                        with contextlib.suppress(FileNotFoundError):
                            with open(os.path.join(snapshots, snapshot), "r+b") as file:
                                file.truncate(100)
                return any(line["program"] == "stock-journal" for line in lines_of(server))

            wait_until(lambda: busy_until(says_so), timeout=60, what="a line of stock-journal")

    @unittest.skipIf(SANITIZED, "a build with sanitizers has no filter")
    def test_refused_call(self):
        """A line that a signal's handler writes."""
        with Server(*JSON) as server:
            server.refuses_calls = True
            try:
                make_calls(server.pid, [(59, 0, 0, 0)])
            except CannotTrace as error:
                self.skipTest(f"no process may be traced here: {error}")
            line = self.one(server, "refused the system call")
            self.assertEqual((line["level"], line["area"], line["number"]), ("error", "confinement", 59))
            self.assertIn("call", line)

    # ---- systemd's journal

    def test_journal(self):
        """If the journal takes standard error, lines begin with its priorities; else they do not."""
        for right in (True, False):
            with Server(start=False) as server:
                with open(server.log, "wb") as file:
                    status = os.fstat(file.fileno())
                server.env["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino + (not right)}"
                os.chmod(server.data, 0o755)
                server.start()
                server.stop()
                found = {re.match(r"(<\d>|)stockd: (warning|)", line).groups()
                         for line in server.stderr().splitlines()}
                wanted = {("<6>", ""), ("<4>", "warning")} if right else {("", ""), ("", "warning")}
                self.assertEqual(found, wanted, server.stderr())

    # ---- the gateway

    def test_gateway(self):
        with Server() as server:
            gateway = Gateway(server.unix, *JSON)
            wait_until(lambda: "serves" in gateway.stderr(), what="the line")
            self.assertEqual(self.one(gateway, "serves")["address"], gateway.address)
            gateway.stop()
            self.assertEqual(self.one(gateway, "stopped")["program"], "stock-gateway")
            gateway.close(check=False)
        done = run_program("stock-gateway", *JSON, "--threads", "x")
        self.assertEqual((done.code, json.loads(done.err)["level"]), (2, "error"))
        for args in (("--log-format", "x"), ("--log-level", "x")):
            self.assertEqual(run_program("stock-gateway", *args).code, 2)


class Manager(unittest.TestCase):
    """A fake of systemd: a socket that NOTIFY_SOCKET names."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="stockd-notify-")
        self.addCleanup(self.folder.cleanup)

    def listen(self, name):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(listener.close)
        listener.bind("\0" + name[1:] if name.startswith("@") else name)
        listener.settimeout(30 * PATIENCE * SLOW)
        return listener

    def names(self):
        return os.path.join(self.folder.name, "notify"), f"@stockd-notify-{os.getpid()}"

    def test_engine(self):
        """Under the filter of system calls; with a name in the file system, and one in none."""
        for name in self.names():
            listener = self.listen(name)
            with Server(env={"NOTIFY_SOCKET": name}) as server:
                self.assertEqual(listener.recv(4096), b"READY=1\nSTATUS=serving")
                with open(f"/proc/{server.pid}/status", encoding="ascii") as file:
                    self.assertIn(f"Seccomp:\t{0 if SANITIZED else 2}", file.read())
                listener.setblocking(False)
                with self.assertRaises(BlockingIOError):
                    listener.recv(4096)
                listener.settimeout(30 * PATIENCE * SLOW)
                server.stop()
                self.assertEqual(listener.recv(4096), b"STOPPING=1\nSTATUS=stopping")

    def test_not_for_its_helper(self):
        """What it starts does not speak for it."""
        name = self.names()[0]
        self.listen(name)
        with Server(env={"NOTIFY_SOCKET": name}) as server:
            with open(f"/proc/{server.pid}/task/{server.pid}/children", encoding="ascii") as file:
                [helper] = file.read().split()
            with open(f"/proc/{helper}/environ", "rb") as file:
                self.assertNotIn(b"NOTIFY_SOCKET", file.read())

    def test_not_ready(self):
        """One that cannot start never says that it is ready."""
        name = self.names()[0]
        listener = self.listen(name)
        done = run_program("stockd", "--data", "/nowhere/deep/x", env={**os.environ, "NOTIFY_SOCKET": name})
        self.assertEqual(done.code, 2)
        listener.setblocking(False)
        with self.assertRaises(BlockingIOError):
            listener.recv(4096)

    def test_no_manager(self):
        """A name of nothing, or a bad one, does not keep it from serving."""
        for name in ("/nowhere/notify", "relative", "@", "/" + "x" * 200, ""):
            with Server(env={"NOTIFY_SOCKET": name}) as server, server.client() as client:
                self.assertEqual(client.call("ping"), "pong")

    def test_gateway(self):
        name = self.names()[0]
        listener = self.listen(name)
        with Server() as server:
            gateway = Gateway(server.unix, env={"NOTIFY_SOCKET": name})
            self.assertEqual(listener.recv(4096), b"READY=1\nSTATUS=serving")
            gateway.stop()
            self.assertEqual(listener.recv(4096), b"STOPPING=1\nSTATUS=stopping")
            gateway.close(check=False)


if __name__ == "__main__":
    main()
