#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of the house that a compiler does not know.

check.py               checks the whole tree; exit 1 and one line per offence
check.py --self-test   gives each rule something to refuse, and something to let pass
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 70
MAX_COLUMNS = 100

C_FOLDERS = ("access", "engine", "persistence", "protocol", "mirror", "cluster", "zones", "telemetry",
             "client", "include", "tools", "bench", "tests", "examples")
TEXT_SUFFIXES = (".c", ".h", ".py", ".sh", ".cmake", ".txt", ".md", ".json", ".pml", ".yml")
SPDX = "/* SPDX-License-Identifier: Apache-2.0 */"

# Which folders a folder may include from: dependencies point one way. The longest prefix counts.
MAY_INCLUDE = {
    "access/": ("access/",),
    "engine/": ("engine/",),
    "persistence/": ("persistence/", "engine/"),
    "protocol/": ("protocol/", "access/", "engine/"),
    "mirror/": ("mirror/", "engine/"),
    "cluster/": ("cluster/", "engine/base/"),
    "zones/": ("zones/", "engine/"),
    "telemetry/": ("telemetry/", "protocol/", "engine/"),
    "include/": ("include/", "stockd/"),
    "client/": ("client/", "include/", "stockd/"),
    "tools/": ("tools/",),
    "tools/stockd/": ("tools/", "access/", "telemetry/", "protocol/", "mirror/", "zones/", "persistence/",
                      "engine/"),
    "tools/stockctl/": ("tools/", "access/", "include/", "stockd/"),
    "tools/stockctl/doctor": ("tools/", "access/", "include/", "stockd/", "protocol/uring.h"),
    "tools/stockbench/": ("tools/", "include/", "stockd/"),
    "tools/gateway/": ("tools/", "include/", "stockd/"),
    "tools/stock-journal/": ("tools/", "persistence/", "engine/"),
    "bench/": ("bench/", "engine/"),
    "bench/recovery": ("bench/", "persistence/", "engine/"),
    "bench/etcd": ("bench/", "cluster/", "tools/stockbench/"),
    "bench/regress/": ("bench/", "tests/support/", "protocol/", "persistence/", "engine/"),
    "bench/peers/": ("bench/", "tools/stockbench/"),
    "examples/": ("stockd/",),
    "tests/": ("tests/", "access/", "protocol/", "persistence/", "mirror/", "cluster/", "zones/", "telemetry/",
               "engine/", "client/", "include/", "stockd/", "tools/stockbench/", "tools/stockctl/",
               "tools/gateway/"),
}

# Which files may see a system library; a name that is not here is free to all.
MAY_SEE = {
    "liburing": ("protocol/uring.", "bench/echo"),
    "openssl": ("access/", "protocol/tls", "protocol/transport_tls", "cluster/", "client/", "tools/", "tests/", "bench/"),
    "msgpack": ("protocol/", "cluster/values.c", "client/", "tools/", "tests/", "bench/regress/"),
    "glib": ("zones/",),
    "hiredis": ("mirror/", "tools/", "tests/", "bench/peers/", "examples/"),
    "nghttp2": ("cluster/grpc", "tests/unit/test_grpc"),
    "libpq-fe": ("bench/peers/",),
    "xxhash": ("engine/", "persistence/", "tools/", "tests/", "bench/"),
    "zstd": ("persistence/", "tools/", "tests/"),
    "criterion": ("tests/unit/",),
    "ini": ("tools/config/",),
    "histedit": ("tools/stockctl/shell/editor.c",),
    "csv": ("tools/stockctl/", "tools/stockbench/"),
    "microhttpd": ("telemetry/", "tools/gateway/"),
    "jansson": ("tools/", "tests/"),
    "sys/socket": ("protocol/", "telemetry/", "mirror/", "cluster/", "client/", "tools/",
                   "bench/", "tests/"),
}

