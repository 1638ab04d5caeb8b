# SPDX-License-Identifier: Apache-2.0
"""Start real stockd servers and speak MessagePack-RPC to them, with nothing of stockd's own code in
between.

The wire side (stockd_rpc.Client) is Debian's python3-msgpack, so that the server is checked by a
client that does not share its decoder.

A test script looks like this:

    from stockd_harness import Server, StockdTestCase, main

    class Ping(StockdTestCase):
        def test_ping(self):
            self.assertEqual(self.client.call("ping"), "pong")

    if __name__ == "__main__":
        main()

Rules that the harness keeps, so that tests need not:
    H1  A server counts as started when its ready file exists; no test sleeps and hopes.
    H2  Every process that was started here is stopped by its own pid, even if a test fails or is
      interrupted.
    H3  A sanitizer report on a server's stderr fails the test, whatever the server answered; so
        does a system call that the server's filter refused.
    H4  Time-outs are generous (times SLOW for sanitizer builds, times PATIENCE for a busy machine) and
      are only ever upper bounds.
    H5  A time-out names what never came, and shows how the logs of the engines end. A script that
      hangs elsewhere shows each thread's stack before CTest ends it.

Environment: STOCKD_BIN_DIR (default: build/release/bin of this source tree), STOCKD_TEST_SLOW (a
factor for durations and time-outs), STOCKD_TEST_PATIENCE (a factor for time-outs only: how much
slower a program runs here than alone; scripts/test.sh measures it), STOCKD_TEST_LIMIT (seconds
after which CTest ends the script). Exit status of a script: 0 all passed, 1 something failed, 77
everything was skipped.
"""

import atexit
import collections
import faulthandler
import itertools
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

try:
    import stockd_rpc
except ImportError as missing:
    print(f"skipped: {missing} (python3-msgpack)")
    sys.exit(77)

from stockd_rpc import (  # re-exported for the tests  # noqa: F401
    NOTIFICATION,
    REQUEST,
    RESPONSE,
    Client,
    ConnectionClosed,
    ProtocolError,
    RpcError,
    WouldBlock,
    pack,
    request,
)

SOURCE_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN_DIR = os.path.abspath(
    os.environ.get("STOCKD_BIN_DIR") or os.path.join(SOURCE_ROOT, "build", "release", "bin")
)
STOCKD = os.path.join(BIN_DIR, "stockd")

MAX_POOL = 268_435_455
MAX_MESSAGE = 1 << 20

SANITIZER_REPORT = re.compile(
    r"((Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer|: runtime error: )"
)

REFUSED_CALL = "refused the system call"


def _sanitized():
    try:
        with open(STOCKD, "rb") as file:
            binary = file.read()
    except OSError:
        return False
    return any(mark in binary for mark in (b"__asan_init", b"__tsan_init", b"__ubsan_handle"))


SANITIZED = _sanitized()
SLOW = float(os.environ.get("STOCKD_TEST_SLOW") or (8 if SANITIZED else 1))
PATIENCE = float(os.environ.get("STOCKD_TEST_PATIENCE") or 1)
START_TIMEOUT = 45 * SLOW
STOP_TIMEOUT = 45 * SLOW
CALL_TIMEOUT = stockd_rpc.DEFAULT_TIMEOUT = 45 * SLOW * PATIENCE


# ------------------------------------------------------------------------------ what engines said

_servers = {}  # temporary directory -> Server, those not closed yet
LOG_LINES = 12  # of each engine, in a time-out


def describe_engines(servers=None):
    """The last log lines of these servers (by default of all open ones), for a message."""
    said = ""
    for server in list(_servers.values()) if servers is None else servers:
        process = server.process
        code = process.poll() if process else None
        state = "not started" if not process else "running" if code is None else f"exit {code}"
        lines = server.stderr().splitlines()[-LOG_LINES:] or ["(nothing)"]
        said += f"\n  stockd {process.pid if process else ''} ({state}), its log ends:"
        said += "".join(f"\n    {line[:300]}" for line in lines)
    return said


def _describe_engine(address):
    known = [s for s in list(_servers.values()) if address in (s.tcp, s.unix, *s.addresses)]
    return describe_engines(known)


stockd_rpc.describe_engine = _describe_engine


# --------------------------------------------------------------------------------------- processes

_live = {}  # pid -> Popen, everything started here and not yet waited for (H2)
_folders = set()  # temporary directories of servers not closed yet


def spawn(argv, **kwargs):
    """Popen whose process is certain to end with this script."""
    process = subprocess.Popen(argv, **kwargs)
    _live[process.pid] = process
    return process


class NotEnded(subprocess.TimeoutExpired):
    """A process did not end in time: which one, and what the engines logged."""

    def __init__(self, argv, timeout):
        super().__init__(argv, timeout)
        self.engines = describe_engines()

    def __str__(self):
        return f"waited {self.timeout:.0f} s for this to end: {self.cmd}{self.engines}"


