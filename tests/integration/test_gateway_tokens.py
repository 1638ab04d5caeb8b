# SPDX-License-Identifier: Apache-2.0
"""Bearer tokens through stock-gateway to an engine that has tokens: each request has the rights of
its own token, although all share a few connections."""

import os
import signal
import sys
import tempfile
import threading

from gateway_case import Gateway, GatewayTestCase
from stockd_harness import Server, join, main, run_program, unique, wait_until

if "--tokens" not in run_program("stockd", "--help").out:
    print("skipped: this engine has no --tokens")
    sys.exit(77)


class Tokens(GatewayTestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.tokens = os.path.join(cls.folder.name, "tokens")
        cls.admin = cls.add("root", "--can", "read,order,stock,catalogue,supply,admin",
                            "--channels", "*", "--locations", "*")
        cls.shop = cls.add("shop", "--can", "read,order", "--channels", "default",
                           "--locations", "*")
        cls.desk = cls.add("desk", "--can", "read,stock", "--channels", "*", "--locations", "*")
        cls.slow = cls.add("slow", "--can", "read", "--channels", "*", "--locations", "*",
                           "--rate", "1")
        cls.server = Server("--tokens", cls.tokens)
        cls.gateway = Gateway(cls.server.unix, "--threads", 2)

    @classmethod
    def tearDownClass(cls):
        cls.gateway.close()
        cls.server.close()
        cls.folder.cleanup()

    def setUp(self):
        pass  # there is no connection to the engine itself

    @classmethod
    def add(cls, name, *rights):
        done = run_program("stockctl", "token", "add", name, "--tokens", cls.tokens, *rights)
        assert done.code == 0, done
        return done.out.strip()

    def ask(self, token, method, body):
        return self.gateway.post(method, body, Authorization=f"Bearer {token}")

    def receive(self, token, sku):
        return self.ask(token, "receive", {"id": unique("r"), "sku": sku, "location": "main",
                                           "qty": 5})

    def reserve(self, token, sku):
        return self.ask(token, "reserve", {"id": unique("o"), "channel": "default",
                                           "lines": [[sku, 1]]})

    def test_without_a_good_token(self):
        for headers in ({}, {"Authorization": "Bearer nonsense"}):
            answer = self.gateway.post("ping", **headers)
            self.problem(answer, 401, "unauthorized")
            self.assertEqual(answer.headers["WWW-Authenticate"], "Bearer")
            self.problem(self.gateway.get("/v1/changes", **headers), 401, "unauthorized")

    def test_a_hello_with_its_token_in_the_body(self):
        """That is the token which is tested, and it counts for this request only."""
        bearer = {"Authorization": f"Bearer {self.shop}"}
        for headers, token in (({}, self.shop), (bearer, self.shop), (bearer, None)):
            self.good(self.gateway.post("hello", {"client_name": "x", "token": token}, **headers))
            self.good(self.gateway.post("hello", ["x", {"token": token}], **headers))
            self.problem(self.gateway.post("ping"), 401, "unauthorized")
        for token in ("bad", "", "b\0d", self.shop + "\0", "x" * 257, "x" * 5000):
            for body in ({"client_name": "x", "token": token}, ["x", {"token": token}]):
                self.problem(self.gateway.post("hello", body), 401, "unauthorized")
                self.problem(self.gateway.post("hello", body, **bearer), 400, "bad_request",
                             "token")

    def test_a_hello_does_not_test_the_gateways_token(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(self.shop)
            file.flush()
            gateway = Gateway(self.server.unix, "--token-file", file.name)
        self.addCleanup(gateway.close)
        self.good(gateway.post("hello", {"client_name": "x"}))
        self.problem(gateway.post("hello", {"token": "bad"}), 401, "unauthorized")
        self.good(gateway.post("hello", {"token": self.desk}))

    def test_rights_are_the_tokens_own(self):
        sku = unique("SKU")
        self.problem(self.receive(self.shop, sku), 403, "forbidden")
        self.good(self.receive(self.desk, sku))
        self.problem(self.reserve(self.desk, sku), 403, "forbidden")
        self.good(self.reserve(self.shop, sku))
        self.problem(self.gateway.get("/v1/availability/secret?sku=A",
                                      Authorization=f"Bearer {self.shop}"), 403, "forbidden")

    def test_rights_do_not_mix(self):
        """Two tokens at once, on all threads and connections."""
        sku = unique("SKU")
        self.good(self.receive(self.desk, sku))
        wrong = []

        def work(token, may, may_not):
            for _ in range(30):
                if may(token, sku).status not in (200, 422):
                    wrong.append((may, "refused"))
                if may_not(token, sku).status != 403:
                    wrong.append((may_not, "done"))
        threads = [threading.Thread(target=work, args=args) for args in
                   [(self.desk, self.receive, self.reserve),
                    (self.shop, self.reserve, self.receive)] * 3]
        for thread in threads:
            thread.start()
        for thread in threads:
            join(thread, "a client")
        self.assertEqual(wrong, [])

    def test_a_token_over_its_rate(self):
        def limited():
            answer = self.ask(self.slow, "locations", {})
            return answer if answer.status == 429 else None
        answer = wait_until(limited, what="a refusal of a token over its rate")
        self.problem(answer, 429, "overloaded")
        self.assertGreater(int(answer.headers["Retry-After"]), 0)

    def test_the_journal_names_the_token(self):
        sku = unique("SKU")
        self.good(self.receive(self.desk, sku))
        events = self.good(self.ask(self.admin, "history", {"sku": sku}))["events"]
        self.assertIn("desk/stock-gateway", {e["client"] for e in events})

    def test_a_stream_has_its_tokens_channel_only(self):
        bearer = f"Bearer {self.shop}"
        self.problem(self.gateway.get("/v1/changes", Authorization=bearer), 403, "forbidden")
        stream = self.stream("/v1/changes?channel=default", Authorization=bearer)
        sku = unique("SKU")
        self.good(self.receive(self.desk, sku))
        stream.wait_data(sku=sku)

    def test_a_token_that_is_revoked(self):
        token = self.add("brief", "--can", "read", "--channels", "*", "--locations", "*")
        os.kill(self.server.pid, signal.SIGHUP)
        wait_until(lambda: self.ask(token, "locations", {}).status == 200, what="the new token")
        done = run_program("stockctl", "token", "revoke", "brief", "--tokens", self.tokens)
        self.assertEqual(done.code, 0, done)
        os.kill(self.server.pid, signal.SIGHUP)
        wait_until(lambda: self.ask(token, "locations", {}).status == 401, what="its end")
        self.problem(self.ask(token, "locations", {}), 401, "unauthorized")


if __name__ == "__main__":
    main()
