# SPDX-License-Identifier: Apache-2.0
"""What the tests of tills have in common."""


def fill(client):
    """So many changes that a segment is sealed, and there is something to compact."""
    client.pipeline([("receive", f"fill-{n}", "FILL", "main", 1) for n in range(2000)])
