# SPDX-License-Identifier: Apache-2.0
"""Random lives for as long as you like, and every pool balanced: live, and after recovery.

soak.py [--seconds N] [--seed S]   exit status 0, 1 or 77

One life of the engine after the other, ended by kill -9 or a clean stop. In each,
some connections know exactly what they asked (crash_load), some quarrel about a few items with
holds that expire, and the live check runs all the while. After each start everything that ever was
acknowledged is compared, and the live check judges every item. A data directory is left for a fresh one
before the orders that never end can fill its table.
"""

import argparse
import os
import random
import subprocess
import sys
import threading
import time

os.environ.setdefault("STOCKD_TEST_SLOW", "10")  # a start may have gigabytes to recover
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "integration"))

from stockd_harness import BIN_DIR, Client, ConnectionClosed, RpcError, Server, reap, spawn  # noqa: E402

LOAD = os.path.join(os.path.dirname(BIN_DIR), "tests", "crash", "crash_load")
CONNECTIONS, QUARRELLERS, ITEMS = 2, 2, 40
COMPARED = 20  # lives that are looked at again after each start, at most
SLOTS = 1 << 24  # of the engine's table, which forgets the oldest finished ids when it is full
ASKED = SLOTS // 4  # requests that it surely remembers: two slots each at most, and half of it for live orders
USUAL = ("insufficient_stock", "wrong_state", "unknown_reservation")


class Wrong(Exception):
    pass


class Soak:
    def __init__(self, seed):
        self.seed, self.rng = seed, random.Random(seed)
        self.server, self.failures = None, []
        self.lives = self.checks = self.judged = self.quarrels = self.acknowledged = self.directories = 0
        self.begin()

    def begin(self):
        self.server = Server("--workers", 2, "--durability", "everysec", "--reservations", SLOTS,
                             "--remember-s", 1)
        self.directories += 1
        self.told = []  # of each life: its file, and how many requests there had been before it
        self.before = self.acknowledged

    def quarrel(self, rng, name):
        """Orders over the same few items as everybody else; holds of a few milliseconds."""
        count = 0
        with Client(self.server.unix) as client:
            while True:
                calls = [("receive", f"{name}-r{count}", f"Q{rng.randrange(ITEMS)}", "main", rng.randrange(1, 8))]
                for i in range(count, count + 8):
                    lines = [[f"Q{rng.randrange(ITEMS)}", rng.randrange(1, 4)] for _ in range(rng.randrange(1, 4))]
                    calls.append(("reserve", f"{name}-{i}", "default", lines, {"ttl_ms": rng.randrange(1, 60)}))
                for i in range(max(0, count - 8), count + 8):
                    step = rng.choice(("confirm", "cancel", "fulfil", "extend", "none"))
                    if step != "none":
                        calls.append((step, f"{name}-{i}", *([30] if step == "extend" else [])))
                count += 8
                for result in client.pipeline(calls):
                    if isinstance(result, RpcError) and result.code not in (*USUAL, "unknown_sku"):
                        raise Wrong(f"{name}: {result}")
                self.quarrels += len(calls)

    def check_all_the_while(self):
        with Client(self.server.unix) as client:
            while True:
                self.judge(client.call("check"))

    def judge(self, report, whole=False):
        self.checks += 1
        self.judged += report["items"] - report["moving"]
        if report["broken"] or report["busy"] or (whole and report["moving"]):
            raise Wrong(f"live check: {report}")

    def guarded(self, work, *arguments):
        """Until the engine is gone; anything else is a failure."""
        try:
            work(*arguments)
        except (ConnectionClosed, ConnectionError, TimeoutError):
            pass
        except Exception as wrong:  # told by live()
            self.failures.append(repr(wrong))

    def live(self, seconds):
        file = os.path.join(self.server.directory, f"life-{self.lives}")
        self.told.append((file, self.acknowledged + self.quarrels))
        argv = [LOAD, "load", self.server.unix, file, self.seed, self.lives, CONNECTIONS, self.rng.choice((1, 4, 16))]
        load = spawn([str(arg) for arg in argv], stderr=subprocess.PIPE, text=True)
        others = [threading.Thread(target=self.guarded, args=(self.check_all_the_while,))]
        for i in range(QUARRELLERS):
            arguments = (self.quarrel, random.Random(self.rng.random()), f"q{self.lives}-{i}")
            others.append(threading.Thread(target=self.guarded, args=arguments))
        for thread in others:
            thread.start()
        time.sleep(seconds)
        if self.rng.random() < 0.3:
            self.server.stop()
        else:
            self.server.kill()
        for thread in others:
            thread.join()
        _, err = load.communicate(timeout=60)
        if reap(load, 1) != 0:
            self.failures.append(err.strip())
        if self.failures:
            raise Wrong("; ".join(self.failures))
        self.lives += 1

    def remembered(self):
        """The last lives whose ids must all be known yet; the newest first: it says how much it asked."""
        for file, before in reversed(self.told[-COMPARED:]):
            if self.acknowledged + self.quarrels - before < ASKED:
                yield file

    def verify(self):
        for file in self.remembered():
            done = subprocess.run([LOAD, "verify", self.server.unix, file], capture_output=True, text=True, timeout=600)
            if done.returncode != 0:
                raise Wrong(done.stderr.strip())
            acknowledged, lost = (int(word) for word in done.stdout.split()[:2])
            if lost:  # a kill is no power cut: the kernel has what was acknowledged
                raise Wrong(f"{lost} acknowledged changes are lost")
            self.acknowledged += acknowledged if file == self.told[-1][0] else 0
        with Client(self.server.unix) as client:
            deadline = time.monotonic() + 30  # holds that expire meanwhile move an item
            while (report := client.call("check"))["moving"] and time.monotonic() < deadline:
                self.judge(report)
            self.judge(report, whole=True)

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            longest = max(1.0, min(20.0, seconds / 6))
            self.live(min(self.rng.uniform(0.3, longest), max(0.3, end - time.monotonic())))
            self.server.start()
            self.verify()
            if self.acknowledged - self.before > ASKED:
                self.server.close()
                self.begin()

    def __str__(self):
        return (f"{self.lives} lives in {self.directories} directories, {self.acknowledged} acknowledged, "
                f"{self.quarrels} quarrels, {self.checks} checks judged {self.judged} items")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    print(f"--seconds {options.seconds:g} --seed {options.seed}", flush=True)
    soak = Soak(options.seed)
    try:
        soak.run(options.seconds)
    except Wrong as wrong:
        print(f"FAILED: {wrong}\n{soak.server.stderr()[-2000:]}")
        return 1
    finally:
        print(soak)
        soak.server.close(check=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
