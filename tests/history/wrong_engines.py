#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Engines that break one rule each must be caught by the history checker.

wrong_engines.py BUILD_DIR [NAME...]

The product has no hooks for this. Each wrong engine is made from a copy of a file or two in which a
few lines are replaced (WRONG below); what was replaced must be there exactly once, so a change of
those lines asks for a change here. `linger` is put where threads should meet. One engine has all the
lingering and no broken rule: it must pass. docs/CONCURRENCY.md says which rule is caught by what.
"""

import concurrent.futures
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
TRIES = 24

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

BETWEEN_TAKES = ("        if (txn_apply(ctx, p, tentative) == POOL_CHANGED)\n",
                 "        if (i > 0)\n            linger();\n"
                 "        if (txn_apply(ctx, p, tentative) == POOL_CHANGED)\n")
BEFORE_TAKES = ("    if (moving)\n        txn_bracket(ctx, gives_begin);\n",
                "    if (takes > 0)\n        linger();\n"
                "    if (moving)\n        txn_bracket(ctx, gives_begin);\n")
BETWEEN_LOOKS = (" - planned;\n    s->pools++;\n", " - planned;\n    s->pools++;\n    linger();\n")
IN_FIRST_LOOK = ("        ++*pools;\n        if (c.available", "        ++*pools;\n        linger();\n"
                 "        if (c.available")
BEFORE_GIVE = ("    if (!kind->gives || txn_give(ctx))\n",
               "    if (kind->gives)\n        linger();\n    if (!kind->gives || txn_give(ctx))\n")

# name: (which rule is broken, {file: [(old, new)...]}, options for record.py, or the race program
# that catches it)
CRASHES = ("--crashes", "8", "--calls", "150")
WRONG = {
    "lingering": (
        "none",
        {
            "engine/txn/txn_run.h": [BETWEEN_TAKES, BEFORE_TAKES, BEFORE_GIVE],
            "engine/sourcing/candidates.c": [BETWEEN_LOOKS],
        },
        ("--crashes", "1", "--calls", "150"),
    ),
    "take_claims_first": (
        "T: a reserve claims its LSN before it takes",
        {
            "engine/txn/txn_run.h": [
                # Of an order with one draw; if its take fails, the record is void.
                ("    bool taken = takes == 0 || txn_take(",
                 "    bool early = kind->taken && postings->count == 1;\n"
                 "    uint32_t early_length = 0;\n"
                 "    if (early) {\n"
                 "        early_length = kind->record(ctx, t);\n"
                 "        early_position = journal_claim(ctx, early_length);\n"
                 "        linger();\n"
                 "    }\n"
                 "    bool taken = takes == 0 || txn_take("),
                ("    *again = !taken && !undecided;\n",
                 "    if (early && code)\n"
                 "        journal_void(ctx, early_position, early_length);\n"
                 "    *again = !taken && !undecided;\n"),
                ("TXN_TEMPLATE uint64_t txn_claim(",
                 "static _Thread_local uint64_t early_position;\nTXN_TEMPLATE uint64_t txn_claim("),
                ("    *position = txn_claim(ctx, t, kind, length);\n",
                 "    bool early = kind->taken && ctx->postings->count == 1;\n"
                 "    *position = early ? early_position : txn_claim(ctx, t, kind, length);\n"),
            ],
        },
        (),
    ),
    "give_applies_first": (
        "G: a receive is applied before it claims",
        {
            "engine/txn/txn_run.h": [
                ("    *position = txn_claim(ctx, t, kind, length);\n"
                 "    t->lsn = *position + length;\n"
                 "    if (!kind->gives || txn_give(ctx))\n",
                 "    bool given = !kind->gives || txn_give(ctx);\n"
                 "    linger();\n"
                 "    *position = txn_claim(ctx, t, kind, length);\n"
                 "    t->lsn = *position + length;\n"
                 "    if (given)\n"),
            ]
        },
        (),
    ),
    "show_first": (
        "O: a confirmed reservation is shown before its LSN is claimed",
        {
            "engine/ops/lifecycle.c": [
                ("        t->done = true;\n        return CODE_OK;\n    }\n"
                 "    return word_state(t->word) == STATE_HELD ? CODE_OK\n",
                 "        t->done = true;\n        return CODE_OK;\n    }\n"
                 "    if (word_state(t->word) == STATE_HELD) { /* it has no LSN yet */\n"
                 "        struct id_entry *entry = t->reservation;\n"
                 "        entry->lsn_confirmed = entry->lsn_last;\n"
                 "        entry_put(entry, with_state(t->word, STATE_CONFIRMED));\n"
                 "        linger();\n"
                 "        while (!entry_take(entry, &t->word))\n            usleep(1);\n"
                 "        t->word = state_word(ENTRY_RESERVATION, STATE_HELD, word_id_len(t->word));\n"
                 "    }\n"
                 "    return word_state(t->word) == STATE_HELD ? CODE_OK\n"),
            ]
        },
        (),
    ),
    "no_busy": (
        "O: a reservation is not busy while it changes",
        {
            "engine/ops/reservation.c": [
                ("        if (!late || log_has_failed(ctx->ledger->log))\n            return CODE_OK;\n",
                 "        if (!late) {\n            entry_put(*entry, *word);\n            linger();\n"
                 "            return CODE_OK;\n        }\n"),
            ]
        },
        (),
    ),
    "answer_too_early": (
        "A: a reply does not wait for the disk",
        {
            "protocol/session.c": [
                ("call->lsn > acknowledged)", "false)")
            ],
            "protocol/worker.c": [
                ("    if (log_has_claims(worker_log(worker)) ||",
                 "    if ((executor->turn % 16 == 0 && log_has_claims(worker_log(worker))) ||"),
            ],
        },
        CRASHES,
    ),
    "no_pending": (
        "what is pending counts as gone",
        {
            "engine/txn/txn_run.h": [
                BETWEEN_TAKES,
                ("        *undecided = word_undecided(p->after) != 0;\n",
                 "        *undecided = false;\n"),
            ],
            "engine/sourcing/sourcing.c": [("s->undecided |= found->pending || ", "s->undecided |= ")],
        },
        (),
    ),
    "mark_later": (
        "a take is marked pending only after it was made",
        {
            "engine/txn/txn_run.h": [
                ("        if (txn_apply(ctx, p, tentative) == POOL_CHANGED)\n            continue;\n",
                 "        if (txn_apply(ctx, p, false) == POOL_CHANGED) {\n            linger();\n"
                 "            if (tentative)\n"
                 "                pool_give(pool_at(&ctx->ledger->items, p->pool),\n"
                 "                          (struct pool_change){ .tentative = 1 });\n"
                 "            continue;\n        }\n"),
            ]
        },
        (),
    ),
    "undo_forgotten": (
        "an order that is undone keeps what it took",
        {
            "engine/txn/txn_run.h": [
                BEFORE_TAKES,
            ],
            "engine/txn/txn.c": [("{ -p->on_hand, -p->reserved, -1 }", "{ -p->on_hand, 0, -1 }")],
        },
        (),
    ),
    "count_of_before": (
        "a count changes what is on hand, whatever came since it looked",
        {
            "engine/ops/movement_count.c": [
                ("    assert(shared->unit ==", "    linger();\n    assert(shared->unit =="),
            ],
            "engine/txn/txn.c": [("p->needs, p->counted, &p->after);",
                              "p->needs, NOT_COUNTED, &p->after);")],
        },
        (),
    ),
    "sum_without_bracket": (
        "a sum over pools does not ask whether gives came in between",
        {
            "engine/sourcing/candidates.c": [BETWEEN_LOOKS, IN_FIRST_LOOK],
            "engine/sourcing/sourcing.c": [("(found->pools > 1 && !found->quiet) ||", "")],
        },
        "race/moving_unit",
    ),
    "buffer_forgotten": (
        "the buffer over several pools is not looked at after the takes",
        {
            "engine/ops/reserve.c": [
                ("    for (uint32_t i = 0; !r->guarded && i <", "    for (uint32_t i = 0; false && i <"),
            ]
        },
        "race/moment",
    ),
    "lost_update": (
        "a pool's word is stored, not swapped",
        {
            "engine/store/pool.c": [
                ("        if (atomic_compare_exchange_weak_explicit(&pool->word, &word, next, "
                 "memory_order_acq_rel,\n"
                 "                                                  memory_order_acquire)) {\n",
                 "        linger();\n        atomic_store(&pool->word, next);\n        {\n"),
            ]
        },
        (),
    ),
    "lsn_of_the_tail": (
        "a question's lsn is what was claimed, not what was applied",
        {
            "engine/txn/txn_run.h": [BEFORE_GIVE],
            "engine/ops/query.c": [
                ("    return log_head(ctx->ledger->log);\n",
                 "    return atomic_load(&ctx->ledger->log->tail);\n"),
            ],
        },
        (),
    ),
    "publish_first": (
        "a give is published before it is applied",
        {
            "engine/txn/txn_run.h": [
                ("    if (!kind->gives || txn_give(ctx))\n",
                 "    if (kind->gives && ctx->postings->takes == 0) {\n"
                 "        journal_publish(ctx, *position);\n        usleep(300);\n    }\n"
                 "    if (!kind->gives || txn_give(ctx))\n"),
                ("    journal_publish(ctx, position);\n    kind->show(",
                 "    if (!kind->gives || ctx->postings->takes > 0)\n"
                 "        journal_publish(ctx, position);\n    kind->show("),
            ]
        },
        (),
    ),
    "id_not_recovered": (
        "recovery forgets the ids of movements",
        {
            "engine/replay/apply.c": [
                ("        error = fresh_entry(a, f.id, &entry);\n    if (!error)\n"
                 "        remember_movement(a->ctx, entry, r->content, &result, f.id.len);\n",
                 "        error = 0;\n"),
            ]
        },
        CRASHES,
    ),
    "cancel_not_recovered": (
        "recovery forgets what a cancel gave back",
        {
            "engine/replay/apply.c": [
                ("fulfil ? -(int64_t)qty : 0, -(int64_t)qty)",
                 "fulfil ? -(int64_t)qty : 0, fulfil ? -(int64_t)qty : 0)"),
            ]
        },
        CRASHES,
    ),
}

# What is not stockd; all else is, whatever folders there are.
OTHERS = ("tests/", "bench/", "client/", "examples/", "tools/")
RACE_PARTS = ("engine/", "tests/support/")


def is_part(name):
    return name.startswith("tools/stockd/") or not name.startswith(OTHERS)


class Workshop:
    """Compiles stockd as the build did, but for link-time optimisation and warnings."""

    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        self.commands = {}
        with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
            for entry in json.load(file):
                name = os.path.relpath(entry["file"], ROOT)
                if is_part(name) or name.startswith((*RACE_PARTS, "tests/race/")):
                    self.commands[name] = self.plain(shlex.split(entry["command"]))
        self.libraries = self.needed(os.path.join(build, "bin", "stockd"))
        self.objects = {}

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

    def where(self, old, hint):
        """The file that has these lines, once: the named one, or where they have moved to."""
        for name in [hint, *self.commands]:
            known = name in self.commands or os.path.exists(os.path.join(ROOT, name))
            if known and self.read(name).count(old) == 1:
                return name
        raise LookupError(
            f"no file has these lines, once ({hint} had):\n{old}\n"
            "Say in tests/history/wrong_engines.py how this rule is broken now."
        )

    def write_headers(self, wrong, texts):
        """The folder of the changed headers."""
        folder = os.path.join(self.folder, f"{wrong}-headers")
        for name in [name for name in texts if name.endswith(".h")]:
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(with_linger(texts[name]))
        return folder

    def touched(self, texts, objects):
        """The sources that have changed, or include a header that has."""
        includes = [f'#include "{name}"' for name in texts if name.endswith(".h")]
        return [
            name
            for name in objects
            if name in texts or any(include in self.read(name) for include in includes)
        ]

    def make(self, wrong, changes, race=None):
        """The wrong engine's program: stockd, or that race program."""
        first = f"tests/{race}.c" if race else "tools/stockd/main.c"
        objects = self.prepare((*RACE_PARTS, first) if race else None)
        texts = {}
        for hint, replacements in changes.items():
            for old, new in replacements:
                name = self.where(old, hint)
                texts[name] = texts.get(name, self.read(name)).replace(old, new)
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
        done = subprocess.run([program], capture_output=True, text=True, check=False, timeout=120)
        caught = done.returncode not in (0, 77)
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
        if code == 1 and "Traceback" not in said:
            break
        if code != 0:
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


def main():
    build = os.path.abspath(sys.argv[1])
    names = sys.argv[2:] or list(WRONG)
    os.environ.setdefault("STOCKD_BIN_DIR", os.path.join(build, "bin"))
    failed = []
    with tempfile.TemporaryDirectory(prefix="stockd-wrong-") as folder:
        workshop = Workshop(build, folder)
        for name in names:
            try:
                right = try_engine(workshop, name, len(sys.argv) > 2)
            except (LookupError, subprocess.CalledProcessError) as wrong:
                print(f"{name}: {wrong}"[:1000])
                right = False
            if not right:
                failed.append(name)
    print(f"{len(names)} engines, not as they should be: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
