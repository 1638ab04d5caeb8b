# SPDX-License-Identifier: Apache-2.0
"""Messages on the wire: split and joined anywhere, pipelined, malformed, too large, too deep. The
server must answer what it can read, end what it cannot, and let nobody else feel it.
"""

import struct
import time

import msgpack

from stockd_harness import (
    MAX_MESSAGE,
    NOTIFICATION,
    REQUEST,
    RESPONSE,
    SANITIZED,
    ConnectionClosed,
    RpcError,
    StockdTestCase,
    main,
    pack,
    request,
    seeded_random,
    unique,
)

KINDS = ("tcp", "unix")
TRANSPORT_ERRORS = (ConnectionClosed, BrokenPipeError, ConnectionResetError)


class Framing(StockdTestCase):
    def setUp(self):
        super().setUp()
        self.witness_sku = self.stocked(10)
        self.addCleanup(self.check_others)

    def check_others(self):
        """The connection that misbehaved was not this one: it goes on, and new ones are served."""
        self.assertEqual(self.client.call("ping"), "pong")
        for kind in KINDS:
            with self.server.client(kind) as client:
                self.assertEqual(
                    client.call("availability", "default", [self.witness_sku])["stock"], [10]
                )

    def each_kind(self):
        for kind in KINDS:
            with self.server.client(kind) as client:
                yield client

    def error_of(self, message, code):
        self.assertIsInstance(message, list)
        self.assertEqual(len(message), 4, message)
        self.assertEqual(message[0], RESPONSE, message)
        self.assertIsInstance(message[2], list, f"{code} expected, got {message!r}")
        self.assertIn(message[2][0], (code,) if isinstance(code, str) else code, message)
        self.assertTrue(message[2][1])
        self.assertIsNone(message[3])
        return message


class SplitAndJoined(Framing):
    def stream(self):
        """A few requests of different shapes and the methods' expected results."""
        sku = self.witness_sku
        calls = [
            ("ping",),
            ("availability", "default", [sku, "NEVER-SEEN"]),
            ("stock", sku),
            ("teleport", {"x": [1, 2.5, None, b"bin"]}),
            ("ping",),
        ]
        return [request(100 + index, *call) for index, call in enumerate(calls)]

    def check(self, client, count=5):
        messages = [client.receive_message() for _ in range(count)]
        self.assertEqual(
            [message[1] for message in messages], [100 + index for index in range(count)]
        )
        self.assertEqual(messages[0][3], "pong")
        self.assertEqual(messages[1][3]["stock"], [10, None])
        self.assertEqual(messages[2][3]["on_hand"], 10)
        self.assertEqual(messages[3][2][0], "unknown_method")
        self.assertEqual(messages[4][3], "pong")

    def test_split_at_every_byte(self):
        data = b"".join(self.stream())
        for client in self.each_kind():
            for cut in range(1, len(data)):
                client.send_raw(data[:cut])
                if cut % 16 == 0:
                    time.sleep(0.001)  # now and then, let the first part really arrive alone
                client.send_raw(data[cut:])
                self.check(client)

    def test_one_byte_at_a_time(self):
        data = b"".join(self.stream())
        for client in self.each_kind():
            for byte in data:
                client.send_raw(bytes([byte]))
                time.sleep(0.0005)
            self.check(client)

    def test_joined_in_random_pieces(self):
        rng = seeded_random()
        rounds = 200
        data = b"".join(self.stream()) * rounds
        for client in self.each_kind():
            sent = 0
            while sent < len(data):
                size = rng.choice((1, 7, 100, 4096, 20000))
                client.send_raw(data[sent : sent + size])
                sent += size
            for _ in range(rounds):
                self.check(client)

    def test_split_inside_a_large_message(self):
        skus = [self.witness_sku, "NEVER-SEEN"] * 2048
        data = request(1, "availability", "default", skus)
        for client in self.each_kind():
            for size in (100, 4093, 16384, 65536, len(data) - 1):
                for start in range(0, len(data), size):
                    client.send_raw(data[start : start + size])
                self.assertEqual(client.receive_message()[3]["stock"], [10, None] * 2048)

    def test_thousands_pipelined_in_order(self):
        for client in self.each_kind():
            calls = [
                ("ping",) if index % 3 else ("availability", "default", [self.witness_sku])
                for index in range(20000)
            ]
            results = client.pipeline(
                calls, window=5000
            )  # the client checks that msgids come back in order
            self.assertEqual(results[1], "pong")
            self.assertTrue(all(result["stock"] == [10] for result in results[::3]))

    def test_errors_keep_their_place(self):
        for client in self.each_kind():
            results = client.pipeline(
                [("ping",), ("teleport",), ("stock", "NEVER-SEEN"), ("stock",), ("ping",)] * 300,
            )
            codes = [result.code if isinstance(result, RpcError) else result for result in results]
            self.assertEqual(
                codes, ["pong", "unknown_method", "unknown_sku", "bad_request", "pong"] * 300
            )

    def test_mutations_and_questions_keep_their_order(self):
        """A question is answered in its place, though it need not wait for the disk."""
        for client in self.each_kind():
            sku = unique("SKU")
            calls = []
            for index in range(200):
                calls += [
                    ("receive", unique("r"), sku, "main", 1),
                    ("availability", "default", [sku]),
                ]
            results = client.pipeline(calls)
            self.assertEqual([result["on_hand"] for result in results[::2]], list(range(1, 201)))
            self.assertEqual([result["stock"][0] for result in results[1::2]], list(range(1, 201)))

    def test_repeated_msgids_are_the_clients_business(self):
        for client in self.each_kind():
            client.send_raw(request(7, "ping") * 50)
            for _ in range(50):
                self.assertEqual(client.receive_message(), [RESPONSE, 7, None, "pong"])

    def test_notifications_are_not_answered(self):
        for client in self.each_kind():
            client.notify("ping")
            client.notify("teleport", 1, 2)
            client.notify("stock", "NEVER-SEEN")
            client.notify("x" * 1000)
            sku = unique("SKU")
            client.notify("receive", unique("r"), sku, "main", 5)
            for _ in range(1000):
                client.notify("ping")
            self.assertEqual(client.call("availability", "default", [sku])["stock"], [None])
            self.assertEqual(client.call("ping"), "pong")
            with self.assertRaises(TimeoutError):
                client.receive_message(timeout=0.05)

    def test_half_close_still_gets_every_answer(self):
        for client in self.each_kind():
            sku = unique("SKU")
            ids = [client.send("receive", unique("r"), sku, "main", 1) for _ in range(100)]
            client.half_close()
            self.assertEqual([client.receive()[1]["on_hand"] for _ in ids], list(range(1, 101)))
            self.assertEqual(client.expect_closed(), [])


