"""The files of the queue are removed, replaced, cut or hidden while the daemon
runs: what was answered 200 is there afterwards, and nothing is answered 200
that would not be."""

import os
import pathlib
import re
import shutil

import pytest

from braze import batch, event
from commands import CONFIG, run, settings, tool
from conftest import NO_QUOTA, until
from names import Command, Log, Metric, Place, Queue, Row
from test_full_disk import root_runs

pytestmark = pytest.mark.file


class Posted:
    """Events that are posted one by one."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.acked = []

    def post(self):
        one = event()
        status = self.daemon.post(batch(one)).status
        if status == 200:
            self.acked.append(one["id"])
        return status

    def heard(self):
        """Does the daemon answer commands?"""
        return run("status", **settings(self.daemon)).returncode in (0, 1)

    def kept(self):
        ids = [row[Row.EVENT_ID]
               for row in tool(self.daemon, *Command.LIST[Place.QUEUED])]
        assert len(ids) == len(set(ids))
        return set(self.acked) <= set(ids)


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def posted(start_daemon, heapsim, state):
    """Some are in queue.db, and more in its log."""
    heapsim.control(reset_percent=100)
    daemon = start_daemon(state_dir=state, heap_linger="10ms",
                          heap_backoff_first="50ms",
                          heap_backoff_most="100ms", **NO_QUOTA)
    made = Posted(daemon)
    assert made.post() == 200
    daemon.stop()
    daemon.start()
    for _ in range(5):
        assert made.post() == 200
    return made


def refused(posted, why):
    """Nothing is accepted, and everything that shows states says so."""
    daemon = posted.daemon
    assert daemon.get("/readyz").status == 503
    assert posted.post() == 503
    assert why in daemon.queue()[Queue.GONE]
    assert daemon.metric(Metric.GONE) == 1
    daemon.run.wait_line(rf"module=queue event=files result=gone .*{why}")


def accepted(posted):
    assert posted.post() == 200
    assert posted.daemon.get("/readyz").status == 200
    assert posted.daemon.queue()[Queue.GONE] == ""


def test_directory_moved_and_back(posted, state):
    away = state.with_name("away")
    state.rename(away)
    refused(posted, "directory")
    assert "do not stop it" in run(
        "status", **settings(posted.daemon)).stderr
    state.mkdir()
    refused(posted, "directory")
    posted.daemon.run.wait_line("module=server event=renew")
    shutil.rmtree(state)
    away.rename(state)
    accepted(posted)
    until(posted.heard, "commands are answered again")
    state.rename(away)
    refused(posted, "directory")
    posted.daemon.kill()
    away.rename(state)
    posted.daemon.start()
    assert posted.kept()


def test_directory_mounted_over(posted, state):
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    refusal = root_runs("mount", "-t", "tmpfs", "currentsd-test", state)
    if refusal is not None:
        pytest.skip("cannot mount a file system: " + refusal)
    try:
        refused(posted, "directory")
        assert not list(state.iterdir())
    finally:
        assert root_runs("umount", state) is None
    accepted(posted)
    posted.daemon.kill()
    posted.daemon.start()
    assert posted.kept()


def test_directory_replaced_is_copied_out(posted, state, tmp_path):
    """Its socket is gone with it, and is made again in the new one."""
    shutil.rmtree(state)
    refused(posted, "directory")
    state.mkdir()
    until(posted.heard, "commands are answered")
    copy = tmp_path / "copy"
    posted.daemon.command(*Command.BACKUP, str(copy))
    posted.daemon.kill()
    shutil.rmtree(state)
    state.mkdir()
    copy.rename(state / "queue.db")
    posted.daemon.start()
    assert posted.kept()


def test_another_daemon_in_its_place(posted, state, start_daemon):
    """It has the socket in the directory that it owns, and keeps it."""
    away = state.with_name("away")
    state.rename(away)
    state.mkdir()
    posted.daemon.run.wait_line("module=server event=renew")
    other = start_daemon(state_dir=state)
    refused(posted, "directory")
    socket = state / "admin.sock"
    inode = socket.stat().st_ino
    posted.daemon.stop()
    assert socket.stat().st_ino == inode
    other.command("status")
    other.stop()
    shutil.rmtree(state)
    away.rename(state)
    posted.daemon.start()
    assert posted.kept()


def restored(posted, state, tmp_path, start_daemon):
    """A copy, taken from the daemon that still has everything, in a directory
    of its own; and what a start says that finds nothing where it was."""
    daemon = posted.daemon
    copy = tmp_path / "copy" / "queue.db"
    copy.parent.mkdir()
    daemon.command(*Command.BACKUP, str(copy))
    daemon.kill()
    serve = run("serve", **settings(daemon))
    assert serve.returncode == CONFIG and "queue.db" in serve.stderr
    shutil.rmtree(state)
    copy.parent.rename(state)
    daemon.start()
    assert posted.kept()


def test_file_removed(posted, heapsim, state):
    """Delivery goes on; a stop says what it gives up."""
    (state / "queue.db").unlink()
    refused(posted, "removed or replaced")
    heapsim.control(reset_percent=0)
    until(lambda: len(heapsim.keys()) == len(posted.acked), "all at Heap")
    until(lambda: posted.daemon.queued() == 0, "settled")
    daemon, ran = posted.daemon, posted.daemon.run
    daemon.agreed = True  # there are no rows any more
    daemon.stop()
    assert any(re.search(Log.GIVEN_UP, line) for line in ran.lines)
    for name in ("queue.db-wal", "reserve"):
        (state / name).unlink()
    serve = run("serve", **settings(daemon))
    assert serve.returncode == CONFIG and "had a queue" in serve.stderr
    (state / "lock").unlink()
    daemon.start()
    daemon.run.wait_line("module=queue event=create file=.*queue.db")
    assert daemon.queued() == 0


def test_file_removed_is_copied_out(posted, state, tmp_path, start_daemon):
    (state / "queue.db").unlink()
    refused(posted, "removed or replaced")
    restored(posted, state, tmp_path, start_daemon)


def test_file_replaced_by_a_copy(posted, state, tmp_path, start_daemon):
    shutil.copy(state / "queue.db", tmp_path / "other")
    os.replace(tmp_path / "other", state / "queue.db")
    refused(posted, "removed or replaced")
    copy = tmp_path / "copy"
    posted.daemon.command(*Command.BACKUP, str(copy))
    posted.daemon.kill()
    shutil.rmtree(state)
    state.mkdir()
    copy.rename(state / "queue.db")
    posted.daemon.start()
    assert posted.kept()


def test_file_cut_in_place(posted, state):
    """What was cut off is lost, and nothing more is accepted on top of it:
    not even when the next write makes the file as long as it was."""
    file = state / "queue.db"
    size = file.stat().st_size
    os.truncate(file, 0)
    refused(posted, "queue.db was cut")
    os.truncate(file, size)
    refused(posted, "queue.db was cut")
    posted.daemon.kill()
    posted.daemon.agreed = True


@pytest.mark.parametrize("part", [0, 0.5])
def test_log_cut_in_place(posted, state, part):
    """The daemon has a copy of what was in it."""
    log = state / "queue.db-wal"
    os.truncate(log, int(log.stat().st_size * part))
    accepted(posted)
    posted.daemon.run.wait_line("module=queue event=replace file=queue.db-wal")
    accepted(posted)
    assert log.stat().st_size > 0
    os.truncate(log, int(log.stat().st_size * part))
    accepted(posted)
    posted.daemon.kill()
    posted.daemon.start()
    assert posted.kept()


def test_log_cut_while_idle(posted, state):
    os.truncate(state / "queue.db-wal", 0)
    posted.daemon.run.wait_line("module=queue event=replace file=queue.db-wal")
    posted.daemon.kill()
    posted.daemon.start()
    assert posted.kept()


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_log_gone(posted, state, tmp_path, how):
    """All that is in it goes into the file, and a new one is begun."""
    log = state / "queue.db-wal"
    shutil.copy(log, tmp_path / "old")
    assert posted.post() == 200
    if how == "removed":
        log.unlink()
    else:
        os.replace(tmp_path / "old", log)
    accepted(posted)
    posted.daemon.run.wait_line("module=queue event=replace file=queue.db-wal")
    accepted(posted)
    assert log.stat().st_size > 0
    posted.daemon.kill()
    posted.daemon.start()
    assert posted.kept()


def test_log_gone_while_idle(posted, state):
    (state / "queue.db-wal").unlink()
    posted.daemon.run.wait_line("module=queue event=replace file=queue.db-wal")
    posted.daemon.kill()
    posted.daemon.start()
    assert posted.kept()


def test_unclean_stop_without_a_log(posted, state):
    daemon = posted.daemon
    daemon.kill()
    log, away = state / "queue.db-wal", state / "away"
    log.rename(away)
    serve = run("serve", **settings(daemon))
    assert serve.returncode == CONFIG
    assert "queue.db-wal is missing" in serve.stderr
    away.rename(log)
    daemon.start()
    assert posted.kept()
    # After a stop in order everything is in the file.
    daemon.stop()
    log.unlink()
    daemon.start()
    assert posted.kept()


@pytest.mark.parametrize("trace", ["lock", "reserve"])
def test_no_new_queue_where_there_was_one(posted, state, trace):
    daemon = posted.daemon
    daemon.stop()
    for path in state.iterdir():
        if path.name != trace:
            path.unlink()
    serve = run("serve", **settings(daemon))
    assert serve.returncode == CONFIG and "had a queue" in serve.stderr
    assert not pathlib.Path(state, "queue.db").exists()
    daemon.agreed = True
