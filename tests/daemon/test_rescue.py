"""A queue file that can no longer be opened: what is whole comes out of it,
and goes into a new queue."""

import json
import sqlite3

import pytest

from braze import batch, event
from commands import CONFIG, FINE, FOUND, USAGE, run, settings
from conftest import NO_QUOTA, until
from names import Command, Row, Text

PAGE = 16384  # more than one page of any size the queue has had


@pytest.mark.file
def test_rescue(start_daemon, heapsim):
    heapsim.control(reset_percent=100)
    daemon = start_daemon(heap_linger="10ms", heap_backoff_first="50ms",
                          heap_backoff_most="100ms",
                          **NO_QUOTA)
    events = [event() for _ in range(300)]
    for at in range(0, 300, 100):
        daemon.post(batch(*events[at:at + 100]))
    daemon.stop()
    state = daemon.env["CURRENTSD_STATE_DIR"]
    damaged = state + "/queue.db"
    with open(damaged, "r+b") as file:
        file.write(b"\xaa" * PAGE)

    # Nothing that is there is ever overwritten by a new, empty queue.
    serve = run("serve", **settings(daemon))
    assert serve.returncode == CONFIG
    assert "queue.db" in serve.stderr

    done = run(*Command.RESCUE, damaged)
    assert done.returncode == FINE, done.stderr
    assert Text.RESCUED % (300, 3) in done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert ([row[Row.EVENT]["id"] for row in rows]
            == [one["id"] for one in events])

    daemon.change(state_dir=state + "-new")
    heapsim.control(reset_percent=0)
    daemon.start()
    back = run(*Command.IMPORT, "-", stdin=done.stdout, **settings(daemon))
    assert back.returncode == FINE, back.stderr
    ids = {one["event_type"] + ":" + one["id"] for one in events}
    until(lambda: set(heapsim.keys()) == ids, "all of them at Heap")


@pytest.mark.file
def test_nothing_to_rescue(tmp_path):
    file = tmp_path / "queue.db"
    file.write_bytes(b"garbage" * 9999)
    done = run(*Command.RESCUE, str(file))
    assert done.returncode == FOUND and done.stdout == ""
    assert "0 events" in done.stderr
    assert f"{file} does not begin as a queue does" in done.stderr
    assert run(*Command.RESCUE, str(tmp_path / "none")).returncode == CONFIG


@pytest.mark.file
def test_files_that_are_no_queue(start_daemon, tmp_path):
    """Each is told as what it is."""
    empty, text = tmp_path / "empty", tmp_path / "text"
    other, fresh = tmp_path / "other.db", tmp_path / "fresh.db"
    empty.touch()
    text.write_text("some notes\n")
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE batch (data BLOB)")
    db.close()
    daemon = start_daemon()
    daemon.command(*Command.BACKUP, str(fresh))
    for file, code, says in (
            (tmp_path, USAGE, "is no file but a directory: give the queue.db"),
            (empty, USAGE, "is empty: there is nothing to rescue"),
            ("/dev/null", USAGE, "is no file: give a queue.db"),
            (text, FOUND, "does not begin as a queue does"),
            (other, USAGE, "an SQLite file of another program")):
        done = run(*Command.RESCUE, str(file))
        assert done.returncode == code and done.stdout == "", done
        assert f"{file} " in done.stderr and says in done.stderr, done
    done = run(*Command.RESCUE, str(fresh))
    assert done.returncode == FOUND and done.stderr.count("\n") == 1
    assert Text.RESCUED % (0, 0) in done.stderr
