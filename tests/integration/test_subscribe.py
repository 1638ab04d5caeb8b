# SPDX-License-Identifier: Apache-2.0
"""Subscribers: told what changes, newest first of all, and cut off when they take nothing."""

import resource
import time

from feed_case import Load, truth
from stockd_harness import (
    SLOW,
    ConnectionClosed,
    RpcError,
    Server,
    StockdTestCase,
    main,
    seeded_random,
    settled,
    unique,
    wait_until,
)


class Subscriber:
    """A connection that listens; `rows` is what it was told, `told` how often."""

    def __init__(self, server, since=None, channel=None, **kwargs):
        self.client = server.client(**kwargs)
        self.rows = {}
        self.told = 0
        options = {"progress": True}
        if since is not None:
            options["since_lsn"] = since
        if channel:
            options["channel"] = channel
        self.reply = self.client.call("subscribe", options)
        lsn = self.reply["lsn"]
        self.current = lsn if since is None else 0 if since > lsn else since

    def take(self, timeout=None):
        """One notification."""
        notifications = self.client.notifications
        kind, method, params = (
            (2, *notifications.popleft()) if notifications else self.client.receive_message(timeout)
        )
        assert kind == 2 and method in ("changed", "current"), (kind, method)
        if method == "current":
            (self.current,) = params
            return None
        channel, sku, available, lsn = params
        self.rows[channel, sku] = available
        self.told += 1
        return [channel, sku, available, lsn]

    def row(self):
        while (row := self.take()) is None:
            pass
        return row

    def until(self, lsn):
        """Takes all up to an LSN."""
        while self.current < lsn:
            self.take()


class Told(StockdTestCase):
    options = ("--workers", "2")

    def subscriber(self, *args, **kwargs):
        got = Subscriber(self.server, *args, **kwargs)
        self.addCleanup(got.client.close)
        return got

    def test_a_change_is_told_with_its_lsn(self):
        sku = self.stocked(5)
        for kind in ("tcp", "unix"):
            watcher = self.subscriber(kind=kind)
            self.assertGreaterEqual(watcher.reply["lsn"], 0)
            for n in range(3):
                got = self.call("receive", unique("r"), sku, "main", 1)
                row = watcher.row()
                self.assertEqual(row, ["default", sku, got["available"], got["lsn"]], (kind, n))

    def test_everything_since(self):
        first = self.call("info", "limits")["lsn"]
        skus = [self.stocked(n + 1) for n in range(5)]
        watcher = self.subscriber(since=first)
        watcher.until(watcher.reply["lsn"])
        self.assertEqual(watcher.rows, {("default", sku): n + 1 for n, sku in enumerate(skus)})
        everything = self.subscriber(since=0)
        everything.until(everything.reply["lsn"])
        self.assertEqual(everything.rows, truth(self.client))
        future = self.subscriber(since=2**64 - 1)
        self.assertTrue(future.reply["resync"])
        future.until(future.reply["lsn"])
        self.assertEqual(future.rows, truth(self.client))

    def test_one_channel(self):
        self.call("channel_set", "shop", {"buffer": 1})
        watcher = self.subscriber(channel="shop")
        sku = self.stocked(5)
        self.assertEqual(watcher.row()[:3], ["shop", sku, 4])
        self.call("channel_set", "default", {"buffer": 3})
        got = self.call("channel_set", "shop", {"buffer": 2})
        watcher.until(got["lsn"])
        self.assertEqual(watcher.rows, truth(self.client, "shop"))
        self.call("channel_set", "default", {"buffer": 0})
        self.refused("unknown_channel", "subscribe", {"channel": "nowhere"}, names="nowhere")
        self.refused("bad_request", "subscribe", {"since_lsn": -1}, names="since_lsn")

    def test_replies_go_between(self):
        sku = self.stocked(1)
        watcher = self.subscriber()
        for n in range(50):
            got = watcher.client.call("receive", unique("r"), sku, "main", 1)
            self.assertEqual(got["on_hand"], n + 2)
            self.assertEqual(watcher.client.call("ping"), "pong")
        watcher.until(got["lsn"])
        self.assertEqual(watcher.rows["default", sku], 51)

    def test_the_second_replaces_the_first(self):
        self.call("channel_set", "other", {})
        watcher = self.subscriber(channel="default")
        watcher.client.call("subscribe", {"channel": "other", "progress": True})
        sku = self.stocked(2)
        self.assertEqual(watcher.row()[:2], ["other", sku])
        last = self.call("receive", unique("r"), sku, "main", 1)["lsn"]
        watcher.until(last)
        self.assertEqual(set(watcher.rows), {("other", sku)})

    def test_progress_only_for_who_asks(self):
        with self.server.client() as client:
            client.call("subscribe")
            sku = self.stocked(2)
            self.assertEqual(client.receive_message()[2][:2], ["default", sku])
            self.call("receive", unique("r"), sku, "main", 1)
            self.assertEqual(client.receive_message()[1], "changed")

    def test_an_expiry_is_told(self):
        sku = self.stocked(5)
        ident = self.reserved([[sku, 2]], ttl_ms=60000)
        watcher = self.subscriber()
        self.call("extend", ident, 30)
        while (row := watcher.row()[:3]) != ["default", sku, 5]:
            self.assertEqual(row, ["default", sku, 3])

    def test_figures(self):
        def figures():
            return self.call("info", "feed")["feed"]

        wait_until(lambda: figures()["subscribers"] == 0, what="earlier ones gone")
        before = figures()
        watcher = self.subscriber()
        wait_until(lambda: figures()["subscribers"] == 1, what="a subscriber")
        self.stocked(5)
        watcher.row()
        self.assertGreater(figures()["notifications"], before["notifications"])
        watcher.client.close()
        wait_until(lambda: figures()["subscribers"] == 0, what="none")

    def test_many_changes_of_one_item_are_few_notifications(self):
        sku = self.stocked(1)
        watcher = self.subscriber()
        calls = [("receive", unique("r"), sku, "main", 1) for _ in range(5000)]
        last = self.client.pipeline(calls)[-1]["lsn"]
        watcher.until(last)
        self.assertEqual(watcher.rows, {("default", sku): 5001})
        self.assertLess(watcher.told, 5000)


