# SPDX-License-Identifier: Apache-2.0
"""The chain: its warehouses and stores, its channels, what it sells, and the stock at dawn."""

import datetime
import itertools
import zoneinfo

from clock import DAWN, DUSK
from hours import Calendar, leaving_times

ZONES = ("Europe/Paris", "Europe/Berlin", "Europe/London")
HOURS = {  # the day's own hours; a shop that is shut opens again tomorrow
    "usual": (DAWN - 1, DUSK + 1),
    "late": (13.0, DUSK + 1),
    "early": (DAWN - 1, 14.0),
    "shut": None,
}
FLASH = 20


class Place:
    def __init__(self, code, kind, **options):
        self.code, self.kind = code, kind
        self.calendar = options.pop("calendar", None)
        self.dispatch = options.get("dispatch", [])
        self.lead_s = options.get("lead_time_s", 0)
        self.safety = options.get("safety", 0)
        self.settings = {"kind": kind, **options}
        if self.calendar:
            self.settings["calendar"] = self.calendar.code
        self.lead_by_sku, self.safety_by_sku = {}, {}
        self.leaves = []

    @property
    def ships(self):
        return self.settings.get("ships", True)

    @property
    def pickup(self):
        return self.settings.get("pickup", True)

    def lead_of(self, sku):
        return self.lead_by_sku.get(sku, self.lead_s)

    def safety_of(self, sku):
        return self.safety_by_sku.get(sku, self.safety)


