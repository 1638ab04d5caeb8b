# SPDX-License-Identifier: Apache-2.0
"""Real etcd members, and the client of them that tests drive through pipes (tests/cluster/
etcd_driver.c).

The members live in a temporary directory, on free ports of the loopback address that stay the same
over restarts. Each is ended by its own pid.
"""

import contextlib
import itertools
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from stockd_harness import (BIN_DIR, PATIENCE, SANITIZER_REPORT, SLOW, STOP_TIMEOUT, reap, spawn,
                            wait_until)

ETCD, ETCDCTL = shutil.which("etcd"), shutil.which("etcdctl")
if not ETCD or not ETCDCTL:
    print("skipped: no etcd or no etcdctl (Debian: etcd-server, etcd-client)")
    sys.exit(77)

DRIVER = os.path.join(os.path.dirname(BIN_DIR), "tests", "cluster", "etcd_driver")
WITHIN_MS = int(30_000 * SLOW * PATIENCE)  # of a call that must be answered


def free_ports(count):
    """Below those that the kernel gives to clients, or one would take the port of a stopped member."""
    ports = set()
    while len(ports) < count:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                ports.add(port)
            except OSError:
                pass
    return list(ports)


class Member:
    def __init__(self, cluster, number, client_port, peer_port):
        self.cluster = cluster
        self.name = f"m{number}"
        self.endpoint = f"127.0.0.1:{client_port}"
        self.peer = f"http://127.0.0.1:{peer_port}"
        self.directory = os.path.join(cluster.directory, self.name)
        self.log = self.directory + ".log"
        self.process = None

    def start(self):
        url = f"{'https' if self.cluster.tls else 'http'}://{self.endpoint}"
        argv = [ETCD, "--name", self.name, "--data-dir", self.directory,
                "--listen-client-urls", url, "--advertise-client-urls", url,
                "--listen-peer-urls", self.peer, "--initial-advertise-peer-urls", self.peer,
                "--initial-cluster", ",".join(f"{m.name}={m.peer}" for m in self.cluster.members),
                "--initial-cluster-token", self.cluster.token, "--initial-cluster-state", "new",
                "--logger", "zap", *self.cluster.options]
        with open(self.log, "ab") as log:
            self.process = spawn(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def kill(self):
        self.process.kill()
        reap(self.process, STOP_TIMEOUT)

    def stop(self):
        self.process.terminate()
        reap(self.process, STOP_TIMEOUT)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)


class Cluster:
    """So many members, which have elected a leader when it returns. tls: (ca, certificate, key)."""

    def __init__(self, count=1, *options, tls=None):
        self.directory = tempfile.mkdtemp(prefix="stockd-etcd-")
        self.token = os.path.basename(self.directory)
        self.tls = tls
        self.options = [str(option) for option in options]
        if tls:
            self.options += ["--trusted-ca-file", tls[0], "--cert-file", tls[1], "--key-file", tls[2],
                             "--client-cert-auth"]
        ports = free_ports(2 * count)
        self.members = [Member(self, i, ports[2 * i], ports[2 * i + 1]) for i in range(count)]
        for member in self.members:
            member.start()

    @property
    def address(self):
        return self.address_of(self.members)

    def address_of(self, members, host=None):
        endpoints = [m.endpoint.replace("127.0.0.1", host) if host else m.endpoint for m in members]
        return f"{'etcds' if self.tls else 'etcd'}://{','.join(endpoints)}"

    def close(self):
        for member in self.members:
            if member.process and member.process.poll() is None:
                member.process.kill()
                member.process.send_signal(signal.SIGCONT)
                reap(member.process, STOP_TIMEOUT)
        shutil.rmtree(self.directory, ignore_errors=True)


class Proxy:
    """Stands before a member. While it is deaf it loses what the member says; cut() ends all its
    connections."""

    def __init__(self, endpoint):
        self.target = ("127.0.0.1", int(endpoint.rpartition(":")[2]))
        self.deaf = False
        self.peers = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                member = socket.create_connection(self.target)
                self.peers += [client, member]
                for pair in ((client, member, False), (member, client, True)):
                    self.threads.append(threading.Thread(target=self._pass, args=pair))
                    self.threads[-1].start()

    def _pass(self, here, there, is_reply):
        with contextlib.suppress(OSError):
            while data := here.recv(65_536):
                if not (is_reply and self.deaf):
                    there.sendall(data)
        self._end(here, there)

    @staticmethod
    def _end(*peers):
        for peer in peers:
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)

    def cut(self):
        self._end(*self.peers)

    def close(self):
        self._end(self.listener)
        self.threads[0].join()
        self.cut()
        for thread in self.threads[1:]:
            thread.join()
        for peer in [self.listener, *self.peers]:
            peer.close()


