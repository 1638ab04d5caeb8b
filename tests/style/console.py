#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of the console's files: they parse, each text is there in each language, and no file is
long.

console.py [FOLDER]    checks the console, or a copy of it
console.py --self-test gives each rule something to refuse
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tools" / "gateway" / "console"
MAX_LINES, MAX_COLUMNS = 600, 100
SPDX = re.compile(r"^(//|/\*|<!--) SPDX-License-Identifier: Apache-2.0")
TEXT = re.compile(r"^  '?([\w.]+)'?:\s", re.M)
VALUES = re.compile(r"\{(\w+)\}")
USED = re.compile(r"""\bt\(\s*'([^']+)'""")


def texts(path):
    """The keys of a file of texts, each with the values that its text takes."""
    source = path.read_text(encoding="utf-8")
    found = list(TEXT.finditer(source))
    ends = [match.start() for match in found[1:]] + [len(source)]
    keys = {}
    for match, end in zip(found, ends):
        if match.group(1) in keys:
            yield None, f"{path.name}: {match.group(1)} is there twice"
        keys[match.group(1)] = sorted(set(VALUES.findall(source[match.end():end])))
    yield keys, None


def check_texts(folder):
    languages, said = {}, []
    for path in sorted((folder / "texts").glob("*.js")):
        for keys, why in texts(path):
            if why:
                said.append(why)
            else:
                languages[path.name] = keys
    first = languages["en.js"]
    for name, keys in languages.items():
        said += [f"{name}: {key} is missing" for key in first.keys() - keys.keys()]
        said += [f"{name}: {key} is in no other language" for key in keys.keys() - first.keys()]
        said += [f"{name}: {key} takes {keys[key]}, not {first[key]}"
                 for key in first.keys() & keys.keys() if keys[key] != first[key]]
    for path in sorted(folder.rglob("*.js")):
        for key in USED.findall(path.read_text(encoding="utf-8")):
            if key not in first:
                said.append(f"{path.name}: there is no text for {key}")
    return said


def check_shape(folder):
    for path in sorted(folder.rglob("*")):
        if path.suffix not in (".js", ".css", ".html", ".svg"):
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > MAX_LINES:
            yield f"{path.name}: {len(lines)} lines, more than {MAX_LINES}"
        for number, line in enumerate(lines, 1):
            if len(line) > MAX_COLUMNS or line != line.rstrip() or "\t" in line:
                yield f"{path.name}:{number}: too long, a tab, or space at the end"
        if path.suffix in (".js", ".css") and not SPDX.match(lines[0]):
            yield f"{path.name}: no SPDX line"


def check_syntax(folder):
    if not shutil.which("node"):
        return
    for path in sorted(folder.rglob("*.js")):
        done = subprocess.run(["node", "--input-type=module", "--check"], input=path.read_bytes(),
                              capture_output=True, check=False)
        if done.returncode:
            yield f"{path.name}: {done.stderr.decode()[:300]}"


def check(folder, syntax=True):
    said = check_texts(folder) + list(check_shape(folder))
    return said + list(check_syntax(folder)) if syntax else said


def changed(name, old, new, expected, syntax=False):
    """Whether a copy with that change is refused for that reason."""
    with tempfile.TemporaryDirectory() as copy:
        folder = pathlib.Path(copy) / "console"
        shutil.copytree(FOLDER, folder)
        path = folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{name} has no {old!r}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        said = check(folder, syntax)
        if any(expected in what for what in said):
            return 0
        print(f"{name} with {new!r}: wanted {expected!r}, got {said}")
        return 1


def self_test():
    failed = changed("texts/fr.js", "'nav.item'", "'nav.items'", "nav.item is missing")
    failed |= changed("texts/fr.js", "{n}/s", "{m}/s", "per_s takes")
    failed |= changed("texts/en.js", "  'item.apart'",
                      "  'item.own': 'x',\n  'item.apart'", "item.own is there twice")
    failed |= changed("app.js", "t('skip')", "t('skipped')", "there is no text for skipped")
    failed |= changed("app.js", "\n", "\n" * 700, "lines, more than")
    failed |= changed("dom.js", "// SPDX", "// ", "no SPDX line")
    failed |= changed("dom.js", "// El", "//" + "x" * 100, "too long")
    if shutil.which("node"):
        failed |= changed("dom.js", "export function h(", "export function h((", "SyntaxError", True)
    return failed


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    said = check(pathlib.Path(sys.argv[1]) if sys.argv[1:] else FOLDER)
    print("\n".join(said))
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
