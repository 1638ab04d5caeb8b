# SPDX-License-Identifier: Apache-2.0
"""Each global name is that of one function: test programs link the parts of several programs, and
the linker takes the first it finds, whatever its parameters are."""

import collections
import glob
import os
import subprocess
import unittest

from stockd_harness import BIN_DIR, main

LIBRARIES = os.path.join(os.path.dirname(BIN_DIR), "lib", "lib*.a")


def functions(library):
    done = subprocess.run(["nm", "--defined-only", "--extern-only", library], capture_output=True,
                          text=True, check=True)
    return {line.split()[2] for line in done.stdout.splitlines()
            if len(line.split()) == 3 and line.split()[1] == "T"}


class Names(unittest.TestCase):
    def test_no_name_stands_for_two_functions(self):
        libraries = glob.glob(LIBRARIES)
        self.assertGreater(len(libraries), 10)
        where = collections.defaultdict(list)
        for library in libraries:
            for name in functions(library):
                where[name].append(os.path.basename(library))
        self.assertIn("ledger_reserve", where)
        twice = {name: found for name, found in where.items() if len(found) > 1}
        self.assertEqual(twice, {})


if __name__ == "__main__":
    main()
