# SPDX-License-Identifier: Apache-2.0
"""Server-sent events of stock-gateway: nothing is missed, whatever is cut."""

from gateway_case import Gateway, GatewayTestCase, Stream
from stockd_harness import Server, main, unique, wait_until


def rows(stream):
    return [(d["sku"], d["available"], d["lsn"]) for d in stream.data()]


class Changes(GatewayTestCase):
    def receive(self, sku, qty=1):
        return self.call("receive", unique("r"), sku, "main", qty)["lsn"]

    def test_what_changes_comes_at_once(self):
        sku = self.stocked(1)
        stream = self.stream("/v1/changes")
        self.assertEqual(stream.response.headers["Content-Type"], "text/event-stream")
        lsn = self.receive(sku, 4)
        said = stream.wait_data(sku=sku, available=5)
        self.assertEqual(said, {"channel": "default", "sku": sku, "available": 5, "lsn": lsn})
        self.assertEqual(stream.data()[0]["sku"], sku, "from now on: nothing that was before")

    def test_from_the_beginning(self):
        skus = [self.stocked(2) for _ in range(20)]
        stream = self.stream("/v1/changes?since_lsn=0")
        for sku in skus:
            stream.wait_data(sku=sku, available=2)
        lsns = [lsn for _, _, lsn in rows(stream)]
        self.assertEqual(lsns, sorted(lsns))

    def test_a_position_is_never_ahead_of_what_was_sent(self):
        stream = self.stream("/v1/changes")
        sku = unique("SKU")
        for _ in range(50):
            last = self.receive(sku)
        stream.wait_data(sku=sku, lsn=last)
        stream.wait(lambda s: int(s.last_id) >= last, "the last position")
        seen = 0
        for event in stream.events:
            self.assertGreaterEqual(event["data"]["lsn"], int(event["id"]))
            self.assertGreaterEqual(int(event["id"]), seen)
            seen = int(event["id"])

    def test_resume_by_last_event_id(self):
        first = self.stream("/v1/changes")
        sku = self.stocked(1)
        first.wait_data(sku=sku)
        first.wait(lambda s: s.last_id and s.last_id != "0", "a position")
        first.close()
        lost = [self.stocked(1) for _ in range(30)]
        second = self.stream("/v1/changes", Last_Event_ID=first.last_id)
        for sku in lost:
            second.wait_data(sku=sku)
        self.assertEqual({sku for sku, _, _ in rows(second)}, set(lost), "no row is sent again")

    def test_the_header_stands_above_the_query(self):
        before = self.stocked(1)
        lsn = self.receive(before)
        after = self.stocked(1)
        stream = self.stream("/v1/changes?since_lsn=0", Last_Event_ID=str(lsn))
        stream.wait_data(sku=after)
        self.assertNotIn(before, [sku for sku, _, _ in rows(stream)])

    def test_only_one_channel(self):
        channel = unique("ch")
        self.call("channel_set", channel)
        stream = self.stream(f"/v1/changes?channel={channel}")
        sku = self.stocked(3)
        stream.wait_data(sku=sku)
        self.assertEqual({d["channel"] for d in stream.data()}, {channel})

    def test_a_position_of_another_journal(self):
        sku = self.stocked(1)
        stream = self.stream("/v1/changes", Last_Event_ID=str(2**62))
        stream.wait(lambda s: s.data("resync"), "a resync")
        stream.wait_data(sku=sku)

    def test_by_post(self):
        stream = self.stream("/v1/subscribe", verb="POST", body="{}")
        self.assertEqual(stream.response.headers["Content-Type"], "text/event-stream")
        sku = self.stocked(1)
        stream.wait_data(sku=sku)

    def test_refusals(self):
        get = self.gateway.get
        self.problem(get("/v1/changes?channel=nowhere"), 404, "unknown_channel")
        self.problem(get("/v1/changes?since_lsn=x"), 400, "bad_request", "since_lsn")
        self.problem(get("/v1/changes?colour=x"), 400, "bad_request", "colour")
        self.problem(get("/v1/changes", Last_Event_ID="x"), 400, "bad_request", "Last-Event-ID")
        self.problem(get("/v1/changes", Last_Event_ID="-1"), 400, "bad_request", "Last-Event-ID")
        self.problem(get("/v1/events?types=nothing"), 400, "bad_request")
        self.problem(self.gateway.post("subscribe", {"channel": 5}), 400, "bad_request", "channel")


