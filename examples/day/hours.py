# SPDX-License-Identifier: Apache-2.0
"""When a place has done its work, by its calendar: worked out from Python's time zones, apart from
the engine's tables."""

import bisect
import datetime
import zoneinfo

DAYS = 12  # how far ahead anybody looks here; the engine looks further


class Calendar:
    """Opening hours as `calendar_set` takes them."""

    def __init__(self, code, tz, week, closed=(), extra=()):
        self.code, self.tz = code, tz
        self.week, self.closed = week, list(closed)
        self.extra = list(extra)
        self.zone = zoneinfo.ZoneInfo(tz)
        self.spans = None

    def options(self):
        return {"tz": self.tz, "week": self.week, "closed": self.closed, "extra": self.extra}

    def instant(self, date, minute):
        """Local time to ms; one that does not exist, or twice, as RFC 5545 has it (fold 0)."""
        at = datetime.datetime.combine(date, datetime.time()) + datetime.timedelta(minutes=minute)
        return int(at.replace(tzinfo=self.zone).timestamp() * 1000)

    def lay_out(self, now_ms):
        """Works out the spans in which it is open, from the day before on."""
        first = datetime.datetime.fromtimestamp(now_ms / 1000, self.zone).date()
        self.spans = []
        for days in range(-1, DAYS):
            date = first + datetime.timedelta(days=days)
            hours = [e[1:] for e in self.extra if e[0] == date.isoformat()]
            if not hours and date.isoformat() not in self.closed:
                hours = [e[1:] for e in self.week if e[0] == date.isoweekday()]
            for begin, end in sorted(hours):
                self.spans.append((self.instant(date, begin), self.instant(date, end)))

    def after(self, start_ms, work_ms):
        """When work of that length ends that is only done in opening hours."""
        at = max(0, bisect.bisect_right(self.spans, (start_ms, 1 << 62)) - 1)
        for begin, end in self.spans[at:]:
            begin = max(begin, start_ms)
            if begin <= end:
                if begin + work_ms <= end:
                    return begin + work_ms
                work_ms -= end - begin
        return None


def ready_ms(place, sku, start_ms, ship):
    """When a line that is begun at start_ms is ready: collected there, or shipped from there."""
    work = place.lead_of(sku) * 1000
    done = place.calendar.after(start_ms, work) if place.calendar else start_ms + work
    if done is None or not ship or not place.dispatch:
        return done
    return next((leaves for leaves in place.leaves if leaves >= done), None)


def leaving_times(place, now_ms):
    """All dispatches of a place in the days ahead, as times."""
    calendar = place.calendar or Calendar("", "UTC", [])
    first = datetime.datetime.fromtimestamp(now_ms / 1000, calendar.zone).date()
    times = []
    for days in range(-1, DAYS):
        date = first + datetime.timedelta(days=days)
        times += [calendar.instant(date, minute) for weekday, minute in place.dispatch
                  if weekday == date.isoweekday()]
    return sorted(times)
