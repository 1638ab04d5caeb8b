# SPDX-License-Identifier: Apache-2.0
"""What each answer (book_*) and each event (told_*) means for the books, by the contract."""

import collections

from books import DAMAGED, DISPLAY, QUALITY, SELLABLE, SLACK_MS, Books, Supply, sums
from entries_orders import OrderEntries

CONDITIONS = {"damaged": DAMAGED, "quality": QUALITY, "display": DISPLAY}


class StockEntries(Books):
    """Movements: what comes, goes, is counted, and is sold at tills."""

    def book_receive(self, note):
        _, sku, place, qty = note.params[:4]
        self.move(note, sku, place, qty, "received")
        self.check_on_hand(note, sku, place, note.result["on_hand"])

    def book_adjust(self, note):
        _, sku, place, delta = note.params[:4]
        self.move(note, sku, place, delta, "adjusted")
        self.check_on_hand(note, sku, place, note.result["on_hand"])
        told = note.result["on_hand"] - delta
        self.expect("corrections of what is there", told == note.options.get("if_on_hand", told),
                    "it was done though not as many were there", note)

    def book_count(self, note):
        _, sku, place, counted = note.params[:4]
        as_of, shelf = note.options.get("as_of"), note.options.get("shelf")
        self.move(note, sku, place, note.result["delta"], "counted")
        self.check_on_hand(note, sku, place, note.result["on_hand"])
        if shelf:
            counted += sum(min(order.left[sku, place], order.aside.get((sku, place), 0))
                           for order in self.aside[place].values())
        self.check_count(note, sku, place, counted, as_of, shelf)
        now = note.asked * 1000 - SLACK_MS, note.answered * 1000 + SLACK_MS
        self.counts[sku, place].append((as_of, as_of) if as_of else now)

    def book_return(self, note):
        _, sku, place, qty = note.params[:4]
        ident = note.options.get("reservation")
        damaged = note.options.get("condition") == "damaged"
        if damaged:
            self.set_apart(sku, place, qty, DAMAGED, "returned, damaged")
        else:
            self.move(note, sku, place, qty, "returned")
        self.check_on_hand(note, sku, place, note.result["on_hand"])
        order = self.orders.get(ident)
        self.returns.append((order.channel if order else None, place, sku, qty, damaged))
        if ident is not None:
            self.returned[ident, sku] += qty
            had = sum(n for (each, _), n in order.done.items() if each == sku)
            self.expect("returns of what was bought", self.returned[ident, sku] <= had,
                        f"only {had} of {sku} were handed over", note)

    def book_sold(self, note):
        ident, channel, place, lines = note.params[:4]
        at_ms = note.options.get("at_ms")
        told = {sku: on_hand for sku, on_hand, _ in note.result["lines"]}
        for sku, qty in sums(lines).items():
            taken = self.taken_by_sale(sku, place, qty, at_ms, told[sku])
            self.move(note, sku, place, -taken, "sold at tills", at_ms)
            self.flow["sold at tills, and missed by a count before"] += qty - taken
            self.check_on_hand(note, sku, place, told[sku])
            self.sales.append((channel, place, sku, qty, ident))

    def taken_by_sale(self, sku, place, qty, at_ms, told):
        """Nothing, if the item was counted there after the sale, and before it was booked."""
        if at_ms is None:
            return qty
        counts = self.counts[sku, place]
        if any(at_ms <= low for low, _ in counts):
            return 0
        if any(at_ms <= high for _, high in counts) and told == self.on_hand(sku, place):
            return 0
        return qty

    def book_shift(self, note):
        _, sku, place, qty, source, to = note.params[:6]
        for condition, delta in ((source, -qty), (to, qty)):
            if condition == "sellable":
                self.move(note, sku, place, delta, "set apart" if delta < 0 else "put back on sale")
            else:
                self.set_apart(sku, place, delta, CONDITIONS[condition], f"shifted, {condition}")
                self.expect("what is set apart", self.stock[sku, place][CONDITIONS[condition]] >= 0,
                            "there were not as many", note)
        self.check_on_hand(note, sku, place, note.result["on_hand"])


