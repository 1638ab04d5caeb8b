#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Puts the faults of the list into copies of the tree, one at a time, and runs the tests.

mutate.py [--only REGEX] [--jobs N] [--work DIR] [--again] [--narrow] [--fail-under PERCENT]

For each entry: make the fault, build what its tests need, run them in the order named; if they
pass, run the wider set (unit, property, recovery and integration tests) too. What no test notices
has survived. A test that failed must pass without the fault.

  --only REGEX     only entries whose id matches
  --jobs N         so many copies at once (1)
  --work DIR       where the copies, builds and results are kept (build/mutation)
  --again          run also what has a result already
  --narrow         only the tests that the entry names
  --fail-under N   exit 1 if fewer than N percent are caught (default: if any survives that the
                   list does not explain)

A run that was interrupted goes on where it stopped: a caught fault stays caught as long as its entry
and its file are the same; a survivor is tried again when anything in the tree has changed.
"""

import argparse
import ctypes
import hashlib
import json
import multiprocessing
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import mutations
from mutations import ROOT

WIDER = "^(unit|property|recovery|integration)/"
PR_SET_CHILD_SUBREAPER = 36
HIDDEN = (".git", "build", "__pycache__")
TEST_TARGETS = ("unit", "property", "race", "recovery")


# ------------------------------------------------------------------------------------ the copies


def tree_files(root):
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in HIDDEN)
        for name in sorted(files):
            yield os.path.relpath(os.path.join(folder, name), root)


def digest(*parts):
    h = hashlib.sha256()
    for part in parts:
        h.update(part if isinstance(part, bytes) else str(part).encode())
        h.update(b"\0")
    return h.hexdigest()[:16]


def tree_digest(root):
    return digest(*(digest(name, (root / name).read_bytes()) for name in tree_files(root)))


def refresh(source, copy):
    """Makes the copy like the source; what is the same keeps its time, so that builds are short."""
    wanted = set(tree_files(source))
    for name in set(tree_files(copy)) - wanted if copy.exists() else ():
        (copy / name).unlink()
    for name in wanted:
        ours, theirs = source / name, copy / name
        if theirs.is_file() and theirs.read_bytes() == ours.read_bytes():
            continue
        theirs.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ours, theirs)
        shutil.copymode(ours, theirs)


# -------------------------------------------------------------------------------- one copy's work


class Failed(Exception):
    """A fault that cannot be judged: it does not compile, or the tests fail without it."""


class Workshop:
    """One copy of the tree, with its builds."""

    def __init__(self, copy, log):
        self.copy, self.log = copy, log
        self.configured, self.sound = {}, set()

    def run(self, *command, env=None):
        """(exit code, output). What the command leaves running is ended."""
        with tempfile.TemporaryFile() as output:  # no pipe: what is left running would hold it
            done = subprocess.run(
                command, cwd=self.copy, env=env, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, check=False,
            )
            end_orphans()
            output.seek(0)
            said = output.read().decode(errors="replace")
        with open(self.log, "a", encoding="utf-8") as file:
            file.write(f"$ {' '.join(command)}\n{said}\n")
        return done.returncode, said

    def configure(self, preset):
        """Configures once; the names of all tests."""
        if preset not in self.configured:
            code, said = self.run("cmake", "--preset", preset, "-DCMAKE_C_FLAGS=-w")
            if code:
                raise Failed(f"cannot configure {preset}: {said[-2000:]}")
            code, said = self.run("ctest", "--preset", preset, "-N")
            self.configured[preset] = re.findall(r"Test +#\d+: (\S+)", said)
        return self.configured[preset]

    def select(self, preset, regex):
        return [name for name in self.configure(preset) if re.search(regex, name)]

    def build(self, preset, names):
        """Builds what those tests need."""
        targets = set()
        for name in names:
            group, _, test = name.partition("/")
            stem = test if os.path.exists(self.copy / f"tests/{group}/{test}.c") else f"test_{test}"
            if group in TEST_TARGETS:
                targets.add(f"{group}-{stem}")
                continue
            targets.add("programs")
            if group in ("history", "crash"):
                targets |= {"recorder", "crash_load"} if preset != "tsan" else set()
            if test.startswith("etcd"):
                targets.add("etcd_driver")
        command = ["cmake", "--build", "--preset", preset, "-j2", "--target", *sorted(targets)]
        code, said = self.run(*command)
        if code:
            errors = [line for line in said.splitlines() if "error" in line or "undefined" in line]
            raise Failed("does not build: " + " | ".join(errors[:3] or said.splitlines()[-3:]))

    def test(self, preset, names):
        """The names of those tests that failed, the first of them at least."""
        folder = tempfile.mkdtemp(prefix="mutant-")
        env = {**os.environ, "TMPDIR": folder}
        pattern = "^(" + "|".join(map(re.escape, names)) + ")$"
        command = ["ctest", "--preset", preset, "--stop-on-failure", "-R", pattern]
        if preset == "tsan" and shutil.which("setarch"):
            command = ["setarch", "-R", *command]
        code, said = self.run(*command, env=env)
        shutil.rmtree(folder, ignore_errors=True)
        failed = re.findall(r"^\s*\d+ - (\S+) \((?!Skipped)([^)]*)\)", said, re.M)
        if code and not failed:
            raise Failed(f"ctest ended with {code}: {said[-500:]}")
        return [f"{name} ({how})" for name, how in failed]

    def prove_sound(self, preset, failed):
        """Those tests must pass without the fault, which is out again."""
        names = [name.split()[0] for name in failed]
        new = [name for name in names if (preset, name) not in self.sound]
        if not new:
            return
        self.build(preset, new)
        still = self.test(preset, new)
        if still:
            raise Failed(f"fails without the fault: {', '.join(still)}")
        self.sound.update((preset, name) for name in new)

    def hunt(self, mutation, narrow):
        """The tests that notice the fault, which is in: those named, in their order; or others."""
        preset = mutation.preset
        named = [self.select(preset, f"^({test})$") for test in mutation.tests]
        if not any(named):
            raise Failed(f"preset {preset} has no test {' '.join(mutation.tests)}")
        self.build(preset, sum(named, []))
        for names in filter(None, named):
            failed = self.test(preset, names)
            if failed:
                return failed, ""
        if narrow:
            return [], "the named tests pass"
        names = [name for name in self.select(preset, WIDER) if name not in sum(named, [])]
        self.build(preset, names)
        failed = self.test(preset, names)
        return failed, "but by none that the entry names" if failed else "all tests pass"

    def judge(self, mutation, narrow):
        """(verdict, why)"""
        path = self.copy / mutation.file
        right = path.read_text(encoding="utf-8")
        path.write_text(mutation.apply(right), encoding="utf-8")
        try:
            failed, note = self.hunt(mutation, narrow)
            path.write_text(right, encoding="utf-8")
            self.prove_sound(mutation.preset, failed)
        except Failed as failure:
            return "failed", str(failure)
        finally:
            path.write_text(right, encoding="utf-8")
        return ("caught", ", ".join([*failed, note] if note else failed)) if failed else (
            "survived", note)


def end_orphans():
    """Ends what a killed test left behind: it has become a child of this process."""
    me = os.getpid()
    while True:
        with open(f"/proc/{me}/task/{me}/children", encoding="ascii") as file:
            children = [int(pid) for pid in file.read().split()]
        if not children:
            return
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def work(number, options, tasks, results):
    """A process: one copy, one fault after the other."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    copy = options.work / f"tree-{number}"
    refresh(ROOT, copy)
    shop = Workshop(copy, options.work / f"log-{number}.txt")
    for mutation in iter(tasks.get, None):
        began = time.monotonic()
        try:
            verdict, why = shop.judge(mutation, options.narrow)
        except Exception as error:  # noqa: BLE001 - or the others would wait for ever
            verdict, why = "failed", repr(error)
        results.put((mutation.ident, verdict, why, time.monotonic() - began))


