# SPDX-License-Identifier: Apache-2.0
"""The contract, ship to store: an order is collected at a place, and what is not there is sent there by
transfers that belong to it; what is refused; after kill -9, from a snapshot on, and in the journal."""

import json
import time

from stockd_harness import RpcError, Server, main, run_program, unique, wait_until
from supply_case import WHOLE, SupplyCase

HOUR = 3_600_000


def now_ms():
    return int(time.time() * 1000)


class SentCase(SupplyCase):
    """Each test has a depot, two shops, and a channel that sells from all of them."""

    def setUp(self):
        super().setUp()
        self.corner = self.place("corner")
        for place in (self.depot, self.corner):
            self.call("location_set", place, {"lead_time_s": 3600})
        self.web = self.channel(self.depot, self.shop, self.corner)
        self.sku = self.stocked(10, self.depot)
        self.stocked(2, self.shop, self.sku)
        self.stocked(5, self.corner, self.sku)

    def sent(self, qty, ident=None, **options):
        """An order of so many, collected in the shop; returns its id and the reply."""
        ident = ident or unique("o")
        given = {"mode": "pickup", "at": self.shop, "supply": "any", "confirm": True, **options}
        return ident, self.call("reserve", ident, self.web, [[self.sku, qty]], given)

    def step(self, ident):
        (part,) = self.call("reservation", ident)["parts"]
        self.assertEqual(part["location"], self.shop)
        return part["step"]

    def free(self):
        return self.call("availability", self.web, [self.sku])["stock"][0]

    def crash(self):
        self.server.restart(kill=True)
        self.reconnect()

    def answers(self, ident, *supplies):
        self.quiet()
        return [self.call("reservation", ident), self.call("stock", self.sku),
                *[self.call("supply", supply) for supply in supplies]]


