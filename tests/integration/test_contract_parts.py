# SPDX-License-Identifier: Apache-2.0
"""The contract, an order's way through the places that it draws from: ready, restock, steps of one
place alone, parts and refs; what is refused; after kill -9, and from a snapshot on."""

import json
import time

from stockd_harness import Server, StockdTestCase, main, run_program, unique, wait_until

HOUR = 3_600_000


def now_ms():
    return int(time.time() * 1000)


class PartsCase(StockdTestCase):
    """Each test has two places and a channel of its own."""

    def setUp(self):
        super().setUp()
        self.depot, self.shop = unique("depot"), unique("shop")
        for place in (self.depot, self.shop):
            self.call("location_set", place)
        self.web = unique("web")
        self.call("channel_set", self.web, {"locations": [self.depot, self.shop]})
        self.sku = self.stocked(20, self.depot)
        self.stocked(20, self.shop, self.sku)

    def order(self, depot=5, shop=2, confirm=True, **options):
        lines = [[self.sku, qty, place] for qty, place in ((depot, self.depot), (shop, self.shop)) if qty]
        return self.reserved(lines, self.web, confirm=confirm, **options)

    def parts(self, ident):
        return {part["location"]: part for part in self.call("reservation", ident)["parts"]}

    def step(self, ident, place=None):
        return self.parts(ident)[place or self.shop]["step"]

    def crash(self):
        self.server.restart(kill=True)
        self.reconnect()

    def unchanged(self, *idents):
        """Replay gives the same."""
        before = [self.call("reservation", ident) for ident in idents]
        self.crash()
        self.assertEqual([self.call("reservation", ident) for ident in idents], before)

    def not_collected(self, **options):
        """An order whose part at the shop was set aside, and not collected in time."""
        ident = self.order(**options)
        self.ready_for(ident, self.shop, 100)
        wait_until(lambda: self.step(ident) == "not_collected", what="nobody comes")
        return ident


class Steps(PartsCase):
    def test_parts_of_a_reservation(self):
        ident = self.order(ref="cart 9")
        got = self.call("reservation", ident)
        self.assert_keys(got, "lsn", "state", "channel", "expires_ms", "lines", "parts", "ref", "created_ms")
        self.assertEqual(got["ref"], "cart 9")
        self.assertLess(abs(got["created_ms"] - now_ms()), 600_000)
        self.assertEqual([part["location"] for part in got["parts"]], [self.depot, self.shop])
        for part, line in zip(got["parts"], got["lines"]):
            self.assertEqual(sorted(part), ["collect_by_ms", "location", "ready_ms", "step"])
            self.assertEqual((part["step"], part["collect_by_ms"]), ("open", None))
            self.assertEqual(part["ready_ms"], line[3])

    def test_each_place_by_itself(self):
        ident, until = self.order(), now_ms() + HOUR
        first = self.call("ready", ident, self.shop, {"collect_by_ms": until})
        self.assertEqual(first["state"], "confirmed")
        self.assertEqual(self.parts(ident)[self.shop]["collect_by_ms"], until)
        self.assertEqual((self.step(ident, self.depot), self.step(ident)), ("open", "ready"))
        self.assertEqual(self.figures(self.sku)[:2], (40, 7))
        self.assertEqual(self.call("fulfil", ident, None, {"location": self.shop})["state"], "confirmed")
        self.assertEqual((self.step(ident, self.depot), self.step(ident)), ("open", "fulfilled"))
        self.assertEqual(self.figures(self.sku)[:2], (38, 5))
        self.unchanged(ident)
        self.assertEqual(self.call("cancel", ident, [[self.sku, 5]], {"location": self.depot, "op": unique("op")})
                         ["state"], "fulfilled")
        self.assertEqual((self.step(ident, self.depot), self.step(ident)), ("cancelled", "fulfilled"))
        self.unchanged(ident)

    def test_a_held_order_may_lose_one_place(self):
        ident = self.order(confirm=False)
        self.assertEqual(self.call("cancel", ident, None, {"location": self.shop})["state"], "held")
        self.assertEqual((self.step(ident), self.step(ident, self.depot)), ("cancelled", "open"))
        self.unchanged(ident)

    def test_not_collected_and_restocked(self):
        ident = self.not_collected()
        self.assertEqual(self.figures(self.sku)[:2], (40, 7))  # it stays reserved
        self.unchanged(ident)
        self.assertEqual(self.call("restock", ident, self.shop)["state"], "confirmed")
        self.assertEqual(self.figures(self.sku)[:2], (40, 5))
        self.assertEqual((self.step(ident), self.step(ident, self.depot)), ("cancelled", "open"))
        self.unchanged(ident)

    def test_a_late_buyer_still_gets_it(self):
        ident = self.not_collected(depot=0)
        self.assertEqual(self.call("fulfil", ident, None, {"location": self.shop})["state"], "fulfilled")
        self.unchanged(ident)

    def test_the_last_part_that_is_restocked_ends_the_order(self):
        ident = self.not_collected(depot=0)
        self.assertEqual(self.call("restock", ident, self.shop)["state"], "cancelled")
        self.unchanged(ident)

    def test_the_time_to_collect_may_change(self):
        ident = self.order()
        self.ready_for(ident, self.shop, 100)
        self.call("ready", ident, self.shop, {"collect_by_ms": now_ms() + HOUR})
        time.sleep(0.4)
        self.assertEqual(self.step(ident), "ready")
        self.call("ready", ident, self.shop)
        self.assertIsNone(self.parts(ident)[self.shop]["collect_by_ms"])

    def test_the_time_passes_while_the_engine_is_down(self):
        ident = self.order()
        self.ready_for(ident, self.shop, 300)
        self.server.stop()
        time.sleep(0.4)
        self.server.start()
        self.reconnect()
        wait_until(lambda: self.step(ident) == "not_collected", what="nobody came")

    def test_ref(self):
        ident = self.order(confirm=False, ref="cart 9")
        self.assertEqual(self.call("reservation", ident)["ref"], "cart 9")
        first = self.call("confirm", ident, {"ref": "payment 7"})
        self.assertEqual(self.call("reservation", ident)["ref"], "payment 7")
        self.assertEqual(self.call("confirm", ident, {"ref": "payment 7"}), first)
        none, long = self.order(), self.order(ref="x" * 128)
        self.assertIsNone(self.call("reservation", none)["ref"])
        self.assertEqual(self.call("reservation", long)["ref"], "x" * 128)
        self.unchanged(ident, none, long)