class Malformed(Framing):
    def ends_with(self, client, data, code="bad_request"):
        """The server says what is wrong and closes; what came before it is answered."""
        client.send_raw(request(1, "ping") + data)
        self.assertEqual(client.receive_message(), [RESPONSE, 1, None, "pong"])
        messages = client.expect_closed()
        self.assertEqual(len(messages), 1, f"one error, then the end; got {messages!r}")
        return self.error_of(messages[0], code)

    def test_unreadable(self):
        cases = {
            "reserved byte": b"\xc1",
            "reserved byte inside": b"\x94\x00\x05\xc1\x90",
            "reserved byte in params": b"\x94\x00\x05\xa4ping\x91\xc1",
            "not an array": b"\x01",
            "a map": pack({"method": "ping"}),
            "a string": pack("ping"),
            "nil": b"\xc0",
            "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "tls": bytes.fromhex("160301020001000001fc0303"),
            "redis": b"*1\r\n$4\r\nPING\r\n",
        }
        for kind in KINDS:
            for name, data in cases.items():
                with self.subTest(kind=kind, case=name), self.server.client(kind) as bad:
                    self.ends_with(bad, data)

    def test_messages_of_no_form(self):
        """Whole values that are no request: bad_request; then it goes on properly, or is closed."""
        cases = {
            "an empty array": b"\x90",
            "an array of one": pack([REQUEST]),
            "a request without params": pack([REQUEST, 5, "ping"]),
            "a request with five": pack([REQUEST, 5, "ping", [], 1]),
            "a notification of four": pack([NOTIFICATION, 5, "ping", []]),
            "unknown type": pack([3, 5, "ping", []]),
            "type is no integer": pack(["x", 5, "ping", []]),
            "negative type": pack([-1, 5, "ping", []]),
            "a response": pack([RESPONSE, 5, None, "pong"]),
            "msgid too large": pack([REQUEST, 2**32, "ping", []]),
            "msgid negative": pack([REQUEST, -1, "ping", []]),
            "msgid a string": pack([REQUEST, "5", "ping", []]),
            "msgid nil": pack([REQUEST, None, "ping", []]),
            "msgid a float": pack([REQUEST, 5.0, "ping", []]),
        }
        for kind in KINDS:
            for name, data in cases.items():
                with self.subTest(kind=kind, case=name), self.server.client(kind) as bad:
                    bad.send_raw(request(1, "ping") + data + request(2, "ping"))
                    self.assertEqual(bad.receive_message(), [RESPONSE, 1, None, "pong"])
                    self.error_of(bad.receive_message(), "bad_request")
                    try:
                        self.assertEqual(bad.receive_message(), [RESPONSE, 2, None, "pong"])
                    except ConnectionClosed:
                        pass

    def test_readable_frames_with_wrong_types(self):
        """msgid is known, the frame is whole: bad_request to it; then it may go on or be closed."""
        cases = {
            "method is an integer": [REQUEST, 5, 17, []],
            "method is nil": [REQUEST, 5, None, []],
            "method is an array": [REQUEST, 5, ["ping"], []],
            "params is nil": [REQUEST, 5, "ping", None],
            "params is a map": [REQUEST, 5, "ping", {}],
            "params is a string": [REQUEST, 5, "ping", "x"],
        }
        for name, message in cases.items():
            with self.subTest(case=name), self.server.client() as bad:
                bad.send_raw(pack(message))
                got = self.error_of(bad.receive_message(), "bad_request")
                self.assertEqual(got[1], 5)

    def test_random_bytes(self):
        rng = seeded_random()
        for index in range(300):
            with self.server.client(KINDS[index % 2]) as bad:
                try:
                    bad.send_raw(rng.randbytes(rng.choice((1, 2, 10, 100, 3000))))
                    bad.half_close()
                    for message in bad.expect_closed():
                        self.assertEqual((message[0], len(message)), (RESPONSE, 4))
                except TRANSPORT_ERRORS + (OSError,):
                    pass

    def test_mutated_requests(self):
        rng = seeded_random()
        sku = unique("MUT")
        good = [
            request(1, "receive", "mutant-r", sku, "main", 5, {"ref": "x"}),
            request(
                2,
                "reserve",
                "mutant-o",
                "default",
                [[sku, 1, "main"], [sku, 2]],
                {"ttl_ms": 5000, "confirm": True},
            ),
            request(3, "fulfil", "mutant-o", [[sku, 1]], {"op": "mutant-op"}),
            request(4, "availability", "default", [sku, "NEVER-SEEN"]),
            request(5, "location_set", "mutant", {"priority": 5, "lat": 1.5, "groups": ["a"]}),
        ]
        for index in range(400):
            data = bytearray(rng.choice(good))
            for _ in range(rng.randint(1, 3)):
                kind = rng.randrange(3)
                at = rng.randrange(len(data))
                if kind == 0:
                    data[at] = rng.randrange(256)
                elif kind == 1:
                    del data[at]
                else:
                    data.insert(at, rng.randrange(256))
            with self.server.client(KINDS[index % 2]) as bad:
                try:
                    bad.send_raw(bytes(data))
                    bad.half_close()
                    for message in bad.expect_closed():
                        self.assertEqual((message[0], len(message)), (RESPONSE, 4))
                except (BrokenPipeError, ConnectionResetError):
                    pass

    def test_truncated(self):
        data = request(1, "reserve", unique("res"), "default", [[self.witness_sku, 1]])
        for cut in range(1, len(data)):
            with self.server.client(KINDS[cut % 2]) as bad:
                bad.send_raw(data[:cut])
                if cut % 4 == 0:
                    bad.half_close()
                    for message in bad.expect_closed():
                        self.error_of(message, "bad_request")
                elif cut % 4 == 1 and cut % 2 == 0:
                    bad.reset()
        self.assertEqual(self.available(self.witness_sku), 10)

    def test_bad_utf8(self):
        for client in self.each_kind():
            for bad in (b"\xff", b"\xc3", b"a\xed\xa0\x80", b"\xc0\xaf", b"\xf8\x88\x80\x80\x80"):
                raw_str = bytes([0xA0 | len(bad)]) + bad
                client.send_raw(b"\x94\x00\x05" + pack("stock") + b"\x91" + raw_str)
                self.assertEqual(self.error_of(client.receive_message(), "bad_request")[1], 5)
            # a method name is compared, never trusted
            client.send_raw(b"\x94\x00\x06\xa2\xff\xfe\x90")
            self.assertEqual(
                self.error_of(client.receive_message(), ("unknown_method", "bad_request"))[1], 6
            )


