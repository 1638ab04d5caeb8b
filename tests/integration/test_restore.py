# SPDX-License-Identifier: Apache-2.0
"""Backups that are interrupted, damaged, of something else, or too few: what is refused, what is
said, and what is left of the backup before.
"""

import glob
import os
import shutil
import signal
import subprocess
import time

from backup_case import SEGMENT, BackupTestCase, Load
from stockd_harness import BIN_DIR, SLOW, main, reap, run_program, spawn

STOCK_JOURNAL = os.path.join(BIN_DIR, "stock-journal")


class Interrupted(BackupTestCase):
    def test_killed_at_any_moment(self):
        """The backup before stays whole, and the next one is made as if nothing had been."""
        server = self.engine()
        load = Load(server)
        self.addCleanup(load.stop)
        load.await_more(500)
        lsn = self.back_up(server)["lsn"]
        killed = 0
        for _ in range(15):
            load.await_more(300)
            process = spawn([STOCK_JOURNAL, "backup", server.data, self.backup],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(self.random.random() * 0.03 * SLOW)
            process.kill()
            killed += reap(process, 30) == -signal.SIGKILL
            whole = self.journal("restore", self.backup, "--check", "--json")["lsn"]
            self.assertGreaterEqual(whole, lsn)
            lsn = whole
        load.stop()
        self.assertGreaterEqual(self.back_up(server)["lsn"], load.lsns[-1])
        copy, _ = self.restore("copy")
        self.check_copy(copy, load.acknowledged, exactly=load.acknowledged)
        print(f"{killed} killed", end=" ")

    def test_the_first_one_killed(self):
        server = self.engine()
        self.receive(server, 50)
        self.back_up(server)
        os.unlink(os.path.join(self.backup, "backup"))  # all is there but the mark
        said = self.journal("restore", self.backup, self.path("copy"), code=2)
        self.assertIn("holds no finished backup", said)
        self.assertFalse(os.path.exists(self.path("copy")))
        self.assertTrue(self.back_up(server)["first"])
        copy, _ = self.restore("copy")
        self.check_copy(copy, 50, exactly=50)

    def test_a_full_disk(self):
        server = self.engine()
        self.receive(server, 100)
        self.small_disk(1 << 20)
        self.backup = os.path.join(self.path("disk"), "backup")
        lsn = self.back_up(server)["lsn"]
        self.receive(server, 400, first=100)  # some 2 MB: one block each
        said = self.back_up(server, code=2)
        self.assertIn("No space left", said)
        self.assertEqual(self.journal("restore", self.backup, "--check", "--json")["lsn"], lsn)
        said = self.journal("restore", self.backup, os.path.join(self.path("disk"), "copy"), code=2)
        self.assertIn("No space left", said)
        self.assertFalse(os.path.exists(os.path.join(self.path("disk"), "copy")))
        subprocess.run(["mount", "-o", "remount,size=64m", self.path("disk")], check=True)
        self.assertGreater(self.back_up(server)["lsn"], lsn)
        copy, _ = self.restore("copy")
        self.check_copy(copy, 500, exactly=500)

    def small_disk(self, size):
        if os.geteuid() != 0:
            self.skipTest("needs root to mount a small file system")
        os.mkdir(self.path("disk"))
        got = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs",
                              self.path("disk")], capture_output=True, text=True, check=False)
        if got.returncode:
            self.skipTest(f"cannot mount a tmpfs here: {got.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", self.path("disk")], check=False)

    def test_a_restore_that_was_interrupted(self):
        server = self.engine()
        self.receive(server, 50)
        self.back_up(server)
        os.mkdir(self.path("copy.unfinished"))
        said = self.journal("restore", self.backup, self.path("copy"), code=2)
        self.assertIn("remove it first", said)
        os.rmdir(self.path("copy.unfinished"))
        os.mkdir(self.path("copy"))  # an empty directory is as good as none
        copy, _ = self.restore("copy")
        self.check_copy(copy, 50, exactly=50)
        said = self.journal("restore", self.backup, copy, code=2)
        self.assertIn("is not empty", said)


