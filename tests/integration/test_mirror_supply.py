# SPDX-License-Identifier: Apache-2.0
"""Whoever follows what is available follows what is on its way: Redis, `changes` and `subscribe`,
when a supply is made, changes or comes, and when nothing but the time changes."""

import time

from feed_case import Table
from redis_case import MirrorTestCase
from stockd_harness import PATIENCE, SLOW, main, unique, wait_until
from test_subscribe import Subscriber

DAY = 86_400_000


def now():
    return int(time.time() * 1000)


class Followers:
    """Redis, a table kept from `changes`, and a subscriber."""

    def __init__(self, case, server):
        self.case = case
        self.server = server
        self.table = Table(None)
        self.rows = {}  # the subscriber's
        self.connect()

    def connect(self):
        """To an engine that has started: both go on from what they know."""
        self.table.client = self.client = self.server.client()
        self.case.addCleanup(self.client.close)
        self.server.call = self.client.call
        self.subscriber = Subscriber(self.server, since=self.table.since)
        self.subscriber.rows = self.rows
        self.case.addCleanup(self.subscriber.client.close)

    def truth(self, sku, channels):
        return {name: self.client.call("availability", name, [sku])["stock"][0] for name in channels}

    def changes(self, sku, channels):
        self.table.catch_up()
        return {name: self.table.rows.get((name, sku)) for name in channels}

    def told(self, sku, channels):
        """All that was told up to what `changes` shows now."""
        self.table.catch_up()
        while self.subscriber.current < self.table.since:
            self.subscriber.take()
        return {name: self.subscriber.rows.get((name, sku)) for name in channels}

    def mirrored(self, sku, channels):
        fields = self.case.redis.client.hgetall(f"stock:item:{sku}")
        return {name: int(fields.get(name.encode(), -1)) for name in channels}

    def show(self, sku, until_ms=None, **wanted):
        """Waits until each channel has that available, and then, until each of the three says so.
        False: the time is over before."""
        for of in (self.truth, self.changes, self.told, self.mirrored):
            deadline = time.monotonic() + 20 * SLOW * PATIENCE
            while (got := of(sku, wanted)) != wanted:
                if until_ms and now() > until_ms:
                    return False
                self.case.assertLess(time.monotonic(), deadline,
                                     f"{of.__name__}: {sku} is {got}, and not {wanted}")
                time.sleep(0.01)
        return True


