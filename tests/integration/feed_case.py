# SPDX-License-Identifier: Apache-2.0
"""What the tests of the feed share: a table that is kept from the feed alone, and random load."""

import threading

from stockd_harness import RpcError


class Table:
    """What one client of `changes` knows: (channel, sku) -> available. It asks for nothing else."""

    def __init__(self, client, limit=1000, channel=None):
        self.client = client
        self.options = {"limit": limit, **({"channel": channel} if channel else {})}
        self.since = 0
        self.rows = {}
        self.pages = 0
        self.resyncs = 0

    def page(self):
        """Takes one page; False when it was the last for now."""
        got = self.client.call("changes", self.since, self.options)
        self.pages += 1
        if got["resync"]:
            assert got["changes"] == [] and got["next"] == got["lsn"], got
            self.resyncs += 1
            self.rows.clear()
            self.since = 0
            return True
        assert self.since <= got["next"] <= got["lsn"], (self.since, got["next"], got["lsn"])
        for channel, sku, available, lsn in got["changes"]:
            assert self.since < lsn <= got["next"], (self.since, lsn, got["next"])
            self.rows[channel, sku] = available
        self.since = got["next"]
        return got["next"] < got["lsn"]

    def catch_up(self):
        while self.page():
            pass


def truth(client, channel=None):
    """The same table, from `items` and `availability`."""
    rows = {}
    skus = []
    after = 0
    while after is not None:
        got = client.call("items", after)
        skus += [item[0] for item in got["items"]]
        after = got["next"]
    for entry in client.call("channels")["channels"]:
        code = entry["code"]
        if channel in (None, code):
            for at in range(0, len(skus), 1000):
                some = skus[at : at + 1000]
                stock = client.call("availability", code, some)["stock"]
                rows.update(((code, sku), n) for sku, n in zip(some, stock))
    return rows


class Load:
    """Threads that do random things to a few items on connections of their own."""

    def __init__(self, server, random, threads=3, items=40, catalogue=True):
        self.server = server
        self.items = items
        self.catalogue = catalogue
        self.stopping = threading.Event()
        self.errors = []
        self.done = [0] * threads
        self.threads = [
            threading.Thread(target=self._run, args=(i, random.randrange(1 << 30)))
            for i in range(threads)
        ]
        for thread in self.threads:
            thread.start()

    def _run(self, index, seed):
        import random as randoms

        random = randoms.Random(seed)
        try:
            with self.server.client() as client:
                while not self.stopping.is_set():
                    self._step(client, random, f"{seed}-{index}-{self.done[index]}")
                    self.done[index] += 1
        except (ConnectionError, OSError) as error:
            if not self.stopping.is_set():
                self.errors.append(error)
        except BaseException as error:  # shown by stop()
            self.errors.append(error)

    def _step(self, client, random, ident):
        sku = f"L{random.randrange(self.items)}"
        what = random.randrange(100)
        try:
            if what < 35:
                client.call("receive", ident, sku, "main", random.randrange(1, 5))
            elif what < 45:
                client.call("adjust", ident, sku, "main", -random.randrange(1, 5))
            elif what < 55:
                client.call("count", ident, sku, "main", random.randrange(20))
            elif what < 98 or not self.catalogue:
                lines = [[f"L{random.randrange(self.items)}", 1] for _ in range(3)]
                client.call("reserve", ident, "default", lines, {"confirm": what < 75})
                client.call(random.choice(["cancel", "fulfil"] if what < 75 else ["cancel"]), ident)
            else:
                client.call("channel_set", "web", {"buffer": random.randrange(4)})
        except RpcError as error:
            if error.code not in ("insufficient_stock", "unknown_sku"):
                raise

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        if self.errors:
            raise self.errors[0]
        assert sum(self.done) > 0
