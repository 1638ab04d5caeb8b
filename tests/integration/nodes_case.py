# SPDX-License-Identifier: Apache-2.0
"""Nodes of a cluster on a real etcd, each a process with a journal of its own and clients that never
stop (tests/cluster/node_driver.c), what befalls them, and a judge of what they told.

Between each node and etcd stand proxies that can lose what one side says, or both. So a primary that
is cut off keeps its clients: only such runs show a reply that left too early.
"""

import base64
import contextlib
import json
import os
import random
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

from etcd_case import ETCDCTL, Cluster, Proxy
from stockd_harness import (BIN_DIR, PATIENCE, SANITIZER_REPORT, SLOW, STOP_TIMEOUT, reap, spawn,
                            wait_until)

DRIVER = os.path.join(os.path.dirname(BIN_DIR), "tests", "cluster", "node_driver")
SCALE = max(1, round(min(PATIENCE, 4) * (2 if SLOW > 1 else 1)))  # of the nodes' times
NAMES = ("n1", "n2", "n3")
BATCH = struct.Struct("<7Q")  # struct plain_batch
STOPPED, REFUSED, HANDED_OVER, BEHIND, REPLACED, MISPLACED = range(6)


class Wrong(AssertionError):
    """What must never be."""


def ms(milliseconds):
    """That long on a calm machine."""
    time.sleep(milliseconds * SCALE / 1000)


class Line(Proxy):
    """A proxy to one member that is not there at times, and hears nothing while it is mute."""

    def __init__(self, endpoint):
        self.mute = False
        super().__init__(endpoint)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                try:
                    member = socket.create_connection(self.target)
                except OSError:
                    client.close()
                    continue
                self.peers += [client, member]
                for pair in ((client, member, False), (member, client, True)):
                    self.threads.append(threading.Thread(target=self._pass, args=pair, daemon=True))
                    self.threads[-1].start()

    def _pass(self, here, there, is_reply):
        with contextlib.suppress(OSError):
            while data := here.recv(65_536):
                if not (self.deaf if is_reply else self.mute):
                    there.sendall(data)
        self._end(here, there)


