"""One event, wherever it is: what became of it, what its destination was or
will be sent, and why; a dead letter that is edited; events as they pass. Each
beside a running daemon and without one, but for what needs one."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import socket
import stat
import subprocess
import threading

import pytest

from braze import batch, event
from commands import (BINARY, FINE, FOUND, INVALID, USAGE, lines, run, settings,
                      tool)
from conftest import NO_QUOTA, PATIENCE, Process, until
from disk import damage_first_batch
from names import (Choice, Command, Done, Fate, Finding, Place, Queue, Row,
                   Rule, State, Status, Text)
from test_fault import prove

FAST = {"heap_linger": "10ms", "heap_defer": "200ms", **NO_QUOTA}
EMAIL, PRIVATE = "ann@example.com", "between us"


def told(**more):
    """An event with a value that is sent, one that a rule leaves out by its
    class, and one that nobody has decided about."""
    made = event(**more)
    made["properties"].update(campaign_name="Come back", email_address=EMAIL,
                              tone=PRIVATE)
    return made


@pytest.fixture
def places(start_daemon):
    """A daemon with an event in every place, {place: event}."""
    daemon = start_daemon(**FAST)
    made = {Place.ARCHIVE: told(), Place.QUEUED: told()}
    daemon.post(batch(made[Place.ARCHIVE]))
    until(lambda: daemon.queue()["delivered"] == 1, "it is delivered")
    daemon.command(*Command.PAUSE, "heap")
    daemon.post(batch(made[Place.QUEUED]))
    daemon.post('{"events":[%s]}' % INVALID)
    assert daemon.post('{"events":[{"id":"lost-one"').status == 400
    daemon.made = made
    return daemon


@pytest.fixture(params=["running", pytest.param("stopped",
                                                marks=pytest.mark.file)])
def either(request, places):
    """The same, running or stopped."""
    if request.param == "stopped":
        places.stop()
    places.running = request.param == "running"
    return places


class AdminSocket(http.client.HTTPConnection):
    """A client of admin.sock that is not ours."""

    def __init__(self, daemon):
        super().__init__("localhost", timeout=PATIENCE)
        self.path = os.path.join(daemon.env["CURRENTSD_STATE_DIR"],
                                 "admin.sock")

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self.path)


def call(daemon, method, path, body=None):
    """The status of a call, and the objects that it was answered with."""
    connection = AdminSocket(daemon)
    connection.request(method, path, body)
    answer = connection.getresponse()
    rows = lines(answer.read().decode())
    connection.close()
    return answer.status, rows


# ---- events show

def test_show_says_what_is_sent_and_why(either, heapsim):
    for place in (Place.QUEUED, Place.ARCHIVE):
        made = either.made[place]
        row, = tool(either, *Command.SHOW, made["id"])
        assert row[Row.PLACE] == place and row[Row.EVENT_ID] == made["id"]
        mapped = row[Row.EXPLANATION]
        assert mapped[Finding.FATE] == Fate.SEND
        sent = mapped[Finding.EVENT]
        assert sent["identity"] == "customer-1"
        assert sent["properties"]["campaign_name"] == "Come back"
        assert sent["idempotency_key"] == f"{made['event_type']}:{made['id']}"
        why = {one["of"]: one for one in mapped[Finding.DECISIONS]}
        assert why["campaign_name"] == {
            "of": "campaign_name", "is": "sent", "as": "campaign_name"}
        assert why["identity"]["is"] == "external_user_id"
        assert "contact" in why["email_address"]["is"]
        assert "unclassified" in why["tone"]["is"]
        assert "as" not in why["tone"]
    assert sent["idempotency_key"] in heapsim.keys()


def test_show_hides_what_is_not_sent(either):
    for place in (Place.QUEUED, Place.ARCHIVE):
        made = either.made[place]
        row, = tool(either, *Command.SHOW, made["id"])
        assert row[Row.REDACTED] is True
        kept = json.loads(row[Row.EVENT])
        assert kept["properties"]["campaign_name"] == "Come back"
        for words in ((), ("--json",)):
            shown = either.command(*Command.SHOW, made["id"], *words)
            assert EMAIL not in shown and PRIVATE not in shown
        row, = tool(either, *Command.SHOW, made["id"], "--raw")
        assert Row.REDACTED not in row
        assert json.loads(row[Row.EVENT]) == made
        assert json.dumps(made) in either.command(*Command.SHOW, made["id"],
                                                  "--raw")


def test_show_reads_well(either):
    shown = either.command(*Command.SHOW, either.made[Place.QUEUED]["id"])
    assert "identity customer-1 (external_user_id) at heap" in shown
    assert re.search(r"campaign_name +Come back", shown)
    assert re.search(r"email_address +left out +class contact", shown)
    assert re.search(r"braze_channel +email +added", shown)
    assert ("Held up" in shown) == either.running, "the destination is paused"
    row, = tool(either, *Command.SHOW, either.made[Place.QUEUED]["id"])
    assert (Row.SENDER in row) == either.running
    if either.running:
        assert row[Row.SENDER]["state"] == State.PAUSED


def test_show_of_what_is_invalid(either):
    row, = tool(either, *Command.SHOW, "5")
    assert row[Row.PLACE] == Place.DEAD
    assert row[Row.EXPLANATION][Finding.FATE] == Fate.DEAD
    assert row[Row.EXPLANATION][Finding.REASON] == row[Row.REASON]
    assert INVALID in either.command(*Command.SHOW, "5", "--raw")
    assert "dead edit 1" in either.command(*Command.SHOW, "5")


def test_show_every_byte_and_digit(start_daemon):
    """Numbers that no program reads as they are."""
    daemon = start_daemon(**FAST)
    daemon.command(*Command.PAUSE, "heap")
    text = json.dumps(event(id="precise")).replace(
        '"dispatch_id": "d"', '"dispatch_id": "d", "n": 12345678901234567890,'
        ' "r": 1e999')
    daemon.post('{"events":[%s]}' % text)
    row, = tool(daemon, *Command.SHOW, "precise", "--raw")
    assert row[Row.EVENT] == text
    assert text in daemon.command(*Command.SHOW, "precise", "--raw")


@pytest.mark.parametrize("running", [
    True, pytest.param(False, marks=pytest.mark.file)])
def test_show_of_what_the_destination_refused(start_daemon, heapsim, running):
    heapsim.control(refuse_event="Bounce")
    daemon = start_daemon(**FAST)
    bad = told(kind="users.messages.email.Bounce")
    daemon.post(batch(*(event() for _ in range(20)), bad))
    prove(daemon, 1)
    if not running:
        daemon.stop()
    row, = tool(daemon, *Command.SHOW, bad["id"])
    assert row[Row.REASON] == Rule.REFUSED and row[Row.STATUS] == 400
    assert "refused" in row[Row.ANSWER]
    assert bad["id"] in row[Row.SENT] and EMAIL not in row[Row.SENT]
    shown = daemon.command(*Command.SHOW, bad["id"])
    assert re.search(r"Attempts +\d+, the last answered 400\nAnswer ", shown)
    assert EMAIL not in shown


def test_show_by_the_rules_that_are_set(start_daemon):
    daemon = start_daemon(**FAST, heap_keep="tone", heap_prefix="b_",
                          heap_rename="campaign_name=Campaign")
    daemon.command(*Command.PAUSE, "heap")
    made = told()
    daemon.post(batch(made))
    row, = tool(daemon, *Command.SHOW, made["id"])
    decisions = {one["of"]: one
                 for one in row[Row.EXPLANATION][Finding.DECISIONS]}
    sent = row[Row.EXPLANATION][Finding.EVENT]["properties"]
    assert decisions["tone"]["is"] == "sent: in keep"
    assert sent[decisions["tone"]["as"]] == PRIVATE
    assert decisions["tone"]["as"] == "b_tone"
    assert sent[decisions["campaign_name"]["as"]] == "Come back"
    assert decisions["campaign_name"]["as"] == "Campaign"
    shown = daemon.command(*Command.SHOW, made["id"])
    assert re.search(r"tone +between us +as b_tone, in keep", shown)


# ---- events find

def test_nothing_found_is_told_from_nothing_kept(start_daemon, heapsim):
    daemon = start_daemon(**FAST, keep_archive="0")
    made = event()
    daemon.post(batch(made))
    until(lambda: daemon.queue()["delivered"] == 1, "it is delivered")
    for name in (made["id"], f"{made['event_type']}:{made['id']}"):
        gone = daemon.command(*Command.FIND, name, code=FOUND)
        assert Text.NOT_FOUND in gone and "received before" in gone
    never = daemon.command(*Command.FIND, "never-seen", code=FOUND)
    assert "received before" not in never and "0 queued events" in never
    status, rows = call(daemon, "GET", "/events/never-seen")
    assert status == 200
    assert rows[-1]["summary"]["received"] is False
    assert rows[-1]["summary"]["searched"]["archive_batches"] == 0


def test_what_was_searched(either):
    told_ = either.command(*Command.FIND, "never-seen", code=FOUND)
    assert "1 queued events, 1 dead letters, 1 unreadable bodies" in told_
    assert "delivered since" in told_


# ---- lists

def test_pages_of_a_list(start_daemon):
    """In the order of acceptance, each event once."""
    daemon = start_daemon(**FAST, unknown_type=Choice.DEAD)
    daemon.command(*Command.PAUSE, "heap")
    made = [event() for _ in range(25)]
    for some in (made[:1], made[1:12], made[12:]):
        daemon.post(batch(*some))
    daemon.post(batch(*(event(kind="x.Y") for _ in range(7))))
    seen, last = [], "0"
    while True:
        _, rows = call(daemon, "GET", f"/events?limit=10&after={last}")
        *rows, end = rows
        seen += [row["row"][Row.EVENT_ID] for row in rows]
        last = end["summary"]["last"]
        if not end["summary"]["more"]:
            break
    assert seen == [one["id"] for one in made]
    text = daemon.command(*Command.LIST[Place.QUEUED], "--limit", "10")
    after = re.search(r"use --after (\S+)", text)[1]
    more = tool(daemon, *Command.LIST[Place.QUEUED], "--after", after)
    assert [row[Row.EVENT_ID] for row in more] == seen[10:]
    text = daemon.command(*Command.DEAD_LIST, "--limit", "5")
    after = re.search(r"use --after (\S+)", text)[1]
    assert len(tool(daemon, *Command.DEAD_LIST, "--after", after)) == 2
    daemon.command(*Command.LIST[Place.QUEUED], "--after", "x", code=USAGE)
    daemon.command(*Command.LIST[Place.QUEUED], "--limit", "x", code=USAGE)


def test_a_person_is_found_by_every_id(start_daemon):
    """Each kind that Braze has, alone in its batch."""
    daemon = start_daemon(**FAST)
    daemon.command(*Command.PAUSE, "heap")
    made = {name: event(user={name: f"by-{name}"}) for name in (
        "external_user_id", "user_id", "device_id", "alias_name")}
    made["aliases"] = event(user={"aliases": [{"alias_name": "by-aliases"}]})
    made["orphaned_by_id"] = event(user={}, properties={
        "orphaned_by_id": "by-orphaned_by_id"})
    for one in made.values():
        assert daemon.post(batch(one)).status == 200
    for name, one in made.items():
        row, = tool(daemon, *Command.LIST[Place.QUEUED], "--user",
                    f"by-{name}")
        assert row[Row.EVENT_ID] == one["id"]


@pytest.mark.file
def test_only_what_may_have_it_is_opened(start_daemon):
    """A batch that is damaged is told by whoever opens it: only those who look
    for what it had."""
    daemon = start_daemon(**FAST)
    daemon.command(*Command.PAUSE, "heap")
    for n in range(5):
        assert daemon.post(batch(*(
            event(kind=f"some.Type{n}", id=f"{n}-{i}",
                  user={"external_user_id": f"person-{n}"})
            for i in range(1000)))).status == 200
    daemon.stop()
    damage_first_batch(daemon)
    daemon.start()

    def tells(*words):
        done = run(*words, **settings(daemon))
        assert done.returncode == FINE, done.stderr
        return Text.SKIPPED in done.stderr

    def looks(n):
        return ((*Command.FIND, f"{n}-7"),
                (*Command.LIST[Place.QUEUED], "--user", f"person-{n}"),
                (*Command.LIST[Place.QUEUED], "--type", f"some.Type{n}"))

    for words in looks(0)[1:]:
        assert tells(*words)
    for by in zip(*map(looks, range(1, 5))):
        # a mark has 16 bits of a person, which may be those of another
        assert not all(tells(*words) for words in by)
    daemon.agreed = True


def test_sorted_and_as_csv(either):
    rows = either.command(*Command.LIST[Place.UNREADABLE], "--csv").split()
    assert rows[0].startswith("ID,RECEIVED,")
    if either.running:
        either.post(batch(event(kind="a.First")))
    listed = either.command(*Command.LIST[Place.QUEUED], "--sort", "-type",
                            "--csv").splitlines()[1:]
    types = [row.split(",")[3] for row in listed]
    assert types == sorted(types, reverse=True) and types
    done = run(*Command.DEAD_LIST, "--sort", "none", **settings(either))
    assert done.returncode == USAGE and "REASON" in done.stderr


# ---- dead letters

def test_there_is_no_such_letter(either):
    for words in ((*Command.DEAD_REQUEUE, "99"), (*Command.DEAD_SHOW, "99"),
                  (*Command.DEAD_DROP, "99", "--yes"),
                  (*Command.DEAD_EDIT, "99")):
        assert f"{Text.NO_DEAD_LETTER} 99" in either.failing(*words)
    assert tool(either, *Command.DEAD_DROP, "1", "--yes") == {Done.DROPPED: 1}
    assert Text.NO_DEAD_LETTER in either.failing(*Command.DEAD_DROP, "1",
                                                 "--yes")


CORRECTED = event(kind="users.behaviors.app.SessionStart", id="corrected",
               properties={"session_id": "s"})


def edit(daemon, editor, tmp_path, letter="1"):
    """`dead edit` with this program as the editor, which gets the path."""
    script = tmp_path / "editor"
    script.write_text("#!/bin/sh\n" + editor + "\n")
    script.chmod(0o700)
    env = {**daemon.env, "EDITOR": str(script), "TMPDIR": str(tmp_path)}
    env.pop("VISUAL", None)
    return subprocess.run([BINARY, *Command.DEAD_EDIT, letter], env=env,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=PATIENCE, check=False)


def kept(done):
    """The file that the operator's text was left in."""
    return pathlib.Path(re.search(r"your text is in (\S+)", done.stderr)[1])


