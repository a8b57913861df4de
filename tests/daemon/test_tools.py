"""The operator's tools, each beside a running daemon and without one."""

import base64
import gzip
import json
import re
import sqlite3
import subprocess
import time

import pytest

from braze import batch, event, receipt
from commands import (BINARY, FINE, FOUND, INVALID, USAGE, lines, run, settings,
                      tool)
from conftest import BUILD, NO_QUOTA, PATIENCE, until
from names import (Choice, Command, Destination, Done, File, Ledger, Log,
                   Metric, Option, Pattern, Place, Queue, Receipt, Row, Rule,
                   Source, State, Stats, Status, Text)
from test_fault import prove

FAST = {"heap_linger": "10ms", "heap_defer": "200ms", **NO_QUOTA}


@pytest.fixture
def places(start_daemon):
    """A daemon with an event in every place, {place: event}."""
    daemon = start_daemon(**FAST)
    made = {Place.ARCHIVE: event(), Place.QUEUED: event()}
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
    return places


# ---- looking

def test_list(either):
    for place in (Place.QUEUED, Place.ARCHIVE):
        row, = tool(either, *Command.LIST[place])
        assert row[Row.EVENT_ID] == either.made[place]["id"]
        assert row[Row.TYPE] == either.made[place]["event_type"]
        text = either.command(*Command.LIST[place])
        assert either.made[place]["id"] in text
    row, = tool(either, *Command.DEAD_LIST)
    assert "id" in row[Row.REASON] and row[Row.STATUS] == 0
    body, = tool(either, *Command.LIST[Place.UNREADABLE])
    assert body[Row.BYTES] == 27
    either.command(*Command.LIST_OF_NO_PLACE, code=USAGE)


def test_filters(either):
    def count(*words, place=Place.QUEUED):
        return len(tool(either, *Command.LIST[place], *words))
    kind = either.made[Place.QUEUED]["event_type"]
    assert count("--type", kind) == count("--type", "users.*.Click") == 1
    assert count("--type", "users.nothing") == 0
    assert count("--user", "customer-1") == count("--user", "0123456789abcdef"
                                                  "01234567") == 1
    assert count("--user", "customer") == 0
    assert count("--source", "main") == 1 and count("--source", "x") == 0
    assert count("--since", "1h") == count("--since", "2020-01-01") == 1
    assert count("--since", "2100-01-01T00:00:00Z") == 0
    assert count("--reason", "id", place=Place.DEAD) == 1
    assert count("--reason", "nothing", place=Place.DEAD) == 0
    either.command(*Command.DEAD_LIST, "--since", "yesterday", code=USAGE)


def test_find(either):
    for place in (Place.QUEUED, Place.ARCHIVE):
        row, = tool(either, *Command.FIND, either.made[place]["id"])
        assert row[Row.PLACE] == place
        assert either.command(
            *Command.FIND, either.made[place]["id"]).startswith(place)
        key = f"{either.made[place]['event_type']}:{either.made[place]['id']}"
        row, = tool(either, *Command.FIND, key)
        assert row[Row.PLACE] == place, "by the key that Heap has"
        tool(either, *Command.FIND, f"users.other:{key}", code=FOUND)
    row, = tool(either, *Command.FIND, "5")
    assert row[Row.PLACE] == Place.DEAD
    row, = tool(either, *Command.FIND, "lost-one")
    assert row[Row.PLACE] == Place.UNREADABLE
    assert tool(either, *Command.FIND, "nobody-has-it", code=FOUND) == []
    assert Text.NOT_FOUND in either.command(*Command.FIND, "nobody-has-it",
                                            code=FOUND)


def test_show(either):
    body, = tool(either, *Command.LIST[Place.UNREADABLE])
    words = (*Command.UNREADABLE_SHOW, str(body[Row.ID]))
    assert tool(either, *words)[Row.BODY] == '{"events":[{"id":"lost-one"'
    assert '"lost-one"' in either.command(*words)
    either.command(*Command.UNREADABLE_SHOW, "999", code=FOUND)
    assert tool(either, *Command.DEAD_SHOW, "1")[Row.EVENT] == INVALID


