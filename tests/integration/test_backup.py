# SPDX-License-Identifier: Apache-2.0
"""Backups of an engine that is running, under load and beside compactions; and careless copies of
its directory, which may be refused but must never be taken for what they are not.
"""

import os
import shutil
import time

from backup_case import SEGMENT, SKUS, BackupTestCase, Load
from stockd_harness import StartError, main, run_program


class Backup(BackupTestCase):
    def test_under_load(self):
        """Each backup adds to the one before, and holds what was acknowledged when it began."""
        for options in ((), ("--workers", "2", "--durability", "everysec")):
            with self.subTest(options=options):
                self.backup = self.path("backup" + "-".join(options))
                server, load, compactions = self.busy_engine(*options)
                for number in range(3):
                    acknowledged = load.acknowledged
                    made = self.back_up(server)
                    self.assertEqual(made["first"], number == 0)
                    copy, restored = self.restore(f"copy{'-'.join(options)}{number}")
                    self.assertEqual(restored["lsn"], made["lsn"])
                    self.check_copy(copy, acknowledged)
                    load.await_more(500)
                compactions.stop()
                load.stop()
                self.assertGreater(compactions.done, 0)

    def test_at_an_lsn(self):
        """What is restored is what the engine was at that LSN, and says that it was."""
        server = self.engine()
        load = Load(server)
        self.addCleanup(load.stop)
        for _ in range(3):
            load.await_more(400)
            self.back_up(server)
            run_program("stock-journal", "compact", server.data, "--archive", timeout=120)
        load.await_more(100)
        load.stop()
        end = self.back_up(server)["lsn"]
        self.assertGreaterEqual(end, load.lsns[-1])
        numbers = [0, len(load.lsns) - 1, *self.random.sample(range(len(load.lsns)), 4)]
        for number in numbers:
            lsn = load.lsns[number]
            copy, restored = self.restore(f"at-{number}", "--to", lsn)
            self.assertEqual(restored["lsn"], lsn)
            self.check_copy(copy, 0, exactly=number + 1)
            with server.client() as client:
                then = client.call("stock", f"S-{number % SKUS}", {"at_lsn": lsn})
            self.assertEqual(then["on_hand"], number // SKUS + 1)
        # Between two records it is the state after the first.
        lsn = load.lsns[numbers[2]] + 1
        copy, restored = self.restore("between", "--to", lsn)
        self.check_copy(copy, 0, exactly=numbers[2] + 1)
        server.stop()

    def test_at_the_end_of_a_snapshot(self):
        server = self.engine()
        self.receive(server, 200)
        self.assertEqual(run_program("stock-journal", "compact", server.data).code, 0)
        lsn = max(int(name[:20]) for name in os.listdir(os.path.join(server.data, "snapshot"))
                  if name.endswith(".snap"))
        self.back_up(server)
        copy, restored = self.restore("copy", "--to", lsn)
        self.assertEqual((restored["lsn"], restored["snapshot_lsn"]), (lsn, lsn))
        done = self.check_copy(copy, 1)
        with server.client() as client:
            self.assertEqual(client.call("stock", "S-0", {"at_lsn": lsn})["on_hand"],
                             (done + SKUS - 1) // SKUS)

    def test_at_a_time(self):
        server = self.engine()
        first = self.receive(server, 30)
        time.sleep(max(0, 1.05 - time.time() % 1))  # a time is given in seconds
        moment = int(time.time())
        time.sleep(1.05 - time.time() % 1)
        self.receive(server, 30, first=30)
        self.back_up(server)
        text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
        copy, restored = self.restore("copy", "--to", text)
        self.assertGreaterEqual(restored["lsn"], first)
        self.check_copy(copy, 30, exactly=30)
        with server.client() as client:
            self.assertEqual(client.call("stock", "S-5", {"at_ms": moment * 1000})["on_hand"], 1)
        for when, mentions in (("2020-01-01T00:00:00Z", "does not hold that moment"),
                               ("2999-01-01T00:00:00Z", "the backup ends earlier"),
                               (1 << 60, "the backup ends at lsn"),
                               ("2026-02-30T00:00:00Z", "neither an LSN nor a time"),
                               ("yesterday", "neither an LSN nor a time")):
            said = self.journal("restore", self.backup, self.path("never"), "--to", when, code=2)
            self.assertIn(mentions, said)
            self.assert_nothing_made("never")

    def test_only_what_is_new_is_copied(self):
        server = self.engine()
        self.receive(server, 300)
        first = self.back_up(server)
        again = self.back_up(server)
        self.assertEqual((first["lsn"], again["first"]), (again["lsn"], False))
        self.assertLess(again["bytes"], first["bytes"] // 4)  # the segment being written
        self.receive(server, 20, first=300)
        third = self.back_up(server)
        self.assertLess(third["bytes"], first["bytes"] // 2)
        copy, _ = self.restore("copy")
        self.check_copy(copy, 320, exactly=320)

    def test_a_restored_engine_goes_on(self):
        server = self.engine()
        self.receive(server, 100)
        self.back_up(server)
        copy, _ = self.restore("copy")
        restored = self.engine(data=copy)
        self.receive(restored, 100, first=100)
        restored.restart(kill=True)
        restored.stop()
        self.check_copy(copy, 200, exactly=200)
        self.assertEqual(run_program("stock-journal", "verify", copy).code, 0)

    def test_a_stopped_engine(self):
        server = self.engine()
        self.receive(server, 3)
        server.stop()
        self.journal("backup", server.data, self.backup)
        copy, _ = self.restore("copy")
        segments = os.path.join(copy, "journal")
        self.assertEqual({os.path.getsize(os.path.join(segments, name))
                          for name in os.listdir(segments) if name.endswith(".seg")}, {SEGMENT})
        self.check_copy(copy, 3, exactly=3)

    def test_an_engine_that_has_done_nothing(self):
        server = self.engine()
        made = self.back_up(server)
        copy, restored = self.restore("copy")
        self.assertEqual(restored["lsn"], made["lsn"])
        self.check_copy(copy, 0, exactly=0)

    def test_an_engine_that_is_not_there(self):
        got = run_program("stockctl", "-s", "unix:/nonexistent/s", "backup", self.backup)
        self.assertEqual(got.code, 3, got)
        self.assertFalse(os.path.exists(self.backup))

    # ---- copies without the procedure

    def careless_copy(self, data, copy):
        """All files in any order. False: some went meanwhile, and the copy is not complete."""
        files = [os.path.join(folder, name) for folder, _, names in os.walk(data) for name in names]
        self.random.shuffle(files)
        for path in files:
            to = os.path.join(copy, os.path.relpath(path, data))
            os.makedirs(os.path.dirname(to), exist_ok=True)
            try:
                shutil.copyfile(path, to)
            except FileNotFoundError:
                return False
        return True

    def test_a_careless_copy_is_whole_or_refused(self):
        server, load, compactions = self.busy_engine()
        started = refused = incomplete = 0
        for number in range(6):
            copy = self.path(f"careless-{number}")
            acknowledged = load.acknowledged
            if not self.careless_copy(server.data, copy):
                incomplete += 1  # and so would cp have said
                continue
            try:
                self.check_copy(copy, acknowledged)
                started += 1
            except StartError as error:
                self.assertEqual(error.code, 2, error)
                refused += 1
            load.await_more(200)
        compactions.stop()
        load.stop()
        print(f"{started} started, {refused} refused, {incomplete} incomplete", end=" ")


if __name__ == "__main__":
    main()
