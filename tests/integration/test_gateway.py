# SPDX-License-Identifier: Apache-2.0
"""stock-gateway: methods, questions and errors over HTTP, as the engine means them."""

import json
import os
import shlex
import tempfile

from gateway_case import Gateway, GatewayTestCase, quote
from stockd_harness import SOURCE_ROOT, Server, main, run_program, unique, wait_until


class Methods(GatewayTestCase):
    def test_an_order_from_receive_to_fulfil(self):
        sku, order = unique("SKU"), unique("o")
        self.assertEqual(self.good(self.gateway.post("receive", {
            "id": unique("r"), "sku": sku, "location": "main", "qty": 5}))["on_hand"], 5)
        held = self.good(self.gateway.post("reserve", {
            "id": order, "channel": "default", "lines": [[sku, 2]], "ttl_ms": 60000}))
        self.assertEqual(held["state"], "held")
        self.assertEqual(held["lines"][0][:3], [sku, "main", 2])
        self.assertEqual(self.good(self.gateway.post("confirm", {"id": order}))["state"],
                         "confirmed")
        self.assertEqual(self.good(self.gateway.post("fulfil", {"id": order}))["state"],
                         "fulfilled")
        self.assertEqual(self.figures(sku), (3, 0, 3))

    def test_a_200_is_the_engines_own_reply(self):
        sku = self.stocked(5)
        for method, body in (("stock", {"sku": sku}), ("item", {"sku": sku}), ("locations", {}),
                             ("availability", {"channel": "default", "skus": [sku, "none"]})):
            said = self.good(self.gateway.post(method, body))
            own = self.call(method, *body.values())
            self.assertEqual(said, own)
        self.assertEqual(self.good(self.gateway.post("ping")), "pong")

    def test_a_list_is_the_positional_form(self):
        sku = unique("SKU")
        self.good(self.gateway.post("receive", [unique("r"), sku, "main", 3, {"ref": "x"}]))
        order = unique("o")
        self.good(self.gateway.post("reserve", [order, "default", [[sku, 1]], {"confirm": True}]))
        self.assertEqual(self.state(order), "confirmed")

    def test_lines_may_be_objects(self):
        sku = self.stocked(5)
        order = unique("o")
        self.good(self.gateway.post("reserve", {
            "id": order, "channel": "default",
            "lines": [{"sku": sku, "qty": 1}, {"sku": sku, "qty": 1, "location": "main"}]}))
        self.assertEqual(self.figures(sku), (5, 2, 3))

    def test_strings_arrive_as_they_are(self):
        sku = "ünï/" + unique("☕\"\\")
        self.good(self.gateway.post("receive", {"id": unique("r"), "sku": sku, "location": "main",
                                                "qty": 1}))
        said = self.good(self.gateway.get(f"/v1/items/{quote(sku)}"))
        self.assertEqual((said["sku"], said["on_hand"]), (sku, 1))

    def test_hello_does_not_rename_the_gateway(self):
        said = self.good(self.gateway.post("hello", {"client_name": "mallory"}))
        for body in ({"client_name": "x", "token": "bad"}, ["x", {"token": "bad"}]):
            self.problem(self.gateway.post("hello", body), 401, "unauthorized")
        self.assertEqual((said["server"], said["protocol"]), ("stockd", 1))
        sku = unique("SKU")
        self.good(self.gateway.post("receive", {"id": unique("r"), "sku": sku, "location": "main",
                                                "qty": 1}))
        clients = {e["client"] for e in self.call("history", sku)["events"] if e["client"]}
        self.assertEqual(clients, {"stock-gateway"})

    def test_an_answer_that_is_large(self):
        sku = self.stocked(1)
        wanted = [sku] * 4000
        said = self.good(self.gateway.post("availability", {"channel": "default", "skus": wanted}))
        self.assertEqual(said["stock"], [1] * 4000)