class Driver:
    """The client; what it is asked and what it replies are in the driver's head comment."""

    def __init__(self, address, *options):
        self.process = spawn([DRIVER, address, *map(str, options)], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.tags = itertools.count(1)
        self.replies = {}
        self.said = []
        self.come = threading.Condition()
        self.readers = [threading.Thread(target=self._read, daemon=True),
                        threading.Thread(target=self._listen, daemon=True)]
        for reader in self.readers:
            reader.start()

    def _read(self):
        for line in self.process.stdout:
            reply = json.loads(line)
            with self.come:
                self.replies[reply["tag"]] = reply
                self.come.notify_all()
        with self.come:
            self.come.notify_all()

    def _listen(self):
        for line in self.process.stderr:
            self.said.append(line.rstrip("\n"))

    def submit(self, do, within=None, **what):
        """Returns the tag of the call."""
        tag = next(self.tags)
        line = json.dumps({"do": do, "tag": tag, "within": WITHIN_MS if within is None else within,
                           **what})
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return tag

    def reply(self, tag, timeout=None):
        limit = time.monotonic() + (timeout or 2 * WITHIN_MS / 1000)
        with self.come:
            while tag not in self.replies:
                if self.process.poll() is not None or not self.come.wait(limit - time.monotonic()):
                    raise AssertionError(f"no reply to call {tag}; the client said:\n" +
                                         "\n".join(self.said[-20:]))
            return self.replies.pop(tag)

    def reply_kept(self, tag):
        """Waits until the reply has come; it can be read again."""
        reply = self.reply(tag)
        with self.come:
            self.replies[tag] = reply

    def has_said(self, what, since=0):
        """since: how many of its lines do not count."""
        return any(what in line for line in self.said[since:])

    def ask(self, do, **what):
        return self.reply(self.submit(do, **what))

    def answer(self, do, **what):
        """The reply, which must be an answer."""
        reply = self.ask(do, **what)
        assert reply.get("outcome") == "answered", f"{do} {what!r:.300} -> {reply}, {self.said[-9:]}"
        return reply

    def put(self, key, value=""):
        return self.answer("txn", then=[["put", key, value]])

    def pairs(self, key, end="", limit=0):
        """{key: (value, created, modified, version)}"""
        found = self.answer("range", key=key, end=end, limit=limit)["found"]
        return {pair[0]: tuple(pair[1:]) for pair in found["pairs"]}

    def connected(self):
        return self.ask("connected")["connected"]

    def end(self):
        """It ends by itself, once it has nothing more to read."""
        self.process.stdin.close()
        reap(self.process, STOP_TIMEOUT)
        for reader in self.readers:
            reader.join()
        self.process.stdout.close()
        self.process.stderr.close()

    def close(self):
        self.end()
        said = "\n".join(self.said)
        assert self.process.returncode == 0, f"etcd_driver ended with {self.process.returncode}:\n{said}"
        assert not SANITIZER_REPORT.search(said), said


class EtcdTestCase(unittest.TestCase):
    """What a test starts ends with it."""

    longMessage = True

    def cluster(self, count=1, *options, **kwargs):
        cluster = Cluster(count, *options, **kwargs)
        self.addCleanup(cluster.close)
        return cluster

    def client(self, address, *options):
        driver = Driver(address, *options)
        self.addCleanup(driver.close)
        return driver

    def connected(self, driver, endpoint=None):
        """Until the client is connected, to that endpoint if one is named; returns which one."""

        def there():
            now = driver.connected()
            return now if now and endpoint in (None, now) else None

        return wait_until(there, timeout=60, what=f"the client to connect; it said {driver.said[-9:]}")


def begin_term(driver, node):
    """Takes the term over, as a node does; returns the revision that its appends must compare."""
    now = driver.pairs("term").get("term")
    reply = driver.answer("txn", compare=[["term", "modified", "=", now[2] if now else 0]],
                          then=[["put", "term", node]])
    assert reply["succeeded"], reply
    return reply["revision"]


def append(driver, revision, number, value, **how):
    """Submits one batch of the log; the first is number 1. Returns the tag."""
    key, before = f"log/{number:016d}", f"log/{number - 1:016d}"
    compare = [["term", "modified", "=", revision], [key, "created", "=", 0]]
    if number > 1:
        compare.append([before, "created", "!=", 0])
    return driver.submit("txn", compare=compare, then=[["put", key, value]],
                         otherwise=[["range", key, "", 0], ["range", "term", "", 0]], **how)


def append_until_known(driver, revision, number, value, tag=None):
    """Appends again until the outcome is known (E1): True if the log has this batch with this value,
    False if it will never have it. Its comparisons let it happen once."""
    tag = append(driver, revision, number, value) if tag is None else tag
    while True:
        reply = driver.reply(tag)
        if reply["outcome"] == "answered":
            if reply["succeeded"]:
                return True
            held = reply["results"][0]["pairs"]
            if held and held[0][1] == value:
                return True
            term = reply["results"][1]["pairs"]
            if held or term[0][3] != revision:
                return False
        time.sleep(0.01)
        tag = append(driver, revision, number, value)