class Damaged(BackupTestCase):
    def setUp(self):
        super().setUp()
        self.server = self.engine()
        self.receive(self.server, 150)
        self.assertEqual(run_program("stock-journal", "compact", self.server.data).code, 0)
        self.receive(self.server, 50, first=150)
        self.lsn = self.back_up(self.server)["lsn"]
        self.whole = self.path("whole")
        os.rename(self.backup, self.whole)

    def anew(self):
        shutil.rmtree(self.backup, ignore_errors=True)
        shutil.copytree(self.whole, self.backup)

    def files(self, pattern):
        found = sorted(glob.glob(os.path.join(self.backup, pattern)))
        self.assertTrue(found, pattern)
        return found

    def assert_refused(self, *mentions, to=()):
        said = self.journal("restore", self.backup, self.path("copy"), *to, code=1)
        for mention in mentions:
            self.assertIn(mention, said)
        self.assertEqual(self.journal("restore", self.backup, "--check", *to, code=1), said)
        self.assert_nothing_made("copy")

    @staticmethod
    def flip(path, offset):
        with open(path, "r+b") as file:
            file.seek(offset)
            byte = file.read(1)
            file.seek(offset)
            file.write(bytes([byte[0] ^ 0x40]))

    def test_each_file_damaged_cut_off_or_missing(self):
        """The segments after the snapshot are what a restore reads."""
        self.anew()
        base = self.journal("restore", self.backup, "--check", "--json")["snapshot_lsn"]
        self.assertGreater(base, 0)
        tails = self.files("tail-*/*.seg")
        read = [path for path in self.files("journal/*.seg")][-1:] + tails
        for path in read:
            name = os.path.relpath(path, self.backup)
            size = os.path.getsize(path)
            for offset in (0, 4096, 4096 + 100, size - 4096 + self.random.randrange(80)):
                self.anew()
                self.flip(path, offset)
                with self.subTest(path=name, offset=offset):
                    self.assert_refused(os.path.basename(path), to=("--to", self.lsn))
            for length in (0, 4095, 4096, size - 4096):  # more would lose nothing but padding
                self.anew()
                os.truncate(path, length)
                with self.subTest(path=name, length=length):
                    self.assert_refused()
            self.anew()
            os.unlink(path)
            with self.subTest(missing=name):
                said = run_program("stock-journal", "restore", self.backup, "--check")
                self.assertIn(said.code, (1, 2), said)

    def test_the_mark(self):
        size = os.path.getsize(os.path.join(self.whole, "backup"))
        for offset in range(0, size, 5):
            self.anew()
            self.flip(os.path.join(self.backup, "backup"), offset)
            self.assert_refused("damaged")
            said = self.back_up(self.server, code=1)
            self.assertIn("damaged", said)
        self.anew()
        os.truncate(os.path.join(self.backup, "backup"), 40)
        self.assert_refused("cut off")

    def test_a_damaged_snapshot_is_passed_over(self):
        """All segments are there, so nothing is lost but time."""
        self.anew()
        for path in self.files("snapshot/*.snap"):
            self.flip(path, self.random.randrange(80))  # its header
        got = run_program("stock-journal", "restore", self.backup, self.path("copy"), "--json")
        self.assertEqual(got.code, 0, got)
        self.assertIn("passed over", got.err)
        self.check_copy(self.path("copy"), 200, exactly=200)

    def test_no_flipped_byte_changes_what_is_restored(self):
        self.anew()
        paths = self.files("journal/*.seg") + self.files("tail-*/*.seg")
        refused = 0
        for number in range(40):
            self.anew()
            path = self.random.choice(paths)
            self.flip(path, self.random.randrange(os.path.getsize(path)))
            got = run_program("stock-journal", "restore", self.backup, self.path(f"copy-{number}"),
                              "--to", self.lsn, "--json")
            self.assertIn(got.code, (0, 1), got)
            refused += got.code
            if got.code == 0 and number % 4 == 0:
                self.check_copy(self.path(f"copy-{number}"), 200, exactly=200)
        print(f"{refused} refused", end=" ")

    def test_a_damaged_journal_is_not_backed_up(self):
        self.server.stop()
        segments = sorted(glob.glob(os.path.join(self.server.data, "journal", "*.seg")))
        self.anew()
        shutil.rmtree(self.backup)
        self.flip(segments[0], 4096 + 100)
        said = self.journal("backup", self.server.data, self.backup, code=1)
        self.assertIn(os.path.basename(segments[0]), said)
        self.assertIn("stock-journal verify", said)
        said = self.journal("restore", self.backup, "--check", code=2)
        self.assertIn("holds no finished backup", said)


