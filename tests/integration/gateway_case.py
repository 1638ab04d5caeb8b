# SPDX-License-Identifier: Apache-2.0
"""Start a real stock-gateway before a real engine, and speak HTTP to it with Python's http.client.

STOCKD_GATEWAY names another gateway than the one of STOCKD_BIN_DIR: one built with ThreadSanitizer,
say, before an engine that is not.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse

from stockd_harness import (
    BIN_DIR,
    CALL_TIMEOUT,
    PATIENCE,
    SANITIZER_REPORT,
    SLOW,
    START_TIMEOUT,
    STOP_TIMEOUT,
    Server,
    StockdTestCase,
    reap,
    spawn,
    wait_until,
)

GATEWAY = os.environ.get("STOCKD_GATEWAY") or os.path.join(BIN_DIR, "stock-gateway")


class Gateway:
    """One stock-gateway. `host` and `port` are where it listens while it runs."""

    def __init__(self, engine, *extra, wait=True, env=None):
        self.directory = tempfile.mkdtemp(prefix="stockd-gateway-")
        self.ready_file = os.path.join(self.directory, "ready")
        self.log = os.path.join(self.directory, "stderr")
        # Limits that no test reaches on a busy machine, unless it asks for others.
        argv = [GATEWAY, "--engine", engine, "--listen", "127.0.0.1:0", "--call-s", "600",
                "--idle-s", "300", "--drain-s", "300", "--ready-file", self.ready_file,
                *map(str, extra)]
        with open(self.log, "ab") as log:
            self.process = spawn(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                 env={**os.environ, **(env or {})})
        if wait:
            self.wait_ready()

    def wait_ready(self):
        deadline = time.monotonic() + START_TIMEOUT * PATIENCE
        while not os.path.exists(self.ready_file):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.close(check=False)
                raise AssertionError(f"stock-gateway did not start:\n{self.stderr()}")
            time.sleep(0.002)
        with open(self.ready_file, encoding="ascii") as file:
            self.address = file.read().strip()
        self.host, port = self.address.rsplit(":", 1)
        self.port = int(port)

    def stderr(self):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def stop(self, signum=signal.SIGTERM):
        self.process.send_signal(signum)
        return reap(self.process, STOP_TIMEOUT)

    def close(self, check=True):
        try:
            if self.process.poll() is None:
                code = self.stop() if check else self.process.kill()
            else:
                code = self.process.returncode
            reap(self.process, STOP_TIMEOUT)
            if check and (code != 0 or SANITIZER_REPORT.search(self.stderr())):
                raise AssertionError(f"stock-gateway: exit {code}:\n{self.stderr()}")
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def fd_count(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def connect(self):
        return http.client.HTTPConnection(self.host, self.port, timeout=CALL_TIMEOUT)

    def raw(self):
        """A socket, for what http.client would not send."""
        sock = socket.create_connection((self.host, self.port))
        sock.settimeout(CALL_TIMEOUT)
        return sock

    def request(self, verb, path, body=None, headers=None, connection=None):
        """An Answer; on a connection of its own unless one is given."""
        own = connection is None
        connection = connection or self.connect()
        try:
            if body is not None and not isinstance(body, (bytes, str)):
                body = json.dumps(body)
            connection.request(verb, path, body, headers or {})
            return Answer(connection.getresponse())
        finally:
            if own:
                connection.close()

    def get(self, path, **headers):
        return self.request("GET", path, headers={k.replace("_", "-"): v
                                                  for k, v in headers.items()})

    def post(self, method, body=None, **headers):
        return self.request("POST", f"/v1/{method}", {} if body is None else body,
                            {k.replace("_", "-"): v for k, v in headers.items()})


class Answer:
    """status, headers, and what the body says."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()
        self.type = (response.headers["Content-Type"] or "").partition(";")[0]

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class Stream:
    """Server-sent events, read by a thread. Each is a dict of event, data (from JSON), id."""

    def __init__(self, gateway, path, verb="GET", body=None, **headers):
        self.connection = gateway.connect()
        self.connection.request(verb, path, body,
                                {k.replace("_", "-"): v for k, v in headers.items()})
        self.response = self.connection.getresponse()
        self.status = self.response.status
        self.events = []
        self.comments = []
        self.last_id = None
        self.ended = False
        self.thread = threading.Thread(target=self._read, daemon=True)
        if self.status == 200:
            self.thread.start()

    def _read(self):
        event = {"event": "message", "data": None}
        try:
            for line in self.response:
                field, _, value = line.decode().rstrip("\n").partition(": ")
                if line == b"\n":
                    if event["data"] is not None:
                        self.events.append({**event, "id": self.last_id})
                    event = {"event": "message", "data": None}
                elif field == "data":
                    event["data"] = json.loads(value)
                elif field == "event":
                    event["event"] = value
                elif field == "id":
                    self.last_id = value
                elif field == "":
                    self.comments.append(value)
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass  # closed by the test, or by the gateway
        self.ended = True

    def data(self, event="message"):
        return [e["data"] for e in list(self.events) if e["event"] == event]

    def wait(self, condition, what):
        return wait_until(lambda: condition(self), 20, what=f"{what}; events: {self.events[-5:]}")

    def wait_data(self, **wanted):
        """Waits for an event with these values, and returns it."""
        def found(_):
            return next((d for d in self.data() if wanted.items() <= d.items()), None)
        return self.wait(found, f"an event with {wanted}")

    def close(self):
        try:
            self.connection.sock.shutdown(socket.SHUT_RDWR)
        except (OSError, AttributeError):
            pass
        self.response.close()
        self.connection.close()
        if self.thread.is_alive():
            self.thread.join(10 * SLOW * PATIENCE)


def quote(text):
    return urllib.parse.quote(text, safe="")


class GatewayTestCase(StockdTestCase):
    """An engine with a gateway before it, both for all tests of the class."""

    gateway_options = ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        try:
            cls.gateway = Gateway(cls.server.unix, *cls.gateway_options)
        except BaseException:
            cls.server.close(check=False)
            raise

    @classmethod
    def tearDownClass(cls):
        try:
            cls.gateway.close()
        finally:
            super().tearDownClass()

    def pong(self):
        """Whether it answers; not so if the limits of the test cut the question off."""
        try:
            return self.gateway.post("ping").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def still_answers(self):
        wait_until(self.pong, what="an answer to a ping")

    def stream(self, path, **more):
        stream = Stream(self.gateway, path, **more)
        self.addCleanup(stream.close)
        return stream

    def good(self, answer):
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def problem(self, answer, status, code, param=None):
        """It must be a problem with that status and code, about that parameter."""
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.type, "application/problem+json", answer)
        said = answer.json
        self.assertEqual(said["code"], code, said)
        self.assertEqual(said["status"], status, said)
        self.assertTrue(said["detail"], said)
        if param is not None:
            self.assertEqual(said["details"].get("param"), param, said)
        return said


__all__ = ["GATEWAY", "Answer", "Gateway", "GatewayTestCase", "Server", "Stream", "quote"]
