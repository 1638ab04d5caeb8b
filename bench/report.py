#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""report.py RESULTS DOCUMENT: writes what run.py measured into the document.

The document belongs to its authors, except what lies between a line `<!-- measured: NAME -->` and
the next `<!-- end -->`, which each run rewrites. Plots go beside it, in bench/*.svg. If there is no
document, the report is one with all tables and no prose.
"""

import json
import os
import re
import sys
import textwrap

import figures
import plots

COLUMNS = 100
MARK = re.compile(r"(<!-- measured: ([a-z]+) -->\n).*?(<!-- end -->)", re.S)


# ---- words for numbers

def count(value):
    """1234567 -> 1.23 M"""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            scaled = value / size
            digits = 0 if scaled >= 100 else 1 if scaled >= 10 else 2
            return f"{scaled:.{digits}f} {unit}"
    return f"{value:.0f}"


def rate(spread):
    if spread is None:
        return "–"
    text = f"{count(spread.median)}/s"
    if len(spread.values) > 1:
        text += f" ({count(spread.least)} – {count(spread.most)})"
    return text


def micros(value):
    if value is None:
        return "–"
    return f"{value / 1000:.1f} ms" if value >= 1000 else f"{value:.0f} µs"


def percent(value):
    return "–" if value is None else f"{100 * value:.0f} %"


def times(value):
    return "–" if value is None else f"{value:.1f}×" if value < 10 else f"{value:.0f}×"


def amount(value, unit):
    if value is None:
        return "–"
    if unit == "%":
        return percent(value)
    if unit == "×":
        return times(value)
    if unit in ("/s", "B/s"):
        return f"{value / 1e9:.2f} GB/s" if unit == "B/s" else f"{count(value)}/s"
    return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def missing(results, *steps):
    """Why steps are missing, one line each."""
    return "".join(f"\nNot measured in this run ({step}): {' '.join(why.split())[:200]}\n"
                   for step in steps for why in [results.why_not(step)] if why)


def figure(name, alt):
    return f"\n![{alt}](bench/{name}.svg)\n"


def errors(result):
    return f", **{result['errors']} errors**" if result.get("errors") else ""


# ---- the tables, by name

def text_machine(results):
    m = results.data["machine"]
    data = results.data
    disk = results.spread("p50_us", "windows", "disk")
    disk99 = results.spread("p99_us", "windows", "disk")
    said = [
        f"{m['cpu']}, {m['cpus']} CPUs, {m['memory_gib']} GiB; {m['system']}, "
        f"Linux {m['kernel']}, {m['file_system']}; {m['compiler']}",
        f"{m['stockd']}, commit {m['commit']}, {m['date']}; "
        f"no compaction beside the load; options: `--durability always {' '.join(data['stockd_args'])}`".replace(" `", "`")
        .replace("options:`", "options: `"),
        f"each id is remembered for at least {data['remember_s']} s after it ended (`--remember-s`), in a table of "
        "4 M ids; a million ids a second for the default of 300 s would take a table of 300 M, 45 GB",
        f"Redis {m['redis']}: `appendonly yes`, no snapshots, no rewrite during the run",
        f"{m['postgres']}: " + ", ".join(f"`{key}={value}`" for key, value in
                                         m["postgres_settings"].items() if value),
        f"{data['connections']} connections, {count(data['items'])} items, one generator thread; "
        f"each figure is of {data['seconds']:g} s after a warm-up, in {data['rounds']} "
        "alternating rounds",
        f"load average when the run ended: {m['load_average']:.1f}; it took "
        f"{data['took'] / 60:.0f} minutes",
    ]
    if disk:
        said.append(f"a 4 KiB durable write of this disk: {micros(disk.median)} "
                    f"({micros(disk.least)} – {micros(disk.most)}), p99 {micros(disk99.median)}")
    return "".join(f"- {line}\n" for line in said)


def text_bars(results):
    rows = [[what, amount(value, unit),
             "" if bar is None else ("≥ " if more else "≤ ") + amount(bar, unit),
             figures.verdict(value, bar, more)]
            for what, value, bar, unit, more in figures.bars(results)]
    return table(["figure", "measured", "bar", ""], rows) + missing(results, "recovery", "mirror")


def text_windows(results):
    rows = []
    shapes = [("reserve-cancel", window) for window in plots.windows(results)]
    for workload, window in shapes + [(name, 128) for name in ("hot", "zipf", "availability")]:
        about = {"workload": workload, "window": window}
        stockd = results.rate("windows", "stockd", **about)
        if not stockd:
            continue
        echo = results.rate("windows", "echo", **about)
        answer = results.rate("windows", "answer", **about)
        synced = figures.of_echo_with_sync(results, window) if workload == "reserve-cancel" else None
        rows.append([workload, str(window), rate(stockd),
                     micros(results.latency("p50", "windows", "stockd", **about)),
                     micros(results.latency("p99", "windows", "stockd", **about)),
                     rate(echo), percent(figures.ratio(stockd, echo)), percent(synced),
                     rate(answer), percent(figures.ratio(stockd, answer))])
    return (table(["workload", "window", "stockd", "p50", "p99", "bare echo", "of it",
                   "of it with the disk's sync", "answering echo", "of it"], rows)
            + missing(results, "windows") + figure("windows", "throughput by window")
            + figure("hot", "hot against uniform"))


def text_redis(results):
    rows = []
    for durability in ("always", "everysec"):
        for window in plots.windows(results):
            about = {"durability": durability, "window": window}
            redis = results.rate("redis", "redis", **about)
            stockd = results.rate("redis", "stockd", **about)
            if redis and stockd:
                rows.append([durability, str(window), rate(stockd), rate(redis),
                             times(figures.ratio(stockd, redis)),
                             micros(results.latency("p99", "redis", "stockd", **about)),
                             micros(results.latency("p99", "redis", "redis", **about))])
    return table(["durability", "window", "stockd", "Redis", "stockd is", "stockd p99",
                  "Redis p99"], rows) + missing(results, "redis")


def text_postgres(results):
    rows = []
    for commit in ("on", "off"):
        for workload in ("hot", "reserve-cancel"):
            for window in (1, 16):
                about = {"commit": commit, "workload": workload, "window": window}
                peer = results.rate("postgres", "postgres", **about)
                stockd = results.rate("postgres", "stockd", **about)
                if peer and stockd:
                    rows.append([commit, "hot" if workload == "hot" else "uniform", str(window),
                                 rate(stockd), rate(peer), times(figures.ratio(stockd, peer)),
                                 micros(results.latency("p99", "postgres", "stockd", **about)),
                                 micros(results.latency("p99", "postgres", "postgres", **about))])
    return table(["`synchronous_commit`", "items", "window", "stockd", "PostgreSQL", "stockd is",
                  "stockd p99", "PostgreSQL p99"], rows) + missing(results, "postgres")


def text_workloads(results):
    rows = []
    for line in results.record:
        if line["step"] != "workloads":
            continue
        result = line["result"]
        name = line["workload"]
        if name == "idle":
            name = f"reserve-cancel, {line['idle']:,} idle connections beside it"
            if line["idle"] > 0:
                name += f" (+ {line['grown'] / 2**20:.0f} MiB)"
        rows.append([name, str(line["window"]),
                     rate(figures.Spread([run["messages_per_s"] for run in result["runs"]])),
                     micros(result["latency_us"]["p50"]), micros(result["latency_us"]["p99"]),
                     micros(result["latency_us"]["p999"]),
                     {True: "add up", False: "**do not add up**", None: ""}
                     [result.get("units_add_up")] + errors(result)])
    return table(["workload", "window", "messages (connect: connections)", "p50", "p99", "p99.9",
                  "units"], rows) + missing(results, "workloads")


def text_rates(results):
    rows = []
    for line in results.record:
        if line["step"] == "rates":
            result = line["result"]
            latency = result["latency_us"]
            rows.append([f"{count(result['rate'])}/s", f"{count(result['messages_per_s'])}/s",
                         *(micros(latency[name]) for name in ("p50", "p90", "p99", "p999", "max")),
                         "the generator" if result["generator_limited"] else ""])
    return (table(["offered", "answered", "p50", "p90", "p99", "p99.9", "max", "limited by"], rows)
            + missing(results, "rates") + figure("rates", "latency by offered rate"))


def text_threads(results):
    rows = []
    for workload in ("uniform", "hot"):
        one = figures.ledger(results, workload, 1)
        for threads in (1, 2, 4, 8, 16):
            spread = figures.ledger(results, workload, threads)
            if spread:
                rows.append(["in process", workload, str(threads), rate(spread),
                             times(figures.ratio(spread, one))])
    for workload in ("reserve-cancel", "hot"):
        one = results.rate("threads", "stockd", workload=workload, workers=1)
        for workers in (1, 2, 4, 8, 16):
            spread = results.rate("threads", "stockd", workload=workload, workers=workers)
            if spread:
                rows.append(["stockd, window 128", "hot" if workload == "hot" else "uniform",
                             str(workers), rate(spread), times(figures.ratio(spread, one))])
    return (table(["", "items", "threads", "operations", "against one"], rows)
            + missing(results, "threads") + figure("threads", "operations by threads"))


def text_sizes(results):
    rows = []
    for line in results.record:
        if line["step"] == "items" and line["workload"] == "reserve-cancel":
            reads = results.rate("items", "stockd", workload="availability", items=line["items"])
            rows.append([f"{line['items']:,} items", rate(
                figures.Spread([run["messages_per_s"] for run in line["result"]["runs"]])),
                rate(reads), "", "", f"{line['resident'] / 2**20:.0f} MiB"])
    for line in results.record:
        if line["step"] == "places" and line["workload"] == "reserve-cancel":
            reads = results.rate("places", "stockd", workload="availability",
                                 places=line["places"])
            rows.append([f"1,000 items at {line['places']} places", rate(
                figures.Spread([run["messages_per_s"] for run in line["result"]["runs"]])),
                rate(reads), *(rate(results.spread(
                    "operations_per_second", "places", "ledger", workload=workload,
                    places=line["places"])) for workload in ("wide", "ask")),
                f"+ {line['grown'] / 2**20:.0f} MiB"])
    return (table(["", "reserve-cancel", "availability", "in process: reserves, cancels",
                   "in process: availability", "memory"], rows)
            + missing(results, "items", "places") + figure("items", "throughput by items")
            + figure("places", "throughput by places"))


def text_recovery(results):
    rows = []
    for result in results.find("recovery", "replay"):
        rows.append(["start from the journal",
                     f"{count(result['records'])} records, {result['bytes'] / 1e6:.0f} MB",
                     f"{result['seconds']:.2f} s (an empty one {result['empty_seconds']:.2f} s)"])
    for result in results.find("recovery", "snapshot"):
        rows.append(["compaction by hand", f"{result['bytes'] / 1e6:.0f} MB of snapshot",
                     f"{result['compact_seconds']:.2f} s"])
        rows.append(["start from the snapshot", f"{result['bytes'] / 1e6:.0f} MB",
                     f"{result['start_seconds']:.2f} s"])
    for result in results.find("recovery", "tables"):
        rows.append(["memory of the tables", "2 M pools of 100,000 items; 465,536 ids",
                     f"{result['pool_bytes']:.1f} bytes a pool, with its part of the item; "
                     f"{result['id_bytes']:.1f} an id, with its part of the index"])
    for result in results.find("windows", "memory"):
        for key, what in (("empty_bytes", "memory of an empty engine"),
                          ("after_bytes", "memory after all runs of the first table")):
            if key in result:
                rows.append([what, "", f"{result[key] / 2**20:.1f} MiB"])
    for result in results.find("mirror", "mirror"):
        rows.append(["mirror: a change to visible in Redis", f"{result['changes']} changes",
                     f"p50 {result['p50_ms']:.1f} ms, p99 {result['p99_ms']:.1f} ms, "
                     f"max {result['max_ms']:.1f} ms (to the reply alone: p50 "
                     f"{result['reply_p50_ms']:.1f} ms, p99 {result['reply_p99_ms']:.1f} ms)"])
    return table(["", "", ""], rows) + missing(results, "recovery", "mirror")


TEXTS = {name[5:]: value for name, value in list(globals().items()) if name.startswith("text_")}


def blank():
    return "".join(f"## {name}\n\n<!-- measured: {name} -->\n<!-- end -->\n\n" for name in TEXTS)


def wrapped(text):
    """Prose within 100 columns; tables and pictures as they are."""
    lines = []
    for line in text.split("\n"):
        indent = "  " if line.startswith("- ") else ""
        wraps = len(line) > COLUMNS and not line.startswith(("|", "!"))
        lines += textwrap.wrap(line, COLUMNS, subsequent_indent=indent, break_long_words=False,
                               break_on_hyphens=False) if wraps else [line]
    return "\n".join(lines)


def assemble(document, results):
    """The document with its measured parts rewritten."""
    def fill(match):
        if match.group(2) not in TEXTS:
            raise SystemExit(f"report.py: there is no table '{match.group(2)}'; "
                             f"there are: {' '.join(TEXTS)}")
        return f"{match.group(1)}{wrapped(TEXTS[match.group(2)](results))}{match.group(3)}"
    return MARK.sub(fill, document)


def main(results_path, document_path):
    with open(results_path, encoding="utf-8") as source:
        results = figures.Results(json.load(source))
    document = "# What was measured\n\n" + blank()
    if os.path.exists(document_path):
        with open(document_path, encoding="utf-8") as source:
            document = source.read()
    plots.draw(results, os.path.join(os.path.dirname(os.path.abspath(document_path)), "bench"))
    text = assemble(document, results)
    with open(document_path, "w", encoding="utf-8") as out:
        out.write(text)
    print(text_bars(results))
    print(f"report: {document_path}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
