# SPDX-License-Identifier: Apache-2.0
"""What tests of tokens share: a tokens file that stockctl makes, and clients that say hello with one."""

import os
import tempfile
import shutil

from stockd_harness import Server, StockdTestCase, run_program

ALL = ("--can", "*")

# Of a token that has expired: stockctl makes none, so the year is turned back in its line.
EXPIRED = ("--expires", "2999-01-01")


def turn_back(path):
    """Makes the EXPIRED tokens of that file so."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace("expires=2999-", "expires=2020-"))


class TokenServer(Server):
    """A server with a tokens file. tokens: name -> options of `stockctl token add`."""

    def __init__(self, tokens, *extra, **kwargs):
        self.folder = tempfile.mkdtemp(prefix="stockd-tokens-")
        self.file = os.path.join(self.folder, "tokens")
        self.secrets = {}
        try:
            with open(self.file, "w", encoding="utf-8"):
                pass
            for name, options in tokens.items():
                self.add(name, *options)
            super().__init__("--tokens", self.file, *extra, **kwargs)
        except BaseException:
            shutil.rmtree(self.folder)
            raise

    def token(self, command, *args):
        done = run_program("stockctl", "token", command, *args, "--tokens", self.file)
        if done.code != 0:
            raise AssertionError(f"stockctl token {command}: {done.err}")
        return done.out

    def add(self, name, *options):
        """Adds a token to the file; the running engine finds it by itself."""
        self.secrets[name] = self.token("add", name, *options).strip()
        if EXPIRED[1] in options:
            turn_back(self.file)
        return self.secrets[name]

    def revoke(self, name):
        self.token("revoke", name)

    def known(self, name, client_name="test", kind="tcp", **kwargs):
        """A client that has said hello with that token."""
        client = self.client(kind, **kwargs)
        try:
            client.call("hello", client_name, {"token": self.secrets[name]})
        except BaseException:
            client.close()
            raise
        return client

    def close(self, check=True):
        super().close(check)
        shutil.rmtree(self.folder, ignore_errors=True)


class TokenTestCase(StockdTestCase):
    """Each test has its own servers."""

    @classmethod
    def setUpClass(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        pass

    def setUp(self):
        pass

    def serve(self, tokens, *extra, **kwargs):
        server = TokenServer(tokens, *extra, **kwargs)
        self.addCleanup(server.close)
        return server
