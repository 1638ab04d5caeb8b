# SPDX-License-Identifier: Apache-2.0
"""stockd as a program: options, configuration file, ready file, signals, and what it says when it
cannot start.
"""

import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import time

from stockd_harness import (
    CALL_TIMEOUT,
    SANITIZED,
    SLOW,
    STOCKD,
    Client,
    FolderTestCase,
    Server,
    main,
    run_program,
    spawn,
    reap,
    unique,
    wait_until,
)


class Program(FolderTestCase):
    def setUp(self):
        super().setUp()
        self.data = os.path.join(self.folder, "data")
        os.mkdir(self.data)


class Options(Program):
    def test_bad_options(self):
        good = ("--data", self.data, "--listen", "127.0.0.1:0")
        for bad, *mentions in (
            (("--nonsense",), "nonsense"),
            (("--nonsense", "5"), "nonsense"),
            (("-Z",), "Z"),
            (("stray",), "stray"),
            (("--workers", "0"), "workers"),
            (("--workers", "-1"), "workers"),
            (("--workers", "many"), "workers", "many"),
            (("--workers", "2x"), "workers"),
            (("--workers", "1000000"), "workers"),
            (("--workers", ""), "workers"),
            (("--workers",), "workers"),
            (("--durability", "sometimes"), "durability", "sometimes"),
            (("--durability", ""), "durability"),
            (("--listen", "nonsense"), "nonsense"),
            (("--listen", "127.0.0.1"), "127.0.0.1"),
            (("--listen", "127.0.0.1:"), "127.0.0.1:"),
            (("--listen", "127.0.0.1:port"), "port"),
            (("--listen", "127.0.0.1:65536"), "65536"),
            (("--listen", "127.0.0.1:-1"), "-1"),
            (("--listen", "unix:"), "unix:"),
            (("--listen", "unix:" + "x" * 200), "x" * 60),
            (("--listen", "unix:/nonexistent/deep/sock"), "/nonexistent/deep/sock"),
            (("--listen", "256.1.1.1:0"), "256.1.1.1"),
            (("--listen", "192.0.2.1:0"), "192.0.2.1"),
            (("--config", "/nonexistent/stockd.conf"), "/nonexistent/stockd.conf"),
            (("--ready-file", "/nonexistent/deep/ready"), "/nonexistent/deep/ready"),
            (("--redis-prefix", "x:"), "redis-prefix does nothing without redis"),
            (("--redis-database", "3"), "redis-database does nothing without redis"),
            (("--archive-days", "3"), "archive-days does nothing without archive yes"),
            (("--archive-max-bytes", "1G", "--archive", "no"), "archive-max-bytes", "archive yes"),
        ):
            with self.subTest(options=bad):
                self.assert_refused(*good, *bad, mentions=mentions)

    def test_data_is_needed(self):
        self.assert_refused("--listen", "127.0.0.1:0", mentions=("data",))
        self.assert_refused("--data", mentions=("data",))

    def test_address_in_use(self):
        with Server() as server:
            self.assert_refused("--data", self.data, "--listen", server.tcp, mentions=(server.tcp,))

    def test_a_live_socket_is_not_stolen(self):
        with Server() as server:
            self.assert_refused(
                "--data", self.data, "--listen", server.unix, mentions=(server.unix[5:],)
            )
            with server.client("unix") as client:
                self.assertEqual(client.call("ping"), "pong")

    def test_a_file_that_is_no_socket_is_not_removed(self):
        with open(self.path("precious"), "w", encoding="ascii") as file:
            file.write("x")
        self.assert_refused(
            "--data", self.data, "--listen", "unix:" + self.path("precious"), mentions=("precious",)
        )
        self.assertTrue(os.path.isfile(self.path("precious")))

    def test_help(self):
        got = run_program("stockd", "--help")
        self.assertEqual((got.code, got.err), (0, ""))
        for option in (
            "--data",
            "--listen",
            "--workers",
            "--durability",
            "--config",
            "--ready-file",
        ):
            self.assertIn(option, got.out)
        for line in got.out.splitlines():
            if line.startswith("  --"):
                self.assertRegex(line, r"^  --[a-z-]+( ([A-Z]+|yes\|no) +| {2,})\S")

    def test_version(self):
        got = run_program("stockd", "--version")
        self.assertEqual(got.code, 0)
        self.assertRegex(got.out, r"\d+\.\d+")

    def test_default_address(self):
        try:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", 7421))
        except OSError as error:
            self.skipTest(f"127.0.0.1:7421 is taken: {error}")
        with Server(listen=False) as server:
            self.assertEqual(server.addresses, ["127.0.0.1:7421"])
            with server.client() as client:
                self.assertEqual(client.call("ping"), "pong")

    def test_workers(self):
        for workers in (1, 2, 4):
            with Server("--workers", workers) as server, server.client() as client:
                self.assertEqual(client.call("ping"), "pong")


