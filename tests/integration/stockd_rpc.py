# SPDX-License-Identifier: Apache-2.0
"""A blocking MessagePack-RPC client on Debian's python3-msgpack, strict about what the server may
send.

Used through stockd_harness, which re-exports these names.
"""

import collections
import itertools
import select
import socket
import ssl
import struct
import time

import msgpack

REQUEST, RESPONSE, NOTIFICATION = 0, 1, 2
DEFAULT_TIMEOUT = 45.0  # seconds for one answer; stockd_harness raises it for sanitizer builds


def describe_engine(_address):
    """What is known of the engine at that address, for time-outs; stockd_harness knows its log."""
    return ""


class RpcError(Exception):
    """The server's [code, message, details]."""

    def __init__(self, code, message, details=None):
        super().__init__(f"{code}: {message} {details!r}")
        self.code = code
        self.message = message
        self.details = details


class ConnectionClosed(ConnectionError):
    """The server ended the connection while an answer was awaited."""


class ProtocolError(AssertionError):
    """The server sent something that is not MessagePack-RPC as the contract has it."""


class WouldBlock(Exception):
    """The server takes no more bytes for now (back-pressure)."""


def pack(value):
    return msgpack.packb(value, use_bin_type=True)


def request(msgid, method, *params):
    return pack([REQUEST, msgid, method, list(params)])


def _to_error(error):
    if not isinstance(error, list) or len(error) != 3:
        raise ProtocolError(f"error is not [code, message, details]: {error!r}")
    code, message, details = error
    if (
        not isinstance(code, str)
        or not isinstance(message, str)
        or not (details is None or isinstance(details, dict))
    ):
        raise ProtocolError(f"error has wrong types: {error!r}")
    return RpcError(code, message, details)