# ------------------------------------------------------------------------------------- the run


class Results:
    """What is known, kept in a file."""

    def __init__(self, path, tree):
        self.path, self.tree = path, tree
        self.known = json.loads(path.read_text()) if path.exists() else {}

    def key(self, mutation, verdict):
        entry = digest(mutation.file, mutation.old, mutation.new, mutation.preset)
        if verdict == "caught":
            return digest(entry, (ROOT / mutation.file).read_bytes())
        return digest(entry, self.tree, mutation.tests)

    def get(self, mutation):
        """Its result, if that still holds."""
        found = self.known.get(mutation.ident)
        return found if found and found["key"] == self.key(mutation, found["verdict"]) else None

    def put(self, mutation, verdict, why):
        key = self.key(mutation, verdict)
        self.known[mutation.ident] = {"verdict": verdict, "why": why, "key": key}
        temporary = self.path.with_suffix(".new")
        temporary.write_text(json.dumps(self.known, indent=1, sort_keys=True))
        temporary.replace(self.path)


def tell(mutation, verdict, why, seconds):
    explained = verdict == "survived" and mutation.survives
    shown = "survives" if explained else verdict.upper() if verdict != "caught" else verdict
    print(f"{shown:9} {mutation.ident:36} {seconds:5.0f} s  {why}", flush=True)


