#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The gdb printers (scripts/gdb/stockd_gdb.py) show what the engine's own functions have made."""

import os
import pathlib
import shutil
import subprocess
import unittest

from stockd_harness import BIN_DIR, main

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPECIMEN = pathlib.Path(BIN_DIR).parent / "tests" / "gdb" / "specimen"
BEGIN = "-- "

WANTED = {
    "print shared_pool": "item 3 at 1, shared: on hand 10, reserved 4, available 6",
    "print allotted_pool": "item 4294967294 at 65535, allotted 2: on hand 536870911, "
                           "reserved 536870911, available 0, undecided 63",
    "print unused_pool": "no pool",
    "print $pool_word(shared_pool.word)": '"on hand 10, reserved 4, available 6"',
    "print held": 'reservation "o-1", held, last repeat, busy, LSN 48 to 96',
    "print movement": 'movement "a\\"bé", LSN 0 to 0',
    "print unused_entry": "free",
    "print $id_word(id_state)": '"reservation, held, last repeat, busy, id of 3 bytes"',
    "print sku": '"MUG-RED"',
    "print no_text": "absent",
    "print code": '"web"',
    "print head": "reserve, 120 bytes, flags 0x1, client 2",
    "stockd-log &ring": "LSN 168: movement, 72 bytes, flags 0x3\n"
                        "LSN 288: reserve, 120 bytes, flags 0x1, client 2\n"
                        "at 288: claimed, not published",
}


def run_gdb(commands):
    """What gdb says to each command, and all that it says."""
    arguments = ["gdb", "-nx", "-batch", "-x", str(ROOT / "scripts/gdb/stockd_gdb.py"),
                 "-ex", "set charset UTF-8", "-ex", "set debuginfod enabled off",
                 "-ex", "break stop_here", "-ex", "run"]
    for command in commands:
        arguments += ["-ex", f"echo {BEGIN}{command}\\n", "-ex", command]
    arguments += ["-ex", f"echo {BEGIN}end\\n", "-ex", "kill", str(SPECIMEN)]
    environment = os.environ | {"ASAN_OPTIONS": "detect_leaks=0", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, env=environment, check=False)
    text = done.stdout.decode(errors="replace")
    answers = {}
    for part in text.split("\n" + BEGIN)[1:]:
        command, _, answer = part.partition("\n")
        answers[command] = answer.rstrip("\n")
    return answers, text


@unittest.skipUnless(shutil.which("gdb"), "there is no gdb")
class Gdb(unittest.TestCase):
    def test_printers(self):
        answers, text = run_gdb(WANTED)
        if "ptrace: Operation not permitted" in text or "Could not trace the inferior" in text:
            self.skipTest("this machine does not let gdb trace a process")
        self.assertIn("Breakpoint 1, ", text)
        for command, wanted in WANTED.items():
            answer = answers.get(command, "").split(" = ", 1)[-1]
            self.assertEqual(answer, wanted, f"{command}\n{text}")


if __name__ == "__main__":
    main()
