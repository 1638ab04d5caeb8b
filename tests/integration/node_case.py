# SPDX-License-Identifier: Apache-2.0
"""Nodes of a cluster that play a script, before a real engine.

The engine stands for what the nodes hold in common: whichever node is the primary passes changes on
to it. So it shows what was done, and whether anything was done twice.
"""

import collections
import selectors
import socket
import threading

import msgpack

from stockd_harness import CALL_TIMEOUT, pack

QUESTIONS = ("ping", "hello", "info", "item", "items", "locations", "channels", "availability", "stock", "reservation",
             "orders", "changes", "history", "subscribe", "events", "locate", "supplies")

# What becomes of a change that a primary gets.
LOSE_REQUEST = "lose request"  # the node dies before the change is in a batch
LOSE_REPLY = "lose reply"  # the node dies after the commit, before the reply


class Node:
    """One node, at `address`. While it is no primary, `names` is whom it names as one, with `term`.

    fates: of the next changes that it gets as primary, from the `after`-th on; then it is down, and
    `then` is called, if given. refusals: how many changes it has refused; after `promoted_after` of
    them it is the primary. `got` lists the methods, and `tried` the parameters, of all changes that
    came, whatever became of them.
    """

    def __init__(self, engine, primary=False, names=None, term=1, tls=None):
        self.engine = engine
        self.primary = primary
        self.names = names
        self.term = term
        self.tls = tls
        self.fates = collections.deque()
        self.after = 0
        self.then = None
        self.promoted_after = None
        self.read_only = False
        self.behind = 0  # so many of these find it behind what the other nodes have
        self.finds_behind = ("subscribe",)
        self.refusals = self.taken = self.subscriptions = 0
        self.got = collections.Counter()  # changes
        self.asked = collections.Counter()  # questions
        self.tried = []
        self.lock = threading.RLock()
        self.listener = None
        self.links = set()
        self.threads = []
        self.port = 0
        self.up()

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.down()
        for thread in self.threads:
            thread.join(CALL_TIMEOUT)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def up(self):
        with self.lock:
            self.listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
            self.port = self.listener.getsockname()[1]
            thread = threading.Thread(target=self._accept, args=(self.listener,))
            self.threads.append(thread)
        thread.start()

    def down(self):
        """Like kill -9: connections end, and nobody listens."""
        with self.lock:
            if self.listener is None:
                return
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept
            self.listener.close()
            self.listener = None
            for link in list(self.links):
                try:
                    link.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def become_primary(self):
        with self.lock:
            self.primary = True

    def become_standby(self, names, term):
        with self.lock:
            self.primary, self.names, self.term = False, names, term

    def _accept(self, listener):
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            with self.lock:
                if self.listener is not listener:
                    link.close()
                    return
                thread = threading.Thread(target=self._serve, args=(link,))
                self.threads.append(thread)
            thread.start()

    def _serve(self, link):
        try:
            if self.tls is not None:
                link = self.tls.wrap_socket(link, server_side=True)
            host, _, port = self.engine.rpartition(":")
            with socket.create_connection((host, int(port)), CALL_TIMEOUT) as engine:
                with self.lock:
                    if self.listener is None:
                        return
                    self.links.add(link)
                self._pass(link, engine)
        except OSError:
            pass
        finally:
            with self.lock:
                self.links.discard(link)
            link.close()

    def _pass(self, link, engine):
        """One request after the other, and what the engine says of its own accord."""
        down = msgpack.Unpacker(raw=True, strict_map_key=False, max_buffer_size=256 << 20)
        up = msgpack.Unpacker(raw=True, strict_map_key=False, max_buffer_size=256 << 20)
        with selectors.DefaultSelector() as selector:
            selector.register(link, selectors.EVENT_READ)
            selector.register(engine, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    data = key.fileobj.recv(65536)
                    if not data:
                        return
                    if key.fileobj is link:
                        down.feed(data)
                        for request in down:
                            if not self._request(link, engine, up, request):
                                return
                    else:
                        up.feed(data)
                    for message in up:  # some may have come together with a response
                        link.sendall(pack(message))

    def _ask(self, link, engine, up, request):
        """The engine's response; notifications before it are passed on."""
        engine.sendall(pack(request))
        while True:
            for message in up:
                if message[0] == 1:
                    return message
                link.sendall(pack(message))
            data = engine.recv(65536)
            if not data:
                raise ConnectionError
            up.feed(data)

    def _request(self, link, engine, up, request):
        """False: the node has died of it."""
        msgid, method = request[1], request[2].decode()
        fate = None
        if method in self.finds_behind and self.behind > 0:
            self.behind -= 1
            link.sendall(pack([1, msgid, None, {"lsn": 1, "next": 1, method: [], "resync": True}]))
            return True
        if method in QUESTIONS:
            self.asked[method] += 1
        else:
            with self.lock:
                if self.listener is None:
                    return False
                self.got[method] += 1
                self.tried.append(request[3])
                refusal = self._refusal()
                if refusal is not None:
                    link.sendall(pack([1, msgid, refusal, None]))
                    return True
                self.taken += 1
                if self.fates and self.taken > self.after:
                    fate = self.fates.popleft()
                    if fate == LOSE_REPLY:
                        self._ask(link, engine, up, request)
                    self.down()
        if fate is not None:
            if self.then is not None:
                self.then()
            return False
        answer = self._ask(link, engine, up, request)
        self.subscriptions += method == "subscribe"
        link.sendall(pack(answer))
        return True

    def _refusal(self):
        if self.read_only:
            return ["read_only", "it is cut off", {}]
        if self.primary:
            return None
        self.refusals += 1
        if self.promoted_after is not None and self.refusals >= self.promoted_after:
            self.primary = True
        return ["not_primary", "another node takes changes", {"address": self.names, "term": self.term}]
