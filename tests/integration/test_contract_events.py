# SPDX-License-Identifier: Apache-2.0
"""Events: each crossing is told once, with an LSN from which a consumer goes on."""

import time

from stockd_harness import StockdTestCase, main, settled, unique, wait_until


class Consumer:
    """One client of `events`: it keeps its LSN, and what it was told."""

    def __init__(self, client, since=None, **options):
        self.client = client
        self.options = options
        self.since = client.call("events", 0)["lsn"] if since is None else since
        self.events = []

    def poll(self):
        got = self.client.call("events", self.since, self.options)
        assert got["next"] >= self.since, got
        assert not got["resync"], got
        for event in got["events"]:
            assert self.since < event["lsn"] <= got["next"], (self.since, event, got["next"])
        self.since = got["next"]
        self.events += got["events"]
        return got

    def told(self, sku=None):
        self.poll()
        return [e["type"] for e in self.events if sku in (None, e.get("sku"))]

    def wait(self, types, sku=None):
        """Until exactly these were told, in this order."""
        wait_until(lambda: len(self.told(sku)) >= len(types), what=f"{types} of {sku}")
        assert self.told(sku) == types, (self.told(sku), types)


class Crossings(StockdTestCase):
    options = ("--workers", "2")

    def consumer(self, **options):
        return Consumer(self.client, **options)

    def settle(self):
        """Of all that happened so far, crossings have been recorded, and can be read."""
        lsn = self.call("receive", unique("r"), unique("last"), "main", 1)["lsn"]
        settled(self.client, lsn)

    def test_sold_out_and_back(self):
        sku = unique("sku")
        watch = self.consumer(channel="default")
        self.call("receive", unique("r"), sku, "main", 5)
        self.settle()
        self.assertEqual(watch.told(sku), [])
        got = self.call("reserve", "o-" + sku, "default", [[sku, 5]])
        watch.wait(["sold_out"], sku)
        event = [e for e in watch.events if e["sku"] == sku][0]
        self.assertEqual(event["channel"], "default")
        self.assertEqual(event["qty"], 0)
        self.assertGreater(event["lsn"], got["lsn"])
        self.assertLess(abs(event["time_ms"] - time.time() * 1000), 60000)
        self.call("cancel", "o-" + sku)
        watch.wait(["sold_out", "back_in_stock"], sku)
        self.assertEqual(watch.events[-1]["qty"], 5)
        self.settle()
        self.assertEqual(watch.told(sku), ["sold_out", "back_in_stock"])

    def test_what_sells_out_as_soon_as_it_comes(self):
        """Each reply has come when the next request goes out, so each change was looked at."""
        watch, skus = self.consumer(channel="default"), [unique("sku") for _ in range(20)]
        for sku in skus:
            self.call("receive", unique("r"), sku, "main", 1)
            self.call("reserve", unique("o"), "default", [[sku, 1]])
        self.settle()
        self.told_most(watch, skus)

    def told_most(self, watch, skus):
        told = [sku for sku in skus if watch.told(sku) == ["sold_out"]]
        for sku in skus:
            self.assertIn(watch.told(sku), ([], ["sold_out"]))
        self.assertGreater(len(told), len(skus) // 2)  # others may have been busy at that moment

    def test_low_stock(self):
        sku = unique("sku")
        watch = self.consumer(channel="default")
        self.call("receive", unique("r"), sku, "main", 10)
        self.call("item_set", sku, {"low_stock": 3})
        self.settle()
        self.call("adjust", unique("a"), sku, "main", -6)
        self.settle()
        self.assertEqual(watch.told(sku), [])  # 4 is above 3
        self.call("adjust", unique("a"), sku, "main", -1)
        watch.wait(["low_stock"], sku)
        self.call("adjust", unique("a"), sku, "main", -1)
        self.settle()
        self.assertEqual(watch.told(sku), ["low_stock"])  # low is low
        self.call("adjust", unique("a"), sku, "main", -2)
        watch.wait(["low_stock", "sold_out"], sku)
        self.call("receive", unique("r"), sku, "main", 2)
        watch.wait(["low_stock", "sold_out", "back_in_stock"], sku)
        self.call("receive", unique("r"), sku, "main", 20)
        self.settle()
        self.call("adjust", unique("a"), sku, "main", -22)  # over both at once
        watch.wait(["low_stock", "sold_out", "back_in_stock", "low_stock", "sold_out"], sku)

    def test_each_channel_has_its_own(self):
        sku = unique("sku")
        shy = unique("c")[:32]
        self.call("channel_set", shy, {"buffer": 4})
        watch = self.consumer()
        self.call("receive", unique("r"), sku, "main", 5)
        self.settle()
        self.call("adjust", unique("a"), sku, "main", -1)
        watch.wait(["sold_out"], sku)
        self.assertEqual(watch.events[-1]["channel"], shy)
        self.call("channel_set", shy, {"buffer": 0})  # a setting crosses, too
        watch.wait(["sold_out", "back_in_stock"], sku)
        only = self.consumer(since=0, channel=shy)
        other = self.consumer(since=0, channel="default")
        self.assertEqual(only.told(sku), ["sold_out", "back_in_stock"])
        self.assertEqual(other.told(sku), [])

    def test_an_order_that_fails_crosses_nothing(self):
        one, two = unique("sku"), unique("sku")
        watch = self.consumer(channel="default")
        self.call("receive", unique("r"), one, "main", 1)
        self.call("receive", unique("r"), two, "main", 1)
        self.settle()
        for n in range(200):
            self.refused(
                "insufficient_stock",
                "reserve",
                unique("o"),
                "default",
                [[one, 1], [two, 2]],
            )
        self.settle()
        self.assertEqual(watch.told(one), [])


class Others(StockdTestCase):
    def test_expired(self):
        watch = Consumer(self.client)
        sku = self.stocked(5)
        self.call("reserve", "x-" + sku, "default", [[sku, 2]], {"ttl_ms": 20})
        wait_until(lambda: "expired" in watch.told(), what="expired")
        event = [e for e in watch.events if e["type"] == "expired"][0]
        self.assertEqual((event["id"], event["channel"]), ("x-" + sku, "default"))
        self.assertNotIn("sku", event)

    def test_supply(self):
        watch = Consumer(self.client, types=["late", "overage", "lost"])
        one, two = unique("sku"), unique("sku")
        ident = unique("po")
        eta = int(time.time() * 1000) + 200
        self.call("expect", ident, "main", [[one, 10], [two, 10]], {"eta_ms": eta})
        wait_until(lambda: watch.told() == ["late"], what="late")
        late = watch.events[0]
        self.assertEqual((late["id"], late["location"]), (ident, "main"))
        self.assertGreaterEqual(late["time_ms"], eta)
        got = self.call("arrive", ident, [[one, 12], [two, 7]], {"close": True})
        wait_until(lambda: len(watch.told()) == 3, what="overage and lost")
        over, lost = watch.events[1:]
        self.assertEqual(over, {**over, "type": "overage", "sku": one, "qty": 2, "lsn": got["lsn"]})
        self.assertEqual(lost, {**lost, "type": "lost", "sku": two, "qty": 3, "lsn": got["lsn"]})
        self.assertEqual((over["id"], over["location"]), (ident, "main"))
        page = self.call("events", watch.since - 1, {"types": ["overage", "lost"], "limit": 1})
        self.assertLessEqual(len(page["events"]), 2)
        page = self.call("events", late["lsn"], {"types": ["overage", "lost"], "limit": 1})
        self.assertEqual(len(page["events"]), 2)  # an LSN is never divided

    def test_places(self):
        """A place sets its part aside, nobody collects it, and the rest comes from elsewhere."""
        place, sku, ident = unique("store"), self.stocked(5), unique("order")
        self.call("location_set", place, {})
        self.call("receive", unique("rcv"), sku, place, 5)
        lines = [[sku, 1, place], [sku, 2, "main"]]
        self.call("reserve", ident, "default", lines, {"confirm": True})
        since = self.call("reservation", ident)["lsn"]
        self.ready_for(ident, place, 2000)
        self.call("move", ident, [[sku, "main", place, 2]], {"op": unique("op")})
        types = ["ready", "moved", "not_collected"]

        def told():
            found = self.call("events", since, {"types": types})["events"]
            mine = [e for e in found if e.get("id") == ident]
            return mine if len(mine) == 3 else None

        events = {e["type"]: e for e in wait_until(told, timeout=20, what="three events")}
        for kind in types:
            self.assertEqual((events[kind]["channel"], events[kind]["location"]), ("default", place))
        self.assertEqual((events["moved"]["sku"], events["moved"]["qty"]), (sku, 2))

    def test_bad_parameters(self):
        for options, names in (
            ({"types": ["sold_out", "sold"]}, "types"),
            ({"types": "sold_out"}, "types"),
            ({"types": [7]}, "types"),
            ({"limit": 0}, "limit"),
            ({"limit": 10001}, "limit"),
        ):
            error = self.refused("bad_request", "events", 0, options)
            self.assertIn(names, error.message)
        self.refused("unknown_channel", "events", 0, {"channel": "nowhere"})
        self.refused("unknown_location", "events", 0, {"location": "nowhere"})
        self.refused("bad_request", "subscribe", {"events": ["sold"]})
        self.refused("bad_request", "subscribe", {"location": "main"})
        self.refused("unknown_location", "subscribe", {"events": True, "location": "x"})
        ahead = self.call("events", 1 << 60)
        self.assertEqual((ahead["events"], ahead["resync"]), ([], True))
        self.assertEqual(ahead["next"], ahead["lsn"])


class Subscribed(StockdTestCase):
    options = ("--workers", "2")

    def test_a_subscriber_is_told(self):
        for kind in ("tcp", "unix"):
            sku = unique("sku")
            settled(self.client, self.call("receive", unique("r"), sku, "main", 3)["lsn"])
            with self.server.client(kind=kind) as watcher:
                reply = watcher.call("subscribe", {"events": ["sold_out", "back_in_stock"]})
                self.assertFalse(reply["resync"])
                self.call("adjust", unique("a"), sku, "main", -3)
                first = self.take(watcher)
                self.assertEqual((first["type"], first["sku"]), ("sold_out", sku))
                self.call("receive", unique("r"), sku, "main", 3)
                second = self.take(watcher)
                self.assertEqual((second["type"], second["sku"]), ("back_in_stock", sku))
            with self.server.client(kind=kind) as late:
                late.call("subscribe", {"events": True, "since_lsn": first["lsn"]})
                self.assertEqual(self.take(late), second)

    def test_beside_a_subscription_to_changes(self):
        sku = unique("sku")
        settled(self.client, self.call("receive", unique("r"), sku, "main", 1)["lsn"])
        with self.server.client() as watcher:
            watcher.call("subscribe")
            watcher.call("subscribe", {"events": ["sold_out"], "channel": "default"})
            self.call("adjust", unique("a"), sku, "main", -1)
            told = {tuple(self.notification(watcher))[1] for _ in range(2)}
            self.assertEqual(told, {"changed", "event"})
            watcher.call("subscribe", {"events": False})
            settled(self.client, self.call("receive", unique("r"), sku, "main", 1)["lsn"])
            settled(self.client, self.call("adjust", unique("a"), sku, "main", -1)["lsn"])
            self.assertEqual(watcher.call("ping"), "pong")
            self.assertNotIn("event", [method for method, _ in watcher.notifications])

    @staticmethod
    def notification(client):
        queue = client.notifications
        return (2, *queue.popleft()) if queue else client.receive_message()

    @staticmethod
    def take(client):
        notifications = client.notifications
        message = (2, *notifications.popleft()) if notifications else client.receive_message()
        kind, method, params = message
        assert (kind, method) == (2, "event"), message
        return params[0]


class Loose(StockdTestCase):
    options = ("--workers", "2", "--durability", "none")

    def test_an_lsn_is_never_ahead_of_what_can_be_read(self):
        watch, sku = Consumer(self.client), unique("sku")
        for times in range(1, 6):
            for qty in (2, -2):
                call = "receive" if qty > 0 else "adjust"
                settled(self.client, self.call(call, unique("x"), sku, "main", qty)["lsn"])
                watch.poll()
        self.assertEqual(watch.told(sku), ["sold_out"] + ["back_in_stock", "sold_out"] * (times - 1))
        self.assertLessEqual(watch.since, self.call("changes", 0)["lsn"])


class Bounded(StockdTestCase):
    options = ("--workers", "2", "--events", "4096")

    def test_a_consumer_that_fell_behind_hears_of_it(self):
        skus = [unique("sku") for _ in range(30)]
        for sku in skus:
            lsn = self.call("receive", unique("r"), sku, "main", 1)["lsn"]
        settled(self.client, lsn)
        watch = Consumer(self.client, since=0)
        count = 0
        while count <= 4096 + 100:
            for sku in skus:
                self.call("adjust", unique("a"), sku, "main", -1)
            wait_until(lambda: self.level(watch, skus) == "sold_out", what="all are out")
            for sku in skus:
                self.call("receive", unique("r"), sku, "main", 1)
            wait_until(lambda: self.level(watch, skus) == "back_in_stock", what="all are back")
            count = len(watch.events)
        old = self.call("events", 0, {"limit": 10000})
        self.assertTrue(old["resync"])
        self.assertLessEqual(len(old["events"]), 4096)
        self.assertGreater(len(old["events"]), 4000)
        self.assertEqual(old["events"], watch.events[-len(old["events"]) :])
        self.assertFalse(self.call("events", watch.events[-4000]["lsn"])["resync"])

    @staticmethod
    def level(watch, skus):
        watch.poll()
        last = {e["sku"]: e["type"] for e in watch.events}
        found = {last.get(sku) for sku in skus}
        return found.pop() if len(found) == 1 else None


if __name__ == "__main__":
    main()
