"""What an operator gets into, and out of: events that were corrected, events of
a destination that was renamed, a command that holds the queue, replays
beside a full queue."""

import fcntl
import json
import pathlib
import subprocess

import pytest

from braze import batch, event
from commands import (BINARY, CONFIG, FINE, FOUND, INVALID, lines, run,
                      settings, tool)
from conftest import NO_QUOTA, Process, until
from disk import date_dead_letter
from names import (Command, Done, Log, Metric, Option, Queue, Row, Stats,
                   Status, Text)

FAST = {"heap_linger": "10ms", "heap_defer": "200ms", **NO_QUOTA}


def write_destination(path, name, url, formerly=None):
    former = f'formerly = "{formerly}"' if formerly else ""
    path.write_text(f"""
        source "main" {{ open = yes }}
        destination "{name}" {{
            app_id = "1" url = "{url}" linger = 10ms
            events_per_minute = 0 identity_per_minute = 0 {former} }}
        """)


def use_file(daemon, path):
    daemon.change(token=None, heap_app_id=None, heap_url=None, config=path)


@pytest.mark.file
def test_corrected_and_sent(start_daemon, heapsim):
    """Out, corrected, the dead letter dropped, and in again: told apart from
    what was received before only when that is wanted."""
    daemon = start_daemon(**FAST)
    daemon.post(batch(event(time="late"), event()))
    until(lambda: len(heapsim.keys()) == 1, "the valid one")
    row, = lines(daemon.command(*Command.DEAD_EXPORT))
    row[Row.EVENT]["time"] = 1767225600
    tool(daemon, *Command.DEAD_DROP, "--all", "--yes")
    text = json.dumps(row) + "\n"
    assert tool(daemon, *Command.IMPORT, stdin=text)["queued"] == 1
    until(lambda: len(heapsim.keys()) == 2, "the corrected one")
    done = run(*Command.IMPORT, "--json", stdin=text, **settings(daemon))
    assert json.loads(done.stdout)["duplicates"] == 1
    assert Option.AGAIN in done.stderr
    told = tool(daemon, *Command.IMPORT, Option.AGAIN, stdin=text)
    assert (told["queued"], told["duplicates"]) == (1, 0)
    until(lambda: daemon.queue()["delivered"] == 3, "again")
    daemon.kill()
    daemon.start()
    assert tool(daemon, *Command.IMPORT, stdin=text)["duplicates"] == 1


@pytest.mark.file
def test_a_renamed_destination(start_daemon, heapsim, tmp_path):
    config = tmp_path / "one.conf"
    write_destination(config, "old", "http://127.0.0.1:9")
    daemon = start_daemon(**FAST)
    daemon.stop()
    use_file(daemon, config)
    daemon.start()
    daemon.command(*Command.PAUSE, "old")
    sent = [event() for _ in range(200)]
    daemon.post(batch(*sent))
    daemon.post(batch(event(time="late")))
    daemon.stop()
    write_destination(config, "new", heapsim.url)
    assert Text.STRANDED in daemon.command("status")
    daemon.start()
    daemon.run.wait_line(Log.STRANDED % ("old", 200))
    assert daemon.status()[Status.STRANDED] == [
        {Status.STRANDED_NAME: "old", Status.STRANDED_QUEUED: 200}]
    assert daemon.metric(Metric.STRANDED % "old") == 200
    assert tool(daemon, *Command.STATS)[Stats.STRANDED]
    assert tool(daemon, *Command.DEAD_REQUEUE, "--all",
                code=FOUND) == {Done.REQUEUED: 0, Done.UNSERVED: 1}
    daemon.stop()
    write_destination(config, "new", heapsim.url, formerly="new")
    assert daemon.command("serve", code=CONFIG) is not None
    write_destination(config, "new", heapsim.url, formerly="old")
    daemon.start()
    until(lambda: len(heapsim.keys()) == 200, "all at the new one")
    assert daemon.status()[Status.STRANDED] == []
    daemon.stop()
    daemon.start()
    assert tool(daemon, *Command.DEAD_REQUEUE, "--all") == {Done.REQUEUED: 1}
    until(lambda: daemon.queue()[Queue.DEAD] == 1, "it is invalid still")


