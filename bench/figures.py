# SPDX-License-Identifier: Apache-2.0
"""The results of run.py: medians and spreads, ratios, and the bars to compare them with. This module
reads and writes no file."""

import statistics


class Spread:
    """The median of some values, with the least and the greatest."""

    def __init__(self, values):
        self.values = list(values)
        self.median = statistics.median(self.values)
        self.least = min(self.values)
        self.most = max(self.values)

    def times(self, factor):
        return Spread([value * factor for value in self.values])


class Results:
    """The record, queried by step, subject and other keys of its lines."""

    def __init__(self, data):
        self.data = data
        self.record = data["record"]

    def find(self, step, subject, **about):
        return [line["result"] for line in self.record
                if line["step"] == step and line["subject"] == subject
                and all(line.get(key) == value for key, value in about.items())]

    def spread(self, name, step, subject, **about):
        """Of one result; None: it was not measured."""
        found = [result[name] for result in self.find(step, subject, **about)]
        return Spread(found) if found else None

    def rate(self, step, subject, **about):
        """Of messages per second; each run of a line counts."""
        found = []
        for result in self.find(step, subject, **about):
            runs = result.get("runs") or [result]
            found += [run["messages_per_s"] for run in runs]
        return Spread(found) if found else None

    def latency(self, name, step, subject, **about):
        found = [result["latency_us"][name] for result in self.find(step, subject, **about)]
        return statistics.median(found) if found else None

    def why_not(self, step):
        return next((skip["why"] for skip in self.data["skipped"] if skip["step"] == step), None)


def ratio(part, whole):
    """Of two medians; None if one of them is missing."""
    return part.median / whole.median if part and whole and whole.median > 0 else None


def with_sync(rate, window, connections, sync_us):
    """What an echo of that rate would reach if each round trip waited for one write of the disk:
    with N messages in flight and E messages a second, N / (N / E + sync)."""
    in_flight = window * connections
    return in_flight / (in_flight / rate + sync_us / 1e6)


def of_echo_with_sync(results, window):
    stockd = results.rate("windows", "stockd", workload="reserve-cancel", window=window)
    echo = results.rate("windows", "echo", workload="reserve-cancel", window=window)
    disk = results.spread("p50_us", "windows", "disk")
    if not (stockd and echo and disk):
        return None
    ceiling = with_sync(echo.median, window, results.data["connections"], disk.median)
    return stockd.median / ceiling


def best(spreads):
    """The one with the greatest median."""
    there = [spread for spread in spreads if spread]
    return max(there, key=lambda spread: spread.median) if there else None


def against_redis(results):
    return ratio(results.rate("redis", "stockd", window=128, durability="always"),
                 results.rate("redis", "redis", window=128, durability="always"))


def against_postgres(results):
    """stockd at its window, PostgreSQL at the better of its two."""
    peers = [results.rate("postgres", "postgres", workload="hot", commit="on", window=window)
             for window in (1, 16)]
    return ratio(results.rate("windows", "stockd", workload="hot", window=128), best(peers))


def ledger(results, workload, threads):
    found = [result["operations_per_second"] for result in results.find("threads", "ledger")
             if result["workload"] == workload and result["threads"] == threads]
    return Spread(found) if found else None


def replay_rate(results):
    """Records a second, without the time of an empty start."""
    for result in results.find("recovery", "replay"):
        return result["records"] / max(1e-3, result["seconds"] - result["empty_seconds"])
    return None


def snapshot_rate(results):
    """Bytes a second of a start from a snapshot, without the time of an empty start."""
    replay = results.find("recovery", "replay")
    for result in results.find("recovery", "snapshot"):
        empty = replay[0]["empty_seconds"] if replay else 0
        return result["bytes"] / max(1e-3, result["start_seconds"] - empty)
    return None


def table_bytes(results, what):
    return next((result[what] for result in results.find("recovery", "tables")), None)


def mirror_p99(results):
    return next((result["p99_ms"] for result in results.find("mirror", "mirror")), None)


def median_of(spread):
    return spread.median if spread else None


def bars(results):
    """(what, value or None, bar or None, unit, True if more is better)"""
    echo128 = ratio(results.rate("windows", "stockd", workload="reserve-cancel", window=128),
                    results.rate("windows", "echo", workload="reserve-cancel", window=128))
    answer128 = ratio(results.rate("windows", "stockd", workload="reserve-cancel", window=128),
                      results.rate("windows", "answer", workload="reserve-cancel", window=128))
    reads = ratio(results.rate("windows", "stockd", workload="availability", window=128),
                  results.rate("windows", "echo", workload="availability", window=128))
    hot = ratio(results.rate("windows", "stockd", workload="hot", window=128),
                results.rate("windows", "stockd", workload="reserve-cancel", window=128))
    two = ratio(ledger(results, "uniform", 2), ledger(results, "uniform", 1))
    return [
        ("durable reserve, window 128, of the bare echo", echo128, 0.40, "%", True),
        ("the same, of the answering echo", answer128, None, "%", True),
        ("durable reserve, window 16, of echo with the disk's sync", of_echo_with_sync(results, 16),
         0.60, "%", True),
        ("durable reserve, window 1, of echo with the disk's sync", of_echo_with_sync(results, 1),
         0.60, "%", True),
        ("availability of one SKU, window 128, of the bare echo", reads, 0.50, "%", True),
        ("durable reserve against Redis, `appendfsync always`, window 128", against_redis(results),
         25, "×", True),
        ("durable reserve, one hot SKU, against PostgreSQL", against_postgres(results), 300, "×",
         True),
        ("one hot SKU against uniform SKUs", hot, 0.80, "%", True),
        ("in process, one thread, 1 M items: reserves and cancels",
         median_of(ledger(results, "uniform", 1)), 2e6, "/s", True),
        ("in process, two threads against one, uniform SKUs", two, 1.6, "×", True),
        ("recovery: replay, records", replay_rate(results), 3e6, "/s", True),
        ("recovery: snapshot, bytes", snapshot_rate(results), 0.5e9, "B/s", True),
        ("memory of a pool", table_bytes(results, "pool_bytes"), 32, "B", False),
        ("memory of a live single-line reservation", table_bytes(results, "id_bytes"), 160, "B", False),
        ("mirror: change to visible in Redis, p99 at 50 k changes/s", mirror_p99(results), 20,
         "ms", False),
    ]


def verdict(value, bar, more_is_better):
    if value is None:
        return "not measured"
    if bar is None:
        return ""
    return "met" if (value >= bar if more_is_better else value <= bar) else "missed"