class Questions(GatewayTestCase):
    def test_availability(self):
        one, two = self.stocked(3), self.stocked(4)
        said = self.good(self.gateway.get(
            f"/v1/availability/default?sku={one}&sku={two}&sku=none&sku={one}"))
        self.assertEqual(said["stock"], {one: 3, two: 4, "none": None})
        self.assertIsInstance(said["lsn"], int)

    def test_availability_refuses(self):
        get = self.gateway.get
        self.problem(get("/v1/availability/nowhere?sku=a"), 404, "unknown_channel")
        self.problem(get("/v1/availability/default"), 400, "bad_request", "sku")
        self.problem(get("/v1/availability/default?sku=%ff"), 400, "bad_request", "sku")
        self.problem(get("/v1/availability/default?sku=a%0"), 400, "bad_request", "sku")
        self.problem(get("/v1/availability/default?sku=" + "x" * 65), 400, "bad_request")
        self.problem(get("/v1/availability/default?sku=a&item=b"), 400, "bad_request", "item")
        self.problem(get("/v1/availability/a%20b?sku=a"), 400, "bad_request")

    def test_a_sku_with_a_nul(self):
        """It is UTF-8 like any other."""
        sku, other = unique("NUL") + "\0x", unique("NUL")
        for number, of in ((3, sku), (4, other), (5, sku[:-2])):
            body = {"id": unique("in"), "sku": of, "location": "main", "qty": number}
            self.assertEqual(self.good(self.gateway.post("receive", body))["on_hand"], number)
        self.assertEqual(self.call("availability", "default", [sku, other])["stock"], [3, 4])
        said = self.good(self.gateway.get(f"/v1/availability/default?sku={quote(sku)}&sku={quote(sku[:-2])}"))
        self.assertEqual(said["stock"], {sku: 3, sku[:-2]: 5})
        self.assertEqual(self.good(self.gateway.get("/v1/items/" + quote(sku)))["sku"], sku)
        self.problem(self.gateway.get(f"/v1/availability/default%00?sku={quote(sku)}"), 400, "bad_request")
        self.problem(self.gateway.get("/v1/changes?channel=default%00"), 400, "bad_request", "channel")

    def test_an_item(self):
        sku = self.stocked(3)
        self.call("item_set", sku, {"name": "Cup", "barcode": "123"})
        said = self.good(self.gateway.get(f"/v1/items/{sku}"))
        self.assertEqual((said["sku"], said["name"], said["on_hand"], said["available"]),
                         (sku, "Cup", 3, 3))
        self.assertEqual(said["pools"][0]["location"], "main")
        self.problem(self.gateway.get("/v1/items/none"), 404, "unknown_sku")

    def test_a_reservation(self):
        order = self.reserved([[self.stocked(3), 1]])
        self.assertEqual(self.good(self.gateway.get(f"/v1/reservations/{order}")),
                         self.call("reservation", order))
        self.problem(self.gateway.get("/v1/reservations/none"), 404, "unknown_reservation")

    def test_documents(self):
        said = self.good(self.gateway.get("/v1/openapi.json"))
        self.assertEqual(said["openapi"], "3.1.0")
        self.assertEqual(self.good(self.gateway.get("/healthz"))["status"], "ok")
        head = self.gateway.request("HEAD", "/v1/openapi.json")
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertGreater(int(head.headers["Content-Length"]), 1000)

    def test_what_is_not_there(self):
        self.problem(self.gateway.get("/nowhere"), 404, "not_found")
        self.problem(self.gateway.get("/console/../app.js"), 404, "not_found")
        self.problem(self.gateway.get("/v1/items/"), 404, "not_found")
        self.problem(self.gateway.post("nothing"), 404, "unknown_method")
        answer = self.gateway.get("/v1/reserve")
        self.problem(answer, 405, "method_not_allowed")
        self.assertIn("POST", answer.headers["Allow"])
        answer = self.gateway.request("DELETE", "/v1/items/A")
        self.problem(answer, 405, "method_not_allowed")
        self.assertIn("GET", answer.headers["Allow"])


