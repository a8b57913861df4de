"""What the service manager hears from the daemon, and what the unit allows it.
That systemd itself runs it is in tests/package."""

import itertools
import json
import os
import re
import socket
import subprocess

import pytest

from braze import batch, event
from conftest import BUILD, NO_QUOTA, PATIENCE, PROGRAM, REPO, TOKEN, until
from names import Metric

SYSTEMD = REPO / "deploy" / "systemd"
WATCHDOG, READY, STOPPING = "WATCHDOG=1", "READY=1", "STOPPING=1"


class Manager:
    """Plays systemd: hears what the daemon notifies."""

    number = itertools.count()

    def __init__(self, name):
        self.name = f"currentsd-{name}-{next(self.number)}"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + self.name)
        self.socket.settimeout(PATIENCE)
        self.env = {"NOTIFY_SOCKET": "@" + self.name,
                    "WATCHDOG_USEC": "3000000"}

    def next(self):
        return self.socket.recv(8192).decode()

    def drained(self):
        """Is nothing unread? Reads what there is."""
        self.socket.settimeout(0)
        try:
            while True:
                self.next()
        except BlockingIOError:
            return True
        finally:
            self.socket.settimeout(PATIENCE)

    def wait(self, pattern):
        """The first message that matches."""
        return until(lambda: re.search(pattern, self.next()), pattern)

    def between(self):
        """What comes between two lines of status: some seconds."""
        self.wait("^STATUS=")
        return list(itertools.takewhile(
            lambda text: not text.startswith("STATUS="),
            iter(self.next, None)))


@pytest.fixture
def manager(request):
    one = Manager(request.node.name)
    yield one
    one.socket.close()


# ---- what it says

def test_states(start_daemon, manager, heapsim):
    daemon = start_daemon(env=manager.env, **NO_QUOTA)
    assert manager.next() == READY
    assert manager.wait(WATCHDOG)
    assert manager.wait("^STATUS=0 queued; heap running$")
    heapsim.control(refuse_all=401)
    for _ in range(3):
        assert daemon.post(batch(event())).status == 200
    assert manager.wait(r"^STATUS=3 queued \(oldest \d+ s\); "
                        r"heap halted: HTTP 401$")
    daemon.stop()
    assert manager.wait(f"^{STOPPING}$")


def test_a_destination_in_trouble_comes_first(start_daemon, manager, tmp_path):
    path = tmp_path / "currentsd.conf"
    path.write_text(f'''
source "main" {{ token = {{"{TOKEN}"}} }}
destination "fine" {{ app_id = "1" url = "http://127.0.0.1:9" }}
destination "bad" {{ app_id = "2" url = "http://127.0.0.1:9" }}
source "other" {{ token = {{"{TOKEN}"}} destination = "bad" }}
''', encoding="utf-8")
    daemon = start_daemon(
        env={**manager.env, "CURRENTSD_CONFIG": str(path)}, token=None,
        heap_app_id=None, heap_url=None)
    assert daemon.post(batch(event()), path="/currents/other").status == 200
    assert manager.wait(r"^STATUS=1 queued.*; bad backing_off: .*; "
                        r"fine running$")


@pytest.mark.file
def test_a_queue_that_is_gone_comes_first(start_daemon, manager, tmp_path):
    state, away = tmp_path / "state", tmp_path / "away"
    daemon = start_daemon(env=manager.env, state_dir=state, **NO_QUOTA)
    state.rename(away)
    assert daemon.post(batch(event())).status == 503
    assert manager.wait(r"^STATUS=NOT ACCEPTING: .*directory.*; 0 queued; heap")
    away.rename(state)
    assert daemon.post(batch(event())).status == 200
    assert manager.wait(r"^STATUS=\d queued")


# ---- the watchdog

def post(*headers, body=b""):
    head = ("POST /currents HTTP/1.1", "Host: x",
            f"Authorization: Bearer {TOKEN}", *headers, "", "")
    return "\r\n".join(head).encode() + body


EVENT = json.dumps(batch(event())).encode()
WHOLE = post(f"Content-Length: {len(EVENT)}", body=EVENT)


long = pytest.mark.skipif(os.environ.get("CURRENTSD_LONG") != "1",
                          reason="takes half a minute: CURRENTSD_LONG=1")


@pytest.mark.file
@pytest.mark.parametrize("function, request_", [
    pytest.param(None, WHOLE, id="committer", marks=long),  # at the disk
    pytest.param("connect", WHOLE, id="forwarder", marks=long),
    pytest.param("accept4", None, id="acceptor"),
    # Without a length: how much has come?
    pytest.param("getsockopt", post(), id="listener"),
])
def test_a_thread_that_hangs_stops_the_watchdog(start_daemon, manager, tmp_path,
                                                function, request_):
    hang = tmp_path / "hang"
    daemon = start_daemon(stop_timeout="5s", env={
        **manager.env, "HANG": str(hang),
        **({"HANG_IN": function} if function else {}),
        "LD_PRELOAD": str(BUILD / "tests" / "libhang.so"),
        "ASAN_OPTIONS": "verify_asan_link_order=0"}, **NO_QUOTA)
    assert manager.wait(READY)
    assert WATCHDOG in manager.between()
    with daemon.connect() as before:
        before.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in before.recv(65536)
        hang.touch()
        if request_ is None:
            daemon.connect().close()
        else:
            before.sendall(request_)
        until(lambda: WATCHDOG not in manager.between(), "silence")
        hang.unlink()
        assert manager.wait(WATCHDOG)


@long
def test_a_log_that_nobody_reads_does_not(start_daemon, manager):
    daemon = start_daemon(env=manager.env, log_buffer="64k", log_level="debug",
                          **NO_QUOTA)
    with daemon.run.unread():
        while daemon.metric(Metric.LOG_DROPPED) == 0:
            for _ in range(50):
                assert daemon.post(batch(event())).status == 200
        assert manager.drained()
        for _ in range(4):  # longer than a thread may hang
            assert WATCHDOG in manager.between()


# ---- the unit

def analyze(*words):
    done = subprocess.run(["systemd-analyze", *words], capture_output=True,
                          text=True, timeout=PATIENCE, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def units(tmp_path):
    """Those of deploy/systemd, with a program that is there."""
    for path in SYSTEMD.iterdir():
        (tmp_path / path.name).write_text(path.read_text(
            encoding="utf-8").replace("/usr/local/bin/currentsd", PROGRAM),
            encoding="utf-8")
    return [str(tmp_path / path.name) for path in SYSTEMD.iterdir()]


def test_the_units_are_valid(units):
    assert analyze("verify", "--man=no", *units) == (0, "")


def test_a_wrong_line_would_be_seen(units):
    with open(units[0], "a", encoding="utf-8") as unit:
        unit.write("[Service]\nPrivateNonsense=yes\n")
    assert "PrivateNonsense" in analyze("verify", "--man=no", *units)[1]


def test_the_unit_is_hardened(units):
    service, = (path for path in units if path.endswith(".service"))
    code, text = analyze("security", "--offline=yes", "--threshold=12",
                         "--no-pager", service)
    assert code == 0, text