def test_an_edited_letter_is_sent(either, heapsim, tmp_path):
    (tmp_path / "corrected").write_text(json.dumps(CORRECTED, indent=2))
    done = edit(either, f'cp "$1" {tmp_path}/given && cat {tmp_path}/corrected '
                '> "$1"', tmp_path)
    assert done.returncode == FINE, done.stderr
    given = (tmp_path / "given").read_text()
    assert json.loads(given) == json.loads(INVALID)
    assert '\n  "id": 5,\n' in given, "laid out for reading"
    assert not list(tmp_path.glob("currentsd-*")), "no copy is left"
    assert tool(either, *Command.DEAD_LIST) == []
    exported = lines(either.command(*Command.EXPORT[Place.QUEUED]))
    assert CORRECTED in [row[Row.EVENT] for row in exported], "on one line"
    either.command("ledger", "--check")
    if not either.running:
        either.start()
    either.command(*Command.RESUME, "heap")
    until(lambda: f"{CORRECTED['event_type']}:corrected" in heapsim.keys(), "sent")
    either.command("ledger", "--check")


@pytest.mark.parametrize("editor, says", [
    ('echo garbage > "$1"', "cannot be read"),
    ("""sed -i 's/"id": 5/"id": "six", "price": "x"/;s/SessionStart/x/' """
     '"$1"; echo >> "$1"', "user"),
    ("""sed -i 's/"id": 5/"id": 6/' "$1" """, "it is invalid: no usable id"),
    ("""printf '[%s,%s]' "$(cat "$1")" "$(cat "$1")" > "$1.x"; """
     'cat "$1.x" > "$1"', "should be one event"),
    (': > "$1"', "the file is empty"),
    ('echo changed >> "$1"; exit 3', "editor"),
])
def test_a_bad_edit_is_told_and_kept(either, tmp_path, editor, says):
    done = edit(either, editor, tmp_path)
    assert done.returncode == FOUND and done.stdout == ""
    assert says in done.stderr
    path = kept(done)
    assert path.parent == tmp_path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    row, = tool(either, *Command.DEAD_LIST)
    assert row[Row.ID] == 1, "as it was"


