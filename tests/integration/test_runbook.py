# SPDX-License-Identifier: Apache-2.0
"""docs/RUNBOOK.md is true: each of its sections is done as it says, on an engine in that trouble."""

import glob
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import redis_case
from stockd_harness import BIN_DIR, PATIENCE, SLOW, SOURCE_ROOT, Client, RpcError, main, spawn, reap

EXIT = re.compile(r"# exit (\d)")

# What the page takes for granted. The engine is stopped and started as systemd would do it.
PRELUDE = r"""
chown() { :; }
apt-get() { :; }
redis-cli() { command redis-cli -p "$REDIS_PORT" "$@"; }
systemctl() {
    case $1 in
    restart) systemctl stop stockd && systemctl start stockd ;;
    stop)
        kill "$(cat "$RUN/pid")" || return 1
        while kill -0 "$(cat "$RUN/pid")" 2>/dev/null; do sleep 0.02; done
        rm "$RUN/pid" ;;
    start)
        rm -f "$RUN/ready"
        stockd --data "$DATA" --listen "$STOCKD_SERVER" --ready-file "$RUN/ready" $OPTIONS \
            </dev/null >>"$RUN/log" 2>&1 &
        echo $! >"$RUN/pid"
        while [ ! -e "$RUN/ready" ]; do
            kill -0 "$(cat "$RUN/pid")" 2>/dev/null || { rm "$RUN/pid"; return 1; }
            sleep 0.02
        done ;;
    esac
}
step() {
    wanted=$1; shift
    eval "$1"; status=$?
    [ $status = $wanted ] || { echo "exit $status, not $wanted: $1" >&2; exit 100; }
}
"""


def steps(title):
    """The commands of a section, each with its exit status."""
    with open(os.path.join(SOURCE_ROOT, "docs", "RUNBOOK.md"), encoding="utf-8") as file:
        section = re.search(rf"(?ms)^## {title}\n(.*?)(?=^## |\Z)", file.read()).group(1)
    found = []
    for line in re.findall(r"(?m)^    (\S.*)$", section):
        status = EXIT.search(line)
        found.append((int(status.group(1)) if status else 0, line.split("  #")[0].rstrip()))
    assert found, title
    return found


