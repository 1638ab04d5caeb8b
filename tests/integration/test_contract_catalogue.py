# SPDX-License-Identifier: Apache-2.0
"""The contract, part 1: the conversation itself (ping, hello, info, forms of values) and the
catalogue.
"""

import struct

import msgpack

from stockd_harness import (
    MAX_POOL,
    RESPONSE,
    REQUEST,
    RpcError,
    Server,
    StockdTestCase,
    main,
    pack,
    unique,
)

BAD_CODES = (
    "",
    "x" * 33,
    "with space",
    "slash/es",
    "umläut",
    "semi;colon",
    "nul\0",
    "new\nline",
    b"\xff\xfe",
    "a:b",
    "a@b",
)
GOOD_CODES = ("x", "x" * 32, "A-Za-z0-9._-", "0", ".", "-", "_", "..", "Berlin.Mitte_2-a")


class FreshDirectory(StockdTestCase):
    def test_first_receive_and_reserve_need_no_set_up(self):
        with Server() as server, server.client() as client:
            locations = client.call("locations")
            self.assertEqual([entry["code"] for entry in locations["locations"]], ["main"])
            channels = client.call("channels")
            self.assertEqual([entry["code"] for entry in channels["channels"]], ["default"])
            got = client.call("receive", "r1", "COAT", "main", 3)
            self.assertEqual((got["on_hand"], got["available"]), (3, 3))
            held = client.call("reserve", "o1", "default", [["COAT", 2]])
            self.assertEqual(held["state"], "held")
            self.assertEqual([line[:3] for line in held["lines"]], [["COAT", "main", 2]])

    def test_default_sells_from_every_active_location_also_later_ones(self):
        with Server() as server, server.client() as client:
            client.call("location_set", "later", {"kind": "store"})
            client.call("receive", "r1", "COAT", "later", 3)
            self.assertEqual(client.call("availability", "default", ["COAT"])["stock"], [3])


class Conversation(StockdTestCase):
    def test_ping(self):
        self.assertEqual(self.call("ping"), "pong")

    def test_hello(self):
        got = self.call("hello", "contract test")
        self.assert_keys(got, "server", "version", "protocol", "lsn")
        self.assertIn("stockd", str(got["server"]).lower())
        self.assertTrue(got["version"])
        self.assertEqual(int(got["protocol"]), 1)

    def test_hello_with_options(self):
        self.assert_keys(
            self.call("hello", "contract test", {}), "server", "version", "protocol", "lsn"
        )

    def test_hello_with_a_token_that_nobody_checks(self):
        self.assert_keys(self.call("hello", "contract test", {"token": None}), "lsn")
        for token in ("secret", ""):
            self.refused("unauthorized", "hello", "contract test", {"token": token}, names="token")
        self.assertEqual(self.call("ping"), "pong")

    def test_hello_is_optional_and_may_be_repeated(self):
        with self.server.client() as client:
            self.assertEqual(client.call("ping"), "pong")
            client.call("hello", "late")
            client.call("hello", "again")
            self.assertEqual(client.call("ping"), "pong")

    def test_hello_bad_parameters(self):
        self.refused("bad_request", "hello", 17)
        self.refused("bad_request", "hello", "x", 17)
        self.refused("bad_request", "hello")

    def test_info_is_a_nested_map_of_figures(self):
        info = self.call("info")
        self.assert_keys(info, "lsn")
        sections = [key for key, value in info.items() if isinstance(value, dict)]
        self.assertTrue(sections, f"no section in {info!r}")
        for section in sections:
            self.assertIsInstance(self.call("info", section), dict)

    def test_info_bad_section(self):
        self.refused("bad_request", "info", 17)
        self.refused("bad_request", "info", ["x"])

    def test_unknown_method(self):
        for method in ("nonsense", "", "PING", "ping ", "x" * 300, "receive\0"):
            self.refused("unknown_method", method)
        self.assertEqual(self.call("ping"), "pong")

    def test_unknown_method_is_named(self):
        self.refused("unknown_method", "teleport", 1, 2, names="teleport")

    def test_unix_socket_speaks_the_same(self):
        with self.server.client("unix") as client:
            self.assertEqual(client.call("ping"), "pong")
            sku = unique("SKU")
            client.call("receive", unique("r"), sku, "main", 4)
            self.assertEqual(self.available(sku), 4)

    def test_lsn_grows_with_every_change_and_only_then(self):
        sku = self.stocked(100)
        for _ in range(5):
            last = self.quiet()
            self.assertEqual(self.call("stock", sku)["lsn"], last)
            changed = self.call("receive", unique("r"), sku, "main", 1)["lsn"]
            self.assertGreater(changed, last)
            last = self.call("availability", "default", [sku])["lsn"]
            self.assertGreaterEqual(last, changed)

    def test_every_reply_carries_lsn(self):
        sku = self.stocked(10)
        res = unique("res")
        for call in (
            ("hello", "x"),
            ("info",),
            ("location_set", "lsn-loc", {}),
            ("channel_set", "lsn-ch", {}),
            ("item_set", sku, {}),
            ("locations",),
            ("channels",),
            ("receive", unique("r"), sku, "main", 1),
            ("adjust", unique("a"), sku, "main", -1),
            ("count", unique("c"), sku, "main", 10),
            ("return", unique("b"), sku, "main", 1),
            ("reserve", res, "default", [[sku, 2]]),
            ("extend", res, 60000),
            ("confirm", res),
            ("reservation", res),
            ("fulfil", res, [[sku, 1]], {"op": unique("f")}),
            ("cancel", res),
            ("availability", "default", [sku]),
            ("stock", sku),
        ):
            self.assert_keys(self.call(*call), "lsn")


