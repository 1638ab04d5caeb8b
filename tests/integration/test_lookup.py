# SPDX-License-Identifier: Apache-2.0
"""The contract: lookup, by barcode, else by sku."""

import json

from stockd_harness import Server, StockdTestCase, main, run_program, unique


SEGMENT = 64 << 10


class Lookup(StockdTestCase):
    def test_lookup_by_barcode_else_by_sku(self):
        sku, other, code = unique("ITEM"), unique("ITEM"), unique("40")
        self.call("item_set", sku, {"name": "Umbrella, röd", "barcode": code})
        self.call("item_set", other, {"barcode": sku})
        got = self.call("lookup", code)
        self.assertGreater(got.pop("lsn"), 0)
        self.assertEqual(got, {"sku": sku, "name": "Umbrella, röd", "unit": None, "decimals": 0})
        self.assertEqual(self.call("lookup", code.encode())["sku"], sku, "a bin is a string too")
        got = self.call("lookup", other)
        self.assertEqual((got["sku"], got["name"]), (other, None))
        self.assertEqual(self.call("lookup", sku)["sku"], other, "a barcode comes before a sku")
        self.call("item_set", other, {"barcode": ""})
        self.assertEqual(self.call("lookup", sku)["sku"], sku)
        longest = unique("9").ljust(128, "9")
        self.call("item_set", other, {"barcode": longest})
        self.assertEqual(self.call("lookup", longest)["sku"], other)
        self.assertIn(longest[:-1], self.refused("unknown_sku", "lookup", longest[:-1]).message)

    def test_lookup_refuses(self):
        ghost = unique("GHOST")
        error = self.refused("unknown_sku", "lookup", ghost)
        self.assertEqual(error.message, f'no item has the barcode or sku "{ghost}"')
        self.assertEqual(error.details, {"sku": ghost})
        for code in ("", "9" * 129, b"\xff", 4006381333931, None, ["4"]):
            self.refused("bad_request", "lookup", code, names="code")
        self.refused("bad_request", "lookup", names="code")
        self.refused("bad_request", "lookup", ghost, {"colour": 1})

    def test_lookup_finds_the_first_of_several_items_over_restarts(self):
        first, second, third = (unique("ITEM") for _ in range(3))
        code, moved = unique("40"), unique("41")
        many = [unique("SKU") for _ in range(1000)]  # more than a segment: else nothing is compacted
        with Server("--segment-bytes", str(SEGMENT), "--compact-bytes", "0") as server:
            with server.client() as client:
                for sku in (first, second, third):
                    client.call("receive", unique("r"), sku, "main", 1)
                for sku in (third, second, first):
                    client.call("item_set", sku, {"barcode": code})
                self.assertEqual(client.call("lookup", code)["sku"], first)
                client.call("item_set", first, {"barcode": moved})
                for sku in many:
                    client.call("item_set", sku, {"name": "x" * 100, "barcode": f"B{sku}"})
            for how in ("journal", "snapshot"):
                with self.subTest(how=how):
                    if how == "snapshot":
                        done = run_program("stock-journal", "compact", server.data, "--json")
                        self.assertTrue(json.loads(done.out)["written"], done)
                    server.restart(kill=True)
                    with server.client() as client:
                        self.assertEqual(client.call("lookup", code)["sku"], second)
                        self.assertEqual(client.call("lookup", moved)["sku"], first)
                        found = [client.call("lookup", f"B{sku}")["sku"] for sku in many]
                        self.assertEqual(found, many)
                        client.call("item_set", second, {"barcode": how})
                        self.assertEqual(client.call("lookup", code)["sku"], third)
                        client.call("item_set", second, {"barcode": code})


if __name__ == "__main__":
    main()