class Again(PartsCase):
    def test_what_is_so_already(self):
        ident, until = self.order(), now_ms() + HOUR
        for step in (("ready", ident, self.shop, {"collect_by_ms": until}),
                     ("fulfil", ident, None, {"location": self.shop}),
                     ("cancel", ident, None, {"location": self.depot})):
            first = self.call(*step)
            self.assertEqual(self.call(*step), first)
            self.crash()
            self.assertEqual({**self.call(*step), "lsn": 0}, {**first, "lsn": 0})
        gone = self.not_collected()
        first = self.call("restock", gone, self.shop)
        self.assertEqual(self.call("restock", gone, self.shop), first)

    def test_by_op(self):
        ident, until = self.order(), now_ms() + HOUR
        gone = self.not_collected()
        ops = [unique("op") for _ in range(4)]
        table = [
            (("ready", ident, self.shop, {"collect_by_ms": until, "op": ops[0]}), [
                ("ready", ident, self.shop, {"collect_by_ms": until + 1, "op": ops[0]}),
                ("ready", ident, self.shop, {"op": ops[0]}),
                ("ready", ident, self.depot, {"collect_by_ms": until, "op": ops[0]}),
                ("restock", ident, self.shop, {"op": ops[0]})]),
            (("fulfil", ident, [[self.sku, 1]], {"location": self.shop, "op": ops[1]}), [
                ("fulfil", ident, [[self.sku, 1]], {"location": self.depot, "op": ops[1]}),
                ("fulfil", ident, [[self.sku, 1]], {"op": ops[1]}),
                ("cancel", ident, [[self.sku, 1]], {"location": self.shop, "op": ops[1]})]),
            (("cancel", ident, [[self.sku, 1]], {"location": self.depot, "op": ops[2]}), [
                ("cancel", ident, [[self.sku, 2]], {"location": self.depot, "op": ops[2]})]),
            (("restock", gone, self.shop, {"op": ops[3]}), [
                ("restock", gone, self.depot, {"op": ops[3]}),
                ("cancel", gone, None, {"location": self.shop, "op": ops[3]})]),
        ]
        firsts = [self.call(*step) for step, _others in table]
        for _ in range(2):
            for (step, others), first in zip(table, firsts):
                self.assertEqual(self.call(*step), first, step)
                for other in others:
                    self.refused("conflict", *other)
            self.crash()
        self.assertEqual(self.call("reservation", ident)["lines"][0][4:], [0, 1])
        self.assertEqual(self.call("reservation", ident)["lines"][1][4:], [1, 0])

    def test_the_ref_is_part_of_the_order(self):
        ident = unique("res")
        order = ("reserve", ident, self.web, [[self.sku, 1]], {"ref": "a"})
        first = self.call(*order)
        self.assertEqual(self.call(*order), first)
        self.refused("conflict", "reserve", ident, self.web, [[self.sku, 1]], {"ref": "b"})
        self.refused("conflict", "reserve", ident, self.web, [[self.sku, 1]])