class Forms(StockdTestCase):
    """Strings may arrive as str or bin, integers in any width."""

    def raw_call(self, body):
        """body: the packed bytes of everything after [0, msgid."""
        self.client.send_raw(b"\x94\x00\x07" + body)
        message = self.client.receive_message()
        self.assertEqual(message[:2], [RESPONSE, 7])
        if message[2] is not None:
            raise RpcError(*message[2])
        return message[3]

    def test_strings_as_bin(self):
        sku = unique("BIN")
        got = self.call(
            b"receive", unique("r").encode(), sku.encode(), b"main", 5, {b"ref": b"po-1"}
        )
        self.assertEqual(got["on_hand"], 5)
        self.assertEqual(
            self.call("availability", b"default", [sku.encode(), sku])["stock"], [5, 5]
        )
        res = unique("res")
        self.call(
            "reserve", res.encode(), b"default", [[sku.encode(), 1, b"main"]], {b"confirm": True}
        )
        self.assertEqual(self.state(res), "confirmed")
        self.assertEqual(self.call("reservation", res.encode())["channel"], "default")

    def test_bin_and_str_are_the_same_content(self):
        sku, ident = unique("BIN"), unique("r")
        first = self.call("receive", ident, sku, "main", 5)
        again = self.call("receive", ident.encode(), sku.encode(), b"main", 5)
        self.assertEqual(again, first)
        self.assertEqual(self.figures(sku), (5, 0, 5))

    def test_results_are_str(self):
        sku = self.stocked(3)
        res = self.reserved([[sku, 1]])
        self.client.send("reservation", res)
        got = self.client.receive()[1]
        self.assertIsInstance(got["state"], str)
        self.assertIsInstance(got["lines"][0][0], str)
        self.assertTrue(all(isinstance(key, str) for key in got))

    def test_integer_widths(self):
        widths = {
            "fixint": b"\x05",
            "uint8": b"\xcc\x05",
            "uint16": b"\xcd\x00\x05",
            "uint32": b"\xce\x00\x00\x00\x05",
            "uint64": b"\xcf" + struct.pack(">Q", 5),
            "int8": b"\xd0\x05",
            "int16": b"\xd1\x00\x05",
            "int32": b"\xd2\x00\x00\x00\x05",
            "int64": b"\xd3" + struct.pack(">q", 5),
        }
        for width, packed in widths.items():
            with self.subTest(width):
                sku = unique("W")
                body = (
                    pack("receive")
                    + b"\x94"
                    + pack(unique("r"))
                    + pack(sku)
                    + pack("main")
                    + packed
                )
                got = self.raw_call(body)
                self.assertEqual((got["on_hand"], got["available"]), (5, 5))

    def test_negative_integer_widths(self):
        widths = {
            "negative fixint": b"\xfd",
            "int8": b"\xd0\xfd",
            "int16": b"\xd1\xff\xfd",
            "int32": b"\xd2\xff\xff\xff\xfd",
            "int64": b"\xd3" + struct.pack(">q", -3),
        }
        for width, packed in widths.items():
            with self.subTest(width):
                sku = self.stocked(10)
                body = (
                    pack("adjust") + b"\x94" + pack(unique("a")) + pack(sku) + pack("main") + packed
                )
                self.assertEqual(self.raw_call(body)["on_hand"], 7)

    def test_msgid_and_type_widths(self):
        for msgid in (0, 1, 127, 128, 255, 256, 65535, 65536, 2**32 - 1):
            self.client.send_raw(pack([REQUEST, msgid, "ping", []]))
            self.assertEqual(self.client.receive_message(), [RESPONSE, msgid, None, "pong"])
        for header in (
            b"\x94\xcc\x00",
            b"\x94\xd3" + bytes(8),
            b"\xdc\x00\x04\x00",
            b"\xdd\x00\x00\x00\x04\x00",
        ):
            for msgid in (b"\xcf" + struct.pack(">Q", 9), b"\xd2\x00\x00\x00\x09", b"\x09"):
                self.client.send_raw(header + msgid + pack("ping") + b"\x90")
                self.assertEqual(self.client.receive_message(), [RESPONSE, 9, None, "pong"])

    def test_wide_containers_and_strings(self):
        sku = unique("WIDE")
        as32 = lambda text: b"\xdb" + struct.pack(">I", len(text)) + text.encode()
        bin16 = lambda text: b"\xc5" + struct.pack(">H", len(text)) + text.encode()
        body = (
            as32("receive")
            + b"\xdc\x00\x05"
            + bin16(unique("r"))
            + as32(sku)
            + bin16("main")
            + b"\x05"
            + b"\xdf\x00\x00\x00\x01"
            + bin16("ref")
            + as32("x")
        )
        self.assertEqual(self.raw_call(body)["on_hand"], 5)

    def test_an_ext_value_is_not_a_parameter(self):
        with self.assertRaises(RpcError) as caught:
            self.raw_call(pack("stock") + b"\x91" + msgpack.packb(msgpack.ExtType(3, b"abc")))
        self.assertEqual(caught.exception.code, "bad_request")
        self.assertEqual(self.call("ping"), "pong")


