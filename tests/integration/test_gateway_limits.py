# SPDX-License-Identifier: Apache-2.0
"""stock-gateway and clients that are slow, large, many or broken; and its end."""

import http.client
import json
import signal
import socket
import threading

import msgpack

from gateway_case import Gateway, GatewayTestCase, Stream
from stockd_harness import (CALL_TIMEOUT, MAX_MESSAGE, join, main, reap, seeded_random, unique,
                            wait_until)

PING = b"POST /v1/ping HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"


def read_all(sock):
    """What comes until the end; a reset is an end too."""
    said = b""
    try:
        while True:
            more = sock.recv(65536)
            if not more:
                return said
            said += more
    except ConnectionError:
        return said


class Slow(GatewayTestCase):
    gateway_options = ("--idle-s", 3)

    def test_a_head_that_never_ends(self):
        sock = self.gateway.raw()
        self.addCleanup(sock.close)
        sock.sendall(b"POST /v1/ping HTTP/1.1\r\nX-A: ")

        def trickle():
            try:
                while not stop.wait(0.02):
                    sock.sendall(b"a")
            except OSError:
                return
        stop = threading.Event()
        thread = threading.Thread(target=trickle, daemon=True)
        thread.start()
        self.assertNotIn(b" 200 ", read_all(sock), "it ends although bytes keep coming")
        stop.set()
        join(thread, "the trickle")
        self.still_answers()

    def test_a_body_that_never_ends(self):
        sock = self.gateway.raw()
        self.addCleanup(sock.close)
        sock.sendall(b"POST /v1/ping HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{")
        self.assertNotIn(b" 200 ", read_all(sock))

    def test_silence(self):
        sock = self.gateway.raw()
        self.addCleanup(sock.close)
        self.assertEqual(read_all(sock), b"")

    def test_a_stream_may_be_silent(self):
        stream = self.stream("/v1/changes")
        idle = self.gateway.raw()
        self.addCleanup(idle.close)
        read_all(idle)  # more than --idle-s has passed then
        sku = self.stocked(1)
        stream.wait_data(sku=sku)