class Supplies(MirrorTestCase):
    def setUp(self):
        super().setUp()
        self.server = self.engine("--workers", "2")
        self.server.call("location_set", "shop", {})
        for code, options in (("plain", {}), ("eager", {"promise": "incoming"}),
                              ("soon", {"promise": "incoming", "horizon_s": 2})):
            self.server.call("channel_set", code, {"locations": ["shop"], **options})
        self.await_state(self.server, "live")
        self.followers = Followers(self, self.server)

    def show(self, sku, plain, eager, soon):
        self.followers.show(sku, plain=plain, eager=eager, soon=soon)

    def call(self, *params):
        return self.server.call(*params)

    def expect(self, sku, qty, in_ms):
        ident = unique("po")
        self.call("expect", ident, "shop", [[sku, qty]], {"eta_ms": now() + in_ms})
        return ident

    def test_arrivals(self):
        sku, other = unique("S"), unique("S")
        ident = unique("po")
        self.call("expect", ident, "shop", [[sku, 5], [other, 2]], {"eta_ms": now() + DAY})
        self.show(sku, 0, 5, 0)
        self.show(other, 0, 2, 0)
        self.call("arrive", ident, [[sku, 2, 1]])
        self.show(sku, 2, 4, 2)
        self.call("arrive", ident, [[other, 3]], {"close": True})
        self.show(other, 3, 3, 3)
        self.show(sku, 2, 2, 2)

    def test_what_was_promised_of_it(self):
        sku = unique("S")
        ident, order = self.expect(sku, 5, DAY), unique("o")
        self.call("reserve", order, "eager", [[sku, 3]], {"confirm": True})
        self.show(sku, 0, 2, 0)
        self.call("arrive", ident, [[sku, 4]])
        self.show(sku, 1, 2, 1)
        self.call("cancel", order, [[sku, 2]])
        self.show(sku, 3, 4, 3)
        self.call("fulfil", order)
        self.call("arrive", ident)
        self.show(sku, 4, 4, 4)

    def test_withdrawals(self):
        sku = unique("S")
        ident, order = self.expect(sku, 5, DAY), unique("o")
        self.call("receive", unique("r"), sku, "shop", 3)
        self.show(sku, 3, 8, 3)
        self.call("withdraw", ident, [[sku, 1]])
        self.show(sku, 3, 7, 3)
        self.call("reserve", order, "eager", [[sku, 6]], {"confirm": True})
        self.show(sku, 0, 1, 0)
        self.call("withdraw", ident)  # three are missing
        self.show(sku, 0, 0, 0)
        self.call("receive", unique("r"), sku, "shop", 5)
        self.show(sku, 2, 2, 2)

    def test_transfers(self):
        sku, ident = unique("S"), unique("t")
        self.call("receive", unique("r"), sku, "main", 9)
        self.call("transfer", unique("t"), "main", "shop", [[sku, 1]])
        self.show(sku, 1, 1, 1)
        self.call("transfer", ident, "main", "shop", [[sku, 4]], {"ship": False})
        self.followers.show(sku, default=5, eager=1)
        self.call("ship", ident, [[sku, 3]], {"eta_ms": now() + DAY})
        self.show(sku, 1, 4, 1)
        self.call("withdraw", ident)
        self.followers.show(sku, default=6, eager=4)
        self.call("arrive", ident)
        self.show(sku, 4, 4, 4)

    def test_another_time(self):
        sku = unique("S")
        ident = self.expect(sku, 5, DAY)
        self.show(sku, 0, 5, 0)
        self.call("reschedule", ident, now() + 2 * DAY)
        self.call("receive", unique("r"), sku, "shop", 1)
        self.show(sku, 1, 6, 1)

    def watch(self, sku, seconds):
        """The horizon of `soon` comes, and the time itself. False: somewhere it took too long."""
        self.call("channel_set", "soon", {"horizon_s": seconds})
        eta = now() + 1400 * seconds
        self.call("expect", unique("po"), "shop", [[sku, 5]], {"eta_ms": eta})
        begins = self.followers.show(sku, eta - 1000 * seconds, plain=0, eager=5, soon=0)
        comes = self.followers.show(sku, eta, plain=0, eager=5, soon=5)
        self.show(sku, 0, 0, 0)
        return begins and comes

    def test_the_time_comes_and_goes(self):
        for seconds in (2, 4, 8, 16, 32):
            if self.watch(unique("S"), seconds):
                return
        self.fail("in 32 seconds it was never seen")

    def test_a_late_supply_gets_another_time(self):
        sku = unique("S")
        ident = self.expect(sku, 5, 1000)
        self.followers.table.catch_up()
        self.show(sku, 0, 0, 0)
        self.call("reschedule", ident, now() + DAY)
        self.show(sku, 0, 5, 0)
        self.call("arrive", ident)
        self.show(sku, 5, 5, 5)

    def test_a_restart_before_and_after_the_time(self):
        sku, late = unique("S"), unique("S")
        late_ms, eta = now() + 1000, now() + 5000
        self.call("expect", unique("po"), "shop", [[late, 3]], {"eta_ms": late_ms})
        ident = unique("po")
        self.call("expect", ident, "shop", [[sku, 5]], {"eta_ms": eta})
        self.followers.show(sku, eta, plain=0, eager=5)
        self.server.kill()
        wait_until(lambda: now() > late_ms, what="the time to pass with no engine to see it")
        self.server.start()
        self.followers.connect()
        self.show(late, 0, 0, 0)
        self.show(sku, 0, 0, 0)
        self.call("arrive", ident)
        self.show(sku, 5, 5, 5)


if __name__ == "__main__":
    main()
