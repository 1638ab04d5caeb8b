# SPDX-License-Identifier: Apache-2.0
"""Clients of stock-gateway while the engine is killed again and again: whoever repeats a request
with the same id until it is answered has it done exactly once, and streams miss nothing."""

import http.client
import threading

from gateway_case import Gateway, Stream
from stockd_harness import StockdTestCase, join, main, unique, wait_until

CLIENTS = 6
ORDERS = 25
KILLS = 3
OPENING = 10000


class Client(threading.Thread):
    """Reserves, confirms and fulfils in two steps, each until it is answered."""

    def __init__(self, gateway, number, skus):
        super().__init__(daemon=True)
        self.gateway, self.number, self.skus = gateway, number, skus
        self.connection = gateway.connect()
        self.fulfilled = dict.fromkeys(skus, 0)
        self.failure = None
        self.repeated = 0

    def ask(self, method, body):
        while True:
            try:
                answer = self.gateway.request("POST", f"/v1/{method}", body,
                                              connection=self.connection)
            except (OSError, http.client.HTTPException):
                self.connection.close()
                continue
            if answer.status not in (429, 503):
                assert answer.status == 200, f"{method} {body}: {answer}"
                return answer.json
            self.repeated += 1

    def run(self):
        try:
            for i in range(ORDERS):
                order, sku = f"c{self.number}-{i}", self.skus[i % len(self.skus)]
                self.ask("reserve", {"id": order, "channel": "default", "lines": [[sku, 3]]})
                self.ask("confirm", {"id": order})
                self.ask("fulfil", {"id": order, "lines": [[sku, 1]], "op": order + "-1"})
                self.ask("fulfil", {"id": order})
                self.fulfilled[sku] += 3
        except BaseException as error:  # the test tells what it was
            self.failure = error
        finally:
            self.connection.close()


class Crashes(StockdTestCase):
    def test_what_is_repeated_is_done_once(self):
        gateway = Gateway(self.server.unix, "--threads", 2)
        self.addCleanup(gateway.close)
        skus = [unique("SKU") for _ in range(3)]
        for sku in skus:
            self.call("receive", unique("r"), sku, "main", OPENING)
        stream = Stream(gateway, "/v1/changes?since_lsn=0")
        self.addCleanup(stream.close)
        clients = [Client(gateway, n, skus) for n in range(CLIENTS)]
        for client in clients:
            client.start()
        for _ in range(KILLS):
            seen = len(stream.events)
            wait_until(lambda: len(stream.events) > seen + 10 or
                       not any(c.is_alive() for c in clients), what="changes to be told")
            self.server.kill()
            self.server.start()
        for client in clients:
            join(client, "a client")
        self.assertEqual([c.failure for c in clients if c.failure], [])
        self.reconnect()
        for sku in skus:
            left = OPENING - sum(c.fulfilled[sku] for c in clients)
            self.assertEqual(self.figures(sku), (left, 0, left))
            stream.wait(lambda s: [d["available"] for d in s.data() if d["sku"] == sku][-1] == left,
                        "the last value of " + sku)
        self.assertEqual(self.call("check")["broken"], 0)


if __name__ == "__main__":
    main()
