#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An id stands for its whole content: a repeat that differs in any one field is a conflict.

CHANGES lists every method that takes an id of its own with every field of its content, and another
value that the engine would take for each field. A new parameter gets its row here.
"""

import copy
import os
import subprocess
import time

from stockd_harness import BIN_DIR, StockdTestCase, main

NOW = int(time.time() * 1000)
ABSENT = object()  # the option is left out

# method: the content of the first request after its id, then {field: (where it is, another value)}.
# "A" and "B" are items; at "main" and "store" there are plenty of both, on "web" and "shop".
# "res" and "twin" are confirmed reservations with the same lines, of A and B.
CHANGES = {
    "receive": (
        ["A", "main", 5, {"ref": "po-1"}],
        {
            "sku": ((0,), "B"),
            "location": ((1,), "store"),
            "qty": ((2,), 6),
            "ref": ((3, "ref"), "po-2"),
            "no ref": ((3, "ref"), ABSENT),
        },
    ),
    "adjust": (
        ["A", "main", -5, {"reason": "broken", "ref": "r-1"}],
        {
            "sku": ((0,), "B"),
            "location": ((1,), "store"),
            "delta": ((2,), -4),
            "sign of delta": ((2,), 5),
            "reason": ((3, "reason"), "stolen"),
            "no reason": ((3, "reason"), ABSENT),
            "ref": ((3, "ref"), "r-2"),
            "no ref": ((3, "ref"), ABSENT),
            "reason and ref swapped": ((3,), {"reason": "r-1", "ref": "broken"}),
        },
    ),
    "count": (
        ["A", "main", 500, {"as_of": NOW - 60000, "ref": "c-1"}],
        {
            "sku": ((0,), "B"),
            "location": ((1,), "store"),
            "counted": ((2,), 501),
            "as_of": ((3, "as_of"), NOW - 60001),
            "as_of 0": ((3, "as_of"), 0),
            "no as_of": ((3, "as_of"), ABSENT),
            "ref": ((3, "ref"), "c-2"),
            "no ref": ((3, "ref"), ABSENT),
        },
    ),
    "count as of 0": (
        ["A", "main", 500, {"as_of": 0}],
        {"no as_of": ((3, "as_of"), ABSENT)},
    ),
    "return": (
        ["A", "main", 1, {"reservation": "res", "condition": "opened"}],
        {
            "sku": ((0,), "B"),
            "location": ((1,), "store"),
            "qty": ((2,), 2),
            "reservation": ((3, "reservation"), "twin"),
            "no reservation": ((3, "reservation"), ABSENT),
            "condition": ((3, "condition"), "worn"),
            "damaged": ((3, "condition"), "damaged"),
            "no condition": ((3, "condition"), ABSENT),
        },
    ),
    "allot": (
        ["A", "main", "web", 3],
        {
            "sku": ((0,), "B"),
            "location": ((1,), "store"),
            "channel": ((2,), "shop"),
            "qty": ((3,), 2),
            "sign of qty": ((3,), -3),
        },
    ),
    "reserve": (
        ["web", [["A", 2, "main"], ["B", 3]], {"ttl_ms": 900000, "at": "main", "confirm": False}],
        {
            "channel": ((0,), "shop"),
            "sku of line 0": ((1, 0, 0), "B"),
            "sku of line 1": ((1, 1, 0), "A"),
            "qty of line 0": ((1, 0, 1), 1),
            "qty of line 1": ((1, 1, 1), 4),
            "location of line 0": ((1, 0, 2), "store"),
            "no location of line 0": ((1, 0, 2), None),
            "location of line 1": ((1, 1), ["B", 3, "main"]),
            "order of the lines": ((1,), [["B", 3], ["A", 2, "main"]]),
            "fewer lines": ((1,), [["A", 2, "main"]]),
            "more lines": ((1,), [["A", 2, "main"], ["B", 3], ["A", 1]]),
            "ttl_ms": ((2, "ttl_ms"), 900001),
            "no ttl_ms": ((2, "ttl_ms"), ABSENT),
            "at": ((2, "at"), "store"),
            "no at": ((2, "at"), ABSENT),
            "confirm": ((2, "confirm"), True),
            "mode": ((2, "mode"), "pickup"),
            "partial": ((2, "partial"), True),
            "ref": ((2, "ref"), "cart 9"),
        },
    ),
    "reserve on terms": (
        [
            "web",
            [["A", 2], ["B", 3]],
            {
                "mode": "ship",
                "lat": 1.5,
                "lon": 2.5,
                "by_ms": NOW + 900000000,
                "exclude": ["store", "elsewhere"],
                "partial": True,
                "ref": "cart 9",
            },
        ],
        {
            "ref": ((2, "ref"), "cart 10"),
            "no ref": ((2, "ref"), ABSENT),
            "mode and at": ((2,), {"mode": "pickup", "at": "main", "lat": 1.5, "lon": 2.5}),
            "no mode": ((2, "mode"), ABSENT),
            "lat": ((2, "lat"), -1.5),
            "lon": ((2, "lon"), 2.25),
            "lat and lon swapped": (
                (2,),
                {
                    "mode": "ship",
                    "lat": 2.5,
                    "lon": 1.5,
                    "by_ms": NOW + 900000000,
                    "exclude": ["store"],
                    "partial": True,
                },
            ),
            "by_ms": ((2, "by_ms"), NOW + 900000001),
            "no by_ms": ((2, "by_ms"), ABSENT),
            "exclude": ((2, "exclude"), ["elsewhere"]),
            "fewer excluded": ((2, "exclude"), ["store"]),
            "none excluded": ((2, "exclude"), ABSENT),
            "not partial": ((2, "partial"), ABSENT),
        },
    ),
}
for step in ("fulfil", "cancel"):
    CHANGES[f"{step} with op"] = (
        ["res", [["A", 2], ["B", 1]]],
        {
            "reservation": ((0,), "twin"),
            "sku of line 0": ((1, 0, 0), "B"),
            "sku of line 1": ((1, 1, 0), "A"),
            "qty of line 0": ((1, 0, 1), 1),
            "qty of line 1": ((1, 1, 1), 2),
            "order of the lines": ((1,), [["B", 1], ["A", 2]]),
            "fewer lines": ((1,), [["A", 2]]),
            "more lines": ((1,), [["A", 2], ["B", 1], ["A", 1]]),
            "all that is left": ((1,), None),
        },
    )
    CHANGES[f"{step} all with op"] = (
        ["last-" + step, None],
        {"reservation": ((0,), "twin"), "a part": ((1,), [["A", 1]])},
    )


def varied(content, where, value):
    """The content with that value at that place."""
    content = copy.deepcopy(content)
    target = content
    for key in where[:-1]:
        target = target[key]
    if value is ABSENT:
        del target[where[-1]]
    else:
        target[where[-1]] = value
    return content


def request(name, ident, content):
    """The call of a row; a step's id goes into its options."""
    method = name.split()[0]
    if name.endswith("with op"):
        return (method, *content, {"op": ident})
    return (method, ident, *content)


