"""explain asks the running daemon, whose rules are in force, or applies the
settings itself; it takes what exports write, and needs no queue."""

import json
import os
import subprocess

import pytest

from braze import batch, event
from commands import FINE, FOUND, USAGE, lines, run, sample, settings
from conftest import NO_QUOTA, until
from names import Choice, Command, Fate, Finding, Place, Row, Rule
from test_segments import page

FAST = {"heap_linger": "10ms", **NO_QUOTA}


def explained(daemon, text, *words, code=FINE, **changed):
    done = run("explain", "--json", *words, stdin=text,
               **{**settings(daemon), **changed})
    assert done.returncode == code, done
    return lines(done.stdout)


def fates(rows):
    return [row[Finding.FATE] for row in rows]


def test_by_the_rules_of_the_running_daemon(start_daemon, tmp_path):
    """Not by settings that it does not have yet, unless a file is named."""
    daemon = start_daemon(**FAST)
    text = json.dumps(event())
    exclude = {"exclude": "*"}
    assert fates(explained(daemon, text, **exclude)) == [Fate.SEND]
    path = tmp_path / "new.conf"
    path.write_text(
        f'state_dir = "{daemon.env["CURRENTSD_STATE_DIR"]}"\n'
        'source main { open = yes exclude = "*" }\n'
        'destination heap { app_id = "1" region = us }\n')
    done = run("explain", "--json", "--config", str(path), stdin=text)
    assert done.returncode == FINE, done.stderr
    row, = lines(done.stdout)
    assert (row[Finding.FATE], row[Finding.REASON]) == (
        Fate.DROP, Rule.EXCLUDED % "*")
    daemon.stop()
    assert fates(explained(daemon, text, **exclude)) == [Fate.DROP]


@pytest.mark.parametrize("running", [
    True, pytest.param(False, marks=pytest.mark.file)])
def test_what_exports_write(start_daemon, running):
    """From each place, through a pipe."""
    daemon = start_daemon(**FAST, unknown_type=Choice.DEAD)
    first = event()
    daemon.post(batch(first))
    until(lambda: daemon.queue()["delivered"] == 1, "it is delivered")
    daemon.command(*Command.PAUSE, "heap")
    second, odd = event(), event(event_type="x.New", id="strange")
    daemon.post(batch(second, odd))
    if not running:
        daemon.stop()
    for place, one, fate, code in (
            (Place.ARCHIVE, first, Fate.SEND, FINE),
            (Place.QUEUED, second, Fate.SEND, FINE),
            (Place.DEAD, odd, Fate.DEAD, FOUND)):
        exported = daemon.command(*Command.EXPORT[place])
        row, = explained(daemon, exported, code=code)
        assert (row["type"], row["id"], row[Finding.FATE]) == (
            one["event_type"], one["id"], fate)
        assert exported[row[Finding.AT]:].startswith('{"event_type"')
        told = run("validate", "--json", stdin=exported)
        assert lines(told.stdout)[0]["id"] == one["id"]


def test_each_line_that_an_export_wrote(daemon):
    odd = [event(id=f"odd-{number}", time="soon") for number in range(3)]
    daemon.post(batch(*odd))
    exported = daemon.command(*Command.EXPORT[Place.DEAD])
    ids = [one["id"] for one in odd]
    assert [row["id"] for row in explained(daemon, exported, code=FOUND)] == ids
    told = run("validate", "--json", stdin=exported)
    assert [row.get("id") for row in lines(told.stdout)][:3] == ids


def test_many_lines_go_in_pieces(daemon):
    """Places in the file stay right across the pieces."""
    one = json.dumps(event())
    count = 9 * 1024 * 1024 // (len(one) + 1)
    text = (one + "\n") * count + "{\n" + one
    rows = explained(daemon, text, code=FOUND)
    assert len(rows) == count + 2
    for number, row in enumerate(rows):
        at = number * (len(one) + 1)
        if number == count:
            assert row[Finding.FATE] == Fate.FAULT
            assert row[Finding.AT] == at + 1
        elif number > count:
            assert row[Finding.AT] == at - len(one) + 1
        else:
            assert row[Finding.AT] == at
        assert row[Finding.LINE] == number + 1


def test_changes_of_an_export(tmp_path):
    """A change is not a page, and still shows what is sent."""
    known = {"segments_secret": "one", "braze_url": "https://h"}
    text = json.dumps({"place": "queued", "source": "segments",
                       "destination": "braze", "group": "7",
                       "change": "+ann"})
    done = run("explain", "--json", stdin=text, **known)
    row, = lines(done.stdout)
    assert done.returncode == FINE and row[Finding.FATE] == Fate.SEND
    assert row["sent"]["external_id"] == "ann"
    done = run("validate", "--json", stdin=text)
    assert done.returncode == FOUND
    assert "give the page" in done.stdout
    done = run("explain", "--source", "segments", stdin=json.dumps(event()),
               **known)
    assert done.returncode == USAGE and "this is an event" in done.stderr
    done = run("explain", stdin=page(["ann"]).decode(), **known)
    assert done.returncode == FINE
    assert done.stdout.startswith("+ann   segment 7, Funnel\nWould be   {")


def test_it_needs_no_queue(start_daemon, tmp_path):
    """Nor a state directory."""
    text = sample("--count", "3", "--seed", "1")
    none = {"state_dir": tmp_path / "none"}
    assert run("explain", stdin=text, **none).returncode == FINE
    assert not (tmp_path / "none").exists()
    (tmp_path / "admin.sock").touch()  # nobody listens
    done = run("explain", stdin=text, state_dir=tmp_path)
    assert done.returncode == FINE, done.stderr


def test_numbers_of_any_length(daemon):
    """Also where the answer is rendered."""
    text = json.dumps(event(properties={
        "app_id": "x", "custom_properties": {"big": 10 ** 30}}))
    row, = explained(daemon, text)
    assert row[Finding.FATE] == Fate.SEND
    done = run("explain", stdin=text, **settings(daemon))
    assert done.returncode == FINE, done.stderr
    assert str(10 ** 30)[:16] in done.stdout or "1e+30" in done.stdout


def test_hostile_names_stay_on_their_line(daemon):
    text = json.dumps(event(event_type="a\u001b[2J\nfate: send", id="\u0007"))
    done = run("explain", stdin=text, **settings(daemon))
    assert "\u001b" not in done.stdout and "\u0007" not in done.stdout
    assert "\nfate: send" not in done.stdout


def test_over_http(daemon):
    """With curl: curl --unix-socket admin.sock http://localhost/explain"""
    path = os.path.join(daemon.env["CURRENTSD_STATE_DIR"], "admin.sock")
    done = subprocess.run(
        ["curl", "-sS", "--unix-socket", path, "--data-binary", "@-",
         "http://localhost/explain"], input=json.dumps(event()), text=True,
        capture_output=True, check=True, timeout=60)
    row, summary = lines(done.stdout)
    assert row["row"][Finding.FATE] == Fate.SEND
    assert summary == {"summary": {"rows": 1, "found": 0}}