def reap(process, timeout):
    """Waits for a process from spawn(); kills it and raises if it does not end in time."""
    timeout *= PATIENCE
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        late = NotEnded(process.args, timeout)
        process.kill()
        process.wait()
        raise late from None
    finally:
        if process.returncode is not None:
            _live.pop(process.pid, None)


@atexit.register
def _end_all():
    for process in list(_live.values()):
        if process.poll() is None:
            process.kill()
            process.wait()
    _live.clear()
    for folder in _folders:
        shutil.rmtree(folder, ignore_errors=True)


def _leave(signum, _frame):
    sys.exit(128 + signum)  # runs the atexit handlers


signal.signal(signal.SIGTERM, _leave)
signal.signal(signal.SIGHUP, _leave)


class Finished(collections.namedtuple("Finished", "code out err")):
    """The exit code and output of a program that ran to its end."""

    @property
    def err_lines(self):
        return [line for line in self.err.splitlines() if line.strip()]


def run_program(name, *args, timeout=None, prefix=(), stdin=None, **kwargs):
    """Runs a program of BIN_DIR to its end: the tools, and servers that must refuse to start."""
    argv = [*prefix, os.path.join(BIN_DIR, name), *map(str, args)]
    process = spawn(
        argv,
        stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        **kwargs,
    )
    timeout = (timeout or 30) * SLOW * PATIENCE
    try:
        out, err = process.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise NotEnded(argv, timeout) from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        _live.pop(process.pid, None)
    if SANITIZER_REPORT.search(err):
        raise AssertionError(f"sanitizer report from {name}:\n{err}")
    return Finished(process.returncode, out, err)


# ------------------------------------------------------------------------------------------ server


class StartError(AssertionError):
    """The server ended, or hung, before it was ready."""

    def __init__(self, why, code, err):
        super().__init__(f"{why} (exit {code}); stderr:\n{err}")
        self.code = code
        self.err = err


