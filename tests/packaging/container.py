#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""container.py BUILD_DIR: packaging/container/Containerfile can be followed, and what it makes would run: each
path that it copies is there, the libraries that the programs need are in packages that it installs, the engine
is no root and takes its config, and the health check tells a living engine from none.

container.py --follow FOLDER: follows its steps, each stage in a bare Debian of its own (debootstrap), and runs
what comes out. As root, with the network; several minutes. Not part of `make test`."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
FILE = os.path.join(ROOT, "packaging", "container", "Containerfile")
HEALTHY = os.path.join(ROOT, "packaging", "container", "healthy")
KNOWN = {"FROM", "WORKDIR", "COPY", "RUN", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "CMD"}
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def fail(why):
    sys.exit(f"container.py: {why}")


def stages():
    """[(name, [(word, rest)...])...]"""
    with open(FILE, encoding="utf-8") as file:
        lines = [line for line in file if not line.startswith("#")]
    found = []
    for line in "".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if not word:
            continue
        if word not in KNOWN:
            fail(f"what does {word} mean?")
        if word == "FROM":
            name = re.fullmatch(r"debian:bookworm-slim(?: AS (\w+))?", rest)
            if not name:
                fail(f"FROM {rest}")
            found.append((name[1], []))
        else:
            found[-1][1].append((word, rest.strip()))
    return found


def of(steps, word):
    return [rest for each, rest in steps if each == word]


def copied(rest):
    """(the stage that it is from, or None; sources; destination)"""
    words = rest.split()
    stage = words.pop(0)[len("--from="):] if words[0].startswith("--from=") else None
    return stage, words[:-1], words[-1]


def tracked():
    done = subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True, check=False)
    return done.stdout.split("\n") if done.returncode == 0 else None


def check_copies(all_stages):
    known = tracked()
    for name, steps in all_stages:
        for rest in of(steps, "COPY"):
            stage, sources, _ = copied(rest)
            if stage and stage not in [other for other, _ in all_stages]:
                fail(f"COPY {rest}: there is no stage {stage}")
            for source in [] if stage else sources:
                if not os.path.exists(os.path.join(ROOT, source)):
                    fail(f"COPY {rest}: there is no {source}")
                if known is not None and not any(path == source or path.startswith(source + "/") for path in known):
                    fail(f"COPY {rest}: git does not know {source}")


def check_folders(build_steps):
    """CMake adds no folder that is not copied."""
    there = {source.split("/")[0] for rest in of(build_steps, "COPY") for source in copied(rest)[1]}
    with open(os.path.join(ROOT, "CMakeLists.txt"), encoding="utf-8") as file:
        for folder in re.findall(r"^add_subdirectory\((\w+)\)", file.read(), re.M):
            if folder not in there:
                fail(f"the build needs {folder}/, which is not copied")


