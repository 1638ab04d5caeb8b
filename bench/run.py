#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""run.py: the side-by-side benchmark behind `make bench`.

Starts stockd, the echo servers that are its ceiling, Redis and PostgreSQL, loads them one after
another with the same shape of load, and writes the results to OUT/results.json. report.py then
writes docs/BENCHMARKS.md from it. It stops everything that it started, by process id. A step that
cannot be done (a peer is not installed, a program is missing) is recorded with its reason, and the
others continue.

Settings (environment):
  BENCH_QUICK=1  about two minutes, and the report goes to OUT instead of docs/
  BIN            where the programs are            build/release/bin
  OUT            where results and journals go     build/bench
    STEPS          the steps to run, by name         all
  CONNECTIONS                                      32
  ITEMS                                            100000
  STOCKD_ARGS    more options for stockd
"""

import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import machine
import mirror
from servers import Echo, Postgres, Redis, StartError, Stockd

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BIN = os.path.abspath(os.environ.get("BIN") or os.path.join(ROOT, "build/release/bin"))
OUT = os.path.abspath(os.environ.get("OUT") or os.path.join(ROOT, "build/bench"))
QUICK = os.environ.get("BENCH_QUICK", "") not in ("", "0")
CONNECTIONS = int(os.environ.get("CONNECTIONS") or 32)
ITEMS = int(os.environ.get("ITEMS") or 100000)
STOCKD_ARGS = (os.environ.get("STOCKD_ARGS") or "").split()
REMEMBER_S = 2  # seconds for which an id is remembered: the table is full within seconds here

SECONDS = 0.6 if QUICK else 2.2
WARMUP = 0.2 if QUICK else 0.5
ROUNDS = 1 if QUICK else 3
WINDOWS = (1, 4, 16, 64, 128, 256)
BAR_WINDOWS = (1, 16, 128)  # measured in every round
BIGGEST = 1_000_000 if QUICK else 10_000_000
PLACES = (1, 10, 50, 100, 500)
FREE_BYTES = (4 if QUICK else 24) << 30
RATES = (10, 25, 50, 70, 80, 90, 100, 110)  # percent of what the closed loop reached


class StepError(Exception):
    pass


class Bench:
    """What the steps share: the directory for files, the running servers, the record."""

    def __init__(self):
        os.makedirs(OUT, exist_ok=True)
        self.place = tempfile.mkdtemp(prefix="work.", dir=OUT)
        os.chmod(self.place, 0o755)  # PostgreSQL's user must get in
        self.servers = []
        self.started_servers = 0
        self.record = []
        self.skipped = []
        self.step = None
        self.started = time.monotonic()

    def start(self, kind, *args):
        self.started_servers += 1
        server = kind(self.place, self.started_servers, *args)
        self.servers.append(server)
        return server

    def stockd(self, *options, durability="always"):
        """Without compaction beside the load, as Redis runs without rewrites."""
        steady = ["--compact-bytes", "0"] if self.knows("stockd", "--compact-bytes") else []
        if self.knows("stockd", "--remember-s"):
            steady += ["--remember-s", str(REMEMBER_S)]
        return self.start(Stockd, BIN, "--durability", durability, *steady, *STOCKD_ARGS, *options)

    def knows(self, program, option):
        """Whether this build has it."""
        usage = subprocess.run([self.program(program), "--help"], capture_output=True, text=True,
                               check=False)
        return option in usage.stdout + usage.stderr

    def stop(self, server):
        self.servers.remove(server)
        server.stop()

    def stop_all(self):
        for server in self.servers:
            server.stop()
        self.servers = []

    def finish(self):
        self.stop_all()
        shutil.rmtree(self.place, ignore_errors=True)

    def note(self, subject, result, **about):
        self.record.append({"step": self.step, "subject": subject, **about, "result": result})
        return result

    def run(self, argv):
        """A program's JSON. Exit code 1 is a run with error replies: it is recorded."""
        done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT)
        print(".", end="", file=sys.stderr, flush=True)
        if done.returncode > 1 or not done.stdout.strip():
            raise StepError(f"{' '.join(map(str, argv))}: {done.stderr.strip()[-500:]}")
        return json.loads(done.stdout)

    def program(self, name):
        path = os.path.join(BIN, name)
        if not os.access(path, os.X_OK):
            raise StepError(f"{name} is not built")
        return path

    def load(self, server, workload, window, *more, seconds=SECONDS, warmup=WARMUP,
             connections=CONNECTIONS, items=ITEMS):
        return self.run([self.program("stockbench"), "-s", server.address, "--workload", workload,
                         "--window", str(window), "--connections", str(connections), "--items",
                         str(items), "--seconds", str(seconds), "--warmup", str(warmup), "--json",
                         *map(str, more)])

    def peer(self, name, address, window, connections=CONNECTIONS, items=ITEMS):
        return self.run([self.program(f"bench-{name}"), "--server", address, "--window",
                         str(window), "--connections", str(connections), "--items", str(items),
                         "--seconds", str(SECONDS), "--warmup", str(WARMUP)])

    def set_up(self, server, items, *more):
        subprocess.run([self.program("stockbench"), "-s", server.address, "--setup", "--items",
                        str(items), *map(str, more)], check=True, capture_output=True)