def test_an_edit_that_the_rules_drop(start_daemon, tmp_path):
    daemon = start_daemon(**FAST, exclude="users.behaviors.*Start")
    daemon.post(batch(event(kind="users.messages.email.Click", id=7)))
    until(lambda: daemon.queue()[Queue.DEAD] == 1, "dead")
    (tmp_path / "corrected").write_text(json.dumps(CORRECTED))
    done = edit(daemon, f'cat {tmp_path}/corrected > "$1"', tmp_path)
    assert Rule.EXCLUDED % "users.behaviors.*Start" in done.stderr
    nobody = {**CORRECTED, "event_type": "users.messages.email.Click",
              "user": {}}
    (tmp_path / "corrected").write_text(json.dumps(nobody))
    done = edit(daemon, f'cat {tmp_path}/corrected > "$1"', tmp_path)
    assert done.returncode == FOUND
    assert json.loads(kept(done).read_text()) == nobody
    assert daemon.queue()[Queue.DEAD] == 1


def test_nothing_edited_is_nothing_sent(either, tmp_path):
    done = edit(either, "true", tmp_path)
    assert done.returncode == FOUND and "nothing was changed" in done.stdout
    assert len(tool(either, *Command.DEAD_LIST)) == 1
    assert not list(tmp_path.glob("currentsd-*"))