class Configuration(Program):
    def write(self, text):
        with open(self.path("stockd.conf"), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path("stockd.conf")

    def run_with(self, text, *options):
        """Starts stockd with nothing but the file; returns (process, addresses)."""
        ready = self.path("ready")
        process = spawn(
            [STOCKD, "--config", self.write(text), *options], stderr=subprocess.PIPE, text=True
        )

        def started():
            if process.poll() is not None:
                self.fail(f"it ended with {process.returncode}: {process.stderr.read()}")
            return os.path.exists(ready)

        try:
            wait_until(started, what="the ready file")
        except BaseException:
            process.kill()
            raise
        with open(ready, encoding="utf-8") as file:
            return process, file.read().splitlines()

    def end(self, process):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(reap(process, 20 * SLOW), 0)
        process.stderr.close()

    def test_every_option_is_a_key(self):
        unix = "unix:" + self.path("sock")
        process, addresses = self.run_with(
            f"# a comment\n\ndata = {self.data}\nlisten = 127.0.0.1:0\nlisten = {unix}\n"
            "workers = 2\n"
            f"durability = everysec\nready-file = {self.path('ready')}\n"
        )
        self.assertEqual(len(addresses), 2)
        self.assertEqual(addresses[1], unix)
        for address in addresses:
            with Client(address) as client:
                client.call("receive", unique("r"), "SKU", "main", 1)
        self.assertTrue(os.listdir(self.data))
        self.end(process)

    def test_the_command_line_wins(self):
        other = self.path("other")
        os.mkdir(other)
        process, _ = self.run_with(
            f"data = {other}\nlisten = 127.0.0.1:0\nready-file = {self.path('ready')}\n",
            "--data",
            self.data,
        )
        self.end(process)
        self.assertTrue(os.listdir(self.data))
        self.assertEqual(os.listdir(other), [])

    def test_bad_files(self):
        for text, *mentions in (
            ("nonsense = 5\n", "nonsense"),
            ("workers = many\n", "workers"),
            ("workers = 0\n", "workers"),
            ("workers =\n", "workers"),
            ("durability = sometimes\n", "durability"),
            ("listen = nonsense\n", "nonsense"),
            ("this is no line of a configuration\n", "stockd.conf"),
        ):
            with self.subTest(text=text):
                conf = self.write(text)
                self.assert_refused(
                    "--data",
                    self.data,
                    "--listen",
                    "127.0.0.1:0",
                    "--config",
                    conf,
                    mentions=mentions,
                )

    def test_a_directory_as_file(self):
        self.assert_refused("--data", self.data, "--config", self.folder, mentions=(self.folder,))


class Life(Program):
    def test_ready_file(self):
        with Server() as server:
            with open(server.ready_file, encoding="utf-8") as file:
                text = file.read()
            self.assertTrue(text.endswith("\n"))
            lines = text.splitlines()
            self.assertEqual(len(lines), 2)
            host, _, port = lines[0].rpartition(":")
            self.assertEqual(host, "127.0.0.1")
            self.assertGreater(int(port), 0)
            self.assertEqual(lines[1], server.unix)
            left = [name for name in os.listdir(server.directory) if name.startswith("ready")]
            self.assertEqual(left, ["ready"], "no temporary file stays behind")

    def test_an_old_ready_file_is_replaced(self):
        ready = self.path("ready")
        with open(ready, "w", encoding="ascii") as file:
            file.write("old\n")
        options = ["--data", self.data, "--ready-file", ready]
        options += ["--listen", "127.0.0.1:0", "--listen", "unix:" + self.path("sock")]
        process = spawn([STOCKD, *options], stderr=subprocess.DEVNULL)

        def fresh():
            try:
                with open(ready, encoding="ascii") as file:
                    text = file.read()
            except FileNotFoundError:
                return None
            return text if text != "old\n" else None

        try:
            text = wait_until(fresh, what="the ready file to be replaced")
            self.assertEqual(len(text.splitlines()), 2, "it is written in one piece")
        finally:
            process.terminate()
            self.assertEqual(reap(process, 20 * SLOW), 0)

    def test_the_ready_file_goes_with_the_engine(self):
        for signum in (signal.SIGTERM, signal.SIGINT):
            with Server() as server:
                self.assertTrue(os.path.exists(server.ready_file))
                server.stop(signum)
                self.assertFalse(os.path.exists(server.ready_file))

    def test_a_start_that_fails_leaves_no_old_ready_file(self):
        """Whoever waits for the file must not be told that an engine is ready."""
        with open(self.path("ready"), "w", encoding="ascii") as file:
            file.write("127.0.0.1:1\n")
        self.assert_refused("--data", "/dev/null/no", "--ready-file", self.path("ready"))
        self.assertFalse(os.path.exists(self.path("ready")))

    def test_a_second_start_leaves_the_ready_file_of_the_engine_that_runs(self):
        with Server() as server:
            with open(server.ready_file, encoding="utf-8") as file:
                before = file.read()
            self.assert_refused(
                "--data", server.data, "--listen", "127.0.0.1:0",
                "--ready-file", server.ready_file, mentions=(server.data,),
            )
            with open(server.ready_file, encoding="utf-8") as file:
                self.assertEqual(file.read(), before)

    def await_said(self, server, text):
        return wait_until(lambda: text in server.stderr(), timeout=60, what=f"the line {text!r}")

    def test_signals_that_mean_nothing_are_logged_and_ignored(self):
        with Server("--workers", "2") as server:
            for signum, said in (
                (signal.SIGHUP, "ignored SIGHUP: there is nothing to reload"),
                (signal.SIGUSR1, "ignored SIGUSR1"),
                (signal.SIGUSR2, "ignored SIGUSR2"),
            ):
                server.process.send_signal(signum)
                self.await_said(server, said)
            with server.client() as client:
                self.assertEqual(client.call("ping"), "pong")

    def test_stops_are_logged(self):
        for signum in (signal.SIGTERM, signal.SIGINT):
            with Server() as server:
                with server.client() as client:
                    lsn = client.call("expect", "r", "main", [["SKU", 5]])["lsn"]
                server.stop(signum)
                lines = server.stderr().splitlines()
                self.assertEqual(
                    lines[-2:],
                    [f"stockd: stopping on {signum.name}", f"stockd: stopped cleanly, lsn {lsn}"],
                )

    def test_an_unclean_stop_is_logged_by_the_next_start(self):
        unclean = "the last run did not stop cleanly"
        with Server() as server:
            with server.client() as client:
                lsn = client.call("expect", "r", "main", [["SKU", 5]])["lsn"]
            server.restart()
            self.assertNotIn(unclean, server.stderr())
            server.restart(kill=True)
            self.assertIn(f"{unclean}: recovered up to lsn {lsn}, 0 bytes", server.stderr())
            server.restart()
            self.assertEqual(server.stderr().count(unclean), 1)

    def test_addresses_of_the_network_are_warned_of(self):
        with Server(listen=False, start=False) as server:
            server.start("--insecure", "--listen", ":0", "--listen", "127.0.0.1:0", "--listen",
                         server.unix)
            port = server.addresses[0].rpartition(":")[2]
            warnings = [line for line in server.stderr().splitlines() if "warning" in line]
            self.assertEqual(len(warnings), 1, server.stderr())
            self.assertIn(f"0.0.0.0:{port} (every address of this machine)", warnings[0])
            self.assertIn("no authentication", warnings[0])

    def test_tables_that_fill_are_told_of(self):
        with Server("--items", "10", "--pools", "20") as server, server.client() as client:
            for number in range(7):
                client.call("receive", f"r{number}", f"SKU-{number}", "main", 1)
            self.assertNotIn("full", server.stderr())
            client.call("receive", "r7", "SKU-7", "main", 1)
            self.await_said(server, "the table of items is 80 % full (8 of 10)")
            client.call("location_set", "berlin", {})
            for number in range(7):
                client.call("receive", f"b{number}", f"SKU-{number}", "berlin", 1)
            client.call("receive", "r8", "SKU-8", "main", 1)
            client.call("receive", "r9", "SKU-9", "main", 1)
            self.await_said(server, "the table of items is full (10)")
            self.await_said(server, "the table of pools is 80 % full (")
            self.assertIn("larger --items", server.stderr())

    def test_a_start_with_tables_nearly_full_says_so(self):
        with Server("--items", "100") as server:
            with server.client() as client:
                for number in range(19):
                    client.call("receive", f"r{number}", f"SKU-{number}", "main", 1)
            server.stop()
            server.extra = ["--items", "20"]
            server.start()
            self.await_said(server, "the table of items is 90 % full (19 of 20)")

    def test_signals(self):
        for signum in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=signum), Server() as server:
                with server.client() as client:
                    client.call("receive", "r", "SKU", "main", 5)
                    server.stop(signum)
                server.start()
                with server.client() as client:
                    self.assertEqual(client.call("availability", "default", ["SKU"])["stock"], [5])

    def test_signal_under_load_answers_or_closes(self):
        """What was answered before a clean stop is there afterwards."""
        for _ in range(3):
            with Server() as server:
                with server.client() as client:
                    count = 3000
                    for index in range(count):
                        client.send("receive", f"r{index}", f"S-{index}", "main", 1)
                    for _ in range(200):
                        self.assertIsNone(client.receive()[0])
                    server.process.terminate()
                    answered = 200
                    try:
                        while answered < count:
                            self.assertIsNone(client.receive()[0])
                            answered += 1
                    except ConnectionError:
                        pass
                self.assertEqual(reap(server.process, 20 * SLOW), 0)
                server.start()
                with server.client() as client:
                    got = client.call(
                        "availability", "default", [f"S-{index}" for index in range(answered)]
                    )
                    self.assertEqual(got["stock"], [1] * answered)

    def test_hang_up_and_broken_pipes_do_not_kill_it(self):
        with Server() as server:
            server.process.send_signal(signal.SIGPIPE)
            for _ in range(20):
                client = server.client("unix")
                for _ in range(50):
                    client.send("info")
                client.reset() if client.socket.family == socket.AF_INET else client.close()
            with server.client() as client:
                self.assertEqual(client.call("ping"), "pong")

    def test_stops_twice_as_well(self):
        """A second signal while it stops does no harm."""
        with Server() as server:
            server.process.send_signal(signal.SIGTERM)
            server.process.send_signal(signal.SIGINT)
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(reap(server.process, 20 * SLOW), 0)

    def test_a_sleepy_engine_is_small(self):
        if SANITIZED:
            self.skipTest("memory figures of sanitizer builds say nothing")
        with Server() as server:
            with server.client() as client:
                client.call("ping")
            self.assertLess(server.memory_kib(), 32 << 10, "RSS of an empty engine")

    def test_starts_in_a_bare_environment(self):
        with Server(start=False) as server:
            server.env = {
                key: value for key, value in os.environ.items() if key.endswith("SAN_OPTIONS")
            }
            server.start()
            with server.client() as client:
                self.assertEqual(client.call("ping"), "pong")

    def test_without_the_zone_of_a_calendar(self):
        """It starts; that calendar alone is never open, until its zone is back or it is changed."""
        missing = 'opening hours of calendar "paris" cannot be laid out: time zone "Europe/Paris"'
        with Server() as server:
            with server.client() as client:
                client.call("calendar_set", "paris", {"tz": "Europe/Paris"})
                client.call("calendar_set", "utc", {})
                client.call("location_set", "main", {"calendar": "paris", "priority": 1})
                client.call("location_set", "other", {"calendar": "utc"})
                for sku, location in (("tea", "main"), ("cup", "other")):
                    client.call("receive", unique("r"), sku, location, 10)
                self.assertIsNotNone(self.ready_ms(client, "tea"))
            self.assertNotIn("cannot be laid out", server.stderr())
            server.env["TZDIR"] = self.folder
            server.restart()
            with server.client() as client:
                self.assertIsNone(self.ready_ms(client, "tea"))
                self.assertIsNotNone(self.ready_ms(client, "cup"))
                self.assertEqual(server.stderr().count(missing), 1, server.stderr())
                client.call("calendar_set", "paris", {"tz": "UTC"})
                self.assertIsNotNone(self.ready_ms(client, "tea"))
                time.sleep(1)  # in which the caretaker looks several times
            self.assertEqual(server.stderr().count("cannot be laid out"), 1, server.stderr())

    def ready_ms(self, client, sku):
        return client.call("reserve", unique("o"), "default", [[sku, 1]])["lines"][0][3]


