# SPDX-License-Identifier: Apache-2.0
"""Has a running process make system calls, as whoever has taken it over would: with ptrace, because
gdb cannot call functions under every kernel. x86-64 only."""

import ctypes
import os
import platform
import signal
import struct

PEEKTEXT, POKETEXT, CONT, GETREGS, SETREGS, ATTACH, DETACH = 1, 4, 7, 12, 13, 16, 17
REGISTERS = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss "
             "fs_base gs_base ds es fs gs").split()
ARGUMENTS = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
SYSCALL_THEN_TRAP = 0xCC050F  # 0f 05 cc
RED_ZONE = 256

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long
Registers = ctypes.c_ulong * len(REGISTERS)


class CannotTrace(Exception):
    """Here no process may trace another one."""


def _ptrace(request, pid, address=0, data=0):
    ctypes.set_errno(0)
    result = libc.ptrace(request, pid, address, data)
    if result == -1 and ctypes.get_errno():
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _entry(pid):
    """Where the program begins: nothing runs there any more."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as file:
        base = int(file.readline().split("-")[0], 16)
    with open(f"/proc/{pid}/exe", "rb") as file:
        header = file.read(32)
    kind, entry = struct.unpack_from("<H", header, 16)[0], struct.unpack_from("<Q", header, 24)[0]
    return entry if kind == 2 else base + entry  # 2: not relocated


def _one(pid, before, at, number, arguments):
    registers = Registers(*before)
    values = dict(zip(ARGUMENTS, arguments))
    values |= {"rax": number, "rip": at, "orig_rax": -1,
               "rsp": (before[REGISTERS.index("rsp")] - RED_ZONE) & ~15}
    for name, value in values.items():
        registers[REGISTERS.index(name)] = value & (1 << 64) - 1
    _ptrace(SETREGS, pid, 0, ctypes.addressof(registers))
    delivered = 0
    while True:  # the signal of a refusal is for the process
        _ptrace(CONT, pid, 0, delivered)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            raise AssertionError(f"the process ended: wait status {status:#x}")
        if os.WSTOPSIG(status) == signal.SIGTRAP:
            break
        delivered = os.WSTOPSIG(status)
    _ptrace(GETREGS, pid, 0, ctypes.addressof(registers))
    return ctypes.c_long(registers[REGISTERS.index("rax")]).value


def make_calls(pid, calls):
    """The results of system calls (number, argument...) of the process's first thread: a negative one
    is -errno."""
    if platform.machine() != "x86_64":
        raise CannotTrace(platform.machine())
    try:
        _ptrace(ATTACH, pid)
    except PermissionError as error:
        raise CannotTrace(str(error)) from error
    os.waitpid(pid, 0)
    at = _entry(pid)
    text = _ptrace(PEEKTEXT, pid, at)
    before = Registers()
    _ptrace(GETREGS, pid, 0, ctypes.addressof(before))
    try:
        _ptrace(POKETEXT, pid, at, text & ~0xFFFFFF | SYSCALL_THEN_TRAP)
        return [_one(pid, before, at, number, arguments) for number, *arguments in calls]
    finally:
        _ptrace(POKETEXT, pid, at, text)
        _ptrace(SETREGS, pid, 0, ctypes.addressof(before))
        _ptrace(DETACH, pid)
