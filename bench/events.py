#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How long after a change its event is with a subscriber, beside a load of other changes.

An item sells out and comes back, again and again; beside it stockbench makes RATE changes a second
of 100,000 items. From the reply to the change, and from its request, until the event: p50, p99 and
the greatest. Environment: BIN, SECONDS (of each measurement), RATES, DURABILITY."""

import os
import subprocess
import sys
import tempfile
import time

from neighbours import Peer

BIN = os.environ.get("BIN", os.path.join(os.path.dirname(__file__), "../build/release/bin"))
SECONDS = float(os.environ.get("SECONDS", "10"))
RATES = [int(n) for n in os.environ.get("RATES", "0 50000").split()]
DURABILITY = os.environ.get("DURABILITY", "always")
PAUSE = 0.005  # between two changes of the item


def ready(path, process):
    while not os.path.exists(path):
        if process.poll() is not None:
            sys.exit("stockd has ended")
        time.sleep(0.02)
    with open(path, encoding="ascii") as file:
        return file.readline().strip()


def stockbench(address, *options):
    program = os.path.join(BIN, "stockbench")
    return subprocess.Popen(
        [program, "-s", address, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


class Events:
    """A subscriber to the events of one item."""

    def __init__(self, address, sku):
        self.peer, self.sku, self.queue = Peer(address), sku, []
        self.peer.send("subscribe", {"events": ["sold_out", "back_in_stock"]})
        self.peer.messages()

    def wait(self):
        while True:
            while self.queue:
                event = self.queue.pop(0)[2][0]
                if event["sku"] == self.sku:
                    return
            self.queue += self.peer.messages()


def measure(address, rate):
    caller, sku = Peer(address), f"EVENT-{rate}"

    def call(number, qty):
        caller.send("receive" if qty > 0 else "adjust", f"{sku}-{number}", sku, "main", qty)
        (reply,) = caller.messages()
        assert reply[2] is None, reply

    call(0, 1)
    time.sleep(0.5)
    events = Events(address, sku)
    load = None
    if rate:
        seconds = str(int(SECONDS) + 3)
        load = stockbench(address, "-r", str(rate), "-t", seconds, "--warmup", "0", "--no-setup")
        time.sleep(1)
    replied, asked = [], []
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        begun = time.monotonic()
        call(len(asked) + 1, 1 if len(asked) % 2 else -1)
        answered = time.monotonic()
        events.wait()
        told = time.monotonic()
        replied.append(told - answered)
        asked.append(told - begun)
        time.sleep(PAUSE)
    if load:
        load.wait()
    return sorted(replied), sorted(asked)


def figures(times):
    at = [times[len(times) // 2], times[int(len(times) * 0.99)], times[-1]]
    return " ".join(f"{1000 * t:7.1f}" for t in at)


def main():
    with tempfile.TemporaryDirectory(prefix="stockd-events-") as folder:
        path = os.path.join(folder, "ready")
        stockd = [os.path.join(BIN, "stockd"), "--data", os.path.join(folder, "data")]
        stockd += ["--listen", "127.0.0.1:0", "--ready-file", path, "--remember-s", "2"]
        stockd += ["--durability", DURABILITY]
        process = subprocess.Popen(stockd, stderr=subprocess.DEVNULL)
        try:
            address = ready(path, process)
            stockbench(address, "--setup").wait()
            print("changes/s  crossings  from the reply, ms: p50 p99 max  from the request: p50 p99 max")
            for rate in RATES:
                replied, asked = measure(address, rate)
                print(f"{rate:9} {len(asked):10}  {figures(replied)}  {figures(asked)}", flush=True)
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
