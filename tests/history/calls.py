# SPDX-License-Identifier: Apache-2.0
"""A recorded history: its file, its calls, and the changes that they made.

The file's first line is a JSON object:

    seed      of the run
    places    the locations in the order in which every item's pools were made
    channels  code -> {"locations": [...], "buffer": n}
    crashes   CLOCK_MONOTONIC in ns at which each killed engine was certain to be gone
    supplies  true: it is about supplies, and what is promised of them
    wall_ns   CLOCK_REALTIME in ns when CLOCK_MONOTONIC was 0
    durability  of the engine; none: a reply does not wait for what was claimed before it
    backorder_limit  of every item, if orders may be promised what is not there
    told      events that a subscriber was sent, in their order
    recovered the lsn that the next engine answered before anyone else asked it anything

Each other line is one call, as tests/history/notes.h says. An era is what lies between two crashes.

What the engine does by itself, and what a place that rejects an order had on hand, is told by
`history` and `events`, which are asked once all is quiet (engine.py).
"""

import json
import math

from engine import Engine, Violation


class Call:
    def __init__(self, line, era):
        self.client, self.asked, answered, self.method, self.params, error, self.result = line
        self.answered = math.inf if answered is None else answered
        self.lost = answered is None
        self.code = error[0] if error else None
        self.details = (error[2] or {}) if error else {}
        self.era = era
        # Two calls with the same content are the same operation.
        self.content = json.dumps([self.method, self.params])

    def as_heard(self, view):
        """This call, had it been answered when the question was."""
        result = {"lsn": view.result["lsn"], "state": view.result["state"]}
        line = [self.client, self.asked, view.answered, self.method, self.params, None, result]
        return Call(line, view.era)

    @property
    def granted(self):
        return not self.lost and self.code is None

    @property
    def options(self):
        return self.params[-1] if isinstance(self.params[-1], dict) else {}

    @property
    def lines(self):
        """Of an order or a step: [[sku, qty, location or None]...]; None: all that is left."""
        at = 2 if self.method in ("reserve", "reject") else 1
        if len(self.params) <= at or not isinstance(self.params[at], list):
            return None
        return [[*line, None][:3] for line in self.params[at]]

    @property
    def targets(self):
        """Of an amend or a move: [[sku, qty, place]...] that it may draw there."""
        assert self.method != "reject"
        if self.method == "move":
            return [[sku, qty, target] for sku, _, target, qty in self.params[1]]
        return self.lines

    def say(self, zero=0):
        if self.lost:
            answer, end = "no answer", "crash"
        else:
            end = f"{(self.answered - zero) / 1000:.1f}"
            answer = f"{self.code} {self.details}" if self.code else json.dumps(self.result)
        return (
            f"[{(self.asked - zero) / 1000:.1f} .. {end}] client {self.client}: "
            f"{self.method} {json.dumps(self.params)} -> {answer}"
        )


class Change:
    """What one LSN stands for. `calls` are those that may have made it, granted or lost."""

    def __init__(self, lsn, kind):
        self.lsn, self.kind = lsn, kind
        self.calls, self.told = [], []  # told: granted with this lsn
        self.lo = self.hi = None
        self.era = 0
        self.takes = False  # follows rule T
        self.parts = {}  # (sku, place) -> (on_hand, reserved), how the pool changes
        self.pieces = {}  # likewise -> a list of those, if draws of one pool are settled one by one
        self.made_by = None  # of a step: the call that made it
        self.rows = []  # what `history` tells of it

    @property
    def redraws(self):
        return self.made_by is not None and self.made_by.method in REDRAWS

    def takes_from(self, part):
        """Does it take what it changes in a pool, before it claims its LSN?"""
        draws = self.redraws or self.kind == "sourced"
        return self.takes or part[0] < 0 or (draws and part[1] > 0)

    def say(self, zero=0):
        made = self.calls[0].say(zero) if self.calls else "nobody asked for it"
        return f"lsn {self.lsn} {self.kind}: {made}"


MOVEMENTS = ("receive", "adjust", "count")
MADE = (*MOVEMENTS, "transfer", "sold", "expect", "reserve")  # by an id of their own
REDRAWS = ("amend", "move", "reject")
STEPS = ("confirm", "fulfil", "cancel", *REDRAWS)
SETTINGS = ("location_set", "channel_set", "item_set", "stocking_set")
SUPPLY_STEPS = ("ship", "arrive", "withdraw", "reschedule")
OWN = ("expire", "sourced", "short", "late")  # what the engine does by itself
READS = ("availability", "stock", "hello")  # their lsn is where the log stood
MAY_FAIL = {
    "reserve": ("insufficient_stock",),
    "adjust": ("insufficient_stock",),
    "transfer": ("insufficient_stock",),
    "confirm": ("wrong_state",),
    "cancel": ("wrong_state",),
    "fulfil": ("wrong_state", "insufficient_stock"),
    "amend": ("wrong_state", "insufficient_stock"),
    "move": ("wrong_state", "insufficient_stock"),
    "reject": ("wrong_state",),
    "arrive": ("wrong_state",),
}
# Also, in histories of supplies: an ETA may have passed by the time the engine reads it.
SUPPLIES_MAY_FAIL = {
    "expect": ("bad_request",),
    "transfer": ("insufficient_stock", "bad_request"),
    "ship": ("wrong_state", "insufficient_stock", "bad_request"),
    "reject": ("wrong_state", "insufficient_stock"),
    "withdraw": ("wrong_state",),
    "reschedule": ("wrong_state", "bad_request"),
}


