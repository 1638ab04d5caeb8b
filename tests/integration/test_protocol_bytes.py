# SPDX-License-Identifier: Apache-2.0
"""What docs/PROTOCOL.md shows byte by byte is what an engine says. Only times may differ, and LSNs:
the engine records what its items cross some milliseconds later.
"""

import os
import re
import socket
import unittest

import msgpack

from stockd_harness import Server, main

DOCUMENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "PROTOCOL.md")
HEX = re.compile(r"([<>] | {2}) *((?:[0-9a-f]{2} )*[0-9a-f]{2})(?: {2,}|$)")
A_TIME = 1 << 40  # milliseconds: after 2004
A_NEW_ENGINE = "on another fresh engine"


def talks():
    """For each engine, its messages: (sent or not, the bytes)."""
    with open(DOCUMENT, encoding="utf-8") as file:
        section = file.read().split("\n## Bytes\n")[1].split("\n## ")[0]
    found = [[]]
    for n, part in enumerate(section.split("```")):
        if n % 2 == 0:
            if A_NEW_ENGINE in part:
                found.append([])
            continue
        for line in part.strip("\n").split("\n"):
            marker, digits = HEX.match(line).groups()
            if marker != "  ":
                found[-1].append((marker == "> ", bytearray()))
            found[-1][-1][1].extend(bytes.fromhex(digits))
    return found


def without_times(value):
    if isinstance(value, list) and [type(one) for one in value] == [str, str, int, int]:
        return [*value[:3], "an lsn"]  # of a change
    if isinstance(value, list):
        return [without_times(one) for one in value]
    if isinstance(value, dict):
        return {
            key: "an lsn" if key in ("lsn", "next") else without_times(one)
            for key, one in value.items()
        }
    return "a time" if isinstance(value, int) and value > A_TIME else value


class Bytes(unittest.TestCase):
    def message(self, connection):
        while True:
            try:
                return self.unpacker.unpack()
            except msgpack.OutOfData:
                more = connection.recv(1 << 16)
                self.assertTrue(more, "the connection ended")
                self.unpacker.feed(more)

    def talk(self, connection, messages):
        self.unpacker = msgpack.Unpacker()
        for sent, content in messages:
            with self.subTest(content=content.hex(" ")):
                if sent:
                    connection.sendall(content)
                    continue
                got = self.message(connection)
                self.assertEqual(without_times(got), without_times(msgpack.unpackb(content)))

    def test_as_recorded(self):
        engines = talks()
        self.assertEqual(len(engines), 2)
        for messages in engines:
            self.assertGreater(len(messages), 3)
            with Server() as server, socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(10)
                connection.connect(server.unix.removeprefix("unix:"))
                self.talk(connection, messages)


if __name__ == "__main__":
    main()
