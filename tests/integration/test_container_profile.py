#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The seccomp profile for containers is made of the list that the engine's own filter has, and under
it the engine starts, serves, compacts and stops."""

import ctypes
import errno
import json
import os
import subprocess
import sys
import unittest

from stockd_harness import BIN_DIR, SANITIZED, SOURCE_ROOT, Server, main, wait_until

FOLDER = os.path.join(SOURCE_ROOT, "packaging", "container")
PROFILE = os.path.join(FOLDER, "seccomp.json")
STOCKCTL = os.path.join(BIN_DIR, "stockctl")

ALLOW = 0x7FFF0000
OPERATORS = {"SCMP_CMP_EQ": 4, "SCMP_CMP_MASKED_EQ": 7}
UNKNOWN = -1  # __NR_SCMP_ERROR


class Comparison(ctypes.Structure):
    _fields_ = [("index", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64),
                ("b", ctypes.c_uint64)]


def action_of(name, error):
    return ALLOW if name == "SCMP_ACT_ALLOW" else 0x00050000 | error


def load(path):
    """What a container's runtime does with the profile; for this process, and those that it starts."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    add = library.seccomp_rule_add_array
    add.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p]
    library.seccomp_load.argtypes = [ctypes.c_void_p]
    with open(path, encoding="utf-8") as file:
        profile = json.load(file)
    context = library.seccomp_init(action_of(profile["defaultAction"], profile["defaultErrnoRet"]))
    for rule in profile["syscalls"]:
        action = action_of(rule["action"], rule.get("errnoRet", errno.EPERM))
        arguments = [Comparison(each["index"], OPERATORS[each["op"]], each["value"],
                                each.get("valueTwo", 0)) for each in rule.get("args", [])]
        array = (Comparison * len(arguments))(*arguments)
        for name in rule["names"]:
            number = library.seccomp_syscall_resolve_name(name.encode())
            if number != UNKNOWN and (failed := add(context, action, number, len(array), array)):
                raise SystemExit(f"{name}: {os.strerror(-failed)}")
    if failed := library.seccomp_load(context):
        raise SystemExit(f"no filter can be loaded here: {os.strerror(-failed)}")


UNDER_IT = [sys.executable, os.path.abspath(__file__), "--under"]


class ContainerProfile(unittest.TestCase):
    def test_is_made_of_the_list(self):
        made = subprocess.run([os.path.join(FOLDER, "profile.py"), "--print"], check=True,
                              capture_output=True, text=True).stdout
        with open(PROFILE, encoding="utf-8") as file:
            self.assertEqual(file.read(), made, "run packaging/container/profile.py")

    def test_forbids(self):
        for what in ("libc.unshare(0)", "libc.mount(None, None, None, 0, None)",
                     "libc.ptrace(0, 0, 0, 0)", "libc.socket(40, 1, 0)"):
            code = ("import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
                    f"assert {what} == -1 and ctypes.get_errno() == {errno.EPERM}")
            done = subprocess.run([*UNDER_IT, sys.executable, "-c", code], capture_output=True,
                                  text=True, check=False)
            self.assertEqual(done.returncode, 0, f"{what}: {done.stderr}")

    @unittest.skipIf(SANITIZED, "sanitizers make calls of their own")
    def test_suffices(self):
        """For all that a start does, with every part; for a compaction, and the tools."""
        with Server("--workers", "2", "--http", "127.0.0.1:0", "--segment-bytes", "65536",
                    "--compact-bytes", "65536", prefix=UNDER_IT) as server:
            with open(f"/proc/{server.pid}/status", encoding="ascii") as file:
                self.assertIn("Seccomp_filters:\t2", file.read(), "the profile, and its own")
            with server.client() as client:
                def compacted():
                    for i in range(200):
                        client.call("receive", f"{i}-{client.call('ping')}{os.urandom(4).hex()}",
                                    "A", "main", 1)
                    return client.call("info", "snapshot")["snapshot"]["compactions"] > 0
                wait_until(compacted, timeout=60, what="a compaction")
            subprocess.run([*UNDER_IT, STOCKCTL, "-s", server.unix, "ping"], check=True,
                           capture_output=True)
            server.restart()
            self.assertNotIn("refused", server.stderr())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--under"]:
        load(PROFILE)
        os.execvp(sys.argv[2], sys.argv[2:])
    main()
