"""A disk that is full for real: a small file system of its own, which another
process fills. Ingest answers 503, delivery goes on with the reserve, ingest
resumes by itself once there is room, and nothing is lost.
"""

import os
import subprocess
import sys

import pytest

from braze import batch, event
from conftest import BUILD, PATIENCE, Process, until
from load import FAST, Brazesim, check_law, drain
from names import Command, Queue

MIB = 1 << 20
DISK = 96 * MIB
EVENTS = 12_000
SETTINGS = {**FAST, "heap_request_events": 100, "queue_reserve": "8M"}

# Writes until the disk is full and says so; a greedy one then takes whatever
# becomes free, until it is ended.
FILLER = """
import os, sys, time
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
told = False
while True:
    try:
        os.write(fd, bytes(4096))
    except OSError as error:
        if not told:
            print("full:", error, flush=True)
        told = True
        if sys.argv[2] != "greedy":
            break
        time.sleep(0.001)
"""


def root_runs(*command):
    """None if it worked, else what it said."""
    done = subprocess.run(command, capture_output=True, text=True,
                          timeout=PATIENCE, check=False)
    return None if done.returncode == 0 else \
        f"{command[0]}: {done.stderr.strip()}"


def mount_loop(tmp_path, mount_point):
    image = tmp_path / "disk.image"
    with open(image, "wb") as file:
        file.truncate(DISK)
    return (root_runs("mkfs.ext4", "-q", "-F", "-m", "0", image)
            or root_runs("mount", "-o", "loop", image, mount_point))


def mount_tmpfs(_, mount_point):
    return root_runs("mount", "-t", "tmpfs", "-o", f"size={DISK}",
                     "currentsd-test", mount_point)


@pytest.fixture
def small_disk(tmp_path):
    """A directory with a file system of its own."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    mount_point = tmp_path / "disk"
    mount_point.mkdir()
    refusals = []
    for mount in (mount_loop, mount_tmpfs):
        try:
            refusal = mount(tmp_path, mount_point)
        except OSError as error:  # no such program
            refusal = str(error)
        if refusal is None:
            break
        refusals.append(refusal)
    else:
        pytest.skip("cannot mount a file system: " + "; ".join(refusals))
    try:
        yield mount_point
    finally:
        refusal = root_runs("umount", mount_point)
        if refusal is not None:
            root_runs("umount", "--lazy", mount_point)
    assert refusal is None


@pytest.fixture
def fill(small_disk):
    """A function that fills the disk and returns how to empty it again."""
    fillers = []
    path = small_disk / "of another process"

    def empty():
        fillers[-1].process.kill()
        fillers[-1].end()
        path.unlink()

    def start(how):
        fillers.append(Process([sys.executable, "-c", FILLER, str(path), how],
                               stream="stdout"))
        fillers[-1].wait_line("^full: .*No space left")
        return empty

    yield start
    for filler in fillers:
        filler.process.kill()
        filler.end()


class Events:
    """Events that are posted by hand, beside brazesim."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.acked = []

    def post(self, count=1):
        some = [event() for _ in range(count)]
        status = self.daemon.post(batch(*some)).status
        if status == 200:
            self.acked += [f"{one['event_type']}:{one['id']}" for one in some]
        return status


def sending(daemon, tmp_path):
    return Brazesim(tmp_path, f"http://127.0.0.1:{daemon.port}/currents",
                    "--count", str(EVENTS), "--rate", "4000", "--batch", "20",
                    "--backoff-ms", "10..200")


def has_reserve(daemon):
    return daemon.queue()[Queue.RESERVE]


def backlog(events):
    """Some events, in so few writes that all of them are in SQLite's log: so
    neither the file nor the log has room inside, and whatever is written
    when the disk is full needs more of it."""
    for _ in range(5):
        assert events.post(400) == 200


