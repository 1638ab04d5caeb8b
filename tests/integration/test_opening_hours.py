# SPDX-License-Identifier: Apache-2.0
"""Orders are promised by the opening hours from the first one after a start."""

import datetime
import json

from stockd_harness import Server, StockdTestCase, main, run_program, unique

SEGMENT = 64 << 10


class OpeningHours(StockdTestCase):
    def test_the_first_order_after_a_start_knows_them(self):
        opens = datetime.datetime.now(datetime.timezone.utc).date() + datetime.timedelta(days=3)
        at_ten = datetime.datetime.combine(opens, datetime.time(10), datetime.timezone.utc)
        wanted = int(at_ten.timestamp()) * 1000
        many = [unique("SKU") for _ in range(1000)]  # more than a segment: else nothing is compacted
        with Server("--segment-bytes", str(SEGMENT), "--compact-bytes", "0") as server:
            with server.client() as client:
                client.call(
                    "calendar_set", "hours", {"week": [], "extra": [[opens.isoformat(), 600, 720]]}
                )
                client.call("location_set", "main", {"calendar": "hours"})
                client.call("receive", unique("r"), "tea", "main", 10)
                for sku in many:
                    client.call("item_set", sku, {"name": "x" * 100})
                self.assertEqual(self.ready_ms(client), wanted)
            for how in ("journal", "snapshot"):
                with self.subTest(how=how):
                    if how == "snapshot":
                        done = run_program("stock-journal", "compact", server.data, "--json")
                        self.assertTrue(json.loads(done.out)["written"], done)
                    server.restart(kill=True)
                    with server.client() as client:
                        self.assertEqual(self.ready_ms(client), wanted)

    def test_never_ready_is_nil_in_every_reply(self):
        with Server() as server, server.client() as client:
            client.call("calendar_set", "never", {"week": []})
            client.call("location_set", "main", {"calendar": "never"})
            client.call("receive", unique("r"), "tea", "main", 10)
            order = unique("o")
            line = ["tea", "main", 1, None]
            self.assertEqual(client.call("reserve", order, "default", [["tea", 1]])["lines"], [line])
            self.assertEqual(client.call("promise", "default", [["tea", 1]])["lines"], [line])
            self.assertEqual(client.call("reservation", order)["lines"], [[*line, 0, 0]])
            option = client.call("locate", "default", [["tea", 1]])["options"][0]
            self.assertIsNone(option["ready_ms"])

    def ready_ms(self, client):
        return client.call("reserve", unique("o"), "default", [["tea", 1]])["lines"][0][3]


if __name__ == "__main__":
    main()