class History:
    def __init__(self, header, lines):
        self.header = header
        self.places = header["places"]
        self.channels = header["channels"]
        self.crashes = header["crashes"]
        self.recovered = header["recovered"]
        self.eras = len(self.crashes) + 1
        self.backorders = "backorder_limit" in header
        self.supplies = header.get("supplies", False)
        self.engine = Engine(header, [line for line in lines if line[3] in ("history", "events")])
        lines = [line for line in lines if line[3] not in ("history", "events")]
        self.calls = self.with_eras(lines)
        self.check_codes()
        self.lost_steps = {}  # supply -> its steps that had no answer
        for call in self.calls:
            if call.lost and call.method in SUPPLY_STEPS:
                self.lost_steps.setdefault(call.params[0], []).append(call)
        self.changes = {}  # lsn -> Change
        self.views = {}  # (reservation, lsn) -> a reply of `reservation`
        self.find_changes()

    @staticmethod
    def load(path):
        with open(path, encoding="ascii") as file:
            header = json.loads(file.readline())
            return History(header, [json.loads(line) for line in file])

    def era_of(self, lsn):
        return sum(1 for recovered in self.recovered if recovered < lsn)

    def end_of(self, era):
        return self.crashes[era] if era < len(self.crashes) else math.inf

    def with_eras(self, lines):
        """A connection's hello tells which engine it is with: a dead one answers nothing."""
        calls, era_of = [], {}
        lines.sort(key=lambda line: (line[0], line[1]))
        for line in lines:
            if line[3] == "hello" and line[2] is not None:
                era_of[line[0]] = sum(1 for crash in self.crashes if crash < line[2])
            if line[0] not in era_of:
                continue  # a hello that was lost
            calls.append(Call(line, era_of[line[0]]))
        calls.sort(key=lambda call: call.asked)
        for call in calls:
            if not call.lost and call.answered > self.end_of(call.era):
                raise Violation("an answer of an engine that was gone", [call])
        return calls

    def check_codes(self):
        may_fail = {**MAY_FAIL, **(SUPPLIES_MAY_FAIL if self.supplies else {})}
        for call in self.calls:
            if call.code and call.code not in may_fail.get(call.method, ()):
                raise Violation(f"{call.method} may not be answered {call.code}", [call])
            if call.code == "bad_request" and call.details.get("param") != "eta_ms":
                raise Violation(f"{call.method} is refused, and not for its ETA", [call])

    # ---- which changes there were

    def find_changes(self):
        first = {}
        contents = {}
        for call in self.calls:
            contents.setdefault(call.content, []).append(call)
            if not call.granted:
                continue
            lsn = call.result["lsn"]
            if call.method in MADE or call.options.get("op"):
                if self.answer(first.setdefault(call.content, call)) != self.answer(call):
                    raise Violation(
                        "the same id was answered differently", [first[call.content], call]
                    )
            if call.method in (*STEPS, *MADE, *SETTINGS, *SUPPLY_STEPS):
                self.tell(call, lsn, self.kind_of(call.method))
            elif call.method == "reservation":
                self.views.setdefault((call.params[0], lsn), call)
        self.check_repeats(first)
        self.hear_history()
        self.hear_confirms()
        self.hear_shorts()
        for (_, lsn), call in self.views.items():
            if call.result["state"] == "expired":
                self.tell(call, lsn, "expire")
        for change in self.changes.values():
            self.place(change, contents)
        self.narrow()

    def check_repeats(self, first):
        """What was done is not refused when it is asked for again."""
        for call in self.calls:
            done = first.get(call.content)
            if call.code and done and done.answered < call.asked:
                raise Violation("what was done is refused", [done, call])

    def kind_of(self, method):
        if method in STEPS:
            return "step"
        about_supply = method in (*SUPPLY_STEPS, "expect", "transfer")
        return "supply" if self.supplies and about_supply else method

    @staticmethod
    def answer(call):
        """What a repeat must be told again: the lines of these are as they are by then."""
        if call.method in (*REDRAWS, "expect", "arrive"):
            return call.result["lsn"], call.result["state"]
        return call.result

    def hear_confirms(self):
        """A confirm whose answer was lost may have been overtaken by another step before it was
        asked for again; a question in between tells its lsn."""
        known = {
            call.params[0]: call.result["lsn"]
            for call in self.calls
            if call.granted and (call.method == "confirm" or call.options.get("confirm"))
        }
        for (ident, lsn), view in self.views.items():
            if lsn in self.changes or view.result["state"] != "confirmed":
                continue
            if known.get(ident, lsn) < lsn:
                continue  # it was so already
            for call in self.calls:
                if call.lost and call.method == "confirm" and call.params[0] == ident:
                    if call.era == self.era_of(lsn):
                        self.tell(call.as_heard(view), lsn, "step")
                        break

    def hear_history(self):
        kinds = ("expire", "short", "late") if self.supplies else ("sourced", "short")
        if self.supplies:
            self.hear_steps()
        for lsn, kind, ident in self.engine.own(kinds):
            line = [None, 0, None, kind, [ident], None, None]
            self.tell(Call(line, self.era_of(lsn)), lsn, kind)

    def hear_steps(self):
        """A step of a supply whose answer was lost, and that was not named by an op: whoever asked
        for it again may have been told of a later change only."""
        for lsn, kind, ident in self.engine.own(SUPPLY_STEPS):
            op = self.engine.all_rows[lsn][0]["op"]
            if lsn in self.changes or op:
                continue
            for call in self.lost_steps.get(ident, ()):
                if call.method == kind and not call.options.get("op"):
                    if call.era == self.era_of(lsn):
                        self.tell(call, lsn, "supply")
                        break

    def hear_shorts(self):
        """If nobody asked for history, a view with an lsn that nothing else has is of a reservation
        that was told to be short: nothing else may have changed in it."""
        for (ident, lsn), view in self.views.items():
            unknown = lsn not in self.changes and view.result["state"] in ("held", "confirmed")
            if unknown and not self.engine.asked:
                self.tell(view, lsn, "short")

    def tell(self, call, lsn, kind):
        change = self.changes.setdefault(lsn, Change(lsn, kind))
        if change.kind == "reserve" and change.told and call.params[0] == change.told[0].params[0]:
            if call.method == "confirm":
                return  # it was confirmed from the beginning
        same = change.kind == kind and (
            kind in OWN or not change.told or change.told[0].params[0] == call.params[0]
        )
        if not same:
            raise Violation(f"lsn {lsn} stands for two changes", [change.told[0], call])
        change.told.append(call)

    def place(self, change, contents):
        """Its era, and between which times it was made."""
        change.era = self.era_of(change.lsn)
        change.rows = self.engine.rows.get(change.lsn, [])
        if change.kind in OWN:
            change.lo = 0
        else:
            known = {call.content for call in change.told}
            change.calls = [
                call
                for content in {*known, *self.unheard_makers(change)}
                for call in contents[content]
                if call.era == change.era and (call.granted or call.lost)
            ]
            early = [call for call in change.told if call.era < change.era]
            if early:
                raise Violation(
                    f"X2: answered, and not there after the crash, which kept up to lsn "
                    f"{self.recovered[early[0].era]}",
                    early,
                )
            if not change.calls:
                raise Violation(f"nobody can have made lsn {change.lsn} then", change.told)
            change.lo = min(call.asked for call in change.calls)
        change.hi = min(
            [call.answered for call in change.told if call.era == change.era]
            + [self.end_of(change.era)]
        )

    def unheard_makers(self, change):
        """Contents of the steps of a supply that may have made it, without an answer: whoever asked
        again, of all that was left, was told of a later change."""
        rows = self.engine.all_rows.get(change.lsn)
        if change.kind != "supply" or not rows:
            return
        for call in self.lost_steps.get(change.told[0].params[0], ()):
            if call.method == rows[0]["type"] and call.options.get("op") == rows[0]["op"]:
                yield call.content

    def narrow(self):
        """An answer with lsn L says that everything up to L was done by then; and what was claimed
        after L was claimed after everything up to L was asked for."""
        self.order = [self.changes[lsn] for lsn in sorted(self.changes)]
        self.settle_expiries()
        # A question may have seen what a crash then undid; its lsn was given anew afterwards.
        said = sorted(
            (min([call.result["lsn"], *self.recovered[call.era : call.era + 1]]), call.answered)
            for call in self.calls
            if call.granted and isinstance(call.result, dict)
            if call.method in READS or self.header.get("durability") != "none"
        )
        soonest = math.inf
        for change in reversed(self.order):
            while said and said[-1][0] >= change.lsn:
                soonest = min(soonest, said.pop()[1])
            change.hi = min(change.hi, soonest)
        latest = 0
        for change in self.order:
            latest = max(latest, change.lo)
            change.claimed_after = latest

    def settle_expiries(self):
        """A hold may expire in a new engine before anybody asks it anything, so an expiry between
        the last change of one era and what the next engine began with is the next one's, unless
        somebody was told of it before. So it is with what the engine serves by itself."""
        last = [0] * self.eras
        for change in self.order:
            if change.kind not in OWN:
                last[change.era] = max(last[change.era], change.lsn)
        for change in self.order:
            if change.kind in OWN and change.era + 1 < self.eras:
                views = [self.views.get((call.params[0], change.lsn)) for call in change.told]
                heard = any(view and view.era <= change.era for view in views)
                if change.lsn > last[change.era] and not heard:
                    change.era += 1
                    change.hi = self.end_of(change.era)
