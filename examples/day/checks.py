# SPDX-License-Identifier: Apache-2.0
"""At night: what the engine says, against the books."""

import collections
import time

from books import DAMAGED, DISPLAY, QUALITY, SELLABLE, SLACK_MS
from wire import Refusal

KINDS = {"shared": SELLABLE, "allotted": SELLABLE, "owed": SELLABLE, "damaged": DAMAGED,
         "quality": QUALITY, "display": DISPLAY}
MAX_PAGE, MAX_QUERY = 10_000, 4096


class Night:
    def __init__(self, desk, ledger, network, room):
        self.desk, self.ledger, self.network = desk, ledger, network
        self.room = room  # whoever has listened to events and changes
        self.began_ms = int(time.time() * 1000)
        self.expect = ledger.expect
        self.free = {}  # sku -> [(place, kind, channel, units that are promised to nobody)]
        self.short_cells = set()  # (sku, place)
        self.short = collections.Counter()  # place -> promised units that are not there
        self.rows = {}  # name -> (columns, rows) of each report that was asked for

    def run(self):
        told = self.desk.must("check")
        self.expect("the engine's own check", told["broken"] == 0, told)
        self.orders()
        self.stock()
        self.supplies()
        self.past()
        self.availability()
        self.lists()
        self.late_orders()
        self.promises()
        self.reports()

    # ---- orders and supplies

    def orders(self):
        ids = list(self.ledger.orders)
        for ident, told in zip(ids, self.desk.all([("reservation", ident) for ident in ids])):
            self.order(self.ledger.orders[ident], told)

    def order(self, order, told):
        left, handed_over = collections.Counter(), collections.Counter()
        for sku, place, qty, _, fulfilled, cancelled in told["lines"]:
            left[sku, place] += qty - fulfilled - cancelled
            handed_over[sku, place] += fulfilled
        if told["state"] in ("expired", "cancelled", "fulfilled"):
            left.clear()
        self.expect("orders: what was handed over", +handed_over == +order.done,
                    f"{order.ident}: the books say {+order.done}", told)
        if order.unsure:  # it was changed in a crash, and its lines were told later
            self.ledger.checked["orders whose lines were told after a crash"] += 1
            self.ledger.set_left(order, +left, told | {"time_ms": 0})
            order.state = told["state"]
        self.expect("orders: state", told["state"] == order.state,
                    f"{order.ident}: the books say {order.state}", told)
        self.expect("orders: what is left", +left == +order.left,
                    f"{order.ident}: the books say {+order.left}", told)
        self.expect("holds end", order.state != "held", f"{order.ident} is still held", told)

    def supplies(self):
        ids = list(self.ledger.supplies)
        for ident, told in zip(ids, self.desk.all([("supply", ident) for ident in ids])):
            supply = self.ledger.supplies[ident]
            lines = {sku: rest for sku, *rest in told["lines"]}
            self.expect("supplies", (told["state"], lines) == (supply.state, supply.lines()),
                        f"{ident}: the books say {supply.state} {supply.lines()}", told)
            late = supply.eta_ms and supply.eta_ms < self.began_ms - SLACK_MS
            if supply.state == "in_transit" and late:
                self.expect("late supplies are told",
                            self.room.hears("late", ident, None, supply.place), ident, told)

    # ---- stock

    def stock(self):
        backlog = collections.Counter()
        for order in self.ledger.orders.values():
            for (sku, place), qty in order.left.items():
                if place is None:
                    backlog[sku] += qty
        cells = collections.defaultdict(list)
        for sku, place in {*self.ledger.stock, *self.ledger.reserved, *self.ledger.on_its_way}:
            if place is not None:
                cells[sku].append(place)
        items = self.network.items
        for sku, told in zip(items, self.desk.all([("stock", sku) for sku in items])):
            self.item(sku, told, cells[sku], backlog[sku])

    def item(self, sku, told, places, backlog):
        there = collections.defaultdict(collections.Counter)
        on_its_way, reserved = collections.Counter(), collections.Counter()
        self.free[sku] = [(pool["location"], pool["kind"], pool["channel"],
                           pool["on_hand"] - pool["reserved"]) for pool in told["pools"]]
        if told["backlog"]:
            del self.free[sku]  # it is kept for those who wait, as far as they may have it
        for pool in told["pools"]:
            place = pool["location"]
            reserved[place] += pool["reserved"]
            if pool["kind"] in ("shared", "allotted"):
                self.short[place] += max(0, pool["reserved"] - pool["on_hand"])
                if pool["reserved"] > pool["on_hand"]:
                    self.short_cells.add((sku, place))
            if pool["kind"] in KINDS:
                there[place][KINDS[pool["kind"]]] += pool["on_hand"]
            else:
                on_its_way[place] += pool["on_hand"]
        for place in {*places, *there} - {None}:
            cell, booked = (sku, place), self.ledger.stock[sku, place]
            for condition in (SELLABLE, DAMAGED, QUALITY, DISPLAY):
                self.same(f"units that are {condition}", cell, there[place][condition],
                          booked[condition])
            self.same("units reserved", cell, reserved[place], self.ledger.reserved[cell])
            self.same("units on their way", cell, on_its_way[place], self.ledger.on_its_way[cell])
        self.same("units that orders wait for", sku, told["backlog"], backlog)
        self.same("sums of stock", sku, told["on_hand"], sum(c[SELLABLE] for c in there.values()))

    def same(self, what, of, told, booked):
        self.expect(what, told == booked, f"{of}: {told}, the books say {booked}")

    def past(self):
        """What was on hand at some moments of the day, by the engine's history."""
        for lsn, booked in self.ledger.moments.items():
            there = collections.Counter()
            for sku in {cell[0] for cell in booked}:
                told = self.desk.ask("stock", sku, {"at_lsn": lsn})
                if isinstance(told, Refusal) and told.code == "unknown_sku":
                    continue  # it was announced later
                for pool in told["pools"]:
                    if KINDS.get(pool["kind"]) == SELLABLE:
                        there[sku, pool["location"]] += pool["on_hand"]
            for cell, units in booked.items():
                self.same("units on hand in the past", (lsn, cell), there[cell], units)

    # ---- what channels show

    def availability(self):
        """What one order could take now, by the rules of the channel; and what who listened to
        changes all day believes it is."""
        for code, options in self.network.channels().items():
            places = self.network.places_of(options)
            skus = list(self.free)
            for at in range(0, len(skus), MAX_QUERY):
                part = skus[at : at + MAX_QUERY]
                for sku, told in zip(part, self.desk.must("availability", code, part)["stock"]):
                    self.shown(code, options, places, sku, told)

    def shown(self, code, options, places, sku, told):
        if code in self.room.heard:
            heard = self.room.heard[code].get(sku, 0)
            self.expect("what changes told", heard == told,
                        f"{sku} on {code}: {told}, and {heard} was heard")
        pools = self.free[sku]
        if options.get("promise") == "incoming" or any(pool[1] == "allotted" for pool in pools):
            return
        units = 0
        for location, kind, _, free in pools:
            if kind == "shared" and location in places:
                safety = 0 if options.get("ignore_safety") else places[location].safety_of(sku)
                units += max(0, free - safety)
        wanted = max(0, units - options.get("buffer", 0))
        self.expect("availability", told == wanted,
                    f"{sku} on {code}: {told} and not {wanted}", pools)

    def lists(self):
        """What each place has to do."""
        parts = collections.defaultdict(set)
        for order in self.ledger.orders.values():
            if order.state == "confirmed":
                for place in {cell[1] for cell in order.left} - {None}:
                    step = "set aside" if order.is_aside(place) else "open"
                    parts[place, step].add(order.ident)
        for place in self.network.places:
            for step, asked in (("open", ["open"]), ("set aside", ["ready", "not_collected"])):
                told = {order["id"] for each in asked for order in self.pages(
                    {"location": place, "state": "confirmed", "step": each})}
                self.expect("lists of what is to do", told == parts[place, step],
                            f"{place}, {step}: {told ^ parts[place, step]}")

    def pages(self, asked):
        after = None
        while True:
            page = self.desk.must("orders", {**asked, "limit": 1000, "after": after})
            yield from page["orders"]
            after = page["next"]
            if after is None:
                return

    # ---- promises

    def open_parts(self):
        """(order, place, latest ready time) of what nobody has handed over or set aside."""
        for order in self.ledger.orders.values():
            if order.state == "confirmed":
                for place in {cell[1] for cell in order.left} - {None}:
                    if not order.is_aside(place):
                        cells = order.left_at(place)
                        yield order, place, [t for cell in cells for t in order.ready[cell]]

    def late_orders(self):
        """What a supervisor asks for: who should have been served by now."""
        before_ms = time.time() * 1000 - SLACK_MS
        listed = {order["id"] for order in self.pages({"state": "confirmed", "late": True})}
        after_ms = time.time() * 1000 + SLACK_MS
        must, may = set(), set()
        for order, _, times in self.open_parts():
            known = [time_ms for time_ms in times if time_ms is not None and not order.changed]
            if len(known) < len(times) or min(known) < after_ms:
                may.add(order.ident)
            if len(known) == len(times) and max(known) < before_ms:
                must.add(order.ident)
        for each in must - listed:
            self.expect("late orders are listed", False, f"{each} is not")
        for each in listed - may:
            self.expect("late orders are listed", False, f"{each} is, and is not late")
        self.ledger.checked["late orders are listed"] += len(must)

    def promises(self):
        """Each was kept, or its buyer was told, or is due tomorrow, or the goods are on the way or
        missing, or were, which is told as well. An open part that is due, and whose goods were
        there all the time, is none of these."""
        self.fate = collections.Counter()
        for order in self.ledger.orders.values():
            self.fate[f"orders {order.state}"] += 1
            if (None in {cell[1] for cell in order.left}) and not order.options.get("backorder"):
                self.expect("promises", "unsourced" in order.told or order.unsure,
                            f"{order.ident} waits, and nobody told", order.told)
            if order.refused_by:
                self.expect("promises", "rejected" in order.told,
                            f"{order.ident} was rejected, and nobody told")
        short = {(sku, place) for sku, place in self.ledger.reserved
                 if place and self.ledger.on_hand(sku, place) < self.ledger.reserved[sku, place]}
        self.shortages()
        for order, place, times in self.open_parts():
            if not times or None in times or max(times) >= self.began_ms:
                self.fate["parts for tomorrow"] += 1
            elif any(self.ledger.on_its_way[cell] for cell in order.left_at(place)):
                self.fate["parts whose goods are on the way"] += 1
            elif any(cell in short for cell in order.left_at(place)):
                self.fate["parts whose goods are missing"] += 1
            elif self.was_short(order, place):
                self.fate["parts whose goods were missing until closing time"] += 1
            else:
                self.expect("promises", False,
                            f"{order.ident} at {place} was neither kept nor told", vars(order),
                            self.desk.must("reservation", order.ident),
                            self.desk.must("history", None, {"id": order.ident})["events"])
        for supply in self.ledger.supplies.values():
            self.fate[f"supplies {supply.state}"] += 1
        self.ledger.checked["promises"] += len(self.ledger.orders)

    def was_short(self, order, place):
        """Its buyer was told so. What stands in, a hold that expires, say, may be free only once
        the staff has gone."""
        return any(("short", order.ident, *cell) in self.room.told
                   for cell in order.left_at(place))

    def shortages(self):
        """Where promised units are not there, the latest promise was told so."""
        orders = collections.defaultdict(list)
        for order in self.ledger.orders.values():
            for cell in order.left:
                orders[cell].append(order)
        for cell in self.short_cells:
            latest = max(orders[cell], key=lambda order: order.lsn, default=None)
            plain = not self.ledger.supplied[cell] and not any(o.changed for o in orders[cell])
            if latest and plain:  # else it may be another: what is drawn later counts from then
                self.expect("shortages are told",
                            self.room.hears("short", latest.ident, *cell),
                            f"{cell}: {latest.ident} was not")

    # ---- reports

    def report(self, name, by):
        """key -> the row's other values."""
        rows, after = {}, None
        while True:
            page = self.desk.must("report", name, {"by": by, "limit": MAX_PAGE, "after": after})
            rows.update({row[0]: row[1:] for row in page["rows"]})
            after = page["next"]
            if after is None:
                self.rows[name, by] = page["columns"], rows
                return rows

    def compare(self, name, by, booked, columns=None):
        told = self.report(name, by)
        for key in {*told, *booked}:
            row, wanted = told.get(key), booked.get(key)
            row = list((row or [0] * len(wanted or ()))[:columns])
            self.same(f"report {name} by {by}", key, row, list(wanted or [0] * len(row)))

    def reports(self):
        self.stock_reports()
        self.sales_reports()
        self.refused_report()
        self.promises_report()
        self.sold_out_report()
        for key, row in self.report("holds", "channel").items():
            self.expect("report holds by channel", not row[0], f"{key}: {row}")

    def stock_reports(self):
        stock = {}
        for place in self.network.places:
            stock[place] = [0, 0, 0, 0]
        for (sku, place), units in self.ledger.stock.items():
            stock[place][0] += units[SELLABLE]
            stock[place][2] += units[DAMAGED]
        for (_, place), units in self.ledger.on_its_way.items():
            stock[place][3] += units
        told = self.report("stock", "location")
        for place, (on_hand, _, damaged, coming) in stock.items():
            row = told.get(place, [0] * 5)
            self.expect("report stock by location",
                        [row[0], row[3], row[4]] == [on_hand, damaged, coming],
                        f"{place}: {row}, the books say {on_hand, damaged, coming}")
        least, told, most = self.late_units(), self.report("late", "location"), self.late_units()
        for place in {*told, *most}:
            units = told.get(place, [0])[0]
            self.expect("report late by location", least[place] <= units <= most[place],
                        f"{place}: {units}, the books say {least[place]} to {most[place]}")
        self.compare("short", "location", {place: [n] for place, n in self.short.items()}, 1)

    def late_units(self):
        units = collections.Counter()
        for supply in self.ledger.supplies.values():
            if supply.eta_ms and supply.eta_ms < time.time() * 1000:
                units[supply.place] += sum(supply.under_way.values())
        return units

    def sales_reports(self):
        for by, key in (("channel", 0), ("location", 1), ("sku", 2)):
            units, orders = collections.Counter(), collections.defaultdict(set)
            for sale in self.ledger.sales:
                units[sale[key]] += sale[3]
                orders[sale[key]].add(sale[4])
            booked = {each: [n, len(orders[each])] for each, n in units.items()}
            self.compare("sales", by, booked, 2)
        for by, key in (("channel", 0), ("location", 1)):
            booked = collections.defaultdict(lambda: [0, 0, 0])
            for each in self.ledger.returns:
                row = booked[each[key]]
                row[0] += each[3]
                row[1] += 1
                row[2] += each[3] * each[4]
            self.compare("returns", by, booked, 3)
        units = collections.Counter()
        for channel, _, _, qty, _ in self.ledger.sales:
            units[channel] += qty
        self.compare("sell_through", "channel", {key: [n] for key, n in units.items()}, 1)

    def refused_report(self):
        """A crash may lose the last ones; what was asked again after it may have been refused."""
        least, most = self.ledger.refused_units
        told = self.report("refused", "channel")
        for channel in {*told, *most}:
            units = told.get(channel, [0])[0]
            self.expect("report refused by channel", least[channel] <= units <= most[channel],
                        f"{channel}: {units}, the books say {least[channel]} to {most[channel]}")

    def sold_out_report(self):
        """How often, by the events; and what orders missed, as the report of refusals has it. A
        supply that is late now may sell something out meanwhile."""
        missing = {key: row[2] for key, row in self.report("refused", "channel").items()}
        least, told = self.times_sold_out(), self.report("sold_out", "channel")
        self.room.read_events()
        most = self.times_sold_out()
        for channel in {*told, *most, *missing}:
            units, times = told.get(channel, [0, 0])[:2]
            if channel in told:
                self.same("report sold_out, units", channel, units, missing.get(channel, 0))
            self.expect("report sold_out by channel", least[channel] <= times <= most[channel],
                        f"{channel}: {times} and not {least[channel]} to {most[channel]}")

    def times_sold_out(self):
        return collections.Counter(event["channel"] for event in self.room.events
                                   if event["type"] == "sold_out")

    def promises_report(self):
        """Units, and whether lines of them were in time: the engine counts these by the line."""
        for place in {**self.report("promises", "location"), **self.network.places}:
            row = self.rows["promises", "location"][1].get(place, [0] * 4)
            units, lines, kept, late = row[:4]
            (kept_low, kept_high), (late_low, late_high) = (
                self.ledger.kept[place, outcome] for outcome in ("kept", "late"))
            right = (kept + late == lines <= units and kept <= kept_high and late <= late_high
                     and bool(kept_low) <= kept and bool(late_low) <= late
                     and kept_low + late_low <= units <= self.ledger.kept[place, "timed"][1])
            self.expect("report promises by location", right,
                        f"{place}: {row}, the books say {dict(self.ledger.kept)}")
