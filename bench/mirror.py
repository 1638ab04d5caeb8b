# SPDX-License-Identifier: Apache-2.0
"""How long a change takes to be visible in the mirror: changes one item, and polls Redis until the
new number is there. The time counts from just before the change is sent, so it includes the way to
stockd and its sync."""

import socket
import time

import msgpack


class Mirror:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def available(self, sku, channel):
        """The number in Redis; None: none yet."""
        self.socket.sendall(f"HGET stock:item:{sku} {channel}\r\n".encode())
        reply = b""
        while reply.count(b"\r\n") < (1 if reply.startswith(b"$-1") else 2):
            part = self.socket.recv(4096)
            if not part:
                raise OSError("Redis closed the connection")
            reply += part
        lines = reply.split(b"\r\n")
        return None if lines[0] == b"$-1" else int(lines[1])


def call(stream, unpacker, number, method, *params):
    stream.sendall(msgpack.packb([0, number, method, list(params)]))
    while True:
        for message in unpacker:
            if message[2] is not None:
                raise OSError(f"{method}: {message[2]}")
            return message[3]
        unpacker.feed(stream.recv(65536))


def probe(address, redis_port, count):
    """Milliseconds: p50, p99, greatest of count changes; and to the durable reply alone. One change
    before them is not counted: the mirror may still be busy with the items stocked for the load."""
    host, port = address.rsplit(":", 1)
    stream = socket.create_connection((host, int(port)))
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    unpacker = msgpack.Unpacker(raw=False)
    mirror = Mirror(redis_port)
    times = []
    replies = []
    for number in range(count + 1):
        begin = time.monotonic()
        call(stream, unpacker, number, "receive", f"mirror-{begin}", "MIRROR", "main", 1)
        replied = time.monotonic()
        while (mirror.available("MIRROR", "default") or 0) < number + 1:
            if time.monotonic() - begin > (10 if number > 0 else 60):
                raise OSError("a change was not seen in Redis")
            time.sleep(0.0002)
        if number > 0:
            times.append(1000 * (time.monotonic() - begin))
            replies.append(1000 * (replied - begin))
        time.sleep(0.01)
    times.sort()
    replies.sort()
    return {"changes": count, "p50_ms": times[count // 2], "p99_ms": times[count * 99 // 100],
            "max_ms": times[-1], "reply_p50_ms": replies[count // 2],
            "reply_p99_ms": replies[count * 99 // 100]}
