#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tokens and passwords stay nowhere in the engine's memory, so they are in no core; with secrets it
leaves no core at all; and its files are for its own user."""

import os
import resource
import signal
import socket
import stat
import unittest

import tls_case
from redis_case import Redis
from stockd_harness import (SANITIZED, Server, StockdTestCase, main, reap, request,
                            run_program, unique, wait_until)
from token_case import ALL, TokenServer

# Little address space, so that all of it can be read.
SMALL = ("--items", "100", "--pools", "100", "--reservations", "1000", "--events", "4096",
         "--reports-memory", "0", "--workers", "2")
REGION_MOST = 64 << 20


def writable_memory(pid):
    """The contents of each region that the process may write to: (its line of maps, bytes)."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb") as mem:
        for line in maps:
            bounds, rights = line.split()[:2]
            first, last = (int(number, 16) for number in bounds.split("-"))
            if "w" not in rights or last - first > REGION_MOST:
                continue
            mem.seek(first)
            try:
                yield line, mem.read(last - first)
            except OSError:  # the kernel's
                continue


def places_of(secret, pid):
    secret = secret.encode()
    return [line for line, content in writable_memory(pid) if secret in content]


def readable(pid):
    try:
        with open(f"/proc/{pid}/mem", "rb"):
            return True
    except PermissionError:
        return False


@unittest.skipIf(SANITIZED, "what is freed stays in a sanitizer's quarantine")
class Memory(StockdTestCase):
    def assert_nowhere(self, server, *secrets):
        if not readable(server.pid):
            self.skipTest("no other process's memory may be read here")
        for secret in secrets:
            self.assertEqual(places_of(secret, server.pid), [])

    def tokens(self, *options):
        server = TokenServer({"web": ALL, "other": ALL}, *SMALL, *options)
        self.addCleanup(server.close, check=False)
        return server

    def test_the_look_finds_what_is_there(self):
        """Or the tests below prove nothing."""
        if not readable(self.server.pid):
            self.skipTest("no other process's memory may be read here")
        name = unique("a-name-that-is-kept")
        with self.server.client() as client:
            client.call("location_set", "kept", {"name": name})
            self.assertNotEqual(places_of(name, self.server.pid), [])

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*SMALL)

    def test_hello(self):
        server = self.tokens()
        web, other = server.secrets["web"], server.secrets["other"]
        wrong = "w" + "rong" * 10
        for kind in ("tcp", "unix"):
            with server.known("web", kind=kind) as client:
                client.call("hello", "me", {"token": other})
                client.call("receive", unique("r"), "A", "main", 1)
            with server.client(kind) as client:
                with self.assertRaises(Exception):
                    client.call("hello", "me", {"token": wrong})
                with self.assertRaises(Exception):
                    client.call("hello", {"token": wrong}, "me")
        self.assert_nowhere(server, web, other, wrong)

    def test_in_pieces(self):
        """An incomplete hello waits in memory of its own, which grows and is moved."""
        server = self.tokens()
        web = server.secrets["web"]
        hello = request(1, "hello", "n" * 100, {"token": web})
        host, _, port = server.tcp.rpartition(":")
        for step in (1, 7, 40, len(hello) - 1):
            with socket.create_connection((host, int(port))) as peer:
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for at in range(0, len(hello), step):
                    peer.sendall(hello[at:at + step])
                self.assertNotEqual(peer.recv(4096), b"")
        with socket.create_connection((host, int(port))) as peer:  # it gives up in the middle
            peer.sendall(hello[:-1])
        with server.known("other") as client:
            wait_until(lambda: client.call("info", "server")["server"]["connections"] == 1,
                       what="the others' end")
        self.assert_nowhere(server, web)

    def test_pipelined(self):
        """Behind it other requests, which wait."""
        server = self.tokens()
        with server.client() as client:
            client.pipeline([("hello", "me", {"token": server.secrets["web"]})] +
                            [("receive", unique("r"), "A", "main", 1) for _ in range(200)])
            self.assert_nowhere(server, server.secrets["web"])

    def test_no_core_with_tokens(self):
        for options, expected in (((), False), (("--core-dumps",), True)):
            self.assert_core(expected, *options)

    def assert_core(self, expected, *options):
        _, hard = resource.getrlimit(resource.RLIMIT_CORE)
        with open("/proc/sys/kernel/core_pattern", encoding="ascii") as file:
            pattern = file.read().strip()
        if hard == 0 or pattern.startswith(("|", "/")):
            self.skipTest(f"cores do not go to the working directory here ({pattern})")

        def allow_cores():
            resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))

        server = TokenServer({"web": ALL}, *SMALL, *options, start=False, preexec_fn=allow_cores)
        self.addCleanup(server.close, check=False)
        server.popen["cwd"] = server.folder
        server.start()
        with server.known("web") as client:
            client.call("receive", unique("r"), "A", "main", 1)
        server.process.send_signal(signal.SIGABRT)
        reap(server.process, 60)
        cores = [name for name in os.listdir(server.folder) if name.startswith("core")]
        self.assertEqual(bool(cores), expected, cores)
        for name in cores:
            with open(os.path.join(server.folder, name), "rb") as file:
                self.assertNotIn(server.secrets["web"].encode(), file.read())