class Events(GatewayTestCase):
    def sell_out(self):
        sku = self.stocked(1)
        order = self.reserved([[sku, 1]])
        return sku, order

    def test_events_come_and_resume(self):
        first = self.stream("/v1/events")
        sku, order = self.sell_out()
        said = first.wait_data(type="sold_out", sku=sku)
        self.assertEqual((said["channel"], said["qty"]), ("default", 0))
        first.wait(lambda s: s.last_id and int(s.last_id) >= said["lsn"], "its position")
        first.close()
        self.call("cancel", order)
        second = self.stream("/v1/events", Last_Event_ID=first.last_id)
        second.wait_data(type="back_in_stock", sku=sku)
        self.assertFalse([d for d in second.data() if d["type"] == "sold_out"], second.events)

    def test_only_some_types(self):
        stream = self.stream("/v1/events?types=back_in_stock&types=late")
        sku, order = self.sell_out()
        watcher = self.stream("/v1/events?since_lsn=0")
        watcher.wait_data(type="sold_out", sku=sku)
        self.call("cancel", order)
        stream.wait_data(type="back_in_stock", sku=sku)
        self.assertEqual({d["type"] for d in stream.data()}, {"back_in_stock"})

    def test_events_of_one_lsn_come_whole(self):
        """An arrival of four lines with overages has four events at one LSN; whoever is cut off
        within them gets them again."""
        skus = [self.stocked(1) for _ in range(4)]
        supply = unique("po")
        self.call("expect", supply, "main", [[sku, 1] for sku in skus])
        stream = self.stream("/v1/events?types=overage")
        self.call("arrive", supply, [[sku, 3] for sku in skus])
        stream.wait(lambda s: len(s.data()) >= 4, "four overages")
        self.assertEqual(len({d["lsn"] for d in stream.data()}), 1, stream.events)
        ids = [e["id"] for e in stream.events]
        lsn = str(stream.data()[0]["lsn"])
        self.assertEqual([i == lsn for i in ids], [False, False, False, True])
        again = self.stream("/v1/events?types=overage", Last_Event_ID=ids[1])
        again.wait(lambda s: len(s.data()) >= 4, "the four overages again")

    def test_by_post(self):
        stream = self.stream("/v1/subscribe", verb="POST",
                             body='{"events":["sold_out"],"channel":"default"}')
        sku, _ = self.sell_out()
        stream.wait_data(type="sold_out", sku=sku)


class Lives(GatewayTestCase):
    gateway_options = ("--max-streams", 8, "--threads", 2)

    def test_the_engine_is_killed_and_comes_back(self):
        with Server() as server:
            gateway = Gateway(server.unix)
            self.addCleanup(gateway.close)
            stream = Stream(gateway, "/v1/changes")
            events = Stream(gateway, "/v1/events")
            self.addCleanup(stream.close)
            self.addCleanup(events.close)
            client = server.client()
            client.call("receive", "r1", "A", "main", 1)
            stream.wait_data(sku="A", available=1)
            client.close()
            server.kill()
            stream.wait(lambda s: "the engine is away" in s.comments, "a comment")
            server.start()
            client = server.client()
            self.addCleanup(client.close)
            client.call("receive", "r2", "A", "main", 2)
            client.call("reserve", "o1", "default", [["A", 3]])
            stream.wait_data(sku="A", available=0)
            events.wait_data(type="sold_out", sku="A")
            self.assertFalse(stream.ended)

    def test_streams_are_limited_and_given_back(self):
        for _ in range(3):
            streams = [Stream(self.gateway, "/v1/changes") for _ in range(20)]
            statuses = [s.status for s in streams]
            self.assertIn(200, statuses)
            self.assertIn(429, statuses)
            for stream in streams:
                stream.close()
            wait_until(lambda: self.open_streams() == 0, what="streams to be closed")

    def open_streams(self):
        return self.call("info", "feed")["feed"]["subscribers"]

    def test_a_client_that_does_not_read(self):
        """It costs the gateway a bounded buffer, and gets the newest value when it reads on."""
        sock = self.gateway.raw()
        self.addCleanup(sock.close)
        sock.sendall(b"GET /v1/changes?since_lsn=0 HTTP/1.1\r\nHost: a\r\n\r\n")
        skus = [unique("x" * 50) for _ in range(200)]
        for _ in range(20):
            for sku in skus:
                self.client.send("receive", unique("r"), sku, "main", 1)
            for sku in skus:
                self.client.receive()
        said = b""
        wanted = f'"sku":"{skus[-1]}","available":{20}'.encode()
        while wanted not in said:
            more = sock.recv(65536)
            self.assertTrue(more, "the stream ended")
            said = said[-200:] + more


if __name__ == "__main__":
    main()