def test_stats(either):
    stats = tool(either, *Command.STATS, Option.AGE)
    assert stats[Stats.QUEUED] == 1
    for table in (Stats.SOURCES_BY_AGE, Stats.TYPES_BY_AGE):
        row, = stats[table]
        ages = row[Stats.AGES]
        assert row[Stats.QUEUED] == ages[0] == sum(ages) == 1
    assert "1280 MIN" in either.command(*Command.STATS, Option.AGE)


# ---- deciding

def test_drop_needs_yes(either):
    either.command(*Command.DEAD_DROP, "--all", code=USAGE)
    either.command(*Command.DEAD_DROP, "--yes", code=USAGE)
    assert tool(either, *Command.DEAD_DROP, "--all", "--yes") == {
        Done.DROPPED: 1}
    assert tool(either, *Command.DEAD_LIST) == []
    drop, = tool(either, "ledger", "--check")[Ledger.DROPS]
    assert drop[Ledger.RULE] == Rule.OPERATOR and drop[Ledger.COUNT] == 1
    assert tool(either, *Command.UNREADABLE_DROP, "--all", "--yes") == {
        Done.DROPPED: 1}
    assert tool(either, *Command.LIST[Place.UNREADABLE]) == []
    assert tool(either, "ledger")[Ledger.UNREADABLE] == {
        Ledger.UNREADABLE_STORED: 0, Ledger.UNREADABLE_REMOVED: 1}
    assert Text.LEDGER_UNREADABLE % (0, 1) in either.command("ledger")
    assert Text.UNREADABLE_REMOVED % 1 in either.command("status")


def test_requeue_after_mending(start_daemon, heapsim):
    heapsim.control(refuse_event="Bounce")
    daemon = start_daemon(**FAST)
    good = [event() for _ in range(50)]
    bad = event(kind="users.messages.email.Bounce")
    daemon.post(batch(*good, bad))
    others = prove(daemon, 1)
    row, = tool(daemon, *Command.DEAD_LIST, "--reason", "refused")
    assert row[Row.TYPE] == bad["event_type"] and row[Row.STATUS] == 400
    assert "refused" in row[Row.ANSWER] and "Bounce" not in row[Row.REASON]
    same, = tool(daemon, *Command.DEAD_LIST, "--reason",
                 row[Row.ANSWER][2:20])
    assert same == row, "in the destination's words"
    assert re.search(Pattern.DEAD_ROW % 400,
                     daemon.command(*Command.DEAD_LIST))
    heapsim.control(refuse_event="")
    for words, count in ((("--reason", "not these"), 0),
                         (("--type", "*Click"), 0),
                         (("--type", "*Bounce"), 1)):
        assert tool(daemon, *Command.DEAD_REQUEUE, *words) == {
            Done.REQUEUED: count}
    count = 51 + len(others)
    until(lambda: daemon.queue()["delivered"] == count, "all is delivered")
    assert len(heapsim.keys()) == count


@pytest.mark.file
def test_requeue_without_a_daemon(start_daemon, heapsim):
    daemon = start_daemon(**FAST, unknown_type=Choice.DEAD)
    daemon.post(batch(*[event(kind="users.new.Thing") for _ in range(200)]))
    until(lambda: daemon.queue()[Queue.DEAD] == 200, "all are dead")
    daemon.stop()
    daemon.command(*Command.DEAD_REQUEUE, code=USAGE)
    for words, count in ((["1"], 1), (["--all", "--limit", "9"], 9),
                         (["--all"], 190)):
        assert tool(daemon, *Command.DEAD_REQUEUE, *words) == {
            Done.REQUEUED: count}
    assert Text.NO_DEAD_LETTER in daemon.failing(*Command.DEAD_REQUEUE, "1")
    daemon.start()
    until(lambda: len(heapsim.keys()) == 200, "all arrive")