def package_of(library):
    for path in (library, os.path.realpath(library), os.path.realpath(library).removeprefix("/usr")):
        done = subprocess.run(["dpkg", "-S", path], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.split(":")[0]
    return fail(f"no package has {library}")


def check_libraries(build, steps):
    """Those that a program names itself: the others come with these."""
    installed = set(" ".join(of(steps, "RUN")).split()) | {"libc6"}
    for program in ("stockd", "stockctl", "stock-journal", "stock-gateway", "stockbench"):
        path = os.path.join(build, "bin", program)
        needed = re.findall(r"\(NEEDED\).*\[(.+)\]", subprocess.run(
            ["readelf", "-d", path], check=True, capture_output=True, text=True).stdout)
        found = dict(re.findall(r"^\s*(\S+) => (\S+)", subprocess.run(
            ["ldd", path], check=True, capture_output=True, text=True).stdout, re.M))
        for library in needed:
            package = package_of(found[library]) if library in found else "libc6"
            if package not in installed and package not in ("libasan8", "libubsan1", "libtsan2", "libgcc-s1"):
                fail(f"{program} needs {library} of {package}, which is not installed")


def check_image(steps):
    [user], [volume] = of(steps, "USER"), of(steps, "VOLUME")
    made = re.search(r"useradd .*--uid (\d+) .*\b" + user + r"\b", " ".join(of(steps, "RUN")))
    if user in ("root", "0") or not made:
        fail(f"USER {user} is not made, or is root")
    words = [word for word, _ in steps]
    if "RUN" in words[words.index("USER"):]:
        fail("RUN after USER")
    if f"-o {user} -g {user} -m 0700 {volume}" not in " ".join(of(steps, "RUN")):
        fail(f"{volume} is not {user}'s own")
    [command], [health] = of(steps, "CMD"), of(steps, "HEALTHCHECK")
    places = {copied(rest)[2].rstrip("/") for rest in of(steps, "COPY")}
    for path in (json.loads(command)[2], json.loads(health.partition("CMD ")[2])[0]):
        if os.path.dirname(path) not in places:
            fail(f"nothing is copied to {path}")


def check_config(build, folder):
    """It is one, and without its tokens the engine does not serve others."""
    with open(os.path.join(ROOT, "packaging", "container", "stockd.conf"), encoding="utf-8") as file:
        text = file.read()
    config = os.path.join(folder, "stockd.conf")
    tokens = os.path.join(folder, "tokens")
    with open(tokens, "w", encoding="utf-8"):
        pass
    with open(config, "w", encoding="utf-8") as file:
        file.write(text.replace("/var/lib/stockd", folder + "/data").replace("/etc/stockd/tokens", tokens))
    done = subprocess.run([os.path.join(build, "bin", "stockd"), "--config", config, "--check-config"],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0 or "tokens = /etc/stockd/tokens" not in text:
        fail(f"stockd.conf: {done.stderr}")


class Engine:
    """stockd with an ops port; with `argv`, that is how it is started."""

    def __init__(self, folder, argv):
        self.ready = os.path.join(folder, "ready")
        self.process = subprocess.Popen([*argv, "--ready-file", self.ready], stderr=subprocess.PIPE, text=True)
        while not os.path.exists(self.ready):  # CTest ends it if that never comes
            if self.process.poll() is not None:
                fail(f"stockd does not start: {self.process.stderr.read()}")
            time.sleep(0.02)
        with open(self.ready, encoding="ascii") as file:
            self.port = file.read().strip().rsplit(":", 1)[1]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate()
        if self.process.returncode != 0:
            fail(f"stockd ended with {self.process.returncode}")


def is_healthy(path, port):
    done = subprocess.run([HEALTHY, path, "127.0.0.1", port], capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout


def check_health(build, folder):
    data = os.path.join(folder, "data")
    os.mkdir(data, 0o700)
    engine = Engine(folder, [os.path.join(build, "bin", "stockd"), "--data", data, "--listen",
                             f"unix:{folder}/socket", "--http", "127.0.0.1:0"])
    try:
        answers = {path: is_healthy(path, engine.port) for path in ("/healthz", "/readyz", "/nonsense")}
    finally:
        engine.stop()
    if answers["/healthz"] != (True, "alive\n") or answers["/readyz"] != (True, "ready\n"):
        fail(f"a living engine is not healthy: {answers}")
    if answers["/nonsense"][0] or is_healthy("/healthz", engine.port)[0]:
        fail(f"what is not there is healthy: {answers}")


# ---- following it

def run(*argv, **kwargs):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **kwargs)
    if done.returncode != 0:
        fail(f"{shlex.join(argv)}:\n{done.stdout[-3000:]}")


def follow(stage, steps, folder):
    root = os.path.join(folder, stage or "image")
    where = "/"
    mirror = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
    run("debootstrap", "--variant=minbase", "bookworm", root, mirror)
    run("mount", "-t", "proc", "proc", root + "/proc")
    try:
        for word, rest in steps:
            print(f"{word} {rest}", flush=True)
            if word == "WORKDIR":
                where = rest
                os.makedirs(root + rest, exist_ok=True)
            elif word == "COPY":
                origin, sources, target = copied(rest)
                target = root + os.path.join(where, target)
                for source in sources:
                    source = os.path.join(folder, origin) + source if origin else os.path.join(ROOT, source)
                    if os.path.isdir(source):
                        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
                    else:
                        os.makedirs(target if target.endswith("/") else os.path.dirname(target), exist_ok=True)
                        shutil.copy(source, target)
            elif word == "RUN":
                run("chroot", root, "env", "DEBIAN_FRONTEND=noninteractive", f"PATH={PATH}", "sh", "-c",
                    f"cd {where} && {rest}")
    finally:
        run("umount", root + "/proc")
    return root


def try_image(root):
    """As its user, as a container has it: with /proc. For this machine alone, so without tokens."""
    run("mount", "-t", "proc", "proc", root + "/proc")
    try:
        use_image(root)
    finally:
        run("umount", root + "/proc")


def use_image(root):
    user = ["chroot", "--userspec=stockd:stockd", root, "env", f"PATH={PATH}"]
    engine = Engine(root + "/run/stockd", [
        *user, "sh", "-c", 'exec "$@" --ready-file /run/stockd/ready', "sh", "stockd", "--data", "/var/lib/stockd",
        "--listen", "unix:/run/stockd/socket", "--http", "127.0.0.1:0", "--log-format", "json"])
    try:
        for words in (["stockctl", "-s", "unix:/run/stockd/socket", "receive", "MUG", "main", "3"],
                      ["stockctl", "-s", "unix:/run/stockd/socket", "doctor"],
                      ["stock-gateway", "--version"],
                      ["/usr/lib/stockd/healthy", "/readyz", "127.0.0.1", engine.port]):
            run(*user, *words)
    finally:
        engine.stop()


def main():
    all_stages = stages()
    if sys.argv[1:2] == ["--follow"]:
        for name, steps in all_stages:
            root = follow(name, steps, sys.argv[2])
        try_image(root)
        return
    [build] = sys.argv[1:]
    (_, build_steps), (_, steps) = all_stages
    check_copies(all_stages)
    check_folders(build_steps)
    check_libraries(build, steps)
    check_image(steps)
    with tempfile.TemporaryDirectory(prefix="stockd-container-") as folder:
        check_config(build, folder)
        check_health(build, folder)


if __name__ == "__main__":
    main()
