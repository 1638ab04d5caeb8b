# SPDX-License-Identifier: Apache-2.0
"""Data directories that are in use, unreadable, corrupt, torn or full: refused or repaired by rule,
and never made worse.
"""

import errno
import hashlib
import os
import re
import resource
import shutil
import subprocess

from stockd_harness import FolderTestCase, RpcError, Server, StartError, main, run_program, unique

MAGIC = b"SDBATCH1"
BLOCK = 4096
HEADER = 72
SEGMENT = 21 * BLOCK  # takes eight small batches, then the largest record might not fit
NOBODY = 65534


def segments(data):
    folder = os.path.join(data, "journal")
    return sorted(
        os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".seg")
    )


def batches(data):
    """(segment's path, offset) of every batch, in order."""
    found = []
    for path in segments(data):
        with open(path, "rb") as file:
            content = file.read()
        at = content.find(MAGIC)
        while at >= 0:
            if at % BLOCK == 0:
                found.append((path, at))
            at = content.find(MAGIC, at + 1)
    return found


def patch(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def flip(path, offset, mask=0x01):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ mask]))


def fingerprint(folder):
    """Every file's contents, but for the lock's."""
    found = {}
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = hashlib.sha256(file.read()).hexdigest()
    found.pop("lock", None)
    return found


class DataDirectory(FolderTestCase):
    """Each test has a server of its own."""

    def assert_directory_refused(self, data, *mentions, options=(), **popen):
        """It must not start on that directory: exit 2, one clear line. Returns the line."""
        got = run_program("stockd", "--data", data, "--listen", "127.0.0.1:0", *options, **popen)
        self.assertEqual(got.code, 2, got)
        self.assertEqual(len(got.err_lines), 1, f"one line on stderr, not\n{got.err}")
        for mention in mentions:
            self.assertIn(mention, got.err)
        return got.err_lines[0]

    def journal_of(self, count, segment=1 << 20):
        """A killed server with one batch for each of count changes: units of J-0, J-1… that are
        expected. No channel sells those, so the engine has nothing to add about sold out items."""
        server = Server("--segment-bytes", segment)
        self.addCleanup(server.close, check=False)
        with server.client() as client:
            for index in range(count):
                client.call("expect", f"r{index}", "main", [[f"J-{index}", index + 1]])
        server.kill()
        return server

    def there(self, server, count):
        with server.client() as client:
            return [self.expected(client, f"J-{index}") for index in range(count)]

    @staticmethod
    def expected(client, sku):
        try:
            return sum(pool["on_hand"] for pool in client.call("stock", sku)["pools"])
        except RpcError as error:
            assert error.code == "unknown_sku", error
            return None


class Unfit(DataDirectory):
    def test_in_use(self):
        with Server() as server, server.client() as client:
            client.call("receive", "r", "SKU", "main", 5)
            self.assert_directory_refused(server.data, server.data)
            self.assertEqual(client.call("availability", "default", ["SKU"])["stock"], [5])
            client.call("receive", "r2", "SKU", "main", 5)
            server.restart(kill=True)
            with server.client() as again:
                self.assertEqual(again.call("availability", "default", ["SKU"])["stock"], [10])

    def test_not_a_directory(self):
        path = os.path.join(self.folder, "file")
        with open(path, "w", encoding="ascii") as file:
            file.write("precious")
        self.assert_directory_refused(path, path)
        with open(path, encoding="ascii") as file:
            self.assertEqual(file.read(), "precious")

    def test_no_parent(self):
        path = os.path.join(self.folder, "nowhere", "deep", "down")
        self.assert_directory_refused(path, path)

    def test_journal_is_a_file(self):
        with open(os.path.join(self.folder, "journal"), "w", encoding="ascii") as file:
            file.write("precious")
        self.assert_directory_refused(self.folder, "journal")

    def as_nobody(self):
        if os.geteuid() != 0:
            return {}
        try:
            run_program("stockd", "--help", user=NOBODY, group=NOBODY)
        except PermissionError:
            self.skipTest("the build directory is closed to other users")
        return {"user": NOBODY, "group": NOBODY}

    def test_unreadable(self):
        nobody = self.as_nobody()
        os.chmod(self.folder, 0o755)
        data = os.path.join(self.folder, "closed")
        os.mkdir(data)
        os.chmod(data, 0)
        try:
            self.assert_directory_refused(data, data, **nobody)
        finally:
            os.chmod(data, 0o700)

    def test_unwritable(self):
        nobody = self.as_nobody()
        os.chmod(self.folder, 0o755)
        data = os.path.join(self.folder, "fixed")
        os.mkdir(data)
        os.chmod(data, 0o555)
        try:
            self.assert_directory_refused(data, data, **nobody)
        finally:
            os.chmod(data, 0o700)

    def test_unreadable_segment(self):
        nobody = self.as_nobody()
        server = self.journal_of(3)
        if nobody:
            os.chmod(server.directory, 0o755)
            for root, folders, names in os.walk(server.data):
                for name in folders + names:
                    os.chown(os.path.join(root, name), NOBODY, NOBODY)
            os.chown(server.data, NOBODY, NOBODY)
        (segment, *_) = segments(server.data)
        os.chmod(segment, 0)
        self.assert_directory_refused(server.data, os.path.basename(segment), **nobody)