def echoes(bench, result):
    """The bare and the answering echo for messages of the sizes that a run had."""
    request = round(result["bytes_out_per_message"])
    response = round(result["bytes_in_per_message"])
    sizes = ["--request-bytes", str(request), "--response-bytes", str(response)]
    return (bench.start(Echo, BIN, *sizes), sizes,
            bench.start(Echo, BIN, "--response-bytes", str(response), "--answer"))


def load_echoes(bench, pair, workload, window):
    bare, sizes, answering = pair
    bench.note("echo", bench.load(bare, "echo", window, *sizes), workload=workload, window=window)
    bench.note("answer", bench.load(answering, workload, window, "--no-setup"), workload=workload,
               window=window)


def come_round(bench, stockd):
    """Goes once through the id table, like an engine that has run for a while. The first touch of
    memory is expensive on a virtual machine whose host has to find it as well."""
    reservations = 4_000_000
    for _ in range(20):
        result = bench.load(stockd, "reserve-cancel", 128, seconds=1)
        reservations -= result["runs"][0]["done"].get("reserve", 0)
        if reservations <= 0:
            return


def step_windows(bench):
    """stockd beside its ceilings, window by window; hot and Zipf beside uniform; reads."""
    stockd = bench.stockd()
    bench.note("memory", {"empty_bytes": stockd.resident()})
    bench.set_up(stockd, ITEMS)
    come_round(bench, stockd)
    # One short run of each shape says how long its messages are.
    changes = echoes(bench, bench.load(stockd, "reserve-cancel", 16, seconds=0.3))
    reads = echoes(bench, bench.load(stockd, "availability", 16, seconds=0.3))
    for number in range(ROUNDS):
        disk = [bench.program("bench-disk_sync"), bench.place, "500" if QUICK else "2000"]
        bench.note("disk", bench.run(disk))
        for window in WINDOWS if number == 0 else BAR_WINDOWS:
            bench.note("stockd", bench.load(stockd, "reserve-cancel", window),
                       workload="reserve-cancel", window=window)
            load_echoes(bench, changes, "reserve-cancel", window)
        for workload in ("hot", "zipf", "reserve-cancel", "availability"):
            bench.note("stockd", bench.load(stockd, workload, 128), workload=workload, window=128)
        load_echoes(bench, reads, "availability", 128)
    bench.note("memory", {"after_bytes": stockd.resident()})


def step_redis(bench):
    """The same job in a Lua script; stockd with the same durability beside it."""
    for durability in ("always", "everysec"):
        redis = bench.start(Redis, durability)
        stockd = bench.stockd(durability=durability)
        bench.set_up(stockd, ITEMS)
        come_round(bench, stockd)
        for number in range(min(ROUNDS, 2)):
            for window in WINDOWS if number == 0 else BAR_WINDOWS:
                bench.note("redis", bench.peer("redis", redis.address, window), window=window,
                           durability=durability)
                if window in BAR_WINDOWS:
                    bench.note("stockd", bench.load(stockd, "reserve-cancel", window),
                               window=window, durability=durability)
        bench.stop(redis)
        bench.stop(stockd)


def step_postgres(bench):
    """UPDATE ... WHERE available >= n with an insert, hot and uniform, 16 clients."""
    with open(os.path.join(ROOT, "bench/peers/schema.sql"), encoding="utf-8") as schema:
        postgres = bench.start(Postgres, ITEMS, schema.read())
    for commit in ("on", "off"):
        stockd = bench.stockd(durability="always" if commit == "on" else "everysec")
        bench.set_up(stockd, ITEMS)
        address = f"{postgres.address} options='-c synchronous_commit={commit}'"
        for workload, items in (("hot", 1), ("reserve-cancel", ITEMS)):
            for window in (1, 16):
                bench.note("postgres", bench.peer("postgres", address, window, 16, items),
                           workload=workload, window=window, commit=commit)
                bench.note("stockd", bench.load(stockd, workload, window, connections=16),
                           workload=workload, window=window, commit=commit)
        bench.stop(stockd)