def test_an_edit_over_http(places):
    """The ledger has the event under its new type; nobody else's changes."""
    status, rows = call(places, "POST", "/dead/1/requeue", json.dumps(
        {**CORRECTED, "event_type": "users.messages.email.Open"}))
    assert (status, rows) == (200, [{Done.REQUEUED: 1}])
    status, rows = call(places, "POST", "/dead/1/requeue")
    assert status == 404 and Text.NO_DEAD_LETTER in rows[0]["error"]
    by_type = {row["label"]: row for row in tool(
        places, "ledger", "--by", "type", "--check")["lines"]}
    assert by_type["users.messages.email.Open"]["received"] == 1
    assert by_type["users.messages.email.Open"]["queued"] == 1
    assert by_type["users.behaviors.app.SessionStart"]["received"] == 0
    places.run.wait_line(
        r"module=admin event=requeue dead=1 edited=yes caller=admin\.sock")


def test_look_ups_of_people_are_logged_without_their_ids(places):
    tool(places, *Command.LIST[Place.QUEUED], "--user", "customer-1")
    places.run.wait_line(
        r"module=admin event=look_up person=[0-9a-f]{16} caller=admin\.sock")
    assert not any("customer-1" in line for line in places.run.lines)


# ---- tap

def tap(daemon, *words):
    """A tap that is known to be open: an event has come through it."""
    process = Process([BINARY, *Command.TAP, "--json", *words],
                      env=daemon.env, stream="stdout")

    def passes():
        daemon.post(batch(event()))
        return process.lines
    until(passes, "the tap is open")
    return process


