# SPDX-License-Identifier: Apache-2.0
"""The config file: how its lines are read, and what --check-config says of it."""

import os
import shutil

from stockd_harness import FolderTestCase, main, run_program


class ConfigFile(FolderTestCase):
    def setUp(self):
        super().setUp()
        self.data = self.path("data")

    def test_check_config(self):
        """It judges the options, and touches nothing."""
        config = self.path("stockd.conf")
        data = self.path("not-yet")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"data = {data}\nworkers = 2\nlisten = 127.0.0.1:1\n")
        got = run_program("stockd", "--config", config, "--check-config")
        self.assertEqual((got.code, got.err), (0, ""))
        self.assertRegex(got.out, r"^stockd: the configuration is good: data \S+, 2 workers, .*\n$")
        self.assertFalse(os.path.exists(data))
        for more, mention in ((("--durability", "sometimes"), "durability"),
                              (("--log-bytes", "4096"), "log-bytes"),
                              (("--data", config), "not a directory"),
                              (("--workers", "0"), "workers"),
                              (("--redis", "127.0.0.1:1", "--redis-password-file", data),
                               "redis-password-file")):
            self.assert_refused("--config", config, "--check-config", *more, mentions=(mention,))
        with open(config, "a", encoding="utf-8") as file:
            file.write("nonsense = 1\n")
        self.assert_refused("--config", config, "--check-config", mentions=("line 4", "nonsense"))

    def test_what_a_start_refuses(self):
        """Both say the same of it; the check leaves nothing behind."""
        bad = self.path("bad")
        with open(bad, "w", encoding="ascii") as file:
            file.write("web nonsense\n")
        for options, mention in (
            (("--listen", "0.0.0.0:0"), "there is no authentication"),
            (("--listen", "127.0.0.1:0", "--listen", ":0"), "there is no authentication"),
            (("--http", "0.0.0.0:0"), "it does not check who asks"),
            (("--tokens", self.path("none")), "tokens file"),
            (("--tokens", bad), "line 1"),
            (("--segment-bytes", "1"), "segment size 1: must be a multiple"),
            (("--segment-bytes", "64G"), "segment size"),
            (("--listen", "unix:" + "x" * 200), "1 to 107 bytes"),
            (("--listen", "tls://127.0.0.1:0", "--tls-cert", bad, "--tls-key", bad), bad),
            (("--log-bytes", "4096"), "log-bytes 4096"),
        ):
            options = ("--data", self.data, *(() if "--listen" in options else ("--listen", "127.0.0.1:0")), *options)
            self.assert_refused(*options, "--check-config", mentions=(mention,))
            self.assertFalse(os.path.exists(self.data), options)
            self.assert_refused(*options, mentions=(mention,))
            shutil.rmtree(self.data, ignore_errors=True)
        for options in (("--listen", "0.0.0.0:0", "--insecure"), ("--http", "0.0.0.0:0", "--insecure"),
                        ("--listen", f"unix:{self.path('none')}/sock"), ("--segment-bytes", "1M"),
                        ("--listen", "127.0.0.1:0", "--listen", "[::1]:0", "--http", "127.0.0.1:0")):
            got = run_program("stockd", "--data", self.data, *options, "--check-config")
            self.assertEqual((got.code, got.err), (0, ""), options)
        self.assertEqual(sorted(os.listdir(self.folder)), ["bad"])

    def check_lines(self, *lines, end=b"\n", last=b"\n"):
        """What --check-config says of a file with those lines behind one that is good."""
        config = self.path("lines.conf")
        with open(config, "wb") as file:
            file.write(end.join((b"data = " + self.data.encode(),) + lines) + last)
        return run_program("stockd", "--config", config, "--check-config")

    def test_long_lines_of_the_config_file(self):
        """What lies behind a limit of the reader is no line of its own."""
        for length in (*range(196, 203), 400, 5000):
            for start in (b"#", b"  ;"):
                for end, last in ((b"\n", b"\n"), (b"\r\n", b"\r\n"), (b"\n", b"")):
                    comment = start.ljust(length, b"x") + b"durability = none"
                    got = self.check_lines(comment, end=end, last=last)
                    self.assertEqual((got.code, got.err), (0, ""), (length, start, end, last))
                    self.assertIn("durability always", got.out, (length, start, end, last))

    def test_long_values_of_the_config_file(self):
        """They are read whole, or the line is refused by its number."""
        name = b"ready-file = "
        for last in (b"\n", b"\r\n", b""):
            for length in (150, 197, 198):
                got = self.check_lines(name.ljust(length, b"x"), last=last)
                self.assertEqual((got.code, got.err), (0, ""), (length, last))
            for length in (199, 200, 201, 202, 398, 399, 400, 5000):
                got = self.check_lines(b"", name.ljust(length, b"x") + b"#=", last=last)
                self.assertEqual((got.code, got.out), (2, ""), (length, last))
                self.assertEqual(len(got.err_lines), 1, got.err)
                self.assertIn(f"line 3: it has {length + 2} bytes", got.err)

    def test_odd_lines_of_the_config_file(self):
        for lines, mention in (
            ((b"workers = 1\0", b"durability = none"), "line 2: a NUL byte is in it"),
            ((b"# \0", b"durability = none"), "line 2: a NUL byte is in it"),
            ((b"no value", b"nonsense = 1"), "line 2: it must be name = value"),
            ((b"nonsense = 1", b"no value"), 'line 2: there is no option "nonsense"'),
            ((b"workers = 1", b"  nonsense = 1"), 'line 3: there is no option "nonsense"'),
        ):
            got = self.check_lines(*lines)
            self.assertEqual((got.code, got.out), (2, ""), lines)
            self.assertIn(mention, got.err)
        got = self.check_lines(b"[stockd]", b"  durability = none ; not for long")
        self.assertIn("durability none", got.out, got)


if __name__ == "__main__":
    main()