class Node:
    def __init__(self, trio, name):
        self.trio, self.name, self.directory = trio, name, trio.directory
        self.lines = [Line(member.endpoint) for member in trio.etcd.members]
        self.process = None
        self.readers = []

    @property
    def journal(self):
        return os.path.join(self.directory, self.name + ".journal")

    def start(self):
        endpoints = "etcd://" + ",".join(line.endpoint for line in self.lines)
        self.process = spawn([self.trio.driver, endpoints, self.directory, "--scale", str(SCALE),
                              "--seed", str(self.trio.random.randrange(1 << 30)),
                              *self.trio.options, self.name],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True)
        self.readers = [threading.Thread(target=read, args=(stream,), daemon=True) for read, stream in
                        ((self.trio.read, self.process.stdout), (self._listen, self.process.stderr))]
        for reader in self.readers:
            reader.start()

    def _listen(self, stream):
        for line in stream:
            self.trio.said.append(line.rstrip("\n"))

    def tell(self, what, *arguments):
        with contextlib.suppress(BrokenPipeError, AttributeError, ValueError):
            self.process.stdin.write(" ".join([what, self.name, *map(str, arguments)]) + "\n")
            self.process.stdin.flush()

    def _ended(self, expected):
        for reader in self.readers:
            reader.join()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        code, self.process = self.process.returncode, None
        if code not in expected:
            raise Wrong(f"{self.name} ended with {code}:\n" + "\n".join(self.trio.said[-30:]))

    def kill(self):
        self.process.kill()
        self.process.wait()
        self._ended((-9, 0))

    def stop(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        reap(self.process, STOP_TIMEOUT)
        self._ended((0,))

    def lose_disk(self):
        for end in (".journal", ".id"):
            os.remove(os.path.join(self.directory, self.name + end))

    def cut(self, mute=True, deaf=True):
        for line in self.lines:
            line.mute, line.deaf = mute, deaf

    def heal(self):
        for line in self.lines:
            line.mute = line.deaf = False
            line.cut()  # what was lost is missing in its streams


class Trio:
    """Three nodes that run. What they tell is judged as it comes, and at the end by settle()."""

    def __init__(self, members=1, driver=DRIVER, seed=None, options=()):
        self.seed = random.randrange(1 << 30) if seed is None else seed
        self.random = random.Random(self.seed)
        self.driver = driver
        self.options = [str(option) for option in options]
        self.directory = tempfile.mkdtemp(prefix="stockd-nodes-")
        self.etcd = Cluster(members, "--heartbeat-interval", 50, "--election-timeout", 500)
        self.said, self.wrong = [], []
        self.come = threading.Condition()
        self.answers = {}  # number: (checksum, when, node)
        self.answered = 0
        self.serves, self.statuses, self.replied, self.ends = [], {}, [], []
        self.hindered = []
        self.allowed = set()  # names of nodes that may end for good
        self.nodes = {name: Node(self, name) for name in NAMES}
        for node in self.nodes.values():
            node.start()

    # ---- what they tell ----

    def read(self, stream):
        for line in stream:
            when, name, what, *rest = line.split()
            with self.come:
                getattr(self, "_" + what)(int(when), name, *rest)
                self.come.notify_all()

    def _joined(self, _when, _name, _last):
        pass

    def _hindered(self, _when, name, reason):
        self.hindered.append((name, int(reason)))

    def _answered(self, when, name, number, checksum):
        number, checksum = int(number), int(checksum)
        before = self.answers.setdefault(number, (checksum, when, name))
        if before[0] != checksum:
            self.wrong.append(f"batch {number} was acknowledged by {before[2]}, another by {name}")
        self.answered += 1

    def _serves(self, when, name, term, last):
        self.serves.append((int(term), name, when, int(last)))

    def _status(self, _when, name, *pairs):
        self.statuses[name] = dict(pair.split("=", 1) for pair in pairs if "=" in pair)

    def _replied(self, _when, name, done, *why):
        self.replied.append((name, done == "1", " ".join(why)))

    def _ended(self, _when, name, reason, *why):
        self.ends.append((name, int(reason), " ".join(why)))
        if int(reason) in (REPLACED, MISPLACED) and name not in self.allowed:
            self.wrong.append(f"{name} ended: {' '.join(why)}")

    def judge(self):
        """Raises Wrong if anything that was told must not be."""
        with self.come:
            wrong = list(self.wrong)
            for term, name, when, last in self.serves:
                lacks = [n for n, (_, then, _) in self.answers.items() if n > last and then < when]
                if lacks:
                    wrong.append(f"{name} serves term {term} after batch {last}, and batch "
                                 f"{max(lacks)} had been acknowledged")
            terms = [term for term, *_ in self.serves]
            if len(terms) != len(set(terms)):
                wrong.append(f"a term was served twice: {terms}")
        if wrong:
            raise Wrong(f"seed {self.seed}: " + "; ".join(wrong[:5]) + "\n" + "\n".join(self.said[-30:]))

    # ---- waiting ----

    def wait(self, condition, what):
        def holds():
            self.judge()
            for node in self.running():
                if node.process.poll() is not None:
                    node._ended(())
            return condition()
        try:
            return wait_until(holds, timeout=60, every=0.01, what=what)
        except Wrong:
            raise
        except AssertionError as late:
            raise AssertionError(f"seed {self.seed}: {late}\n{self.statuses}\n" +
                                 "\n".join(self.said[-40:])) from None

    def progress(self, batches=20, by=None):
        """Until so many more batches are acknowledged, by that node if one is named."""
        def count():
            return sum(1 for _, _, node in self.answers.values() if by in (None, node))
        with self.come:
            target = count() + batches

        def there():
            with self.come:
                return count() >= target
        self.wait(there, f"{batches} batches to be acknowledged by {by or 'anyone'}")

    def status(self, node):
        with self.come:
            self.statuses.pop(node.name, None)
        node.tell("status")
        self.wait(lambda: node.name in self.statuses, f"the status of {node.name}")
        return self.statuses[node.name]

    def running(self):
        return [node for node in self.nodes.values() if node.process]

    def primary(self, but=None):
        """The node that serves the last term, once it is another one than `but`."""
        def found():
            with self.come:
                if not self.serves:
                    return None
                return self.nodes[max(self.serves)[1]]
        return self.wait(lambda: (node := found()) and node is not but and node, "a primary")

    def standbys(self):
        primary = self.primary()
        return [node for node in self.nodes.values() if node is not primary]

    # ---- what befalls them ----

    def load(self):
        """Nothing but load: standbys see no hole, even if batches overtake each other."""
        self.progress(1000)

    def kill_primary(self):
        node = self.primary()
        node.kill()
        self.primary(but=node)
        node.start()

    def kill_standby(self):
        node = self.random.choice(self.standbys())
        node.kill()
        self.progress()
        node.start()

    def pause_primary(self):
        node = self.primary()
        node.process.send_signal(19)
        try:
            self.primary(but=node)
            self.progress(5)
        finally:
            node.process.send_signal(18)

    def partition(self, mute=True, deaf=True):
        """The primary keeps its clients, and cannot be heard by etcd, or cannot hear it."""
        node = self.primary()
        node.cut(mute, deaf)
        if mute:
            self.primary(but=node)
            self.progress(5)
        else:
            ms(300)
        node.heal()
        self.progress()

    def deaf_primary(self):
        """Its beats arrive: nobody suspects it. What is answered is lost."""
        self.partition(mute=False)

    def mute_primary(self):
        self.partition(deaf=False)

    def cut_standby(self):
        node = self.random.choice(self.standbys())
        node.cut()
        self.progress()
        node.heal()

    def contest(self, times=6):
        """Standbys suspect a primary that works."""
        for _ in range(times):
            self.suspect(self.nodes.values(), self.primary())
            self.progress(3)

    def suspect(self, nodes, primary):
        """Until it is replaced: a node forgets a suspicion when it hears of a new term."""
        done = threading.Event()

        def keep_on():
            while not done.wait(0.1):
                for node in nodes:
                    node.tell("suspect")
        thread = threading.Thread(target=keep_on, daemon=True)
        thread.start()
        try:
            return self.primary(but=primary)
        finally:
            done.set()
            thread.join()

    def hand_over(self):
        node, to = self.primary(), self.random.choice(self.standbys())
        with self.come:
            count = len(self.replied)
        node.tell("handover", to.name)
        self.wait(lambda: len(self.replied) > count, "a handover to be through")
        self.progress()

    def fall_behind(self):
        """A standby sleeps while all that it lacks is trimmed; then the primary dies."""
        node = self.random.choice(self.standbys())
        primary = self.primary()
        before = int(self.status(node)["last"])
        node.process.send_signal(19)
        try:
            self.wait(lambda: int(self.status(primary)["trimmed"]) > before + 20, "a trim")
        finally:
            node.process.send_signal(18)
        primary.kill()
        self.suspect([node], primary)
        primary.start()
        self.progress()

    def lose_disk(self):
        """One that may be lost, as the cluster says."""
        primary = self.primary()
        self.wait(lambda: self.everybody_keeps_all(), "all to keep what is trimmed")
        node = self.random.choice(self.standbys() + [primary])
        node.kill()
        node.lose_disk()
        node.start()
        self.progress()

    def everybody_keeps_all(self):
        reports = [self.status(node) for node in self.running()]
        trimmed = max(int(report["trimmed"]) for report in reports)
        return all(int(report["last"]) > trimmed and report["role"] in ("follows", "primary")
                   for report in reports)

    def kill_member(self):
        member = self.random.choice(self.etcd.members)
        member.kill()
        self.progress(10)
        member.start()
        self.progress(10)

    # ---- the end ----

    def settle(self):
        """Everything runs; then all journals must be equal and hold what was acknowledged."""
        for node in self.nodes.values():
            node.heal()
            if not node.process:
                node.start()
            node.tell("quiet", 1)

        def agree():
            reports = [self.status(node) for node in self.running()]
            first = (reports[0]["last"], reports[0]["term"])
            roles = sorted(report["role"] for report in reports)
            return (all((report["last"], report["term"]) == first for report in reports) and
                    roles == ["follows", "follows", "primary"] and first)
        last = None
        while last != (last := self.wait(agree, "all nodes to agree")):
            ms(500)
        for node in self.nodes.values():
            node.stop()
        self.judge()
        self.compare()

    def compare(self):
        journals = []
        for node in self.nodes.values():
            with open(node.journal, "rb") as file:
                journals.append(file.read())
        shortest = min(map(len, journals))
        # When they are stopped, one after the other, an empty batch of a new primary may come.
        for name, journal in zip(NAMES, journals):
            if journal[:shortest] != journals[0][:shortest]:
                raise Wrong(f"seed {self.seed}: {name}'s journal differs from n1's")
        batches = batches_of(max(journals, key=len))
        for number, (checksum, _, node) in self.answers.items():
            if batches.get(number, (None,))[0] != checksum:
                raise Wrong(f"seed {self.seed}: batch {number}, acknowledged by {node}, is lost")
        for number, value in self.log().items():
            if batches[number][1] != value:
                raise Wrong(f"seed {self.seed}: etcd's batch {number} differs from the journals'")

    def log(self):
        pairs = self.etcdctl("get", "--prefix", "/stockd/test/log/").get("kvs", [])
        return {int(base64.b64decode(pair["key"])[-16:], 16): base64.b64decode(pair["value"])
                for pair in pairs}

    def etcdctl(self, *what):
        member = self.etcd.members[0]
        told = subprocess.run([ETCDCTL, "--endpoints", member.endpoint, *what, "-w", "json"],
                              capture_output=True, check=True,
                              env={**os.environ, "ETCDCTL_API": "3"}).stdout
        return json.loads(told)

    def holds_key(self, name):
        """etcd has that key of the cluster."""
        return bool(self.etcdctl("get", "/stockd/test/" + name).get("kvs"))

    def close(self):
        for node in self.running():
            node.process.kill()
            node.process.send_signal(18)
            node.process.wait()
            with contextlib.suppress(Wrong):
                node._ended(())
        for node in self.nodes.values():
            for line in node.lines:
                line.close()
        self.etcd.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        reports = [line for line in self.said if SANITIZER_REPORT.search(line)]
        if reports:
            raise Wrong("\n".join(self.said[-80:]))


def batches_of(journal):
    """{number: (checksum, bytes)}, in one chain without a hole."""
    at, previous, batches = 8, 0, {}
    while at < len(journal):
        checksum, number, before, _, _, _, length = BATCH.unpack_from(journal, at)
        if number != len(batches) + 1 or before != previous:
            raise Wrong(f"the journal has a hole: batch {number} after {len(batches)}")
        batches[number] = (checksum, journal[at:at + BATCH.size + length])
        previous = checksum
        at += BATCH.size + length
    return batches


def survived(driver=DRIVER, scenario=(), members=1, seed=None, options=()):
    """One run: the faults (names of methods of Trio), one after the other; then what must be."""
    trio = Trio(members, driver, seed, options)
    try:
        trio.progress()
        for fault in scenario:
            getattr(trio, fault)()
        trio.settle()
        return trio.answered, trio.ends
    finally:
        trio.close()
