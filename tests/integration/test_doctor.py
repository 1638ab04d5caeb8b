#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""stockctl doctor: on a set-up that is well, and on ones that are not, each for one reason."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

import msgpack

from stockctl_case import DONE, REFUSED, USAGE, StockctlTestCase
from stockd_harness import SANITIZED, Server, main, run_program
from token_case import EXPIRED, turn_back

CHECKS = {"engine", "changes", "kernel", "io_uring", "open files", "locked memory", "overcommit",
          "huge pages", "data directory", "file system", "free disk", "disk sync", "journal", "snapshot", "clock"}
STRACE = shutil.which("strace")
SECRET = "st_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJK"


class FakeEngine:
    """Answers every request with the same map: what a real engine says rarely, and not when asked to."""

    def __init__(self, info):
        self.info = info
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                unpacker = msgpack.Unpacker()
                while received := connection.recv(65536):
                    unpacker.feed(received)
                    for message in unpacker:
                        connection.sendall(msgpack.packb([1, message[1], None, self.info]))

    def close(self):
        self.listener.close()


IN_MEMORY = subprocess.run(["stat", "-f", "-c", "%T", tempfile.gettempdir()], capture_output=True, text=True,
                           check=False).stdout.strip() in ("tmpfs", "ramfs")


@unittest.skipIf(IN_MEMORY, "temporary files are in memory, which doctor says is no place for stock")
class Doctor(StockctlTestCase):
    def setUp(self):
        super().setUp()
        self.folder = tempfile.mkdtemp(prefix="stockd-doctor-")
        self.addCleanup(shutil.rmtree, self.folder)

    def doctor(self, *args, expect=DONE, **kwargs):
        """{check: (state, found, advice)} of all that it says; with --json."""
        result = self.json("doctor", *args, expect=expect, **kwargs)
        states = [each["state"] for each in result["checks"]]
        self.assertEqual(result["bad"], states.count("bad"))
        self.assertEqual(result["warnings"], states.count("warning"))
        self.assertEqual(result["healthy"], expect == DONE)
        for each in result["checks"]:
            self.assertEqual(bool(each["advice"]), each["state"] in ("bad", "warning"), each)
        return {each["check"]: (each["state"], each["found"], each["advice"]) for each in result["checks"]}

    def offline(self, *args, **kwargs):
        return self.doctor("--offline", *args, **kwargs)

    def data(self, mode=0o700):
        path = os.path.join(self.folder, f"data-{mode:o}")
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
        return path

    # ---- a set-up that is well

    def test_well(self):
        """All is looked at, the engine's directory is found, and nothing is left there."""
        os.chmod(self.server.data, 0o700)
        before = sorted(os.listdir(self.server.data))
        found = self.doctor()
        self.assertEqual(sorted(os.listdir(self.server.data)), before)
        self.assertLessEqual(CHECKS, set(found))
        for check in ("engine", "changes", "kernel", "io_uring", "data directory", "disk sync"):
            state, text, _ = found[check]
            self.assertIn(state, ("ok", "warning") if check == "disk sync" else ("ok",), (check, text))
        self.assertIn(os.path.realpath(self.server.data), os.path.realpath(found["data directory"][1].split(" of ")[0]))
        self.assertIn("of the running engine", found["open files"][1])
        self.assertRegex(found["disk sync"][1], r"p50 \d+\.\d\d ms, max \d+\.\d\d ms")
        self.assertIn("each request that stockd makes is done", found["io_uring"][1])

    def test_table(self):
        """For people: a row for each check, then what to do, never cut."""
        text = self.ctl("doctor", "--offline", "--data", self.data(0o705))
        self.assertRegex(text, r"(?m)^STATE +CHECK +FOUND$")
        self.assertRegex(text, r"(?m)^warning +data directory +\S+data-705: other users may enter it \(mode 0705\)$")
        self.assertRegex(text, r"(?m)^    chmod 0700 \S+data-705$")
        self.assertRegex(text, r"(?m)^0 to mend, \d+ warnings?$")

    # ---- the data directory

    def test_mode(self):
        path = self.data(0o770)
        state, found, advice = self.offline("--data", path, expect=REFUSED)["data directory"]
        self.assertEqual((state, advice), ("bad", f"chmod 0700 {path}"))
        self.assertIn("may write to it", found)
        subprocess.run(advice.split(), check=True)
        self.assertEqual(self.offline("--data", path)["data directory"][0], "ok")

    @unittest.skipUnless(os.geteuid() == 0, "only root has files of several users")
    def test_owner(self):
        """Restored by root, for an engine that runs as another user."""
        path = self.data()
        code = ("import ctypes, os, time\nctypes.CDLL(None).prctl(15, b'stockd', 0, 0, 0)\n"
                "os.setuid(65534)\nprint(flush=True)\ntime.sleep(1000)\n")
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as engine:
            try:
                engine.stdout.readline()
                with open(os.path.join(path, "lock"), "w", encoding="ascii") as file:
                    file.write(f"{engine.pid}\n")
                state, found, advice = self.offline("--data", path, expect=REFUSED)["data directory"]
            finally:
                engine.kill()
        self.assertEqual((state, advice), ("bad", f"chown -R nobody: {path}"))
        self.assertIn("belongs to root, and the engine runs as nobody", found)

    def test_missing(self):
        for path in (self.folder + "/none", __file__):
            found = self.offline("--data", path, expect=REFUSED)
            self.assertEqual(found["data directory"][0], "bad")
            self.assertNotIn("disk sync", found)
        self.assertEqual(self.offline()["data directory"][0], "skipped")

    @unittest.skipUnless(os.path.ismount("/dev/shm"), "there is no tmpfs")
    def test_in_memory(self):
        with tempfile.TemporaryDirectory(dir="/dev/shm") as path:
            state, found, _ = self.offline("--data", path, expect=REFUSED)["file system"]
            self.assertEqual(state, "bad")
            self.assertIn("in memory", found)

    def under(self, *injections, expect):
        """As --offline, with faults that strace makes."""
        path = self.data()
        prefix = [STRACE, "-f", "-o", "/dev/null"]
        for injection in injections:
            prefix += ["-e", f"inject={injection}"]
        try:
            return self.offline("--data", path, prefix=prefix, expect=expect)
        finally:
            self.assertEqual(os.listdir(path), [])

    @unittest.skipUnless(STRACE and not SANITIZED, "needs strace, and no sanitizer")
    def test_disk(self):
        state, found, advice = self.under("fdatasync:delay_enter=30000", expect=DONE)["disk sync"]
        self.assertEqual(state, "warning")
        self.assertIn("each change waits that long", found)
        self.assertIn("everysec", advice)
        state, found, _ = self.under("fdatasync:error=EIO:when=2", expect=REFUSED)["disk sync"]
        self.assertEqual(state, "bad")
        self.assertIn("Input/output error", found)

    # ---- the machine

    @unittest.skipUnless(STRACE and not SANITIZED, "needs strace, and no sanitizer")
    def test_rings(self):
        """A container that forbids io_uring."""
        state, found, advice = self.under("io_uring_setup:error=EPERM", expect=REFUSED)["io_uring"]
        self.assertEqual(state, "bad")
        self.assertIn("0 of", found)
        self.assertIn("seccomp profile", advice)

    def test_open_files(self):
        done = self.json("doctor", "--offline", prefix=["prlimit", "--nofile=512:512"])
        state, found = next((each["state"], each["found"]) for each in done["checks"] if each["check"] == "open files")
        self.assertEqual(state, "warning")
        self.assertIn("512 at most", found)

    # ---- tokens and certificates

    def tokens(self, *lines, mode=0o600):
        path = os.path.join(self.folder, "tokens")
        with open(path, "w", encoding="ascii") as file:
            file.write("".join(line + "\n" for line in lines))
        os.chmod(path, mode)
        return path

    def test_tokens(self):
        path = self.tokens()
        for args in (("shop",), ("old", *EXPIRED)):
            done = run_program("stockctl", "token", "add", *args, "--tokens", path)
            self.assertEqual(done.code, DONE, done.err)
        turn_back(path)
        state, found, _ = self.offline("--tokens", path)["tokens"]
        self.assertEqual((state, found), ("warning", f"2 in {path}, 1 expired"))
        run_program("stockctl", "token", "revoke", "old", "--tokens", path)
        self.assertEqual(self.offline("--tokens", path)["tokens"][0], "ok")
        os.chmod(path, 0o644)
        state, found, _ = self.offline("--tokens", path, expect=REFUSED)["tokens"]
        self.assertEqual(state, "bad")
        self.assertIn("other users may read it (mode 0644)", found)

    def test_tokens_are_not_told(self):
        path = self.tokens("# a comment", f"shop {SECRET} can=everything")
        state, found, _ = self.offline("--tokens", path, expect=REFUSED)["tokens"]
        self.assertEqual(state, "bad")
        self.assertIn("line 2", found)
        self.assertNotIn(SECRET, found)

    @unittest.skipUnless(shutil.which("openssl"), "there is no openssl program")
    def test_certificate(self):
        cert, key = (os.path.join(self.folder, name) for name in ("cert.pem", "cert.key"))

        def make(days):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                            "-nodes", "-subj", "/CN=localhost", "-keyout", key, "-out", cert,
                            "-days", str(days)], check=True, capture_output=True)
            os.chmod(key, 0o600)

        make(400)
        self.assertEqual(self.offline("--tls-cert", cert)["certificate"][0], "ok")
        make(5)
        state, found, advice = self.offline("--tls-cert", cert)["certificate"]
        self.assertEqual(state, "warning")
        self.assertRegex(found, r"valid for [45] more days")
        self.assertIn("reload", advice)
        with Server("--listen", "tls://127.0.0.1:0", "--tls-cert", cert, "--tls-key", key) as server:
            done = run_program("stockctl", "-s", server.tls, "--cacert", cert, "doctor", "--offline")
            self.assertEqual(done.code, DONE, done.out + done.err)
            self.assertRegex(done.out, rf"warning +certificate +{server.tls}: valid for [45] more days")
        config = self.file(f"tls-cert = {cert}\ntls-key = {key}\ntokens = {self.tokens()}\n", "stockd.conf")
        os.chmod(key, 0o644)
        found = self.offline("--config", config, expect=REFUSED)
        self.assertEqual(found["TLS key"][0], "bad")
        self.assertEqual(found["tokens"][0], "ok")

    def test_bad_config(self):
        for config in (self.folder + "/none", self.file("no equals sign here\n", "bad.conf")):
            self.ctl("doctor", "--offline", "--config", config, expect=USAGE)
        config = self.file(f"# a comment\ntokens = {'x' * 200}\n", "long.conf")
        self.ctl("doctor", "--offline", "--config", config, expect=USAGE)
        self.assertIn("line 2: it has 209 bytes", self.err)
        config = self.file("#".ljust(199, "x") + f"tokens = {self.folder}/none\n", "comment.conf")
        self.assertNotIn("tokens", self.offline("--config", config))

    # ---- the engine

    def test_engine_away(self):
        with socket.create_server(("127.0.0.1", 0)) as unused:
            address = "127.0.0.1:%d" % unused.getsockname()[1]
        done = run_program("stockctl", "-s", address, "doctor")
        self.assertEqual(done.code, REFUSED)
        self.assertRegex(done.out, r"(?m)^bad +engine +" + address)
        self.assertEqual(done.err, "")

    def test_engine_ill(self):
        """What a real one says when it is another version, read-only, nearly full, and behind Redis."""
        engine = FakeEngine({
            "lsn": 5, "server": {"version": "9.9.9", "workers": 2},
            "ledger": {"items": 90, "items_max": 100, "pools": 10, "pools_max": 10, "live": 1, "reservations_max": 9},
            "journal": {"failed": True, "failure": "No space left on device", "log_tail": 9, "durable_lsn": 5,
                        "durability": "none", "directory": "/nowhere"},
            "snapshot": {"failures": 2, "compactions": 1},
            "mirror": {"state": "live", "lag_ms": 60000, "error": "slow"}, "check": {"broken": 3}})
        self.addCleanup(engine.close)
        done = run_program("stockctl", "-s", engine.address, "--json", "doctor")
        self.assertEqual(done.code, REFUSED, done.err)
        for word in ("9.9.9", "none is taken: No space left on device", "2 failed, 1 succeeded", "items is 90 % full",
                     "pools is full (10)", "live, 60000 ms behind: slow", "3 broken"):
            self.assertIn(word, done.out)
        self.assertNotIn("reservations", done.out)

    def test_engine_keeps_silent(self):
        """One that has tokens, for somebody who has none."""
        path = self.tokens()
        run_program("stockctl", "token", "add", "shop", "--tokens", path)
        with Server("--tokens", path) as server:
            os.chmod(server.data, 0o700)
            done = run_program("stockctl", "-s", server.tcp, "doctor", "--data", server.data)
            self.assertEqual(done.code, DONE, done.out)
            self.assertRegex(done.out, r"(?m)^warning +engine +it answers at .*unauthorized")
            self.assertIn("--token-file", done.out)


if __name__ == "__main__":
    main()