class Server:
    """One stockd on one data directory. Start, stop, kill and start it again as often as needed.

    Everything lives under one temporary directory, removed by close(): data/ (unless `data` is
    given), the Unix socket, the ready file and stderr of all runs. `tcp`, `unix` and `tls` (if an
    option asks for one) are addresses for Client, valid while it runs.
    """

    def __init__(self, *extra, data=None, prefix=(), env=None, listen=True, start=True, **popen):
        self.directory = tempfile.mkdtemp(prefix="stockd-test-")
        _folders.add(self.directory)
        self.process = None
        self.addresses = []
        _servers[self.directory] = self
        self.data = data or os.path.join(self.directory, "data")
        if data is None:
            os.mkdir(self.data, 0o700)
        self.unix = "unix:" + os.path.join(self.directory, "stockd.sock")
        self.tcp = None
        self.tls = None
        self.http = None
        self.ready_file = os.path.join(self.directory, "ready")
        self.log = os.path.join(self.directory, "stderr")
        self.extra = [str(arg) for arg in extra]
        self.prefix = list(prefix)
        self.env = {**os.environ, **(env or {})}
        self.listen = listen
        self.popen = popen
        self.refuses_calls = False  # the test makes it
        if start:
            try:
                self.start()
            except BaseException:
                self.close(check=False)
                raise

    def __enter__(self):
        return self

    def __exit__(self, kind, _value, _trace):
        self.close(check=kind is None)

    @property
    def pid(self):
        return self.process.pid

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def argv(self):
        argv = [*self.prefix, STOCKD, "--data", self.data, "--ready-file", self.ready_file]
        if self.listen:
            argv += ["--listen", "127.0.0.1:0", "--listen", self.unix]
        return argv + self.extra

    def start(self, *more):
        """Starts it and waits until it serves; `more` are further options for this run only."""
        assert not self.running
        if os.path.exists(self.ready_file):
            os.unlink(self.ready_file)
        with open(self.log, "ab") as log:
            self.process = spawn(
                self.argv() + [str(arg) for arg in more],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.env,
                **self.popen,
            )
        deadline = time.monotonic() + START_TIMEOUT * PATIENCE
        while not os.path.exists(self.ready_file):
            code = self.process.poll()
            if code is not None:
                reap(self.process, 1)
                raise StartError("stockd ended before it was ready", code, self.stderr())
            if time.monotonic() > deadline:
                self.process.kill()
                reap(self.process, STOP_TIMEOUT)
                why = f"no ready file after {START_TIMEOUT * PATIENCE:.0f} s"
                raise StartError(why, None, self.stderr())
            time.sleep(0.002)
        with open(self.ready_file, encoding="utf-8") as file:
            self.addresses = file.read().split("\n")
        if self.addresses[-1] == "":
            self.addresses.pop()
        others = ("unix:", "tls:", "http:")
        self.tcp = next((line for line in self.addresses if not line.startswith(others)), None)
        self.tls = next((line for line in self.addresses if line.startswith("tls:")), None)
        self.http = next((line for line in self.addresses if line.startswith("http:")), None)
        return self

    def stop(self, signum=signal.SIGTERM, expect=0):
        """Asks it to stop and checks its exit status."""
        self.process.send_signal(signum)
        try:
            code = reap(self.process, STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"stockd did not stop on signal {signum}; stderr:\n{self.stderr()}"
            ) from None
        self.check_log()
        if expect is not None and code != expect:
            raise AssertionError(
                f"stockd exited {code}, not {expect}, on signal {signum}; stderr:\n{self.stderr()}"
            )
        return code

    def kill(self):
        """kill -9: no farewell, no flush."""
        if self.process.poll() is not None:
            raise AssertionError(
                f"stockd had already ended ({self.process.returncode}); stderr:\n{self.stderr()}"
            )
        self.process.kill()
        reap(self.process, STOP_TIMEOUT)
        self.check_log()

    def restart(self, *more, kill=False):
        if kill:
            self.kill()
        else:
            self.stop()
        return self.start(*more)

    def client(self, kind="tcp", **kwargs):
        addresses = {"tcp": self.tcp, "unix": self.unix, "tls": self.tls}
        return Client(addresses[kind], **kwargs)

    def stderr(self):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def check_log(self):
        """H3."""
        report = self.stderr()
        if SANITIZER_REPORT.search(report):
            raise AssertionError(f"sanitizer report from stockd:\n{report}")
        if REFUSED_CALL in report and not self.refuses_calls:
            raise AssertionError(f"stockd needs a system call that its filter refuses:\n{report}")

    def memory_kib(self):
        """VmRSS."""
        with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        return 0

    def fd_count(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def close(self, check=True):
        """Ends the server (cleanly, exit 0, when `check`) and removes its files."""
        try:
            if self.running:
                if check:
                    self.stop()
                else:
                    self.process.kill()
                    reap(self.process, STOP_TIMEOUT)
            elif check:
                self.check_log()
                if self.process is not None and self.process.pid in _live:
                    code = self.process.returncode
                    raise AssertionError(f"stockd ended by itself (exit {code}):\n{self.stderr()}")
        finally:
            if self.process is not None and self.process.pid in _live:
                self.process.kill()
                reap(self.process, STOP_TIMEOUT)
            shutil.rmtree(self.directory, ignore_errors=True)
            _folders.discard(self.directory)
            _servers.pop(self.directory, None)


# ------------------------------------------------------------------------------------------- tests

_names = itertools.count(1)


def unique(prefix):
    """A name that no other test of this process has used."""
    return f"{prefix}-{next(_names)}"


def seeded_random():
    """A random.Random whose seed is printed; STOCKD_TEST_SEED repeats a run."""
    seed = int(os.environ.get("STOCKD_TEST_SEED") or random.randrange(1 << 32))
    print(f"STOCKD_TEST_SEED={seed}", end=" ", flush=True)
    return random.Random(seed)


def wait_until(condition, timeout=10.0, every=0.005, what="condition"):
    """Polls; returns the condition's value once it holds, AssertionError if it never does."""
    timeout *= SLOW * PATIENCE
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:.0f} s for {what}{describe_engines()}")
        time.sleep(every)


def settled(client, lsn):
    """Until the crossings of all changes up to that LSN, and what became short by them, have been
    recorded, and can be read."""

    def looked():
        feed = client.call("info", "feed")["feed"]
        return feed["crossings_lsn"] >= lsn and feed["shortages_lsn"] >= lsn

    wait_until(looked, what="a look")
    told = client.call("changes", lsn)["lsn"]
    wait_until(lambda: client.call("events", lsn)["lsn"] >= told, what="the disk")


def quiet(client):
    """Until what changed so far has been looked at: then the engine adds no records of its own, and
    an equal LSN means that nothing has changed. Returns it."""
    settled(client, client.call("locations")["lsn"])
    return client.call("locations")["lsn"]


def moment(client):
    """A time that lies strictly between what was done before and what this client does next, by the
    engine's clock too: a worker reads it once for all that has arrived, so it may lag."""
    time.sleep(0.005)
    now = int(time.time() * 1000)
    sku = unique("CLOCK")
    while True:
        client.call("receive", unique("clock"), sku, "main", 1)
        if client.call("history", sku)["events"][-1]["time_ms"] > now:
            return now


def join(thread, what, timeout=CALL_TIMEOUT):
    """Waits for a thread of the test; AssertionError if it does not end."""
    thread.join(timeout * PATIENCE)
    if thread.is_alive():
        faulthandler.dump_traceback(all_threads=True)
        raise AssertionError(f"waited {timeout * PATIENCE:.0f} s for {what}{describe_engines()}")


