# SPDX-License-Identifier: Apache-2.0
"""Each kind of damage, in copies of one killed engine's journal: what verify names, what repair
gives up, and that it keeps what was."""

import collections
import ctypes
import hashlib
import json
import os
import shutil
import struct
import tempfile

from stockd_harness import Server, StockdTestCase, main, run_program, seeded_random

BLOCK = 4096
SMALLEST = 21 * BLOCK  # takes eight small batches, then the largest record might not fit
HEADER = struct.Struct("<8sQIIQQQQQQ")

XXH3 = ctypes.CDLL("libxxhash.so.0").XXH3_64bits_withSeed
XXH3.argtypes, XXH3.restype = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64), ctypes.c_uint64

Batch = collections.namedtuple("Batch", "segment offset span first_lsn end_lsn number last")


def name_of(segment):
    return f"{segment:010d}.seg"


def batches_of(data):
    """The batches of an undamaged journal, in order."""
    found = []
    folder = os.path.join(data, "journal")
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".seg"):
            continue  # a segment in the making
        with open(os.path.join(folder, name), "rb") as file:
            content = file.read()
        at = BLOCK
        while at < len(content):
            magic, first, length, _, number, *_ = HEADER.unpack_from(content, at)
            if magic != b"SDBATCH1":
                break
            span = (HEADER.size + length + BLOCK - 1) // BLOCK * BLOCK
            found.append(Batch(int(name[:10]), at, span, first, first + length, number,
                               number))
            at += span
    return found


def fingerprint(folder):
    found = {}
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = hashlib.sha256(file.read()).hexdigest()
    return found