class Sent(SentCase):
    def test_what_is_not_there_is_sent(self):
        ident, got = self.sent(9)
        self.assert_keys(got, "lsn", "state", "expires_ms", "lines", "sends")
        self.assertEqual([line[:3] for line in got["lines"]],
                         [[self.sku, self.shop, 2], [self.sku, self.shop, 7]])
        self.assertGreaterEqual(got["lines"][1][3], got["lines"][0][3] + HOUR)
        (send,) = got["sends"]
        supply = self.call("supply", send)
        self.assert_keys(supply, *WHOLE, "reservation")
        self.assertEqual((supply["kind"], supply["state"], supply["from"], supply["location"]),
                         ("transfer", "in_transit", self.depot, self.shop))
        self.assertEqual((supply["reservation"], supply["ref"]), (ident, None))
        self.assertEqual(supply["lines"], [[self.sku, 7, 7, 0, 0, 0]])
        self.assertLessEqual(supply["eta_ms"], got["lines"][1][3])
        self.assertEqual(self.call("reservation", ident)["sends"], [send])
        self.assertEqual(self.pools(self.sku), {(self.depot, "shared"): (3, 0), (self.shop, "shared"): (2, 2),
                                                (self.corner, "shared"): (5, 0),
                                                (self.shop, "in_transit"): (7, 7)})
        self.assertEqual(self.free(), 8)
        self.assertIn(send, [each["id"] for each in self.call("supplies", {"location": self.shop})["supplies"]])
        before = self.answers(ident, send)
        self.crash()
        self.assertEqual(self.answers(ident, send), before)
        self.assertEqual(self.sent(9, ident)[1], got)

    def test_arrivals_make_it_ready(self):
        ident, got = self.sent(14)
        self.assertEqual(len(got["sends"]), 2)
        first, second = got["sends"]
        lsn = got["lsn"]
        self.call("arrive", first)
        self.assertEqual(self.step(ident), "open")
        with self.assertRaises(RpcError) as refused:
            self.call("fulfil", ident)
        self.assertEqual(refused.exception.code, "insufficient_stock")
        self.crash()
        self.call("arrive", second)
        self.assertEqual(self.step(ident), "ready")
        events = self.call("events", lsn, {"types": ["ready"]})["events"]
        self.assertIn((ident, self.shop), [(each["id"], each["location"]) for each in events])
        before = self.answers(ident, first, second)
        self.crash()
        self.assertEqual(self.answers(ident, first, second), before)
        self.assertEqual(self.call("fulfil", ident)["state"], "fulfilled")
        self.assertEqual(self.sent(14, ident)[1], got)

    def test_a_hold_is_made_ready_when_it_is_confirmed(self):
        ident, got = self.sent(5, confirm=False)
        self.call("arrive", got["sends"][0])
        self.crash()
        self.assertEqual(self.step(ident), "open")
        self.call("confirm", ident)
        self.assertEqual(self.step(ident), "ready")

    def test_what_has_come_after_a_cancel_is_sold_there(self):
        ident, got = self.sent(9)
        self.call("cancel", ident)
        self.assertEqual(self.pools(self.sku)[self.shop, "in_transit"], (7, 0))
        self.assertEqual(self.free(), 10)
        self.call("arrive", got["sends"][0])
        self.assertEqual(self.pools(self.sku)[self.shop, "shared"], (9, 0))
        self.assertEqual(self.free(), 17)

    def test_an_expired_hold_leaves_free_supply(self):
        ident, got = self.sent(9, confirm=False, ttl_ms=50)
        wait_until(lambda: self.call("reservation", ident)["state"] == "expired", what="the hold expires")
        self.call("arrive", got["sends"][0], [[self.sku, 7]], {"close": True})
        wait_until(lambda: self.free() == 17, what="all is free")

    def test_all_or_nothing_or_partial(self):
        with self.assertRaises(RpcError) as refused:
            self.sent(18)
        self.assertEqual(refused.exception.code, "insufficient_stock")
        self.assertEqual(refused.exception.details["lines"],
                         [{"sku": self.sku, "wanted": 18, "available": 17}])
        self.assertEqual(self.free(), 17)
        ident, got = self.sent(18, partial=True)
        self.assertEqual(got["missing"], [[self.sku, 1]])
        self.assertEqual(self.free(), 0)
        self.assertEqual(self.sent(18, ident, partial=True)[1], got)

    def test_terms(self):
        _, got = self.sent(4, exclude=[self.depot])
        self.assertEqual(self.call("supply", got["sends"][0])["from"], self.corner)
        with self.assertRaises(RpcError):
            self.sent(1, by_ms=now_ms() + HOUR // 2)
        self.call("location_set", self.depot, {"safety": 9})
        with self.assertRaises(RpcError):
            self.sent(5)
        self.call("location_set", self.corner, {"ships": False})
        with self.assertRaises(RpcError):
            self.sent(2)
        self.assertEqual(self.call("supply", self.sent(1)[1]["sends"][0])["lines"][0][1], 1)

    def test_no_places_that_have_no_pickup(self):
        self.call("location_set", self.shop, {"pickup": False})
        with self.assertRaises(RpcError) as refused:
            self.sent(1)
        self.assertEqual(refused.exception.code, "insufficient_stock")

    def test_promise(self):
        given = {"mode": "pickup", "at": self.shop, "supply": "any"}
        got = self.call("promise", self.web, [[self.sku, 18]], given)
        self.assertEqual((got["complete"], got["missing"]), (False, [[self.sku, 1]]))
        self.assertEqual({line[1] for line in got["lines"]}, {self.shop})
        self.assertEqual(sum(line[2] for line in got["lines"]), 17)
        self.assertEqual(self.free(), 17)

    def test_bad_requests(self):
        for options in ({"supply": "some"}, {"supply": ""}, {"supply": "any", "mode": "ship"},
                        {"supply": "any", "mode": None}, {"supply": "any", "at": None}):
            given = {"mode": "pickup", "at": self.shop, **options}
            given = {key: value for key, value in given.items() if value is not None}
            for method, before in (("reserve", [unique("o")]), ("promise", [])):
                with self.assertRaises(RpcError) as refused:
                    self.call(method, *before, self.web, [[self.sku, 1]], given)
                self.assertEqual(refused.exception.code, "bad_request")
                self.assertIn("supply", refused.exception.message)
        with self.assertRaises(RpcError) as refused:
            self.call("reserve", unique("o"), self.web, [[self.sku, 1, self.corner]],
                      {"mode": "pickup", "at": self.shop, "supply": "any"})
        self.assertEqual(refused.exception.code, "bad_request")
        self.assertIn("location", refused.exception.message)

    def test_the_same_id_with_other_content(self):
        ident, got = self.sent(5)
        with self.assertRaises(RpcError) as refused:
            self.call("reserve", ident, self.web, [[self.sku, 5]],
                      {"mode": "pickup", "at": self.shop, "confirm": True})
        self.assertEqual(refused.exception.code, "conflict")
        with self.assertRaises(RpcError) as refused:
            self.call("transfer", got["sends"][0], self.depot, self.shop, [[self.sku, 3]],
                      {"eta_ms": now_ms() + HOUR})
        self.assertEqual(refused.exception.code, "conflict")
        other = unique("o")
        self.call("receive", other + "/s1", self.sku, self.depot, 1)
        with self.assertRaises(RpcError) as refused:
            self.sent(5, other)
        self.assertEqual(refused.exception.code, "conflict")

    def test_several_items_in_one_parcel(self):
        other = self.stocked(3, self.depot)
        ident = unique("o")
        got = self.call("reserve", ident, self.web, [[self.sku, 4], [other, 3], [self.sku, 1]],
                        {"mode": "pickup", "at": self.shop, "supply": "any", "confirm": True})
        (send,) = got["sends"]
        self.assertEqual(self.lines(send), [[self.sku, 3, 3, 0, 0, 0], [other, 3, 3, 0, 0, 0]])
        self.call("arrive", send, [[other, 3]])
        self.assertEqual(self.step(ident), "open")
        self.crash()
        self.call("arrive", send)
        self.assertEqual(self.step(ident), "ready")

    def test_history(self):
        ident, got = self.sent(9)
        (send,) = got["sends"]
        events = [(each["type"], each["location"], each["kind"], each["qty"], each["id"])
                  for each in self.call("history", self.sku)["events"] if each["lsn"] == got["lsn"]]
        self.assertEqual(events, [("transfer", self.depot, "shared", -7, send),
                                  ("transfer", self.shop, "in_transit", 7, send),
                                  ("reserve", self.shop, "shared", 2, ident),
                                  ("reserve", self.shop, "in_transit", 7, ident)])
        self.call("arrive", send)
        self.assertEqual([each["type"] for each in self.call("history", None, {"id": send})["events"]],
                         ["transfer", "transfer", "arrive", "arrive"])
        kinds = [each["type"] for each in self.call("history", None, {"id": ident})["events"]]
        self.assertEqual(kinds[:2], ["reserve", "reserve"])
        self.assertIn("ready", kinds)

    def test_the_journal_shows_it(self):
        ident, got = self.sent(9)
        self.server.stop()
        out = run_program("stock-journal", "dump", self.server.data, "--json").out
        self.server.start()
        self.reconnect()
        seen = [record for record in map(json.loads, out.splitlines()) if record.get("id") == ident]
        self.assertEqual([record["type"] for record in seen], ["sent"])
        self.assertEqual((seen[0]["sends"], seen[0]["location"]), (got["sends"], self.shop))

    def test_stockctl(self):
        ident = unique("o")
        done = run_program("stockctl", "-s", self.server.tcp, "reserve", self.web, f"{self.sku}:9", "--mode",
                           "pickup", "--at", self.shop, "--supply", "any", "--confirm", "--id", ident)
        self.assertEqual(done.code, 0, done.err)
        self.assertIn(f"{ident}/s1", done.out)
        shown = run_program("stockctl", "-s", self.server.tcp, "supply", f"{ident}/s1")
        self.assertRegex(shown.out, rf"reservation +{ident}")
        self.assertIn(f"{ident}/s1", run_program("stockctl", "-s", self.server.tcp, "reservation", ident).out)

    def test_check_finds_nothing(self):
        ident, got = self.sent(14)
        self.call("arrive", got["sends"][0])
        self.assertEqual(self.call("check")["findings"], [])
        self.call("cancel", ident)
        self.assertEqual(self.call("check")["findings"], [])


class Snapshot(SentCase):
    """What a compaction keeps, the next start finds."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server("--segment-bytes", 16 * 4096)

    def test_reservations_and_their_transfers(self):
        ident, got = self.sent(14)
        held, _ = self.sent(2, confirm=False, ttl_ms=HOUR)
        first, second = got["sends"]
        self.call("arrive", first)
        before = self.answers(ident, first, second)
        for _ in range(2):  # a start begins a segment: the one before is sealed
            self.server.restart()
            self.reconnect()
        run = run_program("stock-journal", "compact", self.server.data, "--json", timeout=120)
        self.assertEqual(run.code, 0, run.err)
        self.crash()
        self.assertEqual(self.answers(ident, first, second), before)
        self.assertEqual(self.sent(14, ident)[1], got)
        self.call("arrive", second)
        self.assertEqual(self.step(ident), "ready")
        self.call("arrive", f"{held}/s1")
        self.assertEqual(self.step(held), "open")
        self.call("confirm", held)
        self.assertEqual(self.step(held), "ready")
        self.assertEqual(self.call("check")["findings"], [])


if __name__ == "__main__":
    main()