class Runbook(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="stockd-runbook-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.run_folder = self.path("run")
        self.data = self.path("data")
        os.mkdir(self.run_folder)
        self.address = "unix:" + os.path.join(self.run_folder, "s")
        self.env = {**os.environ, "PATH": BIN_DIR + ":" + os.environ["PATH"], "DATA": self.data,
                    "BACKUP": self.path("backup"), "RUN": self.run_folder, "LSN": "0",
                    "STOCKD_SERVER": self.address,
                    "OPTIONS": "--segment-bytes 98304 --compact-bytes 0"}
        self.addCleanup(self.end_engine)

    def path(self, name):
        return os.path.join(self.folder, name)

    def end_engine(self):
        """It was started by a shell that has ended: by its pid, and only if it still is ours."""
        try:
            with open(os.path.join(self.run_folder, "pid"), encoding="ascii") as file:
                pid = int(file.read())
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                ours = self.run_folder.encode() in file.read()
        except (OSError, ValueError):
            return
        if ours:
            os.kill(pid, signal.SIGKILL)
            while os.path.exists(f"/proc/{pid}/exe"):
                time.sleep(0.01)

    def do(self, *commands):
        """Runs steps of the page, or commands; what they printed."""
        script = PRELUDE
        for command in commands:
            status, text = command if isinstance(command, tuple) else (0, command)
            script += f"step {status} {_quote(text)}\n"
        # Its output goes to a file: the engine that it starts must not hold a pipe open.
        with open(self.path("out"), "w+", encoding="utf-8") as out:
            process = spawn(["bash", "-c", script], env=self.env, stdin=subprocess.DEVNULL,
                            stdout=out, stderr=subprocess.STDOUT)
            code = reap(process, 120 * SLOW)
            out.seek(0)
            said = out.read()
        self.assertEqual(code, 0, f"{said}\n{self.log()}")
        return said

    def log(self):
        with open(os.path.join(self.run_folder, "log"), encoding="utf-8") as file:
            return file.read()

    def receive(self, count, first=0):
        with Client(self.address) as client:
            for number in range(first, first + count):
                client.call("receive", f"r{number}", "TEA", "main", 1)

    def assert_stock(self, units):
        with Client(self.address) as client:
            self.assertEqual(client.call("stock", "TEA")["on_hand"], units)

    def in_service(self):
        self.do("systemctl start stockd")
        self.receive(150)
        self.do("stockctl backup $BACKUP")

    # ---- the sections

    def test_upgrade(self):
        self.in_service()
        self.receive(20, first=150)
        self.do(*steps("Upgrade"))
        self.assert_stock(170)

    def test_restore(self):
        self.in_service()
        self.receive(20, first=150)  # since the backup
        said = self.do(*steps("Restore"))
        self.assert_stock(150)
        self.assertIn("data is as it was at lsn", said)
        self.assertIn("r169", said)  # the dump shows what is gone

    def test_damaged_journal(self):
        self.in_service()
        self.receive(50, first=150)
        self.do("systemctl stop stockd")
        segments = sorted(glob.glob(os.path.join(self.data, "journal", "*.seg")))
        with open(segments[5], "r+b") as file:
            file.seek(4096 + 200)
            file.write(b"\xff" * 64)
        said = self.do(*steps("Damaged journal"))
        self.assertIn(os.path.basename(segments[5]), self.log())
        self.assertIn("given-up.jsonl", said)
        with Client(self.address) as client:
            kept = client.call("stock", "TEA")["on_hand"]
        self.assertGreater(kept, 20)
        self.assertLess(kept, 150)

    def test_full_disk(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to mount a small file system")
        os.mkdir(self.data)
        got = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", self.data],
                             capture_output=True, text=True, check=False)
        if got.returncode:
            self.skipTest(f"cannot mount a tmpfs here: {got.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", self.data], check=False)
        self.addCleanup(self.end_engine)  # first: it uses the disk
        self.in_service()
        with self.assertRaises(RpcError) as refused:
            self.receive(2000, first=150)
        self.assertEqual(refused.exception.code, "read_only")
        before, after = _split(steps("Full disk"), "systemctl restart stockd")
        said = self.do(*before)
        self.assertIn("No space left", said)
        subprocess.run(["mount", "-o", "remount,size=64m", self.data], check=True)
        self.do(*after)
        self.receive(1, first=5000)

    def test_lost_redis(self):
        redis = redis_case.Redis()
        self.addCleanup(redis.close)
        self.env["OPTIONS"] += f" --redis {redis.address}"
        self.env["REDIS_PORT"] = str(redis.port)
        self.in_service()
        before, after = _split(steps("Lost Redis"), "stockctl mirror status", 1)
        self.await_mirror("live")
        redis.kill()
        self.await_mirror("connecting")
        self.assertIn("connecting", self.do(*before))
        self.receive(5, first=150)
        redis.start()
        self.await_mirror("live")
        said = self.do(*after)
        self.assertIn("live", said)
        self.assertEqual(redis.client.hget("stock:item:TEA", "default"), b"155")

    def await_mirror(self, state):
        deadline = time.monotonic() + 60 * SLOW * PATIENCE
        with Client(self.address) as client:
            while client.call("info", "mirror")["mirror"]["state"] != state:
                self.assertLess(time.monotonic(), deadline, f"the mirror never is {state}")
                time.sleep(0.02)

    def test_every_section_is_tried(self):
        with open(os.path.join(SOURCE_ROOT, "docs", "RUNBOOK.md"), encoding="utf-8") as file:
            titles = re.findall(r"(?m)^## (.*)$", file.read())
        tried = {name.removeprefix("test_").replace("_", " ") for name in dir(self)}
        self.assertEqual([title for title in titles if title.lower() not in tried], [])


def _quote(text):
    return "'" + text.replace("'", "'\\''") + "'"


def _split(found, text, occurrence=0):
    """The steps before that command, and those from it on."""
    at = [i for i, (_, command) in enumerate(found) if command == text][occurrence]
    return found[:at], found[at:]


if __name__ == "__main__":
    main()
