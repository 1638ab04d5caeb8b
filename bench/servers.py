# SPDX-License-Identifier: Apache-2.0
"""The servers of the side-by-side run: each on a free port or socket in a directory of its own, and
stopped by its process id."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time


class StartError(Exception):
    pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, process, log, what):
    """Until the condition holds; StartError with the log's end if it never does."""
    deadline = time.monotonic() + 60
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            with open(log, encoding="utf-8", errors="replace") as lines:
                raise StartError(f"{what} did not start:\n{lines.read()[-2000:]}")
        time.sleep(0.02)


class Server:
    """A process, its directory and its address."""

    name = "server"

    def __init__(self, place, number=0):
        self.directory = os.path.join(place, f"{self.name}-{number}")
        os.makedirs(self.directory)
        self.log = os.path.join(self.directory, "log")
        self.process = None
        self.address = None

    def spawn(self, argv, **kwargs):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            **kwargs)

    def wait(self, condition):
        wait_for(condition, self.process, self.log, self.name)

    def stop(self, signum=signal.SIGTERM, keep=False):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signum)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if not keep:
            shutil.rmtree(self.directory, ignore_errors=True)

    def resident(self):
        """Its memory in bytes."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        return 0


class Stockd(Server):
    name = "stockd"

    def __init__(self, place, number, bin_dir, *options):
        super().__init__(place, number)
        self.bin_dir = bin_dir
        self.options = options
        self.start()

    def start(self):
        """Starts on its data; returns the seconds until it serves."""
        ready = os.path.join(self.directory, "ready")
        if os.path.exists(ready):
            os.unlink(ready)
        begin = time.monotonic()
        self.spawn([os.path.join(self.bin_dir, "stockd"), "--data",
                    os.path.join(self.directory, "data"), "--listen", "127.0.0.1:0",
                    "--ready-file", ready, *self.options])
        self.wait(lambda: os.path.exists(ready))
        with open(ready, encoding="utf-8") as lines:
            self.address = lines.readline().strip()
        return time.monotonic() - begin


class Echo(Server):
    name = "echo"

    def __init__(self, place, number, bin_dir, *options):
        super().__init__(place, number)
        self.spawn([os.path.join(bin_dir, "bench-echo_server"), *options])
        self.wait(lambda: os.path.getsize(self.log) > 0)
        with open(self.log, encoding="utf-8") as lines:
            self.address = lines.readline().strip()


class Redis(Server):
    """appendonly, no snapshots, no rewrite during the run; everything else by default."""

    name = "redis"

    def __init__(self, place, number, appendfsync):
        super().__init__(place, number)
        port = free_port()
        self.settings = ["--appendonly", "yes", "--appendfsync", appendfsync, "--save", "",
                         "--auto-aof-rewrite-percentage", "0"]
        self.spawn(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir",
                    self.directory, *self.settings])
        self.address = str(port)
        self.wait(self.answers)

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(self.address))) == 0


def postgres_bin():
    """The directory of the newest PostgreSQL's programs; None: there is none."""
    root = "/usr/lib/postgresql"
    versions = sorted(os.listdir(root), key=float) if os.path.isdir(root) else []
    return os.path.join(root, versions[-1], "bin") if versions else None


class Postgres(Server):
    """On a Unix socket. PostgreSQL refuses to run as root: then it runs as the user postgres."""

    name = "postgres"
    SETTINGS = {
        "shared_buffers": "512MB", "wal_buffers": "16MB", "max_wal_size": "8GB",
        "checkpoint_timeout": "30min", "max_connections": "100", "jit": "off",
        "listen_addresses": "", "fsync": "on", "full_page_writes": "on",
    }

    def __init__(self, place, number, items, schema):
        super().__init__(place, number)
        self.prefix = []
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            self.prefix = ["runuser", "-u", "postgres", "--"]
            self.be_reachable()
            os.chown(self.directory, account.pw_uid, account.pw_gid)
        bin_dir = postgres_bin()
        data = os.path.join(self.directory, "data")
        self.run([os.path.join(bin_dir, "initdb"), "-D", data, "-A", "trust", "-N", "-E", "UTF8",
                  "--locale", "C"])
        settings = [f"--{key}={value}" for key, value in self.SETTINGS.items()]
        self.spawn([*self.prefix, os.path.join(bin_dir, "postgres"), "-D", data, "-k",
                    self.directory, *settings], cwd="/")
        # The role that initdb made has the user's name.
        role = "postgres" if self.prefix else pwd.getpwuid(os.geteuid()).pw_name
        self.address = f"host={self.directory} dbname=postgres user={role}"
        ready = [os.path.join(bin_dir, "pg_isready"), "-q", "-h", self.directory]
        self.wait(lambda: subprocess.run(ready, check=False).returncode == 0)
        self.run([os.path.join(bin_dir, "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-v",
                  f"items={items}", "-d", self.address, "-f", "-"], schema)

    def be_reachable(self):
        """In /var/tmp if the user may not enter the tree (in another user's home)."""
        entered = subprocess.run([*self.prefix, "test", "-x", os.path.dirname(self.directory)],
                                 cwd="/", check=False)
        if entered.returncode != 0:
            os.rmdir(self.directory)
            self.directory = tempfile.mkdtemp(prefix="stockd-bench.", dir="/var/tmp")
            self.log = os.path.join(self.directory, "log")

    def run(self, argv, text=""):
        done = subprocess.run([*self.prefix, *argv], input=text, text=True, cwd="/",
                              capture_output=True, check=False)
        if done.returncode != 0:
            raise StartError(f"{argv[0]}: {done.stderr.strip()[-2000:]}")

    def stop(self, signum=signal.SIGINT, keep=False):
        """Fast shutdown: it does not wait for connections."""
        if self.prefix and self.process and self.process.poll() is None:
            # runuser does not pass SIGINT on: the server's own pid is in its file.
            pid_file = os.path.join(self.directory, "data", "postmaster.pid")
            with open(pid_file, encoding="ascii") as lines:
                os.kill(int(lines.readline()), signum)
            self.process.wait(60)
        super().stop(signum, keep)
