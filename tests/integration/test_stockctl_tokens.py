# SPDX-License-Identifier: Apache-2.0
"""stockctl token, --token-file and STOCKD_TOKEN, for stockctl and stockbench."""

import json
import os
import stat
import unittest

from stockctl_case import DONE, REFUSED, USAGE
from stockd_harness import BIN_DIR, Server, main, run_program
from token_case import ALL, EXPIRED, TokenTestCase, turn_back

BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class Token(TokenTestCase):
    def setUp(self):
        server = Server(start=False)  # for its folder
        self.addCleanup(server.close)
        self.path = os.path.join(server.directory, "tokens")

    def token(self, *args, expect=DONE, **kwargs):
        done = run_program("stockctl", *args, "--tokens", self.path, **kwargs)
        self.assertEqual(done.code, expect, f"{args}: {done}")
        self.err = done.err
        return done.out

    def contents(self):
        with open(self.path, encoding="utf-8") as file:
            return file.read()

    def test_a_token_is_printed_alone_and_kept_nowhere(self):
        out = self.token("token", "add", "web")
        token = out.strip()
        self.assertEqual(out, token + "\n")
        self.assertEqual(len(token), 43)
        self.assertTrue(set(token) <= set(BASE64URL))
        self.assertNotIn(token, self.contents())
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
        self.assertNotEqual(self.token("token", "add", "pos").strip(), token)

    def test_what_a_line_says(self):
        self.token("token", "add", "web", "--can", "read,order", "--channels", "web,pos", "--locations", "s1,@north",
                   "--expires", "2030-01-31", "--rate", "100", "--burst", "200", "--connections", "3",
                   "--subscriptions", "2")
        self.token("token", "add", "usual")
        self.token("token", "add", "me", "--uid", "1000", *ALL)
        self.token("token", "add", "gateway", "--cert-name", "gw.example")
        lines = self.contents().splitlines()
        self.assertRegex(lines[0], "^web sha256:[0-9a-f]{64} can=read,order channels=web,pos locations=s1,@north "
                                   "expires=2030-01-31T00:00:00Z rate=100 burst=200 connections=3 subscriptions=2$")
        self.assertRegex(lines[1], "^usual sha256:[0-9a-f]{64} can=read channels=[*] locations=[*]$")
        self.assertEqual(lines[2], "me uid:1000 can=read,order,stock,catalogue,supply,admin channels=* locations=*")
        self.assertEqual(lines[3], "gateway cert:gw.example can=read channels=* locations=*")
        listed = self.token("token", "list")
        for word in ("web", "s1,@north", "2030-01-31", "uid:1000", "cert:gw.example"):
            self.assertIn(word, listed)
        self.assertNotIn("sha256", listed)
        got = json.loads(self.token("--json", "token", "list"))["tokens"]
        self.assertEqual([row["name"] for row in got], ["gateway", "me", "usual", "web"])
        self.assertEqual(got[3]["can"], "read,order")

    def test_a_token_is_tested(self):
        token = self.token("token", "add", "web", "--can", "read").strip()
        old = self.token("token", "add", "old", *EXPIRED).strip()
        turn_back(self.path)
        self.assertIn("web", self.token("token", "test", token))
        self.assertIn("web", self.token("token", "test", stdin=token + "\n"))
        self.assertIn("web", self.token("token", "test", env={**os.environ, "STOCKD_TOKEN": token}))
        self.assertIn("expired", self.token("token", "list"))
        self.token("token", "test", old, expect=REFUSED)
        self.assertIn('"old" has expired', self.err)
        self.token("token", "test", token[:-1], expect=REFUSED)
        self.assertNotIn(token[:-1], self.err)

    def test_a_token_is_revoked(self):
        token = self.token("token", "add", "web").strip()
        self.token("token", "add", "pos")
        self.token("token", "revoke", "web")
        self.assertNotIn("web", self.contents())
        self.assertIn("pos", self.contents())
        self.token("token", "test", token, expect=REFUSED)
        self.token("token", "revoke", "web", expect=REFUSED)
        self.token("token", "add", "pos", expect=REFUSED)

    def test_what_is_wrong_is_said(self):
        for args in (("we/b",), ("web", "--can", "write"), ("web", "--can", ""), ("web", "--channels", "a b"),
                     ("web", "--locations", "@"), ("web", "--expires", "soon"),
                     ("web", "--expires", "2030-02-30"), ("web", "--rate", "0"),
                     ("web", "--uid", "x"), ("web", "--uid", "1", "--cert-name", "x"), ("web", "--cert-name", "a b"), ()):
            self.token("token", "add", *args, expect=USAGE)
        for past in ("2020-01-01", "2020-01-01T00:00:00Z", "1000000"):
            self.token("token", "add", "web", "--expires", past, expect=USAGE)
            self.assertIn(f"--expires {past} is past", self.err)
        self.assertFalse(os.path.exists(self.path))
        self.token("token", "list", expect=USAGE)
        done = run_program("stockctl", "token", "add", "web")
        self.assertEqual(done.code, USAGE)
        self.assertIn("--tokens FILE is needed", done.err)
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("# ours\nnonsense\n")
        self.token("token", "add", "web", expect=USAGE)
        self.assertIn(f"tokens file {self.path}, line 2", self.err)

    def test_a_file_that_others_hold_is_not_lost(self):
        """Many edits at once: each is there in the end."""
        import concurrent.futures

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: self.token("token", "add", f"t{number}"), range(24)))
        self.assertEqual(len(self.contents().splitlines()), 24)


