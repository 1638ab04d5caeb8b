# SPDX-License-Identifier: Apache-2.0
"""The book on what is on its way: events, stock as it was, and stock-journal, over the life of
supplies of every kind; from the journal alone, and from a snapshot on."""

import csv
import io
import json
import time

from stockd_harness import StockdTestCase, main, run_program, unique

SMALLEST = 16 * 4096  # bytes of a segment: some fifteen durable changes
DAY = 86_400_000


def stock_of(answer):
    """What a `stock` says, free of order and of pools without a unit."""
    pools = {
        (pool["location"], pool["kind"], pool["supply"]): (pool["on_hand"], pool["reserved"], pool["eta_ms"])
        for pool in answer["pools"]
        if pool["on_hand"] or pool["reserved"]
    }
    return answer["on_hand"], answer["reserved"], answer["available"], pools


def on_hand_by(event):
    """What an event changes of on hand in its pool, as docs/PROTOCOL.md says."""
    kind, qty = event["type"], event["qty"]
    if kind == "fulfil":
        return -qty
    if kind in ("receive", "expect", "ship", "arrive"):
        return qty
    if kind == "transfer":
        return 0 if event["state"] == "held" else qty
    return qty if kind == "withdraw" and event["kind"] == "expected" else 0


class Book(StockdTestCase):
    options = ("--segment-bytes", SMALLEST)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.then = []  # (lsn, what stock said then)
        cls.lsn_of = {}  # (method, id): its LSN
        cls.now = int(time.time() * 1000)
        with cls.server.client() as client:
            client.call("hello", "clerk")
            client.call("location_set", "shop")
            client.call("channel_set", "eager", {"locations": ["shop"], "promise": "incoming"})
            client.call("receive", unique("r"), "TEE", "main", 30)
            cls.client_now = client
            cls.live()

    @classmethod
    def do(cls, *call):
        done = cls.client_now.call(*call)
        cls.lsn_of[call[:2]] = done["lsn"]
        stock = cls.client_now.call("stock", "TEE")
        cls.then.append((stock["lsn"], stock_of(stock)))

    @classmethod
    def live(cls):
        now, do = cls.now, cls.do
        do("expect", "po-1", "shop", [["TEE", 5], ["CUP", 2]], {"eta_ms": now + DAY, "ref": "PO 7"})
        do("reserve", "o-1", "eager", [["TEE", 4]], {"confirm": True})
        do("transfer", "t-1", "main", "shop", [["TEE", 4]], {"ship": False})
        do("ship", "t-1", [["TEE", 3]], {"eta_ms": now + DAY, "op": "lorry"})
        do("reserve", "o-2", "eager", [["TEE", 2]], {"confirm": True})
        for _ in range(3):  # a snapshot leaves some segments from before it
            cls.fill(20)
            cls.compact()
        do("reschedule", "t-1", now + 2 * DAY, {"op": "call"})
        do("withdraw", "t-1", None, {"op": "stays"})
        do("arrive", "po-1", [["TEE", 3, 1]], {"op": "dock"})
        do("cancel", "o-1", [["TEE", 3]])
        do("transfer", "t-2", "main", "shop", [["TEE", 2]])
        for n in range(12):
            do("transfer", f"t-3-{n}", "main", "shop", [["TEE", 1]], {"eta_ms": now + DAY + n})
        do("fulfil", "o-1")
        do("arrive", "t-1", [["TEE", 1]], {"close": True})
        do("withdraw", "po-1")
        for n in range(6):
            do("arrive", f"t-3-{n}")

    @classmethod
    def fill(cls, count):
        for _ in range(count):
            cls.client_now.call("receive", unique("r"), "CUP", "main", 1)

    @classmethod
    def compact(cls):
        """Nothing, here; see below."""