def step_workloads(bench):
    """stockbench's other workloads, three runs each; and 10,000 idle connections beside a load."""
    stockd = bench.stockd("--max-connections", "12000")
    bench.set_up(stockd, ITEMS)
    for workload in ("order", "multi-line", "availability-100", "mixed", "flash-sale", "connect"):
        window = 16 if workload == "availability-100" else 128
        more = ["--check"] if workload != "connect" else []
        bench.note("stockd", bench.load(stockd, workload, window, "--runs", ROUNDS, *more,
                                        seconds=SECONDS * 0.6), workload=workload, window=window)
    for idle in (0, 10000):
        before = stockd.resident()
        result = bench.load(stockd, "reserve-cancel", 128, "--idle", idle)
        bench.note("stockd", result, workload="idle", window=128, idle=idle,
                   grown=stockd.resident() - before)


def step_rates(bench):
    """Latency by offered rate, open loop, up to saturation."""
    stockd = bench.stockd()
    bench.set_up(stockd, ITEMS)
    come_round(bench, stockd)
    most = bench.load(stockd, "reserve-cancel", 128)["messages_per_s"]
    for percent in RATES:
        rate = round(most * percent / 100)
        bench.note("stockd", bench.load(stockd, "reserve-cancel", 4096, "--rate", rate),
                   percent=percent)


def step_threads(bench):
    """The ledger alone by threads; the whole engine by workers."""
    ledger = bench.program("bench-ledger")
    cores = os.cpu_count() or 1
    threads = [count for count in (1, 2, 4, 8, 16) if count <= max(2, cores)]
    for _ in range(ROUNDS):
        for workload in ("uniform", "hot"):
            for count in threads:
                bench.note("ledger", bench.run([ledger, "--seconds", str(SECONDS * 0.6), "--items",
                                                "1000000", "--threads", str(count), "--workload",
                                                workload, "--json"]))
    for workers in threads:
        stockd = bench.stockd("--workers", str(workers))
        bench.set_up(stockd, ITEMS)
        come_round(bench, stockd)
        for workload in ("reserve-cancel", "hot"):
            bench.note("stockd", bench.load(stockd, workload, 128, "--runs", min(2, ROUNDS)),
                       workload=workload, workers=workers)
        bench.stop(stockd)


def step_items(bench):
    """The cost of a message as items grow."""
    stockd = bench.stockd("--items", str(BIGGEST + 1000), "--pools", str(BIGGEST + 4000))
    items = 10_000
    while items <= BIGGEST:
        bench.set_up(stockd, items)
        for workload in ("reserve-cancel", "availability"):
            bench.note("stockd", bench.load(stockd, workload, 128, "--runs", min(2, ROUNDS),
                                            items=items, seconds=SECONDS * 0.6),
                       workload=workload, items=items, resident=stockd.resident())
        items *= 10


def step_places(bench):
    """The cost of a message as locations of an item grow."""
    stockd = bench.stockd("--pools", "1000000", "--reservations", "200000")
    items = 1000
    for places in PLACES:
        before = stockd.resident()
        bench.set_up(stockd, items, "--places", places)
        grown = stockd.resident() - before
        for workload in ("reserve-cancel", "availability"):
            bench.note("stockd", bench.load(stockd, workload, 128, "--runs", min(2, ROUNDS),
                                            "--places", places, items=items,
                                            seconds=SECONDS * 0.4),
                       workload=workload, places=places, pools=items * places, grown=grown)
        for workload in ("wide", "ask", "locate"):
            bench.note("ledger", bench.run([bench.program("bench-ledger"), "--items", str(items),
                                            "--places", str(places), "--workload", workload,
                                            "--seconds", str(SECONDS * 0.4), "--json"]),
                       workload=workload, places=places)