class Refusals(PartsCase):
    def refuses(self, ident, *step, names=None):
        """A step that is refused changes nothing, and says the order's state."""
        before = self.call("reservation", ident)
        error = self.refused("wrong_state", *step, names=names)
        self.assertEqual(error.details["state"], before["state"])
        self.assertEqual(self.call("reservation", ident), before)

    def test_states(self):
        held, ready, done = self.order(confirm=False), self.order(), self.order()
        self.call("ready", ready, self.shop)
        self.call("fulfil", done, None, {"location": self.shop})
        gone = self.order()
        self.call("cancel", gone)
        for ident, method in ((held, "ready"), (held, "restock"), (ready, "restock"), (done, "ready"),
                              (done, "restock"), (gone, "ready")):
            with self.subTest(method=method, state=self.step(ident)):
                self.refuses(ident, method, ident, self.shop)
        self.refuses(held, "fulfil", held, None, {"location": self.shop})
        self.refuses(done, "cancel", done, None, {"location": self.shop})
        self.refuses(ready, "fulfil", ready, [[self.sku, 3]], {"location": self.shop})

    def test_a_place_that_gives_nothing(self):
        ident, other = self.order(shop=0), self.stocked(5, self.shop)
        for method in ("ready", "restock"):
            self.refuses(ident, method, ident, self.shop, names=self.shop)
        for method in ("fulfil", "cancel"):
            self.refuses(ident, method, ident, None, {"location": self.shop}, names=self.shop)
            self.refuses(ident, method, ident, [[other, 1]], {"location": self.shop}, names=other)

    def test_names(self):
        ident, ghost = self.order(), unique("ghost")
        for method in ("ready", "restock"):
            self.refused("unknown_reservation", method, ghost, self.shop, names=ghost)
            self.refused("unknown_location", method, ident, ghost, names=ghost)
        for method in ("fulfil", "cancel"):
            self.refused("unknown_location", method, ident, None, {"location": ghost}, names=ghost)

    def test_bad_parameters(self):
        ident = self.order()
        bad = [
            ("ready",), ("ready", ident), ("ready", ident, "a place"), ("ready", "", self.shop),
            ("ready", "x" * 41, self.shop), ("ready", ident, self.shop, {"op": ident}),
            ("ready", ident, self.shop, {"op": ""}), ("ready", ident, self.shop, {"collect_by_ms": "soon"}),
            ("ready", ident, self.shop, {"collect_by_ms": 0}), ("ready", ident, self.shop, {"collect_by_ms": -1}),
            ("ready", ident, self.shop, {"collect_by_ms": now_ms() - 1000}),
            ("ready", ident, self.shop, {}, 1), ("ready", ident, self.shop, 7),
            ("restock",), ("restock", ident), ("restock", ident, 3), ("restock", ident, self.shop, {"op": ident}),
            ("restock", ident, self.shop, {"op": 7}),
            ("fulfil", ident, None, {"location": ""}), ("cancel", ident, None, {"location": 4}),
            ("confirm", ident, {"ref": "x" * 129}), ("confirm", ident, {"ref": 3}),
            ("reserve", unique("r"), self.web, [[self.sku, 1]], {"ref": "x" * 129}),
            ("reserve", unique("r"), self.web, [[self.sku, 1]], {"ref": ["a"]}),
        ]
        for step in bad:
            with self.subTest(step=step):
                self.refused("bad_request", *step)
        self.assertEqual(self.step(ident), "open")


class Shelf(PartsCase):
    """count {shelf: true}: what is on the shelf, without what is set aside."""

    def count(self, qty, place=None, **options):
        got = self.call("count", unique("count"), self.sku, place or self.shop, qty, {"shelf": True, **options})
        return got["delta"], got["on_hand"]

    def test_ready_units_are_not_on_the_shelf(self):
        ident = self.order()
        self.assertEqual(self.count(20), (0, 20))
        self.call("ready", ident, self.shop)
        self.assertEqual(self.count(18), (0, 20))
        self.assertEqual(self.count(20, self.depot), (0, 20))
        self.crash()
        self.assertEqual(self.count(17), (-1, 19))
        self.call("fulfil", ident, None, {"location": self.shop})
        self.assertEqual(self.count(17), (0, 17))

    def test_nor_is_what_was_not_collected(self):
        ident = self.not_collected()
        self.assertEqual(self.count(18), (0, 20))
        self.crash()
        self.assertEqual(self.count(18), (0, 20))
        self.call("restock", ident, self.shop)
        self.assertEqual(self.count(20), (0, 20))

    def test_refusals(self):
        for options in ({"shelf": 1}, {"shelf": True, "as_of": now_ms()}):
            self.refused("bad_request", "count", unique("c"), self.sku, self.shop, 1, options)
        ident = unique("c")
        first = self.call("count", ident, self.sku, self.shop, 1, {"shelf": True})
        self.assertEqual(self.call("count", ident, self.sku, self.shop, 1, {"shelf": True}), first)
        self.refused("conflict", "count", ident, self.sku, self.shop, 1)