def rows_of(process, made):
    """What came of this event so far."""
    return [row for row in lines("\n".join(process.lines))
            if row[Row.EVENT_ID] == made["id"]]


def test_tap(start_daemon, heapsim):
    daemon = start_daemon(**FAST)
    process = tap(daemon, "--rate", "1000")
    made = told()
    daemon.post(batch(made))
    until(lambda: len(rows_of(process, made)) == 2, "accepted and settled")
    accepted, delivered = rows_of(process, made)
    assert (accepted[Row.WHAT], delivered[Row.WHAT]) == (
        "accepted", "delivered")
    sent = accepted[Row.EXPLANATION][Finding.EVENT]
    assert sent["properties"]["campaign_name"] == "Come back"
    assert sent["identity"] == "customer-1"
    daemon.post(batch(made))
    until(lambda: len(rows_of(process, made)) == 3, "again")
    assert rows_of(process, made)[2][Row.WHAT] == "duplicate"
    process.end()
    everything = "\n".join(process.lines)
    assert EMAIL not in everything and PRIVATE not in everything
    daemon.run.wait_line(r"module=server event=accept")


def test_tap_with_filters_and_an_end(start_daemon):
    daemon = start_daemon(**FAST)
    wanted = event(kind="users.messages.email.Bounce")
    wanted["user"]["external_user_id"] = "ann"
    with subprocess.Popen(
            [BINARY, *Command.TAP, "--json", "--type", "*Bounce", "--user",
             "ann", "--source", "main", "--limit", "2"], env=daemon.env,
            stdout=subprocess.PIPE, text=True) as process:
        daemon.run.wait_line(r"module=admin event=tap person=[0-9a-f]{16} caller=")
        others = [event(), event(kind="users.messages.email.Bounce")]

        def ended():
            daemon.post(batch(*others, {**wanted, "id": os.urandom(4).hex()}))
            return process.poll() is not None
        until(ended, "two came through")
        rows = lines(process.stdout.read())
    assert process.returncode == FINE and len(rows) == 2
    for row in rows:
        assert row[Row.TYPE] == wanted["event_type"]
        assert row[Row.EXPLANATION][Finding.EVENT]["identity"] == "ann"
    assert not any('"ann"' in line for line in daemon.run.lines)