class Refusals(GatewayTestCase):
    def reserve(self, lines, order=None, **more):
        return self.gateway.post("reserve", {"id": order or unique("o"), "channel": "default",
                                             "lines": lines, **more})

    def test_statuses(self):
        sku = self.stocked(3)
        said = self.problem(self.reserve([[sku, 4]]), 422, "insufficient_stock")
        self.assertEqual(said["details"]["lines"], [{"sku": sku, "wanted": 4, "available": 3}])
        self.problem(self.reserve([["none", 1]]), 404, "unknown_sku")
        order = unique("o")
        self.good(self.reserve([[sku, 1]], order))
        self.problem(self.reserve([[sku, 2]], order), 409, "conflict")
        self.good(self.gateway.post("cancel", {"id": order}))
        said = self.problem(self.gateway.post("fulfil", {"id": order}), 409, "wrong_state")
        self.assertEqual(said["details"]["state"], "cancelled")
        self.problem(self.gateway.post("adjust", {
            "id": unique("a"), "sku": sku, "location": "main", "delta": 1, "if_on_hand": 99}),
            409, "stale")
        self.problem(self.reserve([[sku, 1]] * 1025), 413, "too_large")

    def test_what_is_wrong_is_named(self):
        post = self.gateway.post
        self.problem(post("confirm", {"id": 5}), 400, "bad_request", "id")
        self.problem(post("confirm", {}), 400, "bad_request", "id")
        self.problem(post("confirm", {"id": "a", "colour": 1}), 400, "bad_request", "colour")
        self.problem(post("confirm", '{"id":"a","id":"b"}'), 400, "bad_request", "id")
        self.problem(post("changes", {"since_lsn": 2**64}), 400, "bad_request", "since_lsn")
        self.problem(post("changes", {"since_lsn": -1}), 400, "bad_request", "since_lsn")
        self.problem(post("confirm", b'{"id":"\xff"}'), 400, "bad_request")
        self.problem(post("confirm", b"not json"), 400, "bad_request")
        self.problem(post("confirm", b"[" * 100000), 400, "bad_request")

    def test_numbers_beyond_2_53(self):
        said = self.good(self.gateway.post("changes", {"since_lsn": 2**63 - 1}))
        self.assertTrue(said["resync"])
        sku, big = self.stocked(1), 2**53 + 1
        self.call("item_set", sku, {"low_stock": 1})
        at = self.gateway.post("stock", {"sku": sku, "at_ms": big})
        self.assertEqual(at.status, 200, at)
        self.problem(self.gateway.post("stock", {"sku": sku, "at_lsn": big}), 400, "bad_request")


class Keys(GatewayTestCase):
    def test_the_key_is_the_id(self):
        sku = self.stocked(5)
        key = unique("key")
        body = {"channel": "default", "lines": [[sku, 2]]}
        first = self.good(self.gateway.post("reserve", body, Idempotency_Key=key))
        again = self.good(self.gateway.post("reserve", body, Idempotency_Key=f'"{key}"'))
        self.assertEqual(first, again)
        self.assertEqual(self.state(key), "held")
        self.assertEqual(self.figures(sku), (5, 2, 3))
        body["lines"] = [[sku, 1]]
        self.problem(self.gateway.post("reserve", body, Idempotency_Key=key), 409, "conflict")

    def test_the_bodys_id_comes_first(self):
        order = unique("o")
        self.good(self.gateway.post("reserve", {
            "id": order, "channel": "default", "lines": [[self.stocked(1), 1]]},
            Idempotency_Key=unique("key")))
        self.assertEqual(self.state(order), "held")

    def test_the_key_of_a_step_is_its_op(self):
        sku = self.stocked(5)
        order = self.reserved([[sku, 4]], confirm=True)
        key = unique("key")
        for _ in range(3):
            self.good(self.gateway.post("fulfil", {"id": order, "lines": [[sku, 1]]},
                                        Idempotency_Key=key))
        self.assertEqual(self.figures(sku), (4, 3, 1))
        for _ in range(2):
            self.good(self.gateway.post("fulfil", {"id": order}, Idempotency_Key=unique("key")))

    def test_a_key_that_is_no_id(self):
        for key in ("", '""', "x" * 41):
            self.problem(self.gateway.post("confirm", {}, Idempotency_Key=key), 400, "bad_request",
                         "Idempotency-Key")
        self.problem(self.gateway.post("confirm", {}, Idempotency_Key="none"), 404,
                     "unknown_reservation")


