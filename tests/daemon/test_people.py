"""Segments, persons and erasures as commands show them: beside a running
daemon and without one, on a terminal, through admin.sock; and what long ones
do when their client goes or the daemon stops."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios

import pytest

from braze import batch, event
from commands import FINE, FOUND, USAGE, tool
from conftest import PROGRAM, until
from names import Choice, Command, Drift, Erased, Erasure, Log, erase
from test_segments import (braze, daemon, members,  # noqa: F401
                           settled, start, taken)
from test_segments_commands import at_terminal, becomes, people, whole

# pylint: disable=redefined-outer-name

NAME = "Abandoned checkout after step 3 and before payment"


def on_screen(daemon, *words, width=80):
    """What a command shows on a terminal of this width, without colours."""
    mine, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    env = {**daemon.env, "TERM": "xterm", "NO_COLOR": "1"}
    shown = b""
    with subprocess.Popen([PROGRAM, *words], env=env, stdin=its, stdout=its,
                          stderr=its):
        os.close(its)
        try:
            while piece := os.read(mine, 65536):
                shown += piece
        except OSError:  # the other end is closed
            pass
    os.close(mine)
    return shown.decode().replace("\r", "").splitlines()


def over_http(daemon, path, *options):
    """(status, lines of JSON) of a call through admin.sock, by curl."""
    done = subprocess.run(
        ["curl", "--silent", "--unix-socket",
         f"{daemon.env['CURRENTSD_STATE_DIR']}/admin.sock",
         "--write-out", "\n%{http_code}", *options, f"http://x{path}"],
        capture_output=True, text=True, check=True)
    *lines, status = done.stdout.split("\n")
    return int(status), [json.loads(line) for line in lines if line]


def logged(daemon, pattern):
    return [found for line in daemon.run.lines
            if (found := re.search(pattern, line))]


def job(daemon, what, name):
    return logged(daemon, rf'event={what} command="?{name}\b')


# ---- the same with and without a daemon ----

def untimed(value):
    """Without what depends on when it was asked."""
    if isinstance(value, list):
        return [untimed(row) for row in value]
    if isinstance(value, dict):
        return {key: untimed(row) for key, row in value.items()
                if not key.endswith("_s")}
    return value


@pytest.mark.file
def test_beside_a_daemon_and_alone(daemon, heapsim):
    whole(daemon, ["ann", "bob"])
    settled(daemon)
    daemon.post(batch(
        event(user={"external_user_id": "ann", "user_id": "b-ann"}),
        event(user={"external_user_id": "cid"}, kind="users.messages.fax.Send"),
        event(user={"user_id": "b-dan"}, kind="users.UserDeleteRequest",
              properties={})))
    until(lambda: daemon.queued() == 0 and heapsim.keys(), "all is sent")
    asked = [("segments",), ("segments", "show", "7"),
             ("segments", "syncs", "Funnel"), ("person", "ann"), ("drift",),
             ("segments", "verify", "7"), Command.ERASURES_LIST]
    running = [untimed(tool(daemon, *words)) for words in asked]
    text = [daemon.command(*words).splitlines()[0] for words in asked]
    assert all(running)
    daemon.stop()
    assert [untimed(tool(daemon, *words)) for words in asked] == running
    assert [daemon.command(*words).splitlines()[0]
            for words in asked] == text
    # and so is what changes something
    assert tool(daemon, "segments", "release", "7", code=FOUND) == {
        "released": 0}
    assert tool(daemon, "segments", "resend", "7") == {"resent": 2}
    assert tool(daemon, "segments", "retire", "7", "--yes") == {"retired": 2}
    assert tool(daemon, *erase("ann"))[Erased.ARCHIVE] == 2
    assert tool(daemon, "person", "ann", code=FOUND)["timeline"] == []
    assert tool(daemon, *Command.ERASURES_DONE, "b-dan", "x", code=FOUND) == {
        "done": 1, "unknown": ["x"]}
    assert tool(daemon, *Command.ERASURES_LIST) == []
    daemon.start()
    settled(daemon)


# ---- on a terminal ----

def test_it_fits_the_terminal(start):
    """80 columns, troubled segments first, and no columns of zeroes."""
    daemon = start(segments_sync_timeout="1s")
    whole(daemon, people(1200), segment=1234567, name=NAME)
    whole(daemon, ["ann"])
    taken(daemon, ["ann"], segment=8, name="Trial", number=1, total=3)
    becomes(daemon, "incomplete", "8")
    settled(daemon)
    for width in 80, 120:
        lines = on_screen(daemon, "segments", width=width)
        assert all(len(line) <= width for line in lines), lines
        assert lines[0].startswith("! Trial (8) is incomplete: 1 of 3 pages")
        table = lines[lines.index("") + 1:]
        assert table[0].split()[:5] == [
            "SEGMENT", "ID", "STATE", "WANTED", "SENT"]
        assert [line.split()[0] for line in table[1:4]] == [
            "Trial", "Abandoned", "Funnel"]
        assert "never" in table[1] and "1,200" in table[2]
        assert "DEAD" not in table[0] and "WAITING" not in table[0]
    for words in (("segments", "show", "1234567"),
                  ("segments", "syncs", "1234567"), ("person", "ann"),
                  ("segments", "verify", "7"), erase("ann") + ("--yes",)):
        lines = on_screen(daemon, *words)
        assert lines and all(len(line) <= 80 for line in lines), lines
    assert "dead " not in "\n".join(on_screen(daemon, "segments", "show", "7"))


def test_what_is_left_out_comes_first(daemon, heapsim):
    more = {"app_group_id": "g", "tone": "warm", "loud": True}
    daemon.post(batch(event(properties=more)))
    until(heapsim.keys, "the event")
    line = "keep += users.messages.email.Click/tone"
    rows = tool(daemon, "drift")
    assert {row[Drift.WHAT] for row in rows} == {
        Drift.LEFT_OUT, Drift.UNKNOWN_PROPERTY}
    lines = on_screen(daemon, "drift")
    assert all(len(line) <= 80 for line in lines)
    assert lines[0].startswith("Left out, ")
    at = [text.strip() for text in lines].index(line)
    assert "tone (string) of users.messages.email.Click" in lines[at - 2]
    assert lines.index(Drift.UNKNOWN_PROPERTY) > at
    assert "warm" not in "\n".join(lines)


def test_erase_asks(daemon):
    whole(daemon, ["ann"])
    settled(daemon)
    for answer in "no\n", "\n":
        code, out, err = at_terminal(daemon, answer, *erase("ann"))
        assert (code, out) == (USAGE, "")
        assert "1 person is erased" in err and "nothing was done" in err
    assert tool(daemon, "person", "ann")["timeline"]
    code, out, err = at_terminal(daemon, "yes\n", *erase("ann"))
    assert code == FINE and "1 membership of a segment" in out, err
    assert tool(daemon, "person", "ann", code=FOUND)["memberships"] == []
    code, out, err = at_terminal(daemon, "", *erase("ann"), "--yes")
    assert code == FINE and "there was none" in out
    assert "Type yes" not in err


def test_retire_needs_a_terminal_or_yes(daemon, braze):
    whole(daemon, ["ann"])
    settled(daemon)
    done = subprocess.run([PROGRAM, "segments", "retire", "7"],
                          env=daemon.env, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    assert done.returncode == USAGE and "--yes" in done.stderr
    assert members(braze) == {"ann": "in"}


def test_an_id_that_is_no_text(daemon):
    done = subprocess.run([PROGRAM, "erase", "--user", b"\xff\xfe"],
                          env=daemon.env, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    assert done.returncode == USAGE and "not UTF-8" in done.stderr


# ---- the log ----

def test_look_ups_are_logged_without_the_id(daemon):
    """The same person by the same hash."""
    whole(daemon, ["ann-4711", "bob"])
    settled(daemon)
    tool(daemon, "person", "ann-4711")
    daemon.command("events", "export", "--user", "ann-4711")
    tool(daemon, "person", "bob")
    tool(daemon, *erase("ann-4711"))
    pattern = r"module=admin event=(\w+) person=([0-9a-f]{16}) caller=admin\.sock$"
    found = until(lambda: (rows := logged(daemon, pattern))[3:] and rows,
                  "four lines")
    assert [row[1] for row in found] == [
        "look_up", "look_up", "look_up", "erase"]
    ann, again, bob, erased = [row[2] for row in found]
    assert ann == again == erased != bob
    daemon.run.wait_line(Log.ERASED % 1 + r"caller=admin\.sock queued=")
    assert not logged(daemon, "4711")


def test_changes_are_logged_with_their_caller(daemon):
    whole(daemon, ["ann"])
    settled(daemon)
    tool(daemon, "segments", "resend", "Funnel")
    tool(daemon, "segments", "release", "7", code=FOUND)
    tool(daemon, "segments", "retire", "7", "--yes")
    for verb in "resend", "release", "retire":
        daemon.run.wait_line(f'module=admin event={verb} segment=7 source=segments '
                             'destination=braze caller=admin.sock')
    settled(daemon)


# ---- the routes ----

def test_through_the_socket(daemon):
    whole(daemon, ["ann"])
    settled(daemon)
    status, lines = over_http(daemon, "/segments?attention=no")
    assert status == 200 and [row["id"] for row in (
        line["row"] for line in lines[:-1])] == ["7"]
    assert lines[-1] == {"summary": {"rows": 1, "segments": 1}}
    assert over_http(daemon, "/segments/Funnel")[1][0]["id"] == "7"
    status, lines = over_http(daemon, "/segments/7/syncs")
    assert lines[0]["row"]["state"] == "done"
    status, lines = over_http(daemon, "/persons/ann?limit=1")
    assert [row["name"] for row in
            lines[-1]["summary"]["timeline"]] == ["Funnel"]
    assert over_http(daemon, "/drift") == (200, [{"summary": {}}])
    assert over_http(daemon, "/erasures") == (200, [{"summary": {"rows": 0}}])
    status, lines = over_http(daemon, "/erase", "-d", '{"users":["ann"]}')
    assert lines[-1]["summary"][Erased.MEMBERS] == 1
    assert over_http(daemon, "/erasures/done", "-d", '{"subjects":["x"]}') == (
        200, [{"done": 0, "unknown": ["x"]}])
    assert over_http(daemon, "/segments/7/release", "-X", "POST") == (
        200, [{"released": 0}])


@pytest.mark.parametrize("path, options, status, why", [
    ("/segments/nothing", (), 404, "no segment nothing"),
    ("/segments?attention=x", (), 400, "attention should be yes or no"),
    ("/segments/7/verify?sample=0", ("-X", "POST"), 400, "from 1 to 5000"),
    ("/persons/ann?limit=-1", (), 400, "limit should be"),
    ("/persons/", (), 404, "no such path"),
    ("/erase", ("-d", "["), 400, "is not JSON"),
    ("/erase", ("-d", "{}"), 400, '{"users":["..."]}'),
    ("/erase", ("-d", '{"users":[]}'), 400, '{"users":["..."]}'),
    ("/erase", ("-d", '{"users":["a",""]}'), 400, '{"users":["..."]}'),
    ("/erase", ("-d", '{"users":["a",1]}'), 400, '{"users":["..."]}'),
    ("/erase", ("-d", '{"users":["a\\u0000"]}'), 400, "is not JSON"),
    ("/erase", ("-d", json.dumps({"users": ["x"] * 1025})), 400, "1 to 1024"),
    ("/erasures/done", ("-d", '{"users":["a"]}'), 400, '{"subjects":["..."]}'),
    ("/erase", (), 405, "method"),
])
def test_wrong_calls(daemon, path, options, status, why):
    got, lines = over_http(daemon, path, *options)
    assert got == status
    assert why in lines[0]["error"]


def test_personal_data_needs_a_token(daemon):
    """Through the admin listener, which has none here."""
    assert daemon.admin("/segments").status == 200
    assert daemon.admin("/drift").status == 200
    for path in "/persons/ann", "/erasures":
        assert daemon.admin(path).status in (401, 403), path


# ---- long ones ----

@pytest.fixture
def verifying(start, braze):
    """A daemon that verifies a segment, and waits for Braze, which says "too
    fast"; and the client of that."""
    clients = []

    def begin(**settings):
        daemon = start(**settings)
        whole(daemon, people(120))
        settled(daemon)
        braze.control(export_limit=1, export_window_ms=600_000)
        clients.append(subprocess.Popen(
            [PROGRAM, "segments", "verify", "7"], env=daemon.env,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        until(lambda: braze.report()["limited"] > 0, "it is told to wait")
        return daemon, clients[0]

    yield begin
    for client in clients:
        client.kill()
        client.communicate()


def test_it_ends_when_its_client_goes(verifying):
    daemon, client = verifying()
    assert job(daemon, "begin", "segments verify")
    assert "segments verify` is still running" in daemon.failing(
        "segments", "resend", "7")
    client.send_signal(signal.SIGKILL)
    until(lambda: job(daemon, "end", "segments verify"), "it has ended")
    assert tool(daemon, "segments", "resend", "7") == {"resent": 120}
    settled(daemon)


def test_it_ends_when_the_daemon_stops(verifying):
    daemon, client = verifying()
    run = daemon.run
    daemon.stop()
    assert any("end command=\"segments verify\"" in line
               for line in run.lines)
    out, err = client.communicate()
    assert (client.returncode, out) == (FOUND, "") and err


def test_the_sweep_waits_for_another_job(verifying):
    """on_delete = erase has a thread of its own, and its turn."""
    daemon, client = verifying(on_delete=Choice.ERASE, erase_interval="1s")
    daemon.post(batch(
        event(user={"user_id": "b-ann"}),
        event(user={"user_id": "b-ann"}, kind="users.UserDeleteRequest",
              properties={})))
    until(lambda: tool(daemon, *Command.ERASURES_LIST), "the request")
    # at least one turn of the sweep, which is every second
    turn = daemon.status()["uptime_s"] + 3
    until(lambda: daemon.status()["uptime_s"] >= turn, "some turns")
    assert not job(daemon, "begin", "erase")
    client.send_signal(signal.SIGKILL)
    daemon.run.wait_line(Log.ERASED % 1)
    assert not logged(daemon, "module=erase event=fail")
    row, = tool(daemon, *Command.ERASURES_LIST)
    assert row[Erasure.USER] == "b-ann" and row[Erasure.ERASED]
