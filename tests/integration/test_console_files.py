# SPDX-License-Identifier: Apache-2.0
"""What stock-gateway serves for the console: its files, with what browsers may do with them, and the
metrics of the engine's ops port."""

import contextlib
import os
import re
import shutil
import socket
import tempfile
import threading
import time

from gateway_case import Gateway, GatewayTestCase
from stockd_harness import CALL_TIMEOUT, SOURCE_ROOT, STOP_TIMEOUT, join, main, reap, wait_until
from token_case import TokenServer

FOLDER = os.path.join(SOURCE_ROOT, "tools", "gateway", "console")
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def console_files():
    for folder, _, names in os.walk(FOLDER):
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), FOLDER)


def content(name, folder=FOLDER):
    with open(os.path.join(folder, name), "rb") as file:
        return file.read()


class Files(GatewayTestCase):
    def test_every_file_is_served_as_it_is(self):
        for name in console_files():
            with self.subTest(name):
                answer = self.gateway.get(f"/console/{name}")
                self.assertEqual((answer.status, answer.type),
                                 (200, TYPES[os.path.splitext(name)[1]]))
                self.assertIn("charset=utf-8", answer.headers["Content-Type"])
                self.assertEqual(answer.body, content(name))
                self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")

    def test_the_page(self):
        home = self.gateway.get("/")
        self.assertEqual((home.status, home.body), (200, content("index.html")))
        head = self.gateway.request("HEAD", "/")
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(int(head.headers["Content-Length"]), len(home.body))

    def test_all_that_a_file_names_is_there(self):
        names = set(console_files())
        for name in names:
            text = content(name).decode()
            found = re.findall(r'(?:src|href)="(console/[^"]+)"', text)
            used = {path.removeprefix("console/") for path in found}
            for path in re.findall(r"""from '(\.[^']+)'""", text):
                used.add(os.path.normpath(os.path.join(os.path.dirname(name), path)))
            self.assertLessEqual(used, names, name)

    def test_the_policy_forbids_inline_scripts(self):
        policy = self.gateway.get("/").headers["Content-Security-Policy"]
        self.assertIn("default-src 'none'", policy)
        self.assertIn("script-src 'self';", policy)
        self.assertIn("frame-ancestors 'none'", policy)
        self.assertNotIn("unsafe", policy)
        for name in console_files():
            text = content(name).decode()
            self.assertNotRegex(text, r"""<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+="|<style""", name)
            self.assertNotRegex(text, r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(",
                                name)

    def test_what_a_browser_has_is_not_sent_again(self):
        first = self.gateway.get("/console/app.js")
        tag = first.headers["ETag"]
        self.assertEqual(first.headers["Cache-Control"], "no-cache")
        for given in (tag, f'"other", W/{tag}', "*"):
            again = self.gateway.get("/console/app.js", If_None_Match=given)
            self.assertEqual((again.status, again.body, again.headers["ETag"]), (304, b"", tag))
        other = self.gateway.get("/console/app.js", If_None_Match='"other"')
        self.assertEqual((other.status, other.body), (200, first.body))
        self.assertNotEqual(self.gateway.get("/console/base.css").headers["ETag"], tag)

    def test_what_is_not_there(self):
        for path in ("/console/none.js", "/console/pages", "/console/../main.c", "/console/",
                     "/console/..%2fmain.c", "/console/app.js/"):
            self.problem(self.gateway.get(path), 404, "not_found")
        self.problem(self.gateway.request("POST", "/console/app.js"), 405, "method_not_allowed")

    def test_a_folder_in_place_of_the_embedded_files(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
            gateway = Gateway(self.server.unix, "--console", folder)
            try:
                with open(os.path.join(folder, "app.js"), "w", encoding="utf-8") as file:
                    file.write("changed")
                changed = gateway.get("/console/app.js")
                self.assertEqual((changed.status, changed.body), (200, b"changed"))
                self.assertEqual(changed.headers["Cache-Control"], "no-store")
                self.assertIsNone(changed.headers["ETag"])
                os.unlink(os.path.join(folder, "app.js"))
                self.problem(gateway.get("/console/app.js"), 404, "not_found")
            finally:
                gateway.close()


class Metrics(GatewayTestCase):
    """What the ops port says, for those who may ask `info`."""

    options = ("--http", "127.0.0.1:0")

    def test_without_an_ops_port(self):
        said = self.problem(self.gateway.get("/v1/metrics"), 404, "not_found")
        self.assertIn("--ops", said["detail"])

    def test_they_are_passed_on(self):
        gateway = Gateway(self.server.unix, "--ops", self.server.http.removeprefix("http://"))
        self.addCleanup(gateway.close)
        answer = gateway.get("/v1/metrics")
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.type, "text/plain")
        self.assertIn(b"stockd_request_seconds_bucket{kind=", answer.body)
        self.assertTrue(answer.body.startswith(b"# "), answer)

    def test_an_ops_port_that_is_not_there(self):
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            port = nobody.getsockname()[1]
        gateway = Gateway(self.server.unix, "--ops", f"127.0.0.1:{port}")
        self.addCleanup(gateway.close)
        for _ in range(3):
            self.problem(gateway.get("/v1/metrics"), 503, "engine_away")
        self.good(gateway.post("ping"))

    def test_a_bad_address(self):
        gateway = Gateway(self.server.unix, "--ops", "nowhere", wait=False)
        self.addCleanup(gateway.close, check=False)
        self.assertEqual(reap(gateway.process, STOP_TIMEOUT), 2)
        self.assertIn("--ops: nowhere is not HOST:PORT", gateway.stderr())

    def test_a_token_needs_the_right(self):
        server = TokenServer({"clerk": ("--can", "read"), "root": ("--can", "admin")},
                             "--http", "127.0.0.1:0")
        self.addCleanup(server.close)
        gateway = Gateway(server.unix, "--ops", server.http.removeprefix("http://"))
        self.addCleanup(gateway.close)
        self.problem(gateway.get("/v1/metrics"), 401, "unauthorized")
        clerk, root = (f"Bearer {server.secrets[name]}" for name in ("clerk", "root"))
        self.problem(gateway.get("/v1/metrics", Authorization=clerk), 403, "forbidden")
        answer = gateway.get("/v1/metrics", Authorization=root)
        self.assertEqual(answer.status, 200, answer)


class FakePort:
    """An ops port that numbers its answers, and waits with each until it may go on."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.asked = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.count = 0
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        try:
            while True:
                sock, _ = self.listener.accept()
                with sock:
                    sock.recv(4096)
                    self.count += 1
                    self.asked.release()
                    self.go_on.wait()
                    with contextlib.suppress(ConnectionError):  # it waited for so long only
                        sock.sendall(b"HTTP/1.0 200 OK\r\n\r\nanswer %d\n" % self.count)
        except OSError:
            return

    def wait_for_question(self):
        if not self.asked.acquire(timeout=CALL_TIMEOUT):
            raise AssertionError("nobody asked the ops port")

    def close(self):
        self.go_on.set()
        self.listener.close()


class SlowMetrics(GatewayTestCase):
    """An ops port that takes its time. A scrape gets what it says then, not what it said before."""

    def fake(self, *options):
        port = FakePort()
        self.addCleanup(port.close)
        gateway = Gateway(self.server.unix, "--threads", 2, "--ops", port.address, *options)
        self.addCleanup(gateway.close)
        return port, gateway

    def ask(self, gateway, answers):
        thread = threading.Thread(target=lambda: answers.append(gateway.get("/v1/metrics")))
        thread.start()
        return thread

    def test_each_scrape_gets_a_fresh_answer(self):
        port, gateway = self.fake()
        port.go_on.set()
        for count in (1, 2, 3):
            answer = gateway.get("/v1/metrics")
            self.assertEqual((answer.status, answer.body), (200, b"answer %d\n" % count))
            time.sleep(1.1)  # an answer is given again for a second

    def test_scrapes_wait_for_the_answer(self):
        port, gateway = self.fake()
        answers = []
        threads = [self.ask(gateway, answers)]
        port.wait_for_question()
        threads += [self.ask(gateway, answers) for _ in range(5)]
        self.good(gateway.post("ping"))  # nothing else waits
        self.assertEqual(answers, [])
        port.go_on.set()
        for thread in threads:
            join(thread, "metrics")
        self.assertEqual({(a.status, a.body.split()[0]) for a in answers}, {(200, b"answer")})

    def test_they_wait_for_so_long_only(self):
        port, gateway = self.fake("--call-s", 1)

        def refused():
            said = self.problem(gateway.get("/v1/metrics"), 503, "engine_away")
            return "the ops port" in said["detail"]  # or the engine took as long
        wait_until(refused, what="a refusal because of the ops port")
        port.go_on.set()
        wait_until(lambda: gateway.get("/v1/metrics").status == 200, what="metrics")

    def test_the_gateway_ends_meanwhile(self):
        port, gateway = self.fake("--drain-s", 1)
        answers = []
        thread = self.ask(gateway, answers)
        port.wait_for_question()
        self.assertEqual(gateway.stop(), 0)
        join(thread, "an answer")
        self.problem(answers[0], 503, "engine_away")


if __name__ == "__main__":
    main()
