# SPDX-License-Identifier: Apache-2.0
"""Disks that can be cut off: file systems on loop devices, of this process and its children only.

in_own_world() puts the process into a mount namespace of its own, so that nothing stays mounted
whatever becomes of it; loop devices clear themselves when the last one who has them open is gone.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time

SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32): ext4 and XFS
FREEZE, THAW = 0xC0045877, 0xC0045878  # _IOWR('X', 119, int), _IOWR('X', 120, int)
NO_LOG_FLUSH = 2
LOOP_CTL_GET_FREE, LOOP_CONFIGURE, LOOP_AUTOCLEAR = 0x4C82, 0x4C0A, 4
CLONE_NEWNS, MS_REC, MS_PRIVATE, MNT_DETACH = 0x20000, 0x4000, 1 << 18, 2
BUSY_SECONDS = 20  # the kernel takes its time to let go of a killed process's ring

_libc = ctypes.CDLL(None, use_errno=True)


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def _checked(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def in_own_world(*programs):
    """Skips the whole script where this machine cannot make such disks."""
    if os.geteuid() != 0:
        skip("it takes root to mount a disk and to cut it off")
    if not os.path.exists("/dev/loop-control"):
        skip("no loop devices here")
    for program in programs:
        if not shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            skip(f"{program} is not installed")
    try:
        _checked(_libc.unshare(CLONE_NEWNS), "unshare")
        _checked(_libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "private mounts")
    except OSError as error:
        skip(f"no mount namespace: {error}")


def mount(source, target, kind, options=None):
    data = options.encode() if options else None
    _checked(_libc.mount(source.encode(), target.encode(), kind.encode(), 0, data), f"mount {source}")


def unmount(target):
    """Waits for those who still have files open there, for a while."""
    deadline = time.monotonic() + BUSY_SECONDS
    while _libc.umount2(target.encode(), 0) < 0:
        number = ctypes.get_errno()
        if number != errno.EBUSY or time.monotonic() > deadline:
            raise OSError(number, f"umount {target}: {os.strerror(number)}")
        time.sleep(0.001)


def attach(image):
    """A loop device on the file: (its path, a descriptor that keeps it)."""
    backing = os.open(image, os.O_RDWR)
    try:
        for _ in range(100):
            control = os.open("/dev/loop-control", os.O_RDWR)
            try:
                number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
            finally:
                os.close(control)
            device = f"/dev/loop{number}"
            if not os.path.exists(device):
                os.mknod(device, 0o600 | 0o060000, os.makedev(7, number))
            descriptor = os.open(device, os.O_RDWR | os.O_CLOEXEC)
            info = struct.pack("=5Q4I64s64s32s2Q", 0, 0, 0, 0, 0, number, 0, 0, LOOP_AUTOCLEAR, b"", b"", b"", 0, 0)
            try:
                fcntl.ioctl(descriptor, LOOP_CONFIGURE, struct.pack("=II", backing, 0) + info + bytes(64))
                return device, descriptor
            except OSError as error:
                os.close(descriptor)
                if error.errno != errno.EBUSY:  # somebody else took it just now
                    raise
        raise OSError(errno.EBUSY, "no free loop device")
    finally:
        os.close(backing)


class Disk:
    """A file system of its own, at .path; made, mounted and taken apart by `with`."""

    SIZE = 1 << 30  # sparse
    MAKE = {
        "ext4": ("mkfs.ext4", "-q", "-F", "-J", "size=16"),
        "xfs": ("mkfs.xfs", "-q", "-f"),
    }

    def __init__(self, kind, size=None, image=None):
        self.kind = kind
        self.home = tempfile.mkdtemp(prefix="stockd-disk-", dir=scratch())
        self.image = image or os.path.join(self.home, "image")
        self.path = os.path.join(self.home, "mounted")
        self.mounted, self.descriptor = False, None
        try:
            os.mkdir(self.path)
            if image is None:
                with open(self.image, "wb") as file:
                    file.truncate(size or self.SIZE)
            self.device, self.descriptor = attach(self.image)
            self.make()
            self.mount()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.close()

    def make(self):
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        subprocess.run([*self.MAKE[self.kind], self.device], check=True, env={**os.environ, "PATH": path})

    def mount(self):
        mount(self.device, self.path, self.kind)
        self.mounted = True

    def unmount(self):
        unmount(self.path)
        self.mounted = False

    def cut(self):
        """The power goes: nothing reaches the disk any more, what is only in memory is lost."""
        directory = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(directory, SHUTDOWN, struct.pack("=I", NO_LOG_FLUSH))
        finally:
            os.close(directory)

    @contextlib.contextmanager
    def frozen(self):
        """Writes wait as long as this lasts."""
        directory = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(directory, FREEZE, 0)
            try:
                yield
            finally:
                fcntl.ioctl(directory, THAW, 0)
        finally:
            os.close(directory)

    def power_on(self):
        """After a cut, when all who used it have ended."""
        self.unmount()
        self.mount()

    def close(self):
        try:
            if self.mounted:
                self.unmount()
        finally:
            if self.mounted:  # somebody is in it still
                _libc.umount2(self.path.encode(), MNT_DETACH)
            if self.descriptor is not None:
                os.close(self.descriptor)
                self.descriptor = None
            shutil.rmtree(self.home, ignore_errors=True)


def scratch():
    """Where images lie: in memory if there is room, for a cut's disk need not be slow."""
    given = os.environ.get("STOCKD_CRASH_DIR")
    if given:
        return given
    try:
        free = os.statvfs("/dev/shm")
        if free.f_bavail * free.f_frsize > 2 << 30:
            return "/dev/shm"
    except OSError:
        pass
    return tempfile.gettempdir()
