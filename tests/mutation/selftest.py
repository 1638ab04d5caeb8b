#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The mutation tool reads its list as README.md says, and refuses what it must not believe."""

import pathlib
import tempfile
import unittest

import mutate
import mutations
from mutations import ListError, parse

ENTRY = """\
# A comment, and an entry of all keys.

## drop-check
file: engine/a.c
tests: unit/a race/.*
preset: asan
note: the check is gone,
note: and nobody minds
     if (x)
-        return 1;
+        return 0;
"""

SOURCE = "int f(int x)\n{\n    if (x)\n        return 1;\n    return 1;\n}\n"


def entry(**changes):
    lines = {"file": "engine/a.c", "tests": "unit/a", "note": "why", **changes}
    keys = "".join(f"{key}: {value}\n" for key, value in lines.items() if value)
    return f"## it\n{keys}-        return 1;\n+        return 0;\n"


class Parsing(unittest.TestCase):
    def refused(self, text, why):
        with self.assertRaises(ListError) as caught:
            parse(text, "a.list")
        self.assertIn(why, str(caught.exception))

    def test_all_keys(self):
        (mutation,) = parse(ENTRY, "a.list")
        self.assertEqual(mutation.ident, "drop-check")
        self.assertEqual(mutation.tests, ["unit/a", "race/.*"])
        self.assertEqual(mutation.preset, "asan")
        self.assertEqual(mutation.note, "the check is gone, and nobody minds")
        self.assertEqual(mutation.old, ["    if (x)", "        return 1;"])
        self.assertEqual(mutation.new, ["    if (x)", "        return 0;"])

    def test_several(self):
        both = parse(entry() + "\n" + ENTRY, "a.list")
        self.assertEqual([m.ident for m in both], ["it", "drop-check"])

    def test_what_is_missing_or_wrong(self):
        self.refused(entry(file=None), "has no 'file'")
        self.refused(entry(tests=None), "has no 'tests'")
        self.refused(entry(note=None), "has no 'note'")
        self.refused(entry(preset="tidy"), "preset 'tidy'")
        self.refused(entry(colour="red"), "unknown key")
        self.refused("file: engine/a.c\n", "before the first entry")
        self.refused("## it\nfile: a\ntests: b\nnote: c\n+x\n", "no lines to look for")
        self.refused("## it\nfile: a\ntests: b\nnote: c\n x\n", "changes nothing")
        self.refused(entry() + "note: behind the lines\n", "neither")

    def test_ids_are_unique(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            for path in ("a.list", "b.list"):
                (folder / path).write_text(entry(), encoding="utf-8")
            with self.assertRaises(ListError) as caught:
                mutations.load(folder)
        self.assertIn("taken by a.list:1", str(caught.exception))


class Applying(unittest.TestCase):
    def test_whole_lines_with_what_is_around_them(self):
        (mutation,) = parse(ENTRY, "a.list")
        self.assertEqual(mutation.apply(SOURCE), SOURCE.replace("return 1", "return 0", 1))

    def test_the_first_line_of_a_file(self):
        (mutation,) = parse(entry(), "a.list")
        self.assertEqual(mutation.apply("        return 1;\n"), "        return 0;\n")

    def test_not_there_or_there_twice(self):
        (mutation,) = parse(entry(), "a.list")
        for times, text in ((0, "return 1;\n"), (2, "        return 1;\n" * 2)):
            with self.assertRaises(ListError) as caught:
                mutation.apply(text)
            self.assertIn(f"{times} times, not once", str(caught.exception))

    def test_the_list_is_judged(self):
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            (root / "engine").mkdir()
            (root / "tests" / "unit").mkdir(parents=True)
            (root / "tests" / "CMakeLists.txt").write_text("stockd_test(style tidy 9)\n")
            (root / "tests" / "unit" / "test_a.c").touch()
            (root / "engine" / "a.c").write_text(SOURCE, encoding="utf-8")
            good = parse(ENTRY.replace("race/.*", "style/tidy"), "a.list")
            self.assertEqual(list(mutations.check_list(good, root)), [])
            (said,) = mutations.check_list(parse(ENTRY, "a.list"), root)
            self.assertIn("no test is called 'race/.*'", said)
            (said,) = mutations.check_list(parse(entry(file="engine/b.c"), "a.list"), root)
            self.assertIn("no file engine/b.c", said)


class Remembering(unittest.TestCase):
    def test_what_a_result_depends_on(self):
        (mutation,) = parse(entry(file="Makefile"), "a.list")
        with tempfile.TemporaryDirectory() as name:
            path = pathlib.Path(name) / "results.json"
            results = mutate.Results(path, "tree 1")
            self.assertIsNone(results.get(mutation))
            results.put(mutation, "caught", "unit/a")
            self.assertEqual(mutate.Results(path, "tree 2").get(mutation)["why"], "unit/a")
            results.put(mutation, "survived", "all tests pass")
            self.assertIsNotNone(mutate.Results(path, "tree 1").get(mutation))
            self.assertIsNone(mutate.Results(path, "tree 2").get(mutation), "tests may be new")
            (other,) = parse(entry(file="Makefile").replace("return 0", "return 2"), "a.list")
            self.assertIsNone(mutate.Results(path, "tree 1").get(other), "another fault")

    def test_a_copy_is_brought_up_to_date(self):
        with tempfile.TemporaryDirectory() as name:
            source, copy = pathlib.Path(name) / "a", pathlib.Path(name) / "b"
            (source / "build").mkdir(parents=True)
            for path in ("same", "changed", "build/object"):
                (source / path).write_text("1")
            mutate.refresh(source, copy)
            before = (copy / "same").stat().st_mtime_ns
            (copy / "changed").write_text("mutated")
            (copy / "left over").touch()
            mutate.refresh(source, copy)
            self.assertEqual(sorted(mutate.tree_files(copy)), ["changed", "same"])
            self.assertEqual((copy / "changed").read_text(), "1")
            self.assertEqual((copy / "same").stat().st_mtime_ns, before)


if __name__ == "__main__":
    unittest.main()
