#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How long a ping and an expiry take beside neighbours that send the heaviest legal requests.

For 1 and 2 workers, and for each kind of neighbour: p50, p99 and the greatest round trip of a ping
every few milliseconds; how long after its deadline a hold expires, by the journal; and how long
after its deadline a subscriber is notified of that, besides all that the neighbours change.
Environment: BIN, SECONDS (of each measurement), SKUS, PLACES, HEAVY (connections), WORKERS."""

import contextlib
import multiprocessing
import os
import select
import shutil
import socket
import sys
import tempfile
import time

import msgpack

import servers

BIN = os.environ.get("BIN", os.path.join(os.path.dirname(__file__), "../build/release/bin"))
SECONDS = float(os.environ.get("SECONDS", "5"))
SKUS = int(os.environ.get("SKUS", "4096"))
PLACES = int(os.environ.get("PLACES", "500"))
HEAVY = int(os.environ.get("HEAVY", "8"))
WORKERS = [int(n) for n in os.environ.get("WORKERS", "1 2").split()]

PING_EVERY = 0.002
HOLD_MS = 100
DEPTH = 2  # requests in flight of each heavy connection


def sku(index):
    return f"SKU-{index:06d}"


class Peer:
    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unpacker = msgpack.Unpacker(raw=False, max_buffer_size=1 << 30)

    def send(self, method, *params):
        self.socket.sendall(msgpack.packb([0, 1, method, list(params)]))

    def messages(self):
        """The next messages to arrive; waits for at least one."""
        while True:
            found = list(self.unpacker)
            if found:
                return found
            part = self.socket.recv(1 << 18)
            if not part:
                raise OSError("stockd closed the connection")
            self.unpacker.feed(part)

    def call(self, method, *params):
        self.send(method, *params)
        for message in self.messages():
            if message[2] is not None:
                raise OSError(f"{method}: {message[2]}")
            return message[3]


# ---- the neighbours: each gives the bytes of its n-th request ----


def availability(_lines, _number):
    return ["availability", ["default", [sku(i) for i in range(SKUS)]]]


def reserve(lines, number):
    """Orders of the most lines, alternating with their cancels."""
    order = f"order-{os.getpid()}-{number // 2}"
    if number % 2:
        return ["cancel", [order]]
    first = number * 37 % SKUS
    return ["reserve", [order, "default", [[sku((first + i) % SKUS), 1] for i in range(lines)]]]


def stock(_lines, number):
    return ["stock", [sku(number % SKUS)]]


def items(_lines, number):
    return ["items", [number * 100 % SKUS, {"limit": 1000}]]


def changes(_lines, _number):
    return ["changes", [0, {"limit": 10000}]]


def settings(_lines, number):
    return ["location_set", [f"P{number % PLACES}", {"priority": number % 7 + 1}]]


NEIGHBOURS = [availability, reserve, stock, items, changes, settings]


def be_heavy(address, neighbour, lines, stop, done):
    """Keeps DEPTH requests in flight on a connection of its own."""
    peer = Peer(address)
    sent = answered = 0
    ready = {}
    if neighbour is availability:
        ready[0] = msgpack.packb([0, 1, *neighbour(lines, 0)])
    while not stop.is_set():
        while sent - answered < DEPTH:
            peer.socket.sendall(ready.get(0) or msgpack.packb([0, 1, *neighbour(lines, sent)]))
            sent += 1
        if select.select([peer.socket], [], [], 0.1)[0]:
            answered += len(peer.messages())
    with done.get_lock():
        done.value += answered


# ---- what is measured ----


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


def measure(address):
    """Milliseconds: round trips of pings; lateness of expiries as notified. And the deadlines of orders."""
    pings = []
    late = []
    orders = {}
    pinger = Peer(address)
    holder = Peer(address)
    watcher = Peer(address)
    watcher.call("subscribe", {"channel": "default"})
    deadlines = {}
    number = 0
    end = time.monotonic() + SECONDS
    next_hold = time.monotonic()
    while time.monotonic() < end:
        begin = time.monotonic()
        pinger.call("ping")
        pings.append(1000 * (time.monotonic() - begin))
        if time.monotonic() >= next_hold:
            number += 1
            name = f"HOLD-{number % 200}"
            order = f"hold-{time.time_ns()}"
            answer = holder.call("reserve", order, "default", [[name, 1]], {"ttl_ms": HOLD_MS})
            deadlines[name] = orders[order] = answer["expires_ms"]
            next_hold += 0.02
        while select.select([watcher.socket], [], [], PING_EVERY)[0]:
            now = 1000 * time.time()
            for message in watcher.messages():
                if message[0] == 2 and message[2][1] in deadlines:
                    deadline = deadlines[message[2][1]]
                    if message[2][2] == 1 and now >= deadline:
                        late.append(now - deadline)
                        del deadlines[message[2][1]]
    return pings, late, orders


def expired_late(peer, order, deadline):
    events = peer.call("history", None, {"id": order})["events"]
    return next(e["time_ms"] - deadline for e in events if e["type"] == "expire")


def beside(address, neighbour, lines):
    stop = multiprocessing.Event()
    done = multiprocessing.Value("Q", 0)
    heavy = [multiprocessing.Process(target=be_heavy, args=(address, neighbour, lines, stop, done))
             for _ in range(HEAVY if neighbour else 0)]
    for process in heavy:
        process.start()
    time.sleep(0.5)
    begin = time.monotonic()
    pings, told, orders = measure(address)
    stop.set()
    for process in heavy:
        process.join(60)
    rate = done.value / (time.monotonic() - begin)
    time.sleep(2 * HOLD_MS / 1000)
    late = [expired_late(Peer(address), *order) for order in list(orders.items())[::5]]
    return pings, late, told, rate


def fill(address):
    peer = Peer(address)
    window = 512

    def run(calls):
        flight = 0
        batch = bytearray()
        for method, *params in calls:
            batch += msgpack.packb([0, 1, method, params])
            flight += 1
            if flight == window:
                peer.socket.sendall(batch)
                while flight:
                    flight -= len(peer.messages())
                batch.clear()
        peer.socket.sendall(batch)
        while flight:
            flight -= len(peer.messages())

    run(["location_set", f"P{place}", {}] for place in range(PLACES))
    run(["receive", f"r-{place}-{index}", sku(index), f"P{place}", 1000]
        for index in range(SKUS) for place in range(PLACES))
    run(["receive", f"h-{index}", f"HOLD-{index}", "main", 1] for index in range(200))
    return peer.call("info", "limits")["limits"]["order_lines"]


def main():
    place = tempfile.mkdtemp(prefix="stockd-neighbours-")
    names = sys.argv[1:]
    chosen = [n for n in NEIGHBOURS if not names or n.__name__ in names]
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        engine = servers.Stockd(place, 0, BIN, "--durability", "none", "--compact-bytes", "0",
                                "--reservations", "16M")
        stack.callback(lambda: engine.stop())
        lines = fill(engine.address)
        print(f"{SKUS} items at {PLACES} places, orders of {lines} lines, {HEAVY} heavy connections")
        print(f"{'workers':>7} {'neighbour':<13} {'ping p50':>9} {'p99':>8} {'most':>8}   "
              f"{'expiry p50':>10} {'most':>8}   {'told p50':>8} {'p99':>8} {'most':>8}   "
              f"{'heavy/s':>8}  (ms)")
        for workers in WORKERS:
            engine.stop(keep=True)
            engine.options = (*engine.options[:6], "--workers", str(workers))
            engine.start()
            for neighbour in [None, *chosen]:
                pings, late, told, rate = beside(engine.address, neighbour, lines)
                print(f"{workers:>7} {neighbour.__name__ if neighbour else 'none':<13} "
                      f"{quantile(pings, 0.5):9.2f} {quantile(pings, 0.99):8.2f} "
                      f"{max(pings):8.2f}   {quantile(late, 0.5):10.0f} "
                      f"{max(late, default=float('nan')):8.0f}   {quantile(told, 0.5):8.2f} "
                      f"{quantile(told, 0.99):8.2f} {max(told, default=float('nan')):8.2f}   "
                      f"{rate:8.0f}", flush=True)


if __name__ == "__main__":
    main()
