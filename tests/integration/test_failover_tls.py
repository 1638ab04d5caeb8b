# SPDX-License-Identifier: Apache-2.0
"""A client with several addresses does not speak less safely to a node that it was sent to than to those on its list."""

import os
import shutil
import socket
import ssl
import tempfile
import threading

from node_case import LOSE_REPLY, Node
from stockd_harness import CALL_TIMEOUT, StockdTestCase, main, run_program, unique
from tls_case import HOSTS, Authority
from token_case import ALL, TokenServer


class Trap:
    """Listens without TLS, and keeps what it is told."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.heard = b""
        self.thread = threading.Thread(target=self._listen)
        self.thread.start()

    def _listen(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            with link:
                link.settimeout(CALL_TIMEOUT)
                try:
                    self.heard += link.recv(65536)
                except OSError:
                    pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


class Safety(StockdTestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="stockd-failover-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.authority = Authority(cls.folder, "authority")
        pem, key = cls.authority.issue("server", "stockd", HOSTS)
        cls.server = TokenServer({"all": ALL}, "--durability", "none", "--listen", "tls://127.0.0.1:0",
                                 "--tls-cert", pem, "--tls-key", key)
        cls.token_file = os.path.join(cls.folder, "token")
        with open(cls.token_file, "w", encoding="ascii") as file:
            file.write(cls.server.secrets["all"] + "\n")
        cls.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        cls.tls.load_cert_chain(pem, key)

    def setUp(self):
        self.client = self.server.known("all")
        self.addCleanup(self.client.close)

    def node(self, **kwargs):
        node = Node(self.server.tcp, **{"tls": self.tls, **kwargs})
        self.addCleanup(node.__exit__)
        return node

    def receive(self, addresses, expect=0):
        """stockctl takes 2 units in; they are there once. Its words."""
        sku = unique("SKU")
        done = run_program("stockctl", "-s", addresses, "--cacert", self.authority.path, "--token-file",
                           self.token_file, "receive", sku, "main", "2")
        self.assertEqual(done.code, expect, done.err)
        if expect == 0:
            self.assertEqual(self.figures(sku)[0], 2)
        return done.err

    def test_an_address_without_a_scheme_is_reached_by_tls(self):
        """Nodes advertise HOST:PORT. This one's speaks TLS alone."""
        a = self.node(names=self.server.tls.removeprefix("tls://"), term=2)
        self.receive("tls://" + a.address)
        self.assertEqual(a.refusals, 1)

    def test_a_loss_is_survived_with_tls_and_tokens(self):
        a, b = self.node(primary=True), self.node()
        b.names, b.promoted_after = a.address, 2
        a.fates.append(LOSE_REPLY)
        self.receive(f"tls://{a.address},tls://{b.address}")
        self.assertEqual(a.tried[0], b.tried[-1])

    def test_a_node_without_tls_hears_no_token(self):
        trap = Trap()
        self.addCleanup(trap.close)
        a = self.node(names=trap.address, term=2)
        said = self.receive("tls://" + a.address, expect=3)
        self.assertIn(f"tls://{trap.address}: cannot connect", said)
        self.assertEqual(trap.heard[:1], b"\x16", "a TLS handshake")
        self.assertNotIn(self.server.secrets["all"].encode(), trap.heard)

    def test_the_node_that_is_named_has_to_prove_its_name(self):
        other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        other.load_cert_chain(*self.authority.issue("other", "other", "DNS:elsewhere.example"))
        b = self.node(primary=True, tls=other)
        a = self.node(names=b.address, term=2)
        said = self.receive("tls://" + a.address, expect=3)
        self.assertIn(f"tls://{b.address}: cannot connect: the engine's certificate is not accepted", said)
        self.assertEqual(b.taken, 0)

    def test_certificates_need_an_encrypted_address(self):
        done = run_program("stockctl", "-s", "127.0.0.1:1,127.0.0.1:2", "--cacert", self.authority.path, "ping")
        self.assertEqual(done.code, 2)
        self.assertIn("certificates are of use at tls://HOST:PORT only", done.err)


if __name__ == "__main__":
    main()