class Client:
    """One connection. call() blocks; send()/receive() and pipeline() keep many in flight.

    A tls://HOST:PORT needs an ssl.SSLContext; HOST is what the engine must prove to be, unless
    `host` says otherwise. `session` is one to resume.
    """

    def __init__(
        self, address, timeout=None, receive_buffer=None, tls=None, host=None, session=None
    ):
        self.timeout = DEFAULT_TIMEOUT if timeout is None else timeout
        self.msgids = itertools.count(1)
        self.unpacker = msgpack.Unpacker(raw=False, max_buffer_size=256 << 20, strict_map_key=False)
        self.notifications = collections.deque()
        self.expected = collections.deque()  # msgids in request order
        self.methods = collections.deque()  # the methods of those requests
        self.address = address
        if address.startswith("unix:"):
            self.socket = socket.socket(socket.AF_UNIX)
            target = address[len("unix:") :]
        else:
            at, _, port = address.removeprefix("tls://").rpartition(":")
            at = at.strip("[]")
            self.socket = socket.socket(socket.AF_INET6 if ":" in at else socket.AF_INET)
            target = (at, int(port))
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(self.timeout)
        try:
            self.socket.connect(target)
        except TimeoutError:
            raise self.late("to be connected", self.timeout) from None
        if self.socket.family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if address.startswith("tls://"):
            self._shake_hands(tls, host or at, session)

    def _shake_hands(self, tls, host, session):
        plain = self.socket
        try:
            self.socket = tls.wrap_socket(plain, server_hostname=host, session=session)
        except OSError:  # an ssl.SSLError is one, too
            plain.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.close()

    def late(self, what, seconds):
        """The TimeoutError of a wait for `what`: with what is in flight, and the engine's words."""
        in_flight = f"; {len(self.expected)} in flight" if self.expected else ""
        if self.methods:
            in_flight += f", the first a {self.methods[0]} (msgid {self.expected[0]})"
        return TimeoutError(
            f"waited {seconds:.1f} s for {self.address} {what}{in_flight}"
            + describe_engine(self.address)
        )

    # raw bytes

    def send_raw(self, data):
        try:
            self.socket.sendall(data)
        except TimeoutError:
            raise self.late(f"to take {len(data)} bytes", self.timeout) from None

    def try_send_raw(self, data, wait=0.0):
        """Sends what the socket takes within `wait` seconds: the bytes that went, or WouldBlock."""
        _, writable, _ = select.select([], [self.socket], [], wait)
        if not writable:
            raise WouldBlock()
        self.socket.setblocking(False)
        try:
            return self.socket.send(data)
        except (BlockingIOError, ssl.SSLWantWriteError):
            raise WouldBlock() from None
        finally:
            self.socket.settimeout(self.timeout)

    def send_while_receiving(self, data):
        """Like send_raw, but takes in answers meanwhile, so that neither side can be stuck."""
        data = memoryview(data)
        deadline = time.monotonic() + self.timeout
        while data:
            readable, writable, _ = select.select([self.socket], [self.socket], [], self.timeout)
            if time.monotonic() > deadline:
                raise self.late(f"to take {len(data)} more bytes", self.timeout)
            if readable:
                self._fill_at_once()
            if writable:
                sent = self.try_send_raw(data[:65536])
                data = data[sent:]
                deadline = time.monotonic() + self.timeout

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        self.socket.close()

    def reset(self):
        """Ends the connection abruptly: the peer sees a reset (TCP)."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # messages

    def receive_message(self, timeout=None):
        """The next message of any kind; ConnectionClosed at the end, TimeoutError if none comes."""
        timeout = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + timeout
        while True:
            try:
                return self.unpacker.unpack()
            except msgpack.OutOfData:
                pass
            self._fill(deadline, timeout)

    def _fill(self, deadline, timeout):
        left = deadline - time.monotonic()
        if left <= 0:
            raise self.late("to send a message", timeout)
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(1 << 16)
        except TimeoutError:
            raise self.late("to send a message", timeout) from None
        except ConnectionResetError as error:
            raise ConnectionClosed("connection reset by the server") from error
        except ssl.SSLError as error:
            raise ConnectionClosed(f"connection ended by the server: {error}") from error
        finally:
            self.socket.settimeout(self.timeout)
        self._feed(data)

    def _fill_at_once(self):
        """What is there; with TLS that may be no data at all."""
        self.socket.setblocking(False)
        try:
            self._feed(self.socket.recv(1 << 16))
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        except ConnectionResetError as error:
            raise ConnectionClosed("connection reset by the server") from error
        except ssl.SSLError as error:
            raise ConnectionClosed(f"connection ended by the server: {error}") from error
        finally:
            self.socket.settimeout(self.timeout)

    def _feed(self, data):
        if not data:
            raise ConnectionClosed("connection closed by the server")
        self.unpacker.feed(data)

    def expect_closed(self, timeout=None):
        """Reads to the end of the stream; returns the messages that came before it."""
        messages = []
        try:
            while True:
                messages.append(self.receive_message(timeout))
        except ConnectionClosed:
            return messages

    def _expect(self, method):
        msgid = next(self.msgids) & 0xFFFFFFFF
        self.expected.append(msgid)
        self.methods.append(method)
        return msgid

    def send(self, method, *params):
        msgid = self._expect(method)
        self.send_raw(request(msgid, method, *params))
        return msgid

    def notify(self, method, *params):
        self.send_raw(pack([NOTIFICATION, method, list(params)]))

    def receive(self, timeout=None):
        """(error or None, result) of the oldest request in flight. Checks that order is kept."""
        while True:
            message = self.receive_message(timeout)
            if not isinstance(message, list) or not message:
                raise ProtocolError(f"not a MessagePack-RPC message: {message!r}")
            if message[0] == NOTIFICATION and len(message) == 3:
                self.notifications.append((message[1], message[2]))
                continue
            if message[0] != RESPONSE or len(message) != 4:
                raise ProtocolError(f"not a response: {message!r}")
            wanted = self.expected.popleft() if self.expected else None
            if self.methods:
                self.methods.popleft()
            if message[1] != wanted:
                raise ProtocolError(f"response to {message[1]!r}, but {wanted!r} was next")
            if message[2] is not None and message[3] is not None:
                raise ProtocolError(f"both an error and a result: {message!r}")
            return (None if message[2] is None else _to_error(message[2])), message[3]

    def call(self, method, *params, timeout=None):
        self.send(method, *params)
        while True:
            last = len(self.expected) == 1
            error, result = self.receive(timeout)
            if last:
                if error is not None:
                    raise error
                return result

    def pipeline(self, calls, window=1024):
        """calls: (method, *params)…; results in order, an RpcError where one was refused.

        At most `window` are in flight.
        """
        results = []
        in_flight = 0
        chunk = bytearray()

        def flush():
            if chunk:
                self.send_while_receiving(bytes(chunk))
                chunk.clear()

        for method, *params in calls:
            msgid = self._expect(method)
            chunk += request(msgid, method, *params)
            in_flight += 1
            if in_flight >= window or len(chunk) > 32768:
                flush()
            while in_flight >= window:
                error, result = self.receive()
                results.append(result if error is None else error)
                in_flight -= 1
        flush()
        while in_flight:
            error, result = self.receive()
            results.append(result if error is None else error)
            in_flight -= 1
        return results