BANNED = {
    "strcpy": "use memcpy with a known length",
    "stpcpy": "use memcpy with a known length",
    "strcat": "use snprintf",
    "sprintf": "use snprintf",
    "vsprintf": "use vsnprintf",
    "gets": "use fgets",
    "strtok": "use strtok_r, or a cursor",
    "atoi": "use strtol and check it",
    "atol": "use strtol and check it",
    "atof": "use strtod and check it",
    "rand": "use a seeded generator",
    "srand": "use a seeded generator",
    "system": "use posix_spawn",
    "alloca": "use a bounded array",
}

# The engine takes its memory at start. These files may ask for it, no other in engine/: the one
# that reserves the tables, and the catalogue, which is no path of a stock operation.
ALLOCATORS = ("malloc", "calloc", "realloc", "free", "strdup", "strndup", "asprintf")
MAY_ALLOCATE = (
    "engine/base/memory.c",
    "engine/store/calendar.c",
    "engine/store/catalogue.c",
    "engine/store/catalogue_set.c",
    "engine/store/timetable.c",
    "engine/ledger/versions.c",  # what changes rarely, and is freed when no one holds it
    "engine/ops/registry.c",
    "engine/replay/apply_catalogue.c",  # recovery
    "engine/history/history.c", "engine/history/history_state.c",  # a history is read on a thread of its own
    "engine/history/history_query.c",
    "engine/reports/report.c", "engine/reports/report_now.c",  # likewise
    "engine/replay/contents_load.c",  # recovery
    "engine/replay/contents_load_items.c",
)

# Nobody sleeps in the server; a blocking client may, between two attempts.
SLEEPERS = ("sleep", "usleep", "nanosleep", "clock_nanosleep")
MAY_SLEEP = ("client/", "tests/", "tools/stockctl/", "tools/stockbench/", "bench/")

# What a test links in place of another file must define all that it defines: otherwise the linker
# takes both, and fails in a build that few people make.
STANDS_IN = (
    ("tests/fuzz/rig/kept_memory.c", "engine/base/memory.c"),
)

UNFINISHED = re.compile(r"\b(%s)\b" % "|".join(("TO" "DO", "FIX" "ME", "XX" "X", "HA" "CK")))
MACHINE_PATH = re.compile(r"(^|[^\w.-])/(work|root|home)/|\.(library|mirror)/")


def without_comments(text):
    """The C text with comments and the insides of literals blanked, line numbers kept."""
    def blank(match):
        token = match.group(0)
        if token[0] == "/":
            return re.sub(r"[^\n]", " ", token)
        return token[0] + " " * (len(token) - 2) + token[-1]
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, blank, text, flags=re.S)


def longest_prefix(path, table):
    return max((p for p in table if path.startswith(p)), key=len, default=None)


def check_lines(path, text):
    """Rules for every text file."""
    for number, line in enumerate(text.split("\n"), 1):
        if line != line.rstrip():
            yield number, "trailing space"
        if "\t" in line:
            yield number, "tab"
        if UNFINISHED.search(line):
            yield number, "unfinished: do it, or open an issue"
        if MACHINE_PATH.search(line):
            yield number, "path of somebody's machine"


def is_signature(line):
    return line and not line.startswith(("#", "}", "/")) and not line.endswith((";", "*/"))


def check_size(path, text):
    lines = text.splitlines()
    if len(lines) > MAX_FILE_LINES:
        yield 1, f"{len(lines)} lines, more than {MAX_FILE_LINES}"
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_COLUMNS:
            yield number, f"{len(line)} columns, more than {MAX_COLUMNS}"

    # clang-format puts a function's braces, and no others, alone in the first column.
    opened = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            opened = number
        elif line.startswith("}") and opened is not None:
            start = opened
            while start > 1 and is_signature(lines[start - 2]):
                start -= 1
            length = number - start + 1
            if length > MAX_FUNCTION_LINES:
                yield start, f"function of {length} lines, more than {MAX_FUNCTION_LINES}"
            opened = None