class Tokens(GatewayTestCase):
    """An engine without tokens refuses whoever bears one; whether rights are right is its affair."""

    def test_a_token_goes_to_the_engine(self):
        for _ in range(2):
            answer = self.gateway.post("ping", Authorization="Bearer abc")
            self.problem(answer, 401, "unauthorized")
            self.assertEqual(answer.headers["WWW-Authenticate"], "Bearer")
        self.problem(self.gateway.get("/v1/items/A", Authorization="Bearer abc"), 401,
                     "unauthorized")
        self.problem(self.gateway.get("/v1/changes", Authorization="Bearer abc"), 401,
                     "unauthorized")
        self.good(self.gateway.post("ping"))

    def test_other_schemes_are_refused(self):
        for given in ("Basic YTpi", "Bearer", "Bearer ", "abc"):
            self.problem(self.gateway.post("ping", Authorization=given), 401, "unauthorized")
        self.problem(self.gateway.post("ping", Authorization="Bearer " + "x" * 300), 401,
                     "unauthorized")

    def test_many_wrong_tokens_do_not_fill_the_gateway(self):
        for i in range(100):
            self.problem(self.gateway.post("ping", Authorization=f"Bearer {i}"), 401,
                         "unauthorized")
        self.assertLess(self.gateway.fd_count(), 100)

    def test_the_gateways_own_token(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("secret\n")
            file.flush()
            gateway = Gateway(self.server.unix, "--token-file", file.name)
            self.addCleanup(gateway.close)
            self.problem(gateway.post("ping"), 401, "unauthorized")


class Origins(GatewayTestCase):
    def test_a_preflight_is_answered(self):
        answer = self.gateway.request("OPTIONS", "/v1/reserve", headers={
            "Origin": "https://shop.example", "Access-Control-Request-Method": "POST"})
        self.assertEqual(answer.status, 204)
        self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "*")
        self.assertIn("Idempotency-Key", answer.headers["Access-Control-Allow-Headers"])
        self.assertIn("POST", answer.headers["Access-Control-Allow-Methods"])

    def test_a_page_may_ask_and_not_change(self):
        sku, page = self.stocked(1), "https://shop.example"
        answer = self.gateway.get(f"/v1/availability/default?sku={sku}", Origin=page)
        self.good(answer)
        self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "*")
        body = {"id": unique("a"), "sku": sku, "location": "main", "delta": 1}
        self.problem(self.gateway.post("adjust", body, Origin=page), 403, "forbidden")
        self.assertEqual(self.figures(sku)[0], 1)
        own = f"http://{self.gateway.address}"
        self.good(self.gateway.post("adjust", body, Origin=own))

    def test_listed_origins(self):
        gateway = Gateway(self.server.unix, "--cors", "https://a.example,https://b.example")
        self.addCleanup(gateway.close)
        answer = gateway.post("ping", Origin="https://b.example")
        self.good(answer)
        self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "https://b.example")
        self.assertEqual(answer.headers["Vary"], "Origin")
        self.problem(gateway.post("ping", Origin="https://c.example"), 403, "forbidden")


class Pages(GatewayTestCase):
    """The curl lines of the pages, without curl, and with this gateway's address."""

    def curl_lines(self, *path):
        with open(os.path.join(SOURCE_ROOT, *path), encoding="utf-8") as file:
            text = file.read().replace("\\\n", " ")
        lines = [shlex.split(line) for line in text.split("\n") if line.startswith("    curl ")]
        self.assertTrue(lines, path)
        for words in lines:
            url = next((word for word in words if word.startswith("127.0.0.1:8080/")), None)
            if url is None:
                continue  # of another port
            body = words[words.index("-d") + 1] if "-d" in words else None
            yield url.partition(":8080")[2], body

    def run_lines(self, *path):
        for target, body in self.curl_lines(*path):
            if target in ("/v1/changes", "/v1/events"):
                self.assertEqual(self.stream(target).status, 200)
            else:
                self.good(self.gateway.request("POST" if body else "GET", target, body))

    def test_the_page_of_http(self):
        self.run_lines("docs", "HTTP.md")

    def test_the_readme(self):
        self.call("receive", unique("r"), "MUG-RED", "main", 10)
        self.run_lines("README.md")