@unittest.skipIf(SANITIZED, "what is freed stays in a sanitizer's quarantine")
class Encrypted(tls_case.TlsCase):
    @classmethod
    def server_options(cls):
        file = os.path.join(cls.folder, "tokens")
        cls.token = run_program("stockctl", "token", "add", "web", "--can", "*", "--tokens",
                                file).out.strip()
        return (*SMALL, "--tokens", file)

    def test_hello(self):
        if not readable(self.server.pid):
            self.skipTest("no other process's memory may be read here")
        wrong = "w" + "rong" * 10
        with self.server.client("tls", tls=self.context()) as client:
            with self.assertRaises(Exception):
                client.call("hello", "me", {"token": wrong})
            client.call("hello", "me", {"token": self.token})
            self.assertEqual(places_of(self.token, self.server.pid), [])
        self.assertEqual(places_of(wrong, self.server.pid), [])


@unittest.skipIf(SANITIZED, "what is freed stays in a sanitizer's quarantine")
class Password(unittest.TestCase):
    def test_of_redis(self):
        password = "pass" * 6 + unique("-")
        redis = Redis(password=password)
        self.addCleanup(redis.close)
        path = os.path.join(redis.directory, "password")
        with open(path, "w", encoding="ascii") as file:
            file.write(password + "\n")
        with Server(*SMALL, "--redis", f"127.0.0.1:{redis.port}", "--redis-password-file",
                    path) as server, server.client() as client:
            if not readable(server.pid):
                self.skipTest("no other process's memory may be read here")
            wait_until(lambda: client.call("info", "mirror")["mirror"]["state"] == "live",
                       what="the mirror")
            self.assertEqual(places_of(password, server.pid), [])
            self.assertNotIn(password, server.stderr() + repr(client.call("info")))


class Files(unittest.TestCase):
    WARNING = "warning: other users of this machine may"

    def test_are_the_owners(self):
        with Server(start=False) as server:
            os.rmdir(server.data)
            server.popen["umask"] = 0
            server.start()
            for folder in (server.data, *(entry.path for entry in os.scandir(server.data))):
                if os.path.isdir(folder):
                    self.assertEqual(stat.S_IMODE(os.stat(folder).st_mode), 0o700, folder)
            self.assertNotIn(self.WARNING, server.stderr())

    def test_a_wider_directory_is_told_of(self):
        for mode, told in ((0o750, ""), (0o755, "may enter"), (0o770, "may write to"),
                           (0o702, "may write to")):
            with Server(start=False) as server:
                os.chmod(server.data, mode)
                server.start()
                log = server.stderr()
                self.assertEqual(self.WARNING in log, bool(told), log)
                self.assertIn(told, log)


if __name__ == "__main__":
    main()