class UnderLoad(StockdTestCase):
    def test_all_are_told_all(self):
        random = seeded_random()
        with Server("--workers", "3") as server:
            with server.client() as client:
                client.call("channel_set", "web", {"buffer": 1})
            watchers = [Subscriber(server, since=0) for _ in range(5)]
            watchers += [Subscriber(server, since=0, channel="web") for _ in range(2)]
            load = Load(server, random)
            end = time.monotonic() + 1.5
            while time.monotonic() < end:
                for watcher in watchers[: random.randrange(len(watchers)) + 1]:
                    for _ in range(random.randrange(40)):
                        watcher.take()
            load.stop()
            with server.client() as client:
                lsn = client.call("info", "limits")["lsn"]
                for watcher in watchers:
                    watcher.until(lsn)
                for watcher in watchers[:5]:
                    self.assertEqual(watcher.rows, truth(client))
                for watcher in watchers[5:]:
                    self.assertEqual(watcher.rows, truth(client, "web"))
            for watcher in watchers:
                watcher.client.close()

    def test_what_was_told_survives_a_crash(self):
        random = seeded_random()
        with Server("--workers", "2") as server:
            for _ in range(4):
                watcher = Subscriber(server, since=0)
                load = Load(server, random)
                end = time.monotonic() + 0.3
                while time.monotonic() < end:
                    watcher.take()
                load.stopping.set()
                server.kill()
                try:
                    while True:
                        watcher.take()
                except (ConnectionClosed, ConnectionError):
                    watcher.client.close()
                for thread in load.threads:
                    thread.join()
                server.start()
                with server.client() as client:
                    recovered = client.call("info", "limits")["lsn"]
                    self.assertLessEqual(watcher.current, recovered)
                    # What it does not know yet it gets from there on, and then it knows it all.
                    again = Subscriber(server, since=watcher.current)
                    again.rows = {**watcher.rows, **again.rows}
                    again.until(recovered)
                    self.assertEqual(again.rows, truth(client))
                    again.client.close()


class Unsafe(StockdTestCase):
    def test_what_the_disk_never_took_is_not_told(self):
        with Server("--workers", "2") as server, server.client() as client:
            got = client.call("receive", unique("r"), "tea", "main", 1)
            settled(client, got["lsn"])
            watchers = [Subscriber(server, since=0) for _ in range(2)]
            for watcher in watchers:
                watcher.until(got["lsn"])
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (4096, 4096))
            time.sleep(0.02)  # so that nothing but the journal could hold back what is told
            with self.assertRaises(RpcError) as refused:
                client.call("receive", unique("r"), "tea", "main", 1)
            self.assertEqual(refused.exception.code, "read_only")
            self.assertEqual(client.call("availability", "default", ["tea"])["stock"], [2])
            with self.assertRaises(RpcError) as refused:
                client.call("changes", 0)
            self.assertEqual(refused.exception.code, "read_only")
            for watcher in watchers:
                self.assertEqual(watcher.client.call("ping"), "pong")
                told = [method for method, _ in watcher.client.notifications]
                self.assertNotIn("changed", told)
                self.assertEqual(watcher.rows, {("default", "tea"): 1})
                watcher.client.close()
            server.stop(expect=1)


class Slow(StockdTestCase):
    def flood(self, client, server, done, skus):
        """Changes items until done() or for a long time."""
        end = time.monotonic() + 60 * SLOW
        while not done():
            self.assertLess(time.monotonic(), end)
            client.pipeline([("receive", unique("r"), sku, "main", 1) for sku in skus])

    def test_who_takes_nothing_is_cut_off_and_nobody_else(self):
        skus = [f"slow-{n:050}" for n in range(400)]
        for kind in ("tcp", "unix"):
            with Server("--workers", "2", "--subscriber-timeout-ms", "400") as server:
                client = server.client()
                slow = Subscriber(server, kind=kind, receive_buffer=4096)
                quick = Subscriber(server, kind=kind)

                def figures(name):
                    return client.call("info", "feed")["feed"][name]

                def done():
                    quick.until(client.call("info", "limits")["lsn"])
                    return figures("cut_off") > 0

                self.flood(client, server, done, skus)
                self.assertEqual(figures("cut_off"), 1)
                with self.assertRaises((ConnectionClosed, ConnectionError)):
                    while True:
                        slow.take()
                self.assertEqual(figures("subscribers"), 1)
                quick.until(client.call("info", "limits")["lsn"])
                self.assertEqual(quick.rows, truth(client))
                for end in (client, slow.client, quick.client):
                    end.close()

    def test_who_is_slow_for_a_while_gets_the_newest(self):
        skus = [f"lag-{n:050}" for n in range(300)]
        with Server("--workers", "2") as server, server.client() as client:
            slow = Subscriber(server, receive_buffer=4096)
            for _ in range(60):
                client.pipeline([("receive", unique("r"), sku, "main", 1) for sku in skus])
            lsn = client.call("info", "limits")["lsn"]
            slow.until(lsn)
            self.assertEqual(slow.rows, truth(client))
            self.assertLess(slow.told, 60 * 300)
            self.assertEqual(client.call("info", "feed")["feed"]["cut_off"], 0)
            slow.client.close()


if __name__ == "__main__":
    main()
