#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Engines that break one rule each must be caught by the history checker.

wrong_engines.py BUILD_DIR [NAME...]    NAME: an engine, or `orders`, `backorders` or `supplies`: a part
of them

The product has no hooks for this, but comments: `/* @take */` marks the line where a take is made.
Each wrong engine is made from a copy of a file or two in which such lines are replaced, or have code
put before or behind them (WRONG below). `linger` is put where threads should meet. One engine has
all the lingering and no broken rule: it must pass. docs/CONCURRENCY.md says which rule is caught by
what.
"""

import concurrent.futures
import functools
import glob
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
PARTS = ("orders", "backorders", "supplies")
TRIES = 24
RACES = 5
MARKER = re.compile(r"/\* @([a-z-]+) \*/$", re.M)

LINGER = """
#ifndef LINGER
#define LINGER
extern int usleep(unsigned);
__attribute__((unused)) static inline void linger(void)
{
    static _Thread_local unsigned times;
    if (++times % 3 == 0)
        usleep(150);
}
#endif
"""

BETWEEN_TAKES = ("before", "take", "if (i > 0) linger();")
BEFORE_TAKES = ("before", "before-takes", "if (takes > 0) linger();")
BETWEEN_LOOKS = ("after", "look", "linger();")
IN_FIRST_LOOK = ("after", "first-look", "linger();")
BEFORE_GIVE = ("before", "give", "if (kind->gives) linger();")
SLOW_TO_SWEEP = ("before", "swept-now", "linger();")
SLOW_TO_SERVE = ("before", "redraw", "if (r->kind->serves) linger();")

# name: (which rule is broken, changes, options for record.py, or the race program that catches it).
# A change: ("before" or "after", marker, code), ("replace", marker, code in place of its line), or
# ("declare", marker, code behind the includes of its file).
CRASHES = ("--crashes", "8", "--calls", "150")
SETTINGS = ("--crashes", "0", "--durability", "none", "--calls", "300", "--settings")
BACKORDERS = ("--backorders", "--items", "2", "--calls", "250", "--crashes", "0")
BACKORDERS_HOT = ("--backorders", "--items", "1", "--calls", "400", "--crashes", "0")
BACKORDERS_CRASHES = ("--backorders", "--items", "2", "--calls", "150", "--crashes", "6")
SUPPLIES = ("--supplies", "--items", "2", "--calls", "250", "--crashes", "0")
SUPPLIES_HOT = ("--supplies", "--items", "1", "--calls", "400", "--crashes", "0")
SUPPLIES_CRASHES = ("--supplies", "--items", "2", "--calls", "150", "--crashes", "6")
WRONG = {
    "lingering": (
        "none",
        [BETWEEN_TAKES, BEFORE_TAKES, BEFORE_GIVE, BETWEEN_LOOKS],
        ("--crashes", "1", "--calls", "150"),
    ),
    "lingering_backorders": (
        "none",
        [BETWEEN_TAKES, BEFORE_TAKES, BEFORE_GIVE, BETWEEN_LOOKS, SLOW_TO_SERVE],
        ("--backorders", "--clients", "4", "--calls", "100", "--crashes", "3"),
    ),
    "take_claims_first": (
        "T: a reserve claims its LSN before it takes",
        [
            # Of an order with one draw; if its take fails, the record is void.
            ("declare", "claim",
             "static _Thread_local uint64_t early_position;\n"
             "static _Thread_local uint32_t early_length;\n"),
            ("before", "takes",
             "early_length = 0;"
             "if (kind->taken && postings->count == 1) {"
             "    early_length = kind->record(ctx, t);"
             "    early_position = ctx_claim(ctx, early_length);"
             "    linger();"
             "}"),
            ("before", "taken",
             "if (early_length && code) ctx_void(ctx, early_position, early_length);"),
            ("replace", "claim",
             "*position = early_length ? early_position : txn_claim(ctx, t, kind, length);"),
        ],
        (),
    ),
    "give_applies_first": (
        "G: a receive is applied before it claims",
        [
            ("before", "claim", "bool given = !kind->gives || txn_give(ctx); linger();"),
            ("replace", "give", "if (given)"),
        ],
        (),
    ),
    "show_first": (
        "O: a confirmed reservation is shown before its LSN is claimed",
        [
            ("before", "confirm",
             "if (word_state(t->word) == STATE_HELD) {" # it has no LSN yet
             "    struct id_entry *entry = t->reservation;"
             "    entry->lsn_confirmed = entry->lsn_last;"
             "    entry_put(entry, with_state(t->word, STATE_CONFIRMED));"
             "    linger();"
             "    while (!entry_take(entry, &t->word)) usleep(1);"
             "    t->word = state_word(ENTRY_RESERVATION, STATE_HELD, word_id_len(t->word));"
             "}"),
        ],
        (),
    ),
    "no_busy": (
        "O: a reservation is not busy while it changes",
        [
            ("before", "owned",
             "if (!late) { entry_put(*entry, *word); linger(); return CODE_OK; }"),
            ("replace", "is-owned", "return entry != NULL;"),  # else assertions catch it
        ],
        (),
    ),
    "answer_too_early": (
        "A: a reply does not wait for the disk",
        [
            ("replace", "answer", "if (false)"),
            ("before", "write", "due = due && executor->iteration % 16 == 0;"),
            ("replace", "write",
             "if (due || (executor->iteration % 16 == 0 && log_has_claims(worker_log(worker))))"),
        ],
        CRASHES,
    ),
    "no_undecided": (
        "what is undecided counts as gone",
        [
            BETWEEN_TAKES,
            ("replace", "undecided", "*undecided = false;"),
            ("replace", "short-undecided", ""),
        ],
        (),
    ),
    "undecided_later": (
        "a take is marked undecided only after it was made",
        [
            ("replace", "take",
             "bool done = txn_apply(ctx, p, false) == POOL_CHANGED;"
             "if (done) {"
             "    linger();"
             "    if (tentative)"
             "        pool_give(pool_at(&ctx->ledger->items, p->pool),"
             "                  (struct pool_change){ .tentative = 1 });"
             "}"
             "if (done)"),
        ],
        (),
    ),
    "undo_forgotten": (
        "an order that is undone keeps what it took",
        [BEFORE_TAKES, ("after", "undo", "back.reserved = 0;")],
        (),
    ),
    "count_of_before": (
        "a count changes what is on hand, whatever came since it looked",
        [("after", "counted-all", "linger();"), ("after", "counted", "counted = NOT_COUNTED;")],
        (),
    ),
    "sum_without_bracket": (
        "a sum over pools does not ask whether gives came in between",
        [BETWEEN_LOOKS, IN_FIRST_LOOK, ("replace", "short-stable", "")],
        "race/moving_unit",
    ),
    "buffer_forgotten": (
        "the buffer over several pools is not looked at after the takes",
        [("before", "buffer", "if (true) return CODE_OK;")],
        "race/moment",
    ),
    "safety_sold": (
        "safety stock is sold",
        [("replace", "safety", "return 0;")],
        SETTINGS,
    ),
    "not_stocked_sold": (
        "what is not stocked is sold",
        [("replace", "not-stocked", "return 0;")],
        SETTINGS,
    ),
    "stocking_not_inherited": (
        "an allotment that comes later has no stocking",
        [("replace", "inherit-stocking", "")],
        "race/stocking",
    ),
    "draws_lost_at_arrival": (
        "what comes of a supply goes to everyone, though it was promised",
        [("replace", "kept",
          "a->free = lacking > 0 ? 0 : word_on_hand(word) - expected + a->come;"
          "later -= word_reserved(word);")],
        "race/supply",
    ),
    "crossing_of_a_moment": (
        "an item sells out while its last unit moves to another place",
        [BEFORE_GIVE, ("replace", "settled", "return true ||")],
        "race/events",
    ),
    "in_neither_place": (
        "a transfer takes here, and a moment later gives there",
        [("before", "before-takes", "moving = false; tentative = takes > 1;"), BEFORE_GIVE],
        "race/supply",
    ),
    "redraw_gives_first": (
        "an order that moves gives back before it has what it needs",
        [
            ("declare", "give", "static _Thread_local bool given_early;\n"),
            ("before", "before-takes",
             "given_early = moving && kind->taken && kind->outcome && txn_give(ctx);"
             "if (given_early) linger();"),
            ("replace", "give", "if (!kind->gives || given_early || txn_give(ctx))"),
            ("before", "taken",
             "for (uint32_t i = takes; given_early && code && i < postings->count; i++)"
             "    pool_give(pool_at(&ctx->ledger->items, postings->at[i].pool),"
             "              (struct pool_change){ .reserved = -postings->at[i].reserved });"),
        ],
        ("--crashes", "0", "--durability", "none", "--items", "1", "--calls", "400"),
    ),
    "reject_gives_first": (
        "a rejected unit is free before its buyer has another",
        [
            ("declare", "give",
             "static _Thread_local bool given_early;"
             "__attribute__((unused)) static _Thread_local bool rejecting;\n"),
            ("before", "before-takes",
             "given_early = rejecting && moving && kind->taken && kind->outcome && txn_give(ctx);"
             "if (given_early) linger();"),
            ("replace", "give", "if (!kind->gives || given_early || txn_give(ctx))"),
            ("before", "taken",
             "for (uint32_t i = takes; given_early && code && i < postings->count; i++)"
             "    pool_give(pool_at(&ctx->ledger->items, postings->at[i].pool),"
             "              (struct pool_change){ .reserved = -postings->at[i].reserved });"),
            ("before", "redraw", "rejecting = r->kind->record == RECORD_REJECT;"),
        ],
        BACKORDERS_HOT,
    ),
    "backlog_overtaken": (
        "an order takes what somebody waits for",
        [("replace", "waits", ""), SLOW_TO_SERVE],
        BACKORDERS,
    ),
    "younger_served_first": (
        "of those who wait the youngest is served first",
        [("replace", "earliest", "while (to > 0 && before(s->at[to - 1].turn, w->turn))")],
        BACKORDERS,
    ),
    "backlog_shown": (
        "what waits is shown as available",
        [("replace", "claims", "return available;"), SLOW_TO_SERVE],
        BACKORDERS_HOT,
    ),
    "rejected_place_again": (
        "an order is served from a place that rejected it",
        [("replace", "excluded", "if (false)")],
        BACKORDERS,
    ),
    "served_twice": (
        "what was served still waits",
        [
            ("replace", "given-up", ".reserved = r->kind->serves ? 0 : -(int32_t)r->parts[i].qty,"),
            ("before", "given-back", "if (!r->kind->serves)"),
        ],
        BACKORDERS,
    ),
    "limit_forgotten": (
        "a backorder does not look at the limit again once it has taken",
        [
            BEFORE_TAKES,
            ("replace", "backlog-room", "int64_t needs = NEEDS_NONE;"),
            ("replace", "backorder-limit", "if (false)"),
        ],
        BACKORDERS_HOT,
    ),
    "event_not_recovered": (
        "recovery forgets what subscribers are to be told",
        [("replace", "recover-event", ";")],
        BACKORDERS_CRASHES,
    ),
    "rejection_not_recovered": (
        "recovery forgets which place rejected an order",
        [("replace", "recover-rejected", ";")],
        BACKORDERS_CRASHES,
    ),
    "sale_not_recovered": (
        "recovery forgets what tills sold",
        [("replace", "recover-sold", "if (false)")],
        CRASHES,
    ),
    "redraw_not_recovered": (
        "recovery forgets what an amend gave back",
        [("replace", "recover-redraw", ";")],
        CRASHES,
    ),
    "late_promised": (
        "supply that is late is sold",
        [("replace", "late", "return eta_ms > 0 &&")],
        "race/supply",
    ),
    "lingering_supplies": (
        "none",
        [BETWEEN_TAKES, BEFORE_TAKES, BEFORE_GIVE, BETWEEN_LOOKS, SLOW_TO_SWEEP],
        ("--supplies", "--calls", "150", "--crashes", "3"),
    ),
    "nowhere_for_a_moment": (
        "a transfer takes here, and a moment later gives there",
        [
            ("before", "before-takes", "moving = false; tentative = takes > 1;"),
            ("before", "give", "if (kind->gives && ctx->postings->takes > 0) usleep(1500);"),
        ],
        SUPPLIES_HOT,
    ),
    "late_sold": (
        "supply that is late is sold",
        [("replace", "late", "return eta_ms > 0 &&")],
        SUPPLIES,
    ),
    "shipped_withdrawn": (
        "a withdrawal takes back what was shipped",
        [("replace", "left",
          "uint32_t shipped = s->type == RECORD_WITHDRAW ? line_under_way(line) : 0;"
          "return s->txn.reservation->from ? line_held(line) + shipped : line_under_way(line);")],
        (*SUPPLIES, "--calls", "600"),
    ),
    "reschedule_forgets": (
        "what was promised of a supply is free once it has another ETA",
        [("before", "rescheduled",
          ".reserved = -(int32_t)word_reserved(pool_read("
          "    pool_at(&ctx->ledger->items, ctx->supply->lines[i]->pool))),")],
        SUPPLIES,
    ),
    "shipped_twice": (
        "a ship does not know its op again",
        [("before", "ship", "s.txn.id = (struct text){ 0 };")],
        (*SUPPLIES, "--calls", "600"),
    ),
    "later_first": (
        "what comes is handed to whoever asks first, whoever was promised it first",
        [("replace", "precedence", "if (units_come(now) >= qty)")],
        SUPPLIES_HOT,
    ),
    "stand_in_taken": (
        "an order takes what is to stand in for what is short",
        [("replace", "may-be-short", ""), ("replace", "claims-short", "return 0;"), SLOW_TO_SWEEP],
        SUPPLIES_HOT,
    ),
    "supply_op_not_recovered": (
        "recovery forgets the ops of supplies",
        [("replace", "recover-supply-op", ";")],
        SUPPLIES_CRASHES,
    ),
    "lost_update": (
        "a pool's word is stored, not swapped",
        [("before", "swap", "linger(); atomic_store(&pool->word, next); swapped = true;")],
        (),
    ),
    "lsn_of_the_tail": (
        "a question's lsn is what was claimed, not what was applied",
        [BEFORE_GIVE, ("replace", "read-up-to", "return atomic_load(&ctx->ledger->log->tail);")],
        (),
    ),
    "publish_first": (
        "a give is published before it is applied",
        [
            ("before", "give",
             "if (kind->gives && ctx->postings->takes == 0) {"
             "    ctx_publish(ctx, *position);"
             "    usleep(300);"
             "}"),
            ("before", "publish", "if (!kind->gives || ctx->postings->takes > 0)"),
        ],
        (),
    ),
    "id_not_recovered": (
        "recovery forgets the ids of movements",
        [("before", "recover-id", "if (!error) return 0;")],
        CRASHES,
    ),
    "cancel_not_recovered": (
        "recovery forgets what a cancel gave back",
        [("before", "recover-step", "if (!fulfil) { draw->cancelled += qty; return 0; }")],
        CRASHES,
    ),
}

# What is not stockd; all else is, whatever folders there are.
OTHERS = ("tests/", "bench/", "client/", "examples/", "tools/")
ITS_TOOLS = ("tools/stockd/", "tools/service/", "tools/config/")
RACE_PARTS = ("engine/", "tests/support/")


def is_part(name):
    return name.startswith(ITS_TOOLS) or not name.startswith(OTHERS)


class Workshop:
    """Compiles stockd as the build did, but for link-time optimisation and warnings."""

    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        self.commands = {}
        with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
            for entry in json.load(file):
                name = os.path.relpath(entry["file"], ROOT)
                if entry["file"].startswith(build + os.sep):
                    continue  # made by the build, for other programs
                if is_part(name) or name.startswith((*RACE_PARTS, "tests/race/")):
                    self.commands[name] = self.plain(shlex.split(entry["command"]))
        self.libraries = self.needed(os.path.join(build, "bin", "stockd"))
        self.objects = {}
        self.markers = {}  # name: the files that have it, which is one for those used here

    @staticmethod
    def plain(words):
        if os.path.basename(words[0]) == "ccache":
            words = words[1:]
        words = [w for w in words if not re.match(r"-(flto|fno-fat|W|g$|O)", w)]
        words = words[: words.index("-o")] + words[words.index("-o") + 2 :]
        return [*words[: words.index("-c")], "-O1", "-w", "-c"]

    @staticmethod
    def needed(program):
        out = subprocess.run(["readelf", "-d", program], capture_output=True, text=True, check=True)
        names = re.findall(r"NEEDED.*\[(.*?)\]", out.stdout)
        return [f"-l:{name}" for name in names if not name.startswith(("ld-linux", "libc.so"))]

    def compile(self, name, source, to, first=None):
        """`first`: the folder in which headers are looked for before all others."""
        command = self.commands[name]
        if first:
            command = [command[0], "-I", first, *command[1:]]
        subprocess.run([*command, source, "-o", to], check=True, cwd=self.build)

    def prepare(self, parts):
        """The objects of these files, or of all of stockd (None), compiled once."""

        def one(name):
            to = os.path.join(self.folder, name.replace("/", "-") + ".o")
            self.compile(name, os.path.join(ROOT, name), to)
            self.objects[name] = to

        names = [
            name
            for name in self.commands
            if (name.startswith(parts) if parts else is_part(name))
        ]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(one, [name for name in names if name not in self.objects]))
        return {name: self.objects[name] for name in names}

    @staticmethod
    def read(name):
        with open(os.path.join(ROOT, name), encoding="utf-8") as file:
            return file.read()

    def where(self, marker):
        """The file that has the marker."""
        if not self.markers:
            for folder in ("engine", "protocol"):
                for path in glob.glob(os.path.join(ROOT, folder, "**", "*.[ch]"), recursive=True):
                    name = os.path.relpath(path, ROOT)
                    for found in MARKER.findall(self.read(name)):
                        self.markers.setdefault(found, []).append(name)
        there = self.markers.get(marker, [])
        if len(there) != 1:
            raise LookupError(f"{len(there)} lines of engine/ and protocol/ have the marker @{marker}")
        return there[0]

    def write_headers(self, wrong, texts):
        """The folder of the changed headers."""
        folder = os.path.join(self.folder, f"{wrong}-headers")
        for name in [name for name in texts if name.endswith(".h")]:
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(with_linger(texts[name]))
        return folder

    @functools.lru_cache(maxsize=None)
    def included(self, name):
        """The headers of the project that the file includes, and those that they include."""
        found = set()
        for header in re.findall(r'^#include "([^"]+)"', self.read(name), re.M):
            if os.path.exists(os.path.join(ROOT, header)):
                found |= {header} | self.included(header)
        return found

    def touched(self, texts, objects):
        """The sources that have changed, or include a header that has."""
        return [name for name in objects if name in texts or self.included(name) & texts.keys()]

    def make(self, wrong, changes, race=None):
        """The wrong engine's program: stockd, or that race program."""
        first = f"tests/{race}.c" if race else "tools/stockd/main.c"
        objects = self.prepare((*RACE_PARTS, first) if race else None)
        texts = {}
        for change in changes:
            name = self.where(change[1])
            texts[name] = changed(texts.get(name) or self.read(name), *change)
        headers = self.write_headers(wrong, texts)
        for name in self.touched(texts, objects):
            text = texts.get(name) or self.read(name)
            copy = os.path.join(self.folder, f"{wrong}-{name.replace('/', '-')}")
            with open(copy, "w", encoding="utf-8") as file:
                file.write(with_linger(text))
            self.compile(name, copy, copy + ".o", headers)
            objects[name] = copy + ".o"
        program = os.path.join(self.folder, f"stockd-{wrong}")
        compiler = next(iter(self.commands.values()))[0]
        archive = program + ".a"  # so that only what is needed is linked
        main = objects.pop(first)
        subprocess.run(["ar", "rcs", archive, *objects.values()], check=True)
        link = [compiler, main, archive, "-o", program, "-pthread", "-lm", *self.libraries]
        subprocess.run(link, check=True)
        return program