class Told(PartsCase):
    options = ("--segment-bytes", 16 * 4096)

    def life(self):
        ident = self.not_collected(ref="cart 9")
        self.call("restock", ident, self.shop, {"op": unique("op")})
        return ident

    def test_history(self):
        ident = self.life()
        for subject in (self.sku, {"id": ident}):
            events = (self.call("history", subject)["events"] if isinstance(subject, str)
                      else self.call("history", None, subject)["events"])
            at_shop = [(event["type"], event["id"]) for event in events
                       if event.get("location") == self.shop and event.get("id") == ident]
            self.assertEqual(at_shop, [(kind, ident) for kind in ("reserve", "ready", "not_collected", "restock")])

    def test_stock_as_it_was(self):
        ident = self.life()
        lsn = {event["type"]: event["lsn"] for event in self.call("history", self.sku)["events"]
               if event.get("id") == ident and event.get("location") == self.shop}
        for kind, reserved in (("reserve", 7), ("ready", 7), ("not_collected", 7), ("restock", 5)):
            then = self.call("stock", self.sku, {"at_lsn": lsn[kind]})
            self.assertEqual((then["on_hand"], then["reserved"]), (40, reserved), kind)

    def test_dump(self):
        ident = self.life()
        self.server.stop()
        out = run_program("stock-journal", "dump", self.server.data, "--json").out
        seen = [record for record in map(json.loads, out.splitlines()) if record.get("id") == ident]
        kinds = [record["type"] for record in seen]
        self.assertEqual(kinds, ["reserve", "ready", "not_collected", "restock"])
        self.assertEqual(seen[0]["ref"], "cart 9")
        self.server.start()
        self.reconnect()

    def test_check_finds_nothing(self):
        self.life()
        self.not_collected()
        ident = self.order()
        self.call("ready", ident, self.shop, {"collect_by_ms": now_ms() + HOUR})
        self.assertEqual(self.call("check")["findings"], [])


class Snapshot(PartsCase):
    """What a compaction keeps, the next start finds."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server("--segment-bytes", 16 * 4096)

    def test_steps_and_refs(self):
        until = now_ms() + HOUR
        ready, plain, long = self.order(), self.order(ref="cart 9"), self.order(ref="x" * 128)
        self.call("ready", ready, self.shop, {"collect_by_ms": until})
        self.call("ready", long, self.depot)
        gone, op = self.not_collected(depot=1, shop=1), unique("op")
        step = ("fulfil", long, [[self.sku, 1]], {"location": self.depot, "op": op})
        first = self.call(*step)
        soon = self.order(depot=1, shop=1)
        self.ready_for(soon, self.shop, 1500)
        changed = self.call("reservation", soon)["lsn"]
        idents = (ready, plain, long, gone)
        before = [self.call("reservation", ident) for ident in idents]
        for _ in range(2):  # a start begins a segment: the one before is sealed
            self.server.restart()
            self.reconnect()
        run = run_program("stock-journal", "compact", self.server.data, "--json", timeout=120)
        self.assertEqual(run.code, 0, run.err)
        self.assertGreaterEqual(json.loads(run.out)["lsn"], changed)
        self.crash()
        self.assertGreaterEqual(self.call("info", "snapshot")["snapshot"]["lsn"], changed)
        self.assertEqual([self.call("reservation", ident) for ident in idents], before)
        self.assertEqual(self.call(*step), first)
        wait_until(lambda: self.step(soon) == "not_collected", what="its time came after the start")
        for ident in (gone, soon):
            self.assertEqual(self.call("restock", ident, self.shop)["state"], "confirmed")
        self.assertEqual(self.call("fulfil", ready, None, {"location": self.shop})["state"], "confirmed")
        self.assertEqual(self.call("check")["findings"], [])


if __name__ == "__main__":
    main()