class Network:
    """Made from a seed; `open` tells the engine."""

    def __init__(self, rng, clock, stores, items):
        self.rng, self.clock = rng, clock
        self.items = [f"SKU{n:05}" for n in range(items)]
        self.flash = self.items[:FLASH]
        self.coming = self.items[FLASH : FLASH + max(10, items // 50)]  # none there at dawn
        self.calendars = {}
        self.places = {}
        self.make_depots()
        self.make_stores(stores)
        self.depots = [p.code for p in self.places.values() if p.kind == "warehouse"]
        self.stores = [p.code for p in self.places.values() if p.kind == "store"]
        self.set_exceptions()
        self.ranges = {}  # store -> its items
        now_ms = int(clock.began * 1000)
        for calendar in self.calendars.values():
            calendar.lay_out(now_ms)
        for place in self.places.values():
            place.leaves = leaving_times(place, now_ms)

    # ---- places

    def make_depots(self):
        tz = "Europe/Berlin"
        calendar = self.calendar("depot", tz, "usual")
        lead = self.clock.lead_s(1.0)
        self.add(Place("north", "warehouse", calendar=calendar, dispatch=self.dispatches(tz),
                       lead_time_s=lead, lat=53.5, lon=10.0, groups=["depots"], priority=1,
                       pickup=False))
        self.add(Place("south", "warehouse", lead_time_s=lead, lat=45.7, lon=4.8, safety=2,
                       groups=["depots"], priority=2, pickup=False))

    def make_stores(self, count):
        kinds = ["usual"] * 7 + ["late", "early", "shut"]
        for number in range(count):
            tz = ZONES[number % len(ZONES)]
            hours = kinds[number // len(ZONES) % len(kinds)]
            self.add(Place(f"s{number:03}", "store", calendar=self.calendar(hours, tz, hours),
                           lead_time_s=self.clock.lead_s(self.rng.choice((0.5, 1.0, 2.0))),
                           safety=self.rng.choice((0, 1, 1, 2)), ships=number % 5 != 4,
                           lat=44 + self.rng.random() * 10, lon=self.rng.random() * 12,
                           groups=["shops"]))

    def add(self, place):
        self.places[place.code] = place

    def calendar(self, name, tz, kind):
        code = f"{name}-{tz.split('/')[1].lower()}"
        if code not in self.calendars:
            week = [[day, 600, 1170] for day in range(1, 8)]
            today, extra = self.today(tz, HOURS[kind])
            if kind == "depot":
                week = [[day, 360, 1260] for day in range(1, 7)]
            closed = [] if HOURS[kind] else today
            self.calendars[code] = Calendar(code, tz, week, closed, extra)
        return self.calendars[code]

    def today(self, tz, hours):
        """The dates on which the day is, and its hours as those dates' minutes."""
        zone, minute = zoneinfo.ZoneInfo(tz), 60
        begin, end = hours or (DAWN, DUSK)
        begin_s = int(self.clock.at(begin) // minute * minute)
        end_s = int(-(-self.clock.at(end) // minute) * minute)
        spans = {}
        for second in range(begin_s, end_s, minute):
            local = datetime.datetime.fromtimestamp(second, zone)
            at = local.hour * 60 + local.minute
            first, _ = spans.get(local.date().isoformat(), (at, at))
            spans[local.date().isoformat()] = (first, at + 1)
        extra = [[date, first, last] for date, (first, last) in spans.items()] if hours else []
        return list(spans), extra

    def dispatches(self, tz):
        """Each minute of the day, at most 40, and twice on every day."""
        zone = zoneinfo.ZoneInfo(tz)
        times = [(day, minute) for day in range(1, 8) for minute in (720, 1080)]
        begin, end = int(self.clock.at(DAWN)), int(self.clock.at(DUSK)) + 60
        for second in itertools.islice(range(begin // 60 * 60 + 60, end, 60), 40):
            local = datetime.datetime.fromtimestamp(second, zone)
            times.append((local.isoweekday(), local.hour * 60 + local.minute))
        return [list(each) for each in sorted(set(times))]

    def set_exceptions(self):
        """Some items need longer at some stores, or are not to be sold out there."""
        self.stockings = []
        for _ in range(len(self.stores)):
            place = self.places[self.rng.choice(self.stores)]
            sku = self.rng.choice(self.items)
            place.lead_by_sku[sku] = lead = self.clock.lead_s(3.0)
            place.safety_by_sku[sku] = safety = self.rng.choice((0, 3))
            options = {"safety": safety, "lead_time_s": lead}
            self.stockings.append((sku, place.code, options))

    # ---- telling the engine

    def channels(self):
        hold = self.clock.ms(2.0)
        both = ["depots", "shops"]
        return {
            "web": {"locations": both, "sourcing": "fewest", "hold_ttl_ms": hold},
            "app": {"locations": both, "sourcing": "nearest", "hold_ttl_ms": hold},
            "collect": {"locations": ["shops"], "hold_ttl_ms": hold},
            "till": {"locations": ["shops"], "ignore_safety": True},
            "market": {"locations": ["depots"], "buffer": 3, "sourcing": "balance"},
            "preorder": {"locations": ["depots"], "promise": "incoming", "horizon_s": 86400,
                         "hold_ttl_ms": hold},
        }

    def places_of(self, channel):
        """The places that a channel's parcels come from."""
        return {code: place for code, place in self.places.items()
                if place.ships and set(place.settings["groups"]) & set(channel["locations"])}

    def open(self, desk):
        """Settings, items and the stock of the morning."""
        desk.all([("calendar_set", c.code, c.options()) for c in self.calendars.values()])
        desk.all([("location_set", p.code, p.settings) for p in self.places.values()])
        desk.all([("channel_set", code, options) for code, options in self.channels().items()])
        desk.all(self.item_settings())
        desk.all([("stocking_set", *each) for each in self.stockings])
        desk.all(self.morning_stock())

    def item_settings(self):
        for number, sku in enumerate(self.items):
            options = {"name": f"Article {number}", "low_stock": 5 if number % 7 == 0 else 0}
            if sku in self.flash or number < FLASH + len(self.coming):
                options["backorder_limit"] = 1000
            yield "item_set", sku, options

    def morning_stock(self):
        """A warehouse has most of it; a store has its own range."""
        empty = set(self.coming)
        for sku in self.items:
            if sku in empty:
                continue
            for depot in self.depots:
                qty = self.rng.randint(200, 400) if sku in self.flash else self.rng.randint(5, 40)
                yield "receive", f"dawn-{depot}-{sku}", sku, depot, qty
        wanted = min(len(self.items) // 2, max(20, len(self.items) // 80))
        for store in self.stores:
            own = self.rng.sample(range(len(self.items)), wanted)
            self.ranges[store] = [self.items[n] for n in own if self.items[n] not in empty]
            self.ranges[store] += [s for s in self.flash[::4] if s not in self.ranges[store]]
            for sku in self.ranges[store]:
                yield "receive", f"dawn-{store}-{sku}", sku, store, self.rng.randint(1, 8)
