# SPDX-License-Identifier: Apache-2.0
"""Stands between a client and stockd, and cuts connections at a chosen reply."""

import socket
import threading

import msgpack

from stockd_harness import CALL_TIMEOUT, pack


class CuttingProxy:
    """Passes everything on. The first connections, `times` of them, end after so many replies each; what the engine answers beyond them
    is lost, though it was done. `cuts` counts connections that were cut, `connections` those that were made.
    replies: None: it does not end. busy: replies of the first connection that say `overloaded` instead."""

    def __init__(self, target, replies, busy=(), times=1):
        self.target = target
        self.replies = replies
        self.busy = busy
        self.times = times
        self.cuts = self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        self.listener.close()
        for thread in self.threads:
            thread.join()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            host, _, port = self.target.rpartition(":")
            server = socket.create_connection((host, int(port)), CALL_TIMEOUT)
            client.settimeout(CALL_TIMEOUT)
            left = self.replies if self.connections < self.times else None
            busy = self.busy if self.connections == 0 else ()
            self.connections += 1
            up = threading.Thread(target=self._requests, args=(client, server))
            up.start()
            self.threads += [up, threading.Thread(target=self._replies, args=(server, client, left, busy))]
            self.threads[-1].start()

    @staticmethod
    def _requests(client, server):
        try:
            while data := client.recv(65536):
                server.sendall(data)
        except OSError:
            pass
        try:
            server.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def _replies(self, server, client, left, busy):
        unpacker = msgpack.Unpacker(raw=False, strict_map_key=False)
        count = 0
        try:
            while left != 0 and (data := server.recv(65536)):
                unpacker.feed(data)
                for message in unpacker:
                    if count in busy:
                        message = [1, message[1], ["overloaded", "busy", {}], None]
                    count += 1
                    client.sendall(pack(message))
                    left = None if left is None else left - 1
                    if left == 0:
                        break
            self.cuts += left == 0
            client.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        while True:  # the engine does what it was asked, and nobody hears of it
            try:
                if not server.recv(65536):
                    break
            except OSError:
                break
        client.close()
        server.close()
