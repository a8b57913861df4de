"""import sends files in pieces, and says where it stopped."""

import json
import subprocess

import pytest

from braze import batch, event, receipt
from commands import BINARY, FOUND, USAGE, lines, run, settings, tool
from conftest import NO_QUOTA, until
from names import Command, Option, Place, Receipt
from test_events import answering

FAST = {"heap_linger": "10ms", **NO_QUOTA}
MIB = 1024 * 1024


def ask(daemon, path, body=None):
    """With curl, through admin.sock: the status, and the answer's lines."""
    done = subprocess.run(
        ["curl", "-sS", "-w", "%{http_code}", "--unix-socket",
         daemon.env["CURRENTSD_STATE_DIR"] + "/admin.sock",
         *(["--data-binary", "@-"] if body is not None else []),
         "http://localhost" + path], input=body, text=True,
        capture_output=True, check=True, timeout=60)
    text, status = done.stdout[:-3], int(done.stdout[-3:])
    return status, lines(text)


@pytest.fixture
def daemon(start_daemon):
    """One that sends nothing."""
    made = start_daemon(**FAST)
    made.command(*Command.PAUSE, "heap")
    return made


@pytest.fixture(params=[True, pytest.param(False, marks=pytest.mark.file)])
def either(request, daemon):
    if not request.param:
        daemon.stop()
    return daemon


def padded(size):
    """An event whose text is longer than that."""
    return json.dumps(event(properties={"app_id": "x" * size}))


