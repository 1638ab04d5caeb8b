# SPDX-License-Identifier: Apache-2.0
"""Documents of supplies, as a plain model: what each of their steps makes of them."""

from engine import Violation

QTY, SHIPPED, ACCEPTED, REJECTED, LOST, OVER = range(6)


class Version:
    """A document as it was between two of its changes."""

    def __init__(self, change, document):
        self.change = change
        self.state, self.eta_ms = document.state, document.eta_ms
        self.lines = [[sku, *line[:OVER]] for sku, line in document.lines.items()]
        self.under_way = [document.under_way(sku) for sku in document.lines]
        self.held = {sku: document.held(sku) for sku in document.lines}

    def told(self):
        return {"state": self.state, "eta_ms": self.eta_ms, "lines": self.lines,
                "under_way": self.under_way}

    def is_told(self, call):
        told = self.told()
        return {key: call.result[key] for key in told} == told

    def left(self, sku):
        return dict(zip((line[0] for line in self.lines), self.under_way))[sku]


class Document:
    def __init__(self, call):
        """As expect or transfer makes it."""
        self.ident = call.params[0]
        self.transfer = call.method == "transfer"
        self.source = call.params[1] if self.transfer else None
        self.place = call.params[2] if self.transfer else call.params[1]
        self.eta_ms = call.options.get("eta_ms")
        self.lines = {}
        for sku, qty in call.params[3 if self.transfer else 2]:
            line = self.lines.setdefault(sku, [0] * 6)
            line[QTY] += qty
        self.state = "held"
        if call.options.get("ship", True):
            for line in self.lines.values():
                line[SHIPPED] = line[QTY]
                at_once = self.transfer and self.eta_ms is None
                line[ACCEPTED] = line[QTY] if at_once else 0
        self.versions = []
        self.settle()

    def held(self, sku):
        return self.lines[sku][QTY] - self.lines[sku][SHIPPED]

    def under_way(self, sku):
        line = self.lines[sku]
        return line[SHIPPED] - line[ACCEPTED] - line[REJECTED] + line[OVER] - line[LOST]

    def settle(self):
        if any(self.under_way(sku) for sku in self.lines):
            self.state = "in_transit"
        elif not any(self.held(sku) for sku in self.lines):
            shipped = any(line[SHIPPED] for line in self.lines.values())
            self.state = "arrived" if shipped else "withdrawn"

    def keep(self, change):
        self.versions.append(Version(change, self))

    def first_effect(self):
        """What its making changes: as the steps below."""
        effect = Effect()
        for sku, line in self.lines.items():
            if self.state == "held":
                effect.add(sku, self.source, 0, line[QTY])
                continue
            if self.transfer:
                effect.add(sku, self.source, -line[QTY], 0)
            if line[ACCEPTED]:
                effect.add(sku, self.place, line[QTY], 0)
            else:
                effect.send(sku, self.ident, line[QTY])
        return effect

    # ---- steps; each returns its Effect, or None if it cannot be

    def step(self, call):
        lines = call.params[1] if len(call.params) > 1 else None
        effect = getattr(self, call.method)(lines, call.options)
        if effect is not None:
            self.settle()
        return effect

    def reschedule(self, eta_ms, _):
        if self.state in ("arrived", "withdrawn"):
            return None
        self.eta_ms = eta_ms
        return Effect()

    def ship(self, lines, options):
        if not self.transfer:
            return None
        effect = Effect()
        wanted = lines or [[sku, self.held(sku)] for sku in self.lines if self.held(sku)]
        if not wanted:
            return None if self.state == "withdrawn" else effect
        self.eta_ms = options.get("eta_ms", self.eta_ms)
        for sku, qty in wanted:
            if qty > self.held(sku):
                return None
            self.lines[sku][SHIPPED] += qty
            effect.add(sku, self.source, -qty, -qty)
            if self.eta_ms is None:
                self.lines[sku][ACCEPTED] += qty
                effect.add(sku, self.place, qty, 0)
            else:
                effect.send(sku, self.ident, qty)
        return effect

    def arrive(self, lines, options):
        if self.state not in ("in_transit", "arrived") or (lines and self.state == "arrived"):
            return None
        effect = Effect()
        wanted = lines or [[sku, self.under_way(sku)] for sku in self.lines]
        for sku, accepted, *rejected in wanted:
            self.come(effect, sku, accepted, sum(rejected))
        for sku in self.lines if options.get("close") else ():
            lost = self.under_way(sku)
            self.lines[sku][LOST] += lost
            effect.send(sku, self.ident, -lost)
            effect.lost += [(sku, lost)] if lost else []
        return effect

    def come(self, effect, sku, accepted, rejected):
        line, left = self.lines[sku], self.under_way(sku)
        within = min(accepted, left)
        refused = min(rejected, left - within)
        over = accepted - within
        line[ACCEPTED] += accepted
        line[REJECTED] += rejected
        line[OVER] += over + rejected - refused
        effect.add(sku, self.place, accepted, 0)
        effect.send(sku, self.ident, -within - refused)
        effect.over += [(sku, over)] if over else []

    def withdraw(self, lines, _):
        effect = Effect()
        left = self.held if self.transfer else self.under_way
        for sku, qty in lines or [[sku, left(sku)] for sku in self.lines]:
            if qty > left(sku):
                return None
            self.lines[sku][QTY] -= qty
            if self.transfer:
                effect.add(sku, self.source, 0, -qty)
            else:
                self.lines[sku][SHIPPED] -= qty
                effect.send(sku, self.ident, -qty)
        return effect