@pytest.mark.file
def test_pause_survives_a_restart(places, heapsim):
    places.stop()
    places.start()
    destination, = places.status()[Status.DESTINATIONS]
    assert destination["state"] == State.PAUSED
    assert destination[Destination.QUEUED] == 1
    places.command(*Command.PAUSE, "nowhere", code=FOUND)
    places.stop()
    assert "is resumed" in places.command(*Command.RESUME, "heap")
    places.start()
    until(lambda: len(heapsim.keys()) == 2, "it is delivered after all")


def test_resume(places, heapsim):
    places.command(*Command.RESUME, "heap")
    until(lambda: len(heapsim.keys()) == 2, "it is delivered after all")


# ---- out and in

def test_export_and_import(either, start_daemon, tmp_path):
    rows, path = {}, tmp_path / "export"
    for place in (Place.QUEUED, Place.ARCHIVE, Place.DEAD):
        text = either.command(*Command.EXPORT[place])
        with path.open("a") as file:
            file.write(text)
        row, = rows[place] = lines(text)
        assert row[Row.PLACE] == place and row[Row.SOURCE] == "main"
        assert row[Row.DESTINATION] == "heap"
    assert rows[Place.QUEUED][0][Row.EVENT] == either.made[Place.QUEUED]
    assert rows[Place.DEAD][0][Row.EVENT] == json.loads(INVALID)
    again = tool(either, *Command.IMPORT, str(path))
    assert again == {**receipt(received=3, duplicates=3),
                     Receipt.UNREADABLE_LINES: 0}
    other = start_daemon(**FAST)
    taken = tool(other, *Command.IMPORT, str(path))
    assert taken["queued"] == 2 and taken[Receipt.DEAD] == 1
    either.command("ledger", "--check")


def test_bytes_survive_the_way(start_daemon):
    """What is no JSON on one line comes back as it was."""
    daemon = start_daemon(**FAST)
    odd = [b'{"event_type":"x","id":1,\n"time":2}',
           b'{"event_type":"x","id":1,"time":"\xff"}', b'"text"', b"17"]
    daemon.post(b'{"events":[' + b",".join(odd) + b"]}")
    exported = daemon.command(*Command.DEAD_EXPORT)
    rows = lines(exported)
    got = [base64.b64decode(row[Row.EVENT_BASE64]) for row in rows[:2]]
    assert got == odd[:2]
    assert [row[Row.EVENT] for row in rows[2:]] == ["text", 17]
    daemon.command(*Command.DEAD_DROP, "--all", "--yes")
    again = tool(daemon, *Command.IMPORT, stdin=exported)
    assert again["duplicates"] == 2  # what is no object never is one


def test_dead_letters_go_out_and_come_back_repaired(start_daemon):
    """All of them, since Braze does not send them again."""
    daemon = start_daemon(**FAST)
    daemon.command(*Command.PAUSE, "heap")
    made = [event(time="soon") for _ in range(500)]
    for at in range(0, len(made), 50):
        daemon.post(batch(*made[at:at + 50]))
    exported = lines(daemon.command(*Command.DEAD_EXPORT))
    assert [row[Row.EVENT] for row in exported] == made
    daemon.command(*Command.DEAD_DROP, "--all", "--yes")
    for row in exported:
        row[Row.EVENT]["time"] = event()["time"]
    again = tool(daemon, *Command.IMPORT, stdin="\n".join(
        json.dumps(row) for row in exported))
    assert again == {**receipt(received=500, queued=500),
                     Receipt.UNREADABLE_LINES: 0}


def test_import_of_many(either, tmp_path):
    made = [event() for _ in range(2500)]
    path = tmp_path / "events"
    path.write_text("\n" + "".join(json.dumps(row) + "\n"
                                   for row in made[:1000])
                    + json.dumps(batch(*made[1000:2000])) + "\nnonsense\n"
                    + "\n".join(json.dumps(row) for row in made[2000:]))
    done = run(*Command.IMPORT, str(path), "--source", "main", "--json",
               **settings(either))
    assert done.returncode == FOUND
    assert "line 1003" in done.stderr
    assert json.loads(done.stdout) == {
        **receipt(received=2500, queued=2500), Receipt.UNREADABLE_LINES: 1}
    again = tool(either, *Command.IMPORT, "-", code=FOUND,
                 stdin=path.read_text())
    assert again["duplicates"] == 2500
    exported = lines(either.command(*Command.EXPORT[Place.QUEUED]))
    assert {row[Row.EVENT]["id"] for row in exported} == {
        row["id"] for row in made + [either.made[Place.QUEUED]]}
    either.command(*Command.IMPORT, "--source", "x", str(path), code=USAGE)
    either.command(*Command.IMPORT, "/nonexistent", code=USAGE)