class StockdTestCase(unittest.TestCase):
    """One server for all tests of the class, one connection (self.client) for each test."""

    options = ()
    longMessage = True

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.options)

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def setUp(self):
        if not self.server.running:
            code = self.server.process.returncode
            self.fail(f"stockd is not running (exit {code}):\n{self.server.stderr()}")
        self.client = self.server.client()
        self.addCleanup(lambda: self.client.close())

    def reconnect(self):
        self.client.close()
        self.client = self.server.client()

    def call(self, method, *params):
        return self.client.call(method, *params)

    def refused(self, code, method, *params, names=None):
        """It must be refused with that code, and the message contain `names`. Returns the RpcError."""
        try:
            result = self.client.call(method, *params)
        except RpcError as error:
            self.assertEqual(error.code, code, f"{method} {params!r:.300} -> {error}")
            self.assertTrue(error.message, f"{method} {params!r:.300}: an error without a message")
            if names is not None:
                self.assertIn(
                    names, error.message, f"{method} {params!r:.300}: the message must name it"
                )
            if code == "bad_request" and not method.endswith("_set"):  # of those the message alone
                self.assertIn("param", error.details or {}, f"{method} {params!r:.300} -> {error}")
            return error
        return self.fail(f"{method} {params!r:.300} was done: {result!r}; wanted {code}")

    def assert_keys(self, result, *keys):
        self.assertIsInstance(result, dict)
        for key in keys:
            self.assertIn(key, result)
        if "lsn" in keys:
            self.assertIsInstance(result["lsn"], int)
            self.assertGreaterEqual(result["lsn"], 0)

    # shorthands for what most tests need first

    def stocked(self, qty=10, location="main", sku=None):
        """A new item with stock at a location."""
        sku = sku or unique("SKU")
        self.call("receive", unique("rcv"), sku, location, qty)
        return sku

    def reserved(self, lines, channel="default", **options):
        """A new reservation; returns its id."""
        ident = unique("res")
        self.call("reserve", ident, channel, lines, *([options] if options else []))
        return ident

    def available(self, sku, channel="default"):
        return self.call("availability", channel, [sku])["stock"][0]

    def figures(self, sku):
        """(on_hand, reserved, available) over all locations."""
        result = self.call("stock", sku)
        return result["on_hand"], result["reserved"], result["available"]

    def quiet(self):
        return quiet(self.client)

    def moment(self):
        return moment(self.client)

    def state(self, reservation):
        return self.call("reservation", reservation)["state"]

    def ready_for(self, ident, place, ms):
        """Its part there is ready, for a short time: longer on a machine that is slow."""
        while True:
            try:
                by = int(time.time() * 1000) + ms
                return self.call("ready", ident, place, {"collect_by_ms": by})
            except RpcError as error:
                self.assertIn("in the future", error.message)
                ms *= 4


class FolderTestCase(StockdTestCase):
    """No server of the class: each test has a folder, and starts what it needs itself."""

    @classmethod
    def setUpClass(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        pass

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="stockd-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def assert_refused(self, *options, mentions=()):
        """Exit 2 and one clear line on stderr, which names what was wrong."""
        got = run_program("stockd", *options)
        self.assertEqual(got.code, 2, f"{options}: {got}")
        self.assertEqual(len(got.err_lines), 1, f"{options}: one line on stderr, not\n{got.err}")
        for mention in mentions:
            self.assertIn(mention, got.err, options)
        return got.err_lines[0]


def _tell_where_it_hangs(limit):
    """CTest would only say that it took too long."""
    print(f"\nHUNG: not finished after {limit:.0f} s; each thread's stack:", flush=True)
    faulthandler.dump_traceback(file=sys.stdout, all_threads=True)
    print(f"the engines' logs:{describe_engines() or ' none is open'}", flush=True)
    _end_all()
    os._exit(1)


def _watch():
    limit = 0.95 * float(os.environ.get("STOCKD_TEST_LIMIT") or 0)
    if limit > 0:
        watch = threading.Timer(limit, _tell_where_it_hangs, [limit])
        watch.daemon = True
        watch.start()


def main():
    """Runs the tests of the calling script; its exit status is CTest's 0, 1 or 77."""
    if not os.access(STOCKD, os.X_OK):
        print(f"no server at {STOCKD}: build first, or set STOCKD_BIN_DIR")
        sys.exit(1)
    _watch()
    result = unittest.main(module="__main__", exit=False, verbosity=2).result
    for test, why in result.skipped:
        print(f"SKIPPED {test.id()}: {why}")
    if not result.wasSuccessful():
        sys.exit(1)
    if result.testsRun and len(result.skipped) >= result.testsRun:
        sys.exit(77)
    sys.exit(0)