class Limits(Framing):
    def answer_to(self, data, kind="tcp"):
        """Sends it and a ping, though the server may close meanwhile: (messages, still open)."""
        with self.server.client(kind) as client:
            try:
                client.send_raw(data)
                client.send_raw(request(99, "ping"))
            except TRANSPORT_ERRORS:
                pass
            messages = []
            try:
                while not messages or messages[-1][1] != 99:
                    messages.append(client.receive_message())
                return messages[:-1], True
            except ConnectionClosed:
                return messages, False

    def readable_but_too_large(self, data, what):
        for kind in KINDS:
            with self.subTest(what=what, kind=kind):
                messages, is_open = self.answer_to(data, kind)
                self.assertEqual(len(messages), 1, messages)
                self.assertEqual(self.error_of(messages[0], "too_large")[1], 7)
                self.assertTrue(is_open, "the frame was readable: the connection goes on")

    def test_message_size(self):
        def filled(size):
            body = request(7, "ping", b"")
            # a bin32 parameter; its header is 5 bytes where the empty bin8 took 2
            body = body[:-2]
            return (
                body
                + b"\xc6"
                + struct.pack(">I", size - len(body) - 5)
                + bytes(size - len(body) - 5)
            )

        fits = filled(MAX_MESSAGE)
        self.assertEqual(len(fits), MAX_MESSAGE)
        for kind in KINDS:
            messages, is_open = self.answer_to(fits, kind)
            self.assertTrue(is_open)
            self.assertEqual(messages[0][1], 7)
            self.assertNotEqual(
                (messages[0][2] or ["fine"])[0], "too_large", "1 MiB is still allowed"
            )
        for kind in KINDS:
            for size in (MAX_MESSAGE + 1, 2 * MAX_MESSAGE):
                with self.subTest(kind=kind, size=size):
                    messages, is_open = self.answer_to(filled(size), kind)
                    if messages or is_open:
                        self.assertEqual(len(messages), 1, messages)
                        self.error_of(messages[0], "too_large")
                    else:
                        self.fail("closed without a word")

    def test_declared_length_over_the_limit(self):
        for header in (b"\xc6", b"\xdb"):
            with self.subTest(header=header), self.server.client() as bad:
                bad.send_raw(
                    b"\x94\x00\x07\xa4ping\x91"
                    + header
                    + struct.pack(">I", 0xFFFFFFFF)
                    + b"x" * 100
                )
                message = bad.receive_message()
                self.error_of(message, ("too_large", "bad_request"))

    def test_declared_elements_over_the_limit(self):
        for what, data in {
            "params array": b"\x94\x00\x07\xa4ping\xdd\x0f\xff\xff\xff",
            "array in params": b"\x94\x00\x07\xa4ping\x91\xdd\x0f\xff\xff\xff",
            "largest array": b"\x94\x00\x07\xa4ping\x91\xdd\xff\xff\xff\xff",
            "map": b"\x94\x00\x07\xa4ping\x91\xdf\x0f\xff\xff\xff",
            "largest map": b"\x94\x00\x07\xa4ping\x91\xdf\xff\xff\xff\xff",
            "the message itself": b"\xdd\x0f\xff\xff\xff",
            "the message, with a start": b"\xdd\x0f\xff\xff\xff\x00\x07\xa4ping",
        }.items():
            with self.subTest(what=what), self.server.client() as bad:
                before = self.server.memory_kib()
                bad.send_raw(data)
                self.error_of(bad.receive_message(), ("too_large", "bad_request"))
                self.assertLess(
                    self.server.memory_kib() - before, 32 << 10, "memory must not follow a claim"
                )

    def test_nesting(self):
        def nested(depth, opener=b"\x91"):
            """A ping whose message is `depth` containers deep."""
            return b"\x94\x00\x07\xa4ping\x91" + opener * (depth - 3) + b"\x90"

        messages, is_open = self.answer_to(nested(8))
        self.assertTrue(is_open)
        self.assertNotEqual((messages[0][2] or ["fine"])[0], "too_large")
        self.readable_but_too_large(nested(9), "nine deep")
        self.readable_but_too_large(nested(33), "33 deep")
        self.readable_but_too_large(nested(1000), "1000 deep")
        self.readable_but_too_large(nested(12, b"\x81\x01"), "maps")
        self.readable_but_too_large(nested(100000), "100000 deep")

    def test_endless_nesting(self):
        with self.server.client() as bad:
            try:
                bad.send_raw(b"\x94\x00\x07\xa4ping\x91" + b"\x91" * (3 * MAX_MESSAGE))
            except TRANSPORT_ERRORS:
                pass
            try:
                self.error_of(bad.receive_message(), ("too_large", "bad_request"))
            except ConnectionClosed:
                self.fail("closed without a word")

    def test_elements(self):
        def filled(count):
            return b"\x94\x00\x07\xa4ping\x91\xdd" + struct.pack(">I", count) + b"\x01" * count

        messages, is_open = self.answer_to(filled(65000))
        self.assertTrue(is_open)
        self.assertNotEqual((messages[0][2] or ["fine"])[0], "too_large")
        self.readable_but_too_large(filled(65537), "65,537 elements")
        self.readable_but_too_large(filled(500000), "500,000 elements")
        spread = (
            b"\x94\x00\x07\xa4ping\x91\xdd"
            + struct.pack(">I", 300)
            + (b"\xdc\x01\x00" + b"\x01" * 256) * 300
        )
        self.readable_but_too_large(spread, "spread over many arrays")

    def test_lines_and_skus(self):
        sku = self.witness_sku
        self.readable_but_too_large(
            request(7, "reserve", unique("res"), "default", [[sku, 1]] * 1025), "1,025 lines"
        )
        self.readable_but_too_large(
            request(7, "availability", "default", [sku] * 4097), "4,097 SKUs"
        )
        self.assertEqual(self.available(sku), 10)

    def test_a_flood_of_oversized_messages(self):
        """Memory does not follow: each is skipped, not kept."""
        one = (
            b"\x94\x00\x07\xa4ping\x91\xc6"
            + struct.pack(">I", 4 * MAX_MESSAGE)
            + bytes(4 * MAX_MESSAGE)
        )
        before = self.server.memory_kib()
        for _ in range(64):
            messages, _ = self.answer_to(one)
            self.error_of(messages[0], "too_large")
        # Half of it: the engine may touch 64 MiB of its tables ahead of use meanwhile.
        if not SANITIZED:
            self.assertLess(self.server.memory_kib() - before, 128 << 10)


