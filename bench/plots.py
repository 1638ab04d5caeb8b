# SPDX-License-Identifier: Apache-2.0
"""The plots of the report, by gnuplot, as SVG."""

import os
import shutil
import subprocess

import figures

HEAD = """set terminal svg size 720,400 font 'sans-serif,12' background rgb 'white'
set output '{path}'
set key outside right top
set grid ytics lc rgb '#dddddd'
set border 3
set tics nomirror
set title '{title}'
"""
COLOURS = ("#1b6ca8", "#d1495b", "#3a7d44", "#8d6a9f", "#edae49", "#666666")


def windows(results):
    return sorted({line["window"] for line in results.record if line["step"] == "windows"
                   and "window" in line})


def block(name, points):
    rows = "\n".join(" ".join(f'"{cell}"' if isinstance(cell, str) else repr(cell)
                              for cell in point) for point in points)
    return f"${name} << EOD\n{rows}\nEOD\n"


def draw_lines(path, title, settings, series):
    """series: (title, [(x, y), ...]); lines with points."""
    series = [(name, points) for name, points in series if points]
    if not series:
        return None
    script = HEAD.format(path=path, title=title) + settings
    for number, (_, points) in enumerate(series):
        script += block(f"s{number}", points)
    lines = [f"$s{number} with linespoints pt 7 ps 0.6 lw 2 lc rgb '{COLOURS[number % 6]}' "
             f"title '{name}'" for number, (name, _) in enumerate(series)]
    return script + "plot " + ", ".join(lines) + "\n"


def points_of(results, step, subject, key, values, **about):
    found = ((value, results.rate(step, subject, **{key: value}, **about)) for value in values)
    return [(value, spread.median) for value, spread in found if spread]


def plot_windows(results, path):
    names = (("bare echo", "windows", "echo", {"workload": "reserve-cancel"}),
             ("answering echo", "windows", "answer", {"workload": "reserve-cancel"}),
             ("stockd, durable", "windows", "stockd", {"workload": "reserve-cancel"}),
             ("Redis, everysec", "redis", "redis", {"durability": "everysec"}),
             ("Redis, always", "redis", "redis", {"durability": "always"}))
    return draw_lines(
        path, "reserve and cancel: messages per second by window",
        "set logscale xy\nset format y '%.0s%c'\nset xlabel 'window of each connection'\n"
        "set xtics (1, 4, 16, 64, 256)\nset xrange [1:256]\n",
        [(title, points_of(results, step, subject, "window", windows(results), **about))
         for title, step, subject, about in names])


def plot_rates(results, path):
    lines = [line["result"] for line in results.record if line["step"] == "rates"]
    return draw_lines(
        path, "open loop: latency by offered rate (from the scheduled time)",
        "set logscale y\nset format x '%.1s%c'\nset xlabel 'offered, messages/s'\n"
        "set ylabel 'ms'\n",
        [(title, [(line["rate"], line["latency_us"][name] / 1000) for line in lines])
         for title, name in (("p50", "p50"), ("p99", "p99"), ("p99.9", "p999"))])


def plot_hot(results, path):
    groups = []
    for title, rate in (
            ("stockd", lambda kind: results.rate(
                "windows", "stockd", workload=kind, window=128)),
            ("PostgreSQL", lambda kind: figures.best(
                [results.rate("postgres", "postgres", workload=kind, commit="on", window=window)
                 for window in (1, 16)]))):
        pair = [rate("reserve-cancel"), rate("hot")]
        if all(pair):
            groups.append((title, pair[0].median, pair[1].median))
    if not groups:
        return None
    return (HEAD.format(path=path, title="one hot item against uniform items, durable")
            + "set style data histogram\nset style histogram clustered gap 1\n"
              "set style fill solid 0.9\nset logscale y\nset yrange [100:*]\n"
              "set format y '%.0s%c'\nset ylabel 'messages/s'\n"
            + block("d", groups)
            + f"plot $d using 2:xtic(1) title 'uniform' lc rgb '{COLOURS[0]}', "
              f"$d using 3 title 'one hot item' lc rgb '{COLOURS[1]}'\n")


def plot_threads(results, path):
    threads = (1, 2, 4, 8, 16)
    series = []
    for workload in ("uniform", "hot"):
        found = ((count, figures.ledger(results, workload, count)) for count in threads)
        series.append((f"in process, {workload}",
                       [(count, spread.median) for count, spread in found if spread]))
    for workload, name in (("reserve-cancel", "uniform"), ("hot", "hot")):
        series.append((f"stockd, {name}", points_of(results, "threads", "stockd", "workers",
                                                    threads, workload=workload)))
    return draw_lines(path, "operations per second by threads",
                      "set yrange [0:*]\nset format y '%.1s%c'\nset xtics 1\n"
                      "set xlabel 'threads'\n", series)


def sizes(results, path, step, key, label):
    values = sorted({line[key] for line in results.record if line["step"] == step})
    return draw_lines(
        path, f"messages per second by {label}, window 128",
        f"set logscale x\nset yrange [0:*]\nset format y '%.1s%c'\nset format x '%.0s%c'\n"
        f"set xlabel '{label}'\n",
        [(name, points_of(results, step, "stockd", key, values, workload=name))
         for name in ("availability", "reserve-cancel")])


def plot_items(results, path):
    return sizes(results, path, "items", "items", "items")


def plot_places(results, path):
    return sizes(results, path, "places", "places", "places of an item")


PLOTS = {name[5:]: value for name, value in list(globals().items()) if name.startswith("plot_")}


def draw(results, folder):
    """Each plot that has something to show, to folder/NAME.svg."""
    gnuplot = shutil.which("gnuplot")
    if not gnuplot:
        print("report: gnuplot is not installed: the plots are as they were")
        return
    os.makedirs(folder, exist_ok=True)
    for name, make in PLOTS.items():
        script = make(results, os.path.join(folder, f"{name}.svg"))
        if script:
            subprocess.run([gnuplot], input=script, text=True, check=True, cwd=folder)