def check_head(path, text):
    if not text.startswith(SPDX + "\n"):
        yield 1, f"does not begin with {SPDX}"
    guard = re.search(r"^#pragma once$|^#ifndef (\w+)\n#define \1\b", text, re.M)
    if path.endswith(".h") and not guard:
        yield 1, "neither #pragma once nor an include guard"


def check_includes(path, text):
    folder = longest_prefix(path, MAY_INCLUDE)
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)', line)
        if not match:
            continue
        kind, name = match.groups()
        if kind == '"' and not name.startswith(MAY_INCLUDE[folder]):
            allowed = " ".join(MAY_INCLUDE[folder])
            yield number, f'{folder} may not include "{name}", only from: {allowed}'
        library = re.sub(r"\.h$", "", name)
        for known, where in MAY_SEE.items():
            if library == known or library.startswith(known + "/"):
                if kind == "<" and not path.startswith(where):
                    yield number, f"<{name}> is for {' '.join(where)}"


def check_calls(path, text):
    code = without_comments(text)
    for number, line in enumerate(code.splitlines(), 1):
        for match in re.finditer(r"(?<![\w.>])(\w+)\s*\(", line):
            name = match.group(1)
            if name in BANNED:
                yield number, f"{name}: {BANNED[name]}"
            if name in SLEEPERS and not path.startswith(MAY_SLEEP):
                yield number, f"{name}: nobody sleeps here"
            if name in ALLOCATORS and path.startswith("engine/") and path not in MAY_ALLOCATE:
                yield number, f"{name}: the engine allocates only in {' '.join(MAY_ALLOCATE)}"


def check_prose(text):
    """Tables and links cannot wrap."""
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > MAX_COLUMNS and not line.startswith(("|", "[")):
            yield number, f"{len(line)} columns, more than {MAX_COLUMNS}"


def check_file(path, text):
    """Yields (line, what is wrong) for the file at this path from the root."""
    yield from check_lines(path, text)
    if path.endswith(".md"):
        yield from check_prose(text)
    if path.endswith((".c", ".h")) and path.startswith(C_FOLDERS):
        for check in (check_size, check_head, check_includes, check_calls):
            yield from check(path, text)


def files():
    for path in sorted(ROOT.rglob("*")):
        name = path.relative_to(ROOT).as_posix()
        hidden = name.startswith(("build/", ".git/", "tests/fuzz/corpus/"))
        if path.is_file() and not hidden and name.endswith(TEXT_SUFFIXES):
            yield name, path


def defined(text):
    """The functions that other files can call."""
    found = re.finditer(r"^([\w *]+?)\b(\w+)\([^;{}]*\)\n\{$", without_comments(text), re.M)
    return {match.group(2) for match in found if "static" not in match.group(1)}


def check_stand_in(text, original_text, original):
    for name in sorted(defined(original_text) - defined(text)):
        yield 1, f"stands in for {original}, but does not define {name}"


def check_tree():
    offences = 0
    for name, original in STANDS_IN:
        texts = [(ROOT / path).read_text(encoding="utf-8") for path in (name, original)]
        for line, what in check_stand_in(*texts, original):
            print(f"{name}:{line}: {what}")
            offences += 1
    for name, path in files():
        for line, what in check_file(name, path.read_text(encoding="utf-8")):
            print(f"{name}:{line}: {what}")
            offences += 1
    return 1 if offences else 0


def function(lines):
    return "int f(void)\n{\n" + "    g();\n" * (lines - 3) + "}\n"


