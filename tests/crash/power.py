# SPDX-License-Identifier: Apache-2.0
"""Crashes of a real engine under load, as many as you like: power cuts and kills.

power.py [--cuts N] [--seed S] [--only KIND]...   exit status 0, 1 or 77 (skipped)

Each crash: crash_load asks as much as the engine takes over several connections, and knows what was
acknowledged; after some tens or hundreds of milliseconds the file system is shut down beneath the
engine (or only the engine killed); then the file system is mounted and the engine started again.
Now and then it is cut off once more while it recovers. Then each connection's items and
reservations must be exactly those after a prefix of what it had asked: all that was acknowledged up
to the LSN that was recovered, nothing beyond it, whole operations. With durability `always` that
must be everything that was acknowledged. The live check must find nothing broken, and what earlier
lives left on the same disk must still be there. Somebody has followed events and changes, and goes on
where the crash came: he must know all events that are there, and what can be sold.

In most lives compactions run beside the engine, one after the other; the crash kills the one that is
at work, and the next start must be able to use whatever it left.

What a power cut is here: the file system drops what was not synced, its own journal included. The
disk beneath it keeps what it was given; a disk that lies about its cache is not played.
"""

import argparse
import collections
import os
import random
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "integration"))

from crash_disk import Disk, in_own_world, scratch  # noqa: E402
from follower import Follower  # noqa: E402
from stockd_harness import BIN_DIR, Client, Server, StartError, reap, run_program, spawn  # noqa: E402

LOAD = os.path.join(os.path.dirname(BIN_DIR), "tests", "crash", "crash_load")
DISK_BYTES = 3 << 30  # sparse: a third of it is used at most
CONNECTIONS, WINDOWS, RESERVATIONS = 4, (1, 8, 32, 64), 1 << 22

Kind = collections.namedtuple("Kind", "name system durability power share lives least most")
KINDS = [
    # name, file system, durability, power cut or kill, share of all crashes, lives on one disk, a life's ms
    Kind("ext4-always", "ext4", "always", True, 40, 12, 20, 250),
    Kind("xfs-always", "xfs", "always", True, 40, 12, 20, 250),
    Kind("ext4-everysec", "ext4", "everysec", True, 4, 4, 200, 2500),
    Kind("xfs-everysec", "xfs", "everysec", True, 4, 4, 200, 2500),
    Kind("ext4-none", "ext4", "none", True, 4, 4, 100, 1000),
    Kind("kill-always", "ext4", "always", False, 4, 12, 20, 250),
    Kind("kill-everysec", "ext4", "everysec", False, 2, 4, 20, 1500),
    Kind("kill-none", "ext4", "none", False, 2, 4, 20, 1000),
]


# an engine of before snapshots has none
COMPACTS = "stock-journal compact" in run_program("stock-journal", "compact", "--help").out

OWN_COMPACTIONS = "compact-bytes" in run_program("stockd", "--help").out


class Wrong(Exception):
    pass