def run_all(todo, options, results):
    todo = {mutation.ident: mutation for mutation in todo}
    context = multiprocessing.get_context("fork")
    tasks, done = context.Queue(), context.Queue()
    for mutation in todo.values():
        tasks.put(mutation)
    jobs = min(options.jobs, len(todo))
    workers = [context.Process(target=work, args=(n, options, tasks, done)) for n in range(jobs)]
    for worker in workers:
        tasks.put(None)
        worker.start()
    for _ in todo:
        ident, verdict, why, seconds = done.get()
        results.put(todo[ident], verdict, why)
        tell(todo[ident], verdict, why, seconds)
    for worker in workers:
        worker.join()


def summary(chosen, results):
    """The share that was caught, in percent, and the ids of what is not as the list says."""
    found = {m.ident: results.known[m.ident] for m in chosen if m.ident in results.known}
    count = {v: sum(f["verdict"] == v for f in found.values())
             for v in ("caught", "survived", "failed")}
    share = 100 * count["caught"] / max(1, len(chosen))
    wrong = [m.ident for m in chosen
             if found[m.ident]["verdict"] != ("survived" if m.survives else "caught")]
    print(f"\n{len(chosen)} faults: {count['caught']} caught ({share:.0f} %), "
          f"{count['survived']} survived, {count['failed']} cannot be judged")
    for m in chosen:
        if found[m.ident]["verdict"] == "survived":
            print(f"  survived: {m.ident} ({m.file}): {m.survives or m.note}")
        elif m.survives:
            print(f"  caught, though the list says that it survives: {m.ident}")
        elif found[m.ident]["verdict"] == "failed":
            print(f"  failed: {m.ident}: {found[m.ident]['why']}")
    return share, wrong


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--only", default="", metavar="REGEX")
    parser.add_argument("--jobs", type=int, default=1, metavar="N")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build" / "mutation")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--narrow", action="store_true")
    parser.add_argument("--fail-under", type=float, metavar="PERCENT")
    return parser.parse_args()


def main():
    options = arguments()
    options.work = options.work.resolve()
    options.work.mkdir(parents=True, exist_ok=True)
    try:
        listed = mutations.load()
    except mutations.ListError as error:
        print(error)
        return 1
    chosen = [m for m in listed if re.search(options.only, m.ident)]
    offences = list(mutations.check_list(chosen))
    if offences or not chosen:
        print("\n".join(offences) or f"no entry matches {options.only!r}")
        return 1
    results = Results(options.work / "results.json", tree_digest(ROOT))
    todo = [m for m in chosen if options.again or not results.get(m)]
    print(f"{len(chosen)} faults, {len(chosen) - len(todo)} of them have a result", flush=True)
    if todo:
        run_all(todo, options, results)
    share, wrong = summary(chosen, results)
    return 1 if (wrong if options.fail_under is None else share < options.fail_under) else 0


if __name__ == "__main__":
    sys.exit(main())