class Fingerprints(StockdTestCase):
    options = ("--segment-bytes", 64 << 10, "--compact-bytes", 0)

    def stock_up(self):
        self.call("location_set", "store", {})
        self.call("location_set", "elsewhere", {})
        for channel in ("web", "shop"):
            self.call("channel_set", channel, {"locations": ["main", "store"]})
        for sku in "AB":
            for place in ("main", "store"):
                self.call("receive", f"stock-{sku}-{place}", sku, place, 1000)
                self.call("allot", f"own-{sku}-{place}", sku, place, "web", 200)
                self.call("allot", f"theirs-{sku}-{place}", sku, place, "shop", 200)
        for ident in ("res", "twin", "last-fulfil", "last-cancel"):
            self.call("reserve", ident, "web", [["A", 40], ["B", 40]], {"confirm": True})
        for ident in ("res", "twin"):  # so that there is something to be returned
            self.call("fulfil", ident, [["A", 15], ["B", 15]])

    def everything(self):
        return [self.call("stock", sku) for sku in "AB"] + [
            self.call("reservation", ident) for ident in ("res", "twin")
        ]

    def check_all(self, first, when):
        self.quiet()
        before = self.everything()
        for name, (content, fields) in CHANGES.items():
            ident = "id-" + name.replace(" ", "-")
            with self.subTest(change=name, when=when):
                self.assertEqual(self.call(*request(name, ident, content)), first[name])
            for field, (where, value) in fields.items():
                other = request(name, ident, varied(content, where, value))
                with self.subTest(change=name, other=field, when=when):
                    self.refused("conflict", *other, names=ident)
            with self.subTest(change=name, again=True, when=when):
                self.assertEqual(self.call(*request(name, ident, content)), first[name])
        self.assertEqual(self.everything(), before, f"{when}: repeats and conflicts change nothing")

    def test_every_field_counts(self):
        """Live, recovered from the journal, and from a snapshot."""
        self.stock_up()
        first = {}
        for name, (content, _) in CHANGES.items():
            ident = "id-" + name.replace(" ", "-")
            first[name] = self.call(*request(name, ident, content))
        self.check_all(first, "live")
        self.server.restart(kill=True)
        self.reconnect()
        self.check_all(first, "recovered from the journal")
        self.server.stop()
        compact = [os.path.join(BIN_DIR, "stock-journal"), "compact", self.server.data]
        done = subprocess.run(compact, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.server.start()
        self.reconnect()
        self.check_all(first, "recovered from a snapshot")

    def test_every_variation_would_be_done(self):
        """Each other value is legal by itself: what makes it a conflict is the id alone."""
        self.server.close()
        for name, (content, fields) in CHANGES.items():
            type(self).server = type(self.server)(*self.options)
            self.reconnect()
            self.stock_up()
            for number, (where, value) in enumerate(fields.values()):
                other = request(name, f"fresh-{number}", varied(content, where, value))
                with self.subTest(change=name, other=other):
                    self.call(*other)
            self.server.close()
        self.setUpClass()


if __name__ == "__main__":
    main()
