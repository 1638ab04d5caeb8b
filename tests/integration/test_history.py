# SPDX-License-Identifier: Apache-2.0
"""The book: history and stock as it was, against what a client did and was told at the time."""

import collections
import csv
import ctypes
import errno
import io
import json
import os
import select
import shutil
import time

from stockd_harness import (
    SLOW,
    RpcError,
    StockdTestCase,
    main,
    run_program,
    seeded_random,
    unique,
    wait_until,
)

SMALLEST = 16 * 4096  # bytes of a segment: some fifteen durable changes


def segments(server):
    folder = os.path.join(server.data, "journal")
    return sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".seg"))


def stock_of(answer):
    """What a `stock` says, free of order and of pools without a unit."""
    pools = {
        (pool["location"], pool["kind"], pool["channel"]): (pool["on_hand"], pool["reserved"])
        for pool in answer["pools"]
        if pool["on_hand"] or pool["reserved"]
    }
    return answer["on_hand"], answer["reserved"], answer["available"], pools


class Story:
    """Does things at random and writes down what `history` must tell of each item."""

    ITEMS = ("ANVIL", "BELL")
    PLACES = ("main", "shed")

    def __init__(self, server, random):
        self.server = server
        self.random = random
        self.events = {item: [] for item in self.ITEMS}
        self.then = {item: [] for item in self.ITEMS}  # (lsn, what stock said then)
        self.pools = collections.Counter()
        self.reserved = collections.Counter()
        self.held = {}  # id -> [lines, confirmed]
        self.client = None
        self.connect("clerk")

    def connect(self, name):
        self.name = name
        if self.client:
            self.client.close()
        self.client = self.server.client()
        self.client.call("hello", name)

    def write(self, lsn, kind, item, place, qty, **more):
        pool = (item, place)
        self.events[item].append({
            "lsn": lsn, "type": kind, "location": place, "qty": qty, "sku": item, "kind": "shared",
            "on_hand": self.pools[pool], "reserved": self.reserved[pool],
            "client": self.name, **more,
        })

    def move(self):
        item, place = self.random.choice(self.ITEMS), self.random.choice(self.PLACES)
        id, qty = unique("move"), self.random.randint(1, 9)
        kind = self.random.choice(("receive", "receive", "adjust", "count", "return"))
        if not self.events[item]:
            kind = "receive"  # it makes the item
        more = {"id": id}
        if kind == "receive":
            more["ref"] = f"po {qty}"
            got = self.client.call(kind, id, item, place, qty, {"ref": more["ref"]})
        elif kind == "adjust":
            more["reason"] = "found"
            got = self.client.call(kind, id, item, place, qty, {"reason": "found"})
        elif kind == "count":
            counted = self.pools[item, place] + qty
            got = self.client.call(kind, id, item, place, counted)
        else:
            got = self.client.call(kind, id, item, place, qty)
        self.pools[item, place] += qty
        self.write(got["lsn"], kind, item, place, qty, **more)

    def reserve(self):
        lines = []
        for item in self.random.sample(self.ITEMS, self.random.randint(1, 2)):
            place = self.random.choice(self.PLACES)
            free = self.pools[item, place] - self.reserved[item, place]
            if free > 0:
                lines.append([item, self.random.randint(1, min(free, 3)), place])
        if not lines:
            return
        id = unique("order")
        got = self.client.call("reserve", id, "web", lines)
        for item, qty, place in lines:
            self.reserved[item, place] += qty
            self.write(got["lsn"], "reserve", item, place, qty, id=id, channel="web", state="held",
                       expires_ms=got["expires_ms"])
        self.held[id] = [[list(line) for line in lines], False]

    def tell_all(self, kind, got, id, **more):
        for item, left, place in self.held[id][0]:
            if left:
                self.write(got["lsn"], kind, item, place, left, id=id, channel="web", **more)

    def go_on(self):
        if not self.held:
            return
        id = self.random.choice(list(self.held))
        lines, confirmed = self.held[id]
        if not confirmed and self.random.random() < 0.3:
            got = self.client.call("extend", id, 10_000_000)
            self.tell_all("extend", got, id, state="held", expires_ms=got["expires_ms"])
        elif not confirmed:
            got = self.client.call("confirm", id, {"ref": "paid"})
            self.held[id][1] = True
            self.tell_all("confirm", got, id, state="confirmed", ref="paid")
        elif self.random.random() < 0.4:
            self.step_in_part(id, lines)
        else:
            self.step(id, lines, self.random.choice(("fulfil", "cancel")))

    def settle(self, kind, line, qty):
        item, _, place = line
        line[1] -= qty
        self.reserved[item, place] -= qty
        if kind == "fulfil":
            self.pools[item, place] -= qty

    def step_in_part(self, id, lines):
        kind = self.random.choice(("fulfil", "cancel"))
        line = next(line for line in lines if line[1])
        op = unique("parcel")
        got = self.client.call(kind, id, [[line[0], 1]], {"op": op})
        self.settle(kind, line, 1)
        self.write(got["lsn"], kind, line[0], line[2], 1, id=id, channel="web", op=op,
                   state=got["state"])
        if got["state"] != "confirmed":
            del self.held[id]

    def step(self, id, lines, kind):
        got = self.client.call(kind, id)
        for line in lines:
            if line[1]:
                qty = line[1]
                self.settle(kind, line, qty)
                self.write(got["lsn"], kind, line[0], line[2], qty, id=id, channel="web",
                           state=got["state"])
        del self.held[id]

    def live(self, steps):
        for _ in range(steps):
            self.random.choice((self.move, self.reserve, self.go_on, self.go_on))()
            for item in self.ITEMS:
                try:
                    said = self.client.call("stock", item)
                except RpcError as error:
                    assert error.code == "unknown_sku", error
                else:
                    self.then[item].append((said["lsn"], stock_of(said)))