@pytest.mark.file
def test_serve_waits_for_a_command(start_daemon):
    daemon = start_daemon(**FAST)
    daemon.stop()
    with subprocess.Popen([BINARY, *Command.IMPORT, "-"], env=daemon.env,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as command:
        lock = pathlib.Path(daemon.env["CURRENTSD_STATE_DIR"], "lock")
        owner = f"process {command.pid} for one command"
        until(lambda: owner in lock.read_text("ascii"), "its lock")
        serve = Process([BINARY, "serve"], env=daemon.env)
        serve.wait_line(Log.WAIT_FOR_QUEUE_IN_USE)
        assert serve.end() == FOUND
        serve = Process([BINARY, "serve"], env=daemon.env)
        serve.wait_line(Log.WAIT_FOR_QUEUE)
        command.stdin.close()
        serve.wait_line(Log.START)
    assert serve.end() == FINE


@pytest.mark.file
def test_serve_does_not_wait_for_a_stranger(start_daemon):
    """Whose name is not in the lock file: it may never end."""
    daemon = start_daemon(**FAST)
    daemon.stop()
    path = daemon.env["CURRENTSD_STATE_DIR"] + "/lock"
    with open(path, encoding="ascii") as lock:
        assert "one command" in lock.read()  # of one that has ended
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run([BINARY, "serve"], env=daemon.env, check=False,
                              capture_output=True, text=True, timeout=60)
    assert done.returncode == CONFIG
    assert "in use by another process" in done.stderr


@pytest.mark.parametrize("name", ["listen", "admin"])
def test_a_port_in_use_may_become_free(start_daemon, tmp_path, name):
    """So serve ends with 1, and systemd tries again; it would not after 78."""
    daemon = start_daemon(**FAST)
    port = daemon.port if name == "listen" else daemon.admin_port
    variables = {"CURRENTSD_STATE_DIR": str(tmp_path / "other"),
                 "CURRENTSD_" + name.upper(): f"127.0.0.1:{port}"}
    done = subprocess.run([BINARY, "serve"], env=daemon.env | variables,
                          check=False, capture_output=True, text=True,
                          timeout=60)
    assert "in use" in done.stderr
    assert done.returncode == FOUND


def test_replays_leave_room_for_what_comes_in(start_daemon, start_heapsim):
    daemon = start_daemon(heap_url=start_heapsim("--no-quota").url,
                          queue_max_bytes="1M", archive_max_bytes="1M",
                          **FAST)
    for _ in range(40):
        daemon.post(batch(*(event() for _ in range(100))))
    until(lambda: daemon.queue()["delivered"] == 4000,
          "delivered, and in the archive")
    daemon.command(*Command.PAUSE, "heap")
    for _ in range(20):
        done = run("replay", "--since", "1h", **settings(daemon))
        assert daemon.queue()[Queue.LIVE_BYTES] <= 1 << 20
        if done.returncode == FOUND:
            break
    assert done.returncode == FOUND
    assert "queue_max_bytes" in done.stdout + done.stderr
    assert daemon.post(batch(event())).status == 200


@pytest.mark.file
def test_requeue_what_is_dead_by_a_wrong_clock(daemon):
    """In the future: an operator who names it means it."""
    daemon.post('{"events":[%s]}' % INVALID)
    daemon.stop()
    date_dead_letter(daemon, 1_000_000_000)
    row, = tool(daemon, *Command.DEAD_LIST)
    assert tool(daemon, *Command.DEAD_REQUEUE, str(row[Row.ID])) == {
        Done.REQUEUED: 1}