class Large(GatewayTestCase):
    def test_half_a_connection(self):
        sock = self.gateway.raw()
        self.addCleanup(sock.close)
        sock.sendall(PING)
        sock.shutdown(socket.SHUT_WR)
        self.assertIn(b'"pong"', read_all(sock))

    def test_a_body_of_a_mebibyte(self):
        body = json.dumps({"channel": "default", "skus": ["a" * 64] * 4096})
        body += " " * (MAX_MESSAGE - len(body))
        self.good(self.gateway.post("availability", body))
        self.problem(self.gateway.post("availability", body + " "), 413, "too_large")
        self.problem(self.gateway.post("availability", body * 4), 413, "too_large")

    def test_a_length_that_is_said_twice(self):
        """Behind a proxy that goes by the other length, the rest would be somebody's request."""
        body = b"0\r\n\r\nPOST /v1/ping HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"
        for lengths in (b"Content-Length: 2\r\nContent-Length: 70\r\n",
                        b"Content-Length: 2\r\nContent-Length: 2\r\n",
                        b"Content-Length: 70\r\nTransfer-Encoding: chunked\r\n",
                        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"):
            sock = self.gateway.raw()
            self.addCleanup(sock.close)
            sock.sendall(b"POST /v1/ping HTTP/1.1\r\nHost: a\r\n" + lengths + b"\r\n" + body)
            said = read_all(sock)
            self.assertTrue(said.startswith(b"HTTP/1.1 400"), said)
            self.assertEqual(said.count(b"HTTP/1.1 "), 1, said)
            self.assertNotIn(b"pong", said)

    def test_a_body_without_end(self):
        sock = self.gateway.raw()
        self.addCleanup(sock.close)
        sock.sendall(b"POST /v1/ping HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        try:
            for _ in range(1000):
                sock.sendall(chunk)
            self.fail("62 MiB were read")
        except ConnectionError:
            pass
        self.good(self.gateway.post("ping"))

    def test_a_head_that_is_too_large(self):
        for head in ({"X-A": "a" * 60000}, {f"X-{i}": "a" * 500 for i in range(90)}):
            answer = self.gateway.request("GET", "/healthz", headers=head)
            self.assertIn(answer.status, (413, 431))
        connection = self.gateway.connect()
        self.addCleanup(connection.close)
        try:
            answer = self.gateway.request("GET", "/v1/items/" + "a" * 60000, connection=connection)
            self.assertIn(answer.status, (400, 404, 413, 414, 431))
        except (http.client.HTTPException, ConnectionError):
            pass  # it may close without a word
        self.good(self.gateway.post("ping"))


class Many(GatewayTestCase):
    gateway_options = ("--threads", 2, "--max-connections", 400)

    def test_many_connections_at_once(self):
        sku = self.stocked(1000)
        sockets = [self.gateway.raw() for _ in range(150)]
        try:
            for sock in sockets:
                body = json.dumps({"id": unique("o"), "channel": "default", "lines": [[sku, 1]]})
                sock.sendall(f"POST /v1/reserve HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                             f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
            for sock in sockets:
                self.assertIn(b'"state":"held"', read_all(sock))
        finally:
            for sock in sockets:
                sock.close()
        self.assertEqual(self.figures(sku), (1000, 150, 850))

    def test_more_than_there_may_be(self):
        sockets = [self.gateway.raw() for _ in range(600)]
        for sock in sockets:
            sock.close()
        self.still_answers()


    def test_threads_of_clients(self):
        """Each client reserves and cancels; what is left is what was there."""
        sku = self.stocked(50)
        failures = []

        def work(number):
            connection = self.gateway.connect()
            try:
                for i in range(40):
                    order = f"w{number}-{i}"
                    for method, body in (
                            ("reserve", {"id": order, "channel": "default", "lines": [[sku, 2]]}),
                            ("cancel", {"id": order})):
                        answer = self.gateway.request("POST", f"/v1/{method}", body,
                                                      connection=connection)
                        if answer.status != 200:
                            failures.append(answer)
            except Exception as error:  # noqa: BLE001 - the test tells what it was
                failures.append(error)
            finally:
                connection.close()
        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            join(thread, "a client")
        self.assertEqual(failures, [])
        self.assertEqual(self.figures(sku), (50, 0, 50))


class Broken(GatewayTestCase):
    gateway_options = ("--idle-s", 3)

    def test_what_is_not_http(self):
        chance = seeded_random()
        pieces = [b"GET ", b"POST ", b"/v1/ping", b" HTTP/1.1", b"\r\n", b"Host: a", b"\r\n\r\n",
                  b"Content-Length: ", b"5", b"-1", b"99999999999999999999", b"%00", b"\0", b"\xff",
                  b"Transfer-Encoding: chunked", b"Expect: 100-continue", b": ", b"{", b"a" * 5000]
        sockets = []
        for _ in range(200):
            sock = self.gateway.raw()
            sockets.append(sock)
            try:
                sock.sendall(b"".join(chance.choices(pieces, k=chance.randrange(1, 14))))
                if chance.random() < 0.5:
                    sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # refused before it was all sent
        for sock in sockets:
            read_all(sock)  # each is answered, or closed when its time is over
            sock.close()
        self.still_answers()

    def test_clients_that_leave(self):
        """Whoever leaves before the answer costs nothing for long."""
        sku = self.stocked(10)
        self.still_answers()
        before = self.gateway.fd_count()
        for i in range(100):
            sock = self.gateway.raw()
            body = json.dumps({"id": unique("a"), "sku": sku, "location": "main", "delta": 1})
            sock.sendall(f"POST /v1/adjust HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}"
                         f"\r\n\r\n{body}".encode())
            if i % 2:
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for _ in range(20):
            stream = Stream(self.gateway, "/v1/changes")
            stream.close()
        wait_until(lambda: self.gateway.fd_count() <= before + 4, what="descriptors given back")
        self.still_answers()


class FakeEngine:
    """An engine that takes everything and answers only `hello`, until it is told to."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.got = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.connections = []
        self.hellos = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        try:
            while True:
                sock, _ = self.listener.accept()
                self.connections.append(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()
        except OSError:
            return

    def _serve(self, sock):
        unpacker = msgpack.Unpacker(raw=False)
        try:
            while True:
                data = sock.recv(65536)
                if not data:
                    return
                unpacker.feed(data)
                for _, msgid, method, params in unpacker:
                    if method == "hello":
                        self.hellos.append(params)
                    else:
                        self.got.release()
                        self.go_on.wait()
                    sock.sendall(msgpack.packb([1, msgid, None, {"lsn": 1, "method": method}]))
        except OSError:
            return

    def wait_for_request(self):
        if not self.got.acquire(timeout=CALL_TIMEOUT):
            raise AssertionError("the request never came to the engine")

    def close(self):
        self.go_on.set()
        self.listener.close()
        for sock in self.connections:
            sock.close()


class Ends(GatewayTestCase):
    def fake(self, *options):
        engine = FakeEngine()
        self.addCleanup(engine.close)
        gateway = Gateway(engine.address, "--threads", 1, *options)
        self.addCleanup(gateway.close)
        return engine, gateway

    def in_thread(self, gateway, *request):
        answers = []
        thread = threading.Thread(target=lambda: answers.append(gateway.request(*request)))
        thread.start()
        return thread, answers

    def test_what_is_under_way_is_answered(self):
        engine, gateway = self.fake()
        thread, answers = self.in_thread(gateway, "POST", "/v1/confirm", {"id": "a"})
        engine.wait_for_request()
        idle = gateway.raw()
        self.addCleanup(idle.close)
        gateway.process.send_signal(signal.SIGTERM)
        self.assertEqual(read_all(idle), b"", "an idle connection is closed")
        with self.assertRaises(OSError):
            wait_until(lambda: gateway.raw().close(), what="a refusal to connect")
        engine.go_on.set()
        join(thread, "the answer")
        self.assertEqual(answers[0].status, 200)
        self.assertEqual(answers[0].headers["Connection"].lower(), "close")
        self.assertEqual(reap(gateway.process, 30), 0)

    def test_it_does_not_wait_for_ever(self):
        engine, gateway = self.fake("--drain-s", 1)
        thread, answers = self.in_thread(gateway, "POST", "/v1/confirm", {"id": "a"})
        engine.wait_for_request()
        self.assertEqual(gateway.stop(), 0)
        join(thread, "an answer")
        self.problem(answers[0], 503, "engine_away")

    def test_an_engine_that_does_not_answer(self):
        engine, gateway = self.fake("--call-s", 1)
        answer = gateway.post("confirm", {"id": "a"})
        self.problem(answer, 503, "engine_away")
        self.assertIn("in time", answer.json["detail"])
        engine.go_on.set()
        self.good(gateway.post("confirm", {"id": "a"}))

    def test_a_stuck_change_does_not_hold_up_questions(self):
        engine, gateway = self.fake()
        thread, answers = self.in_thread(gateway, "POST", "/v1/confirm", {"id": "a"})
        engine.wait_for_request()
        other, more = self.in_thread(gateway, "POST", "/v1/availability",
                                     {"channel": "c", "skus": []})
        engine.wait_for_request()  # it has reached the engine, on another connection
        engine.go_on.set()
        join(thread, "the change")
        join(other, "the question")
        self.assertEqual((answers[0].status, more[0].status), (200, 200))

    def test_every_connection_says_who_it_is_for(self):
        """And says it again for a client's own hello, whose name is not used."""
        engine, gateway = self.fake()
        engine.go_on.set()
        for token in ("one", "two", None):
            bearer = {"Authorization": f"Bearer {token}"} if token else {}
            for method, body in (("hello", {"client_name": "mallory", "token": token}),
                                 ("ping", {})):
                self.good(gateway.post(method, body, **bearer))
        wanted = [["stock-gateway", {"token": "one"}]] * 2
        wanted += [["stock-gateway", {"token": "two"}]] * 2 + [["stock-gateway"]] * 2
        self.assertEqual(engine.hellos, wanted)

    def test_streams_end_with_it(self):
        gateway = Gateway(self.server.unix)
        stream = Stream(gateway, "/v1/changes")
        self.assertEqual(stream.status, 200)
        self.assertEqual(gateway.stop(), 0)
        wait_until(lambda: stream.ended, what="the end of the stream")
        self.assertIn("the gateway is stopping", stream.comments)
        stream.close()
        gateway.close()

    def test_a_connection_that_is_lost(self):
        """A change that may be sent again is, once; a partial step without an op is not."""
        engine, gateway = self.fake()
        for method, body, status in (("confirm", {"id": "a"}, 200),
                                     ("fulfil", {"id": "a", "lines": [["A", 1]]}, 503)):
            thread, answers = self.in_thread(gateway, "POST", f"/v1/{method}", body)
            engine.wait_for_request()
            engine.connections[-1].shutdown(socket.SHUT_RDWR)
            if status == 200:
                engine.wait_for_request()  # it came again, on a new connection
            engine.go_on.set()
            join(thread, "the answer")
            engine.go_on.clear()
            self.assertEqual(answers[0].status, status, answers)
        self.assertFalse(engine.got.acquire(blocking=False), "sent again")
        self.assertIn("not known", answers[0].json["detail"])


if __name__ == "__main__":
    main()
