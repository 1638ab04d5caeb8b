# SPDX-License-Identifier: Apache-2.0
"""A real redis-server for tests of the mirror, and what they compare.

Redis lives in a temporary directory and on a port of its own that stays the same over restarts. It
is ended by its own pid.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

try:
    import redis as redis_client
except ImportError as missing:
    print(f"skipped: {missing} (python3-redis)")
    sys.exit(77)

from stockd_harness import PATIENCE, SLOW, STOP_TIMEOUT, Server, reap, spawn, unique, wait_until

REDIS_SERVER = shutil.which("redis-server")
if not REDIS_SERVER:
    print("skipped: no redis-server")
    sys.exit(77)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Redis:
    def __init__(self, *options, password=None):
        self.directory = tempfile.mkdtemp(prefix="stockd-redis-")
        self.options = [str(option) for option in options]
        self.password = password
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.process = None
        self.client = None
        self.start()

    def start(self, *more):
        argv = [REDIS_SERVER, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.directory,
                "--save", "", "--daemonize", "no", *self.options, *map(str, more)]
        if self.password:
            argv += ["--requirepass", self.password]
        with open(os.path.join(self.directory, "log"), "ab") as log:
            self.process = spawn(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.connect()
        wait_until(self._answers, what="redis-server", timeout=20)
        return self

    def connect(self, database=0):
        self.client = redis_client.Redis(port=self.port, db=database, password=self.password,
                                         socket_timeout=20 * SLOW * PATIENCE)

    def _answers(self):
        try:
            return self.client.ping()
        except redis_client.exceptions.RedisError:
            assert self.process.poll() is None, "redis-server ended"
            return False

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.client.close()
        self.process.kill()
        reap(self.process, STOP_TIMEOUT)

    def close(self):
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class MirrorTestCase(unittest.TestCase):
    """Each test has a Redis and, when it calls engine(), engines that mirror into it."""

    redis_options = ()
    password = None

    def setUp(self):
        self.redis = Redis(*self.redis_options, password=self.password)
        self.addCleanup(lambda: self.redis.close())

    def engine(self, *options, **kwargs):
        server = Server("--redis", self.redis.address, *options, **kwargs)
        self.addCleanup(lambda: server.close(check=False))
        client = server.client()
        self.addCleanup(client.close)
        server.call = client.call
        return server

    def status(self, server):
        with server.client() as client:
            return client.call("info", "mirror")["mirror"]

    def await_state(self, server, state):
        return wait_until(lambda: self.status(server)["state"] == state, timeout=30,
                          what=f"the mirror to be {state}")

    def receive(self, server, sku, qty, location="main"):
        return server.call("receive", unique("rcv"), sku, location, qty)

    # what the engine says, and what Redis holds

    @staticmethod
    def channels(client):
        result = client.call("channels")
        return sorted(entry["code"] for entry in next(v for v in result.values() if isinstance(v, list)))

    def truth(self, server, skus):
        """{sku: {channel: available}}"""
        with server.client() as client:
            truth = {sku: {} for sku in skus}
            for channel in self.channels(client):
                for at in range(0, len(skus), 1000):
                    part = skus[at:at + 1000]
                    stock = client.call("availability", channel, part)["stock"]
                    for sku, available in zip(part, stock):
                        truth[sku][channel] = available
            return truth

    def shown(self, prefix="stock:"):
        """{sku: {channel: available}} of all that Redis holds, _lsn left out."""
        pattern = re.sub(r"([*?\[\]\\])", r"\\\1", prefix) + "item:*"
        keys = list(self.redis.client.scan_iter(match=pattern, count=1000))
        pipe = self.redis.client.pipeline(transaction=False)
        for key in keys:
            pipe.hgetall(key)
        shown = {}
        for key, fields in zip(keys, pipe.execute()):
            sku = key[len(f"{prefix}item:"):].decode()
            shown[sku] = {field.decode(): int(value) for field, value in fields.items() if field != b"_lsn"}
        return shown

    def assert_lsn_is_true(self, server, skus):
        """When stock:mirror says that it shows all up to now, it must, at once: no later mending
        counts. Nothing may change meanwhile."""
        with server.client() as client:
            lsn = client.call("info", "server")["lsn"]

        def there():
            try:
                return int(self.redis.client.hget("stock:mirror", "lsn") or 0) >= lsn
            except redis_client.exceptions.RedisError:
                return False

        wait_until(there, timeout=30, what="the mirror to come to the lsn")
        self.assertEqual(self.shown(), self.truth(server, list(skus)))

    def assert_same(self, server, skus, prefix="stock:", timeout=30):
        """Waits until Redis shows all of the truth and nothing else. Nobody may change it meanwhile, but
        holds may still run out."""
        deadline = time.monotonic() + timeout * SLOW * PATIENCE
        while True:
            try:
                shown = self.shown(prefix)
            except redis_client.exceptions.RedisError as error:
                shown = {"?": str(error)}
            truth = self.truth(server, list(skus))
            if shown == truth:
                return
            if time.monotonic() > deadline:
                wrong = {sku: (truth.get(sku), shown.get(sku)) for sku in {*truth, *shown}
                         if truth.get(sku) != shown.get(sku)}
                self.fail(f"{len(wrong)} items differ, e.g. {list(wrong.items())[:5]}; "
                          f"{self.status(server)}\n{server.stderr()}")
            time.sleep(0.02)
