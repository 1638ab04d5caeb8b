# SPDX-License-Identifier: Apache-2.0
"""A subscriber to events, which goes on from where it was whenever the engine was killed."""

import threading

from engine import SIGNALS, signal_of
from stockd_harness import SLOW, ConnectionClosed, wait_until

A_WHILE = 0.2  # seconds until it looks whether it is to end


class Watcher:
    def __init__(self, server):
        self.server = server
        self.told = []  # in their order; an LSN may be told again
        self.missed = False  # it was too slow: then nothing can be said
        self.ended = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ended:
            try:
                with self.server.client("unix") as client:
                    since = self.told[-1]["lsn"] - 1 if self.told else 0
                    client.call("subscribe", {"events": list(SIGNALS), "since_lsn": since})
                    self.listen(client)
            except (ConnectionClosed, OSError):
                threading.Event().wait(0.01)  # the engine is being started

    def listen(self, client):
        while not self.ended:
            if client.notifications:
                _, params = client.notifications.popleft()
                self.told.append(params[0]) if isinstance(params[0], dict) else self.miss()
                continue
            try:
                message = client.receive_message(A_WHILE * SLOW)
            except TimeoutError:
                continue
            client.notifications.append((message[1], message[2]))

    def miss(self):
        self.missed = True

    def end(self, events):
        """Once it was told of all these events, or never will be."""
        wanted = {signal_of(event) for event in events if event["type"] in SIGNALS}
        try:
            wait_until(lambda: wanted <= set(map(signal_of, list(self.told))) or self.missed)
        except AssertionError:
            pass  # the checker says what is missing
        self.stop()

    def stop(self):
        self.ended = True
        self.thread.join()