def changed(text, how, marker, code):
    line = re.search(rf"^.*/\* @{marker} \*/\n", text, re.M)
    if how == "declare":
        last = list(re.finditer(r"^#include .*\n", text, re.M))[-1].end()
        return text[:last] + code + text[last:]
    before = code + "\n" if how == "before" else ""
    kept = line.group() if how != "replace" else f"{code} /* @{marker} */\n"
    after = code + "\n" if how == "after" else ""
    return text[: line.start()] + before + kept + after + text[line.end() :]


def with_linger(text):
    last = list(re.finditer(r"^#include .*\n", text, re.M))[-1].end()
    return text[:last] + LINGER + text[last:]


def record(program, options, seed):
    """(exit code, what it said)"""
    command = [sys.executable, os.path.join(HERE, "record.py"), "--stockd", program]
    command += ["--seed", str(seed), "--keep", program + ".jsonl", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def try_engine(workshop, name, verbose):
    """True if it is as it should be."""
    rule, changes, options = WRONG[name]
    race = options if isinstance(options, str) else None
    program = workshop.make(name, changes, race)
    started = time.monotonic()
    if race:
        caught = False
        for _ in range(RACES):  # on a busy machine its threads may hardly meet
            done = subprocess.run([program], capture_output=True, text=True, check=False, timeout=120)
            caught = done.returncode not in (0, 77)
            if caught:
                break
        print(f"{name} ({rule}): {'' if caught else 'NOT '}caught by {race}, "
              f"{time.monotonic() - started:.1f} s\n    {(done.stdout + done.stderr).strip()[-300:]}", flush=True)
        return caught
    options = options or ("--crashes", "0", "--durability", "none", "--calls", "300")
    if rule != "none":
        options = (*options, "--patience", "5")  # some hang
    for seed in range(1, TRIES + 1):
        code, said = record(program, options, seed)
        if rule == "none":
            print(f"{name}: {'passes' if code == 0 else 'REFUSED: ' + said}", flush=True)
            return code == 0
        if code == 1 and ("Traceback" not in said or "ConnectionClosed" in said):
            break  # refused, or an assertion of its own has ended it
        if code not in (0, 77):
            print(f"{name}: {said}")
            return False
    else:
        print(f"{name} ({rule}): NOT CAUGHT in {TRIES} histories", flush=True)
        return False
    lines = said.splitlines()
    spent = time.monotonic() - started
    print(f"{name} ({rule}): caught in history {seed}, {spent:.1f} s", flush=True)
    for line in lines[1:] if verbose else lines[1:2]:
        print("    " + line[:300])
    return True


def part(word):
    """The engines that such a word stands for."""
    if word not in PARTS:
        return [word]
    mode = {"backorders": "--backorders", "supplies": "--supplies"}
    of = {name: next((p for p in mode if mode[p] in WRONG[name][2]), "orders") for name in WRONG}
    return [name for name in WRONG if of[name] == word]


def main():
    build = os.path.abspath(sys.argv[1])
    names = [name for word in sys.argv[2:] or PARTS for name in part(word)]
    os.environ.setdefault("STOCKD_BIN_DIR", os.path.join(build, "bin"))
    failed = []
    with tempfile.TemporaryDirectory(prefix="stockd-wrong-") as folder:
        workshop = Workshop(build, folder)
        for name in names:
            try:
                right = try_engine(workshop, name, len(names) < len(WRONG) // 2)
            except (LookupError, subprocess.CalledProcessError) as wrong:
                print(f"{name}: {wrong}"[:1000])
                right = False
            if not right:
                failed.append(name)
    print(f"{len(names)} engines, not as they should be: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
