# SPDX-License-Identifier: Apache-2.0
"""stock-gateway before an engine at tls://: each proves itself to the other by its certificate."""

import os
import threading

from gateway_case import Gateway, GatewayTestCase, Server
from stockd_harness import join, main, run_program, unique
from tls_case import Authority, TlsCase


class Encrypted(GatewayTestCase, TlsCase):
    """The engine takes only clients that show a certificate, whose name gives them their rights."""

    @classmethod
    def server_options(cls):
        cls.clients = Authority(cls.folder, "clients")
        cls.shown = cls.clients.issue("gateway", "web-shop")
        tokens = os.path.join(cls.folder, "tokens")
        rights = ("--can", "read,order,stock", "--channels", "*", "--locations", "*")
        for name, key in (("shop", ("--cert-name", "web-shop")), ("test", ("--uid", os.getuid()))):
            done = run_program("stockctl", "token", "add", name, "--tokens", tokens,
                               *map(str, key), *rights)
            assert done.code == 0, done
        return ("--tls-client-ca", cls.clients.path, "--tokens", tokens)

    @classmethod
    def setUpClass(cls):
        TlsCase.setUpClass.__func__(cls)
        try:
            cls.gateway = cls.before(cls.server)
        except BaseException:
            cls.server.close(check=False)
            raise

    @classmethod
    def before(cls, server, *options):
        proof = ("--cert", cls.shown[0], "--key", cls.shown[1])
        return Gateway(server.tls, "--cacert", cls.authority.path, *proof, "--threads", 2, *options)

    def setUp(self):
        self.client = self.server.client("unix")
        self.addCleanup(self.client.close)

    def receive(self, sku, qty=5):
        return self.good(self.gateway.post("receive", {"id": unique("r"), "sku": sku,
                                                       "location": "main", "qty": qty}))

    def test_a_change_and_a_question(self):
        sku = unique("SKU")
        self.assertEqual(self.receive(sku)["available"], 5)
        answer = self.good(self.gateway.get(f"/v1/availability/default?sku={sku}"))
        self.assertEqual(answer["stock"], {sku: 5})

    def test_the_journal_names_the_certificate(self):
        sku = unique("SKU")
        self.receive(sku)
        events = self.call("history", sku)["events"]
        self.assertEqual({event["client"] for event in events}, {"shop/stock-gateway"})

    def test_rights_are_the_certificates(self):
        self.problem(self.gateway.post("item_set", {"sku": "SKU"}), 403, "forbidden")

    def test_a_long_answer(self):
        """It takes many TLS records, and stops in the middle of some."""
        skus = [unique("LONG") for _ in range(300)]
        for sku in skus:
            self.receive(sku)
        for _ in range(5):
            query = {"channel": "default", "skus": skus * 10}
            self.assertEqual(self.good(self.gateway.post("availability", query))["stock"],
                             [5] * len(skus) * 10)

    def test_a_stream(self):
        sku = unique("SKU")
        stream = self.stream("/v1/changes")
        self.receive(sku)
        stream.wait_data(sku=sku, available=5)

    def test_many_at_once(self):
        sku = unique("SKU")
        self.receive(sku, 1000)
        refused = []

        def work(worker):
            for number in range(40):
                order = {"id": f"{sku}-{worker}-{number}", "channel": "default", "lines": [[sku, 1]]}
                answer = self.gateway.post("reserve", order)
                if answer.status != 200:
                    refused.append(answer)
        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            join(thread, "a client")
        self.assertEqual(refused, [])
        self.assertEqual(self.figures(sku), (1000, 320, 680))


class Refused(TlsCase):
    """The gateway serves without an engine, and says why it has none."""

    def why(self, gateway):
        self.addCleanup(gateway.close)
        answer = gateway.post("ping")
        self.assertEqual(answer.status, 503, answer)
        self.assertEqual(answer.json["code"], "engine_away")
        return answer.json["detail"]

    def test_an_engine_that_nobody_vouches_for(self):
        stranger = Authority(self.folder, "stranger")
        self.assertIn("certificate is not accepted",
                      self.why(Gateway(self.server.tls, "--cacert", stranger.path)))

    def test_an_engine_without_tls(self):
        address = f"tls://{self.server.tcp}"
        self.assertIn("TLS", self.why(Gateway(address, "--cacert", self.authority.path)))

    def test_a_gateway_without_a_certificate(self):
        clients = Authority(self.folder, "clients")
        server = Server("--listen", "tls://127.0.0.1:0", "--tls-cert", self.used[0], "--tls-key",
                        self.used[1], "--tls-client-ca", clients.path)
        self.addCleanup(server.close)
        self.assertIn("certificate required",
                      self.why(Gateway(server.tls, "--cacert", self.authority.path)))

    def test_bad_use_of_the_options(self):
        missing = os.path.join(self.folder, "missing")
        for words, mentions in (
            ((self.server.tcp, "--cacert", self.authority.path), "tls://"),
            ((self.server.tls, "--cacert", missing), "missing: No such file"),
            ((self.server.tls, "--key", self.key), "certificate"),
            ((self.server.tls, "--cert", self.pem, "--key", missing), "missing"),
            ((self.server.tls, "--cacert", self.key), "ca"),
        ):
            with self.subTest(words):
                got = run_program("stock-gateway", "--listen", "127.0.0.1:0", "--engine", *words)
                self.assertEqual(got.code, 2, got)
                self.assertIn(mentions, got.err_lines[0])
                self.assertIn("--engine", got.err_lines[0])


if __name__ == "__main__":
    main()