class Whole(Book):
    def history(self, *question, **options):
        return self.call("history", *question, {"limit": 1000, **options})

    def test_stock_as_it_was(self):
        begins = self.history("TEE")["begins_lsn"]
        asked = 0
        for lsn, said in self.then:
            if lsn >= begins:
                self.assertEqual(stock_of(self.call("stock", "TEE", {"at_lsn": lsn})), said, lsn)
                asked += 1
        self.assertGreater(asked, 5)

    def test_events_add_up(self):
        answer = self.history("TEE")
        sums = {}
        if answer["begins_lsn"]:
            pools = stock_of(self.call("stock", "TEE", {"at_lsn": answer["begins_lsn"]}))[3]
            sums = {pool: figures[0] for pool, figures in pools.items()}
        for event in answer["events"]:
            if event["on_hand"] is None:
                continue
            own = event["kind"] in ("expected", "in_transit")
            supply = event["id"] if own and event["eta_ms"] else None
            if own and not supply:  # a reservation's event does not say of which supply it draws
                continue
            pool = event["location"], event["kind"], supply
            sums[pool] = sums.get(pool, 0) + on_hand_by(event)
            self.assertEqual(sums[pool], event["on_hand"], event)

    def test_the_life_of_a_supply(self):
        begins = self.history("TEE")["begins_lsn"]
        told = self.history(None, id="t-1")["events"]
        life = [
            ("transfer", "main", "shared", 4, "held"),
            ("ship", "main", "shared", -3, "in_transit"),
            ("ship", "shop", "in_transit", 3, "in_transit"),
            ("reschedule", "shop", "in_transit", 3, "in_transit"),
            ("reschedule", "main", "shared", 1, "in_transit"),
            ("withdraw", "main", "shared", 1, "in_transit"),
            ("arrive", "shop", "in_transit", -3, "arrived"),
            ("arrive", "shop", "shared", 1, "arrived"),
        ]
        kept = [row for row in life if self.lsn_of[row[0], "t-1"] > begins]
        self.assertEqual([(event["type"], event["location"], event["kind"], event["qty"], event["state"])
                          for event in told], kept)
        self.assertEqual({event["eta_ms"] for event in told if event["type"] in ("reschedule", "arrive")},
                         {self.now + 2 * DAY})

    def test_steps_are_found_by_their_ops(self):
        begins = self.history("TEE")["begins_lsn"]
        for op, supply, kind, qty in (("lorry", "t-1", "ship", 3), ("call", "t-1", "reschedule", None),
                                      ("stays", "t-1", "withdraw", 1), ("dock", "po-1", "arrive", 3)):
            told = [(e["type"], e["id"], e["qty"]) for e in self.history(None, id=op)["events"]
                    if e["op"] == op]
            if self.lsn_of[kind, supply] <= begins:
                self.assertEqual(told, [])
            else:
                self.assertEqual(told, [(kind, supply, qty)])

    def test_stockctl(self):
        got = run_program("stockctl", "-s", self.server.unix, "history", "--id", "t-1")
        self.assertEqual(got.code, 0, got)
        self.assertIn("in_transit", got.out)
        self.assertRegex(got.out.splitlines()[-1], r"arrive .* shop +shared .* t-1 ")
        lsn = str(self.then[-1][0])
        got = run_program("stockctl", "-s", self.server.unix, "stock", "TEE", "--at", lsn)
        self.assertEqual(got.out.count("in_transit"), 6, got)
        self.assertRegex(got.out, r"(?m)^time +\d{4}-\d\d-\d\dT")


class FromSnapshots(Whole):
    """Older segments are gone: supplies begin as a snapshot has them."""

    @classmethod
    def compact(cls):
        got = run_program("stock-journal", "compact", cls.server.data)
        assert got.code == 0, got

    def test_the_book_begins_later(self):
        begins = self.history("TEE")["begins_lsn"]
        self.assertGreater(begins, self.lsn_of["ship", "t-1"])
        self.assertLess(begins, self.lsn_of["reschedule", "t-1"])


class Dumped(Book):
    """stock-journal shows what history tells."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.server.client() as client:
            cls.told = client.call("history", "TEE", {"limit": 1000})["events"]
        cls.server.stop()

    def setUp(self):
        """There is no engine to ask."""

    def dump(self, *args):
        got = run_program("stock-journal", "dump", self.server.data, *args)
        self.assertEqual(got.code, 0, got)
        return got.out

    def test_as_csv(self):
        rows = csv.DictReader(io.StringIO(self.dump("--csv", "--sku", "TEE"), newline=""))
        keys = ("lsn", "type", "id", "op", "location", "kind", "qty", "on_hand", "reserved", "state")
        self.assertEqual([[row[key] for key in keys] for row in rows],
                         [["" if event[key] is None else str(event[key]) for key in keys]
                          for event in self.told])

    def test_as_json(self):
        records = [json.loads(line) for line in self.dump("--json").splitlines()]
        supply = next(one for one in records if one["type"] == "supply")
        self.assertEqual((supply["id"], supply["state"], supply["eta_ms"], supply["ref"], supply["lines"]),
                         ("po-1", "in_transit", self.now + DAY, "PO 7",
                          [{"sku": "TEE", "qty": 5}, {"sku": "CUP", "qty": 2}]))
        arrive = next(one for one in records if one["type"] == "arrive")
        self.assertEqual((arrive["id"], arrive["op"], arrive["moves"]),
                         ("po-1", "dock", [{"line": 0, "qty": 3, "rejected": 1, "lost": 0, "swept": 0}]))
        sweep = next(one for one in records if one["type"] == "sweep")
        self.assertEqual((sweep["sku"], sweep["location"], sweep["delta"]), ("TEE", "shop", -1))
        self.assertFalse([one for one in records if "unreadable" in one])

    def test_for_people(self):
        lines = self.dump().splitlines()
        held = next(line for line in lines if " id=t-1 " in line)
        self.assertIn(" state=held id=t-1 from=main location=shop lines=TEE:4 ", held)
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime((self.now + DAY) / 1000))
        ship = next(line for line in lines if " op=lorry " in line)
        self.assertRegex(ship, rf" eta={when}\.{self.now % 1000:03}Z location=shop moves=0:3 ")
        dock = next(line for line in lines if " op=dock " in line)
        self.assertIn(" moves=0:3/rejected:1 ", dock)

    def test_of_a_sku(self):
        """A record of several items concerns each; one of others does not."""
        types = [line.split()[2] for line in self.dump("--sku", "CUP").splitlines()]
        self.assertEqual(types, ["item", "supply"] + ["movement"] * 60 + ["withdraw"])

    def test_verify(self):
        got = run_program("stock-journal", "verify", self.server.data)
        self.assertEqual(got.code, 0, got)
        self.assertRegex(got.out, r"tail +clean")



if __name__ == "__main__":
    main()