def test_tap_takes_a_sample(start_daemon):
    """What is not shown is counted."""
    daemon = start_daemon(**FAST)
    process = tap(daemon, "--rate", "1")
    daemon.post(batch(*(event() for _ in range(500))))
    until(lambda: daemon.queued() == 0, "all are delivered")

    def skipped():
        daemon.post(batch(event()))
        return sum(row[Row.SKIPPED] for row in lines(
            "\n".join(process.lines))) >= 900
    until(skipped, "they are counted")
    assert len(process.lines) < 500
    process.end()


def test_a_tap_that_is_not_read_stops_nobody(start_daemon, start_heapsim):
    daemon = start_daemon(heap_url=start_heapsim("--no-quota").url, **FAST)
    connection = AdminSocket(daemon)
    connection.connect()
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.request("GET", "/tap?rate=1000")
    big = told()
    big["properties"]["note"] = "x" * 2000
    for _ in range(20):
        answer = daemon.post(batch(*(
            {**big, "id": os.urandom(8).hex()} for _ in range(200))))
        assert answer.json["queued"] == 200
    until(lambda: daemon.queue()["delivered"] == 4000, "all are delivered")
    assert daemon.status()[Status.ALIVE] is True
    connection.close()


@pytest.mark.parametrize("method, path", [
    ("GET", "/persons/customer-1"), ("POST", "/events/customer-1"),
    ("GET", "/nothing/customer-1"),
    ("GET", "http://localhost/persons/customer-1")])
def test_no_refusal_logs_a_person(start_daemon, method, path):
    daemon = start_daemon(**FAST)
    connection = http.client.HTTPConnection("127.0.0.1", daemon.admin_port,
                                            timeout=PATIENCE)
    connection.request(method, path)
    assert connection.getresponse().status >= 400
    connection.close()
    daemon.run.wait_line(rf"module=server event=refuse .*method={method}")
    assert not any("customer-1" in line for line in daemon.run.lines)


def test_a_tap_outlasts_a_request(start_daemon):
    """request_timeout is for a client that sends or reads too slowly."""
    daemon = start_daemon(request_timeout="1s", **FAST)
    connection = AdminSocket(daemon)
    connection.request("GET", "/tap")
    answer = connection.getresponse()
    for _ in range(5):  # one a second
        assert answer.readline().startswith(b'{"progress":')
    connection.close()


@pytest.mark.file
def test_tap_needs_a_daemon(places):
    places.stop()
    assert "no daemon is running" in places.failing(*Command.TAP)


# ---- rights

