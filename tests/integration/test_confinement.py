#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The engine refuses itself the system calls that it has no use for. What it does use it is not
refused: the harness fails every test of the suite whose engine logs a refusal (H3)."""

import ctypes
import errno
import os
import re
import signal
import unittest
import urllib.request

from stockd_harness import SANITIZED, Server, StockdTestCase, main, wait_until
from system_calls_within import CannotTrace, make_calls

PROT_READ, PROT_EXEC = 1, 4
MAP_PRIVATE_ANONYMOUS = 0x22
AF_INET, AF_PACKET, SOCK_STREAM, SOCK_RAW = 2, 17, 1, 3
SIGCHLD = 17
PR_SET_DUMPABLE = 4


def number_of(name):
    library = ctypes.CDLL("libseccomp.so.2")
    return library.seccomp_syscall_resolve_name(name.encode())


def status_of(path, key):
    with open(path, encoding="ascii", errors="replace") as file:
        return re.search(rf"^{key}:\s*(\S+)", file.read(), re.M)[1]


def helper_of(pid):
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
            for child in file.read().split():
                return int(child)
    return None


def is_gone(pid):
    try:
        return status_of(f"/proc/{pid}/status", "State") in "ZX"
    except FileNotFoundError:
        return True


@unittest.skipIf(SANITIZED, "a build with sanitizers has no filter")
class Confinement(StockdTestCase):
    options = ("--workers", "2", "--http", "127.0.0.1:0")

    def within(self, *calls):
        """What system calls (name, arguments...) give that the engine makes; negative: -errno."""
        numbered = [(name if isinstance(name, int) else number_of(name), *arguments)
                    for name, *arguments in calls]
        try:
            return make_calls(self.server.pid, numbered)
        except CannotTrace as error:
            return self.skipTest(f"no process may be traced here: {error}")

    def test_forbidden(self):
        """In the engine itself: the call fails, the log has one line of it, the engine serves on."""
        self.server.refuses_calls = True
        mine = os.getpid()
        memory = (0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE_ANONYMOUS, -1, 0)
        calls = [("execve", 0, 0, 0), ("execve", 0, 0, 0), ("fork",), ("vfork",),
                 ("clone", SIGCHLD, 0, 0, 0, 0), ("ptrace", 16, mine, 0, 0),
                 ("process_vm_writev", mine, 0, 0, 0, 0, 0), ("mmap", *memory),
                 ("socket", AF_PACKET, SOCK_RAW, 0), ("socket", AF_INET, SOCK_RAW, 1),
                 ("setuid", 0), ("unshare", 0), ("mount", 0, 0, 0, 0, 0), ("bpf", 0, 0, 0),
                 ("io_uring_setup", 1, 0), ("kill", mine, 0), ("open_by_handle_at", 0, 0, 0),
                 ("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0), ("seccomp", 1, 0, 0)]
        before = self.refused_calls()
        for call, result in zip(calls, self.within(*calls)):
            self.assertEqual(result, -errno.EPERM, call)
        self.assertEqual(self.refused_calls() - before, len(calls), "each counts, though one line tells")
        log = self.server.stderr()
        for name in {call[0] for call in calls}:
            said = [line for line in log.splitlines() if f"system call {name} (" in line]
            self.assertEqual(len(said), 1, log)
            self.assertIn("of the thread stockd", said[0])
        self.assertEqual(self.call("ping"), "pong")

    def refused_calls(self):
        with urllib.request.urlopen(self.server.http + "/metrics") as answer:
            return int(re.search(rb"^stockd_system_calls_refused_total (\d+)$", answer.read(), re.M)[1])

    def test_allowed(self):
        """The same ways, so that the refusals above are the filter's and not the test's."""
        memory = (0, 4096, PROT_READ, MAP_PRIVATE_ANONYMOUS, -1, 0)
        results = self.within(("getpid",), ("mmap", *memory),
                              ("socket", AF_INET, SOCK_STREAM, 0), ("kill", self.server.pid, 0))
        self.assertEqual(results[0], self.server.pid)
        for result in results[1:]:
            self.assertTrue(result >= 0 or result < -4095, f"-errno {-result}")

    def test_unknown(self):
        """What is newer than this build fails as it would on an older kernel, and is not told of."""
        before = self.server.stderr()
        self.assertEqual(self.within((900,)), [-errno.ENOSYS])
        self.assertEqual(self.server.stderr(), before)

    def test_every_thread(self):
        tasks = os.listdir(f"/proc/{self.server.pid}/task")
        self.assertGreater(len(tasks), 4)
        for task in tasks:
            path = f"/proc/{self.server.pid}/task/{task}/status"
            self.assertEqual(status_of(path, "Seccomp"), "2")
            self.assertEqual(status_of(path, "NoNewPrivs"), "1")
            caught = int(status_of(path, "SigBlk"), 16)
            self.assertFalse(caught >> (signal.SIGSYS - 1) & 1, "a blocked SIGSYS kills")

    def test_without(self):
        with Server("--no-seccomp") as server:
            self.assertEqual(status_of(f"/proc/{server.pid}/status", "Seccomp"), "0")
            self.assertEqual(status_of(f"/proc/{server.pid}/status", "NoNewPrivs"), "1")
            self.assertIn("not filtered (--no-seccomp)", server.stderr())


class Helper(unittest.TestCase):
    """stock-journal, started before the filter, makes snapshots on request."""

    def test_ends_with_the_engine(self):
        for end in ("stop", "kill"):
            with Server() as server:
                helper = helper_of(server.pid)
                self.assertIsNotNone(helper)
                getattr(server, end)()
                wait_until(lambda: is_gone(helper), what=f"stock-journal's end after a {end}")

    def test_outlives_signals_to_all(self):
        """A terminal, or a service manager, sends them to each process."""
        with Server() as server:
            helper = helper_of(server.pid)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                os.kill(helper, number)
            with server.client() as client:
                client.call("receive", "r1", "A", "main", 1)
            self.assertFalse(is_gone(helper))

    def test_its_end_is_told(self):
        with Server() as server, server.client() as client:
            helper = helper_of(server.pid)
            os.kill(helper, signal.SIGKILL)
            wait_until(lambda: "has ended" in server.stderr(), what="the line")
            client.call("receive", "r1", "A", "main", 1)

    def test_none_is_needed(self):
        with Server("--compact-bytes", "0") as server:
            self.assertIsNone(helper_of(server.pid))


if __name__ == "__main__":
    main()
