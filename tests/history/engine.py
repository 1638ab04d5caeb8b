# SPDX-License-Identifier: Apache-2.0
"""What the engine tells of its own doing, once all is quiet: `history`, and events.

What it does by itself, and what a place had on hand when it rejected an order, no client's call
says; `history` does, for each pool that a record changed. It must agree with all that the clients
were told:

  H1  each change is told with the pools that it changed, and what the replies make of them.

Events say the same once more, and nothing may be lost, over crashes too:

  E1  each reject, serving of the backlog, move, expiry and shortage has its events, with the
      LSN of its record, the place, and the units; and each such event has such a change;
  E2  a subscriber that went on from the LSN that it had come to was sent each of them at least once,
      in the order of their LSNs; and nothing else.
"""


class Violation(Exception):
    """The history breaks a promise. `what` says which; `evidence` are the calls that show it."""

    def __init__(self, what, evidence=()):
        super().__init__(what)
        self.what, self.evidence = what, list(evidence)


SIGNALS = ("rejected", "unsourced", "sourced", "moved", "expired", "short", "late", "overage", "lost")


def signal_of(event):
    """An event of a reservation, as something that can be compared."""
    keys = ("lsn", "type", "id", "sku", "location", "qty")
    return tuple(event.get(key) for key in keys)


class Engine:
    def __init__(self, header, lines):
        self.all_rows = {}  # lsn -> what history tells, as it does
        self.rows = {}  # lsn -> [(type, id, sku, location or None, on_hand, reserved after it)...]
        self.shorts = []  # what history tells to be short, like events
        self.events = []  # as something that can be compared
        self.told = None  # likewise, what a subscriber was sent; None: there was none
        self.asked = any(line[3] == "history" for line in lines)
        for line in lines:
            if line[3] == "history":
                for row in line[6]["events"]:
                    self.add_row(row)
            else:
                self.events += map(signal_of, self.signals(line[6]["events"]))
        if "told" in header:
            self.told = [signal_of(event) for event in self.signals(header["told"])]

    @staticmethod
    def signals(events):
        return [event for event in events if event["type"] in SIGNALS]

    def add_row(self, row):
        self.all_rows.setdefault(row["lsn"], []).append(row)
        if row["type"] == "short":
            self.shorts.append(signal_of(row))
        if row.get("kind") not in ("shared", "backlog") or row["id"] is None:
            return
        self.rows.setdefault(row["lsn"], []).append(
            (row["type"], row["id"], row["sku"], row["location"], row["on_hand"], row["reserved"])
        )

    def own(self, kinds):
        """(lsn, kind, id) of what the engine did by itself."""
        for lsn, rows in sorted(self.all_rows.items()):
            if rows[0]["type"] in kinds:
                yield lsn, rows[0]["type"], rows[0]["id"]

    # ---- H1

    def check_pools(self, change, pools):
        """`pools`: (sku, place) -> [on_hand, reserved], after the change."""
        if not self.asked:
            return
        told = {row[2:4]: list(row[4:]) for row in change.rows}
        made = {key for key, part in change.parts.items() if any(part)}
        if not made <= set(told) or any(pools.get(key, [0, 0]) != told[key] for key in told):
            found = {key: pools.get(key) for key in {*made, *told}}
            raise Violation(
                f"H1: history tells of {told} after lsn {change.lsn}, and the replies of {found}",
                [change],
            )

    # ---- E1, E2

    def check_signals(self, wanted):
        """`wanted`: of each change of a reservation, in the order of their LSNs, its events."""
        if not self.asked:
            return
        wanted = wanted + self.shorts
        if sorted(self.events, key=str) != sorted(wanted, key=str):
            missing = sorted(set(wanted) - set(self.events), key=str)
            beyond = sorted(set(self.events) - set(wanted), key=str)
            raise Violation(f"E1: no events of {missing[:4]}; events of nothing: {beyond[:4]}")
        if self.told is None:
            return
        lost = set(self.events) - set(self.told)
        if lost:
            raise Violation(f"E2: a subscriber was never told of {sorted(lost, key=str)[:4]}")
        beyond = set(self.told) - set(self.events)
        if beyond:
            raise Violation(f"E2: a subscriber was told of {sorted(beyond, key=str)[:4]}")
