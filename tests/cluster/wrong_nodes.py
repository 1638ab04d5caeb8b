#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Nodes that break one rule of docs/CLUSTER.md each must be caught by the runs of test_nodes.py.

wrong_nodes.py BUILD_DIR [NAME...]

The twins have the names that tests/model/replicate.pml gives them. Each is made from copies of the
sources in which lines are replaced; what is to be replaced must be there exactly once. `RIGHT` is
made in the same way, breaks no rule, sends later batches first, and must pass all their runs.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TRIES = 12
TRIMS = ("--keep", "20000")

# Breaks no rule: of several batches the last one is sent first, so that it overtakes the others.
IN_ORDER = ("    for (uint64_t number = committed_of(appender) + 1; number <= handed; number++) {\n"
            "        if (appender->under_way >= appender->under_way_max)\n")
LATER_FIRST = ("cluster/appender.c", IN_ORDER,
               IN_ORDER.replace("committed_of(appender) + 1; number <= handed; number++",
                                "handed; number > committed_of(appender); number--"))

PREVIOUS = "    compares[3].relation = ETCD_GREATER;\n"
APPEND_TERM = "    compare_term(compares, term, held);\n    compares[2] = equal(at, ETCD_CREATED, 0);\n"
JUDGE_TERM = "    return is_of_term(reply, 1, held) ? APPEND_EARLY : APPEND_REFUSED;\n"
READ = "        enum log_read read = node_read_log(node, true);\n"
N8 = "    return node->trimmed.number <= node->last; /* N8 */\n"
BEHIND = "            return LOG_BEHIND;\n"
WRITTEN = "        write_batch(journal, journal->written + 1, slot->bytes);\n"
REFUSED = ("    return node_ends(node, node->hands_over ? NODE_HANDED_OVER : NODE_REFUSED, \"%s\",\n"
           "                     node->appender.why);\n")
ENDS = "    [NODE_PRIMARY] = { node_is_primary, { [NODE_ENDED] = true } },\n"
CUT = "    if (sure < last) {\n"
CUT_LAST = "    node->last = sure;\n"
NEW_ID = "                                  .then_count = is_new ? 2 : 1 };\n"

# name: (rule, [(file, what, by what)...], what befalls the nodes, options)
WRONG = {
    "NO_TERM": (
        "N3: etcd does not compare the term",
        [("cluster/transactions.c", APPEND_TERM,
          "    compares[0] = compares[1] = compares[2] = equal(at, ETCD_CREATED, 0);\n"),
         ("cluster/transactions.c", JUDGE_TERM, "    (void)held;\n    return APPEND_EARLY;\n")],
        ("contest",) * 3, ()),
    "NO_PREVIOUS": (
        "N4: an append does not ask for the batch before",
        [("cluster/transactions.c", PREVIOUS, PREVIOUS + "    compares[3].number = -1;\n"), LATER_FIRST],
        ("load",), ("--under-way", "1")),
    "REPLY_AT_WRITE": (
        "N2: a reply leaves when the local journal has the batch",
        [("tests/cluster/plain_journal.c", WRITTEN, WRITTEN +
          '        plain_tell(journal, "answered %llu %llu", (unsigned long long)journal->written,\n'
          "                   (unsigned long long)journal->checksums[journal->written - 1]);\n")],
        ("partition",) * 2, ()),
    "SERVE_EARLY": (
        "N7: it serves before it has read the log to its end",
        [("cluster/node_stand.c", READ, "        enum log_read read = LOG_END;\n")],
        ("contest",), ()),
    "SWAP_BEHIND": (
        "N8: it takes the term although it lacks what was trimmed",
        [("cluster/node_stand.c", N8, "    return true;\n"),
         ("cluster/node_follow.c", BEHIND, "            return LOG_END;\n")],
        ("fall_behind",) * 2, TRIMS),
    "KEEP_MEMORY": (
        "N9: a refused primary goes on as a standby",
        [("cluster/node_serve.c", REFUSED,
          "    node->has_term = false;\n"
          "    node->last = atomic_load(&node->appender.handed);\n"
          "    node->journal.hinder(node->journal.context, NODE_CUT_OFF);\n"
          "    return NODE_FOLLOWS;\n"),
         ("cluster/node.c", ENDS, ENDS.replace("ENDED]", "FOLLOWS]"))],
        ("partition",) * 2, ()),
    "NO_CUT": (
        "N10: a start keeps a tail that was never committed",
        [("cluster/node_join.c", CUT, "    if (false) {\n"),
         ("cluster/node_join.c", CUT_LAST, "    node->last = last;\n")],
        ("partition",) * 2, ()),
    "SAME_ID": (
        "N13: what a lost disk said that it keeps stays",
        [("cluster/transactions.c", NEW_ID, NEW_ID.replace("is_new ? 2 : 1", "1"))],
        ("lose_disk",) * 2, TRIMS),
}


