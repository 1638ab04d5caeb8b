#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How many times longer than alone on a usual machine things take here, as a whole number from 1.

patience.py [FOLDER]   the factor on standard output, and where it comes from on standard error

The time limits of tests are there to end what hangs: they are multiplied by this, and a busy or slow
machine fails nothing. scripts/test.sh measures it before each stage; STOCKD_TEST_PATIENCE in its
environment is taken instead.
"""

import math
import multiprocessing
import os
import sys
import tempfile
import time

BURN_S = 0.3  # of processor time, on each processor
SYNCS, USUAL_SYNC_S = 8, 0.010
MOST = 40


def burn(_number):
    """How much longer than its processor time a busy process takes."""
    begun, wall = time.process_time(), time.monotonic()
    while time.process_time() - begun < BURN_S:
        pass
    return (time.monotonic() - wall) / (time.process_time() - begun)


def sync_seconds(folder):
    """What a small write that must reach the disk takes."""
    with tempfile.TemporaryFile(dir=folder) as file:
        begun = time.monotonic()
        for _ in range(SYNCS):
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
        return (time.monotonic() - begun) / SYNCS


def factor(share, load, sync):
    """share: wall over processor time; load: runnable programs for each processor."""
    return min(MOST, max(1, math.ceil(max(share, load, sync / USUAL_SYNC_S) - 0.5)))


def main():
    processors = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0] / processors
    with multiprocessing.Pool(processors) as pool:
        share = max(pool.map(burn, range(processors), chunksize=1))
    sync = sync_seconds(sys.argv[1] if len(sys.argv) > 1 else None)
    patience = factor(share, load, sync)
    print(
        f"time limits times {patience}: programs take {share:.1f} times their processor time, "
        f"{load:.1f} are runnable for each of {processors} processors, a sync takes "
        f"{sync * 1000:.1f} ms",
        file=sys.stderr,
    )
    print(patience)


if __name__ == "__main__":
    main()
