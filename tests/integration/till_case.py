# SPDX-License-Identifier: Apache-2.0
"""What the tests of tills have in common."""

import time


def between():
    """A moment between what was done before and what is done after."""
    time.sleep(0.01)
    moment = int(time.time() * 1000)
    time.sleep(0.01)
    return moment


def fill(client):
    """So many changes that a segment is sealed, and there is something to compact."""
    client.pipeline([("receive", f"fill-{n}", "FILL", "main", 1) for n in range(2000)])