class Effect:
    """What a change does. pools: (sku, place) -> [on_hand, reserved], of what is there; reserved are
    all promises of a place, also those of what is on its way to it. ways: (sku, supply) -> units
    under way. over, lost: (sku, units) of an arrival."""

    def __init__(self):
        self.pools, self.ways = {}, {}
        self.over, self.lost = [], []

    def add(self, sku, place, on_hand, reserved):
        pool = self.pools.setdefault((sku, place), [0, 0])
        pool[0] += on_hand
        pool[1] += reserved

    def send(self, sku, ident, units):
        self.ways[sku, ident] = self.ways.get((sku, ident), 0) + units

    def skus(self):
        return {sku for sku, _ in [*self.pools, *self.ways]}


# ---- refusals


def explains(document, version, call):
    """Was the document of that version no place for the step, as the refusal says?"""
    told = call.details
    if version.state != told["state"]:
        return False
    over = version.state in ("arrived", "withdrawn")
    lines = call.params[1] if len(call.params) > 1 else None
    holds = any(version.held.values())
    if told.get("lines"):
        [short] = told["lines"]
        asked = sum(qty for sku, qty in lines if sku == short["sku"])
        left = version.held if document.transfer else dict(
            zip((line[0] for line in version.lines), version.under_way))
        return left[short["sku"]] == short["left"] < asked
    if call.method == "ship":
        return over or not document.transfer
    if call.method == "arrive":
        return version.state != "in_transit"
    if call.method == "withdraw":
        return over or (document.transfer and not holds)
    return over


def check_refusal(document, call):
    """wrong_state is said of a state that it is wrong in, which it had during the call."""
    for at, version in enumerate(document.versions):
        if version.change.lo > call.answered:
            break
        later = document.versions[at + 1 : at + 2]
        if later and later[0].change.hi < call.asked:
            continue
        if explains(document, version, call):
            return
    raise Violation(f"S2: {call.method} is not wrong for {document.ident} as it was then",
                    [call, *(v.change for v in document.versions)])


def check_told(document, call):
    """What is told of a supply is what the change with that LSN left."""
    result = call.result
    for version in document.versions:
        if version.change.lsn == result["lsn"]:
            break
    else:
        raise Violation(f"S1: {document.ident} has no change with lsn {result['lsn']}", [call])
    if not version.is_told(call):
        raise Violation(f"S1: {document.ident} is {version.told()} then, and not what is told",
                        [version.change, call])
    if call.method != "supply":
        return
    for other in document.versions:
        if other.change.lsn > result["lsn"] and other.change.hi < call.asked:
            raise Violation(f"S1: {document.ident} was told as it was before", [other.change, call])
    if version.change.lo > call.answered:
        raise Violation(f"S1: {document.ident} was told before it was so", [version.change, call])