class Locations(StockdTestCase):
    def entry(self, code):
        return {entry["code"]: entry for entry in self.call("locations")["locations"]}.get(code)

    def test_set_and_list(self):
        got = self.call(
            "location_set",
            "store-7",
            {
                "kind": "store",
                "name": "Am Markt 7",
                "priority": 20,
                "lead_time_s": 3600,
                "ships": True,
                "pickup": True,
                "lat": 52.52,
                "lon": 13.4,
                "groups": ["east"],
                "active": True,
            },
        )
        self.assert_keys(got, "lsn")
        entry = self.entry("store-7")
        self.assertEqual(
            (entry["kind"], entry["name"], entry["priority"]), ("store", "Am Markt 7", 20)
        )
        self.assertIs(entry["active"], True)

    def test_defaults(self):
        self.call("location_set", "plain", {})
        entry = self.entry("plain")
        self.assertEqual(entry["priority"], 100)
        self.assertIs(entry["active"], True)

    def test_set_again_changes(self):
        self.call("location_set", "twice", {"name": "one", "priority": 5})
        self.call("location_set", "twice", {"name": "two", "priority": 6})
        entry = self.entry("twice")
        self.assertEqual((entry["name"], entry["priority"]), ("two", 6))
        codes = [entry["code"] for entry in self.call("locations")["locations"]]
        self.assertEqual(codes.count("twice"), 1)

    def test_setting_grows_lsn(self):
        before = self.call("locations")["lsn"]
        self.assertGreater(self.call("location_set", unique("loc"), {})["lsn"], before)

    def test_good_codes(self):
        for code in GOOD_CODES:
            self.call("location_set", code, {})
            self.assertIsNotNone(self.entry(code), code)

    def test_bad_codes(self):
        for code in BAD_CODES:
            with self.subTest(code=code):
                self.refused("bad_request", "location_set", code, {})

    def test_bad_options(self):
        for options in (
            {"priority": "high"},
            {"priority": 1.5},
            {"active": "yes"},
            {"active": 1},
            {"name": 5},
            {"lat": "north"},
            {"groups": "east"},
            {"ships": 3},
            {"lead_time_s": -1},
            {"kind": []},
        ):
            with self.subTest(options=options):
                self.refused(
                    "bad_request", "location_set", "bad-options", options, names=next(iter(options))
                )
        self.assertIsNone(self.entry("bad-options"))

    def test_unknown_option(self):
        self.refused(
            "bad_request", "location_set", "bad-options", {"colour": "red"}, names="colour"
        )
        self.assertIsNone(self.entry("bad-options"))

    def test_survive_restart(self):
        self.call(
            "location_set",
            "kept",
            {"kind": "warehouse", "name": "Kept", "priority": 3, "active": False},
        )
        before = self.entry("kept")
        for kill in (False, True):
            self.server.restart(kill=kill)
            self.reconnect()
            self.assertEqual(self.entry("kept"), before)


