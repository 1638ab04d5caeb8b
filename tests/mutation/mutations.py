#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The list of mutations: how it is read, and whether it is still true.

mutations.py            checks that every entry of the list applies; exit 1 and a line per offence
mutations.py --list     prints every entry's id, file and note

README.md of this folder says how an entry is written.
"""

import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]

PRESETS = ("debug", "asan", "tsan")
KEYS = ("file", "tests", "preset", "note", "survives")
GROUPS = ("unit", "property", "race", "recovery", "integration")  # one file, one test
BY_NAME = re.compile(r"stockd_test\((\w+) ([\w-]+) ")


class ListError(Exception):
    """An entry that cannot be read, or no longer applies."""


class Mutation:
    """One deliberate fault: lines of one file, and what they become."""

    def __init__(self, ident, where):
        self.ident, self.where = ident, where
        self.file = self.note = self.survives = ""
        self.preset, self.tests = "debug", []
        self.old, self.new = [], []

    def fail(self, what):
        raise ListError(f"{self.where}: {self.ident}: {what}")

    def set(self, key, value):
        if key not in KEYS:
            self.fail(f"unknown key {key!r}; known: {', '.join(KEYS)}")
        if key == "tests":
            self.tests += value.split()
        elif key in ("note", "survives") and getattr(self, key):
            setattr(self, key, f"{getattr(self, key)} {value}")
        else:
            setattr(self, key, value)

    def add_line(self, mark, line):
        if mark in " -":
            self.old.append(line)
        if mark in " +":
            self.new.append(line)

    def check(self):
        for key in ("file", "tests", "note"):
            if not getattr(self, key):
                self.fail(f"has no {key!r}")
        if self.preset not in PRESETS:
            self.fail(f"preset {self.preset!r} is not one of {', '.join(PRESETS)}")
        if not self.old:
            self.fail("has no lines to look for (beginning with '-' or a space)")
        if self.old == self.new:
            self.fail("changes nothing")

    def apply(self, text):
        """The text with the fault in it. The lines must be there exactly once."""
        lines, count = text.split("\n"), len(self.old)
        found = [at for at in range(len(lines)) if lines[at : at + count] == self.old]
        if len(found) != 1:
            self.fail(
                f"{self.file} has these lines {len(found)} times, not once:\n"
                + "".join(f"    {line}\n" for line in self.old)
                + "    Say in the entry how this fault is made now."
            )
        lines[found[0] : found[0] + count] = self.new
        return "\n".join(lines)


def parse(text, where):
    """The entries of one list."""
    mutations = []
    for number, line in enumerate(text.split("\n"), 1):
        current = mutations[-1] if mutations else None
        if line.startswith("## "):
            mutations.append(Mutation(line[3:].strip(), f"{where}:{number}"))
        elif not line or line.startswith("# "):
            continue
        elif current is None:
            raise ListError(f"{where}:{number}: before the first entry (## ID): {line!r}")
        elif line[0] in " +-":
            current.add_line(line[0], line[1:])
        elif ": " in line and not current.old and not current.new:
            current.set(*line.split(": ", 1))
        else:
            current.fail(f"line {number} is neither 'key: value' nor a line of code: {line!r}")
    for mutation in mutations:
        mutation.check()
    return mutations


def load(folder=HERE):
    """All lists of the folder, in the order of their names."""
    mutations, seen = [], {}
    for path in sorted(folder.glob("*.list")):
        mutations += parse(path.read_text(encoding="utf-8"), path.name)
    for mutation in mutations:
        if mutation.ident in seen:
            mutation.fail(f"this id is taken by {seen[mutation.ident]}")
        seen[mutation.ident] = mutation.where
    return mutations


def test_names(root=ROOT):
    """The names that CTest has for the tests of this tree."""
    tests = root / "tests"
    names = {"/".join(found) for found in BY_NAME.findall((tests / "CMakeLists.txt").read_text())}
    for group in GROUPS:
        for path in (tests / group).glob("test_*.py" if group == "integration" else "*.c"):
            names.add(f"{group}/{re.sub('^test_', '', path.stem)}")
    names |= {f"model/{path.stem}" for path in (tests / "model").glob("*.pml")}
    return names | {f"crash/{path.stem}" for path in (tests / "crash").glob("*.py")}


def check_list(mutations, root=ROOT):
    """Yields what is wrong with each entry."""
    names = test_names(root)
    for mutation in mutations:
        try:
            path = root / mutation.file
            if not path.is_file():
                mutation.fail(f"there is no file {mutation.file}")
            mutation.apply(path.read_text(encoding="utf-8"))
            for test in mutation.tests:
                if not any(re.fullmatch(test, name) for name in names):
                    mutation.fail(f"no test is called {test!r}")
        except ListError as error:
            yield str(error)


def main():
    try:
        mutations = load()
    except ListError as error:
        print(error)
        return 1
    if sys.argv[1:] == ["--list"]:
        for mutation in mutations:
            print(f"{mutation.ident:36} {mutation.file}: {mutation.note}")
        return 0
    offences = list(check_list(mutations))
    for offence in offences:
        print(offence)
    print(f"{len(mutations)} mutations, {len(offences)} do not apply")
    return 1 if offences or not mutations else 0


if __name__ == "__main__":
    sys.exit(main())