def test_unreadable_bodies_come_back_after_repair(start_daemon):
    """Byte for byte, and thousands at once."""
    daemon = start_daemon(**FAST)
    whole = [json.dumps(batch(event())) for _ in range(2000)]
    odd = [b"\xff\x00\r\n", '\u0000"\\\x7f\u2028'.encode(), b"x"]
    cut = gzip.compress(whole[-1].encode())[:-1]
    for one in whole[:-1]:
        assert daemon.post(one[:-1]).status == 400
    for one in odd:
        assert daemon.post(one).status == 400
    assert daemon.post(cut, content_encoding="gzip").status == 400
    exported = daemon.command(*Command.EXPORT[Place.UNREADABLE])
    rows = [json.loads(row) for row in exported.rstrip("\n").split("\n")]
    got = [base64.b64decode(row["body_base64"]) if "body_base64" in row
           else row["body"].encode() for row in rows]
    assert got == [one[:-1].encode() for one in whole[:-1]] + odd + [cut]
    assert [row["encoding"] for row in rows[-2:]] == ["", "gzip"]
    for row in rows[:-1]:
        if "body" in row:
            row["body"] += "}"
    rows[-1]["body_base64"] = base64.b64encode(
        gzip.compress(whole[-1].encode())).decode()
    fixed = "\n".join(json.dumps(row) for row in rows)
    done = tool(daemon, *Command.IMPORT, stdin=fixed, code=FOUND)
    assert done == {**receipt(received=2000, queued=2000),
                    Receipt.UNREADABLE_LINES: len(odd)}


@pytest.mark.file
def test_replay_into_a_second_destination(start_daemon, heapsim,
                                          start_heapsim, tmp_path):
    second = start_heapsim()
    path = tmp_path / "two.conf"
    path.write_text('source "main" { destination = "heap"\n open = yes }\n' + "".join(
        f'destination "{name}" {{ app_id = "1"\n url = "{sim.url}"\n'
        " linger = 10ms events_per_minute = 0 identity_per_minute = 0 }\n"
        for name, sim in (("heap", heapsim), ("second", second))))
    daemon = start_daemon(config=path, token="", heap_app_id="", heap_url="")
    made = [event() for _ in range(20)]
    daemon.post(batch(*made))
    until(lambda: daemon.queue()["delivered"] == 20, "delivered")
    keys = heapsim.keys()
    assert len(keys) == 20 and second.keys() == {}
    daemon.command(*Command.FIND, made[3]["id"])
    daemon.command("replay", code=USAGE)
    daemon.command("replay", "--since", "1h", "--destination", "x", code=FOUND)
    assert tool(daemon, "replay", "--since", "1h", "--type", "x") == {
        Done.REPLAYED: 0}
    told = daemon.command("replay", "--since", "1h", "--destination",
                          "second")
    assert "20 delivered" in told and "ignores" in told
    until(lambda: len(second.keys()) == 20, "the replay arrives")
    assert second.keys().keys() == keys.keys() and heapsim.keys() == keys
    until(lambda: tool(daemon, "ledger")[Ledger.TOTAL][
        Ledger.REPLAY_DELIVERED] == 20, "it is in the ledger")
    assert re.search(Pattern.REPLAYS % (20, 0, 20, 0, 20, 0, 20, 0),
                     daemon.command("ledger", "--by", "source", "--check"))
    daemon.stop()
    assert tool(daemon, "replay", "--since", "1h") == {Done.REPLAYED: 20}
    daemon.start()
    until(lambda: set(heapsim.keys().values()) == {2}, "the same keys again")


