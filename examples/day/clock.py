# SPDX-License-Identifier: Apache-2.0
"""The clock of the day: the hours from six in the morning to ten at night, in a few minutes.

The engine takes its time from the system's clock, and is left to do so: no clock is faked, so it is
the program that people run, under every build. The day is compressed instead: one of its hours is
some seconds. Deadlines, ETAs and lead times are given in those. Only opening hours and dispatches
are on whole minutes, because calendars are; so a shop opens on the minute that is nearest before,
and closes on the one after.
"""

import time

DAWN, DUSK = 6.0, 22.0  # of the day's own hours


class Clock:
    def __init__(self, seconds):
        self.hour_s = seconds / (DUSK - DAWN)
        self.began = time.time()

    def begin(self):
        self.began = time.time()

    def at(self, hour):
        """That hour of the day as a time of the system's clock, in seconds."""
        return self.began + (hour - DAWN) * self.hour_s

    def at_ms(self, hour):
        return int(self.at(hour) * 1000)

    def hour(self):
        return DAWN + (time.time() - self.began) / self.hour_s

    def wait(self, hour):
        """Until that hour; at once if it is past."""
        time.sleep(max(0.0, self.at(hour) - time.time()))

    @property
    def over(self):
        return self.hour() >= DUSK

    def ms(self, hours):
        """So many hours of the day, in ms."""
        return max(1, int(hours * self.hour_s * 1000))

    def lead_s(self, hours):
        """A lead time: whole seconds."""
        return max(0, round(hours * self.hour_s))