# (what must be said, path, text after the SPDX line); None: nothing must be said
SELF_TEST = (
    (None, "engine/a.c", '#include "engine/a.h"\n#include <stdint.h>\n' + function(70)),
    (None, "engine/a.c", 'static const char *s = "free(";  /* malloc(1) */\n'),
    (None, "engine/a.c", "void f(void)\n{\n    list->free(list);\n    pool_free(p);\n}\n"),
    (None, "engine/base/memory.c", "void f(void)\n{\n    free(p);\n}\n"),
    (None, "engine/a.h", "#ifndef A_H\n#define A_H\n#endif\n"),
    (None, "protocol/uring.c", "#include <liburing.h>\n"),
    (None, "client/a.c", "#include <stockd/client.h>\n"),
    (None, "engine/a.c", "/*\n * says what\n */\n" + function(70)),
    (None, "tests/race/a.c", "void f(void)\n{\n    usleep(1);\n}\n"),
    (None, "tests/a.c", "char name[] = \"/tmp/x.XX" "XXXX\";\n"),
    ("function of 71", "engine/a.c", function(71)),
    ("function of 72", "tests/unit/a.c", "Test(a,\n     b)\n" + function(71)[12:]),
    ("601 lines", "engine/a.c", "\n" * 600),
    ("101 columns", "engine/a.c", "//" + "x" * 99 + "\n"),
    ("101 columns", "docs/a.md", "x" * 101 + "\n"),
    (None, "docs/a.md", "| " + "x" * 100 + " |\n"),
    ("tab", "engine/a.c", "\tint x;\n"),
    ("trailing", "docs/a.md", "x \n"),
    ("unfinished", "engine/a.c", "/* TO" "DO: all */\n"),
    ("machine", "engine/a.c", 'char *p = "/ho' 'me/me/x";\n'),
    ("guard", "engine/a.h", "int x;\n"),
    ("may not include", "engine/a.c", '#include "protocol/wire.h"\n'),
    ("may not include", "engine/a.c", '#include "a.h"\n'),
    ("may not include", "engine/a.c", '#include "../protocol/wire.h"\n'),
    ("may not include", "persistence/a.c", '#include "protocol/wire.h"\n'),
    ("may not include", "protocol/a.h", '#pragma once\n#include "persistence/file.h"\n'),
    ("may not include", "client/a.c", '#include "engine/store/pool.h"\n'),
    ("may not include", "tools/stockctl/a.c", '#include "engine/store/pool.h"\n'),
    ("is for protocol/uring", "protocol/server.c", "#include <liburing.h>\n"),
    ("is for protocol/", "engine/a.c", "#include <msgpack.h>\n"),
    ("is for protocol/", "persistence/a.c", "#include <msgpack/pack.h>\n"),
    ("strcpy", "tools/stockd/a.c", "int x = 1; void f(void) { strcpy(a, b); }\n"),
    ("sprintf", "tests/a.c", "void f(void) { sprintf (a, b); }\n"),
    ("malloc", "engine/a.c", "void *p = malloc(1);\n"),
    ("nobody sleeps", "engine/a.c", "void f(void) { usleep(1); }\n"),
    ("nobody sleeps", "tools/stockd/a.c", "void f(void) { sleep(1); }\n"),
)


def self_test():
    failed = 0
    for expected, path, text in SELF_TEST:
        said = [what for _, what in check_file(path, SPDX + "\n" + text)]
        if said if expected is None else not any(expected in what for what in said):
            print(f"{path}: {text[:60]!r}: wanted {expected!r}, got {said}")
            failed = 1
    if not any("begin with" in what for _, what in check_file("engine/a.c", "int x;\n")):
        print("a file without its licence line was let pass")
        failed = 1
    original = "static int a(void)\n{\n}\n\nint b(int x,\n      int y)\n{\n}\n\nvoid *c(void)\n{\n}\n"
    said = [what for _, what in check_stand_in("void *c(void)\n{\n}\nint b(int x);\n", original, "o.c")]
    if said != ["stands in for o.c, but does not define b"]:
        print(f"a stand-in that lacks a function: {said}")
        failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(self_test() if sys.argv[1:] == ["--self-test"] else check_tree())