class Parameters(Framing):
    def test_wrong_types_everywhere(self):
        """Every parameter of every method with every type that it is not: bad_request."""
        sku = self.witness_sku
        res = self.reserved([[sku, 1]], ttl_ms=600000)
        self.addCleanup(lambda: self.client.call("cancel", res))
        junk = [
            None,
            True,
            False,
            0,
            -1,
            1.5,
            2**64 - 1,
            "",
            "no good\n",
            b"\xff",
            [],
            {},
            [[]],
            {"x": 1},
            msgpack.ExtType(1, b"x"),
        ]
        good = {
            "location_set": ["wrong-types", {}],
            "channel_set": ["wrong-types", {}],
            "item_set": [sku, {}],
            "receive": ["wrong-id", sku, "main", 1, {}],
            "adjust": ["wrong-id", sku, "main", 1, {}],
            "count": ["wrong-id", sku, "main", 10, {}],
            "return": ["wrong-id", sku, "main", 1, {}],
            "reserve": ["wrong-id", "default", [[sku, 1]], {}],
            "extend": [res, 600000],
            "availability": ["default", [sku]],
            "stock": [sku],
            "reservation": [res],
        }
        acceptable = {
            ("item_set", 0): lambda value: value == "no good\n",
            ("stock", 0): lambda value: value == "no good\n",
            ("receive", 0): lambda value: value == "no good\n",
            ("receive", 1): lambda value: value == "no good\n",
            ("adjust", 0): lambda value: value == "no good\n",
            ("count", 0): lambda value: value == "no good\n",
            ("return", 0): lambda value: value == "no good\n",
            ("count", 1): lambda value: value == "no good\n",
            ("adjust", 1): lambda value: value == "no good\n",
            ("return", 1): lambda value: value == "no good\n",
            ("count", 3): lambda value: value == 0 and not isinstance(value, bool),
            ("adjust", 3): lambda value: value == -1,
            ("reserve", 0): lambda value: value == "no good\n",
            ("extend", 0): lambda value: value == "no good\n",
            ("reservation", 0): lambda value: value == "no good\n",
            ("availability", 1): lambda value: value == [],
        }
        for method, params in good.items():
            for place in range(len(params)):
                for value in junk:
                    if isinstance(params[place], dict) and (value is None or value == {}):
                        continue
                    if acceptable.get((method, place), lambda _value: False)(value):
                        continue
                    if value == b"\xff" and good[method][place] in ("wrong-id", res):
                        continue  # an id is bytes of the client's choice
                    with self.subTest(method=method, place=place, value=value):
                        bad = list(params)
                        bad[place] = value
                        self.refused("bad_request", method, *bad)
        self.assertEqual(self.figures(sku), (10, 1, 9))
        self.call("cancel", res)

    def test_too_many_parameters(self):
        for call in (
            ("ping", 1),
            ("locations", 1),
            ("channels", {}, 1),
            ("stock", self.witness_sku, {}, 1),
        ):
            with self.subTest(call=call):
                self.refused("bad_request", *call)


if __name__ == "__main__":
    main()
