#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Faults by the hundred, in random order, on three nodes and three members of etcd; then what must be.

siege.py BUILD_DIR [--faults N] [--seed N] [--members N]

Prints a row for each kind of fault: how often, and how long nobody's change was acknowledged. The
nodes' times are short (node_driver.c), so outages are not those of a cluster as it is shipped.
"""

import argparse
import collections
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
EACH = 20  # faults in one cluster
FAULTS = ("kill_primary", "kill_standby", "pause_primary", "partition", "mute_primary", "deaf_primary",
          "cut_standby", "contest", "hand_over", "fall_behind", "lose_disk", "kill_member")


def longest_gap(answers, since_us):
    times = sorted(when for _, when, _ in list(answers.values()) if when >= since_us)
    gaps = [later - earlier for earlier, later in zip([since_us, *times], times)]
    return max(gaps, default=0) / 1000


def besiege(driver, seed, members, count, rows):
    from nodes_case import Trio
    trio = Trio(members, driver, seed, ("--keep", 20_000))
    chance = random.Random(seed)
    try:
        trio.progress()
        for _ in range(count):
            fault = chance.choice(FAULTS[:-1] if members == 1 else FAULTS)
            began = time.monotonic_ns() // 1000
            getattr(trio, fault)()
            trio.progress()
            rows[fault].append(longest_gap(trio.answers, began))
        trio.settle()
        return len(trio.answers)
    finally:
        trio.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--members", type=int, default=3)
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    os.environ.setdefault("STOCKD_BIN_DIR", os.path.join(build, "bin"))
    sys.path[:0] = [os.path.join(ROOT, "tests", "integration"), os.path.join(ROOT, "tests", "support")]
    print(f"seed {options.seed}", flush=True)
    rows, answered, left, seed = collections.defaultdict(list), 0, options.faults, options.seed
    while left > 0:
        count = min(left, EACH)
        answered += besiege(os.path.join(build, "tests", "cluster", "node_driver"), seed,
                            options.members, count, rows)
        left -= count
        seed += 1
    print("| fault | times | longest gap, p50 ms | max ms |\n|---|---|---|---|")
    for fault in FAULTS:
        gaps = sorted(rows[fault])
        if gaps:
            print(f"| {fault} | {len(gaps)} | {gaps[len(gaps) // 2]:.0f} | {gaps[-1]:.0f} |")
    print(f"{answered} batches acknowledged, 0 lost, 0 in conflict")


if __name__ == "__main__":
    main()
