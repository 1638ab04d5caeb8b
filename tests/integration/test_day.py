# SPDX-License-Identifier: Apache-2.0
"""A day in the life of a chain, small: examples/day, with an engine that is killed twice.

The example's own books are the oracle: they are made from what was answered and told alone. Seconds
are few here, so opening hours and dispatches, which are on whole minutes, are mostly those of
tomorrow; that they are right is checked all the same.
"""

import io
import os
import sys
import unittest

from stockd_harness import CALL_TIMEOUT, SOURCE_ROOT, Server, main, seeded_random

sys.path.insert(0, os.path.join(SOURCE_ROOT, "examples", "day"))

import page  # noqa: E402
from day import Day  # noqa: E402
from wire import Engine  # noqa: E402

# A killed process loses nothing that the kernel has: what a power cut loses is for tests/crash.
OPTIONS = ("--durability", "everysec", "--remember-s", 3600)
COMPACTING = ("--segment-bytes", 64 << 10, "--compact-bytes", 200_000, "--archive", "yes")


class ADay(unittest.TestCase):
    def test_every_unit_is_accounted_for(self):
        """With one, two or three workers; in half of the runs it is compacted now and then."""
        rng = seeded_random()
        more = ("--workers", rng.randint(1, 3), *rng.choice(((), COMPACTING)))
        with Server(*OPTIONS, *more, start=False) as server:
            path = server.unix.removeprefix("unix:")
            engine = Engine(path, server.start, server.kill, CALL_TIMEOUT)
            seed = rng.randrange(1 << 32)
            day = Day(engine, seed, stores=24, items=400, orders=1500, seconds=6)
            findings = day.run()
            self.assertEqual(len(engine.crashes), 3)
            if findings:
                page.show(day, text := io.StringIO())
                self.fail(f"options {more}:\n{text.getvalue()}")


if __name__ == "__main__":
    main()
