# SPDX-License-Identifier: Apache-2.0
"""TLS and those who mean no good: junk, connections cut off, handshakes that stall, records that
carry nothing. Others are served meanwhile, and nothing is done that was not asked for.
"""

import os
import random
import socket
import subprocess

from stockd_harness import (
    PATIENCE,
    SLOW,
    ConnectionClosed,
    main,
    pack,
    request,
    unique,
    wait_until,
)
from tls_case import TlsCase, Wire

TIMEOUT_MS = 300


class Records(TlsCase):
    def test_records_of_one_byte(self):
        wire = Wire(self).shake_hands()
        sku = unique("BYTE")
        calls = [request(i, "receive", unique("b"), sku, "main", 1) for i in range(50)]
        wire.socket.sendall(b"".join(wire.encrypt(bytes([byte])) for byte in b"".join(calls)))
        got = b""
        while got.count(b"on_hand") < len(calls):
            got += wire.read()
        self.assertEqual(self.figures(sku), (50, 0, 50))

    def test_records_in_pieces_of_one_byte(self):
        wire = Wire(self).shake_hands()
        for byte in wire.encrypt(request(1, "ping")):
            wire.socket.sendall(bytes([byte]))
        self.assertIn(b"pong", wire.read())

    def test_records_of_all_lengths(self):
        """One of 16 KiB is the longest; pieces end in the middle of headers."""
        wire = Wire(self).shake_hands()
        chance = random.Random(7)
        sku = self.stocked(1)
        for size in (1, 100, 4095, 4096, 9000, 16000, 40000):
            skus = [sku] * max(1, size // (len(sku) + 1))
            cipher = wire.encrypt(request(1, "availability", "default", skus[:4096]))
            while cipher:
                cut = chance.randrange(1, 5000)
                wire.socket.sendall(cipher[:cut])
                cipher = cipher[cut:]
            self.assertTrue(wire.read())

    def test_a_changed_record_ends_the_connection(self):
        sku = unique("FLIP")
        wire = Wire(self).shake_hands()
        wire.socket.sendall(wire.encrypt(request(1, "receive", unique("f"), sku, "main", 1)))
        self.assertTrue(wire.read())
        record = bytearray(wire.encrypt(request(2, "receive", unique("f"), sku, "main", 1)))
        record[-1] ^= 1
        wire.socket.sendall(bytes(record))
        self.assertTrue(wire.read_to_end())
        self.assertEqual(self.figures(sku), (1, 0, 1), "nothing of it was done")

    def test_a_record_that_is_sent_again_ends_the_connection(self):
        sku = unique("AGAIN")
        wire = Wire(self).shake_hands()
        record = wire.encrypt(request(1, "receive", unique("a"), sku, "main", 1))
        wire.socket.sendall(record + record)
        self.assertTrue(wire.read_to_end())
        wait_until(lambda: self.connections() == 1, what="its end")
        self.assertIn(self.figures(sku), ((1, 0, 1),))

    def test_junk_in_the_middle(self):
        wire = Wire(self).shake_hands()
        wire.socket.sendall(wire.encrypt(request(1, "ping")))
        self.assertIn(b"pong", wire.read())
        wire.socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
        self.assertTrue(wire.read_to_end())
        self.assertEqual(self.call("ping"), "pong")

    def test_new_keys_are_given_but_not_for_ever(self):
        """Each is some arithmetic that no request pays for. The client may have asked for many more
        by the time that the engine reads of them, and ends the connection."""
        host = self.server.tls.removeprefix("tls://")
        client = subprocess.Popen(
            ["openssl", "s_client", "-connect", host, "-CAfile", self.authority.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.addCleanup(client.stderr.close)
        self.addCleanup(client.stdin.close)
        self.addCleanup(client.wait)
        self.addCleanup(client.kill)
        wait_until(lambda: self.connections() == 2, what="the connection")
        asked = 0
        try:
            while asked < 200 and client.poll() is None:
                client.stdin.write(b"K\n")
                client.stdin.flush()
                while (line := client.stderr.readline()) and b"KEYUPDATE" not in line:
                    pass
                if not line:
                    break
                asked += 1
                if asked == 4:
                    self.assertEqual(self.connections(), 2, "some are needed on a long connection")
        except BrokenPipeError:
            pass
        wait_until(lambda: self.connections() == 1, what="the end of the connection")


class Cut(TlsCase):
    """A connection that ends without a word may have been cut by anybody."""

    def test_after_a_request(self):
        sku = unique("CUT")
        wire = Wire(self).shake_hands()
        wire.socket.sendall(wire.encrypt(request(1, "receive", unique("c"), sku, "main", 4)))
        self.assertTrue(wire.read())
        wire.socket.shutdown(socket.SHUT_WR)
        self.assertTrue(wire.read_to_end())
        self.assertEqual(self.figures(sku), (4, 0, 4))

    def test_in_the_middle_of_a_message_and_of_a_record(self):
        sku = unique("HALF")
        message = request(1, "receive", unique("h"), sku, "main", 4)
        wire = Wire(self).shake_hands()
        wire.socket.sendall(wire.encrypt(message[:-3]))
        wire.socket.sendall(wire.encrypt(message[-3:])[:-1])
        wire.socket.shutdown(socket.SHUT_WR)
        self.assertTrue(wire.read_to_end())
        wait_until(lambda: self.connections() == 1, what="its end")
        self.refused("unknown_sku", "stock", sku)

    def test_a_client_that_says_goodbye(self):
        client = self.tls_client()
        self.assertEqual(client.call("ping"), "pong")
        client.socket.unwrap()
        wait_until(lambda: self.connections() == 1, what="its end")

    def test_requests_before_the_notice_are_answered(self):
        wire = Wire(self).shake_hands()
        cipher = b"".join(wire.encrypt(request(i, "ping")) for i in range(100))
        try:
            wire.tls.unwrap()
        except OSError:
            pass  # it wants to read the engine's notice
        wire.socket.sendall(cipher + wire.records())
        got = b""
        while data := wire.read():
            got += data
        self.assertEqual(got.count(b"pong"), 100)
        self.assertTrue(wire.told_of_the_end, "it might have been cut off")

    def test_in_the_middle_of_a_handshake(self):
        wire = Wire(self)
        try:
            wire.tls.do_handshake()
        except OSError:
            pass
        hello = wire.records()
        for part in (hello[:3], hello[:60], hello):
            with socket.create_connection(wire.socket.getpeername()) as cut:
                cut.sendall(part)
        wire.socket.close()
        wait_until(lambda: self.connections() == 1, what="the ends of all")
        self.assertEqual(self.call("ping"), "pong")


class Junk(TlsCase):
    def raw(self, data, address=None):
        host, port = (address or self.server.tls.removeprefix("tls://")).split(":")
        peer = socket.create_connection((host, int(port)))
        self.addCleanup(peer.close)
        peer.settimeout(self.client.timeout)
        peer.sendall(data)
        got = b""
        try:
            while data := peer.recv(65536):
                got += data
        except ConnectionResetError:
            pass
        return got

    def test_instead_of_a_handshake(self):
        chance = random.Random(11)
        before = self.handshakes()
        junk = [
            request(1, "ping"),
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            bytes(5000),
            bytes(chance.randrange(256) for _ in range(2000)),
            b"\x16\x03\x01\x40\x00" + bytes(6000),
            b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        ]
        for data in junk:
            self.assertNotIn(b"pong", self.raw(data))
        after = self.handshakes()
        self.assertEqual(after["handshakes"], before["handshakes"])
        self.assertEqual(after["handshakes_failed"] - before["handshakes_failed"], len(junk))
        wait_until(lambda: self.connections() == 1, what="the ends of all")

    def test_a_handshake_with_an_address_without_tls(self):
        wire = Wire(self)
        try:
            wire.tls.do_handshake()
        except OSError:
            pass
        self.assertIn(b"bad_request", self.raw(wire.records(), self.server.tcp))

    def test_a_hello_that_is_too_long(self):
        """Nobody needs 4 KiB to say hello, and nothing is kept for one who takes more."""
        self.raw(b"\x16\x03\x01\x3f\xf0\x01\x00\x3f\xec" + bytes(6000))
        wait_until(lambda: self.connections() == 1, what="its end")


class Stalled(TlsCase):
    options = ("--tls-handshake-timeout-ms", TIMEOUT_MS)

    def test_handshakes_that_do_not_go_on_are_cut(self):
        wire = Wire(self)
        try:
            wire.tls.do_handshake()
        except OSError:
            pass
        hello = wire.records()
        wire.socket.close()
        before = self.handshakes()["handshakes_failed"]
        stalled = []
        for part in (b"", hello[:1], hello[:100], hello):
            peer = socket.create_connection(wire_address(self))
            self.addCleanup(peer.close)
            peer.settimeout(self.client.timeout)
            peer.sendall(part)
            stalled.append(peer)
        self.assertEqual(self.tls_client().call("ping"), "pong", "others are served meanwhile")
        for peer in stalled:
            try:
                while peer.recv(65536):
                    pass
            except ConnectionResetError:
                pass
        wait_until(
            lambda: self.handshakes()["handshakes_failed"] - before >= len(stalled),
            what="their count",
        )
        self.assertIn("tls-handshake-timeout-ms", self.server.stderr())

    def test_a_client_that_has_shaken_hands_may_be_silent(self):
        client = self.tls_client()
        before = self.handshakes()["handshakes_failed"]
        silent = socket.create_connection(wire_address(self))
        self.addCleanup(silent.close)
        wait_until(
            lambda: self.handshakes()["handshakes_failed"] > before, what="the end of another"
        )
        self.assertEqual(client.call("ping"), "pong")


class Crowd(TlsCase):
    options = ("--tls-handshake-timeout-ms", "3600000")

    def test_many_that_stall_leave_room_for_those_that_do_not(self):
        """More handshakes than are kept in the middle: the oldest give way."""
        wire = Wire(self)
        try:
            wire.tls.do_handshake()
        except OSError:
            pass
        hello = wire.records()
        wire.socket.close()
        many = [socket.create_connection(wire_address(self)) for _ in range(1100)]
        for peer in many:
            self.addCleanup(peer.close)
            peer.sendall(hello)
        wait_until(
            lambda: self.handshakes()["handshakes_failed"] >= 1100 - 1024, what="the oldest's end"
        )
        self.assertEqual(self.tls_client().call("ping"), "pong")
        self.assertEqual(self.call("ping"), "pong")


class Full(TlsCase):
    options = ("--max-connections", "2")

    def test_one_too_many_is_closed(self):
        self.tls_client()
        with self.assertRaises((OSError, ConnectionClosed)):
            self.tls_client().call("ping")


def wire_address(case):
    host, port = case.server.tls.removeprefix("tls://").split(":")
    return host, int(port)


if __name__ == "__main__":
    main()
