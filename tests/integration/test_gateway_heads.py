# SPDX-License-Identifier: Apache-2.0
"""Heads of requests that stock-gateway and a proxy before it might read differently. Each is
refused, and the connection is closed: what follows would be somebody else's request."""

import json
import socket

from gateway_case import GatewayTestCase
from stockd_harness import main

NEXT = b"GET /healthz HTTP/1.1\r\nHost: abcde\r\n\r\n"  # 37 bytes, a body or a request


def head(*lines, request=b"POST /v1/ping HTTP/1.1", end=b"\r\n"):
    return end.join((request, *lines, b"", b""))


class Heads(GatewayTestCase):
    def say(self, text):
        """What the gateway answers, up to the end of the connection if it ends."""
        with self.gateway.raw() as sock:
            sock.sendall(text)
            sock.shutdown(socket.SHUT_WR)
            said = b""
            while more := sock.recv(65536):
                said += more
        return said

    def refused(self, text, param=None):
        """The answer must come, and end the connection, although the client keeps it open."""
        with self.gateway.raw() as sock:
            sock.sendall(text)
            said = b""
            while more := sock.recv(65536):
                said += more
        top, _, body = said.partition(b"\r\n\r\n")
        self.assertTrue(top.startswith(b"HTTP/1.1 400 "), (text, said))
        self.assertIn(b"\r\nconnection: close", top.lower())
        self.assertIn(b"application/problem+json", top)
        problem = json.loads(body)  # so nothing else was answered
        self.assertEqual(problem["code"], "bad_request", (text, said))
        self.assertEqual(problem["details"].get("param"), param, (text, said))

    def taken(self, text, count=1):
        said = self.say(text)
        self.assertEqual((said.count(b"HTTP/1.1 "), said.count(b"HTTP/1.1 200 ")), (count, count),
                         (text, said))

    def test_what_is_taken(self):
        host = b"Host: a"
        self.taken(head(host, b"Content-Length: 0") + NEXT, 2)
        self.taken(head(host, b"Content-Length:37") + b"{}".ljust(37) + NEXT, 2)
        self.taken(head(host, b"Transfer-Encoding: Chunked") + b"2\r\n{}\r\n0\r\n\r\n" + NEXT, 2)
        self.taken(head(host, b"Content-Length: 0", end=b"\n") + NEXT, 2)
        self.taken(head(b"Host:", b"X-Empty:", b"X-Blanks: \t ", b"X-Text: \t\xc3\xa9 : b ",
                        b"Cookie: a=b; c=\"d\"", b"X!#$%&'*+-.^_`|~1: a", b"Content-Length: 0"))
        self.taken(head(b"Content-Length: 0", request=b"POST /v1/ping HTTP/1.0"))

    def test_names(self):
        for line in (b"Content-Length : 37", b"Content-Length\t: 37", b" Content-Length: 37",
                     b"X Content-Length: 37", b"Content-\x01Length: 37", b"(X): a", b"X\xc3\xa9: a",
                     b": a"):
            self.refused(head(b"Host: a", line) + NEXT)
            self.refused(head(line, b"Host: a") + NEXT)

    def test_a_line_that_looks_like_the_end(self):
        for line in (b":", b": ", b": a", b":a", b":X: a", b"::"):
            self.refused(head(b"Host: a", line, b"Content-Length: 37") + NEXT)
            self.refused(head(b"Host: a", line) + NEXT)
            self.refused(head(line, b"Host: a") + NEXT)

    def test_headers_of_two_lines(self):
        for lines in ((b"X: a", b" b"), (b"X: a", b"\tb"), (b"X: a", b" "),
                      (b"Content: 37", b" -Length"), (b"Content-Length:", b" 37"),
                      (b"Transfer-Encoding: chun", b" ked"), (b"X: a", b" b", b" c")):
            for end in (b"\r\n", b"\n"):
                self.refused(head(b"Host: a", *lines, end=end) + NEXT)
                self.refused(head(*lines, b"Host: a", end=end) + NEXT)

    def test_control_bytes(self):
        for value in (b"a\0", b"a\0b", b"\0b", b"a\0\0b", b"a\x01b", b"a\rb", b"\x7f", b"\x1b[1m"):
            self.refused(head(b"X: " + value, b"Host: a"))
            self.refused(head(b"Host: a", b"X: " + value))
        self.refused(head(b"Host: a", b"Content-Length: 0\x000", b"X: a") + NEXT)

    def test_hosts(self):
        self.refused(head(b"Content-Length: 0"), "Host")
        self.refused(head(b"Host: a", b"Host: b"), "Host")
        self.refused(head(b"Host: a", b"host: b", request=b"POST /v1/ping HTTP/1.0"), "Host")

    def test_two_of_what_must_be_one(self):
        body = b'{"sku":"A","location":"main","delta":0}'
        for name, one, other in ((b"Authorization", b"Bearer a", b"Bearer b"),
                                 (b"Idempotency-Key", b"k-1", b"k-2"),
                                 (b"Content-Length", b"%d" % len(body), b"0")):
            lines = [name + b": " + one, name.upper() + b": " + other]
            if name != b"Content-Length":
                lines.append(b"Content-Length: %d" % len(body))
            text = head(b"Host: a", *lines, request=b"POST /v1/adjust HTTP/1.1")
            self.refused(text + body, name.decode())

    def test_lengths(self):
        for encoding in (b"identity", b"gzip, chunked", b"xchunked", b"chunked, chunked", b"gzip",
                         b"chunked ", b"", b"\x0bchunked"):
            line = b"Transfer-Encoding: " + encoding
            param = None if b"\x0b" in encoding else "Transfer-Encoding"
            self.refused(head(b"Host: a", line), param)
        chunked = b"Transfer-Encoding: chunked"
        self.refused(head(b"Host: a", chunked, chunked) + b"0\r\n\r\n" + NEXT, "Transfer-Encoding")
        self.refused(head(chunked, b"Connection: keep-alive", request=b"POST /v1/ping HTTP/1.0") +
                     b"0\r\n\r\n" + NEXT, "Transfer-Encoding")
        for lines in ((chunked, b"Content-Length: 5"), (b"Content-Length: 5", chunked)):
            self.refused(head(b"Host: a", *lines) + b"0\r\n\r\n" + NEXT, "Content-Length")


if __name__ == "__main__":
    main()
