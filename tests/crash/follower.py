# SPDX-License-Identifier: Apache-2.0
"""Somebody who follows events and changes over an engine's crashes, each from where it was."""

import threading
import time

from stockd_harness import Client, ConnectionClosed, RpcError

CHANNEL, EVERY_S, QUERY_MAX = "default", 0.002, 4096


class Follower:
    """It misses no event that the engine has, and knows what can be sold; `resyncs`: how often it was told to
    look anew."""

    def __init__(self, address):
        self.address = address
        self.events, self.events_next = set(), 0
        self.stock, self.changes_next = {}, 0
        self.resyncs = 0
        self.thread = None

    # ---- while the engine lives

    def begin(self):
        self.thread = threading.Thread(target=self._until_it_is_gone)
        self.thread.start()

    def end(self):
        self.thread.join()

    def _until_it_is_gone(self):
        try:
            with Client(self.address) as client:
                while True:
                    self.read(client)
                    time.sleep(EVERY_S)
        except (ConnectionClosed, OSError):
            pass
        except RpcError as refused:
            if refused.code != "read_only":  # the disk is gone
                raise

    def read(self, client):
        """All that is told by now."""
        page = {"next": 0, "lsn": 1}
        while page["next"] < page["lsn"]:
            page = client.call("events", self.events_next, {"limit": 10_000})
            self.events |= keys_of(page)
            self.events_next = page["next"]
            self.resyncs += page["resync"]
        page = {"next": 0, "lsn": 1}
        while page["next"] < page["lsn"]:
            page = client.call("changes", self.changes_next, {"channel": CHANNEL, "limit": 10_000})
            self.changes_next = page["next"]
            if page["resync"]:
                self.stock, self.changes_next, page["next"] = {}, 0, 0
                self.resyncs += 1
            self.stock.update({sku: available for _, sku, available, _ in page["changes"]})

    # ---- after a start

    def wrong(self, client):
        """What it does not know, of an engine on which nothing happens; None: nothing."""
        kept, page = set(), {"next": 0, "lsn": 1}
        while page["next"] < page["lsn"]:
            page = client.call("events", page["next"], {"limit": 10_000})
            kept |= keys_of(page)
        self.read(client)
        missing = sorted(kept - self.events)
        if missing:
            return f"{len(missing)} events were not told, the first is {missing[0]}"
        self.events = kept  # what is forgotten, or was taken back, nobody asks for again
        skus = sorted(self.stock)
        for at in range(0, len(skus), QUERY_MAX):
            part = skus[at : at + QUERY_MAX]
            there = client.call("availability", CHANNEL, part)["stock"]
            for sku, units in zip(part, there):
                if units != self.stock[sku]:
                    return f"{sku}: changes told {self.stock[sku]}, and it is {units}"
        return None


def keys_of(page):
    return {tuple(str(event.get(key)) for key in ("lsn", "type", "id", "sku", "location")) for event in page["events"]}