class Channels(StockdTestCase):
    def entry(self, code):
        return {entry["code"]: entry for entry in self.call("channels")["channels"]}.get(code)

    def test_set_and_list(self):
        self.call("location_set", "wh", {"kind": "warehouse"})
        got = self.call(
            "channel_set",
            "web",
            {
                "kind": "web",
                "name": "Web shop",
                "locations": ["wh", "main"],
                "buffer": 2,
                "hold_ttl_ms": 60000,
                "sourcing": "priority",
            },
        )
        self.assert_keys(got, "lsn")
        entry = self.entry("web")
        self.assertEqual((entry["kind"], entry["name"], entry["buffer"]), ("web", "Web shop", 2))
        self.assertEqual((entry["hold_ttl_ms"], entry["sourcing"]), (60000, "priority"))
        self.assertEqual(sorted(entry["locations"]), ["main", "wh"])

    def test_defaults(self):
        self.call("channel_set", "plain", {})
        self.assertEqual(self.entry("plain")["buffer"], 0)
        sku = self.stocked(3)
        self.assertEqual(self.available(sku, "plain"), 3)

    def test_unknown_location(self):
        self.refused(
            "unknown_location",
            "channel_set",
            "lost",
            {"locations": ["main", "atlantis"]},
            names="atlantis",
        )
        self.assertIsNone(self.entry("lost"))
        self.refused("unknown_channel", "availability", "lost", [])

    def test_good_and_bad_codes(self):
        for code in GOOD_CODES:
            self.call("channel_set", code, {})
            self.assertIsNotNone(self.entry(code), code)
        for code in BAD_CODES:
            with self.subTest(code=code):
                self.refused("bad_request", "channel_set", code, {})

    def test_names_that_the_mirror_uses_itself(self):
        for code in ("sku", "_lsn"):
            error = self.refused("bad_request", "channel_set", code, {})
            self.assertIn("mirror", error.message)
        for code in ("SKU", "lsn", "sku2"):
            self.call("channel_set", code, {})

    def test_bad_options(self):
        for options in (
            {"buffer": -1},
            {"buffer": 1.5},
            {"buffer": "2"},
            {"buffer": MAX_POOL + 1},
            {"hold_ttl_ms": 0},
            {"hold_ttl_ms": -5},
            {"hold_ttl_ms": "1h"},
            {"locations": "main"},
            {"locations": [7]},
            {"sourcing": "random"},
            {"sourcing": 3},
            {"name": 5},
        ):
            with self.subTest(options=options):
                self.refused(
                    "bad_request", "channel_set", "bad-options", options, names=next(iter(options))
                )
        self.assertIsNone(self.entry("bad-options"))

    def test_unknown_option(self):
        self.refused("bad_request", "channel_set", "bad-options", {"colour": "red"}, names="colour")
        self.assertIsNone(self.entry("bad-options"))

    def test_survive_restart(self):
        self.call(
            "channel_set",
            "kept",
            {"name": "Kept", "locations": ["main"], "buffer": 4, "hold_ttl_ms": 777},
        )
        before = self.entry("kept")
        for kill in (False, True):
            self.server.restart(kill=kill)
            self.reconnect()
            self.assertEqual(self.entry("kept"), before)


