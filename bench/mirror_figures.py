#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""mirror_figures.py: what the Redis mirror does, and what it costs. Prints JSON lines.

  visible   a change to visible in Redis, while stockbench changes 50,000 a second
    rates     the same at higher rates, and how many items a second are sent without a limit
  resync    1 M items on 5 channels: into an empty Redis, and when Redis is already right; and a
            change to visible meanwhile
  cost      throughput of the engine with and without the mirror, alternating
  stopped   the engine's own latencies while Redis is stopped, and while it is not, alternating

    bench/mirror_figures.py [STEP]...

Settings (environment): BIN (build/release/bin), ITEMS (100000; the resync has RESYNC_ITEMS,
1000000), ROUNDS (3), SECONDS (4), STOCKD_ARGS, REDIS_NICE (0): on one shared machine, 10 lets
Redis yield as if it had its own. It stops everything that it started, by process id.
"""

import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import msgpack

import mirror
from servers import Server, Stockd, free_port

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BIN = os.path.abspath(os.environ.get("BIN") or os.path.join(ROOT, "build/release/bin"))
ITEMS = int(os.environ.get("ITEMS") or 100_000)
RESYNC_ITEMS = int(os.environ.get("RESYNC_ITEMS") or 1_000_000)
ROUNDS = int(os.environ.get("ROUNDS") or 3)
STOCKD_ARGS = (os.environ.get("STOCKD_ARGS") or "").split()
SECONDS = float(os.environ.get("SECONDS") or 4)
REDIS_NICE = int(os.environ.get("REDIS_NICE") or 0)
CHANNELS = ("web", "app", "shop", "market")  # and default: five


class PlainRedis(Server):
    """In memory only, like a cache."""

    name = "cache"

    def __init__(self, place, number):
        super().__init__(place, number)
        self.address = f"127.0.0.1:{free_port()}"
        self.port = int(self.address.rsplit(":", 1)[1])
        self.spawn(["nice", "-n", str(REDIS_NICE), "redis-server", "--port", str(self.port), "--bind",
                    "127.0.0.1", "--dir", self.directory, "--save", "", "--appendonly", "no"])
        self.wait(self.answers)

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def ask(self, *words):
        """One command whose answer is a line."""
        with socket.create_connection(("127.0.0.1", self.port), 60) as stream:
            stream.sendall(" ".join(words).encode() + b"\r\n")
            return stream.recv(4096).decode().strip()


class Bench:
    def __init__(self):
        self.place = tempfile.mkdtemp(prefix="stockd-mirror-", dir=os.environ.get("TMPDIR"))
        self.servers = []

    def start(self, kind, *args):
        server = kind(self.place, len(self.servers), *args)
        self.servers.append(server)
        return server

    def close(self):
        for server in reversed(self.servers):
            server.stop()
        shutil.rmtree(self.place, ignore_errors=True)

    def pair(self):
        """(Redis, an engine that mirrors into it)"""
        redis = self.start(PlainRedis)
        items = str(max(ITEMS, RESYNC_ITEMS) + 1000)
        return redis, self.start(Stockd, BIN, "--redis", redis.address, "--items", items,
                                 "--remember-s", "2", *STOCKD_ARGS)


def call(address, method, *params):
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), 60) as stream:
        return mirror.call(stream, msgpack.Unpacker(raw=False), 1, method, *params)


def status(stockd):
    return call(stockd.address, "info", "mirror")["mirror"]


def load(stockd, *options, workload="reserve-cancel", seconds=SECONDS):
    argv = [os.path.join(BIN, "stockbench"), "-s", stockd.address, "-w", workload, "-n", str(ITEMS),
            "-t", str(seconds), "--json", *map(str, options)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode > 1:
        sys.exit(f"stockbench: {done.stderr}")
    return json.loads(done.stdout or "{}")


def await_live(stockd):
    begin = time.monotonic()
    while True:
        now = status(stockd)
        if now["state"] == "live" and now["dirty"] < 1000:
            return time.monotonic() - begin
        time.sleep(0.02)


def say(step, **figures):
    print(json.dumps({"step": step, **figures}), flush=True)


def rounded(figures):
    return {name: round(value, 2) if isinstance(value, float) else value
            for name, value in figures.items()}


def cpu_seconds(process, thread=None):
    """Processor time of a process, or of its thread of that name."""
    paths = [f"/proc/{process.pid}/stat"]
    if thread:
        tasks = f"/proc/{process.pid}/task"
        paths = [f"{tasks}/{task}/stat" for task in os.listdir(tasks)]
    for path in paths:
        with open(path, encoding="ascii") as file:
            name, fields = file.read().split("(", 1)[1].rsplit(")", 1)
        if thread in (None, name):
            return sum(map(int, fields.split()[11:13])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def probe_under_load(stockd, redis, rate, probes):
    """Visible latencies while changes come at that rate; 0: as fast as possible."""
    options = ("--rate", rate) if rate else ("-c", 32, "-W", 128)
    worker = threading.Thread(target=lambda: out.append(
        load(stockd, *options, seconds=max(SECONDS, probes * 0.018))))
    out = []
    worker.start()
    time.sleep(1.5)  # its warm-up
    before, begin = status(stockd), time.monotonic()
    cpu = [cpu_seconds(stockd.process, "mirror"), cpu_seconds(redis.process)]
    figures = mirror.probe(stockd.address, redis.port, probes)
    after, took = status(stockd), time.monotonic() - begin
    cpu = [cpu_seconds(stockd.process, "mirror") - cpu[0], cpu_seconds(redis.process) - cpu[1]]
    worker.join()
    items = after["items_sent"] - before["items_sent"]
    sent = items / took
    per_item = [round(1e6 * seconds / max(items, 1), 2) for seconds in cpu]
    return {**rounded(figures), "changes_per_s": round(out[0]["messages_per_s"]),
            "items_sent_per_s": round(sent), "mirror_cpu_us_per_item": per_item[0],
            "redis_cpu_us_per_item": per_item[1], "round_trip_us": after["round_trip_us"]}


def prepare(stockd, channels):
    for channel in CHANNELS[:channels - 1]:
        call(stockd.address, "channel_set", channel, {"buffer": 1})
    load(stockd, "--setup")
    await_live(stockd)


def step_visible(bench):
    for channels in (1, 5):
        redis, stockd = bench.pair()
        prepare(stockd, channels)
        for _ in range(ROUNDS):
            say("visible", channels=channels, **probe_fresh(stockd, redis, 50_000, 400))
        stockd.stop()
        redis.stop()


def probe_fresh(stockd, redis, rate, probes):
    """mirror.probe starts from nothing: removes what the last probe left."""
    left = call(stockd.address, "availability", "default", ["MIRROR"])["stock"][0]
    if left:
        call(stockd.address, "adjust", f"away-{time.monotonic()}", "MIRROR", "main", -left)
        while redis.ask("HGET", "stock:item:MIRROR", "default").split()[-1] != "0":
            time.sleep(0.01)
    return probe_under_load(stockd, redis, rate, probes)


def step_rates(bench):
    redis, stockd = bench.pair()
    prepare(stockd, 1)
    for rate in (50_000, 100_000, 200_000, 400_000, 0):
        say("rates", rate=rate or "all", **probe_fresh(stockd, redis, rate, 150))
        await_live(stockd)
    stockd.stop()
    redis.stop()


def import_items(bench, stockd):
    path = os.path.join(bench.place, "stock.csv")
    with open(path, "w", encoding="utf-8") as file:
        file.write("sku,location,on_hand\n")
        file.writelines(f"SKU-{number:08},main,{number % 100 + 1}\n" for number in range(RESYNC_ITEMS))
    subprocess.run([os.path.join(BIN, "stockctl"), "-s", stockd.address, "import", "stock", path],
                   check=True, stdout=subprocess.DEVNULL)


def step_resync(bench):
    redis, stockd = bench.pair()
    for channel in CHANNELS:
        call(stockd.address, "channel_set", channel, {"buffer": 1})
    import_items(bench, stockd)
    await_live(stockd)
    for _ in range(ROUNDS):
        for what in ("empty", "right"):
            resyncs = status(stockd)["resyncs"]
            begin = time.monotonic()
            redis.ask(*(("FLUSHALL",) if what == "empty" else ("DEL", "stock:fence")))
            while status(stockd)["resyncs"] == resyncs:
                time.sleep(0.005)
            away = call(stockd.address, "availability", "default", ["MIRROR"])["stock"][0]
            if away:
                call(stockd.address, "adjust", f"away-{begin}", "MIRROR", "main", -away)
                time.sleep(0.1)
            probe = mirror.probe(stockd.address, redis.port, 60)
            await_live(stockd)
            took = time.monotonic() - begin
            say("resync", redis=what, items=RESYNC_ITEMS, channels=5, seconds=round(took, 2),
                items_per_s=round(RESYNC_ITEMS / took), keys=redis.ask("DBSIZE"),
                change_meanwhile=rounded(probe))
    stockd.stop()
    redis.stop()


def step_cost(bench):
    redis, mirrored = bench.pair()
    plain = bench.start(Stockd, BIN, "--remember-s", "2", *STOCKD_ARGS)
    prepare(mirrored, 1)
    load(plain, "--setup")
    rates = {"plain": [], "mirrored": []}
    for _ in range(ROUNDS):
        for name, stockd in (("plain", plain), ("mirrored", mirrored)):
            rates[name].append(load(stockd, "-c", 32, "-W", 128)["messages_per_s"])
            if name == "mirrored":
                await_live(mirrored)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    say("cost", plain=round(medians["plain"]), mirrored=round(medians["mirrored"]),
        cost_percent=round(100 * (1 - medians["mirrored"] / medians["plain"]), 1),
        rounds={name: [round(value) for value in values] for name, values in rates.items()})
    for server in (mirrored, plain, redis):
        server.stop()


def step_stopped(bench):
    redis, stockd = bench.pair()
    prepare(stockd, 1)
    figures = {"runs": [], "stopped": []}
    for _ in range(ROUNDS):
        for name in ("runs", "stopped"):
            if name == "stopped":
                redis.process.send_signal(signal.SIGSTOP)
            figures[name].append(load(stockd, "--rate", 100_000)["latency_us"]["p99"])
            redis.process.send_signal(signal.SIGCONT)
            await_live(stockd)
    medians = {name: statistics.median(values) for name, values in figures.items()}
    say("stopped", p99_us_redis_runs=medians["runs"], p99_us_redis_stopped=medians["stopped"],
        change_percent=round(100 * (medians["stopped"] / medians["runs"] - 1), 1), rounds=figures)
    stockd.stop()
    redis.stop()


STEPS = {"visible": step_visible, "rates": step_rates, "resync": step_resync, "cost": step_cost,
         "stopped": step_stopped}


def main():
    wanted = sys.argv[1:] or list(STEPS)
    for name in wanted:
        if name not in STEPS:
            sys.exit(f"no step {name!r}: one of {', '.join(STEPS)}")
    bench = Bench()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        for name in wanted:
            STEPS[name](bench)
    finally:
        bench.close()


if __name__ == "__main__":
    main()