@pytest.mark.file
@pytest.mark.parametrize("running", [True, False])
def test_replay_under_another_identity_asks(start_daemon, tmp_path, running):
    key = tmp_path / "key"
    key.write_text("0123456789abcdef")
    key.chmod(0o600)
    daemon = start_daemon(**FAST)
    daemon.post(batch(event(), event()))
    until(lambda: daemon.queue()["delivered"] == 2, "delivered")
    daemon.stop()
    daemon.change(heap_identity_hash="yes", heap_hash_key_file=key)
    daemon.start()
    daemon.post(batch(event()))
    until(lambda: daemon.queue()["delivered"] == 3, "delivered")
    if not running:
        daemon.stop()
    words = ("replay", "--since", "1h")
    done = run(*words, "--json", **settings(daemon))
    assert done.returncode == FOUND
    assert json.loads(done.stdout) == {Done.REPLAYED: 1}
    assert "skipped 2 events" in done.stderr and "--force" in done.stderr
    assert tool(daemon, *words, "--force") == {Done.REPLAYED: 3}
    if not running:
        daemon.start()
    until(lambda: tool(daemon, "ledger")[Ledger.TOTAL][
        Ledger.REPLAY_DELIVERED] == 4, "replayed")


# ---- the file

@pytest.mark.file
def test_check_and_backup(either, tmp_path):
    assert tool(either, *Command.CHECK)[Done.FAULTS] == []
    path = tmp_path / "copy" / "queue.db"
    path.parent.mkdir()
    path.parent.chmod(0o700)
    either.command(*Command.BACKUP, "relative", code=USAGE)
    either.command(*Command.BACKUP, str(path))
    either.command(*Command.BACKUP, str(path), code=USAGE)
    assert path.stat().st_mode & 0o777 == 0o600
    copy = {**settings(either), "state_dir": path.parent}
    for place in (Place.QUEUED, Place.ARCHIVE):
        done = run(*Command.FIND, either.made[place]["id"], **copy)
        assert done.stdout.startswith(place)
    assert run("ledger", "--check", **copy).returncode == FINE


@pytest.mark.file
def test_check_of_a_damaged_file(places):
    places.stop()
    path = places.env["CURRENTSD_STATE_DIR"] + "/queue.db"
    with sqlite3.connect(path) as db:
        table, = db.execute("SELECT name FROM sqlite_master WHERE name LIKE "
                            f"'{File.BATCH}%' AND type = 'table'").fetchone()
        columns = [row[1] for row in db.execute(
            f"PRAGMA table_info({table})") if row[2] == "BLOB"]
        changed = db.execute(
            f"UPDATE {table} SET {columns[0]} = zeroblob("
            f"length({columns[0]}))").rowcount
    db.close()
    assert changed == 2
    done = run(*Command.CHECK, "--json", **settings(places))
    assert done.returncode == FOUND
    assert len(json.loads(done.stdout)[Done.FAULTS]) == 2


# ---- the clocks

def test_clocks(places):
    status = places.status()
    source, = status[Status.SOURCES]
    token, = source[Source.TOKENS]
    assert token[Source.TOKEN_NUMBER] == 1
    assert token[Source.TOKEN_LAST_USED_S] >= 0
    destination, = status[Status.DESTINATIONS]
    assert destination[Destination.LAST_ACCEPTED_S] >= 0
    assert destination[Destination.OLDEST_QUEUED_S] >= 0
    assert status[Status.QUEUE][Queue.ARCHIVE_BATCHES] == 1
    used = places.metric(Metric.TOKEN_LAST_USED % ("main", 1))
    assert 0 < used <= time.time()
    assert places.metric(Metric.DRAIN_FORECAST % "heap") == -1
    assert Text.TOKEN % 1 in places.command("sources", "show", "main")


