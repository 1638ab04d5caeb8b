#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How fast a log can be kept in three members of etcd on this machine, through the engine's client
of etcd. Prints the table of docs/BENCHMARKS.md: medians of alternating runs.

Environment: BIN, SECONDS (of each measurement), RUNS, SIZES (bytes of a batch), DEPTHS (batches
under way at once), OUT (for the members' data; the system's temporary directory)."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

import servers

BIN = os.environ.get("BIN", os.path.join(os.path.dirname(__file__), "../build/release/bin"))
SECONDS = float(os.environ.get("SECONDS", "5"))
RUNS = int(os.environ.get("RUNS", "3"))
SIZES = [int(size) for size in os.environ.get("SIZES", "4096 65536 131072").split()]
DEPTHS = [int(depth) for depth in os.environ.get("DEPTHS", "1 3").split()]
MEMBERS = 3


class Member(servers.Server):
    name = "etcd"

    def __init__(self, place, number, ports):
        super().__init__(place, number)
        self.address = f"127.0.0.1:{ports[number][0]}"
        client, peer = (f"http://127.0.0.1:{port}" for port in ports[number])
        cluster = ",".join(f"m{i}=http://127.0.0.1:{peer}" for i, (_, peer) in enumerate(ports))
        self.spawn(["etcd", "--name", f"m{number}", "--data-dir", os.path.join(self.directory, "data"),
                    "--listen-client-urls", client, "--advertise-client-urls", client,
                    "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                    "--initial-cluster", cluster, "--heartbeat-interval", "50",
                    "--election-timeout", "500", "--logger", "zap"])


def run(address, size, depth, chained):
    done = subprocess.run([os.path.join(BIN, "bench-etcd"), address, "--seconds", str(SECONDS),
                           "--bytes", str(size), "--depth", str(depth), "--chained", chained],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def main():
    if not shutil.which("etcd"):
        sys.exit("etcd is not installed (Debian: etcd-server)")
    place = tempfile.mkdtemp(prefix="stockd-bench-", dir=os.environ.get("OUT"))
    ports = [(servers.free_port(), servers.free_port()) for _ in range(MEMBERS)]
    members = [Member(place, number, ports) for number in range(MEMBERS)]
    address = "etcd://" + ",".join(member.address for member in members)
    kinds = [(size, depth, chained) for size in SIZES for depth in DEPTHS
             for chained in (("no", "yes") if depth > 1 else ("yes",))]
    results = {kind: [] for kind in kinds}
    try:
        for _ in range(RUNS):
            for kind in kinds:
                results[kind].append(run(address, *kind))
    finally:
        for member in members:
            member.stop()
        shutil.rmtree(place, ignore_errors=True)
    print("| batch | under way | chained | batches/s | MB/s | p50 ms | p99 ms | client's processor µs | sent again |")
    print("|---|---|---|---|---|---|---|---|---|")
    for size, depth, chained in kinds:
        row = {name: statistics.median(result[name] for result in results[size, depth, chained])
               for name in ("batches_s", "mb_s", "p50_ms", "p99_ms", "cpu_us", "again")}
        print(f"| {size // 1024} KiB | {depth} | {chained} | {row['batches_s']:.0f} | {row['mb_s']:.1f} | "
              f"{row['p50_ms']:.1f} | {row['p99_ms']:.0f} | {row['cpu_us']:.0f} | "
              f"{100 * row['again']:.1f} % |")


if __name__ == "__main__":
    main()
