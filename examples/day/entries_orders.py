# SPDX-License-Identifier: Apache-2.0
"""What answers and events mean for the orders."""

import collections

from books import DAMAGED, SLACK_MS, Books, Order, sums
from hours import ready_ms

NONE, KEPT, LATE = "none", "kept", "late"  # what a line that is handed over may be in a report


class OrderEntries(Books):
    def __init__(self, network):
        super().__init__(network)
        self.kept = collections.defaultdict(lambda: [0, 0])  # (place, outcome) -> least, most units
        self.rejections, self.moved = {}, {}  # lsn -> order

    # ---- made, paid, changed

    def book_reserve(self, note):
        order = self.orders[note.params[0]] = Order(note)
        for send in note.result.get("sends", ()):
            self.send(note, order, send)
        self.draw(order, note.result["lines"], note)
        given = sums([[line[0], line[2]] for line in note.result["lines"]])
        given.update(sums(note.result.get("missing", ())))
        self.expect("orders get what they want", given == order.wanted, f"and not {given}", note)
        self.check_places(order, note)
        self.check_ready(order, note.result["lines"], note)

    def check_places(self, order, note):
        """Only places that may serve it do."""
        excluded = order.refused_by | set(() if order.changed else order.options.get("exclude", ()))
        for _, place in order.left:
            if place is None:
                allowed = order.options.get("backorder") or order.refused_by
            elif order.options.get("mode") == "pickup":
                allowed = self.network.places[place].pickup
                allowed = allowed and (order.changed or place == order.options["at"])
            else:
                allowed = self.network.places[place].ships
            self.expect("orders are served by places that may", allowed and place not in excluded,
                        f"{place} may not", note)

    def check_ready(self, order, lines, note):
        """The time that was promised, by the calendar, the lead time and the dispatches."""
        ship = order.options.get("mode") != "pickup"
        for sku, cell, _, ready in lines:
            if cell is None or order.unsure:
                continue
            place = self.network.places[cell]
            low = ready_ms(place, sku, note.asked * 1000 - SLACK_MS, ship)
            high = ready_ms(place, sku, note.answered * 1000 + SLACK_MS, ship)
            right = ready is not None and low - 1 <= ready <= high + 1
            if not right:  # from what is on its way
                etas = {eta for supply in self.supplied[sku, cell] for eta in supply.etas if eta}
                right = ready in {ready_ms(place, sku, eta, ship) for eta in etas}
            if not right and order.changed:  # promised before
                right = ready in order.ready[sku, cell]
            self.expect("ready times", right,
                        f"{sku} at {cell}: {ready} and not {low} to {high}", note)

    def book_confirm(self, note):
        order = self.orders[note.params[0]]
        if order.state == "held":
            order.state = "confirmed"
        self.check_state(order, note)

    def book_extend(self, note):
        self.orders[note.params[0]].expires_ms = note.result["expires_ms"]

    def check_state(self, order, note):
        if not note.again and not order.unsure:
            self.expect("states", order.state == note.result["state"], f"it is {order.state}", note)

    def drawn_anew(self, order, note, wanted=None):
        """An amend, a move or a reject: the answer says where all of it comes from now."""
        before = {cell: set(times) for cell, times in order.ready.items()}
        order.unsure |= note.again
        order.changed = True
        self.draw(order, note.result["lines"], note)
        if order.unsure:
            return
        got = collections.Counter()
        for (sku, _), qty in (order.left + order.done).items():
            got[sku] += qty
        if wanted is not None:
            self.expect("changed orders get what they want", +got == +wanted,
                        f"{+got} and not {+wanted}", note)
        self.check_places(order, note)
        new = [line for line in note.result["lines"]
               if line[3] not in before.get((line[0], line[1]), ())]
        self.check_ready(order, new, note)

    def book_amend(self, note):
        order = self.orders[note.params[0]]
        wanted = sums(note.params[1]) | sums([[s, n] for (s, _), n in order.done.items()])
        self.drawn_anew(order, note, wanted)
        order.end_if_nothing_is_left()
        self.check_state(order, note)

    def book_move(self, note):
        order = self.orders[note.params[0]]
        wanted = collections.Counter(order.left)
        for sku, source, to, qty in note.params[1]:
            wanted[sku, source] -= qty
            wanted[sku, to] += qty
        self.drawn_anew(order, note)
        self.moved[note.result["lsn"]] = order
        if not order.unsure:
            self.expect("moves", +wanted == +order.left, f"it must be {+wanted}", note)

    def book_reject(self, note):
        ident, place, lines = note.params[:3]
        order = self.orders[ident]
        cells = order.left_at(place)
        before = collections.Counter()
        for (sku, _), qty in (order.left + order.done).items():
            before[sku] += qty
        self.give_back(order, cells, note)
        for (sku, _), qty in cells.items():
            taken = min(qty, max(0, self.on_hand(sku, place)))
            if note.options["reason"] != "busy":
                self.move(note, sku, place, -taken, "not found by who was to pack it")
            if note.options["reason"] == "damaged":
                self.set_apart(sku, place, taken, DAMAGED, "found broken")
        order.refused_by.add(place)
        self.rejections[note.result["lsn"]] = order
        if note.options.get("on_fail") != "cancel":
            self.drawn_anew(order, note, before)
        else:  # what nobody else has is cancelled
            self.drawn_anew(order, note)
            after = sums([[sku, qty] for (sku, _), qty in (order.left + order.done).items()])
            gone, rejected = before - after, sums([[sku, n] for (sku, _), n in cells.items()])
            right = after <= before and gone <= rejected
            self.expect("what a reject cancels", right or order.unsure, f"{gone} is gone", note)
        order.end_if_nothing_is_left()
        self.check_state(order, note)

    # ---- handed over, given back

    def book_ready(self, note):
        ident, place = note.params[:2]
        self.put_aside(self.orders[ident], place, note.options.get("collect_by_ms"), note)

    def put_aside(self, order, place, collect_by_ms, note):
        order.set_aside[place] = collect_by_ms
        order.aside.update(order.left_at(place))
        self.aside[place][order.ident] = order
        self.aside_changed[place].append(self.span(note))

    def book_fulfil(self, note):
        order = self.orders[note.params[0]]
        place = note.options["location"]
        cells = order.left_at(place)
        self.give_back(order, cells, note)
        for (sku, _), qty in cells.items():
            self.move(note, sku, place, -qty, "handed over")
            order.done[sku, place] += qty
            self.sales.append((order.channel, place, sku, qty, order.ident))
            self.judge(order, sku, place, qty, note)
        order.end_if_nothing_is_left()
        self.check_state(order, note)

    def judge(self, order, sku, place, qty, note):
        """Was the promise kept? Between the request and its answer it may have been either."""
        asked, answered = note.asked * 1000 - SLACK_MS, note.answered * 1000 + SLACK_MS
        outcomes = set()
        for ready in order.ready[sku, place]:
            if order.changed or order.unsure or ready is None:
                outcomes |= {NONE, KEPT, LATE}
                continue
            if ready <= order.answered_ms + SLACK_MS:
                outcomes.add(NONE)
            if ready > order.asked_ms - SLACK_MS:
                outcomes |= {KEPT} if asked <= ready else set()
                outcomes |= {LATE} if answered > ready else set()
        for outcome in outcomes:
            self.kept[place, outcome][1] += qty
        if outcomes - {NONE}:
            self.kept[place, "timed"][1] += qty
        if len(outcomes) == 1:
            self.kept[place, outcomes.pop()][0] += qty

    def book_cancel(self, note):
        self.end_part(note, note.options.get("location"))

    def book_restock(self, note):
        order = self.orders[note.params[0]]
        self.expect("what is restocked", "not_collected" in order.told,
                    "somebody may come yet", note)
        left = collections.Counter(order.left)  # what came to the part since is still open
        left.subtract({cell: min(order.aside.get(cell, 0), n)
                       for cell, n in order.left_at(note.params[1]).items()})
        self.set_left(order, +left, note)
        self.end_aside(order, note.params[1], note)
        order.end_if_nothing_is_left()
        self.check_state(order, note)

    def end_part(self, note, place):
        order = self.orders[note.params[0]]
        self.give_back(order, list(order.left_at(place) if place else order.left), note)
        order.end_if_nothing_is_left()
        self.check_state(order, note)

    # ---- events

    def told_expired(self, event):
        order = self.orders[event["id"]]
        self.expect("events of expired holds",
                    order.state == "held" and event["time_ms"] >= order.expires_ms - SLACK_MS,
                    f"it is {order.state} until {order.expires_ms}", event)
        order.told.add("expired")
        self.give_back(order, list(order.left), event)
        order.state = "expired"

    def told_ready(self, event):
        order = self.orders[event["id"]]
        order.told.add("ready")
        if not order.is_aside(event["location"]):
            self.put_aside(order, event["location"], None, event)

    def told_not_collected(self, event):
        order = self.orders[event["id"]]
        order.told.add("not_collected")
        by = order.set_aside.get(event["location"])
        self.expect("events of what nobody collected",
                    by is not None and by <= event["time_ms"] + SLACK_MS,
                    f"it is kept until {by}", event)

    def told_sourced(self, event):
        order = self.orders[event["id"]]
        order.told.add("sourced")
        sku, place, qty = event["sku"], event["location"], event["qty"]
        if order.left[sku, None] < qty:
            self.expect("events of what was sourced", order.unsure,
                        "it did not wait for them", event)
            return
        left = collections.Counter(order.left)
        left[sku, None] -= qty
        left[sku, place] += qty
        order.ready[sku, place].add(None)
        order.changed = True
        self.set_left(order, +left, event)

    def told_rejected(self, event):
        order = self.orders[event["id"]]
        order.told.add("rejected")
        self.expect("events of rejections", self.rejections.get(event["lsn"]) is order,
                    "nobody rejected it then", event)

    def told_moved(self, event):
        self.orders[event["id"]].told.add("moved")

    def told_unsourced(self, event):
        self.orders[event["id"]].told.add("unsourced")