def ends_of(events):
    """The events that the story knows of: without those of the item itself."""
    return [event for event in events if not event["type"].startswith("item")]


class History(StockdTestCase):
    options = ("--segment-bytes", SMALLEST)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.server.client() as client:
            client.call("location_set", "shed")
            client.call("channel_set", "web", {"hold_ttl_ms": 10_000_000})
        cls.story = Story(cls.server, seeded_random())
        cls.story.live(40)
        cls.compact()
        cls.server.kill()
        cls.server.start()
        cls.story.connect('the "till"\n')
        cls.story.live(40)
        cls.compact()
        cls.server.stop()
        cls.server.start()
        cls.story.connect("clerk")
        cls.story.live(20)
        cls.compact()
        cls.story.live(10)
        cls.story.client.close()

    @classmethod
    def compact(cls):
        """Nothing, here; see below."""

    def pages(self, *question, limit=1000, **options):
        since, events = 0, []
        while since is not None:
            answer = self.call("history", *question, {"limit": limit, "since_lsn": since, **options})
            self.assertEqual(answer["begins_lsn"], 0)
            events += answer["events"]
            since = answer["next"]
        return events

    def test_it_is_over_many_segments(self):
        self.assertGreater(len(segments(self.server)), 4)

    def test_an_item_tells_what_was_done(self):
        for item, expected in self.story.events.items():
            told = ends_of(self.pages(item))
            self.assertEqual(len(told), len(expected))
            for event, wanted in zip(told, expected):
                self.assertEqual(event, {**event, **wanted})
                absent = {"op", "reason", "ref"} - set(wanted)
                self.assertEqual([event[key] for key in absent], [None] * len(absent))
            times = [event["time_ms"] for event in told]
            self.assertLess(max(times) - time.time() * 1000, 60_000)

    def test_pages_are_the_whole(self):
        whole = self.pages("ANVIL")
        for limit in (1, 2, 7):
            self.assertEqual(self.pages("ANVIL", limit=limit), whole)
        middle = whole[len(whole) // 2]["lsn"]
        rest = self.call("history", "ANVIL", {"since_lsn": middle, "limit": 1000})["events"]
        self.assertEqual(rest, [event for event in whole if event["lsn"] > middle])

    def test_an_id_tells_its_life(self):
        events = [event for item in self.story.ITEMS for event in self.story.events[item]]
        by_id = collections.defaultdict(list)
        for event in events:
            by_id[event["id"]].append(event)
        for id in list(by_id)[::5]:
            told = self.pages(None, id=id)
            self.assertEqual(
                sorted((event["lsn"], event["type"], event["sku"], event["qty"]) for event in told),
                sorted((event["lsn"], event["type"], event["sku"], event["qty"])
                       for event in by_id[id]),
            )
        for op in [event for event in events if "op" in event][:1]:  # some stories have none
            told = self.pages(None, id=op["op"])
            self.assertEqual([(event["id"], event["lsn"]) for event in told],
                             [(op["id"], op["lsn"])])
        self.assertEqual(self.pages(None, id="nobody"), [])

    def test_stock_as_it_was(self):
        for item in self.story.ITEMS:
            for lsn, said in self.story.then[item][::3]:
                answer = self.call("stock", item, {"at_lsn": lsn})
                self.assertEqual(answer["lsn"], lsn)
                self.assertEqual(stock_of(answer), said, f"{item} at {lsn}")
            now = self.call("stock", item, {"at_ms": int(time.time() * 1000) + 3_600_000})
            self.assertEqual(stock_of(now), stock_of(self.call("stock", item)))

    def test_stock_as_it_was_is_refused(self):
        lsn = self.call("stock", "BELL")["lsn"]
        self.refused("bad_request", "stock", "BELL", {"at_lsn": lsn + 1}, names=str(lsn))
        self.refused("bad_request", "stock", "BELL", {"at_lsn": 1, "at_ms": 1}, names="at_ms")
        self.refused("unknown_sku", "stock", "BELL", {"at_lsn": 0}, names="BELL")
        self.refused("bad_request", "stock", "BELL", {"at_ms": 1}, names="at_ms")

    def test_what_is_asked_wrongly(self):
        self.refused("bad_request", "history", names="sku")
        self.refused("bad_request", "history", None, names="id")
        self.refused("bad_request", "history", "BELL", {"id": "x"}, names="id")
        self.refused("bad_request", "history", "BELL", {"limit": 0}, names="limit")
        self.refused("bad_request", "history", "BELL", {"limit": 1001}, names="limit")
        self.refused("unknown_sku", "history", "NONE", names="NONE")

    def test_who_asks_sees_what_he_did(self):
        """Requests of one connection, none of them waiting for an answer."""
        for _ in range(30):
            sku = unique("SEEN")
            replies = self.client.pipeline(
                [("receive", unique("seen"), sku, "main", 5), ("history", sku), ("ping",)])
            self.assertNotIsInstance(replies[1], RpcError)
            types = [event["type"] for event in replies[1]["events"]]
            self.assertEqual(types, ["item", "receive"])
            self.assertEqual(replies[2], "pong")

    def test_a_hold_that_expires(self):
        sku = unique("BRIEF")
        self.call("receive", unique("r"), sku, "main", 5)
        id = unique("brief")
        self.call("reserve", id, "web", [[sku, 2]], {"ttl_ms": 1})
        wait_until(lambda: self.call("reservation", id)["state"] == "expired", what="expiry")
        event = self.pages(sku)[-1]
        self.assertEqual(
            [event[key] for key in ("type", "id", "qty", "on_hand", "reserved", "state", "client")],
            ["expire", id, 2, 5, 0, "expired", None],
        )

    def ctl(self, *args, expect=0):
        got = run_program("stockctl", "-s", self.server.tcp, *args)
        self.assertEqual(got.code, expect, got)
        return got

    def test_stockctl(self):
        whole = self.pages("ANVIL")
        told = json.loads(self.ctl("--json", "history", "ANVIL").out)
        self.assertEqual(told["events"], whole)
        self.assertEqual(len(json.loads(
            self.ctl("--json", "history", "ANVIL", "--limit", 3).out)["events"]), 3)
        lines = self.ctl("history", "ANVIL", "--since", whole[-3]["lsn"]).out.splitlines()
        self.assertIn("ON HAND", lines[0])
        self.assertIn(whole[-1]["id"], lines[-1])
        id = whole[-1]["id"]
        self.assertIn(id, self.ctl("history", "--id", id).out)
        self.ctl("history", "ANVIL", "--id", "x", expect=2)
        self.ctl("history", expect=2)
        lsn, said = self.story.then["ANVIL"][10]
        then = json.loads(self.ctl("--json", "stock", "ANVIL", "--at", lsn).out)
        self.assertEqual(stock_of(then), said)
        self.assertIn("available", self.ctl("stock", "ANVIL", "--at", "2100-01-01T00:00:00Z").out)
        self.ctl("stock", "ANVIL", "--at", "yesterday", expect=2)


class Archived(History):
    """The same with snapshots, and all but the newest segments in the archive."""

    @classmethod
    def compact(cls):
        got = run_program("stock-journal", "compact", cls.server.data, "--archive")
        assert got.code == 0, got

    def test_it_is_over_many_segments(self):
        self.assertGreater(len(os.listdir(os.path.join(self.server.data, "archive"))), 2)
        self.assertGreater(segments(self.server)[0][-14:], "0000000002.seg")


class Shortened(StockdTestCase):
    """With snapshots, and older segments gone: the book begins later."""

    options = ("--segment-bytes", SMALLEST)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.server.client() as client:
            client.call("location_set", "shed")
            client.call("channel_set", "web", {"hold_ttl_ms": 10_000_000})
        cls.story = Story(cls.server, seeded_random())
        for _ in range(4):
            cls.story.live(25)
            got = run_program("stock-journal", "compact", cls.server.data)
            assert got.code == 0, got
        cls.story.client.close()

    def test_it_tells_what_is_kept(self):
        gone = 0  # of one item there may be nothing before the first segment that is left
        for item, expected in self.story.events.items():
            answer = self.call("history", item, {"limit": 1000})
            begins = answer["begins_lsn"]
            self.assertGreater(begins, 0)
            kept = [event for event in expected if event["lsn"] > begins]
            gone += len(expected) - len(kept)
            told = ends_of(answer["events"])
            self.assertEqual(len(told), len(kept))
            for event, wanted in zip(told, kept):
                self.assertEqual(event, {**event, **wanted})
            for lsn, said in self.story.then[item]:
                if lsn >= begins:
                    self.assertEqual(stock_of(self.call("stock", item, {"at_lsn": lsn})), said)
                else:
                    self.refused("bad_request", "stock", item, {"at_lsn": lsn}, names=str(begins))
        self.assertGreater(gone, 0)

    def test_a_dump_begins_with_the_oldest_snapshot(self):
        copy = os.path.join(self.server.directory, "copy")
        shutil.copytree(self.server.data, copy)
        self.addCleanup(shutil.rmtree, copy)
        for item, expected in self.story.events.items():
            got = run_program("stock-journal", "dump", copy, "--csv", "--sku", item)
            self.assertEqual(got.code, 0, got)
            rows = [row for row in csv.DictReader(io.StringIO(got.out, newline=""))
                    if not row["type"].startswith("item")]
            kept = expected[-len(rows):]
            self.assertGreater(len(rows), 0)
            keys = ("lsn", "type", "sku", "location", "qty", "on_hand", "reserved", "client")
            self.assertEqual([[row[key] for key in keys] for row in rows],
                             [[str(event[key]) for key in keys] for event in kept])

    def test_a_damaged_snapshot_is_passed_over(self):
        item = self.story.ITEMS[0]
        self.quiet()
        whole = self.call("history", item, {"limit": 1000})
        since = self.story.then[item][-1][0]
        folder = os.path.join(self.server.data, "snapshot")
        newest = sorted(name for name in os.listdir(folder) if name.endswith(".snap"))[-1]
        with open(os.path.join(folder, newest), "r+b") as file:
            file.seek(4096 + 10)
            byte = file.read(1)
            file.seek(4096 + 10)
            file.write(bytes([byte[0] ^ 1]))
            try:
                answer = self.call("stock", item, {"at_lsn": since})
                self.assertEqual(stock_of(answer), self.story.then[item][-1][1])
                self.assertEqual(self.call("history", item, {"limit": 1000}), whole)
            finally:
                file.seek(4096 + 10)
                file.write(byte)


class StoppedThread:
    """One thread of another process, stopped by ptrace until it is let go."""

    SEIZE, INTERRUPT, DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000

    def __init__(self, pid, name):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.tid = wait_until(lambda: self.find(pid, name), what=f"a thread called {name}")
        self.ask(self.SEIZE)
        self.ask(self.INTERRUPT)
        os.waitpid(self.tid, self.WALL)

    @staticmethod
    def find(pid, name):
        for tid in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii") as file:
                if file.read().strip() == name:
                    return int(tid)
        return None

    def ask(self, what):
        if self.libc.ptrace(what, self.tid, None, None) != 0:
            raise OSError(ctypes.get_errno(), f"ptrace({what:#x}) of thread {self.tid}")

    def go_on(self):
        self.ask(self.DETACH)


class Reader(StockdTestCase):
    """The reader is stopped in its tracks, while the engine goes on."""

    options = ("--segment-bytes", SMALLEST)

    def setUp(self):
        super().setUp()
        for _ in range(40):
            self.call("receive", unique("tick"), "CLOCK", "main", 1)
        try:
            self.reader = StoppedThread(self.server.pid, "history")
        except OSError as error:
            if error.errno != errno.EPERM:
                raise
            self.skipTest(f"a thread cannot be stopped here: {error}")
        self.addCleanup(self.go_on)

    def go_on(self):
        reader, self.reader = self.reader, None
        if reader:
            reader.go_on()

    def result(self, client):
        error, result = client.receive()
        if error is not None:
            raise error
        return result

    def test_others_are_not_delayed(self):
        with self.server.client() as other:
            other.send("history", "CLOCK")
            other.send("ping")
            for _ in range(3):
                self.call("receive", unique("r"), "CLOCK", "main", 1)
                self.assertEqual(self.call("ping"), "pong")
            other.socket.settimeout(0.05)
            with self.assertRaises(TimeoutError):
                other.socket.recv(1)  # it waits for the reader
            self.go_on()
            self.assertTrue(self.result(other)["events"])
            self.assertEqual(self.result(other), "pong")

    def test_who_goes_away_is_not_missed(self):
        for _ in range(3):
            with self.server.client() as other:
                other.send("history", "CLOCK")
                self.call("ping")
        self.go_on()
        self.assertTrue(self.call("history", "CLOCK")["events"])

    def test_too_many_questions(self):
        clients = [self.server.client() for _ in range(258)]
        try:
            for client in clients:
                client.send("history", "CLOCK")
            self.call("ping")
            select.select([client.socket for client in clients], [], [], 15 * SLOW)
            self.go_on()
            refused = 0
            for client in clients:
                try:
                    self.result(client)
                except RpcError as error:
                    self.assertEqual(error.code, "overloaded")
                    refused += 1
            self.assertGreater(refused, 0)
        finally:
            for client in clients:
                client.close()


if __name__ == "__main__":
    main()
