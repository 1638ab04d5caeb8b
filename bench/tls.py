#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What TLS costs: messages a second with and without, in turn, and the engine's processor time for
each; handshakes, full and resumed, for each second of processor time; memory of a connection that
is idle; and how long a ping takes beside clients that do nothing but shake hands. Processor times
mean something on a busy machine, too.

Environment: BIN, SECONDS (of each measurement), RUNS (of each load), CONNECTIONS, IDLE, KEYS
(kinds of the engine's key, of ec and rsa)."""

import contextlib
import multiprocessing
import os
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

import msgpack

import servers

BIN = os.environ.get("BIN", os.path.join(os.path.dirname(__file__), "../build/release/bin"))
SECONDS = float(os.environ.get("SECONDS", "5"))
RUNS = int(os.environ.get("RUNS", "5"))
CONNECTIONS = os.environ.get("CONNECTIONS", "32")
IDLE = int(os.environ.get("IDLE", "2000"))
KEYS = os.environ.get("KEYS", "ec rsa").split()

NEW_KEY = {
    "ec": ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "rsa": ("-newkey", "rsa:2048"),
}
PING = msgpack.packb([0, 1, "ping", []])


def certificate(place, kind):
    """Signed by itself: (certificate, key)."""
    pem, key = (os.path.join(place, f"{kind}.{end}") for end in ("pem", "key"))
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes", *NEW_KEY[kind], "-keyout", key, "-out", pem]
        + ["-days", "2", "-subj", "/CN=stockd", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True,
        capture_output=True,
    )
    return pem, key


class Engine(servers.Server):
    """With an address of each kind."""

    name = "stockd"

    def __init__(self, place, number, files, *options):
        super().__init__(place, number)
        ready = os.path.join(self.directory, "ready")
        self.spawn(
            [os.path.join(BIN, "stockd"), "--data", os.path.join(self.directory, "data")]
            + ["--ready-file", ready, "--listen", "127.0.0.1:0", "--listen", "tls://127.0.0.1:0"]
            + ["--tls-cert", files[0], "--tls-key", files[1], "--workers", "1"]
            + ["--remember-s", "2", *options]
        )
        self.wait(lambda: os.path.exists(ready))
        with open(ready, encoding="ascii") as lines:
            self.plain, self.tls = lines.read().split()
        self.port = int(self.tls.rsplit(":", 1)[1])
        self.plain_port = int(self.plain.rsplit(":", 1)[1])

    def processor_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def engine(place, number, files, *options):
    one = Engine(place, number, files, *options)
    try:
        yield one
    finally:
        one.stop()


# ---- messages a second ----


def requests(one):
    with socket.create_connection(("127.0.0.1", one.plain_port)) as connection:
        connection.sendall(msgpack.packb([0, 1, "info", ["server"]]))
        for message in msgpack.Unpacker(connection.makefile("rb", 0), raw=False):
            return message[3]["server"]["requests"]


def load(one, address, authority, window):
    """(messages a second, the engine's processor time for each in µs)."""
    argv = [os.path.join(BIN, "stockbench"), "-s", address, "-c", CONNECTIONS, "-W", str(window)]
    argv += ["-t", str(SECONDS), "-n", "10000", "--csv"]
    if address.startswith("tls://"):
        argv += ["--cacert", authority]
    before = requests(one), one.processor_seconds()
    out = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
    after = requests(one), one.processor_seconds()
    row = dict(zip(out[0].split(","), out[1].split(",")))
    each = 1e6 * (after[1] - before[1]) / (after[0] - before[0])
    return float(row["messages_per_s"]), each


def throughput(place, files):
    print("| durability | window | messages/s plain | over TLS | of plain | engine's µs | over TLS |")
    print("|---|---|---|---|---|---|---|")
    for number, durability in enumerate(("none", "always")):
        with engine(place, f"load-{number}", files, "--durability", durability) as one:
            for window in (1, 16, 128):
                pairs = [
                    [load(one, address, files[0], window) for address in (one.plain, one.tls)]
                    for _ in range(RUNS)
                ]
                rates = [statistics.median(pair[side][0] for pair in pairs) for side in (0, 1)]
                each = [statistics.median(pair[side][1] for pair in pairs) for side in (0, 1)]
                share = statistics.median(b[0] / a[0] for a, b in pairs)
                print(
                    f"| {durability} | {window} | {rates[0]:,.0f} | {rates[1]:,.0f} "
                    f"| {100 * share:.0f} % | {each[0]:.2f} | {each[1]:.2f} |",
                    flush=True,
                )


# ---- handshakes ----


def shake_hands(port, context, session=None):
    """And one ping, with whose answer the ticket has come."""
    with socket.create_connection(("127.0.0.1", port)) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as tls:
            tls.sendall(PING)
            tls.recv(4096)
            return tls.session, tls.session_reused


def many_handshakes(port, authority, resume, stop, count):
    os.nice(19)  # they are not what is measured
    context = ssl.create_default_context(cafile=authority)
    session, done = None, 0
    while not stop.is_set():
        fresh, reused = shake_hands(port, context, session)
        if resume:
            assert reused or session is None, "the session was not resumed"
            session = fresh
        done += 1
    count.put(done)


@contextlib.contextmanager
def handshakers(one, authority, resume, number, counts):
    stop, queue = multiprocessing.Event(), multiprocessing.Queue()
    args = (one.port, authority, resume, stop, queue)
    processes = [
        multiprocessing.Process(target=many_handshakes, args=args, daemon=True)
        for _ in range(number)
    ]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        stop.set()
        counts.extend(queue.get(timeout=60) for _ in processes)
        for process in processes:
            process.join()


def handshakes(place, kind, files):
    for resume in (False, True):
        counts = []
        with engine(place, f"shake-{kind}-{resume}", files) as one:
            before = one.processor_seconds()
            with handshakers(one, files[0], resume, 2, counts):
                time.sleep(SECONDS)
            used = one.processor_seconds() - before
        what = "resumed" if resume else "full"
        done = sum(counts)
        print(f"| {kind}, {what} | {done / used:,.0f} | {1e6 * used / done:,.0f} µs |", flush=True)


# ---- memory ----


def idle_bytes(one, count, connect):
    kept = [connect() for _ in range(64)]  # what the first ones need is not theirs
    before = one.resident()
    kept += [connect() for _ in range(count)]
    each = (one.resident() - before) / count
    for connection in kept:
        connection.close()
    return each


def memory(place, files):
    context = ssl.create_default_context(cafile=files[0])
    with engine(place, "idle", files) as one:
        def plain():
            connection = socket.create_connection(("127.0.0.1", one.plain_port))
            connection.sendall(PING)
            connection.recv(4096)
            return connection

        def tls():
            connection = context.wrap_socket(
                socket.create_connection(("127.0.0.1", one.port)), server_hostname="127.0.0.1"
            )
            connection.sendall(PING)
            connection.recv(4096)
            return connection

        for what, connect in (("plain", plain), ("TLS", tls)):
            print(f"| {what} | {idle_bytes(one, IDLE, connect) / 1024:.1f} KiB |", flush=True)


# ---- a ping beside handshakes ----


def pings(port):
    times = []
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            begun = time.perf_counter()
            connection.sendall(PING)
            connection.recv(4096)
            times.append(time.perf_counter() - begun)
            time.sleep(0.001)
    times.sort()
    return [1e6 * times[int(part * (len(times) - 1))] for part in (0.5, 0.99, 0.999)]


def apart(one):
    """The engine on one processor, the clients on the others, if there are any."""
    all_of_them = sorted(os.sched_getaffinity(0))
    if len(all_of_them) < 2:
        return
    for task in os.listdir(f"/proc/{one.process.pid}/task"):
        os.sched_setaffinity(int(task), all_of_them[:1])
    os.sched_setaffinity(0, all_of_them[1:])


def beside(place, files):
    print("| handshakes by | ping p50 | p99 | p99.9 |")
    print("|---|---|---|---|")
    with engine(place, "beside", files) as one:
        apart(one)
        for number in (0, 4):
            with handshakers(one, files[0], False, number, []):
                p50, p99, p999 = pings(one.plain_port)
            print(f"| {number} clients | {p50:,.0f} µs | {p99:,.0f} µs | {p999:,.0f} µs |")


def main():
    place = tempfile.mkdtemp(prefix="stockd-tls-")
    wanted = sys.argv[1:] or ["load", "handshakes", "memory", "beside"]
    try:
        files = {kind: certificate(place, kind) for kind in KEYS}
        first = files[KEYS[0]]
        if "load" in wanted:
            throughput(place, first)
        if "handshakes" in wanted:
            print("\n| key, handshake | a second of one core | each |\n|---|---|---|")
            for kind in KEYS:
                handshakes(place, kind, files[kind])
        if "memory" in wanted:
            print("\n| idle connection | memory |\n|---|---|")
            memory(place, first)
        if "beside" in wanted:
            print()
            beside(place, first)
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