class Others(BackupTestCase):
    def test_a_backup_of_another_engine(self):
        one, other = self.engine(), self.engine()
        self.receive(one, 10)
        self.receive(other, 10)
        lsn = self.back_up(one)["lsn"]
        self.assertIn("another data directory", self.back_up(other, code=2))
        self.assertEqual(self.journal("restore", self.backup, "--check", "--json")["lsn"], lsn)
        said = self.journal("backup", other.data, self.path("b2"), "--directory-id", "1234", code=2)
        self.assertIn("is not the data directory of that engine", said)

    def test_a_data_directory_is_no_backup(self):
        one, other = self.engine(), self.engine()
        other.stop()
        said = self.journal("backup", one.data, other.data, code=2)
        self.assertIn("is a data directory, not a backup", said)
        said = self.journal("restore", other.data, self.path("copy"), code=2)
        self.assertIn("holds no finished backup", said)
        said = self.journal("backup", self.folder, self.backup, code=2)
        self.assertIn("journal", said)

    def test_another_history_of_the_same_engine(self):
        """It was restored at an earlier LSN, and has gone another way since."""
        server = self.engine()
        early = self.receive(server, 100)
        self.receive(server, 200, first=100)
        lsn = self.back_up(server)["lsn"]
        copy, _ = self.restore("copy", "--to", early)
        other = self.engine(data=copy)
        said = self.back_up(other, code=2)
        self.assertIn("another history", said)
        self.receive(other, 400, first=1000)
        got = run_program("stockctl", "-s", other.tcp, "backup", self.backup)
        self.assertIn("another history", got.err)
        self.assertNotEqual(got.code, 0)
        self.assertEqual(self.journal("restore", self.backup, "--check", "--json")["lsn"], lsn)

    def test_another_history_within_the_segment_being_written(self):
        """What the old backup holds stays, byte by byte; no snapshot of the other gets into it."""
        server = self.engine("--segment-bytes", 8 * SEGMENT)
        lsns = [self.receive(server, 20, first=20 * number) for number in range(3)]
        lsn = self.back_up(server)["lsn"]
        for number, early in enumerate((lsns[0], lsns[1], lsns[2] - 1)):
            copy, _ = self.restore(f"copy-{number}", "--to", early)
            other = self.engine(data=copy)
            for count in (1, 200):  # 200: into further segments, of which a snapshot is made
                self.receive(other, count, first=1000 * count)
                said = self.back_up(other, code=2)
                self.assertIn("another history", said)
                self.assertIn(f"up to lsn {lsn}", said)
                run_program("stock-journal", "compact", other.data, timeout=120)
            self.assertTrue(glob.glob(os.path.join(other.data, "snapshot", "*.snap")))
            self.assertIn("another history", self.back_up(other, code=2))
            self.assertFalse(glob.glob(os.path.join(self.backup, "snapshot", "*.snap")))
        again, restored = self.restore("again")
        self.assertEqual(restored["lsn"], lsn)
        self.check_copy(again, 60, exactly=60)
        server.restart(kill=True)
        self.receive(server, 1, first=60)
        self.assertGreater(self.back_up(server)["lsn"], lsn)

    def test_segments_that_went_between_two_backups(self):
        server = self.engine()
        self.receive(server, 200)
        first = self.back_up(server)["lsn"]
        between = self.receive(server, 300, first=200)
        for number in range(3):
            self.receive(server, 100, first=500 + 100 * number)
            self.assertEqual(run_program("stock-journal", "compact", server.data).code, 0)
        made = self.back_up(server)
        self.assertTrue(made["gap"])
        self.assertGreater(made["snapshots"], 0)
        copy, _ = self.restore("end")
        self.check_copy(copy, 800, exactly=800)
        said = self.journal("restore", self.backup, self.path("between"), "--to", between, code=2)
        self.assertIn("does not hold that moment", said)
        self.assert_nothing_made("between")
        early = first // 2
        copy, restored = self.restore("early", "--to", early)
        self.assertLessEqual(restored["lsn"], early)
        self.check_copy(copy, 1)

    def test_where_no_backup_may_be(self):
        server = self.engine()
        self.receive(server, 3)
        os.mkdir(self.path("files"))
        os.mkdir(self.path("files/sub"))
        os.symlink(server.data, self.path("link"))
        for to, mentions in ((os.path.join(server.data, "sub"), "lies in the data directory"),
                             (os.path.join(server.data, "archive/"), "lies in the data directory"),
                             (self.path("link/sub"), "lies in the data directory"),
                             (server.data, "lies in the data directory"),
                             (self.path("files"), "holds other files")):
            with self.subTest(to=to):
                self.assertIn(mentions, self.journal("backup", server.data, to, code=2))
        self.assertEqual(os.listdir(self.path("files")), ["sub"])
        self.assertNotIn("sub", os.listdir(server.data))
        os.mkdir(self.path("disk"))
        os.mkdir(self.path("disk/lost+found"))  # a file system of its own
        self.journal("backup", server.data, self.path("disk"))
        os.mkdir(self.path("disk/notes"))  # a backup is one, whatever else lies there
        self.journal("backup", server.data, self.path("disk"))

    def test_usage(self):
        for args in (("backup",), ("backup", "a"), ("backup", "a", "b", "c"), ("restore", "a"),
                     ("restore", "a", "b", "--to"), ("restore", "a", "b", "--check"),
                     ("backup", "a", "b", "--to", "5"), ("backup", "a", "b", "--nonsense")):
            got = run_program("stock-journal", *args)
            self.assertEqual(got.code, 2, args)
            self.assertIn("usage: stock-journal", got.err)
        for command in ("backup", "restore"):
            self.assertIn("Example", self.journal(command, "--help"))


if __name__ == "__main__":
    main()