class Corrupt(DataDirectory):
    COUNT = 12

    def assert_names_the_place(self, line, path, offset):
        self.assertIn(os.path.basename(path), line)
        numbers = {
            int(number, 0) for number in re.findall(r"\b(?:0x[0-9a-fA-F]+|[1-9][0-9]*|0)\b", line)
        }
        self.assertIn(offset, numbers, f"the offset of the batch is not in: {line}")

    def test_a_flipped_byte_before_the_last_batch(self):
        server = self.journal_of(self.COUNT)
        found = batches(server.data)
        self.assertGreaterEqual(len(found), self.COUNT, "expected a batch for each receive")
        whole = fingerprint(server.data)
        for index in (0, 1, len(found) // 2, len(found) - 2):
            path, offset = found[index]
            for place in (0, 7, 8, 20, 40, HEADER - 1, HEADER, HEADER + 8, HEADER + 30, BLOCK - 1):
                with self.subTest(batch=index, place=place):
                    flip(path, offset + place)
                    before = fingerprint(server.data)
                    self.assertNotEqual(before, whole)
                    line = self.assert_directory_refused(server.data)
                    self.assert_names_the_place(line, path, offset)
                    self.assertEqual(
                        fingerprint(server.data), before, "a refused directory must stay as it was"
                    )
                    flip(path, offset + place)
        server.start()
        self.assertEqual(self.there(server, self.COUNT), list(range(1, self.COUNT + 1)))
        server.stop()

    def test_a_batch_overwritten_with_zeroes(self):
        server = self.journal_of(self.COUNT)
        found = batches(server.data)
        path, offset = found[len(found) // 2]
        patch(path, offset, bytes(BLOCK))
        before = fingerprint(server.data)
        line = self.assert_directory_refused(server.data)
        self.assert_names_the_place(line, path, offset)
        self.assertEqual(fingerprint(server.data), before)

    def test_two_batches_swapped(self):
        server = self.journal_of(self.COUNT)
        (path, one), (_, two) = batches(server.data)[3:5]
        with open(path, "rb") as file:
            content = file.read()
        patch(path, one, content[two : two + BLOCK])
        patch(path, two, content[one : one + BLOCK])
        before = fingerprint(server.data)
        self.assert_directory_refused(server.data, os.path.basename(path))
        self.assertEqual(fingerprint(server.data), before)

    def test_a_foreign_journal(self):
        """A batch of another journal in the place of ours: sealed for something else."""
        server, other = self.journal_of(4), self.journal_of(5)
        path, offset = batches(server.data)[2]
        their_path, their_offset = batches(other.data)[3]
        with open(their_path, "rb") as file:
            file.seek(their_offset)
            patch(path, offset, file.read(BLOCK))
        self.assert_directory_refused(server.data, os.path.basename(path))


class Segments(DataDirectory):
    """Several segments; a spare one may lie after the one in use."""

    COUNT = 50

    def journal(self):
        server = self.journal_of(self.COUNT, SEGMENT)
        used = sorted({path for path, _ in batches(server.data)})
        self.assertGreaterEqual(len(used), 4)
        return server, used

    def assert_directory_refused_unchanged(self, server, *mentions):
        before = fingerprint(server.data)
        self.assert_directory_refused(server.data, *mentions)
        self.assertEqual(fingerprint(server.data), before)

    def test_it_recovers_over_segments(self):
        server, _ = self.journal()
        for _ in range(2):
            server.start()
            self.assertEqual(self.there(server, self.COUNT), list(range(1, self.COUNT + 1)))
            server.stop()

    def test_a_segment_is_missing(self):
        for index in (0, 1, 2):
            with self.subTest(index=index):
                server, used = self.journal()
                os.unlink(used[index])
                self.assert_directory_refused_unchanged(server)

    def test_a_segment_is_cut_short(self):
        for size in (0, 100, BLOCK, BLOCK + 10, 5 * BLOCK, 6 * BLOCK + 100):
            with self.subTest(size=size):
                server, used = self.journal()
                os.truncate(used[1], size)
                self.assert_directory_refused_unchanged(server, ".seg")

    def test_only_zeroes_were_cut_off(self):
        """Nothing was lost, so nothing may be lost now: it starts with all of it, or refuses."""
        server, used = self.journal()
        os.truncate(used[1], SEGMENT - BLOCK)
        try:
            server.start()
        except StartError as error:
            self.assertEqual(error.code, 2)
        else:
            self.assertEqual(self.there(server, self.COUNT), list(range(1, self.COUNT + 1)))
            server.stop()

    def test_a_damaged_segment_header(self):
        server, used = self.journal()
        for place in (0, 8, 12, 16, 24, 32, 60, 100):
            with self.subTest(place=place):
                flip(used[1], place)
                self.assert_directory_refused_unchanged(server, os.path.basename(used[1]))
                flip(used[1], place)
        server.start()
        self.assertEqual(self.there(server, self.COUNT), list(range(1, self.COUNT + 1)))
        server.stop()

    def test_something_else_in_a_segments_place(self):
        """It is refused, and nobody waits for the other end of a pipe."""
        for make in (os.mkfifo, os.mkdir):
            for index in (1, -1):
                with self.subTest(make=make.__name__, index=index):
                    server, used = self.journal()
                    os.unlink(used[index])
                    make(used[index])
                    name = os.path.basename(used[index])
                    self.assert_directory_refused(server.data, name, "not a regular file")
                    verified = run_program("stock-journal", "verify", server.data)
                    self.assertNotEqual(verified.code, 0)
                    self.assertIn(name, verified.err)

    def test_two_segments_swapped(self):
        server, used = self.journal()
        os.rename(used[1], used[1] + ".aside")
        os.rename(used[2], used[1])
        os.rename(used[1] + ".aside", used[2])
        self.assert_directory_refused_unchanged(server)

    def test_a_segment_of_another_journal(self):
        server, used = self.journal()
        _other, foreign = self.journal()
        shutil.copyfile(foreign[1], used[1])
        self.assert_directory_refused_unchanged(server, os.path.basename(used[1]))

    def test_a_flipped_byte_at_the_end_of_a_segment(self):
        """The first batch of the next segment is its valid successor."""
        server, used = self.journal()
        last = [offset for path, offset in batches(server.data) if path == used[1]][-1]
        flip(used[1], last + HEADER + 5)
        self.assert_directory_refused_unchanged(server, os.path.basename(used[1]), str(last))

    def test_leftovers_of_a_crash_do_no_harm(self):
        server, _ = self.journal()
        with open(os.path.join(server.data, "journal", "next.tmp"), "wb") as file:
            file.write(os.urandom(10000))
        server.start()
        self.assertEqual(self.there(server, self.COUNT), list(range(1, self.COUNT + 1)))
        server.stop()


class Torn(DataDirectory):
    COUNT = 6

    def assert_mended(self, server, wanted, segment):
        """It starts without the tail, says so, and goes on from there, also after the next kill."""
        before = len(server.stderr())
        server.start()
        said = server.stderr()[before:]
        if segment:
            self.assertIn(os.path.basename(segment), said, "a cut tail must be reported")
        self.assertEqual(self.there(server, self.COUNT), wanted)
        with server.client() as client:
            missing = [index for index, qty in enumerate(wanted) if qty is None]
            for index in missing:
                client.call("expect", f"r{index}", "main", [[f"J-{index}", index + 1]])
            client.call("receive", "after", "AFTER", "main", 9)
        server.restart(kill=True)
        self.assertEqual(self.there(server, self.COUNT), list(range(1, self.COUNT + 1)))
        with server.client() as client:
            self.assertEqual(client.call("availability", "default", ["AFTER"])["stock"], [9])
        server.stop()

    def torn(self, damage, kept=COUNT - 1, logged=True):
        server = self.journal_of(self.COUNT)
        path, offset = batches(server.data)[-1]
        damage(path, offset)
        wanted = [index + 1 if index < kept else None for index in range(self.COUNT)]
        self.assert_mended(server, wanted, path if logged else None)

    def test_flipped_bytes_in_the_last_batch(self):
        for place in (0, 8, 30, HEADER - 1, HEADER, HEADER + 20):
            with self.subTest(place=place):
                self.torn(lambda path, offset: flip(path, offset + place, 0x40))

    def test_cut_off_where_a_batch_may_have_been(self):
        """No crash makes a file shorter: it is refused, and repair says what that costs."""
        for kept in (-2 * BLOCK, 0, 1, HEADER - 1, HEADER, HEADER + 10, BLOCK):
            with self.subTest(kept=kept):
                server = self.journal_of(self.COUNT)
                path, offset = batches(server.data)[-1]
                os.truncate(path, offset + kept)
                before = fingerprint(server.data)
                self.assert_directory_refused(server.data, os.path.basename(path),
                                              "is truncated here")
                self.assertEqual(fingerprint(server.data), before)
                verified = run_program("stock-journal", "verify", server.data)
                self.assertEqual(verified.code, 1, verified)
                repaired = run_program("stock-journal", "repair", server.data, "--yes")
                self.assertEqual(repaired.code, 0, repaired)
                left = self.COUNT - (0 if kept == BLOCK else 1 if kept >= 0 else 3)
                wanted = [index + 1 if index < left else None for index in range(self.COUNT)]
                self.assert_mended(server, wanted, None)

    def test_cut_off_behind_the_last_batch(self):
        self.torn(lambda path, offset: os.truncate(path, offset + BLOCK + HEADER),
                  kept=self.COUNT)

    def test_only_the_start_was_written(self):
        for kept in (HEADER // 2, HEADER, HEADER + 16):
            with self.subTest(kept=kept):
                self.torn(lambda path, offset: patch(path, offset + kept, bytes(BLOCK - kept)))

    def test_only_the_end_was_written(self):
        self.torn(lambda path, offset: patch(path, offset, bytes(HEADER)))

    def test_never_written(self):
        self.torn(lambda path, offset: patch(path, offset, bytes(BLOCK)), logged=False)

    def test_garbage_in_the_last_batch(self):
        self.torn(lambda path, offset: patch(path, offset, os.urandom(BLOCK)))

    def test_garbage_after_the_last_batch(self):
        self.torn(
            lambda path, offset: patch(path, offset + BLOCK, os.urandom(BLOCK)), kept=self.COUNT
        )

    def test_a_half_written_batch_after_the_last(self):
        """A header that claims more than was written."""

        def damage(path, offset):
            with open(path, "rb") as file:
                file.seek(offset)
                patch(path, offset + BLOCK, file.read(HEADER))

        self.torn(damage, kept=self.COUNT)


class Stopped(DataDirectory):
    """A clean stop says where the journal ends: nothing before that is cut off."""

    COUNT = 6

    def stopped(self):
        server = Server("--segment-bytes", SEGMENT)
        self.addCleanup(server.close, check=False)
        with server.client() as client:
            for index in range(self.COUNT):
                client.call("expect", f"r{index}", "main", [[f"J-{index}", index + 1]])
        server.stop()
        return server

    def test_every_cut(self):
        server = self.stopped()
        path, last = batches(server.data)[-1]
        for size in (last + HEADER - 8, last, last - 1, last - BLOCK, 2 * BLOCK, BLOCK):
            with self.subTest(size=size):
                os.truncate(path, size)
                self.assert_directory_refused(server.data, os.path.basename(path),
                                              "clean-stop mark")
                verified = run_program("stock-journal", "verify", server.data)
                self.assertEqual(verified.code, 1, verified)
                self.assertIn(os.path.basename(path), verified.out + verified.err)

    def test_damage_to_any_batch(self):
        server = self.stopped()
        for path, offset in batches(server.data):
            for place in (0, 20, BLOCK - 1):
                with self.subTest(offset=offset, place=place):
                    flip(path, offset + place)
                    self.assert_directory_refused(server.data, os.path.basename(path), str(offset))
                    flip(path, offset + place)

    def test_only_zeroes_were_cut_off(self):
        server = self.stopped()
        path, last = batches(server.data)[-1]
        os.truncate(path, last + HEADER)
        server.start()
        self.assertEqual(self.there(server, self.COUNT), list(range(1, self.COUNT + 1)))
        server.stop()

    def test_repair_gives_up_what_the_stop_had_promised(self):
        server = self.stopped()
        path, offset = batches(server.data)[-3]
        os.truncate(path, offset)
        repaired = run_program("stock-journal", "repair", server.data, "--yes")
        self.assertEqual(repaired.code, 0, repaired)
        self.assertIn("gone", repaired.out)
        server.start()
        self.assertEqual(self.there(server, self.COUNT), [1, 2, 3, 4, None, None])
        server.stop()

    def test_repair_of_a_damaged_mark(self):
        server = self.stopped()
        flip(os.path.join(server.data, "journal", "stopped"), 40)
        self.assert_directory_refused(server.data, "stopped: offset 0")
        self.assertEqual(run_program("stock-journal", "verify", server.data).code, 1)
        repaired = run_program("stock-journal", "repair", server.data, "--yes")
        self.assertEqual(repaired.code, 0, repaired)
        server.start()
        self.assertEqual(self.there(server, self.COUNT), list(range(1, self.COUNT + 1)))
        server.stop()


class Lost(DataDirectory):
    """A directory that had a journal is no new one."""

    def test_without_its_segments(self):
        server = self.journal_of(2)
        for path in segments(server.data):
            os.unlink(path)
        self.assert_directory_refused(server.data, "has no segments", "--init")

    def test_without_its_folder(self):
        server = self.journal_of(2)
        shutil.rmtree(os.path.join(server.data, "journal"))
        self.assert_directory_refused(server.data, "has no segments", "--init")

    def test_init_is_for_a_directory_without_one(self):
        server = self.journal_of(2)
        self.assert_directory_refused(server.data, "already has a journal", options=("--init",))
        shutil.rmtree(os.path.join(server.data, "journal"))
        with Server("--init", data=server.data) as fresh:
            self.assertEqual(self.there(fresh, 2), [None, None])
        server.start()
        self.assertEqual(self.there(server, 2), [None, None])


class Full(DataDirectory):
    def fill(self, client, prefix, at_most=200000):
        """Receives one by one until the server says read_only; how many were acknowledged."""
        for index in range(at_most):
            try:
                client.call("receive", f"{prefix}{index}", f"F-{index % 100}", "main", 1)
            except RpcError as error:
                self.assertEqual(error.code, "read_only", error)
                return index
        return self.fail("the disk never filled up")

    def assert_read_only(self, server, count):
        """No change is taken, every question is answered, other connections too."""
        with server.client("unix") as client:
            skus = [f"F-{index}" for index in range(min(count, 100))]
            self.assertGreaterEqual(
                sum(client.call("availability", "default", skus)["stock"]), count
            )
            for call in (
                ("receive", unique("x"), "F-0", "main", 1),
                ("reserve", unique("x"), "default", [["F-0", 1]]),
                ("item_set", "NEW", {}),
                ("location_set", "new", {}),
                ("cancel", "held-before"),
            ):
                with self.assertRaises(RpcError) as caught:
                    client.call(*call)
                self.assertEqual(caught.exception.code, "read_only", call)
            self.assertEqual(client.call("ping"), "pong")
            self.assertEqual(client.call("stock", "F-0")["reserved"], 1)
            self.assertEqual(client.call("reservation", "held-before")["state"], "held")

    def assert_nothing_lost(self, server, count):
        with server.client() as client:
            skus = [f"F-{index}" for index in range(100)]
            got = client.call("availability", "default", skus)["stock"]
            # the one that was refused may have reached the disk: it was not acknowledged
            self.assertIn(sum(qty or 0 for qty in got) + 1, (count, count + 1))
            self.assertEqual(client.call("reservation", "held-before")["state"], "held")
            client.call("receive", unique("later"), "F-0", "main", 5)

    def prepare(self, client):
        client.call("receive", "first", "F-0", "main", 1)
        client.call("reserve", "held-before", "default", [["F-0", 1]], {"ttl_ms": 3600000})

    def test_file_size_limit(self):
        with Server() as server, server.client() as client:
            self.prepare(client)
            acknowledged = 1
            for index in range(50):
                client.call("receive", f"a{index}", f"F-{index}", "main", 1)
                acknowledged += 1
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (BLOCK, BLOCK))
            acknowledged += self.fill(client, "b")
            self.assert_read_only(server, acknowledged - 1)
            server.stop(expect=None)
            server.start()
            self.assert_nothing_lost(server, acknowledged)

    def fill_up(self):
        """A file that takes all the room that is left; its path."""
        path = os.path.join(self.folder, "ballast")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            for size in (1 << 16, BLOCK):
                try:
                    while True:
                        os.write(descriptor, bytes(size))
                except OSError as error:
                    self.assertEqual(error.errno, errno.ENOSPC)
        finally:
            os.close(descriptor)
        return path

    def small_disk(self, size):
        if os.geteuid() != 0:
            self.skipTest("needs root to mount a small file system")
        got = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", self.folder],
            capture_output=True,
            text=True,
            check=False,
        )
        if got.returncode:
            self.skipTest(f"cannot mount a tmpfs here: {got.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", self.folder], check=False)

    def test_no_room_at_all(self):
        self.small_disk(16384)
        self.assert_directory_refused(self.folder)

    def test_full_disk(self):
        with Server() as probe:
            size = os.path.getsize(segments(probe.data)[0])
        self.small_disk(3 * size + (1 << 20))
        data = os.path.join(self.folder, "data")
        os.mkdir(data)
        with Server(data=data) as server, server.client() as client:
            self.prepare(client)
            ballast = self.fill_up()
            acknowledged = 1 + self.fill(client, "a")
            self.assert_read_only(server, acknowledged - 1)
            server.stop(expect=None)
            os.unlink(ballast)
            server.start()
            self.assert_nothing_lost(server, acknowledged)
            server.stop()

    def test_a_full_disk_at_start(self):
        """A journal is there, but no byte to spare: it says so or starts, and loses nothing."""
        with Server() as probe:
            size = os.path.getsize(segments(probe.data)[0])
        self.small_disk(3 * size + (1 << 20))
        data = os.path.join(self.folder, "data")
        os.mkdir(data)
        with Server(data=data) as server:
            with server.client() as client:
                self.prepare(client)
            server.kill()
            ballast = self.fill_up()
            try:
                server.start()
                server.stop(expect=None)
            except StartError as error:
                self.assertEqual(error.code, 2)
            os.unlink(ballast)
            server.start()
            with server.client() as client:
                self.assertEqual(client.call("reservation", "held-before")["state"], "held")
            server.stop()


if __name__ == "__main__":
    main()