class Repair(StockdTestCase):
    options = ("--segment-bytes", SMALLEST)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.random = seeded_random()
        cls.then = {}  # LSN -> what stock said
        with cls.server.client() as client:
            client.call("hello", "packer")
            for n in range(70):
                client.call("receive", f"in-{n}", "LAMP", "main", 2)
                cls.note(client)
                if n % 3 == 0:
                    client.call("reserve", f"order-{n}", "default", [["LAMP", 1]])
                    cls.note(client)
        cls.server.kill()
        cls.data = cls.server.data
        cls.batches = batches_of(cls.data)
        cls.records = cls.dump(cls.data)
        assert cls.batches[-1].segment >= 6, cls.batches[-1]

    @classmethod
    def note(cls, client):
        stock = client.call("stock", "LAMP")
        cls.then[stock["lsn"]] = (stock["on_hand"], stock["reserved"])

    @classmethod
    def tearDownClass(cls):
        cls.server.close(check=False)

    def setUp(self):
        folder = tempfile.mkdtemp(prefix="stockd-repair-")
        self.addCleanup(shutil.rmtree, folder)
        self.copy = os.path.join(folder, "data")
        shutil.copytree(self.data, self.copy)

    @staticmethod
    def dump(data):
        got = run_program("stock-journal", "dump", data, "--json")
        assert got.code == 0, got
        return [json.loads(line) for line in got.out.splitlines()]

    # ---- doing damage

    def path(self, segment):
        return os.path.join(self.copy, "journal", name_of(segment))

    def write(self, segment, offset, content):
        with open(self.path(segment), "r+b") as file:
            file.seek(offset)
            file.write(content)

    def flip(self, segment, offset):
        with open(self.path(segment), "rb") as file:
            file.seek(offset)
            byte = file.read(1)[0]
        self.write(segment, offset, bytes([byte ^ 0x10]))

    def read(self, batch):
        with open(self.path(batch.segment), "rb") as file:
            file.seek(batch.offset)
            return file.read(batch.span)

    def batch_in(self, segment, nth=3):
        return [batch for batch in self.batches if batch.segment == segment][nth]

    # ---- looking

    def journal(self, *args, expect):
        got = run_program("stock-journal", *args)
        self.assertEqual(got.code, expect, got)
        return got

    def damage(self):
        """What verify names; that it names it to people too, and changes nothing."""
        before = fingerprint(self.copy)
        got = self.journal("verify", self.copy, "--json", expect=1)
        found = json.loads(got.out)
        self.assertFalse(found["good"])
        text = self.journal("verify", self.copy, expect=1).out
        for one in found["damage"]:
            self.assertIn(f"{name_of(one['segment'])}: offset {one['offset']}: ", text)
        self.assertEqual(fingerprint(self.copy), before)
        return found["damage"]

    def assert_named(self, found, *batches):
        self.assertEqual(
            [(one["segment"], one["offset"], one["first_lsn"], one["end_lsn"], one["first_batch"],
              one["last_batch"]) for one in found],
            [(one.segment, one.offset, one.first_lsn, one.end_lsn, one.number, one.last)
             for one in batches],
        )
        self.assertEqual({one["promised"] for one in found}, {True})

    # ---- verify

    def test_any_byte_of_a_batch(self):
        for offset in (0, 8, 16, 20, 24, 32, 40, 48, 56, 64, HEADER.size, HEADER.size + 20, BLOCK - 1):
            batch = self.batch_in(self.random.randrange(2, 6), self.random.randrange(8))
            with self.subTest(offset=offset, batch=batch):
                self.flip(batch.segment, batch.offset + offset)
                self.assert_named(self.damage(), batch)
                self.flip(batch.segment, batch.offset + offset)

    def test_every_damaged_batch_is_named(self):
        hurt = [self.batches[0], *sorted(self.random.sample(self.batches[1:-2], 7)),
                self.batches[-2]]
        for batch in hurt:
            self.flip(batch.segment, batch.offset + HEADER.size + 9)
        self.assert_named(self.damage(), *hurt)

    def test_batches_side_by_side(self):
        at = self.batches.index(self.batch_in(3))
        for batch in self.batches[at : at + 3]:
            self.flip(batch.segment, batch.offset + HEADER.size)
        self.assert_named(self.damage(), *self.batches[at : at + 3])

    def test_side_by_side_in_two_segments(self):
        at = self.batches.index(self.batch_in(3, 0))
        for batch in self.batches[at - 1 : at + 1]:
            self.flip(batch.segment, batch.offset + HEADER.size)
        self.assert_named(self.damage(), *self.batches[at - 1 : at + 1])

    def test_side_by_side_and_the_header_between(self):
        at = self.batches.index(self.batch_in(3, 0))
        for batch in self.batches[at - 1 : at + 1]:
            self.flip(batch.segment, batch.offset)  # no magic: whose bytes they are is not told
        self.flip(3, 60)
        found = self.damage()
        self.assertEqual([(one["kind"], one["segment"]) for one in found],
                         [("damaged", 2), ("header", 3), ("damaged", 3)])
        self.assertEqual((found[0]["first_lsn"], found[0]["end_lsn"]),
                         (self.batches[at - 1].first_lsn, self.batches[at].end_lsn))

    def test_a_number_that_cannot_be_is_not_believed(self):
        at = self.batches.index(self.batch_in(3))
        one, two, three = self.batches[at : at + 3]
        self.flip(one.segment, one.offset + HEADER.size)
        self.flip(two.segment, two.offset + 28)
        self.flip(three.segment, three.offset + HEADER.size)
        self.assert_named(self.damage(), one._replace(end_lsn=two.end_lsn, last=two.number), three)

    def test_zeroes_and_then_damage(self):
        for at in (self.batches.index(self.batch_in(4, 3)), self.batches.index(self.batch_in(5, 0))):
            with self.subTest(at=at):
                zeroed, hurt = self.batches[at - 1 : at + 1]
                kept = [self.read(batch) for batch in (zeroed, hurt)]
                self.write(zeroed.segment, zeroed.offset, bytes(zeroed.span))
                self.flip(hurt.segment, hurt.offset + HEADER.size)
                found = self.damage()
                self.assert_named(found, zeroed, hurt)
                self.assertEqual([one["kind"] for one in found], ["absent", "damaged"])
                for batch, content in zip((zeroed, hurt), kept):
                    self.write(batch.segment, batch.offset, content)

    def test_a_segment_of_far_away(self):
        """Whatever its number: the run of missing ones is one finding."""
        names = os.listdir(os.path.dirname(self.path(1)))
        last = max(int(name[:10]) for name in names if name.endswith(".seg"))
        with open(self.path(9999999999), "wb") as file:
            file.write(bytes(SMALLEST))
        found = self.damage()
        self.assertEqual([(one["kind"], one["segment"], one["last_segment"]) for one in found],
                         [("segment_missing", last + 1, 9999999998),
                          ("header", 9999999999, 9999999999)])
        self.journal("repair", self.copy, "--yes", expect=0)
        self.assert_recovers(self.batches[-1].end_lsn)

    def test_a_foreign_first_segment_is_not_adopted(self):
        """The other segments say whose journal it is: they are not given up for the foreign one."""
        with Server(*self.options) as other:
            with other.client() as client:
                client.call("receive", "in", "VASE", "main", 1)
            shutil.copyfile(os.path.join(other.data, "journal", name_of(1)), self.path(1))
        before = fingerprint(os.path.join(self.copy, "journal"))
        got = self.journal("repair", self.copy, "--yes", expect=1)
        self.assertIn("nothing before it is whole", got.err)
        self.assertEqual(fingerprint(os.path.join(self.copy, "journal")), before)

    def test_zeroes_where_a_batch_was(self):
        batch = self.batch_in(4)
        self.write(batch.segment, batch.offset, bytes(batch.span))
        found = self.damage()
        self.assert_named(found, batch)
        self.assertEqual(found[0]["kind"], "absent")

    def test_a_segment_that_is_missing(self):
        os.unlink(self.path(3))
        lost = [batch for batch in self.batches if batch.segment == 3]
        (found,) = self.damage()
        self.assertEqual(
            [found[key] for key in ("kind", "segment", "first_lsn", "end_lsn", "first_batch",
                                    "last_batch")],
            ["segment_missing", 3, lost[0].first_lsn, lost[-1].end_lsn, lost[0].number,
             lost[-1].number],
        )

    def test_a_segment_that_was_cut_short(self):
        batch = self.batch_in(4, 5)
        os.truncate(self.path(4), batch.offset + 100)
        lost = [one for one in self.batches if one.segment == 4 and one.offset >= batch.offset]
        found = self.damage()
        self.assertEqual((found[0]["first_lsn"], found[-1]["end_lsn"]),
                         (lost[0].first_lsn, lost[-1].end_lsn))

    def test_a_batch_of_before(self):
        """A valid batch, copied over a later one."""
        old, batch = self.batch_in(2), self.batch_in(5)
        with open(self.path(2), "rb") as file:
            file.seek(old.offset)
            content = file.read(old.span)
        self.write(5, batch.offset, content)
        found = self.damage()
        self.assertEqual(found[0]["kind"], "stray")
        self.assert_named(found, batch)

    def test_good_and_torn(self):
        whole = json.loads(self.journal("verify", self.copy, "--json", expect=0).out)
        self.assertTrue(whole["good"])
        self.assertEqual((whole["tail"], whole["damage"]), ("clean", []))
        self.assertEqual(whole["lsn"], self.batches[-1].end_lsn)
        self.assertEqual(whole["records"], len(self.records))
        last = self.batches[-1]
        self.flip(last.segment, last.offset + 70)
        torn = json.loads(self.journal("verify", self.copy, "--json", expect=0).out)
        self.assertEqual(torn["tail"], "torn")

    # ---- repair

    def assert_recovers(self, lsn):
        with Server(*self.options, data=self.copy) as server:
            with server.client() as client:
                stock = client.call("stock", "LAMP")
                self.assertEqual(stock["lsn"], lsn)
                self.assertEqual((stock["on_hand"], stock["reserved"]), self.then[lsn])
                client.call("receive", "after-repair", "LAMP", "main", 1)

    def assert_kept(self, before, aside):
        """Whatever is not as it was before is in the directory aside as it was; but for a segment
        in the making, which nothing reads."""
        after = fingerprint(self.copy)
        kept = fingerprint(aside)
        changed = [name for name in before if name not in ("lock", "journal/next.tmp")
                   and after.get(name) != before[name]]
        self.assertTrue(changed)
        for name in changed:
            self.assertEqual(kept.get(os.path.basename(name)), before[name], name)

    def assert_cut(self, *hurt):
        """Repairs, and checks what is kept, given up and set aside."""
        before = fingerprint(self.copy)
        told = self.journal("repair", self.copy, expect=1)
        self.assertIn("Nothing was changed", told.out)
        self.assertEqual(fingerprint(self.copy), before)

        done = self.journal("repair", self.copy, "--yes", "--json", expect=0)
        summary = json.loads(done.out.splitlines()[-1])
        cut = hurt[0].first_lsn
        self.assertEqual((summary["repaired"], summary["lsn"]), (True, cut))

        aside = summary["aside"]
        given_up = [record for record in self.records if record["lsn"] > cut and not any(
            batch.first_lsn < record["lsn"] <= batch.end_lsn for batch in hurt)]
        with open(os.path.join(aside, "given-up.jsonl"), encoding="utf-8") as file:
            self.assertEqual([json.loads(line) for line in file], given_up)
        self.assertEqual(summary["given_up_records"], len(given_up))
        with open(os.path.join(aside, "report.txt"), encoding="utf-8") as file:
            self.assertIn(name_of(hurt[0].segment), file.read())

        self.assert_kept(before, aside)
        self.assertEqual(self.dump(self.copy),
                         [record for record in self.records if record["lsn"] <= cut])
        again = self.journal("repair", self.copy, "--yes", expect=0)
        self.assertIn("nothing to repair", again.out)
        self.assert_recovers(cut)

    def test_one_damaged_batch(self):
        batch = self.batch_in(3, self.random.randrange(9))
        self.flip(batch.segment, batch.offset + HEADER.size + 3)
        self.assert_cut(batch)

    def test_several_damaged_batches(self):
        hurt = sorted(self.random.sample(self.batches[8:-2], 4))
        for batch in hurt:
            self.flip(batch.segment, batch.offset + self.random.randrange(BLOCK))
        self.assert_cut(*hurt)

    def test_a_missing_segment(self):
        os.unlink(self.path(4))
        self.assert_cut(*[batch for batch in self.batches if batch.segment == 4])

    def test_a_header_costs_nothing(self):
        for segment in (1, 3):
            self.flip(segment, 60)
        self.assertEqual([one["kind"] for one in self.damage()], ["header", "header"])
        told = self.journal("repair", self.copy, expect=1).out
        self.assertIn("is rewritten; this loses nothing", told)
        before = fingerprint(self.copy)
        done = self.journal("repair", self.copy, "--yes", "--json", expect=0)
        self.assert_kept(before, json.loads(done.out.splitlines()[-1])["aside"])
        self.assertEqual(self.dump(self.copy), self.records)
        self.assert_recovers(self.batches[-1].end_lsn)

    def test_a_header_of_what_is_left_of_a_segment(self):
        """It gets a size that a header may have."""
        batch = self.batch_in(4)
        self.flip(4, 60)
        os.truncate(self.path(4), batch.offset)
        self.journal("repair", self.copy, "--yes", expect=0)
        self.assert_recovers(batch.first_lsn)

    def test_a_later_version_is_no_damage(self):
        """Its batches are whole, to a program that knows them: nothing may be cut."""
        batch = self.batch_in(4)
        content = bytearray(self.read(batch))
        content[20] = 1 << 7  # flags
        with open(self.path(1), "rb") as file:
            directory_id = struct.unpack_from("<Q", file.read(BLOCK), 32)[0]
        content[64:72] = struct.pack("<Q", XXH3(bytes(content[:64]), 64, directory_id))
        self.write(batch.segment, batch.offset, content)
        damaged = self.batch_in(3)
        for hurt in (False, True):
            if hurt:
                self.flip(damaged.segment, damaged.offset + HEADER.size)
            before = fingerprint(self.copy)
            got = self.journal("repair", self.copy, "--yes", expect=2)
            self.assertIn("later version", got.err)
            self.assertIn("later version", self.journal("verify", self.copy, expect=2).err)
            self.assertEqual(fingerprint(self.copy), before)

    def test_a_header_and_a_batch(self):
        batch = self.batch_in(5)
        self.flip(2, 8)
        self.flip(6, 8)
        self.flip(batch.segment, batch.offset + 80)
        self.journal("repair", self.copy, "--yes", expect=0)
        self.assert_recovers(batch.first_lsn)

    def test_what_cannot_be_repaired(self):
        first = self.batches[0]
        self.flip(first.segment, first.offset + 3)
        before = fingerprint(self.copy)
        got = self.journal("repair", self.copy, "--yes", expect=1)
        self.assertIn("restore a copy", got.err)
        self.assertEqual(fingerprint(self.copy), before)

    def test_not_under_an_engine(self):
        with Server() as other:
            got = self.journal("repair", other.data, "--yes", expect=2)
            self.assertIn("an engine is running", got.err)


if __name__ == "__main__":
    main()
