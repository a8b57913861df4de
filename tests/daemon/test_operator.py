"""What an operator gets into, and out of: events that were mended, events of
a destination that was renamed, a command that holds the queue, replays
beside a full queue."""

import contextlib
import fcntl
import json
import pathlib
import sqlite3
import subprocess

from braze import batch, event
from commands import (BINARY, CONFIG, FINE, FLAWED, FOUND, USAGE, lines, run,
                      settings, tool)
from conftest import Process, until

FAST = {"heap_linger": "10ms", "heap_set_aside": "200ms"}


def write_destination(path, name, url):
    path.write_text(f"""
        source "main" {{ open = yes }}
        destination "{name}" {{ app_id = "1" url = "{url}" linger = 10ms }}
        """)


def forget_environment(daemon):
    for name in ("TOKEN", "HEAP_APP_ID", "HEAP_URL"):
        daemon.env.pop("CURRENTSD_" + name, None)


def test_mended_and_sent(start_daemon, heapsim):
    """Out, mended, the buried dropped, and in again: told apart from what
    was received before only when that is wanted."""
    daemon = start_daemon(**FAST)
    flawed = event(time="late")
    daemon.post(batch(flawed, event()))
    until(lambda: len(heapsim.keys()) == 1, "the sound one")
    row, = lines(daemon.command("queue", "export"))
    row["event"]["time"] = 1767225600
    tool(daemon, "queue", "drop", "--all", "--yes")
    text = json.dumps(row) + "\n"
    assert tool(daemon, "queue", "import", stdin=text)["queued"] == 1
    until(lambda: len(heapsim.keys()) == 2, "the mended one")
    done = run("queue", "import", "--json", stdin=text, **settings(daemon))
    assert json.loads(done.stdout)["duplicates"] == 1
    assert "--again" in done.stderr
    told = tool(daemon, "queue", "import", "--again", stdin=text)
    assert (told["queued"], told["duplicates"]) == (1, 0)
    until(lambda: daemon.books()["delivered"] == 3, "again")
    daemon.kill()
    daemon.start()
    assert tool(daemon, "queue", "import", stdin=text)["duplicates"] == 1


def test_a_renamed_destination(start_daemon, heapsim, tmp_path):
    config = tmp_path / "one.conf"
    write_destination(config, "old", "http://127.0.0.1:9")
    daemon = start_daemon(**FAST)
    daemon.stop()
    forget_environment(daemon)
    daemon.env["CURRENTSD_CONFIG"] = str(config)
    daemon.start()
    daemon.command("queue", "pause", "old")
    sent = [event() for _ in range(200)]
    daemon.post(batch(*sent))
    daemon.post(batch(event(time="late")))
    daemon.stop()
    write_destination(config, "new", heapsim.url)
    assert "NOBODY" in daemon.command("status")
    daemon.start()
    daemon.run.wait_line("stranded destination=old waiting=200")
    assert daemon.status()["stranded"] == [{"name": "old", "waiting": 200}]
    assert daemon.metric('currentsd_stranded_waiting{lane="old"}') == 200
    assert tool(daemon, "queue", "stats")["stranded"]
    assert tool(daemon, "queue", "requeue", "--all",
                code=FOUND) == {"requeued": 0}
    daemon.command("queue", "redirect", "new", "new", code=USAGE)
    daemon.command("queue", "redirect", "old", "other", code=USAGE)
    daemon.command("queue", "redirect", "never", "new", code=FOUND)
    daemon.stop()
    # without a daemon and with one
    assert tool(daemon, "queue", "redirect", "old", "new") == {
        "redirected": 200}
    daemon.start()
    until(lambda: len(heapsim.keys()) == 200, "all at the new one")
    assert daemon.status()["stranded"] == []
    assert tool(daemon, "queue", "redirect", "old", "new") == {"redirected": 0}
    assert tool(daemon, "queue", "requeue", "--all") == {"requeued": 1}
    until(lambda: daemon.books()["buried"] == 1, "it is flawed still")


def test_serve_waits_for_a_command(start_daemon):
    daemon = start_daemon(**FAST)
    daemon.stop()
    with subprocess.Popen([BINARY, "queue", "import", "-"], env=daemon.env,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as command:
        lock = pathlib.Path(daemon.env["CURRENTSD_STATE_DIR"], "lock")
        owner = f"process {command.pid} for one command"
        until(lambda: owner in lock.read_text("ascii"), "its lock")
        waiting = Process([BINARY, "serve"], env=daemon.env)
        waiting.wait_line("wait for=queue text=.*in use")
        assert waiting.end() == FOUND
        waiting = Process([BINARY, "serve"], env=daemon.env)
        waiting.wait_line("wait for=queue")
        command.stdin.close()
        waiting.wait_line("serve: start")
    assert waiting.end() == FINE


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


def test_replays_leave_room_for_what_comes_in(start_daemon, start_heapsim):
    daemon = start_daemon(heap_url=start_heapsim("--no-quota").url,
                          queue_max_bytes="1M", keep_delivered_max_bytes="1M",
                          heap_events_per_minute=0, heap_identity_per_minute=0,
                          **FAST)
    for _ in range(40):
        daemon.post(batch(*(event() for _ in range(100))))
    until(lambda: daemon.books()["delivered"] == 4000, "delivered, and kept")
    daemon.command("queue", "pause", "heap")
    for _ in range(20):
        done = run("replay", "--since", "1h", **settings(daemon))
        assert daemon.books()["live_bytes"] <= 1 << 20
        if done.returncode == FOUND:
            break
    assert done.returncode == FOUND
    assert "queue_max_bytes" in done.stdout + done.stderr
    assert daemon.post(batch(event())).status == 200


def test_what_may_be_at_heap_is_not_redirected(start_daemon, heapsim,
                                               tmp_path):
    """Another lane may have another identity for it: then it comes twice."""
    config = tmp_path / "one.conf"
    write_destination(config, "old", heapsim.url)
    daemon = start_daemon(**FAST)
    daemon.stop()
    forget_environment(daemon)
    daemon.env["CURRENTSD_CONFIG"] = str(config)
    heapsim.control(hang_after_percent=100)
    daemon.start()
    daemon.post(batch(event()))
    until(lambda: len(heapsim.keys()) == 1, "Heap has it, and does not say so")
    daemon.kill()
    write_destination(config, "new", heapsim.url)
    refused = run("queue", "redirect", "old", "new", **settings(daemon))
    assert refused.returncode == CONFIG and "--anyway" in refused.stderr
    assert tool(daemon, "queue", "redirect", "old", "new", "--anyway") == {
        "redirected": 1}


def test_requeue_what_a_wrong_clock_buried(daemon):
    """In the future: who names it means it."""
    daemon.post('{"events":[%s]}' % FLAWED)
    daemon.stop()
    state = pathlib.Path(daemon.env["CURRENTSD_STATE_DIR"])
    with contextlib.closing(sqlite3.connect(state / "queue.db")) as base:
        base.execute("UPDATE buried SET buried_ms = buried_ms + 1000000000")
        base.commit()
    row, = tool(daemon, "queue", "list")
    assert tool(daemon, "queue", "requeue",
                str(row["id"])) == {"requeued": 1}
