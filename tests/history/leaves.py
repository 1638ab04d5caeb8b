# SPDX-License-Identifier: Apache-2.0
"""How many units of an item a channel leaves at a place: what stocking_set and item_set said.

A setting holds from one instant between being claimed and being answered. A call that began after
it was answered must follow it; one that ran at the same time may follow it or the one before.
"""

NOT_STOCKED = 10**9  # more than there ever is: all of it stays


def value_of(call):
    options = call.params[-1]
    if call.method == "stocking_set" and not options["stocked"]:
        return NOT_STOCKED
    return options["safety"]


class Leaves:
    """Of one item. Each setting in a recorded history gives all that it could give."""

    def __init__(self, history, sku):
        self.channels = history.channels
        self.settings = {}  # place, or None: for every place that has none -> changes in lsn order
        for change in history.order:
            call = change.told[0]
            if change.kind == "stocking_set" and call.params[0] == sku:
                self.settings.setdefault(call.params[1], []).append(change)
            elif change.kind == "item_set" and call.params[0] == sku:
                self.settings.setdefault(None, []).append(change)

    def values(self, key, call):
        """Those that may have been in force during the call; None: not set."""
        found = [None]
        for change in self.settings.get(key, ()):
            if change.hi < call.asked:
                found = []
            elif change.claimed_after > call.answered:
                break
            found.append(value_of(change.told[0]))
        return found

    def at(self, place, call, channel):
        """What the channel may have left there when the call looked."""
        if not self.settings:
            return {0}
        ignores = self.channels[channel].get("ignore_safety", False)
        found = set()
        for here in self.values(place, call):
            for anywhere in self.values(None, call):
                safety = here if here is not None else anywhere or 0
                found.add(NOT_STOCKED if here == NOT_STOCKED else 0 if ignores else safety)
        return found