class Clients(TokenTestCase):
    def run_with(self, server, program, *args, expect=DONE, token=None):
        env = {key: value for key, value in os.environ.items() if key != "STOCKD_TOKEN"}
        if token is not None:
            env["STOCKD_TOKEN"] = token
        done = run_program(program, "-s", server.tcp, *args, env=env)
        self.assertEqual(done.code, expect, f"{program} {args}: {done}")
        return done

    def test_stockctl_takes_a_token_of_a_file_or_of_the_environment(self):
        server = self.serve({"web": ALL, "pos": ("--can", "read")})
        path = os.path.join(server.directory, "web.token")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"  {server.secrets['web']}\r\nanother line\n")
        self.assertIn("token is missing", self.run_with(server, "stockctl", "ping", expect=REFUSED).err)
        self.run_with(server, "stockctl", "--token-file", path, "receive", "S", "main", "5")
        self.run_with(server, "stockctl", "receive", "S", "main", "5", f"--token-file={path}")
        self.run_with(server, "stockctl", "receive", "S", "main", "5", token=server.secrets["web"])
        got = self.run_with(server, "stockctl", "receive", "S", "main", "5", token=server.secrets["pos"], expect=REFUSED)
        self.assertIn("forbidden", got.err)
        self.run_with(server, "stockctl", "--token-file", path, "ping", token="wrong")  # the file comes first
        for wrong in ("/nowhere", server.directory, os.devnull):
            got = self.run_with(server, "stockctl", "--token-file", wrong, "ping", expect=USAGE)
            self.assertIn("token file", got.err)

    def test_a_replay_says_hello_on_each_connection(self):
        server = self.serve({"web": ALL})
        orders = os.path.join(server.directory, "orders.csv")
        with open(orders, "w", encoding="utf-8") as file:
            file.write("order_id,channel,sku,qty\n" + "".join(f"o{i},default,S,1\n" for i in range(40)))
        token = server.secrets["web"]
        self.run_with(server, "stockctl", "receive", "S", "main", "50", token=token)
        got = self.run_with(server, "stockctl", "--json", "replay", orders, "--connections", "4", token=token)
        self.assertEqual(json.loads(got.out)["fulfilled"], 40)

    @unittest.skipUnless(os.path.exists(os.path.join(BIN_DIR, "stockbench")), "stockbench is not built")
    def test_stockbench_takes_one_too(self):
        server = self.serve({"web": ALL})
        path = os.path.join(server.directory, "web.token")
        with open(path, "w", encoding="utf-8") as file:
            file.write(server.secrets["web"])
        few = ("--seconds", "0.2", "--warmup", "0", "--connections", "2", "--items", "10", "--json")
        self.run_with(server, "stockbench", *few, "--token-file", path)
        self.run_with(server, "stockbench", *few, token=server.secrets["web"])
        got = self.run_with(server, "stockbench", *few, expect=3)
        self.assertIn("token is missing", got.err)


if __name__ == "__main__":
    main()
