"""The package, and trees to install it in: `deb`, `tree`.

What needs a tree runs with CURRENTSD_LONG=1 and as root only: debootstrap
makes a Debian 12 below the build directory, once, and each test gets a copy.
"""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

REPO = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CURRENTSD_BUILD",
                                    REPO / "build" / "release")).resolve()
LONG = os.environ.get("CURRENTSD_LONG") == "1"
PATIENCE = 300  # seconds; only a broken program needs them
ENV = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
       "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
INCLUDE = "systemd-sysv,ca-certificates"  # as any server has


def run(*words, ok=True, timeout=PATIENCE, **more):
    """Run a command; its output, both streams."""
    done = subprocess.run([str(word) for word in words], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, timeout=timeout,
                          check=False, **more)
    if ok:
        assert done.returncode == 0, f"{words}\n{done.stdout}"
    return done.stdout


def until(condition, what):
    """Ask again and again until it is true; fail after PATIENCE."""
    end = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"never came: {what}"
        time.sleep(0.05)  # poll


def build(directory, *options):
    run("cmake", "--build", BUILD, "--target", "installed", timeout=1800)
    run("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", directory,
        *options)
    path, = pathlib.Path(directory).glob("*.deb")
    return path


@pytest.fixture(scope="session")
def deb(tmp_path_factory):
    """The package."""
    return build(tmp_path_factory.mktemp("deb"))


@pytest.fixture(scope="session")
def next_deb(tmp_path_factory):
    """The same as a later version."""
    return build(tmp_path_factory.mktemp("next"), "-R", "9.0.0")


class Tree:
    """A Debian in a directory."""

    def __init__(self, path):
        self.path = path

    def run(self, command, ok=True, **env):
        """A command of the shell in it, without an init that runs."""
        return run("unshare", "--mount", "--pid", "--fork", "--kill-child",
                   "sh", "-c",
                   'mount -t proc proc "$0/proc" && mount --rbind /dev '
                   '"$0/dev" && exec chroot "$0" sh -c "$1"', self.path,
                   command, ok=ok, env={**ENV, **env}, timeout=1800)

    def put(self, *paths, at="root"):
        for path in paths:
            shutil.copy2(path, self.path / at)

    @contextlib.contextmanager
    def booted(self):
        """Its systemd runs meanwhile; a Machine."""
        log = open(self.path.parent / f"{self.path.name}.log", "wb")
        process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--net", "--uts", "--ipc",
             "--cgroup", "--fork", "--kill-child",
             str(REPO / "tests/package/boot.sh"), str(self.path)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield Machine(process, pathlib.Path(log.name))
        finally:
            process.kill()
            process.wait(PATIENCE)
            log.close()


class Machine:
    """A tree whose systemd runs."""

    def __init__(self, process, log):
        self.process = process
        self.log = log
        self.init = until(self._init, "an init")
        until(lambda: self.run("systemctl is-system-running --wait", ok=False)
              .strip() in ("running", "degraded"), self.log)

    def _init(self):
        """The process that is its init."""
        assert self.process.poll() is None, self.log.read_text("utf-8")
        pid = self.process.pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
        for child in children.read_text("utf-8").split():
            with contextlib.suppress(OSError):
                if pathlib.Path(f"/proc/{child}/comm").read_text(
                        "utf-8") == "systemd\n":
                    return int(child)
        return None

    def run(self, command, ok=True, **env):
        return run("nsenter", "--target", self.init, "--all", "sh", "-c",
                   command, ok=ok, env={**ENV, **env}, timeout=1800)

    def show(self, unit, what):
        return self.run(f"systemctl show {unit} --property {what} --value"
                        ).strip()


def reason_for_no_tree():
    if not LONG:
        return "a Debian to install it in takes minutes: CURRENTSD_LONG=1"
    if os.geteuid() != 0:
        return "only root may make a Debian"
    if subprocess.run(["unshare", "--mount", "--pid", "--net", "--uts", "--ipc",
                       "--cgroup", "--fork", "true"],
                      capture_output=True, check=False).returncode != 0:
        return "unshare may make no namespaces here"
    return None


@pytest.fixture(scope="session")
def base():
    """A Debian in which nothing was installed."""
    why = reason_for_no_tree()
    if why is not None:
        pytest.skip(why)
    path = BUILD / "debian"
    if not path.is_dir():
        new = BUILD / "debian.new"
        shutil.rmtree(new, ignore_errors=True)
        run("debootstrap", "--variant=minbase", f"--include={INCLUDE}",
            "bookworm", new, timeout=1800, env=ENV)
        new.rename(path)
    return path


@pytest.fixture(scope="module")
def tree(base):
    """A copy of it, which knows the archive."""
    path = BUILD / f"tree.{os.getpid()}"
    run("cp", "-a", f"{base}/.", path)
    shutil.copy("/etc/resolv.conf", path / "etc")
    made = Tree(path)
    made.run("apt-get -q update")
    yield made
    shutil.rmtree(path)