class Workshop:
    """Compiles node_driver as the build did, but for link-time optimisation and warnings."""

    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        self.commands, self.objects = {}, {}
        with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
            for entry in json.load(file):
                name = os.path.relpath(entry["file"], ROOT)
                if re.match(r"cluster/|engine/base/|tests/cluster/(node_|plain_)", name):
                    self.commands[name] = self.plain(shlex.split(entry["command"]))
        for name in self.commands:
            self.objects[name] = self.compile(name, os.path.join(ROOT, name), "RIGHT")

    @staticmethod
    def plain(words):
        if os.path.basename(words[0]) == "ccache":
            words = words[1:]
        words = [w for w in words if not re.match(r"-(flto|fno-fat|W|g$|O)", w)]
        words = words[: words.index("-o")] + words[words.index("-o") + 2:]
        return [*words[: words.index("-c")], "-O1", "-w", "-c"]

    def compile(self, name, source, label):
        to = os.path.join(self.folder, f"{label}-{name.replace('/', '-')}.o")
        subprocess.run([*self.commands[name], source, "-o", to], check=True, cwd=self.build)
        return to

    def make(self, name, changes):
        texts = {}
        for path, what, by in changes:
            with open(os.path.join(ROOT, path), encoding="utf-8") as file:
                text = texts.get(path) or file.read()
            if text.count(what) != 1:
                raise LookupError(f"{name}: {path} has {text.count(what)} times:\n{what}")
            texts[path] = text.replace(what, by)
        objects = dict(self.objects)
        for path, text in texts.items():
            copy = os.path.join(self.folder, f"{name}-{path.replace('/', '-')}")
            with open(copy, "w", encoding="utf-8") as file:
                file.write(text)
            objects[path] = self.compile(path, copy, name)
        program = os.path.join(self.folder, name)
        compiler = next(iter(self.commands.values()))[0]
        subprocess.run([compiler, *objects.values(), "-o", program, "-pthread", "-lssl", "-lcrypto",
                        "-lnghttp2", "-lmsgpackc"], check=True)
        return program


def try_right(workshop, names):
    from nodes_case import survived
    program = workshop.make("RIGHT", [LATER_FIRST])
    for run in sorted({WRONG[name][2:] for name in names}):
        survived(program, *run[:1], options=run[1])
    print(f"RIGHT: passes the runs of {', '.join(names)}")


def is_caught(workshop, name):
    from nodes_case import Wrong, survived
    rule, changes, scenario, options = WRONG[name]
    program = workshop.make(name, changes)
    began = time.monotonic()
    for attempt in range(1, TRIES + 1):
        try:
            survived(program, scenario, options=options)
        except Wrong as wrong:
            line = str(wrong).splitlines()[0]
            print(f"{name} ({rule}): caught by run {attempt}, after "
                  f"{time.monotonic() - began:.0f} s: {line[:160]}", flush=True)
            return True
    print(f"{name} ({rule}): NOT caught by {TRIES} runs of {scenario}", flush=True)
    return False


def main():
    build = os.path.abspath(sys.argv[1])
    names = sys.argv[2:] or list(WRONG)
    os.environ.setdefault("STOCKD_BIN_DIR", os.path.join(build, "bin"))
    sys.path[:0] = [os.path.join(ROOT, "tests", "integration"), os.path.join(ROOT, "tests", "support")]
    with tempfile.TemporaryDirectory(prefix="stockd-wrong-nodes-") as folder:
        workshop = Workshop(build, folder)
        try_right(workshop, names)
        missed = [name for name in names if not is_caught(workshop, name)]
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