def compact(bench, stockd):
    """Snapshot and compaction by hand, if this build has them; the start after it."""
    if not bench.knows("stock-journal", "compact"):
        raise StepError("stock-journal has no compact")
    journal = bench.program("stock-journal")
    data = os.path.join(stockd.directory, "data")
    begin = time.monotonic()
    done = subprocess.run([journal, "compact", data], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StepError(f"stock-journal compact: {done.stderr.strip()[-300:]}")
    seconds = time.monotonic() - begin
    snapshots = glob.glob(os.path.join(data, "snapshot", "*.snap"))
    if not snapshots:
        raise StepError("stock-journal compact wrote no snapshot")
    size = os.path.getsize(max(snapshots))
    bench.note("snapshot", {"bytes": size, "compact_seconds": seconds,
                            "start_seconds": stockd.start()})


def tables(bench):
    """The memory of a pool and of an id, when the tables are in use to the last page."""
    directory = os.path.join(bench.place, "tables")
    done = subprocess.run([bench.program("bench-recovery"), directory, "--items", "100000",
                           "--places", "20", "--orders", "500000", "--live", "400000"],
                          capture_output=True, text=True, check=False)
    found = {what: re.search(rf"([0-9.]+) bytes {what}", done.stdout) for what in ("a pool", "an id")}
    if not all(found.values()):
        raise StepError(f"bench-recovery: {done.stderr.strip()[-300:]}")
    bench.note("tables", {"pool_bytes": float(found["a pool"][1]),
                          "id_bytes": float(found["an id"][1])})


def step_recovery(bench):
    """How fast a start replays the journal, and loads a snapshot; the memory of a pool and a hold."""
    tables(bench)
    # Small segments: a snapshot covers sealed ones, so little is left to replay behind it.
    stockd = bench.stockd("--reservations", "4000000", "--segment-bytes", str(8 << 20))
    bench.set_up(stockd, 1000)
    empty = Stockd(bench.place, "empty", BIN)
    empty.stop(keep=True)
    nothing = min(empty.start() for _ in range(3) if not empty.stop(keep=True))
    empty.stop()
    bench.load(stockd, "reserve-cancel", 128, items=1000, seconds=SECONDS * 2)
    stockd.stop(keep=True)
    seconds = stockd.start()
    with open(stockd.log, encoding="utf-8") as log:
        text = log.read()
    records = max((int(words[i - 2]) for words in [text.split()] for i, word in enumerate(words)
                   if word.startswith("recovered") and i >= 2 and words[i - 2].isdigit()),
                  default=0)
    size = sum(os.path.getsize(path) for path in
               glob.glob(os.path.join(stockd.directory, "data", "**", "*"), recursive=True)
               if os.path.isfile(path))
    bench.note("replay", {"records": records, "seconds": seconds, "empty_seconds": nothing,
                          "bytes": size})
    stockd.stop(keep=True)
    compact(bench, stockd)


def step_mirror(bench):
    """From a change until it is visible in Redis, beside 50,000 changes a second."""
    redis = bench.start(Redis, "no")
    stockd = bench.stockd("--redis", f"127.0.0.1:{redis.address}")
    bench.set_up(stockd, ITEMS)
    probes = 50 if QUICK else 500
    load = subprocess.Popen([bench.program("stockbench"), "-s", stockd.address, "--rate", "50000",
                             "--items", str(ITEMS), "--seconds", "60", "--json"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(1)
        bench.note("mirror", mirror.probe(stockd.address, int(redis.address), probes))
    finally:
        load.terminate()
        load.wait()


STEPS = {name[5:]: value for name, value in list(globals().items()) if name.startswith("step_")}


def run_step(bench, name):
    bench.step = name
    begin = time.monotonic()
    print(f"{name:10} ", end="", file=sys.stderr, flush=True)
    try:
        STEPS[name](bench)
        said = ""
    except (StepError, StartError, OSError, subprocess.SubprocessError, KeyError) as why:
        bench.skipped.append({"step": name, "why": str(why)})
        said = f"  not done: {str(why).splitlines()[0][:120]}"
    finally:
        bench.stop_all()
    print(f" {time.monotonic() - begin:.0f} s{said}", file=sys.stderr)


def main():
    names = (os.environ.get("STEPS") or " ".join(STEPS)).split()
    unknown = [name for name in names if name not in STEPS]
    if unknown:
        sys.exit(f"run.py: no step '{unknown[0]}'; there are: {' '.join(STEPS)}")
    for program in ("stockd", "stockbench"):
        if not os.access(os.path.join(BIN, program), os.X_OK):
            sys.exit(f"run.py: {BIN}/{program} is not there (make build)")
    os.makedirs(OUT, exist_ok=True)
    if shutil.disk_usage(OUT).free < FREE_BYTES:
        sys.exit(f"run.py: {OUT} has less than {FREE_BYTES >> 30} GiB free: a journal under load "
                 "grows by some 100 MB a second")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    bench = Bench()
    try:
        for name in names:
            run_step(bench, name)
    finally:
        bench.finish()
    results = {"machine": machine.describe(BIN), "quick": QUICK, "seconds": SECONDS,
               "rounds": ROUNDS, "connections": CONNECTIONS, "items": ITEMS,
               "stockd_args": STOCKD_ARGS, "remember_s": REMEMBER_S, "took": time.monotonic() - bench.started,
               "skipped": bench.skipped, "record": bench.record}
    with open(os.path.join(OUT, "results.json"), "w", encoding="utf-8") as out:
        json.dump(results, out, indent=1)
        out.write("\n")
    print(f"{results['took']:.0f} s in all; as JSON: {OUT}/results.json", file=sys.stderr)


if __name__ == "__main__":
    main()
