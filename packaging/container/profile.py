#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The seccomp profile for containers: the default ones of Docker and Kubernetes forbid io_uring.

profile.py            writes seccomp.json beside this file
profile.py --print    writes it to standard output

It allows what tools/stockd/system_calls.def lists, which is also where the engine's own filter comes
from, and what a container's runtime and a shell need before and beside the engine. Its form is the
one that both take; a call that it does not allow fails with EPERM.
"""

import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
CALLS = HERE.parents[1] / "tools" / "stockd" / "system_calls.def"

# The runtime (runc, crun) sets up users and capabilities after it has loaded the profile.
RUNTIME = """capget capset chdir chmod chown dup fchdir fchmodat fchown fchownat getgroups getppid
    getresgid getresuid getsid getxattr keyctl lgetxattr set_thread_area setfsgid setfsuid setgid
    setgroups setregid setresgid setresuid setreuid setsid setuid statfs symlinkat""".split()

# A health check, the gateway, and whoever looks into the container.
SHELL = """accept epoll_create epoll_pwait2 eventfd getpgid getpgrp link pause pipe rt_sigsuspend
    sendfile setpgid socketcall symlink tkill utimensat""".split()

EPERM, ENOSYS = 1, 38
CLONE_NEW = 0x7E020000  # each of the namespaces
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
ARGUED = {"clone", "clone3", "socket"}  # allowed with some arguments


def names():
    rows = re.findall(r"^(SERVING|PARTLY|STARTING)\((\w+)\)$", CALLS.read_text(), re.M)
    if len(rows) < 100:
        raise SystemExit(f"{CALLS}: its rows cannot be read")
    return sorted({name for _, name in rows} | set(RUNTIME) | set(SHELL))


def equals(index, value):
    return {"index": index, "value": value, "op": "SCMP_CMP_EQ"}


def profile():
    rules = [{"names": [name for name in names() if name not in ARGUED],
              "action": "SCMP_ACT_ALLOW"}]
    for family in FAMILIES.values():
        rules.append({"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [equals(0, family)]})
    # A process or a thread, in no namespace of its own. Where clone3 is missing, whose flags no
    # filter sees, the C library uses clone.
    rules.append({"names": ["clone"], "action": "SCMP_ACT_ALLOW",
                  "args": [{"index": 0, "value": CLONE_NEW, "valueTwo": 0,
                            "op": "SCMP_CMP_MASKED_EQ"}]})
    rules.append({"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS})
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": EPERM,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
        "syscalls": rules,
    }


def main():
    text = json.dumps(profile(), indent=2) + "\n"
    if sys.argv[1:] == ["--print"]:
        sys.stdout.write(text)
    elif sys.argv[1:]:
        raise SystemExit(__doc__)
    else:
        (HERE / "seccomp.json").write_text(text)


if __name__ == "__main__":
    main()
