# SPDX-License-Identifier: Apache-2.0
"""docs/SECURITY.md has the rights of all methods, as protocol/methods.h declares them."""

import os
import re
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


class Page(unittest.TestCase):
    def test_the_table_of_rights_is_that_of_the_methods(self):
        rows = re.findall(r"^    X\((\w+), \w+, \w+, (\w+), \w+\)", read("protocol", "methods.h"), re.M)
        declared = {method: right.lower() for method, right in rows}
        self.assertGreater(len(declared), 40)
        table = read("docs", "SECURITY.md").split("## Rights", 1)[1].split("## ", 1)[0]
        told = {}
        for right, methods in re.findall(r"^\| ([^|]*) \| ([^|]*`[^|]*) \|$", table, re.M):
            for method in re.findall(r"`(\w+)`", methods):
                self.assertNotIn(method, told)
                told[method] = {"none, but known": "known"}.get(right, right.strip("`"))
        self.assertEqual(told, declared)


if __name__ == "__main__":
    unittest.main()