class Compactor:
    """Compacts a directory again and again until it is killed."""

    def __init__(self, data, rng):
        self.argv = [os.path.join(BIN_DIR, "stock-journal"), "compact", data, "--items", "4096", "--pools", "4096",
                     "--reservations", str(RESERVATIONS)] + (["--archive"] if rng.random() < 0.5 else [])
        self.done, self.killed, self.wrong = 0, False, None
        self.process = None
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.wrong:
            with self.lock:
                if self.killed:
                    return
                self.process = spawn(self.argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            err = self.process.communicate()[1]
            code = reap(self.process, 1)
            busy = "another compaction is at work" in err  # the engine's own
            if not self.killed and code != 0 and not busy:
                self.wrong = f"compact exited {code}: {err}"
            self.done += code == 0
            time.sleep(0.005)

    def kill(self):
        """True if one was at work."""
        with self.lock:
            self.killed = True
            if self.process:
                self.process.kill()
        self.thread.join()
        return self.process is not None and self.process.returncode == -9


class Sums:
    def __init__(self):
        self.compactions = self.halfway = 0
        self.cuts = self.again = self.acknowledged = self.lost = self.most = self.longest = self.kept = 0


class Story:
    """One disk, on which an engine lives and crashes some times."""

    def __init__(self, kind, seed, rng, sums):
        self.kind, self.seed, self.rng, self.sums = kind, seed, rng, sums
        self.files = []

    def play(self, lives):
        with tempfile.TemporaryDirectory(prefix="stockd-crash-", dir=scratch()) as self.folder:
            with Disk(self.kind.system, size=DISK_BYTES) as self.disk:
                self.server = Server(
                    *("--workers", 2, "--durability", self.kind.durability, "--segment-bytes", self.segment_bytes()),
                    *(("--compact-bytes", 1 << 20) if OWN_COMPACTIONS and self.rng.random() < 0.5 else ()),
                    *("--items", 4096, "--pools", 4096, "--reservations", RESERVATIONS, "--remember-s", 1),
                    "--listen", f"unix:{self.folder}/sock",
                    data=os.path.join(self.disk.path, "data"), listen=False, start=False,
                )
                try:
                    os.mkdir(self.server.data)
                    self.server.start()
                    self.follower = Follower(self.address)
                    for number in range(lives):
                        self.live(number)
                        self.verify(number, last=number == lives - 1)
                finally:
                    self.server.close(check=False)

    def segment_bytes(self):
        """Small, so that cuts meet many a new one; the usual size where it says how much is lost."""
        measured = self.kind.durability != "always"
        return 64 << 20 if measured else self.rng.choice((65536, 262144, 1 << 20))

    @property
    def address(self):
        return f"unix:{self.folder}/sock"

    def live(self, number):
        file = os.path.join(self.folder, f"life-{number}")
        self.files.append(file)
        window = self.rng.choice(WINDOWS)
        argv = [LOAD, "load", self.address, file, self.seed, number, CONNECTIONS, window]
        load = spawn([str(arg) for arg in argv], stderr=subprocess.PIPE, text=True)
        compactor = Compactor(self.server.data, self.rng) if COMPACTS and self.rng.random() < 0.6 else None
        self.follows = self.rng.random() < 0.6  # else whoever follows is away, and goes on later
        if self.follows:
            self.follower.begin()
        time.sleep(self.rng.uniform(self.kind.least, self.kind.most) / 1000)
        self.crash(compactor)
        if self.follows:
            self.follower.end()
            self.follows = self.rng.random() < 0.5
        _, err = load.communicate(timeout=30)
        if reap(load, 1) != 0:
            raise Wrong(f"life {number}: {err.strip()}")
        while self.rng.random() < 0.15:
            self.crash_while_recovering()
        self.server.start()

    def crash(self, compactor=None):
        if compactor:
            compactor.killed = True  # what it says from here on counts no more
        if self.kind.power:
            self.disk.cut()
        if compactor:
            self.sums.halfway += compactor.kill()
            self.sums.compactions += compactor.done
        self.server.process.kill()  # one that was about to start may have ended by itself
        reap(self.server.process, 20)
        if self.kind.power:
            self.disk.power_on()
        self.sums.cuts += 1
        if compactor and compactor.wrong:
            raise Wrong(compactor.wrong)

    def crash_while_recovering(self):
        if os.path.exists(self.server.ready_file):
            os.unlink(self.server.ready_file)
        with open(self.server.log, "ab") as log:
            self.server.process = spawn(self.server.argv(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        time.sleep(self.rng.uniform(0, 0.04))
        if self.server.process.poll() is not None:
            raise StartError("the engine ended while it recovered", self.server.process.returncode, self.server.stderr())
        self.crash()
        self.sums.again += 1

    def verify(self, number, last):
        acknowledged, lost, _, kept, age = self.compare(self.files[number])
        sums = self.sums
        sums.acknowledged += acknowledged
        sums.lost += lost
        sums.kept += kept
        sums.most = max(sums.most, lost)
        sums.longest = max(sums.longest, age)
        if lost and (self.kind.durability == "always" or not (self.kind.power or self.kind.durability == "none")):
            raise Wrong(f"life {number}: {lost} of {acknowledged} acknowledged changes are lost")
        for earlier in self.files[:number] if last else self.files[max(0, number - 1) : number]:
            self.compare(earlier)
        with Client(self.address) as client:
            report = client.call("check")
            unknown = self.follower.wrong(client) if self.follows or last else None
        if report["broken"] or report["moving"]:
            raise Wrong(f"life {number}: the live check says {report}")
        if unknown:
            raise Wrong(f"life {number}: who follows: {unknown}")

    def compare(self, file):
        done = subprocess.run([LOAD, "verify", self.address, file], capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise Wrong(done.stderr.strip())
        return [int(word) for word in done.stdout.split()]


def print_table(sums, seconds):
    head = f"{'kind':14} {'cuts':>5} {'recovering':>10} {'compacting':>10} {'acknowledged':>12}"
    print(head + f" {'lost':>8} {'most lost':>9} {'oldest lost':>11}")
    for name, s in sums.items():
        row = f"{name:14} {s.cuts:5} {s.again:10} {s.halfway:10} {s.acknowledged:12}"
        print(row + f" {s.lost:8} {s.most:9} {s.longest:8} ms")
    compactions = sum(s.compactions for s in sums.values())
    cuts = sum(s.cuts for s in sums.values())
    print(f"{cuts} crashes, {compactions} whole compactions, in {seconds:.0f} s")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cuts", type=int, default=30)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--only", action="append", choices=[kind.name for kind in KINDS])
    options = parser.parse_args()
    in_own_world("mkfs.ext4", "mkfs.xfs")
    print(f"--cuts {options.cuts} --seed {options.seed}", flush=True)
    kinds = [kind for kind in KINDS if not options.only or kind.name in options.only]
    sums = {kind.name: Sums() for kind in kinds}
    rng, began, story = random.Random(options.seed), time.monotonic(), None
    shares = sum(kind.share for kind in kinds)
    try:
        while sum(s.cuts for s in sums.values()) < options.cuts:
            # whoever is furthest behind its share
            kind = min(kinds, key=lambda k: sums[k.name].cuts / k.share)
            due = options.cuts * kind.share / shares - sums[kind.name].cuts
            story = Story(kind, rng.randrange(1 << 40), rng, sums[kind.name])
            story.play(max(1, min(kind.lives, round(due))))
    except (Wrong, StartError) as wrong:
        print(f"FAILED: {kind.name}, seed {story.seed}: {wrong}\n{story.server.stderr()[-2000:]}")
        return 1
    finally:
        print_table(sums, time.monotonic() - began)
    return 0


if __name__ == "__main__":
    sys.exit(main())