def test_a_client_that_goes_ends_its_job(either, tmp_path):
    """Nobody reads the export: the daemon goes on all the same."""
    path = tmp_path / "events"
    path.write_text("".join(json.dumps(event()) + "\n" for _ in range(3000)))
    either.command(*Command.IMPORT, str(path))
    with subprocess.Popen([BINARY, *Command.EXPORT[Place.QUEUED]],
                          env=either.env, stdout=subprocess.PIPE) as process:
        assert f'"{Row.PLACE}":"{Place.QUEUED}"'.encode() in \
            process.stdout.readline()
        process.stdout.close()
        process.wait(timeout=PATIENCE)
    total = tool(either, "ledger", "--check")[Ledger.TOTAL]
    assert total[Ledger.QUEUED] == 3001


@pytest.fixture
def backing_up(start_daemon, tmp_path):
    """A daemon, and a backup whose disk hangs while the file exists."""
    hang, copy = tmp_path / "hang", tmp_path / "copy"
    daemon = start_daemon(**FAST, env={
        "LD_PRELOAD": str(BUILD / "tests" / "libhang.so"), "HANG": str(hang),
        "HANG_OF": str(copy), "ASAN_OPTIONS": "verify_asan_link_order=0"})
    hang.touch()
    env = {name: value for name, value in daemon.env.items()
           if name != "LD_PRELOAD"}
    with subprocess.Popen([BINARY, *Command.BACKUP, str(copy)], env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as process:
        daemon.run.wait_line(Log.JOB_BEGIN % " ".join(Command.BACKUP))
        until(copy.exists, "the copy")
        yield daemon, process, hang, copy
        hang.unlink(missing_ok=True)


@pytest.mark.file
def test_one_job_at_a_time_and_others_are_served(backing_up):
    """Status answers, and tells of the job; another job does not run."""
    daemon, process, hang, copy = backing_up
    job, = daemon.admin("/jobs").json["jobs"]
    assert job["name"] == " ".join(Command.BACKUP)
    assert re.fullmatch(r"\d{4}-.*Z", job["since"])
    assert Text.RUNNING in daemon.command("status")
    assert tool(daemon, *Command.DEAD_LIST) == []
    daemon.post(batch({}, event()))
    for command in (Command.CHECK, (*Command.DEAD_REQUEUE, "1")):
        assert (f"`currentsd {job['name']}` is still running, since"
                in daemon.failing(*command))
    assert daemon.post(batch(event())).status == 200
    assert tool(daemon, *Command.IMPORT,
                stdin=json.dumps(event()))["queued"] == 1
    hang.unlink()
    assert process.wait(timeout=PATIENCE) == FINE
    assert copy.exists()
    assert daemon.admin("/jobs").json == {"jobs": []}
    assert tool(daemon, *Command.CHECK)[Done.FAULTS] == []


@pytest.mark.file
def test_a_stop_ends_a_job(backing_up):
    """And half a copy does not stay."""
    daemon, process, hang, copy = backing_up
    daemon.run.process.terminate()
    until(lambda: not answers(daemon), "the server's end")
    hang.unlink()
    assert process.wait(timeout=PATIENCE) == FOUND
    assert "stopping" in process.stderr.read()
    daemon.stop()
    assert not copy.exists()


def answers(daemon):
    try:
        return daemon.get("/readyz").status == 200
    except OSError:
        return False


def test_replays_are_marked(places):
    """Among the queued they are no new events."""
    places.command("replay", "--since", "1h")
    delivered = places.made[Place.ARCHIVE]["id"]
    new, again = sorted(tool(places, *Command.LIST[Place.QUEUED]),
                        key=lambda row: Row.REPLAY in row)
    assert again[Row.EVENT_ID] == delivered
    assert again[Row.REPLAY] is True and Row.REPLAY not in new
    marked, = [row for row in places.command(
        *Command.LIST[Place.QUEUED]).splitlines()
        if row.endswith(Text.REPLAY_ROW)]
    assert delivered in marked
    exported = lines(places.command(*Command.EXPORT[Place.QUEUED]))
    assert [row.get(Row.REPLAY) for row in exported
            if row[Row.EVENT]["id"] == delivered] == [True]
    assert sum(Row.REPLAY in row for row in exported) == 1
