# SPDX-License-Identifier: Apache-2.0
"""Disks that fail, and clocks that jump: what was acknowledged stays, what failed is final.

EIO on demand (nbdkit), a sync that fails once and then lies (a sparse image on a full tmpfs), the
engine killed at each system call that changes a directory or syncs (strace), the last segment cut off
by somebody, several engines on one directory at once, and clocks that jump (libfaketime, a time
namespace).
"""

import errno
import glob
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "integration"))

from crash_disk import Disk, in_own_world, mount, scratch, unmount  # noqa: E402
from stockd_harness import (  # noqa: E402
    BIN_DIR,
    ConnectionClosed,
    RpcError,
    Server,
    StartError,
    main,
    reap,
    run_program,
    spawn,
    unique,
    wait_until,
)

LOAD = os.path.join(os.path.dirname(BIN_DIR), "tests", "crash", "crash_load")
FAKETIME = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
HOUR, DAY = 3600, 24 * 3600
BLOCK = 4096


class CrashTestCase(unittest.TestCase):
    """Engines on directories of the test's own, and a client that knows what was acknowledged."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="stockd-fault-", dir=scratch())
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.lives = 0

    def needs(self, *programs):
        for program in programs:
            if not shutil.which(program):
                self.skipTest(f"{program} is not installed")

    def engine(self, data, *options, **kwargs):
        server = Server("--reservations", 1 << 18, "--remember-s", 1, *options, data=data, start=False, **kwargs)
        self.addCleanup(server.close, check=False)
        if not os.path.exists(data):
            os.mkdir(data)
        return server

    def begin_load(self, server, window=8):
        self.lives += 1
        self.file = os.path.join(self.folder, f"life-{self.lives}")
        argv = [LOAD, "load", server.unix, self.file, 77, self.lives, 3, window]
        return spawn([str(arg) for arg in argv], stderr=subprocess.PIPE, text=True)

    def end_load(self, load):
        """It ends by itself when the engine is gone, or takes nothing any more."""
        _, err = load.communicate(timeout=60)
        reap(load, 1)
        self.assertEqual(load.returncode, 0, err)

    def verify(self, server, may_lose=False):
        """The state is that after a prefix of what was asked. How many were acknowledged, and lost."""
        done = subprocess.run([LOAD, "verify", server.unix, self.file], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        acknowledged, lost = (int(word) for word in done.stdout.split()[:2])
        if not may_lose:
            self.assertEqual(lost, 0, f"of {acknowledged} acknowledged changes")
        with server.client("unix") as client:
            report = client.call("check")
        self.assertEqual((report["broken"], report["moving"]), (0, 0), report)
        return acknowledged, lost

    def assert_read_only(self, server, sku=None):
        """Changes are refused, questions are answered."""
        with server.client("unix") as client:
            with self.assertRaises(RpcError) as refused:
                client.call("receive", unique("late"), "LATE", "main", 1)
            self.assertEqual(refused.exception.code, "read_only")
            self.assertGreaterEqual(client.call("stock", sku or f"S{self.lives}-0-0")["on_hand"], 0)
            journal = client.call("info", "journal")["journal"]
            self.assertTrue(journal["failed"])
            self.assertTrue(journal["failure"])
            return journal["failure"]


class BadDisk(CrashTestCase):
    def flaky_disk(self):
        """An ext4 whose writes fail as long as self.flag is there."""
        self.needs("nbdkit", "nbdfuse")
        if not os.path.exists("/dev/fuse"):
            self.skipTest("no FUSE here")
        self.flag = os.path.join(self.folder, "fail")
        image = os.path.join(self.folder, "nbd")
        open(image, "wb").close()
        fuse = spawn(
            ["nbdfuse", image, "--command", "nbdkit", "-s", "--exit-with-parent", "--filter=error", "memory", "256M",
             "error-pwrite=EIO", "error-pwrite-rate=100%", f"error-pwrite-file={self.flag}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        self.addCleanup(self.end_fuse, fuse, image)
        wait_until(lambda: os.path.getsize(image) > 0 or fuse.poll() is not None, what="nbdfuse")
        if fuse.poll() is not None:
            self.skipTest("nbdfuse does not run here")
        return Disk("ext4", image=image)

    @staticmethod
    def end_fuse(fuse, image):
        try:
            unmount(image)
        except OSError:
            pass
        fuse.terminate()
        reap(fuse, 10)

    def test_a_write_fails(self):
        for durability in ("always", "everysec"):
            with self.subTest(durability=durability), self.flaky_disk() as disk:
                server = self.engine(os.path.join(disk.path, "data"), "--durability", durability, "--segment-bytes", 1 << 20)
                try:
                    self.fail_a_write(server, disk, durability)
                finally:
                    server.close(check=False)

    def fail_a_write(self, server, disk, durability):
        server.start()
        load = self.begin_load(server)
        time.sleep(0.2)
        open(self.flag, "wb").close()
        self.end_load(load)
        why = self.assert_read_only(server)
        os.unlink(self.flag)  # the disk is well again: what failed is final all the same
        time.sleep(0.05)
        self.assert_read_only(server)
        # The file system may have met the bad disk before, and given up by itself.
        self.assertRegex(why, "Input/output error|Read-only file system")
        self.assertEqual(server.stop(expect=None), 1)
        self.assertIn(why, server.stderr())
        disk.power_on()
        server.start()
        self.verify(server, may_lose=durability != "always")
        server.stop()

    def small_room(self):
        """A disk on a tmpfs that can be filled beneath it: its blocks of zeroes have no place yet."""
        room = os.path.join(self.folder, "room")
        os.mkdir(room)
        mount("stockd-room", room, "tmpfs", "size=300m")
        self.addCleanup(unmount, room)
        self.image, self.filler = os.path.join(room, "image"), os.path.join(room, "filler")
        with open(self.image, "wb") as file:
            file.truncate(260 << 20)
        return Disk("ext4", image=self.image)

    def fill_room(self, pages):
        """Leaves place for that many pages."""
        os.sync()
        before = os.stat(self.image).st_blocks
        subprocess.run(["fallocate", "--dig-holes", self.image], check=True)
        self.assertLess(os.stat(self.image).st_blocks, before - (32 << 11), "no holes where zeroes were")
        with open(self.filler, "wb") as file:
            for _ in range(100):  # the disk's own writes may take a page meanwhile
                free = os.statvfs(os.path.dirname(self.filler))
                if free.f_bavail <= pages:
                    return
                size = os.fstat(file.fileno()).st_size + (free.f_bavail - pages) * free.f_frsize
                try:
                    os.posix_fallocate(file.fileno(), 0, size)
                except OSError as error:
                    self.assertEqual(error.errno, errno.ENOSPC)

    def until_it_fails(self, server):
        """Changes until a sync tells that something is wrong; how many were acknowledged."""
        acknowledged = 0
        with server.client("unix") as client:
            while True:
                try:
                    client.call("receive", unique("late"), "LATE", "main", 1)
                    acknowledged += 1
                except RpcError as refused:
                    self.assertEqual(refused.code, "read_only")
                    return acknowledged
                time.sleep(0.004)

    def play_full_room(self, pages):
        with self.small_room() as disk:
            data = os.path.join(disk.path, "data")
            server = self.engine(data, "--durability", "everysec", "--segment-bytes", 64 << 20)
            try:
                server.start()
                with server.client("unix") as client:
                    client.call("receive", unique("first"), "EARLY", "main", 5)
                    wait_until(lambda: self.synced(client), what="the first sync")
                self.fill_room(pages)
                acknowledged = self.until_it_fails(server)
                why = self.assert_read_only(server, "EARLY")
                self.assertIn("cannot sync", why)
                os.unlink(self.filler)
                time.sleep(1.2)  # more than a sync's interval: one that is tried again would say that all is well
                self.assertEqual(self.assert_read_only(server, "EARLY"), why)
                self.assertEqual(server.stop(expect=None), 1)
                disk.power_on()
                self.restart_after_lies(server, acknowledged, pages)
            finally:
                server.close(check=False)

    @staticmethod
    def synced(client):
        journal = client.call("info", "journal")["journal"]
        return journal["durable_lsn"] == journal["written_lsn"]

    def restart_after_lies(self, server, acknowledged, pages):
        try:
            server.start()
        except StartError as refused:
            # the kernel had said that it was on disk, and it was not: that is no torn tail
            self.assertGreater(pages, 0)
            self.assertEqual(refused.code, 2)
            self.assertRegex(
                refused.err,
                r"offset [0-9]+: batch [0-9]+ is missing, but batch [0-9]+ .* says it was on disk",
            )
            print("a sync lied, and the start refuses;", end=" ")
            return
        with server.client("unix") as client:
            self.assertEqual(client.call("stock", "EARLY")["on_hand"], 5)
            late = client.call("availability", "default", ["LATE"])["stock"][0] or 0
            self.assertEqual(client.call("check")["broken"], 0)
        self.assertLessEqual(late, acknowledged)
        print(f"{acknowledged} acknowledged since the last sync, {late} left;", end=" ")
        server.stop()

    def test_a_sync_fails_once_and_then_lies(self):
        """The kernel tells once of pages that it could not write, and forgets them."""
        self.play_full_room(pages=0)

    def test_a_sync_that_lies(self):
        """A loop device on a disk that takes a part of a write says that it took all of it."""
        self.play_full_room(pages=16)


class Compaction(CrashTestCase):
    """What a compaction leaves when it is killed, or has no room, is what the next start can use."""

    def setUp(self):
        super().setUp()
        if "stock-journal compact" not in run_program("stock-journal", "compact", "--help").out:
            self.skipTest("this stock-journal does not compact")

    def fill(self, server, seconds=0.05):
        """A life of some segments; stopped in order, and each one before it is still there."""
        server.start()
        if self.lives:
            self.verify(server)
        load = self.begin_load(server, window=4)
        time.sleep(seconds)
        server.stop()
        self.end_load(load)

    def test_killed_at_each_call(self):
        self.needs("strace")
        if not strace_works():
            self.skipTest("strace may not trace here")
        server = self.engine(os.path.join(self.folder, "data"), "--segment-bytes", 65536)
        compact = [os.path.join(BIN_DIR, "stock-journal"), "compact", server.data, "--archive"]
        killed = 0
        for calls in ("openat", "write,pwrite64", "fsync,fdatasync", "rename,renameat,renameat2", "unlink,unlinkat",
                      "mkdir,mkdirat", "getdents64", "flock,fcntl"):
            for nth in (1, 3):
                with self.subTest(calls=calls, nth=nth):
                    self.fill(server)
                    inject = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}",
                              "-e", f"inject={calls}:signal=KILL:when={nth}"]
                    done = subprocess.run(inject + compact, capture_output=True, text=True, timeout=60)
                    killed += done.returncode in (-9, 137)
                    self.assertIn(done.returncode, (0, -9, 137), done.stderr)
        print(f"killed {killed} times of 16;", end=" ")
        self.assertGreater(killed, 7)
        self.assertEqual(subprocess.run(compact, capture_output=True, timeout=60).returncode, 0)
        server.start()
        self.verify(server)
        server.stop()

    def test_no_room_for_a_snapshot(self):
        room = os.path.join(self.folder, "room")
        os.mkdir(room)
        mount("stockd-room", room, "tmpfs", "size=256m")
        self.addCleanup(unmount, room)
        filler = os.path.join(room, "filler")
        server = self.engine(os.path.join(room, "data"), "--segment-bytes", 65536)
        try:
            self.fill(server, 0.2)
            server.start()
            for pages in (0, 1, 4, 16, 64):
                with open(filler, "wb") as file:
                    free = os.statvfs(room)
                    os.posix_fallocate(file.fileno(), 0, (free.f_bavail - pages) * free.f_frsize)
                full = run_program("stock-journal", "compact", server.data)
                os.unlink(filler)
                self.assertIn(full.code, (0, 2), full.err)
                if full.code == 2:
                    self.assertIn("No space left on device", full.err)
                if pages == 0:
                    self.assertEqual(full.code, 2, "there was room for nothing")
            self.assertEqual(run_program("stock-journal", "compact", server.data).code, 0)
            with server.client("unix") as client:
                client.call("receive", unique("after"), "AFTER", "main", 1)
            server.restart(kill=True)
            self.verify(server)
            server.stop()
        finally:
            server.close(check=False)


def strace_works():
    probe = ["strace", "-o", "/dev/null", "-e", "inject=close:signal=KILL:when=9999", "true"]
    return subprocess.run(probe, capture_output=True).returncode == 0


class KilledAt(CrashTestCase):
    """kill -9 as the nth call of a kind begins: its work is not done, that of the one before is."""

    CALLS = ("openat", "mkdir,mkdirat", "fallocate", "ftruncate", "fsync", "fdatasync",
             "rename,renameat,renameat2", "unlink,unlinkat", "pwrite64,pwritev", "close", "flock")

    def run_until_killed(self, server, calls, nth):
        server.prefix = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}",
                         "-e", f"inject={calls}:signal=KILL:when={nth}"]
        load = None
        try:
            server.start()
            load = self.begin_load(server)
            try:
                server.process.wait(0.25)
            except subprocess.TimeoutExpired:
                pass
        except StartError as ended:
            self.assertIn(ended.code, (-9, 137), ended)
        killed = server.process.poll() is not None
        if not killed:
            server.process.kill()
        reap(server.process, 20)
        server.prefix = []
        if load:
            self.end_load(load)
        server.start()
        if load:
            self.verify(server)
        server.stop()
        return killed

    def test_each_call(self):
        self.needs("strace")
        if not strace_works():
            self.skipTest("strace may not trace here")
        killed = 0
        for calls in self.CALLS:
            data = os.path.join(self.folder, unique("data"))
            server = self.engine(data, "--segment-bytes", 65536)
            for nth in (1, 2, 5):
                with self.subTest(calls=calls, nth=nth):
                    killed += self.run_until_killed(server, calls, nth)
            server.close()
        print(f"killed {killed} times of {3 * len(self.CALLS)};", end=" ")
        self.assertGreater(killed, len(self.CALLS))


class CutOff(CrashTestCase):
    """Somebody shortens the segment that was written last: nothing goes in silence."""

    @staticmethod
    def last_written(data):
        """Its path, and where nothing but zeroes begins in it."""
        for path in sorted(glob.glob(os.path.join(data, "journal", "*.seg")), reverse=True):
            with open(path, "rb") as file:
                written = len(file.read().rstrip(b"\0"))
            if written > BLOCK:
                return path, written
        raise AssertionError("nothing was written")

    def cut(self, data, clean, rng):
        """True if the start was refused; else all that was acknowledged is there."""
        copy = os.path.join(self.folder, unique("copy"))
        shutil.copytree(data, copy)
        path, written = self.last_written(copy)
        length = rng.randrange(rng.choice((os.path.getsize(path), written + BLOCK)))
        os.truncate(path, length)
        server = self.engine(copy, "--segment-bytes", 65536)
        try:
            server.start()
        except StartError as refused:
            self.assertRegex(refused.err, r"\d{10}\.seg: offset \d+: ")
            return True
        self.assertFalse(clean and length < written, f"{length} of {written} bytes are left")
        self.verify(server)
        server.stop()
        return False

    def test_at_a_length_of_chance(self):
        seed = random.randrange(1 << 32)
        rng, refused = random.Random(seed), 0
        for clean in (True, False):
            server = self.engine(os.path.join(self.folder, f"data-{clean}"), "--segment-bytes", 65536)
            server.start()
            load = self.begin_load(server)
            time.sleep(0.1)
            if clean:
                server.stop()
            else:
                server.kill()
            self.end_load(load)
            for turn in range(8):
                with self.subTest(seed=seed, clean=clean, turn=turn):
                    refused += self.cut(server.data, clean, rng)
        print(f"seed {seed}, refused {refused} times of 16;", end=" ")


class Several(CrashTestCase):
    def test_engines_on_one_directory_at_once(self):
        """By its name, through a symbolic link, and under another mount: one runs, the others say so."""
        data, link, other = (os.path.join(self.folder, name) for name in ("data", "link", "other"))
        os.mkdir(data)
        os.mkdir(other)
        os.symlink(data, link)
        subprocess.run(["mount", "--bind", data, other], check=True)
        self.addCleanup(unmount, other)
        for _ in range(3):
            servers = [self.engine(path) for path in (data, link, other, data + "/.", other)]
            outcome = {}

            def start(server, outcome=outcome):
                try:
                    outcome[server] = server.start()
                except StartError as refused:
                    outcome[server] = refused

            threads = [threading.Thread(target=start, args=(server,)) for server in servers]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            running = [server for server in servers if outcome[server] is server]
            self.assertEqual(len(running), 1)
            for server in servers:
                if server not in running:
                    self.assertEqual(outcome[server].code, 2, outcome[server])
                    self.assertIn("is in use", outcome[server].err)  # its pid is there once it has a journal
            load = self.begin_load(running[0])
            for _ in range(5):
                with self.assertRaises(StartError):
                    self.engine(other).start()
            running[0].kill()
            self.end_load(load)
            heir = self.engine(link)
            heir.start()
            self.verify(heir)
            heir.stop()


class Clocks(CrashTestCase):
    """The wall clock is read once, at the start; never may time in the journal go back."""

    def faked(self, data):
        if not FAKETIME:
            self.skipTest("libfaketime is not installed")
        self.clock = os.path.join(self.folder, "clock")
        self.set_clock(0)
        self.addCleanup(self.clear_shared, set(self.shared()))
        return self.engine(data, env={
            "LD_PRELOAD": FAKETIME[0], "FAKETIME_TIMESTAMP_FILE": self.clock, "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"})

    @staticmethod
    def shared():
        """What libfaketime keeps in shared memory, and leaves there when its process is killed."""
        return glob.glob("/dev/shm/*faketime_s*m_*")

    def clear_shared(self, before):
        for path in set(self.shared()) - before:
            if not os.path.exists("/proc/" + path.rpartition("_")[2]):
                os.unlink(path)

    def set_clock(self, seconds):
        with open(self.clock + ".new", "w", encoding="ascii") as file:
            file.write(f"{seconds:+d}")
        os.rename(self.clock + ".new", self.clock)

    def hold(self, client, ident, seconds):
        client.call("reserve", ident, "default", [["CLOCK", 1]], {"ttl_ms": seconds * 1000})

    def state(self, client, ident):
        return client.call("reservation", ident)["state"]

    def test_it_jumps_while_the_engine_runs(self):
        server = self.faked(os.path.join(self.folder, "data"))
        server.start()
        with server.client("unix") as client:
            client.call("receive", "r", "CLOCK", "main", 10)
            self.hold(client, "long", 600)
            for jump in (HOUR, -HOUR, DAY, -DAY):
                self.set_clock(jump)
                time.sleep(0.05)
                self.assertEqual(self.state(client, "long"), "held")
                self.hold(client, f"short{jump}", 1)
            begun = time.monotonic()
            wait_until(lambda: self.state(client, f"short{-DAY}") == "expired", what="a hold to expire")
            self.assertLess(time.monotonic() - begun, 60)
        server.kill()
        server.start()
        with server.client("unix") as client:
            self.assertEqual(self.state(client, "long"), "held")
        server.stop()

    def test_it_jumps_between_two_starts(self):
        server = self.faked(os.path.join(self.folder, "data"))
        server.start()
        with server.client("unix") as client:
            client.call("receive", "r", "CLOCK", "main", 10)
            self.hold(client, "long", 600)
        last = 0
        for jump, expected in ((0, "held"), (-DAY, "held"), (-2 * DAY, "held"), (300, "held"), (DAY, "expired"), (0, "expired")):
            with self.subTest(jump=jump):
                server.restart(kill=jump % (2 * DAY) == 0) if jump == 0 else (server.kill(), self.set_clock(jump), server.start())
                with server.client("unix") as client:
                    wait_until(lambda: self.state(client, "long") == expected, what=expected)
                    client.call("receive", unique("r"), "CLOCK", "main", 1)
                    started = client.call("info", "server")["server"]["started_ms"]
                self.assertGreaterEqual(started, last, "engine time went back")
                last = started
        server.stop()
        server.start()
        with server.client("unix") as client:
            self.assertEqual(client.call("check")["broken"], 0)
        server.stop()

    def test_another_monotonic_clock(self):
        """After a reboot it begins anew; a hold is as long as it was."""
        probe = subprocess.run(["unshare", "--time", "--monotonic", str(DAY), "true"], capture_output=True)
        if probe.returncode != 0:
            self.skipTest("no time namespaces")
        server = self.engine(os.path.join(self.folder, "data"))
        server.start()
        with server.client("unix") as client:
            client.call("receive", "r", "CLOCK", "main", 10)
            self.hold(client, "long", 600)
            expires = client.call("reservation", "long")["expires_ms"]
        for offset in (DAY, 400 * DAY, 0):
            server.kill()
            server.prefix = ["unshare", "--time", "--monotonic", str(offset)] if offset else []
            server.start()
            with server.client("unix") as client:
                self.assertEqual(self.state(client, "long"), "held")
                again = client.call("reservation", "long")["expires_ms"]
                self.assertLess(abs(again - expires), 60000)
                self.hold(client, f"short{offset}", 1)
                wait_until(lambda: self.state(client, f"short{offset}") == "expired", what="a hold to expire")
        server.prefix = []
        server.stop()


if __name__ == "__main__":
    in_own_world("mkfs.ext4")
    main()