@pytest.mark.parametrize("method, path", [
    ("GET", "/events"), ("GET", "/events/x"), ("GET", "/dead"),
    ("GET", "/dead/1"), ("GET", "/unreadable"), ("GET", "/unreadable/1"),
    ("GET", "/tap"), ("POST", "/dead/requeue?all=yes"),
    ("POST", "/dead/1/requeue"), ("POST", "/dead/1/drop"),
    ("POST", "/dead/drop?all=yes"), ("POST", "/unreadable/drop?all=yes")])
def test_nothing_of_this_without_a_token(places, method, path):
    connection = http.client.HTTPConnection("127.0.0.1", places.admin_port,
                                            timeout=PATIENCE)
    connection.request(method, path)
    assert connection.getresponse().status in (401, 403)
    connection.close()
    assert places.queue()[Queue.DEAD] == 1


@pytest.mark.parametrize("path", [
    "/dead/requeue", "/dead/drop", "/unreadable/drop",
    "/dead/drop?all=yes&type=x"])
def test_everything_must_be_asked_for(places, path):
    status, rows = call(places, "POST", path)
    assert status == 400 and "all=yes" in rows[0]["error"]
    assert places.queue()[Queue.DEAD] == 1


# ---- answers that have no good end

@contextlib.contextmanager
def answering(daemon, kind, *chunks):
    """Something else in the place of the daemon, which answers one call."""
    path = os.path.join(daemon.env["CURRENTSD_STATE_DIR"], "admin.sock")
    reply = (f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n"
             "Transfer-Encoding: chunked\r\n\r\n").encode()
    for chunk in (*chunks, b""):
        reply += b"%x\r\n%s\r\n" % (len(chunk), chunk)

    def serve():
        asked = b""
        while not asked:  # a command first only looks whether we are there
            connection = server.accept()[0]
            with connection:
                asked = connection.recv(65536)
                if asked:
                    connection.sendall(reply)

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join(timeout=PATIENCE)
    os.unlink(path)


@pytest.mark.file
@pytest.mark.parametrize("words, kind, chunks, why", [
    (("queue", "stats", "--age", "--json"), "application/json",
     (b"\n", b'{"error":"the daemon is stopping"}\n'), "is stopping"),
    (("queue", "stats", "--age"), "application/json",
     (b"\n", b'{"error":"the daemon is stopping"}\n'), "is stopping"),
    (("events", "export"), "application/x-ndjson",
     (b'{"row":{"place":"queued"}}\n',), "has no end"),
    (("events", "export"), "application/x-ndjson",
     (b'{"row":{"place":"queued"}}\n', b'{"error":"the disk"}\n'),
     "the disk")])
def test_an_answer_without_a_good_end_fails(start_daemon, words, kind, chunks,
                                            why):
    daemon = start_daemon(**FAST)
    daemon.stop()
    with answering(daemon, kind, *chunks):
        assert why in daemon.failing(*words)


# ---- parameters that would do more, or less, than they say

@pytest.mark.parametrize("method, path", [
    ("GET", "/unreadable?type=users.*"),
    ("POST", "/unreadable/drop?type=users.*")])
def test_a_body_has_no_type(places, method, path):
    status, (answer,) = call(places, method, path)
    assert (status, "no parameter type" in answer["error"]) == (400, True)
    assert len(lines(places.command(
        *Command.EXPORT[Place.UNREADABLE]))) == 1


@pytest.mark.parametrize("body, why", [
    ('{"users":["ann"],"users":["bob"]}', "duplicate"),
    ('{"users":["ann"],"listed":"yes"}', "listed"),
    ('{"users":["ann"],"Listed":true}', "listed")])
def test_erase_takes_no_body_that_it_does_not_understand(places, body, why):
    status, (answer,) = call(places, "POST", "/erase", body)
    assert (status, why in answer["error"]) == (400, True), answer


def test_looking_for_an_event_is_logged(places):
    """The id may be a member's, or stand in a body for a person."""
    call(places, "GET", "/events/customer-1")
    places.run.wait_line(
        r"module=admin event=look_up person=[0-9a-f]{16} caller=admin\.sock")
    assert not any("customer-1" in line for line in places.run.lines)