def check_resumed(daemon, heapsim, braze, events):
    """Without a hand on it: ingest, and in the end the reserve."""
    until(lambda: events.post() == 200, "ingest resumes")
    until(lambda: daemon.get("/readyz").status == 200, "/readyz 200")
    books = braze.books()
    assert books["acked"] == books["distinct_events"] == EVENTS
    until(lambda: has_reserve(daemon), "the reserve is back")
    drain(daemon)
    check_law(daemon, heapsim, braze.acked() + events.acked)
    return books["by_status"]


@pytest.mark.file
@pytest.mark.parametrize("killed", [False, True], ids=["running", "killed"])
def test_full_disk_drains_with_the_reserve(fill, start_daemon, small_disk,
                                           heapsim, tmp_path, killed):
    """A daemon that is killed then and starts on a full disk too."""
    heapsim.control(quota=False, reset_percent=100)
    daemon = start_daemon(state_dir=small_disk / "state", **SETTINGS,
                          queue_min_free="16M")
    events = Events(daemon)
    assert has_reserve(daemon)
    backlog(events)
    # While it fills, delivery must not let go of the reserve for it.
    daemon.command(*Command.PAUSE, "heap")
    empty = fill("and stay")
    until(lambda: events.post() == 503, "503")
    if killed:
        daemon.kill()
        daemon.start(ready=False)
    with sending(daemon, tmp_path) as braze:
        until(lambda: daemon.get("/readyz").status == 503, "/readyz 503")
        assert daemon.get("/healthz").status == 200
        heapsim.control(reset_percent=0)
        daemon.command(*Command.RESUME, "heap")
        until(lambda: not has_reserve(daemon), "the reserve goes")
        drain(daemon)
        # All that was accepted is out, and the disk as full as before.
        assert heapsim.books()["accepted"] == len(events.acked)
        assert events.post() == 503
        assert braze.process.poll() is None

        empty()
        by_status = check_resumed(daemon, heapsim, braze, events)
    assert set(by_status) == {"200", "503"}


@pytest.mark.file
def test_full_disk_whose_reserve_others_take(fill, start_daemon, small_disk,
                                             heapsim, tmp_path):
    """Room that another process takes at once, and none that is left to
    others: every write of the daemon meets the end of the disk."""
    heapsim.control(quota=False, reset_percent=100)
    daemon = start_daemon(state_dir=small_disk / "state", **SETTINGS,
                          queue_min_free="0")
    events = Events(daemon)
    backlog(events)
    empty = fill("greedy")
    until(lambda: events.post() == 503, "503")
    with sending(daemon, tmp_path) as braze:
        heapsim.control(reset_percent=0, fail_after_percent=20)
        until(lambda: not has_reserve(daemon), "the reserve goes")
        until(lambda: events.post() == 503, "503 without the reserve")
        assert daemon.get("/healthz").status == 200
        assert braze.process.poll() is None

        empty()
        check_resumed(daemon, heapsim, braze, events)


@pytest.mark.file
def test_start_on_a_full_disk_without_a_reserve(fill, start_daemon, small_disk,
                                                heapsim):
    """What the log holds has no room in the file: nothing for a daemon to do
    but to say so, and to go on from there once there is room."""
    heapsim.control(quota=False, reset_percent=100)
    state = small_disk / "state"
    daemon = start_daemon(state_dir=state, queue_min_free="0",
                          **{**SETTINGS, "queue_reserve": "0"})
    events = Events(daemon)
    backlog(events)
    empty = fill("greedy")
    until(lambda: events.post() == 503, "503")
    daemon.kill()
    refused = Process([BUILD / "currentsd", "serve"], env=daemon.env)
    refused.wait_line(f"full.*; free some space on the disk of {state}: the"
                      " queued events are safe")
    assert refused.end() == 1

    empty()
    heapsim.control(reset_percent=0)
    daemon.start()
    drain(daemon)
    check_law(daemon, heapsim, events.acked)
