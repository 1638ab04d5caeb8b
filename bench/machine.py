# SPDX-License-Identifier: Apache-2.0
"""The machine and the programs of a measurement."""

import os
import platform
import re
import subprocess
import time

from servers import Postgres, postgres_bin


def first_line(*argv):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except OSError:
        return "not installed"
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0] if lines else "unknown"


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown"


def memory_gib():
    with open("/proc/meminfo", encoding="ascii") as lines:
        return int(lines.readline().split()[1]) / 2**20


def file_system(path):
    """The type of the file system that holds the path."""
    found = ("", "unknown")
    with open("/proc/mounts", encoding="utf-8") as lines:
        for line in lines:
            _, where, kind = line.split()[:3]
            inside = path == where or path.startswith(where.rstrip("/") + "/")
            if inside and len(where) >= len(found[0]):
                found = (where, kind)
    return found[1]


def describe(bin_dir):
    postgres = postgres_bin()
    redis = re.search(r"v=\S+", first_line("redis-server", "--version"))
    return {
        "cpu": cpu_model(),
        "cpus": os.cpu_count(),
        "memory_gib": round(memory_gib(), 1),
        "kernel": platform.release(),
        "system": next((line.split("=")[1].strip().strip('"')
                        for line in open("/etc/os-release", encoding="utf-8")
                        if line.startswith("PRETTY_NAME=")), "unknown"),
        "file_system": file_system(os.path.realpath(bin_dir)),
        "compiler": first_line("gcc", "--version"),
        "stockd": first_line(os.path.join(bin_dir, "stockd"), "--version"),
        "commit": first_line("git", "describe", "--always", "--dirty"),
        "redis": redis.group(0)[2:] if redis else "not installed",
        "postgres": first_line(os.path.join(postgres, "postgres"), "--version")
                    if postgres else "not installed",
        "postgres_settings": Postgres.SETTINGS,
        "date": time.strftime("%Y-%m-%d"),
        "load_average": os.getloadavg()[0],
    }
