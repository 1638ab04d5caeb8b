#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""report.py RUNS RESULTS: turns the record of run.sh into a table, and into JSON.

Each figure is the median of its rounds, with the least and the greatest. "of echo" divides by echo
at the same window. "of echo+sync" divides by what echo would reach if each round trip also waited
for one write of the disk: with N messages in flight and echo at E messages/s, N / (N / E + sync).
"""

import json
import os
import platform
import statistics
import sys

# What the figures are held against: (workload, window, column) -> least ratio.
BARS = {
    ("reserve-cancel", 128, "of_echo"): 0.40,
    ("reserve-cancel", 16, "of_echo_sync"): 0.60,
    ("reserve-cancel", 1, "of_echo_sync"): 0.60,
    ("availability", 128, "of_echo"): 0.50,
    ("hot", 128, "of_uniform"): 0.80,
}
COLUMNS = {"of_echo": "of echo", "of_echo_sync": "of echo+sync", "of_uniform": "of uniform"}
EMPTY_KIB_BAR = 32 * 1024
LEDGER_BAR = 2e6  # operations/s of one thread on 1 M items


def read(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summarize(runs):
    """One entry for each workload and window, in the order in which they were first run."""
    groups = {}
    for run in runs:
        groups.setdefault((run["workload"], run["window"]), []).append(run)
    return {
        key: {
            "workload": key[0],
            "window": key[1],
            "connections": group[0]["connections"],
            "rounds": len(group),
            "messages_per_s": spread([run["messages_per_s"] for run in group]),
            "p50_us": statistics.median([run["latency_us"]["p50"] for run in group]),
            "p99_us": statistics.median([run["latency_us"]["p99"] for run in group]),
            "p999_us": statistics.median([run["latency_us"]["p999"] for run in group]),
            "bytes_out": statistics.median([run["bytes_out_per_message"] for run in group]),
            "bytes_in": statistics.median([run["bytes_in_per_message"] for run in group]),
            "generator_cpu": statistics.median([run["generator_cpu"] for run in group]),
            "errors": sum(run["errors"] for run in group),
        }
        for key, group in groups.items()
    }


def ratio(part, whole):
    return part / whole if whole > 0 else 0.0


def echo_with_sync(echo, sync_us):
    in_flight = echo["connections"] * echo["window"]
    echo_seconds = ratio(in_flight, echo["messages_per_s"]["median"])
    return in_flight / (echo_seconds + sync_us / 1e6)


def add_ratios(summary, sync_us):
    for (workload, window), entry in summary.items():
        median = entry["messages_per_s"]["median"]
        echo = summary.get(("echo", window))
        uniform = summary.get(("reserve-cancel", window))
        if workload == "echo":
            continue
        if echo:
            entry["of_echo"] = ratio(median, echo["messages_per_s"]["median"])
            entry["of_echo_sync"] = ratio(median, echo_with_sync(echo, sync_us))
        if workload == "hot" and uniform:
            entry["of_uniform"] = ratio(median, uniform["messages_per_s"]["median"])


def rate(value):
    return f"{value / 1e6:.3f} M/s"


def percent(entry, column):
    return f"{100 * entry[column]:.0f} %" if column in entry else "-"


def verdict(entry):
    words = []
    for (workload, window, column), bar in BARS.items():
        if (workload, window) == (entry["workload"], entry["window"]) and column in entry:
            met = "met" if entry[column] >= bar else "MISSED"
            words.append(f"{COLUMNS[column]} >= {100 * bar:.0f} %: {met}")
    if entry["errors"]:
        words.append(f"{entry['errors']} ERRORS")
    return ", ".join(words)


def print_table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [cell.ljust(width) if i in (0, len(row) - 1) else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip())


def table(summary):
    rows = [["workload", "window", "median", "min", "max", "of echo", "of echo+sync", "of uniform",
             "p50 us", "p99 us", "generator", "bar"]]
    for entry in summary.values():
        messages = entry["messages_per_s"]
        rows.append([entry["workload"], str(entry["window"]), rate(messages["median"]),
                     rate(messages["min"]), rate(messages["max"]), percent(entry, "of_echo"),
                     percent(entry, "of_echo_sync"), percent(entry, "of_uniform"),
                     f"{entry['p50_us']:.0f}", f"{entry['p99_us']:.0f}",
                     f"{100 * entry['generator_cpu']:.0f} %", verdict(entry)])
    return rows


def ledger_lines(runs):
    """The ledger without sockets and disk: operations, each reserve and each cancel being one."""
    for run in runs:
        rate_text = rate(run["operations_per_second"])
        line = (f"in process: {run['workload']}, {run['items']} items, "
                f"{run['threads']} thread(s): {rate_text}")
        if run["workload"] == "uniform" and run["threads"] == 1:
            met = "met" if run["operations_per_second"] >= LEDGER_BAR else "MISSED"
            line += f" (bar {rate(LEDGER_BAR)}: {met})"
        if run["failed"]:
            line += f", {run['failed']} FAILED"
        yield line


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown"


def main(runs_path, results_path):
    record = read(runs_path)
    by_kind = {kind: [line["data"] for line in record if line["kind"] == kind]
               for kind in ("load", "disk", "memory", "ledger")}
    memory = {key: value for line in by_kind["memory"] for key, value in line.items()}
    sync_us = statistics.median([disk["p50_us"] for disk in by_kind["disk"]])
    summary = summarize(by_kind["load"])
    add_ratios(summary, sync_us)

    print(f"{cpu_model()}, {os.cpu_count()} CPUs, Linux {platform.release()}; generator, echo and "
          "stockd share them")
    print(f"disk: a 4 KiB durable write takes {sync_us:.0f} us "
          f"(p99 {statistics.median([disk['p99_us'] for disk in by_kind['disk']]):.0f} us)\n")
    print_table(table(summary))
    empty = memory.get("empty_kib", 0)
    print(f"\nmemory: empty engine {empty / 1024:.1f} MB "
          f"(bar {EMPTY_KIB_BAR / 1024:.0f} MB: {'met' if empty < EMPTY_KIB_BAR else 'MISSED'}), "
          f"after the run {memory.get('after_kib', 0) / 1024:.1f} MB")

    for line in ledger_lines(by_kind["ledger"]):
        print(line)

    with open(results_path, "w", encoding="utf-8") as out:
        json.dump({"cpu": cpu_model(), "cpus": os.cpu_count(), "kernel": platform.release(),
                   "disk": by_kind["disk"], "memory": memory, "ledger": by_kind["ledger"],
                   "results": list(summary.values()), "runs": by_kind["load"]}, out, indent=2)
        out.write("\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