class Options(GatewayTestCase):
    def refuses(self, *args, names):
        done = run_program("stock-gateway", *args)
        self.assertEqual(done.code, 2, done)
        self.assertEqual(len(done.err_lines), 1, done.err)
        self.assertIn(names, done.err)

    def test_bad_options(self):
        self.refuses("--nonsense", "1", names="--nonsense")
        self.refuses("--threads", "0", names="--threads")
        self.refuses("--threads", "1x", names="--threads")
        for origins, names in (("", '""'), ("shop.example", "shop.example"), ("null", "null"),
                               ("https://a.example,", '""'), ("https://a.example/", "no path"),
                               ("https://a.example:443", "443"), ("http://*.example", "no path")):
            self.refuses("--cors", origins, names=names)
        self.refuses("--listen", names="--listen")
        self.refuses("--listen", "nothing", names="nothing")
        self.refuses("--listen", self.gateway.address, names="in use")
        self.refuses("--engine", "nothing", names="nothing")
        self.refuses("--token-file", "/nonexistent", names="/nonexistent")
        with tempfile.NamedTemporaryFile() as empty:
            self.refuses("--token-file", empty.name, names="token")

    def test_help_and_version(self):
        self.assertIn("--engine", run_program("stock-gateway", "--help").out)
        self.assertIn("stock-gateway ", run_program("stock-gateway", "--version").out)

    def test_the_ready_file_goes_with_it(self):
        gateway = Gateway(self.server.unix)
        path = gateway.ready_file
        self.assertTrue(os.path.exists(path))
        self.assertEqual(gateway.stop(), 0)
        self.assertFalse(os.path.exists(path))
        gateway.close()


class Connections(GatewayTestCase):
    def test_many_requests_on_one_connection(self):
        sku = self.stocked(1)
        connection = self.gateway.connect()
        self.addCleanup(connection.close)
        for _ in range(200):
            said = self.gateway.request("GET", f"/v1/availability/default?sku={sku}",
                                        connection=connection)
            self.assertEqual(self.good(said)["stock"], {sku: 1})
            self.good(self.gateway.request("POST", "/v1/ping", b"", connection=connection))

    def test_requests_may_be_pipelined(self):
        sock = self.gateway.raw()
        self.addCleanup(sock.close)
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 20 +
                     b"POST /v1/ping HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        said = b""
        while b'"pong"' not in said:
            more = sock.recv(65536)
            self.assertTrue(more, said)
            said += more
        self.assertEqual(said.count(b"HTTP/1.1 200"), 21)

    def test_a_chunked_body(self):
        connection = self.gateway.connect()
        self.addCleanup(connection.close)
        body = json.dumps({"channel": "default", "skus": ["a" * 60] * 100}).encode()
        connection.request("POST", "/v1/availability",
                           iter([body[i:i + 7] for i in range(0, len(body), 7)]),
                           encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
        response = connection.getresponse()
        self.assertEqual(response.status, 200)
        self.assertEqual(json.loads(response.read())["stock"], [None] * 100)


class NoEngine(GatewayTestCase):
    def test_an_engine_that_is_not_there(self):
        gateway = Gateway("127.0.0.1:1")
        self.addCleanup(gateway.close)
        answer = gateway.post("ping")
        self.problem(answer, 503, "engine_away")
        self.assertTrue(int(answer.headers["Retry-After"]) > 0)
        self.problem(gateway.get("/v1/changes"), 503, "engine_away")
        self.good(gateway.get("/v1/openapi.json"))

    def test_an_engine_that_comes_back(self):
        with Server() as server:
            gateway = Gateway(server.unix)
            self.addCleanup(gateway.close)
            body = {"id": "r-1", "sku": "A", "location": "main", "qty": 7}
            self.good(gateway.post("receive", body))
            server.kill()
            connection = gateway.connect()
            self.addCleanup(connection.close)
            for _ in range(3):
                answer = gateway.request("GET", "/v1/items/A", connection=connection)
                self.problem(answer, 503, "engine_away")
            server.start()
            said = wait_until(lambda: (lambda a: a.status == 200 and a.json)(
                gateway.get("/v1/items/A")), what="an answer after the engine came back")
            self.assertEqual(said["on_hand"], 7)
            self.good(gateway.post("receive", body))


if __name__ == "__main__":
    main()
