#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Requests that one thread of stock-gateway answers, by kind.

wrk (Debian's package of that name) keeps CONNECTIONS connections busy for SECONDS. Beside the rate
stands the rate a core: requests by the processor time that the gateway took for them, in which what
wrk and the engine take of the machine does not count. The ceiling is /healthz, which no engine
answers: libmicrohttpd alone. Changes wait for the disk, so their rate says more of the number of
connections than of the gateway.
Environment: BIN, SECONDS, CONNECTIONS, THREADS (of wrk), ITEMS."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import msgpack

BIN = os.environ.get("BIN", os.path.join(os.path.dirname(__file__), "../build/release/bin"))
SECONDS = float(os.environ.get("SECONDS", "5"))
CONNECTIONS = int(os.environ.get("CONNECTIONS", "64"))
THREADS = int(os.environ.get("THREADS", "1"))
ITEMS = int(os.environ.get("ITEMS", "10000"))

SKUS = [f"SKU-{index:06d}" for index in range(ITEMS)]

LUA = {
    "availability of one": """
request = function()
  return wrk.format("GET", string.format("/v1/availability/default?sku=SKU-%%06d",
                                         math.random(0, %(last)d)))
end""",
    "availability of ten": """
request = function()
  local t = {}
  for i = 1, 10 do t[i] = string.format("sku=SKU-%%06d", math.random(0, %(last)d)) end
  return wrk.format("GET", "/v1/availability/default?" .. table.concat(t, "&"))
end""",
    "availability by POST": """
request = function()
  return wrk.format("POST", "/v1/availability", nil, string.format(
    '{"channel":"default","skus":["SKU-%%06d"]}', math.random(0, %(last)d)))
end""",
    "items": """
request = function()
  return wrk.format("GET", string.format("/v1/items/SKU-%%06d", math.random(0, %(last)d)))
end""",
    "reserve, durable": """
local n = 0
request = function()
  n = n + 1
  return wrk.format("POST", "/v1/reserve", nil, string.format(
    '{"id":"%(run)s-%%d","channel":"default","lines":[["SKU-%%06d",1]]}', n,
    math.random(0, %(last)d)))
end""",
    "nothing (/healthz)": """
request = function() return wrk.format("GET", "/healthz") end""",
}


def start(name, folder, *args):
    ready = os.path.join(folder, name + ".ready")
    process = subprocess.Popen([os.path.join(BIN, name), *args, "--ready-file", ready],
                               stderr=subprocess.DEVNULL)
    while not os.path.exists(ready):
        if process.poll() is not None:
            sys.exit(f"{name} ended")
        time.sleep(0.01)
    with open(ready, encoding="ascii") as file:
        return process, file.readline().strip()


def fill(address):
    import socket
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(address)
    unpacker = msgpack.Unpacker()
    for at in range(0, ITEMS, 500):
        part = SKUS[at:at + 500]
        sock.sendall(b"".join(msgpack.packb([0, 1, "receive", [f"r-{s}", s, "main", 1000000]])
                              for s in part))
        left = len(part)
        while left:
            unpacker.feed(sock.recv(1 << 18))
            left -= sum(1 for _ in unpacker)
    sock.close()


def cpu_seconds(process):
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(folder, gateway, address, name):
    script = os.path.join(folder, "load.lua")
    with open(script, "w", encoding="ascii") as file:
        file.write(LUA[name] % {"last": ITEMS - 1, "run": os.getpid()})
    before = cpu_seconds(gateway)
    done = subprocess.run(["wrk", f"-t{THREADS}", f"-c{CONNECTIONS}", f"-d{SECONDS:.0f}",
                           "--latency", "-s", script, f"http://{address}/"],
                          capture_output=True, text=True, check=True)
    used = cpu_seconds(gateway) - before
    total = int(re.search(r"(\d+) requests in", done.stdout).group(1))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout).group(1))
    half = re.search(r"50%\s+(\S+)", done.stdout).group(1)
    most = re.search(r"99%\s+(\S+)", done.stdout).group(1)
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    bad = f"{failed.group(1)} refused" if failed else ""
    print(f"| {name} | {rate:,.0f} | {total / used:,.0f} | {half} | {most} |{' ' + bad if bad else ''}")


def main():
    if not shutil.which("wrk"):
        sys.exit("wrk is not installed: scripts/install-dependencies.sh bench")
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "data")
        os.mkdir(data)
        path = os.path.join(folder, "s")
        engine, _ = start("stockd", folder, "--data", data, "--listen", "unix:" + path,
                          "--remember-s", "2")
        gateway, address = start("stock-gateway", folder, "--engine", "unix:" + path, "--listen",
                                 "127.0.0.1:0", "--threads", "1")
        try:
            fill(path)
            print("| requests | a second | a second and core of the gateway | p50 | p99 |")
            print("|---|---|---|---|---|")
            for name in LUA:
                measure(folder, gateway, address, name)
        finally:
            for process in (gateway, engine):
                process.terminate()
                process.wait()


if __name__ == "__main__":
    main()