class SupplyEntries(StockEntries):
    """What is on its way."""

    def new_supply(self, ident, supply):
        self.supplies[ident] = supply
        for sku in supply.qty:
            self.supplied[sku, supply.place].append(supply)
        return supply

    def set_off(self, supply, lines):
        for sku, qty in lines.items():
            supply.under_way[sku] += qty
            supply.shipped[sku] += qty
            self.on_its_way[sku, supply.place] += qty

    def book_expect(self, note):
        ident, place, lines = note.params[:3]
        supply = Supply("expect", None, place, lines, note.options["eta_ms"])
        self.new_supply(ident, supply)
        self.set_off(supply, supply.qty)
        self.check_supply(note, supply)

    def book_transfer(self, note):
        ident, source, place, lines = note.params[:4]
        eta_ms, held = note.options.get("eta_ms"), note.options.get("ship") is False
        supply = self.new_supply(ident, Supply("transfer", source, place, lines, eta_ms))
        for sku, qty in supply.qty.items():
            if held:
                supply.held[sku] += qty
                self.reserved[sku, source] += qty
            else:
                self.move(note, sku, source, -qty, "sent to another place")
            self.expect("transfers of what is free", self.cover(sku, source) >= 0,
                        f"{sku} at {source} was promised to others", note)
        if not held:
            self.set_off(supply, supply.qty)
            if eta_ms is None:
                self.come(note, supply, supply.qty, {})
        self.check_supply(note, supply)

    def send(self, note, order, ident):
        """A transfer that was made with an order, for a place where it is collected."""
        told = self.lookups[ident]
        supply = Supply("transfer", told["from"], told["location"],
                        [line[:2] for line in told["lines"]], told["eta_ms"])
        self.new_supply(ident, supply)
        for sku, qty in supply.qty.items():
            self.move(note, sku, supply.source, -qty, "sent to another place")
            self.expect("sends of what is free", self.cover(sku, supply.source) >= 0,
                        f"{sku} at {supply.source} was promised to others", note)
        self.set_off(supply, supply.qty)
        self.expect("sends", told["reservation"] == order.ident, f"{ident} is another's", told)

    def book_ship(self, note):
        supply = self.supplies[note.params[0]]
        for sku, qty in sums(note.params[1]).items():
            supply.held[sku] -= qty
            self.reserved[sku, supply.source] -= qty
            self.move(note, sku, supply.source, -qty, "sent to another place")
        self.set_off(supply, sums(note.params[1]))
        supply.eta_ms = note.options["eta_ms"]
        supply.etas.add(supply.eta_ms)
        self.check_supply(note, supply)

    def book_arrive(self, note):
        supply = self.supplies[note.params[0]]
        lines = note.params[1] or [[sku, qty] for sku, qty in supply.under_way.items()]
        rejected = collections.Counter({line[0]: line[2] for line in lines if len(line) > 2})
        self.come(note, supply, sums(lines), rejected)
        if note.options.get("close"):
            for sku, qty in list(supply.under_way.items()):
                supply.lost[sku] += qty
                supply.under_way[sku] = 0
                self.on_its_way[sku, supply.place] -= qty
                self.flow["lost on the way"] += qty
                self.note_lost(sku, supply.place, qty)
        self.check_supply(note, supply)

    def come(self, note, supply, accepted, rejected):
        for sku, qty in accepted.items():
            broken = rejected.get(sku, 0)
            expected = min(supply.under_way[sku], qty + broken)
            supply.under_way[sku] -= expected
            self.on_its_way[sku, supply.place] -= expected
            supply.accepted[sku] += qty
            supply.rejected[sku] += broken
            why = "delivered" if supply.kind == "expect" else "arrived from another place"
            self.move(note, sku, supply.place, qty, why)
            self.set_apart(sku, supply.place, broken, DAMAGED, "came broken")
            self.note_lost(sku, supply.place, broken)

    def book_reschedule(self, note):
        supply = self.supplies[note.params[0]]
        supply.eta_ms = note.params[1]
        supply.etas.add(supply.eta_ms)
        self.check_supply(note, supply)

    def book_withdraw(self, note):
        supply = self.supplies[note.params[0]]
        if supply.kind == "transfer":
            for sku, qty in supply.held.items():
                self.reserved[sku, supply.source] -= qty
                supply.qty[sku] -= qty
            supply.held.clear()
        else:
            for sku, qty in list(supply.under_way.items()):
                supply.qty[sku] -= qty
                supply.shipped[sku] -= qty
                supply.under_way[sku] = 0
                self.on_its_way[sku, supply.place] -= qty
                self.note_lost(sku, supply.place, qty)
        self.check_supply(note, supply)

    def check_supply(self, note, supply):
        if note.again:
            return
        told = {sku: rest for sku, *rest in note.result["lines"]}
        self.expect("what answers say of supplies",
                    (note.result["state"], told) == (supply.state, supply.lines()),
                    f"the books say {supply.state} {supply.lines()}", note)

    # ---- events

    def told_late(self, event):
        supply = self.supplies[event["id"]]
        self.expect("events of late supplies", min(t for t in supply.etas if t) <= event["time_ms"],
                    "it is not late yet", event)


class Ledger(OrderEntries, SupplyEntries):
    def __init__(self, network, lookups):
        super().__init__(network)
        self.lookups = lookups  # id -> what `supply` said of a transfer that an order made
        self.seen = {}  # (method, id, op) -> lsn
        self.events = collections.Counter()
        self.moments = {}  # lsn -> (sku, place) -> units on hand then, of some items

    def book(self, notes, events):
        """All of it. Of one LSN, the answer comes before the events that tell of it."""
        entries = [(note.result["lsn"], 0, n, note) for n, note in enumerate(notes)
                   if note.refusal is None]
        entries += [(event["lsn"], 1, n, event) for n, event in enumerate(events)]
        entries.sort(key=lambda each: each[:3])
        remember = [entries[len(entries) * part // 4][0] for part in (1, 2, 3)]
        for lsn, is_event, _, entry in entries:
            while remember and lsn > remember[0]:
                self.remember(remember.pop(0))
            if is_event:
                self.hear(entry)
                continue
            self.flow["changes"] += 1
            handler = getattr(self, "book_" + entry.method, None)
            if handler and not self.booked_before(entry, lsn):
                handler(entry)
        self.look_back()

    def remember(self, lsn):
        skus = set(self.network.flash[::4] + self.network.coming[:5])
        self.moments[lsn] = {cell: units[SELLABLE] for cell, units in self.stock.items()
                             if cell[0] in skus}

    def hear(self, event):
        self.events[event["type"]] += 1
        handler = getattr(self, "told_" + event["type"], None)
        if handler:
            handler(event)

    def booked_before(self, note, lsn):
        """A repeat is told the same, and booked once."""
        key = note.method, note.params[0], note.options.get("op")
        if note.method == "extend" or key not in self.seen:
            self.seen[key] = lsn
            return False
        self.expect("one id is one change", self.seen[key] == lsn, f"not at {self.seen[key]}", note)
        return True