def test_pieces(either, tmp_path):
    """More than one piece, a line that is longer than one, several files."""
    first, second = tmp_path / "first", tmp_path / "second"
    rows = [padded(MIB // 2) for _ in range(10)]
    first.write_text("\n".join(rows) + "\nnonsense\n"
                     + padded(5 * MIB))
    second.write_text("\n\n{}\n" + json.dumps(event()) + "\n[")
    done = run(*Command.IMPORT, str(first), str(second), "--json",
               **settings(either))
    assert done.returncode == FOUND, done.stderr
    assert json.loads(done.stdout) == {
        **receipt(received=13, queued=12, dead=1),
        Receipt.UNREADABLE_LINES: 2}
    assert done.stderr.splitlines() == [
        f"{first}: line 11: no readable event",
        f"{second}: line 5: no readable event"]


@pytest.mark.parametrize("line", [
    '1],"x":[2', '{}],"x":[{}', '{}]}{"x":[{}', '{}],"events":[{}'])
def test_a_line_swallows_none_behind_it(either, line):
    """It closes the list of events, and what opens another one is not read."""
    rows = [json.dumps(event()) for _ in range(4)]
    assert tool(either, *Command.IMPORT, code=FOUND,
                stdin="\n".join([rows[0], line, *rows[1:]])) == {
        **receipt(received=4, queued=4), Receipt.UNREADABLE_LINES: 1}


def test_a_second_import_counts_as_duplicates(either, tmp_path):
    path = tmp_path / "events"
    path.write_text("".join(json.dumps(event()) + "\n" for _ in range(10)))
    for expected in (receipt(received=10, queued=10),
                     receipt(received=10, duplicates=10)):
        assert tool(either, *Command.IMPORT, str(path)) == {
            **expected, Receipt.UNREADABLE_LINES: 0}
    assert tool(either, *Command.IMPORT, Option.AGAIN, str(path)) == {
        **receipt(received=10, queued=10), Receipt.UNREADABLE_LINES: 0}


@pytest.mark.file
def test_where_it_stopped(start_daemon, tmp_path):
    """The queue is full: what is in is told, and the rest goes in later."""
    daemon = start_daemon(queue_max_bytes="4M", **FAST)
    daemon.command(*Command.PAUSE, "heap")
    path = tmp_path / "events"
    rows = [json.dumps(event(properties={"app_id": "".join(
        f"{hash((i, j)):x}" for j in range(500))})) for i in range(3000)]
    path.write_text("\n".join(rows))
    done = run(*Command.IMPORT, str(path), **settings(daemon))
    assert done.returncode == FOUND and done.stdout == ""
    what, advice = done.stderr.splitlines()
    assert what.startswith("currentsd: ")
    assert advice.endswith("Import it again: events that were imported "
                           "already count as duplicates.")
    taken = int(advice.split(" ")[2]) - 1
    assert f"From line {taken + 1} of {path} on nothing was" in advice
    assert 0 < taken < 3000
    exported = lines(daemon.command(*Command.EXPORT[Place.QUEUED]))
    assert [row["event"]["id"] for row in exported] == [
        json.loads(row)["id"] for row in rows[:taken]]
    daemon.stop()
    daemon.change(queue_max_bytes="100M")
    daemon.start()
    assert tool(daemon, *Command.IMPORT, str(path)) == {
        **receipt(received=3000, queued=3000 - taken, duplicates=taken),
        Receipt.UNREADABLE_LINES: 0}


@pytest.mark.file
def test_a_daemon_that_stops(daemon, tmp_path):
    """Between two pieces: what was told before holds."""
    with subprocess.Popen([BINARY, *Command.IMPORT, Option.AGAIN, "-"],
                          env=daemon.env, stdin=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as process:
        first = [padded(MIB) for _ in range(5)]
        process.stdin.write("\n".join(first) + "\n")
        process.stdin.flush()
        until(lambda: daemon.queued() >= 3, "the first piece")
        daemon.stop()
        process.stdin.write(json.dumps(event()) + "\n")
        process.stdin.close()
        told = process.stderr.read()
        assert process.wait() == FOUND
    daemon.start()
    queued = daemon.queued()
    assert f"From line {queued + 1} of - on nothing was imported." in told
    assert f"tail -n +{queued + 1}" in told


def test_a_file_that_is_none(either, tmp_path):
    for name, says in ((tmp_path / "none", "No such file"),
                       (tmp_path, "Is a directory")):
        done = run(*Command.IMPORT, str(name), **settings(either))
        assert done.returncode == USAGE and done.stdout == ""
        assert f"{name}: {says}" in done.stderr


def test_over_http(daemon):
    """A row for each put, with the line behind it."""
    rows = [json.dumps(event()) for _ in range(1500)]
    status, told = ask(daemon, "/import?line=11",
                       "\n".join(rows) + "\nnonsense\n")
    assert status == 200
    assert told == [
        {"row": {"next": 1011, **receipt(received=1000, queued=1000)}},
        {"row": {"unreadable": 1511, "reason": "no readable event"}},
        {"row": {"next": 1512, **receipt(received=500, queued=500)}},
        {"summary": {"next": 1512, **receipt(received=1500, queued=1500),
                     "unreadable": 1}}]
    for path, says in (("source=x", "no source"), ("again=1", "yes or no"),
                       ("line=0", "whole number"), ("file=x", "no parameter")):
        status, told = ask(daemon, "/import?" + path, "{}")
        assert status == 400 and says in told[0]["error"]
    daemon.run.wait_line(r"module=admin event=import received=1500 queued=1500 "
                         r"duplicates=0 unreadable=1 caller=admin.sock$")


@pytest.mark.file
@pytest.mark.parametrize("words, advice", [
    ((), "Import it again"), ((Option.AGAIN,), "tail -n +3")])
def test_a_daemon_that_is_killed(daemon, words, advice):
    """What it did last is not known."""
    daemon.stop()
    row = {"next": 3, **receipt(received=2, queued=2)}
    with answering(daemon, "application/x-ndjson",
                   json.dumps({"row": row}).encode() + b"\n"):
        done = run(*Command.IMPORT, *words, stdin="{}\n" * 5,
                   **settings(daemon))
    assert done.returncode == FOUND and done.stdout == ""
    assert "Up to line 2 of - all is imported, and of what follows perhaps " \
        "a part." in done.stderr
    assert advice in done.stderr
