# SPDX-License-Identifier: Apache-2.0
"""How the people of the day talk to the engine: MessagePack-RPC on a socket, many calls in flight.

A desk never loses a request. If the engine dies before it has answered, the desk connects to the
next one and sends the same bytes again: every change carries an id, so it is done once. A note is
kept of every answered change; the books (books.py) are made from these notes alone.
"""

import collections
import itertools
import socket
import sys
import threading
import time

try:
    import msgpack
except ImportError:
    sys.exit("examples/day needs msgpack (Debian: python3-msgpack, for /usr/bin/python3)")

REQUEST, RESPONSE = 0, 1
IN_FLIGHT = 128
PATIENCE_S = 120  # for one answer, or for the engine to come back; `Engine` may raise it
QUESTIONS = frozenset(
    "availability promise locate stock item reservation orders supply supplies report events "
    "changes info check hello locations".split()
)

# What a change may be refused with on a day on which nothing is wrong. Anything else is a fault.
ANY = frozenset(["insufficient_stock", "wrong_state"])
MAY_REFUSE = {
    "stock": frozenset(["unknown_sku"]),
    "reserve": frozenset(["insufficient_stock"]),
    "transfer": frozenset(["insufficient_stock"]),
    "shift": frozenset(["insufficient_stock"]),
    "allot": frozenset(["insufficient_stock"]),
    "adjust": frozenset(["insufficient_stock", "stale"]),
    "count": frozenset(["stale"]),
    "return": frozenset(["wrong_state"]),
    "confirm": ANY, "extend": ANY, "fulfil": ANY, "cancel": ANY, "amend": ANY, "move": ANY,
    "ready": ANY, "restock": ANY, "reject": ANY, "ship": ANY, "arrive": ANY,
    "withdraw": ANY, "reschedule": ANY,
}


TIMES = ("collect_by_ms", "eta_ms")  # may be past by the time that the engine is back


class Fault(AssertionError):
    """The engine did what it must not do."""


class Refusal:
    """The engine's [code, message, details]."""

    def __init__(self, code, message, details):
        self.code, self.message, self.details = code, message, details or {}

    def __repr__(self):
        return f"{self.code}: {self.message} {self.details}"


class Note:
    """One answered change. `again`: it was sent more than once, so the engine may have done it at
    any time between, and told it from memory."""

    __slots__ = ("asked", "answered", "again", "who", "method", "params", "refusal", "result")

    def __init__(self, call, answered, refusal, result):
        self.asked, self.again, self.who = call.asked, call.sent > 1, call.who
        self.method, self.params = call.method, call.params
        self.answered, self.refusal, self.result = answered, refusal, result

    @property
    def options(self):
        last = self.params[-1]
        return last if isinstance(last, dict) else {}

    def __repr__(self):
        said = self.refusal if self.refusal else self.result
        return f"{self.who}: {self.method} {self.params} -> {said}"


class Notes:
    """Everything that was answered to anybody; `refused` counts what was not done."""

    def __init__(self):
        self.changes = []
        self.refused = collections.Counter()
        self.calls = 0
        self.sent_again = 0
        self.faults = []

    def keep(self, call, answered, refusal, result):
        self.calls += 1
        self.sent_again += call.sent > 1
        if refusal is not None:
            self.refused[call.method, refusal.code] += 1
            too_late = refusal.code == "bad_request" and refusal.details.get("param") in TIMES
            if not too_late and refusal.code not in MAY_REFUSE.get(call.method, ()):
                self.faults.append(f"{call.who}: {call.method} {call.params} refused: {refusal}")
        elif call.method not in QUESTIONS:
            self.changes.append(Note(call, answered, None, result))
        if refusal is not None and call.method == "reserve":
            self.changes.append(Note(call, answered, refusal, None))


class Call:
    __slots__ = ("who", "method", "params", "asked", "sent")

    def __init__(self, who, method, params):
        self.who, self.method, self.params = who, method, params
        self.asked, self.sent = None, 0


class Desk:
    """One connection, for one thread. It outlives the engine's crashes."""

    def __init__(self, engine, notes, who):
        self.engine, self.notes, self.who = engine, notes, who
        self.socket = None
        self.msgids = itertools.count(1)

    def ask(self, method, *params):
        """The result of one call; a Refusal if it was refused."""
        return self.all([(method, *params)])[0]

    def must(self, method, *params):
        """Likewise, of a call that nothing could have refused."""
        got = self.ask(method, *params)
        if isinstance(got, Refusal):
            raise Fault(f"{self.who}: {method} {params} refused: {got}")
        return got

    def all(self, calls):
        """The results (or Refusals) of many calls, in their order."""
        waiting = collections.deque(Call(self.who, m, list(p)) for m, *p in calls)
        results = []
        deadline = time.monotonic() + self.engine.patience_s
        while waiting:
            try:
                self._exchange(waiting, results)
            except (ConnectionError, FileNotFoundError) as lost:
                self.close()
                if time.monotonic() > deadline:
                    raise Fault(f"{self.who}: there is no engine") from lost
                time.sleep(0.02)
                self.engine.up.wait(self.engine.patience_s)
        return results

    def _exchange(self, waiting, results):
        if self.socket is None:
            self._connect()
        flying = collections.deque()
        while waiting:
            data = bytearray()
            while len(flying) < min(IN_FLIGHT, len(waiting)):
                call = waiting[len(flying)]
                call.asked = call.asked or time.time()
                call.sent += 1
                msgid = next(self.msgids) & 0xFFFFFFFF
                flying.append(msgid)
                data += msgpack.packb([REQUEST, msgid, call.method, call.params])
            self.socket.sendall(data)
            while flying:
                message = self._receive()
                if message[:2] != [RESPONSE, flying.popleft()]:
                    raise Fault(f"{self.who}: not the answer to the oldest request: {message}")
                self._take(waiting, results, message[2], message[3])
                if len(flying) < IN_FLIGHT // 2 and len(waiting) > len(flying):
                    break  # there is room for more

    def _take(self, waiting, results, error, result):
        call = waiting.popleft()
        refusal = Refusal(*error) if error else None
        self.notes.keep(call, time.time(), refusal, result)
        results.append(refusal or result)

    def _connect(self):
        self.unpacker = msgpack.Unpacker(raw=False, strict_map_key=False, max_buffer_size=1 << 28)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(self.engine.patience_s)
        self.socket.connect(self.engine.path)
        self.socket.sendall(msgpack.packb([REQUEST, 0, "hello", [self.who]]))
        self._receive()

    def _receive(self):
        while True:
            try:
                return self.unpacker.unpack()
            except msgpack.OutOfData:
                data = self.socket.recv(1 << 18)
            if not data:
                raise ConnectionResetError("the engine is gone")
            self.unpacker.feed(data)

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None


class Engine:
    """What desks need to know of an engine: where it listens, and when it is back.

    `start` and `kill` come from whoever runs the engine: day.py for a person, the harness for a
    test.
    """

    def __init__(self, path, start, kill, patience_s=PATIENCE_S):
        self.path, self._start, self._kill = path, start, kill
        self.patience_s = patience_s
        self.up = threading.Event()
        self.crashes = []  # (when it was killed, when the next one served)

    def start(self):
        self._start()
        self.up.set()

    def crash(self):
        """kill -9, and a new engine on the same directory."""
        self.up.clear()
        died = time.time()
        self._kill()
        self.start()
        self.crashes.append((died, time.time()))