class Items(StockdTestCase):
    def test_item_set_brings_it_into_being(self):
        sku = unique("NEW")
        self.assertEqual(self.call("availability", "default", [sku])["stock"], [None])
        got = self.call(
            "item_set", sku, {"name": "Umbrella", "barcode": "4006381333931", "low_stock": 3}
        )
        self.assert_keys(got, "lsn")
        self.assertEqual(self.call("availability", "default", [sku])["stock"], [0])
        got = self.call("stock", sku)
        self.assertEqual((got["on_hand"], got["reserved"], got["available"]), (0, 0, 0))

    def test_item_set_again_keeps_the_stock(self):
        sku = self.stocked(7)
        self.call("item_set", sku, {"name": "Named later"})
        self.assertEqual(self.figures(sku), (7, 0, 7))

    def test_bad_options(self):
        for options in (
            {"name": 5},
            {"low_stock": "few"},
            {"low_stock": 1.5},
            {"barcode": []},
            {"colour": "red"},
        ):
            with self.subTest(options=options):
                self.refused(
                    "bad_request", "item_set", unique("SKU"), options, names=next(iter(options))
                )

    def test_skus(self):
        for sku in ("x", "x" * 64, "with space", "日本語" * 7, "é" * 32, "a/b:c@d", "-", "💡" * 16):
            with self.subTest(sku=sku):
                self.call("item_set", sku, {})
                self.call("receive", unique("r"), sku, "main", 2)
                res = self.reserved([[sku, 1]])
                self.assertEqual(self.call("reservation", res)["lines"][0][0], sku)
                self.assertEqual(self.available(sku), 1)

    def test_bad_skus(self):
        bad = (
            "",
            "x" * 65,
            "ä" * 33,
            b"\xff\xfe",
            b"\xc3",
            b"\xed\xa0\x80",
            b"\xc0\xaf",
            b"\xf5\x80\x80\x80",
            5,
            None,
            [],
            {},
        )
        for sku in bad:
            with self.subTest(sku=sku):
                self.refused("bad_request", "item_set", sku, {}, names="sku")
                self.refused("bad_request", "receive", unique("r"), sku, "main", 1, names="sku")
                self.refused("bad_request", "stock", sku, names="sku")
                self.refused("bad_request", "availability", "default", [sku], names="sku")
                self.refused(
                    "bad_request", "reserve", unique("res"), "default", [[sku, 1]], names="sku"
                )

    def test_item_tells_what_was_set(self):
        sku, bare = unique("ITEM"), self.stocked(1)
        details = {"name": "Umbrella, röd", "barcode": "40063", "low_stock": 3, "backorder_limit": 0}
        nothing = dict.fromkeys(details)
        unset = {"safety": None, "unit": None, "decimals": 0}
        self.call("item_set", sku, details)
        for kill in (False, True):
            got = self.call("item", sku)
            self.assertGreater(got.pop("lsn"), 0)
            self.assertEqual(got, {"sku": sku, **details, **unset})
            got = self.call("item", bare)
            got.pop("lsn")
            self.assertEqual(got, {"sku": bare, **nothing, **unset})
            self.server.restart(kill=kill)
            self.reconnect()
        self.call("item_set", sku, {"name": "", "low_stock": 4})
        got = self.call("item", sku)
        self.assertEqual((got["name"], got["barcode"], got["low_stock"]), (None, "40063", 4))
        self.refused("unknown_sku", "item", unique("GHOST"))
        self.refused("bad_request", "item", "", names="sku")
        self.refused("bad_request", "item", sku, {"colour": 1})

    def test_items_with_details(self):
        with Server() as server, server.client() as client:
            client.call("receive", "a", "B", "main", 1)
            client.call("item_set", "A", {"name": "without stock"})
            client.call("item_set", "B", {"barcode": "7"})
            client.call("receive", "c", "C", "main", 1)
            nothing = {"name": None, "barcode": None, "low_stock": None, "backorder_limit": None,
                       "safety": None, "unit": None, "decimals": 0}
            wanted = {"A": {**nothing, "name": "without stock"}, "B": {**nothing, "barcode": "7"}, "C": nothing}
            for limit in (1, 2, 3, 1000):
                got, after = {}, 0
                while after is not None:
                    page = client.call("items", after, {"limit": limit, "details": True})
                    self.assertLessEqual(len(page["items"]), limit)
                    got.update(page["items"])
                    self.assertTrue(page["next"] is None or page["next"] > after)
                    after = page["next"]
                self.assertEqual(got, wanted, f"limit {limit}")

    def test_items_lists_every_item_in_pages(self):
        with Server() as server, server.client() as client:
            client.call("location_set", "second", {})
            wanted = {}
            for index in range(25):
                sku = f"SKU-{index:02}"
                client.call("receive", f"a{index}", sku, "main", index + 1)
                wanted[sku] = {"main": [index + 1, 0, index + 1]}
            client.call("receive", "b", "SKU-03", "second", 9)
            client.call("reserve", "c", "default", [["SKU-03", 2, "second"]])
            wanted["SKU-03"]["second"] = [9, 2, 7]
            for limit in (1, 7, 25, 1000):
                got, after, pages = {}, 0, 0
                while True:
                    page = client.call("items", after, {"limit": limit})
                    self.assert_keys(page, "lsn", "items", "next")
                    self.assertLessEqual(len(page["items"]), limit)
                    for sku, places in page["items"]:
                        self.assertNotIn(sku, got)
                        got[sku] = {place: figures for place, *figures in places}
                    pages += 1
                    if page["next"] is None or not page["items"]:
                        break
                    self.assertNotEqual(page["next"], after)
                    after = page["next"]
                    self.assertLess(pages, 60, "items never ends")
                self.assertEqual(got, wanted, f"limit {limit}")

    def test_items_of_one_location(self):
        with Server() as server, server.client() as client:
            for place in ("second", "empty"):
                client.call("location_set", place, {})
            for index in range(2500):  # more than a page
                client.call("receive", f"a{index}", f"SKU-{index}", "main", 1)
                if index % 7 == 0:
                    client.call("receive", f"b{index}", f"SKU-{index}", "second", 2)
            client.call("reserve", "c", "default", [["SKU-7", 1, "second"]])
            client.call("return", "d", "SKU-1", "second", 1, {"condition": "damaged"})
            client.call("adjust", "e", "SKU-14", "second", -2)
            wanted = {f"SKU-{index}": [["second", 2, 0, 2]] for index in range(0, 2500, 7)}
            wanted["SKU-7"], wanted["SKU-14"] = [["second", 2, 1, 1]], [["second", 0, 0, 0]]
            for limit in (1, 100, 10000):
                got, after = [], 0
                while after is not None:
                    page = client.call("items", after, {"limit": limit, "location": "second"})
                    self.assertLessEqual(len(page["items"]), limit)
                    got += page["items"]
                    after = page["next"]
                self.assertEqual(len(got), len(wanted), "each once")
                self.assertEqual(dict(got), wanted)
            self.assertEqual(client.call("items", 0, {"location": "empty"})["items"], [])
            for code, options in (("unknown_location", {"location": "nowhere"}), ("bad_request", {"location": ""}),
                                  ("bad_request", {"location": 1}), ("bad_request", {"location": "main", "details": True})):
                with self.assertRaises(RpcError) as caught:
                    client.call("items", 0, options)
                self.assertEqual(caught.exception.code, code)


if __name__ == "__main__":
    main()
