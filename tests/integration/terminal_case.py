# SPDX-License-Identifier: Apache-2.0
"""stockctl's shell on a terminal of its own, as a person would use it."""

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time

from stockd_harness import BIN_DIR, PATIENCE, SLOW, reap, spawn

# What libedit moves the cursor with, and colours nothing with.
MOVES = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]|\x1b[=>78]|\x07")

PROMPT = r"(?<=\n)(unix:|127)\S+> $"
TAB, CTRL_C, CTRL_D, CTRL_U, UP = "\t", "\x03", "\x04", "\x15", "\x1b[A"


class Terminal:
    """The program runs in a session of its own, whose terminal this is."""

    def __init__(self, *args, env, columns=120):
        lead, follow = pty.openpty()
        fcntl.ioctl(follow, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.lead = lead
        self.raw = b""  # all that came
        self.read = 0   # how much of it `expect` has passed
        self.process = spawn([os.path.join(BIN_DIR, "stockctl"), *args], stdin=follow, stdout=follow,
                             stderr=follow, env={**os.environ, "TERM": "xterm", **env},
                             start_new_session=True,
                             preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(follow)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        reap(self.process, 30 * SLOW)
        os.close(self.lead)

    def type(self, text):
        os.write(self.lead, text.encode())

    def take(self, timeout):
        """Whether something came within that many seconds."""
        if not select.select([self.lead], [], [], timeout)[0]:
            return False
        try:
            some = os.read(self.lead, 65536)
        except OSError:  # the other end is closed
            some = b""
        self.raw += some
        return some != b""

    def expect(self, pattern, timeout=20):
        """Reads until the pattern comes, cursor movements left out; returns all up to its end."""
        deadline = time.monotonic() + timeout * SLOW * PATIENCE
        while True:
            text = MOVES.sub(b"", self.raw[self.read:]).replace(b"\r", b"").decode(errors="replace")
            found = re.search(pattern, text)
            if found:
                self.read = len(self.raw)
                return text[:found.end()]
            if not self.take(max(0.0, deadline - time.monotonic())):
                raise AssertionError(f"waited for {pattern!r} on the terminal; since then: {text!r}")

    def say(self, line, pattern):
        """Types a line, and expects the pattern and a prompt behind it."""
        self.type(line + "\r")
        return self.expect(rf"\n(?s:.*{pattern}.*){PROMPT}")

    def ends(self):
        """The exit status."""
        while self.take(30 * SLOW * PATIENCE):
            pass
        return reap(self.process, 30 * SLOW)