class Kernel(Program):
    def test_io_uring_forbidden(self):
        """As most containers do: one line that says what to allow."""
        strace = shutil.which("strace")
        if strace is None:
            self.skipTest("strace is not installed")
        probe = subprocess.run(
            [strace, "-o", os.devnull, "true"], capture_output=True, text=True, check=False
        )
        if probe.returncode:
            self.skipTest(f"strace does not work here: {probe.stderr.strip()}")
        for error in ("EPERM", "ENOSYS"):
            with self.subTest(error=error):
                prefix = [strace, "-f", "-qq", "-o", os.devnull, "-e", "trace=io_uring_setup"]
                prefix += ["-e", f"inject=io_uring_setup:error={error}"]
                got = run_program(
                    "stockd",
                    "--data",
                    self.data,
                    "--listen",
                    "127.0.0.1:0",
                    prefix=prefix,
                    env={
                        **os.environ,
                        "ASAN_OPTIONS": "detect_leaks=0",
                    },  # LeakSanitizer cannot work under ptrace
                )
                self.assertNotEqual(got.code, 0)
                self.assertEqual(len(got.err_lines), 1, got.err)
                self.assertIn("io_uring", got.err)

    def start_with_memlock(self, kib):
        """A user without privileges, for root is not counted; (exit status or None: it serves)."""
        program = self.path("stockd")
        shutil.copy(STOCKD, program)
        os.chmod(self.folder, 0o777)
        os.chmod(self.data, 0o777)
        ready = self.path("ready")

        def become_nobody():
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (kib << 10, kib << 10))
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)

        process = spawn(
            [program, "--data", self.data, "--listen", "127.0.0.1:0", "--ready-file", ready]
            + ["--workers", "4"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=become_nobody,
        )
        wait_until(
            lambda: process.poll() is not None or os.path.exists(ready),
            timeout=60,
            what="an engine with little locked memory to start or to refuse",
        )
        if process.poll() is None:
            process.terminate()
        _, err = process.communicate(timeout=CALL_TIMEOUT)
        reap(process, 1)
        return process.returncode, err

    def test_too_little_locked_memory(self):
        """The error says how much is needed: with it, it starts."""
        code, err = self.start_with_memlock(64)
        if code == 0:
            self.skipTest("this kernel does not count rings as locked memory")
        self.assertEqual((code, len(err.splitlines())), (2, 1), err)
        needed = re.search(r"4 io_urings: they need (\d+) KiB .* is 64 KiB .*fewer --workers", err)
        self.assertTrue(needed, err)
        code, err = self.start_with_memlock(int(needed[1]))
        self.assertEqual(code, 0, err)
        code, err = self.start_with_memlock(int(needed[1]) - 4)
        self.assertEqual(code, 2, err)


if __name__ == "__main__":
    main()
